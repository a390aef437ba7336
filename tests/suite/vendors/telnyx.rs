//! Telnyx: what is sent, what each code means, opt-outs of the profile. What it sends by itself, and the
//! program before it, is in `telnyx/hooks.rs`; what is posted once more, in `telnyx/replay.rs`.

pub mod hooks;
mod replay;

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::engine::Carrier;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Enquiry, Event};
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup};
use sms_mcp::provider::telnyx::{Config, Telnyx};
use sms_mcp::provider::{Balance, Outcome, Provider, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::telnyx::{self as vendor, FROM, KEY, NAME, PROFILE};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::fictional;
use crate::vendors::{enquiry_of, submission_of};

/// The public key of the seed that is the octets 0 to 31.
pub const PUBLIC_KEY: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";

fn config(url: &str) -> Config {
    Config {
        base_url: format!("{url}/v2"),
        from: Some(FROM.to_owned()),
        messaging_profile: Some(PROFILE.to_owned()),
        public_key: Some(PUBLIC_KEY.to_owned()),
        http: patient(),
        ..Config::default()
    }
}

fn build(config: &Config, key: &str) -> Telnyx {
    let clock = clock_before(&config.base_url);
    let mut secrets = Secrets::default();
    secrets.insert("api_key", SecretText::new(key));
    let callback = Some(Callback::new("https://sms.example.com", "telnyx", [7; 32]));
    Telnyx::new(config, &Setup { clock, secrets, callback }).unwrap()
}

/// The provider before this fake, with webhooks and a messaging profile.
pub fn provider(fake: &Fake<vendor::Telnyx>) -> Arc<dyn Provider> {
    Arc::new(build(&config(&fake.url()), KEY))
}

fn to(number: &str) -> Number {
    Number::parse(number, None).unwrap()
}

fn message(n: u128, text: &str) -> Submission {
    submission_of(MessageId::new(1, n), to(&fictional(1)), text)
}

fn enquiry(vendor_id: &str) -> Enquiry {
    enquiry_of(MessageId::new(1, 1), vendor_id, to(&fictional(1)))
}

fn usd(micros: i64) -> Money {
    Money { micros, currency: Currency::USD }
}

#[tokio::test]
async fn a_text_goes_with_our_reference_as_its_key_and_an_address_of_its_own() {
    let fake = Fake::start(vendor::Telnyx::default());
    let text = "Gr\u{fc}\u{df}e \u{1f44d}";
    let outcome = provider(&fake).send(&message(1, text)).await;
    let Outcome::Accepted { vendor_id: Some(id), status, segments, price } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((status, segments, price), (State::Sent, Some(1), None));
    assert_eq!(id, fake.vendor().messages[0].id);
    let named = Submission { from: Some(NAME.to_owned()), ..message(2, "b") };
    provider(&fake).send(&named).await;
    let unsigned = Config { public_key: None, messaging_profile: None, ..config(&fake.url()) };
    build(&unsigned, KEY).send(&message(3, "c")).await;
    let own = |n: u128| {
        let callback = Callback::new("https://sms.example.com", "telnyx", [7; 32]);
        callback.url(Some(&MessageId::new(1, n)))
    };
    let person = fictional(1);
    let expected = [
        json!({ "to": person, "from": FROM, "messaging_profile_id": PROFILE, "text": text,
            "use_profile_webhooks": false, "webhook_url": own(1) }),
        json!({ "to": person, "from": NAME, "messaging_profile_id": PROFILE, "text": "b",
            "use_profile_webhooks": false, "webhook_url": own(2) }),
        json!({ "to": person, "from": FROM, "text": "c" }),
    ];
    for (n, (request, expected)) in fake.requests().iter().zip(expected).enumerate() {
        assert_eq!(request.json().unwrap(), expected);
        let id = MessageId::new(1, n as u128 + 1);
        assert_eq!(request.header("idempotency-key"), Some(id.as_str()));
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v2/messages"));
    }
}

#[tokio::test]
async fn a_lost_answer_is_one_request_and_a_throttled_one_may_come_again_under_its_key() {
    let fake = Fake::start(vendor::Telnyx::default());
    let provider = provider(&fake);
    for fault in [Fault::DropAfterAccept, Fault::HalfJson, Fault::ErrorAfterAccept(502)] {
        let before = (fake.requests().len(), fake.vendor().messages.len());
        fake.fail_once(fault.clone());
        let n = before.0 as u128 + 1;
        let outcome = provider.send(&message(n, "a")).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{fault:?}: {outcome:?}");
        assert_eq!((fake.requests().len(), fake.vendor().messages.len()), (before.0 + 1, before.1 + 1));
    }
    let taken = fake.vendor().messages.len();
    fake.fail_once(Fault::ThrottleSeconds(3));
    assert!(matches!(provider.send(&message(9, "a")).await, Outcome::NotSent { .. }));
    assert!(matches!(provider.send(&message(9, "a")).await, Outcome::Accepted { .. }));
    assert_eq!(fake.vendor().messages.len(), taken + 1);
}

/// A refusal of a send.
async fn refused(fake: &Fake<vendor::Telnyx>, status: u16, code: &Value) -> Outcome {
    let body = json!({ "errors": [{ "code": code, "title": "Telnyx's title", "detail": "+15550001111" }] });
    fake.fail_once(Fault::Status(status, body));
    provider(fake).send(&message(1, "a")).await
}

#[tokio::test]
async fn each_code_has_our_code_and_is_told_in_our_words() {
    use ErrorKind::{
        DestinationNotAllowed, InvalidNumber, OptedOut, ProviderRejected, ProviderUnauthorized,
        SenderNotAllowed,
    };
    let fake = Fake::start(vendor::Telnyx::default());
    for (status, code, expected) in [
        (401, "10009", ProviderUnauthorized),
        (403, "10010", ProviderUnauthorized),
        (403, "10035", ProviderUnauthorized),
        (400, "10002", InvalidNumber),
        (400, "10016", InvalidNumber),
        (422, "40310", InvalidNumber),
        (400, "40305", SenderNotAllowed),
        (400, "40321", SenderNotAllowed),
        (400, "40309", DestinationNotAllowed),
        (403, "40300", OptedOut),
        (400, "10015", ProviderRejected),
        (404, "10005", ProviderRejected),
    ] {
        let Outcome::Rejected { code: kind, why } = refused(&fake, status, &json!(code)).await else {
            panic!("{code}")
        };
        assert_eq!(kind, expected, "{code}");
        assert!(why.starts_with(&format!("HTTP {status}: {code}: ")) && !why.contains("+1555"), "{why}");
        assert!(!why.contains("title"), "{why}");
    }
    let Outcome::Rejected { code, why } = refused(&fake, 402, &json!("20100")).await else { panic!() };
    assert_eq!((code, why.as_str()), (ErrorKind::InsufficientBalance, "HTTP 402: 20100: Telnyx's title"));
    for (status, code) in [(429, "10011"), (429, "1"), (400, "40318"), (403, "40318")] {
        let outcome = refused(&fake, status, &json!(code)).await;
        assert!(
            matches!(outcome, Outcome::NotSent { retry_after_ms: Some(60_000), .. }),
            "{status} {code}: {outcome:?}"
        );
    }
    for (status, code) in [(500, "10002"), (408, "10002"), (503, "40318")] {
        let outcome = refused(&fake, status, &json!(code)).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{status} {code}: {outcome:?}");
    }
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn a_status_is_read_in_telnyxs_words_with_what_it_cost_and_why_it_failed() {
    let fake = Fake::start(vendor::Telnyx::default());
    let provider = provider(&fake);
    provider.send(&message(1, "a")).await;
    let id = fake.vendor().messages[0].id.clone();
    let failed = |code: &str| json!([{ "code": code, "title": "its title" }]);
    for (status, errors, state, why) in [
        ("queued", json!([]), Some(State::Sent), None),
        ("sending", json!([]), Some(State::Sent), None),
        ("sent", failed("40001"), Some(State::Sent), None),
        ("delivery_unconfirmed", json!([]), Some(State::Sent), None),
        ("scheduled", json!([]), None, None),
        ("delivered", json!([]), Some(State::Delivered), None),
        ("expired", failed("40005"), Some(State::Expired), Some("40005: The text could not")),
        ("sending_failed", failed("40999"), Some(State::Failed), Some("40999: its title")),
        ("delivery_failed", failed("40002"), Some(State::Failed), Some("40002: Telnyx or the carrier")),
        ("delivery_failed", json!([]), Some(State::Failed), None),
    ] {
        fake.vendor().fate = (status, errors);
        let receipt = provider.status(&enquiry(&id)).await.unwrap().pop();
        assert_eq!(receipt.as_ref().map(|receipt| receipt.state), state, "{status}");
        let Some(receipt) = receipt else { continue };
        let said = receipt.why.unwrap_or_default();
        assert!(why.is_none() == said.is_empty() && said.starts_with(why.unwrap_or_default()), "{said}");
        assert_eq!(receipt.price, (status != "queued").then(|| usd(5_100)), "{status}");
    }
    fake.vendor().fate = ("hm", json!([]));
    assert!(provider.status(&enquiry(&id)).await.unwrap_err().message().contains("hm"));
    for (body, expected) in [
        (json!({ "data": { "id": "1", "to": [{ "status": "queued" }] } }), "accepted"),
        (json!({ "data": { "id": "1", "to": [{ "status": "delivery_failed" }] } }), "failed"),
        (
            json!({ "data": { "id": "1", "to": [{ "status": "queued" }], "errors": [{ "code": "1" }] } }),
            "unclear",
        ),
        (json!({ "data": { "id": "1", "to": [{ "status": "hm" }] } }), "unclear"),
        (json!({ "data": { "id": "1", "to": [] } }), "unclear"),
        (json!({ "data": { "to": [{ "status": "queued" }] } }), "unknown"),
        (json!({ "errors": [{ "code": "1" }] }), "unknown"),
    ] {
        fake.fail_once(Fault::Status(200, body.clone()));
        let told = match provider.send(&message(2, "a")).await {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Failed { .. } => "failed",
            Outcome::Unclear { .. } => "unclear",
            Outcome::Unknown { .. } => "unknown",
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!(told, expected, "{body}");
    }
}

#[tokio::test]
async fn the_balance_the_opt_outs_and_the_check_are_read_and_nothing_is_posted() {
    let fake = Fake::start(vendor::Telnyx::default());
    let provider = provider(&fake);
    assert_eq!(provider.balance().await.unwrap(), Balance::Money(usd(300_000_000)));
    assert_eq!(provider.refresh().await.unwrap(), []);
    // On two pages; `to` is the person.
    fake.vendor().opted_out = (1..=3).map(fictional).collect();
    let told = provider.refresh().await.unwrap();
    let at = Timestamp::parse("2026-11-22T10:15:00Z");
    let event = |n| Event::OptOut { number: fictional(n).as_str().into(), is_out: true, at, heard_by: None };
    assert_eq!(told, (1..=3).map(event).collect::<Vec<_>>());
    // A page that cannot be read takes none away that was, and pages without a count go on while one is full.
    fake.vendor().broken_page = Some(2);
    assert_eq!(provider.refresh().await.unwrap(), (1..=2).map(event).collect::<Vec<_>>());
    fake.vendor().broken_page = Some(1);
    assert!(provider.refresh().await.is_err());
    (fake.vendor().broken_page, fake.vendor().page_size) = (None, 250);
    fake.vendor().counts_pages = false;
    fake.vendor().opted_out = (1..=251).map(fictional).collect();
    assert_eq!(provider.refresh().await.unwrap().len(), 251);
    let findings = provider.check().await.unwrap();
    assert!(findings.iter().all(|finding| !finding.is_warning), "{findings:?}");
    assert!(provider.capabilities().opt_out_list);
    let without = build(&Config { messaging_profile: None, ..config(&fake.url()) }, KEY);
    assert!(!without.capabilities().opt_out_list);
    let warned = without.check().await.unwrap();
    assert!(warned.iter().any(|one| one.is_warning && one.text.contains("messaging_profile")), "{warned:?}");
    assert!(findings[0].text.contains("the balance is 300.00 USD"), "{findings:?}");
    let unsigned = build(&Config { public_key: None, ..config(&fake.url()) }, KEY);
    assert!(
        unsigned.check().await.unwrap().iter().any(|one| one.is_warning && one.text.contains("public_key"))
    );
    let can = unsigned.capabilities();
    assert!(!can.receipts_by_push && can.receipts_by_poll && !can.replies);
    let looked = provider.act("lookup", &[("number".to_owned(), "+12025550123".to_owned())].into()).await;
    assert_eq!(looked.unwrap()["data"]["carrier"]["type"], "mobile");
    assert!(fake.requests().iter().all(|request| request.method == "GET"));
}

#[test]
fn the_settings_and_what_it_takes_are_checked_before() {
    let right = config("http://127.0.0.1:9");
    assert_eq!(right.check(), Ok(()));
    let from = |from: &str| Config { from: Some(from.to_owned()), ..right.clone() };
    let key = |key: &str| Config { public_key: Some(key.to_owned()), ..right.clone() };
    for (wrong, named) in [
        (Config { from: None, ..right.clone() }, "from is not set"),
        (from("AB"), "from must be"),
        (from("Caf\u{e9}"), "from must be"),
        (Config { messaging_profile: None, ..from(NAME) }, "messaging_profile is not set"),
        (Config { messaging_profile: Some("../x".to_owned()), ..right.clone() }, "messaging_profile must"),
        (key("short"), "public_key"),
        (key("AAAA"), "public_key"),
        (Config { base_url: "http://api.telnyx.com/v2".to_owned(), ..right.clone() }, "base_url"),
        (Config { sent_words: vec!["expired".to_owned()], ..right.clone() }, "sent_words"),
    ] {
        let why = wrong.check().unwrap_err();
        assert!(why.contains(named), "{named}: {why}");
    }
    let refusal = |config: &Config, number: &str, from: Option<&str>, text: &str| {
        let carrier = Carrier::new(Arc::new(build(config, KEY)), None, config.rate).showing(config.sender());
        carrier.form(&to(number), from, text).err().map(|error| error.kind())
    };
    let (american, french) = ("+12025550123", "+33199000001");
    assert_eq!(refusal(&right, american, None, &"x".repeat(1_600)), None);
    assert_eq!(refusal(&right, american, None, &"x".repeat(1_601)), Some(ErrorKind::MessageTooLong));
    assert_eq!(refusal(&right, french, Some(NAME), "x"), None);
    assert_eq!(refusal(&right, american, Some(NAME), "x"), Some(ErrorKind::SenderNotAllowed));
    assert_eq!(refusal(&right, french, Some("AB"), "x"), Some(ErrorKind::SenderNotAllowed));
    let without = Config { messaging_profile: None, ..right };
    assert_eq!(refusal(&without, french, Some(NAME), "x"), Some(ErrorKind::SenderNotAllowed));
}
