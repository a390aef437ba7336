//! What becomes of the work of a process that is gone, or that leaves: what it was sending is unknown, what
//! it had queued is anybody's.

use rusqlite::{Connection, params};

use super::instance::Registered;
use super::job::JobResult;
use super::request;
use super::states::{ATTEMPTING, IN_HAND, IS_ATTEMPTING, QUEUED, WAITS};
use super::told;
use super::transition::{OPEN_COLUMNS, Open, Step, advance, open_from};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::ledger::Recovered;
use crate::sms::message::State;

/// Turns the attempts that `sql` selects into unknown outcomes.
fn lose(
    db: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    now: Timestamp,
    why: &str,
) -> JobResult<u32> {
    let mut statement = db.prepare_cached(&format!("SELECT {OPEN_COLUMNS} FROM message WHERE {sql}"))?;
    let open: Vec<Open> = statement.query_map(values, open_from)?.collect::<rusqlite::Result<_>>()?;
    let mut count = 0;
    for mut open in open {
        let asked =
            Step { code: Some(ErrorKind::OutcomeUnknown), ..Step::new(State::Unknown, now, Some(why)) };
        count += u32::from(advance(db, &mut open, &asked)?.is_some());
    }
    Ok(count)
}

/// Gives back an instance's queued messages, and ends it. Returns how many were given back.
fn release(db: &Connection, owner: i64) -> JobResult<u32> {
    let released = db
        .prepare_cached(&format!("UPDATE message SET owner = NULL WHERE {QUEUED} AND owner = ?1"))?
        .execute([owner])?;
    db.prepare_cached("DELETE FROM instance WHERE id = ?1")?.execute([owner])?;
    Ok(u32::try_from(released).unwrap_or(u32::MAX))
}

const ORPHANED: &str = "owner IS NOT NULL AND owner NOT IN (SELECT id FROM instance)";

/// Whether there is work of an owner that is not registered.
pub(super) fn has_orphans(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM message WHERE {IN_HAND} AND {ORPHANED})"))?
        .query_row([], |row| row.get(0))
}

/// See [`crate::ledger::facets::Queue::recover`].
pub(super) fn recover(
    db: &Connection,
    own: i64,
    dead: &[Registered],
    now: Timestamp,
    stale_before: Option<Timestamp>,
) -> JobResult<Recovered> {
    let mut recovered = Recovered::default();
    for instance in dead {
        // Somebody else may have settled it meanwhile, or it left in good order while it was looked for: then
        // it is no death.
        let mut statement =
            db.prepare_cached("SELECT EXISTS (SELECT 1 FROM instance WHERE id = ?1 AND name = ?2)")?;
        if !statement.query_row(params![instance.id, instance.name], |row| row.get::<_, bool>(0))? {
            continue;
        }
        told::note_death(db, now)?;
        recovered.unknown += lose(
            db,
            &format!("{ATTEMPTING} AND owner = ?1"),
            [instance.id],
            now,
            "the process that was sending it ended before the answer",
        )?;
        recovered.released += release(db, instance.id)?;
    }
    // Whatever names an owner that is not registered has none.
    recovered.unknown += lose(
        db,
        &format!("{ATTEMPTING} AND {ORPHANED}"),
        [],
        now,
        "the process that was sending it ended before the answer",
    )?;
    let released = db
        .prepare_cached(&format!("UPDATE message SET owner = NULL WHERE {QUEUED} AND {ORPHANED}"))?
        .execute([])?;
    recovered.released += u32::try_from(released).unwrap_or(u32::MAX);
    if let Some(before) = stale_before {
        let sql = format!("{ATTEMPTING} AND owner = ?1 AND changed_ms < ?2");
        recovered.unknown +=
            lose(db, &sql, params![own, before.as_millis()], now, "no outcome was recorded in time")?;
    }
    Ok(recovered)
}

/// Makes everything of these that has not left unknown, in a ledger that is older than what may have happened
/// since, and forgets what could be posted once more: that may have happened since. Returns how many.
pub(super) fn put_back(db: &Connection, now: Timestamp, which: &str, why: &str) -> JobResult<u32> {
    request::forget_all(db)?;
    db.execute(&format!("UPDATE message SET {IS_ATTEMPTING} WHERE {WAITS} AND {which}"), [])?;
    lose(db, &format!("{ATTEMPTING} AND {which}"), [], now, why)
}

/// What a process does last: see [`crate::ledger::upkeep::Upkeep::close`].
pub(super) fn leave(db: &Connection, owner: i64) -> JobResult<()> {
    let now: i64 = db.query_row(
        &format!("SELECT coalesce(max(changed_ms), 0) FROM message WHERE {ATTEMPTING} AND owner = ?1"),
        [owner],
        |row| row.get(0),
    )?;
    lose(
        db,
        &format!("{ATTEMPTING} AND owner = ?1"),
        [owner],
        Timestamp(now),
        "the server stopped before the answer",
    )?;
    // What was not acknowledged is kept beside: the rest of it nobody tells again.
    db.execute("UPDATE reply SET owner = NULL WHERE owner = ?1", [owner])?;
    release(db, owner)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ledger::sqlite::facts::in_doubt;
    use crate::ledger::sqlite::schema::MIGRATIONS;
    use crate::ledger::sqlite::states::{IS_QUEUED, IS_UNKNOWN};

    #[test]
    fn what_is_still_to_be_done_is_found_without_reading_what_is_done() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| db.execute_batch(migration).unwrap());
        let by_index = [
            (
                format!("SELECT text FROM message WHERE {QUEUED} ORDER BY seq LIMIT 1"),
                "message_open (state=?)",
            ),
            (format!("SELECT text FROM message WHERE {ATTEMPTING} AND owner = 1"), "message_open (state=?)"),
            (format!("SELECT text FROM message WHERE {IN_HAND}"), "message_open (state=?)"),
            (
                format!("SELECT text FROM message WHERE {IS_QUEUED} AND provider = ?1 ORDER BY seq"),
                "message_queued (provider=?)",
            ),
            (
                format!("SELECT text FROM message WHERE {IS_UNKNOWN} AND provider = ?1 ORDER BY seq"),
                "message_unknown (provider=?)",
            ),
            (
                format!("SELECT text FROM message WHERE {}", in_doubt().replace("?2", "?1")),
                "message_doubt (recipient=? AND principal=?)",
            ),
        ];
        for (sql, index) in by_index {
            let plan: Vec<String> = db
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .and_then(|mut statement| {
                    statement
                        .query_map(rusqlite::params_from_iter(sql.contains('?').then_some("x")), |row| {
                            row.get(3)
                        })?
                        .collect()
                })
                .unwrap();
            assert!(plan.iter().any(|line| line.ends_with(index)) && plan.len() == 1, "{sql}: {plan:?}");
        }
    }
}
