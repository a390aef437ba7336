//! The sandbox's outbox, as somebody meets it who tries the program out.

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::cli::{Ended, bare, run};
use crate::support::{A_WHILE, Desk, ends, eventually, fictional};

/// What a command says at a home without any settings of ours.
fn at(home: &Path, args: &[&str]) -> Ended {
    let mut command = bare(home);
    command.args(args);
    run(command)
}

/// A desk with these settings, and nothing said of an outbox.
fn silent(settings: &str) -> Desk {
    let desk = Desk::new("");
    std::fs::write(desk.config(), settings).unwrap();
    desk
}

/// The outbox that the sandbox has without being asked.
fn own(desk: &Desk) -> PathBuf {
    desk.path().join("ledger.db.outbox")
}

/// `outbox --follow`, with its output.
fn follow(desk: &Desk) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = desk.command();
    command.args(["outbox", "--follow"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (child, output)
}

fn line(output: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    line
}

#[test]
#[cfg(target_os = "linux")]
fn without_any_settings_the_sandbox_shows_what_it_took_to_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let before = at(home.path(), &["outbox"]);
    assert!(
        before.code == 0 && before.out.is_empty() && before.err.contains("no texts yet in "),
        "{before:?}"
    );
    assert!(before.err.contains("try: sms-mcp send +12025550123 Hello"), "{before:?}");
    assert_eq!(at(home.path(), &["send", "+12025550123", "Hello", "--from", "ACME"]).code, 0);
    assert_eq!(at(home.path(), &["send", &fictional(1), "And you\nall"]).code, 0);
    let shown = at(home.path(), &["outbox"]);
    let lines: Vec<&str> = shown.out.lines().collect();
    assert!(lines[0].ends_with("Z  to +12025550123  from ACME"), "{shown:?}");
    assert_eq!(lines[1], "    Hello");
    assert!(lines[2].ends_with(&format!("Z  to {}", fictional(1))), "{shown:?}");
    assert_eq!(lines[3..], ["    And you", "    all"]);
    let file = home.path().join(".local/share/sms-mcp/sandbox.db.outbox");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let json: Vec<Value> = at(home.path(), &["outbox", "--json"])
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((json.len(), &json[1]["text"], &json[0]["from"]), (2, &"And you\nall".into(), &"ACME".into()));
}

#[test]
fn a_text_that_means_to_play_with_the_terminal_is_shown_and_does_nothing() {
    let desk = Desk::new("");
    let hostile = "Hi\u{1b}[2J\u{202e}\r\n2026-11-27T10:00:00.000Z  to +12025550199\r\nBye";
    let taken = serde_json::json!({ "id": "msg_1", "to": "+1202\u{1b}]0;x\u{7}", "from": "A\u{1b}B",
        "text": hostile, "segments": 1, "at": "2026-11-27T10:00:00.000Z" });
    std::fs::write(desk.outbox(), format!("{taken}\n")).unwrap();
    let shown = desk.done(&["outbox"]).out;
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{7}', '\r']), "{shown:?}");
    // What looks like the head of a message stands where none stands.
    let heads = shown.lines().filter(|line| !line.starts_with("    ")).count();
    assert!(
        heads == 1 && shown.contains("\n    2026-11-27T10:00:00.000Z  to +12025550199\n    Bye"),
        "{shown}"
    );
    let json = desk.done(&["outbox", "--json"]).out;
    assert!(!json.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{json:?}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["text"], hostile);
}

#[test]
#[cfg(unix)]
fn a_follower_shows_each_text_as_it_comes_and_ends_in_good_order_when_it_is_asked_to() {
    let desk = silent("");
    let (mut child, mut output) = follow(&desk);
    for text in ["one", "two"] {
        desk.done(&["send", "+12025550123", text]);
        assert!(line(&mut output).contains("  to +12025550123"));
        assert_eq!(line(&mut output), format!("    {text}\n"));
    }
    assert!(own(&desk).exists());
    crate::support::signal("INT", child.id());
    assert!(ends(&mut child).success());
    let mut said = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
#[cfg(unix)]
fn a_follower_whose_reader_goes_away_ends_quietly_though_nothing_comes() {
    let desk = silent("");
    desk.done(&["send", "+12025550123", "one"]);
    let (mut child, mut output) = follow(&desk);
    assert!(line(&mut output).contains("+12025550123") && line(&mut output).contains("one"));
    std::thread::sleep(A_WHILE);
    assert!(child.try_wait().unwrap().is_none(), "it waits for more");
    drop(output);
    assert!(ends(&mut child).success());
    let mut said = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn where_there_is_no_outbox_it_is_said_why_and_what_to_do() {
    let real = "[[provider]]\nkind = \"sms_for_ai\"\ntoken = \"abcdefghijklmnopqrstuvwxyz\"\n";
    let routes =
        "[[route]]\nproviders = [\"sandbox\"]\nto = [\"FR\"]\n[[route]]\nproviders = [\"sms_for_ai\"]\n";
    for (settings, why, next) in [
        (real.to_owned(), "what is sent goes to phones", "`sms-mcp list`"),
        (
            format!("{routes}[[provider]]\nkind = \"sandbox\"\n{real}"),
            "beside real providers",
            "`outbox = \"FILE\"` below its [[provider]]",
        ),
        (
            "[[provider]]\nkind = \"sandbox\"\noutbox = \"none\"\n".to_owned(),
            "`outbox = \"none\"`",
            "Take that line out",
        ),
        ("[ledger]\nkeep_texts = false\n".to_owned(), "keep_texts is false", "`outbox = \"FILE\"`"),
    ] {
        let desk = silent(&settings);
        let ended = desk.run(&["outbox"]);
        assert!(
            ended.code == 1 && ended.err.contains(why) && ended.err.contains(next),
            "{settings}: {ended:?}"
        );
        if !settings.contains("sms_for_ai") {
            desk.done(&["send", "+12025550123", "Hello"]);
        }
        let json = desk.run(&["outbox", "--json"]).json();
        assert_eq!(json["code"], "not_found", "{settings}");
        assert!(!own(&desk).exists(), "{settings}");
    }
}

#[test]
fn the_outbox_of_the_operator_is_shown_wherever_it_is_and_beside_real_providers_too() {
    let desk = silent("");
    let file = desk.path().join("mine.jsonl");
    std::fs::write(
        desk.config(),
        format!(
            "[[route]]\nproviders = [\"sandbox\"]\nto = [\"FR\"]\n[[route]]\nproviders = [\"sms_for_ai\"]\n\
             [[provider]]\nkind = \"sandbox\"\noutbox = '{}'\n\
             [[provider]]\nkind = \"sms_for_ai\"\ntoken = \"abcdefghijklmnopqrstuvwxyz\"\n",
            file.display()
        ),
    )
    .unwrap();
    desk.done(&["send", &fictional(1), "Bonjour"]);
    assert!(desk.done(&["outbox"]).out.ends_with("    Bonjour\n"));
    assert!(file.exists() && !own(&desk).exists());
}

#[test]
fn a_text_that_cannot_be_put_into_the_outbox_is_not_sent_and_nothing_is_charged() {
    let desk = silent("");
    std::fs::create_dir(own(&desk)).unwrap();
    let ended = desk.run(&["send", "+12025550123", "Hello"]);
    assert!(ended.code == 1 && ended.err.contains("provider_unavailable"), "{ended:?}");
    assert!(
        desk.done(&["budget"]).out.contains("day      0.00 spent, 0.00 held"),
        "{:?}",
        desk.run(&["budget"])
    );
}

#[test]
fn the_outbox_of_many_texts_stays_bounded_and_keeps_the_latest() {
    let desk = silent("");
    // As large as it gets, and the beginning of a line of which no more came.
    let taken = serde_json::json!({ "id": "msg_1", "to": "+12025550123", "from": null, "text": "x".repeat(1_000),
        "segments": 7, "at": "2026-11-27T10:00:00.000Z" });
    let mut file = std::fs::File::create(own(&desk)).unwrap();
    for _ in 0..4_000 {
        writeln!(file, "{taken}").unwrap();
    }
    drop(file);
    desk.done(&["send", "+12025550123", "latest"]);
    let size = |path: &Path| path.metadata().unwrap().len();
    assert!(size(&own(&desk)) < 1_000, "{}", size(&own(&desk)));
    eventually("it is kept once more", || own(&desk).with_extension("outbox.1").exists());
    let shown = desk.done(&["outbox"]).out;
    assert!(shown.ends_with("    latest\n") && shown.matches("  to +12025550123").count() == 4_001);
}

#[test]
fn the_readme_shows_what_a_phone_would_have_shown() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (commands, rest) =
        readme.split_once("```sh\nsms-mcp outbox ").unwrap().1.split_once("```\n\n```\n").unwrap();
    let shown: Vec<&str> = rest.split_once("\n```").unwrap().0.lines().collect();
    let home = tempfile::tempdir().unwrap();
    let text = shown[1].strip_prefix("    ").unwrap();
    assert_eq!(at(home.path(), &["send", "+12025550123", text]).code, 0);
    let outbox = at(home.path(), &["outbox"]).out;
    let lines: Vec<&str> = outbox.lines().collect();
    assert_eq!((lines.len(), lines[1]), (shown.len(), shown[1]));
    // But for the time.
    assert_eq!(lines[0].split_once(' ').unwrap().1, shown[0].split_once(' ').unwrap().1);
    for command in commands.lines().filter_map(|line| line.strip_prefix("sms-mcp ")) {
        assert_eq!(at(home.path(), &[command]).code, 0, "{command}");
    }
}
