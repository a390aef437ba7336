//! Reading the configuration from its three sources, and saying what is wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::de::DeTable;
use toml::{Table, Value};

use super::files;
use super::older::older_form;
use super::outbox;
use super::settings::{Config, LogFormat, LogLevel, config_error};
use super::user::user;
use crate::error::Result;
use crate::mcp::Toolset;
use crate::provider::ProviderConfig;
use crate::provider::settings::Secrets;
use crate::setting::{Secret, SecretText, Span};
use crate::sms::money::Amount;

/// Environment variables that override settings start so; `SMS_MCP__GUARD__DAY_SPEND` is `[guard] day_spend`.
const OVERRIDE_PREFIX: &str = "SMS_MCP__";

/// Largest configuration file, so that a wrong `--config` (a log, a disk image) is refused and not read.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config FILE`
    pub config: Option<PathBuf>,
    /// `--ledger FILE`
    pub ledger: Option<PathBuf>,
    /// `--log LEVEL`
    pub log: Option<LogLevel>,
    /// `--log-format text|json`
    pub log_format: Option<LogFormat>,
    /// `serve --toolsets SET,SET`; empty where it is not said.
    pub toolsets: Vec<Toolset>,
    /// `serve --read-only`
    pub read_only: bool,
}

/// Where settings come from: the command line and the environment.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The command line.
    pub flags: Flags,
    /// The environment.
    pub environment: BTreeMap<String, String>,
}

impl Sources {
    /// The real environment of this process (the variables that are text), with the word of the system
    /// whether it is a container.
    pub fn from_process(flags: Flags) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut environment: BTreeMap<String, String> = variables.collect();
        if CONTAINER_FILES.iter().any(|file| Path::new(file).exists()) {
            environment.entry(CONTAINER.to_owned()).or_insert_with(|| "yes".to_owned());
        }
        Self { flags, environment }
    }
}

/// Says "yes" or "no" where what this program takes for a container is none, or the other way round.
const CONTAINER: &str = "SMS_MCP_CONTAINER";

/// What Docker and Podman leave in a container.
const CONTAINER_FILES: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// What Kubernetes, and Podman and systemd, set in one.
const CONTAINER_VARIABLES: [&str; 2] = ["KUBERNETES_SERVICE_HOST", "container"];

fn is_container(environment: &BTreeMap<String, String>) -> Result<bool> {
    match environment.get(CONTAINER).map(String::as_str) {
        Some("yes") => Ok(true),
        Some("no") => Ok(false),
        Some(other) => {
            Err(config_error(format!("environment variable {CONTAINER} is \"{other}\"; it is yes or no")))
        }
        None => Ok(CONTAINER_VARIABLES.iter().any(|name| environment.contains_key(*name))),
    }
}

/// Where the mark of the ledger is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkPlace {
    /// In the user's state folder, under a name made of the ledger's path.
    Folder(PathBuf),
    /// In this file.
    File(PathBuf),
}

impl MarkPlace {
    /// What is written.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(path) | Self::File(path) => path,
        }
    }
}

/// A configuration that was read and checked, with what it stands for on this machine.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// The file they came from, if there was one.
    pub file: Option<PathBuf>,
    /// The environment variables that set something (`SMS_MCP__...`), by name.
    pub overrides: Vec<String>,
    /// The ledger's file.
    pub ledger: PathBuf,
    /// The ledger that real providers would use, where `ledger` is the sandbox's own: nothing but the sandbox
    /// is configured, and no file is named. Who wants no more texts is noted there as well.
    pub live_ledger: Option<PathBuf>,
    /// Where the mark of the ledger is; nowhere where the settings say so, or nobody has a home folder.
    pub mark: Option<MarkPlace>,
    /// Whether any provider is a real one.
    pub has_real: bool,
    /// The bearer token of the remote endpoint, if one is configured.
    pub http_token: Option<SecretText>,
    /// The secrets of each provider, in the order of `config.provider`.
    pub secrets: Vec<Secrets>,
    /// The secret that signs forwarded events, if one is configured.
    pub forward_secret: Option<SecretText>,
    /// What the operator should look at.
    pub warnings: Vec<String>,
    /// The operating-system user, who is the principal of stdio and of the command line.
    pub user: String,
}

/// Reads, merges and checks the configuration.
///
/// # Errors
/// [`ErrorKind::Config`](crate::error::ErrorKind::Config), naming the file and line or the environment
/// variable, the setting, and what would be right.
pub fn load(sources: &Sources) -> Result<Loaded> {
    let folders = directories::ProjectDirs::from("", "", "sms-mcp");
    let (file, text) = read_file(sources, folders.as_ref())?;
    let mut config = match &file {
        Some(path) => parse(path, &text)?,
        None => Config::default(),
    };
    let is_secret_in_file = files::holds_secret(&config);
    config = override_from_environment(config, &text, &sources.environment)?;
    if let Some(level) = sources.flags.log {
        config.log.level = level;
    }
    if let Some(format) = sources.flags.log_format {
        config.log.format = format;
    }
    if !sources.flags.toolsets.is_empty() {
        config.tools.toolsets.clone_from(&sources.flags.toolsets);
    }
    config.tools.read_only |= sources.flags.read_only;
    if config.provider.is_empty() {
        config.provider.push(ProviderConfig::Sandbox(Box::default()));
    }
    check(&config)?;
    let (ledger, live_ledger) = ledger_paths(&config, sources, folders.as_ref())?;
    outbox::settle(&mut config, &ledger);
    let mark = mark_place(&config, &ledger, sources, folders.as_ref())?;
    if let Some(mark) = &mark {
        files::check_links("the mark of the ledger", mark.path())?;
    }
    // SQLite writes beside it, too.
    for end in ["", "-wal", "-shm", ".live"] {
        let mut file = ledger.clone().into_os_string();
        file.push(end);
        files::check_links("the ledger", Path::new(&file))?;
    }
    for file in config.provider.iter().filter_map(|provider| provider.settings().writes()) {
        files::check_links("the sandbox's outbox", file)?;
    }
    let http_token = secret("http.token", config.http.token.as_ref(), &sources.environment)?;
    let secrets = config
        .provider
        .iter()
        .map(|provider| provider_secrets(provider, &sources.environment))
        .collect::<Result<_>>()?;
    let forward_secret = secret("forward.secret", config.forward.secret.as_ref(), &sources.environment)?;
    let mut warnings = files::warnings(
        &config,
        file.as_deref(),
        is_secret_in_file,
        http_token.as_ref().map(SecretText::expose),
    );
    warnings.extend(mark.as_ref().filter(|mark| ledger.parent() == mark.path().parent()).map(|mark| {
        format!(
            "the mark {} lies beside the ledger: a restore of that folder restores both, and is not noticed",
            mark.path().display()
        )
    }));
    let has_real = has_real(&config);
    let user = user();
    let overrides =
        sources.environment.keys().filter(|name| name.starts_with(OVERRIDE_PREFIX)).cloned().collect();
    Ok(Loaded {
        config,
        file,
        overrides,
        ledger,
        live_ledger,
        mark,
        has_real,
        http_token,
        secrets,
        forward_secret,
        warnings,
        user,
    })
}

/// The file named by `--config` or `SMS_MCP_CONFIG` must exist; the one in the user's folder may be missing.
fn read_file(
    sources: &Sources,
    folders: Option<&directories::ProjectDirs>,
) -> Result<(Option<PathBuf>, String)> {
    let named =
        sources.flags.config.clone().or_else(|| sources.environment.get("SMS_MCP_CONFIG").map(PathBuf::from));
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
fn parse(path: &Path, text: &str) -> Result<Config> {
    toml::from_str(text).map_err(|error| {
        let wrong = error.message().trim();
        let (start, wrong) = match provider_fault(text, wrong) {
            Some((start, name)) => (Some(start), format!("`{name}` of this provider: {wrong}")),
            None => (error.span().map(|span| span.start), wrong.to_owned()),
        };
        let place = start.map_or_else(String::new, |start| {
            let before = text.get(..start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            format!(":{line}:{column}")
        });
        let wrong = older_form(&wrong).unwrap_or(wrong);
        config_error(format!("{}{place}: {wrong}", path.display()))
    })
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
            if name != "kind" && failed.is_some_and(|error| error.message().trim() == wrong) {
                return Some((place.span().start, name.to_owned()));
            }
        }
    }
    None
}

fn override_from_environment(
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

/// Whether a variable is meant as a setting but lacks an underscore: a limit that is not set must not go
/// unnoticed.
fn is_near_miss(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("SMS_MCP_").filter(|rest| !rest.starts_with('_')) else {
        return false;
    };
    let sections = [
        "GUARD", "RATES", "SEND", "LEDGER", "HTTP", "TOOLS", "LOG", "REPLIES", "FORWARD", "PROVIDER", "ROUTE",
    ];
    rest.starts_with("GUARD_")
        || rest.split_once("__").is_some_and(|(section, _)| sections.contains(&section))
}

/// The table and the configuration with one override applied.
fn apply(table: &Table, name: &str, value: &str) -> Result<(Config, Table)> {
    let keys: Vec<String> =
        name.trim_start_matches(OVERRIDE_PREFIX).split("__").map(str::to_ascii_lowercase).collect();
    // "5" may be meant as a number or as text: the reading that the setting takes is the right one.
    let as_toml = format!("v = {value}").parse::<Table>().ok().and_then(|mut read| read.remove("v"));
    let mut why = String::new();
    for candidate in as_toml.into_iter().chain(std::iter::once(Value::String(value.to_owned()))) {
        let mut changed = table.clone();
        match put(&mut changed, &keys, candidate) {
            Ok(()) => match Config::deserialize(Value::Table(changed.clone())) {
                Ok(read) => return Ok((read, changed)),
                Err(error) => why = error.message().trim().to_owned(),
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
        _ => Err(format!("\"{first}\" is no section")),
    }
}

/// Checks what types cannot say.
fn check(config: &Config) -> Result<()> {
    let guard = &config.guard;
    let amounts = [
        ("session_spend", Some(guard.session_spend)),
        ("day_spend", Some(guard.day_spend)),
        ("total_spend", guard.total_spend),
    ];
    for (name, amount) in amounts {
        if amount.is_some_and(|amount| amount < Amount(0)) {
            return Err(config_error(format!("guard.{name} is negative; a limit is 0 or more")));
        }
    }
    if guard.price_when_unknown <= Amount(0) {
        return Err(config_error(
            "guard.price_when_unknown must be more than 0: it is what an unknown price is taken for",
        ));
    }
    if let Some((destination, _)) = config.rates.iter().find(|(_, rate)| **rate <= Amount(0)) {
        return Err(config_error(format!("rates.\"{destination}\" must be more than 0")));
    }
    let counts = [
        ("guard.max_segments", guard.max_segments, 255),
        ("guard.bulk_max", guard.bulk_max, 100_000),
        ("guard.sends_per_second", guard.sends_per_second, 1_000_000),
        ("send.concurrency", config.send.concurrency, 1_024),
        ("http.max_connections", config.http.max_connections, 100_000),
        ("http.max_connections_per_address", config.http.max_connections_per_address, 100_000),
        ("http.max_sessions", config.http.max_sessions, 100_000),
        ("http.max_body_bytes", config.http.max_body_bytes, 64 * 1024 * 1024),
    ];
    for (name, count, most) in counts {
        if count == 0 || count > most {
            return Err(config_error(format!("{name} is {count}; it must be from 1 to {most}")));
        }
    }
    if guard.recipient_per_day > 1_000 {
        return Err(config_error(format!(
            "guard.recipient_per_day is {}; it must be from 0 to 1000",
            guard.recipient_per_day
        )));
    }
    for (name, span) in [
        ("guard.session_idle", guard.session_idle),
        ("send.timeout", config.send.timeout),
        ("send.queue_max_age", config.send.queue_max_age),
        ("send.stop_within", config.send.stop_within),
        ("http.header_timeout", config.http.header_timeout),
        ("http.body_timeout", config.http.body_timeout),
        ("http.write_timeout", config.http.write_timeout),
    ] {
        if span.as_millis() == 0 {
            return Err(config_error(format!("{name} must be more than 0")));
        }
    }
    if config.tools.toolsets.is_empty() {
        return Err(config_error("tools.toolsets is empty: nothing would be offered; there is \"core\""));
    }
    config.replies.words().map_err(|error| config_error(error.message()))?;
    check_keep_for(config)?;
    check_providers(config)
}

/// The shortest time after which a message is forgotten: its key is known for as long, and a retry comes
/// sooner.
const LEAST_KEPT: Span = Span::hours(30 * 24);

/// Nothing may be forgotten that a setting still looks back at.
fn check_keep_for(config: &Config) -> Result<()> {
    let Some(keep_for) = config.ledger.keep_for else { return Ok(()) };
    let guard = &config.guard;
    let needs = [
        ("30 days", LEAST_KEPT),
        ("guard.duplicate_window", guard.duplicate_window),
        ("guard.session_idle", guard.session_idle),
    ];
    match needs.into_iter().find(|(_, least)| keep_for < *least) {
        Some((what, least)) => {
            Err(config_error(format!("ledger.keep_for is {keep_for}; it must be at least {least} ({what})")))
        }
        None => Ok(()),
    }
}

/// Longest name of a provider; it is part of addresses.
const MAX_NAME: usize = 64;

fn check_providers(config: &Config) -> Result<()> {
    let mut names = Vec::with_capacity(config.provider.len());
    for provider in &config.provider {
        let name = provider.name();
        let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if name.is_empty() || name.len() > MAX_NAME || !is_plain {
            return Err(config_error(format!(
                "provider.name \"{name}\" must be 1 to {MAX_NAME} letters, digits, \"-\", \"_\" or \".\""
            )));
        }
        if names.contains(&name) {
            return Err(config_error(format!(
                "two [[provider]] tables are called \"{name}\"; give each its own name"
            )));
        }
        names.push(name);
        provider
            .settings()
            .check()
            .map_err(|wrong| config_error(format!("[[provider]] \"{name}\": {wrong}")))?;
        if let Some(longest) =
            provider.settings().longest_send().filter(|longest| *longest >= config.send.timeout.duration())
        {
            return Err(config_error(format!(
                "[[provider]] \"{name}\": session.link_wait, throttle_wait and answer_timeout are {}s \
                 together; send.timeout is {} and must be longer",
                longest.as_secs_f64(),
                config.send.timeout
            )));
        }
        let rate = provider.settings().rate();
        for (setting, most) in
            [("per_second", rate.per_second), ("per_minute", rate.per_minute), ("per_day", rate.per_day)]
        {
            if most == Some(0) {
                return Err(config_error(format!(
                    "[[provider]] \"{name}\": rate.{setting} is 0; leave it out for no limit"
                )));
            }
        }
    }
    if config.provider.len() > 1 && config.route.is_empty() {
        return Err(config_error(
            "there are several [[provider]] tables and no [[route]] that says which carries what",
        ));
    }
    for (route, number) in config.route.iter().zip(1..) {
        if route.providers.is_empty() {
            return Err(config_error(format!("[[route]] {number} names no providers")));
        }
        if let Some(unknown) = route.providers.iter().find(|name| !names.contains(&name.as_str())) {
            return Err(config_error(format!(
                "[[route]] {number} names the provider \"{unknown}\"; there are {}",
                names.join(", ")
            )));
        }
    }
    Ok(())
}

fn provider_secrets(provider: &ProviderConfig, environment: &BTreeMap<String, String>) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    for wanted in provider.settings().secrets() {
        let setting = format!("[[provider]] \"{}\": {}", provider.name(), wanted.name);
        match secret(&setting, wanted.secret, environment)? {
            // A header could not carry it, and the vendor would be blamed for refusing a request without a
            // key.
            Some(found) if !found.expose().bytes().all(|byte| byte.is_ascii_graphic()) => {
                return Err(config_error(format!(
                    "{setting} has a space, a line break or a letter that is not ASCII in it; is it whole, \
                     and alone?"
                )));
            }
            Some(found) => secrets.insert(wanted.name, found),
            None if wanted.is_required => {
                let name = wanted.name;
                return Err(config_error(format!(
                    "{setting} is not set; write {name} = {{ env = \"NAME\" }}, {name} = {{ file = \"path\" \
                     }}, or {name} = \"...\""
                )));
            }
            None => {}
        }
    }
    Ok(secrets)
}

fn has_real(config: &Config) -> bool {
    config.provider.iter().any(|provider| provider.settings().is_real())
}

/// Where the mark of the ledger is. A container's own folders end with it, so there somebody has to say where
/// it outlives both it and a restore of the ledger.
fn mark_place(
    config: &Config,
    ledger: &Path,
    sources: &Sources,
    folders: Option<&directories::ProjectDirs>,
) -> Result<Option<MarkPlace>> {
    match &config.ledger.mark {
        Some(mark) if mark.as_os_str() == "none" => return Ok(None),
        Some(mark) if mark.as_os_str().is_empty() => {
            return Err(config_error("ledger.mark is empty; name a file, or write \"none\""));
        }
        Some(mark) if mark == ledger => {
            return Err(config_error(
                "ledger.mark is the ledger itself; name another file, or write \"none\"",
            ));
        }
        Some(mark) => return Ok(Some(MarkPlace::File(mark.clone()))),
        None => {}
    }
    let is_needed = has_real(config);
    if is_needed && is_container(&sources.environment)? {
        return Err(config_error(
            "this is a container, and nothing says where the mark is kept that tells an older ledger from \
             this one. Add these two lines: `[ledger]` and \
             `mark = \"/mark/ledger.mark\"`, a file on a volume of its own, which no restore of the ledger \
             restores; or `mark = \"none\"` to do without",
        ));
    }
    match folders.and_then(state_folder) {
        Some(folder) => Ok(Some(MarkPlace::Folder(folder))),
        None if is_needed => Err(config_error(
            "this user has no home folder for the mark of the ledger; name a file in [ledger] mark, or \
             write \"none\"",
        )),
        None => Ok(None),
    }
}

/// The user's state folder for this program. Where a system has none of its own it is the usual one of other
/// systems, and not the folder of data, in which the ledger is.
fn state_folder(folders: &directories::ProjectDirs) -> Option<PathBuf> {
    let usual = || directories::BaseDirs::new().map(|base| base.home_dir().join(".local/state/sms-mcp"));
    folders.state_dir().map(Path::to_owned).or_else(usual)
}

/// The ledger that the command line or the environment names, whatever the configuration says.
pub fn named_ledger(sources: &Sources) -> Option<PathBuf> {
    sources.flags.ledger.clone().or_else(|| sources.environment.get("SMS_MCP_LEDGER").map(PathBuf::from))
}

/// The ledger's file, and where that is the sandbox's own, the file of real providers.
fn ledger_paths(
    config: &Config,
    sources: &Sources,
    folders: Option<&directories::ProjectDirs>,
) -> Result<(PathBuf, Option<PathBuf>)> {
    let named = named_ledger(sources).or_else(|| config.ledger.file.clone());
    match (named, folders) {
        (Some(path), _) if path.as_os_str().is_empty() => {
            Err(config_error("the ledger's file name is empty"))
        }
        (Some(path), _) => Ok((path, None)),
        (None, Some(folders)) => {
            let live = folders.data_local_dir().join("ledger.db");
            Ok(if has_real(config) {
                (live, None)
            } else {
                (folders.data_local_dir().join("sandbox.db"), Some(live))
            })
        }
        (None, None) => Err(config_error(
            "this user has no home folder for the ledger; name a file with --ledger or SMS_MCP_LEDGER",
        )),
    }
}

/// The secret of this setting: as it stands there, in its variable, or in its file.
///
/// # Errors
/// [`ErrorKind::Config`] when the named variable or file is missing, or the secret is empty.
fn secret(
    setting: &str,
    secret: Option<&Secret>,
    environment: &BTreeMap<String, String>,
) -> Result<Option<SecretText>> {
    let found = match secret {
        None => return Ok(None),
        Some(Secret::Text(text)) => {
            let text = text.expose().trim();
            // A shell took the quotes of a table, or a word in it is wrong: that is no token.
            if text.starts_with(['{', '[']) {
                return Err(config_error(format!("{setting} is {}", Secret::FORMS)));
            }
            text.to_owned()
        }
        Some(Secret::Env(name)) => {
            let missing = || {
                config_error(format!(
                    "{setting} names the environment variable {}, which is not set",
                    Secret::shown(name)
                ))
            };
            environment.get(name).ok_or_else(missing)?.trim().to_owned()
        }
        Some(Secret::File(path)) => {
            let cannot = |error: std::io::Error| {
                config_error(format!("{setting} cannot be read from {}: {error}", Secret::shown_path(path)))
            };
            files::read(path, MAX_FILE_BYTES).map_err(cannot)?.trim().to_owned()
        }
    };
    if found.is_empty() {
        Err(config_error(format!("{setting} is empty")))
    } else {
        Ok(Some(SecretText::new(found)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with_environment(pairs: &[(&str, &str)]) -> Result<Loaded> {
        let mut environment: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        environment.entry("SMS_MCP_LEDGER".to_owned()).or_insert_with(|| "ledger.db".to_owned());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty.toml");
        std::fs::write(&file, "[guard]\nday_messages = 7\n").unwrap();
        load(&Sources { flags: Flags { config: Some(file), ..Flags::default() }, environment })
    }

    #[test]
    fn the_environment_overrides_any_setting_in_the_type_it_has() {
        let loaded = with_environment(&[
            ("SMS_MCP__GUARD__DAY_SPEND", "7.50"),
            ("SMS_MCP__GUARD__CURRENCY", "EUR"),
            ("SMS_MCP__GUARD__ALLOW_DESTINATIONS", "[\"FR\", \"+4477\"]"),
            ("SMS_MCP__DEFAULT_REGION", "FR"),
            ("SMS_MCP__PROVIDER__0__BALANCE", "3"),
            ("SMS_MCP__PROVIDER__0__KIND", "sandbox"),
        ]);
        let loaded = loaded.unwrap();
        assert_eq!(loaded.config.guard.day_spend, Amount(7_500_000));
        assert_eq!(loaded.config.guard.day_messages, 7);
        assert_eq!(loaded.config.guard.allow_destinations.len(), 2);
        assert_eq!(loaded.config.guard.currency.as_str(), "EUR");
    }

    #[test]
    fn a_wrong_override_names_its_variable_and_what_would_be_right() {
        let message =
            with_environment(&[("SMS_MCP__GUARD__DAY_SPENT", "7")]).unwrap_err().message().to_owned();
        assert!(message.contains("SMS_MCP__GUARD__DAY_SPENT") && message.contains("day_spend"), "{message}");
        let message =
            with_environment(&[("SMS_MCP__GUARD__SESSION_IDLE", "7")]).unwrap_err().message().to_owned();
        assert!(message.contains("SMS_MCP__GUARD__SESSION_IDLE") && message.contains("30m"), "{message}");
    }

    #[test]
    fn a_variable_that_lacks_an_underscore_is_an_error_and_another_programs_is_not() {
        for near in ["SMS_MCP_GUARD__DAY_SPEND", "SMS_MCP_GUARD_DAY_SPEND", "SMS_MCP_HTTP__LISTEN"] {
            assert!(with_environment(&[(near, "1")]).unwrap_err().message().contains(near), "{near}");
        }
        assert!(with_environment(&[("SMS_MCP_TOKEN", "1"), ("SMS_MCP_HTTP_TOKEN", "1")]).is_ok());
    }

    #[test]
    fn a_secret_is_read_from_where_it_is() {
        let environment = BTreeMap::from([("TOKEN".to_owned(), "s3cret".to_owned())]);
        let env = |name: &str| Some(Secret::Env(name.to_owned()));
        assert!(
            secret("http.token", env("ABSENT").as_ref(), &environment)
                .unwrap_err()
                .message()
                .contains("ABSENT")
        );
        assert_eq!(
            secret("http.token", env("TOKEN").as_ref(), &environment).unwrap().unwrap().expose(),
            "s3cret"
        );
        assert!(secret("http.token", None, &environment).unwrap().is_none());
    }

    #[test]
    fn the_environment_sets_a_secret_in_each_of_its_forms() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let file = file.to_string_lossy();
        for (name, value) in [
            ("TOKEN", "s3cret".to_owned()),
            ("TOKEN", "{ env = \"THERE\" }".to_owned()),
            ("TOKEN", format!("{{ file = '{file}' }}")),
            ("TOKEN__ENV", "THERE".to_owned()),
            ("TOKEN__FILE", file.to_string()),
        ] {
            let (of_http, of_provider) =
                (format!("SMS_MCP__HTTP__{name}"), format!("SMS_MCP__PROVIDER__0__{name}"));
            let more = [
                ("THERE", "s3cret"),
                ("SMS_MCP__PROVIDER__0__KIND", "sms_for_ai"),
                ("SMS_MCP_CONTAINER", "no"),
            ];
            let pairs: Vec<(&str, &str)> =
                [(of_http.as_str(), value.as_str()), (of_provider.as_str(), value.as_str())]
                    .into_iter()
                    .chain(more)
                    .collect();
            let loaded = with_environment(&pairs).unwrap();
            assert_eq!(loaded.http_token.unwrap().expose(), "s3cret", "{name}={value}");
            assert_eq!(
                loaded.secrets.first().unwrap().get("token").unwrap().expose(),
                "s3cret",
                "{name}={value}"
            );
        }
        // Digits are a number to TOML, and a token all the same.
        assert_eq!(
            with_environment(&[("SMS_MCP__HTTP__TOKEN", "73577357")]).unwrap().http_token.unwrap().expose(),
            "73577357"
        );
    }

    #[test]
    fn an_older_form_of_a_secret_is_answered_with_the_one_that_is_right() {
        for (name, right) in
            [("TOKEN_ENV", "token = { env = \"NAME\" }"), ("TOKEN_FILE", "token = { file = \"path\" }")]
        {
            for section in ["SMS_MCP__HTTP__", "SMS_MCP__PROVIDER__0__"] {
                let name = format!("{section}{name}");
                let error =
                    with_environment(&[(&name, "THERE"), ("SMS_MCP__PROVIDER__0__KIND", "sms_for_ai")])
                        .unwrap_err();
                assert!(error.message().contains(&name) && error.message().contains(right), "{error}");
            }
        }
        let message =
            with_environment(&[("SMS_MCP__HTTP__LISTEN_FILE", "x")]).unwrap_err().message().to_owned();
        assert!(message.contains("unknown field `listen_file`"), "{message}");
    }
}
