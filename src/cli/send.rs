//! `send`: one message.

use super::arguments::{SendCommand, WhenFlags};
use super::output::{by, priced, print_json, print_line, print_warnings};
use super::speech::Speech;
use crate::engine::contract::{SendAnswer, SendArgs};
use crate::engine::{Caller, Engine};
use crate::error::Result;

/// Sends or quotes it.
pub(super) async fn send(engine: &Engine, caller: Caller, command: SendCommand) -> Result<()> {
    let SendCommand { to, message, from, idempotency_key, allow_duplicate, when, dry_run, json } = command;
    let WhenFlags { purpose, send_at, send_at_local, deliver_by } = when;
    let args = SendArgs {
        to,
        message,
        from,
        idempotency_key,
        allow_duplicate,
        dry_run,
        purpose,
        send_at,
        send_at_local,
        deliver_by,
        session: None,
    };
    let answer = Speech::default().answer(engine.send(caller, args).await?);
    if json {
        return print_json(&answer);
    }
    print_sent(&answer, engine.has_several_providers());
    Ok(())
}

fn print_sent(answer: &SendAnswer, has_several: bool) {
    let price = priced(&answer.price);
    let by = by(&answer.provider, has_several);
    let what = format!("{} segment(s) of {}, {price}{by}", answer.segments, answer.encoding);
    match (&answer.id, &answer.quote) {
        (Some(id), _) => {
            let state = serde_json::to_value(answer.status)
                .ok()
                .and_then(|state| state.as_str().map(str::to_owned))
                .unwrap_or_default();
            let again =
                if answer.replayed { " (this key was used before: nothing was sent again)" } else { "" };
            print_line(&format!("{state}: {id} to {}, {what}{again}", answer.to));
        }
        (None, quote) => {
            print_line(&format!("quote: to {}, {what}; nothing was sent", answer.to));
            if let Some(refusal) = quote.as_ref().and_then(|quote| quote.refusal.as_ref()) {
                print_line(&format!("it would be refused: {} ({})", refusal.message, refusal.code));
            }
            for character in quote.iter().flat_map(|quote| &quote.ucs2_characters) {
                let instead = character
                    .replacement
                    .as_ref()
                    .map_or_else(|| "no plain replacement".to_owned(), |plain| format!("write \"{plain}\""));
                print_line(&format!(
                    "  {} x {} ({}) forces UCS-2: {instead}",
                    character.count, character.character, character.code_point
                ));
            }
            if let Some(plain) = quote.as_ref().and_then(|quote| quote.gsm7_rewrite.as_ref()) {
                print_line(&format!(
                    "  in plain spelling: {} segment(s), saves {}",
                    plain.segments,
                    priced(&plain.saves)
                ));
            }
        }
    }
    print_warnings(&answer.warnings);
}
