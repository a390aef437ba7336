//! An account at Infobip: how it is asked, what one request with messages becomes, and what the log has of a
//! message.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::answers::{Refusals, Shown, Standing};
use super::settings::Config;
use super::webhook::{Hooks, Proof};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::VendorMessage;
use crate::provider::rest::{Answer, Client, Request, digits, unreadable, wording};
use crate::provider::settings::{Callback, Settings as _, Setup};
use crate::provider::signature::{BasicLogin, Key};
use crate::provider::{Outcome, Submission};
use crate::setting::SecretText;
use crate::sms::number::Number;

/// Most entries of the log that are asked for about one message. There is one, and one more for each time
/// that its id was refused as a duplicate.
const MOST_ENTRIES: u32 = 10;

/// The provider. It has no `Debug`: it holds a key. See the module's text.
pub struct Infobip {
    pub(super) config: Config,
    key: SecretText,
    pub(super) hooks: Hooks,
    pub(super) callback: Option<Callback>,
    pub(super) clock: SharedClock,
    pub(super) client: Client,
}

/// What is sent.
#[derive(Serialize)]
struct Body<'a> {
    messages: Vec<Message<'a>>,
    options: Options,
}

/// One message of it.
#[derive(Serialize)]
struct Message<'a> {
    sender: &'a str,
    destinations: [Destination<'a>; 1],
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhooks: Option<Webhooks>,
}

#[derive(Serialize)]
struct Destination<'a> {
    to: &'a str,
    #[serde(rename = "messageId")]
    message_id: &'a str,
}

#[derive(Serialize)]
struct Content<'a> {
    text: &'a str,
}

/// Where reports about one message go.
#[derive(Serialize)]
struct Webhooks {
    delivery: Reports,
    #[serde(rename = "contentType")]
    content_type: &'static str,
}

#[derive(Serialize)]
struct Reports {
    url: String,
}

/// What is asked for besides. Nothing about tracking: once any of that is given, addresses in texts are
/// replaced by short ones.
#[derive(Serialize)]
struct Options {
    #[serde(rename = "includeSmsCountInResponse")]
    include_sms_count_in_response: bool,
}

impl Infobip {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |why: String| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {why}", config.name));
        config.check().map_err(wrong)?;
        let secret = |name: &str| setup.secrets.get(name);
        let mut proofs = Vec::new();
        if let (Some(user), Some(password)) = (&config.webhook_user, secret("webhook_password")) {
            proofs.push(Proof::Login(BasicLogin::new(user, password)));
        }
        if let (Some(header), Some(secret)) = (&config.webhook_header, secret("webhook_secret")) {
            let secret = secret.expose().as_bytes();
            let key = Key::new(config.webhook_hash, config.webhook_encoding, secret);
            proofs.push(Proof::Signature { header: header.to_ascii_lowercase(), key });
        }
        Ok(Self {
            config: config.clone(),
            key: setup.secrets.demand("api_key")?,
            hooks: Hooks { provider: config.name.clone(), proofs },
            callback: setup.callback.clone(),
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
        request.authorization("App", &self.key)
    }

    pub(super) async fn read(&self, request: Request) -> Result<Value> {
        let answer = self.client.read(&self.signed_in(request)).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    /// Asks for something by a POST that changes nothing.
    pub(super) async fn ask(&self, request: Request) -> Result<Value> {
        let answer = self.client.change(&self.signed_in(request)).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    pub(super) fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }

    /// What the log has of a message to this person, newest news last. Infobip keeps it for 48 hours.
    pub(super) async fn logged(&self, id: &str, to: &Number) -> Result<Vec<Value>> {
        let request = Request::get("sms/3/logs").query("messageId", id).query("limit", MOST_ENTRIES);
        let body = self.read(request).await?;
        let entries = Shown::all(&body, "results").ok_or_else(|| self.wrong("the answer has no results"))?;
        let is_it = |shown: &Shown<'_>| {
            let is_theirs = shown.to().is_none_or(|written| digits::is_same(&written, to));
            is_theirs && shown.id().as_deref() == Some(id)
        };
        Ok(entries.into_iter().filter(is_it).map(|shown| shown.0.clone()).collect())
    }

    /// What Infobip has of the message of this id.
    pub(super) async fn found(&self, id: &str, to: &Number) -> Result<Option<VendorMessage>> {
        let entries = self.logged(id, to).await?;
        for entry in &entries {
            if let Some(found) = Shown(entry).found(id).map_err(|why| self.wrong(&why))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn message<'a>(&'a self, submission: &'a Submission) -> Message<'a> {
        let bare = |number: &'a str| number.strip_prefix('+').unwrap_or(number);
        // What an account's subscription tells is proven, so that it need not be asked for.
        let callback = self.callback.as_ref().filter(|_| self.hooks.proofs.is_empty());
        Message {
            sender: bare(self.sender(submission.from.as_deref())),
            destinations: [Destination {
                to: bare(submission.to.e164()),
                message_id: submission.id.as_str(),
            }],
            content: Content { text: &submission.text },
            webhooks: callback.map(|callback| Webhooks {
                delivery: Reports { url: callback.url(Some(&submission.id)) },
                content_type: "application/json",
            }),
        }
    }

    /// Hands over one request. As many outcomes as submissions, in their order.
    pub(super) async fn hand_over(&self, submissions: &[&Submission]) -> Vec<Outcome> {
        let body = Body {
            messages: submissions.iter().map(|submission| self.message(submission)).collect(),
            options: Options { include_sms_count_in_response: true },
        };
        let request = self.signed_in(Request::post("sms/3/messages")).carrying(submissions).json(&body);
        let answer = match self.client.submit(&request).await {
            Ok(answer) => answer,
            Err(outcome) => {
                return submissions.iter().map(|one| outcome.clone().findable(&one.id)).collect();
            }
        };
        let body = match answer.json::<Value>() {
            Ok(body) => body,
            Err(why) => {
                let lost = unreadable(&answer, &why);
                return submissions.iter().map(|one| lost.clone().findable(&one.id)).collect();
            }
        };
        let mut outcomes = Vec::with_capacity(submissions.len());
        for submission in submissions {
            outcomes.push(self.verdict(submission, &body, &answer).await);
        }
        outcomes
    }

    /// What the answer says of one message. Where it says that a message of its id was there already, that is
    /// looked up: it is this one, whose answer was lost.
    async fn verdict(&self, submission: &Submission, body: &Value, answer: &Answer) -> Outcome {
        let id = submission.id.as_str();
        let unclear = |why: &str| unreadable(answer, why).findable(&submission.id);
        if wording::names_an_error(body) || body.get("requestError").is_some() {
            return unclear("the answer names an error beside what it took");
        }
        let entries = Shown::all(body, "messages").unwrap_or_default();
        let mut own = entries.iter().filter(|shown| shown.id().as_deref() == Some(id));
        let (Some(shown), None) = (own.next(), own.next()) else {
            return unclear("the answer does not have one verdict on the message");
        };
        if shown.to().is_some_and(|written| !digits::is_same(&written, &submission.to)) {
            return unclear("the answer has the message's id with another recipient");
        }
        if shown.standing() != Some(Standing::Duplicate) {
            return shown.outcome(answer, id);
        }
        match self.found(id, &submission.to).await {
            Ok(Some(earlier)) => Outcome::found(earlier),
            // It was there: that it is not found now is no word about it.
            Ok(None) | Err(_) => shown.outcome(answer, id),
        }
    }
}
