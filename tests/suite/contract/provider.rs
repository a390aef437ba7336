//! What every provider must do, as far as its capabilities go. The same cases run over each, with a carrier
//! of its own behind it: the sandbox with its outbox, the others before the fake of their vendor. The
//! folder's list names providers and cases, and makes a test of each pair.

use std::collections::BTreeSet;
use std::sync::Arc;

use ::http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sms_mcp::clock::{SharedClock, SystemClock, Timestamp};
use sms_mcp::config::Config as Settings;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Campaign, Delivery, Enquiry, Event, ListQuery, Sought};
use sms_mcp::provider::sandbox::{Config, Fault, Sandbox};
use sms_mcp::provider::{Balance, Outcome, Provider, Reference, Submission};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::number::Number;

use crate::carrier::peer::{Peer, Tongue};
use crate::carriers;
use crate::fake::{self, Fake, Vendor, Wire};
use crate::support::{A_WHILE, LAST_RESORT, eventually_async, fictional, within};
use crate::vendors;
use crate::vendors::{enquiry_of, submission_of};

/// A provider before a carrier of its own.
pub(super) struct Case {
    /// The provider's kind.
    kind: &'static str,
    provider: Arc<dyn Provider>,
    /// What really left, in order: recipients.
    sent: Box<dyn Fn() -> Vec<String>>,
    /// The switches of the fake, where there is a wire.
    wire: Option<Arc<dyn Wire>>,
}

pub(super) fn sms_for_ai() -> Case {
    before("sms_for_ai", fake::sms_for_ai::SmsForAi::default(), vendors::sms_for_ai::provider, |vendor| {
        vendor.messages.iter().map(|message| message.to.clone()).collect()
    })
}

pub(super) fn a2p_pro() -> Case {
    before(
        "a2p_pro",
        fake::a2p_pro::A2pPro::default(),
        vendors::a2p_pro::provider,
        fake::a2p_pro::A2pPro::recipients,
    )
}

pub(super) fn a2p_pro_bulk() -> Case {
    before(
        "a2p_pro",
        fake::a2p_pro::A2pPro::default(),
        vendors::a2p_pro::bulk_provider,
        fake::a2p_pro::A2pPro::recipients,
    )
}

pub(super) fn infobip() -> Case {
    before(
        "infobip",
        fake::infobip::Infobip::default(),
        vendors::infobip::provider,
        fake::infobip::Infobip::recipients,
    )
}

pub(super) fn mailersend() -> Case {
    before(
        "mailersend",
        fake::mailersend::MailerSend::delivering(),
        vendors::mailersend::provider,
        fake::mailersend::MailerSend::reached,
    )
}

pub(super) fn mailpro() -> Case {
    before(
        "mailpro",
        fake::mailpro::Mailpro::default(),
        vendors::mailpro::provider,
        fake::mailpro::Mailpro::recipients,
    )
}

pub(super) fn mailpro_history() -> Case {
    before(
        "mailpro",
        fake::mailpro::Mailpro::default(),
        vendors::mailpro::provider_with_history,
        fake::mailpro::Mailpro::recipients,
    )
}

pub(super) fn sinch() -> Case {
    before("sinch", fake::sinch::Sinch::default(), vendors::sinch::provider, fake::sinch::Sinch::recipients)
}

pub(super) fn sms_gateway() -> Case {
    before(
        "sms_gateway",
        fake::sms_gateway::SmsGateway::default(),
        vendors::sms_gateway::provider,
        fake::sms_gateway::SmsGateway::recipients,
    )
}

pub(super) fn sms_gateway_local() -> Case {
    before(
        "sms_gateway",
        fake::sms_gateway::SmsGateway::default(),
        vendors::sms_gateway::local_provider,
        fake::sms_gateway::SmsGateway::recipients,
    )
}

pub(super) fn plivo() -> Case {
    before("plivo", fake::plivo::Plivo::default(), vendors::plivo::provider, fake::plivo::Plivo::recipients)
}

pub(super) fn telnyx() -> Case {
    before(
        "telnyx",
        fake::telnyx::Telnyx::default(),
        vendors::telnyx::provider,
        fake::telnyx::Telnyx::recipients,
    )
}

pub(super) fn twilio() -> Case {
    before(
        "twilio",
        fake::twilio::Twilio::default(),
        vendors::twilio::provider,
        fake::twilio::Twilio::recipients,
    )
}

pub(super) fn aws() -> Case {
    before("aws", fake::aws::Aws::default(), vendors::aws::provider, fake::aws::Aws::recipients)
}

pub(super) fn vonage() -> Case {
    before(
        "vonage",
        fake::vonage::Vonage::default(),
        vendors::vonage::provider,
        fake::vonage::Vonage::recipients,
    )
}

pub(super) fn vonage_messages() -> Case {
    before(
        "vonage",
        fake::vonage::Vonage::default(),
        vendors::vonage::application,
        fake::vonage::Vonage::recipients,
    )
}

pub(super) fn http_gateway() -> Case {
    before(
        "http",
        fake::gateway::Gateway::default(),
        vendors::gateway::provider,
        fake::gateway::Gateway::recipients,
    )
}

pub(super) fn http_46elks() -> Case {
    before("http", fake::presets::Elks::default(), vendors::gateway::known::elks, |vendor| {
        vendor.0.recipients()
    })
}

pub(super) fn http_bandwidth() -> Case {
    before("http", fake::presets::Bandwidth::default(), vendors::gateway::known::bandwidth, |vendor| {
        vendor.0.recipients()
    })
}

pub(super) fn http_clicksend() -> Case {
    before("http", fake::presets::ClickSend::default(), vendors::gateway::known::clicksend, |vendor| {
        vendor.0.recipients()
    })
}

pub(super) fn http_httpsms() -> Case {
    before("http", fake::presets::HttpSms::default(), vendors::gateway::known::httpsms, |vendor| {
        vendor.0.recipients()
    })
}

pub(super) fn http_kannel() -> Case {
    before("http", fake::presets::Kannel::default(), vendors::gateway::known::kannel, |vendor| {
        vendor.0.recipients()
    })
}

pub(super) fn http_messagebird() -> Case {
    before("http", fake::presets::MessageBird::default(), vendors::gateway::known::messagebird, |vendor| {
        vendor.0.recipients()
    })
}

pub(super) fn smpp() -> Case {
    before_gateway("smpp", Peer::smsc(), carriers::smpp_provider, |peer| {
        peer.recipients().iter().map(|to| format!("+{to}")).collect()
    })
}

pub(super) fn cmpp() -> Case {
    before_gateway("cmpp", Peer::ismg(), carriers::cmpp_provider, carriers::cmpp_recipients)
}

pub(super) fn cmpp_many() -> Case {
    before_gateway("cmpp", Peer::ismg(), carriers::cmpp_many, carriers::cmpp_recipients)
}

fn before_gateway<T: Tongue>(
    kind: &'static str,
    peer: Peer<T>,
    build: fn(&Peer<T>) -> Arc<dyn Provider>,
    sent: fn(&Peer<T>) -> Vec<String>,
) -> Case
where
    Peer<T>: Wire,
{
    let peer = Arc::new(peer);
    let wire: Arc<dyn Wire> = Arc::clone(&peer) as _;
    Case { kind, provider: build(&peer), sent: Box::new(move || sent(&peer)), wire: Some(wire) }
}

fn before<V: Vendor>(
    kind: &'static str,
    vendor: V,
    build: fn(&Fake<V>) -> Arc<dyn Provider>,
    sent: fn(&V) -> Vec<String>,
) -> Case {
    let fake = Arc::new(Fake::start(vendor));
    let wire: Arc<dyn Wire> = Arc::clone(&fake) as _;
    Case { kind, provider: build(&fake), sent: Box::new(move || sent(&fake.vendor())), wire: Some(wire) }
}

pub(super) fn sandbox() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("outbox.jsonl");
    let config =
        Config { outbox: Some(outbox.clone()), delivery_delay: "20ms".parse().unwrap(), ..Config::default() };
    let clock: SharedClock = Arc::new(SystemClock);
    let provider = Arc::new(Sandbox::new(config, clock).unwrap());
    let sent = move || {
        // The folder goes when nobody can ask any more.
        let _ = &folder;
        let text = std::fs::read_to_string(&outbox).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["to"].as_str().unwrap().to_owned())
            .collect()
    };
    Case { kind: "sandbox", provider, sent: Box::new(sent), wire: None }
}

fn number(index: usize) -> Number {
    Number::parse(&fictional(index), None).unwrap()
}

/// What no outcome may show.
const TEXT: &str = "canary-text";

fn submission(n: u128, to: &str) -> Submission {
    let text = format!("{TEXT} {n}");
    Submission { segments: 2, ..submission_of(MessageId::new(1, n), Number::parse(to, None).unwrap(), &text) }
}

/// As many messages as one request takes, up to 3.
fn one_request(provider: &dyn Provider) -> Vec<Submission> {
    let count = usize::from(provider.capabilities().recipients_per_request).clamp(1, 3);
    (1..=count)
        .map(|n| Submission { text: TEXT.to_owned(), ..submission(n as u128, &fictional(n)) })
        .collect()
}

fn enquiry(vendor_id: &str, to: usize) -> Enquiry {
    enquiry_of(MessageId::new(1, 1), vendor_id, number(to))
}

/// Makes a provider anew, before a carrier that nobody else has.
pub(super) type Build = fn() -> Case;

#[test]
fn every_kind_of_provider_has_its_entry() {
    let schema = Settings::json_schema().to_string();
    let kinds: BTreeSet<&str> =
        schema.split("\"kind\":{\"const\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(kinds.contains("sandbox"), "{schema}");
    assert_eq!(super::ENTRIES.iter().map(|build| build().kind).collect::<BTreeSet<_>>(), kinds);
}

pub(super) async fn an_accepted_message_left_exactly_once_has_an_id_and_costs_no_more_than_was_quoted(
    build: Build,
) {
    let case = build();
    case.provider.refresh().await.unwrap();
    let message = submission(1, &fictional(1));
    let quoted = case.provider.price(&message.to, 2);
    let outcome = case.provider.send(&message).await;
    let Outcome::Accepted { vendor_id, status, price, .. } = outcome else {
        panic!("{}: {outcome:?}", case.kind)
    };
    assert_eq!((case.sent)(), [fictional(1)], "{}", case.kind);
    assert_eq!(status, State::Sent, "{}", case.kind);
    assert!(vendor_id.is_some_and(|id| !id.is_empty()), "{}", case.kind);
    if case.provider.capabilities().prices {
        let (quoted, price) = (quoted.unwrap(), price.unwrap_or(quoted.unwrap()));
        assert!(
            price.micros > 0 && price.micros <= quoted.micros && price.currency == quoted.currency,
            "{}",
            case.kind
        );
    }
}

pub(super) async fn messages_that_leave_together_leave_once_each_and_are_told_apart(build: Build) {
    let case = build();
    let outcomes = futures::future::join_all((1..=20).map(|n| {
        let (provider, message) = (Arc::clone(&case.provider), submission(n as u128, &fictional(n)));
        async move { provider.send(&message).await }
    }));
    let ids: BTreeSet<String> = outcomes
        .await
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Accepted { vendor_id: Some(id), .. } => id,
            other => panic!("{}: {other:?}", case.kind),
        })
        .collect();
    assert_eq!(ids.len(), 20, "{}", case.kind);
    let mut sent = (case.sent)();
    sent.sort();
    assert_eq!(sent, (1..=20).map(fictional).collect::<Vec<_>>(), "{}", case.kind);
}

pub(super) async fn several_messages_of_one_request_have_an_outcome_each_in_their_order(build: Build) {
    let case = build();
    let messages = one_request(&*case.provider);
    let outcomes = case.provider.send_many(&messages).await;
    assert_eq!(outcomes.len(), messages.len(), "{}", case.kind);
    assert!(
        outcomes.iter().all(|outcome| matches!(outcome, Outcome::Accepted { vendor_id: Some(_), .. })),
        "{}: {outcomes:?}",
        case.kind
    );
    assert_eq!(
        (case.sent)(),
        messages.iter().map(|message| message.to.e164().to_owned()).collect::<Vec<_>>(),
        "{}",
        case.kind
    );
    if let Some(wire) = &case.wire {
        assert_eq!(wire.asked(), 1, "{}", case.kind);
    }
}

pub(super) async fn the_balance_falls_by_what_was_charged(build: Build) {
    let case = build();
    if !case.provider.capabilities().balance {
        return;
    }
    let money = async || match case.provider.balance().await.unwrap() {
        Balance::Money(money) => money.micros,
        Balance::Credits { micros, .. } => micros,
    };
    let before = money().await;
    let outcome = case.provider.send(&submission(1, &fictional(1))).await;
    let Outcome::Accepted { price, .. } = outcome else { panic!("{}: {outcome:?}", case.kind) };
    let fallen = before - money().await;
    assert!(price.map_or(fallen > 0, |price| price.micros == fallen), "{}: {fallen}", case.kind);
}

pub(super) async fn a_delivery_is_reported_by_receipt_and_by_look_up(build: Build) {
    let case = build();
    let mut receipts = case.provider.notices();
    assert!(case.provider.notices().is_none(), "one listener");
    let outcome = case.provider.send(&submission(1, &fictional(1))).await;
    let Outcome::Accepted { vendor_id: Some(id), .. } = outcome else { panic!("{}: {outcome:?}", case.kind) };
    if let Some(receipts) = &mut receipts {
        let notice = within("the receipt", receipts.recv()).await.unwrap();
        let Event::Receipt(receipt) = &notice.event else { panic!("{}: {notice:?}", case.kind) };
        assert_eq!(
            (receipt.vendor_id.as_str(), receipt.state),
            (id.as_str(), State::Delivered),
            "{}",
            case.kind
        );
    }
    if case.provider.capabilities().status {
        let receipts = case.provider.status(&enquiry(&id, 1)).await.unwrap();
        let of_it: Vec<State> =
            receipts.iter().filter(|receipt| receipt.vendor_id == id).map(|receipt| receipt.state).collect();
        assert_eq!(of_it, [State::Delivered], "{}", case.kind);
        for unknown in ["no-such-id", "no such id", "", "../balance", "\u{202e}"] {
            assert!(
                case.provider.status(&enquiry(unknown, 1)).await.unwrap().is_empty(),
                "{}: {unknown}",
                case.kind
            );
        }
    }
}

pub(super) async fn a_list_shows_each_message_once_over_all_its_pages(build: Build) {
    let case = build();
    if !case.provider.capabilities().list {
        return;
    }
    let mut sent = BTreeSet::new();
    for n in 1..=5 {
        match case.provider.send(&submission(n as u128, &fictional(n))).await {
            Outcome::Accepted { vendor_id: Some(id), .. } => sent.insert(id),
            other => panic!("{}: {other:?}", case.kind),
        };
    }
    let mut listed = Vec::new();
    let mut next = Some(1);
    while let Some(page) = next {
        let shown = case.provider.list(&ListQuery { page, ..ListQuery::default() }).await.unwrap();
        listed.extend(shown.messages.iter().map(|message| message.vendor_id.clone()));
        assert!(shown.next.is_none_or(|next| next == page + 1) && page < 10, "{}", case.kind);
        next = shown.next;
    }
    assert_eq!(listed.len(), 5, "{}", case.kind);
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), sent, "{}", case.kind);
}

/// Each of these faults must mean this for a send; `is_taken`: whether the vendor has it all the same.
async fn each_means(
    build: Build,
    faults: impl IntoIterator<Item = fake::Fault>,
    expected: &str,
    is_taken: bool,
) {
    let faults =
        faults.into_iter().map(|fault| async move { means(build(), &fault, expected, is_taken).await });
    futures::future::join_all(faults).await;
}

pub(super) async fn a_refused_connection_is_a_certain_no(build: Build) {
    each_means(build, [fake::Fault::Refuse], "not sent", false).await;
}

pub(super) async fn what_is_throttled_was_not_sent(build: Build) {
    each_means(
        build,
        [fake::Fault::ThrottleSeconds(3), fake::Fault::ThrottleDate(4_000_000_000)],
        "not sent",
        false,
    )
    .await;
}

pub(super) async fn a_request_that_was_cut_is_unknown(build: Build) {
    each_means(build, [fake::Fault::DropBeforeBody, fake::Fault::DropDuringBody], "unknown", false).await;
}

pub(super) async fn a_lost_answer_is_unknown(build: Build) {
    each_means(build, [fake::Fault::DropAfterAccept, fake::Fault::Stall], "unknown", true).await;
}

pub(super) async fn an_answer_that_cannot_be_read_is_unknown(build: Build) {
    each_means(build, [fake::Fault::HalfJson, fake::Fault::Garbage, fake::Fault::Huge], "unknown", true)
        .await;
}

pub(super) async fn a_servers_error_is_unknown(build: Build) {
    each_means(build, [500, 502, 503, 504].map(fake::Fault::ErrorAfterAccept), "unknown", true).await;
}

pub(super) async fn a_refusal_is_rejected(build: Build) {
    let answers = [
        (400, json!({})),
        (401, json!({ "message": "no" })),
        (403, json!("no")),
        (404, json!(null)),
        (422, json!([])),
    ];
    each_means(build, answers.map(|(status, body)| fake::Fault::Status(status, body)), "rejected", false)
        .await;
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted { .. } => "accepted",
        Outcome::Rejected { .. } => "rejected",
        Outcome::NotSent { .. } => "not sent",
        Outcome::Unknown { .. } | Outcome::Unclear { .. } => "unknown",
        Outcome::Failed { .. } => "failed",
        _ => "new",
    }
}

/// An outcome quotes nothing, and says how long to wait and whose problem it is where the fault says so.
fn says_no_more(outcome: &Outcome, fault: &fake::Fault, is_connection: bool, what: &str) {
    let shown = format!("{outcome:?}");
    assert!(
        !shown.contains(TEXT) && !shown.contains("3319900") && !shown.contains("html"),
        "{what}: {shown}"
    );
    if *fault == fake::Fault::ThrottleSeconds(3) && !is_connection {
        assert!(
            matches!(outcome, Outcome::NotSent { retry_after_ms: Some(3_000), .. }),
            "{what}: {outcome:?}"
        );
    }
    if matches!(fault, fake::Fault::Status(401, _)) {
        assert!(
            matches!(outcome, Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, .. }),
            "{what}: {outcome:?}"
        );
    }
}

/// What the fault is for a message, and for several in one request; and that the provider works again after
/// it.
async fn means(case: Case, fault: &fake::Fault, expected: &str, is_taken: bool) {
    let Some(wire) = case.wire.as_ref().filter(|wire| wire.knows(fault, false)) else { return };
    for is_many in [false, true] {
        if wire.is_connection() {
            case.provider.check().await.unwrap();
        }
        let what = format!("{} {fault:?} many: {is_many}", case.kind);
        let mut messages = one_request(&*case.provider);
        // No reference of ours ever stands for two messages: a vendor may answer it once.
        messages
            .iter_mut()
            .enumerate()
            .filter(|_| is_many)
            .for_each(|(n, message)| message.id = MessageId::new(2, n as u128));
        let (before, sent_before) = (wire.asked(), (case.sent)().len());
        wire.fail(fault.clone());
        if wire.is_connection() && *fault == fake::Fault::Refuse {
            // Until a connection that is gone was seen to be: what is written before that may have arrived.
            eventually_async("the connection is gone", async || case.provider.check().await.is_err()).await;
        }
        let outcomes = match is_many {
            true => case.provider.send_many(&messages).await,
            false => vec![case.provider.send(&messages[0]).await],
        };
        wire.fail(fake::Fault::None);
        assert_eq!(outcomes.len(), if is_many { messages.len() } else { 1 }, "{what}");
        let requests = wire.asked() - before;
        // A provider that was told to wait may answer for the vendor until then.
        let is_throttled = matches!(fault, fake::Fault::ThrottleSeconds(_) | fake::Fault::ThrottleDate(_));
        // A session asks again by itself: a "not now" is a certain no.
        let is_waiting =
            is_throttled && if wire.is_connection() { requests > 0 } else { requests == 0 && is_many };
        assert!(
            is_waiting || requests == usize::from(*fault != fake::Fault::Refuse),
            "{what}: {requests} requests"
        );
        assert_eq!((case.sent)().len() - sent_before, if is_taken { outcomes.len() } else { 0 }, "{what}");
        for outcome in &outcomes {
            assert_eq!(word(outcome), expected, "{what}: {outcome:?}");
            says_no_more(outcome, fault, wire.is_connection(), &what);
        }
    }
    let after = case.provider.send(&submission(9, &fictional(9))).await;
    let is_throttled = matches!(fault, fake::Fault::ThrottleSeconds(_) | fake::Fault::ThrottleDate(_));
    let works = word(&after) == "accepted" || (is_throttled && word(&after) == "not sent");
    assert!(works, "{} works again after {fault:?}: {after:?}", case.kind);
}

/// Answers of status 200 or 202 that do not say in any vendor's documented words that a message was taken:
/// they say that it was not, something that no page has, or both yes and no.
fn unclear_answers() -> Vec<Value> {
    vec![
        json!({ "status": "error" }),
        json!({ "status": 0, "error": "x" }),
        json!({ "errors": { "to": ["x"] }, "status": "error" }),
        json!({ "status": "sent", "errors": ["x"] }),
        json!({ "success": false, "message": "no" }),
        json!({ "id": "41", "message_id": "41", "status": "sent", "error": "x" }),
        json!({ "id": "41", "status": "queued", "success": false }),
        json!({ "id": "41", "status": "FAILED" }),
        json!({ "id": "41", "status": "rejected" }),
        json!({ "Result": "OK", "IdSend": 41, "Error": "x" }),
        json!({ "Result": "OK", "IdSend": 41, "status": "error" }),
        json!({ "Result": "ERROR", "IdSend": 41 }),
        json!({ "data": { "id": "41", "status": "sent" }, "error": { "code": 5 } }),
        json!({ "sms": { "id": "41", "status": "sent" }, "status": "failed" }),
        json!({ "id": "41", "status": "hm" }),
        json!({ "Result": "hm" }),
    ]
}

pub(super) async fn a_2xx_that_does_not_clearly_say_that_it_took_a_message_is_never_told_as_sent(
    build: Build,
) {
    let case = build();
    let Some(wire) = case.wire.as_ref().filter(|wire| !wire.is_connection()) else { return };
    for (n, body) in unclear_answers().into_iter().enumerate() {
        for status in [200, 202] {
            // The status is what MailerSend says it in; its answers have no words.
            if case.kind == "mailersend" && status == 202 && !body.to_string().contains("rror") {
                continue;
            }
            wire.fail(fake::Fault::Status(status, body.clone()));
            let outcome = case.provider.send(&submission(n as u128 + 1, &fictional(1))).await;
            assert!(
                !matches!(outcome, Outcome::Accepted { .. } | Outcome::NotSent { .. }),
                "{} {status} {body}: {outcome:?}",
                case.kind
            );
        }
    }
    wire.fail(fake::Fault::None);
    assert_eq!(word(&case.provider.send(&submission(99, &fictional(1))).await), "accepted", "{}", case.kind);
}

pub(super) async fn a_send_that_is_given_up_was_made_at_most_once(build: Build) {
    let case = build();
    let Some(wire) = &case.wire else { return };
    wire.hold();
    let message = submission(1, &fictional(1));
    tokio::select! {
        outcome = case.provider.send(&message) => panic!("{}: nobody answered: {outcome:?}", case.kind),
        () = eventually_async("it is asked for", async || wire.asked() > 0) => {}
    }
    wire.release();
    tokio::time::sleep(A_WHILE).await;
    assert!(wire.asked() <= 1 && (case.sent)().len() <= 1, "{}", case.kind);
}

pub(super) async fn a_question_that_is_not_answered_is_an_error_that_says_whose_problem_it_is(build: Build) {
    let faults = [
        (fake::Fault::Refuse, ErrorKind::ProviderUnavailable),
        (fake::Fault::Garbage, ErrorKind::ProviderUnavailable),
        (fake::Fault::ThrottleSeconds(60), ErrorKind::ProviderUnavailable),
        (fake::Fault::Status(401, json!({})), ErrorKind::ProviderUnauthorized),
    ];
    futures::future::join_all(
        faults.into_iter().map(|(fault, kind)| async move { is_told(build(), &fault, kind).await }),
    )
    .await;
}

/// What every question becomes under this fault.
async fn is_told(case: Case, fault: &fake::Fault, kind: ErrorKind) {
    let Some(wire) = case.wire.as_ref().filter(|wire| wire.knows(fault, true)) else { return };
    let can = case.provider.capabilities();
    wire.fail(fault.clone());
    let mut errors = match case.provider.check().await {
        Ok(findings) => {
            assert!(
                findings.iter().any(|finding| finding.is_warning),
                "{} {fault:?}: {findings:?}",
                case.kind
            );
            Vec::new()
        }
        Err(error) => vec![Some(error)],
    };
    if can.balance {
        errors.push(case.provider.balance().await.err());
    }
    if can.status {
        errors.push(case.provider.status(&enquiry("41", 1)).await.err());
    }
    if can.list {
        errors.push(case.provider.list(&ListQuery::default()).await.err());
    }
    for error in errors {
        let error = error.unwrap_or_else(|| panic!("{} {fault:?}", case.kind));
        assert_eq!(error.kind(), kind, "{} {fault:?}: {error}", case.kind);
    }
}

pub(super) async fn what_a_provider_cannot_do_it_says(build: Build) {
    let case = build();
    let can = case.provider.capabilities();
    let kind = case.kind;
    if !can.balance {
        assert_eq!(case.provider.balance().await.unwrap_err().kind(), ErrorKind::NotSupported, "{kind}");
    }
    if !can.status {
        assert_eq!(
            case.provider.status(&enquiry("1", 1)).await.unwrap_err().kind(),
            ErrorKind::NotSupported,
            "{kind}"
        );
    }
    if !can.list {
        assert_eq!(
            case.provider.list(&ListQuery::default()).await.map(drop).unwrap_err().kind(),
            ErrorKind::NotSupported,
            "{kind}"
        );
    }
    if !can.opt_outs {
        assert_eq!(
            case.provider.opt_out(&number(1), true).await.unwrap_err().kind(),
            ErrorKind::NotSupported,
            "{kind}"
        );
    }
    if !can.schedule {
        let campaign = Campaign {
            id: "bat_1".to_owned(),
            list: "1".to_owned(),
            text: TEXT.to_owned(),
            at: None,
            members: 1,
            segments: 1,
        };
        let outcome = case.provider.campaign(&campaign).await;
        assert!(
            matches!(outcome, Outcome::Rejected { code: ErrorKind::NotSupported, .. }),
            "{kind}: {outcome:?}"
        );
    }
    let sought = Sought { id: MessageId::new(1, 1), to: number(1), created: Timestamp(1) };
    let found = case.provider.find(&sought).await;
    assert_eq!(found.is_err(), can.reference == Reference::None, "{kind}: {found:?}");
    assert!(!can.receipts_by_poll || can.status, "{kind}: what is looked up must be known to the vendor");
    let error = case.provider.act("no-such-action", &Default::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{kind}");
    assert!((case.sent)().is_empty(), "{kind}: none of that is a send");
}

/// Bodies that no vendor sends, and pieces of those that some do.
fn garbage() -> Vec<Vec<u8>> {
    let seed = json!({
        "event": "message.delivered", "type": "sms.delivered", "id": "41", "message_id": "41", "status":
            "delivered", "to": fictional(1),
        "created_at": "2026-11-22T10:15:00Z", "data": { "id": "41", "sms": { "id": "41", "to": [fictional(1)], "status": "sent" } },
    })
    .to_string()
    .into_bytes();
    let mut all: Vec<Vec<u8>> = (0..seed.len()).step_by(7).map(|end| seed[..end].to_vec()).collect();
    // A fixed sequence of wrong bytes.
    let mut random: u32 = 12_345;
    for _ in 0..300 {
        let mut body = seed.clone();
        for _ in 0..3 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = random as usize % body.len();
            body[at] = (random >> 16) as u8;
        }
        all.push(body);
    }
    for text in [
        "null",
        "[]",
        "{}",
        "0",
        "\"\"",
        "{\"data\":[null]}",
        "[[[[1e999]]]]",
        "a=1&b=%ff",
        "<xml/>",
        "{\"event\":{},\"id\":[],\"status\":9}",
    ] {
        all.push(text.as_bytes().to_vec());
    }
    all.push("[".repeat(100_000).into_bytes());
    all.push(vec![0xff; 4_096]);
    all
}

pub(super) async fn a_garbled_webhook_is_read_without_harm_and_never_believed(build: Build) {
    let case = build();
    let mut signed = HeaderMap::new();
    for name in
        ["signature", "x-signature", "x-mailersend-signature", "x-twilio-signature", "webhook-signature"]
    {
        signed.insert(name, HeaderValue::from_static("0000"));
    }
    let message = MessageId::new(1, 1);
    for headers in [HeaderMap::new(), signed] {
        for body in garbage() {
            for message in [None, Some(&message)] {
                let delivery = Delivery {
                    method: &::http::Method::POST,
                    url: "",
                    query: "",
                    headers: &headers,
                    body: &body,
                    message,
                    now: Timestamp(1),
                };
                let events = case.provider.events(&delivery).await.unwrap_or_default();
                assert!(
                    events.iter().all(|event| matches!(event, Event::Hint { .. })),
                    "{}: {events:?}",
                    case.kind
                );
            }
        }
    }
    assert!(
        case.wire.is_none_or(|wire| wire.asked() == 0),
        "{}: a webhook alone asks for nothing",
        case.kind
    );
}

#[tokio::test]
async fn the_sandbox_plays_each_fault_as_its_table_says() {
    for (number, fault, _) in Fault::TABLE {
        let case = sandbox();
        let mut receipts = case.provider.notices().unwrap();
        let message = submission(1, number);
        let patience = if fault == Fault::Stalls { A_WHILE } else { LAST_RESORT };
        let outcome = tokio::time::timeout(patience, case.provider.send(&message)).await;
        let left = (case.sent)().len();
        match fault {
            Fault::Rejected => assert!(
                matches!(outcome, Ok(Outcome::Rejected { code: ErrorKind::ProviderRejected, .. }))
                    && left == 0
            ),
            Fault::NoBalance => assert!(
                matches!(outcome, Ok(Outcome::Rejected { code: ErrorKind::InsufficientBalance, .. }))
                    && left == 0
            ),
            Fault::ThrottledOnce => {
                assert!(matches!(outcome, Ok(Outcome::NotSent { .. })) && left == 0);
                assert!(matches!(case.provider.send(&message).await, Outcome::Accepted { .. }));
            }
            Fault::ThrottledAlways => assert!(matches!(outcome, Ok(Outcome::NotSent { .. })) && left == 0),
            Fault::LostAnswer => assert!(matches!(outcome, Ok(Outcome::Unknown { .. })) && left == 1),
            Fault::Stalls => assert!(outcome.is_err() && left == 0),
            Fault::Overcharged => {
                let Ok(Outcome::Accepted { price: Some(price), .. }) = outcome else { panic!("{outcome:?}") };
                assert_eq!(price.micros, 2 * case.provider.price(&message.to, 2).unwrap().micros);
            }
            Fault::LateReceipt | Fault::NoReceipt => {
                assert!(matches!(outcome, Ok(Outcome::Accepted { .. })));
                assert!(tokio::time::timeout(A_WHILE, receipts.recv()).await.is_err(), "{fault:?}");
            }
            Fault::ReceiptTwice | Fault::FailedDelivery => {
                assert!(matches!(outcome, Ok(Outcome::Accepted { .. })));
                let expected: &[State] =
                    if fault == Fault::ReceiptTwice { &[State::Delivered; 2] } else { &[State::Failed] };
                for state in expected {
                    let notice = within("the receipt", receipts.recv()).await.unwrap();
                    assert!(
                        matches!(&notice.event, Event::Receipt(receipt) if receipt.state == *state),
                        "{notice:?}"
                    );
                }
                assert!(
                    tokio::time::timeout(A_WHILE, receipts.recv()).await.is_err(),
                    "{fault:?}: and no more"
                );
            }
            Fault::EmptiesBalance => {
                assert!(matches!(outcome, Ok(Outcome::Accepted { .. })));
                assert!(
                    matches!(case.provider.balance().await, Ok(Balance::Money(money)) if money.micros == 0)
                );
                let next = case.provider.send(&submission(2, &fictional(2))).await;
                assert!(
                    matches!(next, Outcome::Rejected { code: ErrorKind::InsufficientBalance, .. }),
                    "{next:?}"
                );
            }
            _ => panic!("the table has a fault that this test does not know: {fault:?}"),
        }
    }
}
