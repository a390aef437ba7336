//! What AWS tells over SNS, once its envelope is believed: what became of a text, and what a person wrote.
//!
//! Both are JSON. An event says again what a send gave it as its context: our reference, by which a text whose
//! answer was lost is known. Whatever else may come over a topic is nobody's here.

use serde_json::Value;

use super::codes::CODES;
use crate::clock::Timestamp;
use crate::provider::exchange::{Event, NotBelieved, Receipt, Reply};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::json;
use crate::sms::caller_id::Sender;
use crate::sms::message::{MessageId, State};
use crate::sms::money::{Currency, Money};

/// The name of our reference in the context of a send.
pub(super) const REFERENCE: &str = "m";

/// Events of a text that has left us: AWS took it, whatever came after. `TEXT_UNKNOWN` is the last word where
/// no carrier told anything in 72 hours.
const TAKEN: [&str; 5] = ["TEXT_QUEUED", "TEXT_PENDING", "TEXT_SENT", "TEXT_SUCCESSFUL", "TEXT_UNKNOWN"];

/// What every event of a text begins with.
const OF_TEXTS: &str = "TEXT_";

/// Reads one.
///
/// # Errors
/// [`NotBelieved::Malformed`].
pub(super) fn read(message: &str, now: Timestamp) -> Result<Vec<Event>, NotBelieved> {
    let missing = |name: &str| NotBelieved::Malformed(format!("no `{name}`"));
    // Signed, and not of this service: whoever may publish to the topic wrote it.
    let Ok(body) = json::from_slice::<Value>(message.as_bytes()) else { return Ok(Vec::new()) };
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if let Some(kind) = text("eventType").filter(|kind| kind.starts_with(OF_TEXTS)) {
        let id = text("messageId").filter(|id| !id.is_empty()).ok_or_else(|| missing("messageId"))?;
        return Ok(report(id, kind, &body, now));
    }
    match text("inboundMessageId").filter(|id| !id.is_empty()) {
        Some(id) => {
            let from = text("originationNumber").ok_or_else(|| missing("originationNumber"))?;
            Ok(vec![Event::Reply(Reply {
                vendor_id: id.to_owned(),
                from: Sender::of(from),
                to: text("destinationNumber").unwrap_or_default().to_owned(),
                text: text("messageBody").unwrap_or_default().to_owned(),
                at: now,
                content: None,
                is_again: false,
                is_answered: false,
            })])
        }
        None => Ok(Vec::new()),
    }
}

/// What a text cost so far, with what its carrier takes. Nothing is not believed of one that is on its way:
/// its price may come with a later event.
fn price(body: &Value, is_failed: bool) -> Option<Money> {
    let of = |name: &str| amount::micros_of(body.get(name)?, Rounding::Up).filter(|micros| *micros >= 0);
    let fee = if body.get("totalCarrierFee").is_some() { of("totalCarrierFee")? } else { 0 };
    let micros = of("totalMessagePrice")?.checked_add(fee)?;
    (micros > 0 || is_failed).then_some(Money { micros, currency: Currency::USD })
}

/// The state that an event means, and why a text failed. Nothing for a failure that is not AWS's last word.
fn state(kind: &str, is_final: bool) -> Option<(State, Option<String>)> {
    match kind {
        "TEXT_DELIVERED" => Some((State::Delivered, None)),
        taken if TAKEN.contains(&taken) => Some((State::Sent, None)),
        failed if is_final => {
            let why = CODES.find(failed)?.why();
            Some((if failed == "TEXT_TTL_EXPIRED" { State::Expired } else { State::Failed }, Some(why)))
        }
        _ => None,
    }
}

fn report(id: &str, kind: &str, body: &Value, now: Timestamp) -> Vec<Event> {
    let ours = body.pointer(&format!("/context/{REFERENCE}")).and_then(Value::as_str);
    let ours = ours.filter(|id| id.starts_with(MessageId::PREFIX)).map(MessageId::from_text);
    let is_final = body.get("isFinal").and_then(Value::as_bool).unwrap_or(true);
    let receipt = state(kind, is_final).map(|(state, why)| {
        let at = body.get("eventTimestamp").and_then(Value::as_i64).map_or(now, Timestamp);
        let is_failed = matches!(state, State::Failed | State::Expired);
        let (is_documented, price) = (why.is_some(), price(body, is_failed));
        Event::Receipt(Receipt { why, is_documented, price, ..Receipt::new(id, state, at) })
    });
    // Gives a text whose answer was lost its id, and the report with it.
    let hint = ours.map(|message| Event::Hint { vendor_id: id.to_owned(), message: Some(message) });
    receipt.into_iter().chain(hint).collect()
}
