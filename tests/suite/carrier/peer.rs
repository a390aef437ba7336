//! What both mock gateways share: a socket on this machine, a script of what goes wrong, and a log of what
//! came.
//!
//! A [`Tongue`] knows one protocol's octets: it reads each frame, complains about what the protocol does not
//! allow, and answers. Between it and the wire stands the [`Script`]: it decides whether a submit is taken,
//! throttled, left without an answer or cut off, when its answer goes out, and what becomes of its receipt. A
//! [`Peer`] that is dropped with complaints fails its test. A receipt that nobody has thanked for is told
//! again on the next connection, as gateways do.
//!
//! Each connection has a thread that reads all that came, and writes all its answers at once; one more thread
//! keeps what is to happen later. Neither waits for the other, so that figures can be measured against it.

use std::cmp::Reverse;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::hash::{Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::LAST_RESORT;

/// How many complaints are kept: the first ones say it.
const COMPLAINTS: usize = 20;

/// How long a receipt that was answered with "later" rests before it is told again.
const TOLD_AGAIN_AFTER: Duration = Duration::from_millis(40);

/// How long answers are held at most for being reordered.
const HELD: Duration = Duration::from_millis(15);

/// How many answers are reordered together.
const HELD_ANSWERS: usize = 4;

/// Requests of our own with such numbers are garbage: whatever the client answers is right.
pub const FORGED: u32 = 0x0700_0000;

/// The octets of one protocol.
pub trait Tongue: Send + Sync + Sized + 'static {
    /// What is kept of one connection.
    type Bind: Default + Send;
    /// Octets of the shortest frame: its header.
    const HEADER: usize;
    /// Octets of the longest frame.
    const LONGEST: usize;
    /// Where the sequence number stands.
    const SEQUENCE_AT: usize;

    /// Reads one whole frame and answers it.
    fn hear(&self, talk: &mut Talk<'_, Self>, frame: &[u8]);
}

/// When a receipt is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipts {
    /// Never.
    None,
    /// Before the answer to its submit.
    Early,
    /// Right behind the answer.
    AtOnce,
    /// So long after the submit.
    After(Duration),
}

/// What the gateway does with submits and binds. A count of 0 is "never".
#[derive(Clone, Debug)]
pub struct Script {
    /// Every so many submits are throttled.
    pub throttle_every: usize,
    /// What is over so many submits in one second is throttled.
    pub throttle_over_per_second: usize,
    /// Every so many submits are taken and never answered.
    pub mute_every: usize,
    /// Every so many submits are refused with `status`.
    pub refuse_every: usize,
    /// The status of what is refused.
    pub status: u32,
    /// An answer that refuses has no body.
    pub is_header_only: bool,
    /// How long an answer takes.
    pub delay: Duration,
    /// Recipients, as the gateway is told them, whose submits are always refused with `full_status`.
    pub full: Arc<HashSet<String>>,
    /// The status of that.
    pub full_status: u32,
    /// On every so many connections submits are taken and never answered; the rest of it is as usual.
    pub mute_links: usize,
    /// On every so many connections an answer takes `slow_delay`.
    pub slow_links: usize,
    /// See `slow_links`.
    pub slow_delay: Duration,
    /// Answers come in another order.
    pub reorder: bool,
    /// When receipts are told.
    pub receipts: Receipts,
    /// Each receipt is told twice.
    pub receipts_twice: bool,
    /// Receipts are told latest first.
    pub receipts_reversed: bool,
    /// Receipts without thanks at a time, on one connection.
    pub receipt_window: usize,
    /// A receipt that is not thanked for is told again after this.
    pub resend_after: Option<Duration>,
    /// What the receipts say.
    pub stat: String,
    /// The answer to a bind; 0 takes it where the credentials are right.
    pub bind_status: u32,
    /// Binds get no answer.
    pub is_bind_mute: bool,
    /// Submits are heard, not taken, and the connection is cut.
    pub is_deaf: bool,
    /// How answers are spoilt.
    pub spoil: Option<Spoil>,
    /// What is kept of submits.
    pub keep: Keep,
}

/// How the answers to submits and binds are spoilt. The submit was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// Half of it, and the connection is cut.
    Half,
    /// Octets that are no frame.
    Noise,
    /// A frame that never ends.
    Huge,
}

/// What is kept of submits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Each with its text.
    All,
    /// How often each came.
    Counts,
    /// How many there were: the memory does not grow.
    Nothing,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            throttle_every: 0,
            throttle_over_per_second: 0,
            mute_every: 0,
            refuse_every: 0,
            status: 0,
            is_header_only: false,
            delay: Duration::ZERO,
            full: Arc::default(),
            full_status: 0,
            mute_links: 0,
            slow_links: 0,
            slow_delay: Duration::ZERO,
            reorder: false,
            receipts: Receipts::AtOnce,
            receipts_twice: false,
            receipts_reversed: false,
            receipt_window: 100,
            resend_after: None,
            stat: "DELIVRD".to_owned(),
            bind_status: 0,
            is_bind_mute: false,
            is_deaf: false,
            spoil: None,
            keep: Keep::All,
        }
    }
}

/// One submit that was taken, or may have been: it reached the gateway, and was not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submit {
    /// Which connection it came on, from 1.
    pub link: usize,
    /// The recipients as they were written.
    pub to: Vec<String>,
    /// The sender as it was written.
    pub from: String,
    /// The text of this segment.
    pub text: String,
    /// Reference, number of segments, and this one's, from 1.
    pub part: Option<Part>,
    /// How the text was written, by the protocol's own number.
    pub coding: u8,
    /// The gateway's id as it was answered.
    pub id: String,
    /// Whether a receipt was asked for.
    pub wants_receipt: bool,
    /// The rest of it, by the protocol's names for its fields.
    pub fields: Vec<(&'static str, String)>,
}

/// Which segment of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    pub reference: u16,
    pub total: u8,
    pub number: u8,
}

/// What becomes of a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken and answered.
    Take,
    /// Taken, and never answered.
    Mute,
    /// Not taken, and the connection is cut.
    Drop,
    /// "Not now".
    Throttle,
    /// Refused with this status.
    Refuse(u32),
}

/// Where the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// When the submit was taken, without its answer.
    BeforeAnswer,
    /// When its answer was written.
    AfterAnswer,
}

/// What became of something that was told under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was thanked for.
    Taken,
    /// It was answered with "later".
    Later,
    /// Its connection ended before an answer was heard.
    Cut,
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that were made.
    pub connections: AtomicUsize,
    /// Binds that were answered with yes.
    pub binds: AtomicUsize,
    /// Submits that came, whatever became of them.
    pub asked: AtomicUsize,
    /// Submits that were taken.
    pub taken: AtomicUsize,
    /// Submits that were throttled or refused.
    pub refused: AtomicUsize,
    /// Receipts and messages of people that were told, each as often as it was.
    pub told: AtomicUsize,
    /// Those that were thanked for.
    pub thanked: AtomicUsize,
    /// Those that were answered with "later".
    pub postponed: AtomicUsize,
    /// Questions "are you there" of the client.
    pub pings: AtomicUsize,
    /// Answers of the client to ours.
    pub pongs: AtomicUsize,
    /// Orderly farewells of the client.
    pub byes: AtomicUsize,
    /// Most submits without an answer on one connection.
    pub most_open: AtomicUsize,
}

/// One connection.
pub struct Link {
    /// From 1.
    pub number: usize,
    write: Mutex<TcpStream>,
    sequence: AtomicU32,
    /// Whether it takes receipts.
    pub receives: AtomicBool,
    is_up: AtomicBool,
    told: Mutex<HashMap<u32, Vec<u8>>>,
    /// The names of what was told under one, by its sequence number.
    named: Mutex<HashMap<u32, u64>>,
    /// Whether thanks are not heard any more.
    is_deaf: AtomicBool,
    held: Mutex<Vec<Vec<u8>>>,
    open: AtomicUsize,
}

impl Link {
    /// Writes octets as they are.
    pub fn say(&self, octets: &[u8]) {
        if !octets.is_empty() && lock(&self.write).write_all(octets).is_err() {
            self.cut();
        }
    }

    /// Ends it now.
    pub fn cut(&self) {
        self.is_up.store(false, Ordering::SeqCst);
        let _ = lock(&self.write).shutdown(Shutdown::Both);
    }

    /// Whether it is up and takes receipts.
    pub fn is_ready(&self) -> bool {
        self.receives.load(Ordering::SeqCst) && self.is_up.load(Ordering::SeqCst)
    }

    /// Hears no thanks from now on: those that come until it is cut are lost.
    pub fn turn_deaf(&self) {
        self.is_deaf.store(true, Ordering::SeqCst);
    }

    /// The next number for a request of our own.
    pub fn next_sequence(&self) -> u32 {
        self.sequence.fetch_add(1, Ordering::SeqCst)
    }

    fn answered(&self, count: usize) {
        self.open.fetch_sub(count, Ordering::SeqCst);
    }
}

/// What happens later.
enum Job {
    Write(Arc<Link>, Vec<u8>, usize),
    Tell(Vec<Vec<u8>>),
    Flush(Arc<Link>),
    Resend(Arc<Link>, u32),
}

struct Later(Instant, u64, Job);

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}

impl Eq for Later {}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// What the threads of a gateway share.
pub struct Shared<T: Tongue> {
    pub tongue: T,
    pub counters: Counters,
    script: Mutex<Arc<Script>>,
    links: Mutex<Vec<Arc<Link>>>,
    submits: Mutex<Vec<Submit>>,
    counts: Mutex<HashMap<u64, u32>>,
    waiting: Mutex<VecDeque<Vec<u8>>>,
    complaints: Mutex<Vec<String>>,
    cut: Mutex<Option<(usize, Cut)>>,
    second: Mutex<(Instant, usize)>,
    later: Mutex<BinaryHeap<Reverse<Later>>>,
    wake: Condvar,
    order: AtomicU64,
    is_closed: AtomicBool,
    is_ending: AtomicBool,
    tape: Mutex<Option<Tape>>,
    fates: Mutex<Vec<(u64, Fate)>>,
}

/// What was written, and by whom, in order.
type Tape = Vec<(Side, Vec<u8>)>;

/// Who wrote something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Gateway,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one thread says and does about the frames of one read.
pub struct Talk<'a, T: Tongue> {
    pub shared: &'a Arc<Shared<T>>,
    pub link: &'a Arc<Link>,
    pub script: Arc<Script>,
    pub bind: &'a mut T::Bind,
    out: Vec<u8>,
    answered: usize,
    late: Vec<u8>,
    late_answers: usize,
    receipts: Vec<Vec<u8>>,
    cut: Option<Cut>,
}

impl<T: Tongue> Talk<'_, T> {
    /// Says that something was done that the protocol does not allow.
    pub fn complain(&self, what: String) {
        self.shared.complain(what);
    }

    /// Writes a frame with the next write.
    pub fn say(&mut self, frame: &[u8]) {
        self.out.extend_from_slice(frame);
    }

    /// Ends the connection when everything that was said is written.
    pub fn leave(&mut self) {
        self.cut = Some(Cut::AfterAnswer);
    }

    /// How long answers take on this connection.
    fn delay(&self) -> Duration {
        let is_slow = self.script.slow_links > 0 && self.link.number.is_multiple_of(self.script.slow_links);
        if is_slow { self.script.slow_delay } else { self.script.delay }
    }

    /// A submit to these came: what becomes of it. `refused` is asked for a status that the gateway refuses
    /// it with by itself.
    pub fn verdict(&mut self, to: &[String], refused: impl FnOnce() -> Option<u32>) -> Verdict {
        let counters = &self.shared.counters;
        let number = counters.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let open = self.link.open.fetch_add(1, Ordering::SeqCst) + 1;
        counters.most_open.fetch_max(open, Ordering::SeqCst);
        let every = |n: usize| n > 0 && number.is_multiple_of(n);
        let script = &self.script;
        if script.is_deaf {
            self.cut = Some(Cut::BeforeAnswer);
            return Verdict::Drop;
        }
        let is_throttled =
            every(script.throttle_every) || self.shared.is_over(script.throttle_over_per_second);
        let is_full = to.iter().any(|to| script.full.contains(to));
        let own = || {
            if is_full {
                Some(script.full_status)
            } else {
                every(script.refuse_every).then_some(script.status)
            }
        };
        let refused =
            if is_throttled { Some(Verdict::Throttle) } else { refused().or_else(own).map(Verdict::Refuse) };
        if let Some(refused) = refused {
            counters.refused.fetch_add(1, Ordering::SeqCst);
            return refused;
        }
        counters.taken.fetch_add(1, Ordering::SeqCst);
        let mut planned = lock(&self.shared.cut);
        if let Some((left, how)) = &mut *planned {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.cut = Some(*how);
                let how = *how;
                *planned = None;
                return if how == Cut::BeforeAnswer { Verdict::Mute } else { Verdict::Take };
            }
        }
        let is_mute = script.mute_links > 0 && self.link.number.is_multiple_of(script.mute_links);
        if is_mute || every(script.mute_every) { Verdict::Mute } else { Verdict::Take }
    }

    /// Notes a submit that was taken.
    pub fn note(&self, submit: impl FnOnce() -> Submit) {
        match self.script.keep {
            Keep::All => lock(&self.shared.submits).push(submit()),
            Keep::Counts => {
                let submit = submit();
                let mut hasher = DefaultHasher::new();
                (&submit.to, &submit.text, submit.part.map(|part| part.number)).hash(&mut hasher);
                *lock(&self.shared.counts).entry(hasher.finish()).or_insert(0) += 1;
            }
            Keep::Nothing => {}
        }
    }

    /// Answers a submit as the script says: at once, late, or in another order.
    pub fn answer(&mut self, frame: &[u8]) {
        if self.script.spoil.is_some() {
            self.answered += 1;
            self.greet(frame);
        } else if self.script.reorder {
            let mut held = lock(&self.link.held);
            held.push(frame.to_vec());
            if held.len() == 1 {
                self.shared.later(HELD, Job::Flush(Arc::clone(self.link)));
            }
            if held.len() >= HELD_ANSWERS {
                self.answered += held.len();
                for frame in held.drain(..).rev() {
                    self.out.extend_from_slice(&frame);
                }
            }
        } else if self.delay().is_zero() {
            self.out.extend_from_slice(frame);
            self.answered += 1;
        } else {
            self.late.extend_from_slice(frame);
            self.late_answers += 1;
        }
    }

    /// Answers a bind, or a submit whose answer the script spoils.
    pub fn greet(&mut self, frame: &[u8]) {
        match self.script.spoil {
            None => self.say(frame),
            Some(Spoil::Half) => {
                self.say(&frame[..frame.len() / 2]);
                self.leave();
            }
            Some(Spoil::Noise) => self.say(&[0xa7; 64]),
            Some(Spoil::Huge) => {
                self.say(&10_000_000_u32.to_be_bytes());
                self.say(&frame[4..]);
                self.say(&[0; 100_000]);
            }
        }
    }

    /// Leaves a submit without an answer.
    pub fn stay_silent(&self) {
        self.link.answered(1);
    }

    /// Tells a receipt as the script says. Its sequence number is filled in when it goes out.
    pub fn tell(&mut self, frame: Vec<u8>) {
        let twice = self.script.receipts_twice.then(|| frame.clone());
        for frame in std::iter::once(frame).chain(twice) {
            match self.script.receipts {
                Receipts::None => {}
                Receipts::Early => {
                    lock(&self.shared.waiting).push_back(frame);
                    if self.link.receives.load(Ordering::SeqCst) {
                        self.shared.pump_into(self.link, &mut self.out);
                    } else {
                        self.shared.pump();
                    }
                }
                Receipts::AtOnce | Receipts::After(_) => self.receipts.push(frame),
            }
        }
    }

    /// What was told with this number and not thanked for yet.
    pub fn told(&self, sequence: u32) -> Option<Vec<u8>> {
        lock(&self.link.told).get(&sequence).cloned()
    }

    /// The client answered what was told it.
    pub fn thanked(&self, sequence: u32, is_taken: bool) {
        let counters = &self.shared.counters;
        if self.link.is_deaf.load(Ordering::SeqCst) {
            return;
        }
        let name = lock(&self.link.named).remove(&sequence);
        if let Some(name) = name {
            lock(&self.shared.fates).push((name, if is_taken { Fate::Taken } else { Fate::Later }));
        }
        match lock(&self.link.told).remove(&sequence) {
            Some(_) if is_taken => _ = counters.thanked.fetch_add(1, Ordering::SeqCst),
            Some(frame) => {
                counters.postponed.fetch_add(1, Ordering::SeqCst);
                if name.is_some() {
                    return;
                }
                self.shared.later(TOLD_AGAIN_AFTER, Job::Tell(vec![frame]));
            }
            None if self.script.resend_after.is_some() || sequence >= FORGED => {}
            None => self.complain(format!("thanks with number {sequence}, which nothing had")),
        }
    }

    /// The client may be told receipts from now on.
    pub fn receives(&self) {
        self.link.receives.store(true, Ordering::SeqCst);
    }

    /// Writes everything, and cuts where that was planned.
    fn finish(mut self) -> bool {
        if self.cut == Some(Cut::BeforeAnswer) {
            self.link.cut();
            return false;
        }
        let mut receipts = std::mem::take(&mut self.receipts);
        if self.script.receipts_reversed {
            receipts.reverse();
        }
        match self.script.receipts {
            Receipts::After(wait) if !receipts.is_empty() => self.shared.later(wait, Job::Tell(receipts)),
            _ => lock(&self.shared.waiting).extend(receipts),
        }
        // Nothing stands behind an answer of which only half is written.
        if self.link.receives.load(Ordering::SeqCst) && self.cut.is_none() {
            self.shared.pump_into(self.link, &mut self.out);
        }
        if self.answered > 0 {
            self.link.answered(self.answered);
        }
        if let Some(tape) = &mut *lock(&self.shared.tape) {
            tape.push((Side::Gateway, self.out.clone()));
        }
        self.link.say(&self.out);
        if self.late_answers > 0 {
            let late = std::mem::take(&mut self.late);
            self.shared.later(self.delay(), Job::Write(Arc::clone(self.link), late, self.late_answers));
        }
        if self.cut == Some(Cut::AfterAnswer) {
            self.link.cut();
            return false;
        }
        if !self.link.receives.load(Ordering::SeqCst) && !lock(&self.shared.waiting).is_empty() {
            self.shared.pump();
        }
        true
    }
}

impl<T: Tongue> Shared<T> {
    fn complain(&self, what: String) {
        let mut complaints = lock(&self.complaints);
        if complaints.len() < COMPLAINTS {
            complaints.push(what);
        }
    }

    fn is_over(&self, per_second: usize) -> bool {
        if per_second == 0 {
            return false;
        }
        let mut second = lock(&self.second);
        if second.0.elapsed() >= Duration::from_secs(1) {
            *second = (Instant::now(), 0);
        }
        second.1 += 1;
        second.1 > per_second
    }

    fn later(&self, wait: Duration, job: Job) {
        let number = self.order.fetch_add(1, Ordering::SeqCst);
        lock(&self.later).push(Reverse(Later(Instant::now() + wait, number, job)));
        self.wake.notify_one();
    }

    /// Hands waiting receipts to a connection, as many as its window takes.
    fn pump_into(self: &Arc<Self>, link: &Arc<Link>, out: &mut Vec<u8>) {
        let script = Arc::clone(&lock(&self.script));
        let mut told = lock(&link.told);
        let mut waiting = lock(&self.waiting);
        while told.len() < script.receipt_window {
            let Some(mut frame) = waiting.pop_front() else { return };
            let sequence = link.next_sequence();
            frame[T::SEQUENCE_AT..T::SEQUENCE_AT + 4].copy_from_slice(&sequence.to_be_bytes());
            out.extend_from_slice(&frame);
            told.insert(sequence, frame);
            self.counters.told.fetch_add(1, Ordering::SeqCst);
            if let Some(wait) = script.resend_after {
                self.later(wait, Job::Resend(Arc::clone(link), sequence));
            }
        }
    }

    fn pump(self: &Arc<Self>) {
        let links: Vec<Arc<Link>> = lock(&self.links).clone();
        for link in links
            .iter()
            .filter(|link| link.receives.load(Ordering::SeqCst) && link.is_up.load(Ordering::SeqCst))
        {
            let mut out = Vec::new();
            self.pump_into(link, &mut out);
            link.say(&out);
        }
    }

    fn keep_time(self: &Arc<Self>) {
        loop {
            let mut later = lock(&self.later);
            let now = Instant::now();
            if self.is_ending.load(Ordering::SeqCst) {
                return;
            }
            match later.peek() {
                Some(Reverse(next)) if next.0 <= now => {}
                Some(Reverse(next)) => {
                    let wait = next.0 - now;
                    drop(self.wake.wait_timeout(later, wait));
                    continue;
                }
                None => {
                    drop(self.wake.wait_timeout(later, Duration::from_millis(200)));
                    continue;
                }
            }
            let Some(Reverse(Later(_, _, job))) = later.pop() else { continue };
            drop(later);
            self.execute(job);
        }
    }

    fn execute(self: &Arc<Self>, job: Job) {
        match job {
            Job::Write(link, octets, answers) => {
                link.answered(answers);
                link.say(&octets);
            }
            Job::Tell(frames) => {
                lock(&self.waiting).extend(frames);
                self.pump();
            }
            Job::Flush(link) => {
                let held: Vec<Vec<u8>> = lock(&link.held).drain(..).rev().collect();
                link.answered(held.len());
                link.say(&held.concat());
            }
            Job::Resend(link, sequence) => {
                let frame = lock(&link.told).get(&sequence).cloned();
                if let (Some(frame), true) = (frame, link.is_up.load(Ordering::SeqCst)) {
                    self.counters.told.fetch_add(1, Ordering::SeqCst);
                    link.say(&frame);
                    let wait = lock(&self.script).resend_after.unwrap_or(Duration::from_secs(1));
                    self.later(wait, Job::Resend(link, sequence));
                }
            }
        }
    }

    fn serve(self: &Arc<Self>, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let Ok(writer) = stream.try_clone() else { return };
        let _ = writer.set_write_timeout(Some(Duration::from_secs(20)));
        let link = Arc::new(Link {
            number: self.counters.connections.fetch_add(1, Ordering::SeqCst) + 1,
            write: Mutex::new(writer),
            sequence: AtomicU32::new(1),
            receives: AtomicBool::new(false),
            is_up: AtomicBool::new(true),
            told: Mutex::default(),
            named: Mutex::default(),
            is_deaf: AtomicBool::new(false),
            held: Mutex::default(),
            open: AtomicUsize::new(0),
        });
        lock(&self.links).push(Arc::clone(&link));
        let mut bind = T::Bind::default();
        let mut buffer = vec![0; 1 << 17];
        let mut filled = 0;
        loop {
            match stream.read(&mut buffer[filled..]) {
                Ok(0) | Err(_) => break,
                Ok(count) => filled += count,
            }
            match self.hear_all(&link, &mut bind, &buffer[..filled]) {
                Some(used) => {
                    buffer.copy_within(used..filled, 0);
                    filled -= used;
                }
                None => break,
            }
        }
        link.is_up.store(false, Ordering::SeqCst);
        link.receives.store(false, Ordering::SeqCst);
        let _ = stream.shutdown(Shutdown::Both);
        lock(&self.links).retain(|other| other.number != link.number);
        // What nobody has thanked for is told again on another connection.
        let mut named = lock(&link.named);
        let mut untold = Vec::new();
        for (sequence, frame) in lock(&link.told).drain() {
            match named.remove(&sequence) {
                Some(name) => lock(&self.fates).push((name, Fate::Cut)),
                None => untold.push(frame),
            }
        }
        drop(named);
        if !untold.is_empty() {
            self.later(Duration::ZERO, Job::Tell(untold));
        }
    }

    /// Hears every whole frame of what came; how many octets they were. Nothing where the connection is over.
    fn hear_all(self: &Arc<Self>, link: &Arc<Link>, bind: &mut T::Bind, octets: &[u8]) -> Option<usize> {
        let script = Arc::clone(&lock(&self.script));
        let mut talk = Talk {
            shared: self,
            link,
            script,
            bind,
            out: Vec::with_capacity(octets.len()),
            answered: 0,
            late: Vec::new(),
            late_answers: 0,
            receipts: Vec::new(),
            cut: None,
        };
        let mut used = 0;
        while let Some(first) = octets.get(used..used + 4) {
            let length =
                usize::try_from(u32::from_be_bytes([first[0], first[1], first[2], first[3]])).unwrap();
            if !(T::HEADER..=T::LONGEST).contains(&length) {
                self.complain(format!("a frame of {length} octets"));
                link.cut();
                return None;
            }
            let Some(frame) = octets.get(used..used + length) else { break };
            if let Some(tape) = &mut *lock(&self.tape) {
                tape.push((Side::Client, frame.to_vec()));
            }
            self.tongue.hear(&mut talk, frame);
            used += length;
            if talk.cut.is_some() {
                break;
            }
        }
        talk.finish().then_some(used)
    }
}

/// A mock gateway.
pub struct Peer<T: Tongue> {
    shared: Arc<Shared<T>>,
    address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

impl<T: Tongue> Peer<T> {
    /// Listens on a free port of this machine.
    pub fn start(tongue: T) -> Self {
        let shared = Arc::new(Shared {
            tongue,
            counters: Counters::default(),
            script: Mutex::default(),
            links: Mutex::default(),
            submits: Mutex::default(),
            counts: Mutex::default(),
            waiting: Mutex::default(),
            complaints: Mutex::default(),
            cut: Mutex::default(),
            second: Mutex::new((Instant::now(), 0)),
            later: Mutex::default(),
            wake: Condvar::new(),
            order: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
            tape: Mutex::default(),
            fates: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (door, clock) = (Arc::clone(&shared), Arc::clone(&shared));
        let accept = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if door.is_ending.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                if !door.is_closed.load(Ordering::SeqCst) {
                    let shared = Arc::clone(&door);
                    std::thread::spawn(move || shared.serve(stream));
                }
            }
        });
        let time = std::thread::spawn(move || clock.keep_time());
        Self { shared, address, threads: vec![accept, time] }
    }

    /// `127.0.0.1:PORT`
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn tongue(&self) -> &T {
        &self.shared.tongue
    }

    pub fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Changes the script from the next read on.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        let mut script = lock(&self.shared.script);
        let mut changed = Script::clone(&script);
        change(&mut changed);
        *script = Arc::new(changed);
    }

    /// Every submit that was taken, in order; where the script keeps them.
    pub fn submits(&self) -> Vec<Submit> {
        lock(&self.shared.submits).clone()
    }

    /// How often each message came: recipient, text (its segments joined), times. A message of which segments
    /// are missing has its gaps shown as `[..]`.
    pub fn messages(&self) -> HashMap<(String, String), usize> {
        let mut whole = HashMap::new();
        // By recipient, sender, reference and total.
        type Key = (String, String, u16, u8);
        let mut parts: HashMap<Key, Vec<(u8, String)>> = HashMap::new();
        for submit in lock(&self.shared.submits).iter() {
            for to in &submit.to {
                match submit.part.filter(|part| part.total > 1) {
                    None => *whole.entry((to.clone(), submit.text.clone())).or_insert(0) += 1,
                    Some(part) => {
                        let key = (to.clone(), submit.from.clone(), part.reference, part.total);
                        parts.entry(key).or_default().push((part.number, submit.text.clone()));
                    }
                }
            }
        }
        for ((to, _, _, total), pieces) in parts {
            let times = (1..=total)
                .map(|number| pieces.iter().filter(|piece| piece.0 == number).count())
                .max()
                .unwrap_or_default();
            let text = (1..=total)
                .map(|number| {
                    pieces.iter().find(|piece| piece.0 == number).map_or("[..]", |piece| piece.1.as_str())
                })
                .collect();
            *whole.entry((to, text)).or_insert(0) += times;
        }
        whole
    }

    /// How many submits came more than once, by recipient, text and segment.
    pub fn repeated(&self) -> usize {
        let mut counts = lock(&self.shared.counts).clone();
        for submit in lock(&self.shared.submits).iter() {
            let mut hasher = DefaultHasher::new();
            (&submit.to, &submit.text, submit.part.map(|part| part.number)).hash(&mut hasher);
            *counts.entry(hasher.finish()).or_insert(0) += 1;
        }
        counts.values().filter(|times| **times > 1).count()
    }

    /// Recipients of what was taken, in order, a message of several segments once.
    pub fn recipients(&self) -> Vec<String> {
        let submits = lock(&self.shared.submits);
        submits
            .iter()
            .filter(|submit| submit.part.is_none_or(|part| part.number == 1))
            .flat_map(|submit| submit.to.clone())
            .collect()
    }

    /// Connections that are up.
    pub fn links(&self) -> Vec<Arc<Link>> {
        lock(&self.shared.links).clone()
    }

    /// Cuts every connection now.
    pub fn cut(&self) {
        for link in self.links() {
            link.cut();
        }
    }

    /// Cuts the connection of the submit that is taken so many from now on.
    pub fn cut_at(&self, nth: usize, how: Cut) {
        *lock(&self.shared.cut) = Some((nth, how));
    }

    /// Whether connections are closed at once, those that are open too.
    pub fn close_door(&self, is_closed: bool) {
        self.shared.is_closed.store(is_closed, Ordering::SeqCst);
        if is_closed {
            self.cut();
        }
    }

    /// Tells something by itself, with a sequence number of its own, once somebody takes it.
    pub fn tell(&self, frame: Vec<u8>) {
        lock(&self.shared.waiting).push_back(frame);
        self.shared.pump();
    }

    /// The same on this connection, counted from 0 among those that are up, as soon as it is told.
    pub fn tell_on(&self, link: usize, mut frame: Vec<u8>) {
        let link = Arc::clone(&self.links()[link]);
        let sequence = link.next_sequence();
        frame[T::SEQUENCE_AT..T::SEQUENCE_AT + 4].copy_from_slice(&sequence.to_be_bytes());
        lock(&link.told).insert(sequence, frame.clone());
        self.shared.counters.told.fetch_add(1, Ordering::SeqCst);
        link.say(&frame);
    }

    /// Tells something on this connection under a name. It is not told again: [`Peer::fates`] says what
    /// became of it.
    pub fn tell_named(&self, link: &Link, name: u64, mut frame: Vec<u8>) {
        let sequence = link.next_sequence();
        frame[T::SEQUENCE_AT..T::SEQUENCE_AT + 4].copy_from_slice(&sequence.to_be_bytes());
        lock(&link.named).insert(sequence, name);
        lock(&link.told).insert(sequence, frame.clone());
        self.shared.counters.told.fetch_add(1, Ordering::SeqCst);
        link.say(&frame);
        // It may have ended in between, and then nobody looks at it any more.
        if !link.is_ready() && lock(&link.named).remove(&sequence).is_some() {
            lock(&link.told).remove(&sequence);
            lock(&self.shared.fates).push((name, Fate::Cut));
        }
    }

    /// What became of what was told under a name, since this was asked last.
    pub fn fates(&self) -> Vec<(u64, Fate)> {
        std::mem::take(&mut lock(&self.shared.fates))
    }

    /// Remembers from now on what the client writes, a frame each, and the answers to it, a write each.
    pub fn record(&self) {
        *lock(&self.shared.tape) = Some(Vec::new());
    }

    /// What was remembered, in order.
    pub fn recorded(&self) -> Vec<(Side, Vec<u8>)> {
        lock(&self.shared.tape).clone().unwrap_or_default()
    }

    /// How many receipts were not thanked for yet.
    pub fn untold(&self) -> usize {
        let waiting = lock(&self.shared.waiting).len();
        waiting + self.links().iter().map(|link| lock(&link.told).len()).sum::<usize>()
    }

    /// Writes these octets on every connection, as they are.
    pub fn write(&self, octets: &[u8]) {
        for link in self.links() {
            link.say(octets);
        }
    }

    /// What was done that the protocol does not allow.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.shared.complaints).clone()
    }

    /// Returns the complaints and forgets them.
    pub fn forgive(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.shared.complaints))
    }

    /// Forgets what came.
    pub fn forget(&self) {
        lock(&self.shared.submits).clear();
        lock(&self.shared.counts).clear();
    }

    /// Waits until this holds.
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let give_up = Instant::now() + LAST_RESORT;
        while !holds(self) {
            assert!(
                Instant::now() < give_up,
                "never happened: {what}; {:?}; complaints: {:?}",
                self.counters(),
                self.complaints()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl<T: Tongue> Drop for Peer<T> {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::SeqCst);
        self.shared.wake.notify_all();
        let _ = TcpStream::connect(self.address);
        self.cut();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        let complaints = self.complaints();
        if !complaints.is_empty() && !std::thread::panicking() {
            panic!("the gateway complains: {complaints:#?}");
        }
    }
}

/// Reads fields one after the other, and remembers what was wrong with them.
pub struct Fields<'a> {
    octets: &'a [u8],
    pub wrong: Vec<String>,
}

impl<'a> Fields<'a> {
    pub fn new(octets: &'a [u8]) -> Self {
        Self { octets, wrong: Vec::new() }
    }

    /// So many octets.
    pub fn take(&mut self, name: &str, count: usize) -> &'a [u8] {
        if self.octets.len() < count {
            self.wrong.push(format!("{name}: {} octets are left of {count}", self.octets.len()));
            return std::mem::take(&mut self.octets);
        }
        let (taken, rest) = self.octets.split_at(count);
        self.octets = rest;
        taken
    }

    pub fn octet(&mut self, name: &str) -> u8 {
        self.take(name, 1).first().copied().unwrap_or_default()
    }

    pub fn word(&mut self, name: &str) -> u32 {
        self.take(name, 4).iter().fold(0, |word, octet| word << 8 | u32::from(*octet))
    }

    /// Text that ends with a NUL, which is one of its at most `most` octets.
    pub fn c_string(&mut self, name: &str, most: usize) -> String {
        let Some(end) = self.octets.iter().position(|octet| *octet == 0) else {
            self.wrong.push(format!("{name}: no NUL ends it"));
            self.octets = &[];
            return String::new();
        };
        if end + 1 > most {
            self.wrong.push(format!("{name}: {} octets with its NUL, of {most}", end + 1));
        }
        let text = &self.octets[..end];
        self.octets = &self.octets[end + 1..];
        self.ascii(name, text)
    }

    /// Text of a fixed length, with NULs behind it and no NUL in it.
    pub fn padded(&mut self, name: &str, count: usize) -> String {
        let octets = self.take(name, count);
        let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
        if octets[end..].iter().any(|octet| *octet != 0) {
            self.wrong.push(format!("{name}: something stands behind its NUL"));
        }
        self.ascii(name, &octets[..end])
    }

    fn ascii(&mut self, name: &str, octets: &[u8]) -> String {
        if octets.iter().any(|octet| !(0x20..0x7f).contains(octet)) {
            self.wrong.push(format!("{name}: it is not printable ASCII"));
        }
        String::from_utf8_lossy(octets).into_owned()
    }

    pub fn check(&mut self, is_right: bool, what: impl FnOnce() -> String) {
        if !is_right {
            self.wrong.push(what());
        }
    }

    /// Octets that were not read.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.octets)
    }

    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Nothing may be left.
    pub fn end(&mut self) {
        let left = self.octets.len();
        self.check(left == 0, || format!("{left} octets too many"));
    }
}

/// The information elements of a user data header, which begins with its length: which part of a message this
/// is, and how many octets the header takes.
pub fn header_of(content: &[u8], wrong: &mut Vec<String>) -> (Option<Part>, usize) {
    let octets = usize::from(content.first().copied().unwrap_or_default()) + 1;
    let Some(mut elements) = content.get(1..octets) else {
        wrong.push(format!("a user data header of {octets} octets in {} octets", content.len()));
        return (None, content.len());
    };
    let mut part = None;
    while let [kind, length, rest @ ..] = elements {
        let length = usize::from(*length);
        let Some(value) = rest.get(..length) else {
            wrong.push(format!("information element {kind} is longer than its header"));
            break;
        };
        let found = match (kind, value) {
            (0x00, [reference, total, number]) => {
                Some(Part { reference: u16::from(*reference), total: *total, number: *number })
            }
            (0x08, [high, low, total, number]) => {
                Some(Part { reference: u16::from_be_bytes([*high, *low]), total: *total, number: *number })
            }
            (0x00 | 0x08, _) => {
                wrong.push(format!("information element {kind} of {length} octets"));
                None
            }
            _ => None,
        };
        if let Some(found) = found {
            if found.total == 0 || found.number == 0 || found.number > found.total {
                wrong.push(format!("part {} of {}", found.number, found.total));
            }
            part = Some(found);
        }
        elements = &rest[length..];
    }
    if elements.len() == 1 {
        wrong.push("an information element without a length".to_owned());
    }
    (part, octets)
}

/// Text of UTF-16, big-endian; complains about a pair that was cut.
pub fn utf16(octets: &[u8], wrong: &mut Vec<String>) -> String {
    if octets.len() % 2 == 1 {
        wrong.push(format!("UCS-2 of {} octets", octets.len()));
    }
    let units: Vec<u16> = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).unwrap_or_else(|_| {
        wrong.push("half of a surrogate pair".to_owned());
        String::from_utf16_lossy(&units)
    })
}
