//! What a send cost, where the vendor says only what is left.
//!
//! The difference between two answers is the price of the send between them, if nothing else of ours was
//! under way from the first answer to the second. It says nothing about other users of the account, so an
//! older answer is forgotten: the longer ago, the likelier that somebody else has sent in between.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;

/// How long an answer counts, in milliseconds.
const FRESH_MS: i64 = 60_000;

/// The last known credits, and what is under way. See the module's text.
#[derive(Default)]
pub(super) struct Meter(Mutex<State>);

#[derive(Default)]
struct State {
    /// Millionths of a credit that were left, and when that was said.
    known: Option<(i64, Timestamp)>,
    /// Requests under way that may cost something.
    under_way: u32,
    /// Whether two were under way at the same time since the last moment with none.
    is_mixed: bool,
}

/// A request under way that may cost something. Dropped without a word, it may have cost anything.
pub(super) struct Ticket<'a> {
    meter: &'a Meter,
    end: End,
}

/// How a request ended.
#[derive(Clone, Copy)]
enum End {
    /// It may have cost something.
    Unknown,
    /// It certainly cost nothing.
    Free,
    /// This many millionths were left after it.
    Left(i64, Timestamp),
}

impl Meter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request that may cost something begins.
    pub(super) fn begin(&self) -> Ticket<'_> {
        let mut state = self.state();
        state.is_mixed |= state.under_way > 0;
        state.under_way += 1;
        drop(state);
        Ticket { meter: self, end: End::Unknown }
    }
}

impl Ticket<'_> {
    /// The request cost nothing.
    pub(super) fn free(mut self) {
        self.end = End::Free;
    }

    /// The request was answered, and this is left: what it cost, in millionths, where that can be told.
    pub(super) fn left(mut self, micros: i64, now: Timestamp) -> Option<i64> {
        let state = self.meter.state();
        let before = state.known.filter(|(_, at)| {
            !state.is_mixed && (0..=FRESH_MS).contains(&now.as_millis().saturating_sub(at.as_millis()))
        });
        drop(state);
        self.end = End::Left(micros, now);
        // More than before: somebody has paid in.
        before.and_then(|(before, _)| before.checked_sub(micros)).filter(|cost| *cost > 0)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.meter.state();
        state.known = match self.end {
            // An answer given while others were under way may or may not count them.
            End::Left(micros, at) if !state.is_mixed => Some((micros, at)),
            End::Free if !state.is_mixed => state.known,
            _ => None,
        };
        state.under_way = state.under_way.saturating_sub(1);
        state.is_mixed &= state.under_way > 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_342_500_000);

    #[test]
    fn the_difference_of_two_answers_is_the_price_of_the_send_between_them() {
        let meter = Meter::default();
        assert_eq!(meter.begin().left(10_000_000, NOW), None, "nothing was known before");
        assert_eq!(meter.begin().left(8_500_000, NOW), Some(1_500_000));
        meter.begin().free();
        assert_eq!(
            meter.begin().left(7_500_000, NOW.plus_ms(FRESH_MS)),
            Some(1_000_000),
            "a free request between them changes nothing"
        );
        assert_eq!(meter.begin().left(9_000_000, NOW), None, "somebody paid in, or the clock went back");
    }

    #[test]
    fn an_answer_that_is_old_or_has_another_request_around_it_tells_no_price() {
        let meter = Meter::default();
        meter.begin().left(10_000_000, NOW);
        assert_eq!(meter.begin().left(9_000_000, NOW.plus_ms(FRESH_MS + 1)), None, "too long ago");
        drop(meter.begin());
        assert_eq!(meter.begin().left(7_000_000, NOW), None, "one between them ended without an answer");
        let (one, other) = (meter.begin(), meter.begin());
        assert_eq!(one.left(6_000_000, NOW), None);
        assert_eq!(other.left(5_000_000, NOW), None, "the answers may have crossed");
        assert_eq!(meter.begin().left(4_000_000, NOW), None, "and the next one has nothing to start from");
        assert_eq!(meter.begin().left(3_000_000, NOW), Some(1_000_000));
    }
}
