//! Budgets as the operator sees and mends them, the clock that a person accepts, and the keys that the ledger
//! keeps.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::budget::{BUDGET_COLUMNS, budget_from};
use super::job::JobResult;
use super::states::sql;
use crate::sms::facts::{Budget, BudgetKey};

/// Most budgets that the operator's list shows, the latest first.
const BUDGETS: i64 = 100;

pub(super) fn all_budgets(db: &Connection) -> rusqlite::Result<Vec<Budget>> {
    let mut statement = db
        .prepare_cached(sql!("SELECT {BUDGET_COLUMNS} FROM budget ORDER BY frozen DESC, id DESC LIMIT ?1"))?;
    statement.query_map([BUDGETS], |row| Ok(budget_from(row)?.budget))?.collect()
}

/// See [`crate::ledger::facets::Accounts::accept_clock`].
pub(super) fn accept_clock(db: &Connection) -> JobResult<()> {
    db.execute("UPDATE pace SET until_us = 0, latest_us = 0", [])?;
    Ok(())
}

/// See [`crate::ledger::facets::Accounts::unfreeze`].
pub(super) fn unfreeze(db: &Connection, key: &BudgetKey) -> JobResult<bool> {
    let changed = db.execute(
        "UPDATE budget SET limit_micros = max(limit_micros, held_micros + spent_micros), limit_messages = \
         max(limit_messages, messages), frozen = 0,
                frozen_by = NULL, frozen_held = NULL, frozen_charged = NULL
         WHERE key = ?1 AND frozen",
        [key.as_str()],
    )?;
    Ok(changed > 0)
}

/// A key that was made before.
pub(super) fn key(db: &Connection, name: &str) -> rusqlite::Result<Option<[u8; 32]>> {
    db.prepare_cached("SELECT bytes FROM key WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()
}

/// See [`crate::ledger::upkeep::Upkeep::key`].
pub(super) fn make_key(db: &Connection, name: &str, fresh: [u8; 32]) -> JobResult<[u8; 32]> {
    db.prepare_cached("INSERT INTO key (name, bytes) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING")?
        .execute(params![name, fresh])?;
    db.prepare_cached("SELECT bytes FROM key WHERE name = ?1")?.query_row([name], |row| row.get(0))
}
