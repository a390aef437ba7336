//! The kit that vendors with a REST interface share: the one client with its pool of connections and the one
//! place that says what an exchange means for a message; what vendors' [words](wording) mean; their
//! [JSON](json), their [amounts](amount) and their writing of numbers ([`digits`]) as they really come;
//! their [prices](rates) by country; what a text must be for them ([`outgoing`]); and the [forms](form) of their webhooks. What
//! they sign with stands in [`signature`](super::signature).
//!
//! It knows no vendor. What is a vendor's own in its answers it says itself ([`Dialect`]).

pub mod amount;
mod answer;
mod client;
pub mod codes;
pub mod digits;
pub mod form;
pub mod json;
pub mod outgoing;
mod pool;
pub mod rates;
mod request;
mod settings;
pub mod wording;

pub use answer::Answer;
pub use client::{Client, Dialect, path_part, unreadable};
pub use request::Request;
pub use settings::{Settings, base_url, base_url_within, plain};

pub(in crate::provider) use settings::vendor_settings;
