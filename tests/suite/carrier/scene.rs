//! The whole program before a mock gateway: bulks under `kill -9`, under cut links and under garbage, and how
//! fast they go. `cargo test` plays each a few times; `cargo bench --bench whole` plays them in full and
//! prints the figures.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ismg::{self, Ismg, SECRET, SOURCE, SP_ID};
use super::peer::{Counters, Cut, Fate, Keep, Link, Peer, Script};
use super::smsc::{self, PASSWORD, SYSTEM_ID, Smsc};
use crate::support::{Desk, Era, LAST_RESORT, WIDE, fictional, found};
use crate::wire::{RawStdio, tool_call};

/// Which protocol a scene is played over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Smpp,
    Cmpp,
}

impl Protocol {
    pub const BOTH: [Self; 2] = [Self::Smpp, Self::Cmpp];
}

/// A mock gateway of either protocol.
pub enum Gateway {
    Smsc(Peer<Smsc>),
    Ismg(Peer<Ismg>),
}

/// Does the same with either.
macro_rules! on {
    ($gateway:expr, $peer:ident => $what:expr) => {
        match $gateway {
            Gateway::Smsc($peer) => $what,
            Gateway::Ismg($peer) => $what,
        }
    };
}

impl Gateway {
    pub fn start(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Smpp => Self::Smsc(Peer::smsc()),
            Protocol::Cmpp => Self::Ismg(Peer::ismg()),
        }
    }

    /// A `[[provider]]` that goes to it, with these lines in `[provider.session]`.
    pub fn settings(&self, session: &str) -> String {
        let own = match self {
            Self::Smsc(peer) => {
                format!(
                    "kind = \"smpp\"\naddress = \"{}\"\nsystem_id = \"{SYSTEM_ID}\"\npassword = \
                     \"{PASSWORD}\"\nfrom = \"ACME\"",
                    peer.address()
                )
            }
            Self::Ismg(peer) => {
                format!(
                    "kind = \"cmpp\"\naddress = \"{}\"\nsp_id = \"{SP_ID}\"\nsecret = \"{SECRET}\"\nfrom = \
                     \"{SOURCE}\"",
                    peer.address()
                )
            }
        };
        format!("[[provider]]\n{own}\n[provider.session]\n{session}\n")
    }

    /// The n-th recipient of a scene, in E.164; CMPP carries to China.
    pub fn number(&self, n: usize) -> String {
        match self {
            Self::Smsc(_) => fictional(n),
            Self::Ismg(_) => format!("+861380013{n:04}"),
        }
    }

    /// The same as it stands on the wire.
    pub fn written(&self, n: usize) -> String {
        let number = self.number(n);
        match self {
            Self::Smsc(_) => number[1..].to_owned(),
            Self::Ismg(_) => number[3..].to_owned(),
        }
    }

    pub fn counters(&self) -> &Counters {
        on!(self, peer => peer.counters())
    }

    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        on!(self, peer => peer.script(change));
    }

    pub fn messages(&self) -> HashMap<(String, String), usize> {
        on!(self, peer => peer.messages())
    }

    pub fn repeated(&self) -> usize {
        on!(self, peer => peer.repeated())
    }

    /// What the n-th person wrote, as one frame for each segment of so many UTF-16 units.
    pub fn written_by(&self, n: usize, text: &str, reference: u8, units: usize) -> Vec<Vec<u8>> {
        match self {
            Self::Smsc(_) => {
                smsc::from_person(&self.written(n), "36179", text, reference, units, smsc::Joined::Header8)
            }
            Self::Ismg(peer) => peer.long_from(&self.written(n), text, reference, units),
        }
    }

    /// What the n-th person wrote, in one frame.
    pub fn word_of(&self, n: usize, text: &str) -> Vec<u8> {
        match self {
            Self::Smsc(_) => smsc::deliver(&self.written(n), "36179", 0, 0, text.as_bytes(), &[]),
            Self::Ismg(peer) => peer.text_from(&self.written(n), text, 0),
        }
    }

    /// A receipt about no message.
    pub fn receipt_of_nothing(&self, number: usize) -> Vec<u8> {
        match self {
            Self::Smsc(_) => smsc::deliver(
                &self.written(0),
                "36179",
                0x04,
                0,
                format!("id:77{number} stat:DELIVRD").as_bytes(),
                &[],
            ),
            Self::Ismg(peer) => peer.report_of_nothing(number as u64 + 77),
        }
    }

    /// Connections that may be told something.
    pub fn ready(&self) -> Vec<Arc<Link>> {
        let links = on!(self, peer => peer.links());
        links.into_iter().filter(|link| link.is_ready()).collect()
    }

    /// See [`Peer::tell_named`].
    pub fn tell_named(&self, link: &Link, name: u64, frame: &[u8]) {
        on!(self, peer => peer.tell_named(link, name, frame.to_vec()));
    }

    /// See [`Peer::fates`].
    pub fn fates(&self) -> Vec<(u64, Fate)> {
        on!(self, peer => peer.fates())
    }

    /// Tells something by itself, on any connection.
    pub fn tell(&self, frame: &[u8]) {
        on!(self, peer => peer.tell(frame.to_vec()));
    }

    /// The same on this connection, counted from 0.
    pub fn tell_on(&self, link: usize, frame: &[u8]) {
        on!(self, peer => peer.tell_on(link, frame.to_vec()));
    }

    /// How many submits came on every so many connections; none for 0.
    pub fn on_links(&self, every: usize) -> usize {
        let submits = on!(self, peer => peer.submits());
        submits.iter().filter(|submit| every > 0 && submit.link.is_multiple_of(every)).count()
    }

    pub fn untold(&self) -> usize {
        on!(self, peer => peer.untold())
    }

    pub fn cut(&self) {
        on!(self, peer => peer.cut());
    }

    pub fn close_door(&self, is_closed: bool) {
        on!(self, peer => peer.close_door(is_closed));
    }

    /// Connections that are up.
    pub fn links(&self) -> usize {
        on!(self, peer => peer.links().len())
    }

    /// Writes these octets on every connection, as they are.
    pub fn write(&self, octets: &[u8]) {
        on!(self, peer => peer.write(octets));
    }

    pub fn cut_at(&self, nth: usize, how: Cut) {
        on!(self, peer => peer.cut_at(nth, how));
    }

    /// The kinds of garbage that it can write.
    pub fn garbage(&self) -> &'static [&'static str] {
        match self {
            Self::Smsc(_) => &smsc::GARBAGE,
            Self::Ismg(_) => &ismg::GARBAGE,
        }
    }

    pub fn babble(&self, kind: &str) {
        on!(self, peer => peer.babble(kind));
    }

    /// Waits until this holds.
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let give_up = Instant::now() + LAST_RESORT;
        while !holds(self) {
            assert!(
                Instant::now() < give_up,
                "never happened: {what}; {:?}; {:?}",
                self.counters(),
                on!(self, peer => peer.complaints())
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn load(counter: &std::sync::atomic::AtomicUsize) -> usize {
    counter.load(std::sync::atomic::Ordering::SeqCst)
}

/// A desk whose every limit is out of the way, before this gateway. A segment costs a cent.
pub fn desk(gateway: &Gateway, session: &str) -> Desk {
    Desk::new(&format!(
        "{WIDE}bulk_max = 20000\nprice_when_unknown = \"0.01\"\n[send]\nbulk_wait = \"50ms\"\nconcurrency = \
         256\n{}",
        gateway.settings(session)
    ))
}

/// An agent at a server process of its own. Dropping it kills the process with SIGKILL.
pub struct Agent {
    server: RawStdio,
    next: u64,
}

impl Agent {
    pub fn start(desk: &Desk, log: &str) -> Self {
        Self::start_with(desk, log, &[])
    }

    /// As [`Agent::start`], with these settings in the environment.
    pub fn start_with(desk: &Desk, log: &str, settings: &[(&str, &str)]) -> Self {
        let server = RawStdio::start(desk, Era::Stateless, |command| {
            command.args(["--log", log]).envs(settings.iter().copied());
        });
        Self { server, next: 0 }
    }

    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Calls a tool: its answer, or its error.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.begin(tool, &arguments);
        self.answer()
    }

    /// The answer, or the error, to what was called last.
    pub fn answer(&mut self) -> Value {
        self.answer_among(&mut Vec::new())
    }

    /// The same; what else was answered before it goes to `beside`.
    fn answer_among(&mut self, beside: &mut Vec<Value>) -> Value {
        let answer = self.server.answer_to(self.next, beside);
        let result = &answer["result"];
        match &result["structuredContent"] {
            Value::Null => serde_json::from_str(
                result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}")),
            )
            .unwrap(),
            content => content.clone(),
        }
    }

    /// What the server has said by now, as it stands on the wire.
    pub fn heard(&self) -> Vec<Value> {
        std::iter::from_fn(|| self.server.next(Duration::ZERO)).collect()
    }

    /// Calls a tool and does not wait: the call's id.
    pub fn begin(&mut self, tool: &str, arguments: &Value) -> u64 {
        self.next += 1;
        self.server.send(&tool_call(Era::Stateless, self.next, tool, arguments));
        self.next
    }

    /// How many messages of a bulk are in which state.
    pub fn counts(&mut self, batch: &Value) -> HashMap<String, usize> {
        self.counts_among(batch, &mut Vec::new())
    }

    /// The same; what else was answered before it goes to `beside`.
    pub fn counts_among(&mut self, batch: &Value, beside: &mut Vec<Value>) -> HashMap<String, usize> {
        self.begin("get_status", &json!({ "id": batch }));
        let status = self.answer_among(beside);
        let counts = status["bulk"]["counts"].as_object().unwrap_or_else(|| panic!("{status}"));
        counts
            .iter()
            .map(|(state, count)| (state.clone(), usize::try_from(count.as_u64().unwrap()).unwrap()))
            .collect()
    }

    /// Waits until this many messages of a bulk are in one of these states.
    pub fn until(&mut self, batch: &Value, states: &[&str], count: usize) -> HashMap<String, usize> {
        let mut last = HashMap::new();
        let mut quiet_since = Instant::now();
        loop {
            let counts = self.counts(batch);
            if states.iter().filter_map(|state| counts.get(*state)).sum::<usize>() >= count {
                return counts;
            }
            if counts != last {
                (last, quiet_since) = (counts, Instant::now());
            }
            assert!(Instant::now() < quiet_since + LAST_RESORT, "{count} are never {states:?}: {last:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Every message of the ledger: recipient and state.
    pub fn listed(&mut self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        let mut cursor = Value::Null;
        loop {
            let page = self.call("list_sms", json!({ "limit": 100, "cursor": cursor }));
            for message in page["messages"].as_array().unwrap_or_else(|| panic!("{page}")) {
                let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
                all.push((text("to"), text("status")));
            }
            match page.get("next_cursor") {
                Some(next) => cursor = next.clone(),
                None => return all,
            }
        }
    }

    /// Ends the process in good order; what it logged.
    pub fn finish(self) -> String {
        self.server.finish()
    }

    /// The same where it may have ended by itself, since the ledger was locked for too long as it started:
    /// whether it did.
    pub fn finish_or_locked(self) -> bool {
        let (is_good, log) = self.server.end();
        assert!(is_good || log.contains("database is locked"), "{log}");
        !is_good
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.server.has_ended()
    }
}

/// A bulk to the first `count` recipients, each with a text of its own.
pub fn bulk(gateway: &Gateway, count: usize, round: usize) -> Value {
    let recipients: Vec<Value> =
        (0..count).map(|n| json!({ "to": gateway.number(n), "data": { "n": n.to_string() } })).collect();
    json!({ "recipients": recipients, "message": format!("Round {round}, intent {{{{n}}}}"), "idempotency_key": format!("bulk {round}") })
}

/// A sequence of numbers that look random; the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % end
    }
}

/// What a scene ended with. All but the first five must be 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Messages that were accepted.
    pub accepted: usize,
    /// Of these, delivered.
    pub delivered: usize,
    /// Of these, unknown.
    pub unknown: usize,
    /// Kills or cuts in the middle of the work.
    pub midway: usize,
    /// The longest time until a bind was up again, after a cut.
    pub longest_ms: u128,
    /// Messages that reached the gateway more than once.
    pub twice: usize,
    /// Accepted, and in no final state and not unknown.
    pub unsettled: usize,
    /// Reached the gateway, and the ledger says that they were not sent.
    pub denied: usize,
    /// Said to be delivered, and never reached the gateway.
    pub invented: usize,
    /// Reached the gateway, and are not in the ledger.
    pub unlisted: usize,
    /// Millionths of money that are not where they belong.
    pub astray: i64,
}

impl Tally {
    /// Whether every promise was kept.
    pub fn is_kept(&self) -> bool {
        (self.twice, self.unsettled, self.denied, self.invented, self.unlisted, self.astray)
            == (0, 0, 0, 0, 0, 0)
    }

    pub fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.delivered += other.delivered;
        self.unknown += other.unknown;
        self.midway += other.midway;
        self.longest_ms = self.longest_ms.max(other.longest_ms);
        self.twice += other.twice;
        self.unsettled += other.unsettled;
        self.denied += other.denied;
        self.invented += other.invented;
        self.unlisted += other.unlisted;
        self.astray += other.astray;
    }
}

/// Money as millionths.
fn micros(amount: &Value) -> i64 {
    let text = amount.as_str().unwrap_or_else(|| panic!("no amount: {amount}"));
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<i64>().unwrap() * 1_000_000 + format!("{rest:0<6}").parse::<i64>().unwrap()
}

/// Compares the ledger with what reached the gateway. Each recipient was meant to get one message.
fn tally(gateway: &Gateway, agent: &mut Agent, count: usize) -> Tally {
    let by_number: HashMap<String, String> =
        (0..count).map(|n| (gateway.number(n), gateway.written(n))).collect();
    let ledger: HashMap<String, String> =
        agent.listed().into_iter().map(|(to, state)| (by_number[&to].clone(), state)).collect();
    let reached: HashSet<String> = gateway.messages().into_keys().map(|(to, _)| to).collect();
    let of = |states: &[&str]| ledger.values().filter(|state| states.contains(&state.as_str())).count();
    let balance = agent.call("get_balance", json!({}));
    let budgets = balance["budgets"].as_array().unwrap();
    let day = budgets.iter().find(|budget| budget["scope"] == "day").unwrap_or_else(|| panic!("{balance}"));
    let (spent, held) = (micros(&day["spent"]), micros(&day["held"]));
    let (charged, unknown) = (of(&["delivered", "sent"]), of(&["unknown"]));
    let cents = |count: usize| i64::try_from(count).unwrap() * 10_000;
    let is_denied = |to: &&String| {
        ledger.get(*to).is_some_and(|state| !["delivered", "sent", "unknown"].contains(&state.as_str()))
    };
    Tally {
        accepted: ledger.len(),
        delivered: of(&["delivered"]),
        unknown,
        midway: 0,
        longest_ms: 0,
        twice: gateway.repeated(),
        unsettled: of(&["queued", "attempting", "sent", "held"]),
        denied: reached.iter().filter(is_denied).count(),
        invented: ledger.iter().filter(|(to, state)| *state == "delivered" && !reached.contains(*to)).count(),
        unlisted: reached.iter().filter(|to| !ledger.contains_key(*to)).count(),
        astray: (spent - cents(charged)).abs() + (held - cents(unknown)).abs(),
    }
}

/// A bulk whose process is killed with SIGKILL somewhere in the middle of it; a second process goes on with
/// it.
pub fn kill(protocol: Protocol, seed: u64, count: usize) -> Tally {
    let mut dice = Dice::new(seed);
    let gateway = Gateway::start(protocol);
    gateway.script(|script| script.delay = Duration::from_millis(4));
    let desk = desk(&gateway, "window = 16");
    let mut agent = Agent::start(&desk, "error");
    let bulk = bulk(&gateway, count, 1);
    agent.begin("send_bulk", &bulk);
    let after = dice.below(count * 9 / 10);
    gateway.until("the bulk comes", |gateway| load(&gateway.counters().taken) > after);
    std::thread::sleep(Duration::from_micros(u64::try_from(dice.below(5_000)).unwrap()));
    drop(agent);
    let midway = usize::from(load(&gateway.counters().taken) < count);
    let mut agent = Agent::start(&desk, "error");
    let answer = agent.call("send_bulk", bulk);
    agent.until(&answer["batch"], &["delivered", "unknown", "failed", "rejected", "expired"], count);
    gateway.until("every receipt is thanked for", |gateway| gateway.untold() == 0);
    let tally = Tally { midway, ..tally(&gateway, &mut agent, count) };
    agent.finish();
    tally
}

/// A bulk during which the link is cut so many times.
pub fn cut(protocol: Protocol, seed: u64, count: usize, cuts: usize) -> Tally {
    let mut dice = Dice::new(seed);
    let gateway = Gateway::start(protocol);
    let desk = desk(&gateway, "window = 16\nkeep_alive = \"2s\"");
    let mut agent = Agent::start(&desk, "error");
    let bulk = bulk(&gateway, count, 1);
    agent.begin("send_bulk", &bulk);
    let (mut midway, mut longest) = (0, 0);
    // A cut loses up to a window of requests that the gateway never reads: so many never come.
    let each = (count - cuts * 16) / (cuts + 1);
    for n in 0..cuts {
        let at = n * each + dice.below(each);
        gateway.until("the bulk comes", |gateway| load(&gateway.counters().taken) > at);
        let (connections, binds) = (load(&gateway.counters().connections), load(&gateway.counters().binds));
        match dice.below(3) {
            0 => gateway.cut(),
            1 => gateway.cut_at(1 + dice.below(9), Cut::BeforeAnswer),
            _ => gateway.cut_at(1 + dice.below(9), Cut::AfterAnswer),
        }
        midway += usize::from(load(&gateway.counters().taken) < count);
        let began = Instant::now();
        gateway.until("it connects again", |gateway| {
            load(&gateway.counters().binds) > binds && load(&gateway.counters().connections) > connections
        });
        longest = longest.max(began.elapsed().as_millis());
    }
    let answer = agent.answer();
    agent.until(&answer["batch"], &["delivered", "unknown", "failed", "rejected", "expired"], count);
    gateway.until("every receipt is thanked for", |gateway| gateway.untold() == 0);
    let tally = Tally { midway, longest_ms: longest, ..tally(&gateway, &mut agent, count) };
    agent.finish();
    tally
}

/// Every kind of garbage, each followed by sends until one is delivered: how many kinds, and how long that
/// took at most. The log must know of no panic.
pub fn garbage(protocol: Protocol) -> (usize, Duration) {
    let gateway = Gateway::start(protocol);
    let desk = desk(&gateway, "answer_timeout = \"1s\"\nkeep_alive = \"1s\"\nlink_wait = \"2s\"");
    let mut agent = Agent::start(&desk, "warn");
    let mut next = 0;
    let mut longest = Duration::ZERO;
    let mut send_until_sent = |agent: &mut Agent, what: &str| {
        let began = Instant::now();
        found(&format!("something is sent after {what}"), || {
            next += 1;
            let answer = agent.call(
                "send_sms",
                json!({ "to": gateway.number(next), "message": format!("after {what} {next}") }),
            );
            ["sent", "delivered"]
                .contains(&answer["status"].as_str().unwrap_or_default())
                .then(|| began.elapsed())
        })
    };
    send_until_sent(&mut agent, "nothing");
    for kind in gateway.garbage() {
        gateway.babble(kind);
        longest = longest.max(send_until_sent(&mut agent, kind));
    }
    assert_eq!(gateway.repeated(), 0);
    let log = agent.finish();
    assert!(!log.contains("panic"), "{log}");
    (gateway.garbage().len(), longest)
}

/// Memory of a process, in MiB, by its name in `/proc`: now (`VmRSS`), or the most so far (`VmHWM`). Linux
/// only.
pub fn memory_mib(pid: u32, name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

/// Bulks of `count` until every receipt is in the ledger: messages a second of each, and the memory after it.
pub fn throughput(
    protocol: Protocol,
    count: usize,
    rounds: usize,
    mut show: impl FnMut(usize, f64, Option<f64>, Option<f64>),
) {
    let gateway = Gateway::start(protocol);
    gateway.script(|script| script.keep = Keep::Counts);
    let desk = desk(&gateway, "window = 100");
    let mut agent = Agent::start(&desk, "error");
    for round in 1..=rounds {
        let bulk = bulk(&gateway, count, round);
        let began = Instant::now();
        let answer = agent.call("send_bulk", bulk);
        assert_eq!(answer["accepted"], json!(count), "{answer}");
        agent.until(&answer["batch"], &["delivered"], count);
        let rate = count as f64 / began.elapsed().as_secs_f64();
        show(round, rate, memory_mib(agent.pid(), "VmRSS:"), memory_mib(agent.pid(), "VmHWM:"));
    }
    assert_eq!(gateway.repeated(), 0, "each once");
    agent.finish();
}
