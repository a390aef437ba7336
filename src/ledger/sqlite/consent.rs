//! What people agreed to, and what they withdrew: the records, and which of them counts. The verbs over them are in
//! `consents`.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::account::note_act;
use super::job::JobResult;
use super::states::sql;
use crate::clock::Timestamp;
use crate::ledger::Act;
use crate::ledger::consents::{AT_ONCE, ConsentAsk, ConsentRecord, NewConsent};
use crate::sms::caller_id::{same_person, same_phone};
use crate::sms::consent::{Latest, missing};
use crate::sms::peer::Peer;
use crate::sms::purpose::Purpose;

/// A record `c` that is there for everybody.
pub(super) const IS_THERE: &str = "(c.import IS NULL OR EXISTS (SELECT 1 FROM consent_import i WHERE i.id = c.import AND i.owner \
    IS NULL))";

/// The record of a number and a purpose that counts, of all of them or of the withdrawals. As [`Latest::rank`].
fn latest_sql(is_any: bool) -> String {
    let withdrawn = if is_any { "" } else { "c.given = 0 AND " };
    format!(
        "SELECT c.given, c.at_ms, c.expires_ms FROM consent c WHERE c.number = ?1 AND c.purpose = ?2 AND \
         {withdrawn}{IS_THERE} ORDER BY c.at_ms DESC, c.given, coalesce(c.expires_ms, 9223372036854775807) LIMIT 1"
    )
}

/// The columns that [`record_from`] reads.
pub(super) const COLUMNS: &str = "c.id, c.number, c.purpose, c.given, c.source, c.wording, c.at_ms, c.expires_ms, c.recorded_ms, \
    c.recorded_by, c.approver";

/// The source of a yes to a question of the operator's.
const DOUBLE_OPT_IN: &str = "double-opt-in";

/// Who wrote down what nobody did: the person said STOP.
const NOBODY: &str = "";

pub(super) fn record_from(row: &Row<'_>) -> rusqlite::Result<ConsentRecord> {
    Ok(ConsentRecord {
        id: row.get(0)?,
        said: NewConsent {
            number: row.get(1)?,
            purpose: Purpose::from_number(row.get(2)?),
            is_given: row.get(3)?,
            source: row.get(4)?,
            wording: row.get(5)?,
            at: Timestamp(row.get(6)?),
            expires: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        },
        recorded: Timestamp(row.get(8)?),
        by: row.get(9)?,
        approver: row.get(10)?,
    })
}

fn latest_row(row: &Row<'_>) -> rusqlite::Result<Latest> {
    Ok(Latest { is_given: row.get(0)?, at_ms: row.get(1)?, expires_ms: row.get(2)? })
}

/// What counts of the records under this very number.
fn latest_under(
    db: &Connection,
    number: &str,
    purpose: Purpose,
    is_any: bool,
) -> rusqlite::Result<Option<Latest>> {
    let any_or_withdrawn = if is_any { sql!("{}", latest_sql(true)) } else { sql!("{}", latest_sql(false)) };
    db.prepare_cached(any_or_withdrawn)?.query_row(params![number, purpose.number()], latest_row).optional()
}

/// What counts of this person: what they withdrew under any number that may be the same phone, and what they
/// agreed to under one that is theirs beyond doubt.
pub(super) fn latest(db: &Connection, number: &str, purpose: Purpose) -> rusqlite::Result<Option<Latest>> {
    let mut found = latest_under(db, number, purpose, true)?;
    let others = same_phone(number);
    let same = if others.is_empty() { Vec::new() } else { same_person(number) };
    for other in others {
        let theirs = latest_under(db, &other, purpose, same.contains(&other))?;
        found = found.into_iter().chain(theirs).max_by_key(Latest::rank);
    }
    Ok(found)
}

/// When the last was said that is on record under any number of this phone.
pub(super) fn newest_ms(db: &Connection, number: &str, purpose: Purpose) -> rusqlite::Result<Option<i64>> {
    let mut newest = latest_under(db, number, purpose, true)?;
    for other in same_phone(number) {
        let theirs = latest_under(db, &other, purpose, true)?;
        newest = newest.into_iter().chain(theirs).max_by_key(Latest::rank);
    }
    Ok(newest.map(|newest| newest.at_ms))
}

/// The same where one is needed, by our settings or by those of another process.
pub(super) fn latest_if_needed(
    db: &Connection,
    (needed_for, peers): (&[Purpose], &[Peer]),
    (number, purpose): (&str, Purpose),
) -> rusqlite::Result<Option<Latest>> {
    if needs_consent(needed_for, peers, purpose) { latest(db, number, purpose) } else { Ok(None) }
}

/// Whether a text waits because another process alone asks for a consent that is missing: it does so for as long as
/// that one lives.
pub(super) fn waits_for_consent(
    db: &Connection,
    (needed_for, peers): (&[Purpose], &[Peer]),
    (number, purpose): (&str, Purpose),
    now: Timestamp,
) -> rusqlite::Result<bool> {
    if needed_for.contains(&purpose) || !needs_consent(&[], peers, purpose) {
        return Ok(false);
    }
    Ok(missing(latest(db, number, purpose)?.as_ref(), now.as_millis()).is_some())
}

/// Whether a text for this purpose needs one.
fn needs_consent(needed_for: &[Purpose], peers: &[Peer], purpose: Purpose) -> bool {
    needed_for.contains(&purpose) || peers.iter().any(|peer| peer.rules.consent_for.contains(&purpose))
}

/// Writes a record, unless the same one is there.
pub(super) fn insert(db: &Connection, new: &NewConsent, act: &Act, import: Option<i64>) -> JobResult<bool> {
    let NewConsent { number, purpose, is_given, source, wording, at, expires } = new;
    // Nobody agreed later than it is written down: by a clock that is ahead it would outdo the STOP of a moment later.
    let at = if *is_given { (*at).min(act.at) } else { *at };
    let added = db
        .prepare_cached(sql!(
            "INSERT INTO consent (number, purpose, given, source, wording, at_ms, expires_ms, recorded_ms, \
             recorded_by, approver, import)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 WHERE NOT EXISTS (SELECT 1 FROM consent c WHERE \
             c.number = ?1 AND c.purpose = ?2 AND c.at_ms = ?6 AND c.given = ?3 AND c.source = ?4 AND c.wording IS ?5 \
             AND c.expires_ms IS ?7 AND (c.import IS ?11 OR {IS_THERE}))"
        ))?
        .execute(params![
            number,
            purpose.number(),
            is_given,
            source,
            wording,
            at.as_millis(),
            expires.map(Timestamp::as_millis),
            act.at.as_millis(),
            act.who,
            act.approver,
            import
        ])?;
    Ok(added > 0)
}

/// See [`Consents::note_ask`].
pub(super) fn note_ask(db: &Connection, ask: &ConsentAsk) -> JobResult<()> {
    let ConsentAsk { number, purpose, wording, expires, act } = ask;
    note_act(db, act)?;
    db.prepare_cached(
        "INSERT INTO consent_ask (number, purpose, wording, at_ms, expires_ms, asked_by) VALUES (?1, ?2, ?3, ?4, ?5, \
         ?6) ON CONFLICT (number) DO UPDATE SET purpose = excluded.purpose, wording = excluded.wording, at_ms = \
         excluded.at_ms, expires_ms = excluded.expires_ms, asked_by = excluded.asked_by",
    )?
    .execute(params![
        number,
        purpose.number(),
        wording,
        act.at.as_millis(),
        expires.as_millis(),
        act.who
    ])?;
    Ok(())
}

/// See [`Consents::take_yes`].
pub(super) fn take_yes(db: &Connection, number: &str, at: Timestamp, now: Timestamp) -> JobResult<bool> {
    let asked: Option<(i64, String, String)> = db
        .prepare_cached(
            "DELETE FROM consent_ask WHERE number = ?1 AND at_ms <= ?2 AND expires_ms > ?2 RETURNING purpose, \
             wording, asked_by",
        )?
        .query_row(params![number, at.as_millis()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((purpose, wording, who)) = asked else { return Ok(false) };
    let new = NewConsent {
        number: number.to_owned(),
        purpose: Purpose::from_number(purpose),
        is_given: true,
        source: DOUBLE_OPT_IN.to_owned(),
        wording: Some(wording),
        at: at.min(now),
        expires: None,
    };
    let act = Act { at: now, who, verb: String::new(), subject: String::new(), approver: None };
    insert(db, &new, &act, None)?;
    Ok(true)
}

/// Which of the words of somebody who wants no more texts it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The first, or the last before it ends.
    New,
    /// One more of those that a list tells every hour: the last of them is written down as it ends.
    Again,
}

/// A STOP withdraws what this person agrees to by then, also what is written down later and was said before; that
/// it ends does not give it back.
pub(super) fn withdraw_by_stop(
    db: &Connection,
    number: &str,
    source: &str,
    at: Timestamp,
    stop: Stop,
) -> JobResult<()> {
    // Whoever was asked has answered.
    db.prepare_cached("DELETE FROM consent_ask WHERE number = ?1 AND at_ms <= ?2")?
        .execute(params![number, at.as_millis()])?;
    for purpose in Purpose::ALL {
        let latest = latest_under(db, number, purpose, true)?.filter(|latest| !latest.is_given);
        if latest.is_some_and(|latest| stop == Stop::Again || latest.at_ms >= at.as_millis()) {
            continue;
        }
        let new = NewConsent {
            number: number.to_owned(),
            purpose,
            is_given: false,
            source: format!("opt-out: {source}"),
            wording: None,
            at,
            expires: None,
        };
        let act =
            Act { at, who: NOBODY.to_owned(), verb: String::new(), subject: String::new(), approver: None };
        insert(db, &new, &act, None)?;
    }
    Ok(())
}

pub(super) fn begin(db: &Connection, owner: i64, at: Timestamp) -> JobResult<i64> {
    db.prepare_cached(
        "INSERT INTO consent_import (owner, begun_ms, first) VALUES (?1, ?2, coalesce((SELECT max(id) FROM consent), \
         0) + 1)",
    )?
    .execute([owner, at.as_millis()])?;
    Ok(db.last_insert_rowid())
}

pub(super) fn is_own(db: &Connection, id: i64, owner: i64) -> JobResult<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM consent_import WHERE id = ?1 AND owner = ?2)")?
        .query_row([id, owner], |row| row.get(0))
}

/// Takes back some of it. Returns whether nothing of it is left; so it is of one that was taken in.
pub(super) fn take_back(db: &Connection, id: i64) -> JobResult<bool> {
    // Whoever takes it in still, unknown to us, finds that it is not theirs any more.
    let first: Option<i64> = db
        .prepare_cached(
            "UPDATE consent_import SET owner = 0 WHERE id = ?1 AND owner IS NOT NULL RETURNING first",
        )?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let Some(first) = first else { return Ok(true) };
    let gone = db
        .prepare_cached(
            "DELETE FROM consent WHERE id IN (SELECT id FROM consent WHERE id >= ?2 AND import = ?1 LIMIT ?3)",
        )?
        .execute(params![id, first, i64::try_from(AT_ONCE).unwrap_or(i64::MAX)])?;
    if gone >= AT_ONCE {
        return Ok(false);
    }
    db.prepare_cached("DELETE FROM consent_import WHERE id = ?1")?.execute([id])?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::schema::MIGRATIONS;
    use super::*;

    #[test]
    fn the_latest_consent_is_found_by_an_index_without_sorting() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.into_iter().for_each(|migration| db.execute_batch(migration).unwrap());
        for is_any in [true, false] {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {}", latest_sql(is_any))).unwrap();
            let plan: Vec<String> =
                statement.query_map(["", "1"], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
            let plan = plan.join("; ");
            assert!(plan.contains("INDEX consent_latest (number=? AND purpose=?)"), "{plan}");
            // What is sorted are records of one moment alone.
            let plan = plan.replace("USE TEMP B-TREE FOR LAST TERM OF ORDER BY", "");
            assert!(plan.contains("INTEGER PRIMARY KEY") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
    }

    #[test]
    fn who_had_opted_out_before_there_were_consents_agrees_to_none_that_is_written_down_later() {
        let db = Connection::open_in_memory().unwrap();
        let (before, after) = MIGRATIONS.split_at(29);
        before.iter().for_each(|migration| db.execute_batch(migration).unwrap());
        db.execute("INSERT INTO opt_out (number, at_ms, source) VALUES ('+12025550123', 50, 'reply')", [])
            .unwrap();
        after.iter().for_each(|migration| db.execute_batch(migration).unwrap());
        for purpose in Purpose::ALL {
            let found = latest(&db, "+12025550123", purpose).unwrap();
            assert_eq!(found, Some(Latest { is_given: false, at_ms: 50, expires_ms: None }));
        }
    }
}
