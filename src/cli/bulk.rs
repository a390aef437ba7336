//! `bulk`: one message to every line of a file; and how the answer about many messages is shown.

use std::sync::Arc;

use super::arguments::{BulkCommand, OnInvalidRule, WhenFlags};
use super::csv;
use super::gathered::list;
use super::output::{note, priced, print_json, print_line, print_warnings};
use super::speech::Speech;
use crate::engine::contract::{BulkAnswer, BulkArgs, BulkStatus, OnInvalid};
use crate::engine::{Caller, Engine, OnProgress};
use crate::error::Result;

/// Sends or quotes it, with a bar that shows how far it has come.
pub(super) async fn bulk(
    engine: &Engine,
    caller: Caller,
    command: BulkCommand,
    mut sheet: csv::Sheet,
) -> Result<()> {
    let BulkCommand { message, from, idempotency_key, on_invalid, when, dry_run, json, .. } = command;
    let WhenFlags { purpose, send_at, send_at_local, deliver_by } = when;
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
    let args = BulkArgs {
        recipients,
        message,
        from,
        idempotency_key,
        on_invalid,
        dry_run,
        purpose,
        send_at,
        send_at_local,
        deliver_by,
        session: None,
    };
    let answer = engine.send_bulk(caller, args, None, Some(progress)).await;
    bar.finish_and_clear();
    let mut answer = answer.map_err(|error| {
        told.iter().for_each(|told| note(&format!("note: {told}")));
        let refused = error.details().refused.clone();
        error.refused(if json { sheet.with_lines(refused) } else { sheet.gathered(&refused) })
    })?;
    answer.refused = if json { sheet.with_lines(answer.refused) } else { sheet.gathered(&answer.refused) };
    answer.warnings.extend(told.into_iter().chain(repeated));
    let answer = Speech::default().answer(answer);
    if json {
        return print_json(&answer);
    }
    print_bulk(&answer);
    Ok(())
}

/// Shows what became of many messages. What was refused is shown as it is: whoever has gathered it knows the
/// lines.
pub(super) fn print_bulk(answer: &BulkAnswer) {
    let counts: Vec<String> = answer.counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let price = priced(&answer.price);
    match (&answer.batch, answer.status) {
        (None, _) => print_line(&format!(
            "quote: {} messages, {} segments, {price}; nothing was sent",
            answer.accepted, answer.segments
        )),
        (Some(id), BulkStatus::InProgress) => {
            print_line(&format!("{id} goes on: {}; {price}", counts.join(", ")))
        }
        (Some(id), _) => {
            print_line(&format!("{id}: {}; {} segments, {price}", counts.join(", "), answer.segments))
        }
    }
    if answer.replayed {
        print_line("this key was used before: nothing was sent again");
    }
    for result in answer.results.iter().filter(|result| result.code.is_some()) {
        print_line(&format!(
            "  {} {} {} ({})",
            result.to,
            result.status,
            result.id,
            result.code.as_deref().unwrap_or_default()
        ));
    }
    answer.refused.iter().for_each(|refused| {
        print_line(&format!("  not taken: {}: {} ({})", refused.to, refused.message, refused.code))
    });
    if !answer.duplicates.is_empty() {
        print_line(&format!("  named twice, sent once: {}", list(&answer.duplicates)));
    }
    print_warnings(&answer.warnings);
}
