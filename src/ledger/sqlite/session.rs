//! Sessions and handles: which of them a payer spends in, whether they are still open, and opening a handle.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::budget::{Part, look};
use super::job::{Business, JobResult, business};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::ledger::{BaseSession, NewHandle, Payer};
use crate::sms::facts::{Budget, Limits, Scope};
use crate::sms::message::{Realm, SessionId};
use crate::sms::peer::{self, Peer};

/// How exact "last used" of a session has to be: one write a second is enough for an idle time of minutes.
const TOUCH_MS: i64 = 1_000;

/// Most handles that a principal may have open at once.
const MOST_HANDLES: i64 = 1_000;

/// The session part of the path: which base session, and which handles on the way to the one that was given.
pub(super) struct Sessions {
    base: String,
    /// When the base session was last used; nothing for a new one.
    base_used_ms: Option<i64>,
    /// When the handle was last used.
    handle_used_ms: Option<i64>,
    pub(super) parts: Vec<Part>,
}

pub(super) fn sessions(db: &Connection, payer: &Payer, now: Timestamp) -> Business<Sessions> {
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
pub(super) fn path(payer: &Payer, now: Timestamp, sessions: Vec<Part>, peers: &[Peer]) -> Vec<Part> {
    let side = side(payer.realm);
    let total = Part { key: format!("total:{}{side}", payer.currency), scope: Scope::Total, limits: payer.total };
    let day = Part { key: format!("day:{}:{}:{}{side}", payer.currency, payer.principal, now.utc_day()), scope: Scope::Day, limits: payer.day };
    let strictest = |part: Part| Part { limits: peer::limits(part.limits, part.scope, peers), ..part };
    [total, day].into_iter().chain(sessions).map(strictest).collect()
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
pub(super) fn touch(db: &Connection, payer: &Payer, sessions: &Sessions, now: Timestamp) -> JobResult<()> {
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
