//! The mark itself: a small text file that says which ledger it speaks of, and how often that was written.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read as _, Result, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::place::{is_of_this_user, make_folder, write_whole};
use crate::clock::Timestamp;

/// What stands before the count, which is written anew in its place.
const BEGIN: &str = "sms-mcp mark 1\ncount ";

/// Digits of a count, which keep its place the same for ever.
const DIGITS: usize = 20;

/// Longest file that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// How long somebody waits for another process that writes its count, which takes microseconds.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(1);

/// What a mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sheet {
    /// Which ledger.
    pub(super) identity: String,
    /// How often it was written, at least.
    pub(super) count: i64,
    /// Where it was; nothing where that cannot be written in a line.
    pub(super) ledger: Option<PathBuf>,
}

impl Sheet {
    fn text(&self) -> String {
        let ledger = self
            .ledger
            .as_deref()
            .and_then(Path::to_str)
            .filter(|ledger| !ledger.contains(char::is_control))
            .unwrap_or_default();
        format!("{BEGIN}{:0DIGITS$}\nidentity {}\nledger {ledger}\nend\n", self.count, self.identity)
    }

    fn parse(text: &str) -> Option<Self> {
        let (count, rest) = text.strip_prefix(BEGIN)?.split_at_checked(DIGITS)?;
        let (identity, rest) = rest.strip_prefix("\nidentity ")?.split_once("\nledger ")?;
        let ledger = rest.strip_suffix("\nend\n")?;
        let is_identity = identity.len() == 32 && identity.bytes().all(|byte| byte.is_ascii_hexdigit());
        let ledger = Some(PathBuf::from(ledger)).filter(|ledger| !ledger.as_os_str().is_empty());
        is_identity.then_some(Self {
            identity: identity.to_owned(),
            count: count_from(count.as_bytes())?,
            ledger,
        })
    }
}

fn count_from(digits: &[u8]) -> Option<i64> {
    let is_plain = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_plain)?.parse().ok()
}

fn unreadable(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why.to_owned())
}

/// Reads a mark, and when it was last written; nothing where there is none. What is there and is no mark is
/// [`ErrorKind::InvalidData`].
pub(super) fn read(path: &Path) -> Result<Option<(Sheet, Option<Timestamp>)>> {
    let about = match path.symlink_metadata() {
        Ok(about) => about,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(unreadable("it is no mark"));
    }
    if !is_of_this_user(path, &about) {
        return Err(Error::new(ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    let sheet = Sheet::parse(&std::fs::read_to_string(path)?)
        .ok_or_else(|| unreadable("it is no mark, or a part of one"))?;
    let since = about.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    Ok(Some((sheet, since.and_then(|since| i64::try_from(since.as_millis()).ok()).map(Timestamp))))
}

/// Writes a mark, whole or not at all, for this user only, in place of whatever is there.
pub(super) fn create(path: &Path, sheet: &Sheet) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        make_folder(folder)?;
    }
    write_whole(path, sheet.text().as_bytes())
}

/// Opens a mark for [`raise`].
pub(super) fn open(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Writes this count, unless one as high is there: of several processes, the latest count stays. Without a
/// sync. Returns whether it was written.
pub(super) fn raise(file: &File, count: i64) -> Result<bool> {
    let mut left = PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if !left.is_zero() => {
                std::thread::sleep(LOOK);
                left = left.saturating_sub(LOOK);
            }
            Err(error) => return Err(Error::other(error)),
        }
    }
    let raised = raise_locked(file, count);
    file.unlock().and(raised)
}

fn raise_locked(mut file: &File, count: i64) -> Result<bool> {
    if has_no_name(file)? {
        return Err(Error::new(ErrorKind::NotFound, "it was removed or replaced"));
    }
    let place = SeekFrom::Start(u64::try_from(BEGIN.len()).unwrap_or(0));
    let mut digits = [0; DIGITS];
    file.seek(place)?;
    file.read_exact(&mut digits)?;
    let is_higher = count_from(&digits).ok_or_else(|| unreadable("its count is no number"))? < count;
    if is_higher {
        file.seek(place)?;
        file.write_all(format!("{count:0DIGITS$}").as_bytes())?;
    }
    Ok(is_higher)
}

#[cfg(unix)]
fn has_no_name(file: &File) -> Result<bool> {
    Ok(std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) == 0)
}

#[cfg(not(unix))]
fn has_no_name(_: &File) -> Result<bool> {
    Ok(false)
}

/// Every mark that can be read in a folder, with its file.
pub(super) fn all_in(folder: &Path) -> Vec<(PathBuf, Sheet)> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let marks = files.filter(|file| file.extension().is_some_and(|end| end == "mark"));
    marks.filter_map(|file| Some((read(&file).ok()??.0, file))).map(|(sheet, file)| (file, sheet)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sheet(count: i64) -> Sheet {
        Sheet {
            identity: "0123456789abcdef0123456789abcdef".to_owned(),
            count,
            ledger: Some(PathBuf::from("/data/ledger.db")),
        }
    }

    #[test]
    fn a_mark_reads_back_and_a_part_of_one_is_none() {
        let text = sheet(42).text();
        assert_eq!(Sheet::parse(&text), Some(sheet(42)));
        for end in 0..text.len() {
            assert_eq!(Sheet::parse(&text[..end]), None, "{}", &text[..end]);
        }
    }

    #[test]
    fn of_several_counts_the_highest_stays_whoever_writes_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/ledger.mark");
        create(&path, &sheet(0)).unwrap();
        std::thread::scope(|scope| {
            for first in 1..=4 {
                let file = open(&path).unwrap();
                scope.spawn(move || (0..500).all(|step| raise(&file, first + step * 4).is_ok()));
            }
        });
        assert_eq!(read(&path).unwrap().unwrap().0, sheet(2_000));
    }

    #[cfg(unix)]
    #[test]
    fn a_mark_that_was_replaced_is_not_taken_for_the_one_that_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.mark");
        create(&path, &sheet(7)).unwrap();
        let file = open(&path).unwrap();
        create(&path, &sheet(3)).unwrap();
        assert!(raise(&file, 8).unwrap_err().to_string().contains("removed or replaced"));
        assert_eq!(read(&path).unwrap().unwrap().0, sheet(3));
    }
}
