//! What the policy is asked about.

use crate::sms::number::Number;
use crate::sms::purpose::Purpose;
use crate::sms::schedule::Schedule;

/// One message, as far as the facts of the ledger matter to it.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The recipient.
    pub to: &'a Number,
    /// The sender ID that the call names.
    pub from: Option<&'a str>,
    /// What would be reserved, in micros.
    pub hold_micros: i64,
    /// The bulk that it is part of.
    pub whole: Option<Whole>,
    /// The agent says that the repetition is meant.
    pub allow_duplicate: bool,
    /// Single sends are refused when they come too fast; messages of a bulk wait their turn.
    pub paced: bool,
    /// What it is for.
    pub purpose: Purpose,
    /// When it is to leave.
    pub schedule: Schedule,
    /// Now, in milliseconds since 1970 (UTC).
    pub now_ms: i64,
}

impl<'a> Ask<'a> {
    /// A transactional message that holds nothing, is no part of a bulk, and leaves as soon as it may.
    pub const fn to(to: &'a Number, now_ms: i64) -> Self {
        Self {
            to,
            from: None,
            hold_micros: 0,
            whole: None,
            allow_duplicate: false,
            paced: false,
            purpose: Purpose::Transactional,
            schedule: Schedule { at_ms: None, by_ms: None },
            now_ms,
        }
    }
}

/// All messages of one intent: what a refusal for want of money speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// How many.
    pub messages: usize,
    /// What all of them would reserve, in micros.
    pub micros: i64,
}

impl Whole {
    /// The whole of messages that would reserve so much each.
    pub fn of(holds: impl IntoIterator<Item = i64>) -> Self {
        let add = |whole: Self, micros: i64| Self {
            messages: whole.messages + 1,
            micros: whole.micros.saturating_add(micros),
        };
        holds.into_iter().fold(Self { messages: 0, micros: 0 }, add)
    }
}
