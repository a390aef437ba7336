//! Budgets, the clock and bulks, as the operator handles them.

use super::room::Operate;
use crate::engine::caller::{Caller, Person};
use crate::engine::contract::BudgetView;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::facts::BudgetKey;

impl Operate {
    /// Every budget of the ledger, for the operator.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn all_budgets(&self, caller: &Caller) -> Result<Vec<BudgetView>> {
        caller.looked("budget");
        let currency = self.policy.settings().currency;
        Ok(self.ledger.all_budgets().await?.iter().map(|budget| BudgetView::of(budget, currency)).collect())
    }

    /// Takes the clock as it is from now on, for the operator.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn accept_clock(&self, person: &Person) -> Result<()> {
        self.ledger.accept_clock().await?;
        person.widened("budget accept-clock", "the clock");
        Ok(())
    }

    /// Lets a frozen budget go on, or all of them, for the operator. Returns their names.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where no such budget is frozen, or [`ErrorKind::LedgerUnavailable`].
    pub async fn unfreeze(&self, person: &Person, name: Option<String>) -> Result<Vec<String>> {
        let frozen = self
            .ledger
            .all_budgets()
            .await?
            .into_iter()
            .filter(|budget| budget.frozen)
            .map(|budget| budget.key);
        let chosen: Vec<BudgetKey> =
            frozen.filter(|key| name.as_ref().is_none_or(|name| name == key.as_str())).collect();
        if chosen.is_empty() {
            let what = name.map_or_else(
                || "no budget is frozen".to_owned(),
                |name| format!("no frozen budget is called \"{name}\""),
            );
            return Err(Error::new(ErrorKind::NotFound, what).next("`sms-mcp budget` lists them by name."));
        }
        for key in &chosen {
            self.ledger.unfreeze(key).await?;
            person.widened("budget unfreeze", key.as_str());
        }
        Ok(chosen.iter().map(ToString::to_string).collect())
    }
}
