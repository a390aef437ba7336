//! The ledger's verbs, in parts: whoever does one thing with it asks for that part alone. Each verb is one
//! step of the business, all or nothing, and durable when it returns. Every error is
//! [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable) unless said otherwise.

use async_trait::async_trait;

use super::model::{
    Act, Back, BatchRecord, Claim, Claimed, Decide, Due, E164, Filter, Forward, Gone, Intent, LookClaim,
    Many, Nameless, NewHandle, NewPending, NewReply, OptOut, Pacing, Payer, Pended, Pending, ProviderName,
    Recheck, Record, Recorded, Recovered, Released, ReplyPage, Report, Reservation, Said, Segment, Settled,
    Settlement, Target, VendorId, Whole,
};
use super::told::Unmatched;
pub use super::{
    approvers::Approvers, clients::Clients, consents::Consents, long_reply::LongReplies,
    proposals::Proposals, reposts::Reposts, told::Told, upkeep::Upkeep, words::Words,
};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::sms::caller_id::Known;
use crate::sms::facts::{Budget, BudgetKey};
use crate::sms::message::{BatchId, MessageId, Realm};
use crate::sms::peer::Peer;

/// What is asked for, and how it ends.
#[async_trait]
pub trait Intents: Send + Sync {
    /// Decides, holds the money and records the intent, in one durable step. What the decision lets leave
    /// later, or wants a person to say yes to, is recorded as such, and nobody can claim it.
    ///
    /// # Errors
    /// `ErrorKind::SessionInvalid` for a handle that is unknown, somebody else's, or closed;
    /// `ErrorKind::ClockUnreliable` for a clock that cannot be right; `ErrorKind::LedgerInDoubt` as for
    /// [`Upkeep::trust`]; the decision's own for a spent budget.
    async fn reserve(&self, intent: Intent, decide: Decide) -> Result<Reservation>;

    /// The same for a bulk whose messages are made while they are written, so that others can use the ledger
    /// in between. It is there for everybody when this returns, and for nobody before.
    ///
    /// # Errors
    /// As for [`Intents::reserve`], or what [`Many::make`] answers.
    async fn reserve_many(&self, intent: Intent, many: Many, decide: Decide) -> Result<Reservation>;

    /// What this principal's key led to on this side.
    async fn target_of(&self, principal: &str, realm: Realm, key: &str) -> Result<Option<Target>>;

    /// Notes, durably, that another provider is about to be handed this message, which none has taken so far.
    /// An error where this process is not attempting it: then it must not be handed over.
    async fn hand_on(&self, id: &MessageId, provider: &str) -> Result<()>;

    /// Posts how an attempt ended, with its money. A message that already moved on stays as it is. Returns
    /// the budgets after it.
    async fn settle(&self, id: &MessageId, settlement: Settlement) -> Result<Vec<Budget>>;

    /// Takes back what is still queued of a bulk, with its money. Returns how many messages that were.
    async fn cancel(&self, principal: &str, id: &BatchId, now: Timestamp) -> Result<u32>;

    /// Takes back a single message that waits for its time or for a person, with its money. Returns whether
    /// it did.
    async fn take_back(&self, principal: &str, id: &MessageId, now: Timestamp) -> Result<bool>;
}

/// What waits to leave.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Takes queued messages for handing over: they are `attempting`, durably, before this returns. What a
    /// frozen budget pays for stays queued.
    async fn claim(&self, claim: Claim) -> Result<Claimed>;

    /// Lets go what waited for its time, the longest due first, once the policy was asked again: it is
    /// queued, or it ends with its money given back. What a frozen budget pays for, and what the lists of
    /// another process keep out, stays as it is.
    async fn release_due(&self, due: Due, recheck: Recheck) -> Result<Released>;

    /// Ends what waited for its time at providers that are not set up any more, once it is too late, with its
    /// money given back: nobody else would. Returns what that was; nothing of a ledger in doubt.
    async fn expire_gone(&self, gone: Gone) -> Result<Vec<MessageId>>;

    /// Puts messages that this process claimed, and that were certainly not handed over, back in their place
    /// in the queue, as if they had not been claimed. Where the person opted out meanwhile, or something of
    /// the bulk was canceled, they end so instead.
    async fn unclaim(&self, back: Vec<Back>) -> Result<()>;

    /// Turns the attempts of processes that died into unknown outcomes, and releases what they had queued.
    /// With `stale_before`, this process's own attempts from before then are unknown as well.
    async fn recover(&self, now: Timestamp, stale_before: Option<Timestamp>) -> Result<Recovered>;

    /// Counts so many requests to a provider that carry no message, where all that were made so far leave
    /// room for them within this rate; else none of them. Returns whether it did.
    async fn admit(
        &self,
        provider: &str,
        realm: Realm,
        requests: u32,
        rate: Pacing,
        now: Timestamp,
    ) -> Result<bool>;
}

/// What providers say, and what they are asked.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Records what a provider says later. A report for an id that is not known yet is kept and applied when
    /// it is. Without a recipient it speaks of every message with that id; and where the id is a segment's,
    /// of that segment. Returns the messages whose state changed.
    async fn record_receipt(&self, report: Report, now: Timestamp) -> Result<Vec<MessageId>>;

    /// The receipts of this provider that match no message, though they are
    /// [`EARLY_MS`](super::told::EARLY_MS) old.
    async fn unmatched(&self, provider: &str, now: Timestamp) -> Result<Unmatched>;

    /// A message, whoever sent it: for what its provider says of it.
    async fn find(&self, id: &MessageId) -> Result<Option<Record>>;

    /// The texts of the messages of this provider that have this id of it, or a segment with it, to this
    /// recipient or any. Nothing where there is none, or one's text was erased.
    async fn texts(
        &self,
        provider: ProviderName<'_>,
        vendor_id: VendorId<'_>,
        to: Option<E164<'_>>,
    ) -> Result<Option<Vec<String>>>;

    /// Whether a message of this provider has this id of it, and goes to this recipient.
    async fn has_vendor_id(
        &self,
        provider: ProviderName<'_>,
        vendor_id: VendorId<'_>,
        to: E164<'_>,
    ) -> Result<bool>;

    /// Whether within this time we sent, or may be sending, this text to this recipient through this provider
    /// and never learned the provider's id. What the provider has on record could then be that one, so it
    /// must not be matched to another.
    async fn has_nameless(&self, sought: Nameless<'_>) -> Result<bool>;

    /// Messages whose outcome is unknown, since `since` or later, of any principal and this provider or any,
    /// oldest first.
    async fn unknowns(
        &self,
        provider: Option<(&str, Realm)>,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Record>>;

    /// Makes a message due to be looked up now, because of a report that proves nothing. It is found by our
    /// id or by the provider's; a message without a provider's id takes this one. Returns whether there is
    /// such a message.
    async fn hint(
        &self,
        provider: ProviderName<'_>,
        vendor_id: VendorId<'_>,
        message: Option<&MessageId>,
        now: Timestamp,
    ) -> Result<bool>;

    /// Takes messages that are due to be looked up, the longest due first. Each is due again later: after as
    /// long as it is old, at least 5 seconds and at most an hour, until it is three days old.
    async fn claim_looks(&self, claim: LookClaim) -> Result<Vec<Record>>;
}

/// What people say: replies, and whether they want more texts.
#[async_trait]
pub trait People: Send + Sync {
    /// Records a reply, with the latest message to that person before it. Returns that message; nothing where
    /// the reply was recorded before. What somebody writes beyond [`SHOWN_AN_HOUR`](super::SHOWN_AN_HOUR) is
    /// kept and counted, and not shown.
    async fn record_reply(&self, reply: NewReply, now: Timestamp) -> Result<Recorded>;

    /// When this reply was written, if it is on record.
    async fn reply_at(
        &self,
        provider: ProviderName<'_>,
        vendor_id: VendorId<'_>,
    ) -> Result<Option<Timestamp>>;

    /// The text of the latest message to this person that this provider took before this moment, where it is
    /// kept: what a reply of then answers.
    async fn last_text(
        &self,
        provider: ProviderName<'_>,
        to: E164<'_>,
        at: Timestamp,
    ) -> Result<Option<String>>;

    /// Records that a person wants no more texts, or wants them again. What is queued for a person who opts
    /// out is rejected, with its money. A wish that is older than what is on record changes nothing, and what
    /// the source `operator` recorded is taken back by it alone; it may take back everything. Returns whether
    /// that is news.
    async fn opt_out(&self, number: &str, is_out: bool, source: &str, at: Timestamp) -> Result<bool>;

    /// Everybody who wants no more texts, latest first.
    async fn opt_outs(&self, limit: u32) -> Result<Vec<OptOut>>;

    /// What the person of this number let be known about texts.
    async fn said(&self, number: E164<'_>, now: Timestamp) -> Result<Said>;

    /// Since when this number wants no more texts.
    async fn out_since(&self, number: &str) -> Result<Option<Timestamp>>;

    /// Keeps that a person asked for texts again, by this provider.
    async fn note_start(&self, provider: ProviderName<'_>, number: E164<'_>, at: Timestamp) -> Result<()>;

    /// Whether a person asked for texts again, by this provider, after this moment. That is kept: vendors
    /// list an old STOP for ever.
    async fn has_started_since(
        &self,
        provider: ProviderName<'_>,
        number: E164<'_>,
        at: Timestamp,
    ) -> Result<bool>;

    /// Everybody whose number ends with one of these: who was ever texted or is to be, and who wants no more
    /// texts. Recent is who was texted since then. Whom the sandbox texted is known to the sandbox alone.
    async fn known(&self, endings: Vec<String>, realm: Realm, since: Timestamp) -> Result<Vec<Known>>;

    /// Puts a wish before the operator, of somebody who may be anybody or one of several. The same one is
    /// kept once, and at most [`MOST_PENDING`](super::MOST_PENDING) of them. While a STOP waits, nobody is
    /// texted whose number fits it.
    async fn pend(&self, pending: NewPending) -> Result<Pended>;

    /// What waits for the operator, oldest first.
    async fn pendings(&self) -> Result<Vec<Pending>>;

    /// Ends the waiting of one: it was this number, or (nothing) it is to be let go. The replies of its
    /// sender that have no message become those of this number, each with the latest message to it before.
    /// Returns what was waiting.
    async fn settle_pending(
        &self,
        id: i64,
        number: Option<&str>,
        forward: bool,
        now: Timestamp,
    ) -> Result<Option<Settled>>;
}

/// What the operator's own system is still to be told.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes changes that are due to be told to the operator's own system. They are due again at `again`,
    /// unless [`Outbox::forwarded`] says that they were told.
    async fn claim_forwards(&self, limit: u32, now: Timestamp, again: Timestamp) -> Result<Vec<Forward>>;

    /// Ends a change's telling (`next` nothing: it was told, or is given up), or sets when it is tried next.
    async fn forwarded(&self, sequence: i64, next: Option<Timestamp>) -> Result<()>;
}

/// Budgets, and what narrows them.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The budgets that a send by this payer would have to fit in, as they are now.
    ///
    /// # Errors
    /// `ErrorKind::SessionInvalid`, as for [`Intents::reserve`].
    async fn budgets(&self, payer: Payer, now: Timestamp) -> Result<Vec<Budget>>;

    /// Makes a slice of the payer's session.
    ///
    /// # Errors
    /// `ErrorKind::SessionInvalid`, as for [`Intents::reserve`].
    async fn open_session(&self, payer: Payer, handle: NewHandle, now: Timestamp) -> Result<Vec<Budget>>;

    /// The other processes that send on this side from this ledger now, each with what it lets through.
    async fn others(&self, realm: Realm) -> Result<Vec<Peer>>;

    /// Every budget of the ledger that still matters, for the operator.
    async fn all_budgets(&self) -> Result<Vec<Budget>>;

    /// The same without those of sessions that ended with their process, but for frozen ones; and how many
    /// those are.
    async fn current_budgets(&self) -> Result<(Vec<Budget>, usize)>;

    /// Who has messages or sessions here, by name, at most so many: for the operator, who may look at all of
    /// them.
    async fn principals(&self, most: usize) -> Result<Vec<String>>;

    /// How many messages wait in the queue for this provider, and of how many nobody knows the outcome.
    async fn waiting_at(&self, provider: &str, realm: Realm) -> Result<(u32, u32)>;

    /// Unfreezes a budget, for the operator. Returns whether there was a frozen one with this name.
    async fn unfreeze(&self, key: &BudgetKey) -> Result<bool>;

    /// Takes the clock as it is from now on, for the operator, after it had been wrong.
    async fn accept_clock(&self) -> Result<()>;

    /// Keeps what an operator is about to do: before it is done, so that nothing is done that is not kept.
    async fn note_act(&self, act: Act) -> Result<()>;

    /// What operators did, the latest first.
    async fn acts(&self, most: u32) -> Result<Vec<Act>>;
}

/// What a principal may look at. Nothing is read without saying whose it is.
#[async_trait]
pub trait Views: Send + Sync {
    /// A message of this principal, as it stands.
    async fn message(&self, principal: &str, id: &MessageId) -> Result<Option<Record>>;

    /// The same with all that became of it, in one look.
    async fn whole(&self, principal: &str, id: &MessageId, replies: ReplyPage) -> Result<Option<Whole>>;

    /// The segments of a message of this principal, where they went out as requests of their own; else
    /// nothing.
    async fn segments(&self, principal: &str, id: &MessageId) -> Result<Vec<Segment>>;

    /// A bulk send of this principal with its totals. Its messages are listed where they are no more than
    /// `listed`; else at most so many of those that need attention.
    async fn batch(&self, principal: &str, id: &BatchId, listed: u32) -> Result<Option<BatchRecord>>;

    /// Messages, newest first.
    async fn list(&self, filter: Filter) -> Result<Vec<Record>>;
}
