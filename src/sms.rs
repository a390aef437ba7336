//! What an SMS is, with no I/O and no clock: numbers, texts and segments, money, states, templates, and the
//! facts that a decision to send rests on. Everything here is a value or a pure function.

pub mod absent;
pub mod caller_id;
pub mod cheaper;
pub mod consent;
pub mod destination;
pub mod facts;
pub mod fold;
pub mod gaps;
pub mod limits;
pub mod links;
pub mod message;
pub mod money;
pub mod number;
pub mod own;
pub mod peer;
pub mod plainly;
pub mod purpose;
pub mod quoted;
pub mod reply;
pub mod schedule;
pub mod sender;
pub mod template;
pub mod text;
pub mod unfinished;
pub mod untrusted;
pub mod verdict;
pub mod zones;
