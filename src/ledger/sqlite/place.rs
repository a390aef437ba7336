//! The place of the ledger: one file at one name, with its log (`-wal`) and the index of that (`-shm`) beside
//! it, and who may have it open.
//!
//! Two locks, which the operating system gives back at any death. The door is shared by everybody who has the
//! ledger open, so whoever gets it alone is the first to come, or the last to leave. The turn is taken for
//! the moment in which somebody comes or leaves. Both lie on files of their own: over NFS a lock on the
//! ledger's file is one with those that SQLite takes in it.
//!
//! While somebody has the ledger open, its header says so ([`OPEN_ID`]), in the file itself and not in the
//! log alone. The last one to leave brings everything into the file first. So a file that says it, and has no
//! log beside it, is a copy without its log, or is open under another name: nobody can tell what it lacks,
//! and it is refused.
//!
//! What is written goes into the file that was opened, whatever happens to its name. So what is at the three
//! names is compared with what was opened, around each group of writes and for each read.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::Connection;

use super::connection::cannot_open;
use super::log;
use crate::clock::{Clock as _, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::message::hex;

/// "smsm": marks the file as ours, so that another program's database is refused and not migrated.
pub(super) const APPLICATION_ID: i32 = 0x736d_736d;

/// "smso": it is ours, and was open when this was written.
pub(super) const OPEN_ID: i32 = 0x736d_736f;

/// Where a SQLite file has its application id, and how many migrations it has had (`user_version`).
const ID_OFFSET: u64 = 68;
const VERSION_OFFSET: u64 = 60;

/// How long somebody waits for their turn, and how often they look. Coming and leaving take milliseconds.
const TURN_PATIENCE: Duration = Duration::from_secs(5);
const TURN_LOOK: Duration = Duration::from_millis(5);

/// What tells a file from every other one on this machine: its device and its number there.
pub(super) type Id = (u64, u64);

/// See the module's text.
pub(super) struct Place {
    path: PathBuf,
    folder: PathBuf,
    turn: File,
    door: File,
    ids: OnceLock<[Option<Id>; 3]>,
}

impl Place {
    /// Makes the ledger's file where there is none, and waits for this process's turn there.
    pub(super) fn enter(path: &Path) -> Result<Self> {
        make(path)?;
        // One file, one name: processes that reach it by different paths must find each other's lock files.
        let path = std::fs::canonicalize(path).map_err(|error| cannot_open(path, &error.to_string()))?;
        // Before anything is made that the ledger's owner could not open.
        check_owner(&path)?;
        let folder = beside(&path, ".live");
        let cannot =
            |error: std::io::Error| cannot_open(&path, &format!("its folder {}: {error}", folder.display()));
        make_folder(&folder).map_err(cannot)?;
        // Over NFS a shared lock needs a file that can be read, and one for oneself alone a file that can be
        // written.
        let open = |name: &str| private().read(true).write(true).open(folder.join(name)).map_err(cannot);
        let (door, turn) = (open("door")?, open("turn")?);
        let place = Self { path, folder, turn, door, ids: OnceLock::new() };
        place.take_turn()?;
        // Again, now that nobody else is coming or leaving.
        check_owner(&place.path)?;
        Ok(place)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the lock files of processes are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn files(&self) -> [PathBuf; 3] {
        files(&self.path)
    }

    pub(super) fn take_turn(&self) -> Result<()> {
        let mut left = TURN_PATIENCE;
        loop {
            match self.turn.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if !left.is_zero() => {
                    std::thread::sleep(TURN_LOOK);
                    left = left.saturating_sub(TURN_LOOK);
                }
                Err(error) => {
                    return Err(cannot_open(
                        &self.path,
                        &format!("another process is opening, closing or restoring it ({error})"),
                    ));
                }
            }
        }
    }

    /// Whether nobody else has the ledger open. Asked in this process's turn, without a place at the door or
    /// with one: it is taken again by [`Place::stay`].
    pub(super) fn is_alone(&self) -> bool {
        self.door.unlock().is_ok() && self.door.try_lock().is_ok()
    }

    /// Refuses a file that has a second name, or is not the one which a living process has at this name. What
    /// a process that ended left beside another file is set aside: SQLite would take its log for that of this
    /// one.
    pub(super) fn check_name(&self) -> Result<()> {
        let cannot = |error: std::io::Error| cannot_open(&self.path, &error.to_string());
        if has_two_names(&self.path.metadata().map_err(cannot)?) {
            return Err(self.elsewhere(TWO_NAMES));
        }
        let is_other = self.noted().is_some_and(|(file, _)| file != self.note());
        if !self.is_alone() {
            return if is_other {
                Err(self.elsewhere("is another file than the one that a running process has open"))
            } else {
                Ok(())
            };
        }
        // Without the word of the file that it is whole, the log may be its own: both may have been moved. An
        // empty file has none, and SQLite would remove it.
        let application = application_of(&self.path).map_err(cannot)?;
        let is_empty = self.path.metadata().map_err(cannot)?.len() == 0;
        if self.has_log() && (is_empty || is_other && application == Some(APPLICATION_ID)) {
            let [file, log, index] = self.files();
            let other =
                beside(&file, &format!(".other-{}-wal", log.metadata().map_or(0, |about| about.len())));
            std::fs::rename(&log, &other).map_err(cannot)?;
            let _ = std::fs::remove_file(index);
            tracing::warn!(log = %other.display(),
                "write-ahead log (-wal) of another file lay beside the ledger, and is set aside");
        }
        if self.has_log() { Ok(()) } else { self.write_note(&self.note()).map_err(cannot) }
    }

    /// What is noted at the door of the file that is open. Not its device, which may have another number
    /// after a restart.
    fn note(&self) -> String {
        id(&self.path).unwrap_or_default().1.to_string()
    }

    /// Which file was open last, and where its tables begin in it.
    fn noted(&self) -> Option<(String, Option<String>)> {
        let noted = std::fs::read_to_string(self.folder.join("door")).ok()?;
        let mut words = noted.split(' ').map(ToOwned::to_owned);
        Some((words.next().filter(|file| !file.is_empty())?, words.next()))
    }

    /// By the file that has the lock: over CIFS no other one may write.
    fn write_note(&self, note: &str) -> std::io::Result<()> {
        if std::fs::read_to_string(self.folder.join("door")).is_ok_and(|noted| noted == note) {
            return Ok(());
        }
        let mut door = &self.door;
        door.set_len(0)?;
        door.rewind()?;
        door.write_all(note.as_bytes())
    }

    /// Whether the log may belong to the file by what its tables begin at: as they did in the file that was
    /// open last, if it is the same one. Those of another version are in other places.
    pub(super) fn has_layout(&self, layout: &str) -> bool {
        let version = |layout: &str| layout.split_once(':').map(|(version, _)| version.to_owned());
        match self.noted() {
            Some((file, Some(noted))) if file == self.note() => {
                noted == layout || version(&noted) != version(layout)
            }
            _ => true,
        }
    }

    /// Whether the three files at their names are those that this process has open, and the ledger has no
    /// second name.
    pub(super) fn check_here(&self) -> Result<()> {
        self.check_files(true)
    }

    /// The same after a commit. What was written is in the file that has a second name; in one that was
    /// replaced or removed it is for nobody, or for whoever puts that file back.
    pub(super) fn check_kept(&self) -> Result<()> {
        let next = "It may have been recorded in the file that was there, and goes on if that is put back: \
            do not ask for it again \
            with another idempotency_key. The operator must stop every process that uses the \
            ledger, put the right file in \
            its place, and start again.";
        self.check_files(false).map_err(|error| error.next(next))
    }

    fn check_files(&self, by_one_name: bool) -> Result<()> {
        let Some(ids) = self.ids.get() else { return Ok(()) };
        for (file, opened) in self.files().iter().zip(ids) {
            let about = std::fs::metadata(file).ok();
            if about.as_ref().map(id_in) != *opened {
                let what = if *file == self.path { "was" } else { "has lost its log, which was" };
                return Err(self
                    .elsewhere(&format!("{what} {}", if about.is_some() { "replaced" } else { "removed" })));
            }
            if by_one_name && *file == self.path && about.as_ref().is_some_and(has_two_names) {
                return Err(self.elsewhere(TWO_NAMES));
            }
        }
        Ok(())
    }

    fn elsewhere(&self, why: &str) -> Error {
        let next = "Nothing was sent. The operator must stop every process that uses it, put the right file \
            in its place, and start again.";
        Error::new(ErrorKind::LedgerUnavailable, format!("the ledger {} {why}", self.path.display()))
            .next(next)
    }

    /// Takes a place at the door, and ends the turn. What is at the name from now on has to stay there.
    pub(super) fn stay(&self, layout: &str) -> Result<()> {
        let noted = self.write_note(&format!("{} {layout}", self.note()));
        noted.map_err(|error| cannot_open(&self.path, &error.to_string()))?;
        let taken =
            self.door.unlock().and_then(|()| self.door.lock_shared()).and_then(|()| self.turn.unlock());
        taken.map_err(|error| cannot_open(&self.path, &error.to_string()))?;
        let _ = self.ids.set(self.files().map(|file| id(&file)));
        Ok(())
    }

    /// Gives up the place at the door, and ends the turn.
    pub(super) fn leave(&self) {
        let _ = self.door.unlock();
        let _ = self.turn.unlock();
    }

    /// Takes the file, its log and the index of that away from all other users.
    pub(super) fn make_private(&self) -> Result<()> {
        #[cfg(unix)]
        for (file, about) in about_files(&self.path)? {
            use std::os::unix::fs::PermissionsExt as _;
            if about.permissions().mode() & 0o077 != 0 {
                let made = std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600));
                made.map_err(|error| cannot_open(&file, &error.to_string()))?;
            }
        }
        Ok(())
    }

    /// Whether a log is there with anything in it.
    pub(super) fn has_log(&self) -> bool {
        let [_, log, _] = self.files();
        log.metadata().is_ok_and(|about| about.len() > 0)
    }

    /// Says in the file itself that it is open, before anything else is written and before this process opens
    /// it. Not by SQLite: a program that reads the file keeps what is written out of it, for as long as it
    /// likes. One of a newer version than this one knows is left as it is.
    pub(super) fn say_open(&self, newest: usize) -> Result<()> {
        let [file, wal, _] = self.files();
        let said = || -> std::io::Result<()> {
            let is_known = header_field(&file, VERSION_OFFSET)?
                .and_then(|version| usize::try_from(version).ok())
                .is_some_and(|version| version <= newest);
            if application_of(&file)? != Some(APPLICATION_ID) || !is_known || !self.is_alone() {
                return Ok(());
            }
            // A file that says so and has no log is refused.
            private().append(true).open(&wal)?;
            sync_folder(&wal)?;
            let mut header = OpenOptions::new().write(true).open(&file)?;
            header.seek(SeekFrom::Start(ID_OFFSET))?;
            header.write_all(&OPEN_ID.to_be_bytes())?;
            header.sync_all()
        };
        said().map_err(|error| cannot_open(&file, &error.to_string()))
    }

    /// Refuses a file that was open when it was written, and has no log beside it; one that says that it is
    /// whole, and has a log with more in it than that word; and one that is no ledger and has a log: a ledger
    /// has its tables before it has a log, so the file that the log belongs to is gone.
    pub(super) fn check_whole(&self) -> Result<()> {
        let [file, wal, _] = self.files();
        let application = application_of(&file).map_err(|error| cannot_open(&file, &error.to_string()))?;
        if !wal.exists() && application == Some(OPEN_ID) {
            return Err(not_whole(&file));
        }
        if self.has_log() && !matches!(application, Some(APPLICATION_ID | OPEN_ID)) {
            let next = format!(
                "Put the ledger's file back under its log {}, or name another file with --ledger FILE or \
                 SMS_MCP_LEDGER. Nothing was \
                 sent.",
                wal.display()
            );
            return Err(cannot_open(&file, "it is no ledger of sms-mcp, and a log lies beside it").next(next));
        }
        // A file says that it is open before anything else is written, and that it is whole when all is in it
        // and the log began anew.
        if application == Some(APPLICATION_ID)
            && log::holds_more_than_header(&wal).map_err(|error| cannot_open(&wal, &error.to_string()))?
        {
            return Err(other_log(&file));
        }
        Ok(())
    }
}

/// The ledger's file, its log and the index of that.
fn files(path: &Path) -> [PathBuf; 3] {
    [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")]
}

/// What is known of those of the three files that are there.
#[cfg(unix)]
fn about_files(path: &Path) -> Result<Vec<(PathBuf, std::fs::Metadata)>> {
    let mut found = Vec::new();
    for file in files(path) {
        match file.symlink_metadata() {
            Ok(about) => found.push((file, about)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot_open(&file, &error.to_string())),
        }
    }
    Ok(found)
}

/// Refuses files of other users, before anything opens them: whoever owns a file can open it again.
#[cfg(unix)]
pub(super) fn check_owner(path: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let user = rustix::process::geteuid().as_raw();
    for (file, about) in about_files(path)? {
        if !about.is_file() {
            return Err(cannot_open(&file, "it is no plain file"));
        }
        if !is_of_this_user(path, &about) {
            let why = format!("it belongs to the user {}, and this process runs as {user}", about.uid());
            return Err(cannot_open(&file, &why)
                .next("Run sms-mcp as the user to whom the ledger belongs. Nothing was sent."));
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_owner(_: &Path) -> Result<()> {
    Ok(())
}

/// Whether a file belongs to the user of this process, by the word of the server of its folder.
#[cfg(unix)]
pub(super) fn is_of_this_user(path: &Path, about: &std::fs::Metadata) -> bool {
    let owner = std::os::unix::fs::MetadataExt::uid(about);
    owner == rustix::process::geteuid().as_raw() || owner_of_new(path) == Some(owner)
}

#[cfg(not(unix))]
pub(super) fn is_of_this_user(_: &Path, _: &std::fs::Metadata) -> bool {
    true
}

/// To whom a file belongs that this process makes: file servers may give it to a user of theirs.
#[cfg(unix)]
fn owner_of_new(path: &Path) -> Option<u32> {
    let made = make_beside(path, ".owner").ok()?;
    let about = made.metadata();
    let _ = std::fs::remove_file(made);
    about.ok().map(|about| std::os::unix::fs::MetadataExt::uid(&about))
}

/// Makes a file for this user only, beside another one, at a name that nothing has.
pub(super) fn make_beside(path: &Path, end: &str) -> std::io::Result<PathBuf> {
    let mut random = [0; 8];
    SystemClock.fill_random(&mut random).map_err(std::io::Error::other)?;
    let made = beside(path, &format!(".{}{end}", hex(&random)));
    private().create_new(true).write(true).open(&made)?;
    Ok(made)
}

/// A path with more at its end.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut longer = path.as_os_str().to_owned();
    longer.push(more);
    PathBuf::from(longer)
}

/// Brings the name of a file to the disk.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent() {
        #[cfg(unix)]
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

/// Writes a file for this user only, whole or not at all, in place of whatever is at its name, and brings it
/// to the disk.
pub(super) fn write_whole(path: &Path, octets: &[u8]) -> std::io::Result<()> {
    let part = make_beside(path, ".part")?;
    let written = OpenOptions::new().write(true).open(&part).and_then(|mut file| {
        file.write_all(octets)?;
        file.sync_all()
    });
    let named = written.and_then(|()| std::fs::rename(&part, path)).and_then(|()| sync_folder(path));
    if named.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    named
}

/// Makes a folder that nobody else may look into, where there is none.
pub(super) fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// How a file is made that nobody else may open.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The error for a file that lacks its log.
fn not_whole(path: &Path) -> Error {
    let log = beside(path, "-wal");
    let message = format!(
        "the ledger {} is not whole: it was open when it was copied, and its log {} is not beside it",
        path.display(),
        log.display()
    );
    let aside: Vec<String> = set_aside(path).iter().map(|log| log.display().to_string()).collect();
    let aside = if aside.is_empty() {
        String::new()
    } else {
        format!(" (it may be one that was set aside: {})", aside.join(", "))
    };
    Error::new(ErrorKind::LedgerUnavailable, message).next(format!(
        "Nothing was sent. If another process has this file open under another name, use that name. Else \
         put the log back{aside}, or a backup \
         (`sms-mcp restore FILE`); docs/OPERATIONS.md says what to do where there is neither."
    ))
}

/// The logs that were found beside another file at this name, and set aside.
fn set_aside(path: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let begin = format!("{name}.other-");
    let is_one = |file: &PathBuf| {
        file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&begin))
    };
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(is_one)
        .collect()
}

/// The error for an older file under the log of a newer one.
pub(super) fn other_log(path: &Path) -> Error {
    let log = beside(path, "-wal");
    let message = format!(
        "the ledger {} is not the file that its log {} belongs to: another file was put in its place",
        path.display(),
        log.display()
    );
    Error::new(ErrorKind::LedgerUnavailable, message).next(
        "Nothing was sent. Put the file back that was there, with its log. Where it is lost, put a backup \
         in its place by \
         `sms-mcp restore FILE`, which sets both aside.",
    )
}

/// Whether a SQLite file says that it was open when it was written.
pub(super) fn says_open(path: &Path) -> std::io::Result<bool> {
    Ok(application_of(path)? == Some(OPEN_ID))
}

/// Whether a file says that it is a ledger of ours. Not for one that this process has open: closing it gives
/// back what SQLite locked in it.
pub(super) fn holds_ledger(path: &Path) -> std::io::Result<bool> {
    Ok(matches!(application_of(path)?, Some(APPLICATION_ID | OPEN_ID)))
}

/// The application id of a SQLite file; nothing where the file is too short to have one.
fn application_of(path: &Path) -> std::io::Result<Option<i32>> {
    header_field(path, ID_OFFSET)
}

/// A number in the header of a SQLite file; nothing where the file is too short to have it.
fn header_field(path: &Path, offset: u64) -> std::io::Result<Option<i32>> {
    let mut file = File::open(path)?;
    let mut field = [0; 4];
    file.seek(SeekFrom::Start(offset))?;
    match file.read_exact(&mut field) {
        Ok(()) => Ok(Some(i32::from_be_bytes(field))),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Notes in the header whether somebody has the ledger open.
pub(super) fn say_open(db: &Connection, is_open: bool) -> rusqlite::Result<()> {
    let wanted = if is_open { OPEN_ID } else { APPLICATION_ID };
    let is_news = db.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))? != wanted;
    if is_news { db.pragma_update(None, "application_id", wanted) } else { Ok(()) }
}

/// Makes the folder and the file for this user only, where there is none. A file that is there is not opened:
/// a process that closes a file gives back what SQLite locked in it.
fn make(path: &Path) -> Result<()> {
    let cannot = |error: std::io::Error| cannot_open(path, &error.to_string());
    if path.is_dir() {
        return Err(cannot_open(path, "it is a folder"));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        make_folder(folder).map_err(cannot)?;
    }
    if !path.exists() {
        private().append(true).open(path).map_err(cannot)?;
    }
    Ok(())
}

#[cfg(unix)]
fn id_in(about: &std::fs::Metadata) -> Id {
    use std::os::unix::fs::MetadataExt as _;
    (about.dev(), about.ino())
}

#[cfg(not(unix))]
fn id_in(_: &std::fs::Metadata) -> Id {
    (0, 0)
}

/// A copy that is a second name of the same file is no copy, and a process that comes by it has a log of its
/// own.
const TWO_NAMES: &str = "has a second name (a hard link)";

#[cfg(unix)]
fn has_two_names(about: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(about) > 1
}

#[cfg(not(unix))]
fn has_two_names(_: &std::fs::Metadata) -> bool {
    false
}

/// Which file is at this name; nothing where there is none.
pub(super) fn id(path: &Path) -> Option<Id> {
    std::fs::metadata(path).ok().as_ref().map(id_in)
}

#[cfg(test)]
mod tests;
