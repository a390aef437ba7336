//! Sessions of clients of the remote endpoint, as far as they must outlive a restart.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::error::Result;

/// A client's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSession {
    /// SHA-256 of its id.
    pub digest: [u8; 32],
    /// Whose it is.
    pub principal: String,
    /// What the client said of itself when it opened the session, as JSON.
    pub initialize: String,
}

/// The part of the ledger that remembers them. Every error is
/// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
#[async_trait]
pub trait Clients: Send + Sync {
    /// Remembers a session, which is in use now.
    async fn keep_client(&self, session: ClientSession, now: Timestamp) -> Result<()>;

    /// The session of this digest, if it was used at `since` or later.
    async fn kept_client(&self, digest: [u8; 32], since: Timestamp) -> Result<Option<ClientSession>>;

    /// Notes when these were last used, and forgets all that were not used since then.
    async fn use_clients(&self, used: Vec<([u8; 32], Timestamp)>, since: Timestamp) -> Result<()>;

    /// Forgets a session.
    async fn forget_client(&self, digest: [u8; 32]) -> Result<()>;
}
