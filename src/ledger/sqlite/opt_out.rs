//! Who wants no more texts.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::consent::{Stop, withdraw_by_stop};
use super::group::Group;
use super::job::JobResult;
use super::states::{IS_TO, WAITS, sql};
use super::transition::{OPEN_COLUMNS, Open, Step, advance_and_post, open_from};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::ledger::OptOut;
use crate::ledger::rules::wishes::takes_back;
use crate::sms::caller_id::same_phone;
use crate::sms::message::State;

/// Whether this person wants no more texts, under this number or another of the same phone.
pub(super) fn is_out(db: &Connection, number: &str) -> JobResult<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM opt_out WHERE number = ?1)")?;
    let mut is_out = |number: &str| statement.query_row([number], |row| row.get(0));
    if is_out(number)? {
        return Ok(true);
    }
    for other in same_phone(number) {
        if is_out(&other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The end of a message that waited in the queue for a person who opted out.
pub(super) fn opted_out(at: Timestamp) -> Step<'static> {
    Step {
        code: Some(ErrorKind::OptedOut),
        ..Step::new(State::Rejected, at, Some("this person asked for no more texts"))
    }
}

/// See [`crate::ledger::facets::People::opt_out`]. Who said so first stays.
pub(super) fn opt_out(
    db: &Connection,
    number: &str,
    is_out: bool,
    source: &str,
    at: Timestamp,
) -> JobResult<bool> {
    if !is_out {
        let mut said = db.prepare_cached("SELECT source, at_ms FROM opt_out WHERE number = ?1")?;
        let said: Option<(String, i64)> =
            said.query_row([number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let goes = said.filter(|(by, at_ms)| takes_back((by, Timestamp(*at_ms)), source, at));
        let Some((by, at_ms)) = goes else { return Ok(false) };
        withdraw_by_stop(db, number, &by, Timestamp(at_ms), Stop::New)?;
        return Ok(db.prepare_cached("DELETE FROM opt_out WHERE number = ?1")?.execute([number])? > 0);
    }
    let added = db
        .prepare_cached(
            "INSERT INTO opt_out (number, at_ms, source) VALUES (?1, ?2, ?3) ON CONFLICT (number) DO NOTHING",
        )?
        .execute(params![number, at.as_millis(), source])?;
    if added == 0 {
        // When it was said last, so that an older wish to the contrary, which comes late, changes nothing.
        db.prepare_cached("UPDATE opt_out SET at_ms = max(at_ms, ?2) WHERE number = ?1")?
            .execute(params![number, at.as_millis()])?;
    }
    withdraw_by_stop(db, number, source, at, if added == 0 { Stop::Again } else { Stop::New })?;
    let mut statement =
        db.prepare_cached(sql!("SELECT {OPEN_COLUMNS} FROM message WHERE {IS_TO} AND {WAITS} ORDER BY seq"))?;
    let queued: Vec<Open> = statement.query_map([number], open_from)?.collect::<rusqlite::Result<_>>()?;
    Group::over(db, |group| {
        queued
            .into_iter()
            .try_for_each(|mut open| advance_and_post(group, &mut open, &opted_out(at)).map(drop))
    })?;
    Ok(added > 0)
}

/// See [`crate::ledger::facets::People::opt_outs`].
pub(super) fn opt_outs(db: &Connection, limit: u32) -> rusqlite::Result<Vec<OptOut>> {
    let mut statement =
        db.prepare_cached("SELECT number, at_ms, source FROM opt_out ORDER BY at_ms DESC, number LIMIT ?1")?;
    statement
        .query_map([limit], |row| {
            Ok(OptOut { number: row.get(0)?, at: Timestamp(row.get(1)?), source: row.get(2)? })
        })?
        .collect()
}

pub(super) fn note_start(db: &Connection, provider: &str, number: &str, at: Timestamp) -> JobResult<()> {
    db.prepare_cached(
        "INSERT INTO opt_in (number, provider, at_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at_ms = \
         max(at_ms, excluded.at_ms)",
    )?
    .execute(params![number, provider, at.as_millis()])?;
    Ok(())
}

pub(super) fn has_started_since(
    db: &Connection,
    provider: &str,
    number: &str,
    at: Timestamp,
) -> rusqlite::Result<bool> {
    let mut statement = db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM opt_in WHERE number = ?1 AND provider = ?2 AND at_ms > ?3)",
    )?;
    statement.query_row(params![number, provider, at.as_millis()], |row| row.get(0))
}

pub(super) fn out_since(db: &Connection, number: &str) -> rusqlite::Result<Option<Timestamp>> {
    let mut statement = db.prepare_cached("SELECT at_ms FROM opt_out WHERE number = ?1")?;
    statement.query_row([number], |row| row.get(0).map(Timestamp)).optional()
}
