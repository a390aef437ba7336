//! What becomes of a message once it was taken, and of its money: settled, taken back, or left behind by a process
//! that died. Every change of a state goes through [`advance`] here.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::instance::Registered;
use super::reserve::{BUDGET_COLUMNS, budget_from, step};
use super::writer::JobResult;
use super::{outbox, receive, segment, told};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::ledger::{Recovered, Settlement};
use crate::sms::facts::Budget;
use crate::sms::message::{MessageId, State};

/// What settling has to know of a message.
pub(super) struct Open {
    pub(super) seq: i64,
    pub(super) state: State,
    held_micros: i64,
    /// What was posted; nothing while its money is held, and where it was given back.
    price_micros: Option<i64>,
    budgets: String,
    /// Whether its changes are told to the operator's own system.
    forward: bool,
    /// The number of the request that carries it together with others.
    pub(super) request: Option<i64>,
    pub(super) provider: String,
    pub(super) recipient: String,
    /// Whether its segments went out as requests of their own.
    pub(super) is_parted: bool,
}

/// The columns that [`open_from`] reads.
pub(super) const OPEN_COLUMNS: &str = "seq, state, held_micros, price_micros, budgets, forward, request, provider, recipient, parted";

pub(super) fn open_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Open> {
    Ok(Open {
        seq: row.get(0)?,
        state: State::from_number(row.get(1)?).unwrap_or(State::Unknown),
        held_micros: row.get(2)?,
        price_micros: row.get(3)?,
        budgets: row.get(4)?,
        forward: row.get(5)?,
        request: row.get(6)?,
        provider: row.get(7)?,
        recipient: row.get(8)?,
        is_parted: row.get(9)?,
    })
}

/// Messages in one of these states, found by the index of what is still to be done. SQLite takes a partial index only
/// where the query repeats its condition word by word; without that each of these reads every message there ever was.
pub(super) const QUEUED: &str = "state IN (0, 1, 2) AND state = 1";
pub(super) const ATTEMPTING: &str = "state IN (0, 1, 2) AND state = 2";
const QUEUED_OR_ATTEMPTING: &str = "state IN (0, 1, 2) AND state IN (1, 2)";

/// How the money of a message moves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Posting {
    /// It stays held.
    Keep,
    /// It goes back, and the message counts no more.
    Release,
    /// So much was charged.
    Charge(i64),
}

fn posting(open: &Open, next: State, price_micros: Option<i64>) -> Posting {
    let is_settled = !matches!(open.state, State::Scheduled | State::Queued | State::Attempting | State::Unknown | State::Held);
    match next {
        _ if is_settled => Posting::Keep,
        State::Scheduled | State::Queued | State::Attempting | State::Unknown | State::Held => Posting::Keep,
        State::Rejected | State::Canceled => Posting::Release,
        State::Expired if matches!(open.state, State::Scheduled | State::Queued) => Posting::Release,
        State::Sent | State::Delivered | State::Failed | State::Expired => Posting::Charge(price_micros.unwrap_or(open.held_micros)),
    }
}

fn budget_ids(list: &str) -> impl Iterator<Item = i64> {
    list.split(',').filter_map(|id| id.parse().ok())
}

/// Moves the money in every budget that holds it, and returns them.
fn post(db: &Connection, open: &Open, posting: Posting) -> JobResult<Vec<Budget>> {
    let (release, charge, messages) = match posting {
        Posting::Keep => (0, 0, 0),
        Posting::Release => (open.held_micros, 0, 1),
        Posting::Charge(price) => (open.held_micros, price.max(0), 0),
    };
    let is_over = charge > release;
    let mut statement = db.prepare_cached(&format!(
        "UPDATE budget SET held_micros = held_micros - ?2, spent_micros = spent_micros + ?3, messages = messages - ?4, frozen = frozen OR ?5
         WHERE id = ?1 RETURNING {BUDGET_COLUMNS}"
    ))?;
    if is_over {
        note_overcharge(db, open, release, charge)?;
    }
    budget_ids(&open.budgets).map(|id| Ok(statement.query_row(params![id, release, charge, messages, is_over], budget_from)?.budget)).collect()
}

/// Notes in every budget that is about to freeze which message's charge is the reason: the first one, until it is unfrozen.
fn note_overcharge(db: &Connection, open: &Open, held_micros: i64, charged_micros: i64) -> JobResult<()> {
    let mut statement = db.prepare_cached(
        "UPDATE budget SET frozen_by = (SELECT id FROM message WHERE seq = ?2), frozen_held = ?3, frozen_charged = ?4 WHERE id = ?1 AND NOT frozen",
    )?;
    for id in budget_ids(&open.budgets) {
        statement.execute([id, open.seq, held_micros, charged_micros])?;
    }
    Ok(())
}

/// A step that a message is asked to take.
pub(super) struct Step<'a> {
    pub(super) next: State,
    pub(super) at: Timestamp,
    pub(super) why: Option<&'a str>,
    pub(super) code: Option<ErrorKind>,
    /// The price that was told.
    pub(super) price_micros: Option<i64>,
    /// What is charged where none was told and less went out than was held for.
    pub(super) share_micros: Option<i64>,
    pub(super) vendor_id: Option<&'a str>,
    pub(super) segments: Option<u32>,
    pub(super) look_at: Option<Timestamp>,
}

impl<'a> Step<'a> {
    pub(super) fn new(next: State, at: Timestamp, why: Option<&'a str>) -> Self {
        Self { next, at, why, code: None, price_micros: None, share_micros: None, vendor_id: None, segments: None, look_at: None }
    }
}

/// Corrects what was posted for a message by what the provider says that it really cost. A price that turns out higher
/// freezes the path, as one that is higher than what was held does. Where nothing was posted, nothing changes.
fn correct(db: &Connection, open: &mut Open, price_micros: Option<i64>) -> JobResult<()> {
    let (Some(posted), Some(price)) = (open.price_micros, price_micros.map(|price| price.max(0))) else { return Ok(()) };
    // Somebody told it, also where it is what was assumed.
    db.prepare_cached("UPDATE message SET price_micros = ?2, price_assumed = 0 WHERE seq = ?1 AND (price_assumed OR price_micros <> ?2)")?
        .execute([open.seq, price])?;
    if price == posted {
        return Ok(());
    }
    if price > posted {
        note_overcharge(db, open, posted, price)?;
    }
    let mut statement = db.prepare_cached("UPDATE budget SET spent_micros = spent_micros + ?2, frozen = frozen OR ?3 WHERE id = ?1")?;
    for id in budget_ids(&open.budgets) {
        statement.execute(params![id, price - posted, price > posted])?;
    }
    open.price_micros = Some(price);
    Ok(())
}

/// Moves a message to its next state, if it may go there: the state, the history, how much is held, and what the
/// operator's own system is told. What was said about an unknown outcome holds no longer once it is known. Returns how
/// the money is to move; [`post`] moves it.
fn advance(db: &Connection, open: &mut Open, asked: &Step<'_>) -> JobResult<Option<Posting>> {
    let &Step { next, at, why, code, price_micros, share_micros, vendor_id, segments, look_at } = asked;
    if !open.state.may_become(next) {
        return Ok(None);
    }
    let posting = posting(open, next, price_micros.or(share_micros));
    let charged = match posting {
        Posting::Charge(price) => Some(price.max(0)),
        Posting::Keep | Posting::Release => None,
    };
    let held = if posting == Posting::Keep { open.held_micros } else { 0 };
    db.prepare_cached(
        "UPDATE message SET state = ?2, changed_ms = ?3, held_micros = ?4, price_micros = coalesce(?5, price_micros), price_assumed = price_assumed AND NOT ?13,
                why = CASE WHEN state IN (9, 10) THEN ?6 ELSE coalesce(?6, why) END, code = CASE WHEN state IN (9, 10) THEN ?8 ELSE coalesce(?8, code) END,
                owner = NULL, history = history || ',' || ?7, vendor_id = coalesce(?9, vendor_id),
                segments = coalesce(?10, segments), text = CASE WHEN keep_text THEN text END,
                look_ms = CASE WHEN ?11 AND coalesce(?9, vendor_id) IS NOT NULL THEN coalesce(?12, look_ms) END
         WHERE seq = ?1",
    )?
    .execute(params![
        open.seq,
        next.number(),
        at.as_millis(),
        held,
        charged,
        why,
        step(next, at, why),
        code.map(ErrorKind::as_str),
        vendor_id,
        segments,
        !next.is_final(),
        look_at.map(Timestamp::as_millis),
        charged.is_some() && price_micros.is_some()
    ])?;
    open.state = next;
    open.price_micros = charged.or(open.price_micros);
    if open.forward {
        outbox::tell_change(db, open.seq, next, at)?;
    }
    Ok(Some(posting))
}

/// Moves a message, and its money in every budget that holds it. Returns the budgets after it.
pub(super) fn advance_and_post(db: &Connection, open: &mut Open, asked: &Step<'_>) -> JobResult<Option<Vec<Budget>>> {
    let Some(posting) = advance(db, open, asked)? else { return Ok(None) };
    let budgets = post(db, open, posting)?;
    if posting != Posting::Keep {
        open.held_micros = 0;
    }
    Ok(Some(budgets))
}

/// Applies what the provider says later: the step, its money where any is still held, and the price where it was
/// posted before. Returns whether the state changed.
pub(super) fn apply(db: &Connection, open: &mut Open, asked: &Step<'_>) -> JobResult<bool> {
    correct(db, open, asked.price_micros)?;
    let Some(posting) = advance(db, open, asked)? else { return Ok(false) };
    if posting != Posting::Keep {
        post(db, open, posting)?;
        open.held_micros = 0;
    }
    Ok(true)
}

/// See [`crate::ledger::Ledger::settle`].
pub(super) fn settle(db: &Connection, id: &MessageId, settlement: &Settlement) -> JobResult<Vec<Budget>> {
    let found = db.prepare_cached(&format!("SELECT {OPEN_COLUMNS} FROM message WHERE id = ?1"))?.query_row([id.as_str()], open_from).optional()?;
    let Some(mut open) = found else { return Ok(Vec::new()) };
    let is_part = settlement.state == State::Failed && settlement.price_micros.is_none();
    let share = if is_part { segment::share(&settlement.parts, open.held_micros) } else { None };
    let asked = Step {
        code: settlement.code,
        price_micros: settlement.price_micros,
        share_micros: share,
        vendor_id: settlement.vendor_id.as_deref(),
        segments: settlement.segments,
        look_at: settlement.look_at,
        ..Step::new(settlement.state, settlement.at, settlement.why.as_deref())
    };
    let moved = advance_and_post(db, &mut open, &asked)?;
    match moved {
        // A report was faster than the answer; only the answer may name the price.
        None => correct(db, &mut open, settlement.price_micros)?,
        Some(_) if settlement.free_key => {
            db.prepare_cached("DELETE FROM idempotency WHERE target = ?1")?.execute([id.as_str()])?;
        }
        Some(_) => {}
    }
    let moved_on = if !settlement.parts.is_empty() {
        segment::write(db, &open, &settlement.parts)?;
        segment::apply_early(db, &mut open, &settlement.parts)?
    } else if let (Some(vendor_id), Some(_), false) = (&settlement.vendor_id, &moved, open.is_parted) {
        receive::apply_early(db, &mut open, vendor_id)?
    } else {
        false
    };
    match moved {
        Some(budgets) if !moved_on => Ok(budgets),
        _ => post(db, &open, Posting::Keep),
    }
}

/// Turns the attempts that `sql` selects into unknown outcomes.
fn lose(db: &Connection, sql: &str, values: impl rusqlite::Params, now: Timestamp, why: &str) -> JobResult<u32> {
    let mut statement = db.prepare_cached(&format!("SELECT {OPEN_COLUMNS} FROM message WHERE {sql}"))?;
    let open: Vec<Open> = statement.query_map(values, open_from)?.collect::<rusqlite::Result<_>>()?;
    let mut count = 0;
    for mut open in open {
        let asked = Step { code: Some(ErrorKind::OutcomeUnknown), ..Step::new(State::Unknown, now, Some(why)) };
        count += u32::from(advance(db, &mut open, &asked)?.is_some());
    }
    Ok(count)
}

/// Gives back an instance's queued messages, and ends it. Returns how many were given back.
fn release(db: &Connection, owner: i64) -> JobResult<u32> {
    let released = db.prepare_cached(&format!("UPDATE message SET owner = NULL WHERE {QUEUED} AND owner = ?1"))?.execute([owner])?;
    db.prepare_cached("DELETE FROM instance WHERE id = ?1")?.execute([owner])?;
    Ok(u32::try_from(released).unwrap_or(u32::MAX))
}

const ORPHANED: &str = "owner IS NOT NULL AND owner NOT IN (SELECT id FROM instance)";

/// Whether there is work of an owner that is not registered.
pub(super) fn has_orphans(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM message WHERE {QUEUED_OR_ATTEMPTING} AND {ORPHANED})"))?.query_row([], |row| row.get(0))
}

/// What is said of a message that was taken back.
pub(super) const CANCELED: &str = "canceled by the operator";

/// See [`crate::ledger::Ledger::cancel`].
pub(super) fn cancel(db: &Connection, principal: &str, batch: &str, now: Timestamp) -> JobResult<u32> {
    let sql = format!(
        "SELECT {OPEN_COLUMNS} FROM message WHERE batch = (SELECT seq FROM batch WHERE id = ?1 AND principal = ?2) AND state IN (0, 1) ORDER BY seq"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let queued: Vec<Open> = statement.query_map([batch, principal], open_from)?.collect::<rusqlite::Result<_>>()?;
    let mut count = 0;
    for mut open in queued {
        count += u32::from(advance_and_post(db, &mut open, &Step::new(State::Canceled, now, Some(CANCELED)))?.is_some());
    }
    Ok(count)
}

/// See [`crate::ledger::Ledger::recover`].
pub(super) fn recover(db: &Connection, own: i64, dead: &[Registered], now: Timestamp, stale_before: Option<Timestamp>) -> JobResult<Recovered> {
    let mut recovered = Recovered::default();
    if !dead.is_empty() {
        told::note_death(db, now)?;
    }
    for instance in dead {
        // Somebody else may have settled it meanwhile.
        let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM instance WHERE id = ?1 AND name = ?2)")?;
        if !statement.query_row(params![instance.id, instance.name], |row| row.get::<_, bool>(0))? {
            continue;
        }
        recovered.unknown +=
            lose(db, &format!("{ATTEMPTING} AND owner = ?1"), [instance.id], now, "the process that was sending it ended before the answer")?;
        recovered.released += release(db, instance.id)?;
    }
    // Whatever names an owner that is not registered has none.
    recovered.unknown += lose(db, &format!("{ATTEMPTING} AND {ORPHANED}"), [], now, "the process that was sending it ended before the answer")?;
    let released = db.prepare_cached(&format!("UPDATE message SET owner = NULL WHERE {QUEUED} AND {ORPHANED}"))?.execute([])?;
    recovered.released += u32::try_from(released).unwrap_or(u32::MAX);
    if let Some(before) = stale_before {
        let sql = format!("{ATTEMPTING} AND owner = ?1 AND changed_ms < ?2");
        recovered.unknown += lose(db, &sql, params![own, before.as_millis()], now, "no outcome was recorded in time")?;
    }
    Ok(recovered)
}

/// Makes everything of these that has not left unknown, in a ledger that is older than what may have happened since. Returns how
/// many.
pub(super) fn put_back(db: &Connection, now: Timestamp, which: &str, why: &str) -> JobResult<u32> {
    db.execute(&format!("UPDATE message SET state = 2 WHERE state IN (0, 1) AND {which}"), [])?;
    lose(db, &format!("{ATTEMPTING} AND {which}"), [], now, why)
}

/// What a process does last: see [`crate::ledger::Ledger::close`].
pub(super) fn leave(db: &Connection, owner: i64) -> JobResult<()> {
    let now: i64 =
        db.query_row(&format!("SELECT coalesce(max(changed_ms), 0) FROM message WHERE {ATTEMPTING} AND owner = ?1"), [owner], |row| row.get(0))?;
    lose(db, &format!("{ATTEMPTING} AND owner = ?1"), [owner], Timestamp(now), "the server stopped before the answer")?;
    // What was not acknowledged is kept beside: the rest of it nobody tells again.
    db.execute("UPDATE reply SET owner = NULL WHERE owner = ?1", [owner])?;
    release(db, owner)?;
    Ok(())
}

/// See [`crate::ledger::Ledger::accept_clock`].
pub(super) fn accept_clock(db: &Connection) -> JobResult<()> {
    db.execute("UPDATE pace SET until_us = 0, latest_us = 0", [])?;
    Ok(())
}

/// See [`crate::ledger::Ledger::unfreeze`].
pub(super) fn unfreeze(db: &Connection, key: &str) -> JobResult<bool> {
    let changed = db.execute(
        "UPDATE budget SET limit_micros = max(limit_micros, held_micros + spent_micros), limit_messages = max(limit_messages, messages), frozen = 0,
                frozen_by = NULL, frozen_held = NULL, frozen_charged = NULL
         WHERE key = ?1 AND frozen",
        [key],
    )?;
    Ok(changed > 0)
}

/// See [`crate::ledger::Ledger::hand_on`]. Returns whether it was this instance's to hand on. An id that a report gave it
/// was the other provider's.
pub(super) fn hand_on(db: &Connection, owner: i64, id: &MessageId, provider: &str) -> JobResult<bool> {
    let changed = db
        .prepare_cached(
            "UPDATE message SET why = CASE WHEN provider = ?3 THEN why ELSE coalesce(why, 'first tried with ' || provider) END, provider = ?3,
                    vendor_id = NULL, look_ms = NULL
             WHERE id = ?1 AND state = 2 AND owner = ?2",
        )?
        .execute(params![id.as_str(), owner, provider])?;
    Ok(changed == 1)
}

/// See [`crate::ledger::Ledger::key`].
pub(super) fn key(db: &Connection, name: &str, fresh: [u8; 32]) -> JobResult<[u8; 32]> {
    db.prepare_cached("INSERT INTO key (name, bytes) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING")?.execute(params![name, fresh])?;
    db.prepare_cached("SELECT bytes FROM key WHERE name = ?1")?.query_row([name], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ledger::sqlite::MIGRATIONS;
    use crate::ledger::sqlite::reserve::IN_DOUBT;

    #[test]
    fn what_is_still_to_be_done_is_found_without_reading_what_is_done() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| db.execute_batch(migration).unwrap());
        let by_index = [
            (format!("SELECT text FROM message WHERE {QUEUED} ORDER BY seq LIMIT 1"), "message_open (state=?)"),
            (format!("SELECT text FROM message WHERE {ATTEMPTING} AND owner = 1"), "message_open (state=?)"),
            (format!("SELECT text FROM message WHERE {QUEUED_OR_ATTEMPTING}"), "message_open (state=?)"),
            ("SELECT text FROM message WHERE state = 1 AND provider = ?1 ORDER BY seq".to_owned(), "message_queued (provider=?)"),
            ("SELECT text FROM message WHERE state = 9 AND provider = ?1 ORDER BY seq".to_owned(), "message_unknown (provider=?)"),
            (format!("SELECT text FROM message WHERE {}", IN_DOUBT.replace("?2", "?1")), "message_doubt (recipient=? AND principal=?)"),
        ];
        for (sql, index) in by_index {
            let plan: Vec<String> = db
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .and_then(|mut statement| {
                    statement.query_map(rusqlite::params_from_iter(sql.contains('?').then_some("x")), |row| row.get(3))?.collect()
                })
                .unwrap();
            assert!(plan.iter().any(|line| line.ends_with(index)) && plan.len() == 1, "{sql}: {plan:?}");
        }
    }
}
