//! What the phone sends by itself, signed over the raw body and its time.

use ::http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::provider::Provider;
use sms_mcp::provider::exchange::{Delivery, Event, NotBelieved};
use sms_mcp::provider::signature::{Encoding, Hash, Key};
use sms_mcp::sms::message::State;

use super::{SECRETS, SIGNING, build, config, id, usd};
use crate::support::fictional;

/// The vendor's vector: its time, its body and its signature.
const TIME: i64 = 1_764_142_205;
const BODY: &str = r#"{"event":"sms:delivered","id":"Ey6E","payload":{"messageId":"01J9ABC"}}"#;
const SIGNED: &str = "138a8b4d8a821f42663bc5e191946bf6ca90248bdd72dc79d96e8ab68ae9ac33";

pub fn sign(time: i64, body: &str) -> String {
    let key = Key::new(Hash::Sha256, Encoding::Hex, SIGNING.as_bytes());
    key.sign([body.as_bytes(), time.to_string().as_bytes()])
}

/// What the provider makes of a request that comes so many seconds after its time.
async fn told(body: &str, signature: &str, time: &str, later: i64) -> Result<Vec<Event>, NotBelieved> {
    let provider = build(&config("http://127.0.0.1:9"), &SECRETS);
    let mut headers = HeaderMap::new();
    for (name, value) in [("x-signature", signature), ("x-timestamp", time)] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let delivery = Delivery {
        method: &Method::POST,
        url: "https://sms.example.com/webhooks/sms_gateway/x",
        query: "",
        headers: &headers,
        body: body.as_bytes(),
        message: None,
        now: Timestamp((TIME + later) * 1_000),
    };
    provider.events(&delivery).await
}

async fn signed(body: &Value) -> Result<Vec<Event>, NotBelieved> {
    let body = body.to_string();
    told(&body, &sign(TIME, &body), &TIME.to_string(), 0).await
}

#[tokio::test]
async fn the_vendors_vector_is_believed_near_its_time_and_what_differs_by_one_bit_is_not() {
    let time = TIME.to_string();
    assert_eq!(sign(TIME, BODY), SIGNED, "the test's own way to sign is the vendor's");
    let is_believed = |told: Result<Vec<Event>, NotBelieved>| match told {
        Ok(events) => {
            assert!(matches!(&events[..], [Event::Receipt(_)]), "{events:?}");
            true
        }
        Err(NotBelieved::Signature) => false,
        other => panic!("{other:?}"),
    };
    for (later, expected) in
        [(0, true), (300, true), (-300, true), (301, false), (-301, false), (86_400, false)]
    {
        assert_eq!(is_believed(told(BODY, SIGNED, &time, later).await), expected, "{later}");
    }
    for at in 0..SIGNED.len() {
        let mut other = SIGNED.as_bytes().to_vec();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        assert!(!is_believed(told(BODY, &other, &time, 0).await), "{at}");
    }
    assert!(!is_believed(told(BODY, &SIGNED.to_uppercase(), &time, 0).await));
    for at in 0..BODY.len() {
        let mut other = BODY.as_bytes().to_vec();
        other[at] ^= 1;
        let Ok(other) = String::from_utf8(other) else { continue };
        assert!(!is_believed(told(&other, SIGNED, &time, 0).await), "{other}");
    }
    for other in ["1764142206", "1764142205 ", "x", "", "99999999999999999999"] {
        assert!(!is_believed(told(BODY, SIGNED, other, 0).await), "{other}");
    }
    let unsigned = build(&config("http://127.0.0.1:9"), &SECRETS[..1]);
    let delivery = Delivery {
        method: &Method::POST,
        url: "",
        query: "",
        headers: &HeaderMap::new(),
        body: BODY.as_bytes(),
        message: None,
        now: Timestamp(0),
    };
    assert_eq!(unsigned.events(&delivery).await, Err(NotBelieved::NotExpected));
}

/// What the phone tells of our text.
pub fn event(kind: &str, more: Value) -> Value {
    let mut payload = json!({ "messageId": id(1).as_str(), "phoneNumber": fictional(1), "simNumber": 1 });
    for (name, value) in more.as_object().unwrap() {
        payload[name] = value.clone();
    }
    json!({ "deviceId": "ffffffffceb0b1db", "event": kind, "id": "Ey6ECgOkVVFjz3CL48B8C",
        "webhookId": "w-1", "payload": payload })
}

#[tokio::test]
async fn a_report_tells_its_state_and_that_it_cost_nothing_and_settles_what_nobody_heard_of() {
    let at = "2026-11-22T17:15:03.500+07:00";
    for (kind, more, state, why) in [
        ("sms:sent", json!({ "sentAt": at, "partsCount": 2 }), State::Sent, None),
        ("sms:delivered", json!({ "deliveredAt": at, "reason": "x" }), State::Delivered, None),
        ("sms:failed", json!({ "failedAt": at, "reason": "no service" }), State::Failed, Some("no service")),
    ] {
        let events = signed(&event(kind, more)).await.unwrap();
        let [Event::Receipt(receipt), hint] = &events[..] else { panic!("{events:?}") };
        assert_eq!((receipt.vendor_id.as_str(), receipt.state), (id(1).as_str(), state));
        assert_eq!((receipt.why.as_deref(), receipt.price), (why, Some(usd(0))));
        assert!(!receipt.is_documented, "those are words of the phone");
        assert_eq!(receipt.at, Timestamp::parse("2026-11-22T10:15:03.500Z").unwrap());
        assert_eq!(*hint, Event::Hint { vendor_id: id(1).to_string(), message: Some(id(1)) });
    }
    for kind in ["system:ping", "sms:data-received", "mms:received", "brand:new"] {
        assert_eq!(signed(&event(kind, json!({}))).await, Ok(Vec::new()), "{kind}");
    }
    for wrong in [
        json!({}),
        json!([]),
        json!({ "event": "sms:sent" }),
        json!({ "event": "sms:sent", "payload": { "messageId": "" } }),
        json!({ "event": "sms:received", "payload": { "messageId": "a", "message": "STOP" } }),
    ] {
        assert!(matches!(signed(&wrong).await, Err(NotBelieved::Malformed(_))), "{wrong}");
    }
}

#[tokio::test]
async fn a_persons_text_is_known_by_what_it_says_and_when_so_that_the_same_words_count_twice() {
    let text = |at: &str, more: Value| {
        let mut body = event("sms:received", json!({ "message": "STOP\n\u{1f44d}", "receivedAt": at }));
        body["payload"]["messageId"] = json!("abc123");
        body["payload"]["phoneNumber"] = json!("6505551212");
        for (name, value) in more.as_object().unwrap() {
            body["payload"][name] = value.clone();
        }
        body
    };
    let (first, second) = ("2024-06-22T15:46:11.000+07:00", "2024-06-22T15:46:12.000+07:00");
    let mut ids = Vec::new();
    for (at, more, from, to) in [
        (first, json!({}), "6505551212", ""),
        (first, json!({}), "6505551212", ""),
        (
            second,
            json!({ "sender": "+16505551212", "recipient": "+447700900123" }),
            "+16505551212",
            "+447700900123",
        ),
    ] {
        let events = signed(&text(at, more)).await.unwrap();
        let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(
            (reply.from.text(), reply.to.as_str(), reply.text.as_str()),
            (from, to, "STOP\n\u{1f44d}")
        );
        assert_eq!(reply.at, Timestamp::parse(at).unwrap());
        ids.push(reply.vendor_id.clone());
    }
    assert!(ids[0] == ids[1] && ids[0] != ids[2], "{ids:?}");
}
