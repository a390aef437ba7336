//! Sessions and handles: which of them a payer spends in, whether they are still open, and opening a handle.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::budget::look;
use super::job::{Business, JobResult, business};
use crate::clock::Timestamp;
use crate::ledger::rules::path::{
    self, Handle, Part, alive_since, check_handle, check_handles, check_owner, is_to_be_touched,
};
use crate::ledger::{BaseSession, NewHandle, Payer};
use crate::sms::facts::{Budget, Limits};
use crate::sms::message::SessionId;
use crate::sms::peer::Peer;

/// The session part of the path: which base session, and which handles on the way to the one that was given.
pub(super) struct Sessions {
    base: String,
    /// When the base session was last used; nothing for a new one.
    base_used_ms: Option<i64>,
    /// When the handle was last used.
    handle_used_ms: Option<i64>,
    pub(super) parts: Vec<Part>,
}

/// The base sessions that the jobs of one transaction have found so far, each with when it was used last:
/// read once, until one of them is written.
#[derive(Default)]
pub(super) struct Bases {
    /// By its name, with its principal.
    named: HashMap<String, (String, i64)>,
    /// The latest open one of a principal, with its name.
    open: HashMap<String, (String, i64)>,
}

impl Bases {
    fn named(&mut self, db: &Connection, name: &str) -> JobResult<Option<&(String, i64)>> {
        if !self.named.contains_key(name) {
            let mut statement = db.prepare_cached("SELECT principal, used_ms FROM session WHERE id = ?1")?;
            let found: Option<(String, i64)> =
                statement.query_row([name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            found.map(|found| self.named.insert(name.to_owned(), found));
        }
        Ok(self.named.get(name))
    }

    fn open(
        &mut self,
        db: &Connection,
        principal: &str,
        alive_since: i64,
    ) -> JobResult<Option<&(String, i64)>> {
        if !self.open.contains_key(principal) {
            let mut statement = db.prepare_cached(
                "SELECT id, used_ms FROM session WHERE principal = ?1 AND kind = 1 AND used_ms >= ?2 ORDER \
                 BY used_ms DESC LIMIT 1",
            )?;
            let found: Option<(String, i64)> = statement
                .query_row(params![principal, alive_since], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            found.map(|found| self.open.insert(principal.to_owned(), found));
        }
        // Another caller may close sessions earlier.
        Ok(self.open.get(principal).filter(|(_, used_ms)| *used_ms >= alive_since))
    }

    /// Forgets all of them.
    pub(super) fn forget(&mut self) {
        self.named.clear();
        self.open.clear();
    }
}

pub(super) fn sessions(
    db: &Connection,
    bases: &mut Bases,
    payer: &Payer,
    now: Timestamp,
) -> Business<Sessions> {
    let alive_since = alive_since(payer, now);
    let (base, base_used_ms) = match &payer.base {
        BaseSession::Named(name) => {
            let found = bases.named(db, name)?;
            if let Some((owner, _)) = found {
                business!(check_owner(payer, owner));
            }
            (name.clone(), found.map(|(_, used_ms)| *used_ms))
        }
        BaseSession::Open { fresh } => {
            let open = bases.open(db, &payer.principal, alive_since)?;
            open.map_or_else(|| (fresh.clone(), None), |(id, used_ms)| (id.clone(), Some(*used_ms)))
        }
        BaseSession::None => {
            return Ok(Ok(Sessions {
                base: String::new(),
                // In use always: nothing is written of it.
                base_used_ms: Some(i64::MAX),
                handle_used_ms: None,
                parts: Vec::new(),
            }));
        }
    };
    let mut handle = None;
    if let Some(id) = &payer.handle {
        let found = db
            .prepare_cached(
                "SELECT principal, parent, used_ms, limit_micros, limit_messages FROM session \
                WHERE id = ?1 AND kind = 2",
            )?
            .query_row([id.as_str()], |row| {
                let limits = Limits { spend_micros: row.get(3)?, messages: row.get(4)? };
                Ok(Handle { owner: row.get(0)?, parent: row.get(1)?, used_ms: row.get(2)?, limits })
            })
            .optional()?;
        handle = Some(business!(check_handle(payer, found, now)));
    }
    let opened_with = match handle.as_ref().filter(|handle| handle.parent != base) {
        Some(Handle { parent, .. }) => {
            let mut statement =
                db.prepare_cached("SELECT limit_micros, limit_messages FROM session WHERE id = ?1")?;
            statement
                .query_row([parent], |row| Ok(Limits { spend_micros: row.get(0)?, messages: row.get(1)? }))
                .optional()?
        }
        None => None,
    };
    let parts = path::sessions(payer, &base, handle.as_ref(), opened_with);
    Ok(Ok(Sessions { base, base_used_ms, handle_used_ms: handle.map(|handle| handle.used_ms), parts }))
}

/// The budgets that this payer's next send would have to fit in.
pub(super) fn preview_budgets(
    db: &Connection,
    payer: &Payer,
    peers: &[Peer],
    now: Timestamp,
) -> Business<Vec<Budget>> {
    let sessions = business!(sessions(db, &mut Bases::default(), payer, now)?);
    Ok(Ok(look(db, path::path(payer, &now.utc_day(), sessions.parts, peers))?
        .into_iter()
        .map(|row| row.budget)
        .collect()))
}

pub(super) fn open_session(
    db: &Connection,
    payer: &Payer,
    handle: &NewHandle,
    peers: &[Peer],
    now: Timestamp,
) -> Business<Vec<Budget>> {
    let mut bases = Bases::default();
    let found = business!(sessions(db, &mut bases, payer, now)?);
    let mut statement = db.prepare_cached(
        "SELECT count(*) FROM session WHERE principal = ?1 AND kind = 2 AND used_ms >= ?2 AND sandbox = ?3",
    )?;
    let open: i64 = statement
        .query_row(params![payer.principal, alive_since(payer, now), payer.realm.is_sandbox()], |row| {
            row.get(0)
        })?;
    business!(check_handles(open));
    touch(db, &mut bases, payer, &found, now)?;
    db.prepare_cached(
        "INSERT INTO session (id, principal, kind, parent, label, limit_micros, limit_messages, opened_ms, \
         used_ms, sandbox)
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
pub(super) fn touch(
    db: &Connection,
    bases: &mut Bases,
    payer: &Payer,
    sessions: &Sessions,
    now: Timestamp,
) -> JobResult<()> {
    if sessions.base_used_ms.is_none() {
        bases.forget();
        let kind = i64::from(matches!(payer.base, BaseSession::Open { .. }));
        let mut statement = db.prepare_cached(
            "INSERT INTO session (id, principal, kind, limit_micros, limit_messages, opened_ms, used_ms) \
             VALUES (?1, ?2, ?3, ?5, ?6, ?4, ?4)",
        )?;
        statement.execute(params![
            sessions.base,
            payer.principal,
            kind,
            now.as_millis(),
            payer.session.spend_micros,
            payer.session.messages
        ])?;
    }
    let handle = payer.handle.as_ref().map_or("", SessionId::as_str);
    for (id, used_ms) in [(sessions.base.as_str(), sessions.base_used_ms), (handle, sessions.handle_used_ms)]
    {
        if is_to_be_touched(used_ms, now) {
            bases.forget();
            db.prepare_cached("UPDATE session SET used_ms = ?2 WHERE id = ?1")?
                .execute(params![id, now.as_millis()])?;
        }
    }
    Ok(())
}
