//! `opt-out`: who wants no more texts, and who said so where nobody can tell.

use super::arguments::{OptOutAction, PendingAction};
use super::ending::END_PATIENCE;
use super::gate::Passed;
use super::output::{note, print_line};
use crate::app::{self, Role};
use crate::config::Loaded;
use crate::engine::opt_outs::Wants;
use crate::engine::{Caller, Engine};
use crate::error::Result;
use crate::sms::reply::Meaning;

/// `opt-out`: who wants no more texts.
pub(super) async fn opt_out(
    engine: &Engine,
    loaded: &Loaded,
    (caller, passed): (&Caller, &Passed),
    action: Option<OptOutAction>,
) -> Result<()> {
    let (number, wants) = match action {
        None | Some(OptOutAction::List) => {
            let all = engine.opt_outs(caller).await?;
            for one in &all {
                print_line(&format!("{}  {:<16} {}", one.at.rfc3339(), one.number, one.source));
            }
            if all.is_empty() {
                print_line("nobody has opted out");
            }
            let waiting = engine.pending_opt_outs(caller).await?.len();
            if waiting > 0 {
                note(&format!("note: {} for you: `sms-mcp opt-out pending`", waits(waiting)));
            }
            return Ok(());
        }
        Some(OptOutAction::Pending { action }) => return pending(engine, (caller, passed), action).await,
        Some(OptOutAction::Add { number }) => (number, Wants::NoTexts),
        Some(OptOutAction::Remove { number }) => (number, Wants::Texts(passed.person()?)),
    };
    // It is about the person, whoever carries the texts: a ledger of the sandbox's own is not the only one to
    // know it.
    if let Some(live) = &loaded.live_ledger {
        let real = app::build(&Loaded { ledger: live.clone(), ..loaded.clone() }, Role::Looks).await?;
        let noted = real.set_opt_out(caller, &number, wants).await;
        real.stop(END_PATIENCE).await;
        noted?;
    }
    let (number, notes) = engine.set_opt_out(caller, &number, wants).await?;
    print_line(&format!(
        "{number} {}",
        if matches!(wants, Wants::NoTexts) { "gets no more texts" } else { "may be texted again" }
    ));
    notes.iter().for_each(|missed| note(&format!("note: {missed}")));
    Ok(())
}

/// How many wait for the operator, in words.
pub(super) fn waits(count: usize) -> String {
    if count == 1 { "1 entry waits".to_owned() } else { format!("{count} entries wait") }
}

/// `opt-out pending`: who said what, where nobody can tell. Not what they wrote.
async fn pending(
    engine: &Engine,
    (caller, passed): (&Caller, &Passed),
    action: Option<PendingAction>,
) -> Result<()> {
    match action {
        None | Some(PendingAction::List) => {
            let all = engine.pending_opt_outs(caller).await?;
            for one in &all {
                let may_be = match (one.meaning, one.people.join(", ")) {
                    (_, people) if people.is_empty() => "fits nobody".to_owned(),
                    (Meaning::Stop, people) => format!("stopped: {people}"),
                    (Meaning::Objection, people) => {
                        format!("no marketing until you have read it: {people}")
                    }
                    (_, people) => format!("may be: {people}"),
                };
                let wish = one.meaning.as_str();
                let replies =
                    if one.replies == 1 { "1 reply".to_owned() } else { format!("{} replies", one.replies) };
                print_line(&format!(
                    "{}  {}  {wish:<5}  {} by {}  {may_be}; {replies}",
                    one.id,
                    one.at.rfc3339(),
                    one.sender,
                    one.provider
                ));
            }
            if all.is_empty() {
                print_line("nothing waits");
            }
        }
        Some(PendingAction::Settle { id, number }) => {
            let (settled, number, notes) = engine.settle_pending(passed.person()?, id, &number).await?;
            let done = match settled.meaning {
                Meaning::Stop | Meaning::Objection => "gets no more texts",
                Meaning::Start => "may be texted again",
                Meaning::Help | Meaning::Other => "has the replies",
            };
            print_line(&format!("{number} {done}"));
            for other in
                settled.people.iter().filter(|other| settled.meaning == Meaning::Stop && **other != number)
            {
                note(&format!(
                    "note: {other} was stopped as well, and stays so until `sms-mcp opt-out remove {other}`"
                ));
            }
            notes.iter().for_each(|missed| note(&format!("note: {missed}")));
        }
        Some(PendingAction::Dismiss { id }) => {
            let dismissed = engine.dismiss_pending(passed.person()?, id).await?;
            print_line(&format!("{} of {} is let go", dismissed.meaning.as_str(), dismissed.sender));
        }
    }
    Ok(())
}
