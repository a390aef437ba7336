//! `balance` and `budget`: what is on the accounts, what may still be spent, and what the operator decides
//! about it.

use super::arguments::BudgetAction;
use super::gate::Passed;
use super::others::note_others;
use super::output::{note, print_json, print_line, print_warnings};
use super::speech::Speech;
use crate::engine::contract::{BalanceArgs, BudgetView};
use crate::engine::{Caller, Engine};
use crate::error::Result;

/// `balance`: the accounts, and the caller's budgets.
pub(super) async fn balance(engine: &Engine, caller: &Caller, json: bool) -> Result<()> {
    let answer = Speech::default().answer(engine.balance(caller, BalanceArgs::default()).await?);
    if json {
        print_json(&answer)?;
        return note_others(engine, caller).await;
    }
    for account in &answer.balances {
        let money = account.money.as_ref().map(|money| format!("{} {}", money.amount, money.currency));
        let shown = match (&account.credits, money) {
            (Some(credits), Some(worth)) => format!("{credits} credits, worth {worth}"),
            (Some(credits), None) => format!("{credits} credits"),
            (None, Some(money)) => money,
            (None, None) => account.unavailable.clone().unwrap_or_default(),
        };
        print_line(&format!("account at {}: {shown}", account.provider));
    }
    print_budgets(&answer.budgets);
    print_warnings(&answer.warnings);
    note_others(engine, caller).await
}

/// `budget`: every budget of the ledger, or what the operator decides about one.
pub(super) async fn budget(
    engine: &Engine,
    (caller, passed): (&Caller, &Passed),
    action: Option<BudgetAction>,
    (all, json): (bool, bool),
) -> Result<()> {
    match action {
        Some(BudgetAction::Unfreeze { name }) => engine
            .unfreeze(passed.person()?, name)
            .await?
            .iter()
            .for_each(|name| print_line(&format!("{name} is open again"))),
        Some(BudgetAction::AcceptClock) => {
            engine.accept_clock(passed.person()?).await?;
            print_line("the clock is taken as it is");
        }
        None => {
            let (budgets, ended) = if all {
                (engine.all_budgets(caller).await?, 0)
            } else {
                engine.current_budgets(caller).await?
            };
            if json {
                print_json(&budgets)?;
            } else {
                print_budgets(&budgets);
            }
            if ended > 0 {
                let sessions = if ended == 1 { "session" } else { "sessions" };
                note(&format!(
                    "note: {ended} {sessions} that ended with their process are left out; --all shows them"
                ));
            }
            note_others(engine, caller).await?;
        }
    }
    Ok(())
}

fn print_budgets(budgets: &[BudgetView]) {
    for budget in budgets {
        let limit = budget
            .limit
            .as_ref()
            .map_or_else(|| "no limit".to_owned(), |limit| format!("of {limit} {}", budget.currency));
        let because =
            budget.frozen_because.as_ref().map_or_else(String::new, |because| format!(": {because}"));
        let frozen = if budget.frozen { format!("  FROZEN{because}") } else { String::new() };
        print_line(&format!(
            "{:<8} {} spent, {} held {limit}, {} messages  {}{frozen}",
            budget.scope.as_str(),
            budget.spent,
            budget.held,
            budget.messages,
            budget.name
        ));
    }
}
