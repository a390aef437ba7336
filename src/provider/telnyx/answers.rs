//! What Telnyx's answers say: a message as it shows one, what it cost, why it failed, and refusals.

use serde_json::Value;

use super::codes::CODES;
use crate::clock::Timestamp;
use crate::provider::Outcome;
use crate::provider::exchange::Receipt;
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::codes::Refusal;
use crate::provider::rest::wording::{self, Wording};
use crate::provider::rest::{Answer, Dialect, json};
use crate::sms::message::State;
use crate::sms::money::Money;

/// What Telnyx calls its messages. `delivery_unconfirmed` is its last word and says nothing: no report came.
pub const WORDS: [(&str, State); 9] = [
    ("queued", State::Sent),
    ("sending", State::Sent),
    ("sent", State::Sent),
    ("delivery_unconfirmed", State::Sent),
    ("scheduled", State::Queued),
    ("delivered", State::Delivered),
    ("sending_failed", State::Failed),
    ("delivery_failed", State::Failed),
    ("expired", State::Expired),
];

/// How long to wait where Telnyx throttles or a queue is full, and it says nothing of that, in milliseconds.
const LATER_MS: u64 = 60_000;

/// The longest wait that it may ask for, in seconds.
const LONGEST_S: u64 = 86_400;

/// Longest words of the vendor that are kept, in characters.
const MAX_WORDS: usize = 200;

/// How Telnyx's errors read: `{"errors": [{"code", "title", "detail"}]}`.
pub struct Refusals;

/// Code and title of the first error among these.
fn first(body: &Value) -> (Option<String>, Option<String>) {
    let error = body.pointer("/errors/0").unwrap_or(&Value::Null);
    (error.get("code").and_then(json::text), error.get("title").and_then(json::text))
}

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let (code, title) = first(&body);
        why(code.as_deref(), title.as_deref()).0
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let shown = Shown(body.get("data")?);
        wording::id_of_taken(shown.id(), shown.status())
    }

    fn verdict(&self, answer: &Answer, now: Timestamp) -> Option<Outcome> {
        // Nobody knows how much of it had arrived, whatever else the answer says.
        if answer.status == 408 {
            return None;
        }
        let (code, _) = answer.json::<Value>().map(|body| first(&body)).unwrap_or_default();
        let code = code.unwrap_or_default();
        if let Some(known) = CODES.find(&code) {
            known.note_refusal();
        }
        let words: String = self.words(answer).unwrap_or_default().chars().take(MAX_WORDS).collect();
        let why = format!("HTTP {}: {words}", answer.status);
        let later = || {
            let reset_s = answer.header("x-ratelimit-reset").and_then(|text| text.trim().parse::<u64>().ok());
            let reset_ms = reset_s.map(|seconds| seconds.min(LONGEST_S) * 1_000);
            answer.retry_after_ms(now).or(reset_ms).unwrap_or(LATER_MS)
        };
        match CODES.refusal(&code) {
            _ if answer.status == 429 => Some(Outcome::NotSent { retry_after_ms: Some(later()), why }),
            Some(Refusal::NotSent) => Some(Outcome::NotSent { retry_after_ms: Some(later()), why }),
            Some(Refusal::Rejected(code)) => Some(Outcome::Rejected { code, why }),
            None => None,
        }
    }
}

/// Why a message failed: the code with what it says here, else the vendor's title of it; and whether it is
/// the former, which quotes nothing.
fn why(code: Option<&str>, title: Option<&str>) -> (Option<String>, bool) {
    match (code, title) {
        (Some(code), title) => match CODES.find(code) {
            Some(known) => (Some(known.why()), true),
            None => (Some(format!("{code}: {}", title.unwrap_or("no words"))), false),
        },
        (None, title) => (title.map(str::to_owned), false),
    }
}

/// A message as Telnyx shows it: what a send answers below `data`, and what a webhook has below
/// `data.payload`.
pub struct Shown<'a>(pub &'a Value);

impl Shown<'_> {
    /// Its id.
    pub fn id(&self) -> Option<String> {
        self.0.get("id").and_then(json::text)
    }

    /// The status of its one recipient.
    pub fn status(&self) -> Option<&str> {
        self.0.pointer("/to/0/status").and_then(Value::as_str)
    }

    /// How many segments it has.
    pub fn segments(&self) -> Option<u32> {
        let count = self.0.get("parts").and_then(Value::as_u64)?;
        u32::try_from(count).ok().filter(|count| *count > 0)
    }

    /// What it cost, where that is known.
    pub fn price(&self) -> Option<Money> {
        let cost = self.0.get("cost")?;
        let micros = amount::micros_of(cost.get("amount")?, Rounding::Up).filter(|micros| *micros >= 0)?;
        Some(Money { micros, currency: cost.get("currency")?.as_str()?.trim().parse().ok()? })
    }

    /// The code of its failure.
    pub fn code(&self) -> Option<String> {
        first(self.0).0
    }

    /// When it came to where it stands, where it says so.
    pub fn at(&self) -> Option<Timestamp> {
        let times = ["completed_at", "sent_at"].into_iter().filter_map(|name| self.0.get(name)?.as_str());
        times.filter_map(Timestamp::parse).next()
    }

    /// What it says of the message under this id; nothing where that does not wait for us.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn receipt(
        &self,
        vendor_id: &str,
        words: &Wording,
        now: Timestamp,
    ) -> Result<Option<Receipt>, String> {
        let state = wording::reported(words, self.status(), self.id().is_some())?;
        if state == State::Queued {
            return Ok(None);
        }
        let (code, title) = first(self.0);
        let is_failed = matches!(state, State::Failed | State::Expired);
        let (why, is_documented) =
            if is_failed { why(code.as_deref(), title.as_deref()) } else { (None, false) };
        let at = self.at().unwrap_or(now);
        let price = self.price();
        Ok(Some(Receipt { why, is_documented, price, ..Receipt::new(vendor_id, state, at) }))
    }
}
