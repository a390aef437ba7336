//! Builds side by side, in turn on one machine: `cargo bench --bench versions -- sends OLD NEW`, where each
//! is the path of a program (`git worktree add ../old COMMIT`, `cargo build --locked --release` there).
//! Without any it is the one of this tree.
//!
//! - `sends`: what a durable `send_sms` over stdio costs, with 32 and with 1 in flight, and how much memory
//!   is resident after that; beside them a server of `rmcp` whose one tool does nothing, and the two synced
//!   commits of a send alone in bare SQLite.
//! - `smpp`: bulks over SMPP, from the call to the last receipt on record, and what is resident after six.
//! - `stored [MESSAGES]`: the same with so many messages in the ledger (10,000,000), and how long opening it
//!   and a list take.
//!
//! CPU is the server process's (user and system), from /proc: Linux alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout
)]
#![allow(missing_docs)]

#[path = "versions/smsc.rs"]
mod smsc;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt as _};
use serde_json::{Value, json};

const SENDS: usize = 10_000;
const ROUNDS: usize = 3;
const BULK: usize = 10_000;
const BULKS: usize = 6;
const STORED: i64 = 10_000_000;

const CONFIG: &str = "[guard]\nbulk_max = 100000\nsession_spend = 100000000\nday_spend = 100000000\nsession_messages = \
    100000000\nday_messages = 100000000\n\
    recipient_per_hour = 1000\nrecipient_per_day = 1000\nsends_per_second = 1000000\n[send]\nconcurrency = \
    64\n\
    [[provider]]\nkind = \"sandbox\"\nbalance = 100000000\n";

// ---- the floor

/// A tool with a schema and structured output that does nothing.
#[derive(Clone)]
struct NoOp;

impl ServerHandler for NoOp {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = |text: Value| std::sync::Arc::new(text.as_object().unwrap().clone());
        let input = schema(
            json!({ "type": "object", "properties": { "to": { "type": "string" }, "message": { "type":
                "string" } } }),
        );
        let output = schema(json!({ "type": "object", "properties": { "status": { "type": "string" } } }));
        Ok(ListToolsResult::with_all_items(vec![
            Tool::new("send_sms", "Does nothing.", input).with_raw_output_schema(output),
        ]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let to = request.arguments.and_then(|arguments| arguments.get("to").cloned());
        Ok(CallToolResult::structured(
            json!({ "status": "sent", "to": to, "segments": 1, "encoding": "GSM-7", "replayed": false }),
        )
        .into())
    }
}

/// So many times two synced commits, each of a row like a message's: what the disk takes of a send, and
/// nothing else.
fn bare_sqlite(folder: &Path, sends: usize) -> Figures {
    let mut db = rusqlite::Connection::open(folder.join("bare.db")).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = full; CREATE TABLE IF NOT EXISTS \
        message (id INTEGER PRIMARY KEY, text TEXT)",
    )
    .unwrap();
    let (before, began) = (cpu(std::process::id()), Instant::now());
    let text = "x".repeat(300);
    for _ in 0..sends {
        let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        transaction
            .prepare_cached("INSERT INTO message (text) VALUES (?1)")
            .unwrap()
            .execute([&text])
            .unwrap();
        let id = transaction.last_insert_rowid();
        transaction.commit().unwrap();
        let transaction = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
        transaction
            .prepare_cached("UPDATE message SET text = 'y' WHERE id = ?1")
            .unwrap()
            .execute([id])
            .unwrap();
        transaction.commit().unwrap();
    }
    Figures {
        per_second: sends as f64 / began.elapsed().as_secs_f64(),
        cpu_us: micros(cpu(std::process::id()) - before, sends),
        resident_mib: 0.0,
    }
}

// ---- a server and its client

/// User and system time of a process so far.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
}

fn micros(took: Duration, calls: usize) -> f64 {
    took.as_secs_f64() * 1e6 / calls as f64
}

struct Figures {
    per_second: f64,
    cpu_us: f64,
    resident_mib: f64,
}

struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    next: u64,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut server = Self { child, input, output: BufReader::with_capacity(1 << 16, output), next: 1 };
        let client = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name":
            "bench", "version": "1" } });
        server.write(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": client }));
        server.read();
        server.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        server
    }

    fn of(program: &str, folder: &Path, ledger: &Path) -> Self {
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(folder.join("bench.toml"))
            .arg("--ledger")
            .arg(ledger)
            .args(["--log", "error"])
            .env("SMS_MCP_CONTAINER", "no")
            .env("XDG_STATE_HOME", folder.join("state"));
        Self::start(command)
    }

    fn write(&mut self, message: &Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).unwrap();
    }

    fn read(&mut self) -> String {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).unwrap() > 0, "the server ended");
        line
    }

    fn ask(&mut self, tool: &str, arguments: &Value) {
        let call = json!({ "jsonrpc": "2.0", "id": self.next, "method": "tools/call", "params": { "name": tool, "arguments": arguments } });
        self.next += 1;
        self.write(&call);
    }

    /// Sends so many texts with so many in flight.
    fn send(&mut self, sends: usize, flight: usize, run: &str) -> Figures {
        let pid = self.child.id();
        let (before, began) = (cpu(pid), Instant::now());
        let mut asked = 0;
        for answered in 0..sends {
            while asked < sends && asked - answered < flight {
                let to = format!("+3319900{:04}", (asked * 7919) % 10_000);
                self.ask(
                    "send_sms",
                    &json!({ "to": to, "message": format!("Your code word for {run} is {asked}") }),
                );
                asked += 1;
            }
            let line = self.read();
            assert!(line.contains("\"structuredContent\"") && !line.contains("\"isError\":true"), "{line}");
        }
        let took = began.elapsed();
        Figures {
            per_second: sends as f64 / took.as_secs_f64(),
            cpu_us: micros(cpu(pid) - before, sends),
            resident_mib: resident_mib(pid),
        }
    }

    /// Sends a bulk, and waits until each of its texts is delivered. Texts a second.
    fn bulk(&mut self, text: &str, run: &str) -> f64 {
        let recipients: Vec<Value> = (0..BULK).map(|n| json!({ "to": format!("+3319900{n:04}") })).collect();
        let began = Instant::now();
        self.ask("send_bulk", &json!({ "recipients": recipients, "message": format!("{run}: {text}") }));
        let answer: Value = serde_json::from_str(&self.read()).unwrap();
        let batch = answer["result"]["structuredContent"]["batch"].as_str().unwrap_or_else(|| {
            panic!("{answer}");
        });
        let asked = json!({ "id": batch });
        loop {
            self.ask("get_status", &asked);
            let answer: Value = serde_json::from_str(&self.read()).unwrap();
            let counts = &answer["result"]["structuredContent"]["bulk"]["counts"];
            if counts["delivered"] == BULK {
                return BULK as f64 / began.elapsed().as_secs_f64();
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{answer}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// ---- the tables

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn row(name: &str, rounds: &[Figures], first: Option<(f64, f64)>) -> (f64, f64) {
    let of = |value: fn(&Figures) -> f64| median(rounds.iter().map(value).collect());
    let (per_second, cpu_us, resident) =
        (of(|figures| figures.per_second), of(|figures| figures.cpu_us), of(|figures| figures.resident_mib));
    let (was, cost) = first.unwrap_or((per_second, cpu_us));
    println!(
        "| {name} | {per_second:.0} | {:.2}x | {cpu_us:.0} us | {:.2}x | {resident:.1} MiB |",
        per_second / was,
        cpu_us / cost
    );
    (per_second, cpu_us)
}

fn sends(folder: &Path, programs: &[String]) {
    for (flight, count) in [(32, SENDS), (1, SENDS / 5)] {
        println!("\n{count} sends with {flight} in flight, medians of {ROUNDS} rounds in turn");
        println!(
            "| | calls/s | beside the first | CPU a call | beside the first | resident after it \
             |\n|---|---|---|---|---|---|"
        );
        let mut found: Vec<Vec<Figures>> = (0..programs.len() + 2).map(|_| Vec::new()).collect();
        for round in 0..ROUNDS {
            for (index, program) in programs.iter().enumerate() {
                let ledger = folder.join(format!("sends-{flight}-{round}-{index}.db"));
                found[index].push(Server::of(program, folder, &ledger).send(count, flight, "versions"));
            }
            let mut no_op = Command::new(std::env::current_exe().unwrap());
            no_op.env("BENCH_SERVER", "noop");
            found[programs.len()].push(Server::start(no_op).send(count, flight, "versions"));
            if flight == 1 {
                found[programs.len() + 1].push(bare_sqlite(folder, count));
            }
        }
        let mut first = None;
        for (program, rounds) in programs.iter().zip(&found) {
            let figures = row(program, rounds, first);
            first.get_or_insert(figures);
        }
        row("a tool of rmcp that does nothing", &found[programs.len()], first);
        if flight == 1 {
            row("two commits in bare SQLite", &found[programs.len() + 1], first);
        }
    }
}

/// A text of one segment, and one of three.
const ONE: &str = "Your table for two is ready. Reply CHANGE to move it.";

fn smpp(folder: &Path, programs: &[String]) {
    let three = "Doors open at eight, and the kitchen closes at ten. ".repeat(8);
    let config = |address: &str| {
        let guard = CONFIG.split("[[provider]]").next().unwrap();
        format!(
            "{guard}[rates]\nFR = \"0.001\"\n[[provider]]\nkind = \"smpp\"\naddress = \"{address}\"\n\
             system_id = \"bench\"\npassword = \"bench\"\nfrom = \"BENCH\"\n[provider.session]\nwindow = \
             100\n"
        )
    };
    let mut found: Vec<[Vec<f64>; 4]> = programs.iter().map(|_| Default::default()).collect();
    for round in 0..ROUNDS {
        for (index, program) in programs.iter().enumerate() {
            let own = folder.join(format!("smpp-{round}-{index}"));
            std::fs::create_dir(&own).unwrap();
            std::fs::write(own.join("bench.toml"), config(&smsc::start())).unwrap();
            let mut server = Server::of(program, &own, &own.join("ledger.db"));
            let found = &mut found[index];
            found[0].push(server.bulk(ONE, "one"));
            found[1].push(server.bulk(&three, "three"));
            let six = own.join("six");
            std::fs::create_dir(&six).unwrap();
            std::fs::write(six.join("bench.toml"), config(&smsc::start())).unwrap();
            let mut server = Server::of(program, &six, &six.join("ledger.db"));
            for bulk in 0..BULKS {
                server.bulk(ONE, &bulk.to_string());
                if bulk == 2 {
                    found[2].push(resident_mib(server.child.id()));
                }
            }
            found[3].push(resident_mib(server.child.id()));
        }
    }
    println!(
        "\n`send_bulk` of {BULK} over SMPP with receipts, window 100, medians of {ROUNDS} rounds in turn"
    );
    println!(
        "| | messages/s, 1 segment | beside the first | 3 segments | beside the first | resident after 3 \
         bulks | after {BULKS} |\n|---|---|---|---|---|---|---|"
    );
    let mut first: Option<[f64; 2]> = None;
    for (program, [one, three, third, last]) in programs.iter().zip(found) {
        let (one, three) = (median(one), median(three));
        let was = *first.get_or_insert([one, three]);
        let (third, last) = (median(third), median(last));
        println!(
            "| {program} | {one:.0} | {:.2}x | {three:.0} | {:.2}x | {third:.1} MiB | {last:.1} MiB |",
            one / was[0],
            three / was[1]
        );
    }
}

/// Puts copies of the one message of a ledger into it, each with its own id, number, provider's id and time,
/// and a key of its own.
fn fill(path: &Path, messages: i64) {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = off; PRAGMA cache_size = -2000000; \
        PRAGMA temp_store = memory",
    )
    .unwrap();
    let columns = |table: &str, own: &[(&str, &str)]| {
        let mut statement = db.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
        let names: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .filter(|name| name != "seq")
            .collect();
        let value = |name: &String| {
            own.iter().find(|own| own.0 == name).map_or_else(|| format!("one.{name}"), |own| own.1.to_owned())
        };
        (names.join(", "), names.iter().map(value).collect::<Vec<_>>().join(", "))
    };
    // Spread over 300 days before the one that is there; a permutation of the numbers, as people come.
    let at = "one.created_ms - 25920000000 + 25920000000 / ?2 * n";
    let own = [
        ("id", "printf('msg_%026d', n)"),
        ("recipient", "printf('+3319900%04d', (n * 7919) % 10000)"),
        ("digest", "randomblob(16)"),
        ("folded", "randomblob(16)"),
        ("vendor_id", "printf('sbx-d-%x', n)"),
        ("created_ms", at),
        ("changed_ms", at),
    ];
    let (names, values) = columns("message", &own);
    let insert = format!(
        "WITH RECURSIVE count (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM count WHERE n + 1 < min(?1 + \
         1000000, ?2))
         INSERT INTO message ({names}) SELECT {values} FROM count, (SELECT * FROM message ORDER BY seq DESC \
         LIMIT 1) AS one ORDER BY n"
    );
    let (names, values) =
        columns("idempotency", &[("key", "printf('key-%d', n)"), ("target", "printf('msg_%026d', n)")]);
    let keys = format!(
        "WITH RECURSIVE count (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM count WHERE n + 1 < min(?1 + \
         1000000, ?2))
         INSERT INTO idempotency ({names}) SELECT {values} FROM count, (SELECT * FROM idempotency LIMIT 1) \
         AS one"
    );
    for first in (0..messages).step_by(1_000_000) {
        db.execute(&insert, [first, messages]).unwrap();
        db.execute(&keys, [first, messages]).unwrap();
    }
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(db);
    // Else whoever syncs the file first waits for all of it.
    std::fs::File::open(path).unwrap().sync_all().unwrap();
}

fn stored(folder: &Path, program: &str, messages: i64) {
    let (empty, full) = (folder.join("empty.db"), folder.join("full.db"));
    // One message, made by the program itself, and a clean end.
    let one = ["send", "+12025550123", "Hello", "--idempotency-key", "first"];
    let run = |args: &[&str]| {
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(folder.join("bench.toml"))
            .arg("--ledger")
            .arg(&full)
            .args(["--log", "error"])
            .env("SMS_MCP_CONTAINER", "no")
            .env("XDG_STATE_HOME", folder.join("state"))
            .args(args);
        assert!(command.stdout(Stdio::null()).status().unwrap().success(), "{args:?}");
    };
    run(&one);
    let began = Instant::now();
    fill(&full, messages);
    let octets = std::fs::metadata(&full).unwrap().len() as f64;
    println!(
        "\nfilled with {messages} messages and their keys in {:.0} s: {:.0} octets a message",
        began.elapsed().as_secs_f64(),
        octets / messages as f64
    );
    let began = Instant::now();
    let mut large = Server::of(program, folder, &full);
    println!("start to the answer of initialize: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let mut lists = Vec::new();
    for _ in 0..21 {
        let began = Instant::now();
        large.ask("list_sms", &json!({ "limit": 20 }));
        let answer = large.read();
        assert!(!answer.contains("\"isError\":true"), "{answer}");
        lists.push(began.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "list_sms of the newest 20: {:.2} ms at first, {:.2} ms the median of 21",
        lists[0],
        median(lists.clone())
    );
    let mut small = Server::of(program, folder, &empty);
    let mut found = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        found[0].push(small.send(SENDS, 32, &format!("round {round}")));
        found[1].push(large.send(SENDS, 32, &format!("round {round}")));
    }
    println!(
        "\n| {SENDS} sends with 32 in flight | calls/s | beside the first | CPU a call | beside the first | \
         resident after it |\n|---|---|---|---|---|---|"
    );
    let first = row("an empty ledger", &found[0], None);
    row(&format!("{messages} messages"), &found[1], Some(first));
}

fn main() {
    if std::env::var_os("BENCH_SERVER").is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(async {
            let running = NoOp.serve(rmcp::transport::io::stdio_pipes()).await.unwrap();
            running.waiting().await.unwrap();
        });
    }
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let (mode, mut rest) = (named.next(), named.collect::<Vec<_>>());
    // Beside the program and not in memory: a ledger of ten million messages is large.
    let folder = tempfile::tempdir_in(PathBuf::from(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    std::fs::write(folder.path().join("bench.toml"), CONFIG).unwrap();
    let own = env!("CARGO_BIN_EXE_sms-mcp").to_owned();
    match mode.as_deref() {
        Some("stored") => {
            stored(folder.path(), &own, rest.first().map_or(STORED, |messages| messages.parse().unwrap()))
        }
        mode => {
            if rest.is_empty() {
                rest.push(own);
            }
            match mode {
                Some("smpp") => smpp(folder.path(), &rest),
                _ => sends(folder.path(), &rest),
            }
        }
    }
}
