//! Numbers of people as vendors write them: with a plus, with zeros or with neither before the country code.

use crate::sms::caller_id::{Sender, same_phone};
use crate::sms::number::Number;

/// Fewest digits of a number with its country code; what has fewer is a short code.
const FEWEST: usize = 7;

/// The digits of a number with its country code, however the vendor writes it: `+33..`, `0033..` or `33..`,
/// with or without what stands between them. What has a plus has no zeros before the country code that could
/// be taken off.
pub fn digits(written: &str) -> String {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    match digits.strip_prefix("00") {
        Some(rest) if !written.trim_start().starts_with('+') => rest.to_owned(),
        _ => digits,
    }
}

/// Whether what the vendor wrote is this number.
pub fn is_same(written: &str, number: &Number) -> bool {
    number.e164().strip_prefix('+') == Some(digits(written).as_str())
}

/// Whether what the vendor wrote is plainly somebody else's number: whole, and neither this one nor another
/// spelling of the same phone. What a vendor writes without its country code, or with dots in the place of
/// digits, is nobody's plainly.
pub fn is_another(written: &str, number: &Number) -> bool {
    let is_plain = written.trim().chars().all(|c| c.is_ascii_digit() || " +()-.".contains(c));
    let (ours, theirs) = (number.e164(), digits(written));
    if !is_plain || ours.ends_with(theirs.trim_start_matches('0')) {
        return false;
    }
    self::number(written)
        .filter(Number::is_possible)
        .is_some_and(|read| read != *number && !same_phone(ours).iter().any(|same| same == read.e164()))
}

/// The number that the vendor wrote, where it is one.
pub fn number(written: &str) -> Option<Number> {
    Number::parse(&format!("+{}", digits(written)), None).ok()
}

/// Who a vendor says wrote that has numbers with their country code and without a plus: that number, where it
/// is one, else the short code or the name as it is.
pub fn sender(written: &str) -> Sender {
    let is_number = written.len() >= FEWEST && written.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_number { number(written) } else { None };
    number.map_or_else(|| Sender::of(written), |number| Sender::known(&number))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sender_is_a_number_with_its_country_code_and_anything_else_is_as_it_is() {
        for (written, expected) in [
            ("41791234567", Sender::E164("+41791234567".to_owned())),
            ("+41791234567", Sender::E164("+41791234567".to_owned())),
            ("36179", Sender::AsWritten("36179".to_owned())),
            ("ACME", Sender::AsWritten("ACME".to_owned())),
            ("4179123456x", Sender::AsWritten("4179123456x".to_owned())),
            ("0791234567", Sender::AsWritten("0791234567".to_owned())),
        ] {
            assert!(sender(written) == expected, "{written}");
        }
    }

    #[test]
    fn somebody_else_is_a_whole_number_that_is_not_this_phones() {
        let person = Number::parse("+41791234567", None).unwrap();
        for other in ["+41791234568", "41791234568", "0041 79 123 45 68", "+1 202 555 0100"] {
            assert!(is_another(other, &person), "{other}");
        }
        for same in [
            "+41791234567",
            "41791234567",
            "0791234567",
            "791234567",
            "+4179***4568",
            "+4179xxx4568",
            "36179",
            "ACME",
            "tel:+41791234568",
            "",
        ] {
            assert!(!is_another(same, &person), "{same}");
        }
        let mexican = Number::parse("+525512345678", None).unwrap();
        assert!(!is_another("+5215512345678", &mexican), "another spelling of the same phone");
    }

    #[test]
    fn one_number_in_every_writing_is_one_and_no_digit_is_gained_or_lost() {
        let person = Number::parse("+41791234567", None).unwrap();
        for written in [
            "+41791234567",
            "0041791234567",
            "41791234567",
            " +41 79 123 45 67",
            "+41 (79) 123-45-67",
            "00 41 79 1234567",
        ] {
            assert!(is_same(written, &person), "{written}");
            assert_eq!(number(written).as_ref(), Some(&person), "{written}");
        }
        for other in [
            "+0041791234567",
            "0791234567",
            "791234567",
            "4179123456",
            "417912345678",
            "000041791234567",
            "",
            "+",
        ] {
            assert!(!is_same(other, &person), "{other}");
            assert_ne!(number(other).as_ref(), Some(&person), "{other}");
        }
    }
}
