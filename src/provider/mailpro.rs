//! Mailpro: single sends, campaigns to lists that the vendor keeps, and the lists themselves.
//!
//! Its documentation comes in three generations that contradict each other: a guide for agents (JSON,
//! PascalCase), older reference pages (XML, snake_case), and names of functions without their parameters. So
//! answers of both generations are read (`answers`), and what no page says for sure is a setting: each path,
//! the names of some parameters, the form of numbers. There is no sandbox, no idempotency key and no price
//! list. What a send cost is what the answer charges, or the difference of the credits that are left
//! (`meter`), at the worth that the operator gives a credit.
//!
//! A status can be had from the history alone, by number and time (`history`); that is off until configured,
//! as are the functions that the vendor has announced and not opened.
//!
//! The credentials are parameters: form fields of a POST, and part of the address of a GET. So no address is
//! ever logged, and the vendor's words are searched for them before anybody sees them.

mod account;
mod actions;
mod answers;
mod history;
mod meter;
mod settings;

use std::sync::Arc;

use async_trait::async_trait;

use super::exchange::{
    Action, Arguments, Campaign, Delivery, Enquiry, Event, Finding, ListQuery, NotBelieved, Page, Receipt,
};
use super::settings::Setup;
use super::{Balance, Build, Capabilities, Form, Outcome, Provider, Submission};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::caller_id::Sender;
use crate::sms::message::State;
use crate::sms::money::Money;
use crate::sms::number::Number;
use answers::Tree;

pub use account::Mailpro;
pub use settings::{Config, Format, NumberFormat, Paths};

/// Most sends that one report may speak of.
const MAX_REPORTED: usize = 100;

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Mailpro::new(self.clone(), &setup, actions::offered(&self.paths))?))
    }
}

#[async_trait]
impl Provider for Mailpro {
    fn capabilities(&self) -> Capabilities {
        let (paths, history) = (&self.config.paths, self.config.history);
        Capabilities {
            schedule: true,
            status: history,
            list: history,
            balance: true,
            // A report is unsigned, so it is worth nothing where it cannot be looked up.
            receipts_by_push: self.config.webhook && history,
            receipts_by_poll: history,
            opt_outs: paths.suppressions.is_some(),
            opt_out_list: paths.suppressions.is_some(),
            lookup: paths.phone_lookup.is_some() || paths.verify_check.is_some(),
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, _: &Number, _: u32) -> Option<Money> {
        // No page has prices; the operator's [rates] have.
        None
    }

    fn form(&self, _: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        let Some(from) = from.filter(|from| self.config.from.as_deref() != Some(from)) else {
            return Ok(Form::of(text));
        };
        let not_allowed = |why: String| Err(Error::new(ErrorKind::SenderNotAllowed, why));
        if !settings::is_sender(from) {
            return not_allowed(format!(
                "\"{from}\" is no sender name of {}: 1 to 10 letters and digits",
                self.config.name
            ));
        }
        if self.config.sender_parameter.is_none() {
            return not_allowed(format!(
                "{} shows the sender name of its account, and takes no other with a message",
                self.config.name
            ));
        }
        Ok(Form::of(text))
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let to = self.number(&submission.to);
        let mut fields = vec![("to", to.as_str()), ("message", submission.text.as_str())];
        fields.extend(self.sender(submission.from.as_deref()));
        let request = self.post(&self.config.paths.send_single, &fields).carrying(&[submission]);
        self.submit(&request, State::Sent).await
    }

    async fn balance(&self) -> Result<Balance> {
        let tree = self.ask(&self.get(&self.config.paths.credit, &[])).await?;
        let micros = tree.credits().ok_or_else(|| self.unavailable("the answer names no credits"))?;
        Ok(Balance::Credits { micros, worth: self.worth(micros, false) })
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        self.look_up(enquiry).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page> {
        self.list_history(query).await
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        if !self.config.webhook {
            return Err(NotBelieved::NotExpected);
        }
        let (event, ids) = Tree::read_bytes(delivery.body).map_err(NotBelieved::Malformed)?.report();
        if event.is_some_and(|event| event != "sms.delivered") {
            return Ok(Vec::new());
        }
        match ids.len() {
            0 => Err(NotBelieved::Malformed("it names no send".to_owned())),
            1..=MAX_REPORTED => Ok(ids
                .into_iter()
                .map(|vendor_id| Event::Hint { vendor_id, message: delivery.message.cloned() })
                .collect()),
            _ => Err(NotBelieved::Malformed(format!("it names more than {MAX_REPORTED} sends"))),
        }
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        let Some(path) = &self.config.paths.suppressions else { return Ok(Vec::new()) };
        let tree = self.ask(&self.get(path, &[])).await?;
        // Some lists leave the plus or the zeros out, and no page says which country's spelling that is.
        Ok(tree
            .suppressed()
            .into_iter()
            .map(|(text, at)| Event::OptOut { number: Sender::of(&text), is_out: true, at, heard_by: None })
            .collect())
    }

    async fn opt_out(&self, number: &Number, is_out: bool) -> Result<()> {
        let not_supported =
            |what: &str| Error::new(ErrorKind::NotSupported, format!("{} has no {what}", self.config.name));
        let path = self
            .config
            .paths
            .suppressions
            .as_ref()
            .ok_or_else(|| not_supported("list of opt-outs (paths.suppressions)"))?;
        if !is_out {
            return Err(not_supported("documented way off its list of opt-outs; write to its support"));
        }
        self.change(&self.post(path, &[("number", &self.number(number))])).await.map(drop)
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        let Balance::Credits { micros, worth } = self.balance().await? else { return Ok(Vec::new()) };
        let credits = crate::sms::money::Amount(micros);
        let worth = worth.map_or_else(String::new, |worth| format!(", worth {worth}"));
        let mut findings =
            vec![Finding::fine(format!("the credentials work; {credits} credits are left{worth}"))];
        if micros <= 0 {
            findings.push(Finding::warning("no credits are left"));
        }
        if self.config.credit_worth.is_none() {
            findings.push(Finding::warning(
                "credit_worth is not set: real prices are not known, and every send is charged at its rate",
            ));
        }
        if self.config.history {
            self.entries(history::WAITING, None).await?;
            findings.push(Finding::fine("the history can be read"));
        } else if self.config.webhook {
            findings.push(Finding::warning(
                "webhook is on and history is off: reports are not signed, and nothing can confirm them",
            ));
        }
        Ok(findings)
    }

    fn actions(&self) -> &'static [Action] {
        self.actions
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<serde_json::Value> {
        self.do_action(action, arguments).await
    }

    async fn members(&self, list: &str) -> Result<Vec<String>> {
        let tree = self.ask(&self.get(&self.config.paths.phones, &[("id_list", list)])).await?;
        tree.numbers().map_err(|why| self.unavailable(&why))
    }

    async fn campaign(&self, campaign: &Campaign) -> Outcome {
        // Without milliseconds and zone, as the vendor's example has it. No page says which zone is meant;
        // UTC is.
        let at =
            campaign.at.map(|at| at.rfc3339().chars().take("2026-11-27T12:00:00".len()).collect::<String>());
        let mut fields = vec![
            (self.config.list_parameter.as_str(), campaign.list.as_str()),
            ("message", campaign.text.as_str()),
        ];
        fields.extend(at.as_deref().map(|at| (self.config.schedule_parameter.as_str(), at)));
        fields.extend(self.sender(None));
        let request = self.post(&self.config.paths.send_list, &fields).id(campaign.id.as_str());
        self.submit(&request, if at.is_some() { State::Queued } else { State::Sent }).await
    }
}
