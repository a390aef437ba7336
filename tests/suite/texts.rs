//! What a text must not have in it by mistake, what a cheaper spelling of it is, and that a dry run checks
//! all that a send checks. Over the tools in both eras, and by the command line.

use serde_json::{Value, json};

use crate::support::{Client, Desk, Era, WIDE, answer, fictional, refusal};

/// Texts that would be read as they stand, and what the refusal must show of them.
const UNFINISHED: [(&str, &str); 8] = [
    ("Hi {{name}}, your table is ready", "{{name}}"),
    ("Hi {{name", "{{name"),
    ("Hi ${name}!", "${name}"),
    ("Hi {first_name}!", "{first_name}"),
    ("Regards, [Your Name]", "[Your Name]"),
    ("Hi Ann,\\nyour table is ready", "\\n"),
    ("One\\r\\nTwo", "\\r"),
    ("Caf\\u00e9 at 8", "\\u00e9"),
];

async fn in_both_eras(settings: &str, mut each: impl AsyncFnMut(&Desk, &Client, usize)) {
    for (index, era) in Era::BOTH.into_iter().enumerate() {
        let desk = Desk::new(settings);
        let client = desk.stdio(era).await;
        each(&desk, &client, index).await;
        client.cancel().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_text_is_refused_before_anything_leaves_and_the_quote_says_the_same() {
    in_both_eras(WIDE, async |desk, client, _| {
        for (text, shown) in UNFINISHED {
            for dry_run in [true, false] {
                let refused = refusal(
                    client,
                    "send_sms",
                    json!({ "to": fictional(1), "message": text, "dry_run": dry_run }),
                )
                .await;
                let said = refused["message"].as_str().unwrap();
                assert_eq!(refused["code"], "invalid_argument", "{text}");
                assert!(said.starts_with("`message`") && said.contains(shown), "{said}");
                assert!(refused["next"].as_str().unwrap().contains("[guard] allow_"), "{refused}");
            }
        }
        let path = "See C:\\new\\table and \\\\nas\\texts\\new";
        answer(client, "send_sms", json!({ "to": fictional(1), "message": path })).await;
        assert_eq!(desk.sent().len(), 1);
        assert_eq!(desk.sent()[0]["text"], path);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_none_or_unfinished_refuses_the_bulk_by_its_recipient() {
    in_both_eras(WIDE, async |desk, client, _| {
        for (value, shown) in [("", "\"name\""), (" \u{200b}", "leave a gap"), ("null", "null"), ("{{name}}", "{{name}}"), ("Ann\\nMiller", "\\n")] {
            for dry_run in [true, false] {
                let recipients = json!([{ "to": fictional(1), "data": { "name": "Ann" } }, { "to": fictional(2), "data": { "name": value } }]);
                let bulk = json!({ "recipients": recipients, "message": "Hi {{name}}, hello", "on_invalid":
                    "skip", "dry_run": dry_run });
                let refused = refusal(client, "send_bulk", bulk).await;
                assert_eq!(refused["code"], "invalid_argument", "{value:?}: {refused}");
                assert!(
                    refused["message"].as_str().unwrap().contains("recipients[1]") && refused["message"].as_str().unwrap().contains(shown),
                    "{refused}"
                );
            }
        }
        for message in ["Hi {{name}},\\nhello", "Hi {{name}}, order {order}"] {
            let bulk = json!({ "recipients": [{ "to": fictional(1), "data": { "name": "Ann" } }], "message": message });
            assert_eq!(refusal(client, "send_bulk", bulk).await["code"], "invalid_argument", "{message}");
        }
        assert!(desk.sent().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_may_allow_texts_that_look_unfinished() {
    let settings = format!("{WIDE}allow_placeholders = true\nallow_escapes = true\n");
    in_both_eras(&settings, async |desk, client, _| {
        for (text, _) in UNFINISHED {
            answer(client, "send_sms", json!({ "to": fictional(1), "message": text })).await;
        }
        let recipients = json!([{ "to": fictional(2), "data": { "name": "" } }]);
        answer(client, "send_bulk", json!({ "recipients": recipients, "message": "Hi{{name}}!" })).await;
        let texts: Vec<Value> = desk.sent().iter().map(|sent| sent["text"].clone()).collect();
        assert_eq!(texts.len(), UNFINISHED.len() + 1);
        assert!(texts.contains(&json!("Hi!")) && texts.contains(&json!("Hi {{name}}, your table is ready")));
    })
    .await;
}

#[test]
fn the_command_line_refuses_the_same_texts() {
    let desk = Desk::new(WIDE);
    let run = |args: &[&str]| {
        let output = desk.command().args(args).output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout),
        )
    };
    for (text, shown) in UNFINISHED {
        for more in [&["--dry-run"][..], &[]] {
            let (is_fine, said) = run(&[&["send", &fictional(1), text][..], more].concat());
            assert!(!is_fine && said.contains(shown), "{text}: {said}");
        }
    }
    let csv = desk.path().join("people.csv");
    std::fs::write(&csv, format!("to,name\n{},Ann\n{},\n", fictional(1), fictional(2))).unwrap();
    let (is_fine, said) = run(&["bulk", csv.to_str().unwrap(), "--message", "Hi {{name}}, hello"]);
    assert!(!is_fine && said.contains("leave a gap"), "{said}");
    assert!(desk.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn decomposed_letters_are_offered_composed_in_the_quote_and_named_by_the_send() {
    in_both_eras(WIDE, async |desk, client, _| {
        let text = format!("Le cafe\u{301} est pre\u{302}t. {}", "a".repeat(60));
        let quote = answer(
            client,
            "send_sms",
            json!({ "to": fictional(1), "message": text.replace("pre\u{302}t",
                "la\u{300}"), "dry_run": true }),
        )
        .await;
        let rewrite = &quote["quote"]["gsm7_rewrite"];
        assert_eq!((&quote["segments"], &rewrite["segments"]), (&json!(2), &json!(1)), "{quote}");
        assert!(rewrite["message"].as_str().unwrap().starts_with("Le caf\u{e9} est l\u{e0}."), "{rewrite}");
        let marks: Vec<&Value> = quote["quote"]["ucs2_characters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| &found["replacement"])
            .collect();
        assert_eq!(marks, [&json!("\u{e9}"), &json!("\u{e0}")]);
        // GSM-7 has no \u{ea}: composed it stays UCS-2, and is shorter all the same.
        let quote =
            answer(client, "send_sms", json!({ "to": fictional(1), "message": text, "dry_run": true })).await;
        assert!(
            quote["quote"]["gsm7_rewrite"]["message"]
                .as_str()
                .unwrap()
                .starts_with("Le caf\u{e9} est pr\u{ea}t."),
            "{quote}"
        );
        let sent = answer(
            client,
            "send_sms",
            json!({ "to": fictional(1), "message": text.replace(
            "pre\u{302}t", "la\u{300}") }),
        )
        .await;
        assert!(sent["warnings"].to_string().contains("decomposed"), "{sent}");
        assert!(
            desk.sent()[0]["text"].as_str().unwrap().contains("cafe\u{301}"),
            "what was said is what is sent"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_that_does_not_exist_is_not_found_wherever_it_is_named() {
    in_both_eras(WIDE, async |_, client, _| {
        for wrong in ["bat_01jd0000000000000000000000", "msg_01jd0000000000000000000000", "nothing"] {
            let refused = refusal(client, "list_sms", json!({ "batch": wrong })).await;
            assert_eq!(refused["code"], "not_found", "{refused}");
            assert!(refused["message"].as_str().unwrap().starts_with("`batch`"), "{refused}");
            assert_eq!(refusal(client, "get_status", json!({ "id": wrong })).await["code"], "not_found");
        }
        let bulk =
            answer(client, "send_bulk", json!({ "recipients": [{ "to": fictional(1) }], "message": "a" }))
                .await;
        let listed = answer(client, "list_sms", json!({ "batch": bulk["batch"], "status": "failed" })).await;
        assert_eq!(listed["messages"], json!([]), "a bulk that exists, with nothing that fits");
        assert_eq!(
            refusal(client, "list_sms", json!({ "cursor": "page2" })).await["code"],
            "invalid_argument"
        );
        for tool in ["get_balance", "send_sms"] {
            let mut args = json!({ "session": "ses_nobody" });
            if tool == "send_sms" {
                (args["to"], args["message"], args["dry_run"]) =
                    (fictional(1).into(), "x".into(), true.into());
            }
            assert_eq!(refusal(client, tool, args).await["code"], "session_invalid", "{tool}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_checks_the_key_and_says_what_it_was_used_for() {
    in_both_eras(WIDE, async |desk, client, _| {
        let call = |message: &str, key: &str, dry_run: bool| {
            json!({ "to": fictional(1), "message": message,
                "idempotency_key": key, "dry_run": dry_run })
        };
        for wrong in ["k".repeat(129), "a\u{7}b".to_owned()] {
            for dry_run in [true, false] {
                assert_eq!(
                    refusal(client, "send_sms", call("a", &wrong, dry_run)).await["code"],
                    "invalid_argument"
                );
            }
        }
        let fresh = answer(client, "send_sms", call("a", "k1", true)).await;
        assert_eq!((&fresh["replayed"], &fresh["quote"]["allowed"]), (&json!(false), &json!(true)));
        let sent = answer(client, "send_sms", call("a", "k1", false)).await;
        assert_eq!(sent["replayed"], false, "a dry run uses no key up");
        let again = answer(client, "send_sms", call("a", "k1", true)).await;
        assert_eq!(
            (&again["status"], &again["replayed"], &again["quote"]["allowed"]),
            (&json!("dry_run"), &json!(true), &json!(true))
        );
        assert!(again["warnings"].to_string().contains(sent["id"].as_str().unwrap()), "{again}");
        let other = answer(client, "send_sms", call("b", "k1", true)).await;
        assert_eq!(
            (&other["quote"]["allowed"], &other["quote"]["refusal"]["code"]),
            (&json!(false), &json!("idempotency_conflict")),
            "{other}"
        );
        assert_eq!(refusal(client, "send_sms", call("b", "k1", false)).await["code"], "idempotency_conflict");
        assert_eq!(desk.sent().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_a_bulk_checks_the_key_too_and_stays_a_dry_run() {
    in_both_eras(WIDE, async |desk, client, _| {
        let call = |message: &str, dry_run: bool| json!({ "recipients": [{ "to": fictional(1) }], "message": message, "idempotency_key": "k1", "dry_run": dry_run });
        assert_eq!(answer(client, "send_bulk", call("a", true)).await["replayed"], false);
        let sent = answer(client, "send_bulk", call("a", false)).await;
        let again = answer(client, "send_bulk", call("a", true)).await;
        assert_eq!((&again["status"], &again["replayed"], again.get("batch")), (&json!("dry_run"), &json!(true), None), "{again}");
        assert!(again["warnings"].to_string().contains(sent["batch"].as_str().unwrap()), "{again}");
        for dry_run in [true, false] {
            assert_eq!(refusal(client, "send_bulk", call("b", dry_run)).await["code"], "idempotency_conflict");
        }
        assert_eq!(desk.sent().len(), 1);
    })
    .await;
}
