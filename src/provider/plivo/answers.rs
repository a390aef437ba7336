//! What Plivo's answers say: that a text was taken, a message as its look-up and its list show one, and
//! refusals.

use serde_json::Value;

use super::codes::CODES;
use crate::clock::Timestamp;
use crate::provider::Outcome;
use crate::provider::exchange::{Receipt, VendorMessage};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::wording::{self, Wording, names_an_error};
use crate::provider::rest::{Answer, Dialect, json, unreadable};
use crate::sms::message::State;
use crate::sms::money::{Currency, Money};

/// What Plivo calls its messages.
pub const WORDS: [(&str, State); 6] = [
    ("queued", State::Sent),
    ("sent", State::Sent),
    ("delivered", State::Delivered),
    ("undelivered", State::Failed),
    ("failed", State::Failed),
    ("rejected", State::Failed),
];

/// The code of what did not fail.
const NO_ERROR: &str = "000";

/// How Plivo's errors read: `{"api_id", "error"}`.
pub struct Refusals;

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        json::first(&body, &["error", "message"])
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let ids = body.get("message_uuid")?;
        json::text(ids).or_else(|| ids.as_array()?.iter().find_map(json::text))
    }
}

/// What the answer to a send says: 202 with one id.
pub fn outcome(answer: &Answer) -> Outcome {
    let body = match answer.json::<Value>() {
        Ok(body) => body,
        Err(why) => return unreadable(answer, &why),
    };
    let ids = body.get("message_uuid").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let Some(vendor_id) = ids.first().and_then(json::text) else {
        return unreadable(answer, "the answer has no message_uuid");
    };
    if answer.status == 202 && ids.len() == 1 && !names_an_error(&body) {
        return Outcome::Accepted {
            vendor_id: Some(vendor_id),
            status: State::Sent,
            segments: None,
            price: None,
        };
    }
    let why = format!(
        "HTTP {}: the answer has an id, and does not say that this one text was taken",
        answer.status
    );
    Outcome::Unclear { vendor_id, why }
}

/// Why a message failed: the code with what it says here, else as it is; and whether it is the former.
pub fn why(code: Option<&str>) -> (Option<String>, bool) {
    match code.filter(|code| *code != NO_ERROR && *code != "0") {
        Some(code) => match CODES.find(code) {
            Some(known) => (Some(known.why()), true),
            None => (Some(format!("{code}: no words")), false),
        },
        None => (None, false),
    }
}

/// A price as Plivo writes it, in the account's currency.
pub fn price(written: Option<&Value>, currency: Currency) -> Option<Money> {
    let micros = amount::micros_of(written?, Rounding::Up).filter(|micros| *micros >= 0)?;
    Some(Money { micros, currency })
}

/// A time as Plivo writes it: `2020-08-25 18:05:34+00:00`, with parts of a second or without; nothing where it
/// names no zone.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(&text.trim().replacen(' ', "T", 1))
}

/// A message as Plivo shows it.
pub struct Shown<'a>(pub &'a Value);

impl Shown<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(json::text)
    }

    /// Whether we sent it.
    pub fn is_outbound(&self) -> bool {
        self.text("message_direction").is_none_or(|direction| direction == "outbound")
    }

    /// What it says of the message under this id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn receipt(
        &self,
        vendor_id: &str,
        words: &Wording,
        (now, currency): (Timestamp, Currency),
    ) -> Result<Receipt, String> {
        let id = self.text("message_uuid");
        if id.as_deref().is_some_and(|id| id != vendor_id) {
            return Err("the answer is about another message".to_owned());
        }
        let word = self.text("message_state");
        let state = wording::reported(words, word.as_deref(), id.is_some())?;
        let is_failed = matches!(state, State::Failed | State::Expired);
        let code = self.text("error_code");
        let (why, is_documented) = if is_failed { why(code.as_deref()) } else { (None, false) };
        // What is still queued costs nothing yet.
        let is_charged = word.as_deref() != Some("queued");
        let price = price(self.0.get("total_amount"), currency).filter(|_| is_charged);
        Ok(Receipt { why, is_documented, price, ..Receipt::new(vendor_id, state, now) })
    }

    /// The same as an entry of the list, which has no texts.
    pub fn listed(&self, words: &Wording, currency: Currency) -> Option<VendorMessage> {
        let state = self.text("message_state").and_then(|word| words.state(&word)).unwrap_or(State::Unknown);
        let is_failed = matches!(state, State::Failed | State::Expired);
        Some(VendorMessage {
            vendor_id: self.text("message_uuid")?,
            to: self.text("to_number").unwrap_or_default(),
            text: None,
            state,
            at: self.text("message_time").and_then(|at| time(&at)),
            price: price(self.0.get("total_amount"), currency),
            why: if is_failed { why(self.text("error_code").as_deref()).0 } else { None },
        })
    }
}
