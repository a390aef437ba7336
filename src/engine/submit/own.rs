//! Sending a text of the operator's own: by the same steps as an agent's, so at most once, and paid from a
//! budget of its own.
//!
//! Its key is what makes it one: whoever comes with the same key again, in this process or in another, today or
//! after a crash, sends nothing. It leaves now or not at all: it is never queued, no server takes it up, and
//! where the process ends in between it is `unknown`. Its text is written nowhere, and nobody is told of it.

use std::sync::Arc;
use std::time::Duration;

use super::key::first_refusal;
use super::room::Submit;
use super::single::failure;
use crate::clock::Timestamp;
use crate::engine::caller::{Base, Caller};
use crate::engine::carriers::route::Way;
use crate::engine::contract::Status;
use crate::engine::deliver::Terms;
use crate::engine::life::crash_point;
use crate::engine::prepared::Prepared;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{BaseSession, Decide, Idempotency, Intent, Payer, Reservation, Target};
use crate::policy::Ask;
use crate::sms::facts::{Limits, Looks, Scope};
use crate::sms::message::{MessageId, State};
use crate::sms::number::Number;
use crate::sms::own::Own;
use crate::sms::purpose::Purpose;
use crate::sms::schedule::Schedule;

/// How often a text is tried whose turn has not come, and how long is waited at most before each try.
const MOST_TURNS: u32 = 30;
const LONGEST_TURN_MS: u64 = 1_000;

/// A text of the operator's own. `Debug` does not show it.
#[derive(Clone)]
pub struct OwnText {
    /// What it is.
    pub own: Own,
    /// To whom.
    pub to: Number,
    /// What it says.
    pub text: String,
    /// By whom it goes.
    pub by: By,
    /// What makes it this one: with the same key nothing is sent again.
    pub key: String,
    /// What may be spent on texts of its principal in a UTC day.
    pub day: Limits,
}

/// By whom a text of the operator's own goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// By the operator's routes, under the sender that they show.
    Routes,
    /// By this provider. From this number, where it takes that; else from the provider's own.
    Provider(String, Option<String>),
}

impl std::fmt::Debug for OwnText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnText").field("own", &self.own).field("by", &self.by).finish_non_exhaustive()
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnSent {
    /// It was handed over, and stands so.
    Sent(MessageId, State),
    /// Its key was used before: nothing was sent now.
    Before(MessageId),
}

impl Submit {
    /// Sends a text of the operator's own, at most once for its key.
    ///
    /// # Errors
    /// As for a message of an agent. Where nothing was sent for certain, its key may be used again.
    pub async fn send_own(self: &Arc<Self>, text: OwnText) -> Result<OwnSent> {
        self.send_own_within(text, None).await
    }

    /// The same, where no more than so many of its principal are sent within an hour.
    ///
    /// # Errors
    /// As [`Submit::send_own`].
    pub async fn send_own_within(self: &Arc<Self>, text: OwnText, per_hour: Option<u32>) -> Result<OwnSent> {
        let room = Arc::clone(self);
        self.life.apart(async move { room.send_own_in_turn(&text, per_hour).await }).await
    }

    /// Others may be before it: it waits for its turn a little, as nobody who asks is there to do so.
    async fn send_own_in_turn(&self, text: &OwnText, per_hour: Option<u32>) -> Result<OwnSent> {
        let mut turns = 0;
        loop {
            turns += 1;
            let sent = self.send_own_now(text, per_hour).await;
            let wait = match &sent {
                Err(error) if error.kind() == ErrorKind::RateLimited && turns < MOST_TURNS => {
                    error.details().retry_after_ms.unwrap_or(LONGEST_TURN_MS).clamp(1, LONGEST_TURN_MS)
                }
                _ => return sent,
            };
            self.life.pause(Duration::from_millis(wait)).await;
            self.life.goes_on()?;
        }
    }

    async fn send_own_now(&self, text: &OwnText, per_hour: Option<u32>) -> Result<OwnSent> {
        let caller = Caller::new(text.own.principal(), Base::Open);
        let (prepared, way) = self.prepare_own(text)?;
        self.may_begin(&caller, Some(&text.key), &prepared, &way).await?;
        let looks = Looks { lately: per_hour.is_some(), ..Looks::default() };
        let intent = Intent { looks, ..self.own_intent(text, &prepared) };
        let (created, decide) = (intent.now, self.decide_own((text.own, per_hour), &prepared, intent.now));
        let reservation = self.ledger.reserve(intent, decide).await;
        crash_point("after-reserve");
        match reservation? {
            Reservation::Taken { .. } => {}
            Reservation::Refused { refused, .. } => return Err(first_refusal(refused)),
            Reservation::Replay(Target::Message(first)) => return Ok(OwnSent::Before(first)),
            Reservation::Replay(Target::Batch(_)) | Reservation::Conflict => {
                return Err(Error::new(ErrorKind::IdempotencyConflict, "this key is of something else"));
            }
        }
        let terms = Terms { answers_stop: text.own.reaches_opted_out(), ..Terms::default() };
        let answer = self.attempt_one(&caller, &prepared, way, (created, terms)).await?;
        match (answer.id, answer.status) {
            (Some(id), Status::State(state)) => Ok(OwnSent::Sent(id, state)),
            _ => Err(failure(ErrorKind::Internal, &prepared.draft.id, None)),
        }
    }

    /// The text as it goes out, by whom it is to go.
    fn prepare_own<'a>(&'a self, own: &OwnText) -> Result<(Prepared, Way<'a>)> {
        let OwnText { to, text, by, .. } = own;
        self.check_text(text)?;
        self.policy.check_destination(to)?;
        let (from, way) = match by {
            By::Routes => {
                let from = self.carriers.sender(to, None).map(str::to_owned);
                let way = self.carriers.way(to, from.as_deref(), text)?;
                (from, way)
            }
            By::Provider(name, from) => {
                let from = from.as_deref().filter(|from| self.policy.check_sender(Some(from)).is_ok());
                match from.map(|from| self.carriers.way_by(name, to, Some(from), text)) {
                    Some(Ok(way)) => (from.map(str::to_owned), way),
                    Some(Err(_)) | None => (None, self.carriers.way_by(name, to, None, text)?),
                }
            }
        };
        let at_once = (Purpose::Transactional, Schedule::default());
        let prepared = self.draft_on(&way, to, from.as_deref(), text.clone(), at_once)?;
        Ok((prepared, way))
    }

    fn own_intent(&self, text: &OwnText, prepared: &Prepared) -> Intent {
        let settings = self.policy.settings();
        let payer = Payer {
            principal: text.own.principal().to_owned(),
            realm: prepared.realm,
            base: BaseSession::None,
            handle: None,
            idle_ms: settings.session_idle.as_millis(),
            currency: settings.currency.to_string(),
            total: self.policy.limits(Scope::Total),
            day: text.day,
            session: Limits::default(),
        };
        Intent {
            // The key alone says which one it is: the operator may have changed the words since.
            idempotency: Some(Idempotency { key: text.key.clone(), fingerprint: [0; 32] }),
            drafts: vec![prepared.draft.clone()],
            forward: false,
            keep_texts: false,
            answers_of: Vec::new(),
            ..self.intent(payer)
        }
    }

    fn decide_own(&self, (own, per_hour): (Own, Option<u32>), prepared: &Prepared, now: Timestamp) -> Decide {
        let policy = Arc::clone(&self.policy);
        let (to, from, hold_micros) =
            (prepared.to.clone(), prepared.draft.from.clone(), prepared.draft.hold_micros);
        Arc::new(move |_, facts| {
            let ask = Ask { from: from.as_deref(), hold_micros, ..Ask::to(&to, now.as_millis()) };
            policy.decide_own(own, &ask, facts, per_hour)
        })
    }
}
