//! How often an approver's proof may be wrong: a code has six digits, so whoever may try without end finds one.

use crate::clock::Timestamp;

/// Wrong tries in a row before there is a pause.
pub const FREE_TRIES: u32 = 5;

/// The first pause and the longest, in milliseconds. Each wrong try after a pause doubles it.
const FIRST_PAUSE_MS: i64 = 60_000;
const LONGEST_PAUSE_MS: i64 = 24 * 3_600_000;

/// How long nobody may try after so many wrong ones, in milliseconds.
pub fn pause_ms(wrong: u32) -> i64 {
    let Some(doublings) = wrong.checked_sub(FREE_TRIES) else { return 0 };
    // Eleven doublings are more than the longest.
    FIRST_PAUSE_MS.saturating_mul(1 << doublings.min(11)).min(LONGEST_PAUSE_MS)
}

/// Until when nobody may try: as it was set, and no longer than such a pause is, however the clock was set
/// back since. Nothing where there is no pause.
pub fn paused_until(wrong: u32, until: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let until = until.min(now.plus_ms(pause_ms(wrong)));
    (until > now).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_wrong_tries_make_a_pause_that_doubles_up_to_a_day() {
        let minutes: Vec<i64> = (0..20).map(|wrong| pause_ms(wrong) / 60_000).collect();
        assert_eq!(minutes[..5], [0; 5]);
        assert_eq!(minutes[5..17], [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440]);
        assert!(minutes[17..].iter().all(|minutes| *minutes == 1440));
        assert_eq!(pause_ms(u32::MAX), LONGEST_PAUSE_MS);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_pause_longer() {
        let now = Timestamp(1_000_000_000);
        assert_eq!(paused_until(4, now.plus_ms(9), now), None);
        assert_eq!(paused_until(5, now.plus_ms(60_000), now), Some(now.plus_ms(60_000)));
        assert_eq!(paused_until(5, now.plus_ms(900_000), now), Some(now.plus_ms(60_000)));
        assert_eq!(paused_until(5, now, now), None);
    }
}
