//! Turns, each scene a few times. In full: `cargo bench --bench whole -- texts fair`.

use std::time::Duration;

use crate::carrier::scene::Protocol;
use crate::carrier::turns::{Bad, Cell, How, fair, texts};

/// For how long texts go out before the program is stopped: many are under way then.
const A_WHILE: Duration = Duration::from_millis(2_500);

#[test]
fn our_own_pacing_cuts_no_text() {
    let ms = Duration::from_millis;
    // How long an answer takes, the window, our limit and the gateway's a second, segments, how they are
    // asked for.
    let cells = [
        (ms(1_000), 10, None, 0, 3, How::Both),
        (ms(0), 10, Some(1), 0, 6, How::Single),
        (ms(0), 10, Some(5), 5, 3, How::Bulk),
        (ms(300), 1, None, 0, 4, How::Both),
        (ms(300), 50, Some(20), 0, 10, How::Both),
    ];
    std::thread::scope(|scope| {
        for protocol in Protocol::BOTH {
            for (delay, window, per_second, gateway_limit, segments, how) in cells {
                scope.spawn(move || {
                    let cell = Cell { protocol, delay, window, per_second, gateway_limit, segments, how };
                    let texts = texts(&cell, A_WHILE);
                    assert!(texts.whole > 0 && texts.cut == 0 && texts.twice == 0, "{cell:?}: {texts:?}");
                });
            }
        }
    });
}

#[test]
fn a_recipient_or_a_bind_that_takes_nothing_holds_up_nobody_else() {
    for (protocol, account, recipient) in [(Protocol::Smpp, 0x58, 0x14), (Protocol::Cmpp, 8, 8)] {
        for bad in [
            Bad { full: (15, recipient), ..Bad::default() },
            Bad { full: (3, account), ..Bad::default() },
            Bad { mute: 2, ..Bad::default() },
            Bad { slow: 4, ..Bad::default() },
        ] {
            let felt = fair(protocol, None, bad);
            assert_eq!(felt.refused, 0, "{protocol:?} {bad:?}: {felt:?}");
            // A window of each bind that is mute, and one more where it was made anew.
            assert!(felt.swallowed <= 40, "{protocol:?} {bad:?}: {felt:?}");
            eprintln!("{protocol:?} {bad:?}: {felt:?}");
        }
    }
}
