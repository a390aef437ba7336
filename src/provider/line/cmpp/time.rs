//! The times that CMPP writes. All are those of China, eight hours before UTC.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::clock::Timestamp;

/// China's time.
fn civil(at: Timestamp) -> DateTime {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::fixed(jiff::tz::offset(8))).datetime()
}

/// The ten digits `MMDDHHMMSS` that prove, with a leading zero where there is one; and the number that they
/// are.
pub(super) fn login(now: Timestamp) -> ([u8; 10], u32) {
    let now = civil(now);
    let parts = [now.month(), now.day(), now.hour(), now.minute(), now.second()]
        .map(|part| u32::try_from(part).unwrap_or(0));
    let number = parts.iter().fold(0, |number, part| number * 100 + part);
    (digits(number), number)
}

/// A number as ten decimal digits.
fn digits(number: u32) -> [u8; 10] {
    let mut digits = [b'0'; 10];
    let mut rest = number;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    digits
}

/// `YYMMDDhhmmsstnnp` (SMPP 3.3, section 7.1.1): tenths of a second, and how many quarters of an hour it is
/// before UTC.
pub(super) fn absolute(at: Timestamp) -> String {
    civil(at).strftime("%y%m%d%H%M%S032+").to_string()
}

/// The day as `20261122`, from `2026-11-22`; nothing for another text.
pub(super) fn day(text: &str) -> Option<String> {
    let date: jiff::civil::Date = text.parse().ok()?;
    Some(date.strftime("%Y%m%d").to_string())
}

/// Today as `20261122`.
pub(super) fn today(now: Timestamp) -> String {
    civil(now).strftime("%Y%m%d").to_string()
}

/// Reads `YYMMDDHHMM`.
pub(super) fn read_minute(text: &[u8]) -> Option<Timestamp> {
    let text: &[u8; 10] = text.try_into().ok()?;
    let two = |at: usize| -> Option<i8> {
        let pair = text.get(at..at + 2)?;
        pair.iter().all(u8::is_ascii_digit).then(|| str::from_utf8(pair).ok()?.parse().ok()).flatten()
    };
    let year = 2000 + i16::from(two(0)?);
    let civil = DateTime::new(year, two(2)?, two(4)?, two(6)?, two(8)?, 0, 0).ok()?;
    let at = civil.to_zoned(TimeZone::fixed(Offset::constant(8))).ok()?;
    Some(Timestamp(at.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_dated_in_china_and_keeps_its_leading_zero() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        assert_eq!(login(at("2026-11-22T01:30:05Z")), (*b"1122093005", 1_122_093_005));
        assert_eq!(login(at("2026-01-01T19:04:05Z")), (*b"0102030405", 102_030_405));
    }

    #[test]
    fn times_are_written_and_read_as_the_standard_has_them() {
        let at = Timestamp::parse("2026-11-22T01:30:05Z").unwrap();
        assert_eq!(absolute(at), "261122093005032+");
        assert_eq!((day("2026-11-22").as_deref(), day("today")), (Some("20261122"), None));
        assert_eq!(today(Timestamp::parse("2026-11-21T16:00:00Z").unwrap()), "20261122");
        assert_eq!(read_minute(b"2611220930"), Timestamp::parse("2026-11-22T01:30:00Z"));
        for wrong in [&b"261122093"[..], b"2613220930", b"26112209 0", b"-611220930", b""] {
            assert_eq!(read_minute(wrong), None);
        }
    }
}
