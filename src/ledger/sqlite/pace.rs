//! The pace of all sending, in the row that all processes share.

use rusqlite::{Connection, params};

use super::job::JobResult;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::message::Realm;
use crate::sms::peer::{self, Peer};

/// The sending rate as a generic cell rate algorithm: a second's worth may go at once.
pub(super) struct Pace {
    realm: Realm,
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
    /// The pace so far, at the lowest rate of all who live.
    pub(super) fn read(db: &Connection, realm: Realm, now: Timestamp, per_second: u32, peers: &[Peer]) -> JobResult<Self> {
        let mut statement = db.prepare_cached("SELECT until_us, latest_us FROM pace WHERE sandbox = ?1")?;
        let (until_us, latest_us): (i64, i64) = statement.query_row([realm.is_sandbox()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let now_us = now.as_millis().saturating_mul(1_000);
        let behind_us = (latest_us - now_us).max(0);
        // A clock that was set back a little must not stop all sending for as long: what it had used up is forgotten.
        let until_us = if until_us > now_us + SECOND_US { now_us } else { until_us.max(now_us) };
        let (per_second, _) = peer::strictest(Some(per_second), peers, |rules| rules.sends_per_second);
        let per_second = i64::from(per_second.unwrap_or_default().max(1));
        Ok(Self { realm, until_us, now_us, interval_us: (SECOND_US / per_second).max(1), per_second, behind_us })
    }

    /// Refuses a clock that cannot be right: it would open yesterday's budgets, or count no recent message.
    pub(super) fn check_clock(&self) -> Result<()> {
        if self.now_us < EARLIEST_US {
            let now = Timestamp(self.now_us / 1_000).rfc3339();
            return Err(Error::new(ErrorKind::ClockUnreliable, format!("this machine's clock says {now}, which cannot be right")));
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
    pub(super) fn room(&self) -> u32 {
        u32::try_from((self.now_us + SECOND_US - self.spare_us() - self.until_us) / self.interval_us).unwrap_or(0)
    }

    /// How many messages of a bulk are worth waiting for, where they share one request: most of what may go at once,
    /// and not all of it, so that single sends in between do not hold them up for ever.
    pub(super) fn good_hand(&self) -> u32 {
        let whole = (SECOND_US - self.spare_us()) / self.interval_us;
        u32::try_from((whole - whole / 4).max(1)).unwrap_or(u32::MAX)
    }

    /// How long until so many messages of a bulk may go, in milliseconds.
    pub(super) fn bulk_wait_ms(&self, count: u32) -> u64 {
        self.wait_for_us(count, self.spare_us())
    }

    /// How long until a single message may go, in milliseconds.
    pub(super) fn wait_ms(&self) -> u64 {
        self.wait_for_us(1, 0)
    }

    fn wait_for_us(&self, count: u32, spare_us: i64) -> u64 {
        let short_us = self.until_us + self.interval_us.saturating_mul(count.into()) - (self.now_us + SECOND_US - spare_us);
        u64::try_from(short_us.max(0)).unwrap_or(0).div_ceil(1_000)
    }

    /// Takes room for `count` messages that leave at once, as far as there is any: what is used up beyond a second
    /// would look like a clock that was set back.
    pub(super) fn take_what_there_is(&mut self, db: &Connection, count: u32) -> JobResult<()> {
        let room = (self.now_us + SECOND_US - self.until_us) / self.interval_us;
        self.take(db, count.min(u32::try_from(room).unwrap_or(0)))
    }

    /// Takes room for `count` messages.
    pub(super) fn take(&mut self, db: &Connection, count: u32) -> JobResult<()> {
        self.until_us += self.interval_us.saturating_mul(count.into());
        db.prepare_cached("UPDATE pace SET until_us = ?1, latest_us = max(latest_us, ?2) WHERE sandbox = ?3")?.execute(params![
            self.until_us,
            self.now_us,
            self.realm.is_sandbox()
        ])?;
        Ok(())
    }
}
