//! How an attempt ended, and what a provider says later.

use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::sms::message::{Realm, State};

/// One segment of a message whose segments went out as requests of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number, from 1.
    pub number: u32,
    /// Where it stands. `Rejected`: it was not taken; `Unknown`: its answer was lost.
    pub state: State,
    /// The provider's id of it, where the provider took it.
    pub vendor_id: Option<String>,
    /// When its state last changed.
    pub at: Timestamp,
    /// The provider's words or ours.
    pub why: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// When.
    pub at: Timestamp,
    /// The new state.
    pub state: State,
    /// The provider's id.
    pub vendor_id: Option<String>,
    /// The real price in micros; the held amount where the provider named none.
    pub price_micros: Option<i64>,
    /// Segments charged, where the provider says so.
    pub segments: Option<u32>,
    /// What became of each segment, where they went out as requests of their own; else nothing. Of a message
    /// that failed because some were not taken, the others' share of what was held is charged.
    pub parts: Vec<Segment>,
    /// Our code, for anything but success.
    pub code: Option<ErrorKind>,
    /// The provider's words or ours.
    pub why: Option<String>,
    /// Whether the idempotency key may be used again, because nothing was sent.
    pub free_key: bool,
    /// When the provider is to be asked about it for the first time, where nothing comes by itself.
    pub look_at: Option<Timestamp>,
}

/// A report of the provider about one of its messages.
#[derive(Clone, Debug)]
pub struct Report {
    /// The provider's name.
    pub provider: String,
    /// Its id of the message.
    pub vendor_id: String,
    /// The recipient in E.164, where several messages share the id.
    pub to: Option<String>,
    /// What it says.
    pub state: State,
    /// When it happened.
    pub at: Timestamp,
    /// Its words, if it failed.
    pub why: Option<String>,
    /// What it really cost, in micros of the message's currency, where the report says so. What was posted
    /// before is corrected by it, also for a message whose state does not change.
    pub price_micros: Option<i64>,
}

/// Which messages are to be looked up now.
#[derive(Clone, Debug)]
pub struct LookClaim {
    /// Of this provider.
    pub provider: String,
    /// On its side: the sandbox may have had the same name once.
    pub realm: Realm,
    /// At most so many questions.
    pub limit: u32,
    /// Now.
    pub now: Timestamp,
    /// Whether one question is answered for every message that has the provider's id of it: then one message
    /// stands for all of them.
    pub by_request: bool,
    /// Whether each question counts against the provider's rate.
    pub is_rated: bool,
}
