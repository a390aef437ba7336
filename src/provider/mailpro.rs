//! Mailpro: single sends, campaigns to lists that the vendor keeps, and the lists themselves.
//!
//! Its documentation comes in three generations that contradict each other: a guide for agents (JSON, PascalCase), older
//! reference pages (XML, snake_case), and names of functions without their parameters. So answers of both generations
//! are read (`answers`), and what no page says for sure is a setting: each path, the names of some parameters, the form
//! of numbers. There is no sandbox, no idempotency key and no price list. What a send cost is what the answer charges,
//! or the difference of the credits that are left (`meter`), at the worth that the operator gives a credit.
//!
//! A status can be had from the history alone, by number and time (`history`); that is off until configured, as are the
//! functions that the vendor has announced and not opened.
//!
//! The credentials are parameters: form fields of a POST, and part of the address of a GET. So no address is ever
//! logged, and the vendor's words are searched for them before anybody sees them.

mod actions;
mod answers;
mod history;
mod meter;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;

use super::exchange::{Action, Arguments, Campaign, Delivery, Enquiry, Event, Finding, ListQuery, NotBelieved, Page, Receipt};
use super::settings::Setup;
use super::{Balance, Capabilities, Form, Outcome, Provider, Submission};
use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::provider::rest::wording::{Said, Wording};
use crate::provider::rest::{Answer, Client, Dialect, Request, unreadable};
use crate::setting::SecretText;
use crate::sms::caller_id::Sender;
use crate::sms::message::State;
use crate::sms::money::Money;
use crate::sms::number::Number;
use answers::{Tree, Verdict, meaning};
use meter::Meter;

pub use settings::{Config, Format, NumberFormat, Paths};

/// Longest words of the vendor that are kept, in characters.
const MAX_WORDS: usize = 300;

/// Millionths in one.
const MICROS: i128 = 1_000_000;

/// What stands in the place of a credential.
const HIDDEN: &str = "[secret]";

/// Most sends that one report may speak of.
const MAX_REPORTED: usize = 100;

/// Mailpro. See the module's text.
pub struct Mailpro {
    config: Config,
    clock: SharedClock,
    client: Client,
    keys: Keys,
    meter: Meter,
    wording: Wording,
    actions: &'static [Action],
}

/// The credentials. They stand in requests only.
#[derive(Clone)]
struct Keys {
    id_client: SecretText,
    api_key: SecretText,
}

impl Keys {
    /// Takes the credentials out of the vendor's words, as they are and as they stand in addresses and forms.
    fn hide(&self, words: &str) -> String {
        let words = without(&without(words, &self.api_key), &self.id_client);
        words.chars().take(MAX_WORDS).collect()
    }

    /// Takes them out of an answer that an operator asked for. Numbers that happen to hold the short one stay whole.
    fn hide_in(&self, value: &mut serde_json::Value) {
        match value {
            serde_json::Value::String(text) if text == self.id_client.expose() => HIDDEN.clone_into(text),
            serde_json::Value::String(text) => *text = without(text, &self.api_key),
            serde_json::Value::Array(list) => list.iter_mut().for_each(|value| self.hide_in(value)),
            serde_json::Value::Object(object) => object.values_mut().for_each(|value| self.hide_in(value)),
            _ => {}
        }
    }
}

/// A text without this secret, in any of its writings.
fn without(text: &str, secret: &SecretText) -> String {
    let encoded: String = url::form_urlencoded::byte_serialize(secret.expose().as_bytes()).collect();
    text.replace(secret.expose(), HIDDEN).replace(&encoded, HIDDEN)
}

impl Dialect for Keys {
    fn words(&self, answer: &Answer) -> Option<String> {
        Tree::read(answer).ok()?.words().map(|words| self.hide(&words))
    }

    fn verdict(&self, answer: &Answer, _: Timestamp) -> Option<Outcome> {
        // These statuses say it themselves.
        if matches!(answer.status, 401 | 402 | 403 | 407 | 408 | 429) {
            return None;
        }
        let words = self.words(answer)?;
        Some(Outcome::Rejected { code: meaning(&words)?, why: format!("HTTP {}: {words}", answer.status) })
    }
}

impl Mailpro {
    /// Makes the provider. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for an address that cannot be used, or without credentials.
    pub fn new(config: Config, setup: &Setup) -> Result<Self> {
        let keys = Keys { id_client: setup.secrets.demand("id_client")?, api_key: setup.secrets.demand("api_key")? };
        let client = Client::new(&config.name, &config.base_url, &config.http, Arc::clone(&setup.clock), keys.clone())?;
        let actions = actions::offered(&config.paths);
        let wording = Wording::new(&answers::RESULTS, &config.sent_words);
        Ok(Self { config, clock: Arc::clone(&setup.clock), client, keys, meter: Meter::default(), wording, actions })
    }

    /// The credentials, and then these fields.
    fn fields<'a>(&'a self, fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let keys = [("id_client", self.keys.id_client.expose()), ("api_key", self.keys.api_key.expose())];
        keys.into_iter().chain(fields.iter().copied()).collect()
    }

    fn get(&self, path: &str, fields: &[(&str, &str)]) -> Request {
        let request = Request::get(self.config.format.path(path));
        self.fields(fields).into_iter().fold(request, |request, (name, value)| request.query(name, value))
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Request {
        Request::post(self.config.format.path(path)).form(self.fields(fields))
    }

    /// A number as the vendor is told it.
    fn number(&self, number: &Number) -> String {
        match self.config.number_format {
            NumberFormat::Plus => number.e164().to_owned(),
            NumberFormat::Zeros => format!("00{}", number.e164().trim_start_matches('+')),
        }
    }

    /// What so many millionths of a credit are worth, where that is configured; never less than it is.
    fn worth(&self, credits: i64, is_rounded_up: bool) -> Option<Money> {
        let product = i128::from(credits).checked_mul(i128::from(self.config.credit_worth?.0))?;
        let micros = product.checked_add(if is_rounded_up { MICROS - 1 } else { 0 })?.div_euclid(MICROS);
        Some(Money { micros: i64::try_from(micros).ok()?, currency: self.config.currency })
    }

    /// Submits a send or a campaign, once, and reads what became of it.
    async fn submit(&self, request: &Request, status: State) -> Outcome {
        let ticket = self.meter.begin();
        let answer = match self.client.submit(request).await {
            Ok(answer) => answer,
            Err(outcome) => {
                if !matches!(outcome, Outcome::Unknown { .. }) {
                    ticket.free();
                }
                return outcome;
            }
        };
        let tree = match Tree::read(&answer) {
            Ok(tree) => tree,
            Err(why) => return unreadable(&answer, &why),
        };
        match tree.verdict(&self.wording) {
            Verdict::Taken { id, charge, remaining } => {
                let difference = remaining.and_then(|remaining| ticket.left(remaining, self.clock.now()));
                let credits = charge.filter(|charge| *charge >= 0).or(difference.filter(|_| self.config.price_from_remaining));
                Outcome::Accepted { vendor_id: id, status, segments: None, price: credits.and_then(|credits| self.worth(credits, true)) }
            }
            Verdict::Refused { code, words } => {
                ticket.free();
                Outcome::Rejected { code, why: self.keys.hide(&words) }
            }
            Verdict::Unclear { id, why } => Said::Unclear(self.keys.hide(&why)).outcome(&answer, id, None, None),
        }
    }

    /// An answer to anything but a send: what it holds, or the failure that it reports.
    fn tree(&self, answer: &Answer) -> Result<Tree> {
        let tree = Tree::read(answer).map_err(|why| self.unavailable(&why))?;
        match tree.failure(&self.wording) {
            None => Ok(tree),
            Some(words) => {
                let kind = meaning(&words).unwrap_or(ErrorKind::ProviderRejected);
                Err(Error::new(kind, format!("{} answered with a failure", self.config.name)).provider_said(self.keys.hide(&words)))
            }
        }
    }

    async fn ask(&self, request: &Request) -> Result<Tree> {
        self.tree(&self.client.read(request).await?)
    }

    async fn change(&self, request: &Request) -> Result<Tree> {
        self.tree(&self.client.change(request).await?)
    }

    fn unavailable(&self, why: &str) -> Error {
        Error::new(ErrorKind::ProviderUnavailable, format!("{}: {why}", self.config.name))
    }

    /// The sender name to send along. The vendor documents no parameter for it: the account has one of its own.
    fn sender<'a>(&'a self, from: Option<&'a str>) -> Option<(&'a str, &'a str)> {
        self.config.sender_parameter.as_deref().zip(from.or(self.config.from.as_deref()))
    }
}

#[async_trait]
impl Provider for Mailpro {
    fn capabilities(&self) -> Capabilities {
        let (paths, history) = (&self.config.paths, self.config.history);
        Capabilities {
            schedule: true,
            status: history,
            list: history,
            balance: true,
            // A report is unsigned, so it is worth nothing where it cannot be looked up.
            receipts_by_push: self.config.webhook && history,
            receipts_by_poll: history,
            opt_outs: paths.suppressions.is_some(),
            lookup: paths.phone_lookup.is_some() || paths.verify_check.is_some(),
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, _: &Number, _: u32) -> Option<Money> {
        // No page has prices; the operator's [rates] have.
        None
    }

    fn form(&self, _: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        let Some(from) = from.filter(|from| self.config.from.as_deref() != Some(from)) else { return Ok(Form::of(text)) };
        let not_allowed = |why: String| Err(Error::new(ErrorKind::SenderNotAllowed, why));
        if !settings::is_sender(from) {
            return not_allowed(format!("\"{from}\" is no sender name of {}: 1 to 10 letters and digits", self.config.name));
        }
        if self.config.sender_parameter.is_none() {
            return not_allowed(format!("{} shows the sender name of its account, and takes no other with a message", self.config.name));
        }
        Ok(Form::of(text))
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let to = self.number(&submission.to);
        let mut fields = vec![("to", to.as_str()), ("message", submission.text.as_str())];
        fields.extend(self.sender(submission.from.as_deref()));
        let request = self.post(&self.config.paths.send_single, &fields).carrying(&[submission]);
        self.submit(&request, State::Sent).await
    }

    async fn balance(&self) -> Result<Balance> {
        let tree = self.ask(&self.get(&self.config.paths.credit, &[])).await?;
        let micros = tree.credits().ok_or_else(|| self.unavailable("the answer names no credits"))?;
        Ok(Balance::Credits { micros, worth: self.worth(micros, false) })
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        self.look_up(enquiry).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page> {
        self.list_history(query).await
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if !self.config.webhook {
            return Err(NotBelieved::NotExpected);
        }
        let (event, ids) = Tree::read_bytes(delivery.body).map_err(NotBelieved::Malformed)?.report();
        if event.is_some_and(|event| event != "sms.delivered") {
            return Ok(Vec::new());
        }
        match ids.len() {
            0 => Err(NotBelieved::Malformed("it names no send".to_owned())),
            1..=MAX_REPORTED => Ok(ids.into_iter().map(|vendor_id| Event::Hint { vendor_id, message: delivery.message.cloned() }).collect()),
            _ => Err(NotBelieved::Malformed(format!("it names more than {MAX_REPORTED} sends"))),
        }
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        let Some(path) = &self.config.paths.suppressions else { return Ok(Vec::new()) };
        let tree = self.ask(&self.get(path, &[])).await?;
        // Some lists leave the plus or the zeros out, and no page says which country's spelling that is.
        Ok(tree.suppressed().into_iter().map(|(text, at)| Event::OptOut { number: Sender::of(&text), is_out: true, at }).collect())
    }

    async fn opt_out(&self, number: &Number, is_out: bool) -> Result<()> {
        let not_supported = |what: &str| Error::new(ErrorKind::NotSupported, format!("{} has no {what}", self.config.name));
        let path = self.config.paths.suppressions.as_ref().ok_or_else(|| not_supported("list of opt-outs (paths.suppressions)"))?;
        if !is_out {
            return Err(not_supported("documented way off its list of opt-outs; write to its support"));
        }
        self.change(&self.post(path, &[("number", &self.number(number))])).await.map(drop)
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let Balance::Credits { micros, worth } = self.balance().await? else { return Ok(Vec::new()) };
        let credits = crate::sms::money::Amount(micros);
        let worth = worth.map_or_else(String::new, |worth| format!(", worth {worth}"));
        let mut findings = vec![Finding::fine(format!("the credentials work; {credits} credits are left{worth}"))];
        if micros <= 0 {
            findings.push(Finding::warning("no credits are left"));
        }
        if self.config.credit_worth.is_none() {
            findings.push(Finding::warning("credit_worth is not set: real prices are not known, and every send is charged at its rate"));
        }
        if self.config.history {
            self.entries(history::WAITING, None).await?;
            findings.push(Finding::fine("the history can be read"));
        } else if self.config.webhook {
            findings.push(Finding::warning("webhook is on and history is off: reports are not signed, and nothing can confirm them"));
        }
        Ok(findings)
    }

    fn actions(&self) -> &'static [Action] {
        self.actions
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<serde_json::Value> {
        self.do_action(action, arguments).await
    }

    async fn members(&self, list: &str) -> Result<Vec<String>> {
        let tree = self.ask(&self.get(&self.config.paths.phones, &[("id_list", list)])).await?;
        tree.numbers().map_err(|why| self.unavailable(&why))
    }

    async fn campaign(&self, campaign: &Campaign) -> Outcome {
        // Without milliseconds and zone, as the vendor's example has it. No page says which zone is meant; UTC is.
        let at = campaign.at.map(|at| at.rfc3339().chars().take("2026-11-27T12:00:00".len()).collect::<String>());
        let mut fields = vec![(self.config.list_parameter.as_str(), campaign.list.as_str()), ("message", campaign.text.as_str())];
        fields.extend(at.as_deref().map(|at| (self.config.schedule_parameter.as_str(), at)));
        fields.extend(self.sender(None));
        let request = self.post(&self.config.paths.send_list, &fields).id(campaign.id.as_str());
        self.submit(&request, if at.is_some() { State::Queued } else { State::Sent }).await
    }
}
