//! A phone, or an account with phones: how it is asked, and what it has of a message.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::answers::{self, CONFLICT, Refusals, Shown};
use super::settings::Config;
use super::webhook::Hooks;
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::VendorMessage;
use crate::provider::rest::wording::Wording;
use crate::provider::rest::{Answer, Client, Request, digits, path_part, unreadable};
use crate::provider::settings::{Callback, Settings as _, Setup};
use crate::provider::signature::{Encoding, Hash, Key};
use crate::provider::{Outcome, Submission};
use crate::setting::SecretText;
use crate::sms::money::Money;
use crate::sms::number::Number;

/// What is shown for us.
enum Login {
    User(String, SecretText),
    Token(SecretText),
}

/// The provider. It has no `Debug`: it holds a password. See the module's text.
pub struct SmsGateway {
    pub(super) config: Config,
    login: Login,
    pub(super) hooks: Hooks,
    /// Where the phone can reach us, if what it says can be believed.
    pub(super) callback: Option<Callback>,
    /// Whether the phone could reach us, if what it says could be believed.
    pub(super) is_unsigned: bool,
    pub(super) wording: Wording,
    pub(super) clock: SharedClock,
    pub(super) client: Client,
}

/// What is sent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    id: &'a str,
    phone_numbers: [&'a str; 1],
    text_message: Text<'a>,
    with_delivery_report: bool,
    is_encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sim_number: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

impl SmsGateway {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |why: &str| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {why}", config.name));
        config.check().map_err(|why| wrong(&why))?;
        let secret = |name: &str| setup.secrets.get(name).cloned();
        let login = match (&config.user, secret("password"), secret("token")) {
            (_, _, Some(token)) => Login::Token(token),
            (Some(user), Some(password), _) => Login::User(user.clone(), password),
            _ => return Err(wrong("user and password are not set, and no token either")),
        };
        let key = |secret: SecretText| Key::new(Hash::Sha256, Encoding::Hex, secret.expose().as_bytes());
        let key = secret("signing_key").map(key);
        let is_unsigned = setup.callback.is_some() && key.is_none();
        let callback = setup.callback.clone().filter(|_| key.is_some());
        let wording = Wording::new(&answers::WORDS, &config.sent_words);
        let nothing = (config.price.0 == 0).then_some(Money { micros: 0, currency: config.currency });
        let base = config.base().map_err(|why| wrong(&why))?;
        let clock = Arc::clone(&setup.clock);
        Ok(Self {
            config: config.clone(),
            login,
            hooks: Hooks { key, nothing },
            callback,
            is_unsigned,
            wording,
            client: Client::at(&config.name, base, &config.http, Arc::clone(&clock), Refusals)?,
            clock,
        })
    }

    /// The request with what it shows for us.
    pub(super) fn signed_in(&self, request: Request) -> Request {
        match &self.login {
            Login::User(user, password) => request.basic(user, password),
            Login::Token(token) => request.bearer(token),
        }
    }

    pub(super) async fn read(&self, request: Request) -> Result<Value> {
        let answer = self.client.read(&self.signed_in(request)).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }

    /// Changes something that is no send. The answer may be empty.
    pub(super) async fn change(&self, request: Request) -> Result<Value> {
        let answer = self.client.change(&self.signed_in(request)).await?;
        if answer.body.is_empty() {
            return Ok(serde_json::json!({ "done": true }));
        }
        answer.json().map_err(|why| self.wrong(&why))
    }

    pub(super) fn wrong(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }

    /// What so many segments cost.
    pub(super) fn price_of(&self, segments: u32) -> Option<Money> {
        Money { micros: self.config.price.0, currency: self.config.currency }.times(segments)
    }

    /// What a text costs where all of them cost nothing.
    pub(super) fn nothing(&self) -> Option<Money> {
        self.hooks.nothing
    }

    /// What is there of the message of this id, to this person.
    pub(super) async fn shown(&self, id: &str, to: &Number) -> Result<Option<Value>> {
        let Some(part) = path_part(id) else { return Ok(None) };
        let body = match self.read(Request::get(format!("messages/{part}"))).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let shown = Shown(&body);
        let is_it = shown.id().as_deref() == Some(id);
        // The phone may show a number as it wrote it.
        let is_theirs = shown.to().is_none_or(|written| digits::is_same(written, to));
        Ok((is_it && is_theirs).then_some(body))
    }

    /// The same as one of the vendor's messages.
    pub(super) async fn found(&self, id: &str, to: &Number) -> Result<Option<VendorMessage>> {
        let Some(body) = self.shown(id, to).await? else { return Ok(None) };
        let found = Shown(&body).found(id, &self.wording).map_err(|why| self.wrong(&why))?;
        // Where texts cost nothing, this one did; else it costs what was held for it.
        Ok(Some(VendorMessage { price: self.nothing(), ..found }))
    }

    /// Hands a message over, once.
    pub(super) async fn hand_over(&self, submission: &Submission) -> Outcome {
        let body = Body {
            id: submission.id.as_str(),
            phone_numbers: [submission.to.e164()],
            text_message: Text { text: &submission.text },
            with_delivery_report: true,
            is_encrypted: false,
            ttl: self.config.ttl.map(|ttl| ttl.duration().as_secs()),
            sim_number: self.config.sim,
            device_id: self.config.device.as_deref(),
        };
        // The number is one that was read here, which knows the countries better than the app does.
        let request = Request::post("messages").query("skipPhoneValidation", true).carrying(&[submission]);
        let mut is_there = false;
        let request = self.signed_in(request.json(&body));
        let answered = self.client.submit_and_hear(&request, |refusal| is_there = refusal.status == CONFLICT);
        let outcome = match answered.await {
            Ok(answer) => self.verdict(submission, &answer),
            Err(outcome) => outcome,
        };
        if is_there && let Ok(Some(earlier)) = self.found(submission.id.as_str(), &submission.to).await {
            return Outcome::found(earlier);
        }
        outcome.findable(&submission.id)
    }

    fn verdict(&self, submission: &Submission, answer: &Answer) -> Outcome {
        let body = match answer.json::<Value>() {
            Ok(body) => body,
            Err(why) => return unreadable(answer, &why),
        };
        let (shown, id) = (Shown(&body), submission.id.as_str());
        if shown.id().as_deref() != Some(id) {
            return unreadable(answer, "the answer does not show the message");
        }
        if shown.to().is_some_and(|written| !digits::is_same(written, &submission.to)) {
            return unreadable(answer, "the answer has the message's id with another recipient");
        }
        shown.outcome(answer, id, &self.wording, self.price_of(submission.segments))
    }
}
