//! What an operator sees who looks: whose messages they are, which sessions go on, who carries what, and how a
//! server by hand says what it waits for.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use serde_json::json;

use crate::cli::bare;
use crate::support::{Desk, Era, WIDE, answer, ends, fictional, signal, terminal};

/// Two sandboxes, of which one carries what goes to France.
const TWO: &str = "[[route]]\nproviders = [\"french\"]\nto = [\"FR\"]\n[[route]]\nproviders = [\"others\"]\n\
    [[provider]]\nkind = \"sandbox\"\nname = \"french\"\n[[provider]]\nkind = \"sandbox\"\nname = \"others\"\n";

#[test]
fn who_looks_under_a_name_that_sent_nothing_is_told_who_did() {
    let desk = Desk::new(WIDE);
    for command in ["list", "balance", "budget"] {
        assert!(!desk.done(&[command]).err.contains("--as"), "nobody has anything: {command}");
    }
    desk.done(&["--as", "http", "send", &fictional(1), "Hello"]);
    desk.done(&["--as", "http:crm", "send", &fictional(2), "Hello"]);
    for args in [&["list"] as &[&str], &["balance"], &["budget"], &["list", "--json"], &["budget", "--json"]]
    {
        let ended = desk.done(args);
        let note = "there is something of http, http:crm: look with --as http";
        assert!(
            ended.err.contains("note: no message here is of user:") && ended.err.contains(note),
            "{ended:?}"
        );
        if args.contains(&"--json") {
            ended.json();
        }
    }
    // Who has something is told nothing, and so is who only looks for what there is not.
    desk.done(&["send", &fictional(3), "Hello"]);
    for args in [&["list"] as &[&str], &["list", "--status", "failed"], &["balance"], &["budget"]] {
        assert!(!desk.done(args).err.contains("--as"), "{args:?}");
    }
}

#[tokio::test]
async fn no_tool_tells_an_agent_whose_messages_there_are_besides() {
    let desk = Desk::new(WIDE);
    desk.done(&["--as", "http", "send", &fictional(1), "Hello"]);
    let client = desk.stdio(Era::Stateless).await;
    for tool in ["list_sms", "get_balance"] {
        let said = answer(&client, tool, json!({})).await.to_string();
        assert!(!said.contains("http") && !said.contains("--as"), "{said}");
    }
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn sessions_that_ended_with_their_process_are_left_out_unless_all_are_asked_for() {
    let desk = Desk::new(WIDE);
    let sessions = |args: &[&str]| {
        let ended = desk.done(args);
        (ended.out.lines().filter(|line| line.starts_with("session ")).count(), ended.err)
    };
    desk.done(&["send", &fictional(1), "Hello"]);
    desk.done(&["send", &fictional(2), "Hello"]);
    let (shown, said) = sessions(&["budget"]);
    assert!(
        shown == 0 && said.contains("2 sessions that ended with their process are left out; --all"),
        "{said}"
    );
    let (shown, said) = sessions(&["budget", "--all"]);
    assert!(shown == 2 && !said.contains("left out"), "{said}");
    // That of a server goes on as long as the server does.
    let client = desk.stdio(Era::Legacy).await;
    answer(&client, "send_sms", json!({ "to": fictional(3), "message": "Hello" })).await;
    assert_eq!(sessions(&["budget"]).0, 1);
    assert_eq!(
        desk.done(&["budget", "--json"]).json().as_array().unwrap().len(),
        3,
        "with the day and the total"
    );
    client.cancel().await.unwrap();
    crate::support::eventually("its session is over", || sessions(&["budget"]).0 == 0);
}

#[test]
fn a_frozen_session_is_shown_though_its_process_has_ended() {
    let desk = Desk::new("[guard]\nsession_spend = \"0.50\"\n");
    desk.done(&["send", "+12025550110", "Hello"]);
    let shown = desk.done(&["budget"]).out;
    let frozen = shown.lines().filter(|line| line.contains("FROZEN")).count();
    assert!(
        frozen > 0 && shown.lines().any(|line| line.starts_with("session ") && line.contains("FROZEN")),
        "{shown}"
    );
}

#[test]
fn the_line_of_a_message_names_who_carries_it_where_several_might() {
    let two = Desk::new("");
    std::fs::write(two.config(), TWO).unwrap();
    let sent = two.done(&["send", &fictional(1), "Hello"]).out;
    assert!(sent.trim_end().ends_with("USD, by french"), "{sent}");
    let id = sent.split(' ').find(|word| word.starts_with("msg_")).unwrap();
    assert!(two.done(&["status", id]).out.contains("USD, by french"));
    two.done(&["send", "+12025550123", "Hello"]);
    let listed = two.done(&["list"]).out;
    assert!(listed.lines().next().unwrap().ends_with(", by others"), "{listed}");
    assert!(listed.lines().nth(1).unwrap().ends_with(", by french"), "{listed}");
    let one = Desk::new("");
    assert!(!one.done(&["send", &fictional(1), "Hello"]).out.contains("by sandbox"));
    assert!(!one.done(&["list"]).out.contains("by sandbox"));
}

#[test]
fn the_list_of_providers_says_what_waits_what_is_paused_and_who_knows_the_rest() {
    let desk = Desk::new(WIDE);
    let alone = desk.done(&["provider"]);
    assert!(alone.out.contains("    0 queued, 0 unknown\n"), "{alone:?}");
    assert!(alone.err.contains("no process sends from this ledger now"), "{alone:?}");
    desk.run(&["send", "+12025550104", "Hello"]);
    let server = desk.http(|_| {});
    desk.done(&["pause", "--provider", "sandbox"]);
    let ended = desk.done(&["provider"]);
    assert!(ended.out.contains("    0 queued, 1 unknown\n    paused since 2"), "{ended:?}");
    assert!(ended.out.contains(": the provider sandbox\n"), "{ended:?}");
    assert!(
        ended.out.contains("sends from this ledger since 2") && ended.out.contains("`sms-mcp serve --http`")
    );
    for event in ["circuit open", "a bind is up", "no bind", "a bind was lost"] {
        assert!(ended.err.contains(&format!("`{event}`")), "{event}: {ended:?}");
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/LOGGING.md")).unwrap();
        assert!(page.contains(&format!("| `{event}")), "{event} is no line of the log");
    }
    drop(server);
}

#[test]
#[cfg(unix)]
fn a_server_at_a_terminal_says_what_it_waits_for_and_each_end_says_why() {
    let home = tempfile::tempdir().unwrap();
    let (theirs, ours) = terminal();
    let mut command = bare(home.path());
    command.stdin(theirs).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let before: Vec<String> =
        lines.by_ref().take_while(|line| !line.contains("serving MCP over stdio")).collect();
    let said = before.join("\n");
    for part in ["waits for an MCP client", "`sms-mcp demo`", "`sms-mcp send --help`", "docs/CLIENTS.md"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    signal("TERM", child.id());
    assert!(ends(&mut child).success());
    drop(ours);
    let after: Vec<String> = lines.collect();
    assert_eq!(
        after.iter().filter(|line| line.contains("shutdown: the server stops")).count(),
        1,
        "{after:?}"
    );
    assert!(after.iter().any(|line| line.contains("why=\"SIGTERM\"")), "{after:?}");

    // A client gets none of it, and its end is another one.
    let mut command = bare(home.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdin.take());
    assert!(ends(&mut child).success());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!said.contains("waits for an MCP client"), "{said}");
    assert!(said.contains("shutdown: the server stops why=\"standard input was closed\""), "{said}");
}

#[test]
fn the_help_has_the_options_of_every_command_last_and_the_log_levels_in_one_line() {
    let desk = Desk::new("");
    for args in [&["--help"] as &[&str], &["list", "--help"], &["budget", "unfreeze", "--help"]] {
        let help = desk.done(args).out;
        let (own, of_all) =
            help.split_once("Options of every command:\n").unwrap_or_else(|| panic!("{help}"));
        assert!(own.contains("  -h, --help"), "{help}");
        let levels =
            |line: &str| line.contains("--log ") && line.contains("error, warn, info, debug or trace");
        assert!(of_all.lines().any(levels), "{help}");
        for option in ["--config", "--ledger", "--as", "--log", "--log-format"] {
            assert!(
                !own.contains(&format!("      {option} <")) && of_all.contains(option),
                "{option}: {help}"
            );
        }
        assert!(!of_all.contains("--json") && !of_all.contains("--help"), "{help}");
    }
}

#[test]
#[cfg(unix)]
fn the_demo_is_coloured_at_a_terminal_unless_that_is_not_wanted() {
    let shown = |variables: &[(&str, &str)]| {
        let home = tempfile::tempdir().unwrap();
        let (theirs, mut ours) = terminal();
        let mut command = bare(home.path());
        command.arg("demo").env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(theirs).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        drop(command);
        let (mut shown, mut part) = (Vec::new(), [0; 4_096]);
        // The end of a terminal is an error.
        while let Ok(count @ 1..) = ours.read(&mut part) {
            shown.extend_from_slice(&part[..count]);
        }
        assert!(ends(&mut child).success());
        String::from_utf8(shown).unwrap()
    };
    let coloured = shown(&[]);
    for colour in
        ["\u{1b}[36m-> send_sms", "\u{1b}[32m<- status: dry_run", "\u{1b}[33m<- isError", "\u{1b}[0m"]
    {
        assert!(coloured.contains(colour), "{colour:?}: {coloured}");
    }
    for plain in [[("NO_COLOR", "1")], [("TERM", "dumb")]] {
        let shown = shown(&plain);
        assert!(shown.contains("-> send_sms") && !shown.contains('\u{1b}'), "{plain:?}: {shown}");
    }
}
