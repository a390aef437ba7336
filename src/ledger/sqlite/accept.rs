//! A ledger in doubt, taken as it is by a person: what it had not sent may have been sent, what the mark
//! knows is taken over, and both get a new identity, so that no other copy of either is taken for them.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::approver;
use super::budget::{IS_LIVE, scope_number};
use super::job::{JobResult, Kind};
use super::mark::{Cover, Key, Outside, apply, fresh_identity, used};
use super::recover::put_back;
use super::states::{IS_OPEN, sql};
use super::store::SqliteLedger;
use super::withdraw::take_as_accepted;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::mark::{Accepted, Outlook, Why};
use crate::sms::facts::{BudgetKey, Scope};
use crate::sms::message::Realm;

/// What is said of a message that had not ended in a ledger in doubt.
const IN_DOUBT: &str = "the ledger was in doubt when a person accepted it, and this may have left before";

/// What the sandbox carries is not in doubt.
const LIVE: &str = "NOT sandbox";

impl SqliteLedger {
    /// What taking this ledger as it is would do; nothing where it is in no doubt.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn outlook(&self) -> Result<Option<Outlook>> {
        let mark = std::sync::Arc::clone(&self.mark);
        self.writer()?
            .run_as(Kind::Aside, move |db| {
                mark.known_outside(db)?.map(|outside| outlook(db, outside)).transpose()
            })
            .await
    }

    /// Takes this ledger as it is, by the word of the person `who`. What had not ended is unknown from then
    /// on. Where nothing outside knows what was spent, the budget of everything is frozen, that of `currency`
    /// in any case.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where it is in no doubt, or in another one than what was `seen`;
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn accept(
        &self,
        seen: &Outlook,
        who: &str,
        currency: &str,
        now: Timestamp,
    ) -> Result<Accepted> {
        let (mark, seen, who, currency) =
            (std::sync::Arc::clone(&self.mark), seen.doubt.why, who.to_owned(), currency.to_owned());
        let identity = fresh_identity()?;
        self.has_texts.store(true, std::sync::atomic::Ordering::Relaxed);
        let accepting = move |db: &Connection| match mark.known_outside(db)? {
            Some(outside) if outside.doubt.why == seen => {
                let identity = Some(identity.as_str()).filter(|_| seen != Why::Unkept);
                accept(db, &outside, (&who, identity), &currency, now).map(Some)
            }
            _ => Ok(None),
        };
        let accepted = self.writer()?.run_as(Kind::Aside, accepting).await?;
        let changed = || {
            Error::new(
                ErrorKind::InvalidArgument,
                "the ledger is not in this doubt any more; nothing was changed",
            )
        };
        let accepted = accepted.ok_or_else(|| changed().next("Run it again, and look what it says."))?;
        let mark = std::sync::Arc::clone(&self.mark);
        self.read(move |db| Ok(mark.make_anew(db))).await??;
        Ok(accepted)
    }
}

fn outlook(db: &Connection, outside: Outside) -> JobResult<Outlook> {
    let open =
        db.query_row(sql!("SELECT count(*) FROM message WHERE {IS_OPEN} AND {LIVE}"), [], |row| row.get(0))?;
    let mut is_out = db.prepare(
        "SELECT EXISTS (SELECT 1 FROM opt_out WHERE number = ?1)
             OR EXISTS (SELECT 1 FROM pending WHERE provider || ' ' || sender = ?1 AND wish = 0 AND \
             settled_ms IS NULL)",
    )?;
    let mut opt_outs = 0;
    for wish in outside.wishes.iter().filter(|wish| wish.is_out) {
        opt_outs += u32::from(!is_out.query_row([&wish.number], |row| row.get::<_, bool>(0))?);
    }
    let mut budgets = 0;
    for cover in &outside.covers {
        budgets += u32::from(short_of(db, cover)?.is_some());
    }
    let pending =
        db.query_row("SELECT count(*) FROM pending WHERE settled_ms IS NULL", [], |row| row.get(0))?;
    Ok(Outlook { doubt: outside.doubt, open, opt_outs, budgets, pending, is_mark_gone: outside.is_gone })
}

fn accept(
    db: &Connection,
    outside: &Outside,
    (who, identity): (&str, Option<&str>),
    currency: &str,
    now: Timestamp,
) -> JobResult<Accepted> {
    take_as_accepted(db, LIVE)?;
    let mut accepted = Accepted { unknown: put_back(db, now, LIVE, IN_DOUBT)?, ..Accepted::default() };
    accepted.opt_outs = apply(db, &outside.wishes)?;
    for cover in &outside.covers {
        accepted.budgets += u32::from(cover_by(db, cover)?);
    }
    lose_keys(db, &outside.keys)?;
    approver::make_own(db, now)?;
    if outside.is_gone {
        accepted.is_frozen = true;
        db.execute(
            "INSERT INTO budget (key, scope) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![BudgetKey::total(currency, Realm::Live).as_str(), scope_number(Scope::Total)],
        )?;
        // Every send has to fit in it.
        db.execute(
            sql!("UPDATE budget SET frozen = 1 WHERE scope = ?1 AND {IS_LIVE}"),
            [scope_number(Scope::Total)],
        )?;
    }
    db.execute(
        "INSERT INTO acceptance (at_ms, who, why, identity, since_ms, unknown, opt_outs, budgets, is_frozen)
         VALUES (?1, ?2, ?3, (SELECT identity FROM mark), ?4, ?5, ?6, ?7, ?8)",
        params![
            now.as_millis(),
            who,
            outside.doubt.message,
            outside.doubt.ledger_at.map(Timestamp::as_millis),
            accepted.unknown,
            accepted.opt_outs,
            accepted.budgets,
            accepted.is_frozen
        ],
    )?;
    db.execute(
        "UPDATE mark SET identity = ?1, count = count + 1, at_ms = ?2, is_behind = 0",
        params![identity, now.as_millis()],
    )?;
    Ok(accepted)
}

/// Keeps the keys that were used and are not in this ledger.
fn lose_keys(db: &Connection, keys: &[Key]) -> JobResult<()> {
    let own: HashSet<Key> = used(db)?.into_iter().collect();
    let mut lose = db.prepare("INSERT INTO lost_key (digest) VALUES (?1) ON CONFLICT DO NOTHING")?;
    keys.iter().filter(|key| !own.contains(key)).try_for_each(|key| lose.execute([key.octets()]).map(drop))
}

/// What a budget lacks of what the mark knows: money and messages; nothing where it lacks neither.
fn short_of(db: &Connection, cover: &Cover) -> JobResult<Option<(i64, i64)>> {
    let used = db
        .prepare_cached("SELECT held_micros + spent_micros, messages FROM budget WHERE key = ?1")?
        .query_row([&cover.key], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let (micros, messages) = used.unwrap_or_default();
    let short = ((cover.used_micros - micros).max(0), (cover.messages - messages).max(0));
    Ok(Some(short).filter(|short| *short != (0, 0)))
}

/// Lets a budget have used as much as the mark knows. What it lacks is spent: nobody can tell for which
/// messages it is held.
fn cover_by(db: &Connection, cover: &Cover) -> JobResult<bool> {
    let short = short_of(db, cover)?;
    if let Some((micros, messages)) = short {
        db.execute(
            "INSERT INTO budget (key, scope) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            params![cover.key, cover.scope],
        )?;
        db.execute(
            "UPDATE budget SET spent_micros = spent_micros + ?2, messages = messages + ?3,
                    limit_micros = max(limit_micros, held_micros + spent_micros + ?2), limit_messages = \
                    max(limit_messages, messages + ?3)
             WHERE key = ?1",
            params![cover.key, micros, messages],
        )?;
    }
    if cover.is_frozen {
        db.execute("UPDATE budget SET frozen = 1 WHERE key = ?1", [&cover.key])?;
    }
    Ok(short.is_some())
}
