//! What runs in the writing thread, as everybody here sees it: what a job may fail with, and what it is to
//! the mark.

use crate::error::{Error, ErrorKind, Result};

/// What a job may fail with: the ledger's trouble, which undoes the job, or an answer of the business, which
/// does not.
pub(super) type JobResult<T> = std::result::Result<T, rusqlite::Error>;

/// What a job answers that the business may refuse.
pub(super) type Business<T> = JobResult<Result<T>>;

/// Unwraps an answer of the business inside a job.
macro_rules! business {
    ($answer:expr) => {
        match $answer {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}
pub(super) use business;

/// What a job is to the mark outside the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What it writes makes the ledger a newer one.
    Ordinary,
    /// So it does, and something may begin by it: only in a ledger without doubt, and when the mark knows.
    Begins,
    /// So it does, and something is accepted by it that begins by another job, which asks the mark again:
    /// only in a ledger without doubt.
    Accepts,
    /// What it writes says nothing about what was sent: this process's own place, a rehearsal.
    Aside,
}

/// What a decision said yes to and the ledger says no to: all of the job is undone.
pub(super) fn contradiction(what: &'static str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(what.into())
}

/// The error for a ledger that cannot be read or written.
pub(super) fn unavailable(why: &str) -> Error {
    Error::new(ErrorKind::LedgerUnavailable, "the ledger cannot be read or written now")
        .because(why.to_owned())
}
