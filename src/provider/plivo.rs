//! Plivo: one text a request, by a number of the account or by a Powerpack, with signed reports and texts of
//! people, look-ups by id, the account's credit, its prices by country, and its list.
//!
//! Plivo keeps no reference of ours and takes no idempotency key, so an answer that is lost stays unknown until
//! a signed report comes to the message's own address ([`webhook`]). Its list has no texts, so nothing is
//! recognised in it. Opt-outs and missing credit are said to come as codes of a later report, and not as
//! refusals: what no page has for certain is a setting ([`codes`]).
//!
//! Not used: several recipients of one request, since its answer does not say whose id is whose; and the vendor's own
//! expiry of messages.
//!
//! Source: plivo.com/docs/messaging; the requests as the vendor's library makes them.

mod account;
pub mod answers;
pub mod codes;
mod prices;
mod settings;
pub mod webhook;

use std::sync::Arc;

use ::http::Method;
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{
    Action, Arguments, Delivery, Enquiry, Event, Finding, ListQuery, NotBelieved, Page, Receipt,
    VendorMessage, Webhook, no_such_action,
};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::{Request, outgoing, path_part};
use crate::provider::settings::Setup;
use crate::provider::{Balance, Build, Capabilities, Form, Outcome, Provider, Submission};
use crate::sms::money::Money;
use crate::sms::number::Number;
use answers::Shown;

pub use account::Plivo;
pub use settings::Config;

/// Longest text that Plivo takes, in characters.
const MAX_CHARS: usize = 1_600;

/// Entries of one page of the list: the most that Plivo gives.
const PAGE: u32 = 20;

/// How its webhooks come: as they are set up there.
const METHODS: &[Method] = &[Method::GET, Method::POST];

/// What an operator can do there.
pub const ACTIONS: [Action; 1] = [Action {
    name: "lookup",
    about: "says who carries a number, and of which kind it is; Plivo may charge for it",
    required: &["number"],
    optional: &[],
}];

/// What is sent.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    src: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    powerpack_uuid: Option<&'a str>,
    dst: &'a str,
    text: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
}

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Plivo::new(self, &setup)?))
    }
}

/// A number or a sender as Plivo writes it: without a plus.
fn bare(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

impl Plivo {
    /// Who sends: the one that the message names, else what is configured; nothing where the Powerpack
    /// chooses.
    fn sender<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        named.or(self.config.from.as_deref())
    }
}

#[async_trait]
impl Provider for Plivo {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            status: true,
            list: true,
            balance: true,
            prices: !self.config.prices_for.is_empty(),
            receipts_by_push: self.callback.is_some(),
            // A report may be lost, and one that covers no fields has the text looked up.
            receipts_by_poll: true,
            replies: self.callback.is_some(),
            answers_stop: self.callback.is_some(),
            lookup: true,
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, to: &Number, segments: u32) -> Option<Money> {
        self.rates.price(to, segments)
    }

    fn form(&self, _: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        let from = self.sender(from).map(|from| (from, settings::is_sender(from)));
        outgoing::form("Plivo", (text, MAX_CHARS), from)
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let src = self.sender(submission.from.as_deref()).map(bare);
        let url = self.callback.as_ref().map(|callback| callback.url(Some(&submission.id)));
        let body = Body {
            src,
            powerpack_uuid: self.config.powerpack.as_deref().filter(|_| src.is_none()),
            dst: bare(submission.to.e164()),
            text: &submission.text,
            r#type: "sms",
            method: url.is_some().then_some("POST"),
            url,
        };
        let request = self.signed_in(Request::post(self.of_account("Message/")));
        match self.client.submit(&request.carrying(&[submission]).json(&body)).await {
            Ok(answer) => answers::outcome(&answer),
            Err(outcome) => outcome,
        }
    }

    async fn balance(&self) -> Result<Balance> {
        let body = self.read(&self.client, Request::get(self.of_account(""))).await?;
        let micros =
            body.get("cash_credits").and_then(|credits| amount::micros_of(credits, Rounding::Nearest));
        let micros = micros.ok_or_else(|| self.wrong("the answer has no cash_credits"))?;
        Ok(Balance::Money(Money { micros, currency: self.config.currency }))
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let Some(id) = path_part(&enquiry.vendor_id) else { return Ok(Vec::new()) };
        let request = Request::get(self.of_account(&format!("Message/{id}/")));
        let body = match self.read(&self.client, request).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let now = (self.clock.now(), self.config.currency);
        let receipt = Shown(&body).receipt(&enquiry.vendor_id, &self.wording, now);
        Ok(vec![receipt.map_err(|why| self.wrong(&why))?])
    }

    async fn list(&self, query: &ListQuery) -> Result<Page> {
        let number = query.page.max(1);
        let offset = (number - 1).saturating_mul(PAGE);
        let mut request =
            Request::get(self.of_account("Message/")).query("limit", PAGE).query("offset", offset);
        if let Some(to) = &query.to {
            request = request.query("to_number", bare(to.e164()));
        }
        let answer = self.read(&self.client, request).await?;
        let entries = answer.get("objects").and_then(Value::as_array);
        let entries = entries.ok_or_else(|| self.wrong("the answer has no list"))?;
        let shown = entries.iter().map(Shown).filter(Shown::is_outbound);
        let mut messages: Vec<VendorMessage> =
            shown.filter_map(|shown| shown.listed(&self.wording, self.config.currency)).collect();
        let is_early = |message: &VendorMessage| {
            query.since.is_some_and(|since| message.at.is_some_and(|at| at < since))
        };
        // They come newest first, so what follows is earlier still.
        let is_past = messages.iter().any(is_early);
        messages
            .retain(|message| query.state.is_none_or(|state| state == message.state) && !is_early(message));
        let has_next = !is_past && answer.pointer("/meta/next").is_some_and(|next| !next.is_null());
        Ok(Page { messages, next: has_next.then(|| number.saturating_add(1)) })
    }

    fn webhook(&self) -> Webhook {
        Webhook { methods: METHODS, ..Webhook::POST }
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        self.hooks.read(delivery)
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        let mut failed = None;
        for country in &self.config.prices_for {
            let request = Request::get(self.of_account("Pricing/")).query("country_iso", country);
            match self.read(&self.client, request).await {
                Ok(list) if self.rates.note(country, prices::dearest(&list, self.config.currency)) => {}
                Ok(_) => failed = Some(self.wrong(&format!("the prices of {country} cannot be read"))),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if !self.config.prices_for.is_empty() {
            tracing::debug!(provider = %self.config.name, codes = self.rates.count(), "prices are up to date");
        }
        Ok(Vec::new())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let balance = match self.balance().await? {
            Balance::Money(money) => format!("the balance is {money}"),
            Balance::Credits { .. } => "the balance can be read".to_owned(),
        };
        let reports = match &self.callback {
            Some(_) => Finding::fine("receipts come by webhook"),
            None => Finding::fine("receipts are polled: there is no webhook"),
        };
        Ok(vec![Finding::fine(balance), reports])
    }

    fn actions(&self) -> &'static [Action] {
        &ACTIONS
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<Value> {
        let Some(known) = ACTIONS.iter().find(|known| known.name == action) else {
            return Err(no_such_action(action, &ACTIONS));
        };
        known.check(arguments)?;
        let number = arguments.get("number").map(String::as_str).unwrap_or_default();
        let number = Number::parse(number, None)
            .map_err(|error| Error::new(ErrorKind::InvalidArgument, format!("number=: {error}")))?;
        let path = format!("Number/{}", bare(number.e164()));
        self.read(&self.lookups, Request::get(path).query("type", "carrier")).await
    }
}
