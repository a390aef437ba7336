//! What each command does, and how it prints.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory as _;
use serde::Serialize;

use super::gate::Widening;
use super::speech::Speech;
use super::{
    BudgetAction, BulkCommand, Cli, Command, ConfigAction, LedgerAction, ListCommand, OnInvalidRule, SendCommand, Shell, csv, demo, gate, operator,
    pausing,
};
use crate::app::{self, Role};
use crate::config::{self, Config, Flags, Loaded, LogLevel, Sources};
use crate::engine::contract::{
    BalanceArgs, BudgetView, BulkAnswer, BulkArgs, BulkStatus, ListArgs, OnInvalid, Price, SendAnswer, SendArgs, StatusAnswer, StatusArgs,
};
use crate::engine::{Engine, OnProgress};
use crate::error::{Error, ErrorKind, Result};
use crate::mcp::tools::Tools;
use crate::sms::message::{BatchId, State};
use crate::sms::peer::{Difference, Peer};
use crate::sms::untrusted;

/// How long a command waits for its own sends when it ends.
pub(super) const END_PATIENCE: Duration = Duration::from_secs(4);

/// Prints a line to standard output. A reader that has gone away (`| head`) is no error. Whatever is in it, it stays one line,
/// and tells the terminal nothing.
pub(super) fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{}", untrusted::line(line));
}

/// Prints a line for people to standard error, beside the answer, as [`print_line`] does.
pub(super) fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{}", untrusted::line(line));
}

/// Prints JSON to standard output, in lines or in one. What a terminal would not show is written as JSON has it.
pub(super) fn print_json<T: Serialize>(value: &T) -> Result<()> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Error::new(ErrorKind::Internal, "the answer could not be written").because(error))?;
    let _ = writeln!(std::io::stdout(), "{}", untrusted::json(&text));
    Ok(())
}

/// Runs one command.
pub(super) async fn run(command: Option<Command>, flags: Flags, principal: Option<String>) -> Result<()> {
    match command {
        Some(Command::Demo) => return demo::run().await,
        Some(Command::Tools) => return print_json(&Tools::new().list()),
        Some(Command::Config { action: ConfigAction::Schema }) => return print_json(&Config::json_schema()),
        Some(Command::Completions { shell }) => {
            complete(shell);
            return Ok(());
        }
        Some(Command::Pause(command)) => return pausing::pause(&Sources::from_process(flags), command),
        Some(Command::Resume(command)) => return pausing::resume(&Sources::from_process(flags), command),
        _ => {}
    }
    let is_told_what_to_log = flags.log.is_some();
    let mut loaded = config::load(&Sources::from_process(flags))?;
    if !is_told_what_to_log && !matches!(command, None | Some(Command::Serve { .. })) {
        // Somebody reads the answer at a terminal: what goes well needs no log beside it.
        loaded.config.log.level = LogLevel::Warn;
    }
    app::start_logging(&loaded.config.log);
    // Before the ledger is opened. Who accepts one is told first what that means, and asked then.
    if let Some(widening) = command.as_ref().and_then(Command::widens).filter(|widening| *widening != Widening::AcceptLedger) {
        gate::pass(widening)?;
    }
    match command {
        None | Some(Command::Serve { http: None }) => app::serve_stdio(&loaded).await,
        Some(Command::Serve { http: Some(listen) }) => app::serve_http(&loaded, listen).await,
        Some(Command::Config { action: ConfigAction::Check { live } }) => check(&loaded, live).await,
        Some(Command::Backup { file }) => operator::backup(&loaded, &file).await,
        Some(Command::Restore { file }) => operator::restore(&loaded, &file).await,
        Some(Command::Ledger { action: LedgerAction::Check { file } }) => operator::check_ledger(&loaded, file.as_deref()).await,
        Some(Command::Ledger { action: LedgerAction::Accept }) => operator::accept_ledger(&loaded).await,
        Some(command) => {
            // Before signals are heard in our way: a pipe may never end.
            let sheet = match &command {
                Command::Bulk(bulk) => Some(csv::read(&bulk.file, &bulk.message)?),
                _ => None,
            };
            let signals = is_sent(&command).then(app::Stop::new);
            let engine = app::build(&loaded, role(&command)).await?;
            let work = with_engine(&engine, &loaded, command, sheet, principal);
            if let Some(signals) = signals {
                return finish(&engine, work, signals).await;
            }
            let done = work.await;
            engine.stop(END_PATIENCE).await;
            done
        }
    }
}

/// Does what sends something. Asked to stop, it begins nothing more, and ends what has begun: a part of a text is of no use
/// to anybody, and an answer that nobody waits for is an unknown. Asked once more, it ends at once.
async fn finish(engine: &Engine, work: impl Future<Output = Result<()>>, mut signals: app::Stop) -> Result<()> {
    let mut work = std::pin::pin!(work);
    let done = tokio::select! {
        biased;
        done = &mut work => Some(done),
        () = signals.asked() => None,
    };
    if let Some(done) = done {
        engine.stop(END_PATIENCE).await;
        return done;
    }
    note("note: stopping. What has begun is finished; what is queued waits for the next process that sends from this ledger");
    engine.begin_stop();
    let ended = async {
        let done = tokio::time::timeout(END_PATIENCE, &mut work).await;
        let mut stop = std::pin::pin!(engine.stop(END_PATIENCE));
        if let Ok(done) = done {
            stop.await;
            return done;
        }
        tokio::select! {
            biased;
            done = &mut work => {
                stop.await;
                done
            }
            () = &mut stop => Err(Error::new(ErrorKind::OutcomeUnknown, "the command was stopped before the answer came")),
        }
    };
    tokio::select! {
        biased;
        done = ended => done,
        () = signals.asked() => Err(Error::new(ErrorKind::OutcomeUnknown, "the command was stopped at once, before what had begun had ended")),
    }
}

/// What a command has the ledger open for.
const fn role(command: &Command) -> Role {
    match command {
        Command::Send(command) if !command.dry_run => Role::Sends("send"),
        Command::Bulk(command) if !command.dry_run => Role::Sends("bulk"),
        Command::Campaign(command) if !command.dry_run => Role::Sends("campaign"),
        Command::Send(_) | Command::Bulk(_) | Command::Campaign(_) => Role::Quotes,
        _ => Role::Looks,
    }
}

/// Whether a command sends something.
fn is_sent(command: &Command) -> bool {
    matches!(role(command), Role::Sends(_))
}

/// Recovers what a crash left, and makes ready for what this command sends. One that sends nothing takes no connection to a
/// carrier: carriers count them, and a server may have the only one.
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

async fn with_engine(engine: &Engine, loaded: &Loaded, command: Command, sheet: Option<csv::Sheet>, principal: Option<String>) -> Result<()> {
    begin(engine, &command).await?;
    if loaded.live_ledger.is_some() && is_sent(&command) {
        note(&format!("note: only the sandbox is configured, and it keeps a ledger of its own: {}", loaded.ledger.display()));
    }
    let mut caller = app::process_caller(loaded)?;
    if let Some(principal) = principal {
        caller.principal = principal;
    }
    match command {
        Command::Send(command) => send(engine, caller, command).await,
        Command::Bulk(command) => match sheet {
            Some(sheet) => bulk(engine, caller, command, sheet).await,
            None => Ok(()),
        },
        Command::Status { id, cursor, json } => {
            let answer = Speech::default().answer(engine.status(&caller, StatusArgs { id, cursor }).await?);
            if json { print_json(&answer) } else { print_status(&answer) }
        }
        Command::Cancel { id } => {
            let count = engine.cancel(&caller, &BatchId::from_text(id)).await?;
            print_line(&format!("{count} queued messages canceled; what had left stays as it is"));
            Ok(())
        }
        Command::List(command) => list(engine, &caller, command).await,
        Command::Balance { json } => {
            let answer = Speech::default().answer(engine.balance(&caller, BalanceArgs::default()).await?);
            if json {
                return print_json(&answer);
            }
            for account in &answer.balances {
                let money = account.money.as_ref().map(|money| format!("{} {}", money.amount, money.currency));
                let shown = match (&account.credits, money) {
                    (Some(credits), Some(worth)) => format!("{credits} credits, worth {worth}"),
                    (Some(credits), None) => format!("{credits} credits"),
                    (None, Some(money)) => money,
                    (None, None) => account.unavailable.clone().unwrap_or_default(),
                };
                print_line(&format!("account at {}: {shown}", account.provider));
            }
            print_budgets(&answer.budgets);
            print_warnings(&answer.warnings);
            Ok(())
        }
        Command::Budget { action: Some(BudgetAction::Unfreeze { name }), .. } => {
            for name in engine.unfreeze(name).await? {
                print_line(&format!("{name} is open again"));
            }
            Ok(())
        }
        Command::Budget { action: Some(BudgetAction::AcceptClock), .. } => {
            engine.accept_clock().await?;
            print_line("the clock is taken as it is");
            Ok(())
        }
        Command::Budget { action: None, json } => {
            let budgets = engine.all_budgets().await?;
            if json {
                return print_json(&budgets);
            }
            print_budgets(&budgets);
            Ok(())
        }
        Command::Provider { name, action, arguments } => operator::provider(engine, name, action, arguments).await,
        Command::Campaign(command) => operator::campaign(engine, caller, command).await,
        Command::OptOut { action } => operator::opt_out(engine, loaded, action).await,
        Command::Reconcile(command) => operator::reconcile(engine, &caller, command).await,
        Command::Ledger { action: LedgerAction::Prune { dry_run } } => operator::prune(engine, loaded, dry_run).await,
        Command::Pause(_) | Command::Resume(_) | Command::Backup { .. } | Command::Restore { .. } | Command::Ledger { .. } => Ok(()),
        Command::Serve { .. } | Command::Demo | Command::Tools | Command::Config { .. } | Command::Completions { .. } => Ok(()),
    }
}

async fn check(loaded: &Loaded, live: bool) -> Result<()> {
    let (unpriced, trusted) = app::check(loaded).await?;
    let config = &loaded.config;
    let guard = &config.guard;
    print_line("The configuration is fine.");
    print_line(&format!("  file      {}", app::shown(loaded.file.as_deref())));
    print_line(&format!("  ledger    {}", loaded.ledger.display()));
    if let Some(live) = &loaded.live_ledger {
        print_line(&format!("            the sandbox's own; with a real provider it is {}", live.display()));
    }
    if loaded.has_real {
        let mark = loaded
            .mark
            .as_ref()
            .map_or_else(|| "none: an older ledger in its place is not noticed".to_owned(), |mark| mark.path().display().to_string());
        print_line(&format!("  mark      {mark}"));
    }
    for provider in &config.provider {
        print_line(&format!("  provider  {}", provider.name()));
    }
    let currency = guard.currency;
    print_line(&format!(
        "  limits    session {} {currency}, day {} {currency} and {} messages",
        guard.session_spend, guard.day_spend, guard.day_messages
    ));
    if let Some((providers, assumed)) = unpriced {
        let verb = if providers.len() == 1 { "tells" } else { "tell" };
        let (each, session, day) = (assumed.each, assumed.session, assumed.day);
        print_line(&format!("  prices    {} {verb} none: what [rates] has no price for is taken for {each} a segment,", providers.join(", ")));
        print_line(&format!("            which makes {session} texts a session and {day} a day, unless the price is told afterwards"));
        let missing: Vec<String> = assumed.missing.iter().map(ToString::to_string).collect();
        let rates = config.rates.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (missing.is_empty(), rates.is_empty()) {
            (false, _) => print_line(&format!("            [rates] lacks {}", missing.join(", "))),
            (true, true) => print_line("            [rates] is empty: add the price of each country that you text, such as US = \"0.0079\""),
            (true, false) => print_line(&format!("            [rates] has {rates}, and lacks every other destination; none is excluded")),
        }
    }
    print_line(&format!("  http      {} ({} bearer token)", config.http.listen, if loaded.http_token.is_some() { "with" } else { "without" }));
    print_others(&app::others(loaded).await?);
    match app::pauses(&loaded.ledger) {
        Ok(pauses) => {
            pauses.iter().for_each(|pause| print_line(&format!("  paused    {} since {}: `sms-mcp resume`", pause.what(), pause.since.rfc3339())));
        }
        Err(error) => print_line(&format!("  paused    everything: {}", error.message())),
    }
    loaded.warnings.iter().for_each(|warning| print_line(&format!("  look      {warning}")));
    if !live {
        return trusted;
    }
    let engine = app::build(loaded, Role::Looks).await?;
    let checked = operator::check_live(&engine).await;
    engine.stop(END_PATIENCE).await;
    checked.and(trusted)
}

/// Who else sends from the ledger by other limits: of each the strictest holds, so that a forgotten one is to be found here.
fn print_others(others: &[(Peer, Vec<Difference>)]) {
    for (peer, differences) in others {
        print_line(&format!("  others    {}", peer.whole_name()));
        for Difference { setting, here, there, is_stricter } in differences {
            let holds = if *is_stricter { "it holds while that process runs" } else { "the one here is the stricter one, and holds" };
            print_line(&format!("            {setting} {there} there, {here} here: {holds}"));
        }
    }
}

async fn send(engine: &Engine, caller: crate::engine::Caller, command: SendCommand) -> Result<()> {
    let SendCommand { to, message, from, idempotency_key, allow_duplicate, dry_run, json } = command;
    let args = SendArgs { to, message, from, idempotency_key, allow_duplicate, dry_run, session: None };
    let answer = Speech::default().answer(engine.send(caller, args).await?);
    if json {
        return print_json(&answer);
    }
    print_sent(&answer);
    Ok(())
}

/// A price for people, and that it is an assumption where nobody told it.
fn priced(price: &Price) -> String {
    let assumed = if price.assumed { " (assumed)" } else { "" };
    format!("{} {}{assumed}", price.amount, price.currency)
}

fn print_sent(answer: &SendAnswer) {
    let price = priced(&answer.price);
    let what = format!("{} segment(s) of {}, {price}", answer.segments, answer.encoding);
    match (&answer.id, &answer.quote) {
        (Some(id), _) => {
            let state = serde_json::to_value(answer.status).ok().and_then(|state| state.as_str().map(str::to_owned)).unwrap_or_default();
            let again = if answer.replayed { " (this key was used before: nothing was sent again)" } else { "" };
            print_line(&format!("{state}: {id} to {}, {what}{again}", answer.to));
        }
        (None, quote) => {
            print_line(&format!("quote: to {}, {what}; nothing was sent", answer.to));
            if let Some(refusal) = quote.as_ref().and_then(|quote| quote.refusal.as_ref()) {
                print_line(&format!("it would be refused: {} ({})", refusal.message, refusal.code));
            }
            for character in quote.iter().flat_map(|quote| &quote.ucs2_characters) {
                let instead = character.replacement.as_ref().map_or_else(|| "no plain replacement".to_owned(), |plain| format!("write \"{plain}\""));
                print_line(&format!("  {} x {} ({}) forces UCS-2: {instead}", character.count, character.character, character.code_point));
            }
            if let Some(plain) = quote.as_ref().and_then(|quote| quote.gsm7_rewrite.as_ref()) {
                print_line(&format!("  in plain spelling: {} segment(s), saves {}", plain.segments, priced(&plain.saves)));
            }
        }
    }
    print_warnings(&answer.warnings);
}

async fn bulk(engine: &Engine, caller: crate::engine::Caller, command: BulkCommand, mut sheet: csv::Sheet) -> Result<()> {
    let BulkCommand { message, from, idempotency_key, on_invalid, dry_run, json, .. } = command;
    let on_invalid = match on_invalid {
        OnInvalidRule::Refuse => OnInvalid::Refuse,
        OnInvalidRule::Skip => OnInvalid::Skip,
    };
    let repeated = sheet.repeated(|to| engine.number(to).ok().map(|number| number.e164().to_owned()));
    let (recipients, told) = (std::mem::take(&mut sheet.recipients), sheet.note());
    let bar = indicatif::ProgressBar::new(u64::try_from(recipients.len()).unwrap_or(u64::MAX));
    if json {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let shown = bar.clone();
    let progress: OnProgress = Arc::new(move |done, total| {
        shown.set_length(total.into());
        shown.set_position(done.into());
    });
    let args = BulkArgs { recipients, message, from, idempotency_key, on_invalid, dry_run, session: None };
    let answer = engine.send_bulk(caller, args, None, Some(progress)).await;
    bar.finish_and_clear();
    let mut answer = answer.map_err(|error| {
        told.iter().for_each(|told| note(&format!("note: {told}")));
        let refused = sheet.with_lines(error.details().refused.clone());
        error.refused(refused)
    })?;
    answer.refused = sheet.with_lines(answer.refused);
    answer.warnings.extend(told.into_iter().chain(repeated));
    let answer = Speech::default().answer(answer);
    if json {
        return print_json(&answer);
    }
    print_bulk(&answer);
    Ok(())
}

pub(super) fn print_bulk(answer: &BulkAnswer) {
    let counts: Vec<String> = answer.counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let price = priced(&answer.price);
    match (&answer.batch, answer.status) {
        (None, _) => print_line(&format!("quote: {} messages, {} segments, {price}; nothing was sent", answer.accepted, answer.segments)),
        (Some(id), BulkStatus::InProgress) => print_line(&format!("{id} goes on: {}; {price}", counts.join(", "))),
        (Some(id), _) => print_line(&format!("{id}: {}; {} segments, {price}", counts.join(", "), answer.segments)),
    }
    if answer.replayed {
        print_line("this key was used before: nothing was sent again");
    }
    for result in answer.results.iter().filter(|result| result.code.is_some()) {
        print_line(&format!("  {} {} {} ({})", result.to, result.status, result.id, result.code.as_deref().unwrap_or_default()));
    }
    answer.refused.iter().for_each(|refused| print_line(&format!("  not taken: {} {} ({})", refused.to, refused.message, refused.code)));
    answer.duplicates.iter().for_each(|to| print_line(&format!("  named twice, sent once: {to}")));
    print_warnings(&answer.warnings);
}

async fn list(engine: &Engine, caller: &crate::engine::Caller, command: ListCommand) -> Result<()> {
    let ListCommand { status, to, since, until, batch, limit, cursor, json } = command;
    let status = match status {
        None => None,
        Some(name) => Some(State::from_name(&name).ok_or_else(|| {
            let names: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
            Error::new(ErrorKind::InvalidArgument, format!("--status \"{name}\" is no state; the states are {}", names.join(", ")))
        })?),
    };
    let args = ListArgs { status, to, since, until, batch: batch.map(BatchId::from_text), limit, cursor };
    let answer = Speech::default().answer(engine.list(caller, args).await?);
    if json {
        return print_json(&answer);
    }
    for message in &answer.messages {
        let code = message.code.as_ref().map_or_else(String::new, |code| format!("  {code}"));
        let price = priced(&message.price);
        print_line(&format!("{}  {:<10} {:<16} {price:>10}  {}{code}", message.created_at, message.status.as_str(), message.to, message.id));
    }
    if answer.messages.is_empty() {
        print_line("no messages");
    }
    if let Some(cursor) = &answer.next_cursor {
        print_line(&format!("more: --cursor {cursor}"));
    }
    print_warnings(&answer.warnings);
    Ok(())
}

fn print_status(answer: &StatusAnswer) -> Result<()> {
    if let Some(message) = &answer.message {
        print_line(&format!("{} to {}: {}, {}", message.id, message.to, message.status, priced(&message.price)));
    }
    for step in &answer.history {
        let why = step.reason_untrusted.as_ref().map_or_else(String::new, |why| format!("  {why}"));
        print_line(&format!("  {}  {}{why}", step.at, step.status));
    }
    if let Some(bulk) = &answer.bulk {
        print_bulk(bulk);
    }
    print_warnings(&answer.warnings);
    Ok(())
}

fn print_budgets(budgets: &[BudgetView]) {
    for budget in budgets {
        let limit = budget.limit.as_ref().map_or_else(|| "no limit".to_owned(), |limit| format!("of {limit} {}", budget.currency));
        let because = budget.frozen_because.as_ref().map_or_else(String::new, |because| format!(": {because}"));
        let frozen = if budget.frozen { format!("  FROZEN{because}") } else { String::new() };
        print_line(&format!(
            "{:<8} {} spent, {} held {limit}, {} messages  {}{frozen}",
            budget.scope.as_str(),
            budget.spent,
            budget.held,
            budget.messages,
            budget.name
        ));
    }
}

fn print_warnings(warnings: &[String]) {
    warnings.iter().for_each(|warning| note(&format!("note: {warning}")));
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
