//! The one thread that writes: it takes whatever has queued up, runs it in one transaction, syncs once and
//! answers all (group commit). An answer is given only after the commit that holds it is durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::oneshot;

use super::connection::be_patient;
use super::group::Group;
use super::job::{JobResult, Kind, unavailable};
use super::mark::{Counted, LEASE_MS, Mark};
use super::peers::Peers;
use super::place::{Place, say_open};
use super::sealed;
use crate::error::{Error, ErrorKind, Result};

/// Most jobs in one transaction: enough to share a sync well, few enough to keep the lock short.
const MAX_GROUP: usize = 256;

/// How long after a write the log is emptied of texts that are not to be kept, and how long between looks at
/// most.
const TIDY_AFTER: Duration = Duration::from_millis(200);
const TIDY_AT_MOST: Duration = Duration::from_secs(10);

/// How long after a write the mark is brought to the disk where nothing more is written.
const LEASE: Duration = Duration::from_millis(LEASE_MS.unsigned_abs());

/// How long emptying the log waits for whoever reads the ledger: another program may do so for long.
const LEAVE_PATIENCE: Duration = Duration::from_millis(200);

/// Most jobs that wait. More means that the disk does not follow; new sends are refused then.
const MAX_WAITING: usize = 8_192;

trait Job: Send {
    fn kind(&self) -> Kind;
    fn run(&mut self, group: &mut Group<'_>) -> JobResult<()>;
    /// What became of it: the trouble, and whether it was written all the same.
    fn answer(self: Box<Self>, trouble: Option<(Error, bool)>);
}

/// What became of a job.
pub(super) enum Written<T> {
    /// It is in the ledger, and the mark knows.
    Whole(T),
    /// It is in the ledger, or in the file that was it, and this went wrong after that: what was to begin by
    /// it must not.
    Void(T, Error),
}

impl<T> Written<T> {
    fn whole(self) -> Result<T> {
        match self {
            Self::Whole(done) => Ok(done),
            Self::Void(_, error) => Err(error),
        }
    }
}

struct Work<T, F> {
    kind: Kind,
    step: F,
    done: Option<T>,
    reply: oneshot::Sender<Result<Written<T>>>,
}

impl<T: Send, F: FnMut(&mut Group<'_>) -> JobResult<T> + Send> Job for Work<T, F> {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&mut self, group: &mut Group<'_>) -> JobResult<()> {
        self.done = Some((self.step)(group)?);
        Ok(())
    }

    fn answer(self: Box<Self>, trouble: Option<(Error, bool)>) {
        let answer = match (trouble, self.done) {
            (None, Some(done)) => Ok(Written::Whole(done)),
            (Some((error, true)), Some(done)) => Ok(Written::Void(done, error)),
            (trouble, _) => {
                Err(trouble.map_or_else(|| unavailable("the write did not finish"), |(error, _)| error))
            }
        };
        let _ = self.reply.send(answer);
    }
}

/// The error for a write that SQLite refused: whether the disk is full is told from everything else.
fn refused(error: &rusqlite::Error) -> Error {
    let is_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        // The index of the log could not grow.
        || error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_SHMSIZE);
    if is_full {
        return Error::new(ErrorKind::StorageFull, "the ledger's disk is full").because(error.to_string());
    }
    unavailable(&error.to_string())
}

/// The way to the writing thread. Cloning is cheap; the thread ends when the last one is gone.
#[derive(Clone)]
pub(super) struct Writer {
    jobs: SyncSender<Box<dyn Job>>,
}

/// What a group is written beside.
pub(super) struct Around {
    pub(super) place: Arc<Place>,
    pub(super) mark: Arc<Mark>,
    pub(super) peers: Arc<Peers>,
}

impl Writer {
    /// Starts the thread. Its end, which is to be waited for, is that of the ledger in this process.
    pub(super) fn start(
        db: Connection,
        around: Around,
        has_texts: Arc<AtomicBool>,
    ) -> Result<(Self, JoinHandle<Result<()>>)> {
        let (jobs, waiting) = sync_channel(MAX_WAITING);
        let thread = std::thread::Builder::new().name("ledger".to_owned()).spawn(move || {
            let mut db = db;
            serve(&mut db, &around, &waiting, &has_texts);
            around.mark.renew(&db, true);
            // Where that fails, the next one to open the ledger does it. Those who stay may have nothing to
            // do.
            if around.place.check_here().is_ok() && sealed::is_used(&db).unwrap_or(true) {
                let _ = is_tidy(&db, &around.mark);
            }
            leave(db, &around.place)
        });
        Ok((Self { jobs }, thread.map_err(|error| unavailable(&format!("no thread: {error}")))?))
    }

    /// Runs `step` in a transaction and answers after its commit. `step` may run twice: when another job of
    /// its group fails, the group is undone and each runs alone.
    pub(super) async fn run<T, F>(&self, step: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> JobResult<T> + Send + 'static,
    {
        self.run_as(Kind::Ordinary, step).await
    }

    /// The same for a job of this kind.
    pub(super) async fn run_as<T, F>(&self, kind: Kind, step: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> JobResult<T> + Send + 'static,
    {
        self.write(kind, step).await?.whole()
    }

    /// The same, where what was written has to be taken back if it is void.
    pub(super) async fn write<T, F>(&self, kind: Kind, mut step: F) -> Result<Written<T>>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> JobResult<T> + Send + 'static,
    {
        self.write_together(kind, move |group: &mut Group<'_>| step(group.alone()?)).await
    }

    /// As [`Writer::run`], for a step that shares what it decides by with the others of its group.
    pub(super) async fn run_together<T, F>(&self, step: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnMut(&mut Group<'_>) -> JobResult<T> + Send + 'static,
    {
        self.write_together(Kind::Ordinary, step).await?.whole()
    }

    /// As [`Writer::write`], for such a step.
    pub(super) async fn write_together<T, F>(&self, kind: Kind, step: F) -> Result<Written<T>>
    where
        T: Send + 'static,
        F: FnMut(&mut Group<'_>) -> JobResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Box::new(Work { kind, step, done: None, reply })).map_err(
            |error| match error {
                TrySendError::Full(_) => unavailable("too many writes are waiting"),
                TrySendError::Disconnected(_) => unavailable("the writing thread has ended"),
            },
        )?;
        answer.await.unwrap_or_else(|_| Err(unavailable("the writing thread has ended")))
    }
}

fn serve(db: &mut Connection, around: &Around, waiting: &Receiver<Box<dyn Job>>, has_texts: &AtomicBool) {
    let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(MAX_GROUP);
    while let Some(first) = next(db, &around.mark, waiting, has_texts) {
        group.push(first);
        group.extend(waiting.try_iter().take(MAX_GROUP - 1));
        match write(db, around, &mut group) {
            // One job's trouble must not become the others': each alone now.
            Err(Trouble::Inside(_) | Trouble::Unwritten(_)) if group.len() > 1 => {
                for job in group.drain(..) {
                    let mut alone = [job];
                    let written = write(db, around, &mut alone);
                    let [job] = alone;
                    answer(job, written.as_ref().err());
                }
            }
            // Nothing began (another process holds the file): alone each would wait as long again.
            written => group.drain(..).for_each(|job| answer(job, written.as_ref().err())),
        }
        if let Err(error) = around.mark.note_base(db) {
            tracing::debug!(%error, "how often the ledger's file was written is not noted yet");
        }
        around.mark.renew(db, false);
    }
}

/// Writes a group. Where the ledger turns out to be another one than it was, it is written as things stand
/// now.
fn write(db: &mut Connection, around: &Around, group: &mut [Box<dyn Job>]) -> Result<(), Trouble> {
    let mut write = || commit(db, around, group).inspect_err(|_| around.mark.undo());
    let written = write();
    if matches!(written, Err(Trouble::Anew)) { write() } else { written }
}

/// The next job; nothing when there will be none. While it waits, and texts that are not to be kept may be in
/// the log, it looks whether they are still needed.
fn next(
    db: &Connection,
    mark: &Mark,
    waiting: &Receiver<Box<dyn Job>>,
    has_texts: &AtomicBool,
) -> Option<Box<dyn Job>> {
    let mut wait = TIDY_AFTER;
    while has_texts.load(Ordering::Relaxed) {
        match waiting.recv_timeout(wait) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Said before the look: what comes in meanwhile says it again.
        has_texts.store(false, Ordering::Relaxed);
        if !is_tidy(db, mark).unwrap_or(false) {
            has_texts.store(true, Ordering::Relaxed);
        }
        mark.renew(db, false);
        wait = (wait * 2).min(TIDY_AT_MOST);
    }
    if mark.is_due() {
        match waiting.recv_timeout(LEASE) {
            Ok(job) => return Some(job),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => mark.renew(db, true),
        }
    }
    waiting.recv().ok()
}

/// Empties the log where no text is needed any more that is not to be kept. Returns whether that is done.
fn is_tidy(db: &Connection, mark: &Mark) -> rusqlite::Result<bool> {
    if sealed::has_unkept(db)? {
        return Ok(false);
    }
    sealed::forget(db)?;
    // Not for long: writes wait behind it.
    db.busy_timeout(LEAVE_PATIENCE)?;
    let is_empty = checkpoint(db, "TRUNCATE");
    be_patient(db)?;
    mark.note_base(db)?;
    is_empty
}

/// Last words. The last one to leave brings everything into the file before the file says that nobody has it
/// open: the header is written before all other pages, and a file that was only partly brought up to date
/// must not say so. It is said in a log that began anew, so that nothing but that word is beside a file that
/// has it. The log is taken away after that, and stays with whatever fails before.
fn leave(db: Connection, place: &Place) -> Result<()> {
    place.check_here()?;
    place.take_turn()?;
    let written = if place.is_alone() {
        // Only a program of somebody else's can be in the way, and it may be there for long.
        let _ = db.busy_timeout(LEAVE_PATIENCE);
        let is_whole = checkpoint(&db, "RESTART").and_then(|began_anew| {
            if !began_anew {
                return Ok(false);
            }
            say_open(&db, false)?;
            checkpoint(&db, "TRUNCATE")
        });
        is_whole
            .and_then(|is_whole| db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !is_whole))
            .map(drop)
    } else {
        Ok(())
    };
    let closed = db.close().map_err(|(_, error)| error);
    place.leave();
    written.and(closed).map_err(|error| unavailable(&error.to_string()))
}

/// Brings what is in the log into the file, as far as nobody else is in the way. Returns whether nobody was.
fn checkpoint(db: &Connection, how: &str) -> rusqlite::Result<bool> {
    db.query_row(&format!("PRAGMA wal_checkpoint({how})"), [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

/// Why a group was not written.
enum Trouble {
    /// The transaction could not begin.
    Begin(rusqlite::Error),
    /// A job or the commit failed; all of it is undone.
    Inside(rusqlite::Error),
    /// What would be written is not for the file at the ledger's name.
    Elsewhere(Error),
    /// What was written is not in the file at the ledger's name.
    Lost(Error),
    /// The mark could not be told before the commit; all of it is undone.
    Unwritten(Error),
    /// It was written, and the mark could not be told: what was to begin by it must not.
    Unmarked(Error),
    /// The ledger is another one than it was; all of it is undone.
    Anew,
}

fn answer(job: Box<dyn Job>, trouble: Option<&Trouble>) {
    let again = |error: &Error| Error::new(error.kind(), error.message()).next(error.next_step());
    let refused = trouble.and_then(|trouble| match trouble {
        Trouble::Begin(error) | Trouble::Inside(error) => Some((refused(error), false)),
        Trouble::Elsewhere(error) | Trouble::Unwritten(error) => Some((again(error), false)),
        Trouble::Lost(error) => Some((again(error), true)),
        Trouble::Unmarked(error) => (job.kind() == Kind::Begins).then(|| (again(error), true)),
        Trouble::Anew => Some((unavailable("the ledger was replaced while it was written"), false)),
    });
    if let Some((refused, _)) = &refused {
        let error = std::error::Error::source(refused)
            .map_or_else(|| refused.message().to_owned(), ToString::to_string);
        tracing::error!(%error, "the ledger refused a write");
    }
    job.answer(refused);
}

/// Runs the jobs one after the other, and writes what they reckoned together. Returns whether the ledger is a
/// newer one by that.
fn run(db: &Connection, jobs: &mut [Box<dyn Job>]) -> JobResult<bool> {
    Group::over(db, |group| {
        let mut is_newer = false;
        for job in jobs {
            let before = db.total_changes();
            job.run(group)?;
            is_newer |= job.kind() != Kind::Aside && (db.total_changes() > before || group.has_changes());
        }
        Ok(is_newer)
    })
}

fn commit(
    db: &mut Connection,
    Around { place, mark, peers }: &Around,
    group: &mut [Box<dyn Job>],
) -> Result<(), Trouble> {
    place.check_here().map_err(Trouble::Elsewhere)?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(Trouble::Begin)?;
    let begins = group.iter().any(|job| matches!(job.kind(), Kind::Begins | Kind::Accepts));
    // Under the lock, so that nobody comes between the look and what is decided by it.
    peers.look(&transaction).map_err(Trouble::Inside)?;
    mark.look_again(&transaction).map_err(Trouble::Inside)?;
    mark.begin_group();
    let is_newer = run(&transaction, group).map_err(Trouble::Inside)?;
    fail::fail_point!("ledger-before-commit", |_| Err(Trouble::Inside(rusqlite::Error::InvalidQuery)));
    let count =
        match if is_newer { mark.count(&transaction) } else { Ok(Counted::Not) }.map_err(Trouble::Inside)? {
            Counted::Not => None,
            Counted::As(count) => Some(count),
            Counted::Anew => return Err(Trouble::Anew),
        };
    mark.write_down(&transaction, begins).map_err(Trouble::Inside)?.map_err(Trouble::Unwritten)?;
    transaction.commit().map_err(Trouble::Inside)?;
    fail::fail_point!("ledger-before-mark", count.is_some(), |_| -> Result<(), Trouble> {
        std::process::abort()
    });
    // And after it, so that what is answered is in the file at the ledger's name.
    place.check_kept().map_err(Trouble::Lost)?;
    fail::fail_point!("ledger-mark-untold", count.is_some(), |_| Err(Trouble::Unmarked(unavailable(
        "the mark of the ledger cannot be written"
    ))));
    mark.raise(count).map_err(Trouble::Unmarked)?;
    fail::fail_point!("ledger-after-mark", count.is_some(), |_| -> Result<(), Trouble> {
        std::process::abort()
    });
    Ok(())
}

/// What the thread ended with.
pub(super) fn joined(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(unavailable("the writing thread failed")))
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::store::SqliteLedger;
    use crate::clock::Timestamp;
    use crate::ledger::upkeep::Upkeep as _;

    #[tokio::test]
    async fn what_is_in_the_ledgers_file_is_not_said_to_be_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (path, second) = (folder.path().join("ledger.db"), folder.path().join("second.db"));
        let store = SqliteLedger::open(&path, Timestamp(0), [1; 8]).unwrap();
        let write = async |step: Box<dyn Fn() + Send>| {
            store
                .writer()
                .unwrap()
                .run(move |db| {
                    db.execute("UPDATE instance SET opened_ms = opened_ms + 1", []).map(|_| step())
                })
                .await
        };
        let (from, to) = (path.clone(), second.clone());
        write(Box::new(move || std::fs::hard_link(&from, &to).unwrap())).await.unwrap();
        let refused = write(Box::new(|| ())).await.unwrap_err();
        assert!(
            refused.message().contains("a second name") && refused.next_step().contains("Nothing was sent"),
            "{refused:?}"
        );
        std::fs::remove_file(second).unwrap();
        write(Box::new(|| ())).await.unwrap();
        let lost = write(Box::new(move || std::fs::remove_file(&path).unwrap())).await.unwrap_err();
        assert!(
            lost.message().contains("was removed") && lost.next_step().contains("may have been recorded"),
            "{lost:?}"
        );
    }

    #[tokio::test]
    async fn an_end_that_does_not_come_to_its_turn_takes_nothing_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let store = SqliteLedger::open(&path, Timestamp(0), [1; 8]).unwrap();
        let turn =
            std::fs::File::options().write(true).open(folder.path().join("ledger.db.live/turn")).unwrap();
        turn.lock().unwrap();
        let refused = store.close().await.unwrap_err();
        assert!(refused.message().contains("another process is opening"), "{refused:?}");
        turn.unlock().unwrap();
        drop(store);
        SqliteLedger::open(&path, Timestamp(0), [2; 8]).unwrap().close().await.unwrap();
        assert!(!folder.path().join("ledger.db-wal").exists(), "the one file is the whole ledger again");
    }
}
