//! What is wrong with settings that can be read: what will certainly not do what it was written for, and what
//! the operator should look at. `config check` tells all of it, and a server logs it when it starts.
//!
//! What no server could run with is no finding: it is an error of `load`, and nothing starts.

use std::path::Path;

use serde::Serialize;

use super::files;
use super::origins::{Origin, Origins};
use super::settings::Config;
use crate::policy::Policy;
use crate::provider::settings::{Secrets, ToldIn};
use crate::setting::SecretText;
use crate::setting::network::is_loopback;
use crate::sms::destination::Destination;
use crate::sms::money::Currency;
use crate::sms::purpose::Purpose;
use crate::sms::sender::why_not;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// It works, and may not be meant.
    Warning,
    /// It certainly fails, or keeps nobody out.
    Error,
}

/// Something that the operator should mend, or look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The setting, such as `http.token`.
    pub setting: String,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl Finding {
    pub(super) fn warning(setting: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level: Level::Warning, setting: setting.into(), text: text.into() }
    }

    fn error(setting: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level: Level::Error, setting: setting.into(), text: text.into() }
    }
}

/// Tokens shorter than this can be guessed, and such shorter than that at once.
const SHORTEST_TOKEN: usize = 20;
const SHORTEST_OF_ALL: usize = 6;

/// What stands in examples in place of a secret, in letters and digits alone.
const PLACEHOLDERS: [&str; 18] = [
    "apikey",
    "changeit",
    "changeme",
    "changethis",
    "example",
    "insertyourtokenhere",
    "mysecret",
    "mytoken",
    "password",
    "placeholder",
    "replaceme",
    "secret",
    "todo",
    "token",
    "yourapikey",
    "yourpassword",
    "yoursecret",
    "yourtoken",
];

fn is_placeholder(secret: &str) -> bool {
    let plain: String =
        secret.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    PLACEHOLDERS.contains(&plain.as_str())
}

/// What was read of the settings.
pub(super) struct Read<'a> {
    pub(super) config: &'a Config,
    pub(super) origins: &'a Origins,
    pub(super) file: Option<&'a Path>,
    pub(super) is_secret_in_file: bool,
    pub(super) http_token: Option<&'a SecretText>,
    pub(super) forward_secret: Option<&'a SecretText>,
    pub(super) secrets: &'a [Secrets],
}

impl Read<'_> {
    /// All findings, the worst first.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut found: Vec<Finding> = files::open_to_others(self.config, self.file, self.is_secret_in_file)
            .into_iter()
            .map(|(file, text)| Finding::warning(file, text))
            .collect();
        self.secrets(&mut found);
        self.limits(&mut found);
        self.currencies(&mut found);
        self.consent(&mut found);
        self.ways(&mut found);
        found.sort_by_key(|finding| std::cmp::Reverse(finding.level));
        found
    }

    /// Secrets that are none, and those that stand in two places.
    fn secrets(&self, found: &mut Vec<Finding>) {
        let generate = "`openssl rand -hex 32` makes one";
        if let Some(token) = self.http_token.map(SecretText::expose) {
            let length = token.chars().count();
            if is_placeholder(token) || length < SHORTEST_OF_ALL {
                let what = if length < SHORTEST_OF_ALL { "very short" } else { "the word of an example" };
                found.push(Finding::error(
                    "http.token",
                    format!("http.token is {what}, so that anybody can guess it: {generate}"),
                ));
            } else if length < SHORTEST_TOKEN {
                found.push(Finding::warning(
                    "http.token",
                    format!(
                        "http.token is shorter than {SHORTEST_TOKEN} characters, and can be guessed: {generate}"
                    ),
                ));
            }
        }
        let mut named: Vec<(String, bool)> = vec![
            ("http.token".to_owned(), false),
            (
                "forward.secret".to_owned(),
                self.forward_secret.is_some_and(|secret| is_placeholder(secret.expose())),
            ),
        ];
        for (at, (provider, secrets)) in self.config.provider.iter().zip(self.secrets).enumerate() {
            named.extend(provider.settings().secrets().iter().map(|wanted| {
                let is_none = secrets.get(wanted.name).is_some_and(|secret| is_placeholder(secret.expose()));
                (format!("provider.{at}.{}", wanted.name), is_none)
            }));
        }
        for (setting, is_none) in named {
            if is_none {
                found.push(Finding::error(
                    setting.clone(),
                    format!("{setting} is the word of an example, and no secret: put your own in its place"),
                ));
            }
            if let Some((line, variable)) = self.origins.twice(&setting) {
                found.push(Finding::warning(
                    setting.clone(),
                    format!(
                        "{setting} stands in {line} and in the variable {variable}: the variable holds; take \
                         one of the two away"
                    ),
                ));
            }
        }
    }

    /// A limit that somebody wrote and that a narrower one makes void.
    fn limits(&self, found: &mut Vec<Finding>) {
        let guard = &self.config.guard;
        let is_written = |setting: &str| self.origins.of(setting) != Origin::Default;
        let mut void = |session: &str, day: &str, is_above: bool, said: String| {
            if is_above && is_written(session) {
                found.push(Finding::warning(
                    session,
                    format!(
                        "{session} is above {day} ({said}), which holds before it: no session gets so far"
                    ),
                ));
            }
        };
        void(
            "guard.session_spend",
            "guard.day_spend",
            guard.session_spend > guard.day_spend,
            format!(
                "{} {currency} and {} {currency}",
                guard.session_spend,
                guard.day_spend,
                currency = guard.currency
            ),
        );
        void(
            "guard.session_messages",
            "guard.day_messages",
            guard.session_messages > guard.day_messages,
            format!("{} and {} messages", guard.session_messages, guard.day_messages),
        );
    }

    /// Marketing needs a consent, and whoever calls it nothing needs none.
    fn consent(&self, found: &mut Vec<Finding>) {
        let (guard, needed) = (&self.config.guard, &self.config.consent.required_for);
        let is_told = guard.default_purpose == Purpose::Marketing
            || self.config.sender.iter().any(|sender| sender.purpose == Some(Purpose::Marketing));
        let is_marketing_alone = !needed.is_empty() && !needed.contains(&Purpose::Transactional);
        if is_marketing_alone && !is_told {
            found.push(Finding::warning(
                "consent.required_for",
                "[consent] asks for marketing alone, and what no call names a purpose for is taken for \
                 transactional, which needs none: set guard.default_purpose = \"marketing\", or a [[sender]] with \
                 purpose = \"marketing\"",
            ));
        }
    }

    /// Budgets in a currency in which nobody charges.
    fn currencies(&self, found: &mut Vec<Finding>) {
        let (guard, rates) = (&self.config.guard, &self.config.rates);
        let unpriced = Policy::new(guard.clone(), rates.clone()).assumed();
        for (at, provider) in self.config.provider.iter().enumerate() {
            let (name, budgets) = (provider.name(), guard.currency);
            match provider.settings().told_in() {
                Some(ToldIn::Quotes(told)) if told != budgets => {
                    if let Some(assumed) = &unpriced {
                        found.push(never_meet(at, name, (told, budgets), rates.is_empty(), &assumed.missing));
                    }
                }
                Some(ToldIn::Charges(told)) if told != budgets => found.push(Finding::warning(
                    format!("provider.{at}.currency"),
                    format!(
                        "[[provider]] \"{name}\" charges in {told} and the budgets are in {budgets}: what it \
                         charges is never posted, and the budgets count [rates] alone"
                    ),
                )),
                _ => {}
            }
        }
    }

    /// How requests and secrets travel, and ways that lead nowhere.
    fn ways(&self, found: &mut Vec<Finding>) {
        for (at, provider) in self.config.provider.iter().enumerate() {
            let unencrypted = provider.settings().unencrypted();
            if let Some(plain) = unencrypted.filter(|plain| !is_loopback(plain.address)) {
                found.push(Finding::warning(
                    format!("provider.{at}.{}", plain.setting),
                    format!(
                        "[[provider]] \"{}\": the login and every text go to {} unencrypted; {}",
                        provider.name(),
                        plain.address,
                        plain.instead
                    ),
                ));
            }
        }
        let http = &self.config.http;
        let public = http.public_url.as_deref().and_then(|url| url.strip_prefix("http://"));
        if public.is_some_and(|rest| !is_loopback(rest.split('/').next().unwrap_or(rest))) {
            found.push(Finding::warning(
                "http.public_url",
                "http.public_url begins with http://: what vendors tell comes unencrypted; write https:// and \
                 let a proxy do TLS",
            ));
        }
        if let Some(host) = http.allowed_hosts.iter().find(|host| host.contains('*')) {
            found.push(Finding::warning(
                "http.allowed_hosts",
                format!(
                    "http.allowed_hosts has \"{host}\": names are compared whole, so that a * lets nobody in"
                ),
            ));
        }
        let takes_all = |route: &crate::engine::settings::Route| route.to.is_empty() && route.from.is_empty();
        if let Some(at) =
            self.config.route.iter().position(takes_all).filter(|at| at + 1 < self.config.route.len())
        {
            found.push(Finding::warning(
                format!("route.{}", at + 1),
                format!(
                    "[[route]] {} takes everything, so that those below it are never taken: put it last",
                    at + 1
                ),
            ));
        }
        for (sender, number) in self.config.sender.iter().zip(1_usize..) {
            let never =
                sender.to.iter().filter_map(Destination::example).find_map(|to| why_not(&sender.id, &to));
            if let Some(why) = never {
                found.push(Finding::error(
                    format!("sender.{number}.to"),
                    format!("[[sender]] {number}: {why}"),
                ));
            }
        }
        if let Some(at) = self
            .config
            .sender
            .iter()
            .position(|sender| sender.to.is_empty())
            .filter(|at| at + 1 < self.config.sender.len())
        {
            found.push(Finding::warning(
                format!("sender.{}", at + 1),
                format!(
                    "[[sender]] {} is for all numbers, so that those below it are never taken: put it last",
                    at + 1
                ),
            ));
        }
    }
}

/// What is said of a provider whose prices are in another currency than the budgets.
fn never_meet(
    at: usize,
    name: &str,
    (told, budgets): (Currency, Currency),
    has_no_rates: bool,
    missing: &[crate::sms::destination::Destination],
) -> Finding {
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let what = format!("[[provider]] \"{name}\" charges in {told} and the budgets are in {budgets}");
    let mend =
        format!("write currency = \"{told}\" in [guard], or what a text costs in {budgets} into [rates]");
    let setting = format!("provider.{at}");
    if has_no_rates {
        return Finding::error(
            setting,
            format!("{what}, so that every text is refused (price_unknown): {mend}"),
        );
    }
    let which = if missing.is_empty() {
        "to every country that [rates] does not name".to_owned()
    } else {
        format!("to {}", missing.join(", "))
    };
    Finding::warning(setting, format!("{what}: a text {which} is refused (price_unknown); {mend}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_an_example_is_no_secret_in_any_spelling() {
        for word in ["change-me", "CHANGE_ME", "<your token>", "your-api-key", "Password"] {
            assert!(is_placeholder(word), "{word}");
        }
        for secret in ["s3cret", "x", "smsai_4fa1", "", "changeme2026"] {
            assert!(!is_placeholder(secret), "{secret}");
        }
    }
}
