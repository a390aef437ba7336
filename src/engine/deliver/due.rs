//! What waits for its time: it is looked for again and again, and what has become due goes to the queue, or
//! to its end where the policy, which is asked once more, refuses it now.

use std::sync::Arc;
use std::time::Duration;

use super::room::Deliver;
use crate::engine::carriers::carrier::Carrier;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Due, Recheck, Record};
use crate::policy::Ask;
use crate::sms::facts::Facts;
use crate::sms::number::Number;

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Most messages that one step lets go.
const AT_ONCE: u32 = 100;

impl Deliver {
    /// Lets go what becomes due at one carrier, until the engine stops.
    pub async fn run_due(self: &Arc<Self>, name: String) {
        let Some(carrier) = self.carriers.get(&name) else { return };
        while !self.life.is_stopping() {
            if self.stands_still(carrier).await {
                continue;
            }
            match self.release_due(carrier).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!(%error, "scheduled messages cannot be read; it will be tried again")
                }
            }
            self.life.pause(LOOK_EVERY).await;
        }
    }

    /// One step of it. Returns whether there may be more.
    async fn release_due(&self, carrier: &Carrier) -> Result<bool> {
        let due = Due {
            now: self.life.now(),
            limit: AT_ONCE,
            max_age_ms: self.queue_max_age.as_millis(),
            provider: carrier.name().to_owned(),
            realm: carrier.realm(),
            without: self.halting.halts().principals(carrier.name()),
        };
        let released = self.ledger.release_due(due, self.recheck()).await?;
        released.queued.iter().chain(&released.ended).for_each(|id| self.signals.changed(id));
        if !released.queued.is_empty() {
            self.signals.wake_queues();
        }
        let count = released.queued.len() + released.ended.len() + released.later.len();
        Ok(u32::try_from(count).is_ok_and(|count| count >= AT_ONCE))
    }

    /// The policy's word about a message whose time has come. Whether it repeats another one was decided when
    /// it was accepted, and its turn is the queue's.
    fn recheck(&self) -> Recheck {
        let policy = Arc::clone(&self.policy);
        Arc::new(move |record: &Record, facts: &Facts| {
            let to = Number::parse(&record.to, None)
                .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
            let from = record.from.as_deref();
            policy.check_destination(&to)?;
            policy.check_sender(from)?;
            policy.decide(
                &Ask {
                    to: &to,
                    from,
                    hold_micros: record.held_micros,
                    whole: None,
                    allow_duplicate: true,
                    paced: false,
                },
                facts,
            )
        })
    }
}
