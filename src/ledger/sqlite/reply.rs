//! What people answer: replies, and that they want no more texts.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::outbox;
use super::sealed::text;
use super::settle::{OPEN_COLUMNS, Open, Step, advance_and_post, open_from};
use super::writer::JobResult;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::ledger::{ANSWERS_MS, NewReply, OptOut, Recorded, Replies, ReplyPlace, ReplyRecord, SHOWN_AN_HOUR};
use crate::sms::caller_id::same_phone;
use crate::sms::message::{MessageId, State};

/// How much earlier than the message that it answers a reply may seem to be: clocks differ, and some providers name
/// whole minutes.
const CLOCKS_DIFFER_MS: i64 = 60_000;

/// The time in which [`SHOWN_AN_HOUR`] replies of one sender are shown.
const HOUR_MS: i64 = 3_600_000;

/// The source of what the operator decided: nobody else takes it back.
const BY_OPERATOR: &str = "operator";

/// The latest message of this provider to this person that a reply of then may answer. What still waits in the queue, and
/// what never left, answers nothing.
pub(super) fn answered(db: &Connection, provider: &str, from: &str, at: Timestamp, now: Timestamp) -> JobResult<Option<(i64, MessageId)>> {
    db.prepare_cached(
        "SELECT seq, id FROM message WHERE recipient = ?1 AND created_ms BETWEEN ?2 AND ?3 AND provider = ?4 AND state NOT IN (0, 1, 7, 8)
         ORDER BY sandbox, created_ms DESC, seq DESC LIMIT 1",
    )?
    .query_row(params![from, now.plus_ms(-ANSWERS_MS).as_millis(), at.plus_ms(CLOCKS_DIFFER_MS).as_millis(), provider], |row| {
        Ok((row.get(0)?, MessageId::from_text(row.get::<_, String>(1)?)))
    })
    .optional()
}

/// See [`crate::ledger::Ledger::record_reply`].
pub(super) fn record_reply(db: &Connection, owner: i64, reply: &NewReply, now: Timestamp) -> JobResult<Recorded> {
    if let Some(content) = &reply.content {
        db.prepare_cached("DELETE FROM told WHERE provider = ?1 AND content = ?2")?.execute([&reply.provider, content])?;
    }
    let found = if reply.is_unsettled { None } else { answered(db, &reply.provider, &reply.from, reply.at, now)? };
    let (seq, id) = found.unzip();
    let added = db
        .prepare_cached(
            "INSERT INTO reply (provider, vendor_id, message, sender, recipient, text, at_ms, is_whole, owner, unshown)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, (SELECT count(*) >= ?10 FROM
                (SELECT 1 FROM reply r WHERE r.sender = ?4 AND r.at_ms > ?7 - ?11 AND r.at_ms < ?7 + ?11 LIMIT ?10))) ON CONFLICT (provider, vendor_id) DO NOTHING",
        )?
        .execute(params![
            reply.provider,
            reply.vendor_id,
            seq,
            reply.from,
            reply.to,
            reply.text,
            reply.at.as_millis(),
            reply.is_whole,
            owner,
            SHOWN_AN_HOUR,
            HOUR_MS
        ])?;
    if added == 0 {
        return Ok(Recorded::Known);
    }
    if reply.forward {
        let principal = if id.is_none() && !reply.is_unsettled { texted_by(db, reply, now)? } else { None };
        outbox::tell_reply(db, reply, id.as_ref(), principal)?;
    }
    Ok(Recorded::New(id))
}

/// Who texted this person last, where all messages that a reply of then may answer are forgotten: who did so as the sender to
/// which it was written comes first.
fn texted_by(db: &Connection, reply: &NewReply, now: Timestamp) -> JobResult<Option<String>> {
    let (since, until) = (now.plus_ms(-ANSWERS_MS).as_millis(), reply.at.plus_ms(CLOCKS_DIFFER_MS).as_millis());
    db.prepare_cached(
        "SELECT principal FROM texted WHERE number = ?1 AND last_ms BETWEEN ?2 AND ?3 AND provider = ?4
         ORDER BY sandbox, sender IS ?5 DESC, last_ms DESC LIMIT 1",
    )?
    .query_row(params![reply.from, since, until, reply.provider, reply.to], |row| row.get(0))
    .optional()
}

/// See [`crate::ledger::Ledger::last_text`].
pub(super) fn last_text(db: &Connection, provider: &str, to: &str, at: Timestamp) -> rusqlite::Result<Option<String>> {
    let latest: Option<Option<String>> = db
        .prepare_cached(concat!(
            "SELECT ",
            text!(),
            " FROM message WHERE recipient = ?1 AND created_ms BETWEEN ?2 AND ?3 AND provider = ?4 AND state NOT IN (0, 1, 7, 8)
             ORDER BY sandbox, created_ms DESC, seq DESC LIMIT 1"
        ))?
        .query_row(params![to, at.plus_ms(-ANSWERS_MS).as_millis(), at.plus_ms(CLOCKS_DIFFER_MS).as_millis(), provider], |row| row.get(0))
        .optional()?;
    Ok(latest.flatten())
}

/// See [`crate::ledger::Ledger::reply_at`].
pub(super) fn reply_at(db: &Connection, provider: &str, vendor_id: &str) -> rusqlite::Result<Option<Timestamp>> {
    db.prepare_cached("SELECT at_ms FROM reply WHERE provider = ?1 AND vendor_id = ?2")?
        .query_row([provider, vendor_id], |row| row.get(0).map(Timestamp))
        .optional()
}

/// See [`crate::ledger::Ledger::replies`].
pub(super) fn replies(db: &Connection, id: &MessageId, before: Option<ReplyPlace>, limit: u32) -> rusqlite::Result<Replies> {
    let Some(message) =
        db.prepare_cached("SELECT seq FROM message WHERE id = ?1")?.query_row([id.as_str()], |row| row.get::<_, i64>(0)).optional()?
    else {
        return Ok(Replies::default());
    };
    let (at, seq) = before.map_or((i64::MAX, i64::MAX), |(at, seq)| (at.as_millis(), seq));
    let mut statement = db.prepare_cached(
        "SELECT at_ms, seq, sender, recipient, text, is_whole FROM reply WHERE message = ?1 AND unshown = 0 AND (at_ms, seq) < (?2, ?3)
         ORDER BY at_ms DESC, seq DESC LIMIT ?4",
    )?;
    let rows = statement.query_map(params![message, at, seq, limit], |row| {
        let at = Timestamp(row.get(0)?);
        Ok(((at, row.get(1)?), ReplyRecord { from: row.get(2)?, to: row.get(3)?, text: row.get(4)?, is_whole: row.get(5)?, at }))
    })?;
    let page = rows.collect::<rusqlite::Result<_>>()?;
    let mut count = db.prepare_cached("SELECT count(*) FROM reply WHERE message = ?1 AND unshown = 0")?;
    Ok(Replies { page, showable: count.query_row([message], |row| row.get(0))? })
}

/// Whether this person wants no more texts, under this number or another of the same phone.
pub(super) fn is_out(db: &Connection, number: &str) -> JobResult<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM opt_out WHERE number = ?1)")?;
    let mut is_out = |number: &str| statement.query_row([number], |row| row.get(0));
    if is_out(number)? {
        return Ok(true);
    }
    for other in same_phone(number) {
        if is_out(&other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The end of a message that waited in the queue for a person who opted out.
pub(super) fn opted_out(at: Timestamp) -> Step<'static> {
    Step { code: Some(ErrorKind::OptedOut), ..Step::new(State::Rejected, at, Some("this person asked for no more texts")) }
}

/// See [`crate::ledger::Ledger::opt_out`]. Who said so first stays.
pub(super) fn opt_out(db: &Connection, number: &str, is_out: bool, source: &str, at: Timestamp) -> JobResult<bool> {
    if !is_out {
        let gone = db.prepare_cached("DELETE FROM opt_out WHERE number = ?1 AND (?3 = ?4 OR (at_ms <= ?2 AND source <> ?4))")?.execute(params![
            number,
            at.as_millis(),
            source,
            BY_OPERATOR
        ])?;
        return Ok(gone > 0);
    }
    let added = db
        .prepare_cached("INSERT INTO opt_out (number, at_ms, source) VALUES (?1, ?2, ?3) ON CONFLICT (number) DO NOTHING")?
        .execute(params![number, at.as_millis(), source])?;
    if added == 0 {
        // When it was said last, so that an older wish to the contrary, which comes late, changes nothing.
        db.prepare_cached("UPDATE opt_out SET at_ms = max(at_ms, ?2) WHERE number = ?1")?.execute(params![number, at.as_millis()])?;
    }
    let mut statement = db.prepare_cached(&format!("SELECT {OPEN_COLUMNS} FROM message WHERE recipient = ?1 AND state IN (0, 1) ORDER BY seq"))?;
    let queued: Vec<Open> = statement.query_map([number], open_from)?.collect::<rusqlite::Result<_>>()?;
    for mut open in queued {
        advance_and_post(db, &mut open, &opted_out(at))?;
    }
    Ok(added > 0)
}

/// See [`crate::ledger::Ledger::opt_outs`].
pub(super) fn opt_outs(db: &Connection, limit: u32) -> rusqlite::Result<Vec<OptOut>> {
    let mut statement = db.prepare_cached("SELECT number, at_ms, source FROM opt_out ORDER BY at_ms DESC, number LIMIT ?1")?;
    statement.query_map([limit], |row| Ok(OptOut { number: row.get(0)?, at: Timestamp(row.get(1)?), source: row.get(2)? }))?.collect()
}
