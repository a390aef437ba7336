//! Infobip: many messages in one request and the verdict on each, what is there already, the log, refusals of
//! a whole request, and what an operator can do. What it sends by itself is in `infobip/hooks.rs`; the
//! program before it, where answers are lost, in `infobip/program.rs`.

mod hooks;
mod program;

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::engine::Carrier;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Enquiry, Sought};
use sms_mcp::provider::infobip::{Config, Infobip};
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup};
use sms_mcp::provider::{Balance, Outcome, Provider, Reference, Submission};
use sms_mcp::setting::{Secret, SecretText};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::Money;
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::infobip::{self as vendor, FROM, KEY};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::fictional;
use crate::vendors::{enquiry_of, submission_of};

const PUBLIC: &str = "https://sms.example.com";

fn config(url: &str) -> Config {
    Config { base_url: url.to_owned(), from: Some(format!("+{FROM}")), http: patient(), ..Config::default() }
}

/// The provider by these settings, with these secrets beside the key.
fn build(config: &Config, secrets: &[(&'static str, &str)]) -> Infobip {
    let mut all = Secrets::default();
    all.insert("api_key", SecretText::new(KEY));
    secrets.iter().for_each(|(name, secret)| all.insert(name, SecretText::new(*secret)));
    let callback = Some(Callback::new(PUBLIC, "infobip", [7; 32]));
    let clock = clock_before(&config.base_url);
    Infobip::new(config, &Setup { clock, secrets: all, callback }).unwrap()
}

/// The provider before this fake, with webhooks that nothing proves.
pub fn provider(fake: &Fake<vendor::Infobip>) -> Arc<dyn Provider> {
    Arc::new(build(&config(&fake.url()), &[]))
}

fn to(number: &str) -> Number {
    Number::parse(number, None).unwrap()
}

fn id(n: usize) -> MessageId {
    MessageId::new(1, n as u128)
}

fn message(n: usize, text: &str) -> Submission {
    submission_of(id(n), to(&fictional(n)), text)
}

fn enquiry(n: usize) -> Enquiry {
    let vendor_id = id(n).to_string();
    enquiry_of(id(n), &vendor_id, to(&fictional(n)))
}

fn sought(n: usize) -> Sought {
    Sought { id: id(n), to: to(&fictional(n)), created: Timestamp(1) }
}

fn euro(micros: i64) -> Money {
    Money { micros, currency: "EUR".parse().unwrap() }
}

fn digits(n: usize) -> String {
    fictional(n).trim_start_matches('+').to_owned()
}

#[tokio::test]
async fn one_request_carries_each_message_with_its_own_text_id_and_address_and_each_has_its_verdict() {
    let fake = Fake::start(vendor::Infobip::default());
    fake.vendor().verdicts = [(digits(2), (5, 12)), (digits(3), (2, 9)), (digits(4), (5, 9_999))].into();
    let provider = provider(&fake);
    let mut messages: Vec<Submission> =
        (1..=4).map(|n| message(n, &format!("Gr\u{fc}\u{df}e {n} \u{1f44d}"))).collect();
    messages[0].from = Some("ACME".to_owned());
    messages.iter_mut().for_each(|message| message.from = Some("ACME".to_owned()));
    let outcomes = provider.send_many(&messages).await;
    let taken = |n: usize, segments| Outcome::Accepted {
        vendor_id: Some(id(n).to_string()),
        status: State::Sent,
        segments,
        price: None,
    };
    assert_eq!(outcomes[0], taken(1, Some(1)));
    let Outcome::Rejected { code: ErrorKind::InsufficientBalance, why } = &outcomes[1] else {
        panic!("{outcomes:?}")
    };
    assert!(why.starts_with("12: The account has not enough credit (") && !why.contains("+1555"), "{why}");
    let Outcome::Failed { vendor_id, status: State::Failed, price: None, why } = &outcomes[2] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(vendor_id.as_deref(), Some(id(3).as_str()));
    assert!(why.starts_with("9: The operator could not deliver"), "{why}");
    let Outcome::Rejected { code: ErrorKind::ProviderRejected, why } = &outcomes[3] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(why, "9999: REJECTED_9999");
    let own = |n: usize| Callback::new(PUBLIC, "infobip", [7; 32]).url(Some(&id(n)));
    let expected = |n: usize| {
        json!({ "sender": "ACME", "destinations": [{ "to": digits(n), "messageId": id(n).as_str() }],
            "content": { "text": format!("Gr\u{fc}\u{df}e {n} \u{1f44d}") },
            "webhooks": { "delivery": { "url": own(n) }, "contentType": "application/json" } })
    };
    let [request] = &fake.requests()[..] else { panic!() };
    assert_eq!(
        request.json().unwrap(),
        json!({ "messages": (1..=4).map(expected).collect::<Vec<_>>(),
            "options": { "includeSmsCountInResponse": true } })
    );
    assert_eq!(fake.vendor().recipients(), [fictional(1)]);
    // A number as a sender goes without its plus; with a proof set up, reports come by the subscription.
    let proven = Config { webhook_user: Some("u".to_owned()), ..with_password(config(&fake.url())) };
    build(&proven, &[("webhook_password", "p")]).send(&message(5, "x")).await;
    assert_eq!(
        fake.requests()[1].json().unwrap()["messages"],
        json!([{ "sender": FROM, "destinations": [{ "to": digits(5), "messageId": id(5).as_str() }],
            "content": { "text": "x" } }])
    );
}

/// The settings with a password of webhooks: which one says the secret beside them.
fn with_password(config: Config) -> Config {
    Config { webhook_password: Some(Secret::Env("ANY".to_owned())), ..config }
}

#[tokio::test]
async fn each_verdict_inside_a_200_is_told_in_our_code_and_what_is_no_verdict_is_unknown_under_our_id() {
    use ErrorKind::{
        DestinationNotAllowed, InsufficientBalance, InvalidNumber, MessageTooLong, OptedOut,
        ProviderRejected, ProviderUnavailable, RateLimited, SenderNotAllowed,
    };
    let fake = Fake::start(vendor::Infobip::default());
    let provider = provider(&fake);
    for (code, expected) in [
        (8, InvalidNumber),
        (51, InvalidNumber),
        (52, InvalidNumber),
        (10, OptedOut),
        (14, OptedOut),
        (11, SenderNotAllowed),
        (13, SenderNotAllowed),
        (12, InsufficientBalance),
        (17, InsufficientBalance),
        (6, DestinationNotAllowed),
        (18, DestinationNotAllowed),
        (19, DestinationNotAllowed),
        (25, MessageTooLong),
        (20, RateLimited),
        (21, ProviderUnavailable),
        (24, ProviderRejected),
        (87, ProviderRejected),
        (100, ProviderRejected),
    ] {
        fake.vendor().verdicts = [(digits(1), (5, code))].into();
        let Outcome::Rejected { code: kind, why } = provider.send(&message(1, "a")).await else {
            panic!("{code}")
        };
        assert_eq!(kind, expected, "{code}");
        assert!(why.starts_with(&format!("{code}: ")) && !why.contains("REJECTED"), "{why}");
    }
    let one = |status: (u64, u64), to: &str| json!({ "messageId": id(1).as_str(), "destination": to, "status": vendor::status(status) });
    let fine = one((1, 26), &digits(1));
    let beside = |name: &str, value: Value| {
        let mut entry = fine.clone();
        entry[name] = value;
        json!({ "messages": [entry] })
    };
    for (body, expected) in [
        (json!({ "messages": [fine] }), "accepted"),
        (json!({ "messages": [one((0, 0), &digits(1))] }), "accepted"),
        (json!({ "messages": [one((3, 5), &digits(1))] }), "delivered"),
        (json!({ "messages": [one((4, 15), &digits(1))] }), "failed"),
        (json!({ "messages": [one((7, 26), &digits(1))] }), "unclear"),
        (json!({ "messages": [one((3, 9_999), &digits(1))] }), "unclear"),
        (json!({ "messages": [one((1, 26), &digits(2))] }), "unclear"),
        (json!({ "messages": [fine, fine] }), "unclear"),
        (json!({ "messages": [fine, one((5, 12), &digits(1))] }), "unclear"),
        (json!({ "messages": [] }), "unclear"),
        (json!({ "messages": { "messageId": id(1).as_str() } }), "unclear"),
        (json!({ "messages": [{ "messageId": id(1).as_str() }] }), "unclear"),
        (json!({ "messages": [{ "messageId": "other", "status": vendor::status((1, 26)) }] }), "unclear"),
        (beside("error", json!("x")), "unclear"),
        (beside("status", json!("PENDING")), "unclear"),
        (json!({ "messages": [fine], "errorCode": "E400" }), "unclear"),
        (json!({ "messages": [fine], "requestError": {} }), "unclear"),
        (json!([]), "unclear"),
    ] {
        fake.fail_once(Fault::Status(200, body.clone()));
        let told = match provider.send(&message(1, "a")).await {
            Outcome::Accepted { status: State::Sent, .. } => "accepted",
            Outcome::Accepted { status: State::Delivered, .. } => "delivered",
            Outcome::Failed { .. } => "failed",
            Outcome::Unclear { vendor_id, .. } => {
                assert_eq!(vendor_id, id(1).as_str(), "{body}");
                "unclear"
            }
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!(told, expected, "{body}");
    }
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn what_is_there_already_stands_and_is_looked_up_and_is_one_text() {
    let fake = Fake::start(vendor::Infobip::default());
    let provider = provider(&fake);
    fake.fail_once(Fault::DropAfterAccept);
    let lost = provider.send(&message(1, "a")).await;
    assert!(matches!(&lost, Outcome::Unclear { vendor_id, .. } if vendor_id == id(1).as_str()), "{lost:?}");
    // The vendor was asked again with the same id: by whoever took the text for not sent.
    for (fate, lags, expected) in [
        ((3, 5), false, "delivered"),
        ((1, 7), false, "sent"),
        ((4, 15), false, "expired"),
        ((5, 12), false, "failed"),
        ((3, 5), true, "unclear"),
        ((9, 9), false, "unclear"),
    ] {
        (fake.vendor().fate, fake.vendor().lags) = (fate, lags);
        let told = match provider.send(&message(1, "a")).await {
            Outcome::Accepted { vendor_id, status, .. } | Outcome::Failed { vendor_id, status, .. } => {
                assert_eq!(vendor_id.as_deref(), Some(id(1).as_str()));
                status.to_string()
            }
            Outcome::Unclear { vendor_id, why } => {
                assert!(vendor_id == id(1).as_str() && why.contains("was there already"), "{why}");
                "unclear".to_owned()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(told, expected, "{fate:?} {lags}");
    }
    (fake.vendor().fate, fake.vendor().lags) = ((3, 5), false);
    let other = Submission { to: to(&fictional(2)), ..message(1, "a") };
    let told = provider.send(&other).await;
    assert!(matches!(told, Outcome::Unclear { .. }), "it is there for somebody else: {told:?}");
    assert_eq!(fake.vendor().messages.len(), 1);
}

#[tokio::test]
async fn the_log_says_where_a_text_stands_what_it_cost_and_why_it_failed() {
    let fake = Fake::start(vendor::Infobip::default());
    let provider = provider(&fake);
    assert_eq!(provider.capabilities().reference, Reference::Exact);
    assert!(
        provider.find(&sought(1)).await.unwrap().is_none()
            && provider.status(&enquiry(1)).await.unwrap().is_empty()
    );
    provider.send(&message(1, "a")).await;
    // What was refused as a duplicate is in the log too, and says nothing of the text.
    provider.send(&message(1, "a")).await;
    for (fate, state, why) in [
        ((1, 3), State::Sent, None),
        ((1, 7), State::Sent, None),
        ((1, 26), State::Sent, None),
        ((3, 2), State::Sent, None),
        ((3, 5), State::Delivered, None),
        ((2, 4), State::Failed, Some("4: The operator refused")),
        ((2, 9), State::Failed, Some("9: The operator could not")),
        ((2, 31), State::Failed, Some("31: The text was not sent")),
        ((4, 15), State::Expired, Some("15: The text could not")),
        ((4, 29), State::Expired, Some("29: No report came")),
        ((4, 87), State::Failed, Some("87: The anti-fraud filter")),
        ((5, 12), State::Failed, Some("12: The account has not")),
        ((5, 9_999), State::Failed, Some("9999: REJECTED_9999")),
    ] {
        fake.vendor().fate = fate;
        let [receipt] = &provider.status(&enquiry(1)).await.unwrap()[..] else { panic!("{fate:?}") };
        assert_eq!((receipt.vendor_id.as_str(), receipt.state), (id(1).as_str(), state), "{fate:?}");
        let said = receipt.why.clone().unwrap_or_default();
        assert!(why.is_none() == said.is_empty() && said.starts_with(why.unwrap_or_default()), "{said}");
        assert!(!said.contains("+1555"), "{said}");
        assert_eq!(receipt.price, Some(euro(51_200)));
        assert_eq!(receipt.at, Timestamp::parse("2026-11-22T10:15:03.500Z").unwrap());
        let found = provider.find(&sought(1)).await.unwrap().unwrap();
        assert_eq!((found.vendor_id.as_str(), found.state), (id(1).as_str(), state), "{fate:?}");
        assert_eq!((found.price, found.to), (Some(euro(51_200)), digits(1)));
    }
    let absent = json!({ "messageId": id(1).as_str(), "to": digits(1), "messageCount": 2,
        "price": { "pricePerMessage": 0.01, "currency": "EUR" },
        "status": vendor::status((2, 9)), "error": { "id": 27, "name": "EC_ABSENT_SUBSCRIBER" } });
    let mut uncounted = absent.clone();
    uncounted.as_object_mut().unwrap().remove("messageCount");
    fake.fail_once(Fault::Status(200, json!({ "results": [uncounted] })));
    let receipt = provider.status(&enquiry(1)).await.unwrap().pop().unwrap();
    assert_eq!(receipt.price, None, "the price of one segment is not that of nobody knows how many");
    let mut worded = absent.clone();
    worded["error"]["name"] = json!("call +15550001111");
    for (entry, part) in [(absent, "; EC_ABSENT_SUBSCRIBER"), (worded, "can help")] {
        fake.fail_once(Fault::Status(200, json!({ "results": [entry] })));
        let receipt = provider.status(&enquiry(1)).await.unwrap().pop().unwrap();
        let why = receipt.why.unwrap();
        assert!(why.contains(part) && !why.contains("+1555") && receipt.is_documented, "{why}");
        assert_eq!(receipt.price, Some(euro(20_000)), "of both segments");
    }
    // Somebody else's message of our id is not ours, and a status that nobody knows is no news.
    let of_another = Enquiry { to: to(&fictional(2)), ..enquiry(1) };
    assert!(provider.status(&of_another).await.unwrap().is_empty());
    let of_another = Sought { to: to(&fictional(2)), ..sought(1) };
    assert!(provider.find(&of_another).await.unwrap().is_none());
    fake.vendor().fate = (9, 9);
    assert_eq!(provider.status(&enquiry(1)).await.unwrap_err().kind(), ErrorKind::ProviderUnavailable);
    assert_eq!(provider.find(&sought(1)).await.map(drop).unwrap_err().kind(), ErrorKind::ProviderUnavailable);
    fake.fail_once(Fault::Status(200, json!({ "results": 1 })));
    assert!(provider.find(&sought(1)).await.is_err());
    let logs = fake.requests().into_iter().filter(|request| request.path == "/sms/3/logs");
    for request in logs {
        assert_eq!(request.parameter("messageId"), Some(id(1).as_str()));
    }
}

#[tokio::test]
async fn a_refusal_of_a_whole_request_is_read_in_both_its_forms_and_is_for_each_message() {
    let fake = Fake::start(vendor::Infobip::default());
    let provider = provider(&fake);
    let now = json!({ "errorCode": "E400", "description": "Request cannot be processed.", "violations": [] });
    let older =
        json!({ "requestError": { "serviceException": { "messageId": "BAD_REQUEST", "text": "Bad" } } });
    for (status, body, code, words) in [
        (400, &now, ErrorKind::ProviderRejected, "HTTP 400: E400: Request cannot be processed."),
        (400, &older, ErrorKind::ProviderRejected, "HTTP 400: BAD_REQUEST: Bad"),
        (401, &older, ErrorKind::ProviderUnauthorized, "HTTP 401: BAD_REQUEST: Bad"),
        (403, &now, ErrorKind::ProviderUnauthorized, "HTTP 403: E400"),
        (402, &now, ErrorKind::InsufficientBalance, "HTTP 402: E400"),
    ] {
        fake.fail_once(Fault::Status(status, body.clone()));
        for outcome in provider.send_many(&[message(1, "a"), message(2, "b")]).await {
            let Outcome::Rejected { code: kind, why } = outcome else { panic!("{status}: {outcome:?}") };
            assert_eq!(kind, code, "{status}");
            assert!(why.starts_with(words), "{why}");
        }
    }
    fake.fail_once(Fault::ThrottleSeconds(7));
    for outcome in provider.send_many(&[message(1, "a"), message(2, "b")]).await {
        assert!(matches!(outcome, Outcome::NotSent { retry_after_ms: Some(7_000), .. }), "{outcome:?}");
    }
    for (fault, taken) in [
        (Fault::Status(408, now.clone()), 0),
        (Fault::ErrorAfterAccept(503), 2),
        (Fault::HalfJson, 2),
        (Fault::DropAfterAccept, 2),
    ] {
        let before = fake.vendor().messages.len();
        fake.fail_once(fault.clone());
        let messages = [message(before + 10, "a"), message(before + 11, "b")];
        for (outcome, message) in provider.send_many(&messages).await.into_iter().zip(&messages) {
            let Outcome::Unclear { vendor_id, .. } = outcome else { panic!("{fault:?}: {outcome:?}") };
            assert_eq!(vendor_id, message.id.as_str(), "each can be asked for by its own id");
        }
        assert_eq!(fake.vendor().messages.len() - before, taken, "{fault:?}");
    }
}

#[tokio::test]
async fn the_balance_the_check_and_the_actions_send_no_text() {
    let fake = Fake::start(vendor::Infobip::default());
    let provider = provider(&fake);
    assert_eq!(provider.balance().await.unwrap(), Balance::Money(euro(300_000_000)));
    let findings = provider.check().await.unwrap();
    assert!(findings.iter().all(|finding| !finding.is_warning), "{findings:?}");
    assert!(findings[0].text.contains("the balance is 300.00 EUR"), "{findings:?}");
    assert!(!provider.capabilities().replies && provider.capabilities().receipts_by_push);
    let proven = Config { webhook_user: Some("u".to_owned()), ..with_password(config(&fake.url())) };
    assert!(build(&proven, &[("webhook_password", "p")]).capabilities().replies);
    let act = async |action: &str, arguments: &[(&str, &str)]| {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        provider.act(action, &arguments.collect()).await
    };
    let preview = act("preview", &[("text", "hello"), ("language", "TR"), ("transliteration", "TURKISH")]);
    assert_eq!(preview.await.unwrap()["previews"][0]["messageCount"], 1);
    let looked = act("lookup", &[("number", "+44 7700 900123")]).await.unwrap();
    assert_eq!(looked["results"][0]["to"], "447700900123");
    assert_eq!(act("logs", &[("number", "+447700900123")]).await.unwrap()["results"], json!([]));
    assert_eq!(act("logs", &[("id", "a&limit=9"), ("limit", "5")]).await.unwrap()["results"], json!([]));
    for (action, wrong) in [
        ("preview", &[][..]),
        ("lookup", &[("number", "12")]),
        ("logs", &[("limit", "1001")]),
        ("logs", &[("limit", "0")]),
    ] {
        assert_eq!(act(action, wrong).await.unwrap_err().kind(), ErrorKind::InvalidArgument, "{action}");
    }
    let bodies: Vec<Value> = fake.requests().iter().filter_map(|request| request.json()).collect();
    assert_eq!(
        bodies,
        [
            json!({ "text": "hello", "languageCode": "TR", "transliteration": "TURKISH" }),
            json!({ "to": ["447700900123"] })
        ]
    );
    assert!(fake.requests().iter().all(|request| request.path != "/sms/3/messages"));
}

#[test]
fn the_settings_and_what_it_takes_are_checked_before() {
    let right = config("http://127.0.0.1:9");
    assert_eq!(right.check(), Ok(()));
    let secret = || Some(Secret::Env("ANY".to_owned()));
    let from = |from: &str| Config { from: Some(from.to_owned()), ..right.clone() };
    let header = |name: &str| Config {
        webhook_header: Some(name.to_owned()),
        webhook_secret: secret(),
        ..right.clone()
    };
    let user = |name: &str| Config {
        webhook_user: Some(name.to_owned()),
        webhook_password: secret(),
        ..right.clone()
    };
    assert_eq!((header("X-Signature").check(), user("sms-mcp").check()), (Ok(()), Ok(())));
    for (wrong, named) in [
        (Config { base_url: String::new(), ..right.clone() }, "base_url is not set"),
        (Config { base_url: "http://x.api.infobip.com".to_owned(), ..right.clone() }, "https://"),
        (Config { from: None, ..right.clone() }, "from is not set"),
        (from("Caf\u{e9}"), "from must be"),
        (from("+12"), "from must be"),
        (Config { bulk_size: 0, ..right.clone() }, "bulk_size is 0"),
        (Config { bulk_size: 1_001, ..right.clone() }, "bulk_size is 1001"),
        (Config { webhook_user: Some("u".to_owned()), ..right.clone() }, "without webhook_password"),
        (Config { webhook_password: secret(), ..right.clone() }, "without webhook_user"),
        (Config { webhook_header: Some("x".to_owned()), ..right.clone() }, "without webhook_secret"),
        (Config { webhook_secret: secret(), ..right.clone() }, "without webhook_header"),
        (header("a b"), "webhook_header must"),
        (user("a:b"), "webhook_user must"),
        (user(""), "webhook_user must"),
    ] {
        let why = wrong.check().unwrap_err();
        assert!(why.contains(named), "{named}: {why}");
    }
    let refusal = |number: &str, from: Option<&str>, text: &str| {
        let carrier = Carrier::new(Arc::new(build(&right, &[])), None, right.rate).showing(right.sender());
        carrier.form(&to(number), from, text).err().map(|error| error.kind())
    };
    let (american, french) = ("+12025550123", "+33199000001");
    assert_eq!(refusal(french, None, &"x".repeat(25 * 153)), None);
    assert_eq!(refusal(french, None, &"x".repeat(25 * 153 + 1)), Some(ErrorKind::MessageTooLong));
    // 25 segments in GSM-7, and two octets each in UTF-8.
    assert_eq!(refusal(french, None, &"\u{fc}".repeat(2_000)), None);
    assert_eq!(refusal(french, None, &"\u{fc}".repeat(2_001)), Some(ErrorKind::MessageTooLong));
    assert_eq!(refusal(french, Some("ACME"), "x"), None);
    assert_eq!(refusal(american, Some("ACME"), "x"), Some(ErrorKind::SenderNotAllowed));
    assert_eq!(refusal(french, Some("A&B"), "x"), Some(ErrorKind::SenderNotAllowed));
}
