//! Days on which texts do not leave whatever the hour: those of a country by rule, and those that the
//! operator lists.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Weekday};
use jiff::{Span, ToSpan as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The word for the public holidays of France.
const FRANCE: &str = "france";

/// A day, or the days of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holiday {
    /// The eleven public holidays of France (Code du travail, L3133-1), without those of Alsace and Moselle.
    France,
    /// This day of every year: month and day.
    Yearly(i8, i8),
    /// This day alone.
    On(Date),
}

impl Holiday {
    /// Whether this date is one of them.
    pub fn is_on(&self, date: Date) -> bool {
        match self {
            Self::France => is_french(date),
            Self::Yearly(month, day) => (date.month(), date.day()) == (*month, *day),
            Self::On(day) => date == *day,
        }
    }
}

fn is_french(date: Date) -> bool {
    const FIXED: [(i8, i8); 8] = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)];
    let after_easter = |days: i32| easter(date.year()).checked_add(Span::new().days(days)).ok() == Some(date);
    // Easter Monday, Ascension, Whit Monday.
    FIXED.contains(&(date.month(), date.day())) || [1, 39, 50].into_iter().any(after_easter)
}

/// Easter Sunday of the Gregorian calendar: the Sunday after the first full moon (by the church's tables, not
/// the sky's) on or after 21 March. The moon comes back to the same dates after 19 years, but for what the
/// centuries shift.
fn easter(year: i16) -> Date {
    let (year32, century) = (i32::from(year), i32::from(year) / 100);
    let golden = year32 % 19;
    // Leap years that the centuries leave out, and the eight days in 2500 years by which the moon runs off.
    let shift = (15 + century - century / 4 - (8 * century + 13) / 25) % 30;
    let mut moon = (19 * golden + shift) % 30;
    // The tables have 29 full moons: the thirtieth falls together with the one before.
    if moon == 29 || (moon == 28 && golden > 10) {
        moon -= 1;
    }
    let first = Date::new(year, 3, 21).unwrap_or(Date::ZERO);
    let full = first.checked_add(moon.days()).unwrap_or(first);
    full.nth_weekday(1, Weekday::Sunday).unwrap_or(full)
}

impl FromStr for Holiday {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let digits =
                |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
            match text.split('-').collect::<Vec<_>>().as_slice() {
                [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => {
                    text.parse().ok().map(Self::On)
                }
                // 2028 is a leap year: 29 February is a day of some years.
                [month, day] if digits(month, 2) && digits(day, 2) => {
                    let date = Date::new(2028, month.parse().ok()?, day.parse().ok()?).ok()?;
                    Some(Self::Yearly(date.month(), date.day()))
                }
                _ => None,
            }
        };
        if text == FRANCE {
            return Ok(Self::France);
        }
        read().ok_or_else(|| {
            let text: String = text.chars().take(64).collect();
            format!("{text:?} is no holiday; write \"2027-03-20\", \"12-25\" for every year, or \"{FRANCE}\"")
        })
    }
}

impl fmt::Display for Holiday {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::France => f.write_str(FRANCE),
            Self::Yearly(month, day) => write!(f, "{month:02}-{day:02}"),
            Self::On(date) => write!(f, "{date}"),
        }
    }
}

impl Serialize for Holiday {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Holiday {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_holidays_of_france_are_those_of_the_almanac() {
        let table: [(i16, [&str; 3]); 9] = [
            (2000, ["04-24", "06-01", "06-12"]),
            (2008, ["03-24", "05-01", "05-12"]),
            (2011, ["04-25", "06-02", "06-13"]),
            (2024, ["04-01", "05-09", "05-20"]),
            (2025, ["04-21", "05-29", "06-09"]),
            (2026, ["04-06", "05-14", "05-25"]),
            (2027, ["03-29", "05-06", "05-17"]),
            (2028, ["04-17", "05-25", "06-05"]),
            (2038, ["04-26", "06-03", "06-14"]),
        ];
        let fixed = ["01-01", "05-01", "05-08", "07-14", "08-15", "11-01", "11-11", "12-25"];
        for (year, movable) in table {
            let expected: std::collections::BTreeSet<Date> =
                fixed.iter().chain(&movable).map(|day| format!("{year}-{day}").parse().unwrap()).collect();
            let first = Date::new(year, 1, 1).unwrap();
            let found = (0..366).map(|day| first.checked_add(day.days()).unwrap());
            let found: std::collections::BTreeSet<Date> =
                found.filter(|date| date.year() == year && Holiday::France.is_on(*date)).collect();
            assert_eq!(found, expected, "{year}");
        }
    }

    #[test]
    fn easter_is_right_where_the_tables_are_odd() {
        for date in
            ["1818-03-22", "1943-04-25", "1954-04-18", "1981-04-19", "2049-04-18", "2076-04-19", "2285-03-22"]
        {
            let date: Date = date.parse().unwrap();
            assert_eq!(easter(date.year()), date);
        }
    }

    #[test]
    fn a_holiday_is_a_date_a_day_of_every_year_or_a_rule() {
        let on = |text: &str, date: &str| text.parse::<Holiday>().unwrap().is_on(date.parse().unwrap());
        assert!(on("12-25", "2027-12-25") && on("12-25", "2031-12-25") && !on("12-25", "2027-12-26"));
        assert!(
            on("2027-03-20", "2027-03-20") && !on("2027-03-20", "2028-03-20") && on("02-29", "2028-02-29")
        );
        for wrong in [
            "",
            "20.3.2027",
            "2027-13-01",
            "2027-02-29",
            "13-01",
            "3-20",
            "02-30",
            "France",
            "germany",
            "+3-20",
        ] {
            assert!(wrong.parse::<Holiday>().unwrap_err().contains("2027-03-20"), "{wrong}");
        }
    }
}
