//! What MailerSend sends by itself: reports about texts (webhooks) and texts of people (inbound routes). Both
//! are signed with HMAC-SHA256 over the raw body, each with the secret of its own hook, in lower-case
//! hexadecimal in the header `Signature`. The scheme has no time in it, so a request can be replayed:
//! whatever comes from here may come again and late, and carries the vendor's id and moment by which the
//! ledger sees that.
//!
//! Source: developers.mailersend.com, `api/v1/sms-webhooks`, "Security" and "Payload example". The body that
//! an inbound route forwards is not documented, so it is read in every likely shape.

use serde_json::Value;

use super::answers::{Reading, cause, e164, id, is_id, moment, moment_of, receipt, sender, text};
use crate::clock::Timestamp;
use crate::provider::exchange::{Delivery, Event, NotBelieved, Reply};
use crate::provider::rest::json;
use crate::provider::signature::{Encoding, Hash, Key};
use crate::setting::SecretText;
use crate::sms::message::State;

/// Largest body that is looked at: a text of 2048 characters, each escaped, and its frame are less than half
/// of it.
const MAX_BODY: usize = 64 * 1024;

/// The secret that signs MailerSend's test pings. Everybody knows it, so it proves nothing but that.
pub const PING_SECRET: &str = "test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G";

/// What the requests are checked with and read by.
pub struct Hooks {
    /// The secret of the webhook.
    pub signing: Option<SecretText>,
    /// The secret of the inbound route.
    pub inbound: Option<SecretText>,
    /// How reports are read.
    pub reading: Reading,
}

/// Whether `signature` is that of `body` under `secret`.
fn is_signed(secret: &str, body: &[u8], signature: &[u8]) -> bool {
    Key::new(Hash::Sha256, Encoding::Hex, secret.as_bytes()).has_signed(signature, [body])
}

impl Hooks {
    /// Reads one request.
    ///
    /// # Errors
    /// [`NotBelieved`].
    pub fn read(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if self.signing.is_none() && self.inbound.is_none() {
            return Err(NotBelieved::NotExpected);
        }
        if delivery.body.len() > MAX_BODY {
            return Err(NotBelieved::Malformed(format!("a body of more than {MAX_BODY} bytes")));
        }
        let signature = delivery.headers.get("signature").ok_or(NotBelieved::Signature)?.as_bytes();
        let by = |secret: &Option<SecretText>| {
            secret.as_ref().is_some_and(|secret| is_signed(secret.expose(), delivery.body, signature))
        };
        let (is_webhook, is_inbound) = (by(&self.signing), by(&self.inbound));
        let is_ping = is_signed(PING_SECRET, delivery.body, signature);
        if !is_webhook && !is_inbound && !is_ping {
            return Err(NotBelieved::Signature);
        }
        let body: Value =
            json::from_slice(delivery.body).map_err(|_| NotBelieved::Malformed("no JSON".to_owned()))?;
        let kind = text(&body, "/type").unwrap_or_default();
        match kind {
            "webhook.test" => Ok(Vec::new()),
            _ if is_webhook && is_report(&body) => self.report(&body, delivery.now),
            _ if is_inbound => reply(&body, delivery).map(|reply| vec![Event::Reply(reply)]),
            // Signed, and of a kind that this version does not know.
            _ if is_webhook && !kind.is_empty() => Ok(Vec::new()),
            _ if is_webhook => Err(NotBelieved::Malformed("no `type`".to_owned())),
            _ => Err(NotBelieved::Signature),
        }
    }

    /// `sms.sent`, `sms.delivered` or `sms.failed`.
    fn report(&self, body: &Value, now: Timestamp) -> Result<Vec<Event>, NotBelieved> {
        let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}` that can be read"));
        let vendor_id = id(body, "/data/sms_message_id").ok_or_else(|| missing("data.sms_message_id"))?;
        let in_type = text(body, "/type").and_then(|kind| kind.strip_prefix("sms."));
        let words = [text(body, "/data/status"), text(body, "/data/sms/status"), in_type];
        let state = words
            .into_iter()
            .flatten()
            .find_map(|word| self.reading.wording.state(word))
            .ok_or_else(|| missing("data.status"))?;
        let said_at = moment(body, "/data/created_at").or_else(|| moment(body, "/created_at"));
        let at = said_at.unwrap_or(now);
        let sms = body.pointer("/data/sms").unwrap_or(&Value::Null);
        let why = cause(sms, self.reading.currency);
        let to = text(body, "/data/to").or_else(|| text(sms, "/to"));
        let is_out =
            (state == State::Failed && why.is_opt_out) || text(sms, "/recipient/status") == Some("opt_out");
        let mut events = Vec::new();
        match to {
            Some(to) => events.extend(receipt(vendor_id, to, state, at, why).map(Event::Receipt)),
            // Whose it is cannot be told, so the whole message is looked up.
            None => events.push(Event::Hint { vendor_id: vendor_id.to_owned(), message: None }),
        }
        if let Some(number) = text(sms, "/recipient/number").or(to).filter(|_| is_out) {
            events.push(Event::OptOut { number: sender(number), is_out: true, at: said_at, heard_by: None });
        }
        Ok(events)
    }
}

fn is_report(body: &Value) -> bool {
    matches!(text(body, "/type"), Some("sms.sent" | "sms.delivered" | "sms.failed"))
}

/// A person's text. Where it has no id, what it says is its id, so that a repeated one is known.
fn reply(body: &Value, delivery: &Delivery<'_>) -> Result<Reply, NotBelieved> {
    let find = |names: &[&str]| {
        let places = ["", "/data", "/data/sms", "/sms"].into_iter();
        places
            .flat_map(|place| names.iter().map(move |name| format!("{place}/{name}")))
            .find_map(|place| text(body, &place))
    };
    let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}`"));
    let from = find(&["from"]).ok_or_else(|| missing("from"))?;
    let to = find(&["to"]).ok_or_else(|| missing("to"))?;
    // A person may send a picture and no text.
    let said = find(&["text", "content", "message"]).unwrap_or_default();
    let vendor_id = find(&["id", "sms_message_id", "message_id"]).filter(|id| is_id(id));
    Ok(Reply {
        vendor_id: vendor_id.map_or_else(|| json::content_id_of(delivery.body), ToOwned::to_owned),
        from: sender(from),
        to: e164(to),
        text: said.to_owned(),
        at: find(&["created_at", "received_at"]).and_then(moment_of).unwrap_or(delivery.now),
        content: None,
        is_again: false,
        is_answered: false,
    })
}
