//! One-time words that approvers were texted, and their tries.
//!
//! The ledger keeps a keyed hash of a word, and what it decides: one proposal, as it was told, for one approver,
//! by one phone and one provider. Looking at a word, using it up and deciding are one durable step.

use async_trait::async_trait;

use super::model::Act;
use super::proposals::Decided;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::sms::message::ProposalId;

/// A word that is about to be texted. `Debug` does not show it.
#[derive(Clone)]
pub struct NewWord {
    /// The word.
    pub word: String,
    /// What it decides on.
    pub proposal: ProposalId,
    /// What a yes is a yes to.
    pub digest: [u8; 32],
    /// Whose it is.
    pub approver: String,
    /// Their phone, in E.164.
    pub phone: String,
    /// By whom it goes, and comes back.
    pub provider: String,
    /// When.
    pub at: Timestamp,
}

impl std::fmt::Debug for NewWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewWord").field("proposal", &self.proposal).finish_non_exhaustive()
    }
}

/// A decision that somebody texts. `Debug` does not show the word.
#[derive(Clone)]
pub struct WordTry {
    /// The word.
    pub word: String,
    /// Whether it is a yes.
    pub yes: bool,
    /// The phone that it came from, in E.164.
    pub phone: String,
    /// By whom.
    pub provider: String,
    /// When.
    pub now: Timestamp,
}

impl std::fmt::Debug for WordTry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WordTry").field("yes", &self.yes).finish_non_exhaustive()
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordTaken {
    /// It decided.
    Decided {
        /// On what.
        proposal: ProposalId,
        /// Whose word it was.
        approver: String,
        /// What.
        decided: Decided,
    },
    /// It was right, and decides nothing any more: it was used, or what it is about was decided, is over, or is
    /// not what was told. It does not count.
    Over,
    /// Nobody was texted this word on this phone. It counts.
    Wrong {
        /// Until when none of this phone is looked at.
        paused_until: Option<Timestamp>,
    },
    /// It was not looked at: none of this phone is until then.
    Paused(Timestamp),
    /// Nobody with this phone is an approver.
    Nobody,
}

/// The verbs under which such a decision is noted.
#[derive(Clone, Copy, Debug)]
pub struct Verbs {
    /// Of a yes.
    pub approve: &'static str,
    /// Of a no.
    pub refuse: &'static str,
}

/// Words in the ledger. See the module's text.
#[async_trait]
pub trait Words: Send + Sync {
    /// Keeps a word before it is texted.
    async fn keep_word(&self, new: NewWord) -> Result<()>;

    /// Forgets a word that nobody was texted.
    async fn forget_word(&self, word: String) -> Result<()>;

    /// Looks at a word, and decides by it.
    async fn decide_by_word(&self, tried: WordTry, verbs: Verbs) -> Result<WordTaken>;
}

/// What is noted of a decision by a word.
pub fn act(verbs: &Verbs, tried: &WordTry, approver: &str, proposal: &ProposalId) -> Act {
    Act {
        at: tried.now,
        who: format!("approver:{approver}"),
        verb: if tried.yes { verbs.approve } else { verbs.refuse }.to_owned(),
        subject: proposal.to_string(),
        approver: Some(approver.to_owned()),
    }
}
