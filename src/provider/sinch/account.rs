//! A service plan at Sinch: how it is asked, and what it has under our reference.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::answers::{self, Batch, Refusals};
use super::settings::Config;
use super::webhook::Hooks;
use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Submission;
use crate::provider::exchange::{Sought, VendorMessage};
use crate::provider::rest::wording::Wording;
use crate::provider::rest::{Client, Request, digits};
use crate::provider::settings::{Callback, Settings as _, Setup};
use crate::provider::signature::{BasicLogin, Encoding, Hash, Key};
use crate::setting::SecretText;

/// What begins a parameter in a text.
const PARAMETER: &str = "${";

/// The one parameter that is used here, and a text that consists of it.
const NAME: &str = "text";
const WHOLE: &str = "${text}";

/// How far Sinch's clock may stand from ours, in milliseconds.
const SKEW_MS: i64 = 3_600_000;

/// Entries of one page of a list.
pub(super) const PAGE: u32 = 30;

/// The provider. It has no `Debug`: it holds a token. See the module's text.
pub struct Sinch {
    pub(super) config: Config,
    plan: String,
    token: SecretText,
    pub(super) hooks: Hooks,
    pub(super) callback: Option<Callback>,
    pub(super) wording: Wording,
    pub(super) clock: SharedClock,
    pub(super) client: Client,
}

/// What is sent.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    to: [&'a str; 1],
    from: &'a str,
    body: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<&'static str, Parameter<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_report: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_number_of_message_parts: Option<u32>,
}

#[derive(Serialize)]
struct Parameter<'a> {
    default: &'a str,
}

impl<'a> Body<'a> {
    /// A text to one person. One that has what reads as a parameter travels whole as the value of one, so
    /// that what leaves is what was written.
    pub(super) fn new(to: &'a str, from: &'a str, text: &'a str) -> Self {
        let is_plain = !text.contains(PARAMETER);
        let parameters = [(NAME, Parameter { default: text })];
        Self {
            to: [to],
            from,
            body: if is_plain { text } else { WHOLE },
            kind: "mt_text",
            parameters: parameters.into_iter().filter(|_| !is_plain).collect(),
            delivery_report: None,
            callback_url: None,
            client_reference: None,
            max_number_of_message_parts: None,
        }
    }
}

impl Sinch {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |why: String| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {why}", config.name));
        config.check().map_err(wrong)?;
        let secret = |name: &str| setup.secrets.get(name);
        let key = |secret: &SecretText| Key::new(Hash::Sha256, Encoding::Base64, secret.expose().as_bytes());
        let login = config.webhook_user.as_deref().zip(secret("webhook_password"));
        let wording = Wording::new(&answers::WORDS, &config.sent_words);
        Ok(Self {
            config: config.clone(),
            plan: config.plan.clone().unwrap_or_default(),
            token: setup.secrets.demand("api_token")?,
            hooks: Hooks {
                key: secret("webhook_secret").map(key),
                login: login.map(|(user, password)| BasicLogin::new(user, password)),
                wording: wording.clone(),
            },
            callback: setup.callback.clone(),
            wording,
            clock: Arc::clone(&setup.clock),
            client: Client::new(
                &config.name,
                &config.base_url,
                &config.http,
                Arc::clone(&setup.clock),
                Refusals,
            )?,
        })
    }

    /// Who sends: the one that the message names, else what is configured.
    pub(super) fn sender<'a>(&'a self, named: Option<&'a str>) -> &'a str {
        named.or(self.config.from.as_deref()).unwrap_or_default()
    }

    /// The request with what it shows for us.
    pub(super) fn signed_in(&self, request: Request) -> Request {
        request.bearer(&self.token)
    }

    /// The path of something of the plan.
    pub(super) fn of_plan(&self, what: &str) -> String {
        format!("xms/v1/{}/{what}", self.plan)
    }

    pub(super) async fn read(&self, request: Request) -> Result<Value> {
        let answer = self.client.read(&self.signed_in(request)).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    pub(super) fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }

    /// The request that sends this message.
    pub(super) fn batch_of(&self, submission: &Submission) -> Request {
        let sender = self.sender(submission.from.as_deref());
        let body = Body {
            delivery_report: Some("per_recipient"),
            callback_url: self.callback.as_ref().map(|callback| callback.url(Some(&submission.id))),
            client_reference: Some(submission.id.as_str()),
            // What would take more than was held for it does not go out.
            max_number_of_message_parts: Some(submission.segments.max(1)),
            ..Body::new(submission.to.e164(), sender, &submission.text)
        };
        self.signed_in(Request::post(self.of_plan("batches"))).carrying(&[submission]).json(&body)
    }

    /// One page of batches, from 0, from a moment on. Without one Sinch shows those of the last day alone.
    pub(super) async fn batches(
        &self,
        page: u32,
        since: Option<Timestamp>,
        reference: Option<&str>,
    ) -> Result<Value> {
        let mut request = Request::get(self.of_plan("batches")).query("page", page).query("page_size", PAGE);
        if let Some(since) = since {
            request = request.query("start_date", since.rfc3339());
        }
        if let Some(reference) = reference {
            request = request.query("client_reference", reference);
        }
        self.read(request).await
    }

    /// What Sinch has under our reference. It may have it later than it took it, and more than once, since
    /// nothing keeps references apart.
    pub(super) async fn found(&self, sought: &Sought) -> Result<Option<VendorMessage>> {
        let since = sought.created.plus_ms(-SKEW_MS);
        let answer = self.batches(0, Some(since), Some(sought.id.as_str())).await?;
        let batches = answer.get("batches").and_then(Value::as_array);
        let batches = batches.ok_or_else(|| self.wrong("the answer has no batches"))?;
        let ours = batches.iter().map(Batch).filter(|batch| batch.reference() == Some(sought.id.as_str()));
        let messages = ours.flat_map(|batch| batch.messages());
        Ok(messages.into_iter().find(|message| digits::is_same(&message.to, &sought.to)))
    }
}
