//! Vonage: one text a request, over its SMS API or its Messages API, with signed reports and texts of people,
//! the account's balance and its prices by country.
//!
//! Vonage keeps a reference of ours beside each text (`client-ref`), echoes it in answers and reports, and
//! takes two texts under one. So a lost answer is settled by a signed report that names ours ([`webhook`]), and
//! by nothing else: the Reports API could be asked for what was sent in a time, and is charged for, so it is
//! an action for an operator ([`actions`]) and never asked by itself.
//!
//! The SMS API answers with an entry and a price for each segment ([`answers`]), the Messages API with one id
//! for the text. Its codes begin anew in three places ([`codes`]).
//!
//! Not used: signed requests, which the vendor's own libraries sign each in a way of its own that its pages do
//! not have; and the libraries' repeats of a request whose connection broke, which can send twice.
//!
//! Source: developer.vonage.com, SMS API, Messages API, account and number insight; the requests as the vendor's
//! libraries make them.

mod account;
pub mod actions;
pub mod answers;
pub mod codes;
pub mod jwt;
mod prices;
mod settings;
pub mod webhook;

use std::sync::Arc;

use ::http::Method;
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::error::Result;
use crate::provider::exchange::{Action, Arguments, Delivery, Event, Finding, NotBelieved, Webhook};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::{Request, outgoing};
use crate::provider::settings::Setup;
use crate::provider::{Balance, Build, Capabilities, Form, Outcome, Provider, Submission};
use crate::sms::money::Money;
use crate::sms::number::Number;
use crate::sms::text::{Encoding, plan};

pub use account::Vonage;
pub use settings::{Api, Config, Method as SignatureMethod};

/// Longest text that Vonage takes, in characters.
const MAX_CHARS: usize = 3_200;

/// How its webhooks come: as the account there is set up.
const METHODS: &[Method] = &[Method::GET, Method::POST];

/// Longest address for receipts that the SMS API takes, in characters.
const LONGEST_CALLBACK: usize = 100;

/// What the Messages API is sent.
#[derive(Serialize)]
struct Body<'a> {
    message_type: &'static str,
    channel: &'static str,
    to: &'a str,
    from: &'a str,
    text: &'a str,
    client_ref: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
}

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Vonage::new(self, &setup)?))
    }
}

/// A number or a sender as Vonage writes it: without a plus.
fn bare(number: &str) -> &str {
    number.strip_prefix('+').unwrap_or(number)
}

impl Vonage {
    /// Where Vonage is asked to send the receipts of a text: the address for all of them, unless it is too
    /// long for the SMS API.
    fn receipts_to(&self) -> Option<String> {
        let url = self.callback.as_ref()?.url(None);
        (url.len() <= LONGEST_CALLBACK).then_some(url)
    }

    async fn send_sms(&self, submission: &Submission) -> Outcome {
        let callback = self.receipts_to();
        // Without this a text that is not of GSM-7 arrives damaged, and with it any other costs more.
        let is_unicode = plan(&submission.text).encoding != Encoding::Gsm7;
        let fields = [
            ("to", bare(submission.to.e164())),
            ("from", bare(self.sender(submission.from.as_deref()))),
            ("text", submission.text.as_str()),
            ("client-ref", submission.id.as_str()),
        ];
        let fields = fields
            .into_iter()
            .chain(is_unicode.then_some(("type", "unicode")))
            .chain(callback.as_deref().map(|url| ("callback", url)));
        let request = self.signed_in(Request::post("sms/json")).carrying(&[submission]).form(fields);
        match self.client.submit(&request).await {
            Ok(answer) => answers::of_sms(&answer, submission, self.config.currency),
            Err(outcome) => outcome,
        }
    }

    async fn send_message(&self, submission: &Submission) -> Outcome {
        let body = Body {
            message_type: "text",
            channel: "sms",
            to: bare(submission.to.e164()),
            from: bare(self.sender(submission.from.as_deref())),
            text: &submission.text,
            client_ref: submission.id.as_str(),
            webhook_url: self.callback.as_ref().map(|callback| callback.url(Some(&submission.id))),
        };
        let request = match self.signed_in_as_application(Request::post("v1/messages")) {
            Ok(request) => request.carrying(&[submission]).json(&body),
            Err(error) => {
                let why = error.message().to_owned();
                return Outcome::NotSent { retry_after_ms: None, why };
            }
        };
        match self.api.submit(&request).await {
            Ok(answer) => answers::of_messages(&answer),
            Err(outcome) => outcome,
        }
    }

    /// How reports come, and what keeps them from coming.
    fn findings_about_reports(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.is_unsigned {
            findings.push(Finding::warning(
                "signature_secret is not set, and nothing is believed that Vonage does not sign with it: no \
                 receipts and no replies come in",
            ));
        } else if self.callback.is_none() {
            findings.push(Finding::warning(
                "no receipts come in: there is no webhook, and Vonage cannot be asked about a text for free",
            ));
        } else if self.config.api == Api::Sms && self.receipts_to().is_none() {
            findings.push(Finding::warning(format!(
                "the address for receipts is longer than the {LONGEST_CALLBACK} characters that the SMS API \
                 takes with a text: it must stand in the account's settings at Vonage"
            )));
        } else {
            findings.push(Finding::fine("receipts come by webhook"));
        }
        if self.is_idle_application() {
            findings.push(Finding::warning(
                "application_id sends nothing: an application sends over the Messages API alone (api = \
                 \"messages\")",
            ));
        }
        findings
    }
}

#[async_trait]
impl Provider for Vonage {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            balance: true,
            prices: !self.config.prices_for.is_empty(),
            receipts_by_push: self.callback.is_some(),
            replies: self.callback.is_some(),
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
        let from = self.sender(from);
        outgoing::form("Vonage", (text, MAX_CHARS), Some((from, settings::is_sender(from))))
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        match self.config.api {
            Api::Sms => self.send_sms(submission).await,
            Api::Messages => self.send_message(submission).await,
        }
    }

    async fn balance(&self) -> Result<Balance> {
        let body = self.read(&self.client, Request::get("account/get-balance")).await?;
        let micros = body.get("value").and_then(|value| amount::micros_of(value, Rounding::Nearest));
        let micros = micros.ok_or_else(|| self.wrong("the answer has no value"))?;
        Ok(Balance::Money(Money { micros, currency: self.config.currency }))
    }

    fn words(&self, coding: u8, octets: &[u8]) -> Option<String> {
        (coding == webhook::TEXT).then(|| String::from_utf8_lossy(octets).into_owned())
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
            let request = Request::get("account/get-pricing/outbound/sms").query("country", country);
            match self.read(&self.client, request).await {
                Ok(list) if self.rates.note(country, prices::dearest(&list)) => {}
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
        let mut findings = vec![Finding::fine(balance)];
        findings.extend(self.findings_about_reports());
        Ok(findings)
    }

    fn actions(&self) -> &'static [Action] {
        &actions::ACTIONS
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<Value> {
        actions::act(self, action, arguments).await
    }
}
