//! What waits for a person: shown whole to who decides, and decided once.
//!
//! A yes takes a person whom an approver's proof let pass, and is a yes to exactly what was shown: it names its
//! digest. A no takes nobody in particular. Messages go on by the decision afterwards: here at once, and by any
//! server where this process ends meanwhile.

use std::time::Duration;

use super::room::Operate;
use crate::access::Decision;
use crate::clock::Timestamp;
use crate::engine::arguments::invalid;
use crate::engine::caller::{Caller, Person};
use crate::engine::life::crash_point;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Record;
use crate::ledger::proposals::{Decided, Deciding, Proposal, Taken};
use crate::sms::message::{ProposalId, Realm};
use crate::sms::number::Number;
use crate::sms::schedule::Schedule;

/// Most proposals that are listed.
const LISTED: u32 = 1_000;

/// Longest reason of a no, in characters.
const MAX_WHY: usize = 500;

/// How often it is looked for what nobody decided in time, and for what was decided and has not gone on.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The verbs, as the gate, the log and the ledger name them.
const APPROVE: &str = "approvals approve";
const REFUSE: &str = "approvals refuse";

/// A proposal with what is decided on.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The proposal.
    pub proposal: Proposal,
    /// What a yes is a yes to.
    pub digest: [u8; 32],
    /// Whether somebody may decide now.
    pub is_open: bool,
    /// Its first messages, with their texts.
    pub messages: Vec<Seen>,
}

impl Shown {
    /// What an approver says yes to, wherever they are asked.
    pub fn decision(&self) -> Decision {
        // Nothing of it changes while its agent takes something back: what is left is a part of it.
        let Proposal { id, principal, messages, .. } = &self.proposal;
        let subject = format!("{id}: {messages} message(s) of {principal}");
        Decision::new(APPROVE, &subject, &[id.as_str().as_bytes(), &self.digest])
    }
}

/// A message of a proposal.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The message.
    pub record: Record,
    /// The country of its number (ISO 3166-1), where it has one.
    pub country: Option<String>,
    /// Whether this agent never texted this number.
    pub is_first: bool,
    /// When it is to leave, and by when it expires, where that is set.
    pub send_at: Option<Timestamp>,
    /// See there.
    pub deliver_by: Option<Timestamp>,
}

impl Operate {
    /// What waits for a decision, oldest first.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn proposals(&self, caller: &Caller) -> Result<Vec<Proposal>> {
        caller.looked("approvals");
        self.ledger.proposals(self.life.now(), LISTED).await
    }

    /// One with its first messages, at most so many.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] or [`ErrorKind::LedgerUnavailable`].
    pub async fn proposal(&self, caller: &Caller, id: &str, most: u32) -> Result<Shown> {
        caller.looked("approvals show");
        let proposal = self.ledger.proposal(id).await?.ok_or_else(|| no_proposal(id))?;
        let digest = self.ledger.digest_of(&proposal.id).await?.ok_or_else(|| no_proposal(id))?;
        let mut messages = Vec::new();
        for record in self.ledger.proposed(&proposal.id, 0, most).await? {
            let number = Number::parse(&record.to, None).ok();
            let country = number.and_then(|number| number.region()).map(|region| region.to_string());
            let is_first = !self.ledger.has_texted(&record.principal, record.realm, &record.to).await?;
            let Schedule { at_ms, by_ms } = record.schedule;
            let (send_at, deliver_by) = (at_ms.map(Timestamp), by_ms.map(Timestamp));
            messages.push(Seen { record, country, is_first, send_at, deliver_by });
        }
        let is_open = proposal.is_open(self.life.now());
        Ok(Shown { proposal, digest, is_open, messages })
    }

    /// Says yes to what has this digest.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] for a person who is no approver; [`ErrorKind::NotFound`];
    /// [`ErrorKind::InvalidArgument`] where it was decided before, is over, or is not what was shown;
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn approve(&self, person: &Person, id: &ProposalId, digest: [u8; 32]) -> Result<Proposal> {
        if person.approver().is_none() {
            let message = "a yes needs an approver's proof, and there is no approver here";
            return Err(Error::new(ErrorKind::NotSupported, message)
                .next("Nothing was approved. Add one: `sms-mcp approver add NAME`."));
        }
        let found = self.ledger.proposal(id.as_str()).await?.ok_or_else(|| no_proposal(id.as_str()))?;
        if found.realm == Realm::Live {
            // A ledger in doubt may be one in which this was decided before.
            self.ledger.trust().await?;
        }
        let act = person.act(APPROVE, id.as_str(), self.life.now());
        let deciding = Deciding { id: id.clone(), yes: Some(digest), why: None, act };
        crash_point("before-decide");
        let taken = self.ledger.decide(deciding).await?;
        crash_point("after-decide");
        check(taken, id)?;
        person.widened(APPROVE, id.as_str());
        self.decided(id).await
    }

    /// Says no, for a reason that its agent is told.
    ///
    /// # Errors
    /// As [`Operate::approve`], and [`ErrorKind::InvalidArgument`] for a reason that is too long.
    pub async fn refuse(&self, caller: &Caller, id: &ProposalId, why: Option<String>) -> Result<Proposal> {
        if why.as_ref().is_some_and(|why| why.chars().count() > MAX_WHY || why.chars().any(char::is_control))
        {
            return Err(invalid("why", format!("must be at most {MAX_WHY} characters on one line")));
        }
        let act = caller.act(REFUSE, id.as_str(), self.life.now());
        let why = why.filter(|why| !why.trim().is_empty());
        let taken = self.ledger.decide(Deciding { id: id.clone(), yes: None, why, act }).await?;
        check(taken, id)?;
        caller.acted(REFUSE, id.as_str());
        self.decided(id).await
    }

    async fn decided(&self, id: &ProposalId) -> Result<Proposal> {
        self.signals.to_tell();
        // The decision stands: what does not go on now does so later.
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "what was decided has not gone on yet; a server moves it");
        }
        self.ledger.proposal(id.as_str()).await?.ok_or_else(|| no_proposal(id.as_str()))
    }

    /// Moves on what was decided.
    async fn sweep(&self) -> Result<()> {
        loop {
            let moved = self.ledger.sweep_proposals(self.life.now()).await?;
            if moved.is_empty() {
                return Ok(());
            }
            moved.iter().for_each(|id| self.signals.changed(id));
            crash_point("between-sweeps");
        }
    }

    /// Ends what nobody decides in time, and moves on what was decided, until the engine stops. For servers.
    pub async fn run_proposals(&self) {
        while !self.life.is_stopping() {
            let looked = async {
                let expired = self.ledger.expire_proposals(self.life.now()).await?;
                if expired > 0 {
                    tracing::info!(expired, "nobody decided in time on what waited for a person");
                    self.signals.to_tell();
                }
                self.sweep().await
            };
            if let Err(error) = looked.await {
                tracing::error!(%error, "what waits for a person cannot be read; it will be tried again");
            }
            self.life.pause(LOOK_EVERY).await;
        }
    }
}

fn no_proposal(id: &str) -> Error {
    let shown = crate::sms::untrusted::escape(id);
    Error::new(ErrorKind::NotFound, format!("nothing that waits for a person is called \"{shown}\""))
        .next("`sms-mcp approvals` lists what waits.")
}

fn check(taken: Taken, id: &ProposalId) -> Result<()> {
    let wrong = |message: String, next: &str| Err(Error::new(ErrorKind::InvalidArgument, message).next(next));
    match taken {
        Taken::Done => Ok(()),
        Taken::Missing => Err(no_proposal(id.as_str())),
        Taken::Before(decided) => {
            let word = if decided == Decided::Expired { "has expired" } else { "was decided before" };
            wrong(format!("{id} {word}: {}", decided.as_str()), "Nothing changed. A decision is taken once.")
        }
        Taken::Over => wrong(
            format!("nothing of {id} waits any more"),
            "Nothing was sent by it. Its agent took it back, or its time is over.",
        ),
        Taken::Another => wrong(
            format!("{id} is not what was looked at"),
            "Nothing was approved. Look at it again, and decide on that.",
        ),
    }
}
