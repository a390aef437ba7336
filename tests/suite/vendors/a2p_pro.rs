//! A2P Pro: what is sent to one and to many, what each documented answer means, and webhooks that are only
//! hints.

use std::sync::Arc;

use ::http::HeaderMap;
use serde_json::json;
use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::a2p_pro::Config;
use sms_mcp::provider::exchange::{Delivery, Enquiry, Event, NotBelieved};
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup};
use sms_mcp::provider::{Build as _, Outcome, Provider, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::a2p_pro::{A2pPro, KEY, Shape};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::fictional;
use crate::vendors::{enquiry_of, submission_of};

fn config(fake: &Fake<A2pPro>) -> Config {
    Config {
        base_url: format!("{}/v1", fake.url()),
        from: Some("ACME".to_owned()),
        http: patient(),
        ..Config::default()
    }
}

fn build(config: Config, callback: Option<Callback>) -> Arc<dyn Provider> {
    let clock = clock_before(&config.base_url);
    let mut secrets = Secrets::default();
    secrets.insert("token", SecretText::new(KEY));
    config.build(Setup { clock, secrets, callback }).unwrap()
}

fn callback() -> Callback {
    Callback::new("https://sms.example.com", "a2p_pro", [7; 32])
}

/// The provider before this fake, one recipient a request.
pub fn provider(fake: &Fake<A2pPro>) -> Arc<dyn Provider> {
    build(config(fake), None)
}

/// The provider before this fake, three recipients a request, which the vendor can reach.
pub fn bulk_provider(fake: &Fake<A2pPro>) -> Arc<dyn Provider> {
    build(Config { bulk: true, bulk_size: 3, ..config(fake) }, Some(callback()))
}

fn message(n: usize, text: &str) -> Submission {
    let to = Number::parse(&fictional(n), None).unwrap();
    submission_of(MessageId::new(1, n as u128), to, text)
}

fn enquiry(vendor_id: &str) -> Enquiry {
    enquiry_of(MessageId::new(1, 1), vendor_id, Number::parse(&fictional(1), None).unwrap())
}

/// The vendor's id of each, or what became of it instead.
fn ids(outcomes: &[Outcome]) -> Vec<&str> {
    fn id(outcome: &Outcome) -> &str {
        match outcome {
            Outcome::Accepted { vendor_id, .. } => vendor_id.as_deref().unwrap_or("none"),
            Outcome::NotSent { .. } => "not sent",
            Outcome::Unknown { .. } | Outcome::Unclear { .. } => "unknown",
            Outcome::Failed { .. } => "failed",
            _ => "rejected",
        }
    }
    outcomes.iter().map(id).collect()
}

#[tokio::test]
async fn both_editions_of_the_vendors_page_are_understood() {
    for (is_old, segments) in [(false, Some(2)), (true, None)] {
        let fake = Fake::start(A2pPro { is_old, ..A2pPro::default() });
        let provider = provider(&fake);
        let outcome = provider.send(&message(1, &"x".repeat(200))).await;
        assert_eq!(
            outcome,
            Outcome::Accepted {
                vendor_id: Some("m-1".to_owned()),
                status: State::Sent,
                segments,
                price: None
            }
        );
        let receipt = provider.status(&enquiry("m-1")).await.unwrap().remove(0);
        assert_eq!((receipt.state, receipt.to, receipt.why), (State::Delivered, None, None));
        assert_eq!(Some(receipt.at), Timestamp::parse("2026-11-22T10:15:07Z"));
        fake.vendor().fate = "failed";
        let receipt = provider.status(&enquiry("m-1")).await.unwrap().remove(0);
        assert_eq!((receipt.state, receipt.why.is_some()), (State::Failed, true));
        fake.vendor().fate = "queued";
        assert_eq!(provider.status(&enquiry("m-1")).await.unwrap()[0].state, State::Sent);
    }
}

#[tokio::test]
async fn a_message_carries_its_sender_and_a_callback_of_its_own() {
    let fake = Fake::start(A2pPro::default());
    provider(&fake).send(&message(1, "a")).await;
    let reachable = build(config(&fake), Some(callback()));
    reachable.send(&Submission { from: Some("Other".to_owned()), ..message(2, "b") }).await;
    reachable.send(&message(3, "c")).await;
    let vendor = fake.vendor();
    assert_eq!(
        vendor.messages.iter().map(|message| message.from.as_str()).collect::<Vec<_>>(),
        ["ACME", "Other", "ACME"]
    );
    assert_eq!(vendor.messages[0].callback_url, None);
    for n in [2, 3] {
        let url = vendor.messages[n - 1].callback_url.clone().unwrap();
        let token = url.strip_prefix("https://sms.example.com/webhooks/a2p_pro/").unwrap();
        assert_eq!(callback().read(token), Some(Some(MessageId::new(1, n as u128))));
    }
}

#[tokio::test]
async fn each_documented_error_has_our_code() {
    let fake = Fake::start(A2pPro::default());
    let provider = provider(&fake);
    for (status, code, expected) in [
        (400, "invalid_request", ErrorKind::ProviderRejected),
        (401, "authentication_failed", ErrorKind::ProviderUnauthorized),
        (403, "forbidden", ErrorKind::ProviderUnauthorized),
        (404, "not_found", ErrorKind::ProviderRejected),
    ] {
        for body in [
            json!({ "code": code, "message": "so it is" }),
            json!({ "error": { "code": code, "message": "so it is" } }),
        ] {
            fake.fail_once(Fault::Status(status, body));
            let expected =
                Outcome::Rejected { code: expected, why: format!("HTTP {status}: {code}: so it is") };
            assert_eq!(provider.send(&message(1, "a")).await, expected);
        }
    }
    fake.fail_once(Fault::ThrottleSeconds(2));
    assert!(matches!(
        provider.send(&message(1, "a")).await,
        Outcome::NotSent { retry_after_ms: Some(2_000), .. }
    ));
    fake.fail_once(Fault::ErrorAfterAccept(500));
    assert!(matches!(provider.send(&message(1, "a")).await, Outcome::Unknown { .. }));
}

#[tokio::test]
async fn an_answer_without_an_id_is_unknown() {
    let fake = Fake::start(A2pPro::default());
    let provider = provider(&fake);
    for body in [
        json!({}),
        json!([]),
        json!({ "id": "" }),
        json!({ "status": "queued" }),
        json!([{ "id": "a" }, { "id": "b" }]),
        json!({ "data": [] }),
    ] {
        fake.fail_once(Fault::Status(201, body.clone()));
        assert!(matches!(provider.send(&message(1, "a")).await, Outcome::Unknown { .. }), "{body}");
    }
    for body in [
        json!({ "id": 7, "status": "queued" }),
        json!({ "data": { "message_id": "7", "status": "Sent" } }),
        json!([{ "id": "7", "status": "QUEUED" }]),
        json!({ "id": "7", "status": "queued", "data": null, "messages": 1 }),
    ] {
        fake.fail_once(Fault::Status(202, body.clone()));
        assert_eq!(ids(&[provider.send(&message(1, "a")).await]), ["7"], "{body}");
    }
}

#[tokio::test]
async fn a_2xx_is_sent_only_in_the_words_of_the_vendors_page() {
    let fake = Fake::start(A2pPro::default());
    let provider = provider(&fake);
    for (body, expected) in [
        (json!({ "id": "7", "status": "FAILED" }), "failed"),
        (json!({ "id": "7", "status": "Failed", "error_code": "absent_subscriber" }), "failed"),
        (json!({ "id": "7", "status": "rejected" }), "failed"),
        (json!({ "id": "7", "status": "undelivered" }), "failed"),
        (json!({ "id": "7", "status": "expired" }), "expired"),
        (json!({ "id": "7", "status": "invalid" }), "failed"),
        (json!({ "data": [{ "id": "7", "status": "Delivered" }] }), "delivered"),
        (json!({ "id": "7" }), "unknown"),
        (json!({ "id": "7", "status": "accepted" }), "unknown"),
        (json!({ "id": "7", "status": "queued", "code": "invalid_request", "message": "no" }), "unknown"),
        (json!({ "status": "error", "data": { "id": "7", "status": "queued" } }), "unknown"),
        (
            json!({ "error": { "code": "server_error" }, "messages": [{ "id": "7", "status": "sent" }] }),
            "unknown",
        ),
    ] {
        fake.fail_once(Fault::Status(201, body.clone()));
        let (told, id) = match provider.send(&message(1, "a")).await {
            Outcome::Accepted { vendor_id, status, .. } | Outcome::Failed { vendor_id, status, .. } => {
                (status.as_str(), vendor_id)
            }
            Outcome::Unclear { vendor_id, .. } => ("unknown", Some(vendor_id)),
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!((told, id.as_deref()), (expected, Some("7")), "{body}");
    }
    let taught = build(Config { sent_words: vec!["Accepted".to_owned()], ..config(&fake) }, None);
    fake.fail_once(Fault::Status(201, json!({ "id": "7", "status": "accepted" })));
    assert_eq!(ids(&[taught.send(&message(1, "a")).await]), ["7"]);
    for (word, state) in
        [("DELIVERED", Some(State::Delivered)), ("Undelivered", Some(State::Failed)), ("accepted", None)]
    {
        fake.fail_once(Fault::Status(200, json!({ "id": "7", "status": word })));
        assert_eq!(
            provider.status(&enquiry("7")).await.ok().map(|receipts| receipts[0].state),
            state,
            "{word}"
        );
    }
}

#[tokio::test]
async fn many_go_in_one_request_whatever_shape_the_answer_has() {
    for shape in Shape::ALL {
        let fake = Fake::start(A2pPro { shape, ..A2pPro::default() });
        let provider = bulk_provider(&fake);
        let messages = [message(1, "a"), message(2, "a"), message(3, "a")];
        let outcomes = provider.send_many(&messages).await;
        let is_shared = matches!(shape, Shape::Shared | Shape::Silent);
        assert_eq!(ids(&outcomes), if is_shared { ["m-1"; 3] } else { ["m-1", "m-2", "m-3"] }, "{shape:?}");
        assert_eq!(fake.vendor().taken, 1);
        let url = fake.vendor().messages[0].callback_url.clone().unwrap();
        assert_eq!(
            callback().read(url.rsplit('/').next().unwrap()),
            Some(None),
            "one address for all of them"
        );
        let receipts = provider.status(&enquiry("m-1")).await.unwrap();
        let of: Vec<Option<String>> = receipts.iter().map(|receipt| receipt.to.clone()).collect();
        assert_eq!(
            of,
            if is_shared { (1..=3).map(|n| Some(fictional(n))).collect() } else { vec![None] },
            "{shape:?}"
        );
    }
}

#[tokio::test]
async fn a_recipient_whom_the_answer_does_not_name_is_unknown() {
    let fake = Fake::start(A2pPro::default());
    let provider = bulk_provider(&fake);
    let messages = [message(1, "a"), message(2, "a"), message(3, "a")];
    let (one, two) = (fictional(1), fictional(2).replace('+', "00")[2..].to_owned());
    for (body, expected) in [
        (
            json!([{ "id": "x", "status": "queued", "to": one }, { "id": "y", "status": "queued", "to": two }]),
            ["x", "y", "unknown"],
        ),
        (json!([{ "id": "x", "status": "queued", "to": one }, { "to": two }]), ["x", "unknown", "unknown"]),
        (
            json!([{ "id": "x", "status": "queued" }, { "id": "y", "status": "queued" }, { "id": "z", "status": "queued" }]),
            ["unknown"; 3],
        ),
        (json!({ "id": "x", "status": "queued", "to": [one, two] }), ["x", "x", "unknown"]),
        (json!({ "id": "x", "status": "queued", "to": one }), ["x", "unknown", "unknown"]),
        (
            json!([{ "id": "x", "status": "queued", "to": one.replace('+', "00") }, { "id": "y", "status":
                "queued", "to": format!("00{two}") }]),
            ["x", "y", "unknown"],
        ),
        (json!({ "data": [] }), ["unknown"; 3]),
    ] {
        fake.fail_once(Fault::Status(201, body.clone()));
        assert_eq!(ids(&provider.send_many(&messages).await), expected, "{body}");
    }
}

#[tokio::test]
async fn different_texts_are_requests_of_their_own_and_each_has_its_outcome() {
    let messages = [
        message(1, "a"),
        message(2, "b"),
        message(3, "a"),
        message(4, "a"),
        message(5, "a"),
        message(6, "c"),
    ];
    let fake = Fake::start(A2pPro::default());
    let outcomes = bulk_provider(&fake).send_many(&messages).await;
    assert_eq!(ids(&outcomes), ["m-1", "m-4", "m-2", "m-3", "m-5", "m-6"]);
    assert_eq!(fake.vendor().taken, 4, "three of \"a\", \"b\", the fourth \"a\", \"c\"");

    // What comes after a request that was lost or not sent is not begun.
    for (fault, second) in [
        (Fault::DropAfterAccept, "unknown"),
        (Fault::Stall, "unknown"),
        (Fault::ThrottleSeconds(9), "not sent"),
    ] {
        let fake = Fake::start(A2pPro::default());
        fake.fail_once(Fault::None);
        fake.fail_once(fault.clone());
        let outcomes = bulk_provider(&fake).send_many(&messages).await;
        assert_eq!(ids(&outcomes), ["m-1", second, "m-2", "m-3", "not sent", "not sent"], "{fault:?}");
        assert_eq!(fake.requests().len(), 2, "{fault:?}");
        let wait = matches!(fault, Fault::ThrottleSeconds(_)).then_some(9_000);
        assert!(
            matches!(outcomes[5], Outcome::NotSent { retry_after_ms, .. } if retry_after_ms == wait),
            "{fault:?}"
        );
    }

    // A refusal is about its own text only.
    let fake = Fake::start(A2pPro::default());
    fake.fail_once(Fault::Status(400, json!({})));
    let outcomes = bulk_provider(&fake).send_many(&messages).await;
    assert_eq!(ids(&outcomes), ["rejected", "m-1", "rejected", "rejected", "m-2", "m-3"]);
}

#[tokio::test]
async fn without_bulk_each_message_is_a_request_of_its_own() {
    let fake = Fake::start(A2pPro::default());
    let provider = provider(&fake);
    assert_eq!(provider.capabilities().recipients_per_request, 1);
    let outcomes = provider.send_many(&[message(1, "a"), message(2, "a")]).await;
    assert_eq!((ids(&outcomes), fake.vendor().taken), (vec!["m-1", "m-2"], 2));
}

#[tokio::test]
async fn a_webhook_is_a_hint_and_nothing_of_it_is_believed() {
    let fake = Fake::start(A2pPro::default());
    let (reachable, deaf) = (bulk_provider(&fake), provider(&fake));
    let headers = HeaderMap::new();
    let of = MessageId::new(1, 1);
    let delivery = |body: &'static str, message| Delivery {
        method: &::http::Method::POST,
        url: "",
        query: "",
        headers: &headers,
        body: body.as_bytes(),
        message,
        now: Timestamp(1),
    };
    let body = r#"{"event":"message.delivered","id":"m-1","status":"delivered","to":"+33199000001","delivered_at":"2026-11-22T10:15:07Z"}"#;
    let hint = |message: Option<&MessageId>| {
        vec![Event::Hint { vendor_id: "m-1".to_owned(), message: message.cloned() }]
    };
    assert_eq!(reachable.events(&delivery(body, Some(&of))).await, Ok(hint(Some(&of))));
    assert_eq!(
        reachable.events(&delivery(r#"{"event":"message.failed","message_id":"m-1"}"#, None)).await,
        Ok(hint(None))
    );
    assert!(matches!(reachable.events(&delivery("{}", None)).await, Err(NotBelieved::Malformed(_))));
    let Err(NotBelieved::Malformed(why)) = reachable.events(&delivery("canary", None)).await else {
        panic!("taken")
    };
    assert!(!why.contains("canary"), "{why}");
    assert_eq!(deaf.events(&delivery(body, None)).await, Err(NotBelieved::NotExpected));
    assert!(reachable.capabilities().receipts_by_push && !deaf.capabilities().receipts_by_push);
}

#[tokio::test]
async fn a_check_shows_whether_the_key_is_taken() {
    let fake = Fake::start(A2pPro::default());
    let findings = provider(&fake).check().await.unwrap();
    assert!(findings.iter().all(|finding| !finding.is_warning), "{findings:?}");
    fake.fail_once(Fault::Status(403, json!({ "code": "forbidden", "message": "no" })));
    assert_eq!(provider(&fake).check().await.unwrap_err().kind(), ErrorKind::ProviderUnauthorized);
    fake.fail_once(Fault::Status(200, json!({})));
    assert!(provider(&fake).check().await.unwrap().iter().any(|finding| finding.is_warning));
}

#[test]
fn the_settings_are_checked() {
    let fine = Config { from: Some("ACME".to_owned()), ..Config::default() };
    assert!(fine.check().is_ok());
    assert!(Config::default().check().unwrap_err().contains("from"));
    assert!(Config { from: Some(String::new()), ..fine.clone() }.check().is_err());
    assert!(Config { bulk_size: 0, ..fine.clone() }.check().unwrap_err().contains("bulk_size"));
    assert!(
        Config { base_url: "http://api.a2ppro.com/v1".to_owned(), ..fine }
            .check()
            .unwrap_err()
            .contains("https")
    );
}
