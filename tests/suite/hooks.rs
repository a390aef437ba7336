//! The program itself with a real vendor's provider before the vendor's fake: signed webhooks over HTTP, a
//! kill right after each, and what is told onward.

use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::provider::settings::Callback;
use sms_mcp::sms::message::{MessageId, State, hex};

use crate::fake::Fake;
use crate::fake::mailersend::{FROM, MailerSend, TOKEN};
use crate::forward::Receiver;
use crate::support::{Desk, Era, HttpServer, WIDE};
use crate::wire::{Reply, connect, post, read_reply, stateless_headers, tool_call};

pub const SIGNING: &str = "canary-signing-secret";
const INBOUND: &str = "canary-inbound-secret";
const PUBLIC: &str = "https://sms.example.com";

pub fn desk(fake: &Fake<MailerSend>, more: &str) -> Desk {
    let desk = Desk::new("");
    let settings = format!(
        "{WIDE}[http]\npublic_url = \"{PUBLIC}\"\n{more}[[provider]]\nkind = \"mailersend\"\nbase_url = \
         \"{}/v1\"\nfrom = \"{FROM}\"\n\
         token = \"{TOKEN}\"\nsigning_secret = \"{SIGNING}\"\ninbound_secret = \"{INBOUND}\"\n",
        fake.url()
    );
    std::fs::write(desk.config(), settings).unwrap();
    desk
}

fn ledger(desk: &Desk) -> SqliteLedger {
    SqliteLedger::open(&desk.ledger(), SystemClock.now(), [9; 8]).unwrap()
}

/// The path that the vendor was given, with the key that the program made for this ledger.
pub async fn path(desk: &Desk) -> String {
    let store = ledger(desk);
    let key = store.key("webhook", [0; 32]).await.unwrap();
    store.close().await.unwrap();
    Callback::new(PUBLIC, "mailersend", key).url(None).strip_prefix(PUBLIC).unwrap().to_owned()
}

pub fn told(port: u16, path: &str, secret: &str, body: &Value) -> Reply {
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex(&mac.finalize().into_bytes());
    let mut stream = connect(port);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: sms.example.com\r\nSignature: {signature}\r\nConnection: \
         close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    read_reply(&mut stream).expect("an answer")
}

fn send(server: &HttpServer, to: &str, text: &str) -> Value {
    let body = tool_call(Era::Stateless, 1, "send_sms", &json!({ "to": to, "message": text }));
    let answer = post(server.port, &stateless_headers("send_sms"), &body).json().unwrap();
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    answer["result"]["structuredContent"].clone()
}

pub fn report(sent: &Value, status: &str) -> Value {
    json!({ "type": format!("sms.{status}"), "created_at": "2026-11-22T10:00:00.000000Z", "data": {
        "object": "sms", "id": "63074a67a5bd6fa8b0b7c1d2", "sms_message_id": sent["provider_message_id"], "to": sent["to"], "status": status,
        "created_at": "2026-11-22T10:00:00.000000Z" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_keeps_what_it_thanked_a_vendor_for_whatever_kills_it() {
    let fake = Fake::start(MailerSend::new());
    let desk = desk(&fake, "");
    let log = desk.path().join("log");
    for round in 0..4 {
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let server = desk.http(|command: &mut Command| {
            command.args(["--log", "trace"]).env("RUST_LOG", "trace").stderr(file);
        });
        let (number, path) = (format!("+1202555012{round}"), path(&desk).await);
        let sent = send(&server, &number, "canary-text");
        assert_eq!(told(server.port, &path, "another secret", &report(&sent, "delivered")).status, 401);
        assert_eq!(told(server.port, &format!("{path}0"), SIGNING, &report(&sent, "delivered")).status, 404);
        let reply = json!({ "type": "inbound.message", "data": { "id": format!("in-{round}"), "from": number, "to": FROM, "text": "STOP" } });
        assert_eq!(told(server.port, &path, INBOUND, &reply).status, 204);
        let status = told(server.port, &path, SIGNING, &report(&sent, "delivered")).status;
        drop(server); // SIGKILL
        assert_eq!(status, 204);
        let store = ledger(&desk);
        let id = MessageId::from_text(sent["id"].as_str().unwrap());
        let principal = format!("user:{}", whoami::username().unwrap());
        let message = store.message(&principal, &id).await.unwrap().unwrap();
        assert_eq!((message.state, message.replies), (State::Delivered, 1), "round {round}");
        assert_eq!(store.opt_outs(9).await.unwrap().len(), round + 1);
        store.close().await.unwrap();
        let log = std::fs::read_to_string(&log).unwrap();
        for canary in ["canary", TOKEN, number.as_str(), path.rsplit('/').next().unwrap()] {
            assert!(!log.contains(canary), "{canary} in {log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_report_and_a_persons_reply_are_told_onward_signed() {
    let fake = Fake::start(MailerSend::new());
    let receiver = Receiver::new(&[]);
    let forward = receiver.settings();
    let more = format!(
        "[forward]\ncallback_url = \"{}\"\nsecret = \"{}\"\nallow_private = true\n",
        forward.callback_url.unwrap(),
        crate::forward::secret()
    );
    let desk = desk(&fake, &more);
    let server = desk.http(|_| {});
    let path = path(&desk).await;
    let sent = send(&server, "+12025550123", "hello");
    for _ in 0..2 {
        assert_eq!(told(server.port, &path, SIGNING, &report(&sent, "delivered")).status, 204);
        let reply =
            json!({ "data": { "id": "in-1", "from": "+12025550123", "to": FROM, "text": "See you" } });
        assert_eq!(told(server.port, &path, INBOUND, &reply).status, 204);
    }
    let heard = tokio::task::spawn_blocking(move || {
        receiver.taken(3);
        // What is told of the next message was written after all that there is to tell of this one.
        send(&server, "+12025550124", "next");
        receiver.taken(4)
    });
    let types: Vec<String> =
        heard.await.unwrap().iter().map(|heard| heard.body["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(types, ["message.sent", "message.delivered", "message.replied", "message.sent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_mailersend_tells_without_plus_or_country_code_is_an_americans() {
    let fake = Fake::start(MailerSend::new());
    let desk = desk(&fake, "");
    let server = desk.http(|_| {});
    let path = path(&desk).await;
    for (round, from) in ["6465550123", "16465550124", "(646) 555-0125", "6465550126"].into_iter().enumerate()
    {
        if round < 3 {
            send(&server, &format!("+1646555012{}", 3 + round), "hello");
        }
        let reply =
            json!({ "data": { "id": format!("in-{round}"), "from": from, "to": FROM, "text": "STOP" } });
        assert_eq!(told(server.port, &path, INBOUND, &reply).status, 204);
    }
    let store = ledger(&desk);
    let mut out: Vec<String> = store.opt_outs(9).await.unwrap().into_iter().map(|out| out.number).collect();
    out.sort();
    assert_eq!(
        out,
        ["+16465550123", "+16465550124", "+16465550125", "+16465550126"],
        "the last was never texted"
    );
    assert!(store.pendings().await.unwrap().is_empty());
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_replies_costs_an_agent_little_is_counted_whole_and_the_stop_in_it_counts() {
    const FLOOD: usize = 2_500;
    let fake = Fake::start(MailerSend::new());
    let desk = desk(&fake, "");
    let server = desk.http(|_| {});
    let path = path(&desk).await;
    let sent = send(&server, "+12025550123", "hello");
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(n) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < FLOOD) {
                    let text = if n == FLOOD - 1 { "STOP".to_owned() } else { format!("{n} {}", "ha ".repeat(1_000)) };
                    let reply = json!({ "data": { "id": format!("in-{n}"), "from": "+12025550123", "to": FROM, "text": text } });
                    assert_eq!(told(server.port, &path, INBOUND, &reply).status, 204);
                }
            });
        }
    });
    let page = |cursor: Option<&str>| {
        let mut arguments = json!({ "id": sent["id"] });
        if let Some(cursor) = cursor {
            arguments["cursor"] = cursor.into();
        }
        let body = tool_call(Era::Stateless, 1, "get_status", &arguments);
        let answer = post(server.port, &stateless_headers("get_status"), &body).json().unwrap();
        assert!(
            answer.to_string().len() < 30_000,
            "the text and the structured content, {} bytes",
            answer.to_string().len()
        );
        answer["result"]["structuredContent"].clone()
    };
    let (mut shown, mut cursor) = (0, None::<String>);
    loop {
        let status = page(cursor.as_deref());
        let count = status["replies"].as_array().unwrap().len();
        assert_eq!(status["message"]["replies"], FLOOD);
        assert_eq!(status["replies_omitted"], FLOOD - count);
        assert!(
            status["warnings"].to_string().contains("2440 of the replies are counted"),
            "{}",
            status["warnings"]
        );
        shown += count;
        cursor = status["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(shown, 60, "what is above the rate is on no page");
    let store = ledger(&desk);
    assert_eq!(
        store.opt_outs(9).await.unwrap().iter().map(|out| out.number.as_str()).collect::<Vec<_>>(),
        ["+12025550123"]
    );
    store.close().await.unwrap();
}
