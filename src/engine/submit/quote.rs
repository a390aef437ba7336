//! What sending would do, without doing it.

use super::draft::form_at;
use super::key::{conflict, first_refusal, in_doubt, key_of, longer, used_before, would_wait};
use super::room::Submit;
use crate::clock::Timestamp;
use crate::engine::caller::Caller;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::route::Hop;
use crate::engine::contract::{
    BudgetLeft, DryRun, Gsm7Rewrite, Price, Quote, Refusal, SendAnswer, SendArgs, Status, Ucs2Character,
};
use crate::engine::prepared::Prepared;
use crate::error::{Error, Result};
use crate::ledger::{E164, Idempotency, Intent, Payer, Reservation, Target};
use crate::policy::Priced;
use crate::provider::Form;
use crate::sms::facts::Budget;
use crate::sms::message::MessageId;
use crate::sms::money::{Amount, Money};
use crate::sms::number::Number;
use crate::sms::purpose::Purpose;
use crate::sms::verdict::Verdict;
use crate::sms::{cheaper, untrusted};

/// Most distinct characters that a quote lists.
const MAX_LISTED: usize = 20;

/// What would become of a message that nothing refuses.
struct Would {
    verdict: Verdict,
    told: Vec<String>,
}

impl Default for Would {
    fn default() -> Self {
        Self { verdict: Verdict::Now, told: Vec::new() }
    }
}

impl Submit {
    /// What sending would do, without doing it.
    pub async fn quote(&self, caller: &Caller, args: &SendArgs) -> Result<SendAnswer> {
        if let Err(refused) =
            self.check_text(&args.message).and_then(|()| self.check_finished("message", &args.message))
        {
            return Err(self.unless_accepted(caller, args.idempotency_key.as_deref(), refused).await);
        }
        let to = self.number(&args.to)?;
        let key = key_of(args, &to)?;
        let allowed =
            self.policy.check_destination(&to).and_then(|()| self.policy.check_sender(args.from.as_deref()));
        let from = self.carriers.sender(&to, args.from.as_deref());
        let worded = self.worded((&to, from), args.into(), &args.message, None);
        let plain = || self.carriers.way(&to, from, &args.message).ok();
        let way = worded.as_ref().map_or_else(|_| plain(), |worded| Some(worded.way.clone()));
        let hops = way.as_ref().map(|way| way.hops.clone()).unwrap_or_default();
        let purpose = worded.as_ref().ok().map(|worded| worded.purpose);
        let (price, first, form) = match hops.first() {
            Some(Hop { carrier, form }) => (self.price(&hops, &to)?, Some(*carrier), *form),
            None => {
                let form = Form::of(&args.message);
                (
                    self.policy.price(&to, usize::try_from(form.segments).unwrap_or(usize::MAX), None)?,
                    None,
                    form,
                )
            }
        };
        let provider = first.map_or("", Carrier::name);
        let realm = first.map_or_else(|| self.carriers.realm(), Carrier::realm);
        let payer = self.answers.payer(caller, args.session.clone(), realm)?;
        let now = self.life.now();
        let mut warnings = self.answers.warnings([realm]);
        warnings.extend(way.as_ref().and_then(|way| self.carriers.unregistered(way, &to, from)));
        let drafted = allowed.and(worded).and_then(|worded| self.drafted(worded, &to, from, args));
        let allowed = match drafted {
            Ok((prepared, way)) => self
                .may_begin(caller, args.idempotency_key.as_deref(), &prepared, &way)
                .await
                .map(|()| prepared),
            Err(refused) => Err(refused),
        };
        let (earlier, verdict, budgets) = self.preview(caller, args, payer, key, allowed).await?;
        warnings.extend(earlier.as_ref().map(|id| used_before(id.as_str())));
        let (would, refused) = match verdict {
            Ok(would) => (would, None),
            Err(refused) => (Would::default(), Some(refused)),
        };
        warnings.extend(would.told);
        let refusal = refused.as_ref().map(refusal_of);
        Ok(SendAnswer {
            id: None,
            status: Status::DryRun(DryRun::DryRun),
            approval: None,
            to: to.e164().to_owned(),
            from: from.map(str::to_owned),
            segments: form.segments,
            encoding: form.encoding.to_owned(),
            price: Price::from(price.money).assumed(price.is_assumed),
            provider: provider.to_owned(),
            provider_message_id: None,
            created_at: now.rfc3339(),
            scheduled_for: would.verdict.planned_ms().map(|at_ms| Timestamp(at_ms).rfc3339()),
            deliver_by: would.verdict.by_ms().map(|by_ms| Timestamp(by_ms).rfc3339()),
            replayed: earlier.is_some(),
            budget: BudgetLeft::of(&budgets, self.policy.settings().currency),
            warnings,
            quote: Some(Quote {
                allowed: refusal.is_none(),
                refusal,
                ucs2_characters: ucs2_characters(&args.message),
                gsm7_rewrite: self.rewrite(first, (&to, from), (args, purpose), price, form.segments),
            }),
        })
    }

    /// What the ledger would say to this message: which message its key was used for, the verdict (with what
    /// is in doubt beside it), and the budgets.
    async fn preview(
        &self,
        caller: &Caller,
        args: &SendArgs,
        payer: Payer,
        key: Option<Idempotency>,
        allowed: Result<Prepared>,
    ) -> Result<(Option<MessageId>, Result<Would>, Vec<Budget>)> {
        let now = self.life.now();
        let prepared = match allowed {
            Ok(prepared) => prepared,
            Err(refused) => {
                let refused = self.unless_accepted(caller, args.idempotency_key.as_deref(), refused).await;
                return Ok((None, Err(refused), self.ledger.budgets(payer, now).await?));
            }
        };
        let intent = Intent {
            idempotency: key,
            drafts: vec![prepared.draft.clone()],
            preview: true,
            proposal: self.proposal(prepared.draft.schedule)?,
            ..self.intent(payer.clone())
        };
        let (earlier, verdict) =
            match self.ledger.reserve(intent, self.decide_one(&prepared, args.allow_duplicate, now)).await {
                Ok(Reservation::Taken { doubts, waiting, budgets, .. }) => {
                    let verdict = waiting.into_iter().next().map_or(Verdict::Now, |(_, verdict)| verdict);
                    let hours = self.policy.quiet().said(&prepared.to, prepared.draft.purpose);
                    let consent = self.consent_said(&prepared).await?;
                    let told = longer(prepared.is_longer)
                        .into_iter()
                        .chain(would_wait(&verdict))
                        .chain(hours)
                        .chain(consent)
                        .chain(in_doubt(&doubts))
                        .collect();
                    return Ok((None, Ok(Would { verdict, told }), budgets));
                }
                Ok(Reservation::Refused { refused, budgets }) => {
                    return Ok((None, Err(first_refusal(refused)), budgets));
                }
                Ok(Reservation::Replay(Target::Message(first))) => (Some(first), Ok(Would::default())),
                Ok(Reservation::Replay(Target::Batch(_)) | Reservation::Conflict) => (None, Err(conflict())),
                Err(error) if error.kind().is_of_ledger() => return Err(error),
                Err(error) => (None, Err(error)),
            };
        Ok((earlier, verdict, self.ledger.budgets(payer, now).await?))
    }

    /// What is on record of the recipient's consent, where such a text needs one here.
    async fn consent_said(&self, prepared: &Prepared) -> Result<Option<String>> {
        let purpose = prepared.draft.purpose;
        if !self.policy.consent().required_for.contains(&purpose) {
            return Ok(None);
        }
        let latest = self.ledger.latest_consent(E164(&prepared.draft.to), purpose).await?;
        Ok(latest.map(|latest| {
            let until = latest.expires_ms.map_or_else(String::new, |at_ms| {
                format!(", and holds until {}", Timestamp(at_ms).rfc3339())
            });
            format!(
                "The consent to {purpose} texts that is on record was given {}{until}.",
                Timestamp(latest.at_ms).rfc3339()
            )
        }))
    }

    fn rewrite(
        &self,
        carrier: Option<&Carrier>,
        (to, from): (&Number, Option<&str>),
        (args, purpose): (&SendArgs, Option<Purpose>),
        price: Priced,
        segments: u32,
    ) -> Option<Gsm7Rewrite> {
        let cheaper = cheaper::cheaper_spelling(&args.message)?;
        let whole = purpose.and_then(|purpose| self.policy.worded(to, purpose, &cheaper).ok());
        let fewer = form_at(carrier, to, from, whole.as_deref().unwrap_or(&cheaper)).segments;
        let each = price.money.micros / i64::from(segments.max(1));
        let saves = Amount(each.saturating_mul(i64::from(segments.saturating_sub(fewer))));
        Some(Gsm7Rewrite {
            message: cheaper,
            segments: fewer,
            saves: Price::from(Money { micros: saves.0, ..price.money }).assumed(price.is_assumed),
        })
    }
}

fn refusal_of(error: &Error) -> Refusal {
    Refusal {
        code: error.kind().to_string(),
        message: error.message().to_owned(),
        next: error.next_step().to_owned(),
    }
}

fn ucs2_characters(message: &str) -> Vec<Ucs2Character> {
    let characters = cheaper::forcing(message).into_iter().take(MAX_LISTED).map(|forcing| Ucs2Character {
        character: untrusted::escape(&forcing.character.to_string()),
        code_point: format!("U+{:04X}", u32::from(forcing.character)),
        count: u32::try_from(forcing.count).unwrap_or(u32::MAX),
        replacement: forcing
            .replacement
            .map(str::to_owned)
            .or_else(|| cheaper::composed_with(message, forcing.character)),
    });
    characters.collect()
}
