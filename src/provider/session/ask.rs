//! The way of a request: wait for its turn, put it into a connection's stream, wait for the answer, and send it again
//! where that is certainly right: the carrier said "not now", or the connection ended before the first octet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::provider::session::board::{Board, SOON_MS, Way};
use crate::provider::session::hold::Holds;
use crate::provider::session::link::{Finish, NotNow, Stamp, Ticket};
use crate::provider::session::pace::Pace;
use crate::provider::session::stream::Door;
use crate::provider::session::told::{Memory, Told};
use crate::provider::session::{Late, Lost, Metrics, Plan, Protocol};

/// In so many lanes requests wait to go out. Those of one order share a lane, and go one by one; others share it by
/// chance, so there are enough lanes to make that rare.
const LANES: usize = 256;

/// What was done so far.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) answers: AtomicU64,
    pub(super) throttled: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) pushes: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) writes: AtomicU64,
}

/// What connections know of their account.
pub(super) struct Core<P: Protocol> {
    pub(super) protocol: P,
    pub(super) holds: Holds,
    pub(super) pace: Pace,
    pub(super) counters: Counters,
    /// Requests that were ever sent for the first time.
    pub(super) stamps: AtomicU64,
    /// What people wrote.
    pub(super) memory: Arc<Memory>,
    /// Connections that ever began to carry anything.
    pub(super) links: AtomicU64,
}

/// An account, as its tasks see it.
pub(super) struct Shared<P: Protocol> {
    pub(super) core: Arc<Core<P>>,
    pub(super) plan: Plan<P::Bind>,
    pub(super) door: Door,
    pub(super) clock: SharedClock,
    pub(super) board: Board<P>,
    pub(super) told: Told<P>,
    /// Where the answers to requests go that were given up.
    #[expect(dead_code, reason = "requests do not say yet what they are about")]
    pub(super) late: mpsc::Sender<Late<P>>,
    /// We want to go.
    pub(super) closing: CancellationToken,
    lanes: Vec<Mutex<()>>,
}

/// A request that is held to be sent again; it lets go when it is dropped.
struct Held<'a> {
    holds: &'a Holds,
    order: u64,
    stamp: u64,
    is_sent: bool,
}

impl Held<'_> {
    /// It was sent again, and let go of there. What is held since is held for another "not now".
    fn sent(mut self) {
        self.is_sent = true;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.is_sent {
            self.holds.remove(self.order, self.stamp);
        }
    }
}

fn not_sent(why: impl Into<String>, retry_after_ms: Option<u64>) -> Lost {
    Lost::NotSent { why: why.into(), is_unauthorized: false, retry_after_ms }
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
        let (pace, counters) = (Pace::new(plan.settings.per_second), Counters::default());
        let core = Core { protocol, holds: Holds::default(), pace, counters, stamps: AtomicU64::new(0), memory, links: AtomicU64::new(0) };
        let board = Board::new(plan.lines.iter().map(|line| line.submits));
        let lanes = (0..LANES).map(|_| Mutex::default()).collect();
        Self { core: Arc::new(core), plan, door, clock, board, told, late, closing: CancellationToken::new(), lanes }
    }

    pub(super) async fn ask(&self, order: u64, request: &P::Request) -> Result<P::Answer, Lost> {
        let settings = &self.plan.settings;
        let deadline = Instant::now() + settings.link_wait.duration();
        let mut ticket = {
            let _lane = self.lane(order, deadline).await?;
            self.send(request, Stamp { order, at: None }, deadline).await?
        };
        let (mut patience, mut resend_until) = (None, None);
        loop {
            let (finish, stamp) = ticket.await;
            // Held from before it ended until it is written again, or given up.
            let held = Held { holds: &self.core.holds, order, stamp, is_sent: false };
            let again = Stamp { order, at: Some(stamp) };
            ticket = match finish {
                Finish::Answered(answer) => return Ok(answer),
                Finish::Lost(why) => return Err(Lost::Unknown { why: why.to_string() }),
                Finish::Throttled(answer) => {
                    let until = *patience.get_or_insert_with(|| Instant::now() + settings.throttle_wait.duration());
                    match self.send(request, again, until).await {
                        Ok(next) => next,
                        Err(_) => return Ok(answer),
                    }
                }
                Finish::Unwritten => {
                    let until = *resend_until.get_or_insert_with(|| Instant::now() + settings.link_wait.duration());
                    self.send(request, again, until).await?
                }
            };
            held.sent();
        }
    }

    /// Waits behind earlier requests of the same order.
    async fn lane(&self, order: u64, deadline: Instant) -> Result<Option<MutexGuard<'_, ()>>, Lost> {
        let number = usize::try_from(order % LANES as u64).unwrap_or(0);
        let Some(lane) = self.lanes.get(number) else { return Ok(None) };
        if let Ok(guard) = lane.try_lock() {
            return Ok(Some(guard));
        }
        match timeout_at(deadline, lane.lock()).await {
            Ok(guard) => Ok(Some(guard)),
            Err(_) => Err(self.too_late()),
        }
    }

    /// Why a request could not go out in time.
    fn too_late(&self) -> Lost {
        if self.board.is_any_way() { not_sent("no place in the window in time", Some(SOON_MS)) } else { self.board.why_not() }
    }

    /// Puts a request into the stream of a connection, when it is its turn and there is a place.
    async fn send(&self, request: &P::Request, stamp: Stamp, deadline: Instant) -> Result<Ticket<P>, Lost> {
        if let Some(ticket) = self.send_at_once(request, stamp)? {
            return Ok(ticket);
        }
        match timeout_at(deadline, self.send_in_turn(request, stamp)).await {
            Ok(sent) => sent,
            Err(_) => Err(self.too_late()),
        }
    }

    /// The usual case: nothing is in the way, so nothing is waited for.
    fn send_at_once(&self, request: &P::Request, stamp: Stamp) -> Result<Option<Ticket<P>>, Lost> {
        if stamp.at.is_some() || self.core.pace.is_on() {
            return Ok(None);
        }
        let link = match self.board.way(stamp.order) {
            Way::Open(link) => link,
            Way::Shut(lost) => return Err(lost),
            Way::NotNow => return Ok(None),
        };
        let Ok(permit) = link.window.try_acquire() else { return Ok(None) };
        Ok(link.begin(permit, request, stamp).ok())
    }

    async fn send_in_turn(&self, request: &P::Request, stamp: Stamp) -> Result<Ticket<P>, Lost> {
        loop {
            match stamp.at {
                Some(at) => self.core.holds.first(stamp.order, at).await,
                None => self.core.holds.free(stamp.order).await,
            }
            let mut turn = self.core.pace.turn(stamp.at.is_some()).await;
            let way = self.board.until(|board| match board.way(stamp.order) {
                Way::Open(link) => Some(Ok(link)),
                Way::Shut(lost) => Some(Err(lost)),
                Way::NotNow => None,
            });
            let link = way.await?;
            // An error: the connection ended, so there may be another way.
            let Ok(permit) = link.window.acquire().await else { continue };
            if let Some(turn) = &mut turn {
                turn.wait().await;
            }
            match link.begin(permit, request, stamp) {
                Ok(ticket) => return Ok(ticket),
                Err(NotNow::Shut | NotNow::Held) => {}
            }
        }
    }

    pub(super) async fn ready(&self) -> Result<(), Lost> {
        let is_up = self.board.until(|board| match board.way(0) {
            Way::Open(_) => Some(Ok(())),
            Way::Shut(lost) => Some(Err(lost)),
            // An account that only listens has no way for requests.
            Way::NotNow => (!self.plan.lines.iter().any(|line| line.submits) && board.is_any_up()).then_some(Ok(())),
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

    pub(super) async fn close(&self) {
        self.board.close();
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
