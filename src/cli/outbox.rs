//! `outbox`: the texts that the sandbox took, as a phone would show them. Nothing of the ledger is opened.

use std::time::Duration;

use super::output::{is_printed, note};
use crate::app::{self, Taken};
use crate::config::Loaded;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::untrusted;

/// How often a follower looks for new texts.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Shows what is there, and with `follow` also what comes, until somebody asks it to stop or nobody reads any
/// more.
pub(super) async fn outbox(loaded: &Loaded, follow: bool, json: bool) -> Result<()> {
    let mut readers = app::outboxes(loaded);
    if readers.is_empty() {
        return Err(no_outbox(loaded));
    }
    let mut stop = follow.then(app::Stop::new);
    let mut is_empty = true;
    loop {
        for reader in &mut readers {
            let place = reader.path().display().to_string();
            let unreadable = |error: std::io::Error| {
                Error::new(ErrorKind::Config, format!("the outbox {place} cannot be read: {error}"))
                    .next("Run this as the user who runs the server: the file is for its owner alone.")
            };
            while let Some(taken) = reader.read().map_err(unreadable)? {
                is_empty = false;
                if !is_shown(&taken, json) {
                    return Ok(());
                }
            }
        }
        let Some(stop) = &mut stop else { break };
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = stop.asked() => return Ok(()),
            () = reader_left() => return Ok(()),
        }
    }
    if is_empty {
        let places: Vec<String> = readers.iter().map(|reader| reader.path().display().to_string()).collect();
        note(&format!("no texts yet in {}; try: sms-mcp send +12025550123 Hello", places.join(" and ")));
    }
    Ok(())
}

/// Shows one text. Returns whether somebody still reads.
fn is_shown(taken: &Taken, json: bool) -> bool {
    if json {
        return serde_json::to_string(taken).is_ok_and(|line| is_printed(&untrusted::json(&line)));
    }
    let from = taken.from.as_ref().map_or_else(String::new, |from| format!("  from {from}"));
    // The lines of the text are further to the right, so that none of them passes for a message.
    is_printed(&format!("{}  to {}{from}", taken.at, taken.to))
        && taken.text.replace("\r\n", "\n").split('\n').all(|line| is_printed(&format!("    {line}")))
}

/// Why there is no outbox, and what to do.
fn no_outbox(loaded: &Loaded) -> Error {
    let config = &loaded.config;
    let has_sandbox = config.provider.iter().any(|provider| !provider.settings().is_real());
    let (why, next) = if !has_sandbox {
        (
            "no provider of these settings is the sandbox: what is sent goes to phones",
            "`sms-mcp list` shows what was sent.",
        )
    } else if loaded.has_real {
        (
            "the sandbox stands beside real providers here, and has no outbox unless it is set",
            "Write `outbox = \"FILE\"` below its [[provider]].",
        )
    } else if config.ledger.keep_texts {
        (
            "the sandbox has no outbox: its settings say `outbox = \"none\"`",
            "Take that line out, and the next texts are in one beside the ledger.",
        )
    } else {
        (
            "the sandbox has no outbox, because [ledger] keep_texts is false",
            "To keep these texts all the same, write `outbox = \"FILE\"` below its [[provider]].",
        )
    };
    Error::new(ErrorKind::NotFound, why).next(next)
}

/// Waits until nobody reads standard output any more, as far as the system tells: of a pipe it does.
#[cfg(unix)]
async fn reader_left() {
    use std::os::fd::AsFd as _;

    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;
    // A look at it from the side, which changes nothing of how it is written to.
    let watched = std::io::stdout().as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd_unchecked);
    if let Ok(output) = watched
        && output.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

#[cfg(not(unix))]
async fn reader_left() {
    std::future::pending().await
}
