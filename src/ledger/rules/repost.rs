//! When a request whose answer was lost may be posted once more, under the same key.
//!
//! What a vendor promises is about a first request that is over, and for a day. So the second one is not
//! posted before the first can be taken for over, and not so late that the day might be.

use crate::clock::Timestamp;

/// After the answer was lost: by then the first request is over at the vendor too.
pub const NOT_BEFORE_MS: i64 = 120_000;

/// After the first request left: vendors keep their answer for a day.
pub const NOT_AFTER_MS: i64 = 20 * 3_600_000;

/// After a request was posted once more its answer may still come, for so long.
pub const UNDER_WAY_MS: i64 = 900_000;

/// How long it is kept by which request a message left: longer than it is of any use.
pub const KEPT_MS: i64 = 25 * 3_600_000;

/// Whether now is the time: the request left at `asked`, and its answer was lost at `lost`.
pub fn is_time(asked: Timestamp, lost: Timestamp, now: Timestamp) -> bool {
    now >= lost.plus_ms(NOT_BEFORE_MS) && now >= asked && now <= asked.plus_ms(NOT_AFTER_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_posted_once_more_when_the_first_is_over_and_while_its_answer_is_kept() {
        let (minute, hour) = (60_000, 3_600_000);
        for (asked, lost, now, expected) in [
            (0, 0, 2 * minute - 1, false),
            (0, 0, 2 * minute, true),
            (0, 0, 20 * hour, true),
            (0, 0, 20 * hour + 1, false),
            // Its answer was waited for, or the process that sent it was found dead later.
            (0, 3 * minute, 4 * minute, false),
            (0, 3 * minute, 5 * minute, true),
            (0, 19 * hour, 20 * hour, true),
            (0, 20 * hour, 20 * hour + minute, false),
            // A clock that was set back.
            (hour, 0, 30 * minute, false),
        ] {
            let is = is_time(Timestamp(asked), Timestamp(lost), Timestamp(now));
            assert_eq!(is, expected, "{asked} {lost} {now}");
        }
    }
}
