//! What is recorded: a message with what became of it, a bulk send, and which messages are listed.

use super::people::Replies;
use super::settlement::Segment;
use crate::clock::Timestamp;
use crate::error::{ErrorKind, RefusedRecipient};
use crate::sms::message::{BatchId, MessageId, Realm, State};
use crate::sms::purpose::Purpose;
use crate::sms::schedule::Schedule;

/// A message in the ledger.
#[derive(Clone)]
pub struct Record {
    /// Its id.
    pub id: MessageId,
    /// Its place in the ledger; later messages have higher ones.
    pub sequence: i64,
    /// The bulk send that it belongs to.
    pub batch: Option<BatchId>,
    /// Whose it is.
    pub principal: String,
    /// The recipient in E.164.
    pub to: String,
    /// The sender ID.
    pub from: Option<String>,
    /// The text, unless it was erased.
    pub text: Option<String>,
    /// Its alphabet, such as `GSM-7`.
    pub encoding: String,
    /// Segments.
    pub segments: u32,
    /// Where it stands.
    pub state: State,
    /// The provider's name.
    pub provider: String,
    /// Whether that was the sandbox.
    pub realm: Realm,
    /// The provider's id.
    pub vendor_id: Option<String>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When its state last changed.
    pub changed: Timestamp,
    /// Still held, in micros.
    pub held_micros: i64,
    /// Posted price, in micros.
    pub price_micros: Option<i64>,
    /// Whether nobody told what it costs, so that both are the operator's assumption.
    pub is_assumed: bool,
    /// Currency of both.
    pub currency: String,
    /// Our code, if it did not succeed.
    pub code: Option<ErrorKind>,
    /// Words about it, the provider's or ours.
    pub why: Option<String>,
    /// Digest of the text.
    pub digest: [u8; 16],
    /// How many replies came to it.
    pub replies: u32,
    /// How many of them ask for the operator's help: nobody is woken by those.
    pub helps: u32,
    /// Whether its segments went out as requests of their own ([`Segment`]).
    pub is_parted: bool,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether a person was asked about it.
    pub was_asked: bool,
    /// When it is or was to leave, and by when it expires; of what was to leave at once it has neither.
    pub schedule: Schedule,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("id", &self.id).field("state", &self.state).finish_non_exhaustive()
    }
}

/// One step of a message's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The state it entered.
    pub state: State,
    /// When.
    pub at: Timestamp,
    /// Words about it.
    pub why: Option<String>,
}

/// A bulk send in the ledger.
#[derive(Clone, Debug)]
pub struct BatchRecord {
    /// Its id.
    pub id: BatchId,
    /// When it was accepted.
    pub created: Timestamp,
    /// How many of its messages are in which state.
    pub states: Vec<(State, u32)>,
    /// Recipients named twice.
    pub duplicates: Vec<String>,
    /// Recipients refused.
    pub refused: Vec<RefusedRecipient>,
    /// Segments of all of its messages.
    pub segments: u32,
    /// What all of them cost, or what is held for them, in micros.
    pub cost_micros: i64,
    /// Whether nobody told a part of that, so that it is the operator's assumption.
    pub is_assumed: bool,
    /// The providers of its messages, in the order in which they come.
    pub providers: Vec<String>,
    /// On which side its first message is; nothing where it has none.
    pub realm: Option<Realm>,
    /// Its messages, the earliest first: all of them, or those that need attention where there are more than
    /// were asked for.
    pub listed: Vec<BatchMessage>,
}

/// A message of a bulk, as its list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchMessage {
    /// The recipient in E.164.
    pub to: String,
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub state: State,
    /// Our code, if it did not succeed.
    pub code: Option<ErrorKind>,
}

/// A message with all that became of it.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The message.
    pub message: Record,
    /// Its states so far, oldest first.
    pub history: Vec<Change>,
    /// Its segments, where they went out as requests of their own; else nothing.
    pub segments: Vec<Segment>,
    /// The replies that were asked for.
    pub replies: Replies,
}

impl BatchRecord {
    /// How many messages were accepted.
    pub fn accepted(&self) -> u32 {
        self.states.iter().map(|(_, count)| count).sum()
    }

    /// How many are still to be handed over, or being handed over.
    pub fn open(&self) -> u32 {
        self.states.iter().filter(|(state, _)| state.is_open()).map(|(_, count)| count).sum()
    }
}

/// Which messages are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Whose.
    pub principal: String,
    /// In this state.
    pub state: Option<State>,
    /// To this number, in E.164.
    pub to: Option<String>,
    /// Accepted at this moment or later.
    pub since: Option<Timestamp>,
    /// Accepted before this moment.
    pub until: Option<Timestamp>,
    /// Of this bulk send.
    pub batch: Option<BatchId>,
    /// Only messages before this place in the ledger.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}
