//! What people write who want no more texts, told by gateways to the program itself: each STOP counts, whatever else
//! is wrong with what told it.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};

use super::hooks::{HOOK, ask, sign, token};
use super::{KEY, example};
use crate::fake::Fake;
use crate::fake::gateway::Gateway;
use crate::fake::presets::{self as vendor, SECRET};
use crate::support::{Desk, WIDE, fictional};
use crate::wire::{connect, read_reply};

#[test]
fn a_stop_whose_time_is_the_digits_of_a_date_stops_its_sender() {
    const PUBLIC: &str = "https://sms.example.com";
    let fake = Fake::start(Gateway::default());
    let own = example(&fake.url(), &format!("\"{KEY}\""));
    let desk = Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n[[provider]]\nkind = \"http\"\n{own}"
    ));
    let server = desk.http(|_| {});
    let path = hook_of(&desk);
    for (n, at) in [(1, "202611280330"), (2, "20261128033000")] {
        assert_eq!(send(server.port, n, "before")["status"], "sent");
        let body = json!({ "event": "text", "id": format!("in-{n}"), "from": fictional(n), "to": "+33199000009",
            "text": "STOP", "at": at });
        let time = (SystemClock.now().as_millis() / 1_000).to_string();
        let signed = sign(&time, &body.to_string());
        let headers = format!("X-Signature: {signed}\r\nX-Timestamp: {time}\r\n");
        assert!((200..=204).contains(&post_to(server.port, &path, &headers, &body)));
        assert_eq!(send(server.port, n, "after")["code"], "opted_out", "{at}");
    }
}

/// The path of the address for texts of people.
fn hook_of(desk: &Desk) -> String {
    let address = desk.run(&["provider", "http", "webhook-url"]).json();
    address["url"].as_str().unwrap().strip_prefix("https://sms.example.com").unwrap().to_owned()
}

/// Tells the server that listens at this port, and returns the status of its answer.
fn post_to(port: u16, path: &str, headers: &str, body: &Value) -> u16 {
    let body = body.to_string();
    let mut stream = connect(port);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: sms.example.com\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    read_reply(&mut stream).expect("an answer").status
}

/// Sends a text to this person, once for each of these words.
fn send(port: u16, n: usize, once: &str) -> Value {
    let key = format!("{once} {n}");
    ask(port, "send_sms", json!({ "to": fictional(n), "message": "hello", "idempotency_key": key }))
}

#[test]
fn words_that_nobody_proved_stop_their_sender_and_wait_for_a_person_to_lift_that() {
    const PUBLIC: &str = "https://sms.example.com";
    let fake = Fake::start(vendor::HttpSms::default());
    let desk = Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n[[provider]]\nkind = \"http\"\npreset = \
         \"httpsms\"\nbase_url = \"{}/v1\"\nsecret = \"{SECRET}\"\nwebhook_secret = \"{HOOK}\"\nfrom = \"+15557654321\"\n",
        fake.url()
    ));
    let server = desk.http(|_| {});
    let path = hook_of(&desk);
    assert_eq!(send(server.port, 1, "before")["status"], "sent");
    let tell = |id: &str, text: &str| {
        let now = SystemClock.now().as_millis() / 1_000;
        let claims = json!({ "iss": "api.httpsms.com", "aud": format!("{PUBLIC}{path}"), "exp": now + 600, "iat": now });
        let headers = format!("Authorization: Bearer {}\r\n", token(&claims, HOOK));
        let body = json!({ "id": id, "type": "message.phone.received", "data": { "message_id": id,
            "owner": "+15557654321", "contact": fictional(1), "content": text } });
        assert_eq!(post_to(server.port, &path, &headers, &body), 200, "{text}");
    };
    tell("m-1", "STOP");
    assert_eq!(send(server.port, 1, "stopped")["code"], "opted_out");
    tell("m-2", "START");
    assert_eq!(send(server.port, 1, "still stopped")["code"], "opted_out");
    let waiting = desk.run(&["opt-out", "pending"]).out;
    assert!(waiting.contains("start") && waiting.contains(&fictional(1)), "{waiting}");
}

#[test]
fn the_log_says_of_which_provider_a_part_of_a_webhook_could_not_be_read() {
    let right = STANDARD.encode(format!("sms-mcp:{HOOK}"));
    let desk = Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"https://sms.example.com\"\n[[provider]]\nkind = \
         \"http\"\nname = \"band\"\npreset = \"bandwidth\"\n\
         base_url = \"http://127.0.0.1:9/api/v2\"\nuser = \"u\"\nsecret = \"{SECRET}\"\nwebhook_secret = \"{HOOK}\"\n\
         from = \"+15557654321\"\nvalues = {{ account = \"9900000\", application = \"a\" }}\n"
    ));
    let log = desk.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let server = desk.http(|command| {
        command.args(["--log-format", "json"]).stderr(file);
    });
    let address = desk.run(&["provider", "band", "webhook-url"]).json();
    let path = address["url"].as_str().unwrap().strip_prefix("https://sms.example.com").unwrap().to_owned();
    let text = |from: Value| json!({ "type": "message-received", "to": "+15557654321", "message": { "id": "m-1", "from": from, "text": "hi" } });
    let body = json!([text(Value::Null), text(json!("+15551230000"))]);
    assert_eq!(post_to(server.port, &path, &format!("Authorization: Basic {right}\r\n"), &body), 200);
    drop(server);
    let log = std::fs::read_to_string(log).unwrap();
    let line = log.lines().find(|line| line.contains("part of a webhook does not parse")).expect(&log);
    assert!(line.contains("\"provider\":\"band\""), "{line}");
}
