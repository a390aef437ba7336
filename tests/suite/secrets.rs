//! Canaries: texts, tokens and keys that must never be seen where they do not belong, whatever is logged and
//! whatever goes wrong.

use std::process::Command;

use serde_json::{Value, json};

use sms_mcp::config::{Flags, Sources, load};

use crate::support::{Desk, Era, WIDE, fictional, program};
use crate::wire::{self, RawStdio, Reply, post, tool_call};

const TEXT: &str = "canary-text-0b57e1";
const VALUE: &str = "canary-value-77ac02";
const TOKEN: &str = "canary-token-c41f93";
const WRONG_TOKEN: &str = "canary-wrong-token-5d20aa";
const KEY: &str = "canary-key-9e6b14";
const FORMATS: [&str; 2] = ["text", "json"];

/// A desk where a stalled provider is given up soon.
fn desk(more: &str) -> Desk {
    Desk::new(&format!("{WIDE}{more}[send]\ntimeout = \"1s\"\n"))
}

/// Calls of every kind with the canaries in them: good, refused, lost, malformed.
fn calls() -> Vec<(&'static str, Value)> {
    let send = |to: &str| json!({ "to": to, "message": TEXT });
    vec![
        ("send_sms", json!({ "to": fictional(1), "message": TEXT, "idempotency_key": KEY })),
        ("send_sms", json!({ "to": fictional(1), "message": TEXT, "idempotency_key": KEY })),
        ("send_sms", json!({ "to": fictional(2), "message": TEXT, "idempotency_key": KEY })),
        ("send_sms", send(&fictional(1))),
        ("send_sms", json!({ "to": fictional(1), "message": format!("\u{2019}{TEXT}"), "dry_run": true })),
        ("send_sms", send("+12025550101")),
        ("send_sms", send("+12025550102")),
        ("send_sms", send("+12025550103")),
        ("send_sms", send("+12025550104")),
        ("send_sms", send("+12025550105")),
        ("send_sms", send("+12025550109")),
        ("send_sms", send("12")),
        ("send_sms", json!({ "to": fictional(3), "message": TEXT, "from": "not a sender at all" })),
        (
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(4), "data": { "name": VALUE } }, { "to": "+12025550101", "data": { "name": VALUE } }, { "to": "+12025550104", "data": { "name": VALUE } }], "message": format!("{TEXT} {{{{name}}}}") }),
        ),
        (
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(5) }], "message": format!("{TEXT} {{{{absent}}}}") }),
        ),
        ("send_sms", json!({ "to": fictional(6), "message": [TEXT] })),
        ("send_sms", json!({ "to": fictional(6), "message": { "text": TEXT } })),
        ("send_sms", json!({ "to": fictional(6), "message": "x", "dry_run": TEXT })),
        ("send_sms", json!({ "to": fictional(6), "message": "x", TEXT: TEXT })),
        ("send_bulk", json!({ "recipients": TEXT, "message": TEXT })),
        ("send_bulk", json!({ "recipients": [{ "to": fictional(7), "data": TEXT }], "message": TEXT })),
        ("get_status", json!({ "id": TEXT })),
        ("list_sms", json!({ "since": TEXT })),
        ("open_session", json!({ "max_spend": TEXT })),
        (TEXT, json!({})),
    ]
}

/// Messages that are no proper calls, with the canary in them.
fn broken(era: Era) -> Vec<Vec<u8>> {
    let whole = tool_call(era, 7, "send_sms", &json!({ "to": fictional(8), "message": TEXT }));
    let text = String::from_utf8(whole.clone()).unwrap();
    let mut all =
        vec![whole[..whole.len() - 2].to_vec(), format!("[{text}]").into_bytes(), TEXT.as_bytes().to_vec()];
    all.push(text.replace("\"id\":7", "\"id\":null").into_bytes());
    all.push(text.replace("tools/call", TEXT).into_bytes());
    all.push(text.replace("\"2.0\"", "\"1.0\"").into_bytes());
    all.push(format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{TEXT}\"}}").into_bytes());
    all
}

/// Every id in the answers so far, to look each of them up.
fn ids(answers: &[Value]) -> Vec<String> {
    let text = answers.iter().map(Value::to_string).collect::<String>();
    let mut found: Vec<String> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("msg_0") || word.starts_with("bat_0"))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.dedup();
    found
}

fn assert_clean(log: &str, whose: &str) {
    assert!(log.contains("settled"), "{whose}: the log must have been on to prove anything: {log}");
    for canary in [TEXT, VALUE, TOKEN, WRONG_TOKEN, KEY] {
        assert!(
            !log.contains(canary),
            "{whose}: the log shows {canary}:\n{}",
            log.lines().filter(|line| line.contains(canary)).collect::<Vec<_>>().join("\n")
        );
    }
}

/// Looks everything up through `ask` and holds that no text is shown.
fn assert_untold(answers: &[Value], mut ask: impl FnMut(&'static str, Value) -> Value) {
    let found = ids(answers);
    assert!(found.len() >= 5, "{found:?}");
    let mut shown = vec![ask("list_sms", json!({ "limit": 100 }))];
    assert!(
        shown[0]["result"]["structuredContent"]["messages"].as_array().unwrap().len() >= 8,
        "{}",
        shown[0]
    );
    shown.extend(found.into_iter().map(|id| ask("get_status", json!({ "id": id }))));
    for message in shown {
        assert!(message["result"]["structuredContent"].is_object(), "{message}");
        let message = message.to_string();
        assert!(!message.contains(TEXT) && !message.contains(VALUE) && !message.contains(KEY), "{message}");
    }
}

fn loudly(command: &mut Command, format: &str) {
    command.args(["--log", "trace", "--log-format", format]).env("RUST_LOG", "trace");
}

#[test]
fn over_stdio_no_log_shows_a_text_and_no_look_up_does() {
    for (format, era) in FORMATS.into_iter().zip(Era::BOTH) {
        let desk = desk("");
        let mut server = RawStdio::start(&desk, era, |command| loudly(command, format));
        let mut answers = Vec::new();
        for (id, (tool, arguments)) in (100..).zip(calls()) {
            server.send(&tool_call(era, id, tool, &arguments));
            answers.push(server.answer_to(id, &mut Vec::new()));
        }
        for line in broken(era) {
            server.send(&line);
        }
        let mut id = 1_000;
        assert_untold(&answers, |tool, arguments| {
            id += 1;
            server.send(&tool_call(era, id, tool, &arguments));
            server.answer_to(id, &mut Vec::new())
        });
        assert!(desk.sent().iter().any(|line| line["text"] == TEXT), "the canary was really sent");
        assert_clean(&server.finish(), &format!("stdio {format} {era:?}"));
    }
}

#[test]
fn over_http_no_log_shows_a_text_or_a_token_and_no_look_up_does() {
    for (format, era) in FORMATS.into_iter().zip([Era::Stateless, Era::Legacy]) {
        let desk = desk("[http]\ntoken = { env = \"DESK_TOKEN\" }\n");
        let log = desk.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let server = desk.http(|command| {
            loudly(command, format);
            command.env("DESK_TOKEN", TOKEN).stderr(file);
        });
        let bearer = format!("Bearer {TOKEN}");
        let session =
            (era == Era::Legacy).then(|| wire::open_legacy(server.port, &[("Authorization", &bearer)]));
        let ask = |tool: &str, body: &[u8], bearer: &str| -> Reply {
            let mut headers = match &session {
                Some(id) => vec![("Mcp-Session-Id", id.as_str())],
                None => wire::stateless_headers(tool).to_vec(),
            };
            headers.push(("Authorization", bearer));
            post(server.port, &headers, body)
        };
        let mut answers = Vec::new();
        for (tool, arguments) in calls() {
            answers.extend(ask(tool, &tool_call(era, 1, tool, &arguments), &bearer).json());
        }
        for body in broken(era) {
            ask("send_sms", &body, &bearer);
        }
        let wrong =
            ask("send_sms", &tool_call(era, 1, "send_sms", &calls()[0].1), &format!("Bearer {WRONG_TOKEN}"));
        assert_eq!(wrong.status, 401);
        assert!(
            !wrong.head.contains("canary") && !String::from_utf8_lossy(&wrong.body).contains("canary"),
            "{wrong:?}"
        );
        assert_untold(&answers, |tool, arguments| {
            ask(tool, &tool_call(era, 1, tool, &arguments), &bearer).json().unwrap()
        });
        drop(server);
        assert_clean(&std::fs::read_to_string(log).unwrap(), &format!("http {format} {era:?}"));
    }
}

#[cfg(unix)]
#[test]
fn only_the_user_can_read_the_ledger_and_what_lies_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = desk("");
    let ledger = desk.path().join("data/ledger.db");
    let elsewhere = |command: &mut Command| {
        *command = Command::new(program());
        command.arg("--config").arg(desk.config()).arg("--ledger").arg(&ledger);
    };
    let mut server = RawStdio::start(&desk, Era::Stateless, elsewhere);
    server.send(&tool_call(Era::Stateless, 1, "send_sms", &calls()[0].1));
    assert_eq!(server.answer_to(1, &mut Vec::new())["result"]["structuredContent"]["status"], "sent");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = ledger.parent().unwrap();
    assert_eq!(mode(folder), 0o700);
    let list = |folder: &std::path::Path| -> Vec<_> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let mut files = list(folder);
    assert!(files.len() >= 3, "the ledger, its log and the lock's folder: {files:?}");
    while let Some(file) = files.pop() {
        let wanted = if file.is_dir() {
            files.extend(list(&file));
            0o700
        } else {
            0o600
        };
        assert_eq!(mode(&file), wanted, "{}", file.display());
    }
    assert_eq!(mode(&desk.outbox()), 0o600);
    server.finish();

    // A ledger that others could read is closed to them.
    std::fs::set_permissions(&ledger, std::fs::Permissions::from_mode(0o644)).unwrap();
    RawStdio::start(&desk, Era::Legacy, elsewhere).finish();
    assert_eq!(mode(&ledger), 0o600);
}

#[cfg(unix)]
#[test]
fn a_file_with_a_secret_that_others_may_read_and_a_short_token_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new("");
    let (config, key) = (desk.config(), desk.path().join("key"));
    let open = |file: &std::path::Path, mode: u32| {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap()
    };
    let long = "x".repeat(20);
    std::fs::write(&key, &long).unwrap();
    let looks = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines()
            .filter_map(|line| line.trim().strip_prefix("look"))
            .map(|line| line.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let check = || looks(desk.command().args(["config", "check"]));
    let holds = |file: &std::path::Path| {
        format!("{} holds a secret, and others than its owner may read it: `chmod 600` it", file.display())
    };
    for (text, config_mode, key_mode, expected) in [
        (format!("[http]\ntoken = \"{long}\"\n"), 0o644, 0o600, vec![holds(&config)]),
        (format!("[http]\ntoken = \"{long}\"\n"), 0o640, 0o644, vec![holds(&config)]),
        (format!("[http]\ntoken = \"{long}\"\n"), 0o600, 0o644, vec![]),
        (format!("[http]\ntoken = {{ file = '{}' }}\n", key.display()), 0o644, 0o604, vec![holds(&key)]),
        (format!("[http]\ntoken = {{ file = '{}' }}\n", key.display()), 0o644, 0o400, vec![]),
        ("[http]\n".to_owned(), 0o644, 0o644, vec![]),
        (
            format!(
                "[[provider]]\nkind = \"a2p_pro\"\nfrom = \"ACME\"\ntoken = {{ file = '{}' }}\n",
                key.display()
            ),
            0o644,
            0o644,
            vec![holds(&key)],
        ),
        (
            "[[provider]]\nkind = \"a2p_pro\"\nfrom = \"ACME\"\ntoken = \"x\"\n".to_owned(),
            0o644,
            0o644,
            vec![holds(&config)],
        ),
    ] {
        std::fs::write(&config, &text).unwrap();
        open(&config, config_mode);
        open(&key, key_mode);
        assert_eq!(check(), expected, "{text} {config_mode:o} {key_mode:o}");
    }
    let short =
        "http.token is shorter than 20 characters, and can be guessed: `openssl rand -hex 32` makes one";
    std::fs::write(&config, "[http]\ntoken = { env = \"DESK_TOKEN\" }\n").unwrap();
    assert_eq!(looks(desk.command().args(["config", "check"]).env("DESK_TOKEN", &long[1..])), [short]);
    // A server says so at its start.
    let log = desk.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let _server = desk.http(|command| {
        command.env("DESK_TOKEN", &long[1..]).stderr(file);
    });
    crate::support::eventually("the server says so", || {
        std::fs::read_to_string(&log).unwrap().contains(short)
    });
}

#[cfg(unix)]
#[test]
fn nothing_is_written_behind_a_link_that_another_user_made() {
    use std::os::unix::fs::{lchown, symlink};
    let desk = Desk::new("");
    let (theirs, behind) = (desk.path().join("theirs"), desk.path().join("behind"));
    std::fs::create_dir(&behind).unwrap();
    let run = |ledger: &std::path::Path, outbox: &std::path::Path| {
        std::fs::write(
            desk.config(),
            format!("[[provider]]\nkind = \"sandbox\"\noutbox = '{}'\n", outbox.display()),
        )
        .unwrap();
        let mut command = Command::new(program());
        let output = command
            .arg("--config")
            .arg(desk.config())
            .arg("--ledger")
            .arg(ledger)
            .args(["send", &fictional(1), "hello"])
            .output()
            .unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let files =
        |name: &str| (desk.path().join(format!("{name}.db")), desk.path().join(format!("{name}.jsonl")));
    symlink(&behind, &theirs).unwrap();
    assert!(
        run(&theirs.join("own.db"), &files("own").1).starts_with("sent: "),
        "a link of one's own is followed"
    );
    if lchown(&theirs, Some(65_534), None).is_err() {
        return; // Only the system's administrator can make a link of another user.
    }
    let (ledger, outbox) = files("a");
    for (ledger, outbox) in [(theirs.join("x.db"), outbox.clone()), (ledger.clone(), theirs.join("x.jsonl"))]
    {
        let said = run(&ledger, &outbox);
        assert!(said.contains("lies behind the symbolic link"), "{said}");
    }
    // In the place of the file itself, and of what SQLite writes beside it.
    for end in ["", "-wal", "-shm", ".live"] {
        let (ledger, outbox) = files(&format!("b{end}"));
        let link = std::path::PathBuf::from(format!("{}{end}", ledger.display()));
        symlink(behind.join("y"), &link).unwrap();
        lchown(&link, Some(65_534), None).unwrap();
        assert!(run(&ledger, &outbox).contains("lies behind the symbolic link"), "{end}");
    }
    let there: Vec<_> = std::fs::read_dir(&behind).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(there.iter().all(|name| name.to_string_lossy().starts_with("own.db")), "{there:?}");
}

#[test]
fn a_loaded_configuration_never_prints_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let secret_file = folder.path().join("token");
    std::fs::write(&secret_file, TOKEN).unwrap();
    let forms = [
        format!("token = \"{TOKEN}\""),
        "token = { env = \"DESK_TOKEN\" }".to_owned(),
        format!("token = {{ file = '{}' }}", secret_file.display()),
    ];
    for form in forms {
        std::fs::write(&file, format!("[http]\n{form}\n")).unwrap();
        let environment = [("DESK_TOKEN", TOKEN), ("SMS_MCP_LEDGER", "ledger.db")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let flags = Flags { config: Some(file.clone()), ..Flags::default() };
        let loaded = load(&Sources { flags, environment }).unwrap();
        assert_eq!(loaded.http_token.as_ref().map(|token| token.expose()), Some(TOKEN), "{form}");
        let written = serde_json::to_string(&loaded.config).unwrap();
        for shown in [format!("{loaded:?}"), format!("{loaded:#?}"), written] {
            assert!(!shown.contains(TOKEN), "{form}: {shown}");
        }
    }
}

#[test]
fn a_configuration_that_does_not_load_never_prints_its_token() {
    let desk = Desk::new("");
    for (text, environment) in [
        (format!("[http]\ntoken = \"{TOKEN}\"\ntokn = 1\n"), None),
        (format!("[http]\ntoken = [\"{TOKEN}\"]\n"), None),
        (format!("[http]\ntoken = \"{TOKEN}\n"), None),
        (format!("[http]\ntoken = {{ file = \"{TOKEN}\", env = \"DESK_TOKEN\" }}\n"), None),
        (String::new(), Some(("SMS_MCP__HTTP__TOKEN", format!("[\"{TOKEN}\"]x")))),
        (format!("[http]\ntoken = \"{TOKEN}\"\n"), Some(("SMS_MCP__HTTP__TOKN", "x".to_owned()))),
    ] {
        std::fs::write(desk.config(), &text).unwrap();
        let mut command = desk.command();
        command.args(["config", "check", "--log", "trace"]);
        if let Some((name, value)) = &environment {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(
            !String::from_utf8_lossy(&said).contains(TOKEN),
            "{text}: {}",
            String::from_utf8_lossy(&said)
        );
    }
}

/// Every kind of provider of the example, with a canary for each of its secrets: whether its settings can be
/// used or not, none is shown.
#[test]
fn no_secret_of_any_provider_is_shown_by_a_check_or_by_an_error() {
    let example: toml::Table =
        crate::settings::uncommented(|name| name != "outbox" && !name.starts_with("tls")).parse().unwrap();
    let mut seen = 0;
    for table in example["provider"].as_array().unwrap() {
        let table = table.as_table().unwrap();
        let secrets: Vec<&String> = table
            .iter()
            .filter(|(_, value)| crate::settings::is_secret(value))
            .map(|(name, _)| name)
            .collect();
        // In the form that its vendor has, in another one, and with a line break.
        for canary in ["ACca9a7ca9a7ca9a7ca9a7ca9a7ca9a7ca9a", "canary-1f0b", "canary-1f0b\nx"] {
            let mut table = table.clone();
            for name in &secrets {
                table.insert((*name).clone(), toml::Value::String(canary.to_owned()));
            }
            let settings = toml::to_string(&toml::Table::from_iter([(
                "provider".to_owned(),
                toml::Value::Array(vec![toml::Value::Table(table)]),
            )]))
            .unwrap();
            let desk = Desk::new("");
            std::fs::write(desk.config(), &settings).unwrap();
            let ended = desk.run(&["config", "check", "--log", "trace"]);
            let shown = format!("{} {}", ended.out, ended.err);
            for part in ["ca9a7ca9", "canary-1f0b"] {
                assert!(!shown.contains(part), "{}: {shown}", table_kind(&settings));
            }
            seen += secrets.len();
        }
    }
    assert!(seen >= 3 * 12, "{seen}");
}

fn table_kind(settings: &str) -> &str {
    settings.lines().find(|line| line.starts_with("kind")).unwrap_or_default()
}
