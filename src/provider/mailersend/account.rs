//! An account at MailerSend: how it is asked, and what one request with texts becomes.

use std::collections::HashSet;
use std::sync::Arc;

use ::http::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::answers::{self, Reading, e164, has_next, id, items, text};
use super::limits::{self, Limits, Words};
use super::settings::Config;
use super::webhook::{self, Hooks};
use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::Finding;
use crate::provider::rest::wording::{self, Said, Wording};
use crate::provider::rest::{Answer, Client, Request, unreadable};
use crate::provider::settings::{Callback, Settings as _, Setup};
use crate::provider::{Outcome, Submission};
use crate::setting::SecretText;
use crate::sms::message::State;

/// Most recipients of one request.
pub(super) const MAX_RECIPIENTS: u16 = 50;

/// Entries of one page of a list; their most.
pub(super) const PAGE: u32 = 100;

/// Most pages that are read in search of people. Each is a request, of which there are 60 in a minute.
const MAX_PAGES: u32 = 50;

/// The template that stands for each recipient's own text.
const TEMPLATE: &str = "{{text}}";

/// What the vendor could read as more than letters: placeholders, and what else its template language knows.
const PLACEHOLDERS: [&str; 4] = ["{{", "{%", "{#", "{$"];

/// The provider. It has no `Debug`: it holds a token. See the module's text.
pub struct Mailersend {
    pub(super) name: String,
    pub(super) from: String,
    pub(super) sms_number_id: Option<String>,
    pub(super) any_destination: bool,
    pub(super) reading: Reading,
    pub(super) token: SecretText,
    pub(super) hooks: Hooks,
    pub(super) callback: Option<Callback>,
    pub(super) clock: SharedClock,
    pub(super) limits: Arc<Limits>,
    pub(super) client: Client,
}

/// The body of a send.
#[derive(Serialize)]
struct Message<'a> {
    from: &'a str,
    to: Vec<&'a str>,
    text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    personalization: Vec<Personal<'a>>,
}

/// What one recipient gets.
#[derive(Serialize)]
struct Personal<'a> {
    phone_number: &'a str,
    data: Whole<'a>,
}

/// The value of the template's placeholder.
#[derive(Serialize)]
struct Whole<'a> {
    text: &'a str,
}

impl Mailersend {
    /// Makes it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(config: &Config, setup: &Setup) -> Result<Self> {
        let wrong =
            |what: &str| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {what}", config.name));
        config.check().map_err(|why| wrong(&why))?;
        let secret = |name: &str| setup.secrets.get(name).cloned();
        let (signing, inbound) = (secret("signing_secret"), secret("inbound_secret"));
        if [&signing, &inbound].into_iter().flatten().any(|secret| secret.expose() == webhook::PING_SECRET) {
            return Err(wrong(
                "this secret is the one of MailerSend's test pings, which everybody knows; use your \
                 webhook's own",
            ));
        }
        let limits = Limits::new(Arc::clone(&setup.clock));
        let words = Words(Arc::clone(&limits));
        let reading =
            Reading { wording: Wording::new(&answers::WORDS, &config.sent_words), currency: config.currency };
        Ok(Self {
            name: config.name.clone(),
            from: config.from.clone().unwrap_or_default(),
            sms_number_id: config.sms_number_id.clone(),
            any_destination: config.any_destination,
            reading: reading.clone(),
            token: setup.secrets.demand("token")?,
            hooks: Hooks { signing, inbound, reading },
            callback: setup.callback.clone(),
            clock: Arc::clone(&setup.clock),
            limits,
            client: Client::new(
                &config.name,
                &config.base_url,
                &config.http,
                Arc::clone(&setup.clock),
                words,
            )?,
        })
    }

    /// Hands over one request; what became of it is the same for all of it. `named` is where the recipients
    /// stand for whom the vendor refused it, if it was for some of them alone.
    pub(super) async fn hand_over(&self, submissions: &[&Submission], named: &mut Vec<usize>) -> Outcome {
        let Some(first) = submissions.first() else {
            return Outcome::Rejected { code: ErrorKind::Internal, why: "no message to send".to_owned() };
        };
        let recipients: HashSet<&str> = submissions.iter().map(|submission| submission.to.e164()).collect();
        let is_one_sender = submissions.iter().all(|submission| submission.from == first.from);
        if submissions.len() > usize::from(MAX_RECIPIENTS)
            || recipients.len() < submissions.len()
            || !is_one_sender
        {
            let why =
                format!("one request is for up to {MAX_RECIPIENTS} different recipients and one sender");
            return Outcome::Rejected { code: ErrorKind::Internal, why };
        }
        if let Some(wait_ms) = self.limits.wait_ms() {
            return Outcome::NotSent {
                retry_after_ms: Some(wait_ms),
                why: "the account's requests are used up for now".to_owned(),
            };
        }
        let request = Request::post("sms")
            .bearer(&self.token)
            .carrying(submissions)
            .json(&self.message(first, submissions));
        match self
            .client
            .submit_and_hear(&request, |refusal| *named = limits::recipients_named(refusal))
            .await
        {
            Ok(answer) => {
                self.limits.note(&answer);
                taken(&answer)
            }
            Err(outcome) => {
                // Only what was refused for certain goes once more without them.
                if !matches!(outcome, Outcome::Rejected { .. }) {
                    named.clear();
                }
                outcome
            }
        }
    }

    fn message<'a>(&'a self, first: &'a Submission, submissions: &[&'a Submission]) -> Message<'a> {
        let is_plain = submissions.iter().all(|submission| submission.text == first.text)
            && !PLACEHOLDERS.iter().any(|placeholder| first.text.contains(placeholder));
        let personal = |submission: &'a Submission| Personal {
            phone_number: submission.to.e164(),
            data: Whole { text: &submission.text },
        };
        Message {
            from: first.from.as_deref().unwrap_or(&self.from),
            to: submissions.iter().map(|submission| submission.to.e164()).collect(),
            text: if is_plain { &first.text } else { TEMPLATE },
            personalization: if is_plain {
                Vec::new()
            } else {
                submissions.iter().copied().map(personal).collect()
            },
        }
    }

    /// Reads something, unless the limits say that it would be refused.
    pub(super) async fn ask(&self, request: Request) -> Result<Value> {
        self.spare()?;
        let answer =
            self.client.read(&request.bearer(&self.token)).await.map_err(|error| self.with_wait(error))?;
        self.read(&answer)
    }

    /// Changes something that is no send.
    pub(super) async fn change(&self, method: Method, path: String, body: Option<Value>) -> Result<Value> {
        self.spare()?;
        let mut request = Request::new(method, path).bearer(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = self.client.change(&request).await.map_err(|error| self.with_wait(error))?;
        if answer.body.is_empty() {
            self.limits.note(&answer);
            return Ok(json!({ "done": true }));
        }
        self.read(&answer)
    }

    /// Asks how many requests of the day are left. That request itself does not count as one.
    pub(super) async fn quota(&self) -> Result<Value> {
        let request = Request::get("api-quota").bearer(&self.token);
        let answer = self.client.read(&request).await.map_err(|error| self.with_wait(error))?;
        let quota = self.read(&answer)?;
        if let Some(left) = quota.get("remaining").and_then(Value::as_u64) {
            self.limits.note_day(left, text(&quota, "/reset"));
        }
        Ok(quota)
    }

    fn read(&self, answer: &Answer) -> Result<Value> {
        self.limits.note(answer);
        answer
            .json()
            .map_err(|why| Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.name)))
    }

    /// An error while a limit is used up: the requests that are left belong to messages, and there are none.
    pub(super) fn spare(&self) -> Result<()> {
        match self.limits.wait_ms() {
            Some(wait_ms) => {
                let why = format!("{}: the account's requests are used up for now", self.name);
                Err(Error::new(ErrorKind::ProviderUnavailable, why).retry_after_ms(wait_ms))
            }
            None => Ok(()),
        }
    }

    /// Adds how long to wait to a refusal that does not say so.
    pub(super) fn with_wait(&self, error: Error) -> Error {
        match self.limits.wait_ms() {
            Some(wait_ms) if error.kind() == ErrorKind::ProviderUnavailable => error.retry_after_ms(wait_ms),
            _ => error,
        }
    }

    /// Walks over the recipients with this status until `is_found` says so; false where none was.
    pub(super) async fn walk(
        &self,
        status: &str,
        mut is_found: impl FnMut(&Value) -> bool + Send,
    ) -> Result<bool> {
        for page in 1..=MAX_PAGES {
            let request = Request::get("sms-recipients")
                .query("status", status)
                .query("page", page)
                .query("limit", PAGE);
            let answer = self.ask(request).await?;
            if items(&answer, "/data").iter().any(&mut is_found) {
                return Ok(true);
            }
            if !has_next(&answer, page) {
                return Ok(false);
            }
        }
        let why =
            format!("{}: more than {} recipients; the rest was not looked at", self.name, MAX_PAGES * PAGE);
        Err(Error::new(ErrorKind::ProviderUnavailable, why))
    }

    pub(super) fn sender(&self) -> &str {
        &self.from
    }

    pub(super) fn sms_number_id(&self) -> Option<&str> {
        self.sms_number_id.as_deref()
    }

    pub(super) fn callback_url(&self) -> Option<String> {
        self.callback.as_ref().map(|callback| callback.url(None))
    }

    /// Whether receipts come by webhook.
    pub(super) fn is_told(&self) -> bool {
        self.hooks.signing.is_some() && self.callback.is_some()
    }

    pub(super) fn finding_about_number(&self, numbers: &Value) -> Finding {
        let own = items(numbers, "/data")
            .iter()
            .find(|number| text(number, "/telephone_number").map(e164).as_deref() == Some(&self.from));
        let Some(own) = own else {
            return Finding::warning("`from` is none of the account's numbers, so nothing can be sent");
        };
        if own.get("paused").and_then(Value::as_bool) == Some(true) {
            return Finding::warning(
                "the number `from` is paused: texts are held back (`numbers-resume` lets them go)",
            );
        }
        match (self.sms_number_id(), id(own, "/id")) {
            (Some(configured), Some(real)) if configured != real => {
                Finding::warning(format!("sms_number_id is not that of `from`, which is {real}"))
            }
            _ => Finding::fine("the number `from` is one of the account's and not paused"),
        }
    }
}

/// What a 2xx says. The id stands in a header, so a body that is lost loses nothing; one that names an error
/// contradicts it.
fn taken(answer: &Answer) -> Outcome {
    let vendor_id = limits::message_id(answer);
    if answer.json::<Value>().is_ok_and(|body| wording::names_an_error(&body)) {
        let said = Said::Unclear("the answer names an error beside what it took".to_owned());
        return said.outcome(answer, vendor_id, None, None);
    }
    if vendor_id.is_none() && answer.status != 202 {
        return unreadable(answer, "no message id in the answer");
    }
    let is_held =
        answer.header("x-sms-send-paused").is_some_and(|paused| paused.trim().eq_ignore_ascii_case("true"));
    let status = if is_held { State::Queued } else { State::Sent };
    Outcome::Accepted { vendor_id, status, segments: None, price: None }
}
