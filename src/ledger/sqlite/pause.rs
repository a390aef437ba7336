//! What the operator has paused: a file beside the ledger, `<ledger>.live/pause`, that every process looks
//! at.
//!
//! Not in the ledger, which may be locked, or on a disk that is full. The file is made whenever the ledger is
//! opened, as long as it ever gets, and is written in place after that: a pause takes no room that is not
//! taken already, and no more of the ledger than its name. A digest says whether what is read is whole. Where
//! it is not (somebody died in the middle of a write), or the file cannot be read, everything is paused.

use std::fs::File;
use std::io::{ErrorKind as Failed, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::place::{beside, check_owner, holds_ledger, make_folder, private};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::halt::{Pause, Source};
use crate::sms::message::hex;

/// How long the file is, in bytes, from its first moment on.
const LENGTH: usize = 16 * 1024;

/// How the file begins; the digest follows.
const TITLE: &[u8] = b"sms-mcp pauses 1 ";

/// How long the first line is: the title, the digest and the end of the line.
const HEAD: usize = TITLE.len() + 17;

/// Longest name of a principal that can be paused, in bytes.
const LONGEST_NAME: usize = 128;

/// How long somebody waits for another one who is just writing, and how often they look. A write takes less
/// than a millisecond.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a process that looks in passing does.
const MOMENT: Duration = Duration::from_millis(20);
const LOOK: Duration = Duration::from_millis(5);

/// The room that a ledger's disk has to have: for its log at its longest (16 MiB), and for what comes in for
/// a while after the last text has begun: outcomes, receipts, and what people write.
const FLOOR: u64 = 64 * 1024 * 1024;

/// On a small disk the floor is this part of it.
const PART: u64 = 20;

/// Files that this process has made, so that each has a name of its own until it is whole.
static MADE: AtomicU64 = AtomicU64::new(0);

/// A pause as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    since_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
}

/// The first line of a file: it changes with whatever is in it.
fn head_of(body: &[u8]) -> Vec<u8> {
    let digest = hex(Sha256::digest(body).get(..8).unwrap_or_default());
    [TITLE, digest.as_bytes(), b"\n"].concat()
}

/// A whole file that says this; nothing where it is too much.
fn written(pauses: &[Pause]) -> Option<Vec<u8>> {
    let each = pauses.iter().map(|pause| Written {
        since_ms: pause.since.as_millis(),
        provider: pause.provider.clone(),
        principal: pause.principal.clone(),
    });
    let mut body = serde_json::to_vec_pretty(&each.collect::<Vec<_>>()).ok()?;
    if body.len() >= LENGTH - HEAD {
        return None;
    }
    body.resize(LENGTH - HEAD - 1, b' ');
    body.push(b'\n');
    Some([head_of(&body), body].concat())
}

/// What a file says.
fn read(bytes: &[u8]) -> Result<Vec<Pause>, String> {
    let (head, body) = bytes.split_at_checked(HEAD).ok_or("it is cut short")?;
    if bytes.len() != LENGTH || head != head_of(body) {
        return Err("it is torn, or somebody else wrote in it".to_owned());
    }
    let each: Vec<Written> =
        serde_json::from_slice(body).map_err(|_| "a newer version of sms-mcp wrote it".to_owned())?;
    Ok(each
        .into_iter()
        .map(|one| Pause { since: Timestamp(one.since_ms), provider: one.provider, principal: one.principal })
        .collect())
}

/// The file. See the module's text.
pub struct PauseFile {
    /// The ledger's.
    ledger: PathBuf,
    path: PathBuf,
    file: File,
    /// What was in it when it was read last.
    seen: Vec<u8>,
    /// Whether it was not whole then.
    is_torn: bool,
    /// What it said last.
    known: Vec<Pause>,
}

/// Makes the file where there is none, in the folder of the ledger's locks.
pub(super) fn make(folder: &Path) -> std::io::Result<()> {
    open(&folder.join("pause"), &[]).map(drop)
}

/// Opens the file, and makes it where there is none. It gets its name once it is whole, so that one which is
/// cut short, to nothing too, is damaged.
fn open(path: &Path, pauses: &[Pause]) -> std::io::Result<File> {
    let there = || File::options().read(true).write(true).open(path);
    match there() {
        Err(error) if error.kind() == Failed::NotFound => {}
        opened => return opened,
    }
    let new = beside(path, &format!(".{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed)));
    let made = private()
        .read(true)
        .write(true)
        .truncate(true)
        .open(&new)
        .and_then(|file| put(&file, &written(pauses).unwrap_or_default()));
    let named = made.and_then(|()| match std::fs::hard_link(&new, path) {
        // Somebody else was quicker: theirs stays.
        Err(error) if error.kind() == Failed::AlreadyExists => Ok(()),
        // Here nothing can have two names.
        Err(_) => std::fs::rename(&new, path),
        Ok(()) => Ok(()),
    });
    let _ = std::fs::remove_file(&new);
    named.and_then(|()| there())
}

/// Takes the turn to write, or (after a while) does not get it.
fn take_turn(file: &File) -> bool {
    let mut left = PATIENCE;
    loop {
        if file.try_lock().is_ok() {
            return true;
        }
        if left.is_zero() {
            return false;
        }
        std::thread::sleep(LOOK);
        left = left.saturating_sub(LOOK);
    }
}

fn put(mut file: &File, bytes: &[u8]) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)?;
    file.sync_data()
}

fn get(mut file: &File, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(most);
    file.seek(SeekFrom::Start(0))?;
    file.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl PauseFile {
    /// The file of a ledger that this process does not have open.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`] where there is no ledger, or the file cannot be used.
    pub fn of_closed(ledger: &Path) -> Result<Self> {
        match holds_ledger(ledger) {
            Ok(true) => Self::of(ledger),
            Ok(false) => Err(no_ledger(ledger, "this file is none")),
            Err(error) => Err(no_ledger(ledger, &error.to_string())),
        }
    }

    /// The file of a ledger that is there. The ledger itself is not opened.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`] where there is nothing, or the file cannot be used.
    pub fn of(ledger: &Path) -> Result<Self> {
        let ledger = std::fs::canonicalize(ledger).map_err(|error| no_ledger(ledger, &error.to_string()))?;
        let folder = beside(&ledger, ".live");
        let path = folder.join("pause");
        if !path.exists() {
            // What somebody else makes there the ledger's owner could not open.
            check_owner(&ledger)?;
        }
        let made = make_folder(&folder).and_then(|()| open(&path, &[]));
        let file = made.map_err(|error| cannot(&path, &error.to_string()))?;
        Ok(Self { ledger, path, file, seen: Vec::new(), is_torn: false, known: Vec::new() })
    }

    /// What is paused.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`] where nobody can tell: then everything is.
    pub fn list(&mut self) -> Result<Vec<Pause>> {
        self.whole(PATIENCE).map_err(|why| cannot(&self.path, &format!("{why}; everything is paused")))
    }

    /// Pauses this from now on, in every process. What is paused already stays so since it is. Where nobody
    /// can tell what was paused, everything is from then on.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a name that is none, or one pause too many;
    /// [`ErrorKind::LedgerUnavailable`] where it cannot be written.
    pub fn pause(&mut self, asked: Pause) -> Result<Vec<Pause>> {
        let is_name = |name: &String| {
            !name.is_empty() && name.len() <= LONGEST_NAME && !name.chars().any(char::is_control)
        };
        if !asked.provider.iter().chain(&asked.principal).all(is_name) {
            let message = format!("a name has 1 to {LONGEST_NAME} bytes, and no control characters");
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .next("Nothing was paused. `sms-mcp pause` alone pauses everything."));
        }
        // Whoever stops in the middle of a write must keep nobody from pausing.
        let has_turn = take_turn(&self.file);
        let mut pauses = self
            .whole(PATIENCE)
            .unwrap_or_else(|_| vec![Pause { since: asked.since, provider: None, principal: None }]);
        if !pauses.iter().any(|pause| pause.is_about(&asked)) {
            pauses.push(asked);
        }
        let written = self.write(&pauses);
        if has_turn {
            let _ = self.file.unlock();
        }
        written.map(|()| pauses)
    }

    /// Ends a pause of just this. Returns what is still paused.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where just this is not paused; [`ErrorKind::LedgerUnavailable`] where it
    /// cannot be written, or nobody can tell what is paused and not everything is to go on.
    pub fn resume(&mut self, asked: &Pause) -> Result<Vec<Pause>> {
        if !take_turn(&self.file) {
            return Err(cannot(&self.path, "another process is writing it"));
        }
        let resumed = self.without(asked).and_then(|pauses| self.write(&pauses).map(|()| pauses));
        let _ = self.file.unlock();
        resumed
    }

    fn without(&mut self, asked: &Pause) -> Result<Vec<Pause>> {
        let is_everything = asked.provider.is_none() && asked.principal.is_none();
        let mut pauses = match self.whole(PATIENCE) {
            Ok(pauses) => pauses,
            Err(_) if is_everything => return Ok(Vec::new()),
            Err(why) => {
                return Err(cannot(
                    &self.path,
                    &format!("{why}; `sms-mcp resume` alone lets everything go on"),
                ));
            }
        };
        let before = pauses.len();
        pauses.retain(|pause| !pause.is_about(asked));
        if pauses.len() == before {
            let message = format!("{} is not paused", asked.what());
            return Err(
                Error::new(ErrorKind::NotFound, message).next("`sms-mcp pause --list` shows what is.")
            );
        }
        Ok(pauses)
    }

    fn write(&mut self, pauses: &[Pause]) -> Result<()> {
        let Some(bytes) = written(pauses) else {
            let message = format!("{} pauses are too many for the file that was made for them", pauses.len());
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .next("`sms-mcp pause` alone pauses everything; `sms-mcp resume` ends one."));
        };
        put(&self.file, &bytes).map_err(|error| cannot(&self.path, &error.to_string()))
    }

    /// What the file says, whole; again for a moment where somebody is just writing it.
    fn whole(&mut self, mut left: Duration) -> Result<Vec<Pause>, String> {
        loop {
            let bytes = get(&self.file, LENGTH).map_err(|error| error.to_string())?;
            match read(&bytes) {
                Ok(pauses) => {
                    self.seen = bytes;
                    self.known.clone_from(&pauses);
                    self.is_torn = false;
                    return Ok(pauses);
                }
                Err(why) if left.is_zero() => {
                    self.seen = bytes;
                    self.is_torn = true;
                    return Err(why);
                }
                Err(_) => {
                    std::thread::sleep(LOOK);
                    left = left.saturating_sub(LOOK);
                }
            }
        }
    }

    /// Goes on with the file that is at its name, where that is another one: the one that was removed is made
    /// anew, with what it said.
    fn follow(&mut self) -> std::io::Result<()> {
        let is_same = match std::fs::metadata(&self.path) {
            Ok(there) => is_one(&there, &self.file.metadata()?),
            Err(error) if error.kind() == Failed::NotFound => false,
            Err(error) => return Err(error),
        };
        if !is_same {
            self.file = open(&self.path, &self.known)?;
            self.seen.clear();
        }
        Ok(())
    }
}

#[cfg(unix)]
fn is_one(there: &std::fs::Metadata, ours: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (there.dev(), there.ino()) == (ours.dev(), ours.ino())
}

#[cfg(not(unix))]
fn is_one(_: &std::fs::Metadata, _: &std::fs::Metadata) -> bool {
    true
}

impl Source for PauseFile {
    fn pauses(&mut self, is_thorough: bool) -> Option<Result<Vec<Pause>, String>> {
        let failed = |error: std::io::Error| Some(Err(error.to_string()));
        if is_thorough && let Err(error) = self.follow() {
            self.is_torn = true;
            return failed(error);
        }
        // Whoever wants to send looks at the first line, which changes with all the others.
        let most = if is_thorough { LENGTH } else { HEAD };
        match get(&self.file, most) {
            Ok(bytes)
                if !bytes.is_empty()
                    && bytes == self.seen.get(..most).unwrap_or(&self.seen)
                    && !self.is_torn =>
            {
                None
            }
            // What is torn is read again and again, but nobody who wants to send waits for it.
            Ok(_) => Some(self.whole(if self.is_torn && !is_thorough { Duration::ZERO } else { MOMENT })),
            Err(error) => failed(error),
        }
    }

    fn lacks_room(&self) -> Option<String> {
        let (free, all) = room(&self.ledger)?;
        let floor = FLOOR.min(all / PART);
        let kib = |bytes: u64| bytes / 1_024;
        (free < floor).then(|| {
            format!(
                "the ledger's disk is nearly full: {} KiB are free, and nothing begins below {} KiB ({})",
                kib(free),
                kib(floor),
                self.ledger.display()
            )
        })
    }
}

/// How much room is free for this user where the ledger is, and how much there is, in bytes.
#[cfg(unix)]
fn room(ledger: &Path) -> Option<(u64, u64)> {
    let about = rustix::fs::statvfs(ledger.parent()?).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(about.f_frsize);
    Some((bytes(about.f_bavail), bytes(about.f_blocks)))
}

#[cfg(not(unix))]
fn room(_: &Path) -> Option<(u64, u64)> {
    None
}

fn no_ledger(ledger: &Path, why: &str) -> Error {
    let next = "Nothing was paused or resumed. Name the ledger that the servers use with --ledger FILE, or \
        their settings with --config FILE.";
    Error::new(ErrorKind::LedgerUnavailable, format!("there is no ledger {}: {why}", ledger.display()))
        .next(next)
}

fn cannot(path: &Path, why: &str) -> Error {
    let next = "What is paused stays as it is. To stop everything, stop every process that uses the ledger.";
    Error::new(ErrorKind::LedgerUnavailable, format!("cannot use {}: {why}", path.display())).next(next)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn pause(at: i64, principal: Option<&str>, provider: Option<&str>) -> Pause {
        Pause {
            since: Timestamp(at),
            provider: provider.map(ToOwned::to_owned),
            principal: principal.map(ToOwned::to_owned),
        }
    }

    fn ledger(folder: &Path) -> PathBuf {
        let ledger = folder.join("ledger.db");
        std::fs::write(&ledger, "").unwrap();
        ledger
    }

    #[test]
    fn what_is_paused_is_told_to_whoever_looks_next_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path());
        let (mut one, mut other) = (PauseFile::of(&ledger).unwrap(), PauseFile::of(&ledger).unwrap());
        assert_eq!(other.pauses(true), Some(Ok(Vec::new())));
        assert_eq!(other.pauses(true), None);
        let (all, eve) = (pause(7, None, None), pause(8, Some("eve"), Some("a")));
        one.pause(all.clone()).unwrap();
        assert_eq!(other.pauses(false), Some(Ok(vec![all.clone()])));
        assert_eq!(other.pauses(false), None);
        one.pause(eve.clone()).unwrap();
        assert_eq!(
            other.pause(pause(9, Some("eve"), Some("a"))).unwrap(),
            [all.clone(), eve.clone()],
            "since it is"
        );
        assert_eq!(one.resume(&pause(0, None, Some("a"))).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(one.resume(&all).unwrap(), std::slice::from_ref(&eve));
        assert_eq!(other.list().unwrap(), [eve]);
        assert_eq!(std::fs::metadata(&other.path).unwrap().len(), 16 * 1024);
    }

    #[test]
    fn the_file_is_for_this_user_only_and_takes_no_more_room_when_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path());
        let mut file = PauseFile::of(&ledger).unwrap();
        let mut count = 0;
        let refused = loop {
            count += 1;
            let name = format!("{count:0128}");
            match file.pause(pause(0, Some(&name), None)) {
                Ok(_) => assert_eq!(std::fs::metadata(&file.path).unwrap().len(), 16 * 1024),
                Err(refused) => break refused,
            }
        };
        assert!(count > 50 && refused.message().contains("too many"), "{count}: {refused:?}");
        assert_eq!(file.list().unwrap().len(), count - 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for name in ["", "a\nb", &"x".repeat(129)] {
            assert_eq!(
                file.pause(pause(0, None, Some(name))).unwrap_err().kind(),
                ErrorKind::InvalidArgument,
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_file_that_is_torn_cut_or_from_a_newer_version_pauses_everything_until_somebody_says_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path());
        let mut file = PauseFile::of(&ledger).unwrap();
        let whole = written(&[pause(3, None, None)]).unwrap();
        let torn = [whole.get(..HEAD).unwrap(), written(&[]).unwrap().get(HEAD..).unwrap()].concat();
        let newer = {
            let mut body = b"{}".to_vec();
            body.resize(LENGTH - HEAD, b' ');
            [head_of(&body), body].concat()
        };
        for bytes in [torn, whole.get(..100).unwrap().to_vec(), newer] {
            std::fs::write(&file.path, &bytes).unwrap();
            assert!(matches!(file.pauses(true), Some(Err(_))));
            assert!(file.resume(&pause(0, Some("eve"), None)).is_err());
            let paused = file.pause(pause(5, Some("eve"), None)).unwrap();
            assert_eq!(
                paused,
                [pause(5, None, None), pause(5, Some("eve"), None)],
                "nothing goes on that may have been paused"
            );
            std::fs::write(&file.path, &bytes).unwrap();
            assert_eq!(file.resume(&pause(0, None, None)).unwrap(), []);
            assert_eq!(file.list().unwrap(), []);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_was_taken_away_is_made_anew_with_what_it_said() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path());
        let mut file = PauseFile::of(&ledger).unwrap();
        let all = pause(3, None, None);
        file.pause(all.clone()).unwrap();
        file.pauses(true);
        std::fs::remove_file(&file.path).unwrap();
        assert_eq!(file.pauses(true), Some(Ok(vec![all.clone()])));
        assert_eq!(PauseFile::of(&ledger).unwrap().list().unwrap(), [all]);
        // And where another one is put there, that one holds.
        let other = folder.path().join("other");
        std::fs::write(&other, written(&[]).unwrap()).unwrap();
        std::fs::rename(&other, &file.path).unwrap();
        assert_eq!(file.pauses(true), Some(Ok(Vec::new())));
    }

    #[test]
    fn somebody_who_stopped_in_the_middle_of_a_write_keeps_nobody_from_pausing() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path());
        let (stopped, mut file) = (PauseFile::of(&ledger).unwrap(), PauseFile::of(&ledger).unwrap());
        stopped.file.lock().unwrap();
        file.pause(pause(3, None, None)).unwrap();
        assert_eq!(file.list().unwrap().len(), 1);
        assert!(file.resume(&pause(0, None, None)).unwrap_err().message().contains("another process"));
    }

    #[test]
    fn there_is_no_pause_without_a_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let refused = PauseFile::of(&folder.path().join("none.db")).err().unwrap();
        assert!(
            refused.message().contains("no ledger") && refused.next_step().contains("--ledger"),
            "{refused:?}"
        );
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
