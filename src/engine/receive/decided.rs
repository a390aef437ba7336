//! What approvers answer by text: a word that decides, or one that is wrong. Nobody else ever sees such a reply:
//! it is not recorded as one, no agent has it, no log and no event. Whoever told it is thanked all the same.

use super::room::Receive;
use crate::access::word::{Said, Word, read_reply};
use crate::engine::carriers::carrier::Carrier;
use crate::error::Result;
use crate::ledger::words::{Verbs, WordTaken, WordTry};
use crate::provider::exchange::Reply;
use crate::sms::caller_id::Who;
use crate::sms::message::Realm;
use crate::sms::number::Number;

/// The verbs, as the command line has them.
const VERBS: Verbs = Verbs { approve: "approvals approve", refuse: "approvals refuse" };

impl Receive {
    /// Takes a reply of an approver that decides something, or has a word in it. Returns whether it was one.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable); it may be told again then.
    pub async fn take_decision(
        &self,
        carrier: &Carrier,
        reply: &Reply,
        who: &Who,
        is_whole: bool,
    ) -> Result<bool> {
        let said = if self.answering.takes_words() { read_reply(&reply.text) } else { Said::Other };
        if said == Said::Other {
            return Ok(false);
        }
        let approvers = self.ledger.approvers(self.life.now()).await?;
        let is_phone =
            |number: &Number| approvers.iter().any(|known| known.phone.as_deref() == Some(number.e164()));
        if !who.people.iter().any(is_phone) {
            return Ok(false);
        }
        // In full, with its country code: national digits are somebody else's in another country.
        let written = reply.from.text().trim().trim_start_matches('+');
        let is_exact =
            |number: &&Number| number.e164().trim_start_matches('+') == written && is_phone(number);
        match (said, who.lifts().filter(is_exact)) {
            (Said::Decision { yes, word }, Some(number)) if is_whole => {
                self.decide_by(carrier, number, yes, &word).await?;
            }
            (Said::Decision { .. }, _) => undecided(carrier, "nobody can tell for certain who wrote it"),
            (Said::Secret | Said::Other, _) => {
                undecided(carrier, "it has a word, and is no YES or NO with one")
            }
        }
        if let Some(content) = &reply.content {
            self.ledger.forget_told(carrier.name(), content).await?;
        }
        Ok(true)
    }

    async fn decide_by(&self, carrier: &Carrier, number: &Number, yes: bool, word: &Word) -> Result<()> {
        if self.carriers.realm() == Realm::Live && self.ledger.trust().await.is_err() {
            // A ledger in doubt may be one in which this was decided before.
            undecided(carrier, "the ledger is in doubt");
            return Ok(());
        }
        let tried = WordTry {
            word: word.as_str().to_owned(),
            yes,
            phone: number.e164().to_owned(),
            provider: carrier.name().to_owned(),
            now: self.life.now(),
        };
        match self.ledger.decide_by_word(tried, VERBS).await? {
            WordTaken::Decided { proposal, approver, decided, .. } => {
                let (of, decided) = (proposal.as_str(), decided.as_str());
                tracing::warn!(approver, of, decided, "an approver decided by a text");
                self.signals.to_tell();
            }
            WordTaken::Over => undecided(carrier, "its word was used, or what it is about is over"),
            WordTaken::Wrong { paused_until: None } => undecided(carrier, "its word is wrong"),
            WordTaken::Wrong { paused_until: Some(_) } => {
                undecided(carrier, "its word is wrong, and there is a pause now");
            }
            WordTaken::Paused(_) => undecided(carrier, "there is a pause after wrong words"),
            WordTaken::Nobody => undecided(carrier, "its sender is an approver no more"),
        }
        Ok(())
    }
}

fn undecided(carrier: &Carrier, why: &str) {
    tracing::warn!(provider = carrier.name(), why, "a text of an approver decided nothing");
}
