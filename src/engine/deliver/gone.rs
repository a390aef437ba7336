//! What waits for its time at a provider that was taken out of the settings: now and then it is looked for, and
//! what is too late ends.

use std::time::Duration;

use super::room::Deliver;
use crate::ledger::Gone;

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Most messages of one provider that one step ends.
const AT_ONCE: u32 = 100;

impl Deliver {
    /// Ends what is too late at providers that are not set up any more, until the engine stops.
    pub async fn run_gone(&self) {
        let known: Vec<String> =
            self.carriers.all().iter().map(|carrier| carrier.name().to_owned()).collect();
        while !self.life.is_stopping() {
            let gone = Gone {
                now: self.life.now(),
                limit: AT_ONCE,
                max_age_ms: self.queue_max_age.as_millis(),
                known: known.clone(),
            };
            match self.ledger.expire_gone(gone).await {
                Ok(expired) => {
                    expired.iter().for_each(|id| self.signals.changed(id));
                    if expired.len() >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX) {
                        continue;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "scheduled messages cannot be read; it will be tried again");
                }
            }
            self.life.pause(LOOK_EVERY).await;
        }
    }
}
