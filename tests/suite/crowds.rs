//! Crowds before the remote endpoint: who is served while a thousand others hold connections and mean nothing
//! good.
//!
//! The crowd here is mute: it asks without a token and never reads what it is answered. No time is asserted
//! anywhere: what is silent would be left alone for an hour (`header_timeout`), so whoever is served is
//! served for another reason.
#![cfg(target_os = "linux")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use serde_json::json;

use crate::fake::Fake;
use crate::fake::mailersend::MailerSend;
use crate::hooks;
use crate::sessions::Events;
use crate::support::{Desk, Era, HttpServer, LAST_RESORT, eventually};
use crate::wire::{self, Reply, connect, get, post, stateless_headers, tool_call};

const TOKEN: &str = "s3cret-of-the-desk";
const BEARER: (&str, &str) = ("Authorization", "Bearer s3cret-of-the-desk");

/// As many connections as an endpoint has places unless its settings say otherwise.
const CROWD: usize = 1_024;

/// What the crowd asks.
fn question(port: u16, forwarded: &str) -> String {
    format!("GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{forwarded}\r\n")
}

/// So many connections that ask and never read an answer. They stay open as long as this lives.
fn mute(port: u16, count: usize, forwarded: impl Fn(usize) -> String) -> Vec<TcpStream> {
    let one = |index: usize| {
        let mut stream = connect(port);
        stream.write_all(question(port, &forwarded(index)).as_bytes()).unwrap();
        stream
    };
    (0..count).map(one).collect()
}

/// Lets this process have the descriptors of a crowd and of all other tests.
fn many_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

fn balance(port: u16, headers: &[(&str, &str)]) -> Reply {
    let headers: Vec<_> =
        stateless_headers("get_balance").into_iter().chain(headers.iter().copied()).collect();
    post(port, &headers, &tool_call(Era::Stateless, 1, "get_balance", &json!({})))
}

/// The head of a request that opens the event stream of a session.
fn listening(port: u16, session: &str, more: &str) -> String {
    format!(
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\nMcp-Session-Id: \
         {session}\r\nAuthorization: Bearer {TOKEN}\r\n\
         {more}\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_mute_clients_keep_nobody_out() {
    many_descriptors();
    let fake = Fake::start(MailerSend::new());
    let desk = hooks::desk(&fake, &format!("token = \"{TOKEN}\"\nheader_timeout = \"1h\"\n"));
    let server = desk.http(|_| {});
    let (port, path) = (server.port, hooks::path(&desk).await);
    // Three who are there before the crowd: one who is idle between two calls, one who listens, and a vendor.
    let session = wire::open_legacy(port, &[BEARER]);
    let headers = [BEARER, ("Mcp-Session-Id", session.as_str())];
    let call = tool_call(Era::Legacy, 1, "get_balance", &json!({}));
    let mut idle = connect(port);
    wire::post_again(&mut idle, port, &headers, &call);
    let listens = Events::open(port, listening(port, &session, "").as_bytes());
    let report = hooks::report(
        &json!({ "provider_message_id": "63074a67a5bd6fa8b0b7c1d3", "to": "+12025550120" }),
        "delivered",
    );
    let tell = || hooks::told(port, &path, hooks::SIGNING, &report).status;
    assert_eq!(tell(), 204);

    let crowd = mute(port, CROWD, |_| String::new());
    assert_eq!(get(port, "/healthz").status, 200);
    assert_eq!(balance(port, &[BEARER]).status, 200, "who comes with a token");
    assert_eq!(tell(), 204, "who comes with the address of a webhook");
    let told = wire::post_again(&mut idle, port, &headers, &call);
    assert!(String::from_utf8_lossy(&told).contains("structuredContent"), "who was idle meanwhile");
    listens.stream.set_nonblocking(true).unwrap();
    let more = (&listens.stream).read(&mut [0; 1_024]);
    assert!(!matches!(more, Ok(0)), "who listened");
    drop(crowd);
}

#[test]
fn a_mute_crowd_behind_a_proxy_keeps_nobody_out_be_the_proxy_named_or_not() {
    many_descriptors();
    for named in ["", "trusted_proxies = [\"127.0.0.1\"]\n"] {
        let desk = Desk::new(&format!(
            "[http]\ntoken = \"{TOKEN}\"\nheader_timeout = \"1h\"\nmax_connections_per_address = 8\n{named}"
        ));
        let server = desk.http(|_| {});
        // A hundred addresses, and each writes a header of its own before what the proxy says.
        let forwarded =
            |index: usize| format!("X-Forwarded-For: 10.1.{}.1, 203.0.113.{}\r\n", index % 250, index % 100);
        let crowd = mute(server.port, CROWD, forwarded);
        assert_eq!(get(server.port, "/healthz").status, 200, "{named}");
        for client in ["198.51.100.7", "203.0.113.7"] {
            assert_eq!(
                balance(server.port, &[BEARER, ("X-Forwarded-For", client)]).status,
                200,
                "{named} {client}"
            );
        }
        drop(crowd);
    }
}

/// Opens the event stream of a new session from this address of this machine, for a client with this address.
fn listen_from(server: &HttpServer, from: &str, client: &str) -> Result<Events, u16> {
    let session = wire::open_legacy(server.port, &[BEARER]);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&format!("{from}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], server.port)).into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LAST_RESORT)).unwrap();
    stream
        .write_all(listening(server.port, &session, &format!("X-Forwarded-For: {client}\r\n")).as_bytes())
        .unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    match std::str::from_utf8(&first[9..]).unwrap().parse().unwrap() {
        200 => Ok(Events { stream, text: String::new() }),
        status => Err(status),
    }
}

#[test]
fn an_address_has_its_share_by_what_a_named_proxy_says_of_it_and_by_nobody_elses_word() {
    let settings = format!(
        "[http]\ntoken = \"{TOKEN}\"\nmax_connections_per_address = 2\ntrusted_proxies = [\"127.0.0.2\"]\n"
    );
    let desk = Desk::new(&settings);
    let server = desk.http(|_| {});
    let listen = |from: &str, client: &str| listen_from(&server, from, client);
    let mut theirs: Vec<Events> = (0..2)
        .map(|_| listen("127.0.0.2", "203.0.113.7").unwrap_or_else(|status| panic!("{status}")))
        .collect();
    // However it calls itself, it is who the proxy says that it is.
    for client in ["203.0.113.7", "198.51.100.1, 203.0.113.7", "unknown, 203.0.113.7:40000"] {
        assert_eq!(listen("127.0.0.2", client).err(), Some(429), "{client}");
    }
    assert!(listen("127.0.0.2", "203.0.113.8").is_ok(), "others have their own share");
    assert!(listen("127.0.0.2", "203.0.113.7, 198.51.100.1").is_ok());
    // From elsewhere the same header says nothing: neither does it take of the share, nor is anybody held to
    // one.
    let others: Vec<_> = (0..4).map(|_| listen("127.0.0.1", "203.0.113.7")).collect();
    assert!(others.iter().all(Result::is_ok));
    // What has ended is free again.
    theirs.pop();
    let mut again = None;
    eventually("its share is free again", || {
        again = listen("127.0.0.2", "203.0.113.7").ok();
        again.is_some()
    });
}

#[test]
fn a_client_that_shows_the_token_and_reads_nothing_is_cut_and_its_place_is_free() {
    let desk =
        Desk::new(&format!("[http]\ntoken = \"{TOKEN}\"\nwrite_timeout = \"1s\"\nheader_timeout = \"1h\"\n"));
    let server = desk.http(|_| {});
    let list = wire::request(Era::Stateless, 1, "tools/list", json!({}));
    let headers = [
        BEARER,
        ("Mcp-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/list"),
        ("Connection", "keep-alive"),
    ];
    let mut request = wire::head(server.port, &headers, list.len());
    request.extend_from_slice(&list);
    let mut stream = connect(server.port);
    // Its answers fill what the system keeps for it; then the server stops reading, and this would wait for
    // ever.
    stream.set_write_timeout(Some(LAST_RESORT)).unwrap();
    let error = loop {
        if let Err(error) = stream.write_all(&request) {
            break error;
        }
    };
    assert!(
        matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe),
        "{error}"
    );
    assert_eq!(balance(server.port, &[BEARER]).status, 200);
}

#[test]
fn a_connection_without_a_token_is_closed_after_some_refusals_and_says_so() {
    let desk = Desk::new(&format!("[http]\ntoken = \"{TOKEN}\"\n"));
    let server = desk.http(|_| {});
    let mut stream = connect(server.port);
    for number in 1..=16 {
        stream.write_all(question(server.port, "").as_bytes()).unwrap();
        let answer = one_answer(&mut stream);
        assert!(answer.starts_with("http/1.1 401"), "{answer}");
        assert_eq!(answer.contains("\r\nconnection: close\r\n"), number == 16, "{number}: {answer}");
    }
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "and it is closed");
}

/// One answer of known length on a connection that may stay open, in lower case.
fn one_answer(stream: &mut TcpStream) -> String {
    let (mut text, mut octet) = (String::new(), [0]);
    let whole = |text: &str| {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())?;
        (body.len() >= length).then_some(())
    };
    while whole(&text).is_none() {
        stream.read_exact(&mut octet).unwrap();
        text.push(char::from(octet[0]).to_ascii_lowercase());
    }
    text
}

#[test]
fn connections_are_as_many_as_there_are_descriptors_for_and_the_operator_is_told() {
    many_descriptors();
    let desk = Desk::new(&format!("[http]\ntoken = \"{TOKEN}\"\nheader_timeout = \"1h\"\n"));
    let log = desk.path().join("log");
    let server = desk.http(|command: &mut Command| {
        let mut limited = Command::new("sh");
        limited
            .args(["-c", "ulimit -n 128 && exec \"$0\" \"$@\""])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        limited.stdin(std::process::Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        *command = limited;
    });
    let crowd = mute(server.port, 400, |_| String::new());
    assert_eq!(get(server.port, "/healthz").status, 200);
    assert_eq!(balance(server.port, &[BEARER]).status, 200, "the ledger has its descriptors");
    drop(crowd);
    let told = std::fs::read_to_string(&log).unwrap();
    assert!(
        told.contains("LimitNOFILE") && told.contains("wanted=1024") && told.contains("places=64"),
        "{told}"
    );
    assert!(told.contains("[http] max_connections") && !told.contains("could not be accepted"), "{told}");
}
