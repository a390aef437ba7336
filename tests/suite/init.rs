//! `sms-mcp init` brings somebody from nothing to a server that a client can start, and the short files that it
//! writes are right as they are.
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use sms_mcp::config::{Config, KINDS};

use crate::cli::Ended;
use crate::support::{Desk, eventually, program, terminal};

/// A desk whose settings are not there yet.
fn empty_desk() -> Desk {
    let desk = Desk::new("");
    std::fs::remove_file(desk.config()).unwrap();
    desk
}

fn short_file(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(format!("{kind}.toml"))
}

/// The variables that a short file names.
fn variables(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| Some(line.split("{ env = \"").nth(1)?.split('"').next()?.to_owned()))
        .collect()
}

/// What such a variable may hold.
fn secret_of(variable: &str) -> String {
    if variable.ends_with("ACCOUNT_SID") {
        format!("AC{}", "0123456789abcdef".repeat(2))
    } else {
        "s3cret7f".to_owned()
    }
}

#[test]
fn each_short_file_is_fine_but_for_the_secrets_that_only_its_reader_has() {
    for kind in KINDS {
        let text =
            std::fs::read_to_string(short_file(kind)).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let config: Config = toml::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(&config.provider[0]).unwrap()["kind"], *kind);
        let desk = empty_desk();
        std::fs::write(desk.config(), &text).unwrap();
        let names = variables(&text);
        let without = desk.run(&["config", "check"]);
        match names.first() {
            Some(name) => assert!(without.code == 1 && without.err.contains(name), "{kind}: {without:?}"),
            None => assert_eq!((*kind, without.code), ("sandbox", 0)),
        }
        let mut command = desk.command();
        command.envs(names.iter().map(|name| (name, secret_of(name)))).args(["config", "check", "--strict"]);
        let checked = Ended::of(command.stdin(Stdio::null()).output().unwrap());
        assert!(
            checked.code == 0 && checked.out.starts_with("The configuration is fine."),
            "{kind}: {checked:?}"
        );
        // Every destination that it allows has a price.
        assert!(!checked.out.contains("prices"), "{kind}: {checked:?}");
    }
}

#[test]
fn in_a_script_every_answer_is_an_argument_and_what_is_missing_is_named() {
    let desk = empty_desk();
    let nothing = desk.run(&["init"]);
    assert!(
        nothing.code == 1 && nothing.err.contains("--provider") && nothing.err.contains("mailersend"),
        "{nothing:?}"
    );
    let some = desk.run(&["init", "--provider", "mailersend", "from=+18005550123"]);
    assert!(
        some.code == 1
            && some.err.contains("token=env:NAME")
            && some.err.contains("allow_destinations=US,CA")
            && !some.err.contains("from="),
        "{some:?}"
    );
    for (wrong, why) in [
        ("token=canary7", "the shell's history"),
        ("tokn=env:A", "it asks for currency, session_spend"),
        ("from=ACME", "E.164"),
        ("allow_destinations=France", "no destination"),
        ("rates=US", "write US:0.014,CA:0.016"),
        ("day_spend=lots", "no amount"),
        ("from", "NAME=VALUE"),
    ] {
        let all = [
            "init",
            "--provider",
            "mailersend",
            wrong,
            "token=env:T",
            "from=+18005550123",
            "allow_destinations=US",
        ];
        let refused = desk.run(&all);
        assert!(refused.code == 1 && refused.err.contains(why), "{wrong}: {refused:?}");
        assert!(!refused.err.contains("canary") && !desk.config().exists(), "{wrong}: {refused:?}");
    }
    assert_eq!(desk.run(&["init", "--provider", "mailbox"]).code, 2);

    let all = [
        "init",
        "--provider",
        "mailersend",
        "token=env:INIT_TOKEN",
        "from=+18005550123",
        "allow_destinations=US,CA",
        "rates=US:0.014,CA:0.016",
        "day_spend=3",
    ];
    let mut command = desk.command();
    command.env("INIT_TOKEN", "s3cret7f").args(all);
    let made = Ended::of(command.stdin(Stdio::null()).output().unwrap());
    assert_eq!(made.code, 0, "{made:?}");
    let config = desk.config().display().to_string();
    for part in [
        "The configuration is fine.",
        "day 3.00 USD",
        "rates     CA 0.016, US 0.014 USD a segment",
        &format!("claude mcp add --scope user sms -- {} --config {config}", program().display()),
        "\"mcpServers\":{\"sms\":{",
        "has to be set: INIT_TOKEN",
    ] {
        assert!(made.out.contains(part), "{part}: {made:?}");
    }
    assert_eq!(std::fs::metadata(desk.config()).unwrap().permissions().mode() & 0o777, 0o600);
    let written = std::fs::read_to_string(desk.config()).unwrap();
    assert!(written.contains("token = { env = \"INIT_TOKEN\" }"), "{written}");

    // A file that is there stays as it is, whatever it is.
    let again = desk.run(&all);
    assert!(again.code == 1 && again.err.contains("never written over"), "{again:?}");
    assert_eq!(std::fs::read_to_string(desk.config()).unwrap(), written);
    std::fs::remove_file(desk.config()).unwrap();
    std::os::unix::fs::symlink(desk.path().join("elsewhere.toml"), desk.config()).unwrap();
    assert_eq!(desk.run(&all).code, 1);
    assert!(!desk.path().join("elsewhere.toml").exists());
}

#[test]
fn a_variable_that_is_not_set_yet_is_named_and_the_file_is_there() {
    let desk = empty_desk();
    let made =
        desk.run(&["init", "--provider", "sms_for_ai", "token=env:INIT_ABSENT", "allow_destinations=all"]);
    assert!(made.code == 1 && made.err.contains("INIT_ABSENT, which is not set"), "{made:?}");
    assert!(made.out.contains("Written: ") && made.out.contains("has to be set: INIT_ABSENT"), "{made:?}");
    assert!(std::fs::read_to_string(desk.config()).unwrap().contains("allow_destinations = []"));
}

/// Runs this before a person who answers each question when it stands there. Returns how it ended, and what
/// the terminal showed of what was typed.
fn talk(mut command: Command, answers: &[(&str, &str)]) -> (Ended, String) {
    let (theirs, mut ours) = terminal();
    command.stdin(theirs).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let asked = Arc::new(Mutex::new(String::new()));
    let mut stderr = child.stderr.take().unwrap();
    let hears = Arc::clone(&asked);
    let reader = std::thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(read) = stderr.read(&mut piece) {
            if read == 0 {
                break;
            }
            hears.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..read]));
        }
    });
    let mut from = 0;
    for (question, answer) in answers {
        eventually(&format!("the question {question}"), || asked.lock().unwrap()[from..].contains(question));
        let at = asked.lock().unwrap()[from..].find(question).unwrap();
        from += at + question.len();
        // Ctrl-C and Ctrl-D end it by themselves.
        let enter = if ["\u{3}", "\u{4}"].contains(answer) { "" } else { "\n" };
        ours.write_all(format!("{answer}{enter}").as_bytes()).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    reader.join().unwrap();
    let mut shown = Vec::new();
    // Its other end is closed, which ends it with an error.
    let _ = ours.read_to_end(&mut shown);
    let mut ended = Ended::of(output);
    ended.err = asked.lock().unwrap().clone();
    (ended, String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn at_a_terminal_it_asks_again_what_is_wrong_and_shows_no_secret() {
    let desk = empty_desk();
    let bin = desk.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let claude = bin.join("claude");
    std::fs::write(&claude, "#!/bin/sh\necho \"$@\" >> \"$CLAUDE_SAW\"\n").unwrap();
    std::fs::set_permissions(&claude, std::fs::Permissions::from_mode(0o700)).unwrap();
    let saw = desk.path().join("saw");
    let path = std::env::join_paths(
        [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let answers = |typed| {
        [
            ("Which provider?", "mailbox"),
            ("Which provider?", "mailersend"),
            ("currency [USD]:", ""),
            ("session_spend [5.00]:", "1"),
            ("day_spend [20.00]:", "2"),
            ("allow_destinations (such as", "France"),
            ("allow_destinations (such as", "US"),
            ("US, such as 0.014", "0.014"),
            ("token, or env:NAME, or file:PATH (not shown)", "canary-7f3a"),
            ("from:", "ACME"),
            ("from:", "+18005550199"),
            ("Run that `claude mcp add` now?", typed),
        ]
    };
    for (typed, is_run) in [("no", false), ("yes", true)] {
        let _ = std::fs::remove_file(desk.config());
        let _ = std::fs::remove_file(&saw);
        let mut command = desk.command();
        command.arg("init").env("PATH", path.as_ref().unwrap()).env("CLAUDE_SAW", &saw);
        let (ended, shown) = talk(command, &answers(typed));
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended.err.contains("There is no \"mailbox\"") && ended.err.contains("no destination"),
            "{ended:?}"
        );
        assert!(!format!("{ended:?}{shown}").contains("canary"), "{shown}: {ended:?}");
        assert!(shown.contains("+18005550199"), "what is no secret is shown as it is typed: {shown}");
        let written = std::fs::read_to_string(desk.config()).unwrap();
        for line in [
            "session_spend = \"1\"",
            "\"US\" = \"0.014\"",
            "token = \"canary-7f3a\"",
            "from = \"+18005550199\"",
        ] {
            assert!(written.contains(line), "{line}: {written}");
        }
        let seen = std::fs::read_to_string(&saw).unwrap_or_default();
        assert_eq!(seen.contains("mcp add --scope user sms -- "), is_run, "{typed}: {seen}");
    }
    let sent = desk.run(&["config", "check", "--strict"]);
    assert_eq!(sent.code, 0, "what was written is the owner's alone: {sent:?}");
}

#[test]
fn who_ends_the_questions_leaves_nothing_behind() {
    for ends in ["\u{4}", "\u{3}"] {
        let desk = empty_desk();
        let mut command = desk.command();
        command.args(["init", "--provider", "sms_for_ai", "currency=USD", "session_spend=1", "day_spend=2"]);
        command.arg("allow_destinations=US");
        let (ended, _) = talk(command, &[("token, or env:NAME", ends)]);
        assert!(ended.code == 1 && ended.err.contains("Nothing was written."), "{ended:?}");
        assert!(!desk.config().exists());
    }
}

/// The line of the document makes a file that is fine.
#[test]
fn the_line_of_the_document_writes_a_configuration_that_is_fine() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIGURATION.md")).unwrap();
    let line = text.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let desk = empty_desk();
    let bin = desk.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(program(), bin.join("sms-mcp")).unwrap();
    let path = std::env::join_paths(
        [bin].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("sh");
    shell.args(["-euc", line]).current_dir(desk.path()).env("PATH", path.unwrap()).env("HOME", desk.path());
    shell
        .env("SMS_MCP_LEDGER", desk.ledger())
        .env("XDG_STATE_HOME", desk.state())
        .env("SMS_MCP_CONTAINER", "no");
    shell.env("MAILERSEND_TOKEN", "s3cret7f").stdin(Stdio::null());
    let made = Ended::of(shell.output().unwrap());
    assert!(made.code == 0 && made.out.contains("The configuration is fine."), "{made:?}");
    assert!(desk.path().join("sms-mcp.toml").exists());
}
