//! Backup, restore and check: what an operator does with the ledger's file.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::cli::{Ended, at_terminal};
use crate::support::{Desk, Era, HttpServer, WIDE, eventually, fictional, program};
use crate::wire::{post, stateless_headers, tool_call};

/// The program with this desk's settings and another ledger.
fn at(desk: &Desk, ledger: &Path, args: &[&str]) -> Ended {
    let mut command = Command::new(program());
    command.arg("--config").arg(desk.config()).arg("--ledger").arg(ledger).args(args);
    Ended::of(command.output().unwrap())
}

fn send(server: &HttpServer, index: usize) -> Value {
    let arguments =
        json!({ "to": fictional(index), "message": "Hello", "idempotency_key": format!("key-{index}") });
    post(server.port, &stateless_headers("send_sms"), &tool_call(Era::Stateless, 1, "send_sms", &arguments))
        .json()
        .unwrap()["result"]["structuredContent"]
        .clone()
}

fn messages(desk: &Desk, ledger: &Path) -> usize {
    let listed: Value =
        serde_json::from_str(&at(desk, ledger, &["list", "--json", "--limit", "100"]).out).unwrap();
    listed["messages"].as_array().unwrap().len()
}

#[test]
fn a_backup_that_is_made_while_a_server_sends_is_whole_and_for_this_user_alone() {
    let desk = Desk::new(WIDE);
    let server = desk.http(|_| {});
    for round in 0..5 {
        for index in 0..3 {
            assert_eq!(send(&server, round * 10 + index)["status"], "sent");
        }
        let file = desk.path().join(format!("backup-{round}.db"));
        let name = file.to_str().unwrap().to_owned();
        let (made, sends) = std::thread::scope(|scope| {
            let sends = scope.spawn(|| {
                (3..6).map(|index| send(&server, round * 10 + index)["status"].clone()).collect::<Vec<_>>()
            });
            (desk.done(&["backup", &name]), sends.join().unwrap())
        });
        assert!(made.out.contains("is a whole copy of"), "{made:?}");
        assert!(sends.iter().all(|status| status == "sent"), "{sends:?}");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(desk.done(&["ledger", "check", &name]).out.contains("whole and undamaged"));
        let count = messages(&desk, &file);
        assert!((round * 6 + 3..=round * 6 + 6).contains(&count), "{count} in round {round}");
        // What is there is never written over, the ledger least of all.
        for taken in [&name, desk.ledger().to_str().unwrap()] {
            let refused = desk.run(&["backup", taken]);
            assert!(refused.code == 1 && refused.err.contains("there is a file already"), "{refused:?}");
        }
    }
    let left: Vec<_> =
        std::fs::read_dir(desk.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
    assert!(desk.done(&["ledger", "check"]).out.contains("30 messages"));
}

#[test]
fn what_is_damaged_or_no_ledger_is_neither_checked_for_good_nor_restored() {
    let desk = Desk::new(WIDE);
    for index in 0..30 {
        desk.done(&[
            "send",
            &fictional(index),
            &format!("Text {index} {}", "that fills a page or two ".repeat(8)),
        ]);
    }
    let whole = std::fs::read(desk.ledger()).unwrap();
    let damaged = desk.path().join("damaged.db");
    let mut bytes = whole.clone();
    // The middle of the file, whose pages hold the messages and their indices.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8_192].fill(0xa5);
    std::fs::write(&damaged, &bytes).unwrap();
    let text = desk.path().join("text.db");
    std::fs::write(&text, "no database at all, and long enough to be looked at as one ".repeat(20)).unwrap();
    let empty = desk.path().join("empty.db");
    std::fs::write(&empty, "").unwrap();
    for file in [&damaged, &text, &empty, &desk.path().join("absent.db")] {
        for verb in [&["ledger", "check"][..], &["restore"]] {
            let refused = desk.types(&[verb, &[file.to_str().unwrap()]].concat(), "restore");
            assert!(
                refused.code == 1 && refused.err.contains("(ledger_unavailable)"),
                "{file:?}: {refused:?}"
            );
        }
    }
    assert_eq!(std::fs::read(desk.ledger()).unwrap(), whole, "the ledger is as it was");
    assert_eq!(messages(&desk, &desk.ledger()), 30);
}

#[test]
fn a_restored_ledger_sends_nothing_that_may_have_left_since_and_sends_what_is_new() {
    let settings = format!(
        "{}sends_per_second = 1\n[send]\nbulk_wait = \"100ms\"\n",
        WIDE.replace("sends_per_second = 1000000\n", "")
    );
    let desk = Desk::new(&settings);
    let mut server = desk.http(|_| {});
    let recipients: Vec<Value> = (0..8).map(|index| json!({ "to": fictional(index) })).collect();
    let arguments = json!({ "recipients": recipients, "message": "Bulk", "idempotency_key": "bulk" });
    assert_eq!(
        post(
            server.port,
            &stateless_headers("send_bulk"),
            &tool_call(Era::Stateless, 1, "send_bulk", &arguments)
        )
        .status,
        200
    );
    eventually("the bulk has begun", || !desk.sent().is_empty());
    let backup = desk.path().join("backup.db").display().to_string();
    desk.done(&["backup", &backup]);
    let refused = desk.types(&["restore", &backup], "restore");
    assert!(refused.code == 1 && refused.err.contains("another process has it open"), "{refused:?}");
    eventually("all of it has left", || desk.sent().len() == 8);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let itself = desk.types(&["restore", desk.ledger().to_str().unwrap()], "restore");
    assert!(itself.code == 1 && itself.err.contains("the ledger itself"), "{itself:?}");
    let restored = desk.does(&["restore", &backup], "restore");
    assert!(
        restored.out.contains("unknown now, and never sent") && restored.err.contains("who opted out"),
        "{restored:?}"
    );
    let acts = desk.done(&["ledger", "acts", "--json"]).json();
    assert_eq!(
        (&acts[0]["verb"], &acts[0]["subject"]),
        (&"restore".into(), &backup.as_str().into()),
        "{acts}"
    );
    let before = restored.out.lines().find_map(|line| line.strip_prefix("what was there is ")).unwrap();
    assert!(
        Path::new(before).exists() && Path::new(&format!("{before}-wal")).exists(),
        "it was killed, and its log is kept with it"
    );
    assert_eq!(desk.ledger().metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // A server on it: what had not left when the backup was made stays where it is, and a new text goes out.
    let server = desk.http(|_| {});
    assert_eq!(send(&server, 90)["status"], "sent");
    let again = json!({ "recipients": recipients, "message": "Bulk", "idempotency_key": "bulk" });
    let replayed = post(
        server.port,
        &stateless_headers("send_bulk"),
        &tool_call(Era::Stateless, 1, "send_bulk", &again),
    )
    .json()
    .unwrap();
    assert_eq!(replayed["result"]["structuredContent"]["replayed"], true, "{replayed}");
    let mut sent = desk.sent();
    assert_eq!(sent.pop().unwrap()["to"], fictional(90));
    let people: BTreeSet<&str> = sent.iter().map(|line| line["to"].as_str().unwrap()).collect();
    assert_eq!((sent.len(), people.len()), (8, 8), "nobody twice");
    assert!(desk.done(&["ledger", "check"]).out.contains("whole"));
    // The ledger that was there is whole as well, with its log.
    assert_eq!(messages(&desk, Path::new(before)), 8);
}

#[test]
fn a_copy_without_its_log_is_restored_by_hand_alone_and_says_what_it_lacks() {
    let desk = Desk::new(WIDE);
    let server = desk.http(|_| {});
    assert_eq!(send(&server, 1)["status"], "sent");
    let copied = desk.path().join("copy.db");
    std::fs::copy(desk.ledger(), &copied).unwrap();
    drop(server);
    let other = desk.path().join("other/ledger.db");
    let name = copied.to_str().unwrap();
    let checked = desk.run(&["ledger", "check", name]);
    assert!(checked.code == 1 && checked.err.contains("not whole"), "{checked:?}");
    let mut command = desk.command_at(&other);
    command.args(["restore", name]);
    let restored = at_terminal(command, "restore");
    assert!(restored.code == 0 && restored.err.contains("lacks what its log held"), "{restored:?}");
    assert_eq!(at(&desk, &other, &["send", &fictional(2), "New"]).code, 0);
    let beside: Vec<_> = std::fs::read_dir(desk.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!beside.iter().any(|name| name.starts_with("copy.db-")), "{beside:?}");
}

#[test]
fn a_backup_touches_no_other_file() {
    let desk = Desk::new(WIDE);
    desk.done(&["send", &fictional(0), "Hello"]);
    let part = desk.path().join("backup.db.part");
    std::fs::write(&part, "of the user").unwrap();
    desk.done(&["backup", desk.path().join("backup.db").to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(part).unwrap(), "of the user");
}
