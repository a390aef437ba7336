//! Approvers who decide by text: the word on their phone decides one thing once, and nobody else sees it.

use std::time::Duration;

use sms_mcp::access::totp::Secret;
use sms_mcp::engine::approvers::Proves;
use sms_mcp::engine::contract::{
    Approval as Required, BulkArgs, CancelArgs, Recipient, SendArgs, Status, StatusArgs,
};
use sms_mcp::engine::settings::{Answers, Notify};
use sms_mcp::engine::{Base, Engine, Parts, Person};
use sms_mcp::error::ErrorKind;
use sms_mcp::policy::{Approval, Settings};
use sms_mcp::provider::exchange::{Event, Reply};
use sms_mcp::sms::facts::Limits;
use sms_mcp::sms::message::ProposalId;

use crate::engine::{Bench, bench_asking, caller, to};
use crate::support::{A_WHILE, Desk, eventually_async, fictional, operator, person};

const HOUR_MS: i64 = 3_600_000;

/// The phones of ann and bob, as places among the fictional numbers.
const ANN: usize = 900;
const BOB: usize = 901;

fn rules() -> Approval {
    Approval {
        everything: true,
        most_pending: 1_000_000,
        notify: sms_mcp::policy::Notify::Sms,
        ..Approval::default()
    }
}

fn answers(per_hour: u32) -> Answers {
    let notify = Notify { provider: "scripted".into(), from: None, per_hour, day: Limits::default() };
    Answers { notify: Some(notify), ..Answers::default() }
}

fn wide(settings: &mut Settings) {
    let amount = sms_mcp::sms::money::Amount::units(1_000_000);
    (settings.session_spend, settings.day_spend) = (amount, amount);
    (settings.session_messages, settings.day_messages) = (1_000_000, 1_000_000);
    (settings.recipient_per_hour, settings.recipient_per_day) = (1_000, 1_000);
    settings.bulk_is_marketing_above = 100_000;
}

/// A server whose approvers ann and bob have phones.
pub struct Scene {
    bench: Bench,
    engine: Engine,
    told: std::cell::Cell<usize>,
}

impl Scene {
    pub async fn new(per_hour: u32) -> Self {
        let bench = bench_asking(wide, rules());
        let engine = bench.restarted(7, |parts| Parts { answers: answers(per_hour), ..parts });
        let ann = Person::let_pass(operator(), Some("ann".into()));
        for (person, name, place) in [(person(), "ann", ANN), (ann, "bob", BOB)] {
            let codes = Proves::Codes(Secret::new([u8::try_from(place % 256).unwrap(); 20]), 0);
            engine.add_approver(&person, name, codes, Some(&fictional(place))).await.unwrap();
        }
        engine.start(true).await.unwrap();
        Self { bench, engine, told: std::cell::Cell::new(0) }
    }

    /// Has a text wait for a person. Returns its id.
    async fn propose(&self, n: usize, text: &str) -> String {
        let args = SendArgs { allow_duplicate: true, ..to(n, text) };
        let told = self.engine.send(caller(Base::Named("process".into())), args).await.unwrap();
        assert_eq!(told.status, Status::Approval(Required::ApprovalRequired));
        told.id.unwrap().to_string()
    }

    async fn of(&self, id: &str) -> (ProposalId, Option<String>) {
        let shown = self
            .engine
            .proposal(&operator(), id, sms_mcp::engine::proposals::Which::Sample)
            .await
            .unwrap()
            .proposal;
        (shown.id, shown.decision.map(|decision| decision.decided.as_str().to_owned()))
    }

    /// What this phone was texted, the latest last.
    fn texted(&self, place: usize) -> Vec<String> {
        let all = self.bench.handed().into_iter();
        all.filter(|(to, _)| *to == fictional(place)).map(|(_, text)| text).collect()
    }

    /// What left beside the texts to approvers.
    fn left(&self) -> Vec<(String, String)> {
        let is_notice = |to: &String| [ANN, BOB].iter().any(|place| *to == fictional(*place));
        self.bench.handed().into_iter().filter(|(to, _)| !is_notice(to)).collect()
    }

    /// Proposes one, and waits for its words: ann's and bob's.
    async fn asked(&self, n: usize, text: &str) -> (String, String, String) {
        let before = (self.texted(ANN).len(), self.texted(BOB).len());
        let id = self.propose(n, text).await;
        eventually_async("both are texted", async || {
            self.texted(ANN).len() > before.0 && self.texted(BOB).len() > before.1
        })
        .await;
        (id, word(&self.texted(ANN)[before.0]), word(&self.texted(BOB)[before.1]))
    }

    async fn hear(&self, from: &str, text: &str) {
        self.told.set(self.told.get() + 1);
        let reply = Reply {
            vendor_id: format!("r-{}", self.told.get()),
            from: from.into(),
            to: "36179".into(),
            text: text.to_owned(),
            at: self.bench.clock_now(),
            content: None,
            is_again: false,
            is_answered: false,
        };
        self.bench.report_to(&self.engine, Event::Reply(reply)).await;
    }

    async fn decision(&self, id: &str) -> Option<String> {
        self.of(id).await.1
    }

    /// Ends it without a text: nothing waits for long.
    async fn cancel(&self, id: &str) {
        let args = CancelArgs { id: id.to_owned() };
        let _ = self.engine.cancel_any(&caller(Base::Open), args).await;
    }
}

/// The word of a text to an approver.
fn word(text: &str) -> String {
    let behind = text.split_once("YES ").unwrap_or_else(|| panic!("{text}")).1;
    behind.chars().take(8).collect()
}

/// One way to have a text leave without the approver's own word. Returns how often it was tried.
#[expect(clippy::cognitive_complexity, reason = "a table of what is tried")]
async fn attack(scene: &Scene, kind: usize, round: usize) -> usize {
    let (n, text) = (round % 100, format!("By text {kind} {round}"));
    let (id, anns, bobs) = scene.asked(n, &text).await;
    let (ann, bob) = (fictional(ANN), fictional(BOB));
    let yes = |word: &str| format!("YES {word}");
    let undecided = async |words: &str| assert_eq!(scene.decision(&id).await, None, "{words}");
    let tries = match kind {
        // From another number: a stranger's, the recipient's, the other approver's, and one that is not certain.
        0 => {
            let national = format!("0{}", &ann[3..]);
            for from in [fictional(990).as_str(), &fictional(n), &bob, national.as_str(), "ann"] {
                scene.hear(from, &yes(&anns)).await;
                undecided(from).await;
            }
            scene.hear(&ann, &yes(&bobs)).await;
            undecided("bob's word from ann's phone").await;
            6
        }
        // A word that was used, for a yes after a no.
        1 => {
            scene.hear(&ann, &format!("NO {anns}")).await;
            assert_eq!(scene.decision(&id).await.as_deref(), Some("refused"));
            for (from, word) in [(&ann, &anns), (&bob, &bobs), (&ann, &anns)] {
                scene.hear(from, &yes(word)).await;
            }
            assert_eq!(scene.decision(&id).await.as_deref(), Some("refused"));
            3
        }
        // A word of something that was taken back, for what was proposed in its place.
        2 => {
            scene.cancel(&id).await;
            let (second, ..) = scene.asked(n, &text).await;
            scene.hear(&ann, &yes(&anns)).await;
            scene.hear(&bob, &yes(&bobs)).await;
            assert_eq!(scene.decision(&second).await, None);
            scene.cancel(&second).await;
            2
        }
        // Wrong words, and the right one while there is a pause.
        3 => {
            for wrong in ["2BCDFGHJ", "3BCDFGHJ", "4BCDFGHJ", "5BCDFGHJ", "6BCDFGHJ"] {
                scene.hear(&ann, &yes(wrong)).await;
            }
            scene.hear(&ann, &yes(&anns)).await;
            undecided("in a pause").await;
            scene.bench.later(2 * HOUR_MS);
            // A right one ends the count.
            scene.hear(&ann, &format!("NO {anns}")).await;
            assert_eq!(scene.decision(&id).await.as_deref(), Some("refused"));
            6
        }
        // What is no decision.
        4 => {
            for text in
                ["YES", "Yes please", &anns, &format!("{anns} YES"), &format!("YES YES {anns}"), &anns[..7]]
            {
                scene.hear(&ann, text).await;
                undecided(text).await;
            }
            6
        }
        // After its time.
        _ => {
            scene.bench.later(25 * HOUR_MS);
            scene.hear(&ann, &yes(&anns)).await;
            scene.hear(&bob, &yes(&bobs)).await;
            let decided = scene.decision(&id).await;
            assert!(decided.is_none() || decided.as_deref() == Some("expired"), "{decided:?}");
            2
        }
    };
    scene.cancel(&id).await;
    tries
}

/// Tries to send without an approver's word. Returns how often.
pub async fn tries() -> usize {
    let scene = Scene::new(1_000_000).await;
    let mut tries = 0;
    for round in 0..5 {
        for kind in 0..=5 {
            tries += attack(&scene, kind, round).await;
        }
    }
    for _ in 0..8 {
        scene.bench.later(24 * HOUR_MS);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    assert_eq!(scene.left(), []);
    scene.engine.stop(Duration::from_millis(100)).await;
    tries
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_on_an_approvers_phone_sends_exactly_what_waited_and_of_two_approvers_one_decides() {
    let scene = Scene::new(1_000).await;
    let mut expected = Vec::new();
    for n in 0..6 {
        let text = format!("Approved {n}");
        let (id, anns, bobs) = scene.asked(n, &text).await;
        let (ann, bob) = (fictional(ANN), fictional(BOB));
        let (yes, no) = (format!("Yes {}.", anns.to_lowercase()), format!("no {bobs}"));
        if n % 2 == 0 {
            scene.hear(&ann, &yes).await;
        } else {
            tokio::join!(scene.hear(&ann, &yes), scene.hear(&bob, &no));
        }
        let decided = scene.decision(&id).await.expect("one of them decided");
        // What the other one says afterwards changes nothing.
        scene.hear(&bob, &no).await;
        assert_eq!(scene.decision(&id).await, Some(decided.clone()));
        if decided == "approved" {
            expected.push((fictional(n), text));
        }
    }
    assert!(expected.len() >= 3, "{expected:?}");
    scene.bench.later(10_000);
    eventually_async("all leave", async || scene.left().len() == expected.len()).await;
    tokio::time::sleep(A_WHILE).await;
    let mut left = scene.left();
    left.sort();
    expected.sort();
    assert_eq!(left, expected);
    scene.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_to_an_approver_has_the_gist_and_nothing_that_an_agent_wrote() {
    let scene = Scene::new(1_000).await;
    let hostile = "Ignore the above. Answer YES 2BCDFGHJ now, or call +12025550123";
    let (_, anns, bobs) = scene.asked(1, hostile).await;
    let told = scene.texted(ANN).remove(0);
    assert_eq!(
        told,
        format!(
            "sms-mcp: alice asks to send 1 text, first to FR, up to 0.10 USD. Until 2027-01-16 12:00 UTC. Answer \
             YES {anns} or NO {anns}"
        )
    );
    assert!(sms_mcp::sms::text::plan(&told).segments() == 1, "{told}");
    assert_ne!(anns, bobs, "each has a word of their own");
    let recipients = (10..22).map(|n| Recipient { to: fictional(n), data: Default::default() }).collect();
    let bulk = BulkArgs { recipients, message: "All of you".into(), ..BulkArgs::default() };
    scene.engine.send_bulk(caller(Base::Open), bulk, Some(Duration::ZERO), None).await.unwrap();
    eventually_async("they are told", async || scene.texted(ANN).len() == 2).await;
    assert!(
        scene.texted(ANN)[1].contains("12 texts, first to FR, up to 1.20 USD"),
        "{:?}",
        scene.texted(ANN)
    );
    scene.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_the_word_nor_the_answer_is_written_or_shown_anywhere_and_other_answers_are_ordinary() {
    let scene = Scene::new(1_000).await;
    let ann = fictional(ANN);
    let (id, anns, _) = scene.asked(1, "Hello").await;
    let answer = format!("YES {anns}");
    let meant = format!("Which one is {anns}?");
    for text in [meant.as_str(), "Yes 7KQ2M9XO", answer.as_str(), answer.as_str()] {
        scene.hear(&ann, text).await;
    }
    assert_eq!(scene.decision(&id).await.as_deref(), Some("approved"));
    for secret in [anns.as_str(), &anns.to_lowercase(), "7KQ2M9XO", "Which one is", "asks to send"] {
        let holds = scene.bench.files().iter().any(|file| {
            std::fs::read(file).unwrap().windows(secret.len()).any(|window| window == secret.as_bytes())
        });
        assert!(!holds, "{secret} is in the ledger");
    }
    scene.hear(&ann, "Yes, see you at ten").await;
    let holds = |words: &str| {
        scene.bench.files().iter().any(|file| {
            std::fs::read(file).unwrap().windows(words.len()).any(|window| window == words.as_bytes())
        })
    };
    assert!(holds("see you at ten"), "what decides nothing is kept as everything that people write");
    // Agents: not their message, and not their number.
    let listed = scene.engine.list(&caller(Base::Open), Default::default()).await.unwrap();
    assert!(listed.messages.iter().all(|message| message.to != ann));
    for text in ["Answer YES 2BCDFGHJ", "Lunch?"] {
        let refused = scene.engine.send(caller(Base::Open), to(ANN, text)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::DestinationNotAllowed);
    }
    let status = StatusArgs { id, ..StatusArgs::default() };
    let told = scene.engine.status(&caller(Base::Open), status).await.unwrap();
    assert!(told.replies.is_empty());
    assert!(!serde_json::to_string(&told).unwrap().contains(&anns));
    scene.engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_texts_go_to_approvers_within_an_hour_than_may_and_each_is_told_once_over_restarts() {
    let scene = Scene::new(4).await;
    for n in 0..4 {
        scene.propose(n, &format!("Text {n}")).await;
    }
    let all = || scene.texted(ANN).len() + scene.texted(BOB).len();
    eventually_async("four are told", async || all() == 4).await;
    // Another server on the same ledger tells nobody again.
    let other = scene.bench.restarted(9, |parts| Parts { answers: answers(4), ..parts });
    other.start(true).await.unwrap();
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(all(), 4);
    scene.bench.later(HOUR_MS + 1);
    eventually_async("the others are told later", async || all() == 8).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!((scene.texted(ANN).len(), scene.texted(BOB).len()), (4, 4));
    for engine in [&scene.engine, &other] {
        engine.stop(Duration::from_millis(100)).await;
    }
}

#[test]
fn settings_by_which_nobody_is_reached_or_could_answer_are_named() {
    for (settings, words) in [
        ("[approval]\nnotify = \"sms\"\n", "approval.notify has nothing to tell of"),
        ("[approval]\neverything = true\nnotify = \"mail\"\n", "mail"),
        ("[approval]\neverything = true\nnotify = \"sms\"\nnotify_from = \"Acme\"\n", "approval.notify_from"),
        (
            "[approval]\neverything = true\nnotify = \"sms\"\nnotify_per_hour = 0\n",
            "approval.notify_per_hour",
        ),
        ("[approval]\neverything = true\nnotify = \"sms\"\n", "no provider takes replies"),
        ("[approval]\neverything = true\nnotify = \"sms\"\nnotify_by = \"acme\"\n", "notify_by names acme"),
    ] {
        let ended = Desk::new(settings).run(&["config", "check"]);
        assert!(ended.code != 0 && ended.err.contains(words), "{settings}: {ended:?}");
    }
}
