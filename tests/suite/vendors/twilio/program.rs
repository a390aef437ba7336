//! The program before Twilio: an answer that is lost after Twilio took the text, and what settles it.

use std::io::Write as _;

use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::provider::settings::Callback;

use super::hooks::sign;
use crate::fake::twilio::{ACCOUNT, FROM, TOKEN, Twilio};
use crate::fake::{Fake, Fault};
use crate::support::{Desk, Era, HttpServer, WIDE, fictional};
use crate::wire::{Reply, connect, post, read_reply, stateless_headers, tool_call};

const PUBLIC: &str = "https://sms.example.com";

fn desk(fake: &Fake<Twilio>) -> Desk {
    Desk::new(&format!(
        "{WIDE}price_when_unknown = \"0.10\"\n[rates]\n\"+33\" = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n\
         [[provider]]\nkind = \"twilio\"\nbase_url = \"{}/2010-04-01\"\naccount_sid = \"{ACCOUNT}\"\n\
         auth_token = \"{TOKEN}\"\nfrom = \"{FROM}\"\n",
        fake.url()
    ))
}

/// A request as Twilio makes it to this address, signed with this token.
fn told(server: &HttpServer, address: &str, token: &str, form: &str) -> Reply {
    // What follows the `#` is for Twilio alone.
    let url = address.split('#').next().unwrap();
    let path = url.strip_prefix(PUBLIC).unwrap();
    let mut stream = connect(server.port);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: inside.example.net:8080\r\nX-Twilio-Signature: {}\r\nConnection: \
         close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        sign(token, url, form),
        form.len()
    );
    stream.write_all(format!("{head}{form}").as_bytes()).unwrap();
    read_reply(&mut stream).expect("an answer")
}

fn ask(server: &HttpServer, tool: &str, arguments: Value) -> Value {
    let body = tool_call(Era::Stateless, 1, tool, &arguments);
    let answer = post(server.port, &stateless_headers(tool), &body).json().unwrap();
    let result = &answer["result"];
    match &result["structuredContent"] {
        Value::Null => serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap(),
        content => content.clone(),
    }
}

#[test]
fn a_text_whose_answer_was_lost_is_one_text_and_is_settled_by_its_signed_report() {
    for state in ["sent", "delivered", "undelivered"] {
        let fake = Fake::start(Twilio { fate: (state, Value::Null), ..Twilio::default() });
        let desk = desk(&fake);
        let log = desk.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let server = desk.http(|command| {
            command.args(["--log", "trace"]).env("RUST_LOG", "trace").stderr(file);
        });
        fake.fail(Fault::DropAfterAccept);
        let send = json!({ "to": fictional(1), "message": "canary-text", "idempotency_key": "k" });
        let lost = ask(&server, "send_sms", send.clone());
        fake.fail(Fault::None);
        assert_eq!(lost["code"], "outcome_unknown", "{lost}");
        let id = lost["id"].as_str().unwrap_or_else(|| panic!("{lost}"));
        let status = || ask(&server, "get_status", json!({ "id": id }))["message"].clone();
        assert_eq!(status()["status"], "unknown");
        let taken = fake.vendor().messages[0].clone();
        let address = taken.callback.unwrap();
        assert!(address.contains(&format!("?m={id}#")), "{address}");
        let form = format!(
            "MessageSid={}&MessageStatus={state}&To=%2B33199000001&From=%2B15017122661&ErrorCode=30034",
            taken.sid
        );
        // Nobody else's word counts, nor Twilio's about another message.
        assert_eq!(told(&server, &address, "another token", &form).status, 401);
        assert_eq!(told(&server, &address.replace("?m=", "0?m="), TOKEN, &form).status, 404);
        assert_eq!(status()["status"], "unknown");
        assert_eq!(told(&server, &address, TOKEN, &form).status, 204);
        let shown = status();
        let expected = if state == "undelivered" { "failed" } else { state };
        assert_eq!(shown["status"], expected, "{shown}");
        assert_eq!(shown["provider_message_id"], json!(taken.sid), "{shown}");
        let told_why = shown["reason_untrusted"].as_str().unwrap_or_default();
        assert_eq!(told_why.starts_with("30034: "), state == "undelivered", "{shown}");
        // The same call is not another text.
        ask(&server, "send_sms", send);
        assert_eq!(fake.vendor().messages.len(), 1);
        // Of one whose answer came, the log says why it was not delivered.
        ask(&server, "send_sms", json!({ "to": fictional(2), "message": "canary-text" }));
        let other = fake.vendor().messages[1].clone();
        let form = format!("MessageSid={}&MessageStatus=undelivered&ErrorCode=30034", other.sid);
        assert_eq!(told(&server, &other.callback.unwrap(), TOKEN, &form).status, 204);
        drop(server);
        let log = std::fs::read_to_string(&log).unwrap();
        assert!(log.contains("webhook read"), "the log was on: {log}");
        let said = log.lines().find(|line| line.contains("not delivered, with a code that is known"));
        assert!(said.is_some_and(|line| line.contains("30034: The US number that sends")), "{log}");
        let token = address.split('/').next_back().unwrap().split('?').next().unwrap();
        for canary in ["canary", TOKEN, ACCOUNT, "3319900", token] {
            assert!(!log.contains(canary), "{canary} in {log}");
        }
    }
}

#[test]
fn what_the_list_has_settles_it_and_what_it_does_not_have_proves_nothing() {
    let fake = Fake::start(Twilio::default());
    let desk = desk(&fake);
    fake.fail_once(Fault::DropAfterAccept);
    let send = ["send", "--idempotency-key", "k", &fictional(1), "hello"];
    assert_eq!(desk.run(&send).code, 3);
    // Twilio's list lags: nothing is released, and nothing is sent again.
    fake.vendor().lags = true;
    let looked = desk.run(&["reconcile"]);
    assert!(looked.out.contains("0 settled, 1 still unknown"), "{looked:?}");
    assert_eq!(desk.run(&send).code, 3);
    assert!(desk.run(&["balance"]).out.contains("0.10"), "its money stays held");
    fake.vendor().lags = false;
    let looked = desk.run(&["reconcile"]);
    assert!(looked.out.contains("1 settled, 0 still unknown"), "{looked:?}");
    let listed = desk.run(&["list", "--json"]).json();
    assert_eq!(listed["messages"][0]["status"], "sent", "{listed}");
    assert_eq!(fake.vendor().messages.len(), 1);
    let sends = fake.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(sends, 1);
}

/// The path for what people write, as `provider twilio webhook-url` tells it.
async fn address(desk: &Desk) -> String {
    let store = SqliteLedger::open(&desk.ledger(), SystemClock.now(), [9; 8]).unwrap();
    let key = store.key("webhook", [0; 32]).await.unwrap();
    store.close().await.unwrap();
    Callback::new(PUBLIC, "twilio", key).url(None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_the_messaging_service_took_stops_texts_here_and_a_refusal_of_it_is_told_in_words() {
    let fake = Fake::start(Twilio::default());
    let desk = desk(&fake);
    let server = desk.http(|_| {});
    let address = address(&desk).await;
    let form = "MessageSid=SM1&SmsStatus=received&From=%2B33199000001&To=%2B15017122661&Body=Arr%C3%AAtez\
                &OptOutType=STOP";
    assert_eq!(told(&server, &address, TOKEN, form).status, 204);
    let send = |n| ask(&server, "send_sms", json!({ "to": fictional(n), "message": "hello" }));
    assert_eq!(send(1)["code"], "opted_out");
    assert!(fake.vendor().messages.is_empty());
    // Whom Twilio alone knows to have said so.
    fake.vendor().opted_out.insert(fictional(2));
    let refused = send(2);
    assert_eq!(refused["code"], "opted_out", "{refused}");
    assert!(refused.to_string().contains("21610: This person answered STOP"), "{refused}");
    drop(server);
}
