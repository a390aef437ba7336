//! Twilio: one text a request, by a number of the account or by a Messaging Service, with signed reports and
//! texts of people, the account's balance, its prices by country, and its list.
//!
//! Twilio keeps no reference of ours and takes no idempotency key, so an answer that is lost stays unknown
//! until something proves that the text was taken: a signed report, whose address has our reference in its
//! query ([`webhook`]), or one entry of the list with the same number, text and time. That the list does not
//! have it proves nothing. Prices come late and with a minus ([`answers`]); codes of failures are told in
//! words ([`codes`]).
//!
//! Not used: the vendor's own scheduling, since whoever may send is asked again when a text leaves;
//! `SmartEncoded`, since the text that leaves is the one that was checked and priced; and `MaxPrice`, which
//! has had no effect since June 2024.
//!
//! Source: twilio.com/docs/messaging and its neighbours; the requests as the vendor's library makes them.

mod account;
pub mod actions;
pub mod answers;
pub mod codes;
pub mod rates;
mod settings;
pub mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::error::{ErrorKind, Result};
use crate::provider::exchange::{
    Action, Arguments, Delivery, Enquiry, Event, Finding, ListQuery, NotBelieved, Page, Receipt,
    VendorMessage,
};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::form::Fields;
use crate::provider::rest::{Request, outgoing, path_part, unreadable};
use crate::provider::settings::Setup;
use crate::provider::{Balance, Build, Capabilities, Form, Outcome, Provider, Submission};
use crate::sms::money::Money;
use crate::sms::number::Number;
use crate::sms::untrusted::escape;
use account::PAGE;
use answers::Shown;

pub use account::Twilio;
pub use settings::Config;

/// Longest text that Twilio takes, in characters.
const MAX_CHARS: usize = 1_600;

/// Most pages of the list that are read to reach one: pages are found by the mark on the one before alone.
const MOST_PAGES: u32 = 100;

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Twilio::new(self, &setup)?))
    }
}

impl Twilio {
    /// Who sends: the one that the message names, else what is configured.
    fn sender<'a>(&'a self, named: Option<&'a str>) -> (&'static str, &'a str) {
        let from = named.or(self.config.from.as_deref()).unwrap_or_default();
        if settings::is_sid(from, settings::SERVICE) { ("MessagingServiceSid", from) } else { ("From", from) }
    }

    /// What marks this page of the list for Twilio, or that there is none: each page names the next.
    async fn mark_of(&self, query: &ListQuery, page: u32) -> Result<Option<Vec<(String, String)>>> {
        let mut mark = Vec::new();
        for _ in 1..page.min(MOST_PAGES) {
            match next_page(&self.page(query, &mark).await?) {
                Some(next) => mark = next,
                None => return Ok(None),
            }
        }
        Ok(Some(mark))
    }

    /// One page of the list. Not asked by `DateSent`: a message that has not left yet has none, and would not
    /// be found.
    async fn page(&self, query: &ListQuery, mark: &[(String, String)]) -> Result<Value> {
        let mut request = Request::get(self.of_account("Messages")).query("PageSize", PAGE);
        if let Some(to) = &query.to {
            request = request.query("To", to.e164());
        }
        for (name, value) in mark {
            request = request.query(name, value);
        }
        self.read(&self.client, request).await
    }

    async fn finding_about_account(&self) -> Result<Finding> {
        let account = self.read(&self.client, Request::get(self.itself())).await?;
        let word = |name: &str| account.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = escape(word("friendly_name"));
        Ok(match (word("status"), word("type")) {
            ("active", "Trial") => Finding::warning(format!(
                "the account \"{name}\" is a trial: it texts only numbers that were verified at Twilio"
            )),
            ("active", _) => Finding::fine(format!("the account \"{name}\" is active")),
            ("", _) => return Err(self.wrong("the answer does not say whether the account is active")),
            (status, _) => {
                Finding::warning(format!("the account \"{name}\" is {}: it sends nothing", escape(status)))
            }
        })
    }

    /// How reports come, and what keeps them from coming.
    fn finding_about_reports(&self) -> Finding {
        let host = self.callback.as_ref().map(|callback| callback.url(None));
        let host = host.as_deref().and_then(|url| url.split('/').nth(2)).unwrap_or_default();
        if self.is_unsigned {
            Finding::warning(
                "auth_token is not set, and Twilio signs with it alone: receipts are polled, and no replies \
                 come in",
            )
        } else if host.contains('_') {
            Finding::warning("Twilio takes no address with \"_\" in its host: [http] public_url has one")
        } else if self.callback.is_some() {
            Finding::fine("receipts come by webhook")
        } else {
            Finding::fine("receipts are polled: there is no webhook")
        }
    }
}

/// What the answer says of its next page: the fields that mark it. Only these are taken, so that no answer
/// says where a request goes.
fn next_page(answer: &Value) -> Option<Vec<(String, String)>> {
    let (_, query) = answer.get("next_page_uri")?.as_str()?.split_once('?')?;
    let fields = Fields::read(query.as_bytes());
    let mark = |name: &str| Some((name.to_owned(), fields.get(name)?.to_owned()));
    let token = mark("PageToken")?;
    Some(mark("Page").into_iter().chain([token]).collect())
}

#[async_trait]
impl Provider for Twilio {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            status: true,
            list: true,
            balance: true,
            prices: !self.config.prices_for.is_empty(),
            receipts_by_push: self.callback.is_some(),
            // Reports may be lost, and none of them has a price.
            receipts_by_poll: true,
            replies: self.callback.is_some(),
            answers_stop: self.callback.is_some(),
            answers_help: self.callback.is_some(),
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
        let (kind, from) = self.sender(from);
        let is_sender = kind != "From" || settings::is_sender(from);
        outgoing::form("Twilio", (text, MAX_CHARS), Some((from, is_sender)))
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let (kind, sender) = self.sender(submission.from.as_deref());
        let report = self.callback.as_ref().map(|callback| webhook::address(callback, &submission.id));
        let fields = [("To", submission.to.e164()), (kind, sender), ("Body", submission.text.as_str())];
        let fields = fields.into_iter().chain(report.as_deref().map(|url| ("StatusCallback", url)));
        let request = Request::post(self.of_account("Messages")).carrying(&[submission]).form(fields);
        let answer = match self.client.submit(&self.signed_in(request)).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let body = match answer.json::<Value>() {
            Ok(body) => body,
            Err(why) => return unreadable(&answer, &why),
        };
        let shown = Shown::read(&body);
        let (segments, price) = (shown.segments, shown.price());
        let said = self.wording.said(&[&body], shown.id.is_some());
        if shown.id.is_none() {
            return unreadable(&answer, "the answer has no sid");
        }
        if shown.is_to_another(&submission.to) {
            return unreadable(&answer, "the answer is about a text to another recipient");
        }
        said.outcome(&answer, shown.id, segments, price)
    }

    async fn balance(&self) -> Result<Balance> {
        let body = self.read(&self.client, Request::get(self.of_account("Balance"))).await?;
        let micros = body.get("balance").and_then(|balance| amount::micros_of(balance, Rounding::Nearest));
        let currency = body.get("currency").and_then(Value::as_str).and_then(|unit| unit.parse().ok());
        match (micros, currency) {
            (Some(micros), Some(currency)) => Ok(Balance::Money(Money { micros, currency })),
            _ => Err(self.wrong("the answer has no balance with its currency")),
        }
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let Some(id) = path_part(&enquiry.vendor_id) else { return Ok(Vec::new()) };
        let path = self.of_account(&format!("Messages/{id}"));
        let body = match self.read(&self.client, Request::get(path)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let receipt = Shown::read(&body).receipt(&enquiry.vendor_id, &self.wording, self.clock.now());
        Ok(receipt.map_err(|why| self.wrong(&why))?.into_iter().collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<Page> {
        let number = query.page.max(1);
        let Some(mark) = self.mark_of(query, number).await? else { return Ok(Page::default()) };
        let answer = self.page(query, &mark).await?;
        let entries = answer.get("messages").and_then(Value::as_array);
        let entries = entries.ok_or_else(|| self.wrong("the answer has no list"))?;
        let shown = entries.iter().map(Shown::read).filter(|shown| !shown.is_inbound());
        let mut messages: Vec<VendorMessage> =
            shown.filter_map(|shown| shown.listed(&self.wording)).collect();
        let is_early = |message: &VendorMessage| {
            query.since.is_some_and(|since| message.at.is_some_and(|at| at < since))
        };
        // They come newest first, so what follows is earlier still.
        let is_past = messages.iter().any(is_early);
        messages
            .retain(|message| query.state.is_none_or(|state| state == message.state) && !is_early(message));
        let has_next = !is_past && number < MOST_PAGES && next_page(&answer).is_some();
        Ok(Page { messages, next: has_next.then(|| number.saturating_add(1)) })
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        self.hooks.read(delivery)
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        let mut failed = None;
        for country in &self.config.prices_for {
            let path = format!("Messaging/Countries/{country}");
            match self.read(&self.pricing, Request::get(path)).await {
                Ok(list) if self.rates.note(country, rates::dearest(&list)) => {}
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
        let mut findings = vec![self.finding_about_account().await?];
        findings.push(match self.balance().await {
            Ok(Balance::Money(money)) => Finding::fine(format!("the balance is {money}")),
            Ok(Balance::Credits { .. }) => Finding::fine("the balance can be read"),
            // An account below another one has none of its own.
            Err(error) => Finding::warning(format!("the balance cannot be read: {}", error.message())),
        });
        findings.push(self.finding_about_reports());
        Ok(findings)
    }

    fn actions(&self) -> &'static [Action] {
        &actions::ACTIONS
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<Value> {
        actions::act(self, action, arguments).await
    }
}
