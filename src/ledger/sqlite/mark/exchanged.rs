//! What a ledger and its notes tell each other: who opted out, and how much of each budget is used.

use rusqlite::Connection;

use super::super::budget::IS_LIVE;
use super::super::job::JobResult;
use super::super::wish::Wish;
use super::super::{opt_out, pending};
use super::notes::{Cover, Notes, cover_from};
use crate::clock::Timestamp;

pub(super) const COVERS: &str = "SELECT key, scope, held_micros + spent_micros, messages, frozen FROM budget";

/// Copies what the ledger knows into the notes.
pub(super) fn copy(db: &Connection, notes: &mut Notes) -> std::io::Result<()> {
    let read = || -> rusqlite::Result<(Vec<Wish>, Vec<Cover>)> {
        let mut outs = db.prepare("SELECT number, at_ms, source FROM opt_out")?;
        let wish = |row: &rusqlite::Row<'_>| {
            Ok(Wish {
                number: row.get(0)?,
                is_out: true,
                at: Timestamp(row.get(1)?),
                source: row.get(2)?,
                pending: None,
            })
        };
        let mut wishes = outs.query_map([], wish)?.collect::<rusqlite::Result<Vec<_>>>()?;
        wishes.extend(pending::wishes(db)?);
        let mut used = db.prepare(&format!("{COVERS} WHERE {IS_LIVE}"))?;
        let covers = used.query_map([], cover_from)?.collect::<rusqlite::Result<_>>()?;
        Ok((wishes, covers))
    };
    let (wishes, covers) = read().map_err(std::io::Error::other)?;
    notes.write_wishes(&wishes, false)?;
    notes.write_covers(&covers)?;
    notes.make_whole()
}

/// Records what people said, as it was told outside.
pub(in super::super) fn apply(db: &Connection, wishes: &[Wish]) -> JobResult<u32> {
    let mut news = 0;
    for wish in wishes {
        let is_news = match &wish.pending {
            Some(pending) => wish.is_out && pending::pend_again(db, pending, &wish.source, wish.at)?,
            None => opt_out::opt_out(db, &wish.number, wish.is_out, &wish.source, wish.at)?,
        };
        news += u32::from(is_news && wish.is_out);
    }
    Ok(news)
}
