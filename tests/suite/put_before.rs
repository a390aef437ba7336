//! What is put before an approver, at the command line and in the browser, whatever its agent does to have it
//! misread.
#![cfg(unix)]

use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};

use crate::approvers::Scene;
use crate::forward::Receiver;
use crate::page::{Agent, RULES, address};
use crate::support::{fictional, found};
use crate::wire::ask;

/// The page at an address, as HTML.
fn page(address: &str) -> String {
    let rest = address.strip_prefix("http://127.0.0.1:").unwrap();
    let (port, path) = rest.split_once('/').unwrap();
    String::from_utf8(ask(port.parse().unwrap(), "GET", &format!("/{path}"), &[], b"").body).unwrap()
}

fn id(told: &Value) -> &str {
    told["approval"]["id"].as_str().unwrap_or_else(|| panic!("{told}"))
}

/// A bulk of so many, in which the text at one place has something else in it than the others.
fn bulk(agent: &mut Agent, count: usize, odd: usize, other: &str) -> Value {
    let recipients: Vec<Value> = (0..count)
        .map(|n| {
            let name = if n + 1 == odd { other } else { ["Ann", "Bob", "Cem", "Dot"][n % 4] };
            json!({ "to": fictional(n), "data": { "name": name } })
        })
        .collect();
    agent.call(
        "send_bulk",
        &json!({ "recipients": recipients, "message": "Hello {{name}}, we open at nine." }),
    )
}

/// The places of the messages that are shown, each with why where it is not of the sample.
fn places(scene: &Scene, id: &str) -> Vec<(u64, Vec<String>)> {
    let shown = scene.run(&["approvals", "show", id, "--json"]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap_or_else(|_| panic!("{shown:?}"));
    let of = |message: &Value| {
        let reasons = message["shown_for"].as_array().unwrap().iter().map(|why| why.as_str().unwrap().into());
        (message["place"].as_u64().unwrap(), reasons.collect())
    };
    shown["messages"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn one_text_among_many_is_put_before_the_approver_wherever_its_agent_hides_it() {
    let scene = Scene::new(&format!(
        "[guard]\nbulk_is_marketing_above = 1000\nduplicate_window = \"0s\"\nsession_messages = 9000\nday_messages = 9000\n\
        session_spend = 900\nday_spend = 900\n{RULES}most_pending = 9000\n"
    ));
    let mut agent = Agent::of(&scene);
    let mut samples = Vec::new();
    for (odd, other, why) in [
        (5, "Ann. See bit.ly/x", "a link or a number to call"),
        (201, "A\u{200b}nn", "signs that are hidden or in disguise"),
        (398, "P\u{430}t", "signs that are hidden or in disguise"),
        (60, "Ann and everybody else whom you know", "the longest text"),
        (61, "A", "the shortest text"),
    ] {
        let told = bulk(&mut agent, 400, odd, other);
        let html = page(address(&told));
        let shown = places(&scene, id(&told));
        let odd_one =
            shown.iter().find(|(place, _)| *place == odd as u64).unwrap_or_else(|| panic!("{shown:?}"));
        assert!(odd_one.1.iter().any(|reason| reason == why), "{shown:?}");
        for (place, _) in &shown {
            assert!(html.contains(&format!("<h3>{place} of 400: ")), "{place}: {html}");
        }
        // The others are taken from all parts of it, one of each tenth.
        let tenths: std::collections::BTreeSet<u64> =
            shown.iter().map(|(place, _)| (place - 1) / 40).collect();
        assert_eq!(tenths.len(), 10, "{shown:?}");
        samples.push(shown.into_iter().filter(|(_, why)| why.is_empty()).collect::<Vec<_>>());
        let again = places(&scene, id(&told));
        assert_eq!(
            again.iter().filter(|(_, why)| why.is_empty()).cloned().collect::<Vec<_>>(),
            samples[samples.len() - 1]
        );
        let lines = scene.run(&["approvals", "show", id(&told)]).out;
        assert!(
            lines.contains("    | Hello {{name}}, we open at nine.")
                && lines.contains(&format!("stands out: {why}")),
            "{lines}"
        );
        agent.call("cancel_sms", &json!({ "id": told["id"] }));
    }
    samples.dedup();
    assert_eq!(samples.len(), 5, "each bulk has places of its own");
}

#[test]
fn a_sender_that_looks_like_the_operators_own_is_told_from_it() {
    let scene = Scene::new(&format!("{RULES}[[sender]]\nid = \"PayPal\"\nto = [\"FR\"]\n"));
    let mut agent = Agent::of(&scene);
    for (from, is_told, text) in [
        ("PayPaI", true, "Hello"),
        ("PAYPAL", true, "Good morning"),
        ("PayPal", false, "Good night"),
        ("Postman", false, "Good bye"),
    ] {
        let call = json!({ "to": "+33612345678", "message": text, "from": from });
        let told = agent.call("send_sms", &call);
        let (html, lines) = (page(address(&told)), scene.run(&["approvals", "show", id(&told)]).out);
        assert!(html.contains(&format!("<bdi class=\"number\">{from}</bdi>")), "{html}");
        assert_eq!(
            html.contains("looks like your <bdi class=\"number\">PayPal</bdi>, and is another"),
            is_told,
            "{html}"
        );
        assert_eq!(
            lines.contains("! the sender looks like your \"PayPal\", and is another"),
            is_told,
            "{lines}"
        );
    }
}

#[test]
fn the_sender_of_a_text_that_names_none_is_known_and_a_yes_is_a_yes_to_it() {
    let of = |sender: &str| {
        format!(
            "[guard]\nprice_when_unknown = \"0.01\"\n{RULES}[[provider]]\nkind = \"a2p_pro\"\nfrom = \"{sender}\"\n\
             token = \"x\"\nbase_url = \"http://127.0.0.1:9/v1\"\n"
        )
    };
    let scene = Scene::new(&of("ACME"));
    let mut agent = Agent::of(&scene);
    let told = agent.propose("+33612345678", "Hello");
    let html = page(address(&told));
    assert!(html.contains("<dt>From</dt><dd>ACME (the provider&#39;s own)</dd>"), "{html}");
    agent.server.finish();
    let approve = ["approvals", "approve", id(&told)];
    let challenge = scene.challenge(&approve);
    let signature = scene.alice.sign(sms_mcp::access::NAMESPACE, &challenge.1);
    // Signed was a text from ACME.
    std::fs::write(scene.desk.config(), of("OTHER")).unwrap();
    let refused = scene.prove(&approve, &challenge, &signature);
    assert_ne!(refused.code, 0, "{refused:?}");
    assert!(scene.run(&["approvals", "show", id(&told)]).out.contains("from \"OTHER\" (the provider's own)"));
    std::fs::write(scene.desk.config(), of("ACME")).unwrap();
    let approved = scene.prove(&approve, &challenge, &signature);
    assert_eq!(approved.code, 0, "{approved:?}");
}

#[test]
fn what_is_left_after_it_is_of_the_day_on_which_it_leaves_and_of_all() {
    let scene = Scene::new(&format!("[guard]\ntotal_spend = \"1.00\"\nday_spend = \"0.50\"\n{RULES}"));
    let mut agent = Agent::of(&scene);
    let now = SystemClock.now();
    let tomorrow = now.plus_ms(24 * 3_600_000).rfc3339();
    let first = agent.propose("+12025550123", "Hello");
    let call = json!({ "to": "+12025550124", "message": "Until tomorrow", "send_at": tomorrow });
    let second = agent.call("send_sms", &call);
    let day = |time: &str| time[..10].to_owned();
    for (told, day) in [(&first, day(&now.rfc3339())), (&second, day(&tomorrow))] {
        let lines = scene.run(&["approvals", "show", id(told)]).out;
        for shown in [page(address(told)), lines] {
            assert!(shown.contains(&format!("0.4921 of 0.50 USD and 199 more text(s) on {day}")), "{shown}");
            assert!(shown.contains("0.9842 of 1.00 USD in all"), "{shown}");
        }
    }
    // Nothing is said of it once it is decided.
    assert_eq!(scene.run(&["approvals", "refuse", id(&first)]).code, 0);
    assert!(!page(address(&first)).contains("Left after it"));
    let shown = scene.run(&["approvals", "show", id(&second)]).out;
    assert!(shown.contains("left after it: 0.9921 of 1.00 USD in all"), "{shown}");
}

#[test]
fn a_long_text_is_shown_to_its_end_and_no_empty_room_hides_it() {
    let scene =
        Scene::new(&format!("[guard]\nmax_segments = 255\nsession_spend = 900\nday_spend = 900\n{RULES}"));
    let mut agent = Agent::of(&scene);
    let text = format!("{}\n\n\n\n\n\n\n{}Send all of it to Bob", "x ".repeat(4_000), " ".repeat(200));
    let told = agent.propose("+12025550123", &text);
    for shown in [page(address(&told)), scene.run(&["approvals", "show", id(&told)]).out] {
        assert!(shown.contains("Send all of it to Bob") && shown.contains("6 empty lines"), "{shown}");
        assert!(shown.contains("much empty room"), "{shown}");
    }
}

#[test]
fn the_operators_own_system_is_told_where_the_page_is() {
    let receiver = Receiver::new(&[]);
    let scene = Scene::new(&format!("{}{RULES}", receiver.table()));
    let mut agent = Agent::of(&scene);
    let told = agent.propose("+12025550123", "Hello Ann");
    let event = |kind: &str| {
        found(kind, || receiver.bodies().into_iter().find(|body| body["type"] == kind))["data"].clone()
    };
    let requested = event("approval.requested");
    assert_eq!(
        (requested["id"].as_str(), requested["page"].as_str()),
        (Some(id(&told)), Some(address(&told)))
    );
    assert!(!requested.to_string().contains("Ann"), "{requested}");
    let refused = scene.run(&["approvals", "refuse", id(&told)]);
    assert_eq!(refused.code, 0, "{refused:?}");
    assert_eq!(event("approval.decided").get("page"), None);
}
