//! Taking back a bulk that was not accepted: its money, its messages, its key and its row, a part at a time.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteLedger;
use super::job::JobResult;
use super::parts::PART;
use super::states::sql;
use super::transition::{OPEN_COLUMNS, Open, budget_ids, open_from};
use crate::error::Result;
use crate::sms::message::BatchId;

impl SqliteLedger {
    /// Withdraws a bulk, unless it was accepted.
    pub(super) async fn withdraw(&self, id: &BatchId) -> Result<()> {
        loop {
            let id = id.clone();
            if self.writer()?.run(move |db| withdraw(db, &id, PART)).await? {
                return Ok(());
            }
        }
    }

    /// Withdraws what processes that are gone were accepting, and what this one could not withdraw before.
    pub(super) async fn withdraw_abandoned(&self) -> Result<()> {
        let own = self.instance.id();
        for (id, owner) in self.read(move |db| open(db, own)).await? {
            // Looked at after the row was read: before a bulk has one, it is noted here.
            if owner == own && self.accepting.has(&id) {
                continue;
            }
            self.withdraw(&id).await?;
            tracing::warn!(batch = %id, "withdrew a bulk whose acceptance was cut off: nothing of it was sent");
        }
        Ok(())
    }
}

/// Bulks that are not accepted, of this instance or of nobody who is registered, and who accepts each.
fn open(db: &Connection, own: i64) -> rusqlite::Result<Vec<(BatchId, i64)>> {
    let mut statement = db.prepare_cached(
        "SELECT id, accepting FROM batch b
         WHERE b.accepting IS NOT NULL AND (b.accepting = ?1 OR b.accepting NOT IN (SELECT i.id FROM instance i))",
    )?;
    let found = statement.query_map([own], |row| Ok((BatchId::from_text(row.get::<_, String>(0)?), row.get(1)?)))?;
    found.collect()
}

/// Takes back so many of its messages. Returns whether nothing of it is left; so it is of one that was accepted, which stays.
fn withdraw(db: &Connection, id: &BatchId, most: usize) -> JobResult<bool> {
    // Whoever accepts it still, unknown to us, finds that it is not theirs any more.
    let mut mark = db.prepare_cached("UPDATE batch SET accepting = 0 WHERE id = ?1 AND accepting IS NOT NULL RETURNING seq")?;
    let Some(batch) = mark.query_row([id.as_str()], |row| row.get::<_, i64>(0)).optional()? else { return Ok(true) };
    let mut some = db.prepare_cached(sql!("SELECT {OPEN_COLUMNS} FROM message WHERE batch = ?1 ORDER BY seq LIMIT ?2"))?;
    let messages: Vec<Open> = some.query_map(params![batch, i64::try_from(most).unwrap_or(i64::MAX)], open_from)?.collect::<rusqlite::Result<_>>()?;
    // What ended meanwhile, since its person opted out, holds nothing any more.
    let mut held: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for message in messages.iter().filter(|message| message.state.waits()) {
        let (micros, count) = held.entry(&message.budgets).or_default();
        *micros += message.held_micros;
        *count += 1;
    }
    let mut release = db.prepare_cached("UPDATE budget SET held_micros = held_micros - ?2, messages = messages - ?3 WHERE id = ?1")?;
    for (budgets, (micros, count)) in held {
        for budget in budget_ids(budgets) {
            release.execute([budget, micros, count])?;
        }
    }
    let mut delete = db.prepare_cached("DELETE FROM message WHERE seq = ?1")?;
    messages.iter().try_for_each(|message| delete.execute([message.seq]).map(drop))?;
    if messages.len() >= most {
        return Ok(false);
    }
    db.prepare_cached("DELETE FROM idempotency WHERE target = ?1")?.execute([id.as_str()])?;
    db.prepare_cached("DELETE FROM batch WHERE seq = ?1")?.execute([batch])?;
    Ok(true)
}
