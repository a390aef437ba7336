//! An account at Vonage: how it is asked.

use std::sync::Arc;

use serde_json::Value;

use super::answers::Refusals;
use super::jwt::Application;
use super::settings::{Api, Config};
use super::webhook::Hooks;
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::rest::rates::Rates;
use crate::provider::rest::{Client, Request};
use crate::provider::settings::{Callback, Settings as _, Setup};
use crate::provider::signature::RsaKey;
use crate::setting::SecretText;

/// The provider. It has no `Debug`: it holds keys. See the module's text.
pub struct Vonage {
    pub(super) config: Config,
    key: SecretText,
    secret: SecretText,
    application: Option<Application>,
    pub(super) hooks: Hooks,
    /// Where Vonage can reach us, if what it says can be believed.
    pub(super) callback: Option<Callback>,
    /// Whether Vonage could reach us, if what it says could be believed.
    pub(super) is_unsigned: bool,
    pub(super) rates: Rates,
    clock: SharedClock,
    /// The SMS API and the account.
    pub(super) client: Client,
    /// The Messages API, look-ups and reports.
    pub(super) api: Client,
}

impl Vonage {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |why: &str| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {why}", config.name));
        config.check().map_err(|why| wrong(&why))?;
        let application = match (&config.application_id, setup.secrets.get("private_key")) {
            (Some(id), Some(key)) => {
                let key = RsaKey::read(key.expose()).ok_or_else(|| {
                    wrong(
                        "private_key is no RSA key of 2048 bits or more in PEM (-----BEGIN PRIVATE KEY-----); \
                         the application's file private.key has it",
                    )
                })?;
                Some(Application { id: id.clone(), key })
            }
            _ => None,
        };
        let hooks = Hooks::new(config, setup.secrets.get("signature_secret"));
        let client =
            |url: &str| Client::new(&config.name, url, &config.http, Arc::clone(&setup.clock), Refusals);
        Ok(Self {
            config: config.clone(),
            key: setup.secrets.demand("api_key")?,
            secret: setup.secrets.demand("api_secret")?,
            application,
            callback: setup.callback.clone().filter(|_| hooks.can_check()),
            is_unsigned: setup.callback.is_some() && !hooks.can_check(),
            hooks,
            rates: Rates::default(),
            clock: Arc::clone(&setup.clock),
            client: client(&config.base_url)?,
            api: client(&config.api_url)?,
        })
    }

    /// Who sends, as Vonage writes it: without a plus.
    pub(super) fn sender<'a>(&'a self, named: Option<&'a str>) -> &'a str {
        named.or(self.config.from.as_deref()).unwrap_or_default()
    }

    /// The account's API key, which is no secret by itself: some questions name the account by it.
    pub(super) fn account(&self) -> &str {
        self.key.expose()
    }

    /// Whether an application is named that sends nothing.
    pub(super) const fn is_idle_application(&self) -> bool {
        self.application.is_some() && matches!(self.config.api, Api::Sms)
    }

    /// The request with what it shows for the account.
    pub(super) fn signed_in(&self, request: Request) -> Request {
        request.basic(self.key.expose(), &self.secret)
    }

    /// The request with what it shows for the application, or else for the account.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`], where there is no randomness.
    pub(super) fn signed_in_as_application(&self, request: Request) -> Result<Request> {
        Ok(match &self.application {
            Some(application) => request.bearer(&application.token(&self.clock)?),
            None => self.signed_in(request),
        })
    }

    pub(super) async fn read(&self, client: &Client, request: Request) -> Result<Value> {
        let answer = client.read(&self.signed_in(request)).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    pub(super) fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }
}
