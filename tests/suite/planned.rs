//! Texts that are set for a time: what agents are told, what leaves and when, and what is taken back.

use std::time::Duration;

use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::engine::Base;
use sms_mcp::engine::contract::{BulkArgs, CancelArgs, Recipient, SendArgs, Status, StatusArgs};
use sms_mcp::engine::opt_outs::Wants;
use sms_mcp::error::ErrorKind;
use sms_mcp::sms::message::State;

use crate::engine::{Bench, NOON, bench, bench_held, bench_slow, caller, to};
use crate::support::{Desk, Era, answer, eventually_async, fictional, operator, refusal};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// So long from now, as an argument.
fn in_ms(ms: i64) -> String {
    SystemClock.now().plus_ms(ms).rfc3339()
}

fn at(ms: i64) -> Option<String> {
    Some(sms_mcp::clock::Timestamp(NOON + ms).rfc3339())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_set_for_a_time_is_shown_leaves_then_and_survives_a_restart() {
    let desk = Desk::new("");
    let client = desk.stdio(Era::Stateless).await;
    let call =
        json!({ "to": "+12025550123", "message": "Soon", "send_at": in_ms(4_000), "idempotency_key": "k" });
    let quote = json!({ "to": "+12025550123", "message": "Soon", "send_at": in_ms(4_000), "dry_run": true });
    let quoted = answer(&client, "send_sms", quote).await;
    assert!(quoted["scheduled_for"].is_string() && quoted["quote"]["allowed"] == true, "{quoted}");
    let told = answer(&client, "send_sms", call.clone()).await;
    assert_eq!(told["status"], "scheduled", "{told}");
    assert!(told["scheduled_for"].is_string() && told["deliver_by"].is_string(), "{told}");
    let warnings = told["warnings"].to_string();
    assert!(warnings.contains("do NOT send it again") && warnings.contains("while"), "{warnings}");
    let again = answer(&client, "send_sms", call).await;
    assert_eq!((&again["id"], &again["replayed"]), (&told["id"], &json!(true)));
    let listed = answer(&client, "list_sms", json!({ "status": "scheduled" })).await;
    assert_eq!(listed["messages"][0]["scheduled_for"], told["scheduled_for"], "{listed}");
    client.cancel().await.unwrap();
    assert!(desk.sent().is_empty());
    // Another process lets it go.
    let client = desk.stdio(Era::Stateless).await;
    let id = told["id"].clone();
    let status =
        async || answer(&client, "get_status", json!({ "id": id })).await["message"]["status"].clone();
    eventually_async("it has left", async || status().await != "scheduled" && status().await != "queued")
        .await;
    client.cancel().await.unwrap();
    let sent = desk.sent();
    assert_eq!(sent.len(), 1, "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_left_is_taken_back_and_nothing_else_and_nothing_of_others() {
    let desk = Desk::new("");
    let client = desk.stdio(Era::Stateless).await;
    let later = json!({ "to": "+12025550123", "message": "Later", "send_at": in_ms(HOUR_MS) });
    let told = answer(&client, "send_sms", later).await;
    let spent = |told: &Value| told["budget"].clone();
    let canceled = answer(&client, "cancel_sms", json!({ "id": told["id"] })).await;
    assert_eq!((&canceled["canceled"], &canceled["status"]), (&json!(1), &json!("canceled")), "{canceled}");
    let refused = refusal(&client, "cancel_sms", json!({ "id": told["id"] })).await;
    assert_eq!(refused["code"], "invalid_argument", "{refused}");
    let now = answer(&client, "send_sms", json!({ "to": "+12025550124", "message": "Now" })).await;
    let refused = refusal(&client, "cancel_sms", json!({ "id": now["id"] })).await;
    assert!(refused["message"].as_str().unwrap().contains("does not wait any more"), "{refused}");
    for id in ["msg_0000", "bat_0000", "x", ""] {
        let refused = refusal(&client, "cancel_sms", json!({ "id": id })).await;
        assert!(["not_found", "invalid_argument"].contains(&refused["code"].as_str().unwrap()), "{refused}");
    }
    let bulk = json!({
        "recipients": [{ "to": "+12025550125" }, { "to": "+12025550126" }],
        "message": "All",
        "send_at": in_ms(HOUR_MS),
    });
    let bulk = answer(&client, "send_bulk", bulk).await;
    assert_eq!(bulk["counts"], json!({ "scheduled": 2 }), "{bulk}");
    let one = bulk["results"][0]["id"].clone();
    assert_eq!(answer(&client, "cancel_sms", json!({ "id": one })).await["canceled"], 1);
    assert_eq!(answer(&client, "cancel_sms", json!({ "id": bulk["batch"] })).await["canceled"], 1);
    let none = answer(&client, "cancel_sms", json!({ "id": bulk["batch"] })).await;
    assert_eq!(none["canceled"], 0);
    assert!(none["warnings"].to_string().contains("what has left"), "{none}");
    let balance = answer(&client, "get_balance", json!({})).await;
    assert!(!balance["budgets"].to_string().contains("\"held\":{\"amount\":\"0.0"), "{balance}");
    let _ = spent;
    client.cancel().await.unwrap();
    assert_eq!(desk.sent().len(), 1);
}

#[tokio::test]
async fn a_time_that_cannot_be_is_refused_and_nothing_is_kept() {
    let bench = bench(Vec::new(), |_| {});
    let cases = [
        (SendArgs { send_at: at(-HOUR_MS), ..to(1, "x") }, "past already"),
        (SendArgs { send_at: at(91 * DAY_MS), ..to(1, "x") }, "90 days"),
        (SendArgs { send_at: Some("tomorrow".into()), ..to(1, "x") }, "is no time"),
        (SendArgs { send_at: Some("2027-01-16T09:00".into()), ..to(1, "x") }, "which clock"),
        (SendArgs { send_at: at(HOUR_MS), deliver_by: at(HOUR_MS / 2), ..to(1, "x") }, "before `send_at`"),
        (SendArgs { deliver_by: at(-1), ..to(1, "x") }, "past already"),
        (
            SendArgs { send_at: at(HOUR_MS), send_at_local: Some("2027-01-16T09:00".into()), ..to(1, "x") },
            "one of them",
        ),
    ];
    for (args, words) in cases {
        let refused = bench.send(args).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        assert!(refused.message().contains(words), "{refused}");
    }
    assert_eq!(bench.tries(), 0);
}

#[tokio::test]
async fn another_time_or_purpose_under_the_same_key_is_another_call() {
    let bench = bench(Vec::new(), |_| {});
    let keyed =
        |send_at: Option<String>| SendArgs { send_at, idempotency_key: Some("k".into()), ..to(1, "x") };
    let first = bench.send(keyed(at(HOUR_MS))).await.unwrap();
    assert_eq!(first.status, Status::State(State::Scheduled));
    assert_eq!(bench.send(keyed(at(HOUR_MS))).await.unwrap().id, first.id);
    for other in [at(2 * HOUR_MS), None] {
        assert_eq!(bench.kind(keyed(other)).await, Some(ErrorKind::IdempotencyConflict));
    }
    let marketing =
        SendArgs { purpose: Some(sms_mcp::sms::purpose::Purpose::Marketing), ..keyed(at(HOUR_MS)) };
    assert_eq!(bench.kind(marketing).await, Some(ErrorKind::IdempotencyConflict));
}

#[tokio::test]
async fn a_machine_that_slept_over_the_time_lets_it_expire_and_gives_its_money_back() {
    let bench = bench(Vec::new(), |_| {});
    bench.engine.start(true).await.unwrap();
    let late = bench.send(SendArgs { send_at: at(HOUR_MS), ..to(1, "x") }).await.unwrap();
    let by = SendArgs { send_at: at(HOUR_MS), deliver_by: at(9 * HOUR_MS), ..to(2, "x") };
    let in_time = bench.send(by).await.unwrap();
    bench.later(8 * HOUR_MS);
    let state = async |id: &sms_mcp::sms::message::MessageId| {
        let args = StatusArgs { id: id.to_string(), ..StatusArgs::default() };
        bench.engine.status(&caller(Base::Open), args).await.unwrap().message.unwrap().status
    };
    let (late, in_time) = (late.id.unwrap(), in_time.id.unwrap());
    eventually_async("it expires", async || state(&late).await == State::Expired).await;
    eventually_async("the other leaves", async || state(&in_time).await == State::Sent).await;
    assert_eq!(bench.tries(), 1);
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn who_cancels_is_who_asked_for_it() {
    let bench = bench(Vec::new(), |_| {});
    let id = bench.send(SendArgs { send_at: at(HOUR_MS), ..to(1, "x") }).await.unwrap().id.unwrap();
    let cancel = |name: &str| {
        let caller = sms_mcp::engine::Caller::new(name, Base::Open);
        let (engine, args) = (bench.engine.clone(), CancelArgs { id: id.to_string() });
        async move { engine.cancel_any(&caller, args).await }
    };
    assert_eq!(cancel("mallory").await.unwrap_err().kind(), ErrorKind::NotFound);
    let mine = bench.engine.cancel_any(&caller(Base::Open), CancelArgs { id: id.to_string() }).await.unwrap();
    assert_eq!(mine.status, Some(State::Canceled));
}

#[test]
fn a_command_sets_a_time_and_says_that_a_server_has_to_run_then() {
    let desk = Desk::new("");
    let ended = desk.run(&["send", "+12025550123", "Later", "--send-at", &in_ms(HOUR_MS), "--json"]);
    let told: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    assert_eq!(told["status"], "scheduled", "{told}");
    assert!(told["warnings"].to_string().contains("no server"), "{told}");
    let ended = desk.run(&["cancel", told["id"].as_str().unwrap()]);
    assert!(ended.out.contains("canceled"), "{ended:?}");
    let ended = desk.run(&["send", "+12025550123", "Later", "--purpose", "sales"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.err.contains("transactional or marketing"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_agents_may_send_texts_for_is_the_operators_to_say() {
    let desk = Desk::new("[guard]\npurposes = [\"transactional\"]\nbulk_is_marketing_above = 2\n");
    let client = desk.stdio(Era::Stateless).await;
    let call = json!({ "to": "+12025550123", "message": "Sale", "purpose": "marketing" });
    assert_eq!(refusal(&client, "send_sms", call).await["code"], "purpose_not_allowed");
    let bulk = |count: usize| {
        let recipients: Vec<Value> = (0..count).map(|n| json!({ "to": format!("+1202555012{n}") })).collect();
        json!({ "recipients": recipients, "message": "Hello", "purpose": "transactional" })
    };
    let refused = refusal(&client, "send_bulk", bulk(3)).await;
    assert!(refused.to_string().contains("a bulk to more than 2 people is marketing"), "{refused}");
    assert_eq!(answer(&client, "send_bulk", bulk(2)).await["accepted"], 2);
    client.cancel().await.unwrap();
    for (settings, words) in [
        ("[guard]\npurposes = [\"marketing\"]\n", "guard.default_purpose"),
        ("[guard]\ndefault_purpose = \"sales\"\n", "sales"),
        ("[guard]\npurposes = [\"sales\"]\n", "sales"),
        ("[[sender]]\nid = \"Acme\"\npurpose = \"sales\"\n", "sales"),
        ("[schedule]\nlate = \"0s\"\n", "schedule.late"),
    ] {
        let ended = Desk::new(settings).run(&["config", "check"]);
        assert_ne!(ended.code, 0, "{settings}");
        assert!(ended.err.contains(words), "{settings}: {ended:?}");
    }
}

#[tokio::test]
async fn what_must_have_left_is_not_tried_again_after_that() {
    use sms_mcp::provider::Outcome;
    let busy = || Outcome::NotSent { retry_after_ms: Some(500), why: "busy".into() };
    let by = |bench: &Bench| Some(bench.clock_now().plus_ms(30_000).rfc3339());
    // A call of its own, whose carrier was not reached while the machine slept.
    let bench = bench_slow(vec![busy()], 60_000);
    let late = SendArgs { deliver_by: by(&bench), ..to(1, "x") };
    let refused = bench.send(late).await.unwrap_err();
    assert_eq!((refused.kind(), bench.tries()), (ErrorKind::ProviderUnavailable, 1), "{refused}");
    assert!(refused.message().contains("the time by which it was to leave is over"), "{refused}");
    assert!(
        refused.details().provider_said.is_none() && refused.next_step().contains("deliver_by"),
        "{refused}"
    );
    // Within the time it is.
    let bench = bench_slow(vec![busy()], 10_000);
    let early = SendArgs { deliver_by: by(&bench), ..to(1, "x") };
    assert_eq!((bench.send(early).await.unwrap().status, bench.tries()), (Status::State(State::Sent), 2));
    // In the queue.
    let bench = bench_slow(vec![busy()], 60_000);
    bench.engine.start(true).await.unwrap();
    let recipients = vec![Recipient { to: fictional(1), data: Default::default() }];
    let args = BulkArgs { recipients, message: "x".into(), deliver_by: by(&bench), ..BulkArgs::default() };
    let told = bench.engine.send_bulk(caller(Base::Named("process".into())), args, None, None).await.unwrap();
    assert_eq!((told.counts.get("expired"), bench.tries()), (Some(&1), 1), "{told:?}");
}

#[tokio::test]
async fn a_stop_between_two_tries_holds() {
    use sms_mcp::provider::Outcome;
    let busy = || Outcome::NotSent { retry_after_ms: Some(500), why: "busy".into() };
    let (bench, answers) = bench_held(vec![busy(), busy()]);
    let stop = async {
        eventually_async("the first try", async || bench.tries() == 1).await;
        bench.engine.set_opt_out(&operator(), &fictional(1), Wants::NoTexts).await.unwrap();
        answers.add_permits(9);
    };
    let (refused, ()) = tokio::join!(bench.send(to(1, "x")), stop);
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind(), bench.tries()), (ErrorKind::OptedOut, 1), "{refused}");
    assert!(refused.details().provider_said.is_none(), "{refused}");
}
