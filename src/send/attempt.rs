//! Handing a message over, once, and posting what became of it.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::mpsc;

use super::contract::{BudgetLeft, Price, SendAnswer, Status};
use super::prepare::Prepared;
use super::{Caller, Engine, REPLAY_POLL, REPLAY_WAIT, crash_point, locked};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::Receipt;
use crate::provider::{Outcome, Submission};
use crate::sms::facts::Budget;
use crate::sms::message::{MessageId, State};
use crate::sms::untrusted;
use crate::store::{Record, Report, Settlement};

/// How often a message is handed over when the provider certainly did not take it.
const MAX_TRIES: u32 = 3;

/// The wait before another try, where the provider names none; it doubles.
const FIRST_WAIT_MS: u64 = 200;

/// The longest wait before another try. A provider that asks for more is answered with `provider_unavailable`.
const LONGEST_WAIT_MS: u64 = 2_000;

/// How long posting a settlement is tried again when the ledger cannot be written.
const SETTLE_TRIES: u32 = 6;

/// Receipts that are posted together.
const RECEIPTS_AT_ONCE: usize = 256;

/// How long receipts gather before they are posted: they are in no hurry, and each durable step costs a sync.
const RECEIPT_GATHER: Duration = Duration::from_millis(20);

impl Engine {
    /// Hands a message over and says how that ended. Tries again only what was certainly not sent.
    pub(super) async fn hand_over(&self, submission: &Submission) -> Settlement {
        let mut tries = 0;
        let mut wait_ms = FIRST_WAIT_MS;
        loop {
            tries += 1;
            crash_point("before-provider");
            let outcome = self.hand_over_once(submission).await;
            crash_point("after-provider");
            let at = self.parts().clock.now();
            match outcome {
                Outcome::NotSent { retry_after_ms, why } => {
                    let asked = retry_after_ms.unwrap_or(wait_ms);
                    if tries >= MAX_TRIES || asked > LONGEST_WAIT_MS || self.is_stopping() {
                        return self.settlement(at, State::Rejected, ErrorKind::ProviderUnavailable, why, true);
                    }
                    self.parts().clock.sleep(Duration::from_millis(asked)).await;
                    wait_ms = (wait_ms * 2).min(LONGEST_WAIT_MS);
                }
                Outcome::Accepted { vendor_id, status, segments, price } => {
                    let currency = self.guard().settings().currency;
                    // What was accepted is sent, whatever else the provider calls it.
                    let is_further = matches!(status, State::Delivered | State::Failed | State::Expired);
                    let state = if is_further { status } else { State::Sent };
                    return Settlement {
                        at,
                        state,
                        vendor_id,
                        price_micros: price.filter(|price| price.currency == currency).map(|price| price.micros),
                        segments,
                        code: None,
                        why: None,
                        free_key: false,
                        look_at: None,
                    };
                }
                Outcome::Rejected { code, why } => return self.settlement(at, State::Rejected, code, why, false),
                Outcome::Unknown { why } => return self.settlement(at, State::Unknown, ErrorKind::OutcomeUnknown, why, false),
            }
        }
    }

    pub(super) fn settlement(&self, at: Timestamp, state: State, code: ErrorKind, why: String, free_key: bool) -> Settlement {
        let why = Some(untrusted::escape(&why));
        Settlement { at, state, vendor_id: None, price_micros: None, segments: None, code: Some(code), why, free_key, look_at: None }
    }

    async fn hand_over_once(&self, submission: &Submission) -> Outcome {
        let timeout = self.parts().settings.timeout.duration();
        let send = AssertUnwindSafe(self.provider().send(submission)).catch_unwind();
        tokio::select! {
            outcome = send => outcome.unwrap_or_else(|_| Outcome::Unknown { why: "the provider's code failed".to_owned() }),
            () = self.parts().clock.sleep(timeout) => Outcome::Unknown { why: format!("no answer within {} s", timeout.as_secs_f32()) },
        }
    }

    /// Posts a settlement, trying again while the ledger cannot be written: the outcome must not be lost.
    pub(super) async fn settle(&self, id: &MessageId, settlement: &Settlement) -> Result<Vec<Budget>> {
        let mut wait_ms = 50;
        for _ in 1..SETTLE_TRIES {
            match self.parts().store.settle(id, settlement.clone()).await {
                Ok(budgets) => {
                    crash_point("after-settle");
                    return Ok(budgets);
                }
                Err(error) => tracing::error!(message = %id, %error, "an outcome could not be recorded yet"),
            }
            self.parts().clock.sleep(Duration::from_millis(wait_ms)).await;
            wait_ms *= 3;
        }
        let last = self.parts().store.settle(id, settlement.clone()).await;
        if last.is_err() {
            self.inner.unsettled.fetch_add(1, Ordering::Relaxed);
        }
        last
    }

    /// The attempt of a single send, and its answer.
    pub(super) async fn attempt_one(&self, prepared: &Prepared, created: Timestamp) -> Result<SendAnswer> {
        let draft = &prepared.draft;
        let submission = Submission {
            id: draft.id.clone(),
            to: prepared.to.clone(),
            from: draft.from.clone(),
            text: draft.text.clone(),
            segments: draft.segments,
        };
        let settlement = self.hand_over(&submission).await;
        let budgets = match self.settle(&draft.id, &settlement).await {
            Ok(budgets) => budgets,
            Err(error) => {
                let unknown = Error::new(ErrorKind::OutcomeUnknown, "the message was handed over, but the ledger could not record its outcome");
                return Err(unknown.about_message(draft.id.as_str()).because(error));
            }
        };
        tracing::info!(message = %draft.id, state = %settlement.state, code = settlement.code.map(ErrorKind::as_str), "settled");
        if let Some(code) = settlement.code {
            return Err(failure(code, &draft.id, settlement.why.as_deref()));
        }
        let price_micros = settlement.price_micros.unwrap_or(draft.hold_micros);
        let mut warnings = self.warnings_for(prepared);
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
            price: Price::of(price_micros, prepared.price.currency.as_str()),
            provider: self.provider().name().to_owned(),
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
        if let Some(code) = record.code.filter(|_| matches!(record.state, State::Rejected | State::Unknown)) {
            return Err(failure(code, id, record.why.as_deref()));
        }
        let payer = self.payer(caller, None)?;
        let budgets = self.parts().store.budgets(payer, self.parts().clock.now()).await?;
        let mut warnings = self.warnings();
        if record.state == State::Attempting {
            warnings.push("The first call is still waiting for the provider; look with get_status.".to_owned());
        }
        Ok(SendAnswer {
            id: Some(record.id),
            status: Status::State(record.state),
            to: record.to,
            from: record.from,
            segments: record.segments,
            encoding: record.encoding,
            price: Price::of(record.price_micros.unwrap_or(record.held_micros), &record.currency),
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
            let record = self.parts().store.message(&caller.principal, id).await?;
            let record = record.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no message {id}")))?;
            if record.state != State::Attempting || self.parts().clock.now() >= give_up || self.is_stopping() {
                return Ok(record);
            }
            self.parts().clock.sleep(REPLAY_POLL).await;
        }
    }

    /// Posts receipts as they come, until the engine stops.
    pub(super) async fn run_receipts(&self, mut receipts: mpsc::Receiver<Receipt>) {
        let mut waiting = Vec::with_capacity(RECEIPTS_AT_ONCE);
        loop {
            let stopping = self.inner.stopping.notified();
            if self.is_stopping() {
                return;
            }
            tokio::select! {
                count = receipts.recv_many(&mut waiting, RECEIPTS_AT_ONCE) => if count == 0 { return },
                () = stopping => return,
            }
            self.pause(RECEIPT_GATHER).await;
            while waiting.len() < RECEIPTS_AT_ONCE {
                let Ok(more) = receipts.try_recv() else { break };
                waiting.push(more);
            }
            futures::future::join_all(waiting.drain(..).map(|receipt| self.record(receipt))).await;
        }
    }

    /// Posts one report of the provider.
    pub(super) async fn record(&self, receipt: Receipt) {
        let why = receipt.why.as_deref().map(untrusted::escape);
        let provider = self.provider().name().to_owned();
        let report = Report { provider, vendor_id: receipt.vendor_id, to: receipt.to, state: receipt.state, at: receipt.at, why, price_micros: None };
        match self.parts().store.record_receipt(report, self.parts().clock.now()).await {
            Ok(changed) => changed.iter().for_each(|id| tracing::debug!(message = %id, state = %receipt.state, "receipt")),
            Err(error) => tracing::error!(%error, "a receipt could not be recorded"),
        }
    }
}

/// The error of a message that the provider refused, or whose outcome is unknown.
pub(super) fn failure(code: ErrorKind, id: &MessageId, why: Option<&str>) -> Error {
    let message = match code {
        ErrorKind::OutcomeUnknown => format!("the answer for {id} was lost; it may have gone out"),
        ErrorKind::ProviderUnavailable => format!("the provider did not take {id} after {MAX_TRIES} tries"),
        ErrorKind::InsufficientBalance => format!("the provider's account has too little for {id}"),
        _ => format!("the provider refused {id}"),
    };
    let error = Error::new(code, message).about_message(id.as_str());
    match why {
        Some(why) => error.provider_said(why),
        None => error,
    }
}
