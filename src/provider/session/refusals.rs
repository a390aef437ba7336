//! What a "not now" is about: the account, which is to be slower then, or one recipient.
//!
//! Carriers have one code for both, and the code for a full recipient is not used by all. So it is judged by what becomes of
//! the others. The account is slowed down when a quarter of what was written in the last second was refused, and not one request
//! alone: that one waits by itself before it is sent again. A request that is refused again while others were granted in between is
//! refused for its recipient, and so is what comes for it in the next minute; what it was blamed for is forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For how long a refusal counts.
const LATELY: Duration = Duration::from_secs(1);

/// Most refusals that are looked at together: more of them change nothing.
const MOST: usize = 1_024;

/// One of so many requests may be refused without slowing down the account.
const ONE_IN: u32 = 4;

/// For how long a recipient that took nothing is known.
const KNOWN: Duration = Duration::from_secs(60);

/// Most recipients that are known. One more pushes out another.
const MOST_KNOWN: usize = 4_096;

/// See the module's text.
#[derive(Default)]
pub(super) struct Refusals {
    is_any_known: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Orders that were refused lately.
    lately: VecDeque<(Instant, u64)>,
    /// Recipients that took nothing, and when they refused last.
    full: HashMap<u64, Instant>,
}

/// What a refusal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The account is too fast.
    Account,
    /// Its recipient takes nothing.
    Recipient {
        /// Nobody else is refused: the account never was too fast.
        is_alone: bool,
    },
    /// Nobody knows so far.
    Nobody,
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request of this order was refused. `is_proven`: it is known that its recipient is what takes nothing. `written`: requests of
    /// the last second.
    pub(super) fn refused(&self, order: u64, is_proven: bool, written: f64, now: Instant) -> Blame {
        let mut state = self.lock();
        while state.lately.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= LATELY) || state.lately.len() >= MOST {
            state.lately.pop_front();
        }
        let is_known = state.full.get(&order).is_some_and(|at| now.saturating_duration_since(*at) < KNOWN);
        if is_proven || is_known {
            state.lately.retain(|(_, other)| *other != order);
            if state.full.len() >= MOST_KNOWN && !state.full.contains_key(&order) {
                state.forget(now);
            }
            state.full.insert(order, now);
            self.is_any_known.store(true, Ordering::Relaxed);
            return Blame::Recipient { is_alone: state.lately.is_empty() };
        }
        state.lately.push_back((now, order));
        let refused = u32::try_from(state.lately.len()).unwrap_or(u32::MAX);
        if refused > 1 && f64::from(refused * ONE_IN) > written { Blame::Account } else { Blame::Nobody }
    }

    /// A request of this order was granted.
    pub(super) fn granted(&self, order: u64) {
        if self.is_any_known.load(Ordering::Relaxed) {
            let mut state = self.lock();
            state.full.remove(&order);
            self.is_any_known.store(!state.full.is_empty(), Ordering::Relaxed);
        }
    }
}

impl State {
    /// Makes room: for those that were known too long, else for any.
    fn forget(&mut self, now: Instant) {
        self.full.retain(|_, at| now.saturating_duration_since(*at) < KNOWN);
        if self.full.len() >= MOST_KNOWN
            && let Some(any) = self.full.keys().next().copied()
        {
            self.full.remove(&any);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_blamed_when_many_are_refused_and_not_for_one_recipient() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(refusals.refused(1, false, 1.0, at(0)), Blame::Nobody, "one alone waits by itself");
        assert_eq!(refusals.refused(2, false, 40.0, at(10)), Blame::Nobody, "two of forty");
        for order in 3..10 {
            refusals.refused(order, false, 40.0, at(20));
        }
        assert_eq!(refusals.refused(10, false, 39.0, at(30)), Blame::Account, "ten of thirty-nine");
        assert_eq!(refusals.refused(11, false, 5.0, at(2_000)), Blame::Nobody, "the others were long ago");
    }

    #[test]
    fn a_recipient_that_took_nothing_is_known_for_a_while_and_until_it_takes_something() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        refusals.refused(1, false, 4.0, at(0));
        assert_eq!(refusals.refused(2, false, 4.0, at(1)), Blame::Account);
        assert_eq!(refusals.refused(1, true, 4.0, at(2)), Blame::Recipient { is_alone: false });
        assert_eq!(refusals.refused(2, true, 4.0, at(3)), Blame::Recipient { is_alone: true });
        assert_eq!(refusals.refused(1, false, 1.0, at(30_000)), Blame::Recipient { is_alone: true }, "it is known");
        refusals.granted(1);
        assert_eq!(refusals.refused(1, false, 1.0, at(31_000)), Blame::Nobody);
        assert_eq!(refusals.refused(2, false, 1.0, at(70_000)), Blame::Nobody, "too long ago");
        for order in 0..10_000 {
            refusals.refused(order, true, 1.0, at(80_000));
        }
        assert_eq!(refusals.lock().full.len(), MOST_KNOWN);
    }
}
