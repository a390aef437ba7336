//! Countries and number prefixes, as allow and deny lists and rate cards name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number::{Number, Region};

/// A country ("FR") or the beginning of international numbers ("+337").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Destination {
    /// All numbers of a country.
    Country(Region),
    /// All numbers that begin so, in E.164 with its `+`.
    Prefix(String),
}

impl Destination {
    /// How well this matches a number: nothing, or the more the longer the prefix; a country matches least.
    pub fn matches(&self, number: &Number) -> Option<usize> {
        match self {
            Self::Country(region) => (number.region() == Some(*region)).then_some(0),
            Self::Prefix(prefix) => number.e164().starts_with(prefix.as_str()).then_some(prefix.len()),
        }
    }
}

impl Destination {
    /// Some number in it, to ask the price of; nobody is texted there. Nothing where none is found soon.
    pub fn example(&self) -> Option<Number> {
        let fits = |text: String| Number::parse(&text, None).ok().filter(|to| self.matches(to).is_some());
        let filled = |head: &str, digits: usize| {
            format!("{head}{}", "2025550123".chars().cycle().take(digits).collect::<String>())
        };
        match self {
            Self::Prefix(prefix) => (0..=10).rev().find_map(|more| fits(filled(prefix, more))),
            Self::Country(region) => {
                let code = region.calling_code()?;
                // Where mobile numbers begin in most countries; then, where several share a code, its areas.
                let usual = ["7", "6", "5", "9", "8", "15", "3", "4", "2", "1"].map(str::to_owned);
                let areas =
                    (200..1_000).filter(|_| !region.has_its_code_alone()).map(|area| area.to_string());
                let heads = usual.into_iter().chain(areas);
                heads
                    .map(|head| format!("+{code}{head}"))
                    .find_map(|head| (5..=9).find_map(|more| fits(filled(&head, more))))
            }
        }
    }
}

/// Why lists of destinations keep a number out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred<'a> {
    /// It is in one that is denied.
    Denied(&'a Destination),
    /// It is in none of those that are allowed.
    Outside,
}

/// Whether these lists keep a number out, and why. An empty list of what is allowed allows all.
pub fn barred<'a>(to: &Number, allow: &[Destination], deny: &'a [Destination]) -> Option<Barred<'a>> {
    let has = |destination: &Destination| destination.matches(to).is_some();
    match deny.iter().find(|destination| has(destination)) {
        Some(denied) => Some(Barred::Denied(denied)),
        None if allow.is_empty() || allow.iter().any(has) => None,
        None => Some(Barred::Outside),
    }
}

impl FromStr for Destination {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(digits) = text.strip_prefix('+') {
            if !digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Ok(Self::Prefix(text.to_owned()));
            }
        } else if let Ok(region) = text.parse() {
            return Ok(Self::Country(region));
        }
        Err(format!(
            "\"{text}\" is no destination; write a country as \"FR\" or the beginning of a number as \"+337\""
        ))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(region) => region.fmt(f),
            Self::Prefix(prefix) => f.write_str(prefix),
        }
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_longest_prefix_matches_best_and_a_country_least() {
        let number = Number::parse("+447400123456", None).unwrap();
        let how_well = |text: &str| text.parse::<Destination>().unwrap().matches(&number);
        assert_eq!(how_well("GB"), Some(0));
        assert!(how_well("+4474") > how_well("+44"));
        assert_eq!(how_well("FR"), None);
        assert_eq!(how_well("+33"), None);
        for wrong in ["", "+", "FRA", "0033", "+33 6"] {
            assert!(wrong.parse::<Destination>().is_err(), "{wrong}");
        }
    }
}
