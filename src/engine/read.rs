//! What callers look at: states, lists, balances and budgets.

mod balance;
mod list;
mod replies;
mod room;
mod sessions;
mod status;
mod view;

pub use room::Read;
