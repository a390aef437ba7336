//! Telling of changes: the operator's own system, and whoever watches a message.

pub mod forward;
pub mod watch;
