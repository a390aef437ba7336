//! The remote endpoint: who gets in, what bounds hold, how it stops, and what a broken connection does to a
//! send.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::fake::Fake;
use crate::fake::sms_for_ai::{SmsForAi, TOKEN as VENDOR_TOKEN};
use crate::support::{A_WHILE, Desk, Era, HttpServer, WIDE, ends, eventually, fictional, signal};
use crate::wire::{self, Reply, connect, get, post, read_reply, stateless_headers, tool_call};

const TOKEN: &str = "s3cret-of-the-desk";

/// A `tools/call` of the new era with further headers.
fn ask(port: u16, headers: &[(&str, &str)], tool: &str, arguments: &Value) -> Reply {
    let headers: Vec<_> = stateless_headers(tool).into_iter().chain(headers.iter().copied()).collect();
    post(port, &headers, &tool_call(Era::Stateless, 1, tool, arguments))
}

/// The structured answer of a call that must succeed.
fn answer_of(reply: &Reply) -> Value {
    let message = reply.json().unwrap_or_else(|| panic!("no JSON in {reply:?}"));
    assert_ne!(message["result"]["isError"], true, "{message}");
    message["result"]["structuredContent"].clone()
}

/// The error of a call that must be refused.
fn refusal_of(reply: &Reply) -> Value {
    let message = reply.json().unwrap_or_else(|| panic!("no JSON in {reply:?}"));
    assert_eq!(message["result"]["isError"], true, "{message}");
    serde_json::from_str(message["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
}

/// A vendor, and a desk before it with these settings besides.
fn slow_desk(more: &str) -> (Fake<SmsForAi>, Desk) {
    let fake = Fake::start(SmsForAi::default());
    let provider = format!(
        "[[provider]]\nkind = \"sms_for_ai\"\nbase_url = \"{}/api/v1\"\ntoken = \"{VENDOR_TOKEN}\"\n",
        fake.url()
    );
    let desk = Desk::new(&format!("{WIDE}{more}{provider}"));
    (fake, desk)
}

/// How many texts the vendor was asked to send.
fn sends(fake: &Fake<SmsForAi>) -> usize {
    fake.requests().iter().filter(|request| request.method == "POST").count()
}

/// The messages that the server lists.
fn listed(server: &HttpServer) -> Vec<Value> {
    answer_of(&ask(server.port, &[], "list_sms", &json!({})))["messages"].as_array().unwrap().clone()
}

#[test]
fn healthz_says_ok_to_everybody() {
    let desk = Desk::new(&format!("[http]\ntoken = \"{TOKEN}\"\n"));
    let server = desk.http(|_| {});
    let reply = get(server.port, "/healthz");
    assert_eq!((reply.status, reply.json()), (200, Some(json!({ "status": "ok" }))));
    assert_eq!(get(server.port, "/").status, 404);
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let desk = Desk::new("");
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = desk.command().args(["serve", "--http", address]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("token = { env") && said.contains(address), "{said}");
    }
}

#[test]
fn only_the_bearer_token_opens_the_door() {
    let desk = Desk::new("[http]\ntoken = { env = \"DESK_TOKEN\" }\n");
    let server = desk.http(|command: &mut Command| {
        command.env("DESK_TOKEN", TOKEN);
    });
    let ask = |headers: &[(&str, &str)]| ask(server.port, headers, "get_balance", &json!({}));
    let missing = ask(&[]);
    assert_eq!(missing.status, 401);
    let challenge = missing.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer ") && !challenge.contains("error="), "{challenge}");
    for wrong in ["Bearer nope", "Bearer s3cret-of-the-des", "Bearer s3cret-of-the-desk2"] {
        let refused = ask(&[("Authorization", wrong)]);
        assert_eq!(refused.status, 401, "{wrong}");
        assert!(
            refused.header("www-authenticate").unwrap().contains("error=\"invalid_token\""),
            "{refused:?}"
        );
    }
    for none in ["Basic czNjcmV0", "Bearer ", "s3cret-of-the-desk"] {
        assert_eq!(ask(&[("Authorization", none)]).status, 401, "{none}");
    }
    answer_of(&ask(&[("Authorization", &format!("Bearer {TOKEN}"))]));
    // Not even the shape of the endpoint is shown without it.
    assert_eq!(get(server.port, "/mcp").status, 401);
}

#[test]
fn foreign_hosts_and_origins_are_kept_out() {
    let closed = Desk::new("");
    let closed = closed.http(|_| {});
    let open = Desk::new(
        "[http]\nallowed_hosts = [\"sms.example.com\"]\nallowed_origins = [\"https://app.example.com:443\"]\n",
    );
    let open = open.http(|_| {});
    let status = |server: &HttpServer, header: (&str, &str)| {
        ask(server.port, &[header], "get_balance", &json!({})).status
    };
    for foreign in ["evil.example", "sms.example.com.evil.example", "127.0.0.1.evil.example"] {
        assert_eq!(status(&closed, ("Host", foreign)), 403, "{foreign}");
        assert_eq!(status(&open, ("Host", foreign)), 403, "{foreign}");
    }
    for own in ["localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(status(&closed, ("Host", &format!("{own}:{}", closed.port))), 200, "{own}");
    }
    assert_eq!(status(&open, ("Host", "sms.example.com")), 200);
    for foreign in
        ["https://evil.example", "http://app.example.com", "https://app.example.com.evil.example", "null"]
    {
        assert_eq!(status(&closed, ("Origin", foreign)), 403, "{foreign}");
        assert_eq!(status(&open, ("Origin", foreign)), 403, "{foreign}");
    }
    assert_eq!(status(&open, ("Origin", "https://app.example.com")), 200);
}

#[test]
fn a_body_that_is_too_large_or_too_slow_is_refused() {
    let desk = Desk::new("[http]\nmax_body_bytes = 4096\nheader_timeout = \"2s\"\nbody_timeout = \"2s\"\n");
    let server = desk.http(|_| {});
    let refused = ask(server.port, &[], "get_balance", &json!({ "session": "x".repeat(4_096) }));
    assert_eq!(refused.status, 413);
    assert!(String::from_utf8_lossy(&refused.body).contains("4096"), "{refused:?}");

    // Half a body, then silence.
    let mut stream = connect(server.port);
    stream.write_all(&wire::head(server.port, &stateless_headers("get_balance"), 500)).unwrap();
    stream.write_all(b"{\"jsonrpc\":").unwrap();
    assert_eq!(read_reply(&mut stream).expect("an answer").status, 408);

    // Half a head, then silence.
    let mut stream = connect(server.port);
    stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(&rest));
    answer_of(&ask(server.port, &[], "get_balance", &json!({})));
}

#[test]
fn many_answers_over_event_streams_come_on_one_connection() {
    let desk = Desk::new("");
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[]);
    // One connection that stays open, as a plain client has it; one that opens new ones would not notice.
    let mut stream = connect(server.port);
    let call = tool_call(Era::Legacy, 1, "get_balance", &json!({}));
    for _ in 0..50 {
        let bytes = wire::post_again(&mut stream, server.port, &[("Mcp-Session-Id", &session)], &call);
        assert!(String::from_utf8_lossy(&bytes).contains("structuredContent"));
    }
}

#[test]
fn a_made_up_session_id_is_no_fresh_budget() {
    let desk = Desk::new("[guard]\nsession_messages = 2\n");
    let server = desk.http(|_| {});
    let send = |index: usize, headers: &[(&str, &str)]| {
        ask(server.port, headers, "send_sms", &json!({ "to": fictional(index), "message": "x" }))
    };
    answer_of(&send(1, &[("Mcp-Session-Id", "made-up-1")]));
    answer_of(&send(2, &[("Mcp-Session-Id", "made-up-2")]));
    for headers in [&[("Mcp-Session-Id", "made-up-3")][..], &[], &[("Mcp-Session-Id", "")]] {
        assert_eq!(refusal_of(&send(3, headers))["code"], "budget_exceeded", "{headers:?}");
    }
    // Nor does the older era know it.
    assert_eq!(
        post(
            server.port,
            &[("Mcp-Session-Id", "made-up")],
            &tool_call(Era::Legacy, 1, "get_balance", &json!({}))
        )
        .status,
        404
    );
    assert_eq!(desk.sent().len(), 2);
}

#[test]
fn sessions_are_limited_however_initialize_is_spelt_and_one_with_a_call_under_way_is_never_cut() {
    let (fake, desk) = slow_desk("[http]\nmax_sessions = 1\n");
    let server = desk.http(|_| {});
    let (port, session) = (server.port, wire::open_legacy(server.port, &[]));
    fake.hold();
    let slow = std::thread::spawn(move || {
        let call =
            tool_call(Era::Legacy, 1, "send_sms", &json!({ "to": fictional(1), "message": "Under way" }));
        post(port, &[("Mcp-Session-Id", &session)], &call)
    });
    eventually("the vendor has it", || sends(&fake) == 1);
    let plain = wire::initialize();
    let escaped = String::from_utf8(plain.clone())
        .unwrap()
        .replace("\"initialize\"", "\"\\u0069nitialize\"")
        .into_bytes();
    assert_ne!(plain, escaped);
    for body in [&plain, &escaped] {
        let refused = post(server.port, &[], body);
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(
            refused.header("retry-after").is_some() && refused.header("mcp-session-id").is_none(),
            "{refused:?}"
        );
        assert!(String::from_utf8_lossy(&refused.body).contains("max_sessions"), "{refused:?}");
    }
    // Clients without sessions go on.
    answer_of(&ask(server.port, &[], "get_balance", &json!({})));
    fake.release();
    assert_eq!(answer_of(&slow.join().unwrap())["status"], "sent");
    eventually("it makes room once it is idle", || post(server.port, &[], &escaped).status == 200);
}

#[test]
fn a_client_that_goes_away_does_not_stop_its_send() {
    for era in Era::BOTH {
        let (fake, desk) = slow_desk("");
        let server = desk.http(|_| {});
        let session = (era == Era::Legacy).then(|| wire::open_legacy(server.port, &[]));
        let headers: Vec<(&str, &str)> = match &session {
            Some(id) => vec![("Mcp-Session-Id", id)],
            None => stateless_headers("send_sms").to_vec(),
        };
        let drop_after_sending = |arguments: &Value| {
            let body = tool_call(era, 1, "send_sms", arguments);
            let mut stream = connect(server.port);
            stream.write_all(&wire::head(server.port, &headers, body.len())).unwrap();
            stream.write_all(&body).unwrap();
            eventually("the vendor has it", || sends(&fake) == 1);
            drop(stream);
        };
        let with_key = json!({ "to": fictional(1), "message": "Kept", "idempotency_key": "blip" });
        fake.hold();
        drop_after_sending(&with_key);
        assert_eq!(
            listed(&server)[0]["status"],
            "attempting",
            "{era:?}: the connection broke before the answer"
        );
        fake.release();
        eventually("it is shown as sent", || listed(&server)[0]["status"] != "attempting");
        assert_eq!(listed(&server).len(), 1);

        // The client comes back, as it must: with its key it learns the outcome, and without it is stopped.
        let again = answer_of(&ask(server.port, &[], "send_sms", &with_key));
        assert_eq!((&again["replayed"], &again["id"]), (&json!(true), &listed(&server)[0]["id"]), "{again}");
        let without_key = json!({ "to": fictional(1), "message": "Kept" });
        assert_eq!(
            refusal_of(&ask(server.port, &[], "send_sms", &without_key))["code"],
            "duplicate_suspected"
        );
        assert_eq!(sends(&fake), 1, "{era:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_stop_lets_the_send_in_flight_end_and_refuses_new_ones() {
    let (fake, desk) = slow_desk("");
    let mut server = desk.http(|_| {});
    let port = server.port;
    fake.hold();
    let slow = std::thread::spawn(move || {
        ask(port, &[], "send_sms", &json!({ "to": fictional(1), "message": "In flight" }))
    });
    eventually("the vendor has it", || sends(&fake) == 1);
    signal("TERM", server.child.id());
    eventually("the stop began", || get(port, "/healthz").status == 503);
    let refused =
        refusal_of(&ask(port, &[], "send_sms", &json!({ "to": fictional(2), "message": "Too late" })));
    assert_eq!(refused["code"], "shutting_down");
    assert!(refused["next"].as_str().unwrap().contains("Nothing was sent"), "{refused}");
    assert!(server.child.try_wait().unwrap().is_none() && !slow.is_finished(), "the stop waits for the send");
    fake.release();
    assert_eq!(answer_of(&slow.join().unwrap())["status"], "sent");
    assert_eq!(ends(&mut server.child).code(), Some(0));
    assert_eq!(sends(&fake), 1);
}

#[cfg(unix)]
#[test]
fn a_stop_does_not_wait_for_idle_connections_that_take_every_place() {
    let desk = Desk::new("[http]\nmax_connections = 2\nheader_timeout = \"1h\"\n");
    let mut server = desk.http(|_| {});
    let idle: Vec<_> = (0..2).map(|_| connect(server.port)).collect();
    // Long enough that both have their place; were they too late, the stop would have less to do.
    std::thread::sleep(A_WHILE);
    signal("TERM", server.child.id());
    assert!(ends(&mut server.child).success());
    drop(idle);
}
