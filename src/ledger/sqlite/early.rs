//! Receipts that come before the answer that names their message: kept for a while, and applied when it is
//! known.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::group::Group;
use super::job::JobResult;
use super::states::ATTEMPTING;
use super::tally;
use super::transition::{Open, Step, apply};
use crate::clock::Timestamp;
use crate::ledger::Report;
use crate::ledger::long_reply::MOST_EARLY_RECEIPTS;
use crate::ledger::told::{EARLY_MS, UNMATCHED_MS, Unmatched};
use crate::sms::message::State;

/// Receipts for ids that never become known are forgotten after this long.
pub(super) const EARLY_RECEIPT_MS: i64 = 3 * 24 * 3_600_000;

/// Receipts that are dropped at a time: a ledger of an earlier version may have any number.
const MOST_DROPPED: u32 = 1_000;

/// How far a clock may be set back between a message and its receipt.
const CLOCK_STEP_MS: i64 = 60_000;

pub(super) fn keep_early(db: &Connection, report: &Report, now: Timestamp) -> JobResult<()> {
    db.prepare_cached("DELETE FROM early_receipt WHERE received_ms < ?1")?
        .execute([now.plus_ms(-EARLY_RECEIPT_MS).as_millis()])?;
    db.prepare_cached(
        "INSERT INTO early_receipt (vendor_id, provider, recipient, state, at_ms, why, price_micros, \
         received_ms)
         VALUES (?1, ?2, coalesce(?3, ''), ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET price_micros = coalesce(excluded.price_micros, price_micros), at_ms = \
         excluded.at_ms,
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
pub(super) const DROP_OLDEST: &str = "DELETE FROM early_receipt WHERE (vendor_id, provider, recipient, \
    state) IN
     (SELECT vendor_id, provider, recipient, state FROM early_receipt WHERE provider = ?1 ORDER BY \
    received_ms LIMIT ?2)";

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
pub(super) fn apply_early(group: &mut Group<'_>, open: &mut Open, vendor_id: &str) -> JobResult<bool> {
    let found = take_early(group.beside(), open, vendor_id)?;
    for early in &found {
        let asked = Step {
            price_micros: early.price_micros,
            ..Step::new(early.state, early.at, early.why.as_deref())
        };
        apply(group, open, &asked)?;
    }
    Ok(!found.is_empty())
}

/// Takes the receipts that came before an id of this message was known, in the order of states. Those that
/// speak of all messages of a request stay until its last message had them; those that are older than the
/// message were about another that had the same id.
pub(super) fn take_early(db: &Connection, open: &Open, vendor_id: &str) -> JobResult<Vec<Early>> {
    let whom = params![vendor_id, open.provider, open.recipient, open.seq, CLOCK_STEP_MS];
    let mut statement = db.prepare_cached(
        "SELECT state, at_ms, why, price_micros FROM early_receipt WHERE vendor_id = ?1 AND provider = ?2 \
         AND recipient IN ('', ?3)
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
         AND (recipient = ?3 OR (recipient = '' AND NOT EXISTS (SELECT 1 FROM message WHERE {ATTEMPTING} \
         AND request = ?4)))",
    ))?
    .execute(params![vendor_id, open.provider, open.recipient, open.request])?;
    Ok(found)
}

/// Messages that are looked at for an id to compare with.
const LATEST: u32 = 1_000;

/// Receipts that are kept for a message whose id is to come. What is kept of one that did find a message does
/// not count.
const UNMATCHED: &str = "provider = ?1 AND received_ms BETWEEN ?2 AND ?3
     AND NOT EXISTS (SELECT 1 FROM message m WHERE m.vendor_id = e.vendor_id AND m.provider = e.provider)
     AND NOT EXISTS (SELECT 1 FROM segment s WHERE s.vendor_id = e.vendor_id AND s.provider = e.provider)
     AND NOT EXISTS (SELECT 1 FROM forgotten_id f WHERE f.vendor_id = e.vendor_id AND f.provider = \
     e.provider)";

pub(super) fn unmatched(db: &Connection, provider: &str, now: Timestamp) -> rusqlite::Result<Unmatched> {
    let values =
        params![provider, now.plus_ms(-UNMATCHED_MS).as_millis(), now.plus_ms(-EARLY_MS).as_millis()];
    let count: u32 = db
        .prepare_cached(&format!("SELECT count(*) FROM early_receipt e WHERE {UNMATCHED}"))?
        .query_row(values, |row| row.get(0))?;
    if count == 0 {
        return Ok(Unmatched::default());
    }
    let receipt = db
        .prepare_cached(&format!(
            "SELECT vendor_id FROM early_receipt e WHERE {UNMATCHED} ORDER BY received_ms DESC LIMIT 1"
        ))?
        .query_row(values, |row| row.get(0))
        .optional()?;
    let answer = db
        .prepare_cached(
            "SELECT vendor_id FROM (SELECT seq, vendor_id, provider FROM message ORDER BY seq DESC LIMIT ?2)
             WHERE provider = ?1 AND vendor_id IS NOT NULL ORDER BY seq DESC LIMIT 1",
        )?
        .query_row(params![provider, LATEST], |row| row.get(0))
        .optional()?;
    Ok(Unmatched { count, receipt, answer })
}
