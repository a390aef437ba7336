//! What people agreed to, as the operator records it. No tool does: an agent that says that somebody agreed is
//! no record of it.

use sha2::{Digest as _, Sha256};

use super::room::Operate;
use crate::clock::Timestamp;
use crate::engine::arguments::{invalid, number as number_of};
use crate::engine::caller::{Caller, Person};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::E164;
use crate::ledger::consents::{ConsentAsk, ConsentImport, MakeConsents};
pub use crate::ledger::consents::{ConsentRecord, Imported, NewConsent};
use crate::sms::caller_id::same_phone;
use crate::sms::consent::{Latest, missing};
use crate::sms::message::hex;
use crate::sms::number::{Number, Region};
use crate::sms::purpose::Purpose;
use crate::sms::untrusted;

/// Longest name of a source or a wording, in characters.
const MAX_NAME: usize = 100;

/// How far ahead of ours the clock may be of who wrote a time down.
const AHEAD_MS: i64 = 10 * 60_000;

/// Whom a consent is about, as the log has it: it names no numbers.
const ONE: &str = "one number";

/// What somebody said, as it is written down.
#[derive(Clone, Debug)]
pub struct Given<'a> {
    /// Whose number.
    pub number: &'a str,
    /// To texts of this purpose.
    pub purpose: Purpose,
    /// They agreed; else they withdrew it.
    pub is_given: bool,
    /// Where they said so.
    pub source: &'a str,
    /// The version of what they agreed to.
    pub wording: Option<&'a str>,
    /// When they said so; now where nothing is said.
    pub at: Option<&'a str>,
    /// From when on it does not count any more.
    pub expires: Option<&'a str>,
}

impl Given<'_> {
    /// Reads it as it is meant, or not at all.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`] or [`ErrorKind::InvalidArgument`], naming what is wrong.
    pub fn read(&self, region: Option<Region>, now: Timestamp) -> Result<NewConsent> {
        let number = number_of(self.number, region)?;
        // Who withdraws is known by whatever number there is: a STOP comes under one of an older plan.
        if self.is_given && !number.is_valid() {
            let wrong = format!("{number} is not a number in use: no country numbers its phones like this");
            return Err(Error::new(ErrorKind::InvalidNumber, wrong));
        }
        let at = self.at.map_or(Ok(now), |at| time("time", at))?;
        if at > now.plus_ms(AHEAD_MS) {
            return Err(invalid(
                "time",
                format!("({}) is still to come; nobody has said it yet", at.rfc3339()),
            ));
        }
        // As exact as it is written: an export has the milliseconds.
        let is_exact = self.at.is_none_or(|at| at.contains('.'));
        let at = if self.is_given || is_exact { at } else { at.last_meant() };
        let expires = self.expires.map(|expires| time("expires", expires)).transpose()?;
        if expires.is_some_and(|expires| expires <= at) {
            return Err(invalid("expires", "is not after the time at which it was said"));
        }
        if !self.is_given && expires.is_some() {
            return Err(invalid("expires", "is said of a withdrawal, which holds until a new consent"));
        }
        Ok(NewConsent {
            number: number.e164().to_owned(),
            purpose: self.purpose,
            is_given: self.is_given,
            source: if self.is_given { word("source", self.source)? } else { name("source", self.source)? },
            wording: self.wording.map(|wording| name("wording", wording)).transpose()?,
            at,
            expires,
        })
    }
}

fn time(column: &str, text: &str) -> Result<Timestamp> {
    Timestamp::parse(text).ok_or_else(|| {
        let shown = untrusted::escape(text);
        invalid(column, format!("\"{shown}\" is no time; write 2026-11-22 or 2026-11-22T10:00:00Z"))
    })
}

fn name(column: &str, text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(invalid(column, "is empty; name it in a word, such as web-form-2026"));
    }
    if text.chars().count() > MAX_NAME || text.chars().any(char::is_control) {
        return Err(invalid(column, format!("must be 1 to {MAX_NAME} characters in one line")));
    }
    Ok(text.to_owned())
}

/// What a person reads before they say yes: the source is a word, so that it says nothing else.
fn word(column: &str, text: &str) -> Result<String> {
    let word = name(column, text)?;
    if !word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        let shown = untrusted::escape(&word);
        return Err(invalid(
            column,
            format!("\"{shown}\" is no word of a-z, 0-9, `.`, `_` and `-`, such as web-form-2026"),
        ));
    }
    Ok(word)
}

/// When what counts was said.
pub fn when(latest: &Latest) -> String {
    Timestamp(latest.at_ms).rfc3339()
}

/// All of it in a line, for who is to say yes to it.
pub fn shown(consent: &NewConsent, is_now: bool) -> String {
    let NewConsent { number, purpose, is_given, source, wording, at, expires } = consent;
    let at = if is_now { "now".to_owned() } else { at.rfc3339() };
    let expires = match expires {
        _ if !is_given => String::new(),
        None => ", expires never".to_owned(),
        Some(expires) => format!(", expires {}", expires.rfc3339()),
    };
    let wording = wording.as_ref().map_or_else(String::new, |wording| format!(", wording {wording:?}"));
    format!("{number}: {purpose}, said {at}{expires}, by {source}{wording}")
}

impl Operate {
    /// Records what somebody agreed to. Returns whether it is news.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a withdrawal, or [`ErrorKind::LedgerUnavailable`].
    pub async fn add_consent(&self, person: &Person, consent: NewConsent) -> Result<bool> {
        if !consent.is_given {
            return Err(invalid("status", "says that it was withdrawn"));
        }
        // A word that was said after this was asked for is newer.
        let now = self.life.now();
        let consent = NewConsent { at: consent.at.min(person.was_asked(now)), ..consent };
        let act = person.act("consent add", &shown(&consent, false), now);
        let is_news = self.ledger.record_consent(consent, act).await?;
        person.widened("consent add", ONE);
        Ok(is_news)
    }

    /// Records that somebody withdrew it, or does so now (`is_now`): what waits to be sent to them ends when it
    /// would leave. Returns whether it is news.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for what is no withdrawal, or [`ErrorKind::LedgerUnavailable`].
    pub async fn withdraw_consent(&self, caller: &Caller, consent: NewConsent, is_now: bool) -> Result<bool> {
        if consent.is_given {
            return Err(invalid("status", "says that it was given"));
        }
        let act = caller.act("consent withdraw", &shown(&consent, is_now), self.life.now());
        let is_news = if is_now {
            self.ledger.withdraw_from_now(consent, act).await?
        } else {
            self.ledger.record_consent(consent, act).await?
        };
        caller.acted("consent withdraw", ONE);
        Ok(is_news)
    }

    /// Records what stands in a file of this name, all of it or nothing.
    ///
    /// # Errors
    /// What `make` answers, or [`ErrorKind::LedgerUnavailable`].
    pub async fn import_consents(&self, person: &Person, file: &str, make: MakeConsents) -> Result<Imported> {
        let act = person.act("consent import", file, self.life.now());
        let imported = self.ledger.import_consents(ConsentImport { act, make }).await?;
        person.widened("consent import", &format!("{} new records", imported.new));
        Ok(imported)
    }

    /// Whether somebody may be asked whether they want marketing.
    ///
    /// # Errors
    /// [`ErrorKind::OptedOut`] where they want none, or may, and [`ErrorKind::InvalidArgument`] where they agreed
    /// already; [`ErrorKind::InvalidNumber`] or [`ErrorKind::LedgerUnavailable`].
    pub async fn may_ask(&self, number: &str) -> Result<Number> {
        let number = number_of(number, self.default_region)?;
        let now = self.life.now();
        let said = self.ledger.said(E164(number.e164()), now).await?;
        if said.is_opted_out || said.is_stop_pending || said.is_objection_pending {
            let message = format!("{number} asked for no more texts, or may have");
            return Err(Error::new(ErrorKind::OptedOut, message));
        }
        let latest = self.ledger.latest_consent(E164(number.e164()), Purpose::Marketing).await?;
        if latest.is_some() && missing(latest.as_ref(), now.as_millis()).is_none() {
            let message = format!("{number} agreed already; `sms-mcp consent show` says when");
            return Err(Error::new(ErrorKind::InvalidArgument, message).next("Nothing was sent."));
        }
        Ok(number)
    }

    /// Keeps that somebody was asked, with this question.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn note_ask(&self, caller: &Caller, number: &Number, question: &str) -> Result<Timestamp> {
        let now = self.life.now();
        let expires = now.plus_ms(self.policy.consent().ask_expires.as_millis());
        let ask = ConsentAsk {
            number: number.e164().to_owned(),
            purpose: Purpose::Marketing,
            wording: wording_of(question),
            expires,
            act: caller.act("consent ask", number.e164(), now),
        };
        self.ledger.note_ask(ask).await?;
        caller.acted("consent ask", ONE);
        Ok(expires)
    }

    /// What counts of this person and purpose.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn latest_consent(&self, number: E164<'_>, purpose: Purpose) -> Result<Option<Latest>> {
        self.ledger.latest_consent(number, purpose).await
    }

    /// Every record of this number and of others that may be the same phone, latest first; and the number, in E.164.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`] or [`ErrorKind::LedgerUnavailable`].
    pub async fn consents_of(&self, caller: &Caller, number: &str) -> Result<(String, Vec<ConsentRecord>)> {
        let number = number_of(number, self.default_region)?;
        caller.looked("consent show");
        let mut records = self.ledger.consents_of(E164(number.e164())).await?;
        for other in same_phone(number.e164()) {
            records.extend(self.ledger.consents_of(E164(&other)).await?);
        }
        records.sort_by_key(|record| (std::cmp::Reverse(record.said.at), record.said.is_given));
        Ok((number.e164().to_owned(), records))
    }

    /// Records behind this one, in the order in which they were written down.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn consents_after(&self, caller: &Caller, id: i64, most: u32) -> Result<Vec<ConsentRecord>> {
        if id == 0 {
            caller.looked("consent export");
        }
        self.ledger.consents_after(id, most).await
    }
}

/// What tells this question from another one.
fn wording_of(question: &str) -> String {
    let digest = hex(&Sha256::digest(question.as_bytes()));
    format!("ask-{}", digest.get(..12).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: &str = "2026-11-28T12:00:00Z";

    fn read(change: impl FnOnce(&mut Given<'_>)) -> Result<NewConsent, String> {
        let mut given = Given {
            number: "+12025550123",
            purpose: Purpose::Marketing,
            is_given: true,
            source: " web-form ",
            wording: Some("v3"),
            at: Some("2026-11-01"),
            expires: Some("2027-11-01T00:00:00+01:00"),
        };
        change(&mut given);
        given.read(None, Timestamp::parse(NOW).unwrap()).map_err(|wrong| wrong.message().to_owned())
    }

    #[test]
    fn what_is_written_is_read_as_it_is_meant_or_named() {
        let consent = read(|_| {}).unwrap();
        assert_eq!((consent.number.as_str(), consent.source.as_str()), ("+12025550123", "web-form"));
        assert_eq!(consent.expires.unwrap().rfc3339(), "2027-10-31T23:00:00.000Z");
        assert_eq!(read(|given| given.at = None).unwrap().at.rfc3339(), "2026-11-28T12:00:00.000Z");
        type Case = (fn(&mut Given<'_>), &'static str);
        let wrong: [Case; 10] = [
            (|given| given.number = "12025550123", "country"),
            (|given| given.number = "+1 202 555", "+1"),
            (|given| given.source = " ", "`source` is empty"),
            (|given| given.source = "form, expires never", "is no word"),
            (|given| given.wording = Some("a\nb"), "`wording` must be"),
            (|given| given.at = Some("2026-11-01T10:00:00"), "is no time"),
            (|given| given.at = Some("01/02/2026"), "is no time"),
            (|given| given.at = Some("2026-11-29"), "still to come"),
            (|given| given.expires = Some("2026-11-01"), "not after"),
            (|given| given.is_given = false, "of a withdrawal"),
        ];
        for (change, words) in wrong {
            let told = read(change).unwrap_err();
            assert!(told.contains(words), "{words}: {told}");
        }
    }

    #[test]
    fn a_withdrawal_counts_at_the_last_moment_that_its_time_may_mean_and_under_any_number() {
        let withdrawn = |number: &'static str, at: &'static str| {
            read(|given| {
                *given = Given {
                    number,
                    at: Some(at),
                    is_given: false,
                    expires: None,
                    source: "by phone",
                    ..*given
                };
            })
            .map(|consent| consent.at.rfc3339())
        };
        for (at, counts) in [
            ("2026-11-22", "2026-11-22T23:59:59.999Z"),
            ("2026-11-22T10:15:00Z", "2026-11-22T10:15:59.999Z"),
            ("2026-11-22T10:15:07Z", "2026-11-22T10:15:07.999Z"),
            ("2026-11-22T00:00:00.000Z", "2026-11-22T00:00:00.000Z"),
        ] {
            assert_eq!(withdrawn("+12025550123", at).as_deref(), Ok(counts), "{at}");
        }
        assert!(withdrawn("+5215512345678", "2026-11-22").is_ok(), "an export has a STOP under it");
        assert!(read(|given| given.number = "+5215512345678").is_err());
        assert_eq!(read(|_| {}).unwrap().at.rfc3339(), "2026-11-01T00:00:00.000Z", "an early yes is no harm");
    }

    #[test]
    fn who_says_yes_reads_all_that_it_says_yes_to() {
        let mut consent = read(|given| given.wording = Some("a\", expires never")).unwrap();
        let line = "+12025550123: marketing, said 2026-11-01T00:00:00.000Z, expires 2027-10-31T23:00:00.000Z, by \
                    web-form, wording \"a\\\", expires never\"";
        assert_eq!(shown(&consent, false), line);
        consent = NewConsent { expires: None, wording: None, ..consent };
        assert_eq!(shown(&consent, true), "+12025550123: marketing, said now, expires never, by web-form");
    }
}
