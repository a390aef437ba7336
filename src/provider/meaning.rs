//! What a carrier's answer means for a message, in the words that SMPP and CMPP share: their codes differ, and what can be
//! done about them does not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::provider::SegmentOutcome;

/// How long to wait where the carrier has a problem that passes, in milliseconds.
pub(super) const LATER_MS: u64 = 2_000;

/// How long to wait after it said "not now" for longer than the session tried, in milliseconds.
const THROTTLED_MS: u64 = 1_000;

/// What a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CodeMeaning")]
pub enum Meaning {
    /// Not so fast: sent again, slower.
    Throttled,
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
    /// What became of the segment that was answered so, with words for it.
    pub fn outcome(self, why: String) -> SegmentOutcome {
        let code = match self {
            Self::Throttled => return SegmentOutcome::NotSent { retry_after_ms: Some(THROTTLED_MS), why },
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
