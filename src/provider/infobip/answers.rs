//! What Infobip's answers say: the verdict on each message of a request, a message as the log and the reports
//! show it, and refusals of a whole request.

use serde_json::Value;

use super::codes::{self, CODES};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::provider::Outcome;
use crate::provider::exchange::{Receipt, VendorMessage};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::{Answer, Dialect, json, wording};
use crate::sms::message::State;
use crate::sms::money::Money;

/// Longest name of an error that is shown, in characters.
const MAX_NAME: usize = 60;

/// What a status says of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was taken, and stands so.
    Taken(State),
    /// It was taken and will not be delivered.
    Failed(State),
    /// It was refused: nothing was sent.
    Refused,
    /// A message of its id was there already, and that one stands.
    Duplicate,
}

/// How Infobip's errors read: `{"errorCode", "description"}`, and in older answers
/// `{"requestError": {"serviceException": {"messageId", "text"}}}`.
pub struct Refusals;

impl Dialect for Refusals {
    fn words(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let older = body.pointer("/requestError/serviceException");
        let (place, names) = match older {
            Some(older) => (older, ["messageId", "text"]),
            None => (&body, ["errorCode", "description"]),
        };
        let words: Vec<&str> = names.into_iter().filter_map(|name| place.get(name)?.as_str()).collect();
        (!words.is_empty()).then(|| words.join(": "))
    }

    /// A verdict has the message's id also where it refuses it.
    fn taken_id(&self, answer: &Answer) -> Option<String> {
        let body: Value = answer.json().ok()?;
        let is_open =
            |shown: &Shown<'_>| !matches!(shown.standing(), Some(Standing::Refused | Standing::Failed(_)));
        Shown::all(&body, "messages")?.into_iter().filter(is_open).find_map(|shown| shown.id())
    }
}

/// A whole number of the vendor's.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A message as Infobip shows it: in the answer to a send, in the log, and in a report.
#[derive(Clone, Copy)]
pub struct Shown<'a>(pub &'a Value);

impl<'a> Shown<'a> {
    /// Every message below this name.
    pub fn all(body: &'a Value, name: &str) -> Option<Vec<Self>> {
        Some(body.get(name)?.as_array()?.iter().map(Self).collect())
    }

    /// Its id, which is ours.
    pub fn id(&self) -> Option<String> {
        self.0.get("messageId").and_then(json::text)
    }

    /// The recipient: an answer to a send calls it otherwise than the log.
    pub fn to(&self) -> Option<String> {
        json::first(self.0, &["to", "destination"])
    }

    /// Group and id of its status.
    fn status(&self) -> Option<(u64, u64)> {
        let of = |name: &str| number(self.0.get("status")?.get(name)?);
        Some((of("groupId")?, of("id")?))
    }

    /// Where it stands; nothing for a status that no page has, or whose words name another group than its
    /// number.
    pub fn standing(&self) -> Option<Standing> {
        let (group, id) = self.status()?;
        let says_otherwise = |name: &str| {
            let word = self.0.get("status")?.get(name)?.as_str()?;
            codes::group_of(word).map(|named| named != group)
        };
        if ["groupName", "name"].into_iter().any(|name| says_otherwise(name) == Some(true)) {
            return None;
        }
        codes::standing(group, id)
    }

    /// Whether it is somebody whom the vendor does not text: on a blocklist, or on a list of those who want
    /// no such texts.
    pub fn is_opted_out(&self) -> bool {
        matches!(self.standing(), Some(Standing::Refused))
            && self.status().is_some_and(|(_, id)| codes::refusal(id) == ErrorKind::OptedOut)
    }

    /// How many segments it has.
    fn count(&self) -> Option<u32> {
        let count = self.0.get("messageCount").or_else(|| self.0.pointer("/details/messageCount"))?;
        number(count).and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0)
    }

    /// What it cost, for all its segments; nothing where it does not say how many these are.
    fn price(&self) -> Option<Money> {
        let price = self.0.get("price")?;
        let of_one = amount::micros_of(price.get("pricePerMessage")?, Rounding::Up)?;
        let micros = of_one.checked_mul(i64::from(self.count()?))?;
        let currency = price.get("currency")?.as_str()?.trim().parse().ok()?;
        Some(Money { micros, currency }).filter(|price| price.micros >= 0)
    }

    /// Why it was not delivered: what its status says here, and whether that quotes nothing. The name of the
    /// error behind it (`EC_ABSENT_SUBSCRIBER`) is one word in capitals, and is shown with it.
    fn why(&self) -> (Option<String>, bool) {
        let Some((_, id)) = self.status() else { return (None, false) };
        let name = self.0.pointer("/status/name").and_then(Value::as_str).unwrap_or("no words");
        let (why, is_known) = match CODES.find(&id.to_string()) {
            Some(known) => (known.why(), true),
            None => (format!("{id}: {name}"), is_name(name)),
        };
        let error = self.0.get("error").unwrap_or(&Value::Null);
        let is_error = error.get("id").and_then(number).is_some_and(|id| id != 0);
        let error = error.get("name").and_then(Value::as_str).filter(|name| is_error && is_name(name));
        (Some(error.map_or_else(|| why.clone(), |error| format!("{why}; {error}"))), is_known)
    }

    /// When it got where it stands.
    pub fn at(&self) -> Option<Timestamp> {
        ["doneAt", "sentAt"].into_iter().find_map(|name| moment(self.0.get(name)?.as_str()?))
    }

    /// What became of the message that this answers for.
    pub fn outcome(&self, answer: &Answer, id: &str) -> Outcome {
        let unclear = |why: &str| Outcome::Unclear {
            vendor_id: id.to_owned(),
            why: format!("HTTP {}: {why}", answer.status),
        };
        if wording::names_an_error(self.0) {
            return unclear("the answer names an error beside what it took");
        }
        let vendor_id = Some(id.to_owned());
        match self.standing() {
            Some(Standing::Taken(status)) => {
                Outcome::Accepted { vendor_id, status, segments: self.count(), price: self.price() }
            }
            Some(Standing::Failed(status)) => {
                let why = self.why().0.unwrap_or_default();
                Outcome::Failed { vendor_id, status, price: self.price(), why }
            }
            Some(Standing::Refused) => {
                let (_, code) = self.status().unwrap_or_default();
                if let Some(known) = CODES.find(&code.to_string()) {
                    known.note_refusal();
                }
                Outcome::Rejected { code: codes::refusal(code), why: self.why().0.unwrap_or_default() }
            }
            Some(Standing::Duplicate) => unclear("a message of this id was there already"),
            None => unclear("no status that Infobip documents"),
        }
    }

    /// Where it stands, as a report has it: what was refused after all failed. Nothing for the refusal of a
    /// second message of one id, which is no word about the first.
    ///
    /// # Errors
    /// What is wrong with it.
    fn state(&self) -> Result<Option<State>, String> {
        match self.standing() {
            Some(Standing::Taken(state) | Standing::Failed(state)) => Ok(Some(state)),
            Some(Standing::Refused) => Ok(Some(State::Failed)),
            Some(Standing::Duplicate) => Ok(None),
            None => Err("a message has no status that Infobip documents".to_owned()),
        }
    }

    /// What it says of the message under this id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn receipt(&self, vendor_id: &str, now: Timestamp) -> Result<Option<Receipt>, String> {
        let Some(state) = self.state()? else { return Ok(None) };
        let is_failed = matches!(state, State::Failed | State::Expired);
        let (why, is_documented) = if is_failed { self.why() } else { (None, false) };
        let (at, price) = (self.at().unwrap_or(now), self.price());
        Ok(Some(Receipt { why, is_documented, price, ..Receipt::new(vendor_id, state, at) }))
    }

    /// The same as one of the vendor's messages.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn found(&self, vendor_id: &str) -> Result<Option<VendorMessage>, String> {
        let Some(state) = self.state()? else { return Ok(None) };
        let is_failed = matches!(state, State::Failed | State::Expired);
        Ok(Some(VendorMessage {
            vendor_id: vendor_id.to_owned(),
            to: self.to().unwrap_or_default(),
            text: None,
            state,
            at: self.at(),
            price: self.price(),
            why: self.why().0.filter(|_| is_failed),
        }))
    }
}

/// A moment as Infobip writes it: `2026-11-22T10:15:00.250+0000`.
pub fn moment(text: &str) -> Option<Timestamp> {
    let (rest, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let is_bare = rest.get(rest.len().checked_sub(3)?..)?.starts_with(['+', '-'])
        && minutes.bytes().all(|byte| byte.is_ascii_digit());
    if is_bare { Timestamp::parse(&format!("{rest}:{minutes}")) } else { Timestamp::parse(text) }
}

/// Whether this is the name of a status or error: one word in capitals, which says nothing of anybody.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_moment_is_read_with_its_zone_in_either_form() {
        let at = Timestamp::parse("2026-11-22T10:15:00.250Z");
        for text in [
            "2026-11-22T10:15:00.250+0000",
            "2026-11-22T11:15:00.250+0100",
            "2026-11-22T08:45:00.250-0130",
            "2026-11-22T10:15:00.250+00:00",
            "2026-11-22T10:15:00.250Z",
        ] {
            assert_eq!(moment(text), at, "{text}");
        }
        for wrong in ["", "x", "00", "2026-11-22T10:15:00.250", "+0000", "\u{e9}\u{e9}\u{e9}+00\u{e9}"] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_status_whose_names_say_another_group_than_its_number_says_nothing() {
        let standing = |status: Value| Shown(&json!({ "status": status })).standing();
        let named = |group: u64, id: u64, group_name: &str, name: &str| {
            standing(json!({ "groupId": group, "groupName": group_name, "id": id, "name": name }))
        };
        for (group, id, group_name, name, expected) in [
            (1, 26, "PENDING", "PENDING_ACCEPTED", Some(Standing::Taken(State::Sent))),
            (1, 26, "MESSAGE_ACCEPTED", "MESSAGE_ACCEPTED", Some(Standing::Taken(State::Sent))),
            (2, 9, "UNDELIVERABLE", "UNDELIVERABLE_NOT_DELIVERED", Some(Standing::Failed(State::Failed))),
            (4, 87, "EXPIRED", "SIGNALS_BLOCKED", Some(Standing::Failed(State::Failed))),
            (5, 14, "REJECTED", "REJECTED_DESTINATION", Some(Standing::Refused)),
            (0, 0, "ACCEPTED", "MESSAGE_ACCEPTED", Some(Standing::Taken(State::Sent))),
            (3, 5, "REJECTED", "DELIVERED_TO_HANDSET", None),
            (3, 5, "DELIVERED", "UNDELIVERABLE_NOT_DELIVERED", None),
            (1, 26, "delivered", "", None),
            (5, 14, "PENDING", "REJECTED_DESTINATION", None),
        ] {
            assert_eq!(named(group, id, group_name, name), expected, "{group} {id} {group_name} {name}");
        }
        assert_eq!(standing(json!({ "groupId": 3, "id": 5 })), Some(Standing::Taken(State::Delivered)));
    }

    #[test]
    fn a_price_is_that_of_all_segments_and_what_is_none_is_not_guessed() {
        let price = |price: Value, count: Value| {
            Shown(&json!({ "price": price, "messageCount": count })).price().map(|money| money.micros)
        };
        let euro = |amount: Value| json!({ "pricePerMessage": amount, "currency": "EUR" });
        for (of_one, count, expected) in [
            (euro(json!(0.0512)), json!(3), Some(153_600)),
            (euro(json!("0.01")), json!(1), Some(10_000)),
            (euro(json!("0.01")), json!(null), None),
            (euro(json!(0.0)), json!(1), Some(0)),
            (euro(json!(-0.01)), json!(1), None),
            (euro(json!("much")), json!(1), None),
            (json!({ "pricePerMessage": 1 }), json!(1), None),
            (json!(0.01), json!(1), None),
        ] {
            assert_eq!(price(of_one.clone(), count.clone()), expected, "{of_one} {count}");
        }
    }
}
