//! Posting a request once more whose answer was lost, where its vendor promises to answer the identical one,
//! under the same key, with its first answer, and the operator relies on that.
//!
//! It is the one way by which something leaves again that may have left. So it takes all of this: by which
//! request the message left was on disk before it did, and the request that would be written now is the same
//! to the octet; the first one is over, and the vendor still keeps its answer; nothing keeps the text from
//! leaving, and the policy lets it leave at this moment; and that it is posted again is on disk before it is,
//! so that no process posts it a third time. Its answer settles the message where it says that the vendor has
//! it. A refusal says nothing of the first request, and whatever else comes leaves the message unknown.

use std::time::Duration;

use super::outcome::{Ended, settlement_of};
use super::room::Deliver;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::life::crash_point;
use crate::error::Result;
use crate::ledger::Record;
use crate::ledger::reposts::Repostable;
use crate::provider::{Outcome, Submission};
use crate::sms::money::Money;
use crate::sms::number::Number;

/// How often it is looked for what may be posted once more.
const LOOK_EVERY: Duration = Duration::from_secs(10);

impl Deliver {
    /// Notes by which requests these messages are about to leave, where the same may be posted once more. What
    /// cannot be noted is not posted once more.
    pub(super) async fn note_requests(&self, carrier: &Carrier, submissions: &[Submission]) {
        for submission in submissions {
            let Some(digest) = carrier.request_digest(submission) else { continue };
            let now = self.life.now();
            let noted = self.ledger.note_request(&submission.id, carrier.name(), digest, now).await;
            if let Err(error) = noted {
                tracing::warn!(message = %submission.id, %error,
                    "the request could not be noted, so it is not posted once more where its answer is lost");
            }
        }
    }

    /// Posts once more what was lost at one carrier, until the engine stops.
    pub async fn run_reposts(&self, name: String) {
        let Some(carrier) = self.carriers.get(&name) else { return };
        while !self.life.is_stopping() {
            if let Err(error) = self.repost_lost(carrier).await {
                tracing::warn!(provider = name, %error,
                    "what may be posted once more cannot be read from the ledger; it will be tried again");
            }
            self.life.pause(LOOK_EVERY).await;
        }
    }

    async fn repost_lost(&self, carrier: &Carrier) -> Result<()> {
        let now = self.life.now();
        let lost = self.ledger.repostable(carrier.name(), carrier.realm(), now).await?;
        for lost in lost {
            let Some(submission) = self.to_repost(carrier, &lost.message) else { continue };
            if self.life.is_stopping() || self.may_not_begin(carrier, &submission) {
                return Ok(());
            }
            if carrier.request_digest(&submission) != Some(lost.digest) {
                tracing::debug!(message = %submission.id,
                    "not posted once more: the request would not be the same");
                continue;
            }
            if !carrier.has_room(&*self.ledger, self.life.now(), 1).await? {
                return Ok(());
            }
            self.repost(carrier, submission, lost).await?;
        }
        Ok(())
    }

    /// Whether nothing begins at this carrier now, or nothing of this message's principal.
    fn may_not_begin(&self, carrier: &Carrier, submission: &Submission) -> bool {
        self.halting.halted(carrier.name(), submission).is_some()
            || carrier.breaker.look(self.life.now()).is_err()
    }

    /// A message as it was handed over; nothing where it cannot go out there any more.
    fn to_repost(&self, carrier: &Carrier, record: &Record) -> Option<Submission> {
        let (to, text) = (Number::parse(&record.to, None).ok()?, record.text.clone()?);
        carrier.form(&to, record.from.as_deref(), &text).ok()?;
        let ceiling = Money { micros: record.held_micros, currency: self.policy.settings().currency };
        Some(Submission {
            id: record.id.clone(),
            to,
            from: record.from.clone(),
            text,
            segments: record.segments,
            ceiling: Some(ceiling),
            brake: self.halting.brake(&record.principal),
        })
    }

    async fn repost(&self, carrier: &Carrier, submission: Submission, lost: Repostable) -> Result<()> {
        if !self.ledger.claim_repost(lost, self.due_at(carrier), self.recheck()).await? {
            return Ok(());
        }
        crash_point("after-repost-claim");
        let message = &submission.id;
        let outcome = self.ask_carrier(carrier, std::slice::from_ref(&submission)).await.pop();
        let has_it = matches!(
            outcome,
            Some(Outcome::Accepted { vendor_id: Some(_), .. } | Outcome::Failed { vendor_id: Some(_), .. })
        );
        let Some(outcome) = outcome.filter(|_| has_it) else {
            tracing::warn!(%message,
                "posted once more, and the answer does not say that the provider has it: it stays unknown");
            return Ok(());
        };
        let currency = self.policy.settings().currency;
        let settlement = settlement_of(Ended { carrier, outcome }, false, self.life.now(), currency);
        tracing::info!(%message, state = %settlement.state, "settled by posting its request once more");
        // What cannot be recorded now waits until it can be.
        self.recorder.settle(message, &settlement).await.map(drop)
    }
}
