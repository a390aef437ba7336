//! Pauses, and what is kept of their end, for commands that have no engine.

use std::path::Path;

use super::open_ledger;
use crate::clock::{Clock as _, SystemClock};
use crate::config::Loaded;
use crate::engine::{Caller, Person};
use crate::error::Result;
use crate::halt::Pause;
use crate::ledger::facets::{Accounts as _, Upkeep as _};
use crate::ledger::sqlite::PauseFile;

/// A pause of this from now on.
pub fn pause_of(provider: Option<String>, principal: Option<String>) -> Pause {
    Pause { since: SystemClock.now(), provider, principal }
}

/// Pauses this in every process that uses the ledger. Returns all that is paused.
///
/// # Errors
/// What [`PauseFile::of_closed`] and [`PauseFile::pause`] fail with.
pub fn pause(ledger: &Path, caller: &Caller, asked: Pause) -> Result<Vec<Pause>> {
    let what = asked.what();
    let pauses = PauseFile::of_closed(ledger)?.pause(asked)?;
    caller.acted("pause", &what);
    Ok(pauses)
}

/// Ends a pause of just this. Returns all that is still paused.
///
/// # Errors
/// What [`PauseFile::of_closed`] and [`PauseFile::resume`] fail with.
pub fn resume(ledger: &Path, person: &Person, asked: &Pause) -> Result<Vec<Pause>> {
    let left = PauseFile::of_closed(ledger)?.resume(asked)?;
    person.widened("resume", &asked.what());
    Ok(left)
}

/// Keeps in the ledger what a person is about to do beside it; nothing where there is none yet.
///
/// # Errors
/// Those of the ledger.
pub async fn keep_act(loaded: &Loaded, person: &Person, verb: &str, subject: &str) -> Result<()> {
    if !loaded.ledger.exists() {
        return Ok(());
    }
    let store = open_ledger(loaded)?;
    let kept = store.note_act(person.act(verb, subject, SystemClock.now())).await;
    store.close().await?;
    kept
}

/// What is paused.
///
/// # Errors
/// What [`PauseFile::of_closed`] and [`PauseFile::list`] fail with.
pub fn pauses(ledger: &Path) -> Result<Vec<Pause>> {
    PauseFile::of_closed(ledger)?.list()
}
