//! Proposals: what a person is to decide before anything of it leaves, and what became of it.
//!
//! A decision is one durable step, and is taken once. The messages go on by it afterwards, some at a time, so
//! that nobody waits long for the ledger: whoever decided moves them, and any server does where that one died.

use async_trait::async_trait;

pub use super::model::NewProposal;
use super::model::{Act, Record};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::sms::facts::Budget;
use crate::sms::message::{MessageId, ProposalId, Realm};

/// Most messages that one step moves.
pub const SWEPT_AT_ONCE: u32 = 1_000;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Somebody said no.
    Refused,
    /// An approver said yes.
    Approved,
    /// Nobody decided in time.
    Expired,
}

impl Decided {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Approved => "approved",
            Self::Expired => "expired",
        }
    }
}

/// A decision, and who took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub decided: Decided,
    /// When.
    pub at: Timestamp,
    /// Who acted; nothing where nobody did.
    pub by: Option<String>,
    /// Whose proof it was.
    pub approver: Option<String>,
    /// Why not, in the words of who said no.
    pub why: Option<String>,
}

/// A call that waits for a person, or waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Its id.
    pub id: ProposalId,
    /// Whose call it was.
    pub principal: String,
    /// On which side.
    pub realm: Realm,
    /// The message or bulk, as its id.
    pub target: String,
    /// Why a person is asked, in our own words.
    pub reasons: String,
    /// When it was asked for.
    pub created: Timestamp,
    /// Until when somebody may decide.
    pub expires: Timestamp,
    /// What was decided.
    pub decision: Option<Decision>,
    /// How many messages it is about.
    pub messages: u32,
    /// How many of them wait for the decision still.
    pub waiting: u32,
    /// What all of those hold, in micros.
    pub held_micros: i64,
    /// In this currency.
    pub currency: String,
    /// Whether a client came back from a round about it.
    pub is_round_used: bool,
}

impl Proposal {
    /// Whether somebody may decide on it now.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.decision.is_none() && self.waiting > 0 && now < self.expires
    }
}

/// What is asked of a proposal.
#[derive(Clone, Debug)]
pub struct Deciding {
    /// Which.
    pub id: ProposalId,
    /// Yes, to exactly what has this digest ([`Proposals::digest_of`]); or no.
    pub yes: Option<[u8; 32]>,
    /// Why not.
    pub why: Option<String>,
    /// Who decides, when, and by whose proof.
    pub act: Act,
}

/// How a decision was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It stands.
    Done,
    /// There is no such proposal.
    Missing,
    /// It was decided before.
    Before(Decided),
    /// Nobody may decide any more: its time is over, or nothing of it waits.
    Over,
    /// It is not what was looked at.
    Another,
}

/// Proposals in the ledger. See the module's text.
#[async_trait]
pub trait Proposals: Send + Sync {
    /// Those that somebody may decide on, oldest first, at most so many.
    async fn proposals(&self, now: Timestamp, most: u32) -> Result<Vec<Proposal>>;

    /// One, by its own id or by that of its message or bulk.
    async fn proposal(&self, id: &str) -> Result<Option<Proposal>>;

    /// Its messages after this place, in their order, at most so many.
    async fn proposed(&self, id: &ProposalId, after: i64, most: u32) -> Result<Vec<Record>>;

    /// A digest over all that a yes is a yes to: of each message the recipient, the sender, the text, the
    /// purpose, the times, and the most that it may cost. Nothing where there is none.
    async fn digest_of(&self, id: &ProposalId) -> Result<Option<[u8; 32]>>;

    /// The budgets over days and over everything that hold the money of what waits of it, as they are now.
    async fn budgets_of(&self, id: &ProposalId) -> Result<Vec<Budget>>;

    /// The text with placeholders of which the texts of a bulk were made; nothing where they were not, where it
    /// is erased, and where none was kept.
    async fn template_of(&self, id: &ProposalId) -> Result<Option<String>>;

    /// Whether this principal ever texted this recipient.
    async fn has_texted(&self, principal: &str, realm: Realm, to: &str) -> Result<bool>;

    /// Decides, once.
    async fn decide(&self, deciding: Deciding) -> Result<Taken>;

    /// Notes that a client came back from a round about it. Returns whether that is the first time.
    async fn use_round(&self, id: &ProposalId) -> Result<bool>;

    /// Ends what nobody decided in time. Returns how many.
    async fn expire_proposals(&self, now: Timestamp) -> Result<u32>;

    /// Moves messages on by what was decided, at most [`SWEPT_AT_ONCE`]. Returns those that moved.
    async fn sweep_proposals(&self, now: Timestamp) -> Result<Vec<MessageId>>;
}
