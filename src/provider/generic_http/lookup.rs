//! What a gateway is asked besides sending: where a message stands, what is left to spend, and whether the
//! credentials are right.

use std::collections::BTreeMap;

use ::http::Method;
use serde_json::Value;

use super::find::{Finder, Seen};
use super::money::{Pricing, Scale};
use super::reading::{self, shown};
use super::request::{Address, Knows};
use super::rules::{Holds, finder, finder_if};
use super::settings::{self, Means};
use super::template::Values;
use crate::clock::Timestamp;
use crate::provider::exchange::{Receipt, VendorMessage};
use crate::provider::rest::{Answer, Request, path_part};
use crate::sms::message::State;
use crate::sms::money::Currency;

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
        let at = self.at.as_ref().and_then(|at| moment(&at.find(seen)?));
        let price = self.price.as_ref().and_then(|pricing| pricing.price(seen));
        let why = why.map(|why| shown(&why));
        Some(Receipt { why, price, ..Receipt::new(vendor_id, state, at.unwrap_or(now)) })
    }
}

/// A moment as gateways write it: in seconds or milliseconds since 1970, or as a date.
pub fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(number) if number >= 100_000_000_000 => Some(Timestamp(number)),
        Ok(number) if number > 0 => Some(Timestamp(number.checked_mul(1_000)?)),
        Ok(_) => None,
        Err(_) => Timestamp::parse(text).or_else(|| Timestamp::parse_rfc2822(text)),
    }
}

/// How a message is looked up.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// Where it is asked.
    pub address: Address,
    missing: Vec<Holds>,
    id: Option<Finder>,
    to: Option<Finder>,
    report: Report,
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

    /// What the answer says. `vendor_id`: that of the message, where it is known.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self, answer: &Answer, vendor_id: &str, now: Timestamp) -> Result<Found, String> {
        let value = reading::value_of(answer);
        let seen = reading::seen(answer, &value);
        if !self.missing.is_empty() && self.missing.iter().all(|holds| holds.holds(seen)) {
            return Ok(Found::Nothing);
        }
        let theirs = self.id.as_ref().map(|at| at.find(seen).ok_or("the answer has no id")).transpose()?;
        let word = self.report.state.find(seen).ok_or("the answer has no status")?;
        let theirs = match theirs {
            Some(theirs) if !vendor_id.is_empty() && theirs != vendor_id => return Ok(Found::Nothing),
            Some(theirs) => theirs,
            None => vendor_id.to_owned(),
        };
        let Some(receipt) = self.report.read(seen, &theirs, now) else { return Ok(Found::Word(word)) };
        Ok(Found::Message(Box::new(VendorMessage {
            vendor_id: theirs,
            to: self.to.as_ref().and_then(|at| at.find(seen)).unwrap_or_default(),
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
    pub fn seen<'a>(answer: &'a Answer, value: &'a Value) -> Seen<'a> {
        reading::seen(answer, value)
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
