//! The protocol as a well-behaved client sees it: both eras over both transports.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{
    Client, Desk, Era, HttpServer, WIDE, answer, call, eventually_async, fictional, refusal, text_of,
};
use crate::wire::{self, RawStdio};

/// A client of every era over every transport, each with a desk of its own.
async fn everywhere(settings: &str) -> Vec<(String, Desk, Option<HttpServer>, Client)> {
    let mut all = Vec::new();
    for era in Era::BOTH {
        let desk = Desk::new(settings);
        let client = desk.stdio(era).await;
        all.push((format!("stdio {era:?}"), desk, None, client));
        let desk = Desk::new(settings);
        let server = desk.http(|_| {});
        let client = server.client(era, None).await;
        all.push((format!("http {era:?}"), desk, Some(server), client));
    }
    all
}

/// Holds each answer to the schemas that the server showed.
struct Checked<'a> {
    client: &'a Client,
    tools: Vec<rmcp::model::Tool>,
}

impl<'a> Checked<'a> {
    async fn new(client: &'a Client) -> Self {
        Self { client, tools: client.list_all_tools().await.unwrap() }
    }

    fn fits(&self, tool: &str, output: bool, value: &Value) {
        let listed = self.tools.iter().find(|listed| listed.name == tool).unwrap();
        let schema = if output { listed.output_schema.as_ref().unwrap() } else { &listed.input_schema };
        let schema = Value::Object((**schema).clone());
        let errors: Vec<String> = jsonschema::draft202012::new(&schema)
            .unwrap()
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{tool}: {value} does not fit its schema: {errors:?}");
        if output {
            // A schema that allows more would let a misspelt field pass.
            let known = schema["properties"].as_object().unwrap();
            assert!(
                value.as_object().unwrap().keys().all(|name| known.contains_key(name)),
                "{tool}: {value} has a field without schema"
            );
        }
    }

    /// A call that must succeed.
    async fn answer(&self, tool: &'static str, arguments: Value) -> Value {
        self.fits(tool, false, &arguments);
        let result = call(self.client, tool, arguments).await;
        assert_ne!(result.is_error, Some(true), "{result:?}");
        let structured = result.structured_content.clone().expect("structured content");
        self.fits(tool, true, &structured);
        assert_eq!(text_of(&result), structured, "the text is the same JSON");
        assert_eq!(result.content.len(), 1);
        structured
    }

    /// A call that must be refused with this code, although its arguments fit the schema.
    async fn refusal(&self, tool: &'static str, arguments: Value, code: &str) -> Value {
        self.fits(tool, false, &arguments);
        let refused = refusal(self.client, tool, arguments).await;
        assert_eq!(refused["code"], code, "{refused}");
        for field in ["message", "next"] {
            assert!(refused[field].as_str().is_some_and(|text| text.len() > 10), "{refused}");
        }
        refused
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_sees_the_same_tools_in_the_same_order() {
    let mut lists = Vec::new();
    for (whose, _desk, _server, client) in everywhere("").await {
        for _ in 0..2 {
            lists
                .push((whose.clone(), serde_json::to_value(client.list_all_tools().await.unwrap()).unwrap()));
        }
    }
    for (whose, list) in &lists {
        assert_eq!(list, &lists[0].1, "{whose}");
    }
    let names: Vec<&str> =
        lists[0].1.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["send_sms", "send_bulk", "get_balance", "list_sms", "get_status", "cancel_sms", "open_session"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_who_it_is_and_how_to_behave() {
    for (whose, _desk, _server, client) in everywhere("").await {
        let info = client.peer_info().unwrap();
        let shown = serde_json::to_value(&info.server_info).unwrap();
        assert_eq!(shown["name"], "sms-mcp", "{whose}");
        assert_eq!(shown["title"], "SMS", "{whose}");
        assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"), "{whose}");
        let icon = shown["icons"][0]["src"]
            .as_str()
            .and_then(|icon| icon.strip_prefix("data:image/svg+xml;base64,"));
        let icon = base64::engine::general_purpose::STANDARD
            .decode(icon.unwrap_or_else(|| panic!("{whose}: {shown}")))
            .unwrap();
        assert!(String::from_utf8(icon).unwrap().starts_with("<svg "), "{whose}");
        let instructions = info.instructions.clone().expect("instructions");
        assert!(
            (200..=1_200).contains(&instructions.chars().count()),
            "{whose}: {} characters",
            instructions.chars().count()
        );
        for rule in ["dry_run", "idempotency_key", "outcome_unknown", "get_status"] {
            assert!(instructions.contains(rule), "{whose}: the instructions do not speak of {rule}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_tool_answers_and_refuses_in_its_schema_over_every_transport() {
    for (whose, desk, _server, client) in everywhere(WIDE).await {
        let tools = Checked::new(&client).await;
        // Quotes.
        let quote = tools
            .answer(
                "send_sms",
                json!({ "to": fictional(1), "message": "It\u{2019}s \u{4e2d}",
            "from": "Acme", "dry_run": true }),
            )
            .await;
        assert_eq!(
            (&quote["status"], quote["quote"]["allowed"] == true),
            (&json!("dry_run"), true),
            "{whose}: {quote}"
        );
        assert_eq!(quote["quote"]["ucs2_characters"][0]["code_point"], "U+2019");
        let refused =
            tools.answer("send_sms", json!({ "to": "+33899000001", "message": "x", "dry_run": true })).await;
        assert_eq!(refused["quote"]["allowed"], false, "{whose}: {refused}");
        assert!(refused["quote"]["refusal"]["next"].is_string());
        let quote = tools
            .answer(
                "send_bulk",
                json!({ "recipients": [{ "to": fictional(1) }], "message": "x", "dry_run": true }),
            )
            .await;
        assert_eq!(quote["status"], "dry_run");
        assert!(desk.sent().is_empty(), "{whose}: a quote was sent");

        // One message, and its life.
        let sent = tools
            .answer("send_sms", json!({ "to": fictional(1), "message": "One", "idempotency_key": "k1" }))
            .await;
        assert_eq!(sent["status"], "sent");
        let again = tools
            .answer("send_sms", json!({ "to": fictional(1), "message": "One", "idempotency_key": "k1" }))
            .await;
        assert_eq!((&again["id"], &again["replayed"]), (&sent["id"], &json!(true)));
        let status = tools.answer("get_status", json!({ "id": sent["id"] })).await;
        assert_eq!(status["message"]["id"], sent["id"]);
        assert!(status["history"].as_array().is_some_and(|steps| steps.len() >= 2), "{status}");
        let lost = tools
            .refusal("send_sms", json!({ "to": "+12025550104", "message": "Lost" }), "outcome_unknown")
            .await;
        assert!(lost["next"].as_str().unwrap().contains("NOT"), "{lost}");
        tools.answer("get_status", json!({ "id": lost["id"] })).await;

        // A bulk, and its life.
        let named = |to: String, name: &str| json!({ "to": to, "data": [{ "name": "name", "value": name }] });
        let recipients = json!([
            named(fictional(2), "Ann"),
            named(fictional(3), "Bob"),
            named(fictional(2), "Ann"),
            named("12".into(), "Nobody"),
            named("+12025550101".into(), "No")
        ]);
        let bulk = tools
            .answer(
                "send_bulk",
                json!({ "recipients": recipients, "message": "Hi {{name}}", "on_invalid": "skip" }),
            )
            .await;
        assert_eq!((&bulk["status"], &bulk["accepted"]), (&json!("done"), &json!(3)), "{whose}: {bulk}");
        assert_eq!(
            (bulk["refused"].as_array().unwrap().len(), bulk["duplicates"].as_array().unwrap().len()),
            (1, 1),
            "{bulk}"
        );
        let status = tools.answer("get_status", json!({ "id": bulk["batch"] })).await;
        assert_eq!(status["bulk"]["counts"]["rejected"], 1, "{status}");

        // Pages: together they are the whole list, without a repetition.
        let mut seen = Vec::new();
        let mut page = tools.answer("list_sms", json!({ "limit": 2 })).await;
        loop {
            seen.extend(page["messages"].as_array().unwrap().iter().map(|message| message["id"].clone()));
            let Some(cursor) = page.get("next_cursor").cloned() else { break };
            page = tools.answer("list_sms", json!({ "limit": 2, "cursor": cursor })).await;
        }
        let whole = tools.answer("list_sms", json!({ "limit": 100, "since": "2020-01-01" })).await;
        let whole: Vec<Value> =
            whole["messages"].as_array().unwrap().iter().map(|message| message["id"].clone()).collect();
        assert_eq!(seen, whole, "{whose}");
        assert_eq!(whole.len(), 5, "{whose}");
        tools
            .answer("list_sms", json!({ "batch": bulk["batch"], "status": "rejected", "to": "+12025550101" }))
            .await;

        // Budgets.
        let handle = tools
            .answer("open_session", json!({ "label": "sub", "max_spend": "1.50", "max_messages": 3 }))
            .await;
        assert_eq!(handle["budget"]["session_remaining"], "1.50");
        let balance = tools.answer("get_balance", json!({ "session": handle["session"] })).await;
        assert!(
            balance["budgets"].as_array().unwrap().iter().any(|budget| budget["scope"] == "handle"),
            "{balance}"
        );
        tools.answer("get_balance", json!({})).await;

        // Refusals of all six.
        tools.refusal("send_sms", json!({ "to": "12", "message": "x" }), "invalid_number").await;
        tools
            .refusal("send_sms", json!({ "to": fictional(1), "message": "One" }), "duplicate_suspected")
            .await;
        tools
            .refusal(
                "send_bulk",
                json!({ "recipients": [{ "to": "12" }], "message": "x" }),
                "recipients_refused",
            )
            .await;
        tools.refusal("get_balance", json!({ "session": "ses_0" }), "session_invalid").await;
        tools.refusal("list_sms", json!({ "since": "yesterday" }), "invalid_argument").await;
        tools.refusal("get_status", json!({ "id": "msg_0" }), "not_found").await;
        tools.refusal("open_session", json!({ "max_spend": "much" }), "invalid_argument").await;
        assert_eq!(desk.sent().len(), 4, "{whose}: sent, lost and two of the bulk");
        client.cancel().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_bulk_answers_in_progress_and_goes_on() {
    let desk = Desk::new(&format!(
        "{WIDE}[send]\nbulk_wait = \"100ms\"\nconcurrency = 2\n[[provider]]\nkind = \"sandbox\"\nlatency = \
         \"200ms\"\n"
    ));
    let client = desk.stdio(Era::Stateless).await;
    let tools = Checked::new(&client).await;
    let recipients: Vec<Value> = (0..6).map(|index| json!({ "to": fictional(index) })).collect();
    let bulk = tools.answer("send_bulk", json!({ "recipients": recipients, "message": "x" })).await;
    assert_eq!(bulk["status"], "in_progress", "{bulk}");
    assert_eq!(bulk["accepted"], 6);
    let is_done =
        async || tools.answer("get_status", json!({ "id": bulk["batch"] })).await["bulk"]["status"] == "done";
    eventually_async("it goes on to its end", is_done).await;
    assert_eq!(desk.sent().len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_that_is_called_for_again_is_waited_for_as_the_first_call_waits() {
    let desk = Desk::new(&format!(
        "{WIDE}[send]\nconcurrency = 2\n[[provider]]\nkind = \"sandbox\"\nlatency = \"700ms\"\n"
    ));
    let server = desk.http(|_| {});
    let (first, other) = (server.client(Era::Stateless, None).await, desk.stdio(Era::Stateless).await);
    let recipients: Vec<Value> = (0..6).map(|index| json!({ "to": fictional(index) })).collect();
    let bulk = || json!({ "recipients": recipients, "message": "x", "idempotency_key": "k" });
    let call = tokio::spawn({
        let bulk = bulk();
        async move { answer(&first, "send_bulk", bulk).await }
    });
    eventually_async("the first call is taken", async || !desk.sent().is_empty()).await;
    // In the process that sends, and in another one.
    let client = server.client(Era::Legacy, None).await;
    let (here, elsewhere) =
        tokio::join!(answer(&client, "send_bulk", bulk()), answer(&other, "send_bulk", bulk()));
    for again in [here, elsewhere] {
        assert_eq!(
            (&again["status"], &again["replayed"], &again["accepted"]),
            (&json!("done"), &json!(true), &json!(6)),
            "{again}"
        );
    }
    let begun = call.await.unwrap();
    assert_eq!(
        (&begun["status"], &begun["replayed"]),
        (&json!("done"), &json!(false)),
        "and the first call has its answer: {begun}"
    );
    assert_eq!(desk.sent().len(), 6);
}

/// A bulk of eight with a progress token, as bytes: a client that handles notifications side by side (rmcp's
/// does) cannot tell in which order they came.
fn watched_bulk(era: Era) -> Vec<u8> {
    let recipients: Vec<Value> = (0..8).map(|index| json!({ "to": fictional(index) })).collect();
    let arguments = json!({ "recipients": recipients, "message": "x" });
    let mut request: Value =
        serde_json::from_slice(&wire::tool_call(era, 7, "send_bulk", &arguments)).unwrap();
    request["params"]["_meta"]["progressToken"] = json!("tok-1");
    serde_json::to_vec(&request).unwrap()
}

#[test]
fn a_bulk_tells_its_progress_and_every_step_is_higher() {
    for era in Era::BOTH {
        for is_http in [false, true] {
            let desk = Desk::new(&format!(
                "{WIDE}[send]\nconcurrency = 2\n[[provider]]\nkind = \"sandbox\"\nlatency = \"500ms\"\n"
            ));
            let (told, answer) = if is_http {
                let server = desk.http(|_| {});
                let session = (era == Era::Legacy).then(|| wire::open_legacy(server.port, &[]));
                let headers: Vec<(&str, &str)> = match &session {
                    Some(id) => vec![("Mcp-Session-Id", id)],
                    None => wire::stateless_headers("send_bulk").to_vec(),
                };
                let mut told = wire::post(server.port, &headers, &watched_bulk(era)).events();
                let answer = told.pop().expect("an answer after the progress");
                (told, answer)
            } else {
                let mut server = RawStdio::start(&desk, era, |_| {});
                server.send(&watched_bulk(era));
                let mut told = Vec::new();
                let answer = server.answer_to(7, &mut told);
                (told, answer)
            };
            assert_eq!(answer["result"]["structuredContent"]["status"], "done", "{answer}");
            assert!(!told.is_empty(), "{era:?} http={is_http}");
            for step in &told {
                assert_eq!(
                    (&step["method"], &step["params"]["progressToken"]),
                    (&json!("notifications/progress"), &json!("tok-1")),
                    "{told:?}"
                );
                assert_eq!(step["params"]["total"].as_f64(), Some(8.0), "{told:?}");
            }
            let steps: Vec<f64> =
                told.iter().map(|step| step["params"]["progress"].as_f64().unwrap()).collect();
            assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{era:?} http={is_http}: {steps:?}");
            assert!(
                steps.last().is_some_and(|last| *last < 8.0),
                "that all is done is told by the answer alone: {steps:?}"
            );
        }
    }
}

#[test]
fn without_a_progress_token_no_progress_is_told() {
    for era in Era::BOTH {
        let desk = Desk::new(&format!("{WIDE}[[provider]]\nkind = \"sandbox\"\nlatency = \"20ms\"\n"));
        let mut server = RawStdio::start(&desk, era, |_| {});
        let recipients: Vec<Value> = (0..4).map(|index| json!({ "to": fictional(index) })).collect();
        server.send(&wire::tool_call(
            era,
            7,
            "send_bulk",
            &json!({ "recipients": recipients, "message": "x" }),
        ));
        let mut others = Vec::new();
        assert_eq!(server.answer_to(7, &mut others)["result"]["structuredContent"]["status"], "done");
        assert!(others.is_empty(), "{others:?}");
        server.finish();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_only_narrows() {
    // A text to these numbers costs 0.065.
    let desk = Desk::new("[guard]\nsession_spend = 0.70\nsession_messages = 10\n");
    let client = desk.stdio(Era::Legacy).await;
    let send =
        |index: usize, session: &Value| json!({ "to": fictional(index), "message": "x", "session": session });

    let small = answer(&client, "open_session", json!({ "max_spend": "0.10" })).await["session"].clone();
    let sent = answer(&client, "send_sms", send(1, &small)).await;
    assert_eq!(
        (&sent["price"]["amount"], &sent["budget"]["session_remaining"]),
        (&json!("0.065"), &json!("0.035"))
    );
    assert_eq!(refusal(&client, "send_sms", send(2, &small)).await["code"], "budget_exceeded");

    let own = answer(&client, "get_balance", json!({})).await;
    let session = own["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|budget| budget["scope"] == "session")
        .unwrap()
        .clone();
    assert_eq!(
        (&session["spent"], &session["remaining"]),
        (&json!("0.065"), &json!("0.635")),
        "the handle's spending is the session's too"
    );

    let greedy =
        answer(&client, "open_session", json!({ "max_spend": "999999", "max_messages": 100_000 })).await;
    assert_eq!(greedy["budget"]["session_remaining"], "0.635", "{greedy}");
    assert_eq!(greedy["budget"]["session_messages_remaining"], 9, "{greedy}");
    let mut taken = 0;
    let code = loop {
        let result = call(&client, "send_sms", send(10 + taken, &greedy["session"])).await;
        if result.is_error == Some(true) {
            break text_of(&result)["code"].clone();
        }
        taken += 1;
    };
    assert_eq!(
        (taken, code),
        (9, json!("budget_exceeded")),
        "0.635 and nine messages are left, whatever was asked for"
    );
    assert_eq!(
        refusal(&client, "send_sms", json!({ "to": fictional(3), "message": "x" })).await["code"],
        "budget_exceeded"
    );
    assert_eq!(desk.sent().len(), 10);

    let unknown =
        refusal(&client, "send_sms", send(4, &json!("ses_0123456789012345678901234567890123456789"))).await;
    assert_eq!(unknown["code"], "session_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handle_of_another_principal_looks_like_one_that_never_was() {
    let desk = Desk::new(&format!("{WIDE}[http]\ntoken = \"s3cret-of-the-desk\"\n"));
    let server = desk.http(|_| {});
    let remote = server.client(Era::Stateless, Some("s3cret-of-the-desk")).await;
    let local = desk.stdio(Era::Stateless).await;
    let handle = |client| async move {
        answer(client, "open_session", json!({ "max_spend": "1" })).await["session"].clone()
    };
    let (of_remote, of_local) = (handle(&remote).await, handle(&local).await);
    let unknown = json!("ses_0123456789012345678901234567890123456789");
    for (client, own, foreign) in [(&remote, &of_remote, &of_local), (&local, &of_local, &of_remote)] {
        for tool in ["get_balance", "send_sms"] {
            let with = |session: &Value| match tool {
                "send_sms" => {
                    json!({ "to": fictional(5), "message": format!("for {own}"), "session": session })
                }
                _ => json!({ "session": session }),
            };
            let other = refusal(client, tool, with(foreign)).await;
            assert_eq!(other["code"], "session_invalid");
            assert_eq!(other, refusal(client, tool, with(&unknown)).await);
            answer(client, tool, with(own)).await;
        }
    }
    assert_eq!(desk.sent().len(), 2);
}
