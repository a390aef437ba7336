//! Providers that are a line to a carrier: connections that stay, and on which many requests are open at
//! once.
//!
//! [`session`] is the engine that they have in common: connections, the window, the pace, and the promise
//! about lost answers. [`smpp`] and [`cmpp`] are a protocol's octets and rules over it. They share what a
//! carrier's answer [means](meaning) for a message, how the segments of one text are told from those of
//! another ([`references`]), and the loop that passes on what a carrier tells by itself ([`ear`]).

pub mod cmpp;
pub mod ear;
pub mod meaning;
pub mod references;
pub mod session;
pub mod smpp;
