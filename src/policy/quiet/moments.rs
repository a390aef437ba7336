//! When several rules in several zones let a text through at once: the first moment at or after another one,
//! and when that ends.
//!
//! Between two changes of its clocks a zone is so far ahead of UTC and no more. So each of these spans is
//! looked at for itself, and hours that a change leaves out or has twice need no rule of their own: a moment
//! is open when the clock on the wall shows a time within a window, in every zone and by every rule.

use super::hours::{DAY_MS, Hours};
use crate::sms::zones::Zone;

/// How far ahead is looked for a moment that is open: further than a year of holidays.
const AHEAD_MS: i64 = 400 * DAY_MS;

/// Hours, and the wall whose clock they are read from.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// When texts may leave.
    pub hours: &'a Hours,
    /// By the clocks of this zone.
    pub zone: &'a Zone,
}

impl Bound<'_> {
    /// Whether texts may leave at this moment.
    pub fn is_open(&self, at_ms: i64) -> bool {
        self.hours.is_open(self.zone.local_ms(at_ms))
    }

    /// The first moment from this one to the last at which they may.
    fn opens(&self, from_ms: i64, last_ms: i64) -> Option<i64> {
        let mut at = from_ms;
        while at <= last_ms {
            let offset = self.zone.offset_ms(at);
            let end = self.zone.next_change_ms(at).unwrap_or(i64::MAX).min(last_ms.saturating_add(1));
            if let Some(local) = self.hours.opens(at + offset, end + offset) {
                return Some(local - offset);
            }
            at = end;
        }
        None
    }

    /// The first moment after this open one at which they may not; none where that is not before the last.
    fn closes(&self, from_ms: i64, last_ms: i64) -> Option<i64> {
        let mut at = from_ms;
        while at <= last_ms {
            let offset = self.zone.offset_ms(at);
            let closes = self.hours.closes(at + offset) - offset;
            let change = self.zone.next_change_ms(at).unwrap_or(i64::MAX);
            if closes == at {
                return Some(at);
            }
            at = closes.min(change);
        }
        None
    }
}

/// The first moment at or after this one at which all of them let texts through, if there is one within
/// some 400 days.
pub fn opens(all: &[Bound<'_>], from_ms: i64) -> Option<i64> {
    let last = from_ms.saturating_add(AHEAD_MS);
    let mut at = from_ms;
    loop {
        let mut later = at;
        for bound in all {
            later = bound.opens(later, last)?;
        }
        if later == at {
            return Some(at);
        }
        at = later;
    }
}

/// The first moment after this open one at which one of them lets none through; none where all do for the
/// next 400 days.
pub fn closes(all: &[Bound<'_>], open_ms: i64) -> Option<i64> {
    let last = open_ms.saturating_add(AHEAD_MS);
    all.iter().filter_map(|bound| bound.closes(open_ms, last)).min()
}
