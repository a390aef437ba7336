//! The door of the remote endpoint as clients, browsers and the operator meet it: what a refusal says, what a
//! page may do, and what the log tells.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use crate::support::{Desk, Era, HttpServer};
use crate::wire::{self, Reply, ask, connect, post, read_reply, stateless_headers, tool_call};

const TOKEN: &str = "s3cret-of-the-desk";
const BEARER: (&str, &str) = ("Authorization", "Bearer s3cret-of-the-desk");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const BOTH: (&str, &str) = ("Accept", "application/json, text/event-stream");

/// A method, headers, a body; the status, and a word of the message.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);

fn balance() -> Vec<u8> {
    tool_call(Era::Stateless, 1, "get_balance", &json!({}))
}

/// The message of a refusal, whose whole shape is held here.
fn refusal(reply: &Reply) -> String {
    assert_eq!(reply.header("content-type"), Some("application/json"), "{reply:?}");
    let body: Value =
        serde_json::from_slice(&reply.body).unwrap_or_else(|error| panic!("{error}: {reply:?}"));
    assert_eq!((&body["jsonrpc"], body.get("id")), (&json!("2.0"), Some(&Value::Null)), "{body}");
    assert!(body["error"]["code"].is_i64(), "{body}");
    body["error"]["message"].as_str().expect("a message").to_owned()
}

/// Ends a server and returns what it logged.
fn log_of(mut server: HttpServer) -> String {
    server.child.kill().unwrap();
    let mut log = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    log
}

#[test]
fn every_refusal_is_a_json_rpc_error_that_says_what_is_right() {
    let desk =
        Desk::new(&format!("[http]\ntoken = \"{TOKEN}\"\nmax_body_bytes = 4096\nbody_timeout = \"2s\"\n"));
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[BEARER]);
    let large = vec![b' '; 5_000];
    let list = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let cases: [Case<'_>; 16] = [
        ("POST", &[JSON, BOTH], list, 401, "Authorization: Bearer"),
        ("GET", &[], b"", 401, "Authorization: Bearer"),
        ("POST", &[("Authorization", "Bearer wrong"), JSON, BOTH], list, 401, "[http] token"),
        ("POST", &[BEARER, JSON, BOTH, ("Host", "evil.example")], list, 403, "allowed_hosts"),
        ("POST", &[BEARER, JSON, BOTH, ("Host", "")], list, 403, "allowed_hosts"),
        ("POST", &[BEARER, JSON, BOTH, ("Origin", "https://evil.example")], list, 403, "allowed_origins"),
        ("POST", &[BEARER, JSON, BOTH, ("Mcp-Session-Id", "gone")], list, 404, "initialize"),
        ("GET", &[BEARER, BOTH, ("Mcp-Session-Id", "gone")], b"", 404, "initialize"),
        ("DELETE", &[BEARER, ("Mcp-Session-Id", "gone")], b"", 404, "initialize"),
        ("PUT", &[BEARER, JSON, BOTH], list, 405, "POST"),
        ("POST", &[BEARER, JSON, ("Accept", "application/json")], list, 406, "text/event-stream"),
        ("GET", &[BEARER, ("Mcp-Session-Id", &session)], b"", 406, "text/event-stream"),
        ("POST", &[BEARER, JSON, BOTH], &large, 413, "4096"),
        (
            "POST",
            &[BEARER, ("Content-Type", "text/plain"), BOTH],
            list,
            415,
            "Content-Type: application/json",
        ),
        ("POST", &[BEARER, JSON, BOTH], b"{", 400, "JSON-RPC"),
        ("POST", &[BEARER, JSON, BOTH], list, 400, "Mcp-Session-Id"),
    ];
    for (method, headers, body, status, word) in cases {
        let reply = ask(server.port, method, "/mcp", headers, body);
        assert_eq!(reply.status, status, "{method} {headers:?}: {reply:?}");
        let message = refusal(&reply);
        assert!(message.contains(word), "{method} {headers:?}: {message}");
        assert!(!message.contains(TOKEN));
    }
    let reply = ask(server.port, "PUT", "/mcp", &[BEARER], b"");
    assert!(
        reply.header("allow").unwrap().contains("POST"),
        "what the library says besides stays: {reply:?}"
    );

    let mut stream = connect(server.port);
    stream.write_all(&wire::head(server.port, &[BEARER], 500)).unwrap();
    let slow = read_reply(&mut stream).expect("an answer");
    assert_eq!(slow.status, 408);
    assert!(refusal(&slow).contains("body_timeout"));
    // An error of the protocol, which has an id, passes as it is.
    let unknown = wire::request(Era::Stateless, 7, "no/such", json!({}));
    let headers = [BEARER, JSON, BOTH, ("Mcp-Protocol-Version", "2026-07-28"), ("Mcp-Method", "no/such")];
    let reply = ask(server.port, "POST", "/mcp", &headers, &unknown);
    assert_eq!((reply.status, &reply.json().unwrap()["id"]), (404, &json!(7)), "{reply:?}");
}

#[test]
fn clients_that_look_for_oauth_are_told_that_a_bearer_token_is_wanted() {
    let desk = Desk::new(&format!("[http]\ntoken = \"{TOKEN}\"\n"));
    let (open, closed) = (Desk::new(""), desk.http(|_| {}));
    let open = open.http(|_| {});
    for (method, path) in [
        ("GET", "/.well-known/oauth-protected-resource"),
        ("GET", "/.well-known/oauth-protected-resource/mcp"),
        ("GET", "/.well-known/oauth-authorization-server"),
        ("GET", "/.well-known/oauth-authorization-server/mcp"),
        ("GET", "/.well-known/openid-configuration"),
        ("GET", "/mcp/.well-known/openid-configuration"),
        ("POST", "/register"),
        ("POST", "/token"),
        ("GET", "/authorize?client_id=x"),
    ] {
        for (server, words) in [(&closed, "Authorization: Bearer"), (&open, "no authorization is needed")] {
            let reply = ask(server.port, method, path, &[], b"");
            let body = reply.json().unwrap_or_else(|| panic!("{path}: {reply:?}"));
            assert_eq!(reply.status, 404, "{path}: a document would advertise OAuth");
            assert!(
                body["error"].is_string() && body["error_description"].as_str().unwrap().contains(words),
                "{path}: {body}"
            );
        }
    }
}

#[test]
fn a_slash_behind_mcp_is_served_and_other_addresses_say_where_it_is() {
    let desk = Desk::new(&format!("[http]\ntoken = \"{TOKEN}\"\n"));
    let server = desk.http(|_| {});
    let headers: Vec<_> = stateless_headers("get_balance").into_iter().chain([BEARER, JSON, BOTH]).collect();
    for path in ["/mcp", "/mcp/", "/mcp?x=1"] {
        let reply = ask(server.port, "POST", path, &headers, &balance());
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
    }
    assert_eq!(
        ask(server.port, "POST", "/mcp/", &headers[..3], &balance()).status,
        401,
        "and it has the same door"
    );
    for path in ["/", "/sse", "/messages", "/MCP", "/mcp/x", "/v1/mcp", "/webhooks"] {
        for method in ["GET", "POST"] {
            let reply = ask(server.port, method, path, &headers, &balance());
            assert_eq!(reply.status, 404, "{method} {path}: {reply:?}");
            assert!(refusal(&reply).contains("at /mcp"), "{method} {path}: {reply:?}");
        }
    }
}

#[test]
fn what_is_refused_at_the_door_is_logged_with_the_setting_that_allows_it_and_never_the_token() {
    let desk = Desk::new(&format!("[http]\ntoken = \"{TOKEN}\"\n"));
    let server = desk.http(|_| {});
    let wrong = "a-token-that-someone-mistyped";
    let refused: [&[(&str, &str)]; 4] = [
        &[],
        &[("Authorization", &format!("Bearer {wrong}"))],
        &[BEARER, ("Host", "sms.example.com:8443")],
        &[BEARER, ("Origin", "https://app.example.com")],
    ];
    for headers in refused {
        for _ in 0..20 {
            ask(server.port, "POST", "/mcp", headers, b"{}");
        }
    }
    let log = log_of(server);
    let lines = |word: &str| {
        log.lines().filter(|line| line.contains("refused at /mcp") && line.contains(word)).count()
    };
    assert_eq!((lines("[http] token"), lines("allowed_hosts"), lines("allowed_origins")), (2, 1, 1), "{log}");
    assert!(
        log.contains("sms.example.com:8443")
            && log.contains("https://app.example.com")
            && log.contains("count=1"),
        "{log}"
    );
    assert!(!log.contains(wrong) && !log.contains(TOKEN) && !log.contains("ERROR"), "{log}");
}

#[test]
fn a_browser_may_ask_before_it_shows_the_token_and_read_what_mcp_needs() {
    let desk = Desk::new(&format!(
        "[http]\ntoken = \"{TOKEN}\"\nallowed_origins = [\"https://app.example.com:443\"]\n"
    ));
    let server = desk.http(|_| {});
    let page = ("Origin", "https://app.example.com");
    let wants = [
        page,
        ("Access-Control-Request-Method", "POST"),
        (
            "Access-Control-Request-Headers",
            "authorization,content-type,mcp-protocol-version,mcp-method,mcp-param-region",
        ),
    ];
    for path in ["/mcp", "/mcp/", "/register", "/.well-known/oauth-protected-resource/mcp"] {
        let reply = ask(server.port, "OPTIONS", path, &wants, b"");
        assert_eq!(reply.status, 204, "{path}: {reply:?}");
        assert_eq!(reply.header("access-control-allow-origin"), Some(page.1));
        let allowed = reply.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
        for name in [
            "authorization",
            "content-type",
            "mcp-protocol-version",
            "mcp-session-id",
            "last-event-id",
            "mcp-method",
            "mcp-name",
            "mcp-param-region",
        ] {
            assert!(allowed.split(", ").any(|allowed| allowed == name), "{name}: {allowed}");
        }
        let methods = reply.header("access-control-allow-methods").unwrap();
        assert!(["GET", "POST", "DELETE"].iter().all(|method| methods.contains(method)), "{methods}");
        assert!(reply.header("vary").unwrap().eq_ignore_ascii_case("origin"), "{reply:?}");
        assert_eq!(reply.header("access-control-allow-credentials"), None, "there are no cookies here");
    }
    // Answers and refusals alike can be read by the page.
    let call: Vec<_> = stateless_headers("get_balance").into_iter().chain([JSON, BOTH, page]).collect();
    let refused = ask(server.port, "POST", "/mcp", &call, &balance());
    let answered = ask(server.port, "POST", "/mcp", &[&call[..], &[BEARER]].concat(), &balance());
    assert_eq!((refused.status, answered.status), (401, 200));
    for reply in [refused, answered] {
        assert_eq!(reply.header("access-control-allow-origin"), Some(page.1));
        let exposed = reply.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
        assert!(exposed.contains("www-authenticate") && exposed.contains("mcp-session-id"), "{exposed}");
    }
    // Another page is told nothing, whatever it asks.
    let evil = ("Origin", "https://evil.example");
    let reply = ask(server.port, "OPTIONS", "/mcp", &[evil, wants[1], wants[2]], b"");
    assert_eq!(
        (
            reply.status,
            reply.header("access-control-allow-origin"),
            reply.header("access-control-allow-headers")
        ),
        (403, None, None)
    );
    assert!(refusal(&reply).contains("allowed_origins"));
    for path in ["/register", "/"] {
        assert_eq!(ask(server.port, "GET", path, &[evil], b"").header("access-control-allow-origin"), None);
    }
}

#[test]
fn pages_of_this_machine_may_call_only_where_a_token_is_configured() {
    let (with, without) = (Desk::new(&format!("[http]\ntoken = \"{TOKEN}\"\n")), Desk::new(""));
    let (with, without) = (with.http(|_| {}), without.http(|_| {}));
    for page in ["http://localhost:6274", "http://127.0.0.1:3000", "http://[::1]:1", "http://localhost"] {
        let call: Vec<_> = stateless_headers("get_balance")
            .into_iter()
            .chain([BEARER, JSON, BOTH, ("Origin", page)])
            .collect();
        let preflight = [("Origin", page), ("Access-Control-Request-Method", "POST")];
        assert_eq!(ask(with.port, "OPTIONS", "/mcp", &preflight, b"").status, 204, "{page}");
        assert_eq!(ask(with.port, "POST", "/mcp", &call, &balance()).status, 200, "{page}");
        assert_eq!(ask(without.port, "OPTIONS", "/mcp", &preflight, b"").status, 403, "{page}");
        assert_eq!(ask(without.port, "POST", "/mcp", &call, &balance()).status, 403, "{page}");
    }
    let evil = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
    assert_eq!(ask(with.port, "OPTIONS", "/mcp", &evil, b"").status, 403);
}

#[test]
fn a_session_that_is_deleted_is_gone_and_one_that_never_was_is_not_found() {
    let desk = Desk::new("");
    let server = desk.http(|_| {});
    let session = wire::open_legacy(server.port, &[]);
    let header = [("Mcp-Session-Id", session.as_str())];
    let call = tool_call(Era::Legacy, 1, "get_balance", &json!({}));
    assert_eq!(post(server.port, &header, &call).status, 200);
    assert!([200, 204].contains(&ask(server.port, "DELETE", "/mcp", &header, b"").status));
    assert_eq!(ask(server.port, "DELETE", "/mcp", &header, b"").status, 404, "twice");
    assert_eq!(post(server.port, &header, &call).status, 404);
    for never in ["made-up", "unknown", "", "é"] {
        assert_eq!(
            ask(server.port, "DELETE", "/mcp", &[("Mcp-Session-Id", never)], b"").status,
            404,
            "{never:?}"
        );
    }
    assert_eq!(ask(server.port, "DELETE", "/mcp", &[], b"").status, 400, "which one?");
    assert!(!log_of(server).contains("ERROR"));
}

#[test]
fn a_client_without_sessions_may_say_that_it_cancels() {
    let desk = Desk::new("");
    let server = desk.http(|_| {});
    let version = ("Mcp-Protocol-Version", "2026-07-28");
    let meta = wire::meta(Era::Stateless);
    for params in [
        json!({ "requestId": 1 }),
        json!({ "requestId": "a", "reason": "x" }),
        json!({ "requestId": 1, "_meta": meta }),
        json!({ "reason": "none" }),
    ] {
        for (method, more) in [
            ("notifications/cancelled", None),
            ("notifications/cancelled", Some(("Mcp-Method", "notifications/cancelled"))),
        ] {
            let body =
                serde_json::to_vec(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).unwrap();
            let headers: Vec<_> = [version].into_iter().chain(more).collect();
            let reply = post(server.port, &headers, &body);
            assert_eq!(reply.status, 202, "{headers:?} {params}: {reply:?}");
        }
    }
    let with_meta =
        serde_json::to_vec(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {
            "requestId": 1, "_meta": meta } }))
        .unwrap();
    assert_eq!(post(server.port, &[], &with_meta).status, 202, "its version is in the message alone");
    // What contradicts itself is refused as before, and so is a note of a client that has no session and
    // needs one.
    let other = [version, ("Mcp-Method", "tools/list")];
    assert_eq!(post(server.port, &other, &with_meta).status, 400);
    let bare = br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(post(server.port, &[], bare).status, 400);
}

#[test]
fn a_version_without_sessions_has_no_initialize() {
    let desk = Desk::new("");
    let server = desk.http(|_| {});
    let headers = [("Mcp-Protocol-Version", "2026-07-28"), ("Mcp-Method", "initialize")];
    let reply = post(server.port, &headers, &wire::request(Era::Stateless, 9, "initialize", json!({})));
    let body = reply.json().unwrap();
    assert_eq!(
        (reply.status, &body["id"], &body["error"]["code"]),
        (404, &json!(9), &json!(-32601)),
        "{body}"
    );
    // A client of an older version opens its session as ever.
    assert_eq!(post(server.port, &[], &wire::initialize()).status, 200);
}
