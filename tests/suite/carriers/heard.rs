//! What people write while two servers are locked out, flooded, stopped, cut and killed. In full:
//! `cargo bench --bench whole -- heard`.

use std::time::Duration;

use crate::carrier::heard::{Heard, Size, heard};
use crate::carrier::scene::Protocol;

#[test]
fn every_acknowledged_word_is_on_record_in_its_order_and_the_last_wish_holds_whatever_happens_to_the_servers()
{
    let size = Size {
        people: 60,
        texts: 6,
        pause: Duration::from_secs(1),
        lock: Duration::from_millis(5_500),
        flood: 2_000,
    };
    std::thread::scope(|scope| {
        for protocol in Protocol::BOTH {
            scope.spawn(move || {
                let seed = 11;
                let heard: Heard = heard(protocol, seed, &size);
                eprintln!("{protocol:?}, seed {seed}: {heard:?}");
                assert!(
                    heard.texts == size.people * size.texts && heard.is_kept(),
                    "{protocol:?}, seed {seed}: {heard:?}"
                );
            });
        }
    });
}
