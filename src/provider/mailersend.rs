//! MailerSend: texts from a toll-free number of the account to the United States and Canada.
//!
//! One request carries one text, or up to 50 different ones, to 50 people. All of a request share one id, which comes in a
//! header of an empty answer; how each of them fares is told by recipient. The text that leaves is exactly the one that was
//! checked and priced: where texts differ, or hold what MailerSend would read as a placeholder, each travels whole as the
//! value of the only placeholder of the template `{{text}}`. The vendor's limits are obeyed before it has to refuse
//! ([`limits`]), its reports are believed when they are signed ([`webhook`]), and a failure that it does not bill costs
//! nothing ([`codes`]).
//!
//! Source: developers.mailersend.com, `api/v1/sms` and its neighbours, and `general` for limits and errors.

pub mod actions;
pub mod answers;
pub mod codes;
pub mod limits;
pub mod webhook;

use std::collections::HashSet;
use std::sync::Arc;

use ::http::Method;
use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{Action, Arguments, Delivery, Enquiry, Event, Finding, ListQuery, NotBelieved, Page, Receipt, VendorMessage};
use crate::provider::rest::wording::{self, Said, Wording};
use crate::provider::rest::{self, Answer, Client, Request, unreadable};
use crate::provider::settings::{Callback, Rate, SecretSetting, Settings, Setup};
use crate::provider::{Capabilities, Form, Outcome, Provider, Submission};
use crate::setting::{Secret, SecretText};
use crate::sms::message::State;
use crate::sms::money::{Currency, Money};
use crate::sms::number::Number;
use answers::{Reading, e164, has_next, id, is_id, items, sender, text};
use limits::{Limits, Words};
use webhook::Hooks;

/// Most recipients of one request.
const MAX_RECIPIENTS: u16 = 50;

/// Longest text, in characters.
const MAX_TEXT: usize = 2_048;

/// Where the vendor delivers.
const COUNTRIES: [&str; 2] = ["US", "CA"];

/// Entries of one page of a list; their most.
const PAGE: u32 = 100;

/// Most pages that are read in search of people. Each is a request, of which there are 60 in a minute.
const MAX_PAGES: u32 = 50;

/// The template that stands for each recipient's own text.
const TEMPLATE: &str = "{{text}}";

/// What the vendor could read as more than letters: placeholders, and what else its template language knows.
const PLACEHOLDERS: [&str; 4] = ["{{", "{%", "{#", "{$"];

/// Settings of MailerSend.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "MailersendConfig")]
pub struct Config {
    /// Your name for it, shown in answers.
    pub name: String,
    /// Address of the API.
    pub base_url: String,
    /// The API token.
    #[serde(skip_serializing)]
    pub token: Option<Secret>,
    /// The account's phone number that sends what names no sender, in E.164. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// MailerSend's id of that number, for webhooks and inbound routes; looked up where it is needed and not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sms_number_id: Option<String>,
    /// The signing secret of the webhook. Without it receipts are polled.
    #[serde(skip_serializing)]
    pub signing_secret: Option<Secret>,
    /// The secret of the inbound route. Without it no replies come in.
    #[serde(skip_serializing)]
    pub inbound_secret: Option<Secret>,
    /// Words for a `status` that mean "sent", besides those that MailerSend documents (`processed`, `queued`, `sent`, `delivered`,
    /// `failed`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sent_words: Vec<String>,
    /// Whether texts may go elsewhere than to the United States and Canada, should MailerSend deliver there.
    pub any_destination: bool,
    /// ISO 4217 currency of your MailerSend bill: that of the 0 which an unbilled failure costs.
    #[serde(with = "crate::setting::currency")]
    #[schemars(with = "String")]
    pub currency: Currency,
    /// How fast it may be used.
    pub rate: Rate,
    /// The connection to it.
    pub http: rest::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "mailersend".to_owned(),
            base_url: "https://api.mailersend.com/v1".to_owned(),
            token: None,
            from: None,
            sms_number_id: None,
            signing_secret: None,
            inbound_secret: None,
            sent_words: Vec::new(),
            any_destination: false,
            currency: Currency::USD,
            rate: Rate { per_minute: Some(60), ..Rate::default() },
            http: rest::Settings::default(),
        }
    }
}

impl Settings for Config {
    fn name(&self) -> &str {
        &self.name
    }

    fn secrets(&self) -> Vec<SecretSetting<'_>> {
        vec![
            SecretSetting { name: "token", secret: self.token.as_ref(), is_required: true },
            SecretSetting { name: "signing_secret", secret: self.signing_secret.as_ref(), is_required: false },
            SecretSetting { name: "inbound_secret", secret: self.inbound_secret.as_ref(), is_required: false },
        ]
    }

    fn rate(&self) -> Rate {
        self.rate
    }

    fn check(&self) -> std::result::Result<(), String> {
        rest::base_url(&self.base_url)?;
        wording::check_sent_words(&self.sent_words)?;
        let from = self.from.as_deref().ok_or("from is not set; it is the account's phone number, such as +18005550123")?;
        if !is_e164(from) {
            return Err("from must be the account's phone number in E.164, such as +18005550123".to_owned());
        }
        if self.sms_number_id.as_deref().is_some_and(|id| !is_id(id)) {
            return Err("sms_number_id must be letters and digits; `sms-mcp provider` lists the numbers with their ids".to_owned());
        }
        Ok(())
    }

    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Mailersend::new(self, &setup)?))
    }
}

/// `+` and 7 to 15 digits.
fn is_e164(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The provider. It has no `Debug`: it holds a token. See the module's text.
pub struct Mailersend {
    name: String,
    from: String,
    sms_number_id: Option<String>,
    any_destination: bool,
    reading: Reading,
    token: SecretText,
    hooks: Hooks,
    callback: Option<Callback>,
    clock: SharedClock,
    limits: Arc<Limits>,
    client: Client,
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
        let wrong = |what: &str| Error::new(ErrorKind::Config, format!("[[provider]] \"{}\": {what}", config.name));
        config.check().map_err(|why| wrong(&why))?;
        let secret = |name: &str| setup.secrets.get(name).cloned();
        let (signing, inbound) = (secret("signing_secret"), secret("inbound_secret"));
        if [&signing, &inbound].into_iter().flatten().any(|secret| secret.expose() == webhook::PING_SECRET) {
            return Err(wrong("this secret is the one of MailerSend's test pings, which everybody knows; use your webhook's own"));
        }
        let limits = Limits::new(Arc::clone(&setup.clock));
        let words = Words(Arc::clone(&limits));
        let reading = Reading { wording: Wording::new(&answers::WORDS, &config.sent_words), currency: config.currency };
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
            client: Client::new(&config.name, &config.base_url, &config.http, Arc::clone(&setup.clock), words)?,
        })
    }

    /// Hands over one request; what became of it is the same for all of it. `named` is where the recipients stand for whom
    /// the vendor refused it, if it was for some of them alone.
    async fn hand_over(&self, submissions: &[&Submission], named: &mut Vec<usize>) -> Outcome {
        let Some(first) = submissions.first() else {
            return Outcome::Rejected { code: ErrorKind::Internal, why: "no message to send".to_owned() };
        };
        let recipients: HashSet<&str> = submissions.iter().map(|submission| submission.to.e164()).collect();
        let is_one_sender = submissions.iter().all(|submission| submission.from == first.from);
        if submissions.len() > usize::from(MAX_RECIPIENTS) || recipients.len() < submissions.len() || !is_one_sender {
            let why = format!("one request is for up to {MAX_RECIPIENTS} different recipients and one sender");
            return Outcome::Rejected { code: ErrorKind::Internal, why };
        }
        if let Some(wait_ms) = self.limits.wait_ms() {
            return Outcome::NotSent { retry_after_ms: Some(wait_ms), why: "the account's requests are used up for now".to_owned() };
        }
        let request = Request::post("sms").bearer(&self.token).carrying(submissions).json(&self.message(first, submissions));
        match self.client.submit_and_hear(&request, |refusal| *named = limits::recipients_named(refusal)).await {
            Ok(answer) => {
                self.limits.note(&answer);
                taken(&answer)
            }
            Err(outcome) => outcome,
        }
    }

    fn message<'a>(&'a self, first: &'a Submission, submissions: &[&'a Submission]) -> Message<'a> {
        let is_plain = submissions.iter().all(|submission| submission.text == first.text)
            && !PLACEHOLDERS.iter().any(|placeholder| first.text.contains(placeholder));
        let personal = |submission: &'a Submission| Personal { phone_number: submission.to.e164(), data: Whole { text: &submission.text } };
        Message {
            from: first.from.as_deref().unwrap_or(&self.from),
            to: submissions.iter().map(|submission| submission.to.e164()).collect(),
            text: if is_plain { &first.text } else { TEMPLATE },
            personalization: if is_plain { Vec::new() } else { submissions.iter().copied().map(personal).collect() },
        }
    }

    /// Reads something, unless the limits say that it would be refused.
    async fn ask(&self, request: Request) -> Result<Value> {
        self.spare()?;
        let answer = self.client.read(&request.bearer(&self.token)).await.map_err(|error| self.with_wait(error))?;
        self.read(&answer)
    }

    /// Changes something that is no send.
    async fn change(&self, method: Method, path: String, body: Option<Value>) -> Result<Value> {
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
    async fn quota(&self) -> Result<Value> {
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
        answer.json().map_err(|why| Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.name)))
    }

    /// An error while a limit is used up: the requests that are left belong to messages, and there are none.
    fn spare(&self) -> Result<()> {
        match self.limits.wait_ms() {
            Some(wait_ms) => {
                let why = format!("{}: the account's requests are used up for now", self.name);
                Err(Error::new(ErrorKind::ProviderUnavailable, why).retry_after_ms(wait_ms))
            }
            None => Ok(()),
        }
    }

    /// Adds how long to wait to a refusal that does not say so.
    fn with_wait(&self, error: Error) -> Error {
        match self.limits.wait_ms() {
            Some(wait_ms) if error.kind() == ErrorKind::ProviderUnavailable => error.retry_after_ms(wait_ms),
            _ => error,
        }
    }

    /// Walks over the recipients with this status until `is_found` says so; false where none was.
    async fn walk(&self, status: &str, mut is_found: impl FnMut(&Value) -> bool + Send) -> Result<bool> {
        for page in 1..=MAX_PAGES {
            let request = Request::get("sms-recipients").query("status", status).query("page", page).query("limit", PAGE);
            let answer = self.ask(request).await?;
            if items(&answer, "/data").iter().any(&mut is_found) {
                return Ok(true);
            }
            if !has_next(&answer, page) {
                return Ok(false);
            }
        }
        let why = format!("{}: more than {} recipients; the rest was not looked at", self.name, MAX_PAGES * PAGE);
        Err(Error::new(ErrorKind::ProviderUnavailable, why))
    }

    fn sender(&self) -> &str {
        &self.from
    }

    fn sms_number_id(&self) -> Option<&str> {
        self.sms_number_id.as_deref()
    }

    fn callback_url(&self) -> Option<String> {
        self.callback.as_ref().map(|callback| callback.url(None))
    }

    /// Whether receipts come by webhook.
    fn is_told(&self) -> bool {
        self.hooks.signing.is_some() && self.callback.is_some()
    }

    fn finding_about_number(&self, numbers: &Value) -> Finding {
        let own = items(numbers, "/data").iter().find(|number| text(number, "/telephone_number").map(e164).as_deref() == Some(&self.from));
        let Some(own) = own else {
            return Finding::warning("`from` is none of the account's numbers, so nothing can be sent");
        };
        if own.get("paused").and_then(Value::as_bool) == Some(true) {
            return Finding::warning("the number `from` is paused: texts are held back (`numbers-resume` lets them go)");
        }
        match (self.sms_number_id(), id(own, "/id")) {
            (Some(configured), Some(real)) if configured != real => Finding::warning(format!("sms_number_id is not that of `from`, which is {real}")),
            _ => Finding::fine("the number `from` is one of the account's and not paused"),
        }
    }
}

/// What a 2xx says. The id stands in a header, so a body that is lost loses nothing; one that names an error contradicts it.
fn taken(answer: &Answer) -> Outcome {
    let vendor_id = answer.header("x-sms-message-id").map(str::trim).filter(|id| is_id(id)).map(ToOwned::to_owned);
    if answer.json::<Value>().is_ok_and(|body| wording::names_an_error(&body)) {
        let said = Said::Unclear("the answer names an error beside what it took".to_owned());
        return said.outcome(answer, vendor_id, None, None);
    }
    if vendor_id.is_none() && answer.status != 202 {
        return unreadable(answer, "no message id in the answer");
    }
    let is_held = answer.header("x-sms-send-paused").is_some_and(|paused| paused.trim().eq_ignore_ascii_case("true"));
    let status = if is_held { State::Queued } else { State::Sent };
    Outcome::Accepted { vendor_id, status, segments: None, price: None }
}

#[async_trait]
impl Provider for Mailersend {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            recipients_per_request: MAX_RECIPIENTS,
            status: true,
            list: true,
            receipts_by_push: self.is_told(),
            receipts_by_poll: !self.is_told(),
            replies: self.hooks.inbound.is_some() && self.callback.is_some(),
            opt_outs: true,
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn price(&self, _: &Number, _: u32) -> Option<Money> {
        None
    }

    fn form(&self, to: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        if text.chars().count() > MAX_TEXT {
            return Err(Error::new(ErrorKind::MessageTooLong, format!("MailerSend takes at most {MAX_TEXT} characters")));
        }
        if from.is_some_and(|from| !is_e164(from)) {
            return Err(Error::new(ErrorKind::SenderNotAllowed, "MailerSend sends from phone numbers of the account only, in E.164"));
        }
        let is_near = to.region().is_some_and(|region| COUNTRIES.contains(&region.as_str()));
        if !is_near && !self.any_destination {
            return Err(Error::new(ErrorKind::DestinationNotAllowed, "MailerSend delivers to the United States and Canada only"));
        }
        Ok(Form::of(text))
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        self.hand_over(&[submission], &mut Vec::new()).await
    }

    /// A request that the vendor refuses as a whole for some of its recipients certainly took nobody's text, so it goes
    /// once more without them: one number that MailerSend does not like is no reason to fail 49 others.
    async fn send_many(&self, submissions: &[Submission]) -> Vec<Outcome> {
        let all: Vec<&Submission> = submissions.iter().collect();
        let mut named = Vec::new();
        let outcome = self.hand_over(&all, &mut named).await;
        let (bad, rest): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(index, _)| named.contains(index));
        if bad.is_empty() || rest.is_empty() {
            return vec![outcome; submissions.len()];
        }
        let rest: Vec<&Submission> = rest.into_iter().map(|(_, submission)| *submission).collect();
        let of_rest = self.hand_over(&rest, &mut Vec::new()).await;
        (0..submissions.len()).map(|index| if named.contains(&index) { outcome.clone() } else { of_rest.clone() }).collect()
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        if !is_id(&enquiry.vendor_id) {
            return Ok(Vec::new());
        }
        let answer = match self.ask(Request::get(format!("sms-messages/{}", enquiry.vendor_id))).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            answer => answer?,
        };
        let message = answer.get("data").unwrap_or(&Value::Null);
        Ok(answers::receipts(message, &enquiry.vendor_id, &self.reading, self.clock.now()))
    }

    async fn list(&self, query: &ListQuery) -> Result<Page> {
        let number = query.page.max(1);
        let answer = self.ask(Request::get("sms-messages").query("page", number).query("limit", PAGE)).await?;
        let mut page = answers::page(&answer, number, &self.reading);
        let is_early = |message: &VendorMessage| query.since.is_some_and(|since| message.at.is_some_and(|at| at < since));
        if page.messages.iter().any(is_early) {
            // They come newest first, so what follows is earlier still.
            page.next = None;
        }
        page.messages.retain(|message| {
            let is_theirs = query.to.as_ref().is_none_or(|to| to.e164() == e164(&message.to));
            is_theirs && query.state.is_none_or(|state| state == message.state) && !is_early(message)
        });
        Ok(page)
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        self.hooks.read(delivery)
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        if self.limits.is_day_used_up() {
            // The owner may have raised the quota, and to ask costs none of it.
            self.quota().await?;
        }
        let mut events = Vec::new();
        let walked = self.walk("opt_out", |recipient| {
            if let Some(number) = text(recipient, "/number") {
                events.push(Event::OptOut { number: sender(number), is_out: true, at: None });
            }
            false
        });
        match walked.await {
            // What was found is told, even where there is more.
            Err(error) if events.is_empty() => Err(error),
            Err(error) => {
                tracing::warn!(provider = %self.name, code = error.kind().as_str(), "not all opt-outs could be read");
                Ok(events)
            }
            Ok(_) => Ok(events),
        }
    }

    async fn opt_out(&self, number: &Number, is_out: bool) -> Result<()> {
        let (now, wanted) = if is_out { ("active", "opt_out") } else { ("opt_out", "active") };
        let mut found = None;
        let is_found = |recipient: &Value| {
            let is_theirs = text(recipient, "/number").map(e164).as_deref() == Some(number.e164());
            found = id(recipient, "/id").filter(|_| is_theirs).map(ToOwned::to_owned);
            found.is_some()
        };
        self.walk(now, is_found).await?;
        if let Some(id) = found {
            self.change(Method::PUT, format!("sms-recipients/{id}"), Some(json!({ "status": wanted }))).await?;
        }
        // Who is not in this list is what is wanted already, or nobody whom MailerSend ever texted.
        Ok(())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let quota = self.quota().await?;
        let count = |name: &str| quota.get(name).and_then(Value::as_u64);
        let mut findings = vec![match (count("remaining"), count("quota")) {
            (Some(0), _) => Finding::warning("the requests of this UTC day are used up"),
            (Some(left), Some(all)) => Finding::fine(format!("{left} of {all} requests are left in this UTC day")),
            _ => Finding::fine("the token works"),
        }];
        let numbers = self.ask(Request::get("sms-numbers").query("limit", PAGE)).await?;
        findings.push(self.finding_about_number(&numbers));
        findings.push(Finding::fine(if self.is_told() { "receipts come by webhook" } else { "receipts are polled: there is no webhook" }));
        Ok(findings)
    }

    fn actions(&self) -> &'static [Action] {
        &actions::ACTIONS
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<Value> {
        actions::act(self, action, arguments).await
    }
}
