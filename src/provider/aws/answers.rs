//! What AWS's refusals say: their type, and the reason beside it.
//!
//! The type stands in a header or in the body, and its status is 400 for almost all of them, throttling
//! included: so the words decide, and the status only where they say nothing. Nothing of the vendor's own
//! sentences is kept, since that about a wrong signature quotes the whole request, a session's token included.

use serde_json::Value;

use super::codes::{self, CODES};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::provider::Outcome;
use crate::provider::failure::Failure;
use crate::provider::rest::codes::Refusal;
use crate::provider::rest::{Answer, Dialect, json};

/// How long to wait where AWS throttles and says nothing of that, in milliseconds.
const THROTTLED_MS: u64 = 1_000;

/// Longest word of the vendor that is kept, in characters.
const LONGEST_WORD: usize = 80;

/// What AWS's service says of a fault of its own: what became of the request, nobody knows.
const INTERNAL: &str = "InternalServerException";

/// What is not there.
const NOT_FOUND: &str = "ResourceNotFoundException";

/// How AWS's errors read: `{"__type", "Message", "Reason", "Fields": [{"Name", "Message"}]}`.
pub struct Refusals;

/// A refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Refused {
    kind: Option<String>,
    reason: Option<String>,
    field: Option<String>,
    resource: Option<String>,
}

/// A word, which has letters and what stands between them alone.
fn word(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let is_word = !text.is_empty() && text.chars().count() <= LONGEST_WORD && text.chars().all(is_plain);
    is_word.then(|| text.to_owned())
}

/// A type without what may stand before and after it: `com.amazonaws.sms#ValidationException:http://...`.
fn kind(text: &str) -> Option<String> {
    let text = text.split(':').next().unwrap_or_default();
    word(text.rsplit('#').next().unwrap_or_default())
}

impl Refused {
    fn read(answer: &Answer) -> Self {
        let body: Value = answer.json().unwrap_or_default();
        let text = |place: &str| body.pointer(place).and_then(Value::as_str);
        let header = answer.header("x-amzn-errortype").and_then(kind);
        Self {
            kind: header.or_else(|| text("/__type").and_then(kind)),
            reason: text("/Reason").and_then(word),
            field: text("/Fields/0/Name").and_then(word),
            resource: text("/ResourceType").and_then(word),
        }
    }

    fn is(&self, known: &str) -> bool {
        self.kind.as_deref() == Some(known)
    }

    /// What is known of it, by its reason or else by its type.
    fn known(&self) -> Option<Failure> {
        let of = |code: &Option<String>| CODES.find(code.as_deref()?);
        of(&self.reason).or_else(|| of(&self.kind))
    }

    fn words(&self) -> Option<String> {
        let known = self.known().map(|known| known.why());
        let words = known.or_else(|| self.reason.clone()).or_else(|| self.kind.clone())?;
        match &self.field {
            Some(field) => Some(format!("{words}; the field is {field}")),
            None => Some(words),
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        let known = self.known()?;
        if known.code == codes::FIELD {
            let of_field = match self.field.as_deref() {
                Some("DestinationPhoneNumber") => ErrorKind::InvalidNumber,
                Some("OriginationIdentity") => ErrorKind::SenderNotAllowed,
                _ => ErrorKind::ProviderRejected,
            };
            return Some(Refusal::Rejected(of_field));
        }
        CODES.refusal(&known.code)
    }
}

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        Refused::read(answer).words()
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        json::text(body.get("MessageId")?)
    }

    fn verdict(&self, answer: &Answer, now: Timestamp) -> Option<Outcome> {
        // Nobody knows how much of it had arrived, whatever else the answer says; and 429 says it all.
        if matches!(answer.status, 408 | 429) {
            return None;
        }
        let refused = Refused::read(answer);
        let why = format!("HTTP {}: {}", answer.status, refused.words()?);
        if refused.is(INTERNAL) {
            return Some(Outcome::Unknown { why });
        }
        if let Some(known) = refused.known() {
            known.note_refusal();
        }
        Some(match refused.refusal()? {
            Refusal::NotSent => {
                let wait_ms = answer.retry_after_ms(now).unwrap_or(THROTTLED_MS);
                Outcome::NotSent { retry_after_ms: Some(wait_ms), why }
            }
            Refusal::Rejected(code) => Outcome::Rejected { code, why },
        })
    }

    fn kind(&self, answer: &Answer) -> Option<ErrorKind> {
        let refused = Refused::read(answer);
        if refused.is(INTERNAL) {
            return Some(ErrorKind::ProviderUnavailable);
        }
        if refused.is(NOT_FOUND) {
            // Who is not on a list is one thing, and a list that is not there another.
            let is_number = refused.resource.as_deref() == Some("opted-out-number");
            return Some(if is_number { ErrorKind::NotFound } else { ErrorKind::ProviderRejected });
        }
        Some(match refused.refusal()? {
            Refusal::NotSent => ErrorKind::ProviderUnavailable,
            Refusal::Rejected(code) => code,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::{HeaderMap, HeaderValue};
    use serde_json::json;

    fn answer(header: Option<&'static str>, body: &Value) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert("x-amzn-errortype", HeaderValue::from_static(value));
        }
        Answer { status: 400, headers, body: body.to_string().into(), is_whole: true }
    }

    #[test]
    fn the_type_is_read_wherever_it_stands_and_a_sentence_is_never_quoted() {
        for (header, body, expected) in [
            (Some("ThrottlingException"), json!({}), Some("ThrottlingException: Too many")),
            (Some("ThrottlingException:http://x/"), json!({}), Some("ThrottlingException: Too many")),
            (
                None,
                json!({ "__type": "com.amazonaws#ThrottlingException" }),
                Some("ThrottlingException: Too"),
            ),
            (
                Some("ConflictException"),
                json!({ "Reason": "destination_phone_number_opted_out", "Message": "canary" }),
                Some("DESTINATION_PHONE_NUMBER_OPTED_OUT: This person"),
            ),
            (
                Some("ConflictException"),
                json!({ "Reason": "BRAND_NEW" }),
                Some("ConflictException: Something"),
            ),
            (Some("NewException"), json!({ "Reason": "BRAND_NEW" }), Some("BRAND_NEW")),
            (Some("NewException"), json!({ "message": "canary" }), Some("NewException")),
            (None, json!({ "__type": "a canary", "Reason": "canary\n", "message": "canary" }), None),
            (None, json!("canary"), None),
        ] {
            let words = Refusals.words(&answer(header, &body));
            let is_right = match (&words, expected) {
                (Some(words), Some(expected)) => words.starts_with(expected) && !words.contains("canary"),
                (None, None) => true,
                _ => false,
            };
            assert!(is_right, "{header:?} {body}: {words:?}");
        }
    }
}
