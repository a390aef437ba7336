//! Settling what processes that died left behind: attempts without an outcome are unknown from then on.

use std::sync::Arc;
use std::time::Duration;

use super::recorder::Recorder;
use crate::engine::life::Life;
use crate::engine::signals::Signals;
use crate::error::Result;
use crate::ledger::Ledger;
use crate::setting::Span;

/// How often the ledger is searched for what a process that died left behind.
const RECOVER_EVERY: Duration = Duration::from_secs(5);

/// What recovery may touch.
pub struct Recovery {
    pub ledger: Arc<dyn Ledger>,
    pub life: Arc<Life>,
    pub signals: Arc<Signals>,
    pub recorder: Arc<Recorder>,
    /// How long one message may take at a provider.
    pub timeout: Span,
}

impl Recovery {
    /// Settles what processes that died left behind.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn recover(&self) -> Result<()> {
        let now = self.life.now();
        // Own attempts are only in doubt after one had no outcome; what waits to be recorded has one.
        let patience = self.timeout.as_millis().saturating_mul(4).saturating_add(60_000);
        let is_in_doubt = self.life.has_lost() && !self.recorder.has_waiting();
        let stale_before = is_in_doubt.then(|| now.plus_ms(-patience));
        let recovered = self.ledger.recover(now, stale_before).await?;
        if recovered.unknown > 0 || recovered.released > 0 {
            tracing::warn!(
                unknown = recovered.unknown,
                released = recovered.released,
                "recovery settled what a process that ended had left"
            );
            self.signals.wake_queues();
        }
        Ok(())
    }

    /// The same now and then, until the engine stops.
    pub async fn run(&self) {
        while !self.life.is_stopping() {
            self.life.pause(RECOVER_EVERY).await;
            if let Err(error) = self.recover().await {
                tracing::warn!(%error, "recovery failed; it will be tried again");
            }
        }
    }
}
