//! What waits for its time: it is looked for again and again, and what has become due goes to the queue, or
//! to its end where the policy, which is asked once more, refuses it now.

use std::sync::Arc;
use std::time::Duration;

use super::room::Deliver;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::life::crash_point;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Due, Recheck, Record};
use crate::policy::{Ask, Policy};
use crate::sms::facts::{Facts, Scope};
use crate::sms::money::Money;
use crate::sms::number::Number;

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often while the queue has as many as it is to have.
const WHILE_FULL: Duration = Duration::from_millis(250);

/// Most messages that one step lets go.
const AT_ONCE: u32 = 100;

/// The queue of a provider is kept short, so that what waits in it leaves soon: with what the pace lets leave
/// in two seconds, between these.
const LEAST_QUEUED: u32 = 100;
const MOST_QUEUED: u32 = 10_000;

impl Deliver {
    /// Lets go what becomes due at one carrier, until the engine stops.
    pub async fn run_due(self: &Arc<Self>, name: String) {
        let Some(carrier) = self.carriers.get(&name) else { return };
        while !self.life.is_stopping() {
            if self.stands_still(carrier).await {
                continue;
            }
            let next = self.release_due(carrier).await.unwrap_or_else(|error| {
                tracing::error!(%error, "scheduled messages cannot be read; it will be tried again");
                LOOK_EVERY
            });
            if !next.is_zero() {
                self.life.pause(next).await;
            }
        }
    }

    /// One step of it. Returns when the next is to be.
    async fn release_due(&self, carrier: &Carrier) -> Result<Duration> {
        let released = self.ledger.release_due(self.due_at(carrier), self.recheck()).await?;
        if !released.queued.is_empty() {
            crash_point("after-release");
        }
        released.queued.iter().chain(&released.ended).for_each(|id| self.signals.changed(id));
        if !released.queued.is_empty() {
            self.signals.wake_queues();
        }
        Ok(match (released.has_more, released.queued.len() + released.ended.len() + released.later.len()) {
            (false, _) => LOOK_EVERY,
            (true, 0) => WHILE_FULL,
            (true, _) => Duration::ZERO,
        })
    }

    /// What is asked about at this carrier, at this moment.
    pub(super) fn due_at(&self, carrier: &Carrier) -> Due {
        Due {
            now: self.life.now(),
            limit: AT_ONCE,
            max_age_ms: self.queue_max_age.as_millis(),
            provider: carrier.name().to_owned(),
            realm: carrier.realm(),
            without: self.halting.halts().principals(carrier.name()),
            day: self.policy.limits(Scope::Day),
            answers_of: self.policy.quiet().purposes(),
            consent_for: self.policy.consent().required_for.clone(),
            most_queued: self
                .policy
                .settings()
                .sends_per_second
                .saturating_mul(2)
                .clamp(LEAST_QUEUED, MOST_QUEUED),
        }
    }

    /// The policy's word about a message whose time has come. Whether it repeats another one was decided when
    /// it was accepted, and its turn is the queue's.
    pub(super) fn recheck(&self) -> Recheck {
        let (policy, carriers) = (Arc::clone(&self.policy), Arc::clone(&self.carriers));
        let now_ms = self.life.now().as_millis();
        Arc::new(move |record: &Record, facts: &Facts| {
            let to = Number::parse(&record.to, None)
                .map_err(|error| Error::new(ErrorKind::Internal, error.to_string()))?;
            let from = record.from.as_deref();
            policy.check_destination(&to)?;
            policy.check_sender(from)?;
            policy.check_purpose(record.purpose)?;
            check_price(carriers.get(&record.provider), &policy, &to, record)?;
            policy.decide(
                &Ask {
                    from,
                    hold_micros: record.held_micros,
                    allow_duplicate: true,
                    purpose: record.purpose,
                    is_decided: true,
                    ..Ask::to(&to, now_ms)
                },
                facts,
            )
        })
    }
}

/// Refuses what would cost more by now than was held for it.
fn check_price(carrier: Option<&Carrier>, policy: &Policy, to: &Number, record: &Record) -> Result<()> {
    let Some(carrier) = carrier else { return Ok(()) };
    let now = carrier.priced(policy, to, record.segments)?.money;
    if now.micros <= record.held_micros {
        return Ok(());
    }
    let held = Money { micros: record.held_micros, currency: now.currency };
    let message = format!("it would cost {now} by now, and {held} is held for it");
    Err(Error::new(ErrorKind::PriceUnknown, message))
}
