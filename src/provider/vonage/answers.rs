//! What Vonage's answers say of a text that was handed over.
//!
//! The SMS API answers 200 whatever became of it: with an entry for each segment, each with its own id, status
//! and price. So two entries are one text of two segments, and where one was refused the text went out in
//! part. The Messages API answers 202 with one id for all of it, or refuses with an error (RFC 7807).

use serde_json::Value;

use super::codes::Place;
use crate::clock::Timestamp;
use crate::provider::exchange::SegmentOutcome;
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::codes::Refusal;
use crate::provider::rest::wording::names_an_error;
use crate::provider::rest::{Answer, Dialect, digits, json, unreadable};
use crate::provider::{Outcome, Submission};
use crate::sms::message::State;
use crate::sms::money::{Currency, Money};
use crate::sms::text::MAX_SEGMENTS;

/// How long to wait where Vonage throttles and says nothing of that, in milliseconds.
const THROTTLED_MS: u64 = 1_000;

/// Longest words of the vendor that are kept, in characters.
const MAX_WORDS: usize = 200;

/// The status of a segment that was taken.
const TAKEN: &str = "0";

/// A price in this currency, where it is one.
pub fn price(written: Option<&Value>, currency: Currency) -> Option<Money> {
    let micros = amount::micros_of(written?, Rounding::Up).filter(|micros| *micros >= 0)?;
    Some(Money { micros, currency })
}

/// How Vonage's errors read: `{"type", "title", "detail", "instance"}`, and of the older pages
/// `{"error-code", "error-code-label"}`.
pub struct Refusals;

/// The code of an error of the Messages API: its title, or what its type ends in.
pub fn code_of(error: &Value) -> Option<String> {
    let is_code = |code: &String| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
    let title = error.get("title").and_then(json::text).filter(is_code);
    let fragment = || {
        let (_, fragment) = error.get("type")?.as_str()?.rsplit_once('#')?;
        Some(fragment.to_owned()).filter(is_code)
    };
    title.or_else(fragment)
}

/// The vendor's own words for an error.
pub fn words_of(error: &Value) -> Option<String> {
    ["title", "error-code-label", "detail"].into_iter().find_map(|name| {
        let words = error.get(name)?.as_str()?;
        (!words.is_empty() && !words.bytes().all(|byte| byte.is_ascii_digit())).then(|| words.to_owned())
    })
}

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        Place::Message.why(code_of(&body).as_deref(), words_of(&body).as_deref()).0
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let entries = body.get("messages").and_then(Value::as_array).into_iter().flatten();
        let of_segments = entries.filter_map(|entry| entry.get("message-id"));
        let mut ids = body.get("message_uuid").into_iter().chain(of_segments).filter_map(json::text);
        ids.find(|id| !id.trim().is_empty())
    }

    fn verdict(&self, answer: &Answer, now: Timestamp) -> Option<Outcome> {
        // Nobody knows how much of it had arrived, and a throttled one was not looked at, whatever else the
        // answer says.
        if matches!(answer.status, 408 | 429) {
            return None;
        }
        let code = code_of(&answer.json::<Value>().ok()?)?;
        if let Some(known) = Place::Message.find(&code) {
            known.note_refusal();
        }
        let words: String = self.words(answer).unwrap_or_default().chars().take(MAX_WORDS).collect();
        let why = format!("HTTP {}: {words}", answer.status);
        match Place::Message.refusal(&code)? {
            Refusal::Rejected(code) => Some(Outcome::Rejected { code, why }),
            Refusal::NotSent => {
                let wait_ms = answer.retry_after_ms(now).unwrap_or(THROTTLED_MS);
                Some(Outcome::NotSent { retry_after_ms: Some(wait_ms), why })
            }
        }
    }
}

/// What an answer of the SMS API says of a text.
pub fn of_sms(answer: &Answer, submission: &Submission, currency: Currency) -> Outcome {
    let body = match answer.json::<Value>() {
        Ok(body) => body,
        Err(why) => return unreadable(answer, &why),
    };
    let entries = body.get("messages").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        return unreadable(answer, "the answer has no list of messages");
    }
    if entries.len() > MAX_SEGMENTS {
        return unreadable(answer, "the answer has more messages than a text has segments");
    }
    let mut segments: Vec<SegmentOutcome> =
        entries.iter().map(|entry| segment(entry, answer, submission, currency)).collect();
    // As it counts them, or as they are where it does not.
    let count = body.get("message-count").filter(|count| !count.is_null());
    let count = count.map(|count| json::text(count).and_then(|count| count.trim().parse::<usize>().ok()));
    match count.unwrap_or(Some(entries.len())) {
        Some(count) if count >= entries.len() => {
            let unseen = count.min(MAX_SEGMENTS).saturating_sub(entries.len());
            let why = "the answer counts more segments than it has";
            segments.extend(std::iter::repeat_n(unclear(answer, why), unseen));
        }
        // Fewer, or what is no count: which of them are, nobody knows.
        _ => {
            for segment in &mut segments {
                if matches!(segment, SegmentOutcome::Accepted { .. }) {
                    *segment = unclear(answer, "the answer counts fewer segments than it has");
                }
            }
        }
    }
    match Outcome::of_segments(segments) {
        Outcome::Accepted { vendor_id, status, price, .. } => {
            Outcome::Accepted { vendor_id, status, segments: Some(1), price }
        }
        outcome => outcome,
    }
}

fn unclear(answer: &Answer, why: &str) -> SegmentOutcome {
    SegmentOutcome::Unknown { why: format!("HTTP {}: {why}", answer.status) }
}

/// What an entry says of its segment.
fn segment(entry: &Value, answer: &Answer, submission: &Submission, currency: Currency) -> SegmentOutcome {
    let text = |name: &str| entry.get(name).and_then(json::text);
    let Some(status) = text("status") else { return unclear(answer, "a message in it has no status") };
    let is_ours = text("client-ref").is_none_or(|reference| reference == submission.id.as_str());
    if text("to").is_some_and(|to| digits::is_another(&to, &submission.to)) {
        return unclear(answer, "a message in it is to another recipient");
    }
    if status != TAKEN {
        let has_id = text("message-id").is_some_and(|id| !id.trim().is_empty());
        return match (is_ours, has_id) {
            (false, _) => unclear(answer, "a message in it has another reference than ours"),
            (_, true) => unclear(answer, "the answer contradicts itself: a refusal, and an id beside it"),
            _ => refused(&status, text("error-text"), answer),
        };
    }
    match text("message-id") {
        Some(vendor_id) if is_ours && !names_an_error(&without_status(entry)) => {
            SegmentOutcome::Accepted { vendor_id, price: price(entry.get("message-price"), currency) }
        }
        Some(_) if !is_ours => unclear(answer, "a message in it has another reference than ours"),
        Some(_) => unclear(answer, "the answer contradicts itself: status 0, and an error beside it"),
        None => unclear(answer, "a message in it has no message-id"),
    }
}

/// An entry without its status, whose 0 is no failure.
fn without_status(entry: &Value) -> Value {
    let mut rest = entry.clone();
    if let Some(object) = rest.as_object_mut() {
        object.remove("status");
        // Its other name for an error.
        if let Some(words) = object.remove("error-text") {
            object.insert("error".to_owned(), words);
        }
    }
    rest
}

/// What a status says that is not 0. One that no page has says nothing: it may have been taken.
fn refused(status: &str, words: Option<String>, answer: &Answer) -> SegmentOutcome {
    let words: Option<String> = words.map(|words| words.chars().take(MAX_WORDS).collect());
    if let Some(known) = Place::Answer.find(status) {
        known.note_refusal();
    }
    let why = Place::Answer.why(Some(status), words.as_deref()).0.unwrap_or_default();
    let why = format!("HTTP {}: {why}", answer.status);
    match Place::Answer.refusal(status) {
        Some(Refusal::Rejected(code)) => SegmentOutcome::Rejected { code, why },
        Some(Refusal::NotSent) => SegmentOutcome::NotSent { retry_after_ms: Some(THROTTLED_MS), why },
        None => SegmentOutcome::Unknown { why },
    }
}

/// What an answer of the Messages API says of a text.
pub fn of_messages(answer: &Answer) -> Outcome {
    let body = match answer.json::<Value>() {
        Ok(body) => body,
        Err(why) => return unreadable(answer, &why),
    };
    let Some(vendor_id) = body.get("message_uuid").and_then(json::text) else {
        return unreadable(answer, "the answer has no message_uuid");
    };
    if answer.status == 202 && !names_an_error(&body) {
        return Outcome::Accepted {
            vendor_id: Some(vendor_id),
            status: State::Sent,
            segments: None,
            price: None,
        };
    }
    let why =
        format!("HTTP {}: the answer has an id, and does not say that the text was taken", answer.status);
    Outcome::Unclear { vendor_id, why }
}
