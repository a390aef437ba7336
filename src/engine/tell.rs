//! Telling of changes: the operator's own system, and whoever watches a message.

pub mod endpoint;
mod forward;
mod public;
mod room;
pub mod watch;

pub use room::Tell;
