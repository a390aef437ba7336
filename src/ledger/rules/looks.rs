//! When a provider is asked about a message again.

use crate::clock::Timestamp;

/// The shortest and the longest time from one look at a message to the next, and after which time nobody
/// looks again.
const SOONEST_MS: i64 = 5_000;
const LATEST_MS: i64 = 3_600_000;
const LAST_MS: i64 = 3 * 24 * 3_600_000;

/// When to look next at a message that waits since then: after as long as it is old.
pub fn next(since: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let age_ms = now.as_millis() - since.as_millis();
    (age_ms < LAST_MS).then(|| now.plus_ms(age_ms.clamp(SOONEST_MS, LATEST_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_looked_at_less_and_less_often_and_not_for_ever() {
        let wait = |age_ms: i64| next(Timestamp(0), Timestamp(age_ms)).map(|at| at.as_millis() - age_ms);
        let table = [
            (0, Some(5_000)),
            (-90_000, Some(5_000)),
            (60_000, Some(60_000)),
            (7_200_000, Some(3_600_000)),
            (LAST_MS - 1, Some(3_600_000)),
            (LAST_MS, None),
        ];
        for (age_ms, expected) in table {
            assert_eq!(wait(age_ms), expected, "{age_ms}");
        }
    }
}
