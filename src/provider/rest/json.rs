//! Reading the JSON of vendors: also where a text in it was cut in the middle of a character.
//!
//! Vendors cut the texts of people to a length, and a cut between the two halves of an emoji leaves `\ud83d`
//! alone, which no strict reader takes. A STOP must not be lost over that, so such a half is read as U+FFFD,
//! and so are octets that are no UTF-8. And what stands in JSON as a text in one vendor's answers stands as a
//! number in another's: an id, an amount.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_json::{Number, Value};
use sha2::{Digest as _, Sha256};

use crate::provider::exchange::CONTENT_ID;
use crate::sms::message::hex;

/// A number as it is written without an exponent: the shortest text that reads back as this number, which is
/// what the vendor wrote.
pub fn number(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float.to_string(),
        _ => number.to_string(),
    }
}

/// From here on a number that is no 64-bit integer may be another one than was written.
const FIRST_INEXACT: f64 = 9_007_199_254_740_992.0;

/// Whether a number was read as it was written: one of twenty digits and more was not, and two ids of so many
/// would be one.
fn is_exact(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|float| float.abs() < FIRST_INEXACT)
}

/// A text that is not empty, or a number as text; nothing where not all of its digits were read.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(one) if is_exact(one) => Some(number(one)),
        _ => None,
    }
}

/// The first of these names of an object that has a text or a number.
pub fn first(object: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(object.get(name)?))
}

/// An id for what a vendor told without one: the same whenever it is told again.
pub fn content_id(told: &Value) -> String {
    content_id_of(told.to_string())
}

/// The same of octets.
pub fn content_id_of(told: impl AsRef<[u8]>) -> String {
    format!("{CONTENT_ID}{}", hex(&Sha256::digest(told)))
}

/// As `serde_json::from_slice`, but what is no character is read as U+FFFD.
///
/// # Errors
/// Those of `serde_json` for what is no JSON all the same.
pub fn from_slice<T: DeserializeOwned>(octets: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(octets).or_else(|error| {
        let text = String::from_utf8_lossy(octets);
        let whole = whole(&text);
        if whole == text && matches!(text, Cow::Borrowed(_)) {
            Err(error)
        } else {
            serde_json::from_str(&whole)
        }
    })
}

/// The JSON with each half of a pair that stands alone written as `\ufffd`, which is as long.
fn whole(json: &str) -> Cow<'_, str> {
    let mut mended = None;
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        let start = at + found;
        // What follows a backslash is never read as the beginning of another escape.
        let (is_alone, length) = match (half(json, start), half(json, start + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (false, 12),
            (Some(0xd800..=0xdfff), _) => (true, 6),
            _ => (false, 2),
        };
        if is_alone {
            mended.get_or_insert_with(|| json.to_owned()).replace_range(start..start + 6, "\\ufffd");
        }
        at = start + length;
        while !json.is_char_boundary(at) && at < json.len() {
            at += 1;
        }
    }
    mended.map_or(Cow::Borrowed(json), Cow::Owned)
}

/// The number of a `\uXXXX` that begins here.
fn half(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_a_text_here_and_a_number_there_is_read_as_text() {
        let body = json!({ "id": 0.000_000_1, "sid": "", "message_id": 12, "status": "sent", "more": [1] });
        assert_eq!(first(&body, &["sid", "message_id", "id"]).as_deref(), Some("12"));
        assert_eq!(first(&body, &["id"]).as_deref(), Some("0.0000001"), "without an exponent");
        assert_eq!(
            (first(&body, &["status"]).as_deref(), first(&body, &["more"]), first(&body, &["none"])),
            (Some("sent"), None, None)
        );
        assert_eq!(first(&json!([]), &["id"]), None);
        for (written, read) in [
            ("18446744073709551615", Some("18446744073709551615")),
            ("-9223372036854775808", Some("-9223372036854775808")),
            ("9007199254740991.0", Some("9007199254740991")),
            ("18446744073709551616", None),
            ("18446744073709551617", None),
            ("-9223372036854775809", None),
            ("1e300", None),
        ] {
            let value: Value = serde_json::from_str(written).unwrap();
            assert_eq!(text(&value).as_deref(), read, "{written}");
        }
    }

    #[test]
    fn a_text_that_was_cut_within_a_character_is_read() {
        for (json, text) in [
            (r#""STOP""#, "STOP"),
            (r#""STOP \ud83d""#, "STOP \u{fffd}"),
            (r#""\ude00 STOP""#, "\u{fffd} STOP"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud83d \ud83dx""#, "\\ud83d \u{fffd}x"),
            (r#""\u0000\uD83D\u0041""#, "\0\u{fffd}A"),
            (r#""\é\ud83d""#, ""),
        ] {
            let read = from_slice::<String>(json.as_bytes());
            assert_eq!(read.unwrap_or_default(), text, "{json}");
        }
        assert_eq!(from_slice::<Value>(b"{\"text\":\"STOP \xf0\x9f\"}").unwrap()["text"], "STOP \u{fffd}");
        for wrong in ["{", "\"\\", "\"\\u", "\"\\ud83", "\\ud83d", ""] {
            assert!(from_slice::<Value>(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
