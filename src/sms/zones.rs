//! In which time zones the owner of a number may be.
//!
//! A number says where it was given out, not where its owner is. Where it says nothing, as a toll-free one,
//! or a mobile one of a country whose mobile numbers have no place, every zone of the country is taken: who
//! acts on all of them at once is right in whichever it is. Nobody knows a zone for a satellite phone.
//!
//! The tables are data of libphonenumber and of the tz database (`zones/NOTICE`). The rules of every zone are
//! in the binary, so the answers are the same on a machine without any. No clock: the time is an argument.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::number::{Number, NumberKind, Region};

static PREFIXES: &str = include_str!("zones/prefixes.txt");
static COUNTRIES: &str = include_str!("zones/countries.txt");
static AREAS: &str = include_str!("zones/areas.txt");

/// Longest prefix of the table.
const LONGEST_PREFIX: usize = 9;

/// The calling code that many countries share by area, and the digits of it with an area.
const NORTH_AMERICA: u16 = 1;
const WITH_AREA: usize = 4;

static RULES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

/// A time zone of the tz database, with its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// Such as `Europe/Paris`.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// How far its clocks are ahead of UTC at this moment, in milliseconds.
    pub fn offset_ms(&self, at_ms: i64) -> i64 {
        i64::from(self.0.to_offset(moment(at_ms)).seconds()) * 1_000
    }

    /// The next moment at which its clocks may be set, if there is one.
    pub fn next_change_ms(&self, at_ms: i64) -> Option<i64> {
        self.0.following(moment(at_ms)).next().map(|change| change.timestamp().as_millisecond())
    }

    /// What its clocks show at this moment, as milliseconds since 1970 began on them.
    pub fn local_ms(&self, at_ms: i64) -> i64 {
        at_ms.saturating_add(self.offset_ms(at_ms))
    }

    /// The moment at which its clocks show this. A time that they leave out is taken as much later as they
    /// are set forward; of one that comes twice, the first.
    pub fn at_local(&self, local: DateTime) -> Option<i64> {
        let moment = self.0.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(moment.as_millisecond())
    }

    /// The moment as a clock there shows it, such as `2027-01-15 20:00 (UTC-05:00)`.
    pub fn shown(&self, at_ms: i64) -> String {
        let at = moment(at_ms).to_zoned(self.0.clone());
        at.strftime("%Y-%m-%d %H:%M (UTC%:z)").to_string()
    }
}

fn moment(at_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(at_ms).unwrap_or(if at_ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let zone = RULES.get(name).ok().filter(|zone| zone.iana_name().is_some() && !zone.is_unknown());
        zone.map(Self).ok_or_else(|| {
            let name: String = name.chars().take(64).collect();
            format!("{name:?} is no time zone; write its name in the tz database, such as \"America/Denver\"")
        })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A state or province whose area codes are known, by ISO 3166-2, such as `US-FL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subdivision(&'static str);

impl Subdivision {
    /// Such as `US-FL`.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Every one, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        AREAS.lines().filter(is_data).filter_map(|line| line.split(' ').next().map(Self))
    }

    /// The one whose area code the number has.
    pub fn of(number: &Number) -> Option<Self> {
        if number.calling_code() != NORTH_AMERICA {
            return None;
        }
        TABLE.areas.get(number.e164().get(2..=WITH_AREA)?).copied()
    }

    /// Its country.
    pub fn country(self) -> Option<Region> {
        self.0.split('-').next().and_then(|country| country.parse().ok())
    }
}

impl FromStr for Subdivision {
    type Err = String;

    fn from_str(code: &str) -> Result<Self, String> {
        Self::all().find(|known| known.0.eq_ignore_ascii_case(code)).ok_or_else(|| {
            let code: String = code.chars().take(64).collect();
            format!("{code:?} is no state of the US or province of Canada that has area codes of its own")
        })
    }
}

impl fmt::Display for Subdivision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How the zones of a number were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The operator named it, for this number, prefix or country.
    Operator(String),
    /// By the longest prefix of the table.
    Prefix(String),
    /// The area has several, and the table does not say in which of them the number is.
    Area(String),
    /// All of the country: its numbers, or those of this kind, have no place.
    Country(Region),
    /// Not at all: the number is of no country.
    Nowhere,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(of) => write!(f, "named by the operator for {of}"),
            Self::Prefix(prefix) => write!(f, "by the prefix +{prefix}"),
            Self::Area(area) => write!(f, "all of the area +{area}"),
            Self::Country(region) => write!(f, "all of {region}: the number tells no more"),
            Self::Nowhere => f.write_str("none: the number belongs to no country"),
        }
    }
}

/// The zones of a number.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Its owner may be in each of them. None where nobody can tell.
    pub zones: Arc<[Zone]>,
    /// How they were found.
    pub found: Found,
}

impl Placed {
    /// Those of a number, as far as its digits tell.
    pub fn of(number: &Number) -> Self {
        TABLE.place(number)
    }

    /// Every zone of a country.
    pub fn country(region: Region) -> Option<Self> {
        let country = TABLE.countries.get(&region)?;
        Some(Self { zones: Arc::clone(&country.zones), found: Found::Country(region) })
    }
}

/// What one line of the prefixes says.
#[derive(Clone)]
enum Set {
    Zones(Arc<[Zone]>),
    WholeCountry,
}

struct Country {
    zones: Arc<[Zone]>,
    /// Its mobile numbers have no place.
    is_placeless: bool,
}

/// The three files, read.
struct Table {
    prefixes: HashMap<&'static str, Set>,
    countries: HashMap<Region, Country>,
    areas: HashMap<&'static str, Subdivision>,
    /// Every zone that anything of an area of North America is in, by calling code and area code.
    of_areas: HashMap<&'static str, Arc<[Zone]>>,
}

fn is_data(line: &&'static str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

fn zones(names: &str) -> Arc<[Zone]> {
    names.split_whitespace().filter_map(|name| name.parse().ok()).collect()
}

impl Table {
    fn read() -> Self {
        let mut table = Self {
            prefixes: HashMap::new(),
            countries: HashMap::new(),
            areas: HashMap::new(),
            of_areas: HashMap::new(),
        };
        for line in PREFIXES.lines().filter(is_data) {
            let Some((names, prefixes)) = line.split_once(" | ") else { continue };
            let set = if names == "*" { Set::WholeCountry } else { Set::Zones(zones(names)) };
            table.prefixes.extend(prefixes.split(' ').map(|prefix| (prefix, set.clone())));
        }
        for line in COUNTRIES.lines().filter(is_data) {
            let Some((code, names)) = line.split_once(' ') else { continue };
            let Ok(region) = code.trim_end_matches('*').parse() else { continue };
            let country = Country { zones: zones(names), is_placeless: code.ends_with('*') };
            table.countries.insert(region, country);
        }
        for line in AREAS.lines().filter(is_data) {
            let mut words = line.split(' ');
            let Some(subdivision) = words.next().map(Subdivision) else { continue };
            table.areas.extend(words.map(|code| (code, subdivision)));
        }
        table.of_areas = table.read_of_areas();
        table
    }

    fn read_of_areas(&self) -> HashMap<&'static str, Arc<[Zone]>> {
        let mut all: HashMap<&str, Vec<Zone>> = HashMap::new();
        for (prefix, set) in &self.prefixes {
            let area = prefix.get(..WITH_AREA).filter(|area| area.starts_with('1'));
            let (Some(area), Set::Zones(zones)) = (area, set) else { continue };
            let known = all.entry(area).or_default();
            for zone in zones.iter() {
                if !known.contains(zone) {
                    known.push(zone.clone());
                }
            }
        }
        let in_order = |mut zones: Vec<Zone>| {
            zones.sort_by(|one, other| one.name().cmp(other.name()));
            zones.into()
        };
        all.into_iter().map(|(area, zones)| (area, in_order(zones))).collect()
    }

    fn place(&self, number: &Number) -> Placed {
        let country = number.region().and_then(|region| Some((region, self.countries.get(&region)?)));
        let whole = || match country {
            Some((region, country)) => {
                Placed { zones: Arc::clone(&country.zones), found: Found::Country(region) }
            }
            None => Placed { zones: Arc::new([]), found: Found::Nowhere },
        };
        let has_place = matches!(
            number.kind(),
            NumberKind::FixedLine | NumberKind::Mobile | NumberKind::FixedLineOrMobile
        );
        if !has_place || country.is_none_or(|(_, country)| country.is_placeless) {
            return whole();
        }
        let digits = number.e164().trim_start_matches('+');
        let longest = (1..=LONGEST_PREFIX.min(digits.len())).rev().find_map(|length| {
            let prefix = digits.get(..length)?;
            Some((prefix, self.prefixes.get(prefix)?))
        });
        match longest {
            // The calling code alone stands for many countries, and the area code for all that is in it.
            Some((prefix, _)) if prefix.len() <= WITH_AREA && number.calling_code() == NORTH_AMERICA => {
                self.area(digits).unwrap_or_else(whole)
            }
            Some((prefix, Set::Zones(zones))) => {
                Placed { zones: Arc::clone(zones), found: Found::Prefix(prefix.to_owned()) }
            }
            Some((_, Set::WholeCountry)) | None => whole(),
        }
    }

    /// Every zone that anything of the area is in.
    fn area(&self, digits: &str) -> Option<Placed> {
        let area = digits.get(..WITH_AREA)?;
        let zones = Arc::clone(self.of_areas.get(area)?);
        let of = if zones.len() > 1 { Found::Area } else { Found::Prefix };
        Some(Placed { zones, found: of(area.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_of_the_tables_is_a_zone_and_every_country_has_one() {
        let of_prefixes = PREFIXES.lines().filter(is_data).map(|line| line.split_once(" | ").unwrap().0);
        let of_countries = COUNTRIES.lines().filter(is_data).map(|line| line.split_once(' ').unwrap().1);
        for name in
            of_prefixes.chain(of_countries).flat_map(|names| names.split(' ')).filter(|name| *name != "*")
        {
            assert_eq!(name.parse::<Zone>().map(|zone| zone.name().to_owned()), Ok(name.to_owned()));
        }
        let without: Vec<Region> =
            Region::all().filter(|region| Placed::country(*region).is_none()).collect();
        assert!(without.is_empty(), "{without:?}");
        assert_eq!(
            TABLE.prefixes.len(),
            PREFIXES
                .lines()
                .filter(is_data)
                .flat_map(|line| line.split_once(" | ").unwrap().1.split(' '))
                .count()
        );
        assert!(TABLE.prefixes.keys().all(|prefix| prefix.len() <= LONGEST_PREFIX));
    }

    #[test]
    fn a_calling_code_has_zones_or_belongs_to_no_country() {
        for region in Region::all() {
            let code = region.calling_code().unwrap().to_string();
            let has = (1..=code.len()).any(|length| TABLE.prefixes.contains_key(&code[..length]));
            let is_placeless = TABLE.countries.get(&region).unwrap().is_placeless;
            assert!(has || is_placeless, "{region}: +{code}");
        }
    }

    #[test]
    fn a_state_has_its_country_and_is_found_by_its_area_codes() {
        let all: BTreeSet<Subdivision> = Subdivision::all().collect();
        assert!(
            all.iter()
                .all(|part| part.country().is_some_and(|country| matches!(country.as_str(), "US" | "CA")))
        );
        let of_us = all.iter().filter(|part| part.as_str().starts_with("US-")).count();
        assert_eq!((of_us, all.len() - of_us), (51, 8));
        let of = |to: &str| Subdivision::of(&Number::parse(to, None).unwrap()).map(Subdivision::as_str);
        assert_eq!(
            [of("+13055550123"), of("+14375550123"), of("+18005550123"), of("+33612345678")],
            [Some("US-FL"), Some("CA-ON"), None, None]
        );
        assert_eq!("us-fl".parse::<Subdivision>().unwrap().as_str(), "US-FL");
        for wrong in ["US-XX", "DE-BY", "US", "", "FL"] {
            assert!(wrong.parse::<Subdivision>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_wrong_zone_says_what_would_be_right() {
        for wrong in ["", "Paris", "CET+1", "Europe/Pariss", "Etc/Unknown", "local"] {
            assert!(wrong.parse::<Zone>().unwrap_err().contains("America/Denver"), "{wrong}");
        }
        assert_eq!("europe/paris".parse::<Zone>().unwrap().name(), "Europe/Paris");
        let paris: Zone = "Europe/Paris".parse().unwrap();
        assert_eq!(paris.shown(0), "1970-01-01 01:00 (UTC+01:00)");
        assert_eq!((paris.offset_ms(i64::MAX), paris.next_change_ms(i64::MAX)), (3_600_000, None));
    }
}
