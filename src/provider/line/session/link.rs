//! One connection, as those see it who ask: its open requests, and the octets that wait to be written.
//!
//! Whoever asks writes the request's octets here under one lock, and waits in a slot of a slab; the task that
//! drives the connection ([`super::pump`]) takes all octets that there are at once, and settles all answers
//! of one read at once. Slots, buffers and the map of sequence numbers are used again, so a request costs no
//! memory of its own. Every octet has a place in the stream, counted from the connection's beginning: that is
//! how it is known what left.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use futures::task::AtomicWaker;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::provider::line::session::core::Core;
use crate::provider::line::session::late::Late;
use crate::provider::line::session::refusals::{Blame, Why};
use crate::provider::line::session::slots::{Finish, Open, Slot, State, Wakers};
use crate::provider::line::session::{NotNow, Protocol, Verdict};

/// Orders are counted in so many parts, so that it is mostly known without a look at each whether something
/// of one is under way.
const PARTS: usize = 512;

/// Requests on one bind of several before its first answer: one that never answers takes no more than these.
const CAUTIOUS: usize = 2;

/// After so many requests in a row without an answer a bind is mute, or after a whole window of them.
const MANY_EXPIRED: u32 = 3;

/// What a request is among others of its account.
#[derive(Clone, Copy)]
pub(super) struct Stamp {
    pub(super) order: u64,
    /// The number of its text, in the account's own count.
    pub(super) text: u64,
    /// Its own, behind that of its text.
    pub(super) at: u64,
    /// Whether it waits to be sent again, and not for the first time.
    pub(super) is_again: bool,
    /// Whether its text has begun, and this goes on with it: then nobody's order is waited for.
    pub(super) goes_on: bool,
    /// Whether its text has more than this one.
    pub(super) is_part: bool,
    /// What had been granted when it was answered with "not now" last.
    pub(super) refused: Option<u64>,
}

/// How well a connection answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Health {
    /// Places in its window.
    pub(super) free: usize,
    /// For how long requests have been open and none was answered.
    pub(super) silent: Duration,
    /// Requests whose time was up since the last answer.
    pub(super) expired: u32,
    /// So many of them that nothing new goes there.
    pub(super) is_mute: bool,
}

/// One connection. See the module's text.
pub(super) struct Link<P: Protocol> {
    pub(super) core: Arc<Core<P>>,
    /// Its number within the account, from 1.
    pub(super) number: u64,
    /// When the carrier was heard last on it, in milliseconds since 1970.
    heard_ms: AtomicI64,
    dialect: P::Dialect,
    /// The places for open requests.
    pub(super) window: Semaphore,
    /// One text at a time begins here, so that its segments go out in a row.
    pub(super) turn: Semaphore,
    /// Open requests by the part of their order.
    busy: Box<[AtomicU32]>,
    /// So many requests in a row without an answer make it mute.
    many_expired: u32,
    /// Whether it is: nothing new goes there.
    pub(super) is_mute: AtomicBool,
    /// Places that its window gets yet, one with each answer.
    to_grow: AtomicUsize,
    state: Mutex<State<P::Answer>>,
    /// The task that drives the connection.
    pub(super) pump: AtomicWaker,
    /// Octets that the connection has taken. Greetings are not counted, here and in `queued`.
    pub(super) written: AtomicU64,
    /// Whether we want to go.
    pub(super) is_closing: AtomicBool,
}

/// Why a request could not be put into the stream.
pub(super) enum NotBegun {
    /// The connection takes nothing new.
    Shut,
    /// An earlier request of the same order is to be sent again first.
    Held,
    /// Another text has the turn.
    Turn,
}

/// What a read of answers came to.
#[derive(Clone, Copy, Default)]
pub(super) struct Settled {
    /// Answers of an open request.
    pub(super) answers: u64,
    /// Those of them that said "not now".
    pub(super) throttled: u64,
    /// Those of them that said so of the account.
    pub(super) slow_down: u64,
    /// Answers of requests whose time had been up.
    pub(super) late: u64,
    /// Places in the window that are free by that: see [`Link::free`].
    pub(super) places: usize,
}

/// What an end of a connection did.
#[derive(Clone, Copy, Default)]
pub(super) struct Ended {
    pub(super) lost: u64,
    pub(super) unwritten: u64,
}

/// What is open on a connection.
#[derive(Clone, Copy, Default)]
pub(super) struct Swept {
    /// Requests without an answer.
    pub(super) open: usize,
    /// Some request's time was up, and it was written.
    pub(super) has_expired: bool,
    /// Some request's time was up, and the connection had not even taken its first octet.
    pub(super) is_stuck: bool,
    /// Requests were not answered, and none was since.
    pub(super) has_lost: bool,
    /// So many in a row that nothing new goes there.
    pub(super) is_mute: bool,
    /// For so long that it is to be made anew.
    pub(super) is_lost: bool,
}

impl<P: Protocol> Link<P> {
    /// A connection whose greeting had this sequence number. `is_one_of_several`: requests have another way,
    /// so that its window is [`CAUTIOUS`] at first and grows with its answers.
    pub(super) fn new(
        core: Arc<Core<P>>,
        dialect: P::Dialect,
        window: u16,
        sequence: u32,
        is_one_of_several: bool,
    ) -> Self {
        let window = usize::from(window);
        let at_first = if is_one_of_several { window.min(CAUTIOUS) } else { window };
        // All that it takes without having answered anything is enough to know.
        let many_expired = MANY_EXPIRED.min(u32::try_from(at_first).unwrap_or(MANY_EXPIRED));
        let state = State {
            out: BytesMut::new(),
            queued: 0,
            requests: 0,
            sequence,
            slots: Vec::with_capacity(window),
            free: Vec::with_capacity(window),
            by_sequence: HashMap::with_capacity(window),
            is_shut: false,
            is_over: false,
            late: Late::default(),
            silent_since: Instant::now(),
            answered: None,
            expired: 0,
        };
        Self {
            number: core.links.fetch_add(1, Ordering::Relaxed) + 1,
            heard_ms: AtomicI64::new(core.memory.now().as_millis()),
            core,
            dialect,
            window: Semaphore::new(at_first),
            to_grow: AtomicUsize::new(window - at_first),
            turn: Semaphore::new(1),
            busy: (0..PARTS).map(|_| AtomicU32::new(0)).collect(),
            many_expired,
            is_mute: AtomicBool::new(false),
            state: Mutex::new(state),
            pump: AtomicWaker::new(),
            written: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<P::Answer>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn dialect(&self) -> &P::Dialect {
        &self.dialect
    }

    /// Puts a request into the stream, for which a place was taken out of the window. It is free again when
    /// the answer is there, or its time is up. `is_between`: it has no turn, for it is all of its text, and
    /// goes where no other text has begun.
    pub(super) fn begin(
        self: &Arc<Self>,
        request: &P::Request,
        stamp: Stamp,
        is_between: bool,
    ) -> Result<Ticket<P>, NotBegun> {
        let since = Instant::now();
        let mut state = self.lock();
        if state.is_shut {
            return Err(NotBegun::Shut);
        }
        // Under the lock: whoever takes the turn from here on writes behind this.
        if is_between && self.turn.available_permits() == 0 {
            return Err(NotBegun::Turn);
        }
        if !stamp.goes_on && !self.core.orders.is_first(stamp.order, stamp.text) {
            return Err(NotBegun::Held);
        }
        if state.by_sequence.is_empty() && state.expired == 0 {
            state.silent_since = since;
        }
        let sequence = state.next_sequence();
        let first = state.queued;
        let was_empty = state.put(|out| self.core.protocol.encode(&self.dialect, request, sequence, out));
        let end = state.queued;
        let Stamp { order, at, is_part, refused, .. } = stamp;
        let open = Open {
            sequence,
            first,
            end,
            since,
            order,
            stamp: at,
            refused,
            is_part,
            waker: None,
            is_abandoned: false,
        };
        let slot = state.take_slot(Slot::Open(open));
        state.by_sequence.insert(sequence, slot);
        state.requests += 1;
        self.part(order).map(|part| part.fetch_add(1, Ordering::SeqCst));
        if stamp.is_again {
            // Under the lock, so that an answer which says "not now" again makes it wait after this, and not
            // before.
            self.core.orders.remove(order, at);
        }
        drop(state);
        if was_empty {
            self.pump.wake();
        }
        Ok(Ticket { link: Arc::clone(self), slot, is_done: false })
    }

    fn part(&self, order: u64) -> Option<&AtomicU32> {
        self.busy.get(usize::try_from(order % PARTS as u64).unwrap_or(0))
    }

    /// A request of this order is open no longer.
    fn is_through(&self, order: u64) {
        self.part(order).map(|part| part.fetch_sub(1, Ordering::SeqCst));
    }

    /// Whether something of this order is under way here.
    pub(super) fn is_busy(&self, order: u64) -> bool {
        // Others may share its part.
        self.part(order).is_some_and(|part| part.load(Ordering::SeqCst) > 0)
            && self.lock().slots.iter().any(|slot| matches!(slot, Slot::Open(open) if open.order == order))
    }

    /// Whether a request was answered in this time, and none is overdue.
    pub(super) fn is_answering(&self, within: Duration, now: Instant) -> bool {
        let state = self.lock();
        state.expired == 0 && state.answered.is_some_and(|at| now.saturating_duration_since(at) <= within)
    }

    /// How well it answers.
    pub(super) fn health(&self, now: Instant) -> Health {
        let state = self.lock();
        let is_waiting = !state.by_sequence.is_empty();
        let silent =
            if is_waiting { now.saturating_duration_since(state.silent_since) } else { Duration::ZERO };
        Health {
            free: self.window.available_permits(),
            silent,
            expired: state.expired,
            is_mute: state.expired >= self.many_expired,
        }
    }

    /// Puts a request of the session's own into the stream: a ping, or a goodbye.
    pub(super) fn put(&self, write: impl FnOnce(&P, u32, &mut BytesMut)) {
        let mut state = self.lock();
        if !state.is_over {
            let sequence = state.next_sequence();
            // The pump itself is at work here, and needs no waking.
            state.put(|out| write(&self.core.protocol, sequence, out));
        }
    }

    /// Answers what the carrier told. The place behind that in the stream; nothing where the connection has
    /// ended.
    pub(super) fn answer_push(&self, push: &P::Push, sequence: u32, is_taken: bool) -> Option<u64> {
        let mut state = self.lock();
        if state.is_over {
            return None;
        }
        let was_empty =
            state.put(|out| self.core.protocol.push_answer(&self.dialect, push, sequence, is_taken, out));
        let end = state.queued;
        drop(state);
        if was_empty {
            self.pump.wake();
        }
        Some(end)
    }

    /// The carrier says something.
    pub(super) fn hears(&self) {
        self.heard_ms.store(self.core.memory.now().as_millis(), Ordering::Relaxed);
    }

    /// Takes all octets that wait, in exchange for an empty buffer, and says how many requests they are.
    pub(super) fn take(&self, empty: &mut BytesMut) -> u64 {
        let mut state = self.lock();
        std::mem::swap(&mut state.out, empty);
        std::mem::take(&mut state.requests)
    }

    /// Whether octets wait.
    pub(super) fn has_octets(&self) -> bool {
        !self.lock().out.is_empty()
    }

    /// How many octets the connection has not taken yet.
    pub(super) fn backlog(&self) -> u64 {
        self.lock().queued.saturating_sub(self.written.load(Ordering::Relaxed))
    }

    /// Settles answers, and queues our own.
    pub(super) fn settle(
        &self,
        answers: &mut Vec<(u32, P::Answer)>,
        replies: &mut BytesMut,
        wakers: &mut Wakers,
        now: Instant,
    ) -> Settled {
        let written = self.written.load(Ordering::Relaxed);
        let mut state = self.lock();
        let mut settled = Settled::default();
        for (sequence, answer) in answers.drain(..) {
            // An answer that comes twice, or to nothing of ours; or to what the carrier cannot have seen: if
            // such a "not now" counted, the request would go out again beside the one that is still to be
            // written.
            let Some(open) = state.by_sequence.get(&sequence).and_then(|slot| state.is_out(*slot, written))
            else {
                settled.late += u64::from(state.late.came(sequence, answer));
                continue;
            };
            let Some(slot) = state.by_sequence.remove(&sequence) else { continue };
            if settled.answers == 0 {
                self.core.answered_after(now.saturating_duration_since(open.since));
            }
            settled.answers += 1;
            let finish = match self.core.protocol.verdict(&answer) {
                Verdict::Taken | Verdict::Refused => {
                    self.core.granted.fetch_add(1, Ordering::Relaxed);
                    self.core.refusals.granted(open.order);
                    Finish::Answered(answer)
                }
                Verdict::NotNow(about) => {
                    let granted = self.core.granted.load(Ordering::Relaxed);
                    let why = match about {
                        NotNow::Recipient => Why::Code,
                        NotNow::Account if open.refused.is_some_and(|then| then < granted) => {
                            Why::OthersWereGranted
                        }
                        NotNow::Account => Why::Unknown,
                    };
                    let blame = self.core.refusals.refused(open.order, why, self.core.pace.lately(now), now);
                    settled.throttled += 1;
                    settled.slow_down += u64::from(blame == Blame::Account);
                    if blame == (Blame::Recipient { is_last: true }) {
                        self.core.pace.was_recipients();
                    }
                    let of_recipient = matches!(blame, Blame::Recipient { .. });
                    Finish::Throttled { answer, of_recipient, granted }
                }
            };
            self.is_through(open.order);
            state.finish(slot, finish, &self.core, wakers);
        }
        if settled.answers + settled.late > 0 {
            (state.silent_since, state.answered) = (now, Some(now));
            state.expired = 0;
            self.is_mute.store(false, Ordering::Relaxed);
        }
        if !replies.is_empty() {
            state.put(|out| out.extend_from_slice(replies));
            replies.clear();
        }
        drop(state);
        let answers = usize::try_from(settled.answers).unwrap_or(0);
        settled.places = answers + self.grow(answers);
        settled
    }

    /// So many places in the window are free again.
    pub(super) fn free(&self, places: usize) {
        self.window.add_permits(places);
    }

    /// How many places more the window gets for so many answers.
    fn grow(&self, answers: usize) -> usize {
        let left = self.to_grow.load(Ordering::Relaxed);
        let more = left.min(answers);
        // Only the task that drives the connection comes here.
        self.to_grow.store(left - more, Ordering::Relaxed);
        more
    }

    /// Ends requests whose time is up. Those that the connection has not taken stay: see [`Swept::is_stuck`].
    pub(super) fn sweep(
        &self,
        timeout: Duration,
        now: Instant,
        why: &Arc<str>,
        wakers: &mut Wakers,
    ) -> Swept {
        let written = self.written.load(Ordering::Relaxed);
        let mut swept = Swept::default();
        let mut expired = 0;
        let mut state = self.lock();
        for slot in 0..state.slots.len() {
            let Some(Slot::Open(open)) = state.slots.get(slot) else { continue };
            if now.saturating_duration_since(open.since) < timeout {
                continue;
            }
            if open.first >= written {
                swept.is_stuck = true;
                continue;
            }
            let (sequence, order, is_awaited) = (open.sequence, open.order, !open.is_abandoned);
            state.by_sequence.remove(&sequence);
            self.is_through(order);
            let late = is_awaited.then(|| state.late.expect(sequence));
            state.finish(slot, Finish::Lost(Arc::clone(why), late), &self.core, wakers);
            expired += 1;
        }
        state.expired = state.expired.saturating_add(u32::try_from(expired).unwrap_or(u32::MAX));
        swept.open = state.by_sequence.len();
        swept.has_expired = expired > 0;
        // A moment more than the time of an answer: what is merely slow may still settle what is unknown by
        // then.
        swept.is_mute = state.expired >= self.many_expired;
        self.is_mute.store(swept.is_mute, Ordering::Relaxed);
        let silent = now.saturating_duration_since(state.silent_since);
        if state.expired > 0 && !swept.is_mute && state.by_sequence.is_empty() && silent >= timeout * 2 {
            // A single one was lost, long ago, and nothing was asked since: it may be asked again.
            state.expired = 0;
        }
        swept.has_lost = state.expired > 0;
        swept.is_lost = swept.is_mute && silent >= timeout.mul_f64(1.5);
        drop(state);
        self.window.add_permits(expired);
        self.core.counters.lost.fetch_add(u64::try_from(expired).unwrap_or(0), Ordering::Relaxed);
        swept
    }

    /// Takes no new requests.
    pub(super) fn shut(&self) {
        self.lock().is_shut = true;
        self.window.close();
        self.turn.close();
    }

    /// The connection has ended: so have all requests on it.
    pub(super) fn end(&self, why: &Arc<str>) -> Ended {
        let written = self.written.load(Ordering::Relaxed);
        let mut ended = Ended::default();
        let mut wakers = Wakers::default();
        let mut state = self.lock();
        state.is_shut = true;
        state.by_sequence.clear();
        for slot in 0..state.slots.len() {
            let Some(Slot::Open(open)) = state.slots.get(slot) else { continue };
            let is_unwritten = open.first >= written;
            self.is_through(open.order);
            if is_unwritten {
                ended.unwritten += 1;
            } else {
                ended.lost += 1;
            }
            let finish = if is_unwritten { Finish::Unwritten } else { Finish::Lost(Arc::clone(why), None) };
            state.finish(slot, finish, &self.core, &mut wakers);
        }
        let was_over = std::mem::replace(&mut state.is_over, true);
        state.out = BytesMut::new();
        state.late = Late::default();
        drop(state);
        if !was_over {
            self.core.memory.ended(self.number, Timestamp(self.heard_ms.load(Ordering::Relaxed)), written);
        }
        self.window.close();
        self.turn.close();
        self.core.counters.lost.fetch_add(ended.lost, Ordering::Relaxed);
        wakers.wake(|| {});
        ended
    }

    /// Requests without an answer now.
    pub(super) fn open(&self) -> usize {
        self.lock().by_sequence.len()
    }

    /// Slots that were ever needed at a time.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.lock().slots.len()
    }
}

/// A request that was put into the stream. Awaiting it yields how it ended, and its stamp.
pub(super) struct Ticket<P: Protocol> {
    link: Arc<Link<P>>,
    slot: usize,
    is_done: bool,
}

impl<P: Protocol> Future for Ticket<P> {
    type Output = (Finish<P::Answer>, u64);

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = self.slot;
        let mut state = self.link.lock();
        let Some(place) = state.slots.get_mut(slot) else { return Poll::Pending };
        match place {
            Slot::Open(open) => {
                match &mut open.waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
            // After it was ready: whoever polls again waits for ever, as the contract of futures allows.
            Slot::Free => Poll::Pending,
            done @ Slot::Done { .. } => {
                let Slot::Done { finish, stamp, .. } = std::mem::replace(done, Slot::Free) else {
                    return Poll::Pending;
                };
                state.free.push(slot);
                drop(state);
                self.is_done = true;
                Poll::Ready((finish, stamp))
            }
        }
    }
}

impl<P: Protocol> Drop for Ticket<P> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut state = self.link.lock();
        let Some(place) = state.slots.get_mut(self.slot) else { return };
        match place {
            // The answer is waited for all the same: its place in the window is taken until then.
            Slot::Open(open) => {
                open.is_abandoned = true;
                open.waker = None;
            }
            Slot::Free => {}
            done @ Slot::Done { .. } => {
                if let Slot::Done { finish: Finish::Throttled { .. } | Finish::Unwritten, order, stamp } =
                    std::mem::replace(done, Slot::Free)
                {
                    self.link.core.orders.remove(order, stamp);
                }
                state.free.push(self.slot);
            }
        }
    }
}
