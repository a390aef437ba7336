//! Mailpro: both generations of its answers, what a failure means, what a send cost, campaigns, the history,
//! and the actions; and that its credentials, which ride along as parameters, show nowhere.

use std::sync::Arc;

use ::http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Arguments, Campaign, Delivery, Enquiry, Event, ListQuery, NotBelieved};
use sms_mcp::provider::mailpro::{Config, Format, NumberFormat, Paths};
use sms_mcp::provider::settings::{Secrets, Settings as _, Setup};
use sms_mcp::provider::{Balance, Build as _, Outcome, Provider, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Amount, Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::mailpro::{API_KEY, CHARGE, ID_CLIENT, Mailpro, Message};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::{Desk, fictional, operator};
use crate::vendors::{enquiry_of, submission_of};

const TEXT: &str = "canary-text-19ad & <more> \u{20ac}";

/// The provider for the contract, with the worth of a credit: it gives up soon.
pub fn provider(fake: &Fake<Mailpro>) -> Arc<dyn Provider> {
    made(fake, Config { http: patient(), ..worth_one() }, API_KEY)
}

/// The provider for the contract which looks into the history.
pub fn provider_with_history(fake: &Fake<Mailpro>) -> Arc<dyn Provider> {
    fake.vendor().is_naming_sends = true;
    made(fake, Config { http: patient(), history: true, ..worth_one() }, API_KEY)
}

/// A credit is worth one dollar.
fn worth_one() -> Config {
    Config { credit_worth: Some(Amount::units(1)), ..Config::default() }
}

fn standard(fake: &Fake<Mailpro>) -> Arc<dyn Provider> {
    build(fake, worth_one())
}

fn build(fake: &Fake<Mailpro>, config: Config) -> Arc<dyn Provider> {
    build_with_key(fake, config, API_KEY)
}

fn build_with_key(fake: &Fake<Mailpro>, config: Config, api_key: &str) -> Arc<dyn Provider> {
    made(fake, Config { http: patient(), ..config }, api_key)
}

fn made(fake: &Fake<Mailpro>, config: Config, api_key: &str) -> Arc<dyn Provider> {
    let config = Config { base_url: format!("{}/sms", fake.url()), ..config };
    config.check().unwrap();
    let clock = clock_before(&config.base_url);
    let mut secrets = Secrets::default();
    secrets.insert("id_client", SecretText::new(ID_CLIENT));
    secrets.insert("api_key", SecretText::new(api_key));
    config.build(Setup { clock, secrets, callback: None }).unwrap()
}

/// The older generation: XML, and its own names.
fn older() -> Config {
    Config {
        format: Format::Xml,
        number_format: NumberFormat::Zeros,
        list_parameter: "to".to_owned(),
        schedule_parameter: "Scheduled_time".to_owned(),
        credit_worth: Some(Amount(50_000)),
        paths: Paths { credit: "credits/getcredits".to_owned(), ..Paths::default() },
        ..Config::default()
    }
}

/// Everything that is announced, as if it were open.
fn announced() -> Config {
    let path = |path: &str| Some(path.to_owned());
    let paths = Paths {
        upload: path("file/upload"),
        verify_start: path("verify/start"),
        verify_check: path("verify/check"),
        phone_lookup: path("phone/lookup"),
        suppressions: path("suppressions"),
        ..Paths::default()
    };
    Config { paths, history: true, webhook: true, ..Config::default() }
}

fn to(index: usize) -> Number {
    Number::parse(&fictional(index), None).unwrap()
}

fn message(n: u128, text: &str) -> Submission {
    submission_of(MessageId::new(1, n), to(1), text)
}

fn campaign(at: Option<&str>) -> Campaign {
    let at = at.map(|at| Timestamp::parse(at).unwrap());
    Campaign {
        id: "bat_1".to_owned(),
        list: "7".to_owned(),
        text: TEXT.to_owned(),
        at,
        members: 2,
        segments: 1,
    }
}

fn usd(micros: i64) -> Option<Money> {
    Some(Money { micros, currency: Currency::USD })
}

fn accepted(id: &str, price: Option<Money>) -> Outcome {
    Outcome::Accepted { vendor_id: Some(id.to_owned()), status: State::Sent, segments: None, price }
}

fn enquiry(vendor_id: &str, created: &str) -> Enquiry {
    Enquiry {
        created: Timestamp::parse(created).unwrap(),
        ..enquiry_of(MessageId::new(1, 1), vendor_id, to(1))
    }
}

fn arguments(pairs: &[(&str, &str)]) -> Arguments {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What a send becomes when the vendor says this, with status 200.
async fn outcome_of(body: &str) -> Outcome {
    let fake = Fake::start(Mailpro::default());
    fake.vendor().said.push_back(body.as_bytes().to_vec());
    standard(&fake).send(&message(1, TEXT)).await
}

#[tokio::test]
async fn the_newest_generation_takes_a_text_and_says_what_is_left() {
    for is_stringly in [false, true] {
        let fake = Fake::start(Mailpro { is_stringly, ..Mailpro::default() });
        let provider = standard(&fake);
        assert_eq!(
            provider.balance().await.unwrap(),
            Balance::Credits { micros: 1_476_000_000, worth: usd(1_476_000_000) }
        );
        assert_eq!(
            provider.send(&message(1, TEXT)).await,
            accepted("98765", None),
            "nothing was known before"
        );
        assert_eq!(provider.send(&message(2, TEXT)).await, accepted("98766", usd(CHARGE)), "the difference");
        let request = &fake.requests()[1];
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/sms/send/add_single.json"));
        let body = String::from_utf8(request.body.clone()).unwrap();
        assert!(
            body.contains("&to=%2B33199000001&message=canary-text-19ad+%26+%3Cmore%3E+%E2%82%AC"),
            "{body}"
        );
        assert_eq!(fake.vendor().messages[0].text, TEXT);
    }
}

#[tokio::test]
async fn the_older_generation_takes_a_text_and_says_what_it_charges() {
    let fake = Fake::start(Mailpro::default());
    let provider = build(&fake, older());
    assert_eq!(
        provider.balance().await.unwrap(),
        Balance::Credits { micros: 1_476_000_000, worth: usd(73_800_000) }
    );
    assert_eq!(provider.send(&message(1, TEXT)).await, accepted("98765", usd(75_000)));
    assert_eq!(fake.vendor().messages[0].to, "0033199000001");
    let unpriced = build(&fake, Config { credit_worth: None, ..older() });
    assert_eq!(
        unpriced.send(&message(2, TEXT)).await,
        accepted("98766", None),
        "a credit has no worth unless configured"
    );
}

#[tokio::test]
async fn every_documented_spelling_of_an_accepted_text_is_read() {
    for (body, id, price) in [
        (r#"{"Result":"OK","IdSend":98765,"RemainingCredits":1474}"#, Some("98765"), None),
        (r#"{"Result":"ok","IdSend":"98765","RemainingCredits":"1474.5"}"#, Some("98765"), None),
        (r#"{"result":"OK","id_send":98765,"charge":"1.5"}"#, Some("98765"), usd(1_500_000)),
        (
            r#"{"sends":[{"id_send":98765,"to":"0041791234567","message":"hi","charge":1.5}]}"#,
            Some("98765"),
            usd(1_500_000),
        ),
        (r#"{"sends":{"send":{"IdSend":98765,"Charge":0.1}}}"#, Some("98765"), usd(100_000)),
        (
            "\u{feff}<sends><send><id_send>98765</id_send><charge>1.5000004</charge></send></sends>",
            Some("98765"),
            usd(1_500_000),
        ),
        (
            "<send xmlns=\"urn:x\"><Result>OK</Result><IdSend><![CDATA[98765]]></IdSend></send>",
            Some("98765"),
            None,
        ),
        (r#"{"Result":"OK"}"#, None, None),
        (r#"{"Result":" Ok ","IdSend":98765,"Error":null,"ErrorCode":0,"Errors":[]}"#, Some("98765"), None),
    ] {
        let expected = Outcome::Accepted {
            vendor_id: id.map(str::to_owned),
            status: State::Sent,
            segments: None,
            price,
        };
        assert_eq!(outcome_of(body).await, expected, "{body}");
    }
}

#[tokio::test]
async fn a_result_other_than_ok_is_a_failure_that_keeps_the_words() {
    for (body, expected, words) in [
        (
            r#"{"Result":"ERROR","Message":"Number is not valid"}"#,
            ErrorKind::ProviderRejected,
            "ERROR: Number is not valid",
        ),
        (r#"{"result":"KO"}"#, ErrorKind::ProviderRejected, "KO"),
        (
            r#"{"Result":"ERROR","Errors":["No such country"]}"#,
            ErrorKind::ProviderRejected,
            "ERROR: No such country",
        ),
        (r#"{"Result":"Not enough credits"}"#, ErrorKind::InsufficientBalance, "Not enough credits"),
        (
            "<api><result>ERROR</result><description>Insufficient credit</description></api>",
            ErrorKind::InsufficientBalance,
            "ERROR: Insufficient credit",
        ),
        (
            r#"{"Result":"ERROR","Description":"Authentication failed"}"#,
            ErrorKind::ProviderUnauthorized,
            "ERROR: Authentication failed",
        ),
        (r#"{"Result":"ERROR","IdSend":0,"Error":"Bad"}"#, ErrorKind::ProviderRejected, "ERROR: Bad"),
        // A message beside a recipient is the text that was sent.
        (r#"{"Result":"ERROR","To":"+33","Message":"canary"}"#, ErrorKind::ProviderRejected, "ERROR"),
    ] {
        let Outcome::Rejected { code, why } = outcome_of(body).await else { panic!("{body}") };
        assert_eq!((code, why.as_str()), (expected, words), "{body}");
    }
}

#[tokio::test]
async fn an_answer_that_says_neither_a_result_nor_an_id_proves_nothing() {
    for body in [
        "{}",
        "[]",
        "",
        "OK",
        "98765",
        "\"OK\"",
        r#"{"Message":"Service busy"}"#,
        r#"{"IdSend":null}"#,
        r#"{"Result":""}"#,
        r#"{"Result":"OK","IdSend":987"#,
        r#"{"Result":"PENDING","IdSend":98765}"#,
        r#"{"Result":"PENDING"}"#,
        r#"{"Result":"OK","IdSend":98765,"Error":"Number is not valid"}"#,
        r#"{"Result":"OK","Errors":{"to":["x"]}}"#,
        r#"{"Result":"OK","Success":false,"IdSend":98765}"#,
        r#"{"sends":[{"id_send":98765,"error":"no route"}]}"#,
        r#"{"status":"error","sends":[{"id_send":98765}]}"#,
        "<api><result>OK</result><error>no route</error></api>",
        r#"{"Id":5}"#,
        r#"{"Id":5,"status":"error"}"#,
        "<html><body><h1>Welcome</h1></body></html>",
        "<sends/>",
        "<sends><send>",
        "<!DOCTYPE a [<!ENTITY b \"OK\">]><Result>&b;</Result>",
    ] {
        let outcome = outcome_of(body).await;
        assert!(matches!(outcome, Outcome::Unknown { .. } | Outcome::Unclear { .. }), "{body}: {outcome:?}");
    }
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    assert!(matches!(outcome_of(&deep).await, Outcome::Unknown { .. }));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(outcome_of(&deep).await, Outcome::Unknown { .. }));
}

#[tokio::test]
async fn an_operator_teaches_a_new_result_of_the_vendor() {
    let fake = Fake::start(Mailpro::default());
    let provider = build(&fake, Config { sent_words: vec!["pending".to_owned()], ..worth_one() });
    for (body, id) in
        [(r#"{"Result":"PENDING","IdSend":98765}"#, Some("98765")), (r#"{"Result":"Pending"}"#, None)]
    {
        fake.vendor().said.push_back(body.as_bytes().to_vec());
        let outcome = provider.send(&message(1, TEXT)).await;
        assert!(
            matches!(&outcome, Outcome::Accepted { vendor_id, status: State::Sent, .. } if vendor_id.as_deref() == id),
            "{body}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn the_status_of_a_refusal_counts_and_its_words_say_more() {
    for (fault, expected) in [
        (Fault::Status(400, json!({ "Message": "Not enough credits" })), ErrorKind::InsufficientBalance),
        (Fault::Status(400, json!({ "Message": "Wrong id_client" })), ErrorKind::ProviderUnauthorized),
        (Fault::Status(400, json!({ "Message": "Bad number" })), ErrorKind::ProviderRejected),
        (Fault::Status(402, json!({})), ErrorKind::InsufficientBalance),
        (Fault::Status(403, json!({ "Message": "no credit" })), ErrorKind::ProviderUnauthorized),
    ] {
        let fake = Fake::start(Mailpro::default());
        fake.fail(fault.clone());
        let outcome = standard(&fake).send(&message(1, TEXT)).await;
        assert!(
            matches!(outcome, Outcome::Rejected { code, .. } if code == expected),
            "{fault:?}: {outcome:?}"
        );
    }
    let fake = Fake::start(Mailpro { credits_micros: 1_000_000, ..Mailpro::default() });
    let outcome = standard(&fake).send(&message(1, TEXT)).await;
    assert!(matches!(outcome, Outcome::Rejected { code: ErrorKind::InsufficientBalance, .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_difference_is_a_price_only_where_no_other_request_was_under_way() {
    let fake = Fake::start(Mailpro::default());
    let provider = standard(&fake);
    provider.send(&message(1, TEXT)).await;
    let outcomes = futures::future::join_all((2..6).map(|n| {
        let (provider, message) = (Arc::clone(&provider), message(n, TEXT));
        async move { provider.send(&message).await }
    }));
    assert!(outcomes.await.iter().all(|outcome| matches!(outcome, Outcome::Accepted { price: None, .. })));
    provider.send(&message(6, TEXT)).await;
    assert!(
        matches!(provider.send(&message(7, TEXT)).await, Outcome::Accepted { price, .. } if price == usd(CHARGE))
    );
    fake.fail_once(Fault::DropAfterAccept);
    assert!(matches!(provider.send(&message(8, TEXT)).await, Outcome::Unknown { .. }));
    assert!(
        matches!(provider.send(&message(9, TEXT)).await, Outcome::Accepted { price: None, .. }),
        "the lost one is in the difference"
    );
    fake.fail_once(Fault::ThrottleSeconds(1));
    assert!(matches!(provider.send(&message(10, TEXT)).await, Outcome::NotSent { .. }));
    assert!(
        matches!(provider.send(&message(11, TEXT)).await, Outcome::Accepted { price, .. } if price == usd(CHARGE))
    );
    fake.vendor().credits_micros += 100_000_000;
    assert!(
        matches!(provider.send(&message(12, TEXT)).await, Outcome::Accepted { price: None, .. }),
        "somebody paid in"
    );

    let shared = build(
        &fake,
        Config { credit_worth: Some(Amount::units(1)), price_from_remaining: false, ..Config::default() },
    );
    for n in 13..15 {
        assert!(matches!(shared.send(&message(n, TEXT)).await, Outcome::Accepted { price: None, .. }));
    }
}

#[tokio::test]
async fn a_campaign_goes_to_a_list_now_or_at_its_time() {
    let fake = Fake::start(Mailpro::default());
    let newest = standard(&fake);
    assert!(newest.capabilities().schedule);
    assert_eq!(newest.members("7").await.unwrap(), ["+33199000001", "0033199000002"]);
    assert_eq!(newest.campaign(&campaign(None)).await, accepted("98765", None));
    let planned = newest.campaign(&campaign(Some("2026-11-27T13:00:00+01:00"))).await;
    let Outcome::Accepted { status, price, .. } = planned else { panic!("{planned:?}") };
    assert_eq!((status, price), (State::Queued, usd(2 * CHARGE)), "the price of all of it");
    let older = build(&fake, older());
    assert_eq!(older.members("7").await.unwrap(), ["+33199000001", "0033199000002"]);
    assert!(
        matches!(older.campaign(&campaign(Some("2026-11-27T12:00:00Z"))).await, Outcome::Accepted { price, .. } if price == usd(150_000))
    );
    let taken = fake.vendor().campaigns.clone();
    assert_eq!(
        taken.iter().map(|campaign| campaign.at.as_deref()).collect::<Vec<_>>(),
        [None, Some("2026-11-27T12:00:00"), Some("2026-11-27T12:00:00")]
    );
    assert!(taken.iter().all(|campaign| campaign.list == "7" && campaign.text == TEXT));
}

#[tokio::test]
async fn a_campaign_whose_answer_is_lost_is_unknown() {
    for fault in
        [Fault::DropAfterAccept, Fault::Stall, Fault::HalfJson, Fault::Garbage, Fault::ErrorAfterAccept(502)]
    {
        let fake = Fake::start(Mailpro::default());
        fake.fail(fault.clone());
        let outcome = standard(&fake).campaign(&campaign(None)).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{fault:?}: {outcome:?}");
        assert_eq!(fake.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_members_of_a_list_are_known_all_or_not_at_all() {
    let cases: [(&str, Option<&[&str]>); 13] = [
        (r#"{"Result":"OK","Phones":[]}"#, Some(&[])),
        (r#"{"Result":"OK","Phones":["+33199000001",33199000002]}"#, Some(&["+33199000001", "33199000002"])),
        (r#"{"Phones":[{"Id":1,"Phone":"+33199000001"}],"Total":1}"#, Some(&["+33199000001"])),
        ("<phones><phone>+33199000001</phone></phones>", Some(&["+33199000001"])),
        (
            "<phones><phone>+33199000001</phone><phone>+33199000002</phone></phones>",
            Some(&["+33199000001", "+33199000002"]),
        ),
        ("<phones/>", Some(&[])),
        (r#"{"Result":"OK","Phones":[{"Id":1,"Number":"+33199000001"},{"Id":2}]}"#, None),
        (r#"{"Result":"OK","Phones":["+33199000001"],"Total":250}"#, None),
        (r#"{"Result":"OK","Phones":["+33199000001"],"NextPage":"2"}"#, None),
        (r#"{"Result":"OK","Phones":["+33199000001"],"Others":[1]}"#, None),
        (r#"{"Result":"OK"}"#, None),
        (r#"{"Result":"ERROR","Message":"no such list"}"#, None),
        (r#"{"Result":"OK","Error":""}"#, None),
    ];
    for (body, expected) in cases {
        let fake = Fake::start(Mailpro::default());
        fake.vendor().said.push_back(body.as_bytes().to_vec());
        let members = standard(&fake).members("7").await;
        match expected {
            Some(expected) => assert_eq!(members.unwrap(), expected, "{body}"),
            None => assert!(!members.unwrap_err().to_string().contains("+33"), "{body}"),
        }
    }
}

#[tokio::test]
async fn a_message_is_found_in_the_history_only_where_it_cannot_be_another() {
    let sent = |id: u64, status: u8, date: &str| Message {
        id,
        to: fictional(1),
        text: TEXT.to_owned(),
        status,
        date: date.to_owned(),
    };
    let (at, created) = ("2026-11-27T12:00:00", "2026-11-27T11:30:00Z");
    for config in [Config { credit_worth: Some(Amount(50_000)), ..Config::default() }, older()] {
        for (messages, expected) in [
            (vec![sent(1, 1, at)], Some(State::Delivered)),
            (vec![sent(1, 0, at)], Some(State::Failed)),
            (vec![sent(1, 2, at)], Some(State::Sent)),
            (vec![sent(1, 1, at), sent(2, 1, "2026-11-27 18:00:00")], Some(State::Delivered)),
            (vec![sent(1, 1, at), sent(2, 0, "2026-11-27T12:20:00")], None),
            (vec![sent(1, 1, "2026-11-26T12:00:00")], None),
            (vec![sent(1, 1, "long ago")], None),
            (vec![], None),
        ] {
            let fake = Fake::start(Mailpro { messages, ..Mailpro::default() });
            let provider = build(&fake, Config { history: true, ..config.clone() });
            assert!(provider.capabilities().status && provider.capabilities().receipts_by_poll);
            let receipts = provider.status(&enquiry("98765", created)).await.unwrap();
            assert_eq!(
                receipts.iter().map(|receipt| receipt.state).collect::<Vec<_>>(),
                expected.into_iter().collect::<Vec<_>>()
            );
            for receipt in receipts {
                assert_eq!(
                    (receipt.vendor_id.as_str(), receipt.to, receipt.price),
                    ("98765", Some(fictional(1)), usd(75_000))
                );
                assert_eq!(receipt.why.is_some(), receipt.state == State::Failed);
            }
        }
    }
    // An entry that names the send is its entry, however many there are; the id of an entry itself is another
    // matter.
    let fake =
        Fake::start(Mailpro { messages: vec![sent(97_765, 1, at), sent(2, 0, at)], ..Mailpro::default() });
    let provider = build(&fake, Config { history: true, ..Config::default() });
    assert!(provider.status(&enquiry("98765", created)).await.unwrap().is_empty());
    let named = json!({ "Histories": [{ "IdHistory": 9, "IdSend": "98765", "Number": fictional(1), "Status":
        "1" }] })
    .to_string();
    fake.vendor().said.extend([b"{}".to_vec(), named.into_bytes()]);
    let receipts = provider.status(&enquiry("98765", created)).await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.state).collect::<Vec<_>>(), [State::Delivered]);
    assert!(fake.requests().iter().all(|request| request.parameter("number") == Some("+33199000001")));
    for (word, expected) in [
        ("spooling", None),
        ("9", None),
        ("Delivered", Some(State::Delivered)),
        ("UNDELIVERED", Some(State::Failed)),
        ("rejected", Some(State::Failed)),
    ] {
        let entry = json!({ "Histories": [{ "IdHistory": 9, "IdSend": "98765", "Number": fictional(1),
            "Status": word }] })
        .to_string();
        fake.vendor().said.extend([
            entry.clone().into_bytes(),
            entry.clone().into_bytes(),
            entry.into_bytes(),
        ]);
        let receipts = provider.status(&enquiry("98765", created)).await.unwrap();
        assert_eq!(receipts.iter().map(|receipt| receipt.state).next(), expected, "{word}");
    }
}

#[tokio::test]
async fn without_the_history_a_message_is_accepted_and_no_more_is_known() {
    let fake = Fake::start(Mailpro::default());
    let provider = standard(&fake);
    assert!(
        !provider.capabilities().status
            && !provider.capabilities().receipts_by_poll
            && !provider.capabilities().list
    );
    let error = provider.status(&enquiry("98765", "2026-11-27T12:00:00Z")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotSupported);
    assert!(error.message().contains("accepted, no delivery report available"), "{error}");
    assert_eq!(provider.list(&ListQuery::default()).await.unwrap_err().kind(), ErrorKind::NotSupported);
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn the_history_is_listed_newest_first() {
    let sent = |id: u64, status: u8, day: u8| Message {
        id,
        to: fictional(id as usize),
        text: TEXT.to_owned(),
        status,
        date: format!("2026-11-{day}T12:00:00"),
    };
    let fake = Fake::start(Mailpro {
        messages: vec![sent(1, 1, 20), sent(2, 2, 22), sent(3, 0, 21)],
        ..Mailpro::default()
    });
    let provider = build(&fake, Config { history: true, ..Config::default() });
    let list = async |query: ListQuery| {
        let page = provider.list(&query).await.unwrap();
        assert_eq!(page.next, None);
        page.messages.iter().map(|message| (message.vendor_id.clone(), message.state)).collect::<Vec<_>>()
    };
    let all = [("1002", State::Sent), ("1003", State::Failed), ("1001", State::Delivered)]
        .map(|(id, state)| (id.to_owned(), state));
    assert_eq!(list(ListQuery { page: 1, ..ListQuery::default() }).await, all);
    assert_eq!(
        list(ListQuery { page: 1, state: Some(State::Failed), ..ListQuery::default() }).await,
        all[1..2]
    );
    assert_eq!(
        list(ListQuery { page: 1, since: Timestamp::parse("2026-11-21"), ..ListQuery::default() }).await,
        all[..2]
    );
    assert_eq!(list(ListQuery { page: 1, to: Some(to(1)), ..ListQuery::default() }).await, all[2..]);
    assert!(list(ListQuery { page: 2, ..ListQuery::default() }).await.is_empty());
}

#[tokio::test]
async fn lists_and_numbers_are_looked_after_under_the_names_of_the_arguments() {
    let fake = Fake::start(Mailpro::default());
    let provider = build(&fake, Config { number_format: NumberFormat::Zeros, ..Config::default() });
    let mut names: Vec<&str> = provider.actions().iter().map(|action| action.name).collect();
    for (action, given, path) in [
        ("lists", &[] as &[_], "list/list"),
        ("lists-add", &[("name", "Customers")], "list/add"),
        ("lists-edit", &[("id_list", "7"), ("name", "Friends")], "list/edit"),
        ("lists-delete", &[("id_list", "7")], "list/delete"),
        ("phones", &[("id_list", "7")], "phone/list"),
        ("phones-add", &[("id_list", "7"), ("number", "+33 1 99 00 00 05"), ("name", "A & B")], "phone/add"),
        ("phones-edit", &[("id_phone", "1"), ("number", "+33199000006")], "phone/edit"),
        ("phones-delete", &[("id_phone", "1")], "phone/delete"),
        ("history", &[("status", "1"), ("number", "+33199000001")], "history/list"),
    ] {
        let answer =
            provider.act(action, &arguments(given)).await.unwrap_or_else(|error| panic!("{action}: {error}"));
        assert_eq!(answer["Result"], "OK", "{action}");
        assert_eq!(fake.requests().last().unwrap().path, format!("/sms/{path}.json"));
        names.retain(|name| *name != action);
    }
    assert!(names.is_empty(), "not tried, or offered without a path: {names:?}");
    assert_eq!(fake.vendor().phones.last().unwrap(), "0033199000005");
    let lists = provider.act("lists", &arguments(&[])).await.unwrap();
    assert_eq!(lists["Lists"][0]["Owner"], "[secret]", "what the vendor echoes of the credentials stays in");
}

#[tokio::test]
async fn an_action_that_is_wrong_or_fails_says_so() {
    let fake = Fake::start(Mailpro::default());
    let provider = standard(&fake);
    for (action, given, kind) in [
        ("phones-add", &[("id_list", "7")] as &[_], ErrorKind::InvalidArgument),
        ("phones-add", &[("id_list", "7"), ("number", "12")], ErrorKind::InvalidArgument),
        ("lists", &[("api_key", "x")], ErrorKind::InvalidArgument),
        ("upload", &[("file", "/etc/hostname")], ErrorKind::NotFound),
        ("verify-start", &[("number", "+33199000001")], ErrorKind::NotFound),
        ("lookup", &[("number", "+33199000001")], ErrorKind::NotFound),
        ("suppressions", &[], ErrorKind::NotFound),
        ("nothing", &[], ErrorKind::NotFound),
    ] {
        assert_eq!(provider.act(action, &arguments(given)).await.unwrap_err().kind(), kind, "{action}");
    }
    assert!(fake.requests().is_empty());
    fake.vendor().said.push_back(br#"{"Result":"ERROR","Message":"The list is locked"}"#.to_vec());
    let error = provider.act("lists-delete", &arguments(&[("id_list", "7")])).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.details().provider_said.as_deref()),
        (ErrorKind::ProviderRejected, Some("ERROR: The list is locked"))
    );
}

#[tokio::test]
async fn what_is_announced_works_once_it_has_a_path() {
    let fake = Fake::start(Mailpro::default());
    let plain = standard(&fake).capabilities();
    assert!(!plain.lookup && !plain.opt_outs && !plain.receipts_by_push);
    let provider = build(&fake, announced());
    let can = provider.capabilities();
    assert!(can.lookup && can.opt_outs && can.receipts_by_push);
    let number = [("number", "+33199000001")];
    assert_eq!(provider.act("lookup", &arguments(&number)).await.unwrap()["Country"], "FR");
    provider.act("verify-start", &arguments(&number)).await.unwrap();
    let checked = provider.act("verify-check", &arguments(&[number[0], ("code", "123456")])).await.unwrap();
    assert_eq!(checked["Valid"], true);
    provider.act("suppressions-add", &arguments(&number)).await.unwrap();
    provider.opt_out(&to(2), true).await.unwrap();
    assert_eq!(provider.opt_out(&to(2), false).await.unwrap_err().kind(), ErrorKind::NotSupported);
    fake.vendor().suppressed.push("33199000003".to_owned());
    fake.vendor().suppressed.push("nobody".to_owned());
    let out = |index| Event::OptOut {
        number: fictional(index).into(),
        is_out: true,
        at: Timestamp::parse("2026-11-20T08:00:00Z"),
        heard_by: None,
    };
    assert_eq!(
        provider.refresh().await.unwrap(),
        [
            out(1),
            out(2),
            Event::OptOut {
                number: "33199000003".into(),
                is_out: true,
                at: Timestamp::parse("2026-11-20T08:00:00Z"),
                heard_by: None,
            }
        ]
    );
    assert_eq!(
        provider.act("suppressions", &arguments(&[])).await.unwrap()["Suppressions"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

#[tokio::test]
async fn a_file_of_numbers_is_uploaded_with_its_name_and_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("our \"numbers\".csv");
    std::fs::write(&file, "number\r\n+33199000001\r\n+33199000002\r\n").unwrap();
    let fake = Fake::start(Mailpro::default());
    let provider = build(&fake, announced());
    let upload = async |file: &std::path::Path| {
        provider.act("upload", &arguments(&[("file", &file.to_string_lossy()), ("name", "Customers")])).await
    };
    assert_eq!(upload(&file).await.unwrap(), json!({ "Result": "OK", "Lines": 2 }));
    let request = fake.requests().remove(0);
    let boundary = request
        .header("content-type")
        .unwrap()
        .strip_prefix("multipart/form-data; boundary=")
        .unwrap()
        .to_owned();
    let body = String::from_utf8(request.body.clone()).unwrap();
    assert!(
        body.ends_with(&format!("\r\n--{boundary}--\r\n"))
            && body.contains("name=\"name\"\r\n\r\nCustomers\r\n"),
        "{body}"
    );
    assert!(
        body.contains("filename=\"our _numbers_.csv\"")
            && body.contains("\r\n\r\nnumber\r\n+33199000001\r\n"),
        "{body}"
    );
    assert_eq!(upload(&folder.path().join("none")).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    std::fs::write(&file, vec![b'1'; 5 * 1024 * 1024 + 1]).unwrap();
    assert_eq!(upload(&file).await.unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn a_report_is_a_hint_since_nobody_signs_it() {
    let fake = Fake::start(Mailpro::default());
    let headers = HeaderMap::new();
    let about = MessageId::new(1, 1);
    let delivery = |body: &'static str| Delivery {
        method: &::http::Method::POST,
        url: "",
        query: "",
        headers: &headers,
        body: body.as_bytes(),
        message: Some(&about),
        now: Timestamp(1),
    };
    let hint =
        |vendor_id: &str| Event::Hint { vendor_id: vendor_id.to_owned(), message: Some(about.clone()) };
    let provider = build(&fake, announced());
    for (body, expected) in [
        (
            r#"{"event":"sms.delivered","data":{"IdSend":98765,"Status":"delivered"}}"#,
            Ok(vec![hint("98765")]),
        ),
        (r#"{"Event":"sms.delivered","id_send":"98765"}"#, Ok(vec![hint("98765")])),
        (r#"{"event":"sms.delivered","id":98765}"#, Ok(vec![hint("98765")])),
        (r#"[{"IdSend":1},{"IdSend":2},{"IdSend":1}]"#, Ok(vec![hint("1"), hint("2")])),
        (r#"{"event":"email.opened","IdSend":98765}"#, Ok(Vec::new())),
        (r#"{"event":"sms.delivered"}"#, Err(())),
        ("event=sms.delivered&IdSend=98765", Err(())),
        ("", Err(())),
    ] {
        let events = provider.events(&delivery(body)).await;
        assert_eq!(
            events.map_err(|not| assert!(matches!(not, NotBelieved::Malformed(_)), "{not:?}")),
            expected,
            "{body}"
        );
    }
    let off = build(&fake, Config::default());
    assert_eq!(off.events(&delivery("{}")).await, Err(NotBelieved::NotExpected));
}

#[tokio::test]
async fn a_sender_name_goes_along_only_under_a_parameter_that_the_operator_names() {
    let from = |from: &str| Submission { from: Some(from.to_owned()), ..message(1, TEXT) };
    let fake = Fake::start(Mailpro::default());
    let own = build(&fake, Config { from: Some("ACME".to_owned()), ..Config::default() });
    assert!(own.form(&to(1), None, TEXT).is_ok() && own.form(&to(1), Some("ACME"), TEXT).is_ok());
    assert_eq!(own.form(&to(1), Some("OTHER"), TEXT).unwrap_err().kind(), ErrorKind::SenderNotAllowed);
    assert!(matches!(own.send(&from("ACME")).await, Outcome::Accepted { .. }));

    fake.vendor().sender_parameter = Some("sender");
    let named = build(
        &fake,
        Config {
            from: Some("ACME".to_owned()),
            sender_parameter: Some("sender".to_owned()),
            ..Config::default()
        },
    );
    assert!(named.form(&to(1), Some("OTHER"), TEXT).is_ok());
    for wrong in ["", "ELEVENCHARS", "A B", "+33199"] {
        assert_eq!(
            named.form(&to(1), Some(wrong), TEXT).unwrap_err().kind(),
            ErrorKind::SenderNotAllowed,
            "{wrong}"
        );
    }
    named.send(&from("OTHER")).await;
    named.send(&message(2, TEXT)).await;
    named.campaign(&campaign(None)).await;
    let senders: Vec<Option<String>> = fake
        .requests()
        .iter()
        .map(|request| {
            request.form().unwrap().into_iter().find(|(name, _)| name == "sender").map(|(_, value)| value)
        })
        .collect();
    assert_eq!(senders, [None, Some("OTHER".to_owned()), Some("ACME".to_owned()), Some("ACME".to_owned())]);
}

#[test]
fn settings_that_cannot_be_meant_are_refused_by_name() {
    let path = |path: &str| Config {
        paths: Paths { credit: path.to_owned(), ..Paths::default() },
        ..Config::default()
    };
    let text = |text: &str| text.to_owned();
    assert_eq!(Config::default().check(), Ok(()));
    assert_eq!(Config::default().rate().per_minute, Some(500));
    for (config, named) in [
        (Config { from: Some(text("ELEVENCHARS")), ..Config::default() }, "from"),
        (Config { from: Some(text("A-B")), ..Config::default() }, "from"),
        (Config { credit_worth: Some(Amount(0)), ..Config::default() }, "credit_worth"),
        (Config { base_url: text("http://api.mailpro.com/sms"), ..Config::default() }, "base_url"),
        (Config { sender_parameter: Some(text("api_key")), ..Config::default() }, "sender_parameter"),
        (Config { schedule_parameter: text("a b"), ..Config::default() }, "schedule_parameter"),
        (Config { list_parameter: text("message"), ..Config::default() }, "list_parameter"),
        (Config { list_parameter: text("plan_date"), ..Config::default() }, "must differ"),
        (path(""), "paths.credit"),
        (path("../other"), "paths.credit"),
        (path("credit/get?x=1"), "paths.credit"),
    ] {
        let wrong = config.check().unwrap_err();
        assert!(wrong.contains(named), "{wrong}");
    }
    assert_eq!(
        Config::default()
            .secrets()
            .iter()
            .map(|secret| (secret.name, secret.is_required))
            .collect::<Vec<_>>(),
        [("id_client", true), ("api_key", true)]
    );
}

#[tokio::test]
async fn a_check_says_what_works_and_what_to_look_at() {
    let fake = Fake::start(Mailpro { credits_micros: 0, ..Mailpro::default() });
    let findings = build(&fake, Config { webhook: true, ..Config::default() }).check().await.unwrap();
    let warnings: Vec<&str> =
        findings.iter().filter(|finding| finding.is_warning).map(|finding| finding.text.as_str()).collect();
    assert!(
        matches!(warnings[..], [empty, worth, webhook]
        if empty.contains("no credits") && worth.contains("credit_worth") && webhook.contains("history")),
        "{warnings:?}"
    );
    fake.vendor().credits_micros = 12_500_000;
    let findings =
        build(&fake, Config { history: true, credit_worth: Some(Amount(100_000)), ..Config::default() })
            .check()
            .await
            .unwrap();
    assert!(findings.iter().all(|finding| !finding.is_warning), "{findings:?}");
    assert!(findings[0].text.contains("12.50 credits are left, worth 1.25 USD"), "{findings:?}");
    let error = build_with_key(&fake, Config::default(), "canary-wrong-key").check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProviderUnauthorized);
    assert_eq!(error.details().provider_said.as_deref(), Some("ERROR: Invalid api_key [secret]"));
}

/// Ways in which a vendor may quote the credentials.
fn quotes() -> Vec<Value> {
    let encoded: String = url::form_urlencoded::byte_serialize(API_KEY.as_bytes()).collect();
    vec![
        json!({ "Message": format!("unknown client {ID_CLIENT} with key {API_KEY}") }),
        json!({ "error": format!("GET /sms/credit/get.json?id_client={ID_CLIENT}&api_key={encoded} failed") }),
        json!({ "Result": format!("no {API_KEY}") }),
        json!({ "Result": "ERROR", "IdSend": 5, "Description": [API_KEY] }),
    ]
}

#[tokio::test]
async fn no_error_and_no_outcome_shows_the_credentials_however_the_vendor_quotes_them() {
    for (index, quote) in quotes().into_iter().enumerate() {
        // Reads are tried again after a 500, which takes time; once is enough.
        for status in [200, 400, 401, 404, 500].into_iter().take(if index == 0 { 5 } else { 4 }) {
            let fake = Fake::start(Mailpro::default());
            fake.fail(Fault::Status(status, quote.clone()));
            let provider = build(&fake, announced());
            let mut said = format!(
                "{:?}{:?}",
                provider.send(&message(1, TEXT)).await,
                provider.campaign(&campaign(None)).await
            );
            let errors = [
                provider.balance().await.err(),
                provider.members("7").await.err(),
                provider.act("lists-add", &arguments(&[("name", "x")])).await.err(),
                provider.status(&enquiry("98765", "2026-11-27T12:00:00Z")).await.err(),
                provider.refresh().await.err(),
                provider.check().await.err(),
            ];
            errors
                .iter()
                .flatten()
                .for_each(|error| said.push_str(&format!("{error:?}{error}{:?}", error.details())));
            let encoded: String = url::form_urlencoded::byte_serialize(API_KEY.as_bytes()).collect();
            for canary in [ID_CLIENT, API_KEY, &encoded, "canary-text", "127.0.0.1"] {
                assert!(!said.contains(canary), "{status} {quote}: {said}");
            }
        }
    }
}

#[test]
fn no_log_line_of_a_whole_program_shows_the_credentials_or_the_text() {
    let fake = Fake::start(Mailpro::default());
    let desk = Desk::new("");
    let settings = format!(
        "[guard]\nrecipient_per_hour = 100\n[[provider]]\nkind = \"mailpro\"\nbase_url = \"{}/sms\"\n\
         id_client = {{ env = \"DESK_CLIENT\" }}\napi_key = \"{API_KEY}\"\nhistory = true\n\
         [provider.http]\ntimeout = \"1s\"\n",
        fake.url()
    );
    std::fs::write(desk.config(), settings).unwrap();
    let mut said = String::new();
    for fault in [
        Fault::None,
        Fault::Status(401, quotes().remove(1)),
        Fault::DropAfterAccept,
        Fault::Stall,
        Fault::Garbage,
    ] {
        fake.fail(fault);
        for arguments in [&["send", "+33199000001", TEXT, "--allow-duplicate"] as &[_], &["balance"]] {
            let mut command = desk.command();
            command.args(["--log", "trace"]).args(arguments).env("DESK_CLIENT", ID_CLIENT);
            let output = command.output().unwrap();
            said.push_str(&String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
        }
    }
    assert!(said.contains("a provider answered") && said.contains("a provider did not answer"), "{said}");
    let encoded: String = url::form_urlencoded::byte_serialize(API_KEY.as_bytes()).collect();
    for canary in [ID_CLIENT, API_KEY, &encoded, "canary-text"] {
        assert!(!said.contains(canary), "{canary}: {said}");
    }
    assert!(
        fake.requests().iter().filter(|request| request.method == "GET").count() > 0,
        "the credentials rode in an address too"
    );
}

/// An answer, made of what answers are made of.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("{\"Result\":".to_owned()),
        Just("\"OK\"".to_owned()),
        Just("\"ERROR\",".to_owned()),
        Just("\"IdSend\":".to_owned()),
        Just("<sends><send>".to_owned()),
        Just("</send></sends>".to_owned()),
        Just("<id_send>5</id_send>".to_owned()),
        Just("}".to_owned()),
        Just(",".to_owned()),
        Just("[".to_owned()),
        Just("]".to_owned()),
        Just("\"Charge\":-9223372036854775809,".to_owned()),
        Just("1e308".to_owned()),
        Just("\"RemainingCredits\":\"99999999999999999999999999.999999999\"".to_owned()),
        "\\PC{0,8}",
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

#[test]
fn an_answer_of_any_bytes_is_read_without_a_panic_and_never_tried_again() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fake = Fake::start(Mailpro::default());
    let _guard = runtime.enter();
    let provider = build(&fake, Config { credit_worth: Some(Amount(i64::MAX / 2)), ..announced() });
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&answers(), |body| {
            let say = || fake.vendor().said.push_back(body.clone());
            runtime.block_on(async {
                say();
                let outcome = provider.send(&message(1, TEXT)).await;
                assert!(!matches!(outcome, Outcome::NotSent { .. }), "{outcome:?}");
                say();
                let _ = provider.balance().await;
                say();
                let _ = provider.members("7").await;
                say();
                let _ = provider.refresh().await;
                say();
                let _ = provider.act("lists", &arguments(&[])).await;
                (0..3).for_each(|_| say());
                let _ = provider.status(&enquiry("98765", "2026-11-27T12:00:00Z")).await;
                let delivery = Delivery {
                    method: &::http::Method::POST,
                    url: "",
                    query: "",
                    headers: &HeaderMap::new(),
                    body: &body,
                    message: None,
                    now: Timestamp(1),
                };
                let _ = provider.events(&delivery).await;
            });
            fake.vendor().said.clear();
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn its_list_of_opt_outs_stops_whoever_was_texted_however_it_writes_them() {
    let fake = Fake::start(Mailpro::default());
    let provider = build(&fake, announced());
    let bench = crate::inbound::bench_in(None, &sms_mcp::engine::settings::Forwarding::default()).await;
    for (to, text) in [("+41781234567", "a"), ("+16465550123", "b"), ("+33612345678", "c")] {
        let args =
            sms_mcp::engine::contract::SendArgs { to: to.into(), message: text.into(), ..Default::default() };
        bench.engine.send(crate::inbound::caller(), args).await.unwrap();
    }
    fake.vendor().suppressed.extend(
        ["078 123 45 67", "6465550123", "0033612345678", "0612345679", "1234"].map(ToOwned::to_owned),
    );
    let carrier = sms_mcp::engine::Carrier::new(
        Arc::clone(&provider),
        None,
        sms_mcp::provider::settings::Rate::default(),
    );
    for _ in 0..2 {
        bench.engine.take_events(&carrier, provider.refresh().await.unwrap()).await.unwrap();
    }
    let mut out: Vec<String> = bench.opted_out().await.into_iter().map(|(number, _)| number).collect();
    out.sort();
    assert_eq!(out, ["+16465550123", "+33612345678", "+41781234567"]);
    let waiting = bench.engine.pending_opt_outs(&operator()).await.unwrap();
    assert_eq!(
        waiting.iter().map(|pending| pending.sender.as_str()).collect::<Vec<_>>(),
        ["0612345679"],
        "once, and no fragment of a number"
    );
}
