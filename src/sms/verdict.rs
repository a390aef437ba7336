//! When a message may leave that nothing refuses: what the policy answers, and the ledger writes.

use super::schedule::Schedule;

/// When a message may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Now, as far as the policy goes: its turn and its pace are the queue's.
    Now,
    /// Now too, and not after this time: it expires where it has not left by then.
    Until {
        /// In milliseconds since 1970 (UTC).
        by_ms: i64,
    },
    /// Not before this time. The policy is asked once more then.
    At {
        /// In milliseconds since 1970 (UTC).
        at_ms: i64,
        /// It expires where it has not left by then. Without one, the queue's longest age counts from its
        /// time.
        by_ms: Option<i64>,
        /// Why not now, in our own words.
        why: String,
    },
    /// Not before a person has said yes.
    Ask {
        /// When it may leave then.
        schedule: Schedule,
        /// Why somebody is asked, in our own words.
        why: String,
    },
}

impl Verdict {
    /// Whether it may leave now.
    pub const fn is_now(&self) -> bool {
        matches!(self, Self::Now | Self::Until { .. })
    }

    /// When it is planned to leave, where that is not as soon as it may.
    pub const fn planned_ms(&self) -> Option<i64> {
        match self {
            Self::Now | Self::Until { .. } => None,
            Self::At { at_ms, .. } => Some(*at_ms),
            Self::Ask { schedule, .. } => schedule.at_ms,
        }
    }

    /// When it expires where it has not left.
    pub const fn by_ms(&self) -> Option<i64> {
        match self {
            Self::Now => None,
            Self::Until { by_ms } => Some(*by_ms),
            Self::At { by_ms, .. } => *by_ms,
            Self::Ask { schedule, .. } => schedule.by_ms,
        }
    }
}
