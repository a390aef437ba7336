//! Taking a send: facts, decision, money and intent in one transaction.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::days::{Ids, Path};
use super::facts;
use super::group::Group;
use super::job::{Business, JobResult, business};
use super::mark::{Key, Mark};
use super::proposal::{batch_report, propose};
use super::rehearsal::rehearse;
use super::row::target_from;
use super::sealed;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, RefusedRecipient};
use crate::ledger::rules::choose::{Chosen, Held, Taken, Today, choose};
use crate::ledger::rules::history::step;
use crate::ledger::rules::pace::Pace;
use crate::ledger::rules::path::path;
use crate::ledger::rules::window;
use crate::ledger::{Decide, Draft, Intent, Reservation};
use crate::sms::facts::Facts;
use crate::sms::message::{Realm, State};
use crate::sms::peer::Peer;

/// How exact it is when a key was used last.
const DAY_MS: i64 = 24 * 3_600_000;

pub(super) fn earlier_intent(db: &Connection, intent: &Intent) -> JobResult<Option<Reservation>> {
    let Some(key) = &intent.idempotency else { return Ok(None) };
    let (principal, is_sandbox, now) =
        (&intent.payer.principal, intent.payer.realm.is_sandbox(), intent.now.as_millis());
    let found: Option<(Vec<u8>, String)> = db
        .prepare_cached(
            "SELECT fingerprint, target FROM idempotency WHERE principal = ?1 AND sandbox = ?3 AND key = ?2",
        )?
        .query_row(params![principal, key.key, is_sandbox], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((fingerprint, target)) = found else { return Ok(None) };
    if fingerprint != key.fingerprint {
        return Ok(Some(Reservation::Conflict));
    }
    if !intent.preview {
        // A key is kept for as long as it is in use, and so is what it stands for.
        db.prepare_cached(
            "UPDATE idempotency SET used_ms = ?4 WHERE principal = ?1 AND sandbox = ?3 AND \
            key = ?2 AND used_ms < ?4 - ?5",
        )?
        .execute(params![principal, key.key, is_sandbox, now, DAY_MS])?;
    }
    Ok(Some(Reservation::Replay(target_from(target))))
}

/// Refuses a key that was used in a ledger that was lost.
pub(super) fn key_is_free(db: &Connection, intent: &Intent, mark: &Mark) -> Business<()> {
    if let Some(key) = Key::of(intent).filter(|_| intent.payer.realm == Realm::Live)
        && mark.is_lost(db, key)?
    {
        return Ok(Err(Error::new(
            ErrorKind::OutcomeUnknown,
            "this idempotency_key was used before, and what became of it is in a ledger that was lost",
        )));
    }
    Ok(Ok(()))
}

/// See [`crate::ledger::facets::Intents::reserve`].
pub(super) fn reserve(
    group: &mut Group<'_>,
    owner: i64,
    intent: &Intent,
    peers: &Arc<[Peer]>,
    decide: &Decide,
    mark: &Mark,
) -> Business<Reservation> {
    let db = group.beside();
    if let Some(earlier) = earlier_intent(db, intent)? {
        return Ok(Ok(earlier));
    }
    let key = Key::of(intent).filter(|_| intent.payer.realm == Realm::Live);
    if intent.payer.realm == Realm::Live {
        business!(mark.check());
    }
    business!(key_is_free(db, intent, mark)?);
    let mut found = business!(group.sessions(&intent.payer, intent.now)?);
    if !intent.preview {
        group.touch(&intent.payer, &found, intent.now)?;
    }
    let today = intent.now.utc_day();
    let rows = group.look(path(&intent.payer, &today, std::mem::take(&mut found.parts), peers))?;
    let mut rows = Path::of(today, rows);
    let mut pace = group.pace(intent.payer.realm, intent.now, intent.per_second, peers)?;
    business!(pace.check_clock());
    let budgets = rows.budgets();
    let mut facts =
        Facts { budgets, rate_wait_ms: pace.wait_ms(), peers: Arc::clone(peers), ..Facts::default() };
    facts::of_principal(db, intent, &mut facts)?;
    let look_up = |draft: &Draft, facts: &mut Facts| facts::look_up(db, intent, draft, facts);
    let day = rows.day().to_owned();
    let on_day = |day: &str| rows.on(day, (&intent.payer, peers), |parts| group.look(parts));
    let today = Today { day: &day, before: Held::default() };
    let mut chosen = business!(choose(&intent.drafts, today, facts, decide, look_up, on_day)?);
    chosen.ask_together(None);
    let is_none = chosen.is_none(intent.all_or_none);
    let Chosen { taken, refused, doubts, waiting, until_ms, asked, .. } = chosen;
    if is_none {
        return Ok(Ok(Reservation::Refused { refused, budgets: rows.budgets() }));
    }
    if intent.preview {
        let budgets = rows.budgets();
        // In a group of its own, which is undone with it.
        let db = group.alone()?;
        let rehearsed = |group: &mut Group<'_>| {
            group.touch(&intent.payer, &found, intent.now)?;
            take(group, owner, intent, (&taken, &refused), (&mut rows, &mut pace))
        };
        rehearse(db, || Group::over(db, rehearsed))?;
        return Ok(Ok(Reservation::Taken { refused, doubts, waiting, until_ms, asked, budgets }));
    }
    take(group, owner, intent, (&taken, &refused), (&mut rows, &mut pace))?;
    if intent.payer.realm == Realm::Live {
        let each_micros = taken.iter().map(|taken| taken.draft.hold_micros).max().unwrap_or(0);
        rows.cover(mark, each_micros);
        key.into_iter().for_each(|key| mark.use_key(key));
    }
    Ok(Ok(Reservation::Taken { refused, doubts, waiting, until_ms, asked, budgets: rows.budgets() }))
}

/// Holds the money of what was decided on, counts it, and writes it. From here on nothing is refused: what
/// fails is the ledger.
fn take(
    group: &mut Group<'_>,
    owner: i64,
    intent: &Intent,
    (taken, refused): (&[Taken<'_>], &[(usize, Error)]),
    (rows, pace): (&mut Path, &mut Pace),
) -> JobResult<()> {
    let budgets = rows.hold(group, taken)?;
    leave_now(group, intent, taken, pace);
    write(group.beside(), owner, intent, taken, refused, &budgets)
}

/// Counts what leaves without a claim: a single message, or a campaign in its one request.
fn leave_now(group: &mut Group<'_>, intent: &Intent, taken: &[Taken<'_>], pace: &mut Pace) {
    let leaving: Vec<&Draft> = taken.iter().filter(|taken| taken.is_now()).map(|taken| taken.draft).collect();
    if leaving.is_empty() {
        return;
    }
    match (&intent.batch, intent.is_campaign) {
        (Some(_), false) => return,
        (Some(_), true) => pace.take_what_there_is(u32::try_from(leaving.len()).unwrap_or(u32::MAX)),
        (None, _) => pace.take(1),
    }
    group.keep_pace(intent.payer.realm, pace);
    if let Some(rated) = leaving.iter().find(|draft| draft.rated_requests > 0) {
        group.count(&window::name(&rated.provider, intent.payer.realm), intent.now, rated.rated_requests);
    }
}

fn refusal(draft: &Draft, error: &Error) -> RefusedRecipient {
    RefusedRecipient {
        to: draft.to.clone(),
        code: error.kind().to_string(),
        message: error.message().to_owned(),
    }
}

/// What a bulk's row says of those who were refused.
pub(super) fn report<'a>(
    drafts: &'a [Draft],
    refused: &'a [(usize, Error)],
) -> impl Iterator<Item = RefusedRecipient> + 'a {
    refused.iter().filter_map(|(index, error)| Some(refusal(drafts.get(*index)?, error)))
}

/// Writes the intent: its key, its batch, its messages, each in its first state.
fn write(
    db: &Connection,
    owner: i64,
    intent: &Intent,
    taken: &[Taken<'_>],
    refused: &[(usize, Error)],
    budgets: &Ids,
) -> JobResult<()> {
    let now = intent.now.as_millis();
    let principal = &intent.payer.principal;
    let (state, batch) = match &intent.batch {
        None => (State::Attempting, None),
        Some(batch) => {
            let refused: Vec<RefusedRecipient> =
                batch.refused.iter().cloned().chain(report(&intent.drafts, refused)).collect();
            let is_asked = taken.iter().any(|taken| taken.asks().is_some());
            let report = batch_report(db, intent, &refused, is_asked)?;
            db.prepare_cached(
                "INSERT INTO batch (id, principal, created_ms, report) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![batch.id.as_str(), principal, now, report])?;
            (if intent.is_campaign { State::Attempting } else { State::Queued }, Some(db.last_insert_rowid()))
        }
    };
    if let Some(key) = &intent.idempotency {
        let target = match (&intent.batch, taken.first()) {
            (Some(batch), _) => batch.id.as_str(),
            (None, Some(taken)) => taken.draft.id.as_str(),
            (None, None) => return Ok(()),
        };
        db.prepare_cached(
            "INSERT INTO idempotency (principal, key, fingerprint, target, sandbox, used_ms) \
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            principal,
            key.key,
            key.fingerprint,
            target,
            intent.payer.realm.is_sandbox(),
            now
        ])?;
    }
    insert(db, owner, intent, taken, &Lines { batch, state, budgets })?;
    match taken.iter().find_map(Taken::asks) {
        Some(why) => {
            let message = taken.first().map(|taken| &taken.draft.id).filter(|_| batch.is_none());
            propose(db, intent, (message, batch), why)
        }
        None => Ok(()),
    }
}

/// What the messages of an intent have in common.
pub(super) struct Lines<'a> {
    pub(super) batch: Option<i64>,
    /// Their first state.
    pub(super) state: State,
    /// The budgets that hold their money.
    pub(super) budgets: &'a Ids,
}

/// Writes messages, each in its first state.
pub(super) fn insert(
    db: &Connection,
    owner: i64,
    intent: &Intent,
    taken: &[Taken<'_>],
    lines: &Lines<'_>,
) -> JobResult<()> {
    let &Lines { batch, state, budgets } = lines;
    let now = intent.now.as_millis();
    let principal = &intent.payer.principal;
    let mut message = db.prepare_cached(
        "INSERT INTO message (id, principal, batch, recipient, sender, text, keep_text, digest, encoding, \
         segments, state, provider, created_ms, changed_ms,
                              held_micros, currency, budgets, owner, history, forward, request, sandbox, \
         price_assumed, folded, due_ms, purpose, deliver_by_ms, asked_micros)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14, ?15, ?16, ?17, ?18, ?19, \
         ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)",
    )?;
    let request = batch.filter(|_| intent.is_campaign).map(i64::wrapping_neg);
    let key = if !intent.keep_texts && taken.iter().any(|taken| taken.enters(state).0.waits()) {
        Some(sealed::key_for(db, intent.preview)?)
    } else {
        None
    };
    for taken in taken {
        let draft = taken.draft;
        let (state, due, why) = taken.enters(state);
        // What leaves now is never sent again, so its text is only written to be kept.
        let text = sealed::to_write(
            &draft.text,
            draft.id.as_str(),
            intent.keep_texts,
            key.as_ref().filter(|_| state.waits()),
        )?;
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
            budgets.on(taken.day.as_deref()),
            // What waits for its time or for a person is no process's.
            Some(owner).filter(|_| !state.is_planned()),
            step(state, intent.now, why),
            intent.forward,
            request.filter(|_| !state.is_planned()),
            intent.payer.realm.is_sandbox(),
            draft.is_assumed,
            draft.folded,
            due.map(Timestamp::as_millis),
            draft.purpose.number(),
            taken.verdict.by_ms(),
            taken.asks().map(|_| draft.hold_micros)
        ])?;
    }
    Ok(())
}
