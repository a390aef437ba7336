//! What the phone sends by itself: reports about texts and texts of people, one a request, as JSON.
//!
//! Each request is signed with the app's signing key over the raw body and the time of that try, so one that
//! is five minutes from ours is not believed; within them a request can be replayed, which changes nothing. A
//! text of several segments is reported segment by segment, and all its reports name the one message.
//!
//! The app's id of a person's text is made of what it says, and is the same when they write it again. So a
//! text is known by that and the moment at which it came in.

use serde_json::Value;

use crate::clock::Timestamp;
use crate::provider::exchange::{Delivery, Event, NotBelieved, Receipt, Reply};
use crate::provider::rest::json;
use crate::provider::signature::Key;
use crate::sms::caller_id::Sender;
use crate::sms::message::{MessageId, State};
use crate::sms::money::Money;

/// Largest body that is looked at: the longest text of a phone, each character written out, is a third of it.
const MAX_BODY: usize = 64 * 1024;

/// How far the time of a request may be from ours, in milliseconds: what the app's page advises.
const TOLERANCE_MS: i64 = 300_000;

/// What the requests are checked with.
pub struct Hooks {
    /// The app's signing key.
    pub key: Option<Key>,
    /// What a text costs where all of them cost nothing.
    pub nothing: Option<Money>,
}

impl Hooks {
    fn is_signed(key: &Key, delivery: &Delivery<'_>) -> bool {
        let header = |name: &str| delivery.headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(shown), Some(time)) = (header("x-signature"), header("x-timestamp")) else { return false };
        let at_ms = time.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
        let is_now = at_ms
            .and_then(|at_ms| delivery.now.as_millis().checked_sub(at_ms))
            .is_some_and(|age_ms| age_ms.saturating_abs() <= TOLERANCE_MS);
        is_now && key.has_signed(shown.as_bytes(), [delivery.body, time.as_bytes()])
    }

    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        let Some(key) = &self.key else { return Err(NotBelieved::NotExpected) };
        if delivery.body.len() > MAX_BODY {
            return Err(NotBelieved::Malformed(format!("a body of more than {MAX_BODY} bytes")));
        }
        if !Self::is_signed(key, delivery) {
            return Err(NotBelieved::Signature);
        }
        let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}`"));
        let body: Value =
            json::from_slice(delivery.body).map_err(|_| NotBelieved::Malformed("no JSON".to_owned()))?;
        let payload = body.get("payload").unwrap_or(&Value::Null);
        let report = |state, time: &str| {
            let id = json::first(payload, &["messageId"]).ok_or_else(|| missing("payload.messageId"))?;
            let at = moment(payload, time).unwrap_or(delivery.now);
            let why = payload.get("reason").and_then(json::text).filter(|_| state == State::Failed);
            let price = self.nothing;
            Ok(report(Receipt { why, price, ..Receipt::new(id, state, at) }))
        };
        match body.get("event").and_then(Value::as_str) {
            Some("sms:sent") => report(State::Sent, "sentAt"),
            Some("sms:delivered") => report(State::Delivered, "deliveredAt"),
            Some("sms:failed") => report(State::Failed, "failedAt"),
            Some("sms:received") => {
                let reply = reply(&body, payload, delivery).ok_or_else(|| missing("payload.phoneNumber"))?;
                Ok(vec![Event::Reply(reply)])
            }
            // Signed, and of a kind that is nothing to us: a ping, a picture, data for an app.
            Some(_) => Ok(Vec::new()),
            None => Err(missing("event")),
        }
    }
}

fn moment(payload: &Value, name: &str) -> Option<Timestamp> {
    Timestamp::parse(payload.get(name)?.as_str()?)
}

/// A report about one message, whose id is ours.
fn report(receipt: Receipt) -> Vec<Event> {
    let id = receipt.vendor_id.clone();
    // Gives a message that nobody heard of since it was handed over its id, and the report with it.
    let ours = id.starts_with(MessageId::PREFIX).then(|| MessageId::from_text(id.clone()));
    let hint = ours.map(|ours| Event::Hint { vendor_id: id, message: Some(ours) });
    [Event::Receipt(receipt)].into_iter().chain(hint).collect()
}

/// A person's text.
fn reply(body: &Value, payload: &Value, delivery: &Delivery<'_>) -> Option<Reply> {
    let from = json::first(payload, &["sender", "phoneNumber"])?;
    let came = moment(payload, "receivedAt");
    let known = json::first(payload, &["messageId"]).or_else(|| json::first(body, &["id"]))?;
    let at = came.unwrap_or(delivery.now);
    Some(Reply {
        vendor_id: came.map_or_else(|| known.clone(), |came| Reply::id_of(&known, came)),
        from: Sender::of(&from),
        to: json::first(payload, &["recipient"]).unwrap_or_default(),
        text: payload.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
        at,
        content: None,
        is_again: false,
        is_answered: false,
    })
}
