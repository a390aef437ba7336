//! Budgets as the operator sees and mends them, the clock that a person accepts, and the keys that the ledger
//! keeps.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::budget::{BUDGET_COLUMNS, budget_from};
use super::job::JobResult;
use super::states::{IS_QUEUED, IS_UNKNOWN, sql};
use crate::clock::Timestamp;
use crate::ledger::Act;
use crate::sms::facts::{Budget, BudgetKey};
use crate::sms::message::Realm;

/// Most budgets that the operator's list shows, the latest first.
const BUDGETS: i64 = 100;

pub(super) fn all_budgets(db: &Connection) -> rusqlite::Result<Vec<Budget>> {
    let mut statement = db
        .prepare_cached(sql!("SELECT {BUDGET_COLUMNS} FROM budget ORDER BY frozen DESC, id DESC LIMIT ?1"))?;
    statement.query_map([BUDGETS], |row| Ok(budget_from(row)?.budget))?.collect()
}

/// See [`crate::ledger::facets::Accounts::current_budgets`].
pub(super) fn current_budgets(
    db: &Connection,
    living: &BTreeSet<String>,
) -> rusqlite::Result<(Vec<Budget>, usize)> {
    let mut statement =
        db.prepare_cached(sql!("SELECT {BUDGET_COLUMNS} FROM budget ORDER BY frozen DESC, id DESC"))?;
    let (mut rows, mut current, mut ended) = (statement.query([])?, Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let budget = budget_from(row)?.budget;
        let has_ended = budget.key.process_session().is_some_and(|session| !living.contains(session));
        if has_ended && !budget.frozen {
            ended += 1;
        } else if i64::try_from(current.len()).is_ok_and(|count| count < BUDGETS) {
            current.push(budget);
        }
    }
    Ok((current, ended))
}

/// See [`crate::ledger::facets::Accounts::principals`]. From one to the next by an index, however many
/// messages each has.
pub(super) fn principals(db: &Connection, most: usize) -> rusqlite::Result<Vec<String>> {
    let mut found = BTreeSet::new();
    for after in [
        "SELECT min(principal) FROM message WHERE principal > ?1",
        "SELECT min(principal) FROM session WHERE principal > ?1",
    ] {
        let (mut statement, mut last) = (db.prepare_cached(after)?, String::new());
        for _ in 0..most {
            let Some(next) = statement.query_row([&last], |row| row.get::<_, Option<String>>(0))? else {
                break;
            };
            found.insert(next.clone());
            last = next;
        }
    }
    Ok(found.into_iter().take(most).collect())
}

/// See [`crate::ledger::facets::Accounts::waiting_at`].
pub(super) fn waiting_at(db: &Connection, provider: &str, realm: Realm) -> rusqlite::Result<(u32, u32)> {
    let count = |sql: &str| {
        db.prepare_cached(sql)?.query_row(params![provider, realm.is_sandbox()], |row| row.get::<_, u32>(0))
    };
    Ok((
        count(sql!(
            "SELECT count(*) FROM message INDEXED BY message_queued WHERE {IS_QUEUED} AND provider = ?1 AND \
             sandbox = ?2"
        ))?,
        count(sql!(
            "SELECT count(*) FROM message INDEXED BY message_unknown WHERE {IS_UNKNOWN} AND provider = ?1 AND \
             sandbox = ?2"
        ))?,
    ))
}

/// See [`crate::ledger::facets::Accounts::accept_clock`].
pub(super) fn accept_clock(db: &Connection) -> JobResult<()> {
    db.execute("UPDATE pace SET until_us = 0, latest_us = 0", [])?;
    Ok(())
}

/// See [`crate::ledger::facets::Accounts::note_act`].
pub(super) fn note_act(db: &Connection, act: &Act) -> JobResult<()> {
    db.execute(
        "INSERT INTO act (at_ms, who, verb, subject, approver) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![act.at.as_millis(), act.who, act.verb, act.subject, act.approver],
    )?;
    Ok(())
}

/// See [`crate::ledger::facets::Accounts::acts`].
pub(super) fn acts(db: &Connection, most: u32) -> rusqlite::Result<Vec<Act>> {
    let mut statement =
        db.prepare_cached("SELECT at_ms, who, verb, subject, approver FROM act ORDER BY id DESC LIMIT ?1")?;
    let act = |row: &rusqlite::Row<'_>| {
        Ok(Act {
            at: Timestamp(row.get(0)?),
            who: row.get(1)?,
            verb: row.get(2)?,
            subject: row.get(3)?,
            approver: row.get(4)?,
        })
    };
    statement.query_map([most], act)?.collect()
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
