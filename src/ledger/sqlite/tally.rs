//! How much there is of something, so that it can be bounded without looking at all of it; and how often
//! something happened.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use crate::ledger::long_reply::Tallies;

/// Receipts that wait for their messages: triggers of the table count them.
pub(super) const EARLY: &str = "early_receipt";
/// Those that were dropped because there were too many.
pub(super) const EARLY_DROPPED: &str = "early_receipt_dropped";
/// Long texts of people that were ended with gaps because there were too many.
pub(super) const CUT_SHORT: &str = "long_reply_cut_short";

/// Counts what happened.
pub(super) fn add(db: &Connection, name: &str, provider: &str, more: u32) -> JobResult<()> {
    db.prepare_cached(
        "INSERT INTO tally (name, provider, count) VALUES (?1, ?2, ?3) ON CONFLICT (name, \
        provider) DO UPDATE SET count = count + ?3",
    )?
    .execute(params![name, provider, more])?;
    Ok(())
}

/// How much was counted.
pub(super) fn of(db: &Connection, name: &str, provider: &str) -> rusqlite::Result<u32> {
    let found = db
        .prepare_cached("SELECT count FROM tally WHERE name = ?1 AND provider = ?2")?
        .query_row([name, provider], |row| row.get(0));
    Ok(found.optional()?.unwrap_or(0))
}

/// See [`crate::ledger::long_reply::LongReplies::tallies`].
pub(super) fn all(db: &Connection, provider: &str) -> rusqlite::Result<Tallies> {
    Ok(Tallies {
        early_receipts: of(db, EARLY, provider)?,
        early_receipts_dropped: of(db, EARLY_DROPPED, provider)?,
        long_replies_cut_short: of(db, CUT_SHORT, provider)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::schema::MIGRATIONS;
    use super::super::{early, long_reply};
    use super::*;

    fn ledger(migrations: impl Iterator<Item = &'static str>) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        migrations.for_each(|migration| db.execute_batch(migration).unwrap());
        db
    }

    #[test]
    fn what_a_ledger_of_an_earlier_version_has_is_counted() {
        let last = MIGRATIONS.iter().position(|migration| migration.contains("CREATE TABLE tally")).unwrap();
        let db = ledger(MIGRATIONS.into_iter().take(last));
        for (id, provider) in [("1", "a"), ("2", "a"), ("3", "b")] {
            let add = "INSERT INTO early_receipt (vendor_id, provider, state, at_ms, received_ms) VALUES \
                (?1, ?2, 4, 0, 0)";
            db.execute(add, [id, provider]).unwrap();
        }
        MIGRATIONS.into_iter().skip(last).for_each(|migration| db.execute_batch(migration).unwrap());
        assert_eq!(
            (of(&db, EARLY, "a").unwrap(), of(&db, EARLY, "b").unwrap(), of(&db, EARLY, "c").unwrap()),
            (2, 1, 0)
        );
        db.execute("DELETE FROM early_receipt WHERE vendor_id = '1'", []).unwrap();
        assert_eq!(of(&db, EARLY, "a").unwrap(), 1);
    }

    #[test]
    fn what_is_bounded_is_looked_at_through_an_index_alone() {
        let db = ledger(MIGRATIONS.into_iter());
        let plan = |sql: &str| -> Vec<String> {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = vec![1_i64; statement.parameter_count()];
            let rows = statement
                .query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3))
                .unwrap();
            rows.collect::<rusqlite::Result<_>>().unwrap()
        };
        for (sql, index) in [
            (early::DROP_OLDEST, "INDEX early_receipt_oldest"),
            (early::DROP_OLDEST, "SEARCH early_receipt USING PRIMARY KEY"),
            (long_reply::CANDIDATES, "INDEX long_reply_key"),
            (long_reply::WAITING, "COVERING INDEX long_reply_open"),
        ] {
            let steps = plan(sql);
            assert!(
                steps.iter().any(|step| step.contains(index))
                    && !steps.iter().any(|step| step.starts_with("SCAN")),
                "{index}: {steps:?}"
            );
        }
    }
}
