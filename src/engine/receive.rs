//! What comes back: receipts, what people write, what vendors know when they are asked, and what becomes of
//! it here.

mod answered;
mod connection;
mod decided;
mod events;
mod long_reply;
mod meaning;
pub mod poll;
mod receipts;
pub mod reconcile;
mod refresh;
mod reply;
mod room;
mod unmatched;
pub mod webhook;

pub use poll::Poll;
pub use receipts::Receipts;
pub use room::{PATIENCE, Receive};
