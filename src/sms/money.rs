//! Money as whole millionths of a currency's unit, so that sums are exact.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Millionths of the unit in one unit.
const MICROS: i64 = 1_000_000;

/// An ISO 4217 code such as `USD`, three upper-case letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// US dollar.
    pub const USD: Self = Self(*b"USD");

    /// Euro.
    pub const EUR: Self = Self(*b"EUR");

    /// The three letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match text.as_bytes() {
            &[a, b, c] if text.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase(), c.to_ascii_uppercase()]))
            }
            _ => Err(MoneyError(format!(
                "\"{text}\" is no currency; write three letters as in ISO 4217, such as USD or EUR"
            ))),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount in a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    /// Millionths of the currency's unit: 0.05 USD is 50,000.
    pub micros: i64,
    /// The currency.
    pub currency: Currency,
}

impl Money {
    /// This amount `times` over, or nothing where that does not fit.
    pub fn times(self, times: u32) -> Option<Self> {
        Some(Self { micros: self.micros.checked_mul(i64::from(times))?, ..self })
    }

    /// The amount without its currency, with at least two decimals: `0.0079`, `5.00`.
    pub fn amount(&self) -> String {
        Amount(self.micros).to_string()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Amount(self.micros), self.currency)
    }
}

/// A bare decimal amount of millionths, as it stands in config files (a number or a string) and in answers (a
/// string, so that no reader makes a float of it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub i64);

impl Amount {
    /// Whole units.
    pub const fn units(units: i64) -> Self {
        Self(units * MICROS)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        let unit = MICROS.unsigned_abs();
        let fraction = format!("{:06}", micros % unit);
        let kept = fraction.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{}.{}", micros / unit, fraction.get(..kept).unwrap_or("00"))
    }
}

impl FromStr for Amount {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let wrong = || {
            MoneyError(format!("\"{text}\" is no amount; write it as 5 or 0.05, with at most six decimals"))
        };
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 12
            || fraction.len() > 6
            || !plain(whole)
            || !plain(fraction)
            || digits.ends_with('.')
        {
            return Err(wrong());
        }
        let whole: i64 = whole.parse().map_err(|_| wrong())?;
        let fraction: i64 = format!("{fraction:0<6}").parse().map_err(|_| wrong())?;
        let micros = whole * MICROS + fraction;
        Ok(Self(if negative { -micros } else { micros }))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Amount;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an amount such as 5 or \"0.05\"")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, units: i64) -> Result<Amount, E> {
                units.to_string().parse().map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, units: u64) -> Result<Amount, E> {
                units.to_string().parse().map_err(E::custom)
            }
            fn visit_f64<E: serde::de::Error>(self, units: f64) -> Result<Amount, E> {
                // The shortest text that reads back as this float is what the person wrote.
                units.to_string().parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number"] })
    }
}

/// Why a text is no amount or no currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyError(String);

impl fmt::Display for MoneyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for MoneyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_written_and_print_with_two_decimals_or_more() {
        for (text, micros, printed) in [
            ("5", 5_000_000, "5.00"),
            ("0.0079", 7_900, "0.0079"),
            ("0.05", 50_000, "0.05"),
            ("-1.5", -1_500_000, "-1.50"),
        ] {
            assert_eq!(text.parse(), Ok(Amount(micros)));
            assert_eq!(Amount(micros).to_string(), printed);
        }
        for wrong in ["", ".5", "5.", "1e3", "0.1234567", "five", "1,5", "--1", "9999999999999"] {
            assert!(wrong.parse::<Amount>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_and_strings_mean_the_same_in_a_config() {
        for text in ["0.1", "\"0.10\""] {
            assert_eq!(
                serde_json::from_str::<Amount>(text).map_err(|error| error.to_string()),
                Ok(Amount(100_000))
            );
        }
        assert!(serde_json::from_str::<Amount>("true").is_err());
    }
}
