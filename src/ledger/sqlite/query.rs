//! Reading the ledger.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::reserve::{BUDGET_COLUMNS, budget_from};
use super::sealed::text;
use crate::clock::Timestamp;
use crate::error::{ErrorKind, RefusedRecipient};
use crate::ledger::{BatchRecord, Change, Filter, Record, Target};
use crate::sms::facts::Budget;
use crate::sms::message::{BatchId, MessageId, Realm, State};

/// Most budgets that the operator's list shows, the latest first.
const BUDGETS: i64 = 100;

/// The columns that [`record_from`] reads.
pub(super) const COLUMNS: &str = concat!(
    "id, seq, (SELECT b.id FROM batch b WHERE b.seq = message.batch), recipient, sender, ",
    text!(),
    ", encoding, segments, state, provider, vendor_id, created_ms, changed_ms, held_micros, price_micros, currency, code, why, digest,
     (SELECT count(*) FROM reply r WHERE r.message = message.seq), parted, sandbox, price_assumed, principal"
);

pub(super) fn record_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Record> {
    let code: Option<String> = row.get(16)?;
    Ok(Record {
        id: MessageId::from_text(row.get::<_, String>(0)?),
        sequence: row.get(1)?,
        batch: row.get::<_, Option<String>>(2)?.map(BatchId::from_text),
        to: row.get(3)?,
        from: row.get(4)?,
        text: row.get(5)?,
        encoding: row.get(6)?,
        segments: row.get(7)?,
        state: State::from_number(row.get(8)?).unwrap_or(State::Unknown),
        provider: row.get(9)?,
        vendor_id: row.get(10)?,
        created: Timestamp(row.get(11)?),
        changed: Timestamp(row.get(12)?),
        held_micros: row.get(13)?,
        price_micros: row.get(14)?,
        currency: row.get(15)?,
        code: code.as_deref().map(ErrorKind::from_code),
        why: row.get(17)?,
        digest: row.get(18)?,
        replies: row.get(19)?,
        is_parted: row.get(20)?,
        realm: Realm::of(!row.get::<_, bool>(21)?),
        is_assumed: row.get(22)?,
        principal: row.get(23)?,
    })
}

pub(super) fn message(db: &Connection, principal: &str, id: &MessageId) -> rusqlite::Result<Option<Record>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE id = ?1 AND principal = ?2"))?
        .query_row(params![id.as_str(), principal], record_from)
        .optional()
}

pub(super) fn target_of(db: &Connection, principal: &str, realm: Realm, key: &str) -> rusqlite::Result<Option<Target>> {
    let mut statement = db.prepare_cached("SELECT target FROM idempotency WHERE principal = ?1 AND sandbox = ?2 AND key = ?3")?;
    let target: Option<String> = statement.query_row(params![principal, realm.is_sandbox(), key], |row| row.get(0)).optional()?;
    Ok(target.map(target_from))
}

/// What the target of a key names.
pub(super) fn target_from(target: String) -> Target {
    if target.starts_with(BatchId::PREFIX) { Target::Batch(BatchId::from_text(target)) } else { Target::Message(MessageId::from_text(target)) }
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

pub(super) fn all_budgets(db: &Connection) -> rusqlite::Result<Vec<Budget>> {
    let mut statement = db.prepare_cached(&format!("SELECT {BUDGET_COLUMNS} FROM budget ORDER BY frozen DESC, id DESC LIMIT ?1"))?;
    statement.query_map([BUDGETS], |row| Ok(budget_from(row)?.budget))?.collect()
}

/// A key that was made before.
pub(super) fn key(db: &Connection, name: &str) -> rusqlite::Result<Option<[u8; 32]>> {
    db.prepare_cached("SELECT bytes FROM key WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()
}
