//! Numbers in plain international form, read without libphonenumber's parser: a country code, and a national
//! number from which that parser takes nothing off.
//!
//! Most numbers come so, and the parser asks two long patterns of each first: whether the text can be a
//! number, and whether it ends in an extension. Of digits alone both answers are known. What the parser then
//! does is to take the country code off, and a national prefix where there is one; no prefix begins with a
//! digit that is not in [`PREFIX_DIGITS`].
//!
//! Source: `nationalPrefixForParsing` in the metadata of libphonenumber, of each code's main region. A test
//! derives the digits from it, and holds every number read here to the parser's.

use std::sync::LazyLock;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber};

/// With which digits something that the parser takes off can begin, by country code, where that is not a 0
/// alone.
#[rustfmt::skip]
const PREFIX_DIGITS: [(i32, &str); 18] = [
    (1, "1"), (7, "8"), (44, "01"), (54, "0123"), (55, "09"), (61, "01"), (86, "01"), (261, "02456789"), (298, "1"),
    (352, "1"), (370, "08"), (375, "08"), (378, "89"), (423, "01"), (506, "1"), (672, "01258"), (692, "1"), (993, "8"),
];

/// Digits of a national number that is read here. The parser leaves very short ones alone, and refuses very
/// long ones.
const NATIONAL: std::ops::RangeInclusive<usize> = 5..=14;

/// For each number of up to three digits whether it is a country code.
static CODES: LazyLock<Vec<bool>> = LazyLock::new(|| {
    let mut codes = vec![false; 1_000];
    for code in calling_codes() {
        if let Some(place) = usize::try_from(code).ok().and_then(|code| codes.get_mut(code)) {
            *place = true;
        }
    }
    codes
});

/// Every calling code that a number can begin with, in no order.
pub fn calling_codes() -> impl Iterator<Item = i32> {
    PHONE_NUMBER_UTIL
        .get_supported_calling_codes()
        .chain(PHONE_NUMBER_UTIL.get_supported_global_network_calling_codes())
}

/// The number of these digits, or `None` where it takes the parser to say.
pub(super) fn read(digits: &str) -> Option<PhoneNumber> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.starts_with('0') {
        return None;
    }
    let is_code = |length: &usize| {
        let code = digits.get(..*length).and_then(|code| code.parse::<usize>().ok());
        code.and_then(|code| CODES.get(code)).is_some_and(|is_code| *is_code)
    };
    let (code, national) = digits.split_at_checked((1..=3).find(is_code)?)?;
    let country_code = code.parse().ok()?;
    let first = national.chars().next()?;
    let own = PREFIX_DIGITS.iter().find(|(code, _)| *code == country_code);
    // A leading zero is never read here: it is a prefix, or a part of the number as in Italy.
    let is_prefix = first == '0' || own.is_some_and(|(_, digits)| digits.contains(first));
    if is_prefix || !NATIONAL.contains(&national.len()) {
        return None;
    }
    Some(PhoneNumber { country_code, national_number: national.parse().ok()?, ..PhoneNumber::default() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use regex_syntax::hir::{Class, Hir, HirKind};

    use super::*;

    /// The digits with which what a pattern matches can begin, and whether it can match nothing.
    fn first(pattern: &Hir, digits: &mut BTreeSet<char>) -> bool {
        match pattern.kind() {
            HirKind::Empty | HirKind::Look(_) => true,
            HirKind::Literal(literal) => {
                digits.insert(char::from(literal.0[0]));
                false
            }
            HirKind::Class(Class::Unicode(class)) => {
                digits.extend(
                    ('0'..='9').filter(|digit| {
                        class.iter().any(|range| (range.start()..=range.end()).contains(digit))
                    }),
                );
                false
            }
            HirKind::Class(Class::Bytes(class)) => {
                digits.extend(('0'..='9').filter(|digit| {
                    class.iter().any(|range| (range.start()..=range.end()).contains(&(*digit as u8)))
                }));
                false
            }
            HirKind::Repetition(repetition) => first(&repetition.sub, digits) || repetition.min == 0,
            HirKind::Capture(capture) => first(&capture.sub, digits),
            HirKind::Concat(parts) => parts.iter().all(|part| first(part, digits)),
            HirKind::Alternation(ways) => {
                let empty: Vec<bool> = ways.iter().map(|way| first(way, digits)).collect();
                empty.contains(&true)
            }
        }
    }

    #[test]
    fn the_digits_of_prefixes_are_those_of_the_metadata() {
        let database = &phonenumber::metadata::DATABASE;
        let mut found = Vec::new();
        for code in calling_codes() {
            let region = PHONE_NUMBER_UTIL.get_region_for_country_code(code);
            let all = database.by_code(&u16::try_from(code).unwrap()).unwrap_or_default();
            let main = region
                .and_then(|region| database.by_id(&*region.as_region_str()))
                .or_else(|| all.first().copied());
            // Where the metadata names no pattern, what the parser takes off is the national prefix itself.
            let pattern = main.and_then(|main| {
                let pattern = main.national_prefix_for_parsing().map(|pattern| pattern.as_str());
                pattern.or(main.national_prefix())
            });
            let Some(pattern) = pattern else { continue };
            let mut parser = regex_syntax::ParserBuilder::new();
            let mut parser = parser.unicode(false).utf8(false).ignore_whitespace(true).build();
            let mut digits = BTreeSet::new();
            first(&parser.parse(pattern).unwrap(), &mut digits);
            if digits.iter().any(|digit| *digit != '0') {
                found.push((code, String::from_iter(digits)));
            }
        }
        found.sort();
        let listed: Vec<_> =
            PREFIX_DIGITS.iter().map(|(code, digits)| (*code, (*digits).to_owned())).collect();
        assert_eq!(listed, found);
    }

    fn held_to_the_parser(digits: &str) {
        if let Some(number) = read(digits) {
            assert_eq!(PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).as_ref(), Ok(&number), "{digits}");
        }
    }

    #[test]
    fn every_beginning_of_every_country_reads_as_the_parser_reads_it() {
        let mut count = 0;
        for code in calling_codes() {
            for beginning in 0..1_000 {
                for tail in ["23", "2345", "234567", "0123456", "23456789"] {
                    let digits = format!("{code}{beginning:03}{tail}");
                    count += u32::from(read(&digits).is_some());
                    held_to_the_parser(&digits);
                }
            }
        }
        assert!(count > 500_000, "{count} were read here");
    }

    proptest! {
        #[test]
        fn any_digits_read_as_the_parser_reads_them(digits in "[0-9]{0,17}") {
            held_to_the_parser(&digits);
        }
    }

    #[test]
    fn what_is_no_plain_number_is_left_to_the_parser() {
        for digits in [
            "",
            "0",
            "33",
            "336",
            "3301234567",
            "390612345678",
            "112025550123",
            "999123456",
            "+33612345678",
            "3361234567８",
        ] {
            assert_eq!(read(digits), None, "{digits}");
        }
    }
}
