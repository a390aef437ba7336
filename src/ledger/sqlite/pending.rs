//! Who may have said something, and what waits for the operator because nobody can tell.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use super::outbox;
use super::reply::answered;
use super::states::{HAS_NOT_LEFT, IS_TO, sql};
use super::wish::{PendingWish, Wish};
use crate::clock::Timestamp;
use crate::ledger::{MOST_PENDING, NewPending, Pended, Pending, Settled};
use crate::sms::caller_id::{CallerId, ENDING, Known, Sender};
use crate::sms::message::Realm;
use crate::sms::number::Number;
use crate::sms::reply::Meaning;

/// Most people that are looked at for one ending: so many share six digits where a hundred million were
/// texted.
const MOST_KNOWN: i64 = 1_000;

/// Digits of the longest number, country code and plus included, that a sender without an ending can be.
const SHORT: usize = 10;

/// Distinct recipients with this ending, each found by one step in the index, however many messages they
/// have.
const RECIPIENTS: &str = "WITH RECURSIVE known (number) AS (
         SELECT min(recipient) FROM message WHERE substr(recipient, -6) = ?1
         UNION ALL
         SELECT (SELECT min(recipient) FROM message WHERE substr(recipient, -6) = ?1 AND recipient > \
         known.number)
         FROM known WHERE known.number IS NOT NULL LIMIT ?2)
     SELECT number FROM known WHERE number IS NOT NULL";

/// The same of those whose messages are forgotten.
const TEXTED: &str = "SELECT DISTINCT number FROM texted WHERE substr(number, -6) = ?1 LIMIT ?2";

/// Whether a recipient is one of this side, and whether a message went out since then.
fn recent() -> String {
    format!(
        "SELECT EXISTS (SELECT 1 FROM message WHERE {IS_TO} AND sandbox = ?3)
         OR EXISTS (SELECT 1 FROM texted WHERE number = ?1 AND sandbox = ?3),
     EXISTS (SELECT 1 FROM message WHERE {IS_TO} AND sandbox = ?3 AND created_ms >= ?2 AND NOT \
     {HAS_NOT_LEFT})
         OR EXISTS (SELECT 1 FROM texted WHERE number = ?1 AND sandbox = ?3 AND last_ms >= ?2)"
    )
}

const OUT: &str = "SELECT number FROM opt_out WHERE substr(number, -6) = ?1 LIMIT ?2";

/// See [`crate::ledger::facets::People::known`].
pub(super) fn known(
    db: &Connection,
    endings: &[String],
    realm: Realm,
    since: Timestamp,
) -> rusqlite::Result<Vec<Known>> {
    let mut recipients = db.prepare_cached(RECIPIENTS)?;
    let mut texted = db.prepare_cached(TEXTED)?;
    let mut recent = db.prepare_cached(&recent())?;
    let mut out = db.prepare_cached(OUT)?;
    let mut found: Vec<Known> = Vec::new();
    for ending in endings.iter().filter(|ending| ending.len() == ENDING) {
        let mut numbers: BTreeSet<String> = recipients
            .query_map(params![ending, MOST_KNOWN], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for number in texted.query_map(params![ending, MOST_KNOWN], |row| row.get(0))? {
            numbers.insert(number?);
        }
        for number in numbers {
            let whether = params![number, since.as_millis(), realm.is_sandbox()];
            let (is_recipient, is_recent): (bool, bool) =
                recent.query_row(whether, |row| Ok((row.get(0)?, row.get(1)?)))?;
            if is_recipient {
                found.push(Known { number, is_recipient, is_recent, is_out: false });
            }
        }
        let numbers = out.query_map(params![ending, MOST_KNOWN], |row| row.get::<_, String>(0))?;
        for number in numbers {
            let number = number?;
            match found.iter_mut().find(|known| known.number == number) {
                Some(known) => known.is_out = true,
                None => found.push(Known { number, is_recipient: false, is_recent: false, is_out: true }),
            }
        }
    }
    Ok(found)
}

const fn number_of(meaning: Meaning) -> u8 {
    match meaning {
        Meaning::Stop => 0,
        Meaning::Start => 1,
        Meaning::Help | Meaning::Other => 2,
        Meaning::Objection => 3,
    }
}

const fn meaning_of(number: u8) -> Meaning {
    match number {
        0 => Meaning::Stop,
        1 => Meaning::Start,
        3 => Meaning::Objection,
        _ => Meaning::Other,
    }
}

/// See [`crate::ledger::facets::People::pend`]. Where there is no room, what protects nobody makes some for a
/// STOP.
pub(super) fn pend(db: &Connection, new: &NewPending) -> JobResult<Pended> {
    let wish = number_of(new.meaning);
    let known: Option<(i64, Option<String>, Option<i64>)> = db
        .prepare_cached(
            "SELECT id, number, settled_ms FROM pending WHERE provider = ?1 AND sender = ?2 AND wish = ?3",
        )?
        .query_row(params![new.provider, new.sender, wish], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (known_id, number, settled_ms) =
        known.map_or((None, None, None), |(id, number, settled_ms)| (Some(id), number, settled_ms));
    let is_again = settled_ms.is_some_and(|settled_ms| new.is_said && new.at.as_millis() > settled_ms);
    let is_new = known_id.is_none() || is_again;
    if is_new && !make_room(db, new.meaning)? {
        return Ok(Pended { is_full: true, number, ..Pended::default() });
    }
    match known_id {
        None => {
            db.prepare_cached(
                "INSERT INTO pending (provider, sender, ending, wish, source, at_ms, people) \
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                new.provider,
                new.sender,
                new.ending,
                wish,
                new.source,
                new.at.as_millis(),
                new.people.join(",")
            ])?;
        }
        Some(id) if settled_ms.is_none() || is_again => {
            db.prepare_cached(
                "UPDATE pending SET at_ms = max(at_ms, ?2), people = ?3, settled_ms = NULL WHERE id = ?1",
            )?
            .execute(params![id, new.at.as_millis(), new.people.join(",")])?;
        }
        Some(_) => {}
    }
    Ok(Pended { is_new, is_full: false, number })
}

/// The same for one that is known from outside this ledger. Returns whether that is news.
pub(super) fn pend_again(
    db: &Connection,
    wish: &PendingWish,
    source: &str,
    at: Timestamp,
) -> JobResult<bool> {
    let pended = pend(
        db,
        &NewPending {
            provider: wish.provider.clone(),
            sender: wish.sender.clone(),
            ending: wish.ending.clone(),
            meaning: Meaning::Stop,
            source: source.to_owned(),
            at,
            is_said: true,
            people: wish.people.clone(),
        },
    )?;
    Ok(pended.is_new)
}

/// What the mark is to know of a STOP that waits now; nothing else protects anybody.
pub(super) fn begun(new: &NewPending) -> Option<Wish> {
    let (provider, sender, ending, people) =
        (new.provider.clone(), new.sender.clone(), new.ending.clone(), new.people.clone());
    let wish = PendingWish { provider, sender, ending, people }.wish(true, new.at, new.source.clone());
    Some(wish).filter(|_| new.meaning == Meaning::Stop)
}

/// The same of one that the operator settled.
pub(super) fn ended(settled: &Pending, now: Timestamp) -> Option<Wish> {
    let (provider, sender, people) =
        (settled.provider.clone(), settled.sender.clone(), settled.people.clone());
    let wish = PendingWish { provider, sender, ending: None, people }.wish(
        false,
        now.max(settled.at),
        settled.source.clone(),
    );
    Some(wish).filter(|_| settled.meaning == Meaning::Stop)
}

/// The STOPs that wait, for the mark.
pub(super) fn wishes(db: &Connection) -> rusqlite::Result<Vec<Wish>> {
    let mut waiting = db.prepare(
        "SELECT provider, sender, ending, people, at_ms, source FROM pending WHERE \
        settled_ms IS NULL AND wish = 0",
    )?;
    let wish = |row: &rusqlite::Row<'_>| {
        let people = people_from(&row.get::<_, String>(3)?);
        let wish = PendingWish { provider: row.get(0)?, sender: row.get(1)?, ending: row.get(2)?, people };
        Ok(wish.wish(true, Timestamp(row.get(4)?), row.get(5)?))
    };
    waiting.query_map([], wish)?.collect()
}

fn people_from(written: &str) -> Vec<String> {
    written.split(',').filter(|number| !number.is_empty()).map(ToOwned::to_owned).collect()
}

fn make_room(db: &Connection, meaning: Meaning) -> JobResult<bool> {
    let waiting: u32 = db
        .prepare_cached("SELECT count(*) FROM pending WHERE settled_ms IS NULL")?
        .query_row([], |row| row.get(0))?;
    if waiting < MOST_PENDING {
        return Ok(true);
    }
    let mut oldest = db.prepare_cached(
        "DELETE FROM pending WHERE id = (SELECT id FROM pending WHERE settled_ms IS NULL AND wish <> 0 AND (?1 OR \
         wish <> 3) ORDER BY wish = 3, wish DESC, at_ms LIMIT 1)",
    )?;
    let protects = matches!(meaning, Meaning::Stop | Meaning::Objection);
    Ok(protects && oldest.execute([meaning == Meaning::Stop])? > 0)
}

const COLUMNS: &str = "id, provider, sender, wish, source, at_ms, people,
     (SELECT count(*) FROM reply r WHERE r.provider = pending.provider AND r.sender = pending.sender AND \
     r.message IS NULL)";

fn pending_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Pending> {
    Ok(Pending {
        id: row.get(0)?,
        provider: row.get(1)?,
        sender: row.get(2)?,
        meaning: meaning_of(row.get(3)?),
        source: row.get(4)?,
        at: Timestamp(row.get(5)?),
        people: people_from(&row.get::<_, String>(6)?),
        replies: row.get(7)?,
    })
}

/// See [`crate::ledger::facets::People::pendings`].
pub(super) fn pendings(db: &Connection) -> rusqlite::Result<Vec<Pending>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM pending WHERE settled_ms IS NULL ORDER BY at_ms, id LIMIT ?1"
    ))?;
    statement.query_map([MOST_PENDING], pending_from)?.collect()
}

/// See [`crate::ledger::facets::People::settle_pending`].
pub(super) fn settle(
    db: &Connection,
    id: i64,
    number: Option<&str>,
    forward: bool,
    now: Timestamp,
) -> JobResult<Option<Settled>> {
    let found = db
        .prepare_cached(&format!("SELECT {COLUMNS} FROM pending WHERE id = ?1 AND settled_ms IS NULL"))?
        .query_row([id], pending_from)
        .optional()?;
    let Some(pending) = found else { return Ok(None) };
    db.prepare_cached("UPDATE pending SET number = ?2, settled_ms = ?3 WHERE id = ?1")?.execute(params![
        id,
        number,
        now.as_millis()
    ])?;
    let mut answered_now = Vec::new();
    if let Some(number) = number {
        let mut unsettled = db.prepare_cached(
            "SELECT seq, at_ms FROM reply WHERE provider = ?1 AND sender \
            = ?2 AND message IS NULL ORDER BY seq",
        )?;
        let replies: Vec<(i64, i64)> = unsettled
            .query_map([&pending.provider, &pending.sender], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (seq, at_ms) in replies {
            let at = Timestamp(at_ms);
            let (message, name) = answered(db, &pending.provider, number, at, at)?.unzip();
            db.prepare_cached("UPDATE reply SET sender = ?2, message = ?3 WHERE seq = ?1")?
                .execute(params![seq, number, message])?;
            if forward {
                outbox::tell_settled(db, seq, name.as_ref())?;
            }
            answered_now.extend(name);
        }
    }
    Ok(Some(Settled { pending, answered: answered_now }))
}

/// Fewest digits of a sender that are enough where a number ends with them: a local number, whose area or
/// country is not written.
const LOCAL: usize = 7;

/// A STOP that waits for the operator.
pub(super) const MAY_BE_STOP: &str = "settled_ms IS NULL AND wish = 0";

/// The end of a number, by which those are found whom it may be.
pub(super) fn ending(number: &str) -> &str {
    number.get(number.len().saturating_sub(ENDING)..).unwrap_or(number)
}

/// A long reply that asks for no more texts, and that nobody has read yet.
pub(super) const IS_OBJECTION: &str = "settled_ms IS NULL AND wish = 3";

/// Whether a STOP waits that this number fits, or whose sender is written like its end.
pub(super) fn is_pending(db: &Connection, number: &str) -> JobResult<bool> {
    is_waiting(db, number, sql!("SELECT sender FROM pending WHERE {MAY_BE_STOP} AND ending IN (?1, ?2)"))
}

/// Whether an objection waits that may be this person's.
pub(super) fn is_objection_pending(db: &Connection, number: &str) -> JobResult<bool> {
    is_waiting(db, number, sql!("SELECT sender FROM pending WHERE {IS_OBJECTION} AND ending IN (?1, ?2)"))
}

fn is_waiting(db: &Connection, number: &str, senders: &str) -> JobResult<bool> {
    let ending = ending(number);
    let mut statement = db.prepare_cached(senders)?;
    let mut rows = statement.query([ending, ""])?;
    let mut parsed = None;
    while let Some(row) = rows.next()? {
        let sender: String = row.get(0)?;
        let digits: String = sender.chars().filter(char::is_ascii_digit).collect();
        let local = digits.trim_start_matches('0');
        if local.len() >= LOCAL && number.ends_with(local) {
            return Ok(true);
        }
        // Found without an ending: only one of the few short numbers can fit it.
        if number.len() > SHORT && !digits.ends_with(ending) {
            continue;
        }
        let number = match &parsed {
            Some(number) => number,
            None => match Number::parse(number, None) {
                Ok(number) => &*parsed.insert(number),
                Err(_) => return Ok(false),
            },
        };
        let caller = CallerId::read(&Sender::AsWritten(sender), None);
        if caller.is_some_and(|caller| caller.fit(number).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn whoever_has_an_ending_is_found_by_an_index_alone() {
        let db = Connection::open_in_memory().unwrap();
        for migration in super::super::schema::MIGRATIONS {
            db.execute_batch(migration).unwrap();
        }
        let plan = |sql: &str| -> Vec<String> {
            let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = [1_i64, 9, 0].into_iter().take(statement.parameter_count());
            let rows = statement
                .query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3))
                .unwrap();
            rows.collect::<rusqlite::Result<Vec<String>>>().unwrap()
        };
        let lately =
            format!("SELECT id FROM message WHERE {IS_TO} AND created_ms > ?2 ORDER BY created_ms DESC");
        for (sql, index) in [
            (RECIPIENTS, "COVERING INDEX message_person"),
            (recent().as_str(), "INDEX message_person (<expr>=? AND recipient=?"),
            (TEXTED, "INDEX texted_ending"),
            (OUT, "INDEX opt_out_ending"),
            (lately.as_str(), "INDEX message_person (<expr>=? AND recipient=? AND created_ms>?)"),
        ] {
            let steps = plan(sql);
            assert!(steps.iter().any(|step| step.contains(index)), "{steps:?}");
            assert!(
                steps.iter().all(|step| !step.contains("SCAN message")
                    && !step.contains("SCAN opt_out")
                    && !step.contains("SCAN texted")),
                "{steps:?}"
            );
        }
    }
}
