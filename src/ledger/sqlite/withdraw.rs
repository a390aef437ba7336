//! Taking back a bulk that was not accepted: its money, its messages, its key and its row, a part at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use super::parts::PART;
use super::states::{IS_EXPIRED, NEVER_LEFT, WAITS, sql};
use super::store::SqliteLedger;
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
    /// Nothing of a ledger in doubt: it may be a copy from before all of it was accepted and sent, and then
    /// it is all that is known of that.
    pub(super) async fn withdraw_abandoned(&self) -> Result<()> {
        let own = self.instance.id();
        for (id, owner) in self.read(move |db| open(db, own)).await? {
            // Looked at after the row was read: before a bulk has one, it is noted here.
            if owner == own && self.accepting.has(&id) {
                continue;
            }
            match self.withdraw_of_another(&id).await {
                Ok(true) => {
                    tracing::warn!(batch = %id,
                        "withdrew a bulk whose acceptance was cut off: nothing of it was sent")
                }
                Ok(false) => {}
                // It is there for nobody: nothing has to wait for it.
                Err(error) => {
                    tracing::warn!(batch = %id, %error,
                        "a bulk that was not accepted could not be withdrawn yet; it will be tried again");
                }
            }
        }
        Ok(())
    }

    /// Returns whether it was withdrawn.
    async fn withdraw_of_another(&self, id: &BatchId) -> Result<bool> {
        loop {
            let (id, mark) = (id.clone(), Arc::clone(&self.mark));
            let step = move |db: &Connection| {
                if mark.check().is_err() && is_live(db, &id)? || is_told_otherwise(db, &id)? {
                    return Ok(None);
                }
                withdraw(db, &id, PART).map(Some)
            };
            match self.writer()?.run(step).await? {
                Some(true) => return Ok(true),
                Some(false) => {}
                None => return Ok(false),
            }
        }
    }
}

/// Takes as accepted what has messages of these and was being accepted when this copy of the ledger was made:
/// it may have been since, and sent.
pub(super) fn take_as_accepted(db: &Connection, which: &str) -> JobResult<()> {
    let take = format!(
        "UPDATE batch SET accepting = NULL WHERE accepting IS NOT NULL
             AND EXISTS (SELECT 1 FROM message WHERE message.batch = batch.seq AND {which})"
    );
    db.execute(&take, []).map(drop)
}

/// Whether it has messages to real people.
fn is_live(db: &Connection, id: &BatchId) -> JobResult<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM message WHERE batch = (SELECT seq FROM batch WHERE id = \
        ?1) AND NOT sandbox)",
    )?
    .query_row([id.as_str()], |row| row.get(0))
}

/// Whether more is known of its messages than that nobody sent them: as in a copy that was put back, they may
/// have left. Then it is there for everybody.
fn is_told_otherwise(db: &Connection, id: &BatchId) -> JobResult<bool> {
    let mut take = db.prepare_cached(sql!(
        "UPDATE batch SET accepting = NULL WHERE id = ?1 AND accepting IS NOT NULL
             AND EXISTS (SELECT 1 FROM message WHERE message.batch = batch.seq AND NOT {WAITS} AND NOT \
             {NEVER_LEFT} AND NOT {IS_EXPIRED})"
    ))?;
    take.execute([id.as_str()]).map(|taken| taken > 0)
}

/// Bulks that are not accepted, of this instance or of nobody who is registered, and who accepts each.
fn open(db: &Connection, own: i64) -> rusqlite::Result<Vec<(BatchId, i64)>> {
    let mut statement = db.prepare_cached(
        "SELECT id, accepting FROM batch b
         WHERE b.accepting IS NOT NULL AND (b.accepting = ?1 OR b.accepting NOT IN (SELECT i.id FROM \
         instance i))",
    )?;
    let found =
        statement.query_map([own], |row| Ok((BatchId::from_text(row.get::<_, String>(0)?), row.get(1)?)))?;
    found.collect()
}

/// Takes back so many of its messages. Returns whether nothing of it is left; so it is of one that was
/// accepted, which stays.
fn withdraw(db: &Connection, id: &BatchId, most: usize) -> JobResult<bool> {
    // Whoever accepts it still, unknown to us, finds that it is not theirs any more.
    let mut mark = db.prepare_cached(
        "UPDATE batch SET accepting = 0 WHERE id = ?1 AND accepting IS NOT NULL RETURNING seq",
    )?;
    let Some(batch) = mark.query_row([id.as_str()], |row| row.get::<_, i64>(0)).optional()? else {
        return Ok(true);
    };
    let mut some =
        db.prepare_cached(sql!("SELECT {OPEN_COLUMNS} FROM message WHERE batch = ?1 ORDER BY seq LIMIT ?2"))?;
    let messages: Vec<Open> = some
        .query_map(params![batch, i64::try_from(most).unwrap_or(i64::MAX)], open_from)?
        .collect::<rusqlite::Result<_>>()?;
    // What ended meanwhile, since its person opted out, holds nothing any more.
    let mut held: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for message in messages.iter().filter(|message| message.state.waits()) {
        let (micros, count) = held.entry(&message.budgets).or_default();
        *micros += message.held_micros;
        *count += 1;
    }
    let mut release = db.prepare_cached(
        "UPDATE budget SET held_micros = held_micros - ?2, messages = messages - ?3 WHERE id = ?1",
    )?;
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
