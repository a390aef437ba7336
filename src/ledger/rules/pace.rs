//! How fast texts leave, all processes together.

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::peer::{self, Peer};

/// The sending rate as a generic cell rate algorithm: a second's worth may go at once.
pub struct Pace {
    until_us: i64,
    now_us: i64,
    interval_us: i64,
    per_second: i64,
    /// How far the clock stands before the last send, in microseconds.
    behind_us: i64,
}

const SECOND_US: i64 = 1_000_000;

/// 2026-01-01: no clock of a machine that runs this program stands before it.
const EARLIEST_US: i64 = 1_767_225_600 * SECOND_US;

/// How far a clock may be set back without anybody looking: ten minutes.
const MOST_BEHIND_US: i64 = 600 * SECOND_US;

impl Pace {
    /// The pace so far, at the lowest rate of all who live: until when what was sent counts, and when
    /// something was sent last, both in microseconds.
    pub fn of(until_us: i64, latest_us: i64, now: Timestamp, per_second: u32, peers: &[Peer]) -> Self {
        let now_us = now.as_millis().saturating_mul(1_000);
        let behind_us = (latest_us - now_us).max(0);
        // A clock that was set back a little must not stop all sending for as long: what it had used up is
        // forgotten.
        let until_us = if until_us > now_us + SECOND_US { now_us } else { until_us.max(now_us) };
        let (per_second, _) = peer::strictest(Some(per_second), peers, |rules| rules.sends_per_second);
        let per_second = i64::from(per_second.unwrap_or_default().max(1));
        Self { until_us, now_us, interval_us: (SECOND_US / per_second).max(1), per_second, behind_us }
    }

    /// Until when what was sent counts, and when that was, in microseconds: what is kept.
    pub fn kept(&self) -> (i64, i64) {
        (self.until_us, self.now_us)
    }

    /// Refuses a clock that cannot be right: it would open yesterday's budgets, or count no recent message.
    pub fn check_clock(&self) -> Result<()> {
        if self.now_us < EARLIEST_US {
            let now = Timestamp(self.now_us / 1_000).rfc3339();
            return Err(Error::new(
                ErrorKind::ClockUnreliable,
                format!("this machine's clock says {now}, which cannot be right"),
            ));
        }
        if self.behind_us > MOST_BEHIND_US {
            let minutes = self.behind_us / 60 / SECOND_US;
            return Err(Error::new(
                ErrorKind::ClockUnreliable,
                format!("this machine's clock stands {minutes} min before the last send in the ledger"),
            ));
        }
        Ok(())
    }

    /// What a bulk leaves free, so that single sends need not wait for it to end.
    fn spare_us(&self) -> i64 {
        self.per_second / 5 * self.interval_us
    }

    /// How many messages of a bulk may go now.
    pub fn room(&self) -> u32 {
        u32::try_from((self.now_us + SECOND_US - self.spare_us() - self.until_us) / self.interval_us)
            .unwrap_or(0)
    }

    /// How many messages of a bulk are worth waiting for, where they share one request: most of what may go
    /// at once, and not all of it, so that single sends in between do not hold them up for ever.
    pub fn good_hand(&self) -> u32 {
        let whole = (SECOND_US - self.spare_us()) / self.interval_us;
        u32::try_from((whole - whole / 4).max(1)).unwrap_or(u32::MAX)
    }

    /// How long until so many messages of a bulk may go, in milliseconds.
    pub fn bulk_wait_ms(&self, count: u32) -> u64 {
        self.wait_for_us(count, self.spare_us())
    }

    /// How long until a single message may go, in milliseconds.
    pub fn wait_ms(&self) -> u64 {
        self.wait_for_us(1, 0)
    }

    fn wait_for_us(&self, count: u32, spare_us: i64) -> u64 {
        let short_us = self.until_us + self.interval_us.saturating_mul(count.into())
            - (self.now_us + SECOND_US - spare_us);
        u64::try_from(short_us.max(0)).unwrap_or(0).div_ceil(1_000)
    }

    /// Takes room for `count` messages that leave at once, as far as there is any: what is used up beyond a
    /// second would look like a clock that was set back.
    pub fn take_what_there_is(&mut self, count: u32) {
        let room = (self.now_us + SECOND_US - self.until_us) / self.interval_us;
        self.take(count.min(u32::try_from(room).unwrap_or(0)));
    }

    /// Takes room for `count` messages.
    pub fn take(&mut self, count: u32) {
        self.until_us += self.interval_us.saturating_mul(count.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const NOW_US: i64 = NOW.as_millis() * 1_000;

    fn pace(until_us: i64, latest_us: i64) -> Pace {
        Pace::of(NOW_US + until_us, NOW_US + latest_us, NOW, 10, &[])
    }

    #[test]
    fn a_seconds_worth_may_go_at_once_and_a_bulk_leaves_a_fifth_of_it() {
        let mut pace = pace(0, 0);
        assert_eq!((pace.room(), pace.wait_ms(), pace.good_hand()), (8, 0, 6));
        pace.take(8);
        assert_eq!((pace.room(), pace.wait_ms(), pace.bulk_wait_ms(1)), (0, 0, 100));
        pace.take(2);
        assert_eq!((pace.wait_ms(), pace.kept()), (100, (NOW_US + SECOND_US, NOW_US)));
        pace.take_what_there_is(5);
        assert_eq!(pace.kept().0, NOW_US + SECOND_US, "nothing is used up that is not there");
    }

    #[test]
    fn a_clock_that_was_set_back_a_little_stops_nothing_and_one_that_cannot_be_right_stops_all() {
        assert_eq!(pace(2 * SECOND_US, 0).wait_ms(), 0);
        assert!(pace(0, MOST_BEHIND_US).check_clock().is_ok());
        let kind = |pace: Pace| pace.check_clock().err().map(|error| error.kind());
        assert_eq!(kind(pace(0, MOST_BEHIND_US + 1)), Some(ErrorKind::ClockUnreliable));
        assert_eq!(kind(Pace::of(0, 0, Timestamp(0), 10, &[])), Some(ErrorKind::ClockUnreliable));
    }
}
