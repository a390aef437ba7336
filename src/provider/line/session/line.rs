//! Keeping one bind up: connect, greet, drive the connection until it ends, wait, and again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use crate::provider::line::session::board::UNAUTHORIZED_MS;
use crate::provider::line::session::link::Link;
use crate::provider::line::session::pump::{End, Input, Pump, frame};
use crate::provider::line::session::shared::Shared;
use crate::provider::line::session::slots::LAST_SEQUENCE;
use crate::provider::line::session::stream::Stream;
use crate::provider::line::session::{Protocol, Refused};

/// The first wait before connecting again.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A connection that lived so long, or on which a request was answered, was a good one: the next one is made
/// soon.
const GOOD_LIFE: Duration = Duration::from_secs(5);

/// How often in a row another greeting is tried at once: there are only so many versions of a protocol.
const GREETINGS: u32 = 5;

/// Most octets that may come before the answer to the greeting.
const MOST_EARLY: usize = 32 * 1024;

/// How one connection went.
enum Outcome {
    /// It was up, and ended.
    Ended { was_good: bool },
    /// It could not begin.
    Refused(Refused),
    /// We are going.
    Closed,
}

/// How long to wait before the next try.
struct Backoff {
    next: Duration,
    most: Duration,
    at_once: u32,
}

impl Backoff {
    const fn new(most: Duration) -> Self {
        Self { next: FIRST_WAIT, most, at_once: 0 }
    }

    fn after(&mut self, outcome: &Outcome) -> Duration {
        if let Outcome::Refused(refused) = outcome {
            if refused.is_to_be_tried_at_once && self.at_once < GREETINGS {
                self.at_once += 1;
                return Duration::ZERO;
            }
            if refused.is_unauthorized {
                return self.double().max(Duration::from_millis(UNAUTHORIZED_MS));
            }
        }
        if matches!(outcome, Outcome::Ended { was_good: true }) {
            self.next = FIRST_WAIT;
        }
        self.double()
    }

    fn double(&mut self) -> Duration {
        self.at_once = 0;
        let now = self.next.min(self.most);
        self.next = now.saturating_mul(2);
        now
    }
}

/// Keeps a bind up until the account is closed.
pub(super) async fn keep_up<P: Protocol>(shared: &Arc<Shared<P>>, number: usize) {
    let mut backoff = Backoff::new(shared.plan.settings.reconnect_most.duration());
    let mut has_complained = false;
    while !shared.closing.is_cancelled() {
        // A protocol that panics ends its connection, and not the account.
        let connection = AssertUnwindSafe(once(shared, number)).catch_unwind();
        let outcome = connection.await.unwrap_or(Outcome::Ended { was_good: false });
        match &outcome {
            Outcome::Closed => return,
            Outcome::Ended { .. } => has_complained = false,
            Outcome::Refused(refused) => {
                shared.board.refused(number, refused.clone());
                // Once is enough for an operator; the rest is for those who look closer.
                if has_complained {
                    tracing::debug!(
                        provider = shared.plan.name,
                        bind = number,
                        why = refused.why,
                        "still no bind"
                    );
                } else if !refused.is_to_be_tried_at_once {
                    has_complained = true;
                    tracing::warn!(
                        provider = shared.plan.name,
                        bind = number,
                        why = refused.why,
                        "no bind; it will be tried again"
                    );
                }
            }
        }
        let wait = shared.jittered(backoff.after(&outcome));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shared.closing.cancelled() => {}
        }
    }
}

/// Ends what is open on a connection however its task ends.
struct Ending<'a, P: Protocol> {
    shared: &'a Shared<P>,
    link: Arc<Link<P>>,
    number: usize,
}

impl<P: Protocol> Ending<'_, P> {
    fn end(&self, why: &str) {
        self.shared.board.down(self.number);
        self.shared.board.trying(self.number, &format!("the last one was lost: {why}"));
        let ended = self.link.end(&Arc::from(why));
        tracing::warn!(
            provider = self.shared.plan.name,
            bind = self.number,
            why,
            lost = ended.lost,
            unwritten = ended.unwritten,
            "a bind was lost"
        );
    }
}

impl<P: Protocol> Drop for Ending<'_, P> {
    fn drop(&mut self) {
        self.shared.board.down(self.number);
        self.link.end(&Arc::from("the connection ended"));
    }
}

/// One connection, from its beginning to its end.
async fn once<P: Protocol>(shared: &Arc<Shared<P>>, number: usize) -> Outcome {
    let beginning =
        tokio::time::timeout(shared.plan.settings.connect_timeout.duration(), begin(shared, number));
    let begun = tokio::select! {
        begun = beginning => begun.unwrap_or_else(|_| Err(late(shared, number))),
        () = shared.closing.cancelled() => return Outcome::Closed,
    };
    let Begun { stream, input, dialect, sequence } = match begun {
        Ok(begun) => begun,
        Err(refused) => return Outcome::Refused(refused),
    };
    let is_one_of_several = shared.plan.lines.iter().filter(|line| line.submits).count() > 1;
    let link = Arc::new(Link::new(
        Arc::clone(&shared.core),
        dialect,
        shared.plan.settings.window,
        sequence,
        is_one_of_several,
    ));
    let ending = Ending { shared, link: Arc::clone(&link), number };
    let began = Instant::now();
    tracing::info!(provider = shared.plan.name, bind = number, "a bind is up");
    shared.board.up(number, Arc::clone(&link));
    if shared.closing.is_cancelled() {
        // It came up just when the others were told to go.
        link.is_closing.store(true, std::sync::atomic::Ordering::SeqCst);
    }
    let mut pump = Pump::new(shared, link, number, stream, input);
    match pump.run().await {
        End::Lost(why) => {
            ending.end(&why);
            Outcome::Ended { was_good: pump.was_useful || (!pump.was_mute && began.elapsed() >= GOOD_LIFE) }
        }
        End::Closed => {
            pump.shut_down().await;
            Outcome::Closed
        }
    }
}

const fn failed(why: String) -> Refused {
    Refused { why, is_unauthorized: false, is_to_be_tried_at_once: false }
}

/// Why there is no bind in time: how far it was.
fn late<P: Protocol>(shared: &Shared<P>, number: usize) -> Refused {
    let so_far = shared.board.so_far(number).map_or_else(String::new, |so_far| format!(": {so_far}"));
    failed(format!("no bind in time{so_far}"))
}

/// Whether octets are the beginning of a TLS record: an alert or a handshake, version 3. As a length they
/// would be of hundreds of megabytes.
fn is_tls(octets: &[u8]) -> bool {
    matches!(octets, [0x15 | 0x16, 0x03, ..])
}

/// A connection that was greeted.
struct Begun<P: Protocol> {
    stream: Stream,
    input: Input,
    dialect: P::Dialect,
    /// The sequence number of the greeting. The next ones follow.
    sequence: u32,
}

/// Where the sequence numbers of a connection begin: anywhere, so that what answers a request of an earlier
/// connection matches none of this one.
fn first_sequence<P: Protocol>(shared: &Shared<P>) -> Result<u32, Refused> {
    let mut random = [0; 4];
    shared.clock.fill_random(&mut random).map_err(|error| failed(error.message().to_owned()))?;
    Ok((u32::from_be_bytes(random) & LAST_SEQUENCE).max(1))
}

/// Connects and greets.
async fn begin<P: Protocol>(shared: &Shared<P>, number: usize) -> Result<Begun<P>, Refused> {
    let protocol = &shared.core.protocol;
    let Some(line) = shared.plan.lines.get(number) else {
        return Err(failed("there is no such bind".to_owned()));
    };
    let mut stream =
        shared.door.connect(|so_far| shared.board.trying(number, so_far)).await.map_err(failed)?;
    shared.board.trying(number, "the connection is made, and the bind has no answer so far");
    let mut greeting = BytesMut::new();
    let sequence = first_sequence(shared)?;
    protocol.greet(&line.bind, sequence, shared.clock.now(), &mut greeting);
    let broke = |error: std::io::Error| failed(format!("the connection broke at the bind: {error}"));
    stream.write_all(&greeting).await.map_err(broke)?;
    stream.flush().await.map_err(broke)?;
    let mut input = Input::new();
    // Octets of what came before the answer. They stay where they are, and are read as usual once there is
    // one.
    let mut early = 0;
    loop {
        if is_tls(input.read()) {
            return Err(failed(
                "the carrier speaks TLS at this port; set [provider.session] tls = true, or \
                take its port without"
                    .to_owned(),
            ));
        }
        let (whole, need) = frame(protocol, input.read().get(early..).unwrap_or_default()).map_err(failed)?;
        if let Some(length) = whole {
            let octets = input.read().get(early..early + length).unwrap_or_default();
            if !protocol.is_early(octets) {
                let dialect = protocol.greeted(&line.bind, octets)?;
                input.cut(early, length);
                return Ok(Begun { stream, input, dialect, sequence });
            }
            early += length;
            if early > MOST_EARLY {
                return Err(failed("the carrier talks, and does not answer the bind".to_owned()));
            }
            continue;
        }
        input.consume(0, early + need);
        match stream.read(input.room()).await.map_err(broke)? {
            0 => return Err(failed("the carrier ended the connection at the bind".to_owned())),
            count => input.add(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::line::session::UNHEARD_EVERY;

    #[test]
    fn what_a_cut_connection_did_not_acknowledge_is_looked_for_before_there_is_another_one() {
        assert!(UNHEARD_EVERY <= FIRST_WAIT);
    }

    #[test]
    fn waits_double_up_to_the_most_and_begin_anew_after_a_good_connection() {
        let mut backoff = Backoff::new(Duration::from_millis(700));
        let bad = Outcome::Ended { was_good: false };
        let waits: Vec<u128> = (0..5).map(|_| backoff.after(&bad).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 700, 700]);
        assert_eq!(backoff.after(&Outcome::Ended { was_good: true }).as_millis(), 100);
        let refused = |is_unauthorized, is_to_be_tried_at_once| {
            Outcome::Refused(Refused { why: String::new(), is_unauthorized, is_to_be_tried_at_once })
        };
        let at_once: Vec<u128> = (0..7).map(|_| backoff.after(&refused(false, true)).as_millis()).collect();
        assert_eq!(at_once, [0, 0, 0, 0, 0, 200, 0]);
        assert_eq!(backoff.after(&refused(true, false)).as_millis(), u128::from(UNAUTHORIZED_MS));
    }
}
