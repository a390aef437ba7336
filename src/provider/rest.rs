//! What the vendors with a REST interface share: the one client with its pool of connections, the one place that says what an
//! exchange means for a message, what vendors' [words](wording) mean, and their [JSON](json) as it really comes.
//!
//! It knows no vendor. What is a vendor's own in its answers it says itself ([`Dialect`]).

mod answer;
mod client;
pub mod json;
mod pool;
mod settings;
pub mod wording;

pub use answer::Answer;
pub use client::{Client, Dialect, Request, path_part, unreadable};
pub use settings::{Settings, base_url};
