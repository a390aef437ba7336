//! How requests show who we are.

use ::http::HeaderName;

use super::settings::{Auth as Setting, AuthKind};
use crate::provider::rest::Request;
use crate::setting::SecretText;

/// How a secret is shown.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// A name and a password.
    Basic,
    /// A word and a token.
    Bearer(String),
    /// A header of the gateway's own.
    Header(HeaderName),
    /// Parameters of the query: for the secret, and for the name.
    Query(String, Option<String>),
    /// Placeholders of the body.
    Body,
}

/// The credentials. `Debug` shows neither.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The name.
    pub user: Option<SecretText>,
    /// The key, token or password.
    pub secret: Option<SecretText>,
}

impl Auth {
    /// Reads the settings.
    ///
    /// # Errors
    /// What is wrong, with its name.
    pub fn of(setting: Option<&Setting>, has_user: bool, has_secret: bool) -> Result<Self, String> {
        let none = Setting::default();
        let setting = setting.unwrap_or(&none);
        only_its_own(setting, has_user, has_secret)?;
        let Setting { kind, name, user_name, scheme } = setting;
        let name = name.clone().unwrap_or_default();
        Ok(match kind {
            AuthKind::None => Self::None,
            AuthKind::Basic => Self::Basic,
            AuthKind::Body => Self::Body,
            AuthKind::Bearer => {
                let scheme = scheme.clone().unwrap_or_else(|| "Bearer".to_owned());
                let is_word = !scheme.is_empty()
                    && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
                if !is_word {
                    return Err("auth.scheme is one word, such as AccessKey".to_owned());
                }
                Self::Bearer(scheme)
            }
            AuthKind::Header => Self::Header(
                name.parse().map_err(|_| "auth.name is no name of a header, such as X-Api-Key".to_owned())?,
            ),
            AuthKind::Query => {
                if name.is_empty() || user_name.as_ref() == Some(&name) {
                    return Err("auth.name is empty, or the same as auth.user_name".to_owned());
                }
                Self::Query(name, user_name.clone())
            }
        })
    }

    /// The request with what it shows.
    pub fn show(&self, request: Request, with: &Credentials) -> Request {
        let Some(secret) = &with.secret else { return request };
        let user = with.user.as_ref().map(SecretText::expose);
        match self {
            Self::None | Self::Body => request,
            Self::Basic => request.basic(user.unwrap_or_default(), secret),
            Self::Bearer(scheme) => request.authorization(scheme, secret),
            Self::Header(name) => request.secret_header(name.clone(), secret),
            Self::Query(name, user_name) => {
                let request = match (user_name, user) {
                    (Some(user_name), Some(user)) => request.query(user_name, user),
                    _ => request,
                };
                request.query(name, secret.expose())
            }
        }
    }
}

/// Checks that everything is set that this way to show a secret needs, and nothing that another has.
fn only_its_own(setting: &Setting, has_user: bool, has_secret: bool) -> Result<(), String> {
    let Setting { kind, name, user_name, scheme } = setting;
    let word = match kind {
        AuthKind::None => "none",
        AuthKind::Basic => "basic",
        AuthKind::Bearer => "bearer",
        AuthKind::Header => "header",
        AuthKind::Query => "query",
        AuthKind::Body => "body",
    };
    if *kind == AuthKind::None && (has_secret || has_user) {
        return Err("secret or user is set, and auth.type is \"none\", which shows neither".to_owned());
    }
    if *kind != AuthKind::None && !has_secret {
        return Err(format!(
            "secret is not set, and auth.type = \"{word}\" shows it; write secret = {{ env = \"NAME\" }}, \
             secret = {{ file = \"path\" }}, or secret = \"...\""
        ));
    }
    let needs_name = matches!(kind, AuthKind::Header | AuthKind::Query);
    let needs_user = *kind == AuthKind::Basic || user_name.is_some();
    let takes_user = needs_user || *kind == AuthKind::Body;
    for (is_wrong, why) in [
        (needs_name && name.is_none(), "auth.name is not set: the header or parameter that shows `secret`"),
        (!needs_name && name.is_some(), "auth.name is for auth.type = \"header\" and \"query\" alone"),
        (
            user_name.is_some() && *kind != AuthKind::Query,
            "auth.user_name is for auth.type = \"query\" alone",
        ),
        (scheme.is_some() && *kind != AuthKind::Bearer, "auth.scheme is for auth.type = \"bearer\" alone"),
        (
            needs_user && !has_user,
            "user is not set, and auth shows it; write user = { env = \"NAME\" }, or in \
            the other forms of a secret",
        ),
        (has_user && !takes_user, "user is set, and auth does not show it"),
    ] {
        if is_wrong {
            return Err(why.to_owned());
        }
    }
    Ok(())
}
