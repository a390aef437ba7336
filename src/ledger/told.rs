//! What carriers tell over the connections that they keep, as far as the ledger must know more of it than the
//! events themselves: what may be told again.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::error::Result;

/// For how long a text may be told again that was not acknowledged, in milliseconds: carriers keep one for a
/// day or two.
pub const TOLD_AGAIN_MS: i64 = 3 * 24 * 3_600_000;

/// Most texts that are kept for that: whoever can write to us can make them.
pub const MOST_TOLD: u32 = 100_000;

/// How old a receipt is at least, in milliseconds, before it counts as one that matches no message: the
/// answer that names its message may come after it.
pub const EARLY_MS: i64 = 60_000;

/// How far back receipts that match no message are counted, in milliseconds.
pub const UNMATCHED_MS: i64 = 24 * 3_600_000;

/// Receipts of a provider that match no message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmatched {
    /// How many of the last day are kept.
    pub count: u32,
    /// The id that the latest of them names.
    pub receipt: Option<String>,
    /// The id of the latest message that the provider gave one, for comparison.
    pub answer: Option<String>,
}

/// The part of the ledger that keeps it. Every error is
/// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
#[async_trait]
pub trait Told: Send + Sync {
    /// Keeps that these texts were told, each first at this time, and not acknowledged. What is kept for
    /// longer than [`TOLD_AGAIN_MS`], or beyond [`MOST_TOLD`], is forgotten, the oldest first. What another
    /// process took meanwhile is not kept.
    async fn keep_told(&self, provider: &str, texts: Vec<(String, Timestamp)>, now: Timestamp) -> Result<()>;

    /// When this text was told first, where it was not acknowledged then.
    async fn first_told(&self, provider: &str, content: &str) -> Result<Option<Timestamp>>;

    /// It is acknowledged now.
    async fn forget_told(&self, provider: &str, content: &str) -> Result<()>;

    /// Takes over the latest reply of this content, told since `since`, that a process recorded which died
    /// since: it may not have acknowledged it. Its id was made of the content
    /// ([`Reply::id_of`](crate::provider::exchange::Reply::id_of) has the form). When it was told. Each is
    /// taken over once, for it is told again once.
    async fn adopt_reply(&self, provider: &str, content: &str, since: Timestamp)
    -> Result<Option<Timestamp>>;

    /// Whether another process recorded a reply of this content, told since `since`, and has not left in good
    /// order: only that process knows whether the carrier heard its acknowledgement.
    async fn is_recorded_elsewhere(&self, provider: &str, content: &str, since: Timestamp) -> Result<bool>;

    /// When a process was last found dead: what it had been told and had not acknowledged, nobody knows.
    async fn last_death(&self) -> Result<Option<Timestamp>>;
}
