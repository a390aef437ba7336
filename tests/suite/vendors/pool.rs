//! A vendor whose connections are not in order: answers that nobody asked for, too early, or longer than they
//! say. An answer must never be taken for that of another request.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sms_mcp::clock::{SharedClock, SystemClock};
use sms_mcp::error::ErrorKind;
use sms_mcp::halt::{Brake, Halt, Halts};
use sms_mcp::provider::rest::{Answer, Client, Dialect, Request, Settings};
use sms_mcp::provider::{Outcome, Submission};
use sms_mcp::sms::message::MessageId;
use sms_mcp::sms::number::Number;

use super::patient;
use crate::support::eventually_async;
use crate::vendors::submission_of;

struct Silent;

impl Dialect for Silent {
    fn words(&self, _: &Answer) -> Option<String> {
        None
    }

    fn taken_id(&self, _: &Answer) -> Option<String> {
        None
    }
}

/// Reads one request; its `n`, or nothing where the client closed.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut seen = Vec::new();
    loop {
        let mut some = [0; 4_096];
        let read = stream.read(&mut some).ok().filter(|read| *read > 0)?;
        seen.extend_from_slice(&some[..read]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            return Some(serde_json::from_str::<Value>(body).unwrap()["n"].as_str().unwrap()[..8].to_owned());
        }
    }
}

fn ok(n: &str) -> String {
    let body = json!({ "n": n }).to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A server that lets `serve` handle each connection; it counts requests that were read whole.
fn serve(serve: impl Fn(&mut TcpStream, &AtomicUsize) + Send + Sync + 'static) -> (Client, Arc<AtomicUsize>) {
    serve_with(&patient(), serve)
}

/// The same before a client with these settings.
fn serve_with(
    settings: &Settings,
    serve: impl Fn(&mut TcpStream, &AtomicUsize) + Send + Sync + 'static,
) -> (Client, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, serve) = (Arc::clone(&count), Arc::new(serve));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (count, serve) = (Arc::clone(&counted), Arc::clone(&serve));
            std::thread::spawn(move || serve(&mut stream, &count));
        }
    });
    let clock: SharedClock = Arc::new(SystemClock);
    (Client::new("plain", &base, settings, clock, Silent).unwrap(), count)
}

fn request(n: usize, length: usize) -> (String, Request) {
    let name = format!("{n:08}");
    let request = Request::post("/send").json(&json!({ "n": format!("{name}{}", "x".repeat(length)) }));
    (name, request)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_asked_for_is_never_taken_for_the_next_ones() {
    type Extra = fn(&mut TcpStream);
    let evil = || ok("00000666");
    let together: Extra = |_| ();
    let later: Extra = |stream| {
        std::thread::sleep(Duration::from_millis(8));
        let _ = stream.write_all(ok("00000666").as_bytes());
    };
    let head_first: Extra = |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n");
        std::thread::sleep(Duration::from_millis(3));
        let _ = stream.write_all(b"{\"n\":\"00000666\"}");
    };
    let length_lies: Extra = |stream| {
        drop(stream.write_all(b"\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"n\":\"00000666\"}"))
    };
    for (what, extra, joined) in [
        ("together", together, evil()),
        ("later", later, String::new()),
        ("in parts", head_first, String::new()),
        ("a lying length", length_lies, String::new()),
    ] {
        let extras = Arc::new(AtomicUsize::new(0));
        let said = Arc::clone(&extras);
        let (client, count) = serve(move |stream, count| {
            while let Some(n) = read_request(stream) {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(format!("{}{joined}", ok(&n)).as_bytes());
                extra(stream);
                said.fetch_add(1, Ordering::SeqCst);
            }
        });
        for n in 0..40 {
            let (name, request) = request(n, 0);
            match client.submit(&request).await {
                Ok(answer) => assert_eq!(answer.json::<Value>().unwrap()["n"], name.as_str(), "{what}"),
                Err(outcome) => panic!("{what}, {n}: {outcome:?}"),
            }
            assert_eq!(count.load(Ordering::SeqCst), n + 1, "{what}: each once");
            // What nobody asked for has come before the next request. Whatever comes behind one is its answer
            // to HTTP/1.1.
            eventually_async("the rest is said", async || extras.load(Ordering::SeqCst) == n + 1).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_request_is_no_answer_to_it() {
    let read = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&read);
    let (client, ended) = serve(move |stream, ended| {
        let _ = stream
            .write_all(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        std::thread::sleep(Duration::from_millis(200));
        while let Some(n) = read_request(stream) {
            seen.lock().unwrap().push(n);
        }
        ended.fetch_add(1, Ordering::SeqCst);
    });
    let mut not_sent = Vec::new();
    for n in 0..20 {
        let (name, request) = request(n, 0);
        let Err(outcome) = client.submit(&request).await else { panic!("an answer") };
        match outcome {
            Outcome::Unknown { .. } => {}
            Outcome::NotSent { .. } => not_sent.push(name),
            other => panic!("{other:?}"),
        }
    }
    eventually_async("every connection is read to its end", async || ended.load(Ordering::SeqCst) >= 20)
        .await;
    let read = read.lock().unwrap();
    assert!(not_sent.iter().all(|name| !read.contains(name)), "not sent: {not_sent:?}; read: {read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn news_before_the_answer_are_no_answer_and_an_upgrade_is_none_either() {
    let (client, _) = serve(|stream, _| {
        while let Some(n) = read_request(stream) {
            let news =
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(3);
            let _ = stream.write_all(format!("{news}{}", ok(&n)).as_bytes());
        }
    });
    for n in 0..5 {
        let (name, request) = request(n, 0);
        let answer = client.submit(&request).await.unwrap_or_else(|outcome| panic!("{outcome:?}"));
        assert_eq!(answer.json::<Value>().unwrap()["n"], name.as_str());
    }
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/9 200\r\n\r\n",
        "220 mail\r\n",
        "\0\0\0",
    ] {
        // After some of these there is more to wait for, and it never comes.
        let settings = Settings { timeout: "3s".parse().unwrap(), ..patient() };
        let (client, count) = serve_with(&settings, move |stream, count| {
            while read_request(stream).is_some() {
                count.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let outcome = client.submit(&request(1, 0).1).await.map(|answer| answer.status);
        assert!(matches!(outcome, Err(Outcome::Unknown { .. })), "{answer:?}: {outcome:?}");
        assert_eq!(count.load(Ordering::SeqCst), 1, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_request_was_not_read_to_its_end_is_not_used_again() {
    let connections = Arc::new(AtomicUsize::new(0));
    let accepted = Arc::clone(&connections);
    let (client, _) = serve(move |stream, _| {
        accepted.fetch_add(1, Ordering::SeqCst);
        // Answers what it has not read, and stays.
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 2\r\n\r\n{}");
        std::thread::sleep(Duration::from_millis(500));
        let _ = stream.write_all(ok("00000666").as_bytes());
    });
    for n in 0..3 {
        let outcome = client.submit(&request(n, 8_000_000).1).await.map(|answer| answer.status);
        assert!(matches!(outcome, Err(Outcome::Rejected { .. } | Outcome::Unknown { .. })), "{outcome:?}");
        assert_eq!(connections.load(Ordering::SeqCst), n + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_a_connection_does_not_begin_once_it_is_stopped() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let settings = Settings { max_connections: 1, ..patient() };
    let (client, count) = serve_with(&settings, move |stream, count| {
        while let Some(n) = read_request(stream) {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = held.lock().unwrap().recv();
            let _ = stream.write_all(ok(&n).as_bytes());
        }
    });
    let halts = Arc::new(Halts::default());
    let submission = Submission {
        brake: Brake::new(&halts, "somebody"),
        ..submission_of(MessageId::new(1, 1), Number::parse("+12025550123", None).unwrap(), "a")
    };
    let client = Arc::new(client);
    let submit = |n: usize| {
        let (client, request) = (Arc::clone(&client), request(n, 0).1.carrying(&[&submission]));
        tokio::spawn(async move { client.submit(&request).await.map(|answer| answer.status) })
    };
    let first = submit(1);
    eventually_async("the only connection is in use", async || count.load(Ordering::SeqCst) == 1).await;
    let second = submit(2);
    halts.set_unrecorded(Some(Halt { code: ErrorKind::Paused, why: "stopped".to_owned() }));
    release.send(()).unwrap();
    // What has begun is finished.
    assert_eq!(first.await.unwrap(), Ok(200));
    let halted = Outcome::NotNow { code: ErrorKind::Paused, retry_after_ms: 0, why: "stopped".to_owned() };
    assert_eq!(second.await.unwrap(), Err(halted));
    halts.set_unrecorded(None);
    let third = submit(3);
    release.send(()).unwrap();
    assert_eq!(third.await.unwrap(), Ok(200));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}
