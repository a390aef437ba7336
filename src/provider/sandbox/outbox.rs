//! The outbox of the sandbox: a file with each text that the sandbox took, one JSON object a line; and who
//! reads it.
//!
//! To append a line is the act of sending. A file that the operator names is opened at the start and only
//! grows: tests of their own count what is in it. The one that the sandbox has without being asked is bounded:
//! a text that finds it full begins a new one, and what was there is kept once more beside it, as `FILE.1`.
//! Several processes may append to one file. Each opens the bounded one for each text, so that none goes on
//! in a file that another has put aside.
//!
//! A reader follows the file from the first text to the last, and over to the next file. What is no whole
//! line of ours is passed over: a process that is killed may leave half a one.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A bounded outbox that is so large takes no more texts: some ten thousand are in it.
const FULL: u64 = 4 * 1024 * 1024;

/// Longest line that is read, in bytes: the longest text by far, with all of it written out.
const LONGEST_LINE: usize = 1024 * 1024;

/// A text that the sandbox took: one line of the outbox.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Taken {
    /// Our id of the message.
    pub id: String,
    /// The recipient.
    pub to: String,
    /// The sender that was named, if one was.
    pub from: Option<String>,
    /// The whole text.
    pub text: String,
    /// How many segments it has.
    pub segments: u32,
    /// When it was taken (RFC 3339).
    pub at: String,
    /// The sandbox's name. Older lines have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a line is not in the outbox.
#[derive(Debug)]
pub(super) enum Unwritten {
    /// Nothing of it is there.
    Nothing(std::io::Error),
    /// A part of it may be.
    Perhaps(std::io::Error),
}

/// Where texts are appended.
pub(super) enum Outbox {
    /// The operator's file, which stays open and grows.
    Named(File),
    /// The sandbox's own, which is opened for each text, and bounded.
    Own(PathBuf),
}

impl Outbox {
    /// The operator's own file, which is opened now.
    pub(super) fn named(path: &Path) -> std::io::Result<Self> {
        open(path).map(Self::Named)
    }

    /// Appends a text.
    pub(super) fn append(&mut self, taken: &Taken) -> Result<(), Unwritten> {
        let mut line =
            serde_json::to_vec(taken).map_err(|error| Unwritten::Nothing(std::io::Error::other(error)))?;
        line.push(b'\n');
        match self {
            Self::Named(file) => file.write_all(&line).map_err(Unwritten::Perhaps),
            Self::Own(path) => {
                let mut file = open_bounded(path, FULL).map_err(Unwritten::Nothing)?;
                file.write_all(&line).map_err(Unwritten::Perhaps)
            }
        }
    }
}

/// Where a full outbox is put.
fn older(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(".1");
    name.into()
}

/// The file at this name, or a new one where it is full.
fn open_bounded(path: &Path, full: u64) -> std::io::Result<File> {
    let file = open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no file"));
    }
    if file.metadata()?.len() < full {
        return Ok(file);
    }
    put_aside(&file, path, full)?;
    open(path)
}

/// Puts a full file aside. One process does it: whoever comes a moment later with the same file finds a new
/// one at the name.
fn put_aside(file: &File, path: &Path, full: u64) -> std::io::Result<()> {
    if file.try_lock().is_ok() && std::fs::metadata(path).is_ok_and(|there| there.len() >= full) {
        std::fs::rename(path, older(path))?;
    }
    Ok(())
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    // A process that was killed in the middle of an append may have left half a line, where it crossed a page.
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

/// Opens an outbox for reading. What is no file has no end, or makes whoever opens it wait.
fn open_file(path: &Path) -> std::io::Result<File> {
    if std::fs::metadata(path)?.is_file() {
        File::open(path)
    } else {
        Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is no file"))
    }
}

/// Reads an outbox from its beginning, and goes on with what is appended later.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// What is read next, the oldest first. The last one may still grow.
    files: VecDeque<BufReader<File>>,
    /// What was read of a line that is not whole yet.
    line: Vec<u8>,
    is_too_long: bool,
}

impl Reader {
    /// A reader of this outbox, which need not be there yet.
    pub fn new(path: &Path) -> Self {
        // The newer one first: if it is put aside in between, it is opened twice and not missed.
        let newer = open_file(path).ok();
        let older = open_file(&older(path)).ok().filter(|older| {
            !newer.as_ref().is_some_and(|newer| is_same(newer, older.metadata().ok()).unwrap_or(false))
        });
        let files = older.into_iter().chain(newer).map(BufReader::new).collect();
        Self { path: path.to_owned(), files, line: Vec::new(), is_too_long: false }
    }

    /// Where the outbox is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next text; nothing where there is none yet.
    ///
    /// # Errors
    /// The system's own.
    pub fn read(&mut self) -> std::io::Result<Option<Taken>> {
        loop {
            let Some(file) = self.files.front_mut() else {
                match open_file(&self.path) {
                    Ok(file) => self.files.push_back(BufReader::new(file)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    Err(error) => return Err(error),
                }
                continue;
            };
            let room = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
            let read = file.take(room).read_until(b'\n', &mut self.line)?;
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let is_whole = !std::mem::take(&mut self.is_too_long);
                if let Some(taken) = serde_json::from_slice(&line).ok().filter(|_| is_whole) {
                    return Ok(Some(taken));
                }
            } else if self.line.len() >= LONGEST_LINE {
                self.line.clear();
                self.is_too_long = true;
            } else if read == 0 && self.files.len() > 1 {
                // No more comes here.
                self.files.pop_front();
                self.line.clear();
                self.is_too_long = false;
            } else if read == 0 {
                match open_file(&self.path) {
                    // What was written into the one before until now is read first.
                    Ok(next) if !self.is_read(&next) => self.files.push_back(BufReader::new(next)),
                    Ok(there) if self.was_cut(&there) => self.begin_anew()?,
                    Ok(_) | Err(_) => return Ok(None),
                }
            }
        }
    }

    /// Whether the file that is read is shorter now than what was read of it: somebody emptied it in its place,
    /// and what comes begins it anew.
    fn was_cut(&mut self, there: &File) -> bool {
        let read = self.files.front_mut().and_then(|current| current.stream_position().ok());
        read.is_some_and(|read| there.metadata().is_ok_and(|there| there.len() < read))
    }

    /// Reads the file from its beginning.
    fn begin_anew(&mut self) -> std::io::Result<()> {
        self.line.clear();
        self.is_too_long = false;
        self.files.front_mut().map_or(Ok(()), |current| current.rewind())
    }

    /// Whether a file that is at the outbox's name now is the one that is read. Where the system tells no file
    /// from another, one that is shorter than what was read is another one.
    fn is_read(&mut self, there: &File) -> bool {
        let Some(current) = self.files.front_mut() else { return false };
        match is_same(there, current.get_ref().metadata().ok()) {
            Some(is_same) => is_same,
            None => {
                let read = current.stream_position().unwrap_or(0);
                there.metadata().is_ok_and(|there| there.len() >= read)
            }
        }
    }
}

/// Whether this is the file of which that is known, where the system can tell.
#[cfg(unix)]
fn is_same(file: &File, other: Option<std::fs::Metadata>) -> Option<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (one, other) = (file.metadata().ok()?, other?);
    Some((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

#[cfg(not(unix))]
fn is_same(_: &File, _: Option<std::fs::Metadata>) -> Option<bool> {
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn taken(text: &str) -> Taken {
        Taken {
            id: "msg_1".to_owned(),
            to: "+12025550123".to_owned(),
            from: None,
            text: text.to_owned(),
            segments: 1,
            at: "2026-11-27T10:00:00.000Z".to_owned(),
            provider: Some("sandbox".to_owned()),
        }
    }

    fn rest(reader: &mut Reader) -> Vec<String> {
        std::iter::from_fn(|| reader.read().unwrap()).map(|taken| taken.text).collect()
    }

    /// As [`Outbox::append`] of the sandbox's own outbox, which is full earlier.
    fn append(path: &Path, full: u64, text: &str) {
        let mut line = serde_json::to_vec(&taken(text)).unwrap();
        line.push(b'\n');
        open_bounded(path, full).unwrap().write_all(&line).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_file_is_no_outbox_and_nobody_waits_for_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let endless = folder.path().join("endless");
        std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
        for path in [endless.as_path(), folder.path()] {
            assert_eq!(Reader::new(path).read().unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_reader_gets_every_text_in_order_while_full_outboxes_are_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mut reader = Reader::new(&path);
        assert_eq!(rest(&mut reader), Vec::<String>::new());
        let mut read = Vec::new();
        for n in 0..100 {
            append(&path, 1_000, &n.to_string());
            if n % 7 == 0 {
                read.extend(rest(&mut reader));
            }
        }
        read.extend(rest(&mut reader));
        assert_eq!(read, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
        // Two files, each full at most by one text.
        let sizes: Vec<u64> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert!(sizes.len() == 2 && sizes.iter().all(|size| *size < 1_200), "{sizes:?}");
        // Who comes later sees what is left of it, the oldest first.
        let later = rest(&mut Reader::new(&path));
        assert!(later.len() > 6 && later.len() < 16, "{later:?}");
        assert_eq!(later, read.split_off(100 - later.len()));
    }

    #[test]
    fn a_reader_goes_on_at_the_beginning_of_a_file_that_was_emptied_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let mut reader = Reader::new(&path);
        for text in ["a text that is longer than the next one", "second", "third"] {
            append(&path, u64::MAX, text);
            assert_eq!(rest(&mut reader), [text]);
            File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
            assert_eq!(rest(&mut reader), Vec::<String>::new());
        }
    }

    #[test]
    fn who_finds_an_outbox_full_a_moment_later_than_another_puts_no_new_one_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        let long = "x".repeat(500);
        append(&path, u64::MAX, &long);
        let late = open(&path).unwrap();
        append(&path, 500, "second");
        put_aside(&late, &path, 500).unwrap();
        assert_eq!(rest(&mut Reader::new(&path)), [long.as_str(), "second"]);
    }

    #[test]
    fn what_is_no_line_of_ours_is_passed_over_and_a_line_counts_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        std::fs::write(&path, format!("\nno JSON\n{{\"id\":1}}\n{}\n", "x".repeat(3 * LONGEST_LINE)))
            .unwrap();
        let mut outbox = Outbox::named(&path).unwrap();
        outbox.append(&taken("one")).unwrap();
        let mut reader = Reader::new(&path);
        assert_eq!(rest(&mut reader), ["one"]);
        let line = serde_json::to_string(&taken("two")).unwrap();
        let (begin, end) = line.split_at(20);
        let Outbox::Named(file) = &mut outbox else { unreachable!() };
        file.write_all(begin.as_bytes()).unwrap();
        assert_eq!(rest(&mut reader), Vec::<String>::new());
        file.write_all(format!("{end}\n").as_bytes()).unwrap();
        assert_eq!(rest(&mut reader), ["two"]);
    }
}
