//! What operators do: at vendors, with approvers, about people who want no more texts, with budgets, and with what is old.

pub mod approvers;
mod budgets;
pub mod explain;
pub mod opt_outs;
pub mod page;
pub mod proposals;
mod prune;
mod room;
pub mod rules;
mod survey;
pub mod vendors;

pub use room::Operate;
