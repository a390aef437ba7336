//! What Sinch sends by itself: reports about texts and texts of people, one a request, as JSON.
//!
//! Whether and how a plan proves its webhooks is arranged with Sinch: with an HMAC over the raw body, a nonce
//! and a time, or with a user and a password. What is proven is believed. What is not, and comes to the
//! address of one text, is a hint: the report is asked for before anything of it is believed. Texts of people
//! are taken only where they are proven, since nobody can be asked whether one was written.
//!
//! Sinch tries for the better part of two days what was answered with a 5xx or 429, and no page says whether
//! the time is that of the try. So a time of two days is taken; within it a request can be replayed, which
//! changes nothing.

use serde_json::Value;

use super::answers::Fared;
use crate::clock::Timestamp;
use crate::provider::exchange::{Delivery, Event, NotBelieved, Reply};
use crate::provider::rest::json;
use crate::provider::rest::wording::Wording;
use crate::provider::signature::{BasicLogin, Key};
use crate::sms::caller_id::Sender;
use crate::sms::message::MessageId;

/// Largest body that is looked at: a text of 2000 characters, each written out, is a third of it.
const MAX_BODY: usize = 64 * 1024;

/// How far the time of a request may be from ours, in milliseconds: tries come after 5 seconds and then twice
/// as long each time, the last one after 81,920.
const TOLERANCE_MS: i64 = 48 * 3_600_000;

/// What the requests are checked with and read by.
pub struct Hooks {
    /// What signs them.
    pub key: Option<Key>,
    /// What they show in its place.
    pub login: Option<BasicLogin>,
    /// What a status means.
    pub wording: Wording,
}

impl Hooks {
    /// Whether anything can be proven.
    pub const fn can_check(&self) -> bool {
        self.key.is_some() || self.login.is_some()
    }

    fn is_signed(key: &Key, delivery: &Delivery<'_>) -> bool {
        let header = |name: &str| {
            delivery
                .headers
                .get(format!("x-sinch-webhook-signature{name}"))
                .and_then(|value| value.to_str().ok())
        };
        let (Some(shown), Some(nonce), Some(time)) = (header(""), header("-nonce"), header("-timestamp"))
        else {
            return false;
        };
        let is_known = header("-algorithm").is_none_or(|name| name.eq_ignore_ascii_case("HmacSHA256"));
        let at_ms = time.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
        let is_now = at_ms
            .and_then(|at_ms| delivery.now.as_millis().checked_sub(at_ms))
            .is_some_and(|age_ms| age_ms.saturating_abs() <= TOLERANCE_MS);
        let pieces = [delivery.body, b".", nonce.as_bytes(), b".", time.as_bytes()];
        is_known && is_now && key.has_signed(shown.as_bytes(), pieces)
    }

    fn is_proven(&self, delivery: &Delivery<'_>) -> bool {
        self.key.as_ref().is_some_and(|key| Self::is_signed(key, delivery))
            || self.login.as_ref().is_some_and(|login| login.is_shown(delivery.headers))
    }

    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if delivery.body.len() > MAX_BODY {
            return Err(NotBelieved::Malformed(format!("a body of more than {MAX_BODY} bytes")));
        }
        let is_proven = self.is_proven(delivery);
        if self.can_check() && !is_proven && delivery.message.is_none() {
            return Err(NotBelieved::Signature);
        }
        let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}`"));
        let body: Value =
            json::from_slice(delivery.body).map_err(|_| NotBelieved::Malformed("no JSON".to_owned()))?;
        let fared: Vec<&Value> = match body.get("type").and_then(Value::as_str) {
            Some("recipient_delivery_report_sms") => vec![&body],
            Some("delivery_report_sms") => {
                body.get("statuses").and_then(Value::as_array).into_iter().flatten().collect()
            }
            Some("mo_text") if is_proven => {
                let reply = reply(&body, delivery).ok_or_else(|| missing("id"))?;
                return Ok(vec![Event::Reply(reply)]);
            }
            Some("mo_text") => return Err(NotBelieved::Signature),
            // A picture, or a kind that this version does not know.
            Some(_) => return Ok(Vec::new()),
            None => return Err(missing("type")),
        };
        let id = json::first(&body, &["batch_id"]).ok_or_else(|| missing("batch_id"))?;
        Ok(self.report(id, &fared, &body, is_proven, delivery))
    }

    fn report(
        &self,
        id: String,
        fared: &[&Value],
        body: &Value,
        is_proven: bool,
        delivery: &Delivery<'_>,
    ) -> Vec<Event> {
        // A word that nobody knows is looked up, and what the answer means is said there. So is what speaks
        // of more than one text: there is none such here.
        let receipt = match fared {
            [one] if is_proven => Fared(one).receipt(&id, &self.wording, delivery.now).ok(),
            _ => None,
        };
        let reference = body.get("client_reference").and_then(Value::as_str);
        let ours = reference.filter(|id| is_proven && id.starts_with(MessageId::PREFIX));
        let message = delivery.message.cloned().or_else(|| ours.map(MessageId::from_text));
        // Gives a message whose answer was lost its id, and the report with it.
        let hint = (receipt.is_none() || message.is_some()).then_some(Event::Hint { vendor_id: id, message });
        receipt.map(Event::Receipt).into_iter().chain(hint).collect()
    }
}

/// A person's text.
fn reply(body: &Value, delivery: &Delivery<'_>) -> Option<Reply> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    Some(Reply {
        vendor_id: json::first(body, &["id"])?,
        from: Sender::of(text("from")?),
        to: text("to").unwrap_or_default().to_owned(),
        text: text("body").unwrap_or_default().to_owned(),
        at: text("received_at").and_then(Timestamp::parse).unwrap_or(delivery.now),
        content: None,
        is_again: false,
        is_answered: false,
    })
}
