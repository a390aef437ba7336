//! CMPP before a mock ISMG that does what gateways do: other versions, both lengths of reports, proofs that
//! are wrong, answers late, in another order and not at all, ids that wrap, and texts of people.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Event, Notice};
use sms_mcp::provider::line::cmpp::Config;
use sms_mcp::provider::line::cmpp::login::Verify;
use sms_mcp::provider::line::cmpp::pdu::Version;
use sms_mcp::provider::line::session::Settings;
use sms_mcp::provider::{Outcome, Provider, SegmentOutcome, Submission};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::number::Number;
use tokio::sync::mpsc::Receiver;

use super::{build, cmpp_config, next};
use crate::carrier::ismg::{Habits, SECRET};
use crate::carrier::peer::{Peer, Receipts, Script};
use crate::support::{A_WHILE, within};
use crate::vendors::submission_of;

const PERSON: &str = "13800138000";

fn message(n: usize, text: &str) -> Submission {
    let to = Number::parse(&format!("+861380013{n:04}"), None).unwrap();
    submission_of(MessageId::new(1, n as u128), to, text)
}

fn provider(config: &Config) -> (Arc<dyn Provider>, Receiver<Notice>) {
    let provider = build(config, "secret", SECRET);
    let notices = provider.notices().unwrap();
    (provider, notices)
}

/// The ids of what was taken, in order.
fn ids(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Accepted { vendor_id: Some(id), .. } => vec![id.clone()],
        Outcome::Segments(segments) => segments
            .iter()
            .map(|segment| match segment {
                SegmentOutcome::Accepted { vendor_id, .. } => vendor_id.clone(),
                other => panic!("{other:?}"),
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Takes receipts until each of these ids had one; in which state they all were.
async fn receipts(notices: &mut Receiver<Notice>, ids: &[String]) -> State {
    let mut open: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    let mut state = None;
    while !open.is_empty() {
        let notice = next(notices).await;
        let Event::Receipt(receipt) = &notice.event else { panic!("{notice:?}") };
        assert!(ids.contains(&receipt.vendor_id), "{receipt:?}");
        open.remove(receipt.vendor_id.as_str());
        assert!(state.is_none_or(|state| state == receipt.state), "{receipt:?}");
        state = Some(receipt.state);
        notice.recorded(true);
    }
    state.unwrap()
}

fn count(counter: &std::sync::atomic::AtomicUsize) -> usize {
    counter.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_is_spoken_with_reports_of_either_length() {
    for (version, highest, steps_down, spoken) in [
        (Version::V20, 0x30, false, 0x20),
        (Version::V21, 0x30, false, 0x21),
        (Version::V30, 0x30, false, 0x30),
        // The gateway speaks less: it refuses the version, or says yes and a lower one.
        (Version::V30, 0x20, false, 0x20),
        (Version::V30, 0x20, true, 0x20),
    ] {
        for report in [60, 71] {
            let ismg = Peer::ismg();
            ismg.habits(|habits| {
                *habits = Habits { highest, steps_down, report_octets: Some(report), ..Habits::default() }
            });
            let (provider, mut notices) = provider(&Config { version, ..cmpp_config(&ismg) });
            let texts = ["hello", "你好，世界", "ünïcødé 🙂", &"long ".repeat(60), &"世界🙂".repeat(50)];
            for (n, text) in texts.iter().enumerate() {
                let outcome = provider.send(&message(n, text)).await;
                assert_eq!(
                    receipts(&mut notices, &ids(&outcome)).await,
                    State::Delivered,
                    "{version:?} {highest:#x} {text}"
                );
                assert_eq!(
                    ismg.messages()[&(format!("1380013{n:04}"), (*text).to_owned())],
                    1,
                    "{version:?}"
                );
            }
            assert_eq!(ismg.version(), spoken, "{version:?} before {highest:#x}");
            provider.close().await;
            ismg.until("it says goodbye", |ismg| count(&ismg.counters().byes) == 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_stat_of_a_report_means() {
    let ismg = Peer::ismg();
    let (provider, mut notices) = provider(&cmpp_config(&ismg));
    for (n, (stat, state)) in [
        ("DELIVRD", State::Delivered),
        ("EXPIRED", State::Expired),
        ("DELETED", State::Failed),
        ("UNDELIV", State::Failed),
        ("UNKNOWN", State::Failed),
        ("REJECTD", State::Failed),
        ("MA:0001", State::Failed),
        ("DB:0141", State::Failed),
    ]
    .into_iter()
    .enumerate()
    {
        ismg.script(|script| script.stat = stat.to_owned());
        let outcome = provider.send(&message(n, "hello")).await;
        assert_eq!(receipts(&mut notices, &ids(&outcome)).await, state, "{stat}");
    }
    // Still on its way: thanked for, and no news.
    ismg.script(|script| script.stat = "ACCEPTD".to_owned());
    ids(&provider.send(&message(90, "hello")).await);
    let told = count(&ismg.counters().told);
    ismg.until("it is thanked for", |ismg| count(&ismg.counters().thanked) == told);
    assert!(notices.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_is_wrong_matters_as_far_as_the_operator_says() {
    for (verify, bad, wide, works) in [
        (Verify::Off, true, false, true),
        (Verify::Warn, true, false, true),
        (Verify::Warn, false, true, true),
        (Verify::Strict, false, false, true),
        (Verify::Strict, true, false, false),
    ] {
        for version in [Version::V20, Version::V30] {
            let ismg = Peer::ismg();
            ismg.habits(|habits| *habits = Habits { bad_proof: bad, wide_proof: wide, ..Habits::default() });
            let (provider, _notices) = provider(&Config { verify, version, ..cmpp_config(&ismg) });
            let checked = provider.check().await;
            assert_eq!(checked.is_ok(), works, "{verify:?} {bad} {wide} {version:?}: {checked:?}");
        }
    }
    let ismg = Peer::ismg();
    let wrong = build(&cmpp_config(&ismg), "secret", "wrong");
    assert_eq!(wrong.check().await.unwrap_err().kind(), ErrorKind::ProviderUnauthorized);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_reports_are_matched_in_whatever_order_they_come() {
    let early = |script: &mut Script| script.receipts = Receipts::Early;
    let twice = |script: &mut Script| script.receipts_twice = true;
    let reversed = |script: &mut Script| (script.receipts_reversed, script.reorder) = (true, true);
    let late = |script: &mut Script| {
        (script.receipts, script.delay) =
            (Receipts::After(Duration::from_millis(60)), Duration::from_millis(20))
    };
    let scripts: [fn(&mut Script); 4] = [early, twice, reversed, late];
    for (n, change) in scripts.into_iter().enumerate() {
        let ismg = Peer::ismg();
        ismg.script(change);
        let (provider, mut notices) =
            provider(&Config { session: Settings { window: 16, ..super::patient() }, ..cmpp_config(&ismg) });
        let outcomes = futures::future::join_all((0..60).map(|n| {
            let (provider, message) = (Arc::clone(&provider), message(n, &format!("hello {n}")));
            async move { provider.send(&message).await }
        }));
        let outcomes = within("all are answered", outcomes).await;
        // Nobody else was given the id that is somebody's: the gateway's log says whose it is.
        for (n, outcome) in outcomes.iter().enumerate() {
            let id = &ids(outcome)[0];
            let submit = ismg.submits().into_iter().find(|submit| submit.id == *id).unwrap();
            assert_eq!(submit.text, format!("hello {n}"));
        }
        let ids: Vec<String> = outcomes.iter().flat_map(ids).collect();
        assert_eq!(receipts(&mut notices, &ids).await, State::Delivered, "script {n}");
        assert!(count(&ismg.counters().most_open) <= 16, "script {n}: the window holds");
        assert_eq!(ismg.repeated(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_for_many_has_an_id_for_each_that_wraps_inside_its_sixteen_bits() {
    let ismg = Peer::ismg();
    ismg.habits(|habits| habits.wraps = true);
    ismg.tongue().set_next_id(0xfffe);
    let (provider, mut notices) = provider(&Config { destinations_per_submit: 5, ..cmpp_config(&ismg) });
    let messages: Vec<Submission> = (0..5).map(|n| message(n, "to five")).collect();
    let outcomes = provider.send_many(&messages).await;
    let ids: Vec<String> = outcomes.iter().flat_map(ids).collect();
    assert_eq!(ids.iter().map(|id| &id[12..]).collect::<Vec<_>>(), ["fffe", "ffff", "0000", "0001", "0002"]);
    assert!(
        ids.iter().all(|id| id[..12] == ids[0][..12]),
        "nothing is carried into the gateway's code: {ids:?}"
    );
    assert_eq!((ismg.submits().len(), receipts(&mut notices, &ids).await), (1, State::Delivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_destination_fails_alone() {
    let ismg = Peer::ismg();
    ismg.habits(|habits| habits.bad_destination = Some("13800130002".to_owned()));
    let (provider, _notices) = provider(&Config { destinations_per_submit: 5, ..cmpp_config(&ismg) });
    let messages: Vec<Submission> = (0..5).map(|n| message(n, "to five")).collect();
    for (n, outcome) in provider.send_many(&messages).await.iter().enumerate() {
        match n {
            2 => assert!(matches!(outcome, Outcome::Rejected { .. }), "{outcome:?}"),
            _ => assert_eq!(ids(outcome).len(), 1),
        }
    }
    let mut reached = ismg.recipients();
    reached.sort();
    assert_eq!(reached, ["13800130000", "13800130001", "13800130003", "13800130004"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn flow_control_slows_down_and_loses_nothing() {
    let ismg = Peer::ismg();
    ismg.script(|script| script.throttle_every = 7);
    let session = Settings { throttle_wait: "180s".parse().unwrap(), ..super::patient() };
    let (provider, _notices) = provider(&Config { session, ..cmpp_config(&ismg) });
    let outcomes = futures::future::join_all((0..40).map(|n| {
        let (provider, message) = (Arc::clone(&provider), message(n, "hello"));
        async move { provider.send(&message).await }
    }));
    for outcome in outcomes.await {
        ids(&outcome);
    }
    assert!(count(&ismg.counters().refused) > 0);
    assert_eq!((ismg.submits().len(), ismg.repeated()), (40, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_people_are_read_in_every_format_and_thanked_for_when_they_are_safe() {
    for version in [Version::V20, Version::V30] {
        let ismg = Peer::ismg();
        ismg.script(|script| script.resend_after = Some(Duration::from_millis(150)));
        let (provider, mut notices) = provider(&Config { version, ..cmpp_config(&ismg) });
        provider.check().await.unwrap();
        for (text, coding) in [("STOP", 0), ("退订 🙂", 8), ("退订", 15)] {
            ismg.hear_from(PERSON, text, coding);
            let notice = next(&mut notices).await;
            let Event::Reply(reply) = &notice.event else { panic!("{notice:?}") };
            assert_eq!((reply.from.text(), reply.text.as_str()), ("13800138000", text), "{version:?}");
            notice.recorded(true);
        }
        let long = "今天天气很好🙂 ".repeat(30);
        ismg.hear_long_from(PERSON, &long, 9, 60);
        assert_eq!(super::joined(&*provider, &mut notices).await.1, long, "its parts came last first");
        ismg.until("each is thanked for", |ismg| ismg.untold() == 0);
        // What could not be recorded is told again, with the same id.
        while notices.try_recv().is_ok() {}
        ismg.hear_from(PERSON, "again", 0);
        let first = next(&mut notices).await;
        let Event::Reply(one) = first.event.clone() else { panic!("{first:?}") };
        first.recorded(false);
        let second = next(&mut notices).await;
        assert!(
            matches!(&second.event, Event::Reply(other) if other.vendor_id == one.vendor_id),
            "{second:?}"
        );
        second.recorded(true);
        ismg.until("it is thanked for", |ismg| ismg.untold() == 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_is_kept_alive_in_both_directions_and_survives_the_gateways_leave() {
    let ismg = Peer::ismg();
    ismg.habits(|habits| habits.bare_active_test = true);
    let session = Settings { keep_alive: "100ms".parse().unwrap(), ..super::patient() };
    let (provider, _notices) = provider(&Config { session, ..cmpp_config(&ismg) });
    provider.check().await.unwrap();
    ismg.until("it asks whether we are there", |ismg| count(&ismg.counters().pings) >= 3);
    assert_eq!(count(&ismg.counters().connections), 1, "an answer that is a bare header is one");
    ismg.active_test();
    ismg.until("it answers", |ismg| count(&ismg.counters().pongs) == 1);
    ismg.terminate();
    ismg.until("it comes again", |ismg| count(&ismg.counters().binds) == 2);
    ids(&provider.send(&message(1, "hello")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_without_an_answer_is_unknown_and_never_written_again() {
    let ismg = Peer::ismg();
    ismg.script(|script| script.mute_every = 2);
    let (provider, _notices) = provider(&Config { session: super::hasty(), ..cmpp_config(&ismg) });
    ids(&provider.send(&message(1, "one")).await);
    assert!(matches!(provider.send(&message(2, "two")).await, Outcome::Unknown { .. }));
    ids(&provider.send(&message(3, "three")).await);
    let outcome = provider.send(&message(4, &"long ".repeat(60))).await;
    let Outcome::Segments(segments) = outcome else { panic!("{outcome:?}") };
    assert!(segments.iter().any(|segment| matches!(segment, SegmentOutcome::Unknown { .. })), "{segments:?}");
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((ismg.submits().len(), ismg.repeated()), (3 + segments.len(), 0));
}
