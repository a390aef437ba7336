//! What a caller is told of a person's decision.

use super::room::Answers;
use crate::engine::contract::ApprovalView;
use crate::error::Result;
use crate::ledger::proposals::{Decided, Proposal};

impl Answers {
    /// What a person decides about this message or bulk, or decided; nothing where nobody was asked.
    pub async fn approval(&self, target: &str) -> Result<Option<ApprovalView>> {
        Ok(self.ledger.proposal(target).await?.map(|found| view(found, self.page.get())))
    }
}

fn view(proposal: Proposal, page: Option<&String>) -> ApprovalView {
    let Proposal { id, reasons, expires, decision, .. } = proposal;
    let decided = decision.as_ref().map(|decision| decision.decided);
    let page = page.map(|page| format!("at {page}/approve/{id}, or: ")).unwrap_or_default();
    ApprovalView {
        reasons,
        decide: format!("An approver decides {page}sms-mcp approvals approve {id}"),
        expires_at: expires.rfc3339(),
        decision: decided.map(|decided: Decided| decided.as_str().to_owned()),
        why: decision.and_then(|decision| decision.why),
        id,
    }
}
