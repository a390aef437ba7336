//! What all connections of an account share: the protocol, who waits, the pace, and what was counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::provider::line::session::Protocol;
use crate::provider::line::session::memory::Memory;
use crate::provider::line::session::orders::Orders;
use crate::provider::line::session::pace::Pace;
use crate::provider::line::session::refusals::Refusals;

/// What was done so far.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) requests: AtomicU64,
    pub(super) answers: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) throttled: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) pushes: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) writes: AtomicU64,
}

/// What connections know of their account.
pub(super) struct Core<P: Protocol> {
    pub(super) protocol: P,
    pub(super) orders: Orders,
    pub(super) pace: Pace,
    pub(super) refusals: Refusals,
    pub(super) counters: Counters,
    /// Requests that were ever asked for: their own order.
    pub(super) stamps: AtomicU64,
    /// Answers that said anything but "not now".
    pub(super) granted: AtomicU64,
    /// What people wrote.
    pub(super) memory: Arc<Memory>,
    /// Connections that ever began to carry anything.
    pub(super) links: AtomicU64,
    /// How long an answer takes as a rule, in microseconds; 0 before the first one.
    usual_us: AtomicU64,
}

impl<P: Protocol> Core<P> {
    pub(super) fn new(protocol: P, per_second: Option<u32>, memory: Arc<Memory>) -> Self {
        Self {
            protocol,
            orders: Orders::default(),
            pace: Pace::new(per_second),
            refusals: Refusals::default(),
            counters: Counters::default(),
            stamps: AtomicU64::new(0),
            granted: AtomicU64::new(0),
            memory,
            links: AtomicU64::new(0),
            usual_us: AtomicU64::new(0),
        }
    }

    /// An answer took so long.
    pub(super) fn answered_after(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let usual = self.usual_us.load(Ordering::Relaxed);
        // Two that come at the same time may lose one of them: it is a rule of thumb.
        let next = if usual == 0 { took } else { usual - usual / 8 + took / 8 };
        self.usual_us.store(next, Ordering::Relaxed);
    }

    /// How long an answer takes as a rule.
    pub(super) fn usual(&self) -> Duration {
        Duration::from_micros(self.usual_us.load(Ordering::Relaxed))
    }
}
