//! An older ledger, another one, or none in its place: nothing is sent by a real provider until a person has
//! looked, and what the mark outside the ledger knows is not lost with it.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::ledger::NewPending;
use sms_mcp::ledger::facets::{People as _, Upkeep as _};
use sms_mcp::ledger::mark::{MarkAt, Marking};
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::sms::reply::Meaning;

use crate::cli::{Ended, at_terminal};
use crate::fake::Fake;
use crate::fake::sms_for_ai::{SmsForAi, TOKEN};
use crate::support::{A_WHILE, Desk, Era, HttpServer, LAST_RESORT, WIDE, eventually, fictional, found};
use crate::wire::{get, head, read_reply, said, stateless_headers, tool_call};

/// What a server says to a call; nothing where it ends meanwhile.
fn asked(server: &HttpServer, tool: &'static str, arguments: &Value) -> Option<Value> {
    let body = tool_call(Era::Stateless, 1, tool, arguments);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).ok()?;
    stream.set_read_timeout(Some(LAST_RESORT)).unwrap();
    stream.write_all(&[head(server.port, &stateless_headers(tool), body.len()), body].concat()).ok()?;
    said(&read_reply(&mut stream)?.json()?)
}

fn call(server: &HttpServer, tool: &'static str, arguments: &Value) -> Value {
    asked(server, tool, arguments).expect("an answer")
}

/// One intent: its key and its text are its own.
fn intent(person: usize, name: &str) -> Value {
    json!({ "to": fictional(person), "message": format!("Text {name}"), "idempotency_key": name })
}

fn bulk(people: std::ops::Range<usize>, name: &str) -> Value {
    let recipients: Vec<Value> = people.map(|person| json!({ "to": fictional(person) })).collect();
    json!({ "recipients": recipients, "message": format!("Bulk {name}"), "idempotency_key": name })
}

fn health(server: &HttpServer) -> (u16, String) {
    let health = get(server.port, "/healthz");
    (health.status, String::from_utf8(health.body).unwrap())
}

fn is_in_doubt(server: &HttpServer) -> bool {
    let (status, body) = health(server);
    assert_eq!(status == 200, body.contains("ok"), "{body}");
    body.contains("ledger_in_doubt")
}

/// The files of a ledger.
fn files(ledger: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| PathBuf::from(format!("{}{end}", ledger.display())))
}

fn remove(ledger: &Path) {
    files(ledger).iter().for_each(|file| drop(std::fs::remove_file(file)));
}

/// Puts a copy of all three files in place of a ledger, as a roll-back of its disk does.
fn copy(from: &Path, to: &Path) {
    remove(to);
    for (from, to) in files(from).iter().zip(files(to)).filter(|(from, _)| from.exists()) {
        std::fs::copy(from, to).unwrap();
    }
}

/// A desk before a real vendor.
struct Scene {
    desk: Desk,
    fake: Fake<SmsForAi>,
}

impl Scene {
    fn new(settings: &str) -> Self {
        let fake = Fake::start(SmsForAi { credits_micros: 1_000_000_000, ..SmsForAi::default() });
        let provider = format!(
            "[[provider]]\nkind = \"sms_for_ai\"\nbase_url = \"{}/api/v1\"\ntoken = \"{TOKEN}\"\n",
            fake.url()
        );
        Self { desk: Desk::new(&format!("{settings}{provider}")), fake }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.desk.path().join(name)
    }

    fn run_at(&self, ledger: &Path, args: &[&str]) -> Ended {
        Ended::of(self.desk.command_at(ledger).args(args).stdin(Stdio::null()).output().unwrap())
    }

    /// `ledger accept` by a person who types this.
    fn types(&self, ledger: &Path, words: &str) -> Ended {
        let mut command = self.desk.command_at(ledger);
        command.args(["ledger", "accept"]);
        at_terminal(command, words)
    }

    fn accept(&self, ledger: &Path) -> Ended {
        let accepted = self.types(ledger, "accept");
        assert!(accepted.code == 0 && accepted.out.contains("accepted: "), "{accepted:?}");
        accepted
    }

    /// What the vendor took: to whom, and what.
    fn wire(&self) -> Vec<(String, String)> {
        self.fake.vendor().messages.iter().map(|message| (message.to.clone(), message.body.clone())).collect()
    }

    fn twice(&self) -> usize {
        let wire = self.wire();
        wire.len() - wire.iter().collect::<BTreeSet<_>>().len()
    }
}

/// A way in which a ledger comes to be another one, while nothing runs. It returns the ledger that is used
/// from then on.
struct Act {
    what: &'static str,
    done: fn(&Scene) -> PathBuf,
    /// What the doubt is about.
    said: &'static str,
}

const ACTS: [Act; 8] = [
    Act {
        what: "a backup copied over it",
        done: |scene| {
            copy(&scene.file("backup.db"), &scene.desk.ledger());
            scene.desk.ledger()
        },
        said: "is older than its mark",
    },
    Act {
        what: "a backup restored",
        done: |scene| {
            let restored =
                scene.desk.does(&["restore", scene.file("backup.db").to_str().unwrap()], "restore");
            assert!(restored.err.contains("sms-mcp ledger accept"), "{restored:?}");
            scene.desk.ledger()
        },
        said: "is older than its mark",
    },
    Act {
        what: "its disk rolled back",
        done: |scene| {
            copy(&scene.file("snapshot.db"), &scene.desk.ledger());
            scene.desk.ledger()
        },
        said: "is older than its mark",
    },
    Act {
        what: "removed",
        done: |scene| {
            remove(&scene.desk.ledger());
            scene.desk.ledger()
        },
        said: "is new or was never marked",
    },
    Act {
        what: "emptied",
        done: |scene| {
            remove(&scene.desk.ledger());
            std::fs::write(scene.desk.ledger(), "").unwrap();
            scene.desk.ledger()
        },
        said: "is new or was never marked",
    },
    Act {
        what: "replaced by one of the sandbox",
        done: |scene| {
            let sandbox = Desk::new("");
            sandbox.done(&["send", &fictional(70), "Hello"]);
            copy(&sandbox.ledger(), &scene.desk.ledger());
            scene.desk.ledger()
        },
        said: "is new or was never marked",
    },
    Act {
        what: "a backup used where it is",
        done: |scene| scene.file("backup.db"),
        said: "is older than its mark",
    },
    Act {
        what: "a wrong --ledger",
        done: |scene| scene.file("wrong.db"),
        said: "is new, and this user has sent from",
    },
];

/// The day's limit of [`ACTS`], the bulk that is queued when the backup is made, and the single texts after
/// it.
const DAY: usize = 30;
const BULK: usize = 22;
const AFTER: usize = 3;

/// Sends, and makes the copies that [`ACTS`] put in place of the ledger. Returns how many texts have left
/// when the process is killed.
fn before(scene: &Scene) -> usize {
    let server = scene.desk.http(|_| {});
    assert_eq!(call(&server, "send_sms", &intent(0, "first"))["status"], "sent");
    // The vendor takes its time: most of the bulk is queued when the backup is made.
    scene.fake.hold();
    assert_eq!(call(&server, "send_bulk", &bulk(10..10 + BULK, "bulk"))["status"], "in_progress");
    eventually("some of it is at the vendor", || {
        scene.fake.requests().iter().filter(|seen| seen.method == "POST").count() > 4
    });
    scene.desk.done(&["backup", scene.file("backup.db").to_str().unwrap()]);
    copy(&scene.desk.ledger(), &scene.file("snapshot.db"));
    scene.fake.release();
    eventually("all of it has left", || scene.wire().len() == 1 + BULK);
    for index in 0..AFTER {
        assert_eq!(
            call(&server, "send_sms", &intent(50 + index, &format!("after-{index}")))["status"],
            "sent"
        );
    }
    scene.desk.done(&["opt-out", "add", &fictional(60)]);
    server.kill();
    scene.wire().len()
}

/// Whatever is asked of a ledger in doubt, it sends nothing, and a person has to accept it.
fn sends_nothing(scene: &Scene, ledger: &Path, Act { what, said, .. }: &Act) {
    let left = scene.wire().len();
    let server = scene.desk.http_at(ledger, |_| {});
    assert!(is_in_doubt(&server), "{what}: {:?}", health(&server));
    let refused = call(&server, "send_sms", &intent(61, "refused"));
    assert_eq!(refused["code"], "ledger_in_doubt", "{what}: {refused}");
    assert!(
        refused["message"].as_str().unwrap().contains(said)
            && refused["next"].as_str().unwrap().contains("ledger accept"),
        "{what}: {refused}"
    );
    assert_eq!(
        call(&server, "send_bulk", &bulk(62..64, "refused-bulk"))["code"],
        "ledger_in_doubt",
        "{what}"
    );
    let quoted =
        call(&server, "send_sms", &json!({ "to": fictional(61), "message": "Hello", "dry_run": true }));
    assert!(quoted.to_string().contains("ledger_in_doubt"), "{what}: {quoted}");
    assert_eq!(scene.run_at(ledger, &["send", &fictional(61), "By hand"]).code, 1, "{what}");
    let checked = scene.run_at(ledger, &["config", "check"]);
    assert!(checked.code == 1 && checked.err.contains("ledger_in_doubt"), "{what}: {checked:?}");
    // Work is read all the same, and a STOP is recorded.
    assert_eq!(scene.run_at(ledger, &["list"]).code, 0, "{what}");
    assert_eq!(scene.run_at(ledger, &["opt-out", "add", &fictional(65)]).code, 0, "{what}");
    std::thread::sleep(A_WHILE);
    // Nor is anything sent after another start, whatever was written meanwhile.
    server.stop();
    let server = scene.desk.http_at(ledger, |_| {});
    assert!(is_in_doubt(&server), "{what}");
    // Nobody at a terminal, and one who does not mean it.
    let refused = scene.run_at(ledger, &["ledger", "accept"]);
    assert!(refused.code == 1 && refused.err.contains("a person has to accept it"), "{what}: {refused:?}");
    let refused = scene.types(ledger, "yes");
    assert!(refused.code == 1 && refused.err.contains("everything is as it was"), "{what}: {refused:?}");
    assert!(is_in_doubt(&server), "{what}");
    server.stop();
    assert_eq!(scene.wire().len(), left, "{what}: nothing is sent");
}

/// After a person's act a server that runs goes on, and so does the next one; an agent that lost its answers
/// asks for all of it again, and for new texts up to the limit.
fn goes_on(scene: &Scene, ledger: &Path, what: &str) {
    let server = scene.desk.http_at(ledger, |_| {});
    assert!(is_in_doubt(&server), "{what}");
    scene.accept(ledger);
    assert_eq!(health(&server).0, 200, "{what}");
    assert_eq!(call(&server, "send_sms", &intent(66, "new"))["status"], "sent", "{what}");
    server.stop();
    let server = scene.desk.http_at(ledger, |_| {});
    assert_eq!(health(&server).0, 200, "{what}");
    for person in [60, 65] {
        assert_eq!(
            call(&server, "send_sms", &intent(person, &format!("to-{person}")))["code"],
            "opted_out",
            "{what}"
        );
    }
    call(&server, "send_bulk", &bulk(10..10 + BULK, "bulk"));
    call(&server, "send_sms", &intent(0, "first"));
    (0..AFTER)
        .for_each(|index| drop(call(&server, "send_sms", &intent(50 + index, &format!("after-{index}")))));
    std::thread::sleep(A_WHILE);
    let mut count = 1;
    while call(&server, "send_sms", &intent(100 + count, &format!("new-{count}")))["code"]
        != "budget_exceeded"
    {
        count += 1;
        assert!(count <= DAY, "{what}: no limit");
    }
    server.stop();
}

#[test]
fn an_older_ledger_another_one_or_none_sends_nothing_until_a_person_accepts_it_and_new_texts_after_that() {
    let (mut twice, mut over, mut out, mut fresh) = (0, 0, 0, 0);
    for act in &ACTS {
        let settings = WIDE.replace("day_messages = 1000000", &format!("day_messages = {DAY}"));
        let scene = Scene::new(&format!("{settings}[send]\nconcurrency = 4\nbulk_wait = \"100ms\"\n"));
        let left = before(&scene);
        let ledger = (act.done)(&scene);
        sends_nothing(&scene, &ledger, act);
        goes_on(&scene, &ledger, act.what);
        let wire = scene.wire();
        fresh += wire.len() - left;
        twice += scene.twice();
        // A second ledger has limits of its own, by the word of that person.
        over += if act.what == "a wrong --ledger" { 0 } else { wire.len().saturating_sub(DAY) };
        out += wire.iter().filter(|(to, _)| *to == fictional(60) || *to == fictional(65)).count();
    }
    eprintln!(
        "{} restores: {twice} twice, {over} over, {out} texted who opted out, {fresh} new texts after a \
         person's act",
        ACTS.len()
    );
    assert_eq!((twice, over, out), (0, 0, 0));
    assert!(
        fresh >= ACTS.len() * (DAY - 1 - BULK - AFTER),
        "a server that refuses everything passes nothing"
    );
}

#[test]
fn where_the_mark_is_gone_too_every_budget_is_frozen_and_the_person_is_told_which_stops_may_be_lost() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["send", &fictional(0), "Before"]);
    std::fs::remove_dir_all(scene.desk.state()).unwrap();
    let refused = scene.desk.run(&["send", &fictional(1), "Without"]);
    assert!(
        refused.code == 1 && refused.err.contains("its mark") && refused.err.contains("is not there"),
        "{refused:?}"
    );
    let accepted = scene.accept(&scene.desk.ledger());
    assert!(
        accepted.out.contains("who said STOP from 20") && accepted.out.contains("frozen"),
        "{accepted:?}"
    );
    assert!(accepted.err.contains("sms_for_ai keeps no list of opt-outs"), "{accepted:?}");
    let frozen = scene.desk.run(&["send", &fictional(1), "Frozen"]);
    assert!(frozen.code == 1 && frozen.err.contains("(budget_frozen)"), "{frozen:?}");
    assert_eq!(scene.wire().len(), 1);
    scene.desk.does(&["budget", "unfreeze"], "unfreeze");
    scene.desk.done(&["send", &fictional(1), "After"]);
    assert_eq!(scene.wire().len(), 2);
}

#[test]
fn a_copied_ledger_sends_nothing_and_one_that_was_moved_goes_on() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["send", &fictional(0), "Before"]);
    let (copied, moved) = (scene.file("copied.db"), scene.file("moved.db"));
    copy(&scene.desk.ledger(), &copied);
    let refused = scene.run_at(&copied, &["send", &fictional(1), "From the copy"]);
    assert!(refused.code == 1 && refused.err.contains("is a copy of"), "{refused:?}");
    scene.desk.done(&["send", &fictional(1), "From the first"]);
    remove(&copied);
    std::fs::rename(scene.desk.ledger(), &moved).unwrap();
    assert_eq!(scene.run_at(&moved, &["send", &fictional(2), "From its new name"]).code, 0);
    assert_eq!(scene.wire().len(), 3);
    // What stands at the old name afterwards is a ledger of its own, and new.
    let refused = scene.desk.run(&["send", &fictional(3), "Anew"]);
    assert!(refused.code == 1 && refused.err.contains("this user has sent from"), "{refused:?}");
}

#[test]
fn a_ledger_that_was_never_marked_is_marked_and_says_so_and_the_sandbox_needs_no_mark() {
    let scene = Scene::new(WIDE);
    let settings = std::fs::read_to_string(scene.desk.config()).unwrap();
    let sandbox =
        format!("{WIDE}[[provider]]\nkind = \"sandbox\"\noutbox = '{}'\n", scene.desk.outbox().display());
    std::fs::write(scene.desk.config(), sandbox).unwrap();
    scene.desk.done(&["send", &fictional(0), "By the sandbox"]);
    assert!(!scene.desk.state().exists());
    std::fs::write(scene.desk.config(), settings).unwrap();
    let adopted = scene.desk.done(&["--log", "info", "send", &fictional(1), "By a real provider"]);
    assert!(adopted.err.contains("the ledger is marked from now on"), "{adopted:?}");
    let again = scene.desk.done(&["--log", "info", "send", &fictional(2), "Once more"]);
    assert!(!again.err.contains("marked"), "{again:?}");
    let marks: Vec<_> = std::fs::read_dir(scene.desk.state().join("sms-mcp"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(!marks.is_empty());
    for file in marks {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn an_acceptance_that_was_cut_short_is_asked_for_again_and_takes_nothing_more_away() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["send", &fictional(1), "One"]);
    scene.desk.done(&["backup", scene.file("backup.db").to_str().unwrap()]);
    scene.desk.done(&["send", &fictional(2), "Two"]);
    let [mark, ..] = marks(&scene);
    let before = std::fs::read(&mark).unwrap();
    copy(&scene.file("backup.db"), &scene.desk.ledger());
    scene.accept(&scene.desk.ledger());
    // As after a kill between the ledger and its mark.
    std::fs::write(&mark, before).unwrap();
    assert!(scene.desk.run(&["send", &fictional(3), "Three"]).err.contains("(ledger_in_doubt)"));
    scene.accept(&scene.desk.ledger());
    scene.desk.done(&["send", &fictional(3), "Three"]);
    let nothing = scene.desk.done(&["ledger", "accept"]);
    assert!(nothing.out.contains("is in no doubt"), "{nothing:?}");
    // The ledger from before it, put back afterwards, is another one.
    copy(&scene.file("backup.db"), &scene.desk.ledger());
    assert!(scene.desk.run(&["send", &fictional(4), "Four"]).err.contains("is that of another ledger"));
    scene.accept(&scene.desk.ledger());
    scene.desk.done(&["send", &fictional(4), "Four"]);
    assert_eq!((scene.wire().len(), scene.twice()), (4, 0));
}

/// The same while a server runs.
fn marks_of(scene: &Scene) -> [PathBuf; 3] {
    let files =
        std::fs::read_dir(scene.desk.state().join("sms-mcp")).unwrap().map(|entry| entry.unwrap().path());
    let mark = files
        .filter(|file| file.extension().is_some_and(|end| end == "mark"))
        .collect::<Vec<_>>()
        .pop()
        .unwrap();
    ["", "-notes", "-keys"].map(|end| PathBuf::from(format!("{}{end}", mark.display())))
}

/// The three files of the one mark of a desk: the mark, its notes, its keys.
fn marks(scene: &Scene) -> [PathBuf; 3] {
    let mut files: Vec<PathBuf> = std::fs::read_dir(scene.desk.state().join("sms-mcp"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let [mark, keys, notes] = files.try_into().unwrap();
    [mark, notes, keys]
}

#[test]
fn a_mark_that_nobody_can_read_is_a_doubt_and_what_the_ledger_knows_is_noted_anew() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["opt-out", "add", &fictional(0)]);
    scene.desk.done(&["send", &fictional(1), "One"]);
    scene.desk.done(&["backup", scene.file("backup.db").to_str().unwrap()]);
    let [mark, notes, keys] = marks(&scene);
    // The ledger is the newest one by its mark: it knows what stood there.
    std::fs::write(&notes, "no database at all, however long it may be").unwrap();
    std::fs::remove_file(&keys).unwrap();
    scene.desk.done(&["send", &fictional(2), "Two"]);
    copy(&scene.file("backup.db"), &scene.desk.ledger());
    let db = rusqlite::Connection::open(scene.desk.ledger()).unwrap();
    db.execute("DELETE FROM opt_out", []).unwrap();
    drop(db);
    scene.accept(&scene.desk.ledger());
    assert_eq!(
        scene.desk.run(&["send", &fictional(0), "Three"]).code,
        1,
        "the notes that were made anew know of the STOP"
    );
    scene.desk.done(&["send", &fictional(3), "Three"]);
    let whole = std::fs::read(&mark).unwrap();
    for wrong in [&b"no mark"[..], &whole[..whole.len() - 1], b""] {
        std::fs::write(&mark, wrong).unwrap();
        let refused = scene.desk.run(&["send", &fictional(4), "Four"]);
        assert!(
            refused.code == 1
                && refused.err.contains("(ledger_in_doubt)")
                && refused.err.contains("cannot be read"),
            "{refused:?}"
        );
    }
    std::fs::write(&mark, whole).unwrap();
    scene.desk.done(&["send", &fictional(4), "Four"]);
    assert_eq!(scene.wire().len(), 4);
}

#[test]
fn whichever_file_of_the_mark_is_gone_in_a_doubt_everything_is_frozen_and_the_person_is_told() {
    for gone in 0..4 {
        let scene = Scene::new(WIDE);
        scene.desk.done(&["send", &fictional(1), "One"]);
        scene.desk.done(&["backup", scene.file("backup.db").to_str().unwrap()]);
        scene.desk.done(&["opt-out", "add", &fictional(0)]);
        copy(&scene.file("backup.db"), &scene.desk.ledger());
        match gone {
            // As a kill or a full disk leaves notes that were begun.
            3 => std::fs::write(&marks(&scene)[1], "").unwrap(),
            gone => std::fs::remove_file(&marks(&scene)[gone]).unwrap(),
        }
        // A server and a command that look do not make it anew.
        let server = scene.desk.http(|_| {});
        assert!(is_in_doubt(&server), "{gone}");
        assert_eq!(scene.desk.run(&["opt-out", "add", &fictional(2)]).code, 0, "{gone}");
        let accepted = scene.accept(&scene.desk.ledger());
        assert!(
            accepted.out.contains("who said STOP from 20") && accepted.out.contains("frozen"),
            "{gone}: {accepted:?}"
        );
        assert_eq!(call(&server, "send_sms", &intent(3, "frozen"))["code"], "budget_frozen", "{gone}");
        server.stop();
        assert_eq!((marks(&scene).len(), scene.wire().len()), (3, 1), "{gone}");
    }
}

#[test]
fn a_mark_that_is_brought_back_without_its_notes_gets_them_anew_from_the_ledger() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["opt-out", "add", &fictional(0)]);
    let used = |to: usize| json!({ "to": fictional(to), "message": "Once", "idempotency_key": "used" });
    let server = scene.desk.http(|_| {});
    scene.desk.done(&["backup", scene.file("backup.db").to_str().unwrap()]);
    assert_eq!(call(&server, "send_sms", &used(1))["status"], "sent");
    server.stop();
    let [mark, notes, keys] = marks(&scene);
    std::fs::rename(&mark, scene.file("kept")).unwrap();
    [&notes, &keys].iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let server = scene.desk.http(|_| {});
    assert!(is_in_doubt(&server));
    assert_eq!(scene.desk.run(&["opt-out", "add", &fictional(2)]).code, 0);
    std::fs::rename(scene.file("kept"), &mark).unwrap();
    assert_eq!(call(&server, "send_sms", &intent(3, "sound"))["status"], "sent");
    server.stop();
    copy(&scene.file("backup.db"), &scene.desk.ledger());
    rusqlite::Connection::open(scene.desk.ledger()).unwrap().execute("DELETE FROM opt_out", []).unwrap();
    scene.accept(&scene.desk.ledger());
    let server = scene.desk.http(|_| {});
    for person in [0, 2] {
        assert_eq!(
            call(&server, "send_sms", &intent(person, &format!("to-{person}")))["code"],
            "opted_out",
            "{person}"
        );
    }
    assert_eq!(call(&server, "send_sms", &used(1))["code"], "outcome_unknown");
    assert_eq!(scene.wire().len(), 2);
}

#[test]
fn notes_and_keys_that_are_removed_under_a_running_server_are_made_anew_and_know_what_came_before_and_after()
{
    let scene = Scene::new(WIDE);
    let (first, second) = (scene.desk.http(|_| {}), scene.desk.http(|_| {}));
    scene.desk.done(&["backup", scene.file("backup.db").to_str().unwrap()]);
    scene.desk.done(&["opt-out", "add", &fictional(0)]);
    assert_eq!(call(&first, "send_sms", &intent(1, "before"))["status"], "sent");
    let [_, notes, keys] = marks_of(&scene);
    for file in [notes, keys] {
        std::fs::remove_file(&file).unwrap();
        for (server, name) in [(&first, "first"), (&second, "second"), (&first, "again")] {
            let name = format!("{name}-{}", file.display());
            assert_eq!(call(server, "send_sms", &intent(name.len(), &name))["status"], "sent", "{name}");
        }
        assert!(file.exists());
    }
    [first, second].into_iter().for_each(HttpServer::stop);
    copy(&scene.file("backup.db"), &scene.desk.ledger());
    let accepted = scene.accept(&scene.desk.ledger());
    assert!(!accepted.out.contains("frozen"), "{accepted:?}");
    let server = scene.desk.http(|_| {});
    assert_eq!(call(&server, "send_sms", &intent(0, "out"))["code"], "opted_out");
    assert_eq!(call(&server, "send_sms", &intent(1, "before"))["code"], "outcome_unknown");
    let [_, notes, keys] = marks_of(&scene);
    for file in [notes, keys] {
        for name in ["first", "second", "again"] {
            let name = format!("{name}-{}", file.display());
            assert_eq!(
                call(&server, "send_sms", &intent(name.len(), &name))["code"],
                "outcome_unknown",
                "{name}"
            );
        }
    }
    assert_eq!((scene.wire().len(), scene.twice()), (7, 0));
}

#[test]
fn who_asked_for_texts_again_may_be_texted_and_what_froze_stays_frozen_after_an_older_ledger_was_accepted() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["opt-out", "add", &fictional(0)]);
    scene.desk.done(&["backup", scene.file("backup.db").to_str().unwrap()]);
    scene.desk.does(&["opt-out", "remove", &fictional(0)], "remove");
    let server = scene.desk.http(|_| {});
    assert_eq!(call(&server, "send_sms", &intent(1, "one"))["status"], "sent");
    // The vendor charges more than it said.
    for (_, _, price) in &mut scene.fake.vendor().countries {
        *price = json!("0.9");
    }
    call(&server, "send_sms", &intent(2, "two"));
    assert_eq!(call(&server, "send_sms", &intent(3, "three"))["code"], "budget_frozen");
    server.stop();
    copy(&scene.file("backup.db"), &scene.desk.ledger());
    scene.accept(&scene.desk.ledger());
    let refused = scene.desk.run(&["send", &fictional(0), "Again"]);
    assert!(refused.code == 1 && refused.err.contains("(budget_frozen)"), "{refused:?}");
    scene.desk.does(&["budget", "unfreeze"], "unfreeze");
    scene.desk.done(&["send", &fictional(0), "Again"]);
    assert_eq!(scene.wire().len(), 3);
}

#[test]
fn where_the_mark_cannot_be_told_after_the_ledger_was_each_answer_is_true_and_nothing_stays_behind() {
    let scene = Scene::new(&format!("{WIDE}[send]\nconcurrency = 4\nbulk_wait = \"100ms\"\n"));
    let server = |nth: usize| {
        scene.desk.http(|command| {
            let earlier = if nth == 0 { String::new() } else { format!("{nth}*off->") };
            command.env("FAILPOINTS", format!("ledger-mark-untold={earlier}1*return->off"));
        })
    };
    // A single text: nothing was sent, nothing is held, and its key is free.
    let single = server(0);
    let refused = call(&single, "send_sms", &intent(1, "single"));
    assert!(
        refused["code"] == "ledger_unavailable"
            && refused["next"].as_str().unwrap().contains("Nothing was sent"),
        "{refused}"
    );
    let listed: Value = serde_json::from_str(&scene.desk.done(&["list", "--json"]).out).unwrap();
    assert_eq!(listed["messages"][0]["status"], "rejected", "{listed}");
    assert!(scene.wire().is_empty());
    assert_eq!(call(&single, "send_sms", &intent(1, "single"))["status"], "sent");
    single.stop();
    // A bulk is queued and goes out; nobody is told that it does not. And what was claimed goes back, and out
    // from there.
    for (nth, first) in [(0, 10), (1, 20), (2, 30)] {
        let bulked = server(nth);
        let answer = call(&bulked, "send_bulk", &bulk(first..first + 5, &format!("bulk-{first}")));
        assert!(answer["code"].is_null() && answer["batch"].is_string(), "{answer}");
        eventually("all of it has left", || scene.wire().len() == 1 + first / 2);
        bulked.stop();
    }
    assert_eq!(scene.twice(), 0);
}

#[test]
fn a_setting_that_keeps_no_mark_does_not_let_a_ledger_in_doubt_send() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["send", &fictional(1), "One"]);
    scene.desk.done(&["backup", scene.file("backup.db").to_str().unwrap()]);
    scene.desk.done(&["send", &fictional(2), "Two"]);
    copy(&scene.file("backup.db"), &scene.desk.ledger());
    let without = |args: &[&str]| {
        let mut command = scene.desk.command();
        command.env("SMS_MCP__LEDGER__MARK", "none").args(args);
        command
    };
    let send = || Ended::of(without(&["send", &fictional(2), "Two"]).stdin(Stdio::null()).output().unwrap());
    let refused = send();
    assert!(
        refused.code == 1 && refused.err.contains("(ledger_in_doubt)") && refused.err.contains("was marked"),
        "{refused:?}"
    );
    // The sandbox needs no mark, and nobody's word.
    let settings = std::fs::read_to_string(scene.desk.config()).unwrap();
    let sandbox =
        format!("{WIDE}[[provider]]\nkind = \"sandbox\"\noutbox = '{}'\n", scene.desk.outbox().display());
    std::fs::write(scene.desk.config(), sandbox).unwrap();
    assert_eq!(send().code, 0);
    std::fs::write(scene.desk.config(), settings).unwrap();
    // A person ends the mark, and what was spent since is to be looked at.
    let accepted = at_terminal(without(&["ledger", "accept"]), "accept");
    assert!(
        accepted.code == 0 && accepted.out.contains("frozen") && accepted.out.contains("opt-out pending"),
        "{accepted:?}"
    );
    assert!(send().err.contains("(budget_frozen)"));
    assert_eq!(at_terminal(without(&["budget", "unfreeze"]), "unfreeze").code, 0);
    assert_eq!(send().code, 0);
    // Where a mark is kept again, the old one stands for a newer ledger.
    assert!(scene.desk.run(&["send", &fictional(3), "Three"]).err.contains("(ledger_in_doubt)"));
    assert_eq!(scene.wire().len(), 3);
}

#[test]
fn an_old_mark_that_comes_back_after_an_accepted_ledger_was_written_is_not_all_that_is_known() {
    let scene = Scene::new(WIDE);
    scene.desk.done(&["send", &fictional(1), "One"]);
    scene.desk.done(&["backup", scene.file("backup.db").to_str().unwrap()]);
    scene.desk.done(&["send", &fictional(2), "Two"]);
    let old = marks(&scene).map(|file| (std::fs::read(&file).unwrap(), file));
    copy(&scene.file("backup.db"), &scene.desk.ledger());
    scene.accept(&scene.desk.ledger());
    scene.desk.done(&["send", &fictional(3), "Three"]);
    for (octets, file) in &old {
        std::fs::write(file, octets).unwrap();
    }
    let accepted = scene.accept(&scene.desk.ledger());
    assert!(accepted.out.contains("frozen"), "{accepted:?}");
    assert!(scene.desk.run(&["send", &fictional(4), "Four"]).err.contains("(budget_frozen)"));
}

/// A kill at this point, after it was passed so many times.
fn after(point: &str, hits: usize) -> String {
    if hits == 0 { format!("{point}=return") } else { format!("{point}={hits}*off->return") }
}

#[test]
fn a_kill_needs_no_person() {
    let scene = Scene::new(WIDE);
    for point in [
        "ledger-before-mark",
        "ledger-after-mark",
        "after-reserve",
        "before-provider",
        "after-provider",
        "after-settle",
    ] {
        for hits in 0..3 {
            let server = scene.desk.http(|command| {
                command.env("FAILPOINTS", after(point, hits));
            });
            let name = format!("{point}-{hits}");
            (0..4).for_each(|n| drop(asked(&server, "send_sms", &intent(n, &format!("{name}-{n}")))));
            server.kill();
            let server = scene.desk.http(|_| {});
            assert_eq!(health(&server).0, 200, "{name}");
            assert_eq!(call(&server, "send_sms", &intent(9, &name))["status"], "sent", "{name}");
            server.stop();
        }
    }
    assert_eq!(scene.twice(), 0);
}

/// A bulk is accepted in parts. In a ledger from the middle of it, which turns up again when all of it was
/// sent, it is all that is known of it: who looks at that ledger takes nothing of it away before a person has
/// said what to do.
#[test]
fn a_ledger_from_the_middle_of_a_bulk_keeps_what_it_has_until_a_person_accepts_it() {
    let scene = Scene::new(&WIDE.replace("[guard]", "[guard]\nbulk_max = 3000"));
    let (ledger, middle) = (scene.desk.ledger(), scene.file("middle.db"));
    assert_eq!(scene.desk.run(&["send", &fictional(5_000), "first"]).code, 0);
    let server = scene.desk.http(|command| {
        command.env("FAILPOINTS", "bulk-between-parts=return");
    });
    assert!(asked(&server, "send_bulk", &bulk(0..1_500, "parts")).is_none(), "the process dies");
    server.kill();
    copy(&ledger, &middle);
    let server = scene.desk.http(|_| {});
    assert_eq!(call(&server, "send_sms", &intent(5_001, "later"))["status"], "sent");
    server.stop();
    copy(&middle, &ledger);
    let server = scene.desk.http(|_| {});
    assert!(is_in_doubt(&server));
    scene.desk.run(&["list"]);
    let accepted = scene.accept(&ledger);
    assert!(
        accepted.code == 0 && accepted.out.contains("1000"),
        "those of its first part are unknown: {accepted:?}"
    );
    server.stop();
    assert_eq!((scene.wire().len(), scene.twice()), (2, 0));
}

/// What tells the log from the one before it, in its header.
fn salts(ledger: &Path) -> Vec<u8> {
    std::fs::read(&files(ledger)[1]).unwrap()[16..24].to_vec()
}

#[test]
fn an_older_file_under_the_log_of_a_killed_server_is_refused_and_the_right_one_goes_on() {
    let scene = Scene::new(WIDE);
    let (ledger, old, newest, backup) =
        (scene.desk.ledger(), scene.file("old.db"), scene.file("newest.db"), scene.file("backup.db"));
    let server = scene.desk.http(|_| {});
    assert_eq!(call(&server, "send_sms", &intent(1, "first"))["status"], "sent");
    scene.desk.done(&["backup", backup.to_str().unwrap()]);
    server.stop();
    std::fs::copy(&ledger, &old).unwrap();
    let server = scene.desk.http(|_| {});
    scene.desk.done(&["opt-out", "add", &fictional(9_000)]);
    assert_eq!(call(&server, "send_sms", &intent(2, "second"))["status"], "sent");
    // The log begins anew twice: what was written before is in the file alone.
    for round in 0..2 {
        let (before, mut bulks) = (salts(&ledger), 0);
        while salts(&ledger) == before {
            bulks += 1;
            assert!(bulks < 200, "the log never begins anew");
            let from = 10 + 100 * (200 * round + bulks) % 8_000;
            asked(&server, "send_bulk", &bulk(from..from + 100, &format!("bulk-{round}-{bulks}"))).unwrap();
        }
    }
    assert_eq!(call(&server, "send_sms", &intent(3, "third"))["status"], "sent");
    server.kill();
    copy(&ledger, &newest);
    let sent = scene.wire().len();
    // Into the file that is there, as `cp` does it.
    std::fs::write(&ledger, std::fs::read(&old).unwrap()).unwrap();
    for args in [&["send", "+12025550123", "Hello"][..], &["balance"], &["opt-out"]] {
        let refused = scene.desk.run(args);
        assert!(
            refused.code == 1 && refused.err.contains("another file was put in its place"),
            "{args:?}: {refused:?}"
        );
    }
    assert_eq!(scene.wire().len(), sent);
    assert_eq!(
        std::fs::read(&files(&ledger)[1]).unwrap(),
        std::fs::read(&files(&newest)[1]).unwrap(),
        "its log is as it was"
    );
    // A backup has its pages in another order, and the two are no database together. Nor is what is none.
    for other in [std::fs::read(&backup).unwrap(), b"garbage".repeat(10_000)] {
        // Into the file that is there, again: another one would be seen as such.
        for (file, at) in files(&newest).iter().zip(files(&ledger)).filter(|(file, _)| file.exists()) {
            std::fs::write(at, std::fs::read(file).unwrap()).unwrap();
        }
        std::fs::write(&ledger, other).unwrap();
        for args in
            [&["send", "+12025550123", "Hello"][..], &["config", "check"], &["ledger", "check"], &["list"]]
        {
            let refused = scene.desk.run(args);
            assert!(refused.code == 1 && refused.err.contains("ledger_unavailable"), "{args:?}: {refused:?}");
            let [is, was] =
                [&ledger, &newest].map(|ledger| std::fs::read(&files(ledger)[1]).unwrap_or_default());
            let other = is.iter().zip(&was).position(|(is, was)| is != was);
            assert!(
                is == was,
                "{args:?}: its log is as it was: {} and {} octets, other from {other:?}: {refused:?}",
                is.len(),
                was.len()
            );
        }
    }
    // An empty file has no log, and SQLite would remove it: it is set aside.
    std::fs::write(&ledger, b"").unwrap();
    let refused = scene.desk.run(&["send", "+12025550123", "Hello"]);
    assert!(refused.code == 1 && refused.err.contains("(ledger_in_doubt)"), "{refused:?}");
    let log = std::fs::read(&files(&newest)[1]).unwrap();
    let aside = format!("{}.other-{}-wal", ledger.display(), log.len());
    assert_eq!(std::fs::read(aside).unwrap(), log);
    assert_eq!(scene.wire().len(), sent);
    // The file that was there, with its log: a kill needs nobody.
    copy(&newest, &ledger);
    let server = scene.desk.http(|_| {});
    assert_eq!(health(&server).0, 200);
    for n in [2, 3] {
        assert_eq!(call(&server, "send_sms", &intent(n, ["second", "third"][n - 2]))["replayed"], true);
    }
    assert_eq!(call(&server, "send_sms", &intent(9_000, "out"))["code"], "opted_out");
    server.stop();
    assert_eq!(scene.twice(), 0);
}

/// Writes into the file that is there, as `cp` does it.
fn overwrite(from: &Path, to: &Path) {
    std::fs::write(to, std::fs::read(from).unwrap()).unwrap();
}

#[test]
fn a_backup_of_before_an_opt_out_by_a_command_is_not_taken_for_the_file_of_a_killed_servers_log() {
    let scene = Scene::new(&format!("{WIDE}[ledger]\nkeep_texts = false\n"));
    let (ledger, backup, newest) = (scene.desk.ledger(), scene.file("backup.db"), scene.file("newest.db"));
    // Put back once, so that its pages lie as those of a backup do.
    (0..10).for_each(|n| drop(scene.desk.done(&["send", &fictional(100 + n), "Hello"])));
    scene.desk.done(&["backup", backup.to_str().unwrap()]);
    assert_eq!(scene.desk.types(&["restore", backup.to_str().unwrap()], "restore").code, 0);
    std::fs::remove_file(&backup).unwrap();
    let server = scene.desk.http(|_| {});
    call(&server, "send_bulk", &bulk(1..2, "unkept"));
    eventually("it is sent", || scene.wire().len() == 11);
    scene.desk.done(&["backup", backup.to_str().unwrap()]);
    let header = || std::fs::read(&files(&ledger)[1]).unwrap().get(..32).map(<[u8]>::to_vec);
    let before = header();
    // Another process writes, and the server empties the log after that: it has to know what was in it.
    scene.desk.done(&["opt-out", "add", &fictional(9_000)]);
    call(&server, "send_bulk", &bulk(2..3, "again"));
    eventually("the log begins anew", || header().is_some_and(|header| Some(header) != before));
    for n in 10..13 {
        assert_eq!(call(&server, "send_sms", &intent(n, &format!("later-{n}")))["status"], "sent");
    }
    server.kill();
    copy(&ledger, &newest);
    let sent = scene.wire().len();
    overwrite(&backup, &ledger);
    for args in [&["send", &fictional(9_000), "Hello"][..], &["config", "check"], &["opt-out"]] {
        let refused = scene.desk.run(args);
        assert!(
            refused.code == 1 && refused.err.contains("another file was put in its place"),
            "{args:?}: {refused:?}"
        );
    }
    assert_eq!(scene.wire().len(), sent);
    copy(&newest, &ledger);
    assert!(scene.desk.run(&["send", &fictional(9_000), "Hello"]).err.contains("(opted_out)"));
    assert_eq!(scene.desk.run(&["send", &fictional(20), "Hello"]).code, 0);
    assert_eq!(scene.twice(), 0);
}

#[test]
fn another_ledger_that_was_written_more_often_is_not_taken_for_the_file_of_a_killed_servers_log() {
    let (scene, other) = (Scene::new(WIDE), Scene::new(WIDE));
    let ledger = scene.desk.ledger();
    let server = other.desk.http(|_| {});
    (0..30).for_each(|n| drop(call(&server, "send_sms", &intent(n, &format!("other-{n}")))));
    server.stop();
    scene.desk.done(&["opt-out", "add", &fictional(9_000)]);
    for is_new_file in [false, true] {
        let server = scene.desk.http(|_| {});
        assert_eq!(call(&server, "send_sms", &intent(1, &format!("one-{is_new_file}")))["status"], "sent");
        server.kill();
        let newest = scene.file("newest.db");
        copy(&ledger, &newest);
        if is_new_file {
            std::fs::copy(other.desk.ledger(), scene.file("moved.db")).unwrap();
            std::fs::rename(scene.file("moved.db"), &ledger).unwrap();
        } else {
            overwrite(&other.desk.ledger(), &ledger);
        }
        let sent = scene.wire().len();
        let refused = scene.desk.run(&["send", &fictional(9_000), "Hello"]);
        // One that says that it is whole has its log set aside, where it is seen to be another file.
        let is_told =
            ["(ledger_unavailable)", "(ledger_in_doubt)"].iter().any(|told| refused.err.contains(told));
        assert!(refused.code == 1 && is_told, "{is_new_file}: {refused:?}");
        assert_eq!(scene.wire().len(), sent);
        copy(&newest, &ledger);
        assert!(
            scene.desk.run(&["send", &fictional(9_000), "Hello"]).err.contains("(opted_out)"),
            "{is_new_file}"
        );
    }
}

#[test]
fn a_mark_that_cannot_be_written_sends_nothing_and_loses_no_stop_and_no_outcome() {
    let scene = Scene::new(WIDE);
    let mark = scene.file("no/folder");
    std::fs::write(scene.file("no"), "a file, and no folder").unwrap();
    let named = |command: &mut Command| {
        command.env("SMS_MCP__LEDGER__MARK", &mark);
    };
    let server = scene.desk.http(named);
    let refused = call(&server, "send_sms", &intent(1, "one"));
    assert!(
        refused["code"] == "ledger_unavailable" && refused["message"].as_str().unwrap().contains("the mark"),
        "{refused}"
    );
    assert_eq!(health(&server).0, 503);
    let mut stopping = scene.desk.command();
    named(&mut stopping);
    assert!(stopping.args(["opt-out", "add", &fictional(2)]).output().unwrap().status.success());
    assert!(scene.wire().is_empty());
    // It can be written again: nobody has to do anything.
    std::fs::remove_file(scene.file("no")).unwrap();
    assert_eq!(call(&server, "send_sms", &intent(1, "one"))["status"], "sent");
    assert_eq!(call(&server, "send_sms", &intent(2, "two"))["code"], "opted_out");
    // It is taken away while the server runs.
    std::fs::remove_file(&mark).unwrap();
    let refused = call(&server, "send_sms", &intent(3, "three"));
    assert_eq!(refused["code"], "ledger_unavailable", "{refused}");
    assert_eq!(call(&server, "send_sms", &intent(4, "four"))["code"], "ledger_in_doubt");
    assert_eq!(scene.wire().len(), 1);
    server.stop();
    let states: Vec<Value> = serde_json::from_str::<Value>(&scene.desk.done(&["list", "--json"]).out)
        .unwrap()["messages"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(
        states.iter().filter(|message| message["status"] == "rejected").count(),
        1,
        "what was recorded and did not begin: {states:?}"
    );
}

#[test]
fn what_a_running_server_has_open_is_held_against_what_it_knew() {
    let scene = Scene::new(WIDE);
    let server = scene.desk.http(|_| {});
    assert_eq!(call(&server, "send_sms", &intent(0, "first"))["status"], "sent");
    // A count that goes back, as if an older file had been copied into this one.
    let db = rusqlite::Connection::open(scene.desk.ledger()).unwrap();
    db.execute("UPDATE mark SET count = count - 1", []).unwrap();
    let refused = call(&server, "send_sms", &intent(1, "second"));
    assert_eq!(refused["code"], "ledger_in_doubt", "{refused}");
    scene.accept(&scene.desk.ledger());
    assert_eq!(call(&server, "send_sms", &intent(2, "third"))["status"], "sent");
    assert_eq!(scene.wire().len(), 2);
}

#[test]
fn several_processes_write_one_mark_and_none_is_in_doubt_of_another() {
    let scene = Scene::new(WIDE);
    let servers = [scene.desk.http(|_| {}), scene.desk.http(|_| {})];
    std::thread::scope(|scope| {
        for (first, server) in servers.iter().enumerate() {
            scope.spawn(move || {
                (0..40).for_each(|n| {
                    assert_eq!(
                        call(server, "send_sms", &intent(first * 100 + n, &format!("{first}-{n}")))["status"],
                        "sent"
                    )
                })
            });
        }
        for n in 0..5 {
            scene.desk.done(&["send", &fictional(300 + n), "By a command"]);
        }
    });
    assert!(servers.iter().all(|server| health(server).0 == 200));
    servers.into_iter().for_each(HttpServer::kill);
    scene.desk.done(&["send", &fictional(400), "And after that"]);
    assert_eq!((scene.wire().len(), scene.twice()), (86, 0));
}

#[test]
fn in_a_container_a_real_provider_starts_only_where_somebody_said_where_the_mark_is() {
    let scene = Scene::new(WIDE);
    let start = |settings: &[(&str, &str)]| {
        let mut command = scene.desk.command();
        command.env("SMS_MCP_CONTAINER", "yes").envs(settings.iter().copied());
        Ended::of(command.args(["send", &fictional(1), "Hello", "--allow-duplicate"]).output().unwrap())
    };
    let refused = start(&[]);
    assert!(refused.code == 1 && refused.err.contains("(config)"), "{refused:?}");
    let lines: Vec<&str> = refused.err.split('`').skip(1).step_by(2).take(2).collect();
    assert_eq!(lines, ["[ledger]", "mark = \"/mark/ledger.mark\""]);
    for (name, value) in [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("container", "podman")] {
        let mut command = scene.desk.command();
        let refused = command
            .env_remove("SMS_MCP_CONTAINER")
            .env(name, value)
            .args(["send", &fictional(1), "Hello"])
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(1), "{name}");
    }
    assert_eq!(start(&[("SMS_MCP__LEDGER__MARK", "none")]).code, 0);
    assert!(!scene.desk.state().exists());
    // The two lines as they are, but for the folder.
    let mark = scene.file("mark/ledger.mark");
    let two = lines.join("\n").replace("/mark/ledger.mark", mark.to_str().unwrap());
    let settings = std::fs::read_to_string(scene.desk.config()).unwrap();
    std::fs::write(scene.desk.config(), settings.replace("[[provider]]", &format!("{two}\n[[provider]]")))
        .unwrap();
    assert_eq!(start(&[]).code, 0);
    assert!(std::fs::read_to_string(mark).unwrap().starts_with("sms-mcp mark 1\n"));
    // The sandbox alone needs none.
    std::fs::write(scene.desk.config(), "[[provider]]\nkind = \"sandbox\"\n").unwrap();
    assert_eq!(start(&[]).code, 0);
}

/// Small random numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }
}

/// Where a process is killed.
const POINTS: [&str; 8] = [
    "after-reserve",
    "after-bulk-reserve",
    "after-claim",
    "before-provider",
    "after-provider",
    "after-settle",
    "ledger-before-mark",
    "ledger-after-mark",
];

/// How many histories a run sees.
fn histories() -> u64 {
    std::env::var("SMS_MCP_HISTORIES").map_or(24, |count| count.parse().unwrap())
}

#[derive(Debug, Default)]
struct Tally {
    kills: usize,
    restores: usize,
    doubts: usize,
    sent: usize,
    twice: usize,
    texted: usize,
}

/// Sends, bulks, opt-outs and backups, with a kill at some point; then any earlier ledger in its place, a
/// person who accepts it, and an agent that asks for all of it again.
fn one_history(seed: u64) -> Tally {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let scene = Scene::new(&format!("{WIDE}[send]\nconcurrency = 3\nbulk_wait = \"50ms\"\n"));
    let (mut tally, mut calls, mut copies, mut out) =
        (Tally::default(), Vec::new(), Vec::new(), BTreeSet::new());
    for round in 0..3 {
        let point = POINTS[dice.below(POINTS.len())];
        let hits = dice.below(8);
        let mut server = scene.desk.http(|command| {
            command.env("FAILPOINTS", after(point, hits));
        });
        for step in 0..10 {
            let (name, person) = (format!("{seed}-{round}-{step}"), 10 * (10 * round + step));
            match dice.below(10) {
                0..4 => calls.push(("send_sms", intent(person, &name))),
                4..7 => calls.push(("send_bulk", bulk(person..person + 5, &name))),
                7 => {
                    let person = 5_000 + person;
                    scene.desk.done(&["opt-out", "add", &fictional(person)]);
                    out.insert(person);
                    continue;
                }
                _ => {
                    let file = scene.file(&format!("backup-{name}.db"));
                    if scene.desk.run(&["backup", file.to_str().unwrap()]).code == 0 {
                        copies.push(file);
                    }
                    continue;
                }
            }
            let (tool, arguments) = calls.last().unwrap();
            if asked(&server, tool, arguments).is_none() && server.child.try_wait().unwrap().is_some() {
                break;
            }
        }
        tally.kills += usize::from(server.child.try_wait().unwrap().is_some());
        server.kill();
        let is_restored = !copies.is_empty() && dice.below(4) > 0;
        if is_restored {
            tally.restores += 1;
            let file = &copies[dice.below(copies.len())];
            match dice.below(3) {
                0 => drop(scene.desk.does(&["restore", file.to_str().unwrap()], "restore")),
                1 => copy(file, &scene.desk.ledger()),
                _ => remove(&scene.desk.ledger()),
            }
        }
        let server = scene.desk.http(|_| {});
        if is_in_doubt(&server) {
            assert!(is_restored, "{seed}: a kill alone needs no person");
            tally.doubts += 1;
            scene.accept(&scene.desk.ledger());
        }
        assert_eq!(health(&server).0, 200, "{seed}");
        calls.iter().for_each(|(tool, arguments)| drop(call(&server, tool, arguments)));
        for person in &out {
            assert_eq!(
                call(&server, "send_sms", &intent(*person, &format!("{round}-to-{person}")))["code"],
                "opted_out",
                "{seed}"
            );
        }
        let new = call(&server, "send_sms", &intent(9_000 + round, &format!("{seed}-{round}-new")));
        assert_eq!(new["status"], "sent", "{seed}: {new}");
        // Whatever waits in the queue has its chance.
        found("the queue is empty", || {
            let listed: Value =
                serde_json::from_str(&scene.desk.done(&["list", "--json", "--status", "queued"]).out)
                    .unwrap();
            listed["messages"].as_array().unwrap().is_empty().then_some(())
        });
        server.stop();
    }
    let wire = scene.wire();
    (tally.sent, tally.twice) = (wire.len(), scene.twice());
    tally.texted = wire.iter().filter(|(to, _)| out.iter().any(|person| fictional(*person) == *to)).count();
    tally
}

#[test]
fn a_kill_at_any_point_and_any_earlier_ledger_after_it_send_nothing_twice() {
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                scope
                    .spawn(move || (worker + 1..=histories()).step_by(2).map(one_history).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let sum = |what: fn(&Tally) -> usize| tallies.iter().map(what).sum::<usize>();
    eprintln!(
        "{} histories: {} kills, {} restores, {} in doubt, {} sent, {} twice, {} texted who opted out",
        tallies.len(),
        sum(|tally| tally.kills),
        sum(|tally| tally.restores),
        sum(|tally| tally.doubts),
        sum(|tally| tally.sent),
        sum(|tally| tally.twice),
        sum(|tally| tally.texted),
    );
    assert_eq!((sum(|tally| tally.twice), sum(|tally| tally.texted)), (0, 0));
    assert!(sum(|tally| tally.doubts) * 2 >= tallies.len(), "the restores do not hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_waits_for_the_operator_comes_back_with_the_mark() {
    let folder = tempfile::tempdir().unwrap();
    let (ledger, old) = (folder.path().join("ledger.db"), folder.path().join("old.db"));
    let open = |n: u8| {
        let marking = Marking { at: MarkAt::File(folder.path().join("mark")), is_needed: true };
        SqliteLedger::open_marked(&ledger, Some(marking), SystemClock.now(), [n; 8]).unwrap()
    };
    let stop = |sender: &str, meaning| NewPending {
        provider: "acme".to_owned(),
        sender: sender.to_owned(),
        ending: Some("345678".to_owned()),
        meaning,
        source: "reply".to_owned(),
        at: SystemClock.now(),
        is_said: true,
        people: vec!["+33612345678".to_owned()],
    };
    let first = open(1);
    first.pend(stop("0612345678", Meaning::Stop)).await.unwrap();
    first.close().await.unwrap();
    copy(&ledger, &old);
    let second = open(2);
    second.pend(stop("345678", Meaning::Stop)).await.unwrap();
    second.pend(stop("345678", Meaning::Other)).await.unwrap();
    second.pend(stop("45345678", Meaning::Stop)).await.unwrap();
    let ids: BTreeMap<String, i64> =
        second.pendings().await.unwrap().into_iter().map(|pending| (pending.sender, pending.id)).collect();
    for sender in ["0612345678", "45345678"] {
        second.settle_pending(ids[sender], None, false, SystemClock.now()).await.unwrap();
    }
    second.close().await.unwrap();
    copy(&old, &ledger);
    let third = open(3);
    let outlook = third.outlook().await.unwrap().unwrap();
    assert_eq!(outlook.opt_outs, 1);
    third.accept(&outlook, "a person", "USD", SystemClock.now()).await.unwrap();
    let waiting = third.pendings().await.unwrap();
    // What the older ledger has and the operator settled since waits again: more is stopped than less.
    assert_eq!(
        waiting.iter().map(|pending| pending.sender.as_str()).collect::<Vec<_>>(),
        ["0612345678", "345678"]
    );
    assert!(
        waiting.iter().all(|pending| pending.meaning == Meaning::Stop && pending.people == ["+33612345678"]),
        "{waiting:?}"
    );
    third.close().await.unwrap();
}
