//! CMPP 2.0, 2.1 and 3.0: the protocol between China Mobile's gateways (ISMG) and a service provider, which
//! other Chinese carriers and aggregators speak too.
//!
//! A text becomes one SUBMIT for each segment, all asked in their order; what became of the message is folded
//! from what became of them. A SUBMIT whose answer is lost is never sent again, though the standard says so:
//! it may be charged twice. Equal texts can go to up to 99 recipients in one SUBMIT. The gateway answers it
//! with one id, M, and the recipients have the ids M, M+1 and so on, in the low 16 bits alone. It takes all
//! of them or none: where it says that one is wrong, each is sent alone.
//!
//! Reports and texts of people come on the same connection. The parts: [`pdu`] has the octets, [`content`]
//! the texts, [`report`] the reports, [`login`] the proofs, and [`protocol`] joins them to the [session
//! engine](crate::provider::line::session).
//!
//! Source: China Mobile QB-GF-028-2003 (CMPP 3.0.0).

mod actions;
pub mod content;
mod gateway;
pub mod login;
pub mod pdu;
pub mod protocol;
pub mod report;
pub mod result;
mod settings;
mod time;
mod told;

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::mpsc;

use crate::error::{Error, ErrorKind, Result};
use crate::halt::Brake;
use crate::provider::exchange::{Action, Answered, Arguments, Finding, Notice, Unacknowledged};
use crate::provider::line::ear::{self, Ear, Told};
use crate::provider::line::session::{Asked, Late, Lost, Telling};
use crate::provider::settings::Setup;
use crate::provider::{Build, Capabilities, Form, Outcome, Provider, Submission, alike};
use crate::sms::message::MessageId;
use crate::sms::money::Money;
use crate::sms::number::Number;
use gateway::{CHINA, said, too_long};
use pdu::Terminal;
use protocol::{Answer, Cmpp, Delivered};
use result::Results;

pub use gateway::Gateway;
pub use settings::Config;

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Gateway::new(self.clone(), &setup)?))
    }
}

impl Gateway {
    /// Sends one text to several in one SUBMIT for each segment. As many outcomes as submissions.
    async fn send_group(&self, group: &[&Submission]) -> Vec<Outcome> {
        let Some(first) = group.first() else { return Vec::new() };
        let to: Arc<[Terminal]> = group.iter().map(|submission| self.terminal(&submission.to)).collect();
        let carried: Arc<[MessageId]> = group.iter().map(|submission| submission.id.clone()).collect();
        let brake = Brake::joined(group.iter().map(|submission| &submission.brake));
        let Some(answers) = self.submit(first, to, &carried, &brake).await else {
            return vec![too_long(); group.len()];
        };
        let is_refused = |asked: &Asked<Answer>| matches!(asked.answer, Ok(Answer::Submitted(answered)) if answered.result == result::BAD_DESTINATION);
        let is_unsent = |asked: &Asked<Answer>| matches!(asked.answer, Err(Lost::NotSent { .. }));
        // The rest of a text is not sent after a segment that was refused.
        if group.len() > 1
            && answers.iter().any(is_refused)
            && answers.iter().all(|asked| is_refused(asked) || is_unsent(asked))
        {
            // One of them is wrong, and for that reason the gateway took none.
            return join_all(group.iter().map(|submission| self.send(submission))).await;
        }
        (0..).zip(group).map(|(place, _)| self.outcome(&answers, place)).collect()
    }

    /// The submissions' places by SUBMIT.
    fn groups(&self, submissions: &[Submission]) -> Vec<Vec<usize>> {
        alike(submissions, self.config.from.as_deref(), usize::from(self.config.destinations_per_submit))
    }
}

/// An answer that came after its request was given up: it speaks of each message that the request carried.
fn answered(late: &Late<Cmpp>, results: &Results) -> Vec<Answered> {
    let segment = late.about.segment;
    let of = |(place, message): (u16, &MessageId)| Answered {
        message: message.clone(),
        segment,
        outcome: said(&late.answer, place, results),
    };
    (0..).zip(late.about.messages.iter()).map(of).collect()
}

/// How what the gateway tells is understood.
struct Hearing {
    results: Results,
}

impl Ear<Cmpp> for Hearing {
    fn read(&mut self, push: &Delivered, telling: Telling) -> Told {
        told::read(push, telling)
    }

    fn answered(&self, late: &Late<Cmpp>) -> Vec<Answered> {
        answered(late, &self.results)
    }
}

#[async_trait]
impl Provider for Gateway {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            recipients_per_request: self.config.destinations_per_submit,
            receipts_by_push: self.config.receipts,
            replies: true,
            segment_requests: true,
            bounds_itself: true,
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, _: &Number, _: u32) -> Option<Money> {
        None
    }

    fn form(&self, to: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        let name = &self.config.name;
        let refused = |kind, why: String| Err(Error::new(kind, why));
        if !self.config.foreign && !to.e164().starts_with(CHINA) {
            return refused(
                ErrorKind::DestinationNotAllowed,
                format!("{name} takes numbers in China (+86) alone"),
            );
        }
        if from.is_some_and(|from| !settings::is_sender(from)) {
            return refused(
                ErrorKind::SenderNotAllowed,
                format!("a sender of {name} is a service code: 1 to 20 digits"),
            );
        }
        let plan = content::Plan::of(text, &self.config.rules());
        let segments = plan.segments();
        if segments > content::MAX_SEGMENTS {
            return refused(
                ErrorKind::MessageTooLong,
                format!(
                    "the text needs {segments} segments, and one message has at most {}",
                    content::MAX_SEGMENTS
                ),
            );
        }
        Ok(Form { encoding: plan.format.as_str(), segments: u32::try_from(segments).unwrap_or(u32::MAX) })
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let to: Arc<[Terminal]> = Arc::from([self.terminal(&submission.to)]);
        match self.submit(submission, to, &Arc::from([submission.id.clone()]), &submission.brake).await {
            Some(answers) => self.outcome(&answers, 0),
            None => too_long(),
        }
    }

    async fn room(&self) -> u32 {
        self.account.roomy().await
    }

    fn is_answering(&self) -> bool {
        self.account.is_answering()
    }

    fn is_mid_text(&self) -> bool {
        self.account.is_mid_text()
    }

    fn begin_close(&self) {
        self.account.begin_close();
    }

    /// All groups at once: the session has a window, and sends what is for one recipient in its order.
    async fn send_many(&self, submissions: &[Submission]) -> Vec<Outcome> {
        let groups = self.groups(submissions);
        let answered = join_all(groups.iter().map(|places| async {
            let group: Vec<&Submission> = places.iter().filter_map(|place| submissions.get(*place)).collect();
            self.send_group(&group).await
        }))
        .await;
        let not_begun = Outcome::NotSent { retry_after_ms: None, why: "it was not asked for".to_owned() };
        let mut outcomes = vec![not_begun; submissions.len()];
        for (place, outcome) in groups.into_iter().flatten().zip(answered.into_iter().flatten()) {
            if let Some(slot) = outcomes.get_mut(place) {
                *slot = outcome;
            }
        }
        outcomes
    }

    fn words(&self, coding: u8, octets: &[u8]) -> Option<String> {
        content::decode(coding, octets)
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        let pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let hearing = Hearing { results: self.account.protocol().results().clone() };
        Some(ear::listen(&self.config.name, &self.account, pushes, &self.clock, hearing))
    }

    async fn close(&self) {
        self.account.close().await;
    }

    fn unacknowledged(&self) -> Vec<Unacknowledged> {
        self.account.unheard().texts()
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        self.account.start();
        self.account.ready().await.map_err(|lost| lost.error(&self.config.name))?;
        let version = self.account.protocol().agreed().map_or("?", pdu::Version::as_str);
        let mut findings =
            vec![Finding::fine(format!("the gateway took the greeting, in version {version}"))];
        findings.extend(
            self.account
                .missing()
                .await
                .into_iter()
                .map(|why| Finding::warning(format!("another connection is not up: {why}"))),
        );
        if !self.config.receipts {
            findings
                .push(Finding::warning("receipts is off: nothing will say whether a message was delivered"));
        }
        Ok(findings)
    }

    fn actions(&self) -> &'static [Action] {
        actions::ACTIONS
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<serde_json::Value> {
        self.do_action(action, arguments).await
    }
}

#[cfg(test)]
mod tests;
