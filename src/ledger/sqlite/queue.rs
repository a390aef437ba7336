//! The queue: which messages leave next, no faster than the ledger's pace and each provider's rate allow, and
//! how one that did not leave comes back to its place.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::consent::{latest, waits_for_consent};
use super::group::Group;
use super::job::JobResult;
use super::opt_out::opted_out;
use super::pending::is_objection_pending;
use super::request;
use super::row::{COLUMNS, record_from};
use super::settle::CANCELED;
use super::states::{IS_ACCEPTED, IS_ATTEMPTING, IS_IN_HAND, IS_QUEUED, QUEUED, sql};
use super::transition::{OPEN_COLUMNS, Open, Step, advance_and_post, open_from};
use super::{pace, rate};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::ledger::rules::history::{step, without_claim};
use crate::ledger::rules::window;
use crate::ledger::{Back, Claim, Claimed, Record};
use crate::sms::consent::missing;
use crate::sms::message::{MessageId, State};
use crate::sms::number::Number;
use crate::sms::peer::Peer;
use crate::sms::purpose::Purpose;

/// Most messages that one transaction expires: so many of the oldest are looked at, and not the whole queue.
const EXPIRE_AT_ONCE: i64 = 500;

/// How many messages of the queue's head are looked through for those that one request can carry.
const LOOK_THROUGH: u32 = 500;

/// The same where lists of another process keep some of them back: they stay in the queue, and others leave.
const LOOK_THROUGH_LISTS: u32 = 5_000;

/// Where somebody is paused, so many others are asked for what is theirs, each by an index; beyond that the
/// whole queue is read.
const MOST_ASKED_EACH: usize = 50;

/// What is accepted. What a frozen budget pays for waits until a person looked, and what is paused until a
/// person says so.
fn may_go() -> String {
    format!(
        "provider = ?4 AND sandbox = ?5 AND (deliver_by_ms IS NULL OR deliver_by_ms >= ?6) AND {IS_ACCEPTED} AND principal NOT IN (SELECT value FROM \
     json_each(?7, '$.without'))
     AND NOT EXISTS (SELECT 1 FROM budget f WHERE f.frozen AND instr(',' || message.budgets || ',', ',' || \
     f.id || ',') > 0)
     AND NOT EXISTS (SELECT 1 FROM message r WHERE r.recipient = message.recipient AND r.rests_ms IS NOT \
     NULL AND r.seq < message.seq AND {})",
        IS_IN_HAND.of("r.")
    )
}

/// What was tried before comes behind what was not, or those who take nothing would leave no place for
/// others.
const FRESH: &str = "rests_ms IS NULL AND ?6 IS NOT NULL";

/// A clock that was set back keeps nothing back for more than an hour, and what nobody owns any more rested
/// for a process that is gone: its routes, and what was in the way, may be others now.
const RESTED: &str = "rests_ms IS NOT NULL AND (rests_ms <= ?6 OR rests_ms > ?6 + 3600000 OR owner IS NULL)";

/// What this instance may take. `?1` is the instance, `?2` whether it may also take what nobody owns.
const MINE: &str = "(owner = ?1 OR (owner IS NULL AND ?2))";

/// See [`crate::ledger::facets::Queue::claim`].
pub(super) fn claim(db: &Connection, owner: i64, claim: &Claim, peers: &[Peer]) -> JobResult<Claimed> {
    expire(db, owner, claim)?;
    let mut pace = pace::read(db, claim.realm, claim.now, claim.per_second, peers)?;
    let counted_as = window::name(&claim.provider, claim.realm);
    let rate = rate::read(db, &counted_as, claim.now, claim.rate)?;
    let is_joint = claim.per_request > 1;
    // Where requests are few the wait depends on how many wait.
    let has_pace = pace.room() > 0 || (is_joint && claim.rate.is_limited());
    if !has_pace || rate.room() == 0 {
        // Before the queue is looked through: many may wait for as long as that.
        let for_pace = if !has_pace { pace.bulk_wait_ms(1).max(1) } else { 0 };
        let for_rate = if rate.room() == 0 { rate.wait_ms() } else { 0 };
        return Ok(Claimed {
            wait_ms: has_queued(db, &claim.provider)?.then_some(for_pace.max(for_rate)),
            ..Claimed::default()
        });
    }
    let most = if is_joint {
        claim.limit.min(claim.per_request)
    } else {
        claim.limit.min(rate.room()).min(pace.room()).min(claim.most_requests)
    };
    let Picked { mut messages, unwanted } = pick(db, owner, claim, most.max(1), peers)?;
    let ended = end_unwanted(db, claim.now, &unwanted)?;
    let nothing = |wait_ms| Claimed { wait_ms, ended: ended.clone(), ..Claimed::default() };
    if messages.is_empty() {
        // Behind those that ended others may wait.
        return Ok(nothing((!ended.is_empty()).then_some(1)));
    }
    let room = claim.limit.min(pace.room());
    // Where requests are few, each is to carry as many as the pace lets through at once.
    let enough =
        if is_joint && claim.rate.is_limited() { pace.good_hand().min(count_of(&messages)) } else { 1 };
    if room < enough {
        return Ok(nothing(Some(pace.bulk_wait_ms(enough).max(1))));
    }
    messages.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    // A text that a limit can hold waits until all of it fits; one that is larger takes from what comes
    // later.
    let first = if claim.by_segment { messages.first().map_or(1, |message| message.segments) } else { 1 };
    if first > rate.room() && first <= claim.rate.smallest() {
        return Ok(nothing(Some(rate.wait_ms().max(1_000))));
    }
    let requests = within(&mut messages, claim, claim.most_requests.min(rate.room()));
    pace.take(count_of(&messages));
    pace::write(db, claim.realm, &pace)?;
    if claim.rate.is_limited() {
        rate::count(db, &counted_as, claim.now, requests)?;
    }
    let request = messages.first().filter(|_| messages.len() > 1 && is_joint).map(|first| first.sequence);
    let mut update = db.prepare_cached(sql!(
        "UPDATE message SET {IS_ATTEMPTING}, owner = ?2, changed_ms = ?3, history = history || ',' || ?4, \
         request = ?5 WHERE seq = ?1"
    ))?;
    let attempting = step(State::Attempting, claim.now, None);
    for message in &messages {
        update.execute(params![message.sequence, owner, claim.now.as_millis(), attempting, request])?;
    }
    Ok(Claimed { messages, ended, ..Claimed::default() })
}

/// Whether anything waits for this provider, whoever's it is.
fn has_queued(db: &Connection, provider: &str) -> rusqlite::Result<bool> {
    db.prepare_cached(sql!(
        "SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_queued WHERE {IS_QUEUED} AND provider = ?1)"
    ))?
    .query_row([provider], |row| row.get(0))
}

/// Those who have something queued for this provider and are not paused; nothing where they are too many to
/// be asked one by one.
fn not_paused(db: &Connection, claim: &Claim) -> rusqlite::Result<Option<Vec<String>>> {
    let mut next = db.prepare_cached(sql!(
        "SELECT principal FROM message INDEXED BY message_waiting WHERE {IS_QUEUED} AND provider = ?1 AND \
         principal > ?2 ORDER BY principal LIMIT 1"
    ))?;
    let (mut last, mut free) = (String::new(), Vec::new());
    for _ in 0..MOST_ASKED_EACH {
        match next.query_row([&claim.provider, &last], |row| row.get::<_, String>(0)).optional()? {
            Some(principal) => {
                if !claim.without.contains(&principal) {
                    free.push(principal.clone());
                }
                last = principal;
            }
            None => return Ok(Some(free)),
        }
    }
    Ok(None)
}

/// Keeps so many of these messages, in their order, as fit into this many requests, and one in any case: a
/// text goes out whole. Returns how many requests they are.
fn within(messages: &mut Vec<Record>, claim: &Claim, most: u32) -> u32 {
    let is_joint = claim.per_request > 1;
    if is_joint && !claim.by_segment {
        return 1;
    }
    let (mut requests, mut kept) = (0_u32, 0);
    // Those with one text share its requests, where one request carries several.
    let mut texts = HashSet::new();
    for message in messages.iter() {
        let is_shared = is_joint && !texts.insert(&message.text);
        let own = if is_shared { 0 } else { if claim.by_segment { message.segments } else { 1 } };
        if kept > 0 && requests.saturating_add(own) > most {
            break;
        }
        requests = requests.saturating_add(own);
        kept += 1;
    }
    messages.truncate(kept);
    requests
}

fn count_of(messages: &[Record]) -> u32 {
    u32::try_from(messages.len()).unwrap_or(u32::MAX)
}

/// Ends what waited too long.
fn expire(db: &Connection, owner: i64, claim: &Claim) -> JobResult<()> {
    let too_old = claim.now.plus_ms(-claim.max_age_ms).as_millis();
    let mut statement = db.prepare_cached(&format!(
        "SELECT {OPEN_COLUMNS} FROM (SELECT {OPEN_COLUMNS}, coalesce(due_ms, created_ms) AS since_ms, \
         deliver_by_ms FROM message WHERE {QUEUED} AND {MINE} ORDER BY seq LIMIT ?4) WHERE since_ms < ?3 OR \
         deliver_by_ms < ?5"
    ))?;
    let now = claim.now.as_millis();
    let expired: Vec<Open> = statement
        .query_map(params![owner, claim.adopt, too_old, EXPIRE_AT_ONCE, now], open_from)?
        .collect::<rusqlite::Result<_>>()?;
    let too_late = Step::new(State::Expired, claim.now, Some("it waited too long to be sent"));
    Group::over(db, |group| {
        expired.into_iter().try_for_each(|mut open| advance_and_post(group, &mut open, &too_late).map(drop))
    })
}

/// The head of the queue for this provider, at most `most`: one for each person, or whoever hands them over
/// at the same time could hand over the later one first. For a request that carries several: those with the
/// sender of the first, and no message to a person overtakes an earlier one. What the lists of another
/// process keep out, and what lacks a consent that it alone asks for, waits for as long as that one lives.
fn pick(db: &Connection, owner: i64, claim: &Claim, most: u32, peers: &[Peer]) -> JobResult<Picked> {
    let mut picked = Picked::default();
    let mut seen = HashSet::new();
    let free = if claim.without.is_empty() { None } else { not_paused(db, claim)? };
    let principals = serde_json::json!({ "without": claim.without, "free": free }).to_string();
    let fresh = match &free {
        Some(free) => fresh_of(free.len()),
        None => Some(format!(
            "SELECT {COLUMNS} FROM message WHERE {IS_QUEUED} AND {MINE} AND {FRESH} AND {} ORDER BY seq \
             LIMIT ?3",
            may_go()
        )),
    };
    let rested = format!(
        "SELECT {COLUMNS} FROM message WHERE {IS_QUEUED} AND {MINE} AND {RESTED} AND {} ORDER BY rests_ms, \
         seq LIMIT ?3",
        may_go()
    );
    for sql in fresh.into_iter().chain([rested]) {
        pick_from(
            (db, &mut *db.prepare_cached(&sql)?),
            owner,
            (claim, peers, &principals),
            most,
            (&mut picked, &mut seen),
        )?;
    }
    Ok(picked)
}

/// What of so many principals was not tried before, in one order, and nothing of anybody else is read for it.
/// Nothing of nobody.
fn fresh_of(principals: usize) -> Option<String> {
    let of_one = |index: usize| {
        format!(
            "SELECT {COLUMNS} FROM message INDEXED BY message_waiting
             WHERE {IS_QUEUED} AND principal = json_extract(?7, '$.free[{index}]') AND {MINE} AND {FRESH} \
             AND {}",
            may_go()
        )
    };
    let all: Vec<String> = (0..principals).map(of_one).collect();
    (!all.is_empty()).then(|| format!("{} ORDER BY seq LIMIT ?3", all.join(" UNION ALL ")))
}

/// Adds what one of the two looks at the queue finds, until there are enough.
fn pick_from(
    (db, statement): (&Connection, &mut rusqlite::Statement<'_>),
    owner: i64,
    (claim, peers, principals): (&Claim, &[Peer], &str),
    most: u32,
    (picked, seen): (&mut Picked, &mut HashSet<String>),
) -> JobResult<()> {
    let is_joint = claim.per_request > 1;
    let has_lists = peers.iter().any(|peer| peer.rules.has_lists());
    let look_through = most.max(if has_lists { LOOK_THROUGH_LISTS } else { LOOK_THROUGH });
    let mut rows = statement.query(params![
        owner,
        claim.adopt,
        look_through,
        claim.provider,
        claim.realm.is_sandbox(),
        claim.now.as_millis(),
        principals
    ])?;
    while count_of(&picked.messages) < most
        && let Some(row) = rows.next()?
    {
        let message = record_from(row)?;
        let is_joinable = !is_joint || picked.messages.first().is_none_or(|first| first.from == message.from);
        if !(seen.insert(message.to.clone()) && is_joinable) || (has_lists && is_kept(&message, peers)) {
            continue;
        }
        let (asks, whose) = ((&*claim.consent_for, peers), (&*message.to, message.purpose));
        if has_lists && waits_for_consent(db, asks, whose, claim.now)? {
            continue;
        }
        match why_not(db, claim, &message)? {
            Some(why) => picked.unwanted.push((message, why)),
            None => picked.messages.push(message),
        }
    }
    Ok(())
}

/// What a look at the queue finds.
#[derive(Default)]
struct Picked {
    messages: Vec<Record>,
    /// What its recipient does not agree to any more, and why.
    unwanted: Vec<(Record, WhyNot)>,
}

/// Why a message ends in the queue.
type WhyNot = (ErrorKind, &'static str);

/// Why a message may not leave by what its recipient said, asked at the moment at which it would.
fn why_not(db: &Connection, claim: &Claim, message: &Record) -> JobResult<Option<WhyNot>> {
    if message.purpose == Purpose::Marketing && is_objection_pending(db, &message.to)? {
        return Ok(Some((ErrorKind::OptedOut, "a reply of this person seems to ask for no more texts")));
    }
    if !claim.consent_for.contains(&message.purpose) {
        return Ok(None);
    }
    let latest = latest(db, &message.to, message.purpose)?;
    Ok(missing(latest.as_ref(), claim.now.as_millis()).map(|why| (ErrorKind::ConsentMissing, why.as_str())))
}

/// Ends what its recipient does not agree to any more, with its money given back.
fn end_unwanted(db: &Connection, now: Timestamp, unwanted: &[(Record, WhyNot)]) -> JobResult<Vec<MessageId>> {
    if unwanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut find = db.prepare_cached(sql!("SELECT {OPEN_COLUMNS} FROM message WHERE seq = ?1"))?;
    Group::over(db, |group| -> JobResult<()> {
        for (message, (code, why)) in unwanted {
            let mut open: Open = find.query_row([message.sequence], open_from)?;
            let ended = Step { code: Some(*code), ..Step::new(State::Rejected, now, Some(why)) };
            advance_and_post(group, &mut open, &ended)?;
        }
        Ok(())
    })?;
    Ok(unwanted.iter().map(|(message, _)| message.id.clone()).collect())
}

/// Whether the lists of another process keep a message back.
pub(super) fn is_kept(message: &Record, peers: &[Peer]) -> bool {
    let Ok(to) = Number::parse(&message.to, None) else { return false };
    peers.iter().any(|peer| peer.rules.keep(&to, message.from.as_deref()).is_some())
}

/// See [`crate::ledger::facets::Queue::unclaim`]. What was decided about the queue while a message was not in
/// it holds for that message too: its person may have opted out, its bulk may have been canceled.
pub(super) fn unclaim(db: &Connection, owner: i64, back: &[Back]) -> JobResult<()> {
    Group::over(db, |group| unclaim_in(group, owner, back))
}

fn unclaim_in(group: &mut Group<'_>, owner: i64, back: &[Back]) -> JobResult<()> {
    let db = group.beside();
    let mut find = db.prepare_cached(&format!(
        "SELECT {OPEN_COLUMNS}, history, batch, (SELECT max(o.at_ms, message.changed_ms) FROM opt_out o \
         WHERE o.number = message.recipient) AS opted_out_ms
         FROM message WHERE id = ?1 AND {IS_ATTEMPTING} AND owner = ?2"
    ))?;
    let mut canceled = db.prepare_cached("SELECT canceled_ms FROM batch WHERE seq = ?1")?;
    let mut canceled_at: HashMap<i64, Option<i64>> = HashMap::new();
    // An id that a report gave it meanwhile is nobody's: it was not handed over.
    let mut update = db.prepare_cached(sql!(
        "UPDATE message SET {IS_QUEUED}, changed_ms = ?2, history = ?3, request = NULL, vendor_id = NULL, \
         look_ms = NULL, rests_ms = coalesce(?4, rests_ms) WHERE seq = ?1"
    ))?;
    for Back { id, rests_until } in back {
        let found: Option<(Open, String, Option<i64>, Option<i64>)> = find
            .query_row(params![id.as_str(), owner], |row| {
                Ok((open_from(row)?, row.get("history")?, row.get("batch")?, row.get("opted_out_ms")?))
            })
            .optional()?;
        let Some((mut open, history, batch, opted_out_ms)) = found else { continue };
        let Some((before, changed_ms)) = without_claim(&history) else { continue };
        update.execute(params![open.seq, changed_ms, before, rests_until.map(Timestamp::as_millis)])?;
        request::forget(db, id)?;
        open.state = State::Queued;
        if let Some(at) = opted_out_ms {
            advance_and_post(group, &mut open, &opted_out(Timestamp(at)))?;
            continue;
        }
        let Some(batch) = batch else { continue };
        let at = match canceled_at.get(&batch) {
            Some(known) => *known,
            None => *canceled_at.entry(batch).or_insert(canceled.query_row([batch], |row| row.get(0))?),
        };
        if let Some(at) = at {
            advance_and_post(group, &mut open, &Step::new(State::Canceled, Timestamp(at), Some(CANCELED)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ledger::sqlite::schema::MIGRATIONS;

    #[test]
    fn what_is_paused_is_not_read_to_find_what_is_not() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| db.execute_batch(migration).unwrap());
        crate::ledger::sqlite::sealed::teach(&db).unwrap();
        for principals in [1, 2, 50] {
            let mut statement =
                db.prepare(&format!("EXPLAIN QUERY PLAN {}", fresh_of(principals).unwrap())).unwrap();
            let rows = statement
                .query_map(rusqlite::params_from_iter([1; 7]), |row| row.get::<_, String>(3))
                .unwrap();
            let plan: Vec<String> = rows.collect::<rusqlite::Result<_>>().unwrap();
            let by_index = plan
                .iter()
                .filter(|step| step.contains("message_waiting (provider=? AND principal=?)"))
                .count();
            assert_eq!(by_index, principals, "{plan:?}");
            assert!(
                !plan.iter().any(|step| step.starts_with("SCAN message") || step.contains("TEMP B-TREE")),
                "{plan:?}"
            );
        }
        assert_eq!(fresh_of(0), None);
    }
}
