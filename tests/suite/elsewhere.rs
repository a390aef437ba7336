//! The file that is written is the file at the ledger's name, and has one name: whatever is done to it while
//! a server runs, nothing is accepted that is in no file, and nothing is sent beyond a limit or twice.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli::Ended;
use crate::support::{A_WHILE, Desk, HttpServer, WIDE, eventually, fictional, program};
use crate::wire::{call, get};

fn send(server: &HttpServer, index: usize) -> Value {
    call(
        server,
        "send_sms",
        &json!({ "to": fictional(index), "message": "Hello", "idempotency_key": format!("key-{index}") }),
    )
}

fn list(desk: &Desk) -> Vec<Value> {
    let listed: Value = serde_json::from_str(&desk.done(&["list", "--limit", "100", "--json"]).out).unwrap();
    listed["messages"].as_array().unwrap().clone()
}

/// What is done to a ledger while a server has it open, and what a person does about it once the server has
/// ended.
struct Act {
    what: &'static str,
    done: fn(&Desk),
    mended: fn(&Desk),
}

fn beside(desk: &Desk, name: &str) -> PathBuf {
    desk.path().join(name)
}

fn rename(desk: &Desk, from: &str, to: &str) {
    std::fs::rename(beside(desk, from), beside(desk, to)).unwrap();
}

const ACTS: [Act; 6] = [
    // What a person puts back is the backup that was made before.
    Act {
        what: "removed",
        done: |desk| std::fs::remove_file(desk.ledger()).unwrap(),
        mended: |desk| drop(desk.does(&["restore", beside(desk, "backup.db").to_str().unwrap()], "restore")),
    },
    Act {
        what: "removed with all that belongs to it",
        done: |desk| {
            ["ledger.db", "ledger.db-wal", "ledger.db-shm"]
                .iter()
                .for_each(|name| std::fs::remove_file(beside(desk, name)).unwrap())
        },
        mended: |desk| drop(desk.does(&["restore", beside(desk, "backup.db").to_str().unwrap()], "restore")),
    },
    Act {
        what: "replaced",
        done: |desk| {
            std::fs::copy(beside(desk, "backup.db"), beside(desk, "copy.db")).unwrap();
            rename(desk, "copy.db", "ledger.db");
        },
        mended: |_| {},
    },
    Act {
        what: "moved away",
        done: |desk| rename(desk, "ledger.db", "moved.db"),
        mended: |desk| rename(desk, "moved.db", "ledger.db"),
    },
    Act {
        what: "linked",
        done: |desk| std::fs::hard_link(desk.ledger(), beside(desk, "second.db")).unwrap(),
        mended: |desk| std::fs::remove_file(beside(desk, "second.db")).unwrap(),
    },
    Act {
        what: "parted from its log",
        done: |desk| std::fs::remove_file(beside(desk, "ledger.db-wal")).unwrap(),
        mended: |desk| drop(desk.does(&["restore", beside(desk, "backup.db").to_str().unwrap()], "restore")),
    },
];

#[test]
fn nothing_is_accepted_or_sent_once_the_file_at_the_name_is_another_one() {
    let settings = WIDE.replace("day_messages = 1000000", "day_messages = 10");
    let (mut twice, mut over, mut lost) = (0, 0, 0);
    for Act { what, done, mended } in ACTS {
        let desk = Desk::new(&settings);
        let server = desk.http(|_| {});
        for index in 0..4 {
            assert_eq!(send(&server, index)["status"], "sent", "{what}");
        }
        desk.done(&["backup", beside(&desk, "backup.db").to_str().unwrap()]);
        assert_eq!(get(server.port, "/healthz").status, 200);
        done(&desk);
        // New ones, and old ones again, to the server and to another process.
        for index in (4..14).chain(0..2) {
            let refused = send(&server, index);
            assert_eq!(refused["code"], "ledger_unavailable", "{what}: {refused}");
            let (message, next) = (refused["message"].as_str().unwrap(), refused["next"].as_str().unwrap());
            assert!(
                message.contains("ledger.db") && next.contains("stop every process"),
                "{what}: {refused}"
            );
        }
        let other = desk.run(&["send", &fictional(20), "Hello", "--json"]);
        assert!(other.code == 1 && other.out.contains("ledger_unavailable"), "{what}: {other:?}");
        let health = get(server.port, "/healthz");
        assert!(
            health.status == 503 && String::from_utf8_lossy(&health.body).contains("ledger_unavailable"),
            "{what}"
        );
        assert_eq!(desk.sent().len(), 4, "{what}");
        // A person mends it; then the limit goes on from where it was, and new texts go out.
        server.stop();
        if what.starts_with("removed") {
            let _ = std::fs::remove_file(desk.ledger());
        }
        mended(&desk);
        let server = desk.http(|_| {});
        for index in 0..14 {
            let said = send(&server, index);
            assert!(
                said["replayed"] == true || said["status"] == "sent" || said["code"] == "budget_exceeded",
                "{what}: {said}"
            );
        }
        assert_eq!(get(server.port, "/healthz").status, 200, "{what}");
        server.stop();
        let sent = desk.sent();
        let people: BTreeSet<&str> = sent.iter().map(|line| line["to"].as_str().unwrap()).collect();
        twice += sent.len() - people.len();
        over += sent.len().saturating_sub(10);
        lost += sent.len().saturating_sub(list(&desk).len());
        assert_eq!(people.len(), 10, "{what}: new texts go out, up to the limit");
    }
    eprintln!("{} replacements, {twice} twice, {over} over, {lost} lost", ACTS.len());
    assert_eq!((twice, over, lost), (0, 0, 0));
}

#[test]
fn a_queue_stops_when_its_file_is_taken_away_and_what_did_not_leave_is_in_the_file() {
    let settings = WIDE.replace("sends_per_second = 1000000", "sends_per_second = 10");
    let desk = Desk::new(&format!("{settings}[send]\nbulk_wait = \"100ms\"\n"));
    let server = desk.http(|_| {});
    let recipients: Vec<Value> = (0..60).map(|index| json!({ "to": fictional(index) })).collect();
    call(&server, "send_bulk", &json!({ "recipients": recipients, "message": "Bulk" }));
    eventually("it has begun", || desk.sent().len() > 3);
    rename(&desk, "ledger.db", "moved.db");
    eventually("the server says so", || get(server.port, "/healthz").status == 503);
    // What was claimed before may still leave.
    eventually("the queue stands still", || {
        let before = desk.sent().len();
        std::thread::sleep(A_WHILE);
        desk.sent().len() == before
    });
    let left = desk.sent().len();
    std::thread::sleep(A_WHILE);
    assert!(desk.sent().len() == left && left < 60, "{left} have left");
    server.stop();
    assert_eq!(desk.sent().len(), left);
    rename(&desk, "moved.db", "ledger.db");
    let server = desk.http(|_| {});
    let is_over = |message: &Value| message["status"] != "queued" && message["status"] != "attempting";
    eventually("the rest is sent", || list(&desk).iter().all(is_over));
    server.stop();
    let sent = desk.sent();
    let people: BTreeSet<&str> = sent.iter().map(|line| line["to"].as_str().unwrap()).collect();
    assert_eq!(people.len(), sent.len(), "nobody twice");
    let unknown = list(&desk).iter().filter(|message| message["status"] == "unknown").count();
    assert!(sent.len() + unknown >= 60, "{} sent, {unknown} unknown", sent.len());
}

fn at(desk: &Desk, ledger: &Path, args: &[&str], before: &[&str]) -> Ended {
    let words = before
        .iter()
        .map(|word| (*word).to_owned())
        .chain([program().display().to_string()])
        .collect::<Vec<_>>();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg("--config").arg(desk.config()).arg("--ledger").arg(ledger).args(args);
    Ended::of(command.stdin(Stdio::null()).output().unwrap())
}

#[test]
fn a_second_instance_by_another_name_is_refused() {
    let desk = Desk::new(WIDE);
    let server = desk.http(|_| {});
    assert_eq!(send(&server, 0)["status"], "sent");
    // The file alone mounted into another folder, as into a container; where the system lets us.
    let folder = beside(&desk, "container");
    std::fs::create_dir(&folder).unwrap();
    let second = folder.join("ledger.db");
    std::fs::write(&second, "").unwrap();
    let mount =
        format!("mount --bind '{}' '{}' && exec \"$0\" \"$@\"", desk.ledger().display(), second.display());
    let mounted = ["unshare", "-m", "sh", "-c", &mount];
    let probe = Command::new("unshare").args(["-m", "sh", "-c", &mount, "true"]).output();
    if probe.is_ok_and(|probe| probe.status.success()) {
        for index in 1..3 {
            let refused = at(&desk, &second, &["send", &fictional(index), "Hello"], &mounted);
            assert!(
                refused.code == 1
                    && refused.err.contains("not whole")
                    && refused.err.contains("another name"),
                "{refused:?}"
            );
        }
        assert_eq!(send(&server, 3)["status"], "sent", "the first one goes on");
    } else {
        eprintln!("this system lets nobody mount a file; the hard link alone is tried");
    }
    std::fs::remove_file(&second).unwrap();
    std::fs::hard_link(desk.ledger(), &second).unwrap();
    let refused = at(&desk, &second, &["send", &fictional(4), "Hello"], &["env"]);
    assert!(refused.code == 1 && refused.err.contains("a second name"), "{refused:?}");
    assert_eq!(send(&server, 5)["code"], "ledger_unavailable", "the first one has two names now");
    std::fs::remove_file(&second).unwrap();
    eventually("it goes on when it has one name", || send(&server, 6)["status"] == "sent");
    // A symbolic link is no second name.
    std::os::unix::fs::symlink(desk.ledger(), &second).unwrap();
    assert_eq!(at(&desk, &second, &["send", &fictional(7), "Hello"], &["env"]).code, 0);
}

#[test]
fn the_log_of_another_file_is_not_taken_for_that_of_a_backup_that_was_put_in_its_place() {
    let desk = Desk::new(WIDE);
    let mut server = desk.http(|_| {});
    assert_eq!(send(&server, 0)["status"], "sent");
    desk.done(&["backup", beside(&desk, "backup.db").to_str().unwrap()]);
    for index in 1..30 {
        assert_eq!(send(&server, index)["status"], "sent");
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    // What nobody should do.
    rename(&desk, "ledger.db", "right.db");
    rename(&desk, "backup.db", "ledger.db");
    assert_eq!(list(&desk).len(), 1);
    assert!(desk.done(&["ledger", "check"]).out.contains("whole and undamaged: 1 messages"));
    // Whoever puts the right file back is told where its log is, and has all of it again.
    rename(&desk, "right.db", "ledger.db");
    let refused = desk.run(&["list"]);
    let aside = refused
        .err
        .split_once("set aside: ")
        .unwrap_or_else(|| panic!("{refused:?}"))
        .1
        .split_once(')')
        .unwrap()
        .0
        .to_owned();
    std::fs::rename(aside, beside(&desk, "ledger.db-wal")).unwrap();
    assert_eq!(list(&desk).len(), 30);
}

#[test]
fn the_ledgers_own_file_is_locked_by_sqlite_alone() {
    let desk = Desk::new(WIDE);
    desk.done(&["send", &fictional(0), "Hello"]);
    // Over NFS a lock of a whole file is one with those that SQLite takes in it.
    let file = std::fs::File::options().write(true).open(desk.ledger()).unwrap();
    file.lock().unwrap();
    desk.done(&["send", &fictional(1), "Hello"]);
}
