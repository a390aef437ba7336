//! What a person has to say yes to: nothing of it leaves without, and exactly that with it.

use std::time::Duration;

use serde_json::{Value, json};
use sms_mcp::engine::contract::{
    Approval as Required, BulkArgs, BulkStatus, CancelArgs, OnInvalid, Recipient, SendArgs, Status,
    StatusArgs,
};
use sms_mcp::engine::{Base, Caller, Engine, Person};
use sms_mcp::error::{ErrorKind, Result};
use sms_mcp::policy::{Approval, Settings};
use sms_mcp::setting::Span;
use sms_mcp::sms::message::{ProposalId, State};
use sms_mcp::sms::purpose::Purpose;

use crate::engine::{Bench, bench_asking, caller, to};
use crate::support::{Desk, Era, answer, eventually_async, fictional, operator, refusal};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

fn everything() -> Approval {
    Approval { everything: true, most_pending: 1_000_000, ..Approval::default() }
}

fn wide(settings: &mut Settings) {
    let amount = sms_mcp::sms::money::Amount::units(1_000_000);
    (settings.session_spend, settings.day_spend) = (amount, amount);
    (settings.session_messages, settings.day_messages, settings.bulk_max) = (1_000_000, 1_000_000, 100_000);
    (settings.recipient_per_hour, settings.recipient_per_day) = (1_000, 1_000);
    settings.bulk_is_marketing_above = 100_000;
}

fn approver(name: &str) -> Person {
    Person::let_pass(operator(), Some(name.to_owned()))
}

/// What was proposed: its id, and what a yes is a yes to.
async fn proposed(engine: &Engine, target: &str) -> (ProposalId, [u8; 32]) {
    let shown =
        engine.proposal(&operator(), target, sms_mcp::engine::proposals::Which::Sample).await.unwrap();
    (shown.proposal.id, shown.digest)
}

async fn send(engine: &Engine, args: SendArgs) -> Result<sms_mcp::engine::contract::SendAnswer> {
    engine.send(caller(Base::Named("process".into())), args).await
}

/// Lets a server look at all that may leave, for a week.
async fn pass_time(bench: &Bench, engine: &Engine) {
    for _ in 0..8 {
        bench.later(DAY_MS);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let _ = engine;
}

/// One thing that an agent does to have a text leave without a person; how often it was tried.
#[expect(clippy::cognitive_complexity, clippy::too_many_lines, reason = "a table of what is tried")]
async fn attack(bench: &Bench, kind: usize, round: usize) -> usize {
    let (engine, n) = (&bench.engine, round % 100);
    // No two are the same to a reader.
    let word = |n: usize| {
        (0..3).map(|i| char::from(b'b' + u8::try_from(n / 12usize.pow(i) % 12).unwrap())).collect::<String>()
    };
    let text = format!("Say {}{} please", word(kind), word(round));
    let args = || to(n, &text);
    let target = async |args: SendArgs| {
        let told = send(engine, args).await.unwrap();
        assert_eq!(told.status, Status::Approval(Required::ApprovalRequired));
        told.id.unwrap().to_string()
    };
    let is = |result: Result<sms_mcp::engine::Proposal>, kind: ErrorKind| {
        assert_eq!(result.unwrap_err().kind(), kind);
    };
    match kind {
        // The same call again and again, with its key.
        0 => {
            let keyed = || SendArgs { idempotency_key: Some(text.clone()), ..args() };
            let first = send(engine, keyed()).await.unwrap().id;
            for _ in 0..5 {
                let again = send(engine, keyed()).await.unwrap();
                assert_eq!((again.id, again.replayed), (first.clone(), true));
            }
            6
        }
        // Under other keys, in look-alike letters, and as meant twice.
        1 => {
            target(args()).await;
            let spelled = text.replace('e', "\u{435}").replace('S', "\u{ff33}");
            for other in [text.clone(), spelled] {
                assert!(send(engine, to(n, &other)).await.is_err());
            }
            let meant = SendArgs { allow_duplicate: true, ..args() };
            assert_eq!(
                send(engine, meant).await.unwrap().status,
                Status::Approval(Required::ApprovalRequired)
            );
            4
        }
        // Taken back and proposed anew: an old approval is of the old one.
        2 => {
            let first = target(args()).await;
            let (old, digest) = proposed(engine, &first).await;
            engine.cancel_any(&caller(Base::Open), CancelArgs { id: first }).await.unwrap();
            target(SendArgs { allow_duplicate: true, ..args() }).await;
            is(engine.approve(&approver("ann"), &old, digest).await, ErrorKind::InvalidArgument);
            3
        }
        // A changed text under the approval of another one.
        3 => {
            let (first, second) = (target(args()).await, target(to(n, &format!("{text} or not"))).await);
            let ((one, one_digest), (two, two_digest)) =
                (proposed(engine, &first).await, proposed(engine, &second).await);
            is(engine.approve(&approver("ann"), &one, two_digest).await, ErrorKind::InvalidArgument);
            is(engine.approve(&approver("ann"), &two, one_digest).await, ErrorKind::InvalidArgument);
            2
        }
        // A yes of somebody who proved nothing, of a digest that is guessed, of an id that is guessed.
        4 => {
            let (id, digest) = proposed(engine, &target(args()).await).await;
            let nobody = Person::let_pass(operator(), None);
            is(engine.approve(&nobody, &id, digest).await, ErrorKind::NotSupported);
            is(engine.approve(&approver("ann"), &id, [0; 32]).await, ErrorKind::InvalidArgument);
            let guessed = ProposalId::new([u8::try_from(round % 256).unwrap(); 20]);
            is(engine.approve(&approver("ann"), &guessed, digest).await, ErrorKind::NotFound);
            3
        }
        // A yes after a no.
        5 => {
            let (id, digest) = proposed(engine, &target(args()).await).await;
            engine.refuse(&operator(), &id, Some("no".into())).await.unwrap();
            is(engine.approve(&approver("ann"), &id, digest).await, ErrorKind::InvalidArgument);
            is(engine.refuse(&operator(), &id, None).await, ErrorKind::InvalidArgument);
            2
        }
        // Set for a time, and not after a time: neither goes around the person.
        6 => {
            let at = |ms: i64| Some(bench.clock_now().plus_ms(ms).rfc3339());
            target(SendArgs { send_at: at(HOUR_MS), ..args() }).await;
            target(SendArgs { deliver_by: at(HOUR_MS), ..to(n, &format!("{text} by then")) }).await;
            2
        }
        // A bulk, and a bulk of one; said to be something else.
        7 => {
            let bulk = |count: usize| BulkArgs {
                recipients: (0..count)
                    .map(|i| Recipient { to: fictional((n + i) % 100), data: Default::default() })
                    .collect(),
                message: text.clone(),
                purpose: Some(Purpose::Transactional),
                on_invalid: OnInvalid::Skip,
                ..BulkArgs::default()
            };
            for count in [1, 3] {
                let message = format!("{text} to {}", ["one", "three"][count / 2]);
                let args = BulkArgs { message, ..bulk(count) };
                let told =
                    engine.send_bulk(caller(Base::Open), args, Some(Duration::ZERO), None).await.unwrap();
                assert_eq!(told.status, BulkStatus::ApprovalRequired, "{:?}", told.counts);
                assert!(told.approval.is_some());
            }
            2
        }
        // Somebody else's: another agent takes nothing back and decides nothing.
        _ => {
            let id = target(args()).await;
            let mallory = Caller::new("mallory", Base::Open);
            let refused = engine.cancel_any(&mallory, CancelArgs { id: id.clone() }).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotFound);
            let looked =
                engine.status(&mallory, StatusArgs { id, ..StatusArgs::default() }).await.unwrap_err();
            assert_eq!(looked.kind(), ErrorKind::NotFound);
            2
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "how often it was tried is asked for")]
async fn a_thousand_tries_to_send_without_the_person_send_nothing() {
    let bench = bench_asking(wide, everything());
    bench.engine.start(true).await.unwrap();
    let mut tries = 0;
    for round in 0..42 {
        for kind in 0..=8 {
            tries += attack(&bench, kind, round).await;
        }
        // The server is started again now and then; another one goes on beside it.
        if round % 14 == 0 {
            let other = bench.restarted_asking(everything(), u8::try_from(10 + round).unwrap());
            other.start(true).await.unwrap();
            other.stop(Duration::from_millis(50)).await;
        }
    }
    pass_time(&bench, &bench.engine).await;
    // By text, on an approver's phone.
    tries += crate::by_text::tries().await;
    println!("tries to send without the person: {tries}; texts that left: {}", bench.tries());
    assert!(tries >= 1_000, "{tries}");
    assert_eq!(bench.handed(), []);
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_persons_yes_exactly_what_was_approved_leaves_once() {
    let bench = bench_asking(wide, everything());
    bench.engine.start(true).await.unwrap();
    let mut expected = Vec::new();
    for n in 0..20 {
        let text = format!("Approved {n}");
        let told = send(&bench.engine, to(n, &text)).await.unwrap();
        let (id, digest) = proposed(&bench.engine, told.id.unwrap().as_str()).await;
        // Two approvers at once: one of them decides.
        let (ann, bob) = (approver("ann"), approver("bob"));
        let (one, two) =
            tokio::join!(bench.engine.approve(&ann, &id, digest), bench.engine.approve(&bob, &id, digest));
        assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1, "{one:?} {two:?}");
        expected.push((fictional(n), text));
    }
    let recipients =
        (20..60).map(|n| Recipient { to: fictional(n), data: Default::default() }).collect::<Vec<_>>();
    let bulk = BulkArgs { recipients, message: "All of you".into(), ..BulkArgs::default() };
    let told = bench.engine.send_bulk(caller(Base::Open), bulk, Some(Duration::ZERO), None).await.unwrap();
    let (id, digest) = proposed(&bench.engine, told.batch.unwrap().as_str()).await;
    bench.engine.approve(&approver("ann"), &id, digest).await.unwrap();
    expected.extend((20..60).map(|n| (fictional(n), "All of you".to_owned())));
    bench.later(10_000);
    eventually_async("all leave", async || bench.tries() == 60).await;
    pass_time(&bench, &bench.engine).await;
    let mut handed = bench.handed();
    handed.sort();
    expected.sort();
    assert_eq!(handed, expected);
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_does_not_overrule_the_guard() {
    let bench = bench_asking(wide, everything());
    bench.engine.start(true).await.unwrap();
    let told = send(&bench.engine, to(1, "Hello")).await.unwrap().id.unwrap();
    let late =
        send(&bench.engine, SendArgs { send_at: at(&bench, HOUR_MS), ..to(2, "Hello") }).await.unwrap();
    for id in [told.as_str(), late.id.as_ref().unwrap().as_str()] {
        let (id, digest) = proposed(&bench.engine, id).await;
        bench.engine.approve(&approver("ann"), &id, digest).await.unwrap();
    }
    // They want no more texts between the yes and the moment of leaving.
    let out = sms_mcp::engine::opt_outs::Wants::NoTexts;
    bench.engine.set_opt_out(&operator(), &fictional(2), out).await.unwrap();
    bench.later(HOUR_MS + 10_000);
    eventually_async("one leaves", async || bench.tries() == 1).await;
    pass_time(&bench, &bench.engine).await;
    assert_eq!(bench.handed(), [(fictional(1), "Hello".to_owned())]);
    bench.engine.stop(Duration::from_millis(100)).await;
}

fn at(bench: &Bench, ms: i64) -> Option<String> {
    Some(bench.clock_now().plus_ms(ms).rfc3339())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_cut_into_singles_is_asked_about_all_the_same() {
    let rules = Approval { above_recipients: Some(10), ..Approval::default() };
    let bench = bench_asking(wide, rules);
    // At the same time, so that none has seen the others' end.
    let all = (0..40).map(|n| {
        let engine = bench.engine.clone();
        async move { send(&engine, to(n, "Offer")).await.unwrap().status }
    });
    let told = futures::future::join_all(all).await;
    let asked = told.iter().filter(|status| **status == Status::Approval(Required::ApprovalRequired)).count();
    assert_eq!((asked, bench.tries()), (30, 10));
    bench.later(HOUR_MS + 1);
    assert_eq!(send(&bench.engine, to(41, "Later")).await.unwrap().status, Status::State(State::Sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_in_time_and_its_money_is_back_and_no_more_waits_than_may() {
    let rules =
        Approval { everything: true, most_pending: 2, expires: Span::hours(1), ..Approval::default() };
    let bench = bench_asking(wide, rules);
    bench.engine.start(true).await.unwrap();
    let first = send(&bench.engine, to(1, "One")).await.unwrap();
    assert!(first.approval.unwrap().decide.contains("sms-mcp approvals approve apv_"));
    send(&bench.engine, to(2, "Two")).await.unwrap();
    assert_eq!(bench.kind(to(3, "Three")).await, Some(ErrorKind::TooManyPending));
    bench.later(HOUR_MS);
    let id = first.id.unwrap().to_string();
    let status = async || {
        let args = StatusArgs { id: id.clone(), ..StatusArgs::default() };
        bench.engine.status(&caller(Base::Open), args).await.unwrap()
    };
    eventually_async("it expires", async || status().await.message.unwrap().status == State::Expired).await;
    let told = status().await;
    assert_eq!(told.approval.unwrap().decision.as_deref(), Some("expired"));
    assert_eq!(told.message.unwrap().code.as_deref(), Some("approval_expired"));
    eventually_async("there is room", async || bench.kind(to(4, "Four")).await.is_none()).await;
    assert_eq!(bench.tries(), 0);
    bench.engine.stop(Duration::from_millis(100)).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_told_where_a_person_decides_and_an_approver_decides_at_the_command_line() {
    use crate::approvers::Scene;
    let scene = Scene::new("[approval]\nlinks = true\n");
    let client = scene.desk.stdio(Era::Stateless).await;
    let plain = answer(&client, "send_sms", json!({ "to": "+12025550123", "message": "Hello" })).await;
    assert_eq!(plain["status"], "sent");
    let text = "See \u{435}xample.com\u{200b} now\nYours";
    let call = json!({ "to": "+12025550124", "message": text, "idempotency_key": "k" });
    let told = answer(&client, "send_sms", call.clone()).await;
    assert_eq!(told["status"], "approval_required", "{told}");
    let id = told["approval"]["id"].as_str().unwrap().to_owned();
    assert!(told["approval"]["reasons"].as_str().unwrap().contains("a link"), "{told}");
    assert!(told["warnings"].to_string().contains("must NOT be sent again"), "{told}");
    assert_eq!(answer(&client, "send_sms", call).await["id"], told["id"]);
    let listed = scene.run(&["approvals"]);
    assert!(listed.out.contains(&id) && listed.out.contains("a link"), "{listed:?}");
    let shown = scene.run(&["approvals", "show", &id]);
    for part in ["+12025550124 (US, never texted before)", "no phone shows", "look like Latin", "| Yours"] {
        assert!(shown.out.contains(part), "{part}: {shown:?}");
    }
    // Neither a word nor nothing is a proof, nor is a yes to another one.
    assert_ne!(scene.run(&["approvals", "approve", &id]).code, 0);
    assert_ne!(scene.types(&["approvals", "approve", &id], "approve").code, 0);
    let other = scene.challenge(&["opt-out", "remove", "+12025550124"]);
    let signed = scene.alice.sign(sms_mcp::access::NAMESPACE, &other.1);
    assert_ne!(scene.prove(&["approvals", "approve", &id], &other, &signed).code, 0);
    let status = async || answer(&client, "get_status", json!({ "id": told["id"] })).await;
    assert_eq!(status().await["message"]["status"], "proposed");
    let approved = scene.approved(&["approvals", "approve", &id]);
    assert_eq!(approved.code, 0, "{approved:?}");
    let left = async || {
        let status = status().await["message"]["status"].clone();
        status != "proposed" && status != "scheduled" && status != "queued"
    };
    eventually_async("it leaves", left).await;
    assert_eq!(status().await["approval"]["decision"], "approved");
    // A no needs nobody in particular, and its agent reads why.
    let call = json!({ "to": "+12025550125", "message": "www.example.com" });
    let second = answer(&client, "send_sms", call).await;
    let refused =
        scene.run(&["approvals", "refuse", second["approval"]["id"].as_str().unwrap(), "--why", "spam"]);
    assert_eq!(refused.code, 0, "{refused:?}");
    let status = answer(&client, "get_status", json!({ "id": second["id"] })).await;
    assert_eq!(status["message"]["code"], "approval_refused", "{status}");
    assert_eq!(status["approval"]["why"], "spam");
    client.cancel().await.unwrap();
    let texts: Vec<Value> = scene.desk.sent().into_iter().map(|sent| sent["text"].clone()).collect();
    assert_eq!(texts, [json!("Hello"), json!(text)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_without_an_approver_or_that_contradict_start_nothing() {
    let desk = Desk::new("[approval]\neverything = true\n");
    let ended = desk.run(&["send", "+12025550123", "Hello"]);
    assert_ne!(ended.code, 0);
    assert!(ended.err.contains("no approver"), "{ended:?}");
    for (settings, words) in [
        ("[approval]\neverything = true\nlinks = true\n", "approval.everything"),
        ("[approval]\neverythin = true\n", "everythin"),
        ("[approval]\nmost_pending = 0\n", "approval.most_pending"),
        ("[approval]\noutside = [\"France\"]\n", "France"),
        ("[approval]\npurposes = [\"sales\"]\n", "sales"),
        ("[approval]\nexpires = \"10s\"\n", "approval.expires"),
    ] {
        let ended = Desk::new(settings).run(&["config", "check"]);
        assert_ne!(ended.code, 0, "{settings}");
        assert!(ended.err.contains(words), "{settings}: {ended:?}");
    }
    let desk = Desk::new("");
    let client = desk.stdio(Era::Stateless).await;
    let refused = refusal(&client, "cancel_sms", json!({ "id": "apv_00" })).await;
    assert_eq!(refused["code"], "not_found", "an approval is no message: {refused}");
    client.cancel().await.unwrap();
}
