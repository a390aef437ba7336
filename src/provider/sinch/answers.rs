//! What Sinch's answers say: a batch, which is one text to one person here, how it fared, and refusals.

use serde_json::Value;

use super::codes::CODES;
use crate::clock::Timestamp;
use crate::provider::exchange::{Receipt, VendorMessage};
use crate::provider::rest::wording::{self, Wording};
use crate::provider::rest::{Answer, Dialect, digits, json};
use crate::sms::message::State;
use crate::sms::number::Number;

/// What Sinch calls its messages, whatever the case. `unknown`: no report came, or none that can be read.
/// `deleted` may mean an opt-out or a number that is none.
pub const WORDS: [(&str, State); 10] = [
    ("queued", State::Sent),
    ("dispatched", State::Sent),
    ("unknown", State::Sent),
    ("delivered", State::Delivered),
    ("failed", State::Failed),
    ("rejected", State::Failed),
    ("aborted", State::Failed),
    ("cancelled", State::Failed),
    ("deleted", State::Failed),
    ("expired", State::Expired),
];

/// How Sinch's errors read: `{"code", "text"}`.
pub struct Refusals;

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let words: Vec<String> =
            ["code", "text"].into_iter().filter_map(|name| json::first(&body, &[name])).collect();
        (!words.is_empty()).then(|| words.join(": "))
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        Batch(&answer.json().ok()?).id()
    }
}

/// A batch as Sinch shows it.
pub struct Batch<'a>(pub &'a Value);

impl Batch<'_> {
    /// Its id.
    pub fn id(&self) -> Option<String> {
        self.0.get("id").and_then(json::text)
    }

    /// Our reference in it.
    pub fn reference(&self) -> Option<&str> {
        self.0.get("client_reference").and_then(Value::as_str)
    }

    /// To whom it goes.
    pub fn recipients(&self) -> Vec<&str> {
        self.0.get("to").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// Whether it is to this person and nobody else, and goes out.
    pub fn is_going_to(&self, to: &Number) -> bool {
        let is_theirs = matches!(self.recipients()[..], [one] if digits::is_same(one, to));
        is_theirs && self.0.get("canceled") == Some(&Value::Bool(false))
    }

    /// The texts of it, as the vendor has them: how they fare is told by their reports.
    pub fn messages(&self) -> Vec<VendorMessage> {
        let Some(vendor_id) = self.id() else { return Vec::new() };
        let text = |name: &str| self.0.get(name).and_then(Value::as_str);
        let state =
            if self.0.get("canceled") == Some(&Value::Bool(true)) { State::Failed } else { State::Sent };
        let one = |to: &str| VendorMessage {
            vendor_id: vendor_id.clone(),
            to: to.to_owned(),
            // Where it has parameters its texts are not what stands there.
            text: text("body").filter(|body| !body.contains("${")).map(str::to_owned),
            state,
            at: text("created_at").and_then(Timestamp::parse),
            price: None,
            why: None,
        };
        self.recipients().into_iter().map(one).collect()
    }
}

/// How one text fared: `{"status", "code"}` with the moment in `at`, where it is told.
pub struct Fared<'a>(pub &'a Value);

impl Fared<'_> {
    /// What it says of the message under this id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn receipt(&self, vendor_id: &str, words: &Wording, now: Timestamp) -> Result<Receipt, String> {
        let word = self.0.get("status").and_then(Value::as_str);
        let state = wording::reported(words, word, true)?;
        let at = ["operator_status_at", "at"].into_iter();
        let at = at.filter_map(|name| Timestamp::parse(self.0.get(name)?.as_str()?)).next();
        let is_failed = matches!(state, State::Failed | State::Expired);
        let code = self.0.get("code").and_then(json::text).filter(|code| is_failed && code != "0");
        let (why, is_documented) = match code {
            Some(code) => match CODES.find(&code) {
                Some(known) => (Some(known.why()), true),
                None => (Some(format!("{code}: {}", word.unwrap_or_default())), false),
            },
            None => (None, false),
        };
        Ok(Receipt { why, is_documented, ..Receipt::new(vendor_id, state, at.unwrap_or(now)) })
    }
}
