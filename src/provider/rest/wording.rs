//! What a vendor's own words say of a message, for vendors that answer in words.
//!
//! A 2xx alone proves nothing: gateways answer "200, status error", and words that no page of the vendor has.
//! So a message counts as taken only in a word that the vendor documents ([`Wording`] holds those of one
//! vendor, whatever their case) or that the operator taught (`sent_words`). A word that clearly says so means
//! that it failed. Everything else is unknown, and so is an answer that contradicts itself: a word of success
//! beside an error, or two words that do not agree.
//!
//! One level of an answer is one object; [`Wording::said`] takes them from the outermost to the one that
//! shows the message.

use serde_json::Value;

use crate::provider::Outcome;
use crate::provider::rest::answer::Answer;
use crate::provider::rest::client::unreadable;
use crate::sms::message::State;
use crate::sms::money::Money;
use crate::sms::untrusted;

/// Words that say that a message failed, in whatever vendor's answer: lower case, words joined by `_`.
const FAILURES: [&str; 34] = [
    "failed",
    "fail",
    "failure",
    "error",
    "errored",
    "ko",
    "nok",
    "not_ok",
    "rejected",
    "reject",
    "refused",
    "declined",
    "denied",
    "blocked",
    "invalid",
    "forbidden",
    "unauthorized",
    "undelivered",
    "undeliverable",
    "undeliv",
    "not_delivered",
    "non_delivered",
    "not_sent",
    "unsent",
    "bounced",
    "discarded",
    "dropped",
    "deleted",
    "aborted",
    "canceled",
    "cancelled",
    "unreachable",
    "unroutable",
    "unsupported",
];

/// Words that say that it was too late to deliver it.
const EXPIRIES: [&str; 1] = ["expired"];

/// Words that turn a failure into none ("no error", "0 failed").
const NEGATIONS: [&str; 7] = ["no", "not", "non", "without", "none", "0", "zero"];

/// The names of what is only there when something went wrong, without what stands between their letters.
const ERRORS: [&str; 12] = [
    "error",
    "errors",
    "err",
    "errorcode",
    "errormessage",
    "errormsg",
    "errordescription",
    "errortype",
    "exception",
    "failure",
    "failurereason",
    "fault",
];

/// The names of a plain yes or no.
const FLAGS: [&str; 4] = ["success", "successful", "ok", "accepted"];

/// Texts in the place of an error that say that there is none.
const NO_ERRORS: [&str; 8] = ["", "0", "false", "no", "none", "null", "ok", "success"];

/// Most words that an operator can teach, and the longest of them in characters: a status is one word, not a
/// text.
const MOST_TAUGHT: usize = 20;
const LONGEST_WORD: usize = 40;

/// The words of one vendor.
#[derive(Clone, Debug)]
pub struct Wording {
    documented: &'static [(&'static str, State)],
    taught: Vec<String>,
}

/// What an answer says of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It was taken, and stands so.
    Taken(State),
    /// It was not, or will not be, delivered: [`State::Failed`] or [`State::Expired`], with the vendor's
    /// word.
    Failed(State, String),
    /// Nothing certain; what is wrong with the answer.
    Unclear(String),
}

/// A word as the lists have it: trimmed, lower case, with `_` for whatever stands between its parts.
fn plain(word: &str) -> String {
    let parts = word.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

/// What a word says in every vendor's mouth: that it failed, or nothing.
fn failure(plain: &str) -> Option<State> {
    if EXPIRIES.contains(&plain) {
        return Some(State::Expired);
    }
    if FAILURES.contains(&plain) {
        return Some(State::Failed);
    }
    let parts = || plain.split('_');
    let is_negated = parts().any(|part| NEGATIONS.contains(&part));
    (!is_negated && parts().any(|part| FAILURES.contains(&part))).then_some(State::Failed)
}

/// Whether a word says that something failed, whoever's it is.
pub fn is_failure(word: &str) -> bool {
    failure(&plain(word)).is_some()
}

/// The id of a message that was taken: this one, unless the word beside it says that the message failed.
pub fn id_of_taken(id: Option<String>, status: Option<&str>) -> Option<String> {
    id.filter(|_| !status.is_some_and(is_failure))
}

/// Checks the words that an operator teaches.
///
/// # Errors
/// What is wrong with them.
pub fn check_sent_words(words: &[String]) -> Result<(), String> {
    if words.len() > MOST_TAUGHT {
        return Err(format!("sent_words has {} words; at most {MOST_TAUGHT} can be taught", words.len()));
    }
    for word in words {
        if plain(word).is_empty() || word.chars().count() > LONGEST_WORD || word.chars().any(char::is_control)
        {
            return Err(format!(
                "sent_words: each is one word of the vendor with 1 to {LONGEST_WORD} characters, such as \
                 \"enroute\""
            ));
        }
        if failure(&plain(word)).is_some() {
            return Err(format!(
                "sent_words: \"{word}\" says that a message failed; it cannot mean that one was sent"
            ));
        }
    }
    Ok(())
}

/// The value of this name, whatever its case.
fn of<'a>(level: &'a Value, names: &'a [&'a str]) -> impl Iterator<Item = &'a Value> {
    let object = level.as_object();
    let is_named = move |name: &str| {
        let name: String =
            name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        names.contains(&name.as_str())
    };
    object.into_iter().flatten().filter(move |(name, _)| is_named(name)).map(|(_, value)| value)
}

/// Whether what stands in the place of an error is one.
fn is_error(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !NO_ERRORS.contains(&plain(text).as_str()),
        Value::Array(list) => list.iter().any(is_error),
        Value::Object(object) => object.values().any(is_error),
    }
}

/// Whether a level says that something went wrong: an error that is one, a code in words, or a plain no.
fn is_wrong(level: &Value) -> bool {
    let is_no = |value: &Value| match value {
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(plain(text).as_str(), "false" | "no" | "0"),
        _ => false,
    };
    let is_code = |value: &Value| {
        value.as_str().is_some_and(|code| code.chars().any(char::is_alphabetic) && is_error(value))
    };
    of(level, &ERRORS).any(is_error) || of(level, &FLAGS).any(is_no) || of(level, &["code"]).any(is_code)
}

impl Wording {
    /// The words that a vendor documents, in lower case, and those that the operator taught: they mean
    /// [`State::Sent`].
    pub fn new(documented: &'static [(&'static str, State)], sent_words: &[String]) -> Self {
        Self { documented, taught: sent_words.iter().map(|word| plain(word)).collect() }
    }

    /// The state that a word of the vendor means, as it documents or was taught; nothing for any other.
    pub fn known(&self, word: &str) -> Option<State> {
        let word = plain(word);
        let documented = self.documented.iter().find(|(known, _)| *known == word).map(|(_, state)| *state);
        documented.or_else(|| self.taught.contains(&word).then_some(State::Sent))
    }

    /// As [`Wording::known`], and also what clearly says that it failed.
    pub fn state(&self, word: &str) -> Option<State> {
        self.known(word).or_else(|| failure(&plain(word)))
    }

    /// What an answer says of the message that it shows. `levels`: its objects from the outermost to the one
    /// that shows the message; `is_named`: whether that has an id. Without an id only a documented word says
    /// anything: "error" alone may speak of the request, and nobody knows how far that came.
    pub fn said(&self, levels: &[&Value], is_named: bool) -> Said {
        let mut words =
            levels.iter().rev().filter_map(|level| level.get("status")).filter(|status| !status.is_null());
        let Some(status) = words.next() else {
            return Said::Unclear("the answer has no status".to_owned());
        };
        let shown = shown(status);
        let Some(word) =
            status.as_str().map(str::to_owned).or_else(|| status.is_number().then(|| status.to_string()))
        else {
            return Said::Unclear(unknown_word(&shown));
        };
        let state = if is_named { self.state(&word) } else { self.known(&word) };
        let Some(state) = state else {
            return Said::Unclear(unknown_word(&shown));
        };
        let is_failed = matches!(state, State::Failed | State::Expired);
        let differs = |other: &Value| match other {
            Value::Bool(flag) => *flag == is_failed,
            Value::String(other) => self
                .state(other)
                .is_some_and(|other| matches!(other, State::Failed | State::Expired) != is_failed),
            _ => false,
        };
        if words.any(differs) || (!is_failed && levels.iter().any(|level| is_wrong(level))) {
            return Said::Unclear(format!(
                "the answer contradicts itself: status {shown}, and an error or another status beside it"
            ));
        }
        if is_failed {
            Said::Failed(state, format!("the provider answered that it failed: status {shown}"))
        } else {
            Said::Taken(state)
        }
    }
}

/// What the answer to a look-up says of a message. `is_named`: as for [`Wording::said`].
///
/// # Errors
/// What is wrong with it: a word that nobody knows is no news.
pub fn reported(wording: &Wording, word: Option<&str>, is_named: bool) -> Result<State, String> {
    let word = word.ok_or("the answer has no status")?;
    let state = if is_named { wording.state(word) } else { wording.known(word) };
    state.ok_or_else(|| unknown_word(&shown(&Value::String(word.to_owned()))))
}

/// What is said of a word that nobody knows.
fn unknown_word(shown: &str) -> String {
    format!(
        "no known word of the vendor: status {shown}; `sent_words` of the provider can teach one that means \
         sent"
    )
}

/// Whether an answer whose success shows elsewhere (in its head) names an error in its body.
pub fn names_an_error(body: &Value) -> bool {
    is_wrong(body)
        || of(body, &["status"])
            .any(|status| status.as_str().is_some_and(is_failure) || status == &Value::Bool(false))
}

/// A word of the vendor's as it may be shown: short, and escaped.
fn shown(status: &Value) -> String {
    match status {
        Value::String(word) => {
            format!("\"{}\"", untrusted::escape(&word.chars().take(LONGEST_WORD).collect::<String>()))
        }
        Value::Number(_) | Value::Bool(_) => status.to_string(),
        _ => "that is no word".to_owned(),
    }
}

impl Said {
    /// What became of a message whose answer says this. `segments` and `price`: as the answer has them.
    pub fn outcome(
        self,
        answer: &Answer,
        vendor_id: Option<String>,
        segments: Option<u32>,
        price: Option<Money>,
    ) -> Outcome {
        match (self, vendor_id) {
            (Self::Taken(status), vendor_id) => Outcome::Accepted { vendor_id, status, segments, price },
            (Self::Failed(status, why), vendor_id) => Outcome::Failed { vendor_id, status, price, why },
            (Self::Unclear(why), Some(vendor_id)) => {
                Outcome::Unclear { vendor_id, why: format!("HTTP {}: {why}", answer.status) }
            }
            (Self::Unclear(why), None) => unreadable(answer, &why),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    const WORDS: [(&str, State); 3] =
        [("sent", State::Sent), ("delivered", State::Delivered), ("failed", State::Failed)];

    fn wording() -> Wording {
        Wording::new(&WORDS, &["En-Route".to_owned()])
    }

    #[test]
    fn a_word_counts_whatever_its_case_and_one_that_nobody_documents_says_nothing() {
        for (word, state) in [
            ("sent", Some(State::Sent)),
            (" SENT\n", Some(State::Sent)),
            ("Delivered", Some(State::Delivered)),
            ("FAILED", Some(State::Failed)),
            ("Rejected", Some(State::Failed)),
            ("undelivered", Some(State::Failed)),
            ("Not Delivered", Some(State::Failed)),
            ("delivery-failed", Some(State::Failed)),
            ("EXPIRED", Some(State::Expired)),
            ("invalid number", Some(State::Failed)),
            ("en route", Some(State::Sent)),
            ("queued", None),
            ("ok", None),
            ("no error", None),
            ("0 failed", None),
            ("not rejected", None),
            ("", None),
            ("\u{202e}", None),
        ] {
            assert_eq!(wording().state(word), state, "{word:?}");
        }
    }

    #[test]
    fn an_answer_is_read_as_taken_only_where_nothing_in_it_says_otherwise() {
        let said = |body: &Value| {
            let inner = body.get("sms").unwrap_or(body);
            let levels: Vec<&Value> = if std::ptr::eq(inner, body) { vec![body] } else { vec![body, inner] };
            match wording().said(&levels, inner.get("id").is_some()) {
                Said::Taken(state) => state.to_string(),
                Said::Failed(state, _) => state.to_string(),
                Said::Unclear(_) => "unclear".to_owned(),
            }
        };
        for (body, expected) in [
            (json!({ "id": 1, "status": "sent" }), "sent"),
            (
                json!({ "id": 1, "status": "sent", "error": null, "errors": [], "error_code": 0,
                    "error_message": "" }),
                "sent",
            ),
            (
                json!({ "id": 1, "status": "sent", "error": { "code": 0, "message": "" }, "code": 200 }),
                "sent",
            ),
            (json!({ "status": "success", "sms": { "id": 1, "status": "Sent" } }), "sent"),
            (json!({ "success": true, "sms": { "id": 1, "status": "delivered" } }), "delivered"),
            (json!({ "id": 1, "status": "error" }), "failed"),
            (json!({ "id": 1, "status": "rejected", "error": "spam" }), "failed"),
            (json!({ "success": true, "sms": { "id": 1, "status": "expired" } }), "expired"),
            (json!({ "status": "failed" }), "failed"),
            (json!({ "status": "error" }), "unclear"),
            (json!({ "status": 0, "error": "x" }), "unclear"),
            (json!({ "errors": { "to": ["x"] }, "status": "error" }), "unclear"),
            (json!({ "id": 1, "status": "sent", "errors": { "to": ["x"] } }), "unclear"),
            (json!({ "id": 1, "status": "sent", "error": "x" }), "unclear"),
            (json!({ "id": 1, "status": "sent", "Error_Code": 17 }), "unclear"),
            (json!({ "id": 1, "status": "sent", "success": false }), "unclear"),
            (json!({ "id": 1, "status": "sent", "code": "invalid_request" }), "unclear"),
            (json!({ "error": "x", "sms": { "id": 1, "status": "sent" } }), "unclear"),
            (json!({ "status": "error", "sms": { "id": 1, "status": "sent" } }), "unclear"),
            (json!({ "status": false, "sms": { "id": 1, "status": "sent" } }), "unclear"),
            (json!({ "status": "sent", "sms": { "id": 1, "status": "failed" } }), "unclear"),
            (json!({ "id": 1 }), "unclear"),
            (json!({ "id": 1, "status": null }), "unclear"),
            (json!({ "id": 1, "status": true }), "unclear"),
            (json!({ "id": 1, "status": ["sent"] }), "unclear"),
            (json!({ "id": 1, "status": "queued" }), "unclear"),
            (json!([]), "unclear"),
            (json!("sent"), "unclear"),
        ] {
            assert_eq!(said(&body), expected, "{body}");
        }
    }

    #[test]
    fn a_word_of_failure_cannot_be_taught_to_mean_sent() {
        let check = |word: &str| check_sent_words(&[word.to_owned()]);
        for fine in ["queued", "En route", "accepted", "0"] {
            assert!(check(fine).is_ok(), "{fine}");
        }
        for wrong in ["FAILED", "rejected", "delivery failed", "expired", "", " ", "\u{7}", &"x".repeat(41)] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
        assert!(check_sent_words(&vec!["queued".to_owned(); 21]).is_err());
    }
}
