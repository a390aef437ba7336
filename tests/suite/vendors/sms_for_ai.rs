//! SMS for AI: what is sent, what each documented answer means, and the vendor's list as the rate card.

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Enquiry, ListQuery};
use sms_mcp::provider::settings::{Secrets, Settings as _, Setup};
use sms_mcp::provider::sms_for_ai::Config;
use sms_mcp::provider::{Balance, Build as _, Outcome, Provider, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::sms_for_ai::{SmsForAi, TOKEN};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::fictional;
use crate::vendors::{enquiry_of, submission_of};

/// The provider before this fake.
pub fn provider(fake: &Fake<SmsForAi>) -> Arc<dyn Provider> {
    build(Config { base_url: format!("{}/api/v1", fake.url()), http: patient(), ..Config::default() }, TOKEN)
}

fn build(config: Config, token: &str) -> Arc<dyn Provider> {
    let clock = clock_before(&config.base_url);
    let mut secrets = Secrets::default();
    secrets.insert("token", SecretText::new(token));
    config.build(Setup { clock, secrets, callback: None }).unwrap()
}

fn to(number: &str) -> Number {
    Number::parse(number, None).unwrap()
}

fn message(n: u128, text: &str) -> Submission {
    submission_of(MessageId::new(1, n), to(&fictional(1)), text)
}

fn usd(micros: i64) -> Money {
    Money { micros, currency: Currency::USD }
}

fn enquiry(vendor_id: &str) -> Enquiry {
    enquiry_of(MessageId::new(1, 1), vendor_id, to(&fictional(1)))
}

#[tokio::test]
async fn a_flat_and_a_nested_answer_say_the_same() {
    for is_nested in [false, true] {
        let fake = Fake::start(SmsForAi { is_nested, ..SmsForAi::default() });
        let provider = provider(&fake);
        let outcome = provider.send(&message(1, "hello \u{20ac}")).await;
        let expected = Outcome::Accepted {
            vendor_id: Some("41".to_owned()),
            status: State::Sent,
            segments: None,
            price: Some(usd(65_000)),
        };
        assert_eq!(outcome, expected);
        let receipt = provider.status(&enquiry("41")).await.unwrap().remove(0);
        assert_eq!(
            (receipt.vendor_id.as_str(), receipt.state, receipt.price),
            ("41", State::Delivered, Some(usd(65_000)))
        );
        assert_eq!(fake.vendor().messages[0].body, "hello \u{20ac}");
        assert_eq!(fake.requests()[0].header("x-request-id"), Some(MessageId::new(1, 1).as_str()));
    }
}

#[tokio::test]
async fn the_sender_id_is_that_of_the_call_or_else_the_configured_one() {
    let fake = Fake::start(SmsForAi::default());
    let config = Config {
        base_url: format!("{}/api/v1/", fake.url()),
        from: Some("ACME".to_owned()),
        http: patient(),
        ..Config::default()
    };
    let configured = build(config, TOKEN);
    configured.send(&message(1, "a")).await;
    configured.send(&Submission { from: Some("Other".to_owned()), ..message(2, "b") }).await;
    provider(&fake).send(&message(3, "c")).await;
    let senders: Vec<Option<String>> =
        fake.vendor().messages.iter().map(|message| message.sender_id.clone()).collect();
    assert_eq!(senders, [Some("ACME".to_owned()), Some("Other".to_owned()), None]);
}

#[tokio::test]
async fn each_documented_error_has_our_code() {
    let fake = Fake::start(SmsForAi::default());
    let provider = provider(&fake);
    let field =
        |name: &str| json!({ "message": "The given data was invalid.", "errors": { name: ["wrong"] } });
    for (status, body, expected) in [
        (401, json!({ "message": "Unauthenticated." }), ErrorKind::ProviderUnauthorized),
        (402, json!({ "error": "Insufficient credits" }), ErrorKind::InsufficientBalance),
        (403, json!({ "error": { "message": "Spending limit reached" } }), ErrorKind::ProviderUnauthorized),
        (422, field("to"), ErrorKind::InvalidNumber),
        (422, field("sender_id"), ErrorKind::SenderNotAllowed),
        (422, field("body"), ErrorKind::ProviderRejected),
    ] {
        let words = ["/message", "/error/message", "/error"]
            .iter()
            .find_map(|path| body.pointer(path)?.as_str().map(str::to_owned))
            .unwrap();
        fake.fail_once(Fault::Status(status, body));
        let Outcome::Rejected { code, why } = provider.send(&message(1, "a")).await else {
            panic!("{status}")
        };
        assert_eq!((code, why), (expected, format!("HTTP {status}: {words}")));
    }
    fake.fail_once(Fault::ThrottleSeconds(30));
    assert!(matches!(
        provider.send(&message(1, "a")).await,
        Outcome::NotSent { retry_after_ms: Some(30_000), .. }
    ));
    fake.fail_once(Fault::ErrorAfterAccept(500));
    assert!(
        matches!(provider.send(&message(1, "a")).await, Outcome::Unknown { .. }),
        "a gateway failure may come after the gateway took it"
    );
}

#[tokio::test]
async fn an_answer_that_says_nothing_is_unknown() {
    let fake = Fake::start(SmsForAi::default());
    let provider = provider(&fake);
    for body in [json!({}), json!([]), json!("ok"), json!({ "sms": {} }), json!({ "id": null })] {
        fake.fail_once(Fault::Status(200, body.clone()));
        assert!(matches!(provider.send(&message(1, "a")).await, Outcome::Unknown { .. }), "{body}");
    }
}

/// What a send becomes when the vendor answers with this, in a word and with the id that is kept.
async fn told(provider: &Arc<dyn Provider>, fake: &Fake<SmsForAi>, body: &Value) -> (String, Option<String>) {
    fake.fail_once(Fault::Status(201, body.clone()));
    match provider.send(&message(1, "a")).await {
        Outcome::Accepted { vendor_id, status, .. } | Outcome::Failed { vendor_id, status, .. } => {
            (status.to_string(), vendor_id)
        }
        Outcome::Unclear { vendor_id, .. } => ("unknown".to_owned(), Some(vendor_id)),
        Outcome::Unknown { .. } => ("unknown".to_owned(), None),
        other => panic!("{body}: {other:?}"),
    }
}

#[tokio::test]
async fn a_2xx_is_sent_only_in_the_words_of_the_vendors_page() {
    let fake = Fake::start(SmsForAi::default());
    let provider = provider(&fake);
    for (body, expected, id) in [
        (json!({ "id": 7, "status": "SENT" }), "sent", Some("7")),
        (json!({ "id": 7, "status": " Delivered" }), "delivered", Some("7")),
        (json!({ "data": { "sms": { "id": 7, "status": "sent" } } }), "sent", Some("7")),
        (
            json!({ "status": "success", "sms": { "id": 7, "status": "sent", "error": null }, "balance": 1 }),
            "sent",
            Some("7"),
        ),
        (json!({ "sms": { "status": "failed" }, "balance": 1 }), "failed", None),
        (json!({ "id": 7, "status": "FAILED", "error": "absent" }), "failed", Some("7")),
        (json!({ "id": 7, "status": "rejected" }), "failed", Some("7")),
        (json!({ "id": 7, "status": "Undelivered" }), "failed", Some("7")),
        (json!({ "id": 7, "status": "expired" }), "expired", Some("7")),
        (json!({ "id": 7, "status": "invalid" }), "failed", Some("7")),
        (json!({ "id": 7, "status": "error" }), "failed", Some("7")),
        (json!({ "status": "error" }), "unknown", None),
        (json!({ "status": 0, "error": "x" }), "unknown", None),
        (json!({ "errors": { "to": ["x"] }, "status": "error" }), "unknown", None),
        (json!({ "status": "sent", "errors": { "to": ["x"] } }), "unknown", None),
        (json!({ "id": 7, "status": "sent", "error": "x" }), "unknown", Some("7")),
        (json!({ "success": false, "sms": { "id": 7, "status": "sent" } }), "unknown", Some("7")),
        (json!({ "status": "error", "sms": { "id": 7, "status": "sent" } }), "unknown", Some("7")),
        (json!({ "id": 7, "status": "queued" }), "unknown", Some("7")),
        (json!({ "id": 7, "status": 1 }), "unknown", Some("7")),
        (json!({ "id": 7 }), "unknown", Some("7")),
    ] {
        assert_eq!(
            told(&provider, &fake, &body).await,
            (expected.to_owned(), id.map(str::to_owned)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn an_operator_teaches_a_new_word_of_the_vendor() {
    let fake = Fake::start(SmsForAi { fate: "En Route", ..SmsForAi::default() });
    let config = |words: &[&str]| Config {
        base_url: format!("{}/api/v1", fake.url()),
        sent_words: words.iter().map(|word| (*word).to_owned()).collect(),
        http: patient(),
        ..Config::default()
    };
    let body = json!({ "id": 41, "status": "En Route" });
    let taught = build(config(&["en_route"]), TOKEN);
    assert_eq!(told(&taught, &fake, &body).await, ("sent".to_owned(), Some("41".to_owned())));
    let untaught = build(config(&[]), TOKEN);
    assert_eq!(told(&untaught, &fake, &body).await, ("unknown".to_owned(), Some("41".to_owned())));
    untaught.send(&message(1, "a")).await;
    assert_eq!(taught.status(&enquiry("41")).await.unwrap()[0].state, State::Sent);
    let error = untaught.status(&enquiry("41")).await.unwrap_err();
    assert!(error.message().contains("En Route") && error.message().contains("sent_words"), "{error}");
    assert_eq!(
        untaught.list(&ListQuery::default()).await.unwrap().messages[0].state,
        State::Unknown,
        "it is there, and that is all"
    );
    assert!(config(&["rejected"]).check().unwrap_err().contains("sent_words"));
    fake.vendor().fate = "UNDELIVERED";
    assert_eq!(untaught.status(&enquiry("41")).await.unwrap()[0].state, State::Failed);
}

#[tokio::test]
async fn a_text_of_1600_characters_is_taken_and_a_longer_one_is_not() {
    let fake = Fake::start(SmsForAi::default());
    let provider = provider(&fake);
    let number = to(&fictional(1));
    let longest = "\u{e9}".repeat(1_600);
    provider.form(&number, None, &longest).unwrap();
    assert!(matches!(provider.send(&message(1, &longest)).await, Outcome::Accepted { .. }));
    let error = provider.form(&number, None, &format!("{longest}!")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MessageTooLong);
    assert!(error.message().contains("1601") && error.message().contains("1600"), "{error}");
}

#[tokio::test]
async fn the_longest_dialling_code_gives_the_price_times_the_segments() {
    let fake = Fake::start(SmsForAi::default());
    let provider = provider(&fake);
    assert_eq!(provider.price(&to("+12025550101"), 1), None, "nothing is known before the first look");
    provider.refresh().await.unwrap();
    for (number, segments, price) in [
        ("+12025550101", 1, Some(10_000)),
        ("+12025550101", 3, Some(30_000)),
        ("+12425550101", 2, Some(400_000)),
        ("+33199000001", 1, Some(65_000)),
        ("+442071838750", 1, None),
    ] {
        assert_eq!(provider.price(&to(number), segments), price.map(usd), "{number}");
    }
    // Two countries share a code: the dearer one counts. A price that cannot be read is unknown, not the
    // shorter code's.
    fake.vendor().countries = vec![
        ("US", "+1", json!(0.01)),
        ("CA", "1", json!("0.0120001")),
        ("BS", "+1-242", json!("free")),
        ("KZ", "+7", json!(1e-9)),
    ];
    provider.refresh().await.unwrap();
    assert_eq!(provider.price(&to("+12025550101"), 1), Some(usd(12_001)));
    for unknown in ["+12425550101", "+77012345678", "+33199000001"] {
        assert_eq!(provider.price(&to(unknown), 1), None, "{unknown}");
    }
    // What is known stays, whatever the vendor answers next.
    for fault in [
        Fault::Status(200, json!([])),
        Fault::Status(200, json!({ "message": "later" })),
        Fault::Garbage,
        Fault::Status(403, json!({})),
    ] {
        fake.fail(fault.clone());
        assert!(provider.refresh().await.is_err(), "{fault:?}");
        assert!(provider.price(&to("+12025550101"), 1).is_some());
    }
}

#[tokio::test]
async fn a_list_has_pages_and_a_filter() {
    let fake = Fake::start(SmsForAi::default());
    let provider = provider(&fake);
    for n in 1..=3 {
        provider.send(&message(n, &format!("text {n}"))).await;
    }
    provider.status(&enquiry("42")).await.unwrap();
    let list = async |state: Option<State>, page: u32| {
        let page = provider.list(&ListQuery { state, page, ..ListQuery::default() }).await.unwrap();
        (page.messages.iter().map(|message| message.vendor_id.clone()).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(list(None, 1).await, (vec!["43".to_owned(), "42".to_owned()], Some(2)));
    assert_eq!(list(None, 2).await, (vec!["41".to_owned()], None));
    assert_eq!(list(Some(State::Delivered), 0).await, (vec!["42".to_owned()], None));
    assert_eq!(list(Some(State::Unknown), 1).await.0.len(), 2, "the vendor cannot filter by it");
    let first =
        provider.list(&ListQuery { page: 2, ..ListQuery::default() }).await.unwrap().messages.remove(0);
    assert_eq!(
        (first.to, first.text.as_deref(), first.state, first.price),
        (fictional(1), Some("text 1"), State::Sent, Some(usd(65_000)))
    );
    assert_eq!(first.at, Timestamp::parse("2026-11-22T10:15:00Z"));
    // Without `meta` the link to the next page says that there is one.
    fake.fail_once(Fault::Status(
        200,
        json!({ "data": [], "links": { "next": "https://www.smsforai.com/api/v1/sms?page=2" } }),
    ));
    assert_eq!(list(None, 1).await.1, Some(2));
}

#[tokio::test]
async fn a_look_up_names_no_other_page() {
    let fake = Fake::start(SmsForAi::default());
    let provider = provider(&fake);
    for id in ["../balance", "..", ".", "", "a/b", "41?page=2", "41#", "%2e", "no such id"] {
        assert!(provider.status(&enquiry(id)).await.unwrap().is_empty(), "{id}");
    }
    assert!(fake.requests().is_empty());
    assert!(provider.status(&enquiry("999")).await.unwrap().is_empty());
    fake.fail_once(Fault::Status(200, json!({})));
    assert_eq!(provider.status(&enquiry("41")).await.unwrap_err().kind(), ErrorKind::ProviderUnavailable);
}

#[tokio::test]
async fn the_balance_is_exact() {
    let fake = Fake::start(SmsForAi::default());
    let provider = provider(&fake);
    assert_eq!(provider.balance().await.unwrap(), Balance::Money(usd(12_345_678)));
    for (credits, micros) in
        [(json!("0.10"), 100_000), (json!(7), 7_000_000), (json!(-0.5), -500_000), (json!(0.1), 100_000)]
    {
        fake.fail_once(Fault::Status(200, json!({ "credits_usd": credits })));
        assert_eq!(provider.balance().await.unwrap(), Balance::Money(usd(micros)));
    }
    for wrong in [json!({}), json!({ "credits_usd": null }), json!({ "credits_usd": "much" })] {
        fake.fail_once(Fault::Status(200, wrong));
        assert_eq!(provider.balance().await.unwrap_err().kind(), ErrorKind::ProviderUnavailable);
    }
}

#[tokio::test]
async fn a_check_tells_what_the_token_may_do_and_warns_of_what_it_may_not() {
    let fake = Fake::start(SmsForAi::default());
    let provider = provider(&fake);
    let said = async || {
        let findings = provider.check().await.unwrap();
        let warnings: Vec<String> = findings
            .iter()
            .filter(|finding| finding.is_warning)
            .map(|finding| finding.text.clone())
            .collect();
        (findings.iter().map(|finding| finding.text.as_str()).collect::<Vec<_>>().join("\n"), warnings)
    };
    let (all, warnings) = said().await;
    assert!(
        all.contains("\"My Agent\" may: sms:send, sms:read, balance:read") && all.contains("12.345678 USD"),
        "{all}"
    );
    assert!(!all.contains("alice") && warnings.is_empty(), "{all}");
    for (permissions, expected) in [
        (vec!["sms:send"], vec!["balance", "read messages", "balance cannot be read"]),
        (vec!["balance:read"], vec!["not send", "read messages"]),
        (vec!["sms:read", "balance:read"], vec!["not send"]),
    ] {
        fake.vendor().permissions = permissions;
        let (_, warnings) = said().await;
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        assert!(warnings.iter().zip(expected).all(|(warning, word)| warning.contains(word)), "{warnings:?}");
    }
    fake.vendor().credits_micros = 0;
    assert!(said().await.1.iter().any(|warning| warning.contains("empty")));
    let wrong = build(
        Config { base_url: format!("{}/api/v1", fake.url()), http: patient(), ..Config::default() },
        "smsai_wrong",
    );
    let error = wrong.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProviderUnauthorized);
    assert!(!format!("{error:?}").contains("smsai_wrong"));
}

#[test]
fn the_settings_are_checked() {
    let config = |base_url: &str| Config { base_url: base_url.to_owned(), ..Config::default() };
    assert!(Config::default().check().is_ok());
    let nobody = Config { from: Some(String::new()), ..Config::default() };
    assert!(nobody.check().is_err_and(|why| why.contains("`from` is empty")));
    for wrong in [
        "http://www.smsforai.com/api/v1",
        "smsforai",
        "http://user:canary@www.smsforai.com",
        "https://www.smsforai.com/?a=canary",
    ] {
        assert!(config(wrong).check().is_err_and(|why| !why.contains("canary")), "{wrong}");
    }
    let read: Config = serde_json::from_value(json!({ "token": "smsai_secret" })).unwrap();
    assert!(!format!("{read:?}").contains("smsai_secret"));
    let written: Value = serde_json::to_value(&read).unwrap();
    assert_eq!(written["base_url"], "https://www.smsforai.com/api/v1");
    assert!(written.get("token").is_none());
}
