//! From the texts of the file and of the environment to settings, and what is said of a text that is none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::DeTable;
use toml::{Table, Value};

use super::files;
use super::older::older_form;
use super::settings::{Config, config_error};
use super::sources::Sources;
use crate::error::Result;
use crate::provider::ProviderConfig;

/// Environment variables that override settings start so; `SMS_MCP__GUARD__DAY_SPEND` is `[guard] day_spend`.
pub(super) const OVERRIDE_PREFIX: &str = "SMS_MCP__";

/// Largest configuration file, so that a wrong `--config` (a log, a disk image) is refused and not read.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The file in the user's folder, which is read where no other is named.
pub fn default_file() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("", "", "sms-mcp")?;
    Some(folders.config_dir().join("config.toml"))
}

/// The file that a new configuration goes into.
///
/// # Errors
/// [`ErrorKind::Config`](crate::error::ErrorKind::Config) where nobody names one and the user has no folder, or
/// where the way to it leads over somebody else's link.
pub fn file_to_write(sources: &Sources) -> Result<PathBuf> {
    let file = named_file(sources).or_else(default_file).ok_or_else(|| {
        config_error("this user has no home folder for a configuration; name a file with --config")
    })?;
    files::check_links("the configuration", &file)?;
    Ok(file)
}

fn named_file(sources: &Sources) -> Option<PathBuf> {
    let flag = sources.flags.config.clone();
    flag.or_else(|| sources.environment.get("SMS_MCP_CONFIG").map(PathBuf::from))
}

/// The file named by `--config` or `SMS_MCP_CONFIG` must exist; the one in the user's folder may be missing.
pub(super) fn read_file(
    sources: &Sources,
    folders: Option<&directories::ProjectDirs>,
) -> Result<(Option<PathBuf>, String)> {
    let named = named_file(sources);
    let path = match (&named, folders) {
        (Some(path), _) => path.clone(),
        (None, Some(folders)) => folders.config_dir().join("config.toml"),
        (None, None) => return Ok((None, String::new())),
    };
    let cannot = |error: std::io::Error| {
        config_error(format!("cannot read the configuration file {}: {error}", path.display()))
    };
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.len() > MAX_FILE_BYTES => {
            return Err(config_error(format!(
                "{} is larger than {MAX_FILE_BYTES} bytes, so it is no configuration file",
                path.display()
            )));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            return Ok((None, String::new()));
        }
        Err(error) => return Err(cannot(error)),
    }
    let text = files::read(&path, MAX_FILE_BYTES).map_err(cannot)?;
    Ok((Some(path), text))
}

/// Parses the file alone, so that errors can say the line. They quote no line of it, since a line may hold a
/// secret.
pub(super) fn parse(path: &Path, text: &str) -> Result<Config> {
    toml::from_str(text).map_err(|error| {
        let wrong = &without_value(error.message().trim());
        let (start, wrong) = match (brackets_fault(text), provider_fault(text, wrong)) {
            (Some((start, why)), _) => (Some(start), why),
            (None, Some((start, name))) => (Some(start), format!("`{name}` of this provider: {wrong}")),
            (None, None) => (error.span().map(|span| span.start), wrong.to_owned()),
        };
        let place = start.map_or_else(String::new, |start| {
            let column =
                text.get(..start).unwrap_or(text).chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!(":{}:{column}", line_of(text, start))
        });
        let wrong = older_form(&wrong).unwrap_or(wrong);
        config_error(format!("{}{place}: {wrong}", path.display()))
    })
}

/// serde's words without the text that it quotes: where a table or a list is wanted, that may be all of a
/// provider with its secrets.
fn without_value(wrong: &str) -> String {
    let quoted = ["invalid type: string", "invalid value: string"]
        .into_iter()
        .find(|begin| wrong.strip_prefix(begin).is_some_and(|rest| rest.starts_with(" \"")));
    match (quoted, wrong.rsplit_once("\", expected ")) {
        (Some(begin), Some((_, expected))) => format!("{begin}, expected {expected}"),
        _ => wrong.to_owned(),
    }
}

/// The line of this place in a text, counted from 1.
pub(super) fn line_of(text: &str, start: usize) -> usize {
    text.get(..start).unwrap_or(text).matches('\n').count() + 1
}

/// The sections of which there may be several, each a table in two brackets.
const LISTS: [&str; 3] = ["provider", "route", "sender"];

/// What is wrong with the brackets of a table, or with a provider that does not say what it is, and where:
/// the parser's own words ("expected a sequence") tell that to nobody who did not write it.
fn brackets_fault(text: &str) -> Option<(usize, String)> {
    let read = DeTable::parse(text).ok()?;
    for (key, value) in read.get_ref() {
        let (name, start) = (key.get_ref().as_ref(), key.span().start);
        match value.get_ref().as_array() {
            None if LISTS.contains(&name) && value.get_ref().as_table().is_some() => {
                return Some((start, lists(name)));
            }
            Some(_) if SECTIONS.contains(&name) => {
                return Some((start, format!("there is one `{name}`; write [{name}], in one bracket")));
            }
            Some(list) if name == "provider" => {
                let kindless = |entry: &&toml::Spanned<toml::de::DeValue<'_>>| {
                    entry.get_ref().as_table().is_some_and(|entry| !entry.contains_key("kind"))
                };
                if let Some(entry) = list.iter().find(kindless) {
                    return Some((entry.span().start, no_kind("write kind = \"sandbox\" in its table")));
                }
            }
            _ => {}
        }
    }
    None
}

fn lists(name: &str) -> String {
    format!(
        "`{name}` is a list, of which there may be several; write [[{name}]], in two brackets, and what belongs \
         to it below (such as [{name}.http] or [{name}.session] of a provider)"
    )
}

fn no_kind(how: &str) -> String {
    format!("this provider has no `kind`: {how}; there are {}", ProviderConfig::KINDS.join(", "))
}

/// Which provider's setting an error speaks of, and where that stands. What `kind` chooses is read only after
/// all of its table, so the error itself knows the table's place alone. The setting that fails alike with
/// nothing but the kind beside it is the one.
fn provider_fault(text: &str, wrong: &str) -> Option<(usize, String)> {
    let places = DeTable::parse(text).ok()?;
    let places = places.get_ref().get("provider")?.get_ref().as_array()?;
    let table: Table = text.parse().ok()?;
    for (entry, places) in table.get("provider")?.as_array()?.iter().zip(places.iter()) {
        let (entry, places) = (entry.as_table()?, places.get_ref().as_table()?);
        let kind = entry.get("kind")?;
        for (place, _) in places {
            let name = place.get_ref().as_ref();
            let alone = Table::from_iter([
                ("kind".to_owned(), kind.clone()),
                (name.to_owned(), entry.get(name)?.clone()),
            ]);
            let failed = ProviderConfig::deserialize(Value::Table(alone)).err();
            if name != "kind" && failed.is_some_and(|error| without_value(error.message().trim()) == wrong) {
                return Some((place.span().start, name.to_owned()));
            }
        }
    }
    None
}

pub(super) fn override_from_environment(
    config: Config,
    text: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Config> {
    if let Some(name) = environment.keys().find(|name| is_near_miss(name)) {
        return Err(config_error(format!(
            "environment variable {name} sets nothing; a setting has two underscores, as \
             SMS_MCP__GUARD__DAY_SPEND"
        )));
    }
    let overrides: Vec<_> =
        environment.iter().filter(|(name, _)| name.starts_with(OVERRIDE_PREFIX)).collect();
    if overrides.is_empty() {
        return Ok(config);
    }
    let mut table: Table = text.parse().map_err(|_| config_error("the configuration file does not parse"))?;
    let mut config = config;
    let mut waiting = overrides;
    // An override may need another one first (a provider's setting needs its kind), so try again while that
    // helps.
    while !waiting.is_empty() {
        let before = waiting.len();
        let mut why = None;
        waiting.retain(|(name, value)| match apply(&table, name, value) {
            Ok((read, changed)) => {
                config = read;
                table = changed;
                false
            }
            Err(error) => {
                why.get_or_insert(error);
                true
            }
        });
        if let (Some(error), true) = (why, waiting.len() == before) {
            return Err(error);
        }
    }
    Ok(config)
}

/// The sections that are one table each.
const SECTIONS: [&str; 9] =
    ["guard", "rates", "send", "ledger", "http", "tools", "log", "replies", "forward"];

/// Whether a variable is meant as a setting but lacks an underscore: a limit that is not set must not go
/// unnoticed.
fn is_near_miss(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("SMS_MCP_").filter(|rest| !rest.starts_with('_')) else {
        return false;
    };
    let is_section =
        |name: &str| SECTIONS.iter().chain(&LISTS).any(|section| section.to_ascii_uppercase() == name);
    rest.starts_with("GUARD_") || rest.split_once("__").is_some_and(|(section, _)| is_section(section))
}

/// The setting that a variable sets, key by key.
pub(super) fn keys_of(name: &str) -> Vec<String> {
    name.trim_start_matches(OVERRIDE_PREFIX).split("__").map(str::to_ascii_lowercase).collect()
}

/// The table and the configuration with one override applied.
fn apply(table: &Table, name: &str, value: &str) -> Result<(Config, Table)> {
    let keys = keys_of(name);
    // "5" may be meant as a number or as text: the reading that the setting takes is the right one.
    let as_toml = format!("v = {value}").parse::<Table>().ok().and_then(|mut read| read.remove("v"));
    let mut why = String::new();
    for candidate in as_toml.into_iter().chain(std::iter::once(Value::String(value.to_owned()))) {
        let mut changed = table.clone();
        match put(&mut changed, &keys, candidate) {
            Ok(()) => match Config::deserialize(Value::Table(changed.clone())) {
                Ok(read) => return Ok((read, changed)),
                Err(error) => why = without_value(error.message().trim()),
            },
            Err(wrong) => why = wrong,
        }
    }
    let why = older_form(&why).unwrap_or(why);
    // That shows the whole value, with the secrets that may be in it.
    let why = if why.contains("expected struct") {
        format!("this is a table; write {name}__KEY for one of its settings")
    } else {
        why
    };
    let why = match keys.as_slice() {
        [list, index, ..] if why == "missing field `kind`" => {
            let kind = format!("{OVERRIDE_PREFIX}{}__{index}__KIND", list.to_ascii_uppercase());
            no_kind(&format!("set {kind} as well, such as {kind}=sandbox"))
        }
        [list, key, ..] if LISTS.contains(&list.as_str()) && why.starts_with("invalid type: map") => {
            let right = format!("{OVERRIDE_PREFIX}{list}__0__{key}").to_ascii_uppercase();
            format!("`{list}` is a list, counted from 0; write {right}")
        }
        _ => why,
    };
    Err(config_error(format!("environment variable {name} (setting {}): {why}", keys.join("."))))
}

/// Sets `table.a.b.c`; a number among the keys counts the entries of a list of tables from 0.
fn put(table: &mut Table, keys: &[String], value: Value) -> std::result::Result<(), String> {
    let Some((first, rest)) = keys.split_first() else {
        return Err("names no setting; write SMS_MCP__SECTION__KEY".to_owned());
    };
    if rest.is_empty() {
        table.insert(first.clone(), value);
        return Ok(());
    }
    let is_list = rest.first().is_some_and(|key| key.parse::<usize>().is_ok());
    let slot = table
        .entry(first.clone())
        .or_insert_with(|| if is_list { Value::Array(Vec::new()) } else { Value::Table(Table::new()) });
    match slot {
        Value::Table(inner) => put(inner, rest, value),
        Value::Array(list) => {
            let (Some(index), Some(rest)) =
                (rest.first().and_then(|key| key.parse::<usize>().ok()), rest.get(1..))
            else {
                return Err(format!("\"{first}\" is a list; write its number first, as {first}__0__key"));
            };
            if index == list.len() {
                list.push(Value::Table(Table::new()));
            }
            match list.get_mut(index) {
                Some(Value::Table(inner)) => put(inner, rest, value),
                _ => Err(format!("\"{first}\" has {} entries, counted from 0", list.len())),
            }
        }
        _ if matches!(rest, [form] if form == "env" || form == "file") => Err(format!(
            "`{first}` stands there already, in the file or in another variable; keep one of its forms: \
             {first}, {first}__ENV or {first}__FILE"
        )),
        _ => Err(format!("\"{first}\" is no section")),
    }
}
