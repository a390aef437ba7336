//! The ledger: what was asked, what was promised, what left, and what it cost.
//!
//! [`Ledger`] has few verbs, and each is one step of the business, all or nothing. The one that matters most is
//! [`Ledger::reserve`]: it gathers the facts, asks the caller's decision, takes the money and writes the intent in a
//! single transaction that is durable before it returns. Time, ids and randomness come in as arguments.

pub mod clients;
pub mod long_reply;
pub mod mark;
mod pacing;
mod people;
pub mod sqlite;
pub mod told;
pub mod upkeep;

use std::sync::Arc;

use async_trait::async_trait;

pub use pacing::Pacing;
pub use people::{
    ANSWERS_MS, MOST_PENDING, NewPending, NewReply, OptOut, Pended, Pending, Recorded, Replies, ReplyPlace, ReplyRecord, SHOWN_AN_HOUR, Settled,
};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, RefusedRecipient, Result};
use crate::sms::caller_id::Known;
use crate::sms::facts::{Budget, Earlier, Facts, Limits};
use crate::sms::message::{BatchId, MessageId, Realm, SessionId, State};
use crate::sms::peer::Peer;

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
}

/// Who asks, and which budgets that means.
#[derive(Clone, Debug)]
pub struct Payer {
    /// The principal.
    pub principal: String,
    /// Whether the sandbox carries what is paid for, or a real provider: each has its own keys, facts and budgets.
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
    /// The requests that count against that provider's rate where the message leaves at once; 0 where it has none.
    pub rated_requests: u32,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("id", &self.id).field("segments", &self.segments).finish_non_exhaustive()
    }
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
#[derive(Clone, Debug)]
pub struct BatchDraft {
    /// Its id.
    pub id: BatchId,
    /// Recipients that were named twice and are sent once.
    pub duplicates: Vec<String>,
    /// Recipients refused before the ledger was asked.
    pub refused: Vec<RefusedRecipient>,
}

/// Everything that [`Ledger::reserve`] needs.
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
    /// Whether the messages of the batch go straight to `attempting` too: one request carries all of it (a campaign).
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
    /// Only decide; write nothing.
    pub preview: bool,
}

/// The policy that [`Ledger::reserve`] asks inside its transaction, for each draft by its index.
pub type Decide = Arc<dyn Fn(usize, &Facts) -> Result<()> + Send + Sync>;

/// What [`Ledger::reserve`] did.
#[derive(Debug)]
pub enum Reservation {
    /// Recorded, money held. Refused drafts are not recorded.
    Taken {
        /// Which drafts were refused, and why.
        refused: Vec<(usize, Error)>,
        /// Which of the others go to a person to whom a message of the same principal, with another text, is in doubt.
        doubts: Vec<(usize, Earlier)>,
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

/// One segment of a message whose segments went out as requests of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number, from 1.
    pub number: u32,
    /// Where it stands. `Rejected`: it was not taken; `Unknown`: its answer was lost.
    pub state: State,
    /// The provider's id of it, where the provider took it.
    pub vendor_id: Option<String>,
    /// When its state last changed.
    pub at: Timestamp,
    /// The provider's words or ours.
    pub why: Option<String>,
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// When.
    pub at: Timestamp,
    /// The new state.
    pub state: State,
    /// The provider's id.
    pub vendor_id: Option<String>,
    /// The real price in micros; the held amount where the provider named none.
    pub price_micros: Option<i64>,
    /// Segments charged, where the provider says so.
    pub segments: Option<u32>,
    /// What became of each segment, where they went out as requests of their own; else nothing. Of a message that failed
    /// because some were not taken, the others' share of what was held is charged.
    pub parts: Vec<Segment>,
    /// Our code, for anything but success.
    pub code: Option<ErrorKind>,
    /// The provider's words or ours.
    pub why: Option<String>,
    /// Whether the idempotency key may be used again, because nothing was sent.
    pub free_key: bool,
    /// When the provider is to be asked about it for the first time, where nothing comes by itself.
    pub look_at: Option<Timestamp>,
}

/// A message in the ledger.
#[derive(Clone)]
pub struct Record {
    /// Its id.
    pub id: MessageId,
    /// Its place in the ledger; later messages have higher ones.
    pub sequence: i64,
    /// The bulk send that it belongs to.
    pub batch: Option<BatchId>,
    /// Whose it is.
    pub principal: String,
    /// The recipient in E.164.
    pub to: String,
    /// The sender ID.
    pub from: Option<String>,
    /// The text, unless it was erased.
    pub text: Option<String>,
    /// Its alphabet, such as `GSM-7`.
    pub encoding: String,
    /// Segments.
    pub segments: u32,
    /// Where it stands.
    pub state: State,
    /// The provider's name.
    pub provider: String,
    /// Whether that was the sandbox.
    pub realm: Realm,
    /// The provider's id.
    pub vendor_id: Option<String>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When its state last changed.
    pub changed: Timestamp,
    /// Still held, in micros.
    pub held_micros: i64,
    /// Posted price, in micros.
    pub price_micros: Option<i64>,
    /// Whether nobody told what it costs, so that both are the operator's assumption.
    pub is_assumed: bool,
    /// Currency of both.
    pub currency: String,
    /// Our code, if it did not succeed.
    pub code: Option<ErrorKind>,
    /// Words about it, the provider's or ours.
    pub why: Option<String>,
    /// Digest of the text.
    pub digest: [u8; 16],
    /// How many replies came to it.
    pub replies: u32,
    /// Whether its segments went out as requests of their own ([`Ledger::segments`]).
    pub is_parted: bool,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

/// One step of a message's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state it entered.
    pub state: State,
    /// When.
    pub at: Timestamp,
    /// Words about it.
    pub why: Option<String>,
}

/// A bulk send in the ledger.
#[derive(Clone, Debug)]
pub struct BatchRecord {
    /// Its id.
    pub id: BatchId,
    /// When it was accepted.
    pub created: Timestamp,
    /// How many of its messages are in which state.
    pub states: Vec<(State, u32)>,
    /// Recipients named twice.
    pub duplicates: Vec<String>,
    /// Recipients refused.
    pub refused: Vec<RefusedRecipient>,
}

impl BatchRecord {
    /// How many messages were accepted.
    pub fn accepted(&self) -> u32 {
        self.states.iter().map(|(_, count)| count).sum()
    }

    /// How many are still to be handed over, or being handed over.
    pub fn open(&self) -> u32 {
        self.states.iter().filter(|(state, _)| state.is_open()).map(|(_, count)| count).sum()
    }
}

/// Which messages [`Ledger::list`] shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Whose.
    pub principal: String,
    /// In this state.
    pub state: Option<State>,
    /// To this number, in E.164.
    pub to: Option<String>,
    /// Accepted at this moment or later.
    pub since: Option<Timestamp>,
    /// Accepted before this moment.
    pub until: Option<Timestamp>,
    /// Of this bulk send.
    pub batch: Option<BatchId>,
    /// Only messages before this place in the ledger.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// Which messages are to be looked up now.
#[derive(Clone, Debug)]
pub struct LookClaim {
    /// Of this provider.
    pub provider: String,
    /// On its side: the sandbox may have had the same name once.
    pub realm: Realm,
    /// At most so many questions.
    pub limit: u32,
    /// Now.
    pub now: Timestamp,
    /// Whether one question is answered for every message that has the provider's id of it: then one message stands for
    /// all of them.
    pub by_request: bool,
    /// Whether each question counts against the provider's rate.
    pub is_rated: bool,
}

/// Messages that a worker took from the queue; they are `attempting` now.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The messages, with their texts.
    pub messages: Vec<Record>,
    /// How long until the sending rate allows another, in milliseconds, if that is what limited this claim.
    pub wait_ms: Option<u64>,
    /// Whether something went wrong after they were claimed: none of them may be handed over, and all go back.
    pub is_void: bool,
}

/// What a worker may take from the queue.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Now.
    pub now: Timestamp,
    /// At most so many.
    pub limit: u32,
    /// Messages per second.
    pub per_second: u32,
    /// Queued messages older than this expire instead, in milliseconds.
    pub max_age_ms: i64,
    /// Whether to take over what a process that died left queued.
    pub adopt: bool,
    /// Only messages for this provider: the queue of another waits for a server that has it.
    pub provider: String,
    /// On its side: what the sandbox had queued under the same name never leaves.
    pub realm: Realm,
    /// Most messages that one request of it carries. Where that is more than one, a claim takes what one request can
    /// carry: distinct recipients, one sender.
    pub per_request: u32,
    /// Whether each segment of a message is a request of its own.
    pub by_segment: bool,
    /// At most so many requests, and one message in any case.
    pub most_requests: u32,
    /// Nothing of these principals: what they have queued waits in its place.
    pub without: Vec<String>,
    /// How many requests may be made; the claim counts its own.
    pub rate: Pacing,
}

/// A message that goes back to its place in the queue.
#[derive(Clone, Debug)]
pub struct Back {
    /// Which.
    pub id: MessageId,
    /// Until then nobody takes it. It was tried: it comes behind what was not, and what is later for the same person behind it.
    pub rests_until: Option<Timestamp>,
}

/// What [`Ledger::recover`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Attempts whose process died: unknown now.
    pub unknown: u32,
    /// Queued messages that were released for another process to take.
    pub released: u32,
}

/// A report of the provider about one of its messages.
#[derive(Clone, Debug)]
pub struct Report {
    /// The provider's name.
    pub provider: String,
    /// Its id of the message.
    pub vendor_id: String,
    /// The recipient in E.164, where several messages share the id.
    pub to: Option<String>,
    /// What it says.
    pub state: State,
    /// When it happened.
    pub at: Timestamp,
    /// Its words, if it failed.
    pub why: Option<String>,
    /// What it really cost, in micros of the message's currency, where the report says so. What was posted before is
    /// corrected by it, also for a message whose state does not change.
    pub price_micros: Option<i64>,
}

/// A change that is still to be told to the operator's own system.
#[derive(Clone, PartialEq, Eq)]
pub struct Forward {
    /// Its number in the ledger.
    pub sequence: i64,
    /// The id that stays the same however often it is told.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The whole event, as JSON.
    pub body: String,
    /// How often it was tried.
    pub tries: u32,
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

/// The durable ledger. See the module's text. Every error is [`ErrorKind::LedgerUnavailable`] unless said otherwise.
#[async_trait]
pub trait Ledger: clients::Clients + told::Told + long_reply::LongReplies + upkeep::Upkeep {
    /// Decides, holds the money and records the intent, in one durable step.
    ///
    /// # Errors
    /// [`ErrorKind::SessionInvalid`] for a handle that is unknown, somebody else's, or closed;
    /// [`ErrorKind::ClockUnreliable`] for a clock that cannot be right; [`ErrorKind::LedgerInDoubt`] as for [`Ledger::trust`]; the
    /// decision's own for a spent budget.
    async fn reserve(&self, intent: Intent, decide: Decide) -> Result<Reservation>;

    /// Takes queued messages for handing over: they are `attempting`, durably, before this returns. What a frozen
    /// budget pays for stays queued.
    async fn claim(&self, claim: Claim) -> Result<Claimed>;

    /// Posts how an attempt ended, with its money. A message that already moved on stays as it is. Returns the
    /// budgets after it.
    async fn settle(&self, id: &MessageId, settlement: Settlement) -> Result<Vec<Budget>>;

    /// Records what a provider says later. A report for an id that is not known yet is kept and applied when it is.
    /// Without a recipient it speaks of every message with that id; and where the id is a segment's, of that segment.
    /// Returns the messages whose state changed.
    async fn record_receipt(&self, report: Report, now: Timestamp) -> Result<Vec<MessageId>>;

    /// Turns the attempts of processes that died into unknown outcomes, and releases what they had queued. With
    /// `stale_before`, this process's own attempts from before then are unknown as well.
    async fn recover(&self, now: Timestamp, stale_before: Option<Timestamp>) -> Result<Recovered>;

    /// Takes back what is still queued of a bulk, with its money. Returns how many messages that were.
    async fn cancel(&self, principal: &str, id: &BatchId, now: Timestamp) -> Result<u32>;

    /// Notes, durably, that another provider is about to be handed this message, which none has taken so far. An error
    /// where this process is not attempting it: then it must not be handed over.
    async fn hand_on(&self, id: &MessageId, provider: &str, now: Timestamp) -> Result<()>;

    /// Puts messages that this process claimed, and that were certainly not handed over, back in their place in the
    /// queue, as if they had not been claimed. Where the person opted out meanwhile, or something of the bulk was
    /// canceled, they end so instead.
    async fn unclaim(&self, back: Vec<Back>) -> Result<()>;

    /// Takes messages that are due to be looked up, the longest due first. Each is due again later: after as long as it
    /// is old, at least 5 seconds and at most an hour, until it is three days old.
    async fn claim_looks(&self, claim: LookClaim) -> Result<Vec<Record>>;

    /// Counts so many requests to a provider that carry no message, where all that were made so far leave room for them within this
    /// rate; else none of them. Returns whether it did.
    async fn admit(&self, provider: &str, realm: Realm, requests: u32, rate: Pacing, now: Timestamp) -> Result<bool>;

    /// Makes a message due to be looked up now, because of a report that proves nothing. It is found by our id or by
    /// the provider's; a message without a provider's id takes this one. Returns whether there is such a message.
    async fn hint(&self, provider: &str, vendor_id: &str, message: Option<&MessageId>, now: Timestamp) -> Result<bool>;

    /// Messages whose outcome is unknown, since `since` or later, of any principal and this provider or any, oldest first.
    async fn unknowns(&self, provider: Option<(&str, Realm)>, since: Timestamp, limit: u32) -> Result<Vec<Record>>;

    /// Whether a message of this provider with this text, to this recipient, went out or may be going out within this
    /// time without an id of the provider, so that what the provider has on record may be this one.
    async fn has_nameless(&self, provider: (&str, Realm), to: &str, digest: [u8; 16], from: Timestamp, until: Timestamp) -> Result<bool>;

    /// The texts of the messages of this provider that have this id of it, or a segment with it, to this recipient or any.
    /// Nothing where there is none, or one's text was erased.
    async fn texts(&self, provider: &str, vendor_id: &str, to: Option<&str>) -> Result<Option<Vec<String>>>;

    /// Whether a message of this provider has this id of it, and goes to this recipient.
    async fn has_vendor_id(&self, provider: &str, vendor_id: &str, to: &str) -> Result<bool>;

    /// Records a reply, with the latest message to that person before it. Returns that message; nothing where the reply
    /// was recorded before. What somebody writes beyond [`SHOWN_AN_HOUR`] is kept and counted, and not shown.
    async fn record_reply(&self, reply: NewReply, now: Timestamp) -> Result<Recorded>;

    /// When this reply was written, if it is on record.
    async fn reply_at(&self, provider: &str, vendor_id: &str) -> Result<Option<Timestamp>>;

    /// The text of the latest message to this person that this provider took before this moment, where it is kept: what
    /// a reply of then answers.
    async fn last_text(&self, provider: &str, to: &str, at: Timestamp) -> Result<Option<String>>;

    /// The newest replies to a message that may be shown, of those before this place, newest first.
    async fn replies(&self, id: &MessageId, before: Option<ReplyPlace>, limit: u32) -> Result<Replies>;

    /// Records that a person wants no more texts, or wants them again. What is queued for a person who opts out is
    /// rejected, with its money. A wish that is older than what is on record changes nothing, and what the source
    /// `operator` recorded is taken back by it alone; it may take back everything. Returns whether that is news.
    async fn opt_out(&self, number: &str, is_out: bool, source: &str, at: Timestamp) -> Result<bool>;

    /// Everybody whose number ends with one of these: who was ever texted or is to be, and who wants no more texts. Recent is
    /// who was texted since then. Whom the sandbox texted is known to the sandbox alone.
    async fn known(&self, endings: Vec<String>, realm: Realm, since: Timestamp) -> Result<Vec<Known>>;

    /// Puts a wish before the operator, of somebody who may be anybody or one of several. The same one is kept once, and at
    /// most [`MOST_PENDING`] of them. While a STOP waits, nobody is texted whose number fits it.
    async fn pend(&self, pending: NewPending) -> Result<Pended>;

    /// What waits for the operator, oldest first.
    async fn pendings(&self) -> Result<Vec<Pending>>;

    /// Ends the waiting of one: it was this number, or (nothing) it is to be let go. The replies of its sender that have
    /// no message become those of this number, each with the latest message to it before. Returns what was waiting.
    async fn settle_pending(&self, id: i64, number: Option<&str>, forward: bool, now: Timestamp) -> Result<Option<Settled>>;

    /// Everybody who wants no more texts, latest first.
    async fn opt_outs(&self, limit: u32) -> Result<Vec<OptOut>>;

    /// Takes changes that are due to be told to the operator's own system. They are due again at `again`, unless
    /// [`Ledger::forwarded`] says that they were told.
    async fn claim_forwards(&self, limit: u32, now: Timestamp, again: Timestamp) -> Result<Vec<Forward>>;

    /// Ends a change's telling (`next` nothing: it was told, or is given up), or sets when it is tried next.
    async fn forwarded(&self, sequence: i64, next: Option<Timestamp>) -> Result<()>;

    /// A key of this ledger that stays as it is once it is made; `fresh` is taken where there is none.
    async fn key(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]>;

    /// What this principal's key led to on this side.
    async fn target_of(&self, principal: &str, realm: Realm, key: &str) -> Result<Option<Target>>;

    /// A message of this principal.
    async fn message(&self, principal: &str, id: &MessageId) -> Result<Option<Record>>;

    /// A message's states so far, oldest first.
    async fn history(&self, id: &MessageId) -> Result<Vec<Change>>;

    /// A message's segments, where they went out as requests of their own; else nothing.
    async fn segments(&self, id: &MessageId) -> Result<Vec<Segment>>;

    /// A bulk send of this principal.
    async fn batch(&self, principal: &str, id: &BatchId) -> Result<Option<BatchRecord>>;

    /// Messages, newest first.
    async fn list(&self, filter: Filter) -> Result<Vec<Record>>;

    /// The budgets that a send by this payer would have to fit in, as they are now.
    ///
    /// # Errors
    /// [`ErrorKind::SessionInvalid`], as for [`Ledger::reserve`].
    async fn budgets(&self, payer: Payer, now: Timestamp) -> Result<Vec<Budget>>;

    /// The other processes that send on this side from this ledger now, each with what it lets through.
    async fn others(&self, realm: Realm) -> Result<Vec<Peer>>;

    /// Makes a slice of the payer's session.
    ///
    /// # Errors
    /// [`ErrorKind::SessionInvalid`], as for [`Ledger::reserve`].
    async fn open_session(&self, payer: Payer, handle: NewHandle, now: Timestamp) -> Result<Vec<Budget>>;

    /// Every budget of the ledger that still matters, for the operator.
    async fn all_budgets(&self) -> Result<Vec<Budget>>;

    /// Unfreezes a budget, for the operator. Returns whether there was a frozen one with this name.
    async fn unfreeze(&self, key: &str) -> Result<bool>;

    /// Takes the clock as it is from now on, for the operator, after it had been wrong.
    async fn accept_clock(&self) -> Result<()>;

    /// Whether something may be sent from this ledger by a real provider: it is the one that its mark outside speaks of, and no
    /// older one.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerInDoubt`], or [`ErrorKind::LedgerUnavailable`] where the mark cannot be written.
    async fn trust(&self) -> Result<()>;

    /// Gives back what this process had claimed, and closes.
    async fn close(&self) -> Result<()>;
}
