//! A pause: from the moment when the command has ended nothing new begins, in no process and at no carrier;
//! what has begun is finished, what people write comes in, and bulks wait. It needs no room, no settings and
//! no ledger that can be written.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::carrier::scene::{self, Agent, Gateway, Protocol};
use crate::cli::Ended;
use crate::fake::{self, Fake};
use crate::support::{A_WHILE, Desk, HttpServer, WIDE, eventually, fictional, program, signal};
use crate::wire::{call, call_as, get};

fn text_to(to: &str, key: &str) -> Value {
    json!({ "to": to, "message": format!("Hello {key}"), "idempotency_key": key })
}

fn health(server: &HttpServer) -> (u16, Value) {
    let reply = get(server.port, "/healthz");
    (reply.status, reply.json().unwrap())
}

fn resume(desk: &Desk, args: &[&str]) {
    let ended = desk.types(&[&["resume"], args].concat(), "resume");
    assert!(ended.code == 0 && ended.out.contains("goes on"), "{ended:?}");
}

/// A place where texts go, with how many of them it was asked to take.
struct Place {
    what: &'static str,
    settings: String,
    number: Box<dyn Fn(usize) -> String>,
    asked: Box<dyn Fn(&Desk) -> usize>,
}

fn places() -> Vec<Place> {
    let sandbox = Place {
        what: "sandbox",
        settings: WIDE.to_owned(),
        number: Box::new(fictional),
        asked: Box::new(|desk| desk.sent().len()),
    };
    let vendor = Fake::start(fake::sms_for_ai::SmsForAi::default());
    let rest = Place {
        what: "REST",
        settings: format!(
            "{WIDE}price_when_unknown = \"0.10\"\n[rates]\n\"+33\" = \"0.10\"\n[[provider]]\nkind = \
             \"sms_for_ai\"\nbase_url = \"{}/api/v1\"\ntoken = \"{}\"\n",
            vendor.url(),
            fake::sms_for_ai::TOKEN
        ),
        number: Box::new(fictional),
        asked: Box::new(move |_| vendor.requests().iter().filter(|request| request.method == "POST").count()),
    };
    let gateways = Protocol::BOTH.map(|protocol| {
        let gateway = std::rc::Rc::new(Gateway::start(protocol));
        let asked = std::rc::Rc::clone(&gateway);
        Place {
            what: if protocol == Protocol::Smpp { "SMPP" } else { "CMPP" },
            settings: format!("{WIDE}price_when_unknown = \"0.01\"\n{}", gateway.settings("")),
            number: Box::new(move |n| gateway.number(n)),
            asked: Box::new(move |_| asked.counters().asked.load(Ordering::SeqCst)),
        }
    });
    [sandbox, rest].into_iter().chain(gateways).collect()
}

#[test]
fn while_everything_is_paused_nothing_begins_in_no_process_at_no_carrier_and_what_only_looks_goes_on() {
    for place in places() {
        let Place { what, settings, number, asked } = &place;
        let desk = Desk::new(settings);
        let servers = [desk.http(|_| {}), desk.http(|_| {})];
        let first = call(&servers[0], "send_sms", &text_to(&number(0), "first"));
        assert!(
            ["sent", "delivered"].contains(&first["status"].as_str().unwrap_or_default()),
            "{what}: {first}"
        );
        let before = asked(&desk);
        let paused = desk.done(&["pause"]);
        assert!(
            paused.out.starts_with("everything is paused since ") && paused.out.contains("ledger.db"),
            "{what}: {paused:?}"
        );
        // At once, and not only when a process comes to look.
        for (n, server) in (1..).zip(&servers) {
            let refused = call(server, "send_sms", &text_to(&number(n), &format!("key {n}")));
            assert_eq!(refused["code"], "paused", "{what}: {refused}");
            assert!(refused["next"].as_str().unwrap().contains("Nothing was sent"), "{what}: {refused}");
            let bulk =
                json!({ "recipients": [{ "to": number(n) }, { "to": number(9) }], "message": "Hello all" });
            assert_eq!(call(server, "send_bulk", &bulk)["code"], "paused", "{what}");
            let quote =
                call(server, "send_sms", &json!({ "to": number(n), "message": "Hello", "dry_run": true }));
            assert!(
                quote["quote"]["allowed"] == false && quote["quote"]["refusal"]["code"] == "paused",
                "{what}: {quote}"
            );
            // What was begun before is answered as ever.
            let again = call(server, "send_sms", &text_to(&number(0), "first"));
            assert!(again["replayed"] == true && again["id"] == first["id"], "{what}: {again}");
            assert_eq!(
                call(server, "get_status", &json!({ "id": first["id"] }))["message"]["id"],
                first["id"],
                "{what}"
            );
            let balance = call(server, "get_balance", &json!({}));
            assert!(
                balance["warnings"].to_string().contains("the operator has paused everything"),
                "{what}: {balance}"
            );
            eventually("the health says so", || {
                health(server) == (200, json!({ "status": "ok", "paused": "all" }))
            });
        }
        let refused = desk.run(&["send", &number(3), "Hello", "--json"]);
        assert!(refused.code == 1 && refused.json()["code"] == "paused", "{what}: {refused:?}");
        assert!(desk.done(&["config", "check"]).out.contains("  paused    everything since "), "{what}");
        assert!(desk.done(&["pause", "--list"]).out.ends_with("  everything\n"), "{what}");
        std::thread::sleep(A_WHILE);
        assert_eq!(asked(&desk), before, "{what}");
        resume(&desk, &[]);
        assert_eq!(desk.done(&["pause", "--list"]).out, "nothing is paused\n", "{what}");
        for (n, server) in (1..).zip(&servers) {
            let sent = call(server, "send_sms", &text_to(&number(n), &format!("key {n}")));
            assert!(
                ["sent", "delivered"].contains(&sent["status"].as_str().unwrap_or_default()),
                "{what}: {sent}"
            );
            eventually("the health says so", || health(server) == (200, json!({ "status": "ok" })));
        }
    }
}

#[test]
fn a_bulk_that_was_accepted_waits_in_a_pause_and_goes_on_once_after_it_over_a_kill_and_a_new_start() {
    let settings = WIDE.replace("sends_per_second = 1000000", "sends_per_second = 20");
    let desk = Desk::new(&format!("{settings}[send]\nbulk_wait = \"50ms\"\n"));
    let mut server = desk.http(|_| {});
    let recipients: Vec<Value> = (0..60).map(|n| json!({ "to": fictional(n) })).collect();
    let bulk = json!({ "recipients": recipients, "message": "Bulk", "idempotency_key": "the bulk" });
    let accepted = call(&server, "send_bulk", &bulk);
    eventually("it has begun", || desk.sent().len() > 3);
    desk.done(&["pause"]);
    let is_waiting = |server: &HttpServer| {
        let status = call(server, "get_status", &json!({ "id": accepted["batch"] }));
        let counts = &status["bulk"]["counts"];
        counts["attempting"].is_null() && counts["queued"].as_u64().unwrap_or(0) > 0
    };
    eventually("it stands still", || is_waiting(&server));
    let sent = desk.sent().len();
    assert!(sent < 60);
    let again = call(&server, "send_bulk", &bulk);
    assert!(
        again["batch"] == accepted["batch"]
            && again["warnings"].to_string().contains("the operator has paused"),
        "{again}"
    );
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let server = desk.http(|_| {});
    assert_eq!(health(&server), (200, json!({ "status": "ok", "paused": "all" })));
    assert_eq!(call(&server, "send_sms", &text_to(&fictional(99), "after"))["code"], "paused");
    std::thread::sleep(2 * A_WHILE);
    assert!(is_waiting(&server) && desk.sent().len() == sent, "it waits for whoever starts next");
    resume(&desk, &[]);
    eventually("all of it is sent", || desk.sent().len() == 60);
    let people: BTreeSet<String> =
        desk.sent().iter().map(|line| line["to"].as_str().unwrap().to_owned()).collect();
    assert_eq!(people.len(), 60, "nobody twice");
}

#[test]
fn a_command_whose_bulk_is_paused_says_so_and_leaves_the_rest_to_whoever_sends_next() {
    let settings = WIDE.replace("sends_per_second = 1000000", "sends_per_second = 20");
    let desk = Desk::new(&settings);
    let people: String = (0..40).map(|n| format!("{}\n", fictional(n))).collect();
    let file = desk.path().join("people.csv");
    std::fs::write(&file, format!("to\n{people}")).unwrap();
    let mut command = desk.command();
    command
        .args(["bulk", file.to_str().unwrap(), "--message", "Hello"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.stdin(Stdio::null()).spawn().unwrap();
    eventually("it has begun", || desk.sent().len() > 3);
    desk.done(&["pause"]);
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert!(
        ended.code == 0 && ended.out.contains(" goes on: ") && ended.out.contains(" queued"),
        "{ended:?}"
    );
    assert!(ended.err.contains("the operator has paused everything"), "{ended:?}");
    let _server = desk.http(|_| {});
    resume(&desk, &[]);
    eventually("the rest is sent", || desk.sent().len() == 40);
}

#[test]
fn in_a_session_a_text_that_has_begun_is_finished_and_what_waits_for_its_turn_does_not_begin() {
    for protocol in Protocol::BOTH {
        // A window that is full, a pace that is slow, and a carrier that says "not now" over and over.
        for (way, session, each) in [
            ("window", "window = 1", 4),
            ("pace", "per_second = 1", 4),
            ("throttled", "throttle_wait = \"100s\"", 1),
        ] {
            let what = format!("{protocol:?} {way}");
            let gateway = Gateway::start(protocol);
            gateway.script(|script| {
                script.delay = Duration::from_millis(if way == "window" { 1_000 } else { 0 });
                script.throttle_every = usize::from(way == "throttled");
            });
            let asked = |gateway: &Gateway| gateway.counters().asked.load(Ordering::SeqCst);
            let desk = scene::desk(&gateway, &format!("{session}\nlink_wait = \"100s\""));
            let settings = std::fs::read_to_string(desk.config()).unwrap();
            std::fs::write(
                desk.config(),
                settings.replace("concurrency = 256", "concurrency = 256\ntimeout = \"1000s\""),
            )
            .unwrap();
            let mut agent = Agent::start(&desk, "warn");
            let text = if each > 1 { "x".repeat(500) } else { "short".to_owned() };
            let begun = agent.begin("send_sms", &json!({ "to": gateway.number(0), "message": text }));
            gateway.until("the first one has begun", |gateway| asked(gateway) >= 1);
            let others: Vec<u64> = (1..8)
                .map(|n| agent.begin("send_sms", &json!({ "to": gateway.number(n), "message": "waits" })))
                .collect();
            let bulk = agent.begin("send_bulk", &scene::bulk(&gateway, 9, 1));
            let mut answers: Vec<Value> = Vec::new();
            let mut said = |agent: &Agent, id: u64| {
                crate::support::found("an answer", || {
                    answers.extend(agent.heard());
                    answers.iter().find(|answer| answer["id"] == id).map(|answer| {
                        serde_json::from_str::<Value>(
                            answer["result"]["content"][0]["text"].as_str().unwrap(),
                        )
                        .unwrap()
                    })
                })
            };
            let bulk = said(&agent, bulk);
            desk.done(&["pause"]);
            let first = said(&agent, begun);
            if each > 1 {
                assert!(
                    ["sent", "delivered"].contains(&first["status"].as_str().unwrap_or_default()),
                    "{what}: {first}"
                );
            } else {
                // It was refused over and over, so nothing of it has begun.
                assert_eq!(first["code"], "paused", "{what}");
            }
            let (paused, sent): (Vec<Value>, Vec<Value>) =
                others.into_iter().map(|id| said(&agent, id)).partition(|one| one["code"] == "paused");
            // On a slow machine some had their turn before the pause.
            assert!(
                !paused.is_empty() && sent.iter().all(|one| one["status"].is_string()),
                "{what}: {sent:?}"
            );
            let parts = gateway.counters().taken.load(Ordering::SeqCst);
            assert!(if each > 1 { parts >= each } else { parts == 0 }, "{what}: {parts}");
            crate::support::eventually("what it has claimed is back in the queue", || {
                !agent.counts(&bulk["batch"]).contains_key("attempting")
            });
            let counts = agent.counts(&bulk["batch"]);
            assert!(counts.get("queued").is_some_and(|count| *count > 0), "{what}: {counts:?}");
            let before = asked(&gateway);
            std::thread::sleep(A_WHILE);
            assert_eq!(asked(&gateway), before, "{what}: nothing is asked again either");
            gateway.script(|script| (script.delay, script.throttle_every) = (Duration::ZERO, 0));
            resume(&desk, &[]);
            agent.until(&bulk["batch"], &["sent", "delivered"], 9);
            assert_eq!(gateway.repeated(), 0, "{what}");
            agent.finish();
        }
    }
}

#[test]
fn receipts_and_what_people_write_come_in_while_everything_is_paused() {
    for protocol in Protocol::BOTH {
        let gateway = Gateway::start(protocol);
        gateway.script(|script| {
            script.receipts = crate::carrier::peer::Receipts::After(Duration::from_millis(500))
        });
        let desk = scene::desk(&gateway, "");
        let mut agent = Agent::start(&desk, "warn");
        let sent = agent.call("send_sms", json!({ "to": gateway.number(1), "message": "Hello" }));
        assert_eq!(sent["status"], "sent", "{sent}");
        desk.done(&["pause"]);
        gateway.tell(&gateway.word_of(1, "STOP"));
        eventually("the receipt is recorded", || {
            agent.call("get_status", json!({ "id": sent["id"] }))["message"]["status"] == "delivered"
        });
        eventually("the STOP is recorded", || desk.done(&["opt-out"]).out.contains(&gateway.number(1)));
        agent.finish();
    }
}

#[test]
fn one_provider_or_one_principal_is_paused_and_the_others_go_on() {
    let desk = Desk::new(&format!(
        "{WIDE}[send]\nbulk_wait = \"50ms\"\n[http]\ntoken = \"s3cret-s3cret-s3cret\"\n\
         [[route]]\nto = [\"FR\"]\nproviders = [\"left\"]\n[[route]]\nproviders = [\"right\"]\n\
         [[provider]]\nkind = \"sandbox\"\nname = \"left\"\n[[provider]]\nkind = \"sandbox\"\nname = \
         \"right\"\n"
    ));
    let server = desk.http(|_| {});
    let token = [("Authorization", "Bearer s3cret-s3cret-s3cret")];
    let send = |to: &str, key: &str| call_as(&server, &token, "send_sms", &text_to(to, key));
    let (left, right) = (fictional(1), "+12025550123");
    let mistaken = desk.run(&["pause", "--provider", "lift"]);
    assert!(
        mistaken.code == 1
            && mistaken.err.contains("there are left, right")
            && mistaken.err.contains("Nothing was paused"),
        "{mistaken:?}"
    );
    desk.done(&["pause", "--provider", "left"]);
    assert_eq!(send(&left, "a")["code"], "paused");
    assert_eq!(send(right, "b")["status"], "sent");
    let both = json!({ "recipients": [{ "to": left }, { "to": right }], "message": "Hello all" });
    assert_eq!(call_as(&server, &token, "send_bulk", &both)["code"], "paused");
    eventually("the health says so", || {
        health(&server) == (200, json!({ "status": "ok", "paused": "part" }))
    });
    resume(&desk, &["--provider", "left"]);
    assert_eq!(send(&left, "a")["status"], "sent");

    desk.done(&["pause", "--principal", "http"]);
    let refused = send(&left, "c");
    assert!(
        refused["code"] == "paused" && refused["message"].as_str().unwrap().contains("the principal http"),
        "{refused}"
    );
    let other = desk.run(&["send", &fictional(2), "Hello", "--json"]);
    assert_eq!(other.json()["status"], "sent", "{other:?}");
    // A pause of both names what is paused of whom.
    desk.done(&["pause", "--principal", "http", "--provider", "right"]);
    let listed = desk.done(&["pause", "--list"]).out;
    assert!(
        listed.contains("  the principal http\n")
            && listed.contains("  the principal http at the provider right\n"),
        "{listed}"
    );
    let unknown = desk.run(&["resume", "--provider", "right"]);
    assert!(
        unknown.code == 1
            && unknown.err.contains("the provider right is not paused; what is paused: the principal http"),
        "{unknown:?}"
    );
    resume(&desk, &["--principal", "http"]);
    assert_eq!(
        (send(&left, "c")["status"].clone(), send(right, "d")["code"].clone()),
        (json!("sent"), json!("paused"))
    );
}

#[test]
fn what_a_paused_principal_has_queued_waits_and_what_others_have_queued_behind_it_does_not() {
    let settings = WIDE.replace("sends_per_second = 1000000", "sends_per_second = 10");
    let desk = Desk::new(&format!(
        "{settings}[send]\nbulk_wait = \"50ms\"\n[http]\ntoken = \"s3cret-s3cret-s3cret\"\n"
    ));
    let server = desk.http(|_| {});
    let token = [("Authorization", "Bearer s3cret-s3cret-s3cret")];
    let recipients: Vec<Value> = (0..50).map(|n| json!({ "to": fictional(n) })).collect();
    let bulk = call_as(
        &server,
        &token,
        "send_bulk",
        &json!({ "recipients": recipients, "message": "Of the agent" }),
    );
    eventually("it has begun", || !desk.sent().is_empty());
    desk.done(&["pause", "--principal", "http"]);
    let counts =
        || call_as(&server, &token, "get_status", &json!({ "id": bulk["batch"] }))["bulk"]["counts"].clone();
    eventually("it stands still", || counts()["attempting"].is_null());
    let waiting = counts()["queued"].clone();
    assert!(waiting.as_u64().unwrap() > 10, "{waiting}");
    let file = desk.path().join("people.csv");
    std::fs::write(&file, format!("to\n{}\n{}\n", fictional(100), fictional(101))).unwrap();
    let done = desk.done(&["bulk", file.to_str().unwrap(), "--message", "Of a person"]);
    assert!(done.out.contains("2 sent") || done.out.contains("2 delivered"), "{done:?}");
    assert_eq!(counts()["queued"], waiting);
    resume(&desk, &["--principal", "http"]);
    eventually("all of it is sent", || desk.sent().len() == 52);
}

#[test]
fn a_pause_works_while_another_process_holds_the_ledger_and_with_settings_that_cannot_be_read() {
    let desk = Desk::new(WIDE);
    let server = desk.http(|_| {});
    assert_eq!(call(&server, "send_sms", &text_to(&fictional(0), "first"))["status"], "sent");
    let holder = rusqlite::Connection::open(desk.ledger()).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    std::fs::write(desk.config(), "[guard\n").unwrap();
    let paused = desk.done(&["pause"]);
    assert!(paused.err.contains("the settings cannot be read"), "{paused:?}");
    assert_eq!(desk.done(&["pause", "--list"]).out.lines().count(), 1);
    // The ledger is not even asked: that would take as long as it is held.
    assert_eq!(call(&server, "send_sms", &text_to(&fictional(1), "second"))["code"], "paused");
    holder.execute_batch("ROLLBACK").unwrap();
    let resumed = desk.types(&["resume"], "resume");
    assert_eq!(resumed.code, 0, "{resumed:?}");
    assert!(resumed.err.contains("`ledger acts` will not show this"), "{resumed:?}");
    assert_eq!(call(&server, "send_sms", &text_to(&fictional(1), "second"))["status"], "sent");
    assert_eq!(desk.sent().len(), 2);
}

#[test]
fn while_the_ledger_is_locked_a_text_that_went_out_earlier_is_not_said_to_be_unsent() {
    let desk = Desk::new(&format!("{WIDE}[send]\nbulk_wait = \"50ms\"\n"));
    let server = desk.http(|_| {});
    let bulk =
        json!({ "recipients": [{ "to": fictional(1) }], "message": "Hello all", "idempotency_key": "b" });
    let first = call(&server, "send_sms", &text_to(&fictional(0), "a"));
    let many = call(&server, "send_bulk", &bulk);
    let holder = rusqlite::Connection::open(desk.ledger()).unwrap();
    holder.busy_timeout(crate::support::LAST_RESORT).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for (tool, arguments, id) in
        [("send_sms", text_to(&fictional(0), "a"), &first["id"]), ("send_bulk", bulk, &many["batch"])]
    {
        let refused = call(&server, tool, &arguments);
        assert_eq!(refused["code"], "ledger_unavailable", "{refused}");
        let next = refused["next"].as_str().unwrap();
        assert!(
            next.contains(&format!("{} was accepted", id.as_str().unwrap()))
                && !next.contains("Nothing was sent"),
            "{refused}"
        );
    }
    let new = call(&server, "send_sms", &text_to(&fictional(2), "c"));
    assert!(
        new["code"] == "ledger_unavailable" && !new["next"].as_str().unwrap().contains("was accepted"),
        "{new}"
    );
    holder.execute_batch("ROLLBACK").unwrap();
}

#[test]
fn resume_asks_a_person_at_a_terminal_and_nobody_else() {
    let desk = Desk::new(WIDE);
    desk.done(&["send", &fictional(0), "Hello"]);
    let early = desk.run(&["resume"]);
    assert!(early.code == 1 && early.err.contains("everything is not paused; nothing is"), "{early:?}");
    desk.done(&["pause"]);
    let refused = desk.run(&["resume"]);
    assert!(
        refused.code == 1
            && refused.err.contains("no terminal")
            && refused.err.contains("The operator runs it at a terminal"),
        "{refused:?}"
    );
    // Neither by a pipe that says the word.
    let mut piped = desk.command();
    let mut child = piped
        .arg("resume")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"resume\n");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(1));
    let no = desk.types(&["resume"], "yes");
    assert!(no.code == 1 && no.err.contains("Nothing was resumed"), "{no:?}");
    assert_eq!(desk.run(&["send", &fictional(1), "Hello", "--json"]).json()["code"], "paused");
    assert!(!desk.done(&["ledger", "acts"]).out.contains("resume"), "nobody has resumed anything yet");
    resume(&desk, &[]);
    let acts = desk.done(&["ledger", "acts", "--json"]).json();
    assert_eq!((&acts[0]["verb"], &acts[0]["subject"]), (&json!("resume"), &json!("everything")), "{acts}");
    assert!(acts[0]["who"].as_str().unwrap().starts_with("user:"), "{acts}");
    desk.done(&["send", &fictional(1), "Hello"]);
}

#[test]
fn a_pause_of_no_ledger_says_that_there_is_none_and_makes_nothing() {
    let desk = Desk::new(WIDE);
    let none = desk.run(&["pause"]);
    assert!(
        none.code == 1 && none.err.contains("there is no ledger") && none.err.contains("--ledger FILE"),
        "{none:?}"
    );
    assert!(!desk.ledger().exists() && !desk.path().join("ledger.db.live").exists());
    // A file that is none, and a folder.
    for (args, words) in [
        (vec!["--ledger", desk.config().to_str().unwrap(), "pause"], "this file is none"),
        (vec!["--ledger", desk.path().to_str().unwrap(), "pause"], "there is no ledger"),
    ] {
        let mut command = Command::new(program());
        let ended = Ended::of(
            command.arg("--config").arg(desk.config()).args(&args).stdin(Stdio::null()).output().unwrap(),
        );
        assert!(ended.code == 1 && ended.err.contains(words), "{args:?}: {ended:?}");
    }
    assert!(!desk.path().join("config.toml.live").exists());
    desk.done(&["send", &fictional(0), "Hello"]);
    let wrong = desk.run(&["pause", "--principal", ""]);
    assert!(wrong.code == 1 && wrong.err.contains("Nothing was paused"), "{wrong:?}");
    // Whom nobody is called, nobody stands still for.
    for name in ["alice", "user:", "HTTP", "users:alice"] {
        let wrong = desk.run(&["pause", "--principal", name]);
        let words = ["`http`", "Nothing was paused", &format!("`user:{name}`")];
        assert!(wrong.code == 1 && words.iter().all(|word| wrong.err.contains(word)), "{name}: {wrong:?}");
    }
    assert_eq!(desk.done(&["pause", "--list"]).out, "nothing is paused\n");
    let wrong = desk.run(&["pause", "--list", "--provider", "sandbox"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    assert_eq!(desk.done(&["pause", "--list"]).out, "nothing is paused\n");
}

#[test]
fn what_somebody_tears_or_takes_away_lets_nothing_go_on_in_a_server_that_runs() {
    let desk = Desk::new(WIDE);
    let server = desk.http(|_| {});
    let send = |key: &str| call(&server, "send_sms", &text_to(&fictional(0), key));
    let file = desk.path().join("ledger.db.live/pause");
    desk.done(&["pause"]);
    eventually("the server has seen it", || health(&server).1["paused"] == "all");
    std::fs::remove_file(&file).unwrap();
    eventually("it is made anew", || file.exists());
    assert!(desk.done(&["pause", "--list"]).out.contains("everything"));
    assert_eq!(send("a")["code"], "paused");
    resume(&desk, &[]);
    assert_eq!(send("a")["status"], "sent");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..100]).unwrap();
    eventually("nobody can tell", || health(&server).1["paused"] == "all");
    let refused = send("b");
    assert!(
        refused["code"] == "paused" && refused["message"].as_str().unwrap().contains("nobody can tell"),
        "{refused}"
    );
    resume(&desk, &[]);
    assert_eq!(send("b")["status"], "sent");
    signal("TERM", server.child.id());
}

#[test]
fn a_pause_by_somebody_else_takes_the_ledger_away_from_nobody() {
    let desk = Desk::new(WIDE);
    desk.done(&["send", &fictional(0), "Hello"]);
    let folder = desk.path().join("ledger.db.live");
    let give = |to: u32| std::os::unix::fs::chown(desk.ledger(), Some(to), None);
    let own = std::os::unix::fs::MetadataExt::uid(&desk.ledger().metadata().unwrap());
    if give(12_345).is_err() {
        return; // Only root can give a file away.
    }
    // The file that is there is written, whoever may.
    desk.done(&["pause"]);
    std::fs::remove_dir_all(&folder).unwrap();
    let refused = desk.run(&["pause"]);
    assert!(refused.code == 1 && refused.err.contains("belongs to the user 12345"), "{refused:?}");
    assert!(!folder.exists());
    give(own).unwrap();
    desk.done(&["pause"]);
}

#[test]
fn a_damaged_file_of_pauses_pauses_everything_and_no_command_makes_it_anew() {
    let desk = Desk::new(WIDE);
    desk.done(&["send", &fictional(0), "Hello"]);
    desk.done(&["pause"]);
    let file = desk.path().join("ledger.db.live/pause");
    let whole = std::fs::read(&file).unwrap();
    // Cut short, to nothing too; of other words; of nothing but zeros.
    for damaged in [&[][..], &whole[..100], &whole[..8_192], b"garbage", &[0; 16_384]] {
        std::fs::write(&file, damaged).unwrap();
        for args in [&["pause", "--list"][..], &["balance"], &["list"]] {
            desk.run(args);
        }
        let refused = desk.run(&["send", &fictional(1), "Hello", "--json"]);
        assert_eq!(refused.json()["code"], "paused", "{} octets: {refused:?}", damaged.len());
        assert_eq!(std::fs::read(&file).unwrap(), damaged);
    }
    assert_eq!(desk.sent().len(), 1);
    resume(&desk, &[]);
    desk.done(&["send", &fictional(1), "Hello"]);
    let folder = desk.path().join("ledger.db.live");
    let left: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.display().to_string().starts_with("pause."))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
