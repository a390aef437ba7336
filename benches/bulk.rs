//! Bulks of 100,000 before the sandbox: how long another process on the same ledger is held up while one is
//! accepted, how fast it is looked at, and how much memory it takes; and the memory after 10,000 sends.
//! `cargo bench --bench bulk` plays all of it, `cargo bench --bench bulk -- accept` (or `memory`) a part;
//! programs behind that are measured in its place, one after the other, to compare versions:
//! `cargo bench --bench bulk -- accept ../old/target/release/sms-mcp target/release/sms-mcp`. Memory is read
//! from /proc, so on Linux alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout
)]
#![allow(missing_docs)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const MESSAGES: usize = 100_000;
const SENDS: usize = 10_000;
const FLIGHT: usize = 32;

/// How often a bulk is looked at once it is accepted.
const LOOKS: usize = 20;

const CONFIG: &str = "[guard]\nsession_spend = 100000000\nday_spend = 100000000\nsession_messages = \
    100000000\nday_messages = 100000000\n\
    recipient_per_hour = 1000\nrecipient_per_day = 1000\nsends_per_second = 1000000\nbulk_max = 100000\n\
    bulk_is_marketing_above = 100000\n\
    [send]\nconcurrency = 64\nbulk_wait = \"1s\"\n[[provider]]\nkind = \"sandbox\"\nbalance = 100000000\n";

/// A server over stdio.
struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Server {
    fn start(program: &str, folder: &Path) -> Self {
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(folder.join("bench.toml"))
            .arg("--ledger")
            .arg(folder.join("ledger.db"))
            .args(["--log", "error"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { child, input, output, next: 0 };
        let client = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name":
            "bench", "version": "1" } });
        server.ask("initialize", &client);
        server.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        server
    }

    fn write(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).unwrap() > 0, "the server ended");
        serde_json::from_str(&line).unwrap()
    }

    fn begin(&mut self, method: &str, params: &Value) -> u64 {
        self.next += 1;
        let id = self.next;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let id = self.begin(method, params);
        loop {
            let answer = self.line();
            if answer["id"] == json!(id) {
                return answer;
            }
        }
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }));
        assert_ne!(answer["result"]["isError"], json!(true), "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    fn mib(&self, line: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|known| known.starts_with(line)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default() / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn desk() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bench.toml"), CONFIG).unwrap();
    folder
}

/// Numbers that nobody has.
fn number(n: usize) -> String {
    format!("+33199{:06}", n % 1_000_000)
}

fn bulk() -> Value {
    let recipients: Vec<Value> = (0..MESSAGES).map(|n| json!({ "to": number(n) })).collect();
    json!({ "recipients": recipients, "message": "Hello from the bench, to all of you" })
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}

/// One process accepts a bulk while another one sends and looks.
#[expect(clippy::too_many_lines, reason = "one measure, in its order")]
fn accept(program: &str) {
    let desk = desk();
    let (mut giver, mut other) = (Server::start(program, desk.path()), Server::start(program, desk.path()));
    let arguments = bulk();
    other.call("send_sms", &json!({ "to": number(999_999), "message": "Warm" }));
    let (is_accepted, sees) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (until, seen) = (Arc::clone(&is_accepted), Arc::clone(&sees));
    let sending = std::thread::spawn(move || {
        let (mut longest, mut sends) = (Duration::ZERO, 0);
        while !until.load(Ordering::SeqCst) {
            let began = Instant::now();
            other.call(
                "send_sms",
                &json!({ "to": number(900_000 + sends), "message": format!("Single {sends}") }),
            );
            longest = longest.max(began.elapsed());
            sends += 1;
            // Whether anything of the bulk is seen, and by which id.
            let list = other.call("list_sms", &json!({ "limit": 5 }));
            let batch = list["messages"]
                .as_array()
                .into_iter()
                .flatten()
                .find_map(|message| message["batch"].as_str().map(str::to_owned));
            if let Some(batch) = batch {
                let status = other.call("get_status", &json!({ "id": batch }));
                seen.lock().unwrap().push(
                    status["bulk"]["accepted"].as_u64().or(status["accepted"].as_u64()).unwrap_or_default(),
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        (other, longest, sends)
    });
    let began = Instant::now();
    let answer = giver.call("send_bulk", &arguments);
    let took = began.elapsed();
    is_accepted.store(true, Ordering::SeqCst);
    let (mut other, longest, sends) = sending.join().unwrap();
    assert_eq!(
        answer["accepted"],
        json!(MESSAGES),
        "{}",
        answer.to_string().chars().take(500).collect::<String>()
    );
    println!(
        "bulk of {MESSAGES} answered after {:.1} s; a send of another process is held up {:.0} ms at most \
         ({sends} sends)",
        took.as_secs_f64(),
        ms(longest)
    );
    let sees = sees.lock().unwrap();
    println!(
        "of the bulk the other process saw all or nothing: {} ({} looks)",
        sees.iter().all(|seen| *seen == MESSAGES as u64),
        sees.len()
    );
    let look = |other: &mut Server| {
        let mut took: Vec<Duration> = (0..LOOKS)
            .map(|_| {
                let began = Instant::now();
                other.call("get_status", &json!({ "id": answer["batch"] }));
                began.elapsed()
            })
            .collect();
        took.sort();
        (ms(took[LOOKS / 2]), ms(took[LOOKS - 1]))
    };
    let (median, most) = look(&mut other);
    println!("get_status of it while it leaves: median {median:.0} ms, most {most:.0} ms");
    let last = loop {
        let status = other.call("get_status", &json!({ "id": answer["batch"] }));
        let counts = if status["bulk"].is_object() { &status["bulk"]["counts"] } else { &status["counts"] };
        if counts["queued"].is_null() && counts["attempting"].is_null() {
            break counts.clone();
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    println!("all handed over after {:.1} s: {last}", began.elapsed().as_secs_f64());
    let (median, most) = look(&mut other);
    println!("get_status of it afterwards: median {median:.0} ms, most {most:.0} ms");
}

/// How much a process takes for sends one by one, and for a bulk.
fn memory(program: &str) {
    let folder = desk();
    let mut server = Server::start(program, folder.path());
    println!("resident at the start: {:.1} MiB", server.mib("VmRSS:"));
    let (mut begun, mut ended) = (0, 0);
    while ended < SENDS {
        while begun < SENDS && begun - ended < FLIGHT {
            let arguments = json!({ "to": number(begun), "message": format!("Your code word is {begun}") });
            server.begin("tools/call", &json!({ "name": "send_sms", "arguments": arguments }));
            begun += 1;
        }
        let answer = server.line();
        assert_ne!(answer["result"]["isError"], json!(true), "{answer}");
        ended += 1;
    }
    println!("resident after {SENDS} sends, {FLIGHT} in flight, over stdio: {:.1} MiB", server.mib("VmRSS:"));
    drop(server);
    let folder = desk();
    let mut server = Server::start(program, folder.path());
    let answer = server.call("send_bulk", &bulk());
    println!(
        "resident when a bulk of {MESSAGES} is accepted: {:.1} MiB, most {:.1} MiB",
        server.mib("VmRSS:"),
        server.mib("VmHWM:")
    );
    loop {
        let status = server.call("get_status", &json!({ "id": answer["batch"] }));
        let counts = if status["bulk"].is_object() { &status["bulk"]["counts"] } else { &status["counts"] };
        if counts["queued"].is_null() && counts["attempting"].is_null() {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    println!(
        "resident once all of it was handed over: {:.1} MiB, most {:.1} MiB",
        server.mib("VmRSS:"),
        server.mib("VmHWM:")
    );
}

fn main() {
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let (only, mut programs) = (named.next(), named.collect::<Vec<_>>());
    if programs.is_empty() {
        programs.push(env!("CARGO_BIN_EXE_sms-mcp").to_owned());
    }
    let wants = |name: &str| only.as_deref().is_none_or(|only| name == only);
    for program in &programs {
        println!("{program}");
        if wants("accept") {
            accept(program);
        }
        if wants("memory") {
            memory(program);
        }
    }
}
