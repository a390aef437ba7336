//! What marketing says of how to get no more of it: the operator's line, priced and compared with it, and a way out
//! where people cannot answer.
#![cfg(unix)]

use serde_json::Value;

use crate::approvers::Scene;
use crate::support::{Desk, WIDE, fictional};

const RULES: &str = "[quiet]\nmarketing = \"off\"\n[marketing]\nway_out = [\"https://example.com/stop\"]\n\
    [marketing.require_stop_text]\ndefault = \"Reply STOP to end\"\nfr = \"STOP au 36180\"\n";

fn settings() -> String {
    format!("{WIDE}{RULES}")
}

/// A number of the US, and one of Saudi Arabia, whose networks let no answer back.
const AMERICAN: &str = "+12025550123";
const SAUDI: &str = "+966512345678";

fn sold(desk: &Desk, to: &str, text: &str, more: &[&str]) -> Value {
    desk.run(&[&["send", to, text, "--purpose", "marketing", "--json"], more].concat()).json()
}

/// The texts that were really sent.
fn texts(desk: &Desk) -> Vec<String> {
    desk.sent().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_line_is_quoted_priced_and_sent_and_a_repeated_call_or_text_is_known_with_it() {
    let desk = Desk::new(&settings());
    // With the line it takes a segment more.
    let text = "a".repeat(155);
    let plain = desk.run(&["send", AMERICAN, &text, "--dry-run", "--json"]).json();
    let quote = sold(&desk, AMERICAN, &text, &["--dry-run"]);
    assert_eq!((&plain["segments"], &quote["segments"]), (&Value::from(1), &Value::from(2)), "{quote}");
    assert_ne!(plain["price"]["amount"], quote["price"]["amount"], "{quote}");
    assert!(quote["warnings"].to_string().contains("the operator's line"), "{quote}");
    let sent = sold(&desk, AMERICAN, &text, &["--idempotency-key", "k"]);
    assert_eq!((&sent["status"], &sent["segments"]), (&Value::from("sent"), &Value::from(2)), "{sent}");
    assert_eq!(sent["price"]["amount"], quote["price"]["amount"]);
    assert!(sent["warnings"].to_string().contains("the operator's line"), "{sent}");
    assert_eq!(texts(&desk), [format!("{text}\nReply STOP to end")]);
    let again = sold(&desk, AMERICAN, &text, &["--idempotency-key", "k"]);
    assert_eq!((&again["replayed"], &again["id"]), (&Value::from(true), &sent["id"]));
    let written = sold(&desk, AMERICAN, &format!("{text}\nReply STOP to end"), &[]);
    assert_eq!(written["code"], "duplicate_suspected", "it is the same text: {written}");
    desk.done(&["send", AMERICAN, "Your parcel is there"]);
    assert_eq!(texts(&desk).last().unwrap(), "Your parcel is there", "what is no marketing gets none");
    // A later setting changes nothing about what was accepted.
    std::fs::write(
        desk.config(),
        std::fs::read_to_string(desk.config()).unwrap().replace("Reply STOP to end", "Text STOP to end"),
    )
    .unwrap();
    assert_eq!(sold(&desk, AMERICAN, &text, &["--idempotency-key", "k"])["replayed"], true);
    assert_eq!(desk.sent().len(), 2);
}

#[test]
fn each_of_a_bulk_gets_the_line_of_its_country_once() {
    let desk = Desk::new(&settings());
    let rows = format!("to,how\n{AMERICAN},ours\n{},leurs\n", fictional(1));
    let people = desk.file("people.csv", rows);
    let bulk = ["bulk", &people, "--message", "Sale of {{how}}", "--purpose", "marketing", "--json"];
    let quote = desk.done(&[&bulk[..], &["--dry-run"]].concat()).json();
    assert!(quote["warnings"].to_string().contains("the operator's line"), "{quote}");
    desk.done(&bulk);
    let mut sent = texts(&desk);
    sent.sort();
    assert_eq!(sent, ["Sale of leurs\nSTOP au 36180", "Sale of ours\nReply STOP to end"]);
    let own = ["bulk", &people, "--message", "{{how}}: STOP au 36180", "--purpose", "marketing", "--json"];
    desk.done(&own);
    assert!(texts(&desk).iter().any(|text| text == "leurs: STOP au 36180"), "{:?}", texts(&desk));
}

#[test]
fn marketing_to_who_cannot_answer_is_refused_without_a_way_out_that_the_operator_named() {
    let desk = Desk::new(&settings());
    for more in [&[][..], &["--dry-run"]] {
        let told = sold(&desk, SAUDI, "Sale! Reply STOP to end", more);
        let refused = if more.is_empty() { &told } else { &told["quote"]["refusal"] };
        assert_eq!(refused["code"], "no_way_out", "{told}");
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("https://example.com/stop") && message.contains("confidence"), "{message}");
    }
    let sent = sold(&desk, SAUDI, "Sale! No more: https://example.com/stop", &[]);
    assert_eq!(sent["status"], "sent", "{sent}");
    assert_eq!(texts(&desk), ["Sale! No more: https://example.com/stop"], "no line is added there");
    desk.done(&["send", SAUDI, "Your code"]);
    let people = desk.file("people.csv", format!("to\n{SAUDI}\n{AMERICAN}\n"));
    let bulk = desk.run(&["bulk", &people, "--message", "Sale", "--purpose", "marketing", "--json"]);
    assert!(bulk.out.contains("no_way_out") && bulk.out.contains("1 of 2"), "{bulk:?}");
}

#[test]
fn who_approves_sees_the_text_with_the_line_and_a_link_of_the_operators_asks_for_no_yes() {
    let line = "[marketing.require_stop_text]\ndefault = \"Reply STOP or see www.example.com/stop\"\n";
    let rules = format!("{WIDE}[quiet]\nmarketing = \"off\"\n{line}[approval]\nlinks = true\n");
    let scene = Scene::new(&rules);
    assert_eq!(sold(&scene.desk, AMERICAN, "Sale", &[])["status"], "sent");
    let asked = sold(&scene.desk, AMERICAN, "Sale at www.example.org", &[]);
    assert_eq!(asked["status"], "approval_required", "{asked}");
    let shown = scene.desk.done(&["approvals", "show", asked["id"].as_str().unwrap()]);
    assert!(shown.out.contains("Reply STOP or see www.example.com/stop"), "{shown:?}");
}

#[test]
fn a_line_that_says_no_way_to_get_no_more_fails_the_start() {
    let desk = Desk::new("[marketing.require_stop_text]\ndefault = \"Have a nice day\"\n");
    let refused = desk.run(&["list"]);
    assert!(refused.code == 1 && refused.err.contains("marketing.require_stop_text.default"), "{refused:?}");
}
