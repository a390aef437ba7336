//! `backup`, `restore` and `ledger`: what an operator does with the ledger's file.

use std::path::Path;

use super::gate::{Gate, Widening};
use super::output::{note, print_json, print_line};
use super::proving::Proving;
use crate::access::Decision;
use crate::app::{self, Deciders};
use crate::config::Loaded;
use crate::engine::approvers::proves;
use crate::engine::{Act, Approver, Caller, Engine, Person, Pruned};
use crate::error::{Error, ErrorKind, Result};

/// `backup`: a whole copy of the ledger in one file.
pub(super) async fn backup(loaded: &Loaded, file: &Path) -> Result<()> {
    let looked = app::backup(loaded, file).await?;
    print_line(&format!(
        "{} is a whole copy of {}: {}",
        file.display(),
        loaded.ledger.display(),
        found(looked.messages, looked.latest.map(|at| at.rfc3339()))
    ));
    if app::deciders(file)?.approvers.iter().any(|approver| approver.key.is_none()) {
        note("note: what approvers' one-time codes are made of is in it: whoever reads it can make them");
    }
    Ok(())
}

/// `restore`: a copy in place of the ledger.
pub(super) async fn restore(loaded: &Loaded, person: &Person, file: &Path) -> Result<()> {
    let restored = app::restore(loaded, person, file)?;
    let ledger = loaded.ledger.display();
    print_line(&format!(
        "{ledger} is {} now: {}",
        file.display(),
        found(restored.looked.messages, restored.looked.latest.map(|at| at.rfc3339()))
    ));
    if let Some(before) = &restored.before {
        print_line(&format!("what was there is {}", before.display()));
    }
    say_deciders(loaded, person, restored.before.as_deref())?;
    if restored.unknown > 0 {
        print_line(&format!(
            "{} had not left then and may have left since: unknown now, and never sent (`sms-mcp reconcile`)",
            texts(restored.unknown)
        ));
    }
    if restored.looked.lacks_log {
        note("note: it was open when it was copied, and lacks what its log held");
    }
    note(
        "note: what happened after it was made is not in it: who opted out, what was sent and what was spent",
    );
    if app::outlook(loaded).await?.is_some() {
        note("note: nothing is sent from it until a person has run `sms-mcp ledger accept`");
    }
    Ok(())
}

/// Who decides what agents may not, by name.
fn who(deciders: &Deciders) -> String {
    if deciders.approvers.is_empty() {
        return "nobody; a word that is typed at a terminal is enough".to_owned();
    }
    let each = deciders.approvers.iter().map(|approver| format!("{} ({})", approver.name, proves(approver)));
    each.collect::<Vec<_>>().join(", ")
}

/// Says who decides in a ledger that was put back: somebody who had been removed since may be there again.
fn say_deciders(loaded: &Loaded, person: &Person, before: Option<&Path>) -> Result<()> {
    let now = app::deciders(&loaded.ledger)?;
    let before = before.map_or_else(Deciders::default, |before| app::deciders(before).unwrap_or_default());
    if now.approvers.is_empty() && before.approvers.is_empty() {
        return Ok(());
    }
    print_line(&format!("who decides what agents may not is now: {}", who(&now)));
    let names = |these: &Deciders, others: &Deciders| {
        let is_same = |one: &Approver, other: &Approver| one.name == other.name && one.key == other.key;
        let new = these
            .approvers
            .iter()
            .filter(|one| !others.approvers.iter().any(|other| is_same(one, other)))
            .map(|approver| approver.name.clone());
        new.collect::<Vec<_>>().join(", ")
    };
    let (back, gone) = (names(&now, &before), names(&before, &now));
    for (who, what) in [(&back, "decides again"), (&gone, "decides no more")] {
        if !who.is_empty() {
            note(&format!("note: {who} {what}: look with `sms-mcp approver list` whether that is right"));
        }
    }
    if !(back.is_empty() && gone.is_empty()) {
        person.changed_deciders("restore", &back, &gone);
    }
    Ok(())
}

/// `ledger acts`: what operators did.
pub(super) async fn acts(engine: &Engine, caller: &Caller, json: bool) -> Result<()> {
    let acts = engine.acts(caller).await?;
    if json {
        let shown = |act: &Act| {
            serde_json::json!({
                "at": act.at.rfc3339(), "who": act.who, "verb": act.verb, "subject": act.subject,
                "approver": act.approver,
            })
        };
        return print_json(&acts.iter().map(shown).collect::<Vec<_>>());
    }
    if acts.is_empty() {
        print_line("no operator has done anything here that is kept");
    }
    for Act { at, who, verb, subject, approver } in &acts {
        let proven = approver.as_ref().map_or_else(String::new, |name| format!("  (approved by {name})"));
        print_line(&format!("{}  {who}  {verb}  {subject}{proven}", at.rfc3339()));
    }
    Ok(())
}

/// `ledger accept`: a ledger in doubt is taken as it is, by a person.
pub(super) async fn accept(loaded: &Loaded, caller: Caller, proving: &Proving) -> Result<()> {
    let Some(outlook) = app::outlook(loaded).await? else {
        print_line(&format!("{} is in no doubt: there is nothing to accept", loaded.ledger.display()));
        return Ok(());
    };
    let doubt = &outlook.doubt;
    print_line(&format!("In doubt: {}.", doubt.message));
    print_line(
        "If a newer ledger exists, stop every process that uses this one, and put the newer one in its \
         place. To accept this one means:",
    );
    print_line(&format!(
        "  {} that had not ended here may have been sent: unknown from then on, and never sent",
        texts(outlook.open)
    ));
    print_line(&format!(
        "  {} opted out whom only the mark knows, and {} budgets used more than this ledger says: both are \
         taken over",
        outlook.opt_outs, outlook.budgets
    ));
    let (from, until) =
        (doubt.ledger_at.map_or_else(|| "the beginning".to_owned(), |at| at.rfc3339()), app::now().rfc3339());
    if outlook.is_mark_gone {
        print_line(&format!(
            "  who said STOP from {from} until {until} may be lost: vendors that keep lists are asked first"
        ));
        print_line(
            "  nothing says what was spent in that time: the budget of everything is frozen until `sms-mcp \
             budget unfreeze`",
        );
    }
    print_line(&format!(
        "  which keys were used, what was sent and what was answered from {from} until {until} stays \
         unknown here"
    ));
    print_line(&format!(
        "  STOPs that waited in `opt-out pending` are in no mark: {} wait here, and those that came since \
         are lost",
        outlook.pending
    ));
    print_line(&format!(
        "  who decides what agents may not is then: {}",
        who(&app::deciders(&loaded.ledger)?)
    ));
    let gate =
        Gate { widening: Widening::AcceptLedger, ledger: &loaded.ledger, loaded: Some(loaded), proving };
    let decide = || Ok(Decision::new("ledger accept", &doubt.message, &[doubt.message.as_bytes()]));
    let Some(person) = gate.pass(caller, decide).await? else { return Ok(()) };
    let (accepted, notes) = app::accept(loaded, &person, &outlook).await?;
    notes.iter().for_each(|missed| note(&format!("note: {missed}")));
    print_line(&format!(
        "accepted: {} unknown now, {} opted out, {} budgets taken over",
        texts(accepted.unknown),
        accepted.opt_outs,
        accepted.budgets
    ));
    print_line("ask the providers what became of what is unknown: `sms-mcp reconcile`");
    if accepted.is_frozen {
        print_line(
            "the budget of everything is frozen: look at the provider what was spent, then `sms-mcp budget \
             unfreeze`",
        );
    }
    Ok(())
}

/// `ledger check`: whether a ledger is whole and undamaged.
pub(super) async fn check(loaded: &Loaded, file: Option<&Path>) -> Result<()> {
    let looked = app::look(loaded, file).await?;
    let shown = file.unwrap_or(&loaded.ledger).display();
    if looked.lacks_log && file.is_some() {
        let message = format!(
            "{shown} is undamaged and not whole: it was open when it was copied, and lacks what its log held"
        );
        return Err(Error::new(ErrorKind::LedgerUnavailable, message)
            .next("Copy it with `sms-mcp backup FILE`, or together with its log."));
    }
    print_line(&format!(
        "{shown} is whole and undamaged: {}",
        found(looked.messages, looked.latest.map(|at| at.rfc3339()))
    ));
    Ok(())
}

/// `ledger prune`: forgets what is old, or says what would go.
pub(super) async fn prune(engine: &Engine, loaded: &Loaded, caller: &Caller, dry_run: bool) -> Result<()> {
    let Some(keep_for) = loaded.config.ledger.keep_for else {
        let next = "Set it, such as keep_for = \"8760h\" for a year, and look with `sms-mcp ledger prune \
            --dry-run` what would go.";
        return Err(Error::new(
            ErrorKind::Config,
            "[ledger] keep_for is not set, so everything is kept for ever",
        )
        .next(next));
    };
    if dry_run {
        let (found, before) = engine.prunable(caller, keep_for).await?;
        print_line(&format!("would go, unchanged since {}: {}", before.rfc3339(), counts(&found.goes)));
        print_line(&format!(
            "stays, though as old: {} messages that are not settled, or that something younger needs",
            found.old_that_stay
        ));
        let oldest = found.oldest.map_or_else(|| "none".to_owned(), |oldest| oldest.rfc3339());
        print_line(&format!("oldest message that stays: {oldest}"));
        return Ok(());
    }
    match engine.prune(caller, keep_for).await? {
        Some(gone) => print_line(&format!("forgotten: {}", counts(&gone))),
        None => print_line("another process is at it"),
    }
    Ok(())
}

/// How many of each kind, in words.
fn counts(pruned: &Pruned) -> String {
    let Pruned { messages, bulks, replies, sessions, keys, leftovers } = pruned;
    format!(
        "{messages} messages, {bulks} bulks, {replies} replies, {sessions} sessions, {keys} idempotency \
         keys, {leftovers} waiting receipts"
    )
}

fn texts(count: u32) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

/// What is in a ledger, in words.
fn found(messages: u32, latest: Option<String>) -> String {
    let latest = latest.map_or_else(String::new, |at| format!(", the latest change at {at}"));
    format!("{messages} messages{latest}")
}
