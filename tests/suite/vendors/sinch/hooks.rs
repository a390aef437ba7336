//! What Sinch sends by itself, signed over the raw body, a nonce and a time; and the program before it, where
//! an answer is lost after Sinch took the text.

use std::io::Write as _;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock, Timestamp};
use sms_mcp::provider::Provider;
use sms_mcp::provider::exchange::{Delivery, Event, NotBelieved};
use sms_mcp::provider::signature::{Encoding, Hash, Key};
use sms_mcp::provider::sinch::Config;
use sms_mcp::sms::message::{MessageId, State};

use super::{PUBLIC, SECRET, any, build, config, id};
use crate::fake::sinch::{FROM, PLAN, Sinch, TOKEN};
use crate::fake::{Fake, Fault};
use crate::support::{Desk, Era, WIDE, fictional};
use crate::wire::{connect, post, read_reply, stateless_headers, tool_call};

/// The vendor's vector: its time, its nonce, its body and its signature.
const TIME: i64 = 1_698_765_432;
const NONCE: &str = "01HBIBFMXJTWGE1RXZJHVYN3H7";
const BODY: &str = r#"{"batch_id":"01HEX","code":0,"status":"Delivered"}"#;
const SIGNED: &str = "aanXdHiv0hEVMmLEWiqdkDi0F6XapCmtQyhYv9ZHeOc=";

fn sign(time: i64, body: &str) -> String {
    let key = Key::new(Hash::Sha256, Encoding::Base64, SECRET.as_bytes());
    key.sign([body.as_bytes(), b".", NONCE.as_bytes(), b".", time.to_string().as_bytes()])
}

/// What a signed request shows.
fn shown<'a>(signature: &'a str, nonce: &'a str, time: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("x-sinch-webhook-signature", signature),
        ("x-sinch-webhook-signature-nonce", nonce),
        ("x-sinch-webhook-signature-timestamp", time),
        ("x-sinch-webhook-signature-algorithm", "HmacSHA256"),
    ]
}

/// What the provider makes of a request that comes so many seconds after its time.
async fn told(
    provider: &dyn Provider,
    body: &str,
    headers: &[(&'static str, &str)],
    later: i64,
    message: Option<&MessageId>,
) -> Result<Vec<Event>, NotBelieved> {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        all.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let url = "https://sms.example.com/webhooks/sinch/x";
    let (body, now) = (body.as_bytes(), Timestamp((TIME + later) * 1_000));
    let delivery = Delivery { method: &Method::POST, url, query: "", headers: &all, body, message, now };
    provider.events(&delivery).await
}

fn signing() -> super::Sinch {
    build(&config("http://127.0.0.1:9"), &[("webhook_secret", SECRET)])
}

async fn signed(body: &Value, message: Option<&MessageId>) -> Result<Vec<Event>, NotBelieved> {
    let body = body.to_string();
    let (signature, time) = (sign(TIME, &body), TIME.to_string());
    told(&signing(), &body, &shown(&signature, NONCE, &time), 0, message).await
}

#[tokio::test]
async fn the_vendors_vector_is_believed_within_two_days_and_what_differs_by_one_bit_is_not() {
    let time = TIME.to_string();
    assert_eq!(sign(TIME, BODY), SIGNED, "the test's own way to sign is the vendor's");
    let provider = signing();
    // It is signed, and it has no type.
    let is_believed = |told: Result<Vec<Event>, NotBelieved>| match told {
        Err(NotBelieved::Malformed(why)) => {
            assert!(why.contains("type"), "{why}");
            true
        }
        Err(NotBelieved::Signature) => false,
        other => panic!("{other:?}"),
    };
    let two_days = 2 * 86_400;
    for (later, expected) in
        [(0, true), (two_days, true), (-two_days, true), (two_days + 1, false), (-two_days - 1, false)]
    {
        let told = told(&provider, BODY, &shown(SIGNED, NONCE, &time), later, None).await;
        assert_eq!(is_believed(told), expected, "{later}");
    }
    for at in 0..SIGNED.len() {
        let mut other = SIGNED.as_bytes().to_vec();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        if HeaderValue::from_str(&other).is_ok() {
            assert!(!is_believed(told(&provider, BODY, &shown(&other, NONCE, &time), 0, None).await), "{at}");
        }
    }
    for at in 0..NONCE.len() {
        let mut other = NONCE.as_bytes().to_vec();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        assert!(!is_believed(told(&provider, BODY, &shown(SIGNED, &other, &time), 0, None).await), "{other}");
    }
    for at in 0..BODY.len() {
        let mut other = BODY.as_bytes().to_vec();
        other[at] ^= 1;
        let Ok(other) = String::from_utf8(other) else { continue };
        assert!(
            !is_believed(told(&provider, &other, &shown(SIGNED, NONCE, &time), 0, None).await),
            "{other}"
        );
    }
    for other in ["1698765433", "1698765432 ", "x", "", "99999999999999999999"] {
        assert!(!is_believed(told(&provider, BODY, &shown(SIGNED, NONCE, other), 0, None).await), "{other}");
    }
    let mut headers = shown(SIGNED, NONCE, &time);
    headers[3].1 = "HmacSHA1";
    assert!(!is_believed(told(&provider, BODY, &headers, 0, None).await));
    headers.truncate(3);
    assert!(is_believed(told(&provider, BODY, &headers, 0, None).await), "the algorithm need not be named");
    for missing in 0..3 {
        let mut headers = shown(SIGNED, NONCE, &time);
        headers.remove(missing);
        assert!(!is_believed(told(&provider, BODY, &headers, 0, None).await), "{missing}");
    }
    let login = Config {
        webhook_user: Some("sms-mcp".to_owned()),
        webhook_password: any(),
        ..config("http://127.0.0.1:9")
    };
    let login = build(&login, &[("webhook_password", "p4ss")]);
    let right = format!("Basic {}", STANDARD.encode("sms-mcp:p4ss"));
    assert!(is_believed(told(&login, BODY, &[("authorization", &right)], 0, None).await));
    for wrong in [format!("Basic {}", STANDARD.encode("sms-mcp:p4st")), "Basic".to_owned(), String::new()] {
        assert!(!is_believed(told(&login, BODY, &[("authorization", &wrong)], 0, None).await), "{wrong}");
    }
    assert!(!is_believed(told(&login, BODY, &shown(SIGNED, NONCE, &time), 0, None).await));
}

fn report(status: &str, code: u32) -> Value {
    json!({ "type": "recipient_delivery_report_sms", "batch_id": "b-1", "client_reference": id(2).as_str(),
        "recipient": "15551231234", "code": code, "status": status, "at": "2026-11-22T10:15:03.500Z" })
}

#[tokio::test]
async fn a_proven_report_tells_its_state_and_settles_what_was_lost_and_one_that_is_not_is_a_hint() {
    let at = Timestamp::parse("2026-11-22T10:15:03.500Z").unwrap();
    let hint = |message| Event::Hint { vendor_id: "b-1".to_owned(), message };
    for (status, code, state, why) in [
        ("Dispatched", 401, State::Sent, None),
        ("Delivered", 0, State::Delivered, None),
        ("Failed", 402, State::Failed, Some("402: Sinch has no route")),
    ] {
        for message in [None, Some(&id(2))] {
            let events = signed(&report(status, code), message).await.unwrap();
            let [Event::Receipt(receipt), told] = &events[..] else { panic!("{events:?}") };
            assert_eq!((receipt.vendor_id.as_str(), receipt.state, receipt.at), ("b-1", state, at));
            assert!(receipt.why.is_none() == why.is_none() && receipt.is_documented == why.is_some());
            assert!(receipt.why.as_deref().unwrap_or_default().starts_with(why.unwrap_or_default()));
            assert_eq!(*told, hint(Some(id(2))));
        }
    }
    let whole = json!({ "type": "delivery_report_sms", "batch_id": "b-1", "client_reference": "other",
        "statuses": [{ "code": 0, "status": "Delivered", "count": 1, "recipients": ["15551231234"] }] });
    let events = signed(&whole, None).await.unwrap();
    assert!(
        matches!(&events[..], [Event::Receipt(receipt)] if receipt.state == State::Delivered),
        "{events:?}"
    );
    let mut two = whole.clone();
    two["statuses"] = json!([{ "status": "Delivered" }, { "status": "Failed" }]);
    for unsure in [two, report("brand new", 0)] {
        let events = signed(&unsure, None).await.unwrap();
        assert!(matches!(&events[..], [Event::Hint { .. }]), "{events:?}");
    }
    assert_eq!(signed(&json!({ "type": "mo_media", "id": "x" }), None).await, Ok(Vec::new()));
    let received = json!({ "type": "mo_text", "id": "in-1", "from": "15551231234", "to": "12025550123",
        "body": "STOP\n\u{1f44d}", "received_at": "2026-11-22T10:15:03.500Z", "operator_id": "35000" });
    let events = signed(&received, None).await.unwrap();
    let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (reply.vendor_id.as_str(), reply.from.text(), reply.to.as_str(), reply.text.as_str(), reply.at),
        ("in-1", "15551231234", "12025550123", "STOP\n\u{1f44d}", at)
    );
    for wrong in [
        json!({}),
        json!([]),
        json!({ "type": "mo_text", "id": "x" }),
        json!({ "type": "delivery_report_sms" }),
    ] {
        assert!(matches!(signed(&wrong, None).await, Err(NotBelieved::Malformed(_))), "{wrong}");
    }
    // Nobody signed it: the address of the text says which it is, and nothing of the rest is believed.
    let unproven = build(&config("http://127.0.0.1:9"), &[]);
    for provider in [&unproven, &signing()] {
        let body = report("Delivered", 0).to_string();
        assert_eq!(told(provider, &body, &[], 0, Some(&id(1))).await, Ok(vec![hint(Some(id(1)))]));
        let told = told(provider, &received.to_string(), &[], 0, Some(&id(1))).await;
        assert_eq!(told, Err(NotBelieved::Signature));
    }
    let body = report("Delivered", 0).to_string();
    assert_eq!(told(&unproven, &body, &[], 0, None).await, Ok(vec![hint(None)]));
    assert_eq!(told(&signing(), &body, &[], 0, None).await, Err(NotBelieved::Signature));
}

#[test]
fn a_lost_answer_is_settled_by_what_is_found_under_our_reference_and_stays_unknown_where_nothing_is() {
    let fake = Fake::start(Sinch::default());
    // Its clock is that of the list, which is asked from an hour before the text on.
    let now = SystemClock.now().plus_ms(-1_000).rfc3339();
    let desk = Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n[[provider]]\n\
         kind = \"sinch\"\nbase_url = \"{}\"\nplan = \"{PLAN}\"\napi_token = \"{TOKEN}\"\nfrom = \"{FROM}\"\n\
         webhook_secret = \"{SECRET}\"\n",
        fake.url()
    ));
    let server = desk.http(|_| {});
    let ask = |port: u16, tool: &str, arguments: Value| -> Value {
        let body = tool_call(Era::Stateless, 1, tool, &arguments);
        let answer = post(port, &stateless_headers(tool), &body).json().unwrap();
        let result = &answer["result"];
        match &result["structuredContent"] {
            Value::Null => serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap(),
            content => content.clone(),
        }
    };
    fake.fail(Fault::DropAfterAccept);
    let send =
        |n: usize| json!({ "to": fictional(n), "message": "hello", "idempotency_key": format!("k{n}") });
    let lost = [1, 2, 3].map(|n| ask(server.port, "send_sms", send(n))["id"].as_str().unwrap().to_owned());
    fake.fail(Fault::None);
    fake.vendor().batches.iter_mut().for_each(|batch| batch.created_at.clone_from(&now));
    server.kill();
    let server = desk.http(|_| {});
    let status = |id: &str| ask(server.port, "get_status", json!({ "id": id }))["message"]["status"].clone();
    let states = || lost.each_ref().map(|id| status(id));
    let unknown = json!("unknown");
    // The third one is not in the list: that says nothing.
    let third = fake.vendor().batches.pop().unwrap();
    fake.vendor().lags = true;
    assert!(desk.run(&["reconcile"]).out.contains("0 settled, 3 still unknown"));
    assert_eq!(states(), [unknown.clone(), unknown.clone(), unknown.clone()]);
    fake.vendor().lags = false;
    fake.vendor().fate = ("Dispatched", 401);
    let found = desk.run(&["reconcile"]);
    assert!(found.out.contains("2 settled, 1 still unknown"), "{found:?}");
    assert_eq!(states(), [json!("sent"), json!("sent"), unknown]);
    // Its signed report comes to its own address.
    let body = json!({ "type": "recipient_delivery_report_sms", "batch_id": third.id, "code": 0,
        "client_reference": third.reference, "recipient": third.to[0], "status": "Delivered" })
    .to_string();
    fake.vendor().batches.push(third.clone());
    let path = third.callback_url.as_deref().unwrap().strip_prefix(PUBLIC).unwrap().to_owned();
    let time = SystemClock.now().as_millis() / 1_000;
    let mut stream = connect(server.port);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: sms.example.com\r\nX-Sinch-Webhook-Signature: {}\r\n\
         X-Sinch-Webhook-Signature-Nonce: {NONCE}\r\nX-Sinch-Webhook-Signature-Timestamp: {time}\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        sign(time, &body),
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    assert_eq!(read_reply(&mut stream).expect("an answer").status, 204);
    assert_eq!(status(&lost[2]), json!("delivered"));
    for n in [1, 2, 3] {
        ask(server.port, "send_sms", send(n));
    }
    assert_eq!(fake.vendor().recipients(), [fictional(1), fictional(2), fictional(3)]);
    let sends = fake.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(sends, 3);
}
