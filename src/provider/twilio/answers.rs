//! What Twilio's answers say: a message as it shows one, its prices, its failures, its refusals.

use serde_json::Value;

use super::codes::{self, CODES};
use crate::clock::Timestamp;
use crate::provider::Outcome;
use crate::provider::exchange::{Receipt, VendorMessage};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::codes::Refusal;
use crate::provider::rest::wording::{self, Wording};
use crate::provider::rest::{Answer, Dialect, digits, json};
use crate::sms::message::State;
use crate::sms::money::Money;
use crate::sms::number::Number;

/// What Twilio calls its messages. What it has queued or schedules it took: `scheduled` waits for a time that
/// somebody else gave it.
pub const WORDS: [(&str, State); 11] = [
    ("accepted", State::Sent),
    ("queued", State::Sent),
    ("sending", State::Sent),
    ("sent", State::Sent),
    ("partially_delivered", State::Sent),
    ("scheduled", State::Queued),
    ("delivered", State::Delivered),
    ("read", State::Delivered),
    ("undelivered", State::Failed),
    ("failed", State::Failed),
    ("canceled", State::Failed),
];

/// Words of messages that people sent to the account.
const INBOUND: [&str; 2] = ["receiving", "received"];

/// How long to wait where Twilio throttles and says nothing of that, in milliseconds.
const THROTTLED_MS: u64 = 1_000;

/// How long to wait where a sender's queue is full, in milliseconds: it has ten hours' worth.
const QUEUE_FULL_MS: u64 = 60_000;

/// Longest words of the vendor that are kept, in characters.
const MAX_WORDS: usize = 200;

/// How Twilio's errors read: `{"code", "message", "more_info", "status"}`.
pub struct Refusals;

/// The code of an error, which stands in JSON as a number.
fn code_of(answer: &Answer) -> Option<String> {
    let body: Value = answer.json().ok()?;
    json::text(body.get("code")?)
}

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        if let Some(known) = code_of(answer).and_then(|code| CODES.find(&code)) {
            return Some(known.why());
        }
        let body: Value = answer.json().ok()?;
        let said = body.get("message").and_then(Value::as_str).filter(|said| !said.is_empty());
        match (body.get("code").and_then(json::text), said) {
            (Some(code), said) => Some(format!("{code}: {}", said.unwrap_or("no words"))),
            (None, said) => said.map(str::to_owned),
        }
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        let Shown { id, status, .. } = Shown::read(&answer.json().ok()?);
        wording::id_of_taken(id, status.as_deref())
    }

    fn verdict(&self, answer: &Answer, now: Timestamp) -> Option<Outcome> {
        // Nobody knows how much of it had arrived, whatever else the answer says.
        if answer.status == 408 {
            return None;
        }
        let code = code_of(answer).unwrap_or_default();
        if let Some(known) = CODES.find(&code) {
            known.note_refusal();
        }
        let words: String = self.words(answer).unwrap_or_default().chars().take(MAX_WORDS).collect();
        let why = format!("HTTP {}: {words}", answer.status);
        match CODES.refusal(&code) {
            _ if answer.status == 429 && code != codes::QUEUE_FULL => None,
            Some(Refusal::NotSent) => {
                let usual = if code == codes::QUEUE_FULL { QUEUE_FULL_MS } else { THROTTLED_MS };
                let wait_ms = answer.retry_after_ms(now).unwrap_or(usual);
                Some(Outcome::NotSent { retry_after_ms: Some(wait_ms), why })
            }
            Some(Refusal::Rejected(code)) => Some(Outcome::Rejected { code, why }),
            None => None,
        }
    }
}

/// A price in the account's currency: Twilio writes what it takes, `-0.00750`, and nothing as long as it does
/// not know it.
pub fn price(amount: Option<&Value>, unit: Option<&Value>) -> Option<Money> {
    let amount = json::text(amount?)?;
    let micros = amount::micros(amount.trim().trim_start_matches('-'), Rounding::Up)?;
    Some(Money { micros, currency: unit?.as_str()?.trim().parse().ok()? })
}

/// Why a message failed: the code with what it says here, else the vendor's words; and whether it is the
/// former, which quotes nothing.
pub fn why(code: Option<&str>, words: Option<&str>) -> (Option<String>, bool) {
    match (code.filter(|code| *code != "0"), words) {
        (Some(code), words) => match CODES.find(code) {
            Some(known) => (Some(known.why()), true),
            None => (Some(format!("{code}: {}", words.unwrap_or("no words"))), false),
        },
        (None, words) => (words.map(str::to_owned), false),
    }
}

/// A message as Twilio shows it.
pub struct Shown {
    /// Its SID.
    pub id: Option<String>,
    /// Its status, as it is written.
    pub status: Option<String>,
    to: String,
    text: Option<String>,
    price: Option<Money>,
    /// How many segments it has, once Twilio knows that.
    pub segments: Option<u32>,
    code: Option<String>,
    words: Option<String>,
    created: Option<Timestamp>,
    changed: Option<Timestamp>,
}

impl Shown {
    /// Reads one.
    pub fn read(body: &Value) -> Self {
        let text = |name: &str| body.get(name).and_then(json::text);
        let time = |name: &str| text(name).and_then(|at| Timestamp::parse_rfc2822(&at));
        Self {
            id: text("sid"),
            status: text("status"),
            to: text("to").unwrap_or_default(),
            text: text("body"),
            price: price(body.get("price"), body.get("price_unit")),
            segments: text("num_segments").and_then(|count| count.parse().ok()).filter(|count| *count > 0),
            code: text("error_code"),
            words: text("error_message"),
            created: time("date_created"),
            changed: time("date_updated"),
        }
    }

    /// What it costs, where that is known by now.
    pub const fn price(&self) -> Option<Money> {
        self.price
    }

    /// Whether it goes to somebody else.
    pub fn is_to_another(&self, to: &Number) -> bool {
        digits::is_another(&self.to, to)
    }

    /// Whether a person sent it to the account.
    pub fn is_inbound(&self) -> bool {
        self.status.as_deref().is_some_and(|status| INBOUND.contains(&status))
    }

    /// What it says of the message that was asked for; nothing where it does not wait for us.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn receipt(
        &self,
        vendor_id: &str,
        words: &Wording,
        now: Timestamp,
    ) -> Result<Option<Receipt>, String> {
        let state = wording::reported(words, self.status.as_deref(), self.id.is_some())?;
        if state == State::Queued {
            return Ok(None);
        }
        let (why, is_documented) = self.why(state);
        let at = self.changed.unwrap_or(now);
        let price = self.price;
        Ok(Some(Receipt { why, is_documented, price, ..Receipt::new(vendor_id, state, at) }))
    }

    fn why(&self, state: State) -> (Option<String>, bool) {
        if matches!(state, State::Failed | State::Expired) {
            why(self.code.as_deref(), self.words.as_deref())
        } else {
            (None, false)
        }
    }

    /// The same as an entry of a list.
    pub fn listed(self, wording: &Wording) -> Option<VendorMessage> {
        let known = self.status.as_deref().and_then(|word| wording.state(word));
        let state = known.unwrap_or(State::Unknown);
        let (why, _) = self.why(state);
        let Self { id, to, text, price, created: at, .. } = self;
        Some(VendorMessage { vendor_id: id?, to, text, state, at, price, why })
    }
}
