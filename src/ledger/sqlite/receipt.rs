//! What providers report of their messages.

use rusqlite::{Connection, params};

use super::early::keep_early;
use super::group::Group;
use super::job::JobResult;
use super::segment::{self, Named, named_from};
use super::states::ATTEMPTING;
use super::transition::{OPEN_COLUMNS, Step, apply};
use crate::clock::Timestamp;
use crate::ledger::Report;
use crate::sms::message::MessageId;

/// See [`crate::ledger::facets::Reports::record_receipt`].
pub(super) fn record_receipt(
    group: &mut Group<'_>,
    report: &Report,
    now: Timestamp,
) -> JobResult<Vec<MessageId>> {
    let db = group.beside();
    let mut statement = db.prepare_cached(&format!(
        "SELECT {OPEN_COLUMNS}, id, changed_ms FROM message
         WHERE vendor_id = ?1 AND provider = ?2 AND NOT parted AND (?3 IS NULL OR recipient = ?3) ORDER BY \
         seq"
    ))?;
    let rows = statement.query_map(params![report.vendor_id, report.provider, report.to], named_from)?;
    let mut found: Vec<Named> = rows.collect::<rusqlite::Result<_>>()?;
    found.extend(segment::named(db, report)?);
    keep_latest(&mut found);
    let is_known = !found.is_empty() || is_forgotten(db, report)?;
    let asked = Step {
        price_micros: report.price_micros,
        ..Step::new(report.state, report.at, report.why.as_deref())
    };
    let mut changed = Vec::new();
    let mut has_moved = false;
    for Named { mut open, id, segments, .. } in found {
        let has_changed = if segments.is_empty() {
            apply(group, &mut open, &asked)?
        } else {
            let moved = segment::record(group, &mut open, &segments, &asked)?;
            has_moved |= moved.is_some();
            moved.unwrap_or(false)
        };
        if has_changed {
            has_moved = true;
            changed.push(id);
        }
    }
    if !is_known
        || (report.to.is_none() && others_to_come(db, report)?)
        || (!has_moved && is_any_attempting(db, &report.provider)?)
    {
        keep_early(db, report, now)?;
    }
    Ok(changed)
}

/// Whether a report speaks of a message that is forgotten.
fn is_forgotten(db: &Connection, report: &Report) -> JobResult<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM forgotten_id WHERE vendor_id = ?1 AND provider = ?2 AND \
        (?3 IS NULL OR recipient = ?3))",
    )?
    .query_row(params![report.vendor_id, report.provider, report.to], |row| row.get(0))
}

/// Carriers begin their ids anew: a report speaks of the message that got its id last, and of those that went
/// out in the same request.
fn keep_latest(found: &mut Vec<Named>) {
    let latest = found
        .iter()
        .max_by_key(|named| (named.changed_ms, named.open.seq))
        .map(|named| (named.open.seq, named.open.request));
    let Some((seq, request)) = latest else { return };
    found.retain(|named| named.open.seq == seq || (request.is_some() && named.open.request == request));
}

/// Whether a message waits for its answer, which may bring an id that an earlier message had: a report that
/// told nothing new about that one may be about this one.
fn is_any_attempting(db: &Connection, provider: &str) -> JobResult<bool> {
    db.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM message WHERE {ATTEMPTING} AND provider = ?1)"))?
        .query_row([provider], |row| row.get(0))
}

/// Whether a message of the same request still waits for its answer, so that it will have the report's id
/// too.
fn others_to_come(db: &Connection, report: &Report) -> JobResult<bool> {
    db.prepare_cached(&format!(
        "SELECT EXISTS (SELECT 1 FROM message m WHERE m.vendor_id = ?1 AND m.provider = ?2 AND m.request IS \
         NOT NULL
                        AND EXISTS (SELECT 1 FROM message WHERE {ATTEMPTING} AND request = m.request))",
    ))?
    .query_row(params![report.vendor_id, report.provider], |row| row.get(0))
}
