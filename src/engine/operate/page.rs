//! What the page needs to put a proposal before an approver, beyond showing it and deciding on it.

use std::collections::HashMap;

use super::approvers;
use super::room::Operate;
use crate::access::{Challenge, Decision};
use crate::engine::caller::Caller;
use crate::error::{ErrorKind, Result};
use crate::sms::message::ProposalId;

/// Messages that are read in one step.
const AT_ONCE: u32 = 1_000;

/// Most octets of the texts that are listed.
const MOST_OCTETS: usize = 4 * 1024 * 1024;

/// The distinct texts of a proposal.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// Each with how many messages have it, in the order in which they come first. No text: it is erased.
    pub texts: Vec<(Option<String>, u32)>,
    /// Whether there are more than could be listed.
    pub is_cut: bool,
}

impl Operate {
    /// A challenge for this decision, which is asked for now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where there is no approver; [`ErrorKind::LedgerUnavailable`];
    /// [`ErrorKind::Internal`] where the system has no random bits.
    pub async fn challenge(&self, caller: &Caller, decision: &Decision) -> Result<Option<Challenge>> {
        caller.looked(decision.verb());
        let identity = self.ledger.approval_identity().await?;
        let challenge = approvers::challenge(identity, decision, self.life.now(), self.life.random()?);
        match challenge {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            challenge => challenge.map(Some),
        }
    }

    /// Every distinct text of a proposal.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn texts(&self, caller: &Caller, id: &ProposalId) -> Result<Texts> {
        caller.looked("approvals show");
        let (mut found, mut places, mut after, mut octets) = (Texts::default(), HashMap::new(), 0, 0);
        loop {
            let records = self.ledger.proposed(id, after, AT_ONCE).await?;
            let Some(last) = records.last() else { return Ok(found) };
            after = last.sequence;
            for record in records {
                if let Some((_, count)) = places.get(&record.text).and_then(|at| found.texts.get_mut(*at)) {
                    *count += 1;
                    continue;
                }
                octets += record.text.as_ref().map_or(0, String::len);
                if octets > MOST_OCTETS {
                    found.is_cut = true;
                    return Ok(found);
                }
                places.insert(record.text.clone(), found.texts.len());
                found.texts.push((record.text, 1));
            }
        }
    }
}
