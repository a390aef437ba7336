//! Handing a message over, once: to the carriers on its way, one after the other, and to each again only what
//! it certainly did not take.

use super::outcome::Ended;
use super::room::Deliver;
use crate::clock::Timestamp;
use crate::engine::carriers::breaker::{Resting, is_lost};
use crate::engine::carriers::carrier::{Carrier, has_waited, hide_texts};
use crate::engine::carriers::route::{Hop, Way};
use crate::engine::life::crash_point;
use crate::engine::retry::{Backoff, LONGEST_WAIT_MS, MAX_TRIES};
use crate::error::ErrorKind;
use crate::provider::{Outcome, Submission};
use crate::sms::caller_id::same_phone;

/// What holds of a message beside what is to be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// It does not leave after this.
    pub by: Option<Timestamp>,
    /// It tells somebody that they get no more texts: that they have opted out is why it goes.
    pub answers_stop: bool,
}

/// What is said of what must have left by now.
pub const TOO_LATE: &str = "the time by which it was to leave is over";

/// What is said of what must not leave any more.
pub const OPTED_OUT_SINCE: &str = "its recipient has asked for no more texts meanwhile";

impl Deliver {
    /// Hands messages to a carrier in one request, and learns from it how well that carrier is. As many
    /// outcomes as messages, in their order.
    pub async fn at_carrier(&self, carrier: &Carrier, submissions: &[Submission]) -> Vec<Outcome> {
        self.note_requests(carrier, submissions).await;
        self.ask_carrier(carrier, submissions).await
    }

    /// The same of what was noted before.
    pub(super) async fn ask_carrier(&self, carrier: &Carrier, submissions: &[Submission]) -> Vec<Outcome> {
        crash_point("before-provider");
        let mut outcomes = match submissions {
            [one] => vec![
                carrier
                    .hand(&self.life, self.timeout, |provider| provider.send(one), |unknown| unknown)
                    .await,
            ],
            many => {
                carrier
                    .hand(
                        &self.life,
                        self.timeout,
                        |provider| provider.send_many(many),
                        |unknown| vec![unknown; many.len()],
                    )
                    .await
            }
        };
        crash_point("after-provider");
        hide_texts(&mut outcomes, submissions);
        outcomes.resize(
            submissions.len(),
            Outcome::Unknown { why: "the provider's code said nothing about it".to_owned() },
        );
        let now = self.life.now();
        for (submission, outcome) in submissions.iter().zip(&outcomes) {
            if is_opted_out(outcome) {
                self.keep_opt_out(carrier, submission).await;
            }
        }
        for outcome in &outcomes {
            // One of its connections lost the answer, and another answers: the carrier is well.
            if is_lost(outcome) && carrier.is_answering() {
                carrier.breaker.passed_over();
            } else if carrier.breaker.note(outcome, now) {
                let why = carrier.breaker.look(now).err().map(|resting| resting.why).unwrap_or_default();
                tracing::warn!(
                    provider = carrier.name(),
                    why,
                    "circuit open: the provider takes nothing now; it is asked again later"
                );
            }
        }
        outcomes
    }

    /// Keeps what a vendor knows of somebody whom it refuses to text: they said STOP there, and nobody else is
    /// to text them either.
    async fn keep_opt_out(&self, carrier: &Carrier, submission: &Submission) {
        let (to, now) = (submission.to.e164(), self.life.now());
        if let Err(error) = self.ledger.opt_out(to, true, carrier.name(), now).await {
            tracing::error!(provider = carrier.name(), %error,
                "an opt-out that a provider refused a text for could not be recorded");
        }
    }

    /// Hands one message to one carrier. Tries again only what was certainly not sent. What waits for its
    /// turn or its recipient is not tried again here, nor what must have left by now.
    async fn offer(&self, carrier: &Carrier, submission: &Submission, terms: Terms) -> Outcome {
        let mut tries = 0;
        let mut backoff = Backoff::of_a_message();
        loop {
            tries += 1;
            // Whoever asked for the first try has looked just now.
            if tries > 1 {
                if self.is_too_late(terms.by) {
                    return too_late();
                }
                if let Some(halted) = self.halting.halted(carrier.name(), submission) {
                    return halted;
                }
                if let Some(refused) = self.opted_out_since(submission, terms).await {
                    return refused;
                }
            }
            if let Err(resting) = carrier.breaker.admit(self.life.now()) {
                return rests(carrier, resting);
            }
            let outcome = self.at_carrier(carrier, std::slice::from_ref(submission)).await.pop();
            let outcome = outcome.unwrap_or_else(|| Outcome::Unknown { why: String::new() });
            let Outcome::NotSent { retry_after_ms, .. } = &outcome else { return outcome };
            let asked = retry_after_ms.unwrap_or_else(|| backoff.next_ms());
            if tries >= MAX_TRIES
                || asked > LONGEST_WAIT_MS
                || self.life.is_stopping()
                || has_waited(&outcome)
            {
                return outcome;
            }
            backoff.sleep_ms(&self.life, asked).await;
        }
    }

    /// The refusal of a text whose recipient has asked for no more since it was accepted: asked before each try but the
    /// first, when the ledger was asked just now.
    pub(super) async fn opted_out_since(&self, submission: &Submission, terms: Terms) -> Option<Outcome> {
        if terms.answers_stop {
            return None;
        }
        let number = submission.to.e164();
        for one in std::iter::once(number.to_owned()).chain(same_phone(number)) {
            match self.ledger.out_since(&one).await {
                Ok(None) => {}
                Ok(Some(_)) => {
                    let why = OPTED_OUT_SINCE.to_owned();
                    return Some(Outcome::Rejected { code: ErrorKind::OptedOut, why });
                }
                // In doubt nothing is tried again.
                Err(error) => return Some(Outcome::NotSent { retry_after_ms: None, why: error.to_string() }),
            }
        }
        None
    }

    /// Whether what must have left by this time is not to leave any more.
    pub(super) fn is_too_late(&self, by: Option<Timestamp>) -> bool {
        by.is_some_and(|by| by < self.life.now())
    }

    /// Hands one message to the carriers on its way, one after the other, until one took it or nobody can
    /// know. Before any but the first is asked, that is on disk. None is asked after the time by which it must have
    /// left: a machine may have slept meanwhile.
    pub async fn hand_over<'a>(
        &self,
        way: Way<'a>,
        (submission, terms): (&Submission, Terms),
        mut before: Option<Ended<'a>>,
    ) -> Option<Ended<'a>> {
        for Hop { carrier, form } in way.hops {
            if self.is_too_late(terms.by) {
                // A refusal for good that was told before stays one.
                if !is_rejected(before.as_ref()) {
                    before = Some(Ended { carrier, outcome: too_late() });
                }
                break;
            }
            if let Some(outcome) = self.halting.halted(carrier.name(), submission) {
                // It is not asked, so nothing is to be on disk about it.
                if !is_rejected(before.as_ref()) {
                    before = Some(Ended { carrier, outcome });
                }
                continue;
            }
            let mut own = None;
            if before.is_some() {
                if let Some(outcome) = self.opted_out_since(submission, terms).await {
                    return Some(Ended { carrier, outcome });
                }
                let noted = self.ledger.hand_on(&submission.id, carrier.name()).await;
                if let Err(error) = noted {
                    tracing::error!(message = %submission.id, %error,
                        "failover to another provider could not be recorded, so it is not tried");
                    return before;
                }
                // Each carrier counts segments its own way.
                own = Some(Submission { segments: form.segments, ..submission.clone() });
            }
            let outcome = self.offer(carrier, own.as_ref().unwrap_or(submission), terms).await;
            let is_definite = matches!(outcome, Outcome::NotSent { .. } | Outcome::NotNow { .. })
                || (way.after_rejected && may_be_asked_elsewhere(&outcome));
            before = Some(Ended { carrier, outcome });
            if !is_definite {
                break;
            }
        }
        before
    }
}

/// What becomes of what must have left by now.
pub fn too_late() -> Outcome {
    Outcome::NotSent { retry_after_ms: None, why: TOO_LATE.to_owned() }
}

fn is_rejected(before: Option<&Ended<'_>>) -> bool {
    before.is_some_and(|ended| matches!(ended.outcome, Outcome::Rejected { .. }))
}

fn is_opted_out(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Rejected { code: ErrorKind::OptedOut, .. })
}

/// Whether a carrier's refusal leaves the message to another one, where its route says so. That somebody wants
/// no more texts holds for all of them.
pub(super) fn may_be_asked_elsewhere(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Rejected { .. }) && !is_opted_out(outcome)
}

/// What a message is told that finds its carrier resting.
pub fn rests(carrier: &Carrier, resting: Resting) -> Outcome {
    let Resting { wait_ms, why } = resting;
    Outcome::NotSent {
        retry_after_ms: Some(wait_ms),
        why: format!("{} is not asked for {} ms more, because: {why}", carrier.name(), wait_ms),
    }
}
