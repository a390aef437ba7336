//! What comes back: receipts, what people write, what vendors know when they are asked, and what becomes of it here.

pub mod answered;
pub mod connection;
pub mod long_reply;
pub mod meaning;
pub mod reconcile;
pub mod reply;
pub mod unmatched;
pub mod webhook;
