//! What the mark knows besides the count: who wants no more texts, and at least how much of each budget is
//! used. A small database beside the mark, so that several processes may write it, and a kill in the middle
//! takes nothing away.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::Type;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use super::super::place::{Id, beside, id, is_of_this_user, private};
use super::super::wish::Wish;
use crate::clock::Timestamp;

/// How long a write waits for another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS wish (number TEXT PRIMARY KEY, is_out INTEGER NOT NULL, at_ms INTEGER NOT \
    NULL, source TEXT NOT NULL,
                                     is_stray INTEGER NOT NULL, pending TEXT) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS budget (key TEXT PRIMARY KEY, scope INTEGER NOT NULL, used_micros INTEGER \
    NOT NULL, messages INTEGER NOT NULL,
                                       frozen INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS known (identity TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS wish_stray ON wish (is_stray) WHERE is_stray;
    PRAGMA user_version = 1;";

/// The version of notes in which all stands that the ledger knows. Those of a lower one were begun, and a
/// kill came.
const WHOLE: i32 = 2;

/// How much of a budget is used, at least as much as ever was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Cover {
    /// Its name.
    pub(in super::super) key: String,
    /// Which part of the path it is, as the ledger numbers them.
    pub(in super::super) scope: i64,
    /// Held and spent.
    pub(in super::super) used_micros: i64,
    /// Messages held or spent.
    pub(in super::super) messages: i64,
    /// Whether a person has to look.
    pub(in super::super) is_frozen: bool,
}

/// See the module's text.
pub(super) struct Notes {
    db: Connection,
    path: PathBuf,
    /// Which file it is.
    id: Option<Id>,
}

/// What went wrong, as trouble of the file that it is.
fn trouble(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::new(ErrorKind::InvalidData, error)
        }
        _ => Error::other(error),
    }
}

impl Notes {
    /// Opens what is there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let about = path.symlink_metadata()?;
        if !about.is_file() || !is_of_this_user(path, &about) {
            return Err(Error::other("it is no file of this user"));
        }
        Self::connect(path).map_err(trouble)
    }

    /// The same, or makes it for this user only. What is there and can be read by nobody is set aside.
    pub(super) fn open_or_begin(path: &Path) -> Result<Self> {
        match Self::open(path) {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                for end in ["", "-wal", "-shm"] {
                    let _ = std::fs::rename(beside(path, end), beside(path, &format!(".unreadable{end}")));
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        drop(private().write(true).create_new(true).open(path)?);
        Self::open(path)
    }

    /// Whether all stands in it that the ledger knew when it was made.
    pub(super) fn is_whole(&self) -> Result<bool> {
        self.version().map(|version| version >= WHOLE).map_err(trouble)
    }

    /// Says so.
    pub(super) fn make_whole(&self) -> Result<()> {
        self.db.pragma_update(None, "user_version", WHOLE).map_err(trouble)
    }

    fn version(&self) -> rusqlite::Result<i32> {
        self.db.pragma_query_value(None, "user_version", |row| row.get(0))
    }

    /// Whether it is the file at its name.
    pub(super) fn is_there(&self) -> bool {
        self.id.is_some() && id(&self.path) == self.id
    }

    fn connect(path: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        db.pragma_update(None, "synchronous", "normal")?;
        let notes = Self { db, path: path.to_owned(), id: id(path) };
        if notes.version()? == 0 {
            notes.db.execute_batch(TABLES)?;
        }
        Ok(notes)
    }

    /// Writes wishes. One for no more texts always counts; one for texts again does where it is not the older
    /// one. Stray ones are not in the ledger that the mark speaks of.
    pub(super) fn write_wishes(&mut self, wishes: &[Wish], is_stray: bool) -> Result<()> {
        // A STOP is brought to the disk at once, as it is in the ledger.
        self.db.pragma_update(None, "synchronous", "full").map_err(trouble)?;
        let written = self.write(|db| {
            let mut write = db.prepare_cached(
                "INSERT INTO wish (number, is_out, at_ms, source, is_stray, pending) VALUES (?1, ?2, ?3, \
                 ?4, ?5, ?6)
                 ON CONFLICT (number) DO UPDATE
                 SET is_out = excluded.is_out, at_ms = excluded.at_ms, is_stray = is_stray OR \
                 excluded.is_stray, pending = excluded.pending,
                     source = CASE WHEN is_out AND excluded.is_out AND source = 'operator' THEN source ELSE \
                 excluded.source END
                 WHERE excluded.is_out OR excluded.at_ms >= at_ms",
            )?;
            for wish in wishes {
                let pending = wish.pending.as_ref().map(serde_json::to_string).transpose();
                let pending =
                    pending.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
                write.execute(params![
                    wish.number,
                    wish.is_out,
                    wish.at.as_millis(),
                    wish.source,
                    is_stray,
                    pending
                ])?;
            }
            Ok(())
        });
        self.db.pragma_update(None, "synchronous", "normal").map_err(trouble)?;
        written
    }

    /// Notes that at least so much of these budgets is used.
    pub(super) fn write_covers<'a>(&mut self, covers: impl IntoIterator<Item = &'a Cover>) -> Result<()> {
        self.write(|db| {
            let mut write = db.prepare_cached(
                "INSERT INTO budget (key, scope, used_micros, messages, frozen) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (key) DO UPDATE
                 SET used_micros = max(used_micros, excluded.used_micros), messages = max(messages, \
                 excluded.messages)",
            )?;
            for cover in covers {
                write.execute(params![
                    cover.key,
                    cover.scope,
                    cover.used_micros,
                    cover.messages,
                    cover.is_frozen
                ])?;
            }
            Ok(())
        })
    }

    /// Notes which budgets are frozen: these, and no other one.
    pub(super) fn write_frozen(&mut self, frozen: &[Cover]) -> Result<()> {
        self.write_covers(frozen)?;
        self.write(|db| {
            db.execute("UPDATE budget SET frozen = 0 WHERE frozen", [])?;
            let mut freeze = db.prepare_cached("UPDATE budget SET frozen = 1 WHERE key = ?1")?;
            frozen.iter().try_for_each(|cover| freeze.execute([&cover.key]).map(drop))
        })
    }

    /// Notes that a ledger with this identity is an older one of the ledger that the mark speaks of.
    pub(super) fn know(&mut self, identity: &str) -> Result<()> {
        self.write(|db| {
            db.execute("INSERT INTO known (identity) VALUES (?1) ON CONFLICT DO NOTHING", [identity])
                .map(drop)
        })
    }

    /// Whether it is.
    pub(super) fn knows(&self, identity: &str) -> Result<bool> {
        let read =
            self.db.query_row("SELECT EXISTS (SELECT 1 FROM known WHERE identity = ?1)", [identity], |row| {
                row.get(0)
            });
        read.map_err(trouble)
    }

    /// Says that the ledger has what was stray.
    pub(super) fn forget_strays(&mut self) -> Result<()> {
        self.write(|db| db.execute("UPDATE wish SET is_stray = 0 WHERE is_stray", []).map(drop))
    }

    fn write(&mut self, step: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<()> {
        let transaction =
            self.db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(trouble)?;
        step(&transaction).map_err(trouble)?;
        transaction.commit().map_err(trouble)
    }

    /// Every wish, or those that are in no ledger.
    pub(super) fn wishes(&self, only_strays: bool) -> Result<Vec<Wish>> {
        let read = || -> rusqlite::Result<Vec<Wish>> {
            let which = if only_strays { "WHERE is_stray" } else { "" };
            let mut statement = self.db.prepare(&format!(
                "SELECT number, is_out, at_ms, source, pending FROM wish {which} ORDER BY at_ms"
            ))?;
            let row = |row: &rusqlite::Row<'_>| {
                let wrong = |error: serde_json::Error| {
                    rusqlite::Error::FromSqlConversionFailure(4, Type::Text, error.into())
                };
                let pending = row
                    .get::<_, Option<String>>(4)?
                    .map(|text| serde_json::from_str(&text))
                    .transpose()
                    .map_err(wrong)?;
                Ok(Wish {
                    number: row.get(0)?,
                    is_out: row.get(1)?,
                    at: Timestamp(row.get(2)?),
                    source: row.get(3)?,
                    pending,
                })
            };
            statement.query_map([], row)?.collect()
        };
        read().map_err(trouble)
    }

    /// Every budget.
    pub(super) fn covers(&self) -> Result<Vec<Cover>> {
        let read = || -> rusqlite::Result<Vec<Cover>> {
            let mut statement =
                self.db.prepare("SELECT key, scope, used_micros, messages, frozen FROM budget")?;
            statement.query_map([], cover_from)?.collect()
        };
        read().map_err(trouble)
    }

    /// Brings all of it to the disk.
    pub(super) fn sync(&self) -> Result<()> {
        self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(trouble)
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        if !self.is_there() {
            // The log at its name may be that of the file that is there now.
            let _ = self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }
}

/// Reads a name, a scope, what is used, messages, and whether it is frozen.
pub(super) fn cover_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Cover> {
    Ok(Cover {
        key: row.get(0)?,
        scope: row.get(1)?,
        used_micros: row.get(2)?,
        messages: row.get(3)?,
        is_frozen: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wish(is_out: bool, at: i64) -> Wish {
        Wish {
            number: "+33199000001".to_owned(),
            is_out,
            at: Timestamp(at),
            source: "reply".to_owned(),
            pending: None,
        }
    }

    #[test]
    fn in_doubt_a_person_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let mut notes = Notes::open_or_begin(&folder.path().join("notes")).unwrap();
        let mut left = |wishes: &[Wish]| {
            notes.write_wishes(wishes, false).unwrap();
            notes.wishes(false).unwrap()[0].is_out
        };
        assert!(left(&[wish(true, 10)]));
        assert!(left(&[wish(false, 9)]), "an older START that comes late");
        assert!(!left(&[wish(false, 11)]));
        assert!(left(&[wish(true, 5)]), "what the ledger took for a STOP is one");
    }

    #[test]
    fn what_the_operator_decided_stays_the_operators_when_the_person_says_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut notes = Notes::open_or_begin(&folder.path().join("notes")).unwrap();
        let by = |source: &str, is_out, at| Wish { source: source.to_owned(), ..wish(is_out, at) };
        let mut left = |said: Wish| {
            notes.write_wishes(&[said], false).unwrap();
            notes.wishes(false).unwrap()[0].source.clone()
        };
        assert_eq!(left(by("operator", true, 1)), "operator");
        assert_eq!(left(by("reply", true, 2)), "operator");
        assert_eq!(left(by("operator", false, 3)), "operator");
        assert_eq!(left(by("reply", true, 4)), "reply");
    }

    #[test]
    fn what_was_used_never_becomes_less() {
        let folder = tempfile::tempdir().unwrap();
        let mut notes = Notes::open_or_begin(&folder.path().join("notes")).unwrap();
        let cover = |used_micros, messages| Cover {
            key: "day".to_owned(),
            scope: 1,
            used_micros,
            messages,
            is_frozen: false,
        };
        notes.write_covers(&[cover(10, 3), cover(7, 4)]).unwrap();
        assert_eq!(notes.covers().unwrap(), [cover(10, 4)]);
        notes.write_frozen(&[Cover { is_frozen: true, ..cover(12, 1) }]).unwrap();
        assert_eq!(notes.covers().unwrap(), [Cover { is_frozen: true, ..cover(12, 4) }]);
        notes.write_frozen(&[]).unwrap();
        assert_eq!(notes.covers().unwrap(), [cover(12, 4)]);
    }
}
