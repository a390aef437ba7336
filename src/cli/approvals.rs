//! `approvals`: what waits for a person, and the decision.

use serde_json::json;

use super::arguments::ApprovalsAction;
use super::ending::END_PATIENCE;
use super::gate::{Gate, Widening};
use super::output::{print_json, print_line, print_warnings};
use super::proving::Proving;
use crate::app::{self, Role};
use crate::config::Loaded;
use crate::engine::proposals::{Seen, Shown};
use crate::engine::{Caller, Engine, Proposal};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::message::hex;
use crate::sms::money::Amount;
use crate::sms::untrusted;

/// Messages of a bulk that are shown.
const SAMPLE: u32 = 10;

/// `approvals`: what waits, one of them, or the decision about it.
pub(super) async fn approvals(
    loaded: &Loaded,
    caller: Caller,
    action: Option<ApprovalsAction>,
    proving: &Proving,
) -> Result<()> {
    match action.unwrap_or(ApprovalsAction::List { json: false }) {
        ApprovalsAction::List { json } => {
            let found = with_engine(loaded, async |engine| engine.proposals(&caller).await).await?;
            list(&found, json)
        }
        ApprovalsAction::Show { id, all, json } => {
            let most = if all { u32::MAX } else { SAMPLE };
            let shown = with_engine(loaded, async |engine| engine.proposal(&caller, &id, most).await).await?;
            if json { print_json(&as_json(&shown)) } else { show(&shown) }
        }
        ApprovalsAction::Approve { id } => approve(loaded, caller, &id, proving).await,
        ApprovalsAction::Refuse { id, why } => {
            let refuse = async |engine: &Engine| {
                let found = engine.proposal(&caller, &id, 1).await?.proposal;
                engine.refuse(&caller, &found.id, why).await
            };
            let decided = with_engine(loaded, refuse).await?;
            print_line(&format!("{} is refused, and its money is free", decided.id));
            Ok(())
        }
    }
}

async fn approve(loaded: &Loaded, caller: Caller, id: &str, proving: &Proving) -> Result<()> {
    if app::deciders(&loaded.ledger)?.approvers.is_empty() {
        let message = "a yes needs an approver's proof, and there is no approver here";
        return Err(Error::new(ErrorKind::NotSupported, message)
            .next("Nothing was approved. Add one at a terminal: `sms-mcp approver add NAME`."));
    }
    let shown = with_engine(loaded, async |engine| engine.proposal(&caller, id, SAMPLE).await).await?;
    show(&shown)?;
    let gate = Gate { widening: Widening::Approve, ledger: &loaded.ledger, loaded: Some(loaded), proving };
    let Some(person) = gate.pass(caller.clone(), || Ok(shown.decision())).await? else { return Ok(()) };
    let (id, digest) = (&shown.proposal.id, shown.digest);
    let told = async |engine: &Engine| {
        let decided = engine.approve(&person, id, digest).await?;
        Ok((decided, engine.needs_server(&caller, shown.proposal.realm).await?))
    };
    let (decided, needs) = with_engine(loaded, told).await?;
    print_line(&format!("{} is approved", decided.id));
    print_warnings(&needs.into_iter().collect::<Vec<_>>());
    Ok(())
}

/// Asks an engine of this ledger, which ends with the answer.
async fn with_engine<T>(loaded: &Loaded, ask: impl AsyncFnOnce(&Engine) -> Result<T>) -> Result<T> {
    let engine = app::build(loaded, Role::Looks).await?;
    let answer = ask(&engine).await;
    engine.stop(END_PATIENCE).await;
    answer
}

fn list(proposals: &[Proposal], json: bool) -> Result<()> {
    if json {
        let all: Vec<_> = proposals.iter().map(about).collect();
        return print_json(&json!({ "approvals": all }));
    }
    for proposal in proposals {
        let Proposal { id, principal, waiting, held_micros, currency, reasons, expires, .. } = proposal;
        print_line(&format!(
            "{id}  {principal}  {waiting} message(s), at most {} {currency}, until {}: {reasons}",
            Amount(*held_micros),
            expires.rfc3339()
        ));
    }
    if proposals.is_empty() {
        print_line("nothing waits for a person");
    }
    Ok(())
}

fn about(proposal: &Proposal) -> serde_json::Value {
    let decision = proposal.decision.as_ref().map(|decision| {
        json!({
            "decision": decision.decided.as_str(),
            "at": decision.at.rfc3339(),
            "by": decision.by,
            "approver": decision.approver,
            "why": decision.why,
        })
    });
    json!({
        "id": proposal.id,
        "about": proposal.target,
        "principal": proposal.principal,
        "reasons": proposal.reasons,
        "created": proposal.created.rfc3339(),
        "expires": proposal.expires.rfc3339(),
        "messages": proposal.messages,
        "waiting": proposal.waiting,
        "price": { "amount": Amount(proposal.held_micros), "currency": proposal.currency },
        "sandbox": proposal.realm.is_sandbox(),
        "decided": decision,
    })
}

fn as_json(shown: &Shown) -> serde_json::Value {
    let messages = shown.messages.iter().map(|Seen { record, country, is_first, send_at, deliver_by }| {
        json!({
            "id": record.id,
            "to": record.to,
            "country": country,
            "first_time": is_first,
            "from": record.from,
            "text": record.text,
            "segments": record.segments,
            "purpose": record.purpose,
            "send_at": send_at.map(|at| at.rfc3339()),
            "deliver_by": deliver_by.map(|by| by.rfc3339()),
            "price": { "amount": Amount(record.held_micros), "currency": record.currency },
            "status": record.state,
        })
    });
    let messages: Vec<_> = messages.collect();
    json!({ "approval": about(&shown.proposal), "digest": hex(&shown.digest), "messages": messages })
}

fn show(shown: &Shown) -> Result<()> {
    let proposal = &shown.proposal;
    let Proposal { id, principal, reasons, waiting, messages, held_micros, currency, .. } = proposal;
    print_line(&format!("{id}, asked for by {principal} at {}", proposal.created.rfc3339()));
    print_line(&format!("  because {reasons}"));
    print_line(&format!(
        "  {waiting} of {messages} message(s) wait, at most {} {currency} together, until {}",
        Amount(*held_micros),
        proposal.expires.rfc3339()
    ));
    for Seen { record, country, is_first, send_at, .. } in &shown.messages {
        let country = country.as_deref().unwrap_or("no country");
        let first = if *is_first { ", never texted before" } else { "" };
        let from = record.from.as_deref().map_or_else(
            || "from the default sender".to_owned(),
            |from| format!("from \"{}\"", untrusted::escape(from)),
        );
        print_line(&format!(
            "  to {} ({country}{first}), {from}: {} segment(s), {}, at most {} {}",
            record.to,
            record.segments,
            record.purpose,
            Amount(record.held_micros),
            record.currency
        ));
        if let Some(at) = send_at {
            print_line(&format!("    not before {}", at.rfc3339()));
        }
        match &record.text {
            Some(text) => text.lines().for_each(|line| {
                print_line(&format!("    | {}", untrusted::escape(line)));
            }),
            None => print_line("    the text is erased"),
        }
        if let Some(text) = &record.text {
            warn_of_looks(text);
        }
    }
    let more = messages.saturating_sub(u32::try_from(shown.messages.len()).unwrap_or(u32::MAX));
    if more > 0 {
        print_line(&format!("  and {more} more: `sms-mcp approvals show {id} --all`"));
    }
    if let Some(decision) = &proposal.decision {
        print_line(&format!("  {} at {}", decision.decided.as_str(), decision.at.rfc3339()));
    }
    print_line(&format!("  digest {}", hex(&shown.digest)));
    Ok(())
}

/// Says what a reader would not see: signs without a width, and letters of other alphabets that look like Latin
/// ones.
fn warn_of_looks(text: &str) {
    let hidden = text.chars().filter(|c| *c != '\n' && untrusted::is_hidden(*c)).count();
    if hidden > 0 {
        print_line(&format!("    ! {hidden} sign(s) that no phone shows"));
    }
    let foreign: Vec<String> =
        crate::sms::fold::disguised(text).map(|c| format!("{c} (U+{:04X})", u32::from(c))).take(10).collect();
    if !foreign.is_empty() {
        print_line(&format!("    ! letters that look like Latin ones and are not: {}", foreign.join(", ")));
    }
}
