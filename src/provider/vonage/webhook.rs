//! What Vonage sends by itself: reports about texts and texts of people, as the fields of a GET, of a form or
//! of JSON, or as the JSON of the Messages API.
//!
//! Nothing is believed that is not signed, and an account that has no signature secret gets nothing here. The
//! SMS API signs the fields: `&name=value` of each, sorted by name, with `_` for an `&` or `=` in a value. A
//! name with one of those two could stand for other fields than the signed ones, so it is refused. The Messages
//! API shows a JWT with the hash of the raw body, so both are checked: the vendor's own libraries look at the
//! token alone, which would let any body pass beside an old one. Which API sends does not say which one
//! reports what people write, so both ways are taken.
//!
//! Each signature has a time in it. It may be as old as Vonage tells things again, a day: a report or a STOP
//! that came while nobody could take it must not be lost. Within that day a request can be replayed, which
//! changes nothing: everything here is known by its id.
//!
//! A report has our reference beside Vonage's id (`client-ref`), so that it settles a text whose answer was
//! lost. Of a text of several segments each has its own id, price and report, and it is delivered when all of
//! them are. What a person writes in several segments comes segment by segment and is joined before it is
//! told.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::answers::{self, code_of, words_of};
use super::codes::{Place, is_opt_out};
use super::jwt;
use super::settings::{Config, Method};
use crate::clock::Timestamp;
use crate::provider::exchange::{Delivery, Event, HeardBy, NotBelieved, Receipt, Reply, ReplySegment};
use crate::provider::rest::digits::sender;
use crate::provider::rest::form::Fields;
use crate::provider::rest::json;
use crate::provider::rest::wording::Wording;
use crate::provider::signature::{Encoding, Hash, Key, is_same};
use crate::setting::SecretText;
use crate::sms::message::{MessageId, State, hex};
use crate::sms::money::Currency;

/// What Vonage calls its texts: in receipts of the SMS API, and in reports of the Messages API. `unknown` says
/// that it has no word from the network, and that it took the text.
const WORDS: [(&str, State); 10] = [
    ("accepted", State::Sent),
    ("buffered", State::Sent),
    ("submitted", State::Sent),
    ("unknown", State::Sent),
    ("delivered", State::Delivered),
    ("failed", State::Failed),
    ("rejected", State::Failed),
    ("undeliverable", State::Failed),
    ("expired", State::Expired),
    ("read", State::Delivered),
];

/// Largest request that is looked at: a text of 3200 characters, each written out, is a third of it.
const MAX_BODY: usize = 64 * 1024;

/// How far ahead of our clock the time of a request may be, in milliseconds.
const AHEAD_MS: i64 = 300_000;

/// The alphabet of a segment that a person wrote: Vonage has read the network's own already.
pub const TEXT: u8 = 0;

/// What the requests are checked with and read by.
pub struct Hooks {
    keys: Option<Keys>,
    within_ms: i64,
    currency: Currency,
    wording: Wording,
}

/// The account's signature secret, as each of the two APIs signs with it.
struct Keys {
    fields: Key,
    token: Key,
}

impl Keys {
    fn new(method: Method, secret: &SecretText) -> Self {
        let octets = secret.expose().as_bytes();
        let hmac = |hash| Key::new(hash, Encoding::Hex, octets);
        let fields = match method {
            Method::Md5hash => Key::md5_then(Encoding::Hex, secret.clone()),
            Method::Md5 => hmac(Hash::Md5),
            Method::Sha1 => hmac(Hash::Sha1),
            Method::Sha256 => hmac(Hash::Sha256),
            Method::Sha512 => hmac(Hash::Sha512),
        };
        Self { fields, token: Key::new(Hash::Sha256, Encoding::Base64Url, octets) }
    }
}

/// The fields of a request: its query, its form or its JSON object; nothing where a value of that is not plain,
/// since no signature covers it.
fn fields_of(delivery: &Delivery<'_>) -> Option<Fields> {
    if delivery.body.is_empty() {
        return Some(Fields::read(delivery.query.as_bytes()));
    }
    if delivery.body.trim_ascii_start().first() != Some(&b'{') {
        return Some(Fields::read(delivery.body));
    }
    let object: serde_json::Map<String, Value> = json::from_slice(delivery.body).ok()?;
    let plain = |(name, value): (String, Value)| match value {
        Value::String(text) => Some((name, text)),
        Value::Number(number) => Some((name, json::number(&number))),
        Value::Bool(flag) => Some((name, flag.to_string())),
        _ => None,
    };
    object.into_iter().map(plain).collect::<Option<Vec<_>>>().map(Fields::of)
}

/// The bearer token that a request shows.
fn bearer<'a>(delivery: &Delivery<'a>) -> Option<&'a str> {
    let shown = delivery.headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = shown.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A time in whole seconds since 1970, as both signatures have it.
fn seconds(text: &str) -> Option<Timestamp> {
    text.parse::<i64>().ok()?.checked_mul(1_000).map(Timestamp)
}

/// A time as the SMS API writes it: `2020-01-01 12:00:00`, in UTC.
fn time(text: &str) -> Option<Timestamp> {
    Timestamp::parse(&format!("{}Z", text.trim().replacen(' ', "T", 1)))
}

/// Our reference, where it is one.
fn ours(reference: Option<&str>) -> Option<MessageId> {
    reference.filter(|id| id.starts_with(MessageId::PREFIX)).map(MessageId::from_text)
}

/// The number of ours, or the name, that somebody wrote to.
fn written_to(written: &str) -> String {
    sender(written).text().to_owned()
}

impl Hooks {
    /// Those of this account.
    pub fn new(config: &Config, secret: Option<&SecretText>) -> Self {
        Self {
            keys: secret.map(|secret| Keys::new(config.signature_method, secret)),
            within_ms: config.signed_within.as_millis(),
            currency: config.currency,
            wording: Wording::new(&WORDS, &config.sent_words),
        }
    }

    /// Whether anything can be believed.
    pub const fn can_check(&self) -> bool {
        self.keys.is_some()
    }

    fn is_recent(&self, at: Option<Timestamp>, now: Timestamp) -> bool {
        let age_ms = at.and_then(|at| now.as_millis().checked_sub(at.as_millis()));
        age_ms.is_some_and(|age_ms| (-AHEAD_MS..=self.within_ms).contains(&age_ms))
    }

    /// Whether Vonage signed these fields, lately.
    fn has_signed(&self, key: &Key, fields: &Fields, now: Timestamp) -> bool {
        let sorted = fields.sorted();
        let Some(shown) = fields.get("sig") else { return false };
        if sorted.iter().any(|(name, _)| name.contains(['&', '='])) {
            return false;
        }
        let signed: String = sorted
            .iter()
            .filter(|(name, _)| *name != "sig")
            .map(|(name, value)| format!("&{name}={}", value.replace(['&', '='], "_")))
            .collect();
        key.has_signed(shown.to_ascii_lowercase().as_bytes(), [signed.as_bytes()])
            && self.is_recent(fields.get("timestamp").and_then(seconds), now)
    }

    /// Whether Vonage signed this token, lately and for this body.
    fn has_shown(&self, key: &Key, token: &str, delivery: &Delivery<'_>) -> bool {
        let Some(claims) = jwt::claims(token, key) else { return false };
        let text = |name: &str| claims.get(name).and_then(json::text);
        let hash = hex(&Sha256::digest(delivery.body));
        let is_of_body = text("payload_hash")
            .is_some_and(|shown| is_same(shown.to_ascii_lowercase().as_bytes(), hash.as_bytes()));
        let at = text("iat").and_then(|at| seconds(&at));
        is_of_body && text("iss").as_deref() == Some("Vonage") && self.is_recent(at, delivery.now)
    }

    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        let Some(keys) = &self.keys else { return Err(NotBelieved::NotExpected) };
        if delivery.body.len().max(delivery.query.len()) > MAX_BODY {
            return Err(NotBelieved::Malformed(format!("a request of more than {MAX_BODY} bytes")));
        }
        if let Some(token) = bearer(delivery) {
            if !self.has_shown(&keys.token, token, delivery) {
                return Err(NotBelieved::Signature);
            }
            return self.of_messages(delivery);
        }
        let fields = fields_of(delivery).ok_or(NotBelieved::Signature)?;
        if !self.has_signed(&keys.fields, &fields, delivery.now) {
            return Err(NotBelieved::Signature);
        }
        let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}`"));
        let id = fields.get("messageId").ok_or_else(|| missing("messageId"))?;
        match fields.get("status") {
            Some(status) => Ok(self.receipt(id, status, &fields, delivery)),
            None => text(id, &fields, delivery).ok_or_else(|| missing("msisdn")),
        }
    }

    /// What a receipt of the SMS API says: of a text, or of one of its segments.
    fn receipt(&self, id: &str, status: &str, fields: &Fields, delivery: &Delivery<'_>) -> Vec<Event> {
        let told_at = fields.get("message-timestamp").and_then(time);
        let at = told_at.unwrap_or(delivery.now);
        let code = fields.get("err-code");
        let price = fields.get("price").map(|price| Value::String(price.to_owned()));
        let price = answers::price(price.as_ref(), self.currency);
        let told = self.told((id, status, at), (Place::Receipt, code), None);
        let receipt = told.map(|receipt| Event::Receipt(Receipt { price, ..receipt }));
        let person = fields.get("msisdn").filter(|_| is_opt_out(Place::Receipt, code));
        all(receipt, (id, true), ours(fields.get("client-ref")), (person, told_at))
    }

    /// What a text became, with why; nothing for a word that nobody knows.
    fn told(
        &self,
        (id, status, at): (&str, &str, Timestamp),
        (place, code): (Place, Option<&str>),
        words: Option<&str>,
    ) -> Option<Receipt> {
        let state = self.wording.state(status)?;
        let is_failed = matches!(state, State::Failed | State::Expired);
        let (why, is_documented) = if is_failed { place.why(code, words) } else { (None, false) };
        Some(Receipt { why, is_documented, ..Receipt::new(id, state, at) })
    }

    /// What the Messages API tells: a report, or a person's text.
    fn of_messages(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        let body: Value =
            json::from_slice(delivery.body).map_err(|_| NotBelieved::Malformed("no JSON".to_owned()))?;
        let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}`"));
        let text = |name: &str| body.get(name).and_then(json::text);
        if text("channel").is_some_and(|channel| channel != "sms") {
            // Signed, and of something that is no SMS.
            return Ok(Vec::new());
        }
        let id = text("message_uuid").ok_or_else(|| missing("message_uuid"))?;
        let told_at = text("timestamp").and_then(|at| Timestamp::parse(&at));
        let at = told_at.unwrap_or(delivery.now);
        let Some(status) = text("status") else {
            let from = text("from").ok_or_else(|| missing("from"))?;
            let to = text("to").ok_or_else(|| missing("to"))?;
            return Ok(vec![Event::Reply(Reply {
                vendor_id: id,
                from: sender(&from),
                to: written_to(&to),
                // A person may send a picture and no text.
                text: text("text").unwrap_or_default(),
                at,
                content: None,
                is_again: false,
                is_answered: false,
            })]);
        };
        let error = body.get("error").unwrap_or(&Value::Null);
        let (code, words) = (code_of(error), words_of(error));
        let told = self.told((&id, &status, at), (Place::Message, code.as_deref()), words.as_deref());
        let usage = body.get("usage").unwrap_or(&Value::Null);
        let currency =
            usage.get("currency").and_then(Value::as_str).and_then(|unit| unit.trim().parse().ok());
        let price = currency.and_then(|currency| answers::price(usage.get("price"), currency));
        let receipt = told.map(|receipt| Event::Receipt(Receipt { price, ..receipt }));
        // What is signed counts; nobody signed the address, and one that says otherwise names nothing.
        let message = match (ours(text("client_ref").as_deref()), delivery.message) {
            (Some(signed), Some(addressed)) if signed != *addressed => None,
            (signed, addressed) => signed.or_else(|| addressed.cloned()),
        };
        let to = text("to");
        let person = to.as_deref().filter(|_| is_opt_out(Place::Message, code.as_deref()));
        Ok(all(receipt, (&id, false), message, (person, told_at)))
    }
}

/// What a report tells: what became of the text, which message of ours it is, and who wants no more since when.
/// `by_segment`: the id may be that of one of its segments.
fn all(
    receipt: Option<Event>,
    (id, by_segment): (&str, bool),
    message: Option<MessageId>,
    (person, at): (Option<&str>, Option<Timestamp>),
) -> Vec<Event> {
    let heard_by = message.clone().map(HeardBy::Report);
    let named = message.map(|message| Event::Named { message, vendor_id: id.to_owned(), by_segment });
    let wish = person.map(|to| Event::OptOut { number: sender(to), is_out: true, at, heard_by });
    receipt.into_iter().chain(named).chain(wish).collect()
}

/// A person's text, or a segment of it; nothing of data that is no text.
fn text(id: &str, fields: &Fields, delivery: &Delivery<'_>) -> Option<Vec<Event>> {
    let (from, to) = (fields.get("msisdn")?, written_to(fields.get("to")?));
    if fields.get("type") == Some("binary") {
        return Some(Vec::new());
    }
    let words = fields.get("text").unwrap_or_default();
    let at = fields.get("message-timestamp").and_then(time).unwrap_or(delivery.now);
    let (vendor_id, from) = (id.to_owned(), sender(from));
    Some(vec![match place_in(fields) {
        Some((reference, total, number)) => Event::Segment(ReplySegment {
            from,
            to,
            reference,
            total,
            number,
            coding: TEXT,
            octets: words.as_bytes().to_vec(),
            vendor_id,
            at,
            content: None,
            is_again: false,
        }),
        None => Event::Reply(Reply {
            vendor_id,
            from,
            to,
            text: words.to_owned(),
            at,
            content: None,
            is_again: false,
            is_answered: false,
        }),
    }])
}

/// Which segment of a text this is: the text's number, how many segments it has, and which this is. Nothing
/// where it is all of it; and where it does not say that in a way that can be, it is told as it is, so that
/// nothing of it is lost.
fn place_in(fields: &Fields) -> Option<(u16, u8, u8)> {
    fields.get("concat").filter(|flag| flag.eq_ignore_ascii_case("true"))?;
    let number = |name: &str| fields.get(name)?.trim().parse::<u8>().ok();
    let (total, number) = (number("concat-total")?, number("concat-part")?);
    let is_possible = total > 1 && (1..=total).contains(&number);
    is_possible.then(|| (reference(fields.get("concat-ref").unwrap_or_default()), total, number))
}

/// The number of a text, of whatever Vonage names it by.
fn reference(written: &str) -> u16 {
    written.trim().parse().unwrap_or_else(|_| {
        let [first, second, ..]: [u8; 32] = Sha256::digest(written.trim()).into();
        u16::from_be_bytes([first, second])
    })
}
