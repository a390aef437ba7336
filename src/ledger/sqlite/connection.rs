//! A connection to the ledger's file: how it is opened, how it waits for other processes, and what makes its
//! writes durable.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::sealed;
use crate::error::{Error, ErrorKind, Result};

/// How long a write waits for another process's transaction, and how long between two looks. Those of
/// `SQLite` become longer and longer, and miss what one that accepts a large bulk leaves between its parts.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const BUSY_LOOK: Duration = Duration::from_millis(1);

/// Page cache of a connection, in KiB: enough for the hot ends of the indices, small enough for a laptop.
const CACHE_KIB: i32 = 2_048;

/// Pages of log after which it is folded into the file: more pages, fewer and better filled writes.
const CHECKPOINT_PAGES: i32 = 4_000;

pub(super) fn cannot_open(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::LedgerUnavailable, format!("cannot use the ledger {}: {why}", path.display())).next(
        "Name a file in a writable folder on a local disk with --ledger FILE or SMS_MCP_LEDGER. \
            Nothing was sent.",
    )
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let open = || -> rusqlite::Result<Connection> {
        let db = Connection::open_with_flags(path, flags)?;
        // The log goes when the file says that nobody has it open (`writer::leave`), and with no other end,
        // such as that of a start that failed: the file would lack its log for good. First of all, for all
        // below reads the file, and may fail.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        be_patient(&db)?;
        db.set_prepared_statement_cache_capacity(64);
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        db.pragma_update(None, "temp_store", "memory")?;
        // Plans do not depend on values, so that no statement is prepared again because a value changed.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        sealed::teach(&db)?;
        Ok(db)
    };
    open().map_err(|error| cannot_open(path, &error.to_string()))
}

/// Lets this connection wait for other processes.
pub(super) fn be_patient(db: &Connection) -> rusqlite::Result<()> {
    let look_again = |looks: i32| {
        let waits_on =
            u128::try_from(looks).is_ok_and(|looks| looks * BUSY_LOOK.as_millis() < BUSY_TIMEOUT.as_millis());
        if waits_on {
            std::thread::sleep(BUSY_LOOK);
        }
        waits_on
    };
    db.busy_handler(Some(look_again))
}

pub(super) fn make_durable(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "synchronous", "full")?;
    // On macOS a plain fsync does not reach the disk; elsewhere this changes nothing.
    db.pragma_update(None, "fullfsync", true)?;
    // Erased texts are overwritten, where that costs no further write.
    db.pragma_update_and_check(None, "secure_delete", "fast", |_| Ok(()))?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)
}

pub(super) fn keep_log(db: &Connection, path: &Path) -> Result<()> {
    let mode = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
    match mode.map_err(|error| cannot_open(path, &error.to_string()))?.as_str() {
        "wal" => Ok(()),
        _ => Err(cannot_open(path, "its disk does not support a write-ahead log")),
    }
}
