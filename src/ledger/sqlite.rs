//! The ledger in one SQLite file, for one machine.
//!
//! One thread writes (`writer`); readers have their own connections. Several processes may share the file: write
//! transactions are immediate and short. Which process is alive is told by lock files beside the ledger, which the
//! operating system releases at any death, so an attempt of a process that died becomes unknown at once, while one
//! of a process that lives is left alone, and nothing has to be written while nothing happens.

mod accept;
mod account;
mod budget;
mod clients;
mod copy;
mod early;
mod facts;
mod instance;
mod job;
mod long_reply;
mod look;
mod mark;
mod opt_out;
mod outbox;
mod pace;
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
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

pub use copy::{Looked, Restored, look_at, restore};
pub use pause::PauseFile;

use super::{
    Back, BatchRecord, Change, Claim, Claimed, Decide, Filter, Forward, Intent, Ledger, LookClaim, NewHandle, NewPending, NewReply, OptOut, Pacing,
    Payer, Pended, Pending, Record, Recorded, Recovered, Replies, ReplyPlace, Report, Reservation, Segment, Settled, Settlement, Target,
};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::mark::Marking;
use crate::sms::caller_id::Known;
use crate::sms::facts::Budget;
use crate::sms::message::{BatchId, MessageId, Realm, State};
use crate::sms::peer::Peer;
use instance::{Instance, Lock};
use job::{Kind, unavailable};
use mark::{Mark, Wish};
use peers::Peers;
use place::{APPLICATION_ID, OPEN_ID, Place, say_open};
use writer::{Around, Writer, Written, checkpoint};

/// Every migration, oldest first. A released one is never changed.
const MIGRATIONS: [&str; 19] = [
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
];

/// How long a write waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Page cache of a connection, in KiB: enough for the hot ends of the indices, small enough for a laptop.
const CACHE_KIB: i32 = 2_048;

/// Pages of log after which it is folded into the file: more pages, fewer and better filled writes.
const CHECKPOINT_PAGES: i32 = 4_000;

/// Readers that stay open; more than that are closed after use.
const READERS: usize = 2;

/// What is to be done next where a text was recorded and did not begin, and that could not be recorded.
const MAY_BE_RECORDED: &str = "It may have been recorded, and nothing was sent: ask for it again with the same idempotency_key, and with no other one. The \
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
}

impl SqliteLedger {
    /// Opens the ledger, and makes it (mode 0600) where there is none. It is held against no mark.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`], saying why: no permission, no database, another program's, or a newer one.
    pub fn open(path: &Path, now: Timestamp, random: [u8; 8]) -> Result<Self> {
        Self::open_marked(path, None, now, random)
    }

    /// The same for a ledger that is held against its mark. One in doubt is opened as well, and sends nothing.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`].
    pub fn open_marked(path: &Path, marking: Option<Marking>, now: Timestamp, random: [u8; 8]) -> Result<Self> {
        let place = Place::enter(path)?;
        let path = place.path();
        let lock = Lock::new(place.folder(), random)?;
        place.check_name()?;
        place.check_whole()?;
        // Now, while there is room: a pause must need none.
        pause::make(place.folder()).map_err(|error| cannot_open(path, &format!("its folder {}: {error}", place.folder().display())))?;
        // What a process that died left in it may be texts that are not to be kept.
        let had_log = place.has_log();
        let has_texts = Arc::new(AtomicBool::new(had_log));
        // What the file says by itself. Where another process has it open, the two belong together.
        let in_file = if had_log && place.is_alone() { mark::count_in_file(path) } else { None };
        let mut db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        // Before anything is changed: a database that is not ours keeps its mode and its journal.
        applied(&db, path)?;
        place.make_private()?;
        prepare(&mut db, path)?;
        let wrong = |error: rusqlite::Error| cannot_open(path, &error.to_string());
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(wrong)?;
        if in_file.is_some_and(|count| mark::base_of(&transaction).is_ok_and(|base| count < base)) {
            return Err(place::other_log(path));
        }
        let instance = Arc::new(Instance::register(&transaction, lock, now)?);
        let mark = Arc::new(Mark::hold(&transaction, path, marking, had_log).map_err(wrong)?);
        has_texts.fetch_or(sealed::is_used(&transaction).map_err(wrong)?, Ordering::Relaxed);
        let is_news = say_open(&transaction, true).map_err(wrong)?;
        transaction.commit().map_err(wrong)?;
        if is_news {
            // Into the file itself, before anything else is written. Only another program that reads it just now is in the way.
            checkpoint(&db, "PASSIVE").map_err(wrong)?;
        }
        mark.begin();
        place.stay()?;
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

    /// Settles what was recorded and did not begin: nothing was sent, and its key is free again. What cannot be settled now waits.
    async fn settle_unbegun(&self) -> Result<()> {
        let unbegun = std::mem::take(&mut *self.unbegun.lock().unwrap_or_else(PoisonError::into_inner));
        if unbegun.is_empty() {
            return Ok(());
        }
        let settling = unbegun.clone();
        let step = move |db: &Connection| settling.iter().try_for_each(|(id, at)| settle::settle(db, id, &not_begun(*at)).map(drop));
        let settled = match self.writer() {
            Ok(writer) => writer.run(step).await,
            Err(error) => Err(error),
        };
        if settled.is_err() {
            self.unbegun.lock().unwrap_or_else(PoisonError::into_inner).extend(unbegun);
        }
        settled
    }

    async fn read<T: Send + 'static>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static) -> Result<T> {
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
    Error::new(ErrorKind::LedgerUnavailable, format!("cannot use the ledger {}: {why}", path.display()))
        .next("Name a file in a writable folder on a local disk with --ledger FILE or SMS_MCP_LEDGER. Nothing was sent.")
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let open = || -> rusqlite::Result<Connection> {
        let db = Connection::open_with_flags(path, flags)?;
        // The log goes when the file says that nobody has it open (`writer::leave`), and with no other end, such as that of a
        // start that failed: the file would lack its log for good. First of all, for all below reads the file, and may fail.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
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

/// How many migrations this database has had.
///
/// # Errors
/// [`ErrorKind::LedgerUnavailable`] for no database, another program's, or one of a newer version.
fn applied(db: &Connection, path: &Path) -> Result<usize> {
    let wrong = |error: rusqlite::Error| cannot_open(path, &error.to_string());
    let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
    let version = usize::try_from(number("user_version").map_err(wrong)?).unwrap_or(usize::MAX);
    let owner = number("application_id").map_err(wrong)?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(wrong)?;
    if !matches!(owner, APPLICATION_ID | OPEN_ID) && (tables > 0 || version > 0) {
        return Err(cannot_open(path, "it is a database of another program"));
    }
    if version > MIGRATIONS.len() {
        return Err(cannot_open(path, "a newer version of sms-mcp wrote it; update this one"));
    }
    Ok(version)
}

/// Brings the tables up to date, and sets durability.
fn prepare(db: &mut Connection, path: &Path) -> Result<()> {
    let wrong = |error: rusqlite::Error| cannot_open(path, &error.to_string());
    db.pragma_update(None, "synchronous", "full").map_err(wrong)?;
    // On macOS a plain fsync does not reach the disk; elsewhere this changes nothing.
    db.pragma_update(None, "fullfsync", true).map_err(wrong)?;
    // Erased texts are overwritten, where that costs no further write.
    db.pragma_update_and_check(None, "secure_delete", "fast", |_| Ok(())).map_err(wrong)?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).map_err(wrong)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024).map_err(wrong)?;
    migrate(db, path)?;
    // Not before: a new file has its tables before there is a log.
    let mode: String = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(wrong)?;
    if mode != "wal" {
        return Err(cannot_open(path, "its disk does not support a write-ahead log"));
    }
    Ok(())
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
        transaction.pragma_update(None, "user_version", i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)).map_err(wrong)?;
    }
    if version == 0 {
        say_open(&transaction, false).map_err(wrong)?;
    }
    transaction.commit().map_err(wrong)
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn reserve(&self, intent: Intent, decide: Decide) -> Result<Reservation> {
        let owner = self.instance.id();
        let leaves_texts = !intent.keep_texts && !intent.preview && intent.batch.is_some();
        let (mark, peers, has_texts) = (Arc::clone(&self.mark), Arc::clone(&self.peers), Arc::clone(&self.has_texts));
        let kind = match intent.payer.realm {
            _ if intent.preview => Kind::Aside,
            // What is queued is asked about again when it is claimed.
            Realm::Live if intent.batch.is_some() && !intent.is_campaign => Kind::Accepts,
            Realm::Live => Kind::Begins,
            Realm::Sandbox => Kind::Ordinary,
        };
        let (now, ids) = (intent.now, intent.drafts.iter().map(|draft| draft.id.clone()).collect::<Vec<_>>());
        let reserve = move |db: &Connection| {
            if leaves_texts {
                // By the writing thread, which also says that there are none: said before, that would be lost.
                has_texts.store(true, Ordering::Relaxed);
            }
            match peers.known(intent.payer.realm) {
                Ok(known) => reserve::reserve(db, owner, &intent, &known, &decide, &mark),
                Err(unreadable) => Ok(Err(unreadable)),
            }
        };
        match self.writer()?.write(kind, reserve).await? {
            Written::Whole(reservation) => reservation,
            // Nobody hands over what this did not return, and nobody else may, but from the queue.
            Written::Void(Ok(Reservation::Taken { .. }), error) if kind == Kind::Begins => {
                let unbegun = ids.into_iter().map(|id| (id, now));
                self.unbegun.lock().unwrap_or_else(PoisonError::into_inner).extend(unbegun);
                Err(if self.settle_unbegun().await.is_ok() { error } else { error.next(MAY_BE_RECORDED) })
            }
            Written::Void(_, error) => Err(error),
        }
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed> {
        let (owner, has_texts, mark, peers) = (self.instance.id(), Arc::clone(&self.has_texts), Arc::clone(&self.mark), Arc::clone(&self.peers));
        let kind = if claim.realm == Realm::Live { Kind::Begins } else { Kind::Ordinary };
        let claim = move |db: &Connection| {
            if kind == Kind::Begins && mark.check().is_err() {
                return Ok(Ok(Claimed::default()));
            }
            let known = match peers.known(claim.realm) {
                Ok(known) => known,
                Err(unreadable) => return Ok(Err(unreadable)),
            };
            let claimed = queue::claim(db, owner, &claim, &known)?;
            // Another process may have queued them.
            if !claimed.messages.is_empty() && sealed::has_unkept(db)? {
                has_texts.store(true, Ordering::Relaxed);
            }
            Ok(Ok(claimed))
        };
        match self.writer()?.write(kind, claim).await? {
            Written::Whole(claimed) => claimed,
            // Claimed by this process, and by nobody to be handed over.
            Written::Void(Ok(claimed), error) => {
                tracing::error!(%error, "what was taken from the queue goes back to it");
                Ok(Claimed { is_void: true, ..claimed })
            }
            Written::Void(Err(refused), _) => Err(refused),
        }
    }

    async fn settle(&self, id: &MessageId, settlement: Settlement) -> Result<Vec<Budget>> {
        let id = id.clone();
        self.writer()?.run(move |db| settle::settle(db, &id, &settlement)).await
    }

    async fn record_receipt(&self, report: Report, now: Timestamp) -> Result<Vec<MessageId>> {
        self.writer()?.run(move |db| receipt::record_receipt(db, &report, now)).await
    }

    async fn recover(&self, now: Timestamp, stale_before: Option<Timestamp>) -> Result<Recovered> {
        self.settle_unbegun().await?;
        let own = self.instance.id();
        let (instances, has_orphans) = self.read(|db| Ok((instance::list(db)?, recover::has_orphans(db)?))).await?;
        let dead = self.instance.dead(instances);
        if dead.is_empty() && !has_orphans && stale_before.is_none() {
            return Ok(Recovered::default());
        }
        self.has_texts.store(true, Ordering::Relaxed);
        self.writer()?.run(move |db| recover::recover(db, own, &dead, now, stale_before)).await
    }

    async fn message(&self, principal: &str, id: &MessageId) -> Result<Option<Record>> {
        let (principal, id) = (principal.to_owned(), id.clone());
        self.read(move |db| query::message(db, &principal, &id)).await
    }

    async fn history(&self, id: &MessageId) -> Result<Vec<Change>> {
        let id = id.clone();
        self.read(move |db| query::history(db, &id)).await
    }

    async fn segments(&self, id: &MessageId) -> Result<Vec<Segment>> {
        let id = id.clone();
        self.read(move |db| segment::segments(db, &id)).await
    }

    async fn batch(&self, principal: &str, id: &BatchId) -> Result<Option<BatchRecord>> {
        let (principal, id) = (principal.to_owned(), id.clone());
        self.read(move |db| query::batch(db, &principal, &id)).await
    }

    async fn list(&self, filter: Filter) -> Result<Vec<Record>> {
        self.read(move |db| query::list(db, &filter)).await
    }

    async fn budgets(&self, payer: Payer, now: Timestamp) -> Result<Vec<Budget>> {
        let peers = Arc::clone(&self.peers);
        let preview = move |db: &Connection| match peers.on(db, payer.realm)? {
            Ok(others) => session::preview_budgets(db, &payer, &others, now),
            Err(unreadable) => Ok(Err(unreadable)),
        };
        self.read(preview).await?
    }

    async fn others(&self, realm: Realm) -> Result<Vec<Peer>> {
        let peers = Arc::clone(&self.peers);
        self.read(move |db| peers.on(db, realm)).await?
    }

    async fn open_session(&self, payer: Payer, handle: NewHandle, now: Timestamp) -> Result<Vec<Budget>> {
        let peers = Arc::clone(&self.peers);
        let open = move |db: &Connection| match peers.known(payer.realm) {
            Ok(known) => session::open_session(db, &payer, &handle, &known, now),
            Err(unreadable) => Ok(Err(unreadable)),
        };
        self.writer()?.run(open).await?
    }

    async fn all_budgets(&self) -> Result<Vec<Budget>> {
        self.read(account::all_budgets).await
    }

    async fn unfreeze(&self, key: &str) -> Result<bool> {
        let key = key.to_owned();
        self.writer()?.run(move |db| account::unfreeze(db, &key)).await
    }

    async fn accept_clock(&self) -> Result<()> {
        self.writer()?.run(account::accept_clock).await
    }

    async fn cancel(&self, principal: &str, id: &BatchId, now: Timestamp) -> Result<u32> {
        let (principal, id) = (principal.to_owned(), id.clone());
        self.writer()?.run(move |db| settle::cancel(db, &principal, id.as_str(), now)).await
    }

    async fn hand_on(&self, id: &MessageId, provider: &str, _: Timestamp) -> Result<()> {
        let (owner, id, provider) = (self.instance.id(), id.clone(), provider.to_owned());
        let is_ours = self.writer()?.run_as(Kind::Begins, move |db| settle::hand_on(db, owner, &id, &provider)).await?;
        // Whoever asks must not hand it over then: it may be somebody else's now.
        if is_ours { Ok(()) } else { Err(unavailable("this process is not attempting the message")) }
    }

    async fn unclaim(&self, back: Vec<Back>) -> Result<()> {
        let owner = self.instance.id();
        self.writer()?.run(move |db| queue::unclaim(db, owner, &back)).await
    }

    async fn claim_looks(&self, claim: LookClaim) -> Result<Vec<Record>> {
        let (provider, realm, now) = (claim.provider.clone(), claim.realm, claim.now);
        if !self.read(move |db| look::has_looks(db, &provider, realm, now)).await? {
            return Ok(Vec::new());
        }
        self.writer()?.run(move |db| look::claim_looks(db, &claim)).await
    }

    async fn admit(&self, provider: &str, realm: Realm, requests: u32, rate: Pacing, now: Timestamp) -> Result<bool> {
        let counted_as = rate::name(provider, realm).into_owned();
        self.writer()?.run(move |db| rate::admit(db, &counted_as, now, rate, requests)).await
    }

    async fn hint(&self, provider: &str, vendor_id: &str, message: Option<&MessageId>, now: Timestamp) -> Result<bool> {
        let (provider, vendor_id, message) = (provider.to_owned(), vendor_id.to_owned(), message.cloned());
        self.writer()?.run(move |db| look::hint(db, &provider, &vendor_id, message.as_ref(), now)).await
    }

    async fn unknowns(&self, provider: Option<(&str, Realm)>, since: Timestamp, limit: u32) -> Result<Vec<Record>> {
        let provider = provider.map(|(name, realm)| (name.to_owned(), realm));
        self.read(move |db| trace::unknowns(db, provider.as_ref().map(|(name, realm)| (name.as_str(), *realm)), since, limit)).await
    }

    async fn has_nameless(&self, (provider, realm): (&str, Realm), to: &str, digest: [u8; 16], from: Timestamp, until: Timestamp) -> Result<bool> {
        let (provider, to) = (provider.to_owned(), to.to_owned());
        self.read(move |db| trace::has_nameless(db, (&provider, realm), &to, digest, from, until)).await
    }

    async fn has_vendor_id(&self, provider: &str, vendor_id: &str, to: &str) -> Result<bool> {
        let (provider, vendor_id, to) = (provider.to_owned(), vendor_id.to_owned(), to.to_owned());
        self.read(move |db| trace::has_vendor_id(db, &provider, &vendor_id, &to)).await
    }

    async fn texts(&self, provider: &str, vendor_id: &str, to: Option<&str>) -> Result<Option<Vec<String>>> {
        let (provider, vendor_id, to) = (provider.to_owned(), vendor_id.to_owned(), to.map(ToOwned::to_owned));
        self.read(move |db| trace::texts(db, &provider, &vendor_id, to.as_deref())).await
    }

    async fn record_reply(&self, reply: NewReply, now: Timestamp) -> Result<Recorded> {
        let owner = self.instance.id();
        self.writer()?.run(move |db| reply::record_reply(db, owner, &reply, now)).await
    }

    async fn reply_at(&self, provider: &str, vendor_id: &str) -> Result<Option<Timestamp>> {
        let (provider, vendor_id) = (provider.to_owned(), vendor_id.to_owned());
        self.read(move |db| reply::reply_at(db, &provider, &vendor_id)).await
    }

    async fn last_text(&self, provider: &str, to: &str, at: Timestamp) -> Result<Option<String>> {
        let (provider, to) = (provider.to_owned(), to.to_owned());
        self.read(move |db| reply::last_text(db, &provider, &to, at)).await
    }

    async fn replies(&self, id: &MessageId, before: Option<ReplyPlace>, limit: u32) -> Result<Replies> {
        let id = id.clone();
        self.read(move |db| reply::replies(db, &id, before, limit)).await
    }

    async fn opt_out(&self, number: &str, is_out: bool, source: &str, at: Timestamp) -> Result<bool> {
        let (mark, wish) = (Arc::clone(&self.mark), Wish { number: number.to_owned(), is_out, at, source: source.to_owned() });
        let record = move |db: &Connection| {
            let is_news = opt_out::opt_out(db, &wish.number, is_out, &wish.source, at)?;
            if is_out || is_news {
                mark.wish(wish.clone());
            }
            Ok(is_news)
        };
        self.writer()?.run(record).await
    }

    async fn known(&self, endings: Vec<String>, realm: Realm, since: Timestamp) -> Result<Vec<Known>> {
        self.read(move |db| pending::known(db, &endings, realm, since)).await
    }

    async fn pend(&self, new: NewPending) -> Result<Pended> {
        self.writer()?.run(move |db| pending::pend(db, &new)).await
    }

    async fn pendings(&self) -> Result<Vec<Pending>> {
        self.read(pending::pendings).await
    }

    async fn settle_pending(&self, id: i64, number: Option<&str>, forward: bool, now: Timestamp) -> Result<Option<Settled>> {
        let number = number.map(ToOwned::to_owned);
        self.writer()?.run(move |db| pending::settle(db, id, number.as_deref(), forward, now)).await
    }

    async fn opt_outs(&self, limit: u32) -> Result<Vec<OptOut>> {
        self.read(move |db| opt_out::opt_outs(db, limit)).await
    }

    async fn claim_forwards(&self, limit: u32, now: Timestamp, again: Timestamp) -> Result<Vec<Forward>> {
        if !self.read(move |db| outbox::has_forwards(db, now)).await? {
            return Ok(Vec::new());
        }
        self.writer()?.run(move |db| outbox::claim_forwards(db, limit, now, again)).await
    }

    async fn forwarded(&self, sequence: i64, next: Option<Timestamp>) -> Result<()> {
        self.writer()?.run(move |db| outbox::forwarded(db, sequence, next)).await
    }

    async fn key(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        let (asked, name) = (name.to_owned(), name.to_owned());
        if let Some(key) = self.read(move |db| account::key(db, &asked)).await? {
            return Ok(key);
        }
        self.writer()?.run(move |db| account::make_key(db, &name, fresh)).await
    }

    async fn target_of(&self, principal: &str, realm: Realm, key: &str) -> Result<Option<Target>> {
        let (principal, key) = (principal.to_owned(), key.to_owned());
        self.read(move |db| query::target_of(db, &principal, realm, &key)).await
    }

    async fn trust(&self) -> Result<()> {
        let mark = Arc::clone(&self.mark);
        match mark.check() {
            Ok(()) => Ok(()),
            // A person may have looked since.
            Err(_) => self.writer()?.run_as(Kind::Begins, move |_| Ok(mark.check())).await?,
        }
    }

    async fn close(&self) -> Result<()> {
        let owner = self.instance.id();
        // Taken out first: what comes after this is refused, and not written for an owner that has left.
        let taken = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (writer, thread) = taken.ok_or_else(|| unavailable("the ledger is closed"))?;
        let left = writer.run_as(Kind::Aside, move |db| recover::leave(db, owner)).await;
        if left.is_ok() {
            self.instance.remove_lock();
        }
        // Before the writer, which takes the log away where it is the last.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(writer);
        // The end of the process must not race with the last words of the ledger.
        let ended = tokio::task::spawn_blocking(move || joined(thread)).await;
        left.and(ended.unwrap_or_else(|error| Err(unavailable(&error.to_string()))))
    }
}

fn joined(thread: JoinHandle<Result<()>>) -> Result<()> {
    thread.join().unwrap_or_else(|_| Err(unavailable("the writing thread failed")))
}

impl Drop for SqliteLedger {
    /// A store that was not closed has left in no good order, but its file is whole.
    fn drop(&mut self) {
        let taken = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((writer, thread)) = taken {
            drop(writer);
            let _ = joined(thread);
        }
    }
}
