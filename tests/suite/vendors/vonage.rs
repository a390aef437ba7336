//! Vonage: what is sent over each of its two interfaces, what each code means, a price for each segment, the
//! price list and the actions. What it sends by itself is in `vonage/hooks.rs`, the program before it in
//! `vonage/program.rs`.

pub mod hooks;
pub mod key;
mod program;

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::engine::Carrier;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Arguments, SegmentOutcome};
use sms_mcp::provider::settings::{Callback, Rate, Secrets, Settings as _, Setup, ToldIn};
use sms_mcp::provider::vonage::{Api, Config, Vonage};
use sms_mcp::provider::{Balance, Outcome, Provider, Reference, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::vonage::{self as vendor, APPLICATION, FROM, KEY, NAME, SECRET, SIGNATURE};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::fictional;
use crate::vendors::submission_of;

/// What is shown for us, and what webhooks are checked with.
type Shown<'a> = &'a [(&'static str, &'a str)];

const SIGNED: Shown<'_> = &[("api_key", KEY), ("api_secret", SECRET), ("signature_secret", SIGNATURE)];
const UNSIGNED: Shown<'_> = &[("api_key", KEY), ("api_secret", SECRET)];

const PUBLIC: &str = "https://sms.example.com";

fn config(url: &str) -> Config {
    Config {
        base_url: url.to_owned(),
        api_url: url.to_owned(),
        from: Some(FROM.to_owned()),
        prices_for: vec!["FR".to_owned()],
        http: patient(),
        ..Config::default()
    }
}

fn over_messages(url: &str) -> Config {
    Config { api: Api::Messages, ..config(url) }
}

/// Before an application with a key of its own.
fn by_application(url: &str) -> Config {
    let private_key = Some(serde_json::from_value(json!({ "file": "/nowhere" })).unwrap());
    Config { application_id: Some(APPLICATION.to_owned()), private_key, ..over_messages(url) }
}

fn setup(url: &str, shown: Shown<'_>, public_url: Option<&str>) -> Setup {
    let mut secrets = Secrets::default();
    shown.iter().for_each(|(name, secret)| secrets.insert(name, SecretText::new(*secret)));
    let callback = public_url.map(|url| Callback::new(url, "vonage", [7; 32]));
    Setup { clock: clock_before(url), secrets, callback }
}

fn build(config: &Config, shown: Shown<'_>) -> Vonage {
    Vonage::new(config, &setup(&config.base_url, shown, Some(PUBLIC))).unwrap()
}

/// The provider before this fake over the SMS API, with webhooks and the prices of France.
pub fn provider(fake: &Fake<vendor::Vonage>) -> Arc<dyn Provider> {
    Arc::new(build(&config(&fake.url()), SIGNED))
}

/// The same over the Messages API, as an application.
pub fn application(fake: &Fake<vendor::Vonage>) -> Arc<dyn Provider> {
    let key = key::pem();
    let shown = [SIGNED, &[("private_key", key.as_str())]].concat();
    Arc::new(build(&by_application(&fake.url()), &shown))
}

fn to(number: &str) -> Number {
    Number::parse(number, None).unwrap()
}

fn message(n: u128, text: &str) -> Submission {
    submission_of(MessageId::new(1, n), to(&fictional(1)), text)
}

fn eur(micros: i64) -> Money {
    Money { micros, currency: Currency::EUR }
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn over_the_sms_api_a_text_goes_as_a_form_with_our_reference_and_without_a_plus() {
    let fake = Fake::start(vendor::Vonage::default());
    let outcome = provider(&fake).send(&message(1, "Gr\u{fc}\u{df}e & 100% + \"x\"")).await;
    let Outcome::Accepted { vendor_id: Some(id), status, segments, price } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((status, segments, price), (State::Sent, Some(1), Some(eur(33_300))));
    assert_eq!([id.as_str()], fake.vendor().messages[0].ids[..]);
    let named = Submission { from: Some(NAME.to_owned()), ..message(2, "caf\u{e9} \u{1f44d}") };
    provider(&fake).send(&named).await;
    build(&config(&fake.url()), UNSIGNED).send(&message(3, "c")).await;
    // An address that is too long for the SMS API is not given to it.
    let long = format!("https://{}.example.com", "a".repeat(60));
    let far = Vonage::new(&config(&fake.url()), &setup(&fake.url(), SIGNED, Some(&long))).unwrap();
    far.send(&message(4, "d")).await;

    let taken = fake.vendor().messages[1].clone();
    assert_eq!((taken.from.as_str(), taken.text.as_str()), (NAME, "caf\u{e9} \u{1f44d}"));
    let receipts = Callback::new(PUBLIC, "vonage", [7; 32]).url(None);
    let (person, from) = (&fictional(1)[1..], &FROM[1..]);
    let ids: Vec<MessageId> = (1..=4).map(|n| MessageId::new(1, n)).collect();
    let expected = [
        pairs(&[
            ("to", person),
            ("from", from),
            ("text", "Gr\u{fc}\u{df}e & 100% + \"x\""),
            ("client-ref", ids[0].as_str()),
            ("callback", &receipts),
        ]),
        pairs(&[
            ("to", person),
            ("from", NAME),
            ("text", "caf\u{e9} \u{1f44d}"),
            ("client-ref", ids[1].as_str()),
            ("type", "unicode"),
            ("callback", &receipts),
        ]),
        pairs(&[("to", person), ("from", from), ("text", "c"), ("client-ref", ids[2].as_str())]),
        pairs(&[("to", person), ("from", from), ("text", "d"), ("client-ref", ids[3].as_str())]),
    ];
    let requests = fake.requests();
    for (request, expected) in requests.iter().zip(expected) {
        assert_eq!(request.form().unwrap(), expected);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/sms/json"));
    }
    assert_eq!(requests[0].header("x-request-id"), Some(ids[0].as_str()));
}

#[tokio::test]
async fn over_the_messages_api_a_text_goes_as_json_with_an_address_of_its_own() {
    let fake = Fake::start(vendor::Vonage::default());
    let text = "Gr\u{fc}\u{df}e \u{1f44d}";
    for (n, provider) in
        [Arc::new(build(&over_messages(&fake.url()), SIGNED)) as Arc<dyn Provider>, application(&fake)]
            .into_iter()
            .enumerate()
    {
        let message = message(n as u128, text);
        let outcome = provider.send(&message).await;
        let Outcome::Accepted { vendor_id: Some(id), status, segments, price } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((status, segments, price), (State::Sent, None, None));
        assert_eq!([id.as_str()], fake.vendor().messages[n].ids[..]);
        let request = fake.requests().pop().unwrap();
        let own = Callback::new(PUBLIC, "vonage", [7; 32]).url(Some(&message.id));
        assert_eq!(
            request.json().unwrap(),
            json!({ "message_type": "text", "channel": "sms", "to": fictional(1)[1..], "from": FROM[1..],
                "text": text, "client_ref": message.id.as_str(), "webhook_url": own })
        );
        let scheme = if n == 0 { "Basic " } else { "Bearer ey" };
        assert!(request.header("authorization").unwrap().starts_with(scheme), "{n}");
    }
    // Each request has a token of its own.
    let provider = application(&fake);
    for n in [7, 8] {
        provider.send(&message(n, text)).await;
    }
    let tokens: Vec<String> = fake.requests()[2..]
        .iter()
        .map(|request| request.header("authorization").unwrap().to_owned())
        .collect();
    assert_ne!(tokens[0], tokens[1]);
}

/// A text of so many segments.
fn long(segments: usize) -> String {
    "a".repeat(153 * segments)
}

#[tokio::test]
async fn each_segment_has_an_entry_an_id_and_a_price_and_two_of_them_are_one_text() {
    let fake = Fake::start(vendor::Vonage::default());
    let provider = provider(&fake);
    let told = async |statuses: &[&'static str]| {
        fake.vendor().statuses = statuses.to_vec();
        provider.send(&message(1, &long(statuses.len()))).await
    };
    let Outcome::Segments(parts) = told(&["0", "0"]).await else { panic!("told by segments") };
    let ids = fake.vendor().messages[0].ids.clone();
    let expected: Vec<SegmentOutcome> = ids
        .into_iter()
        .map(|vendor_id| SegmentOutcome::Accepted { vendor_id, price: Some(eur(33_300)) })
        .collect();
    assert_eq!((parts, expected.len()), (expected.clone(), 2));
    assert_eq!(fake.vendor().messages.len(), 1);
    let word = |part: &SegmentOutcome| match part {
        SegmentOutcome::Accepted { .. } => "taken",
        SegmentOutcome::Rejected { .. } => "rejected",
        SegmentOutcome::NotSent { .. } => "not sent",
        SegmentOutcome::Unknown { .. } => "unknown",
        SegmentOutcome::NotNow { .. } => "not now",
    };
    for (statuses, expected) in [
        (vec!["0", "9", "0"], vec!["taken", "rejected", "taken"]),
        (vec!["0", "5"], vec!["taken", "unknown"]),
        (vec!["1", "0"], vec!["not sent", "taken"]),
        (vec!["5", "5"], vec!["unknown", "unknown"]),
    ] {
        let Outcome::Segments(parts) = told(&statuses).await else { panic!("{statuses:?}") };
        assert_eq!(parts.iter().map(word).collect::<Vec<_>>(), expected, "{statuses:?}");
    }
    // What was not taken at all is as one.
    let refused = told(&["9", "9"]).await;
    assert!(matches!(refused, Outcome::Rejected { code: ErrorKind::InsufficientBalance, .. }), "{refused:?}");
    let throttled = told(&["1", "1"]).await;
    assert!(matches!(throttled, Outcome::NotSent { retry_after_ms: Some(1_000), .. }), "{throttled:?}");
    assert_eq!(fake.vendor().messages.len(), 4);
}

#[tokio::test]
async fn a_status_has_our_code_and_is_told_in_our_words_and_one_that_no_page_has_is_unknown() {
    use ErrorKind::{
        DestinationNotAllowed, InsufficientBalance, InvalidNumber, MessageTooLong, OptedOut,
        ProviderRejected, ProviderUnauthorized, SenderNotAllowed,
    };
    let fake = Fake::start(vendor::Vonage::default());
    let provider = provider(&fake);
    let told = async |status: &'static str| {
        fake.vendor().statuses = vec![status];
        provider.send(&message(1, "a")).await
    };
    let table: [(ErrorKind, &[&'static str]); 8] = [
        (ProviderUnauthorized, &["4", "8", "14"]),
        (InvalidNumber, &["6", "33"]),
        (OptedOut, &["7"]),
        (InsufficientBalance, &["9"]),
        (MessageTooLong, &["12"]),
        (SenderNotAllowed, &["15"]),
        (DestinationNotAllowed, &["29"]),
        (ProviderRejected, &["2", "3", "11", "22", "23", "32"]),
    ];
    for (expected, statuses) in table {
        for status in statuses {
            let outcome = told(status).await;
            let Outcome::Rejected { code, why } = outcome else { panic!("{status}: {outcome:?}") };
            assert_eq!(code, expected, "{status}");
            assert!(why.starts_with(&format!("HTTP 200: status {status}: ")), "{why}");
            assert!(!why.contains("words about"), "{why}");
        }
    }
    for status in ["1", "10"] {
        assert!(matches!(told(status).await, Outcome::NotSent { .. }), "{status}");
    }
    for status in ["5", "77", "99", "-1", "delivered"] {
        assert!(matches!(told(status).await, Outcome::Unknown { .. }), "{status}");
    }
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn an_entry_counts_only_whole_and_with_our_own_reference() {
    let fake = Fake::start(vendor::Vonage::default());
    let provider = provider(&fake);
    let entry = |more: Value| {
        let mut entry = json!({ "to": "33199000001", "message-id": "0A01", "status": "0" });
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let one = |more: Value| json!({ "message-count": "1", "messages": [entry(more)] });
    let ours = MessageId::new(1, 1);
    for (body, expected) in [
        (one(json!({})), "taken"),
        (one(json!({ "client-ref": ours.as_str() })), "taken"),
        (one(json!({ "status": 0 })), "taken"),
        (one(json!({ "message-price": "?" })), "taken"),
        (json!({ "messages": [entry(json!({}))] }), "taken"),
        (one(json!({ "client-ref": "msg_other" })), "unknown"),
        (one(json!({ "status": "9" })), "unknown"),
        (one(json!({ "status": "1" })), "unknown"),
        (one(json!({ "status": "9", "message-id": "", "client-ref": "msg_other" })), "unknown"),
        (one(json!({ "message-id": "" })), "unknown"),
        (one(json!({ "message-id": null })), "unknown"),
        (one(json!({ "status": null })), "unknown"),
        (one(json!({ "error-text": "Throttled" })), "unknown"),
        (json!({ "message-count": "1", "messages": [] }), "unknown"),
        (json!({ "message-count": "1", "messages": {} }), "unknown"),
        (json!({ "message-count": "2", "messages": [entry(json!({}))] }), "segments"),
        (json!({ "message-count": "2000000", "messages": [entry(json!({}))] }), "segments"),
        (json!({ "message-count": "1", "messages": vec![entry(json!({})); 300] }), "unknown"),
        (json!([]), "unknown"),
    ] {
        fake.fail_once(Fault::Status(200, body.clone()));
        let told = match provider.send(&message(1, "a")).await {
            Outcome::Accepted { vendor_id: Some(id), .. } if id == "0A01" => "taken",
            Outcome::Unknown { .. } => "unknown",
            Outcome::Segments(parts) => {
                assert!(matches!(parts[1], SegmentOutcome::Unknown { .. }) && parts.len() <= 255, "{body}");
                "segments"
            }
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!(told, expected, "{body}");
    }
}

#[tokio::test]
async fn an_error_of_the_messages_api_has_our_code_and_only_202_says_that_a_text_was_taken() {
    let fake = Fake::start(vendor::Vonage::default());
    let provider = application(&fake);
    let refused = async |status: u16, code: &str, title: &str| {
        let body = json!({ "type": format!("https://developer.vonage.com/api-errors/messages#{code}"),
            "title": title, "detail": "words about +15550001111", "instance": "x" });
        fake.fail_once(Fault::Status(status, body));
        provider.send(&message(1, "a")).await
    };
    for (status, code, title, expected) in [
        (422, "1170", "1170", ErrorKind::InvalidNumber),
        (422, "1170", "Invalid number", ErrorKind::InvalidNumber),
        (422, "", "1120", ErrorKind::SenderNotAllowed),
        (403, "1070", "1070", ErrorKind::InsufficientBalance),
        (402, "", "Low balance", ErrorKind::InsufficientBalance),
        (422, "1160", "1160", ErrorKind::DestinationNotAllowed),
        (422, "1240", "1240", ErrorKind::OptedOut),
        (422, "1090", "1090", ErrorKind::MessageTooLong),
        (401, "1060", "1060", ErrorKind::ProviderUnauthorized),
        (401, "", "Unauthorized", ErrorKind::ProviderUnauthorized),
        (403, "", "Forbidden", ErrorKind::ProviderUnauthorized),
        (422, "9999", "9999", ErrorKind::ProviderRejected),
        (422, "", "Invalid params", ErrorKind::ProviderRejected),
    ] {
        let outcome = refused(status, code, title).await;
        let Outcome::Rejected { code: kind, why } = outcome else { panic!("{status} {code}: {outcome:?}") };
        assert_eq!(kind, expected, "{status} {code} {title}: {why}");
    }
    for (status, code) in [(429, "1000"), (429, "1170"), (422, "1000")] {
        let outcome = refused(status, code, code).await;
        assert!(matches!(outcome, Outcome::NotSent { .. }), "{status} {code}: {outcome:?}");
    }
    for (status, code) in [(500, "1030"), (503, "1170"), (408, "1170")] {
        let outcome = refused(status, code, code).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{status} {code}: {outcome:?}");
    }
    for (status, body, expected) in [
        (202, json!({ "message_uuid": "u-1" }), "taken"),
        (200, json!({ "message_uuid": "u-1" }), "unclear"),
        (202, json!({ "message_uuid": "u-1", "error": { "title": "1000" } }), "unclear"),
        (202, json!({ "message_uuid": "u-1", "status": "rejected" }), "unclear"),
        (202, json!({ "message_uuid": "" }), "unknown"),
        (202, json!({}), "unknown"),
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
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn the_price_list_says_what_is_reserved_and_what_it_does_not_say_is_not_guessed() {
    let fake = Fake::start(vendor::Vonage::default());
    let settings = Config { prices_for: vec!["FR".to_owned(), "US".to_owned()], ..config(&fake.url()) };
    let provider = build(&settings, SIGNED);
    let price = |number: &str, segments| provider.price(&to(number), segments);
    assert!(provider.capabilities().prices && price("+33199000001", 1).is_none());
    provider.refresh().await.unwrap();
    assert_eq!(price("+33199000001", 2), Some(eur(128_000)), "the dearest network, for each segment");
    assert_eq!((price("+12025550123", 1), price("+16135550123", 1)), (Some(eur(33_300)), None));
    fake.vendor().prices = vec![("FR", json!("0.09"), vec![]), ("US", json!("0.09"), vec![json!("?")])];
    let error = provider.refresh().await.unwrap_err();
    assert!(error.message().contains("US"), "{error}");
    assert_eq!((price("+33199000001", 1), price("+12025550123", 1)), (Some(eur(90_000)), None));
    let none = build(&Config { prices_for: Vec::new(), ..config(&fake.url()) }, SIGNED);
    let asked = fake.requests().len();
    none.refresh().await.unwrap();
    assert!(!none.capabilities().prices && fake.requests().len() == asked);
    // The operator hears when what is charged is in another currency than the budgets.
    let told = |prices_for: &[&str]| {
        let prices_for = prices_for.iter().map(|country| (*country).to_owned()).collect();
        Config { prices_for, ..Config::default() }.told_in()
    };
    assert_eq!(told(&[]), Some(ToldIn::Charges(Currency::EUR)));
    assert_eq!(told(&["FR"]), Some(ToldIn::Quotes(Currency::EUR)));
}

#[tokio::test]
async fn the_balance_and_the_check_read_and_post_nothing() {
    let fake = Fake::start(vendor::Vonage::default());
    let said = async |provider: &Vonage| {
        let findings = provider.check().await.unwrap();
        let warnings: Vec<String> =
            findings.iter().filter(|one| one.is_warning).map(|one| one.text.clone()).collect();
        (findings.into_iter().map(|one| one.text).collect::<Vec<_>>().join("\n"), warnings)
    };
    let signed = build(&config(&fake.url()), SIGNED);
    assert_eq!(signed.balance().await.unwrap(), Balance::Money(eur(10_280_000)));
    let (all, warnings) = said(&signed).await;
    assert!(warnings.is_empty() && all.contains("the balance is 10.28 EUR"), "{all}");
    assert!(all.contains("receipts come by webhook"), "{all}");
    let can = signed.capabilities();
    assert!(can.receipts_by_push && !can.receipts_by_poll && can.replies && !can.status && !can.list);
    assert_eq!(can.reference, Reference::None, "the Reports API is charged for, and never asked by itself");
    let unsigned = build(&config(&fake.url()), UNSIGNED);
    let warnings = said(&unsigned).await.1;
    assert!(warnings.len() == 1 && warnings[0].contains("signature_secret is not set"), "{warnings:?}");
    assert!(!unsigned.capabilities().receipts_by_push && !unsigned.capabilities().replies);
    let at = |public_url: Option<&str>, settings: &Config| {
        Vonage::new(settings, &setup(&fake.url(), SIGNED, public_url)).unwrap()
    };
    let long = format!("https://{}.example.com", "a".repeat(60));
    let warnings = said(&at(Some(&long), &config(&fake.url()))).await.1;
    assert!(warnings.len() == 1 && warnings[0].contains("100 characters"), "{warnings:?}");
    assert!(said(&at(Some(&long), &over_messages(&fake.url()))).await.1.is_empty());
    let warnings = said(&at(None, &config(&fake.url()))).await.1;
    assert!(warnings.len() == 1 && warnings[0].contains("there is no webhook"), "{warnings:?}");
    let idle = Config { api: Api::Sms, ..by_application(&fake.url()) };
    let key = key::pem();
    let warnings = said(&build(&idle, &[SIGNED, &[("private_key", key.as_str())]].concat())).await.1;
    assert!(warnings.len() == 1 && warnings[0].contains("application_id sends nothing"), "{warnings:?}");
    let wrong = build(&config(&fake.url()), &[("api_key", KEY), ("api_secret", "another")]);
    let error = wrong.check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProviderUnauthorized);
    assert!(fake.requests().iter().all(|request| request.method == "GET"));
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn a_wrong_key_is_a_certain_no_over_both_interfaces() {
    let fake = Fake::start(vendor::Vonage::default());
    let wrong: Shown<'_> = &[("api_key", KEY), ("api_secret", "another")];
    for settings in [config(&fake.url()), over_messages(&fake.url())] {
        let outcome = build(&settings, wrong).send(&message(1, "a")).await;
        assert!(
            matches!(outcome, Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, .. }),
            "{outcome:?}"
        );
    }
    let pem = key::pem();
    let other = Config {
        application_id: Some("00000000-0000-0000-0000-000000000000".to_owned()),
        ..by_application(&fake.url())
    };
    let shown = [SIGNED, &[("private_key", pem.as_str())]].concat();
    let outcome = build(&other, &shown).send(&message(1, "a")).await;
    assert!(
        matches!(outcome, Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, .. }),
        "{outcome:?}"
    );
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn what_vonage_charges_for_is_an_operators_action() {
    let fake = Fake::start(vendor::Vonage::default());
    let provider = provider(&fake);
    provider.send(&message(1, "a")).await;
    let act = async |action: &str, arguments: &[(&str, &str)]| {
        let arguments: Arguments =
            arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        provider.act(action, &arguments).await
    };
    let found = act("lookup", &[("number", "+33199000001")]).await.unwrap();
    assert_eq!(found["country_code"], "FR");
    act("lookup", &[("number", "+33199000001"), ("level", "advanced")]).await.unwrap();
    let id = fake.vendor().messages[0].ids[0].clone();
    let (since, until) = ("2026-11-22T10:15:00Z", "2026-11-23T10:15:00Z");
    let ours = MessageId::new(1, 1);
    for arguments in [&[("id", id.as_str())][..], &[("since", since), ("until", until)]] {
        let action = if arguments.len() == 1 { "record" } else { "records" };
        let found = act(action, arguments).await.unwrap();
        assert_eq!(found["records"][0]["client_ref"], ours.as_str(), "{found}");
    }
    let query = fake.requests().pop().unwrap().query;
    let expected = pairs(&[
        ("account_id", KEY),
        ("product", "SMS"),
        ("direction", "outbound"),
        ("date_start", "2026-11-22T10:15:00.000Z"),
        ("date_end", "2026-11-23T10:15:00.000Z"),
    ]);
    assert_eq!(query, expected);
    for (action, arguments) in [
        ("lookup", &[("number", "1")][..]),
        ("lookup", &[("number", "+33199000001"), ("level", "all")]),
        ("lookup", &[]),
        ("record", &[]),
        ("records", &[("since", since)]),
        ("records", &[("since", until), ("until", since)]),
        ("records", &[("since", "yesterday"), ("until", until)]),
        ("records", &[("since", "2026-11-22T10:14:59Z"), ("until", until)]),
    ] {
        let error = act(action, arguments).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{action} {arguments:?}: {error}");
    }
    assert_eq!(fake.vendor().messages.len(), 1, "none of that is a send");
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let fine = config("https://rest.nexmo.com");
    let of = |change: fn(&mut Config)| {
        let mut config = fine.clone();
        change(&mut config);
        config.check()
    };
    let key = || Some(serde_json::from_value(json!("k")).unwrap());
    assert!(fine.check().is_ok());
    for (wrong, named) in [
        (of(|config| config.from = None), "from is not set"),
        (of(|config| config.from = Some("Caf\u{e9} Limited".to_owned())), "from must be"),
        (of(|config| config.from = Some("+12".to_owned())), "from must be"),
        (of(|config| config.base_url = "http://rest.nexmo.com".to_owned()), "base_url"),
        (of(|config| config.api_url = "http://api.nexmo.com".to_owned()), "api_url"),
        (of(|config| config.prices_for = vec!["fr".to_owned()]), "prices_for"),
        (of(|config| config.sent_words = vec!["failed".to_owned()]), "sent_words"),
        (of(|config| config.application_id = Some("x".to_owned())), "belong together"),
        (Config { private_key: key(), ..fine.clone() }.check(), "belong together"),
        (
            Config { private_key: key(), application_id: Some("a/b".to_owned()), ..fine.clone() }.check(),
            "application_id must be",
        ),
    ] {
        assert!(wrong.as_ref().is_err_and(|why| why.contains(named)), "{named}: {wrong:?}");
    }
    let shown = [SIGNED, &[("private_key", "canary-key")]].concat();
    let setup = setup("http://127.0.0.1:9", &shown, None);
    let error = Vonage::new(&by_application("http://127.0.0.1:9"), &setup).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error.message().contains("private_key is no RSA key") && !format!("{error:?}").contains("canary")
    );
}

#[tokio::test]
async fn a_sender_or_a_text_that_vonage_does_not_carry_is_refused_before_anybody_is_asked() {
    let fake = Fake::start(vendor::Vonage::default());
    let carrier = Carrier::new(provider(&fake), None, Rate::default());
    let kind = |number: &str, from: Option<&str>, text: &str| {
        carrier.form(&to(number), from, text).map_err(|error| error.kind())
    };
    let (france, america) = ("+33199000001", "+12025550123");
    assert_eq!(kind(france, Some(NAME), &long(2)).unwrap().segments, 2);
    assert_eq!(kind(america, None, "a").unwrap().segments, 1);
    assert_eq!(kind(america, Some(NAME), "a"), Err(ErrorKind::SenderNotAllowed));
    assert_eq!(kind(france, Some("A&B"), "a"), Err(ErrorKind::SenderNotAllowed));
    assert_eq!(kind(france, None, &"a".repeat(3_201)), Err(ErrorKind::MessageTooLong));
    assert!(kind(france, None, &"a".repeat(3_200)).is_ok() && fake.requests().is_empty());
}

/// Answers every request with this status and body.
struct Says(u16, Value);

impl crate::fake::Vendor for Says {
    fn answer(&mut self, _: &crate::fake::Seen, _: &mut dyn FnMut(String)) -> crate::fake::Reply {
        crate::fake::Reply::json(self.0, self.1.clone())
    }
}

#[tokio::test]
async fn a_refusal_of_the_messages_api_with_the_id_of_a_text_beside_it_is_unknown_under_that_id() {
    let body = json!({ "type": "https://developer.vonage.com/api-errors/messages#1120", "title": "1120",
        "detail": "Illegal sender", "instance": "bf0ca0bf", "message_uuid": "aaaa-bbbb" });
    let fake = Fake::start(Says(422, body));
    let outcome = build(&over_messages(&fake.url()), SIGNED).send(&message(1, "a")).await;
    let Outcome::Unclear { vendor_id, why } = outcome else { panic!("{outcome:?}") };
    assert_eq!(vendor_id, "aaaa-bbbb");
    assert!(why.starts_with("HTTP 422: 1120") && why.contains("contradicts itself"), "{why}");
}

#[tokio::test]
async fn an_answer_that_counts_fewer_texts_than_it_has_or_none_says_nothing_certain_of_what_it_took() {
    let one = |status: &str| json!({ "status": status, "message-id": if status == "0" { json!("m-1") } else { Value::Null } });
    for (count, entries, expected) in [
        (json!("1"), vec![one("0")], "taken"),
        (json!(1), vec![one("0")], "taken"),
        (Value::Null, vec![one("0")], "taken"),
        (json!("0"), vec![one("0")], "unknown"),
        (json!(-1), vec![one("0")], "unknown"),
        (json!("many"), vec![one("0")], "unknown"),
        (json!("1"), vec![one("0"), one("0")], "unknown"),
        (json!("0"), vec![one("9")], "rejected"),
    ] {
        let body = json!({ "message-count": count, "messages": entries });
        let fake = Fake::start(Says(200, body));
        let outcome = build(&config(&fake.url()), SIGNED).send(&message(1, "a")).await;
        let is_lost = |part: &SegmentOutcome| matches!(part, SegmentOutcome::Unknown { .. });
        let word = match &outcome {
            Outcome::Accepted { .. } => "taken",
            Outcome::Rejected { .. } => "rejected",
            Outcome::Unknown { .. } => "unknown",
            Outcome::Segments(parts) if parts.iter().all(is_lost) => "unknown",
            other => panic!("{count}: {other:?}"),
        };
        assert_eq!(word, expected, "{count}: {outcome:?}");
    }
}
