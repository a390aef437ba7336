//! Which rows of the windows' table hold for a number.
//!
//! The operator's rules stand over the rows of the binary, and of each the row of the subdivision over that
//! of its country. Where a country has rows for its parts and nobody can tell in which part a number is, all
//! of them hold at once.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hours::{Hours, Window};
use crate::sms::number::{Number, Region};
use crate::sms::purpose::Purpose;
use crate::sms::zones::Subdivision;

static WINDOWS: &str = include_str!("windows.txt");

/// When the rows of the binary were gathered.
pub const GATHERED: &str = "2026-11-26";

static ROWS: LazyLock<Vec<Row>> =
    LazyLock::new(|| WINDOWS.lines().filter_map(|line| read(line)?.ok()).collect());

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Every country that has no row of its own.
    Elsewhere,
    /// A country.
    Country(Region),
    /// A state or province.
    Part(Subdivision),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Elsewhere);
        }
        let place = if text.contains('-') {
            text.parse().map(Self::Part)
        } else {
            text.parse()
                .map(Self::Country)
                .map_err(|error: crate::sms::number::RegionError| error.to_string())
        };
        place.map_err(|why| {
            format!("{why}; a place is a country as \"FR\", a state of the US or a province of Canada as \"US-FL\", or \"*\" for every country without a row")
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere => f.write_str("*"),
            Self::Country(region) => region.fmt(f),
            Self::Part(part) => part.fmt(f),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How sure it is that a row says what the law or the carriers there want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// A statute or a vendor's own page, and others that agree.
    High,
    /// Several that agree, or one that is careful.
    Medium,
    /// One source, or a careful guess.
    Low,
    /// The operator said so.
    Operator,
}

impl Confidence {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Operator => "operator",
        }
    }
}

/// When texts of a purpose may leave for a place, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub place: Place,
    /// For texts of this purpose.
    pub purpose: Purpose,
    /// When.
    pub hours: Hours,
    /// Who says so.
    pub source: String,
    /// When that was looked up, `YYYY-MM-DD`; nothing where the operator says it.
    pub gathered: Option<&'static str>,
    /// How sure that is.
    pub confidence: Confidence,
}

/// One line of the table; nothing for a comment.
fn read(line: &str) -> Option<Result<Row, String>> {
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    Some(read_row(line))
}

fn read_row(line: &str) -> Result<Row, String> {
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [place, windows, holidays, confidence, source] = columns.as_slice() else {
        return Err(format!("{line:?} has not five columns"));
    };
    let windows: Vec<Window> = match *windows {
        "never" => Vec::new(),
        windows => windows.split(", ").map(str::parse).collect::<Result<_, _>>()?,
    };
    let holidays =
        holidays.split(", ").filter(|text| !text.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
    let confidence = match *confidence {
        "high" => Confidence::High,
        "medium" => Confidence::Medium,
        "low" => Confidence::Low,
        other => return Err(format!("{other:?} is no confidence")),
    };
    Ok(Row {
        place: place.parse()?,
        purpose: Purpose::Marketing,
        hours: Hours::new(&windows, holidays),
        source: (*source).to_owned(),
        gathered: Some(GATHERED),
        confidence,
    })
}

/// The rows of the binary, with the operator's before them.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    own: Vec<Row>,
}

impl Rows {
    /// With these of the operator.
    pub fn new(own: Vec<Row>) -> Self {
        Self { own }
    }

    /// Those that hold at once for a text of this purpose to this number; one at least.
    pub fn of(&self, number: &Number, purpose: Purpose) -> Vec<&Row> {
        let elsewhere = || self.own(Place::Elsewhere, purpose).or_else(|| table(Place::Elsewhere, purpose));
        let Some(region) = number.region() else { return elsewhere().into_iter().collect() };
        let country = Place::Country(region);
        let of_country = self.own(country, purpose);
        let one_of = |part: Subdivision| {
            let part = Place::Part(part);
            self.own(part, purpose).or(of_country).or_else(|| table(part, purpose))
        };
        let whole = || of_country.or_else(|| table(country, purpose)).or_else(elsewhere);
        if let Some(part) = Subdivision::of(number) {
            return one_of(part).or_else(whole).into_iter().collect();
        }
        let mut rows: Vec<&Row> = whole().into_iter().collect();
        for row in Subdivision::all().filter(|part| part.country() == Some(region)).filter_map(one_of) {
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }

    fn own(&self, place: Place, purpose: Purpose) -> Option<&Row> {
        find(&self.own, place, purpose)
    }
}

fn table(place: Place, purpose: Purpose) -> Option<&'static Row> {
    find(&ROWS, place, purpose)
}

/// The row of a place for this purpose. Where it has none for transactional texts they keep the hours of
/// marketing, if that has any at all: that no marketing is let through says nothing of other texts.
fn find(rows: &[Row], place: Place, purpose: Purpose) -> Option<&Row> {
    let of = |purpose| rows.iter().find(move |row| row.place == place && row.purpose == purpose);
    let stand_in = || of(Purpose::Marketing).filter(|row| !row.hours.is_never());
    of(purpose).or_else(stand_in)
}

impl Row {
    /// Who says so, since when, and how sure that is, for a refusal.
    pub fn said_by(&self) -> String {
        match self.gathered {
            Some(date) => format!("{}; {date}, confidence {}", self.source, self.confidence.as_str()),
            None => self.source.clone(),
        }
    }
}

/// The rows of the binary.
#[cfg(test)]
pub fn table_rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter()
}
