//! What is forgotten: messages that are long over, and what belongs to them.
//!
//! Never forgotten are budgets, opt-outs and what waits for the operator; a message whose outcome or money is
//! open; and who was texted, when last, by whom and under which sender, by which a STOP finds its person.
//! What goes goes in small steps, each a transaction of its own that leaves the ledger whole.

use std::fs::File;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::error::Result;

/// How long a provider's id of a forgotten message is known, in milliseconds: 90 days. What carriers tell of
/// a message that did not change for a month comes sooner or not at all.
pub const KNOWN_ID_MS: i64 = 90 * 24 * 3_600_000;

/// How many of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Messages, with their segments.
    pub messages: u32,
    /// Bulk sends, each after all of its messages are old.
    pub bulks: u32,
    /// What people wrote.
    pub replies: u32,
    /// Sessions and handles. Their budgets stay.
    pub sessions: u32,
    /// Idempotency keys.
    pub keys: u32,
    /// Receipts and ids that wait for nothing any more.
    pub leftovers: u32,
    /// What operators did.
    pub acts: u32,
}

impl Pruned {
    /// Whether that is nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Both together.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            messages: self.messages.saturating_add(more.messages),
            bulks: self.bulks.saturating_add(more.bulks),
            replies: self.replies.saturating_add(more.replies),
            sessions: self.sessions.saturating_add(more.sessions),
            keys: self.keys.saturating_add(more.keys),
            leftovers: self.leftovers.saturating_add(more.leftovers),
            acts: self.acts.saturating_add(more.acts),
        }
    }
}

/// How far pruning has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrunePlace {
    /// Bulks after this one, by their places in the ledger.
    Bulks(i64),
    /// Messages after this one.
    Messages(i64),
    /// Replies that answer no message, after this one.
    Replies(i64),
    /// Sessions.
    Sessions,
    /// All else.
    Leftovers,
}

impl Default for PrunePlace {
    fn default() -> Self {
        Self::Bulks(0)
    }
}

/// One step of pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneStep {
    /// What went.
    pub gone: Pruned,
    /// Where to go on; nothing when all is done.
    pub next: Option<PrunePlace>,
}

/// What pruning would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prunable {
    /// What would go.
    pub goes: Pruned,
    /// Messages that are as old and stay: their outcome or their money is open, or something that is younger
    /// needs them.
    pub old_that_stay: u32,
    /// When the oldest message that stays was accepted.
    pub oldest: Option<Timestamp>,
}

/// The turn to prune. It ends with the value, and with the process.
#[derive(Debug)]
pub struct PruneTurn {
    _lock: File,
}

impl PruneTurn {
    /// A turn that lasts as long as this lock.
    pub fn new(lock: File) -> Self {
        Self { _lock: lock }
    }
}

/// What keeps the ledger itself: forgetting, its keys, its mark, its end. Every error is
/// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable) unless said otherwise.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// The moment as of which things are old. A clock that stands ahead must not make them so: it is at most
    /// a day after the last moment at which something was accepted or left; and one that stands behind makes
    /// less old than is.
    async fn prune_at(&self, now: Timestamp) -> Result<Timestamp>;

    /// The turn to prune; nothing while another process has it.
    async fn prune_turn(&self) -> Result<Option<PruneTurn>>;

    /// Forgets at most so many of what did not change since `before`, in one transaction.
    async fn prune(
        &self,
        before: Timestamp,
        now: Timestamp,
        place: PrunePlace,
        limit: u32,
    ) -> Result<PruneStep>;

    /// What pruning would do. Nothing is written.
    async fn prunable(&self, before: Timestamp, now: Timestamp) -> Result<Prunable>;

    /// A key of this ledger that stays as it is once it is made; `fresh` is taken where there is none.
    async fn key(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]>;

    /// Whether something may be sent from this ledger by a real provider: it is the one that its mark outside
    /// speaks of, and no older one.
    ///
    /// # Errors
    /// `ErrorKind::LedgerInDoubt`, or `ErrorKind::LedgerUnavailable` where the mark cannot be written.
    async fn trust(&self) -> Result<()>;

    /// Whether the ledger can be read.
    async fn ping(&self) -> Result<()>;

    /// Gives back what this process had claimed, and closes.
    async fn close(&self) -> Result<()>;
}
