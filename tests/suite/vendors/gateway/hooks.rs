//! What gateways tell by themselves, by each way to believe them; and the program before two of them, where an
//! answer is lost after the gateway took the text.

use std::io::Write as _;

use ::http::{HeaderMap, HeaderValue, Method};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock, Timestamp};
use sms_mcp::provider::Provider;
use sms_mcp::provider::exchange::{Delivery, Event, HeardBy, NotBelieved, Webhook};
use sms_mcp::provider::signature::{Encoding, Hash, Key};
use sms_mcp::sms::message::{MessageId, State};

use super::{KEY, WEBHOOK_KEY, build, config, example, known};
use crate::fake::gateway::Gateway;
use crate::fake::presets::{self as vendor, SECRET, USER};
use crate::fake::{Fake, Fault, Vendor};
use crate::support::{Desk, Era, WIDE, fictional};
use crate::wire::{connect, post, read_reply, stateless_headers, tool_call};

const URL: &str = "https://sms.example.com/webhooks/http/t0ken";
const NOW: i64 = 1_764_142_205;
const NOBODY: &str = "http://127.0.0.1:9";

/// What a provider makes of a request.
async fn told(
    provider: &dyn Provider,
    (method, query, body): (&Method, &str, &str),
    headers: &[(&str, &str)],
    ours: bool,
    now: i64,
) -> Result<Vec<Event>, NotBelieved> {
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let name: ::http::HeaderName = name.parse().unwrap();
        all.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let message = MessageId::new(1, 2);
    let url = if query.is_empty() { URL.to_owned() } else { format!("{URL}?{query}") };
    let delivery = Delivery {
        method,
        url: &url,
        query,
        headers: &all,
        body: body.as_bytes(),
        message: ours.then_some(&message),
        now: Timestamp(now * 1_000),
    };
    provider.events(&delivery).await
}

fn states(events: &[Event]) -> Vec<State> {
    let each = events.iter().filter_map(|event| match event {
        Event::Receipt(receipt) => Some(receipt.state),
        _ => None,
    });
    each.collect()
}

/// Who is spoken of by hints: the gateway's id, and whether it says which message of ours.
fn hints(events: &[Event]) -> Vec<(&str, Option<&str>)> {
    let each = events.iter().filter_map(|event| match event {
        Event::Hint { vendor_id, message } => {
            Some((vendor_id.as_str(), message.as_ref().map(MessageId::as_str)))
        }
        _ => None,
    });
    each.collect()
}

fn texts(events: &[Event]) -> Vec<(&str, &str, &str, &str)> {
    let each = events.iter().filter_map(|event| match event {
        Event::Reply(reply) => {
            Some((reply.vendor_id.as_str(), reply.from.text(), reply.to.as_str(), reply.text.as_str()))
        }
        _ => None,
    });
    each.collect()
}

fn of_example() -> std::sync::Arc<dyn Provider> {
    let config = config(&example(NOBODY, "\"x\""));
    build(&config, &[("secret", KEY), ("webhook_secret", WEBHOOK_KEY)])
}

pub fn sign(time: &str, body: &str) -> String {
    let key = Key::new(Hash::Sha256, Encoding::Hex, WEBHOOK_KEY.as_bytes());
    format!("sha256={}", key.sign([time.as_bytes(), b".", body.as_bytes()]))
}

const REPORT: &str = r#"{"event":"report","id":"gw-7","ref":"x","state":"undelivered","reason":"absent","at":"2025-11-26T07:29:00Z"}"#;

#[tokio::test]
async fn an_hmac_is_believed_near_its_time_and_what_differs_by_one_bit_is_not() {
    let provider = of_example();
    let (time, signed) = (NOW.to_string(), sign(&NOW.to_string(), REPORT));
    let ask = async |body: &str, signature: &str, time: &str, now: i64| {
        let headers = [("x-signature", signature), ("x-timestamp", time)];
        match told(&*provider, (&Method::POST, "", body), &headers, false, now).await {
            Ok(events) => Some(events),
            Err(NotBelieved::Signature) => None,
            other => panic!("{other:?}"),
        }
    };
    let events = ask(REPORT, &signed, &time, NOW).await.unwrap();
    let [Event::Receipt(receipt)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((receipt.vendor_id.as_str(), receipt.state), ("gw-7", State::Failed));
    assert_eq!(receipt.why.as_deref(), Some("absent"));
    assert_eq!(receipt.at, Timestamp::parse("2025-11-26T07:29:00Z").unwrap());
    // Told again it is the same.
    assert_eq!(ask(REPORT, &signed, &time, NOW).await, Some(events));
    for (later, expected) in [(300, true), (-300, true), (301, false), (-301, false), (86_400, false)] {
        assert_eq!(ask(REPORT, &signed, &time, NOW + later).await.is_some(), expected, "{later}");
    }
    assert!(ask(REPORT, &signed.replace("sha256=", "SHA256="), &time, NOW).await.is_none());
    assert!(
        ask(REPORT, &format!("sha256={}", signed["sha256=".len()..].to_uppercase()), &time, NOW)
            .await
            .is_some()
    );
    for at in 0..signed.len() {
        let mut other = signed.clone().into_bytes();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        assert!(ask(REPORT, &other, &time, NOW).await.is_none(), "{at}");
    }
    for at in 0..REPORT.len() {
        let mut other = REPORT.as_bytes().to_vec();
        other[at] ^= 1;
        assert!(ask(&String::from_utf8(other).unwrap(), &signed, &time, NOW).await.is_none(), "{at}");
    }
    for other in ["1764142206", "1764142205 ", "x", "", "99999999999999999999"] {
        assert!(ask(REPORT, &signed, other, NOW).await.is_none(), "{other}");
    }
    let unsigned = told(&*provider, (&Method::POST, "", REPORT), &[], false, NOW).await;
    assert_eq!(unsigned, Err(NotBelieved::Signature));
}

#[tokio::test]
async fn what_is_signed_is_put_together_as_each_vendor_does() {
    // SMS Gateway for Android and Sinch: the vectors are those that their own libraries accept.
    let lines = |hook: &str| {
        config(&format!(
            "base_url = \"{NOBODY}\"\nwebhook_secret = \"x\"\nsend = {{ path = \"/x\", form = {{ a = \"{{to}}{{text}}\" }} }}\n\
             answer = {{ id = \"id\" }}\nstates = {{ Delivered = \"delivered\" }}\n[webhooks]\nauth = \"hmac\"\n{hook}\n\
             [receipts]\nid = \"batch_id|payload.messageId\"\nstate = \"status|event\"\n"
        ))
    };
    let phone =
        lines("header = \"X-Signature\"\nsigned = \"{body}{timestamp}\"\ntimestamp_header = \"X-Timestamp\"");
    let phone = build(&phone, &[("webhook_secret", "webhook-signing-key-0123")]);
    let body = r#"{"event":"sms:delivered","id":"Ey6E","payload":{"messageId":"01J9ABC"}}"#;
    let signature = "138a8b4d8a821f42663bc5e191946bf6ca90248bdd72dc79d96e8ab68ae9ac33";
    let headers = [("x-signature", signature), ("x-timestamp", "1764142205")];
    // `sms:delivered` is a word that nobody has said anything of.
    let events = told(&*phone, (&Method::POST, "", body), &headers, false, NOW).await.unwrap();
    assert_eq!(hints(&events), [("01J9ABC", None)]);
    let wrong = told(&*phone, (&Method::POST, "", &format!("{body} ")), &headers, false, NOW).await;
    assert_eq!(wrong, Err(NotBelieved::Signature));
    let sinch = "header = \"x-sinch-webhook-signature\"\nsigned = \"{body}.{nonce}.{timestamp}\"\nencoding = \"base64\"\n\
                 timestamp_header = \"x-sinch-webhook-signature-timestamp\"\nnonce_header = \
                 \"x-sinch-webhook-signature-nonce\"";
    let sinch = build(&lines(sinch), &[("webhook_secret", "my-webhook-secret")]);
    let body = r#"{"batch_id":"01HEX","code":0,"status":"Delivered"}"#;
    let mut headers = [
        ("x-sinch-webhook-signature", "aanXdHiv0hEVMmLEWiqdkDi0F6XapCmtQyhYv9ZHeOc="),
        ("x-sinch-webhook-signature-nonce", "01HBIBFMXJTWGE1RXZJHVYN3H7"),
        ("x-sinch-webhook-signature-timestamp", "1698765432"),
    ];
    let events = told(&*sinch, (&Method::POST, "", body), &headers, false, 1_698_765_432).await.unwrap();
    assert_eq!(states(&events), [State::Delivered]);
    headers[1].1 = "01HBIBFMXJTWGE1RXZJHVYN3H8";
    let other = told(&*sinch, (&Method::POST, "", body), &headers, false, 1_698_765_432).await;
    assert_eq!(other, Err(NotBelieved::Signature));
}

#[tokio::test]
async fn a_report_that_says_which_message_of_ours_it_is_settles_one_whose_answer_was_lost() {
    let provider = of_example();
    let ask = async |body: &str, ours: bool| {
        let time = NOW.to_string();
        let signed = sign(&time, body);
        let headers = [("x-signature", signed.as_str()), ("x-timestamp", time.as_str())];
        told(&*provider, (&Method::POST, "", body), &headers, ours, NOW).await
    };
    let ours = MessageId::new(1, 2);
    let events = ask(REPORT, true).await.unwrap();
    assert_eq!((states(&events), hints(&events)), (vec![State::Failed], vec![("gw-7", Some(ours.as_str()))]));
    let named = REPORT.replace("\"ref\":\"x\"", &format!("\"ref\":\"{}\"", MessageId::new(1, 9)));
    let events = ask(&named, false).await.unwrap();
    assert_eq!(hints(&events), [("gw-7", Some(MessageId::new(1, 9).as_str()))]);
    // A word that nobody knows is looked up.
    let events = ask(&REPORT.replace("undelivered", "brand_new"), false).await.unwrap();
    assert_eq!((states(&events), hints(&events)), (vec![], vec![("gw-7", None)]));
    assert_eq!(ask(r#"{"event":"other"}"#, true).await, Ok(Vec::new()));
    for wrong in [r#"{"event":"report","state":"sent"}"#, "x", r#"{"event":"text","id":"1"}"#] {
        assert!(matches!(ask(wrong, true).await, Err(NotBelieved::Malformed(_))), "{wrong}");
    }
    let text =
        r#"{"event":"text","id":"in-1","from":"+33199000001","to":"+33199000009","text":"STOP \ud83d"}"#;
    let events = ask(text, false).await.unwrap();
    assert_eq!(texts(&events), [("in-1", "+33199000001", "+33199000009", "STOP \u{fffd}")]);
}

#[tokio::test]
async fn a_report_that_nobody_proves_is_a_hint_and_no_text_of_a_person_is_taken_then() {
    let text = example(NOBODY, "\"x\"");
    let (before, rest) = text.split_once("[provider.webhooks]").unwrap();
    let (_, rest) = rest.split_once("[provider.receipts]").unwrap();
    let (receipts, rest) = rest.split_once("[provider.replies]").unwrap();
    let (_, states_of) = rest.split_once("[provider.states]").unwrap();
    let before = before.replace(&format!("webhook_secret = \"{WEBHOOK_KEY}\"\n"), "");
    let lines = format!(
        "{before}[provider.webhooks]\nauth = \"none\"\n[provider.receipts]{receipts}[provider.states]{states_of}"
    );
    let provider = build(&config(&lines), &[("secret", KEY)]);
    let events = told(&*provider, (&Method::POST, "", REPORT), &[], true, NOW).await.unwrap();
    let ours = MessageId::new(1, 2);
    assert_eq!((states(&events), hints(&events)), (vec![], vec![("gw-7", Some(ours.as_str()))]));
    let text = r#"{"event":"text","id":"in-1","from":"+33199000001","to":"1","text":"STOP"}"#;
    assert_eq!(told(&*provider, (&Method::POST, "", text), &[], false, NOW).await, Ok(Vec::new()));
    // The same with the token of the address as proof.
    let provider = build(&config(&lines.replace("auth = \"none\"", "auth = \"token\"")), &[("secret", KEY)]);
    let events = told(&*provider, (&Method::POST, "", REPORT), &[], false, NOW).await.unwrap();
    assert_eq!(states(&events), [State::Failed]);
    // And with a secret in a header.
    let header = lines.replace("auth = \"none\"", "auth = \"header\"\nheader = \"X-Token\"");
    let header =
        header.replace("secret = \"x\"\n", &format!("secret = \"x\"\nwebhook_secret = \"{WEBHOOK_KEY}\"\n"));
    let provider = build(&config(&header), &[("secret", KEY), ("webhook_secret", WEBHOOK_KEY)]);
    for (shown, expected) in [(WEBHOOK_KEY, true), ("canary-gateway-hook-77aB", false), ("", false)] {
        let events = told(&*provider, (&Method::POST, "", REPORT), &[("x-token", shown)], false, NOW).await;
        assert_eq!(events.is_ok(), expected, "{shown}");
    }
}

pub const HOOK: &str = "canary-hook-of-the-account-32byte";

#[tokio::test]
async fn bandwidths_callbacks_are_lists_that_show_a_name_and_a_password() {
    let provider = known::at("bandwidth", NOBODY);
    let right = format!("Basic {}", STANDARD.encode(format!("sms-mcp:{HOOK}")));
    let reference = MessageId::new(1, 5);
    let one = |kind: &str, more: Value| {
        json!({ "type": kind, "time": "2025-11-26T07:29:00Z", "description": "its words", "to": "+15551230000",
            "errorCode": more, "message": { "id": "m-1", "owner": "+15557654321", "tag": reference.as_str(),
                "direction": "out", "from": "+15551230000", "to": ["+15557654321"], "text": "STOP" } })
    };
    let body = json!([
        one("message-delivered", Value::Null),
        one("message-failed", json!(4_775)),
        one("message-received", Value::Null),
        one("message-read", Value::Null),
    ])
    .to_string();
    let ask = async |shown: &str| {
        told(&*provider, (&Method::POST, "", &body), &[("authorization", shown)], false, NOW).await
    };
    let events = ask(&right).await.unwrap();
    assert_eq!(states(&events), [State::Delivered, State::Failed]);
    assert_eq!(hints(&events), [("m-1", Some(reference.as_str())); 2]);
    assert_eq!(texts(&events), [("m-1", "+15551230000", "+15551230000", "STOP")]);
    let failed = events.iter().find_map(|event| match event {
        Event::Receipt(receipt) => receipt.why.clone(),
        _ => None,
    });
    assert_eq!(failed.as_deref(), Some("4775"));
    // That code is a person who wants no more texts.
    let stopped: Vec<&Event> = events.iter().filter(|event| matches!(event, Event::OptOut { .. })).collect();
    let wish = Event::OptOut {
        number: "+15551230000".into(),
        is_out: true,
        at: Timestamp::parse("2025-11-26T07:29:00Z"),
        heard_by: Some(HeardBy::Report(reference.clone())),
    };
    assert_eq!(stopped, [&wish]);
    // A report with another recipient is about another message of that one's.
    let of = |event: &Event| match event {
        Event::Receipt(receipt) => receipt.to.clone(),
        _ => None,
    };
    assert_eq!(events.iter().find_map(of).as_deref(), Some("+15551230000"));
    for wrong in ["", "Basic", &right[..right.len() - 1], &right.replace("Basic", "basic")] {
        assert_eq!(ask(wrong).await, Err(NotBelieved::Signature), "{wrong}");
    }
    let object = one("message-delivered", Value::Null).to_string();
    let lone = told(&*provider, (&Method::POST, "", &object), &[("authorization", &right)], false, NOW).await;
    assert!(matches!(lone, Err(NotBelieved::Malformed(_))), "{lone:?}");
}

/// A token over these claims.
pub fn token(claims: &Value, secret: &str) -> String {
    let [head, claims] = [r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(), claims.to_string()]
        .map(|part| URL_SAFE_NO_PAD.encode(part));
    let shown = Key::new(Hash::Sha256, Encoding::Base64Url, secret.as_bytes());
    let shown = shown.sign([head.as_bytes(), b".", claims.as_bytes()]);
    format!("{head}.{claims}.{shown}")
}

#[tokio::test]
async fn messagebirds_report_is_a_query_that_its_token_covers() {
    use sha2::Digest as _;
    let provider = known::at("messagebird", NOBODY);
    let query = "id=e8077d80&reference=x&recipient=31612345678&status=delivered&statusReason=successfully+delivered\
                 &statusDatetime=2025-11-26T07%3A29%3A00%2B00%3A00&price%5Bamount%5D=0.05&price%5Bcurrency%5D=EUR";
    let hash = |url: &str| sms_mcp::sms::message::hex(&sha2::Sha256::digest(url.as_bytes()));
    let claims = |url: &str| json!({ "iss": "MessageBird", "nbf": NOW - 1, "exp": NOW + 60, "jti": "1", "url_hash": hash(url) });
    let full = format!("{URL}?{query}");
    let ask = async |token: &str, query: &str, ours: bool| {
        told(&*provider, (&Method::GET, query, ""), &[("messagebird-signature-jwt", token)], ours, NOW).await
    };
    let right = token(&claims(&full), HOOK);
    let events = ask(&right, query, true).await.unwrap();
    let Some(Event::Receipt(receipt)) = events.first() else { panic!("{events:?}") };
    assert_eq!((receipt.vendor_id.as_str(), receipt.state), ("e8077d80", State::Delivered));
    assert_eq!(receipt.price.map(|price| price.to_string()).as_deref(), Some("0.05 EUR"));
    assert_eq!(receipt.at, Timestamp::parse("2025-11-26T07:29:00Z").unwrap());
    for (shown, asked) in [
        (right.clone(), query.replace("delivered", "delivery_failed")),
        (right.clone(), format!("status=expired&{query}")),
        (token(&claims(URL), HOOK), query.to_owned()),
        (token(&claims(&full), "another"), query.to_owned()),
        (token(&json!({ "iss": "MessageBird", "exp": NOW + 60 }), HOOK), query.to_owned()),
        (token(&json!({ "iss": "X", "exp": NOW + 60, "url_hash": hash(&full) }), HOOK), query.to_owned()),
        (
            token(&json!({ "iss": "MessageBird", "exp": NOW - 61, "url_hash": hash(&full) }), HOOK),
            query.to_owned(),
        ),
    ] {
        assert_eq!(ask(&shown, &asked, true).await, Err(NotBelieved::Signature), "{asked}");
    }
    assert_eq!(
        provider.webhook(),
        Webhook { methods: &[Method::GET], status: 200, content_type: "", body: "" }
    );
}

#[tokio::test]
async fn httpsms_signs_its_caller_and_not_its_words_so_that_a_report_makes_us_look() {
    let provider = known::at("httpsms", NOBODY);
    let claims =
        json!({ "iss": "api.httpsms.com", "aud": URL, "exp": NOW + 600, "nbf": NOW - 600, "iat": NOW });
    let ask = async |claims: &Value, body: &Value| {
        let shown = format!("Bearer {}", token(claims, HOOK));
        told(&*provider, (&Method::POST, "", &body.to_string()), &[("authorization", &shown)], false, NOW)
            .await
    };
    let reference = MessageId::new(1, 5);
    let report = json!({ "id": "e", "type": "message.phone.delivered", "data": { "message_id": "m-1",
        "owner": "+15557654321", "contact": "+15551230000", "request_id": reference.as_str() } });
    let events = ask(&claims, &report).await.unwrap();
    assert_eq!((states(&events), hints(&events)), (vec![], vec![("m-1", Some(reference.as_str()))]));
    let text = json!({ "id": "e", "type": "message.phone.received", "data": { "message_id": "m-2",
        "owner": "+15557654321", "contact": "+15551230000", "content": "STOP" } });
    let events = ask(&claims, &text).await.unwrap();
    assert_eq!(texts(&events), [("m-2", "+15551230000", "+15557654321", "STOP")]);
    for wrong in [
        json!({ "iss": "api.httpsms.com", "aud": "https://elsewhere.example", "exp": NOW + 600 }),
        json!({ "iss": "elsewhere", "aud": URL, "exp": NOW + 600 }),
        json!({ "iss": "api.httpsms.com", "aud": URL, "exp": NOW - 600 }),
        json!({ "iss": "api.httpsms.com", "exp": NOW + 600 }),
    ] {
        assert_eq!(ask(&wrong, &text).await, Err(NotBelieved::Signature), "{wrong}");
    }
}

#[tokio::test]
async fn elks_and_kannel_tell_at_addresses_that_they_alone_were_told() {
    let elks = known::at("46elks", NOBODY);
    let form =
        async |body: &str, ours: bool| told(&*elks, (&Method::POST, "", body), &[], ours, NOW).await.unwrap();
    let ours = MessageId::new(1, 2);
    let events = form("id=s1&status=delivered&delivered=2025-11-26T07%3A29%3A00Z", true).await;
    assert_eq!(
        (states(&events), hints(&events)),
        (vec![State::Delivered], vec![("s1", Some(ours.as_str()))])
    );
    let events = form("id=s2&from=%2B33199000001&to=%2B46701234567&message=STOP&created=2026", false).await;
    assert_eq!(texts(&events), [("s2", "+33199000001", "+46701234567", "STOP")]);
    assert_eq!(elks.webhook(), Webhook { status: 204, ..Webhook::POST }, "any word of ours would be a text");
    let kannel = known::at("kannel", NOBODY);
    let query =
        async |query: &str, ours: bool| told(&*kannel, (&Method::GET, query, ""), &[], ours, NOW).await;
    for (status, state) in
        [(1, State::Delivered), (2, State::Failed), (4, State::Sent), (8, State::Sent), (16, State::Failed)]
    {
        let events = query(&format!("status={status}&why=NACK%2F11"), true).await.unwrap();
        assert_eq!(
            (states(&events), hints(&events)),
            (vec![state], vec![(ours.as_str(), Some(ours.as_str()))])
        );
    }
    assert!(matches!(query("status=1", false).await, Err(NotBelieved::Malformed(_))), "of which message?");
    let events = query("id=9&from=%2B33199000001&to=2020&text=stop", false).await.unwrap();
    assert_eq!(texts(&events), [("9", "+33199000001", "2020", "stop")]);
    assert_eq!(kannel.webhook().methods, [Method::GET]);
}

#[tokio::test]
async fn an_id_of_which_digits_were_lost_is_none_and_settles_nobodys_message() {
    let provider = of_example();
    for (id, expected) in [("18446744073709551615", true), ("18446744073709551616", false), ("1e22", false)] {
        let body = REPORT.replace("\"gw-7\"", id);
        let time = NOW.to_string();
        let signed = sign(&time, &body);
        let headers = [("x-signature", signed.as_str()), ("x-timestamp", time.as_str())];
        let events = told(&*provider, (&Method::POST, "", &body), &headers, false, NOW).await;
        assert_eq!(events.is_ok(), expected, "{id}: {events:?}");
    }
}

#[tokio::test]
async fn a_text_whose_time_is_none_came_now() {
    let provider = of_example();
    let time = NOW.to_string();
    let text = async |at: &str| {
        let body = format!(
            r#"{{"event":"text","id":"in-1","from":"+33199000001","to":"+33199000009","text":"STOP","at":{at}}}"#
        );
        let signed = sign(&time, &body);
        let headers = [("x-signature", signed.as_str()), ("x-timestamp", time.as_str())];
        let events = told(&*provider, (&Method::POST, "", &body), &headers, false, NOW).await.unwrap();
        let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
        reply.at
    };
    for (at, expected) in [
        ("\"202511260730\"", NOW),
        ("202511260730", NOW),
        ("\"20251126073000\"", NOW),
        ("20251126073000", NOW),
        ("\"26.11.2025 07:30\"", NOW),
        ("\"1975-11-26T07:30:00Z\"", NOW),
        ("null", NOW),
        ("1764142100", 1_764_142_100),
        ("\"1764142100000\"", 1_764_142_100),
    ] {
        assert_eq!(text(at).await, Timestamp(expected * 1_000), "{at}");
    }
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_loses_no_other_of_its_list() {
    let provider = known::at("bandwidth", NOBODY);
    let right = format!("Basic {}", STANDARD.encode(format!("sms-mcp:{HOOK}")));
    let ask = async |body: Value| {
        let shown = [("authorization", right.as_str())];
        told(&*provider, (&Method::POST, "", &body.to_string()), &shown, false, NOW).await
    };
    let text = |id: Value, from: Value| json!({ "type": "message-received", "to": "+15557654321", "message": { "id": id, "from": from, "text": "STOP" } });
    let report = json!({ "type": "message-delivered", "message": {} });
    let nobodys = text(json!("m-0"), Value::Null);
    let body = json!([7, null, report, nobodys, text(json!("m-1"), json!("+15551230000"))]);
    let events = ask(body).await.unwrap();
    assert_eq!(texts(&events), [("m-1", "+15551230000", "+15557654321", "STOP")]);
    // One without an id has one by what it says, whenever it comes.
    let nameless =
        json!([text(Value::Null, json!("+15551230000")), text(Value::Null, json!("+15551230001"))]);
    let (first, again) = (ask(nameless.clone()).await.unwrap(), ask(nameless).await.unwrap());
    assert_eq!(first, again);
    let [(one, ..), (other, ..)] = texts(&first)[..] else { panic!("{first:?}") };
    assert!(!one.is_empty() && one != other, "{one} {other}");
    assert!(
        matches!(ask(json!([report, nobodys])).await, Err(NotBelieved::Malformed(_))),
        "nothing of it is read"
    );
    assert_eq!(ask(json!([7])).await, Ok(Vec::new()));
}

/// A server before a fake by these lines, in which an answer was lost; whoever is told that its message was
/// delivered.
fn settles<V: Vendor>(
    vendor: V,
    provider: &str,
    mut address: impl FnMut(&V) -> Vec<String>,
    report: impl Fn(&V) -> (&'static str, String, Vec<(String, String)>),
) {
    const PUBLIC: &str = "https://sms.example.com";
    let fake = Fake::start(vendor);
    let provider = provider.replace("URL", &fake.url());
    let desk = Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n[[provider]]\nkind = \"http\"\n{provider}"
    ));
    let lost = {
        let server = desk.http(|_| {});
        fake.fail(Fault::DropAfterAccept);
        [1, 2].map(|n| {
            let send = json!({ "to": fictional(n), "message": "hello", "idempotency_key": format!("k{n}") });
            ask(server.port, "send_sms", send)["id"].as_str().unwrap().to_owned()
        })
    };
    fake.fail(Fault::None);
    // Another process: the first was killed.
    let server = desk.http(|_| {});
    let status = |id: &str| ask(server.port, "get_status", json!({ "id": id }))["message"]["status"].clone();
    assert_eq!((status(&lost[0]), status(&lost[1])), (json!("unknown"), json!("unknown")));
    let looked = desk.run(&["reconcile"]);
    assert!(looked.out.contains("0 settled, 2 still unknown"), "{looked:?}");
    let address = address(&fake.vendor())[0].clone();
    let (method, query, body) = {
        let (method, body, _) = report(&fake.vendor());
        if method == "GET" {
            (method, format!("?{body}"), String::new())
        } else {
            (method, String::new(), body)
        }
    };
    let told = |address: &str| {
        let (_, _, headers) = report(&fake.vendor());
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let path = address.strip_prefix(PUBLIC).unwrap();
        let mut stream = connect(server.port);
        let head = format!(
            "{method} {path}{query} HTTP/1.1\r\nHost: sms.example.com\r\n{headers}Connection: close\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        read_reply(&mut stream).expect("an answer").status
    };
    assert_eq!(told(&format!("{address}0")), 404, "a token that is none");
    assert_eq!(status(&lost[0]), json!("unknown"));
    assert!((200..=204).contains(&told(&address)));
    assert_eq!((status(&lost[0]), status(&lost[1])), (json!("delivered"), json!("unknown")));
    for n in [1, 2] {
        let send = json!({ "to": fictional(n), "message": "hello", "idempotency_key": format!("k{n}") });
        ask(server.port, "send_sms", send);
    }
    let sends = fake
        .requests()
        .iter()
        .filter(|request| request.method == "POST" || !request.query.is_empty())
        .count();
    assert_eq!(sends, 2, "each is one text");
}

pub fn ask(port: u16, tool: &str, arguments: Value) -> Value {
    let body = tool_call(Era::Stateless, 1, tool, &arguments);
    let answer = post(port, &stateless_headers(tool), &body).json().unwrap();
    let result = &answer["result"];
    match &result["structuredContent"] {
        Value::Null => serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap(),
        content => content.clone(),
    }
}

#[test]
fn a_text_whose_answer_was_lost_is_one_text_and_is_settled_by_the_report_at_its_own_address() {
    settles(
        Gateway::default(),
        &example("URL", &format!("\"{KEY}\"")),
        |gateway| gateway.messages.iter().map(|message| message.report_to.clone().unwrap()).collect(),
        |gateway| {
            let body =
                json!({ "event": "report", "id": gateway.messages[0].id, "state": "delivered" }).to_string();
            let time = (SystemClock.now().as_millis() / 1_000).to_string();
            let headers =
                vec![("X-Signature".to_owned(), sign(&time, &body)), ("X-Timestamp".to_owned(), time)];
            ("POST", body, headers)
        },
    );
}

#[test]
fn a_gateway_without_ids_settles_a_lost_answer_at_the_messages_own_address_too() {
    let lines = format!(
        "preset = \"kannel\"\nbase_url = \"URL\"\nuser = \"{USER}\"\nsecret = \"{SECRET}\"\nfrom = \"ACME\"\n"
    );
    settles(
        vendor::Kannel::default(),
        &lines,
        |kannel| {
            let told = kannel.0.messages.iter().map(|message| message.callback.clone().unwrap());
            told.map(|url| url.split('?').next().unwrap().to_owned()).collect()
        },
        |_| ("GET", "status=1&why=".to_owned(), Vec::new()),
    );
}

#[test]
fn a_lost_answer_is_found_by_our_reference_after_a_restart_and_what_is_not_found_stays_unknown() {
    let fake = Fake::start(Gateway::default());
    let own = example(&fake.url(), &format!("\"{KEY}\""));
    let own = own.replace("path = \"/messages/{vendor_id}\"", "path = \"/refs/{id}\"");
    let desk =
        Desk::new(&format!("{WIDE}price_when_unknown = \"0.10\"\n[[provider]]\nkind = \"http\"\n{own}"));
    let send = |n: usize| {
        let sent = desk.run(&["send", "--json", &fictional(n), "hello"]);
        assert_eq!(sent.code, 3, "{sent:?}");
        serde_json::from_str::<Value>(&sent.out).unwrap()["id"].as_str().unwrap().to_owned()
    };
    fake.fail(Fault::DropAfterAccept);
    let taken = send(1);
    fake.fail(Fault::DropBeforeBody);
    let lost = send(2);
    fake.fail(Fault::None);
    let looked = desk.run(&["reconcile"]);
    assert!(looked.out.contains("1 settled, 1 still unknown"), "{looked:?}");
    let status = |id: &str| -> Value {
        let shown = desk.run(&["status", "--json", id]);
        serde_json::from_str::<Value>(&shown.out).unwrap()["message"]["status"].clone()
    };
    assert_eq!((status(&taken), status(&lost)), (json!("delivered"), json!("unknown")));
    assert_eq!(fake.vendor().recipients(), [fictional(1)]);
    assert_eq!(fake.requests().iter().filter(|request| request.method == "POST").count(), 2);
}
