//! Approvers, and the proofs that they give.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::account::note_act;
use super::job::{Business, JobResult};
use super::outbox;
use super::store::SqliteLedger;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Act;
use crate::ledger::approvers::{
    Approver, Approvers, Credential, FREE_TRIES, Judged, NewApprover, ProofTry, Taken,
};
use crate::ledger::rules::{events, tries};

/// The name of the key from which the ledger's identity in challenges is taken.
const IDENTITY: &str = "approval";

#[async_trait]
impl Approvers for SqliteLedger {
    async fn add_approver(&self, new: NewApprover) -> Result<()> {
        self.writer()?.run(move |db| add(db, &new)).await?
    }

    async fn remove_approver(&self, name: &str, act: Act, forward: bool) -> Result<u32> {
        let name = name.to_owned();
        self.writer()?.run(move |db| remove(db, &name, &act, forward)).await?
    }

    async fn approvers(&self, now: Timestamp) -> Result<Vec<Approver>> {
        self.read(move |db| approvers(db, now)).await
    }

    async fn approval_identity(&self) -> Result<Option<[u8; 16]>> {
        self.read(identity).await
    }

    async fn take_proof(&self, proof: ProofTry) -> Result<Taken> {
        self.writer()?.run(move |db| take(db, &proof)).await
    }
}

/// See [`Approvers::approvers`].
pub(super) fn approvers(db: &Connection, now: Timestamp) -> rusqlite::Result<Vec<Approver>> {
    let mut statement = db.prepare_cached(
        "SELECT name, public_key, phone, added_ms, added_by, approved_by, wrong, paused_until_ms FROM approver \
         ORDER BY id",
    )?;
    let approver = |row: &Row<'_>| {
        let (key, wrong) = (row.get::<_, Option<String>>(1)?, row.get(6)?);
        let paused_until = tries::paused_until(wrong, Timestamp(row.get(7)?), now).filter(|_| key.is_none());
        Ok(Approver {
            name: row.get(0)?,
            key,
            phone: row.get(2)?,
            added: Timestamp(row.get(3)?),
            by: row.get(4)?,
            approved_by: row.get(5)?,
            wrong,
            paused_until,
        })
    };
    statement.query_map([], approver)?.collect()
}

/// The first half of a key that is made with the first approver.
pub(super) fn identity(db: &Connection) -> rusqlite::Result<Option<[u8; 16]>> {
    db.prepare_cached("SELECT substr(bytes, 1, 16) FROM key WHERE name = ?1")?
        .query_row([IDENTITY], |row| row.get(0))
        .optional()
}

/// Gives the ledger another identity in challenges, and uses up the codes of now: what was a yes to the ledger
/// that it was copied from is none here.
pub(super) fn make_own(db: &Connection, now: Timestamp) -> JobResult<()> {
    for key in [IDENTITY, super::word::KEY] {
        db.execute("UPDATE key SET bytes = randomblob(32) WHERE name = ?1", [key])?;
    }
    // A step ahead: a phone's clock may be.
    let step = now.as_millis() / 30_000 + 1;
    db.execute(
        "UPDATE approver SET used_step = max(coalesce(used_step, ?1), ?1) WHERE secret IS NOT NULL",
        [step],
    )?;
    Ok(())
}

fn count(db: &Connection) -> rusqlite::Result<u32> {
    db.query_row("SELECT count(*) FROM approver", [], |row| row.get(0))
}

fn add(db: &Connection, new: &NewApprover) -> Business<()> {
    let NewApprover { name, credential, phone, act, forward } = new;
    if act.approver.is_none() && count(db)? > 0 {
        return Ok(Err(Error::new(
            ErrorKind::NotSupported,
            "somebody else became the first approver meanwhile, and has to approve this one",
        )
        .next("Nobody was added. Run it again, and give that approver's proof.")));
    }
    let is_there =
        |sql: &str, value: &str| db.query_row(sql, [value], |row| row.get::<_, String>(0)).optional();
    if is_there("SELECT name FROM approver WHERE name = ?1", name)?.is_some() {
        return Ok(Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("there is an approver called {name}"),
        )
        .next(
            "Nobody was added. `sms-mcp approver list` shows them; take another name, or remove that one.",
        )));
    }
    let (key, secret, used) = match credential {
        Credential::Key(line) => (Some(line), None, None),
        Credential::Codes { secret, used } => (None, Some(secret), *used),
    };
    if let Some(line) = key
        && let Some(other) = is_there("SELECT name FROM approver WHERE public_key = ?1", line)?
    {
        return Ok(Err(Error::new(ErrorKind::InvalidArgument, format!("this is the key of {other}"))
            .next("Nobody was added. Each approver has a key of their own.")));
    }
    db.execute(
        "INSERT INTO key (name, bytes) VALUES (?1, randomblob(32)) ON CONFLICT DO NOTHING",
        [IDENTITY],
    )?;
    db.execute(
        "INSERT INTO approver (name, public_key, secret, phone, added_ms, added_by, approved_by, used_step) VALUES \
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![name, key, secret, phone, act.at.as_millis(), act.who, act.approver, used],
    )?;
    note_act(db, act)?;
    if let Some(proves) = forward {
        outbox::add(db, &events::of_approver(name, Some(proves), act))?;
    }
    Ok(Ok(()))
}

fn remove(db: &Connection, name: &str, act: &Act, forward: bool) -> Business<u32> {
    if db.execute("DELETE FROM approver WHERE name = ?1", [name])? == 0 {
        return Ok(Err(Error::new(ErrorKind::NotFound, format!("nobody called {name} is an approver"))
            .next("Nothing was changed. `sms-mcp approver list` shows who is.")));
    }
    note_act(db, act)?;
    if forward {
        outbox::add(db, &events::of_approver(name, None, act))?;
    }
    Ok(Ok(count(db)?))
}

/// An approver's row, as a proof needs it.
struct Held {
    credential: Credential,
    wrong: u32,
    paused_until: Timestamp,
}

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    let credential = match row.get::<_, Option<String>>(0)? {
        Some(line) => Credential::Key(line),
        None => Credential::Codes { secret: row.get(1)?, used: row.get(2)? },
    };
    Ok(Held { credential, wrong: row.get(3)?, paused_until: Timestamp(row.get(4)?) })
}

fn take(db: &Connection, proof: &ProofTry) -> JobResult<Taken> {
    let ProofTry { approver, judge, now, .. } = proof;
    let found = db
        .prepare_cached(
            "SELECT public_key, secret, used_step, wrong, paused_until_ms FROM approver WHERE name = ?1",
        )?
        .query_row([approver], held)
        .optional()?;
    let Some(Held { credential, wrong, paused_until }) = found else { return Ok(Taken::Nobody) };
    let has_codes = matches!(credential, Credential::Codes { .. });
    if let Some(until) = tries::paused_until(wrong, paused_until, *now).filter(|_| has_codes) {
        return Ok(Taken::Paused(until));
    }
    let why = match judge(&credential) {
        Judged::Right(step) => return right(db, proof, step),
        Judged::Used => return Ok(Taken::Used),
        Judged::Wrong(why) => why,
    };
    let wrong = wrong.saturating_add(1);
    let until = now.plus_ms(tries::pause_ms(wrong));
    db.prepare_cached("UPDATE approver SET wrong = ?2, paused_until_ms = ?3 WHERE name = ?1")?
        .execute(params![approver, wrong, until.as_millis()])?;
    Ok(Taken::Wrong {
        why,
        left: has_codes.then(|| FREE_TRIES.saturating_sub(wrong)),
        paused_until: (has_codes && until > *now).then_some(until),
    })
}

/// Uses up a right proof, unless another process has done so.
fn right(db: &Connection, proof: &ProofTry, step: Option<i64>) -> JobResult<Taken> {
    let ProofTry { approver, nonce, now, act, .. } = proof;
    if let Some(nonce) = nonce {
        let is_new = db
            .prepare_cached(
                "INSERT INTO used_nonce (nonce, at_ms, approver) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            )?
            .execute(params![nonce, now.as_millis(), approver])?;
        if is_new == 0 {
            return Ok(Taken::Used);
        }
    }
    db.prepare_cached(
        "UPDATE approver SET wrong = 0, paused_until_ms = 0, used_step = coalesce(?2, used_step) WHERE name = ?1",
    )?
    .execute(params![approver, step])?;
    if let Some(act) = act {
        note_act(db, act)?;
    }
    Ok(Taken::Right)
}
