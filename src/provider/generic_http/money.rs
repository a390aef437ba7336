//! What a gateway's figures are in money: their scale, their sign, and their currency.

use super::find::{Finder, Seen};
use super::rules::{finder, finder_if};
use crate::provider::rest::amount::{self, Rounding};
use crate::sms::money::{Currency, Money};

/// Millionths in one.
const MICROS: i64 = 1_000_000;

/// Where an amount is, and what it is.
#[derive(Clone, Debug)]
pub struct Pricing {
    at: Finder,
    scale_micros: i64,
    is_abs: bool,
    currency_at: Option<Finder>,
    currency: Option<Currency>,
}

/// How amounts are written, besides where they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scale<'a> {
    /// What they are multiplied by.
    pub scale: Option<&'a String>,
    /// Whether a negative one is a positive one.
    pub is_abs: bool,
    /// Where their currency is.
    pub currency_at: Option<&'a String>,
}

/// Reads a scale.
fn micros_of(name: &str, text: Option<&String>) -> Result<i64, String> {
    let Some(text) = text else { return Ok(MICROS) };
    amount::micros(text, Rounding::Nearest)
        .filter(|micros| (1..=1_000_000 * MICROS).contains(micros))
        .ok_or_else(|| format!("{name} is no number such as \"0.0001\", more than 0"))
}

impl Pricing {
    /// Reads the settings. `names`: of the place, the scale and the currency's place.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn of(
        names: [&str; 3],
        at: &str,
        written: Scale<'_>,
        currency: Option<Currency>,
    ) -> Result<Self, String> {
        let currency_at = finder_if(names[2], written.currency_at)?;
        if currency_at.is_none() && currency.is_none() {
            return Err(format!("{} is set, and no currency: set {} or currency", names[0], names[2]));
        }
        Ok(Self {
            at: finder(names[0], at)?,
            scale_micros: micros_of(names[1], written.scale)?,
            is_abs: written.is_abs,
            currency_at,
            currency,
        })
    }

    /// A price that is told after the answer: written as in that, unless its currency stands elsewhere.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn later(
        names: [&str; 3],
        (at, currency_at): (Option<&String>, Option<&String>),
        scale: Scale<'_>,
        currency: Option<Currency>,
    ) -> Result<Option<Self>, String> {
        match (at, currency_at) {
            (None, Some(_)) => Err(format!("{} is set, and {} is not", names[2], names[0])),
            (None, None) => Ok(None),
            (Some(at), _) => {
                let written = Scale { currency_at: currency_at.or(scale.currency_at), ..scale };
                Self::of(names, at, written, currency).map(Some)
            }
        }
    }

    /// The amount; nothing where it is no number, or its currency is none.
    pub fn money(&self, seen: Seen<'_>, rounding: Rounding) -> Option<Money> {
        let raw = i128::from(amount::micros(&self.at.find(seen)?, rounding)?);
        let raw = if self.is_abs { raw.abs() } else { raw };
        let (scaled, one) = (raw.checked_mul(i128::from(self.scale_micros))?, i128::from(MICROS));
        let up = i128::from(rounding == Rounding::Up && scaled > 0 && scaled % one != 0);
        let micros = i64::try_from(scaled / one + up).ok()?;
        let told = self.currency_at.as_ref().and_then(|at| at.find(seen));
        let currency = match told {
            Some(told) => told.trim().to_ascii_uppercase().parse().ok()?,
            None => self.currency?,
        };
        Some(Money { micros, currency })
    }

    /// A price: nothing where it is negative.
    pub fn price(&self, seen: Seen<'_>) -> Option<Money> {
        self.money(seen, Rounding::Up).filter(|money| money.micros >= 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::find::Memo;
    use super::*;
    use ::http::HeaderMap;
    use serde_json::{Value, json};

    #[test]
    fn a_price_is_scaled_exactly_never_less_than_it_is_and_never_in_a_guessed_currency() {
        let usd: Currency = "USD".parse().unwrap();
        let of = |scale: Option<&str>, is_abs: bool, value: Value| {
            let (scale, at) = (scale.map(str::to_owned), "unit".to_owned());
            let written = Scale { scale: scale.as_ref(), is_abs, currency_at: Some(&at) };
            let pricing = Pricing::of(["price", "scale", "at"], "cost", written, Some(usd)).unwrap();
            let headers = HeaderMap::new();
            pricing
                .price(Seen { value: &value, body: b"", headers: &headers, memo: &Memo::default() })
                .map(|money| (money.micros, money.currency.to_string()))
        };
        let is = |micros: i64, currency: &str| Some((micros, currency.to_owned()));
        assert_eq!(of(Some("0.0001"), false, json!({ "cost": 3500, "unit": "SEK" })), is(350_000, "SEK"));
        assert_eq!(of(Some("0.0001"), false, json!({ "cost": 3500 })), is(350_000, "USD"));
        assert_eq!(of(None, true, json!({ "cost": "-0.00750", "unit": "eur" })), is(7_500, "EUR"));
        assert_eq!(of(None, false, json!({ "cost": "-0.00750" })), None);
        assert_eq!(of(Some("0.000001"), false, json!({ "cost": "0.5" })), is(1, "USD"));
        assert_eq!(of(None, false, json!({ "cost": "x" })), None);
        assert_eq!(of(None, false, json!({ "cost": 1, "unit": "credits" })), None);
        assert_eq!(of(Some("1000000"), false, json!({ "cost": "9223372036854" })), None);
        let none =
            Pricing::of(["answer.price", "s", "answer.price_currency"], "cost", Scale::default(), None);
        assert!(none.unwrap_err().contains("set answer.price_currency or currency"));
        for wrong in ["0", "-1", "x", "1e-4"] {
            let scale = Some(wrong.to_owned());
            let written = Scale { scale: scale.as_ref(), ..Scale::default() };
            let why = Pricing::of(["p", "answer.price_scale", "c"], "cost", written, Some(usd)).unwrap_err();
            assert!(why.contains("answer.price_scale"), "{wrong}: {why}");
        }
    }
}
