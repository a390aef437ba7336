//! Turns, before a mock gateway and with the whole program: whether texts go out whole, and whether a
//! recipient or a bind that takes nothing is felt by others. `cargo bench --bench whole -- texts` and
//! `-- fair` play all of it and print the figures.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::peer::Receipts;
use super::scene::{Agent, Gateway, Protocol};
use crate::support::{Desk, LAST_RESORT, WIDE};

/// How texts are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Bulk,
    Single,
    Both,
}

/// One way in which our own pacing might cut a text.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub protocol: Protocol,
    /// How long an answer takes.
    pub delay: Duration,
    pub window: u16,
    pub per_second: Option<u32>,
    /// What the gateway itself allows in a second; 0: anything.
    pub gateway_limit: usize,
    pub segments: usize,
    pub how: How,
}

/// What came of it at the gateway.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts {
    pub whole: usize,
    /// Texts of which a segment is missing.
    pub cut: usize,
    /// Submits that came twice.
    pub twice: usize,
}

fn desk(gateway: &Gateway, send: &str, session: &str) -> Desk {
    Desk::new(&format!(
        "{WIDE}bulk_max = 20000\nprice_when_unknown = \"0.01\"\n[send]\nbulk_wait = \"50ms\"\n{send}\n{}",
        gateway.settings(session)
    ))
}

/// A text of about so many segments, in any alphabet that the gateway may have for it.
fn text(n: usize, segments: usize) -> String {
    format!("{n:04} {}", "abcdefghi ".repeat(12 * segments + usize::from(segments > 1) * 4 - 4))
}

/// Asks for texts, lets them go out for a while, stops the program in good order, and looks at what arrived.
pub fn texts(cell: &Cell, run: Duration) -> Texts {
    let gateway = Gateway::start(cell.protocol);
    gateway.script(|script| {
        script.delay = cell.delay;
        script.throttle_over_per_second = cell.gateway_limit;
        script.receipts = Receipts::None;
    });
    let per_second = cell.per_second.map_or_else(String::new, |limit| format!("per_second = {limit}\n"));
    let desk = desk(&gateway, "stop_within = \"170s\"", &format!("window = {}\n{per_second}", cell.window));
    let mut agent = Agent::start(&desk, "warn");
    if cell.how != How::Single {
        let recipients: Vec<Value> = (0..12)
            .map(|n| json!({ "to": gateway.number(n), "data": { "n": text(n, cell.segments) } }))
            .collect();
        agent.call(
            "send_bulk",
            json!({ "recipients": recipients, "message": "{{n}}", "idempotency_key": "bulk" }),
        );
    }
    if cell.how != How::Bulk {
        for n in 100..104 {
            agent.begin("send_sms", &json!({ "to": gateway.number(n), "message": text(n, cell.segments) }));
        }
    }
    let until = Instant::now() + run;
    while Instant::now() < until && gateway.messages().values().sum::<usize>() < 16 {
        std::thread::sleep(Duration::from_millis(20));
    }
    agent.finish();
    let messages = gateway.messages();
    let cut = messages.keys().filter(|(_, text)| text.contains("[..]")).count();
    Texts { whole: messages.len() - cut, cut, twice: gateway.repeated() }
}

/// Who takes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bad {
    /// Recipients of 300 that are always refused with this status.
    pub full: (usize, u32),
    /// Every so many binds of four answer no submit.
    pub mute: usize,
    /// Every so many binds of four take a second for an answer.
    pub slow: usize,
}

/// What the others felt of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Felt {
    /// Until the last message of the others was sent.
    pub others: Duration,
    /// The slowest single send to others.
    pub single: Duration,
    /// Messages and single sends to others that were refused.
    pub refused: usize,
    /// Messages that a mute bind took.
    pub swallowed: usize,
}

/// Recipients of the bulk.
pub const PEOPLE: usize = 300;

/// Single sends beside it.
const SINGLES: usize = 5;

/// A bulk of 300 and single sends beside it, over four binds.
pub fn fair(protocol: Protocol, per_second: Option<u32>, bad: Bad) -> Felt {
    let gateway = Gateway::start(protocol);
    let full: HashSet<usize> = (0..bad.full.0).map(|n| n * PEOPLE / bad.full.0).collect();
    let written = full.iter().map(|n| gateway.written(*n)).collect();
    gateway.script(|script| {
        script.delay = Duration::from_millis(20);
        script.receipts = Receipts::None;
        script.full = Arc::new(written);
        script.full_status = bad.full.1;
        script.mute_links = bad.mute;
        script.slow_links = bad.slow;
        script.slow_delay = Duration::from_secs(1);
    });
    let per_second = per_second.map_or_else(String::new, |limit| format!("per_second = {limit}\n"));
    let desk = desk(&gateway, "", &format!("binds = 4\n{per_second}"));
    let mut agent = Agent::start(&desk, "warn");
    // The binds come up with the first send.
    agent.call("send_sms", json!({ "to": gateway.number(900), "message": "first" }));
    gateway.until("four binds", |gateway| gateway.links() == 4);
    let recipients: Vec<Value> = (0..PEOPLE).map(|n| json!({ "to": gateway.number(n) })).collect();
    let began = Instant::now();
    let bulk = agent.call(
        "send_bulk",
        json!({ "recipients": recipients, "message": "for all", "idempotency_key": "bulk" }),
    );
    let mut felt = Felt::default();
    let mut singles: HashMap<u64, Instant> = HashMap::new();
    for n in 0..SINGLES {
        let id = agent.begin("send_sms", &json!({ "to": gateway.number(901 + n), "message": "alone" }));
        singles.insert(id, Instant::now());
    }
    let give_up = Instant::now() + LAST_RESORT;
    let all = PEOPLE - full.len();
    let mut others = None;
    while others.is_none() || !singles.is_empty() {
        let mut beside = Vec::new();
        let counts = agent.counts_among(&bulk["batch"], &mut beside);
        for answer in beside {
            if let Some(asked) = answer["id"].as_u64().and_then(|id| singles.remove(&id)) {
                felt.single = felt.single.max(asked.elapsed());
                felt.refused += usize::from(answer["result"]["structuredContent"]["status"] != "sent");
            }
        }
        let count = |state: &str| counts.get(state).copied().unwrap_or_default();
        felt.swallowed = gateway.on_links(bad.mute);
        if others.is_none() && count("sent") + felt.swallowed >= all {
            felt.refused += count("rejected") + count("failed");
            others = Some(began.elapsed());
        }
        assert!(Instant::now() < give_up, "{counts:?}, {} swallowed", felt.swallowed);
        std::thread::sleep(Duration::from_millis(5));
    }
    felt.others = others.unwrap();
    felt
}
