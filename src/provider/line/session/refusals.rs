//! What a "not now" is about: the account, which is to be slower then, or one recipient.
//!
//! Carriers have one code for both, and the code for a full recipient is not used by all. So it is judged by
//! what becomes of the others. The account is slowed down when a quarter of what was written in the last
//! second was refused, and not one request alone: that one waits by itself before it is sent again. A request
//! that is refused again, while others were granted in between and most are, is refused for its recipient,
//! and so is what comes for it in the next minute. Where every recipient that the account was slowed down for
//! turns out to be such a one, the account is not slowed down any more.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// For how long a refusal counts.
const LATELY: Duration = Duration::from_secs(1);

/// Most refusals that are looked at together: more of them change nothing.
const MOST: usize = 1_024;

/// One of so many requests may be refused without slowing down the account.
const ONE_IN: f64 = 4.0;

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
    /// Orders that the account was slowed down for, of which nothing was granted since.
    blamed: HashSet<u64>,
}

/// What is known of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its code says that it is about the recipient.
    Code,
    /// The request was refused before, and others were granted since.
    OthersWereGranted,
    /// Nothing.
    Unknown,
}

/// What a refusal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The account is too fast.
    Account,
    /// Its recipient takes nothing.
    Recipient {
        /// It was the last of those that the account was slowed down for: all of them are such recipients.
        is_last: bool,
    },
    /// Nobody knows so far.
    Nobody,
}

impl Refusals {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request of this order was refused. `written`: requests of the last second.
    pub(super) fn refused(&self, order: u64, why: Why, written: f64, now: Instant) -> Blame {
        let mut state = self.lock();
        while state.lately.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) >= LATELY)
            || state.lately.len() >= MOST
        {
            state.lately.pop_front();
        }
        let others = state.lately.iter().filter(|(_, other)| *other != order).count();
        let are_many =
            |refused: usize| f64::from(u32::try_from(refused).unwrap_or(u32::MAX)) * ONE_IN > written;
        let is_known = state.full.get(&order).is_some_and(|at| now.saturating_duration_since(*at) < KNOWN);
        let is_recipients = match why {
            Why::Code => true,
            // At a gateway that is too slow for all, some are granted too.
            Why::OthersWereGranted => is_known || others == 0 || !are_many(others + 1),
            Why::Unknown => is_known,
        };
        if is_recipients {
            state.lately.retain(|(_, other)| *other != order);
            if state.full.len() >= MOST_KNOWN && !state.full.contains_key(&order) {
                state.forget(now);
            }
            state.full.insert(order, now);
            self.is_any_known.store(true, Ordering::Relaxed);
            return Blame::Recipient { is_last: state.blamed.remove(&order) && state.blamed.is_empty() };
        }
        state.lately.push_back((now, order));
        if state.lately.len() < 2 || !are_many(state.lately.len()) {
            return Blame::Nobody;
        }
        let State { lately, blamed, .. } = &mut *state;
        blamed.extend(lately.iter().map(|(_, order)| *order));
        self.is_any_known.store(true, Ordering::Relaxed);
        Blame::Account
    }

    /// A request of this order was granted.
    pub(super) fn granted(&self, order: u64) {
        if self.is_any_known.load(Ordering::Relaxed) {
            let mut state = self.lock();
            state.full.remove(&order);
            if state.blamed.contains(&order) {
                // It takes texts: the account was what was too fast.
                state.blamed.clear();
            }
            self.is_any_known.store(!state.full.is_empty() || !state.blamed.is_empty(), Ordering::Relaxed);
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
        assert_eq!(refusals.refused(1, Why::Unknown, 1.0, at(0)), Blame::Nobody, "one alone waits by itself");
        assert_eq!(refusals.refused(2, Why::Unknown, 40.0, at(10)), Blame::Nobody, "two of forty");
        for order in 3..10 {
            refusals.refused(order, Why::Unknown, 40.0, at(20));
        }
        assert_eq!(refusals.refused(10, Why::Unknown, 39.0, at(30)), Blame::Account, "ten of thirty-nine");
        assert_eq!(
            refusals.refused(11, Why::Unknown, 5.0, at(2_000)),
            Blame::Nobody,
            "the others were long ago"
        );
    }

    #[test]
    fn a_recipient_that_took_nothing_is_known_for_a_while_and_until_it_takes_something() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(refusals.refused(1, Why::Code, 4.0, at(2)), Blame::Recipient { is_last: false });
        assert_eq!(
            refusals.refused(1, Why::Unknown, 1.0, at(30_000)),
            Blame::Recipient { is_last: false },
            "it is known"
        );
        refusals.granted(1);
        assert_eq!(refusals.refused(1, Why::Unknown, 1.0, at(31_000)), Blame::Nobody);
        assert_eq!(refusals.refused(2, Why::Unknown, 1.0, at(95_000)), Blame::Nobody, "too long ago");
        for order in 0..10_000 {
            refusals.refused(order, Why::Code, 1.0, at(100_000));
        }
        assert_eq!(refusals.lock().full.len(), MOST_KNOWN);
    }

    #[test]
    fn the_account_is_cleared_by_all_whom_it_was_slowed_down_for_and_by_nobody_else() {
        let refusals = Refusals::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        refusals.refused(1, Why::Unknown, 4.0, at(0));
        assert_eq!(refusals.refused(2, Why::Unknown, 4.0, at(1)), Blame::Account);
        assert_eq!(
            refusals.refused(9, Why::Code, 40.0, at(1_500)),
            Blame::Recipient { is_last: false },
            "it was not slowed down for that one"
        );
        assert_eq!(
            refusals.refused(1, Why::OthersWereGranted, 40.0, at(1_600)),
            Blame::Recipient { is_last: false }
        );
        assert_eq!(
            refusals.refused(2, Why::OthersWereGranted, 40.0, at(1_700)),
            Blame::Recipient { is_last: true }
        );
        // Again, and one of them is granted: it was the account.
        refusals.granted(1);
        refusals.granted(2);
        refusals.refused(1, Why::Unknown, 4.0, at(5_000));
        assert_eq!(refusals.refused(2, Why::Unknown, 4.0, at(5_001)), Blame::Account);
        refusals.granted(1);
        assert_eq!(refusals.refused(2, Why::Code, 40.0, at(7_000)), Blame::Recipient { is_last: false });
    }

    #[test]
    fn at_a_gateway_that_grants_some_of_all_nobody_is_taken_for_full() {
        let refusals = Refusals::default();
        let now = Instant::now();
        for order in 0..20 {
            let blame = refusals.refused(order, Why::OthersWereGranted, 40.0, now);
            assert_eq!(matches!(blame, Blame::Recipient { .. }), order < 1, "{order}: {blame:?}");
            refusals.refused(100 + order, Why::Unknown, 40.0, now);
            refusals.refused(200 + order, Why::Unknown, 40.0, now);
            for more in 0..8 {
                refusals.refused(1_000 + order * 10 + more, Why::Unknown, 40.0, now);
            }
        }
    }
}
