//! What a durable send costs, beside a no-op tool of `rmcp` in the same run: `cargo bench`.
//!
//! Each server is a process of its own on this machine; the client here speaks raw JSON-RPC, so that its cost
//! is the same for both. CPU is the server process's (user and system, from /proc), so those columns are
//! Linux-only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout
)]
#![allow(missing_docs)]

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rmcp::ServiceExt as _;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

use sms_mcp::clock::{Clock as _, SharedClock, SystemClock, Timestamp};
use sms_mcp::engine::contract::{BulkArgs, Recipient};
use sms_mcp::engine::{Base, Caller, Carriers, Engine, Parts};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::ledger::{BaseSession, BatchDraft, Draft, Intent, Pacing, Payer, Settlement};
use sms_mcp::policy::Policy;
use sms_mcp::provider::exchange::{Event, Finding, Notice, Receipt};
use sms_mcp::provider::{Capabilities, Outcome, Provider, Submission};
use sms_mcp::sms::facts::Limits;
use sms_mcp::sms::message::{BatchId, MessageId, Realm, State};
use sms_mcp::sms::money::{Amount, Currency, Money};
use sms_mcp::sms::number::Number;

const SENDS: usize = 10_000;
const STORED: usize = 1_000_000;

const CONFIG: &str = "[guard]\nsession_spend = 100000000\nday_spend = 100000000\nsession_messages = \
    100000000\nday_messages = 100000000\n\
    recipient_per_hour = 1000\nrecipient_per_day = 1000\nsends_per_second = 1000000\n[send]\nconcurrency = \
    64\n\
    [[provider]]\nkind = \"sandbox\"\nbalance = 100000000\n";

// ---- the floor: a server whose one tool does nothing

#[derive(Clone)]
struct NoOp;

impl ServerHandler for NoOp {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text("ok")]).into())
    }
}

async fn noop_stdio() {
    let running = NoOp.serve(rmcp::transport::io::stdio_pipes()).await.unwrap();
    running.waiting().await.unwrap();
}

async fn noop_http(port: u16) {
    let config = StreamableHttpServerConfig::default().with_json_response(true);
    let service = StreamableHttpService::new(|| Ok(NoOp), Arc::new(LocalSessionManager::default()), config);
    let router = axum::Router::new().route_service("/mcp", service);
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router.clone());
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service),
        );
    }
}

// ---- servers under test

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    NoOp,
    Send,
}

fn command(what: What, folder: &Path, ledger: &str, http: Option<u16>) -> Command {
    let mut command = match what {
        What::NoOp => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.env("BENCH_SERVER", http.map_or_else(|| "stdio".to_owned(), |port| port.to_string()));
            command
        }
        What::Send => {
            let mut command = Command::new(env!("CARGO_BIN_EXE_sms-mcp"));
            command
                .arg("--config")
                .arg(folder.join("bench.toml"))
                .arg("--ledger")
                .arg(folder.join(ledger))
                .args(["--log", "error"]);
            if let Some(port) = http {
                command.args(["serve", "--http", &format!("127.0.0.1:{port}")]);
            }
            command
        }
    };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// CPU time that a process has used.
fn cpu(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

fn resident_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

fn arguments(what: What, n: usize, run: &str) -> Value {
    match what {
        What::NoOp => json!({}),
        What::Send => {
            json!({ "to": format!("+3319900{:04}", (n * 7919) % 10_000), "message": format!(
                "Your code word for {run} is {n}") })
        }
    }
}

fn is_good(answer: &str, what: What) -> bool {
    match what {
        What::NoOp => answer.contains("\"ok\""),
        What::Send => answer.contains("\"structuredContent\"") && !answer.contains("\"isError\":true"),
    }
}

struct Figures {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    cpu_us: Option<f64>,
}

fn figures(mut latencies: Vec<Duration>, took: Duration, cpu: Option<Duration>) -> Figures {
    latencies.sort();
    let count = latencies.len();
    Figures {
        per_second: count as f64 / took.as_secs_f64(),
        p50: latencies[count / 2],
        p99: latencies[count * 99 / 100],
        cpu_us: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / count as f64),
    }
}

struct Pipe {
    child: Child,
    input: ChildStdin,
    output: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Pipe {
    async fn start(what: What, folder: &Path, ledger: &str) -> Self {
        Self::over(command(what, folder, ledger, None)).await
    }

    async fn over(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::with_capacity(1 << 16, child.stdout.take().unwrap()).lines();
        let mut server = Self { child, input, output };
        let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "bench", "version": "1" } } });
        server.write(&hello).await;
        server.output.next_line().await.unwrap().unwrap();
        server.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        server
    }

    async fn write(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// Calls `count` times with `flight` calls in flight.
    async fn run(&mut self, what: What, count: usize, flight: usize, run: &str) -> Figures {
        let pid = self.child.id().unwrap();
        let (before, began) = (cpu(pid), Instant::now());
        let mut started = vec![began; count];
        let mut latencies = Vec::with_capacity(count);
        let mut next = 0;
        while latencies.len() < count {
            while next < count && next - latencies.len() < flight {
                let call = json!({ "jsonrpc": "2.0", "id": next + 1, "method": "tools/call", "params": {
                    "name": "send_sms", "arguments": arguments(what, next, run) } });
                started[next] = Instant::now();
                self.write(&call).await;
                next += 1;
            }
            let line = self.output.next_line().await.unwrap().unwrap();
            assert!(is_good(&line, what), "{line}");
            let id = line
                .rsplit("\"id\":")
                .next()
                .and_then(|rest| rest.split(['}', ',']).next())
                .and_then(|id| id.parse::<usize>().ok());
            let id = id.unwrap_or_else(|| {
                usize::try_from(serde_json::from_str::<Value>(&line).unwrap()["id"].as_u64().unwrap())
                    .unwrap()
            });
            latencies.push(started[id - 1].elapsed());
        }
        let took = began.elapsed();
        figures(latencies, took, cpu(pid).zip(before).map(|(after, before)| after - before))
    }
}

struct Http {
    child: Child,
    url: String,
}

impl Http {
    async fn start(what: What, folder: &Path, ledger: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = command(what, folder, ledger, Some(port)).spawn().unwrap();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Self { child, url: format!("http://127.0.0.1:{port}/mcp") }
    }

    async fn run(&self, what: What, count: usize, flight: usize, run: &str) -> Figures {
        let pid = self.child.id().unwrap();
        let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().unwrap();
        let (before, began) = (cpu(pid), Instant::now());
        let workers = (0..flight).map(|worker| {
            let (client, url, run) = (client.clone(), self.url.clone(), run.to_owned());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                for n in (worker..count).step_by(flight) {
                    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                        "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                            "io.modelcontextprotocol/clientCapabilities": {} });
                    let call = json!({ "jsonrpc": "2.0", "id": n + 1, "method": "tools/call", "params": {
                        "name": "send_sms", "arguments": arguments(what, n, &run), "_meta": meta } });
                    let start = Instant::now();
                    let answer = client
                        .post(&url)
                        .header("accept", "application/json, text/event-stream")
                        .header("content-type", "application/json")
                        .header("mcp-protocol-version", "2026-07-28")
                        .header("mcp-method", "tools/call")
                        .header("mcp-name", "send_sms")
                        .body(call.to_string())
                        .send()
                        .await
                        .unwrap()
                        .text()
                        .await
                        .unwrap();
                    assert!(is_good(&answer, what), "{answer}");
                    latencies.push(start.elapsed());
                }
                latencies
            })
        });
        let latencies =
            futures::future::join_all(workers).await.into_iter().flat_map(|worker| worker.unwrap()).collect();
        let took = began.elapsed();
        figures(latencies, took, cpu(pid).zip(before).map(|(after, before)| after - before))
    }
}

// ---- the benches

fn row(name: &str, figures: &Figures, floor: Option<&Figures>) {
    let cpu = figures.cpu_us.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.0}"));
    let ratio = floor
        .and_then(|floor| Some(figures.cpu_us? / floor.cpu_us?))
        .map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
    let ms = |latency: Duration| latency.as_secs_f64() * 1e3;
    println!(
        "{name:<28} {:>9.0} {:>9.2} {:>9.2} {cpu:>9} {ratio:>9}",
        figures.per_second,
        ms(figures.p50),
        ms(figures.p99)
    );
}

async fn compare(folder: &Path) {
    println!("{:<28} {:>9} {:>9} {:>9} {:>9} {:>9}", "", "calls/s", "p50 ms", "p99 ms", "cpu us", "vs no-op");
    let (mut noop, mut send) =
        (Pipe::start(What::NoOp, folder, "").await, Pipe::start(What::Send, folder, "stdio.db").await);
    for (flight, count) in [(1, SENDS / 4), (32, SENDS)] {
        noop.run(What::NoOp, count / 10, flight, "warm").await;
        let floor = noop.run(What::NoOp, count, flight, "").await;
        send.run(What::Send, count / 10, flight, &format!("warm {flight}")).await;
        let figures = send.run(What::Send, count, flight, &format!("stdio {flight}")).await;
        row(&format!("no-op, stdio, {flight} in flight"), &floor, None);
        row(&format!("send_sms, stdio, {flight} in flight"), &figures, Some(&floor));
    }
    if let Some(resident) = resident_mib(send.child.id().unwrap()) {
        println!(
            "resident after {} sends over stdio: {resident:.1} MiB",
            SENDS + SENDS / 10 + SENDS / 4 + SENDS / 40
        );
    }
    drop((noop, send));
    let (noop, send) =
        (Http::start(What::NoOp, folder, "").await, Http::start(What::Send, folder, "http.db").await);
    for (flight, count) in [(1, SENDS / 4), (32, SENDS)] {
        noop.run(What::NoOp, count / 10, flight, "warm").await;
        let floor = noop.run(What::NoOp, count, flight, "").await;
        send.run(What::Send, count / 10, flight, &format!("warm {flight}")).await;
        let figures = send.run(What::Send, count, flight, &format!("http {flight}")).await;
        row(&format!("no-op, HTTP, {flight} in flight"), &floor, None);
        row(&format!("send_sms, HTTP, {flight} in flight"), &figures, Some(&floor));
    }
}

async fn start_time(folder: &Path) {
    let mut took = Vec::new();
    for _ in 0..10 {
        let began = Instant::now();
        let server = Pipe::start(What::Send, folder, "start.db").await;
        took.push(began.elapsed());
        drop(server);
    }
    took.sort();
    println!(
        "start to the answer of initialize, median of 10: {:.1} ms (first, making the ledger, among them: \
         worst {:.1} ms)",
        took[5].as_secs_f64() * 1e3,
        took[9].as_secs_f64() * 1e3
    );
}

async fn bulk(folder: &Path) {
    let mut server = Pipe::start(What::Send, folder, "bulk.db").await;
    let mut took = Vec::new();
    for round in 0..5 {
        let recipients: Vec<Value> = (0..1_000)
            .map(|n| json!({ "to": format!("+3319900{n:04}"), "data": { "n": n.to_string() } }))
            .collect();
        let arguments =
            json!({ "recipients": recipients, "message": format!("Round {round}, number {{{{n}}}}") });
        let call = json!({ "jsonrpc": "2.0", "id": round, "method": "tools/call", "params": { "name":
            "send_bulk", "arguments": arguments } });
        let began = Instant::now();
        server.write(&call).await;
        let line = server.output.next_line().await.unwrap().unwrap();
        took.push(began.elapsed());
        let answer: Value = serde_json::from_str(&line).unwrap();
        let answer = &answer["result"]["structuredContent"];
        assert_eq!((&answer["status"], &answer["accepted"]), (&json!("done"), &json!(1_000)), "{line}");
    }
    took.sort();
    println!(
        "send_bulk of 1,000, median of 5: {:.0} ms (worst {:.0} ms)",
        took[2].as_secs_f64() * 1e3,
        took[4].as_secs_f64() * 1e3
    );
}

/// A2P Pro as far as sends go: it takes 20 ms for each.
#[derive(Default)]
struct Vendor {
    requests: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Vendor {
    async fn listen(self: Arc<Self>) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(Arc::clone(&self).serve(stream));
            }
        });
        port
    }

    async fn serve(self: Arc<Self>, stream: tokio::net::TcpStream) {
        self.most_open.fetch_max(self.open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let mut stream = BufReader::new(stream);
        while let Some(body) = read_request(&mut stream).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let n = self.requests.fetch_add(1, Ordering::SeqCst);
            let answer = json!({ "id": format!("m-{n}"), "status": "queued", "to": body["to"], "from": body["from"], "segments": 1 }).to_string();
            let head = format!(
                "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            stream.get_mut().write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
        }
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn read_request(stream: &mut BufReader<tokio::net::TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            let mut body = vec![0; length];
            tokio::io::AsyncReadExt::read_exact(stream, &mut body).await.ok()?;
            return serde_json::from_slice(&body).ok();
        }
    }
}

/// A bulk of 10,000 through A2P Pro.
async fn vendor(folder: &Path) {
    const MESSAGES: usize = 10_000;
    let vendor = Arc::new(Vendor::default());
    let url = format!("http://127.0.0.1:{}", Arc::clone(&vendor).listen().await);
    let folder = folder.join("vendor");
    std::fs::create_dir(&folder).unwrap();
    let guard = CONFIG.split("[send]").next().unwrap();
    let provider = format!(
        "[[provider]]\nkind = \"a2p_pro\"\nbase_url = \"{url}/v1\"\ntoken = \"bench\"\nfrom = \"ACME\"\n"
    );
    let config = format!(
        "{guard}bulk_max = {MESSAGES}\nbulk_is_marketing_above = 100000\nprice_when_unknown = \"0.01\"\n[send]\nbulk_wait = \
         \"120s\"\n{provider}"
    );
    std::fs::write(folder.join("bench.toml"), config).unwrap();
    let mut server = Pipe::start(What::Send, &folder, "vendor.db").await;
    let recipients: Vec<Value> = (0..MESSAGES).map(|n| json!({ "to": format!("+3319900{n:04}") })).collect();
    let arguments = json!({ "recipients": recipients, "message": "Hello from the bench" });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "send_bulk",
        "arguments": arguments } });
    let began = Instant::now();
    server.write(&call).await;
    let line = server.output.next_line().await.unwrap().unwrap();
    let took = began.elapsed().as_secs_f64();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(answer["result"]["structuredContent"]["counts"]["sent"], json!(MESSAGES), "{line}");
    assert_eq!(vendor.requests.load(Ordering::SeqCst), MESSAGES, "each once");
    println!(
        "send_bulk of {MESSAGES} through A2P Pro, 20 ms an answer: {:.0} messages/s, {} connections at once \
         at most, {:.1} MiB resident",
        MESSAGES as f64 / took,
        vendor.most_open.load(Ordering::SeqCst),
        resident_mib(server.child.id().unwrap()).unwrap_or_default()
    );
}

/// A carrier that answers at once and tells a receipt for everything, over a channel as a kept connection
/// would.
struct Quick {
    tell: mpsc::Sender<Notice>,
    told: Mutex<Option<mpsc::Receiver<Notice>>>,
    next: AtomicUsize,
    thanked: Arc<AtomicUsize>,
}

impl Quick {
    fn new() -> Self {
        let (tell, told) = mpsc::channel(1_000);
        Self { tell, told: Mutex::new(Some(told)), next: AtomicUsize::new(0), thanked: Arc::default() }
    }
}

#[async_trait::async_trait]
impl Provider for Quick {
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::SEND_ONLY;
        can.receipts_by_push = true;
        can
    }

    fn name(&self) -> &str {
        "quick"
    }

    fn price(&self, _: &Number, segments: u32) -> Option<Money> {
        Money { micros: 10_000, currency: Currency::USD }.times(segments)
    }

    async fn send(&self, _: &Submission) -> Outcome {
        let id = format!("q-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let thanked = Arc::clone(&self.thanked);
        let receipt = Event::Receipt(Receipt::new(id.clone(), State::Delivered, SystemClock.now()));
        let notice = Notice::thanking(receipt, move |is_durable| {
            thanked.fetch_add(usize::from(is_durable), Ordering::Relaxed);
        });
        self.tell.send(notice).await.unwrap();
        Outcome::Accepted { vendor_id: Some(id), status: State::Sent, segments: None, price: None }
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        self.told.lock().unwrap().take()
    }

    async fn check(&self) -> sms_mcp::error::Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

/// A bulk of 10,000 through a carrier that answers at once, until every receipt is recorded; all in this
/// process.
async fn receipts(folder: &Path) {
    const MESSAGES: usize = 10_000;
    let carrier = Arc::new(Quick::new());
    let most = Amount::units(1_000_000);
    let guard = sms_mcp::policy::Settings {
        day_spend: most,
        session_spend: most,
        day_messages: 1_000_000,
        session_messages: 1_000_000,
        recipient_per_hour: 1_000,
        recipient_per_day: 1_000,
        sends_per_second: 1_000_000,
        bulk_max: 10_000,
        bulk_is_marketing_above: 100_000,
        ..sms_mcp::policy::Settings::default()
    };
    let clock: SharedClock = Arc::new(SystemClock);
    let engine = Engine::new(Parts {
        halts: Arc::default(),
        ledger: Arc::new(SqliteLedger::open(&folder.join("receipts.db"), clock.now(), *b"receipts").unwrap()),
        carriers: Carriers::one(Arc::<Quick>::clone(&carrier)),
        policy: Policy::new(guard, std::collections::BTreeMap::new()),
        clock,
        settings: sms_mcp::engine::Settings { concurrency: 200, ..sms_mcp::engine::Settings::default() },
        keep_texts: true,
        default_region: None,
        stop_words: Default::default(),
        answers: Default::default(),
        forward: None,
    });
    engine.start(true).await.unwrap();
    let caller = Caller::new("bench", Base::Named("bench".into()));
    for round in 0..4 {
        let recipients = (0..MESSAGES)
            .map(|n| Recipient { to: format!("+3319900{n:04}"), data: std::collections::BTreeMap::new() })
            .collect();
        let args = BulkArgs { recipients, message: format!("Round {round}"), ..BulkArgs::default() };
        let (before, began) = (cpu(std::process::id()), Instant::now());
        engine.send_bulk(caller.clone(), args, None, None).await.unwrap();
        let handed_over = began.elapsed();
        while carrier.thanked.load(Ordering::Relaxed) < (round + 1) * MESSAGES {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (took, used) = (
            began.elapsed(),
            cpu(std::process::id()).zip(before).map(|(after, before)| after - before).unwrap_or_default(),
        );
        println!(
            "send_bulk of {MESSAGES} with a receipt for each: {:.0} messages/s ({:.0}/s handed over), {:.0} \
             us of CPU each, {:.1} MiB resident",
            MESSAGES as f64 / took.as_secs_f64(),
            MESSAGES as f64 / handed_over.as_secs_f64(),
            used.as_secs_f64() * 1e6 / MESSAGES as f64,
            resident_mib(std::process::id()).unwrap_or_default()
        );
    }
    engine.stop(Duration::from_secs(5)).await;
}

fn draft(n: usize) -> Draft {
    Draft {
        id: MessageId::new(
            i64::try_from(n).unwrap(),
            (n as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
        ),
        to: format!("+3319900{:04}", (n * 7919) % 10_000),
        from: None,
        text: format!("Stored message number {n}"),
        digest: (n as u128).to_be_bytes(),
        folded: (n as u128).to_be_bytes(),
        encoding: "GSM-7",
        segments: 1,
        hold_micros: 65_000,
        is_assumed: false,
        provider: "sandbox".into(),
        rated_requests: 0,
        purpose: sms_mcp::sms::purpose::Purpose::Transactional,
        schedule: sms_mcp::sms::schedule::Schedule::default(),
    }
}

/// Fills a ledger through the store's own verbs, with messages spread over the last 300 days.
#[expect(clippy::too_many_lines, reason = "one story, step by step")]
async fn fill(path: &Path) {
    let store = SqliteLedger::open(path, Timestamp(0), *b"benchfil").unwrap();
    let limits = Limits::default();
    let now = i64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis(),
    )
    .unwrap();
    let span = 300 * 24 * 3_600_000_i64;
    for first in (0..STORED).step_by(1_000) {
        let at =
            Timestamp(now - span + span / i64::try_from(STORED).unwrap() * i64::try_from(first).unwrap());
        let payer = Payer {
            principal: "bench".into(),
            base: BaseSession::Named("fill".into()),
            handle: None,
            realm: Realm::Live,
            idle_ms: 1,
            currency: "USD".into(),
            total: limits,
            day: limits,
            session: limits,
        };
        let batch = BatchDraft::of(BatchId::new(at.0, first as u128));
        let drafts: Vec<Draft> = (first..first + 1_000).map(draft).collect();
        let ids: Vec<MessageId> = drafts.iter().map(|draft| draft.id.clone()).collect();
        let intent = Intent {
            payer,
            now: at,
            idempotency: None,
            batch: Some(batch),
            is_campaign: false,
            forward: false,
            drafts,
            all_or_none: true,
            answers_of: Vec::new(),
            consent_for: Vec::new(),
            duplicate_window_ms: 0,
            per_second: 1_000_000,
            keep_texts: true,
            proposal: None,
            looks: sms_mcp::sms::facts::Looks::default(),
            preview: false,
        };
        store.reserve(intent, Arc::new(|_, _| Ok(sms_mcp::sms::verdict::Verdict::Now))).await.unwrap();
        let claim = sms_mcp::ledger::Claim {
            now: at,
            limit: 1_000,
            per_second: 1_000_000,
            max_age_ms: i64::MAX / 4,
            adopt: false,
            provider: "sandbox".into(),
            realm: Realm::Live,
            per_request: 1,
            by_segment: false,
            most_requests: u32::MAX,
            without: Vec::new(),
            rate: Pacing::default(),
            consent_for: Vec::new(),
        };
        store.claim(claim).await.unwrap();
        let settle = ids.iter().enumerate().map(|(n, id)| {
            let settlement = Settlement {
                at,
                state: State::Delivered,
                vendor_id: Some(format!("sbx-d-{:x}-{:x}", at.0, first + n)),
                price_micros: None,
                segments: None,
                parts: Vec::new(),
                code: None,
                why: None,
                free_key: false,
                look_at: None,
            };
            store.settle(id, settlement)
        });
        futures::future::join_all(settle).await.into_iter().for_each(|settled| drop(settled.unwrap()));
    }
    store.close().await.unwrap();
}

async fn full_ledger(folder: &Path) {
    let began = Instant::now();
    fill(&folder.join("full.db")).await;
    println!(
        "filled a ledger with {STORED} messages in {:.0} s ({:.0} MiB)",
        began.elapsed().as_secs_f64(),
        std::fs::metadata(folder.join("full.db")).unwrap().len() as f64 / 1048576.0
    );
    let (mut empty, mut full) =
        (Pipe::start(What::Send, folder, "empty.db").await, Pipe::start(What::Send, folder, "full.db").await);
    let mut ratios = Vec::new();
    for round in 0..3 {
        let small = empty.run(What::Send, SENDS, 32, &format!("empty {round}")).await;
        let large = full.run(What::Send, SENDS, 32, &format!("full {round}")).await;
        row(&format!("empty ledger, round {round}"), &small, None);
        row(&format!("{STORED} stored, round {round}"), &large, Some(&small));
        ratios.extend(large.cpu_us.zip(small.cpu_us).map(|(large, small)| large / small));
    }
    ratios.sort_by(f64::total_cmp);
    if let Some(median) = ratios.get(1) {
        println!(
            "CPU per send with {STORED} stored messages beside an empty ledger, median of 3: {median:.2}x"
        );
    }
}

// ---- instructions per send

/// Sends that are counted, and those before them, which pay for what is made once.
const COUNTED: usize = 1_000;
const BEFORE: usize = 100;

/// What a send costs in instructions, which a busy machine does not change:
/// `cargo bench --bench sends -- instructions`, with `valgrind` (a Debian package). So one after the other is
/// called, and no receipt comes meanwhile.
///
/// To compare two versions, build the other one (`git worktree add ../other COMMIT`, `cargo build --release`
/// there) and name both programs; each is said beside the first:
/// `cargo bench --bench sends -- instructions ../other/target/release/sms-mcp target/release/sms-mcp`. Two
/// runs of one program differ by less than a hundredth.
async fn instructions(folder: &Path, programs: &[String]) {
    std::fs::write(folder.join("counted.toml"), format!("{CONFIG}delivery_delay = \"24h\"\n")).unwrap();
    let mut first = None;
    for (index, program) in programs.iter().enumerate() {
        let few = counted(folder, program, index, BEFORE).await;
        let many = counted(folder, program, index, BEFORE + COUNTED).await;
        let each = (many - few) / COUNTED as f64;
        let beside = *first.get_or_insert(each);
        println!("{:>10.0} instructions per send, {:.3}x  {program}", each, each / beside);
    }
}

/// The instructions of a server that carries so many sends, from its start to its end.
async fn counted(folder: &Path, program: &str, index: usize, sends: usize) -> f64 {
    let file = folder.join(format!("counted-{index}-{sends}"));
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind", &format!("--callgrind-out-file={}", file.display())])
        .arg(program);
    command
        .arg("--config")
        .arg(folder.join("counted.toml"))
        .arg("--ledger")
        .arg(file.with_extension("db"))
        .args(["--log", "error"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut server = Pipe::over(command).await;
    server.run(What::Send, sends, 1, "counting").await;
    let Pipe { mut child, input, output: _output } = server;
    drop(input);
    child.wait().await.unwrap();
    let said = std::fs::read_to_string(&file).unwrap();
    said.lines()
        .find_map(|line| line.strip_prefix("totals:")?.trim().parse().ok())
        .expect("callgrind's total")
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match std::env::var("BENCH_SERVER").as_deref() {
        Ok("stdio") => return runtime.block_on(noop_stdio()),
        Ok(port) => return runtime.block_on(noop_http(port.parse().unwrap())),
        Err(_) => {}
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let (only, programs) = (named.next(), named.collect::<Vec<_>>());
    let wants = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bench.toml"), CONFIG).unwrap();
    if only.as_deref() == Some("instructions") {
        let own = vec![env!("CARGO_BIN_EXE_sms-mcp").to_owned()];
        return runtime
            .block_on(instructions(folder.path(), if programs.is_empty() { &own } else { &programs }));
    }
    runtime.block_on(async {
        if wants("compare") {
            compare(folder.path()).await;
        }
        if wants("start") {
            start_time(folder.path()).await;
        }
        if wants("bulk") {
            bulk(folder.path()).await;
        }
        if wants("vendor") {
            vendor(folder.path()).await;
        }
        if wants("receipts") {
            receipts(folder.path()).await;
        }
        if wants("full") {
            full_ledger(folder.path()).await;
        }
    });
}
