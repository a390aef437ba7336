//! What a protocol adds to a session: octets in, octets out, and no I/O.

use bytes::BytesMut;

use crate::clock::Timestamp;
use crate::provider::line::session::words::Content;

/// A protocol's octets. Nothing here waits, connects, or keeps anything of a connection but its
/// [`Protocol::Dialect`].
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

    /// Whether a frame that came where the answer to the greeting is waited for is none, but something that
    /// the carrier asks or tells by itself. It is dealt with once the answer is there.
    fn is_early(&self, frame: &[u8]) -> bool;

    /// Writes a request. It always can: what cannot be written was refused before.
    fn encode(&self, dialect: &Self::Dialect, request: &Self::Request, sequence: u32, out: &mut BytesMut);

    /// Reads a frame.
    fn decode(&self, dialect: &Self::Dialect, frame: &[u8]) -> Incoming<Self>;

    /// What an answer says about the request.
    fn verdict(&self, answer: &Self::Answer) -> Verdict;

    /// What stands for a text that a person wrote: a digest of everything in it that stays the same when the
    /// carrier tells it again, the sender among it. Nothing for what nobody wrote, such as a receipt.
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
    fn push_answer(
        &self,
        dialect: &Self::Dialect,
        push: &Self::Push,
        sequence: u32,
        is_taken: bool,
        out: &mut BytesMut,
    );
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
