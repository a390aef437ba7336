//! Which processes that use this ledger are alive: each holds a lock on a file of its own beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, params};

use super::connection::cannot_open;
use super::job::unavailable;
use super::place::{make_folder, private};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::sms::message::hex;

/// This process's place in the ledger.
pub(super) struct Instance {
    id: i64,
    folder: PathBuf,
    lock: Mutex<Option<File>>,
    lock_path: PathBuf,
}

/// A locked file of this process. It is taken away again unless it is registered.
pub(super) struct Lock {
    file: Option<File>,
    folder: PathBuf,
    name: String,
}

impl Lock {
    /// Makes and locks a new file in this folder.
    pub(super) fn new(folder: &Path, random: [u8; 8]) -> Result<Self> {
        let name = hex(&random);
        let path = folder.join(&name);
        let file = make_lock(folder, &path)
            .map_err(|error| cannot_open(&path, &format!("no lock file: {error}")))?;
        Ok(Self { file: Some(file), folder: folder.to_owned(), name })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = std::fs::remove_file(self.path());
        }
    }
}

/// A registered process.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) id: i64,
    pub(super) name: String,
}

impl Instance {
    /// Registers the name of a lock: whoever reads the name can tell whether its owner lives.
    pub(super) fn register(db: &Connection, mut lock: Lock, now: Timestamp) -> Result<Self> {
        db.execute(
            "INSERT INTO instance (name, opened_ms) VALUES (?1, ?2)",
            params![lock.name, now.as_millis()],
        )
        .map_err(|error| unavailable(&error.to_string()))?;
        Ok(Self {
            id: db.last_insert_rowid(),
            folder: lock.folder.clone(),
            lock_path: lock.path(),
            lock: Mutex::new(lock.file.take()),
        })
    }

    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// Those of `instances` whose process has ended.
    pub(super) fn dead(&self, instances: Vec<Registered>) -> Vec<Registered> {
        instances.into_iter().filter(|other| other.id != self.id && !self.lives(&other.name)).collect()
    }

    /// Whether the process lives whose lock has this name.
    pub(super) fn lives(&self, name: &str) -> bool {
        let path = self.folder.join(name);
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => match file.try_lock() {
                Ok(()) => {
                    let _ = std::fs::remove_file(&path);
                    false
                }
                // In doubt it lives: an attempt that is left alone does no harm.
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
            },
            Err(error) => error.kind() != std::io::ErrorKind::NotFound,
        }
    }

    /// Gives the lock back and removes its file. The folder stays: another process may be about to use it.
    pub(super) fn remove_lock(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = std::fs::remove_file(&self.lock_path);
    }
}

/// Whether any process holds a lock file in this folder: one of an older version has no place at the door.
pub(super) fn any_lives(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|file| !matches!(file.file_name().to_str(), Some("door" | "turn" | "pause")));
    files.into_iter().any(|file| {
        let opened = OpenOptions::new().write(true).open(file.path());
        opened.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    })
}

/// Makes and locks a file that only this user can open: whoever can open it could hold its lock, and make the
/// dead look alive.
fn make_lock(folder: &Path, lock_path: &Path) -> std::io::Result<File> {
    make_folder(folder)?;
    let file = private().create_new(true).write(true).open(lock_path)?;
    file.try_lock()?;
    Ok(file)
}

/// Every registered process.
pub(super) fn list(db: &Connection) -> rusqlite::Result<Vec<Registered>> {
    let mut statement = db.prepare_cached("SELECT id, name FROM instance")?;
    let rows = statement.query_map([], |row| Ok(Registered { id: row.get(0)?, name: row.get(1)? }))?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_process_that_leaves_does_not_stop_one_that_comes() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("ledger.db.live");
        let db = || {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch("CREATE TABLE instance (id INTEGER PRIMARY KEY, name TEXT, opened_ms INTEGER)")
                .unwrap();
            db
        };
        let come_and_go = |db: &Connection, who: u32, index: u32| {
            let name = (u64::from(who) << 32 | u64::from(index)).to_be_bytes();
            Lock::new(&folder, name)
                .and_then(|lock| Instance::register(db, lock, Timestamp(0)))
                .map(|instance| instance.remove_lock())
                .err()
        };
        let is_over = AtomicBool::new(false);
        let lost = std::thread::scope(|scope| {
            scope.spawn(|| {
                let db = db();
                (0..)
                    .take_while(|_| !is_over.load(Ordering::Relaxed))
                    .for_each(|index| drop(come_and_go(&db, 1, index)));
            });
            let db = db();
            let lost: Vec<_> = (0..2_000).filter_map(|index| come_and_go(&db, 2, index)).collect();
            is_over.store(true, Ordering::Relaxed);
            lost
        });
        assert!(lost.is_empty(), "{} of 2000: {lost:?}", lost.len());
    }
}
