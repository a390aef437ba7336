//! What Infobip sends by itself: to the address of one text, where nothing proves it, and by a subscription
//! of the account, with a user and a password or with a signature.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::provider::Provider;
use sms_mcp::provider::exchange::{Delivery, Event, HeardBy, NotBelieved};
use sms_mcp::provider::infobip::Config;
use sms_mcp::provider::signature::{Encoding, Hash, Key};
use sms_mcp::setting::Secret;
use sms_mcp::sms::message::{MessageId, State};

use super::{build, config, digits, euro, id};
use crate::fake::infobip::{Infobip, Message, status};

const USER: &str = "sms-mcp";
const PASSWORD: &str = "p\u{e4}ss:word";
const SECRET: &str = "canary-hmac-key";
const HEADER: &str = "X-Hub-Signature";

/// The provider where a subscription shows a user and a password, or signs.
fn proving(hash: Hash, encoding: Encoding) -> super::Infobip {
    let secret = || Some(Secret::Env("ANY".to_owned()));
    let config = Config {
        webhook_user: Some(USER.to_owned()),
        webhook_password: secret(),
        webhook_header: Some(HEADER.to_owned()),
        webhook_secret: secret(),
        webhook_hash: hash,
        webhook_encoding: encoding,
        ..config("http://127.0.0.1:9")
    };
    build(&config, &[("webhook_password", PASSWORD), ("webhook_secret", SECRET)])
}

async fn told(
    provider: &dyn Provider,
    header: Option<(&str, &[u8])>,
    body: &[u8],
    message: Option<&MessageId>,
) -> Result<Vec<Event>, NotBelieved> {
    let mut headers = HeaderMap::new();
    if let Some((name, value)) = header {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.insert(name, HeaderValue::from_bytes(value).unwrap());
    }
    let url = "https://sms.example.com/webhooks/infobip/x";
    let now = Timestamp(1);
    provider
        .events(&Delivery { method: &Method::POST, url, query: "", headers: &headers, body, message, now })
        .await
}

/// A report about the text of this number that stands so.
fn report(n: usize, at: (u64, u64)) -> Value {
    Infobip::shown(&Message {
        id: id(n).to_string(),
        to: digits(n),
        sender: "ACME".to_owned(),
        text: "a".to_owned(),
        report_url: None,
        status: at,
    })
}

fn body(results: &[Value]) -> Vec<u8> {
    json!({ "results": results }).to_string().into_bytes()
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")))
}

#[tokio::test]
async fn a_subscription_is_believed_by_its_user_or_its_signature_and_what_differs_by_one_bit_is_not() {
    let body = body(&[report(1, (3, 5))]);
    let is_believed = |told: Result<Vec<Event>, NotBelieved>| match told {
        Ok(events) => {
            assert!(matches!(&events[..], [Event::Receipt(_), Event::Hint { .. }]), "{events:?}");
            true
        }
        Err(NotBelieved::Signature) => false,
        other => panic!("{other:?}"),
    };
    let all = [Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha512].into_iter().flat_map(|hash| {
        [Encoding::Hex, Encoding::Base64, Encoding::Base64Url].map(|encoding| (hash, encoding))
    });
    for (hash, encoding) in all {
        let provider = proving(hash, encoding);
        let signed = Key::new(hash, encoding, SECRET.as_bytes()).sign([&body[..]]);
        let signed = signed.as_bytes();
        assert!(is_believed(told(&provider, Some((HEADER, signed)), &body, None).await), "{hash:?}");
        for at in 0..signed.len() {
            let mut other = signed.to_vec();
            other[at] ^= 1;
            if HeaderValue::from_bytes(&other).is_ok() {
                assert!(!is_believed(told(&provider, Some((HEADER, &other)), &body, None).await), "{at}");
            }
        }
        for at in 0..body.len() {
            let mut other = body.clone();
            other[at] ^= 1;
            assert!(!is_believed(told(&provider, Some((HEADER, signed)), &other, None).await), "{at}");
        }
        let otherwise = Key::new(hash, encoding, b"another").sign([&body[..]]);
        assert!(!is_believed(told(&provider, Some((HEADER, otherwise.as_bytes())), &body, None).await));
        assert!(!is_believed(told(&provider, Some(("x-other", signed)), &body, None).await));
    }
    let provider = proving(Hash::Sha256, Encoding::Hex);
    let right = basic();
    assert!(is_believed(told(&provider, Some(("authorization", right.as_bytes())), &body, None).await));
    let lower = right.replacen("Basic", "basic", 1);
    assert!(is_believed(told(&provider, Some(("authorization", lower.as_bytes())), &body, None).await));
    for at in "Basic ".len()..right.len() {
        let mut other = right.clone().into_bytes();
        other[at] ^= 1;
        if HeaderValue::from_bytes(&other).is_ok() {
            assert!(
                !is_believed(told(&provider, Some(("authorization", &other)), &body, None).await),
                "{at}"
            );
        }
    }
    for wrong in ["", "Basic ", "Basic", "Bearer x", &right["Basic ".len()..], &format!("{right}=")] {
        let header = Some(("authorization", wrong.as_bytes()));
        assert!(!is_believed(told(&provider, header, &body, None).await), "{wrong}");
    }
    assert!(!is_believed(told(&provider, None, &body, None).await));
}

#[tokio::test]
async fn a_result_that_cannot_be_read_loses_no_other_of_the_request() {
    let provider = proving(Hash::Sha256, Encoding::Hex);
    let header = basic();
    let believed = async |results: &[Value]| {
        told(&provider, Some(("authorization", header.as_bytes())), &body(results), None).await
    };
    let stop = |from: &str| json!({ "from": from, "to": "36179", "text": "STOP" });
    let results = [
        json!({ "text": "from nobody" }),
        json!({ "status": {} }),
        json!(1),
        stop("447700900555"),
        stop("447700900556"),
    ];
    let events = believed(&results).await.unwrap();
    assert_eq!(events, believed(&results).await.unwrap(), "the same whenever it is told again");
    let [Event::Reply(one), Event::Reply(other)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((one.from.text(), one.text.as_str()), ("447700900555", "STOP"));
    assert!(!one.vendor_id.is_empty() && one.vendor_id != other.vendor_id);
    assert!(matches!(believed(&results[..3]).await, Err(NotBelieved::Malformed(_))), "nothing of it is read");
}

#[tokio::test]
async fn what_comes_to_a_texts_own_address_is_a_hint_and_no_more_whoever_sends_it() {
    for provider in [build(&config("http://127.0.0.1:9"), &[]), proving(Hash::Sha256, Encoding::Hex)] {
        let reports = body(&[report(1, (3, 5)), report(2, (5, 14))]);
        let events = told(&provider, None, &reports, Some(&id(1))).await.unwrap();
        let hint = |n: usize, message| Event::Hint { vendor_id: id(n).to_string(), message };
        assert_eq!(events, [hint(1, Some(id(1))), hint(2, None)], "the address is that of one text");
        let reply = json!({ "messageId": "in-1", "from": digits(1), "to": "36179", "text": "STOP" });
        assert_eq!(told(&provider, None, &body(&[reply]), Some(&id(1))).await, Err(NotBelieved::Signature));
    }
    // Where nothing proves anything, the account's address is worth as much.
    let unproven = build(&config("http://127.0.0.1:9"), &[]);
    let events = told(&unproven, None, &body(&[report(1, (3, 5))]), None).await.unwrap();
    assert_eq!(events, [Event::Hint { vendor_id: id(1).to_string(), message: None }]);
}

#[tokio::test]
async fn a_proven_report_tells_its_state_price_and_opt_out_and_a_proven_text_is_a_persons() {
    let provider = proving(Hash::Sha256, Encoding::Hex);
    let header = basic();
    let believed = async |results: &[Value]| {
        told(&provider, Some(("authorization", header.as_bytes())), &body(results), None).await
    };
    let all = [
        ((1, 7), State::Sent),
        ((3, 5), State::Delivered),
        ((4, 15), State::Expired),
        ((5, 14), State::Failed),
    ];
    let results: Vec<Value> = all.iter().enumerate().map(|(n, (at, _))| report(n, *at)).collect();
    let events = believed(&results).await.unwrap();
    let receipts: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Receipt(receipt) => Some(receipt),
            _ => None,
        })
        .collect();
    for (n, (_, state)) in all.iter().enumerate() {
        assert_eq!((receipts[n].vendor_id.as_str(), receipts[n].state), (id(n).as_str(), *state));
        assert_eq!(receipts[n].price, Some(euro(51_200)));
        // Our id with another recipient is no word about ours.
        assert_eq!(receipts[n].to, Some(digits(n)));
        assert_eq!(receipts[n].at, Timestamp::parse("2026-11-22T10:15:03.500Z").unwrap());
        // Settles one that nobody heard of since it was handed over.
        assert!(events.contains(&Event::Hint { vendor_id: id(n).to_string(), message: Some(id(n)) }));
    }
    assert!(receipts[3].why.as_deref().unwrap().starts_with("14: This person is on the blocklist"));
    let stopped: Vec<_> = events.iter().filter(|event| matches!(event, Event::OptOut { .. })).collect();
    let person = format!("+{}", digits(3)).as_str().into();
    let at = Timestamp::parse("2026-11-22T10:15:03.500Z");
    let heard_by = Some(HeardBy::Report(id(3)));
    assert_eq!(stopped, [&Event::OptOut { number: person, is_out: true, at, heard_by }]);
    // A status that nobody knows is looked up, and the refusal of a second message is no news of the first.
    let unknown = believed(&[report(1, (9, 9))]).await.unwrap();
    assert!(matches!(&unknown[..], [Event::Hint { .. }]), "{unknown:?}");
    let duplicate = believed(&[report(1, (5, 23))]).await.unwrap();
    assert!(matches!(&duplicate[..], [Event::Hint { .. }]), "{duplicate:?}");
    // Somebody else's message of the account has an id that is none of ours.
    let mut foreign = report(1, (3, 5));
    foreign["messageId"] = json!("abc");
    let events = believed(&[foreign]).await.unwrap();
    assert!(events.contains(&Event::Hint { vendor_id: "abc".to_owned(), message: None }), "{events:?}");
    let received = json!({ "messageId": "in-1", "from": "447700900555", "to": "36179",
        "text": "STOP\n\u{1f44d}", "cleanText": "\u{1f44d}", "keyword": "STOP",
        "receivedAt": "2026-11-22T10:15:00.250+0000", "smsCount": 1 });
    let events = believed(std::slice::from_ref(&received)).await.unwrap();
    let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (reply.vendor_id.as_str(), reply.from.text(), reply.to.as_str(), reply.text.as_str()),
        ("in-1", "447700900555", "36179", "STOP\n\u{1f44d}")
    );
    assert_eq!(reply.at, Timestamp::parse("2026-11-22T10:15:00.250Z").unwrap());
    let without = |name: &str| {
        let mut other = received.clone();
        other.as_object_mut().unwrap().remove(name);
        other
    };
    for wrong in [without("from"), json!({ "status": status((3, 5)) }), json!(1)] {
        assert!(
            matches!(believed(std::slice::from_ref(&wrong)).await, Err(NotBelieved::Malformed(_))),
            "{wrong}"
        );
    }
    for wrong in [json!({}), json!([]), json!({ "results": {} })] {
        let wrong = wrong.to_string().into_bytes();
        let told = told(&provider, Some(("authorization", header.as_bytes())), &wrong, None).await;
        assert!(matches!(told, Err(NotBelieved::Malformed(_))), "{told:?}");
    }
}
