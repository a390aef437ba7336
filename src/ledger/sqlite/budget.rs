//! How a budget stands in its row, and the one update that adds to what it holds.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use super::states::sql;
use crate::ledger::rules::path::Part;
use crate::sms::facts::{Budget, BudgetKey, Limits, Overcharge, Scope};
use crate::sms::message::MessageId;

/// One budget row with its id.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) budget: Budget,
}

pub(super) const fn scope_number(scope: Scope) -> i64 {
    match scope {
        Scope::Total => 0,
        Scope::Day => 1,
        Scope::Session => 2,
        Scope::Handle => 3,
    }
}

fn scope_from(number: i64) -> Scope {
    match number {
        0 => Scope::Total,
        1 => Scope::Day,
        2 => Scope::Session,
        _ => Scope::Handle,
    }
}

pub(super) fn budget_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        budget: Budget {
            key: BudgetKey::from_text(row.get::<_, String>(1)?),
            scope: scope_from(row.get(2)?),
            limits: Limits { spend_micros: row.get(3)?, messages: row.get(4)? },
            held_micros: row.get(5)?,
            spent_micros: row.get(6)?,
            messages: row.get(7)?,
            frozen: row.get(8)?,
            overcharge: overcharge_from(row)?,
        },
    })
}

fn overcharge_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Overcharge>> {
    let Some(message) = row.get::<_, Option<String>>(9)? else { return Ok(None) };
    let (held, charged): (Option<i64>, Option<i64>) = (row.get(10)?, row.get(11)?);
    Ok(held.zip(charged).map(|(held_micros, charged_micros)| Overcharge { message: MessageId::from_text(message), held_micros, charged_micros }))
}

pub(super) const BUDGET_COLUMNS: &str =
    "id, key, scope, limit_micros, limit_messages, held_micros, spent_micros, messages, frozen, frozen_by, frozen_held, frozen_charged";

/// The budgets of real texts.
pub(super) const IS_LIVE: &str = "key NOT LIKE '%:sandbox'";

/// Reads the budgets of the path as these limits see them; a budget that was never used is not written yet.
pub(super) fn look(db: &Connection, path: Vec<Part>) -> JobResult<Vec<Row>> {
    let mut statement = db.prepare_cached(sql!("SELECT {BUDGET_COLUMNS} FROM budget WHERE key = ?1"))?;
    let mut rows = Vec::with_capacity(path.len());
    for part in path {
        let found = statement.query_row([part.key.as_str()], budget_from).optional()?;
        let mut row = found.unwrap_or_else(|| Row { id: 0, budget: part.unused() });
        row.budget.limits = part.limits;
        rows.push(row);
    }
    Ok(rows)
}

/// Adds to what a budget holds, in one conditional update that takes nothing where it does not fit. The limit in the
/// row follows the configuration, but never falls below what is already used.
pub(super) fn hold(db: &Connection, row: &mut Row, micros: i64, messages: i64) -> JobResult<bool> {
    let Budget { key, scope, limits, .. } = &row.budget;
    if row.id == 0 {
        db.prepare_cached("INSERT INTO budget (key, scope) VALUES (?1, ?2)")?.execute(params![key.as_str(), scope_number(*scope)])?;
        row.id = db.last_insert_rowid();
    }
    let changed = db
        .prepare_cached(
            "UPDATE budget SET held_micros = held_micros + ?2, messages = messages + ?3,
                    limit_micros = max(?4, held_micros + spent_micros + ?2), limit_messages = max(?5, messages + ?3)
             WHERE id = ?1 AND NOT frozen AND (?4 IS NULL OR held_micros + spent_micros + ?2 <= ?4) AND (?5 IS NULL OR messages + ?3 <= ?5)",
        )?
        .execute(params![row.id, micros, messages, limits.spend_micros, limits.messages])?;
    row.budget.held_micros += micros;
    row.budget.messages += messages;
    Ok(changed == 1)
}
