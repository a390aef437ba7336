//! What MailerSend's answers and webhooks say about messages, read so that a field which is missing, null or
//! of another type costs no more than itself.
//!
//! Source: developers.mailersend.com, `api/v1/sms-messages`, `sms-activity`, `sms-recipients`,
//! `sms-webhooks`.

use std::collections::HashMap;

use serde_json::Value;

use super::codes;
use crate::clock::Timestamp;
use crate::provider::exchange::{Page, Receipt, VendorMessage};
use crate::provider::rest::wording::Wording;
use crate::sms::caller_id::Sender;
use crate::sms::message::State;
use crate::sms::money::{Currency, Money};
use crate::sms::number::Number;

/// Longest id that is taken; theirs have 16 or 24 characters.
const MAX_ID: usize = 64;

/// Longest words of the vendor that are kept, in characters.
const MAX_WORDS: usize = 300;

/// The text at this place (a JSON pointer), unless it is empty.
pub fn text<'a>(value: &'a Value, place: &str) -> Option<&'a str> {
    value.pointer(place)?.as_str().filter(|text| !text.is_empty())
}

/// A moment as the vendor writes it. One without a zone is in UTC: its own samples have both.
pub fn moment_of(text: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{text}Z")).or_else(|| Timestamp::parse(text))
}

/// The moment at this place.
pub fn moment(value: &Value, place: &str) -> Option<Timestamp> {
    moment_of(text(value, place)?)
}

/// The list at this place; empty where there is none, and of one where the vendor left the list out (its
/// clients differ about `sms`).
pub fn items<'a>(value: &'a Value, place: &str) -> &'a [Value] {
    match value.pointer(place) {
        Some(Value::Array(list)) => list,
        Some(one @ Value::Object(_)) => std::slice::from_ref(one),
        _ => &[],
    }
}

/// Whether a text can be one of their ids. It becomes part of an address, so it may hold nothing else.
pub fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_ID
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// The id at this place.
pub fn id<'a>(value: &'a Value, place: &str) -> Option<&'a str> {
    text(value, place).filter(|id| is_id(id))
}

/// A number in E.164, or as it is written where it cannot be read as one. A full American number may lack its
/// plus; a short code stays one.
pub fn e164(number: &str) -> String {
    let is_bare =
        number.len() == 11 && number.starts_with('1') && number.bytes().all(|byte| byte.is_ascii_digit());
    let read = if is_bare { Number::parse(&format!("+{number}"), None) } else { Number::parse(number, None) };
    read.map_or_else(|_| number.to_owned(), |number| number.e164().to_owned())
}

/// Whose number this is. MailerSend carries texts within the United States and Canada alone, so a number
/// without its plus is one of theirs.
pub fn sender(number: &str) -> Sender {
    match "US".parse() {
        Ok(region) if !number.trim().starts_with('+') => Sender::InRegion(number.trim().to_owned(), region),
        _ => Sender::of(number),
    }
}

/// Where a text of this status stands. `processed` and `queued`: MailerSend has it and did not hand it on
/// yet.
pub const WORDS: [(&str, State); 5] = [
    ("processed", State::Queued),
    ("queued", State::Queued),
    ("sent", State::Sent),
    ("delivered", State::Delivered),
    ("failed", State::Failed),
];

/// What answers and webhooks are read by.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What a status means.
    pub wording: Wording,
    /// The currency of a price of 0.
    pub currency: Currency,
}

impl Reading {
    /// The state that the `status` of an object means, if that is known.
    fn state(&self, object: &Value) -> Option<State> {
        self.wording.state(text(object, "/status")?)
    }
}

/// How far along a state is; a report of an earlier one is older news.
const fn rank(state: State) -> u8 {
    match state {
        State::Queued => 0,
        State::Sent => 1,
        _ => 2,
    }
}

/// Why a text failed, in words, and what it cost where that is known to be nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Number and words.
    pub why: Option<String>,
    /// Whether they stand in the vendor's list of codes.
    pub is_documented: bool,
    /// 0 where it is not billed.
    pub price: Option<Money>,
    /// Whether this person wants no more texts.
    pub is_opt_out: bool,
}

/// Reads why a text failed from an object with `error_type` and `error_description`.
pub fn cause(sms: &Value, currency: Currency) -> Cause {
    let words = |name: &str| match sms.get(name) {
        Some(Value::String(text)) => text.trim().chars().take(MAX_WORDS).collect(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let (error_type, description) = (words("error_type"), words("error_description"));
    let Some(failure) = codes::find(&error_type, &description) else {
        let why = [error_type, description]
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        return Cause { why: (!why.is_empty()).then_some(why), ..Cause::default() };
    };
    let billing = if failure.is_billed { "billed" } else { "not billed" };
    Cause {
        why: Some(format!("{} {} ({billing})", failure.code, failure.meaning)),
        is_documented: true,
        price: (!failure.is_billed).then_some(Money { micros: 0, currency }),
        is_opt_out: failure.is_opt_out(),
    }
}

/// A report about one recipient, unless the message has not left MailerSend yet: that is no news.
pub fn receipt(vendor_id: &str, to: &str, state: State, at: Timestamp, cause: Cause) -> Option<Receipt> {
    if rank(state) == 0 {
        return None;
    }
    let is_documented = cause.is_documented;
    let (why, price) = if state == State::Failed { (cause.why, cause.price) } else { (None, None) };
    Some(Receipt { to: Some(e164(to)), why, is_documented, price, ..Receipt::new(vendor_id, state, at) })
}

/// What one message's page says about each of its recipients: the furthest of its `sms` and of its
/// `sms_activity`.
pub fn receipts(message: &Value, vendor_id: &str, reading: &Reading, now: Timestamp) -> Vec<Receipt> {
    let (texts, activity) = (items(message, "/sms"), items(message, "/sms_activity"));
    // Each is looked at once, however many an answer names.
    let mut recipients: Vec<(&str, Option<&Value>, Vec<&Value>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (index, item) in texts.iter().chain(activity).enumerate() {
        let Some(to) = text(item, "/to") else { continue };
        let place = *places.entry(to).or_insert(recipients.len());
        if place == recipients.len() {
            recipients.push((to, None, Vec::new()));
        }
        let Some((_, sms, steps)) = recipients.get_mut(place) else { continue };
        if index >= texts.len() {
            steps.push(item);
        } else if sms.is_none() {
            *sms = Some(item);
        }
    }
    let receipts = recipients.into_iter().filter_map(|(to, sms, activity)| {
        let steps = sms.into_iter().chain(activity.iter().copied());
        let mut furthest: Option<State> = None;
        for state in steps.filter_map(|step| reading.state(step)) {
            if furthest.is_none_or(|so_far| rank(state) > rank(so_far)) {
                furthest = Some(state);
            }
        }
        let state = furthest?;
        let reached = activity.iter().find(|step| reading.state(step) == Some(state));
        let at = reached.and_then(|step| moment(step, "/created_at")).unwrap_or(now);
        receipt(vendor_id, to, state, at, sms.map(|sms| cause(sms, reading.currency)).unwrap_or_default())
    });
    receipts.collect()
}

/// What a recipient got: the filled in text where there is one, and never a template.
fn said(value: &Value) -> Option<&str> {
    text(value, "/compiled_text").or_else(|| text(value, "/text").filter(|text| !text.contains("{{")))
}

/// The texts of one message on a page of messages.
fn texts_of(message: &Value, reading: &Reading) -> Vec<VendorMessage> {
    let Some(vendor_id) = id(message, "/id") else { return Vec::new() };
    let at = moment(message, "/created_at");
    let is_paused = message.get("paused").and_then(Value::as_bool) == Some(true);
    let held_or_sent = if is_paused { State::Queued } else { State::Sent };
    let one = |to: &str, text: Option<&str>, state: State, cause: Cause| VendorMessage {
        vendor_id: vendor_id.to_owned(),
        to: to.to_owned(),
        text: text.map(ToOwned::to_owned),
        state,
        at,
        price: cause.price.filter(|_| state == State::Failed),
        why: cause.why.filter(|_| state == State::Failed),
    };
    let texts = items(message, "/sms");
    if texts.is_empty() {
        let recipients = items(message, "/to").iter().filter_map(Value::as_str);
        return recipients.map(|to| one(to, said(message), held_or_sent, Cause::default())).collect();
    }
    let of_text = |sms: &Value| {
        let state = if text(sms, "/status").is_none() {
            held_or_sent
        } else {
            reading.state(sms).unwrap_or(State::Unknown)
        };
        Some(one(text(sms, "/to")?, said(sms), state, cause(sms, reading.currency)))
    };
    texts.iter().filter_map(of_text).collect()
}

/// A page of messages, newest first.
pub fn page(answer: &Value, number: u32, reading: &Reading) -> Page {
    let mut messages: Vec<VendorMessage> =
        items(answer, "/data").iter().flat_map(|message| texts_of(message, reading)).collect();
    messages.sort_by_key(|message| std::cmp::Reverse(message.at));
    Page { messages, next: has_next(answer, number).then(|| number.saturating_add(1)) }
}

/// Whether a page is not the last one (`links.next`, else `meta.last_page`).
pub fn has_next(answer: &Value, page: u32) -> bool {
    let last = answer.pointer("/meta/last_page").and_then(Value::as_u64);
    text(answer, "/links/next").is_some() || last.is_some_and(|last| last > u64::from(page))
}
