//! What people write in several segments, until it is told.
//!
//! A segment is recorded before its carrier is thanked for it, and joined here by whoever brings the last
//! one. From the moment at which a text is to be told, whole or not, nothing is added to it: whoever tells
//! it, and however often that is tried, tells the same. What comes later begins a text of its own.
//!
//! The phone's number of a text counts from 0 again after 255, so a segment whose place has other octets
//! already belongs to another text. One that says the same does too, unless it may be one that a carrier
//! tells again: it is known to have been told before, or another process recorded it just now, which may have
//! died before it could acknowledge it. Nobody can be sure of that, so it is kept as a twin of the text that
//! it repeats: told when it comes to say anything else, and forgotten when it does not.

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::sms::caller_id::Sender;
use crate::sms::message::hex;

/// For how long a segment that another process recorded may be told again to this one, in milliseconds: that
/// one may have died before it could acknowledge it.
pub const DOUBT_MS: i64 = 600_000;

/// Texts of one sender that may wait for segments at a time.
pub const MOST_OF_SENDER: u32 = 10;

/// Texts of one provider's senders that may wait for segments at a time.
pub const MOST_LONG_REPLIES: u32 = 1_000;

/// Octets in all of them.
pub const MOST_OCTETS: i64 = 4 * 1024 * 1024;

/// Receipts of one provider that may wait for their messages at a time. Those of messages in flight are far
/// fewer.
pub const MOST_EARLY_RECEIPTS: u32 = 10_000;

/// A segment of a text that a person wrote.
#[derive(Clone)]
pub struct NewReplySegment {
    /// The provider that it came through.
    pub provider: String,
    /// Who wrote.
    pub from: Sender,
    /// The number or sender ID that it was sent to.
    pub to: String,
    /// What the phone numbers the text with.
    pub reference: u16,
    /// How many segments the text has; two or more.
    pub total: u8,
    /// Which of them this is, from 1.
    pub number: u8,
    /// Its alphabet, as the protocol numbers it.
    pub coding: u8,
    /// What it says in that alphabet.
    pub octets: Vec<u8>,
    /// The carrier's id of it; empty where it has none.
    pub vendor_id: String,
    /// When it was told first.
    pub at: Timestamp,
    /// What stands for it where it is kept that it was not acknowledged
    /// ([`Told::keep_told`](super::told::Told::keep_told)).
    pub content: Option<String>,
    /// Whether it may have been told and recorded before. Else an equal one that this process recorded was
    /// another.
    pub is_doubtful: bool,
}

/// A segment as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplySegment {
    /// Which it is, from 1.
    pub number: u8,
    /// Its alphabet, as the protocol numbers it.
    pub coding: u8,
    /// What it says in that alphabet.
    pub octets: Vec<u8>,
}

/// A text that is to be told as it is.
#[derive(Clone)]
pub struct LongReply {
    /// Its number in the ledger.
    pub sequence: i64,
    /// Who wrote.
    pub from: Sender,
    /// The number or sender ID that it was sent to.
    pub to: String,
    /// How many segments it should have.
    pub total: u8,
    /// When the earliest of its segments was told first.
    pub at: Timestamp,
    /// When its first segment was recorded.
    pub since: Timestamp,
    /// The segments that it has, in their order.
    pub segments: Vec<ReplySegment>,
}

impl LongReply {
    /// Whether no segment is missing.
    pub fn is_whole(&self) -> bool {
        self.segments.len() == usize::from(self.total)
    }

    /// An id that stays the same however often it is told, and that no other text has, of another ledger
    /// neither.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.sequence.to_be_bytes());
        hash.update(self.since.as_millis().to_be_bytes());
        for text in [self.from.text(), &self.to] {
            hash.update(text.len().to_be_bytes());
            hash.update(text);
        }
        for segment in &self.segments {
            hash.update([segment.number, segment.coding]);
            hash.update(segment.octets.len().to_be_bytes());
            hash.update(&segment.octets);
        }
        let mut id = hex(&hash.finalize());
        id.truncate(32);
        id
    }
}

impl std::fmt::Debug for LongReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LongReply")
            .field("sequence", &self.sequence)
            .field("segments", &self.segments.len())
            .finish_non_exhaustive()
    }
}

/// What recording a segment led to.
#[derive(Debug, Default)]
pub struct TakenSegment {
    /// The text that it made whole. Whoever recorded it is to tell it.
    pub whole: Option<LongReply>,
    /// How many texts had to be ended with gaps, so that no more are kept than may be. They are due.
    pub cut_short: u32,
}

/// Texts to tell.
#[derive(Clone, Debug)]
pub struct LongReplyClaim {
    /// Whose.
    pub provider: String,
    /// Texts whose first segment was recorded then or before wait no longer for the others.
    pub late: Timestamp,
    /// How many at most.
    pub limit: u32,
    /// Now.
    pub now: Timestamp,
    /// When another may tell them, unless [`LongReplies::long_reply_told`] says that they were told.
    pub again: Timestamp,
}

/// What waits in the ledger for something that may never come, of one provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Receipts that wait for their messages.
    pub early_receipts: u32,
    /// Receipts that were dropped while they waited, because there were too many; since the ledger was made.
    pub early_receipts_dropped: u32,
    /// Texts that were ended with gaps, because there were too many; since the ledger was made.
    pub long_replies_cut_short: u32,
}

/// The part of the ledger that joins them. Every error is
/// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
#[async_trait]
pub trait LongReplies: Send + Sync {
    /// Records a segment, however often it is told. The text that it makes whole is claimed until `again`.
    async fn take_segment(
        &self,
        segment: NewReplySegment,
        now: Timestamp,
        again: Timestamp,
    ) -> Result<TakenSegment>;

    /// Takes texts that are to be told: whole ones whose telling did not end, and those that waited too long.
    async fn claim_long_replies(&self, claim: LongReplyClaim) -> Result<Vec<LongReply>>;

    /// Notes that a text was told: what it says is erased, and for a while it is known again.
    async fn long_reply_told(&self, sequence: i64, now: Timestamp) -> Result<()>;

    /// What waits of this provider, and what could not.
    async fn tallies(&self, provider: &str) -> Result<Tallies>;
}
