//! When a provider is asked about a message, because its schedule says so or because a report that proves
//! nothing hints at it.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::early::apply_early;
use super::group::Group;
use super::job::JobResult;
use super::rate;
use super::row::{COLUMNS, record_from};
use super::states::{MAY_BE_QUERIED, MAY_BE_REPORTED, sql};
use super::transition::{OPEN_COLUMNS, Open, open_from};
use crate::clock::Timestamp;
use crate::ledger::rules::{looks, window};
use crate::ledger::{LookClaim, Record};
use crate::sms::message::{MessageId, Realm};

/// See [`crate::ledger::facets::Reports::hint`].
pub(super) fn hint(
    db: &Connection,
    provider: &str,
    vendor_id: &str,
    message: Option<&MessageId>,
    now: Timestamp,
) -> JobResult<bool> {
    if let Some(id) = message {
        let found = db
            .prepare_cached(sql!("SELECT {OPEN_COLUMNS} FROM message WHERE id = ?1 AND provider = ?2"))?
            .query_row(params![id.as_str(), provider], open_from)
            .optional()?;
        if let Some(mut open) = found {
            if take_id(db, &open, vendor_id)? {
                Group::over(db, |group| apply_early(group, &mut open, vendor_id))?;
            }
            db.prepare_cached(sql!(
                "UPDATE message SET look_ms = ?2 WHERE seq = ?1 AND {MAY_BE_REPORTED} \
                AND (look_ms IS NULL OR look_ms > ?2)"
            ))?
            .execute(params![open.seq, now.as_millis()])?;
            return Ok(true);
        }
    }
    if vendor_id.is_empty() || !knows_vendor_id(db, provider, vendor_id)? {
        return Ok(false);
    }
    db.prepare_cached(sql!(
        "UPDATE message SET look_ms = ?3 WHERE vendor_id = ?1 AND provider = ?2 AND {MAY_BE_REPORTED} AND \
         (look_ms IS NULL OR look_ms > ?3)"
    ))?
    .execute(params![vendor_id, provider, now.as_millis()])?;
    Ok(true)
}

/// Gives a message the provider's id that a hint names. Anybody may send one, so only where it has none, and
/// where the id is nobody else's but of those that the same request carried to other people. Returns whether
/// it took it.
fn take_id(db: &Connection, open: &Open, vendor_id: &str) -> JobResult<bool> {
    if vendor_id.is_empty() {
        return Ok(false);
    }
    let taken = db
        .prepare_cached(sql!(
            "UPDATE message SET vendor_id = ?2 WHERE seq = ?1 AND vendor_id IS NULL AND {MAY_BE_REPORTED} \
             AND NOT EXISTS
                    (SELECT 1 FROM message o WHERE o.vendor_id = ?2 AND o.provider = ?3
                     AND (o.recipient = ?4 OR o.request IS NULL OR o.request IS NOT message.request))"
        ))?
        .execute(params![open.seq, vendor_id, open.provider, open.recipient])?;
    Ok(taken == 1)
}

fn knows_vendor_id(db: &Connection, provider: &str, vendor_id: &str) -> JobResult<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM message WHERE vendor_id = ?1 AND provider = ?2)")?
        .query_row([vendor_id, provider], |row| row.get(0))
}

/// Which messages are due to be looked up: an id is needed to ask by.
fn due() -> String {
    format!("provider = ?1 AND sandbox = ?3 AND look_ms <= ?2 AND vendor_id IS NOT NULL AND {MAY_BE_QUERIED}")
}

/// Whether there is anything to look up, so that nothing is written while there is not.
pub(super) fn has_looks(
    db: &Connection,
    provider: &str,
    realm: Realm,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    db.prepare_cached(sql!("SELECT EXISTS (SELECT 1 FROM message WHERE {})", due()))?
        .query_row(params![provider, now.as_millis(), realm.is_sandbox()], |row| row.get(0))
}

/// See [`crate::ledger::facets::Reports::claim_looks`]. A message is as old as what it waits with: since it
/// was sent, or since its answer was lost.
pub(super) fn claim_looks(db: &Connection, claim: &LookClaim) -> JobResult<Vec<Record>> {
    let LookClaim { provider, realm, limit, now, by_request, is_rated } = claim;
    let most = usize::try_from(*limit).unwrap_or(usize::MAX);
    let mut statement =
        db.prepare_cached(sql!("SELECT {COLUMNS} FROM message WHERE {} ORDER BY look_ms", due()))?;
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
    let mut all = db.prepare_cached(
        "UPDATE message SET look_ms = ?3 WHERE vendor_id = ?1 AND provider = ?2 AND look_ms <= ?4",
    )?;
    for record in &due {
        let since = record.created.max(record.changed);
        let next = looks::next(since, *now).map(Timestamp::as_millis);
        if *by_request {
            all.execute(params![record.vendor_id, provider, next, now.as_millis()])?;
        } else {
            alone.execute(params![record.sequence, next])?;
        }
    }
    if *is_rated && !due.is_empty() {
        rate::count(db, &window::name(provider, *realm), *now, u32::try_from(due.len()).unwrap_or(u32::MAX))?;
    }
    Ok(due)
}
