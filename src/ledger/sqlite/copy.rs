//! Whole copies of the ledger: looking at one, making one while the ledger is in use, and putting one in its
//! place.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::connection::{cannot_open, connect};
use super::instance::any_lives;
use super::place::{Place, beside, make_beside, say_open, says_open, sync_folder};
use super::schema::{applied, migrate};
use super::store::SqliteLedger;
use super::{approver, recover, withdraw};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// What a look at a whole ledger found.
#[derive(Clone, Debug)]
pub struct Looked {
    /// How many messages it has.
    pub messages: u32,
    /// When the latest of them last changed.
    pub latest: Option<Timestamp>,
    /// Whether it was open when it was copied, and its log was not copied with it: nobody can tell what it
    /// lacks.
    pub lacks_log: bool,
}

/// What putting a copy in place of the ledger did.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The copy.
    pub looked: Looked,
    /// Messages that had not left when the copy was made, and may have left since.
    pub unknown: u32,
    /// Where the ledger is that was there before.
    pub before: Option<PathBuf>,
}

impl SqliteLedger {
    /// Looks through every page of this ledger.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`], saying what is wrong with it.
    pub async fn look(&self) -> Result<Looked> {
        let path = self.path().to_owned();
        self.read(move |db| Ok(look(db, &path))).await?
    }

    /// Writes a whole copy to `file`, which must not exist, while everybody goes on with the ledger. The copy
    /// is one file, for this user only, without anything that was erased, and is looked through before it has
    /// its name.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`], saying why there is no copy.
    pub async fn backup(&self, file: &Path) -> Result<Looked> {
        let file = std::path::absolute(file).map_err(|error| cannot_copy(file, &error.to_string()))?;
        self.read(move |db| Ok(backup(db, &file))).await?
    }
}

fn cannot_copy(file: &Path, why: &str) -> Error {
    Error::new(ErrorKind::LedgerUnavailable, format!("cannot write {}: {why}", file.display()))
        .next("Name a file that does not exist yet, in a writable folder on a disk with room.")
}

fn backup(db: &Connection, file: &Path) -> Result<Looked> {
    let cannot = |error: std::io::Error| cannot_copy(file, &error.to_string());
    if file.symlink_metadata().is_ok() {
        return Err(cannot_copy(file, "there is a file already"));
    }
    let part = copy_from(db, file)?;
    let looked = finish(&part, |_| Ok(()))?.0;
    std::fs::rename(&part.0, file).and_then(|()| sync_folder(file)).map_err(cannot)?;
    Ok(looked)
}

/// Looks through every page of a ledger or a backup that is not in use. A log beside it belongs to it.
///
/// # Errors
/// [`ErrorKind::LedgerUnavailable`], saying what is wrong with it.
pub fn look_at(path: &Path) -> Result<Looked> {
    look(&open_copy(path)?, path)
}

/// Puts a copy in place of the ledger, which nobody may have open. What had not left when it was made is
/// unknown from then on, and never sent: it may have been sent since. The ledger that was there stays beside
/// it.
///
/// # Errors
/// [`ErrorKind::LedgerUnavailable`], saying why everything is as it was.
pub fn restore(file: &Path, ledger: &Path, now: Timestamp) -> Result<Restored> {
    let source = open_copy(file)?;
    let lacks_log = look(&source, file)?.lacks_log;
    let place = Place::enter(ledger)?;
    let path = place.path();
    if !place.is_alone() || any_lives(place.folder()) {
        return Err(cannot_open(path, "another process has it open")
            .next("Stop every server and command that uses this ledger, then restore again."));
    }
    if std::fs::canonicalize(file).is_ok_and(|file| file == path) {
        return Err(cannot_open(path, "it is the ledger itself")
            .next("Move it away first, then restore it from there."));
    }
    let part = copy_from(&source, path)?;
    let (looked, unknown) = finish(&part, |db| put_back(db, now))?;
    let before = set_aside(&place, now).map_err(|error| cannot_open(path, &error.to_string()))?;
    std::fs::rename(&part.0, path)
        .and_then(|()| sync_folder(path))
        .map_err(|error| cannot_open(path, &error.to_string()))?;
    Ok(Restored { looked: Looked { lacks_log, ..looked }, unknown, before })
}

/// What an older ledger may not take for granted. What is known outside it (who opted out since, and what was
/// spent) it is told when a person accepts it.
fn put_back(db: &mut Connection, now: Timestamp) -> Result<u32> {
    let wrong = |error: rusqlite::Error| cannot_open(Path::new("the copy"), &error.to_string());
    migrate(db, Path::new("the copy"))?;
    let transaction = db.transaction().map_err(wrong)?;
    let unknown = withdraw::take_as_accepted(&transaction, "1")
        .and_then(|()| recover::put_back(&transaction, now, "1", RESTORED))
        .map_err(wrong)?;
    approver::make_own(&transaction, now).map_err(wrong)?;
    transaction.commit().map_err(wrong)?;
    Ok(unknown)
}

const RESTORED: &str = "the ledger was restored from a backup that was made before this could leave";

/// A copy that is being made. It has its name when it is whole, and is taken away where that does not come.
struct Part(PathBuf);

/// Makes a copy under a name beside `file`.
fn copy_from(db: &Connection, file: &Path) -> Result<Part> {
    let part = Part(make_beside(file, ".part").map_err(|error| cannot_copy(file, &error.to_string()))?);
    let name = part.0.to_str().ok_or_else(|| cannot_copy(file, "its name is no text"))?;
    db.execute("VACUUM INTO ?1", [name]).map_err(|error| cannot_copy(file, &error.to_string()))?;
    Ok(part)
}

/// Says that nobody has the copy open, does `more` with it, looks through it, and brings it to the disk.
fn finish<T>(part: &Part, more: impl FnOnce(&mut Connection) -> Result<T>) -> Result<(Looked, T)> {
    let path = part.0.as_path();
    let wrong = |error: rusqlite::Error| cannot_copy(path, &error.to_string());
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    say_open(&db, false).map_err(wrong)?;
    let done = more(&mut db)?;
    let looked = look(&db, path)?;
    db.close().map_err(|(_, error)| wrong(error))?;
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|error| cannot_copy(path, &error.to_string()))?;
    Ok((looked, done))
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Gives the ledger that is there a second name, with its log. Until another file has its name it lacks its
/// log, and is refused.
fn set_aside(place: &Place, now: Timestamp) -> std::io::Result<Option<PathBuf>> {
    let [file, log, index] = place.files();
    let before = beside(&file, &format!(".before-{}", now.as_millis()));
    let is_empty = std::fs::metadata(&file)?.len() == 0;
    if log.exists() {
        std::fs::rename(&log, beside(&before, "-wal"))?;
    }
    let _ = std::fs::remove_file(index);
    if is_empty {
        return Ok(None);
    }
    std::fs::hard_link(&file, &before).or_else(|_| std::fs::copy(&file, &before).map(drop))?;
    Ok(Some(before))
}

/// Opens a file that is not in use, and leaves nothing beside it: without its log it is read as it is.
pub(super) fn open_copy(path: &Path) -> Result<Connection> {
    let cannot = |error: std::io::Error| cannot_open(path, &error.to_string());
    let path = std::fs::canonicalize(path).map_err(cannot)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if beside(&path, "-wal").exists() {
        return connect(&path, flags);
    }
    let mut address =
        url::Url::from_file_path(&path).map_err(|()| cannot_open(&path, "its name is no text"))?;
    address.set_query(Some("immutable=1"));
    connect(Path::new(address.as_str()), flags | OpenFlags::SQLITE_OPEN_URI)
}

fn look(db: &Connection, path: &Path) -> Result<Looked> {
    let wrong = |error: rusqlite::Error| cannot_open(path, &error.to_string());
    if applied(db, path)? == 0 {
        return Err(cannot_open(path, "it has no ledger in it"));
    }
    let said: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(wrong)?;
    if said != "ok" {
        return Err(cannot_open(path, &format!("it is damaged: {said}")));
    }
    let found = db.query_row("SELECT count(*), max(changed_ms) FROM message", [], |row| {
        Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?))
    });
    let (messages, latest) = found.map_err(wrong)?;
    let lacks_log = !beside(path, "-wal").exists()
        && says_open(path).map_err(|error| cannot_open(path, &error.to_string()))?;
    Ok(Looked { messages, latest: latest.map(Timestamp), lacks_log })
}
