//! What a price list of Twilio says of a country.
//!
//! It has a price for each carrier and kind of sender. Which carrier a number is with, nobody knows before it
//! is sent, so the dearest one counts; where one of them cannot be read, nobody knows the most that it costs.

use serde_json::Value;

use crate::provider::rest::amount::{self, Rounding};
use crate::sms::money::{Currency, Money};

/// The dearest price of a country's list.
pub fn dearest(list: &Value) -> Option<Money> {
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
