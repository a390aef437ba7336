//! Campaigns: one text to everybody on a list that the vendor keeps, in one request.
//!
//! It goes through the same guard as a bulk: the members are read first, every one of them must be allowed,
//! and the money of all is held before the request leaves. One refused member refuses all, since the vendor
//! sends to the whole list. It is the operator's: no tool reaches it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::asked::{Asked, Names};
use super::bulk::{recipients_refused, refusal};
use super::key::{accepted, conflict, idempotency, in_doubt};
use super::room::Submit;
use crate::clock::Timestamp;
use crate::engine::arguments::invalid;
use crate::engine::caller::Caller;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::route::{Hop, Way};
use crate::engine::contract::BulkAnswer;
use crate::engine::deliver::outcome::{Ended, settlement_of};
use crate::engine::deliver::{rests, too_late};
use crate::engine::halted::not_begun;
use crate::engine::prepared::Prepared;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{BatchDraft, Intent, Reservation, Target};
use crate::policy::{Ask, Policy, Whole};
use crate::provider::Outcome;
use crate::provider::exchange::Campaign;
use crate::provider::worded::Worded as _;
use crate::sms::facts::Facts;
use crate::sms::links::leads_somewhere;
use crate::sms::message::BatchId;
use crate::sms::money::Money;
use crate::sms::quoted;
use crate::sms::schedule::Schedule;
use crate::sms::template::Template;
use crate::sms::verdict::Verdict;

/// How long reading the members of a list may take.
const MEMBERS: Duration = Duration::from_secs(60);

/// What a campaign is asked for.
#[derive(Clone, Debug, Default)]
pub struct CampaignArgs {
    /// The provider; may be left out where there is only one.
    pub provider: Option<String>,
    /// The vendor's id of the list.
    pub list: String,
    /// The text.
    pub message: String,
    /// When to send it, RFC 3339; now where none.
    pub at: Option<String>,
    /// One key per intent.
    pub idempotency_key: Option<String>,
    /// Only quote.
    pub dry_run: bool,
}

impl Submit {
    /// Sends one text to a list that a vendor keeps, or quotes it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], [`ErrorKind::NotSupported`] where the provider has no lists, and
    /// whatever refuses a bulk.
    pub async fn campaign(self: &Arc<Self>, caller: Caller, args: CampaignArgs) -> Result<BulkAnswer> {
        let room = Arc::clone(self);
        self.life.apart(async move { room.run_campaign(&caller, &args).await }).await
    }

    async fn run_campaign(&self, caller: &Caller, args: &CampaignArgs) -> Result<BulkAnswer> {
        let carrier = self.carriers.named(args.provider.as_deref())?;
        // The time may have passed, or the list changed, since an earlier call with this key was accepted.
        let (at, messages) = match self.prepare_campaign(carrier, args).await {
            Ok((at, messages)) => (at, Arc::new(messages)),
            Err(refused) => {
                return Err(self.unless_accepted(caller, args.idempotency_key.as_deref(), refused).await);
            }
        };
        let mut names = Names::default();
        let asked: Vec<Asked> = messages.iter().map(|message| Asked::of(message, &mut names)).collect();
        self.may_queue(caller, args.idempotency_key.as_deref(), &asked).await?;
        let id = BatchId::new(self.life.now().as_millis(), u128::from_be_bytes(self.life.random()?));
        let said = ["campaign", carrier.name(), &args.list, &args.message, args.at.as_deref().unwrap_or("")];
        let payer = self.answers.payer(caller, None, carrier.realm())?;
        let intent = Intent {
            idempotency: idempotency(args.idempotency_key.as_deref(), said)?,
            batch: Some(BatchDraft::of(id.clone())),
            is_campaign: true,
            drafts: messages.iter().map(|message| message.draft.clone()).collect(),
            all_or_none: true,
            preview: args.dry_run,
            ..self.intent(payer.clone())
        };
        let (policy, members) = (Arc::clone(&self.policy), Arc::clone(&messages));
        let whole = Some(Whole::of(messages.iter().map(|message| message.draft.hold_micros)));
        // The hours that count are those in which the vendor lets it leave.
        let now_ms = at.unwrap_or(intent.now).as_millis();
        let decide = move |index: usize, facts: &Facts| {
            let member =
                members.get(index).ok_or_else(|| Error::new(ErrorKind::Internal, "a member is missing"))?;
            leaves_now(&policy, member, (whole, now_ms), facts)
        };
        let reservation = match self.ledger.reserve(intent, Arc::new(decide)).await {
            Ok(reservation) => reservation,
            Err(error) => {
                return Err(self
                    .unless_accepted_as_another(caller, (args.idempotency_key.as_deref(), id.as_str()), error)
                    .await);
            }
        };
        match reservation {
            Reservation::Taken { doubts, budgets, .. } if args.dry_run => {
                let mut quote = self.bulk_quote(&asked, &HashSet::new(), Vec::new(), Vec::new(), &budgets);
                quote.warnings.extend(in_doubt(&doubts));
                Ok(quote)
            }
            Reservation::Taken { doubts, until_ms, .. } => {
                let by = until_ms.map(Timestamp);
                self.launch(carrier, caller, (&id, args, at, by), &messages).await;
                let mut answer =
                    self.answers.bulk(caller, &id).await.map_err(|error| accepted(error, id.as_str()))?;
                answer.warnings.extend(in_doubt(&doubts));
                Ok(answer)
            }
            Reservation::Refused { refused, .. } => {
                let each = refused
                    .iter()
                    .filter_map(|(index, error)| Some(refusal(&messages.get(*index)?.draft.to, error)));
                Err(recipients_refused(each.collect(), messages.len()))
            }
            Reservation::Replay(Target::Batch(first)) if args.dry_run => {
                self.quote_again(&asked, Vec::new(), Vec::new(), payer, &first).await
            }
            Reservation::Replay(Target::Batch(first)) => {
                let answer = self
                    .answers
                    .bulk(caller, &first)
                    .await
                    .map_err(|error| accepted(error, first.as_str()))?;
                Ok(BulkAnswer { replayed: true, ..answer })
            }
            Reservation::Replay(Target::Message(_)) | Reservation::Conflict => Err(conflict()),
        }
    }

    /// When it is to go out, and everybody whom it goes to.
    async fn prepare_campaign(
        &self,
        carrier: &Carrier,
        args: &CampaignArgs,
    ) -> Result<(Option<Timestamp>, Vec<Prepared>)> {
        let at = self.planned(carrier, args.at.as_deref())?;
        self.check_text(&args.message)?;
        let template = Template::parse(&args.message)
            .map_err(|error| invalid("message", format!("cannot be sent: {error}")))?;
        self.check_finished("message", &args.message)?;
        if template.names().next().is_some() {
            return Err(invalid("message", "has placeholders; a campaign sends the same text to all"));
        }
        Ok((at, self.members_of(carrier, args).await?))
    }

    fn planned(&self, carrier: &Carrier, at: Option<&str>) -> Result<Option<Timestamp>> {
        let Some(at) = at else { return Ok(None) };
        if !carrier.capabilities().schedule {
            return Err(Error::new(
                ErrorKind::NotSupported,
                format!("{} cannot plan for later; leave the time out", carrier.name()),
            ));
        }
        let planned =
            Timestamp::parse(at).ok_or_else(|| invalid("at", "is no time; write 2026-11-22T10:00:00Z"))?;
        if planned <= self.life.now() {
            return Err(invalid(
                "at",
                format!("({}) has passed; leave it out to send now", planned.rfc3339()),
            ));
        }
        Ok(Some(planned))
    }

    /// Everybody on the list, each as a message that may be sent.
    async fn members_of(&self, carrier: &Carrier, args: &CampaignArgs) -> Result<Vec<Prepared>> {
        let members = carrier.ask(&self.life, MEMBERS, |provider| provider.members(&args.list)).await?;
        let most = usize::try_from(self.policy.settings().bulk_max).unwrap_or(usize::MAX);
        if members.is_empty() {
            return Err(invalid("list", "has no members"));
        }
        if members.len() > most {
            return Err(Error::new(
                ErrorKind::BulkTooLarge,
                format!("the list has {} members; at most {most} are allowed at once", members.len()),
            ));
        }
        let (mut messages, mut refused, mut seen) =
            (Vec::with_capacity(members.len()), Vec::new(), HashSet::new());
        for member in &members {
            let message = self.number(member).and_then(|to| {
                self.policy.check_destination(&to)?;
                let form = carrier.form(&to, None, &args.message)?;
                let way = Way { hops: vec![Hop { carrier, form }], after_rejected: false };
                let shown = carrier.shown(None).and_then(|shown| self.carriers.purpose_of(shown));
                let purpose = self.policy.purpose(shown, Some(members.len()))?;
                if let Cow::Owned(_) = self.policy.worded(&to, purpose, &args.message)? {
                    return Err(no_stop_text());
                }
                self.draft_on(&way, &to, None, args.message.clone(), (purpose, Schedule::default()))
            });
            match message {
                // A vendor may hold a number twice; whether it then sends twice, only the bill can tell.
                Ok(message) if !seen.insert(message.draft.to.clone()) => {
                    refused.push(refusal(member, &invalid("list", "has this number twice")));
                }
                Ok(message) => messages.push(message),
                Err(error) => refused.push(refusal(member, &error)),
            }
        }
        if refused.is_empty() { Ok(messages) } else { Err(recipients_refused(refused, members.len())) }
    }

    /// The one request, and what became of all because of it.
    async fn launch(
        &self,
        carrier: &Carrier,
        caller: &Caller,
        (id, args, at, by): (&BatchId, &CampaignArgs, Option<Timestamp>, Option<Timestamp>),
        messages: &[Prepared],
    ) {
        let campaign = Campaign {
            id: id.as_str().to_owned(),
            list: args.list.clone(),
            text: args.message.clone(),
            at,
            members: u32::try_from(messages.len()).unwrap_or(u32::MAX),
            segments: messages.first().map_or(1, |message| message.draft.segments),
        };
        let now = self.life.now();
        // A whole list leaves at once: what was paused a moment ago holds for it.
        self.halting.halts().look();
        let halt = self.halting.brake(&caller.principal).pulled(carrier.name());
        let is_late = by.is_some_and(|by| at.unwrap_or(now) > by);
        let outcome = match (halt, carrier.breaker.admit(now)) {
            (Some(halt), _) => not_begun(halt),
            (None, _) if is_late => too_late(),
            (None, Err(resting)) => rests(carrier, resting),
            (None, Ok(())) => {
                let mut outcome = carrier
                    .hand(
                        &self.life,
                        self.deliver.timeout,
                        |provider| provider.campaign(&campaign),
                        |unknown| unknown,
                    )
                    .await;
                outcome.words(&mut |words| *words = quoted::without_texts(words, [campaign.text.as_str()]));
                carrier.breaker.note(&outcome, now);
                outcome
            }
        };
        let settle = shares(outcome, messages.len()).into_iter().zip(messages).map(|(outcome, message)| {
            let settlement = settlement_of(
                Ended { carrier, outcome },
                true,
                self.life.now(),
                self.policy.settings().currency,
            );
            async move { (&message.draft.id, self.recorder.settle(&message.draft.id, &settlement).await) }
        });
        for (id, settled) in futures::future::join_all(settle).await {
            if let Err(error) = settled {
                tracing::error!(message = %id, %error, "the outcome of a queued message could not be recorded");
            }
        }
    }
}

/// A campaign is one text for all, so nothing is added to it.
fn no_stop_text() -> Error {
    let message = "the text does not say how to get no more, and a campaign is one text for all: no line of the \
                   operator's can be added to it";
    Error::new(ErrorKind::NoWayOut, message)
        .next("Nothing was sent. Write it into the text, such as \"Reply STOP to end\".")
}

/// A list leaves in one request and now: a member who would have to wait keeps all of it.
fn leaves_now(
    policy: &Policy,
    member: &Prepared,
    (whole, now_ms): (Option<Whole>, i64),
    facts: &Facts,
) -> Result<Verdict> {
    let Prepared { to, draft, .. } = member;
    let ask = Ask {
        from: draft.from.as_deref(),
        hold_micros: draft.hold_micros,
        whole,
        purpose: draft.purpose,
        leads_somewhere: leads_somewhere(&draft.text),
        ..Ask::to(to, now_ms)
    };
    match policy.decide(&ask, facts)? {
        verdict @ (Verdict::Now | Verdict::Until { .. }) => Ok(verdict),
        Verdict::At { why, .. } | Verdict::Ask { why, .. } => {
            let refused = format!(
                "a campaign is one request that leaves now, and the message to {to} would have to wait: {why}"
            );
            Err(Error::new(ErrorKind::NotSupported, refused)
                .next("Nothing was sent. A bulk to these people can wait."))
        }
    }
}

/// The outcome of a campaign for each member: the price of all is split evenly, to the last millionth.
fn shares(outcome: Outcome, members: usize) -> Vec<Outcome> {
    let Outcome::Accepted { vendor_id, status, segments, price } = outcome else {
        return vec![outcome; members];
    };
    let count = i64::try_from(members.max(1)).unwrap_or(i64::MAX);
    let share = |index: usize| {
        price.map(|whole| {
            let rest = i64::from(i64::try_from(index).is_ok_and(|index| index < whole.micros % count));
            Money { micros: whole.micros / count + rest, ..whole }
        })
    };
    (0..members)
        .map(|index| Outcome::Accepted {
            vendor_id: vendor_id.clone(),
            status,
            segments,
            price: share(index),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sms::message::State;
    use crate::sms::money::Currency;

    #[test]
    fn the_shares_of_a_price_add_up_to_it() {
        for (micros, members) in [(1_000_000, 3), (2, 3), (0, 5), (999_999, 1)] {
            let whole = Outcome::Accepted {
                vendor_id: None,
                status: State::Sent,
                segments: None,
                price: Some(Money { micros, currency: Currency::USD }),
            };
            let sum: i64 = shares(whole, members)
                .iter()
                .map(|outcome| match outcome {
                    Outcome::Accepted { price, .. } => price.map_or(0, |price| price.micros),
                    _ => 0,
                })
                .sum();
            assert_eq!(sum, micros);
        }
    }
}
