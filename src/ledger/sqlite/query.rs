//! Reading the ledger.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::row::{COLUMNS, record_from, target_from};
use super::states::{IS_ACCEPTED, NEEDS_ATTENTION, sql};
use super::{reply, segment};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, RefusedRecipient};
use crate::ledger::rules::history;
use crate::ledger::{BatchMessage, BatchRecord, Filter, Record, Replies, ReplyPage, Target, Whole};
use crate::sms::message::{BatchId, MessageId, Realm, State};

pub(super) fn message(db: &Connection, principal: &str, id: &MessageId) -> rusqlite::Result<Option<Record>> {
    db.prepare_cached(sql!(
        "SELECT {COLUMNS} FROM message WHERE id = ?1 AND principal = ?2 AND {IS_ACCEPTED}"
    ))?
    .query_row(params![id.as_str(), principal], record_from)
    .optional()
}

/// See [`crate::ledger::facets::Reports::find`].
pub(super) fn find(db: &Connection, id: &MessageId) -> rusqlite::Result<Option<Record>> {
    db.prepare_cached(sql!("SELECT {COLUMNS} FROM message WHERE id = ?1"))?
        .query_row([id.as_str()], record_from)
        .optional()
}

pub(super) fn target_of(
    db: &Connection,
    principal: &str,
    realm: Realm,
    key: &str,
) -> rusqlite::Result<Option<Target>> {
    let mut statement = db.prepare_cached(
        "SELECT target FROM idempotency WHERE principal = ?1 AND sandbox = ?2 AND key = ?3
         AND NOT EXISTS (SELECT 1 FROM batch WHERE id = target AND accepting IS NOT NULL)",
    )?;
    let target: Option<String> =
        statement.query_row(params![principal, realm.is_sandbox(), key], |row| row.get(0)).optional()?;
    Ok(target.map(target_from))
}

/// See [`crate::ledger::facets::Views::whole`].
pub(super) fn whole(
    db: &Connection,
    principal: &str,
    id: &MessageId,
    replies: ReplyPage,
) -> rusqlite::Result<Option<Whole>> {
    // All of it as it was at one moment.
    let look = db.unchecked_transaction()?;
    let found = look
        .prepare_cached(sql!(
            "SELECT {COLUMNS}, history FROM message WHERE id = ?1 AND principal = ?2 AND {IS_ACCEPTED}"
        ))?
        .query_row(params![id.as_str(), principal], |row| {
            Ok((record_from(row)?, row.get::<_, String>("history")?))
        })
        .optional()?;
    let Some((message, steps)) = found else { return Ok(None) };
    let segments = if message.is_parted { segment::of_message(&look, message.sequence)? } else { Vec::new() };
    let replies = if message.replies > 0 {
        reply::replies(&look, message.sequence, replies)?
    } else {
        Replies::default()
    };
    Ok(Some(Whole { message, history: history::read(&steps), segments, replies }))
}

/// See [`crate::ledger::facets::Views::batch`].
pub(super) fn batch(
    db: &Connection,
    principal: &str,
    id: &BatchId,
    listed: u32,
) -> rusqlite::Result<Option<BatchRecord>> {
    #[derive(Default, serde::Deserialize)]
    struct Report {
        duplicates: Vec<String>,
        refused: Vec<RefusedRecipient>,
    }
    let look = db.unchecked_transaction()?;
    let found = look
        .prepare_cached(
            "SELECT seq, created_ms, report FROM batch WHERE id = ?1 AND principal = ?2 AND \
            accepting IS NULL",
        )?
        .query_row(params![id.as_str(), principal], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, String>(2)?))
        })
        .optional()?;
    let Some((seq, created, report)) = found else { return Ok(None) };
    let report: Report = serde_json::from_str(&report).unwrap_or_default();
    let mut batch = BatchRecord {
        id: id.clone(),
        created: Timestamp(created),
        states: Vec::new(),
        duplicates: report.duplicates,
        refused: report.refused,
        segments: 0,
        cost_micros: 0,
        is_assumed: false,
        providers: Vec::new(),
        realm: None,
        listed: Vec::new(),
    };
    add_up(&look, seq, &mut batch)?;
    if listed > 0 {
        let all = "SELECT recipient, id, state, code FROM message WHERE batch = ?1 ORDER BY seq LIMIT ?2";
        let in_need = sql!(
            "SELECT recipient, id, state, code FROM message
             WHERE seq IN (SELECT seq FROM message INDEXED BY message_totals WHERE batch = ?1 AND \
             {NEEDS_ATTENTION} ORDER BY seq LIMIT ?2) ORDER BY seq"
        );
        let mut statement = look.prepare_cached(if batch.accepted() <= listed { all } else { in_need })?;
        let rows = statement.query_map(params![seq, listed], |row| {
            let (id, code): (String, Option<String>) = (row.get(1)?, row.get(3)?);
            let state = State::from_number(row.get(2)?).unwrap_or(State::Unknown);
            Ok(BatchMessage {
                to: row.get(0)?,
                id: MessageId::from_text(id),
                state,
                code: code.as_deref().map(ErrorKind::from_code),
            })
        })?;
        batch.listed = rows.collect::<rusqlite::Result<_>>()?;
    }
    Ok(Some(batch))
}

/// What a bulk adds up to, of each state, provider and side.
const TOTALS: &str =
    "SELECT state, provider, sandbox, min(seq), count(*), sum(segments), sum(cost / 1000000), sum(cost % \
     1000000), max(price_assumed AND cost > 0)
     FROM (SELECT seq, state, provider, sandbox, segments, price_assumed, coalesce(price_micros, \
     held_micros) AS cost
           FROM message INDEXED BY message_totals WHERE batch = ?1)
     GROUP BY state, provider, sandbox ORDER BY min(seq)";

/// The totals of a bulk, by an index that has all of them in it.
fn add_up(db: &Connection, seq: i64, batch: &mut BatchRecord) -> rusqlite::Result<()> {
    // Whole units and the rest apart, so that no sum is too large. What was given back costs nothing, whoever
    // would have known.
    let mut statement = db.prepare_cached(TOTALS)?;
    let mut rows = statement.query([seq])?;
    while let Some(row) = rows.next()? {
        let state = State::from_number(row.get(0)?).unwrap_or(State::Unknown);
        let count: u32 = row.get(4)?;
        match batch.states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, known)) => *known += count,
            None => batch.states.push((state, count)),
        }
        let provider: String = row.get(1)?;
        if !batch.providers.contains(&provider) {
            batch.providers.push(provider);
        }
        batch.realm.get_or_insert(Realm::of(!row.get::<_, bool>(2)?));
        batch.segments =
            batch.segments.saturating_add(u32::try_from(row.get::<_, i64>(5)?).unwrap_or(u32::MAX));
        let cost = row.get::<_, i64>(6)?.saturating_mul(1_000_000).saturating_add(row.get(7)?);
        batch.cost_micros = batch.cost_micros.saturating_add(cost);
        batch.is_assumed |= row.get::<_, bool>(8)?;
    }
    batch.states.sort_by_key(|(state, _)| *state);
    Ok(())
}

pub(super) fn list(db: &Connection, filter: &Filter) -> rusqlite::Result<Vec<Record>> {
    let (sql, values) = listing(filter);
    let mut statement = db.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(values), record_from)?.collect()
}

/// The question that lists these messages, and its values.
fn listing(filter: &Filter) -> (String, Vec<Value>) {
    // Of what went to one person there is little, whoever asks; of what one principal sent there may be all.
    let whose = if filter.to.is_some() { "+principal = ?" } else { "principal = ?" };
    let mut conditions = vec![whose, IS_ACCEPTED];
    let mut values = vec![Value::from(filter.principal.clone())];
    let mut add = |condition: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            conditions.push(condition);
            values.push(value);
        }
    };
    add("state = ?", filter.state.map(|state| i64::from(state.number()).into()));
    // As `IS_TO` of `states`.
    add("substr(recipient, -6) = substr(?, -6)", filter.to.clone().map(Value::from));
    add("recipient IS ?", filter.to.clone().map(Value::from));
    add("created_ms >= ?", filter.since.map(|at| at.as_millis().into()));
    add("created_ms < ?", filter.until.map(|at| at.as_millis().into()));
    add(
        "batch = (SELECT b.seq FROM batch b WHERE b.id = ?)",
        filter.batch.as_ref().map(|batch| batch.as_str().to_owned().into()),
    );
    add("seq < ?", filter.before.map(Value::from));
    values.push(i64::from(filter.limit).into());
    let sql =
        format!("SELECT {COLUMNS} FROM message WHERE {} ORDER BY seq DESC LIMIT ?", conditions.join(" AND "));
    (sql, values)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ledger::sqlite::schema::MIGRATIONS;

    #[test]
    fn a_bulk_is_added_up_without_reading_a_message() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| db.execute_batch(migration).unwrap());
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {TOTALS}")).unwrap();
        let plan: Vec<String> =
            statement.query_map([1], |row| row.get(3)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
        assert!(
            plan.iter().any(|step| step.contains("USING COVERING INDEX message_totals (batch=?)")),
            "{plan:?}"
        );
        assert!(
            !plan.iter().any(|step| step.starts_with("SCAN message") || step.contains("FOR GROUP BY")),
            "{plan:?}"
        );
    }

    #[test]
    fn the_messages_to_one_person_are_found_by_that_person() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| db.execute_batch(migration).unwrap());
        crate::ledger::sqlite::sealed::teach(&db).unwrap();
        let asked = Filter {
            principal: "alice".to_owned(),
            to: Some("+33199000001".to_owned()),
            limit: 20,
            ..Filter::default()
        };
        let (sql, values) = listing(&asked);
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> = statement
            .query_map(params_from_iter(values), |row| row.get(3))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap();
        assert!(
            plan.iter().any(|step| step.contains("INDEX message_person (<expr>=? AND recipient=?")),
            "{plan:?}"
        );
    }
}
