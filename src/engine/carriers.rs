//! Who carries the texts: each provider with what the engine needs around it, and which of them is asked for
//! a message.

pub mod asked;
pub mod breaker;
pub mod carrier;
pub mod route;
pub mod word;
