//! Reading the configuration from its three sources, and saying what is wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checks::check;
use super::files;
use super::findings::{Finding, Read};
use super::origins::Origins;
use super::outbox;
use super::places::{MarkPlace, has_real, ledger_paths, mark_place};
use super::read::{MAX_FILE_BYTES, OVERRIDE_PREFIX, override_from_environment, parse, read_file};
use super::settings::{Config, config_error};
use super::sources::Sources;
use super::user::user;
use crate::error::Result;
use crate::provider::ProviderConfig;
use crate::provider::settings::Secrets;
use crate::setting::{Secret, SecretText};

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
    /// Where each setting comes from.
    pub origins: Origins,
    /// What the operator should mend or look at, the worst first.
    pub findings: Vec<Finding>,
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
    let Merged { mut config, file, text, is_secret_in_file } = merge(sources, folders.as_ref())?;
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
    let settings = file.as_deref().map(|file| ("the file of the settings", file));
    let marked = mark.as_ref().filter(|mark| matches!(mark, MarkPlace::File(_)));
    let marked = marked.map(|mark| ("the mark of the ledger", mark.path()));
    outbox::check(&config, &ledger, &settings.into_iter().chain(marked).collect::<Vec<_>>())?;
    for file in config.provider.iter().filter_map(|provider| provider.settings().writes()) {
        files::check_links("the sandbox's outbox", file)?;
    }
    let http_token = secret("http.token", config.http.token.as_ref(), &sources.environment)?;
    let secrets = config
        .provider
        .iter()
        .map(|provider| provider_secrets(provider, &sources.environment))
        .collect::<Result<Vec<_>>>()?;
    let forward_secret = secret("forward.secret", config.forward.secret.as_ref(), &sources.environment)?;
    let origins = Origins::new(file.as_deref(), &text, sources);
    let mut findings = Read {
        config: &config,
        origins: &origins,
        file: file.as_deref(),
        is_secret_in_file,
        http_token: http_token.as_ref(),
        forward_secret: forward_secret.as_ref(),
        secrets: &secrets,
    }
    .findings();
    findings.extend(mark.as_ref().filter(|mark| ledger.parent() == mark.path().parent()).map(|mark| {
        Finding::warning(
            "ledger.mark",
            format!(
                "the mark {} lies beside the ledger: a restore of that folder restores both, and is not \
                 noticed",
                mark.path().display()
            ),
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
        origins,
        findings,
        user,
    })
}

/// The settings of all sources, checked as [`load`] does, and without their secrets: none is read.
///
/// # Errors
/// As [`load`].
pub fn settings(sources: &Sources) -> Result<Config> {
    let folders = directories::ProjectDirs::from("", "", "sms-mcp");
    merge(sources, folders.as_ref()).map(|merged| merged.config)
}

/// Whether a text can be the settings' file, whatever secrets it names.
///
/// # Errors
/// As [`load`].
pub fn check_text(text: &str) -> Result<()> {
    check(&parse(Path::new("the file"), text)?)
}

/// The variables of the environment in which the secrets of a file with this text are.
///
/// # Errors
/// As [`load`].
pub fn variables(text: &str) -> Result<Vec<String>> {
    let config = parse(Path::new("the file"), text)?;
    let names = files::secrets(&config).filter_map(|secret| match secret {
        Secret::Env(name) => Some(Secret::shown(name).to_owned()),
        Secret::Text(_) | Secret::File(_) => None,
    });
    Ok(names.collect())
}

/// The settings of all sources, with the file's text.
struct Merged {
    config: Config,
    file: Option<PathBuf>,
    text: String,
    is_secret_in_file: bool,
}

/// Reads the file, then what the environment and the flags say otherwise, and checks the whole.
fn merge(sources: &Sources, folders: Option<&directories::ProjectDirs>) -> Result<Merged> {
    let (file, text) = read_file(sources, folders)?;
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
    Ok(Merged { config, file, text, is_secret_in_file })
}

fn provider_secrets(provider: &ProviderConfig, environment: &BTreeMap<String, String>) -> Result<Secrets> {
    let mut secrets = Secrets::default();
    for wanted in provider.settings().secrets() {
        let setting = format!("[[provider]] \"{}\": {}", provider.name(), wanted.name);
        match secret(&setting, wanted.secret, environment)? {
            // A header could not carry it, and the vendor would be blamed for refusing a request without a
            // key.
            Some(found) if !is_whole(found.expose(), wanted.is_pem) => {
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
    for variable in provider.settings().variables() {
        let held = environment.get(variable.name).map(|held| held.trim()).filter(|held| !held.is_empty());
        if let Some(held) = held {
            secrets.insert_variable(*variable, SecretText::new(held));
        }
    }
    Ok(secrets)
}

/// Whether a secret has no octet that it cannot have.
fn is_whole(secret: &str, is_pem: bool) -> bool {
    secret.bytes().all(|byte| byte.is_ascii_graphic() || (is_pem && b" \r\n".contains(&byte)))
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
                .next(
                    "Set it where this program is started: in the shell, or in `env` of the client's entry for \
                     this server. Then check with `sms-mcp config check`. Nothing was started.",
                )
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
    use super::super::Flags;
    use super::*;
    use crate::sms::money::Amount;

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
