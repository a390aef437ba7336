//! From arguments to a draft: everything that can be decided without the ledger.

use std::borrow::Cow;

use super::room::Submit;
use super::when::Wish;
use crate::engine::arguments::{invalid, number};
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::route::{Hop, Way};
use crate::engine::contract::SendArgs;
use crate::engine::prepared::{Prepared, digest_of};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Draft;
use crate::policy::Priced;
use crate::provider::Form;
use crate::sms::message::MessageId;
use crate::sms::number::Number;
use crate::sms::purpose::Purpose;
use crate::sms::schedule::Schedule;
use crate::sms::{fold, unfinished};

/// Longest message that is looked at, in characters; the guard's `max_segments` is far below.
const MAX_MESSAGE_CHARS: usize = 40_000;

/// A text as it leaves. See [`Submit::worded`].
pub struct Worded<'a> {
    /// The text.
    pub text: String,
    /// Who carries it.
    pub way: Way<'a>,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether a line of the operator's was added to it.
    pub is_longer: bool,
}

impl Submit {
    /// A phone number, as the operator's country writes it.
    pub fn number(&self, text: &str) -> Result<Number> {
        number(text, self.default_region)
    }

    /// Checks a text: something to read, nothing that no phone shows.
    pub fn check_text(&self, message: &str) -> Result<()> {
        if message.trim().is_empty() {
            return Err(invalid("message", "is empty; write the text to send"));
        }
        if message.chars().count() > MAX_MESSAGE_CHARS {
            return Err(Error::new(
                ErrorKind::MessageTooLong,
                format!("the message is longer than {MAX_MESSAGE_CHARS} characters"),
            ));
        }
        match message.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            Some(c) => Err(invalid(
                "message",
                format!("has the control character U+{:04X}; remove it", u32::from(c)),
            )),
            None => Ok(()),
        }
    }

    /// Checks that nothing was left in a text by mistake, as far as the operator wants that: a placeholder
    /// that nothing fills, a line break written as two characters.
    pub fn check_finished(&self, argument: &str, text: &str) -> Result<()> {
        let allowed = self.policy.settings();
        let refuse = |found: unfinished::Unfinished, setting: &str| {
            let next = format!(
                "Correct the text and call again. Nothing was sent. Where it is meant as it stands, only \
                 the operator can allow it ([guard] {setting})."
            );
            Err(invalid(argument, found).next(next))
        };
        if let Some(found) =
            Some(text).filter(|_| !allowed.allow_placeholders).and_then(unfinished::placeholder)
        {
            return refuse(found, "allow_placeholders");
        }
        match Some(text).filter(|_| !allowed.allow_escapes).and_then(unfinished::escape) {
            Some(found) => refuse(found, "allow_escapes"),
            None => Ok(()),
        }
    }

    /// Makes a draft for one recipient of a text that was checked, for these carriers.
    pub fn draft_on(
        &self,
        way: &Way<'_>,
        to: &Number,
        from: Option<&str>,
        message: String,
        (purpose, schedule): (Purpose, Schedule),
    ) -> Result<Prepared> {
        let price = self.price_on(way, to)?;
        let first = way.hops.first().map(|hop| hop.carrier);
        let form = way.hops.first().map_or_else(|| Form::of(&message), |hop| hop.form);
        let draft = Draft {
            id: MessageId::new(self.life.now().as_millis(), u128::from_be_bytes(self.life.random()?)),
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
            purpose,
            schedule,
        };
        Ok(Prepared { to: to.clone(), draft, price: price.money, realm: way.realm(), is_longer: false })
    }

    /// What to reserve for a message on this way, where no carrier on it makes it too long.
    pub fn price_on(&self, way: &Way<'_>, to: &Number) -> Result<Priced> {
        for hop in &way.hops {
            self.policy.check_length(usize::try_from(hop.form.segments).unwrap_or(usize::MAX))?;
        }
        self.price(&way.hops, to)
    }

    /// What to reserve for a message that these carriers send in these forms: the price of the dearest of
    /// them.
    pub fn price(&self, hops: &[Hop<'_>], to: &Number) -> Result<Priced> {
        let mut dearest: Option<Priced> = None;
        for Hop { carrier, form } in hops {
            let price = carrier.priced(&self.policy, to, form.segments)?;
            // One of them may carry it and tell no price, whoever is the dearest.
            let is_assumed = price.is_assumed || dearest.is_some_and(|dearest| dearest.is_assumed);
            let dearer =
                dearest.filter(|dearest| dearest.money.micros >= price.money.micros).unwrap_or(price);
            dearest = Some(Priced { is_assumed, ..dearer });
        }
        dearest.ok_or_else(|| Error::new(ErrorKind::PriceUnknown, "no provider carries this message"))
    }

    /// A message that may be sent, and its way.
    pub fn prepare(&self, args: &SendArgs) -> Result<(Prepared, Way<'_>)> {
        self.check_text(&args.message)?;
        self.check_finished("message", &args.message)?;
        let to = self.number(&args.to)?;
        self.policy.check_destination(&to)?;
        self.policy.check_sender(args.from.as_deref())?;
        let from = self.carriers.sender(&to, args.from.as_deref());
        let worded = self.worded((&to, from), args.into(), &args.message, None)?;
        self.carriers.warn_unregistered(&worded.way, &to, from);
        self.drafted(worded, &to, from, args)
    }

    /// A text as it leaves, its way and its purpose. One of marketing may get a line of the operator's.
    ///
    /// # Errors
    /// As for its way and its purpose, and [`ErrorKind::NoWayOut`].
    pub fn worded<'a>(
        &'a self,
        (to, from): (&Number, Option<&str>),
        wish: Wish<'_>,
        text: &str,
        bulk: Option<usize>,
    ) -> Result<Worded<'a>> {
        let way = self.carriers.way(to, from, text)?;
        let purpose = self.purpose(wish, &way, from, bulk)?;
        Ok(match self.policy.worded(to, purpose, text)? {
            Cow::Borrowed(_) => Worded { text: text.to_owned(), way, purpose, is_longer: false },
            // It may take more segments, or signs that not everybody carries.
            Cow::Owned(text) => {
                let way = self.carriers.way(to, from, &text)?;
                Worded { text, way, purpose, is_longer: true }
            }
        })
    }

    /// A message for one recipient, with its time.
    pub fn drafted<'a>(
        &self,
        worded: Worded<'a>,
        to: &Number,
        from: Option<&str>,
        args: &SendArgs,
    ) -> Result<(Prepared, Way<'a>)> {
        let Worded { text, way, purpose, is_longer } = worded;
        let schedule = self.schedule(self.times(args.into())?, to)?;
        let prepared = self.draft_on(&way, to, from, text, (purpose, schedule))?;
        Ok((Prepared { is_longer, ..prepared }, way))
    }
}

/// How another spelling of a text would go out at this carrier; as everywhere, where it says nothing.
pub fn form_at(carrier: Option<&Carrier>, to: &Number, from: Option<&str>, text: &str) -> Form {
    carrier.and_then(|carrier| carrier.form(to, from, text).ok()).unwrap_or_else(|| Form::of(text))
}
