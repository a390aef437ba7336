//! The verbs of the engine about who decides what agents may not, and for what waits for them: to look at it, and
//! to decide.

use std::time::Duration;

use super::Engine;
use super::caller::{Caller, Person};
use super::contract::{Answered, Round};
use super::operate::approvers::{Asked, Proves};
use super::operate::page::Texts;
use super::operate::proposals::{Shown, Which};
use crate::access::{Challenge, Decision, Proof};
use crate::error::Result;
use crate::ledger::approvers::Approver;
use crate::ledger::proposals::Proposal;
use crate::sms::message::{ProposalId, Realm};

impl Engine {
    /// All approvers, in the order in which they were added.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn approvers(&self, caller: &Caller) -> Result<Vec<Approver>> {
        self.rooms.operate.approvers(caller).await
    }

    /// Adds an approver. Returns whether it is the first one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) for a name or a key that
    /// somebody has, or no name; [`ErrorKind::InvalidNumber`](crate::error::ErrorKind::InvalidNumber);
    /// [`ErrorKind::NotSupported`](crate::error::ErrorKind::NotSupported) where somebody else became the first
    /// one; [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn add_approver(
        &self,
        person: &Person,
        name: &str,
        proves: Proves,
        phone: Option<&str>,
    ) -> Result<bool> {
        self.rooms.operate.add_approver(person, name, proves, phone).await
    }

    /// Removes an approver. Returns how many are left.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn remove_approver(&self, person: &Person, name: &str) -> Result<u32> {
        self.rooms.operate.remove_approver(person, name).await
    }

    /// Takes a proof of an approver for a decision, and returns whose it is. A right one is used up, a wrong
    /// one counts.
    ///
    /// # Errors
    /// As [`super::approvers::prove`].
    pub async fn prove(&self, caller: &Caller, asked: Asked<'_>, proof: Proof) -> Result<String> {
        self.rooms.operate.prove(caller, asked, proof).await
    }

    /// What to know where what waits leaves only if a server runs then that nobody promises.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn needs_server(&self, caller: &Caller, realm: Realm) -> Result<Option<String>> {
        self.rooms.submit.needs_server(caller, realm).await
    }

    /// What waits for a person's decision, oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn proposals(&self, caller: &Caller) -> Result<Vec<Proposal>> {
        self.rooms.operate.proposals(caller).await
    }

    /// One of them with these of its messages, by its id or that of its message or bulk.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::error::ErrorKind::NotFound) or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn proposal(&self, caller: &Caller, id: &str, which: Which) -> Result<Shown> {
        // It holds a sample with all its texts.
        Box::pin(self.rooms.operate.proposal(caller, id, which)).await
    }

    /// Says yes to what has this digest.
    ///
    /// # Errors
    /// As [`Engine::proposal`], and [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument)
    /// where it was decided before, is over, or is not what was shown.
    pub async fn approve(&self, person: &Person, id: &ProposalId, digest: [u8; 32]) -> Result<Proposal> {
        self.rooms.operate.approve(person, id, digest).await
    }

    /// Says no, for a reason that its agent is told.
    ///
    /// # Errors
    /// As [`Engine::approve`].
    pub async fn refuse(&self, caller: &Caller, id: &ProposalId, why: Option<String>) -> Result<Proposal> {
        self.rooms.operate.refuse(caller, id, why).await
    }

    /// Says where the page is: an address without `/approve/...`. Answers name it from then on.
    pub fn decides_at(&self, address: &str) {
        // Said once, by whoever serves the page.
        let _ = self.rooms.submit.answers.page.set(address.trim_end_matches('/').to_owned());
    }

    /// What an approver is to sign for this decision; nothing where there is no approver.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable), or
    /// [`ErrorKind::Internal`](crate::error::ErrorKind::Internal) where the system has no random bits.
    pub async fn challenge(&self, caller: &Caller, decision: &Decision) -> Result<Option<Challenge>> {
        self.rooms.operate.challenge(caller, decision).await
    }

    /// Every distinct text of what waits for a person, with how often it is there.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn proposed_texts(&self, caller: &Caller, id: &ProposalId) -> Result<Texts> {
        self.rooms.operate.texts(caller, id).await
    }

    /// What a client may ask its user to open about what waits for a person; nothing where there is no such page.
    /// `is_near`: whether the client is on this machine.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn round(&self, caller: &Caller, id: &str, is_near: bool) -> Result<Option<Round>> {
        self.rooms.submit.round(caller, id, is_near).await
    }

    /// What became of what a round was about, once, after at most this long. Nothing is sent by it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) where it was used before; what
    /// became of the message, where that is an error.
    pub async fn after_round(
        &self,
        caller: &Caller,
        id: &str,
        patience: Duration,
    ) -> Result<Option<Answered>> {
        self.rooms.submit.after_round(caller, id, patience).await
    }

    /// The key of this name that all processes on the ledger share.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable), or
    /// [`ErrorKind::Internal`](crate::error::ErrorKind::Internal) where the system has no random bits.
    pub async fn key(&self, name: &str) -> Result<[u8; 32]> {
        self.rooms.submit.ledger.key(name, self.rooms.life.random()?).await
    }

    /// Bits that nobody guesses.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::error::ErrorKind::Internal).
    pub fn random(&self) -> Result<[u8; 32]> {
        self.rooms.life.random()
    }
}
