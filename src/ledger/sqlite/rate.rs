//! How many requests a provider may still be sent: counts per second and per UTC day, which all processes share.
//!
//! A minute is the current second and the sixty before it, so that no sixty seconds, wherever they begin, hold more
//! than a minute's worth.

use std::borrow::Cow;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use crate::clock::Timestamp;
use crate::ledger::Pacing;
use crate::sms::message::Realm;

const SECOND_MS: i64 = 1_000;
const DAY_MS: i64 = 24 * 3_600 * SECOND_MS;

/// How many whole seconds before the current one a minute's limit looks at.
const MINUTE_SLOTS: i64 = 60;

/// How far ahead a count may stand, in seconds, because of two processes that read the clock in the other order than
/// they wrote. What stands further ahead was written before the clock was set back.
const SKEW_SLOTS: i64 = 1;

fn second(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(SECOND_MS)
}

fn day(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(DAY_MS)
}

/// The name that a provider is counted under. A sandbox and a real provider of one name are two: no provider's own name
/// has a colon.
pub(super) fn name(provider: &str, realm: Realm) -> Cow<'_, str> {
    match realm {
        Realm::Live => Cow::Borrowed(provider),
        Realm::Sandbox => Cow::Owned(format!("sandbox:{provider}")),
    }
}

/// What a provider's rate allows now.
pub(super) struct Rate {
    room: u32,
    wait_ms: u64,
}

impl Rate {
    /// Looks at the counts; at nothing where there is no limit.
    pub(super) fn read(db: &Connection, provider: &str, now: Timestamp, pacing: Pacing) -> JobResult<Self> {
        if !pacing.is_limited() {
            return Ok(Self { room: u32::MAX, wait_ms: 0 });
        }
        let this = second(now);
        let slots = slots(db, provider, this)?;
        let mut room = i64::from(u32::MAX);
        let mut next_ms = now.as_millis();
        let mut limit = |left: i64, free_at_ms: i64| {
            room = room.min(left);
            if left <= 0 {
                next_ms = next_ms.max(free_at_ms);
            }
        };
        if let Some(most) = pacing.per_second {
            let most = i64::from(most);
            let (used, last) = taken(&slots, this, most);
            // Free again in the first second that the requests of this one leave room in.
            limit(most - used, (last + (used / most).max(1)) * SECOND_MS);
        }
        if let Some(most) = pacing.per_minute {
            let used: i64 = slots.iter().map(|(_, count)| count).sum();
            let left = i64::from(most) - used;
            // It is free again when so many of the oldest have left the window that one more fits.
            let mut gone = left;
            let freeing = slots.iter().find(|(_, count)| {
                gone += count;
                gone > 0
            });
            limit(left, (freeing.map_or(this, |(slot, _)| *slot) + MINUTE_SLOTS + 1) * SECOND_MS);
        }
        if let Some(most) = pacing.per_day {
            let used = db
                .prepare_cached("SELECT count FROM rate WHERE provider = ?1 AND slot = ?2")?
                .query_row(params![provider, -day(now)], |row| row.get::<_, i64>(0))
                .optional()?;
            limit(i64::from(most) - used.unwrap_or(0), (day(now) + 1) * DAY_MS);
        }
        let wait_ms = u64::try_from(next_ms - now.as_millis()).unwrap_or(0).max(1);
        Ok(Self { room: u32::try_from(room.max(0)).unwrap_or(u32::MAX), wait_ms })
    }

    /// How many requests may go now.
    pub(super) fn room(&self) -> u32 {
        self.room
    }

    /// How long until one may go, in milliseconds, where none may go now.
    pub(super) fn wait_ms(&self) -> u64 {
        self.wait_ms
    }
}

/// How many requests of the current second are taken, of so many in each, and which second that is. A text that has more
/// segments than a second allows takes from the seconds after it.
fn taken(slots: &[(i64, i64)], this: i64, most: i64) -> (i64, i64) {
    let (mut taken, mut at) = (0_i64, slots.first().map_or(this, |(slot, _)| *slot));
    for (slot, count) in slots {
        taken = taken.saturating_sub((slot - at).max(0).saturating_mul(most)).max(0) + count;
        at = *slot;
    }
    let last = this.max(at);
    (taken.saturating_sub((last - at).saturating_mul(most)).max(0), last)
}

/// The counts of the current minute by second, oldest first.
fn slots(db: &Connection, provider: &str, this: i64) -> JobResult<Vec<(i64, i64)>> {
    let mut statement = db.prepare_cached("SELECT slot, count FROM rate WHERE provider = ?1 AND slot >= ?2 ORDER BY slot")?;
    let rows = statement.query_map(params![provider, (this - MINUTE_SLOTS).max(0)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let counted: Vec<(i64, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    let (near, ahead): (Vec<_>, Vec<_>) = counted.into_iter().partition(|(slot, _)| *slot <= this + SKEW_SLOTS);
    if ahead.is_empty() {
        return Ok(near);
    }
    // The clock was set back. What was sent by the old time counts as sent now: it blocks for a minute and no longer.
    db.prepare_cached("DELETE FROM rate WHERE provider = ?1 AND slot > ?2")?.execute(params![provider, this + SKEW_SLOTS])?;
    add(db, provider, this, ahead.iter().map(|(_, count)| count).sum())?;
    slots(db, provider, this)
}

fn add(db: &Connection, provider: &str, slot: i64, count: i64) -> JobResult<()> {
    db.prepare_cached(
        "INSERT INTO rate (provider, slot, count) VALUES (?1, ?2, ?3) ON CONFLICT (provider, slot) DO UPDATE SET count = count + excluded.count",
    )?
    .execute(params![provider, slot, count])?;
    Ok(())
}

/// See [`crate::ledger::facets::Queue::admit`].
pub(super) fn admit(db: &Connection, provider: &str, now: Timestamp, pacing: Pacing, requests: u32) -> JobResult<bool> {
    let has_room = Rate::read(db, provider, now, pacing)?.room() >= requests;
    if has_room {
        count(db, provider, now, requests)?;
    }
    Ok(has_room)
}

/// Counts requests that are about to be made, and forgets the counts that no window reaches any more.
pub(super) fn count(db: &Connection, provider: &str, now: Timestamp, requests: u32) -> JobResult<()> {
    let (this, today) = (second(now), day(now));
    add(db, provider, this, requests.into())?;
    add(db, provider, -today, requests.into())?;
    let mut forget = db.prepare_cached("DELETE FROM rate WHERE provider = ?1 AND slot > ?2 AND slot < ?3")?;
    forget.execute(params![provider, -1, this - MINUTE_SLOTS])?;
    // Yesterday's stays: the clock may be set back over midnight.
    forget.execute(params![provider, 1 - today, 0])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_second_could_not_hold_is_taken_from_the_next_ones() {
        type Counts = &'static [(i64, i64)];
        // Count by second, at which second, of how many in each: taken there.
        let table: [(Counts, i64, i64, i64); 8] = [
            (&[], 9, 5, 0),
            (&[(9, 3)], 9, 5, 3),
            (&[(8, 5)], 9, 5, 0),
            (&[(8, 12)], 9, 5, 7),
            (&[(8, 12)], 10, 5, 2),
            (&[(8, 12)], 11, 5, 0),
            (&[(7, 12), (8, 1)], 9, 5, 3),
            (&[(1, 12), (9, 4)], 9, 5, 4),
        ];
        for (slots, this, most, expected) in table {
            assert_eq!(taken(slots, this, most), (expected, this), "{slots:?} at {this}");
        }
        assert_eq!(taken(&[(8, 5), (10, 2)], 9, 5), (2, 10), "two processes read the clock in the other order than they wrote");
    }
}
