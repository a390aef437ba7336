//! Whose the files are: what others may read is warned of where it holds a secret, and no file is written
//! behind a link that somebody else made, who could have what is written go where they like.

use std::io::Read as _;
use std::path::Path;

use super::settings::{Config, config_error};
use crate::error::Result;
use crate::setting::Secret;

/// The text of a file, which may be a pipe, but none that has more than so many bytes or never ends.
pub(super) fn read(path: &Path, most_bytes: u64) -> std::io::Result<String> {
    let mut text = String::new();
    let read = std::fs::File::open(path)?.take(most_bytes + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= most_bytes) {
        Ok(text)
    } else {
        Err(std::io::Error::other(format!("it is larger than {most_bytes} bytes")))
    }
}

/// The files that hold a secret and that others than their owner may read, with what is said of each.
pub(super) fn open_to_others(
    config: &Config,
    file: Option<&Path>,
    is_in_file: bool,
) -> Vec<(String, String)> {
    let secrets = secrets(config).filter_map(|secret| match secret {
        Secret::File(path) => Some(path.as_path()),
        Secret::Text(_) | Secret::Env(_) => None,
    });
    let files = file.filter(|_| is_in_file).into_iter().chain(secrets).filter(|file| is_open_to_others(file));
    let said = files.map(|file| {
        let file = file.display().to_string();
        let text = format!("{file} holds a secret, and others than its owner may read it: `chmod 600` it");
        (file, text)
    });
    said.collect()
}

/// Whether the file itself holds a secret.
pub(super) fn holds_secret(config: &Config) -> bool {
    secrets(config).any(|secret| matches!(secret, Secret::Text(_)))
}

/// Every secret that is set.
pub(super) fn secrets(config: &Config) -> impl Iterator<Item = &Secret> {
    let providers = config
        .provider
        .iter()
        .flat_map(|provider| provider.settings().secrets())
        .filter_map(|setting| setting.secret);
    config.http.token.iter().chain(&config.forward.secret).chain(providers)
}

#[cfg(unix)]
fn is_open_to_others(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

/// Checks that the way to a file that is written leads over no link of another user. The system's own are
/// trusted.
///
/// # Errors
/// [`ErrorKind::Config`](crate::error::ErrorKind::Config), naming the link.
#[cfg(unix)]
pub(super) fn check_links(what: &str, file: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let own = [0, rustix::process::geteuid().as_raw()];
    let Ok(whole) = std::path::absolute(file) else { return Ok(()) };
    let is_foreign = |part: &&Path| {
        std::fs::symlink_metadata(part).is_ok_and(|part| part.is_symlink() && !own.contains(&part.uid()))
    };
    match whole.ancestors().find(is_foreign) {
        None => Ok(()),
        Some(link) => Err(config_error(format!(
            "{what} {} lies behind the symbolic link {}, which another user made; name the file that it \
             leads to, if it is yours",
            file.display(),
            link.display()
        ))),
    }
}

/// As on Unix, where files have such owners.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub(super) fn check_links(_: &str, _: &Path) -> Result<()> {
    Ok(())
}
