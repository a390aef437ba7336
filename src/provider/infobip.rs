//! Infobip: many messages in one request with a verdict on each, look-ups by our own reference, the account's
//! balance, and webhooks.
//!
//! A message's id there is the one that we give it, and no second message may have it. So an answer that is
//! lost is no riddle: the log has the message under our id or not, and what it has settles it (`account`).
//! That it is not there proves nothing, since the request may still be on its way, and nothing is ever sent
//! again by a look. Where a request is refused because its id was there already, the message that was there
//! is this one, and it is looked up.
//!
//! A 200 alone says nothing: each message of a request has a status of its own ([`answers`], [`codes`]).
//! Prices stand in the log and in reports, and nowhere before a send.
//!
//! Not used: the vendor's own scheduling, since whoever may send is asked again when a text leaves; and short
//! addresses with tracking, since the text that leaves is the one that was checked and priced.
//!
//! Source: infobip.com/docs/api, the SMS pages; the requests as the vendor's library makes them.

mod account;
pub mod actions;
pub mod answers;
pub mod codes;
mod settings;
pub mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{
    Action, Arguments, Delivery, Enquiry, Event, Finding, NotBelieved, Receipt, Sought, VendorMessage,
};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::{Request, outgoing};
use crate::provider::settings::Setup;
use crate::provider::{Balance, Build, Capabilities, Form, Outcome, Provider, Reference, Submission};
use crate::sms::money::Money;
use crate::sms::number::Number;
use answers::Shown;

pub use account::Infobip;
pub use settings::Config;

/// Longest text that Infobip takes, in octets of UTF-8 and in segments.
const MAX_OCTETS: usize = 4_000;
const MAX_SEGMENTS: u32 = 25;

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Infobip::new(self, &setup)?))
    }
}

#[async_trait]
impl Provider for Infobip {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            recipients_per_request: self.config.bulk_size,
            status: true,
            reference: Reference::Exact,
            balance: true,
            receipts_by_push: self.callback.is_some(),
            // Reports may be lost, and a subscription may be for replies alone.
            receipts_by_poll: true,
            replies: self.callback.is_some() && !self.hooks.proofs.is_empty(),
            lookup: true,
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, _: &Number, _: u32) -> Option<Money> {
        None
    }

    fn form(&self, _: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        let form = Form::of(text);
        if text.len() > MAX_OCTETS || form.segments > MAX_SEGMENTS {
            let why = format!(
                "the text has {} bytes and {} segments; Infobip takes {MAX_OCTETS} and {MAX_SEGMENTS}",
                text.len(),
                form.segments
            );
            return Err(Error::new(ErrorKind::MessageTooLong, why));
        }
        let from = self.sender(from);
        if !settings::is_sender(from) {
            return Err(outgoing::no_sender("Infobip", from, outgoing::NUMBER_CODE_OR_NAME));
        }
        Ok(form)
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let nothing = Outcome::Unknown { why: "no verdict on the message".to_owned() };
        self.hand_over(&[submission]).await.pop().unwrap_or(nothing)
    }

    async fn send_many(&self, submissions: &[Submission]) -> Vec<Outcome> {
        self.hand_over(&submissions.iter().collect::<Vec<_>>()).await
    }

    async fn balance(&self) -> Result<Balance> {
        let body = self.read(Request::get("account/1/balance")).await?;
        let micros = body.get("balance").and_then(|balance| amount::micros_of(balance, Rounding::Nearest));
        let currency = body.get("currency").and_then(Value::as_str).and_then(|unit| unit.parse().ok());
        match (micros, currency) {
            (Some(micros), Some(currency)) => Ok(Balance::Money(Money { micros, currency })),
            _ => Err(self.wrong("the answer has no balance with its currency")),
        }
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let (entries, now) = (self.logged(&enquiry.vendor_id, &enquiry.to).await?, self.clock.now());
        let mut receipts = Vec::with_capacity(entries.len());
        for entry in &entries {
            let receipt = Shown(entry).receipt(&enquiry.vendor_id, now);
            receipts.extend(receipt.map_err(|why| self.wrong(&why))?);
        }
        Ok(receipts)
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
        let balance = match self.balance().await? {
            Balance::Money(money) => format!("the balance is {money}"),
            Balance::Credits { .. } => "the balance can be read".to_owned(),
        };
        let reports = match (&self.callback, self.hooks.proofs.is_empty()) {
            (None, true) => Finding::fine("receipts are looked up: there is no webhook"),
            (None, false) => Finding::warning(
                "the proof of webhooks is set and [http] public_url is not: receipts are looked up, and no \
                 replies come in",
            ),
            (Some(_), true) => Finding::fine(
                "receipts come to an address of each text, and are looked up; replies come in once \
                 webhook_user or webhook_header is set",
            ),
            (Some(_), false) => Finding::fine(
                "receipts and replies come by the account's subscriptions, which need the address that \
                 `webhook-url` prints",
            ),
        };
        Ok(vec![Finding::fine(balance), reports])
    }

    fn actions(&self) -> &'static [Action] {
        &actions::ACTIONS
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<Value> {
        actions::act(self, action, arguments).await
    }
}
