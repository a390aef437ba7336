//! An account at a gateway: what a request is filled with, and how the gateway is asked.

use std::sync::Arc;

use super::auth::{Auth, Credentials};
use super::find::Memo;
use super::hooks::Hooks;
use super::lookup::{Asked, BalanceOf, Found};
use super::plan::Plan;
use super::presets::lacks_webhook_secret;
use super::reading::{self, Ours};
use super::request::Unwritable;
use super::settings::Config;
use super::template::Values;
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::halt::Brake;
use crate::provider::exchange::{Finding, Webhook};
use crate::provider::rest::amount::Rounding;
use crate::provider::rest::{Answer, Client, Request};
use crate::provider::settings::{Callback, Setup};
use crate::provider::{Outcome, Submission};
use crate::setting::SecretText;
use crate::sms::message::MessageId;
use crate::sms::money::Money;
use crate::sms::number::Number;
use crate::sms::text;

/// The provider. It has no `Debug`: it holds keys. See the module's text.
pub struct Gateway {
    pub(super) name: String,
    pub(super) plan: Plan,
    credentials: Credentials,
    pub(super) webhook_secret: Option<SecretText>,
    pub(super) webhook: Webhook,
    /// Where the gateway can reach us, if it tells anything.
    pub(super) callback: Option<Callback>,
    /// Whether the settings speak of webhooks that cannot come, and why not.
    unreached: Option<&'static str>,
    pub(super) clock: SharedClock,
    pub(super) client: Client,
}

impl Gateway {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |why: String| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {why}", config.name));
        let plan = Plan::of(config).map_err(wrong)?;
        let callback = setup.callback.clone().filter(|_| plan.hooks.is_some());
        if callback.is_none() && plan.shape.demands("callback_url") {
            return Err(wrong(
                "send.text has {callback_url}, and there is none: set [http] public_url, and webhooks"
                    .to_owned(),
            ));
        }
        let unreached = if plan.hooks.is_some() && setup.callback.is_none() {
            Some("[http] public_url is not set")
        } else if setup.callback.is_some() && lacks_webhook_secret(config) {
            Some("webhook_secret is not set")
        } else {
            None
        };
        let client = Client::at(
            &config.name,
            plan.base.clone(),
            &config.http,
            Arc::clone(&setup.clock),
            plan.reading.words.clone(),
        )?;
        Ok(Self {
            name: config.name.clone(),
            credentials: Credentials {
                user: setup.secrets.get("user").cloned(),
                secret: setup.secrets.get("secret").cloned(),
            },
            webhook_secret: setup.secrets.get("webhook_secret").cloned(),
            webhook: plan.hooks.as_ref().map_or(Webhook::POST, Hooks::webhook),
            callback,
            unreached,
            clock: Arc::clone(&setup.clock),
            client,
            plan,
        })
    }

    /// What a request is filled with that speaks of no message.
    fn values(&self) -> Values {
        self.plan.values.clone().with_some("from", self.plan.from.as_deref())
    }

    /// The request that sends a message.
    ///
    /// # Errors
    /// What of it cannot be written so that it stays in its place.
    pub(super) fn request(&self, submission: &Submission) -> std::result::Result<Request, Unwritable> {
        let to =
            self.plan.numbers.write(&submission.to).ok_or("the number is not of the gateway's country")?;
        let is_gsm = text::plan(&submission.text).encoding == text::Encoding::Gsm7;
        let kind = self.plan.types.as_ref().map(|(gsm, unicode)| if is_gsm { gsm } else { unicode });
        let in_body = matches!(self.plan.auth, Auth::Body);
        let shown = |secret: &Option<SecretText>| {
            secret.as_ref().filter(|_| in_body).map(|secret| secret.expose().to_owned())
        };
        // The first of a name counts, so that no value of the operator's stands for it.
        let values = Values::default()
            .with("to", to)
            .with_some("from", submission.from.as_deref().or(self.plan.from.as_deref()))
            .with("text", submission.text.as_str())
            .with("id", submission.id.as_str())
            .with_some("type", kind.cloned())
            .with("parts", submission.segments.to_string())
            .with_some(
                "callback_url",
                self.callback.as_ref().map(|callback| callback.url(Some(&submission.id))),
            )
            .with("time", self.clock.now().rfc3339())
            .with_some("user", shown(&self.credentials.user))
            .with_some("secret", shown(&self.credentials.secret))
            .and(&self.plan.values);
        Ok(self.plan.auth.show(self.plan.shape.request(&values)?, &self.credentials))
    }

    /// Checks that a text can be written.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`], [`ErrorKind::SenderNotAllowed`] or
    /// [`ErrorKind::DestinationNotAllowed`].
    pub(super) fn writable(&self, to: &Number, from: Option<&str>, text: &str) -> Result<()> {
        let submission = Submission {
            id: MessageId::new(0, 0),
            to: to.clone(),
            from: from.map(str::to_owned),
            text: text.to_owned(),
            segments: 1,
            ceiling: None,
            brake: Brake::default(),
        };
        self.request(&submission).map(drop).map_err(|Unwritable { code, why }| Error::new(code, why))
    }

    /// What an answer to a send means.
    pub(super) fn outcome(&self, answer: &Answer, submission: &Submission) -> Outcome {
        let ours = Ours { id: submission.id.as_str(), to: &submission.to, numbers: &self.plan.numbers };
        self.plan.reading.outcome(answer, ours, |answer| self.client.meaning(answer))
    }

    pub(super) fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.name))
    }

    /// Looks a message up.
    ///
    /// # Errors
    /// See [`Provider`](crate::provider::Provider).
    pub(super) async fn look_up(&self, (id, to, vendor_id): (&MessageId, &Number, &str)) -> Result<Found> {
        let Some(lookup) = &self.plan.lookup else {
            return Err(Error::new(ErrorKind::NotSupported, "this provider has no status to ask for"));
        };
        let values = Values::default()
            .with("vendor_id", vendor_id)
            .with("id", id.as_str())
            .with_some("to", self.plan.numbers.write(to))
            .and(&self.plan.values);
        let Some(request) = lookup.request(&values) else { return Ok(Found::Nothing) };
        let answer = match self.client.read(&self.plan.auth.show(request, &self.credentials)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            read => read?,
        };
        let asked = Asked { vendor_id, id, to, numbers: &self.plan.numbers };
        lookup.read(&answer, &asked, self.clock.now()).map_err(|why| self.wrong(&why))
    }

    /// What is left to spend.
    ///
    /// # Errors
    /// See [`Provider`](crate::provider::Provider).
    pub(super) async fn money_left(&self) -> Result<Money> {
        let request =
            self.plan.balance.as_ref().and_then(|balance| Some((balance, balance.request(&self.values())?)));
        let Some((balance, request)) = request else {
            return Err(Error::new(ErrorKind::NotSupported, "this provider has no balance to ask for"));
        };
        let answer = self.client.read(&self.plan.auth.show(request, &self.credentials)).await?;
        let value = reading::value_of(&answer);
        let money =
            balance.amount.money(BalanceOf::seen(&answer, &value, &Memo::default()), Rounding::Nearest);
        money.ok_or_else(|| self.wrong("the answer has no balance with its currency"))
    }

    /// Asks what the live check asks.
    ///
    /// # Errors
    /// See [`Provider`](crate::provider::Provider).
    pub(super) async fn ask(&self) -> Result<()> {
        let Some(request) = self
            .plan
            .check
            .as_ref()
            .and_then(|check| check.request(::http::Method::GET, &self.values()).ok())
        else {
            return Ok(());
        };
        let answer = self.client.read(&self.plan.auth.show(request, &self.credentials)).await?;
        match reading::value_of(&answer).is_null() {
            true => Err(self.wrong("the answer is no JSON")),
            false => Ok(()),
        }
    }

    /// What is known of receipts, for the live check.
    pub(super) fn reports(&self) -> Finding {
        let (receipts, _) = self.plan.hooks.as_ref().map_or((false, false), Hooks::tells);
        let polled = if self.plan.lookup.is_some() {
            "receipts are polled"
        } else {
            "no receipts come, and no message is looked up: what was sent stays `sent`"
        };
        match self.unreached {
            Some(why) => Finding::warning(format!("{why}: {polled}, and no replies come in")),
            None if receipts => Finding::fine("receipts come by webhook"),
            None => Finding::fine(polled),
        }
    }
}
