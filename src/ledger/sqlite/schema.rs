//! The tables of the ledger: every migration, and how a file comes to have them.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::connection::{cannot_open, connect, keep_log, make_durable};
use super::place::{APPLICATION_ID, OPEN_ID, say_open};
use crate::error::Result;

/// Every migration, oldest first. A released one is never changed.
pub(super) const MIGRATIONS: [&str; 33] = [
    include_str!("../migrations/0001_ledger.sql"),
    include_str!("../migrations/0002_providers.sql"),
    include_str!("../migrations/0003_segments.sql"),
    include_str!("../migrations/0004_sandbox.sql"),
    include_str!("../migrations/0005_assumed.sql"),
    include_str!("../migrations/0006_client_session.sql"),
    include_str!("../migrations/0007_doubt.sql"),
    include_str!("../migrations/0008_pending.sql"),
    include_str!("../migrations/0009_told.sql"),
    include_str!("../migrations/0010_long_reply.sql"),
    include_str!("../migrations/0011_rests.sql"),
    include_str!("../migrations/0012_reply_owner.sql"),
    include_str!("../migrations/0013_reply_unshown.sql"),
    include_str!("../migrations/0014_unkept.sql"),
    include_str!("../migrations/0015_mark.sql"),
    include_str!("../migrations/0016_peers.sql"),
    include_str!("../migrations/0017_prune.sql"),
    include_str!("../migrations/0018_waiting.sql"),
    include_str!("../migrations/0019_text_key.sql"),
    include_str!("../migrations/0020_scheduled.sql"),
    include_str!("../migrations/0021_accepting.sql"),
    include_str!("../migrations/0022_open.sql"),
    include_str!("../migrations/0023_act.sql"),
    include_str!("../migrations/0024_person.sql"),
    include_str!("../migrations/0025_purpose.sql"),
    include_str!("../migrations/0026_approver.sql"),
    include_str!("../migrations/0027_proposal.sql"),
    include_str!("../migrations/0028_canceled.sql"),
    include_str!("../migrations/0029_round.sql"),
    include_str!("../migrations/0030_consent.sql"),
    include_str!("../migrations/0031_help.sql"),
    include_str!("../migrations/0032_word.sql"),
    include_str!("../migrations/0033_repost.sql"),
];

/// How many migrations this database has had.
///
/// # Errors
/// [`ErrorKind::LedgerUnavailable`] for no database, another program's, or one of a newer version.
pub(super) fn applied(db: &Connection, path: &Path) -> Result<usize> {
    let wrong = |error: rusqlite::Error| cannot_open(path, &error.to_string());
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let version = usize::try_from(number("user_version").map_err(wrong)?).unwrap_or(usize::MAX);
    let owner = number("application_id").map_err(wrong)?;
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(wrong)?;
    if !matches!(owner, APPLICATION_ID | OPEN_ID) && (tables > 0 || version > 0) {
        return Err(cannot_open(path, "it is a database of another program"));
    }
    if version > MIGRATIONS.len() {
        return Err(cannot_open(path, "a newer version of sms-mcp wrote it; update this one"));
    }
    Ok(version)
}

/// Makes the tables in a new file: before there is a log.
pub(super) fn make_tables(path: &Path) -> Result<()> {
    if path.metadata().is_ok_and(|about| about.len() > 0) {
        return Ok(());
    }
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    make_durable(&db).map_err(|error| cannot_open(path, &error.to_string()))?;
    migrate(&mut db, path)?;
    keep_log(&db, path)?;
    db.close().map_err(|(_, error)| cannot_open(path, &error.to_string()))
}

/// Sets durability, and brings the tables up to date.
pub(super) fn prepare(db: &mut Connection, path: &Path) -> Result<()> {
    make_durable(db).map_err(|error| cannot_open(path, &error.to_string()))?;
    keep_log(db, path)?;
    migrate(db, path)
}

/// Brings the tables up to date.
pub(super) fn migrate(db: &mut Connection, path: &Path) -> Result<()> {
    let wrong = |error: rusqlite::Error| cannot_open(path, &error.to_string());
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrong)?;
    // Again, under the lock: another process may have made the tables meanwhile.
    let version = applied(&transaction, path)?;
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration).map_err(wrong)?;
    }
    if version < MIGRATIONS.len() {
        transaction
            .pragma_update(None, "user_version", i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX))
            .map_err(wrong)?;
    }
    if version == 0 {
        say_open(&transaction, false).map_err(wrong)?;
    }
    transaction.commit().map_err(wrong)
}
