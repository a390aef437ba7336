//! Several configurations on one ledger: the strictest limit of all living processes holds for each of them,
//! whoever came first, and a refusal names the process and the file that its settings come from.
#![cfg(unix)]

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli::Ended;
use crate::fake::Fake;
use crate::fake::mailersend::{FROM, MailerSend, TOKEN};
use crate::support::{Desk, Era, WIDE, answer, eventually, fictional, found, refusal, signal};
use crate::wire::{RawStdio, tool_call};

const STRICT: &str = "strict.toml";
const LOOSE: &str = "loose.toml";

/// The text of [`WIDE`] with this line in place of the one that it has of that setting.
fn wide_but(line: &str) -> String {
    let setting = line.split(' ').next().unwrap();
    let kept: Vec<&str> = WIDE.lines().filter(|kept| !kept.starts_with(&format!("{setting} "))).collect();
    format!("{}\n{line}\n", kept.join("\n"))
}

/// The program with settings of its own on this desk's ledger.
fn with_settings(desk: &Desk, file: &str, settings: &str) -> Command {
    let path = desk.path().join(file);
    let provider = if settings.contains("[[provider]]") {
        ""
    } else {
        "[[provider]]\nkind = \"sandbox\"\nbalance = 1000000\n"
    };
    let outbox = if settings.contains("base_url") {
        String::new()
    } else {
        format!("outbox = '{}'\n", desk.outbox().display())
    };
    std::fs::write(&path, format!("{settings}{provider}{outbox}")).unwrap();
    let mut command = Command::new(desk.command().get_program());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SMS_MCP")) {
        command.env_remove(name);
    }
    command.arg("--config").arg(path).arg("--ledger").arg(desk.ledger());
    command.env("XDG_STATE_HOME", desk.state()).env("SMS_MCP_CONTAINER", "no");
    command
}

fn run(mut command: Command, args: &[&str]) -> Ended {
    Ended::of(command.args(args).stdin(Stdio::null()).output().unwrap())
}

/// A server over stdio with settings of its own.
struct Server {
    stdio: RawStdio,
    next: u64,
    /// Answers that came before one that was waited for.
    others: Vec<Value>,
}

impl Server {
    fn start(desk: &Desk, file: &str, settings: &str) -> Self {
        let own = with_settings(desk, file, settings);
        let stdio = RawStdio::start(desk, Era::Legacy, |command| *command = own);
        Self { stdio, next: 100, others: Vec::new() }
    }

    fn ask(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.next += 1;
        self.stdio.send(&tool_call(Era::Legacy, self.next, tool, arguments));
        self.next
    }

    fn answered(&mut self, id: u64) -> Value {
        let answer = match self.others.iter().position(|other| other["id"] == id) {
            Some(at) => self.others.swap_remove(at),
            None => self.stdio.answer_to(id, &mut self.others),
        };
        serde_json::from_str(
            answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")),
        )
        .unwrap()
    }

    /// What a tool answers, or the refusal.
    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let id = self.ask(tool, arguments);
        self.answered(id)
    }

    fn kill(mut self) {
        signal("KILL", self.stdio.pid());
        self.stdio.ends();
    }
}

/// Calls until one is refused, and what that refusal says.
fn until_refused(server: &mut Server, mut call: impl FnMut(usize) -> Value) -> Value {
    // Together, so that none of them has to wait for the one before.
    let calls: Vec<u64> = (0..20).map(|n| server.ask("send_sms", &call(n))).collect();
    let answers: Vec<Value> = calls.into_iter().map(|id| server.answered(id)).collect();
    answers
        .iter()
        .find(|answer| answer["code"].is_string())
        .unwrap_or_else(|| panic!("none was refused: {answers:?}"))
        .clone()
}

/// Each kind of limit: the setting, whom the messages go to, and the code of the refusal.
const KINDS: [(&str, bool, &str); 10] = [
    ("total_spend = \"0.10\"", false, "budget_exceeded"),
    ("day_spend = \"0.10\"", false, "budget_exceeded"),
    ("day_messages = 1", false, "budget_exceeded"),
    ("recipient_per_hour = 1", true, "recipient_limit"),
    ("recipient_per_day = 1", true, "recipient_limit"),
    ("sends_per_second = 1", false, "rate_limited"),
    ("allow_destinations = [\"US\"]", false, "destination_not_allowed"),
    ("deny_destinations = [\"+33\"]", false, "destination_not_allowed"),
    ("allow_senders = [\"Other\"]", false, "sender_not_allowed"),
    ("[consent]\nrequired_for = [\"transactional\"]", false, "consent_missing"),
];

/// The strict one's limit holds for the loose one, with its name; and is gone with its process.
fn holds(is_loose_first: bool) {
    for (line, is_one_person, code) in KINDS {
        let desk = Desk::new("");
        let (mut loose, strict) = if is_loose_first {
            let loose = Server::start(&desk, LOOSE, WIDE);
            (loose, Server::start(&desk, STRICT, &wide_but(line)))
        } else {
            let strict = Server::start(&desk, STRICT, &wide_but(line));
            (Server::start(&desk, LOOSE, WIDE), strict)
        };
        let call = |n: usize| {
            let to = fictional(if is_one_person { 0 } else { n });
            json!({ "to": to, "message": format!("Text {n} of {line}"), "from": "ACME" })
        };
        let quoted = code.ends_with("not_allowed").then(|| {
            let mut quote = call(0);
            quote["dry_run"] = json!(true);
            loose.call("send_sms", &quote)["quote"]["refusal"]["code"].clone()
        });
        assert!(quoted.is_none_or(|quoted| quoted == code), "{line}");
        let refused = until_refused(&mut loose, call);
        assert_eq!(refused["code"], code, "{line}: {refused}");
        let message = refused["message"].as_str().unwrap();
        for word in [STRICT, "another process", &format!("process {}", strict.stdio.pid())] {
            assert!(message.contains(word), "{line}: {word}: {message}");
        }
        assert!(
            !refused.to_string().contains(desk.path().to_str().unwrap()),
            "an agent needs no path: {refused}"
        );
        strict.kill();
        let mut n = 100;
        let sent = found("the limit has gone with its process", || {
            n += 1;
            Some(loose.call("send_sms", &call(n))).filter(|answer| answer["code"] != "rate_limited")
        });
        assert_eq!(sent["status"], "sent", "{line}: {sent}");
    }
}

#[test]
fn a_stricter_process_that_comes_later_limits_one_that_is_there() {
    holds(true);
}

#[test]
fn a_looser_process_that_comes_later_loosens_nothing() {
    holds(false);
}

#[test]
fn the_limits_of_the_readmes_snippets_hold_together() {
    let desk = Desk::new("");
    let mut code = RawStdio::start(&desk, Era::Legacy, |_| {});
    let desktop = RawStdio::start(&desk, Era::Legacy, |command| {
        command.env("SMS_MCP__GUARD__DAY_SPEND", "0.10");
    });
    code.send(&tool_call(Era::Legacy, 1, "get_balance", &json!({})));
    let balance = code.answer_to(1, &mut Vec::new());
    let day = &balance["result"]["structuredContent"]["budgets"][0];
    assert_eq!((&day["scope"], &day["limit"]), (&json!("day"), &json!("0.10")), "{balance}");
    let warning =
        balance["result"]["structuredContent"]["warnings"][1].as_str().unwrap_or_else(|| panic!("{balance}"));
    assert!(
        warning.contains("day_spend 0.10")
            && warning.contains("SMS_MCP__GUARD__DAY_SPEND")
            && !warning.contains('/'),
        "{warning}"
    );
    for n in 2..4 {
        code.send(&tool_call(
            Era::Legacy,
            n,
            "send_sms",
            &json!({ "to": fictional(1), "message": format!("Text {n}") }),
        ));
    }
    let mut others = Vec::new();
    let last = code.answer_to(3, &mut others);
    let text = format!("{last}{others:?}");
    assert!(text.contains("budget_exceeded") && text.contains("SMS_MCP__GUARD__DAY_SPEND"), "{text}");
    let (pid, log) = (desktop.pid(), code.finish());
    let line = log.lines().find(|line| line.contains("stricter limits")).unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains(&format!("process {pid}"))
            && line.contains("day_spend 0.10")
            && line.contains("SMS_MCP__GUARD__DAY_SPEND"),
        "{line}"
    );
    assert!(line.contains(desk.config().to_str().unwrap()), "the operator's log has the whole path: {line}");
}

#[test]
fn a_command_is_held_to_the_limits_of_a_server() {
    let desk = Desk::new("");
    let strict = Server::start(&desk, STRICT, &wide_but("day_messages = 1"));
    let loose = |args: &[&str]| run(with_settings(&desk, LOOSE, WIDE), args);
    assert_eq!(loose(&["send", "+12025550123", "One"]).code, 0);
    let refused = loose(&["send", "+12025550124", "Two"]);
    let name = format!("process {}", strict.stdio.pid());
    assert!(refused.code == 1 && refused.err.contains(STRICT) && refused.err.contains(&name), "{refused:?}");
    let quoted = loose(&["send", "+12025550124", "Two", "--dry-run"]);
    assert!(
        quoted.code == 0 && quoted.out.contains("(budget_exceeded)") && quoted.out.contains(STRICT),
        "{quoted:?}"
    );
    strict.kill();
    assert_eq!(loose(&["send", "+12025550124", "Two"]).code, 0);
    assert_eq!(desk.sent().len(), 2);
}

#[test]
fn three_processes_at_once_never_go_over_the_strictest() {
    let desk = Desk::new("");
    let limits =
        [("a.toml", "day_messages = 50"), (STRICT, "day_messages = 7"), ("c.toml", "day_messages = 20")];
    let mut servers: Vec<Server> =
        limits.iter().map(|(file, line)| Server::start(&desk, file, &wide_but(line))).collect();
    let mut calls = Vec::new();
    for n in 0..10 {
        for (which, server) in servers.iter_mut().enumerate() {
            let text = json!({ "to": fictional(10 * which + n), "message": format!("Text {n} of {which}") });
            calls.push((which, server.ask("send_sms", &text)));
        }
    }
    let answers: Vec<(usize, Value)> =
        calls.into_iter().map(|(which, id)| (which, servers[which].answered(id))).collect();
    assert_eq!(desk.sent().len(), 7, "{answers:?}");
    for (which, refused) in answers.iter().filter(|(_, answer)| answer["code"].is_string()) {
        assert_eq!(refused["code"], "budget_exceeded");
        // Of the strictest one the limit is its own.
        assert_eq!(refused["message"].as_str().unwrap().contains(STRICT), *which != 1, "{which}: {refused}");
    }
}

#[test]
fn a_second_currency_is_refused_with_the_name_of_the_first() {
    let desk = Desk::new("");
    let dollars = Server::start(&desk, STRICT, WIDE);
    // The sandbox charges in dollars: what a text costs in euro has to be said.
    let euro = wide_but("currency = \"EUR\"") + "[rates]\n\"+1\" = \"0.01\"\n";
    let path = desk.path().join(STRICT);
    for args in [
        &["serve"] as &[&str],
        &["send", "+12025550123", "Hello"],
        &["send", "+12025550123", "Hello", "--dry-run"],
        &["config", "check"],
    ] {
        let refused = run(with_settings(&desk, LOOSE, &euro), args);
        assert_eq!(refused.code, 1, "{args:?}: {refused:?}");
        for word in [
            "currency is EUR here, and USD",
            path.to_str().unwrap(),
            &format!("process {}", dollars.stdio.pid()),
            "--ledger",
        ] {
            assert!(refused.err.contains(word), "{args:?}: {word}: {refused:?}");
        }
    }
    assert!(desk.sent().is_empty());
    // To look, to stop and to refuse needs nothing.
    for args in
        [&["list"] as &[&str], &["opt-out", "add", "+12025550177"], &["reconcile"], &["ledger", "check"]]
    {
        assert_eq!(run(with_settings(&desk, LOOSE, &euro), args).code, 0, "{args:?}");
    }
    dollars.kill();
    // One that died holds nobody off.
    assert_eq!(run(with_settings(&desk, LOOSE, &euro), &["config", "check"]).code, 0);
    Server::start(&desk, LOOSE, &euro).kill();
}

#[test]
fn config_check_lists_who_else_sends_by_other_limits() {
    let desk = Desk::new("");
    let check = |line: &str| run(with_settings(&desk, LOOSE, &wide_but(line)), &["config", "check"]);
    assert!(!check("day_messages = 9").out.contains("others"));
    let server = Server::start(&desk, STRICT, &wide_but("day_messages = 9"));
    assert!(!check("day_messages = 9").out.contains("others"), "whose limits are the same is of no interest");
    let path = desk.path().join(STRICT);
    let name =
        format!("others    `sms-mcp serve`, process {}, settings: {}", server.stdio.pid(), path.display());
    let stricter = check("day_messages = 100");
    assert!(stricter.code == 0 && stricter.out.contains(&name), "{stricter:?}");
    assert!(
        stricter.out.contains("day_messages 9 there, 100 here: it holds while that process runs"),
        "{stricter:?}"
    );
    let looser = check("day_messages = 5");
    assert!(
        looser.out.contains(&name) && looser.out.contains("day_messages 9 there, 5 here: the one here"),
        "{looser:?}"
    );
    server.kill();
    assert!(!check("day_messages = 100").out.contains("others"));
}

#[test]
fn a_session_of_one_process_is_its_own_and_whoever_has_a_handle_of_it_keeps_its_limits() {
    let desk = Desk::new("");
    let mut strict = Server::start(&desk, STRICT, &wide_but("session_messages = 1"));
    let mut loose = Server::start(&desk, LOOSE, WIDE);
    for n in 0..3 {
        assert_eq!(
            loose.call("send_sms", &json!({ "to": fictional(n), "message": "Own session" }))["status"],
            "sent"
        );
    }
    let mut handle = || strict.call("open_session", &json!({}))["session"].clone();
    let handles = [handle(), handle()];
    let mut send = |n: usize| {
        loose.call(
            "send_sms",
            &json!({ "to": fictional(n), "message": "By handle", "session": handles[n % 2] }),
        )
    };
    assert_eq!(send(10)["status"], "sent");
    let refused = send(11);
    assert_eq!(refused["code"], "budget_exceeded", "the session of both handles has one message: {refused}");
}

#[tokio::test]
async fn a_session_that_several_servers_may_serve_has_the_strictest_limit_of_them() {
    let desk = Desk::new(WIDE);
    let token = |command: &mut Command| {
        command.env("SMS_MCP__HTTP__TOKEN", "s3cret");
    };
    let loose = desk.http(token);
    let strict = desk.http(|command| {
        token(command);
        command.env("SMS_MCP__GUARD__SESSION_MESSAGES", "1");
    });
    let client = loose.client(Era::Stateless, Some("s3cret")).await;
    answer(&client, "send_sms", json!({ "to": fictional(1), "message": "One" })).await;
    let refused = refusal(&client, "send_sms", json!({ "to": fictional(2), "message": "Two" })).await;
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("process {}", strict.child.id())) && message.contains("SESSION_MESSAGES"),
        "{refused}"
    );
    drop(strict);
    answer(&client, "send_sms", json!({ "to": fictional(2), "message": "Two" })).await;
    client.cancel().await.unwrap();
}

#[test]
fn what_waits_in_the_queue_stays_there_while_a_process_lives_whose_lists_keep_it_out() {
    let desk = Desk::new("");
    let slow = format!("{}[send]\nbulk_wait = \"10ms\"\n", wide_but("sends_per_second = 2"));
    let mut loose = Server::start(&desk, LOOSE, &slow);
    let bulk = |to: &[String], text: &str| {
        let recipients: Vec<Value> = to.iter().map(|to| json!({ "to": to })).collect();
        json!({ "recipients": recipients, "message": text })
    };
    let french: Vec<String> = (0..400).map(fictional).collect();
    assert_eq!(loose.call("send_bulk", &bulk(&french, "Bonjour"))["status"], "in_progress");
    let left = |text: &str| desk.sent().iter().filter(|line| line["text"] == text).count();
    eventually("the first have left", || left("Bonjour") > 0);
    let strict = Server::start(&desk, STRICT, &wide_but("allow_destinations = [\"US\"]"));
    let american = |n: usize| vec![format!("+1202555016{n}"), format!("+1202555017{n}")];
    loose.call("send_bulk", &bulk(&american(1), "Hello"));
    eventually("who is behind them in the queue, and may be texted, gets it", || left("Hello") == 2);
    let before = left("Bonjour");
    assert!(before < 400);
    loose.call("send_bulk", &bulk(&american(2), "Hello again"));
    eventually("and more of those", || left("Hello again") == 2);
    assert_eq!(left("Bonjour"), before, "none left meanwhile");
    strict.kill();
    eventually("they go on", || left("Bonjour") > before);
}

#[test]
fn a_process_whose_limits_nobody_can_read_stops_what_would_be_sent_and_nothing_that_is_told_and_only_while_it_lives()
 {
    let desk = Desk::new(WIDE);
    let strange = Server::start(&desk, STRICT, &wide_but("day_messages = 1"));
    let db = rusqlite::Connection::open(desk.ledger()).unwrap();
    db.busy_timeout(crate::support::LAST_RESORT).unwrap();
    for broken in ["'of another version'", "'{}'", "''"] {
        assert_eq!(
            db.execute(&format!("UPDATE instance SET peer = {broken} WHERE peer IS NOT NULL"), []).unwrap(),
            1
        );
        desk.done(&["opt-out", "add", &fictional(5)]);
        let refused = desk.run(&["send", &fictional(1), "Hello", "--json"]);
        assert_eq!(refused.json()["code"], "ledger_unavailable", "{refused:?}");
        assert!(refused.out.contains("cannot be read"), "{refused:?}");
        desk.does(&["opt-out", "remove", &fictional(5)], "remove");
    }
    strange.kill();
    desk.done(&["send", &fictional(1), "Hello"]);
    let left: i64 =
        db.query_row("SELECT count(*) FROM instance WHERE peer IS NOT NULL", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "what it left is taken away");
}

#[test]
fn what_is_tried_in_the_sandbox_limits_no_real_text() {
    let fake = Fake::start(MailerSend::new());
    let desk = Desk::new("");
    let _sandbox = Server::start(
        &desk,
        STRICT,
        "[guard]\ncurrency = \"EUR\"\nday_messages = 0\ndeny_destinations = [\"US\"]\n",
    );
    let real = format!(
        "[[provider]]\nkind = \"mailersend\"\nbase_url = \"{}/v1\"\nfrom = \"{FROM}\"\ntoken = \"{TOKEN}\"\n",
        fake.url()
    );
    let sent = run(with_settings(&desk, LOOSE, &real), &["send", "+12025550123", "Hello"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(fake.vendor().sent().len(), 1);
}
