//! `explain`: what the codes of vendors' failures say, in the words that answers and the log have.

use serde_json::{Value, json};
use sms_mcp::provider::tables::FAILURES;

use crate::cli::Ended;
use crate::support::Desk;

fn explain(arguments: &[&str]) -> Ended {
    // It needs no settings, not even such that can be read.
    let desk = Desk::new("");
    std::fs::write(desk.config(), "[nonsense").unwrap();
    desk.run(&[&["explain"], arguments].concat())
}

#[test]
fn a_code_is_told_with_what_happened_whose_move_it_is_and_whether_trying_again_helps() {
    let told = explain(&["twilio", "30034"]);
    assert_eq!(told.code, 0, "{told:?}");
    for part in [
        "twilio 30034: The US number that sends is not registered for A2P 10DLC",
        "whose move  the operator",
        "again       trying again helps once that is mended",
        "source      Twilio's list",
    ] {
        assert!(told.out.contains(part), "{part}: {told:?}");
    }
    // A gateway that is known by name too; of who bills what its table says nothing.
    let shown = explain(&["bandwidth", "4775", "--json"]).json();
    assert_eq!(shown[0]["what"], "This person wants no more texts", "{shown}");
    assert!(shown[0]["source"].as_str().unwrap().contains("Bandwidth's"), "{shown}");
    assert_eq!(explain(&["bandwidth", "9999"]).code, 1, "MailerSend's own");
    let shown = explain(&["mailersend", "4775", "--json"]).json();
    assert_eq!(shown[0]["what"], "This person wants no more texts (billed)", "{shown}");
    assert_eq!(shown[0]["again"], "trying again does not help", "{shown}");
}

#[test]
fn every_vendor_that_has_codes_is_listed_with_each_of_them() {
    let kinds = explain(&[]);
    for (kind, table) in FAILURES {
        assert!(kinds.out.contains(&format!("sms-mcp explain {kind}\n")), "{kinds:?}");
        let listed = explain(&[kind]);
        assert_eq!(listed.out.lines().count(), table().len(), "{kind}: {listed:?}");
        let shown = explain(&[kind, "--json"]).json();
        for (line, failure) in listed.out.lines().zip(table()) {
            assert!(line.starts_with(&*failure.code) && line.ends_with(&*failure.what), "{kind}: {line}");
            // An answer says the same.
            assert!(failure.why().contains(&*failure.what), "{kind} {}", failure.code);
        }
        let codes: Vec<Value> = table().into_iter().map(|failure| json!(failure.code)).collect();
        let listed: Vec<Value> =
            shown.as_array().unwrap().iter().map(|failure| failure["code"].clone()).collect();
        assert_eq!(listed, codes, "{kind}");
    }
}

#[test]
fn what_is_not_known_is_said_with_what_would_be_right() {
    for (arguments, wrong, right) in [
        (["twilio", "99999"], "\"99999\"", "sms-mcp explain twilio"),
        (["twilio", "\u{1b}[2J"], "\\u{1b}", "sms-mcp explain twilio"),
        (
            ["twillio", "30034"],
            "\"twillio\"",
            "aws, bandwidth, infobip, mailersend, plivo, sinch, telnyx, twilio, vonage",
        ),
        (["clicksend", "1"], "no page of clicksend has a table of codes", "in its own words"),
        (
            ["sandbox", "1"],
            "\"sandbox\"",
            "aws, bandwidth, infobip, mailersend, plivo, sinch, telnyx, twilio, vonage",
        ),
    ] {
        let told = explain(&arguments);
        assert_eq!(told.code, 1, "{arguments:?}");
        assert!(told.out.is_empty() && told.err.contains(right), "{arguments:?}: {told:?}");
        assert!(told.err.contains(wrong) && !told.err.contains('\u{1b}'), "{arguments:?}: {told:?}");
    }
}
