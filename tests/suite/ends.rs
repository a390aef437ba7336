//! After the clean end of the last process that had it open, the one file is the whole ledger: a copy of it
//! alone has every message that was acknowledged.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Desk, Era, HttpServer, WIDE, ends, eventually, fictional, hearing_hangups, signal};
use crate::wire::{RawStdio, post, stateless_headers, tool_call};

/// How many ends a run sees, each of the kinds in turn.
fn rounds() -> usize {
    std::env::var("SMS_MCP_ENDS").map_or(40, |count| count.parse().unwrap())
}

/// A way to use the ledger and to end. It returns the keys whose sends were acknowledged.
type Kind = fn(&Desk, &str) -> Vec<String>;

const KINDS: [(&str, Kind); 10] = [
    ("stdio, closed input", |desk, round| stdio(desk, round, None)),
    ("stdio, SIGTERM", |desk, round| stdio(desk, round, Some("TERM"))),
    ("http, SIGTERM", |desk, round| http(desk, round, &["TERM"])),
    ("stdio, SIGINT", |desk, round| stdio(desk, round, Some("INT"))),
    ("command", command),
    ("http, SIGINT", |desk, round| http(desk, round, &["INT"])),
    ("stdio, SIGHUP", |desk, round| stdio(desk, round, Some("HUP"))),
    ("three servers at once", |desk, round| http(desk, round, &["TERM", "INT", "HUP"])),
    ("http, SIGHUP", |desk, round| http(desk, round, &["HUP"])),
    ("commands at once", commands),
];

fn arguments(key: &str, index: usize) -> Value {
    json!({ "to": fictional(index), "message": format!("Text of {key}"), "idempotency_key": key })
}

fn stdio(desk: &Desk, round: &str, name: Option<&str>) -> Vec<String> {
    let mut server = RawStdio::start(desk, Era::Stateless, hearing_hangups);
    let keys: Vec<String> = (0..3).map(|index| format!("{round}-{index}")).collect();
    for (id, key) in (1..).zip(&keys) {
        server.send(&tool_call(
            Era::Stateless,
            id,
            "send_sms",
            &arguments(key, usize::try_from(id).unwrap()),
        ));
        assert_eq!(server.answer_to(id, &mut Vec::new())["result"]["structuredContent"]["status"], "sent");
    }
    if let Some(name) = name {
        signal(name, server.pid());
        server.ends();
    }
    server.finish();
    keys
}

fn http(desk: &Desk, round: &str, names: &[&str]) -> Vec<String> {
    let mut servers: Vec<HttpServer> = names
        .iter()
        .map(|_| {
            desk.http(|command| {
                hearing_hangups(command);
                command.stderr(Stdio::null());
            })
        })
        .collect();
    let mut keys = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let key = format!("{round}-{index}");
        let sent = post(
            server.port,
            &stateless_headers("send_sms"),
            &tool_call(Era::Stateless, 1, "send_sms", &arguments(&key, index)),
        );
        assert_eq!(sent.json().unwrap()["result"]["structuredContent"]["status"], "sent");
        keys.push(key);
    }
    servers.iter().zip(names).for_each(|(server, name)| signal(name, server.child.id()));
    servers.iter_mut().for_each(|server| assert!(ends(&mut server.child).success()));
    keys
}

fn begin(desk: &Desk, key: &str, index: usize) -> Child {
    let mut command = desk.command();
    command.args(["send", &fictional(index), &format!("Text of {key}"), "--idempotency-key", key]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn command(desk: &Desk, round: &str) -> Vec<String> {
    assert!(ends(&mut begin(desk, round, 0)).success());
    vec![round.to_owned()]
}

fn commands(desk: &Desk, round: &str) -> Vec<String> {
    let keys: Vec<String> = (0..3).map(|index| format!("{round}-{index}")).collect();
    let mut all: Vec<Child> = keys.iter().enumerate().map(|(index, key)| begin(desk, key, index)).collect();
    all.iter_mut().for_each(|child| assert!(ends(child).success()));
    keys
}

/// A copy of the ledger's file alone.
fn copy(desk: &Desk, folder: &Path) -> PathBuf {
    let copied = folder.join("ledger.db");
    std::fs::copy(desk.ledger(), &copied).unwrap();
    copied
}

/// What a SQLite of anybody's finds in a file: the keys of its messages, or what is wrong with it.
fn keys_in(file: &Path) -> Result<BTreeSet<String>, rusqlite::Error> {
    let db = rusqlite::Connection::open(file)?;
    let said: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(rusqlite::Error::InvalidColumnName(said));
    }
    let mut found = db.prepare("SELECT i.key FROM idempotency i JOIN message m ON m.id = i.target")?;
    found.query_map([], |row| row.get(0))?.collect()
}

#[test]
fn after_every_kind_of_clean_end_a_copy_of_the_one_file_is_the_whole_ledger() {
    let (mut broken, mut lost, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let mut desk = Desk::new(WIDE);
    let mut acknowledged = BTreeSet::new();
    for (round, (name, kind)) in KINDS.iter().cycle().enumerate().take(rounds()) {
        if round % 3 == 0 {
            // A new ledger is the hardest: everything in it may be in the log alone.
            (desk, acknowledged) = (Desk::new(WIDE), BTreeSet::new());
        }
        acknowledged.extend(kind(&desk, &format!("round-{round}")));
        assert!(
            desk.ledger().exists() && !desk.path().join("ledger.db-wal").exists(),
            "{name}: its log is left"
        );
        let folder = tempfile::tempdir().unwrap();
        let copied = copy(&desk, folder.path());
        match keys_in(&copied) {
            Ok(found) => lost.extend(acknowledged.difference(&found).map(|key| format!("{name}: {key}"))),
            Err(error) => broken.push(format!("{name}: {error}")),
        }
        // And the program itself takes it, with what its keys led to.
        if round % 5 == 0 {
            let key = acknowledged.first().unwrap();
            let texts = desk.sent().len();
            let index = key.rsplit('-').next().unwrap().parse().unwrap_or(0);
            let index = if name.starts_with("stdio") { index + 1 } else { index };
            let mut command = Command::new(crate::support::program());
            command.arg("--config").arg(desk.config()).arg("--ledger").arg(&copied);
            command.args([
                "send",
                &fictional(index),
                &format!("Text of {key}"),
                "--idempotency-key",
                key,
                "--json",
            ]);
            let said = command.output().unwrap();
            let said: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
            if desk.sent().len() > texts
                || (said["replayed"] != true && said["code"] != "idempotency_conflict")
            {
                again.push(format!("{name}: {key}: {said}"));
            }
        }
    }
    eprintln!(
        "{} ends, {} broken copies, {} lost messages, {} sent again",
        rounds(),
        broken.len(),
        lost.len(),
        again.len()
    );
    assert!(broken.is_empty() && lost.is_empty() && again.is_empty(), "{broken:?}\n{lost:?}\n{again:?}");
}

#[test]
fn a_copy_of_an_open_ledger_without_its_log_is_recognised_and_nothing_is_sent_from_it() {
    let desk = Desk::new(WIDE);
    desk.done(&["send", &fictional(0), "Before"]);
    let mut server = desk.http(|_| {});
    let post_one = |index| {
        let arguments = arguments(&format!("key-{index}"), index);
        post(
            server.port,
            &stateless_headers("send_sms"),
            &tool_call(Era::Stateless, 1, "send_sms", &arguments),
        )
        .json()
        .unwrap()
    };
    // Before the first send of a server that has just begun, and later.
    for index in 1..=3 {
        let folder = tempfile::tempdir().unwrap();
        let copied = copy(&desk, folder.path());
        let texts = desk.sent().len();
        let mut command = Command::new(crate::support::program());
        command.arg("--config").arg(desk.config()).arg("--ledger").arg(&copied).args([
            "send",
            &fictional(50 + index),
            "Hello",
            "--json",
        ]);
        let said: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        assert_eq!(said["code"], "ledger_unavailable", "{said}");
        assert!(
            said["message"].as_str().unwrap().contains("not whole")
                && said["next"].as_str().unwrap().contains("sms-mcp restore"),
            "{said}"
        );
        assert_eq!(desk.sent().len(), texts);
        assert!(!folder.path().join("ledger.db-wal").exists(), "it would be taken for whole next time");
        assert_eq!(post_one(index)["result"]["structuredContent"]["status"], "sent");
    }
    // With its log it is whole, also after a kill.
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let folder = tempfile::tempdir().unwrap();
    copy(&desk, folder.path());
    std::fs::copy(desk.path().join("ledger.db-wal"), folder.path().join("ledger.db-wal")).unwrap();
    let mut command = Command::new(crate::support::program());
    command
        .arg("--config")
        .arg(desk.config())
        .arg("--ledger")
        .arg(folder.path().join("ledger.db"))
        .args(["list", "--json"]);
    let said: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(said["messages"].as_array().unwrap().len(), 4, "{said}");
    // The one that was killed needs nobody.
    eventually("the killed one's ledger opens", || desk.run(&["list"]).code == 0);
    desk.done(&["send", &fictional(60), "After"]);
}

#[test]
fn a_start_that_fails_after_a_kill_takes_nothing_away_from_the_ledger() {
    let desk = Desk::new(WIDE);
    let mut server = desk.http(|_| {});
    for index in 0..3 {
        let arguments = arguments(&format!("key-{index}"), index);
        let sent = post(
            server.port,
            &stateless_headers("send_sms"),
            &tool_call(Era::Stateless, 1, "send_sms", &arguments),
        );
        assert_eq!(sent.json().unwrap()["result"]["structuredContent"]["status"], "sent");
    }
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let set_version = |version: i64| -> i64 {
        let db = rusqlite::Connection::open(desk.ledger()).unwrap();
        db.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        let before = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        before
    };
    let version = set_version(1_000);
    for _ in 0..2 {
        let refused = desk.run(&["list"]);
        assert!(refused.code == 1 && refused.err.contains("a newer version"), "{refused:?}");
    }
    set_version(version);
    let listed: Value = serde_json::from_str(&desk.done(&["list", "--json"]).out).unwrap();
    assert_eq!(listed["messages"].as_array().unwrap().len(), 3, "{listed}");
    assert!(!desk.path().join("ledger.db-wal").exists(), "the one file is the whole ledger again");
}
