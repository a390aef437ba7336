//! The ledger in one SQLite file, for one machine.
//!
//! One thread writes (`writer`); readers have their own connections. Several processes may share the file:
//! write transactions are immediate and short. Which process is alive is told by lock files beside the
//! ledger, which the operating system releases at any death, so an attempt of a process that died becomes
//! unknown at once, while one of a process that lives is left alone, and nothing has to be written while
//! nothing happens.

mod accept;
mod account;
mod budget;
mod clients;
mod copy;
mod due;
mod early;
mod facts;
mod group;
mod instance;
mod job;
mod log;
mod long_reply;
mod look;
mod mark;
mod opt_out;
mod outbox;
mod pace;
mod parts;
mod pause;
mod peers;
mod pending;
mod place;
mod prune;
mod query;
mod queue;
mod rate;
mod receipt;
mod recover;
mod rehearsal;
mod reply;
mod reserve;
mod row;
mod sealed;
mod segment;
mod session;
mod settle;
mod states;
mod tally;
mod told;
mod trace;
mod transition;
mod upkeep;
mod verbs;
mod wish;
mod withdraw;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

pub use copy::{Looked, Restored, look_at, restore};
pub use pause::PauseFile;

use super::Settlement;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::mark::Marking;
use crate::sms::message::{MessageId, State};
use group::Group;
use instance::{Instance, Lock};
use job::unavailable;
use mark::Mark;
use parts::Accepting;
use peers::Peers;
use place::{APPLICATION_ID, OPEN_ID, Place, say_open};
use writer::{Around, Writer};

/// Every migration, oldest first. A released one is never changed.
const MIGRATIONS: [&str; 22] = [
    include_str!("migrations/0001_ledger.sql"),
    include_str!("migrations/0002_providers.sql"),
    include_str!("migrations/0003_segments.sql"),
    include_str!("migrations/0004_sandbox.sql"),
    include_str!("migrations/0005_assumed.sql"),
    include_str!("migrations/0006_client_session.sql"),
    include_str!("migrations/0007_doubt.sql"),
    include_str!("migrations/0008_pending.sql"),
    include_str!("migrations/0009_told.sql"),
    include_str!("migrations/0010_long_reply.sql"),
    include_str!("migrations/0011_rests.sql"),
    include_str!("migrations/0012_reply_owner.sql"),
    include_str!("migrations/0013_reply_unshown.sql"),
    include_str!("migrations/0014_unkept.sql"),
    include_str!("migrations/0015_mark.sql"),
    include_str!("migrations/0016_peers.sql"),
    include_str!("migrations/0017_prune.sql"),
    include_str!("migrations/0018_waiting.sql"),
    include_str!("migrations/0019_text_key.sql"),
    include_str!("migrations/0020_scheduled.sql"),
    include_str!("migrations/0021_accepting.sql"),
    include_str!("migrations/0022_open.sql"),
];

/// How long a write waits for another process's transaction, and how long between two looks. Those of
/// `SQLite` become longer and longer, and miss what one that accepts a large bulk leaves between its parts.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const BUSY_LOOK: Duration = Duration::from_millis(1);

/// Page cache of a connection, in KiB: enough for the hot ends of the indices, small enough for a laptop.
const CACHE_KIB: i32 = 2_048;

/// Pages of log after which it is folded into the file: more pages, fewer and better filled writes.
const CHECKPOINT_PAGES: i32 = 4_000;

/// Readers that stay open; more than that are closed after use.
const READERS: usize = 2;

/// What is to be done next where a text was recorded and did not begin, and that could not be recorded.
const MAY_BE_RECORDED: &str = "It may have been recorded, and nothing was sent: ask for it again with the \
    same idempotency_key, and with no other one. The \
                               operator must see to it that the ledger and its mark can be written.";

/// The ledger. See the module's text.
pub struct SqliteLedger {
    place: Arc<Place>,
    writer: Mutex<Option<(Writer, JoinHandle<Result<()>>)>>,
    /// Nothing: the ledger is closed.
    readers: Arc<Mutex<Option<Vec<Connection>>>>,
    instance: Arc<Instance>,
    mark: Arc<Mark>,
    peers: Arc<Peers>,
    /// Whether texts that are not to be kept may be in the log.
    has_texts: Arc<AtomicBool>,
    /// What was recorded and must not begin, because of trouble after that: it is to be settled.
    unbegun: Mutex<Vec<(MessageId, Timestamp)>>,
    /// The bulks that this process accepts just now.
    accepting: Arc<Accepting>,
}

impl SqliteLedger {
    /// Opens the ledger, and makes it (mode 0600) where there is none. It is held against no mark.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`], saying why: no permission, no database, another program's, or a
    /// newer one.
    pub fn open(path: &Path, now: Timestamp, random: [u8; 8]) -> Result<Self> {
        Self::open_marked(path, None, now, random)
    }

    /// The same for a ledger that is held against its mark. One in doubt is opened as well, and sends
    /// nothing.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`].
    pub fn open_marked(
        path: &Path,
        marking: Option<Marking>,
        now: Timestamp,
        random: [u8; 8],
    ) -> Result<Self> {
        let place = Place::enter(path)?;
        let path = place.path();
        let lock = Lock::new(place.folder(), random)?;
        place.check_name()?;
        place.check_whole()?;
        // Now, while there is room: a pause must need none.
        pause::make(place.folder()).map_err(|error| {
            cannot_open(path, &format!("its folder {}: {error}", place.folder().display()))
        })?;
        // What a process that died left in it may be texts that are not to be kept.
        let had_log = place.has_log();
        let has_texts = Arc::new(AtomicBool::new(had_log));
        // What the file says by itself. Where another process has it open, the two belong together.
        let in_file = if had_log && place.is_alone() { mark::in_file(path) } else { None };
        make_tables(path)?;
        place.say_open(MIGRATIONS.len())?;
        let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        // Before anything is changed: a database that is not ours keeps its mode and its journal.
        applied(&db, path)?;
        let wrong = |error: rusqlite::Error| cannot_open(path, &error.to_string());
        if let Some(in_file) = &in_file
            && !(place.has_layout(in_file.layout()) && in_file.has_this_log(&db).map_err(wrong)?)
        {
            return Err(place::other_log(path));
        }
        place.make_private()?;
        prepare(&mut db, path)?;
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrong)?;
        if let Some(in_file) = &in_file {
            in_file.note(&transaction).map_err(wrong)?;
        }
        let instance = Arc::new(Instance::register(&transaction, lock, now)?);
        let mark = Arc::new(Mark::hold(&transaction, path, marking, had_log).map_err(wrong)?);
        has_texts.fetch_or(sealed::is_used(&transaction).map_err(wrong)?, Ordering::Relaxed);
        say_open(&transaction, true).map_err(wrong)?;
        let layout = mark::layout(&transaction).map_err(wrong)?;
        transaction.commit().map_err(wrong)?;
        mark.note_base(&db).map_err(wrong)?;
        mark.begin();
        place.stay(&layout)?;
        let place = Arc::new(place);
        let peers = Arc::new(Peers::new(Arc::clone(&instance)));
        let around = Around { place: Arc::clone(&place), mark: Arc::clone(&mark), peers: Arc::clone(&peers) };
        let writer = Writer::start(db, around, Arc::clone(&has_texts))?;
        Ok(Self {
            place,
            writer: Mutex::new(Some(writer)),
            readers: Arc::new(Mutex::new(Some(Vec::new()))),
            instance,
            mark,
            peers,
            has_texts,
            unbegun: Mutex::default(),
            accepting: Arc::default(),
        })
    }

    /// Where it is.
    fn path(&self) -> &Path {
        self.place.path()
    }

    fn writer(&self) -> Result<Writer> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.as_ref().map(|(writer, _)| writer.clone()).ok_or_else(|| unavailable("the ledger is closed"))
    }

    /// Settles what was recorded and did not begin: nothing was sent, and its key is free again. What cannot
    /// be settled now waits.
    async fn settle_unbegun(&self) -> Result<()> {
        let unbegun = std::mem::take(&mut *self.unbegun.lock().unwrap_or_else(PoisonError::into_inner));
        if unbegun.is_empty() {
            return Ok(());
        }
        let settling = unbegun.clone();
        let step = move |group: &mut Group<'_>| {
            settling.iter().try_for_each(|(id, at)| settle::settle(group, id, &not_begun(*at)).map(drop))
        };
        let settled = match self.writer() {
            Ok(writer) => writer.run_together(step).await,
            Err(error) => Err(error),
        };
        if settled.is_err() {
            self.unbegun.lock().unwrap_or_else(PoisonError::into_inner).extend(unbegun);
        }
        settled
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (place, readers) = (Arc::clone(&self.place), Arc::clone(&self.readers));
        let task = tokio::task::spawn_blocking(move || {
            let kept = readers.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(Vec::pop);
            let kept = kept.ok_or_else(|| unavailable("the ledger is closed"))?;
            let db = match kept {
                Some(db) => db,
                None => {
                    // Opening an empty file takes away the log beside it.
                    place.check_here()?;
                    connect(place.path(), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?
                }
            };
            // What is read is what the writer writes.
            place.check_here()?;
            let answer = query(&db).map_err(|error| unavailable(&error.to_string()))?;
            let mut readers = readers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(readers) = readers.as_mut().filter(|readers| readers.len() < READERS) {
                readers.push(db);
            }
            Ok(answer)
        });
        task.await.unwrap_or_else(|error| Err(unavailable(&format!("the reader ended: {error}"))))
    }
}

/// The end of a message that was recorded and did not begin.
fn not_begun(at: Timestamp) -> Settlement {
    Settlement {
        at,
        state: State::Rejected,
        vendor_id: None,
        price_micros: None,
        segments: None,
        parts: Vec::new(),
        code: Some(ErrorKind::LedgerUnavailable),
        why: Some("the mark of the ledger could not be written, and nothing was sent".to_owned()),
        free_key: true,
        look_at: None,
    }
}

fn cannot_open(path: &Path, why: &str) -> Error {
    Error::new(ErrorKind::LedgerUnavailable, format!("cannot use the ledger {}: {why}", path.display())).next(
        "Name a file in a writable folder on a local disk with --ledger FILE or SMS_MCP_LEDGER. \
            Nothing was sent.",
    )
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let open = || -> rusqlite::Result<Connection> {
        let db = Connection::open_with_flags(path, flags)?;
        // The log goes when the file says that nobody has it open (`writer::leave`), and with no other end,
        // such as that of a start that failed: the file would lack its log for good. First of all, for all
        // below reads the file, and may fail.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        be_patient(&db)?;
        db.set_prepared_statement_cache_capacity(64);
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        db.pragma_update(None, "temp_store", "memory")?;
        // Plans do not depend on values, so that no statement is prepared again because a value changed.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        sealed::teach(&db)?;
        Ok(db)
    };
    open().map_err(|error| cannot_open(path, &error.to_string()))
}

/// Lets this connection wait for other processes.
fn be_patient(db: &Connection) -> rusqlite::Result<()> {
    let look_again = |looks: i32| {
        let waits_on =
            u128::try_from(looks).is_ok_and(|looks| looks * BUSY_LOOK.as_millis() < BUSY_TIMEOUT.as_millis());
        if waits_on {
            std::thread::sleep(BUSY_LOOK);
        }
        waits_on
    };
    db.busy_handler(Some(look_again))
}

/// How many migrations this database has had.
///
/// # Errors
/// [`ErrorKind::LedgerUnavailable`] for no database, another program's, or one of a newer version.
fn applied(db: &Connection, path: &Path) -> Result<usize> {
    let wrong = |error: rusqlite::Error| cannot_open(path, &error.to_string());
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let version = usize::try_from(number("user_version").map_err(wrong)?).unwrap_or(usize::MAX);
    let owner = number("application_id").map_err(wrong)?;
    let tables: i64 =
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(wrong)?;
    if !matches!(owner, APPLICATION_ID | OPEN_ID) && (tables > 0 || version > 0) {
        return Err(cannot_open(path, "it is a database of another program"));
    }
    if version > MIGRATIONS.len() {
        return Err(cannot_open(path, "a newer version of sms-mcp wrote it; update this one"));
    }
    Ok(version)
}

/// Makes the tables in a new file: before there is a log.
fn make_tables(path: &Path) -> Result<()> {
    if path.metadata().is_ok_and(|about| about.len() > 0) {
        return Ok(());
    }
    let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    make_durable(&db).map_err(|error| cannot_open(path, &error.to_string()))?;
    migrate(&mut db, path)?;
    keep_log(&db, path)?;
    db.close().map_err(|(_, error)| cannot_open(path, &error.to_string()))
}

/// Sets durability, and brings the tables up to date.
fn prepare(db: &mut Connection, path: &Path) -> Result<()> {
    make_durable(db).map_err(|error| cannot_open(path, &error.to_string()))?;
    keep_log(db, path)?;
    migrate(db, path)
}

fn make_durable(db: &Connection) -> rusqlite::Result<()> {
    db.pragma_update(None, "synchronous", "full")?;
    // On macOS a plain fsync does not reach the disk; elsewhere this changes nothing.
    db.pragma_update(None, "fullfsync", true)?;
    // Erased texts are overwritten, where that costs no further write.
    db.pragma_update_and_check(None, "secure_delete", "fast", |_| Ok(()))?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)
}

fn keep_log(db: &Connection, path: &Path) -> Result<()> {
    let mode = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
    match mode.map_err(|error| cannot_open(path, &error.to_string()))?.as_str() {
        "wal" => Ok(()),
        _ => Err(cannot_open(path, "its disk does not support a write-ahead log")),
    }
}

/// Brings the tables up to date.
fn migrate(db: &mut Connection, path: &Path) -> Result<()> {
    let wrong = |error: rusqlite::Error| cannot_open(path, &error.to_string());
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrong)?;
    // Again, under the lock: another process may have made the tables meanwhile.
    let version = applied(&transaction, path)?;
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration).map_err(wrong)?;
    }
    if version < MIGRATIONS.len() {
        transaction
            .pragma_update(None, "user_version", i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX))
            .map_err(wrong)?;
    }
    if version == 0 {
        say_open(&transaction, false).map_err(wrong)?;
    }
    transaction.commit().map_err(wrong)
}

fn joined(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(unavailable("the writing thread failed")))
}

impl Drop for SqliteLedger {
    /// A ledger that was not closed has left in no good order, but its file is whole.
    fn drop(&mut self) {
        let taken = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((writer, thread)) = taken {
            drop(writer);
            let _ = joined(thread);
        }
    }
}
