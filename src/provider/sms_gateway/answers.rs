//! What the app and its cloud answer: a message as they show it, and refusals.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::provider::Outcome;
use crate::provider::exchange::{Receipt, VendorMessage};
use crate::provider::rest::wording::{self, Wording};
use crate::provider::rest::{Answer, Dialect, json};
use crate::sms::message::State;
use crate::sms::money::Money;

/// What the app calls its messages. `Sent`: the phone's carrier took it. A message that is being canceled may
/// still go out.
pub const WORDS: [(&str, State); 7] = [
    ("pending", State::Sent),
    ("processed", State::Sent),
    ("sent", State::Sent),
    ("cancelling", State::Sent),
    ("delivered", State::Delivered),
    ("failed", State::Failed),
    ("cancelled", State::Failed),
];

/// A message of this id is there already.
pub const CONFLICT: u16 = 409;

/// How errors read: `{"message"}`.
pub struct Refusals;

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        body.get("message").and_then(Value::as_str).map(str::to_owned)
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let shown = Shown(&body);
        wording::id_of_taken(shown.id(), shown.word())
    }

    fn verdict(&self, answer: &Answer, _: Timestamp) -> Option<Outcome> {
        // It is there, and was looked for where that is possible.
        let why = "HTTP 409: a message of this id was there already".to_owned();
        (answer.status == CONFLICT).then_some(Outcome::Unknown { why })
    }
}

/// A message as the app shows it: it has one recipient.
pub struct Shown<'a>(pub &'a Value);

impl Shown<'_> {
    /// Its id, which is ours.
    pub fn id(&self) -> Option<String> {
        self.0.get("id").and_then(json::text)
    }

    fn recipient(&self) -> &Value {
        self.0.pointer("/recipients/0").unwrap_or(&Value::Null)
    }

    /// The recipient as it was given.
    pub fn to(&self) -> Option<&str> {
        self.recipient().get("phoneNumber").and_then(Value::as_str)
    }

    /// Where its one recipient stands, else itself.
    fn word(&self) -> Option<&str> {
        let inner = self.recipient().get("state").and_then(Value::as_str);
        inner.or_else(|| self.0.get("state").and_then(Value::as_str))
    }

    /// Where it stands, in our words. Where it has failed by one of its two words and not by the other, nobody
    /// knows.
    ///
    /// # Errors
    /// What is wrong with it.
    fn state(&self, words: &Wording) -> Result<State, String> {
        let is_failed = |state: State| matches!(state, State::Failed | State::Expired);
        let state = wording::reported(words, self.word(), true)?;
        let whole = self.0.get("state").and_then(Value::as_str).and_then(|word| words.state(word));
        match whole.filter(|whole| is_failed(*whole) != is_failed(state)) {
            Some(whole) => Err(format!("the message is called {whole}, and its one recipient's {state}")),
            None => Ok(state),
        }
    }

    fn error(&self) -> Option<String> {
        self.recipient().get("error").and_then(json::text)
    }

    /// What became of the message that this answers for.
    pub fn outcome(&self, answer: &Answer, id: &str, words: &Wording, price: Option<Money>) -> Outcome {
        let unclear = |why: &str| Outcome::Unclear {
            vendor_id: id.to_owned(),
            why: format!("HTTP {}: {why}", answer.status),
        };
        let state = match self.state(words) {
            Ok(state) => state,
            Err(why) => return unclear(&why),
        };
        let vendor_id = Some(id.to_owned());
        if matches!(state, State::Failed | State::Expired) {
            let why = self.error().unwrap_or_else(|| "the phone did not send it".to_owned());
            return Outcome::Failed { vendor_id, status: state, price, why };
        }
        if wording::names_an_error(self.0) || wording::names_an_error(self.recipient()) {
            return unclear("the answer names an error beside what it took");
        }
        Outcome::Accepted { vendor_id, status: state, segments: None, price }
    }

    /// What it says of the message under this id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn receipt(&self, vendor_id: &str, words: &Wording, now: Timestamp) -> Result<Receipt, String> {
        let state = self.state(words)?;
        let why = self.error().filter(|_| matches!(state, State::Failed | State::Expired));
        Ok(Receipt { why, ..Receipt::new(vendor_id, state, self.at().unwrap_or(now)) })
    }

    /// The same as one of the vendor's messages.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn found(&self, vendor_id: &str, words: &Wording) -> Result<VendorMessage, String> {
        let state = self.state(words)?;
        Ok(VendorMessage {
            vendor_id: vendor_id.to_owned(),
            to: self.to().unwrap_or_default().to_owned(),
            text: None,
            state,
            at: self.at(),
            price: None,
            why: self.error().filter(|_| matches!(state, State::Failed | State::Expired)),
        })
    }

    /// When it came to where it stands.
    fn at(&self) -> Option<Timestamp> {
        let states = self.0.get("states")?.as_object()?;
        let word = self.word()?;
        let (_, at) = states.iter().find(|(name, _)| name.eq_ignore_ascii_case(word))?;
        Timestamp::parse(at.as_str()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use serde_json::json;

    #[test]
    fn a_message_and_its_recipient_that_disagree_on_a_failure_say_nothing() {
        let words = Wording::new(&WORDS, &[]);
        let state = |whole: Value, inner: Value| {
            let body = json!({ "id": "1", "state": whole, "recipients": [{ "state": inner }] });
            let state = Shown(&body).state(&words).ok();
            let receipt = Shown(&body).receipt("1", &words, Timestamp(1)).ok();
            assert_eq!(receipt.map(|receipt| receipt.state), state, "{body}");
            state
        };
        for (whole, inner, expected) in [
            (json!("Sent"), json!("Sent"), Some(State::Sent)),
            (json!("Pending"), json!("Delivered"), Some(State::Delivered)),
            (json!("Failed"), json!("Failed"), Some(State::Failed)),
            (Value::Null, json!("Failed"), Some(State::Failed)),
            (json!("Brand new"), json!("Sent"), Some(State::Sent)),
            (json!("Sent"), Value::Null, Some(State::Sent)),
            (json!("Failed"), json!("Sent"), None),
            (json!("Sent"), json!("Failed"), None),
            (json!("Delivered"), json!("Cancelled"), None),
        ] {
            assert_eq!(state(whole.clone(), inner.clone()), expected, "{whole} {inner}");
        }
    }
}
