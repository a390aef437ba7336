//! How a budget stands in its row, and what the jobs of one transaction do to it: each budget is read once,
//! reckoned with here, and written once, by the one conditional update that keeps the promise whatever was
//! reckoned.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::{JobResult, contradiction};
use super::states::sql;
use crate::ledger::rules::path::Part;
use crate::ledger::rules::posting::Moves;
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
    Ok(held.zip(charged).map(|(held_micros, charged_micros)| Overcharge {
        message: MessageId::from_text(message),
        held_micros,
        charged_micros,
    }))
}

pub(super) const BUDGET_COLUMNS: &str = "id, key, scope, limit_micros, limit_messages, held_micros, \
    spent_micros, messages, frozen, frozen_by, frozen_held, frozen_charged";

/// The budgets of real texts.
pub(super) const IS_LIVE: &str = "key NOT LIKE '%:sandbox'";

/// Reads the budgets of the path as these limits see them; a budget that was never used is not written yet.
pub(super) fn look(db: &Connection, path: Vec<Part>) -> JobResult<Vec<Row>> {
    Budgets::default().look(db, path)
}

/// What is added to a row since it was read.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Change {
    held_micros: i64,
    spent_micros: i64,
    messages: i64,
}

impl Change {
    /// This budget after it; nothing where no row could say that.
    fn of(self, budget: &Budget) -> Option<(i64, i64, i64)> {
        let held_micros = budget.held_micros.checked_add(self.held_micros)?;
        let spent_micros = budget.spent_micros.checked_add(self.spent_micros)?;
        let messages = budget.messages.checked_add(self.messages)?;
        (held_micros >= 0 && spent_micros >= 0 && messages >= 0).then_some((
            held_micros,
            spent_micros,
            messages,
        ))
    }

    fn and(self, more: Self) -> Option<Self> {
        Some(Self {
            held_micros: self.held_micros.checked_add(more.held_micros)?,
            spent_micros: self.spent_micros.checked_add(more.spent_micros)?,
            messages: self.messages.checked_add(more.messages)?,
        })
    }
}

/// A row, as it is to be.
struct Reckoned {
    budget: Budget,
    /// What is not written yet.
    change: Change,
    /// Whether something was held in it since it was written: then it must fit in its limits.
    is_held: bool,
}

impl Reckoned {
    /// Adds to it.
    fn add(&mut self, change: Change) -> JobResult<()> {
        let after = change.of(&self.budget).zip(self.change.and(change));
        let ((held_micros, spent_micros, messages), change) =
            after.ok_or_else(|| contradiction("a budget does not add up"))?;
        (self.budget.held_micros, self.budget.spent_micros, self.budget.messages) =
            (held_micros, spent_micros, messages);
        self.change = change;
        Ok(())
    }

    fn is_over(&self) -> bool {
        let Budget { limits, held_micros, spent_micros, messages, frozen, .. } = &self.budget;
        let is_over = |used: Option<i64>, limit: Option<i64>| {
            limit.is_some_and(|limit| used.is_none_or(|used| used > limit))
        };
        *frozen
            || is_over(held_micros.checked_add(*spent_micros), limits.spend_micros)
            || is_over(Some(*messages), limits.messages)
    }
}

/// The budgets that the jobs of one transaction have used so far.
#[derive(Default)]
pub(super) struct Budgets {
    rows: BTreeMap<i64, Reckoned>,
    ids: HashMap<BudgetKey, i64>,
}

impl Budgets {
    /// As [`look`], beside what is reckoned here. What is done to what this returns is done to nothing else.
    pub(super) fn look(&mut self, db: &Connection, path: Vec<Part>) -> JobResult<Vec<Row>> {
        path.into_iter().map(|part| self.part(db, part)).collect()
    }

    fn part(&mut self, db: &Connection, part: Part) -> JobResult<Row> {
        let known = self.ids.get(&part.key).and_then(|id| Some((*id, self.rows.get(id)?)));
        if let Some((id, reckoned)) = known {
            return Ok(Row { id, budget: Budget { limits: part.limits, ..reckoned.budget.clone() } });
        }
        let mut statement = db.prepare_cached(sql!("SELECT {BUDGET_COLUMNS} FROM budget WHERE key = ?1"))?;
        let Some(row) = statement.query_row([part.key.as_str()], budget_from).optional()? else {
            return Ok(Row { id: 0, budget: part.unused() });
        };
        let budget = Budget { limits: part.limits, ..row.budget.clone() };
        Ok(Row { id: self.know(row), budget })
    }

    fn know(&mut self, Row { id, budget }: Row) -> i64 {
        self.ids.insert(budget.key.clone(), id);
        self.rows.insert(id, Reckoned { budget, change: Change::default(), is_held: false });
        id
    }

    /// A row by its number; nothing where there is none any more.
    fn reckoned(&mut self, db: &Connection, id: i64) -> JobResult<Option<&mut Reckoned>> {
        if !self.rows.contains_key(&id) {
            let mut statement =
                db.prepare_cached(sql!("SELECT {BUDGET_COLUMNS} FROM budget WHERE id = ?1"))?;
            let found = statement.query_row([id], budget_from).optional()?;
            found.map(|row| self.know(row));
        }
        Ok(self.rows.get_mut(&id))
    }

    /// Adds to what a budget holds, within the limits that the row shows. The limit in the row follows the
    /// configuration, but never falls below what is already used.
    ///
    /// # Errors
    /// A contradiction where it does not fit: whoever asks has decided by this row that it does.
    pub(super) fn hold(
        &mut self,
        db: &Connection,
        row: &mut Row,
        micros: i64,
        messages: i64,
    ) -> JobResult<()> {
        if row.id == 0 {
            let Budget { key, scope, limits, .. } = &row.budget;
            db.prepare_cached("INSERT INTO budget (key, scope) VALUES (?1, ?2)")?
                .execute(params![key.as_str(), scope_number(*scope)])?;
            let unused = Part { key: key.clone(), scope: *scope, limits: *limits }.unused();
            row.id = self.know(Row { id: db.last_insert_rowid(), budget: unused });
        }
        let reckoned = self.reckoned(db, row.id)?.ok_or_else(|| contradiction("a budget is not there"))?;
        reckoned.budget.limits = row.budget.limits;
        reckoned.add(Change { held_micros: micros, messages, ..Change::default() })?;
        if reckoned.is_over() {
            return Err(contradiction("a budget does not take what was decided on by it"));
        }
        reckoned.is_held = true;
        (row.budget.held_micros, row.budget.messages) =
            (reckoned.budget.held_micros, reckoned.budget.messages);
        Ok(())
    }

    /// Moves money in a budget that holds it, and returns the budget; nothing where it is forgotten. What
    /// freezes one is written at once, and not here.
    pub(super) fn post(&mut self, db: &Connection, id: i64, moves: &Moves) -> JobResult<Option<Budget>> {
        let Some(reckoned) = self.reckoned(db, id)? else { return Ok(None) };
        reckoned.add(Change {
            held_micros: -moves.released_micros,
            spent_micros: moves.spent_micros,
            messages: -moves.messages,
        })?;
        Ok(Some(reckoned.budget.clone()))
    }

    /// Whether anything is reckoned that is not written.
    pub(super) fn has_changes(&self) -> bool {
        self.rows.values().any(|row| row.is_held || row.change != Change::default())
    }

    /// Writes what was reckoned, and forgets it all.
    pub(super) fn write(&mut self, db: &Connection) -> JobResult<()> {
        self.ids.clear();
        for (id, Reckoned { budget, change, is_held }) in std::mem::take(&mut self.rows) {
            if is_held || change != Change::default() {
                write(db, id, &budget.limits, change, is_held)?;
            }
        }
        Ok(())
    }
}

/// Adds to a row. Where something was held in it, it takes nothing that does not fit in its limits, whatever
/// was reckoned.
fn write(db: &Connection, id: i64, limits: &Limits, change: Change, is_held: bool) -> JobResult<()> {
    let Change { held_micros, spent_micros, messages } = change;
    let changed =
        if is_held {
            db.prepare_cached(
            "UPDATE budget SET held_micros = held_micros + ?2, spent_micros = spent_micros + ?3, messages = \
             messages + ?4,
                    limit_micros = max(?5, held_micros + spent_micros + ?2 + ?3), limit_messages = max(?6, \
             messages + ?4)
             WHERE id = ?1 AND NOT frozen AND (?5 IS NULL OR held_micros + spent_micros + ?2 + ?3 <= ?5) \
             AND (?6 IS NULL OR messages + ?4 <= ?6)",
        )?
        .execute(params![id, held_micros, spent_micros, messages, limits.spend_micros, limits.messages])?
        } else {
            db.prepare_cached(
            "UPDATE budget SET held_micros = held_micros + ?2, spent_micros = spent_micros + ?3, messages = \
             messages + ?4 WHERE id = ?1",
        )?
        .execute(params![id, held_micros, spent_micros, messages])?
        };
    if changed == 1 { Ok(()) } else { Err(contradiction("a budget does not take what was reckoned with it")) }
}
