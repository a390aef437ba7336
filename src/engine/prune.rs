//! Forgetting what is long over (`[ledger] keep_for`): by one process at a time, in small steps with rests between them, so
//! that no send waits for it.

use std::time::Duration;

use super::Engine;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::upkeep::{Prunable, PrunePlace, Pruned};
use crate::setting::Span;

/// Rows of one step: few enough that a send behind it does not feel it.
const STEP: u32 = 100;

/// How long others have the ledger for themselves after each step that wrote something.
const REST: Duration = Duration::from_millis(50);

/// How often a server looks.
const LOOK_EVERY: Duration = Duration::from_secs(3_600);

impl Engine {
    /// Forgets from now on, and again now and then, what did not change for so long. For servers.
    pub fn start_pruning(&self, keep_for: Option<Span>) {
        let Some(keep_for) = keep_for else { return };
        let engine = self.clone();
        self.inner.tasks.spawn(async move { engine.run_prune(keep_for).await });
    }

    async fn run_prune(&self, keep_for: Span) {
        while !self.is_stopping() {
            match self.prune(keep_for).await {
                Ok(Some(gone)) if !gone.is_none() => {
                    let Pruned { messages, replies, keys, .. } = gone;
                    tracing::info!(messages, replies, keys, "pruned what is older than [ledger] keep_for");
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "prune failed; it will be tried again"),
            }
            self.pause(LOOK_EVERY).await;
        }
    }

    /// Forgets what did not change for so long. Returns what went; nothing where another process is at it.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerInDoubt`](crate::error::ErrorKind::LedgerInDoubt), and nothing has gone;
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable), and a part of it may have gone.
    pub async fn prune(&self, keep_for: Span) -> Result<Option<Pruned>> {
        let store = &self.parts().ledger;
        // Whoever carries texts here: what is in doubt may be the only copy of what it holds.
        store.trust().await?;
        let Some(_turn) = store.prune_turn().await? else { return Ok(None) };
        let now = store.prune_at(self.parts().clock.now()).await?;
        let (mut gone, mut place) = (Pruned::default(), Some(PrunePlace::default()));
        while let Some(from) = place.filter(|_| !self.is_stopping()) {
            let step = store.prune(before(now, keep_for), now, from, STEP).await?;
            (gone, place) = (gone.and(step.gone), step.next);
            if !step.gone.is_none() {
                self.pause(REST).await;
            }
        }
        Ok(Some(gone))
    }

    /// What [`Engine::prune`] would forget, and since when what it is about did not change.
    ///
    /// # Errors
    /// As [`Engine::prune`], but of a ledger in doubt it is told all the same.
    pub async fn prunable(&self, keep_for: Span) -> Result<(Prunable, Timestamp)> {
        let now = self.parts().ledger.prune_at(self.parts().clock.now()).await?;
        let before = before(now, keep_for);
        Ok((self.parts().ledger.prunable(before, now).await?, before))
    }
}

/// What changed before then is old.
fn before(now: Timestamp, keep_for: Span) -> Timestamp {
    now.plus_ms(-keep_for.as_millis())
}
