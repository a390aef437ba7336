//! Which number the written digits are: libphonenumber's reading, held to what was written.
//!
//! libphonenumber repairs numbers, and a repair can end at a stranger. So it is given digits alone, and what
//! it makes of them is taken only where it is those digits: less a prefix that says nothing of the person
//! (international, national, the `(0)`), plus the country code. Two rewritings of national plans are taken
//! too, each with its reason below; no carrier code and no other digit is ever dropped, gained or guessed.
//! Where the digits can be two numbers that are in use, they are none.
//!
//! Source: the metadata of libphonenumber (`nationalPrefix`, `nationalPrefixForParsing`,
//! `nationalPrefixTransformRule`).

use rlibphonenumber::{
    CountryCodeSource, PHONE_NUMBER_UTIL, ParseError, PhoneNumber, PhoneNumberFormat, PhoneNumberType,
    Region, get_national_significant_number_owned,
};

use super::plain;
use super::spelling::{Marker, Written};

/// Most digits of a number with its country code (E.164).
const MOST_DIGITS: usize = 15;

/// What is dialled before a national number inside the country, by country code, where it is not (only) a 0.
/// The old ones are still written.
const PREFIXES: [(i32, &[&str]); 6] =
    [(1, &["1"]), (7, &["8"]), (36, &["06"]), (370, &["0", "8"]), (375, &["8", "80", "0"]), (993, &["8"])];

/// Where it is a 0, or nothing: libphonenumber takes no 0 off where the country has none.
const ZERO: &[&str] = &["0"];

const NORTH_AMERICA: i32 = 1;
const ARGENTINA: i32 = 54;

/// A number that the digits stand for.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) number: PhoneNumber,
    pub(super) e164: String,
    /// The region whose plan it is in; of an invalid number the only one of its country code.
    pub(super) region: Option<Region>,
    /// Unknown exactly where the number is not valid.
    pub(super) kind: PhoneNumberType,
    pub(super) is_possible: bool,
}

impl Reading {
    pub(super) fn is_valid(&self) -> bool {
        self.kind != PhoneNumberType::Unknown
    }

    fn rank(&self) -> (bool, bool) {
        (self.is_valid(), self.is_possible)
    }
}

/// Why the digits are no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    NoCountryCode,
    UnknownCallingCode,
    NotANumber,
    TooShort,
    TooLong,
    /// Two numbers in use, in E.164.
    Ambiguous(String, String),
    /// What libphonenumber would have made of it, in E.164.
    Altered(String),
}

/// Reads the digits as a number of this region, or with the country code that they begin with.
pub(super) fn read(written: &Written, region: Option<Region>) -> Result<Reading, Unread> {
    match (written.marker, region) {
        (Marker::Plus, _) => international(&written.digits, written.zero),
        (Marker::Zeros, region) => {
            let other = international(
                written.digits.get(2..).unwrap_or_default(),
                written.zero.and_then(|at| at.checked_sub(2)),
            );
            let found = match region
                .filter(|_| written.zero.is_none())
                .map(|region| national(&written.digits, region))
            {
                Some(Ok(own)) => better(own, other),
                _ => other,
            };
            doubled_zero(written, region, found)
        }
        (Marker::None, None) => Err(Unread::NoCountryCode),
        (Marker::None, Some(region)) => without_marker(&written.digits, region),
    }
}

/// A `00` that is no prefix but a zero written twice, as in `00151-23456789`: a country code is set off by
/// itself, or nothing is. Where the first group is more than it, and one zero less makes a number of the
/// region, it can be either.
fn doubled_zero(
    written: &Written,
    region: Option<Region>,
    found: Result<Reading, Unread>,
) -> Result<Reading, Unread> {
    let found = found?;
    let first = written.heads().next().map(|(digits, _)| digits);
    let is_set_off = |digits: usize| digits == 2 || digits == 2 + found.number.country_code.to_string().len();
    let (Some(region), None, false) = (region, written.zero, first.is_none_or(is_set_off)) else {
        return Ok(found);
    };
    match national(written.digits.get(1..).unwrap_or_default(), region) {
        Ok(own) if own.is_valid() && found.is_valid() && own.e164 != found.e164 => {
            Err(Unread::Ambiguous(own.e164, found.e164))
        }
        _ => Ok(found),
    }
}

/// Of two readings the one that is in use, the first where neither is. Two that are in use and differ are
/// none.
fn better(first: Reading, second: Result<Reading, Unread>) -> Result<Reading, Unread> {
    let Ok(second) = second else { return Ok(first) };
    if first.is_valid() && second.is_valid() && first.e164 != second.e164 {
        return Err(Unread::Ambiguous(first.e164, second.e164));
    }
    Ok(if first.rank() >= second.rank() { first } else { second })
}

/// Digits that begin with a country code. The zero in brackets is left out, or is part of the number as in
/// Italy: whichever is in use.
fn international(digits: &str, zero: Option<usize>) -> Result<Reading, Unread> {
    let parsed = || {
        PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).map_err(|error| match error {
            ParseError::InvalidCountryCode => Unread::UnknownCallingCode,
            error => unread(&error),
        })
    };
    let number = plain::read(digits).map_or_else(parsed, Ok);
    let kept = number.and_then(|number| {
        let rest = digits.strip_prefix(&number.country_code.to_string()).map(str::to_owned);
        let is_written = rest.is_some_and(|rest| follows(&rest, &significant(&number), number.country_code));
        held(number, is_written)
    });
    let Some((before, after)) = zero.and_then(|at| Some((digits.get(..at)?, digits.get(at + 1..)?))) else {
        return kept;
    };
    match (international(&format!("{before}{after}"), None), kept) {
        (Ok(left_out), kept) => better(left_out, kept),
        (Err(_), kept) => kept,
    }
}

/// Digits with neither plus nor `00`: a number of the region, or one whose plus was lost, as spreadsheets
/// lose it.
///
/// In the way that the country itself writes them they are its number, whatever else they could be. Else they
/// are in doubt where they are a number in use both ways. Where only the region's own code before them makes
/// a number, they are that one.
fn without_marker(digits: &str, region: Region) -> Result<Reading, Unread> {
    let own = national(digits, region);
    let code = PHONE_NUMBER_UTIL.get_country_code_for_region(region);
    let Some(other) = Some(digits)
        .filter(|digits| !digits.starts_with('0'))
        .and_then(|digits| international(digits, None).ok())
    else {
        return own;
    };
    let is_own_code = Some(other.number.country_code) == code;
    match own {
        Ok(own) if own.is_valid() && other.is_valid() && own.e164 != other.e164 => {
            let is_usual =
                || only_digits(&PHONE_NUMBER_UTIL.format(&own.number, PhoneNumberFormat::National)) == digits;
            if !is_own_code && is_usual() { Ok(own) } else { Err(Unread::Ambiguous(own.e164, other.e164)) }
        }
        Ok(own) if own.is_valid() || !is_own_code || !other.is_valid() => Ok(own),
        Err(error) if !is_own_code || !other.is_valid() => Err(error),
        _ => Ok(other),
    }
}

/// Digits as they are dialled inside the region, abroad included.
fn national(digits: &str, region: Region) -> Result<Reading, Unread> {
    let number =
        PHONE_NUMBER_UTIL.parse_and_keep_raw_input(digits, Some(region)).map_err(|error| unread(&error))?;
    let (nsn, code) = (significant(&number), number.country_code);
    let behind_code =
        |digits: &str| digits.strip_prefix(&code.to_string()).is_some_and(|rest| follows(rest, &nsn, code));
    let is_local = is_local(digits, &nsn, code);
    let is_written = match number.country_code_source() {
        CountryCodeSource::FromDefaultCountry => is_local || follows(digits, &nsn, code),
        CountryCodeSource::FromNumberWithoutPlusSign => behind_code(digits),
        // The prefix itself is the region's: libphonenumber matched it.
        CountryCodeSource::FromNumberWithIdd => {
            (1..digits.len()).any(|at| digits.get(at..).is_some_and(behind_code))
        }
        _ => false,
    };
    let reading = held(number, is_written)?;
    // An area code that was not written is added to a whole number only.
    if is_local && !reading.is_valid() { Err(Unread::Altered(reading.e164)) } else { Ok(reading) }
}

/// What a telephone of the region reaches with these digits: libphonenumber's reading with all its repairs.
/// To say whose number a carrier may have meant, never whom to text.
pub(super) fn dialled(digits: &str, region: Region) -> Result<Reading, Unread> {
    PHONE_NUMBER_UTIL
        .parse(digits, Some(region))
        .map_err(|error| unread(&error))
        .and_then(|number| held(number, true))
}

/// What may be taken of libphonenumber's number.
fn held(number: PhoneNumber, is_written: bool) -> Result<Reading, Unread> {
    let util = &*PHONE_NUMBER_UTIL;
    let e164 = util.format(&number, PhoneNumberFormat::E164).into_owned();
    if !is_written || e164 != format!("+{}{}", number.country_code, significant(&number)) {
        return Err(Unread::Altered(e164));
    }
    if e164.len() > MOST_DIGITS + 1 {
        return Err(Unread::TooLong);
    }
    // Only where regions share a code does finding the region look at the patterns, which its kind does
    // again.
    let region = util.get_region_for_number(&number);
    let kind = if region.is_some() { util.get_number_type(&number) } else { PhoneNumberType::Unknown };
    Ok(Reading { is_possible: util.is_possible_number(&number), number, e164, region, kind })
}

/// Whether the digits are the national number, alone or behind a prefix that is dialled inside the country,
/// or are it as Argentina writes it.
fn follows(digits: &str, nsn: &str, code: i32) -> bool {
    let prefixes =
        PREFIXES.iter().find(|(country, _)| *country == code).map_or(ZERO, |(_, prefixes)| prefixes);
    let is_behind = |prefix: &&str| digits.strip_prefix(prefix) == Some(nsn);
    digits == nsn || prefixes.iter().any(is_behind) || code == ARGENTINA && is_argentine_mobile(digits, nsn)
}

/// Inside Argentina a mobile number is written 011 15 2345-6789, from abroad +54 9 11 2345-6789: the 15
/// behind the area code becomes a 9 before it. That is the plan's own rule, and no other number is written
/// with that 15.
fn is_argentine_mobile(digits: &str, nsn: &str) -> bool {
    let digits = digits.strip_prefix('0').unwrap_or(digits);
    let Some(bare) = nsn.strip_prefix('9') else { return false };
    (2..=4).any(|area| {
        bare.split_at_checked(area).is_some_and(|(area, rest)| digits == format!("{area}15{rest}"))
    })
}

/// Whether the digits are a local number of North America, and libphonenumber put the area code before them:
/// it does so for the regions that have one area code alone, such as Barbados, where nobody writes it.
fn is_local(digits: &str, nsn: &str, code: i32) -> bool {
    code == NORTH_AMERICA && digits.len() == 7 && nsn.len() == 10 && nsn.ends_with(digits)
}

pub(super) fn significant(number: &PhoneNumber) -> String {
    get_national_significant_number_owned(number)
}

fn only_digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn unread(error: &ParseError) -> Unread {
    match error {
        ParseError::InvalidCountryCode => Unread::NoCountryCode,
        ParseError::NotANumber(_) => Unread::NotANumber,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => Unread::TooShort,
        ParseError::TooLongNsn => Unread::TooLong,
    }
}
