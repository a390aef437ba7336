//! `status`, `list` and `cancel`: what became of messages.

use super::arguments::ListCommand;
use super::bulk::print_bulk;
use super::gathered::gathered;
use super::others::note_others;
use super::output::{by, priced, print_json, print_line, print_warnings};
use super::speech::Speech;
use crate::engine::contract::{BulkAnswer, ListArgs, StatusAnswer, StatusArgs};
use crate::engine::{Caller, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::message::{BatchId, MessageId, State};

/// `status`: where a message or a bulk stands.
pub(super) async fn status(engine: &Engine, caller: &Caller, args: StatusArgs, json: bool) -> Result<()> {
    let answer = Speech::default().answer(engine.status(caller, args).await?);
    if json { print_json(&answer) } else { print_status(answer, engine.has_several_providers()) }
}

/// `cancel`: what is still queued of a bulk is taken back, or a single message that waits for its time or for
/// a person.
pub(super) async fn cancel(engine: &Engine, caller: &Caller, id: String) -> Result<()> {
    if id.starts_with(MessageId::PREFIX) {
        let id = MessageId::from_text(id);
        let state = engine.take_back(caller, &id).await?;
        print_line(&format!("{id} is {state}"));
        return Ok(());
    }
    let count = engine.cancel(caller, &BatchId::from_text(id)).await?;
    print_line(&format!("{count} queued messages canceled; what had left stays as it is"));
    Ok(())
}

/// `list`: messages, newest first.
pub(super) async fn list(engine: &Engine, caller: &Caller, command: ListCommand) -> Result<()> {
    let ListCommand { status, to, since, until, batch, limit, cursor, json } = command;
    let status = match status {
        None => None,
        Some(name) => Some(State::from_name(&name).ok_or_else(|| {
            let names: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
            Error::new(
                ErrorKind::InvalidArgument,
                format!("--status \"{name}\" is no state; the states are {}", names.join(", ")),
            )
        })?),
    };
    let args = ListArgs { status, to, since, until, batch: batch.map(BatchId::from_text), limit, cursor };
    let answer = Speech::default().answer(engine.list(caller, args).await?);
    if json {
        print_json(&answer)?;
        return if answer.messages.is_empty() { note_others(engine, caller).await } else { Ok(()) };
    }
    let has_several = engine.has_several_providers();
    for message in &answer.messages {
        let code = message.code.as_ref().map_or_else(String::new, |code| format!("  {code}"));
        let price = priced(&message.price);
        let by = by(&message.provider, has_several);
        print_line(&format!(
            "{}  {:<10} {:<16} {price:>10}  {}{code}{by}",
            message.created_at,
            message.status.as_str(),
            message.to,
            message.id
        ));
    }
    if answer.messages.is_empty() {
        print_line("no messages");
    }
    if let Some(cursor) = &answer.next_cursor {
        print_line(&format!("more: --cursor {cursor}"));
    }
    print_warnings(&answer.warnings);
    if answer.messages.is_empty() { note_others(engine, caller).await } else { Ok(()) }
}

fn print_status(answer: StatusAnswer, has_several: bool) -> Result<()> {
    if let Some(message) = &answer.message {
        print_line(&format!(
            "{} to {}: {}, {}{}",
            message.id,
            message.to,
            message.status,
            priced(&message.price),
            by(&message.provider, has_several)
        ));
    }
    for step in &answer.history {
        let why = step.reason_untrusted.as_ref().map_or_else(String::new, |why| format!("  {why}"));
        print_line(&format!("  {}  {}{why}", step.at, step.status));
    }
    if let Some(bulk) = answer.bulk {
        let refused = gathered(&bulk.refused, |_| Vec::new());
        print_bulk(&BulkAnswer { refused, ..bulk });
    }
    print_warnings(&answer.warnings);
    Ok(())
}
