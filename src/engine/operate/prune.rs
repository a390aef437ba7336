//! Forgetting what is long over (`[ledger] keep_for`): by one process at a time, in small steps with rests
//! between them, so that no send waits for it.

use std::time::Duration;

use super::room::Operate;
use crate::clock::Timestamp;
use crate::engine::caller::Caller;
use crate::error::Result;
use crate::ledger::upkeep::{Prunable, PrunePlace, Pruned};
use crate::setting::Span;

/// Rows of one step: few enough that a send behind it does not feel it.
const STEP: u32 = 100;

/// How long others have the ledger for themselves after each step that wrote something.
const REST: Duration = Duration::from_millis(50);

/// How often a server looks.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

impl Operate {
    /// Forgets now and then, until the engine stops.
    pub async fn run_prune(&self, keep_for: Span) {
        while !self.life.is_stopping() {
            match self.forget(keep_for).await {
                Ok(Some(gone)) if !gone.is_none() => {
                    let Pruned { messages, replies, keys, .. } = gone;
                    tracing::info!(messages, replies, keys, "pruned what is older than [ledger] keep_for");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "prune failed; it will be tried again"),
            }
            self.life.pause(LOOK_EVERY).await;
        }
    }

    /// Forgets what did not change for so long. Returns what went; nothing where another process is at it.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerInDoubt`](crate::error::ErrorKind::LedgerInDoubt), and nothing has gone;
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable), and a part of it may
    /// have gone.
    pub async fn prune(&self, caller: &Caller, keep_for: Span) -> Result<Option<Pruned>> {
        caller.acted("ledger prune", &format!("what is older than {keep_for}"));
        self.forget(keep_for).await
    }

    async fn forget(&self, keep_for: Span) -> Result<Option<Pruned>> {
        let store = &self.ledger;
        // Whoever carries texts here: what is in doubt may be the only copy of what it holds.
        store.trust().await?;
        let Some(_turn) = store.prune_turn().await? else { return Ok(None) };
        let now = store.prune_at(self.life.now()).await?;
        let (mut gone, mut place) = (Pruned::default(), Some(PrunePlace::default()));
        while let Some(from) = place.filter(|_| !self.life.is_stopping()) {
            let step = store.prune(before(now, keep_for), now, from, STEP).await?;
            (gone, place) = (gone.and(step.gone), step.next);
            if !step.gone.is_none() {
                self.life.pause(REST).await;
            }
        }
        Ok(Some(gone))
    }

    /// What [`Operate::prune`] would forget, and since when what it is about did not change.
    ///
    /// # Errors
    /// As [`Operate::prune`], but of a ledger in doubt it is told all the same.
    pub async fn prunable(&self, caller: &Caller, keep_for: Span) -> Result<(Prunable, Timestamp)> {
        caller.looked("ledger prune --dry-run");
        let now = self.ledger.prune_at(self.life.now()).await?;
        let before = before(now, keep_for);
        Ok((self.ledger.prunable(before, now).await?, before))
    }
}

/// What changed before then is old.
fn before(now: Timestamp, keep_for: Span) -> Timestamp {
    now.plus_ms(-keep_for.as_millis())
}
