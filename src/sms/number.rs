//! Phone numbers: whatever a person or an agent writes becomes one E.164 number, or an error that says how to
//! write it.
//!
//! A [`Number`] is what the rest of the crate keys on (recipients, opt-outs, limits), so two spellings of one
//! phone must become one value. Parsing follows Google's libphonenumber (crate `rlibphonenumber`) and, like
//! it, accepts a number that no phone has: [`Number::is_valid`] and [`Number::kind`] tell, and the caller
//! decides. Neither says that the phone exists or takes texts. The first number parsed costs some
//! milliseconds, in which the numbering plans are unpacked for the life of the process. No I/O, no clock.
//!
//! In doubt about who a number is, nobody is texted: `spelling` takes what people write as numbers and
//! nothing else, and `reading` takes of libphonenumber's answer only what was written, and `heads` looks for
//! what stands before a number. The crate's own types stay in this file and those two.
//!
//! Source: ITU-T E.164 (at most 15 digits, country code first), E.123 (how people write them).

mod heads;
mod plain;
mod reading;
mod spelling;

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

pub use plain::calling_codes;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberType};

use reading::{Reading, Unread};
pub use spelling::Misspelling;

/// Characters in an input, surrounding space aside: the longest spelling of 15 digits is well under it, and a
/// longer input is a text, not a number.
pub const MAX_INPUT_CHARS: usize = 64;

/// A country or territory that has a numbering plan, by its ISO 3166-1 alpha-2 code (and `AC`, `TA`, `XK`,
/// which libphonenumber adds).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region([u8; 2]);

impl Region {
    /// Two upper-case letters, such as `FR`.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The calling code of its numbers, such as 33.
    pub fn calling_code(self) -> Option<i32> {
        PHONE_NUMBER_UTIL.get_country_code_for_region(self.outside()?)
    }

    /// Whether no other country has the same calling code.
    pub fn has_its_code_alone(self) -> bool {
        let sharing =
            self.calling_code().and_then(|code| PHONE_NUMBER_UTIL.get_regions_for_country_calling_code(code));
        sharing.is_some_and(|mut sharing| sharing.next().is_some() && sharing.next().is_none())
    }

    /// Every region that has a numbering plan, in no order.
    pub fn all() -> impl Iterator<Item = Self> {
        PHONE_NUMBER_UTIL.get_supported_regions().filter_map(Self::inside)
    }

    fn outside(self) -> Option<rlibphonenumber::Region> {
        rlibphonenumber::Region::from_code(self.as_str()).ok()
    }

    /// `None` for the world, `001`, which has three characters.
    fn inside(region: rlibphonenumber::Region) -> Option<Self> {
        region.as_region_str().as_bytes().try_into().ok().map(Self)
    }
}

impl FromStr for Region {
    type Err = RegionError;

    /// Reads two letters in either case; a code without a numbering plan is an error.
    fn from_str(code: &str) -> Result<Self, RegionError> {
        let region =
            code.as_bytes().try_into().map(|code: [u8; 2]| Self(code.map(|byte| byte.to_ascii_uppercase())));
        let plan = |region: Self| PHONE_NUMBER_UTIL.get_country_code_for_region(region.outside()?);
        let known = region.ok().filter(|region| plan(*region).is_some());
        known.ok_or_else(|| RegionError { code: code.chars().take(MAX_INPUT_CHARS).collect() })
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the code of a region that has phone numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionError {
    code: String,
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = if self.code.eq_ignore_ascii_case("UK") { "; the United Kingdom is GB" } else { "" };
        write!(
            f,
            "{:?} is no region: write the two letters of ISO 3166-1, such as US, GB or FR{hint}",
            self.code
        )
    }
}

impl std::error::Error for RegionError {}

/// What a number is for, as far as its digits tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberKind {
    /// A line to a place.
    FixedLine,
    /// A mobile phone.
    Mobile,
    /// One of the two: the plan does not tell them apart, as in North America.
    FixedLineOrMobile,
    /// The one called pays.
    TollFree,
    /// The caller pays more than for a usual number; texts to it can be a fraud.
    PremiumRate,
    /// Both pay.
    SharedCost,
    /// A phone on the Internet.
    Voip,
    /// Follows a person from phone to phone, often at a higher rate.
    PersonalNumber,
    /// A pager.
    Pager,
    /// Universal access number: one number for a company's many lines.
    Uan,
    /// A voice mailbox.
    Voicemail,
    /// The number is not valid, so it is of no kind.
    Unknown,
}

impl NumberKind {
    /// Snake case, such as `premium_rate`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FixedLine => "fixed_line",
            Self::Mobile => "mobile",
            Self::FixedLineOrMobile => "fixed_line_or_mobile",
            Self::TollFree => "toll_free",
            Self::PremiumRate => "premium_rate",
            Self::SharedCost => "shared_cost",
            Self::Voip => "voip",
            Self::PersonalNumber => "personal_number",
            Self::Pager => "pager",
            Self::Uan => "uan",
            Self::Voicemail => "voicemail",
            Self::Unknown => "unknown",
        }
    }

    fn inside(kind: PhoneNumberType) -> Self {
        match kind {
            PhoneNumberType::FixedLine => Self::FixedLine,
            PhoneNumberType::Mobile => Self::Mobile,
            PhoneNumberType::FixedLineOrMobile => Self::FixedLineOrMobile,
            PhoneNumberType::TollFree => Self::TollFree,
            PhoneNumberType::PremiumRate => Self::PremiumRate,
            PhoneNumberType::SharedCost => Self::SharedCost,
            PhoneNumberType::VoIP => Self::Voip,
            PhoneNumberType::PersonalNumber => Self::PersonalNumber,
            PhoneNumberType::Pager => Self::Pager,
            PhoneNumberType::UAN => Self::Uan,
            PhoneNumberType::VoiceMail => Self::Voicemail,
            PhoneNumberType::Unknown => Self::Unknown,
        }
    }
}

/// A phone number in E.164, with what its digits tell. Equal, and hashed, by the E.164 form.
#[derive(Clone, Debug)]
pub struct Number {
    e164: String,
    calling_code: u16,
    region: Option<Region>,
    kind: NumberKind,
    possible: bool,
}

impl Number {
    /// Reads a number in any usual spelling: `+33 6 12 34 56 78`, `0033 (0)6 12345678`, `tel:+33-6-12345678`,
    /// or, with a default region, as written inside it (`06 12 34 56 78`). Surrounding space is ignored, and
    /// so is the default region for a number with a country code. Never is a digit gained, lost or guessed,
    /// other than a prefix that says nothing of the person; what stands before or behind a number is refused.
    ///
    /// `00` counts as `+` everywhere, also where people dial something else, unless the digits are a number
    /// in use for the default region alone (0011 in Australia is its own international prefix). Digits
    /// without either are a number of the default region, unless they are a number in use with a plus before
    /// them too, and the region would not write them so.
    ///
    /// # Errors
    /// [`NumberError`] if no number can be read, or more than one. A number that can be read and is of no use
    /// is not an error: see [`is_valid`](Self::is_valid).
    pub fn parse(input: &str, default_region: Option<Region>) -> Result<Self, NumberError> {
        let input = input.trim();
        if input.is_empty() {
            return Err(NumberError::Empty);
        }
        if input.chars().nth(MAX_INPUT_CHARS).is_some() {
            return Err(NumberError::InputTooLong);
        }
        let region = default_region.and_then(Region::outside);
        let misspelt = |why| NumberError::Misspelt { input: input.to_owned(), why };
        let written = spelling::read(input).map_err(misspelt)?;
        let found = reading::read(&written, region);
        for (before, tail) in written.before_tails() {
            if reading::read(&before, region).is_ok_and(|number| number.is_valid()) {
                return Err(misspelt(Misspelling::Tail(tail.to_owned())));
            }
        }
        if let Some(head) = heads::find(&written, region, &found) {
            return Err(misspelt(Misspelling::Head(head.to_owned())));
        }
        Self::of(found.map_err(|unread| NumberError::of(input, unread))?)
            .ok_or_else(|| NumberError::UnknownCallingCode(input.to_owned()))
    }

    /// The number that a telephone of the region reaches with these digits, carrier codes and old prefixes
    /// included. For whose number a carrier may have written; whom to text is for [`parse`](Self::parse) to
    /// say.
    pub fn dialled(digits: &str, region: Region) -> Option<Self> {
        reading::dialled(digits, region.outside()?).ok().and_then(Self::of)
    }

    /// `None` if the country code is none.
    fn of(reading: Reading) -> Option<Self> {
        let Reading { number, e164, region, kind, is_possible } = reading;
        Some(Self {
            e164,
            calling_code: u16::try_from(number.country_code).ok()?,
            region: region.and_then(Region::inside),
            kind: NumberKind::inside(kind),
            possible: is_possible,
        })
    }

    /// `+`, country code, national number, digits only: `+33612345678`.
    pub fn e164(&self) -> &str {
        &self.e164
    }

    /// The country calling code, 1 to 999.
    pub fn calling_code(&self) -> u16 {
        self.calling_code
    }

    /// The region whose plan the number is in. `None` for a number of the whole world (satellite and
    /// international services, region `001` in libphonenumber), and for a number that fits no region of a
    /// shared code.
    pub fn region(&self) -> Option<Region> {
        self.region
    }

    /// What the number is for.
    pub fn kind(&self) -> NumberKind {
        self.kind
    }

    /// Whether the digits fit the plan of the region: length and leading digits.
    pub fn is_valid(&self) -> bool {
        self.kind != NumberKind::Unknown
    }

    /// Whether the length fits. A number that is possible and not valid is perhaps newer than the plans known
    /// here.
    pub fn is_possible(&self) -> bool {
        self.possible
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.e164 == other.e164
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.e164.hash(state);
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.e164)
    }
}

/// Why no number could be read, with the input it is about. Each message says what was read and what would be
/// right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberError {
    /// Nothing but space.
    Empty,
    /// More than [`MAX_INPUT_CHARS`] characters.
    InputTooLong,
    /// National digits, and no default region to read them in.
    NoCountryCode(String),
    /// The digits after `+` start with no country code.
    UnknownCallingCode(String),
    /// Not the spelling of one number.
    Misspelt {
        /// What was written.
        input: String,
        /// What is wrong with it.
        why: Misspelling,
    },
    /// Digits that are no number.
    NotANumber(String),
    /// Too few digits for any number.
    TooShort(String),
    /// Too many digits for any number.
    TooLong(String),
    /// Digits that can be two numbers in use.
    Ambiguous {
        /// What was written.
        input: String,
        /// One of the numbers, in E.164.
        one: String,
        /// The other.
        other: String,
    },
    /// Digits that would have to be changed to be a number.
    Altered {
        /// What was written.
        input: String,
        /// The number that they would become, in E.164.
        read: String,
    },
}

impl NumberError {
    fn of(input: &str, unread: Unread) -> Self {
        let input = input.to_owned();
        match unread {
            Unread::NoCountryCode => Self::NoCountryCode(input),
            Unread::UnknownCallingCode => Self::UnknownCallingCode(input),
            Unread::NotANumber => Self::NotANumber(input),
            Unread::TooShort => Self::TooShort(input),
            Unread::TooLong => Self::TooLong(input),
            Unread::Ambiguous(one, other) => Self::Ambiguous { input, one, other },
            Unread::Altered(read) => Self::Altered { input, read },
        }
    }
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const RIGHT: &str = "write it as +<country code><number>";
        match self {
            Self::Empty => write!(f, "the phone number is empty: {RIGHT}"),
            Self::InputTooLong => {
                write!(f, "more than {MAX_INPUT_CHARS} characters are no phone number: {RIGHT}")
            }
            Self::NoCountryCode(input) => write!(f, "{input:?} has no country code: {RIGHT}"),
            Self::UnknownCallingCode(input) => {
                write!(
                    f,
                    "{input:?} does not start with the calling code of any country: {RIGHT}, such as \
                     +33612345678"
                )
            }
            Self::Misspelt { input, why } => write!(
                f,
                "{input:?} is not a phone number: {why}; {RIGHT} and nothing else, one number at a time"
            ),
            Self::NotANumber(input) => write!(f, "{input:?} is not a phone number: {RIGHT}"),
            Self::TooShort(input) => write!(f, "{input:?} has too few digits: {RIGHT}, with all its digits"),
            Self::TooLong(input) => {
                write!(f, "{input:?} has too many digits: E.164 allows 15, country code included")
            }
            Self::Ambiguous { input, one, other } => {
                write!(f, "{input:?} can be {one} or {other}: ask which, and {RIGHT}, with the +")
            }
            Self::Altered { input, read } => {
                write!(
                    f,
                    "{input:?} is no number as it is written, and {read} would have other digits: {RIGHT}"
                )
            }
        }
    }
}

impl std::error::Error for NumberError {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;
    use proptest::prelude::*;

    fn region(code: &str) -> Option<Region> {
        Some(code.parse().unwrap())
    }

    fn e164(input: &str, default_region: Option<Region>) -> String {
        Number::parse(input, default_region)
            .map_or_else(|error| error.to_string(), |number| number.to_string())
    }

    /// What the reference reads and we do not: it adds a 3, it drops 05 as a carrier's code, +61 16 312 is a
    /// pager by itself, so that the 34 behind it may be a tail, and 786 1234 is a mobile of Liechtenstein, so
    /// that the 69 before it may be a row.
    const REFUSED: [&str; 4] = ["+67210609", "69 786 1234", "+570590271234", "+61 16 312 34"];

    #[test]
    fn every_number_reads_as_in_the_reference() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/phones.json");
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(cases.len(), 1386);
        let mut refused = Vec::new();
        for case in cases {
            let parsed =
                Number::parse(case["input"].as_str().unwrap(), case["region"].as_str().and_then(region));
            let Ok(number) = parsed else {
                refused.extend(
                    case["ok"].as_bool().unwrap().then(|| case["input"].as_str().unwrap().to_owned()),
                );
                continue;
            };
            assert_eq!(case["ok"], true, "{case}");
            assert_eq!(number.e164(), case["e164"], "{case}");
            assert_eq!(
                number.e164(),
                format!("+{}{}", number.calling_code(), case["nsn"].as_str().unwrap()),
                "{case}"
            );
            assert_eq!(number.calling_code(), case["cc"], "{case}");
            assert_eq!(number.is_valid(), case["valid"], "{case}");
            assert_eq!(number.is_possible(), case["possible"], "{case}");
            assert_eq!(number.kind().as_str().to_uppercase(), case["type"], "{case}");
            let region = number.region().map(|region| region.to_string());
            assert_eq!(region.as_deref(), case["rc"].as_str().filter(|code| *code != "001"), "{case}");
        }
        assert_eq!(refused, REFUSED);
    }

    #[test]
    fn the_prefix_00_means_plus_unless_the_default_region_knows_better() {
        for default in [None, region("US"), region("AU"), region("BR"), region("JP"), region("FR")] {
            assert_eq!(e164("0033 6 12 34 56 78", default), "+33612345678");
            assert_eq!(e164(" 00 61 412 345 678\n", default), "+61412345678");
        }
        assert_eq!(e164("0011 1 202 456 1111", region("AU")), "+12024561111");
        assert_eq!(e164("06 12 34 56 78", region("FR")), "+33612345678");
        assert!(e164("00999123456", None).contains("calling code of any country"));
    }

    #[test]
    fn an_error_says_what_would_be_right() {
        let right = "\"0612345678\" has no country code: write it as +<country code><number>";
        assert_eq!(e164("0612345678", None), right);
        assert_eq!(Number::parse(" ", None), Err(NumberError::Empty));
        assert_eq!(Number::parse(&"1".repeat(65), None), Err(NumberError::InputTooLong));
        for (input, part) in [
            ("+999123456789", "calling code of any country"),
            ("Bob", "is not a phone number"),
            ("+33612345678;phone-context=a;tel:5", "is not a phone number"),
            ("+33612345678, +33612345679", "is not a phone number"),
            ("+331", "too few digits"),
            ("+331234567890123456789", "too many digits"),
            ("+1 202 456 1111 ext. 5", "has an extension"),
        ] {
            assert!(e164(input, None).contains(part), "{input}: {}", e164(input, None));
        }
    }

    #[test]
    fn a_region_is_two_letters_with_a_numbering_plan() {
        assert_eq!("fr".parse::<Region>().unwrap().to_string(), "FR");
        for code in ["", "F", "FRA", "F1", "é", "ZZ", "001", "uk"] {
            assert!(code.parse::<Region>().is_err(), "{code}");
        }
        assert!("UK".parse::<Region>().unwrap_err().to_string().ends_with("the United Kingdom is GB"));
    }

    proptest! {
        #[test]
        fn no_input_panics_and_an_e164_number_reads_as_itself(
            input in r"(\+|00|tel:|;isub=|x|#|[^a])?([-0-9 ()/xa+;０٣]|;ext=|;phone-context=|tel:){0,24}",
            code in prop::sample::select(vec!["US", "FR", "IT", "BR", "AU", "JP", "CI", "SM", "AR"]),
        ) {
            if let Ok(number) = Number::parse(&input, region(code)) {
                prop_assert!(number.e164().len() > 3 && number.e164()[1..].bytes().all(|b| b.is_ascii_digit()));
                if number.is_valid() {
                    prop_assert_eq!(Number::parse(number.e164(), None), Ok(number));
                }
            }
        }

        #[test]
        fn the_last_digits_of_a_number_are_the_last_that_were_written(
            input in r"(\+|00|tel:|\(|0)?[1-9][0-9]{0,3}([-. /()]{0,3}[0-9]{1,7}){1,5}([.,/*] ?[0-9]{1,2}|\)| \([0-9]\))?",
            code in prop::sample::select(vec!["US", "AT", "DE", "FI", "ID", "NZ", "IT", "BR", "AR", "BB", "RU", "HU"]),
        ) {
            if let Ok(number) = Number::parse(&input, region(code)).and_then(|number| number.is_valid().then_some(number).ok_or(NumberError::Empty)) {
                let bare = input.strip_suffix(".0").or_else(|| input.strip_suffix(".00"));
                let bare = bare.filter(|bare| bare.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit())).unwrap_or(&input);
                let written: String = bare.chars().filter(char::is_ascii_digit).collect();
                prop_assert!(written.ends_with(&number.e164()[number.e164().len() - 5..]),
                    "{input:?} is read as {number}");
                // A plus, a country code of three digits, or one of one digit and an area code.
                prop_assert!(written.len() + 5 >= number.e164().len(), "{input:?} is read as {number}");
            }
        }
    }
}
