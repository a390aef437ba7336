//! Consents: what people agreed to, and what they withdrew.
//!
//! A record is never changed and never forgotten. The latest one of a person and a purpose counts, by the time
//! at which it was said. A STOP withdraws what was given before it, in the step that records the STOP, also where
//! that is written down later.

use std::fmt;

use async_trait::async_trait;

use super::model::{Act, E164};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::sms::consent::Latest;
use crate::sms::purpose::Purpose;

/// Most records that one step takes in.
pub const AT_ONCE: usize = 1_000;

/// What is to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewConsent {
    /// Whose, in E.164.
    pub number: String,
    /// To texts of this purpose.
    pub purpose: Purpose,
    /// They agreed; else they withdrew it.
    pub is_given: bool,
    /// Where they said so.
    pub source: String,
    /// The version of what they agreed to.
    pub wording: Option<String>,
    /// When they said so.
    pub at: Timestamp,
    /// From when on it does not count any more.
    pub expires: Option<Timestamp>,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRecord {
    /// Its number in the ledger.
    pub id: i64,
    /// What was said.
    pub said: NewConsent,
    /// When it was written down.
    pub recorded: Timestamp,
    /// Who wrote it down; nobody where it was a STOP.
    pub by: String,
    /// Whose proof it was.
    pub approver: Option<String>,
}

/// Makes the next records of a file, at most [`AT_ONCE`]; none at its end.
pub type MakeConsents = Box<dyn FnMut() -> Result<Vec<NewConsent>> + Send>;

/// A file of records that is taken in.
pub struct ConsentImport {
    /// Who takes it in, when, and by whose proof.
    pub act: Act,
    /// Its records.
    pub make: MakeConsents,
}

impl fmt::Debug for ConsentImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsentImport").field("act", &self.act).finish_non_exhaustive()
    }
}

/// Somebody who was asked whether they want texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentAsk {
    /// Whom, in E.164.
    pub number: String,
    /// For texts of this purpose.
    pub purpose: Purpose,
    /// The version of the question.
    pub wording: String,
    /// A yes from then on is none.
    pub expires: Timestamp,
    /// Who asked, and when.
    pub act: Act,
}

/// What came of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// New records.
    pub new: u64,
    /// Those that were on record already, word for word.
    pub known: u64,
}

/// What people agreed to.
#[async_trait]
pub trait Consents: Send + Sync {
    /// Keeps what an operator is about to do, and records it, in one step. Returns whether it is news: the same
    /// record is kept once.
    async fn record_consent(&self, new: NewConsent, act: Act) -> Result<bool>;

    /// Keeps what an operator is about to do, and records that somebody withdrew it just now: it counts from now
    /// on, whatever a clock that is ahead has said. Returns whether it is news.
    async fn withdraw_from_now(&self, new: NewConsent, act: Act) -> Result<bool>;

    /// Records that a STOP of this time took back every consent until then, where it changes nothing else any
    /// more.
    async fn withdraw_all(&self, number: E164<'_>, source: &str, at: Timestamp) -> Result<()>;

    /// Takes in a file of records, all of them or none: they are there for everybody when this returns, and for
    /// nobody before. They are written some at a time, so that others can use the ledger in between.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable), or what the file's maker answers.
    async fn import_consents(&self, import: ConsentImport) -> Result<Imported>;

    /// Keeps that somebody was asked: a yes of theirs counts from now on, until it expires.
    async fn note_ask(&self, ask: ConsentAsk) -> Result<()>;

    /// Takes the yes of somebody, said then. It is a consent where they were asked before, and the question has
    /// not expired by then: the yes uses it up. Returns whether it was one.
    async fn take_yes(&self, number: E164<'_>, at: Timestamp, now: Timestamp) -> Result<bool>;

    /// The latest that is on record of a person and a purpose.
    async fn latest_consent(&self, number: E164<'_>, purpose: Purpose) -> Result<Option<Latest>>;

    /// Every record of this number, latest first.
    async fn consents_of(&self, number: E164<'_>) -> Result<Vec<ConsentRecord>>;

    /// Records behind this one, in the order in which they were written down, at most so many.
    async fn consents_after(&self, id: i64, most: u32) -> Result<Vec<ConsentRecord>>;
}
