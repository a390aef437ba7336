//! Asking a person through their client: the page's address with the gist, and the answer to the call that comes
//! back from there. Neither sends anything: who decides is who proves it on the page.

use std::time::Duration;

use super::room::Submit;
use crate::engine::caller::Caller;
use crate::engine::contract::{Answered, Round};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::proposals::Proposal;
use crate::setting::network::is_loopback;
use crate::sms::message::{BatchId, MessageId};
use crate::sms::money::Amount;

/// How often it is looked whether somebody has decided.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long what was approved may take to leave before its answer says that it has not yet.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

impl Submit {
    /// What a client may ask its user to open: nothing where nobody serves the page at an address that may be
    /// opened, nobody may decide any more, or such a round was used before. An address of this machine is one where
    /// the client is on it, too (`is_near`): elsewhere it is somebody else's.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn round(&self, caller: &Caller, id: &str, is_near: bool) -> Result<Option<Round>> {
        let now = self.life.now();
        let found = self.proposal_of(caller, id).await?;
        let found = found.filter(|proposal| proposal.is_open(now) && !proposal.is_round_used);
        Ok(found.and_then(|proposal| {
            let Proposal { id, reasons, expires, messages, held_micros, currency, .. } = proposal;
            let url = self.answers.page_of(&id).filter(|url| may_be_opened(url, is_near))?;
            let texts = if messages == 1 { "1 text waits".to_owned() } else { format!("{messages} texts wait") };
            let left = u64::try_from(expires.as_millis().saturating_sub(now.as_millis())).unwrap_or_default();
            let message = format!(
                "{texts} for an approver, at most {} {currency}. Why: {reasons}. To open the page decides nothing.",
                Amount(held_micros)
            );
            Some(Round { url, message, left: Duration::from_millis(left) })
        }))
    }

    /// What became of what a round was about, once: after at most this long, in which somebody may decide. Nothing
    /// where it was asked for by nobody of this name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where the round was used before; what became of the message, where that is an
    /// error; [`ErrorKind::LedgerUnavailable`].
    pub async fn after_round(
        &self,
        caller: &Caller,
        id: &str,
        patience: Duration,
    ) -> Result<Option<Answered>> {
        let Some(proposal) = self.proposal_of(caller, id).await? else { return Ok(None) };
        if !self.ledger.use_round(&proposal.id).await? {
            let message = format!("this `requestState` was used before, for {}", proposal.target);
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .next("Nothing was sent by it. Do not send again: get_status shows where it stands."));
        }
        if self.waits_for(&proposal, patience, |found| found.decision.is_none() && found.waiting > 0).await? {
            self.waits_for(&proposal, LEAVES_WITHIN, |found| found.waiting > 0).await?;
        }
        let target = proposal.target.as_str();
        Ok(Some(if target.starts_with(MessageId::PREFIX) {
            Answered::Message(Box::new(self.replay(caller, &MessageId::from_text(target)).await?))
        } else {
            Answered::Bulk(Box::new(self.answers.bulk(caller, &BatchId::from_text(target)).await?))
        }))
    }

    /// Waits while this holds of a proposal, at most so long. Returns whether it holds no more.
    async fn waits_for(
        &self,
        proposal: &Proposal,
        patience: Duration,
        holds: impl Fn(&Proposal) -> bool,
    ) -> Result<bool> {
        let give_up = self.life.now().plus_ms(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
        loop {
            let found = self.ledger.proposal(proposal.id.as_str()).await?;
            if !found.is_some_and(|found| holds(&found)) {
                return Ok(true);
            }
            if self.life.now() >= give_up || self.life.is_stopping() {
                return Ok(false);
            }
            self.life.sleep(LOOK_EVERY).await;
        }
    }

    async fn proposal_of(&self, caller: &Caller, id: &str) -> Result<Option<Proposal>> {
        let found = self.ledger.proposal(id).await?;
        Ok(found.filter(|proposal| proposal.principal == caller.principal))
    }
}

/// Whether a client may open an address for its user: it is encrypted, or on the machine that both are on.
fn may_be_opened(page: &str, is_near: bool) -> bool {
    let plain = page.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or(rest));
    page.starts_with("https://") || (is_near && plain.is_some_and(is_loopback))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_leads_elsewhere_than_it_says_is_not_opened() {
        for (page, near, far) in [
            ("https://sms.example.com", true, true),
            ("http://127.0.0.1:8788", true, false),
            ("http://localhost:8787", true, false),
            ("http://10.0.0.7:8787", false, false),
            ("http://localhost.example.com", false, false),
        ] {
            assert_eq!((may_be_opened(page, true), may_be_opened(page, false)), (near, far), "{page}");
        }
    }
}
