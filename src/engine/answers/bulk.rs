//! A bulk as its callers see it.

use super::room::Answers;
use crate::engine::arguments::no_such;
use crate::engine::caller::Caller;
use crate::engine::contract::{BudgetLeft, BulkAnswer, BulkResult, BulkStatus, Price};
use crate::error::Result;
use crate::ledger::{BatchRecord, Filter, Record};
use crate::sms::message::{BatchId, State};

/// A bulk up to this size lists every result; a larger one only those that need attention.
const RESULTS: usize = 100;

impl Answers {
    /// A bulk as the ledger has it.
    pub async fn bulk(&self, caller: &Caller, id: &BatchId) -> Result<BulkAnswer> {
        let store = &self.ledger;
        let missing = || no_such("id", id.as_str());
        let batch: BatchRecord = store.batch(&caller.principal, id).await?.ok_or_else(missing)?;
        let limit = self.policy.settings().bulk_max.max(100_000);
        let mut records = store.list(Filter { principal: caller.principal.clone(), batch: Some(id.clone()), limit, ..Filter::default() }).await?;
        records.reverse();
        let currency = self.policy.settings().currency;
        let micros = records.iter().map(|record| record.price_micros.unwrap_or(record.held_micros)).fold(0_i64, i64::saturating_add);
        // What was given back costs nothing, whoever would have known.
        let is_assumed = |record: &Record| record.is_assumed && record.price_micros.unwrap_or(record.held_micros) > 0;
        let needs_attention = |record: &&Record| matches!(record.state, State::Unknown | State::Rejected | State::Failed | State::Expired);
        let results: Vec<BulkResult> = if records.len() <= RESULTS {
            records.iter().map(result_of).collect()
        } else {
            records.iter().filter(needs_attention).take(RESULTS).map(result_of).collect()
        };
        let realm = records.first().map_or_else(|| self.realm, |first| first.realm);
        let budgets = store.budgets(self.payer(caller, None, realm)?, self.life.now()).await?;
        let mut warnings = self.warnings([realm]);
        if records.iter().any(|record| record.state == State::Unknown) {
            warnings
                .push("Some outcomes are unknown: do NOT send to these again; they may have gone out, and their money stays reserved.".to_owned());
        }
        if batch.open() > 0 {
            warnings.extend(self.halt_warning(&caller.principal));
        }
        Ok(BulkAnswer {
            batch: Some(batch.id.clone()),
            status: if batch.open() == 0 { BulkStatus::Done } else { BulkStatus::InProgress },
            accepted: batch.accepted(),
            counts: batch.states.iter().map(|(state, count)| (state.to_string(), *count)).collect(),
            segments: records.iter().map(|record| record.segments).fold(0, u32::saturating_add),
            price: Price::of(micros, currency.as_str()).assumed(records.iter().any(is_assumed)),
            provider: names(records.iter().map(|record| record.provider.as_str())),
            created_at: batch.created.rfc3339(),
            replayed: false,
            results_omitted: u32::try_from(records.len() - results.len()).unwrap_or(u32::MAX),
            results,
            refused: batch.refused,
            duplicates: batch.duplicates,
            budget: BudgetLeft::of(&budgets, currency),
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

fn result_of(record: &Record) -> BulkResult {
    let code = record.code.map(|code| code.to_string());
    BulkResult { to: record.to.clone(), id: record.id.clone(), status: record.state, code }
}
