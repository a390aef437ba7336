//! The hours in which texts may leave: windows of the days of a week, and the days that have none.
//!
//! They are the hours of a clock on a wall; whose wall is for others to say. A window never crosses midnight:
//! two windows that meet there are one to whoever looks at the time.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::calendar::Holiday;

const MINUTE_MS: i64 = 60_000;
pub(super) const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// The end of a day.
const MIDNIGHT: u16 = 24 * 60;

/// The windows of one day, in minutes from midnight.
type OfDay = Vec<(u16, u16)>;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// One line of windows: the same hours on some days of the week, such as `mon-fri 09:00-21:30`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    days: [bool; 7],
    from: u16,
    to: u16,
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            let text: String = text.chars().take(64).collect();
            format!(
                "{text:?} is no window: {why}; write it as \"mon-fri 09:00-21:30\" or \"daily 08:00-20:00\""
            )
        };
        let (days, hours) = text.trim().split_once(' ').ok_or_else(|| wrong("it is days and then hours"))?;
        let days = read_days(days).ok_or_else(|| wrong("its days are none of mon to sun"))?;
        let (from, to) = hours.trim().split_once('-').ok_or_else(|| wrong("its hours have no end"))?;
        let time = |text| {
            read_time(text).ok_or_else(|| wrong("a time is from 00:00 to 24:00, with two digits each"))
        };
        let (from, to) = (time(from)?, time(to)?);
        if from >= to {
            return Err(wrong("it ends before it begins (over midnight it is two windows)"));
        }
        Ok(Self { days, from, to })
    }
}

/// `mon`, `mon-fri`, `sat-mon` or `daily`.
fn read_days(text: &str) -> Option<[bool; 7]> {
    if text == "daily" {
        return Some([true; 7]);
    }
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (day(first)?, day(last)?),
        None => (day(text)?, day(text)?),
    };
    let count = (last + 7 - first) % 7;
    let mut days = [false; 7];
    for (index, is_in) in days.iter_mut().enumerate() {
        *is_in = (index + 7 - first) % 7 <= count;
    }
    Some(days)
}

/// `08:30`, in minutes of the day.
fn read_time(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse::<u16>().ok())?
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let time = hour * 60 + minute;
    (minute < 60 && time <= MIDNIGHT).then_some(time)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: [OfDay; 7] = Default::default();
        for (day, _) in all.iter_mut().zip(self.days).filter(|(_, is_in)| *is_in) {
            day.push((self.from, self.to));
        }
        f.write_str(&lines(&all).join(", "))
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// All windows of a week, and the holidays on which there are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// By day from Monday: windows in minutes of the day, in order, none of which touches the next.
    days: [OfDay; 7],
    holidays: Vec<Holiday>,
}

impl Hours {
    /// These windows, but for the holidays. No windows: never.
    pub fn new(windows: &[Window], holidays: Vec<Holiday>) -> Self {
        let mut days: [OfDay; 7] = Default::default();
        for (index, day) in days.iter_mut().enumerate() {
            let own = windows.iter().filter(|window| window.days.get(index) == Some(&true));
            let mut all: Vec<(u16, u16)> = own.map(|window| (window.from, window.to)).collect();
            all.sort_unstable();
            for (from, to) in all {
                match day.last_mut() {
                    Some(last) if from <= last.1 => last.1 = last.1.max(to),
                    _ => day.push((from, to)),
                }
            }
        }
        Self { days, holidays }
    }

    /// When both let texts through.
    pub fn and(&self, other: &Self) -> Self {
        let mut days: [OfDay; 7] = Default::default();
        for (day, (own, others)) in days.iter_mut().zip(self.days.iter().zip(&other.days)) {
            for (from, to) in own {
                let both = others.iter().map(|(start, end)| ((*from).max(*start), (*to).min(*end)));
                day.extend(both.filter(|(from, to)| from < to));
            }
        }
        let holidays = self.holidays.iter().chain(&other.holidays).copied().collect();
        Self { days, holidays }
    }

    /// Whether there is no window at all.
    pub fn is_never(&self) -> bool {
        self.days.iter().all(Vec::is_empty)
    }

    /// The windows of a day, by its number since 1970.
    fn on(&self, day: i64) -> &[(u16, u16)] {
        // 1970 began on a Thursday.
        let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default();
        let windows = self.days.get(weekday).map_or(&[][..], Vec::as_slice);
        if windows.is_empty() || self.holidays.is_empty() {
            return windows;
        }
        let is_off = date_of(day).is_some_and(|date| self.holidays.iter().any(|holiday| holiday.is_on(date)));
        if is_off { &[] } else { windows }
    }

    /// Whether texts may leave while the clock shows this time (milliseconds since 1970 began on it).
    pub fn is_open(&self, local_ms: i64) -> bool {
        self.closes(local_ms) > local_ms
    }

    /// The first time at or after this one, and before the end, at which texts may leave.
    pub fn opens(&self, local_ms: i64, end_ms: i64) -> Option<i64> {
        if self.is_never() {
            return None;
        }
        let mut day = local_ms.div_euclid(DAY_MS);
        while day.saturating_mul(DAY_MS) < end_ms {
            for (from, to) in self.on(day) {
                let opens = at(day, *from).max(local_ms);
                if opens < at(day, *to) {
                    return (opens < end_ms).then_some(opens);
                }
            }
            day += 1;
        }
        None
    }

    /// The first time at or after this one at which texts may not leave; the time itself where they may not
    /// now. It looks ten days ahead at the most: what is open for so long is open for ever to whoever asks.
    pub fn closes(&self, local_ms: i64) -> i64 {
        let mut closes = local_ms;
        let first = local_ms.div_euclid(DAY_MS);
        for day in first..first + 10 {
            let window =
                self.on(day).iter().find(|(from, to)| (at(day, *from)..at(day, *to)).contains(&closes));
            let Some((_, to)) = window else { return closes };
            closes = at(day, *to);
            if *to != MIDNIGHT {
                return closes;
            }
        }
        closes
    }
}

/// A minute of a day, in milliseconds since 1970.
fn at(day: i64, minute: u16) -> i64 {
    day * DAY_MS + i64::from(minute) * MINUTE_MS
}

/// The date of a day by its number since 1970.
fn date_of(day: i64) -> Option<Date> {
    let days = i32::try_from(day).ok()?;
    Date::constant(1970, 1, 1).checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

/// What is the same on days that follow each other stands in one line.
fn lines(days: &[OfDay; 7]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut named: Vec<(usize, usize, &OfDay)> = Vec::new();
    for (index, windows) in days.iter().enumerate().filter(|(_, windows)| !windows.is_empty()) {
        match named.last_mut() {
            Some((_, last, same)) if *same == windows && *last + 1 == index => *last = index,
            _ => named.push((index, index, windows)),
        }
    }
    for (first, last, windows) in named {
        let name = |index: usize| DAYS.get(index).copied().unwrap_or_default();
        let days = match (first, last) {
            (0, 6) => "daily".to_owned(),
            (first, last) if first == last => name(first).to_owned(),
            (first, last) => format!("{}-{}", name(first), name(last)),
        };
        let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        lines.extend(windows.iter().map(|(from, to)| format!("{days} {}-{}", time(*from), time(*to))));
    }
    lines
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            return f.write_str("never");
        }
        f.write_str(&lines(&self.days).join(", "))?;
        for (index, holiday) in self.holidays.iter().enumerate() {
            write!(f, "{}{holiday}", if index == 0 { ", not on " } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hours(windows: &[&str]) -> Hours {
        let windows: Vec<Window> = windows.iter().map(|window| window.parse().unwrap()).collect();
        Hours::new(&windows, Vec::new())
    }

    #[test]
    fn a_window_is_days_and_hours_and_a_wrong_one_says_what_would_be_right() {
        for (text, shown) in [
            ("mon-fri 09:00-21:30", "mon-fri 09:00-21:30"),
            ("daily 00:00-24:00", "daily 00:00-24:00"),
            ("sun 12:00-21:00", "sun 12:00-21:00"),
            ("sat-mon 10:00-11:00", "mon 10:00-11:00, sat-sun 10:00-11:00"),
            ("mon-sun 08:00-09:00", "daily 08:00-09:00"),
        ] {
            assert_eq!(text.parse::<Window>().unwrap().to_string(), shown);
        }
        for wrong in [
            "",
            "mon",
            "mon-fri",
            "09:00-21:00",
            "fun 09:00-21:00",
            "mon 9-21",
            "mon 9:00-21:00",
            "mon 09:60-21:00",
            "mon 21:00-09:00",
            "mon 09:00-09:00",
            "mon 09:00-24:01",
            "mon 09:00",
            "mon +9:00-10:00",
            "Mon 09:00-10:00",
            "mon-fri-sat 09:00-10:00",
            "mon 09:00-10:00-11:00",
        ] {
            let why = wrong.parse::<Window>().unwrap_err();
            assert!(why.contains("mon-fri 09:00-21:30"), "{wrong}: {why}");
        }
    }

    #[test]
    fn windows_of_a_day_are_put_together_and_shown_as_they_hold() {
        let two =
            hours(&["mon-fri 14:00-18:00", "mon-fri 09:00-12:00", "fri 11:00-15:00", "sun 10:00-11:00"]);
        assert_eq!(
            two.to_string(),
            "mon-thu 09:00-12:00, mon-thu 14:00-18:00, fri 09:00-18:00, sun 10:00-11:00"
        );
        assert_eq!(hours(&[]).to_string(), "never");
    }

    #[test]
    fn a_window_ends_where_it_ends_and_two_that_meet_at_midnight_are_one() {
        let minute = |day: i64, minute: u16| at(day, minute);
        // Day 4 is Monday 5 January 1970.
        let night = hours(&["mon 20:00-24:00", "tue 00:00-02:00"]);
        assert_eq!(night.closes(minute(4, 1_439)), minute(5, 120));
        assert!(night.is_open(minute(4, 1_200)) && !night.is_open(minute(4, 1_200) - 1));
        assert!(night.is_open(minute(5, 120) - 1) && !night.is_open(minute(5, 120)));
        assert_eq!(night.opens(minute(5, 120), i64::MAX / 2), Some(minute(11, 1_200)));
        assert_eq!(night.opens(minute(5, 120), minute(11, 1_200)), None);
        assert!(hours(&["daily 00:00-24:00"]).closes(0) > 9 * DAY_MS);
    }
}
