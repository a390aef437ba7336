//! How many requests a provider may still be sent: counts per second and per UTC day, which all processes
//! share.
//!
//! A minute is the current second and the sixty before it, so that no sixty seconds, wherever they begin,
//! hold more than a minute's worth.

use std::borrow::Cow;

use crate::clock::Timestamp;
use crate::ledger::model::Pacing;
use crate::sms::message::Realm;

const SECOND_MS: i64 = 1_000;
const DAY_MS: i64 = 24 * 3_600 * SECOND_MS;

/// How many whole seconds before the current one a minute's limit looks at.
pub const MINUTE_SLOTS: i64 = 60;

/// How far ahead a count may stand, in seconds, because of two processes that read the clock in the other
/// order than they wrote. What stands further ahead was written before the clock was set back.
pub const SKEW_SLOTS: i64 = 1;

pub fn second(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(SECOND_MS)
}

pub fn day(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(DAY_MS)
}

/// The name that a provider is counted under. A sandbox and a real provider of one name are two: no
/// provider's own name has a colon.
pub fn name(provider: &str, realm: Realm) -> Cow<'_, str> {
    match realm {
        Realm::Live => Cow::Borrowed(provider),
        Realm::Sandbox => Cow::Owned(format!("sandbox:{provider}")),
    }
}

/// What a provider's rate allows now.
pub struct Rate {
    room: u32,
    wait_ms: u64,
}

impl Rate {
    /// Where there is no limit.
    pub const ENDLESS: Self = Self { room: u32::MAX, wait_ms: 0 };

    /// By the counts of the current minute by second, oldest first, and that of the day.
    pub fn of(slots: &[(i64, i64)], today: i64, now: Timestamp, pacing: Pacing) -> Self {
        let this = second(now);
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
            let (used, last) = taken(slots, this, most);
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
            limit(i64::from(most) - today, (day(now) + 1) * DAY_MS);
        }
        let wait_ms = u64::try_from(next_ms - now.as_millis()).unwrap_or(0).max(1);
        Self { room: u32::try_from(room.max(0)).unwrap_or(u32::MAX), wait_ms }
    }

    /// How many requests may go now.
    pub fn room(&self) -> u32 {
        self.room
    }

    /// How long until one may go, in milliseconds, where none may go now.
    pub fn wait_ms(&self) -> u64 {
        self.wait_ms
    }
}

/// How many requests of the current second are taken, of so many in each, and which second that is. A text
/// that has more segments than a second allows takes from the seconds after it.
fn taken(slots: &[(i64, i64)], this: i64, most: i64) -> (i64, i64) {
    let (mut taken, mut at) = (0_i64, slots.first().map_or(this, |(slot, _)| *slot));
    for (slot, count) in slots {
        taken = taken.saturating_sub((slot - at).max(0).saturating_mul(most)).max(0) + count;
        at = *slot;
    }
    let last = this.max(at);
    (taken.saturating_sub((last - at).saturating_mul(most)).max(0), last)
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
        assert_eq!(
            taken(&[(8, 5), (10, 2)], 9, 5),
            (2, 10),
            "two processes read the clock in the other order than they wrote"
        );
    }
}
