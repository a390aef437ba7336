//! CMPP as a provider before the mock ISMG: what becomes of messages, and what the gateway tells.

use std::time::Duration;

use sms_mcp::error::ErrorKind;
use sms_mcp::provider::cmpp::Config;
use sms_mcp::provider::cmpp::login::Verify;
use sms_mcp::provider::cmpp::pdu::Version;
use sms_mcp::provider::exchange::{Arguments, Event, Notice, Reply};
use sms_mcp::provider::{Outcome, SegmentOutcome, Submission};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::number::Number;
use tokio::sync::mpsc;

use super::{build_cmpp, cmpp, cmpp_config};
use crate::carrier::ismg::{Habits, Ismg, SOURCE};
use crate::carrier::peer::{Peer, Receipts};

fn message(n: u16, text: &str) -> Submission {
    let to = Number::parse(&format!("+861380013{n:04}"), None).unwrap();
    Submission { id: MessageId::new(1, u128::from(n)), to, from: None, text: text.to_owned(), segments: 1 }
}

fn id_of(outcome: &Outcome) -> String {
    let Outcome::Accepted { vendor_id: Some(id), .. } = outcome else { panic!("{outcome:?}") };
    id.clone()
}

/// The next thing that the gateway tells, which is then thanked for.
async fn told(notices: &mut mpsc::Receiver<Notice>) -> Event {
    let notice = tokio::time::timeout(Duration::from_secs(10), notices.recv()).await.unwrap().unwrap();
    let event = notice.event.clone();
    notice.recorded(true);
    event
}

async fn reply(notices: &mut mpsc::Receiver<Notice>) -> Reply {
    match told(notices).await {
        Event::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn assert_polite(ismg: &Peer<Ismg>) {
    assert!(ismg.complaints().is_empty(), "{:?}", ismg.complaints());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_each_form_arrives_whole_in_every_version() {
    let texts = ["Hello, CMPP!".to_owned(), "你好".to_owned(), "a".repeat(300), "长".repeat(100), format!("{}{}", "好".repeat(30), "a".repeat(80))];
    for version in [Version::V20, Version::V21, Version::V30] {
        let ismg = Peer::ismg();
        let provider = build_cmpp(Config { version, verify: Verify::Strict, ..cmpp_config(&ismg) });
        for (n, text) in (0..).zip(&texts) {
            let sent = provider.send(&message(n, text)).await;
            let segments = provider.form(text).segments;
            match sent {
                Outcome::Accepted { .. } => assert_eq!(segments, 1, "{version:?}"),
                Outcome::Segments(told) => {
                    assert_eq!(u32::try_from(told.len()).unwrap(), segments);
                    assert!(told.iter().all(|segment| matches!(segment, SegmentOutcome::Accepted { .. })), "{told:?}");
                }
                other => panic!("{version:?}: {other:?}"),
            }
            assert_eq!(ismg.messages()[&(format!("1380013{n:04}"), text.clone())], 1, "{version:?}");
        }
        assert_eq!(ismg.version(), version.octet());
        provider.close().await;
        assert_polite(&ismg);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_of_a_lower_version_is_spoken_to_in_that_one() {
    for (highest, steps_down) in [(0x20, false), (0x20, true), (0x21, false), (0x21, true)] {
        let ismg = Peer::ismg();
        ismg.habits(|habits| *habits = Habits { highest, steps_down, ..Habits::default() });
        let provider = cmpp(&ismg);
        id_of(&provider.send(&message(1, "Hello")).await);
        assert_eq!(ismg.version(), highest, "{steps_down}");
        assert!(provider.check().await.unwrap()[0].text.contains(if highest == 0x20 { "2.0" } else { "2.1" }));
        assert_polite(&ismg);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_proof_of_the_gateway_matters_only_to_the_strict() {
    for (verify, bad_proof, wide_proof, is_taken) in [
        (Verify::Strict, false, false, true),
        (Verify::Strict, true, false, false),
        (Verify::Strict, false, true, false),
        (Verify::Warn, true, false, true),
        (Verify::Warn, false, true, true),
        (Verify::Off, true, false, true),
    ] {
        let ismg = Peer::ismg();
        ismg.habits(|habits| *habits = Habits { bad_proof, wide_proof, ..Habits::default() });
        let provider = build_cmpp(Config { version: Version::V20, verify, ..cmpp_config(&ismg) });
        let sent = provider.send(&message(1, "Hello")).await;
        assert_eq!(matches!(sent, Outcome::Accepted { .. }), is_taken, "{verify:?}: {sent:?}");
        assert!(is_taken || matches!(sent, Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, .. }), "{sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_either_length_is_the_receipt_of_its_message_in_either_version() {
    for (highest, octets) in [(0x20, None), (0x20, Some(71)), (0x30, None), (0x30, Some(60))] {
        for receipts in [Receipts::Early, Receipts::AtOnce] {
            let ismg = Peer::ismg();
            ismg.habits(|habits| *habits = Habits { highest, report_octets: octets, ..Habits::default() });
            ismg.script(|script| script.receipts = receipts);
            let provider = cmpp(&ismg);
            let mut notices = provider.notices().unwrap();
            assert!(provider.notices().is_none(), "there is one listener");
            for (n, stat, state) in [(1, "DELIVRD", State::Delivered), (2, "EXPIRED", State::Expired), (3, "MA:0001", State::Failed)] {
                ismg.script(|script| script.stat = stat.to_owned());
                let id = id_of(&provider.send(&message(n, "Hello")).await);
                let Event::Receipt(receipt) = told(&mut notices).await else { panic!() };
                assert_eq!((receipt.vendor_id, receipt.state), (id, state), "{highest:#x} {octets:?}");
                assert_eq!(receipt.why.as_deref(), (stat != "DELIVRD").then_some(stat));
            }
            ismg.until("all thanked", Duration::from_secs(5), |ismg| ismg.untold() == 0);
            assert_polite(&ismg);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_recorded_is_told_again() {
    let ismg = Peer::ismg();
    ismg.script(|script| {
        script.receipts = Receipts::AtOnce;
        script.resend_after = Some(Duration::from_millis(50));
    });
    let provider = cmpp(&ismg);
    let mut notices = provider.notices().unwrap();
    let id = id_of(&provider.send(&message(1, "Hello")).await);
    notices.recv().await.unwrap().recorded(false);
    let Event::Receipt(receipt) = told(&mut notices).await else { panic!() };
    assert_eq!(receipt.vendor_id, id);
    ismg.until("thanked", Duration::from_secs(5), |ismg| ismg.untold() == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_people_come_in_whole_whatever_their_form() {
    let ismg = Peer::ismg();
    let provider = cmpp(&ismg);
    let mut notices = provider.notices().unwrap();
    provider.check().await.unwrap();
    for (coding, text) in [(0, "TD"), (8, "你好🙂"), (15, "退订")] {
        ismg.from_person("13800138000", text, coding);
        let reply = reply(&mut notices).await;
        assert_eq!((reply.from.as_str(), reply.to.as_str(), reply.text.as_str()), ("+8613800138000", SOURCE, text));
    }
    let long = "长短信🙂".repeat(40);
    ismg.long_from_person("13800138000", &long, 7, 66);
    assert_eq!(reply(&mut notices).await.text, long);
    ismg.until("all thanked", Duration::from_secs(5), |ismg| ismg.untold() == 0);
    assert_polite(&ismg);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_submit_for_many_gives_each_recipient_an_id_that_its_report_names() {
    let ismg = Peer::ismg();
    ismg.habits(|habits| habits.wraps = true);
    ismg.tongue().set_next_id(0xFFFE);
    ismg.script(|script| script.receipts = Receipts::AtOnce);
    let provider = build_cmpp(Config { destinations_per_submit: 99, ..cmpp_config(&ismg) });
    let mut notices = provider.notices().unwrap();
    let group: Vec<Submission> = (0..5).map(|n| message(n, "Hello")).collect();
    let ids: Vec<String> = provider.send_many(&group).await.iter().map(id_of).collect();
    assert_eq!(ismg.submits().len(), 1);
    let low: Vec<&str> = ids.iter().map(|id| &id[12..]).collect();
    assert_eq!(low, ["fffe", "ffff", "0000", "0001", "0002"], "the gateway's own number is not counted up");
    let mut reported = Vec::new();
    for _ in &ids {
        let Event::Receipt(receipt) = told(&mut notices).await else { panic!() };
        reported.push(receipt.vendor_id);
    }
    reported.sort_unstable();
    let mut expected = ids;
    expected.sort_unstable();
    assert_eq!(reported, expected);
    assert_polite(&ismg);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_recipient_of_many_is_refused_alone_and_the_others_are_sent_once() {
    let ismg = Peer::ismg();
    ismg.habits(|habits| habits.bad_destination = Some("13800130001".to_owned()));
    let provider = build_cmpp(Config { destinations_per_submit: 99, ..cmpp_config(&ismg) });
    let long = "长".repeat(100);
    for text in ["Hello", &long] {
        let group: Vec<Submission> = (0..3).map(|n| message(n, text)).collect();
        let outcomes = provider.send_many(&group).await;
        assert!(matches!(&outcomes[1], Outcome::Rejected { code: ErrorKind::InvalidNumber, .. }), "{outcomes:?}");
        for n in [0_usize, 2] {
            assert!(matches!(&outcomes[n], Outcome::Accepted { .. } | Outcome::Segments(_)), "{outcomes:?}");
            assert_eq!(ismg.messages()[&(format!("1380013{n:04}"), text.to_owned())], 1);
        }
    }
    assert_eq!(ismg.repeated(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_a_submit_stand_in_its_fields() {
    let ismg = Peer::ismg();
    let span = |text: &str| Some(text.parse().unwrap());
    let provider = build_cmpp(Config {
        service_id: "svc01".to_owned(),
        fee_user_type: 3,
        fee_terminal_id: Some("13900139000".to_owned()),
        validity: span("48h"),
        at_time: span("10m"),
        long_reference: 16,
        receipts: false,
        national_numbers: false,
        ..cmpp_config(&ismg)
    });
    let sent = provider.send(&Submission { from: Some("1069000188".to_owned()), ..message(1, &"长".repeat(100)) }).await;
    assert!(matches!(&sent, Outcome::Segments(all) if all.len() == 2), "{sent:?}");
    let submits = ismg.submits();
    let field = |name| submits[0].fields.iter().find(|field| field.0 == name).unwrap().1.as_str();
    assert_eq!((field("Service_Id"), field("Fee_terminal_Id")), ("svc01", "13900139000"));
    assert!([field("ValId_Time"), field("At_Time")].iter().all(|time| time.len() == 16 && time.ends_with("032+")));
    assert!(field("At_Time") < field("ValId_Time"));
    assert_eq!((submits[0].from.as_str(), submits[0].to.as_slice()), ("1069000188", &["8613800130001".to_owned()][..]));
    assert!(submits.iter().all(|submit| !submit.wants_receipt && submit.part.as_ref().is_some_and(|part| part.total == 2)));
    assert_polite(&ismg);
}

#[tokio::test(flavor = "multi_thread")]
async fn flow_control_slows_a_bulk_down_and_nothing_is_lost() {
    let ismg = Peer::ismg();
    ismg.script(|script| script.throttle_every = 5);
    let mut config = cmpp_config(&ismg);
    config.session.throttle_wait = "5s".parse().unwrap();
    let provider = build_cmpp(config);
    let sends = (0..40).map(|n| {
        let provider = provider.clone();
        async move { provider.send(&message(n, "Hello")).await }
    });
    for sent in futures::future::join_all(sends).await {
        id_of(&sent);
    }
    assert_eq!((ismg.repeated(), ismg.messages().len()), (0, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_asks_and_that_goes_is_answered_and_found_again() {
    let ismg = Peer::ismg();
    ismg.habits(|habits| habits.bare_active_test = true);
    let provider = cmpp(&ismg);
    id_of(&provider.send(&message(1, "Hello")).await);
    ismg.active_test();
    ismg.until("an answer to ACTIVE_TEST", Duration::from_secs(5), |ismg| ismg.counters().pongs.load(std::sync::atomic::Ordering::SeqCst) > 0);
    ismg.terminate();
    ismg.until("another connection", Duration::from_secs(5), |ismg| ismg.counters().binds.load(std::sync::atomic::Ordering::SeqCst) > 1);
    id_of(&provider.send(&message(2, "Hello")).await);
    assert_polite(&ismg);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_ask_for_counts_and_take_a_message_back() {
    let ismg = Peer::ismg();
    let provider = cmpp(&ismg);
    let id = id_of(&provider.send(&message(1, "Hello")).await);
    let counts = provider.act("query", &Arguments::from([("day".to_owned(), "2026-11-22".to_owned())])).await.unwrap();
    assert_eq!(counts["day"], "20261122");
    assert!(counts["taken"].is_u64(), "{counts}");
    let canceled = provider.act("cancel", &Arguments::from([("id".to_owned(), id)])).await;
    assert!(
        canceled.as_ref().is_ok_and(|value| value["canceled"] == true) || canceled.is_err_and(|error| error.kind() == ErrorKind::ProviderRejected)
    );
    assert_polite(&ismg);
}
