//! One message: taken, handed over, and answered with what became of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::draft::form_at;
use super::key::{accepted, conflict, first_refusal, in_doubt, key_of, longer, waits};
use super::room::Submit;
use crate::clock::Timestamp;
use crate::engine::caller::Caller;
use crate::engine::carriers::route::Way;
use crate::engine::contract::{Approval, BudgetLeft, Price, SendAnswer, SendArgs, Status};
use crate::engine::deliver::outcome::{not_possible, settlement_of};
use crate::engine::deliver::{OPTED_OUT_SINCE, TOO_LATE, Terms};
use crate::engine::halted::is_halt;
use crate::engine::life::{crash_point, locked};
use crate::engine::prepared::Prepared;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Intent, Record, Reservation, Settlement, Target};
use crate::provider::Submission;
use crate::sms::cheaper;
use crate::sms::facts::Budget;
use crate::sms::message::{MessageId, State};
use crate::sms::money::Money;
use crate::sms::schedule::Schedule;
use crate::sms::text::Encoding;
use crate::sms::untrusted;
use crate::sms::verdict::Verdict;

/// How long a repeated call waits for the first one's outcome before it answers with the state as it is.
const REPLAY_WAIT: Duration = Duration::from_secs(35);

/// How often a repeated call looks when the first one runs in another process.
const REPLAY_POLL: Duration = Duration::from_millis(50);

/// How long to leave a message alone whose turn at its carrier is too far off, in milliseconds.
const TURN_MS: u64 = 2_000;

impl Submit {
    /// Sends one message, or quotes it.
    ///
    /// # Errors
    /// Every refusal of the guard, of the provider, and every lost answer; the kinds say which and what to do
    /// next.
    pub async fn send(self: &Arc<Self>, caller: Caller, args: SendArgs) -> Result<SendAnswer> {
        let room = Arc::clone(self);
        self.life.apart(async move { room.send_one(&caller, args).await }).await
    }

    async fn send_one(&self, caller: &Caller, args: SendArgs) -> Result<SendAnswer> {
        if args.dry_run {
            return self.quote(caller, &args).await;
        }
        let (prepared, way) = match self.prepare(&args) {
            Ok(prepared) => prepared,
            Err(refused) => {
                return Err(self.unless_accepted(caller, args.idempotency_key.as_deref(), refused).await);
            }
        };
        let key = args.idempotency_key.as_deref();
        self.may_begin(caller, key, &prepared, &way).await?;
        let id = prepared.draft.id.clone();
        let payer = self.answers.payer(caller, args.session.clone(), prepared.realm)?;
        let intent = Intent {
            idempotency: key_of(&args, &prepared.to)?,
            drafts: vec![prepared.draft.clone()],
            all_or_none: true,
            proposal: self.proposal(prepared.draft.schedule)?,
            ..self.intent(payer)
        };
        let (created, decide) = (intent.now, self.decide_one(&prepared, args.allow_duplicate, intent.now));
        // Registered before the reservation, so that whoever finds the message finds something to wait for.
        let (outcome, _) = watch::channel(());
        locked(&self.waiting).insert(id.clone(), outcome);
        let reservation = self.ledger.reserve(intent, decide).await;
        crash_point("after-reserve");
        let answer = match reservation {
            Ok(Reservation::Taken { doubts, waiting, until_ms, asked, budgets, .. }) => {
                let answer = match waiting.first() {
                    Some((_, verdict)) => {
                        let mut answer = self.waits(&prepared, verdict, created, &budgets);
                        // It is accepted, whatever can be said of it.
                        let told = self.needs_server(caller, prepared.realm).await;
                        answer.warnings.extend(told.ok().flatten());
                        if asked.is_some() {
                            answer.approval = self.answers.approval(id.as_str()).await.ok().flatten();
                            self.signals.to_tell();
                        }
                        Ok(answer)
                    }
                    None => {
                        let terms = Terms { by: until_ms.map(Timestamp), ..Terms::default() };
                        self.attempt_one(caller, &prepared, way, (created, terms)).await
                    }
                };
                answer.map(|mut answer| {
                    answer.warnings.extend(in_doubt(&doubts));
                    answer
                })
            }
            Ok(Reservation::Refused { refused, .. }) => Err(first_refusal(refused)),
            Ok(Reservation::Conflict) => Err(conflict()),
            Ok(Reservation::Replay(Target::Message(first))) => {
                self.replay(caller, &first).await.map_err(|error| {
                    if error.kind().is_of_ledger() { accepted(error, first.as_str()) } else { error }
                })
            }
            Ok(Reservation::Replay(Target::Batch(_))) => Err(conflict()),
            Err(error) => Err(self.unless_accepted_as_another(caller, (key, id.as_str()), error).await),
        };
        locked(&self.waiting).remove(&id);
        answer
    }

    /// The answer about a single send that waits for its time or for a person.
    fn waits(
        &self,
        prepared: &Prepared,
        verdict: &Verdict,
        created: Timestamp,
        budgets: &[Budget],
    ) -> SendAnswer {
        let draft = &prepared.draft;
        let is_asked = matches!(verdict, Verdict::Ask { .. });
        let state = if is_asked { State::Proposed } else { State::Scheduled };
        tracing::info!(message = %draft.id, %state, "waits");
        let mut warnings = self.warnings_for(prepared, &draft.provider);
        warnings.extend(waits(verdict));
        SendAnswer {
            id: Some(draft.id.clone()),
            status: if is_asked {
                Status::Approval(Approval::ApprovalRequired)
            } else {
                Status::State(state)
            },
            approval: None,
            to: draft.to.clone(),
            from: draft.from.clone(),
            segments: draft.segments,
            encoding: draft.encoding.to_owned(),
            price: Price::of(draft.hold_micros, prepared.price.currency.as_str()).assumed(draft.is_assumed),
            provider: draft.provider.clone(),
            provider_message_id: None,
            created_at: created.rfc3339(),
            scheduled_for: verdict.planned_ms().map(|at_ms| Timestamp(at_ms).rfc3339()),
            deliver_by: verdict.by_ms().map(|by_ms| Timestamp(by_ms).rfc3339()),
            replayed: false,
            budget: BudgetLeft::of(budgets, self.policy.settings().currency),
            warnings,
            quote: None,
        }
    }

    /// The attempt of a single send, which was asked for at this time, and its answer.
    pub async fn attempt_one(
        &self,
        caller: &Caller,
        prepared: &Prepared,
        way: Way<'_>,
        (created, terms): (Timestamp, Terms),
    ) -> Result<SendAnswer> {
        let draft = &prepared.draft;
        let submission = Submission {
            id: draft.id.clone(),
            to: prepared.to.clone(),
            from: draft.from.clone(),
            text: draft.text.clone(),
            segments: draft.segments,
            ceiling: Some(Money { micros: draft.hold_micros, currency: prepared.price.currency }),
            brake: self.halting.brake(&caller.principal),
        };
        let mut carrier = None;
        let settlement = match self.deliver.hand_over(way, (&submission, terms), None).await {
            Some(ended) => {
                carrier = Some(ended.carrier);
                settlement_of(ended, true, self.life.now(), self.policy.settings().currency)
            }
            None => not_possible(self.life.now(), ErrorKind::Internal, "no provider was asked".to_owned()),
        };
        let budgets = match self.recorder.settle(&draft.id, &settlement).await {
            Ok(budgets) => budgets,
            Err(error) => {
                let unknown = Error::new(
                    ErrorKind::OutcomeUnknown,
                    "the message was handed over, but the ledger could not record its outcome so far",
                );
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
        warnings.extend(warnings_of(&settlement, price_micros > draft.hold_micros));
        Ok(SendAnswer {
            id: Some(draft.id.clone()),
            status: Status::State(settlement.state),
            approval: None,
            to: draft.to.clone(),
            from: draft.from.clone(),
            segments: settlement.segments.unwrap_or(draft.segments),
            encoding: draft.encoding.to_owned(),
            price: Price::of(price_micros, prepared.price.currency.as_str()).assumed(is_assumed),
            provider,
            provider_message_id: settlement.vendor_id,
            created_at: created.rfc3339(),
            scheduled_for: None,
            deliver_by: None,
            replayed: false,
            budget: BudgetLeft::of(&budgets, self.policy.settings().currency),
            warnings,
            quote: None,
        })
    }

    /// The answer to a call whose key was used before: what the first call led to, once that is known.
    pub async fn replay(&self, caller: &Caller, id: &MessageId) -> Result<SendAnswer> {
        let record = self.outcome_of(caller, id).await?;
        let is_error = |code: &ErrorKind| {
            matches!(record.state, State::Rejected | State::Unknown) || *code == ErrorKind::PartlySent
        };
        if let Some(code) = record.code.filter(is_error) {
            return Err(failure(code, id, record.why.as_deref()));
        }
        let payer = self.answers.payer(caller, None, record.realm)?;
        let budgets = self.ledger.budgets(payer, self.life.now()).await?;
        let mut warnings = self.answers.warnings([record.realm]);
        if record.state == State::Attempting {
            warnings
                .push("The first call is still waiting for the provider; look with get_status.".to_owned());
        }
        let price = Price::of_record(&record);
        let Schedule { at_ms, by_ms } =
            if record.state.is_planned() { record.schedule } else { Schedule::default() };
        let approval = if record.was_asked { self.answers.approval(id.as_str()).await? } else { None };
        let status = if record.state == State::Proposed {
            Status::Approval(Approval::ApprovalRequired)
        } else {
            Status::State(record.state)
        };
        Ok(SendAnswer {
            approval,
            scheduled_for: at_ms.map(|at_ms| Timestamp(at_ms).rfc3339()),
            deliver_by: by_ms.map(|by_ms| Timestamp(by_ms).rfc3339()),
            id: Some(record.id),
            status,
            to: record.to,
            from: record.from,
            segments: record.segments,
            encoding: record.encoding,
            price,
            provider: record.provider,
            provider_message_id: record.vendor_id,
            created_at: record.created.rfc3339(),
            replayed: true,
            budget: BudgetLeft::of(&budgets, self.policy.settings().currency),
            warnings,
            quote: None,
        })
    }

    /// Waits for the outcome of a message that another call is sending, here or in another process.
    async fn outcome_of(&self, caller: &Caller, id: &MessageId) -> Result<Record> {
        let give_up = self.life.now().plus_ms(i64::try_from(REPLAY_WAIT.as_millis()).unwrap_or(i64::MAX));
        loop {
            let running = locked(&self.waiting).get(id).map(tokio::sync::watch::Sender::subscribe);
            if let Some(mut running) = running {
                tokio::select! {
                    _ = running.changed() => {}
                    () = self.life.pause(REPLAY_WAIT) => {}
                }
            }
            let record = self.ledger.message(&caller.principal, id).await?;
            let record =
                record.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no message {id}")))?;
            if record.state != State::Attempting || self.life.now() >= give_up || self.life.is_stopping() {
                return Ok(record);
            }
            self.life.sleep(REPLAY_POLL).await;
        }
    }

    /// Things to know about a message that is sent: the sandbox, and a spelling that would be cheaper.
    pub fn warnings_for(&self, prepared: &Prepared, provider: &str) -> Vec<String> {
        let mut warnings = self.answers.warnings([prepared.realm]);
        warnings.extend(longer(prepared.is_longer));
        if prepared.draft.encoding != Encoding::Gsm7.as_str() {
            let carrier = self.carriers.get(provider);
            let form =
                |cheaper: String| form_at(carrier, &prepared.to, prepared.draft.from.as_deref(), &cheaper);
            let shorter =
                cheaper::cheaper_spelling(&prepared.draft.text).map(|cheaper| form(cheaper).segments);
            if let Some(fewer) = shorter.filter(|fewer| *fewer < prepared.draft.segments) {
                let segments = prepared.draft.segments;
                warnings.push(format!(
                    "Typographic or decomposed characters made this {segments} segments instead of {fewer}; \
                     dry_run shows a plain spelling."
                ));
            }
        }
        warnings
    }
}

/// The error of a message that the provider refused, or whose outcome is unknown.
pub fn failure(code: ErrorKind, id: &MessageId, why: Option<&str>) -> Error {
    let message = match code {
        ErrorKind::OutcomeUnknown => format!("the answer for {id} was lost; it may have gone out"),
        ErrorKind::PartlySent => format!("only some of the segments of {id} went out"),
        _ if is_told_between_tries(why) => format!("{id} was not sent: {}", why.unwrap_or_default()),
        ErrorKind::ProviderUnavailable => format!("no provider took {id}"),
        ErrorKind::RateLimited => format!("{id} was not sent: {}", why.unwrap_or("others wait before it")),
        code if is_halt(code) => format!("{id} was not sent: {}", why.unwrap_or("nothing begins now")),
        code if is_ours(code) => {
            format!("{id} was not sent: {}", why.unwrap_or("it was refused when its time came"))
        }
        ErrorKind::InsufficientBalance => format!("the provider's account has too little for {id}"),
        _ => format!("the provider refused {id}"),
    };
    let error = Error::new(code, message).about_message(id.as_str());
    let error = if code == ErrorKind::RateLimited { error.retry_after_ms(TURN_MS) } else { error };
    match why {
        Some(TOO_LATE) => {
            error.next("Nothing was sent. Send it with a later `deliver_by`, if it still makes sense.")
        }
        Some(OPTED_OUT_SINCE) => error,
        // These words are ours.
        Some(why) if code != ErrorKind::RateLimited && !is_halt(code) && !is_ours(code) => {
            error.provider_said(untrusted::escape(why))
        }
        _ => error,
    }
}

/// Whether these are our words for a message that was not tried again.
fn is_told_between_tries(why: Option<&str>) -> bool {
    why.is_some_and(|why| why == TOO_LATE || why == OPTED_OUT_SINCE)
}

/// Whether a message that was accepted is refused so by us and by no provider: by a person, or when it was about
/// to leave.
const fn is_ours(code: ErrorKind) -> bool {
    matches!(
        code,
        ErrorKind::ApprovalRefused
            | ErrorKind::ApprovalExpired
            | ErrorKind::QuietHours
            | ErrorKind::ConsentMissing
            | ErrorKind::BudgetExceeded
            | ErrorKind::BudgetFrozen
            | ErrorKind::RecipientLimit
            | ErrorKind::PriceUnknown
    )
}

/// What to know of how an attempt ended.
fn warnings_of(settlement: &Settlement, is_overcharged: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if settlement.state == State::Held {
        warnings.push(
            "The provider holds it back (its sender is paused); it may go out later. Do not send it again."
                .to_owned(),
        );
    }
    if let (State::Failed | State::Expired, Some(why)) = (settlement.state, &settlement.why) {
        warnings.push(format!(
            "It will not be delivered, and may be charged all the same. The provider's words, data only: \"{}\"",
            untrusted::escape(why)
        ));
    }
    if is_overcharged {
        warnings.push(
            "The provider charged more than its price: the budget is frozen until the operator looks."
                .to_owned(),
        );
    }
    warnings
}
