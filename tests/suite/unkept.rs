//! Texts that are not to be kept are in no file once they cannot be sent any more: not in the ledger, and not in its log.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{Desk, Era, HttpServer, WIDE, eventually, fictional};
use crate::wire::{get, post, stateless_headers, tool_call};

const CANARY: &str = "canary-unkept-41c7d9";

fn desk(more: &str) -> Desk {
    let settings = WIDE.replace("sends_per_second = 1000000", "sends_per_second = 100");
    Desk::new(&format!("{settings}[ledger]\nkeep_texts = false\n[send]\nbulk_wait = \"100ms\"\n{more}"))
}

/// How often the text is in the ledger and what lies beside it.
fn copies(desk: &Desk) -> Vec<(PathBuf, usize)> {
    fn files(folder: &Path) -> Vec<PathBuf> {
        let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        found.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let count = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(CANARY.len()).filter(|window| *window == CANARY.as_bytes()).count()
    };
    let found = files(desk.path()).into_iter().filter(|path| *path != desk.outbox()).map(|path| (path.clone(), count(&path)));
    found.filter(|(_, count)| *count > 0).collect()
}

/// Waits until no copy is left; what is there and why is said where one stays.
fn none_left(desk: &Desk, when: &str) {
    let waits = std::panic::AssertUnwindSafe(|| eventually(when, || copies(desk).is_empty()));
    if std::panic::catch_unwind(waits).is_err() {
        let open = ["queued", "sending", "unknown"].map(|state| desk.run(&["list", "--status", state, "--json"]).out);
        panic!("{when}: {:?}; {open:?}; {:?}", copies(desk), desk.run(&["config", "check"]));
    }
}

fn bulk(server: &HttpServer, from: usize, count: usize, key: &str) -> Value {
    let recipients: Vec<Value> = (from..from + count).map(|index| json!({ "to": fictional(index), "data": { "n": format!("{index}") } })).collect();
    // Of many lengths, so that rows move between pages.
    let message = format!("{CANARY} {{{{n}}}} {}", "and more of it ".repeat(1 + from % 17));
    let arguments = json!({ "recipients": recipients, "message": message, "idempotency_key": key });
    post(server.port, &stateless_headers("send_bulk"), &tool_call(Era::Stateless, 1, "send_bulk", &arguments)).json().unwrap()
}

#[test]
fn no_copy_of_a_text_is_in_any_file_after_the_queue_ran_empty_and_after_a_stop() {
    let desk = desk("");
    let server = desk.http(|_| {});
    let mut sent = 0;
    for (round, count) in [40, 7, 360].into_iter().enumerate() {
        bulk(&server, round * 50, count, &format!("round-{round}"));
        if round == 0 {
            assert!(!copies(&desk).is_empty(), "a queue needs its texts");
        }
        sent += count;
        eventually("all of it is sent", || desk.sent().len() == sent);
        none_left(&desk, "no copy is left");
    }
    server.stop();
    assert_eq!(copies(&desk), [], "after a stop");
    eprintln!("{sent} texts of bulks, 0 copies in any file");

    // Killed in the middle: the next server sends the rest and leaves nothing.
    let mut server = desk.http(|_| {});
    bulk(&server, 1_000, 150, "killed");
    eventually("it has begun", || desk.sent().len() > sent + 5);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(!copies(&desk).is_empty());
    let server = desk.http(|_| {});
    eventually("the rest is sent", || {
        let listed = desk.done(&["list", "--status", "queued", "--json"]);
        serde_json::from_str::<Value>(&listed.out).unwrap()["messages"].as_array().unwrap().is_empty()
    });
    none_left(&desk, "no copy is left after a kill");
    // Stopped in the middle: what is queued needs its texts, and no other is there.
    bulk(&server, 1_500, 300, "stopped");
    server.stop();
    let left = desk.done(&["list", "--status", "queued", "--limit", "100", "--json"]);
    let left = serde_json::from_str::<Value>(&left.out).unwrap()["messages"].as_array().unwrap().len();
    assert!(left > 0);
    let found: usize = copies(&desk).iter().map(|(_, count)| count).sum();
    assert!(found >= left, "{found} copies for {left} messages");
    let server = desk.http(|_| {});
    none_left(&desk, "no copy is left after a stop");
    assert_eq!(get(server.port, "/healthz").status, 200);
}

#[test]
fn a_log_and_its_index_that_others_could_read_are_taken_away_from_them() {
    let desk = desk("");
    let mut server = desk.http(|_| {});
    bulk(&server, 0, 3, "one");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    // Put back from an archive under another umask.
    let files = ["ledger.db", "ledger.db-wal", "ledger.db-shm"].map(|name| desk.path().join(name));
    files.iter().for_each(|file| std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap());
    let _server = desk.http(|_| {});
    for file in &files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn files_of_another_user_or_that_are_none_are_refused() {
    for name in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
        let desk = desk("");
        let mut server = desk.http(|_| {});
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        let file = desk.path().join(name);
        // Only root can give a file away; everybody can put a link there.
        if std::os::unix::fs::chown(&file, Some(12_345), None).is_ok() {
            let refused = desk.run(&["send", &fictional(1), "Hello"]);
            assert!(refused.code == 1 && refused.err.contains("belongs to the user 12345"), "{name}: {refused:?}");
        } else if name != "ledger.db" {
            std::fs::rename(&file, desk.path().join("elsewhere")).unwrap();
            std::os::unix::fs::symlink(desk.path().join("elsewhere"), &file).unwrap();
            let refused = desk.run(&["send", &fictional(1), "Hello"]);
            assert!(refused.code == 1 && refused.err.contains("no plain file"), "{name}: {refused:?}");
        }
        assert!(desk.sent().is_empty());
    }
}

#[test]
fn a_refused_command_of_another_user_leaves_the_ledger_as_it_was() {
    let desk = desk("");
    desk.done(&["send", &fictional(1), "Hello"]);
    let backup = desk.path().join("backup.db").display().to_string();
    desk.done(&["backup", &backup]);
    std::fs::remove_dir_all(desk.path().join("ledger.db.live")).unwrap();
    if std::os::unix::fs::chown(desk.ledger(), Some(12_345), None).is_err() {
        return; // Only root can give a file away.
    }
    let there = || {
        let names = std::fs::read_dir(desk.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.collect::<std::collections::BTreeSet<_>>()
    };
    let (names, bytes) = (there(), std::fs::read(desk.ledger()).unwrap());
    for command in [&["list"][..], &["send", &fictional(2), "Hello"], &["restore", &backup]] {
        let refused = desk.types(command, "restore");
        assert!(refused.code == 1 && refused.err.contains("belongs to the user 12345"), "{command:?}: {refused:?}");
        assert_eq!(there(), names, "{command:?}");
        assert_eq!(std::fs::read(desk.ledger()).unwrap(), bytes, "{command:?}");
    }
}
