//! The one gate before what widens the rights of agents: the proof of an approver, and while there is none a
//! word that a person types at a terminal. A pipe or a file is nobody.
//!
//! Which commands pass it says `Command::widens`. What stops, pauses or refuses needs nothing, and does not
//! come here.

use std::io::IsTerminal as _;
use std::path::Path;

use super::output::note;
use super::proving::{self, Proving};
use crate::access::Decision;
use crate::app::{self, Deciders};
use crate::config::Loaded;
use crate::engine::approvers::Asked;
use crate::engine::{Caller, Person};
use crate::error::{Error, ErrorKind, Result};

/// What widens the rights of agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Widening {
    /// A frozen budget is spent from again.
    Unfreeze,
    /// A clock in doubt is believed, and the budgets of its day are open.
    AcceptClock,
    /// A ledger in doubt is sent from.
    AcceptLedger,
    /// Limits, opt-outs and keys of an earlier time hold in place of those that hold now.
    Restore,
    /// What is paused goes on.
    Resume,
    /// Who wanted no more texts may be texted.
    RemoveOptOut,
    /// A STOP or START is this person's, and nobody else's.
    SettlePending,
    /// A STOP is nobody's.
    DismissPending,
    /// Somebody may get texts to which they agreed.
    AddConsent,
    /// Everybody in a file may.
    ImportConsents,
    /// Money that may have been spent is there again.
    NotSent,
    /// Somebody decides what agents may not.
    AddApprover,
    /// Somebody does so no more.
    RemoveApprover,
    /// What an agent asked for leaves.
    Approve,
}

/// What is asked, and what is said to who cannot answer.
struct Question {
    /// As it is typed after the program's name.
    command: &'static str,
    word: &'static str,
    /// What who types the word does; after "to".
    does: &'static str,
    /// Why it needs a person; after the command.
    because: &'static str,
    /// What was not done where the word was not typed; after "Nothing was".
    done: &'static str,
}

impl Widening {
    #[expect(clippy::too_many_lines, reason = "a table")]
    const fn question(self) -> Question {
        let (command, word, does, because, done) = match self {
            Self::Unfreeze => (
                "budget unfreeze",
                "unfreeze",
                "let frozen budgets go on",
                "lets agents spend from frozen budgets again",
                "unfrozen",
            ),
            Self::AcceptClock => (
                "budget accept-clock",
                "accept-clock",
                "take the machine's clock as it is",
                "opens the budgets of a day that a clock in doubt says",
                "accepted",
            ),
            Self::AcceptLedger => (
                "ledger accept",
                "accept",
                "accept it",
                "lets texts go out from a ledger in doubt",
                "accepted",
            ),
            Self::Restore => (
                "restore FILE",
                "restore",
                "put that file in place of the ledger",
                "takes limits, opt-outs and keys of an earlier time for those of now",
                "restored",
            ),
            Self::Resume => ("resume", "resume", "let it go on", "lets texts go out again", "resumed"),
            Self::RemoveOptOut => (
                "opt-out remove NUMBER",
                "remove",
                "let this person be texted again",
                "lets somebody be texted who wanted no more texts",
                "removed",
            ),
            Self::SettlePending => (
                "opt-out pending settle ID NUMBER",
                "settle",
                "settle that it was this person",
                "decides who may be texted",
                "settled",
            ),
            Self::DismissPending => (
                "opt-out pending dismiss ID",
                "dismiss",
                "let it go",
                "lets go of what may be somebody's STOP",
                "dismissed",
            ),
            Self::AddApprover => (
                "approver add NAME",
                "add",
                "let this person decide what agents may not",
                "says who decides what agents may not",
                "added",
            ),
            Self::RemoveApprover => (
                "approver remove NAME",
                "remove",
                "let this person decide no more",
                "says who decides what agents may not",
                "removed",
            ),
            Self::Approve => (
                "approvals approve ID",
                "approve",
                "let these texts leave",
                "lets texts leave that need a person's yes",
                "approved",
            ),
            Self::AddConsent => (
                "consent add NUMBER",
                "add",
                "record that this person agreed",
                "lets somebody be texted who agreed to it",
                "recorded",
            ),
            Self::ImportConsents => (
                "consent import FILE",
                "import",
                "record that all of these people agreed",
                "lets everybody be texted who stands in a file",
                "recorded",
            ),
            Self::NotSent => (
                "reconcile ID --not-sent",
                "not-sent",
                "take the message for not sent",
                "gives back money that may have been spent",
                "settled",
            ),
        };
        Question { command, word, does, because, done }
    }

    /// Whether no verb of the engine notes in the ledger that it was done: then it is noted with the proof.
    const fn is_noted_here(self) -> bool {
        matches!(self, Self::AcceptLedger)
    }

    /// The kinds of the refusals: of who is at no terminal, and of who types something else.
    const fn kinds(self) -> (ErrorKind, ErrorKind) {
        match self {
            Self::AcceptLedger => (ErrorKind::LedgerInDoubt, ErrorKind::LedgerInDoubt),
            _ => (ErrorKind::NotSupported, ErrorKind::InvalidArgument),
        }
    }
}

/// What is to pass, and where.
pub(super) struct Gate<'a> {
    pub(super) widening: Widening,
    /// The ledger whose approvers decide.
    pub(super) ledger: &'a Path,
    /// The settings; nothing where they cannot be read.
    pub(super) loaded: Option<&'a Loaded>,
    /// How an approver proves it.
    pub(super) proving: &'a Proving,
}

impl Gate<'_> {
    /// Lets pass whom an approver approves, or while there is no approver a person who types the word: who
    /// comes out of here may widen what agents may do. `decide` says what is decided, for approvers. Nothing:
    /// only a challenge was asked for, and was written.
    ///
    /// # Errors
    /// Where nobody is at a terminal, or something else is typed, or the proof is none.
    /// [`ErrorKind::LedgerUnavailable`] where nobody can tell who the approvers are. [`ErrorKind::Internal`]
    /// where the terminal cannot be read.
    pub(super) async fn pass(
        &self,
        caller: Caller,
        decide: impl FnOnce() -> Result<Decision>,
    ) -> Result<Option<Person>> {
        let deciders = self.deciders()?;
        if deciders.approvers.is_empty() {
            if let Some(option) = self.proving.given() {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("{option} is about an approver's proof, and there is no approver here"),
                )
                .next("Nothing was done. Leave it out, or see `sms-mcp approver --help`."));
            }
            let asked_at = app::now();
            self.typed()?;
            // Whoever waited here since before there was an approver may no more than who comes now.
            if !self.deciders()?.approvers.is_empty() {
                let done = self.widening.question().done;
                return Err(Error::new(
                    ErrorKind::NotSupported,
                    "there is an approver by now, and a word is no proof",
                )
                .next(format!("Nothing was {done}. Run it again, and give the approver's proof.")));
            }
            return Ok(Some(Person::let_pass(caller, None).asked_at(asked_at)));
        }
        let Some(loaded) = self.loaded else {
            return Err(Error::new(
                ErrorKind::Config,
                "an approver has to prove this, and the settings that say how cannot be read",
            )
            .next("Correct them, then run it again."));
        };
        let decision = decide()?;
        let challenge = app::challenge(&deciders, &decision)?;
        let takes_codes = loaded.config.approval.takes_codes(loaded.http_token.is_some());
        let Question { command, done, .. } = self.widening.question();
        let asked = proving::Asked { challenge, approvers: &deciders.approvers, takes_codes, command, done };
        let begun = asked.challenge.asked();
        let Some(proof) = asked.proof(self.proving)? else { return Ok(None) };
        // What is signed elsewhere was asked for before.
        let asked_at = proof.asked().map_or(begun, |asked| asked.min(begun));
        let noted = self.widening.is_noted_here().then_some(&caller);
        let proven = app::prove(
            &Loaded { ledger: self.ledger.to_owned(), ..loaded.clone() },
            Asked { decision: &decision, takes_codes, noted },
            proof,
        )
        .await;
        let name = proven.map_err(|error| match self.widening {
            Widening::Restore if error.kind() == ErrorKind::LedgerUnavailable => error
                .next("Where the ledger that is there cannot be opened, move it away first, then restore."),
            _ => error,
        })?;
        Ok(Some(Person::let_pass(caller, Some(name)).asked_at(asked_at)))
    }

    /// Who has to prove it.
    fn deciders(&self) -> Result<Deciders> {
        match app::deciders(self.ledger) {
            // What cannot be read any more has to be replaced somehow.
            Err(error) if self.widening == Widening::Restore => {
                note(&format!("note: who the approvers are cannot be read ({})", error.message()));
                Ok(Deciders::default())
            }
            read => read,
        }
    }

    /// Lets a person pass who types the word.
    fn typed(&self) -> Result<()> {
        let Question { command, word, does, because, done } = self.widening.question();
        let (without_terminal, other_word) = self.widening.kinds();
        let input = std::io::stdin();
        if !input.is_terminal() {
            let message =
                format!("`{command}` {because}: a person has to {does}, and here is no terminal to ask at");
            let next = format!(
                "Nothing was {done}. The operator runs it at a terminal: `sms-mcp {command}`; in a container \
                 with `docker exec -it CONTAINER sms-mcp {command}`."
            );
            return Err(Error::new(without_terminal, message).next(next));
        }
        note(&format!("Type \"{word}\" to {does}; anything else leaves everything as it is:"));
        let mut typed = String::new();
        let read = input.read_line(&mut typed);
        read.map_err(|error| Error::new(ErrorKind::Internal, "the answer could not be read").because(error))?;
        if typed.trim() != word {
            return Err(Error::new(other_word, format!("\"{word}\" was not typed; everything is as it was"))
                .next(format!("Nothing was {done}.")));
        }
        Ok(())
    }
}

/// Who passed the gate before a command began, where that widens something.
pub(super) struct Passed(pub(super) Option<Person>);

impl Passed {
    /// The person.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for a command that widens something and does not say so in `Command::widens`.
    pub(super) fn person(&self) -> Result<&Person> {
        self.0
            .as_ref()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "nobody was asked at the gate; nothing was done"))
    }
}
