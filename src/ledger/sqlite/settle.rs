//! How the attempt at a message ends, and what takes it back or hands it on before.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::early;
use super::group::Group;
use super::job::JobResult;
use super::states::{IS_ATTEMPTING, WAITS, sql};
use super::transition::{OPEN_COLUMNS, Open, Step, advance_and_post, correct, open_from, post};
use super::{request, segment};
use crate::clock::Timestamp;
use crate::ledger::Settlement;
use crate::ledger::rules::posting::{self, Posting};
use crate::sms::facts::Budget;
use crate::sms::message::{MessageId, State};

/// See [`crate::ledger::facets::Intents::settle`].
pub(super) fn settle(
    group: &mut Group<'_>,
    id: &MessageId,
    settlement: &Settlement,
) -> JobResult<Vec<Budget>> {
    let db = group.beside();
    let mut statement = db.prepare_cached(sql!(
        "SELECT {OPEN_COLUMNS}, EXISTS (SELECT 1 FROM early_receipt e WHERE e.vendor_id = ?2 AND e.provider \
         = message.provider) AS has_early
         FROM message WHERE id = ?1"
    ))?;
    let found = statement
        .query_row(params![id.as_str(), settlement.vendor_id], |row| {
            Ok((open_from(row)?, row.get("has_early")?))
        })
        .optional()?;
    let Some((mut open, has_early)) = found else { return Ok(Vec::new()) };
    // Nobody can say that it was not sent while it is on its way once more.
    let is_no_word = (open.state, settlement.state) == (State::Unknown, State::Rejected);
    if is_no_word && request::under_way(db, id, settlement.at)?.is_some() {
        return Ok(Vec::new());
    }
    let is_part = settlement.state == State::Failed && settlement.price_micros.is_none();
    let share = if is_part { posting::share(&settlement.parts, open.held_micros) } else { None };
    let asked = Step {
        code: settlement.code,
        price_micros: settlement.price_micros,
        share_micros: share,
        vendor_id: settlement.vendor_id.as_deref(),
        segments: settlement.segments,
        look_at: settlement.look_at,
        ..Step::new(settlement.state, settlement.at, settlement.why.as_deref())
    };
    let moved = advance_and_post(group, &mut open, &asked)?;
    match moved {
        // A report was faster than the answer; only the answer may name the price.
        None => correct(group, &mut open, settlement.price_micros)?,
        Some(_) if settlement.free_key => {
            db.prepare_cached("DELETE FROM idempotency WHERE target = ?1")?.execute([id.as_str()])?;
        }
        Some(_) => {}
    }
    let moved_on = if !settlement.parts.is_empty() {
        let written = segment::write(db, &open, &settlement.parts)?;
        segment::apply_early(group, &mut open, &written)?
    } else if let (Some(vendor_id), Some(_), false, true) =
        (&settlement.vendor_id, &moved, open.is_parted, has_early)
    {
        early::apply_early(group, &mut open, vendor_id)?
    } else {
        false
    };
    match moved {
        Some(budgets) if !moved_on => Ok(budgets),
        _ => post(group, &open, Posting::Keep),
    }
}

/// What is said of a message that was taken back.
pub(super) const CANCELED: &str = "taken back before it left";

/// See [`crate::ledger::facets::Intents::cancel`].
pub(super) fn cancel(db: &Connection, principal: &str, batch: &str, now: Timestamp) -> JobResult<u32> {
    let mut statement = db.prepare_cached(sql!(
        "SELECT {OPEN_COLUMNS} FROM message WHERE batch = (SELECT seq FROM batch WHERE id = ?1 AND \
         principal = ?2 AND accepting IS NULL) AND {WAITS} ORDER BY seq"
    ))?;
    let queued: Vec<Open> =
        statement.query_map([batch, principal], open_from)?.collect::<rusqlite::Result<_>>()?;
    db.prepare_cached(
        "UPDATE batch SET canceled_ms = ?3 WHERE id = ?1 AND principal = ?2 AND accepting IS NULL AND canceled_ms IS \
         NULL",
    )?
    .execute(params![batch, principal, now.as_millis()])?;
    let canceled = Step::new(State::Canceled, now, Some(CANCELED));
    Group::over(db, |group| {
        let mut count = 0;
        for mut open in queued {
            count += u32::from(advance_and_post(group, &mut open, &canceled)?.is_some());
        }
        Ok(count)
    })
}

/// See [`crate::ledger::facets::Intents::hand_on`]. Returns whether it was this instance's to hand on. An id
/// that a report gave it was the other provider's.
pub(super) fn hand_on(db: &Connection, owner: i64, id: &MessageId, provider: &str) -> JobResult<bool> {
    let changed = db
        .prepare_cached(sql!(
            "UPDATE message SET why = CASE WHEN provider = ?3 THEN why ELSE coalesce(why, 'first tried with \
             ' || provider) END, provider = ?3,
                    vendor_id = NULL, look_ms = NULL
             WHERE id = ?1 AND {IS_ATTEMPTING} AND owner = ?2"
        ))?
        .execute(params![id.as_str(), owner, provider])?;
    request::forget(db, id)?;
    Ok(changed == 1)
}
