//! What texts that are set for later cost: `cargo bench --bench planned`. First 100,000 of them beside none: the start of a
//! server, a send, and an idle server's work. Then 10,000 that are due at once: whether they leave at the pace, and what
//! a send waits meanwhile. Each is printed; nothing is asserted of time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout
)]
#![allow(missing_docs, clippy::print_stderr)]
#![allow(dead_code, reason = "what tests share has more in it than the figures need")]

#[path = "../tests/suite/support.rs"]
mod support;
#[path = "../tests/suite/wire.rs"]
mod wire;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};
use support::{Desk, Era, fictional};
use wire::{RawStdio, said, tool_call};

/// How many are set for later.
const PLANNED: usize = 100_000;
/// How many become due at once.
const DUE: usize = 10_000;
/// How many leave in a second.
const PACE: usize = 500;
/// How many single sends are timed.
const SENDS: usize = 300;
/// For how long an idle server is watched.
const IDLE: Duration = Duration::from_secs(20);

fn settings(per_second: usize) -> String {
    format!(
        "[guard]\nsession_spend = 10000000\nday_spend = 10000000\nsession_messages = 10000000\nday_messages = 10000000\n\
         recipient_per_hour = 100000\nrecipient_per_day = 100000\nsends_per_second = {per_second}\nbulk_max = 100000\n\
         bulk_is_marketing_above = 1000000\n[[provider]]\nkind = \"sandbox\"\nbalance = 10000000\n[log]\nlevel = \"error\"\n"
    )
}

struct Server {
    raw: RawStdio,
    asked: u64,
}

impl Server {
    /// A server on this desk, and how long it took to answer first.
    fn start(desk: &Desk) -> (Self, Duration) {
        let began = Instant::now();
        let raw = RawStdio::start(desk, Era::Legacy, |_| {});
        (Self { raw, asked: 100 }, began.elapsed())
    }

    fn ask(&mut self, tool: &str, arguments: &Value) -> Value {
        self.asked += 1;
        self.raw.send(&tool_call(Era::Legacy, self.asked, tool, arguments));
        said(&self.raw.answer_to(self.asked, &mut Vec::new())).unwrap()
    }

    /// Single sends one after the other: each one's time.
    fn sends(&mut self, tag: &str, count: usize) -> Vec<Duration> {
        (0..count)
            .map(|n| {
                let began = Instant::now();
                let told =
                    self.ask("send_sms", &json!({ "to": fictional(n), "message": format!("{tag} {n}") }));
                assert!(told["id"].is_string(), "{told}");
                began.elapsed()
            })
            .collect()
    }

    /// Processor time so far, in milliseconds.
    fn worked(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.raw.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap()).sum();
        ticks as f64 * 10.0
    }
}

fn plan(server: &mut Server, count: usize, in_ms: i64) {
    let recipients: Vec<Value> = (0..count).map(|n| json!({ "to": format!("+44740{n:07}") })).collect();
    let send_at = SystemClock.now().plus_ms(in_ms).rfc3339();
    let call = json!({ "recipients": recipients, "message": "Set for later", "send_at": send_at });
    let told = server.ask("send_bulk", &call);
    assert_eq!(told["counts"]["scheduled"], count, "{told}");
}

fn percentile(mut times: Vec<Duration>, of: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() - 1) * of / 100].as_secs_f64() * 1e3
}

/// 100,000 set for tomorrow beside none.
fn many_for_later() {
    let desks = [("none", Desk::new(&settings(1_000_000))), ("100,000", Desk::new(&settings(1_000_000)))];
    let (mut first, _) = Server::start(&desks[1].1);
    let began = Instant::now();
    plan(&mut first, PLANNED, 24 * 3_600_000);
    println!("{PLANNED} accepted for tomorrow in {:.1} s", began.elapsed().as_secs_f64());
    drop(first.raw.finish());
    println!(
        "{:>9} {:>9} {:>12} {:>12} {:>16}",
        "planned", "start ms", "send p50 ms", "send p99 ms", "idle CPU ms/s"
    );
    for round in 0..3 {
        for (name, desk) in &desks {
            let (mut server, start) = Server::start(desk);
            let sends = server.sends(&format!("round {round}"), SENDS);
            let before = server.worked();
            std::thread::sleep(IDLE);
            let idle = (server.worked() - before) / IDLE.as_secs_f64();
            let (p50, p99) = (percentile(sends.clone(), 50), percentile(sends, 99));
            println!("{name:>9} {:>9.1} {p50:>12.2} {p99:>12.2} {idle:>16.2}", start.as_secs_f64() * 1e3);
            drop(server.raw.finish());
        }
    }
}

/// 10,000 due at once, and what a send waits meanwhile.
fn many_at_once() {
    let desk = Desk::new(&settings(PACE));
    let (mut server, _) = Server::start(&desk);
    let before = server.sends("before", 100);
    plan(&mut server, DUE, 20_000);
    let due = Instant::now() + Duration::from_secs(20);
    let sent = |desk: &Desk| {
        std::fs::read(desk.outbox()).unwrap_or_default().iter().filter(|octet| **octet == b'\n').count()
    };
    let already = sent(&desk);
    while sent(&desk) == already {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (began, late) = (Instant::now(), Instant::now().saturating_duration_since(due));
    let (mut meanwhile, mut n) = (Vec::new(), 0);
    let last = loop {
        meanwhile.extend(server.sends(&format!("meanwhile {n}"), 1));
        n += 1;
        let left = sent(&desk) - already - n;
        if left >= DUE {
            break began.elapsed();
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    println!(
        "{DUE} due at once, pace {PACE}/s: the first left {:.1} s after its time, all of them within {:.1} s ({:.0} messages/s)",
        late.as_secs_f64(),
        last.as_secs_f64(),
        (DUE + n) as f64 / last.as_secs_f64()
    );
    let row = |what: &str, times: Vec<Duration>| {
        println!(
            "send {what}: p50 {:.1} ms, p99 {:.1} ms",
            percentile(times.clone(), 50),
            percentile(times, 99)
        );
    };
    row("before", before);
    row("meanwhile", meanwhile);
}

fn main() {
    many_for_later();
    many_at_once();
}
