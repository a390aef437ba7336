//! What clients send by habit: `""` for what is left out, floats for integers, JSON as text, `[]` for no
//! arguments. It is read as it was meant where that changes neither who is texted, nor what is said, nor what
//! may be spent; else it is refused with the place that is wrong.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Client, Desk, Era, WIDE, answer, call, fictional, refusal, text_of};
use crate::wire::{self, RawStdio, post};

/// The right arguments of each tool, and what may be left out.
fn tools() -> [(&'static str, Value, &'static [&'static str]); 6] {
    [
        (
            "send_sms",
            json!({ "to": fictional(1), "message": "One" }),
            &[
                "from",
                "idempotency_key",
                "session",
                "allow_duplicate",
                "dry_run",
                "purpose",
                "send_at",
                "send_at_local",
                "deliver_by",
            ],
        ),
        (
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(2) }], "message": "Many" }),
            &[
                "from",
                "idempotency_key",
                "session",
                "on_invalid",
                "dry_run",
                "purpose",
                "send_at",
                "send_at_local",
                "deliver_by",
            ],
        ),
        ("get_balance", json!({}), &["session"]),
        ("list_sms", json!({}), &["status", "to", "since", "until", "batch", "limit", "cursor"]),
        ("get_status", json!({ "id": "msg_x" }), &["cursor"]),
        ("open_session", json!({}), &["label", "max_spend", "max_messages"]),
    ]
}

/// Texts and keys that the sandbox was given, without ids.
fn texts(desk: &Desk) -> Vec<(Value, Value)> {
    desk.sent().into_iter().map(|sent| (sent["to"].clone(), sent["text"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn an_empty_text_or_null_for_what_may_be_left_out_is_the_same_as_leaving_it_out() {
    let desk = Desk::new(&format!("{WIDE}duplicate_window = \"0s\"\n"));
    let client = desk.stdio(Era::Stateless).await;
    let listed: BTreeSet<(String, String)> = client
        .list_all_tools()
        .await
        .unwrap()
        .iter()
        .flat_map(|tool| {
            let required: Vec<Value> =
                tool.input_schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            let names: Vec<String> =
                tool.input_schema["properties"].as_object().unwrap().keys().cloned().collect();
            let tool = tool.name.to_string();
            names
                .into_iter()
                .filter(move |name| !required.contains(&json!(name)))
                .map(move |name| (tool.clone(), name))
                .collect::<Vec<_>>()
        })
        .collect();
    let tried: BTreeSet<(String, String)> = tools()
        .iter()
        .flat_map(|(tool, _, optional)| optional.iter().map(|name| ((*tool).to_owned(), (*name).to_owned())))
        .collect();
    assert_eq!(tried, listed, "every argument that may be left out is tried");

    // What does not change from call to call.
    let told = |value: &Value| {
        let mut value = value.clone();
        let object = value.as_object_mut().unwrap();
        for name in [
            "id",
            "batch",
            "created_at",
            "budget",
            "budgets",
            "balances",
            "provider_message_id",
            "results",
            "session",
            "messages",
            "warnings",
        ] {
            object.remove(name);
        }
        value
    };
    for (tool, base, optional) in tools().into_iter().filter(|(tool, ..)| *tool != "get_status") {
        let without = told(&answer(&client, tool, base.clone()).await);
        for empty in [json!(""), json!("  "), Value::Null] {
            let mut all = base.clone();
            for name in optional.iter().filter(|name| empty.is_null() || **name != "dry_run") {
                all[name] = empty.clone();
                let mut one = base.clone();
                one[name] = empty.clone();
                assert_eq!(told(&answer(&client, tool, one).await), without, "{tool}: {name} = {empty}");
            }
            assert_eq!(told(&answer(&client, tool, all).await), without, "{tool}: all are {empty}");
        }
    }
    let id = answer(&client, "send_sms", json!({ "to": fictional(1), "message": "One" })).await["id"].clone();
    for empty in [json!(""), json!("  "), Value::Null] {
        assert_eq!(
            answer(&client, "get_status", json!({ "id": id, "cursor": empty })).await["message"]["id"],
            id,
            "{empty}"
        );
    }
    let sent = texts(&desk);
    assert!(
        sent.iter().all(|sent| *sent == (json!(fictional(1)), json!("One"))
            || *sent == (json!(fictional(2)), json!("Many"))),
        "{sent:?}"
    );
    assert!(
        desk.sent().iter().all(|sent| sent.get("from").is_none_or(Value::is_null)),
        "no sender was made of nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_never_a_recipient_a_message_or_an_id() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    for nothing in [json!(""), json!(" "), json!("null"), Value::Null] {
        refusal(&client, "send_sms", json!({ "to": nothing, "message": "x" })).await;
        refusal(&client, "send_bulk", json!({ "recipients": [{ "to": nothing }], "message": "x" })).await;
        refusal(&client, "send_bulk", json!({ "recipients": nothing, "message": "x" })).await;
        refusal(&client, "get_status", json!({ "id": nothing })).await;
        if nothing != "null" {
            refusal(&client, "send_sms", json!({ "to": fictional(1), "message": nothing })).await;
            refusal(
                &client,
                "send_bulk",
                json!({ "recipients": [{ "to": fictional(1) }], "message": nothing }),
            )
            .await;
        }
    }
    assert!(desk.sent().is_empty(), "{:?}", desk.sent());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_key_is_answered_with_a_warning_and_the_duplicate_window_still_protects() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    let warned = |answer: &Value| {
        answer["warnings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|said| said.as_str().unwrap().contains("duplicate window"))
    };
    for key in ["", "  "] {
        let quote = answer(
            &client,
            "send_sms",
            json!({ "to": fictional(1), "message": "x", "idempotency_key": key, "dry_run": true }),
        )
        .await;
        assert!(warned(&quote), "{quote}");
        let bulk = answer(
            &client,
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(2) }], "message": "y", "idempotency_key": key, "dry_run": true }),
        );
        assert!(warned(&bulk.await));
    }
    let sent =
        answer(&client, "send_sms", json!({ "to": fictional(1), "message": "x", "idempotency_key": "" }))
            .await;
    assert!(warned(&sent), "{sent}");
    let again =
        refusal(&client, "send_sms", json!({ "to": fictional(1), "message": "x", "idempotency_key": "" }))
            .await;
    assert_eq!(again["code"], "duplicate_suspected");
    for key in [json!("k"), Value::Null] {
        let other = answer(
            &client,
            "send_sms",
            json!({ "to": fictional(3), "message": format!("for {key}"), "idempotency_key": key }),
        )
        .await;
        assert!(!warned(&other), "{other}");
    }
    assert_eq!(desk.sent().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn zero_is_left_out_for_limit_alone_and_a_budget_of_zero_stays_one() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    answer(&client, "send_sms", json!({ "to": fictional(1), "message": "x" })).await;
    for limit in [json!(0), json!(0.0), json!("0"), json!(1.0), json!("1"), json!("100")] {
        assert_eq!(
            answer(&client, "list_sms", json!({ "limit": limit })).await["messages"]
                .as_array()
                .unwrap()
                .len(),
            1,
            "{limit}"
        );
    }
    // A strict model must choose a state, too.
    assert_eq!(
        answer(&client, "list_sms", json!({ "status": "any" })).await["messages"].as_array().unwrap().len(),
        1
    );
    assert!(
        answer(&client, "list_sms", json!({ "status": "queued" })).await["messages"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    for (name, zero) in [
        ("max_spend", json!(0)),
        ("max_spend", json!("0")),
        ("max_spend", json!(0.0)),
        ("max_messages", json!(0)),
        ("max_messages", json!(0.0)),
        ("max_messages", json!("0")),
    ] {
        let handle = answer(&client, "open_session", json!({ name: zero })).await["session"].clone();
        let refused =
            refusal(&client, "send_sms", json!({ "to": fictional(2), "message": "y", "session": handle }))
                .await;
        assert_eq!(refused["code"], "budget_exceeded", "{name} = {zero}");
    }
    for (most, left) in [(json!(2), 2), (json!(2.0), 2), (json!("2"), 2), (json!("007"), 7)] {
        let handle = answer(&client, "open_session", json!({ "max_messages": most })).await;
        assert_eq!(handle["budget"]["session_messages_remaining"], left, "{most}");
    }
    assert_eq!(desk.sent().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_true_and_false_say_whether_a_call_is_a_quote_or_repeats_a_text() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    let wrong = [
        json!("true"),
        json!("false"),
        json!("True"),
        json!("null"),
        json!(1),
        json!(0),
        json!(1.0),
        json!([]),
        json!({}),
    ];
    for value in wrong.iter().chain([&json!(""), &json!(" ")]) {
        let refused =
            refusal(&client, "send_sms", json!({ "to": fictional(1), "message": "x", "dry_run": value }))
                .await;
        assert!(
            refused["message"].as_str().unwrap().contains("`dry_run` is a boolean"),
            "{value}: {refused}"
        );
        refusal(
            &client,
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(1) }], "message": "x", "dry_run": value }),
        )
        .await;
    }
    assert!(desk.sent().is_empty(), "{:?}", desk.sent());
    answer(&client, "send_sms", json!({ "to": fictional(1), "message": "x" })).await;
    for value in &wrong {
        refusal(&client, "send_sms", json!({ "to": fictional(1), "message": "x", "allow_duplicate": value }))
            .await;
    }
    for value in [json!(""), Value::Null, json!(false)] {
        let refused = refusal(
            &client,
            "send_sms",
            json!({ "to": fictional(1), "message": "x", "allow_duplicate": value }),
        )
        .await;
        assert_eq!(refused["code"], "duplicate_suspected", "{value}");
    }
    answer(&client, "send_sms", json!({ "to": fictional(1), "message": "x", "allow_duplicate": true })).await;
    assert_eq!(desk.sent().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn an_integer_is_text_while_it_surely_has_all_its_digits_and_never_a_phone_number() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    let last = 9_007_199_254_740_991_i64;
    for (index, number) in [482_913, 0, -5, last].into_iter().enumerate() {
        answer(
            &client,
            "send_sms",
            json!({ "to": fictional(index), "message": number, "idempotency_key": number }),
        )
        .await;
        let again = answer(
            &client,
            "send_sms",
            json!({ "to": fictional(index), "message": number.to_string(), "idempotency_key": number.to_string() }),
        );
        assert_eq!(again.await["replayed"], true, "{number}");
    }
    let bulk = json!({ "recipients": [{ "to": fictional(9), "data": [{ "name": "code", "value": 4711 }] }],
        "message": "Code {{code}}" });
    answer(&client, "send_bulk", bulk).await;
    let said: Vec<Value> = texts(&desk).into_iter().map(|(_, text)| text).collect();
    assert_eq!(said, [json!("482913"), json!("0"), json!("-5"), json!(last.to_string()), json!("Code 4711")]);

    // As text, since what is written here is no `Value` that keeps its digits.
    let mut server = RawStdio::start(&desk, Era::Stateless, |_| {});
    let mut id = 100;
    for number in [
        "9007199254740992",
        "9007199254740993",
        "-9007199254740992",
        "1.50",
        "1.0",
        "1e3",
        "-0.0",
        "-0",
        "18446744073709551616",
    ] {
        for (arguments, place) in [
            (format!("{{\"to\":\"{}\",\"message\":{number}}}", fictional(20)), "`message`"),
            (
                format!("{{\"to\":\"{}\",\"message\":\"x\",\"idempotency_key\":{number}}}", fictional(20)),
                "`idempotency_key`",
            ),
        ] {
            id += 1;
            let line =
                String::from_utf8(wire::tool_call(Era::Stateless, id, "send_sms", &json!("ARGUMENTS")))
                    .unwrap();
            server.send(line.replacen("\"ARGUMENTS\"", &arguments, 1).as_bytes());
            let refused = server.answer_to(id, &mut Vec::new());
            let said = refused["result"]["content"][0]["text"].as_str().unwrap();
            assert!(
                refused["result"]["isError"] == true && said.contains(place) && said.contains("Right: "),
                "{arguments}: {refused}"
            );
        }
    }
    for (tool, wrong, place) in [
        ("send_sms", json!({ "to": 4_366_412_345_670_i64, "message": "x" }), "`to`"),
        ("send_sms", json!({ "to": fictional(1), "message": "x", "from": 10690 }), "`from`"),
        (
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(1) }, { "to": 4_366_412_345_670_i64 }], "message": "x" }),
            "`recipients[1].to`",
        ),
        (
            "send_bulk",
            json!({ "recipients": "[{\"to\": 4366412345670}]", "message": "x" }),
            "`recipients[0].to`",
        ),
        ("list_sms", json!({ "to": 4_366_412_345_670_i64 }), "`to`"),
    ] {
        let refused = refusal(&client, tool, wrong.clone()).await;
        let said = refused["message"].as_str().unwrap();
        assert!(
            said.contains(place) && said.contains("in quotes") && !said.contains("366412345670"),
            "{wrong}: {said}"
        );
    }
    assert_eq!(desk.sent().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_a_map_and_json_text_fill_placeholders_alike() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    let (one, two) = (fictional(1), fictional(2));
    let list = json!([{ "name": "name", "value": "Ann" }, { "name": "at", "value": "7" }]);
    let map = json!({ "name": "Ann", "at": 7 });
    let text = |value: &Value| json!(value.to_string());
    let spellings = [
        json!([{ "to": one, "data": list }, { "to": two, "data": map }]),
        json!([{ "to": one, "data": text(&list) }, { "to": two, "data": text(&map) }]),
        json!([text(&json!({ "to": one, "data": list })), text(&json!({ "to": two, "data": text(&map) }))]),
        text(&json!([{ "to": one, "data": list }, { "to": two, "data": map }])),
        text(&json!([text(&json!({ "to": one, "data": map })), { "to": two, "data": text(&list) }])),
    ];
    for (index, recipients) in spellings.into_iter().enumerate() {
        let message = format!("{index}: {{{{name}}}} at {{{{at}}}}");
        let bulk =
            answer(&client, "send_bulk", json!({ "recipients": recipients, "message": message })).await;
        assert_eq!(bulk["accepted"], 2, "{recipients}");
        let mut sent = texts(&desk).split_off(index * 2);
        sent.sort_by_key(|(to, _)| to.to_string());
        let said = json!(format!("{index}: Ann at 7"));
        assert_eq!(sent, [(json!(one), said.clone()), (json!(two), said)], "{recipients}");
    }
    // Without data, and with data that is empty in every way.
    for (index, data) in
        [json!([]), json!({}), json!(""), Value::Null, json!("[]"), json!("{}"), json!({ "name": null })]
            .into_iter()
            .enumerate()
    {
        let bulk =
            json!({ "recipients": [{ "to": fictional(10 + index), "data": data }], "message": "Plain" });
        assert_eq!(answer(&client, "send_bulk", bulk).await["accepted"], 1, "{data}");
    }
    let sent = desk.sent().len();
    // A text that happens to be JSON stays a text, and what is only half a pair is none.
    answer(&client, "send_sms", json!({ "to": fictional(30), "message": "{\"to\":\"x\"}" })).await;
    assert_eq!(texts(&desk).pop().unwrap().1, json!("{\"to\":\"x\"}"));
    for data in [
        json!([{ "name": "Ann" }]),
        json!([{ "name": "name", "value": null }]),
        json!([{ "name": "name", "value": "A", "more": 1 }]),
    ] {
        let refused = refusal(
            &client,
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(1), "data": data }], "message": "Hi {{name}}" }),
        )
        .await;
        assert!(
            refused["message"].as_str().unwrap().contains("`recipients[0].data[0]`"),
            "{data}: {refused}"
        );
    }
    let twice = json!([{ "name": "name", "value": "A" }, { "name": "name", "value": "A" }]);
    let refused = refusal(
        &client,
        "send_bulk",
        json!({ "recipients": [{ "to": fictional(1), "data": twice }], "message": "Hi {{name}}" }),
    )
    .await;
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("`recipients[0].data`: the name \"name\" is there twice"),
        "{refused}"
    );
    assert_eq!(desk.sent().len(), sent + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_name_and_value_alone_is_one_pair_and_never_two_values() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    let pair = json!({ "name": "name", "value": "Ann" });
    let bulk = |data: &Value, message: &str| {
        json!({ "recipients": [{ "to": fictional(1), "data": data }],
        "message": message })
    };
    let mut said = Vec::new();
    for (index, data) in [pair.clone(), json!(pair.to_string()), json!({ "value": "Ann", "name": "name" })]
        .into_iter()
        .enumerate()
    {
        let message = format!("{index}: Hi {{{{name}}}}");
        assert_eq!(answer(&client, "send_bulk", bulk(&data, &message)).await["accepted"], 1, "{data}");
        said.push(json!(format!("{index}: Hi Ann")));
    }
    // A map of other names stays one, and so does one of more.
    answer(&client, "send_bulk", bulk(&json!({ "name": "Ann" }), "3: Hi {{name}}")).await;
    answer(
        &client,
        "send_bulk",
        bulk(&json!({ "name": "Ann", "value": "5", "at": "7" }), "4: {{name}} {{value}} {{at}}"),
    )
    .await;
    answer(&client, "send_bulk", bulk(&json!({ "name": "code", "value": 17 }), "5: {{code}}")).await;
    said.extend([json!("3: Hi Ann"), json!("4: Ann 5 7"), json!("5: 17")]);
    let sent: Vec<Value> = texts(&desk).into_iter().map(|(_, text)| text).collect();
    assert_eq!(sent, said);
    // Who is called "name" is nobody, and neither is who has no value.
    for (data, message, part) in [
        (pair.clone(), "Hi {{name}}, {{value}}", "write the list of pairs"),
        (json!(pair.to_string()), "{{value}} {{ name }}", "write the list of pairs"),
        (json!({ "name": "name", "value": null }), "Hi {{name}}", "missing field `value`"),
        (json!({ "name": null, "value": "Ann" }), "Hi {{value}}", "missing field `name`"),
        (json!({ "name": "Ann", "value": "Bob" }), "Hi {{name}}", "no value for placeholder {{name}}"),
        (
            json!({ "name": ["name"], "value": "Ann" }),
            "Hi {{name}}",
            "`recipients[0].data[0].name`: it is an array",
        ),
    ] {
        let refused = refusal(&client, "send_bulk", bulk(&data, message)).await;
        assert!(refused["message"].as_str().unwrap().contains(part), "{data}: {refused}");
    }
    assert_eq!(desk.sent().len(), said.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_of_empty_texts_is_one_that_a_strict_model_had_to_fill() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    let padding = json!({ "name": "", "value": "" });
    let ann = json!({ "name": "name", "value": "Ann" });
    let plain = [
        json!([padding]),
        json!([padding, { "name": " ", "value": null }]),
        padding.clone(),
        json!([padding.to_string()]),
        json!({ "": "" }),
    ];
    for (index, data) in plain.into_iter().enumerate() {
        let bulk = json!({ "recipients": [{ "to": fictional(index), "data": data }], "message": "Plain" });
        assert_eq!(answer(&client, "send_bulk", bulk).await["accepted"], 1, "{data}");
    }
    let bulk = json!({ "recipients": [{ "to": fictional(9), "data": [padding, ann, padding] }], "message":
        "Hi {{name}}" });
    answer(&client, "send_bulk", bulk).await;
    assert_eq!(texts(&desk).pop().unwrap().1, json!("Hi Ann"));
    let sent = desk.sent().len();
    // Half of a pair says something, and a placeholder stays one that must be filled.
    for data in
        [json!([{ "name": "name", "value": "" }]), json!([{ "name": "", "value": "Ann" }]), json!([padding])]
    {
        refusal(
            &client,
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(10), "data": data }], "message": "Hi {{name}}" }),
        )
        .await;
    }
    assert_eq!(desk.sent().len(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integer_out_of_range_is_told_its_field_its_value_and_its_range() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    for (tool, name, range) in
        [("list_sms", "limit", "from 1 to 100"), ("open_session", "max_messages", "from 0 to 4294967295")]
    {
        for (given, shown) in [
            (json!(-1), "it is -1"),
            (json!(-7.0), "it is -7.0"),
            (json!(1.5), "it is 1.5"),
            (json!(4_294_967_296_u64), "it is 4294967296"),
            (json!(u64::MAX), "it is 18446744073709551615"),
            (json!(i64::MIN), "it is -9223372036854775808"),
            (json!(1e300), "it is 1e+300"),
            (json!("4294967296"), "it is \"4294967296\""),
            (json!(true), "it is a boolean"),
            (json!("five"), "it is text"),
            (json!([5]), "it is an array"),
        ] {
            let said = raw(&client, tool, json!({ name: given })).await;
            for part in [
                format!("`{name}`: {shown}"),
                range.to_owned(),
                format!("`{name}` is an integer"),
                format!("Right: \"{name}\": "),
            ] {
                assert!(said.contains(&part), "{tool} {name} = {given} does not say {part:?}: {said}");
            }
            assert!(!said.contains("u32") && !said.contains("expected"), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_for_nothing_is_no_sender_no_key_and_no_handle() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    for word in ["null", "None", "UNDEFINED", "nil", " none ", "NULL"] {
        for (name, code) in [
            ("from", "sender_not_allowed"),
            ("idempotency_key", "invalid_argument"),
            ("session", "session_invalid"),
        ] {
            let refused =
                refusal(&client, "send_sms", json!({ "to": fictional(1), "message": "x", name: word })).await;
            assert_eq!(refused["code"], code, "{name} = {word}: {refused}");
            assert!(
                refused["message"].as_str().unwrap().contains("leave it out"),
                "{name} = {word}: {refused}"
            );
            refusal(
                &client,
                "send_bulk",
                json!({ "recipients": [{ "to": fictional(1) }], "message": "x", name: word }),
            )
            .await;
        }
        refusal(&client, "get_balance", json!({ "session": word })).await;
    }
    assert!(desk.sent().is_empty(), "{:?}", desk.sent());
    // The command line too: `jq -r` writes null where there is nothing.
    for option in ["--from", "--idempotency-key"] {
        let output = desk.command().args(["send", &fictional(1), "x", option, "null"]).output().unwrap();
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("stands for nothing"),
            "{option}: {output:?}"
        );
        assert!(!output.status.success(), "{option}: {output:?}");
    }
    assert!(desk.sent().is_empty(), "{:?}", desk.sent());
}

#[test]
fn an_operator_whose_brand_is_such_a_word_may_allow_it() {
    let desk = Desk::new(&format!("{WIDE}allow_senders = [\"None\"]\n"));
    let output = desk.command().args(["send", &fictional(1), "x", "--from", "None"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(desk.sent().len(), 1);
}

async fn raw(client: &Client, tool: &'static str, arguments: Value) -> String {
    text_of(&call(client, tool, arguments).await)["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_names_the_place_what_belongs_there_and_one_right_value_and_repeats_nothing() {
    let desk = Desk::new(WIDE);
    let client = desk.stdio(Era::Stateless).await;
    let secret = "482913 is your code";
    for (tool, wrong, parts) in [
        (
            "send_sms",
            json!({ "to": [secret], "message": "x" }),
            ["`to`: it is an array", "`to` is a string: ", "Right: \"to\": \"+12025550123\""],
        ),
        (
            "send_sms",
            json!({ "to": fictional(1), "message": { "text": secret } }),
            ["it is an object", "`message` is a string: ", "Right: \"message\": "],
        ),
        (
            "send_bulk",
            json!({ "recipients": secret, "message": "x" }),
            ["it is text", "`recipients` is an array: ", "Right: \"recipients\": [{\"to\": "],
        ),
        (
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(1) }, secret], "message": "x" }),
            ["it is text", "`recipients[1]` is an object: ", "Right: {\"to\": "],
        ),
        (
            "send_bulk",
            json!({ "recipients": [{ "to": fictional(1), "data": [{ "name": "n", "value": [secret] }] }],
                "message": "x" }),
            ["it is an array", "`recipients[0].data[0].value` is a string: ", "Right: \"value\": \"Ann\""],
        ),
        (
            "list_sms",
            json!({ "limit": [secret] }),
            ["it is an array", "`limit` is an integer: ", "Right: \"limit\": 20"],
        ),
        (
            "send_bulk",
            json!({ "recipients": [], "message": "x", "on_invalid": secret }),
            ["`refuse`", "`on_invalid` is a string: ", "Right: \"on_invalid\": "],
        ),
        (
            "send_sms",
            json!({ "to": fictional(1), "mesage": secret }),
            ["unknown field `mesage`", "`message`", "`idempotency_key`"],
        ),
    ] {
        let said = raw(&client, tool, wrong.clone()).await;
        for part in parts {
            assert!(said.contains(part), "{wrong} does not say {part:?}: {said}");
        }
        assert!(!said.contains("482913"), "{said}");
    }
    assert!(desk.sent().is_empty());
}

/// Asks over both transports in this era and returns the errors' codes and messages.
fn asked(desk: &Desk, era: Era, method: &str, params: &str) -> Vec<Value> {
    let line = String::from_utf8(wire::request(era, 7, method, json!({ "PARAMS": 1 }))).unwrap().replacen(
        "\"PARAMS\":1",
        params,
        1,
    );
    let line = line.replace("{,", "{").replace(",}", "}");
    let mut server = RawStdio::start(desk, era, |_| {});
    server.send(line.as_bytes());
    let over_stdio = server.answer_to(7, &mut Vec::new());
    server.finish();
    let server = desk.http(|_| {});
    let session = (era == Era::Legacy).then(|| wire::open_legacy(server.port, &[]));
    let named = serde_json::from_str::<Value>(&line).unwrap()["params"]["name"]
        .as_str()
        .unwrap_or("get_balance")
        .to_owned();
    let headers: Vec<(&str, &str)> = match &session {
        Some(id) => vec![("Mcp-Session-Id", id)],
        None if method == "tools/call" => {
            vec![("Mcp-Protocol-Version", "2026-07-28"), ("Mcp-Method", method), ("Mcp-Name", &named)]
        }
        None => vec![("Mcp-Protocol-Version", "2026-07-28"), ("Mcp-Method", method)],
    };
    let over_http = post(server.port, &headers, line.as_bytes());
    vec![over_stdio, over_http.json().unwrap_or_else(|| panic!("{over_http:?}"))]
}

#[test]
fn a_wrong_parameter_is_named_and_its_method_is_not_called_unknown() {
    let desk = Desk::new("");
    for (era, method, params, field) in [
        (Era::Legacy, "tools/call", "\"name\":\"get_balance\",\"arguments\":\"x\"", "`arguments`"),
        (Era::Stateless, "tools/call", "\"name\":\"get_balance\",\"arguments\":7", "`arguments`"),
        (Era::Legacy, "tools/call", "\"arguments\":{}", "`name`"),
        (Era::Legacy, "tools/call", "\"name\":7", "`name`"),
        (Era::Legacy, "resources/read", "", "`uri`"),
        (Era::Legacy, "resources/read", "\"uri\":[]", "`uri`"),
        (Era::Legacy, "resources/subscribe", "\"uri\":7", "`uri`"),
        (Era::Legacy, "resources/unsubscribe", "", "`uri`"),
        (Era::Legacy, "prompts/get", "", "`name`"),
        (Era::Legacy, "prompts/get", "\"name\":\"x\"", "`name`"),
        (Era::Stateless, "subscriptions/listen", "", "`notifications`"),
    ] {
        for answer in asked(&desk, era, method, params) {
            assert_eq!(answer["error"]["code"], -32602, "{era:?} {method} {params}: {answer}");
            assert!(
                answer["error"]["message"].as_str().unwrap().contains(field),
                "{era:?} {method} {params}: {answer}"
            );
        }
    }
    for answer in asked(&desk, Era::Legacy, "no/such", "") {
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
    }
    for era in Era::BOTH {
        for answer in asked(&desk, era, "tools/call", "\"name\":\"get_balance\",\"arguments\":[]") {
            assert!(answer["result"]["structuredContent"]["budgets"].is_array(), "{era:?}: {answer}");
            // As the library writes a result of the version.
            assert_eq!(answer["result"].get("resultType").is_some(), era == Era::Stateless, "{answer}");
        }
        for answer in asked(&desk, era, "prompts/list", "") {
            assert_eq!(answer["result"]["prompts"], json!([]), "{era:?}: {answer}");
        }
        for answer in asked(&desk, era, "resources/templates/list", "") {
            assert_eq!(
                answer["result"]["resourceTemplates"].as_array().map(Vec::len),
                Some(1),
                "{era:?}: {answer}"
            );
        }
    }
}

#[test]
fn an_opening_that_cannot_be_read_is_told_its_field_and_the_next_one_is_served() {
    let desk = Desk::new("");
    let whole: Value = serde_json::from_slice(&wire::initialize()).unwrap();
    let server = desk.http(|_| {});
    for (name, wrong, field) in [
        ("clientInfo", None, "`clientInfo`"),
        ("protocolVersion", None, "`protocolVersion`"),
        ("protocolVersion", Some(json!(7)), "`protocolVersion`"),
        ("clientInfo", Some(json!({ "name": "x" })), "`version`"),
        ("capabilities", None, "`capabilities`"),
    ] {
        let mut opening = whole.clone();
        match wrong {
            None => drop(opening["params"].as_object_mut().unwrap().remove(name)),
            Some(value) => opening["params"][name] = value,
        }
        let line = serde_json::to_vec(&opening).unwrap();
        // The first word of a process: no session stands yet.
        let mut stdio = RawStdio::start(&desk, Era::Stateless, |_| {});
        stdio.send(&line);
        let over_http = post(server.port, &[], &line);
        for refused in
            [stdio.answer_to(0, &mut Vec::new()), over_http.json().unwrap_or_else(|| panic!("{over_http:?}"))]
        {
            assert_eq!(
                (&refused["error"]["code"], &refused["id"]),
                (&json!(-32602), &json!(0)),
                "{name}: {refused}"
            );
            assert!(refused["error"]["message"].as_str().unwrap().contains(field), "{name}: {refused}");
        }
        stdio.send(&wire::initialize());
        assert!(stdio.answer_to(0, &mut Vec::new())["result"].is_object());
        stdio.finish();
        wire::open_legacy(server.port, &[]);
    }
}

#[test]
fn the_icon_is_told_to_the_versions_that_have_icons() {
    let desk = Desk::new("");
    let server = desk.http(|_| {});
    for (version, has_icons) in
        [("2025-03-26", false), ("2025-06-18", false), ("2025-11-25", true), ("2026-07-28", true)]
    {
        let mut opening: Value = serde_json::from_slice(&wire::initialize()).unwrap();
        opening["params"]["protocolVersion"] = json!(version);
        let line = serde_json::to_vec(&opening).unwrap();
        let mut stdio = RawStdio::start(&desk, Era::Stateless, |_| {});
        stdio.send(&line);
        for answer in [stdio.answer_to(0, &mut Vec::new()), post(server.port, &[], &line).json().unwrap()] {
            let shown = &answer["result"]["serverInfo"];
            assert_eq!(shown["icons"].is_array(), has_icons, "{version}: {answer}");
            assert_eq!(shown["name"], "sms-mcp", "{answer}");
        }
        stdio.finish();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_of_recipients_is_read_as_a_short_one_is_and_told_where_it_is_wrong() {
    let desk = Desk::new(&format!("{WIDE}bulk_max = 5000\n"));
    let client = desk.stdio(Era::Stateless).await;
    // Far beyond what is made a tree of values.
    let mut list: Vec<Value> = (0..3_000)
        .map(|n| {
            json!({ "to": fictional(n), "data": [{ "name": "name", "value": format!(
            "\"N\u{e9} {n}]\\") }] })
        })
        .collect();
    let quote = |list: &Value| json!({ "recipients": list, "message": "To {{name}}", "dry_run": true });
    let by_list = answer(&client, "send_bulk", quote(&json!(list))).await;
    let by_text = answer(&client, "send_bulk", quote(&json!(json!(list).to_string()))).await;
    assert_eq!((&by_list["accepted"], &by_text["accepted"]), (&json!(3_000), &json!(3_000)), "{by_list}");
    assert_eq!(by_list["segments"], by_text["segments"]);
    // By habit: a map for the pairs, nulls for what is left out, an integer for text.
    list[2_998] = json!({ "to": fictional(2_998), "data": { "name": 7 }, "more": null });
    assert_eq!(answer(&client, "send_bulk", quote(&json!(list))).await["accepted"], 3_000);
    let wrong = [
        (
            json!({ "to": 33_199_000_001_u64, "data": [{ "name": "name", "value": "x" }] }),
            "`recipients[2999].to`",
        ),
        (json!({ "to": fictional(1), "dat": [] }), "`recipients[2999]`"),
        (json!("+33199000001"), "`recipients[2999]`"),
        (
            json!({ "to": fictional(1), "data": [{ "name": "name", "value": "x" }, { "name": "name", "value": "y" }] }),
            "recipients[2999]",
        ),
        (json!({ "to": fictional(2_999), "data": [] }), "recipients[2999]"),
    ];
    for (last, place) in wrong {
        list[2_999] = last;
        for list in [json!(list), json!(json!(list).to_string())] {
            let refused = refusal(&client, "send_bulk", quote(&list)).await;
            assert!(
                refused["code"] == "invalid_argument" && refused["message"].as_str().unwrap().contains(place),
                "{refused}"
            );
        }
    }
    let twice = format!(
        "[{}, {{\"to\":\"+1\",\"to\":\"+2\"}}]",
        list[..2_990].iter().map(Value::to_string).collect::<Vec<_>>().join(",")
    );
    let refused = refusal(&client, "send_bulk", quote(&json!(twice))).await;
    assert!(refused["message"].as_str().unwrap().contains("twice in one object"), "{refused}");
    assert_eq!(desk.sent().len(), 0);
}
