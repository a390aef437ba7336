//! Which file the log belongs to. What is in the log is only what was written since the log began anew; all before that is in the
//! ledger's file. Where an older file is put under the log of a process that was killed, SQLite takes the two for one ledger, and what
//! was written in between is in neither.
//!
//! So each group writes down how often the ledger had been written, at least, when the log began anew. A file that was written less
//! often is not the one to which the log belongs.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::super::place::beside;
use super::found::Row;

/// Where the salts are in the log's header, and how long they are: another pair each time that the log begins anew
/// (sqlite.org/fileformat2.html, section 4.1).
const SALTS: (u64, usize) = (16, 8);

/// What this process knows of the log.
pub(super) struct Base {
    log: PathBuf,
    salts: Option<[u8; SALTS.1]>,
    /// So many groups, at least, are in the file itself.
    count: i64,
}

impl Base {
    /// `had_log`: whether there was a log when the ledger was opened. Else all of it was in the file.
    pub(super) fn new(ledger: &Path, row: &Row, had_log: bool) -> Self {
        Self { log: beside(ledger, "-wal"), salts: None, count: if had_log { row.base } else { row.count } }
    }

    pub(super) const fn count(&self) -> i64 {
        self.count
    }

    /// A group was written; `before` it this one was the last that is known. Where the log began anew since, that is in the file.
    pub(super) fn look(&mut self, before: i64) {
        let Some(salts) = read_salts(&self.log) else { return };
        if self.salts.replace(salts).is_some_and(|known| known != salts) {
            self.count = self.count.max(before);
        }
    }
}

fn read_salts(log: &Path) -> Option<[u8; SALTS.1]> {
    let mut file = File::open(log).ok()?;
    let mut salts = [0; SALTS.1];
    file.seek(SeekFrom::Start(SALTS.0)).ok()?;
    file.read_exact(&mut salts).ok()?;
    Some(salts)
}

/// How often a ledger was written by what its file says without the log; nothing where that cannot be read. Not for one that this
/// process has open: closing it gives back what SQLite locked in it.
pub(in super::super) fn count_in_file(ledger: &Path) -> Option<i64> {
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
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let file = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags).ok()?;
    let has_mark: bool = file.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'mark')", [], |row| row.get(0)).ok()?;
    if has_mark { file.query_row("SELECT count FROM mark", [], |row| row.get(0)).ok() } else { Some(0) }
}

/// How often the file itself was written, at least, when the log began anew.
pub(in super::super) fn base_of(db: &Connection) -> rusqlite::Result<i64> {
    Row::read(db).map(|row| row.base)
}
