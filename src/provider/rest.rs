//! What the vendors with a REST interface share: the one [client](client) with its pool of connections, the one place that says what
//! an exchange means for a message, what vendors' [words](wording) mean, and their JSON as it really comes.
//!
//! It knows no vendor. What is a vendor's own in its answers it says itself ([`client::Dialect`]).

pub mod client;
pub mod json;
mod pool;
pub mod wording;
