//! The whole program before a mock SMSC and a mock ISMG: `cargo bench --bench whole` plays everything, and
//! `cargo bench --bench whole -- kill` (or `cut`, `garbage`, `bulk`) one scene. Each prints its figure, and fails where
//! a promise was broken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods, clippy::print_stdout)]
#![allow(missing_docs, clippy::print_stderr)]
#![allow(dead_code, reason = "the mocks have more switches than the figures need")]

#[path = "../tests/suite/carrier/mod.rs"]
mod carrier;
#[path = "../tests/suite/support.rs"]
mod support;
#[path = "../tests/suite/wire.rs"]
mod wire;

use std::time::Instant;

use carrier::scene::{self, Protocol, Tally};

/// Prints what a scene ended with.
fn row(what: &str, began: Instant, tally: &Tally) {
    println!(
        "{what}: {} accepted, {} delivered, {} unknown, {} midway, {} twice, {} denied, {} unsettled, {} not in the ledger, {} invented, \
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

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let wants = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    if wants("bulk") {
        for protocol in Protocol::BOTH {
            // 10,000, and 50,000 more.
            scene::throughput(protocol, 10_000, 6, |round, rate, now, most| {
                let mib = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
                println!(
                    "{protocol:?}: bulk {round} of 10,000 with every receipt recorded: {rate:.0} messages/s; memory {} MiB, most {} MiB",
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
    if wants("garbage") {
        for protocol in Protocol::BOTH {
            let (kinds, longest) = scene::garbage(protocol);
            println!("{protocol:?}: {kinds} kinds of garbage, no panic; at most {:.1} s until a send behind it", longest.as_secs_f64());
        }
    }
}
