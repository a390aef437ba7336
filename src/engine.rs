//! Sending: the one way from a request to a phone.
//!
//! Everything that sends goes through [`Engine`]: idempotency, then the guard with the ledger's facts, then the
//! reservation (intent and money in one durable step), then the attempt, then the settlement, and after a crash the
//! recovery. It promises that an accepted message reaches a provider at most once, that whatever was accepted ends
//! in a state that can be looked up, and that held and spent money never exceed a budget. Surfaces (MCP, HTTP,
//! command line) call nothing else.
//!
//! A send runs in a task of its own: a client that disconnects does not stop it.

mod answered;
mod asked;
mod attempt;
mod breaker;
mod bulk;
pub mod campaign;
mod carrier;
mod clients;
pub mod contract;
pub mod forward;
mod halted;
mod hearing;
mod inbound;
mod long_reply;
mod look;
mod meaning;
pub mod opt_out;
mod prepare;
mod prune;
mod queue;
pub mod reconcile;
mod reply;
pub mod route;
mod segments;
pub mod settings;
mod shown;
mod unmatched;
mod unrecorded;
pub mod vendor;
mod watching;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, broadcast, watch};
use tokio_util::task::TaskTracker;

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::halt::Halts;
use crate::ledger::{BaseSession, Intent, Ledger, Payer, Reservation, Target};
use crate::policy::Policy;
use crate::sms::absent;
use crate::sms::facts::Scope;
use crate::sms::message::{BatchId, MessageId, Realm, SessionId};
use crate::sms::number::Region;
use crate::sms::reply::StopWords;
use contract::{SendAnswer, SendArgs};

pub use crate::ledger::upkeep::Pruned;
pub use bulk::OnProgress;
pub use carrier::Carrier;
pub use inbound::Refused;
pub use route::Carriers;
pub use settings::Settings;
pub use watching::Watched;

/// How long a repeated call waits for the first one's outcome before it answers with the state as it is.
const REPLAY_WAIT: Duration = Duration::from_secs(35);

/// How often a repeated call looks when the first one runs in another process.
const REPLAY_POLL: Duration = Duration::from_millis(50);

/// How long closing the ledger may take, and taking leave of the carriers where no patience is left.
const CLOSE_PATIENCE: Duration = Duration::from_millis(400);

/// How long the answers to what was written last of a text may take at a stop.
const LAST_ANSWERS: Duration = Duration::from_millis(3_500);

/// How often a stop looks whether the rest of a text has left.
const MID_TEXT_LOOK: Duration = Duration::from_millis(50);

/// What is said of everything that the sandbox carried.
const SANDBOX: &str = "Sandbox provider: no text left this machine.";

/// How often the ledger is searched for what a process that died left behind.
const RECOVER_EVERY: Duration = Duration::from_secs(5);

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The principal: the operating-system user, or the bearer token's owner.
    pub principal: String,
    /// The session that the surface knows.
    pub base: Base,
}

/// The session that a surface knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// One with a life of its own: this process, or an HTTP session.
    Named(String),
    /// Whatever session the principal has open.
    Open,
}

/// Everything that an engine is made of.
pub struct Parts {
    /// The ledger.
    pub ledger: Arc<dyn Ledger>,
    /// Who carries the texts.
    pub carriers: Carriers,
    /// The policy.
    pub policy: Policy,
    /// Time and randomness.
    pub clock: SharedClock,
    /// `[send]`
    pub settings: Settings,
    /// Whether texts stay in the ledger after they left.
    pub keep_texts: bool,
    /// The country of national numbers.
    pub default_region: Option<Region>,
    /// The operator's own words for no more texts.
    pub stop_words: StopWords,
    /// Where changes and replies are told, if anywhere.
    pub forward: Option<forward::Target>,
    /// What keeps texts from beginning.
    pub halts: Arc<Halts>,
}

/// The engine. Cloning shares it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    tasks: TaskTracker,
    is_stopping: AtomicBool,
    stopping: Notify,
    /// Counts what was queued: every carrier's worker sees each step of it.
    queued: watch::Sender<u64>,
    waiting: Mutex<HashMap<MessageId, watch::Sender<()>>>,
    batches: Mutex<HashMap<BatchId, watch::Sender<u32>>>,
    /// Sends that ended without an outcome, by a fault of ours.
    unsettled: AtomicU64,
    /// Outcomes that wait to be recorded.
    unrecorded: Mutex<unrecorded::Waiting>,
    /// Messages that changed.
    changes: broadcast::Sender<MessageId>,
    /// Counts hints: something is to be looked up.
    hints: watch::Sender<u64>,
    /// Something may be there to tell.
    forwards: Notify,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A named place where tests end the process, as a crash would. Nothing in a release build.
fn crash_point(name: &'static str) {
    let _ = name;
    fail::fail_point!(name, |_| -> () { std::process::abort() });
}

impl Engine {
    /// An engine of these parts. Nothing runs in the background before [`Engine::start`].
    pub fn new(parts: Parts) -> Self {
        let inner = Inner {
            parts,
            tasks: TaskTracker::new(),
            is_stopping: AtomicBool::new(false),
            stopping: Notify::new(),
            queued: watch::Sender::new(0),
            waiting: Mutex::default(),
            batches: Mutex::default(),
            unsettled: AtomicU64::new(0),
            unrecorded: Mutex::default(),
            changes: broadcast::channel(watching::CHANGES).0,
            hints: watch::Sender::new(0),
            forwards: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    /// The policy.
    pub fn guard(&self) -> &Policy {
        &self.parts().policy
    }

    /// Settles what processes that died left behind, then starts the background work: the queue of bulk messages,
    /// receipts, and further recovery. `adopt`: whether to go on with what other processes left queued.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn start(&self, adopt: bool) -> Result<()> {
        self.recover().await?;
        for carrier in self.parts().carriers.all() {
            let (engine, name) = (self.clone(), carrier.name().to_owned());
            if let Some(notices) = carrier.notices() {
                let (engine, name) = (engine.clone(), name.clone());
                self.inner.tasks.spawn(async move { engine.run_notices(name, notices).await });
            }
            self.inner.tasks.spawn(async move { engine.run_queue(name, adopt).await });
        }
        if adopt {
            let engine = self.clone();
            self.inner.tasks.spawn(async move { engine.run_recovery().await });
            self.start_hearing();
            self.warn_of_pending().await?;
        }
        Ok(())
    }

    /// Starts what a server does besides sending: asking vendors, and telling the operator's own system.
    fn start_hearing(&self) {
        for carrier in self.parts().carriers.all() {
            let (engine, name) = (self.clone(), carrier.name().to_owned());
            self.inner.tasks.spawn(async move { engine.run_refresh(name).await });
            if carrier.capabilities().receipts_by_push {
                let (engine, name) = (self.clone(), carrier.name().to_owned());
                self.inner.tasks.spawn(async move { engine.run_unmatched(name).await });
            }
            if carrier.capabilities().status {
                let (engine, name) = (self.clone(), carrier.name().to_owned());
                self.inner.tasks.spawn(async move { engine.run_looks(name).await });
            }
        }
        if self.parts().forward.is_some() {
            let engine = self.clone();
            self.inner.tasks.spawn(async move { engine.run_forwards().await });
        }
        let engine = self.clone();
        self.inner.tasks.spawn(async move { engine.run_long_replies().await });
        if self.parts().carriers.all().iter().any(|carrier| carrier.capabilities().list) {
            let engine = self.clone();
            self.inner.tasks.spawn(async move { engine.run_reconcile().await });
        }
    }

    /// Settles what processes that died left behind. [`Engine::start`] does it too.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn recover(&self) -> Result<()> {
        let now = self.parts().clock.now();
        // Own attempts are only in doubt after one had no outcome; what waits to be recorded has one.
        let patience = self.parts().settings.timeout.as_millis().saturating_mul(4).saturating_add(60_000);
        let is_in_doubt = self.inner.unsettled.load(Ordering::Relaxed) > 0 && !self.has_unrecorded();
        let stale_before = is_in_doubt.then(|| now.plus_ms(-patience));
        let recovered = self.parts().ledger.recover(now, stale_before).await?;
        if recovered.unknown > 0 || recovered.released > 0 {
            tracing::warn!(unknown = recovered.unknown, released = recovered.released, "recovery settled what a process that ended had left");
            self.wake_queues();
        }
        Ok(())
    }

    async fn run_recovery(&self) {
        while !self.is_stopping() {
            self.pause(RECOVER_EVERY).await;
            if let Err(error) = self.recover().await {
                tracing::warn!(%error, "recovery failed; it will be tried again");
            }
        }
    }

    /// Waits, but not beyond the beginning of a stop.
    async fn pause(&self, duration: Duration) {
        let stopping = self.inner.stopping.notified();
        if !self.is_stopping() {
            tokio::select! {
                () = self.parts().clock.sleep(duration) => {}
                () = stopping => {}
            }
        }
    }

    /// Waits for the beginning of a stop.
    async fn stopped(&self) {
        let stopping = self.inner.stopping.notified();
        if !self.is_stopping() {
            stopping.await;
        }
    }

    fn is_stopping(&self) -> bool {
        self.inner.is_stopping.load(Ordering::SeqCst)
    }

    /// Refuses new sends from now on.
    pub fn begin_stop(&self) {
        self.inner.is_stopping.store(true, Ordering::SeqCst);
        self.inner.stopping.notify_waiters();
        self.parts().carriers.all().iter().for_each(Carrier::begin_close);
        self.wake_queues();
        self.inner.tasks.close();
    }

    /// Waits until nothing is in flight any more, after [`Engine::begin_stop`].
    pub async fn idle(&self) {
        self.inner.tasks.wait().await;
    }

    /// Stops: refuses what is new, waits up to `patience` for what is in flight, takes leave of the carriers, and closes
    /// the ledger. What did not end in time is recorded as unknown; what is still queued waits for the next process.
    pub async fn stop(&self, patience: Duration) {
        self.begin_stop();
        let mut left = self.parts().clock.sleep(patience);
        let began = self.parts().clock.now();
        let whole_until = began.plus_ms(self.parts().settings.stop_within.as_millis());
        // They begin nothing more since the stop began, and finish what they have begun.
        let mut leaving = std::pin::pin!(self.leave_carriers());
        let (mut has_left, mut was_mid_text) = (false, false);
        let is_idle = loop {
            tokio::select! {
                biased;
                () = self.idle() => break true,
                () = &mut leaving, if !has_left => has_left = true,
                () = &mut left => {
                    let is_late = self.parts().clock.now() >= whole_until;
                    // A part of a text is of no use to anybody: the rest of it may still go out, and be answered. And what is known
                    // may still be recorded.
                    let more = if is_late {
                        None
                    } else if self.is_mid_text() {
                        was_mid_text = true;
                        Some(MID_TEXT_LOOK)
                    } else if self.has_unrecorded() {
                        Some(MID_TEXT_LOOK)
                    } else {
                        std::mem::take(&mut was_mid_text).then(|| patience.max(LAST_ANSWERS))
                    };
                    let Some(more) = more else { break false };
                    left = self.parts().clock.sleep(more);
                }
            }
        };
        if !is_idle {
            tracing::warn!(in_flight = self.inner.tasks.len(), "shutdown with sends in flight; their outcome is unknown");
        }
        // What is left of the patience, and a moment in any case.
        let over = async {
            self.parts().clock.sleep(CLOSE_PATIENCE).await;
            if is_idle {
                left.await;
            }
        };
        tokio::select! {
            biased;
            () = leaving, if !has_left => {}
            () = async {}, if has_left => {}
            () = over => tracing::warn!("shutdown: not every provider was closed (unbind) in time"),
        }
        // Another process may hold the file. What is not written now, the next process recovers. Else it is brought into the one
        // file, and a slow disk has what is left of the patience for that.
        self.drop_unrecorded();
        let spent = self.parts().clock.now().as_millis().saturating_sub(began.as_millis());
        let unspent = patience.saturating_sub(Duration::from_millis(u64::try_from(spent).unwrap_or(0)));
        let closed = tokio::select! {
            closed = self.close_ledger() => closed,
            () = self.parts().clock.sleep(CLOSE_PATIENCE + unspent) => Err(Error::new(ErrorKind::LedgerUnavailable, "another process holds the ledger")),
        };
        if let Err(error) = closed {
            tracing::error!(%error, "the ledger did not close cleanly");
        }
    }

    /// Closes the ledger, with what carriers will tell again in it. Where that cannot be kept, this process does not leave in
    /// good order: whoever is told it then has to know that its first telling is unknown.
    async fn close_ledger(&self) -> Result<()> {
        for carrier in self.parts().carriers.all() {
            let texts = carrier.unacknowledged();
            if !texts.is_empty() {
                self.keep_told(carrier, texts).await?;
            }
        }
        self.parts().ledger.close().await
    }

    /// Whether a part of some text has left, and the rest of it has not.
    fn is_mid_text(&self) -> bool {
        self.parts().carriers.all().iter().any(Carrier::is_mid_text)
    }

    /// Runs `work` in a task of its own, so that it goes on when the caller goes away.
    async fn apart<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        if self.is_stopping() {
            return Err(Error::new(ErrorKind::ShuttingDown, "the server is stopping"));
        }
        let task = self.inner.tasks.spawn(work);
        task.await.unwrap_or_else(|error| {
            self.inner.unsettled.fetch_add(1, Ordering::Relaxed);
            Err(Error::new(ErrorKind::Internal, "the send ended without an outcome").because(error.to_string()))
        })
    }

    /// Sends one message, or quotes it.
    ///
    /// # Errors
    /// Every refusal of the guard, of the provider, and every lost answer; the kinds say which and what to do next.
    pub async fn send(&self, caller: Caller, args: SendArgs) -> Result<SendAnswer> {
        let engine = self.clone();
        self.apart(async move { engine.send_one(&caller, args).await }).await
    }

    async fn send_one(&self, caller: &Caller, args: SendArgs) -> Result<SendAnswer> {
        if args.dry_run {
            return self.quote(caller, &args).await;
        }
        let (prepared, way) = match self.prepare(&args) {
            Ok(prepared) => prepared,
            Err(refused) => return Err(self.unless_accepted(caller, args.idempotency_key.as_deref(), refused).await),
        };
        let key = args.idempotency_key.as_deref();
        self.may_begin(caller, key, &prepared, &way).await?;
        let id = prepared.draft.id.clone();
        let payer = self.payer(caller, args.session.clone(), prepared.realm)?;
        let intent = Intent {
            idempotency: prepare::key_of(&args, &prepared.to)?,
            drafts: vec![prepared.draft.clone()],
            all_or_none: true,
            ..self.intent(payer)
        };
        let (created, decide) = (intent.now, self.decide_one(&prepared, args.allow_duplicate));
        // Registered before the reservation, so that whoever finds the message finds something to wait for.
        let (outcome, _) = watch::channel(());
        locked(&self.inner.waiting).insert(id.clone(), outcome);
        let reservation = self.parts().ledger.reserve(intent, decide).await;
        crash_point("after-reserve");
        let answer = match reservation {
            Ok(Reservation::Taken { doubts, .. }) => self.attempt_one(caller, &prepared, way, created).await.map(|mut answer| {
                answer.warnings.extend(prepare::in_doubt(&doubts));
                answer
            }),
            Ok(Reservation::Refused { refused, .. }) => Err(prepare::first_refusal(refused)),
            Ok(Reservation::Conflict) => Err(prepare::conflict()),
            Ok(Reservation::Replay(Target::Message(first))) => self
                .replay(caller, &first)
                .await
                .map_err(|error| if error.kind().is_of_ledger() { prepare::accepted(error, first.as_str()) } else { error }),
            Ok(Reservation::Replay(Target::Batch(_))) => Err(prepare::conflict()),
            Err(error) => Err(self.unless_accepted_as_another(caller, (key, id.as_str()), error).await),
        };
        locked(&self.inner.waiting).remove(&id);
        answer
    }

    /// A refusal, unless an earlier call with this key was accepted (the operator changed the rules since): then
    /// "nothing was sent" would be wrong.
    async fn unless_accepted(&self, caller: &Caller, key: Option<&str>, refused: Error) -> Error {
        let Some(key) = key else { return refused };
        match self.parts().ledger.target_of(&caller.principal, self.parts().carriers.realm(), key).await {
            Ok(Some(target)) => prepare::accepted(refused, target.as_str()),
            Ok(None) | Err(_) => refused,
        }
    }

    /// The same of a reservation that failed: it may be written all the same, and under its own id nothing is begun.
    async fn unless_accepted_as_another(&self, caller: &Caller, (key, own): (Option<&str>, &str), error: Error) -> Error {
        let Some(key) = key else { return error };
        match self.parts().ledger.target_of(&caller.principal, self.parts().carriers.realm(), key).await {
            Ok(Some(target)) if target.as_str() != own => prepare::accepted(error, target.as_str()),
            Ok(_) | Err(_) => error,
        }
    }

    /// What every intent of this engine has in common.
    fn intent(&self, payer: Payer) -> Intent {
        let settings = self.guard().settings();
        Intent {
            payer,
            now: self.parts().clock.now(),
            idempotency: None,
            batch: None,
            is_campaign: false,
            forward: self.parts().forward.is_some(),
            drafts: Vec::new(),
            all_or_none: true,
            duplicate_window_ms: settings.duplicate_window.as_millis(),
            per_second: settings.sends_per_second,
            keep_texts: self.parts().keep_texts,
            preview: false,
        }
    }

    /// The budgets path of a caller on one side.
    fn payer(&self, caller: &Caller, handle: Option<SessionId>, realm: Realm) -> Result<Payer> {
        if handle.as_ref().is_some_and(|handle| handle.as_str().len() > 64) {
            return Err(Error::new(ErrorKind::SessionInvalid, "`session` is no handle: handles come from open_session"));
        }
        if handle.as_ref().is_some_and(|handle| absent::stands_for_nothing(handle.as_str())) {
            return Err(Error::new(ErrorKind::SessionInvalid, "`session` stands for nothing: leave it out, or give a handle of open_session"));
        }
        let guard = self.guard();
        let base = match &caller.base {
            Base::Named(name) => BaseSession::Named(name.clone()),
            Base::Open => BaseSession::Open { fresh: self.new_handle()?.as_str().replace(SessionId::PREFIX, "open-") },
        };
        Ok(Payer {
            principal: caller.principal.clone(),
            realm,
            base,
            handle,
            idle_ms: guard.settings().session_idle.as_millis(),
            currency: guard.settings().currency.to_string(),
            total: guard.limits(Scope::Total),
            day: guard.limits(Scope::Day),
            session: guard.limits(Scope::Session),
        })
    }

    fn new_handle(&self) -> Result<SessionId> {
        let mut random = [0; 20];
        self.parts().clock.fill_random(&mut random)?;
        Ok(SessionId::new(random))
    }

    fn random(&self) -> Result<u128> {
        let mut random = [0; 16];
        self.parts().clock.fill_random(&mut random)?;
        Ok(u128::from_be_bytes(random))
    }

    /// Whether the engine can send: it is not stopping, the ledger can be read, nobody doubts it, and it has room for what is known. That
    /// the operator has paused it is no fault of it.
    ///
    /// # Errors
    /// [`ErrorKind::ShuttingDown`], [`ErrorKind::LedgerInDoubt`], [`ErrorKind::LedgerUnavailable`] or [`ErrorKind::StorageFull`].
    pub async fn health(&self) -> Result<()> {
        if self.is_stopping() {
            return Err(Error::new(ErrorKind::ShuttingDown, "the server is stopping"));
        }
        self.trust().await?;
        self.parts().ledger.ping().await?;
        self.parts().halts.fault().map_or(Ok(()), |halt| Err(halt.error()))
    }

    /// Whether the real providers, where there are any, may send from this ledger: it is no older one and no other one than that
    /// which was sent from last.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerInDoubt`] or [`ErrorKind::LedgerUnavailable`].
    pub async fn trust(&self) -> Result<()> {
        if self.parts().carriers.realm() == Realm::Live { self.parts().ledger.trust().await } else { Ok(()) }
    }

    /// Things to know about messages on these sides; about whatever may be sent where there are none. That nothing left is
    /// said of what the sandbox carried, whoever carries now.
    fn warnings(&self, realms: impl IntoIterator<Item = Realm>) -> Vec<String> {
        let mut realms = realms.into_iter().peekable();
        let is_sandbox = match realms.peek() {
            Some(_) => realms.all(Realm::is_sandbox),
            None => self.parts().carriers.realm().is_sandbox(),
        };
        if is_sandbox { vec![SANDBOX.to_owned()] } else { Vec::new() }
    }
}
