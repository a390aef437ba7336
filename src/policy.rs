//! The spending guard: pure policy between an agent and a phone.
//!
//! [`Policy`] answers two sorts of questions, without I/O and without a clock. Of a message alone: may this
//! number, this sender, this length be sent, and what must be reserved for it? Of a message and the [`Facts`]
//! that the ledger holds about it: does it fit every budget, has this person had enough, was this very text
//! just sent, is it too fast? The same [`Policy::decide`] serves a quote and the transaction that takes the
//! money, so the two agree. What another process on the same ledger forbids is among the facts, and holds
//! here as well (`peers`).

mod approval;
mod ask;
mod asking;
mod assumed;
mod consent;
mod consented;
mod limits;
mod marketing;
mod own;
mod peers;
pub mod quiet;
mod settings;
mod spent;
mod timing;
mod when;
mod worded;
mod words;

use crate::error::{Error, ErrorKind, Result};
use crate::sms::absent;
use crate::sms::destination::barred;
use crate::sms::facts::Facts;
use crate::sms::fold::glance;
use crate::sms::message::State;
use crate::sms::money::{Amount, Money};
use crate::sms::number::{Number, NumberKind};
use crate::sms::purpose::Purpose;
use crate::sms::untrusted;
use crate::sms::verdict::Verdict;
use spent::decide_budget;
use words::{barred_words, sender_words};

/// Longest sender ID of letters and digits (3GPP TS 23.040, 9.1.2.5: 11 characters of the default alphabet).
const MAX_ALPHANUMERIC_SENDER: usize = 11;

/// Most digits of a number (ITU-T E.164, section 6.2.1).
const MAX_NUMBER: usize = 15;

/// Most digits of a service code: as many as CMPP and SMPP have room for.
const MAX_SERVICE_CODE: usize = 20;

pub use approval::{Approval, Notify, Totp};
pub use ask::{Ask, Whole};
pub use assumed::Assumed;
pub use consent::Consent;
pub use limits::{Policy, Slice};
pub use marketing::Marketing;
pub use settings::{AllowDuplicate, Scheduling, Settings};
pub use timing::Timing;

/// What is reserved for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priced {
    /// How much.
    pub money: Money,
    /// Whether nobody knows the price, so that it is the operator's assumption.
    pub is_assumed: bool,
}

impl Policy {
    /// Whether this number may be texted at all.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`], [`ErrorKind::PremiumDestination`] or
    /// [`ErrorKind::DestinationNotAllowed`].
    pub fn check_destination(&self, to: &Number) -> Result<()> {
        if !to.is_valid() {
            return Err(Error::new(
                ErrorKind::InvalidNumber,
                format!("{to} is not a number in use: no country numbers its phones like this"),
            ));
        }
        if matches!(to.kind(), NumberKind::PremiumRate | NumberKind::SharedCost) {
            return Err(Error::new(
                ErrorKind::PremiumDestination,
                format!("{to} is a {} number", to.kind().as_str().replace('_', "-")),
            ));
        }
        let (allowed, denied) = (&self.settings.allow_destinations, &self.settings.deny_destinations);
        match barred(to, allowed, denied) {
            None => Ok(()),
            Some(why) => Err(Error::new(ErrorKind::DestinationNotAllowed, barred_words(to, why, allowed))),
        }
    }

    /// Whether this sender ID may be shown. No sender is always fine: the provider's own is used.
    ///
    /// # Errors
    /// [`ErrorKind::SenderNotAllowed`].
    pub fn check_sender(&self, from: Option<&str>) -> Result<()> {
        let Some(from) = from else { return Ok(()) };
        if let Some(allowed) = self.looks_like(from) {
            let shown = untrusted::escape(from);
            let message = format!(
                "`from` \"{shown}\" looks like an allowed sender and is another one; the allowed one is \
                 \"{allowed}\""
            );
            let next = format!(
                "Write `from` exactly as \"{allowed}\" if that is meant, or leave it out to use the \
                 configured sender."
            );
            return Err(Error::new(ErrorKind::SenderNotAllowed, message).next(next));
        }
        let digits = from.strip_prefix('+').unwrap_or(from);
        // A number has a `+` or could have; what is longer and has none is a carrier's service code with its
        // extension.
        let most = if digits.len() == from.len() { MAX_SERVICE_CODE } else { MAX_NUMBER };
        let is_number =
            (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = !from.is_empty()
            && from.len() <= MAX_ALPHANUMERIC_SENDER
            && from.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -_.&".contains(&byte))
            && from.bytes().any(|byte| byte.is_ascii_alphanumeric());
        if !is_number && !is_name {
            return Err(Error::new(
                ErrorKind::SenderNotAllowed,
                format!(
                    "`from` must be a number of up to {MAX_NUMBER} digits, a service code of up to \
                     {MAX_SERVICE_CODE}, or a name of up to \
                     {MAX_ALPHANUMERIC_SENDER} letters and digits"
                ),
            ));
        }
        let allowed = &self.settings.allow_senders;
        if absent::stands_for_nothing(from) && !allowed.iter().any(|sender| sender == from) {
            return Err(Error::new(
                ErrorKind::SenderNotAllowed,
                format!("`from` \"{from}\" stands for nothing; leave it out for the default sender"),
            ));
        }
        if allowed.is_empty() || allowed.iter().any(|sender| sender == from) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::SenderNotAllowed, sender_words(from, allowed)))
    }

    /// The allowed sender that a reader would take this one for, which is none of them.
    fn looks_like(&self, from: &str) -> Option<&str> {
        let allowed = &self.settings.allow_senders;
        if allowed.iter().any(|sender| sender == from) {
            return None;
        }
        let seen = glance(from);
        allowed.iter().map(String::as_str).find(|sender| !seen.is_empty() && glance(sender) == seen)
    }

    /// Whether a message of so many segments may be sent.
    ///
    /// # Errors
    /// [`ErrorKind::MessageTooLong`].
    pub fn check_length(&self, segments: usize) -> Result<()> {
        let most = self.settings.max_segments;
        if usize::try_from(most).is_ok_and(|most| segments <= most) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::MessageTooLong,
            format!("the message takes {segments} segments; at most {most} are allowed"),
        ))
    }

    /// What to reserve for a message: the provider's price, else the rate card's, else the worst case.
    /// `quoted` is the provider's price for the whole message.
    ///
    /// # Errors
    /// [`ErrorKind::PriceUnknown`] when a price is in another currency than the budgets, or does not fit.
    pub fn price(&self, to: &Number, segments: usize, quoted: Option<Money>) -> Result<Priced> {
        let currency = self.settings.currency;
        // A quote of nothing, or less, is no price: it would hold nothing.
        if let Some(price) = quoted.filter(|price| price.micros > 0) {
            if price.currency == currency {
                return Ok(Priced { money: price, is_assumed: false });
            }
            if self.rate(to).is_none() {
                return Err(Error::new(
                    ErrorKind::PriceUnknown,
                    format!(
                        "the provider charges in {}, the budgets are in {currency}, and [rates] has no \
                         price for {to}",
                        price.currency
                    ),
                ));
            }
        }
        let rate = self.rate(to);
        let each = rate.unwrap_or(self.settings.price_when_unknown);
        let times = u32::try_from(segments.max(1)).ok();
        let whole = times.and_then(|times| Money { micros: each.0, currency }.times(times));
        whole.map(|money| Priced { money, is_assumed: rate.is_none() }).ok_or_else(|| {
            Error::new(ErrorKind::PriceUnknown, "the price of this message is beyond all bounds")
        })
    }

    /// Whether agents may send texts for this purpose.
    ///
    /// # Errors
    /// [`ErrorKind::PurposeNotAllowed`].
    pub fn check_purpose(&self, purpose: Purpose) -> Result<()> {
        if self.settings.purposes.contains(&purpose) {
            return Ok(());
        }
        let message = format!("this text is {purpose}, and agents may not send such texts here");
        Err(Error::new(ErrorKind::PurposeNotAllowed, message))
    }

    /// What a text is for: what the operator takes it for, or what is stricter of what is said of it. `bulk` is
    /// how many people get it, where they are several.
    ///
    /// # Errors
    /// [`ErrorKind::PurposeNotAllowed`].
    pub fn purpose(&self, said: impl IntoIterator<Item = Purpose>, bulk: Option<usize>) -> Result<Purpose> {
        let settings = &self.settings;
        let most = usize::try_from(settings.bulk_is_marketing_above).unwrap_or(usize::MAX);
        let by_size =
            if bulk.is_some_and(|bulk| bulk > most) { Purpose::Marketing } else { Purpose::Transactional };
        let purpose = said.into_iter().fold(settings.default_purpose.max(by_size), Purpose::max);
        if self.check_purpose(purpose).is_ok() {
            return Ok(purpose);
        }
        let because = if by_size == Purpose::Marketing {
            format!("; a bulk to more than {most} people is marketing")
        } else {
            String::new()
        };
        Err(Error::new(
            ErrorKind::PurposeNotAllowed,
            format!("this text is {purpose}, and agents may not send such texts here{because}"),
        ))
    }

    fn rate(&self, to: &Number) -> Option<Amount> {
        let best =
            self.rates.iter().filter_map(|(destination, rate)| Some((destination.matches(to)?, *rate)));
        best.max_by_key(|(how_well, _)| *how_well).map(|(_, rate)| rate)
    }

    /// Whether a message may be sent, given what the ledger knows, and when.
    ///
    /// # Errors
    /// The first reason against it, worst first: the lists of another process, an opt-out or one that may be
    /// theirs, no consent, a duplicate, too many to this person, a frozen or spent budget, too fast.
    pub fn decide(&self, ask: &Ask<'_>, facts: &Facts) -> Result<Verdict> {
        peers::check_lists(ask, facts)?;
        check_approver(ask, facts)?;
        check_opted_out(ask, facts)?;
        check_stop_pending(ask, facts)?;
        consented::check_objection(ask, facts)?;
        self.check_consent(ask, facts)?;
        self.decide_duplicate(ask, facts)?;
        self.decide_frequency(ask, facts)?;
        for budget in &facts.budgets {
            decide_budget(budget, ask, facts, self.settings.currency, self.limits(budget.scope))?;
        }
        let verdict = self.ask_person(ask, facts, self.when(ask, facts)?)?;
        if ask.paced && verdict.is_now() {
            self.check_pace(facts)?;
        }
        Ok(verdict)
    }

    fn check_pace(&self, facts: &Facts) -> Result<()> {
        if facts.rate_wait_ms == 0 {
            return Ok(());
        }
        let (most, blamed) =
            peers::strictest(self.settings.sends_per_second, facts, |rules| rules.sends_per_second);
        let message = format!("at most {most} messages per second are sent, all agents together{blamed}");
        Err(Error::new(ErrorKind::RateLimited, message).retry_after_ms(facts.rate_wait_ms))
    }

    fn decide_duplicate(&self, ask: &Ask<'_>, facts: &Facts) -> Result<()> {
        let may = self.settings.allow_duplicate;
        // What is being handed over at this moment may become unknown.
        let in_doubt = || {
            facts
                .same_in_doubt
                .as_ref()
                .or(facts.same_text.as_ref().filter(|earlier| earlier.state == State::Attempting))
        };
        let is_meant_all_the_same = ask.allow_duplicate && may == AllowDuplicate::Yes;
        if let Some(earlier) = in_doubt().filter(|_| !is_meant_all_the_same) {
            let why = if earlier.state == State::Unknown {
                "its outcome is unknown"
            } else {
                "its outcome is not known yet"
            };
            let message = format!("{} may already have brought this text to {}: {why}", earlier.id, ask.to);
            let next = format!(
                "Nothing was sent again. {0} may have gone out: do NOT retry it, in whatever spelling or \
                 under another key, and tell the user that it \
                 is not certain. get_status shows what becomes of it; only the operator can settle it \
                 (`sms-mcp reconcile`).",
                earlier.id
            );
            return Err(Error::new(ErrorKind::DuplicateSuspected, message)
                .about_message(earlier.id.as_str())
                .next(next));
        }
        let Some(earlier) =
            facts.same_text.as_ref().filter(|_| !ask.allow_duplicate || may == AllowDuplicate::Never)
        else {
            return Ok(());
        };
        let ago = earlier.age_ms / 1_000;
        let message =
            format!("the same text went to {} {ago} s ago as {} (now {})", ask.to, earlier.id, earlier.state);
        let error = Error::new(ErrorKind::DuplicateSuspected, message).about_message(earlier.id.as_str());
        Err(match may {
            AllowDuplicate::Never => error.next(
                "Nothing was sent again, and the operator does not let the same text go twice. Tell the \
                 user; get_status shows the earlier one.",
            ),
            AllowDuplicate::NotAfterUnknown | AllowDuplicate::Yes => error,
        })
    }

    fn decide_frequency(&self, ask: &Ask<'_>, facts: &Facts) -> Result<()> {
        let hour =
            peers::strictest(self.settings.recipient_per_hour, facts, |rules| rules.recipient_per_hour);
        let day = peers::strictest(self.settings.recipient_per_day, facts, |rules| rules.recipient_per_day);
        let caps = [(facts.recipient_last_hour, hour, "hour"), (facts.recipient_last_day, day, "24 hours")];
        match caps.into_iter().find(|(had, (most, _), _)| had >= most) {
            Some((had, (most, blamed), window)) => Err(Error::new(
                ErrorKind::RecipientLimit,
                format!(
                    "{} already got {had} messages within one {window}; at most {most} are allowed{blamed}",
                    ask.to
                ),
            )),
            None => Ok(()),
        }
    }
}

/// Refuses a text of an agent's to an approver who decides by text: it could say what to answer.
fn check_approver(ask: &Ask<'_>, facts: &Facts) -> Result<()> {
    if !facts.is_approver {
        return Ok(());
    }
    let why = format!("{} is the phone of an approver, who decides by text what agents may send", ask.to);
    Err(Error::new(ErrorKind::DestinationNotAllowed, why)
        .next("Nothing was sent. No agent texts this number; tell the user."))
}

/// Refuses a text to somebody who wants no more.
fn check_opted_out(ask: &Ask<'_>, facts: &Facts) -> Result<()> {
    if facts.is_opted_out {
        return Err(Error::new(ErrorKind::OptedOut, format!("{} asked for no more texts", ask.to)));
    }
    Ok(())
}

/// Refuses a text to somebody who may be the one who wants no more.
fn check_stop_pending(ask: &Ask<'_>, facts: &Facts) -> Result<()> {
    if !facts.is_stop_pending {
        return Ok(());
    }
    let why = format!(
        "somebody who may be {} asked for no more texts, and nobody has said yet who that was (pending)",
        ask.to
    );
    Err(Error::new(ErrorKind::OptedOut, why).next(
        "Nothing was sent, and nothing may be until the operator settled it (`sms-mcp opt-out pending`). Tell \
         the user; do not look for another way.",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::sms::facts::{Budget, Earlier, Limits, Scope};
    use crate::sms::message::MessageId;
    use crate::sms::money::Currency;

    fn guard(change: impl FnOnce(&mut Settings)) -> Policy {
        let mut settings = Settings::default();
        change(&mut settings);
        Policy::new(
            settings,
            BTreeMap::from([
                ("GB".parse().unwrap(), Amount(40_000)),
                ("+4474".parse().unwrap(), Amount(50_000)),
            ]),
        )
    }

    fn number(text: &str) -> Number {
        Number::parse(text, None).unwrap()
    }

    fn budget(change: impl FnOnce(&mut Budget)) -> Budget {
        let limits = Limits { spend_micros: Some(100), messages: Some(2) };
        let mut budget = Budget {
            key: crate::sms::facts::BudgetKey::from_text("k"),
            scope: Scope::Day,
            limits,
            held_micros: 0,
            spent_micros: 0,
            messages: 0,
            frozen: false,
            overcharge: None,
        };
        change(&mut budget);
        budget
    }

    #[test]
    fn destinations_are_decided_by_kind_then_deny_then_allow() {
        type Case = (&'static str, fn(&mut Settings), Option<ErrorKind>);
        let cases: [Case; 7] = [
            ("+447400123456", |_| {}, None),
            ("+309091234567", |_| {}, Some(ErrorKind::PremiumDestination)),
            ("+4474001234", |_| {}, Some(ErrorKind::InvalidNumber)),
            (
                "+447400123456",
                |s| s.deny_destinations = vec!["+4474".parse().unwrap()],
                Some(ErrorKind::DestinationNotAllowed),
            ),
            (
                "+447400123456",
                |s| s.allow_destinations = vec!["FR".parse().unwrap()],
                Some(ErrorKind::DestinationNotAllowed),
            ),
            ("+447400123456", |s| s.allow_destinations = vec!["GB".parse().unwrap()], None),
            (
                "+447400123456",
                |s| {
                    s.allow_destinations = vec!["GB".parse().unwrap()];
                    s.deny_destinations = vec!["+447400".parse().unwrap()];
                },
                Some(ErrorKind::DestinationNotAllowed),
            ),
        ];
        for (to, change, expected) in cases {
            assert_eq!(
                guard(change).check_destination(&number(to)).err().map(|error| error.kind()),
                expected,
                "{to}"
            );
        }
    }

    #[test]
    fn senders_have_a_form_and_may_be_listed() {
        let open = guard(|_| {});
        for fine in ["ACME", "+33612345678", "12345", "My Shop-1", "10690001234567890123"] {
            assert!(open.check_sender(Some(fine)).is_ok(), "{fine}");
        }
        for wrong in [
            "",
            " ",
            "&&&",
            "TwelveLetter",
            "Caf\u{e9}",
            "a\nb",
            "+1234567890123456",
            "106900012345678901234",
        ] {
            assert_eq!(
                open.check_sender(Some(wrong)).unwrap_err().kind(),
                ErrorKind::SenderNotAllowed,
                "{wrong}"
            );
        }
        let listed = guard(|s| s.allow_senders = vec!["ACME".into()]);
        assert!(listed.check_sender(None).is_ok() && listed.check_sender(Some("ACME")).is_ok());
        assert!(listed.check_sender(Some("acme")).is_err());
    }

    #[test]
    fn a_sender_that_only_looks_like_an_allowed_one_is_refused_and_named_as_such() {
        let listed = guard(|s| {
            s.allow_senders = vec!["ACME".into(), "PayPal".into(), "+33612345678".into(), "&&&".into()]
        });
        for (from, meant) in [
            ("PayPaI", "PayPal"),
            ("PAYPAL", "PayPal"),
            ("ACME ", "ACME"),
            (" ACME", "ACME"),
            ("A-C-M-E", "ACME"),
            ("\u{410}CME", "ACME"),
            ("ACME\u{200b}", "ACME"),
            ("\u{ff21}\u{ff23}\u{ff2d}\u{ff25}", "ACME"),
            ("33612345678", "+33612345678"),
            ("+336I2345678", "+33612345678"),
        ] {
            let error = listed.check_sender(Some(from)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::SenderNotAllowed, "{from}");
            assert!(
                error.message().contains("looks like an allowed sender") && error.message().contains(meant),
                "{from:?}: {}",
                error.message()
            );
            assert!(
                error.next_step().contains(&format!("exactly as \"{meant}\"")),
                "{from:?}: {}",
                error.next_step()
            );
            assert!(!error.message().chars().any(|c| c == '\u{200b}'), "{from:?}");
        }
        for other in ["ACNE", "Shop", "---", "33612345679"] {
            let error = listed.check_sender(Some(other)).unwrap_err();
            assert!(!error.message().contains("looks like"), "{other}: {}", error.message());
        }
        // What is listed is meant as it is written, also where two look alike; and where nothing is listed,
        // nothing is looked at.
        let both = guard(|s| s.allow_senders = vec!["PayPal".into(), "PayPaI".into()]);
        assert!(both.check_sender(Some("PayPal")).is_ok() && both.check_sender(Some("PayPaI")).is_ok());
        let open = guard(|_| {});
        assert!(open.check_sender(Some("PayPaI")).is_ok() && open.check_sender(Some("ACME ")).is_ok());
    }

    #[test]
    fn the_price_is_the_providers_else_the_rate_cards_else_the_worst_case() {
        let guard = guard(|_| {});
        let usd = |micros| Money { micros, currency: Currency::USD };
        assert_eq!(guard.price(&number("+447400123456"), 2, Some(usd(7))).unwrap().money, usd(7));
        assert_eq!(guard.price(&number("+447400123456"), 2, None).unwrap().money, usd(100_000));
        assert_eq!(guard.price(&number("+442079460018"), 1, None).unwrap().money, usd(40_000));
        assert_eq!(
            guard.price(&number("+447400123456"), 2, Some(usd(0))).unwrap().money,
            usd(100_000),
            "nothing is no price"
        );
        assert_eq!(guard.price(&number("+447400123456"), 2, Some(usd(-5))).unwrap().money, usd(100_000));
        assert_eq!(guard.price(&number("+33612345678"), 3, None).unwrap().money, usd(1_500_000));
        let euro = Money { micros: 1, currency: "EUR".parse().unwrap() };
        assert_eq!(
            guard.price(&number("+33612345678"), 1, Some(euro)).unwrap_err().kind(),
            ErrorKind::PriceUnknown
        );
        assert_eq!(guard.price(&number("+447400123456"), 1, Some(euro)).unwrap().money, usd(50_000));
    }

    #[test]
    fn facts_are_decided_worst_first() {
        let to = number("+447400123456");
        let guard = guard(|_| {});
        let ask = Ask { hold_micros: 60, paced: true, ..Ask::to(&to, 0) };
        let earlier = Earlier { id: MessageId::from_text("msg_1"), state: State::Unknown, age_ms: 5_000 };
        let kind = |ask: &Ask<'_>, facts: &Facts| guard.decide(ask, facts).err().map(|error| error.kind());
        let table = [
            (Facts::default(), None),
            (Facts { budgets: vec![budget(|b| b.spent_micros = 40)], ..Facts::default() }, None),
            (
                Facts { budgets: vec![budget(|b| b.spent_micros = 41)], ..Facts::default() },
                Some(ErrorKind::BudgetExceeded),
            ),
            (
                Facts { budgets: vec![budget(|b| b.held_micros = 41)], ..Facts::default() },
                Some(ErrorKind::BudgetExceeded),
            ),
            (
                Facts { budgets: vec![budget(|b| b.messages = 2)], ..Facts::default() },
                Some(ErrorKind::BudgetExceeded),
            ),
            (
                Facts { budgets: vec![budget(|b| b.frozen = true)], ..Facts::default() },
                Some(ErrorKind::BudgetFrozen),
            ),
            (Facts { recipient_last_hour: 5, ..Facts::default() }, Some(ErrorKind::RecipientLimit)),
            (Facts { recipient_last_day: 20, ..Facts::default() }, Some(ErrorKind::RecipientLimit)),
            (Facts { rate_wait_ms: 1, ..Facts::default() }, Some(ErrorKind::RateLimited)),
            (
                Facts { same_text: Some(earlier.clone()), recipient_last_hour: 5, ..Facts::default() },
                Some(ErrorKind::DuplicateSuspected),
            ),
        ];
        for (facts, expected) in table {
            assert_eq!(kind(&ask, &facts), expected, "{facts:?}");
        }
        let meant = Ask { allow_duplicate: true, ..ask };
        assert_eq!(kind(&meant, &Facts { same_text: Some(earlier), ..Facts::default() }), None);
        let waits = Ask { paced: false, ..ask };
        assert_eq!(kind(&waits, &Facts { rate_wait_ms: 1, ..Facts::default() }), None);
    }

    #[test]
    fn what_is_in_doubt_is_repeated_only_where_the_operator_lets_it() {
        let to = number("+447400123456");
        let earlier = |state| Some(Earlier { id: MessageId::from_text("msg_1"), state, age_ms: 90_000_000 });
        let in_doubt = Facts { same_in_doubt: earlier(State::Unknown), ..Facts::default() };
        let in_window = Facts { same_text: earlier(State::Sent), ..Facts::default() };
        let in_flight = Facts { same_text: earlier(State::Attempting), ..Facts::default() };
        let refused = |setting, facts: &Facts, allow_duplicate| {
            let ask = Ask { hold_micros: 60, allow_duplicate, paced: true, ..Ask::to(&to, 0) };
            guard(|s| s.allow_duplicate = setting).decide(&ask, facts).err()
        };
        for (setting, facts, allow_duplicate, is_refused) in [
            (AllowDuplicate::NotAfterUnknown, &in_doubt, true, true),
            (AllowDuplicate::NotAfterUnknown, &in_window, true, false),
            (AllowDuplicate::NotAfterUnknown, &in_flight, true, true),
            (AllowDuplicate::Yes, &in_flight, true, false),
            (AllowDuplicate::Never, &in_doubt, true, true),
            (AllowDuplicate::Never, &in_window, true, true),
            (AllowDuplicate::Yes, &in_doubt, true, false),
            (AllowDuplicate::Yes, &in_window, true, false),
            (AllowDuplicate::Yes, &in_doubt, false, true),
            (AllowDuplicate::Yes, &in_window, false, true),
        ] {
            let error = refused(setting, facts, allow_duplicate);
            assert_eq!(error.is_some(), is_refused, "{setting:?} {facts:?} {allow_duplicate}");
            if let Some(error) = error {
                assert!(
                    error.message().contains("msg_1")
                        && error.details().message_id.as_deref() == Some("msg_1"),
                    "{error}"
                );
                assert!(
                    !(setting == AllowDuplicate::Never && error.next_step().contains("allow_duplicate")),
                    "{}",
                    error.next_step()
                );
            }
        }
        let other = Facts { other_in_doubt: earlier(State::Unknown), ..Facts::default() };
        assert!(refused(AllowDuplicate::NotAfterUnknown, &other, false).is_none());
    }

    #[test]
    fn a_slice_is_never_wider_than_its_session() {
        let guard = guard(|_| {});
        let wide = guard.slice(Slice { max_spend: Some(Amount::units(1_000)), max_messages: Some(9_999) });
        assert_eq!(wide, guard.limits(Scope::Session));
        assert_eq!(
            guard.slice(Slice { max_spend: Some(Amount(1)), max_messages: None }).spend_micros,
            Some(1)
        );
    }
}
