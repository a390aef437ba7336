//! The ledger: what was asked, what was promised, what left, and what it cost.
//!
//! [`Ledger`] is the sum of few parts, each with verbs that are steps of the business, all or nothing. The
//! one that matters most is [`Intents::reserve`]: it gathers the facts, asks the caller's decision, takes the
//! money and writes the intent in a single transaction that is durable before it returns. Time, ids and
//! randomness come in as arguments; the mark outside the ledger alone looks at the clock by itself. `model`
//! has what is asked and answered, `rules` what holds for every database, `sqlite` is one of them.

pub mod approvers;
pub mod clients;
pub mod consents;
pub mod facets;
pub mod long_reply;
pub mod mark;
mod model;
pub mod proposals;
pub mod reposts;
mod rules;
pub mod sqlite;
pub mod told;
pub mod upkeep;
pub mod words;

pub use model::{
    ANSWERS_MS, Act, Back, BaseSession, BatchDraft, BatchMessage, BatchRecord, Change, Claim, Claimed,
    Decide, Draft, Due, E164, Filter, Forward, Gone, Idempotency, Intent, LookClaim, MOST_PENDING,
    MakeDrafts, Many, Nameless, NewHandle, NewPending, NewReply, OptOut, Pacing, Payer, Pended, Pending,
    ProviderName, Recheck, Record, Recorded, Recovered, Released, Replies, ReplyPage, ReplyPlace,
    ReplyRecord, Report, Reservation, SHOWN_AN_HOUR, Said, Segment, Settled, Settlement, Target, VendorId,
    Whole,
};

use facets::{
    Accounts, Approvers, Clients, Consents, Intents, LongReplies, Outbox, People, Proposals, Queue, Reports,
    Reposts, Told, Upkeep, Views, Words,
};

/// The durable ledger, whole: what keeps all of its parts is one.
pub trait Ledger:
    Intents
    + Queue
    + Reports
    + People
    + Outbox
    + Accounts
    + Views
    + Upkeep
    + Clients
    + Told
    + LongReplies
    + Approvers
    + Proposals
    + Consents
    + Words
    + Reposts
{
}

impl<
    All: Intents
        + Queue
        + Reports
        + People
        + Outbox
        + Accounts
        + Views
        + Upkeep
        + Clients
        + Told
        + LongReplies
        + Approvers
        + Proposals
        + Consents
        + Words
        + Reposts,
> Ledger for All
{
}
