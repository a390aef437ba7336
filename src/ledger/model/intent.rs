//! What is asked for: who pays, which messages, and what taking them leads to.

use std::ops::Range;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, RefusedRecipient, Result};
use crate::sms::facts::{Budget, Earlier, Facts, Limits, Looks};
use crate::sms::message::{BatchId, MessageId, ProposalId, Realm, SessionId};
use crate::sms::purpose::Purpose;
use crate::sms::schedule::Schedule;
use crate::sms::verdict::Verdict;

/// The caller's base session, before any handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseSession {
    /// A session with a life of its own: the stdio process, or an HTTP session.
    Named(String),
    /// The principal's open session: the one used within the idle time, else a new one with this name.
    Open {
        /// The name that a new session gets.
        fresh: String,
    },
    /// None: what the program sends by itself is paid from the day's budget and the total.
    None,
}

/// Who asks, and which budgets that means.
#[derive(Clone, Debug)]
pub struct Payer {
    /// The principal.
    pub principal: String,
    /// Whether the sandbox carries what is paid for, or a real provider: each has its own keys, facts and
    /// budgets.
    pub realm: Realm,
    /// The base session.
    pub base: BaseSession,
    /// A handle of `open_session`, which narrows further.
    pub handle: Option<SessionId>,
    /// A session or handle that was not used for this long is closed, in milliseconds.
    pub idle_ms: i64,
    /// The currency of all amounts, part of each budget's name.
    pub currency: String,
    /// Limits over the ledger's whole life.
    pub total: Limits,
    /// Limits of the principal's UTC day.
    pub day: Limits,
    /// Limits of the base session.
    pub session: Limits,
}

/// A message that is asked for.
#[derive(Clone)]
pub struct Draft {
    /// Its id.
    pub id: MessageId,
    /// The recipient in E.164.
    pub to: String,
    /// The sender ID.
    pub from: Option<String>,
    /// The text.
    pub text: String,
    /// Digest of the text, letter by letter.
    pub digest: [u8; 16],
    /// Digest of what a reader takes from the text, for duplicates: the same in every spelling.
    pub folded: [u8; 16],
    /// Its alphabet, such as `GSM-7`.
    pub encoding: &'static str,
    /// Segments.
    pub segments: u32,
    /// What to hold, in micros.
    pub hold_micros: i64,
    /// Whether nobody told that price, so that it is the operator's assumption.
    pub is_assumed: bool,
    /// The provider that will carry it.
    pub provider: String,
    /// The requests that count against that provider's rate where the message leaves at once; 0 where it has
    /// none.
    pub rated_requests: u32,
    /// What it is for.
    pub purpose: Purpose,
    /// When it is to leave, as who asks for it wishes.
    pub schedule: Schedule,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("id", &self.id)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

/// A call that waits for a person, as it is to be recorded where a person is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProposal {
    /// Its id.
    pub id: ProposalId,
    /// Until when somebody may decide.
    pub expires: Timestamp,
    /// The address of the page on which that is done, where there is one.
    pub page: Option<String>,
}

/// An idempotency key with a digest of everything that the call said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key.
    pub key: String,
    /// Digest of the call's arguments.
    pub fingerprint: [u8; 32],
}

/// A bulk send, as far as it is more than its messages.
#[derive(Clone)]
pub struct BatchDraft {
    /// Its id.
    pub id: BatchId,
    /// Recipients that were named twice and are sent once.
    pub duplicates: Vec<String>,
    /// Recipients refused before the ledger was asked.
    pub refused: Vec<RefusedRecipient>,
    /// The text of the call where it has placeholders: kept where a person is asked.
    pub template: Option<String>,
}

impl BatchDraft {
    /// One of which nothing is to be said.
    pub const fn of(id: BatchId) -> Self {
        Self { id, duplicates: Vec::new(), refused: Vec::new(), template: None }
    }
}

impl std::fmt::Debug for BatchDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchDraft").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Everything that [`Intents::reserve`](crate::ledger::facets::Intents::reserve) needs.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Who pays.
    pub payer: Payer,
    /// Now.
    pub now: Timestamp,
    /// The caller's key for this intent.
    pub idempotency: Option<Idempotency>,
    /// Set for a bulk send: its messages are queued, and a single one goes straight to `attempting`.
    pub batch: Option<BatchDraft>,
    /// Whether the messages of the batch go straight to `attempting` too: one request carries all of it (a
    /// campaign).
    pub is_campaign: bool,
    /// Whether every change of these messages is told to the operator's own system.
    pub forward: bool,
    /// The messages; recipients are distinct.
    pub drafts: Vec<Draft>,
    /// Whether one refused message refuses all.
    pub all_or_none: bool,
    /// How far back the same text counts as a duplicate, in milliseconds.
    pub duplicate_window_ms: i64,
    /// Messages per second.
    pub per_second: u32,
    /// Whether texts stay once they left; else each is erased as soon as it cannot be sent any more.
    pub keep_texts: bool,
    /// What is recorded where a person is asked.
    pub proposal: Option<NewProposal>,
    /// What the decision asks for beside the rest.
    pub looks: Looks,
    /// For texts of these purposes it is looked up whether their recipient wrote lately.
    pub answers_of: Vec<Purpose>,
    /// For texts of these purposes it is looked up whether their recipient agreed.
    pub consent_for: Vec<Purpose>,
    /// Only decide; write nothing.
    pub preview: bool,
}

/// Makes messages of a bulk, by their places in it; twice the same where it is asked twice, but for their
/// ids.
pub type MakeDrafts = Arc<dyn Fn(Range<usize>) -> Result<Vec<Draft>> + Send + Sync>;

/// The messages of a bulk that is too large to be held in memory as a whole.
#[derive(Clone)]
pub struct Many {
    /// How many they are; recipients are distinct.
    pub count: usize,
    /// What all of them hold, in micros.
    pub hold_micros: i64,
    /// Makes them.
    pub make: MakeDrafts,
}

/// The policy that [`Intents::reserve`](crate::ledger::facets::Intents::reserve) asks inside its transaction,
/// for each draft by its index: what it does not refuse enters the state that the verdict says.
pub type Decide = Arc<dyn Fn(usize, &Facts) -> Result<Verdict> + Send + Sync>;

/// What [`Intents::reserve`](crate::ledger::facets::Intents::reserve) did.
#[derive(Debug)]
pub enum Reservation {
    /// Recorded, money held. Refused drafts are not recorded.
    Taken {
        /// Which drafts were refused, and why.
        refused: Vec<(usize, Error)>,
        /// Which of the others go to a person to whom a message of the same principal, with another text, is
        /// in doubt.
        doubts: Vec<(usize, Earlier)>,
        /// Which of the others wait for their time or for a person, and leave by no word of who asked for
        /// them.
        waiting: Vec<(usize, Verdict)>,
        /// By when those that leave now must have left, in milliseconds since 1970 (UTC): the first such moment.
        until_ms: Option<i64>,
        /// Why a person is asked, where one is: then all of them wait for that.
        asked: Option<String>,
        /// The budgets after it.
        budgets: Vec<Budget>,
    },
    /// Nothing was recorded.
    Refused {
        /// Which drafts were refused, and why; at least one.
        refused: Vec<(usize, Error)>,
        /// The budgets as they are.
        budgets: Vec<Budget>,
    },
    /// The key was used before for exactly this: here is what it led to.
    Replay(Target),
    /// The key was used before for something else.
    Conflict,
}

/// What an idempotency key led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A single message.
    Message(MessageId),
    /// A bulk send.
    Batch(BatchId),
}

impl Target {
    /// The id that it names.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Message(id) => id.as_str(),
            Self::Batch(id) => id.as_str(),
        }
    }
}

/// A slice of a session that is asked for.
#[derive(Clone, Debug)]
pub struct NewHandle {
    /// The handle.
    pub id: SessionId,
    /// A name for people.
    pub label: Option<String>,
    /// Its limits, already no wider than the session's.
    pub limits: Limits,
}
