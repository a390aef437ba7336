//! MailerSend: texts from a toll-free number of the account to the United States and Canada.
//!
//! One request carries one text, or up to 50 different ones, to 50 people. All of a request share one id,
//! which comes in a header of an empty answer; how each of them fares is told by recipient. The text that
//! leaves is exactly the one that was checked and priced: where texts differ, or hold what MailerSend would
//! read as a placeholder, each travels whole as the value of the only placeholder of the template `{{text}}`.
//! The vendor's limits are obeyed before it has to refuse ([`limits`]), its reports are believed when they
//! are signed ([`webhook`]), and a failure that it does not bill costs nothing ([`codes`]).
//!
//! Source: developers.mailersend.com, `api/v1/sms` and its neighbours, and `general` for limits and errors.

mod account;
pub mod actions;
pub mod answers;
pub mod codes;
pub mod limits;
mod settings;
pub mod webhook;

use std::sync::Arc;

use ::http::Method;
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{
    Action, Arguments, Delivery, Enquiry, Event, Finding, ListQuery, NotBelieved, Page, Receipt,
    VendorMessage,
};
use crate::provider::rest::Request;
use crate::provider::settings::Setup;
use crate::provider::{Build, Capabilities, Form, Outcome, Provider, Submission};
use crate::sms::money::Money;
use crate::sms::number::Number;
use account::{MAX_RECIPIENTS, PAGE};
use answers::{e164, id, is_id, sender, text};
use settings::is_e164;

pub use account::Mailersend;
pub use settings::Config;

/// Longest text, in characters.
const MAX_TEXT: usize = 2_048;

/// Where the vendor delivers.
const COUNTRIES: [&str; 2] = ["US", "CA"];

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Mailersend::new(self, &setup)?))
    }
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
            opt_out_list: true,
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
            return Err(Error::new(
                ErrorKind::MessageTooLong,
                format!("MailerSend takes at most {MAX_TEXT} characters"),
            ));
        }
        if from.is_some_and(|from| !is_e164(from)) {
            return Err(Error::new(
                ErrorKind::SenderNotAllowed,
                "MailerSend sends from phone numbers of the account only, in E.164",
            ));
        }
        let is_near = to.region().is_some_and(|region| COUNTRIES.contains(&region.as_str()));
        if !is_near && !self.any_destination {
            return Err(Error::new(
                ErrorKind::DestinationNotAllowed,
                "MailerSend delivers to the United States and Canada only",
            ));
        }
        Ok(Form::of(text))
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        self.hand_over(&[submission], &mut Vec::new()).await
    }

    /// A request that the vendor refuses as a whole for some of its recipients certainly took nobody's text,
    /// so it goes once more without them: one number that MailerSend does not like is no reason to fail 49
    /// others.
    async fn send_many(&self, submissions: &[Submission]) -> Vec<Outcome> {
        let all: Vec<&Submission> = submissions.iter().collect();
        let mut named = Vec::new();
        let outcome = self.hand_over(&all, &mut named).await;
        let (bad, rest): (Vec<_>, Vec<_>) =
            all.iter().enumerate().partition(|(index, _)| named.contains(index));
        if bad.is_empty() || rest.is_empty() {
            return vec![outcome; submissions.len()];
        }
        let rest: Vec<&Submission> = rest.into_iter().map(|(_, submission)| *submission).collect();
        let of_rest = self.hand_over(&rest, &mut Vec::new()).await;
        (0..submissions.len())
            .map(|index| if named.contains(&index) { outcome.clone() } else { of_rest.clone() })
            .collect()
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
        let answer =
            self.ask(Request::get("sms-messages").query("page", number).query("limit", PAGE)).await?;
        let mut page = answers::page(&answer, number, &self.reading);
        let is_early = |message: &VendorMessage| {
            query.since.is_some_and(|since| message.at.is_some_and(|at| at < since))
        };
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
                events.push(Event::OptOut { number: sender(number), is_out: true, at: None, heard_by: None });
            }
            false
        });
        match walked.await {
            // What was found is told, even where there is more.
            Err(error) if events.is_empty() => Err(error),
            Err(error) => {
                tracing::warn!(provider = %self.name, code = error.kind().as_str(),
                    "not all opt-outs could be read");
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
            self.change(Method::PUT, format!("sms-recipients/{id}"), Some(json!({ "status": wanted })))
                .await?;
        }
        // Who is not in this list is what is wanted already, or nobody whom MailerSend ever texted.
        Ok(())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let quota = self.quota().await?;
        let count = |name: &str| quota.get(name).and_then(Value::as_u64);
        let mut findings = vec![match (count("remaining"), count("quota")) {
            (Some(0), _) => Finding::warning("the requests of this UTC day are used up"),
            (Some(left), Some(all)) => {
                Finding::fine(format!("{left} of {all} requests are left in this UTC day"))
            }
            _ => Finding::fine("the token works"),
        }];
        let numbers = self.ask(Request::get("sms-numbers").query("limit", PAGE)).await?;
        findings.push(self.finding_about_number(&numbers));
        findings.push(Finding::fine(if self.is_told() {
            "receipts come by webhook"
        } else {
            "receipts are polled: there is no webhook"
        }));
        Ok(findings)
    }

    fn actions(&self) -> &'static [Action] {
        &actions::ACTIONS
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<Value> {
        actions::act(self, action, arguments).await
    }
}
