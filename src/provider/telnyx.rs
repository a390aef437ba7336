//! Telnyx: one text a request, with signed reports and texts of people, look-ups by id, the account's balance
//! and the opt-outs of the messaging profile.
//!
//! Each send shows our reference as its `Idempotency-Key`. Telnyx answers the identical request under the
//! same key with its first answer for a day, so that a lost answer can be had by posting it once more; what it
//! does while the first request is still under way, or where that failed, no page says. So that is done only
//! where the operator asks for it (`replay_after_lost_answer`): the engine decides when, and here is what
//! stands for the request. Else a lost answer stays unknown until a report settles it ([`webhook`]). There is
//! no list of texts that could be compared, and no page has prices.
//!
//! Source: developers.telnyx.com; the requests as the vendor's library makes them, but for its retries, which
//! can send twice.

mod account;
pub mod answers;
pub mod codes;
mod settings;
pub mod webhook;

use std::sync::Arc;

use ::http::HeaderName;
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{
    Action, Arguments, Delivery, Enquiry, Event, Finding, NotBelieved, Receipt, no_such_action,
};
use crate::provider::rest::amount::{self, Rounding};
use crate::provider::rest::wording::Said;
use crate::provider::rest::{Request, digits, outgoing, path_part, unreadable};
use crate::provider::settings::Setup;
use crate::provider::{Balance, Build, Capabilities, Form, Outcome, Provider, Reference, Submission};
use crate::sms::money::Money;
use crate::sms::number::Number;
use crate::sms::sender;
use answers::Shown;

pub use account::Telnyx;
pub use settings::Config;

/// Longest text that Telnyx's guide allows, in characters.
const MAX_CHARS: usize = 1_600;

/// Names a request, so that the same one is answered once.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What an operator can do there.
pub const ACTIONS: [Action; 1] = [Action {
    name: "lookup",
    about: "says who carries a number, and of which kind it is; Telnyx may charge for it",
    required: &["number"],
    optional: &[],
}];

/// The key of the example, which is nobody's.
const SAMPLE_KEY: &str = "cmVwbGFjZS13aXRoLXlvdXItYWNjb3VudHMta2V5ISE=";

/// What is sent.
#[derive(Serialize)]
struct Body<'a> {
    to: &'a str,
    from: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    messaging_profile_id: Option<&'a str>,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_profile_webhooks: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_url: Option<String>,
}

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Telnyx::new(self, &setup)?))
    }
}

impl Telnyx {
    /// The request by which a message goes out: the same octets each time that it is asked for.
    fn request(&self, submission: &Submission) -> Request {
        let webhook_url = self.callback.as_ref().map(|callback| callback.url(Some(&submission.id)));
        let body = Body {
            to: submission.to.e164(),
            from: self.sender(submission.from.as_deref()),
            messaging_profile_id: self.config.messaging_profile.as_deref(),
            text: &submission.text,
            use_profile_webhooks: webhook_url.is_some().then_some(false),
            webhook_url,
        };
        let request = self.signed_in(Request::post("messages")).carrying(&[submission]);
        request.header(KEY, submission.id.as_str()).json(&body)
    }
}

#[async_trait]
impl Provider for Telnyx {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            status: true,
            balance: true,
            receipts_by_push: self.callback.is_some(),
            // A report may be lost: Telnyx tries three times.
            receipts_by_poll: true,
            replies: self.callback.is_some(),
            opt_out_list: self.config.messaging_profile.is_some(),
            answers_stop: self.callback.is_some(),
            lookup: true,
            reposts: self.config.replay_after_lost_answer,
            reference: if self.config.replay_after_lost_answer { Reference::Exact } else { Reference::None },
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
        outgoing::check_length("Telnyx", text, MAX_CHARS)?;
        let from = self.sender(from);
        if !settings::is_sender(from) {
            let would_be = "a number in E.164, a short code, or a name of 3 to 11 letters, digits and spaces";
            return Err(outgoing::no_sender("Telnyx", from, would_be));
        }
        if sender::is_name(from) && self.config.messaging_profile.is_none() {
            let why = "Telnyx sends from a name by a messaging profile alone; none is set";
            return Err(Error::new(ErrorKind::SenderNotAllowed, why));
        }
        Ok(Form::of(text))
    }

    fn request_digest(&self, submission: &Submission) -> Option<[u8; 32]> {
        self.config.replay_after_lost_answer.then(|| self.client.digest(&self.request(submission)))
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let answer = match self.client.submit(&self.request(submission)).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let body = match answer.json::<Value>() {
            Ok(body) => body,
            Err(why) => return unreadable(&answer, &why),
        };
        let data = body.get("data").unwrap_or(&Value::Null);
        let shown = Shown(data);
        let Some(id) = shown.id() else { return unreadable(&answer, "the answer has no data.id") };
        let recipient = data.pointer("/to/0").unwrap_or(&Value::Null);
        let to = recipient.get("phone_number").and_then(Value::as_str);
        if to.is_some_and(|to| digits::is_another(to, &submission.to)) {
            return unreadable(&answer, "the answer is about a text to another recipient");
        }
        let said = match shown.status() {
            Some(_) => self.wording.said(&[&body, data, recipient], true),
            None => Said::Unclear("the answer has no status of its recipient".to_owned()),
        };
        said.outcome(&answer, Some(id), shown.segments(), shown.price())
    }

    async fn balance(&self) -> Result<Balance> {
        let body = self.read(Request::get("balance")).await?;
        let text = |name: &str| body.pointer(&format!("/data/{name}"));
        let micros = text("balance").and_then(|balance| amount::micros_of(balance, Rounding::Nearest));
        let currency = text("currency").and_then(Value::as_str).and_then(|unit| unit.parse().ok());
        match (micros, currency) {
            (Some(micros), Some(currency)) => Ok(Balance::Money(Money { micros, currency })),
            _ => Err(self.wrong("the answer has no balance with its currency")),
        }
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let Some(id) = path_part(&enquiry.vendor_id) else { return Ok(Vec::new()) };
        let body = match self.read(Request::get(format!("messages/{id}"))).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let shown = Shown(body.get("data").unwrap_or(&Value::Null));
        let receipt = shown.receipt(&enquiry.vendor_id, &self.wording, self.clock.now());
        Ok(receipt.map_err(|why| self.wrong(&why))?.into_iter().collect())
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        self.hooks.read(delivery)
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        self.opt_outs().await
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let balance = match self.balance().await? {
            Balance::Money(money) => format!("the balance is {money}"),
            Balance::Credits { .. } => "the balance can be read".to_owned(),
        };
        let reports = if self.is_unsigned {
            Finding::warning(
                "public_key is not set, and Telnyx signs with that key: receipts are polled, and no replies \
                 come in",
            )
        } else if self.callback.is_some() {
            Finding::fine("receipts come by webhook")
        } else {
            Finding::fine("receipts are polled: there is no webhook")
        };
        let mut findings = vec![Finding::fine(balance), reports];
        if self.config.replay_after_lost_answer {
            findings.push(Finding::fine(
                "replay_after_lost_answer is on: that a text arrives once rests on Telnyx's promise about \
                 Idempotency-Key",
            ));
        }
        if self.config.messaging_profile.is_none() {
            findings.push(Finding::warning(
                "messaging_profile is not set: Telnyx keeps its opt-outs by profile, and its list is not read",
            ));
        }
        if self.config.public_key.as_deref() == Some(SAMPLE_KEY) {
            findings.push(Finding::warning(
                "public_key is the one of the example, and every webhook is refused: yours is in Telnyx's portal",
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
        self.read(Request::get(format!("number_lookup/{}", number.e164())).query("type", "carrier")).await
    }
}
