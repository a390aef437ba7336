//! What the operator's own system is still to be told, written in the same transaction as what it tells of,
//! so that nothing is told that did not happen, and nothing that happened is left untold.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use super::row::{COLUMNS, record_from};
use super::states::sql;
use crate::clock::Timestamp;
use crate::ledger::rules::events::{self, Event, Unsettled, message_of};
use crate::ledger::{Forward, NewReply};
use crate::sms::message::{MessageId, State};

/// Writes that a message entered a state.
pub(super) fn tell_change(db: &Connection, seq: i64, state: State, at: Timestamp) -> JobResult<()> {
    if events::name_of(state).is_none() {
        return Ok(());
    }
    let message = db
        .prepare_cached(sql!("SELECT {COLUMNS} FROM message WHERE seq = ?1"))?
        .query_row([seq], record_from)?;
    events::of_change(message, state, at).map_or(Ok(()), |event| add(db, &event))
}

/// Writes that a person replied, and whose reply it is where the message that it answers is forgotten.
pub(super) fn tell_reply(
    db: &Connection,
    reply: &NewReply,
    answers: Option<&MessageId>,
    principal: Option<String>,
) -> JobResult<()> {
    add(db, &events::of_reply(reply, answers, principal))
}

/// Writes who a reply is from that was told as unsettled.
pub(super) fn tell_settled(db: &Connection, seq: i64, answers: Option<&MessageId>) -> JobResult<()> {
    let mut statement = db.prepare_cached(
        "SELECT provider, vendor_id, sender, recipient, text, at_ms, is_whole FROM reply WHERE seq = ?1",
    )?;
    let reply = statement.query_row([seq], |row| {
        let (provider, vendor_id, from, to, text) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(Unsettled {
            provider,
            vendor_id,
            from,
            to,
            text,
            at: Timestamp(row.get(5)?),
            is_whole: row.get(6)?,
        })
    })?;
    add(db, &events::of_settled(&reply, answers))
}

/// Writes an event.
pub(super) fn add(db: &Connection, Event { id, at, body }: &Event) -> JobResult<()> {
    db.prepare_cached("INSERT INTO forward (id, at_ms, body) VALUES (?1, ?2, ?3)")?.execute(params![
        id,
        at.as_millis(),
        body
    ])?;
    Ok(())
}

/// Whether there is anything to tell, so that nothing is written while there is not.
pub(super) fn has_forwards(db: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM forward WHERE due_ms <= ?1)")?
        .query_row([now.as_millis()], |row| row.get(0))
}

/// How often a claim looks on where all that was due has to wait.
const CLAIM_ROUNDS: u32 = 32;

/// See [`crate::ledger::facets::Outbox::claim_forwards`]. What an earlier event of its message is still to be
/// told before waits for it.
pub(super) fn claim_forwards(
    db: &Connection,
    limit: u32,
    now: Timestamp,
    again: Timestamp,
) -> JobResult<Vec<Forward>> {
    let mut statement = db.prepare_cached(
        "SELECT seq, id, at_ms, body, tries + 1, due_ms FROM forward WHERE due_ms <= ?1 \
            ORDER BY due_ms, seq LIMIT ?2",
    )?;
    let mut earlier = db.prepare_cached(
        "SELECT max(due_ms) FROM forward WHERE id >= ?1 AND id < ?2 AND seq < ?3 AND due_ms > ?4",
    )?;
    let mut wait = db.prepare_cached("UPDATE forward SET due_ms = ?2 WHERE seq = ?1")?;
    let mut claim = db.prepare_cached("UPDATE forward SET due_ms = ?2, tries = tries + 1 WHERE seq = ?1")?;
    for _ in 0..CLAIM_ROUNDS {
        let rows = statement.query_map(params![now.as_millis(), limit], |row| {
            let forward = Forward {
                sequence: row.get(0)?,
                id: row.get(1)?,
                at: Timestamp(row.get(2)?),
                body: row.get(3)?,
                tries: row.get(4)?,
            };
            Ok((forward, row.get(5)?))
        })?;
        let due: Vec<(Forward, i64)> = rows.collect::<rusqlite::Result<_>>()?;
        let is_end = due.is_empty();
        let mut claimed = Vec::with_capacity(due.len());
        for (forward, due_ms) in due {
            let (from, to) = message_of(&forward.id);
            // Also behind one that is due now: there may be no room for it among these.
            let until: Option<i64> =
                earlier.query_row(params![from, to, forward.sequence, due_ms], |row| row.get(0))?;
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
        let id = db
            .prepare_cached("DELETE FROM forward WHERE seq = ?1 RETURNING id")?
            .query_row([sequence], |row| row.get::<_, String>(0))
            .optional()?;
        if let Some(id) = id {
            let (from, to) = message_of(&id);
            db.prepare_cached("UPDATE forward SET due_ms = 0 WHERE id >= ?1 AND id < ?2 AND tries = 0")?
                .execute([from, to])?;
        }
        return Ok(());
    };
    db.prepare_cached("UPDATE forward SET due_ms = ?2 WHERE seq = ?1")?
        .execute([sequence, next.as_millis()])?;
    Ok(())
}
