//! Plivo: what is sent, what an answer means, look-ups, the list and the prices. What it sends by itself, and the
//! program before it, is in `plivo/hooks.rs`.

mod hooks;

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::engine::Carrier;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Arguments, Enquiry, ListQuery};
use sms_mcp::provider::plivo::{Config, Plivo};
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup};
use sms_mcp::provider::{Balance, Outcome, Provider, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::plivo::{self as vendor, FROM, ID, NAME, POWERPACK, TOKEN};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::fictional;
use crate::vendors::{enquiry_of, submission_of};

const PUBLIC: &str = "https://sms.example.com";

fn config(url: &str) -> Config {
    Config {
        base_url: format!("{url}/v1"),
        lookup_url: format!("{url}/lookup/v1"),
        from: Some(FROM.to_owned()),
        prices_for: vec!["FR".to_owned()],
        http: patient(),
        ..Config::default()
    }
}

fn setup(url: &str, token: &str, public_url: Option<&str>) -> Setup {
    let mut secrets = Secrets::default();
    secrets.insert("auth_id", SecretText::new(ID));
    secrets.insert("auth_token", SecretText::new(token));
    let callback = public_url.map(|url| Callback::new(url, "plivo", [7; 32]));
    Setup { clock: clock_before(url), secrets, callback }
}

fn build(config: &Config) -> Plivo {
    Plivo::new(config, &setup(&config.base_url, TOKEN, Some(PUBLIC))).unwrap()
}

/// The provider before this fake, with webhooks and the prices of France.
pub fn provider(fake: &Fake<vendor::Plivo>) -> Arc<dyn Provider> {
    Arc::new(build(&config(&fake.url())))
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
async fn a_text_goes_as_json_without_a_plus_and_with_an_address_of_its_own() {
    let fake = Fake::start(vendor::Plivo::default());
    let text = "Gr\u{fc}\u{df}e \u{1f44d}";
    let outcome = provider(&fake).send(&message(1, text)).await;
    let Outcome::Accepted { vendor_id: Some(id), status, segments, price } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((status, segments, price), (State::Sent, None, None));
    let taken = fake.vendor().messages[0].clone();
    assert_eq!((id.as_str(), text), (taken.uuid.as_str(), taken.text.as_str()));
    let pack = Config { from: None, powerpack: Some(POWERPACK.to_owned()), ..config(&fake.url()) };
    build(&pack).send(&message(2, "b")).await;
    let named = Submission { from: Some(NAME.to_owned()), ..message(3, "c") };
    build(&pack).send(&named).await;
    Plivo::new(&config(&fake.url()), &setup(&fake.url(), TOKEN, None)).unwrap().send(&message(4, "d")).await;
    let own = |n: u128| Callback::new(PUBLIC, "plivo", [7; 32]).url(Some(&MessageId::new(1, n)));
    let (person, from) = (&fictional(1)[1..], &FROM[1..]);
    let expected = [
        json!({ "src": from, "dst": person, "text": text, "type": "sms", "url": own(1), "method": "POST" }),
        json!({ "powerpack_uuid": POWERPACK, "dst": person, "text": "b", "type": "sms", "url": own(2),
            "method": "POST" }),
        json!({ "src": NAME, "dst": person, "text": "c", "type": "sms", "url": own(3), "method": "POST" }),
        json!({ "src": from, "dst": person, "text": "d", "type": "sms" }),
    ];
    for (request, expected) in fake.requests().iter().zip(expected) {
        assert_eq!(request.json().unwrap(), expected);
        assert_eq!(request.path, format!("/v1/Account/{ID}/Message/"));
    }
}

#[tokio::test]
async fn only_202_with_one_id_says_that_a_text_was_taken_and_a_refusal_counts_by_its_status() {
    let fake = Fake::start(vendor::Plivo::default());
    let provider = provider(&fake);
    for (status, body, expected) in [
        (202, json!({ "message": "message(s) queued", "message_uuid": ["u-1"] }), "taken"),
        (202, json!({ "message_uuid": ["u-1", "u-2"] }), "unclear"),
        (200, json!({ "message_uuid": ["u-1"] }), "unclear"),
        (202, json!({ "message_uuid": ["u-1"], "error": "no credit" }), "unclear"),
        (202, json!({ "message_uuid": [] }), "unknown"),
        (202, json!({ "message_uuid": "u-1" }), "unknown"),
        (202, json!({ "message": "message(s) queued" }), "unknown"),
        (202, json!([]), "unknown"),
    ] {
        fake.fail_once(Fault::Status(status, body.clone()));
        let told = match provider.send(&message(1, "a")).await {
            Outcome::Accepted { status: State::Sent, .. } => "taken",
            Outcome::Unclear { vendor_id, .. } if vendor_id == "u-1" => "unclear",
            Outcome::Unknown { .. } => "unknown",
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!(told, expected, "{status} {body}");
    }
    for (status, expected) in [
        (400, ErrorKind::ProviderRejected),
        (401, ErrorKind::ProviderUnauthorized),
        (402, ErrorKind::InsufficientBalance),
        (404, ErrorKind::ProviderRejected),
        (405, ErrorKind::ProviderRejected),
    ] {
        fake.fail_once(Fault::Status(status, json!({ "api_id": "x", "error": "its words" })));
        let outcome = provider.send(&message(1, "a")).await;
        let Outcome::Rejected { code, why } = outcome else { panic!("{status}: {outcome:?}") };
        assert_eq!((code, why), (expected, format!("HTTP {status}: its words")));
    }
    for status in [500, 503, 408] {
        fake.fail_once(Fault::Status(status, json!({ "error": "x" })));
        assert!(matches!(provider.send(&message(1, "a")).await, Outcome::Unknown { .. }), "{status}");
    }
    fake.fail_once(Fault::Status(429, json!({ "error": "x" })));
    assert!(matches!(provider.send(&message(1, "a")).await, Outcome::NotSent { .. }));
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn a_look_up_tells_the_state_the_price_and_a_code_in_words_where_a_page_has_it() {
    let fake = Fake::start(vendor::Plivo::default());
    let provider = provider(&fake);
    provider.send(&message(1, "a")).await;
    let id = fake.vendor().messages[0].uuid.clone();
    let look = async |state: &'static str, code: &'static str| {
        fake.vendor().fate = (state, code);
        provider.status(&enquiry(&id)).await.unwrap().pop().unwrap()
    };
    let queued = look("queued", "000").await;
    assert_eq!((queued.state, queued.price), (State::Sent, None));
    for (word, state) in [("sent", State::Sent), ("delivered", State::Delivered)] {
        let told = look(word, "000").await;
        assert_eq!((told.state, told.price, told.why), (state, Some(usd(3_500)), None), "{word}");
    }
    for word in ["undelivered", "failed", "rejected"] {
        let told = look(word, "50").await;
        let why = told.why.unwrap();
        assert!(told.state == State::Failed && told.is_documented, "{word}");
        assert!(why.starts_with("50: The number cannot be texted"), "{why}");
        // What no page has for certain is told as it is.
        let told = look(word, "200").await;
        assert_eq!((told.is_documented, told.why.as_deref()), (false, Some("200: no words")));
    }
    fake.vendor().fate = ("hm", "000");
    assert!(provider.status(&enquiry(&id)).await.unwrap_err().message().contains("hm"));
    fake.fail_once(Fault::Status(200, json!({ "message_uuid": "other", "message_state": "delivered" })));
    let error = provider.status(&enquiry(&id)).await.unwrap_err();
    assert!(error.message().contains("another message"), "{error}");
}

#[tokio::test]
async fn the_list_is_walked_by_pages_and_shows_what_was_sent_without_its_texts() {
    let fake = Fake::start(vendor::Plivo::default());
    let provider = provider(&fake);
    for n in 1..=45 {
        let message = Submission { to: to(&fictional(1 + n % 2)), ..message(n as u128, "a") };
        provider.send(&message).await;
    }
    fake.vendor().messages[44].direction = "inbound";
    fake.vendor().messages[0].time = "2020-01-01 00:00:00+00:00".to_owned();
    let page = async |query: ListQuery| {
        let page = provider.list(&query).await.unwrap();
        assert!(page.messages.iter().all(|message| message.text.is_none()));
        (page.messages.len(), page.next)
    };
    let at = |page| ListQuery { page, ..ListQuery::default() };
    assert_eq!(page(at(1)).await, (19, Some(2)), "somebody's own text is no message of ours");
    assert_eq!(page(at(2)).await, (20, Some(3)));
    assert_eq!(page(at(3)).await, (5, None));
    assert_eq!(page(at(4)).await, (0, None));
    let since = Timestamp::parse("2021-01-01");
    assert_eq!(page(ListQuery { since, ..at(3) }).await, (4, None));
    assert_eq!(page(ListQuery { state: Some(State::Failed), ..at(1) }).await, (0, Some(2)));
    let theirs = provider.list(&ListQuery { to: Some(to(&fictional(2))), ..at(1) }).await.unwrap();
    assert!(theirs.messages.iter().all(|message| message.to == fictional(2)[1..]));
    assert_eq!(theirs.messages[0].at, Timestamp::parse("2026-11-22T10:15:00Z"));
}

#[tokio::test]
async fn the_price_list_says_what_is_reserved_and_what_it_does_not_say_is_not_guessed() {
    let fake = Fake::start(vendor::Plivo::default());
    let settings = Config { prices_for: vec!["FR".to_owned(), "US".to_owned()], ..config(&fake.url()) };
    let provider = build(&settings);
    let price = |number: &str, segments| provider.price(&to(number), segments);
    assert!(provider.capabilities().prices && price("+33199000001", 1).is_none());
    provider.refresh().await.unwrap();
    assert_eq!(price("+33199000001", 2), Some(usd(128_000)), "the dearest network, for each segment");
    assert_eq!((price("+12025550123", 1), price("+447700900000", 1)), (Some(usd(4_500)), None));
    fake.vendor().prices = vec![("FR", json!("0.09"), vec![]), ("US", json!("?"), vec![])];
    let error = provider.refresh().await.unwrap_err();
    assert!(error.message().contains("US"), "{error}");
    assert_eq!((price("+33199000001", 1), price("+12025550123", 1)), (Some(usd(90_000)), None));
}

#[tokio::test]
async fn the_balance_the_check_and_the_action_read_and_post_nothing() {
    let fake = Fake::start(vendor::Plivo::default());
    let provider = provider(&fake);
    assert_eq!(provider.balance().await.unwrap(), Balance::Money(usd(22_200_000)));
    let findings = provider.check().await.unwrap();
    let all: Vec<&str> = findings.iter().map(|one| one.text.as_str()).collect();
    assert!(findings.iter().all(|one| !one.is_warning), "{all:?}");
    assert_eq!(all, ["the balance is 22.20 USD", "receipts come by webhook"]);
    let alone = Plivo::new(&config(&fake.url()), &setup(&fake.url(), TOKEN, None)).unwrap();
    assert!(alone.check().await.unwrap()[1].text.contains("polled"));
    assert!(!alone.capabilities().receipts_by_push && !alone.capabilities().replies);
    let wrong = Plivo::new(&config(&fake.url()), &setup(&fake.url(), "another", None)).unwrap();
    assert_eq!(wrong.check().await.unwrap_err().kind(), ErrorKind::ProviderUnauthorized);
    let act = async |arguments: &[(&str, &str)]| {
        let arguments: Arguments =
            arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        provider.act("lookup", &arguments).await
    };
    let found: Value = act(&[("number", "+33199000001")]).await.unwrap();
    assert_eq!(found["carrier"]["type"], "mobile");
    for wrong in [&[("number", "1")][..], &[]] {
        assert_eq!(act(wrong).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    assert!(fake.requests().iter().all(|request| request.method == "GET"));
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let fine = config("https://api.plivo.com");
    assert!(fine.check().is_ok());
    let pack = |id: &str| Config { from: None, powerpack: Some(id.to_owned()), ..fine.clone() };
    assert!(pack(POWERPACK).check().is_ok());
    for (wrong, named) in [
        (Config { from: None, ..fine.clone() }, "from is not set"),
        (Config { from: Some("Caf\u{e9} Limited".to_owned()), ..fine.clone() }, "from must be"),
        (pack("a/b"), "powerpack must be"),
        (Config { base_url: "http://api.plivo.com".to_owned(), ..fine.clone() }, "base_url"),
        (Config { lookup_url: "http://lookup.plivo.com".to_owned(), ..fine.clone() }, "lookup_url"),
        (Config { prices_for: vec!["us".to_owned()], ..fine.clone() }, "prices_for"),
        (Config { opt_out_codes: vec!["STOP".to_owned()], ..fine.clone() }, "opt_out_codes"),
        (Config { opt_out_codes: vec!["200".to_owned(); 21], ..fine.clone() }, "opt_out_codes"),
        (Config { sent_words: vec!["failed".to_owned()], ..fine.clone() }, "sent_words"),
    ] {
        assert!(wrong.check().is_err_and(|why| why.contains(named)), "{named}");
    }
}

#[tokio::test]
async fn a_sender_or_a_text_that_plivo_does_not_carry_is_refused_before_anybody_is_asked() {
    let fake = Fake::start(vendor::Plivo::default());
    let settings = config(&fake.url());
    let carrier = Carrier::new(Arc::new(build(&settings)), None, settings.rate).showing(settings.sender());
    let kind = |number: &str, from: Option<&str>, text: &str| {
        carrier.form(&to(number), from, text).map_err(|error| error.kind())
    };
    let (france, america) = ("+33199000001", "+12025550123");
    assert!(kind(france, Some(NAME), "a").is_ok() && kind(america, None, "a").is_ok());
    assert_eq!(kind(america, Some(NAME), "a"), Err(ErrorKind::SenderNotAllowed));
    assert_eq!(kind(france, Some("A&B"), "a"), Err(ErrorKind::SenderNotAllowed));
    assert_eq!(kind(france, None, &"a".repeat(1_601)), Err(ErrorKind::MessageTooLong));
    assert!(fake.requests().is_empty());
}
