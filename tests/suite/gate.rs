//! What widens the rights of agents asks a person at a terminal, and everything else does not: each command
//! stands in this table.
#![cfg(unix)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::CommandFactory as _;
use sms_mcp::cli::Cli;

use crate::cli::{Ended, at_terminal};
use crate::fake::Fake;
use crate::fake::sms_for_ai::{SmsForAi, TOKEN};
use crate::support::{Desk, WIDE, fictional};

/// A command, with what it is called with, and the word that a person types where it widens something.
struct Row {
    command: &'static str,
    arguments: &'static [&'static str],
    word: Option<&'static str>,
}

const fn free(command: &'static str) -> Row {
    Row { command, arguments: &[], word: None }
}

const fn widens(command: &'static str, arguments: &'static [&'static str], word: &'static str) -> Row {
    Row { command, arguments, word: Some(word) }
}

/// Every command, as it stands in the help. What is widened by a flag alone has a second row.
const TABLE: [Row; 54] = [
    free("serve"),
    free("init"),
    free("demo"),
    free("send"),
    free("bulk"),
    free("status"),
    free("cancel"),
    free("list"),
    free("outbox"),
    free("balance"),
    free("budget"),
    widens("budget unfreeze", &[], "unfreeze"),
    widens("budget accept-clock", &[], "accept-clock"),
    free("provider"),
    free("explain"),
    free("campaign"),
    free("rules show"),
    free("opt-out"),
    free("opt-out list"),
    free("opt-out add"),
    widens("opt-out remove", &["+12025550123"], "remove"),
    free("opt-out pending"),
    free("opt-out pending list"),
    widens("opt-out pending settle", &["1", "+12025550123"], "settle"),
    widens("opt-out pending dismiss", &["1"], "dismiss"),
    free("consent withdraw"),
    free("consent ask"),
    free("consent show"),
    free("consent export"),
    widens("consent add", &["+12025550123", "--source", "web-form"], "add"),
    widens("consent import", &["consents.csv"], "import"),
    // A yes takes an approver's proof, and no word: it asks for that by itself.
    free("approvals"),
    free("approvals list"),
    free("approvals show"),
    free("approvals approve"),
    free("approvals refuse"),
    free("approver"),
    free("approver list"),
    widens("approver add", &["carol", "--ssh-key", "carol.pub"], "add"),
    widens("approver remove", &["carol"], "remove"),
    free("reconcile"),
    widens("reconcile", &["msg_1", "--not-sent"], "not-sent"),
    free("pause"),
    widens("resume", &[], "resume"),
    free("backup"),
    widens("restore", &["backup.db"], "restore"),
    free("ledger check"),
    widens("ledger accept", &[], "accept"),
    free("ledger acts"),
    free("ledger prune"),
    free("tools"),
    free("config check"),
    free("config schema"),
    free("completions"),
];

/// A file of consents.
pub const CONSENTS: &str = "number,source,time\n+12025550123,web-form,2026-01-02\n";

/// What asks a person, as it is called, with the word that it asks for where there is no approver. A ledger in
/// doubt alone asks too.
pub fn widening() -> impl Iterator<Item = (Vec<&'static str>, &'static str)> {
    TABLE.iter().filter(|row| row.command != "ledger accept").filter_map(|row| {
        Some((row.command.split(' ').chain(row.arguments.iter().copied()).collect(), row.word?))
    })
}

/// What is typed while these lines of a shell run, a word a line.
pub fn words_for(lines: &str) -> String {
    let asks = |line: &str| {
        let fits =
            |row: &&Row| line.contains(&format!("sms-mcp {}", row.command)) && row.command != "reconcile";
        // A ledger in doubt alone asks.
        TABLE
            .iter()
            .filter(|row| row.command != "ledger accept")
            .filter(|row| row.word.is_some())
            .find(fits)
            .and_then(|row| row.word)
    };
    lines.lines().filter_map(asks).collect::<Vec<_>>().join("\n")
}

/// The commands that do something: the ends of the tree, and what does something without one of its
/// subcommands too.
fn commands(of: &clap::Command, before: &str, found: &mut BTreeSet<String>) {
    for command in of.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = format!("{before}{}", command.get_name());
        commands(command, &format!("{name} "), found);
        if !command.is_subcommand_required_set() {
            found.insert(name);
        }
    }
}

#[test]
fn the_operators_document_lists_what_asks_a_person() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/OPERATIONS.md")).unwrap();
    let rows = TABLE.iter().filter_map(|row| Some((row.command, row.word?)));
    for (command, word) in rows.clone() {
        let is_listed = |line: &str| {
            line.starts_with(&format!("| `{command}")) && line.ends_with(&format!("| `{word}` |"))
        };
        assert!(text.lines().any(is_listed), "{command} asks for {word}");
    }
    assert_eq!(
        text.lines().filter(|line| line.starts_with("| `")).count(),
        rows.count(),
        "nothing else asks"
    );
}

#[test]
fn every_command_is_in_the_table() {
    let mut found = BTreeSet::new();
    commands(&Cli::command(), "", &mut found);
    let table: BTreeSet<String> = TABLE.iter().map(|row| row.command.to_owned()).collect();
    assert_eq!(found, table, "say of each command whether it widens the rights of agents");
}

/// Every file below a folder, with what is in it.
fn files(below: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Runs it before a pipe that says the word.
pub fn piped(desk: &Desk, args: &[&str], word: &str) -> Ended {
    let mut command = desk.command();
    command.args(args).current_dir(desk.path());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = writeln!(child.stdin.take().unwrap(), "{word}");
    Ended::of(child.wait_with_output().unwrap())
}

/// Asserts that only a person who types the word gets by, and that whoever is refused has changed nothing of
/// `state`.
fn asks<S: PartialEq>(desk: &Desk, row: &Row, state: impl Fn() -> S) {
    let word = row.word.unwrap();
    let args: Vec<&str> = row.command.split(' ').chain(row.arguments.iter().copied()).collect();
    let before = state();
    let nobody = piped(desk, &args, word);
    assert_eq!(nobody.code, 1, "{args:?}: {nobody:?}");
    for words in [
        "no terminal to ask at",
        "Nothing was ",
        "The operator runs it at a terminal: `sms-mcp ",
        "docker exec -it",
    ] {
        assert!(nobody.err.contains(words), "{args:?}: {nobody:?}");
    }
    assert!(state() == before, "{args:?} changed something");
    let mut other = desk.command();
    other.args(&args).current_dir(desk.path());
    let other = at_terminal(other, "yes");
    assert_eq!(other.code, 1, "{args:?}: {other:?}");
    assert!(
        other.err.contains(&format!("Type \"{word}\" to ")) && other.err.contains("everything is as it was"),
        "{args:?}: {other:?}"
    );
    assert!(state() == before, "{args:?} changed something");
}

#[test]
fn what_widens_the_rights_of_agents_asks_a_person_and_changes_nothing_for_anybody_else() {
    let desk = Desk::new(WIDE);
    desk.done(&["send", &fictional(0), "Hello"]);
    desk.done(&["backup", desk.path().join("backup.db").to_str().unwrap()]);
    desk.done(&["send", "+12025550110", "Charged twice its price, which freezes"]);
    desk.done(&["opt-out", "add", "+12025550123"]);
    desk.done(&["pause"]);
    std::fs::write(desk.path().join("carol.pub"), crate::approvers::Signer::new(3).line()).unwrap();
    desk.file("consents.csv", CONSENTS);
    for row in TABLE.iter().filter(|row| row.word.is_some() && row.command != "ledger accept") {
        asks(&desk, row, || files(desk.path()));
    }
}

#[test]
fn a_ledger_in_doubt_stays_in_doubt_until_a_person_types_the_word() {
    let fake = Fake::start(SmsForAi { credits_micros: 1_000_000_000, ..SmsForAi::default() });
    let desk = Desk::new(&format!(
        "{WIDE}[[provider]]\nkind = \"sms_for_ai\"\nbase_url = \"{}/api/v1\"\ntoken = \"{TOKEN}\"\n",
        fake.url()
    ));
    desk.done(&["send", &fictional(0), "Hello"]);
    std::fs::remove_dir_all(desk.state()).unwrap();
    let row = TABLE.iter().find(|row| row.command == "ledger accept").unwrap();
    asks(&desk, row, || {
        desk.run(&["send", &fictional(1), "Hello", "--json"]).json()["code"] == "ledger_in_doubt"
    });
    assert_eq!(fake.vendor().messages.len(), 1);
}

/// The lines of a log that say this.
fn said(ended: &Ended, words: &str) -> Vec<String> {
    ended.err.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
}

#[test]
fn the_log_names_who_acted_and_not_whose_data_it_was() {
    let desk = Desk::new(WIDE);
    let user =
        String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let by = format!("by=\"user:{}\"", user.trim());
    for args in [&["opt-out", "add", "+12025550123"] as &[&str], &["reconcile"], &["pause"]] {
        let ended = desk.done(&[&["--log", "info", "--as", "http"], args].concat());
        let lines = said(&ended, "an operator acted");
        assert_eq!(lines.len(), 1, "{args:?}: {ended:?}");
        assert!(lines[0].contains(&by) && !lines[0].contains("+1202"), "{args:?}: {lines:?}");
        assert_eq!(said(&desk.done(args), "an operator acted").len(), 0, "{args:?}: nobody asked for more");
    }
    for (args, word) in
        [(&["resume"] as &[&str], "resume"), (&["opt-out", "remove", "+12025550123"], "remove")]
    {
        let ended = desk.types(&[&["--as", "http"], args].concat(), word);
        let lines = said(&ended, "a person widened what agents may do");
        assert_eq!((ended.code, lines.len()), (0, 1), "{args:?}: {ended:?}");
        assert!(lines[0].contains(&by) && !lines[0].contains("+1202"), "{args:?}: {lines:?}");
    }
}
