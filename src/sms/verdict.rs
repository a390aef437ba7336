//! When a message may leave that nothing refuses: what the policy answers, and the ledger writes.

/// When a message may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Now, as far as the policy goes: its turn and its pace are the queue's.
    Now,
    /// Not before this time. The policy is asked once more then.
    At {
        /// In milliseconds since 1970 (UTC).
        at_ms: i64,
        /// Why not now, in our own words.
        why: String,
    },
    /// Not before a person has said yes.
    Ask {
        /// Why somebody is asked, in our own words.
        why: String,
    },
}
