//! The program before a phone, where answers are lost after it took the text: over a kill and a restart each
//! text is there once, and what is looked up by our reference, or told by a signed report, settles it.

use std::io::Write as _;

use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};

use super::hooks::sign;
use super::{PUBLIC, SIGNING};
use crate::fake::sms_gateway::{PASSWORD, SmsGateway, USER};
use crate::fake::{Fake, Fault};
use crate::support::{Desk, Era, WIDE, eventually, fictional};
use crate::wire::{connect, post, read_reply, stateless_headers, tool_call};

fn desk(fake: &Fake<SmsGateway>) -> Desk {
    Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n[[provider]]\n\
         kind = \"sms_gateway\"\nbase_url = \"{}\"\nuser = \"{USER}\"\npassword = \"{PASSWORD}\"\n\
         signing_key = \"{SIGNING}\"\n[provider.rate]\nper_minute = 6000\n",
        fake.url()
    ))
}

fn sends(fake: &Fake<SmsGateway>) -> usize {
    let is_send = |request: &&crate::fake::Seen| request.method == "POST" && request.path == "/messages";
    fake.requests().iter().filter(is_send).count()
}

fn ask(port: u16, tool: &str, arguments: &Value) -> Value {
    let body = tool_call(Era::Stateless, 1, tool, arguments);
    let answer = post(port, &stateless_headers(tool), &body).json().unwrap();
    let result = &answer["result"];
    match &result["structuredContent"] {
        Value::Null => serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap(),
        content => content.clone(),
    }
}

fn one(n: usize) -> Value {
    json!({ "to": fictional(n), "message": "hello", "idempotency_key": format!("k{n}") })
}

#[test]
fn lost_answers_are_settled_by_a_look_and_by_a_signed_report_over_a_kill_and_each_is_one_text() {
    let fake = Fake::start(SmsGateway::default());
    let desk = desk(&fake);
    let server = desk.http(|_| {});
    fake.fail(Fault::DropAfterAccept);
    let lost = ask(server.port, "send_sms", &one(1));
    fake.fail(Fault::None);
    assert_eq!(lost["code"], "outcome_unknown", "{lost}");
    // The second one is on its way when the server is killed.
    fake.hold();
    let body = tool_call(Era::Stateless, 1, "send_sms", &one(2));
    let mut stream = connect(server.port);
    let head = crate::wire::head(server.port, &stateless_headers("send_sms"), body.len());
    stream.write_all(&[head, body].concat()).unwrap();
    eventually("it is handed over", || sends(&fake) == 2);
    server.kill();
    fake.vendor().lags = true;
    fake.release();
    eventually("the phone took it", || fake.vendor().messages.len() == 2);
    let server = desk.http(|_| {});
    let states = || {
        let list = ask(server.port, "list_sms", &json!({}));
        let state = |message: &Value| message["status"].as_str().unwrap().to_owned();
        list["messages"].as_array().unwrap().iter().map(state).collect::<Vec<_>>()
    };
    let missed = desk.run(&["reconcile"]);
    assert!(missed.out.contains("0 settled, 2 still unknown"), "{missed:?}");
    assert_eq!(states(), ["unknown", "unknown"]);
    // The second one's report comes, and the first one is looked up.
    let second = fake.vendor().messages[1].clone();
    let payload =
        json!({ "messageId": second.id, "phoneNumber": second.to, "deliveredAt": "2026-11-22T10:15:00Z" });
    let body = json!({ "event": "sms:delivered", "id": "e-1", "payload": payload }).to_string();
    let address = desk.run(&["provider", "sms_gateway", "webhook-url"]).json();
    let path = address["url"].as_str().unwrap().strip_prefix(PUBLIC).unwrap().to_owned();
    let tell = |signature: &str, time: i64| {
        let mut stream = connect(server.port);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: sms.example.com\r\nX-Signature: {signature}\r\nX-Timestamp: \
             {time}\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        read_reply(&mut stream).expect("an answer").status
    };
    let time = SystemClock.now().as_millis() / 1_000;
    assert_eq!(tell(&sign(time + 1, &body), time), 401);
    assert_eq!(states(), ["unknown", "unknown"]);
    assert_eq!(tell(&sign(time, &body), time), 204);
    fake.vendor().lags = false;
    eventually("both are settled", || states() == ["delivered", "delivered"]);
    let budget = ask(server.port, "get_balance", &json!({}));
    let day = &budget["budgets"][0];
    assert_eq!((&day["held"], &day["spent"]), (&json!("0.00"), &json!("0.00")), "{budget}");
    for n in [1, 2] {
        assert_eq!(ask(server.port, "send_sms", &one(n))["status"], "delivered");
    }
    assert_eq!((sends(&fake), fake.vendor().recipients()), (2, vec![fictional(1), fictional(2)]));
}

#[test]
fn a_text_of_a_server_that_was_killed_is_found_by_our_reference() {
    let fake = Fake::start(SmsGateway::default());
    let desk = desk(&fake);
    let server = desk.http(|_| {});
    fake.hold();
    let body = tool_call(Era::Stateless, 1, "send_sms", &one(1));
    let mut stream = connect(server.port);
    let head = crate::wire::head(server.port, &stateless_headers("send_sms"), body.len());
    stream.write_all(&[head, body].concat()).unwrap();
    eventually("it is handed over", || sends(&fake) == 1);
    server.kill();
    fake.release();
    eventually("the phone took it", || fake.vendor().messages.len() == 1);
    let found = desk.run(&["reconcile"]);
    assert!(found.out.contains("1 settled, 0 still unknown"), "{found:?}");
    let list = desk.run(&["list", "--json"]).json();
    assert_eq!(list["messages"][0]["status"], "delivered", "{list}");
    assert_eq!((sends(&fake), fake.vendor().messages.len()), (1, 1));
}
