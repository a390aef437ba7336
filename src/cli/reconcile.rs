//! `reconcile`: what is unknown.

use super::arguments::ReconcileCommand;
use super::gate::Passed;
use super::output::{note, print_json, print_line};
use crate::engine::reconcile::Found;
use crate::engine::{Caller, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::message::MessageId;

/// Asks vendors about what is unknown, or takes the operator's word.
pub(super) async fn reconcile(
    engine: &Engine,
    (caller, passed): (&Caller, &Passed),
    command: ReconcileCommand,
) -> Result<()> {
    let ReconcileCommand { id, sent, not_sent, json } = command;
    if let Some(id) = id {
        let id = MessageId::from_text(id);
        if sent == not_sent {
            return Err(Error::new(ErrorKind::InvalidArgument, "say what you found about this message")
                .next("Add --sent or --not-sent."));
        }
        let found = if sent { Found::Sent } else { Found::NotSent(passed.person()?) };
        let state = engine.settle_unknown(caller, &id, found).await?;
        print_line(&format!("{id} is {state} now"));
        return Ok(());
    }
    let found = engine.reconcile(caller).await?;
    if json {
        return print_json(&found);
    }
    print_line(&format!("{} settled, {} still unknown", found.settled.len(), found.unknown.len()));
    found.settled.iter().for_each(|id| print_line(&format!("  settled: {id}")));
    found.unknown.iter().for_each(|id| print_line(&format!("  unknown: {id}")));
    found.notes.iter().for_each(|missed| note(&format!("note: {missed}")));
    Ok(())
}
