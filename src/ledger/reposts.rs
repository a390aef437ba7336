//! Requests that may be posted once more, since their vendor promises to answer the identical one, under the
//! same key, with its first answer: which request that was, and that it happens once.
//!
//! It is the one way by which a message that may have left is handed over again. So by which request it left
//! is on disk before that leaves, and that it is posted again is on disk before that does: whoever dies in
//! between has posted it again, as far as anybody is to know.

use async_trait::async_trait;

use super::model::{Due, Recheck, Record};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::sms::message::{MessageId, Realm};

/// What stands for a request: a digest of all that its vendor is shown.
pub type RequestDigest = [u8; 32];

/// A message whose answer was lost, and whose request may be posted once more now.
#[derive(Clone, Debug)]
pub struct Repostable {
    /// The message, with its text.
    pub message: Record,
    /// By which request it left.
    pub digest: RequestDigest,
}

/// The part of the ledger that knows them. Every error is
/// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
#[async_trait]
pub trait Reposts: Send + Sync {
    /// Notes by which request this process is about to hand this message to this provider, in the place of
    /// what was noted before. Nothing is noted of a text that is not kept: it could not be written again.
    async fn note_request(
        &self,
        id: &MessageId,
        provider: &str,
        digest: RequestDigest,
        now: Timestamp,
    ) -> Result<()>;

    /// Messages of this provider whose answer was lost, and whose request may be posted once more by now; the
    /// longest lost first. Nothing of a ledger in doubt.
    async fn repostable(&self, provider: &str, realm: Realm, now: Timestamp) -> Result<Vec<Repostable>>;

    /// Takes one of them for it, in one durable step, if it may still be posted again, nothing keeps it from
    /// leaving, and the policy, which is asked as for what becomes due, lets it leave now. Returns whether it
    /// did: of all processes one at most hears that, once.
    async fn claim_repost(&self, sought: Repostable, due: Due, recheck: Recheck) -> Result<bool>;

    /// When this message's request was posted once more, if that was so lately that its answer may still
    /// come: then nobody can say that it was not sent.
    async fn reposted(&self, id: &MessageId, now: Timestamp) -> Result<Option<Timestamp>>;
}
