//! Where settings come from besides the file: the command line and the environment, of which this is the only
//! reader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::settings::{LogFormat, LogLevel, config_error};
use crate::error::Result;
use crate::mcp::Toolset;

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

pub(super) fn is_container(environment: &BTreeMap<String, String>) -> Result<bool> {
    match environment.get(CONTAINER).map(String::as_str) {
        Some("yes") => Ok(true),
        Some("no") => Ok(false),
        Some(other) => {
            Err(config_error(format!("environment variable {CONTAINER} is \"{other}\"; it is yes or no")))
        }
        None => Ok(CONTAINER_VARIABLES.iter().any(|name| environment.contains_key(*name))),
    }
}
