//! `provider`: the providers, and what the operator does at one.

use std::collections::BTreeMap;
use std::path::Path;

use super::output::{note, print_json, print_line};
use crate::app;
use crate::engine::vendors::Vendor;
use crate::engine::{Caller, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::halt::Pause;

/// `provider`: lists the providers, or does something at one.
pub(super) async fn provider(
    (engine, ledger): (&Engine, &Path),
    caller: &Caller,
    name: Option<String>,
    action: Option<String>,
    arguments: Vec<String>,
) -> Result<()> {
    let vendors = engine.vendors(caller);
    let Some(name) = name else {
        return list((engine, ledger), caller, &vendors).await;
    };
    if let Some(action) = action {
        return print_json(&engine.at_vendor(caller, &name, &action, &read(arguments)?).await?);
    }
    let vendor = vendors.into_iter().find(|vendor| vendor.name == name);
    let vendor = vendor.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("no provider is called \"{name}\""))
            .next("`sms-mcp provider` lists them.")
    })?;
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

/// Lists the providers: what each can do, what waits there, and what is paused. Whether a circuit is open or
/// a bind is up is known to the process that sends, and to no other: so it is said who that is, and where it
/// tells.
async fn list((engine, ledger): (&Engine, &Path), caller: &Caller, vendors: &[Vendor]) -> Result<()> {
    let (standing, pauses) = (engine.standing(caller).await?, app::pauses(ledger)?);
    for vendor in vendors {
        print_line(&format!("{}  {}", vendor.name, abilities(&vendor.capabilities)?));
        let waiting = standing.waiting.iter().find(|waiting| waiting.provider == vendor.name);
        let (queued, unknown) = waiting.map_or((0, 0), |waiting| (waiting.queued, waiting.unknown));
        print_line(&format!("    {queued} queued, {unknown} unknown"));
        let is_here = |pause: &&Pause| pause.provider.as_ref().is_none_or(|name| *name == vendor.name);
        for pause in pauses.iter().filter(is_here) {
            print_line(&format!("    paused since {}: {}", pause.since.rfc3339(), pause.what()));
        }
    }
    for sender in &standing.senders {
        print_line(&format!("sends from this ledger since {}: {}", sender.since.rfc3339(), sender.name));
    }
    note(if standing.senders.is_empty() {
        "note: no process sends from this ledger now, so there is no bind, and no circuit is open; \
         `sms-mcp config check --live` asks each provider"
    } else {
        "note: circuits and binds are known to those processes alone; their logs say `circuit open`, `a bind \
         is up`, `no bind` and `a bind was lost` with the provider's name; `sms-mcp config check --live` asks \
         each provider"
    });
    Ok(())
}

/// What a provider can do, in words.
fn abilities(capabilities: &impl serde::Serialize) -> Result<String> {
    let value = serde_json::to_value(capabilities)
        .map_err(|error| Error::new(ErrorKind::Internal, "no capabilities").because(error))?;
    let names = value.as_object().into_iter().flatten().filter_map(|(name, value)| {
        match (value.as_bool(), value.as_u64()) {
            (Some(true), _) => Some(name.replace('_', " ")),
            (None, Some(most)) if most > 1 => Some(format!("{most} {}", name.replace('_', " "))),
            _ => None,
        }
    });
    Ok(names.collect::<Vec<_>>().join(", "))
}

/// Reads `name=value` arguments.
pub(super) fn read(arguments: Vec<String>) -> Result<BTreeMap<String, String>> {
    let mut read = BTreeMap::new();
    for argument in arguments {
        let wrong = |why: &str| {
            Error::new(ErrorKind::InvalidArgument, format!("\"{argument}\" {why}; write name=value"))
        };
        let (name, value) = argument.split_once('=').ok_or_else(|| wrong("has no value"))?;
        if read.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(wrong("is named twice"));
        }
    }
    Ok(read)
}
