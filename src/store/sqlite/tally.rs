//! How much there is of something, so that it can be bounded without looking at all of it; and how often something happened.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::writer::JobResult;
use crate::store::long_reply::Tallies;

/// Receipts that wait for their messages: triggers of the table count them.
pub(super) const EARLY: &str = "early_receipt";
/// Those that were dropped because there were too many.
pub(super) const EARLY_DROPPED: &str = "early_receipt_dropped";
/// Long texts of people that were ended with gaps because there were too many.
pub(super) const CUT_SHORT: &str = "long_reply_cut_short";

/// Counts what happened.
pub(super) fn add(db: &Connection, name: &str, provider: &str, more: u32) -> JobResult<()> {
    db.prepare_cached("INSERT INTO tally (name, provider, count) VALUES (?1, ?2, ?3) ON CONFLICT (name, provider) DO UPDATE SET count = count + ?3")?
        .execute(params![name, provider, more])?;
    Ok(())
}

/// How much was counted.
pub(super) fn of(db: &Connection, name: &str, provider: &str) -> rusqlite::Result<u32> {
    let found = db.prepare_cached("SELECT count FROM tally WHERE name = ?1 AND provider = ?2")?.query_row([name, provider], |row| row.get(0));
    Ok(found.optional()?.unwrap_or(0))
}

/// See [`crate::store::long_reply::LongReplies::tallies`].
pub(super) fn all(db: &Connection, provider: &str) -> rusqlite::Result<Tallies> {
    Ok(Tallies {
        early_receipts: of(db, EARLY, provider)?,
        early_receipts_dropped: of(db, EARLY_DROPPED, provider)?,
        long_replies_cut_short: of(db, CUT_SHORT, provider)?,
    })
}
