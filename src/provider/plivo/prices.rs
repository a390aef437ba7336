//! What a price list of Plivo says of a country: a rate for texts, and one for each network that it names.
//!
//! Which network a number is with, nobody knows before it is sent, so the dearest one counts; where one of them
//! cannot be read, nobody knows the most that it costs.

use serde_json::Value;

use crate::provider::rest::amount::{self, Rounding};
use crate::sms::money::{Currency, Money};

/// The dearest price of a country's list, which names no currency.
pub fn dearest(list: &Value, currency: Currency) -> Option<Money> {
    let micros = |rate: Option<&Value>| amount::micros_of(rate?, Rounding::Up);
    let texts = list.get("message")?;
    let mut dearest = micros(texts.pointer("/outbound/rate"))?;
    for network in texts.get("outbound_networks_list").and_then(Value::as_array).into_iter().flatten() {
        dearest = dearest.max(micros(network.get("rate"))?);
    }
    (dearest > 0).then_some(Money { micros: dearest, currency })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_dearest_network_counts_and_one_that_cannot_be_read_makes_all_unknown() {
        let list = |rate: Value, networks: Value| {
            json!({ "country_iso": "US", "message": { "inbound": { "rate": "9" },
                "outbound": { "rate": rate }, "outbound_networks_list": networks } })
        };
        for (rate, networks, expected) in [
            (
                json!("0.00350"),
                json!([{ "group_name": "A", "rate": "0.00450" }, { "rate": "0.0030" }]),
                Some(4_500),
            ),
            (json!("0.00350"), json!([]), Some(3_500)),
            (json!(0.0035001), json!(null), Some(3_501)),
            (json!("0.00350"), json!([{ "group_name": "A" }]), None),
            (json!("0.00350"), json!([{ "rate": "much" }]), None),
            (json!("much"), json!([]), None),
            (json!("0.0"), json!([]), None),
        ] {
            let told =
                dearest(&list(rate.clone(), networks.clone()), Currency::USD).map(|price| price.micros);
            assert_eq!(told, expected, "{rate} {networks}");
        }
        for wrong in
            [json!({}), json!([]), json!({ "message": {} }), json!({ "message": { "outbound": {} } })]
        {
            assert_eq!(dearest(&wrong, Currency::USD), None, "{wrong}");
        }
    }
}
