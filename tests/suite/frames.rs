//! What a client waits for is answered under its own id, over both transports: also where its message cannot
//! be served, where it says two things at once, and where two of its requests have one id.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::{Desk, Era, HttpServer, WIDE, eventually, fictional};
use crate::wire::{self, RawStdio, Reply, ask, connect, head, post, read_reply, tool_call};

/// A server over both transports, with a session where the era has them.
struct Both {
    stdio: RawStdio,
    http: HttpServer,
    session: Option<String>,
}

impl Both {
    fn start(desk: &Desk, era: Era) -> Self {
        let http = desk.http(|_| {});
        let session = (era == Era::Legacy).then(|| wire::open_legacy(http.port, &[]));
        Self { stdio: RawStdio::start(desk, era, |_| {}), http, session }
    }

    fn post(&self, tool: &str, body: &[u8]) -> Reply {
        let headers: Vec<(&str, &str)> = match &self.session {
            Some(id) => vec![("Mcp-Session-Id", id)],
            None => wire::stateless_headers(tool).to_vec(),
        };
        post(self.http.port, &headers, body)
    }

    /// What each transport says to this request, whose id is 7; over HTTP with this status.
    fn ask(&mut self, line: &str, status: u16) -> [Value; 2] {
        self.stdio.send(line.as_bytes());
        let over_stdio = self.stdio.answer_to(7, &mut Vec::new());
        let reply = self.post("get_balance", line.as_bytes());
        assert_eq!(reply.status, status, "{line}: {reply:?}");
        [over_stdio, reply.json().unwrap_or_else(|| panic!("{line}: {reply:?}"))]
    }
}

#[test]
fn params_that_are_no_object_are_refused_with_the_id_of_their_request_and_their_name() {
    for era in Era::BOTH {
        let desk = Desk::new("");
        let mut both = Both::start(&desk, era);
        for method in ["tools/call", "tools/list", "ping", "resources/read", "no/such"] {
            for (params, place, is) in [
                ("[]", "`params`", "an array"),
                ("[{\"name\":\"get_balance\"}]", "`params`", "an array"),
                ("\"482913 is your code\"", "`params`", "text"),
                ("482913", "`params`", "a number"),
                ("false", "`params`", "a boolean"),
                ("{\"name\":\"get_balance\",\"_meta\":[]}", "`params._meta`", "an array"),
                ("{\"_meta\":\"482913\",\"name\":\"get_balance\"}", "`params._meta`", "text"),
                ("{\"\\u005fmeta\":1}", "`params._meta`", "a number"),
            ] {
                let line =
                    format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"{method}\",\"params\":{params}}}");
                for answer in both.ask(&line, 400) {
                    assert_eq!(
                        (&answer["id"], &answer["error"]["code"]),
                        (&json!(7), &json!(-32602)),
                        "{era:?} {line}: {answer}"
                    );
                    let said = answer["error"]["message"].as_str().unwrap();
                    assert!(
                        said.contains(place) && said.contains(is) && said.contains(method),
                        "{line}: {said}"
                    );
                    assert!(!said.contains("482913"), "{said}");
                }
            }
        }
        // A notification is never answered; over HTTP its status says it.
        let note = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":[]}";
        both.stdio.send(note);
        assert_eq!(both.post("get_balance", note).status, 400);
        let good = tool_call(era, 9, "get_balance", &json!({}));
        both.stdio.send(&good);
        let mut others = Vec::new();
        assert!(
            both.stdio.answer_to(9, &mut others)["result"].is_object() && others.is_empty(),
            "{others:?}"
        );
        assert!(both.post("get_balance", &good).json().unwrap()["result"].is_object());
    }
}

#[test]
fn json_that_is_no_message_is_an_invalid_request_and_what_is_no_json_is_a_parse_error() {
    let desk = Desk::new("");
    for era in Era::BOTH {
        let both = Both::start(&desk, era);
        for (body, code, id) in [
            ("{}", -32600, Value::Null),
            ("[]", -32600, Value::Null),
            ("null", -32600, Value::Null),
            ("\"tools/list\"", -32600, Value::Null),
            ("{\"jsonrpc\":\"2.0\",\"id\":7}", -32600, json!(7)),
            ("{\"id\":\"seven\",\"method\":\"tools/list\"}", -32600, json!("seven")),
            ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"tools/list\"}", -32600, Value::Null),
            ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":7}", -32600, json!(7)),
            ("\u{feff}{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":7}", -32600, json!(7)),
            ("{", -32700, Value::Null),
            ("", -32700, Value::Null),
            ("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\"}}", -32700, Value::Null),
            ("{'jsonrpc':'2.0'}", -32700, Value::Null),
        ] {
            let reply = both.post("get_balance", body.as_bytes());
            let said = reply.json().unwrap_or_else(|| panic!("{body}: {reply:?}"));
            assert_eq!(
                (reply.status, &said["error"]["code"], &said["id"]),
                (400, &json!(code), &id),
                "{era:?} {body}: {said}"
            );
        }
        // Whatever way the content type is spelled.
        let headers = [
            ("Content-Type", "Application/JSON; charset=utf-8"),
            ("Accept", "application/json, text/event-stream"),
        ];
        assert_eq!(ask(both.http.port, "POST", "/mcp", &headers, b"{}").status, 400);
        assert_eq!(
            ask(both.http.port, "POST", "/mcp", &[("Content-Type", "text/plain"), headers[1]], b"{}").status,
            415
        );
        // Each request of a batch has somebody who waits.
        let batch = b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"},{\"jsonrpc\":\"2.0\",\"method\":\"x\"},{\"jsonrpc\":\"2.0\",\"id\":\"b\",\"method\":\"ping\"}]";
        let said = both.post("get_balance", batch).json().unwrap();
        let ids: Vec<&Value> = said.as_array().unwrap().iter().map(|one| &one["id"]).collect();
        assert_eq!(ids, [&json!(1), &json!("b")], "{said}");
    }
}

#[test]
fn a_member_that_stands_twice_sends_nothing_and_is_named() {
    for era in Era::BOTH {
        let desk = Desk::new(WIDE);
        let mut both = Both::start(&desk, era);
        let one = fictional(1);
        let send = |arguments: &str| {
            let call = String::from_utf8(tool_call(era, 7, "send_sms", &json!("ARGUMENTS"))).unwrap();
            call.replacen("\"ARGUMENTS\"", arguments, 1)
        };
        for (arguments, place) in [
            (
                format!("{{\"to\":\"{one}\",\"to\":\"{}\",\"message\":\"x\"}}", fictional(2)),
                "`params.arguments.to`",
            ),
            (
                format!("{{\"to\":\"{one}\",\"message\":\"x\",\"\\u0074o\":\"{one}\"}}"),
                "`params.arguments.to`",
            ),
            (
                format!("{{\"to\":\"{one}\",\"message\":\"x\",\"dry_run\":true,\"dry_run\":false}}"),
                "`params.arguments.dry_run`",
            ),
        ] {
            for answer in both.ask(&send(&arguments), 400) {
                assert_eq!(answer["error"]["code"], -32602, "{arguments}: {answer}");
                let said = answer["error"]["message"].as_str().unwrap();
                assert!(said.contains(place) && said.contains("twice"), "{arguments}: {said}");
            }
        }
        let twice = |from: &str, to: &str| {
            send(&format!("{{\"to\":\"{one}\",\"message\":\"x\"}}")).replacen(from, to, 1)
        };
        for (line, code) in [
            (twice("\"name\":\"send_sms\"", "\"name\":\"get_balance\",\"name\":\"send_sms\""), -32602),
            (twice("\"method\":\"tools/call\"", "\"method\":\"ping\",\"method\":\"tools/call\""), -32600),
        ] {
            for answer in both.ask(&line, 400) {
                assert_eq!(answer["error"]["code"], code, "{line}: {answer}");
            }
        }
        // In JSON that stands in a text.
        let recipients = json!(format!("[{{\"to\":\"{one}\",\"to\":\"{}\"}}]", fictional(2)));
        let line = String::from_utf8(tool_call(
            era,
            7,
            "send_bulk",
            &json!({ "recipients": recipients, "message": "x" }),
        ))
        .unwrap();
        both.stdio.send(line.as_bytes());
        let over_http = both.post("send_bulk", line.as_bytes()).json().unwrap();
        for answer in [both.stdio.answer_to(7, &mut Vec::new()), over_http] {
            let said = answer["result"]["content"][0]["text"].as_str().unwrap();
            assert!(said.contains("`[0].to` twice") && said.contains("`recipients`"), "{said}");
        }
        assert!(desk.sent().is_empty(), "{:?}", desk.sent());
    }
}

/// A provider that takes so long that a second call comes while the first is open.
const SLOW: &str = "[[provider]]\nkind = \"sandbox\"\nlatency = \"1s\"\n";

fn text(era: Era, id: u64, index: usize, message: &str) -> Vec<u8> {
    tool_call(era, id, "send_sms", &json!({ "to": fictional(index), "message": message }))
}

#[test]
fn of_two_open_calls_with_one_id_over_stdio_the_second_is_refused_and_the_first_is_answered() {
    for era in Era::BOTH {
        let desk = Desk::new(&format!("{WIDE}{SLOW}"));
        let mut server = RawStdio::start(&desk, era, |_| {});
        server.send(&text(era, 7, 1, "First"));
        server.send(&text(era, 7, 2, "Second"));
        let refused = server.answer_to(7, &mut Vec::new());
        assert_eq!(refused["error"]["code"], -32600, "{refused}");
        assert!(refused["error"]["message"].as_str().unwrap().contains("not answered yet"), "{refused}");
        let first = server.answer_to(7, &mut Vec::new());
        assert_eq!(first["result"]["structuredContent"]["status"], "sent", "{first}");
        // The id is free again once it is answered.
        server.send(&text(era, 7, 3, "Third"));
        assert_eq!(server.answer_to(7, &mut Vec::new())["result"]["structuredContent"]["status"], "sent");
        server.finish();
        let said: Vec<Value> = desk.sent().into_iter().map(|sent| sent["text"].clone()).collect();
        assert_eq!(said, [json!("First"), json!("Third")]);
    }
}

#[test]
fn of_two_open_calls_with_one_id_in_a_session_the_second_is_refused_and_the_first_is_answered() {
    let desk = Desk::new(&format!("{WIDE}{SLOW}"));
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[]);
    let headers = [("Mcp-Session-Id", session.as_str())];
    let begin = |id: u64, index: usize, message: &str| {
        let body = text(Era::Legacy, id, index, message);
        let mut stream = connect(server.port);
        stream.write_all(&head(server.port, &headers, body.len())).unwrap();
        stream.write_all(&body).unwrap();
        stream
    };
    let mut first = begin(7, 1, "First");
    // Its call is known once its message is.
    let listed = |status: &str| {
        let list = tool_call(Era::Legacy, 99, "list_sms", &json!({ "status": status }));
        post(server.port, &headers, &list).json().unwrap()["result"]["structuredContent"]["messages"]
            .as_array()
            .unwrap()
            .len()
    };
    eventually("the first call is open", || listed("attempting") == 1);
    let refused = post(server.port, &headers, &text(Era::Legacy, 7, 2, "Second")).json().unwrap();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(7), &json!(-32600)), "{refused}");
    let answer = read_reply(&mut first).unwrap().json().unwrap();
    assert_eq!(answer["result"]["structuredContent"]["status"], "sent", "{answer}");
    // Free again once it is answered, also where nobody was there for the answer.
    let third = begin(7, 3, "Third");
    eventually("the third call is open", || listed("attempting") == 1);
    drop(third);
    eventually("the third is answered", || listed("attempting") == 0);
    let answer = post(server.port, &headers, &text(Era::Legacy, 7, 4, "Fourth")).json().unwrap();
    assert_eq!(answer["result"]["structuredContent"]["status"], "sent", "{answer}");
    let other = wire::open_legacy(server.port, &[]);
    let mut fifth = begin(8, 5, "Fifth");
    let same =
        post(server.port, &[("Mcp-Session-Id", &other)], &text(Era::Legacy, 8, 6, "Sixth")).json().unwrap();
    assert_eq!(
        same["result"]["structuredContent"]["status"], "sent",
        "the ids of another session are its own: {same}"
    );
    assert!(read_reply(&mut fifth).unwrap().json().unwrap()["result"].is_object());
    let said: Vec<Value> = desk.sent().into_iter().map(|sent| sent["text"].clone()).collect();
    assert!(!said.contains(&json!("Second")), "{said:?}");
}

#[test]
fn a_version_that_is_not_spoken_is_answered_with_those_that_are() {
    for (settings, era) in
        [("", Era::Legacy), ("", Era::Stateless), ("[http]\nsessions = false\n", Era::Stateless)]
    {
        let desk = Desk::new(settings);
        let server = desk.http(|_| {});
        let session = (era == Era::Legacy).then(|| wire::open_legacy(server.port, &[]));
        for version in ["2024-01-01", "1.0", "2099-01-01", "latest"] {
            let list = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
            let mut headers = vec![("Mcp-Protocol-Version", version), ("Mcp-Method", "tools/list")];
            headers.extend(session.iter().map(|id| ("Mcp-Session-Id", id.as_str())));
            let reply = post(server.port, &headers, list);
            let said = reply.json().unwrap_or_else(|| panic!("{version}: {reply:?}"))["error"].to_string();
            assert_eq!(reply.status, 400, "{version}: {reply:?}");
            for spoken in ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
                assert!(said.contains(spoken), "{settings} {era:?} {version}: {said}");
            }
        }
    }
}

#[test]
fn what_a_method_that_is_not_answered_is_told_is_true_with_and_without_sessions() {
    for (settings, says, says_not) in [
        ("", "GET opens the session's event stream", "sessions = false"),
        ("[http]\nsessions = false\n", "[http] sessions = false", "DELETE ends"),
    ] {
        let desk = Desk::new(settings);
        let server = desk.http(|_| {});
        let methods: &[&str] =
            if settings.is_empty() { &["PUT", "PATCH"] } else { &["PUT", "GET", "DELETE"] };
        for method in methods {
            let reply = ask(server.port, method, "/mcp", &[("Accept", "text/event-stream")], b"");
            let said = reply.json().unwrap_or_else(|| panic!("{reply:?}"))["error"]["message"]
                .as_str()
                .unwrap()
                .to_owned();
            assert_eq!(reply.status, 405, "{reply:?}");
            assert!(
                said.contains("POST") && said.contains(says) && !said.contains(says_not),
                "{method}: {said}"
            );
            assert_eq!(
                reply.header("allow").is_some_and(|allowed| allowed.contains("GET")),
                settings.is_empty(),
                "{reply:?}"
            );
        }
    }
}
