//! What Telnyx sends by itself: reports about texts and texts of people, both as JSON.
//!
//! Each request is signed with the account's Ed25519 key over its time, `|` and the raw body. The time is of
//! that try, so one that is five minutes from ours is not believed; within them a request can be replayed,
//! which changes nothing. The address is not signed. So each message has one of its own, with a token that
//! nobody can guess: a signed report that comes to it says which id our message has, and settles one whose
//! answer was lost.

use serde_json::Value;

use super::answers::Shown;
use super::codes;
use crate::provider::exchange::{Delivery, Event, HeardBy, NotBelieved, Reply};
use crate::provider::rest::json;
use crate::provider::rest::wording::Wording;
use crate::provider::signature::has_signed_ed25519;
use crate::sms::caller_id::Sender;

/// Largest body that is looked at: a text of 1600 characters, each written out, is a fifth of it.
const MAX_BODY: usize = 64 * 1024;

/// How far the time of a request may be from ours, in milliseconds: what the vendor's own library takes.
const TOLERANCE_MS: i64 = 300_000;

/// What the requests are checked with and read by.
pub struct Hooks {
    /// The account's public key.
    pub public_key: Option<String>,
    /// What a status means.
    pub wording: Wording,
}

impl Hooks {
    fn is_signed(&self, public_key: &str, delivery: &Delivery<'_>) -> bool {
        let header = |name: &str| delivery.headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(shown), Some(time)) = (header("telnyx-signature-ed25519"), header("telnyx-timestamp"))
        else {
            return false;
        };
        let at_ms = time.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
        let is_now = at_ms
            .and_then(|at_ms| delivery.now.as_millis().checked_sub(at_ms))
            .is_some_and(|age_ms| age_ms.saturating_abs() <= TOLERANCE_MS);
        let signed = [time.as_bytes(), b"|", delivery.body].concat();
        is_now && has_signed_ed25519(public_key, shown, &signed)
    }

    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        let Some(public_key) = &self.public_key else { return Err(NotBelieved::NotExpected) };
        if delivery.body.len() > MAX_BODY {
            return Err(NotBelieved::Malformed(format!("a body of more than {MAX_BODY} bytes")));
        }
        if !self.is_signed(public_key, delivery) {
            return Err(NotBelieved::Signature);
        }
        let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}`"));
        let body: Value =
            json::from_slice(delivery.body).map_err(|_| NotBelieved::Malformed("no JSON".to_owned()))?;
        let payload = body.pointer("/data/payload").unwrap_or(&Value::Null);
        let id = || Shown(payload).id().ok_or_else(|| missing("data.payload.id"));
        match body.pointer("/data/event_type").and_then(Value::as_str) {
            Some("message.sent" | "message.finalized") => Ok(self.report(&id()?, payload, delivery)),
            Some("message.received") => {
                let reply = reply(id()?, payload, delivery).ok_or_else(|| missing("data.payload.from"))?;
                Ok(vec![Event::Reply(reply)])
            }
            // Signed, and of a kind that this version does not know.
            Some(_) => Ok(Vec::new()),
            None => Err(missing("data.event_type")),
        }
    }

    fn report(&self, id: &str, payload: &Value, delivery: &Delivery<'_>) -> Vec<Event> {
        let hint = Event::Hint { vendor_id: id.to_owned(), message: delivery.message.cloned() };
        let shown = Shown(payload);
        // A word that nobody knows is looked up, and what the answer means is said there.
        let Ok(receipt) = shown.receipt(id, &self.wording, delivery.now) else { return vec![hint] };
        let person = payload.pointer("/to/0/phone_number").and_then(Value::as_str);
        let stopped = person.filter(|_| shown.code().as_deref() == Some(codes::OPTED_OUT));
        let wish = stopped.map(|to| Event::OptOut {
            number: Sender::of(to),
            is_out: true,
            at: shown.at(),
            heard_by: delivery.message.cloned().map(HeardBy::Report),
        });
        let hint = delivery.message.is_some().then_some(hint);
        receipt.map(Event::Receipt).into_iter().chain(hint).chain(wish).collect()
    }
}

/// A person's text.
fn reply(id: String, payload: &Value, delivery: &Delivery<'_>) -> Option<Reply> {
    let text = |place: &str| payload.pointer(place).and_then(Value::as_str);
    Some(Reply {
        vendor_id: id,
        from: Sender::of(text("/from/phone_number")?),
        to: text("/to/0/phone_number")?.to_owned(),
        // A person may send a picture and no text.
        text: text("/text").unwrap_or_default().to_owned(),
        at: text("/received_at").and_then(crate::clock::Timestamp::parse).unwrap_or(delivery.now),
        content: None,
        is_again: false,
        is_answered: false,
    })
}
