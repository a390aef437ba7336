//! Telling the operator's own system: a receiver that verifies what it gets with its own code, and
//! misbehaves.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use sms_mcp::setting::{Secret, SecretText};

use crate::support::{Desk, Era, HttpServer, LAST_RESORT, WIDE, ends, eventually, fictional, found};
use crate::wire::{post, stateless_headers, tool_call};

const KEY: &[u8] = b"a key of thirty-two bytes, exact";

pub fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(KEY))
}

/// HMAC-SHA256 as RFC 2104 writes it down, from the hash alone.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36), message.to_vec()].concat());
    Sha256::digest([pad(0x5c), inner.to_vec()].concat()).to_vec()
}

/// What the receiver does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Take,
    Fail(u16),
    /// Closes without an answer.
    Drop,
    /// Never answers.
    Stall,
    Redirect,
}

#[derive(Clone, Debug)]
pub struct Heard {
    id: String,
    pub body: Value,
    taken: bool,
    /// The second in which it was told, by the clock of whoever told it.
    at: i64,
}

/// The operator's own system.
pub struct Receiver {
    port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// Requests that are left without an answer just now.
    stalled: Arc<AtomicUsize>,
}

fn take(stream: &mut TcpStream, mood: Mood, began: i64, stalled: &AtomicUsize) -> Option<Heard> {
    stream.set_read_timeout(Some(LAST_RESORT)).unwrap();
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    let end = loop {
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let header = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    };
    let length: usize = header("content-length").unwrap().parse().unwrap();
    while bytes.len() < end + 4 + length {
        let count = stream.read(&mut part).unwrap();
        assert!(count > 0);
        bytes.extend_from_slice(&part[..count]);
    }
    let body = &bytes[end + 4..];
    let (id, timestamp) = (header("webhook-id").unwrap(), header("webhook-timestamp").unwrap());
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    assert_eq!(
        header("webhook-signature").unwrap(),
        format!("v1,{}", STANDARD.encode(hmac(KEY, &signed))),
        "the signature"
    );
    let at: i64 = timestamp.parse().unwrap();
    assert!((began..=now()).contains(&at), "the time of the telling");
    assert!(
        head.starts_with("POST /sms-events HTTP/1.1")
            && header("content-type").as_deref() == Some("application/json"),
        "{head}"
    );
    let answer = match mood {
        Mood::Take => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned(),
        Mood::Fail(status) => {
            format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        Mood::Redirect => {
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_owned()
        }
        Mood::Drop => String::new(),
        Mood::Stall => {
            stalled.fetch_add(1, Ordering::SeqCst);
            // Until whoever tells it goes away.
            while stream.read(&mut part).is_ok_and(|count| count > 0) {}
            stalled.fetch_sub(1, Ordering::SeqCst);
            String::new()
        }
    };
    let _ = stream.write_all(answer.as_bytes());
    Some(Heard { id, body: serde_json::from_slice(body).unwrap(), taken: mood == Mood::Take, at })
}

impl Receiver {
    /// A receiver that is in these moods, one request after the other, and then takes everything.
    pub fn new(moods: &[Mood]) -> Self {
        Self::at("127.0.0.1:0", moods)
    }

    fn at(address: &str, moods: &[Mood]) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let stalled: Arc<AtomicUsize> = Arc::default();
        let (told, mut moods) = (Arc::clone(&heard), moods.iter().copied().collect::<VecDeque<_>>());
        let (stalling, began) = (Arc::clone(&stalled), now());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mood, told, stalling) =
                    (moods.pop_front().unwrap_or(Mood::Take), Arc::clone(&told), Arc::clone(&stalling));
                std::thread::spawn(move || {
                    if let Some(heard) = take(&mut stream.unwrap(), mood, began, &stalling) {
                        told.lock().unwrap().push(heard);
                    }
                });
            }
        });
        Self { port, heard, stalled }
    }

    /// `[forward]` that names this receiver.
    pub fn settings(&self) -> sms_mcp::engine::settings::Forwarding {
        sms_mcp::engine::settings::Forwarding {
            callback_url: Some(format!("http://127.0.0.1:{}/sms-events", self.port)),
            secret: Some(Secret::Text(SecretText::new(secret()))),
            allow_private: true,
            ..sms_mcp::engine::settings::Forwarding::default()
        }
    }

    /// What it was told so far.
    pub fn bodies(&self) -> Vec<Value> {
        self.heard().into_iter().map(|heard| heard.body).collect()
    }

    /// `[forward]` that names this receiver, as a file has it.
    pub fn table(&self) -> String {
        format!(
            "[forward]\ncallback_url = \"http://127.0.0.1:{}/sms-events\"\nsecret = \"{}\"\nallow_private = true\n",
            self.port,
            secret()
        )
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits for so many events that were taken.
    pub fn taken(&self, count: usize) -> Vec<Heard> {
        found(&format!("{count} events are taken"), || {
            let taken: Vec<Heard> = self.heard().into_iter().filter(|heard| heard.taken).collect();
            (taken.len() >= count).then_some(taken)
        })
    }

    /// Waits until a request is left without an answer.
    fn stalls(&self) {
        eventually("a request stalls", || self.stalled.load(Ordering::SeqCst) > 0);
    }
}

/// The second that it is.
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// How many events are still to be told.
fn untold(desk: &Desk) -> u32 {
    let ledger = rusqlite::Connection::open(desk.ledger()).unwrap();
    ledger.query_row("SELECT count(*) FROM forward", [], |row| row.get(0)).unwrap()
}

fn settings(port: u16, more: &str) -> String {
    format!(
        "{WIDE}[forward]\ncallback_url = \"http://127.0.0.1:{port}/sms-events\"\nsecret = \
         \"{}\"\n{more}allow_private = true\n\
         [[provider]]\nkind = \"sandbox\"\ndelivery_delay = \"50ms\"\n",
        secret()
    )
}

fn send(server: &HttpServer, to: &str, text: &str) -> Value {
    let body = tool_call(Era::Stateless, 1, "send_sms", &json!({ "to": to, "message": text }));
    post(server.port, &stateless_headers("send_sms"), &body).json().unwrap()["result"].clone()
}

#[test]
fn every_change_is_told_in_order_signed_and_without_the_text() {
    let receiver = Receiver::new(&[]);
    let desk = Desk::new(&settings(receiver.port, ""));
    let server = desk.http(|_| {});
    let sent = send(&server, &fictional(1), "canary-text");
    let id = sent["structuredContent"]["id"].clone();
    let taken = receiver.taken(2);
    let types: Vec<&str> = taken.iter().map(|heard| heard.body["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["message.sent", "message.delivered"]);
    for heard in &taken {
        assert_eq!((&heard.body["data"]["id"], &heard.body["data"]["to"]), (&id, &json!(fictional(1))));
        assert!(
            heard.body["timestamp"].is_string() && !heard.body.to_string().contains("canary"),
            "{}",
            heard.body
        );
    }
    assert_ne!(taken[0].id, taken[1].id);
    send(&server, "+12025550101", "refused");
    send(&server, "+12025550104", "lost");
    let types: Vec<String> =
        receiver.taken(4)[2..].iter().map(|heard| heard.body["type"].as_str().unwrap().to_owned()).collect();
    assert!(
        types.contains(&"message.failed".to_owned()) && types.contains(&"message.unknown".to_owned()),
        "{types:?}"
    );
    eventually("nothing is left to be told", || untold(&desk) == 0);
    assert_eq!(receiver.heard().len(), 4, "and each is told once");
}

#[test]
fn what_is_not_taken_is_told_again_under_the_same_id() {
    for mood in [Mood::Fail(500), Mood::Fail(404), Mood::Drop, Mood::Redirect] {
        let receiver = Receiver::new(&[mood]);
        let desk = Desk::new(&settings(receiver.port, ""));
        let server = desk.http(|_| {});
        send(&server, "+12025550111", "x"); // No receipt ever comes: one event.
        let taken = receiver.taken(1);
        let heard = receiver.heard();
        assert_eq!((taken.len(), heard.len()), (1, 2), "{mood:?}: {heard:?}");
        assert_eq!((&heard[0].id, &heard[0].body), (&heard[1].id, &heard[1].body), "{mood:?}");
        assert!(heard[1].at - heard[0].at >= 5, "{mood:?}: after 5 s by its own clock: {heard:?}");
    }
}

#[test]
fn a_receiver_that_stalls_holds_up_neither_sends_nor_a_stop_nor_other_messages() {
    let receiver = Receiver::new(&[Mood::Stall]);
    let desk = Desk::new(&settings(receiver.port, ""));
    let server = desk.http(|_| {});
    send(&server, "+12025550111", "stalled");
    receiver.stalls();
    let other = send(&server, "+12025550111", "other")["structuredContent"].clone();
    assert_eq!(other["status"], "sent");
    assert_eq!(receiver.stalled.load(Ordering::SeqCst), 1, "all that while the first one has no answer");
    assert_eq!(
        receiver.taken(2)[0].body["data"]["id"],
        other["id"],
        "it is told before the first one is told again"
    );
    #[cfg(unix)]
    {
        let stalling = Receiver::new(&[Mood::Stall; 4]);
        let desk = Desk::new(&settings(stalling.port, ""));
        let log = desk.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let mut server = desk.http(|command| {
            command.args(["--log", "trace"]).stderr(file);
        });
        send(&server, "+12025550111", "stalled");
        stalling.stalls();
        std::process::Command::new("kill").arg(server.child.id().to_string()).status().unwrap();
        assert!(ends(&mut server.child).success());
        let log = std::fs::read_to_string(log).unwrap();
        assert!(
            !log.contains("could not be told yet"),
            "the stop did not wait until the telling was given up: {log}"
        );
    }
}

#[test]
fn what_was_not_told_is_told_by_the_next_process_also_after_a_kill() {
    // Nobody listens at first.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let desk = Desk::new(&settings(port, ""));
    let server = desk.http(|_| {});
    let ids: Vec<Value> = (0..5)
        .map(|index| send(&server, &fictional(index), "x")["structuredContent"]["id"].clone())
        .collect();
    eventually("all are delivered", || {
        let list = tool_call(Era::Stateless, 1, "list_sms", &json!({}));
        let list = post(server.port, &stateless_headers("list_sms"), &list).json().unwrap();
        list["result"]["structuredContent"]["messages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|message| message["status"] == "delivered")
    });
    drop(server); // SIGKILL
    let receiver = Receiver::at(&format!("127.0.0.1:{port}"), &[]);
    let _server = desk.http(|_| {});
    // Those whose telling had begun are left alone for as long as it may have taken.
    let taken = receiver.taken(10);
    for id in ids {
        let types: Vec<&Value> = taken
            .iter()
            .filter(|heard| heard.body["data"]["id"] == id)
            .map(|heard| &heard.body["type"])
            .collect();
        assert_eq!(types, ["message.sent", "message.delivered"], "{id}");
    }
}

#[test]
fn gone_is_gone_and_a_time_to_give_up_is_kept() {
    for (mood, more) in [(Mood::Fail(410), ""), (Mood::Fail(500), "give_up_after = \"1s\"\n")] {
        let receiver = Receiver::new(&[mood; 9]);
        let desk = Desk::new(&settings(receiver.port, more));
        let log = desk.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let server = desk.http(|command| {
            command.stderr(file);
        });
        send(&server, "+12025550111", "x");
        eventually("it is given up", || {
            std::fs::read_to_string(&log).unwrap().contains("webhook event given up")
        });
        eventually("it is forgotten", || untold(&desk) == 0);
        assert_eq!(receiver.heard().len(), 1, "{mood:?}");
        drop(server);
    }
}

#[test]
fn a_private_address_is_refused_unless_the_operator_says_otherwise() {
    for url in [
        "https://127.0.0.1:1/x",
        "https://localhost/x",
        "https://[::1]/x",
        "https://10.0.0.7/x",
        "http://crm.example.com/x",
    ] {
        let desk = Desk::new(&format!("[forward]\ncallback_url = \"{url}\"\nsecret = \"{}\"\n", secret()));
        let output = desk.command().args(["config", "check"]).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(
            !output.status.success()
                && said.contains("forward.callback_url")
                && said.contains("allow_private"),
            "{url}: {said}"
        );
        assert!(!said.contains(&secret()), "{said}");
    }
    let desk = Desk::new("[forward]\ncallback_url = \"https://crm.example.com/x\"\n");
    let output = desk.command().args(["config", "check"]).output().unwrap();
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("secret"),
        "{output:?}"
    );
}

#[test]
fn no_log_shows_a_text_the_secret_or_the_address_that_is_told() {
    for format in ["text", "json"] {
        let receiver = Receiver::new(&[Mood::Fail(500), Mood::Drop]);
        let desk = Desk::new(&settings(receiver.port, ""));
        let log = desk.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let server = desk.http(|command| {
            command.args(["--log", "trace", "--log-format", format]).env("RUST_LOG", "trace").stderr(file);
        });
        send(&server, &fictional(1), "canary-text");
        send(&server, "+12025550111", "canary-text"); // What comes after an event that failed waits.
        receiver.taken(1);
        drop(server);
        let log = std::fs::read_to_string(log).unwrap();
        assert!(
            log.contains("webhook event delivered") || log.contains("webhook event not delivered yet"),
            "{log}"
        );
        for canary in ["canary-text", &secret()[6..], "sms-events", &fictional(1)] {
            assert!(!log.contains(canary), "{canary} in {log}");
        }
    }
}
