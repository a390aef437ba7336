//! What a gateway is asked besides sending: where a message stands, what is left to spend, and whether the
//! credentials are right.

use std::collections::BTreeMap;

use ::http::Method;
use serde_json::Value;

use super::find::{Finder, Memo, Seen};
use super::money::{Pricing, Scale};
use super::numbers::Numbers;
use super::reading::{self, shown};
use super::request::{Address, Knows};
use super::rules::{Holds, finder, finder_if};
use super::settings::{self, Means};
use super::template::Values;
use crate::clock::Timestamp;
use crate::provider::exchange::{Receipt, VendorMessage};
use crate::provider::rest::{Answer, Request, path_part};
use crate::sms::message::{MessageId, State};
use crate::sms::money::Currency;
use crate::sms::number::Number;

/// How far from now a time may be that a gateway tells, in milliseconds: two years behind, and a day ahead. What
/// is farther off was meant otherwise, and a STOP of another century would be lost.
const LONGEST_AGO_MS: i64 = 2 * 366 * 86_400_000;
const FARTHEST_AHEAD_MS: i64 = 86_400_000;

/// What the gateway's words for a message mean, whatever their case.
#[derive(Clone, Debug, Default)]
pub struct States(BTreeMap<String, State>);

fn plain(word: &str) -> String {
    word.trim().to_lowercase()
}

impl States {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn of(settings: &BTreeMap<String, Means>) -> Result<Self, String> {
        let mut states = BTreeMap::new();
        for (word, means) in settings {
            let state = match means {
                Means::Sent => State::Sent,
                Means::Delivered => State::Delivered,
                Means::Failed => State::Failed,
                Means::Expired => State::Expired,
            };
            if states.insert(plain(word), state).is_some_and(|before| before != state) {
                return Err(format!("states has {word} twice, in another case, with another meaning"));
            }
        }
        Ok(Self(states))
    }

    /// What a word means, if anybody said so.
    pub fn get(&self, word: &str) -> Option<State> {
        self.0.get(&plain(word)).copied()
    }

    /// Whether no word means anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Where the parts of a report stand, in the answer to a look-up or in a webhook.
#[derive(Clone, Debug)]
pub struct Report {
    /// The word that says how the message stands.
    pub state: Finder,
    /// Why it failed.
    pub why: Option<Finder>,
    /// What it cost.
    pub price: Option<Pricing>,
    /// When that was.
    pub at: Option<Finder>,
    /// What the words mean.
    pub states: States,
}

impl Report {
    /// The report of this message; nothing where its word means nothing that anybody said.
    pub fn read(&self, seen: Seen<'_>, vendor_id: &str, now: Timestamp) -> Option<Receipt> {
        let state = self.states.get(&self.state.find(seen)?)?;
        let is_failed = matches!(state, State::Failed | State::Expired);
        let why = self.why.as_ref().filter(|_| is_failed).and_then(|at| at.find(seen));
        let at = self.told_at(seen, now);
        let price = self.price.as_ref().and_then(|pricing| pricing.price(seen));
        let why = why.map(|why| shown(&why));
        Some(Receipt { why, price, ..Receipt::new(vendor_id, state, at.unwrap_or(now)) })
    }
}

impl Report {
    /// When that was, where it says so.
    pub fn told_at(&self, seen: Seen<'_>, now: Timestamp) -> Option<Timestamp> {
        self.at.as_ref().and_then(|at| moment(&at.find(seen)?, now))
    }
}

/// A moment as gateways write it: as a date, or as a count of seconds, milliseconds, microseconds or
/// nanoseconds since 1970. Of a count it is whichever is near now: the digits of a local date, `202611280330`,
/// would else be one of them, in another century. What is far from now is no time.
pub fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    let is_near =
        |at: &Timestamp| (now.plus_ms(-LONGEST_AGO_MS)..=now.plus_ms(FARTHEST_AHEAD_MS)).contains(at);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let count: i128 = text.parse().ok()?;
        let units = [count.checked_mul(1_000)?, count, count / 1_000, count / 1_000_000];
        return units.into_iter().filter_map(|ms| i64::try_from(ms).ok().map(Timestamp)).find(is_near);
    }
    Timestamp::parse(text).or_else(|| Timestamp::parse_rfc2822(text)).filter(is_near)
}

/// How a message is looked up.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Where it is asked.
    pub address: Address,
    missing: Vec<Holds>,
    id: Option<Finder>,
    reference: Option<Finder>,
    to: Option<Finder>,
    report: Report,
}

/// Which message is looked up.
pub struct Asked<'a> {
    /// The gateway's id of it; empty where that is not known.
    pub vendor_id: &'a str,
    /// Our reference.
    pub id: &'a MessageId,
    /// The recipient.
    pub to: &'a Number,
    /// How the gateway writes numbers.
    pub numbers: &'a Numbers,
}

/// What a look-up found.
pub enum Found {
    /// The gateway does not have it.
    Nothing,
    /// It does, and says nothing that is known of how it stands: the word.
    Word(String),
    /// It has it.
    Message(Box<VendorMessage>),
}

impl Lookup {
    /// Reads the settings. `scale`: how the prices of answers are written.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn of(
        setting: &settings::Status,
        knows: &Knows<'_>,
        (states, scale, currency): (&States, Scale<'_>, Option<Currency>),
    ) -> Result<Self, String> {
        let address = Address::parse("status.path", &setting.path, knows)?;
        let names: Vec<&str> = address.names().collect();
        if names.contains(&"vendor_id") == names.contains(&"id") {
            return Err("status.path needs one of {vendor_id}, the gateway's id, and {id}, ours".to_owned());
        }
        if names.contains(&"id") && setting.reference.is_none() && setting.to.is_none() {
            return Err(
                "status.path asks by {id}, and nothing says that the answer is about that message: set \
                        status.reference, where the answer has our reference, or status.to, where it has the \
                        recipient"
                    .to_owned(),
            );
        }
        if states.is_empty() {
            return Err(
                "states is not set, and status is: say what the gateway's words mean, as in states = { \
                        delivered = \"delivered\" }"
                    .to_owned(),
            );
        }
        let price = Pricing::later(
            ["status.price", "answer.price_scale", "status.price_currency"],
            (setting.price.as_ref(), setting.price_currency.as_ref()),
            scale,
            currency,
        )?;
        Ok(Self {
            address,
            missing: Holds::all("status.missing", &setting.missing)?,
            id: finder_if("status.id", setting.id.as_ref())?,
            reference: finder_if("status.reference", setting.reference.as_ref())?,
            to: finder_if("status.to", setting.to.as_ref())?,
            report: Report {
                state: finder("status.state", &setting.state)?,
                why: finder_if("status.why", setting.why.as_ref())?,
                price,
                at: None,
                states: states.clone(),
            },
        })
    }

    /// Whether messages are looked up by our reference.
    pub fn is_by_reference(&self) -> bool {
        self.address.names().any(|name| name == "id")
    }

    /// The request with these values; nothing where the id is none that the gateway can have given.
    pub fn request(&self, values: &Values) -> Option<Request> {
        let id = values.get("vendor_id").unwrap_or_default();
        let is_in_path = self.address.path_names().any(|name| name == "vendor_id");
        if !self.is_by_reference() && (id.is_empty() || (is_in_path && path_part(id).is_none())) {
            return None;
        }
        self.address.request(Method::GET, values).ok()
    }

    /// What the answer says of this message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, answer: &Answer, asked: &Asked<'_>, now: Timestamp) -> Result<Found, String> {
        let Asked { vendor_id, id, to, numbers } = *asked;
        let value = reading::value_of(answer);
        let memo = Memo::default();
        let seen = reading::seen(answer, &value, &memo);
        if !self.missing.is_empty() && self.missing.iter().all(|holds| holds.holds(seen)) {
            return Ok(Found::Nothing);
        }
        let theirs = self.id.as_ref().map(|at| at.find_id(seen).ok_or("the answer has no id")).transpose()?;
        // Some gateways answer a reference that they do not know with a message that they do.
        let reference =
            self.reference.as_ref().map(|at| at.find_id(seen).ok_or("the answer has no reference"));
        let written = self.to.as_ref().and_then(|at| at.find(seen));
        if self.is_by_reference() && self.reference.is_none() && written.is_none() {
            return Err("the answer has no recipient".to_owned());
        }
        let word = self.report.state.find(seen).ok_or("the answer has no status")?;
        let theirs = match theirs {
            Some(theirs) if !vendor_id.is_empty() && theirs != vendor_id => return Ok(Found::Nothing),
            Some(theirs) => theirs,
            None => vendor_id.to_owned(),
        };
        if reference.transpose()?.is_some_and(|reference| reference != id.as_str())
            || written.is_some_and(|written| !numbers.is_same(&written, to))
        {
            return Ok(Found::Nothing);
        }
        let Some(receipt) = self.report.read(seen, &theirs, now) else { return Ok(Found::Word(word)) };
        Ok(Found::Message(Box::new(VendorMessage {
            vendor_id: theirs,
            to: if self.to.is_some() { to.e164().to_owned() } else { String::new() },
            text: None,
            state: receipt.state,
            at: None,
            price: receipt.price,
            why: receipt.why,
        })))
    }
}

/// How the balance is asked for.
#[derive(Clone, Debug)]
pub struct BalanceOf {
    /// Where it is asked.
    pub address: Address,
    /// What it is.
    pub amount: Pricing,
}

impl BalanceOf {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn of(
        setting: &settings::Balance,
        knows: &Knows<'_>,
        currency: Option<Currency>,
    ) -> Result<Self, String> {
        let written =
            Scale { scale: setting.scale.as_ref(), is_abs: false, currency_at: setting.currency.as_ref() };
        let names = ["balance.amount", "balance.scale", "balance.currency"];
        Ok(Self {
            address: asked("balance.path", &setting.path, knows)?,
            amount: Pricing::of(names, &setting.amount, written, currency)?,
        })
    }

    /// The request with these values.
    pub fn request(&self, values: &Values) -> Option<Request> {
        self.address.request(Method::GET, values).ok()
    }

    /// The answer as it is looked at.
    pub fn seen<'a>(answer: &'a Answer, value: &'a Value, memo: &'a Memo) -> Seen<'a> {
        reading::seen(answer, value, memo)
    }
}

/// Reads the address of something that is asked of no message.
///
/// # Errors
/// What is wrong, with its name.
pub fn asked(name: &str, path: &str, knows: &Knows<'_>) -> Result<Address, String> {
    if path.is_empty() {
        return Err(format!("{name} is not set: a path below base_url, such as /balance"));
    }
    let knows = |slot: &str| match slot {
        "to" | "text" | "id" | "type" | "parts" | "callback_url" | "time" | "vendor_id" => {
            Err(format!("has {{{slot}}}, which is a message's own"))
        }
        other => knows(other),
    };
    Address::parse(name, path, &knows)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn digits_are_a_moment_where_they_count_up_to_about_now_and_else_they_are_none() {
        let now = Timestamp::parse("2026-11-28T03:30:00Z").unwrap();
        let at = |text: &str| moment(text, now);
        for (written, expected) in [
            ("1795836540", "2026-11-28T03:29:00Z"),
            ("1795836540000", "2026-11-28T03:29:00Z"),
            ("1795836540000000", "2026-11-28T03:29:00Z"),
            ("1795836540000000000", "2026-11-28T03:29:00Z"),
            (" 2026-11-28T04:29:00+01:00 ", "2026-11-28T03:29:00Z"),
            ("Sat, 28 Nov 2026 03:29:00 +0000", "2026-11-28T03:29:00Z"),
            // A clock that is wrong by some hours, and a text that lay there for a year.
            ("1795879740", "2026-11-28T15:29:00Z"),
            ("2025-11-28T03:29:00Z", "2025-11-28T03:29:00Z"),
        ] {
            assert_eq!(at(written), Timestamp::parse(expected), "{written}");
        }
        for no_time in [
            // The digits of local dates.
            "202611280330",
            "20261128033000",
            "20261128",
            "261128033000",
            "2611280330",
            "28112026",
            "281126",
            "2026",
            "0",
            "",
            "-1795836540",
            "+1795836540",
            "99999999999999999999",
            "9".repeat(60).as_str(),
            "1970-01-01T00:00:00Z",
            "2024-11-01T00:00:00Z",
            "2026-11-29T03:31:00Z",
            "2612-01-22T10:00:00Z",
            "now",
        ] {
            assert_eq!(at(no_time), None, "{no_time}");
        }
    }
}
