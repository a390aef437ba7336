//! What Telnyx sends by itself, signed over its time and the raw body; and the program before it, where an
//! answer is lost after Telnyx took the text.

use std::io::Write as _;

use ::http::{HeaderMap, HeaderValue, Method};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock, Timestamp};
use sms_mcp::provider::Provider;
use sms_mcp::provider::exchange::{Delivery, Event, HeardBy, NotBelieved};
use sms_mcp::sms::message::{MessageId, State};

use super::{KEY, PUBLIC_KEY, build, config};
use crate::fake::telnyx::{FROM, Telnyx};
use crate::fake::{Fake, Fault};
use crate::support::{Desk, Era, WIDE, fictional};
use crate::wire::{connect, post, read_reply, stateless_headers, tool_call};

/// The vendor's vector: its time, its body and its signature.
const TIME: i64 = 1_577_927_532;
const BODY: &str =
    r#"{"data":{"event_type":"message.finalized","id":"4ee8c3a6-4995-4309-a3c6-38e3db9ea4be"}}"#;
const SIGNED: &str =
    "8VwgkWjgwb1xAY0hUZT1z/b/Bdxiyknm8BHXgFxT++26HVRUqSkU/rNA9qDWYjqkKRrutfERgwCHJn3rL1mvAw==";

/// A signature of the seed that is the octets 0 to 31.
pub fn sign(time: i64, body: &str) -> String {
    let seed: Vec<u8> = (0..32).collect();
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    STANDARD.encode(pair.sign(format!("{time}|{body}").as_bytes()))
}

/// What the provider makes of a request that comes so many seconds after its time.
async fn told(
    body: &str,
    signature: &str,
    time: &str,
    later: i64,
    ours: bool,
) -> Result<Vec<Event>, NotBelieved> {
    let provider = build(&config("http://127.0.0.1:9"), KEY);
    let mut headers = HeaderMap::new();
    for (name, value) in [("telnyx-signature-ed25519", signature), ("telnyx-timestamp", time)] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let message = MessageId::new(1, 2);
    let delivery = Delivery {
        method: &Method::POST,
        url: "https://sms.example.com/webhooks/telnyx/x",
        query: "",
        headers: &headers,
        body: body.as_bytes(),
        message: ours.then_some(&message),
        now: Timestamp((TIME + later) * 1_000),
    };
    provider.events(&delivery).await
}

async fn signed(body: &Value, ours: bool) -> Result<Vec<Event>, NotBelieved> {
    let body = body.to_string();
    told(&body, &sign(TIME, &body), &TIME.to_string(), 0, ours).await
}

#[tokio::test]
async fn the_vendors_vector_is_believed_near_its_time_and_what_differs_by_one_bit_is_not() {
    let time = TIME.to_string();
    assert_eq!(sign(TIME, BODY), SIGNED, "the test's own way to sign is the vendor's");
    // It is signed, and it names no message.
    let is_believed = |told: Result<Vec<Event>, NotBelieved>| match told {
        Err(NotBelieved::Malformed(why)) => {
            assert!(why.contains("data.payload.id"), "{why}");
            true
        }
        Err(NotBelieved::Signature) => false,
        other => panic!("{other:?}"),
    };
    for (later, expected) in
        [(0, true), (300, true), (-300, true), (301, false), (-301, false), (86_400, false)]
    {
        assert_eq!(is_believed(told(BODY, SIGNED, &time, later, false).await), expected, "{later}");
    }
    for at in 0..SIGNED.len() - 2 {
        let mut other = SIGNED.as_bytes().to_vec();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        if HeaderValue::from_str(&other).is_ok() {
            assert!(!is_believed(told(BODY, &other, &time, 0, false).await), "{at}");
        }
    }
    for at in 0..BODY.len() {
        let mut other = BODY.as_bytes().to_vec();
        other[at] ^= 1;
        let Ok(other) = String::from_utf8(other) else { continue };
        assert!(!is_believed(told(&other, SIGNED, &time, 0, false).await), "{other}");
    }
    for other in ["1577927533", "1577927532 ", "x", "", "99999999999999999999"] {
        assert!(!is_believed(told(BODY, SIGNED, other, 0, false).await), "{other}");
    }
    let unsigned = sms_mcp::provider::telnyx::Config { public_key: None, ..config("http://127.0.0.1:9") };
    let delivery = Delivery {
        method: &Method::POST,
        url: "",
        query: "",
        headers: &HeaderMap::new(),
        body: b"{}",
        message: None,
        now: Timestamp(0),
    };
    assert_eq!(build(&unsigned, KEY).events(&delivery).await, Err(NotBelieved::NotExpected));
}

fn report(kind: &str, status: &str, errors: Value) -> Value {
    json!({ "data": { "event_type": kind, "id": "e-1", "occurred_at": "2020-01-02T01:12:12Z", "payload": {
        "id": "m-1", "direction": "outbound", "from": { "phone_number": FROM }, "errors": errors,
        "to": [{ "phone_number": "+15551231234", "status": status }], "text": "hello", "parts": 1,
        "cost": { "amount": "0.0051", "currency": "USD" }, "completed_at": "2020-01-02T01:12:10.5Z" } },
        "meta": { "attempt": 1, "delivered_to": "https://sms.example.com/x" } })
}

#[tokio::test]
async fn a_report_tells_its_state_and_price_and_the_message_whose_address_it_came_to() {
    let failed = json!([{ "code": "40300", "title": "Blocked due to STOP message" }]);
    for (kind, status, errors, state) in [
        ("message.sent", "sent", json!([]), Some(State::Sent)),
        ("message.finalized", "delivered", json!([]), Some(State::Delivered)),
        ("message.finalized", "delivery_failed", failed.clone(), Some(State::Failed)),
        ("message.finalized", "brand_new", json!([]), None),
    ] {
        let events = signed(&report(kind, status, errors.clone()), true).await.unwrap();
        let receipts: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Receipt(receipt) => Some(receipt),
                _ => None,
            })
            .collect();
        assert_eq!(receipts.first().map(|receipt| receipt.state), state, "{status}");
        for receipt in receipts {
            assert_eq!(receipt.vendor_id, "m-1");
            assert_eq!(receipt.price.map(|price| price.micros), Some(5_100));
            assert_eq!(receipt.at, Timestamp::parse("2020-01-02T01:12:10.5Z").unwrap());
            let is_failed = state == Some(State::Failed);
            assert_eq!(
                receipt.why.as_deref().is_some_and(|why| why.starts_with("40300: This person")),
                is_failed
            );
        }
        let ours = Some(MessageId::new(1, 2));
        let hint = Event::Hint { vendor_id: "m-1".to_owned(), message: ours };
        assert!(events.contains(&hint), "{events:?}");
        let stopped = Event::OptOut {
            number: "+15551231234".into(),
            is_out: true,
            at: Timestamp::parse("2020-01-02T01:12:10.5Z"),
            heard_by: Some(HeardBy::Report(MessageId::new(1, 2))),
        };
        assert_eq!(events.contains(&stopped), errors == failed, "{events:?}");
    }
    let bare = signed(&report("message.sent", "sent", json!([])), false).await.unwrap();
    assert!(matches!(&bare[..], [Event::Receipt(_)]), "{bare:?}");
    assert_eq!(signed(&report("message.other", "sent", json!([])), true).await, Ok(Vec::new()));
    let received = json!({ "data": { "event_type": "message.received", "payload": { "id": "in-1",
        "from": { "phone_number": "+15551231234" }, "to": [{ "phone_number": FROM }], "text": "STOP\n\u{1f44d}",
        "received_at": "2020-01-02T01:12:11Z" } } });
    let events = signed(&received, false).await.unwrap();
    let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (reply.vendor_id.as_str(), reply.from.text(), reply.to.as_str(), reply.text.as_str()),
        ("in-1", "+15551231234", FROM, "STOP\n\u{1f44d}")
    );
    assert_eq!(reply.at, Timestamp::parse("2020-01-02T01:12:11Z").unwrap());
    for wrong in [
        json!({}),
        json!([]),
        json!({ "data": { "event_type": "message.received", "payload": { "id": "x" } } }),
    ] {
        assert!(matches!(signed(&wrong, false).await, Err(NotBelieved::Malformed(_))), "{wrong}");
    }
}

#[test]
fn a_text_whose_answer_was_lost_is_one_text_and_is_settled_by_the_report_at_its_own_address() {
    const PUBLIC: &str = "https://sms.example.com";
    let fake = Fake::start(Telnyx::default());
    let desk = Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n[[provider]]\n\
         kind = \"telnyx\"\nbase_url = \"{}/v2\"\napi_key = \"{KEY}\"\nfrom = \"{FROM}\"\n\
         public_key = \"{PUBLIC_KEY}\"\n",
        fake.url()
    ));
    let server = desk.http(|_| {});
    let ask = |tool: &str, arguments: Value| -> Value {
        let body = tool_call(Era::Stateless, 1, tool, &arguments);
        let answer = post(server.port, &stateless_headers(tool), &body).json().unwrap();
        let result = &answer["result"];
        match &result["structuredContent"] {
            Value::Null => serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap(),
            content => content.clone(),
        }
    };
    fake.fail(Fault::DropAfterAccept);
    let send =
        |n: usize| json!({ "to": fictional(n), "message": "hello", "idempotency_key": format!("k{n}") });
    let lost = [1, 2].map(|n| ask("send_sms", send(n))["id"].as_str().unwrap().to_owned());
    fake.fail(Fault::None);
    let status = |id: &str| ask("get_status", json!({ "id": id }))["message"]["status"].clone();
    let taken = fake.vendor().messages.clone();
    let told = |address: &str, status: &'static str| {
        let mut message = taken[0].clone();
        message.status = status;
        let payload = Telnyx::shown(&message);
        let body = json!({ "data": { "event_type": "message.finalized", "payload": payload } }).to_string();
        let time = SystemClock.now().as_millis() / 1_000;
        let path = address.strip_prefix(PUBLIC).unwrap();
        let mut stream = connect(server.port);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: sms.example.com\r\nTelnyx-Signature-Ed25519: {}\r\n\
             Telnyx-Timestamp: {time}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            sign(time, &body),
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        read_reply(&mut stream).expect("an answer").status
    };
    let looked = desk.run(&["reconcile"]);
    assert!(looked.out.contains("0 settled, 2 still unknown"), "{looked:?}");
    let address = taken[0].webhook_url.as_deref().unwrap();
    assert_eq!(told(&format!("{address}0"), "delivered"), 404, "a token that is none");
    assert_eq!((status(&lost[0]), status(&lost[1])), (json!("unknown"), json!("unknown")));
    assert_eq!(told(address, "delivered"), 204);
    assert_eq!((status(&lost[0]), status(&lost[1])), (json!("delivered"), json!("unknown")));
    for n in [1, 2] {
        ask("send_sms", send(n));
    }
    assert_eq!(fake.vendor().recipients(), [fictional(1), fictional(2)]);
    let sends = fake.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(sends, 2);
}
