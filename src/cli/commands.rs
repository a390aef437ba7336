//! Which command does what, and what it has open meanwhile.

use std::io::{IsTerminal as _, Write as _};

use clap::CommandFactory as _;

use super::arguments::{Cli, Command, ConfigAction, ConsentAction, LedgerAction, Shell};
use super::gate::{Gate, Passed, Widening};
use super::loaded::loaded;
use super::output::{self, note, print_json};
use super::proving::Proving;
use super::{
    approvals, approvers, budget, bulk, campaign, check, consent, csv, deciding, demo, ending, explain, init,
    ledger_file, messages, opt_out, outbox, pausing, providers, reconcile, rules, send, trial,
};
use crate::app::{self, Role};
use crate::config::{Config, Flags, Loaded, Sources};
use crate::engine::contract::StatusArgs;
use crate::engine::{Caller, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::mcp::tools::Tools;

/// Runs one command, and returns the exit code of what was done.
pub(super) async fn run(
    command: Option<Command>,
    flags: Flags,
    (principal, proving): (Option<String>, Proving),
) -> Result<u8> {
    if let Some(option) = proving.given()
        && command.as_ref().and_then(Command::widens).is_none()
    {
        let message = format!("{option} goes with a command that asks a person, and this one asks nobody");
        return Err(Error::new(ErrorKind::InvalidArgument, message).next("Leave it out. Nothing was done."));
    }
    match command {
        Some(Command::Config { action: ConfigAction::Check { live, strict, json } }) => {
            check::run(flags, principal, check::Asked { live, strict, json }).await
        }
        Some(Command::Init(command)) => init::init(flags, principal, command).await,
        command => Box::pin(perform(command, flags, principal, &proving)).await.map(|()| 0),
    }
}

async fn perform(
    command: Option<Command>,
    flags: Flags,
    principal: Option<String>,
    proving: &Proving,
) -> Result<()> {
    match command {
        Some(Command::Demo) => return demo::run(&Sources::from_process(flags)).await,
        Some(Command::Tools) => return print_json(&Tools::new().list()),
        Some(Command::Config { action: ConfigAction::Schema }) => return print_json(&Config::json_schema()),
        Some(Command::Explain { kind, code, json }) => {
            return explain::explain(kind.as_deref(), code.as_deref(), json);
        }
        Some(Command::Completions { shell }) => {
            complete(shell);
            return Ok(());
        }
        Some(Command::Provider { name: Some(name), action, arguments, answer }) if name == "try" => {
            return trial::run(flags, action, arguments, answer.as_deref());
        }
        Some(Command::Pause(command)) => return pausing::pause(&Sources::from_process(flags), command),
        Some(Command::Resume(command)) => {
            return pausing::resume(&Sources::from_process(flags), command, proving).await;
        }
        _ => {}
    }
    if principal.is_some() && matches!(command, None | Some(Command::Serve { .. })) {
        return Err(serves_others(&command));
    }
    let loaded = loaded(flags, matches!(command, None | Some(Command::Serve { .. })))?;
    let mut caller = app::process_caller(&loaded)?;
    let passed = match &command {
        Some(command) => match pass(command, &loaded, &caller, proving).await? {
            Some(passed) => passed,
            // Only what is to be signed was asked for.
            None => return Ok(()),
        },
        None => Passed(None),
    };
    if let Some(principal) = principal {
        caller = caller.about(principal);
    }
    match command {
        None | Some(Command::Serve { http: None, .. }) => {
            if std::io::stdin().is_terminal() {
                output::WAITS_FOR_A_CLIENT.iter().for_each(|line| note(line));
            }
            app::serve_stdio(&loaded).await
        }
        Some(Command::Serve { http: Some(listen), .. }) => app::serve_http(&loaded, listen).await,
        Some(Command::Outbox { follow, json }) => outbox::outbox(&loaded, follow, json).await,
        Some(Command::Backup { file }) => ledger_file::backup(&loaded, &file).await,
        Some(Command::Restore { file }) => ledger_file::restore(&loaded, passed.person()?, &file).await,
        Some(Command::Ledger { action: LedgerAction::Check { file } }) => {
            ledger_file::check(&loaded, file.as_deref()).await
        }
        Some(Command::Ledger { action: LedgerAction::Accept }) => {
            ledger_file::accept(&loaded, caller, proving).await
        }
        Some(Command::Approvals { action }) => approvals::approvals(&loaded, caller, action, proving).await,
        Some(Command::Consent { action: ConsentAction::Import { file } }) => {
            consent::import(&loaded, caller, &file, proving).await
        }
        Some(Command::Approver { action }) => approvers::approver(&loaded, caller, action, proving).await,
        Some(command) => {
            // Before signals are heard in our way: a pipe may never end.
            let sheet = match &command {
                Command::Bulk(bulk) => Some(csv::read(&bulk.file, &bulk.message)?),
                _ => None,
            };
            let signals = is_sent(&command).then(app::Stop::new);
            let engine = app::build(&loaded, role(&command)).await?;
            let work = with_engine(&engine, &loaded, command, sheet, (caller, passed));
            if let Some(signals) = signals {
                return ending::finish(&engine, work, signals).await;
            }
            let done = work.await;
            engine.stop(ending::END_PATIENCE).await;
            done
        }
    }
}

/// Asks at the gate, where this command widens something, before the ledger is opened. Nothing: no more than
/// what is to be signed was asked for. Some are told first what it means, and ask then by themselves.
async fn pass(
    command: &Command,
    loaded: &Loaded,
    caller: &Caller,
    proving: &Proving,
) -> Result<Option<Passed>> {
    let asks_itself = |widening: &Widening| {
        matches!(
            widening,
            Widening::AcceptLedger
                | Widening::AddApprover
                | Widening::RemoveApprover
                | Widening::Approve
                | Widening::ImportConsents
        )
    };
    let Some(widening) = command.widens().filter(|widening| !asks_itself(widening)) else {
        return Ok(Some(Passed(None)));
    };
    // The one that real texts leave from decides, where the sandbox has one of its own: it is changed too.
    let live = loaded.live_ledger.as_ref().filter(|_| widening == Widening::RemoveOptOut);
    let ledger = match live {
        Some(live) if !app::deciders(live)?.approvers.is_empty() => live,
        _ => &loaded.ledger,
    };
    let gate = Gate { widening, ledger, loaded: Some(loaded), proving };
    let told = match command {
        // Where there is no approver nobody signs it, and nothing is opened before somebody has passed.
        Command::Consent { action: ConsentAction::Add(add) }
            if !app::deciders(ledger)?.approvers.is_empty() =>
        {
            Some(consent::decision(loaded, add).await?)
        }
        _ => None,
    };
    told.iter().for_each(|decision| note(decision.subject()));
    let region = loaded.config.default_region;
    let decide = || told.map_or_else(|| deciding::decision(command, region), Ok);
    let person = gate.pass(caller.clone(), decide).await?;
    Ok(person.map(|person| Passed(Some(person))))
}

/// Why `--as` says nothing to a server: whose messages and budgets they are is told by who calls.
fn serves_others(command: &Option<Command>) -> Error {
    let (who, instead) = if matches!(command, Some(Command::Serve { http: Some(_), .. })) {
        (
            "over HTTP the bearer token says who calls, and whoever shows it is `http` (without a token: this \
             user)",
            "To tell agents apart, give each a token of its own: a server for each, with [http] token, an \
             address and a --ledger of its own.",
        )
    } else {
        (
            "over stdio whoever starts the server calls: this user",
            "To tell agents apart, run each as a user of its own.",
        )
    };
    Error::new(
        ErrorKind::InvalidArgument,
        format!("--as is for commands, and would change nothing for a server: {who}"),
    )
    .next(format!("Leave --as out. {instead} Nothing was started."))
}

/// What a command has the ledger open for.
const fn role(command: &Command) -> Role {
    match command {
        Command::Send(command) if !command.dry_run => Role::Sends("send"),
        Command::Bulk(command) if !command.dry_run => Role::Sends("bulk"),
        Command::Campaign(command) if !command.dry_run => Role::Sends("campaign"),
        Command::Consent { action: ConsentAction::Ask { .. } } => Role::Sends("consent ask"),
        Command::Send(_) | Command::Bulk(_) | Command::Campaign(_) => Role::Quotes,
        _ => Role::Looks,
    }
}

/// Whether a command sends something.
fn is_sent(command: &Command) -> bool {
    matches!(role(command), Role::Sends(_))
}

/// Recovers what a crash left, and makes ready for what this command sends. One that sends nothing takes no
/// connection to a carrier: carriers count them, and a server may have the only one.
async fn begin(engine: &Engine, command: &Command) -> Result<()> {
    if is_sent(command) {
        engine.start(false).await?;
    } else {
        engine.recover().await?;
    }
    if matches!(command, Command::Send(_) | Command::Bulk(_)) {
        engine.refresh_prices().await;
    }
    Ok(())
}

async fn with_engine(
    engine: &Engine,
    loaded: &Loaded,
    command: Command,
    sheet: Option<csv::Sheet>,
    who: (Caller, Passed),
) -> Result<()> {
    begin(engine, &command).await?;
    if loaded.live_ledger.is_some() && is_sent(&command) {
        note(&format!(
            "note: only the sandbox is configured, and it keeps a ledger of its own: {}",
            loaded.ledger.display()
        ));
    }
    let (caller, passed) = who;
    match command {
        Command::Send(command) => send::send(engine, caller, command).await,
        Command::Bulk(command) => match sheet {
            Some(sheet) => bulk::bulk(engine, caller, command, sheet).await,
            None => Ok(()),
        },
        Command::Status { id, cursor, json } => {
            messages::status(engine, &caller, StatusArgs { id, cursor }, json).await
        }
        Command::Cancel { id } => messages::cancel(engine, &caller, id).await,
        Command::List(command) => messages::list(engine, &caller, command).await,
        Command::Balance { json } => budget::balance(engine, &caller, json).await,
        Command::Budget { action, all, json } => {
            budget::budget(engine, (&caller, &passed), action, (all, json)).await
        }
        Command::Provider { answer: Some(_), .. } => Err(Error::new(
            ErrorKind::InvalidArgument,
            "--answer goes with `provider try`: sms-mcp provider try NAME --answer FILE",
        )),
        Command::Provider { name, action, arguments, answer: None } => {
            providers::provider((engine, &loaded.ledger), &caller, name, action, arguments).await
        }
        Command::Campaign(command) => campaign::campaign(engine, caller, command).await,
        Command::Rules { action } => rules::rules(engine, &caller, action).await,
        Command::OptOut { action } => opt_out::opt_out(engine, loaded, (&caller, &passed), action).await,
        Command::Consent { action } => consent::consent(engine, loaded, (&caller, &passed), action).await,
        Command::Reconcile(command) => reconcile::reconcile(engine, (&caller, &passed), command).await,
        Command::Ledger { action: LedgerAction::Acts { json } } => {
            ledger_file::acts(engine, &caller, json).await
        }
        Command::Ledger { action: LedgerAction::Prune { dry_run } } => {
            ledger_file::prune(engine, loaded, &caller, dry_run).await
        }
        Command::Pause(_)
        | Command::Resume(_)
        | Command::Approver { .. }
        | Command::Approvals { .. }
        | Command::Backup { .. }
        | Command::Restore { .. }
        | Command::Ledger { .. } => Ok(()),
        Command::Serve { .. }
        | Command::Init(_)
        | Command::Demo
        | Command::Outbox { .. }
        | Command::Explain { .. }
        | Command::Tools
        | Command::Config { .. }
        | Command::Completions { .. } => Ok(()),
    }
}

fn complete(shell: Shell) {
    use clap_complete::Shell as Target;
    let target = match shell {
        Shell::Bash => Target::Bash,
        Shell::Elvish => Target::Elvish,
        Shell::Fish => Target::Fish,
        Shell::Pwsh => Target::PowerShell,
        Shell::Zsh => Target::Zsh,
    };
    // By way of memory: `generate` panics where a write fails, and a reader that has gone away is no error.
    let mut script = Vec::new();
    clap_complete::generate(target, &mut Cli::command(), "sms-mcp", &mut script);
    let _ = std::io::stdout().write_all(&script);
}
