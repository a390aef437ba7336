//! HELP and STOP are answered by the operator's words: once a person and day, right then, and by nobody twice.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sms_mcp::engine::contract::StatusArgs;
use sms_mcp::engine::settings::{Answers, Replies};
use sms_mcp::engine::{Base, Engine};
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::Outcome;
use sms_mcp::provider::exchange::{Event, Reply};
use sms_mcp::sms::caller_id::Sender;

use crate::engine::{Bench, bench, caller, to};
use crate::support::{A_WHILE, Desk, eventually_async, fictional, operator};

const HELP: &str = "Acme: write to desk@example.com. STOP ends our texts.";
const STOP: &str = "Acme: you get no more texts. START begins them again.";
const DAY_MS: i64 = 24 * 3_600_000;

fn answers(change: impl FnOnce(&mut Replies)) -> Answers {
    let mut replies =
        Replies { help_text: Some(HELP.to_owned()), stop_text: Some(STOP.to_owned()), ..Replies::default() };
    change(&mut replies);
    replies.answers().unwrap()
}

/// A server that answers, and who writes to it.
struct Scene {
    bench: Bench,
    engine: Engine,
    told: AtomicU32,
}

impl Scene {
    fn new(change: impl FnOnce(&mut Replies)) -> Self {
        Self::of(Vec::new(), change)
    }

    /// One whose carrier does this.
    fn of(script: Vec<Outcome>, change: impl FnOnce(&mut Replies)) -> Self {
        let bench = bench(script, |_| {});
        let engine = bench.restarted_answering(answers(change), 7);
        Self { bench, engine, told: AtomicU32::new(0) }
    }

    fn reply(&self, from: impl Into<Sender>, text: &str) -> Reply {
        let number = self.told.fetch_add(1, Ordering::SeqCst);
        Reply {
            vendor_id: format!("r-{number}"),
            from: from.into(),
            to: "36179".into(),
            text: text.to_owned(),
            at: self.bench.clock_now(),
            content: None,
            is_again: false,
            is_answered: false,
        }
    }

    /// What has left after somebody wrote this.
    async fn after(&self, reply: Reply) -> Vec<(String, String)> {
        let before = self.bench.tries();
        self.bench.report_to(&self.engine, Event::Reply(reply)).await;
        tokio::time::sleep(A_WHILE / 2).await;
        self.bench.handed().split_off(before)
    }

    async fn writes(&self, n: usize, text: &str) -> Vec<(String, String)> {
        self.after(self.reply(fictional(n).as_str(), text)).await
    }

    /// The same where an answer is due.
    async fn is_answered(&self, n: usize, text: &str, answer: &str) {
        let before = self.bench.tries();
        self.bench.report_to(&self.engine, Event::Reply(self.reply(fictional(n).as_str(), text))).await;
        eventually_async(&format!("{text} is answered"), async || self.bench.tries() > before).await;
        assert_eq!(self.bench.handed().split_off(before), [(fictional(n), answer.to_owned())], "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn help_is_answered_once_a_person_and_day_in_every_language() {
    let scene = Scene::new(|replies| replies.help_words = vec!["Notfall".into()]);
    scene.is_answered(1, "HELP", HELP).await;
    for again in ["HELP", "Info", "help please"] {
        assert_eq!(scene.writes(1, again).await, [], "{again}");
    }
    let words = ["Ayuda!", "aide svp", "Hilfe", "\u{5e2e}\u{52a9}", "NOTFALL", "H E L P"];
    for (n, word) in words.into_iter().enumerate() {
        scene.is_answered(10 + n, word, HELP).await;
    }
    // Who asks for no more texts as well gets that answer.
    let both = ["HELP \u{1f6d1}", "Help\nCancel", "help me unsubscribe", "HELP\n\nCANCEL", "notfall stop"];
    for (n, both) in both.into_iter().enumerate() {
        scene.is_answered(30 + n, both, STOP).await;
    }
    let others = [
        "help me with my booking",
        "help me cancel my booking",
        "Help\nJames Stop",
        "Reply HELP for help",
        "thanks",
    ];
    for (n, other) in others.into_iter().enumerate() {
        assert_eq!(scene.writes(20 + n, other).await, [], "{other}");
    }
    scene.bench.later(DAY_MS);
    scene.is_answered(1, "HELP", HELP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn help_wakes_no_agent_and_is_shown_and_an_ordinary_answer_wakes_one() {
    let scene = Scene::new(|_| {});
    let alice = caller(Base::Open);
    let id = scene.engine.send(alice.clone(), to(1, "Hello")).await.unwrap().id.unwrap();
    let watched = sms_mcp::engine::Watched::default();
    scene.engine.watch(&alice, &id, &watched, Duration::ZERO).await.unwrap();
    let mut changes = scene.engine.changes();
    scene.is_answered(1, "HELP", HELP).await;
    // It looks at what others changed as well.
    let woken = tokio::time::timeout(A_WHILE, scene.engine.next_changes(&watched, &mut changes)).await;
    assert!(woken.is_err(), "HELP woke the agent");
    let args = StatusArgs { id: id.to_string(), ..StatusArgs::default() };
    let told = scene.engine.status(&alice, args).await.unwrap();
    assert_eq!(told.replies.len(), 1, "it is there for whoever looks");
    assert_eq!(scene.writes(1, "Thank you").await, []);
    let woken =
        tokio::time::timeout(crate::support::LAST_RESORT, scene.engine.next_changes(&watched, &mut changes));
    assert_eq!(woken.await.unwrap(), Some(vec![id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_confirmed_once_and_right_then() {
    let scene = Scene::new(|_| {});
    // The one text to somebody who has opted out.
    scene.is_answered(1, "STOP", STOP).await;
    assert_eq!(scene.writes(1, "STOP").await, []);
    assert_eq!(scene.writes(1, "HELP").await, [], "who is out gets nothing else");
    assert_eq!(scene.writes(1, "START").await, []);
    assert_eq!(scene.writes(1, "Stop").await, [], "once a day");
    scene.bench.later(DAY_MS);
    assert_eq!(scene.writes(1, "START").await, []);
    scene.bench.later(1_000);
    scene.is_answered(1, "STOP", STOP).await;
    // What comes late, again, or was answered; who is in doubt; who was out before.
    let of = |n: usize| scene.reply(fictional(n).as_str(), "STOP");
    let now = scene.bench.clock_now();
    for minutes in [-11, 11, 3 * 60, 20 * 60] {
        assert_eq!(scene.after(Reply { at: now.plus_ms(minutes * 60_000), ..of(2) }).await, [], "{minutes}");
        let help = Reply { at: now.plus_ms(minutes * 60_000), ..scene.reply(fictional(9).as_str(), "HELP") };
        assert_eq!(scene.after(help).await, [], "{minutes}");
    }
    assert_eq!(scene.after(Reply { is_again: true, ..of(3) }).await, []);
    assert_eq!(scene.after(Reply { is_answered: true, ..of(4) }).await, []);
    assert_eq!(scene.after(Reply { from: Sender::Unproven(fictional(5)), ..of(5) }).await, []);
    assert_eq!(scene.after(Reply { from: Sender::of("0199000006"), ..of(6) }).await, []);
    let out = sms_mcp::engine::opt_outs::Wants::NoTexts;
    scene.engine.set_opt_out(&operator(), &fictional(7), out).await.unwrap();
    assert_eq!(scene.writes(7, "STOP").await, []);
    scene.is_answered(8, "STOP", STOP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_who_may_have_written_it_are_both_stopped_and_neither_is_answered() {
    let scene = Scene::new(|_| {});
    // 646 555 0123 is an American's, and with its country code somebody's in New Zealand.
    for number in ["+16465550123", "+6465550123"] {
        let args = sms_mcp::engine::contract::SendArgs { to: number.into(), ..to(0, number) };
        let _ = scene.engine.send(caller(Base::Open), args).await;
    }
    for text in ["HELP", "STOP"] {
        assert_eq!(scene.after(scene.reply("6465550123", text)).await, [], "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_vendor_answers_nothing_is_sent_but_to_words_that_it_does_not_know() {
    let scene = Scene::new(|_| {});
    scene.bench.can(|can| (can.answers_stop, can.answers_help) = (true, true));
    for (n, word) in ["STOP", "Unsubscribe", "HELP", "info"].into_iter().enumerate() {
        assert_eq!(scene.writes(n, word).await, [], "{word}");
    }
    scene.is_answered(10, "BAJA", STOP).await;
    scene.is_answered(11, "Ayuda", HELP).await;
    let said = Reply { is_answered: true, ..scene.reply(fictional(12).as_str(), "Ayuda") };
    assert_eq!(scene.after(said).await, [], "the vendor says that it has");
    let scene = Scene::new(|replies| replies.answer_for = vec!["scripted".into()]);
    scene.bench.can(|can| (can.answers_stop, can.answers_help) = (true, true));
    // The operator switched it off there.
    scene.is_answered(1, "STOP", STOP).await;
    scene.is_answered(2, "HELP", HELP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_shows_the_number_that_was_written_to_where_it_may() {
    let scene = Scene::new(|_| {});
    for (n, to) in ["36179", " +33612345678 ", "Acme \u{2014} desk of all"].into_iter().enumerate() {
        let before = scene.bench.tries();
        let reply = Reply { to: to.into(), ..scene.reply(fictional(n).as_str(), "HELP") };
        scene.bench.report_to(&scene.engine, Event::Reply(reply)).await;
        eventually_async("it is answered", async || scene.bench.tries() > before).await;
    }
    assert_eq!(scene.bench.shown(), [Some("36179".to_owned()), Some("+33612345678".to_owned()), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_phone_gets_one_answer_a_day_under_all_its_numbers() {
    let scene = Scene::new(|_| {});
    for numbers in [["+541123456789", "+5491123456789"], ["+5511987654321", "+551187654321"]] {
        let [first, other] = numbers;
        let before = scene.bench.tries();
        scene.bench.report_to(&scene.engine, Event::Reply(scene.reply(first, "HELP"))).await;
        eventually_async("it is answered", async || scene.bench.tries() > before).await;
        assert_eq!(scene.bench.handed().split_off(before), [(first.to_owned(), HELP.to_owned())]);
        assert_eq!(scene.after(scene.reply(other, "HELP")).await, [], "{other}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_write_help_leave_half_of_the_day_to_those_who_write_stop() {
    let scene = Scene::new(|replies| replies.answers_per_day = 4);
    for n in 0..2 {
        scene.is_answered(n, "HELP", HELP).await;
    }
    for n in 2..8 {
        assert_eq!(scene.writes(n, "HELP").await, []);
    }
    for n in 8..10 {
        scene.is_answered(n, "STOP", STOP).await;
    }
    assert_eq!(scene.writes(10, "STOP").await, [], "four a day");
}

#[tokio::test(flavor = "multi_thread")]
async fn help_that_a_text_announced_as_the_way_out_is_one() {
    let scene = Scene::new(|replies| replies.help_words = vec!["SOS".into()]);
    let texts = [("For no more texts reply: HELP", "HELP"), ("Reply SOS to cancel texts", "SOS")];
    for (n, (text, word)) in texts.into_iter().enumerate() {
        scene.engine.send(caller(Base::Open), to(n, text)).await.unwrap();
        scene.is_answered(n, word, STOP).await;
    }
    scene
        .engine
        .send(caller(Base::Open), to(5, "To stop texts reply STOP, for help reply HELP"))
        .await
        .unwrap();
    scene.is_answered(5, "HELP", HELP).await;
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_answer_whose_outcome_nobody_knows_is_logged_so_and_one_that_was_not_sent_as_that() {
    // What is logged at all is decided for the whole process, by whichever test comes first.
    let name = "an_answer_whose_outcome_nobody_knows_is_logged_so_and_one_that_was_not_sent_as_that";
    if std::env::var("SUITE_ALONE").is_err() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let output = command
            .args(["--exact", &format!("answers::{name}")])
            .env("SUITE_ALONE", "1")
            .env("SMS_MCP_CONTAINER", "no")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    for (outcome, is_unknown) in [
        (Outcome::Unknown { why: "reset".into() }, true),
        (Outcome::Rejected { code: ErrorKind::ProviderRejected, why: "no".into() }, false),
    ] {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let said = || String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
        tracing::subscriber::with_default(subscriber, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let scene = Scene::of(vec![outcome], |_| {});
                scene
                    .bench
                    .report_to(&scene.engine, Event::Reply(scene.reply(fictional(1).as_str(), "HELP")))
                    .await;
                eventually_async("it is logged", async || said().contains("an answer to HELP or STOP was"))
                    .await;
            });
        });
        let said = said();
        assert_eq!(
            said.contains("nobody knows whether an answer to HELP or STOP was sent"),
            is_unknown,
            "{said}"
        );
        assert_eq!(said.contains("an answer to HELP or STOP was not sent"), !is_unknown, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_machines_that_answer_each_other_come_to_an_end() {
    let scene = Scene::new(|_| {});
    scene.is_answered(1, "HELP", HELP).await;
    // The other machine answers whatever it gets.
    for _ in 0..3 {
        assert_eq!(scene.writes(1, "HELP").await, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_answers_leave_than_their_own_budget_pays_for_and_agents_pay_for_none() {
    let scene = Scene::new(|replies| replies.answers_per_day = 2);
    scene.is_answered(0, "HELP", HELP).await;
    scene.is_answered(1, "STOP", STOP).await;
    for n in 2..5 {
        assert_eq!(scene.writes(n, if n % 2 == 0 { "HELP" } else { "STOP" }).await, []);
    }
    let alice = scene.engine.balance(&caller(Base::Open), Default::default()).await.unwrap();
    let days: Vec<i64> = alice
        .budgets
        .iter()
        .filter(|budget| budget.name.starts_with("day:"))
        .map(|budget| budget.messages)
        .collect();
    assert_eq!(days, [0]);
    scene.bench.later(DAY_MS);
    scene.is_answered(6, "HELP", HELP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_text_of_the_operators_nothing_is_answered_and_help_is_an_ordinary_text() {
    let scene = Scene::new(|replies| (replies.help_text, replies.stop_text) = (None, None));
    let id = scene.engine.send(caller(Base::Open), to(1, "Hello")).await.unwrap().id.unwrap();
    let mut changes = scene.engine.changes();
    assert_eq!(scene.writes(1, "HELP").await, []);
    assert_eq!(changes.try_recv().ok(), Some(id), "an agent is woken");
    assert_eq!(scene.writes(1, "STOP").await, []);
}

#[test]
fn settings_that_nobody_can_send_are_named() {
    let long = "0123456789 ".repeat(20);
    for (settings, words) in [
        ("[replies]\nhelp_text = \"  \"\n", "replies.help_text"),
        ("[replies]\nstop_text = \"a\\u0007\"\n", "replies.stop_text"),
        (
            &*format!("[guard]\nmax_segments = 1\n[replies]\nhelp_text = \"{long}\"\n"),
            "replies.help_text takes 2 segments",
        ),
        ("[replies]\nhelp_words = [\"stop\"]\n", "replies.help_words"),
        ("[replies]\nanswer_for = [\"acme\"]\n", "replies.answer_for"),
        ("[replies]\nanswers_spend = \"-1\"\n", "replies.answers_spend"),
    ] {
        let ended = Desk::new(settings).run(&["config", "check"]);
        assert!(ended.code != 0 && ended.err.contains(words), "{settings}: {ended:?}");
    }
}
