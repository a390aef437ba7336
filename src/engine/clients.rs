//! Sessions of clients of the remote endpoint, kept in the ledger so that they outlive a restart.
//!
//! A session is kept under a digest of its id: who reads the ledger gets into none. It is forgotten when it
//! was not used for `[guard] session_idle`, like every session.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::life::Life;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::clients::{ClientSession, Clients as Kept};

fn digest_of(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

/// What is kept of clients.
pub struct Clients {
    pub ledger: Arc<dyn Kept>,
    pub life: Arc<Life>,
    /// A session that was not used for this long is closed, in milliseconds.
    pub idle_ms: i64,
}

impl Clients {
    /// Remembers a session of this principal, with what its client said of itself (JSON).
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn keep_client(&self, principal: &str, id: &str, initialize: String) -> Result<()> {
        let session = ClientSession { digest: digest_of(id), principal: principal.to_owned(), initialize };
        self.ledger.keep_client(session, self.life.now()).await
    }

    /// What the client of a session said of itself, if it is this principal's.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn kept_client(&self, principal: &str, id: &str) -> Result<Option<String>> {
        let kept = self.ledger.kept_client(digest_of(id), self.idle_since()).await?;
        Ok(kept.filter(|session| session.principal == principal).map(|session| session.initialize))
    }

    /// Notes how long ago these sessions were last used, and forgets those that have not been for too long.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn use_clients<'a>(&self, used: impl IntoIterator<Item = (&'a str, Duration)>) -> Result<()> {
        let now = self.life.now();
        let at = |ago: Duration| now.plus_ms(-i64::try_from(ago.as_millis()).unwrap_or(i64::MAX));
        let used = used.into_iter().map(|(id, ago)| (digest_of(id), at(ago))).collect();
        self.ledger.use_clients(used, self.idle_since()).await
    }

    /// Forgets a session that its client ended.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn forget_client(&self, id: &str) -> Result<()> {
        self.ledger.forget_client(digest_of(id)).await
    }

    /// What was last used before this is closed.
    fn idle_since(&self) -> Timestamp {
        self.life.now().plus_ms(-self.idle_ms)
    }
}
