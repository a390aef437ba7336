//! MailerSend: 50 texts in one request, held texts, limits, receipts, opt-outs and what the operator can do
//! there. What it sends by itself is in `mailersend/hooks.rs`.

mod hooks;
mod recorded;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sms_mcp::clock::{Clock, SharedClock, Timestamp};
use sms_mcp::error::{ErrorKind, Result};
use sms_mcp::provider::exchange::{Arguments, Enquiry, Event, ListQuery};
use sms_mcp::provider::mailersend::codes::{FAILURES, find};
use sms_mcp::provider::mailersend::{Config, Mailersend};
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup};
use sms_mcp::provider::{Outcome, Provider, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::mailersend::{FROM, INBOUND, MailerSend, NUMBER_ID, SIGNING, TOKEN};
use crate::fake::{Fake, Fault, PATIENCE, clock_before_by};
use crate::vendors::{enquiry_of, submission_of};

/// 2026-11-22T23:00:00Z: an hour before the vendor's day ends.
const EVENING: i64 = 1_795_388_400_000;
const HOUR: i64 = 3_600_000;

/// A clock that stands until it is set. A wait is short.
pub struct StandingClock(AtomicI64);

impl StandingClock {
    fn at_evening() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(EVENING)))
    }

    fn forward(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<()> {
        bytes.fill(7);
        Ok(())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(if duration == PATIENCE { duration } else { Duration::from_millis(1) }))
    }
}

fn config(fake: &Fake<MailerSend>) -> Config {
    Config {
        base_url: format!("{}/v1", fake.url()),
        from: Some(FROM.to_owned()),
        http: patient(),
        ..Config::default()
    }
}

/// What the provider is built from: the token, the secrets of `hooks`, and an address of this server.
fn setup(clock: SharedClock, hooks: &[(&'static str, &str)]) -> Setup {
    let mut secrets = Secrets::default();
    secrets.insert("token", SecretText::new(TOKEN));
    hooks.iter().for_each(|(name, secret)| secrets.insert(name, SecretText::new(*secret)));
    Setup { clock, secrets, callback: Some(Callback::new("https://sms.example.com", "mailersend", [7; 32])) }
}

fn at(fake: &Fake<MailerSend>, clock: SharedClock) -> Arc<dyn Provider> {
    let hooks = [("signing_secret", SIGNING), ("inbound_secret", INBOUND)];
    Arc::new(Mailersend::new(&config(fake), &setup(clock_before_by(&fake.url(), clock), &hooks)).unwrap())
}

/// The provider before this fake, with a webhook and an inbound route.
pub fn provider(fake: &Fake<MailerSend>) -> Arc<dyn Provider> {
    at(fake, StandingClock::at_evening())
}

/// A number that is never real (NANPA keeps 555-01xx for fiction), one of 100.
fn american(index: usize) -> String {
    assert!(index < 100);
    format!("+120255501{index:02}")
}

fn to(number: &str) -> Number {
    Number::parse(number, None).unwrap()
}

fn message(index: usize, text: &str) -> Submission {
    let id = MessageId::new(1, u128::try_from(index).unwrap());
    submission_of(id, to(&american(index)), text)
}

fn enquiry(vendor_id: &str) -> Enquiry {
    enquiry_of(MessageId::new(1, 1), vendor_id, to(&american(1)))
}

fn vendor_id(outcome: &Outcome) -> String {
    let Outcome::Accepted { vendor_id: Some(id), .. } = outcome else { panic!("not accepted: {outcome:?}") };
    id.clone()
}

fn wait_of(outcome: &Outcome) -> Option<u64> {
    let Outcome::NotSent { retry_after_ms, .. } = outcome else { panic!("not held back: {outcome:?}") };
    *retry_after_ms
}

/// Arguments of an action.
type Given<'a> = &'a [(&'a str, &'a str)];

fn arguments(pairs: Given<'_>) -> Arguments {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
}

#[tokio::test]
async fn fifty_different_texts_leave_in_one_request_and_each_arrives_at_its_own_recipient() {
    let fake = Fake::start(MailerSend::new());
    let provider = provider(&fake);
    assert_eq!(provider.capabilities().recipients_per_request, 50);
    let messages: Vec<Submission> = (0..50)
        .map(|n| message(n, &format!("Hi {n}, \u{e9}t\u{e9} \u{1f600} {{{{name}}}} \"{n}\"")))
        .collect();
    let outcomes = provider.send_many(&messages).await;
    assert_eq!(fake.requests().len(), 1);
    let expected: Vec<(String, String)> =
        messages.iter().map(|message| (message.to.e164().to_owned(), message.text.clone())).collect();
    assert_eq!(fake.vendor().sent(), expected);
    let first = vendor_id(&outcomes[0]);
    let all = Outcome::Accepted { vendor_id: Some(first), status: State::Sent, segments: None, price: None };
    assert_eq!(outcomes, vec![all; 50]);
}

#[tokio::test]
async fn one_text_for_all_travels_as_it_is() {
    let fake = Fake::start(MailerSend::new());
    let provider = provider(&fake);
    provider.send_many(&[message(1, "same {text}"), message(2, "same {text}")]).await;
    let request = &fake.requests()[0];
    let body = json!({ "from": FROM, "to": [american(1), american(2)], "text": "same {text}" });
    assert_eq!(request.json(), Some(body));
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/sms"));
    assert_eq!(request.header("x-request-id"), Some(MessageId::new(1, 1).as_str()));
}

#[tokio::test]
async fn what_looks_like_a_placeholder_arrives_as_it_was_written() {
    for text in ["{{name}}", "{{ text }}", "50% {% if x %}", "{# note #}", "{$name}", "{{"] {
        let fake = Fake::start(MailerSend::new());
        assert!(matches!(provider(&fake).send(&message(1, text)).await, Outcome::Accepted { .. }));
        assert_eq!(fake.vendor().sent(), [(american(1), text.to_owned())]);
        assert_eq!(fake.requests()[0].json().unwrap()["text"], "{{text}}");
    }
}

#[tokio::test]
async fn a_paused_number_holds_texts_back_and_they_are_never_called_sent() {
    let fake = Fake::start(MailerSend { is_number_paused: true, ..MailerSend::new() });
    let provider = provider(&fake);
    let outcome = provider.send(&message(1, "x")).await;
    let id = vendor_id(&outcome);
    assert!(matches!(outcome, Outcome::Accepted { status: State::Queued, .. }), "{outcome:?}");
    assert_eq!(provider.status(&enquiry(&id)).await.unwrap(), []);
    assert_eq!(provider.list(&ListQuery::default()).await.unwrap().messages[0].state, State::Queued);
}

#[tokio::test]
async fn an_answer_without_an_id_is_accepted_by_its_202_alone() {
    let fake = Fake::start(MailerSend { hides_ids: true, ..MailerSend::new() });
    let provider = provider(&fake);
    assert!(matches!(
        provider.send(&message(1, "x")).await,
        Outcome::Accepted { vendor_id: None, status: State::Sent, .. }
    ));
    let wrong = [
        json!({ "status": "error" }),
        json!({ "errors": { "to": ["x"] } }),
        json!({ "message": "no", "success": false }),
    ];
    for fault in wrong.into_iter().map(|body| Fault::Status(202, body)) {
        fake.fail_once(fault.clone());
        let outcome = provider.send(&message(2, "x")).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{fault:?}: {outcome:?}");
    }
    for fault in [
        Fault::Garbage,
        Fault::Huge,
        Fault::Status(201, json!({})),
        Fault::ErrorAfterAccept(500),
        Fault::DropAfterAccept,
        Fault::Stall,
    ] {
        fake.fail_once(fault.clone());
        let outcome = provider.send(&message(2, "x")).await;
        assert!(matches!(outcome, Outcome::Unknown { .. }), "{fault:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn each_refusal_has_its_meaning() {
    use ErrorKind::{InsufficientBalance, ProviderRejected, ProviderUnauthorized};
    let fake = Fake::start(MailerSend::new());
    let table = [
        (401, "Unauthenticated.", ProviderUnauthorized),
        (
            403,
            "The custom API token you're using doesn't have the required permissions. #MS40301",
            ProviderUnauthorized,
        ),
        (403, "Your account's access to API/SMTP has been switched off. #MS40302", ProviderUnauthorized),
        (422, "Your account is suspended, you can't do any more requests. #MS40304", ProviderUnauthorized),
        (403, "Your IP address is not allowlisted. #MS40305", ProviderUnauthorized),
        (
            422,
            "Your account reached its email quota limit. Contact support to increase it. #MS42204",
            InsufficientBalance,
        ),
        (422, "Your trial domain reached its email quota limit. #MS42222", InsufficientBalance),
        (422, "JSON contains a syntax error. #MS42227", ProviderRejected),
        (400, "Bad request.", ProviderRejected),
        (405, "Method not allowed.", ProviderRejected),
    ];
    for (status, words, expected) in table {
        fake.fail_once(Fault::Status(status, json!({ "message": words })));
        let outcome = provider(&fake).send(&message(1, "x")).await;
        let Outcome::Rejected { code, why } = outcome else { panic!("{words}: {outcome:?}") };
        assert_eq!(code, expected, "{words}");
        assert!(why.contains(words) && !why.contains(TOKEN), "{why}");
    }
    fake.fail_once(Fault::Status(422, json!({ "message": "The given data was invalid.", "errors": { "from": ["The from is wrong."], "x": 7 } })));
    let Outcome::Rejected { why, .. } = provider(&fake).send(&message(1, "x")).await else {
        panic!("not rejected")
    };
    assert!(why.contains("from: The from is wrong."), "{why}");
    fake.fail_once(Fault::Status(408, json!({ "message": "#MS40301" })));
    assert!(matches!(provider(&fake).send(&message(1, "x")).await, Outcome::Unknown { .. }));
    fake.fail_once(Fault::Status(421, json!({ "message": "Service isn't available, try again later" })));
    assert_eq!(wait_of(&provider(&fake).send(&message(1, "x")).await), Some(60_000));
    assert!(fake.vendor().messages.is_empty());
}

#[tokio::test]
async fn a_minutes_limit_waits_for_retry_after_and_a_days_for_midnight() {
    let clock = StandingClock::at_evening();
    let fake = Fake::start(MailerSend { minute_left: 0, ..MailerSend::new() });
    let provider = at(&fake, Arc::clone(&clock) as SharedClock);
    assert_eq!(wait_of(&provider.send(&message(1, "x")).await), Some(17_000));
    // It is remembered: nothing is asked before its time.
    assert_eq!(wait_of(&provider.send(&message(1, "x")).await), Some(17_000));
    assert_eq!(fake.requests().len(), 1);
    clock.forward(17_001);
    fake.vendor().minute_left = 60;
    assert!(matches!(provider.send(&message(1, "x")).await, Outcome::Accepted { .. }));

    fake.vendor().day_left = 0;
    let until_midnight = HOUR - 17_001;
    assert_eq!(wait_of(&provider.send(&message(2, "x")).await), Some(until_midnight.unsigned_abs()));
    let asked = fake.requests().len();
    assert_eq!(
        provider.status(&enquiry("abc")).await.unwrap_err().details().retry_after_ms,
        Some(until_midnight.unsigned_abs())
    );
    assert_eq!(
        provider.list(&ListQuery::default()).await.unwrap_err().kind(),
        ErrorKind::ProviderUnavailable
    );
    assert!(matches!(provider.send(&message(2, "x")).await, Outcome::NotSent { .. }));
    assert_eq!(fake.requests().len(), asked, "reads are spared too");
    clock.forward(until_midnight);
    fake.vendor().day_left = 100;
    assert!(matches!(provider.send(&message(2, "x")).await, Outcome::Accepted { .. }));
}

#[tokio::test]
async fn the_last_request_that_the_headers_allow_is_the_last_that_leaves() {
    let clock = StandingClock::at_evening();
    let reset = u64::try_from(EVENING / 1_000).unwrap() + 25;
    let fake = Fake::start(MailerSend { minute_left: 1, minute_reset: reset, ..MailerSend::new() });
    let provider = at(&fake, Arc::clone(&clock) as SharedClock);
    assert!(matches!(provider.send(&message(1, "x")).await, Outcome::Accepted { .. }));
    assert_eq!(wait_of(&provider.send(&message(2, "x")).await), Some(25_000));
    assert_eq!(fake.requests().len(), 1);
    clock.forward(25_000);
    *fake.vendor() = MailerSend { day_left: 1, ..MailerSend::new() };
    assert!(matches!(provider.send(&message(2, "x")).await, Outcome::Accepted { .. }));
    assert_eq!(wait_of(&provider.send(&message(3, "x")).await), Some((HOUR - 25_000).unsigned_abs()));
    assert_eq!(fake.requests().len(), 2);
    // To ask for the quota costs none of it, so an hourly look finds that it was raised.
    assert_eq!(provider.refresh().await.unwrap_err().kind(), ErrorKind::ProviderUnavailable);
    fake.vendor().day_left = 5_000;
    assert_eq!(provider.refresh().await.unwrap(), []);
    assert!(matches!(provider.send(&message(3, "x")).await, Outcome::Accepted { .. }));
}

#[tokio::test]
async fn odd_headers_about_limits_never_stop_it_for_long() {
    for (left, reset, day) in
        [(0, 1, "yesterday"), (0, u64::MAX, "9999-12-31T00:00:00Z"), (0, 4_000_000_000, "")]
    {
        let clock = StandingClock::at_evening();
        let fake = Fake::start(MailerSend {
            minute_left: left,
            retry_after: None,
            minute_reset: reset,
            day_reset: day.to_owned(),
            ..MailerSend::new()
        });
        let provider = at(&fake, Arc::clone(&clock) as SharedClock);
        assert_eq!(wait_of(&provider.send(&message(1, "x")).await), Some(60_000), "{reset}");
        fake.vendor().minute_left = 60;
        fake.vendor().day_left = 0;
        clock.forward(60_000);
        assert_eq!(
            wait_of(&provider.send(&message(1, "x")).await),
            Some((HOUR - 60_000).unsigned_abs()),
            "{day}"
        );
    }
}

#[tokio::test]
async fn one_id_answers_for_each_recipient() {
    let fake = Fake::start(MailerSend::new());
    let provider = provider(&fake);
    let messages: Vec<Submission> = (0..5).map(|n| message(n, &format!("text {n}"))).collect();
    let id = vendor_id(&provider.send_many(&messages).await[0]);
    assert_eq!(provider.status(&enquiry(&id)).await.unwrap(), [], "processed is no news");
    {
        let mut vendor = fake.vendor();
        vendor.step(&id, &american(0), "delivered", "2026-11-22T10:00:09.000000Z", None);
        vendor.step(&id, &american(0), "sent", "2026-11-22T10:00:05.000000Z", None);
        vendor.step(&id, &american(1), "sent", "2026-11-22T10:00:05.000000Z", None);
        vendor.step(
            &id,
            &american(2),
            "failed",
            "2026-11-22T10:00:06Z",
            Some((json!("4720"), "Carrier Rejected as Invalid Destination Address")),
        );
        vendor.step(
            &id,
            &american(3),
            "failed",
            "2026-11-22T10:00:07Z",
            Some((json!(4406), "Unallocated to number")),
        );
        vendor.step(&id, &american(4), "queued", "2026-11-22T10:00:08Z", None);
    }
    let receipts = provider.status(&enquiry(&id)).await.unwrap();
    let shown: Vec<_> = receipts
        .iter()
        .map(|receipt| (receipt.to.clone().unwrap(), receipt.state, receipt.at.rfc3339(), receipt.price))
        .collect();
    let free = Some(Money { micros: 0, currency: Currency::USD });
    assert_eq!(
        shown,
        [
            (american(0), State::Delivered, "2026-11-22T10:00:09.000Z".to_owned(), None),
            (american(1), State::Sent, "2026-11-22T10:00:05.000Z".to_owned(), None),
            (american(2), State::Failed, "2026-11-22T10:00:06.000Z".to_owned(), None),
            (american(3), State::Failed, "2026-11-22T10:00:07.000Z".to_owned(), free),
        ]
    );
    assert!(receipts.iter().all(|receipt| receipt.vendor_id == id));
    assert_eq!(receipts[2].why.as_deref(), Some("4720 no such number, or a landline (billed)"));
    for unknown in ["no such id", "ffffffffffffffffffffffff", "", "..", "a/b", "a?b"] {
        assert_eq!(provider.status(&enquiry(unknown)).await.unwrap(), [], "{unknown}");
    }
    fake.fail(Fault::Garbage);
    assert_eq!(provider.status(&enquiry(&id)).await.unwrap_err().kind(), ErrorKind::ProviderUnavailable);
}

#[test]
fn every_documented_failure_says_whether_it_is_billed() {
    assert!(FAILURES.windows(2).all(|pair| pair[0].code < pair[1].code), "each once, in order");
    for failure in FAILURES {
        let expected = match failure.code {
            4001 | 4300..=4399 => false,
            4400..=4499 => failure.code == 4470,
            4700..=4799 => true,
            5000..=5999 => (5600..=5650).contains(&failure.code),
            9902 | 9999 => true,
            other => panic!("{other} is in no documented class"),
        };
        assert_eq!(failure.is_billed, expected, "{}", failure.code);
        assert_eq!(failure.is_opt_out(), failure.code == 4775);
        assert_eq!(
            find(&failure.code.to_string(), ""),
            find("", &format!("error {}: {}", failure.code, failure.meaning))
        );
        assert_eq!(find(&failure.code.to_string(), "").map(|found| found.code), Some(failure.code));
    }
    assert_eq!(find("destination-rejected-due-to-user-opt-out", "").map(|found| found.code), Some(4775));
    for unclear in ["unknown-error", "message-send-failed", "", "1234", "99999999999999999999"] {
        assert_eq!(find(unclear, "User has opted out"), None, "{unclear}");
    }
}

#[tokio::test]
async fn the_list_has_a_line_for_each_recipient_and_pages() {
    let fake = Fake::start(MailerSend::new());
    fake.vendor().minute_left = 1_000;
    let provider = provider(&fake);
    let texts: Vec<Submission> = (0..3).map(|n| message(n, &format!("text {n}"))).collect();
    let id = vendor_id(&provider.send_many(&texts).await[0]);
    fake.vendor().step(&id, &american(1), "delivered", "2026-11-22T10:00:09Z", None);
    let list = async |query: ListQuery| provider.list(&query).await.unwrap();
    let page = list(ListQuery::default()).await;
    let shown: Vec<_> =
        page.messages.iter().map(|one| (one.to.as_str(), one.text.as_deref(), one.state)).collect();
    let (first, second, third) = (american(0), american(1), american(2));
    let expected = [
        (first.as_str(), Some("text 0"), State::Queued),
        (second.as_str(), Some("text 1"), State::Delivered),
        (third.as_str(), Some("text 2"), State::Queued),
    ];
    assert_eq!((shown, page.next), (expected.to_vec(), None));
    assert!(page.messages.iter().all(|one| one.vendor_id == id));
    assert_eq!(list(ListQuery { to: Some(to(&second)), ..ListQuery::default() }).await.messages.len(), 1);
    assert_eq!(
        list(ListQuery { state: Some(State::Delivered), ..ListQuery::default() }).await.messages.len(),
        1
    );
    assert_eq!(
        list(ListQuery { since: Some(Timestamp(EVENING)), ..ListQuery::default() }).await.messages.len(),
        0
    );
    for n in 0..120 {
        provider.send(&message(n % 50, &format!("more {n}"))).await;
    }
    let page = list(ListQuery { page: 1, ..ListQuery::default() }).await;
    assert_eq!((page.messages.len(), page.next), (100, Some(2)));
    let page = list(ListQuery { page: 2, ..ListQuery::default() }).await;
    assert_eq!((page.messages.len(), page.next), (23, None));
}

#[tokio::test]
async fn opt_outs_flow_both_ways() {
    let fake = Fake::start(MailerSend::new());
    let provider = provider(&fake);
    assert!(provider.capabilities().opt_outs);
    // More than a page of people, so that the one in question is on the second.
    fake.vendor().recipients =
        (0..150).map(|n| (format!("rec{n:05}"), format!("+1202555{n:04}"), "active".to_owned())).collect();
    assert_eq!(provider.refresh().await.unwrap(), []);
    let person = to("+12025550149");
    provider.opt_out(&person, true).await.unwrap();
    assert_eq!(fake.vendor().recipients[149].2, "opt_out");
    let event = Event::OptOut { number: person.e164().into(), is_out: true, at: None, heard_by: None };
    assert_eq!(provider.refresh().await.unwrap(), [event]);
    provider.opt_out(&person, true).await.unwrap();
    provider.opt_out(&person, false).await.unwrap();
    assert!(fake.vendor().recipients.iter().all(|(_, _, status)| status == "active"));
    let before = fake.requests().iter().filter(|request| request.method == "PUT").count();
    provider.opt_out(&to("+16135550123"), true).await.unwrap();
    assert_eq!(
        fake.requests().iter().filter(|request| request.method == "PUT").count(),
        before,
        "who is not known there is no error"
    );
}

#[tokio::test]
async fn the_check_says_what_is_left_and_whether_the_number_can_send() {
    let fake = Fake::start(MailerSend::new());
    let said = async || {
        let findings = provider(&fake).check().await.unwrap();
        let warnings: Vec<String> = findings
            .iter()
            .filter(|finding| finding.is_warning)
            .map(|finding| finding.text.clone())
            .collect();
        (findings.into_iter().map(|finding| finding.text).collect::<Vec<_>>().join("\n"), warnings)
    };
    let (all, warnings) = said().await;
    assert!(
        all.contains("100000 of 100000 requests") && all.contains("by webhook") && warnings.is_empty(),
        "{all}"
    );
    fake.vendor().is_number_paused = true;
    assert!(said().await.1[0].contains("paused"));
    let other = Config { from: Some("+18005550123".to_owned()), ..config(&fake) };
    let other = Mailersend::new(&other, &setup(StandingClock::at_evening(), &[])).unwrap();
    assert!(
        other
            .check()
            .await
            .unwrap()
            .iter()
            .any(|finding| finding.is_warning && finding.text.contains("none of the account's"))
    );
    let wrong = Setup { secrets: Secrets::default(), ..setup(StandingClock::at_evening(), &[]) };
    assert!(Mailersend::new(&config(&fake), &wrong).is_err(), "no token");
    let mut setup = setup(StandingClock::at_evening(), &[]);
    setup.secrets.insert("token", SecretText::new("mlsn.wrong"));
    let error = Mailersend::new(&config(&fake), &setup).unwrap().check().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProviderUnauthorized);
    assert!(!format!("{error:?}").contains("mlsn.wrong"));
}

#[tokio::test]
async fn the_operator_makes_lists_and_deletes_webhooks_and_routes() {
    let fake = Fake::start(MailerSend::new());
    let provider = provider(&fake);
    let act = async |name: &str, given: &[(&str, &str)]| provider.act(name, &arguments(given)).await.unwrap();
    let own = Callback::new("https://sms.example.com", "mailersend", [7; 32]).url(None);

    let made = act("webhooks-create", &[]).await;
    assert_eq!(
        (made["data"]["secret"].as_str(), made["data"]["url"].as_str()),
        (Some(SIGNING), Some(own.as_str()))
    );
    assert_eq!(made["data"]["events"], json!(["sms.sent", "sms.delivered", "sms.failed"]));
    act(
        "webhooks-create",
        &[
            ("url", "https://x.example/h"),
            ("events", "sms.failed"),
            ("name", "n"),
            ("enabled", "false"),
            ("sms_number_id", NUMBER_ID),
        ],
    )
    .await;
    assert_eq!(act("webhooks", &[]).await["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(act("webhooks-delete", &[("id", "hook0000")]).await, json!({ "done": true }));
    assert_eq!(act("webhooks", &[("sms_number_id", NUMBER_ID)]).await["data"][0]["id"], "hook0001");

    let made = act("inbounds-create", &[("comparer", "starts-with"), ("value", "STOP")]).await;
    assert_eq!(
        (made["data"]["secret"].as_str(), made["data"]["forward_url"].as_str()),
        (Some(INBOUND), Some(own.as_str()))
    );
    assert_eq!(
        act("inbounds", &[("enabled", "true"), ("limit", "10")]).await["data"].as_array().map(Vec::len),
        Some(1)
    );
    act("inbounds-delete", &[("id", "route0000")]).await;
    assert_eq!(act("inbounds", &[]).await["data"], json!([]));
}

#[tokio::test]
async fn the_operator_looks_at_numbers_people_messages_and_what_happened() {
    let fake = Fake::start(MailerSend::new());
    let provider = provider(&fake);
    let act = async |name: &str, given: &[(&str, &str)]| provider.act(name, &arguments(given)).await.unwrap();
    let id = vendor_id(&provider.send(&message(1, "hello")).await);
    fake.vendor().step(&id, &american(1), "delivered", "2026-11-22T10:00:09Z", None);

    assert_eq!(act("numbers", &[("paused", "false")]).await["data"][0]["telephone_number"], FROM);
    assert_eq!(act("numbers-pause", &[("id", NUMBER_ID)]).await["data"]["paused"], true);
    assert_eq!(act("numbers-resume", &[("id", NUMBER_ID)]).await["data"]["paused"], false);
    assert_eq!(
        act("recipients", &[("status", "active"), ("page", "1")]).await["data"][0]["number"],
        american(1)
    );
    assert_eq!(
        act("recipients-set", &[("id", "rec00000"), ("status", "opt_out")]).await["data"]["status"],
        "opt_out"
    );
    let activity = act(
        "activity",
        &[("status", "sent,delivered"), ("date_from", "2026-11-01"), ("date_to", "1795388400")],
    )
    .await;
    assert_eq!(activity["data"].as_array().map(Vec::len), Some(1));
    let request = fake.requests().pop().unwrap();
    assert_eq!(
        (request.parameter("date_from"), request.parameter("date_to")),
        (Some("1793491200"), Some("1795388400"))
    );
    assert_eq!(request.query.iter().filter(|(name, _)| name == "status[]").count(), 2);
    assert_eq!(act("messages", &[]).await["data"][0]["id"], json!(id));
    assert_eq!(act("messages", &[("id", &id)]).await["data"]["sms"][0]["status"], "delivered");
    assert_eq!(act("quota", &[]).await["quota"], 100_000);
}

#[tokio::test]
async fn a_wrong_argument_is_named_before_anything_is_asked() {
    let fake = Fake::start(MailerSend::new());
    let provider = provider(&fake);
    let long = "x".repeat(192);
    let wrong: [(&str, Given<'_>, &str); 14] = [
        ("numbers-pause", &[], "id="),
        ("numbers-pause", &[("id", "../sms")], "id="),
        ("numbers", &[("limit", "5")], "limit="),
        ("numbers", &[("page", "0")], "page="),
        ("numbers", &[("paused", "maybe")], "paused="),
        ("numbers", &[("colour", "red")], "colour"),
        ("recipients", &[("status", "gone")], "active, opt_out"),
        ("activity", &[("status", "sent,lost")], "status="),
        ("activity", &[("date_from", "soon")], "date_from="),
        ("webhooks-create", &[("url", "http://x.example")], "https://"),
        ("webhooks-create", &[("events", "email.sent")], "sms.sent"),
        ("webhooks-create", &[("name", &long)], "name="),
        ("inbounds-create", &[("comparer", "equal")], "value="),
        ("inbounds-create", &[("comparer", "like"), ("value", "x")], "starts-with"),
    ];
    for (action, given, named) in wrong {
        let error = provider.act(action, &arguments(given)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{action} {given:?}");
        assert!(error.message().contains(named), "{error}");
    }
    assert_eq!(provider.act("send", &arguments(&[])).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(fake.requests().is_empty());
    let setup = Setup { callback: None, ..setup(StandingClock::at_evening(), &[]) };
    let unreachable = Mailersend::new(&config(&fake), &setup).unwrap();
    assert!(
        unreachable
            .act("webhooks-create", &arguments(&[]))
            .await
            .unwrap_err()
            .message()
            .contains("public_url")
    );
    let capabilities = unreachable.capabilities();
    assert!(capabilities.receipts_by_poll && !capabilities.receipts_by_push && !capabilities.replies);
}

#[tokio::test]
async fn one_number_that_the_vendor_does_not_like_does_not_fail_the_others() {
    let fake = Fake::start(MailerSend::new());
    let provider = provider(&fake);
    // The fake refuses this one, and with it the whole request.
    let messages = [message(1, "a"), message(99, "b"), message(2, "c")];
    let outcomes = provider.send_many(&messages).await;
    assert!(
        matches!(&outcomes[1], Outcome::Rejected { code: ErrorKind::ProviderRejected, why } if why.contains(
            "to.1")),
        "{outcomes:?}"
    );
    assert_eq!(vendor_id(&outcomes[0]), vendor_id(&outcomes[2]));
    assert_eq!(fake.vendor().sent(), [(american(1), "a".to_owned()), (american(2), "c".to_owned())]);
    assert_eq!(fake.requests().len(), 2);
    // Alone it is refused at once, and so is a request that is wrong in itself.
    assert!(matches!(provider.send_many(&messages[1..2]).await[0], Outcome::Rejected { .. }));
    let stranger = messages.map(|message| Submission { from: Some("+18005550123".to_owned()), ..message });
    assert!(
        provider.send_many(&stranger).await.iter().all(|outcome| matches!(outcome, Outcome::Rejected { .. }))
    );
    assert_eq!((fake.requests().len(), fake.vendor().messages.len()), (4, 1));
    // What becomes of the others is told as it is, and no third time is tried.
    let messages = [message(3, "a"), message(99, "b")];
    fake.fail_once(Fault::None);
    fake.fail_once(Fault::DropAfterAccept);
    let outcomes = provider.send_many(&messages).await;
    assert!(matches!(outcomes[..], [Outcome::Unknown { .. }, Outcome::Rejected { .. }]), "{outcomes:?}");
    assert_eq!(fake.requests().len(), 6);
}

#[tokio::test]
async fn what_one_request_cannot_carry_leaves_not_at_all() {
    let fake = Fake::start(MailerSend::new());
    let provider = provider(&fake);
    let many: Vec<Submission> = (0..51).map(|n| message(n, "x")).collect();
    let twice = vec![message(1, "x"), message(1, "y")];
    let senders =
        vec![message(1, "x"), Submission { from: Some("+18005550123".to_owned()), ..message(2, "x") }];
    for wrong in [many, twice, senders] {
        let outcomes = provider.send_many(&wrong).await;
        assert_eq!(outcomes.len(), wrong.len());
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Outcome::Rejected { code: ErrorKind::Internal, .. }))
        );
    }
    assert!(provider.send_many(&[]).await.is_empty() && fake.requests().is_empty());
}

#[test]
fn what_it_takes_is_said_before() {
    let fake = Fake::start(MailerSend::new());
    let (here, elsewhere) = (provider(&fake), Config { any_destination: true, ..config(&fake) });
    let elsewhere = Mailersend::new(&elsewhere, &setup(StandingClock::at_evening(), &[])).unwrap();
    let refusal = |provider: &dyn Provider, number: &str, from: Option<&str>, text: &str| {
        provider.form(&to(number), from, text).err().map(|error| error.kind())
    };
    let (american, canadian, french) = ("+12025550101", "+16135550123", "+33199000001");
    for number in [american, canadian] {
        assert_eq!(refusal(&*here, number, Some(FROM), &"\u{e9}".repeat(2_048)), None);
    }
    assert_eq!(refusal(&*here, french, None, "x"), Some(ErrorKind::DestinationNotAllowed));
    assert_eq!(refusal(&elsewhere, french, None, "x"), None);
    assert_eq!(refusal(&*here, american, None, &"x".repeat(2_049)), Some(ErrorKind::MessageTooLong));
    assert_eq!(refusal(&*here, american, Some("ACME"), "x"), Some(ErrorKind::SenderNotAllowed));
}

#[test]
fn the_settings_are_checked() {
    let right = Config { from: Some(FROM.to_owned()), ..Config::default() };
    assert!(right.check().is_ok());
    assert_eq!(right.rate().per_minute, Some(60));
    for (wrong, named) in [
        (Config::default(), "from"),
        (Config { from: Some("ACME".to_owned()), ..right.clone() }, "from"),
        (Config { from: Some("8332647501".to_owned()), ..right.clone() }, "from"),
        (Config { base_url: "http://api.mailersend.com/v1".to_owned(), ..right.clone() }, "base_url"),
        (Config { sms_number_id: Some("../x".to_owned()), ..right.clone() }, "sms_number_id"),
    ] {
        assert!(wrong.check().unwrap_err().contains(named), "{named}");
    }
    let public = [("signing_secret", "test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G")];
    assert!(
        Mailersend::new(&right, &setup(StandingClock::at_evening(), &public)).is_err(),
        "a secret that everybody knows"
    );
    let read: Config = serde_json::from_value(
        json!({ "token": "mlsn.secret", "signing_secret": "s1gn", "inbound_secret": "1nb" }),
    )
    .unwrap();
    let written: Value = serde_json::to_value(&read).unwrap();
    for secret in ["mlsn.secret", "s1gn", "1nb"] {
        assert!(!format!("{read:?}").contains(secret) && !written.to_string().contains(secret), "{secret}");
    }
}
