//! What providers say later: receipts, which may come before the answer that names their message, hints that prove
//! nothing, and when to ask.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::query::{COLUMNS, record_from};
use super::rate;
use super::sealed::text;
use super::segment;
use super::settle::{ATTEMPTING, OPEN_COLUMNS, Open, Step, apply, open_from};
use super::tally;
use super::writer::JobResult;
use crate::clock::Timestamp;
use crate::ledger::long_reply::MOST_EARLY_RECEIPTS;
use crate::ledger::{LookClaim, Record, Report};
use crate::sms::message::{MessageId, Realm, State};

/// Receipts for ids that never become known are forgotten after this long.
pub(super) const EARLY_RECEIPT_MS: i64 = 3 * 24 * 3_600_000;

/// Receipts that are dropped at a time: a ledger of an earlier version may have any number.
const MOST_DROPPED: u32 = 1_000;

/// How far a clock may be set back between a message and its receipt.
const CLOCK_STEP_MS: i64 = 60_000;

/// The shortest and the longest time from one look at a message to the next, and after which time nobody looks again.
const SOONEST_LOOK_MS: i64 = 5_000;
const LATEST_LOOK_MS: i64 = 3_600_000;
const LAST_LOOK_MS: i64 = 3 * 24 * 3_600_000;

/// A message that has the id of a report, or one of its segments has.
pub(super) struct Named {
    pub(super) open: Open,
    pub(super) id: MessageId,
    /// The segments that have it; none where the whole message has.
    pub(super) segments: Vec<u32>,
    changed_ms: i64,
}

/// Reads what [`OPEN_COLUMNS`], `id` and `changed_ms` yield.
pub(super) fn named_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Named> {
    Ok(Named {
        open: open_from(row)?,
        id: MessageId::from_text(row.get::<_, String>("id")?),
        segments: Vec::new(),
        changed_ms: row.get("changed_ms")?,
    })
}

/// See [`crate::ledger::Ledger::record_receipt`].
pub(super) fn record_receipt(db: &Connection, report: &Report, now: Timestamp) -> JobResult<Vec<MessageId>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {OPEN_COLUMNS}, id, changed_ms FROM message
         WHERE vendor_id = ?1 AND provider = ?2 AND NOT parted AND (?3 IS NULL OR recipient = ?3) ORDER BY seq"
    ))?;
    let rows = statement.query_map(params![report.vendor_id, report.provider, report.to], named_from)?;
    let mut found: Vec<Named> = rows.collect::<rusqlite::Result<_>>()?;
    found.extend(segment::named(db, report)?);
    keep_latest(&mut found);
    let is_known = !found.is_empty() || is_forgotten(db, report)?;
    let asked = Step { price_micros: report.price_micros, ..Step::new(report.state, report.at, report.why.as_deref()) };
    let mut changed = Vec::new();
    let mut has_moved = false;
    for Named { mut open, id, segments, .. } in found {
        let has_changed = if segments.is_empty() {
            apply(db, &mut open, &asked)?
        } else {
            let moved = segment::record(db, &mut open, &segments, &asked)?;
            has_moved |= moved.is_some();
            moved.unwrap_or(false)
        };
        if has_changed {
            has_moved = true;
            changed.push(id);
        }
    }
    if !is_known || (report.to.is_none() && others_to_come(db, report)?) || (!has_moved && is_any_attempting(db, &report.provider)?) {
        keep_early(db, report, now)?;
    }
    Ok(changed)
}

/// Whether a report speaks of a message that is forgotten.
fn is_forgotten(db: &Connection, report: &Report) -> JobResult<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM forgotten_id WHERE vendor_id = ?1 AND provider = ?2 AND (?3 IS NULL OR recipient = ?3))")?
        .query_row(params![report.vendor_id, report.provider, report.to], |row| row.get(0))
}

/// Carriers begin their ids anew: a report speaks of the message that got its id last, and of those that went out in the
/// same request.
fn keep_latest(found: &mut Vec<Named>) {
    let latest = found.iter().max_by_key(|named| (named.changed_ms, named.open.seq)).map(|named| (named.open.seq, named.open.request));
    let Some((seq, request)) = latest else { return };
    found.retain(|named| named.open.seq == seq || (request.is_some() && named.open.request == request));
}

/// Whether a message waits for its answer, which may bring an id that an earlier message had: a report that told nothing
/// new about that one may be about this one.
fn is_any_attempting(db: &Connection, provider: &str) -> JobResult<bool> {
    db.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM message WHERE {ATTEMPTING} AND provider = ?1)"))?.query_row([provider], |row| row.get(0))
}

/// Whether a message of the same request still waits for its answer, so that it will have the report's id too.
fn others_to_come(db: &Connection, report: &Report) -> JobResult<bool> {
    db.prepare_cached(&format!(
        "SELECT EXISTS (SELECT 1 FROM message m WHERE m.vendor_id = ?1 AND m.provider = ?2 AND m.request IS NOT NULL
                        AND EXISTS (SELECT 1 FROM message WHERE {ATTEMPTING} AND request = m.request))",
    ))?
    .query_row(params![report.vendor_id, report.provider], |row| row.get(0))
}

fn keep_early(db: &Connection, report: &Report, now: Timestamp) -> JobResult<()> {
    db.prepare_cached("DELETE FROM early_receipt WHERE received_ms < ?1")?.execute([now.plus_ms(-EARLY_RECEIPT_MS).as_millis()])?;
    db.prepare_cached(
        "INSERT INTO early_receipt (vendor_id, provider, recipient, state, at_ms, why, price_micros, received_ms)
         VALUES (?1, ?2, coalesce(?3, ''), ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET price_micros = coalesce(excluded.price_micros, price_micros), at_ms = excluded.at_ms,
                     why = coalesce(excluded.why, why), received_ms = excluded.received_ms",
    )?
    .execute(params![
        report.vendor_id,
        report.provider,
        report.to,
        report.state.number(),
        report.at.as_millis(),
        report.why,
        report.price_micros,
        now.as_millis()
    ])?;
    drop_oldest(db, &report.provider)
}

/// Drops the receipts that have waited longest for their messages, where too many wait.
pub(super) const DROP_OLDEST: &str = "DELETE FROM early_receipt WHERE (vendor_id, provider, recipient, state) IN
     (SELECT vendor_id, provider, recipient, state FROM early_receipt WHERE provider = ?1 ORDER BY received_ms LIMIT ?2)";

fn drop_oldest(db: &Connection, provider: &str) -> JobResult<()> {
    let more = tally::of(db, tally::EARLY, provider)?.saturating_sub(MOST_EARLY_RECEIPTS).min(MOST_DROPPED);
    if more > 0 {
        let dropped = db.prepare_cached(DROP_OLDEST)?.execute(params![provider, more])?;
        tally::add(db, tally::EARLY_DROPPED, provider, u32::try_from(dropped).unwrap_or(u32::MAX))?;
    }
    Ok(())
}

/// A receipt that came before its message's id was known.
pub(super) struct Early {
    pub(super) state: State,
    pub(super) at: Timestamp,
    pub(super) why: Option<String>,
    price_micros: Option<i64>,
}

/// Applies the receipts that came before this message's id was known. Returns whether there were any.
pub(super) fn apply_early(db: &Connection, open: &mut Open, vendor_id: &str) -> JobResult<bool> {
    let found = take_early(db, open, vendor_id)?;
    for early in &found {
        let asked = Step { price_micros: early.price_micros, ..Step::new(early.state, early.at, early.why.as_deref()) };
        apply(db, open, &asked)?;
    }
    Ok(!found.is_empty())
}

/// Takes the receipts that came before an id of this message was known, in the order of states. Those that speak of all
/// messages of a request stay until its last message had them; those that are older than the message were about another
/// that had the same id.
pub(super) fn take_early(db: &Connection, open: &Open, vendor_id: &str) -> JobResult<Vec<Early>> {
    let whom = params![vendor_id, open.provider, open.recipient, open.seq, CLOCK_STEP_MS];
    let mut statement = db.prepare_cached(
        "SELECT state, at_ms, why, price_micros FROM early_receipt WHERE vendor_id = ?1 AND provider = ?2 AND recipient IN ('', ?3)
         AND received_ms >= (SELECT created_ms FROM message WHERE seq = ?4) - ?5 ORDER BY state",
    )?;
    let rows = statement.query_map(whom, |row| {
        Ok(Early {
            state: State::from_number(row.get(0)?).unwrap_or(State::Unknown),
            at: Timestamp(row.get(1)?),
            why: row.get(2)?,
            price_micros: row.get(3)?,
        })
    })?;
    let found: Vec<Early> = rows.collect::<rusqlite::Result<_>>()?;
    if found.is_empty() {
        return Ok(found);
    }
    db.prepare_cached(&format!(
        "DELETE FROM early_receipt WHERE vendor_id = ?1 AND provider = ?2
         AND (recipient = ?3 OR (recipient = '' AND NOT EXISTS (SELECT 1 FROM message WHERE {ATTEMPTING} AND request = ?4)))",
    ))?
    .execute(params![vendor_id, open.provider, open.recipient, open.request])?;
    Ok(found)
}

/// See [`crate::ledger::Ledger::hint`].
pub(super) fn hint(db: &Connection, provider: &str, vendor_id: &str, message: Option<&MessageId>, now: Timestamp) -> JobResult<bool> {
    if let Some(id) = message {
        let found = db
            .prepare_cached(&format!("SELECT {OPEN_COLUMNS} FROM message WHERE id = ?1 AND provider = ?2"))?
            .query_row(params![id.as_str(), provider], open_from)
            .optional()?;
        if let Some(mut open) = found {
            if take_id(db, &open, vendor_id)? {
                apply_early(db, &mut open, vendor_id)?;
            }
            db.prepare_cached("UPDATE message SET look_ms = ?2 WHERE seq = ?1 AND state IN (2, 3, 9, 10) AND (look_ms IS NULL OR look_ms > ?2)")?
                .execute(params![open.seq, now.as_millis()])?;
            return Ok(true);
        }
    }
    if vendor_id.is_empty() || !knows_vendor_id(db, provider, vendor_id)? {
        return Ok(false);
    }
    db.prepare_cached(
        "UPDATE message SET look_ms = ?3 WHERE vendor_id = ?1 AND provider = ?2 AND state IN (2, 3, 9, 10) AND (look_ms IS NULL OR look_ms > ?3)",
    )?
    .execute(params![vendor_id, provider, now.as_millis()])?;
    Ok(true)
}

/// Gives a message the provider's id that a hint names. Anybody may send one, so only where it has none, and where the
/// id is nobody else's but of those that the same request carried to other people. Returns whether it took it.
fn take_id(db: &Connection, open: &Open, vendor_id: &str) -> JobResult<bool> {
    if vendor_id.is_empty() {
        return Ok(false);
    }
    let taken = db
        .prepare_cached(
            "UPDATE message SET vendor_id = ?2 WHERE seq = ?1 AND vendor_id IS NULL AND state IN (2, 3, 9, 10) AND NOT EXISTS
                    (SELECT 1 FROM message o WHERE o.vendor_id = ?2 AND o.provider = ?3
                     AND (o.recipient = ?4 OR o.request IS NULL OR o.request IS NOT message.request))",
        )?
        .execute(params![open.seq, vendor_id, open.provider, open.recipient])?;
    Ok(taken == 1)
}

fn knows_vendor_id(db: &Connection, provider: &str, vendor_id: &str) -> JobResult<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM message WHERE vendor_id = ?1 AND provider = ?2)")?
        .query_row([vendor_id, provider], |row| row.get(0))
}

/// See [`crate::ledger::Ledger::has_vendor_id`].
pub(super) fn has_vendor_id(db: &Connection, provider: &str, vendor_id: &str, to: &str) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM message WHERE vendor_id = ?1 AND provider = ?2 AND recipient = ?3)
             OR EXISTS (SELECT 1 FROM segment s JOIN message m ON m.seq = s.message WHERE s.vendor_id = ?1 AND s.provider = ?2 AND m.recipient = ?3)
             OR EXISTS (SELECT 1 FROM forgotten_id WHERE vendor_id = ?1 AND provider = ?2 AND recipient = ?3)",
    )?
    .query_row([vendor_id, provider, to], |row| row.get(0))
}

/// Most texts that one report is compared with: as many as any request carries.
const MOST_TEXTS: u32 = 1_000;

/// See [`crate::ledger::Ledger::texts`].
pub(super) fn texts(db: &Connection, provider: &str, vendor_id: &str, to: Option<&str>) -> rusqlite::Result<Option<Vec<String>>> {
    let mut statement = db.prepare_cached(concat!(
        "SELECT DISTINCT ",
        text!(),
        " FROM message WHERE (?3 IS NULL OR recipient = ?3) AND seq IN
             (SELECT seq FROM message WHERE vendor_id = ?1 AND provider = ?2 AND NOT parted
              UNION SELECT message FROM segment WHERE vendor_id = ?1 AND provider = ?2 ORDER BY 1 DESC LIMIT ?4)"
    ))?;
    let texts: Vec<Option<String>> =
        statement.query_map(params![vendor_id, provider, to, MOST_TEXTS], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(texts.into_iter().collect::<Option<Vec<String>>>().filter(|texts| !texts.is_empty()))
}

/// Which messages are due to be looked up: an id is needed to ask by.
const DUE: &str = "provider = ?1 AND sandbox = ?3 AND look_ms <= ?2 AND vendor_id IS NOT NULL AND state IN (3, 9, 10)";

/// Whether there is anything to look up, so that nothing is written while there is not.
pub(super) fn has_looks(db: &Connection, provider: &str, realm: Realm, now: Timestamp) -> rusqlite::Result<bool> {
    db.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM message WHERE {DUE})"))?
        .query_row(params![provider, now.as_millis(), realm.is_sandbox()], |row| row.get(0))
}

/// See [`crate::ledger::Ledger::claim_looks`]. A message is as old as what it waits with: since it was sent, or since its
/// answer was lost.
pub(super) fn claim_looks(db: &Connection, claim: &LookClaim) -> JobResult<Vec<Record>> {
    let LookClaim { provider, realm, limit, now, by_request, is_rated } = claim;
    let most = usize::try_from(*limit).unwrap_or(usize::MAX);
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE {DUE} ORDER BY look_ms"))?;
    let mut rows = statement.query(params![provider, now.as_millis(), realm.is_sandbox()])?;
    let mut due: Vec<Record> = Vec::new();
    let mut seen = HashSet::new();
    while due.len() < most
        && let Some(row) = rows.next()?
    {
        let record = record_from(row)?;
        if !by_request || seen.insert(record.vendor_id.clone()) {
            due.push(record);
        }
    }
    drop(rows);
    let mut alone = db.prepare_cached("UPDATE message SET look_ms = ?2 WHERE seq = ?1")?;
    let mut all = db.prepare_cached("UPDATE message SET look_ms = ?3 WHERE vendor_id = ?1 AND provider = ?2 AND look_ms <= ?4")?;
    for record in &due {
        let since = record.created.max(record.changed);
        let age_ms = now.as_millis() - since.as_millis();
        let next = (age_ms < LAST_LOOK_MS).then(|| now.plus_ms(age_ms.clamp(SOONEST_LOOK_MS, LATEST_LOOK_MS)).as_millis());
        if *by_request {
            all.execute(params![record.vendor_id, provider, next, now.as_millis()])?;
        } else {
            alone.execute(params![record.sequence, next])?;
        }
    }
    if *is_rated && !due.is_empty() {
        rate::count(db, &rate::name(provider, *realm), *now, u32::try_from(due.len()).unwrap_or(u32::MAX))?;
    }
    Ok(due)
}

/// See [`crate::ledger::Ledger::unknowns`].
pub(super) fn unknowns(db: &Connection, of: Option<(&str, Realm)>, since: Timestamp, limit: u32) -> rusqlite::Result<Vec<Record>> {
    let Some((provider, realm)) = of else {
        let mut statement =
            db.prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE state = 9 AND changed_ms >= ?1 ORDER BY seq LIMIT ?2"))?;
        return statement.query_map(params![since.as_millis(), limit], record_from)?.collect();
    };
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM message WHERE state = 9 AND provider = ?1 AND sandbox = ?4 AND changed_ms >= ?2 ORDER BY seq LIMIT ?3"
    ))?;
    statement.query_map(params![provider, since.as_millis(), limit, realm.is_sandbox()], record_from)?.collect()
}

/// See [`crate::ledger::Ledger::has_nameless`].
pub(super) fn has_nameless(
    db: &Connection,
    (provider, realm): (&str, Realm),
    to: &str,
    digest: [u8; 16],
    from: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM message WHERE recipient = ?1 AND provider = ?2 AND sandbox = ?6 AND digest = ?3 AND vendor_id IS NULL
                        AND state IN (2, 3, 4, 5, 10) AND created_ms <= ?5 AND changed_ms >= ?4)",
    )?
    .query_row(params![to, provider, digest, from.as_millis(), until.as_millis(), realm.is_sandbox()], |row| row.get(0))
}
