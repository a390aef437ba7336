//! Taking a send: facts, decision, money and intent in one transaction.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::mark::{Key, Mark};
use super::pending::is_pending;
use super::query::target_from;
use super::rate;
use super::rehearsal::rehearse;
use super::reply::is_out;
use super::sealed;
use super::writer::JobResult;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, RefusedRecipient, Result};
use crate::ledger::{BaseSession, Decide, Draft, Intent, NewHandle, Payer, Reservation};
use crate::sms::caller_id::same_phone;
use crate::sms::facts::{Budget, Earlier, Facts, Limits, Overcharge, Scope};
use crate::sms::fold;
use crate::sms::message::{MessageId, Realm, SessionId, State};
use crate::sms::peer::{self, Peer};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How exact "last used" of a session has to be: one write a second is enough for an idle time of minutes.
const TOUCH_MS: i64 = 1_000;

/// Most handles that a principal may have open at once.
const MOST_HANDLES: i64 = 1_000;

/// Most rows that the look at one recipient reads; above the highest `recipient_per_day` that the config allows.
const RECIPIENT_ROWS: i64 = 2_000;

/// One budget row with its id.
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) budget: Budget,
}

pub(super) const fn scope_number(scope: Scope) -> i64 {
    match scope {
        Scope::Total => 0,
        Scope::Day => 1,
        Scope::Session => 2,
        Scope::Handle => 3,
    }
}

fn scope_from(number: i64) -> Scope {
    match number {
        0 => Scope::Total,
        1 => Scope::Day,
        2 => Scope::Session,
        _ => Scope::Handle,
    }
}

pub(super) fn budget_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        id: row.get(0)?,
        budget: Budget {
            key: row.get(1)?,
            scope: scope_from(row.get(2)?),
            limits: Limits { spend_micros: row.get(3)?, messages: row.get(4)? },
            held_micros: row.get(5)?,
            spent_micros: row.get(6)?,
            messages: row.get(7)?,
            frozen: row.get(8)?,
            overcharge: overcharge_from(row)?,
        },
    })
}

fn overcharge_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Overcharge>> {
    let Some(message) = row.get::<_, Option<String>>(9)? else { return Ok(None) };
    let (held, charged): (Option<i64>, Option<i64>) = (row.get(10)?, row.get(11)?);
    Ok(held.zip(charged).map(|(held_micros, charged_micros)| Overcharge { message: MessageId::from_text(message), held_micros, charged_micros }))
}

pub(super) const BUDGET_COLUMNS: &str =
    "id, key, scope, limit_micros, limit_messages, held_micros, spent_micros, messages, frozen, frozen_by, frozen_held, frozen_charged";

/// A name, scope and limits of the path.
struct Part {
    key: String,
    scope: Scope,
    limits: Limits,
}

/// The session part of the path: which base session, and which handles on the way to the one that was given.
struct Sessions {
    base: String,
    /// When the base session was last used; nothing for a new one.
    base_used_ms: Option<i64>,
    /// When the handle was last used.
    handle_used_ms: Option<i64>,
    parts: Vec<Part>,
}

type Business<T> = JobResult<Result<T>>;

/// Unwraps an answer of the business inside a job.
macro_rules! business {
    ($answer:expr) => {
        match $answer {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

fn sessions(db: &Connection, payer: &Payer, now: Timestamp) -> Business<Sessions> {
    let alive_since = now.plus_ms(-payer.idle_ms).as_millis();
    let (base, base_used_ms) = match &payer.base {
        BaseSession::Named(name) => {
            let mut statement = db.prepare_cached("SELECT principal, used_ms FROM session WHERE id = ?1")?;
            let found: Option<(String, i64)> = statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            match found {
                Some((owner, _)) if owner != payer.principal => {
                    return Ok(Err(Error::new(ErrorKind::SessionInvalid, "this session belongs to another principal")));
                }
                found => (name.clone(), found.map(|(_, used_ms)| used_ms)),
            }
        }
        BaseSession::Open { fresh } => {
            let mut statement = db.prepare_cached(
                "SELECT id, used_ms FROM session WHERE principal = ?1 AND kind = 1 AND used_ms >= ?2 ORDER BY used_ms DESC LIMIT 1",
            )?;
            let open = statement.query_row(params![payer.principal, alive_since], |row| Ok((row.get(0)?, Some(row.get(1)?)))).optional()?;
            open.unwrap_or_else(|| (fresh.clone(), None))
        }
    };
    let side = side(payer.realm);
    let mut parts = vec![Part { key: format!("session:{}:{base}{side}", payer.currency), scope: Scope::Session, limits: payer.session }];
    let mut handle_used_ms = None;
    if let Some(handle) = &payer.handle {
        let found: Option<(String, String, i64, Limits)> = db
            .prepare_cached("SELECT principal, parent, used_ms, limit_micros, limit_messages FROM session WHERE id = ?1 AND kind = 2")?
            .query_row([handle.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, Limits { spend_micros: row.get(3)?, messages: row.get(4)? }))
            })
            .optional()?;
        let (parent, limits) = match found {
            // Somebody else's handle looks like no handle at all.
            Some((owner, parent, used, limits)) if owner == payer.principal => {
                if used < alive_since {
                    return Ok(Err(Error::new(ErrorKind::SessionInvalid, "this session handle has expired: it was not used for too long")));
                }
                handle_used_ms = Some(used);
                (parent, limits)
            }
            _ => return Ok(Err(Error::new(ErrorKind::SessionInvalid, "there is no such session handle"))),
        };
        if parent != base {
            // Somebody else's session: the limits that it was opened with hold for whoever was given a handle of it.
            let mut statement = db.prepare_cached("SELECT limit_micros, limit_messages FROM session WHERE id = ?1")?;
            let opened_with = statement.query_row([&parent], |row| Ok(Limits { spend_micros: row.get(0)?, messages: row.get(1)? })).optional()?;
            let limits = payer.session.within(opened_with.unwrap_or_default());
            parts.push(Part { key: format!("session:{}:{parent}{side}", payer.currency), scope: Scope::Session, limits });
        }
        parts.push(Part { key: format!("handle:{}:{handle}{side}", payer.currency), scope: Scope::Handle, limits });
    }
    Ok(Ok(Sessions { base, base_used_ms, handle_used_ms, parts }))
}

/// What the names of the sandbox's budgets end with: nothing of what it spends counts for a real text.
const fn side(realm: Realm) -> &'static str {
    match realm {
        Realm::Live => "",
        Realm::Sandbox => ":sandbox",
    }
}

/// The whole path, each part with the strictest limits of all who live.
fn path(payer: &Payer, now: Timestamp, sessions: Vec<Part>, peers: &[Peer]) -> Vec<Part> {
    let side = side(payer.realm);
    let total = Part { key: format!("total:{}{side}", payer.currency), scope: Scope::Total, limits: payer.total };
    let day = Part { key: format!("day:{}:{}:{}{side}", payer.currency, payer.principal, now.utc_day()), scope: Scope::Day, limits: payer.day };
    let strictest = |part: Part| Part { limits: peer::limits(part.limits, part.scope, peers), ..part };
    [total, day].into_iter().chain(sessions).map(strictest).collect()
}

/// Reads the budgets of the path as these limits see them; a budget that was never used is not written yet.
fn look(db: &Connection, path: Vec<Part>) -> JobResult<Vec<Row>> {
    let mut statement = db.prepare_cached(&format!("SELECT {BUDGET_COLUMNS} FROM budget WHERE key = ?1"))?;
    let mut rows = Vec::with_capacity(path.len());
    for part in path {
        let found = statement.query_row([&part.key], budget_from).optional()?;
        let mut row = found.unwrap_or_else(|| Row {
            id: 0,
            budget: Budget {
                key: part.key.clone(),
                scope: part.scope,
                limits: Limits::default(),
                held_micros: 0,
                spent_micros: 0,
                messages: 0,
                frozen: false,
                overcharge: None,
            },
        });
        row.budget.limits = part.limits;
        rows.push(row);
    }
    Ok(rows)
}

/// Adds to what a budget holds, in one conditional update that takes nothing where it does not fit. The limit in the
/// row follows the configuration, but never falls below what is already used.
fn hold(db: &Connection, row: &mut Row, micros: i64, messages: i64) -> JobResult<bool> {
    let Budget { key, scope, limits, .. } = &row.budget;
    if row.id == 0 {
        db.prepare_cached("INSERT INTO budget (key, scope) VALUES (?1, ?2)")?.execute(params![key, scope_number(*scope)])?;
        row.id = db.last_insert_rowid();
    }
    let changed = db
        .prepare_cached(
            "UPDATE budget SET held_micros = held_micros + ?2, messages = messages + ?3,
                    limit_micros = max(?4, held_micros + spent_micros + ?2), limit_messages = max(?5, messages + ?3)
             WHERE id = ?1 AND NOT frozen AND (?4 IS NULL OR held_micros + spent_micros + ?2 <= ?4) AND (?5 IS NULL OR messages + ?3 <= ?5)",
        )?
        .execute(params![row.id, micros, messages, limits.spend_micros, limits.messages])?;
    row.budget.held_micros += micros;
    row.budget.messages += messages;
    Ok(changed == 1)
}

/// The budgets that this payer's next send would have to fit in.
pub(super) fn preview_budgets(db: &Connection, payer: &Payer, peers: &[Peer], now: Timestamp) -> Business<Vec<Budget>> {
    let sessions = business!(sessions(db, payer, now)?);
    Ok(Ok(look(db, path(payer, now, sessions.parts, peers))?.into_iter().map(|row| row.budget).collect()))
}

pub(super) fn open_session(db: &Connection, payer: &Payer, handle: &NewHandle, peers: &[Peer], now: Timestamp) -> Business<Vec<Budget>> {
    let found = business!(sessions(db, payer, now)?);
    let alive_since = now.plus_ms(-payer.idle_ms).as_millis();
    let mut statement = db.prepare_cached("SELECT count(*) FROM session WHERE principal = ?1 AND kind = 2 AND used_ms >= ?2 AND sandbox = ?3")?;
    let open: i64 = statement.query_row(params![payer.principal, alive_since, payer.realm.is_sandbox()], |row| row.get(0))?;
    if open >= MOST_HANDLES {
        return Ok(Err(Error::new(ErrorKind::RateLimited, format!("{open} session handles are open; use one of them, or wait until one expires"))));
    }
    touch(db, payer, &found, now)?;
    db.prepare_cached(
        "INSERT INTO session (id, principal, kind, parent, label, limit_micros, limit_messages, opened_ms, used_ms, sandbox)
         VALUES (?1, ?2, 2, ?3, ?4, ?5, ?6, ?7, ?7, ?8)",
    )?
    .execute(params![
        handle.id.as_str(),
        payer.principal,
        found.base,
        handle.label,
        handle.limits.spend_micros,
        handle.limits.messages,
        now.as_millis(),
        payer.realm.is_sandbox()
    ])?;
    let narrowed = Payer { handle: Some(handle.id.clone()), ..payer.clone() };
    preview_budgets(db, &narrowed, peers, now)
}

/// Notes that the sessions of the path are in use.
fn touch(db: &Connection, payer: &Payer, sessions: &Sessions, now: Timestamp) -> JobResult<()> {
    let now = now.as_millis();
    if sessions.base_used_ms.is_none() {
        let kind = i64::from(matches!(payer.base, BaseSession::Open { .. }));
        let mut statement = db.prepare_cached(
            "INSERT INTO session (id, principal, kind, limit_micros, limit_messages, opened_ms, used_ms) VALUES (?1, ?2, ?3, ?5, ?6, ?4, ?4)",
        )?;
        statement.execute(params![sessions.base, payer.principal, kind, now, payer.session.spend_micros, payer.session.messages])?;
    }
    let handle = payer.handle.as_ref().map_or("", SessionId::as_str);
    for (id, used_ms) in [(sessions.base.as_str(), sessions.base_used_ms), (handle, sessions.handle_used_ms)] {
        if used_ms.is_some_and(|used_ms| used_ms < now - TOUCH_MS) {
            db.prepare_cached("UPDATE session SET used_ms = ?2 WHERE id = ?1")?.execute(params![id, now])?;
        }
    }
    Ok(())
}

/// The most messages to one person that are looked at whose outcome is unknown, latest first.
const DOUBTS: i64 = 500;

/// One person's messages whose outcome is unknown.
pub(super) const IN_DOUBT: &str = "recipient = ?1 AND principal = ?2 AND state = 9";

/// Whether an earlier text is this draft's in any spelling. Messages of older versions have no digest of what a reader
/// takes from them; where their text was kept, it is made of that.
fn is_same_text(draft: &Draft, digest: ValueRef<'_>, folded: ValueRef<'_>, text: Option<&str>) -> bool {
    let is = |value: ValueRef<'_>, own: &[u8]| value.as_blob().is_ok_and(|blob| blob == own);
    is(digest, &draft.digest) || is(folded, &draft.folded) || text.is_some_and(|text| fold::digest(text) == draft.folded)
}

/// What is in doubt about this recipient, under this number or another of the same phone: the latest message that this one
/// would repeat, and the latest other one.
fn doubts(db: &Connection, intent: &Intent, draft: &Draft, facts: &mut Facts) -> JobResult<()> {
    (facts.same_in_doubt, facts.other_in_doubt) = (None, None);
    let mut statement = db.prepare_cached(&format!(
        "SELECT id, created_ms, digest, folded, CASE WHEN folded IS NULL THEN text END FROM message WHERE {IN_DOUBT} AND sandbox = ?4
         ORDER BY seq DESC LIMIT ?3"
    ))?;
    for number in std::iter::once(draft.to.clone()).chain(same_phone(&draft.to)) {
        let mut rows = statement.query(params![number, intent.payer.principal, DOUBTS, intent.payer.realm.is_sandbox()])?;
        while let Some(row) = rows.next()? {
            let is_same = is_same_text(draft, row.get_ref(2)?, row.get_ref(3)?, row.get_ref(4)?.as_str_or_null().unwrap_or_default());
            let place = if is_same { &mut facts.same_in_doubt } else { &mut facts.other_in_doubt };
            if place.is_none() {
                let age_ms = (intent.now.as_millis() - row.get::<_, i64>(1)?).max(0);
                *place = Some(Earlier { id: MessageId::from_text(row.get::<_, String>(0)?), state: State::Unknown, age_ms });
            }
            if facts.same_in_doubt.is_some() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What the ledger knows about this recipient: how many messages lately, and the same text within the window.
fn recipient_facts(db: &Connection, intent: &Intent, draft: &Draft, facts: &mut Facts) -> JobResult<()> {
    let now = intent.now.as_millis();
    let window = DAY_MS.max(intent.duplicate_window_ms);
    let mut statement = db.prepare_cached(
        "SELECT id, created_ms, digest, principal, state, folded FROM message
         WHERE recipient = ?1 AND created_ms > ?2 AND sandbox = ?4 AND state NOT IN (7, 8) ORDER BY created_ms DESC LIMIT ?3",
    )?;
    let mut rows = statement.query(params![draft.to, now - window, RECIPIENT_ROWS, intent.payer.realm.is_sandbox()])?;
    (facts.recipient_last_hour, facts.recipient_last_day, facts.same_text) = (0, 0, None);
    while let Some(row) = rows.next()? {
        let age_ms = now - row.get::<_, i64>(1)?;
        let state = State::from_number(row.get(4)?).unwrap_or(State::Unknown);
        if state.never_left() {
            continue;
        }
        facts.recipient_last_hour += u32::from(age_ms < HOUR_MS);
        facts.recipient_last_day += u32::from(age_ms < DAY_MS);
        let is_same = facts.same_text.is_none()
            && age_ms < intent.duplicate_window_ms
            && is_same_text(draft, row.get_ref(2)?, row.get_ref(5)?, None)
            && row.get_ref(3)?.as_str().is_ok_and(|principal| principal == intent.payer.principal);
        if is_same {
            facts.same_text = Some(Earlier { id: MessageId::from_text(row.get::<_, String>(0)?), state, age_ms: age_ms.max(0) });
        }
    }
    Ok(())
}

/// The sending rate as a generic cell rate algorithm: a second's worth may go at once.
pub(super) struct Pace {
    realm: Realm,
    until_us: i64,
    now_us: i64,
    interval_us: i64,
    per_second: i64,
    /// How far the clock stands before the last send, in microseconds.
    behind_us: i64,
}

const SECOND_US: i64 = 1_000_000;

/// 2026-01-01: no clock of a machine that runs this program stands before it.
const EARLIEST_US: i64 = 1_767_225_600 * SECOND_US;

/// How far a clock may be set back without anybody looking: ten minutes.
const MOST_BEHIND_US: i64 = 600 * SECOND_US;

impl Pace {
    /// The pace so far, at the lowest rate of all who live.
    pub(super) fn read(db: &Connection, realm: Realm, now: Timestamp, per_second: u32, peers: &[Peer]) -> JobResult<Self> {
        let mut statement = db.prepare_cached("SELECT until_us, latest_us FROM pace WHERE sandbox = ?1")?;
        let (until_us, latest_us): (i64, i64) = statement.query_row([realm.is_sandbox()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let now_us = now.as_millis().saturating_mul(1_000);
        let behind_us = (latest_us - now_us).max(0);
        // A clock that was set back a little must not stop all sending for as long: what it had used up is forgotten.
        let until_us = if until_us > now_us + SECOND_US { now_us } else { until_us.max(now_us) };
        let (per_second, _) = peer::strictest(Some(per_second), peers, |rules| rules.sends_per_second);
        let per_second = i64::from(per_second.unwrap_or_default().max(1));
        Ok(Self { realm, until_us, now_us, interval_us: (SECOND_US / per_second).max(1), per_second, behind_us })
    }

    /// Refuses a clock that cannot be right: it would open yesterday's budgets, or count no recent message.
    fn check_clock(&self) -> Result<()> {
        if self.now_us < EARLIEST_US {
            let now = Timestamp(self.now_us / 1_000).rfc3339();
            return Err(Error::new(ErrorKind::ClockUnreliable, format!("this machine's clock says {now}, which cannot be right")));
        }
        if self.behind_us > MOST_BEHIND_US {
            let minutes = self.behind_us / 60 / SECOND_US;
            return Err(Error::new(
                ErrorKind::ClockUnreliable,
                format!("this machine's clock stands {minutes} min before the last send in the ledger"),
            ));
        }
        Ok(())
    }

    /// What a bulk leaves free, so that single sends need not wait for it to end.
    fn spare_us(&self) -> i64 {
        self.per_second / 5 * self.interval_us
    }

    /// How many messages of a bulk may go now.
    pub(super) fn room(&self) -> u32 {
        u32::try_from((self.now_us + SECOND_US - self.spare_us() - self.until_us) / self.interval_us).unwrap_or(0)
    }

    /// How many messages of a bulk are worth waiting for, where they share one request: most of what may go at once,
    /// and not all of it, so that single sends in between do not hold them up for ever.
    pub(super) fn good_hand(&self) -> u32 {
        let whole = (SECOND_US - self.spare_us()) / self.interval_us;
        u32::try_from((whole - whole / 4).max(1)).unwrap_or(u32::MAX)
    }

    /// How long until so many messages of a bulk may go, in milliseconds.
    pub(super) fn bulk_wait_ms(&self, count: u32) -> u64 {
        self.wait_for_us(count, self.spare_us())
    }

    /// How long until a single message may go, in milliseconds.
    fn wait_ms(&self) -> u64 {
        self.wait_for_us(1, 0)
    }

    fn wait_for_us(&self, count: u32, spare_us: i64) -> u64 {
        let short_us = self.until_us + self.interval_us.saturating_mul(count.into()) - (self.now_us + SECOND_US - spare_us);
        u64::try_from(short_us.max(0)).unwrap_or(0).div_ceil(1_000)
    }

    /// Takes room for `count` messages that leave at once, as far as there is any: what is used up beyond a second
    /// would look like a clock that was set back.
    fn take_what_there_is(&mut self, db: &Connection, count: u32) -> JobResult<()> {
        let room = (self.now_us + SECOND_US - self.until_us) / self.interval_us;
        self.take(db, count.min(u32::try_from(room).unwrap_or(0)))
    }

    /// Takes room for `count` messages.
    pub(super) fn take(&mut self, db: &Connection, count: u32) -> JobResult<()> {
        self.until_us += self.interval_us.saturating_mul(count.into());
        db.prepare_cached("UPDATE pace SET until_us = ?1, latest_us = max(latest_us, ?2) WHERE sandbox = ?3")?.execute(params![
            self.until_us,
            self.now_us,
            self.realm.is_sandbox()
        ])?;
        Ok(())
    }
}

fn earlier_intent(db: &Connection, intent: &Intent) -> JobResult<Option<Reservation>> {
    let Some(key) = &intent.idempotency else { return Ok(None) };
    let (principal, is_sandbox, now) = (&intent.payer.principal, intent.payer.realm.is_sandbox(), intent.now.as_millis());
    let found: Option<(Vec<u8>, String)> = db
        .prepare_cached("SELECT fingerprint, target FROM idempotency WHERE principal = ?1 AND sandbox = ?3 AND key = ?2")?
        .query_row(params![principal, key.key, is_sandbox], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((fingerprint, target)) = found else { return Ok(None) };
    if fingerprint != key.fingerprint {
        return Ok(Some(Reservation::Conflict));
    }
    if !intent.preview {
        // A key is kept for as long as it is in use, and so is what it stands for.
        db.prepare_cached("UPDATE idempotency SET used_ms = ?4 WHERE principal = ?1 AND sandbox = ?3 AND key = ?2 AND used_ms < ?4 - ?5")?
            .execute(params![principal, key.key, is_sandbox, now, DAY_MS])?;
    }
    Ok(Some(Reservation::Replay(target_from(target))))
}

/// See [`crate::ledger::Ledger::reserve`].
pub(super) fn reserve(db: &Connection, owner: i64, intent: &Intent, peers: &Arc<[Peer]>, decide: &Decide, mark: &Mark) -> Business<Reservation> {
    if let Some(earlier) = earlier_intent(db, intent)? {
        return Ok(Ok(earlier));
    }
    let key = Key::of(intent).filter(|_| intent.payer.realm == Realm::Live);
    if intent.payer.realm == Realm::Live {
        business!(mark.check());
    }
    if let Some(key) = key
        && mark.is_lost(db, key)?
    {
        return Ok(Err(Error::new(
            ErrorKind::OutcomeUnknown,
            "this idempotency_key was used before, and what became of it is in a ledger that was lost",
        )));
    }
    let mut found = business!(sessions(db, &intent.payer, intent.now)?);
    if !intent.preview {
        touch(db, &intent.payer, &found, intent.now)?;
    }
    let mut rows = look(db, path(&intent.payer, intent.now, std::mem::take(&mut found.parts), peers))?;
    let mut pace = Pace::read(db, intent.payer.realm, intent.now, intent.per_second, peers)?;
    business!(pace.check_clock());
    let budgets = rows.iter().map(|row| row.budget.clone()).collect();
    let mut facts = Facts { budgets, rate_wait_ms: pace.wait_ms(), peers: Arc::clone(peers), ..Facts::default() };
    let mut refused = Vec::new();
    let (mut taken, mut in_doubt) = (Vec::new(), Vec::new());
    for (index, draft) in intent.drafts.iter().enumerate() {
        facts.is_opted_out = is_out(db, &draft.to)?;
        facts.is_stop_pending = !facts.is_opted_out && is_pending(db, &draft.to)?;
        recipient_facts(db, intent, draft, &mut facts)?;
        doubts(db, intent, draft, &mut facts)?;
        match decide(index, &facts) {
            Ok(()) => {
                facts.before_micros = facts.before_micros.saturating_add(draft.hold_micros);
                facts.before_messages += 1;
                in_doubt.extend(facts.other_in_doubt.take().map(|earlier| (index, earlier)));
                taken.push(draft);
            }
            // A budget that is spent is spent for all that follow too: nothing of this intent goes.
            Err(error) if matches!(error.kind(), ErrorKind::BudgetExceeded | ErrorKind::BudgetFrozen) => return Ok(Err(error)),
            Err(error) => refused.push((index, error)),
        }
    }
    if taken.is_empty() || (intent.all_or_none && !refused.is_empty()) {
        return Ok(Ok(Reservation::Refused { refused, budgets: rows.into_iter().map(|row| row.budget).collect() }));
    }
    if intent.preview {
        let budgets = rows.iter().map(|row| row.budget.clone()).collect();
        rehearse(db, || {
            touch(db, &intent.payer, &found, intent.now)?;
            take(db, owner, intent, &taken, &refused, &mut rows, &mut pace)
        })?;
        return Ok(Ok(Reservation::Taken { refused, doubts: in_doubt, budgets }));
    }
    take(db, owner, intent, &taken, &refused, &mut rows, &mut pace)?;
    if intent.payer.realm == Realm::Live {
        let each_micros = taken.iter().map(|draft| draft.hold_micros).max().unwrap_or(0);
        rows.iter().for_each(|row| mark.cover(&row.budget, each_micros));
        key.into_iter().for_each(|key| mark.use_key(key));
    }
    Ok(Ok(Reservation::Taken { refused, doubts: in_doubt, budgets: rows.into_iter().map(|row| row.budget).collect() }))
}

/// Holds the money of what was decided on, counts it, and writes it.
fn take(
    db: &Connection,
    owner: i64,
    intent: &Intent,
    taken: &[&Draft],
    refused: &[(usize, Error)],
    rows: &mut [Row],
    pace: &mut Pace,
) -> JobResult<()> {
    let micros = taken.iter().map(|draft| draft.hold_micros).sum();
    let messages = i64::try_from(taken.len()).unwrap_or(i64::MAX);
    for row in rows.iter_mut() {
        if !hold(db, row, micros, messages)? {
            // The decision said yes and the ledger says no: undo all of it.
            return Err(rusqlite::Error::StatementChangedRows(0));
        }
    }
    leave_now(db, intent, taken, pace)?;
    let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    write(db, owner, intent, taken, refused, &ids.join(","))
}

/// Counts what leaves without a claim: a single message, or a campaign in its one request.
fn leave_now(db: &Connection, intent: &Intent, taken: &[&Draft], pace: &mut Pace) -> JobResult<()> {
    match (&intent.batch, intent.is_campaign) {
        (Some(_), false) => return Ok(()),
        (Some(_), true) => pace.take_what_there_is(db, u32::try_from(taken.len()).unwrap_or(u32::MAX))?,
        (None, _) => pace.take(db, 1)?,
    }
    match taken.iter().find(|draft| draft.rated_requests > 0) {
        Some(rated) => rate::count(db, &rate::name(&rated.provider, intent.payer.realm), intent.now, rated.rated_requests),
        None => Ok(()),
    }
}

/// One step of a message's history, as it stands in the ledger.
pub(super) fn step(state: State, at: Timestamp, why: Option<&str>) -> String {
    match why {
        None => format!("[{},{}]", state.number(), at.as_millis()),
        Some(why) => serde_json::json!([state.number(), at.as_millis(), why]).to_string(),
    }
}

fn refusal(draft: &Draft, error: &Error) -> RefusedRecipient {
    RefusedRecipient { to: draft.to.clone(), code: error.kind().to_string(), message: error.message().to_owned() }
}

/// Writes the intent: its key, its batch, its messages, each in its first state.
fn write(db: &Connection, owner: i64, intent: &Intent, taken: &[&Draft], refused: &[(usize, Error)], budgets: &str) -> JobResult<()> {
    let now = intent.now.as_millis();
    let principal = &intent.payer.principal;
    let (state, batch) = match &intent.batch {
        None => (State::Attempting, None),
        Some(batch) => {
            let here = refused.iter().filter_map(|(index, error)| Some(refusal(intent.drafts.get(*index)?, error)));
            let refused: Vec<RefusedRecipient> = batch.refused.iter().cloned().chain(here).collect();
            let report = serde_json::json!({ "duplicates": batch.duplicates, "refused": refused }).to_string();
            db.prepare_cached("INSERT INTO batch (id, principal, created_ms, report) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                batch.id.as_str(),
                principal,
                now,
                report
            ])?;
            (if intent.is_campaign { State::Attempting } else { State::Queued }, Some(db.last_insert_rowid()))
        }
    };
    if let Some(key) = &intent.idempotency {
        let target = match (&intent.batch, taken.first()) {
            (Some(batch), _) => batch.id.as_str(),
            (None, Some(draft)) => draft.id.as_str(),
            (None, None) => return Ok(()),
        };
        db.prepare_cached("INSERT INTO idempotency (principal, key, fingerprint, target, sandbox, used_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![principal, key.key, key.fingerprint, target, intent.payer.realm.is_sandbox(), now])?;
    }
    let mut message = db.prepare_cached(
        "INSERT INTO message (id, principal, batch, recipient, sender, text, keep_text, digest, encoding, segments, state, provider, created_ms, changed_ms,
                              held_micros, currency, budgets, owner, history, forward, request, sandbox, price_assumed, folded)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)",
    )?;
    let history = step(state, intent.now, None);
    let request = batch.filter(|_| intent.is_campaign).map(i64::wrapping_neg);
    let key = if !intent.keep_texts && state == State::Queued { Some(sealed::key_for(db, intent.preview)?) } else { None };
    for draft in taken {
        // What leaves now is never sent again, so its text is only written to be kept.
        let text = sealed::to_write(&draft.text, &draft.id, intent.keep_texts, key.as_ref())?;
        message.execute(params![
            draft.id.as_str(),
            principal,
            batch,
            draft.to,
            draft.from,
            text,
            intent.keep_texts,
            draft.digest,
            draft.encoding,
            draft.segments,
            state.number(),
            draft.provider,
            now,
            draft.hold_micros,
            intent.payer.currency,
            budgets,
            owner,
            history,
            intent.forward,
            request,
            intent.payer.realm.is_sandbox(),
            draft.is_assumed,
            draft.folded
        ])?;
    }
    Ok(())
}
