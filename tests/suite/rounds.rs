//! A person who is asked through their client (input rounds of 2026-07-28): the client opens the page for its user, and
//! whatever it says of that, the row decides.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::approvers::Scene;
use crate::support::{Desk, Era, eventually};
use crate::wire::{RawStdio, meta, post, said, stateless_headers};

const RULES: &str = "[approval]\neverything = true\n[send]\nbulk_wait = \"1s\"\n";
const TO: &str = "+33199000101";
const OTHER: &str = "+33199000102";

/// What a client says that can open an address.
fn can_open() -> Value {
    let mut meta = meta(Era::Stateless).unwrap();
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": { "url": {} } });
    meta
}

/// A server over stdio with a client that can open an address.
struct Client {
    server: RawStdio,
    asked: u64,
}

impl Client {
    fn of(desk: &Desk) -> Self {
        Self { server: RawStdio::start(desk, Era::Stateless, |_| {}), asked: 0 }
    }

    /// Sends a call, and returns its number.
    fn begin(&mut self, tool: &str, arguments: &Value, more: &Value) -> u64 {
        self.asked += 1;
        let mut params = json!({ "name": tool, "arguments": arguments, "_meta": can_open() });
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        let call = json!({ "jsonrpc": "2.0", "id": self.asked, "method": "tools/call", "params": params });
        self.server.send(&serde_json::to_vec(&call).unwrap());
        self.asked
    }

    fn end(&mut self, asked: u64) -> Value {
        self.server.answer_to(asked, &mut Vec::new())
    }

    fn call(&mut self, tool: &str, arguments: &Value, more: &Value) -> Value {
        let asked = self.begin(tool, arguments, more);
        self.end(asked)
    }

    /// Has a text wait for a person, and returns the round.
    fn propose(&mut self, tool: &str, arguments: &Value) -> Value {
        let asked = self.call(tool, arguments, &json!({}));
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        asked["result"].clone()
    }
}

fn back(round: &Value, action: &str) -> Value {
    json!({ "requestState": round["requestState"], "inputResponses": { "approve": { "action": action } } })
}

/// The proposal that a round's address names.
fn proposal(round: &Value) -> String {
    let url = round["inputRequests"]["approve"]["params"]["url"].as_str().unwrap();
    url.rsplit_once("/approve/").unwrap_or_else(|| panic!("{url}")).1.to_owned()
}

#[test]
fn a_client_opens_the_page_and_the_repeated_call_is_answered_by_what_the_approver_decided() {
    let scene = Scene::new(RULES);
    let mut client = Client::of(&scene.desk);
    for (tool, arguments, texts) in [
        ("send_sms", json!({ "to": TO, "message": "Your table is booked for 7 pm." }), 1),
        (
            "send_bulk",
            json!({ "recipients": [{ "to": TO }, { "to": OTHER }], "message": "Closed today." }),
            2,
        ),
    ] {
        let before = scene.desk.sent().len();
        let round = client.propose(tool, &arguments);
        let asked = &round["inputRequests"]["approve"];
        assert_eq!(
            (&asked["method"], &asked["params"]["mode"]),
            (&json!("elicitation/create"), &json!("url"))
        );
        let (url, message) =
            (asked["params"]["url"].as_str().unwrap(), asked["params"]["message"].to_string());
        assert!(url.starts_with("http://127.0.0.1:") && !url.contains("199000"), "{url}");
        assert!(
            message.contains("for an approver, at most") && message.contains("decides nothing"),
            "{message}"
        );

        let repeated = client.begin(tool, &arguments, &back(&round, "accept"));
        let approved = scene.approved(&["approvals", "approve", &proposal(&round)]);
        assert_eq!(approved.code, 0, "{approved:?}");
        let answer = said(&client.end(repeated)).unwrap();
        assert_eq!(answer["approval"]["decision"], "approved", "{answer}");
        assert_ne!(answer["status"], "approval_required", "{answer}");
        eventually("what was approved left", || scene.desk.sent().len() == before + texts);
    }
}

#[test]
fn whatever_a_client_says_of_a_round_nothing_leaves_without_the_approver() {
    let scene = Scene::new(RULES);
    let mut client = Client::of(&scene.desk);
    let mut tried = 0;
    for (action, word) in
        [("accept", "Nobody has decided yet"), ("decline", "not opened"), ("cancel", "not opened")]
    {
        let arguments = json!({ "to": TO, "message": format!("Do {action} this please.") });
        let round = client.propose("send_sms", &arguments);
        let id =
            said(&client.call("list_sms", &json!({ "limit": 1 }), &json!({}))).unwrap()["messages"][0]["id"]
                .clone();
        let answer = said(&client.call("send_sms", &arguments, &back(&round, action))).unwrap();
        assert_eq!((&answer["status"], &answer["id"]), (&json!("approval_required"), &id), "{answer}");
        assert!(answer["warnings"].to_string().contains(word), "{answer}");
        // A round counts once.
        let again = client.call("send_sms", &arguments, &back(&round, action));
        let again = said(&again).unwrap();
        assert!(again["message"].as_str().unwrap().contains("used before"), "{again}");
        tried += 2;
    }
    // Of another call, of nobody, forged, or without its state.
    let arguments = json!({ "to": TO, "message": "A fourth text." });
    let round = client.propose("send_sms", &arguments);
    let state = round["requestState"].as_str().unwrap();
    let mut bent = state.to_owned();
    let last = if bent.pop() == Some('A') { 'B' } else { 'A' };
    bent.push(last);
    let other = |to: &str, message: &str| json!({ "to": to, "message": message });
    let accept = back(&round, "accept");
    for (tool, arguments, more) in [
        ("send_sms", other(OTHER, "A fourth text."), accept.clone()),
        ("send_sms", other(TO, "Another text."), accept.clone()),
        ("send_sms", json!({ "to": TO, "message": "A fourth text.", "from": "ACME" }), accept.clone()),
        ("send_bulk", json!({ "recipients": [{ "to": TO }], "message": "A fourth text." }), accept.clone()),
        ("get_balance", json!({}), accept.clone()),
        ("send_sms", arguments.clone(), json!({ "requestState": bent })),
        ("send_sms", arguments.clone(), json!({ "requestState": "" })),
        ("send_sms", arguments.clone(), json!({ "requestState": proposal(&round) })),
        ("send_sms", arguments.clone(), json!({ "inputResponses": { "approve": { "action": "accept" } } })),
    ] {
        let answer = client.call(tool, &arguments, &more);
        assert_eq!(answer["error"]["code"], -32602, "{tool} {arguments}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("has sent nothing"), "{answer}");
        tried += 1;
    }
    // None of these was a new text, and the round still counts for the call that it is of.
    let listed = said(&client.call("list_sms", &json!({}), &json!({}))).unwrap();
    assert_eq!(listed["messages"].as_array().unwrap().len(), 4, "{listed}");
    let refused = scene.run(&["approvals", "refuse", &proposal(&round), "--why", "wrong day"]);
    assert_eq!(refused.code, 0, "{refused:?}");
    let answer = said(&client.call("send_sms", &arguments, &accept)).unwrap();
    assert_eq!(answer["code"], "approval_refused", "{answer}");
    assert!(scene.desk.sent().is_empty());
    eprintln!("{} tries by rounds, 0 texts", tried + 1);
}

#[test]
fn a_round_is_its_principals_alone() {
    let scene = Scene::new(&format!("{RULES}[http]\ntoken = \"s3cret-of-somebody-else\"\n"));
    let mut client = Client::of(&scene.desk);
    let arguments = json!({ "to": TO, "message": "Only who asked comes back." });
    let round = client.propose("send_sms", &arguments);
    // The agent of the bearer token is another principal on the same ledger, with the same key.
    let server = scene.desk.http(|_| {});
    let mut params = back(&round, "accept");
    (params["name"], params["arguments"], params["_meta"]) =
        ("send_sms".into(), arguments.clone(), can_open());
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let bearer = ("Authorization", "Bearer s3cret-of-somebody-else");
    let headers: Vec<_> = stateless_headers("send_sms").into_iter().chain([bearer]).collect();
    let others = post(server.port, &headers, &serde_json::to_vec(&call).unwrap()).json().unwrap();
    assert_eq!(others["error"]["code"], -32602, "{others}");
    let own = said(&client.call("send_sms", &arguments, &back(&round, "decline"))).unwrap();
    assert_eq!(own["status"], "approval_required", "{own}");
    assert!(scene.desk.sent().is_empty());
}

#[test]
fn a_client_that_cannot_open_an_address_or_a_server_without_a_page_gives_the_plain_answer() {
    let scene = Scene::new(RULES);
    let mut client = Client::of(&scene.desk);
    let plain = meta(Era::Stateless).unwrap();
    let mut form = plain.clone();
    form["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": { "form": {} } });
    for (index, meta) in [plain, form].into_iter().enumerate() {
        let arguments = json!({ "to": TO, "message": format!("Plain text number {index} of this.") });
        let answer = said(&client.call("send_sms", &arguments, &json!({ "_meta": meta }))).unwrap();
        assert_eq!(answer["status"], "approval_required", "{answer}");
    }
    let without =
        Scene::new(&format!("{RULES}\n").replace("everything = true", "everything = true\nlisten = \"off\""));
    let mut client = Client::of(&without.desk);
    let arguments = json!({ "to": TO, "message": "No page here." });
    let answer = said(&client.call("send_sms", &arguments, &json!({}))).unwrap();
    assert_eq!(answer["status"], "approval_required", "{answer}");
}
