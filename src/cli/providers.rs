//! `provider`: the providers, and what the operator does at one.

use std::collections::BTreeMap;

use super::output::{print_json, print_line};
use crate::engine::{Caller, Engine};
use crate::error::{Error, ErrorKind, Result};

/// `provider`: lists the providers, or does something at one.
pub(super) async fn provider(
    engine: &Engine,
    caller: &Caller,
    name: Option<String>,
    action: Option<String>,
    arguments: Vec<String>,
) -> Result<()> {
    let vendors = engine.vendors(caller);
    let Some(name) = name else {
        for vendor in vendors {
            print_line(&format!("{}  {}", vendor.name, abilities(&vendor.capabilities)?));
        }
        return Ok(());
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
fn read(arguments: Vec<String>) -> Result<BTreeMap<String, String>> {
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
