//! The types that settings are made of: durations, secrets and networks, and how the domain's own values read
//! and print.

pub mod network;
mod secret;

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{DeserializeOwned, IntoDeserializer as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sms::number::Region;
pub use secret::Secret;

/// Reads a setting that is one of a few words. What is written without quotes (`true`, `2`) is named beside
/// the words that are right, where derived code says only that it wanted text.
///
/// # Errors
/// The words that are right.
pub fn word<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    struct Word<T>(PhantomData<T>);
    impl<T: DeserializeOwned> Visitor<'_> for Word<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a word in quotes")
        }

        fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<T, E> {
            T::deserialize(word.into_deserializer())
        }

        fn visit_bool<E: serde::de::Error>(self, given: bool) -> Result<T, E> {
            unquoted(&given.to_string())
        }

        fn visit_i64<E: serde::de::Error>(self, given: i64) -> Result<T, E> {
            unquoted(&given.to_string())
        }

        fn visit_u64<E: serde::de::Error>(self, given: u64) -> Result<T, E> {
            unquoted(&given.to_string())
        }

        fn visit_f64<E: serde::de::Error>(self, given: f64) -> Result<T, E> {
            unquoted(&format!("{given:?}"))
        }
    }
    /// Why what stands without quotes is wrong: it is no right word, or it is one and is to be a string.
    fn unquoted<T: DeserializeOwned, E: serde::de::Error>(given: &str) -> Result<T, E> {
        let read: Result<T, E> = T::deserialize(given.into_deserializer());
        read.and_then(|_| {
            Err(E::custom(format_args!("{given} stands without quotes; right is a string: \"{given}\"")))
        })
    }
    deserializer.deserialize_any(Word(PhantomData))
}

/// A duration written as "500ms", "10s", "30m" or "24h".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// So many minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// So many hours.
    pub const fn hours(hours: u64) -> Self {
        Self::minutes(hours * 60)
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// In milliseconds.
    pub fn as_millis(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(without_unit(text));
        }
        let wrong =
            || format!("\"{text}\" is no duration; write it as \"500ms\", \"10s\", \"30m\" or \"24h\"");
        let parsed: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
        Duration::try_from(parsed).map(Self).map_err(|_| wrong())
    }
}

/// What is said of a duration that is a number alone: which unit was meant, nobody can tell.
fn without_unit(number: &str) -> String {
    format!(
        "{number} is no duration, as it has no unit: write \"{number}s\" for seconds, \"{number}m\" for minutes or \"{number}h\" for \
         hours, in quotes (as \"500ms\", \"10s\", \"30m\" or \"24h\")"
    )
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        match ms {
            _ if ms == 0 || !ms.is_multiple_of(1_000) => write!(f, "{ms}ms"),
            _ if !ms.is_multiple_of(60_000) => write!(f, "{}s", ms / 1_000),
            _ if !ms.is_multiple_of(3_600_000) => write!(f, "{}m", ms / 60_000),
            _ => write!(f, "{}h", ms / 3_600_000),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"500ms\", \"10s\", \"30m\" or \"24h\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Span, E> {
                Err(E::custom(without_unit(&number.to_string())))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Span, E> {
                Err(E::custom(without_unit(&number.to_string())))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["500ms", "10s", "30m", "24h"] })
    }
}

/// A secret from the configuration. It prints as `[secret]` and is not written back.
#[derive(Clone)]
pub struct SecretText(SecretString);

impl SecretText {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The secret itself. Give it only to what must have it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// `Region` as text.
pub mod region {
    use super::{Deserialize, Deserializer, FromStr, Region, Serializer};

    /// Reads a region.
    ///
    /// # Errors
    /// The text is no ISO 3166-1 alpha-2 code.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Region>, D::Error> {
        let text = String::deserialize(deserializer)?;
        Region::from_str(&text).map(Some).map_err(serde::de::Error::custom)
    }

    /// Writes a region.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(region: &Option<Region>, serializer: S) -> Result<S::Ok, S::Error> {
        match region {
            Some(region) => serializer.collect_str(region),
            None => serializer.serialize_none(),
        }
    }
}

/// `Currency` as text.
pub mod currency {
    use super::{Deserialize, Deserializer, Serializer};
    use crate::sms::money::Currency;

    /// Reads a currency.
    ///
    /// # Errors
    /// The text is no ISO 4217 code.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }

    /// Writes a currency.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(currency)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_read_back_as_they_print() {
        for text in ["500ms", "10s", "30m", "24h", "90s", "0ms"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for wrong in ["10", "ten", "-5s", ""] {
            assert!(wrong.parse::<Span>().unwrap_err().contains("30m"), "{wrong}");
        }
        for (number, right) in [("30", "\"30s\""), ("\"7\"", "\"7m\"")] {
            let why = serde_json::from_str::<Span>(number).unwrap_err().to_string();
            assert!(why.contains("no duration, as it has no unit") && why.contains(right), "{number}: {why}");
        }
    }

    #[test]
    fn a_secret_never_prints() {
        let secret = SecretText::new("hunter2");
        assert_eq!(format!("{secret:?}"), "[secret]");
        let wrong = serde_json::from_str::<Secret>("12345678").unwrap_err().to_string();
        assert!(!wrong.contains("12345678"), "{wrong}");
    }
}
