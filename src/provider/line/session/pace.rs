//! How fast requests may go out: the operator's ceiling, and what the carrier's "not now" brought it down to.
//!
//! The first "not now" halves the rate of the last second; more of them halve it again, though not for what
//! was already under way. Half a second without one raises it by a tenth and one, until it is well above the
//! rate at which the trouble began; then the limit is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::MutexGuard as TurnGuard;
use tokio::time::Instant;

/// How often the pace is halved at most, and after how long without "not now" it grows.
const STEP: Duration = Duration::from_millis(500);

/// Steps after which any limit is gone: each is a tenth, so it is long past twice any rate.
const MOST_STEPS: u32 = 200;

/// The slowest pace, a second.
const SLOWEST: f64 = 1.0;

/// How late a request may be, for timers are not exact, without losing its successors their places. The
/// places are spread wider by as much, so that no second ever holds more than allowed.
const SLACK: Duration = Duration::from_millis(10);

/// How the last second is counted: in so many parts.
const PARTS: usize = 10;

/// The length of one part.
const PART: Duration = Duration::from_millis(100);

/// Requests of the last second.
struct Lately {
    parts: [u64; PARTS],
    /// The part that is counted in now, since the beginning.
    now: usize,
    began: Instant,
}

impl Lately {
    fn advance(&mut self, now: Instant) {
        let part = usize::try_from(now.saturating_duration_since(self.began).as_millis() / PART.as_millis())
            .unwrap_or(0);
        for step in 1..=part.saturating_sub(self.now).min(PARTS) {
            if let Some(old) = self.parts.get_mut((self.now + step) % PARTS) {
                *old = 0;
            }
        }
        self.now = self.now.max(part);
    }

    fn add(&mut self, count: u64, now: Instant) {
        self.advance(now);
        if let Some(part) = self.parts.get_mut(self.now % PARTS) {
            *part += count;
        }
    }

    fn sum(&mut self, now: Instant) -> f64 {
        self.advance(now);
        f64::from(u32::try_from(self.parts.iter().sum::<u64>()).unwrap_or(u32::MAX))
    }
}

/// A pace that the carrier asked for.
#[derive(Clone, Copy)]
struct Down {
    rate: f64,
    /// The rate at which it began.
    first: f64,
    /// When it was halved last.
    halved: Instant,
    /// When it changed last, or should have but for another "not now".
    changed: Instant,
}

struct Law {
    lately: Lately,
    down: Option<Down>,
}

/// The pace of an account.
pub(super) struct Pace {
    ceiling: Option<u32>,
    /// Whether there is any limit now.
    is_on: AtomicBool,
    law: Mutex<Law>,
    /// One new request at a time comes to `turn`, so that those that are sent again come before all other new
    /// ones.
    newcomers: tokio::sync::Mutex<()>,
    /// When the next request may go.
    turn: tokio::sync::Mutex<Option<Instant>>,
}

/// The right to be the next one. Held until the request is written, so that none overtakes it.
pub(super) struct Turn<'a> {
    pace: &'a Pace,
    next: TurnGuard<'a, Option<Instant>>,
    _newcomer: Option<TurnGuard<'a, ()>>,
}

impl Pace {
    pub(super) fn new(ceiling: Option<u32>) -> Self {
        let lately = Lately { parts: [0; PARTS], now: 0, began: Instant::now() };
        Self {
            ceiling,
            is_on: AtomicBool::new(ceiling.is_some()),
            law: Mutex::new(Law { lately, down: None }),
            newcomers: tokio::sync::Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Law> {
        self.law.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether requests have to wait for their turn.
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// So many requests were written.
    pub(super) fn wrote(&self, count: u64, now: Instant) {
        self.lock().lately.add(count, now);
    }

    /// Requests that were written in the last second.
    pub(super) fn lately(&self, now: Instant) -> f64 {
        self.lock().lately.sum(now)
    }

    /// What the account was slowed down for turned out to be recipients that take nothing.
    pub(super) fn was_recipients(&self) {
        self.lock().down = None;
        self.is_on.store(self.ceiling.is_some(), Ordering::SeqCst);
    }

    /// The carrier said "not now". The new pace, where it changed.
    pub(super) fn throttled(&self, now: Instant) -> Option<u32> {
        let mut law = self.lock();
        let measured = law.lately.sum(now).max(SLOWEST);
        let rate = match &mut law.down {
            None => {
                let rate = (measured / 2.0).max(SLOWEST);
                law.down = Some(Down { rate, first: measured, halved: now, changed: now });
                self.is_on.store(true, Ordering::SeqCst);
                rate
            }
            Some(down) => {
                down.changed = now;
                if now.saturating_duration_since(down.halved) < STEP {
                    return None;
                }
                down.halved = now;
                down.rate = (down.rate / 2.0).max(SLOWEST);
                down.rate
            }
        };
        Some(whole(rate))
    }

    /// How many requests may go within so long a time; nothing where there is no limit.
    pub(super) fn within(&self, time: Duration, now: Instant) -> Option<u32> {
        if !self.is_on() {
            return None;
        }
        self.rate(now).map(|rate| whole(rate * time.as_secs_f64()))
    }

    /// What the carrier's "not now" brought it down to.
    pub(super) fn down_to(&self, now: Instant) -> Option<u32> {
        self.rate(now);
        self.lock().down.map(|down| whole(down.rate))
    }

    /// The rate that is allowed now, a second.
    fn rate(&self, now: Instant) -> Option<f64> {
        let mut law = self.lock();
        if let Some(down) = &mut law.down {
            let steps = now.saturating_duration_since(down.changed).as_millis() / STEP.as_millis();
            let steps = u32::try_from(steps).unwrap_or(u32::MAX).min(MOST_STEPS);
            for _ in 0..steps {
                down.rate = down.rate * 1.1 + 1.0;
            }
            down.changed += STEP * steps;
            let is_at_ceiling = self.ceiling.is_some_and(|ceiling| down.rate >= f64::from(ceiling));
            if down.rate > down.first * 2.0 || is_at_ceiling {
                law.down = None;
                self.is_on.store(self.ceiling.is_some(), Ordering::SeqCst);
            }
        }
        let ceiling = self.ceiling.map(f64::from);
        match (law.down.map(|down| down.rate), ceiling) {
            (Some(rate), Some(ceiling)) => Some(rate.min(ceiling)),
            (rate, ceiling) => rate.or(ceiling),
        }
    }

    /// Waits for the right to be the next one; nothing where everybody may go. `is_again`: it was sent
    /// before.
    pub(super) async fn turn(&self, is_again: bool) -> Option<Turn<'_>> {
        if !self.is_on() {
            return None;
        }
        let newcomer = if is_again { None } else { Some(self.newcomers.lock().await) };
        let next = self.turn.lock().await;
        Some(Turn { pace: self, next, _newcomer: newcomer })
    }
}

impl Turn<'_> {
    /// Waits until it is time.
    pub(super) async fn wait(&mut self) {
        let due = self.next.unwrap_or_else(Instant::now);
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        let now = Instant::now();
        let place = due.max(now.checked_sub(SLACK).unwrap_or(now));
        *self.next = self
            .pace
            .rate(now)
            .map(|rate| place + (Duration::from_secs(1) + SLACK).div_f64(rate.max(SLOWEST)));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are from 1 to 2^32, and a cast stops at the ends"
)]
fn whole(rate: f64) -> u32 {
    rate.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_pace_halves_at_not_now_and_grows_until_it_is_gone() {
        let pace = Pace::new(None);
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(pace.rate(at(0)), None);
        pace.wrote(400, at(200));
        pace.wrote(400, at(900));
        assert_eq!(pace.throttled(at(950)), Some(400));
        assert_eq!(pace.throttled(at(1_300)), None, "those were under way");
        assert_eq!(pace.throttled(at(1_460)), Some(200));
        assert_eq!(pace.down_to(at(1_900)), Some(200));
        assert_eq!(pace.down_to(at(1_970)), Some(221));
        assert_eq!(pace.down_to(at(2_470)), Some(244));
        let mut gone = 2_470;
        while pace.down_to(at(gone)).is_some() {
            gone += 500;
        }
        assert!((9_000..15_000).contains(&gone), "{gone}");
        assert!(!pace.is_on.load(Ordering::SeqCst));
        assert_eq!(pace.throttled(at(gone + 2_000)), Some(1), "nothing went out lately");
    }

    #[tokio::test]
    async fn the_ceiling_holds_always_and_ends_the_growth() {
        let pace = Pace::new(Some(100));
        let start = Instant::now();
        assert_eq!(pace.rate(start), Some(100.0));
        pace.wrote(90, start);
        assert_eq!(pace.throttled(start), Some(45));
        assert_eq!(pace.down_to(start + Duration::from_secs(4)), None, "from 45 to over 100 in 8 steps");
        assert_eq!(pace.rate(start + Duration::from_secs(4)), Some(100.0));
    }

    #[tokio::test]
    async fn no_span_of_time_holds_more_than_allowed() {
        let pace = Pace::new(Some(200));
        let mut went = Vec::new();
        for _ in 0..100 {
            let mut turn = pace.turn(false).await.unwrap();
            turn.wait().await;
            // Its place in the row, a turn's length on: a slow machine may see it later.
            went.push(turn.next.unwrap());
        }
        for (index, first) in went.iter().enumerate() {
            let within = went
                .iter()
                .skip(index)
                .take_while(|at| at.duration_since(*first) < Duration::from_millis(200))
                .count();
            assert!(within <= 50, "{within}");
        }
        let all = went[99].duration_since(went[0]);
        assert!(all >= Duration::from_millis(485), "{all:?}");
    }
}
