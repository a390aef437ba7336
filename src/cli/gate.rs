//! The one gate before what widens the rights of agents: a word that a person types at a terminal. A pipe or
//! a file is nobody.
//!
//! Which commands pass it says `Command::widens`. What stops, pauses or refuses needs nothing, and does not
//! come here.

use std::io::IsTerminal as _;

use super::output::note;
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
    /// Money that may have been spent is there again.
    NotSent,
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

    /// The kinds of the refusals: of who is at no terminal, and of who types something else.
    const fn kinds(self) -> (ErrorKind, ErrorKind) {
        match self {
            Self::AcceptLedger => (ErrorKind::LedgerInDoubt, ErrorKind::LedgerInDoubt),
            _ => (ErrorKind::NotSupported, ErrorKind::InvalidArgument),
        }
    }
}

/// Lets a person pass who types the word, and nobody else: who comes out of here may widen what agents may
/// do.
///
/// # Errors
/// Where nobody is at a terminal, or something else is typed. [`ErrorKind::Internal`] where the terminal
/// cannot be read.
pub(super) fn pass(widening: Widening, caller: Caller) -> Result<Person> {
    let Question { command, word, does, because, done } = widening.question();
    let (without_terminal, other_word) = widening.kinds();
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
    Ok(Person::let_pass(caller))
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
