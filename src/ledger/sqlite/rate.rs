//! How many requests each provider was sent, in rows that all processes share. What that leaves room for
//! stands in [`crate::ledger::rules::window`].

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use crate::clock::Timestamp;
use crate::ledger::Pacing;
use crate::ledger::rules::window::{MINUTE_SLOTS, Rate, SKEW_SLOTS, day, second};

/// Looks at the counts; at nothing where there is no limit.
pub(super) fn read(db: &Connection, provider: &str, now: Timestamp, pacing: Pacing) -> JobResult<Rate> {
    if !pacing.is_limited() {
        return Ok(Rate::ENDLESS);
    }
    let slots = slots(db, provider, second(now))?;
    let today = if pacing.per_day.is_some() {
        db.prepare_cached("SELECT count FROM rate WHERE provider = ?1 AND slot = ?2")?
            .query_row(params![provider, -day(now)], |row| row.get::<_, i64>(0))
            .optional()?
    } else {
        None
    };
    Ok(Rate::of(&slots, today.unwrap_or(0), now, pacing))
}

/// The counts of the current minute by second, oldest first.
fn slots(db: &Connection, provider: &str, this: i64) -> JobResult<Vec<(i64, i64)>> {
    let mut statement =
        db.prepare_cached("SELECT slot, count FROM rate WHERE provider = ?1 AND slot >= ?2 ORDER BY slot")?;
    let rows = statement
        .query_map(params![provider, (this - MINUTE_SLOTS).max(0)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let counted: Vec<(i64, i64)> = rows.collect::<rusqlite::Result<_>>()?;
    let (near, ahead): (Vec<_>, Vec<_>) =
        counted.into_iter().partition(|(slot, _)| *slot <= this + SKEW_SLOTS);
    if ahead.is_empty() {
        return Ok(near);
    }
    // The clock was set back. What was sent by the old time counts as sent now: it blocks for a minute and no
    // longer.
    db.prepare_cached("DELETE FROM rate WHERE provider = ?1 AND slot > ?2")?
        .execute(params![provider, this + SKEW_SLOTS])?;
    add(db, provider, this, ahead.iter().map(|(_, count)| count).sum())?;
    slots(db, provider, this)
}

fn add(db: &Connection, provider: &str, slot: i64, count: i64) -> JobResult<()> {
    db.prepare_cached(
        "INSERT INTO rate (provider, slot, count) VALUES (?1, ?2, ?3) ON CONFLICT (provider, slot) DO \
         UPDATE SET count = count + excluded.count",
    )?
    .execute(params![provider, slot, count])?;
    Ok(())
}

/// See [`crate::ledger::facets::Queue::admit`].
pub(super) fn admit(
    db: &Connection,
    provider: &str,
    now: Timestamp,
    pacing: Pacing,
    requests: u32,
) -> JobResult<bool> {
    let has_room = read(db, provider, now, pacing)?.room() >= requests;
    if has_room {
        count(db, provider, now, requests)?;
    }
    Ok(has_room)
}

/// Counts requests that are about to be made, and forgets the counts that no window reaches any more.
pub(super) fn count(db: &Connection, provider: &str, now: Timestamp, requests: u32) -> JobResult<()> {
    count_in(db, provider, (second(now), day(now)), requests.into())
}

fn count_in(db: &Connection, provider: &str, (this, today): (i64, i64), requests: i64) -> JobResult<()> {
    add(db, provider, this, requests)?;
    add(db, provider, -today, requests)?;
    let mut forget = db.prepare_cached("DELETE FROM rate WHERE provider = ?1 AND slot > ?2 AND slot < ?3")?;
    forget.execute(params![provider, -1, this - MINUTE_SLOTS])?;
    // Yesterday's stays: the clock may be set back over midnight.
    forget.execute(params![provider, 1 - today, 0])?;
    Ok(())
}

/// What the jobs of one transaction count, by provider, second and day: written once.
#[derive(Default)]
pub(super) struct Counts(BTreeMap<(String, i64, i64), i64>);

impl Counts {
    /// As [`count`], in what is reckoned here.
    pub(super) fn add(&mut self, provider: &str, now: Timestamp, requests: u32) {
        let count = self.0.entry((provider.to_owned(), second(now), day(now))).or_default();
        *count = count.saturating_add(requests.into());
    }

    /// Whether anything is reckoned that is not written.
    pub(super) fn has_changes(&self) -> bool {
        !self.0.is_empty()
    }

    /// Writes what was reckoned, and forgets it all.
    pub(super) fn write(&mut self, db: &Connection) -> JobResult<()> {
        let counts = std::mem::take(&mut self.0).into_iter();
        counts.into_iter().try_for_each(|((provider, second, day), requests)| {
            count_in(db, &provider, (second, day), requests)
        })
    }
}
