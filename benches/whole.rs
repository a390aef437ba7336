//! The whole program before a mock SMSC and a mock ISMG: `cargo bench --bench whole` plays everything, and
//! `cargo bench --bench whole -- kill` (or `cut`, `garbage`, `bulk`, `texts`, `fair`, `heard`) one scene;
//! numbers behind `heard` are its seeds. Each prints its figure, and fails where a promise was broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout
)]
#![allow(missing_docs, clippy::print_stderr)]
#![allow(dead_code, reason = "the mocks have more switches than the figures need")]

#[path = "../tests/suite/carrier/mod.rs"]
mod carrier;
#[path = "../tests/suite/support.rs"]
mod support;
#[path = "../tests/suite/wire.rs"]
mod wire;

use std::time::{Duration, Instant};

use carrier::heard::{Heard, Size};
use carrier::scene::{self, Protocol, Tally};
use carrier::turns::{self, Bad, Cell, How, Texts};

/// Cells that are played at a time.
const AT_ONCE: usize = 48;

/// Prints what a scene ended with.
fn row(what: &str, began: Instant, tally: &Tally) {
    println!(
        "{what}: {} accepted, {} delivered, {} unknown, {} midway, {} twice, {} denied, {} unsettled, {} \
         not in the ledger, {} invented, \
         money astray {}; {:.0} s",
        tally.accepted,
        tally.delivered,
        tally.unknown,
        tally.midway,
        tally.twice,
        tally.denied,
        tally.unsettled,
        tally.unlisted,
        tally.invented,
        tally.astray,
        began.elapsed().as_secs_f64()
    );
    assert!(tally.is_kept(), "a promise was broken: {tally:?}");
}

/// Every way in which our own pacing might cut a text. Many at a time: all that they do is wait.
fn texts() {
    let ms = Duration::from_millis;
    let mut cells = Vec::new();
    for protocol in Protocol::BOTH {
        for delay in [ms(0), ms(300), ms(1_000), ms(3_000)] {
            for window in [1, 10, 50] {
                for per_second in [None, Some(1), Some(5), Some(20)] {
                    for segments in 1..=10 {
                        for how in [How::Bulk, How::Single, How::Both] {
                            // Every other cell before a gateway that has the same limit.
                            let gateway_limit = if segments % 2 == 0 {
                                per_second.map_or(0, |limit| limit as usize)
                            } else {
                                0
                            };
                            cells.push(Cell {
                                protocol,
                                delay,
                                window,
                                per_second,
                                gateway_limit,
                                segments,
                                how,
                            });
                        }
                    }
                }
            }
        }
    }
    let (began, count) = (Instant::now(), cells.len());
    let (next, sum) = (std::sync::Mutex::new(cells.into_iter()), std::sync::Mutex::new(Texts::default()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(cell) = next.lock().unwrap().next() else { return };
                    let texts = turns::texts(&cell, Duration::from_secs(4));
                    if texts.cut + texts.twice > 0 || texts.whole == 0 {
                        println!("texts: {cell:?}: {texts:?}");
                    }
                    let mut sum = sum.lock().unwrap();
                    sum.whole += texts.whole;
                    sum.cut += texts.cut;
                    sum.twice += texts.twice;
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap();
    println!(
        "texts: {count} ways, {} texts whole, {} cut by us, {} segments twice; {:.0} s",
        sum.whole,
        sum.cut,
        sum.twice,
        began.elapsed().as_secs_f64()
    );
    assert!(sum.cut == 0 && sum.twice == 0, "a promise was broken");
}

/// What others feel of recipients and binds that take nothing, against the same without them.
fn fair() {
    for (protocol, account, recipient) in [(Protocol::Smpp, 0x58, 0x14), (Protocol::Cmpp, 8, 8)] {
        for per_second in [None, Some(100)] {
            let alone = turns::fair(protocol, per_second, Bad::default());
            println!(
                "{protocol:?}, per_second {per_second:?}: 300 in {:.2} s, singles in {:.2} s at most",
                alone.others.as_secs_f64(),
                alone.single.as_secs_f64()
            );
            let full = [1, 3, 15].into_iter().flat_map(|count| {
                [account, recipient].map(|status| Bad { full: (count, status), ..Bad::default() })
            });
            for bad in full.chain([Bad { mute: 2, ..Bad::default() }, Bad { slow: 4, ..Bad::default() }]) {
                let felt = turns::fair(protocol, per_second, bad);
                println!(
                    "  {bad:?}: others in {:.2} s ({:.2} times), singles in {:.2} s at most, {} refused, {} \
                     swallowed",
                    felt.others.as_secs_f64(),
                    felt.others.as_secs_f64() / alone.others.as_secs_f64(),
                    felt.single.as_secs_f64(),
                    felt.refused,
                    felt.swallowed
                );
            }
        }
    }
}

/// What people write while the servers are disturbed, with many people; one history for each seed.
fn heard(seeds: &[u64]) {
    let ms = Duration::from_millis;
    let size = Size { people: 500, texts: 12, pause: ms(4_000), lock: ms(7_000), flood: 4_000 };
    for protocol in Protocol::BOTH {
        let (began, mut sum) = (Instant::now(), Heard::default());
        for &seed in seeds {
            let heard = carrier::heard::heard(protocol, seed, &size);
            println!("{protocol:?}, seed {seed}: {heard:?}");
            sum.add(&heard);
        }
        println!("{protocol:?}, {} people: {sum:?}; {:.0} s", size.people, began.elapsed().as_secs_f64());
        assert!(sum.is_kept(), "a promise was broken");
    }
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    if wants("bulk") {
        for protocol in Protocol::BOTH {
            // 10,000, and 50,000 more.
            scene::throughput(protocol, 10_000, 6, |round, rate, now, most| {
                let mib =
                    |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
                println!(
                    "{protocol:?}: bulk {round} of 10,000 with every receipt recorded: {rate:.0} \
                     messages/s; memory {} MiB, most {} MiB",
                    mib(now),
                    mib(most)
                );
            });
        }
    }
    if wants("kill") {
        for protocol in Protocol::BOTH {
            let (began, mut sum) = (Instant::now(), Tally::default());
            for seed in 0..30 {
                sum.add(&scene::kill(protocol, 1_000 + seed, 1_000));
            }
            row(&format!("{protocol:?}: 30 kills, bulks of 1,000"), began, &sum);
        }
    }
    if wants("cut") {
        for protocol in Protocol::BOTH {
            let began = Instant::now();
            let tally = scene::cut(protocol, 77, 10_000, 50);
            println!("{protocol:?}: longest time to a new bind: {} ms", tally.longest_ms);
            row(&format!("{protocol:?}: 50 cuts during 10,000"), began, &tally);
        }
    }
    if wants("texts") {
        texts();
    }
    if wants("fair") {
        fair();
    }
    if wants("heard") {
        let seeds: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
        heard(if seeds.is_empty() { &[1, 2, 3, 4] } else { &seeds });
    }
    if wants("garbage") {
        for protocol in Protocol::BOTH {
            let (kinds, longest) = scene::garbage(protocol);
            println!(
                "{protocol:?}: {kinds} kinds of garbage, no panic; at most {:.1} s until a send behind it",
                longest.as_secs_f64()
            );
        }
    }
}
