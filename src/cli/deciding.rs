//! What an approver decides when a command asks: its verb, what it is about, and all that it depends on.

use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::arguments::{BudgetAction, Command, OptOutAction, PendingAction};
use crate::access::Decision;
use crate::error::{Error, ErrorKind, Result};
use crate::halt::Pause;
use crate::sms::number::{Number, Region};

/// What this command, which widens something, would do. Whose number a national one is says `region`, and with it
/// the decision.
///
/// # Errors
/// [`ErrorKind::InvalidNumber`], [`ErrorKind::LedgerUnavailable`] for a file that cannot be read, and [`ErrorKind::Internal`] for a command
/// that widens something and is not known here.
pub(super) fn decision(command: &Command, region: Option<Region>) -> Result<Decision> {
    Ok(match command {
        Command::Budget { action: Some(BudgetAction::Unfreeze { name }), .. } => {
            let subject = name.as_deref().unwrap_or("every frozen budget");
            Decision::new("budget unfreeze", subject, &parts(&[name.as_deref()]))
        }
        Command::Budget { action: Some(BudgetAction::AcceptClock), .. } => {
            Decision::new("budget accept-clock", "the clock", &[])
        }
        Command::Restore { file } => {
            let digest = digest(file)?;
            Decision::new("restore", &file.display().to_string(), &[&digest])
        }
        Command::OptOut { action: Some(OptOutAction::Remove { number }) } => {
            let number = read(number, region)?;
            Decision::new("opt-out remove", number.e164(), &[number.e164().as_bytes()])
        }
        Command::OptOut {
            action: Some(OptOutAction::Pending { action: Some(PendingAction::Settle { id, number }) }),
        } => {
            let number = read(number, region)?;
            Decision::new(
                "opt-out pending settle",
                &format!("{id}: {}", number.e164()),
                &[id.to_string().as_bytes(), number.e164().as_bytes()],
            )
        }
        Command::OptOut {
            action: Some(OptOutAction::Pending { action: Some(PendingAction::Dismiss { id }) }),
        } => Decision::new("opt-out pending dismiss", &id.to_string(), &[id.to_string().as_bytes()]),
        Command::Reconcile(command) => {
            let id = command.id.as_deref().unwrap_or_default();
            Decision::new("reconcile --not-sent", id, &[id.as_bytes()])
        }
        _ => {
            return Err(Error::new(
                ErrorKind::Internal,
                "nobody said what this command decides; nothing was done",
            ));
        }
    })
}

/// That this pause ends.
pub(super) fn resumes(pause: &Pause) -> Decision {
    let of = parts(&[pause.provider.as_deref(), pause.principal.as_deref()]);
    Decision::new("resume", &pause.what(), &of)
}

fn read(number: &str, region: Option<Region>) -> Result<Number> {
    Number::parse(number, region)
        .map_err(|error| Error::new(ErrorKind::InvalidNumber, error.to_string()).next("Nothing was changed."))
}

/// What may be left out, each told from what is there and empty.
pub(super) fn parts<'a>(given: &[Option<&'a str>]) -> Vec<&'a [u8]> {
    given
        .iter()
        .flat_map(|part| {
            let is_there: &[u8] = if part.is_some() { b"1" } else { b"0" };
            [is_there, part.unwrap_or_default().as_bytes()]
        })
        .collect()
}

/// A digest of all that is in a file: who approves that it is put in place means what is in it now.
fn digest(file: &Path) -> Result<[u8; 32]> {
    let cannot = |error: std::io::Error| {
        Error::new(ErrorKind::LedgerUnavailable, format!("{} cannot be read: {error}", file.display()))
            .next("Nothing was restored.")
    };
    let (mut digest, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    let mut open = std::fs::File::open(file).map_err(cannot)?;
    loop {
        let count = open.read(&mut piece).map_err(cannot)?;
        if count == 0 {
            return Ok(digest.finalize().into());
        }
        digest.update(piece.get(..count).unwrap_or_default());
    }
}
