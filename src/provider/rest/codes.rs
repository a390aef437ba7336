//! A vendor's codes: those of a refusal and those of a delivery that failed, in one table, and what each means
//! for a message that was handed over.

use std::borrow::Cow;

use crate::error::ErrorKind;
use crate::provider::failure::{Again, Failure, Whose};

/// What a refusal with a code means for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A definite no, with our code for it.
    Rejected(ErrorKind),
    /// It certainly was not taken, and may be tried again.
    NotSent,
}

/// The recipient is no number that can be texted.
pub const NUMBER: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::InvalidNumber));
/// The sender is none that may be used.
pub const SENDER: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::SenderNotAllowed));
/// The country is none that may be texted.
pub const PLACE: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::DestinationNotAllowed));
/// The account, or its key, may not do this.
pub const ACCOUNT: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::ProviderUnauthorized));
/// The text is too long.
pub const LENGTH: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::MessageTooLong));
/// The account has no money left.
pub const FUNDS: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::InsufficientBalance));
/// Something else is in the way.
pub const OTHER: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::ProviderRejected));
/// The person who was texted wants no more texts.
pub const STOPPED: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::OptedOut));
/// It is taken later.
pub const LATER: Option<Refusal> = Some(Refusal::NotSent);

/// What a vendor writes a code as: a number, or a word.
pub trait Code: Copy + 'static {
    /// As the vendor writes it.
    fn shown(self) -> Cow<'static, str>;

    /// Whether this text is it.
    fn is(self, text: &str) -> bool;
}

impl Code for u32 {
    fn shown(self) -> Cow<'static, str> {
        Cow::Owned(self.to_string())
    }

    fn is(self, text: &str) -> bool {
        text.parse() == Ok(self)
    }
}

impl Code for &'static str {
    fn shown(self) -> Cow<'static, str> {
        Cow::Borrowed(self)
    }

    fn is(self, text: &str) -> bool {
        self.eq_ignore_ascii_case(text)
    }
}

/// A code: its number or word, what a refusal with it means (nothing for one of a delivery), what happened,
/// whose move it is, whether trying again can help, and where it stands.
pub type Row<C = u32> = (C, Option<Refusal>, &'static str, Whose, Again, &'static str);

/// A vendor's table.
pub struct Codes<C: Code = u32>(pub &'static [Row<C>]);

impl<C: Code> Codes<C> {
    fn row(&self, code: &str) -> Option<&'static Row<C>> {
        let code = code.trim();
        self.0.iter().find(|row| row.0.is(code))
    }

    /// All of it.
    pub fn failures(&self) -> Vec<Failure> {
        self.0.iter().map(failure).collect()
    }

    /// What this code says, where it is known.
    pub fn find(&self, code: &str) -> Option<Failure> {
        self.row(code).map(failure)
    }

    /// What a refusal with this code means, where it is known.
    pub fn refusal(&self, code: &str) -> Option<Refusal> {
        self.row(code)?.1
    }
}

fn failure<C: Code>((code, _, what, whose, again, source): &Row<C>) -> Failure {
    Failure { code: code.shown(), what: Cow::Borrowed(what), whose: *whose, again: *again, source }
}
