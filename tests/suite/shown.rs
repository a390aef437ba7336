//! Whom a text shows as its sender: the call's, else the operator's for that country, else the provider's.

use serde_json::{Value, json};

use crate::support::{Desk, Era, answer, refusal};

const SENDERS: &str = "[guard]\nduplicate_window = \"0s\"\nallow_senders = [\"+12025550100\", \"Acme\", \"Acme 24\"]\n\
    [[sender]]\nid = \"+12025550100\"\nto = [\"US\", \"CA\"]\n\
    [[sender]]\nid = \"Acme\"\nto = [\"FR\", \"+4475\"]\n\
    [[sender]]\nid = \"Acme 24\"\nto = [\"SG\"]\nregistered = true\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_a_sender_shows_the_operators_for_that_country() {
    let desk = Desk::new(SENDERS);
    let client = desk.stdio(Era::Stateless).await;
    let cases: [(&str, Option<&str>, Option<&str>); 6] = [
        ("+12025550123", None, Some("+12025550100")),
        ("+33612345678", None, Some("Acme")),
        ("+447500123456", None, Some("Acme")),
        ("+447400123456", None, None),
        ("+33612345679", Some("Acme 24"), Some("Acme 24")),
        ("+6581234567", None, Some("Acme 24")),
    ];
    let call = |to: &str, from: Option<&str>, dry_run: bool| {
        let mut call = json!({ "to": to, "message": "Hello", "dry_run": dry_run });
        if let Some(from) = from {
            call["from"] = from.into();
        }
        call
    };
    for (to, named, shown) in cases {
        for dry_run in [true, false] {
            let said = answer(&client, "send_sms", call(to, named, dry_run)).await;
            assert_eq!(said["from"], json!(shown), "{to}: {said}");
        }
    }
    let recipients: Vec<Value> = cases.iter().map(|(to, ..)| json!({ "to": to })).collect();
    let bulk = json!({ "recipients": recipients, "message": "Hello all" });
    let said = answer(&client, "send_bulk", bulk).await;
    assert_eq!(said["accepted"], 6, "{said}");
    client.cancel().await.unwrap();
    let sent = desk.sent();
    let froms = |from: usize| -> Vec<Value> {
        let mut of: Vec<(String, Value)> = sent[from..from + 6]
            .iter()
            .map(|line| (line["to"].as_str().unwrap().to_owned(), line["from"].clone()))
            .collect();
        of.sort_by_key(|(to, _)| cases.iter().position(|case| case.0 == *to));
        of.into_iter().map(|(_, from)| from).collect()
    };
    assert_eq!(froms(0), cases.map(|(_, _, shown)| json!(shown)));
    // The bulk names none, so that the fifth shows France's.
    let all = ["+12025550100", "Acme", "Acme", "", "Acme", "Acme 24"];
    assert_eq!(froms(6), all.map(|shown| if shown.is_empty() { Value::Null } else { shown.into() }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_must_be_registered_is_told_where_it_is_asked_and_once_in_the_log() {
    let desk = Desk::new(SENDERS);
    let quote = |to: &str| desk.run(&["send", to, "Hello", "--dry-run", "--json"]);
    let warned = |to: &str| {
        let ended = quote(to);
        let answer: Value = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
        answer["warnings"].as_array().is_some_and(|warnings| {
            warnings.iter().any(|warning| warning.as_str().unwrap().contains("demands that a sender's name"))
        })
    };
    assert!(warned("+33612345678"), "France wants it registered");
    assert!(!warned("+6581234567"), "the operator says that it is");
    assert!(!warned("+447500123456"), "nobody says that it has to be");
    assert!(!warned("+12025550123"), "a number is no name");
    let mut server = desk.command();
    server.args(["send", "+33612345678", "Hello"]);
    let ended = crate::cli::run(server);
    let count = ended.err.matches("demands that a sender's name be registered").count();
    assert_eq!(count, 1, "{ended:?}");
    let bulk = desk.path().join("bulk.csv");
    std::fs::write(&bulk, "to\n+33612345678\n+33612345679\n+33612345680\n").unwrap();
    let ended = desk.run(&["bulk", bulk.to_str().unwrap(), "--message", "Hi"]);
    let count = ended.err.matches("demands that a sender's name be registered").count();
    assert_eq!(count, 1, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_names_only_senders_that_the_operator_allows() {
    let desk = Desk::new(SENDERS);
    let client = desk.stdio(Era::Stateless).await;
    let call = json!({ "to": "+12025550123", "message": "Hello", "from": "PayPal" });
    assert_eq!(refusal(&client, "send_sms", call).await["code"], "sender_not_allowed");
    client.cancel().await.unwrap();
}

#[test]
fn a_sender_that_cannot_be_shown_is_refused_where_it_is_written() {
    for (settings, expected) in [
        ("[[sender]]\nto = [\"US\"]\n", "[[sender]] 1 has no id"),
        (
            "[[sender]]\nid = \"Much too long a name\"\n",
            "[[sender]] 1, id \"Much too long a name\": `from` must be",
        ),
        ("[guard]\nallow_senders = [\"ACME\"]\n[[sender]]\nid = \"Other\"\n", "[[sender]] 1, id \"Other\": "),
        ("[[sender]]\nid = \"ACME\"\nto = [\"France\"]\n", "is no destination"),
        ("[sender]\nid = \"ACME\"\n", "[[sender]]"),
        ("[[sender]]\nid = \"ACME\"\nfor = [\"FR\"]\n", "unknown field `for`"),
    ] {
        let ended = Desk::new(settings).run(&["config", "check"]);
        assert_ne!(ended.code, 0, "{settings}: {ended:?}");
        assert!(ended.err.contains(expected), "{settings}: {ended:?}");
    }
    let ended = Desk::new("[[sender]]\nid = \"ACME\"\nto = [\"US\"]\n").run(&["config", "check"]);
    assert!(ended.code != 0 && ended.out.contains("no network in US"), "{ended:?}");
    let ended = Desk::new("[[sender]]\nid = \"A\"\n[[sender]]\nid = \"B\"\nto = [\"FR\"]\n")
        .run(&["config", "check"]);
    assert!(ended.out.contains("[[sender]] 1 is for all numbers"), "{ended:?}");
}
