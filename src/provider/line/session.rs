//! Sessions with a carrier: connections that stay, on which many requests are open at a time.
//!
//! SMPP and CMPP differ in their octets and agree in everything else, and this is everything else: frames, sequence
//! numbers, the window, which answer belongs to which request, how long an answer may take, keep-alive in both
//! directions, connecting again, several binds to one account, and slowing down when the carrier says so. What a protocol
//! adds is [`Protocol`]: octets in, octets out, and no I/O.
//!
//! The promise is about what left. A request of which no octet was handed to the connection is [`Lost::NotSent`];
//! one of which any octet was, and whose answer did not come, is [`Lost::Unknown`], and nothing here ever sends it again.
//! The only request that is sent twice is one that the carrier has answered with "not now" ([`Verdict::NotNow`]).

mod ask;
mod board;
mod core;
mod late;
mod line;
mod link;
mod memory;
mod orders;
mod pace;
mod pump;
mod refusals;
mod seat;
mod settings;
mod shared;
mod slots;
mod stream;
#[cfg(test)]
mod tests;
mod told;
mod words;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::halt::{Brake, Halt};
use crate::provider::SegmentOutcome;
use crate::provider::line::session::memory::Memory;
use crate::provider::line::session::shared::Shared;
use crate::provider::line::session::told::Told;
use crate::sms::message::MessageId;

pub use memory::Unheard;
pub use settings::{Settings, is_address};
pub use told::{Late, Pushed, Pushes, UNHEARD_EVERY};
pub use words::{Content, Place, Telling};

/// How every answer begins that says that no bind is there which takes requests.
pub const NO_BIND: &str = "no bind is up";

/// A protocol's octets. Nothing here waits, connects, or keeps anything of a connection but its [`Protocol::Dialect`].
pub trait Protocol: Send + Sync + Sized + 'static {
    /// What one bind is for, such as "transmitter".
    type Bind: Clone + std::fmt::Debug + Send + Sync;
    /// What was agreed upon when a connection began, such as the version.
    type Dialect: Clone + Send + Sync;
    /// What we ask.
    type Request: Send + Sync;
    /// What the carrier answers.
    type Answer: Send;
    /// What the carrier asks by itself: receipts and messages of people.
    type Push: Send;

    /// The shortest and the longest frame that there is, in octets, its header included.
    const FRAME: std::ops::RangeInclusive<usize>;

    /// The length of the frame that begins so, by its first four octets.
    fn frame_octets(&self, first: [u8; 4]) -> usize {
        usize::try_from(u32::from_be_bytes(first)).unwrap_or(usize::MAX)
    }

    /// Writes the first request of a connection.
    fn greet(&self, bind: &Self::Bind, sequence: u32, now: Timestamp, out: &mut BytesMut);

    /// Reads the answer to it.
    ///
    /// # Errors
    /// [`Refused`].
    fn greeted(&self, bind: &Self::Bind, frame: &[u8]) -> std::result::Result<Self::Dialect, Refused>;

    /// Whether a frame that came where the answer to the greeting is waited for is none, but something that the carrier
    /// asks or tells by itself. It is dealt with once the answer is there.
    fn is_early(&self, frame: &[u8]) -> bool;

    /// Writes a request. It always can: what cannot be written was refused before.
    fn encode(&self, dialect: &Self::Dialect, request: &Self::Request, sequence: u32, out: &mut BytesMut);

    /// Reads a frame.
    fn decode(&self, dialect: &Self::Dialect, frame: &[u8]) -> Incoming<Self>;

    /// What an answer says about the request.
    fn verdict(&self, answer: &Self::Answer) -> Verdict;

    /// What stands for a text that a person wrote: a digest of everything in it that stays the same when the carrier tells it
    /// again, the sender among it. Nothing for what nobody wrote, such as a receipt.
    fn content(&self, push: &Self::Push) -> Option<Content>;

    /// Writes the question whether the other end is there.
    fn ping(&self, sequence: u32, out: &mut BytesMut);
    /// Writes the answer to that question.
    fn pong(&self, sequence: u32, out: &mut BytesMut);
    /// Writes that we go.
    fn bye(&self, sequence: u32, out: &mut BytesMut);
    /// Writes the answer to the other end's going.
    fn bye_answer(&self, sequence: u32, out: &mut BytesMut);
    /// Writes the answer to what the carrier asked by itself: taken, or to be told again later.
    fn push_answer(&self, dialect: &Self::Dialect, push: &Self::Push, sequence: u32, is_taken: bool, out: &mut BytesMut);
    /// Writes the answer to a request that cannot be read; nothing where the protocol has none.
    fn nack(&self, sequence: u32, out: &mut BytesMut);
}

/// What an answer says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken, or nobody can say that it was not.
    Taken,
    /// It was not, for good.
    Refused,
    /// It certainly was not taken, and may be sent again later.
    NotNow(NotNow),
}

/// Whom a "not now" is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotNow {
    /// The account: all of it is to be slower.
    Account,
    /// The recipient of this request: others are not.
    Recipient,
}

/// A frame that was read.
#[derive(Debug)]
pub enum Incoming<P: Protocol> {
    /// The answer to our request.
    Answer {
        /// The request's number.
        sequence: u32,
        /// What it says.
        answer: P::Answer,
    },
    /// The carrier tells something, and wants an answer.
    Push {
        /// The carrier's number.
        sequence: u32,
        /// What it tells.
        push: P::Push,
    },
    /// Are you there?
    Ping {
        /// The carrier's number.
        sequence: u32,
    },
    /// The answer to our own question of that kind.
    Pong,
    /// The carrier goes.
    Bye {
        /// The carrier's number.
        sequence: u32,
    },
    /// The answer to our going.
    ByeAnswer,
    /// A request that cannot be read: answered with [`Protocol::nack`].
    Malformed {
        /// The carrier's number.
        sequence: u32,
    },
    /// Nothing to do: an answer that cannot be read, or one of no request.
    Ignored,
}

/// Why a connection could not begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// In words; never a secret.
    pub why: String,
    /// Whether it is about who we are: then it is not tried again soon.
    pub is_unauthorized: bool,
    /// Whether to connect again at once, since the next greeting will be another one (a lower version).
    pub is_to_be_tried_at_once: bool,
}

/// What was in the way of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No bind is up that takes requests, or the session is being closed.
    NoBind,
    /// The carrier refused who we are.
    Unauthorized,
    /// Others wait before it: its turn is too far off.
    Turn,
    /// Another segment of its text was not taken.
    Text,
    /// Nothing begins: the operator paused it, or the ledger has no room.
    Halt(ErrorKind),
}

/// The messages that requests carry; questions carry none.
#[derive(Clone, Copy)]
struct Carried<'a> {
    messages: &'a Arc<[MessageId]>,
    /// What stops them before they begin.
    brake: &'a Brake,
}

/// What became of one request of several.
#[derive(Debug)]
pub struct Asked<A> {
    /// The answer, or what is known without one.
    pub answer: std::result::Result<A, Lost>,
    /// Whether the answer is a "not now" that is about the recipient alone.
    pub of_recipient: bool,
}

impl<A> From<Lost> for Asked<A> {
    fn from(lost: Lost) -> Self {
        Self { answer: Err(lost), of_recipient: false }
    }
}

/// A request without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Nothing of it left.
    NotSent {
        /// Why.
        why: String,
        /// What was in the way.
        obstacle: Obstacle,
        /// How long to wait, in milliseconds, where something is known about that.
        retry_after_ms: Option<u64>,
    },
    /// It left, or some of it did.
    Unknown {
        /// What is known.
        why: String,
    },
}

impl Lost {
    /// What a question without an answer means for whoever asked it of this provider.
    pub fn error(self, provider: &str) -> Error {
        let (kind, why) = match self {
            Self::NotSent { why, obstacle: Obstacle::Unauthorized, .. } => (ErrorKind::ProviderUnauthorized, why),
            Self::NotSent { why, obstacle: Obstacle::Turn, .. } => (ErrorKind::RateLimited, why),
            Self::NotSent { why, .. } | Self::Unknown { why } => (ErrorKind::ProviderUnavailable, why),
        };
        Error::new(kind, format!("{provider}: {why}"))
    }
}

impl From<Halt> for Lost {
    fn from(halt: Halt) -> Self {
        Self::NotSent { why: halt.why, obstacle: Obstacle::Halt(halt.code), retry_after_ms: None }
    }
}

impl From<Lost> for SegmentOutcome {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::NotSent { why, obstacle: Obstacle::Unauthorized, .. } => Self::Rejected { code: ErrorKind::ProviderUnauthorized, why },
            Lost::NotSent { why, obstacle: Obstacle::Turn, retry_after_ms } => {
                Self::NotNow { code: ErrorKind::RateLimited, retry_after_ms: retry_after_ms.unwrap_or_default(), why }
            }
            Lost::NotSent { why, obstacle: Obstacle::Halt(code), .. } => Self::NotNow { code, retry_after_ms: 0, why },
            Lost::NotSent { why, retry_after_ms, .. } => Self::NotSent { retry_after_ms, why },
            Lost::Unknown { why } => Self::Unknown { why },
        }
    }
}

/// The order of requests about the same thing, such as a recipient's number.
pub fn order_of(about: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    about.hash(&mut hasher);
    hasher.finish()
}

/// What an account is made of.
#[derive(Clone, Debug)]
pub struct Plan<B> {
    /// The operator's name for the provider, for the log.
    pub name: String,
    /// The carrier's `host:port`.
    pub address: String,
    /// The binds; each is kept up.
    pub lines: Vec<Line<B>>,
    /// How the connections are used. Its `binds` was already multiplied into `lines`.
    pub settings: Settings,
}

/// One bind of an account.
#[derive(Clone, Debug)]
pub struct Line<B> {
    /// What it is for.
    pub bind: B,
    /// Whether requests go out on it.
    pub submits: bool,
}

/// What a session has done so far. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Binds that are up now.
    pub up: u32,
    /// Requests without an answer now.
    pub open: u32,
    /// Requests written.
    pub requests: u64,
    /// Answers that came in time.
    pub answers: u64,
    /// Answers that came later.
    pub late: u64,
    /// Answers that said "not now".
    pub throttled: u64,
    /// Requests whose answer did not come.
    pub lost: u64,
    /// What the carrier told by itself.
    pub pushes: u64,
    /// Connections that began.
    pub connections: u64,
    /// Frames that could not be read.
    pub malformed: u64,
    /// Writes to the connections: as many system calls.
    pub writes: u64,
    /// Requests a second that are allowed now, where the carrier's "not now" brought it down.
    pub pace_per_second: Option<u32>,
}

/// Answers to requests that were given up that wait to be recorded. One more is lost, as all of them were once.
const LATES: usize = 1_024;

/// An account at a carrier: its binds, and the requests that go out on them. Dropping it disconnects at once.
pub struct Account<P: Protocol> {
    shared: Arc<Shared<P>>,
    is_started: AtomicBool,
    /// Ends the tasks that keep the binds up.
    gone: CancellationToken,
    /// Answers to requests that were given up, until somebody asks for them.
    lates: Mutex<Option<mpsc::Receiver<Late<P>>>>,
}

impl<P: Protocol> Drop for Account<P> {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

impl<P: Protocol> std::fmt::Debug for Account<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}

impl<P: Protocol> Account<P> {
    /// An account. Nothing is connected before [`Account::start`]. The second value yields what the carrier tells.
    ///
    /// # Errors
    /// [`Config`](crate::error::ErrorKind::Config) when a certificate that the settings name cannot be used.
    pub fn new(protocol: P, plan: Plan<P::Bind>, clock: SharedClock) -> Result<(Arc<Self>, Pushes<P>)> {
        let wrong = |why: String| Error::new(ErrorKind::Config, format!("the session of {} cannot be made: {why}", plan.name));
        plan.settings.check_possible().map_err(wrong)?;
        let door = stream::Door::new(&plan.address, &plan.settings).map_err(wrong)?;
        let memory = Arc::new(Memory::new(Arc::clone(&clock)));
        let (told, pushes) = Told::new(Arc::clone(&memory));
        let (late, lates) = mpsc::channel(LATES);
        let shared = Arc::new(Shared::new(protocol, plan, door, clock, memory, told, late));
        let (is_started, gone) = (AtomicBool::new(false), CancellationToken::new());
        Ok((Arc::new(Self { shared, is_started, gone, lates: Mutex::new(Some(lates)) }), pushes))
    }

    /// Connects, and stays connected until [`Account::close`]. Again: nothing. Needs a runtime.
    pub fn start(self: &Arc<Self>) {
        self.begin();
    }

    /// The same, for those who have no [`Arc`] at hand.
    fn begin(&self) {
        if self.is_started.load(Ordering::Relaxed) || self.is_started.swap(true, Ordering::AcqRel) {
            return;
        }
        for number in 0..self.shared.plan.lines.len() {
            let (shared, gone) = (Arc::clone(&self.shared), self.gone.clone());
            shared.board.begun(number);
            tokio::spawn(async move {
                tokio::select! {
                    () = line::keep_up(&shared, number) => {}
                    () = gone.cancelled() => {}
                }
                shared.board.finished(number);
            });
        }
    }

    /// The protocol.
    pub fn protocol(&self) -> &P {
        &self.shared.core.protocol
    }

    /// Asks, and waits for the answer. As [`Account::ask_all`] with one request.
    ///
    /// # Errors
    /// [`Lost`]. Dropping the future does not take the request back.
    pub async fn ask(&self, order: u64, request: &P::Request) -> std::result::Result<P::Answer, Lost> {
        self.begin();
        let mut all = self.shared.ask_all(order, std::slice::from_ref(request), None).await;
        let none = || Lost::NotSent { why: "there was nothing to ask".to_owned(), obstacle: Obstacle::Text, retry_after_ms: None };
        all.pop().map_or_else(|| Err(none()), |asked| asked.answer)
    }

    /// Asks for a text: for all of these requests in a row, and waits for their answers; as many, in their order. Waits before
    /// that for its turn (a bind that is up, a place in its window, the pace), at most `link_wait`; then none of it was sent.
    /// Once the first request is written, no wait for the window or the pace ends it. Texts of one `order` (a recipient) are sent
    /// in the order in which they were asked, also after a request of one was throttled. An answer that is
    /// [`Verdict::NotNow`] is only returned after `throttle_wait` of trying. Once a request is refused, those that are not
    /// written are left out. An answer that comes after [`Lost::Unknown`] was told comes to [`Account::lates`], with the
    /// messages that are `carried`. What has not begun when the `brake` is pulled does not begin.
    pub async fn ask_all(&self, order: u64, requests: &[P::Request], carried: &Arc<[MessageId]>, brake: &Brake) -> Vec<Asked<P::Answer>> {
        self.begin();
        self.shared.ask_all(order, requests, Some(Carried { messages: carried, brake })).await
    }

    /// How many requests may come to wait for their turn now without waiting for long.
    pub fn room(&self) -> u32 {
        self.shared.room()
    }

    /// The same once it is one at least.
    pub async fn roomy(&self) -> u32 {
        self.shared.roomy().await
    }

    /// Whether some bind answers what it is asked: then an answer that another one lost says nothing of the account.
    pub fn is_answering(&self) -> bool {
        self.shared.board.is_answering(self.shared.plan.settings.answer_timeout.duration(), Instant::now())
    }

    /// Answers that come after [`Lost::Unknown`] was told; the first caller gets them.
    pub fn lates(&self) -> Option<mpsc::Receiver<Late<P>>> {
        self.lates.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Texts of people that may be told again, also to another process: see [`Pushes::unheard`].
    pub fn unheard(&self) -> Unheard {
        self.shared.core.memory.unheard()
    }

    /// Whether some requests of a text were written and others are still to be.
    pub fn is_mid_text(&self) -> bool {
        self.shared.is_mid_text()
    }

    /// What was done so far.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Waits until a bind is up, at most `link_wait`, for `config check --live`.
    ///
    /// # Errors
    /// Why none is.
    pub async fn ready(&self) -> std::result::Result<(), Lost> {
        self.begin();
        self.shared.ready().await
    }

    /// Why binds are not up, one text for each, once all were tried or `link_wait` is over; for `config check --live`.
    pub async fn missing(&self) -> Vec<String> {
        self.begin();
        self.shared.missing().await
    }

    /// Begins no new text from now on.
    pub fn begin_close(&self) {
        // What was not begun will not be.
        self.is_started.store(true, Ordering::Release);
        self.shared.board.close();
    }

    /// Begins no new text, finishes those that have begun, waits for the answers to open requests (at most the answer timeout),
    /// says goodbye and disconnects.
    pub async fn close(&self) {
        // What was not begun will not be.
        self.is_started.store(true, Ordering::Release);
        self.shared.close().await;
    }
}
