//! What a caller is told of a person's decision.

use super::room::Answers;
use crate::engine::contract::ApprovalView;
use crate::error::Result;
use crate::ledger::proposals::{Decided, Proposal};
use crate::sms::message::ProposalId;

impl Answers {
    /// What a person decides about this message or bulk, or decided; nothing where nobody was asked.
    pub async fn approval(&self, target: &str) -> Result<Option<ApprovalView>> {
        Ok(self.ledger.proposal(target).await?.map(|found| {
            let page = self.page_of(&found.id);
            view(found, page.as_deref())
        }))
    }

    /// The address of the page on which a person decides about this, where somebody serves it here.
    pub fn page_of(&self, id: &ProposalId) -> Option<String> {
        self.page.get().map(|page| format!("{page}/approve/{id}"))
    }
}

fn view(proposal: Proposal, page: Option<&str>) -> ApprovalView {
    let Proposal { id, reasons, expires, decision, .. } = proposal;
    let decided = decision.as_ref().map(|decision| decision.decided);
    let page = page.map(|page| format!("at {page}, or: ")).unwrap_or_default();
    ApprovalView {
        reasons,
        decide: format!("An approver decides {page}sms-mcp approvals approve {id}"),
        expires_at: expires.rfc3339(),
        decision: decided.map(|decided: Decided| decided.as_str().to_owned()),
        why: decision.and_then(|decision| decision.why),
        id,
    }
}
