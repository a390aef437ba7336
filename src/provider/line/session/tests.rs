//! The engine with a protocol of its own: four octets of length, one of kind, four of number, and a value of
//! four where there is one. The other end is a script.

mod asks;
mod lives;
mod rough;
mod told;
mod turns;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{
    Account, Content, Incoming, Line, Lost, NotNow, Obstacle, Plan, Protocol, Pushes, Refused, Settings,
    Verdict,
};
use crate::clock::{SystemClock, Timestamp};
use crate::setting::Span;

const GREET: u8 = 1;
const ASK: u8 = 2;
const PUSH: u8 = 4;
const PING: u8 = 5;
const BYE: u8 = 6;
const NACK: u8 = 7;
const ANSWER: u8 = 0x80;
/// A greeting refused for who we are, and one refused for its version.
const UNAUTHORIZED: u8 = 0x91;
const OLDER: u8 = 0xA1;
const THROTTLED: u8 = 0x92;
const LATER: u8 = 0x94;
/// What an answer that says "not now" has in it where it is about the recipient alone.
const FULL: u32 = 0xF0;
/// What an answer has in it that says no.
const REFUSED: u32 = 0xF1;

struct Tiny;

fn write(kind: u8, number: u32, value: Option<u32>, out: &mut BytesMut) {
    out.put_u32(if value.is_some() { 13 } else { 9 });
    out.put_u8(kind);
    out.put_u32(number);
    if let Some(value) = value {
        out.put_u32(value);
    }
}

fn parts(frame: &[u8]) -> (u8, u32, u32) {
    let word =
        |at: usize| frame.get(at..at + 4).map_or(0, |octets| u32::from_be_bytes(octets.try_into().unwrap()));
    (frame[4], word(5), word(9))
}

impl Protocol for Tiny {
    type Bind = u32;
    type Dialect = ();
    type Request = u32;
    type Answer = (bool, u32);
    type Push = u32;

    const FRAME: std::ops::RangeInclusive<usize> = 9..=1_000;

    fn greet(&self, bind: &u32, sequence: u32, _: Timestamp, out: &mut BytesMut) {
        write(GREET, sequence, Some(*bind), out);
    }

    fn greeted(&self, _: &u32, frame: &[u8]) -> Result<(), Refused> {
        let refused = |why: &str, is_unauthorized, is_to_be_tried_at_once| {
            Err(Refused { why: why.to_owned(), is_unauthorized, is_to_be_tried_at_once })
        };
        match parts(frame).0 {
            UNAUTHORIZED => refused("the password is wrong", true, false),
            OLDER => refused("too new", false, true),
            kind if kind == GREET | ANSWER => Ok(()),
            _ => refused("no answer to a greeting", false, false),
        }
    }

    fn is_early(&self, frame: &[u8]) -> bool {
        matches!(parts(frame).0, PING | PUSH | BYE)
    }

    fn encode(&self, (): &(), request: &u32, sequence: u32, out: &mut BytesMut) {
        write(ASK, sequence, Some(*request), out);
    }

    fn decode(&self, (): &(), frame: &[u8]) -> Incoming<Self> {
        let (kind, sequence, value) = parts(frame);
        match kind {
            THROTTLED => Incoming::Answer { sequence, answer: (true, value) },
            PUSH => Incoming::Push { sequence, push: value },
            PING => Incoming::Ping { sequence },
            BYE => Incoming::Bye { sequence },
            kind if kind == ASK | ANSWER => Incoming::Answer { sequence, answer: (false, value) },
            kind if kind == PING | ANSWER => Incoming::Pong,
            kind if kind == BYE | ANSWER => Incoming::ByeAnswer,
            kind if kind & ANSWER == 0 => Incoming::Malformed { sequence },
            0xFF => panic!("a protocol with a mistake in it"),
            _ => Incoming::Ignored,
        }
    }

    fn verdict(&self, answer: &(bool, u32)) -> Verdict {
        match answer {
            (true, FULL) => Verdict::NotNow(NotNow::Recipient),
            (true, _) => Verdict::NotNow(NotNow::Account),
            (false, REFUSED) => Verdict::Refused,
            (false, _) => Verdict::Taken,
        }
    }

    /// A value of a million and more is what a person wrote.
    fn content(&self, push: &u32) -> Option<Content> {
        (*push >= 1_000_000).then(|| u128::from(*push).to_be_bytes())
    }

    fn ping(&self, sequence: u32, out: &mut BytesMut) {
        write(PING, sequence, None, out);
    }
    fn pong(&self, sequence: u32, out: &mut BytesMut) {
        write(PING | ANSWER, sequence, None, out);
    }
    fn bye(&self, sequence: u32, out: &mut BytesMut) {
        write(BYE, sequence, None, out);
    }
    fn bye_answer(&self, sequence: u32, out: &mut BytesMut) {
        write(BYE | ANSWER, sequence, None, out);
    }
    fn push_answer(&self, (): &(), push: &u32, sequence: u32, is_taken: bool, out: &mut BytesMut) {
        write(if is_taken { PUSH | ANSWER } else { LATER }, sequence, Some(*push), out);
    }
    fn nack(&self, sequence: u32, out: &mut BytesMut) {
        write(NACK | ANSWER, sequence, None, out);
    }
}

/// The other end of one connection.
struct Peer(TcpStream);

impl Peer {
    /// The next frame: kind, number, value. Nothing: it ended.
    async fn read(&mut self) -> Option<(u8, u32, u32)> {
        let length = self.0.read_u32().await.ok()?;
        let mut frame = length.to_be_bytes().to_vec();
        frame.resize(usize::try_from(length).unwrap(), 0);
        self.0.read_exact(&mut frame[4..]).await.ok()?;
        Some(parts(&frame))
    }

    /// The next frame of this kind; its number and value.
    async fn expect(&mut self, kind: u8) -> (u32, u32) {
        let (found, number, value) = self.read().await.expect("it ended");
        assert_eq!(found, kind);
        (number, value)
    }

    async fn write(&mut self, kind: u8, number: u32, value: u32) {
        let mut out = BytesMut::new();
        write(kind, number, Some(value), &mut out);
        let _ = self.0.write_all(&out).await;
    }

    /// Takes the greeting.
    async fn greet(&mut self) {
        let (number, value) = self.expect(GREET).await;
        self.write(GREET | ANSWER, number, value).await;
    }

    /// Answers requests until the connection ends; how many.
    async fn serve(&mut self) -> u32 {
        let mut count = 0;
        while let Some((kind, number, value)) = self.read().await {
            count += u32::from(kind == ASK);
            self.write(kind | ANSWER, number, value).await;
            if kind == BYE {
                break;
            }
        }
        count
    }
}

/// Where the other end listens.
struct Carrier {
    listener: TcpListener,
}

impl Carrier {
    async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    /// The next connection.
    async fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        Peer(stream)
    }

    /// The next connection, greeted.
    async fn bound(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.greet().await;
        peer
    }

    fn account_of(&self, binds: u32, settings: Settings) -> (Arc<Account<Tiny>>, Pushes<Tiny>) {
        let lines = (0..binds).map(|bind| Line { bind, submits: true }).collect();
        let address = self.listener.local_addr().unwrap().to_string();
        Account::new(Tiny, Plan { name: "tiny".to_owned(), address, lines, settings }, Arc::new(SystemClock))
            .unwrap()
    }

    fn account(&self, settings: Settings) -> (Arc<Account<Tiny>>, Pushes<Tiny>) {
        self.account_of(1, settings)
    }
}

fn ms(ms: u64) -> Span {
    format!("{ms}ms").parse().unwrap()
}

/// Settings by which nothing that happens takes too long, and nothing happens only because time has passed. A
/// test says which of these times is to pass.
fn patient() -> Settings {
    let long = Span::seconds(LAST_RESORT.as_secs());
    Settings {
        connect_timeout: long,
        link_wait: long,
        answer_timeout: long,
        throttle_wait: long,
        keep_alive: long,
        ..Settings::default()
    }
}

/// How long a test waits for what must happen. No speed is asserted by it.
const LAST_RESORT: Duration = Duration::from_secs(180);

/// When a connection takes nothing for so long, it is full.
const STUCK: Duration = Duration::from_millis(1_500);

/// A while in which something must not happen. A slow machine makes no test fail by it.
const A_WHILE: Duration = Duration::from_millis(250);

/// What must come to its end.
async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LAST_RESORT, what).await.expect("it never happened")
}

/// Waits until `is_so`.
async fn eventually(is_so: impl Fn() -> bool) {
    within(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Whether nothing comes of this for a while.
async fn is_quiet<T>(what: impl Future<Output = T>) -> bool {
    tokio::time::timeout(A_WHILE, what).await.is_err()
}

/// Asks in a task of its own.
fn spawn_ask(
    account: &Arc<Account<Tiny>>,
    order: u64,
    value: u32,
) -> tokio::task::JoinHandle<Result<(bool, u32), Lost>> {
    let account = Arc::clone(account);
    tokio::spawn(async move { account.ask(order, &value).await })
}

fn is_unknown(result: &Result<(bool, u32), Lost>) -> bool {
    matches!(result, Err(Lost::Unknown { .. }))
}

fn is_not_sent(result: &Result<(bool, u32), Lost>) -> bool {
    matches!(result, Err(Lost::NotSent { .. }))
}
