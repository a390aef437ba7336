//! What no client should send: at least 300 malformed messages over each transport and in each era. Whatever
//! comes, the server answers what can be answered, says which argument is wrong and what would be right,
//! sends nothing, and goes on.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::{A_WHILE, Desk, Era};
use crate::wire::{self, RawStdio, Reply, connect, post, read_reply, tool_call};

const TO: &str = "+33199000001";

/// A tool call that must be refused.
struct Wrong {
    tool: &'static str,
    /// JSON of the arguments; text, since some of it is no valid [`Value`].
    arguments: String,
    codes: &'static [&'static str],
    /// What the refusal must say: the argument, and what would be right.
    says: Vec<String>,
}

/// An argument and its type.
type Argument = (&'static str, &'static str);

/// Each tool with arguments that are right, and all that it takes.
fn tools() -> Vec<(&'static str, Value, Vec<Argument>)> {
    let bulk = json!({ "recipients": [{ "to": TO, "data": [{ "name": "name", "value": "Ann" }] }], "message": "Hi {{name}}" });
    vec![
        (
            "send_sms",
            json!({ "to": TO, "message": "x" }),
            vec![
                ("to", "string"),
                ("message", "text"),
                ("from", "string"),
                ("idempotency_key", "text"),
                ("session", "string"),
                ("allow_duplicate", "boolean"),
                ("dry_run", "boolean"),
                ("purpose", "enum"),
                ("send_at", "string"),
                ("send_at_local", "string"),
                ("deliver_by", "string"),
            ],
        ),
        (
            "send_bulk",
            bulk,
            vec![
                ("recipients", "array"),
                ("message", "text"),
                ("from", "string"),
                ("idempotency_key", "text"),
                ("session", "string"),
                ("on_invalid", "enum"),
                ("dry_run", "boolean"),
                ("purpose", "enum"),
                ("send_at", "string"),
                ("send_at_local", "string"),
                ("deliver_by", "string"),
            ],
        ),
        ("get_balance", json!({}), vec![("session", "string")]),
        (
            "list_sms",
            json!({}),
            vec![
                ("to", "string"),
                ("since", "string"),
                ("until", "string"),
                ("batch", "string"),
                ("cursor", "string"),
                ("status", "enum"),
                ("limit", "integer"),
            ],
        ),
        ("get_status", json!({ "id": "msg_x" }), vec![("id", "string")]),
        ("cancel_sms", json!({ "id": "msg_x" }), vec![("id", "string")]),
        (
            "open_session",
            json!({}),
            vec![("label", "string"), ("max_spend", "amount"), ("max_messages", "integer")],
        ),
    ]
}

/// Values that are not of this type. `text` is what may also come as an integer.
fn wrong_values(kind: &str) -> Vec<String> {
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    let values: &[&str] = match kind {
        "string" => &["7", "-1.5", "1e308", "true", "[]", "[\"x\"]", "{}", "{\"to\":\"x\"}"],
        "text" => &[
            "-1.5",
            "7.0",
            "1e3",
            "1e308",
            "9007199254740993",
            "-9007199254740993",
            "99999999999999999999999999",
            "true",
            "[]",
            "{}",
        ],
        "boolean" => &["\"yes\"", "\"true\"", "\"false\"", "1", "0", "[]", "{}", "[true]"],
        "integer" => &[
            "\"five\"",
            "\"-5\"",
            "\"5.0\"",
            "\" 5\"",
            "\"\u{665}\"",
            "\"4294967296\"",
            "\"99999999999999999999\"",
            "-1",
            "1.5",
            "1e300",
            "4294967296",
            "99999999999999999999999999",
            "true",
            "[]",
            "{}",
        ],
        "amount" => &[
            "{}",
            "[]",
            "true",
            "\"much\"",
            "\"null\"",
            "\"1,50\"",
            "\"NaN\"",
            "\"1e3\"",
            "\"0.0000001\"",
            "-1",
        ],
        "enum" => &[
            "7",
            "\"nope\"",
            "\"SENT\"",
            "\"null\"",
            "[]",
            "{}",
            "true",
            "{\"sent\":null}",
            "{\"skip\":null}",
        ],
        other => panic!("{other}"),
    };
    values.iter().map(|value| (*value).to_owned()).chain([deep]).collect()
}

/// Recipients that are wrong: the value, the place that must be named, and what belongs there.
const WRONG_RECIPIENTS: [(&str, &str, &str); 28] = [
    ("\"+33199000001\"", "recipients", "an array"),
    ("\"\"", "recipients", "an array"),
    ("\"{}\"", "recipients", "an array"),
    ("\"[{\"", "recipients", "an array"),
    ("7", "recipients", "an array"),
    ("true", "recipients", "an array"),
    ("{}", "recipients", "an array"),
    ("{\"to\":\"+33199000001\"}", "recipients", "an array"),
    ("[7]", "recipients[0]", "an object"),
    ("[null]", "recipients[0]", "an object"),
    ("[\"+33199000001\"]", "recipients[0]", "an object"),
    ("[[]]", "recipients[0]", "an object"),
    ("[[\"+33199000001\",{}]]", "recipients[0]", "an object"),
    ("\"[[]]\"", "recipients[0]", "an object"),
    ("[{}]", "recipients[0]", "an object"),
    ("[{\"to\":null}]", "recipients[0]", "an object"),
    ("[{\"to\":7}]", "recipients[0].to", "a string"),
    ("[{\"to\":33199000001}]", "recipients[0].to", "a string"),
    ("[\"{\\\"to\\\":33199000001}\"]", "recipients[0].to", "a string"),
    ("[{\"to\":\"+33199000001\"},{\"to\":33199000001.0}]", "recipients[1].to", "a string"),
    ("[{\"to\":\"+33199000001\",\"data\":7}]", "recipients[0].data", "an array"),
    ("[{\"to\":\"+33199000001\",\"data\":\"name=Ann\"}]", "recipients[0].data", "an array"),
    ("[{\"to\":\"+33199000001\",\"data\":[[\"name\",\"Ann\"]]}]", "recipients[0].data[0]", "an object"),
    ("[{\"to\":\"+33199000001\",\"data\":[{\"name\":\"name\"}]}]", "recipients[0].data[0]", "an object"),
    (
        "[{\"to\":\"+33199000001\",\"data\":[{\"name\":\"name\",\"value\":1.5}]}]",
        "recipients[0].data[0].value",
        "a string",
    ),
    (
        "[{\"to\":\"+33199000001\",\"data\":[{\"name\":7,\"value\":\"Ann\"}]}]",
        "recipients[0].data[0].name",
        "a string",
    ),
    (
        "[{\"to\":\"+33199000001\",\"data\":[{\"name\":\"name\",\"value\":\"Ann\"},{\"name\":\"name\",\"value\":\"Bob\"}]}]",
        "recipients[0].data",
        "an array",
    ),
    ("[{\"to\":\"+33199000001\",\"extra\":1}]", "recipients[0]", "an object"),
];

/// `arguments` with one of them replaced by JSON text.
fn with(arguments: &Value, name: &str, value: &str) -> String {
    let mut parts: Vec<String> = arguments
        .as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| *key != name)
        .map(|(key, value)| format!("{}:{value}", json!(key)))
        .collect();
    parts.push(format!("{}:{value}", json!(name)));
    format!("{{{}}}", parts.join(","))
}

fn wrong_calls() -> Vec<Wrong> {
    let mut all = Vec::new();
    for (tool, base, arguments) in tools() {
        let mut add = |arguments: String, says: Vec<String>| {
            all.push(Wrong { tool, arguments, codes: &["invalid_argument"], says })
        };
        for (name, kind) in &arguments {
            let shown = match *kind {
                "amount" | "enum" | "text" => "string",
                "array" => {
                    for (value, place, kind) in WRONG_RECIPIENTS {
                        add(
                            with(&base, name, value),
                            vec![
                                format!("`{place}`: "),
                                format!("`{place}` is {kind}: "),
                                "Right: ".to_owned(),
                            ],
                        );
                    }
                    continue;
                }
                kind => kind,
            };
            for value in wrong_values(kind) {
                // A negative amount is of the right type, so only the engine sees that it is wrong.
                let right = if *kind == "amount" && value == "-1" {
                    "must be 0 or more".to_owned()
                } else {
                    format!("`{name}` is a")
                };
                let kind = match shown {
                    _ if right.contains("must") => String::new(),
                    "integer" => "is an integer: ".to_owned(),
                    _ => format!("is a {shown}: "),
                };
                add(with(&base, name, &value), vec![format!("`{name}"), right, kind]);
            }
        }
        for name in ["phone", "TO", "__proto__", "", "budget", "approve"] {
            add(
                with(&base, name, "1"),
                vec![format!("unknown field `{name}`"), format!("`{}`", arguments[0].0)],
            );
        }
        for name in base.as_object().unwrap().keys() {
            let mut less = base.clone();
            less.as_object_mut().unwrap().remove(name);
            add(less.to_string(), vec![format!("missing field `{name}`"), format!("`{name}` is a")]);
            add(with(&base, name, "null"), vec![format!("missing field `{name}`"), format!("`{name}` is a")]);
        }
    }
    all.extend(out_of_range());
    all
}

/// Arguments of the right type with a value that cannot be.
#[expect(clippy::too_many_lines, reason = "a table")]
fn out_of_range() -> Vec<Wrong> {
    let megabyte = "x".repeat(900_000);
    let send = json!({ "to": TO, "message": "x" });
    let bulk = json!({ "recipients": [{ "to": TO }], "message": "x" });
    let none = json!({});
    let id = json!({ "id": "msg_x" });
    let text = |text: &str| json!(text).to_string();
    let mut all = Vec::new();
    let mut add = |tool, arguments: String, codes, says: &[&str]| {
        all.push(Wrong {
            tool,
            arguments,
            codes,
            says: says.iter().map(|text| (*text).to_owned()).collect(),
        });
    };
    for number in [
        "",
        " ",
        "abc",
        "+",
        "12",
        "+33 1 99 00",
        "+999123456789",
        "+33199000001\u{0}",
        "+331990\n00001",
        "+3319900000١٢٣٤٥٦٧٨٩",
        "tel:",
        "call +33199000001 now",
        "+33199000001x",
        "+33199000001 or +33199000002",
        "+33199000001,+33199000002",
        "+49301234NOW",
        "\u{202e}abc",
    ] {
        add("send_sms", with(&send, "to", &text(number)), &["invalid_number"], &["+<country code>"]);
    }
    add("send_sms", with(&send, "to", &text(&megabyte)), &["invalid_number"], &["+<country code>"]);
    add(
        "send_sms",
        with(&send, "to", &text("+33899000001")),
        &["premium_destination", "invalid_number"],
        &["mobile number"],
    );
    for message in ["", "   ", "\n", "a\u{0}b", "a\u{1b}[2Jb"] {
        add("send_sms", with(&send, "message", &text(message)), &["invalid_argument"], &["`message`"]);
        add("send_bulk", with(&bulk, "message", &text(message)), &["invalid_argument"], &["`message`"]);
    }
    for tool in [("send_sms", &send), ("send_bulk", &bulk)] {
        add(tool.0, with(tool.1, "message", &text(&megabyte)), &["message_too_long"], &["dry_run"]);
        add(
            tool.0,
            with(tool.1, "message", &text(&"\u{4e2d}".repeat(3_000))),
            &["message_too_long", "recipients_refused"],
            &["segments"],
        );
        for from in
            ["null", "NONE", "Undefined", "nil", "far too long a sender", "a\u{0}", "\u{4e2d}\u{6587}"]
        {
            add(
                tool.0,
                with(tool.1, "from", &text(from)),
                &["sender_not_allowed", "invalid_argument"],
                &["from"],
            );
        }
        for key in ["null", "None", "UNDEFINED", "nil", " nil ", "<nil>", "(null)"] {
            add(
                tool.0,
                with(tool.1, "idempotency_key", &text(key)),
                &["invalid_argument"],
                &["`idempotency_key`", "leave it out"],
            );
        }
        for key in ["a\u{0}", &"k".repeat(129), &megabyte] {
            add(
                tool.0,
                with(tool.1, "idempotency_key", &text(key)),
                &["invalid_argument"],
                &["`idempotency_key`", "1 to 128 bytes"],
            );
        }
        let past = "1999-01-01T00:00:00Z";
        for time in
            ["null", "soon", "2026-13-01T00:00:00Z", "2999-01-01T00:00:00Z", past, "\u{202e}", &megabyte]
        {
            for name in ["send_at", "deliver_by"] {
                if (name, time) != ("deliver_by", "2999-01-01T00:00:00Z") {
                    let named = format!("`{name}`");
                    add(tool.0, with(tool.1, name, &text(time)), &["invalid_argument"], &[&named]);
                }
            }
        }
        for session in ["null", "None", "undefined", "nil", "x", "ses_", &megabyte, "ses_\u{0}"] {
            add(tool.0, with(tool.1, "session", &text(session)), &["session_invalid"], &["open_session"]);
        }
    }
    add(
        "send_bulk",
        with(&bulk, "recipients", "[]"),
        &["invalid_argument"],
        &["`recipients`", "at least one"],
    );
    for template in ["Hi {{", "Hi {{}}", "Hi {{name}}", "Hi {{ a b }}"] {
        add("send_bulk", with(&bulk, "message", &text(template)), &["invalid_argument"], &["`"]);
    }
    add("get_balance", with(&none, "session", &text(&megabyte)), &["session_invalid"], &["open_session"]);
    for limit in ["101", "\"101\"", "101.0", "4294967295"] {
        add("list_sms", with(&none, "limit", limit), &["invalid_argument"], &["`limit`", "from 1 to 100"]);
    }
    for time in ["null", "yesterday", "2026-13-01", "2026-11-22T25:00:00Z", "\u{202e}", &megabyte] {
        add("list_sms", with(&none, "since", &text(time)), &["invalid_argument"], &["`since`", "2026-11-22"]);
        add("list_sms", with(&none, "until", &text(time)), &["invalid_argument"], &["`until`", "2026-11-22"]);
    }
    for cursor in ["null", "x", "c", "c-1", "c0", "cffffffffffffffff", &megabyte] {
        add(
            "list_sms",
            with(&none, "cursor", &text(cursor)),
            &["invalid_argument"],
            &["`cursor`", "next_cursor"],
        );
    }
    add("list_sms", with(&none, "to", &text("abc")), &["invalid_number"], &["+<country code>"]);
    for id_text in [
        "",
        "x",
        "msg_",
        "bat_",
        "' OR 1=1 --",
        "msg_\u{0}",
        "bat_\u{202e}",
        &format!("bat_{megabyte}"),
        &megabyte,
    ] {
        for tool in ["get_status", "cancel_sms"] {
            add(tool, with(&id, "id", &text(id_text)), &["not_found", "invalid_argument"], &["`id`"]);
        }
    }
    add(
        "open_session",
        with(&none, "label", &text(&"x".repeat(81))),
        &["invalid_argument"],
        &["`label`", "80"],
    );
    all
}

/// What must come back for a message that is no tool call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    /// Nothing: `rmcp` skips a line that is no JSON, as well as responses that nobody waits for.
    Nothing,
    /// An error without id: there is none that could be repeated.
    NoId(i64),
    /// An error for this very request.
    Error(i64),
    /// An answer: it is harmless.
    Answer,
}

/// A message that is no proper request: its bytes, what stdio says to it in each era, and the HTTP status in
/// each era.
type Frame = (Vec<u8>, [Said; 2], [u16; 2]);

#[expect(clippy::too_many_lines, reason = "a table")]
fn frames(era: Era) -> Vec<Frame> {
    use Said::{Answer, Error, NoId, Nothing};
    let good = tool_call(era, 5, "get_balance", &json!({}));
    let text = String::from_utf8(good.clone()).unwrap();
    let swap = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1).into_bytes()
    };
    let mut all: Vec<Frame> = Vec::new();
    // No JSON: nobody knows whose it is.
    let mut cut: Vec<Vec<u8>> =
        (1..good.len()).step_by(good.len() / 12).map(|length| good[..length].to_vec()).collect();
    cut.extend([
        b"".to_vec(),
        b" ".to_vec(),
        b"{".to_vec(),
        b"}".to_vec(),
        b"nonsense".to_vec(),
        b"\0".to_vec(),
        b"\xff\xfe".to_vec(),
        b"'x'".to_vec(),
    ]);
    cut.extend([
        "[".repeat(5_000).into_bytes(),
        format!("{}{}", "[".repeat(500), "]".repeat(500)).into_bytes(),
    ]);
    cut.extend([[good.clone(), good.clone()].concat(), [good.clone(), b"\0".to_vec()].concat()]);
    cut.push(swap("get_balance", "\\ud800"));
    cut.push(swap("get_balance", "\\u12"));
    cut.push({
        let mut bytes = good.clone();
        let at = text.find("get_balance").unwrap();
        bytes[at] = 0xff;
        bytes
    });
    cut.push(swap(":5", ":1e999"));
    all.extend(cut.into_iter().map(|bytes| (bytes, [Nothing; 2], [400; 2])));
    // JSON, but no JSON-RPC, and without an id that could be repeated.
    let mut odd: Vec<Vec<u8>> =
        ["null", "1", "true", "\"x\"", "[]", "{}", "[1]", "{\"jsonrpc\":\"2.0\"}", "[[]]"]
            .map(|t| t.as_bytes().to_vec())
            .into();
    for id in ["null", "1.5", "{}", "[]", "true", "99999999999999999999"] {
        odd.push(swap("\"id\":5", &format!("\"id\":{id}")));
    }
    odd.push(swap("\"id\":5", "\"id\":5,\"id\":6"));
    all.extend(odd.into_iter().map(|bytes| (bytes, [NoId(-32600); 2], [400; 2])));
    // With one: whoever waits for it is answered. MCP has no batches since 2025-06-18, and none are taken in
    // any version.
    let mut known: Vec<Vec<u8>> = vec![b"{\"jsonrpc\":\"2.0\",\"id\":5}".to_vec()];
    known.push(format!("[{text}]").into_bytes());
    known.push(format!("[{text},{text}]").into_bytes());
    for version in ["\"1.0\"", "2", "null", "[]", "\"\""] {
        known.push(swap("\"jsonrpc\":\"2.0\"", &format!("\"jsonrpc\":{version}")));
    }
    known.push(swap("\"jsonrpc\":\"2.0\",", ""));
    for method in ["7", "null", "[]", "{}"] {
        known.push(swap("\"tools/call\"", method));
    }
    known.push(swap("\"id\":5", "\"id\":5,\"result\":{}"));
    known.push(swap("\"jsonrpc\":\"2.0\"", "\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\""));
    all.extend(known.into_iter().map(|bytes| (bytes, [Error(-32600); 2], [400; 2])));
    for params in [
        "[]",
        "7",
        "\"x\"",
        "[1]",
        "true",
        "{\"_meta\":[]}",
        "{\"name\":\"get_balance\",\"_meta\":7}",
        "{\"name\":\"get_balance\",\"name\":\"x\"}",
    ] {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{params}}}");
        all.push((line.into_bytes(), [Error(-32602); 2], [400; 2]));
    }
    // Requests that are whole, with something in them that cannot be.
    for arguments in ["[1]", "[[]]", "\"x\"", "\"{}\"", "7", "true"] {
        all.push((
            swap("\"arguments\":{}", &format!("\"arguments\":{arguments}")),
            [Error(-32602); 2],
            [200; 2],
        ));
    }
    for arguments in ["null", "[]"] {
        all.push((swap("\"arguments\":{}", &format!("\"arguments\":{arguments}")), [Answer; 2], [200; 2]));
    }
    all.push((wire::request(era, 5, "no/such", json!({})), [Error(-32601); 2], [200, 400]));
    all.push((tool_call(era, 5, "no_such_tool", &json!({})), [Error(-32602); 2], [200, 400]));
    all.push((tool_call(era, 5, "", &json!({})), [Error(-32602); 2], [200, 400]));
    all.push((tool_call(era, 5, "send_sms\u{0}", &json!({})), [Error(-32602); 2], [200, 400]));
    all.push((b"{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}".to_vec(), [Nothing; 2], [202, 400]));
    all.push((
        b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{}}".to_vec(),
        [Nothing; 2],
        [202, 400],
    ));
    all.push((
        b"{\"jsonrpc\":\"2.0\",\"method\":\"no/such/notification\"}".to_vec(),
        [Nothing; 2],
        [202, 400],
    ));
    all
}

/// A tool call whose arguments are any text.
fn raw_call(era: Era, tool: &str, arguments: &str) -> Vec<u8> {
    let call = String::from_utf8(tool_call(era, 5, tool, &json!("ARGUMENTS"))).unwrap();
    call.replacen("\"ARGUMENTS\"", arguments, 1).into_bytes()
}

fn short(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned()
}

/// What is wrong with the answer to a wrong call, if anything.
fn complaint(case: &Wrong, message: &Value) -> Option<String> {
    let shown = |why: &str| {
        Some(format!(
            "{} {}: {why}: {}",
            case.tool,
            short(case.arguments.as_bytes()),
            short(message.to_string().as_bytes())
        ))
    };
    let result = &message["result"];
    if result["isError"] != true || result.get("structuredContent").is_some() {
        return shown("it was not refused");
    }
    let Some(refusal) =
        result["content"][0]["text"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok())
    else {
        return shown("the refusal is no JSON");
    };
    if !case.codes.contains(&refusal["code"].as_str().unwrap_or_default()) {
        return shown("another code");
    }
    let (said, next) =
        (refusal["message"].as_str().unwrap_or_default(), refusal["next"].as_str().unwrap_or_default());
    if said.len() > 2_000 || next.is_empty() {
        return shown("it is too long, or has no next step");
    }
    if said.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)) {
        return shown("it repeats a character that nobody sees");
    }
    case.says
        .iter()
        .find(|part| !said.contains(part.as_str()) && !next.contains(part.as_str()))
        .and_then(|part| shown(&format!("it does not say {part:?}")))
}

fn say(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn over_stdio_every_malformed_message_is_answered_or_skipped_and_nothing_is_sent() {
    for era in Era::BOTH {
        let desk = Desk::new("");
        let mut server = RawStdio::start(&desk, era, |_| {});
        let (mut cases, mut complaints) = (0, Vec::new());
        // Sends the case and then a good call, which must be answered.
        let mut ask = |line: &[u8], is_answered: bool| {
            cases += 1;
            let id = 1_000 + cases;
            server.send(line);
            server.send(&tool_call(era, id, "get_balance", &json!({})));
            let mut others = Vec::new();
            let alive = server.answer_to(id, &mut others);
            assert!(alive["result"]["structuredContent"].is_object(), "after {}: {alive}", short(line));
            if is_answered && others.is_empty() {
                others.extend(server.next(wire::PATIENCE));
            }
            assert!(others.len() <= 1, "{}: {others:?}", short(line));
            others.pop()
        };
        for case in wrong_calls() {
            let said = ask(&raw_call(era, case.tool, &case.arguments), true).unwrap_or_default();
            complaints.extend(complaint(&case, &said));
        }
        for (line, said, _) in frames(era) {
            let wanted = said[usize::from(era == Era::Stateless)];
            let got = ask(&line, wanted != Said::Nothing);
            let got = match &got {
                None => Said::Nothing,
                Some(message) if message["result"].is_object() => Said::Answer,
                Some(message) if message["id"] == 5 => {
                    Said::Error(message["error"]["code"].as_i64().unwrap())
                }
                Some(message) => Said::NoId(message["error"]["code"].as_i64().unwrap()),
            };
            if got != wanted {
                complaints.push(format!("{era:?} {}: {got:?} instead of {wanted:?}", short(&line)));
            }
        }
        // rmcp drops a line of more than 16 MiB instead of keeping it in memory.
        assert_eq!(
            ask(
                &raw_call(era, "get_balance", &format!("{{\"session\":\"{}\"}}", "x".repeat(17 << 20))),
                false
            ),
            None
        );
        say(&complaints);
        eprintln!("{era:?}: {cases} cases");
        assert!(cases >= 300, "only {cases} cases");
        assert!(server.next(A_WHILE).is_none());
        let log = server.finish();
        assert!(!log.contains("panicked"), "{log}");
        assert!(desk.sent().is_empty(), "{era:?}: {:?}", desk.sent());
    }
}

#[test]
fn over_http_every_malformed_body_is_refused_and_nothing_is_sent() {
    for era in Era::BOTH {
        let desk = Desk::new("");
        let log = desk.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let server = desk.http(|command| {
            command.stderr(file);
        });
        let session = (era == Era::Legacy).then(|| wire::open_legacy(server.port, &[]));
        let send = |tool: &'static str, body: &[u8]| -> Reply {
            let headers: Vec<(&str, &str)> = match &session {
                Some(id) => vec![("Mcp-Session-Id", id)],
                None => wire::stateless_headers(tool).to_vec(),
            };
            post(server.port, &headers, body)
        };
        let good = tool_call(era, 9, "get_balance", &json!({}));
        let check_alive = |after: &[u8]| {
            let alive = send("get_balance", &good).json().unwrap_or_default();
            assert!(alive["result"]["structuredContent"].is_object(), "after {}: {alive}", short(after));
        };
        let (mut cases, mut complaints) = (0, Vec::new());
        for case in wrong_calls() {
            let body = raw_call(era, case.tool, &case.arguments);
            complaints.extend(complaint(&case, &send(case.tool, &body).json().unwrap_or_default()));
            check_alive(&body);
            cases += 1;
        }
        for (body, _, statuses) in frames(era) {
            let wanted = statuses[usize::from(era == Era::Stateless)];
            let got = send("get_balance", &body);
            if got.status != wanted {
                complaints.push(format!(
                    "{era:?} {}: {} {} instead of {wanted}",
                    short(&body),
                    got.status,
                    short(&got.body)
                ));
            }
            check_alive(&body);
            cases += 1;
        }
        let large = raw_call(era, "get_balance", &format!("{{\"session\":\"{}\"}}", "x".repeat(1 << 20)));
        assert_eq!(send("get_balance", &large).status, 413);
        check_alive(&large);
        say(&complaints);
        eprintln!("{era:?}: {cases} cases");
        assert!(cases >= 300, "only {cases} cases");
        drop(server);
        let log = std::fs::read_to_string(log).unwrap();
        assert!(!log.contains("panicked"), "{log}");
        assert!(desk.sent().is_empty(), "{era:?}: {:?}", desk.sent());
    }
}

#[test]
fn malformed_http_is_refused_before_it_is_a_message() {
    let desk = Desk::new("");
    let server = desk.http(|_| {});
    let call = tool_call(Era::Stateless, 1, "send_sms", &json!({ "to": TO, "message": "x" }));
    let length = call.len();
    let requests: [(String, &[u16]); 12] = [
        ("nonsense\r\n\r\n".into(), &[400]),
        ("POST /mcp\r\n\r\n".into(), &[400]),
        ("POST /mcp HTTP/9.9\r\nHost: localhost\r\n\r\n".into(), &[400]),
        (
            "PUT /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into(),
            &[405],
        ),
        ("GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".into(), &[400, 405, 406]),
        ("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".into(), &[400, 405]),
        (
            format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \
                 {length}\r\n\r\n"
            ),
            &[406],
        ),
        (
            format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: application/json, \
                 text/event-stream\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n"
            ),
            &[415],
        ),
        (
            format!(
                "POST /mcp HTTP/1.1\r\nConnection: close\r\nAccept: application/json, \
                 text/event-stream\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
            ),
            &[400, 403],
        ),
        (
            format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \
            {length}\r\nContent-Length: 1\r\n\r\n"
            ),
            &[400],
        ),
        (
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: \
            chunked\r\n\r\nZZ\r\n"
                .into(),
            &[400, 413],
        ),
        (
            format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: {}\r\n\r\n",
                "x".repeat(64 * 1024)
            ),
            &[431],
        ),
    ];
    for (request, wanted) in requests {
        let mut stream = connect(server.port);
        let _ = stream.write_all(request.as_bytes());
        if request.contains(&format!("Content-Length: {length}\r\n\r\n")) {
            let _ = stream.write_all(&call);
        }
        // A connection that is closed without a word is a refusal too.
        let status = read_reply(&mut stream).map(|reply| reply.status);
        assert!(
            status.is_none_or(|status| wanted.contains(&status)),
            "{}: {status:?} instead of {wanted:?}",
            short(request.as_bytes())
        );
    }
    let mismatch = post(server.port, &wire::stateless_headers("get_balance"), &call);
    assert_eq!(
        mismatch.status, 400,
        "a proxy that looks at the headers must see the tool that is called: {mismatch:?}"
    );
    assert!(desk.sent().is_empty());
}
