//! The program before Vonage: an answer that is lost after Vonage took the text, what its segments cost, and
//! what a person writes in several segments while the program is killed in between.

use std::io::Write as _;

use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::provider::settings::Callback;

use super::hooks::signed;
use crate::fake::vonage::{FROM, KEY, SECRET, SIGNATURE, Vonage};
use crate::fake::{Fake, Fault};
use crate::support::{Desk, Era, HttpServer, WIDE, fictional, found};
use crate::wire::{connect, post, read_reply, stateless_headers, tool_call};

const PUBLIC: &str = "https://sms.example.com";

fn desk(fake: &Fake<Vonage>, more: &str) -> Desk {
    let url = fake.url();
    Desk::new(&format!(
        "{WIDE}currency = \"EUR\"\nprice_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n\
         [[provider]]\nkind = \"vonage\"\nbase_url = \"{url}\"\napi_url = \"{url}\"\napi_key = \"{KEY}\"\n\
         api_secret = \"{SECRET}\"\nsignature_secret = \"{SIGNATURE}\"\nfrom = \"{FROM}\"\n{more}\n"
    ))
}

/// A request as Vonage makes it to this address: a GET with these fields, signed with this secret now.
fn told(server: &HttpServer, address: &str, secret: &str, fields: &[(&str, &str)]) -> u16 {
    let fields = signed(secret, SystemClock.now().as_millis() / 1_000, fields);
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let path = address.strip_prefix(PUBLIC).unwrap();
    let mut stream = connect(server.port);
    let head =
        format!("GET {path}?{query} HTTP/1.1\r\nHost: inside.example.net:8080\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    read_reply(&mut stream).expect("an answer").status
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

fn status(server: &HttpServer, id: &str) -> Value {
    ask(server, "get_status", json!({ "id": id }))["message"].clone()
}

/// The address for receipts and replies, as `provider vonage webhook-url` tells it.
async fn address(desk: &Desk) -> String {
    let store = SqliteLedger::open(&desk.ledger(), SystemClock.now(), [9; 8]).unwrap();
    let key = store.key("webhook", [0; 32]).await.unwrap();
    store.close().await.unwrap();
    Callback::new(PUBLIC, "vonage", key).url(None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_whose_answer_was_lost_is_one_text_and_is_settled_by_its_signed_receipt_after_a_kill() {
    for (state, code, expected) in
        [("accepted", "0", "sent"), ("delivered", "0", "delivered"), ("failed", "6", "failed")]
    {
        let fake = Fake::start(Vonage::default());
        let desk = desk(&fake, "");
        let server = desk.http(|_| {});
        fake.fail(Fault::DropAfterAccept);
        let send = json!({ "to": fictional(1), "message": "canary-text", "idempotency_key": "k" });
        let lost = ask(&server, "send_sms", send.clone());
        fake.fail(Fault::None);
        assert_eq!(lost["code"], "outcome_unknown", "{lost}");
        let id = lost["id"].as_str().unwrap_or_else(|| panic!("{lost}"));
        server.kill();
        let address = address(&desk).await;
        let server = desk.http(|_| {});
        assert_eq!(status(&server, id)["status"], "unknown");
        let looked = desk.run(&["reconcile"]);
        assert!(looked.out.contains("0 settled, 1 still unknown"), "{looked:?}");
        let taken = fake.vendor().messages[0].clone();
        assert_eq!((taken.reference.as_str(), taken.callback.as_deref()), (id, Some(address.as_str())));
        let fields = [
            ("msisdn", "33199000001"),
            ("messageId", taken.ids[0].as_str()),
            ("status", state),
            ("err-code", code),
            ("price", "0.0333"),
            ("client-ref", taken.reference.as_str()),
        ];
        // Nobody else's word counts.
        assert_eq!(told(&server, &address, "another secret", &fields), 401);
        assert_eq!(told(&server, &format!("{address}0"), SIGNATURE, &fields), 404);
        assert_eq!(status(&server, id)["status"], "unknown");
        for _ in 0..2 {
            assert_eq!(told(&server, &address, SIGNATURE, &fields), 204);
            let shown = status(&server, id);
            assert_eq!(shown["status"], expected, "{shown}");
            assert_eq!(shown["provider_message_id"], json!(taken.ids[0]), "{shown}");
            let told_why = shown["reason_untrusted"].as_str().unwrap_or_default();
            assert_eq!(told_why.starts_with("err-code 6: "), expected == "failed", "{shown}");
        }
        // The same call is not another text.
        ask(&server, "send_sms", send);
        assert_eq!(fake.vendor().messages.len(), 1);
        let sends = fake.requests().iter().filter(|request| request.method == "POST").count();
        assert_eq!(sends, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_lost_text_of_two_segments_each_is_settled_by_its_own_receipt() {
    let fake = Fake::start(Vonage::default());
    let desk = desk(&fake, "");
    let server = desk.http(|_| {});
    fake.fail(Fault::DropAfterAccept);
    let lost = ask(&server, "send_sms", json!({ "to": fictional(1), "message": "a".repeat(200) }));
    fake.fail(Fault::None);
    let id = lost["id"].as_str().unwrap_or_else(|| panic!("{lost}")).to_owned();
    server.kill();
    let address = address(&desk).await;
    let server = desk.http(|_| {});
    let taken = fake.vendor().messages[0].clone();
    let [first, second] = &taken.ids[..] else { panic!("{taken:?}") };
    let tell = |server: &HttpServer, segment: &str, state: &str| {
        let fields = [
            ("messageId", segment),
            ("status", state),
            ("price", "0.0333"),
            ("client-ref", taken.reference.as_str()),
        ];
        assert_eq!(told(server, &address, SIGNATURE, &fields), 204);
        status(server, &id)
    };
    // However often it is told: it is one segment, and says nothing of the other.
    for state in ["accepted", "delivered", "delivered"] {
        let shown = tell(&server, second, state);
        assert_eq!(shown["status"], "unknown", "{shown}");
    }
    server.kill();
    let server = desk.http(|_| {});
    let shown = tell(&server, first, "accepted");
    assert_eq!(shown["status"], "sent", "{shown}");
    let shown = tell(&server, first, "delivered");
    assert_eq!(shown["status"], "delivered", "{shown}");
    assert_eq!(fake.vendor().messages.len(), 1);
}

#[test]
fn receipts_of_segments_that_come_at_once_take_no_place_from_each_other() {
    let fake = Fake::start(Vonage::default());
    let desk = desk(&fake, "");
    let server = desk.http(|_| {});
    fake.fail(Fault::DropAfterAccept);
    let lost = ask(&server, "send_sms", json!({ "to": fictional(1), "message": "a".repeat(153 * 6) }));
    fake.fail(Fault::None);
    let taken = fake.vendor().messages[0].clone();
    let address = taken.callback.unwrap();
    assert_eq!(taken.ids.len(), 6);
    std::thread::scope(|threads| {
        for segment in &taken.ids {
            let (server, address, reference) = (&server, &address, taken.reference.as_str());
            threads.spawn(move || {
                let fields =
                    [("messageId", segment.as_str()), ("status", "delivered"), ("client-ref", reference)];
                assert_eq!(told(server, address, SIGNATURE, &fields), 204);
            });
        }
    });
    let shown = status(&server, lost["id"].as_str().unwrap());
    assert_eq!(shown["status"], "delivered", "{shown}");
}

#[test]
fn a_text_of_segments_costs_what_they_do_and_is_delivered_when_they_are() {
    let fake = Fake::start(Vonage::default());
    let desk = desk(&fake, "prices_for = [\"FR\"]");
    let server = desk.http(|_| {});
    found("the prices are there", || {
        let quote = json!({ "to": fictional(9), "message": "a", "dry_run": true });
        (ask(&server, "send_sms", quote)["price"]["amount"] == "0.064").then_some(())
    });
    let spent = || ask(&server, "get_balance", json!({}))["budgets"][0]["spent"].clone();
    let sent = ask(&server, "send_sms", json!({ "to": fictional(1), "message": "a".repeat(200) }));
    assert_eq!(sent["status"], "sent", "{sent}");
    assert_eq!(spent(), "0.0666", "the sum of both");
    // The second is refused, and the person has a piece of the text: it is charged, and nobody sends it again.
    fake.vendor().statuses = vec!["0", "15"];
    let partly = ask(&server, "send_sms", json!({ "to": fictional(2), "message": "b".repeat(200) }));
    assert_eq!(partly["code"], "partly_sent", "{partly}");
    assert!(
        partly.to_string().contains("status 15: Vonage or the country does not take this sender"),
        "{partly}"
    );
    assert_eq!(spent(), "0.0999");
    // Refused as a whole it costs nothing.
    fake.vendor().barred.insert(fictional(3)[1..].to_owned());
    let barred = ask(&server, "send_sms", json!({ "to": fictional(3), "message": "c".repeat(200) }));
    assert_eq!(barred["code"], "opted_out", "{barred}");
    assert_eq!(spent(), "0.0999");
    let taken = fake.vendor().messages[0].clone();
    let address = taken.callback.as_deref().unwrap();
    let id = sent["id"].as_str().unwrap();
    for (segment, expected) in taken.ids.iter().zip(["sent", "delivered"]) {
        let fields = [("messageId", segment.as_str()), ("status", "delivered"), ("price", "0.0333")];
        assert_eq!(told(&server, address, SIGNATURE, &fields), 204);
        assert_eq!(status(&server, id)["status"], expected);
    }
    assert_eq!(spent(), "0.0999", "the price of a segment is not that of the text");
}

#[test]
fn what_a_person_writes_in_segments_is_told_once_and_whole_though_the_program_is_killed_in_between() {
    let fake = Fake::start(Vonage::default());
    let desk = desk(&fake, "");
    let server = desk.http(|_| {});
    let sent = ask(&server, "send_sms", json!({ "to": fictional(1), "message": "Hello" }));
    let id = sent["id"].as_str().unwrap().to_owned();
    let address = fake.vendor().messages[0].callback.clone().unwrap();
    let part = |server: &HttpServer, number: &str, text: &str| {
        let (sender, id) = (&FROM[1..], format!("IN{number}"));
        let fields = [
            ("msisdn", "33199000001"),
            ("to", sender),
            ("messageId", id.as_str()),
            ("text", text),
            ("type", "text"),
            ("concat", "true"),
            ("concat-ref", "108"),
            ("concat-total", "3"),
            ("concat-part", number),
        ];
        assert_eq!(told(server, &address, SIGNATURE, &fields), 204);
    };
    let replies = |server: &HttpServer| -> Vec<String> {
        let status = ask(server, "get_status", json!({ "id": id }));
        let replies = status["replies"].as_array().cloned().unwrap_or_default();
        replies.iter().map(|reply| reply["text_untrusted"].as_str().unwrap().to_owned()).collect()
    };
    part(&server, "3", "three");
    part(&server, "1", "one ");
    assert!(replies(&server).is_empty(), "nothing is told by halves");
    server.kill();
    let server = desk.http(|_| {});
    // What was taken is told again by a vendor that did not hear of it.
    part(&server, "1", "one ");
    part(&server, "2", "two ");
    let text = found("the text is told", || Some(replies(&server)).filter(|all| !all.is_empty()));
    assert_eq!(text, ["one two three"]);
    part(&server, "2", "two ");
    part(&server, "3", "three");
    assert_eq!(replies(&server), ["one two three"], "and once");
    // A STOP in one segment holds for the next text.
    let stop = [("msisdn", "33199000001"), ("to", &FROM[1..]), ("messageId", "IN9"), ("text", "STOP")];
    assert_eq!(told(&server, &address, SIGNATURE, &stop), 204);
    let refused = ask(&server, "send_sms", json!({ "to": fictional(1), "message": "again" }));
    assert_eq!(refused["code"], "opted_out", "{refused}");
    assert_eq!(fake.vendor().messages.len(), 1);
}

#[test]
fn a_persons_opt_out_at_vonage_is_told_in_words_and_stops_texts_here() {
    let fake = Fake::start(Vonage::default());
    let desk = desk(&fake, "");
    let log = desk.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let server = desk.http(|command| {
        command.args(["--log", "trace"]).env("RUST_LOG", "trace").stderr(file);
    });
    let sent = ask(&server, "send_sms", json!({ "to": fictional(1), "message": "canary-text" }));
    let taken = fake.vendor().messages[0].clone();
    let address = taken.callback.unwrap();
    let fields = [
        ("msisdn", "33199000001"),
        ("messageId", taken.ids[0].as_str()),
        ("status", "rejected"),
        ("err-code", "9"),
    ];
    assert_eq!(told(&server, &address, SIGNATURE, &fields), 204);
    let shown = status(&server, sent["id"].as_str().unwrap());
    assert_eq!(shown["status"], "failed", "{shown}");
    assert!(shown.to_string().contains("err-code 9: This person wants no more texts"), "{shown}");
    let refused = ask(&server, "send_sms", json!({ "to": fictional(1), "message": "again" }));
    assert_eq!(refused["code"], "opted_out", "{refused}");
    assert_eq!(fake.vendor().messages.len(), 1);
    drop(server);
    let log = std::fs::read_to_string(&log).unwrap();
    let said = log.lines().find(|line| line.contains("not delivered, with a code that is known"));
    assert!(said.is_some_and(|line| line.contains("err-code 9")), "{log}");
    let token = address.split('/').next_back().unwrap();
    for canary in ["canary", SECRET, SIGNATURE, "3319900", token] {
        assert!(!log.contains(canary), "{canary} in {log}");
    }
    let both = desk.run(&["explain", "vonage", "9"]);
    for part in [
        "vonage status 9: The account at Vonage has not enough money",
        "vonage err-code 9: This person wants",
    ] {
        assert!(both.out.contains(part), "{both:?}");
    }
    let one = desk.run(&["explain", "vonage", "err-code 9"]);
    assert!(one.out.contains("vonage err-code 9: ") && !one.out.contains("status 9"), "{one:?}");
}
