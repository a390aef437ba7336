//! The outbox that the sandbox has without being asked: where nothing but the sandbox carries texts, whoever
//! tries it out wants to see what a phone would have shown.

use std::path::{Path, PathBuf};

use super::settings::{Config, config_error};
use crate::error::Result;
use crate::provider::ProviderConfig;

/// What `outbox` says where there is to be none.
const NONE: &str = "none";

/// Settles where each sandbox appends what it takes. Without a word it is a file beside the ledger, which is
/// bounded. There is none where real providers carry texts as well, and none where texts are not to be kept.
pub(super) fn settle(config: &mut Config, ledger: &Path) {
    let is_sandbox_alone = config.provider.iter().all(|provider| !provider.settings().is_real());
    let own = (is_sandbox_alone && config.ledger.keep_texts).then(|| beside(ledger));
    for provider in &mut config.provider {
        let ProviderConfig::Sandbox(sandbox) = provider else { continue };
        match &sandbox.outbox {
            Some(named) if named.as_os_str() == NONE => sandbox.outbox = None,
            Some(_) => {}
            None => sandbox.own_outbox.clone_from(&own),
        }
    }
}

/// The outbox of the ledger that is at this place.
fn beside(ledger: &Path) -> PathBuf {
    let mut name = ledger.to_owned().into_os_string();
    name.push(".outbox");
    name.into()
}

/// Checks that no outbox is a file of ours that holds something else: texts would be appended to it.
///
/// # Errors
/// [`ErrorKind::Config`](crate::error::ErrorKind::Config), naming the provider and the file.
pub(super) fn check(config: &Config, ledger: &Path, others: &[(&str, &Path)]) -> Result<()> {
    let with = |end: &str| {
        let mut name = ledger.to_owned().into_os_string();
        name.push(end);
        PathBuf::from(name)
    };
    let ours = ["", "-wal", "-shm", "-journal"].map(|end| ("a file of the ledger", with(end)));
    let others = others.iter().map(|(what, path)| (*what, path.to_path_buf()));
    let ours: Vec<(&str, Identity)> =
        ours.into_iter().chain(others).map(|(what, path)| (what, Identity::of(&path))).collect();
    let live = Identity::of(&with(".live")).place;
    for provider in &config.provider {
        let Some(file) = provider.settings().writes() else { continue };
        let outbox = Identity::of(file);
        let taken = ours.iter().find(|(_, known)| known.is_same(&outbox)).map(|(what, _)| *what);
        let taken = taken
            .or_else(|| outbox.place.starts_with(&live).then_some("in the folder of the ledger's locks"));
        if let Some(what) = taken {
            return Err(config_error(format!(
                "[[provider]] \"{}\": outbox = \"{}\" is {what}; name a file of its own",
                provider.name(),
                file.display()
            )));
        }
    }
    Ok(())
}

/// Which file a name stands for, also where it is not there yet.
struct Identity {
    place: PathBuf,
    number: Option<(u64, u64)>,
}

impl Identity {
    fn of(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // What is there leads to where it is; of the rest the folder that is.
        let place = path.ancestors().find_map(|there| {
            let rest = path.strip_prefix(there).ok()?;
            std::fs::canonicalize(there)
                .ok()
                .map(|there| if rest.as_os_str().is_empty() { there } else { there.join(rest) })
        });
        Self { number: number(&path), place: place.unwrap_or(path) }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.place == other.place || (self.number.is_some() && self.number == other.number)
    }
}

/// The number of a file, which all of its names share.
#[cfg(unix)]
fn number(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn number(_: &Path) -> Option<(u64, u64)> {
    None
}
