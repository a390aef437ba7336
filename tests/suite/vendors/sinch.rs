//! Sinch: what is sent, a text that reads as a parameter, what it has under our reference, reports, the list
//! and refusals. What it sends by itself, and the program before it, is in `sinch/hooks.rs`.

mod hooks;

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::engine::Carrier;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Enquiry, ListQuery, Sought};
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup};
use sms_mcp::provider::sinch::{Config, Sinch};
use sms_mcp::provider::{Outcome, Provider, Reference, Submission};
use sms_mcp::setting::{Secret, SecretText};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::sinch::{self as vendor, FROM, PLAN, TOKEN};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::fictional;
use crate::vendors::{enquiry_of, submission_of};

const PUBLIC: &str = "https://sms.example.com";

/// The vendor's vector has this secret.
pub const SECRET: &str = "my-webhook-secret";

fn any() -> Option<Secret> {
    Some(Secret::Env("ANY".to_owned()))
}

fn config(url: &str) -> Config {
    Config {
        base_url: url.to_owned(),
        plan: Some(PLAN.to_owned()),
        from: Some(FROM.to_owned()),
        http: patient(),
        ..Config::default()
    }
}

fn build(config: &Config, secrets: &[(&'static str, &str)]) -> Sinch {
    let mut all = Secrets::default();
    all.insert("api_token", SecretText::new(TOKEN));
    secrets.iter().for_each(|(name, secret)| all.insert(name, SecretText::new(*secret)));
    let callback = Some(Callback::new(PUBLIC, "sinch", [7; 32]));
    let clock = clock_before(&config.base_url);
    Sinch::new(config, &Setup { clock, secrets: all, callback }).unwrap()
}

/// The provider before this fake, with signed webhooks.
pub fn provider(fake: &Fake<vendor::Sinch>) -> Arc<dyn Provider> {
    Arc::new(build(&config(&fake.url()), &[("webhook_secret", SECRET)]))
}

fn to(number: &str) -> Number {
    Number::parse(number, None).unwrap()
}

fn id(n: usize) -> MessageId {
    MessageId::new(1, n as u128)
}

fn message(n: usize, text: &str) -> Submission {
    Submission { segments: 2, ..submission_of(id(n), to(&fictional(n)), text) }
}

fn enquiry(vendor_id: &str, n: usize) -> Enquiry {
    let vendor_id = vendor_id.to_owned();
    enquiry_of(id(n), &vendor_id, to(&fictional(n)))
}

fn sought(n: usize) -> Sought {
    let created = Timestamp::parse("2026-11-22T10:14:59Z").unwrap();
    Sought { id: id(n), to: to(&fictional(n)), created }
}

#[tokio::test]
async fn a_text_is_a_batch_of_its_own_with_our_reference_its_address_and_a_bound_on_its_parts() {
    let fake = Fake::start(vendor::Sinch::default());
    let provider = provider(&fake);
    let text = "Gr\u{fc}\u{df}e \u{1f44d}";
    let outcome = provider.send(&message(1, text)).await;
    let Outcome::Accepted { vendor_id: Some(vendor_id), status: State::Sent, segments: None, price: None } =
        outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(vendor_id, fake.vendor().batches[0].id);
    let named = Submission { from: Some("ACME".to_owned()), ..message(2, "b") };
    provider.send(&named).await;
    let own = |n: usize| Callback::new(PUBLIC, "sinch", [7; 32]).url(Some(&id(n)));
    let expected = |n: usize, from: &str, text: &str| {
        json!({ "to": [fictional(n)], "from": from, "body": text, "type": "mt_text",
            "delivery_report": "per_recipient", "callback_url": own(n), "client_reference": id(n).as_str(),
            "max_number_of_message_parts": 2 })
    };
    let bodies: Vec<Value> = fake.requests().iter().map(|request| request.json().unwrap()).collect();
    assert_eq!(bodies, [expected(1, FROM, text), expected(2, "ACME", "b")]);
}

#[tokio::test]
async fn a_text_that_reads_as_a_parameter_leaves_as_it_was_written() {
    let fake = Fake::start(vendor::Sinch::default());
    let provider = provider(&fake);
    let texts = [
        "Hello ${name}",
        "${text}",
        "${text} ${text}",
        "${",
        "$${x}",
        "a } ${b",
        "${default}\"}, \"x\": \"${name}",
        "$ {no} parameter",
    ];
    for (n, text) in texts.into_iter().enumerate() {
        let told = provider.send(&message(n, text)).await;
        assert!(matches!(told, Outcome::Accepted { .. }), "{text}: {told:?}");
    }
    let arrived: Vec<String> = fake.vendor().batches.iter().map(|batch| batch.text.clone()).collect();
    assert_eq!(arrived, texts);
    let plain = fake.requests().last().unwrap().json().unwrap();
    assert_eq!((&plain["body"], plain.get("parameters")), (&json!("$ {no} parameter"), None));
}

#[tokio::test]
async fn what_does_not_show_a_batch_to_this_person_is_unknown() {
    let fake = Fake::start(vendor::Sinch::default());
    let provider = provider(&fake);
    let fine =
        json!({ "id": "b-1", "to": [fictional(1)], "canceled": false, "client_reference": id(1).as_str() });
    let with = |name: &str, value: Value| {
        let mut other = fine.clone();
        other[name] = value;
        other
    };
    for (body, expected) in [
        (fine.clone(), "accepted"),
        (with("to", json!([fictional(1).trim_start_matches('+')])), "accepted"),
        (with("canceled", json!(true)), "unclear"),
        (with("canceled", json!(null)), "unclear"),
        (with("to", json!([fictional(2)])), "unclear"),
        (with("to", json!([fictional(1), fictional(2)])), "unclear"),
        (with("to", json!([])), "unclear"),
        (with("client_reference", json!("other")), "unclear"),
        (with("error", json!("x")), "unclear"),
        (with("code", json!("syntax_invalid_json")), "unclear"),
        (with("id", json!("")), "unknown"),
        (json!([]), "unknown"),
    ] {
        fake.fail_once(Fault::Status(201, body.clone()));
        let told = match provider.send(&message(1, "a")).await {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Unclear { .. } => "unclear",
            Outcome::Unknown { .. } => "unknown",
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!(told, expected, "{body}");
    }
    for (status, code, expected) in [
        (400, "syntax_constraint_violation", Some(ErrorKind::ProviderRejected)),
        (401, "unauthorized", Some(ErrorKind::ProviderUnauthorized)),
        (403, "forbidden", Some(ErrorKind::ProviderUnauthorized)),
        (404, "not_found", Some(ErrorKind::ProviderRejected)),
        (408, "timeout", None),
        (503, "x", None),
    ] {
        fake.fail_once(Fault::Status(status, json!({ "code": code, "text": "words" })));
        match (provider.send(&message(1, "a")).await, expected) {
            (Outcome::Rejected { code: kind, why }, Some(expected)) => {
                assert_eq!((kind, why), (expected, format!("HTTP {status}: {code}: words")));
            }
            (Outcome::Unknown { .. }, None) => {}
            (other, _) => panic!("{status}: {other:?}"),
        }
    }
    assert!(fake.vendor().batches.is_empty());
}

#[tokio::test]
async fn a_text_is_found_by_our_reference_and_what_is_not_found_is_asked_for_and_no_more() {
    let fake = Fake::start(vendor::Sinch::default());
    let provider = provider(&fake);
    assert_eq!(provider.capabilities().reference, Reference::FoundOnly);
    assert!(provider.find(&sought(1)).await.unwrap().is_none());
    fake.fail_once(Fault::DropAfterAccept);
    assert!(matches!(provider.send(&message(1, "a")).await, Outcome::Unknown { .. }));
    let found = provider.find(&sought(1)).await.unwrap().unwrap();
    assert_eq!(
        (found.vendor_id, found.to, found.state),
        (fake.vendor().batches[0].id.clone(), fictional(1), State::Sent)
    );
    assert_eq!(found.at, Timestamp::parse("2026-11-22T10:15:00.250Z"));
    fake.vendor().lags = true;
    assert!(provider.find(&sought(1)).await.unwrap().is_none());
    fake.vendor().lags = false;
    let of_another = Sought { to: to(&fictional(2)), ..sought(1) };
    assert!(provider.find(&of_another).await.unwrap().is_none());
    fake.fail_once(Fault::Status(
        200,
        json!({ "batches": [{ "id": "b", "to": [fictional(1)], "canceled": false }] }),
    ));
    assert!(provider.find(&sought(1)).await.unwrap().is_none(), "it does not show our reference");
    fake.fail_once(Fault::Status(200, json!({ "batches": 1 })));
    assert!(provider.find(&sought(1)).await.is_err());
    let asked = fake.requests();
    let last = asked.iter().rfind(|request| request.method == "GET").unwrap();
    assert_eq!(last.parameter("start_date"), Some("2026-11-22T09:14:59.000Z"), "not of the last day alone");
    assert_eq!(asked.iter().filter(|request| request.method == "POST").count(), 1);
}

#[tokio::test]
async fn a_report_is_read_in_sinchs_words_whatever_their_case_with_the_code_in_ours() {
    let fake = Fake::start(vendor::Sinch::default());
    let provider = provider(&fake);
    provider.send(&message(1, "a")).await;
    let vendor_id = fake.vendor().batches[0].id.clone();
    for (status, code, state, why) in [
        ("Queued", 400, State::Sent, None),
        ("Dispatched", 401, State::Sent, None),
        ("Unknown", 0, State::Sent, None),
        ("Delivered", 0, State::Delivered, None),
        ("DELIVERED", 0, State::Delivered, None),
        ("Failed", 402, State::Failed, Some("402: Sinch has no route")),
        ("Rejected", 413, State::Failed, Some("413: The account is blocked")),
        ("Aborted", 411, State::Failed, Some("411: The text has more segments")),
        ("Cancelled", 407, State::Failed, Some("407: The text was canceled")),
        ("Deleted", 9_999, State::Failed, Some("9999: Deleted")),
        ("EXPIRED", 406, State::Expired, Some("406: The text's time")),
        ("Failed", 0, State::Failed, None),
    ] {
        fake.vendor().fate = (status, code);
        let [receipt] = &provider.status(&enquiry(&vendor_id, 1)).await.unwrap()[..] else {
            panic!("{status}")
        };
        assert_eq!((receipt.vendor_id.as_str(), receipt.state), (vendor_id.as_str(), state), "{status}");
        let said = receipt.why.clone().unwrap_or_default();
        assert!(why.is_none() == said.is_empty() && said.starts_with(why.unwrap_or_default()), "{said}");
    }
    fake.vendor().fate = ("hm", 0);
    assert!(provider.status(&enquiry(&vendor_id, 1)).await.unwrap_err().message().contains("hm"));
    assert!(provider.status(&enquiry(&vendor_id, 2)).await.unwrap().is_empty(), "of somebody else");
}

#[tokio::test]
async fn the_list_goes_over_all_its_pages_and_the_check_and_the_preview_send_nothing() {
    let fake = Fake::start(vendor::Sinch::default());
    let provider = provider(&fake);
    for n in 1..=3 {
        provider.send(&message(n, if n == 2 { "Hello ${name}" } else { "hello" })).await;
    }
    let sends = || {
        fake.requests()
            .iter()
            .filter(|request| request.path.ends_with("/batches") && request.method == "POST")
            .count()
    };
    let page = async |page, to_: Option<usize>| {
        let to = to_.map(|n| to(&fictional(n)));
        provider.list(&ListQuery { to, page, ..ListQuery::default() }).await.unwrap()
    };
    let (first, second) = (page(1, None).await, page(2, None).await);
    assert_eq!((first.messages.len(), first.next, second.messages.len(), second.next), (2, Some(2), 1, None));
    let text = |message: &sms_mcp::provider::exchange::VendorMessage| message.text.clone();
    assert_eq!((text(&first.messages[0]).as_deref(), text(&first.messages[1])), (Some("hello"), None));
    assert_eq!(page(1, Some(3)).await.messages.len(), 1);
    fake.vendor().counts = false;
    assert_eq!(page(1, None).await.next, None, "two of them are no full page");
    let findings = provider.check().await.unwrap();
    assert!(findings.iter().all(|finding| !finding.is_warning), "{findings:?}");
    let can = provider.capabilities();
    assert!(can.replies && can.receipts_by_push && can.receipts_by_poll);
    assert!(!build(&config(&fake.url()), &[]).capabilities().replies);
    let arguments = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let given = [("number", "+12025550123"), ("text", "Hi ${you}"), ("from", "ACME")];
    let shown = provider.act("preview", &arguments(&given)).await.unwrap();
    assert_eq!(shown["per_recipient"][0]["body"], "Hi ${you}");
    let wrong = provider.act("preview", &arguments(&[("number", "12"), ("text", "x")])).await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidArgument);
    assert_eq!((sends(), fake.vendor().batches.len()), (3, 3));
}

#[test]
fn the_settings_and_what_it_takes_are_checked_before() {
    let right = config("http://127.0.0.1:9");
    assert_eq!(right.check(), Ok(()));
    let from = |from: &str| Config { from: Some(from.to_owned()), ..right.clone() };
    let user =
        |user: &str| Config { webhook_user: Some(user.to_owned()), webhook_password: any(), ..right.clone() };
    assert_eq!(user("sms-mcp").check(), Ok(()));
    for (wrong, named) in [
        (Config { plan: None, ..right.clone() }, "plan must"),
        (Config { plan: Some("../x".to_owned()), ..right.clone() }, "plan must"),
        (Config { from: None, ..right.clone() }, "from is not set"),
        (from("Caf\u{e9}"), "from must"),
        (Config { base_url: "http://us.sms.api.sinch.com".to_owned(), ..right.clone() }, "https://"),
        (Config { webhook_user: Some("u".to_owned()), ..right.clone() }, "belong together"),
        (Config { webhook_password: any(), ..right.clone() }, "belong together"),
        (user("a:b"), "webhook_user must"),
        (Config { sent_words: vec!["failed".to_owned()], ..right.clone() }, "sent_words"),
    ] {
        let why = wrong.check().unwrap_err();
        assert!(why.contains(named), "{named}: {why}");
    }
    let refusal = |number: &str, from: Option<&str>| {
        let carrier = Carrier::new(Arc::new(build(&right, &[])), None, right.rate).showing(right.sender());
        carrier.form(&to(number), from, "x").err().map(|error| error.kind())
    };
    let (american, french) = ("+12025550123", "+33199000001");
    assert_eq!((refusal(french, None), refusal(french, Some("ACME"))), (None, None));
    assert_eq!(refusal(american, Some("ACME")), Some(ErrorKind::SenderNotAllowed));
    assert_eq!(refusal(french, Some("A&B")), Some(ErrorKind::SenderNotAllowed));
}
