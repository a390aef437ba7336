//! What callers look at: states, lists, balances and budgets.

pub mod replies;
pub mod status;
