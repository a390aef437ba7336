//! What became of a request: its answer, or what is known without one.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::halt::{Brake, Halt};
use crate::provider::SegmentOutcome;
use crate::sms::message::MessageId;

/// How every answer begins that says that no bind is there which takes requests.
pub const NO_BIND: &str = "no bind is up";

/// What was in the way of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No bind is up that takes requests, or the session is being closed.
    NoBind,
    /// The carrier refused who we are.
    Unauthorized,
    /// Others wait before it: its turn is too far off.
    Turn,
    /// Another segment of its text was not taken.
    Text,
    /// Nothing begins: the operator paused it, or the ledger has no room.
    Halt(ErrorKind),
}

/// The messages that requests carry; questions carry none.
#[derive(Clone, Copy)]
pub(super) struct Carried<'a> {
    pub(super) messages: &'a Arc<[MessageId]>,
    /// What stops them before they begin.
    pub(super) brake: &'a Brake,
}

/// What became of one request of several.
#[derive(Debug)]
pub struct Asked<A> {
    /// The answer, or what is known without one.
    pub answer: std::result::Result<A, Lost>,
    /// Whether the answer is a "not now" that is about the recipient alone.
    pub of_recipient: bool,
}

impl<A> From<Lost> for Asked<A> {
    fn from(lost: Lost) -> Self {
        Self { answer: Err(lost), of_recipient: false }
    }
}

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing of it left.
    NotSent {
        /// Why.
        why: String,
        /// What was in the way.
        obstacle: Obstacle,
        /// How long to wait, in milliseconds, where something is known about that.
        retry_after_ms: Option<u64>,
    },
    /// It left, or some of it did.
    Unknown {
        /// What is known.
        why: String,
    },
}

impl Lost {
    /// What a question without an answer means for whoever asked it of this provider.
    pub fn error(self, provider: &str) -> Error {
        let (kind, why) = match self {
            Self::NotSent { why, obstacle: Obstacle::Unauthorized, .. } => {
                (ErrorKind::ProviderUnauthorized, why)
            }
            Self::NotSent { why, obstacle: Obstacle::Turn, .. } => (ErrorKind::RateLimited, why),
            Self::NotSent { why, .. } | Self::Unknown { why } => (ErrorKind::ProviderUnavailable, why),
        };
        Error::new(kind, format!("{provider}: {why}"))
    }
}

impl From<Halt> for Lost {
    fn from(halt: Halt) -> Self {
        Self::NotSent { why: halt.why, obstacle: Obstacle::Halt(halt.code), retry_after_ms: None }
    }
}

impl From<Lost> for SegmentOutcome {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::NotSent { why, obstacle: Obstacle::Unauthorized, .. } => {
                Self::Rejected { code: ErrorKind::ProviderUnauthorized, why }
            }
            Lost::NotSent { why, obstacle: Obstacle::Turn, retry_after_ms } => Self::NotNow {
                code: ErrorKind::RateLimited,
                retry_after_ms: retry_after_ms.unwrap_or_default(),
                why,
            },
            Lost::NotSent { why, obstacle: Obstacle::Halt(code), .. } => {
                Self::NotNow { code, retry_after_ms: 0, why }
            }
            Lost::NotSent { why, retry_after_ms, .. } => Self::NotSent { retry_after_ms, why },
            Lost::Unknown { why } => Self::Unknown { why },
        }
    }
}

/// The order of requests about the same thing, such as a recipient's number.
pub fn order_of(about: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    about.hash(&mut hasher);
    hasher.finish()
}
