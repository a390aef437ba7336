//! An account, as its tasks and those who ask see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::provider::line::session::board::Board;
use crate::provider::line::session::core::Core;
use crate::provider::line::session::memory::Memory;
use crate::provider::line::session::stream::Door;
use crate::provider::line::session::told::Told;
use crate::provider::line::session::{Late, Lost, Metrics, Plan, Protocol};

/// For how long a limit lets requests wait for their turn before it is better to keep them elsewhere.
const AHEAD: Duration = Duration::from_secs(2);

/// An account. See the module's text.
pub(super) struct Shared<P: Protocol> {
    pub(super) core: Arc<Core<P>>,
    pub(super) plan: Plan<P::Bind>,
    pub(super) door: Door,
    pub(super) clock: SharedClock,
    pub(super) board: Board<P>,
    pub(super) told: Told<P>,
    /// Where the answers to requests go that were given up.
    pub(super) late: mpsc::Sender<Late<P>>,
    /// We want to go, and nothing is begun any more.
    pub(super) closing: CancellationToken,
    /// Texts that want to begin stand here.
    pub(super) line: Mutex<()>,
    /// Requests of texts that have not begun.
    waiting: AtomicU32,
    /// Texts that somebody asked for and that did not end.
    texts: AtomicU32,
    /// Those of them of which a part was written.
    parted: AtomicU32,
    /// One of these became less.
    fewer: Notify,
}

/// Counted for as long as this lives.
pub(super) struct Counted<'a> {
    count: &'a AtomicU32,
    by: u32,
    fewer: &'a Notify,
    /// Whether somebody wants to know each time that it becomes less, or only when it is none.
    is_each: bool,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let before = self.count.fetch_sub(self.by, Ordering::SeqCst);
        if self.is_each || before == self.by {
            self.fewer.notify_waiters();
        }
    }
}

impl<P: Protocol> Shared<P> {
    pub(super) fn new(
        protocol: P,
        plan: Plan<P::Bind>,
        door: Door,
        clock: SharedClock,
        memory: Arc<Memory>,
        told: Told<P>,
        late: mpsc::Sender<Late<P>>,
    ) -> Self {
        let core = Arc::new(Core::new(protocol, plan.settings.per_second, memory));
        let board = Board::new(plan.lines.iter().map(|line| line.submits), Arc::clone(&core));
        Self {
            core,
            plan,
            door,
            clock,
            board,
            told,
            late,
            closing: CancellationToken::new(),
            line: Mutex::default(),
            waiting: AtomicU32::new(0),
            texts: AtomicU32::new(0),
            parted: AtomicU32::new(0),
            fewer: Notify::new(),
        }
    }

    fn counted<'a>(&'a self, count: &'a AtomicU32, by: u32, is_each: bool) -> Counted<'a> {
        count.fetch_add(by, Ordering::SeqCst);
        Counted { count, by, fewer: &self.fewer, is_each }
    }

    /// A text of so many requests waits to begin.
    pub(super) fn waits(&self, requests: u32) -> Counted<'_> {
        self.counted(&self.waiting, requests, true)
    }

    /// A text is asked for.
    pub(super) fn asked(&self) -> Counted<'_> {
        self.counted(&self.texts, 1, false)
    }

    /// A part of a text was written, and the rest is to be.
    pub(super) fn begun(&self) -> Counted<'_> {
        self.counted(&self.parted, 1, false)
    }

    /// Whether that is so of any.
    pub(super) fn is_mid_text(&self) -> bool {
        self.parted.load(Ordering::SeqCst) > 0
    }

    /// Requests that may come to wait for their turn without waiting long: as many as the windows hold, or as
    /// the pace lets go soon.
    pub(super) fn room(&self) -> u32 {
        let submitting = self.plan.lines.iter().filter(|line| line.submits).count();
        let windows =
            u32::try_from(submitting).unwrap_or(u32::MAX).saturating_mul(self.plan.settings.window.into());
        // Whoever waits for `link_wait` goes back: half of it, for what the pace or others' texts take from
        // it meanwhile.
        let ahead = AHEAD.min(self.plan.settings.link_wait.duration() / 2);
        let soon = self.core.pace.within(ahead, Instant::now()).map_or(u32::MAX, |count| count.max(1));
        windows.min(soon).saturating_sub(self.waiting.load(Ordering::SeqCst))
    }

    /// Waits until there is room.
    pub(super) async fn roomy(&self) -> u32 {
        loop {
            let mut fewer = std::pin::pin!(self.fewer.notified());
            fewer.as_mut().enable();
            match self.room() {
                0 => {}
                room => return room,
            }
            // The pace grows by itself.
            let _ = tokio::time::timeout(AHEAD, fewer).await;
        }
    }

    pub(super) async fn ready(&self) -> Result<(), Lost> {
        let is_up = self.board.until(|board| match board.shut() {
            Some(lost) => Some(Err(lost)),
            None if board.is_any_way() => Some(Ok(())),
            // An account that only listens has no way for requests.
            None => (!self.plan.lines.iter().any(|line| line.submits) && board.is_any_up()).then_some(Ok(())),
        });
        match timeout_at(Instant::now() + self.plan.settings.link_wait.duration(), is_up).await {
            Ok(found) => found,
            Err(_) => Err(self.board.why_not()),
        }
    }

    pub(super) async fn missing(&self) -> Vec<String> {
        let all_tried = self.board.until(|board| board.is_all_tried().then_some(()));
        // Whatever is not known by then is told as it is.
        let _ = timeout_at(Instant::now() + self.plan.settings.link_wait.duration(), all_tried).await;
        self.board.missing()
    }

    /// Begins nothing new, and takes leave once what has begun has ended.
    pub(super) async fn close(&self) {
        self.board.close();
        loop {
            let mut fewer = std::pin::pin!(self.fewer.notified());
            fewer.as_mut().enable();
            if self.texts.load(Ordering::SeqCst) == 0 {
                break;
            }
            fewer.await;
        }
        self.closing.cancel();
        for link in self.board.links() {
            link.is_closing.store(true, Ordering::SeqCst);
            link.pump.wake();
        }
        self.board.all_finished().await;
    }

    pub(super) fn metrics(&self) -> Metrics {
        let links = self.board.links();
        let counters = &self.core.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Metrics {
            up: u32::try_from(links.len()).unwrap_or(u32::MAX),
            open: links.iter().map(|link| u32::try_from(link.open()).unwrap_or(u32::MAX)).sum(),
            requests: count(&counters.requests),
            answers: count(&counters.answers),
            late: count(&counters.late),
            throttled: count(&counters.throttled),
            lost: count(&counters.lost),
            pushes: count(&counters.pushes),
            connections: count(&self.board.connections),
            malformed: count(&counters.malformed),
            writes: count(&counters.writes),
            pace_per_second: self.core.pace.down_to(Instant::now()),
        }
    }

    /// Requests were written.
    pub(super) fn wrote(&self, requests: u64, now: Instant) {
        self.core.counters.requests.fetch_add(requests, Ordering::Relaxed);
        self.core.pace.wrote(requests, now);
    }

    /// A moment around this one, so that many do not come at the same time.
    pub(super) fn jittered(&self, wait: Duration) -> Duration {
        let mut random = [0; 4];
        // Without randomness there is no jitter, and no harm.
        if self.clock.fill_random(&mut random).is_err() {
            return wait;
        }
        wait.mul_f64(0.75 + f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX) / 2.0)
    }
}
