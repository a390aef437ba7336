//! What is asked of the ledger: an intent, and the decision that it takes with its facts; and what a refusal
//! means where an earlier call with the same key was accepted.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::asked::Asked;
use super::key::accepted;
use super::room::Submit;
use crate::clock::Timestamp;
use crate::engine::caller::Caller;
use crate::engine::carriers::route::Way;
use crate::engine::prepared::Prepared;
use crate::error::{Error, Result};
use crate::halt::Halt;
use crate::ledger::proposals::NewProposal;
use crate::ledger::{Decide, Draft, Intent, Payer};
use crate::policy::Ask;
use crate::sms::links::leads_somewhere;
use crate::sms::message::{ProposalId, Realm};
use crate::sms::schedule::Schedule;

impl Submit {
    /// A refusal, unless an earlier call with this key was accepted (the operator changed the rules since):
    /// then "nothing was sent" would be wrong.
    pub async fn unless_accepted(&self, caller: &Caller, key: Option<&str>, refused: Error) -> Error {
        let Some(key) = key else { return refused };
        match self.ledger.target_of(&caller.principal, self.carriers.realm(), key).await {
            Ok(Some(target)) => accepted(refused, target.as_str()),
            Ok(None) | Err(_) => refused,
        }
    }

    /// The same of a reservation that failed: it may be written all the same, and under its own id nothing is
    /// begun.
    pub async fn unless_accepted_as_another(
        &self,
        caller: &Caller,
        (key, own): (Option<&str>, &str),
        error: Error,
    ) -> Error {
        let Some(key) = key else { return error };
        match self.ledger.target_of(&caller.principal, self.carriers.realm(), key).await {
            Ok(Some(target)) if target.as_str() != own => accepted(error, target.as_str()),
            Ok(_) | Err(_) => error,
        }
    }

    /// What every intent of this engine has in common.
    pub fn intent(&self, payer: Payer) -> Intent {
        let settings = self.policy.settings();
        Intent {
            payer,
            now: self.life.now(),
            idempotency: None,
            batch: None,
            is_campaign: false,
            forward: self.forward,
            drafts: Vec::new(),
            all_or_none: true,
            duplicate_window_ms: settings.duplicate_window.as_millis(),
            per_second: settings.sends_per_second,
            keep_texts: self.keep_texts,
            proposal: None,
            looks: self.policy.approval().looks(),
            answers_of: self.policy.quiet().purposes(),
            consent_for: self.policy.consent().required_for.clone(),
            preview: false,
        }
    }

    /// Whether a text has a link or a number to call, where the operator's rules ask for that.
    pub fn leads_somewhere(&self, text: &str) -> bool {
        self.policy.approval().links && leads_somewhere(self.policy.without_line(text))
    }

    /// What is recorded where a person is asked; nothing where nobody is, by the operator's rules.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`](crate::error::ErrorKind::Internal) where the system has no random bits.
    pub fn proposal(&self, schedule: Schedule) -> Result<Option<NewProposal>> {
        let rules = self.policy.approval();
        if !self.policy.may_ask() {
            return Ok(None);
        }
        // After the time by which it is to leave nobody can say yes to anything.
        let late = schedule.at_ms.map(|at_ms| at_ms.saturating_add(self.policy.late().as_millis()));
        let by = schedule.by_ms.or(late).map(Timestamp);
        let expires = self.life.now().plus_ms(rules.expires.as_millis());
        let expires = by.map_or(expires, |by| by.min(expires));
        let id = ProposalId::new(self.life.random()?);
        let page = self.answers.page_of(&id);
        Ok(Some(NewProposal { id, expires, page }))
    }

    /// The guard's decision over one message, as the ledger will ask for it.
    pub fn decide_one(&self, prepared: &Prepared, allow_duplicate: bool, now: Timestamp) -> Decide {
        let (policy, to, from, hold_micros) = (
            Arc::clone(&self.policy),
            prepared.to.clone(),
            prepared.draft.from.clone(),
            prepared.draft.hold_micros,
        );
        let &Draft { purpose, schedule, .. } = &prepared.draft;
        let leads_somewhere = self.leads_somewhere(&prepared.draft.text);
        Arc::new(move |_, facts| {
            let ask = Ask {
                from: from.as_deref(),
                hold_micros,
                allow_duplicate,
                paced: true,
                purpose,
                schedule,
                leads_somewhere,
                ..Ask::to(&to, now.as_millis())
            };
            policy.decide(&ask, facts)
        })
    }

    /// Refuses a message that would begin anew and may not. What an earlier call with its key began is
    /// answered as ever.
    ///
    /// # Errors
    /// [`ErrorKind::Paused`], or what keeps the ledger from being written.
    pub async fn may_begin(
        &self,
        caller: &Caller,
        key: Option<&str>,
        prepared: &Prepared,
        way: &Way<'_>,
    ) -> Result<()> {
        let first = self.halting.at(&caller.principal, [prepared.draft.provider.as_str()]);
        if first.is_none() {
            return Ok(());
        }
        // Another one on its way may take it.
        let halt = self.halting.at(&caller.principal, way.names());
        self.unless_begun(caller, prepared.realm, key, halt).await
    }

    /// The same for messages that would be queued: each waits for its own provider.
    ///
    /// # Errors
    /// As [`Submit::may_begin`].
    pub async fn may_queue(&self, caller: &Caller, key: Option<&str>, messages: &[Asked]) -> Result<()> {
        let providers: BTreeSet<&str> = messages.iter().map(|message| &*message.provider).collect();
        let halt = providers.into_iter().find_map(|provider| self.halting.at(&caller.principal, [provider]));
        let realm = messages.first().map_or_else(|| self.carriers.realm(), |first| first.realm);
        self.unless_begun(caller, realm, key, halt).await
    }

    async fn unless_begun(
        &self,
        caller: &Caller,
        realm: Realm,
        key: Option<&str>,
        halt: Option<Halt>,
    ) -> Result<()> {
        let Some(halt) = halt else { return Ok(()) };
        let begun = match key {
            Some(key) => self.ledger.target_of(&caller.principal, realm, key).await.ok().flatten(),
            None => None,
        };
        if begun.is_some() { Ok(()) } else { Err(halt.error()) }
    }
}
