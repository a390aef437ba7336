//! What operators do: at vendors, about people who want no more texts, with budgets, and with what is old.

mod budgets;
pub mod explain;
pub mod opt_outs;
mod prune;
mod room;
pub mod rules;
pub mod vendors;

pub use room::Operate;
