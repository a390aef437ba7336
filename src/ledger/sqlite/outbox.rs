//! What the operator's own system is still to be told, written in the same transaction as what it tells of, so that
//! nothing is told that did not happen, and nothing that happened is left untold.

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::row::{COLUMNS, record_from};
use super::job::JobResult;
use super::states::sql;
use crate::clock::Timestamp;
use crate::ledger::{Forward, NewReply};
use crate::sms::message::{MessageId, State, hex};
use crate::sms::money::Amount;

/// The event that tells of this state, where one does.
const fn event_of(state: State) -> Option<&'static str> {
    match state {
        State::Sent => Some("message.sent"),
        State::Delivered => Some("message.delivered"),
        State::Failed | State::Expired | State::Rejected => Some("message.failed"),
        State::Unknown => Some("message.unknown"),
        State::Held => Some("message.held"),
        State::Scheduled | State::Queued | State::Attempting | State::Canceled => None,
    }
}

/// Writes that a message entered a state. A message enters each at most once, which makes the event's id.
pub(super) fn tell_change(db: &Connection, seq: i64, state: State, at: Timestamp) -> JobResult<()> {
    let Some(event) = event_of(state) else { return Ok(()) };
    let mut statement = db.prepare_cached(sql!("SELECT {COLUMNS}, principal FROM message WHERE seq = ?1"))?;
    let (message, principal) = statement.query_row([seq], |row| Ok((record_from(row)?, row.get::<_, String>("principal")?)))?;
    let mut data = json!({
        "id": message.id,
        "status": state.as_str(),
        "principal": principal,
        "to": message.to,
        "segments": message.segments,
        "price": { "amount": Amount(message.price_micros.unwrap_or(message.held_micros)), "currency": message.currency },
        "provider": message.provider,
    });
    let mut add = |name: &str, value: Option<String>| {
        if let (Some(data), Some(value)) = (data.as_object_mut(), value) {
            data.insert(name.to_owned(), Value::from(value));
        }
    };
    add("from", message.from);
    add("batch", message.batch.map(|batch| batch.to_string()));
    add("provider_message_id", message.vendor_id);
    if !matches!(state, State::Sent | State::Delivered) {
        add("code", message.code.map(|code| code.to_string()));
        add("reason", message.why);
    }
    let is_charged = message.price_micros.unwrap_or(message.held_micros) > 0;
    if let Some(price) = data.pointer_mut("/price").and_then(Value::as_object_mut).filter(|_| message.is_assumed && is_charged) {
        price.insert("assumed".to_owned(), Value::from(true));
    }
    if let Some(data) = data.as_object_mut().filter(|_| message.realm.is_sandbox()) {
        data.insert("sandbox".to_owned(), Value::from(true));
    }
    let name = message.id.as_str().strip_prefix(MessageId::PREFIX).unwrap_or(message.id.as_str());
    add_event(db, &format!("evt_{name}_{state}"), event, at, &data)
}

/// Writes that a person replied, and whose reply it is where the message that it answers is forgotten. The event's id is made of
/// what makes the reply one.
pub(super) fn tell_reply(db: &Connection, reply: &NewReply, answers: Option<&MessageId>, principal: Option<String>) -> JobResult<()> {
    let mut data = json!({ "from": reply.from, "to": reply.to, "text": reply.text, "provider": reply.provider });
    if let (Some(data), Some(id)) = (data.as_object_mut(), answers) {
        data.insert("in_reply_to".to_owned(), Value::from(id.as_str()));
    }
    if let (Some(data), Some(principal)) = (data.as_object_mut(), principal) {
        data.insert("principal".to_owned(), Value::from(principal));
    }
    if let (Some(data), true) = (data.as_object_mut(), reply.is_unsettled) {
        data.insert("unsettled".to_owned(), Value::from(true));
    }
    if let (Some(data), false) = (data.as_object_mut(), reply.is_whole) {
        data.insert("is_whole".to_owned(), Value::from(false));
    }
    add_event(db, &format!("{}_replied", reply_event(&reply.provider, &reply.vendor_id)), "message.replied", reply.at, &data)
}

fn reply_event(provider: &str, vendor_id: &str) -> String {
    let digest = Sha256::digest(format!("{provider}\n{vendor_id}"));
    format!("evt_{}", hex(digest.get(..13).unwrap_or(&digest)))
}

/// Writes who a reply is from that was told as unsettled.
pub(super) fn tell_settled(db: &Connection, seq: i64, answers: Option<&MessageId>) -> JobResult<()> {
    let mut statement = db.prepare_cached("SELECT provider, vendor_id, sender, recipient, text, at_ms, is_whole FROM reply WHERE seq = ?1")?;
    let (id, at, is_whole, mut data) = statement.query_row([seq], |row| {
        let (provider, vendor_id): (String, String) = (row.get(0)?, row.get(1)?);
        let (from, to, text): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let event = reply_event(&provider, &vendor_id);
        let settles = format!("{event}_replied");
        let data = json!({ "from": from, "to": to, "text": text, "provider": provider, "settles": settles });
        Ok((format!("{event}_settled"), Timestamp(row.get(5)?), row.get(6)?, data))
    })?;
    if let (Some(data), false) = (data.as_object_mut(), is_whole) {
        data.insert("is_whole".to_owned(), Value::from(false));
    }
    if let (Some(data), Some(id)) = (data.as_object_mut(), answers) {
        data.insert("in_reply_to".to_owned(), Value::from(id.as_str()));
    }
    add_event(db, &id, "message.replied", at, &data)
}

fn add_event(db: &Connection, id: &str, event: &str, at: Timestamp, data: &Value) -> JobResult<()> {
    let body = json!({ "type": event, "timestamp": at.rfc3339(), "data": data }).to_string();
    db.prepare_cached("INSERT INTO forward (id, at_ms, body) VALUES (?1, ?2, ?3)")?.execute(params![id, at.as_millis(), body])?;
    Ok(())
}

/// Whether there is anything to tell, so that nothing is written while there is not.
pub(super) fn has_forwards(db: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM forward WHERE due_ms <= ?1)")?.query_row([now.as_millis()], |row| row.get(0))
}

/// The ids of all events of this one's message: from the first of these, and before the second. A reply is alone.
fn message_of(id: &str) -> (String, String) {
    let name = id.rsplit_once('_').map_or(id, |(name, _)| name);
    (format!("{name}_"), format!("{name}`")) // The character after `_`.
}

/// How often a claim looks on where all that was due has to wait.
const CLAIM_ROUNDS: u32 = 32;

/// See [`crate::ledger::facets::Outbox::claim_forwards`]. What an earlier event of its message is still to be told before waits for it.
pub(super) fn claim_forwards(db: &Connection, limit: u32, now: Timestamp, again: Timestamp) -> JobResult<Vec<Forward>> {
    let mut statement =
        db.prepare_cached("SELECT seq, id, at_ms, body, tries + 1, due_ms FROM forward WHERE due_ms <= ?1 ORDER BY due_ms, seq LIMIT ?2")?;
    let mut earlier = db.prepare_cached("SELECT max(due_ms) FROM forward WHERE id >= ?1 AND id < ?2 AND seq < ?3 AND due_ms > ?4")?;
    let mut wait = db.prepare_cached("UPDATE forward SET due_ms = ?2 WHERE seq = ?1")?;
    let mut claim = db.prepare_cached("UPDATE forward SET due_ms = ?2, tries = tries + 1 WHERE seq = ?1")?;
    for _ in 0..CLAIM_ROUNDS {
        let rows = statement.query_map(params![now.as_millis(), limit], |row| {
            let forward = Forward { sequence: row.get(0)?, id: row.get(1)?, at: Timestamp(row.get(2)?), body: row.get(3)?, tries: row.get(4)? };
            Ok((forward, row.get(5)?))
        })?;
        let due: Vec<(Forward, i64)> = rows.collect::<rusqlite::Result<_>>()?;
        let is_end = due.is_empty();
        let mut claimed = Vec::with_capacity(due.len());
        for (forward, due_ms) in due {
            let (from, to) = message_of(&forward.id);
            // Also behind one that is due now: there may be no room for it among these.
            let until: Option<i64> = earlier.query_row(params![from, to, forward.sequence, due_ms], |row| row.get(0))?;
            match until {
                Some(until) => drop(wait.execute([forward.sequence, until.saturating_add(1)])?),
                None => claimed.push(forward),
            }
        }
        if is_end || !claimed.is_empty() {
            for forward in &claimed {
                claim.execute([forward.sequence, again.as_millis()])?;
            }
            return Ok(claimed);
        }
    }
    Ok(Vec::new())
}

/// See [`crate::ledger::facets::Outbox::forwarded`]. What waited for an event that is done with is due.
pub(super) fn forwarded(db: &Connection, sequence: i64, next: Option<Timestamp>) -> JobResult<()> {
    let Some(next) = next else {
        let id =
            db.prepare_cached("DELETE FROM forward WHERE seq = ?1 RETURNING id")?.query_row([sequence], |row| row.get::<_, String>(0)).optional()?;
        if let Some(id) = id {
            let (from, to) = message_of(&id);
            db.prepare_cached("UPDATE forward SET due_ms = 0 WHERE id >= ?1 AND id < ?2 AND tries = 0")?.execute([from, to])?;
        }
        return Ok(());
    };
    db.prepare_cached("UPDATE forward SET due_ms = ?2 WHERE seq = ?1")?.execute([sequence, next.as_millis()])?;
    Ok(())
}
