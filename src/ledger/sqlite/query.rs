//! Reading the ledger.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::row::{COLUMNS, record_from, target_from};
use super::states::sql;
use crate::clock::Timestamp;
use crate::error::RefusedRecipient;
use crate::ledger::{BatchRecord, Change, Filter, Record, Target};
use crate::sms::message::{BatchId, MessageId, Realm, State};

pub(super) fn message(db: &Connection, principal: &str, id: &MessageId) -> rusqlite::Result<Option<Record>> {
    db.prepare_cached(sql!("SELECT {COLUMNS} FROM message WHERE id = ?1 AND principal = ?2"))?
        .query_row(params![id.as_str(), principal], record_from)
        .optional()
}

pub(super) fn target_of(db: &Connection, principal: &str, realm: Realm, key: &str) -> rusqlite::Result<Option<Target>> {
    let mut statement = db.prepare_cached("SELECT target FROM idempotency WHERE principal = ?1 AND sandbox = ?2 AND key = ?3")?;
    let target: Option<String> = statement.query_row(params![principal, realm.is_sandbox(), key], |row| row.get(0)).optional()?;
    Ok(target.map(target_from))
}

pub(super) fn history(db: &Connection, id: &MessageId) -> rusqlite::Result<Vec<Change>> {
    #[derive(serde::Deserialize)]
    struct Step(u8, i64, #[serde(default)] Option<String>);
    let mut statement = db.prepare_cached("SELECT history FROM message WHERE id = ?1")?;
    let list: Option<String> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
    let steps: Vec<Step> = serde_json::from_str(&format!("[{}]", list.unwrap_or_default())).unwrap_or_default();
    let change = |Step(state, at, why)| Change { state: State::from_number(state).unwrap_or(State::Unknown), at: Timestamp(at), why };
    Ok(steps.into_iter().map(change).collect())
}

pub(super) fn batch(db: &Connection, principal: &str, id: &BatchId) -> rusqlite::Result<Option<BatchRecord>> {
    #[derive(Default, serde::Deserialize)]
    struct Report {
        duplicates: Vec<String>,
        refused: Vec<RefusedRecipient>,
    }
    let found = db
        .prepare_cached("SELECT seq, created_ms, report FROM batch WHERE id = ?1 AND principal = ?2")?
        .query_row(params![id.as_str(), principal], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, String>(2)?)))
        .optional()?;
    let Some((seq, created, report)) = found else { return Ok(None) };
    let mut statement = db.prepare_cached("SELECT state, count(*) FROM message WHERE batch = ?1 GROUP BY state ORDER BY state")?;
    let states = statement.query_map([seq], |row| Ok((State::from_number(row.get(0)?).unwrap_or(State::Unknown), row.get(1)?)))?;
    let states = states.collect::<rusqlite::Result<_>>()?;
    let report: Report = serde_json::from_str(&report).unwrap_or_default();
    Ok(Some(BatchRecord { id: id.clone(), created: Timestamp(created), states, duplicates: report.duplicates, refused: report.refused }))
}

pub(super) fn list(db: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Record>> {
    let mut conditions = vec!["principal = ?"];
    let mut values = vec![Value::from(filter.principal.clone())];
    let mut add = |condition: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(value);
        }
    };
    add("state = ?", filter.state.map(|state| i64::from(state.number()).into()));
    add("recipient = ?", filter.to.clone().map(Value::from));
    add("created_ms >= ?", filter.since.map(|at| at.as_millis().into()));
    add("created_ms < ?", filter.until.map(|at| at.as_millis().into()));
    add("batch = (SELECT b.seq FROM batch b WHERE b.id = ?)", filter.batch.as_ref().map(|batch| batch.as_str().to_owned().into()));
    add("seq < ?", filter.before.map(Value::from));
    values.push(i64::from(filter.limit).into());
    let sql = format!("SELECT {COLUMNS} FROM message WHERE {} ORDER BY seq DESC LIMIT ?", conditions.join(" AND "));
    let mut statement = db.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(values), record_from)?.collect()
}
