//! Forgetting, in small steps: see [`crate::ledger::upkeep`].
//!
//! What may go is looked for by a reader, so that nobody waits for the search; the writing thread asks once
//! more of each row before it takes it. The newest message stays, so that its number is given to no other
//! one. A bulk is hidden first, with its key and its report, and its row goes after all of its messages.

use std::fmt;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::early::EARLY_RECEIPT_MS;
use super::job::JobResult;
use super::states::{IS_SETTLED, IS_UNKNOWN, NEVER_LEFT, sql};
use crate::clock::Timestamp;
use crate::ledger::rules::repost::KEPT_MS;
use crate::ledger::told::TOLD_AGAIN_MS;
use crate::ledger::upkeep::{KNOWN_ID_MS, Prunable, PrunePlace, Pruned};

/// How far the clock may stand after all that the ledger knows of before it is not believed: a day.
const MOST_AHEAD_MS: i64 = 24 * 3_600_000;

/// Rows that one search looks through.
const WINDOW: u32 = 2_000;

/// A message `m` that is over, with its money, and that nothing younger than `?1` needs: not a key, a reply
/// or a frozen budget, and not the search for what became of an unknown one to the same person. The condition
/// on `u` is that of an index.
struct IsOver;

impl fmt::Display for IsOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "m.created_ms < ?1 AND m.changed_ms < ?1 AND {} AND m.held_micros = 0
             AND NOT EXISTS (SELECT 1 FROM message u WHERE u.recipient = m.recipient AND {})
             AND NOT EXISTS (SELECT 1 FROM idempotency k WHERE k.target = m.id AND k.used_ms >= ?1)
             AND NOT EXISTS (SELECT 1 FROM reply r WHERE r.message = m.seq AND r.at_ms >= ?1)
             AND NOT EXISTS (SELECT 1 FROM budget f WHERE f.frozen AND f.frozen_by = m.id)",
            IS_SETTLED.of("m."),
            IS_UNKNOWN.of("u.")
        )
    }
}

const IS_OVER: IsOver = IsOver;

const IS_NOT_THE_NEWEST: &str = "m.seq < (SELECT max(seq) FROM message)";

/// A message goes alone, or after its bulk was hidden.
const IS_ALONE: &str =
    "(m.batch IS NULL OR NOT EXISTS (SELECT 1 FROM batch b WHERE b.seq = m.batch AND b.principal <> ''))";

/// A bulk `b` that goes: as a whole, or its counts would speak of a part of it.
fn bulk_goes() -> String {
    format!(
        "b.created_ms < ?1 AND b.principal <> ''
         AND NOT EXISTS (SELECT 1 FROM idempotency k WHERE k.target = b.id AND k.used_ms >= ?1)
         AND NOT EXISTS (SELECT 1 FROM message m WHERE m.batch = b.seq AND NOT ({IS_OVER}))"
    )
}

/// A reply `r` that answers no message any more, and that is not to be given to anybody.
const REPLY_GOES: &str = "r.message IS NULL AND r.at_ms < ?1
     AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.provider = r.provider AND p.sender = r.sender AND \
     p.settled_ms IS NULL)";

/// A session `s` that nobody used, and that no handle in use is a part of.
const SESSION_GOES: &str = "s.used_ms < ?1 AND NOT EXISTS (SELECT 1 FROM session h WHERE h.parent = s.id \
    AND h.kind = 2 AND h.used_ms >= ?1)";

/// What is kept for a while by its own rule, and who keeps it: the table, its key, when it began, and for how
/// long.
const LEFTOVERS: [(&str, &str, &str, i64); 4] = [
    ("early_receipt", "vendor_id, provider, recipient, state", "received_ms", EARLY_RECEIPT_MS),
    ("told", "provider, content", "first_ms", TOLD_AGAIN_MS),
    ("forgotten_id", "vendor_id, provider, recipient", "at_ms", KNOWN_ID_MS),
    ("repost", "message", "asked_ms", KEPT_MS),
];

/// What operators did goes with the messages of its time, and never before a year is over: who widened what
/// agents may do is asked when a bill is looked into, long after the texts themselves need not be there.
const ACTS_MS: i64 = 366 * 24 * 3_600_000;

/// The moment before which what operators did goes.
fn acts_before(before: i64, now: i64) -> i64 {
    before.min(now.saturating_sub(ACTS_MS))
}

/// See [`crate::ledger::upkeep::Upkeep::prune_at`].
pub(super) fn prune_at(db: &Connection, now: Timestamp) -> JobResult<Timestamp> {
    let last: Option<i64> = db.query_row(
        "SELECT max(at) FROM (SELECT latest_us / 1000 AS at FROM pace UNION ALL SELECT created_ms FROM \
         message WHERE seq = (SELECT max(seq) FROM message))",
        [],
        |row| row.get(0),
    )?;
    Ok(now.min(Timestamp(last.unwrap_or(0)).plus_ms(MOST_AHEAD_MS)))
}

/// What a search found that may go.
pub(super) enum Found {
    Nothing,
    Bulks(Vec<i64>),
    Messages(Vec<i64>),
    Replies(Vec<i64>),
    Sessions(Vec<String>),
    Leftovers,
}

/// Looks from a place on for what may go, and says where to go on.
pub(super) fn find(
    db: &Connection,
    before: i64,
    place: PrunePlace,
    limit: u32,
) -> rusqlite::Result<(Found, Option<PrunePlace>)> {
    let is_full = |count: usize| u32::try_from(count).is_ok_and(|count| count >= limit);
    match place {
        PrunePlace::Bulks(after) => {
            let mut statement = db.prepare_cached(&format!(
                "SELECT seq FROM batch b WHERE seq > ?2 AND {} ORDER BY seq LIMIT ?3",
                bulk_goes()
            ))?;
            let found: Vec<i64> = statement
                .query_map(params![before, after, limit], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let next = found
                .last()
                .copied()
                .filter(|_| is_full(found.len()))
                .map_or(PrunePlace::Messages(0), PrunePlace::Bulks);
            Ok((if found.is_empty() { Found::Nothing } else { Found::Bulks(found) }, Some(next)))
        }
        PrunePlace::Messages(after) => {
            let goes = format!(
                "SELECT seq FROM message m WHERE seq > ?2 AND seq <= ?3 AND {IS_OVER} AND \
                 {IS_NOT_THE_NEWEST} AND {IS_ALONE} ORDER BY seq LIMIT ?4"
            );
            let (found, next) = through(db, ("message", "created_ms", &goes), before, after, limit)?;
            let next = next.map_or(PrunePlace::Replies(0), PrunePlace::Messages);
            Ok((if found.is_empty() { Found::Nothing } else { Found::Messages(found) }, Some(next)))
        }
        PrunePlace::Replies(after) => {
            let goes = format!(
                "SELECT seq FROM reply r WHERE seq > ?2 AND seq <= ?3 AND {REPLY_GOES} ORDER BY seq LIMIT ?4"
            );
            let (found, next) = through(db, ("reply", "at_ms", &goes), before, after, limit)?;
            let next = next.map_or(PrunePlace::Sessions, PrunePlace::Replies);
            Ok((if found.is_empty() { Found::Nothing } else { Found::Replies(found) }, Some(next)))
        }
        PrunePlace::Sessions => {
            let mut statement =
                db.prepare_cached(&format!("SELECT id FROM session s WHERE {SESSION_GOES} LIMIT ?2"))?;
            let found: Vec<String> = statement
                .query_map(params![before, limit], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            let next = if is_full(found.len()) { PrunePlace::Sessions } else { PrunePlace::Leftovers };
            Ok((if found.is_empty() { Found::Nothing } else { Found::Sessions(found) }, Some(next)))
        }
        PrunePlace::Leftovers => Ok((Found::Leftovers, None)),
    }
}

/// Looks through the next rows of a table for those that go, and says after which to look next: nothing when
/// all rows that follow are younger.
fn through(
    db: &Connection,
    (table, since, goes): (&str, &str, &str),
    before: i64,
    after: i64,
    limit: u32,
) -> rusqlite::Result<(Vec<i64>, Option<i64>)> {
    let window = format!(
        "SELECT max(seq), min({since}) FROM (SELECT seq, {since} FROM {table} WHERE seq > ?1 ORDER BY seq \
         LIMIT ?2)"
    );
    let (end, oldest): (Option<i64>, Option<i64>) = db
        .prepare_cached(&window)?
        .query_row(params![after, WINDOW], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(end) = end.filter(|_| oldest.is_some_and(|oldest| oldest < before)) else {
        return Ok((Vec::new(), None));
    };
    let mut statement = db.prepare_cached(goes)?;
    let found: Vec<i64> = statement
        .query_map(params![before, after, end, limit], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let is_full = u32::try_from(found.len()).is_ok_and(|count| count >= limit);
    let next = found.last().copied().filter(|_| is_full).unwrap_or(end);
    Ok((found, Some(next)))
}

fn count(changed: usize) -> u32 {
    u32::try_from(changed).unwrap_or(u32::MAX)
}

/// Forgets what was found, as far as it may still go.
pub(super) fn forget(db: &Connection, before: i64, now: i64, found: &Found, limit: u32) -> JobResult<Pruned> {
    let mut gone = Pruned::default();
    match found {
        Found::Nothing => {}
        Found::Bulks(bulks) => {
            // Its messages are over for good, and each is asked about once more; only its key may have been
            // used since.
            let mut hide = db.prepare_cached(
                "UPDATE batch SET principal = '', report = '' WHERE seq = ?2 AND principal <> ''
                 AND NOT EXISTS (SELECT 1 FROM idempotency k WHERE k.target = batch.id AND k.used_ms >= ?1)",
            )?;
            let mut keys = db.prepare_cached(
                "DELETE FROM idempotency WHERE target = (SELECT id FROM batch WHERE seq = ?1)",
            )?;
            for seq in bulks {
                if hide.execute([before, *seq])? > 0 {
                    gone.bulks += 1;
                    gone.keys += count(keys.execute([seq])?);
                }
            }
        }
        Found::Messages(messages) => {
            for seq in messages {
                gone = gone.and(forget_message(db, before, now, *seq)?);
            }
        }
        Found::Replies(replies) => {
            let mut statement =
                db.prepare_cached(&format!("DELETE FROM reply AS r WHERE seq = ?2 AND {REPLY_GOES}"))?;
            for seq in replies {
                gone.replies += count(statement.execute([before, *seq])?);
            }
        }
        Found::Sessions(sessions) => {
            let mut statement =
                db.prepare_cached(&format!("DELETE FROM session AS s WHERE id = ?2 AND {SESSION_GOES}"))?;
            for id in sessions {
                gone.sessions += count(statement.execute(params![before, id])?);
            }
        }
        Found::Leftovers => {
            db.prepare_cached(
                "DELETE FROM batch WHERE seq IN
                     (SELECT seq FROM batch b WHERE principal = '' AND NOT EXISTS (SELECT 1 FROM message \
                     WHERE batch = b.seq) LIMIT ?1)",
            )?
            .execute([limit])?;
            for (table, key, since, kept_ms) in LEFTOVERS {
                let sql = format!(
                    "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {since} < ?1 \
                     LIMIT ?2)"
                );
                gone.leftovers +=
                    count(db.prepare_cached(&sql)?.execute(params![now.saturating_sub(kept_ms), limit])?);
            }
            let proposals = "DELETE FROM proposal WHERE seq IN (SELECT seq FROM proposal p WHERE decision IS NOT NULL \
                             AND decided_ms < ?1 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.seq = p.message) AND \
                             NOT EXISTS (SELECT 1 FROM batch b WHERE b.seq = p.batch) LIMIT ?2)";
            gone.leftovers += count(db.prepare_cached(proposals)?.execute(params![before, limit])?);
            // They stand in their order, so that the oldest are looked at and no others.
            let acts = "DELETE FROM act WHERE id IN (SELECT id FROM (SELECT id, at_ms FROM act ORDER BY id \
                        LIMIT ?2) WHERE at_ms < ?1)";
            gone.acts = count(db.prepare_cached(acts)?.execute(params![acts_before(before, now), limit])?);
        }
    }
    Ok(gone)
}

/// Forgets one message with all that belongs to it, and keeps whom it went to and the providers' ids of it.
fn forget_message(db: &Connection, before: i64, now: i64, seq: i64) -> JobResult<Pruned> {
    let goes = format!(
        "SELECT id FROM message m WHERE seq = ?2 AND {IS_OVER} AND {IS_NOT_THE_NEWEST} AND {IS_ALONE}"
    );
    let id: Option<String> =
        db.prepare_cached(&goes)?.query_row([before, seq], |row| row.get(0)).optional()?;
    let Some(id) = id else { return Ok(Pruned::default()) };
    // Nothing of what never left makes anybody one who was texted lately.
    db.prepare_cached(sql!(
        "INSERT INTO texted (number, sandbox, provider, principal, sender, last_ms)
         SELECT recipient, sandbox, provider, principal, sender, CASE WHEN {NEVER_LEFT} THEN 0 ELSE \
         created_ms END FROM message WHERE seq = ?1
         ON CONFLICT DO UPDATE SET sender = CASE WHEN excluded.last_ms >= last_ms THEN excluded.sender ELSE \
         sender END,
                     last_ms = max(last_ms, excluded.last_ms)"
    ))?
    .execute([seq])?;
    db.prepare_cached(
        "INSERT INTO forgotten_id (vendor_id, provider, recipient, at_ms)
         SELECT vendor_id, provider, recipient, ?2 FROM message WHERE seq = ?1 AND vendor_id IS NOT NULL
         UNION SELECT s.vendor_id, s.provider, m.recipient, ?2 FROM segment s JOIN message m ON m.seq = \
         s.message WHERE s.message = ?1 AND s.vendor_id IS NOT NULL
         ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms",
    )?
    .execute([seq, now])?;
    let mut gone = Pruned::default();
    db.prepare_cached("DELETE FROM segment WHERE message = ?1")?.execute([seq])?;
    gone.replies = count(db.prepare_cached("DELETE FROM reply WHERE message = ?1")?.execute([seq])?);
    gone.keys = count(db.prepare_cached("DELETE FROM idempotency WHERE target = ?1")?.execute([&id])?);
    gone.messages = count(db.prepare_cached("DELETE FROM message WHERE seq = ?1")?.execute([seq])?);
    Ok(gone)
}

/// See [`crate::ledger::upkeep::Upkeep::prunable`].
pub(super) fn prunable(db: &Connection, before: i64, now: i64) -> rusqlite::Result<Prunable> {
    let number = |sql: &str| db.prepare_cached(sql)?.query_row([before], |row| row.get::<_, u32>(0));
    let bulks = format!("SELECT seq FROM batch b WHERE {}", bulk_goes());
    let goes = format!("{IS_OVER} AND {IS_NOT_THE_NEWEST} AND ({IS_ALONE} OR m.batch IN ({bulks}))");
    let messages = number(&format!("SELECT count(*) FROM message m WHERE {goes}"))?;
    let keys = number(&format!(
        "SELECT count(*) FROM idempotency i WHERE i.target IN (SELECT m.id FROM message m WHERE {goes})"
    ))? + number(&format!(
        "SELECT count(*) FROM idempotency i WHERE i.target IN (SELECT b.id FROM batch b WHERE {})",
        bulk_goes()
    ))?;
    let replies = number(&format!("SELECT count(*) FROM reply r WHERE {REPLY_GOES}"))?
        + number(&format!(
            "SELECT count(*) FROM reply x WHERE x.message IN (SELECT m.seq FROM message m WHERE {goes})"
        ))?;
    let mut leftovers = 0;
    for (table, _, since, kept_ms) in LEFTOVERS {
        let sql = format!("SELECT count(*) FROM {table} WHERE {since} < ?1");
        leftovers +=
            db.prepare_cached(&sql)?.query_row([now.saturating_sub(kept_ms)], |row| row.get::<_, u32>(0))?;
    }
    let acts = db
        .prepare_cached("SELECT count(*) FROM act WHERE at_ms < ?1")?
        .query_row([acts_before(before, now)], |row| row.get(0))?;
    let old = number("SELECT count(*) FROM message m WHERE m.created_ms < ?1 AND m.changed_ms < ?1")?;
    let oldest: Option<i64> = db
        .prepare_cached(&format!("SELECT min(m.created_ms) FROM message m WHERE NOT ({goes})"))?
        .query_row([before], |row| row.get(0))?;
    let goes = Pruned {
        messages,
        bulks: number(&format!("SELECT count(*) FROM ({bulks})"))?,
        replies,
        sessions: number(&format!("SELECT count(*) FROM session s WHERE {SESSION_GOES}"))?,
        keys,
        leftovers,
        acts,
    };
    Ok(Prunable { goes, old_that_stay: old.saturating_sub(messages), oldest: oldest.map(Timestamp) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ledger::sqlite::schema::MIGRATIONS;

    #[test]
    fn what_the_writing_thread_asks_of_a_row_reads_no_table_through() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| db.execute_batch(migration).unwrap());
        let plan = |sql: &str| -> Vec<String> {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = vec![1_i64; statement.parameter_count()];
            let rows = statement
                .query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3))
                .unwrap();
            rows.collect::<rusqlite::Result<_>>().unwrap()
        };
        for sql in [
            format!(
                "SELECT id FROM message m WHERE seq = ?2 AND {IS_OVER} AND {IS_NOT_THE_NEWEST} AND \
                {IS_ALONE}"
            ),
            format!("SELECT seq FROM message m WHERE m.batch = ?2 AND NOT ({IS_OVER})"),
            format!("DELETE FROM reply AS r WHERE seq = ?2 AND {REPLY_GOES}"),
            format!("DELETE FROM session AS s WHERE id = ?2 AND {SESSION_GOES}"),
            "SELECT seq FROM batch b WHERE principal = '' AND NOT EXISTS (SELECT 1 FROM message WHERE batch \
             = b.seq)"
                .to_owned(),
        ] {
            let steps = plan(&sql);
            // Frozen budgets and hidden bulks have an index of their own, and are few.
            let reads_all = |step: &&String| {
                step.starts_with("SCAN")
                    && !step.contains("INDEX budget_frozen")
                    && !step.contains("INDEX batch_forgotten")
            };
            assert!(!steps.is_empty() && !steps.iter().any(|step| reads_all(&step)), "{sql}: {steps:?}");
        }
    }
}
