//! Texts that are not to be kept are in no file once they cannot be sent any more: not in the ledger, and not
//! in its log.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::support::{Desk, Era, HttpServer, WIDE, eventually, fictional};
use crate::wire::{get, post, stateless_headers, tool_call};

const CANARY: &str = "canary-unkept-41c7d9";

fn desk(more: &str) -> Desk {
    let settings = WIDE.replace("sends_per_second = 1000000", "sends_per_second = 100");
    Desk::new(&format!("{settings}[ledger]\nkeep_texts = false\n[send]\nbulk_wait = \"100ms\"\n{more}"))
}

/// How often these octets are in the ledger and what lies beside it.
fn copies(desk: &Desk, octets: &[u8]) -> Vec<(PathBuf, usize)> {
    fn files(folder: &Path) -> Vec<PathBuf> {
        let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        found.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
    }
    let count = |path: &PathBuf| {
        std::fs::read(path)
            .unwrap_or_default()
            .windows(octets.len())
            .filter(|window| *window == octets)
            .count()
    };
    let found = files(desk.path())
        .into_iter()
        .filter(|path| *path != desk.outbox())
        .map(|path| (path.clone(), count(&path)));
    found.filter(|(_, count)| *count > 0).collect()
}

/// The key under which the texts that wait are sealed, and how many of them there are.
fn key(desk: &Desk) -> (Vec<u8>, i64) {
    let db = Connection::open_with_flags(desk.ledger(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sealed = "SELECT count(*) FROM message WHERE text IS NOT NULL AND NOT keep_text";
    db.query_row(&format!("SELECT key, ({sealed}) FROM text_key"), [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
}

/// Waits until nothing can be read any more that was sealed under this key; what is there and why is said
/// where something can.
fn none_left(desk: &Desk, key: &[u8], when: &str) {
    let waits = std::panic::AssertUnwindSafe(|| eventually(when, || copies(desk, key).is_empty()));
    if std::panic::catch_unwind(waits).is_err() {
        let open = ["queued", "sending", "unknown"]
            .map(|state| desk.run(&["list", "--status", state, "--json"]).out);
        panic!("{when}: {:?}; {open:?}; {:?}", copies(desk, key), desk.run(&["config", "check"]));
    }
    assert_eq!(copies(desk, CANARY.as_bytes()), [], "{when}");
}

fn bulk(server: &HttpServer, from: usize, count: usize, key: &str) -> Value {
    let recipients: Vec<Value> = (from..from + count)
        .map(|index| json!({ "to": fictional(index), "data": { "n": format!("{index}") } }))
        .collect();
    // Of many lengths, so that rows move between pages.
    let message = format!("{CANARY} {{{{n}}}} {}", "and more of it ".repeat(1 + from % 17));
    let arguments = json!({ "recipients": recipients, "message": message, "idempotency_key": key });
    post(server.port, &stateless_headers("send_bulk"), &tool_call(Era::Stateless, 1, "send_bulk", &arguments))
        .json()
        .unwrap()
}

#[test]
fn no_copy_of_a_text_is_in_any_file_after_the_queue_ran_empty_and_after_a_stop() {
    let desk = desk("");
    let server = desk.http(|_| {});
    let (mut sent, mut keys) = (0, Vec::new());
    for (round, count) in [40, 7, 360].into_iter().enumerate() {
        let key = key(&desk).0;
        assert!(!copies(&desk, &key).is_empty());
        bulk(&server, round * 50, count, &format!("round-{round}"));
        assert!(count < 300 || self::key(&desk).1 > 0, "a queue needs its texts");
        assert_eq!(copies(&desk, CANARY.as_bytes()), [], "while it is queued");
        sent += count;
        eventually("all of it is sent", || desk.sent().len() == sent);
        none_left(&desk, &key, "no copy is left");
        keys.push(key);
    }
    server.stop();
    keys.iter().for_each(|key| none_left(&desk, key, "after a stop"));
    eprintln!("{sent} texts of bulks, 0 copies in any file");

    // Killed in the middle: the next server sends the rest and leaves nothing.
    let mut server = desk.http(|_| {});
    let killed = key(&desk).0;
    bulk(&server, 1_000, 150, "killed");
    eventually("it has begun", || desk.sent().len() > sent + 5);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    assert!(key(&desk).1 > 0 && !copies(&desk, &killed).is_empty());
    let server = desk.http(|_| {});
    eventually("the rest is sent", || {
        let listed = desk.done(&["list", "--status", "queued", "--json"]);
        serde_json::from_str::<Value>(&listed.out).unwrap()["messages"].as_array().unwrap().is_empty()
    });
    none_left(&desk, &killed, "no copy is left after a kill");
    // Stopped in the middle: what is queued needs its texts, and no other is there.
    bulk(&server, 1_500, 300, "stopped");
    server.stop();
    let left = desk.done(&["list", "--status", "queued", "--limit", "100", "--json"]);
    let left = serde_json::from_str::<Value>(&left.out).unwrap()["messages"].as_array().unwrap().len();
    assert!(left > 0);
    let (stopped, sealed) = key(&desk);
    assert!(
        sealed >= i64::try_from(left).unwrap() && !copies(&desk, &stopped).is_empty(),
        "{sealed} texts for {left} messages"
    );
    let server = desk.http(|_| {});
    none_left(&desk, &stopped, "no copy is left after a stop");
    assert_eq!(get(server.port, "/healthz").status, 200);
    assert!(desk.sent().iter().all(|text| text.to_string().contains(CANARY)), "each text is sent as it was");
    // Nobody waits for the moment in which nothing is written: a command that ends at once leaves nothing
    // either.
    server.stop();
    for round in 0..5 {
        let before = key(&desk).0;
        let recipients = format!("to\n{}\n", fictional(2_000 + round));
        std::fs::write(desk.path().join("one.csv"), recipients).unwrap();
        desk.done(&[
            "bulk",
            desk.path().join("one.csv").to_str().unwrap(),
            "--message",
            &format!("{CANARY} {round}"),
        ]);
        assert_eq!([copies(&desk, &before), copies(&desk, CANARY.as_bytes())], [[], []]);
    }
}

#[test]
fn who_leaves_takes_the_key_of_its_texts_along_though_others_stay_who_have_nothing_to_do() {
    let desk = desk("");
    let server = desk.http(|_| {});
    for round in 0..3 {
        let before = key(&desk).0;
        assert!(!copies(&desk, &before).is_empty());
        let file = desk.path().join("some.csv");
        std::fs::write(&file, format!("to\n{}\n", fictional(round))).unwrap();
        desk.done(&["bulk", file.to_str().unwrap(), "--message", CANARY]);
        none_left(&desk, &before, "though a server lives");
    }
    server.stop();
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
    files
        .iter()
        .for_each(|file| std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap());
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
            assert!(
                refused.code == 1 && refused.err.contains("belongs to the user 12345"),
                "{name}: {refused:?}"
            );
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
        assert!(
            refused.code == 1 && refused.err.contains("belongs to the user 12345"),
            "{command:?}: {refused:?}"
        );
        assert_eq!(there(), names, "{command:?}");
        assert_eq!(std::fs::read(desk.ledger()).unwrap(), bytes, "{command:?}");
    }
}

#[test]
fn a_template_that_waits_for_a_person_is_shown_and_in_no_file_as_it_was_written() {
    use crate::approvers::Scene;
    let scene = Scene::new(&format!(
        "{WIDE}bulk_max = 2000\n[ledger]\nkeep_texts = false\n[approval]\neverything = true\nmost_pending = 2000\n"
    ));
    let server = scene.desk.http(|_| {});
    for count in [3, 1_100] {
        let answer = bulk(&server, count, count, &count.to_string());
        let id = answer["result"]["structuredContent"]["approval"]["id"].as_str().unwrap().to_owned();
        assert_eq!(copies(&scene.desk, CANARY.as_bytes()), []);
        let shown = scene.run(&["approvals", "show", &id]);
        assert!(shown.out.contains(&format!("| {CANARY} {{{{n}}}} ")), "{shown:?}");
        assert_eq!(scene.run(&["approvals", "refuse", &id]).code, 0);
        eventually("nothing of it is there any more", || {
            !scene.run(&["approvals", "show", &id]).out.contains(CANARY)
        });
    }
}
