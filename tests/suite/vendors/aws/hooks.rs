//! What comes over SNS: envelopes that an implementation of its own signed, and what is in them; and the
//! program before it, where an answer is lost after AWS took the text.

use std::io::Write as _;

use ::http::{HeaderMap, Method};
use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock, Timestamp};
use sms_mcp::provider::Provider;
use sms_mcp::provider::aws::{Aws, Config};
use sms_mcp::provider::exchange::{Delivery, Event, NotBelieved};
use sms_mcp::sms::message::{MessageId, State};

use super::{build, config, usd};
use crate::fake::aws::{self as vendor, FROM, LIST, REGION, SECRET, TOPIC};
use crate::fake::{Fake, Fault};
use crate::support::{Desk, Era, WIDE, fictional};
use crate::wire::{connect, post, read_reply, stateless_headers, tool_call};

/// When the vectors were signed.
const TIME: &str = "2026-11-26T07:30:00.000Z";

/// Envelopes of both versions, signed by another implementation (Python's `cryptography`).
fn vectors() -> Vec<Value> {
    serde_json::from_str(include_str!("../../../vectors/sns.json")).unwrap()
}

fn time() -> Timestamp {
    Timestamp::parse(TIME).unwrap()
}

async fn told_at(provider: &Aws, body: &[u8], now: Timestamp) -> Result<Vec<Event>, NotBelieved> {
    let headers = HeaderMap::new();
    let delivery = Delivery {
        method: &Method::POST,
        url: "https://sms.example.com/webhooks/aws/x",
        query: "",
        headers: &headers,
        body,
        message: None,
        now,
    };
    provider.events(&delivery).await
}

async fn told(provider: &Aws, envelope: &Value) -> Result<Vec<Event>, NotBelieved> {
    told_at(provider, envelope.to_string().as_bytes(), time()).await
}

fn of_sns(fake: &Fake<vendor::Aws>) -> Aws {
    build(&config(&fake.url()))
}

#[tokio::test]
async fn each_vector_of_both_versions_is_believed_and_its_certificate_is_fetched_once() {
    let fake = Fake::start(vendor::Aws::default());
    let provider = of_sns(&fake);
    for vector in vectors() {
        let events = told(&provider, &vector).await.unwrap_or_else(|why| panic!("{vector}: {why:?}"));
        let is_event = vector["Message"].as_str().unwrap().contains("eventType");
        assert_eq!(events.len(), if is_event { 2 } else { 0 }, "{vector}: {events:?}");
        // The order of the fields is nobody's.
        let fields: Vec<String> = vector
            .as_object()
            .unwrap()
            .iter()
            .rev()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        let turned = format!("{{{}}}", fields.join(","));
        assert_eq!(told_at(&provider, turned.as_bytes(), time()).await, Ok(events));
    }
    let fetched = fake.requests().iter().filter(|request| request.path.ends_with(".pem")).count();
    assert_eq!(fetched, 1);
    assert_eq!(fake.vendor().confirmed.len(), 4, "two subscriptions, each told twice");
    let strict = build(&Config { allow_sha1: false, ..config(&fake.url()) });
    for vector in vectors() {
        let is_first = vector["SignatureVersion"] == "1";
        assert_eq!(told(&strict, &vector).await.is_err(), is_first, "{vector}");
    }
    let none = build(&Config { topics: Vec::new(), ..config(&fake.url()) });
    assert_eq!(told(&none, &vectors()[0]).await, Err(NotBelieved::NotExpected));
}

#[tokio::test]
async fn what_differs_from_a_vector_in_one_bit_is_not_believed() {
    let fake = Fake::start(vendor::Aws::default());
    let provider = of_sns(&fake);
    for vector in vectors() {
        let mut refused = 0;
        for name in ["Signature", "Message", "MessageId", "Subject", "Timestamp", "Token", "SubscribeURL"] {
            let Some(text) = vector[name].as_str() else { continue };
            for at in 0..text.len() {
                let mut octets = text.as_bytes().to_vec();
                octets[at] ^= 1;
                let Ok(other) = String::from_utf8(octets) else { continue };
                let mut changed = vector.clone();
                changed[name] = json!(other);
                let told = told(&provider, &changed).await;
                assert!(told.is_err(), "{name} {at}: {told:?}");
                refused += 1;
            }
        }
        assert!(refused > 300, "{refused}");
        for other in ["1", "2", "3", ""] {
            let mut changed = vector.clone();
            changed["SignatureVersion"] = json!(other);
            let is_believed = told(&provider, &changed).await.is_ok();
            assert_eq!(is_believed, vector["SignatureVersion"] == other, "{other}");
        }
        for other in ["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation", "Other"] {
            let mut changed = vector.clone();
            changed["Type"] = json!(other);
            assert_eq!(told(&provider, &changed).await.is_ok(), vector["Type"] == other, "{other}");
        }
        // A field more that would be signed, and two of one name.
        if vector["Subject"].is_null() && vector["Type"] == "Notification" {
            let mut changed = vector.clone();
            changed["Subject"] = json!("");
            assert_eq!(told(&provider, &changed).await, Err(NotBelieved::Signature));
        }
        let twice = vector.to_string().replacen('{', "{\"Message\":\"x\",", 1);
        assert!(matches!(told_at(&provider, twice.as_bytes(), time()).await, Err(NotBelieved::Malformed(_))));
    }
    let confirmed = fake.vendor().confirmed.len();
    assert_eq!(confirmed, 4, "each right one, by its version and by its type, and no wrong one");
}

#[tokio::test]
async fn an_envelope_of_another_time_or_of_another_topic_is_not_believed_and_nothing_is_fetched_for_it() {
    let fake = Fake::start(vendor::Aws::default());
    let provider = of_sns(&fake);
    let vector = &vectors()[0];
    let mut other = vector.clone();
    other["TopicArn"] = json!("arn:aws:sns:eu-west-1:999999999999:sms-mcp");
    assert!(matches!(told(&provider, &other).await, Err(NotBelieved::Malformed(_))));
    let body = vector.to_string();
    for seconds in [3_901, -301, 86_400, -86_400] {
        let at = time().plus_ms(seconds * 1_000);
        assert_eq!(told_at(&provider, body.as_bytes(), at).await, Err(NotBelieved::Signature), "{seconds}");
    }
    for url in [
        "https://sns.eu-west-1.amazonaws.com.evil.example/x-rfc9500.pem",
        "http://sns.eu-west-1.amazonaws.com/x-rfc9500.pem",
        "https://evil.example/x-rfc9500.pem",
        "https://sns.eu-west-1.amazonaws.com/x-rfc9500.txt",
    ] {
        let mut other = vector.clone();
        other["SigningCertURL"] = json!(url);
        assert!(matches!(told(&provider, &other).await, Err(NotBelieved::Malformed(_))), "{url}");
    }
    assert!(fake.requests().is_empty(), "nothing is fetched before that is known");
    for seconds in [3_900, -300, 0] {
        let at = time().plus_ms(seconds * 1_000);
        assert!(told_at(&provider, body.as_bytes(), at).await.is_ok(), "{seconds}");
    }
    let huge = vec![b' '; 70_000];
    assert!(matches!(told_at(&provider, &huge, time()).await, Err(NotBelieved::Malformed(_))));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_had_is_asked_for_again_and_not_without_end() {
    let fake = Fake::start(vendor::Aws::default());
    let provider = of_sns(&fake);
    let vector = vectors().remove(0);
    fake.vendor().certificate = "<html>".to_owned();
    assert!(matches!(told(&provider, &vector).await, Err(NotBelieved::NotNow(_))));
    fake.vendor().certificate = vendor::CERTIFICATE.to_owned();
    assert!(told(&provider, &vector).await.is_ok(), "SNS comes again, and so do we");
    // The key of somebody else at an address of its own.
    let before = fake.requests().len();
    for n in 0..30 {
        let mut other = vector.clone();
        other["SigningCertURL"] = json!(format!("https://sns.eu-west-1.amazonaws.com/{n}-missing.pem"));
        assert!(matches!(told(&provider, &other).await, Err(NotBelieved::NotNow(_))), "{n}");
    }
    assert_eq!(fake.requests().len() - before, 8, "ten a minute, and two there were");
    assert!(told(&provider, &vector).await.is_ok(), "what is known needs no fetch");
}

#[tokio::test]
async fn a_subscription_is_confirmed_for_the_topic_of_the_settings_at_an_address_of_amazons_alone() {
    let fake = Fake::start(vendor::Aws::default());
    let provider = of_sns(&fake);
    let right = vendor::subscription("token-1", time());
    assert_eq!(told(&provider, &right).await, Ok(Vec::new()));
    assert_eq!(fake.vendor().confirmed, ["token-1"]);
    for url in
        ["https://evil.example/?Action=ConfirmSubscription", "https://127.0.0.1/", "file:///etc/passwd"]
    {
        let mut other = vendor::subscription("token-2", time());
        other["SubscribeURL"] = json!(url);
        let signed = vendor::sign(other);
        assert!(matches!(told(&provider, &signed).await, Err(NotBelieved::Malformed(_))), "{url}");
    }
    let mut foreign = vendor::subscription("token-3", time());
    foreign["TopicArn"] = json!("arn:aws:sns:eu-west-1:999999999999:sms-mcp");
    assert!(matches!(told(&provider, &vendor::sign(foreign)).await, Err(NotBelieved::Malformed(_))));
    let old = vendor::subscription("old", time());
    assert!(
        matches!(told(&provider, &old).await, Err(NotBelieved::Malformed(_))),
        "another try helps nobody"
    );
    fake.fail(Fault::ErrorAfterAccept(503));
    let later = vendor::subscription("token-4", time());
    assert!(matches!(told(&provider, &later).await, Err(NotBelieved::NotNow(_))));
    fake.fail(Fault::None);
    // Whatever the address says besides its host, what is asked is to confirm this topic with that token.
    let mut odd = vendor::subscription("token-5", time());
    odd["SubscribeURL"] = json!("https://sns.eu-west-1.amazonaws.com/?Action=DeleteTopic&TopicArn=x");
    assert_eq!(told(&provider, &vendor::sign(odd)).await, Ok(Vec::new()));
    assert_eq!(fake.vendor().confirmed, ["token-1", "token-4", "token-5"]);
}

#[tokio::test]
async fn an_event_tells_its_state_and_price_and_the_message_that_its_context_names() {
    let fake = Fake::start(vendor::Aws::default());
    let provider = of_sns(&fake);
    let ours = MessageId::new(1, 2);
    let message = vendor::Message {
        id: "862a8790".to_owned(),
        to: fictional(1),
        body: json!({ "Context": { "m": ours.as_str() } }),
    };
    let of = |event: &Value| vendor::envelope(&event.to_string(), time());
    for (kind, expected) in [
        ("TEXT_QUEUED", Some(State::Sent)),
        ("TEXT_PENDING", Some(State::Sent)),
        ("TEXT_SENT", Some(State::Sent)),
        ("TEXT_SUCCESSFUL", Some(State::Sent)),
        ("TEXT_UNKNOWN", Some(State::Sent)),
        ("TEXT_DELIVERED", Some(State::Delivered)),
        ("TEXT_TTL_EXPIRED", Some(State::Expired)),
        ("TEXT_INVALID", Some(State::Failed)),
        ("TEXT_INVALID_MESSAGE", Some(State::Failed)),
        ("TEXT_UNREACHABLE", Some(State::Failed)),
        ("TEXT_CARRIER_UNREACHABLE", Some(State::Failed)),
        ("TEXT_BLOCKED", Some(State::Failed)),
        ("TEXT_CARRIER_BLOCKED", Some(State::Failed)),
        ("TEXT_SPAM", Some(State::Failed)),
        ("TEXT_PROTECT_BLOCKED", Some(State::Failed)),
        ("TEXT_BRAND_NEW", None),
    ] {
        let events = told(&provider, &of(&vendor::Aws::event(&message, kind))).await.unwrap();
        let hint = Event::Hint { vendor_id: message.id.clone(), message: Some(ours.clone()) };
        assert!(events.contains(&hint), "{kind}: {events:?}");
        let receipt = events.iter().find_map(|event| match event {
            Event::Receipt(receipt) => Some(receipt),
            _ => None,
        });
        assert_eq!(receipt.map(|receipt| receipt.state), expected, "{kind}");
        let Some(receipt) = receipt else { continue };
        assert_eq!((receipt.price, receipt.at), (Some(usd(9_450)), Timestamp(1_795_678_199_000)), "{kind}");
        let is_failed = matches!(receipt.state, State::Failed | State::Expired);
        assert_eq!(receipt.why.as_deref().is_some_and(|why| why.starts_with(kind)), is_failed, "{kind}");
        assert_eq!(receipt.is_documented, is_failed);
    }
    // What is not AWS's last word on a failure is no news; nothing for a text on its way is no price.
    for (change, expected) in [
        (json!({ "eventType": "TEXT_UNREACHABLE", "isFinal": false }), None),
        (json!({ "totalMessagePrice": 0.0, "totalCarrierFee": 0.0 }), Some((State::Delivered, None))),
        (json!({ "totalMessagePrice": "much" }), Some((State::Delivered, None))),
        (json!({ "totalCarrierFee": null }), Some((State::Delivered, None))),
        (
            json!({ "eventType": "TEXT_INVALID", "totalMessagePrice": 0.0, "totalCarrierFee": 0.0 }),
            Some((State::Failed, Some(usd(0)))),
        ),
    ] {
        let mut event = vendor::Aws::event(&message, "TEXT_DELIVERED");
        event.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let events = told(&provider, &of(&event)).await.unwrap();
        let receipt = events.iter().find_map(|event| match event {
            Event::Receipt(receipt) => Some((receipt.state, receipt.price)),
            _ => None,
        });
        assert_eq!(receipt, expected, "{change}");
    }
    let mut foreign = vendor::Aws::event(&message, "TEXT_DELIVERED");
    foreign["context"] = json!({ "m": "somebody else's" });
    let events = told(&provider, &of(&foreign)).await.unwrap();
    assert!(matches!(&events[..], [Event::Receipt(_)]), "{events:?}");
    let nameless = json!({ "eventType": "TEXT_DELIVERED" });
    assert!(matches!(told(&provider, &of(&nameless)).await, Err(NotBelieved::Malformed(_))));
}

#[tokio::test]
async fn a_persons_text_is_a_reply_however_it_was_cut_and_what_else_comes_over_the_topic_is_nobodys() {
    let fake = Fake::start(vendor::Aws::default());
    let provider = of_sns(&fake);
    let written = json!({ "originationNumber": "+14255550182", "destinationNumber": FROM,
        "messageKeyword": "K", "messageBody": "STOP\n\u{1f44d}", "inboundMessageId": "cae173d2",
        "previousPublishedMessageId": "w" });
    let cut = written.to_string().replace("\u{1f44d}", "\\ud83d");
    for (message, text) in [(written.to_string(), "STOP\n\u{1f44d}"), (cut, "STOP\n\u{fffd}")] {
        let events = told(&provider, &vendor::envelope(&message, time())).await.unwrap();
        let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(
            (reply.vendor_id.as_str(), reply.from.text(), reply.to.as_str(), reply.text.as_str()),
            ("cae173d2", "+14255550182", FROM, text)
        );
    }
    for other in ["hello", "{}", "[]", "null", "{\"eventType\":\"VOICE_COMPLETED\",\"messageId\":\"1\"}"] {
        assert_eq!(told(&provider, &vendor::envelope(other, time())).await, Ok(Vec::new()), "{other}");
    }
    let nobody = json!({ "inboundMessageId": "1" }).to_string();
    let envelope = vendor::envelope(&nobody, time());
    assert!(matches!(told(&provider, &envelope).await, Err(NotBelieved::Malformed(_))));
}

#[test]
fn a_text_whose_answer_was_lost_is_one_text_and_is_settled_by_its_own_event_over_kill_and_restart() {
    const PUBLIC: &str = "https://sms.example.com";
    let fake = Fake::start(vendor::Aws::default());
    let url = fake.url();
    let own = super::super::hostile::own("aws", &url, SECRET);
    let desk = Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n[[provider]]\n\
         kind = \"aws\"\n{own}\ntopics = [\"{TOPIC}\"]\nsns_url = \"{url}\"\nopt_out_list = \"{LIST}\"\n"
    ));
    assert!(own.contains(REGION));
    let printed = desk.run(&["provider", "aws", "webhook-url"]);
    let address = printed.out.split(PUBLIC).nth(1).unwrap_or_else(|| panic!("{printed:?}"));
    let address = address.split(['"', '\n']).next().unwrap().to_owned();
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
    let tell = |port: u16, envelope: &Value| {
        let body = envelope.to_string();
        let mut stream = connect(port);
        let head = format!(
            "POST {address} HTTP/1.1\r\nHost: sms.example.com\r\nx-amz-sns-message-type: Notification\r\n\
             Content-Type: text/plain; charset=UTF-8\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        read_reply(&mut stream).expect("an answer").status
    };
    let now = || SystemClock.now();
    assert_eq!(tell(server.port, &vendor::subscription("token-1", now())), 204);
    assert_eq!(fake.vendor().confirmed, ["token-1"]);
    fake.fail(Fault::DropAfterAccept);
    let send =
        |n: usize| json!({ "to": fictional(n), "message": "hello", "idempotency_key": format!("k{n}") });
    let lost = [1, 2].map(|n| ask(server.port, "send_sms", send(n))["id"].as_str().unwrap().to_owned());
    fake.fail(Fault::None);
    server.kill();
    let looked = desk.run(&["reconcile"]);
    assert!(looked.out.contains("2 still unknown"), "{looked:?}");
    let server = desk.http(|_| {});
    let status = |id: &str| ask(server.port, "get_status", json!({ "id": id }))["message"]["status"].clone();
    assert_eq!((status(&lost[0]), status(&lost[1])), (json!("unknown"), json!("unknown")));
    let taken = fake.vendor().messages.clone();
    let event = |kind: &str| vendor::envelope(&vendor::Aws::event(&taken[0], kind).to_string(), now());
    let mut forged = event("TEXT_DELIVERED");
    forged["Message"] = json!(forged["Message"].as_str().unwrap().replace("TEXT_DELIVERED", "TEXT_SENT"));
    assert_eq!(tell(server.port, &forged), 401);
    assert_eq!(status(&lost[0]), json!("unknown"));
    assert_eq!(tell(server.port, &event("TEXT_QUEUED")), 204);
    assert_eq!((status(&lost[0]), status(&lost[1])), (json!("sent"), json!("unknown")));
    for _ in 0..2 {
        assert_eq!(tell(server.port, &event("TEXT_DELIVERED")), 204, "told twice, it is the same");
    }
    assert_eq!((status(&lost[0]), status(&lost[1])), (json!("delivered"), json!("unknown")));
    // A certificate that cannot be had now: SNS is asked to come again.
    let mut elsewhere = event("TEXT_DELIVERED");
    elsewhere["SigningCertURL"] = json!("https://sns.eu-west-1.amazonaws.com/missing.pem");
    assert_eq!(tell(server.port, &elsewhere), 503);
    for n in [1, 2] {
        ask(server.port, "send_sms", send(n));
    }
    assert_eq!(fake.vendor().recipients(), [fictional(1), fictional(2)]);
    let sends = fake.requests().iter().filter(|request| vendor::Aws::is_send(request)).count();
    assert_eq!(sends, 2);
}
