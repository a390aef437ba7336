//! `rules show`: in which hours texts may reach a number, and who says so.

use super::arguments::RulesAction;
use super::output::{print_json, print_line};
use crate::engine::rules::{Mode, Ruled, RuledConsent};
use crate::engine::{Caller, Engine};
use crate::error::Result;

/// What becomes of a text outside its hours, in words.
const fn outside(mode: Mode) -> &'static str {
    match mode {
        Mode::Hold => "it waits until they begin",
        Mode::Refuse => "it is refused",
        Mode::Off => "it leaves all the same: such texts have no hours here",
    }
}

/// `rules`.
pub(super) async fn rules(engine: &Engine, caller: &Caller, action: RulesAction) -> Result<()> {
    let RulesAction::Show { number, purpose, json } = action;
    let ruled = engine.rules(caller, &number, purpose).await?;
    if json {
        return print_json(&ruled);
    }
    lines(&ruled).iter().for_each(|line| print_line(line));
    Ok(())
}

/// What is on record of a consent, in words.
fn consent(ruled: &Ruled) -> String {
    let purpose = ruled.purpose;
    let needed =
        if ruled.consent_required { format!("; {purpose} texts need one here") } else { String::new() };
    match &ruled.consent {
        None => format!("none on record{needed}"),
        Some(RuledConsent { holds, status, at, expires_at }) => {
            let until = expires_at.as_ref().map_or_else(String::new, |at| format!(", until {at}"));
            let over = if *holds || *status == "withdrawn" { "" } else { " (expired)" };
            format!("{status} {at}{until}{over}{needed}")
        }
    }
}

/// What is shown to somebody who reads.
fn lines(ruled: &Ruled) -> Vec<String> {
    let place = ruled.subdivision.as_ref().or(ruled.country.as_ref());
    let place = place.map_or_else(|| "of no country".to_owned(), Clone::clone);
    let mut lines = vec![format!("{}  {place}, {} texts", ruled.to, ruled.purpose)];
    let mut add = |name: &str, what: &str| lines.push(format!("  {name:<9} {what}"));
    for zone in &ruled.zones {
        add("zone", &format!("{}, where it is {}", zone.zone, zone.now));
    }
    add("found", &ruled.zones_found);
    for row in &ruled.rows {
        add("row", &format!("{}: {}", row.place, row.hours));
        let since = row.gathered.map_or_else(String::new, |date| format!("; {date}"));
        add("", &format!("{}{since}; confidence {}", row.source, row.confidence));
    }
    add("outside", outside(ruled.outside));
    let until = ruled.closes_at.as_ref().map_or_else(String::new, |at| format!(" until {at}"));
    match &ruled.opens_at {
        _ if ruled.open => add("now", &format!("open{until}")),
        Some(at) => add("now", &format!("closed; open from {at}{until}")),
        None => add("now", "closed, and never open"),
    }
    if let Some(at) = &ruled.wrote_at {
        add("wrote", &format!("{at}: an answer within four hours leaves at any hour"));
    }
    add("consent", &consent(ruled));
    let opt_out = match (ruled.opted_out, ruled.opt_out_pending) {
        (true, _) => "wants no more texts: none is sent",
        (false, true) => {
            "somebody who may be this person wants none (`sms-mcp opt-out pending`): none is sent"
        }
        (false, false) if ruled.objection_pending => {
            "a reply seems to ask for it (`sms-mcp opt-out pending`): no marketing is sent until you read it"
        }
        (false, false) => "none",
    };
    add("opt-out", opt_out);
    lines
}
