//! SMS Gateway for Android (`sms-gate.app`): a phone of one's own that sends, reached through the app's cloud
//! or a private server, or at the phone itself.
//!
//! A message's id there is the one that we give it, and no second message may have it. So an answer that is
//! lost is no riddle: the message is there under our id or not, and what is there settles it (`account`).
//! That it is not there proves nothing, since the request may still be on its way. Where a request is refused
//! because its id was there already (409), the message that was there is this one, and it is looked up.
//!
//! A text costs what the SIM card's plan makes of it: nothing, unless a price is set. The phone sends slowly
//! by its settings here, since carriers block phones that do not. The phone itself answers without
//! encryption, which has to be allowed in so many words ([`Config::allow_plain_http`]).
//!
//! Source: docs.sms-gate.app, and the source of the app and of its server.

mod account;
pub mod actions;
pub mod answers;
mod settings;
pub mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{
    Action, Arguments, Delivery, Enquiry, Event, Finding, NotBelieved, Receipt, Sought, VendorMessage,
};
use crate::provider::rest::Request;
use crate::provider::settings::Setup;
use crate::provider::{Build, Capabilities, Form, Outcome, Provider, Reference, Submission};
use crate::sms::money::Money;
use crate::sms::number::Number;
use crate::sms::untrusted::escape;
use answers::Shown;

pub use account::SmsGateway;
pub use settings::Config;

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(SmsGateway::new(self, &setup)?))
    }
}

impl SmsGateway {
    /// Which of the events are not told to our address.
    fn untold(&self, webhooks: &Value) -> Option<Vec<&'static str>> {
        let own = self.callback.as_ref()?.url(None);
        let is_told = |event: &str| {
            webhooks.as_array().into_iter().flatten().any(|hook| {
                let is = |name: &str, value: &str| hook.get(name).and_then(Value::as_str) == Some(value);
                is("event", event) && is("url", &own)
            })
        };
        Some(actions::EVENTS.iter().map(|(event, _)| *event).filter(|event| !is_told(event)).collect())
    }
}

#[async_trait]
impl Provider for SmsGateway {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            status: true,
            reference: Reference::Exact,
            prices: self.config.price.0 > 0,
            receipts_by_push: self.callback.is_some(),
            // The phone may be out of reach when it has something to tell.
            receipts_by_poll: true,
            replies: self.callback.is_some(),
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, _: &Number, segments: u32) -> Option<Money> {
        self.price_of(segments).filter(|price| price.micros > 0)
    }

    fn form(&self, _: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        match from {
            Some(named) if self.config.from.as_deref() != Some(named) => {
                let own = self.config.from.as_deref().unwrap_or("none is set as `from`");
                let why =
                    format!("a phone sends from its own number ({own}), not from \"{}\"", escape(named));
                Err(Error::new(ErrorKind::SenderNotAllowed, why))
            }
            _ => Ok(Form::of(text)),
        }
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        self.hand_over(submission).await
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let Some(body) = self.shown(&enquiry.vendor_id, &enquiry.to).await? else { return Ok(Vec::new()) };
        let receipt = Shown(&body).receipt(&enquiry.vendor_id, &self.wording, self.clock.now());
        let receipt = receipt.map_err(|why| self.wrong(&why))?;
        Ok(vec![Receipt { price: self.nothing(), ..receipt }])
    }

    async fn find(&self, sought: &Sought) -> Result<Option<VendorMessage>> {
        self.found(sought.id.as_str(), &sought.to).await
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if self.callback.is_none() {
            return Err(NotBelieved::NotExpected);
        }
        self.hooks.read(delivery)
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let webhooks = self.read(Request::get("webhooks")).await?;
        if !webhooks.is_array() {
            return Err(self.wrong("the answer has no list of webhooks"));
        }
        let mut findings = vec![Finding::fine("the login is taken")];
        findings.push(match self.untold(&webhooks) {
            Some(untold) if untold.is_empty() => Finding::fine("receipts and replies come by webhook"),
            Some(untold) => Finding::warning(format!(
                "{} has no webhook to this server: `sms-mcp provider {} webhooks-create` makes them",
                untold.join(", "),
                self.config.name
            )),
            None if self.is_unsigned => Finding::warning(
                "signing_key is not set, and the app signs with it: receipts are polled, and no replies \
                 come in",
            ),
            None => Finding::fine("receipts are polled: there is no webhook"),
        });
        Ok(findings)
    }

    fn actions(&self) -> &'static [Action] {
        &actions::ACTIONS
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<Value> {
        actions::act(self, action, arguments).await
    }
}
