//! A bulk as its callers see it.

use super::room::Answers;
use crate::engine::arguments::no_such;
use crate::engine::caller::Caller;
use crate::engine::contract::{BudgetLeft, BulkAnswer, BulkResult, BulkStatus, Price};
use crate::error::Result;
use crate::ledger::{BatchMessage, BatchRecord};
use crate::sms::message::{BatchId, State};

/// A bulk up to this size lists every result; a larger one only those that need attention.
const RESULTS: u32 = 100;

impl Answers {
    /// A bulk as the ledger has it.
    pub async fn bulk(&self, caller: &Caller, id: &BatchId) -> Result<BulkAnswer> {
        let store = &self.ledger;
        let missing = || no_such("id", id.as_str());
        let batch: BatchRecord = store.batch(&caller.principal, id, RESULTS).await?.ok_or_else(missing)?;
        let currency = self.policy.settings().currency;
        let realm = batch.realm.unwrap_or(self.realm);
        let budgets = store.budgets(self.payer(caller, None, realm)?, self.life.now()).await?;
        let mut warnings = self.warnings([realm]);
        if batch.states.iter().any(|(state, _)| *state == State::Unknown) {
            warnings.push(
                "Some outcomes are unknown: do NOT send to these again; they may have gone out, and \
                    their money stays reserved."
                    .to_owned(),
            );
        }
        let approval = self.approval(batch.id.as_str()).await?;
        let waits = batch.states.iter().any(|(state, _)| *state == State::Proposed);
        if batch.open() > 0 {
            warnings.extend(self.halt_warning(&caller.principal));
        }
        Ok(BulkAnswer {
            batch: Some(batch.id.clone()),
            status: match batch.open() {
                0 => BulkStatus::Done,
                _ if waits => BulkStatus::ApprovalRequired,
                _ => BulkStatus::InProgress,
            },
            accepted: batch.accepted(),
            counts: batch.states.iter().map(|(state, count)| (state.to_string(), *count)).collect(),
            segments: batch.segments,
            price: Price::of(batch.cost_micros, currency.as_str()).assumed(batch.is_assumed),
            provider: batch.providers.join(", "),
            created_at: batch.created.rfc3339(),
            replayed: false,
            results_omitted: batch
                .accepted()
                .saturating_sub(u32::try_from(batch.listed.len()).unwrap_or(u32::MAX)),
            results: batch.listed.into_iter().map(result_of).collect(),
            refused: batch.refused,
            duplicates: batch.duplicates,
            budget: BudgetLeft::of(&budgets, currency),
            approval,
            warnings,
        })
    }
}

/// The distinct names, in their order of appearance.
pub fn names<'a>(of: impl Iterator<Item = &'a str>) -> String {
    let mut found: Vec<&str> = Vec::new();
    for name in of {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found.join(", ")
}

fn result_of(message: BatchMessage) -> BulkResult {
    BulkResult {
        to: message.to,
        id: message.id,
        status: message.state,
        code: message.code.map(|code| code.to_string()),
    }
}
