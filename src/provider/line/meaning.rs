//! What a carrier's answer means for a message, in the words that SMPP and CMPP share: their codes differ,
//! and what can be done about them does not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::provider::SegmentOutcome;
use crate::provider::line::session::{NotNow, Verdict};

/// How long to wait where the carrier has a problem that passes, in milliseconds.
pub(super) const LATER_MS: u64 = 2_000;

/// How long to wait after it said "not now" for longer than the session tried, in milliseconds.
const THROTTLED_MS: u64 = 1_000;

/// How long to wait where a recipient takes nothing for longer than the session tried, in milliseconds.
pub(super) const RECIPIENT_MS: u64 = 10_000;

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CodeMeaning")]
pub enum Meaning {
    /// Not so fast: sent again, and everything slower.
    Throttled,
    /// The recipient takes nothing now, such as one whose queue at the carrier is full: sent again to it, and
    /// others are not slowed down.
    RecipientFull,
    /// Not taken, a problem that passes: may be tried again.
    Later,
    /// A definite no.
    Rejected,
    /// A definite no: the text is too long.
    MessageTooLong,
    /// A definite no, because of the recipient.
    InvalidNumber,
    /// A definite no, because of the sender.
    SenderNotAllowed,
    /// A definite no: nothing is left to spend.
    InsufficientBalance,
    /// A definite no: it is about who we are.
    Unauthorized,
    /// Nobody can say whether it was taken: never sent again, and its money stays held.
    Unknown,
}

impl Meaning {
    /// What it says to the session.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Throttled => Verdict::NotNow(NotNow::Account),
            Self::RecipientFull => Verdict::NotNow(NotNow::Recipient),
            Self::Unknown => Verdict::Taken,
            _ => Verdict::Refused,
        }
    }

    /// What became of the segment that was answered so, with words for it.
    pub fn outcome(self, why: String) -> SegmentOutcome {
        let code = match self {
            Self::Throttled => return SegmentOutcome::NotSent { retry_after_ms: Some(THROTTLED_MS), why },
            Self::RecipientFull => return recipient_full(why),
            Self::Later => return SegmentOutcome::NotSent { retry_after_ms: Some(LATER_MS), why },
            Self::Unknown => return SegmentOutcome::Unknown { why },
            Self::Rejected => ErrorKind::ProviderRejected,
            Self::MessageTooLong => ErrorKind::MessageTooLong,
            Self::InvalidNumber => ErrorKind::InvalidNumber,
            Self::SenderNotAllowed => ErrorKind::SenderNotAllowed,
            Self::InsufficientBalance => ErrorKind::InsufficientBalance,
            Self::Unauthorized => ErrorKind::ProviderUnauthorized,
        };
        SegmentOutcome::Rejected { code, why }
    }
}

/// What became of a segment whose recipient takes nothing now, while the carrier takes what is for others.
pub(super) fn recipient_full(why: String) -> SegmentOutcome {
    SegmentOutcome::NotNow { code: ErrorKind::ProviderUnavailable, retry_after_ms: RECIPIENT_MS, why }
}
