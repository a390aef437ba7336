//! What waits to leave, and what a worker takes of it.

use std::sync::Arc;

use super::pacing::Pacing;
use super::record::Record;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::sms::facts::{Facts, Limits};
use crate::sms::message::{MessageId, Realm};
use crate::sms::purpose::Purpose;
use crate::sms::verdict::Verdict;

/// Messages that a worker took from the queue; they are `attempting` now.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The messages, with their texts.
    pub messages: Vec<Record>,
    /// What ended instead, with its money given back: its recipient does not want it any more.
    pub ended: Vec<MessageId>,
    /// How long until the sending rate allows another, in milliseconds, if that is what limited this claim.
    pub wait_ms: Option<u64>,
    /// Whether something went wrong after they were claimed: none of them may be handed over, and all go
    /// back.
    pub is_void: bool,
}

/// What a worker may take from the queue.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Now.
    pub now: Timestamp,
    /// At most so many.
    pub limit: u32,
    /// Messages per second.
    pub per_second: u32,
    /// Queued messages older than this expire instead, in milliseconds.
    pub max_age_ms: i64,
    /// Whether to take over what a process that died left queued.
    pub adopt: bool,
    /// Only messages for this provider: the queue of another waits for a server that has it.
    pub provider: String,
    /// On its side: what the sandbox had queued under the same name never leaves.
    pub realm: Realm,
    /// Most messages that one request of it carries. Where that is more than one, a claim takes what one
    /// request can carry: distinct recipients, one sender.
    pub per_request: u32,
    /// Whether each segment of a message is a request of its own.
    pub by_segment: bool,
    /// At most so many requests, and one message in any case.
    pub most_requests: u32,
    /// Nothing of these principals: what they have queued waits in its place.
    pub without: Vec<String>,
    /// How many requests may be made; the claim counts its own.
    pub rate: Pacing,
    /// Texts for these purposes end where their recipient's consent is not there any more.
    pub consent_for: Vec<Purpose>,
}

/// A message that goes back to its place in the queue.
#[derive(Clone, Debug)]
pub struct Back {
    /// Which.
    pub id: MessageId,
    /// Until then nobody takes it. It was tried: it comes behind what was not, and what is later for the same
    /// person behind it.
    pub rests_until: Option<Timestamp>,
}

/// What of a provider may go that waited for its time.
#[derive(Clone, Debug)]
pub struct Due {
    /// Now.
    pub now: Timestamp,
    /// At most so many.
    pub limit: u32,
    /// What was due longer ago expires instead, in milliseconds.
    pub max_age_ms: i64,
    /// Only messages for this provider.
    pub provider: String,
    /// On its side.
    pub realm: Realm,
    /// Nothing of these principals.
    pub without: Vec<String>,
    /// The limits of a principal's day: what leaves on another day than it was planned for is held in that
    /// one's budget.
    pub day: Limits,
    /// For texts of these purposes it is looked up whether their recipient wrote lately.
    pub answers_of: Vec<Purpose>,
    /// For texts of these purposes it is looked up whether their recipient agreed.
    pub consent_for: Vec<Purpose>,
    /// No more is let go while so many are queued for this provider.
    pub most_queued: u32,
}

/// What waited for its time at providers that are not set up any more.
#[derive(Clone, Debug)]
pub struct Gone {
    /// Now.
    pub now: Timestamp,
    /// At most so many of each provider.
    pub limit: u32,
    /// What was due longer ago has expired, in milliseconds; unless it says itself by when it expires.
    pub max_age_ms: i64,
    /// The providers that are set up.
    pub known: Vec<String>,
}

/// The policy's word about a message whose time has come, by the facts of this moment, as if it was not there
/// itself.
pub type Recheck = Arc<dyn Fn(&Record, &Facts) -> Result<Verdict> + Send + Sync>;

/// What became of messages whose time had come.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// They are queued, and this process's.
    pub queued: Vec<MessageId>,
    /// They were refused, or had waited too long, and their money is back.
    pub ended: Vec<MessageId>,
    /// They have a later time.
    pub later: Vec<MessageId>,
    /// Whether there may be more that are due.
    pub has_more: bool,
}

/// What recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Attempts whose process died: unknown now.
    pub unknown: u32,
    /// Queued messages that were released for another process to take.
    pub released: u32,
}
