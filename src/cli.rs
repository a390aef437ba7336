//! The command line: the same verbs as the tools, through the same engine.

mod approvals;
mod approvers;
mod arguments;
mod budget;
mod bulk;
mod campaign;
mod check;
mod clients;
mod commands;
mod consent;
mod csv;
mod deciding;
mod demo;
mod ending;
mod explain;
mod gate;
mod gathered;
mod init;
mod ledger_file;
mod loaded;
mod messages;
mod opt_out;
mod others;
mod outbox;
mod output;
mod pausing;
mod providers;
mod proving;
mod reconcile;
mod rules;
mod send;
mod short;
mod speech;
mod standing;
mod terminal;
mod trial;

pub use arguments::Cli;

use crate::config::Flags;
use crate::error::ErrorKind;
use crate::sms::untrusted;
use arguments::Command;
use speech::Speech;

/// Runs the command line and returns the exit code. Errors are printed here.
pub async fn run(cli: Cli) -> u8 {
    let Cli { global, command } = cli;
    let principal = global.principal;
    let (toolsets, read_only) = match &command {
        Some(Command::Serve { toolsets, read_only, .. }) => (toolsets.clone(), *read_only),
        _ => (Vec::new(), false),
    };
    let flags = Flags {
        config: global.config,
        ledger: global.ledger,
        log: global.log,
        log_format: global.log_format,
        toolsets,
        read_only,
    };
    let wants_json = command.as_ref().is_some_and(Command::wants_json);
    let speech = command.as_ref().map(Speech::of).unwrap_or_default();
    match Box::pin(commands::run(command, flags, (principal, global.proving))).await {
        Ok(code) => code,
        Err(error) => {
            if wants_json {
                output::print_line(&untrusted::json(&speech.json(&error).to_string()));
            } else {
                speech.lines(&error).iter().for_each(|line| output::note(line));
            }
            if matches!(error.kind(), ErrorKind::OutcomeUnknown | ErrorKind::PartlySent) { 3 } else { 1 }
        }
    }
}
