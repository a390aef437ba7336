//! What a write-ahead log holds, read without SQLite: to open a file and a log that do not belong together is
//! to take both for one ledger, whatever the tables of either say.
//!
//! The form is that of sqlite.org/fileformat2.html, section 4.1.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The log's header, and where the size of a page and the salts are in it.
const HEADER: usize = 32;
const PAGE_SIZE: usize = 8;
const SALTS: usize = 16;

/// The header of a frame: the page's number, the size of the file after a commit (else 0), the salts.
const FRAME: usize = 24;
const COMMIT: usize = 4;
const FRAME_SALTS: usize = 8;

fn octets<const N: usize>(of: &[u8], at: usize) -> [u8; N] {
    of.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

/// Whether more than the file's header was committed to the log since it began anew. Frames of before that,
/// which lie behind, have other salts.
///
/// # Errors
/// What is wrong with reading it.
pub(super) fn holds_more_than_header(log: &Path) -> std::io::Result<bool> {
    let mut log = match File::open(log) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let Some(header) = next::<HEADER>(&mut log)? else { return Ok(false) };
    let salts: [u8; 8] = octets(&header, SALTS);
    let page = u32::from_be_bytes(octets(&header, PAGE_SIZE));
    let mut holds_more = false;
    while let Some(frame) = next::<FRAME>(&mut log)?.filter(|frame| octets::<8>(frame, FRAME_SALTS) == salts)
    {
        holds_more |= u32::from_be_bytes(octets(&frame, 0)) != 1;
        if holds_more && octets::<4>(&frame, COMMIT) != [0; 4] {
            return Ok(true);
        }
        log.seek_relative(i64::from(page))?;
    }
    Ok(false)
}

/// The next `N` octets; nothing where there are fewer.
fn next<const N: usize>(log: &mut BufReader<File>) -> std::io::Result<Option<[u8; N]>> {
    let mut octets = [0; N];
    match log.read_exact(&mut octets) {
        Ok(()) => Ok(Some(octets)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// The salts of the log: another pair each time that it begins anew.
pub(super) fn salts(log: &Path) -> Option<[u8; 8]> {
    let mut file = File::open(log).ok()?;
    let mut salts = [0; 8];
    file.seek(SeekFrom::Start(SALTS as u64)).ok()?;
    file.read_exact(&mut salts).ok()?;
    Some(salts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn a_log_is_read_as_sqlite_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, log) = (folder.path().join("a.db"), folder.path().join("a.db-wal"));
        assert!(!holds_more_than_header(&log).unwrap(), "there is none");
        std::fs::write(&log, b"").unwrap();
        assert!(!holds_more_than_header(&log).unwrap(), "an empty one");
        let mut db = Connection::open(&file).unwrap();
        db.execute_batch(
            "CREATE TABLE t (x); PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; \
            PRAGMA application_id = 1",
        )
        .unwrap();
        assert!(!holds_more_than_header(&log).unwrap(), "the header alone");
        db.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        assert!(holds_more_than_header(&log).unwrap(), "a page of a table");
        // It begins anew, with what was in it behind.
        db.execute_batch("PRAGMA wal_checkpoint(RESTART); PRAGMA application_id = 2").unwrap();
        assert!(
            !holds_more_than_header(&log).unwrap() && log.metadata().unwrap().len() > 8_000,
            "what lies behind is of before"
        );
        // Written and not committed is not in it.
        db.execute_batch("PRAGMA cache_spill = 1; PRAGMA cache_size = 1").unwrap();
        let transaction = db.transaction().unwrap();
        for n in 0..2_000 {
            transaction.execute("INSERT INTO t VALUES (?1)", [format!("{n:0100}")]).unwrap();
        }
        assert!(log.metadata().unwrap().len() > 50_000, "it is on the disk");
        assert!(!holds_more_than_header(&log).unwrap(), "not committed");
        transaction.commit().unwrap();
        assert!(holds_more_than_header(&log).unwrap());
        // What ends in the middle of a frame.
        let whole = std::fs::read(&log).unwrap();
        for end in [1, HEADER, HEADER + 1, HEADER + FRAME, HEADER + FRAME + 100] {
            std::fs::write(&log, &whole[..end]).unwrap();
            assert!(!holds_more_than_header(&log).unwrap(), "{end}");
        }
    }
}
