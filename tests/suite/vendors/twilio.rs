//! Twilio: what is sent, what each code means, prices that come late and with a minus, the price list, the
//! list by pages. What it sends by itself is in `twilio/hooks.rs`, the program before it in
//! `twilio/program.rs`.

mod hooks;
mod program;

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::engine::Carrier;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Arguments, Enquiry, ListQuery};
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup};
use sms_mcp::provider::twilio::{Config, Twilio};
use sms_mcp::provider::{Balance, Outcome, Provider, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::twilio::{self as vendor, ACCOUNT, FROM, KEY, KEY_SECRET, NAME, SERVICE, TOKEN};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::fictional;
use crate::vendors::{enquiry_of, submission_of};

/// What is shown for us.
type Shown<'a> = &'a [(&'static str, &'a str)];

const BY_TOKEN: Shown<'_> = &[("account_sid", ACCOUNT), ("auth_token", TOKEN)];
const BY_KEY: Shown<'_> = &[("account_sid", ACCOUNT), ("api_key", KEY), ("api_key_secret", KEY_SECRET)];

fn config(fake: &Fake<vendor::Twilio>) -> Config {
    Config {
        base_url: format!("{}/2010-04-01", fake.url()),
        pricing_url: format!("{}/v1", fake.url()),
        lookups_url: format!("{}/v2", fake.url()),
        from: Some(FROM.to_owned()),
        prices_for: vec!["FR".to_owned()],
        http: patient(),
        ..Config::default()
    }
}

fn setup(url: &str, shown: Shown<'_>, public_url: Option<&str>) -> Setup {
    let mut secrets = Secrets::default();
    shown.iter().for_each(|(name, secret)| secrets.insert(name, SecretText::new(*secret)));
    let callback = public_url.map(|url| Callback::new(url, "twilio", [7; 32]));
    Setup { clock: clock_before(url), secrets, callback }
}

fn build(config: &Config, shown: Shown<'_>) -> Twilio {
    Twilio::new(config, &setup(&config.base_url, shown, Some("https://sms.example.com"))).unwrap()
}

/// The provider before this fake, with webhooks and the prices of France.
pub fn provider(fake: &Fake<vendor::Twilio>) -> Arc<dyn Provider> {
    Arc::new(build(&config(fake), BY_TOKEN))
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

fn vendor_id(outcome: &Outcome) -> String {
    let Outcome::Accepted { vendor_id: Some(id), .. } = outcome else { panic!("not accepted: {outcome:?}") };
    id.clone()
}

fn usd(micros: i64) -> Money {
    Money { micros, currency: Currency::USD }
}

#[tokio::test]
async fn a_text_goes_as_a_form_with_its_sender_and_an_address_that_has_our_reference() {
    let fake = Fake::start(vendor::Twilio::default());
    let text = "Gr\u{fc}\u{df}e & 100% + \"x\" \u{1f44d}";
    let by_service = Config { from: Some(SERVICE.to_owned()), ..config(&fake) };
    let outcome = build(&config(&fake), BY_TOKEN).send(&message(1, text)).await;
    assert!(
        matches!(
            outcome,
            Outcome::Accepted { status: State::Sent, segments: Some(1), price: None, vendor_id: Some(_) }
        ),
        "{outcome:?}"
    );
    let accepted = build(&by_service, BY_KEY).send(&message(2, "a")).await;
    assert!(
        matches!(accepted, Outcome::Accepted { status: State::Sent, segments: None, price: None, .. }),
        "{accepted:?}"
    );
    let named = Submission { from: Some(NAME.to_owned()), ..message(3, "b") };
    assert!(matches!(build(&by_service, BY_TOKEN).send(&named).await, Outcome::Accepted { .. }));
    let alone = Twilio::new(&config(&fake), &setup(&fake.url(), BY_TOKEN, None)).unwrap();
    alone.send(&message(4, "c")).await;

    let url = Callback::new("https://sms.example.com", "twilio", [7; 32]).url(None);
    let report = |n: u128| format!("{url}?m={}#rc=5&rp=all", MessageId::new(1, n));
    let forms: Vec<Vec<(String, String)>> =
        fake.requests().iter().map(|request| request.form().unwrap()).collect();
    let form = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let person = fictional(1);
    for (seen, expected) in forms.iter().zip([
        form(&[("To", &person), ("From", FROM), ("Body", text), ("StatusCallback", &report(1))]),
        // An API key signs nothing, so that no report is asked for.
        form(&[("To", &person), ("MessagingServiceSid", SERVICE), ("Body", "a")]),
        form(&[("To", &person), ("From", NAME), ("Body", "b"), ("StatusCallback", &report(3))]),
        form(&[("To", &person), ("From", FROM), ("Body", "c")]),
    ]) {
        assert_eq!(*seen, expected);
    }
    let request = &fake.requests()[0];
    assert_eq!(request.path, format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    assert!(request.query.is_empty(), "{:?}", request.query);
    assert_eq!(request.header("x-request-id"), Some(MessageId::new(1, 1).as_str()));
}

/// A refusal of a send.
async fn refused(fake: &Fake<vendor::Twilio>, status: u16, code: &Value) -> Outcome {
    let body = json!({ "code": code, "message": "Twilio's words about +15550001111", "status": status });
    fake.fail_once(Fault::Status(status, body));
    provider(fake).send(&message(1, "a")).await
}

#[tokio::test]
async fn each_code_has_our_code_and_is_told_in_our_words() {
    use ErrorKind::{
        DestinationNotAllowed, InvalidNumber, MessageTooLong, OptedOut, ProviderRejected,
        ProviderUnauthorized, SenderNotAllowed,
    };
    let fake = Fake::start(vendor::Twilio::default());
    let table: [(ErrorKind, &[u32]); 7] = [
        (ProviderUnauthorized, &[20_003, 20_005, 90_010]),
        (InvalidNumber, &[14_101, 21_211, 21_604, 21_614, 21_635, 21_265, 21_267, 21_269]),
        (
            SenderNotAllowed,
            &[
                21_212, 21_601, 21_603, 21_606, 21_607, 21_657, 21_659, 21_660, 21_661, 21_701, 21_705,
                21_711, 21_712, 21_910,
            ],
        ),
        (OptedOut, &[21_610]),
        (DestinationNotAllowed, &[21_408, 21_608, 21_219, 21_612]),
        (MessageTooLong, &[21_617, 21_605]),
        (ProviderRejected, &[21_602, 21_619, 21_609, 21_624, 21_618, 21_653]),
    ];
    for (expected, codes) in table {
        for code in codes {
            let Outcome::Rejected { code: kind, why } = refused(&fake, 400, &json!(code)).await else {
                panic!("{code}")
            };
            assert_eq!(kind, expected, "{code}");
            assert!(why.starts_with(&format!("HTTP 400: {code}: ")) && !why.contains("+1555"), "{why}");
        }
    }
    // A code that nobody knows says nothing: its status counts, and Twilio's own words are told.
    for (status, code, expected) in [
        (400, json!(99_999), ProviderRejected),
        (401, json!(99_999), ProviderUnauthorized),
        (402, json!(null), ErrorKind::InsufficientBalance),
        (404, json!("x"), ProviderRejected),
    ] {
        let Outcome::Rejected { code: kind, why } = refused(&fake, status, &code).await else {
            panic!("{status}")
        };
        assert_eq!(kind, expected, "{status}");
        assert!(why.contains("Twilio's words"), "{why}");
    }
    for (status, code) in [(429, 20_429), (429, 21_610), (429, 99_999), (400, 21_611), (429, 21_611)] {
        let outcome = refused(&fake, status, &json!(code)).await;
        assert!(matches!(outcome, Outcome::NotSent { .. }), "{status} {code}: {outcome:?}");
    }
    let full = refused(&fake, 400, &json!(21_611)).await;
    assert!(matches!(full, Outcome::NotSent { retry_after_ms: Some(60_000), .. }), "{full:?}");
    for (status, code) in [(500, 20_500), (503, 20_503), (500, 21_211), (408, 21_211)] {
        let outcome = refused(&fake, status, &json!(code)).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{status} {code}: {outcome:?}");
    }
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn a_2xx_is_sent_only_in_twilios_words_and_with_its_sid() {
    let fake = Fake::start(vendor::Twilio::default());
    let provider = provider(&fake);
    for (body, expected) in [
        (json!({ "sid": "SM1", "status": "queued", "error_code": null }), "sent"),
        (json!({ "sid": "SM1", "status": "Accepted", "price": null, "price_unit": null }), "sent"),
        (json!({ "sid": "SM1", "status": "sending" }), "sent"),
        (json!({ "sid": "SM1", "status": "delivered" }), "delivered"),
        (json!({ "sid": "SM1", "status": "scheduled" }), "queued"),
        (json!({ "sid": "SM1", "status": "failed", "error_code": 30_001 }), "failed"),
        (json!({ "sid": "SM1", "status": "undelivered" }), "failed"),
        (json!({ "sid": "SM1", "status": "queued", "error_code": 21_610 }), "unclear"),
        (json!({ "sid": "SM1", "status": "received" }), "unclear"),
        (json!({ "sid": "SM1", "status": "hm" }), "unclear"),
        (json!({ "sid": "SM1" }), "unclear"),
        (json!({ "sid": "", "status": "queued" }), "unknown"),
        (json!({ "status": "queued" }), "unknown"),
        (json!({ "status": "failed" }), "unknown"),
        (json!({ "code": 21_211, "message": "x", "status": 400 }), "unknown"),
        (json!([]), "unknown"),
    ] {
        fake.fail_once(Fault::Status(201, body.clone()));
        let told = match provider.send(&message(1, "a")).await {
            Outcome::Accepted { status, .. } | Outcome::Failed { status, .. } => status.to_string(),
            Outcome::Unclear { .. } => "unclear".to_owned(),
            Outcome::Unknown { .. } => "unknown".to_owned(),
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!(told, expected, "{body}");
    }
}

#[tokio::test]
async fn a_price_comes_late_and_with_a_minus_and_a_failure_in_words() {
    let fake = Fake::start(vendor::Twilio::default());
    let provider = provider(&fake);
    let id = vendor_id(&provider.send(&message(1, "a")).await);
    let look = async |status: &'static str, code: Value| {
        fake.vendor().fate = (status, code);
        provider.status(&enquiry(&id)).await.unwrap().pop()
    };
    let queued = look("queued", Value::Null).await.unwrap();
    assert_eq!((queued.state, queued.price), (State::Sent, None));
    let sent = look("sent", Value::Null).await.unwrap();
    assert_eq!((sent.state, sent.price, sent.why), (State::Sent, Some(usd(70_000)), None));
    let delivered = look("delivered", Value::Null).await.unwrap();
    assert_eq!((delivered.state, delivered.price), (State::Delivered, Some(usd(70_000))));
    assert_eq!(look("read", Value::Null).await.unwrap().state, State::Delivered);
    assert_eq!(look("partially_delivered", Value::Null).await.unwrap().state, State::Sent);
    assert_eq!(look("scheduled", Value::Null).await, None);
    let failed = look("undelivered", json!(30_034)).await.unwrap();
    let why = failed.why.unwrap();
    assert!(failed.is_documented && why.starts_with("30034: The US number that sends"), "{why}");
    assert_eq!(failed.state, State::Failed);
    let failed = look("failed", json!(39_999)).await.unwrap();
    assert_eq!((failed.is_documented, failed.why.as_deref()), (false, Some("39999: no words")));
    assert_eq!(look("canceled", Value::Null).await.unwrap().state, State::Failed);
    // A word that nobody knows is no news.
    fake.vendor().fate = ("hm", Value::Null);
    assert!(provider.status(&enquiry(&id)).await.unwrap_err().message().contains("hm"));
    let price = |amount: Value, unit: Value| {
        sms_mcp::provider::twilio::answers::price(Some(&amount), Some(&unit)).map(|price| price.micros)
    };
    for (amount, unit, expected) in [
        (json!("-0.00750"), json!("USD"), Some(7_500)),
        (json!("-0.0000001"), json!("usd"), Some(1)),
        (json!(-0.0075), json!("EUR"), Some(7_500)),
        (json!("0.00750"), json!("USD"), Some(7_500)),
        (json!("0"), json!("USD"), Some(0)),
        (json!(null), json!("USD"), None),
        (json!("-0.0075"), json!(null), None),
        (json!("-1e-3"), json!("USD"), None),
        (json!("free"), json!("USD"), None),
        (json!(""), json!("USD"), None),
    ] {
        assert_eq!(price(amount.clone(), unit), expected, "{amount}");
    }
}

#[tokio::test]
async fn the_price_list_says_what_is_reserved_and_what_it_does_not_say_is_not_guessed() {
    let fake = Fake::start(vendor::Twilio::default());
    let settings = Config { prices_for: vec!["FR".to_owned(), "US".to_owned()], ..config(&fake) };
    let provider = build(&settings, BY_TOKEN);
    let price = |number: &str, segments| provider.price(&to(number), segments);
    assert!(provider.capabilities().prices && price("+33199000001", 1).is_none());
    provider.refresh().await.unwrap();
    assert_eq!(price("+33199000001", 2), Some(usd(159_600)), "the dearest carrier, for each segment");
    assert_eq!(price("+12025550123", 1), Some(usd(8_300)));
    assert_eq!(price("+16135550123", 1), None, "Canada shares the code and is another country");
    // What can be read of the others is kept.
    fake.vendor().prices = vec![("FR", vec![json!("0.09")]), ("US", vec![json!("?")])];
    let error = provider.refresh().await.unwrap_err();
    assert!(error.message().contains("US"), "{error}");
    assert_eq!((price("+33199000001", 1), price("+12025550123", 1)), (Some(usd(90_000)), None));
    let none = build(&Config { prices_for: Vec::new(), ..config(&fake) }, BY_TOKEN);
    let asked = fake.requests().len();
    none.refresh().await.unwrap();
    assert!(!none.capabilities().prices && fake.requests().len() == asked);
}

#[tokio::test]
async fn the_list_is_walked_by_the_marks_of_its_pages_and_shows_what_was_sent() {
    let fake = Fake::start(vendor::Twilio::default());
    let provider = provider(&fake);
    for n in 1..=5 {
        let message =
            Submission { to: to(&fictional(1 + n % 2)), ..message(n as u128, &format!("text {n}")) };
        provider.send(&message).await;
    }
    fake.vendor().messages[0].created = vendor::rfc2822(1_000);
    // Somebody's own text is no message of ours.
    fake.vendor().messages[4].status = "received";
    let page = async |query: ListQuery| {
        let page = provider.list(&query).await.unwrap();
        let texts: Vec<String> = page.messages.iter().map(|one| one.text.clone().unwrap()).collect();
        (texts, page.next)
    };
    let at = |page| ListQuery { page, ..ListQuery::default() };
    assert_eq!(page(at(1)).await, (vec!["text 4".to_owned()], Some(2)));
    assert_eq!(page(at(2)).await, (vec!["text 3".to_owned(), "text 2".to_owned()], Some(3)));
    assert_eq!(page(at(3)).await, (vec!["text 1".to_owned()], None));
    assert_eq!(page(at(4)).await, (Vec::new(), None), "there is no such page");
    let theirs = ListQuery { to: Some(to(&fictional(2))), ..at(1) };
    assert_eq!(page(theirs).await.0, ["text 3"]);
    let recent = ListQuery { since: Some(Timestamp(2_000)), ..at(3) };
    assert_eq!(page(recent).await, (Vec::new(), None), "what follows is earlier still");
    let failed = ListQuery { state: Some(State::Failed), ..at(2) };
    assert_eq!(page(failed).await, (Vec::new(), Some(3)));
    let first = provider.list(&at(3)).await.unwrap().messages.remove(0);
    assert_eq!(
        (first.to.as_str(), first.state, first.at),
        (&*fictional(2), State::Sent, Some(Timestamp(1_000)))
    );
}

#[tokio::test]
async fn no_answer_says_where_the_next_request_goes() {
    let fake = Fake::start(vendor::Twilio::default());
    let provider = provider(&fake);
    let next = "https://elsewhere.example/2010-04-01/x.json?PageToken=PA1&Page=1&Other=x";
    fake.fail_once(Fault::Status(200, json!({ "messages": [], "next_page_uri": next })));
    assert_eq!(provider.list(&ListQuery::default()).await.unwrap().next, Some(2));
    fake.fail_once(Fault::Status(200, json!({ "messages": [], "next_page_uri": next })));
    fake.fail_once(Fault::Status(200, json!({ "messages": [], "next_page_uri": null })));
    provider.list(&ListQuery { page: 2, ..ListQuery::default() }).await.unwrap();
    let request = fake.requests().pop().unwrap();
    assert_eq!(request.path, format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json"));
    let names: Vec<&str> = request.query.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PageSize", "Page", "PageToken"]);
}

#[tokio::test]
async fn the_balance_and_the_check_read_and_post_nothing() {
    let fake = Fake::start(vendor::Twilio::default());
    let said = async |provider: &Twilio| {
        let findings = provider.check().await.unwrap();
        let warnings: Vec<String> =
            findings.iter().filter(|one| one.is_warning).map(|one| one.text.clone()).collect();
        (findings.into_iter().map(|one| one.text).collect::<Vec<_>>().join("\n"), warnings)
    };
    let by_token = build(&config(&fake), BY_TOKEN);
    assert_eq!(by_token.balance().await.unwrap(), Balance::Money(usd(12_340_000)));
    let (all, warnings) = said(&by_token).await;
    assert!(
        warnings.is_empty() && all.contains("active") && all.contains("the balance is 12.34 USD"),
        "{all}"
    );
    assert!(all.contains("receipts come by webhook"), "{all}");
    let can = by_token.capabilities();
    assert!(can.receipts_by_push && can.receipts_by_poll && can.replies && !can.opt_outs);
    // An API key signs nothing.
    let by_key = build(&config(&fake), BY_KEY);
    let warnings = said(&by_key).await.1;
    assert!(warnings.len() == 1 && warnings[0].contains("auth_token is not set"), "{warnings:?}");
    let can = by_key.capabilities();
    assert!(!can.receipts_by_push && can.receipts_by_poll && !can.replies);
    let odd = setup(&fake.url(), BY_TOKEN, Some("https://sms_gate.example.com"));
    let warnings = said(&Twilio::new(&config(&fake), &odd).unwrap()).await.1;
    assert!(warnings.len() == 1 && warnings[0].contains("public_url"), "{warnings:?}");
    for (account, word) in [(("active", "Trial"), "trial"), (("suspended", "Full"), "suspended")] {
        fake.vendor().account = account;
        let warnings = said(&by_token).await.1;
        assert!(warnings.len() == 1 && warnings[0].contains(word), "{warnings:?}");
    }
    fake.vendor().account = ("active", "Full");
    // An account below another one has no balance of its own.
    fake.fail_once(Fault::None);
    fake.fail_once(Fault::Status(404, json!({ "code": 20_404, "message": "not found", "status": 404 })));
    let warnings = said(&by_token).await.1;
    assert!(warnings.len() == 1 && warnings[0].contains("the balance cannot be read"), "{warnings:?}");
    assert!(fake.requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn the_operator_looks_a_number_up() {
    let fake = Fake::start(vendor::Twilio::default());
    let provider = provider(&fake);
    let act = async |given: &[(&str, &str)]| {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        provider.act("lookup", &given.collect::<Arguments>()).await
    };
    assert!(provider.capabilities().lookup);
    let free = act(&[("number", "+1 202 555 0123")]).await.unwrap();
    assert_eq!((&free["phone_number"], &free["valid"]), (&json!("+12025550123"), &json!(true)));
    let paid =
        act(&[("number", "+12025550123"), ("fields", "line_type_intelligence,sms_pumping_risk")]).await;
    assert_eq!(paid.unwrap()["line_type_intelligence"]["type"], "mobile");
    let asked = fake.requests().len();
    for (wrong, named) in [
        (vec![("number", "12")], "number="),
        (vec![], "number="),
        (vec![("number", "+12025550123"), ("fields", "caller_name")], "fields="),
    ] {
        let error = act(&wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{wrong:?}");
        assert!(error.message().contains(named), "{error}");
    }
    assert_eq!(fake.requests().len(), asked);
}

#[test]
fn what_it_takes_is_said_before() {
    let fake = Fake::start(vendor::Twilio::default());
    let by = |from: &str| {
        let config = Config { from: Some(from.to_owned()), ..config(&fake) };
        Carrier::new(Arc::new(build(&config, BY_TOKEN)), None, config.rate).showing(config.sender())
    };
    let refusal = |provider: &Carrier, number: &str, from: Option<&str>, text: &str| {
        provider.form(&to(number), from, text).err().map(|error| error.kind())
    };
    let (number, name, service) = (by(FROM), by(NAME), by(SERVICE));
    let (american, chinese, french) = ("+12025550123", "+8613800138000", "+33199000001");
    for provider in [&number, &name, &service] {
        assert_eq!(refusal(provider, french, None, &"\u{e9}".repeat(1_600)), None);
        assert_eq!(refusal(provider, french, None, &"x".repeat(1_601)), Some(ErrorKind::MessageTooLong));
        assert_eq!(refusal(provider, american, Some(NAME), "x"), Some(ErrorKind::SenderNotAllowed));
        assert_eq!(refusal(provider, american, Some("36179"), "x"), None);
        assert_eq!(refusal(provider, french, Some("A&B"), "x"), Some(ErrorKind::SenderNotAllowed));
    }
    for country in [american, chinese] {
        assert_eq!(refusal(&name, country, None, "x"), Some(ErrorKind::SenderNotAllowed));
        assert_eq!(refusal(&number, country, None, "x"), None);
        assert_eq!(refusal(&service, country, None, "x"), None, "the service chooses one that may");
    }
    let error = name.form(&to(american), None, "x").unwrap_err();
    assert!(error.message().contains("US") && error.message().contains(NAME), "{error}");
}

#[test]
fn the_settings_are_checked() {
    let right = Config { from: Some(FROM.to_owned()), ..Config::default() };
    for from in [FROM, NAME, SERVICE, "36179"] {
        assert_eq!(Config { from: Some(from.to_owned()), ..right.clone() }.check(), Ok(()), "{from}");
    }
    let from = |from: &str| Config { from: Some(from.to_owned()), ..right.clone() };
    let countries = |countries: &[&str]| Config {
        prices_for: countries.iter().map(|country| (*country).to_owned()).collect(),
        ..right.clone()
    };
    for (wrong, named) in [
        (Config::default(), "from is not set"),
        (from(""), "from must be"),
        (from("+1"), "from must be"),
        (from("Caf\u{e9}"), "from must be"),
        (from("MG12"), ""),
        (from("MG0123456789abcdef0123456789abcdeg"), "from must be"),
        (Config { base_url: "http://api.twilio.com".to_owned(), ..right.clone() }, "base_url"),
        (Config { pricing_url: "http://api.twilio.com".to_owned(), ..right.clone() }, "pricing_url"),
        (Config { lookups_url: "ftp://api.twilio.com".to_owned(), ..right.clone() }, "lookups_url"),
        (countries(&["France"]), "\"France\""),
        (countries(&["us"]), "\"us\""),
        (countries(&["US"; 61]), "60"),
        (Config { sent_words: vec!["failed".to_owned()], ..right.clone() }, "sent_words"),
    ] {
        match wrong.check() {
            Err(why) => assert!(why.contains(named) && !named.is_empty(), "{named}: {why}"),
            // Four letters and digits are a name.
            Ok(()) => assert!(named.is_empty(), "{wrong:?}"),
        }
    }
    let made = |shown: Shown<'_>| Twilio::new(&right, &setup("http://127.0.0.1:9", shown, None)).map(drop);
    assert!(made(BY_TOKEN).is_ok() && made(BY_KEY).is_ok());
    for (shown, named) in [
        (&[("account_sid", ACCOUNT)] as Shown<'_>, "auth_token is not set"),
        (&[("auth_token", TOKEN)], "account_sid"),
        (&[("account_sid", "../canary"), ("auth_token", TOKEN)], "account_sid"),
        (&[("account_sid", ACCOUNT), ("api_key", KEY), ("auth_token", TOKEN)], "api_key_secret"),
        (&[("account_sid", ACCOUNT), ("api_key_secret", KEY_SECRET)], "api_key"),
    ] {
        let error = made(shown).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains(named) && !error.message().contains("canary"), "{error}");
    }
}
