//! What holds of an answer or a webhook, and what certain answers to a send mean.

use std::ops::RangeInclusive;

use super::find::{Finder, Seen};
use super::settings::{Condition, Rule as Setting};
use crate::error::ErrorKind;

/// Most rules, and most conditions of one.
const MOST: usize = 50;

/// What a definite no may be told as.
const REFUSALS: [ErrorKind; 8] = [
    ErrorKind::ProviderRejected,
    ErrorKind::InvalidNumber,
    ErrorKind::SenderNotAllowed,
    ErrorKind::DestinationNotAllowed,
    ErrorKind::OptedOut,
    ErrorKind::MessageTooLong,
    ErrorKind::ProviderUnauthorized,
    ErrorKind::InsufficientBalance,
];

#[derive(Clone, Debug)]
enum Test {
    In(Vec<String>),
    Exists(bool),
}

/// Something that holds or does not.
#[derive(Clone, Debug)]
pub struct Holds {
    at: Finder,
    test: Test,
}

impl Holds {
    fn new(
        name: &str,
        at: &str,
        equals: Option<&String>,
        one_of: Option<&Vec<String>>,
        exists: Option<bool>,
    ) -> Result<Self, String> {
        let test = match (equals, one_of, exists) {
            (Some(word), None, None) => Test::In(vec![word.clone()]),
            (None, Some(words), None) if (1..=MOST).contains(&words.len()) => Test::In(words.clone()),
            (None, Some(_), None) => return Err(format!("{name}.in has 1 to {MOST} words")),
            (None, None, Some(exists)) => Test::Exists(exists),
            _ => return Err(format!("{name} needs one of equals, in and exists")),
        };
        Ok(Self { at: finder(&format!("{name}.at"), at)?, test })
    }

    /// Reads a list of them.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn all(name: &str, conditions: &[Condition]) -> Result<Vec<Self>, String> {
        if conditions.len() > MOST {
            return Err(format!("{name} has more than {MOST} conditions"));
        }
        let each = conditions.iter().enumerate().map(|(n, condition)| {
            let Condition { at, equals, one_of, exists } = condition;
            Self::new(&format!("{name}[{n}]"), at, equals.as_ref(), one_of.as_ref(), *exists)
        });
        each.collect()
    }

    /// Whether it holds.
    pub fn holds(&self, seen: Seen<'_>) -> bool {
        match &self.test {
            Test::In(words) => self.at.find(seen).is_some_and(|found| words.contains(&found)),
            Test::Exists(exists) => self.at.exists(seen) == *exists,
        }
    }
}

/// Reads a setting that says where something stands.
///
/// # Errors
/// What is wrong, with its name.
pub fn finder(name: &str, text: &str) -> Result<Finder, String> {
    Finder::parse(text).map_err(|why| format!("{name} {why}"))
}

/// The same of one that may be left out.
///
/// # Errors
/// What is wrong, with its name.
pub fn finder_if(name: &str, text: Option<&String>) -> Result<Option<Finder>, String> {
    text.map(|text| finder(name, text)).transpose()
}

/// Reads an HTTP status, or a range of them.
///
/// # Errors
/// What is wrong, with its name.
pub fn statuses(name: &str, text: &str) -> Result<RangeInclusive<u16>, String> {
    let wrong = || format!("{name} \"{}\" is no HTTP status such as 409 or 500-599", shown(text));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (200..=599).contains(status));
    let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
    if first > last { Err(wrong()) } else { Ok(first..=last) }
}

fn shown(text: &str) -> String {
    crate::sms::untrusted::escape_up_to(text, 40)
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// It certainly was not taken, and may be tried again.
    NotSent,
    /// A definite no.
    Rejected(ErrorKind),
    /// It was taken.
    Accepted,
    /// Nobody knows.
    Unknown,
}

/// What certain answers to a send mean.
#[derive(Clone, Debug)]
pub struct Rule {
    statuses: Option<RangeInclusive<u16>>,
    holds: Option<Holds>,
    /// What they mean.
    pub becomes: Becomes,
    /// Where the seconds to wait stand.
    pub retry_after: Option<Finder>,
}

impl Rule {
    fn new(name: &str, setting: &Setting) -> Result<Self, String> {
        let Setting { status, at, equals, one_of, exists, becomes, retry_after } = setting;
        let statuses = status.as_ref().map(|text| statuses(&format!("{name}.status"), text)).transpose()?;
        let holds = match at {
            Some(at) => Some(Holds::new(name, at, equals.as_ref(), one_of.as_ref(), *exists)?),
            None if equals.is_some() || one_of.is_some() || exists.is_some() => {
                return Err(format!("{name}.at is not set, and equals, in or exists is"));
            }
            None => None,
        };
        if statuses.is_none() && holds.is_none() {
            return Err(format!("{name} fits every answer: set status or at"));
        }
        let becomes = match becomes.as_str() {
            "not_sent" => Becomes::NotSent,
            "accepted" => Becomes::Accepted,
            "unknown" => Becomes::Unknown,
            other => {
                let code = other
                    .strip_prefix("rejected:")
                    .and_then(|code| REFUSALS.into_iter().find(|known| known.as_str() == code.trim()));
                Becomes::Rejected(code.ok_or_else(|| {
                    let codes = REFUSALS.map(|code| code.as_str()).join(", ");
                    format!(
                        "{name}.becomes \"{}\" is none of not_sent, accepted, unknown, and rejected: with one \
                         of {codes}",
                        shown(other)
                    )
                })?)
            }
        };
        if retry_after.is_some() && becomes != Becomes::NotSent {
            return Err(format!("{name}.retry_after is for becomes = \"not_sent\" alone"));
        }
        let retry_after = finder_if(&format!("{name}.retry_after"), retry_after.as_ref())?;
        Ok(Self { statuses, holds, becomes, retry_after })
    }

    /// Reads a list of them.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn all(name: &str, settings: &[Setting]) -> Result<Vec<Self>, String> {
        if settings.len() > MOST {
            return Err(format!("{name} has more than {MOST} rules"));
        }
        settings.iter().enumerate().map(|(n, setting)| Self::new(&format!("{name}[{n}]"), setting)).collect()
    }

    /// Whether it is for answers of this status.
    pub fn is_for(&self, status: u16) -> bool {
        self.statuses.as_ref().is_none_or(|statuses| statuses.contains(&status))
    }

    /// Whether it looks at more than the status.
    pub const fn looks_inside(&self) -> bool {
        self.holds.is_some()
    }

    /// Whether an answer of this status is one of them.
    pub fn fits(&self, status: u16, seen: Seen<'_>) -> bool {
        self.is_for(status) && self.holds.as_ref().is_none_or(|holds| holds.holds(seen))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::find::Memo;
    use super::*;
    use ::http::HeaderMap;
    use serde_json::json;

    #[test]
    fn the_first_rule_that_fits_in_status_and_body_is_found() {
        let setting = |status: Option<&str>, at: Option<&str>, equals: Option<&str>, becomes: &str| Setting {
            status: status.map(str::to_owned),
            at: at.map(str::to_owned),
            equals: equals.map(str::to_owned),
            becomes: becomes.to_owned(),
            ..Setting::default()
        };
        let rules = Rule::all(
            "answer.rules",
            &[
                setting(Some("409"), None, None, "accepted"),
                setting(Some("400-499"), Some("code"), Some("7"), "rejected:opted_out"),
                setting(None, Some("code"), Some("9"), "not_sent"),
            ],
        )
        .unwrap();
        let headers = HeaderMap::new();
        let first = |status: u16, code: i32| {
            let value = json!({ "code": code });
            let memo = Memo::default();
            let seen = Seen { value: &value, body: b"", headers: &headers, memo: &memo };
            rules.iter().find(|rule| rule.fits(status, seen)).map(|rule| rule.becomes)
        };
        assert_eq!(first(409, 7), Some(Becomes::Accepted));
        assert_eq!(first(422, 7), Some(Becomes::Rejected(ErrorKind::OptedOut)));
        assert_eq!(first(200, 7), None);
        assert_eq!(first(503, 9), Some(Becomes::NotSent));
        for (wrong, named) in [
            (setting(None, None, None, "unknown"), "answer.rules[0] fits every answer"),
            (setting(Some("4xx"), None, None, "unknown"), "answer.rules[0].status"),
            (setting(Some("499-400"), None, None, "unknown"), "answer.rules[0].status"),
            (setting(Some("100"), None, None, "unknown"), "answer.rules[0].status"),
            (setting(Some("400"), None, None, "resend"), "answer.rules[0].becomes"),
            (setting(Some("400"), None, None, "rejected:internal"), "answer.rules[0].becomes"),
            (setting(Some("400"), Some("code"), None, "unknown"), "needs one of equals, in and exists"),
            (setting(Some("400"), None, Some("7"), "unknown"), "answer.rules[0].at is not set"),
            (
                Setting { retry_after: Some("a".to_owned()), ..setting(Some("400"), None, None, "unknown") },
                "answer.rules[0].retry_after",
            ),
        ] {
            let why = Rule::all("answer.rules", &[wrong]).unwrap_err();
            assert!(why.contains(named), "{named}: {why}");
        }
    }
}
