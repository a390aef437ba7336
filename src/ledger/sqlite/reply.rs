//! What people answer.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use super::outbox;
use super::sealed::text;
use super::states::{HAS_NOT_LEFT, IS_EXPIRED, IS_TO, sql};
use crate::clock::Timestamp;
use crate::ledger::{ANSWERS_MS, NewReply, Recorded, Replies, ReplyPage, ReplyRecord, SHOWN_AN_HOUR};
use crate::sms::message::MessageId;
use crate::sms::own::RESERVED_GLOB;

/// How much earlier than the message that it answers a reply may seem to be: clocks differ, and some
/// providers name whole minutes.
const CLOCKS_DIFFER_MS: i64 = 60_000;

/// The time in which [`SHOWN_AN_HOUR`] replies of one sender are shown.
const HOUR_MS: i64 = 3_600_000;

/// What an agent asked for: people answer agents, and not what the program says by itself.
fn is_an_agents() -> String {
    format!("principal NOT GLOB '{RESERVED_GLOB}'")
}

/// What a carrier was handed, as far as that can be told: nothing that waits, and nothing that expired while it
/// did.
fn has_left() -> String {
    format!(
        "NOT {HAS_NOT_LEFT} AND NOT ({IS_EXPIRED} AND vendor_id IS NULL AND (due_ms IS NOT NULL OR asked_micros IS NOT \
         NULL))"
    )
}

/// The latest message of this provider to this person that a reply of then may answer. What still waits in
/// the queue, and what never left, answers nothing.
pub(super) fn answered(
    db: &Connection,
    provider: &str,
    from: &str,
    at: Timestamp,
    now: Timestamp,
) -> JobResult<Option<(i64, MessageId)>> {
    db.prepare_cached(sql!(
        "SELECT seq, id FROM message WHERE {IS_TO} AND coalesce(due_ms, created_ms) BETWEEN ?2 AND ?3 AND \
         provider = ?4 AND {} AND {}
         ORDER BY sandbox, coalesce(due_ms, created_ms) DESC, seq DESC LIMIT 1",
        is_an_agents(),
        has_left()
    ))?
    .query_row(
        params![
            from,
            now.plus_ms(-ANSWERS_MS).as_millis(),
            at.plus_ms(CLOCKS_DIFFER_MS).as_millis(),
            provider
        ],
        |row| Ok((row.get(0)?, MessageId::from_text(row.get::<_, String>(1)?))),
    )
    .optional()
}

/// See [`crate::ledger::facets::People::record_reply`].
pub(super) fn record_reply(
    db: &Connection,
    owner: i64,
    reply: &NewReply,
    now: Timestamp,
) -> JobResult<Recorded> {
    if let Some(content) = &reply.content {
        db.prepare_cached("DELETE FROM told WHERE provider = ?1 AND content = ?2")?
            .execute([&reply.provider, content])?;
    }
    let found =
        if reply.is_unsettled { None } else { answered(db, &reply.provider, &reply.from, reply.at, now)? };
    let (seq, id) = found.unzip();
    let added = db
        .prepare_cached(
            "INSERT INTO reply (provider, vendor_id, message, sender, recipient, text, at_ms, is_whole, \
             owner, is_help, unshown)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?12, (SELECT count(*) >= ?10 FROM
                (SELECT 1 FROM reply r WHERE r.sender = ?4 AND r.at_ms > ?7 - ?11 AND r.at_ms < ?7 + ?11 \
             LIMIT ?10))) ON CONFLICT (provider, vendor_id) DO NOTHING",
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
            HOUR_MS,
            reply.is_help
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

/// Who texted this person last, where all messages that a reply of then may answer are forgotten: who did so
/// as the sender to which it was written comes first.
fn texted_by(db: &Connection, reply: &NewReply, now: Timestamp) -> JobResult<Option<String>> {
    let (since, until) =
        (now.plus_ms(-ANSWERS_MS).as_millis(), reply.at.plus_ms(CLOCKS_DIFFER_MS).as_millis());
    db.prepare_cached(sql!(
        "SELECT principal FROM texted WHERE number = ?1 AND last_ms BETWEEN ?2 AND ?3 AND provider = ?4 AND {}
         ORDER BY sandbox, sender IS ?5 DESC, last_ms DESC LIMIT 1",
        is_an_agents()
    ))?
    .query_row(params![reply.from, since, until, reply.provider, reply.to], |row| row.get(0))
    .optional()
}

/// See [`crate::ledger::facets::People::last_text`].
pub(super) fn last_text(
    db: &Connection,
    provider: &str,
    to: &str,
    at: Timestamp,
) -> rusqlite::Result<Option<String>> {
    let latest: Option<Option<String>> = db
        .prepare_cached(sql!(
            "SELECT {} FROM message WHERE {IS_TO} AND coalesce(due_ms, created_ms) BETWEEN ?2 AND ?3 AND \
             provider = ?4 AND {} AND {}
             ORDER BY sandbox, coalesce(due_ms, created_ms) DESC, seq DESC LIMIT 1",
            text!(),
            is_an_agents(),
            has_left()
        ))?
        .query_row(
            params![
                to,
                at.plus_ms(-ANSWERS_MS).as_millis(),
                at.plus_ms(CLOCKS_DIFFER_MS).as_millis(),
                provider
            ],
            |row| row.get(0),
        )
        .optional()?;
    Ok(latest.flatten())
}

/// See [`crate::ledger::facets::People::reply_at`].
pub(super) fn reply_at(
    db: &Connection,
    provider: &str,
    vendor_id: &str,
) -> rusqlite::Result<Option<Timestamp>> {
    db.prepare_cached("SELECT at_ms FROM reply WHERE provider = ?1 AND vendor_id = ?2")?
        .query_row([provider, vendor_id], |row| row.get(0).map(Timestamp))
        .optional()
}

/// The newest replies to the message at this place, of those before another, with how many of all may be
/// shown.
pub(super) fn replies(db: &Connection, message: i64, asked: ReplyPage) -> rusqlite::Result<Replies> {
    let (at, seq) = asked.before.map_or((i64::MAX, i64::MAX), |(at, seq)| (at.as_millis(), seq));
    let mut statement = db.prepare_cached(
        "SELECT at_ms, seq, sender, recipient, text, is_whole FROM reply WHERE message = ?1 AND unshown = 0 \
         AND (at_ms, seq) < (?2, ?3)
         ORDER BY at_ms DESC, seq DESC LIMIT ?4",
    )?;
    let rows = statement.query_map(params![message, at, seq, asked.limit], |row| {
        let at = Timestamp(row.get(0)?);
        Ok((
            (at, row.get(1)?),
            ReplyRecord { from: row.get(2)?, to: row.get(3)?, text: row.get(4)?, is_whole: row.get(5)?, at },
        ))
    })?;
    let page = rows.collect::<rusqlite::Result<_>>()?;
    let mut count = db.prepare_cached("SELECT count(*) FROM reply WHERE message = ?1 AND unshown = 0")?;
    Ok(Replies { page, showable: count.query_row([message], |row| row.get(0))? })
}
