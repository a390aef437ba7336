//! Telling the operator's own system what changed: each event is posted, signed, until it is taken or given
//! up.
//!
//! Events are written by the ledger in the same step as the change that they tell, so none is lost, and each
//! is told at least once under an id that stays.

use std::collections::BTreeMap;
use std::time::Duration;

use super::endpoint::{Target, Told};
use super::room::Tell;
use crate::clock::Timestamp;
use crate::ledger::Forward;

/// Events that are taken from the ledger together.
const AT_ONCE: u32 = 32;

/// How long events that were taken are left alone by others, in milliseconds: more than [`BATCH`] and one
/// telling take.
const LEASE_MS: i64 = 30_000;

/// How long a batch goes on with further events of a message.
const BATCH_MS: i64 = 15_000;

/// How often the ledger is asked for events that are due again, or that another process wrote.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What events must keep their order among: one message, or one reply.
fn group_of(event: &Forward) -> String {
    let body: serde_json::Value = serde_json::from_str(&event.body).unwrap_or_default();
    let id = body
        .pointer("/data/id")
        .or_else(|| body.pointer("/data/in_reply_to"))
        .and_then(serde_json::Value::as_str);
    id.map_or_else(|| event.id.clone(), str::to_owned)
}

impl Tell {
    /// Tells what is due to be told, until the engine stops.
    pub async fn run_forwards(&self) {
        let Some(target) = &self.target else { return };
        while !self.life.is_stopping() {
            let now = self.life.now();
            match self.ledger.claim_forwards(AT_ONCE, now, now.plus_ms(LEASE_MS)).await {
                Ok(events) if !events.is_empty() => {
                    self.tell_all(target, events, now).await;
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error,
                        "webhook events to deliver cannot be read from the ledger; it will be tried again")
                }
            }
            tokio::select! {
                () = self.life.pause(LOOK_EVERY) => {}
                () = self.signals.forwards() => {}
            }
        }
    }

    /// Tells a batch: messages side by side, and the events of one message one after the other.
    async fn tell_all(&self, target: &Target, mut events: Vec<Forward>, claimed: Timestamp) {
        events.sort_by_key(|event| event.sequence);
        let mut groups: BTreeMap<String, Vec<Forward>> = BTreeMap::new();
        for event in events {
            groups.entry(group_of(&event)).or_default().push(event);
        }
        futures::future::join_all(
            groups.into_values().map(|group| self.tell_in_order(target, group, claimed)),
        )
        .await;
    }

    async fn tell_in_order(&self, target: &Target, group: Vec<Forward>, claimed: Timestamp) {
        let mut earlier_failed: Option<Timestamp> = None;
        for event in group {
            let now = self.life.now();
            if earlier_failed.is_none() && now.as_millis().saturating_sub(claimed.as_millis()) > BATCH_MS {
                earlier_failed = Some(now);
            }
            let next = match earlier_failed {
                // What comes after waits for what was before, as far as it can.
                Some(at) => Some(at.plus_ms(1)),
                None => self.tell_one(target, &event, now).await,
            };
            if next.is_some() {
                earlier_failed = next;
            }
            if let Err(error) = self.ledger.forwarded(event.sequence, next).await {
                // It is told again then, under the same id.
                tracing::error!(event = event.id, %error,
                    "webhook event delivered, but the delivery could not be recorded; it will be sent again");
            }
        }
    }

    /// Tells one event. Returns when it is to be tried again; nothing where it is done with.
    async fn tell_one(&self, target: &Target, event: &Forward, now: Timestamp) -> Option<Timestamp> {
        let stopping = self.life.stopping();
        if self.life.is_stopping() {
            return Some(now);
        }
        let told = tokio::select! {
            told = target.tell(event, now) => told,
            // A receiver that stalls does not hold a stop up.
            () = stopping => return Some(now),
        };
        let why = match told {
            Told::Yes => {
                tracing::debug!(event = event.id, tries = event.tries, "webhook event delivered");
                return None;
            }
            Told::Never => {
                tracing::warn!(
                    event = event.id,
                    "webhook event given up: the receiver answered that it is gone"
                );
                return None;
            }
            Told::NotYet(why) => why,
        };
        let now = self.life.now();
        let random = self.life.random().map_or(0, |random: [u8; 2]| u64::from(u16::from_be_bytes(random)));
        let next = target.next(event, now, random);
        if next.is_some() {
            tracing::info!(
                event = event.id,
                tries = event.tries,
                why,
                "webhook event not delivered yet; it will be sent again"
            );
        } else {
            tracing::warn!(event = event.id, tries = event.tries, why, "webhook event given up");
        }
        next
    }
}
