//! `approvals`: what waits for a person, and the decision.

use serde_json::json;

use super::arguments::ApprovalsAction;
use super::ending::END_PATIENCE;
use super::gate::{Gate, Widening};
use super::output::{print_json, print_line, print_warnings};
use super::proving::Proving;
use crate::app::{self, Role};
use crate::config::Loaded;
use crate::engine::proposals::{Overview, Seen, Sender, Shown, Which};
use crate::engine::{Caller, Engine, Proposal};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::message::hex;
use crate::sms::money::Amount;
use crate::sms::plainly::{Alarms, Kind, Piece, disguised, pieces};
use crate::sms::untrusted;

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
            let which = if all { Which::All } else { Which::Sample };
            let shown =
                with_engine(loaded, async |engine| engine.proposal(&caller, &id, which).await).await?;
            if json { print_json(&as_json(&shown)) } else { show(&shown) }
        }
        ApprovalsAction::Approve { id } => approve(loaded, caller, &id, proving).await,
        ApprovalsAction::Refuse { id, why } => {
            let refuse = async |engine: &Engine| {
                let found = engine.proposal(&caller, &id, Which::Sample).await?.proposal;
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
    let shown = with_engine(loaded, async |engine| engine.proposal(&caller, id, Which::Sample).await).await?;
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
    let messages = shown.messages.iter().map(|seen| {
        let Seen { record, country, is_first, send_at, deliver_by, .. } = seen;
        let (sender, looks_like) = match &seen.sender {
            Sender::Named(from, looks_like) => (vec![Some(from.clone())], looks_like.as_ref()),
            Sender::Own(own) => (own.clone(), None),
        };
        let reasons: Vec<&str> = seen.reasons.iter().map(|reason| reason.words()).collect();
        json!({
            "id": record.id,
            "place": seen.place,
            "shown_for": reasons,
            "to": record.to,
            "country": country,
            "zones": seen.zones,
            "first_time": is_first,
            "from": record.from,
            "sender": sender,
            "sender_looks_like": looks_like,
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
    let Overview { texts, countries, leading, odd, .. } = &shown.overview;
    let countries = countries.iter().map(|(name, count)| json!({ "country": name, "messages": count }));
    let countries: Vec<_> = countries.collect();
    json!({
        "approval": about(&shown.proposal),
        "digest": shown.is_open.then(|| hex(&shown.digest)),
        "distinct_texts": texts,
        "countries": countries,
        "with_link_or_number": leading,
        "with_hidden_or_disguised": odd,
        "template": shown.template,
        "left_after": shown.budgets,
        "messages": messages,
    })
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
    if shown.is_open {
        let left = shown.budgets.iter().filter_map(|budget| budget.left());
        left.for_each(|left| print_line(&format!("  left after it: {left}")));
    }
    if *messages > 1 {
        print_overview(&shown.overview);
    }
    if let Some(template) = &shown.template {
        print_line("  the template of all:");
        print_text(template);
    }
    shown.messages.iter().for_each(|seen| print_message(seen, *messages));
    let more = messages.saturating_sub(u32::try_from(shown.messages.len()).unwrap_or(u32::MAX));
    if more > 0 {
        print_line(&format!("  and {more} more: `sms-mcp approvals show {id} --all`"));
    }
    if let Some(decision) = &proposal.decision {
        print_line(&format!("  {} at {}", decision.decided.as_str(), decision.at.rfc3339()));
    }
    // Afterwards it is another one: the times at which it leaves are part of it.
    if shown.is_open {
        print_line(&format!("  digest {}", hex(&shown.digest)));
    }
    Ok(())
}

/// What is said of all messages of a bulk.
fn print_overview(Overview { texts, countries, leading, odd, .. }: &Overview) {
    let named = countries
        .iter()
        .map(|(country, count)| format!("{} {count}", country.as_deref().unwrap_or("no country")));
    let named: Vec<String> = named.collect();
    print_line(&format!("  {texts} different text(s), to {}", named.join(", ")));
    for (count, what) in
        [(leading, "a link or a number to call"), (odd, "signs that are hidden or in disguise")]
    {
        if *count > 0 {
            print_line(&format!("  ! {count} of them have {what}"));
        }
    }
}

fn print_message(seen: &Seen, of: u32) {
    let Seen { record, country, is_first, send_at, .. } = seen;
    let country = country.as_deref().unwrap_or("no country");
    let first = if *is_first { ", never texted before" } else { "" };
    let place = if of > 1 { format!("{} of {of}: ", seen.place) } else { String::new() };
    let quoted = |name: &str| format!("\"{}\"", untrusted::line(name));
    print_line(&format!(
        "  {place}to {} ({country}{first}), from {}: {} segment(s), {}, at most {} {}",
        record.to,
        seen.sender.words(quoted),
        record.segments,
        record.purpose,
        Amount(record.held_micros),
        record.currency
    ));
    print_line(&format!("    {}", seen.whereabouts()));
    if let Sender::Named(_, Some(own)) = &seen.sender {
        print_line(&format!("    ! the sender looks like your {}, and is another", quoted(own)));
    }
    if !seen.reasons.is_empty() {
        let reasons: Vec<&str> = seen.reasons.iter().map(|reason| reason.words()).collect();
        print_line(&format!("    stands out: {}", reasons.join("; ")));
    }
    if let Some(at) = send_at {
        print_line(&format!("    not before {}", at.rfc3339()));
    }
    match &record.text {
        Some(text) => print_text(text),
        None => print_line("    the text is erased"),
    }
}

/// A text whole, line by line, with what a reader would not see written out; and what is to be said of it.
fn print_text(text: &str) {
    let mut plain = String::with_capacity(text.len());
    for Piece { kind, text } in pieces(text) {
        match kind {
            Kind::Plain | Kind::Disguised => plain.push_str(text),
            Kind::Unseen => plain.extend(text.chars().flat_map(char::escape_unicode)),
            Kind::EmptyLines(count) => plain.push_str(&format!("\n[{count} empty lines]\n")),
            Kind::Spaces(count) => plain.push_str(&format!("[{count} spaces]")),
            Kind::Marks(count) => plain.push_str(&format!("[{count} marks]")),
        }
    }
    plain.split('\n').for_each(|line| print_line(&format!("    | {line}")));
    let Alarms { unseen, spread, .. } = Alarms::of(text);
    if unseen > 0 {
        print_line(&format!("    ! {unseen} sign(s) that no phone shows"));
    }
    if spread > 0 {
        print_line(&format!("    ! {spread} place(s) with much empty room or many marks"));
    }
    let foreign = disguised(text).into_iter().take(10);
    let foreign: Vec<String> = foreign.map(|(_, c)| format!("{c} (U+{:04X})", u32::from(c))).collect();
    if !foreign.is_empty() {
        print_line(&format!("    ! letters that look like Latin ones and are not: {}", foreign.join(", ")));
    }
}
