//! Which file the log belongs to. What is in the log is only what was written since the log began anew; all
//! before that is in the ledger's file. Where an older file is put under the log of a process that was
//! killed, SQLite takes the two for one ledger, and what was written in between is in neither.
//!
//! So it is written down how often the ledger had been written, at least, when the log began anew: as soon as
//! all of a log is in the file, for the next write may begin it anew, and by each group. A file that was
//! written less often is not the one to which the log belongs; nor is one that was written more often than
//! the log knows, or another ledger.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest as _, Sha256};

use super::super::log;
use super::super::place::beside;
use super::found::Row;
use crate::sms::message::hex;

/// What this process knows of the log.
pub(super) struct Base {
    log: PathBuf,
    salts: Option<[u8; 8]>,
    /// So many groups, at least, are in the file itself.
    count: i64,
}

impl Base {
    /// `had_log`: whether there was a log when the ledger was opened. Else all of it was in the file.
    pub(super) fn new(ledger: &Path, row: &Row, had_log: bool) -> Self {
        Self { log: beside(ledger, "-wal"), salts: None, count: if had_log { row.base } else { row.count } }
    }

    /// Whether all of the log is in the file.
    pub(super) fn is_all_in_file(db: &Connection) -> rusqlite::Result<bool> {
        let frames = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        let (all, in_file) = db.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?.query_row([], frames)?;
        Ok(all == in_file)
    }

    pub(super) const fn count(&self) -> i64 {
        self.count
    }

    /// So many groups are in the file. Returns whether that is news.
    pub(super) const fn raise(&mut self, count: i64) -> bool {
        let is_news = count > self.count;
        if is_news {
            self.count = count;
        }
        is_news
    }

    /// A group was written; `before` it this one was the last that is known. Where the log began anew since,
    /// that is in the file.
    pub(super) fn look(&mut self, before: i64) {
        let Some(salts) = log::salts(&self.log) else { return };
        if self.salts.replace(salts).is_some_and(|known| known != salts) {
            self.count = self.count.max(before);
        }
    }
}

/// What a ledger's file says without its log.
pub(in super::super) struct InFile {
    layout: String,
    identity: Option<String>,
    count: i64,
}

impl InFile {
    /// See [`layout`].
    pub(in super::super) fn layout(&self) -> &str {
        &self.layout
    }

    /// Whether the log, with which `db` reads the file, may be the file's own.
    pub(in super::super) fn has_this_log(&self, db: &Connection) -> rusqlite::Result<bool> {
        let row = Row::read(db)?;
        let Some(identity) = &self.identity else { return Ok(row.base <= self.count) };
        let is_same = row.identity.as_ref() == Some(identity) || {
            // A person may have accepted it since.
            let mut accepted =
                db.prepare_cached("SELECT EXISTS (SELECT 1 FROM acceptance WHERE identity = ?1)")?;
            accepted.query_row([identity], |row| row.get(0))?
        };
        Ok(is_same && (row.base..=row.count).contains(&self.count))
    }

    /// Notes, in the transaction that opens the ledger, how often its file was written: the log may begin
    /// anew with it.
    pub(in super::super) fn note(&self, db: &Connection) -> rusqlite::Result<()> {
        write(db, self.count)
    }
}

/// Writes into the ledger that so many groups are in its file.
pub(super) fn write(db: &Connection, count: i64) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE mark SET base = ?1 WHERE id = 1 AND base < ?1")?.execute([count]).map(drop)
}

/// What a ledger's file says without the log; nothing where that cannot be read. Not for one that this
/// process has open: closing it gives back what SQLite locked in it.
pub(in super::super) fn in_file(ledger: &Path) -> Option<InFile> {
    let escaped: String = ledger
        .to_str()?
        .chars()
        .map(|c| match c {
            '%' => "%25".to_owned(),
            '?' => "%3f".to_owned(),
            '#' => "%23".to_owned(),
            other => other.to_string(),
        })
        .collect();
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let file = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags).ok()?;
    let has_mark: bool = file
        .query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'mark')", [], |row| row.get(0))
        .ok()?;
    let layout = layout(&file).ok()?;
    if !has_mark {
        return Some(InFile { layout, identity: None, count: 0 });
    }
    let read = |row: &rusqlite::Row<'_>| Ok(InFile { layout, identity: row.get(0)?, count: row.get(1)? });
    file.query_row("SELECT identity, count FROM mark", [], read).ok()
}

/// At which pages the tables and indices of a ledger begin, after the number of its last migration. It is
/// another one in a copy that was packed (a backup), and stays as it is while a ledger is open.
pub(in super::super) fn layout(db: &Connection) -> rusqlite::Result<String> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let mut statement =
        db.prepare("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0 ORDER BY name")?;
    let pages = statement
        .query_map([], |row| Ok(format!("{} {}", row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let pages: Vec<String> = pages.collect::<rusqlite::Result<_>>()?;
    Ok(format!("{version}:{}", hex(&Sha256::digest(pages.join(",")))))
}
