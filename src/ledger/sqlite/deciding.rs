//! Who the approvers of a ledger are, for who has not opened it: the gate asks before anything is changed.

use std::path::Path;

use super::approver::{approvers, identity};
use super::connection::cannot_open;
use super::copy::open_copy;
use super::schema::{MIGRATIONS, applied};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::approvers::Approver;

/// With which migration there are approvers.
const SINCE: &str = "CREATE TABLE approver";

/// The approvers of a ledger that may be closed or in use, and its identity in challenges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deciders {
    /// All of them, in the order in which they were added.
    pub approvers: Vec<Approver>,
    /// See [`crate::ledger::approvers::Approvers::approval_identity`].
    pub identity: Option<[u8; 16]>,
}

/// Reads who the approvers of a ledger are, and changes nothing: neither the ledger nor what lies beside it.
/// Where there is no ledger there are none.
///
/// # Errors
/// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable) where it cannot be read: nobody can tell then.
pub fn deciders(path: &Path, now: Timestamp) -> Result<Deciders> {
    match path.metadata() {
        Ok(about) if about.len() == 0 => return Ok(Deciders::default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Deciders::default()),
        Ok(_) => {}
        Err(error) => return Err(cannot_open(path, &error.to_string())),
    }
    let db = open_copy(path)?;
    let version = applied(&db, path)?;
    let since = MIGRATIONS.iter().position(|migration| migration.contains(SINCE));
    if since.is_none_or(|since| version <= since) {
        return Ok(Deciders::default());
    }
    let read = || Ok(Deciders { approvers: approvers(&db, now)?, identity: identity(&db)? });
    read().map_err(|error: rusqlite::Error| cannot_open(path, &error.to_string()))
}
