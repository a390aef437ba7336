//! A message that the policy lets leave later, or wants a person to say yes to: what its caller is told, and
//! what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sms_mcp::clock::{Clock as _, Timestamp};
use sms_mcp::engine::Base;
use sms_mcp::engine::contract::{
    BulkArgs, BulkStatus, ListArgs, OnInvalid, Recipient, SendArgs, Status, StatusArgs,
};
use sms_mcp::error::ErrorKind;
use sms_mcp::policy::Timing;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::verdict::Verdict;

use crate::engine::{Bench, NOON, bench_timed, caller, to};
use crate::support::{eventually_async, fictional, operator};

const HOUR_MS: i64 = 3_600_000;

fn later() -> Verdict {
    Verdict::At { at_ms: NOON + 8 * HOUR_MS, by_ms: None, why: "it is night there".into() }
}

fn ask() -> Verdict {
    Verdict::Ask {
        schedule: sms_mcp::sms::schedule::Schedule::default(),
        why: "nobody knows this number".into(),
    }
}

/// An engine whose policy lets messages leave eight hours after noon.
fn by_night(change: impl FnOnce(&mut sms_mcp::policy::Settings)) -> Bench {
    bench_timed(change, |clock| {
        let clock = Arc::clone(clock);
        Timing::new(
            move |_, _| if clock.now() < Timestamp(NOON + 8 * HOUR_MS) { later() } else { Verdict::Now },
        )
    })
}

async fn state_of(bench: &Bench, id: &MessageId) -> State {
    let answer = bench
        .engine
        .status(&caller(Base::Open), StatusArgs { id: id.to_string(), ..StatusArgs::default() })
        .await
        .unwrap();
    answer.message.unwrap().status
}

#[tokio::test]
async fn what_may_leave_later_is_shown_as_scheduled_and_leaves_when_its_time_has_come() {
    let bench = by_night(|_| {});
    bench.engine.start(true).await.unwrap();
    let quote = bench.send(SendArgs { dry_run: true, ..to(1, "hello") }).await.unwrap();
    assert!(
        quote.quote.unwrap().allowed
            && quote
                .warnings
                .iter()
                .any(|warning| warning.starts_with("It would wait until 2027-01-15T20:00:00"))
    );
    let keyed = || SendArgs { idempotency_key: Some("k".into()), ..to(1, "hello") };
    let answer = bench.send(keyed()).await.unwrap();
    assert_eq!(answer.status, Status::State(State::Scheduled));
    assert!(
        answer
            .warnings
            .iter()
            .any(|warning| warning.contains("it is night there") && warning.contains("do NOT send it again"))
    );
    let id = answer.id.unwrap();
    let again = bench.send(keyed()).await.unwrap();
    assert_eq!(
        (again.id.as_ref(), again.replayed, again.status),
        (Some(&id), true, Status::State(State::Scheduled))
    );
    assert_eq!(
        bench.kind(to(1, "hello")).await,
        Some(ErrorKind::DuplicateSuspected),
        "it counts for what comes after it"
    );
    let listed = bench
        .engine
        .list(&caller(Base::Open), ListArgs { status: Some(State::Scheduled), ..ListArgs::default() })
        .await
        .unwrap();
    assert_eq!(listed.messages.len(), 1);
    assert_eq!(bench.tries(), 0);
    bench.later(8 * HOUR_MS);
    eventually_async("it is sent", async || state_of(&bench, &id).await == State::Sent).await;
    assert_eq!(bench.tries(), 1);
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn who_opts_out_or_is_denied_while_a_text_waits_never_gets_it() {
    let bench = by_night(|_| {});
    let first = bench.send(to(1, "hello")).await.unwrap().id.unwrap();
    let second = bench.send(to(2, "hello")).await.unwrap().id.unwrap();
    bench
        .engine
        .set_opt_out(&operator(), &fictional(1), sms_mcp::engine::opt_outs::Wants::NoTexts)
        .await
        .unwrap();
    assert_eq!(state_of(&bench, &first).await, State::Rejected);
    bench.engine.stop(Duration::from_millis(1)).await;
    bench.later(9 * HOUR_MS);
    let engine = bench.restarted_denying("FR");
    engine.start(true).await.unwrap();
    let status = async || {
        let args = StatusArgs { id: second.to_string(), ..StatusArgs::default() };
        engine.status(&caller(Base::Open), args).await.unwrap().message.unwrap()
    };
    eventually_async("it has ended", async || status().await.status == State::Rejected).await;
    assert_eq!(status().await.code.as_deref(), Some("destination_not_allowed"));
    assert_eq!(bench.tries(), 0);
    engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn what_a_person_is_to_say_yes_to_waits_for_ever_and_is_taken_back() {
    let bench = bench_timed(|_| {}, |_| Timing::new(|_, _| ask()));
    bench.engine.start(true).await.unwrap();
    let answer = bench.send(to(1, "hello")).await.unwrap();
    assert_eq!(answer.status, Status::State(State::Proposed));
    assert!(
        answer
            .warnings
            .iter()
            .any(|warning| warning.contains("until a person has said yes: nobody knows this number"))
    );
    let id = answer.id.unwrap();
    bench.later(100 * HOUR_MS);
    assert_eq!(state_of(&bench, &id).await, State::Proposed);
    assert_eq!(bench.engine.take_back(&caller(Base::Open), &id).await.unwrap(), State::Canceled);
    let refused = bench.engine.take_back(&caller(Base::Open), &id).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    let nobodys =
        bench.engine.take_back(&sms_mcp::engine::Caller::new("bob", Base::Open), &id).await.unwrap_err();
    assert_eq!((nobodys.kind(), bench.tries()), (ErrorKind::NotFound, 0));
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn a_bulk_does_not_wait_for_those_of_it_that_leave_later() {
    let is_night = Arc::new(AtomicBool::new(true));
    let night = Arc::clone(&is_night);
    let bench = bench_timed(
        |_| {},
        move |_| {
            Timing::new(move |ask, _| {
                if night.load(Ordering::SeqCst) && ask.to.e164() == fictional(1) {
                    later()
                } else {
                    Verdict::Now
                }
            })
        },
    );
    bench.engine.start(true).await.unwrap();
    let recipients = [1, 2].map(|n| Recipient { to: fictional(n), data: Default::default() }).into();
    let args = BulkArgs {
        recipients,
        message: "hello".into(),
        on_invalid: OnInvalid::Refuse,
        ..BulkArgs::default()
    };
    let answer = bench.engine.send_bulk(caller(Base::Open), args, None, None).await.unwrap();
    let counts: Vec<(&str, u32)> =
        answer.counts.iter().map(|(state, count)| (state.as_str(), *count)).collect();
    assert_eq!((counts, answer.status), (vec![("scheduled", 1), ("sent", 1)], BulkStatus::InProgress));
    is_night.store(false, Ordering::SeqCst);
    bench.later(8 * HOUR_MS);
    let id = answer.batch.unwrap();
    let status = async || {
        let args = StatusArgs { id: id.to_string(), ..StatusArgs::default() };
        bench.engine.status(&caller(Base::Open), args).await.unwrap().bulk.unwrap().status
    };
    eventually_async("all of it has left", async || status().await == BulkStatus::Done).await;
    assert_eq!(bench.tries(), 2);
    bench.engine.stop(Duration::from_millis(100)).await;
}
