//! What people say, as it is asked of the ledger and told by it: replies, opt-outs, and what waits for the
//! operator because nobody knows who said it.

use crate::clock::Timestamp;
use crate::sms::message::MessageId;
use crate::sms::reply::Meaning;

/// How far back a reply may answer, in milliseconds: 90 days.
pub const ANSWERS_MS: i64 = 90 * 24 * 3_600_000;

/// Most replies of one sender within an hour that are shown: more than anybody types, and few for a machine.
pub const SHOWN_AN_HOUR: u32 = 60;

/// Most wishes that wait for the operator. Whoever can write to us can make them, so there is an end to them.
pub const MOST_PENDING: u32 = 1_000;

/// A reply of a person.
#[derive(Clone)]
pub struct NewReply {
    /// Whether it asks for the operator's help: then it wakes nobody.
    pub is_help: bool,
    /// The provider that it came through.
    pub provider: String,
    /// The provider's id of it: the same one is recorded once.
    pub vendor_id: String,
    /// Who wrote, in E.164; as it is written where that is not settled.
    pub from: String,
    /// Whether a person has to say who wrote: it answers no message until then.
    pub is_unsettled: bool,
    /// The number or sender ID that it was sent to.
    pub to: String,
    /// What it says, as it was written.
    pub text: String,
    /// Whether no segment of it is missing; else its text shows where.
    pub is_whole: bool,
    /// When it came in.
    pub at: Timestamp,
    /// Whether it is told to the operator's own system.
    pub forward: bool,
    /// What stands for it where it may have been told before: it is acknowledged once it is recorded.
    pub content: Option<String>,
}

/// A reply in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyRecord {
    /// Who wrote.
    pub from: String,
    /// The number or sender ID that it was sent to.
    pub to: String,
    /// What it says, as it was written. Versions before this escaped it, and such rows stay as they are.
    pub text: String,
    /// Whether no segment of it is missing; else its text shows where.
    pub is_whole: bool,
    /// When it came in.
    pub at: Timestamp,
}

/// Where a reply stands among those to its message: when it came in, and its number in the ledger.
pub type ReplyPlace = (Timestamp, i64);

/// Which replies to a message are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplyPage {
    /// Only those before this place.
    pub before: Option<ReplyPlace>,
    /// At most so many, the newest of them.
    pub limit: u32,
}

/// A page of the replies to a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    /// Those that were asked for, newest first, each with its place.
    pub page: Vec<(ReplyPlace, ReplyRecord)>,
    /// How many of all that came may be shown.
    pub showable: u32,
}

/// A person who wants no more texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// Who, in E.164.
    pub number: String,
    /// Since when.
    pub at: Timestamp,
    /// How it became known: `reply`, `operator`, or the provider's name.
    pub source: String,
}

/// What a person lets be known about texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// They want no more.
    pub is_opted_out: bool,
    /// Somebody wants no more who may be they, and no person has said yet who it was.
    pub is_stop_pending: bool,
    /// A long reply that may be theirs asks for no more, and nobody has read it yet: marketing waits.
    pub is_objection_pending: bool,
    /// How long ago they wrote last, in milliseconds, if that was within a day.
    pub wrote_ago_ms: Option<i64>,
}

/// What recording a reply led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is new. The message that it probably answers, if there is one.
    New(Option<MessageId>),
    /// It was recorded before.
    Known,
}

/// Something that the operator is to settle.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPending {
    /// The provider that it came through.
    pub provider: String,
    /// The sender as it is written, escaped.
    pub sender: String,
    /// By what a number is found that fits it ([`crate::sms::caller_id::CallerId::ending`]); nothing where
    /// none can.
    pub ending: Option<String>,
    /// What is asked for.
    pub meaning: Meaning,
    /// How it became known: `reply`, or the provider's name.
    pub source: String,
    /// When.
    pub at: Timestamp,
    /// Whether it was said anew, and not merely listed again: what the operator let go waits again then.
    pub is_said: bool,
    /// Who may have said it, in E.164. A STOP has stopped them already.
    pub people: Vec<String>,
}

/// What putting something before the operator led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pended {
    /// It waits now, and did not before.
    pub is_new: bool,
    /// There was no room for it.
    pub is_full: bool,
    /// Whom the operator had said that this sender is.
    pub number: Option<String>,
}

/// Something that waits for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Its number in the ledger.
    pub id: i64,
    /// The provider that it came through.
    pub provider: String,
    /// The sender as it is written, escaped.
    pub sender: String,
    /// What is asked for.
    pub meaning: Meaning,
    /// How it became known: `reply`, or the provider's name.
    pub source: String,
    /// When it was said last.
    pub at: Timestamp,
    /// Who may have said it, in E.164.
    pub people: Vec<String>,
    /// How many replies of this sender are nobody's.
    pub replies: u32,
}

/// What the operator settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What had waited.
    pub pending: Pending,
    /// The messages that have a reply now.
    pub answered: Vec<MessageId>,
}
