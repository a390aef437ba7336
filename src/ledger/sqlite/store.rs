//! The ledger itself: its thread that writes, its readers, and what a process keeps beside them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::accepting::Accepting;
use super::connection::{cannot_open, connect};
use super::group::Group;
use super::instance::{Instance, Lock};
use super::job::{Kind, unavailable};
use super::mark::{self, Mark};

use super::peers::{Peers, check_currency};
use super::place::{self, Place, say_open};
use super::schema::{MIGRATIONS, applied, make_tables, prepare};
use super::writer::{Around, Writer, joined};
use super::{pause, sealed, settle};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, Result};
use crate::ledger::Settlement;
use crate::ledger::mark::Marking;
use crate::sms::message::{MessageId, State};
use crate::sms::peer::Peer;

/// Readers that stay open; more than that are closed after use.
const READERS: usize = 2;

/// What is to be done next where a text was recorded and did not begin, and that could not be recorded.
pub(super) const MAY_BE_RECORDED: &str = "It may have been recorded, and nothing was sent: ask for it again with the \
    same idempotency_key, and with no other one. The \
    operator must see to it that the ledger and its mark can be written.";

/// The ledger. See the module's text.
pub struct SqliteLedger {
    pub(super) place: Arc<Place>,
    pub(super) writer: Mutex<Option<(Writer, JoinHandle<Result<()>>)>>,
    /// Nothing: the ledger is closed.
    pub(super) readers: Arc<Mutex<Option<Vec<Connection>>>>,
    pub(super) instance: Arc<Instance>,
    pub(super) mark: Arc<Mark>,
    pub(super) peers: Arc<Peers>,
    /// Whether texts that are not to be kept may be in the log.
    pub(super) has_texts: Arc<AtomicBool>,
    /// What was recorded and must not begin, because of trouble after that: it is to be settled.
    pub(super) unbegun: Mutex<Vec<(MessageId, Timestamp)>>,
    /// The bulks that this process accepts just now.
    pub(super) accepting: Arc<Accepting>,
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

    /// Says what this process lets through: it holds for everybody who sends from this ledger, for as long as
    /// this process lives.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] where a living process has budgets in another currency;
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn join(&self, own: Peer) -> Result<()> {
        let peers = Arc::clone(&self.peers);
        self.writer()?.run_as(Kind::Aside, move |db| peers.join(db, &own)).await?
    }

    /// The other processes that send from this ledger now.
    ///
    /// # Errors
    /// As [`SqliteLedger::join`], of whom this one would have to join.
    pub async fn peers(&self, own: &Peer) -> Result<Vec<Peer>> {
        let peers = Arc::clone(&self.peers);
        let others = self.read(move |db| peers.read(db)).await??;
        check_currency(own, others.iter()).map(|()| others)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(super) fn writer(&self) -> Result<Writer> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.as_ref().map(|(writer, _)| writer.clone()).ok_or_else(|| unavailable("the ledger is closed"))
    }

    /// Settles what was recorded and did not begin: nothing was sent, and its key is free again. What cannot
    /// be settled now waits.
    pub(super) async fn settle_unbegun(&self) -> Result<()> {
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

    pub(super) async fn read<T: Send + 'static>(
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
