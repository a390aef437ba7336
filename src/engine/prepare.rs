//! From arguments to a draft: everything that can be decided without the ledger.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::carrier::Carrier;
use super::contract::{BudgetLeft, DryRun, Gsm7Rewrite, Price, Quote, Refusal, SendAnswer, SendArgs, Status, Ucs2Character};
use super::route::{Hop, Way};
use super::{Caller, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Decide, Draft, Idempotency, Intent, Payer, Reservation, Target};
use crate::policy::{Ask, Priced};
use crate::provider::Form;
use crate::sms::absent;
use crate::sms::facts::{Budget, Earlier};
use crate::sms::fold;
use crate::sms::message::{MessageId, Realm};
use crate::sms::money::{Amount, Money};
use crate::sms::number::Number;
use crate::sms::text::{self, Encoding};
use crate::sms::unfinished;

/// Longest message that is looked at, in characters; the guard's `max_segments` is far below.
const MAX_MESSAGE_CHARS: usize = 40_000;

/// Longest idempotency key, in bytes.
const MAX_KEY: usize = 128;

/// Most distinct characters that a quote lists.
const MAX_LISTED: usize = 20;

/// A message that may be sent, as far as that can be told without the ledger.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) to: Number,
    pub(super) draft: Draft,
    pub(super) price: Money,
    /// Whether the sandbox will carry it.
    pub(super) realm: Realm,
}

/// The error for an argument that is wrong by itself.
pub(super) fn invalid(argument: &str, wrong: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("`{argument}` {wrong}"))
}

/// The key of an intent with the digest of all that the call says.
pub(super) fn idempotency(key: Option<&str>, said: &[&str]) -> Result<Option<Idempotency>> {
    let Some(key) = key else { return Ok(None) };
    if key.is_empty() || key.len() > MAX_KEY || key.chars().any(char::is_control) {
        return Err(invalid("idempotency_key", format!("must be 1 to {MAX_KEY} bytes without control characters")));
    }
    if absent::stands_for_nothing(key) {
        return Err(invalid(
            "idempotency_key",
            format!("\"{key}\" stands for nothing; leave it out, or give each intent a key of its own, such as \"booking-17\""),
        ));
    }
    let mut digest = Sha256::new();
    for part in said {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    Ok(Some(Idempotency { key: key.to_owned(), fingerprint: digest.finalize().into() }))
}

/// The key of a single send, with the digest of all that it says.
pub(super) fn key_of(args: &SendArgs, to: &Number) -> Result<Option<Idempotency>> {
    idempotency(args.idempotency_key.as_deref(), &["send", to.e164(), args.from.as_deref().unwrap_or(""), &args.message])
}

/// What a dry run says of a key that was used before for the very same call.
pub(super) fn used_before(id: &str) -> String {
    format!("This idempotency_key was used before, for {id}: with it nothing is sent again, and the call is answered as {id} stands.")
}

/// The reason why a single message was refused.
pub(super) fn first_refusal(refused: Vec<(usize, Error)>) -> Error {
    refused.into_iter().next().map_or_else(|| Error::new(ErrorKind::Internal, "refused without a reason"), |(_, error)| error)
}

/// A key that was used for another call.
pub(super) fn conflict() -> Error {
    Error::new(ErrorKind::IdempotencyConflict, "this idempotency_key was used before for a different call (other recipient, text or sender)")
}

/// A failure after something was accepted: it must not read as if nothing was sent.
pub(super) fn accepted(error: Error, id: &str) -> Error {
    let next = format!("{id} was accepted, and goes on or went out: do NOT send it again. Look with get_status.");
    error.about_message(id).next(next)
}

pub(super) fn digest_of(text: &str) -> [u8; 16] {
    let full: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut short = [0; 16];
    short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    short
}

impl Engine {
    /// Reads a phone number argument.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`], which says what is wrong with it.
    pub fn number(&self, text: &str) -> Result<Number> {
        Number::parse(text, self.parts().default_region).map_err(|error| Error::new(ErrorKind::InvalidNumber, error.to_string()))
    }

    /// Checks a text: something to read, nothing that no phone shows.
    pub(super) fn check_text(&self, message: &str) -> Result<()> {
        if message.trim().is_empty() {
            return Err(invalid("message", "is empty; write the text to send"));
        }
        if message.chars().count() > MAX_MESSAGE_CHARS {
            return Err(Error::new(ErrorKind::MessageTooLong, format!("the message is longer than {MAX_MESSAGE_CHARS} characters")));
        }
        match message.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            Some(c) => Err(invalid("message", format!("has the control character U+{:04X}; remove it", u32::from(c)))),
            None => Ok(()),
        }
    }

    /// Checks that nothing was left in a text by mistake, as far as the operator wants that: a placeholder that nothing
    /// fills, a line break written as two characters.
    pub(super) fn check_finished(&self, argument: &str, text: &str) -> Result<()> {
        let allowed = self.guard().settings();
        let refuse = |found: unfinished::Unfinished, setting: &str| {
            let next = format!(
                "Correct the text and call again. Nothing was sent. Where it is meant as it stands, only the operator can allow it ([guard] {setting})."
            );
            Err(invalid(argument, found).next(next))
        };
        if let Some(found) = Some(text).filter(|_| !allowed.allow_placeholders).and_then(unfinished::placeholder) {
            return refuse(found, "allow_placeholders");
        }
        match Some(text).filter(|_| !allowed.allow_escapes).and_then(unfinished::escape) {
            Some(found) => refuse(found, "allow_escapes"),
            None => Ok(()),
        }
    }

    /// Makes a draft for one recipient of a text that was checked.
    pub(super) fn draft(&self, to: &Number, from: Option<&str>, message: String) -> Result<Prepared> {
        let way = self.parts().carriers.way(to, from, &message)?;
        self.draft_on(&way, to, from, message)
    }

    /// As [`Engine::draft`], for these carriers.
    pub(super) fn draft_on(&self, way: &Way<'_>, to: &Number, from: Option<&str>, message: String) -> Result<Prepared> {
        for hop in &way.hops {
            self.guard().check_length(usize::try_from(hop.form.segments).unwrap_or(usize::MAX))?;
        }
        let price = self.price(&way.hops, to)?;
        let first = way.hops.first().map(|hop| hop.carrier);
        let form = way.hops.first().map_or_else(|| Form::of(&message), |hop| hop.form);
        let draft = Draft {
            id: MessageId::new(self.parts().clock.now().as_millis(), self.random()?),
            to: to.e164().to_owned(),
            from: from.map(str::to_owned),
            digest: digest_of(&message),
            folded: fold::digest(&message),
            text: message,
            encoding: form.encoding,
            segments: form.segments,
            hold_micros: price.money.micros,
            is_assumed: price.is_assumed,
            provider: first.map_or_else(String::new, |carrier| carrier.name().to_owned()),
            rated_requests: first.map_or(0, |carrier| carrier.rated_requests(form.segments)),
        };
        Ok(Prepared { to: to.clone(), draft, price: price.money, realm: way.realm() })
    }

    /// What to reserve for a message that these carriers send in these forms: the price of the dearest of them.
    fn price(&self, hops: &[Hop<'_>], to: &Number) -> Result<Priced> {
        let mut dearest: Option<Priced> = None;
        for Hop { carrier, form } in hops {
            let price = self.price_at(carrier, to, form.segments)?;
            // One of them may carry it and tell no price, whoever is the dearest.
            let is_assumed = price.is_assumed || dearest.is_some_and(|dearest| dearest.is_assumed);
            let dearer = dearest.filter(|dearest| dearest.money.micros >= price.money.micros).unwrap_or(price);
            dearest = Some(Priced { is_assumed, ..dearer });
        }
        dearest.ok_or_else(|| Error::new(ErrorKind::PriceUnknown, "no provider carries this message"))
    }

    /// What one carrier takes for so many segments, or what is reserved where it does not say.
    pub(super) fn price_at(&self, carrier: &Carrier, to: &Number, segments: u32) -> Result<Priced> {
        self.guard().price(to, usize::try_from(segments).unwrap_or(usize::MAX), carrier.price(to, segments))
    }

    /// A message that may be sent, and its way.
    pub(super) fn prepare(&self, args: &SendArgs) -> Result<(Prepared, Way<'_>)> {
        self.check_text(&args.message)?;
        self.check_finished("message", &args.message)?;
        let to = self.number(&args.to)?;
        self.guard().check_destination(&to)?;
        self.guard().check_sender(args.from.as_deref())?;
        let way = self.parts().carriers.way(&to, args.from.as_deref(), &args.message)?;
        let prepared = self.draft_on(&way, &to, args.from.as_deref(), args.message.clone())?;
        Ok((prepared, way))
    }

    /// The guard's decision over one message, as the ledger will ask for it.
    pub(super) fn decide_one(&self, prepared: &Prepared, allow_duplicate: bool) -> Decide {
        let (engine, to, from, hold_micros) = (self.clone(), prepared.to.clone(), prepared.draft.from.clone(), prepared.draft.hold_micros);
        Arc::new(move |_, facts| {
            let ask = Ask { to: &to, from: from.as_deref(), hold_micros, whole: None, allow_duplicate, paced: true };
            engine.guard().decide(&ask, facts)
        })
    }

    /// What sending would do, without doing it.
    pub(super) async fn quote(&self, caller: &Caller, args: &SendArgs) -> Result<SendAnswer> {
        if let Err(refused) = self.check_text(&args.message).and_then(|()| self.check_finished("message", &args.message)) {
            return Err(self.unless_accepted(caller, args.idempotency_key.as_deref(), refused).await);
        }
        let to = self.number(&args.to)?;
        let key = key_of(args, &to)?;
        let allowed = self.guard().check_destination(&to).and_then(|()| self.guard().check_sender(args.from.as_deref()));
        let way = self.parts().carriers.way(&to, args.from.as_deref(), &args.message);
        let hops = way.as_ref().map(|way| way.hops.clone()).unwrap_or_default();
        let (price, first, form) = match hops.first() {
            Some(Hop { carrier, form }) => (self.price(&hops, &to)?, Some(*carrier), *form),
            None => {
                let form = Form::of(&args.message);
                (self.guard().price(&to, usize::try_from(form.segments).unwrap_or(usize::MAX), None)?, None, form)
            }
        };
        let provider = first.map_or("", Carrier::name);
        let realm = first.map_or_else(|| self.parts().carriers.realm(), Carrier::realm);
        let payer = self.payer(caller, args.session.clone(), realm)?;
        let now = self.parts().clock.now();
        let mut warnings = self.warnings([realm]);
        let drafted = allowed.and_then(|()| way).and_then(|way| {
            let prepared = self.draft_on(&way, &to, args.from.as_deref(), args.message.clone())?;
            Ok((prepared, way))
        });
        let allowed = match drafted {
            Ok((prepared, way)) => self.may_begin(caller, args.idempotency_key.as_deref(), &prepared, &way).await.map(|()| prepared),
            Err(refused) => Err(refused),
        };
        let (earlier, verdict, budgets) = self.preview(caller, args, payer, key, allowed).await?;
        warnings.extend(earlier.as_ref().map(|id| used_before(id.as_str())));
        warnings.extend(verdict.as_ref().ok().cloned().flatten());
        let refusal = verdict.err().map(|error| Refusal {
            code: error.kind().to_string(),
            message: error.message().to_owned(),
            next: error.next_step().to_owned(),
        });
        Ok(SendAnswer {
            id: None,
            status: Status::DryRun(DryRun::DryRun),
            to: to.e164().to_owned(),
            from: args.from.clone(),
            segments: form.segments,
            encoding: form.encoding.to_owned(),
            price: Price::from(price.money).assumed(price.is_assumed),
            provider: provider.to_owned(),
            provider_message_id: None,
            created_at: now.rfc3339(),
            replayed: earlier.is_some(),
            budget: BudgetLeft::of(&budgets, self.guard().settings().currency),
            warnings,
            quote: Some(Quote {
                allowed: refusal.is_none(),
                refusal,
                ucs2_characters: ucs2_characters(&args.message),
                gsm7_rewrite: self.rewrite(first, &to, args, price, form.segments),
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
    ) -> Result<(Option<MessageId>, Result<Option<String>>, Vec<Budget>)> {
        let now = self.parts().clock.now();
        let prepared = match allowed {
            Ok(prepared) => prepared,
            Err(refused) => {
                let refused = self.unless_accepted(caller, args.idempotency_key.as_deref(), refused).await;
                return Ok((None, Err(refused), self.parts().ledger.budgets(payer, now).await?));
            }
        };
        let intent = Intent { idempotency: key, drafts: vec![prepared.draft.clone()], preview: true, ..self.intent(payer.clone()) };
        let (earlier, verdict) = match self.parts().ledger.reserve(intent, self.decide_one(&prepared, args.allow_duplicate)).await {
            Ok(Reservation::Taken { doubts, budgets, .. }) => return Ok((None, Ok(in_doubt(&doubts)), budgets)),
            Ok(Reservation::Refused { refused, budgets }) => return Ok((None, Err(first_refusal(refused)), budgets)),
            Ok(Reservation::Replay(Target::Message(first))) => (Some(first), Ok(None)),
            Ok(Reservation::Replay(Target::Batch(_)) | Reservation::Conflict) => (None, Err(conflict())),
            Err(error) if error.kind().is_of_ledger() => return Err(error),
            Err(error) => (None, Err(error)),
        };
        Ok((earlier, verdict, self.parts().ledger.budgets(payer, now).await?))
    }

    fn rewrite(&self, carrier: Option<&Carrier>, to: &Number, args: &SendArgs, price: Priced, segments: u32) -> Option<Gsm7Rewrite> {
        let cheaper = text::cheaper_spelling(&args.message)?;
        let fewer = form_at(carrier, to, args.from.as_deref(), &cheaper).segments;
        let each = price.money.micros / i64::from(segments.max(1));
        let saves = Amount(each.saturating_mul(i64::from(segments.saturating_sub(fewer))));
        Some(Gsm7Rewrite {
            message: cheaper,
            segments: fewer,
            saves: Price::from(Money { micros: saves.0, ..price.money }).assumed(price.is_assumed),
        })
    }

    /// Things to know about a message that is sent: the sandbox, and a spelling that would be cheaper.
    pub(super) fn warnings_for(&self, prepared: &Prepared, provider: &str) -> Vec<String> {
        let mut warnings = self.warnings([prepared.realm]);
        if prepared.draft.encoding != Encoding::Gsm7.as_str() {
            let carrier = self.parts().carriers.get(provider);
            let form = |cheaper: String| form_at(carrier, &prepared.to, prepared.draft.from.as_deref(), &cheaper);
            let shorter = text::cheaper_spelling(&prepared.draft.text).map(|cheaper| form(cheaper).segments);
            if let Some(fewer) = shorter.filter(|fewer| *fewer < prepared.draft.segments) {
                let segments = prepared.draft.segments;
                warnings.push(format!(
                    "Typographic or decomposed characters made this {segments} segments instead of {fewer}; dry_run shows a plain spelling."
                ));
            }
        }
        warnings
    }
}

/// What to know where people are sent another text while an earlier one to them is in doubt.
pub(super) fn in_doubt(doubts: &[(usize, Earlier)]) -> Option<String> {
    let names: Vec<&str> = doubts.iter().take(MAX_LISTED).map(|(_, earlier)| earlier.id.as_str()).collect();
    let more = doubts.len().saturating_sub(names.len());
    match (doubts, more) {
        ([], _) => None,
        ([(_, earlier)], _) => Some(format!(
            "{} to the same number is in doubt: it may have gone out, and nobody knows. This is another text, so both may arrive; do not write \
             the earlier one again in other words.",
            earlier.id
        )),
        (_, 0) => Some(format!("Earlier messages to {} of these numbers are in doubt and may arrive too: {}.", doubts.len(), names.join(", "))),
        (_, more) => Some(format!(
            "Earlier messages to {} of these numbers are in doubt and may arrive too: {} and {more} more.",
            doubts.len(),
            names.join(", ")
        )),
    }
}

/// How another spelling of a text would go out at this carrier; as everywhere, where it says nothing.
fn form_at(carrier: Option<&Carrier>, to: &Number, from: Option<&str>, text: &str) -> Form {
    carrier.and_then(|carrier| carrier.form(to, from, text).ok()).unwrap_or_else(|| Form::of(text))
}

fn ucs2_characters(message: &str) -> Vec<Ucs2Character> {
    let characters = text::forcing(message).into_iter().take(MAX_LISTED).map(|forcing| Ucs2Character {
        character: crate::sms::untrusted::escape(&forcing.character.to_string()),
        code_point: format!("U+{:04X}", u32::from(forcing.character)),
        count: u32::try_from(forcing.count).unwrap_or(u32::MAX),
        replacement: forcing.replacement.map(str::to_owned).or_else(|| text::composed_with(message, forcing.character)),
    });
    characters.collect()
}
