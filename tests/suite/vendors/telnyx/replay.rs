//! The program before Telnyx with `replay_after_lost_answer`: what was lost is posted once more, octet for
//! octet, and each text is there once. That over kills, several servers, other settings, and everything that
//! keeps a text from leaving.

use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use sms_mcp::provider::Reference;

use super::{Config, KEY, PROFILE, PUBLIC_KEY, build, config};
use crate::fake::telnyx::{FROM, Telnyx};
use crate::fake::{Fake, Fault, Seen};
use crate::support::{A_WHILE, Desk, WIDE, eventually, fictional};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Time enough that the first request is over.
const OVER_MS: i64 = 3 * MINUTE_MS;

const ON: &str = "replay_after_lost_answer = true\n";

/// A server over its standard input, whose end ends it.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

struct Scene {
    fake: Fake<Telnyx>,
    desk: Desk,
    settings: String,
}

impl Scene {
    fn new() -> Self {
        let fake = Fake::start(Telnyx::default());
        let settings = format!(
            "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"https://sms.example.com\"\n[ledger]\n\
             keep_texts = true\n[[provider]]\nkind = \"telnyx\"\nbase_url = \"{}/v2\"\napi_key = \"{KEY}\"\n\
             from = \"{FROM}\"\npublic_key = \"{PUBLIC_KEY}\"\n{ON}",
            fake.url()
        );
        Self { desk: Desk::new(&settings), fake, settings }
    }

    /// The settings with this in the place of that, from now on.
    fn set(&self, was: &str, is: &str) {
        assert!(self.settings.contains(was), "{was}");
        std::fs::write(self.desk.config(), self.settings.replacen(was, is, 1)).unwrap();
    }

    fn set_back(&self) {
        std::fs::write(self.desk.config(), &self.settings).unwrap();
    }

    /// Sends to this person, and loses the answer so.
    fn lose(&self, n: usize, fault: Fault) {
        self.fake.fail_once(fault);
        let ended = self.desk.run(&["send", &fictional(n), "hello"]);
        assert!(ended.err.contains("outcome_unknown"), "{ended:?}");
    }

    /// Lets so much time pass, as far as the ledger is to know.
    fn pass(&self, ms: i64) {
        self.write(&format!(
            "UPDATE message SET changed_ms = changed_ms - {ms}, created_ms = created_ms - {ms};
             UPDATE repost SET asked_ms = asked_ms - {ms}, again_ms = again_ms - {ms};"
        ));
    }

    fn write(&self, sql: &str) {
        // A process that was killed left it open: the next one closes it.
        self.desk.done(&["opt-out", "add", &fictional(99)]);
        let ledger = rusqlite::Connection::open(self.desk.ledger()).unwrap();
        ledger.busy_timeout(crate::support::LAST_RESORT).unwrap();
        ledger.execute_batch(sql).unwrap();
    }

    /// A server that works by now, or has ended.
    fn serve_by(&self, failpoints: &str) -> Server {
        let log = tempfile::NamedTempFile::new_in(self.desk.path()).unwrap();
        let mut command = self.desk.command();
        command.env("FAILPOINTS", failpoints);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log.reopen().unwrap());
        let mut server = Server(command.spawn().unwrap());
        eventually("the server works", || {
            std::fs::read_to_string(log.path()).unwrap().contains("serving MCP over stdio")
                || server.0.try_wait().unwrap().is_some()
        });
        server
    }

    fn serve(&self) -> Server {
        self.serve_by("")
    }

    /// What was posted, in order.
    fn posts(&self) -> Vec<Seen> {
        self.fake.requests().into_iter().filter(|request| request.method == "POST").collect()
    }

    /// Whether it stays at so many posts while servers run.
    fn stays_at(&self, posts: usize, what: &str) {
        let server = self.serve();
        std::thread::sleep(2 * A_WHILE);
        drop(server);
        assert_eq!(self.posts().len(), posts, "{what}");
    }

    /// Each message's state, oldest first.
    fn states(&self) -> Vec<String> {
        let list: Value = serde_json::from_str(&self.desk.done(&["list", "--json"]).out).unwrap();
        let state = |message: &Value| message["status"].as_str().unwrap().to_owned();
        let mut states: Vec<String> = list["messages"].as_array().unwrap().iter().map(state).collect();
        states.reverse();
        states
    }

    fn is_settled(&self) -> bool {
        self.states().iter().all(|state| ["sent", "delivered"].contains(&state.as_str()))
    }

    /// How many texts are at the vendor.
    fn texts(&self) -> usize {
        self.fake.vendor().messages.len()
    }
}

/// What a vendor is shown of a request.
fn shown(request: &Seen) -> (String, Vec<(String, String)>, Vec<u8>) {
    let headers = request.headers.iter().filter(|(name, _)| name != "host").cloned().collect();
    (request.path.clone(), headers, request.body.clone())
}

#[test]
fn a_lost_answer_is_had_by_the_same_octets_once_more_and_the_text_is_there_once() {
    for fault in [
        Fault::DropAfterAccept,
        Fault::ErrorAfterAccept(502),
        Fault::HalfJson,
        Fault::Garbage,
        // It did not come so far: then it goes out now.
        Fault::DropDuringBody,
    ] {
        let scene = Scene::new();
        scene.lose(1, fault.clone());
        let what = format!("{fault:?}");
        scene.stays_at(1, &what);
        scene.pass(OVER_MS);
        let server = scene.serve();
        eventually(&what, || scene.is_settled());
        drop(server);
        let posts = scene.posts();
        assert_eq!((posts.len(), scene.texts()), (2, 1), "{what}");
        if fault != Fault::DropDuringBody {
            assert_eq!(shown(&posts[0]), shown(&posts[1]), "{what}");
        }
        // Its answer is the first one's: id and money are known, and no third one ever follows.
        let list: Value = serde_json::from_str(&scene.desk.done(&["list", "--json"]).out).unwrap();
        assert_eq!(list["messages"][0]["provider_message_id"], scene.fake.vendor().messages[0].id.as_str());
        let balance: Value = serde_json::from_str(&scene.desk.done(&["balance", "--json"]).out).unwrap();
        assert_eq!(balance["budgets"][0]["held"], "0.00", "{balance}");
        scene.pass(OVER_MS);
        scene.stays_at(2, &what);
    }
}

#[test]
fn it_is_off_unless_the_operator_asks_for_it_and_then_our_reference_is_an_exact_one() {
    let off = build(&config("http://127.0.0.1:9"), KEY);
    use sms_mcp::provider::Provider as _;
    assert_eq!((off.capabilities().reference, off.capabilities().reposts), (Reference::None, false));
    let on = Config { replay_after_lost_answer: true, ..config("http://127.0.0.1:9") };
    let can = build(&on, KEY).capabilities();
    assert_eq!((can.reference, can.reposts), (Reference::Exact, true));
    let scene = Scene::new();
    scene.set(ON, "");
    scene.lose(1, Fault::DropAfterAccept);
    scene.pass(OVER_MS);
    // Who sent it did not note by which request, so that nobody can say later what the same one would be.
    scene.set_back();
    scene.stays_at(1, "off");
    let looked = scene.desk.run(&["reconcile"]);
    assert!(looked.out.contains("0 settled, 1 still unknown"), "{looked:?}");
    assert!(looked.err.contains("posts each request once more within 20 hours"), "{looked:?}");
    assert_eq!(scene.posts().len(), 1, "a command posts nothing");
}

#[test]
fn a_kill_between_leaves_two_posts_at_most_and_one_text_wherever_it_comes() {
    // The point, how many posts there are after all of it, and whether that settles the message.
    for (point, posts, is_settled) in [
        ("after-repost-claim=return", 1, false),
        ("before-provider=return", 1, false),
        ("after-provider=return", 2, false),
        ("after-settle=return", 2, true),
    ] {
        let scene = Scene::new();
        scene.lose(1, Fault::DropAfterAccept);
        scene.pass(OVER_MS);
        let mut server = scene.serve_by(point);
        eventually(point, || server.0.try_wait().unwrap().is_some());
        drop(server);
        for _ in 0..2 {
            scene.pass(OVER_MS);
            scene.stays_at(posts, point);
        }
        assert_eq!((scene.is_settled(), scene.texts()), (is_settled, 1), "{point}");
    }
}

#[test]
fn a_text_whose_sender_was_killed_is_posted_once_more_too() {
    for (point, posts) in [("after-reserve", 0), ("before-provider", 1), ("after-provider", 2)] {
        let scene = Scene::new();
        let mut command = scene.desk.command();
        command.args(["send", &fictional(1), "hello"]).env("FAILPOINTS", format!("{point}=return"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        assert_eq!(Command::status(&mut command).unwrap().code(), None, "{point}");
        // The next process finds it, and from then on its time counts.
        scene.stays_at(posts.min(scene.posts().len()), point);
        assert_eq!(scene.states(), ["unknown"], "{point}");
        scene.pass(OVER_MS);
        if posts == 0 {
            scene.stays_at(0, point);
            continue;
        }
        let server = scene.serve();
        eventually(point, || scene.is_settled());
        drop(server);
        assert_eq!((scene.posts().len(), scene.texts()), (posts, 1), "{point}");
    }
}

#[test]
fn of_several_servers_one_posts_it_once_more() {
    let scene = Scene::new();
    for n in 1..=5 {
        scene.lose(n, Fault::DropAfterAccept);
    }
    scene.pass(OVER_MS);
    let servers: Vec<Server> = std::thread::scope(|scope| {
        let started: Vec<_> = (0..4).map(|_| scope.spawn(|| scene.serve())).collect();
        started.into_iter().map(|server| server.join().unwrap()).collect()
    });
    eventually("all are settled", || scene.is_settled());
    std::thread::sleep(A_WHILE);
    drop(servers);
    assert_eq!((scene.posts().len(), scene.texts()), (10, 5));
}

#[test]
fn an_answer_that_does_not_say_that_telnyx_has_it_settles_nothing_and_there_is_no_third_post() {
    let refusal = |code: &str| json!({ "errors": [{ "code": code, "title": "no" }] });
    for fault in [
        Fault::Status(400, refusal("10002")),
        Fault::Status(401, refusal("10009")),
        Fault::Status(422, refusal("10027")),
        Fault::Status(403, refusal("40300")),
        Fault::Status(500, refusal("10007")),
        Fault::Status(200, json!({ "data": { "to": [{ "status": "queued" }] } })),
        Fault::Status(302, json!({})),
        Fault::ThrottleSeconds(1),
        Fault::DropAfterAccept,
        Fault::DropBeforeBody,
    ] {
        let scene = Scene::new();
        scene.lose(1, Fault::DropAfterAccept);
        scene.pass(OVER_MS);
        scene.fake.fail(fault.clone());
        let what = format!("{fault:?}");
        let server = scene.serve();
        eventually(&what, || scene.posts().len() == 2);
        std::thread::sleep(A_WHILE);
        drop(server);
        scene.fake.fail(Fault::None);
        scene.pass(OVER_MS);
        scene.stays_at(2, &what);
        assert_eq!((scene.states(), scene.texts()), (vec!["unknown".to_owned()], 1), "{what}");
        let balance: Value = serde_json::from_str(&scene.desk.done(&["balance", "--json"]).out).unwrap();
        assert_eq!(balance["budgets"][0]["held"], "0.10", "{what}: {balance}");
    }
}

/// What is in the way, and how it is taken away.
type Obstacle = (&'static str, fn(&Scene), fn(&Scene));

#[cfg(unix)]
#[test]
fn what_is_not_the_same_or_may_not_leave_is_not_posted_once_more_until_that_is_over() {
    let obstacles: [Obstacle; 12] = [
        ("another key", |scene| scene.set(KEY, "KEY-other"), Scene::set_back),
        ("another sender", |scene| scene.set(FROM, "+15557654322"), Scene::set_back),
        (
            "another profile",
            |scene| scene.set(ON, &format!("messaging_profile = \"{PROFILE}\"\n{ON}")),
            Scene::set_back,
        ),
        (
            "another address for reports",
            |scene| scene.set("sms.example.com", "sms.example.org"),
            Scene::set_back,
        ),
        (
            "no address for reports",
            |scene| scene.set(&format!("public_key = \"{PUBLIC_KEY}\"\n"), ""),
            Scene::set_back,
        ),
        ("off", |scene| scene.set(ON, ""), Scene::set_back),
        (
            "a list without them",
            |scene| scene.set("[http]", "allow_destinations = [\"US\"]\n[http]"),
            Scene::set_back,
        ),
        (
            "dearer by now",
            |scene| scene.set("price_when_unknown = \"0.10\"", "price_when_unknown = \"0.20\""),
            Scene::set_back,
        ),
        (
            "a pause",
            |scene| drop(scene.desk.done(&["pause"])),
            |scene| drop(scene.desk.does(&["resume"], "resume")),
        ),
        (
            "a freeze",
            |scene| scene.write("UPDATE budget SET frozen = 1"),
            |scene| scene.write("UPDATE budget SET frozen = 0"),
        ),
        (
            "an opt-out",
            |scene| drop(scene.desk.done(&["opt-out", "add", &fictional(1)])),
            |scene| scene.write(&format!("DELETE FROM opt_out WHERE number = '{}'", fictional(1))),
        ),
        (
            "another body",
            |scene| scene.write("UPDATE message SET text = 'hallo'"),
            |scene| scene.write("UPDATE message SET text = 'hello'"),
        ),
    ];
    std::thread::scope(|scope| {
        for (what, put, take_away) in obstacles {
            scope.spawn(move || {
                let scene = Scene::new();
                scene.lose(1, Fault::DropAfterAccept);
                scene.pass(OVER_MS);
                put(&scene);
                scene.stays_at(1, what);
                take_away(&scene);
                let server = scene.serve();
                eventually(what, || scene.is_settled());
                drop(server);
                assert_eq!((scene.posts().len(), scene.texts()), (2, 1), "{what}");
            });
        }
    });
}

#[cfg(unix)]
#[test]
fn after_twenty_hours_of_a_text_that_is_not_kept_or_in_a_restored_ledger_nothing_is_posted_again() {
    let late = Scene::new();
    late.lose(1, Fault::DropAfterAccept);
    late.pass(20 * HOUR_MS + MINUTE_MS);
    late.stays_at(1, "late");
    let unkept = Scene::new();
    unkept.set("keep_texts = true", "keep_texts = false");
    unkept.lose(1, Fault::DropAfterAccept);
    unkept.pass(OVER_MS);
    unkept.stays_at(1, "unkept");
    // In the copy it was not posted again yet.
    let copied = Scene::new();
    copied.lose(1, Fault::DropAfterAccept);
    let copy = copied.desk.path().join("copy.db");
    copied.desk.done(&["backup", copy.to_str().unwrap()]);
    copied.pass(OVER_MS);
    let server = copied.serve();
    eventually("settled", || copied.is_settled());
    drop(server);
    let restored = copied.desk.types(&["restore", copy.to_str().unwrap()], "restore");
    assert_eq!(restored.code, 0, "{restored:?}");
    copied.desk.types(&["ledger", "accept"], "accept");
    copied.pass(OVER_MS);
    copied.stays_at(2, "restored");
    assert_eq!(copied.states(), ["unknown"]);
}

#[cfg(unix)]
#[test]
fn nobody_says_not_sent_of_what_is_on_its_way_once_more() {
    let scene = Scene::new();
    scene.lose(1, Fault::DropAfterAccept);
    scene.pass(OVER_MS);
    scene.fake.fail(Fault::DropAfterAccept);
    let server = scene.serve();
    eventually("it is posted", || scene.posts().len() == 2);
    scene.fake.fail(Fault::None);
    let list: Value = serde_json::from_str(&scene.desk.done(&["list", "--json"]).out).unwrap();
    let id = list["messages"][0]["id"].as_str().unwrap().to_owned();
    let refused = scene.desk.types(&["reconcile", &id, "--not-sent"], "not-sent");
    assert!(refused.code != 0 && refused.err.contains("was posted once more at"), "{refused:?}");
    assert_eq!(scene.states(), ["unknown"]);
    drop(server);
    scene.pass(16 * MINUTE_MS);
    let taken = scene.desk.types(&["reconcile", &id, "--not-sent"], "not-sent");
    assert_eq!(taken.code, 0, "{taken:?}");
    assert_eq!(scene.states(), ["rejected"]);
}
