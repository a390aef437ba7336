//! The queue of bulk messages: one worker for each carrier claims what is queued for it, as fast as its rate
//! and the sending rate allow, and hands it over.
//!
//! What a carrier certainly did not take goes on to the next one on its way; where there is none and the
//! carrier rests, it goes back to its place in the queue. Nothing that may have left ever does.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::offer::{Terms, may_be_asked_elsewhere, rests, too_late};
use super::outcome::{Ended, not_possible, settlement_of};
use super::room::Deliver;
use crate::clock::Timestamp;
use crate::engine::carriers::carrier::{Carrier, has_waited};
use crate::engine::carriers::route::{Hop, Way};
use crate::engine::halted::is_halt;
use crate::engine::life::crash_point;
use crate::engine::retry::{Backoff, LONGEST_WAIT_MS, MAX_TRIES};
use crate::error::ErrorKind;
use crate::ledger::{Back, Claim, Claimed, Record, Settlement};
use crate::provider::{Outcome, Submission};
use crate::sms::message::{BatchId, MessageId};
use crate::sms::money::Money;
use crate::sms::number::Number;

/// How long the queue waits for a full hand of free places before it takes what there is.
const GATHER: Duration = Duration::from_millis(10);

/// How often a queue that has nothing to do looks for what another process left.
const IDLE: Duration = Duration::from_secs(5);

/// The longest rest of a message whose recipient takes nothing, in milliseconds.
const LONGEST_REST_MS: i64 = 300_000;

/// A claimed message on its way.
struct OnItsWay<'a> {
    batch: Option<BatchId>,
    created: Timestamp,
    /// It does not leave after this.
    by: Option<Timestamp>,
    submission: Submission,
    way: Way<'a>,
}

/// What is to be done about a message that no carrier took.
enum Left {
    /// It ended.
    Settle(Settlement),
    /// It waits in the queue, and rests there for so long, in milliseconds.
    Wait(Option<i64>),
    /// It waits in the queue for its turn alone, and is taken as soon as there is room.
    InLine,
}

impl Deliver {
    /// Hands over what is queued for one carrier, until the engine stops.
    pub async fn run_queue(self: &Arc<Self>, name: String, adopt: bool) {
        let Some(carrier) = self.carriers.get(&name) else { return };
        // Two hands of places: one is at the provider while the next is claimed in one durable step.
        let hand = self.concurrency.div_ceil(2).max(1);
        let places = Arc::new(Semaphore::new(usize::try_from(self.concurrency).unwrap_or(1)));
        let mut queued = self.signals.queued();
        while !self.life.is_stopping() {
            // Before the claim: what is queued while it runs is not missed.
            queued.borrow_and_update();
            if self.stands_still(carrier).await {
                continue;
            }
            if let Err(resting) = carrier.breaker.look(self.life.now()) {
                self.life.pause(Duration::from_millis(resting.wait_ms)).await;
                continue;
            }
            let mut permits = self.free_places(&places, hand).await;
            // What would only wait at the carrier waits in the queue, where the end of this process leaves it
            // queued.
            let room = tokio::select! {
                room = carrier.room() => room,
                () = self.life.stopped() => return,
            };
            if self.life.is_stopping() {
                return;
            }
            let claimed = match self.claim_for(carrier, permits.len(), room, adopt).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be read; it will be tried again");
                    self.life.pause(IDLE).await;
                    continue;
                }
            };
            claimed.ended.iter().for_each(|id| self.signals.changed(id));
            if !claimed.messages.is_empty() {
                crash_point("after-claim");
            }
            if claimed.is_void && !claimed.messages.is_empty() {
                drop(permits);
                self.recorder
                    .put_back(
                        carrier.name(),
                        claimed
                            .messages
                            .into_iter()
                            .map(|message| Back { id: message.id, rests_until: None })
                            .collect(),
                    )
                    .await;
                self.wait_for_work(&mut queued, Some(1_000)).await;
                continue;
            }
            if claimed.messages.is_empty() {
                drop(permits);
                self.wait_for_work(&mut queued, claimed.wait_ms).await;
                continue;
            }
            let per_request = usize::from(carrier.capabilities().recipients_per_request.max(1));
            let mut messages = claimed.messages;
            while !messages.is_empty() {
                let request: Vec<Record> = messages.drain(..per_request.min(messages.len())).collect();
                let (room, permit, name) = (Arc::clone(self), permits.pop(), name.clone());
                self.life.spawn(async move {
                    room.hand_over_claimed(&name, request).await;
                    drop(permit);
                });
            }
        }
    }

    /// Waits for a change where nothing is handed over to this carrier now. Returns whether that is so.
    pub(super) async fn stands_still(&self, carrier: &Carrier) -> bool {
        let mut changed = std::pin::pin!(self.halting.halts().changed());
        // From here on no change is missed.
        changed.as_mut().enable();
        if self.halting.standstill(carrier.name()).is_none() {
            return false;
        }
        tokio::select! {
            () = changed => {}
            () = self.life.pause(IDLE) => {}
        }
        true
    }

    /// Claims what one request may carry, where the carrier takes several messages in one; else a message for
    /// each place.
    async fn claim_for(
        &self,
        carrier: &Carrier,
        places: usize,
        room: u32,
        adopt: bool,
    ) -> crate::error::Result<Claimed> {
        let per_request = u32::from(carrier.capabilities().recipients_per_request.max(1));
        let is_probe = carrier.breaker.is_probing();
        let limit = if is_probe {
            1
        } else if per_request > 1 {
            per_request
        } else {
            u32::try_from(places).unwrap_or(1)
        };
        let claim = Claim {
            now: self.life.now(),
            limit,
            per_second: self.policy.settings().sends_per_second,
            max_age_ms: self.queue_max_age.as_millis(),
            adopt,
            provider: carrier.name().to_owned(),
            realm: carrier.realm(),
            per_request,
            by_segment: carrier.capabilities().segment_requests,
            most_requests: room,
            without: self.halting.halts().principals(carrier.name()),
            rate: carrier.rate,
            consent_for: self.policy.consent().required_for.clone(),
        };
        self.ledger.claim(claim).await
    }

    async fn free_places(&self, places: &Arc<Semaphore>, hand: u32) -> Vec<OwnedSemaphorePermit> {
        let whole = tokio::select! {
            permits = Arc::clone(places).acquire_many_owned(hand) => permits.ok(),
            () = self.life.sleep(GATHER) => None,
        };
        if let Some(mut whole) = whole {
            return (0..hand).filter_map(|_| whole.split(1)).collect();
        }
        // Some are slow: go on with what is free, at least one.
        let Ok(first) = Arc::clone(places).acquire_owned().await else { return Vec::new() };
        let more = std::iter::from_fn(|| Arc::clone(places).try_acquire_owned().ok())
            .take(usize::try_from(hand).unwrap_or(1) - 1);
        std::iter::once(first).chain(more).collect()
    }

    async fn wait_for_work(&self, queued: &mut watch::Receiver<u64>, wait_ms: Option<u64>) {
        if self.life.is_stopping() {
            return;
        }
        // A rate may allow nothing for the rest of the day: what waits too long ends in time all the same.
        let idle = wait_ms.map_or(IDLE, Duration::from_millis).min(IDLE);
        tokio::select! {
            _ = queued.changed() => {}
            () = self.halting.halts().changed() => {}
            () = self.life.sleep(idle) => {}
        }
    }

    /// Hands claimed messages over, in one request where there are several, and posts what became of each.
    async fn hand_over_claimed(&self, name: &str, records: Vec<Record>) {
        let Some(carrier) = self.carriers.get(name) else { return };
        let mut open = Vec::with_capacity(records.len());
        let mut waiting = Vec::new();
        for record in records {
            let (id, batch) = (record.id.clone(), record.batch.clone());
            match self.on_its_way(carrier, record) {
                Ok(message) if message.way.leads_to(carrier) => open.push(message),
                Ok(message) => {
                    let why = format!(
                        "{} does not carry it any more, and nobody does for what is held for it",
                        carrier.name()
                    );
                    waiting.push((message, Outcome::NotSent { retry_after_ms: None, why }));
                }
                Err(settlement) => self.post(&id, batch.as_ref(), &settlement).await,
            }
        }
        let mut backoff = Backoff::of_a_message();
        for tries in 1..=MAX_TRIES {
            let mut going = Vec::with_capacity(open.len());
            for message in open {
                match self.hindrance(carrier, &message, tries).await {
                    None => going.push(message),
                    Some(refused @ Outcome::Rejected { .. }) => self.ended(carrier, message, refused).await,
                    Some(outcome) => waiting.push((message, outcome)),
                }
            }
            open = going;
            let submissions: Vec<Submission> =
                open.iter().map(|message| message.submission.clone()).collect();
            if submissions.is_empty() {
                break;
            }
            let outcomes = match carrier.breaker.admit(self.life.now()) {
                Ok(()) => self.at_carrier(carrier, &submissions).await,
                Err(resting) => vec![rests(carrier, resting); submissions.len()],
            };
            let mut asked = 0;
            let mut again = Vec::new();
            for (message, outcome) in open.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::NotNow { .. } => waiting.push((message, outcome)),
                    Outcome::NotSent { .. } if has_waited(&outcome) => waiting.push((message, outcome)),
                    Outcome::NotSent { retry_after_ms, .. } => {
                        asked = asked.max(retry_after_ms.unwrap_or_else(|| backoff.next_ms()));
                        again.push((message, outcome));
                    }
                    // Refused for a reason that is none of the message's.
                    Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, .. } => {
                        waiting.push((message, outcome))
                    }
                    outcome => self.ended(carrier, message, outcome).await,
                }
            }
            if tries == MAX_TRIES || asked > LONGEST_WAIT_MS || self.life.is_stopping() {
                waiting.append(&mut again);
                break;
            }
            open = again.into_iter().map(|(message, _)| message).collect();
            if !open.is_empty() {
                backoff.sleep_ms(&self.life, asked).await;
            }
        }
        self.go_on(carrier, waiting).await;
    }

    /// What keeps a claimed message from being handed over now, for this try.
    async fn hindrance(&self, carrier: &Carrier, message: &OnItsWay<'_>, tries: u32) -> Option<Outcome> {
        // A machine may have slept while it was in hand.
        if self.is_too_late(message.by) {
            return Some(too_late());
        }
        if let Some(halted) = self.halting.halted(carrier.name(), &message.submission) {
            return Some(halted);
        }
        // The claim has asked before the first.
        if tries == 1 {
            return None;
        }
        self.opted_out_since(&message.submission, Terms::default()).await
    }

    /// A claimed message with its way, or why it cannot go: the operator may have changed lists and routes
    /// since.
    fn on_its_way(&self, carrier: &Carrier, record: Record) -> Result<OnItsWay<'_>, Box<Settlement>> {
        let (Ok(to), Some(text)) = (Number::parse(&record.to, None), record.text) else {
            return Err(Box::new(not_possible(
                self.life.now(),
                ErrorKind::Internal,
                "its text or number is not in the ledger".to_owned(),
            )));
        };
        let brake = self.halting.brake(&record.principal);
        let ceiling = Money { micros: record.held_micros, currency: self.policy.settings().currency };
        let submission = Submission {
            id: record.id,
            to,
            from: record.from,
            text,
            segments: record.segments,
            ceiling: Some(ceiling),
            brake,
        };
        let allowed = self
            .policy
            .check_destination(&submission.to)
            .and_then(|()| self.policy.check_sender(submission.from.as_deref()));
        let (to, from, text) = (&submission.to, submission.from.as_deref(), &submission.text);
        let way = allowed.and_then(|()| self.carriers.way(to, from, text));
        let mut way = way.map_err(|refused| {
            Box::new(not_possible(self.life.now(), refused.kind(), refused.message().to_owned()))
        })?;
        // Its money was held for the carriers of that time: one that is dearer would take it over its limits.
        // And what was accepted for the sandbox never leaves, wherever routes lead now.
        way.hops.retain(|hop| hop.carrier.realm() == record.realm);
        way.hops.retain(|hop| {
            hop.carrier.name() == carrier.name() || self.is_covered(hop, &submission, record.held_micros)
        });
        let by = record.schedule.by_ms.map(Timestamp);
        Ok(OnItsWay { batch: record.batch, created: record.created, by, submission, way })
    }

    /// Whether so much is what this carrier takes for a message, or more.
    fn is_covered(&self, hop: &Hop<'_>, submission: &Submission, held_micros: i64) -> bool {
        hop.carrier
            .priced(&self.policy, &submission.to, hop.form.segments)
            .is_ok_and(|price| price.money.micros <= held_micros)
    }

    /// A carrier's definite word, or the lack of one: posted, unless its route asks another carrier after a
    /// refusal.
    async fn ended(&self, carrier: &Carrier, message: OnItsWay<'_>, outcome: Outcome) {
        let OnItsWay { batch, by, submission, way, .. } = message;
        let mut ended = Ended { carrier, outcome };
        if way.after_rejected && may_be_asked_elsewhere(&ended.outcome) {
            match self
                .hand_over(way.after(carrier), (&submission, Terms { by, ..Terms::default() }), Some(ended))
                .await
            {
                Some(last) => ended = last,
                None => return,
            }
        }
        let settlement = settlement_of(ended, false, self.life.now(), self.policy.settings().currency);
        self.post(&submission.id, batch.as_ref(), &settlement).await;
    }

    /// What a carrier certainly did not take: to the next one, back to the queue, or to its end.
    async fn go_on(&self, carrier: &Carrier, messages: Vec<(OnItsWay<'_>, Outcome)>) {
        let (mut back, mut is_in_line) = (Vec::new(), false);
        for (message, outcome) in messages {
            // Nobody is asked any more: what is past its time expires in the queue.
            if self.is_too_late(message.by) {
                back.push((message.submission.id, None));
                continue;
            }
            let OnItsWay { batch, created, by, submission, way } = message;
            let way = way.after(carrier);
            let Some(ended) = self
                .hand_over(
                    way,
                    (&submission, Terms { by, ..Terms::default() }),
                    Some(Ended { carrier, outcome }),
                )
                .await
            else {
                continue;
            };
            if self.is_too_late(by)
                && matches!(ended.outcome, Outcome::NotSent { .. } | Outcome::NotNow { .. })
            {
                back.push((submission.id, None));
                continue;
            }
            match self.left(ended, created) {
                Left::Settle(settlement) => self.post(&submission.id, batch.as_ref(), &settlement).await,
                Left::Wait(rest_ms) => back.push((submission.id, rest_ms)),
                Left::InLine => {
                    back.push((submission.id, None));
                    is_in_line = true;
                }
            }
        }
        let now = self.life.now();
        let back: Vec<Back> = back
            .into_iter()
            .map(|(id, rest_ms)| Back { id, rests_until: rest_ms.map(|ms| now.plus_ms(ms)) })
            .collect();
        if !back.is_empty() {
            self.recorder.put_back(carrier.name(), back).await;
        }
        if is_in_line {
            // Whoever looked meanwhile found nothing.
            self.signals.wake_queues();
        }
    }

    fn left(&self, ended: Ended<'_>, created: Timestamp) -> Left {
        let now = self.life.now();
        let rests = ended.carrier.breaker.look(now).is_err() || ended.carrier.breaker.is_probing();
        let is_temporary = match &ended.outcome {
            Outcome::NotNow { code: ErrorKind::RateLimited, .. } => return Left::InLine,
            Outcome::NotNow { code, .. } if is_halt(*code) => return Left::Wait(None),
            Outcome::NotNow { retry_after_ms, .. } => {
                return Left::Wait(Some(rest_ms(*retry_after_ms, created, now)));
            }
            // The carrier answered for it, and will take it later: others come first.
            outcome @ Outcome::NotSent { retry_after_ms: Some(wait), .. }
                if !self.life.is_stopping() && !has_waited(outcome) =>
            {
                return Left::Wait(Some(i64::try_from(*wait).unwrap_or(i64::MAX)));
            }
            Outcome::NotSent { retry_after_ms, .. } => {
                rests || self.life.is_stopping() || retry_after_ms.is_some()
            }
            Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, .. } => true,
            _ => false,
        };
        if is_temporary {
            Left::Wait(None)
        } else {
            Left::Settle(settlement_of(ended, false, self.life.now(), self.policy.settings().currency))
        }
    }

    async fn post(&self, id: &MessageId, batch: Option<&BatchId>, settlement: &Settlement) {
        if let Err(error) = self.recorder.settle(id, settlement).await {
            tracing::error!(message = %id, %error, "the outcome of a queued message could not be recorded");
        }
        if let Some(batch) = batch {
            self.progress.handed_over(batch);
        }
    }
}

/// How long a message rests whose recipient takes nothing now, in milliseconds: as long as it was not taken
/// so far, so that a phone that stays full is tried less and less.
fn rest_ms(asked_ms: u64, created: Timestamp, now: Timestamp) -> i64 {
    let waited = now.as_millis().saturating_sub(created.as_millis());
    i64::try_from(asked_ms).unwrap_or(i64::MAX).max(waited.min(LONGEST_REST_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_that_stays_full_is_tried_less_and_less() {
        let (mut now, mut rests) = (0, Vec::new());
        while now < 3_600_000 {
            let rest = rest_ms(10_000, Timestamp(0), Timestamp(now));
            rests.push(rest / 1_000);
            now += rest;
        }
        assert_eq!(rests[..8], [10, 10, 20, 40, 80, 160, 300, 300]);
        assert!(rests.len() < 20, "{rests:?}");
        // A clock that was set back, and a carrier that asks for longer.
        assert_eq!(rest_ms(10_000, Timestamp(9_000_000), Timestamp(0)), 10_000);
        assert_eq!(rest_ms(900_000, Timestamp(0), Timestamp(3_600_000)), 900_000);
    }
}
