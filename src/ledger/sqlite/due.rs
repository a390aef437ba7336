//! What waits for its time: when that has come the policy is asked once more, with the facts of this moment,
//! and the message goes to the queue or to its end.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::budget::{BUDGET_COLUMNS, Row, budget_from, look};
use super::consent::{latest_if_needed, waits_for_consent};
use super::facts::{counted, wrote_ago};
use super::group::Group;
use super::job::JobResult;
use super::mark::Mark;
use super::opt_out::is_out;
use super::pending::{is_objection_pending, is_pending};
use super::queue::is_kept;
use super::row::{COLUMNS, record_from};
use super::settle::CANCELED;
use super::states::{IS_ACCEPTED, IS_QUEUED, IS_SCHEDULED, WAITS, sql};
use super::transition::{OPEN_COLUMNS, Open, Step, advance_and_post, open_from};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::ledger::rules::history::step;
use crate::ledger::rules::path::part_of_day;
use crate::ledger::rules::posting::Moves;
use crate::ledger::{Due, Recheck, Record, Released};
use crate::sms::facts::{Budget, BudgetKey, Facts, Scope};
use crate::sms::message::{MessageId, Realm, State};
use crate::sms::peer::Peer;
use crate::sms::purpose::Purpose;
use crate::sms::verdict::Verdict;

/// The shortest wait where the policy says "later" once more, in milliseconds.
const SOONEST_MS: i64 = 60_000;

/// How many are looked through where lists of another process keep some of them back.
const LOOK_THROUGH_LISTS: u32 = 5_000;

/// Nothing that a frozen budget pays for.
const NO_BUDGET_IS_FROZEN: &str = "NOT EXISTS (SELECT 1 FROM budget f WHERE f.frozen AND instr(',' || \
    message.budgets || ',', ',' || f.id || ',') > 0)";

/// What is due at a provider: nothing of who is paused, and nothing that a frozen budget pays for.
fn is_due() -> String {
    format!(
        "{IS_SCHEDULED} AND {IS_ACCEPTED} AND provider = ?1 AND due_ms <= ?2 AND sandbox = ?3 AND principal \
     NOT IN (SELECT value FROM json_each(?4)) AND {NO_BUDGET_IS_FROZEN}"
    )
}

/// The principals of whom nothing is taken, as [`is_due`] reads them.
fn without(due: &Due) -> String {
    serde_json::json!(due.without).to_string()
}

/// Whether anything is due.
pub(super) fn has_due(db: &Connection, due: &Due) -> rusqlite::Result<bool> {
    db.prepare_cached(sql!("SELECT EXISTS (SELECT 1 FROM message WHERE {})", is_due()))?
        .query_row(params![due.provider, due.now.as_millis(), due.realm.is_sandbox(), without(due)], |row| {
            row.get(0)
        })
}

/// How many of those that were let go wait in the queue of a provider, as far as that is asked, and could leave:
/// what stands still there keeps nothing else back.
fn queued(db: &Connection, due: &Due) -> rusqlite::Result<u32> {
    db.prepare_cached(sql!(
        "SELECT count(*) FROM (SELECT 1 FROM message INDEXED BY message_queued WHERE {IS_QUEUED} AND provider = ?1 \
         AND due_ms IS NOT NULL AND rests_ms IS NULL AND sandbox = ?3 AND principal NOT IN (SELECT value FROM \
         json_each(?4)) AND {NO_BUDGET_IS_FROZEN} LIMIT ?2)"
    ))?
    .query_row(params![due.provider, due.most_queued, due.realm.is_sandbox(), without(due)], |row| row.get(0))
}

/// Ends what is past its time, whether or not there is room in the queue.
fn expire_late(db: &Connection, due: &Due) -> JobResult<Vec<MessageId>> {
    let mut statement = db.prepare_cached(sql!(
        "SELECT {COLUMNS} FROM message WHERE {} AND coalesce(deliver_by_ms, due_ms + ?6) < ?2 ORDER BY due_ms, seq \
         LIMIT ?5",
        is_due()
    ))?;
    let late: Vec<Record> = statement
        .query_map(
            params![
                due.provider,
                due.now.as_millis(),
                due.realm.is_sandbox(),
                without(due),
                due.limit,
                due.max_age_ms
            ],
            record_from,
        )?
        .collect::<rusqlite::Result<_>>()?;
    for record in &late {
        end(db, record, &Step::new(State::Expired, due.now, Some(TOO_LATE)))?;
    }
    Ok(late.into_iter().map(|record| record.id).collect())
}

/// See [`crate::ledger::facets::Queue::release_due`].
pub(super) fn release(
    db: &Connection,
    owner: i64,
    due: &Due,
    (peers, mark): (&Arc<[Peer]>, &Mark),
    recheck: &Recheck,
) -> JobResult<Released> {
    let ended = expire_late(db, due)?;
    let room = due.most_queued.saturating_sub(queued(db, due)?);
    let limit = due.limit.min(room);
    if limit == 0 {
        return Ok(Released { ended, has_more: true, ..Released::default() });
    }
    let has_lists = peers.iter().any(|peer| peer.rules.has_lists());
    let look_through = if has_lists { LOOK_THROUGH_LISTS } else { limit };
    let mut statement = db.prepare_cached(sql!(
        "SELECT {COLUMNS} FROM message WHERE {} ORDER BY due_ms, seq LIMIT ?5",
        is_due()
    ))?;
    let found: Vec<Record> = statement
        .query_map(
            params![due.provider, due.now.as_millis(), due.realm.is_sandbox(), without(due), look_through],
            record_from,
        )?
        .collect::<rusqlite::Result<_>>()?;
    let mut released = Released { ended, ..Released::default() };
    let mut looked = 0;
    for record in found {
        if looked >= limit {
            break;
        }
        let (asks, whose) = ((&*due.consent_for, &**peers), (&*record.to, record.purpose));
        if has_lists && (is_kept(&record, peers) || waits_for_consent(db, asks, whose, due.now)?) {
            continue;
        }
        looked += 1;
        let id = record.id.clone();
        let asked = Asked { db, due, peers, record: &record };
        match (Leaving { asked, owner, mark }).decide(recheck)? {
            Became::Queued => released.queued.push(id),
            Became::Ended => released.ended.push(id),
            Became::Later => released.later.push(id),
        }
    }
    released.has_more = looked >= limit;
    Ok(released)
}

/// What became of a message whose time had come.
enum Became {
    Queued,
    Ended,
    Later,
}

/// A message that may leave now, if the policy, which is asked once more, lets it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    db: &'a Connection,
    due: &'a Due,
    peers: &'a Arc<[Peer]>,
    record: &'a Record,
}

impl Asked<'_> {
    /// The budgets that hold its money.
    fn held(&self) -> JobResult<Vec<Row>> {
        let mut budgets = self.db.prepare_cached(sql!(
            "SELECT {BUDGET_COLUMNS} FROM budget WHERE id IN (SELECT j.value FROM message m, json_each('[' || \
             m.budgets || ']') j WHERE m.seq = ?1)
             ORDER BY scope, id"
        ))?;
        let budgets = budgets.query_map([self.record.sequence], budget_from)?;
        budgets.collect()
    }

    /// The budget of this day, which may hold its money.
    fn look(&self, held: &[Row], day: &str) -> JobResult<Day> {
        let Record { currency, principal, realm, .. } = self.record;
        let key = BudgetKey::day(currency, principal, day, *realm);
        let is_held_in = held.iter().any(|row| row.budget.key == key);
        let part = part_of_day(key, self.due.day, self.peers);
        Ok(Day { row: look(self.db, vec![part])?.pop(), is_held_in })
    }

    /// What is known about it now, as if it was not there itself: its own money is held already.
    fn facts(&self, held: &[Row], day: &Day) -> JobResult<Facts> {
        let Self { db, due, record, peers, .. } = *self;
        let is_opted_out = is_out(db, &record.to)?;
        let (recipient_last_hour, recipient_last_day) = counted(db, record, due.now)?;
        let wrote_ago_ms = match due.answers_of.contains(&record.purpose) {
            true => wrote_ago(db, &record.to, due.now)?,
            false => None,
        };
        let without = |budget: &Budget| Budget {
            held_micros: budget.held_micros - record.held_micros,
            messages: budget.messages - 1,
            ..budget.clone()
        };
        let shared =
            held.iter().map(|row| &row.budget).filter(|budget| budget.scope != Scope::Day).map(without);
        let of_day = |row: &Row| if day.is_held_in { without(&row.budget) } else { row.budget.clone() };
        Ok(Facts {
            budgets: day.row.iter().map(of_day).chain(shared).collect(),
            recipient_last_hour,
            recipient_last_day,
            is_opted_out,
            wrote_ago_ms,
            consent: latest_if_needed(db, (&due.consent_for, peers), (&record.to, record.purpose))?,
            is_stop_pending: !is_opted_out && is_pending(db, &record.to)?,
            is_objection_pending: record.purpose == Purpose::Marketing
                && is_objection_pending(db, &record.to)?,
            peers: Arc::clone(peers),
            ..Facts::default()
        })
    }
}

/// A message whose time has come.
struct Leaving<'a> {
    asked: Asked<'a>,
    owner: i64,
    mark: &'a Mark,
}

impl Leaving<'_> {
    fn decide(&self, recheck: &Recheck) -> JobResult<Became> {
        let Asked { due, record, .. } = self.asked;
        let now = due.now;
        let due_ms = record.schedule.at_ms.unwrap_or_else(|| now.as_millis());
        let by_ms = record.schedule.by_ms;
        if by_ms.unwrap_or_else(|| due_ms.saturating_add(due.max_age_ms)) < now.as_millis() {
            return self.expire(now);
        }
        let held = self.asked.held()?;
        let today = now.utc_day();
        let day = self.asked.look(&held, &today)?;
        match recheck(record, &self.asked.facts(&held, &day)?) {
            Ok(Verdict::Now) => self.queue(&held, day, None),
            Ok(Verdict::Until { by_ms }) => self.queue(&held, day, Some(by_ms)),
            Ok(Verdict::At { at_ms, .. }) if by_ms.is_some_and(|by| by < at_ms) => self.expire(now),
            Ok(Verdict::At { at_ms, .. }) => {
                let next_ms = at_ms.max(now.plus_ms(SOONEST_MS).as_millis());
                self.replan(&held, Timestamp(next_ms))
            }
            // States only move forward: whoever is to be asked is asked before anything has a time.
            Ok(Verdict::Ask { why, .. }) => {
                let why = format!("a person would have to say yes now: {why}");
                self.refuse(&Error::new(ErrorKind::NotSupported, why))
            }
            // A day that has no room for it is not the last one.
            Err(refused)
                if is_spent(refused.kind())
                    && !day.is_held_in
                    && by_ms.unwrap_or_else(|| due_ms.saturating_add(due.max_age_ms)) > now.as_millis() =>
            {
                self.wait(now.plus_ms(SOONEST_MS))
            }
            Err(refused) => self.refuse(&refused),
        }
    }

    /// Lets it go: its money is held in the budget of today from now on.
    fn queue(&self, held: &[Row], day: Day, until: Option<i64>) -> JobResult<Became> {
        let (Asked { db, due, record, .. }, owner) = (&self.asked, self.owner);
        self.move_to(held, day)?;
        let queued = step(State::Queued, due.now, None);
        db.prepare_cached(sql!(
            "UPDATE message SET {IS_QUEUED}, owner = ?2, changed_ms = ?3, due_ms = ?3, history = history || \
             ',' || ?4, deliver_by_ms = min(coalesce(deliver_by_ms, ?5), coalesce(?5, deliver_by_ms)) WHERE seq \
             = ?1"
        ))?
        .execute(params![record.sequence, owner, due.now.as_millis(), queued, until])?;
        Ok(Became::Queued)
    }

    /// Gives it another time: no day holds money of a message that leaves on another one.
    fn replan(&self, held: &[Row], at: Timestamp) -> JobResult<Became> {
        let day = self.asked.look(held, &at.utc_day())?;
        let has_room = |row: &Row| {
            let fits = Facts::default().fits(&row.budget, self.asked.record.held_micros);
            !row.budget.frozen && fits == (true, true)
        };
        let is_full = !day.is_held_in && !day.row.as_ref().is_some_and(has_room);
        // Where that one has no room either, it is asked for when the time has come.
        self.move_to(held, if is_full { Day { row: None, is_held_in: false } } else { day })?;
        self.wait(at)
    }

    fn wait(&self, until: Timestamp) -> JobResult<Became> {
        let Asked { db, record, .. } = self.asked;
        db.prepare_cached("UPDATE message SET due_ms = ?2 WHERE seq = ?1")?
            .execute([record.sequence, until.as_millis()])?;
        Ok(Became::Later)
    }

    /// Has its money held in the budget of this day, and of no other day.
    fn move_to(&self, held: &[Row], day: Day) -> JobResult<()> {
        if day.is_held_in {
            return Ok(());
        }
        let Asked { db, record, .. } = self.asked;
        let micros = record.held_micros;
        let release = Moves { released_micros: micros, spent_micros: 0, messages: 1, freezes: false };
        let (of_days, shared): (Vec<_>, Vec<_>) = held.iter().partition(|row| row.budget.scope == Scope::Day);
        let mut row = day.row;
        Group::over(db, |group| -> JobResult<()> {
            for old in of_days {
                group.post(old.id, &release)?;
            }
            match &mut row {
                Some(row) => group.hold(row, micros, 1),
                None => Ok(()),
            }
        })?;
        if let Some(row) = row.as_ref().filter(|_| record.realm == Realm::Live) {
            self.mark.cover(&row.budget, micros);
        }
        let ids: Vec<String> = row.iter().chain(shared).map(|row| row.id.to_string()).collect();
        db.prepare_cached("UPDATE message SET budgets = ?2 WHERE seq = ?1")?
            .execute(params![record.sequence, ids.join(",")])?;
        Ok(())
    }

    fn expire(&self, now: Timestamp) -> JobResult<Became> {
        end(self.asked.db, self.asked.record, &Step::new(State::Expired, now, Some(TOO_LATE)))
    }

    fn refuse(&self, refused: &Error) -> JobResult<Became> {
        let rejected = Step::new(State::Rejected, self.asked.due.now, Some(refused.message()));
        end(self.asked.db, self.asked.record, &Step { code: Some(refused.kind()), ..rejected })
    }
}

/// Whether the policy lets a message leave now that may have left already: asked with the facts of this moment,
/// as if it was not there itself. Its money is held, and stays where it is.
pub(super) fn verdict_now(
    db: &Connection,
    due: &Due,
    peers: &Arc<[Peer]>,
    record: &Record,
    recheck: &Recheck,
) -> JobResult<bool> {
    let asked = Asked { db, due, peers, record };
    let held = asked.held()?;
    let day = asked.look(&held, &due.now.utc_day())?;
    let is_now = |verdict: Verdict| {
        verdict.is_now() && verdict.by_ms().is_none_or(|by_ms| by_ms >= due.now.as_millis())
    };
    Ok(recheck(record, &asked.facts(&held, &day)?).is_ok_and(is_now))
}

/// Why something expires that waited.
const TOO_LATE: &str = "it could not leave by the time until which it was to";

/// The budget of a day, and whether it holds the message's money already.
struct Day {
    row: Option<Row>,
    is_held_in: bool,
}

fn is_spent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::BudgetExceeded | ErrorKind::BudgetFrozen)
}

fn end(db: &Connection, record: &Record, asked: &Step<'_>) -> JobResult<Became> {
    let mut open: Open = db
        .prepare_cached(sql!("SELECT {OPEN_COLUMNS} FROM message WHERE seq = ?1"))?
        .query_row([record.sequence], open_from)?;
    Group::over(db, |group| advance_and_post(group, &mut open, asked))?;
    Ok(Became::Ended)
}

/// See [`crate::ledger::facets::Intents::take_back`].
pub(super) fn take_back(db: &Connection, principal: &str, id: &MessageId, now: Timestamp) -> JobResult<bool> {
    let found = db
        .prepare_cached(sql!(
            "SELECT {OPEN_COLUMNS} FROM message WHERE id = ?1 AND principal = ?2 AND {IS_ACCEPTED} AND {WAITS}"
        ))?
        .query_row([id.as_str(), principal], open_from)
        .optional()?;
    let Some(mut open) = found else { return Ok(false) };
    let canceled = Step::new(State::Canceled, now, Some(CANCELED));
    Ok(Group::over(db, |group| advance_and_post(group, &mut open, &canceled))?.is_some())
}
