//! AWS End User Messaging SMS (`pinpoint-sms-voice-v2`): one text a request, signed with an access key; events
//! and texts of people over SNS; the account's opt-out list, kept on both sides.
//!
//! AWS answers a send with an id alone, and has no list of texts and no look-up: what became of one is told by
//! its events, which need a configuration set that sends them to an SNS topic and a subscription of ours
//! ([`sns`]). Each event shows the context that a send had with it, which is our reference: so one of them
//! settles a text whose answer was lost. No page of the API has prices or a balance. In their place a send
//! says what it may cost at most, which is what was reserved for it, and AWS refuses one that would cost more.
//!
//! Not used: the vendor's own library, which repeats requests by itself and is larger than this program; and
//! the `Publish` of SNS, another API with opt-outs of its own.
//!
//! Source: the API's own model, and docs.aws.amazon.com/sms-voice and /sns.

mod account;
mod answers;
pub mod codes;
mod credentials;
mod events;
mod profile;
mod settings;
mod sigv4;
pub mod sns;

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::provider::contract::cannot;
use crate::provider::exchange::{Action, Arguments, Delivery, Event, Finding, NotBelieved, no_such_action};
use crate::provider::rest::wording::names_an_error;
use crate::provider::rest::{json as reading, outgoing, unreadable};
use crate::provider::settings::Setup;
use crate::provider::{Build, Capabilities, Form, Outcome, Provider, Submission};
use crate::sms::message::State;
use crate::sms::money::{Currency, Money};
use crate::sms::number::Number;

pub use account::Aws;
pub use settings::{Config, MessageType};

/// Longest text that AWS takes, in characters.
const MAX_CHARS: usize = 1_600;

/// Most that a send can be allowed to cost, in hundred-thousandths of a dollar: two digits before the point.
const MOST_ALLOWED: i64 = 9_999_999;

/// What a monthly limit on texts is called there.
const TEXT_LIMIT: &str = "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT";

/// What an operator can do there.
pub const ACTIONS: [Action; 1] = [Action {
    name: "lookup",
    about: "says who carries a number, and of which kind it is; AWS charges for it",
    required: &["number"],
    optional: &[],
}];

/// What is sent.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    destination_phone_number: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    origination_identity: Option<&'a str>,
    message_body: &'a str,
    message_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration_set_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_price: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_live: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_country_parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protect_configuration_id: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
}

/// What a send may cost at most, as AWS writes it: never more than was reserved. Nothing where that is in
/// another currency than AWS's.
fn max_price(reserved: Option<Money>) -> Option<String> {
    let reserved = reserved.filter(|reserved| reserved.currency == Currency::USD)?;
    let allowed = (reserved.micros / 10).clamp(0, MOST_ALLOWED);
    Some(format!("{}.{:05}", allowed / 100_000, allowed % 100_000))
}

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Aws::new(self, &setup)?))
    }
}

impl Aws {
    /// Who sends: the one that the message names, else what is configured, else whom AWS chooses.
    fn sender<'a>(&'a self, named: Option<&'a str>) -> Option<&'a str> {
        named.or(self.config.from.as_deref())
    }

    /// A send to this number, and nothing of its own yet.
    fn body<'a>(&'a self, to: &'a Number, from: Option<&'a str>, text: &'a str) -> Body<'a> {
        let config = &self.config;
        let is_india = to.region().is_some_and(|region| region.as_str() == "IN");
        let registered = config.india_entity_id.as_ref().zip(config.india_template_id.as_ref());
        Body {
            destination_phone_number: to.e164(),
            origination_identity: self.sender(from),
            message_body: text,
            message_type: config.message_type.as_str(),
            configuration_set_name: config.configuration_set.as_deref(),
            max_price: None,
            time_to_live: config.valid_for.map(|span| span.as_millis() / 1_000),
            context: None,
            destination_country_parameters: registered
                .filter(|_| is_india)
                .map(|(entity, template)| json!({ "IN_ENTITY_ID": entity, "IN_TEMPLATE_ID": template })),
            protect_configuration_id: config.protect_configuration.as_deref(),
            dry_run: false,
        }
    }

    /// Whether AWS would take a text, which it is asked without sending one.
    async fn finding_about_sends(&self) -> Result<Finding> {
        let to = Number::parse(&self.config.check_to, None)
            .map_err(|error| Error::new(ErrorKind::Config, format!("check_to: {error}")))?;
        let body = Body { dry_run: true, ..self.body(&to, None, "sms-mcp") };
        let body = serde_json::to_value(&body)
            .map_err(|error| Error::new(ErrorKind::Internal, "a request cannot be written").because(error))?;
        match self.ask("SendTextMessage", &body).await {
            Ok(_) => Ok(Finding::fine(format!("a text to {to} would be taken (a dry run: none was sent)"))),
            Err(error) if error.kind() == ErrorKind::ProviderUnauthorized => Err(error),
            Err(error) if error.kind() == ErrorKind::ProviderUnavailable => Err(error),
            Err(error) => Ok(Finding::warning(format!(
                "a text to {to} would not be taken (a dry run: none was sent): {}",
                error.details().provider_said.as_deref().unwrap_or(error.message())
            ))),
        }
    }

    async fn finding_about_spending(&self) -> Finding {
        let answer = match self.ask("DescribeSpendLimits", &json!({})).await {
            Ok(answer) => answer,
            Err(error) => {
                return Finding::warning(format!("the monthly limit cannot be read: {}", error.message()));
            }
        };
        let limits = answer.get("SpendLimits").and_then(Value::as_array).into_iter().flatten();
        let of_texts = limits.into_iter().find(|limit| limit.get("Name") == Some(&json!(TEXT_LIMIT)));
        match of_texts.and_then(|limit| limit.get("EnforcedLimit")?.as_i64()) {
            Some(limit) => Finding::fine(format!("texts may cost {limit} USD a month there")),
            None => Finding::warning("the monthly limit cannot be read: the answer names none for texts"),
        }
    }

    /// How events come, and what keeps them from coming.
    fn finding_about_events(&self) -> Finding {
        if self.has_no_topic {
            Finding::warning(
                "topics is not set: AWS tells receipts and replies over SNS alone, and nothing of a topic that \
                 is not named is believed",
            )
        } else if self.callback.is_none() {
            Finding::fine("no receipts and no replies come: AWS tells them to a webhook alone, over SNS")
        } else if self.config.configuration_set.is_none() {
            Finding::warning("configuration_set is not set: AWS tells no events of texts without one")
        } else {
            Finding::fine("receipts and replies come by webhook, over SNS")
        }
    }
}

#[async_trait]
impl Provider for Aws {
    fn capabilities(&self) -> Capabilities {
        let has_list = self.config.opt_out_list.is_some();
        Capabilities {
            receipts_by_push: self.callback.is_some(),
            replies: self.callback.is_some(),
            opt_outs: has_list,
            opt_out_list: has_list,
            answers_stop: self.callback.is_some(),
            answers_help: self.callback.is_some(),
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
        outgoing::check_length("AWS", text, MAX_CHARS)?;
        match self.sender(from).filter(|from| !settings::is_sender(from)) {
            Some(from) => {
                let would_be = "a number in E.164, a sender ID, or the id or ARN of a number, sender or pool";
                Err(outgoing::no_sender("AWS", from, would_be))
            }
            None => Ok(Form::of(text)),
        }
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let body = Body {
            max_price: max_price(submission.ceiling),
            context: Some(json!({ events::REFERENCE: submission.id.as_str() })),
            ..self.body(&submission.to, submission.from.as_deref(), &submission.text)
        };
        let rejected = |why: String| Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, why };
        let request =
            match self.asking("SendTextMessage", serde_json::to_vec(&body).unwrap_or_default()).await {
                Ok(request) => request.carrying(&[submission]),
                Err(why) => return rejected(why),
            };
        let answer = match self.client.submit(&request).await {
            Ok(answer) => answer,
            Err(outcome) => {
                if let Outcome::Rejected { code, .. } = &outcome {
                    self.heard(*code);
                }
                return outcome;
            }
        };
        let body = match answer.json::<Value>() {
            Ok(body) => body,
            Err(why) => return unreadable(&answer, &why),
        };
        let Some(id) = body.get("MessageId").and_then(reading::text) else {
            return unreadable(&answer, "the answer has no MessageId");
        };
        if names_an_error(&body) {
            let why = format!("HTTP {}: the answer has an id, and an error beside it", answer.status);
            return Outcome::Unclear { vendor_id: id, why };
        }
        Outcome::Accepted { vendor_id: Some(id), status: State::Sent, segments: None, price: None }
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        self.hooks.read(delivery).await
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        match &self.config.opt_out_list {
            Some(list) => self.opt_outs(list).await,
            None => Ok(Vec::new()),
        }
    }

    async fn opt_out(&self, number: &Number, is_out: bool) -> Result<()> {
        match &self.config.opt_out_list {
            Some(list) => self.set_opt_out(list, number, is_out).await,
            None => cannot("list of opt-outs"),
        }
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let mut findings = vec![self.finding_about_sends().await?, self.finding_about_spending().await];
        findings.push(self.finding_about_events());
        if self.config.profile.is_some() && self.config.access_key_id.is_some() {
            findings.push(Finding::warning("profile is not used: access_key_id is set, and holds before it"));
        }
        if self.config.opt_out_list.is_none() {
            findings.push(Finding::warning(
                "opt_out_list is not set: AWS's list of who wants no more texts is neither read nor kept",
            ));
        }
        Ok(findings)
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
        self.ask("CarrierLookup", &json!({ "PhoneNumber": number.e164() })).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_may_cost_what_was_reserved_and_never_a_hair_more() {
        let price = |micros, currency| max_price(Some(Money { micros, currency }));
        for (micros, expected) in [
            (500_000, "0.50000"),
            (7_500, "0.00750"),
            (7_509, "0.00750"),
            (1_234_569, "1.23456"),
            (9, "0.00000"),
            (99_999_990, "99.99999"),
            (i64::MAX, "99.99999"),
        ] {
            assert_eq!(price(micros, Currency::USD).as_deref(), Some(expected), "{micros}");
        }
        let euro: Currency = "EUR".parse().unwrap_or(Currency::USD);
        assert_eq!((price(500_000, euro), max_price(None)), (None, None));
    }
}
