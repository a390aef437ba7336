//! The segments of messages that went out as several requests of their own: what became of each, and what the
//! provider says of each later. Such a message is found by the ids of its segments alone, and the worst of
//! them says where it stands: it is delivered when all of them are, and failed when one is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::early::{Early, take_early};
use super::group::Group;
use super::job::JobResult;
use super::states::{IS_UNKNOWN, sql};
use super::transition::{OPEN_COLUMNS, Open, Step, apply, open_from};
use crate::clock::Timestamp;
use crate::ledger::rules::posting::whole;
use crate::ledger::{Report, Segment};
use crate::sms::message::{MessageId, State};

/// A message that has the id of a report, or one of its segments has.
pub(super) struct Named {
    pub(super) open: Open,
    pub(super) id: MessageId,
    /// The segments that have it; none where the whole message has.
    pub(super) segments: Vec<u32>,
    pub(super) changed_ms: i64,
}

/// Reads what [`OPEN_COLUMNS`], `id` and `changed_ms` yield.
pub(super) fn named_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Named> {
    Ok(Named {
        open: open_from(row)?,
        id: MessageId::from_text(row.get::<_, String>("id")?),
        segments: Vec::new(),
        changed_ms: row.get("changed_ms")?,
    })
}

/// Writes what became of a message's segments. What is on record and certain stays. Returns those that were
/// written: another report may have been faster, with another id.
pub(super) fn write<'a>(
    db: &Connection,
    open: &Open,
    segments: &'a [Segment],
) -> JobResult<Vec<&'a Segment>> {
    let mut written = Vec::with_capacity(segments.len());
    let mut add = db.prepare_cached(sql!(
        "INSERT INTO segment (message, number, provider, vendor_id, state, at_ms, why) VALUES (?1, ?2, ?3, \
         ?4, ?5, ?6, ?7)
         ON CONFLICT (message, number) DO UPDATE SET state = excluded.state, at_ms = excluded.at_ms, why = \
         excluded.why,
                     vendor_id = coalesce(vendor_id, excluded.vendor_id)
         WHERE {} AND NOT {}",
        IS_UNKNOWN.of("segment."),
        IS_UNKNOWN.of("excluded.")
    ))?;
    for segment in segments {
        let Segment { number, state, vendor_id, at, why } = segment;
        let count = add.execute(params![
            open.seq,
            number,
            open.provider,
            vendor_id,
            state.number(),
            at.as_millis(),
            why
        ])?;
        if count > 0 {
            written.push(segment);
        }
    }
    let first = segments.iter().find_map(|segment| segment.vendor_id.as_deref());
    db.prepare_cached("UPDATE message SET parted = 1, vendor_id = coalesce(vendor_id, ?2) WHERE seq = ?1")?
        .execute(params![open.seq, first])?;
    Ok(written)
}

/// Applies the receipts that came before the segments' ids were known. Some carriers give all segments of a
/// message one id. Returns whether there were any.
pub(super) fn apply_early(group: &mut Group<'_>, open: &mut Open, segments: &[&Segment]) -> JobResult<bool> {
    let mut has_moved = false;
    let mut taken: HashMap<&str, Vec<Early>> = HashMap::new();
    for segment in segments {
        let Some(vendor_id) = segment.vendor_id.as_deref() else { continue };
        let told = match taken.entry(vendor_id) {
            Entry::Occupied(taken) => taken.into_mut(),
            Entry::Vacant(place) => place.insert(take_early(group.beside(), open, vendor_id)?),
        };
        for Early { state, at, why, .. } in told {
            has_moved |=
                advance(group.beside(), open.seq, segment.number, &Step::new(*state, *at, why.as_deref()))?;
        }
    }
    if has_moved {
        follow(group, open)?;
    }
    Ok(has_moved)
}

/// The messages of which a segment has a report's id.
pub(super) fn named(db: &Connection, report: &Report) -> JobResult<Vec<Named>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {OPEN_COLUMNS}, id, changed_ms, segment FROM message
         JOIN (SELECT message, number AS segment FROM segment WHERE vendor_id = ?1 AND provider = ?2) ON \
         message = seq
         WHERE ?3 IS NULL OR recipient = ?3 ORDER BY seq, segment"
    ))?;
    let rows = statement.query_map(params![report.vendor_id, report.provider, report.to], |row| {
        Ok((named_from(row)?, row.get("segment")?))
    })?;
    let mut all: Vec<Named> = Vec::new();
    for row in rows {
        let (mut named, number) = row?;
        match all.last_mut().filter(|last| last.open.seq == named.open.seq) {
            Some(last) => last.segments.push(number),
            None => {
                named.segments.push(number);
                all.push(named);
            }
        }
    }
    Ok(all)
}

/// Applies a report to segments of a message. Nothing where it moved none of them; else whether the message
/// moved too.
pub(super) fn record(
    group: &mut Group<'_>,
    open: &mut Open,
    numbers: &[u32],
    told: &Step<'_>,
) -> JobResult<Option<bool>> {
    let mut has_moved = false;
    for number in numbers {
        has_moved |= advance(group.beside(), open.seq, *number, told)?;
    }
    if has_moved { follow(group, open).map(Some) } else { Ok(None) }
}

/// Moves one segment, if it may go there. Returns whether it did.
fn advance(db: &Connection, message: i64, number: u32, told: &Step<'_>) -> JobResult<bool> {
    let mut statement = db.prepare_cached("SELECT state FROM segment WHERE message = ?1 AND number = ?2")?;
    let state: u8 = statement.query_row(params![message, number], |row| row.get(0))?;
    if !State::from_number(state).is_some_and(|state| state.may_become(told.next)) {
        return Ok(false);
    }
    let mut update = db.prepare_cached(
        "UPDATE segment SET state = ?3, at_ms = ?4, why = coalesce(?5, why) \
        WHERE message = ?1 AND number = ?2",
    )?;
    update.execute(params![message, number, told.next.number(), told.at.as_millis(), told.why])?;
    Ok(true)
}

/// Moves a message to where its segments say that it stands. Returns whether it moved.
fn follow(group: &mut Group<'_>, open: &mut Open) -> JobResult<bool> {
    let segments = of_message(group.beside(), open.seq)?;
    let states: Vec<State> = segments.iter().map(|segment| segment.state).collect();
    let Some(next) = whole(&states) else { return Ok(false) };
    let mut there = segments.iter().filter(|segment| segment.state == next);
    if next == State::Delivered {
        let last = there.map(|segment| segment.at).max().unwrap_or(Timestamp(0));
        return apply(group, open, &Step::new(next, last, None));
    }
    let Some(Segment { number, at, why, .. }) = there.next() else { return Ok(false) };
    let words = format!(
        "segment {number} of {}: {}",
        segments.len(),
        why.as_deref().unwrap_or("it did not reach the phone")
    );
    apply(group, open, &Step::new(next, *at, Some(&words)))
}

/// All of one message, in their order.
pub(super) fn of_message(db: &Connection, message: i64) -> rusqlite::Result<Vec<Segment>> {
    let mut statement = db.prepare_cached(
        "SELECT number, state, vendor_id, at_ms, why FROM segment WHERE message = ?1 ORDER BY number",
    )?;
    let rows = statement.query_map([message], |row| {
        Ok(Segment {
            number: row.get(0)?,
            state: State::from_number(row.get(1)?).unwrap_or(State::Unknown),
            vendor_id: row.get(2)?,
            at: Timestamp(row.get(3)?),
            why: row.get(4)?,
        })
    })?;
    rows.collect()
}

/// See [`crate::ledger::facets::Views::segments`].
pub(super) fn segments(db: &Connection, principal: &str, id: &MessageId) -> rusqlite::Result<Vec<Segment>> {
    let mut statement = db.prepare_cached("SELECT seq FROM message WHERE id = ?1 AND principal = ?2")?;
    let message: Option<i64> = statement.query_row([id.as_str(), principal], |row| row.get(0)).optional()?;
    message.map_or_else(|| Ok(Vec::new()), |message| of_message(db, message))
}
