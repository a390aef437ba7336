//! The scenes, each a few times. In full: `cargo bench --bench whole`.

use crate::carrier::scene::{Protocol, Tally, cut, garbage, kill};

fn all(protocol: Protocol, tallies: impl Iterator<Item = Tally>) -> Tally {
    let mut sum = Tally::default();
    for tally in tallies {
        assert!(tally.is_kept(), "{protocol:?}: {tally:?}");
        sum.add(&tally);
    }
    sum
}

#[test]
fn a_killed_bulk_sends_nothing_twice_and_leaves_every_message_in_a_visible_state() {
    for protocol in Protocol::BOTH {
        let sum = all(protocol, (1..=4).map(|seed| kill(protocol, seed, 300)));
        assert_eq!(sum.accepted, 4 * 300, "{protocol:?}");
        assert!(sum.midway >= 3, "the kills do not hit the middle of the work: {sum:?}");
    }
}

#[test]
fn a_link_that_is_cut_again_and_again_loses_nothing_and_sends_nothing_twice() {
    for protocol in Protocol::BOTH {
        let sum = all(protocol, (1..=1).map(|seed| cut(protocol, seed, 1_200, 6)));
        assert_eq!((sum.accepted, sum.delivered + sum.unknown), (1_200, 1_200), "{protocol:?}: {sum:?}");
        assert!(sum.unknown <= 6 * 16, "no more than a window for each cut: {sum:?}");
        eprintln!("{protocol:?}: bound again after {} ms at most", sum.longest_ms);
    }
}

#[test]
fn garbage_of_every_kind_ends_no_process_and_a_send_behind_it_arrives() {
    for protocol in Protocol::BOTH {
        let (kinds, longest) = garbage(protocol);
        eprintln!("{protocol:?}: a send arrives {longest:?} after garbage at most");
        assert!(kinds >= 12, "{protocol:?}: {kinds} kinds");
    }
}
