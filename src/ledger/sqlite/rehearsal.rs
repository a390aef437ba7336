//! A write that is made, brought to the disk, and undone: whether the disk would take it can be told in no
//! other way.
//!
//! A quote that says "allowed" while the disk is full is no quote. So it writes what the send would write, in
//! a savepoint, and has `SQLite` put those pages into its log, where a full disk shows; then all of it is
//! undone. It costs what a send's first step costs. What the disk has room for now it may lack a moment
//! later, when somebody else has filled it.

use rusqlite::{Connection, ffi};

use super::job::JobResult;

/// What must fit besides, in bytes: the outcome is written too, and pages that a statement still reads are
/// not brought to the disk before a commit.
const SPARE: i64 = 64 * 1024;

/// Runs this write, brings it to the disk, and undoes it.
///
/// # Errors
/// What the write itself would fail with.
pub(super) fn rehearse(db: &Connection, write: impl FnOnce() -> JobResult<()>) -> JobResult<()> {
    db.execute_batch("SAVEPOINT rehearsal")?;
    let written = match write() {
        // A quote has no ids: that one is taken already is no matter of the disk.
        Err(error) if is_taken(&error) => Ok(()),
        written => written,
    };
    let written = written.and_then(|()| spare(db)).and_then(|()| db.cache_flush());
    // A full disk may have undone the whole transaction already, and the savepoint with it: then `written`
    // says why.
    let undone = db.execute_batch("ROLLBACK TO rehearsal; RELEASE rehearsal");
    written.and(undone)
}

fn is_taken(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code.is_some_and(|code| {
        [ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_CONSTRAINT_PRIMARYKEY].contains(&code)
    })
}

fn spare(db: &Connection) -> JobResult<()> {
    db.prepare_cached("INSERT INTO key (name, bytes) VALUES ('rehearsal', zeroblob(?1))")?
        .execute([SPARE])
        .map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ledger() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().unwrap();
        let db = Connection::open(folder.path().join("ledger.db")).unwrap();
        db.pragma_update(None, "journal_mode", "WAL").unwrap();
        db.execute_batch(
            "CREATE TABLE key (name TEXT, bytes BLOB); CREATE TABLE text (text TEXT NOT NULL); INSERT INTO \
             text VALUES ('kept'); BEGIN IMMEDIATE",
        )
        .unwrap();
        (folder, db)
    }

    fn write(db: &Connection) -> JobResult<()> {
        (0..50).try_for_each(|_| db.execute("INSERT INTO text VALUES (?1)", ["x".repeat(1_000)]).map(drop))
    }

    fn texts(db: &Connection) -> Vec<String> {
        let mut statement = db.prepare("SELECT text FROM text").unwrap();
        let texts = statement.query_map([], |row| row.get(0)).unwrap();
        texts.collect::<JobResult<_>>().unwrap()
    }

    #[test]
    fn what_was_rehearsed_leaves_nothing_and_what_stands_beside_it_stays() {
        let (_folder, db) = ledger();
        db.execute_batch("INSERT INTO text VALUES ('beside')").unwrap();
        rehearse(&db, || write(&db)).unwrap();
        db.execute_batch("INSERT INTO text VALUES ('after'); COMMIT").unwrap();
        assert_eq!(texts(&db), ["kept", "beside", "after"]);
    }

    #[test]
    fn a_ledger_that_takes_no_more_says_so_in_the_rehearsal_too() {
        let (_folder, db) = ledger();
        let pages: i64 = db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        let error = rehearse(&db, || write(&db)).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DiskFull), "{error}");
        let _ = db.execute_batch("ROLLBACK");
        assert_eq!(texts(&db), ["kept"]);
    }
}
