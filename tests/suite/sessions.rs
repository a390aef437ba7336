//! Sessions of the remote endpoint: what a client gets that comes back after its connection was cut, and how
//! long a session lives. On plain sockets, so that a test decides when the line breaks.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{A_WHILE, Desk, Era, HttpServer, WIDE, eventually, fictional};
use crate::wire::{self, connect, post, tool_call};

const SLOW: &str = "[[provider]]\nkind = \"sandbox\"\nlatency = \"1s\"\n";

/// One event of a stream.
#[derive(Debug, Default)]
pub struct Event {
    pub id: Option<String>,
    pub retry: Option<u64>,
    pub data: Option<Value>,
}

/// An event stream that is read as it comes.
pub struct Events {
    pub stream: TcpStream,
    pub text: String,
}

impl Events {
    /// Sends a request whose answer is an event stream.
    pub fn open(port: u16, request: &[u8]) -> Self {
        Self::over(connect(port), request)
    }

    /// The same on this connection.
    pub fn over(mut stream: TcpStream, request: &[u8]) -> Self {
        stream.write_all(request).unwrap();
        let mut events = Self { stream, text: String::new() };
        let head = events.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        events
    }

    /// A call in a session.
    fn call(port: u16, session: &str, body: &[u8]) -> Self {
        let mut request = wire::head(port, &[("Mcp-Session-Id", session)], body.len());
        request.extend_from_slice(body);
        Self::open(port, &request)
    }

    /// A stream of the session, from behind this event.
    fn listen(port: u16, session: &str, last: Option<&str>) -> Self {
        let last = last.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        let head = format!(
            "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\nMcp-Session-Id: \
             {session}\r\n{last}Connection: close\r\n\r\n"
        );
        Self::open(port, head.as_bytes())
    }

    fn until(&mut self, end: &str) -> String {
        let mut part = [0; 4_096];
        loop {
            if let Some(at) = self.text.find(end) {
                let rest = self.text.split_off(at + end.len());
                return std::mem::replace(&mut self.text, rest);
            }
            let count = self.stream.read(&mut part).expect("more of the stream");
            assert!(count > 0, "the stream ended: {}", self.text);
            self.text.push_str(&String::from_utf8_lossy(&part[..count]));
        }
    }

    /// The next event; what is no event (a comment, the size of a chunk) is skipped.
    pub fn next(&mut self) -> Event {
        loop {
            let block = self.until("\n\n");
            let mut event = Event::default();
            for line in block.lines() {
                match line.split_once(':') {
                    Some(("id", value)) => event.id = Some(value.trim().to_owned()),
                    Some(("retry", value)) => event.retry = value.trim().parse().ok(),
                    Some(("data", value)) => event.data = serde_json::from_str(value.trim()).ok(),
                    _ => {}
                }
            }
            if event.id.is_some() || event.data.is_some() {
                return event;
            }
        }
    }

    /// The answer, and what came before it. The stream must end with it.
    fn answer(mut self) -> (Vec<Event>, Value) {
        let mut before = Vec::new();
        loop {
            let event = self.next();
            match &event.data {
                Some(data) if data.get("id").is_some() => {
                    let data = data.clone();
                    let mut rest = String::new();
                    self.stream.read_to_string(&mut rest).expect("the stream ends with its answer");
                    assert!(!rest.contains("data:"), "{rest}");
                    return (before, data);
                }
                _ => before.push(event),
            }
        }
    }
}

/// Whether the session's list shows a message in this state.
fn shows(server: &HttpServer, session: &str, status: &str) -> bool {
    let body = tool_call(Era::Legacy, 99, "list_sms", &json!({ "status": status }));
    let reply = post(server.port, &[("Mcp-Session-Id", session)], &body).json().unwrap();
    !reply["result"]["structuredContent"]["messages"].as_array().unwrap().is_empty()
}

#[test]
fn a_call_whose_stream_was_cut_has_its_answer_when_the_client_comes_back() {
    let desk = Desk::new(&format!("{WIDE}{SLOW}"));
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[]);
    let call = |id: u64, to: usize| {
        tool_call(Era::Legacy, id, "send_sms", &json!({ "to": fictional(to), "message": "Cut" }))
    };

    // Cut after the first event; the answer is there before the client is back.
    let mut cut = Events::call(server.port, &session, &call(1, 1));
    let first = cut.next();
    let last = first.id.expect("an event id, since the stream can be taken up again");
    assert!(first.retry.is_some_and(|retry| retry > 0), "and how long to wait before that");
    drop(cut);
    eventually("it is sent", || shows(&server, &session, "sent"));
    let (before, answer) = Events::listen(server.port, &session, Some(&last)).answer();
    assert!(before.is_empty());
    assert_eq!(
        (&answer["id"], &answer["result"]["structuredContent"]["status"]),
        (&json!(1), &json!("sent")),
        "{answer}"
    );
    // It comes back as often as the line breaks.
    assert_eq!(Events::listen(server.port, &session, Some(&last)).answer().1, answer);

    // Back before the answer is there.
    let mut cut = Events::call(server.port, &session, &call(2, 2));
    let last = cut.next().id.unwrap();
    drop(cut);
    let (_, answer) = Events::listen(server.port, &session, Some(&last)).answer();
    assert_eq!(
        (&answer["id"], &answer["result"]["structuredContent"]["status"]),
        (&json!(2), &json!("sent")),
        "{answer}"
    );
    assert_eq!(desk.sent().len(), 2, "nothing was sent twice");
}

#[test]
fn a_cut_bulk_goes_on_telling_its_progress_where_the_client_left_off() {
    let desk = Desk::new(&format!(
        "{WIDE}[send]\nconcurrency = 1\n[[provider]]\nkind = \"sandbox\"\nlatency = \"200ms\"\n"
    ));
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[]);
    let recipients: Vec<Value> = (0..4).map(|index| json!({ "to": fictional(index) })).collect();
    let arguments = json!({ "recipients": recipients, "message": "x" });
    let params = json!({ "name": "send_bulk", "arguments": arguments, "_meta": { "progressToken": "p" } });
    let mut cut = Events::call(server.port, &session, &wire::request(Era::Legacy, 5, "tools/call", params));
    let mut steps = Vec::new();
    let last = loop {
        let event = cut.next();
        if let Some(data) = event.data {
            steps.push(data["params"]["progress"].as_f64().unwrap());
            break event.id.unwrap();
        }
    };
    drop(cut);
    let (before, answer) = Events::listen(server.port, &session, Some(&last)).answer();
    assert_eq!(answer["result"]["structuredContent"]["status"], "done", "{answer}");
    steps.extend(before.iter().filter_map(|event| event.data.as_ref()?["params"]["progress"].as_f64()));
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "no step is told twice: {steps:?}");
    assert!(steps.len() >= 2, "{steps:?}");
}

#[test]
fn an_answer_that_is_gone_or_anothers_is_an_error_of_that_call_and_never_silence() {
    let desk = Desk::new(WIDE);
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[]);
    let mut call =
        Events::call(server.port, &session, &tool_call(Era::Legacy, 41, "get_balance", &json!({})));
    let id = call.next().id.unwrap();
    drop(call);
    // The name of a stream that this server does not know, for the same request.
    let gone = format!("0{}", &id[1..]);
    let gone = if gone == id { format!("1{}", &id[1..]) } else { gone };
    let other = wire::open_legacy(server.port, &[]);
    for (session, last) in [(&session, &gone), (&other, &id)] {
        let (before, answer) = Events::listen(server.port, session, Some(last)).answer();
        assert!(before.is_empty());
        assert_eq!(answer["id"], 41, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("idempotency_key") && message.contains("get_status"), "{message}");
    }
}

#[test]
fn the_first_answer_of_a_session_names_no_event_that_nothing_is_kept_under() {
    let desk = Desk::new(&format!(
        "{WIDE}[send]\nconcurrency = 1\n[[provider]]\nkind = \"sandbox\"\nlatency = \"200ms\"\n"
    ));
    let server = desk.http(|_| {});
    let reply = post(server.port, &[], &wire::initialize());
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(text.contains("protocolVersion") && !text.contains("id: ") && !text.contains("id:0"), "{text}");
    // Nor does one of a client without sessions, whose call ends with its connection.
    let recipients: Vec<Value> = (0..3).map(|index| json!({ "to": fictional(index) })).collect();
    let mut params =
        json!({ "name": "send_bulk", "arguments": { "recipients": recipients, "message": "x" } });
    params["_meta"] = wire::meta(Era::Stateless).unwrap();
    params["_meta"]["progressToken"] = json!("p");
    let body =
        serde_json::to_vec(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
            .unwrap();
    let reply = post(server.port, &wire::stateless_headers("send_bulk"), &body);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(
        text.contains("notifications/progress") && !text.lines().any(|line| line.starts_with("id:")),
        "{text}"
    );
}

#[test]
fn a_change_that_nobody_listened_for_is_told_once_to_who_listens_next() {
    let desk = Desk::new(WIDE);
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[]);
    let header = [("Mcp-Session-Id", session.as_str())];
    let arguments = json!({ "to": fictional(1), "message": "x" });
    let sent = post(server.port, &header, &tool_call(Era::Legacy, 1, "send_sms", &arguments)).json().unwrap();
    let id = sent["result"]["structuredContent"]["id"].as_str().unwrap().to_owned();
    let uri = format!("sms://messages/{id}");
    let watch = post(
        server.port,
        &header,
        &wire::request(Era::Legacy, 2, "resources/subscribe", json!({ "uri": uri })),
    )
    .json()
    .unwrap();
    if watch["error"].is_object() {
        panic!("{watch}");
    }
    eventually("its receipt came", || shows(&server, &session, "delivered"));
    let mut listens = Events::listen(server.port, &session, None);
    let event = listens.next();
    assert_eq!(event.data.unwrap()["params"]["uri"], uri);
    drop(listens);
    // Taken up behind it, the stream says nothing more; the next change is told.
    let mut again = Events::listen(server.port, &session, event.id.as_deref());
    again.stream.set_read_timeout(Some(A_WHILE)).unwrap();
    let mut part = [0; 512];
    let more = again.stream.read(&mut part).map(|count| String::from_utf8_lossy(&part[..count]).into_owned());
    assert!(more.as_ref().is_err() || more.as_ref().is_ok_and(|text| !text.contains("data:")), "{more:?}");
}

/// How many sessions the ledger knows of: asking that is no use of any.
fn kept_sessions(desk: &Desk) -> i64 {
    let ledger = rusqlite::Connection::open(desk.ledger()).unwrap();
    ledger.query_row("SELECT count(*) FROM client_session", [], |row| row.get(0)).unwrap()
}

#[test]
fn an_open_event_stream_is_use_of_its_session_and_silence_ends_it() {
    let desk = Desk::new("[guard]\nsession_idle = \"2s\"\n");
    let server = desk.http(|_| {});
    let (kept, left) = (wire::open_legacy(server.port, &[]), wire::open_legacy(server.port, &[]));
    let listens = Events::listen(server.port, &kept, None);
    let call = tool_call(Era::Legacy, 1, "get_balance", &json!({}));
    let status = |session: &str| post(server.port, &[("Mcp-Session-Id", session)], &call).status;
    for _ in 0..3 {
        // Each of these ends of silence; the one that is listened to outlives them all.
        eventually("a session that nobody uses ends", || kept_sessions(&desk) == 1);
        wire::open_legacy(server.port, &[]);
    }
    eventually("the last one, too", || kept_sessions(&desk) == 1);
    assert_eq!((status(&kept), status(&left)), (200, 404));
    drop(listens);
    eventually("so does this one when nobody listens any more", || kept_sessions(&desk) == 0);
    assert_eq!(status(&kept), 404);
}

#[test]
fn a_session_outlives_a_restart_with_its_budget() {
    let desk = Desk::new("[guard]\nsession_messages = 2\n[http]\ntoken = \"one\"\n");
    let bearer = ("Authorization", "Bearer one");
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[bearer]);
    let headers = [bearer, ("Mcp-Session-Id", session.as_str())];
    let send = |server: &HttpServer, to: usize| {
        let reply = post(
            server.port,
            &headers,
            &tool_call(Era::Legacy, 1, "send_sms", &json!({ "to": fictional(to), "message": "x" })),
        );
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json().unwrap()["result"].clone()
    };
    assert_eq!(send(&server, 1)["structuredContent"]["status"], "sent");
    drop(server);

    let server = desk.http(|_| {});
    assert_eq!(send(&server, 2)["structuredContent"]["status"], "sent");
    let refused = send(&server, 3);
    assert!(
        refused["content"][0]["text"].as_str().unwrap().contains("budget_exceeded"),
        "a restart is no fresh budget: {refused}"
    );
    // It still has what belongs to a session: streams, and its end.
    assert_eq!(
        post(server.port, &headers, &wire::request(Era::Legacy, 3, "tools/list", json!({}))).status,
        200
    );
    assert_eq!(wire::ask(server.port, "DELETE", "/mcp", &headers, b"").status, 204);
    drop(server);

    let server = desk.http(|_| {});
    let call = tool_call(Era::Legacy, 1, "get_balance", &json!({}));
    assert_eq!(post(server.port, &headers, &call).status, 404, "what was ended stays so");
    assert_eq!(wire::ask(server.port, "DELETE", "/mcp", &headers, b"").status, 404);
    // Its id is not in the ledger, since it opens the session to whoever shows it.
    drop(server);
    let ledger = std::fs::read(desk.ledger()).unwrap();
    assert!(!ledger.windows(session.len()).any(|part| part == session.as_bytes()));
}

#[test]
fn a_session_is_its_principals_alone_before_and_after_a_restart() {
    let desk = Desk::new("");
    let with_token = |command: &mut std::process::Command| {
        command.env("SMS_MCP__HTTP__TOKEN", "one");
    };
    let server = desk.http(with_token);
    let bearer = ("Authorization", "Bearer one");
    let session = wire::open_legacy(server.port, &[bearer]);
    let id = ("Mcp-Session-Id", session.as_str());
    let call = tool_call(Era::Legacy, 1, "get_balance", &json!({}));
    drop(server);
    // The same ledger, and another principal: the user of this machine.
    let server = desk.http(|_| {});
    assert_eq!(post(server.port, &[id], &call).status, 404);
    assert_eq!(wire::ask(server.port, "DELETE", "/mcp", &[id], b"").status, 404);
    assert_eq!(
        wire::ask(server.port, "GET", "/mcp", &[id, ("Accept", "text/event-stream")], b"").status,
        404
    );
    drop(server);
    let server = desk.http(with_token);
    assert_eq!(
        post(server.port, &[bearer, id], &call).status,
        200,
        "and it was neither used nor ended by that"
    );
}

#[test]
fn a_session_that_was_silent_for_too_long_does_not_outlive_a_restart() {
    let desk = Desk::new("[guard]\nsession_idle = \"1s\"\n");
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[]);
    drop(server);
    std::thread::sleep(Duration::from_millis(1_100));
    let server = desk.http(|_| {});
    let call = tool_call(Era::Legacy, 1, "get_balance", &json!({}));
    assert_eq!(post(server.port, &[("Mcp-Session-Id", &session)], &call).status, 404);
}

#[test]
fn a_client_that_comes_back_to_a_restarted_server_is_told_that_its_answer_is_gone() {
    let desk = Desk::new(&format!("{WIDE}{SLOW}"));
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[]);
    let mut cut = Events::call(
        server.port,
        &session,
        &tool_call(Era::Legacy, 7, "send_sms", &json!({ "to": fictional(1), "message": "x" })),
    );
    let last = cut.next().id.unwrap();
    drop(server);
    let server = desk.http(|_| {});
    let (_, answer) = Events::listen(server.port, &session, Some(&last)).answer();
    assert_eq!(answer["id"], 7);
    assert!(answer["error"]["message"].as_str().unwrap().contains("restarted"), "{answer}");
}

#[test]
fn a_session_that_is_taken_up_again_counts_among_those_that_are_open() {
    let desk = Desk::new("[http]\nmax_sessions = 1\n");
    let server = desk.http(|_| {});
    let old = wire::open_legacy(server.port, &[]);
    drop(server);
    let server = desk.http(|_| {});
    let new = wire::open_legacy(server.port, &[]);
    let mut listens = Events::listen(server.port, &new, None);
    let call = tool_call(Era::Legacy, 1, "get_balance", &json!({}));
    let status = |session: &str| post(server.port, &[("Mcp-Session-Id", session)], &call).status;
    assert_eq!(status(&old), 200);
    // For the old one the new one was put away, so that its stream ends; and it is taken up again in its
    // turn.
    listens.stream.read_to_string(&mut String::new()).expect("the end of the stream");
    assert_eq!((status(&new), status(&old)), (200, 200));
}

#[test]
fn a_client_that_opens_a_thousand_sessions_blocks_nobody() {
    const MOST: usize = 100;
    let desk = Desk::new(&format!("{WIDE}[http]\nmax_sessions = {MOST}\n"));
    let server = desk.http(|_| {});
    let ours = wire::open_legacy(server.port, &[]);
    let mut listens = Events::listen(server.port, &ours, None);
    for _ in 0..1_000 {
        assert_eq!(post(server.port, &[], &wire::initialize()).status, 200, "there is room for each of them");
    }
    // Ours was never put away: what is asked for now is told on the stream that was open all the time.
    let header = [("Mcp-Session-Id", ours.as_str())];
    let ask = |body: Vec<u8>| post(server.port, &header, &body).json().unwrap();
    let sent = ask(tool_call(Era::Legacy, 1, "send_sms", &json!({ "to": fictional(1), "message": "x" })));
    let uri = format!("sms://messages/{}", sent["result"]["structuredContent"]["id"].as_str().unwrap());
    let watch = ask(wire::request(Era::Legacy, 2, "resources/subscribe", json!({ "uri": uri })));
    assert!(watch["error"].is_null(), "{watch}");
    assert_eq!(listens.next().data.unwrap()["params"]["uri"], uri);
    let another = wire::open_legacy(server.port, &[]);
    assert_eq!(
        post(
            server.port,
            &[("Mcp-Session-Id", &another)],
            &tool_call(Era::Legacy, 1, "get_balance", &json!({}))
        )
        .status,
        200
    );
}

#[test]
fn without_sessions_every_version_is_served_alike() {
    let desk = Desk::new("[http]\nsessions = false\n");
    let server = desk.http(|_| {});
    let reply = post(server.port, &[], &wire::initialize());
    assert_eq!((reply.status, reply.header("mcp-session-id")), (200, None), "{reply:?}");
    assert_eq!(reply.json().unwrap()["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(post(server.port, &[], wire::INITIALIZED).status, 202);
    let send = tool_call(
        Era::Legacy,
        1,
        "send_sms",
        &json!({ "to": fictional(1), "message": "x", "idempotency_key": "k" }),
    );
    for headers in
        [&[][..], &[("Mcp-Protocol-Version", "2025-11-25")], &[("Mcp-Session-Id", "of-another-server")]]
    {
        let reply = post(server.port, headers, &send);
        assert_eq!(
            reply.json().unwrap()["result"]["structuredContent"]["status"],
            "sent",
            "{headers:?}: {reply:?}"
        );
    }
    let call = tool_call(Era::Stateless, 1, "get_balance", &json!({}));
    assert_eq!(post(server.port, &wire::stateless_headers("get_balance"), &call).status, 200);
    for method in ["GET", "DELETE"] {
        let reply = wire::ask(
            server.port,
            method,
            "/mcp",
            &[("Mcp-Session-Id", "x"), ("Accept", "text/event-stream")],
            b"",
        );
        assert_eq!(reply.status, 405, "{method}: {reply:?}");
    }
    assert_eq!(desk.sent().len(), 1);
}
