//! Where the keys come from that requests are signed with.
//!
//! The settings come first, since they are ours: the keys themselves, then a named `profile`. Without either
//! it is as AWS's own tools have it: the variables of the environment with keys, else the profile that
//! `AWS_PROFILE` names, or `default`, of the shared files. The files are looked at before each request and
//! read again once they have changed, or once AWS refused what was read of them: keys of a session expire,
//! and whoever made them writes new ones there. Nobody is asked over the network for keys, the metadata
//! service of an instance neither.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::profile;
use super::sigv4::Keys;
use crate::provider::settings::{Secrets, Variable};
use crate::setting::SecretText;

/// Longest of the shared files that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";
const PROFILE: &str = "AWS_PROFILE";
const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
const CONFIG_FILE: &str = "AWS_CONFIG_FILE";

/// Where a home folder is named: on Unix, and on Windows.
const HOMES: [&str; 2] = ["HOME", "USERPROFILE"];

const fn secret(name: &'static str) -> Variable {
    Variable { name, is_secret: true }
}

const fn plain(name: &'static str) -> Variable {
    Variable { name, is_secret: false }
}

/// The variables of the environment that are read.
pub const VARIABLES: [Variable; 8] = [
    secret(ID),
    secret(SECRET),
    secret(TOKEN),
    plain(PROFILE),
    plain(CREDENTIALS_FILE),
    plain(CONFIG_FILE),
    plain("HOME"),
    plain("USERPROFILE"),
];

/// What tells a file that was changed from one that was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    changed: Option<SystemTime>,
    length: u64,
}

/// A profile of the shared files, and what was read of it.
struct Shared {
    profile: String,
    /// The file of credentials, and that of the configuration; nothing where nobody has a home.
    files: [Option<PathBuf>; 2],
    read: Mutex<Option<([Option<Stamp>; 2], Keys)>>,
}

/// The keys of one provider. It has no `Debug`: it holds them.
pub struct Credentials(Source);

enum Source {
    /// Set, or in the environment: they stay.
    Fixed(Box<Keys>),
    Shared(Shared),
}

/// A value of two that belong together, and of the third that may stand beside them.
fn trio(id: Option<&SecretText>, secret: Option<&SecretText>, token: Option<&SecretText>) -> Option<Keys> {
    Some(Keys { id: id?.clone(), secret: secret?.clone(), token: token.cloned() })
}

impl Credentials {
    /// The keys that these settings and this environment name.
    ///
    /// # Errors
    /// What is wrong with them, naming the setting or the variable.
    pub fn new(secrets: &Secrets, profile: Option<&str>) -> Result<Self, String> {
        let set = |name: &str| secrets.get(name);
        let (id, key, token) = (set("access_key_id"), set("secret_access_key"), set("session_token"));
        if let Some(keys) = trio(id, key, token) {
            return Ok(Self(Source::Fixed(Box::new(keys))));
        }
        if id.is_some() || key.is_some() || token.is_some() {
            return Err(
                "access_key_id and secret_access_key belong together; one of them is not set".to_owned()
            );
        }
        let variable = |name: &str| secrets.variable(name);
        if profile.is_none() {
            let (id, key) = (variable(ID), variable(SECRET));
            if let Some(keys) = trio(id, key, variable(TOKEN)) {
                let is_plain = |text: &SecretText| text.expose().bytes().all(|byte| byte.is_ascii_graphic());
                let are_plain =
                    is_plain(&keys.id) && is_plain(&keys.secret) && keys.token.as_ref().is_none_or(is_plain);
                let wrong = || format!("{ID}, {SECRET} or {TOKEN} has a space or a line break in it");
                return are_plain.then(|| Self(Source::Fixed(Box::new(keys)))).ok_or_else(wrong);
            }
            if id.is_some() != key.is_some() {
                return Err(format!("{ID} and {SECRET} belong together; one of them is not set"));
            }
        }
        let text = |name: &str| variable(name).map(|value| value.expose().to_owned());
        let home = || HOMES.into_iter().find_map(text).map(PathBuf::from);
        let file = |variable: &str, name: &str| match text(variable) {
            Some(path) => match path.strip_prefix("~/") {
                Some(rest) => home().map(|home| home.join(rest)),
                None => Some(PathBuf::from(path)),
            },
            None => home().map(|home| home.join(".aws").join(name)),
        };
        let profile = profile.map(str::to_owned).or_else(|| text(PROFILE));
        Ok(Self(Source::Shared(Shared {
            profile: profile.unwrap_or_else(|| "default".to_owned()),
            files: [file(CREDENTIALS_FILE, "credentials"), file(CONFIG_FILE, "config")],
            read: Mutex::default(),
        })))
    }

    /// The keys that hold now.
    ///
    /// # Errors
    /// Why there are none, in words that quote no secret.
    pub async fn now(&self) -> Result<Keys, String> {
        match &self.0 {
            Source::Fixed(keys) => Ok(keys.as_ref().clone()),
            Source::Shared(shared) => shared.now().await,
        }
    }

    /// Takes note that AWS refused the keys: what was read is read again, whether or not its file says that it
    /// changed.
    pub fn refused(&self) {
        if let Source::Shared(shared) = &self.0 {
            shared.keep(None);
        }
    }
}

async fn stamp(file: Option<&PathBuf>) -> Option<Stamp> {
    let metadata = tokio::fs::metadata(file?).await.ok()?;
    Some(Stamp { changed: metadata.modified().ok(), length: metadata.len() })
}

impl Shared {
    fn keep(&self, read: Option<([Option<Stamp>; 2], Keys)>) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = read;
    }

    async fn now(&self) -> Result<Keys, String> {
        let [credentials, config] = &self.files;
        // Before they are read: what is written meanwhile is read the next time.
        let stamps = [stamp(credentials.as_ref()).await, stamp(config.as_ref()).await];
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, keys)) = known
            && read == stamps
        {
            return Ok(keys);
        }
        let texts = [text(credentials.as_ref()).await?, text(config.as_ref()).await?];
        if texts.iter().all(Option::is_none) {
            return Err(format!(
                "there are no keys: neither access_key_id and secret_access_key are set, nor {ID} and \
                 {SECRET} in the environment, and there is no shared file of AWS's tools{}",
                credentials.as_ref().map_or_else(String::new, |file| format!(" ({})", file.display()))
            ));
        }
        let [credentials, config] = &texts;
        let keys = profile::keys(&self.profile, credentials.as_deref(), config.as_deref())?;
        self.keep(Some((stamps, keys.clone())));
        Ok(keys)
    }
}

/// What a file holds; nothing where it is not there.
async fn text(file: Option<&PathBuf>) -> Result<Option<String>, String> {
    let Some(file) = file else { return Ok(None) };
    let wrong = |why: String| format!("{} cannot be read: {why}", file.display());
    match tokio::fs::metadata(file).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
        Ok(metadata) if !metadata.is_file() || metadata.len() > MAX_FILE => {
            return Err(wrong(format!("it is no file of at most {MAX_FILE} bytes")));
        }
        Ok(_) => {}
    }
    let octets = tokio::fs::read(file).await.map_err(|error| wrong(error.to_string()))?;
    String::from_utf8(octets).map(Some).map_err(|_| wrong("it is no text in UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn secrets(settings: &[(&'static str, &str)], environment: &[(&str, &str)]) -> Secrets {
        let mut secrets = Secrets::default();
        for &(name, value) in settings {
            secrets.insert(name, SecretText::new(value));
        }
        for (name, value) in environment {
            let variable = VARIABLES.into_iter().find(|variable| variable.name == *name).unwrap();
            secrets.insert_variable(variable, SecretText::new(*value));
        }
        secrets
    }

    async fn id(credentials: &Credentials) -> Result<String, String> {
        credentials.now().await.map(|keys| keys.id.expose().to_owned())
    }

    const OWN: [(&str, &str); 2] = [("access_key_id", "AKIDOWN"), ("secret_access_key", "s")];
    const ENVIRONMENT: [(&str, &str); 2] = [(ID, "AKIDENV"), (SECRET, "s")];

    fn profiles(folder: &std::path::Path) -> String {
        let file = folder.join("keys");
        let one =
            |name: &str, id: &str| format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = s\n");
        std::fs::write(&file, one("default", "AKIDFILE") + &one("work", "AKIDWORK")).unwrap();
        file.to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_settings_come_before_the_environment_and_that_before_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = profiles(folder.path());
        let home = folder.path().join("home");
        std::fs::create_dir_all(home.join(".aws")).unwrap();
        std::fs::copy(&file, home.join(".aws/credentials")).unwrap();
        let home = home.to_str().unwrap();
        let in_file = [(CREDENTIALS_FILE, file.as_str()), (CONFIG_FILE, "/nowhere/config")];
        let all = [&ENVIRONMENT[..], &in_file, &[(PROFILE, "work")]].concat();
        for (settings, profile, environment, expected) in [
            (&OWN[..], None, &all[..], "AKIDOWN"),
            (&OWN, Some("work"), &all, "AKIDOWN"),
            (&[], None, &all, "AKIDENV"),
            (&[], Some("default"), &all, "AKIDFILE"),
            (&[], None, &all[2..], "AKIDWORK"),
            (&[], None, &in_file, "AKIDFILE"),
            (&[], None, &[("HOME", home)], "AKIDFILE"),
            (&[], None, &[("HOME", home), (CREDENTIALS_FILE, "~/.aws/credentials")], "AKIDFILE"),
            (&[], Some("work"), &[("USERPROFILE", home)], "AKIDWORK"),
        ] {
            let credentials = Credentials::new(&secrets(settings, environment), profile).unwrap();
            assert_eq!(id(&credentials).await.as_deref(), Ok(expected), "{settings:?} {environment:?}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_or_half_there_is_named_and_no_secret_is_shown() {
        for (settings, profile, environment, expected) in [
            (&OWN[..1], None, &ENVIRONMENT[..], "access_key_id and secret_access_key"),
            (&OWN[1..], None, &[], "access_key_id and secret_access_key"),
            (&[], None, &ENVIRONMENT[..1], "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
            (&[], None, &[(ID, "AKID"), (SECRET, "ca nary")], "has a space"),
            (&[("session_token", "canary")], None, &ENVIRONMENT, "one of them is not set"),
        ] {
            let why = Credentials::new(&secrets(settings, environment), profile).err().unwrap();
            assert!(why.contains(expected) && !why.contains("nary"), "{why}");
        }
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        for (environment, expected) in [
            (vec![], "there are no keys"),
            (vec![("HOME", home)], "there are no keys"),
            (vec![(CREDENTIALS_FILE, home)], "it is no file"),
        ] {
            let credentials = Credentials::new(&secrets(&[], &environment), None).unwrap();
            let why = id(&credentials).await.unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[tokio::test]
    async fn a_file_that_changed_or_whose_keys_were_refused_is_read_again_and_else_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = profiles(folder.path());
        let environment = [(CREDENTIALS_FILE, file.as_str()), (CONFIG_FILE, "/nowhere/config")];
        let credentials = Credentials::new(&secrets(&[], &environment), None).unwrap();
        assert_eq!(id(&credentials).await.as_deref(), Ok("AKIDFILE"));
        let written = |id: &str| format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = s\n");
        std::fs::write(&file, written("AKIDLONGER")).unwrap();
        assert_eq!(id(&credentials).await.as_deref(), Ok("AKIDLONGER"));
        // Of the same length and, as a disk with coarse times has it, of the same moment.
        let at = std::fs::metadata(&file).unwrap().modified().unwrap();
        std::fs::write(&file, written("AKIDOTHERS")).unwrap();
        std::fs::File::options().append(true).open(&file).unwrap().set_modified(at).unwrap();
        assert_eq!(id(&credentials).await.as_deref(), Ok("AKIDLONGER"));
        credentials.refused();
        assert_eq!(id(&credentials).await.as_deref(), Ok("AKIDOTHERS"));
        std::fs::remove_file(&file).unwrap();
        assert!(id(&credentials).await.is_err(), "keys that were taken away are not used any more");
    }
}
