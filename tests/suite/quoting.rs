//! What a vendor's words may hold: the key that it was shown and the text that it refused, which get no
//! further, and what a terminal would obey, which is shown as what it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Seen, Vendor};
use crate::support::{Desk, Era, WIDE};
use crate::vendors::{hostile, over_http};
use crate::wire::{RawStdio, tool_call};

const KEY: &str = "a2p.canary/7f3e+99c1";
const TEXT: &str = "Dear Ann, the code for your canary cage is 48 21 93, it sings till ten.";

/// What must not be seen of them.
fn canaries() -> Vec<String> {
    let percent: String = url::form_urlencoded::byte_serialize(KEY.as_bytes()).collect();
    let words =
        ["canary cage is", "code for your", "sings till ten", "48 21 93", "482193"].map(str::to_owned);
    words
        .into_iter()
        .chain([
            KEY.to_owned(),
            percent,
            STANDARD.encode(KEY),
            STANDARD.encode(format!("me:{KEY}"))[8..24].to_owned(),
        ])
        .collect()
}

/// Everything that it can quote.
fn quoted() -> String {
    let percent: String = url::form_urlencoded::byte_serialize(KEY.as_bytes()).collect();
    format!(
        "key {KEY} {percent} {} {}; {TEXT} 482193",
        STANDARD.encode(KEY),
        STANDARD.encode(format!("me:{KEY}"))
    )
}

/// Refuses the first text, loses the second's outcome, and takes all others, which fail.
#[derive(Default)]
struct Parrot {
    asked: usize,
}

impl Vendor for Parrot {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.header("authorization") != Some(&format!("Bearer {KEY}")) {
            complain("another key".to_owned());
        }
        if request.method == "GET" {
            return Reply::json(
                200,
                json!({ "id": "m-1", "status": "failed", "to": "+33199000003", "error": format!("E77 {}", quoted()) }),
            );
        }
        self.asked += 1;
        match self.asked {
            1 => Reply::json(
                400,
                json!({ "code": "spam_filter", "message": format!("policy 12: {}", quoted()) }),
            ),
            2 => Reply::json(500, json!({ "code": "oops", "message": quoted() })),
            _ => Reply::json(
                201,
                json!({ "id": "m-1", "status": "queued", "to": "+33199000003", "segments": 1 }),
            ),
        }
    }
}

#[test]
fn neither_a_key_nor_a_text_that_a_vendor_quotes_is_shown_or_kept_and_its_code_is() {
    for keep_texts in [true, false] {
        let fake = Fake::start(Parrot::default());
        let desk = Desk::new(&format!(
            "{WIDE}[ledger]\nkeep_texts = {keep_texts}\n[[provider]]\nkind = \"a2p_pro\"\nbase_url = \
             \"{}/v1\"\ntoken = \"{KEY}\"\nfrom = \"ACME\"\n",
            fake.url()
        ));
        let mut server = RawStdio::start(&desk, Era::Stateless, |command| {
            command.args(["--log", "trace"]).env("RUST_LOG", "trace");
        });
        let mut shown = Vec::new();
        let mut ask = |tool: &str, arguments: Value| {
            let id = 100 + shown.len() as u64;
            server.send(&tool_call(Era::Stateless, id, tool, &arguments));
            let answer = server.answer_to(id, &mut Vec::new());
            shown.push(answer.to_string());
            answer
        };
        let mut sent = Value::Null;
        for n in 1..=3 {
            sent = ask("send_sms", json!({ "to": format!("+3319900000{n}"), "message": TEXT }));
        }
        let listed = ask("list_sms", json!({}));
        let messages = listed["result"]["structuredContent"]["messages"].as_array().unwrap().clone();
        let reason = |n: usize| messages[n]["reason_untrusted"].as_str().unwrap_or_default().to_owned();
        assert!(reason(2).starts_with("HTTP 400: spam_filter: policy 12: key [hidden]"), "{}", reason(2));
        assert!(reason(1).starts_with("HTTP 500: oops"), "{}", reason(1));
        let status = ask("get_status", json!({ "id": sent["result"]["structuredContent"]["id"] }));
        let failed = &status["result"]["structuredContent"]["message"];
        assert_eq!(failed["status"], "failed", "{status}");
        assert!(failed["reason_untrusted"].as_str().unwrap().starts_with("E77 key [hidden]"), "{failed}");
        let log = server.finish();
        assert!(log.contains("settled"), "the log was on");
        shown.push(log);
        let output =
            desk.command().args(["status", "--json", failed["id"].as_str().unwrap()]).output().unwrap();
        shown.push(String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
        let ledger = rusqlite::Connection::open(desk.ledger()).unwrap();
        let mut rows = ledger.prepare("SELECT coalesce(why, '') || history FROM message").unwrap();
        shown.extend(rows.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
        assert_eq!(shown.len(), 10);
        for canary in canaries() {
            assert!(
                !shown.iter().any(|shown| shown.contains(&canary)),
                "keep_texts {keep_texts}: {canary} in {shown:#?}"
            );
        }
        for file in std::fs::read_dir(desk.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file() && *path != desk.config())
        {
            let held = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
            assert!(!held.contains(KEY), "{}", file.display());
        }
    }
}

/// A title for the window, colours in both spellings, a turn of direction, and a line that looks like ours.
const HOSTILE: &str = "x\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}2J\u{202e}\r\nsent: msg_0\u{7f}\u{e0041}";

/// Says it in every place, whatever it is asked.
struct Siren(u16);

impl Vendor for Siren {
    fn answer(&mut self, _: &Seen, _: &mut dyn FnMut(String)) -> Reply {
        let one = json!({ "id": "m-1", "message_id": "m-1", "status": HOSTILE, "code": HOSTILE, "message": HOSTILE, "error": HOSTILE, "to": HOSTILE,
            "from": HOSTILE, "text": HOSTILE, "body": HOSTILE, "name": HOSTILE, "number": HOSTILE, "balance": HOSTILE, "title": HOSTILE });
        Reply::json(
            self.0,
            json!({ "data": [one], "messages": [one], "errors": [HOSTILE], "error": one, "message": HOSTILE,
                "code": HOSTILE,
            "balance": HOSTILE, "status": HOSTILE, HOSTILE: HOSTILE }),
        )
    }
}

#[test]
fn no_command_prints_what_a_terminal_obeys_or_a_line_that_a_vendor_wrote() {
    let mut printed = 0;
    for (kind, status) in over_http().flat_map(|kind| [(kind, 200), (kind, 400)]) {
        let fake = Fake::start(Siren(status));
        let desk = Desk::new(&format!(
            "{WIDE}[[provider]]\nkind = \"{kind}\"\nname = \"siren\"\n{}\n",
            hostile::own(kind, &fake.url(), "a-token-of-a-test")
        ));
        // Where networks carry texts from names, such as these settings have.
        let to = "+33199000101";
        let file = desk.path().join("people.csv");
        std::fs::write(&file, format!("to\n{to}\n+33199000102\n")).unwrap();
        let mut run = |arguments: &[&str]| {
            let output = desk.command().args(arguments).output().unwrap();
            let said = String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap();
            assert!(!said.is_empty(), "{kind} {arguments:?}");
            let obeyed = said.chars().find(|c| {
                (c.is_control() && *c != '\n') || ('\u{202a}'..='\u{202e}').contains(c) || *c == '\u{e0041}'
            });
            assert_eq!(obeyed, None, "{kind} {arguments:?}: {said}");
            assert!(
                !said.lines().any(|line| line.starts_with("sent: msg_0")),
                "{kind} {arguments:?}: {said}"
            );
            printed += usize::from(said.contains("owned"));
            String::from_utf8(output.stdout).unwrap()
        };
        let sent = run(&["send", to, "hello", "--json"]);
        let sent: Value = serde_json::from_str(&sent).unwrap();
        let id = sent["id"].as_str().unwrap_or("msg_1").to_owned();
        let bulk = file.display().to_string();
        for arguments in [
            &["send", to, "hello again"][..],
            &["bulk", &bulk, "--message", "hello you"],
            &["list"],
            &["list", "--json"],
            &["status", &id],
            &["status", &id, "--json"],
            &["balance"],
            &["balance", "--json"],
            &["budget"],
            &["config", "check", "--live"],
            &["provider", "siren"],
            &["provider", "siren", "sent"],
            &["campaign", "7", "--message", "hello all"],
            &["opt-out"],
            &["opt-out", "pending"],
            &["opt-out", "add", to],
            &["reconcile"],
            &["reconcile", "--json"],
        ] {
            run(arguments);
        }
        for action in ["webhooks", "phones", "lists", "numbers", "inbounds", "accounts", "senders"] {
            run(&["provider", "siren", action]);
        }
    }
    assert!(printed > 20, "{printed} commands had something of it to print");
}
