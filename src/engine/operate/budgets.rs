//! Budgets, the clock and bulks, as the operator handles them.

use super::room::Operate;
use crate::engine::caller::{Caller, Person};
use crate::engine::contract::BudgetView;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Filter;
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

    /// The same without those of sessions that ended with their process, and how many those are.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn current_budgets(&self, caller: &Caller) -> Result<(Vec<BudgetView>, usize)> {
        caller.looked("budget");
        let currency = self.policy.settings().currency;
        let (budgets, ended) = self.ledger.current_budgets().await?;
        Ok((budgets.iter().map(|budget| BudgetView::of(budget, currency)).collect(), ended))
    }

    /// Who has messages or sessions here, at most `most` of them, where the caller's principal has no
    /// message: for the operator, who may have looked under another name than was sent under.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn others_than(&self, caller: &Caller, most: usize) -> Result<Vec<String>> {
        let own = Filter { principal: caller.principal.clone(), limit: 1, ..Filter::default() };
        if !self.ledger.list(own).await?.is_empty() {
            return Ok(Vec::new());
        }
        caller.looked("principals");
        let mut others = self.ledger.principals(most).await?;
        others.retain(|other| *other != caller.principal);
        Ok(others)
    }

    /// Takes the clock as it is from now on, for the operator.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn accept_clock(&self, person: &Person) -> Result<()> {
        self.note_of(person, "budget accept-clock", "the clock").await?;
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
            self.note_of(person, "budget unfreeze", key.as_str()).await?;
            self.ledger.unfreeze(key).await?;
            person.widened("budget unfreeze", key.as_str());
        }
        Ok(chosen.iter().map(ToString::to_string).collect())
    }
}
