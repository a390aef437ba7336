//! What operators do: at vendors, with approvers, about people who want no more texts or agreed to some, with budgets, and with what is old.

pub mod approvers;
mod budgets;
pub mod consents;
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
