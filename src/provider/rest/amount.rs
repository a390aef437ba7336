//! Amounts as vendors write them: as a number or as a text, with as many decimals as their arithmetic leaves.

use serde_json::Value;

/// Millionths in one.
const MICROS: i128 = 1_000_000;

/// Most digits before and after the point: no amount has as many, and they are all read.
const MOST_DIGITS: usize = 40;

/// What becomes of decimals beyond the sixth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Never less than it is: a price.
    Up,
    /// To the nearest: where they are the noise of the vendor's own arithmetic.
    Nearest,
}

/// Reads a decimal number into whole millionths, exactly up to six decimals. Nothing where it is no number,
/// is out of range, or is written in any way that could mean two things.
pub fn micros(text: &str, rounding: Rounding) -> Option<i64> {
    let text = text.trim();
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_plain = |part: &str| {
        !part.is_empty() && part.len() <= MOST_DIGITS && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_plain(whole) || !is_plain(fraction) {
        return None;
    }
    let kept: i128 = fraction.chars().chain("000000".chars()).take(6).collect::<String>().parse().ok()?;
    let rest = fraction.as_bytes().get(6..).unwrap_or_default();
    let is_more = match rounding {
        Rounding::Up => !is_negative && rest.iter().any(|digit| *digit != b'0'),
        Rounding::Nearest => rest.first().is_some_and(|digit| *digit >= b'5'),
    };
    let micros = whole.parse::<i128>().ok()?.checked_mul(MICROS)?.checked_add(kept + i128::from(is_more))?;
    i64::try_from(if is_negative { -micros } else { micros }).ok()
}

/// The same of what stands in JSON. A number with an exponent is nothing: what is so small, or so large, is
/// no price that anybody meant.
pub fn micros_of(value: &Value, rounding: Rounding) -> Option<i64> {
    match value {
        Value::String(text) => micros(text, rounding),
        // The shortest text that reads back as this number is what the vendor wrote.
        Value::Number(number) => micros(&number.to_string(), rounding),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn credits_are_read_exactly_and_what_is_no_number_is_not_guessed() {
        for (text, expected) in [
            ("1474", Some(1_474_000_000)),
            ("1.5", Some(1_500_000)),
            (" 0.000001 ", Some(1)),
            ("-2.25", Some(-2_250_000)),
            ("1474.3000000000002", Some(1_474_300_000)),
            ("1474.2999999999999", Some(1_474_300_000)),
            ("9223372036854.775807", Some(i64::MAX)),
            ("9223372036854.775808", None),
            ("99999999999999999999999999999999999999999", None),
            ("1,474", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("--1", None),
            ("", None),
        ] {
            assert_eq!(micros(text, Rounding::Nearest), expected, "{text}");
        }
    }

    #[test]
    fn a_price_is_never_read_as_less_than_it_is() {
        for (text, expected) in [
            ("0.0000001", Some(1)),
            ("0.0075", Some(7_500)),
            ("0.00750000", Some(7_500)),
            ("0.0083333333333333332", Some(8_334)),
            ("-0.0000019", Some(-1)),
            ("0.00x", None),
        ] {
            assert_eq!(micros(text, Rounding::Up), expected, "{text}");
        }
    }

    #[test]
    fn a_number_in_json_is_what_was_written_and_one_with_an_exponent_is_none() {
        for (value, expected) in [
            (json!("0.0051"), Some(5_100)),
            (json!(0.0051), Some(5_100)),
            (json!(1e-9), None),
            (json!("1e-9"), None),
            (json!(12), Some(12_000_000)),
            (json!(-3), Some(-3_000_000)),
            (json!(1e30), None),
            (json!(null), None),
            (json!(""), None),
            (json!([1]), None),
            (json!(true), None),
        ] {
            assert_eq!(micros_of(&value, Rounding::Up), expected, "{value}");
        }
    }
}
