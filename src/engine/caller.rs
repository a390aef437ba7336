//! Who calls: whose messages and budgets a verb of the engine is about, and who acts.
//!
//! Over MCP that is the same. On the command line the operator may name whose data it is about (`--as`); who
//! acts is the user of the operating system all the same, and that is who the log names. Where a verb widens
//! what agents may do, a [`Caller`] is not enough: it asks for a [`Person`], which only the gate of the
//! command line makes.

use crate::clock::Timestamp;
use crate::ledger::Act;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The principal: the operating-system user, or the bearer token's owner.
    pub principal: String,
    /// The session that the surface knows.
    pub base: Base,
    /// Who acts, written as a principal is.
    pub actor: String,
}

/// The session that a surface knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// One with a life of its own: this process, or an HTTP session.
    Named(String),
    /// Whatever session the principal has open.
    Open,
}

impl Caller {
    /// Somebody who acts for themselves.
    pub fn new(principal: impl Into<String>, base: Base) -> Self {
        let principal = principal.into();
        Self { actor: principal.clone(), principal, base }
    }

    /// The same one, about the messages and budgets of another principal.
    pub fn about(self, principal: impl Into<String>) -> Self {
        Self { principal: principal.into(), ..self }
    }

    /// What this caller is about to do, for the ledger. Unlike the log it may name a number.
    pub fn act(&self, verb: &str, subject: &str, at: Timestamp) -> Act {
        Act {
            at,
            who: self.actor.clone(),
            verb: verb.to_owned(),
            subject: subject.to_owned(),
            approver: None,
        }
    }

    /// Logs that an operator looked at what is not one principal's alone.
    pub fn looked(&self, verb: &str) {
        tracing::debug!(by = self.actor, verb, "an operator looked");
    }

    /// Logs that an operator did something. `of` names it by an id or by a name of ours: never by a number or
    /// a text.
    pub fn acted(&self, verb: &str, of: &str) {
        tracing::info!(by = self.actor, verb, of, "an operator acted");
    }
}

/// A caller who has shown to be a person, and said yes to what widens the rights of agents. An agent may own
/// the same user's shell, so this comes from a gate that asks for what only a person has, and from nowhere
/// else: a test holds that nobody but the gate makes one.
#[derive(Debug)]
pub struct Person {
    caller: Caller,
    /// The approver whose proof it was; nothing while there is none, and a typed word passes.
    approver: Option<String>,
    /// When they were asked: what has happened since is not what they said yes to.
    asked: Option<Timestamp>,
}

impl Person {
    /// This caller, whom the gate let pass by the proof of this approver, or by a typed word.
    pub fn let_pass(caller: Caller, approver: Option<String>) -> Self {
        Self { caller, approver, asked: None }
    }

    /// The same, who was asked at this time.
    #[must_use]
    pub fn asked_at(self, asked: Timestamp) -> Self {
        Self { asked: Some(asked), ..self }
    }

    /// When they were asked; now where that was just now.
    pub fn was_asked(&self, now: Timestamp) -> Timestamp {
        self.asked.map_or(now, |asked| asked.min(now))
    }

    /// Who it is.
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Whose proof it was, where there are approvers.
    pub fn approver(&self) -> Option<&str> {
        self.approver.as_deref()
    }

    /// What this person is about to do, for the ledger, as [`Caller::act`].
    pub fn act(&self, verb: &str, subject: &str, at: Timestamp) -> Act {
        Act { approver: self.approver.clone(), ..self.caller.act(verb, subject, at) }
    }

    /// Logs that others are approvers now, by something else than adding and removing them.
    pub fn changed_deciders(&self, verb: &str, back: &str, gone: &str) {
        let (by, approver) = (&self.caller.actor, self.approver());
        tracing::warn!(by, approver, verb, back, gone, "who decides what agents may not has changed");
    }

    /// Logs what this person widened. `of` as for [`Caller::acted`].
    pub fn widened(&self, verb: &str, of: &str) {
        let approver = self.approver();
        tracing::warn!(by = self.caller.actor, approver, verb, of, "a person widened what agents may do");
    }
}
