//! Any gateway with an HTTP interface, told by configuration: what is sent where, what its answers mean, and how
//! it reports. Gateways that are known here are [presets](settings::Preset): settings of the same kind.
//!
//! A value that a request is filled with (a text, a number) stays in its place whatever it holds
//! ([`request`]), and placeholders in it stay what they are ([`template`]). What an answer means is decided by
//! the operator's rules first, in their order, and else as for every vendor (`reading`): nothing that left
//! is ever sent again, and an answer that does not say what a success says is unknown. What the settings
//! contradict themselves in is refused when they are read (`plan`).

mod account;
mod auth;
pub mod find;
mod hooks;
mod jwt;
mod lookup;
mod money;
mod numbers;
mod plan;
mod presets;
mod proof;
mod reading;
pub mod request;
mod rules;
pub mod settings;
pub mod template;

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{
    Delivery, Enquiry, Event, Finding, NotBelieved, Pasted, Receipt, Sought, VendorMessage, Webhook,
};
use crate::provider::rest::Answer;
use crate::provider::settings::Setup;
use crate::provider::{
    Balance, Build, Capabilities, Form, Outcome, Provider, Reference, Rehearsal, Submission,
};
use crate::sms::money::Money;
use crate::sms::number::Number;
use crate::sms::untrusted::escape;

pub use account::Gateway;
use lookup::Found;
pub use settings::{Config, Preset};

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Gateway::new(self, &setup)?))
    }
}

#[async_trait]
impl Provider for Gateway {
    fn capabilities(&self) -> Capabilities {
        let (receipts, replies) = self.plan.hooks.as_ref().map_or((false, false), hooks::Hooks::tells);
        let is_reached = self.callback.is_some();
        let lookup = self.plan.lookup.as_ref();
        Capabilities {
            status: lookup.is_some(),
            reference: match lookup {
                Some(lookup) if lookup.is_by_reference() => Reference::FoundOnly,
                _ => Reference::None,
            },
            balance: self.plan.balance.is_some(),
            receipts_by_push: receipts && is_reached,
            receipts_by_poll: lookup.is_some(),
            replies: replies && is_reached,
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
        let form = Form::of(text);
        let too_long = |count: u64, what: &str, most: u32| {
            Err(Error::new(
                ErrorKind::MessageTooLong,
                format!(
                    "the text has {count} {what}; this gateway takes {most} ([provider.send] of {})",
                    self.name
                ),
            ))
        };
        let (most_chars, most_parts) = self.plan.most;
        let count = text.chars().count() as u64;
        match (most_chars, most_parts) {
            (Some(most), _) if count > u64::from(most) => return too_long(count, "characters", most),
            (_, Some(most)) if form.segments > most => {
                return too_long(u64::from(form.segments), "segments", most);
            }
            _ => {}
        }
        if let Some(from) = from.filter(|from| !plan::is_sender(from) || self.plan.from.is_none()) {
            return Err(Error::new(
                ErrorKind::SenderNotAllowed,
                format!(
                    "\"{}\" cannot be told to this gateway as a sender: a number with its country code, a short \
                     code, or a name of 1 to 11 letters, digits and spaces, and only where its request has a place \
                     for one",
                    escape(from)
                ),
            ));
        }
        if self.plan.numbers.write(to).is_none() {
            return Err(Error::new(
                ErrorKind::DestinationNotAllowed,
                "this gateway takes numbers of one country alone, written without its code (send.number_format), \
                 and this is none of them",
            ));
        }
        self.writable(to, from, text).map(|()| form)
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let request = match self.request(submission) {
            Ok(request) => request.carrying(&[submission]),
            Err(request::Unwritable { code, why }) => {
                let code =
                    if code == ErrorKind::InvalidArgument { ErrorKind::ProviderRejected } else { code };
                return Outcome::Rejected { code, why: why.to_owned() };
            }
        };
        match self.client.hand_over(&request).await {
            Ok(answer) => self.outcome(&answer, submission),
            Err(outcome) => outcome,
        }
    }

    async fn balance(&self) -> Result<Balance> {
        self.money_left().await.map(Balance::Money)
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let asked = (&enquiry.id, &enquiry.to, enquiry.vendor_id.as_str());
        match self.look_up(asked).await? {
            Found::Nothing => Ok(Vec::new()),
            // A word that nobody said anything of is no news.
            Found::Word(word) => Err(self.wrong(&format!(
                "the answer says \"{}\", which `states` does not have",
                reading::shown(&word)
            ))),
            Found::Message(message) => {
                let VendorMessage { state, price, why, .. } = *message;
                let receipt = Receipt::new(enquiry.vendor_id.as_str(), state, self.clock.now());
                Ok(vec![Receipt { why, price, ..receipt }])
            }
        }
    }

    async fn find(&self, sought: &Sought) -> Result<Option<VendorMessage>> {
        if !self.plan.lookup.as_ref().is_some_and(lookup::Lookup::is_by_reference) {
            return Err(Error::new(
                ErrorKind::NotSupported,
                "this provider has no messages by our reference",
            ));
        }
        match self.look_up((&sought.id, &sought.to, "")).await? {
            Found::Nothing | Found::Word(_) => Ok(None),
            Found::Message(mut message) => {
                // Where the gateway has no ids of its own, ours is its id.
                if message.vendor_id.is_empty() {
                    message.vendor_id = sought.id.as_str().to_owned();
                }
                Ok(Some(*message))
            }
        }
    }

    fn webhook(&self) -> Webhook {
        self.webhook
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        match &self.plan.hooks {
            Some(hooks) => hooks.read(delivery, self.webhook_secret.as_ref()),
            None => Err(NotBelieved::NotExpected),
        }
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let works = if self.plan.balance.is_some() {
            Finding::fine(format!("the balance is {}", self.money_left().await?))
        } else if self.plan.check.is_some() {
            self.ask().await?;
            Finding::fine("the credentials are taken")
        } else {
            Finding::warning(
                "nothing can be asked here without a text: set balance or check to have base_url and the \
                 credentials tried",
            )
        };
        Ok(vec![works, self.reports()])
    }

    fn rehearse(&self, submission: &Submission, pasted: Option<&Pasted>) -> Result<Rehearsal> {
        let request = self.request(submission).map_err(|wrong| Error::new(wrong.code, wrong.why))?;
        let answer = pasted.map(|pasted| Answer {
            status: pasted.status,
            headers: pasted.headers.clone(),
            body: pasted.body.clone().into(),
            is_whole: true,
        });
        Ok(Rehearsal {
            request: self.client.written(&request.carrying(&[submission])),
            outcome: answer.map(|answer| self.outcome(&answer, submission)),
        })
    }
}
