//! What happens to a message after it was taken: claimed, settled, reported on, or left behind by a process that died.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::instance::Registered;
use super::query::{COLUMNS, record_from};
use super::reserve::{BUDGET_COLUMNS, Pace, budget_from, step};
use super::writer::JobResult;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::sms::facts::Budget;
use crate::sms::message::{MessageId, State};
use crate::store::{Claim, Claimed, Record, Recovered, Report, Settlement};

/// Receipts for ids that never become known are forgotten after this long.
const EARLY_RECEIPT_MS: i64 = 3 * 24 * 3_600_000;

/// Most messages that one transaction expires: so many of the oldest are looked at, and not the whole queue.
const EXPIRE_AT_ONCE: i64 = 500;

/// What settling has to know of a message.
struct Open {
    seq: i64,
    state: State,
    held_micros: i64,
    budgets: String,
    provider: String,
}

const OPEN_COLUMNS: &str = "seq, state, held_micros, budgets, provider";

fn open_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Open> {
    Ok(Open {
        seq: row.get(0)?,
        state: State::from_number(row.get(1)?).unwrap_or(State::Unknown),
        held_micros: row.get(2)?,
        budgets: row.get(3)?,
        provider: row.get(4)?,
    })
}

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
    budget_ids(&open.budgets).map(|id| Ok(statement.query_row(params![id, release, charge, messages, is_over], budget_from)?.budget)).collect()
}

/// A step that a message is asked to take.
struct Step<'a> {
    next: State,
    at: Timestamp,
    why: Option<&'a str>,
    code: Option<ErrorKind>,
    price_micros: Option<i64>,
    vendor_id: Option<&'a str>,
    segments: Option<u32>,
}

impl<'a> Step<'a> {
    fn new(next: State, at: Timestamp, why: Option<&'a str>) -> Self {
        Self { next, at, why, code: None, price_micros: None, vendor_id: None, segments: None }
    }
}

/// Moves a message to its next state, if it may go there: the state, the history and the money. Returns how the
/// money moved.
fn advance(db: &Connection, open: &mut Open, asked: &Step<'_>) -> JobResult<Option<Posting>> {
    let &Step { next, at, why, code, price_micros, vendor_id, segments } = asked;
    if !open.state.may_become(next) {
        return Ok(None);
    }
    let posting = posting(open, next, price_micros);
    let charged = match posting {
        Posting::Charge(price) => Some(price),
        Posting::Keep | Posting::Release => None,
    };
    let held = if posting == Posting::Keep { open.held_micros } else { 0 };
    db.prepare_cached(
        "UPDATE message SET state = ?2, changed_ms = ?3, held_micros = ?4, price_micros = coalesce(?5, price_micros), why = coalesce(?6, why),
                owner = NULL, history = history || ',' || ?7, code = coalesce(?8, code), vendor_id = coalesce(?9, vendor_id),
                segments = coalesce(?10, segments), text = CASE WHEN keep_text THEN text END
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
        segments
    ])?;
    open.state = next;
    Ok(Some(posting))
}

/// Moves a message, and its money in every budget that holds it.
fn advance_and_post(db: &Connection, open: &mut Open, asked: &Step<'_>) -> JobResult<Option<Vec<Budget>>> {
    let Some(posting) = advance(db, open, asked)? else { return Ok(None) };
    let budgets = post(db, open, posting)?;
    if posting != Posting::Keep {
        open.held_micros = 0;
    }
    Ok(Some(budgets))
}

/// See [`crate::store::Store::settle`].
pub(super) fn settle(db: &Connection, id: &MessageId, settlement: &Settlement) -> JobResult<Vec<Budget>> {
    let found = db.prepare_cached(&format!("SELECT {OPEN_COLUMNS} FROM message WHERE id = ?1"))?.query_row([id.as_str()], open_from).optional()?;
    let Some(mut open) = found else { return Ok(Vec::new()) };
    let asked = Step {
        code: settlement.code,
        price_micros: settlement.price_micros,
        vendor_id: settlement.vendor_id.as_deref(),
        segments: settlement.segments,
        ..Step::new(settlement.state, settlement.at, settlement.why.as_deref())
    };
    let Some(budgets) = advance_and_post(db, &mut open, &asked)? else {
        return post(db, &open, Posting::Keep);
    };
    if settlement.free_key {
        db.prepare_cached("DELETE FROM idempotency WHERE target = ?1")?.execute([id.as_str()])?;
    }
    if let Some(vendor_id) = &settlement.vendor_id {
        for (state, at, why) in early_receipts(db, vendor_id, &open.provider)? {
            // What was sent is paid for: a receipt moves no more money.
            advance(db, &mut open, &Step::new(state, at, why.as_deref()))?;
        }
    }
    Ok(budgets)
}

type Early = (State, Timestamp, Option<String>);

/// Takes the receipts that came before their message's id was known, in the order of states.
fn early_receipts(db: &Connection, vendor_id: &str, provider: &str) -> JobResult<Vec<Early>> {
    let mut statement = db.prepare_cached("SELECT state, at_ms, why FROM early_receipt WHERE vendor_id = ?1 AND provider = ?2 ORDER BY state")?;
    let rows = statement.query_map(params![vendor_id, provider], |row| {
        Ok((State::from_number(row.get(0)?).unwrap_or(State::Unknown), Timestamp(row.get(1)?), row.get(2)?))
    })?;
    let found: Vec<Early> = rows.collect::<rusqlite::Result<_>>()?;
    if !found.is_empty() {
        db.prepare_cached("DELETE FROM early_receipt WHERE vendor_id = ?1 AND provider = ?2")?.execute(params![vendor_id, provider])?;
    }
    Ok(found)
}

/// See [`crate::store::Store::record_receipt`].
pub(super) fn record_receipt(db: &Connection, report: &Report, now: Timestamp) -> JobResult<Vec<MessageId>> {
    let found = db
        .prepare_cached(&format!("SELECT {OPEN_COLUMNS}, id FROM message WHERE vendor_id = ?1 AND provider = ?2"))?
        .query_row(params![report.vendor_id, report.provider], |row| Ok((open_from(row)?, row.get::<_, String>(5)?)))
        .optional()?;
    let Some((mut open, id)) = found else {
        db.prepare_cached("DELETE FROM early_receipt WHERE received_ms < ?1")?.execute([now.plus_ms(-EARLY_RECEIPT_MS).as_millis()])?;
        db.prepare_cached(
            "INSERT OR IGNORE INTO early_receipt (vendor_id, provider, state, at_ms, why, received_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![report.vendor_id, report.provider, report.state.number(), report.at.as_millis(), report.why, now.as_millis()])?;
        return Ok(Vec::new());
    };
    let asked = Step::new(report.state, report.at, report.why.as_deref());
    Ok(match advance(db, &mut open, &asked)? {
        None => Vec::new(),
        Some(posting) => {
            if posting != Posting::Keep {
                post(db, &open, posting)?;
            }
            vec![MessageId::from_text(id)]
        }
    })
}

/// See [`crate::store::Store::claim`].
pub(super) fn claim(db: &Connection, owner: i64, claim: &Claim) -> JobResult<Claimed> {
    const MINE: &str = "state = 1 AND (owner = ?1 OR (owner IS NULL AND ?2))";
    // What a frozen budget pays for waits until a person looked.
    const MAY_GO: &str =
        "provider = ?4 AND NOT EXISTS (SELECT 1 FROM budget f WHERE f.frozen AND instr(',' || message.budgets || ',', ',' || f.id || ',') > 0)";
    let too_old = claim.now.plus_ms(-claim.max_age_ms).as_millis();
    let mut statement = db.prepare_cached(&format!(
        "SELECT {OPEN_COLUMNS} FROM (SELECT {OPEN_COLUMNS}, created_ms FROM message WHERE {MINE} ORDER BY seq LIMIT ?4) WHERE created_ms < ?3"
    ))?;
    let expired: Vec<Open> =
        statement.query_map(params![owner, claim.adopt, too_old, EXPIRE_AT_ONCE], open_from)?.collect::<rusqlite::Result<_>>()?;
    for mut open in expired {
        advance_and_post(db, &mut open, &Step::new(State::Expired, claim.now, Some("it waited too long to be sent")))?;
    }
    let mut pace = Pace::read(db, claim.now, claim.per_second)?;
    let room = pace.room().min(claim.limit);
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE {MINE} AND {MAY_GO} ORDER BY seq LIMIT ?3"))?;
    let messages: Vec<Record> =
        statement.query_map(params![owner, claim.adopt, room.max(1), claim.provider], record_from)?.collect::<rusqlite::Result<_>>()?;
    if messages.is_empty() {
        return Ok(Claimed::default());
    }
    if room == 0 {
        return Ok(Claimed { messages: Vec::new(), wait_ms: Some(pace.bulk_wait_ms().max(1)) });
    }
    pace.take(db, u32::try_from(messages.len()).unwrap_or(u32::MAX))?;
    let mut update = db.prepare_cached("UPDATE message SET state = 2, owner = ?2, changed_ms = ?3, history = history || ',' || ?4 WHERE seq = ?1")?;
    let attempting = step(State::Attempting, claim.now, None);
    for message in &messages {
        update.execute(params![message.sequence, owner, claim.now.as_millis(), attempting])?;
    }
    Ok(Claimed { messages, wait_ms: None })
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
    let released = db.prepare_cached("UPDATE message SET owner = NULL WHERE state = 1 AND owner = ?1")?.execute([owner])?;
    db.prepare_cached("DELETE FROM instance WHERE id = ?1")?.execute([owner])?;
    Ok(u32::try_from(released).unwrap_or(u32::MAX))
}

const ORPHANED: &str = "owner IS NOT NULL AND owner NOT IN (SELECT id FROM instance)";

/// Whether there is work of an owner that is not registered.
pub(super) fn has_orphans(db: &Connection) -> rusqlite::Result<bool> {
    db.prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM message WHERE state IN (1, 2) AND {ORPHANED})"))?.query_row([], |row| row.get(0))
}

/// See [`crate::store::Store::cancel`].
pub(super) fn cancel(db: &Connection, principal: &str, batch: &str, now: Timestamp) -> JobResult<u32> {
    let sql = format!(
        "SELECT {OPEN_COLUMNS} FROM message WHERE batch = (SELECT seq FROM batch WHERE id = ?1 AND principal = ?2) AND state IN (0, 1) ORDER BY seq"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let queued: Vec<Open> = statement.query_map([batch, principal], open_from)?.collect::<rusqlite::Result<_>>()?;
    let mut count = 0;
    for mut open in queued {
        count += u32::from(advance_and_post(db, &mut open, &Step::new(State::Canceled, now, Some("canceled by the operator")))?.is_some());
    }
    Ok(count)
}

/// See [`crate::store::Store::recover`].
pub(super) fn recover(db: &Connection, own: i64, dead: &[Registered], now: Timestamp, stale_before: Option<Timestamp>) -> JobResult<Recovered> {
    let mut recovered = Recovered::default();
    for instance in dead {
        // Somebody else may have settled it meanwhile.
        let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM instance WHERE id = ?1 AND name = ?2)")?;
        if !statement.query_row(params![instance.id, instance.name], |row| row.get::<_, bool>(0))? {
            continue;
        }
        recovered.unknown += lose(db, "state = 2 AND owner = ?1", [instance.id], now, "the process that was sending it ended before the answer")?;
        recovered.released += release(db, instance.id)?;
    }
    // Whatever names an owner that is not registered has none.
    recovered.unknown += lose(db, &format!("state = 2 AND {ORPHANED}"), [], now, "the process that was sending it ended before the answer")?;
    let released = db.prepare_cached(&format!("UPDATE message SET owner = NULL WHERE state = 1 AND {ORPHANED}"))?.execute([])?;
    recovered.released += u32::try_from(released).unwrap_or(u32::MAX);
    if let Some(before) = stale_before {
        let sql = "state = 2 AND owner = ?1 AND changed_ms < ?2";
        recovered.unknown += lose(db, sql, params![own, before.as_millis()], now, "no outcome was recorded in time")?;
    }
    Ok(recovered)
}

/// What a process does last: see [`crate::store::Store::close`].
pub(super) fn leave(db: &Connection, owner: i64) -> JobResult<()> {
    let now: i64 = db.query_row("SELECT coalesce(max(changed_ms), 0) FROM message WHERE state = 2 AND owner = ?1", [owner], |row| row.get(0))?;
    lose(db, "state = 2 AND owner = ?1", [owner], Timestamp(now), "the server stopped before the answer")?;
    release(db, owner)?;
    Ok(())
}

/// See [`crate::store::Store::accept_clock`].
pub(super) fn accept_clock(db: &Connection) -> JobResult<()> {
    db.execute("UPDATE pace SET until_us = 0, latest_us = 0", [])?;
    Ok(())
}

/// See [`crate::store::Store::unfreeze`].
pub(super) fn unfreeze(db: &Connection, key: &str) -> JobResult<bool> {
    let changed = db.execute(
        "UPDATE budget SET limit_micros = max(limit_micros, held_micros + spent_micros), limit_messages = max(limit_messages, messages), frozen = 0
         WHERE key = ?1 AND frozen",
        [key],
    )?;
    Ok(changed > 0)
}
