//! The life of an engine, which its rooms share: the clock, what runs in the background, and the stop that
//! ends it.
//!
//! A stop begins once. From then on nothing new is taken, waits end, and what is under way is waited for by
//! whoever stops.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_util::task::TaskTracker;

use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};

/// The life of an engine. See the module's text.
pub struct Life {
    clock: SharedClock,
    tasks: TaskTracker,
    is_stopping: AtomicBool,
    /// Whether this engine is a server's, which lets go what waits for its time.
    is_server: AtomicBool,
    stopping: Notify,
    /// Work that ended without an outcome, by a fault of ours.
    lost: AtomicU64,
}

impl Life {
    /// A life on this clock.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            tasks: TaskTracker::new(),
            is_stopping: AtomicBool::new(false),
            is_server: AtomicBool::new(false),
            stopping: Notify::new(),
            lost: AtomicU64::new(0),
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits, whether a stop begins or not.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep(duration)
    }

    /// Waits, but not beyond the beginning of a stop.
    pub async fn pause(&self, duration: Duration) {
        let stopping = self.stopping.notified();
        if !self.is_stopping() {
            tokio::select! {
                () = self.clock.sleep(duration) => {}
                () = stopping => {}
            }
        }
    }

    /// Waits for the beginning of a stop.
    pub async fn stopped(&self) {
        let stopping = self.stopping.notified();
        if !self.is_stopping() {
            stopping.await;
        }
    }

    /// The beginning of a stop, for who enables it before looking whether it has begun.
    pub fn stopping(&self) -> Notified<'_> {
        self.stopping.notified()
    }

    /// This engine is a server's.
    pub fn serve(&self) {
        self.is_server.store(true, Ordering::SeqCst);
    }

    /// Whether this engine is a server's, which lets go what waits for its time.
    pub fn is_server(&self) -> bool {
        self.is_server.load(Ordering::SeqCst)
    }

    /// Whether a stop has begun.
    pub fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    /// Begins a stop.
    pub fn begin_stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        self.stopping.notify_waiters();
        self.tasks.close();
    }

    /// The error of what comes after a stop began.
    ///
    /// # Errors
    /// [`ErrorKind::ShuttingDown`].
    pub fn goes_on(&self) -> Result<()> {
        if self.is_stopping() {
            Err(Error::new(ErrorKind::ShuttingDown, "the server is stopping"))
        } else {
            Ok(())
        }
    }

    /// Waits until nothing is under way any more, after [`Life::begin_stop`].
    pub async fn idle(&self) {
        self.tasks.wait().await;
    }

    /// How much is under way.
    pub fn under_way(&self) -> usize {
        self.tasks.len()
    }

    /// Runs something in the background. A stop waits for it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(work);
    }

    /// Runs `work` in a task of its own, so that it goes on when the caller goes away.
    ///
    /// # Errors
    /// [`ErrorKind::ShuttingDown`], [`ErrorKind::Internal`] where it ended without an outcome, or its own.
    pub async fn apart<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.goes_on()?;
        let task = self.tasks.spawn(work);
        task.await.unwrap_or_else(|error| {
            self.lost.fetch_add(1, Ordering::Relaxed);
            Err(Error::new(ErrorKind::Internal, "the send ended without an outcome")
                .because(error.to_string()))
        })
    }

    /// Whether any work ended without an outcome.
    pub fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed) > 0
    }

    /// Random bytes that nobody guesses.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] where the operating system gives none.
    pub fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut random = [0; N];
        self.clock.fill_random(&mut random)?;
        Ok(random)
    }
}

/// What a lock holds, whoever failed while holding it.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A named place where tests end the process, as a crash would. Nothing in a release build.
pub fn crash_point(name: &'static str) {
    let _ = name;
    fail::fail_point!(name, |_| -> () { std::process::abort() });
}
