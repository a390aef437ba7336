//! An account at Plivo: how it is asked.

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

/// The provider. It has no `Debug`: it holds a token. See the module's text.
pub struct Plivo {
    pub(super) config: Config,
    account: String,
    token: SecretText,
    pub(super) hooks: Hooks,
    /// Where Plivo can reach us.
    pub(super) callback: Option<Callback>,
    pub(super) wording: Wording,
    pub(super) rates: Rates,
    pub(super) clock: SharedClock,
    pub(super) client: Client,
    pub(super) lookups: Client,
}

impl Plivo {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |why: &str| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {why}", config.name));
        config.check().map_err(|why| wrong(&why))?;
        let account = setup.secrets.demand("auth_id")?.expose().to_owned();
        if path_part(&account).is_none() {
            return Err(wrong("auth_id is no Auth ID: MA, and then letters and digits"));
        }
        let token = setup.secrets.demand("auth_token")?;
        let wording = Wording::new(&answers::WORDS, &config.sent_words);
        let client =
            |url: &str| Client::new(&config.name, url, &config.http, Arc::clone(&setup.clock), Refusals);
        Ok(Self {
            config: config.clone(),
            account,
            hooks: Hooks::new(config, &token, wording.clone()),
            token,
            callback: setup.callback.clone(),
            wording,
            rates: Rates::default(),
            clock: Arc::clone(&setup.clock),
            client: client(&config.base_url)?,
            lookups: client(&config.lookup_url)?,
        })
    }

    /// The request with what it shows for us.
    pub(super) fn signed_in(&self, request: Request) -> Request {
        request.basic(&self.account, &self.token)
    }

    /// The path of something of the account; nothing is the account itself. Each ends in a stroke.
    pub(super) fn of_account(&self, what: &str) -> String {
        format!("Account/{}/{what}", self.account)
    }

    pub(super) async fn read(&self, client: &Client, request: Request) -> Result<Value> {
        let answer = client.read(&self.signed_in(request)).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    pub(super) fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }
}
