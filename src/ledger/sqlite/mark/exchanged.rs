//! What a ledger and its notes tell each other: who opted out, and how much of each budget is used.

use rusqlite::Connection;

use super::super::budget::IS_LIVE;
use super::super::job::JobResult;
use super::super::wish::Wish;
use super::super::{consent, opt_out, pending};
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
            None => {
                if !wish.is_out {
                    // The STOP that it ended was later than this ledger may know, and took consents back.
                    let at = wish.at.plus_ms(-1);
                    consent::withdraw_by_stop(db, &wish.number, &wish.source, at, consent::Stop::New)?;
                }
                opt_out::opt_out(db, &wish.number, wish.is_out, &wish.source, wish.at)?
            }
        };
        news += u32::from(is_news && wish.is_out);
    }
    Ok(news)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::super::schema::MIGRATIONS;
    use super::*;
    use crate::sms::consent::Latest;
    use crate::sms::purpose::Purpose;

    #[test]
    fn a_start_that_is_told_outside_says_that_a_stop_took_consents_back_before_it() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.into_iter().for_each(|migration| db.execute_batch(migration).unwrap());
        let (number, source) = ("+12025550123".to_owned(), "reply".to_owned());
        let start = Wish { number, is_out: false, at: Timestamp(50), source, pending: None };
        for _ in 0..2 {
            assert_eq!(apply(&db, std::slice::from_ref(&start)).unwrap(), 0);
        }
        let latest = consent::latest(&db, &start.number, Purpose::Marketing).unwrap();
        assert_eq!(latest, Some(Latest { is_given: false, at_ms: 49, expires_ms: None }));
        let count = db.query_row("SELECT count(*) FROM consent", [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count, 2, "once for each purpose");
    }
}
