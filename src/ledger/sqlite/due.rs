//! What waits for its time: when that has come the policy is asked once more, with the facts of this moment,
//! and the message goes to the queue or to its end.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::budget::{BUDGET_COLUMNS, budget_from};
use super::facts::counted;
use super::group::Group;
use super::job::JobResult;
use super::opt_out::is_out;
use super::parts::IS_ACCEPTED;
use super::pending::is_pending;
use super::queue::is_kept;
use super::row::{COLUMNS, record_from};
use super::settle::CANCELED;
use super::states::{IS_PLANNED, IS_QUEUED, IS_SCHEDULED, sql};
use super::transition::{OPEN_COLUMNS, Open, Step, advance_and_post, open_from};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::ledger::rules::history::step;
use crate::ledger::{Due, Recheck, Record, Released};
use crate::sms::facts::{Budget, Facts};
use crate::sms::message::{MessageId, State};
use crate::sms::peer::Peer;
use crate::sms::verdict::Verdict;

/// The shortest wait where the policy says "later" once more, in milliseconds.
const SOONEST_MS: i64 = 60_000;

/// How many are looked through where lists of another process keep some of them back.
const LOOK_THROUGH_LISTS: u32 = 5_000;

/// What is due at a provider: nothing of who is paused, and nothing that a frozen budget pays for.
fn is_due() -> String {
    format!(
        "{IS_SCHEDULED} AND {IS_ACCEPTED} AND provider = ?1 AND due_ms <= ?2 AND sandbox = ?3 AND principal \
     NOT IN (SELECT value FROM json_each(?4))
     AND NOT EXISTS (SELECT 1 FROM budget f WHERE f.frozen AND instr(',' || message.budgets || ',', ',' || \
     f.id || ',') > 0)"
    )
}

/// The principals of whom nothing is taken, as [`is_due`] reads them.
fn without(due: &Due) -> String {
    serde_json::json!(due.without).to_string()
}

/// Whether anything is due.
pub(super) fn has_due(db: &Connection, due: &Due) -> rusqlite::Result<bool> {
    db.prepare_cached(sql!("SELECT EXISTS (SELECT 1 FROM message WHERE {})", is_due()))?
        .query_row(params![due.provider, due.now.as_millis(), due.realm.is_sandbox(), without(due)], |row| {
            row.get(0)
        })
}

/// See [`crate::ledger::facets::Queue::release_due`].
pub(super) fn release(
    db: &Connection,
    owner: i64,
    due: &Due,
    peers: &Arc<[Peer]>,
    recheck: &Recheck,
) -> JobResult<Released> {
    let has_lists = peers.iter().any(|peer| peer.rules.has_lists());
    let look_through = if has_lists { LOOK_THROUGH_LISTS } else { due.limit };
    let mut statement = db.prepare_cached(sql!(
        "SELECT {COLUMNS}, due_ms FROM message WHERE {} ORDER BY due_ms, seq LIMIT ?5",
        is_due()
    ))?;
    let found: Vec<(Record, i64)> = statement
        .query_map(
            params![due.provider, due.now.as_millis(), due.realm.is_sandbox(), without(due), look_through],
            |row| Ok((record_from(row)?, row.get("due_ms")?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let mut released = Released::default();
    let free = found.into_iter().filter(|(record, _)| !(has_lists && is_kept(record, peers)));
    for (record, due_ms) in free.take(usize::try_from(due.limit).unwrap_or(usize::MAX)) {
        let is_too_late = due_ms < due.now.plus_ms(-due.max_age_ms).as_millis();
        if is_too_late {
            end(db, &record, &Step::new(State::Expired, due.now, Some("it waited too long to be sent")))?;
            released.ended.push(record.id);
            continue;
        }
        let facts = facts_of(db, due, &record, peers)?;
        match recheck(&record, &facts) {
            Ok(Verdict::Now) => {
                let queued = step(State::Queued, due.now, None);
                db.prepare_cached(sql!(
                    "UPDATE message SET {IS_QUEUED}, owner = ?2, changed_ms = ?3, due_ms = ?3, history = \
                     history || ',' || ?4 WHERE seq = ?1"
                ))?
                .execute(params![record.sequence, owner, due.now.as_millis(), queued])?;
                released.queued.push(record.id);
            }
            Ok(Verdict::At { at_ms, .. }) => {
                let next_ms = at_ms.max(due.now.plus_ms(SOONEST_MS).as_millis());
                db.prepare_cached("UPDATE message SET due_ms = ?2 WHERE seq = ?1")?
                    .execute([record.sequence, next_ms])?;
                released.later.push(record.id);
            }
            // States only move forward: whoever is to be asked is asked before anything has a time.
            Ok(Verdict::Ask { why }) => {
                let refused =
                    Error::new(ErrorKind::NotSupported, format!("a person would have to say yes now: {why}"));
                refuse(db, &record, &refused, due.now)?;
                released.ended.push(record.id);
            }
            Err(refused) => {
                refuse(db, &record, &refused, due.now)?;
                released.ended.push(record.id);
            }
        }
    }
    Ok(released)
}

fn refuse(db: &Connection, record: &Record, refused: &Error, now: Timestamp) -> JobResult<()> {
    end(
        db,
        record,
        &Step { code: Some(refused.kind()), ..Step::new(State::Rejected, now, Some(refused.message())) },
    )
}

fn end(db: &Connection, record: &Record, asked: &Step<'_>) -> JobResult<()> {
    let mut open: Open = db
        .prepare_cached(sql!("SELECT {OPEN_COLUMNS} FROM message WHERE seq = ?1"))?
        .query_row([record.sequence], open_from)?;
    Group::over(db, |group| advance_and_post(group, &mut open, asked)).map(drop)
}

/// What is known about it now, as if it was not there itself: its own money is held already.
fn facts_of(db: &Connection, due: &Due, record: &Record, peers: &Arc<[Peer]>) -> JobResult<Facts> {
    let is_opted_out = is_out(db, &record.to)?;
    let (recipient_last_hour, recipient_last_day) = counted(db, record, due.now)?;
    let mut budgets = db.prepare_cached(sql!(
        "SELECT {BUDGET_COLUMNS} FROM budget WHERE id IN (SELECT j.value FROM message m, json_each('[' || \
         m.budgets || ']') j WHERE m.seq = ?1)
         ORDER BY scope, id"
    ))?;
    let budgets = budgets.query_map([record.sequence], budget_from)?;
    let others = |budget: Budget| Budget {
        held_micros: budget.held_micros - record.held_micros,
        messages: budget.messages - 1,
        ..budget
    };
    Ok(Facts {
        budgets: budgets.map(|row| row.map(|row| others(row.budget))).collect::<rusqlite::Result<_>>()?,
        recipient_last_hour,
        recipient_last_day,
        is_opted_out,
        is_stop_pending: !is_opted_out && is_pending(db, &record.to)?,
        peers: Arc::clone(peers),
        ..Facts::default()
    })
}

/// See [`crate::ledger::facets::Intents::take_back`]. What is part of a bulk is canceled with it.
pub(super) fn take_back(db: &Connection, principal: &str, id: &MessageId, now: Timestamp) -> JobResult<bool> {
    let found = db
        .prepare_cached(sql!(
            "SELECT {OPEN_COLUMNS} FROM message WHERE id = ?1 AND principal = ?2 AND batch \
            IS NULL AND {IS_PLANNED}"
        ))?
        .query_row([id.as_str(), principal], open_from)
        .optional()?;
    let Some(mut open) = found else { return Ok(false) };
    let canceled = Step::new(State::Canceled, now, Some(CANCELED));
    Ok(Group::over(db, |group| advance_and_post(group, &mut open, &canceled))?.is_some())
}
