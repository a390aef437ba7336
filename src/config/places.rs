//! Where the ledger and its mark are on this machine.

use std::path::{Path, PathBuf};

use super::settings::{Config, config_error};
use super::sources::{Sources, is_container};
use crate::error::Result;

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

pub(super) fn has_real(config: &Config) -> bool {
    config.provider.iter().any(|provider| provider.settings().is_real())
}

/// Where the mark of the ledger is. A container's own folders end with it, so there somebody has to say where
/// it outlives both it and a restore of the ledger.
pub(super) fn mark_place(
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
pub(super) fn ledger_paths(
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
