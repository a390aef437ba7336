//! The commands of the operator: providers, campaigns, opt-outs, and what is unknown. No tool reaches any of it.

use std::collections::BTreeMap;
use std::path::Path;

use super::commands::{END_PATIENCE, note, print_bulk, print_json, print_line};
use super::gate::Widening;
use super::speech::Speech;
use super::{CampaignCommand, OptOutAction, PendingAction, ReconcileCommand, gate};
use crate::app::{self, Role};
use crate::config::Loaded;
use crate::engine::campaign::CampaignArgs;
use crate::engine::{Caller, Engine, Pruned};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::message::MessageId;
use crate::sms::reply::Meaning;

/// `provider`: lists the providers, or does something at one.
pub(super) async fn provider(engine: &Engine, name: Option<String>, action: Option<String>, arguments: Vec<String>) -> Result<()> {
    let vendors = engine.vendors();
    let Some(name) = name else {
        for vendor in vendors {
            print_line(&format!("{}  {}", vendor.name, abilities(&vendor.capabilities)?));
        }
        return Ok(());
    };
    if let Some(action) = action {
        return print_json(&engine.at_vendor(&name, &action, &read(arguments)?).await?);
    }
    let vendor = vendors.into_iter().find(|vendor| vendor.name == name);
    let vendor =
        vendor.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no provider is called \"{name}\"")).next("`sms-mcp provider` lists them."))?;
    print_line(&format!("{}  {}", vendor.name, abilities(&vendor.capabilities)?));
    for action in &vendor.actions {
        let required = action.required.iter().map(|name| format!(" {name}=..."));
        let optional = action.optional.iter().map(|name| format!(" [{name}=...]"));
        let usage: String = required.chain(optional).collect();
        print_line(&format!("  sms-mcp provider {} {}{usage}", vendor.name, action.name));
        print_line(&format!("      {}", action.about));
    }
    Ok(())
}

/// What a provider can do, in words.
fn abilities(capabilities: &impl serde::Serialize) -> Result<String> {
    let value = serde_json::to_value(capabilities).map_err(|error| Error::new(ErrorKind::Internal, "no capabilities").because(error))?;
    let names = value.as_object().into_iter().flatten().filter_map(|(name, value)| match (value.as_bool(), value.as_u64()) {
        (Some(true), _) => Some(name.replace('_', " ")),
        (None, Some(most)) if most > 1 => Some(format!("{most} {}", name.replace('_', " "))),
        _ => None,
    });
    Ok(names.collect::<Vec<_>>().join(", "))
}

/// Reads `name=value` arguments.
fn read(arguments: Vec<String>) -> Result<BTreeMap<String, String>> {
    let mut read = BTreeMap::new();
    for argument in arguments {
        let wrong = |why: &str| Error::new(ErrorKind::InvalidArgument, format!("\"{argument}\" {why}; write name=value"));
        let (name, value) = argument.split_once('=').ok_or_else(|| wrong("has no value"))?;
        if read.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(wrong("is named twice"));
        }
    }
    Ok(read)
}

/// `config check --live`: asks each provider what works.
pub(super) async fn check_live(engine: &Engine) -> Result<()> {
    let waiting = engine.pending_opt_outs().await?.len();
    if waiting > 0 {
        print_line(&format!("  look      opt-out: {} for you: `sms-mcp opt-out pending`", waits(waiting)));
    }
    let mut failed = None;
    for (name, checked) in engine.check_vendors().await {
        match checked {
            Ok(findings) => {
                for finding in findings {
                    let mark = if finding.is_warning { "look " } else { "works" };
                    print_line(&format!("  {mark}     {name}: {}", finding.text));
                }
            }
            Err(error) => {
                let said = error.details().provider_said.as_ref().map_or_else(String::new, |said| format!(" ({said})"));
                print_line(&format!("  fails     {name}: {}{said}", error.message()));
                failed.get_or_insert(error);
            }
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// `campaign`: one text to a list that the vendor keeps.
pub(super) async fn campaign(engine: &Engine, caller: Caller, command: CampaignCommand) -> Result<()> {
    let CampaignCommand { list, message, provider, at, idempotency_key, dry_run, json } = command;
    let answer = engine.campaign(caller, CampaignArgs { provider, list, message, at, idempotency_key, dry_run }).await?;
    let answer = Speech::default().answer(answer);
    if json {
        return print_json(&answer);
    }
    print_bulk(&answer);
    Ok(())
}

/// `opt-out`: who wants no more texts.
pub(super) async fn opt_out(engine: &Engine, loaded: &Loaded, action: Option<OptOutAction>) -> Result<()> {
    let (number, is_out) = match action {
        None | Some(OptOutAction::List) => {
            let all = engine.opt_outs().await?;
            for one in &all {
                print_line(&format!("{}  {:<16} {}", one.at.rfc3339(), one.number, one.source));
            }
            if all.is_empty() {
                print_line("nobody has opted out");
            }
            let waiting = engine.pending_opt_outs().await?.len();
            if waiting > 0 {
                note(&format!("note: {} for you: `sms-mcp opt-out pending`", waits(waiting)));
            }
            return Ok(());
        }
        Some(OptOutAction::Pending { action }) => return pending(engine, action).await,
        Some(OptOutAction::Add { number }) => (number, true),
        Some(OptOutAction::Remove { number }) => (number, false),
    };
    // It is about the person, whoever carries the texts: a ledger of the sandbox's own is not the only one to know it.
    if let Some(live) = &loaded.live_ledger {
        let real = app::build(&Loaded { ledger: live.clone(), ..loaded.clone() }, Role::Looks).await?;
        let noted = real.set_opt_out(&number, is_out).await;
        real.stop(END_PATIENCE).await;
        noted?;
    }
    let (number, notes) = engine.set_opt_out(&number, is_out).await?;
    print_line(&format!("{number} {}", if is_out { "gets no more texts" } else { "may be texted again" }));
    notes.iter().for_each(|missed| note(&format!("note: {missed}")));
    Ok(())
}

/// `ledger prune`: forgets what is old, or says what would go.
pub(super) async fn prune(engine: &Engine, loaded: &Loaded, dry_run: bool) -> Result<()> {
    let Some(keep_for) = loaded.config.ledger.keep_for else {
        let next = "Set it, such as keep_for = \"8760h\" for a year, and look with `sms-mcp ledger prune --dry-run` what would go.";
        return Err(Error::new(ErrorKind::Config, "[ledger] keep_for is not set, so everything is kept for ever").next(next));
    };
    if dry_run {
        let (found, before) = engine.prunable(keep_for).await?;
        print_line(&format!("would go, unchanged since {}: {}", before.rfc3339(), counts(&found.goes)));
        print_line(&format!("stays, though as old: {} messages that are not settled, or that something younger needs", found.old_that_stay));
        let oldest = found.oldest.map_or_else(|| "none".to_owned(), |oldest| oldest.rfc3339());
        print_line(&format!("oldest message that stays: {oldest}"));
        return Ok(());
    }
    match engine.prune(keep_for).await? {
        Some(gone) => print_line(&format!("forgotten: {}", counts(&gone))),
        None => print_line("another process is at it"),
    }
    Ok(())
}

/// How many of each kind, in words.
fn counts(pruned: &Pruned) -> String {
    let Pruned { messages, bulks, replies, sessions, keys, leftovers } = pruned;
    format!("{messages} messages, {bulks} bulks, {replies} replies, {sessions} sessions, {keys} idempotency keys, {leftovers} waiting receipts")
}

fn waits(count: usize) -> String {
    if count == 1 { "1 sender whom nobody can tell waits".to_owned() } else { format!("{count} senders whom nobody can tell wait") }
}

/// `opt-out pending`: who said what, where nobody can tell. Not what they wrote.
async fn pending(engine: &Engine, action: Option<PendingAction>) -> Result<()> {
    match action {
        None | Some(PendingAction::List) => {
            let all = engine.pending_opt_outs().await?;
            for one in &all {
                let may_be = match (one.meaning, one.people.join(", ")) {
                    (_, people) if people.is_empty() => "fits nobody".to_owned(),
                    (Meaning::Stop, people) => format!("stopped: {people}"),
                    (_, people) => format!("may be: {people}"),
                };
                let wish = one.meaning.as_str();
                let replies = if one.replies == 1 { "1 reply".to_owned() } else { format!("{} replies", one.replies) };
                print_line(&format!("{}  {}  {wish:<5}  {} by {}  {may_be}; {replies}", one.id, one.at.rfc3339(), one.sender, one.provider));
            }
            if all.is_empty() {
                print_line("nothing waits");
            }
        }
        Some(PendingAction::Settle { id, number }) => {
            let (settled, number, notes) = engine.settle_pending(id, &number).await?;
            let done = match settled.meaning {
                Meaning::Stop => "gets no more texts",
                Meaning::Start => "may be texted again",
                Meaning::Other => "has the replies",
            };
            print_line(&format!("{number} {done}"));
            for other in settled.people.iter().filter(|other| settled.meaning == Meaning::Stop && **other != number) {
                note(&format!("note: {other} was stopped as well, and stays so until `sms-mcp opt-out remove {other}`"));
            }
            notes.iter().for_each(|missed| note(&format!("note: {missed}")));
        }
        Some(PendingAction::Dismiss { id }) => {
            let dismissed = engine.dismiss_pending(id).await?;
            print_line(&format!("{} of {} is let go", dismissed.meaning.as_str(), dismissed.sender));
        }
    }
    Ok(())
}

/// `reconcile`: asks vendors about what is unknown, or takes the operator's word.
pub(super) async fn reconcile(engine: &Engine, caller: &Caller, command: ReconcileCommand) -> Result<()> {
    let ReconcileCommand { id, sent, not_sent, json } = command;
    if let Some(id) = id {
        let id = MessageId::from_text(id);
        if sent == not_sent {
            return Err(Error::new(ErrorKind::InvalidArgument, "say what you found about this message").next("Add --sent or --not-sent."));
        }
        let state = engine.settle_unknown(caller, &id, sent).await?;
        print_line(&format!("{id} is {state} now"));
        return Ok(());
    }
    let found = engine.reconcile().await?;
    if json {
        return print_json(&found);
    }
    print_line(&format!("{} settled, {} still unknown", found.settled.len(), found.unknown.len()));
    found.settled.iter().for_each(|id| print_line(&format!("  settled: {id}")));
    found.unknown.iter().for_each(|id| print_line(&format!("  unknown: {id}")));
    found.notes.iter().for_each(|missed| note(&format!("note: {missed}")));
    Ok(())
}

/// `backup`: a whole copy of the ledger in one file.
pub(super) async fn backup(loaded: &Loaded, file: &Path) -> Result<()> {
    let looked = app::backup(loaded, file).await?;
    print_line(&format!(
        "{} is a whole copy of {}: {}",
        file.display(),
        loaded.ledger.display(),
        found(looked.messages, looked.latest.map(|at| at.rfc3339()))
    ));
    Ok(())
}

/// `restore`: a copy in place of the ledger.
pub(super) async fn restore(loaded: &Loaded, file: &Path) -> Result<()> {
    let restored = app::restore(loaded, file)?;
    let ledger = loaded.ledger.display();
    print_line(&format!("{ledger} is {} now: {}", file.display(), found(restored.looked.messages, restored.looked.latest.map(|at| at.rfc3339()))));
    if let Some(before) = restored.before {
        print_line(&format!("what was there is {}", before.display()));
    }
    if restored.unknown > 0 {
        print_line(&format!(
            "{} had not left then and may have left since: unknown now, and never sent (`sms-mcp reconcile`)",
            texts(restored.unknown)
        ));
    }
    if restored.looked.lacks_log {
        note("note: it was open when it was copied, and lacks what its log held");
    }
    note("note: what happened after it was made is not in it: who opted out, what was sent and what was spent");
    if app::outlook(loaded).await?.is_some() {
        note("note: nothing is sent from it until a person has run `sms-mcp ledger accept`");
    }
    Ok(())
}

/// `ledger accept`: a ledger in doubt is taken as it is, by a person.
pub(super) async fn accept_ledger(loaded: &Loaded) -> Result<()> {
    let Some(outlook) = app::outlook(loaded).await? else {
        print_line(&format!("{} is in no doubt: there is nothing to accept", loaded.ledger.display()));
        return Ok(());
    };
    let doubt = &outlook.doubt;
    print_line(&format!("In doubt: {}.", doubt.message));
    print_line("If a newer ledger exists, stop every process that uses this one, and put the newer one in its place. To accept this one means:");
    print_line(&format!("  {} that had not ended here may have been sent: unknown from then on, and never sent", texts(outlook.open)));
    print_line(&format!(
        "  {} opted out whom only the mark knows, and {} budgets used more than this ledger says: both are taken over",
        outlook.opt_outs, outlook.budgets
    ));
    let (from, until) = (doubt.ledger_at.map_or_else(|| "the beginning".to_owned(), |at| at.rfc3339()), app::now().rfc3339());
    if outlook.is_mark_gone {
        print_line(&format!("  who said STOP from {from} until {until} may be lost: vendors that keep lists are asked first"));
        print_line("  nothing says what was spent in that time: the budget of everything is frozen until `sms-mcp budget unfreeze`");
    }
    print_line(&format!("  which keys were used, what was sent and what was answered from {from} until {until} stays unknown here"));
    print_line(&format!(
        "  STOPs that waited in `opt-out pending` are in no mark: {} wait here, and those that came since are lost",
        outlook.pending
    ));
    gate::pass(Widening::AcceptLedger)?;
    let (accepted, notes) = app::accept(loaded, &outlook).await?;
    notes.iter().for_each(|missed| note(&format!("note: {missed}")));
    print_line(&format!(
        "accepted: {} unknown now, {} opted out, {} budgets taken over",
        texts(accepted.unknown),
        accepted.opt_outs,
        accepted.budgets
    ));
    print_line("ask the providers what became of what is unknown: `sms-mcp reconcile`");
    if accepted.is_frozen {
        print_line("the budget of everything is frozen: look at the provider what was spent, then `sms-mcp budget unfreeze`");
    }
    Ok(())
}

/// `ledger check`: whether a ledger is whole and undamaged.
pub(super) async fn check_ledger(loaded: &Loaded, file: Option<&Path>) -> Result<()> {
    let looked = app::look(loaded, file).await?;
    let shown = file.unwrap_or(&loaded.ledger).display();
    if looked.lacks_log && file.is_some() {
        let message = format!("{shown} is undamaged and not whole: it was open when it was copied, and lacks what its log held");
        return Err(Error::new(ErrorKind::LedgerUnavailable, message).next("Copy it with `sms-mcp backup FILE`, or together with its log."));
    }
    print_line(&format!("{shown} is whole and undamaged: {}", found(looked.messages, looked.latest.map(|at| at.rfc3339()))));
    Ok(())
}

fn texts(count: u32) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

/// What is in a ledger, in words.
fn found(messages: u32, latest: Option<String>) -> String {
    let latest = latest.map_or_else(String::new, |at| format!(", the latest change at {at}"));
    format!("{messages} messages{latest}")
}
