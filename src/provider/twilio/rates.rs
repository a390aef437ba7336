//! Twilio's prices by country, as its price list has them: kept, and brought up to date every hour.
//!
//! A country's list has a price for each carrier and kind of sender. Which carrier a number is with, nobody
//! knows before it is sent, so the dearest one counts; where one of them cannot be read, nobody knows the
//! most that it costs.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

use crate::provider::rest::amount::{self, Rounding};
use crate::sms::money::{Currency, Money};
use crate::sms::number::Number;

/// The price of one segment by country; nothing where the list cannot be read.
#[derive(Default)]
pub struct Rates(RwLock<BTreeMap<String, Option<Money>>>);

impl Rates {
    /// Notes a country's list. Returns whether it could be read.
    pub fn note(&self, country: &str, list: &Value) -> bool {
        let price = dearest(list);
        let mut rates = self.0.write().unwrap_or_else(PoisonError::into_inner);
        rates.insert(country.to_owned(), price);
        price.is_some()
    }

    /// How many countries have one.
    pub fn count(&self) -> usize {
        let rates = self.0.read().unwrap_or_else(PoisonError::into_inner);
        rates.values().filter(|price| price.is_some()).count()
    }

    /// The most that a text of so many segments to this number costs.
    pub fn price(&self, to: &Number, segments: u32) -> Option<Money> {
        let region = to.region()?;
        let rates = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let price = *rates.get(region.as_str())?;
        price?.times(segments.max(1))
    }
}

/// The dearest price of a country's list.
fn dearest(list: &Value) -> Option<Money> {
    let currency: Currency = list.get("price_unit")?.as_str()?.parse().ok()?;
    let mut dearest = None;
    for carrier in list.get("outbound_sms_prices")?.as_array()? {
        for price in carrier.get("prices")?.as_array()? {
            let micros = amount::micros_of(price.get("current_price")?, Rounding::Up)?;
            dearest = dearest.max(Some(micros));
        }
    }
    dearest.filter(|micros| *micros > 0).map(|micros| Money { micros, currency })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_dearest_price_of_a_country_counts_and_one_that_cannot_be_read_makes_all_unknown() {
        let list = |prices: Value| {
            json!({ "iso_country": "FR", "price_unit": "usd", "outbound_sms_prices": [
                { "carrier": "A", "mcc": "208", "mnc": "01",
                  "prices": [{ "number_type": "mobile", "base_price": "0.05", "current_price": "0.0798" }] },
                { "carrier": "B", "mcc": "208", "mnc": "10", "prices": prices },
            ] })
        };
        for (prices, expected) in [
            (json!([{ "current_price": "0.0797" }]), Some(79_800)),
            (json!([{ "current_price": "0.08" }, { "current_price": 0.0900001 }]), Some(90_001)),
            (json!([{ "current_price": "much" }]), None),
            (json!([{ "base_price": "0.05" }]), None),
            (json!({}), None),
        ] {
            let price = dearest(&list(prices.clone())).map(|price| price.amount());
            let expected = expected.map(|micros| Money { micros, currency: Currency::USD }.amount());
            assert_eq!(price, expected, "{prices}");
        }
        for wrong in [
            json!({}),
            json!({ "price_unit": "USD" }),
            json!({ "price_unit": "USD", "outbound_sms_prices": [] }),
            json!({ "price_unit": "USD", "outbound_sms_prices": [{ "prices": [{ "current_price": "0" }] }] }),
        ] {
            assert_eq!(dearest(&wrong), None, "{wrong}");
        }
    }
}
