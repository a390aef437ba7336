//! The HTTP client of all REST providers: what each thing that can go wrong means for a send, a read and a
//! change.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::http::Method;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sms_mcp::clock::{Clock, SharedClock, SystemClock, Timestamp};
use sms_mcp::error::{Error, ErrorKind};
use sms_mcp::provider::Outcome;
use sms_mcp::provider::rest::{Answer, Client, Dialect, Request, Settings};
use sms_mcp::setting::SecretText;

use super::patient;
use crate::fake::{Fake, Fault, Reply, Seen, Vendor, clock_before};
use crate::support::{A_WHILE, eventually_async, within};

const TEXT: &str = "canary-text-3f1d";
const TOKEN: &str = "canary-token-9a2c";
const QUERY: &str = "canary-query-key-77e0";

/// A vendor that takes anything at `/v1/send`, and knows the canaries' places.
#[derive(Default)]
struct Plain {
    taken: Vec<String>,
}

impl Vendor for Plain {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.path == "/v1/moved" {
            return Reply::empty(307).header("location", "/v1/send");
        }
        if request.path != "/v1/send" {
            complain("no such page".to_owned());
        }
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            complain("no token".to_owned());
        }
        self.taken.push(request.method.clone());
        Reply::json(200, json!({ "id": "v1", "said": "taken" }))
    }
}

/// Says what the vendor says.
struct Words;

impl Dialect for Words {
    fn words(&self, answer: &Answer) -> Option<String> {
        answer.json::<Value>().ok()?["message"].as_str().map(str::to_owned)
    }

    fn taken_id(&self, answer: &Answer) -> Option<String> {
        answer.json::<Value>().ok()?["id"].as_str().map(str::to_owned)
    }
}

fn client_of(base: &str, settings: &Settings) -> Client {
    Client::new("plain", base, settings, clock_before(base), Words).unwrap()
}

fn client(fake: &Fake<Plain>) -> Client {
    client_of(&format!("{}/v1", fake.url()), &patient())
}

fn with_token(request: Request) -> Request {
    request.bearer(&SecretText::new(TOKEN)).query("key", QUERY)
}

fn post() -> Request {
    with_token(Request::post("/send")).json(&json!({ "text": TEXT }))
}

/// Sends with a body, with an empty one, and with none: what is lost must be known to be lost in each.
fn sends() -> [Request; 3] {
    [post(), with_token(Request::post("send")), with_token(Request::get("send"))]
}

#[tokio::test]
async fn a_send_arrives_once_with_its_length_its_token_and_its_reference() {
    let fake = Fake::start(Plain::default());
    let answer =
        client(&fake).submit(&post().id("msg_1")).await.unwrap_or_else(|outcome| panic!("{outcome:?}"));
    assert_eq!((answer.status, answer.json::<Value>().unwrap()["id"].as_str()), (200, Some("v1")));
    let [request] = &fake.requests()[..] else { panic!("one request") };
    assert_eq!(
        (request.method.as_str(), request.path.as_str(), request.parameter("key")),
        ("POST", "/v1/send", Some(QUERY))
    );
    assert_eq!(request.json().unwrap()["text"], TEXT);
    assert_eq!(request.header("content-length"), Some(request.body.len().to_string().as_str()));
    assert_eq!(request.header("x-request-id"), Some("msg_1"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert!(request.header("user-agent").unwrap().starts_with("sms-mcp/"));
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_is_unknown_and_was_made_once() {
    for fault in [
        Fault::DropBeforeBody,
        Fault::DropDuringBody,
        Fault::DropAfterAccept,
        Fault::Stall,
        Fault::ErrorAfterAccept(500),
        Fault::ErrorAfterAccept(502),
        Fault::ErrorAfterAccept(503),
        Fault::ErrorAfterAccept(504),
        Fault::Status(408, json!({})),
        Fault::Status(303, json!({})),
    ] {
        for request in sends() {
            let fake = Fake::start(Plain::default());
            fake.fail(fault.clone());
            let Err(outcome) = client(&fake).submit(&request).await else { panic!("{fault:?}: an answer") };
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{fault:?}: {outcome:?}");
            assert_eq!(fake.requests().len(), 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_send_whose_answer_cannot_be_read_was_answered_but_says_nothing() {
    for fault in [Fault::HalfJson, Fault::Garbage, Fault::Huge] {
        let fake = Fake::start(Plain::default());
        fake.fail(fault.clone());
        let answer =
            client(&fake).submit(&post()).await.unwrap_or_else(|outcome| panic!("{fault:?}: {outcome:?}"));
        let why = answer.json::<Value>().unwrap_err();
        assert!(
            !why.contains("html") && !why.contains("taken"),
            "{fault:?}: the answer is not quoted: {why}"
        );
        assert_eq!((fake.requests().len(), fake.vendor().taken.len()), (1, 1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_send_that_cannot_begin_is_not_sent() {
    let fake = Fake::start(Plain::default());
    fake.fail(Fault::Refuse);
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = plain.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in plain.incoming().flatten() {
            // No TLS: anything but a handshake.
            let _ = { stream }.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    // Longer than a name's part can be: no name server is asked.
    let no_name = format!("https://{}.invalid", "a".repeat(64));
    for (base, what) in
        [(fake.url(), "refused"), (format!("https://127.0.0.1:{port}"), "no TLS"), (no_name, "no such name")]
    {
        for request in sends() {
            let Err(outcome) = client_of(&base, &patient()).submit(&request).await else {
                panic!("{what}: an answer")
            };
            assert!(matches!(outcome, Outcome::NotSent { retry_after_ms: None, .. }), "{what}: {outcome:?}");
        }
    }
    assert_eq!(fake.requests().len(), 0);
}

#[tokio::test]
async fn a_throttled_send_is_not_sent_and_says_how_long_to_wait() {
    let fake = Fake::start(Plain::default());
    let client = client(&fake);
    fake.fail_once(Fault::ThrottleSeconds(7));
    let Err(Outcome::NotSent { retry_after_ms: Some(7_000), why }) = client.submit(&post()).await else {
        panic!("seconds")
    };
    assert_eq!(why, "HTTP 429: Too Many Requests");
    let now = u64::try_from(SystemClock.now().as_millis()).unwrap() / 1_000;
    for (at, range) in [(now + 60, 50_000..=60_000), (now - 60, 0..=0)] {
        fake.fail_once(Fault::ThrottleDate(at));
        let Err(Outcome::NotSent { retry_after_ms: Some(wait_ms), .. }) = client.submit(&post()).await else {
            panic!("date")
        };
        assert!(range.contains(&wait_ms), "{wait_ms}");
    }
    fake.fail_once(Fault::Status(429, json!({})));
    assert!(matches!(client.submit(&post()).await, Err(Outcome::NotSent { retry_after_ms: None, .. })));
    assert_eq!((fake.requests().len(), fake.vendor().taken.len()), (4, 0));
    // A vendor whose clock is wrong by years must not be shut out for years.
    for fault in [Fault::ThrottleDate(now + 20 * 366 * 86_400), Fault::ThrottleSeconds(u64::MAX)] {
        fake.fail_once(fault);
        assert!(matches!(
            client.submit(&post()).await,
            Err(Outcome::NotSent { retry_after_ms: Some(86_400_000), .. })
        ));
    }
}

#[tokio::test]
async fn a_refused_send_is_rejected_with_a_code_and_the_vendors_words() {
    let fake = Fake::start(Plain::default());
    let client = client(&fake);
    for (status, expected) in [
        (400, ErrorKind::ProviderRejected),
        (401, ErrorKind::ProviderUnauthorized),
        (402, ErrorKind::InsufficientBalance),
        (403, ErrorKind::ProviderUnauthorized),
        (404, ErrorKind::ProviderRejected),
        (422, ErrorKind::ProviderRejected),
    ] {
        fake.fail_once(Fault::Status(status, json!({ "message": "x".repeat(5_000) })));
        let Err(Outcome::Rejected { code, why }) = client.submit(&post()).await else { panic!("{status}") };
        assert_eq!(code, expected, "{status}");
        assert!(why.len() < 400, "{why}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fake = Fake::start(Plain::default());
    let client = client(&fake);
    let Err(outcome) = client.submit(&with_token(Request::post("moved")).json(&json!({}))).await else {
        panic!("followed")
    };
    assert!(matches!(&outcome, Outcome::Unknown { why } if why.contains("base_url")), "{outcome:?}");
    assert_eq!(
        client.read(&with_token(Request::get("moved"))).await.map(|answer| answer.status).unwrap_err().kind(),
        ErrorKind::ProviderRejected
    );
    assert_eq!(fake.requests().len(), 2);
    assert!(fake.vendor().taken.is_empty());
    // It may have been taken all the same: it is told neither as refused nor as not sent.
    for status in [300, 301, 302, 303, 307, 308] {
        fake.fail_once(Fault::Status(status, json!({})));
        let outcome = client.submit(&post()).await.map(|answer| answer.status);
        assert!(matches!(outcome, Err(Outcome::Unknown { .. })), "{status}: {outcome:?}");
    }
}

fn kind(result: Result<Answer, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[tokio::test]
async fn a_read_is_tried_again_where_that_may_help_and_only_there() {
    use ErrorKind::{NotFound, ProviderRejected, ProviderUnauthorized, ProviderUnavailable};
    for (fault, expected, requests) in [
        (Fault::None, None, 1),
        (Fault::Garbage, None, 1),
        (Fault::Refuse, Some(ProviderUnavailable), 0),
        (Fault::DropAfterAccept, Some(ProviderUnavailable), 3),
        (Fault::HalfJson, Some(ProviderUnavailable), 3),
        (Fault::ErrorAfterAccept(503), Some(ProviderUnavailable), 3),
        (Fault::ThrottleSeconds(0), Some(ProviderUnavailable), 3),
        (Fault::ThrottleSeconds(60), Some(ProviderUnavailable), 1),
        (Fault::Status(401, json!({})), Some(ProviderUnauthorized), 1),
        (Fault::Status(404, json!({})), Some(NotFound), 1),
        (Fault::Status(422, json!({})), Some(ProviderRejected), 1),
    ] {
        let fake = Fake::start(Plain::default());
        fake.fail(fault.clone());
        let result = client(&fake).read(&with_token(Request::get("send"))).await;
        assert_eq!(kind(result), expected, "{fault:?}");
        assert_eq!(fake.requests().len(), requests, "{fault:?}");
    }
    let fake = Fake::start(Plain::default());
    fake.fail_once(Fault::ErrorAfterAccept(500));
    fake.fail_once(Fault::DropAfterAccept);
    assert_eq!(kind(client(&fake).read(&with_token(Request::get("send"))).await), None);
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test]
async fn a_change_is_asked_for_once_and_its_error_says_when_nobody_knows() {
    for (fault, expected) in [
        (Fault::None, None),
        (Fault::Refuse, Some(ErrorKind::ProviderUnavailable)),
        (Fault::DropBeforeBody, Some(ErrorKind::ProviderUnavailable)),
        (Fault::DropAfterAccept, Some(ErrorKind::ProviderUnavailable)),
        (Fault::Stall, Some(ErrorKind::ProviderUnavailable)),
        (Fault::HalfJson, Some(ErrorKind::ProviderUnavailable)),
        (Fault::ErrorAfterAccept(500), Some(ErrorKind::ProviderUnavailable)),
        (Fault::ThrottleSeconds(0), Some(ErrorKind::ProviderUnavailable)),
        (Fault::Status(404, json!({})), Some(ErrorKind::NotFound)),
    ] {
        let delete = with_token(Request::new(Method::DELETE, "send"));
        for change in [post(), delete] {
            let fake = Fake::start(Plain::default());
            fake.fail(fault.clone());
            let result = client(&fake).change(&change).await;
            let is_lost = matches!(fault, Fault::DropBeforeBody | Fault::DropAfterAccept | Fault::Stall);
            let said = result.as_ref().err().map(ToString::to_string).unwrap_or_default();
            assert_eq!(said.contains("not known"), is_lost, "{fault:?}: {said}");
            assert_eq!(kind(result), expected, "{fault:?}");
            assert_eq!(fake.requests().len(), usize::from(fault != Fault::Refuse), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_the_vendor_closed_while_it_was_idle_costs_no_send() {
    let fake = Fake::start(Plain::default());
    let client = client(&fake);
    for turn in 1..=20 {
        assert!(client.submit(&post()).await.is_ok(), "turn {turn}");
        fake.hang_up();
        // The client may or may not have heard of it by now; either is fine.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((fake.requests().len(), fake.connections()), (20, 20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_used_again_and_never_more_than_allowed() {
    let fake = Fake::start(Plain::default());
    let base = format!("{}/v1", fake.url());
    let client = Arc::new(client_of(&base, &Settings { max_connections: 4, ..patient() }));
    let all = (0..2_000).map(|_| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.submit(&post()).await.is_ok() })
    });
    for sent in all.collect::<Vec<_>>() {
        assert!(sent.await.unwrap());
    }
    assert_eq!(fake.requests().len(), 2_000);
    assert!(
        fake.most_connections() <= 4 && fake.connections() <= 4,
        "{} of {}",
        fake.most_connections(),
        fake.connections()
    );
}

/// The machine's clock, moved.
#[derive(Default)]
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus_ms(self.0.load(Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), Error> {
        SystemClock.fill_random(bytes)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}

#[tokio::test]
async fn a_connection_that_was_free_for_seconds_is_not_used_again() {
    let fake = Fake::start(Plain::default());
    let clock = Arc::new(Moved::default());
    let shared: SharedClock = Arc::clone(&clock) as _;
    let client = Client::new("plain", &format!("{}/v1", fake.url()), &patient(), shared, Words).unwrap();
    // A server that closes idle connections after 5 s may be doing so at this very moment. A clock that was
    // set back does not say how long it was.
    for (moved_ms, connections) in [(0, 1), (3_000, 1), (7_500, 2), (-60_000, 3), (-60_000, 3)] {
        clock.0.store(moved_ms, Ordering::SeqCst);
        assert!(client.submit(&post()).await.is_ok());
        assert_eq!(fake.connections(), connections, "{moved_ms}");
    }
}

#[tokio::test]
async fn a_connection_that_the_vendor_means_to_close_is_not_used_again() {
    let fake = Fake::start(Closing);
    let client = client_of(&fake.url(), &patient());
    for turn in 1..=5 {
        assert!(client.submit(&post()).await.is_ok(), "turn {turn}");
        assert_eq!(fake.connections(), turn);
    }
}

/// Closes after each answer.
struct Closing;

impl Vendor for Closing {
    fn answer(&mut self, _: &Seen, _: &mut dyn FnMut(String)) -> Reply {
        Reply::json(200, json!({ "id": "v1" })).header("connection", "close")
    }
}

#[tokio::test]
async fn a_send_that_gets_no_place_in_time_is_not_sent() {
    let fake = Fake::start(Plain::default());
    fake.hold();
    // As long as a connection may take to be made.
    let settings = Settings { max_connections: 1, connect_timeout: "2s".parse().unwrap(), ..patient() };
    let client = client_of(&format!("{}/v1", fake.url()), &settings);
    let request = post();
    let second = async {
        eventually_async("the first has the place", async || fake.requests().len() == 1).await;
        let second = client.submit(&request).await;
        fake.release();
        second
    };
    let (first, second) = tokio::join!(client.submit(&request), second);
    assert!(first.is_ok());
    assert!(matches!(second, Err(Outcome::NotSent { .. })));
    assert_eq!(fake.requests().len(), 1);
}

#[tokio::test]
async fn waiting_for_a_place_is_part_of_the_time_and_nothing_begins_after_it() {
    for turn in 0..20 {
        let fake = Fake::start(Plain::default());
        fake.hold();
        let clock = Arc::new(ByHand::default());
        let shared: SharedClock = Arc::clone(&clock) as _;
        let settings = Settings { max_connections: 1, ..patient() };
        let client = Client::new("plain", &format!("{}/v1", fake.url()), &settings, shared, Words).unwrap();
        let request = post();
        let end_of_time = async {
            eventually_async("the first has the place", async || fake.requests().len() == 1).await;
            clock.rings.notify_waiters();
        };
        // The time of both ends in the same moment, in which the first one's place is free again.
        let (first, second, ()) = tokio::join!(client.submit(&request), client.submit(&request), end_of_time);
        assert!(matches!(first, Err(Outcome::Unknown { .. })), "{turn}");
        assert!(matches!(second, Err(Outcome::NotSent { .. })), "{turn}");
        assert_eq!((fake.requests().len(), fake.connections()), (1, 1), "{turn}");
        fake.release();
    }
}

/// A proxy that answers each request itself, and the first lines of what it was asked.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4_096];
            let read = stream.read(&mut head).unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let answer: &[u8] = match head.starts_with("CONNECT ") {
                true => b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
                false => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
            };
            lines.lock().unwrap().push(head.lines().next().unwrap_or_default().to_owned());
            let _ = stream.write_all(answer);
            drain(&mut stream);
        }
    });
    (address, asked)
}

/// Reads what is still to come, so that closing does not reset the connection.
fn drain(stream: &mut TcpStream) {
    let _ = stream.shutdown(std::net::Shutdown::Write);
    while stream.read(&mut [0; 4_096]).is_ok_and(|read| read > 0) {}
}

#[tokio::test]
async fn a_configured_proxy_is_used() {
    let (address, asked) = proxy();
    let settings = Settings { proxy: Some(address), ..patient() };
    let answer = client_of("http://127.0.0.1:9/v1", &settings).submit(&post()).await;
    assert!(answer.is_ok_and(|answer| answer.status == 200));
    let refused = client_of("https://127.0.0.1:9/v1", &settings).submit(&post()).await;
    assert!(
        matches!(refused, Err(Outcome::NotSent { .. })),
        "nothing went through the tunnel that was refused"
    );
    let asked = asked.lock().unwrap();
    assert_eq!(
        asked[..],
        [
            format!("POST http://127.0.0.1:9/v1/send?key={QUERY} HTTP/1.1"),
            "CONNECT 127.0.0.1:9 HTTP/1.1".to_owned()
        ]
    );
}

#[test]
fn a_proxy_is_a_plain_address() {
    for (proxy, is_fine) in [
        ("http://proxy.example.com:3128", true),
        ("http://proxy.example.com:3128/", true),
        ("https://proxy.example.com:3128", false),
        ("http://user:canary@proxy.example.com:3128", false),
        ("http://proxy.example.com/path", false),
        ("proxy.example.com:3128", false),
        ("", false),
    ] {
        let clock: SharedClock = Arc::new(SystemClock);
        let settings = Settings { proxy: Some(proxy.to_owned()), ..patient() };
        let error = Client::new("plain", "https://api.example.com", &settings, clock, Words).err();
        assert_eq!(error.is_none(), is_fine, "{proxy}");
        assert!(
            error.is_none_or(
                |error| error.kind() == ErrorKind::Config && !error.to_string().contains("canary")
            ),
            "{proxy}"
        );
    }
}

/// Runs the test of this name in a process of its own, which `prepare` sets up. True: this is that process.
fn is_alone(test: &str, prepare: impl FnOnce(&mut Command)) -> bool {
    if std::env::var("SUITE_ALONE").is_ok() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("vendors::http::{test}")]).env("SUITE_ALONE", "1");
    prepare(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    let (address, asked) = proxy();
    let with_proxy = |command: &mut Command| {
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env(name, &address);
        }
        command.env_remove("NO_PROXY").env_remove("no_proxy");
    };
    if is_alone("a_proxy_in_the_environment_is_not_used", with_proxy) {
        let fake = Fake::start(Plain::default());
        assert!(client(&fake).submit(&post()).await.is_ok());
        assert_eq!(fake.requests().len(), 1);
    }
    assert!(asked.lock().unwrap().is_empty());
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_log_and_no_error_shows_a_token_a_text_or_a_requests_address() {
    // What is logged at all is decided for the whole process, by whichever test comes first.
    if !is_alone("no_log_and_no_error_shows_a_token_a_text_or_a_requests_address", |_| ()) {
        return;
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let mut said = String::new();
    tracing::subscriber::with_default(subscriber, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for fault in [
                Fault::None,
                Fault::Refuse,
                Fault::DropAfterAccept,
                Fault::HalfJson,
                Fault::Garbage,
                Fault::Stall,
                Fault::ErrorAfterAccept(500),
                Fault::Status(401, json!({})),
            ] {
                let fake = Fake::start(Plain::default());
                fake.fail(fault);
                let client = client(&fake);
                match client.submit(&post().id("msg_1")).await {
                    Ok(answer) => said.push_str(&format!("{:?}", answer.json::<Value>().err())),
                    Err(outcome) => said.push_str(&format!("{outcome:?}")),
                }
                said.push_str(&format!("{:?}", client.change(&post().id("msg_2")).await.err()));
            }
        });
    });
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(
        log.contains("a provider answered")
            && log.contains("a provider did not answer")
            && log.contains("msg_1"),
        "{log}"
    );
    for canary in [TEXT, TOKEN, QUERY, "/v1"] {
        assert!(!log.contains(canary) && !said.contains(canary), "{canary}: {log}{said}");
    }
    assert!(!said.contains("127.0.0.1"), "{said}");
}

#[tokio::test]
async fn a_vendor_that_stalls_is_given_up_when_its_time_is_over_and_not_before() {
    let fake = Fake::start(Plain::default());
    fake.fail(Fault::Stall);
    let clock = Arc::new(ByHand::default());
    let shared: SharedClock = Arc::clone(&clock) as _;
    let settings = Settings { timeout: "20s".parse().unwrap(), ..patient() };
    let client = Client::new("plain", &format!("{}/v1", fake.url()), &settings, shared, Words).unwrap();
    let submitting = tokio::spawn(async move { client.submit(&post()).await.map(|answer| answer.status) });
    eventually_async("the vendor has it", async || fake.requests().len() == 1).await;
    tokio::time::sleep(A_WHILE).await;
    assert!(!submitting.is_finished(), "its time is not over");
    assert_eq!(*clock.waits.lock().unwrap(), [Duration::from_secs(20)]);
    clock.rings.notify_one();
    let outcome = within("it is given up", submitting).await.unwrap();
    assert!(matches!(outcome, Err(Outcome::Unknown { .. })), "{outcome:?}");
}

/// A clock whose waits end when the test says so.
#[derive(Default)]
struct ByHand {
    waits: Mutex<Vec<Duration>>,
    rings: Arc<tokio::sync::Notify>,
}

impl Clock for ByHand {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<(), Error> {
        SystemClock.fill_random(bytes)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.waits.lock().unwrap().push(duration);
        let rings = Arc::clone(&self.rings);
        Box::pin(async move { rings.notified().await })
    }
}
