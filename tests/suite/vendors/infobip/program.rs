//! The program before Infobip, where answers are lost after it took the text: over a kill and a restart each
//! text is there once, what is looked up by our reference settles it, and a look that finds nothing sends
//! nothing.

use std::io::Write as _;

use serde_json::{Value, json};

use super::{KEY, PUBLIC};
use crate::fake::infobip::{FROM, Infobip};
use crate::fake::{Fake, Fault};
use crate::support::{Desk, Era, WIDE, eventually, fictional};
use crate::wire::{RawStdio, connect, post, read_reply, stateless_headers, tool_call};

fn desk(fake: &Fake<Infobip>) -> Desk {
    Desk::new(&format!(
        "{WIDE}currency = \"EUR\"\nprice_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n\
         [[provider]]\nkind = \"infobip\"\nbase_url = \"{}\"\napi_key = \"{KEY}\"\nfrom = \"+{FROM}\"\n",
        fake.url()
    ))
}

fn sends(fake: &Fake<Infobip>) -> usize {
    fake.requests().iter().filter(|request| request.path == "/sms/3/messages").count()
}

struct Agent {
    server: RawStdio,
    next: u64,
}

impl Agent {
    fn start(desk: &Desk) -> Self {
        Self { server: RawStdio::start(desk, Era::Stateless, |_| {}), next: 0 }
    }

    fn ask(&mut self, tool: &str, arguments: &Value) {
        self.next += 1;
        self.server.send(&tool_call(Era::Stateless, self.next, tool, arguments));
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.ask(tool, arguments);
        let answer = self.server.answer_to(self.next, &mut Vec::new());
        match &answer["result"]["structuredContent"] {
            Value::Null => {
                serde_json::from_str(answer["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
            }
            content => content.clone(),
        }
    }

    fn states(&mut self) -> Vec<String> {
        let list = self.call("list_sms", &json!({}));
        let state = |message: &Value| message["status"].as_str().unwrap().to_owned();
        list["messages"].as_array().unwrap().iter().map(state).collect()
    }

    fn held(&mut self) -> String {
        self.call("get_balance", &json!({}))["budgets"][0]["held"].as_str().unwrap().to_owned()
    }
}

fn one(n: usize) -> Value {
    json!({ "to": fictional(n), "message": "hello", "idempotency_key": format!("k{n}") })
}

#[test]
fn a_lost_answer_is_settled_by_the_servers_own_look_with_what_the_text_cost() {
    let fake = Fake::start(Infobip::default());
    let desk = desk(&fake);
    let mut agent = Agent::start(&desk);
    fake.fail(Fault::DropAfterAccept);
    let lost = agent.call("send_sms", &one(1));
    assert_eq!(lost["code"], "outcome_unknown", "{lost}");
    let bulk = json!({ "recipients": (2..=4).map(|n| json!({ "to": fictional(n) })).collect::<Vec<_>>(),
        "message": "hello all" });
    agent.call("send_bulk", &bulk);
    fake.fail(Fault::None);
    eventually("each is settled", || agent.states() == ["delivered"; 4]);
    assert_eq!(agent.held(), "0.00");
    let again = agent.call("send_sms", &one(1));
    assert_eq!(
        (&again["status"], &again["price"]["amount"]),
        (&json!("delivered"), &json!("0.0512")),
        "{again}"
    );
    assert_eq!(sends(&fake), 2);
    assert_eq!(fake.vendor().recipients(), (1..=4).map(fictional).collect::<Vec<_>>());
}

#[test]
fn a_text_of_a_server_that_was_killed_is_found_by_our_reference_and_a_miss_sends_nothing() {
    let fake = Fake::start(Infobip::default());
    let desk = desk(&fake);
    let mut agent = Agent::start(&desk);
    fake.hold();
    agent.ask("send_sms", &one(1));
    eventually("it is handed over", || sends(&fake) == 1);
    drop(agent);
    fake.release();
    eventually("the vendor took it", || fake.vendor().messages.len() == 1);
    let mut agent = Agent::start(&desk);
    assert_eq!(agent.states(), ["unknown"]);
    assert_eq!(
        (agent.call("send_sms", &one(1))["code"].as_str(), agent.held().as_str()),
        (Some("outcome_unknown"), "0.10")
    );
    // The log is late: that it has nothing says nothing.
    fake.vendor().lags = true;
    let missed = desk.run(&["reconcile"]);
    assert!(
        missed.out.contains("0 settled, 1 still unknown")
            && missed.err.contains("does not prove that it has none"),
        "{missed:?}"
    );
    fake.fail(Fault::Status(503, json!({})));
    let down = desk.run(&["reconcile"]);
    fake.fail(Fault::None);
    assert!(
        down.out.contains("0 settled, 1 still unknown") && down.err.contains("cannot be asked now"),
        "{down:?}"
    );
    fake.vendor().lags = false;
    // Under our reference, and to somebody else: not this one.
    let real = std::mem::replace(&mut fake.vendor().messages[0].to, "33199009999".to_owned());
    assert!(desk.run(&["reconcile"]).out.contains("0 settled, 1 still unknown"));
    fake.vendor().messages[0].to = real;
    assert_eq!(agent.held(), "0.10");
    let found = desk.run(&["reconcile"]);
    assert!(found.out.contains("1 settled, 0 still unknown"), "{found:?}");
    assert_eq!((agent.states(), agent.held()), (vec!["delivered".to_owned()], "0.00".to_owned()));
    drop(agent);
    let mut agent = Agent::start(&desk);
    let again = agent.call("send_sms", &one(1));
    assert_eq!(
        (&again["status"], &again["price"]["amount"]),
        (&json!("delivered"), &json!("0.0512")),
        "{again}"
    );
    assert_eq!((sends(&fake), fake.vendor().recipients()), (1, vec![fictional(1)]));
}

#[test]
fn a_report_at_the_texts_own_address_settles_it_by_a_look_and_says_nothing_itself() {
    let fake = Fake::start(Infobip::default());
    let desk = desk(&fake);
    let server = desk.http(|_| {});
    let ask = |tool: &str, arguments: Value| -> Value {
        let body = tool_call(Era::Stateless, 1, tool, &arguments);
        post(server.port, &stateless_headers(tool), &body).json().unwrap()["result"].clone()
    };
    let sent = ask("send_sms", one(1))["structuredContent"].clone();
    let id = sent["id"].as_str().unwrap().to_owned();
    assert_eq!((sent["status"].as_str(), sent["provider_message_id"].as_str()), (Some("sent"), Some(&*id)));
    let taken = fake.vendor().messages[0].clone();
    let tell = |address: &str, status: (u64, u64)| {
        let message = crate::fake::infobip::Message { status, ..taken.clone() };
        let body = json!({ "results": [Infobip::shown(&message)] }).to_string();
        let path = address.strip_prefix(PUBLIC).unwrap();
        let mut stream = connect(server.port);
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: sms.example.com\r\nContent-Type: application/json\r\n\
             Connection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        read_reply(&mut stream).expect("an answer").status
    };
    let address = taken.report_url.as_deref().unwrap();
    assert_eq!(tell(&format!("{address}0"), (3, 5)), 404, "a token that is none");
    // It says "delivered", and the log says that it failed: the log counts.
    fake.vendor().fate = (2, 9);
    assert_eq!(tell(address, (3, 5)), 204);
    let state = || ask("list_sms", json!({}))["structuredContent"]["messages"][0]["status"].clone();
    eventually("the log is asked", || state() == json!("failed"));
    assert_eq!(sends(&fake), 1);
}
