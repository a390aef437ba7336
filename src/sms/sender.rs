//! Senders that are names: where phones may be shown one at all.
//!
//! A name (an alphanumeric sender ID, such as `ACME`) is nobody's to answer, and some countries let no text
//! in that shows one. Vendors differ in what they do then: one refuses it, another replaces the name without
//! a word. So it is refused before anybody is asked.
//!
//! Source: the vendors' lists by country (Telnyx, alphanumeric sender ID; AWS, features of senders).

use super::number::Number;

/// Countries whose networks carry no text from a name, whoever sends it.
const NO_NAMES: [&str; 4] = ["US", "CA", "PR", "CN"];

/// Most characters of a name.
const MOST: usize = 11;

/// Whether a sender is a name, and no number or short code.
pub fn is_name(from: &str) -> bool {
    from.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether a name has the form that every network takes: 1 to 11 letters, digits and spaces, one letter at
/// least.
pub fn is_plain_name(from: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ';
    is_name(from) && from.len() <= MOST && from.bytes().all(is_plain)
}

/// The country of this person where no text from a name arrives.
pub fn names_nobody_in(to: &Number) -> Option<&'static str> {
    let region = to.region()?;
    NO_NAMES.into_iter().find(|country| *country == region.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_is_told_from_a_number_and_has_a_form() {
        for (from, name, plain) in [
            ("ACME", true, true),
            ("Acme Ltd 24", true, true),
            ("7eleven", true, true),
            ("Acme Limited", true, false),
            ("A&B", true, false),
            ("Caf\u{e9}", true, false),
            ("+12025550123", false, false),
            ("36179", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_name(from), is_plain_name(from)), (name, plain), "{from}");
        }
    }

    #[test]
    fn some_countries_take_no_names_and_the_others_are_not_guessed() {
        let country = |number: &str| names_nobody_in(&Number::parse(number, None).unwrap());
        for (number, expected) in [
            ("+12025550123", Some("US")),
            ("+16135550123", Some("CA")),
            ("+17875550123", Some("PR")),
            ("+8613800138000", Some("CN")),
            ("+12425550123", None),
            ("+33199000001", None),
            ("+447700900000", None),
        ] {
            assert_eq!(country(number), expected, "{number}");
        }
    }
}
