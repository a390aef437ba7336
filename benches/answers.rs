//! How the time to read a vendor's answer grows with its length: `cargo bench --bench answers`. Answers that
//! a hostile or broken vendor might give, each also four times as long. What is read in proportion takes four
//! times as long, what compares all with all sixteen times; ten is too much, and fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout
)]
#![allow(missing_docs)]

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sms_mcp::clock::SystemClock;
use sms_mcp::provider::settings::{Secrets, Setup};
use sms_mcp::provider::{Build, Provider, Submission, a2p_pro, mailersend, mailpro, sms_for_ai};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::MessageId;
use sms_mcp::sms::number::Number;

/// The longer answers stay under the megabyte that is read.
const LENGTH: usize = 200_000;

/// So many times as long.
const LONGER: usize = 4;

/// The most that the time may grow.
const MOST: f64 = 10.0;

/// Each is measured so often, and the quickest counts.
const ROUNDS: usize = 5;

type Answer = Arc<Mutex<Vec<u8>>>;

/// A server that gives this answer to every request.
fn serve(answer: &Answer) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::clone(answer);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let (mut part, mut seen) = ([0; 16 * 1024], Vec::new());
                while let Ok(count @ 1..) = stream.read(&mut part) {
                    seen.extend_from_slice(&part[..count]);
                    if is_whole(&seen) {
                        let body = answer.lock().unwrap().clone();
                        let _ = stream.write_all(
                            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(),
                        );
                        let _ = stream.write_all(&body);
                        seen.clear();
                    }
                }
            });
        }
    });
    url
}

/// Whether this is a request with all of the body that it announces.
fn is_whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]);
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().unwrap());
    request.len() >= end + 4 + length
}

fn providers(url: &str) -> Vec<Arc<dyn Provider>> {
    let build = |config: &dyn Build| {
        let mut secrets = Secrets::default();
        ["token", "id_client", "api_key"]
            .into_iter()
            .for_each(|name| secrets.insert(name, SecretText::new("secret")));
        config.build(Setup { clock: Arc::new(SystemClock), secrets, callback: None }).unwrap()
    };
    let (base_url, from) = (url.to_owned(), Some("+18005550123".to_owned()));
    vec![
        build(&sms_for_ai::Config { base_url: base_url.clone(), ..Default::default() }),
        build(&a2p_pro::Config { base_url: base_url.clone(), from: from.clone(), ..Default::default() }),
        build(&mailersend::Config { base_url: base_url.clone(), from, ..Default::default() }),
        build(&mailpro::Config { base_url, history: true, ..Default::default() }),
    ]
}

/// An answer of about this length.
fn heavy(what: &str, length: usize) -> Vec<u8> {
    let until = |part: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        let mut n = 0;
        while text.len() < length {
            text.push_str(&part(n));
            n += 1;
        }
        text
    };
    match what {
        "recipients" => {
            let people = until(&|n| format!("{{\"to\":\"{n}\",\"status\":\"sent\"}},"));
            format!(
                "{{\"data\":{{\"id\":\"1\",\"sms\":[{}]}},\"id\":\"1\",\"status\":\"sent\"}}",
                people.trim_end_matches(',')
            )
            .into()
        }
        "fields" => {
            format!("{{{}\"id\":\"1\",\"status\":\"sent\"}}", until(&|n| format!("\"f{n}\":{n},"))).into()
        }
        "nested lists" => "[".repeat(length).into(),
        "nested elements" => format!("{}{}", "<a>".repeat(length / 7), "</a>".repeat(length / 7)).into(),
        "elements" => format!("<a>{}</a>", until(&|n| format!("<a{n}/>"))).into(),
        "one element again and again" => format!("<a>{}</a>", until(&|_| "<b>1</b>".to_owned())).into(),
        "attributes" => format!("<a{}/>", until(&|n| format!(" a{n}=\"\""))).into(),
        "attributes of many" => format!("<a>{}</a>", until(&|_| "<b c=\"1\" d=\"2\"/>".to_owned())).into(),
        other => panic!("{other}"),
    }
}

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = Answer::default();
    let url = serve(&answer);
    let to = Number::parse("+33199000001", None).unwrap();
    let message = Submission {
        id: MessageId::new(1, 1),
        to,
        from: None,
        text: "a".to_owned(),
        segments: 1,
        ceiling: None,
        brake: Default::default(),
    };
    let mut is_fine = true;
    for provider in providers(&url) {
        let time = |body: Vec<u8>| {
            *answer.lock().unwrap() = body;
            let once = |_| {
                let began = Instant::now();
                runtime.block_on(provider.send(&message));
                began.elapsed()
            };
            (0..ROUNDS).map(once).min().unwrap()
        };
        for what in [
            "recipients",
            "fields",
            "nested lists",
            "nested elements",
            "elements",
            "one element again and again",
            "attributes",
            "attributes of many",
        ] {
            let (short, long) = (time(heavy(what, LENGTH)), time(heavy(what, LONGER * LENGTH)));
            // Below this it is the connection that is measured.
            let grows = long.as_secs_f64() / short.max(Duration::from_millis(2)).as_secs_f64();
            println!("{:<12} {what:<28} {short:>10.1?} {long:>10.1?} x {grows:.1}", provider.name());
            is_fine &= grows < MOST;
        }
    }
    assert!(is_fine, "the time to read an answer grows faster than the answer");
}
