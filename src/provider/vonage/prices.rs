//! What a price list of Vonage says of a country: a price for each network, and one for those that it does not
//! name.
//!
//! Which network a number is with, nobody knows before it is sent, so the dearest one counts; where one of them
//! cannot be read, nobody knows the most that it costs.

use serde_json::Value;

use crate::provider::rest::amount::{self, Rounding};
use crate::sms::money::{Currency, Money};

/// The dearest price of a country's list.
pub fn dearest(list: &Value) -> Option<Money> {
    let currency: Currency = list.get("currency")?.as_str()?.trim().parse().ok()?;
    let micros = |price: &Value| amount::micros_of(price, Rounding::Up);
    let mut dearest = match list.get("defaultPrice") {
        None | Some(Value::Null) => None,
        Some(price) => Some(micros(price)?),
    };
    for network in list.get("networks").and_then(Value::as_array).into_iter().flatten() {
        dearest = dearest.max(Some(micros(network.get("price")?)?));
    }
    dearest.filter(|micros| *micros > 0).map(|micros| Money { micros, currency })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_dearest_network_counts_and_one_that_cannot_be_read_makes_all_unknown() {
        let list = |default: Value, prices: &[Value]| {
            let networks: Vec<Value> = prices.iter().map(|price| json!({ "price": price })).collect();
            json!({ "countryCode": "GB", "currency": "EUR", "defaultPrice": default, "networks": networks })
        };
        for (default, prices, expected) in [
            (json!("0.0333"), vec![json!("0.0349"), json!("0.0300")], Some(34_900)),
            (json!("0.0333"), vec![], Some(33_300)),
            (json!(null), vec![json!(0.0300001)], Some(30_001)),
            (json!("0.0333"), vec![json!("much")], None),
            (json!("?"), vec![json!("0.0333")], None),
            (json!("0"), vec![], None),
            (json!(null), vec![], None),
        ] {
            let told = dearest(&list(default.clone(), &prices)).map(|price| price.micros);
            assert_eq!(told, expected, "{default} {prices:?}");
        }
        for wrong in [json!({}), json!([]), json!({ "currency": "XXXX", "defaultPrice": "0.03" })] {
            assert_eq!(dearest(&wrong), None, "{wrong}");
        }
        let bare = json!({ "currency": "EUR", "networks": [{ "type": "mobile" }] });
        assert_eq!(dearest(&bare), None, "a network without a price");
    }
}
