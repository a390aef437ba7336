//! Senders that are names: where phones may be shown one at all.
//!
//! A name (an alphanumeric sender ID, such as `ACME`) is nobody's to answer, and some countries let no text
//! in that shows one. Vendors differ in what they do then: one refuses it, another replaces the name without
//! a word. So it is refused before anybody is asked. Others demand that it be registered: what is not, is
//! blocked or replaced there by some networks, and nobody tells the sender.
//!
//! Source: the vendors' lists by country (Telnyx, alphanumeric sender ID, and its guide on compliance; AWS,
//! features and registrations of senders; sgnic.sg for Singapore).

use super::fold::glance;
use super::number::Number;
use super::untrusted::escape;

/// Countries whose networks carry no text from a name, whoever sends it.
const NO_NAMES: [&str; 4] = ["US", "CA", "PR", "CN"];

/// Countries that demand that a name be registered before phones show it. A country that is not here may
/// demand it too.
const REGISTERED: [&str; 23] = [
    "AE", "AT", "AU", "BY", "EG", "ES", "FI", "FR", "ID", "IE", "IN", "JO", "KE", "KW", "KZ", "LK", "PH",
    "QA", "RU", "SA", "SG", "TH", "TR",
];

/// Most characters of a name.
const MOST: usize = 11;

/// Whether a sender is a name, and no number or short code.
pub fn is_name(from: &str) -> bool {
    from.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether a sender is a number or a short code as vendors take them: 3 to 15 digits, and 7 at least behind a
/// plus (ITU-T E.164, section 6.2.1).
pub fn is_number_or_code(from: &str) -> bool {
    let digits = from.strip_prefix('+').unwrap_or(from);
    (3..=15).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits.len() == from.len() || digits.len() >= 7)
}

/// Whether a name has the form that every network takes: 1 to 11 letters, digits and spaces, one letter at
/// least.
pub fn is_plain_name(from: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b' ';
    is_name(from) && from.len() <= MOST && from.bytes().all(is_plain)
}

/// Why no text with this sender arrives at this person, where that is known of the country.
pub fn why_not(from: &str, to: &Number) -> Option<String> {
    let country = named_in(from, to, &NO_NAMES)?;
    Some(format!(
        "no network in {country} carries a text from a name such as \"{}\"; a number must send it",
        escape(from)
    ))
}

/// The country of this person where this sender, a name, must be registered.
pub fn registered_in(from: &str, to: &Number) -> Option<&'static str> {
    named_in(from, to, &REGISTERED)
}

/// The country of this person, if it is among these and the sender is a name. What is longer than a name is a
/// vendor's word for whoever it chooses.
fn named_in(from: &str, to: &Number, countries: &'static [&str]) -> Option<&'static str> {
    let region = to.region()?;
    let country = countries.iter().find(|country| **country == region.as_str())?;
    (is_name(from) && from.len() <= MOST).then_some(*country)
}

/// Whether two senders are one to who reads them: in another case, with look-alike letters, spaces or signs, or
/// as a number with or without its plus and zeros.
pub fn looks_like(one: &str, other: &str) -> bool {
    let number = |text: &str| {
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && !"+-.()".contains(*c)).collect();
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.trim_start_matches('0').to_owned())
    };
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other || (!glance(one).is_empty() && glance(one) == glance(other)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn another_spelling_of_a_sender_is_that_sender() {
        for (one, other) in [
            ("PROMO", "PROMO "),
            ("PROMO", " promo"),
            ("PROMO", "PR0MO"),
            ("+14155550100", "14155550100"),
            ("+14155550100", "0014155550100"),
            ("+14155550100", "+1 (415) 555-0100"),
        ] {
            assert!(looks_like(one, other) && looks_like(other, one), "{one} {other}");
        }
        for (one, other) in
            [("PROMO", "INFO"), ("+14155550100", "+14155550101"), ("12345", "ACME"), ("", "ACME")]
        {
            assert!(!looks_like(one, other), "{one} {other}");
        }
    }

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
    fn a_number_has_its_digits_and_behind_a_plus_at_least_seven() {
        for (from, is_one) in [
            ("+12025550123", true),
            ("36179", true),
            ("123", true),
            ("12", false),
            ("+123456", false),
            ("+1234567", true),
            ("+1234567890123456", false),
            ("++1234567", false),
            ("1202 555", false),
            ("ACME", false),
            ("", false),
        ] {
            assert_eq!(is_number_or_code(from), is_one, "{from}");
        }
    }

    #[test]
    fn some_countries_take_no_names_some_want_them_registered_and_the_others_are_not_guessed() {
        for (number, never, registered) in [
            ("+12025550123", Some("US"), None),
            ("+16135550123", Some("CA"), None),
            ("+17875550123", Some("PR"), None),
            ("+8613800138000", Some("CN"), None),
            ("+12425550123", None, None),
            ("+447700900000", None, None),
            ("+33612345678", None, Some("FR")),
            ("+6581234567", None, Some("SG")),
            ("+919876543210", None, Some("IN")),
        ] {
            let to = Number::parse(number, None).unwrap();
            let refused = why_not("ACME", &to);
            assert_eq!(refused.is_some(), never.is_some(), "{number}: {refused:?}");
            assert!(refused.unwrap_or_default().contains(never.unwrap_or_default()), "{number}");
            assert_eq!(registered_in("ACME", &to), registered, "{number}");
            // A number, a short code, and Twilio's SID of a Messaging Service are no names.
            for from in ["+12025550100", "36179", "MG0123456789abcdef0123456789abcdef"] {
                assert_eq!((why_not(from, &to), registered_in(from, &to)), (None, None), "{number} {from}");
            }
        }
    }
}
