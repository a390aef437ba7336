//! The operator's commands before fakes of vendors, as somebody types them.

use std::process::Output;

use serde_json::{Value, json};

use crate::fake::{Fake, Fault, mailpro, sms_for_ai};
use crate::support::{Desk, WIDE, fictional};

fn run(desk: &Desk, arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = desk.command().args(arguments).output().unwrap();
    (
        status.code().unwrap(),
        format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)),
    )
}

fn done(desk: &Desk, arguments: &[&str]) -> String {
    let (code, said) = run(desk, arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    said
}

fn before_ai(url: &str, token: &str) -> Desk {
    let provider =
        format!("[[provider]]\nkind = \"sms_for_ai\"\nbase_url = \"{url}/api/v1\"\ntoken = \"{token}\"\n");
    Desk::new(&format!("{WIDE}[http]\npublic_url = \"https://sms.example.com\"\n{provider}"))
}

#[test]
fn the_check_says_what_works_there_and_fails_where_nothing_does() {
    let fake = Fake::start(sms_for_ai::SmsForAi::default());
    let said = done(&before_ai(&fake.url(), sms_for_ai::TOKEN), &["config", "check", "--live"]);
    assert!(said.contains("works     sms_for_ai:") && said.contains("12.345678"), "{said}");
    let (code, said) = run(&before_ai(&fake.url(), "wrong"), &["config", "check", "--live"]);
    assert!(
        code == 1 && said.contains("fails     sms_for_ai:") && said.contains("(provider_unauthorized)"),
        "{code} {said}"
    );
    assert!(!said.contains("wrong\""), "{said}");
    assert!(fake.requests().iter().all(|request| request.method == "GET"), "nothing is sent");
    fake.fail(Fault::Refuse);
    let (code, said) = run(&before_ai(&fake.url(), sms_for_ai::TOKEN), &["config", "check", "--live"]);
    assert!(code == 1 && said.contains("(provider_unavailable)"), "{code} {said}");
}

#[test]
fn a_provider_shows_what_can_be_done_there_and_what_it_has_on_record() {
    let fake = Fake::start(sms_for_ai::SmsForAi::default());
    let desk = before_ai(&fake.url(), sms_for_ai::TOKEN);
    for n in 1..=3 {
        let said = done(&desk, &["send", &fictional(n), "Hello"]);
        assert!(said.contains("0.065 USD"), "the price is the vendor's own: {said}");
    }
    assert!(
        done(&desk, &["provider"])
            .contains("sms_for_ai  balance, list, prices, real, receipts by poll, status")
    );
    let shown = done(&desk, &["provider", "sms_for_ai"]);
    assert!(shown.contains("webhook-url") && shown.contains("sent [status=...]"), "{shown}");
    let page: Value = serde_json::from_str(&done(&desk, &["provider", "sms_for_ai", "sent"])).unwrap();
    assert_eq!((page["messages"].as_array().unwrap().len(), &page["next_page"]), (2, &json!(2)), "{page}");
    let url: Value = serde_json::from_str(&done(&desk, &["provider", "sms_for_ai", "webhook-url"])).unwrap();
    assert!(
        url["url"].as_str().unwrap().starts_with("https://sms.example.com/webhooks/sms_for_ai/"),
        "{url}"
    );
    assert_eq!(
        url,
        serde_json::from_str::<Value>(&done(&desk, &["provider", "sms_for_ai", "webhook-url"])).unwrap(),
        "it stays the same"
    );
    for (wrong, expected) in [
        (&["provider", "absent"] as &[&str], "no provider is called"),
        (&["provider", "sms_for_ai", "absent"], "no action"),
        (&["provider", "sms_for_ai", "sent", "page=0"], "`page`"),
        (&["provider", "sms_for_ai", "sent", "pages=1"], "no argument \"pages\""),
        (&["provider", "sms_for_ai", "sent", "page"], "has no value"),
    ] {
        let (code, said) = run(&desk, wrong);
        assert!(code == 1 && said.contains(expected), "{wrong:?}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_unknown_is_asked_for_or_settled_by_the_operators_word() {
    let fake = Fake::start(sms_for_ai::SmsForAi::default());
    let desk = before_ai(&fake.url(), sms_for_ai::TOKEN);
    fake.fail_once(Fault::None);
    let mut ids = Vec::new();
    for n in 1..=2 {
        fake.fail(Fault::DropAfterAccept);
        let (code, said) = run(&desk, &["send", &fictional(n), "Hello", "--json"]);
        fake.fail(Fault::None);
        assert_eq!(code, 3, "{said}");
        ids.push(
            serde_json::from_str::<Value>(said.lines().find(|line| line.starts_with('{')).unwrap()).unwrap()
                ["id"]
                .as_str()
                .unwrap()
                .to_owned(),
        );
    }
    let said = done(&desk, &["reconcile"]);
    assert!(said.contains("settled, "), "{said}");
    for id in ids {
        let shown: Value = serde_json::from_str(&done(&desk, &["status", &id, "--json"])).unwrap();
        if shown["message"]["status"] == "unknown" {
            assert!(desk.does(&["reconcile", &id, "--not-sent"], "not-sent").out.contains("is rejected now"));
        }
        let (code, said) = run(&desk, &["reconcile", &id, "--sent"]);
        assert!(code == 1 && said.contains("not unknown"), "{said}");
    }
    let (code, said) = run(&desk, &["reconcile", "msg_absent"]);
    assert!(code == 1 && said.contains("--sent or --not-sent"), "{said}");
}

#[cfg(unix)]
#[test]
fn who_wants_no_more_texts_gets_none_until_the_operator_says_otherwise() {
    let desk = Desk::new("");
    assert!(done(&desk, &["opt-out"]).contains("nobody has opted out"));
    assert!(done(&desk, &["opt-out", "add", "+1 202 555 0123"]).contains("+12025550123 gets no more texts"));
    let (code, said) = run(&desk, &["send", "+12025550123", "Hello"]);
    assert!(code == 1 && said.contains("(opted_out)"), "{said}");
    let (_, quote) = run(&desk, &["send", "+12025550123", "Hello", "--dry-run"]);
    assert!(quote.contains("opted_out"), "{quote}");
    assert!(done(&desk, &["opt-out", "list"]).contains("+12025550123     operator"));
    desk.does(&["opt-out", "remove", "+12025550123"], "remove");
    done(&desk, &["send", "+12025550123", "Hello"]);
}

#[test]
fn a_campaign_goes_to_the_vendors_list_in_one_request_and_is_held_for_each_member() {
    let fake = Fake::start(mailpro::Mailpro::default());
    let provider = format!(
        "[[provider]]\nkind = \"mailpro\"\nbase_url = \"{}/sms\"\nid_client = \"{}\"\napi_key = \"{}\"\n",
        fake.url(),
        mailpro::ID_CLIENT,
        mailpro::API_KEY
    );
    let desk = Desk::new(&format!("{WIDE}[rates]\n\"+33\" = \"0.10\"\n{provider}"));
    let quote = done(&desk, &["campaign", "7", "--message", "Hello all", "--dry-run"]);
    assert!(quote.contains("quote: 2 messages, 2 segments, 0.20 USD"), "{quote}");
    assert!(fake.vendor().campaigns.is_empty());
    let said = done(&desk, &["campaign", "7", "--message", "Hello all", "--idempotency-key", "spring"]);
    assert!(said.contains("2 sent"), "{said}");
    let again = done(&desk, &["campaign", "7", "--message", "Hello all", "--idempotency-key", "spring"]);
    assert!(again.contains("nothing was sent again"), "{again}");
    assert_eq!(fake.vendor().campaigns.len(), 1);
    let (code, said) = run(&desk, &["campaign", "7", "--message", "Hello {{name}}"]);
    assert!(code == 1 && said.contains("placeholders"), "{said}");
    assert!(done(&desk, &["balance"]).contains("credits"));
}
