//! The slots of a connection: its open requests, and the octets that wait to be written. All of it stands
//! behind one lock, which [`super::link`] holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use bytes::BytesMut;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::provider::line::session::Protocol;
use crate::provider::line::session::core::Core;
use crate::provider::line::session::late::Late;

/// The last sequence number of SMPP (v3.4, section 5.1.4); CMPP has more, and does not miss them.
pub(super) const LAST_SEQUENCE: u32 = 0x7FFF_FFFF;

/// The first sequence number that there is.
const FIRST_SEQUENCE: u32 = 1;

/// How a request ended.
pub(super) enum Finish<A> {
    /// The answer.
    Answered(A),
    /// The answer, which says "not now". Its order waits for it.
    Throttled {
        /// The answer.
        answer: A,
        /// Whether that is about its recipient alone.
        of_recipient: bool,
        /// What had been granted by then ([`Core::granted`]).
        granted: u64,
    },
    /// The connection ended before the first octet was written. Its order waits for it.
    Unwritten,
    /// There was no answer, and some of it was written. Where the connection is still there, so is the way
    /// for an answer that comes late.
    Lost(Arc<str>, Option<oneshot::Receiver<A>>),
}

/// Who is to be woken, since something of theirs has ended.
#[derive(Default)]
pub(super) struct Wakers {
    /// Those who may go on with a text: they know what became of its earlier segments before there is a place
    /// for the next.
    parts: Vec<Waker>,
    /// Those whose text was one request. They may ask the next one at once, so there is a place for it when
    /// they are woken.
    alone: Vec<Waker>,
}

impl Wakers {
    /// Wakes all of them; `free` gives their places back in between.
    pub(super) fn wake(&mut self, free: impl FnOnce()) {
        self.parts.drain(..).for_each(Waker::wake);
        free();
        self.alone.drain(..).for_each(Waker::wake);
    }
}

/// A request without an answer so far.
pub(super) struct Open {
    pub(super) sequence: u32,
    /// The place of its first octet in the stream.
    pub(super) first: u64,
    /// The place behind its last octet.
    pub(super) end: u64,
    pub(super) since: Instant,
    pub(super) order: u64,
    pub(super) stamp: u64,
    /// What had been granted when it was answered with "not now" last.
    pub(super) refused: Option<u64>,
    /// Whether its text has more than this one.
    pub(super) is_part: bool,
    pub(super) waker: Option<Waker>,
    /// Nobody waits for the answer any more.
    pub(super) is_abandoned: bool,
}

/// What counts of a request when its answer is there.
pub(super) struct Answered {
    pub(super) order: u64,
    pub(super) since: Instant,
    pub(super) refused: Option<u64>,
}

/// A place for a request.
pub(super) enum Slot<A> {
    Free,
    Open(Open),
    Done { finish: Finish<A>, order: u64, stamp: u64 },
}

/// What is open on a connection, and what waits to be written.
pub(super) struct State<A> {
    pub(super) out: BytesMut,
    /// Octets that were ever put into `out`.
    pub(super) queued: u64,
    /// Requests in `out`.
    pub(super) requests: u64,
    pub(super) sequence: u32,
    pub(super) slots: Vec<Slot<A>>,
    pub(super) free: Vec<usize>,
    pub(super) by_sequence: HashMap<u32, usize>,
    /// No new request is taken.
    pub(super) is_shut: bool,
    /// Nothing is written any more.
    pub(super) is_over: bool,
    /// Requests whose time was up.
    pub(super) late: Late<A>,
    /// Since when requests are open and none was answered.
    pub(super) silent_since: Instant,
    /// When a request was answered last.
    pub(super) answered: Option<Instant>,
    /// Requests whose time was up since the last answer.
    pub(super) expired: u32,
}

impl<A> State<A> {
    pub(super) fn next_sequence(&mut self) -> u32 {
        loop {
            self.sequence = if self.sequence >= LAST_SEQUENCE { FIRST_SEQUENCE } else { self.sequence + 1 };
            if !self.by_sequence.contains_key(&self.sequence) && !self.late.is_expected(self.sequence) {
                return self.sequence;
            }
        }
    }

    /// Writes into the stream; whether it was empty.
    pub(super) fn put(&mut self, write: impl FnOnce(&mut BytesMut)) -> bool {
        let before = self.out.len();
        write(&mut self.out);
        let more = self.out.len().saturating_sub(before);
        self.queued += u64::try_from(more).unwrap_or(0);
        before == 0
    }

    pub(super) fn take_slot(&mut self, content: Slot<A>) -> usize {
        match self.free.pop() {
            Some(slot) => {
                if let Some(place) = self.slots.get_mut(slot) {
                    *place = content;
                }
                slot
            }
            None => {
                self.slots.push(content);
                self.slots.len() - 1
            }
        }
    }

    /// An open request, if all of its octets were written.
    pub(super) fn is_out(&self, slot: usize, written: u64) -> Option<Answered> {
        match self.slots.get(slot) {
            Some(Slot::Open(open)) if open.end <= written => {
                Some(Answered { order: open.order, since: open.since, refused: open.refused })
            }
            _ => None,
        }
    }

    /// Ends a request that is open. Its number has to be out of the map.
    pub(super) fn finish<P: Protocol<Answer = A>>(
        &mut self,
        slot: usize,
        finish: Finish<A>,
        core: &Core<P>,
        wakers: &mut Wakers,
    ) {
        let Some(place) = self.slots.get_mut(slot) else { return };
        let Slot::Open(open) = place else { return };
        if open.is_abandoned {
            *place = Slot::Free;
            self.free.push(slot);
            return;
        }
        let (order, stamp) = (open.order, open.stamp);
        let woken = if open.is_part { &mut wakers.parts } else { &mut wakers.alone };
        woken.extend(open.waker.take());
        if matches!(finish, Finish::Throttled { .. } | Finish::Unwritten) {
            // Under the lock, so that no later request of this order comes in between.
            core.orders.add(order, stamp);
        }
        *place = Slot::Done { finish, order, stamp };
    }
}
