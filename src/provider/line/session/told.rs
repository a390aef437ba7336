//! What the carrier tells by itself, on its way from the connections to whoever records it.
//!
//! Two queues: what people write, and everything else, so that no text of a person is refused because
//! receipts wait. What does not fit is answered with "later"; before a text of a person is, its connection is
//! not read for [`MOMENT`], or for [`LONGEST`] while some are taken, so that there may be room. Texts of
//! people come out first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::provider::exchange::About;
use crate::provider::line::session::Protocol;
use crate::provider::line::session::link::Link;
use crate::provider::line::session::memory::{Memory, Unheard};
use crate::provider::line::session::words::{Content, Place, Telling};

/// Most of what the carrier told that waits to be recorded, of each kind.
const WAITING: usize = 1_024;

/// How often is looked for texts of people that may be told again: the ledger knows of them before a
/// connection that was cut is there again, for the carrier tells them on it.
pub const UNHEARD_EVERY: Duration = Duration::from_millis(100);

/// For how long a connection is not read at most while there is no room at all for the texts of people that
/// wait on it.
pub(super) const MOMENT: Duration = Duration::from_secs(1);

/// The same while there is room for one after the other: an answer to a request of ours may wait behind them.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// The answer to a request that was given up ([`Lost::Unknown`](super::Lost::Unknown)) while its connection
/// lives.
#[derive(Debug)]
pub struct Late<P: Protocol> {
    /// What the request was about.
    pub about: About,
    /// What the carrier answered.
    pub answer: P::Answer,
}

/// What the carrier told, and the way to answer it. It is to be answered also where it is not understood;
/// dropped without [`Pushed::answer`], it is answered with "later".
pub struct Pushed<P: Protocol> {
    /// What it told.
    pub push: P::Push,
    /// Whether it was told before, and when. What nobody wrote, such as a receipt, is told first each time.
    pub telling: Telling,
    /// Where it came: the connection's number within the account, and the carrier's own number on it.
    pub place: Place,
    /// What stands for a text of a person; nothing where nobody wrote this.
    pub content: Option<Content>,
    /// The connection that it came on; nothing once it is answered.
    link: Option<Arc<Link<P>>>,
}

impl<P: Protocol> Pushed<P> {
    /// What came on this connection under this number.
    pub(super) fn new(push: P::Push, sequence: u32, link: &Arc<Link<P>>) -> Self {
        let place = Place { link: link.number, sequence };
        let content = link.core.protocol.content(&push);
        let telling = match content {
            Some(content) => link.core.memory.with(|words, now| words.told(content, place, now)),
            None => Telling { first: link.core.memory.now(), is_again: false },
        };
        Self { push, telling, place, content, link: Some(Arc::clone(link)) }
    }

    /// Answers it: taken for good, or to be told again later. Where its connection has ended since, nobody
    /// can be answered, and the carrier tells it again.
    pub fn answer(mut self, is_taken: bool) {
        self.settle(is_taken);
    }

    fn settle(&mut self, is_taken: bool) {
        let Some(link) = self.link.take() else { return };
        let end = link.answer_push(&self.push, self.place.sequence, is_taken);
        if let Some(content) = &self.content {
            link.core.memory.with(|words, now| words.answered(content, is_taken, end, now));
        }
    }
}

impl<P: Protocol> Drop for Pushed<P> {
    fn drop(&mut self) {
        self.settle(false);
    }
}

impl<P: Protocol> std::fmt::Debug for Pushed<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pushed").field("place", &self.place).finish_non_exhaustive()
    }
}

/// Where connections put what the carrier tells.
pub(super) struct Told<P: Protocol> {
    words: mpsc::Sender<Pushed<P>>,
    others: mpsc::Sender<Pushed<P>>,
}

impl<P: Protocol> Told<P> {
    /// Both ends.
    pub(super) fn new(memory: Arc<Memory>) -> (Self, Pushes<P>) {
        let ((words, heard), (others, rest)) = (mpsc::channel(WAITING), mpsc::channel(WAITING));
        (Self { words, others }, Pushes { words: heard, others: rest, memory })
    }

    /// Hands on what came, in its order. Texts of people for which there is no room stay; everything else
    /// that has none is dropped, and so answered with "later".
    pub(super) fn hand_on(&self, came: &mut VecDeque<Pushed<P>>) {
        let mut kept = VecDeque::new();
        for pushed in came.drain(..) {
            if pushed.content.is_none() {
                drop(self.others.try_send(pushed));
            } else if !kept.is_empty() {
                kept.push_back(pushed);
            } else if let Err(TrySendError::Full(pushed)) = self.words.try_send(pushed) {
                kept.push_back(pushed);
            }
        }
        *came = kept;
    }
}

/// What the carrier tells. Dropped, everything is answered with "later".
pub struct Pushes<P: Protocol> {
    words: mpsc::Receiver<Pushed<P>>,
    others: mpsc::Receiver<Pushed<P>>,
    memory: Arc<Memory>,
}

impl<P: Protocol> Pushes<P> {
    /// The next, texts of people before others. Nothing once the account is gone.
    pub async fn recv(&mut self) -> Option<Pushed<P>> {
        tokio::select! {
            biased;
            Some(pushed) = self.words.recv() => Some(pushed),
            Some(pushed) = self.others.recv() => Some(pushed),
            else => None,
        }
    }

    /// Texts of people that may be told again, also to another process: what stands for each, and when it was
    /// told first. Each is handed out once.
    pub fn unheard(&self) -> Unheard {
        self.memory.unheard()
    }
}
