//! The files that AWS's own tools share: `~/.aws/credentials` and `~/.aws/config`, and what a profile in them
//! says.
//!
//! A profile is one section: `[name]` in the first file, `[profile name]` (or `[default]`) in the second. What
//! both say holds as the first says it. Lines that are indented belong to a value of several lines, of which
//! nothing is needed here. No error quotes a line: it may hold a secret.

use std::collections::BTreeMap;

use super::sigv4::Keys;
use crate::setting::SecretText;
use crate::sms::untrusted::escape;

/// What a profile may name in place of keys, and which is not followed: each asks somebody else for them, or
/// starts a program.
const NOT_FOLLOWED: [&str; 7] = [
    "role_arn",
    "credential_process",
    "credential_source",
    "source_profile",
    "sso_session",
    "sso_start_url",
    "web_identity_token_file",
];

/// A section of one of the files, by name.
type Section = BTreeMap<String, String>;

/// The section whose heading is one of these.
fn section(text: &str, headings: &[String]) -> Section {
    let mut found = Section::new();
    let mut is_in = false;
    for line in text.lines() {
        let plain = line.trim();
        if line.starts_with([' ', '\t', '#', ';']) || plain.is_empty() {
            continue;
        }
        if let Some(heading) = plain.strip_prefix('[') {
            let heading = heading.split(']').next().unwrap_or_default();
            let words: Vec<&str> = heading.split_whitespace().collect();
            is_in = headings.contains(&words.join(" "));
        } else if is_in && let Some((name, value)) = plain.split_once('=') {
            found.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

/// What this profile says in the two files, as far as they are there.
///
/// # Errors
/// What is wrong with it, without quoting a value.
pub fn keys(profile: &str, credentials: Option<&str>, config: Option<&str>) -> Result<Keys, String> {
    let plain = profile.to_owned();
    // The default profile stands in both files without a word before its name.
    let short = (profile == "default").then(|| plain.clone());
    let headings: Vec<String> = short.into_iter().chain([format!("profile {profile}")]).collect();
    let mut both = section(config.unwrap_or_default(), &headings);
    both.extend(section(credentials.unwrap_or_default(), &[plain]));
    let shown = escape(profile);
    let value = |name: &str| both.get(name).filter(|value| !value.is_empty());
    match (value("aws_access_key_id"), value("aws_secret_access_key")) {
        (Some(id), Some(secret)) => {
            let token = value("aws_session_token").map(|token| SecretText::new(token.as_str()));
            let keys =
                Keys { id: SecretText::new(id.as_str()), secret: SecretText::new(secret.as_str()), token };
            let is_plain = |text: &SecretText| text.expose().bytes().all(|byte| byte.is_ascii_graphic());
            if is_plain(&keys.id) && is_plain(&keys.secret) && keys.token.as_ref().is_none_or(is_plain) {
                Ok(keys)
            } else {
                Err(format!(
                    "a key of the profile \"{shown}\" has a space or a letter that is not ASCII in it"
                ))
            }
        }
        (Some(_), None) => Err(format!("the profile \"{shown}\" has no aws_secret_access_key")),
        (None, Some(_)) => Err(format!("the profile \"{shown}\" has no aws_access_key_id")),
        (None, None) => Err(match NOT_FOLLOWED.iter().find(|name| both.contains_key(**name)) {
            Some(name) => format!(
                "the profile \"{shown}\" has no keys but {name}, which is not followed: have AWS's own tool \
                 write its keys, and their session token, into a profile of their own"
            ),
            None => format!("there is no profile \"{shown}\" with keys"),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CREDENTIALS: &str = "\
# of everybody\n[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key=first/one+=\n\n\
[ work ]\r\nAWS_ACCESS_KEY_ID=AKIDWORK\r\naws_secret_access_key = second\r\naws_session_token = FwoG/x+==\r\n\
; aws_session_token = no\n[half]\naws_access_key_id = AKIDHALF\n[empty]\naws_access_key_id =\n\
aws_secret_access_key = canary\n[spaced]\naws_access_key_id = AKIDSPACED\naws_secret_access_key = ca nary\n";

    const CONFIG: &str = "\
[default]\nregion = eu-west-1\n[profile home]\naws_access_key_id = AKIDHOME\naws_secret_access_key = third\n\
s3 =\n    aws_session_token = nested\n[home2]\naws_access_key_id = AKIDNOBODY\n\
[profile work]\naws_access_key_id = AKIDOTHER\nregion = x\n\
[profile role]\nrole_arn = arn:aws:iam::123456789012:role/canary\nsource_profile = default\n\
[profile sso]\nsso_session = canary\n[profile half]\naws_secret_access_key = fourth\n";

    fn read(profile: &str) -> Result<(String, String, Option<String>), String> {
        let exposed = |text: &SecretText| text.expose().to_owned();
        let keys = keys(profile, Some(CREDENTIALS), Some(CONFIG))?;
        Ok((exposed(&keys.id), exposed(&keys.secret), keys.token.as_ref().map(exposed)))
    }

    #[test]
    fn a_profile_is_read_of_both_files_and_what_both_say_holds_as_the_credentials_say_it() {
        for (profile, id, secret, token) in [
            ("default", "AKIDDEFAULT", "first/one+=", None),
            ("work", "AKIDWORK", "second", Some("FwoG/x+==")),
            ("home", "AKIDHOME", "third", None),
            ("half", "AKIDHALF", "fourth", None),
        ] {
            let expected = (id.to_owned(), secret.to_owned(), token.map(str::to_owned));
            assert_eq!(read(profile), Ok(expected), "{profile}");
        }
        assert!(keys("home", Some(CREDENTIALS), None).is_err());
        assert!(keys("default", None, None).is_err());
    }

    #[test]
    fn what_is_wrong_with_a_profile_is_said_without_showing_what_stands_there() {
        for (profile, expected) in [
            ("empty", "no aws_access_key_id"),
            ("spaced", "has a space"),
            ("role", "role_arn, which is not followed"),
            ("sso", "sso_session, which is not followed"),
            ("home2", "no profile \"home2\""),
            ("profile home", "no profile"),
            ("none\u{1b}", "no profile \"none\\u{1b}\""),
        ] {
            let why = read(profile).unwrap_err();
            assert!(why.contains(expected) && !why.contains("nary"), "{profile}: {why}");
        }
    }
}
