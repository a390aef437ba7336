//! `pause` and `resume`: everything stands still, or goes on. Neither opens the ledger, so that they work
//! while that is locked, or on a disk that is full. Pausing needs nothing, the settings neither; going on
//! widens what agents may do, and asks a person. An approver's proof is kept in the ledger, which is opened for
//! it.

use std::path::PathBuf;

use super::arguments::{PauseCommand, ResumeCommand};
use super::deciding;
use super::gate::{Gate, Widening};
use super::output::{note, print_line};
use super::proving::Proving;
use crate::app;
use crate::config::{self, Loaded, Log, LogLevel, Sources};
use crate::error::{Error, ErrorKind, Result};
use crate::halt::Pause;
use crate::sms::untrusted::escape;

/// Starts the log of a command that is one line long: what goes well is said beside it, unless somebody asked
/// for more.
fn start_logging(sources: &Sources, mut log: Log) {
    log.level = sources.flags.log.unwrap_or(LogLevel::Warn);
    log.format = sources.flags.log_format.unwrap_or(log.format);
    app::start_logging(&log);
}

/// What is known of where texts go.
struct Reach {
    ledger: PathBuf,
    /// The settings; nothing where they cannot be read.
    loaded: Option<Loaded>,
}

impl Reach {
    /// From the settings; without them where a ledger is named: a pause must not wait for somebody to mend
    /// them.
    fn from(sources: &Sources) -> Result<Self> {
        let error = match config::load(sources) {
            Ok(loaded) => {
                start_logging(sources, loaded.config.log.clone());
                if let Some(live) = &loaded.live_ledger {
                    note(&format!(
                        "note: only the sandbox is configured, and this is its own ledger; with a real \
                         provider it is {}",
                        live.display()
                    ));
                }
                return Ok(Self { ledger: loaded.ledger.clone(), loaded: Some(loaded) });
            }
            Err(error) => error,
        };
        match config::named_ledger(sources) {
            Some(ledger) => {
                start_logging(sources, Log::default());
                note(&format!(
                    "note: the settings cannot be read ({}); they are not needed for this",
                    error.message()
                ));
                Ok(Self { ledger, loaded: None })
            }
            None => Err(error.next(
                "Correct it, or name the ledger that the servers use with --ledger FILE: \
                that needs no settings.",
            )),
        }
    }

    /// Refuses a provider that there is not: nothing of what was meant would stand still.
    fn check(&self, provider: Option<&String>) -> Result<()> {
        let names = self.loaded.as_ref().map(|loaded| {
            loaded.config.provider.iter().map(|provider| provider.name().to_owned()).collect::<Vec<_>>()
        });
        match (provider, names) {
            (Some(name), Some(names)) if !names.contains(name) => {
                let message = format!("no provider is called \"{name}\"; there are {}", names.join(", "));
                Err(Error::new(ErrorKind::NotFound, message)
                    .next("Nothing was paused. `sms-mcp pause` alone pauses everything."))
            }
            _ => Ok(()),
        }
    }
}

/// `pause`: nothing new begins, or what is paused.
pub(super) fn pause(sources: &Sources, command: PauseCommand) -> Result<()> {
    let PauseCommand { provider, of, list } = command;
    let known = Reach::from(sources)?;
    if list {
        let pauses = app::pauses(&known.ledger)?;
        for pause in &pauses {
            print_line(&format!("{}  {}", pause.since.rfc3339(), pause.what()));
        }
        if pauses.is_empty() {
            print_line("nothing is paused");
        }
        return Ok(());
    }
    known.check(provider.as_ref())?;
    of.as_deref().map_or(Ok(()), check_principal)?;
    let asked = app::pause_of(provider, of);
    let pauses = app::pause(&known.ledger, &app::user_caller(), asked.clone())?;
    for pause in pauses.iter().filter(|pause| pause.is_about(&asked)) {
        print_line(&format!(
            "{} is paused since {}, in {}",
            pause.what(),
            pause.since.rfc3339(),
            known.ledger.display()
        ));
    }
    note(
        "note: nothing new begins there, in no process. Texts that have begun are finished, STOP and \
         receipts come in, bulks wait",
    );
    still_paused(&pauses, &asked);
    Ok(())
}

/// Refuses a name that no caller has: nothing of what was meant would stand still.
fn check_principal(name: &str) -> Result<()> {
    if name == "http" || name.strip_prefix("user:").is_some_and(|user| !user.is_empty()) {
        return Ok(());
    }
    let message = format!(
        "no principal is called \"{}\"; there are `http`, who shows the token of [http], and users of this \
         machine",
        escape(name)
    );
    let user = if name.is_empty() { "NAME".to_owned() } else { escape(name) };
    let next = format!(
        "Nothing was paused. A user is named `user:{user}`. `sms-mcp pause` alone pauses everything."
    );
    Err(Error::new(ErrorKind::NotFound, message).next(next))
}

fn still_paused(pauses: &[Pause], but: &Pause) {
    pauses
        .iter()
        .filter(|pause| !pause.is_about(but))
        .for_each(|pause| note(&format!("note: {} is paused too", pause.what())));
}

/// `resume`: ends one pause, once an approver has proven a yes, or a person at a terminal has said so.
pub(super) async fn resume(sources: &Sources, command: ResumeCommand, proving: &Proving) -> Result<()> {
    let ResumeCommand { provider, of } = command;
    let known = Reach::from(sources)?;
    let asked = app::pause_of(provider, of);
    // Before anybody is asked. Where nobody can tell what is paused, everything is.
    if let Ok(pauses) = app::pauses(&known.ledger)
        && !pauses.iter().any(|pause| pause.is_about(&asked))
    {
        let all: Vec<String> = pauses.iter().map(Pause::what).collect();
        let paused = if all.is_empty() {
            "nothing is".to_owned()
        } else {
            format!("what is paused: {}", all.join("; "))
        };
        return Err(Error::new(ErrorKind::NotFound, format!("{} is not paused; {paused}", asked.what()))
            .next("`sms-mcp pause --list` shows it."));
    }
    note(&format!(
        "{} is paused, in {}. What waits goes out at once when it goes on.",
        asked.what(),
        known.ledger.display()
    ));
    let gate =
        Gate { widening: Widening::Resume, ledger: &known.ledger, loaded: known.loaded.as_ref(), proving };
    let Some(person) = gate.pass(app::user_caller(), || Ok(deciding::resumes(&asked))).await? else {
        return Ok(());
    };
    let left = app::resume(&known.ledger, &person, &asked)?;
    print_line(&format!("{} goes on, in {}", asked.what(), known.ledger.display()));
    still_paused(&left, &asked);
    Ok(())
}
