//! An account at Twilio: how it is asked.

use std::sync::Arc;

use serde_json::Value;

use super::answers::{self, Refusals};
use super::settings::Config;
use super::webhook::Hooks;
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::rest::rates::Rates;
use crate::provider::rest::wording::Wording;
use crate::provider::rest::{Client, Request, path_part};
use crate::provider::settings::{Callback, Settings as _, Setup};
use crate::setting::SecretText;

/// Entries of one page of a list: so many are less than the megabyte of an answer that is read, whatever
/// their texts are.
pub(super) const PAGE: u32 = 50;

/// The provider. It has no `Debug`: it holds keys. See the module's text.
pub struct Twilio {
    pub(super) config: Config,
    account: String,
    /// What is shown for us: the account's SID or an API key's, with the secret of it.
    user: String,
    password: SecretText,
    pub(super) hooks: Hooks,
    /// Where Twilio can reach us, if what it says can be believed.
    pub(super) callback: Option<Callback>,
    /// Whether Twilio could reach us, if what it says could be believed.
    pub(super) is_unsigned: bool,
    pub(super) wording: Wording,
    pub(super) rates: Rates,
    pub(super) clock: SharedClock,
    pub(super) client: Client,
    pub(super) pricing: Client,
    pub(super) lookups: Client,
}

impl Twilio {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |what: &str| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {what}", config.name));
        config.check().map_err(|why| wrong(&why))?;
        let secret = |name: &str| setup.secrets.get(name).cloned();
        let account = setup.secrets.demand("account_sid")?.expose().to_owned();
        if path_part(&account).is_none() {
            return Err(wrong("account_sid is no SID of an account: AC, and then letters and digits"));
        }
        let auth_token = secret("auth_token");
        let (user, password) = match (secret("api_key"), secret("api_key_secret"), &auth_token) {
            (Some(key), Some(secret), _) => (key.expose().to_owned(), secret),
            (None, None, Some(token)) => (account.clone(), token.clone()),
            (None, None, None) => {
                return Err(wrong("auth_token is not set, and no api_key with its api_key_secret either"));
            }
            _ => return Err(wrong("api_key and api_key_secret belong together; one of them is not set")),
        };
        let wording = Wording::new(&answers::WORDS, &config.sent_words);
        let hooks = Hooks { auth_token, webhook_key: secret("webhook_key"), wording: wording.clone() };
        let client =
            |url: &str| Client::new(&config.name, url, &config.http, Arc::clone(&setup.clock), Refusals);
        Ok(Self {
            config: config.clone(),
            account,
            user,
            password,
            callback: setup.callback.clone().filter(|_| hooks.can_check()),
            is_unsigned: setup.callback.is_some() && !hooks.can_check(),
            hooks,
            wording,
            rates: Rates::default(),
            clock: Arc::clone(&setup.clock),
            client: client(&config.base_url)?,
            pricing: client(&config.pricing_url)?,
            lookups: client(&config.lookups_url)?,
        })
    }

    /// The request with what it shows for us.
    pub(super) fn signed_in(&self, request: Request) -> Request {
        request.basic(&self.user, &self.password)
    }

    /// The path of something of the account.
    pub(super) fn of_account(&self, what: &str) -> String {
        format!("Accounts/{}/{what}.json", self.account)
    }

    /// The path of the account itself.
    pub(super) fn itself(&self) -> String {
        format!("Accounts/{}.json", self.account)
    }

    pub(super) async fn read(&self, client: &Client, request: Request) -> Result<Value> {
        let answer = client.read(&self.signed_in(request)).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    pub(super) fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }
}
