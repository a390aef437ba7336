//! The command line, as a user meets it.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::{A_WHILE, Desk, Era, WIDE, answer, eventually, fictional, program};
use crate::vendors;

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let ended = Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ended.err.contains("panicked"), "{ended:?}");
        ended
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The id in the output that begins so.
    fn id(&self, prefix: &str) -> String {
        let from = self.out.find(prefix).unwrap_or_else(|| panic!("no {prefix} in {self:?}"));
        self.out[from..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    }
}

pub fn run(mut command: Command) -> Ended {
    Ended::of(command.stdin(Stdio::null()).output().unwrap())
}

/// Runs this at a terminal, at which a person types that.
#[cfg(unix)]
pub fn at_terminal(mut command: Command, typed: &str) -> Ended {
    use std::io::Write as _;
    let (theirs, mut ours) = crate::support::terminal();
    command.stdin(theirs).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // What the command holds of the terminal.
    drop(command);
    ours.write_all(format!("{typed}\n").as_bytes()).unwrap();
    Ended::of(child.wait_with_output().unwrap())
}

/// The program without any of the outer environment's settings, and with a home of its own.
pub fn bare(home: &Path) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SMS_MCP")) {
        command.env_remove(name);
    }
    command
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME")
        .env_remove("XDG_STATE_HOME")
        .env("SMS_MCP_CONTAINER", "no");
    command.env("HOME", home).env("APPDATA", home.join("roaming")).env("LOCALAPPDATA", home.join("local"));
    command
}

impl Desk {
    pub fn run(&self, args: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(args);
        run(command)
    }

    /// The same by a person who types this.
    #[cfg(unix)]
    pub fn types(&self, args: &[&str], typed: &str) -> Ended {
        let mut command = self.command();
        command.args(args);
        at_terminal(command, typed)
    }

    /// The same, and it is done.
    #[cfg(unix)]
    pub fn does(&self, args: &[&str], typed: &str) -> Ended {
        let ended = self.types(args, typed);
        assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
        ended
    }

    pub fn done(&self, args: &[&str]) -> Ended {
        let ended = self.run(args);
        assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
        ended
    }

    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn texts(&self) -> BTreeSet<(String, String)> {
        self.sent()
            .iter()
            .map(|line| (line["to"].as_str().unwrap().to_owned(), line["text"].as_str().unwrap().to_owned()))
            .collect()
    }
}

/// `config check` of this text.
fn checked(settings: &str) -> (Desk, Ended) {
    let desk = Desk::new("");
    std::fs::write(desk.config(), settings).unwrap();
    let ended = desk.run(&["config", "check"]);
    (desk, ended)
}

fn pairs(list: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    list.iter().map(|(to, text)| ((*to).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn send_sends_once_and_says_what_it_cost() {
    let desk = Desk::new("");
    let ended = desk.done(&["send", "+12025550123", "Hello", "--from", "ACME"]);
    assert!(
        ended.out.starts_with("sent: msg_")
            && ended.out.contains("to +12025550123, 1 segment(s) of GSM-7, 0.0079 USD"),
        "{ended:?}"
    );
    assert!(ended.err.contains("Sandbox provider: no text left this machine."), "{ended:?}");
    assert_eq!(desk.sent().len(), 1);
    assert_eq!(desk.sent()[0]["from"], "ACME");
}

#[test]
fn the_same_text_again_is_refused_unless_it_is_meant() {
    let desk = Desk::new("");
    desk.done(&["send", "+12025550123", "Hello"]);
    let refused = desk.run(&["send", "+12025550123", "Hello"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("(duplicate_suspected)") && refused.err.contains("Nothing was sent again"),
        "{refused:?}"
    );
    assert_eq!(refused.out, "");
    desk.done(&["send", "+12025550123", "Hello", "--allow-duplicate"]);
    assert_eq!(desk.sent().len(), 2);
}

#[test]
fn a_key_sends_at_most_once_and_stands_for_one_intent() {
    let desk = Desk::new("");
    let first = desk.done(&["send", "+12025550123", "Hello", "--idempotency-key", "k1"]);
    let again = desk.done(&["send", "+12025550123", "Hello", "--idempotency-key", "k1"]);
    assert_eq!(first.id("msg_"), again.id("msg_"));
    assert!(again.out.contains("nothing was sent again"), "{again:?}");
    let other = desk.run(&["send", "+12025550123", "Goodbye", "--idempotency-key", "k1"]);
    assert!(other.code == 1 && other.err.contains("(idempotency_conflict)"), "{other:?}");
    assert_eq!(desk.sent().len(), 1);
}

#[test]
fn a_dry_run_quotes_and_sends_nothing() {
    let desk = Desk::new("");
    let quote =
        desk.done(&["send", "+12025550123", &format!("{} \u{2013} now", "x".repeat(80)), "--dry-run"]);
    assert!(
        quote.out.contains("quote: to +12025550123, 2 segment(s) of UCS-2, 0.0158 USD; nothing was sent"),
        "{quote:?}"
    );
    assert!(quote.out.contains("1 x \u{2013} (U+2013) forces UCS-2: write \"-\""), "{quote:?}");
    assert!(quote.out.contains("in plain spelling: 1 segment(s), saves 0.0079 USD"), "{quote:?}");
    let refused = desk.done(&["send", "+19005550123", "Hello", "--dry-run"]);
    assert!(
        refused
            .out
            .contains("it would be refused: +19005550123 is a premium-rate number (premium_destination)"),
        "{refused:?}"
    );
    assert!(desk.sent().is_empty());
    assert_eq!(desk.done(&["list"]).out, "no messages\n");
}

#[test]
fn exit_codes_tell_done_refused_wrong_usage_and_unknown_apart() {
    let desk = Desk::new("");
    assert_eq!(desk.run(&["send", "+12025550123", "Hello"]).code, 0);
    assert_eq!(desk.run(&["send", "12", "Hello"]).code, 1);
    for wrong in [
        &["send", "+12025550123"] as &[&str],
        &["sned"],
        &["send", "+12025550123", "Hello", "--froom", "A"],
        &["bulk", "x.csv"],
        &["serve", "--log", "loud"],
    ] {
        let ended = desk.run(wrong);
        assert!(
            ended.code == 2
                && ended.err.contains("Usage:") | ended.err.contains("possible values")
                && ended.out.is_empty(),
            "{wrong:?}: {ended:?}"
        );
    }
    let lost = desk.run(&["send", "+12025550104", "Hello"]);
    assert_eq!(lost.code, 3);
    assert!(lost.err.contains("(outcome_unknown)") && lost.err.contains("Do NOT retry"), "{lost:?}");
    let lost = desk.run(&["send", "+12025550104", "Hello again", "--json"]);
    assert_eq!((lost.code, lost.json()["code"].as_str()), (3, Some("outcome_unknown")));
}

#[test]
fn bulk_reads_a_spreadsheets_csv_and_fills_each_text() {
    let desk = Desk::new(WIDE);
    let (ann, bob) = (fictional(1), fictional(2));
    // A byte order mark, a column that no placeholder names, quotes, Windows line ends, and a number named
    // twice.
    let file = desk.file(
        "people.csv",
        format!("\u{feff}name,To,notes\r\nAnn,{ann},vip\r\n\"Bob, Jr.\",{bob},\r\nAnn,\"{ann} \",again\r\n"),
    );
    let ended = desk.done(&["bulk", &file, "--message", "Hi {{name}}"]);
    assert!(
        ended.out.starts_with("bat_") && ended.out.contains(": 2 sent; 2 segments, 0.13 USD"),
        "{ended:?}"
    );
    assert!(ended.out.contains(&format!("named twice, sent once: {ann}")), "{ended:?}");
    assert!(
        ended.err.contains(&format!("{ann} stands in lines 2 and 4: it gets the text once")),
        "{ended:?}"
    );
    assert_eq!(desk.texts(), pairs(&[(&ann, "Hi Ann"), (&bob, "Hi Bob, Jr.")]));

    let first = desk.file("first.csv", format!("\u{feff}to\n{}\n", fictional(3)));
    desk.done(&["bulk", &first, "--message", "Hello"]);
    assert_eq!(desk.sent().len(), 3);
}

#[test]
fn bulk_with_a_wrong_file_sends_nothing_and_says_what_is_wrong() {
    let desk = Desk::new(WIDE);
    let good = fictional(1);
    let cases = [
        (desk.file("no-to.csv", format!("phone,name\n{good},Ann\n")), "Hello", "no column `to`"),
        (desk.file("no-name.csv", format!("to\n{good}\n")), "Hi {{name}}", "name"),
        (desk.file("ragged.csv", format!("to,name\n{good},Ann\n{good}\n")), "Hello", "line 3 has 1 fields"),
        (
            desk.file("unclosed.csv", format!("to,name\n{good},\"Ann\n{},Bob\"\n", fictional(2))),
            "Hi {{name}}",
            "line 3 looks like a row of its own",
        ),
        (
            desk.file("never-closed.csv", format!("to,name\n{good},Ann\n{},\"Bob\n", fictional(2))),
            "Hi {{name}}",
            "opens on line 3",
        ),
        (
            desk.file("two-names.csv", format!("to,name,name\n{good},Ann,Bob\n")),
            "Hi {{name}}",
            "more than one column `name`",
        ),
        (desk.file("empty.csv", ""), "Hello", "no column `to`"),
        (desk.file("only-head.csv", "to\n"), "Hello", "is empty"),
        (desk.file("fine.csv", format!("to\n{good}\n")), "Hi {{name", "--message"),
        (desk.path().join("absent.csv").to_str().unwrap().to_owned(), "Hello", "absent.csv"),
    ];
    for (file, message, expected) in cases {
        let ended = desk.run(&["bulk", &file, "--message", message]);
        assert_eq!(ended.code, 1, "{file}: {ended:?}");
        assert!(
            ended.err.contains(expected) && ended.err.contains("(invalid_argument)"),
            "{file}: {ended:?}"
        );
    }
    assert!(desk.sent().is_empty());
}

#[test]
fn bulk_reads_what_spreadsheets_save_and_tells_what_it_left_out() {
    let desk = Desk::new(WIDE);
    let (ann, bob) = (fictional(1), fictional(2));
    // Excel in German: semicolons, UTF-16, a number that was taken for an amount, and rows of nothing.
    let text = format!("\u{feff}to;name\r\n{ann}.0;J\u{f6}rg\r\n;\r\n\r\n{bob};\"Bob;\nJr.\"\r\n");
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(desk.path().join("people.csv"), units).unwrap();
    let file = desk.path().join("people.csv");
    let quote = desk
        .done(&["bulk", file.to_str().unwrap(), "--message", "Hi {{name}}", "--dry-run", "--json"])
        .json();
    assert!(
        quote["warnings"]
            .as_array()
            .unwrap()
            .contains(&"2 rows of nothing were left out (lines 3 and 4)".into()),
        "{quote}"
    );
    let ended = desk.done(&["bulk", file.to_str().unwrap(), "--message", "Hi {{name}}"]);
    assert!(ended.err.contains("2 rows of nothing were left out (lines 3 and 4)"), "{ended:?}");
    assert_eq!(desk.texts(), pairs(&[(&ann, "Hi J\u{f6}rg"), (&bob, "Hi Bob;\nJr.")]));
}

#[test]
fn bulk_names_the_line_of_every_row_that_it_does_not_take() {
    let desk = Desk::new(WIDE);
    let good = fictional(1);
    let file = desk.file(
        "people.csv",
        format!("to\tname\n{good}\tAnn\n\t\n4,36642E+11\tBob\n{good}/2\tCid\n\tDee\n{good}/2\tEve\n"),
    );
    let refused = desk.run(&["bulk", &file, "--message", "Hi {{name}}"]);
    assert_eq!(refused.code, 1);
    for part in [
        "4 of 5 recipients",
        "  line 4: \"4,36642E+11\" is not a phone number: a spreadsheet rounded it",
        "  lines 5 and 7: it is not a phone number: \"/2\" stands behind a number",
        "  line 6: the phone number is empty",
        "1 row of nothing was left out (line 3)",
    ] {
        assert!(refused.err.contains(part), "{part}: {refused:?}");
    }
    let skipped =
        desk.done(&["bulk", &file, "--message", "Hi {{name}}", "--on-invalid", "skip", "--json"]).json();
    assert!(skipped["refused"][0]["message"].as_str().unwrap().starts_with("line 4: "), "{skipped}");
    assert_eq!(desk.texts(), pairs(&[(&good, "Hi Ann")]));
}

#[test]
fn bulk_refuses_all_for_one_bad_number_unless_told_to_skip_it() {
    let desk = Desk::new(WIDE);
    let file = desk.file("people.csv", format!("to\n{}\n12\n+19005550123\n", fictional(1)));
    let refused = desk.run(&["bulk", &file, "--message", "Hello"]);
    assert_eq!(refused.code, 1);
    for part in [
        "2 of 3 recipients",
        "  line 3: \"12\" ",
        "  line 4: +19005550123 ",
        "(invalid_number)",
        "(premium_destination)",
        "(recipients_refused)",
    ] {
        assert!(refused.err.contains(part), "{part}: {refused:?}");
    }
    assert!(desk.sent().is_empty());
    let quote = desk.done(&["bulk", &file, "--message", "Hello", "--on-invalid", "skip", "--dry-run"]);
    assert!(quote.out.contains("quote: 1 messages, 1 segments, 0.065 USD; nothing was sent"), "{quote:?}");
    assert!(desk.sent().is_empty());
    let skipped =
        desk.done(&["bulk", &file, "--message", "Hello", "--on-invalid", "skip", "--idempotency-key", "b1"]);
    assert!(
        skipped.out.contains("1 sent") && skipped.out.contains("not taken: line 3: \"12\" "),
        "{skipped:?}"
    );
    let again =
        desk.done(&["bulk", &file, "--message", "Hello", "--on-invalid", "skip", "--idempotency-key", "b1"]);
    assert!(again.out.contains("nothing was sent again"), "{again:?}");
    assert_eq!(desk.sent().len(), 1);
}

#[test]
fn status_shows_a_message_with_its_history_and_a_bulk_with_its_counts() {
    let desk = Desk::new("[[provider]]\nkind = \"sandbox\"\ndelivery_delay = \"0ms\"\n");
    let id = desk.done(&["send", "+12025550123", "Hello"]).id("msg_");
    let status = desk.done(&["status", &id]);
    assert!(status.out.contains(&format!("{id} to +12025550123: delivered, 0.0079 USD")), "{status:?}");
    let steps: Vec<&str> =
        status.out.lines().skip(1).map(|line| line.split_whitespace().last().unwrap()).collect();
    assert_eq!(steps, ["attempting", "sent", "delivered"]);

    let file = desk.file("people.csv", format!("to\n{}\n", fictional(1)));
    let batch = desk.done(&["bulk", &file, "--message", "Hello"]).id("bat_");
    assert!(desk.done(&["status", &batch]).out.starts_with(&format!("{batch}: 1 ")));

    let missing = desk.run(&["status", "msg_nothing"]);
    assert!(missing.code == 1 && missing.err.contains("(not_found)"), "{missing:?}");
}

#[test]
fn list_pages_newest_first_and_filters() {
    let desk = Desk::new(WIDE);
    let ids: Vec<String> = (1..=5).map(|n| desk.done(&["send", &fictional(n), "Hello"]).id("msg_")).collect();
    let newest_first: Vec<String> = ids.iter().rev().cloned().collect();
    let (mut seen, mut cursor) = (Vec::new(), None);
    for _ in 0..3 {
        let mut args = vec!["list".to_owned(), "--limit".into(), "2".into()];
        args.extend(cursor.take().into_iter().flat_map(|cursor| ["--cursor".to_owned(), cursor]));
        let page = desk.done(&args.iter().map(String::as_str).collect::<Vec<_>>());
        seen.extend(
            page.out
                .lines()
                .filter(|line| line.contains("msg_"))
                .map(|line| line.split_whitespace().last().unwrap().to_owned()),
        );
        cursor = page.out.lines().find_map(|line| line.strip_prefix("more: --cursor ").map(str::to_owned));
    }
    assert_eq!((seen, cursor), (newest_first, None));

    assert_eq!(desk.done(&["list", "--to", &fictional(3)]).out.lines().count(), 1);
    assert_eq!(desk.done(&["list", "--status", "rejected"]).out, "no messages\n");
    assert_eq!(desk.done(&["list", "--since", "2020-01-01"]).out.lines().count(), 5);
    assert_eq!(desk.done(&["list", "--until", "2020-01-01"]).out, "no messages\n");
    for (wrong, expected) in [
        (["--status", "lost"], "the states are"),
        (["--batch", "bat_none"], "(not_found)"),
        (["--since", "yesterday"], "2026-11-22"),
        (["--limit", "0"], "1 to 100"),
        (
            ["--cursor", "x"],
            "`--cursor` is not a cursor that `sms-mcp list` printed; leave it out for the newest messages",
        ),
    ] {
        let ended = desk.run(&[&["list"], &wrong as &[&str]].concat());
        assert!(ended.code == 1 && ended.err.contains(expected), "{wrong:?}: {ended:?}");
    }
}

#[test]
fn balance_and_budget_show_what_is_left() {
    let desk = Desk::new("");
    desk.done(&["send", "+12025550123", "Hello"]);
    let balance = desk.done(&["balance"]);
    assert!(balance.out.contains("account at sandbox: 100.00 USD"), "{balance:?}");
    let budget = desk.done(&["budget"]);
    for shown in [&balance, &budget] {
        assert!(
            shown.out.contains("0.0079 spent, 0.00 held of 20.00 USD, 1 messages  day:USD:user:"),
            "{shown:?}"
        );
    }
}

#[cfg(unix)]
#[test]
fn an_overcharge_freezes_until_the_operator_unfreezes() {
    let desk = Desk::new("");
    let over = desk.done(&["send", "+12025550110", "Hello"]);
    assert!(over.out.contains("0.0158 USD") && over.err.contains("the budget is frozen"), "{over:?}");
    let refused = desk.run(&["send", "+12025550123", "Hello"]);
    assert!(refused.code == 1 && refused.err.contains("(budget_frozen)"), "{refused:?}");

    let budget = desk.done(&["budget"]);
    let frozen: Vec<&str> =
        budget.out.lines().filter_map(|line| Some(line.split_once("  FROZEN: msg_")?.0)).collect();
    assert_eq!(frozen.len(), 3, "the whole path, the ledger's total too: {budget:?}");
    for line in frozen {
        let name = line.split_whitespace().last().unwrap();
        assert_eq!(
            desk.does(&["budget", "unfreeze", name], "unfreeze").out,
            format!("{name} is open again\n")
        );
        let again = desk.types(&["budget", "unfreeze", name], "unfreeze");
        assert!(
            again.code == 1 && again.err.contains("(not_found)") && again.err.contains("sms-mcp budget"),
            "{again:?}"
        );
    }
    desk.done(&["send", "+12025550123", "Hello"]);
    assert_eq!(desk.sent().len(), 2);
    desk.done(&["send", "+12025550110", "Again"]);
    assert_eq!(
        desk.does(&["budget", "unfreeze"], "unfreeze").out.lines().count(),
        3,
        "without a name: every one"
    );
    desk.done(&["send", "+12025550124", "Hello"]);
}

#[test]
fn a_bulk_stops_where_it_freezes_the_budget_and_the_rest_can_be_canceled() {
    let desk = Desk::new("[send]\nconcurrency = 1\n");
    let rows: String = std::iter::once("+12025550110".to_owned())
        .chain((0..9).map(fictional))
        .map(|to| format!("{to}\n"))
        .collect();
    std::fs::write(desk.path().join("people.csv"), format!("to\n{rows}")).unwrap();
    let file = desk.path().join("people.csv");
    let mut command = desk.command();
    command
        .args(["bulk", "--message", "Hello"])
        .arg(&file)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    eventually("the budget is frozen", || desk.done(&["budget"]).out.contains("FROZEN"));
    std::thread::sleep(A_WHILE);
    assert_eq!(desk.sent().len(), 1, "nothing leaves from a frozen budget");
    let listed = desk.done(&["list", "--status", "queued", "--json"]).json();
    let batch = listed["messages"][0]["batch"].as_str().unwrap().to_owned();
    assert!(desk.done(&["cancel", &batch]).out.starts_with("9 queued"));
    assert!(child.wait().unwrap().success(), "and the command that waited ends");
    assert_eq!(desk.sent().len(), 1);
    let missing = desk.run(&["cancel", "bat_none"]);
    assert!(missing.code == 1 && missing.err.contains("(not_found)"), "{missing:?}");
}

#[test]
fn a_bulk_command_ends_when_what_is_left_expires() {
    let desk = Desk::new("[guard]\nsends_per_second = 1\n[send]\nqueue_max_age = \"1500ms\"\n");
    let rows: String = (0..6).map(fictional).map(|to| format!("{to}\n")).collect();
    std::fs::write(desk.path().join("people.csv"), format!("to\n{rows}")).unwrap();
    let file = desk.path().join("people.csv");
    let answer = desk.done(&["bulk", file.to_str().unwrap(), "--message", "Hello", "--json"]).json();
    assert_eq!(answer["status"], "done");
    assert!(answer["counts"]["expired"].as_u64().unwrap() >= 3, "{answer}");
}

#[test]
fn tools_prints_the_list_that_a_client_gets() {
    let home = tempfile::tempdir().unwrap();
    let mut command = bare(home.path());
    command.arg("tools");
    let tools = run(command).json();
    let names: Vec<&str> =
        tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["send_sms", "send_bulk", "get_balance", "list_sms", "get_status", "cancel_sms", "open_session"]
    );
}

#[test]
fn json_output_parses_for_success_and_for_refusal() {
    let desk = Desk::new("");
    let file = desk.file("people.csv", format!("to\n{}\n", fictional(1)));
    let sent = desk.done(&["send", "+12025550123", "Hello", "--json"]).json();
    assert_eq!((sent["status"].as_str(), sent["price"]["amount"].as_str()), (Some("sent"), Some("0.0079")));
    let bulk = desk.done(&["bulk", &file, "--message", "Hello", "--json"]).json();
    assert_eq!((bulk["accepted"].as_u64(), bulk["counts"]["sent"].as_u64()), (Some(1), Some(1)));
    let status = desk.done(&["status", sent["id"].as_str().unwrap(), "--json"]).json();
    assert_eq!(status["message"]["id"], sent["id"]);
    let status = desk.done(&["status", bulk["batch"].as_str().unwrap(), "--json"]).json();
    assert_eq!(status["bulk"]["batch"], bulk["batch"]);
    assert_eq!(desk.done(&["list", "--json"]).json()["messages"].as_array().unwrap().len(), 2);
    assert_eq!(desk.done(&["balance", "--json"]).json()["balances"][0]["provider"], "sandbox");
    assert!(
        desk.done(&["budget", "--json"])
            .json()
            .as_array()
            .unwrap()
            .iter()
            .any(|budget| budget["scope"] == "day")
    );

    for (refused, code) in [
        (&["send", "12", "Hello", "--json"] as &[&str], "invalid_number"),
        (&["bulk", &file, "--message", "Hello {{", "--json"], "invalid_argument"),
        (&["status", "msg_nothing", "--json"], "not_found"),
        (&["list", "--limit", "0", "--json"], "invalid_argument"),
    ] {
        let ended = desk.run(refused);
        let json = ended.json();
        assert_eq!((ended.code, json["code"].as_str()), (1, Some(code)), "{refused:?}");
        assert!(json["message"].is_string() && json["next"].is_string(), "{json}");
    }
}

#[test]
fn completions_come_for_every_shell_and_know_every_command() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let mut command = bare(home.path());
        command.args(["completions", shell]);
        let ended = run(command);
        assert_eq!(ended.code, 0);
        for name in ["serve", "bulk", "unfreeze", "schema", "idempotency-key"] {
            assert!(ended.out.contains(name), "{shell}: {name}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let desk = Desk::new("");
    for args in [
        &["tools"] as &[&str],
        &["config", "schema"],
        &["--help"],
        &["list"],
        &["completions", "zsh"],
        &["completions", "bash"],
        &["completions", "fish"],
    ] {
        let mut command = desk.command();
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take()); // As `| head -0` would.
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !err.contains("panicked"), "{args:?}: {:?} {err}", output.status);
    }
    // And one that reads a line first.
    let mut command = desk.command();
    let mut child = command.arg("tools").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "[\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn config_check_says_what_is_in_force() {
    let (desk, ended) = checked("[guard]\nday_spend = 7\n[http]\ntoken = \"hunter2secret\"\n");
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in [
        "The configuration is fine.",
        &desk.config().display().to_string(),
        &desk.ledger().display().to_string(),
        "day 7.00 USD",
        "(with bearer token)",
    ] {
        assert!(ended.out.contains(part), "{part}: {ended:?}");
    }
    assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
}

#[test]
fn config_check_names_file_line_column_and_what_would_be_right() {
    let cases = [
        ("[guard]\n  day_spent = 5\n", ":2:3", "unknown field `day_spent`", "`day_spend`"),
        ("gaurd = 1\n", ":1:1", "unknown field `gaurd`", "`guard`"),
        ("[guard]\nday_messages = \"five\"\n", ":2:16", "invalid type", "u32"),
        ("[guard]\nsession_idle = \"10\"\n", ":2:16", "no duration", "30m"),
        ("[guard]\nday_spend = \"1e3\"\n", ":2:13", "no amount", "0.05"),
        ("[guard]\nallow_destinations = [\"France\"]\n", ":2:22", "no destination", "FR"),
        ("[log]\nlevel = \"loud\"\n", ":2:9", "unknown variant `loud`", "`debug`"),
        ("[guard\n", ":1:7", "", ""),
        (
            "[[provider]]\nkind = \"sandbox\"\nlatncy = \"1s\"\n",
            ":3:1",
            "unknown field `latncy`",
            "`latency`",
        ),
        (
            "# mine\n[[provider]]\nkind = \"sandbox\"\nname = \"x\"\n  latency = 5\n",
            ":5:3",
            "`latency` of this provider",
            "\"5s\"",
        ),
        (
            "provider = [{ kind = \"sandbox\", delivery_delay = \"5\" }]\n",
            ":1:33",
            "`delivery_delay` of this provider",
            "30m",
        ),
        (
            "[[provider]]\nkind = \"sandbox\"\nlatency = 5\n[guard]\nday_spent = 5\n",
            ":5:1",
            "unknown field `day_spent`",
            "`day_spend`",
        ),
        ("[[provider]]\nname = \"x\"\n", ":1:1", "no `kind`", "sandbox, sms_for_ai"),
        ("[[provider]]\nkind = \"sandbax\"\n", ":2:8", "unknown variant `sandbax`", "`sandbox`"),
    ];
    for (settings, place, wrong, right) in cases {
        let (desk, ended) = checked(settings);
        let place = format!("{}{place}: ", desk.config().display());
        assert_eq!(ended.code, 1, "{settings}");
        assert!(
            ended.err.contains(&place) && ended.err.contains(wrong) && ended.err.contains(right),
            "{settings}: {ended:?}"
        );
        assert!(ended.err.contains("(config)") && ended.out.is_empty(), "{ended:?}");
    }
}

/// What vendors have in common is declared once for all, and is a setting of each like any other.
#[test]
fn config_check_names_a_misspelt_key_that_all_vendors_have() {
    for kind in vendors::over_http() {
        for (wrong, right) in [
            ("nmae", "name"),
            ("base_ulr", "base_url"),
            ("form", "from"),
            ("htpp", "http"),
            ("rates", "rate"),
        ] {
            let (desk, ended) = checked(&format!("[[provider]]\nkind = \"{kind}\"\n{wrong} = \"x\"\n"));
            let place = format!("{}:3:1: ", desk.config().display());
            assert_eq!(ended.code, 1, "{kind} {wrong}");
            for part in
                [place, format!("unknown field `{wrong}`"), format!("`{right}`"), "`base_url`".to_owned()]
            {
                assert!(ended.err.contains(&part), "{kind} {part}: {ended:?}");
            }
        }
    }
}

#[test]
fn config_check_refuses_what_types_cannot_say() {
    let cases = [
        ("[guard]\nday_spend = -1\n", "guard.day_spend"),
        ("[guard]\nprice_when_unknown = 0\n", "guard.price_when_unknown"),
        ("[guard]\nsends_per_second = 0\n", "guard.sends_per_second"),
        ("[guard]\nrecipient_per_day = 1001\n", "guard.recipient_per_day"),
        ("[rates]\nFR = 0\n", "rates.\"FR\""),
        ("[send]\ntimeout = \"0s\"\n", "send.timeout"),
        ("[http]\nlisten = \"nowhere\"\n", "http.listen"),
        ("[http]\nlisten = \"0.0.0.0:8787\"\n", "set [http] token, such as token = { env = \"NAME\" }"),
        ("[http]\ntoken = \"\"\n", "http.token is empty"),
        ("[http]\ntoken = { env = \"SMS_MCP_NOT_SET\" }\n", "SMS_MCP_NOT_SET, which is not set"),
        ("[http]\ntoken = { file = \"/nowhere/token\" }\n", "http.token cannot be read from /nowhere/token"),
        ("[http]\ntoken = { file = \"a\", env = \"B\" }\n", "exclude each other"),
        ("[http]\ntoken_env = \"X\"\n", "there is no `token_env`; write token = { env = \"NAME\" }"),
        ("[http]\ntoken_file = \"X\"\n", "there is no `token_file`; write token = { file = \"path\" }"),
        (
            "[[provider]]\nkind = \"sandbox\"\n[[provider]]\nkind = \"sandbox\"\n",
            "two [[provider]] tables are called \"sandbox\"",
        ),
        (
            "[[provider]]\nkind = \"sandbox\"\n[[provider]]\nkind = \"sandbox\"\nname = \"b\"\n",
            "no [[route]]",
        ),
        ("[[route]]\nproviders = [\"absent\"]\n[[provider]]\nkind = \"sandbox\"\n", "\"absent\""),
        ("[[provider]]\nkind = \"sandbox\"\nname = \"a b\"\n", "provider.name"),
        ("[[provider]]\nkind = \"sandbox\"\noutbox = \"/nowhere/at/all\"\n", "/nowhere/at/all"),
    ];
    for (settings, expected) in cases {
        let (_, ended) = checked(settings);
        assert!(
            ended.code == 1 && ended.err.contains(expected) && ended.err.contains("(config)"),
            "{settings}: {ended:?}"
        );
    }
}

#[test]
fn a_secret_is_never_quoted_whatever_is_wrong_around_it() {
    let secret = "hunter2secret";
    let files = [
        format!("[http]\ntoken = \"{secret}\n"),
        format!("[http]\ntoken = {secret}\n"),
        format!("[http]\ntoken = [\"{secret}\"]\n"),
        format!("[http]\ntoken = {{ {secret} = 1 }}\n"),
        format!("[http]\ntoken = {{ file = \"{secret}\", env = \"X\" }}\n"),
        format!("[http]\ntokn = \"{secret}\"\n"),
        format!("http = {{ token = \"{secret}\", tokn = 1 }}\n"),
        format!("[http]\ntoken = \"{secret}\"\ntoken = \"{secret}\"\n"),
        format!("[http]\ntoken = \"{secret}\"\nlisten = 5\n"),
        format!("[http]\ntoken = \"{secret}\\q\"\n"),
    ];
    for settings in files {
        let (_, ended) = checked(&settings);
        assert_eq!(ended.code, 1, "{settings}: {ended:?}");
        assert!(!format!("{ended:?}").contains("hunter2"), "{settings}: {ended:?}");
    }
    let (_, ended) = checked("[http]\ntoken = 73577357\n");
    assert!(
        ended.code == 1 && ended.err.contains("put it in quotes") && !ended.err.contains("7357"),
        "{ended:?}"
    );
    for (name, value) in [
        ("SMS_MCP__HTTP__TOKEN", "{ hunter2secret = 1 }"),
        ("SMS_MCP__HTTP__TOKN", secret),
        ("SMS_MCP__HTTP__TOKEN__X", secret),
    ] {
        let desk = Desk::new("[http]\nlisten = \"127.0.0.1:0\"\ntoken = \"hunter2secret\"\n");
        let mut command = desk.command();
        command.env(name, value).args(["config", "check", "--log", "trace"]);
        let ended = run(command);
        assert!(!format!("{ended:?}").contains("hunter2"), "{name}: {ended:?}");
    }
}

#[test]
fn a_named_configuration_file_must_exist() {
    let desk = Desk::new("");
    std::fs::remove_file(desk.config()).unwrap();
    let missing = desk.run(&["config", "check"]);
    assert!(
        missing.code == 1
            && missing.err.contains("cannot read the configuration file")
            && missing.err.contains("config.toml"),
        "{missing:?}"
    );
    std::fs::write(desk.config(), "# \u{e9}\n".repeat(300_000)).unwrap();
    let huge = desk.run(&["config", "check"]);
    assert!(huge.code == 1 && huge.err.contains("it is no configuration file"), "{huge:?}");
}

#[test]
fn config_schema_is_a_json_schema_that_refuses_unknown_keys() {
    let home = tempfile::tempdir().unwrap();
    let mut command = bare(home.path());
    command.args(["config", "schema"]);
    let schema = run(command).json();
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(
        validator.is_valid(&serde_json::json!({ "guard": { "day_spend": "5", "allow_destinations": ["FR"] },
            "provider": [{ "kind": "sandbox" }] }))
    );
    for wrong in [
        serde_json::json!({ "gaurd": {} }),
        serde_json::json!({ "guard": { "day_spent": 5 } }),
        serde_json::json!({ "provider": [{ "kind": "x" }] }),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn no_configuration_at_all_works_from_an_empty_home() {
    let home = tempfile::tempdir().unwrap();
    let mut check = bare(home.path());
    check.args(["config", "check"]);
    let ended = run(check);
    assert!(ended.code == 0 && ended.out.contains("none (built-in defaults)"), "{ended:?}");
    let mut send = bare(home.path());
    send.args(["send", "+12025550123", "Hello"]);
    assert_eq!(run(send).code, 0);
    let mut list = bare(home.path());
    list.arg("list");
    assert_eq!(run(list).out.lines().count(), 1);
}

#[test]
#[cfg(target_os = "linux")]
fn the_users_own_files_are_found_and_the_ledger_is_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".config/sms-mcp");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "[guard]\nday_spend = 3\n").unwrap();
    let mut command = bare(home.path());
    command.args(["config", "check"]);
    let ended = run(command);
    assert!(ended.out.contains("day 3.00 USD"), "{ended:?}");
    let ledger = home.path().join(".local/share/sms-mcp/sandbox.db");
    assert_eq!(ledger.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(ledger.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_ledger_that_cannot_be_used_is_a_plain_error_and_nothing_is_sent() {
    let desk = Desk::new("");
    let text_file =
        desk.file("notes.txt", "These are my notes, and no database at all, however long they may become.\n");
    let folder = desk.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let foreign = desk.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE song (title TEXT)").unwrap();
    let newer = desk.path().join("newer.db");
    let mut make = Command::new(program());
    make.arg("--config").arg(desk.config()).arg("--ledger").arg(&newer).arg("list");
    assert_eq!(run(make).code, 0);
    rusqlite::Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();

    let cases = [
        (folder.clone(), "it is a folder"),
        (Path::new(&text_file).join("below.db"), "below.db"),
        (text_file.clone().into(), "not a database"),
        (foreign.clone(), "a database of another program"),
        (newer, "a newer version of sms-mcp wrote it"),
    ];
    for (ledger, expected) in cases {
        let before = std::fs::read(&ledger).ok();
        let mut command = Command::new(program());
        command.arg("--config").arg(desk.config()).arg("--ledger").arg(&ledger).args([
            "send",
            "+12025550123",
            "Hello",
        ]);
        let ended = run(command);
        assert_eq!(ended.code, 1, "{ledger:?}: {ended:?}");
        assert!(
            ended.err.contains(expected)
                && ended.err.contains("(ledger_unavailable)")
                && ended.err.contains("--ledger FILE"),
            "{ended:?}"
        );
        assert_eq!(std::fs::read(&ledger).ok(), before, "{ledger:?} was changed");
    }
    assert!(desk.sent().is_empty());
}

#[test]
#[cfg(unix)]
fn a_file_that_is_not_ours_keeps_its_mode_and_its_journal() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new("");
    let foreign = desk.path().join("foreign.db");
    let db = rusqlite::Connection::open(&foreign).unwrap();
    db.execute_batch("CREATE TABLE song (title TEXT)").unwrap();
    drop(db);
    std::fs::set_permissions(&foreign, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = Command::new(program());
    command.arg("--config").arg(desk.config()).arg("--ledger").arg(&foreign).arg("list");
    assert_eq!(run(command).code, 1);
    assert_eq!(foreign.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    let journal: String = rusqlite::Connection::open(&foreign)
        .unwrap()
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(journal, "delete");
}

#[test]
#[cfg(unix)]
fn a_ledger_that_others_could_read_is_taken_away_from_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new("");
    desk.done(&["list"]);
    std::fs::set_permissions(desk.ledger(), std::fs::Permissions::from_mode(0o644)).unwrap();
    desk.done(&["list"]);
    assert_eq!(desk.ledger().metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_environment_overrides_the_file_and_flags_override_the_environment() {
    let desk = Desk::new("[guard]\nday_messages = 3\n");
    let mut command = desk.command();
    command
        .env("SMS_MCP__GUARD__DAY_MESSAGES", "1")
        .env("SMS_MCP__LOG__LEVEL", "error")
        .args(["config", "check"]);
    assert!(run(command).out.contains("and 1 messages"));

    let wrong = |name: &str, value: &str| {
        let mut command = desk.command();
        command.env(name, value).args(["config", "check"]);
        run(command)
    };
    let ended = wrong("SMS_MCP__GUARD__DAY_MESAGES", "1");
    assert!(
        ended.code == 1
            && ended.err.contains("SMS_MCP__GUARD__DAY_MESAGES")
            && ended.err.contains("`day_messages`"),
        "{ended:?}"
    );
    let ended = wrong("SMS_MCP__GUARD__DAY_MESSAGES", "many");
    assert!(
        ended.code == 1 && ended.err.contains("SMS_MCP__GUARD__DAY_MESSAGES") && ended.err.contains("u32"),
        "{ended:?}"
    );

    // File and ledger by environment alone, and --ledger before SMS_MCP_LEDGER.
    let home = tempfile::tempdir().unwrap();
    let (by_name, by_flag) = (home.path().join("by-name.db"), home.path().join("by-flag.db"));
    let mut command = bare(home.path());
    command.env("SMS_MCP_CONFIG", desk.config()).env("SMS_MCP_LEDGER", &by_name).args(["config", "check"]);
    let ended = run(command);
    assert!(
        ended.out.contains("and 3 messages") && ended.out.contains("by-name.db") && by_name.exists(),
        "{ended:?}"
    );
    let mut command = bare(home.path());
    command
        .env("SMS_MCP_CONFIG", desk.config())
        .env("SMS_MCP_LEDGER", &by_name)
        .arg("--ledger")
        .arg(&by_flag)
        .args(["config", "check"]);
    let ended = run(command);
    assert!(ended.out.contains("by-flag.db") && by_flag.exists(), "{ended:?}");
    let mut command = bare(home.path());
    command.env("SMS_MCP_CONFIG", home.path().join("absent.toml")).args(["config", "check"]);
    assert_eq!(run(command).code, 1);
}

#[test]
fn log_lines_are_json_when_asked_and_stay_out_of_the_answer() {
    let desk = Desk::new("");
    let ended =
        desk.done(&["send", "+12025550123", "Hello", "--json", "--log", "debug", "--log-format", "json"]);
    assert_eq!(ended.json()["status"], "sent");
    let lines: Vec<Value> = ended
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let settled = lines.iter().find(|line| line["fields"]["message"].is_string()).unwrap();
    assert_eq!(
        (settled["level"].as_str(), settled["fields"]["state"].as_str()),
        (Some("INFO"), Some("sent"))
    );
    let quiet = desk.done(&["send", "+12025550124", "Hello", "--json", "--log", "error"]);
    assert_eq!(quiet.err, "");
}

#[test]
fn no_log_level_shows_a_text_or_a_number() {
    let desk = Desk::new("");
    let ended = desk.done(&["send", "+12025550123", "The code is 424242", "--json", "--log", "trace"]);
    assert!(ended.err.contains("settled"), "{ended:?}");
    assert!(!ended.err.contains("424242") && !ended.err.contains("2025550123"), "{ended:?}");
}

#[test]
fn what_a_client_writes_before_a_session_reaches_no_log() {
    let first_words = [
        r#"{"jsonrpc":"2.0","method":"notifications/424242","params":{"message":"424242"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send_sms","arguments":{"to":"+12025550123","message":"424242"}}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"text":"424242"}}"#,
        "424242 is no JSON",
    ];
    for words in first_words {
        let desk = Desk::new("");
        let input = desk.file("input", format!("{words}\n"));
        let mut command = desk.command();
        command.args(["--log", "trace"]).stdin(std::fs::File::open(input).unwrap());
        let output = command.output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains("serving MCP over stdio") && err.contains("session began"), "{words}: {err}");
        assert!(!err.contains("424242"), "{words}: {err}");
        assert!(desk.sent().is_empty());
    }
}

#[test]
fn processes_that_start_at_once_share_one_ledger_and_one_budget() {
    let desk = Desk::new("[guard]\nday_messages = 4\n");
    let children: Vec<_> = (0..6)
        .map(|n| {
            let mut command = desk.command();
            command.args(["send", &fictional(n), "Hello", "--json", "--log", "error"]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut codes = Vec::new();
    for mut child in children {
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let json: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
        codes.push((child.wait().unwrap().code(), json["code"].as_str().map(str::to_owned)));
    }
    assert_eq!(codes.iter().filter(|(code, _)| *code == Some(0)).count(), 4, "{codes:?}");
    assert_eq!(
        codes.iter().filter(|(_, error)| error.as_deref() == Some("budget_exceeded")).count(),
        2,
        "{codes:?}"
    );
    assert_eq!(desk.sent().len(), 4);
}

#[tokio::test]
async fn the_command_line_works_beside_a_running_server() {
    let desk = Desk::new("");
    let client = desk.stdio(Era::Legacy).await;
    answer(&client, "send_sms", serde_json::json!({ "to": "+12025550123", "message": "Hello" })).await;
    desk.done(&["send", "+12025550124", "Hello"]);
    assert_eq!(
        answer(&client, "list_sms", serde_json::json!({})).await["messages"].as_array().unwrap().len(),
        2
    );
    assert_eq!(desk.done(&["list"]).out.lines().count(), 2);
    client.cancel().await.unwrap();
}

#[test]
fn the_demo_plays_to_its_end() {
    let home = tempfile::tempdir().unwrap();
    let mut command = bare(home.path());
    command.arg("demo");
    let ended = run(command);
    assert_eq!(ended.code, 0, "{ended:?}");
    // Each sentence of it, with what shows that it is so; lines are cut at spaces.
    let said = ended.out.replace("\n   ", " ").replace("\n# ", " ");
    for (sentence, shown) in [
        ("The operator allows 0.50 USD a session", "budget.session_remaining: 0.4921"),
        ("A curly apostrophe and a dash make it two segments", "segments: 2 | price.amount: 0.0158"),
        ("in the plain spelling", "segments: 1 | price.amount: 0.0079"),
        ("nothing goes out twice", "replayed: true | budget.session_remaining: 0.4921"),
        ("is refused by the guard", "premium_destination"),
        (
            "Twenty people by mistake?",
            "budget_exceeded | message: all 20 messages together may cost 1.30 USD",
        ),
        (
            "What does not fit the budget does not start",
            "the budget of this session has 0.4921 USD left: enough for the first 7",
        ),
        ("Three do fit", "counts: {\"sent\": 3} | price.amount: 0.195"),
        ("loses its answer", "outcome_unknown"),
        ("has been delivered since", "message.status: delivered"),
        ("The newest two of all", "messages.0.to: +12025550104 | messages.1.status"),
        (
            "The money of the unknown one stays held",
            "scope: session | budgets.1.spent: 0.2029 | budgets.1.held: 0.0079 | budgets.1.remaining: 0.2892",
        ),
        ("Next: add it to your MCP client", "balances.0.money.amount: 99.7892"),
    ] {
        assert!(said.contains(sentence) && said.contains(shown), "{sentence}: {shown}: {said}");
    }
    let widest = ended.out.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80) && !ended.out.contains('\u{1b}'), "{widest:?}");
    assert_eq!(
        std::fs::read_dir(home.path()).unwrap().count(),
        0,
        "the demo leaves nothing in the user's home"
    );
}

/// A container names its provider by variables. The demo is no container's.
#[test]
fn the_demo_asks_no_provider_that_the_environment_names() {
    let home = tempfile::tempdir().unwrap();
    let vendor = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    vendor.set_nonblocking(true).unwrap();
    let mut command = bare(home.path());
    command.arg("demo").env(
        "SMS_MCP__PROVIDER",
        format!(
            "[{{ kind = \"a2p_pro\", api_key = \"k\", from = \"ACME\", base_url = \"http://{}\" }}]",
            vendor.local_addr().unwrap()
        ),
    );
    command.env("SMS_MCP__RATES__US", "0.01").env("SMS_MCP__RATES__FR", "0.01");
    let ended = run(command);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(vendor.accept().is_err(), "the demo asked a real provider");
}

#[test]
fn the_operator_sees_what_another_principal_sent() {
    let desk = Desk::new("");
    desk.done(&["--as", "http", "send", &fictional(1), "Hello"]);
    assert!(desk.done(&["list"]).out.starts_with("no messages"));
    assert!(desk.done(&["list", "--as", "http"]).out.contains(&fictional(1)));
}

#[test]
fn an_outbox_whose_last_line_was_cut_short_goes_on_with_a_new_line() {
    let desk = Desk::new("");
    std::fs::write(desk.outbox(), "{\"id\":\"msg_cut").unwrap();
    desk.done(&["send", "+12025550123", "Hello"]);
    assert_eq!(desk.sent().iter().map(|line| line["text"].as_str().unwrap()).collect::<Vec<_>>(), ["Hello"]);
}
