//! What the settings of every provider have in common, and what a provider is built from.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::signature::{Encoding, Hash, Key, is_same};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::setting::{Secret, SecretText};
use crate::sms::message::MessageId;
use crate::sms::money::Currency;

/// What the settings of every provider can say.
pub trait Settings {
    /// The operator's name for the provider.
    fn name(&self) -> &str;

    /// Whether texts really leave this machine through it.
    fn is_real(&self) -> bool {
        true
    }

    /// The secrets that it needs, each with its name.
    fn secrets(&self) -> Vec<SecretSetting<'_>> {
        Vec::new()
    }

    /// The variables of the environment that it reads by its vendor's own names, where settings leave
    /// something out.
    fn variables(&self) -> &'static [Variable] {
        &[]
    }

    /// The file that it writes, if it writes one.
    fn writes(&self) -> Option<&Path> {
        None
    }

    /// How fast it may be used.
    fn rate(&self) -> Rate {
        Rate::default()
    }

    /// The currency in which it tells what texts cost, where these settings know it.
    fn told_in(&self) -> Option<ToldIn> {
        None
    }

    /// The sender ID that it shows where a message names none, where these settings have it.
    fn sender(&self) -> Option<&str> {
        None
    }

    /// Where a connection with a secret or with texts is not encrypted.
    fn unencrypted(&self) -> Option<Unencrypted<'_>> {
        None
    }

    /// How long a send may take by these settings, where they say so: `[send] timeout` has to be longer, or
    /// what was never written counts as unknown.
    fn longest_send(&self) -> Option<Duration> {
        None
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// What is wrong, naming the setting and what would be right.
    fn check(&self) -> std::result::Result<(), String> {
        Ok(())
    }
}

/// A connection that is not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unencrypted<'a> {
    /// The other end, as `host:port`.
    pub address: &'a str,
    /// The setting that has it so, below the provider's.
    pub setting: &'static str,
    /// What would be better, as an instruction.
    pub instead: &'static str,
}

/// In which currency a provider tells prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldIn {
    /// Before a text is sent: without a rate, a text is refused where the budgets are in another currency.
    Quotes(Currency),
    /// Only afterwards, for what was sent: what is in another currency than the budgets is not posted.
    Charges(Currency),
}

/// A variable of the environment whose name is the vendor's own.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name, such as `AWS_PROFILE`.
    pub name: &'static str,
    /// Whether what it holds is a secret.
    pub is_secret: bool,
}

/// One secret among a provider's settings.
#[derive(Clone, Copy, Debug)]
pub struct SecretSetting<'a> {
    /// The setting's name, such as `token`.
    pub name: &'static str,
    /// What is set.
    pub secret: Option<&'a Secret>,
    /// Whether the provider cannot do without.
    pub is_required: bool,
    /// Whether it is a key in several lines, as a PEM file has it, and goes into no header.
    pub is_pem: bool,
}

/// How fast a provider may be used. What is over it waits in the queue; single sends are counted, and never
/// held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Rate {
    /// Most requests with messages in one second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// Most requests with messages in any minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_minute: Option<u32>,
    /// Most requests with messages in one UTC day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
}

/// The secrets of one provider, by setting, and what its [variables](Settings::variables) hold. `Debug` shows
/// neither.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    settings: BTreeMap<&'static str, SecretText>,
    variables: BTreeMap<&'static str, SecretText>,
    plain: BTreeMap<&'static str, SecretText>,
}

impl Secrets {
    /// Adds one that was read.
    pub fn insert(&mut self, name: &'static str, secret: SecretText) {
        self.settings.insert(name, secret);
    }

    /// Adds what a variable holds.
    pub fn insert_variable(&mut self, variable: Variable, value: SecretText) {
        let of = if variable.is_secret { &mut self.variables } else { &mut self.plain };
        of.insert(variable.name, value);
    }

    /// Every secret among them.
    pub fn each(&self) -> impl Iterator<Item = &SecretText> {
        self.settings.values().chain(self.variables.values())
    }

    /// The secret of this setting, if there is one.
    pub fn get(&self, name: &str) -> Option<&SecretText> {
        self.settings.get(name)
    }

    /// What the variable of this name holds, if it is set.
    pub fn variable(&self, name: &str) -> Option<&SecretText> {
        self.variables.get(name).or_else(|| self.plain.get(name))
    }

    /// The secret of this setting, which the provider cannot do without.
    ///
    /// # Errors
    /// [`ErrorKind::Config`]; the configuration's own check says it earlier, with the provider's name.
    pub fn demand(&self, name: &str) -> Result<SecretText> {
        self.get(name).cloned().ok_or_else(|| Error::new(ErrorKind::Config, format!("`{name}` is not set")))
    }
}

/// What a provider is built from besides its settings.
#[derive(Clone)]
pub struct Setup {
    /// Time and randomness.
    pub clock: SharedClock,
    /// Its secrets.
    pub secrets: Secrets,
    /// Where the vendor can reach this server, if it can.
    pub callback: Option<Callback>,
}

/// The addresses under which a vendor can reach this server. Each ends in a token that nobody can guess.
#[derive(Clone)]
pub struct Callback {
    public_url: String,
    provider: String,
    key: Key,
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callback").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// Length of a token, in characters: 128 bits.
const TOKEN: usize = 32;

impl Callback {
    /// Addresses below `public_url` for the provider of this name. `key` stays the same as long as tokens
    /// must be valid.
    pub fn new(public_url: &str, provider: &str, key: [u8; 32]) -> Self {
        let key = Key::new(Hash::Sha256, Encoding::Hex, &key);
        Self { public_url: public_url.trim_end_matches('/').to_owned(), provider: provider.to_owned(), key }
    }

    fn token(&self, message: Option<&MessageId>) -> String {
        let message = message.map_or("", MessageId::as_str);
        let mut token = self.key.sign([self.provider.as_bytes(), &[0], message.as_bytes()]);
        token.truncate(TOKEN);
        token
    }

    /// The address for reports about one message, or about all.
    pub fn url(&self, message: Option<&MessageId>) -> String {
        let (public_url, provider, token) = (&self.public_url, &self.provider, self.token(message));
        match message {
            Some(message) => format!("{public_url}/webhooks/{provider}/{message}.{token}"),
            None => format!("{public_url}/webhooks/{provider}/{token}"),
        }
    }

    /// Reads the last part of an address: nothing where it is none of ours, else the message that it was made
    /// for.
    pub fn read(&self, path_token: &str) -> Option<Option<MessageId>> {
        let (message, token) = match path_token.split_once('.') {
            Some((message, token)) => (Some(MessageId::from_text(message)), token),
            None => (None, path_token),
        };
        let right = self.token(message.as_ref());
        is_same(token.as_bytes(), right.as_bytes()).then_some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_valid_for_its_provider_and_message_alone() {
        let (one, other) = (
            Callback::new("https://sms.example.com/", "one", [7; 32]),
            Callback::new("https://sms.example.com", "other", [7; 32]),
        );
        let message = MessageId::new(1, 2);
        let last = |url: String| url.rsplit('/').next().unwrap_or_default().to_owned();
        assert!(one.url(None).starts_with("https://sms.example.com/webhooks/one/"));
        assert_eq!(one.read(&last(one.url(None))), Some(None));
        assert_eq!(one.read(&last(one.url(Some(&message)))), Some(Some(message.clone())));
        assert_eq!(other.read(&last(one.url(Some(&message)))), None);
        let stolen = last(one.url(Some(&message))).replace(message.as_str(), MessageId::new(1, 3).as_str());
        assert_eq!(one.read(&stolen), None);
        for wrong in ["", ".", "x", "msg_.", &"0".repeat(TOKEN)] {
            assert_eq!(one.read(wrong), None, "{wrong}");
        }
    }
}
