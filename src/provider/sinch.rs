//! Sinch (SMS, `xms`): one text a request, with reports and texts of people by webhook, look-ups by id, and
//! its list.
//!
//! Sinch keeps our reference of a text (`client_reference`) and does not keep references apart. So where an
//! answer is lost it is asked for what it has under ours: what is there was taken, and that nothing is there
//! proves nothing (`account`). Several people of one batch would share one id and one reference, so each
//! text is a batch of its own. A batch is taken at once and sent later: how it fared, also for want of money,
//! is told by its report alone ([`codes`]).
//!
//! `${name}` in a text is the syntax of a parameter there. A text that has it travels whole as the value of
//! one.
//!
//! Not used: OAuth2 with a project in the place of a service plan; Sinch's own scheduling, since whoever may
//! send is asked again when a text leaves. There is neither a balance nor a price to ask for.
//!
//! Source: developers.sinch.com, SMS; the requests as the vendor's libraries make them.

mod account;
pub mod answers;
pub mod codes;
mod settings;
pub mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::exchange::{
    Action, Arguments, Delivery, Enquiry, Event, Finding, ListQuery, NotBelieved, Page, Receipt, Sought,
    VendorMessage, no_such_action,
};
use crate::provider::rest::{Request, digits, outgoing, path_part, unreadable, wording};
use crate::provider::settings::Setup;
use crate::provider::{Build, Capabilities, Form, Outcome, Provider, Reference, Submission};
use crate::sms::message::State;
use crate::sms::money::Money;
use crate::sms::number::Number;
use account::{Body, PAGE};
use answers::{Batch, Fared};

pub use account::Sinch;
pub use settings::Config;

/// What an operator can do there.
pub const ACTIONS: [Action; 1] = [Action {
    name: "preview",
    about: "shows how a text goes out to a number, and in how many segments; nothing is sent",
    required: &["number", "text"],
    optional: &["from"],
}];

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Sinch::new(self, &setup)?))
    }
}

#[async_trait]
impl Provider for Sinch {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            status: true,
            list: true,
            reference: Reference::FoundOnly,
            receipts_by_push: self.callback.is_some(),
            // Reports may be lost: what is answered with a 4xx is not told again.
            receipts_by_poll: true,
            replies: self.callback.is_some() && self.hooks.can_check(),
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
        let from = self.sender(from);
        if !settings::is_sender(from) {
            return Err(outgoing::no_sender("Sinch", from, outgoing::NUMBER_CODE_OR_NAME));
        }
        Ok(Form::of(text))
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let answer = match self.client.submit(&self.batch_of(submission)).await {
            Ok(answer) => answer,
            Err(outcome) => return outcome,
        };
        let body = match answer.json::<Value>() {
            Ok(body) => body,
            Err(why) => return unreadable(&answer, &why),
        };
        let batch = Batch(&body);
        let Some(id) = batch.id() else { return unreadable(&answer, "the answer has no id") };
        let is_ours = batch.reference().is_none_or(|reference| reference == submission.id.as_str());
        if is_ours && batch.is_going_to(&submission.to) && !wording::names_an_error(&body) {
            let vendor_id = Some(id);
            return Outcome::Accepted { vendor_id, status: State::Sent, segments: None, price: None };
        }
        let why = format!("HTTP {}: the answer does not show a batch to this person alone", answer.status);
        Outcome::Unclear { vendor_id: id, why }
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let Some(id) = path_part(&enquiry.vendor_id) else { return Ok(Vec::new()) };
        let path = self.of_plan(&format!("batches/{id}/delivery_report"));
        let body = match self.read(Request::get(path).query("type", "full")).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            read => read?,
        };
        let statuses = body.get("statuses").and_then(Value::as_array);
        let statuses = statuses.ok_or_else(|| self.wrong("the answer has no statuses"))?;
        let is_theirs = |fared: &&Value| {
            let recipients = fared.get("recipients").and_then(Value::as_array);
            let mut written = recipients.into_iter().flatten().filter_map(Value::as_str);
            recipients.is_none_or(Vec::is_empty) || written.any(|one| digits::is_same(one, &enquiry.to))
        };
        let now = self.clock.now();
        let receipt = |fared| Fared(fared).receipt(&enquiry.vendor_id, &self.wording, now);
        statuses
            .iter()
            .filter(is_theirs)
            .map(|fared| receipt(fared).map_err(|why| self.wrong(&why)))
            .collect()
    }

    async fn list(&self, query: &ListQuery) -> Result<Page> {
        let number = query.page.max(1);
        // Theirs begin with 0.
        let answer = self.batches(number - 1, query.since, None).await?;
        let batches = answer.get("batches").and_then(Value::as_array);
        let batches = batches.ok_or_else(|| self.wrong("the answer has no batches"))?;
        let mut messages: Vec<VendorMessage> =
            batches.iter().flat_map(|batch| Batch(batch).messages()).collect();
        messages.retain(|message| {
            let is_theirs = query.to.as_ref().is_none_or(|to| digits::is_same(&message.to, to));
            let is_late = query.since.is_none_or(|since| message.at.is_none_or(|at| at >= since));
            is_theirs && is_late && query.state.is_none_or(|state| state == message.state)
        });
        let told = |name: &str| answer.get(name).and_then(Value::as_u64);
        let length = told("page_size").filter(|length| *length > 0).unwrap_or(u64::from(PAGE));
        let (seen, count) = (u64::from(number).saturating_mul(length), told("count"));
        let is_full = u32::try_from(batches.len()).is_ok_and(|count| count >= PAGE);
        let has_next = !batches.is_empty() && count.map_or(is_full, |count| count > seen);
        Ok(Page { messages, next: has_next.then(|| number.saturating_add(1)) })
    }

    async fn find(&self, sought: &Sought) -> Result<Option<VendorMessage>> {
        self.found(sought).await
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if self.callback.is_none() {
            return Err(NotBelieved::NotExpected);
        }
        self.hooks.read(delivery)
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let answer = self.batches(0, None, None).await?;
        if !answer.get("batches").is_some_and(Value::is_array) {
            return Err(self.wrong("the answer has no batches"));
        }
        let reports = match (&self.callback, self.hooks.can_check()) {
            (None, false) => "receipts are polled: there is no webhook",
            (None, true) => {
                return Ok(vec![
                    Finding::fine("the token is taken"),
                    Finding::warning(
                        "the proof of webhooks is set and [http] public_url is not: receipts are polled, and \
                         no replies come in",
                    ),
                ]);
            }
            (Some(_), false) => {
                "receipts come to an address of each text, and are looked up; replies come in once \
                 webhook_secret or webhook_user is set"
            }
            (Some(_), true) => "receipts come by webhook",
        };
        Ok(vec![Finding::fine("the token is taken"), Finding::fine(reports)])
    }

    fn actions(&self) -> &'static [Action] {
        &ACTIONS
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<Value> {
        let Some(known) = ACTIONS.iter().find(|known| known.name == action) else {
            return Err(no_such_action(action, &ACTIONS));
        };
        known.check(arguments)?;
        let given = |name: &str| arguments.get(name).map(String::as_str);
        let number = Number::parse(given("number").unwrap_or_default(), None)
            .map_err(|error| Error::new(ErrorKind::InvalidArgument, format!("number=: {error}")))?;
        let body = Body::new(number.e164(), self.sender(given("from")), given("text").unwrap_or_default());
        let path = self.of_plan("batches/dry_run");
        let request = Request::post(path).query("per_recipient", true).json(&body);
        let answer = self.client.change(&self.signed_in(request)).await?;
        answer.json().map_err(|why| self.wrong(&why))
    }
}
