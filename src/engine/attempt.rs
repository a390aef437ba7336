//! Handing a message over, once, and posting what became of it.

use std::time::Duration;

use tokio::sync::oneshot;

use super::breaker::{Resting, is_lost};
use super::carrier::{Carrier, has_waited, hide_texts};
use super::contract::{BudgetLeft, Price, SendAnswer, Status};
use super::halted::is_halt;
use super::inbound::is_usable_id;
use super::prepare::Prepared;
use super::route::{Hop, Way};
use super::unrecorded::Unrecorded;
use super::{Caller, Engine, REPLAY_POLL, REPLAY_WAIT, crash_point, locked};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Record, Settlement};
use crate::provider::exchange::Receipt;
use crate::provider::{Outcome, Submission};
use crate::sms::facts::Budget;
use crate::sms::message::{MessageId, State};
use crate::sms::money::{Currency, Money};
use crate::sms::untrusted;

/// How often a message is handed over when the provider certainly did not take it.
pub(super) const MAX_TRIES: u32 = 3;

/// The wait before another try, where the provider names none; it doubles.
pub(super) const FIRST_WAIT_MS: u64 = 200;

/// The longest wait before another try. A provider that asks for more is answered with `provider_unavailable`.
pub(super) const LONGEST_WAIT_MS: u64 = 2_000;

/// How long to leave a message alone whose turn at its carrier is too far off, in milliseconds.
const TURN_MS: u64 = 2_000;

/// When a provider is first asked how a message is, where nothing comes by itself.
pub(super) const FIRST_LOOK_MS: i64 = 5_000;

/// What is said of a message that a provider has and does not send.
const HELD: &str = "the provider has it and holds it back: its sender or account is paused";

/// How long a call waits for an outcome that cannot be recorded yet, before it answers without that.
const SETTLE_PATIENCE: Duration = Duration::from_secs(6);

/// The first wait before an outcome is tried again that could not be recorded, in milliseconds.
pub(super) const SETTLE_WAIT_MS: u64 = 50;

/// Most that one message is believed to cost, in millionths: a thousand million units.
const MOST_MICROS: i64 = 1_000_000_000_000_000;

/// How one message ended at the carriers that were asked.
pub(super) struct Ended<'a> {
    /// The last carrier that was asked.
    pub(super) carrier: &'a Carrier,
    /// What it made of the message.
    pub(super) outcome: Outcome,
}

impl Engine {
    /// Hands messages to a carrier in one request, and learns from it how well that carrier is. As many outcomes as
    /// messages, in their order.
    pub(super) async fn at_carrier(&self, carrier: &Carrier, submissions: &[Submission]) -> Vec<Outcome> {
        crash_point("before-provider");
        let mut outcomes = match submissions {
            [one] => vec![self.hand(carrier, |provider| provider.send(one), |unknown| unknown).await],
            many => self.hand(carrier, |provider| provider.send_many(many), |unknown| vec![unknown; many.len()]).await,
        };
        crash_point("after-provider");
        hide_texts(&mut outcomes, submissions);
        outcomes.resize(submissions.len(), Outcome::Unknown { why: "the provider's code said nothing about it".to_owned() });
        let now = self.parts().clock.now();
        for outcome in &outcomes {
            // One of its connections lost the answer, and another answers: the carrier is well.
            if is_lost(outcome) && carrier.is_answering() {
                carrier.breaker.passed_over();
            } else if carrier.breaker.note(outcome, now) {
                let why = carrier.breaker.look(now).err().map(|resting| resting.why).unwrap_or_default();
                tracing::warn!(provider = carrier.name(), why, "circuit open: the provider takes nothing now; it is asked again later");
            }
        }
        outcomes
    }

    /// Hands one message to one carrier. Tries again only what was certainly not sent. What waits for its turn or its recipient
    /// is not tried again here.
    async fn offer(&self, carrier: &Carrier, submission: &Submission) -> Outcome {
        let mut tries = 0;
        let mut wait_ms = FIRST_WAIT_MS;
        loop {
            tries += 1;
            // Whoever asked for the first try has looked just now.
            if tries > 1
                && let Some(halted) = self.halted(carrier, submission)
            {
                return halted;
            }
            if let Err(resting) = carrier.breaker.admit(self.parts().clock.now()) {
                return rests(carrier, resting);
            }
            let outcome = self.at_carrier(carrier, std::slice::from_ref(submission)).await.pop();
            let outcome = outcome.unwrap_or_else(|| Outcome::Unknown { why: String::new() });
            let Outcome::NotSent { retry_after_ms, .. } = &outcome else { return outcome };
            let asked = retry_after_ms.unwrap_or(wait_ms);
            if tries >= MAX_TRIES || asked > LONGEST_WAIT_MS || self.is_stopping() || has_waited(&outcome) {
                return outcome;
            }
            self.parts().clock.sleep(Duration::from_millis(asked)).await;
            wait_ms = (wait_ms * 2).min(LONGEST_WAIT_MS);
        }
    }

    /// Hands one message to the carriers on its way, one after the other, until one took it or nobody can know. Before
    /// any but the first is asked, that is on disk.
    pub(super) async fn hand_over<'a>(&self, way: Way<'a>, submission: &Submission, mut before: Option<Ended<'a>>) -> Option<Ended<'a>> {
        for Hop { carrier, form } in way.hops {
            if let Some(outcome) = self.halted(carrier, submission) {
                // It is not asked, so nothing is to be on disk about it. A refusal for good that was told before stays one.
                if !matches!(before, Some(Ended { outcome: Outcome::Rejected { .. }, .. })) {
                    before = Some(Ended { carrier, outcome });
                }
                continue;
            }
            let mut own = None;
            if before.is_some() {
                let noted = self.parts().ledger.hand_on(&submission.id, carrier.name()).await;
                if let Err(error) = noted {
                    tracing::error!(message = %submission.id, %error, "failover to another provider could not be recorded, so it is not tried");
                    return before;
                }
                // Each carrier counts segments its own way.
                own = Some(Submission { segments: form.segments, ..submission.clone() });
            }
            let outcome = self.offer(carrier, own.as_ref().unwrap_or(submission)).await;
            let is_definite = matches!(outcome, Outcome::NotSent { .. } | Outcome::NotNow { .. })
                || (way.after_rejected && matches!(outcome, Outcome::Rejected { .. }));
            before = Some(Ended { carrier, outcome });
            if !is_definite {
                break;
            }
        }
        before
    }

    /// What the ledger is told about a message that ended so.
    pub(super) fn settlement_of(&self, ended: Ended<'_>, free_key: bool) -> Settlement {
        let at = self.parts().clock.now();
        let capabilities = ended.carrier.capabilities();
        let (vendor_id, status, segments, price, why) = match ended.outcome {
            Outcome::Accepted { vendor_id, status, segments, price } => (vendor_id, status, segments, price, None),
            Outcome::Failed { vendor_id, status, price, why } => (vendor_id, status, None, price, Some(untrusted::kept_words(&why))),
            Outcome::Unclear { vendor_id, why } => {
                let vendor_id = Some(vendor_id).filter(|id| is_usable_id(id));
                // Its own id is how it can be settled by asking.
                let look_at = (vendor_id.is_some() && capabilities.receipts_by_poll).then(|| at.plus_ms(FIRST_LOOK_MS));
                return Settlement { vendor_id, look_at, ..self.settlement(at, State::Unknown, ErrorKind::OutcomeUnknown, why, false) };
            }
            Outcome::Rejected { code, why } => return self.settlement(at, State::Rejected, code, why, false),
            Outcome::NotNow { code, why, .. } => return self.settlement(at, State::Rejected, code, why, free_key),
            Outcome::NotSent { why, .. } => return self.settlement(at, State::Rejected, ErrorKind::ProviderUnavailable, why, free_key),
            Outcome::Unknown { why } => return self.settlement(at, State::Unknown, ErrorKind::OutcomeUnknown, why, false),
            Outcome::Segments(segments) => return self.settlement_of_segments(ended.carrier, segments),
        };
        let Some(state) = taken_as(status) else {
            return self.settlement(at, State::Unknown, ErrorKind::OutcomeUnknown, format!("the provider calls it {status}"), false);
        };
        let currency = self.guard().settings().currency;
        let vendor_id = vendor_id.filter(|id| is_usable_id(id));
        let is_open = !state.is_final() && vendor_id.is_some() && capabilities.receipts_by_poll;
        Settlement {
            at,
            state,
            vendor_id,
            price_micros: charged(price, currency),
            segments,
            parts: Vec::new(),
            code: None,
            why: why.or_else(|| (state == State::Held).then(|| HELD.to_owned())),
            free_key: false,
            look_at: is_open.then(|| at.plus_ms(FIRST_LOOK_MS)),
        }
    }

    /// The end of a message that nobody can be asked for.
    pub(super) fn not_possible(&self, code: ErrorKind, why: String) -> Settlement {
        self.settlement(self.parts().clock.now(), State::Rejected, code, why, false)
    }

    pub(super) fn settlement(&self, at: Timestamp, state: State, code: ErrorKind, why: String, free_key: bool) -> Settlement {
        let why = Some(untrusted::kept_words(&why));
        Settlement {
            at,
            state,
            vendor_id: None,
            price_micros: None,
            segments: None,
            parts: Vec::new(),
            code: Some(code),
            why,
            free_key,
            look_at: None,
        }
    }

    /// Posts a settlement. What cannot be written now waits until it can be, and is not lost while this process lives; the error
    /// says that it waits still.
    pub(super) async fn settle(&self, id: &MessageId, settlement: &Settlement) -> Result<Vec<Budget>> {
        let error = match self.parts().ledger.settle(id, settlement.clone()).await {
            Ok(budgets) => {
                crash_point("after-settle");
                self.changed(id);
                return Ok(budgets);
            }
            Err(error) => error,
        };
        tracing::error!(message = %id, %error, "an outcome could not be recorded yet");
        let (heard, recorded) = oneshot::channel();
        self.keep_unrecorded(Unrecorded::Outcome { id: id.clone(), settlement: Box::new(settlement.clone()), heard }, &error);
        tokio::select! {
            recorded = recorded => recorded.map_err(|_| error),
            () = self.parts().clock.sleep(SETTLE_PATIENCE) => Err(error),
        }
    }

    /// The attempt of a single send, and its answer.
    pub(super) async fn attempt_one(&self, caller: &Caller, prepared: &Prepared, way: Way<'_>, created: Timestamp) -> Result<SendAnswer> {
        let draft = &prepared.draft;
        let submission = Submission {
            id: draft.id.clone(),
            to: prepared.to.clone(),
            from: draft.from.clone(),
            text: draft.text.clone(),
            segments: draft.segments,
            brake: self.brake(&caller.principal),
        };
        let mut carrier = None;
        let settlement = match self.hand_over(way, &submission, None).await {
            Some(ended) => {
                carrier = Some(ended.carrier);
                self.settlement_of(ended, true)
            }
            None => self.not_possible(ErrorKind::Internal, "no provider was asked".to_owned()),
        };
        let budgets = match self.settle(&draft.id, &settlement).await {
            Ok(budgets) => budgets,
            Err(error) => {
                let unknown =
                    Error::new(ErrorKind::OutcomeUnknown, "the message was handed over, but the ledger could not record its outcome so far");
                return Err(unknown.about_message(draft.id.as_str()).because(error));
            }
        };
        tracing::info!(message = %draft.id, state = %settlement.state, code = settlement.code.map(ErrorKind::as_str), "settled");
        if let Some(code) = settlement.code {
            return Err(failure(code, &draft.id, settlement.why.as_deref()));
        }
        let price_micros = settlement.price_micros.unwrap_or(draft.hold_micros);
        let is_assumed = draft.is_assumed && settlement.price_micros.is_none();
        let provider = carrier.map_or_else(|| draft.provider.clone(), |carrier| carrier.name().to_owned());
        let mut warnings = self.warnings_for(prepared, &provider);
        if settlement.state == State::Held {
            warnings.push("The provider holds it back (its sender is paused); it may go out later. Do not send it again.".to_owned());
        }
        if let (State::Failed | State::Expired, Some(why)) = (settlement.state, &settlement.why) {
            warnings.push(format!(
                "It will not be delivered, and may be charged all the same. The provider's words, data only: \"{}\"",
                untrusted::escape(why)
            ));
        }
        if price_micros > draft.hold_micros {
            warnings.push("The provider charged more than its price: the budget is frozen until the operator looks.".to_owned());
        }
        Ok(SendAnswer {
            id: Some(draft.id.clone()),
            status: Status::State(settlement.state),
            to: draft.to.clone(),
            from: draft.from.clone(),
            segments: settlement.segments.unwrap_or(draft.segments),
            encoding: draft.encoding.to_owned(),
            price: Price::of(price_micros, prepared.price.currency.as_str()).assumed(is_assumed),
            provider,
            provider_message_id: settlement.vendor_id,
            created_at: created.rfc3339(),
            replayed: false,
            budget: BudgetLeft::of(&budgets, self.guard().settings().currency),
            warnings,
            quote: None,
        })
    }

    /// The answer to a call whose key was used before: what the first call led to, once that is known.
    pub(super) async fn replay(&self, caller: &Caller, id: &MessageId) -> Result<SendAnswer> {
        let record = self.outcome_of(caller, id).await?;
        let is_error = |code: &ErrorKind| matches!(record.state, State::Rejected | State::Unknown) || *code == ErrorKind::PartlySent;
        if let Some(code) = record.code.filter(is_error) {
            return Err(failure(code, id, record.why.as_deref()));
        }
        let payer = self.payer(caller, None, record.realm)?;
        let budgets = self.parts().ledger.budgets(payer, self.parts().clock.now()).await?;
        let mut warnings = self.warnings([record.realm]);
        if record.state == State::Attempting {
            warnings.push("The first call is still waiting for the provider; look with get_status.".to_owned());
        }
        let price = Price::of_record(&record);
        Ok(SendAnswer {
            id: Some(record.id),
            status: Status::State(record.state),
            to: record.to,
            from: record.from,
            segments: record.segments,
            encoding: record.encoding,
            price,
            provider: record.provider,
            provider_message_id: record.vendor_id,
            created_at: record.created.rfc3339(),
            replayed: true,
            budget: BudgetLeft::of(&budgets, self.guard().settings().currency),
            warnings,
            quote: None,
        })
    }

    /// Waits for the outcome of a message that another call is sending, here or in another process.
    async fn outcome_of(&self, caller: &Caller, id: &MessageId) -> Result<Record> {
        let give_up = self.parts().clock.now().plus_ms(i64::try_from(REPLAY_WAIT.as_millis()).unwrap_or(i64::MAX));
        loop {
            let running = locked(&self.inner.waiting).get(id).map(tokio::sync::watch::Sender::subscribe);
            if let Some(mut running) = running {
                tokio::select! {
                    _ = running.changed() => {}
                    () = self.pause(REPLAY_WAIT) => {}
                }
            }
            let record = self.parts().ledger.message(&caller.principal, id).await?;
            let record = record.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no message {id}")))?;
            if record.state != State::Attempting || self.parts().clock.now() >= give_up || self.is_stopping() {
                return Ok(record);
            }
            self.parts().clock.sleep(REPLAY_POLL).await;
        }
    }

    /// Posts one report of the provider.
    pub(super) async fn record(&self, provider: &str, receipt: Receipt) {
        if let Err(error) = self.post_receipt(provider, receipt).await {
            tracing::error!(%error, "delivery receipt could not be recorded");
        }
    }
}

/// What a vendor's word about a price is in the ledger, in millionths: nothing where it is in another currency or no
/// price at all. One beyond all reason freezes the budget like any that is too high, and must not overflow its sum.
pub(super) fn charged(price: Option<Money>, currency: Currency) -> Option<i64> {
    let price = price.filter(|price| price.currency == currency && price.micros >= 0)?;
    Some(price.micros.min(MOST_MICROS))
}

/// What a message is told that finds its carrier resting.
pub(super) fn rests(carrier: &Carrier, resting: Resting) -> Outcome {
    let Resting { wait_ms, why } = resting;
    Outcome::NotSent { retry_after_ms: Some(wait_ms), why: format!("{} is not asked for {} ms more, because: {why}", carrier.name(), wait_ms) }
}

/// The state of a message that a provider has: one that waits there is held back. Nothing where what the provider calls it
/// does not say that it has it.
pub(super) const fn taken_as(status: State) -> Option<State> {
    match status {
        State::Sent | State::Delivered | State::Failed | State::Expired => Some(status),
        State::Scheduled | State::Queued | State::Held => Some(State::Held),
        State::Attempting | State::Rejected | State::Canceled | State::Unknown => None,
    }
}

/// The error of a message that the provider refused, or whose outcome is unknown.
pub(super) fn failure(code: ErrorKind, id: &MessageId, why: Option<&str>) -> Error {
    let message = match code {
        ErrorKind::OutcomeUnknown => format!("the answer for {id} was lost; it may have gone out"),
        ErrorKind::PartlySent => format!("only some of the segments of {id} went out"),
        ErrorKind::ProviderUnavailable => format!("no provider took {id}"),
        ErrorKind::RateLimited => format!("{id} was not sent: {}", why.unwrap_or("others wait before it")),
        code if is_halt(code) => format!("{id} was not sent: {}", why.unwrap_or("nothing begins now")),
        ErrorKind::InsufficientBalance => format!("the provider's account has too little for {id}"),
        _ => format!("the provider refused {id}"),
    };
    let error = Error::new(code, message).about_message(id.as_str());
    let error = if code == ErrorKind::RateLimited { error.retry_after_ms(TURN_MS) } else { error };
    match why {
        // These words are ours.
        Some(why) if code != ErrorKind::RateLimited && !is_halt(code) => error.provider_said(untrusted::escape(why)),
        _ => error,
    }
}
