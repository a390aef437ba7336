//! What people write, before a mock gateway and with the whole program: whether each acknowledged word is on
//! record, once and in its order, and whether the last wish holds. Two servers with two binds each share a
//! ledger, which is held locked, and the servers are flooded, stopped and killed meanwhile.
//! `cargo bench --bench whole -- heard` plays it with many people.
//!
//! The gateway tells a person's next text once the former was acknowledged; a segment that was answered with
//! "later", or whose connection ended before thanks were heard, is told again, on any bind. Of some people it
//! goes on meanwhile, as gateways with a queue for what is to be told again do; but not past what nobody may
//! have read, for its order is nobody's to know.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::peer::Fate;
use super::scene::{Agent, Dice, Gateway, Protocol, desk};
use crate::support::{Desk, LAST_RESORT, eventually};

/// How large a history is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// People.
    pub people: usize,
    /// Texts of each.
    pub texts: usize,
    /// The longest pause between two texts of a person.
    pub pause: Duration,
    /// For how long the ledger is held locked at most: a writer waits five seconds for it.
    pub lock: Duration,
    /// Receipts about nothing in a flood.
    pub flood: usize,
}

/// What became of it. Lost, misplaced, too many and wishes must be 0. A word counts as often as it was
/// written and as it is on record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    /// Texts that were acknowledged, all segments of them that were told.
    pub texts: usize,
    /// Of these, some with a segment that was never told.
    pub with_gap: usize,
    /// Tellings that were answered with "later".
    pub later: usize,
    /// Tellings whose connection ended before thanks were heard.
    pub cut: usize,
    pub stops: usize,
    pub kills: usize,
    pub cuts: usize,
    pub locks: usize,
    pub floods: usize,
    /// Servers that could not start, for the ledger was locked, and were started again.
    pub restarts: usize,
    /// Acknowledged more often than it is on record, without a doubt.
    pub lost: usize,
    /// On record, and not in its order, without a doubt.
    pub misplaced: usize,
    /// On record more often than written, without a doubt.
    pub too_many: usize,
    /// People whose last wish does not hold, without a doubt.
    pub wishes: usize,
    /// In doubt: the same word, which may have been the one before it told again, and is not on record beside
    /// it.
    pub merged: usize,
    /// In doubt: on record twice, for nobody knew whether it was told again.
    pub doubled: usize,
    /// In doubt: the order of what was first told to a process that died.
    pub unordered: usize,
    /// In doubt: a STOP that may have been told again, on record after what was written after it. It only
    /// stops more.
    pub stopped_later: usize,
    /// In doubt: stopped, though the last wish was a START; it waits for the operator.
    pub stopped: usize,
}

impl Heard {
    /// Whether every promise was kept.
    pub fn is_kept(&self) -> bool {
        (self.lost, self.misplaced, self.too_many, self.wishes) == (0, 0, 0, 0)
    }

    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.texts, other.texts),
            (&mut self.with_gap, other.with_gap),
            (&mut self.later, other.later),
            (&mut self.cut, other.cut),
            (&mut self.stops, other.stops),
            (&mut self.kills, other.kills),
            (&mut self.cuts, other.cuts),
            (&mut self.locks, other.locks),
            (&mut self.floods, other.floods),
            (&mut self.restarts, other.restarts),
            (&mut self.lost, other.lost),
            (&mut self.misplaced, other.misplaced),
            (&mut self.too_many, other.too_many),
            (&mut self.wishes, other.wishes),
            (&mut self.merged, other.merged),
            (&mut self.doubled, other.doubled),
            (&mut self.unordered, other.unordered),
            (&mut self.stopped_later, other.stopped_later),
            (&mut self.stopped, other.stopped),
        ] {
            *sum += more;
        }
    }
}

/// What the gateway knows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment {
    /// It is to be told from this moment on.
    Due(Instant),
    /// It was told and has no answer.
    Told,
    Thanked,
}

/// A text of a person.
struct Text {
    /// As it is to be on record.
    words: String,
    is_whole: bool,
    frames: Vec<Vec<u8>>,
    segments: Vec<Segment>,
    /// When the first of it was told, and the last.
    first: Option<Instant>,
    last: Option<Instant>,
    /// When the last of it was acknowledged.
    thanked: Option<Instant>,
    /// Whether a telling of it went unanswered because its process died.
    is_in_doubt: bool,
    /// How often thanks for it may have been lost.
    cuts: usize,
    /// Whether thanks for it came so late that some gateways would have told it again by then.
    is_thanked_late: bool,
    /// Whether a telling of it was not taken.
    is_refused: bool,
    /// Whether its connection ended so soon after a telling that nobody may have read it: then nobody knows
    /// its order.
    is_unread: bool,
    /// Whether a telling of it was answered with "later".
    is_later: bool,
}

/// A person, and everything that they write.
struct Person {
    texts: Vec<Text>,
    /// The first that was not begun.
    next: usize,
    not_before: Instant,
    began: Instant,
    /// Whether the gateway goes on while something is to be told again.
    goes_on: bool,
}

impl Person {
    fn new(gateway: &Gateway, dice: &mut Dice, n: usize, size: &Size) -> Self {
        let mut texts = Vec::new();
        for number in 0..size.texts {
            let text = match dice.below(10) {
                0 | 1 => word(gateway, n, "STOP"),
                2 | 3 => word(gateway, n, "START"),
                // Answers to two questions.
                4 => word(gateway, n, "Y"),
                5 => word(gateway, n, &format!("word {number} of {n}")),
                _ => long(gateway, dice, n, number),
            };
            texts.push(text);
        }
        let began = Instant::now();
        Self {
            texts,
            next: 0,
            not_before: began + pause(dice, size.pause),
            began,
            goes_on: dice.below(4) == 0,
        }
    }

    /// Whether everything that was begun is acknowledged, or one may go on.
    fn is_free(&self) -> bool {
        let is_due = |text: &Text| text.segments.iter().any(|segment| matches!(segment, Segment::Due(_)));
        let may_wait = |text: &Text| self.goes_on && text.is_refused && !text.is_unread && is_due(text);
        self.texts[..self.next].iter().all(|text| text.thanked.is_some() || may_wait(text))
    }

    fn is_done(&self) -> bool {
        self.texts.iter().all(|text| text.thanked.is_some())
    }
}

fn text(words: String, is_whole: bool, frames: Vec<Vec<u8>>) -> Text {
    let segments = vec![Segment::Due(Instant::now()); frames.len()];
    Text {
        words,
        is_whole,
        frames,
        segments,
        first: None,
        last: None,
        thanked: None,
        is_in_doubt: false,
        cuts: 0,
        is_thanked_late: false,
        is_later: false,
        is_refused: false,
        is_unread: false,
    }
}

fn word(gateway: &Gateway, n: usize, words: &str) -> Text {
    let mut frame = gateway.word_of(n, words);
    if let (Gateway::Ismg(_), 0) = (gateway, n % 4) {
        // A gateway that gives no ids.
        frame[12..20].fill(0);
    }
    text(words.to_owned(), true, vec![frame])
}

/// A text of two to six segments, of which one may never be told.
fn long(gateway: &Gateway, dice: &mut Dice, n: usize, number: usize) -> Text {
    const UNITS: usize = 24;
    let total = 2 + dice.below(5);
    let mut words = String::new();
    for part in 1..=total {
        let part = format!("{number} of {n}, part {part} 你好");
        words.push_str(&format!("{part:.<UNITS$}"));
    }
    let mut frames = gateway.written_by(n, &words, u8::try_from(number).unwrap(), UNITS);
    assert_eq!(frames.len(), total);
    if dice.below(8) > 0 {
        return text(words, true, frames);
    }
    let missing = dice.below(total);
    frames.remove(missing);
    let units: Vec<char> = words.chars().collect();
    let shown: Vec<String> = units.chunks(UNITS).map(|part| part.iter().collect()).collect();
    let gap = format!("[part {} of {total} missing]", missing + 1);
    let words = [shown[..missing].concat(), gap, shown[missing + 1..].concat()];
    text(words.iter().filter(|piece| !piece.is_empty()).cloned().collect::<Vec<_>>().join(" "), false, frames)
}

fn pause(dice: &mut Dice, longest: Duration) -> Duration {
    longest.mul_f64(dice.below(1_000) as f64 / 1_000.0)
}

/// What disturbed the servers, and when.
#[derive(Default)]
struct Trouble {
    kills: Vec<Instant>,
    /// Any end of a connection.
    ends: Vec<Instant>,
    /// All of it, to be read beside what was broken.
    log: Vec<(Instant, String)>,
    counts: Heard,
}

impl Trouble {
    fn note(&mut self, what: impl Into<String>) {
        self.log.push((Instant::now(), what.into()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ledger(desk: &Desk) -> rusqlite::Connection {
    let ledger = rusqlite::Connection::open(desk.ledger()).unwrap();
    ledger.busy_timeout(LAST_RESORT).unwrap();
    ledger
}

/// Thanks within this time are in time for every gateway.
const PROMPT: Duration = Duration::from_millis(2_900);

/// What was told so long ago is read, also behind a flood before a locked ledger.
const READ: Duration = Duration::from_secs(6);

const SETTINGS: &str = "binds = 2\nreconnect_most = \"300ms\"";

/// Starts each server again that could not start, for the ledger was locked: whoever runs servers does so.
fn start_again(desk: &Desk, servers: &mut [Agent; 2], trouble: &Mutex<Trouble>) {
    for server in servers {
        if server.has_ended() && std::mem::replace(server, Agent::start(desk, "warn")).finish_or_locked() {
            let mut trouble = lock(trouble);
            trouble.counts.restarts += 1;
            trouble.note("started again");
        }
    }
}

/// Disturbs two servers until told to end, and leaves both up.
fn disturb(
    gateway: &Gateway,
    desk: &Desk,
    size: &Size,
    dice: &mut Dice,
    is_over: &AtomicBool,
    trouble: &Mutex<Trouble>,
) -> [Agent; 2] {
    let start = || Agent::start(desk, "warn");
    let mut servers = [start(), start()];
    gateway.until("four binds", |gateway| gateway.ready().len() == 4);
    let mut flooded = 0;
    while !is_over.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(100) + pause(dice, Duration::from_millis(900)));
        start_again(desk, &mut servers, trouble);
        let which = dice.below(2);
        match dice.below(6) {
            0 => {
                let ended = {
                    let now = Instant::now();
                    let mut trouble = lock(trouble);
                    trouble.counts.stops += 1;
                    trouble.ends.push(now);
                    trouble.note(format!("stop {which}"));
                    std::mem::replace(&mut servers[which], start())
                };
                let is_locked = ended.finish_or_locked();
                let mut trouble = lock(trouble);
                trouble.counts.restarts += usize::from(is_locked);
                trouble.ends.push(Instant::now());
                trouble.note(format!("stopped {which}, locked {is_locked}"));
            }
            1 => {
                let dying = std::mem::replace(&mut servers[which], start());
                lock(trouble).kills.push(Instant::now());
                drop(dying);
                let mut trouble = lock(trouble);
                let now = Instant::now();
                trouble.counts.kills += 1;
                trouble.kills.push(now);
                trouble.ends.push(now);
                trouble.note(format!("killed {which}"));
            }
            2 | 3 => {
                let holder = ledger(desk);
                holder.execute_batch("BEGIN IMMEDIATE").unwrap();
                lock(trouble).counts.locks += 1;
                lock(trouble).note("lock");
                let longest = if dice.below(2) == 0 { size.lock } else { size.lock / 10 };
                std::thread::sleep(pause(dice, longest));
                holder.execute_batch("COMMIT").unwrap();
                lock(trouble).note("unlock");
            }
            4 => {
                lock(trouble).counts.floods += 1;
                lock(trouble).note("flood");
                for _ in 0..size.flood {
                    flooded += 1;
                    gateway.tell(&gateway.receipt_of_nothing(flooded));
                }
            }
            _ => {
                let links = gateway.ready();
                if let Some(link) = links.get(dice.below(4)) {
                    lock(trouble).ends.push(Instant::now());
                    link.turn_deaf();
                    std::thread::sleep(pause(dice, Duration::from_millis(300)));
                    link.cut();
                    let mut trouble = lock(trouble);
                    trouble.counts.cuts += 1;
                    trouble.ends.push(Instant::now());
                    trouble.note(format!("cut link {}", link.number));
                }
            }
        }
    }
    servers
}

/// Plays one history to its end, and looks at the ledger.
pub fn heard(protocol: Protocol, seed: u64, size: &Size) -> Heard {
    let mut dice = Dice::new(seed);
    let gateway = Gateway::start(protocol);
    gateway.script(|script| script.receipt_window = 2_000);
    let desk = desk(&gateway, SETTINGS);
    let mut first = Agent::start(&desk, "error");
    let recipients: Vec<Value> =
        (0..size.people).map(|n| json!({ "to": gateway.number(n), "data": {} })).collect();
    let bulk = first.call(
        "send_bulk",
        json!({ "recipients": recipients, "message": "Is that right?", "idempotency_key": "bulk" }),
    );
    first.until(&bulk["batch"], &["delivered"], size.people);
    gateway.until("each receipt is thanked for", |gateway| gateway.untold() == 0);
    first.finish();
    let (is_over, trouble) = (AtomicBool::new(false), Mutex::new(Trouble::default()));
    let mut people: Vec<Person> =
        (0..size.people).map(|n| Person::new(&gateway, &mut dice, n, size)).collect();
    let mut disturber = Dice::new(seed.wrapping_add(77));
    let mut servers = std::thread::scope(|scope| {
        let servers = scope.spawn(|| disturb(&gateway, &desk, size, &mut disturber, &is_over, &trouble));
        tell(&gateway, &mut people, &mut dice, size, &is_over, &trouble);
        servers.join().unwrap()
    });
    gateway.until("everything is told", |gateway| gateway.untold() == 0);
    // What waits for segments waits no longer.
    let ledger = ledger(&desk);
    ledger.execute("UPDATE long_reply SET since_ms = since_ms - 300000 WHERE state = 0", []).unwrap();
    let waiting = || {
        ledger
            .query_row("SELECT count(*) FROM long_reply WHERE state < 2", [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    eventually("no text waits any more", || {
        start_again(&desk, &mut servers, &trouble);
        waiting() == 0
    });
    servers.into_iter().for_each(|server| _ = server.finish_or_locked());
    count(&gateway, &ledger, &people, &trouble.into_inner().unwrap())
}

/// Tells everything to its end.
#[expect(clippy::too_many_lines, reason = "one step after another")]
fn tell(
    gateway: &Gateway,
    people: &mut [Person],
    dice: &mut Dice,
    size: &Size,
    is_over: &AtomicBool,
    trouble: &Mutex<Trouble>,
) {
    let mut names: HashMap<u64, (usize, usize, usize)> = HashMap::new();
    let mut name = 0;
    let mut quiet_since = Instant::now();
    loop {
        let now = Instant::now();
        for (named, fate) in gateway.fates() {
            let (who, which, segment) = names.remove(&named).unwrap();
            let person = &mut people[who];
            let text = &mut person.texts[which];
            quiet_since = now;
            text.is_refused |= fate != Fate::Taken;
            let again =
                Segment::Due(now + Duration::from_millis(5) + pause(dice, Duration::from_millis(200)));
            match fate {
                Fate::Taken => {
                    text.segments[segment] = Segment::Thanked;
                    text.is_thanked_late |= text.last.is_some_and(|last| now >= last + PROMPT);
                    if text.segments.iter().all(|segment| *segment == Segment::Thanked) {
                        text.thanked = Some(now);
                        person.not_before = now + pause(dice, size.pause);
                    }
                }
                Fate::Later => {
                    lock(trouble).counts.later += 1;
                    text.is_later = true;
                    text.segments[segment] = again;
                }
                Fate::Cut => {
                    let mut trouble = lock(trouble);
                    trouble.counts.cut += 1;
                    text.cuts += 1;
                    text.is_unread |= text.last.is_some_and(|last| now < last + READ);
                    text.is_in_doubt |=
                        trouble.kills.last().is_some_and(|kill| *kill + Duration::from_secs(2) > now);
                    text.segments[segment] = again;
                }
            }
        }
        let links = gateway.ready();
        let mut is_done = true;
        for (who, person) in people.iter_mut().enumerate() {
            is_done &= person.is_done();
            if now >= person.not_before && person.next < person.texts.len() && person.is_free() {
                person.next += 1;
            }
            for (which, text) in person.texts[..person.next].iter_mut().enumerate() {
                for (number, (segment, frame)) in text.segments.iter_mut().zip(&text.frames).enumerate() {
                    // Segments come in any order.
                    if !matches!(segment, Segment::Due(at) if *at <= now) || dice.below(3) == 0 {
                        continue;
                    }
                    let Some(link) = (!links.is_empty()).then(|| &links[dice.below(links.len())]) else {
                        continue;
                    };
                    name += 1;
                    names.insert(name, (who, which, number));
                    *segment = Segment::Told;
                    text.first.get_or_insert(now);
                    text.last = Some(now);
                    gateway.tell_named(link, name, frame);
                }
            }
        }
        if is_done {
            is_over.store(true, Ordering::SeqCst);
            return;
        }
        let stuck = people.iter().position(|person| !person.is_done());
        assert!(
            now < quiet_since + LAST_RESORT,
            "never acknowledged: {stuck:?}; {:?}; {} untold, ready {:?}, {} named; {}",
            gateway.counters(),
            gateway.untold(),
            gateway.ready().iter().map(|link| link.number).collect::<Vec<_>>(),
            names.len(),
            shown(&people[stuck.unwrap()], &[])
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Pairs what was written with what is on record: the longest common sequence.
fn paired(written: &[&str], recorded: &[&str]) -> (Vec<bool>, Vec<bool>) {
    let (rows, columns) = (written.len(), recorded.len());
    let mut longest = vec![vec![0_usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            longest[row][column] = if written[row] == recorded[column] {
                longest[row + 1][column + 1] + 1
            } else {
                longest[row + 1][column].max(longest[row][column + 1])
            };
        }
    }
    let (mut of_written, mut of_recorded) = (vec![false; rows], vec![false; columns]);
    let (mut row, mut column) = (0, 0);
    while row < rows && column < columns {
        if written[row] == recorded[column] {
            (of_written[row], of_recorded[column]) = (true, true);
            (row, column) = (row + 1, column + 1);
        } else if longest[row + 1][column] >= longest[row][column + 1] {
            row += 1;
        } else {
            column += 1;
        }
    }
    (of_written, of_recorded)
}

/// A person's texts and what is on record of them, short enough to be read.
fn shown(person: &Person, recorded: &[(String, bool)]) -> String {
    let began = person.began;
    let seconds =
        |at: Option<Instant>| at.map_or(0.0, |at| at.saturating_duration_since(began).as_secs_f64());
    let name = |words: &str| {
        let index = person.texts.iter().position(|text| text.words == words && words.len() > 6);
        index.map_or_else(|| words.to_owned(), |index| format!("#{index}"))
    };
    let written: Vec<String> = person
        .texts
        .iter()
        .map(|text| {
            let marks = format!(
                "{}{}{}{}",
                if text.is_thanked_late { "t" } else { "" },
                "c".repeat(text.cuts),
                if text.is_in_doubt { "k" } else { "" },
                if text.is_later { "l" } else { "" }
            );
            format!(
                "{}({}) {:.2}-{:.2}{marks}",
                name(&text.words),
                text.frames.len(),
                seconds(text.first),
                seconds(text.thanked)
            )
        })
        .collect();
    let recorded: Vec<String> = recorded.iter().map(|(text, _)| name(text)).collect();
    format!("goes on {}: wrote {written:?}; on record {recorded:?}", person.goes_on)
}

/// How often the same word may have been the one before it, told again: something ended between the two, or
/// the one before was acknowledged late.
fn doubts(texts: &[Text], words: &str, ends: &[Instant]) -> usize {
    // A gateway's thanks of this long before an end may not have been heard.
    const HEARD: Duration = Duration::from_secs(5);
    let same: Vec<&Text> = texts.iter().filter(|text| text.words == words).collect();
    let is_between = |end: Instant, pair: &[&Text]| {
        pair[0].first.is_some_and(|first| end + HEARD >= first)
            && pair[1].thanked.is_some_and(|thanked| end <= thanked)
    };
    same.windows(2)
        .filter(|pair| pair[0].is_thanked_late || ends.iter().any(|end| is_between(*end, pair)))
        .count()
}

/// What stands in no pair, with how many pairs there are before it.
fn unpaired<'a>(words: &[&'a str], is_paired: &[bool]) -> Vec<(&'a str, usize)> {
    let mut pairs = 0;
    let mut others = Vec::new();
    for (words, is_paired) in words.iter().zip(is_paired) {
        if *is_paired {
            pairs += 1;
        } else {
            others.push((*words, pairs));
        }
    }
    others
}

/// Compares what one person wrote with what is on record of it. Where either of two neighbours may be the one
/// that is out of its place, a promise is broken if it is whichever it was.
fn compare(texts: &[Text], recorded: &[(String, bool)], ends: &[Instant]) -> Heard {
    let written: Vec<&str> = texts.iter().map(|text| text.words.as_str()).collect();
    let kept: Vec<&str> = recorded.iter().map(|(text, _)| text.as_str()).collect();
    let one = compare_in(texts, recorded, ends, &paired(&written, &kept));
    if one.is_kept() {
        return one;
    }
    let (written, kept): (Vec<&str>, Vec<&str>) =
        (written.into_iter().rev().collect(), kept.into_iter().rev().collect());
    let (mut of_written, mut of_kept) = paired(&written, &kept);
    of_written.reverse();
    of_kept.reverse();
    let other = compare_in(texts, recorded, ends, &(of_written, of_kept));
    if other.is_kept() { other } else { one }
}

/// The same with these pairs.
fn compare_in(
    texts: &[Text],
    recorded: &[(String, bool)],
    ends: &[Instant],
    (of_written, of_kept): &(Vec<bool>, Vec<bool>),
) -> Heard {
    let mut sum = Heard::default();
    let written: Vec<&str> = texts.iter().map(|text| text.words.as_str()).collect();
    let kept: Vec<&str> = recorded.iter().map(|(text, _)| text.as_str()).collect();
    let (missing, mut over) = (unpaired(&written, of_written), unpaired(&kept, of_kept));
    let is_any_in_doubt = texts.iter().any(|text| text.is_in_doubt);
    let of = |words: &str| -> Vec<&Text> { texts.iter().filter(|text| text.words == words).collect() };
    // How often each may yet have been merged, and how often doubled.
    let mut may_merge: HashMap<&str, usize> =
        written.iter().map(|words| (*words, doubts(texts, words, ends))).collect();
    let mut may_double: HashMap<&str, usize> =
        written.iter().map(|words| (*words, of(words).iter().map(|text| text.cuts).sum())).collect();
    let mut moved = Vec::new();
    for (words, place) in missing {
        if let Some(found) = over.iter().position(|(over, _)| *over == words) {
            moved.push((words, place, over.remove(found).1));
        } else {
            let merges = may_merge.entry(words).or_default();
            *if *merges > 0 { &mut sum.merged } else { &mut sum.lost } += 1;
            *merges = merges.saturating_sub(1);
        }
    }
    // On record in another place; or one of them is there twice, and another is not.
    for (words, place, other) in moved {
        let (merges, doubles) = (may_merge.entry(words).or_default(), may_double.entry(words).or_default());
        if words == "STOP" && other >= place && of(words).iter().any(|text| text.is_refused) {
            sum.stopped_later += 1;
        } else if *merges > 0 && *doubles > 0 {
            (*merges, *doubles) = (*merges - 1, *doubles - 1);
            (sum.merged, sum.doubled) = (sum.merged + 1, sum.doubled + 1);
        } else {
            *if is_any_in_doubt { &mut sum.unordered } else { &mut sum.misplaced } += 1;
        }
    }
    for (words, _) in over {
        let doubles = may_double.entry(words).or_default();
        *if *doubles > 0 { &mut sum.doubled } else { &mut sum.too_many } += 1;
        *doubles = doubles.saturating_sub(1);
    }
    let is_known = |(text, is_whole): &&(String, bool)| {
        texts.iter().any(|written| written.words == *text && written.is_whole == *is_whole)
    };
    sum.too_many += recorded.iter().filter(|text| !is_known(text)).count();
    sum
}

/// Compares what was written with the ledger.
fn count(gateway: &Gateway, ledger: &rusqlite::Connection, people: &[Person], trouble: &Trouble) -> Heard {
    let mut sum = trouble.counts;
    let mut replies: HashMap<String, Vec<(String, bool)>> = HashMap::new();
    let mut statement =
        ledger.prepare("SELECT sender, text, is_whole FROM reply ORDER BY at_ms, seq").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    for row in rows {
        let (sender, text, is_whole): (String, String, bool) = row.unwrap();
        replies.entry(sender).or_default().push((text, is_whole));
    }
    let has = |sql: &str, number: &str| ledger.query_row(sql, [number], |row| row.get::<_, bool>(0)).unwrap();
    for (n, person) in people.iter().enumerate() {
        let number = gateway.number(n);
        let texts = &person.texts;
        let recorded = replies.remove(&number).unwrap_or_default();
        sum.texts += texts.len();
        sum.with_gap += texts.iter().filter(|text| !text.is_whole).count();
        let mut one = compare(texts, &recorded, &trouble.ends);
        let wish = texts.iter().rfind(|text| ["STOP", "START"].contains(&text.words.as_str()));
        let is_out = has("SELECT EXISTS (SELECT 1 FROM opt_out WHERE number = ?1)", &number);
        match wish {
            Some(wish) if (wish.words == "STOP") == is_out => {}
            None if !is_out => {}
            Some(wish) if is_out && wish.words == "START" && !trouble.ends.is_empty() => one.stopped += 1,
            _ => one.wishes += 1,
        }
        if !one.is_kept() {
            eprintln!("broken {n}: out {is_out}: {}: {one:?}", shown(person, &recorded));
            let seconds = |at: &Instant| at.saturating_duration_since(person.began).as_secs_f64();
            let log: Vec<String> =
                trouble.log.iter().map(|(at, what)| format!("{:.2} {what}", seconds(at))).collect();
            eprintln!("meanwhile: {}", log.join(", "));
        }
        sum.add(&one);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is counted where these were written a second after each other and those are on record.
    fn counted(written: &[&str], kept: &[&str], change: impl Fn(&mut [Text]), ends: &[u64]) -> Heard {
        let began = Instant::now();
        let after = |seconds: u64| began + Duration::from_secs(100 + seconds);
        let mut texts: Vec<Text> =
            written.iter().map(|words| text((*words).to_owned(), true, vec![Vec::new()])).collect();
        for (at, text) in (0..).zip(&mut texts) {
            (text.first, text.last, text.thanked) = (Some(after(at)), Some(after(at)), Some(after(at)));
        }
        change(&mut texts);
        let kept: Vec<(String, bool)> = kept.iter().map(|words| ((*words).to_owned(), true)).collect();
        let ends: Vec<Instant> = ends.iter().map(|seconds| after(*seconds)).collect();
        compare(&texts, &kept, &ends)
    }

    #[test]
    fn a_word_is_on_record_as_often_as_it_was_written_unless_it_may_have_been_told_again() {
        let nothing = |_: &mut [Text]| {};
        let same = counted(&["Y", "STOP", "Y"], &["Y", "STOP", "Y"], nothing, &[1]);
        assert!(same.is_kept() && same.merged == 0);
        assert_eq!(
            counted(&["Y", "STOP", "Y"], &["Y", "STOP"], nothing, &[]).lost,
            1,
            "nothing ended between them"
        );
        assert_eq!(counted(&["Y", "STOP", "Y"], &["STOP", "Y"], nothing, &[]).lost, 1);
        let cut = counted(&["Y", "Y", "Y"], &["Y"], nothing, &[20]);
        assert_eq!((cut.lost, cut.merged), (2, 0));
        let cut = counted(&["Y", "Y"], &["Y"], nothing, &[1]);
        assert_eq!((cut.lost, cut.merged), (0, 1));
        let late = |texts: &mut [Text]| texts[0].is_thanked_late = true;
        let late = counted(&["Y", "Y", "Y"], &["Y"], late, &[]);
        assert_eq!((late.lost, late.merged), (1, 1), "one doubt takes one text");
        assert_eq!(counted(&["Y"], &["Y", "Y"], nothing, &[0]).too_many, 1);
        let cut = |texts: &mut [Text]| texts[0].cuts = 1;
        let twice = counted(&["Y"], &["Y", "Y", "Y"], cut, &[0]);
        assert_eq!((twice.doubled, twice.too_many), (1, 1));
        assert!(!counted(&["Y"], &["Y", "N"], nothing, &[]).is_kept());
        // The first is on record twice, and the second is not.
        let both = counted(&["Y", "N", "Y"], &["Y", "Y", "N"], cut, &[1]);
        assert!(both.is_kept() && (both.merged, both.doubled) == (1, 1), "{both:?}");
        assert_eq!(counted(&["Y", "N", "Y"], &["Y", "Y", "N"], cut, &[]).misplaced, 1);
        assert_eq!(counted(&["Y", "N", "Y"], &["Y", "Y", "N"], nothing, &[1]).misplaced, 1);
    }

    #[test]
    fn a_stop_that_was_told_again_may_only_be_later() {
        let refused = |texts: &mut [Text]| texts.iter_mut().for_each(|text| text.is_refused = true);
        let later = counted(&["STOP", "START", "Y"], &["START", "Y", "STOP"], refused, &[]);
        assert!(later.is_kept() && later.stopped_later == 1);
        assert_eq!(counted(&["STOP", "START", "Y"], &["START", "Y", "STOP"], |_| {}, &[]).misplaced, 1);
        assert_eq!(
            counted(&["START", "Y", "STOP"], &["STOP", "START", "Y"], refused, &[]).misplaced,
            1,
            "earlier, it stops less"
        );
        assert_eq!(counted(&["START", "STOP"], &["STOP", "START"], refused, &[]).misplaced, 1);
    }
}
