//! Proposals: what waits for a person, the decision, and how its messages go on by it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::account::note_act;
use super::budget::{BUDGET_COLUMNS, budget_from};
use super::group::Group;
use super::job::JobResult;
use super::outbox;
use super::row::{COLUMNS, record_from};
use super::sealed;
use super::states::{IS_EXPIRED, IS_PROPOSED, IS_SCHEDULED, IS_TO, MAY_BE_ON_RECORD, sql};
use super::store::SqliteLedger;
use super::transition::{OPEN_COLUMNS, Open, Step, advance_and_post, open_from};
use crate::clock::Timestamp;
use crate::error::{ErrorKind, RefusedRecipient, Result};
use crate::ledger::proposals::{
    Decided, Deciding, Decision, NewProposal, Proposal, Proposals, SWEPT_AT_ONCE, Taken,
};
use crate::ledger::rules::events;
use crate::ledger::rules::history::step;
use crate::ledger::{BatchDraft, Intent, Record};
use crate::sms::facts::{Budget, Scope, Sum};
use crate::sms::message::{MessageId, ProposalId, Realm, State};

const HOUR_MS: i64 = 3_600_000;

/// Most messages of an agent that are looked at for what it sent lately.
const MOST_LATELY: i64 = 100_000;

#[async_trait]
impl Proposals for SqliteLedger {
    async fn proposals(&self, now: Timestamp, most: u32) -> Result<Vec<Proposal>> {
        self.read(move |db| {
            let sql = sql!(
                "SELECT {} FROM proposal p WHERE decision IS NULL AND expires_ms > ?1 AND EXISTS \
                 (SELECT 1 FROM message m WHERE {OF_IT} AND {}) ORDER BY seq LIMIT ?2",
                proposal_columns(),
                IS_PROPOSED.of("m.")
            );
            db.prepare_cached(sql)?.query_map(params![now.as_millis(), most], proposal_from)?.collect()
        })
        .await
    }

    async fn proposal(&self, id: &str) -> Result<Option<Proposal>> {
        let id = id.to_owned();
        self.read(move |db| {
            db.prepare_cached(sql!(
                "SELECT {} FROM proposal p WHERE id = ?1 OR message = (SELECT seq FROM message WHERE id = ?1) OR \
                 batch = (SELECT seq FROM batch WHERE id = ?1)",
                proposal_columns()
            ))?
            .query_row([id], proposal_from)
            .optional()
        })
        .await
    }

    async fn proposed(&self, id: &ProposalId, after: i64, most: u32) -> Result<Vec<Record>> {
        let id = id.to_string();
        self.read(move |db| {
            let Some((message, batch)) = target(db, &id)? else { return Ok(Vec::new()) };
            db.prepare_cached(sql!(
                "SELECT {COLUMNS} FROM message WHERE (seq = ?1 OR batch = ?2) AND seq > ?3 ORDER BY seq LIMIT ?4"
            ))?
            .query_map(params![message, batch, after, most], record_from)?
            .collect()
        })
        .await
    }

    async fn digest_of(&self, id: &ProposalId) -> Result<Option<[u8; 32]>> {
        let id = id.to_string();
        self.read(move |db| digest_of(db, &id)).await
    }

    async fn budgets_of(&self, id: &ProposalId) -> Result<Vec<Budget>> {
        let id = id.to_string();
        self.read(move |db| budgets_of(db, &id)).await
    }

    async fn template_of(&self, id: &ProposalId) -> Result<Option<String>> {
        let id = id.to_string();
        self.read(move |db| {
            let found = db
                .prepare_cached(
                    "SELECT b.report, b.id, (SELECT key FROM text_key) FROM proposal p JOIN batch b ON b.seq = \
                     p.batch WHERE p.id = ?1",
                )?
                .query_row([id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?)))
                .optional()?;
            Ok(found.and_then(|(report, batch, key)| template_in(&report, &batch, &key)))
        })
        .await
    }

    async fn has_texted(&self, principal: &str, realm: Realm, to: &str) -> Result<bool> {
        let (principal, to) = (principal.to_owned(), to.to_owned());
        self.read(move |db| has_texted(db, &principal, realm, &to)).await
    }

    async fn decide(&self, deciding: Deciding) -> Result<Taken> {
        self.writer()?.run(move |db| decide(db, &deciding)).await
    }

    async fn use_round(&self, id: &ProposalId) -> Result<bool> {
        let id = id.to_string();
        self.writer()?
            .run(move |db| {
                let used = db
                    .prepare_cached("UPDATE proposal SET round_used = 1 WHERE id = ?1 AND NOT round_used")?
                    .execute([&id])?;
                Ok(used == 1)
            })
            .await
    }

    async fn expire_proposals(&self, now: Timestamp) -> Result<u32> {
        let is_any = move |db: &Connection| {
            db.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM proposal WHERE decision IS NULL AND expires_ms <= ?1)",
            )?
            .query_row([now.as_millis()], |row| row.get::<_, bool>(0))
        };
        if !self.read(is_any).await? {
            return Ok(0);
        }
        self.writer()?.run(move |db| expire(db, now)).await
    }

    async fn sweep_proposals(&self, now: Timestamp) -> Result<Vec<MessageId>> {
        let is_any = |db: &Connection| {
            db.prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM proposal WHERE decision IS NOT NULL AND NOT swept)",
            )?
            .query_row([], |row| row.get::<_, bool>(0))
        };
        if !self.read(is_any).await? {
            return Ok(Vec::new());
        }
        self.writer()?.run(move |db| sweep(db, now)).await
    }
}

/// The messages `m` of a proposal `p`.
const OF_IT: &str = "(m.seq = p.message OR m.batch = p.batch)";

/// The columns that [`proposal_from`] reads.
fn proposal_columns() -> String {
    let waits = IS_PROPOSED.of("m.");
    format!(
        "p.id, p.principal, p.sandbox, coalesce((SELECT id FROM message WHERE seq = p.message), \
         (SELECT id FROM batch WHERE seq = p.batch), ''), p.reasons, p.created_ms, p.expires_ms, p.decision, \
         p.decided_ms, p.decided_by, p.approver, p.why, (SELECT count(*) FROM message m WHERE {OF_IT}), (SELECT \
         count(*) FROM message m WHERE {OF_IT} AND {waits}), (SELECT coalesce(sum(m.held_micros), 0) FROM message m \
         WHERE {OF_IT} AND {waits}), coalesce((SELECT m.currency FROM message m WHERE {OF_IT} LIMIT 1), ''), p.round_used"
    )
}

const fn number_of(decided: Decided) -> i64 {
    match decided {
        Decided::Refused => 0,
        Decided::Approved => 1,
        Decided::Expired => 2,
    }
}

const fn decided_of(number: i64) -> Decided {
    match number {
        1 => Decided::Approved,
        2 => Decided::Expired,
        _ => Decided::Refused,
    }
}

fn proposal_from(row: &Row<'_>) -> rusqlite::Result<Proposal> {
    let decision = match row.get::<_, Option<i64>>(7)? {
        None => None,
        Some(number) => Some(Decision {
            decided: decided_of(number),
            at: Timestamp(row.get(8)?),
            by: row.get(9)?,
            approver: row.get(10)?,
            why: row.get(11)?,
        }),
    };
    Ok(Proposal {
        id: ProposalId::from_text(row.get::<_, String>(0)?),
        principal: row.get(1)?,
        realm: Realm::of(!row.get::<_, bool>(2)?),
        target: row.get(3)?,
        reasons: row.get(4)?,
        created: Timestamp(row.get(5)?),
        expires: Timestamp(row.get(6)?),
        decision,
        messages: row.get(12)?,
        waiting: row.get(13)?,
        held_micros: row.get(14)?,
        currency: row.get(15)?,
        is_round_used: row.get(16)?,
    })
}

/// The single message or the bulk that a proposal is about.
fn target(db: &Connection, id: &str) -> rusqlite::Result<Option<(Option<i64>, Option<i64>)>> {
    db.prepare_cached("SELECT message, batch FROM proposal WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Writes that a person is asked, about what stands in the ledger by now.
pub(super) fn propose(
    db: &Connection,
    intent: &Intent,
    (message, batch): (Option<&MessageId>, Option<i64>),
    reasons: &str,
) -> JobResult<()> {
    let Some(NewProposal { id, expires, page }) = &intent.proposal else {
        return Err(super::job::contradiction("a person is asked, and nobody said how"));
    };
    db.prepare_cached(
        "INSERT INTO proposal (id, principal, sandbox, message, batch, reasons, created_ms, expires_ms, forward) \
         VALUES (?1, ?2, ?3, (SELECT seq FROM message WHERE id = ?4), ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        id.as_str(),
        intent.payer.principal,
        intent.payer.realm.is_sandbox(),
        message.map(MessageId::as_str),
        batch,
        reasons,
        intent.now.as_millis(),
        expires.as_millis(),
        intent.forward
    ])?;
    tell(db, id.as_str(), page.as_deref())
}

/// Tells the operator's own system how a proposal stands, where that is told anything.
fn tell(db: &Connection, id: &str, page: Option<&str>) -> JobResult<()> {
    let (proposal, is_told): (Proposal, bool) = db
        .prepare_cached(sql!("SELECT {}, p.forward FROM proposal p WHERE id = ?1", proposal_columns()))?
        .query_row([id], |row| Ok((proposal_from(row)?, row.get("forward")?)))?;
    if is_told { outbox::add(db, &events::of_proposal(&proposal, page)) } else { Ok(()) }
}

/// What the row of a bulk says of its call: who was named twice, who was refused, and its template where a person
/// is asked, which is sealed where texts are not kept.
pub(super) fn batch_report(
    db: &Connection,
    intent: &Intent,
    refused: &[RefusedRecipient],
    is_asked: bool,
) -> JobResult<String> {
    let Some(BatchDraft { id, duplicates, template, .. }) = &intent.batch else { return Ok(String::new()) };
    let mut report = serde_json::json!({ "duplicates": duplicates, "refused": refused });
    if let Some(template) = template.as_ref().filter(|_| is_asked) {
        let key = if intent.keep_texts { None } else { Some(sealed::key_for(db, intent.preview)?) };
        let written = sealed::to_write(template, id.as_str(), intent.keep_texts, key.as_ref())?;
        if let (Some(written), Some(report)) = (written, report.as_object_mut()) {
            report.insert(TEMPLATE.to_owned(), written.into_owned().into());
        }
    }
    Ok(report.to_string())
}

/// The field of that report with the template.
const TEMPLATE: &str = "template";

fn template_in(report: &str, batch: &str, key: &[u8; 32]) -> Option<String> {
    let report: serde_json::Value = serde_json::from_str(report).ok()?;
    sealed::unseal(report.get(TEMPLATE)?.as_str()?, batch, key)
}

/// See [`Proposals::budgets_of`].
fn budgets_of(db: &Connection, id: &str) -> rusqlite::Result<Vec<Budget>> {
    let Some((message, batch)) = target(db, id)? else { return Ok(Vec::new()) };
    let mut lists = db.prepare_cached(sql!(
        "SELECT DISTINCT budgets FROM message WHERE (seq = ?1 OR batch = ?2) AND {IS_PROPOSED}"
    ))?;
    let mut ids = BTreeSet::new();
    let mut rows = lists.query(params![message, batch])?;
    while let Some(row) = rows.next()? {
        ids.extend(row.get_ref(0)?.as_str()?.split(',').filter_map(|id| id.parse::<i64>().ok()));
    }
    let mut budget = db.prepare_cached(sql!("SELECT {BUDGET_COLUMNS} FROM budget WHERE id = ?1"))?;
    let mut found = Vec::new();
    for id in ids {
        found.extend(budget.query_row([id], budget_from).optional()?.map(|row| row.budget));
    }
    found.retain(|budget| matches!(budget.scope, Scope::Day | Scope::Total));
    Ok(found)
}

/// Has every message of a bulk wait for a person, whatever was decided on the first of them.
pub(super) fn ask_all(db: &Connection, batch: i64, now: Timestamp, why: &str) -> JobResult<()> {
    db.prepare_cached(sql!(
        "UPDATE message SET {IS_PROPOSED}, owner = NULL, asked_micros = held_micros, history = ?2 WHERE batch = ?1 AND NOT \
         ({IS_PROPOSED})"
    ))?
    .execute(params![batch, step(State::Proposed, now, Some(why))])?;
    Ok(())
}

/// See [`Proposals::digest_of`]. Messages that ended meanwhile are among them: whoever said yes to a hundred
/// said yes to ninety-nine of them.
fn digest_of(db: &Connection, id: &str) -> rusqlite::Result<Option<[u8; 32]>> {
    let Some((message, batch)) = target(db, id)? else { return Ok(None) };
    let mut statement = db.prepare_cached(
        "SELECT m.recipient, coalesce(m.sender, ''), m.sender IS NULL, m.digest, m.purpose, m.due_ms, \
         m.deliver_by_ms, m.segments, m.provider, m.sandbox, m.id, m.currency, coalesce(m.asked_micros, -1) FROM \
         message m WHERE m.seq = ?1 OR m.batch = ?2 ORDER BY m.seq",
    )?;
    let mut rows = statement.query(params![message, batch])?;
    let mut digest = Sha256::new();
    let mut put = |part: &[u8]| {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    };
    put(b"sms-mcp proposal 1");
    put(id.as_bytes());
    while let Some(row) = rows.next()? {
        for column in [0, 1, 8, 10, 11] {
            put(row.get::<_, String>(column)?.as_bytes());
        }
        for column in [2, 4, 7, 9] {
            put(&row.get::<_, i64>(column)?.to_be_bytes());
        }
        for column in [5, 6] {
            let time: Option<i64> = row.get(column)?;
            put(&time.map_or_else(Vec::new, |time| time.to_be_bytes().to_vec()));
        }
        put(row.get_ref(3)?.as_blob().unwrap_or_default());
        put(&row.get::<_, i64>(12)?.to_be_bytes());
    }
    Ok(Some(digest.finalize().into()))
}

/// See [`Proposals::has_texted`]. Only what a carrier was handed is a text: nothing that waited, and expired, was
/// taken back or was put back from an older ledger while it did.
pub(super) fn has_texted(db: &Connection, principal: &str, realm: Realm, to: &str) -> rusqlite::Result<bool> {
    db.prepare_cached(sql!(
        "SELECT EXISTS (SELECT 1 FROM message WHERE {IS_TO} AND principal = ?2 AND sandbox = ?3 AND ({MAY_BE_ON_RECORD} \
         OR ({IS_EXPIRED} AND vendor_id IS NOT NULL)))"
    ))?
    .query_row(params![to, principal, realm.is_sandbox()], |row| row.get(0))
}

/// A message that is not of the bulk that is being accepted itself, in parts: `?3` is its id.
const IS_OF_ANOTHER: &str =
    "(batch IS NULL OR batch <> coalesce((SELECT o.seq FROM batch o WHERE o.id = ?3), -1))";

fn own_batch(intent: &Intent) -> Option<&str> {
    intent.batch.as_ref().map(|batch| batch.id.as_str())
}

/// What this principal sent within the last hour without a yes: also what another call is being accepted with.
pub(super) fn lately(db: &Connection, intent: &Intent) -> JobResult<Sum> {
    let mut statement = db.prepare_cached(sql!(
        "SELECT created_ms, coalesce(price_micros, held_micros), asked_micros IS NOT NULL, state, sandbox FROM message WHERE principal \
         = ?1 AND {IS_OF_ANOTHER} ORDER BY seq DESC LIMIT ?2"
    ))?;
    let mut rows = statement.query(params![intent.payer.principal, MOST_LATELY, own_batch(intent)])?;
    let since = intent.now.as_millis().saturating_sub(HOUR_MS);
    let mut sum = Sum::default();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? <= since {
            break;
        }
        let never_left = State::from_number(row.get(3)?).is_some_and(State::never_left);
        let is_asked: bool = row.get(2)?;
        let is_here = row.get::<_, bool>(4)? == intent.payer.realm.is_sandbox();
        if is_here && !is_asked && !never_left {
            sum.add(row.get(1)?);
        }
    }
    Ok(sum)
}

/// What of this principal waits for a person.
pub(super) fn pending(db: &Connection, intent: &Intent) -> JobResult<Sum> {
    let found = db
        .prepare_cached(sql!(
            "SELECT coalesce(sum(held_micros), 0), count(*) FROM message WHERE {IS_PROPOSED} AND principal = ?1 AND \
             sandbox = ?2 AND {IS_OF_ANOTHER}"
        ))?
        .query_row(params![intent.payer.principal, intent.payer.realm.is_sandbox(), own_batch(intent)], |row| {
            Ok(Sum { micros: row.get(0)?, messages: row.get(1)? })
        })?;
    Ok(found)
}

/// See [`Proposals::decide`].
pub(super) fn decide(db: &Connection, deciding: &Deciding) -> JobResult<Taken> {
    let id = deciding.id.as_str();
    let found: Option<Proposal> = db
        .prepare_cached(sql!("SELECT {} FROM proposal p WHERE id = ?1", proposal_columns()))?
        .query_row([id], proposal_from)
        .optional()?;
    let Some(proposal) = found else { return Ok(Taken::Missing) };
    if let Some(decision) = proposal.decision {
        return Ok(Taken::Before(decision.decided));
    }
    if !proposal.is_open(deciding.act.at) {
        return Ok(Taken::Over);
    }
    let decided = match deciding.yes {
        None => Decided::Refused,
        Some(digest) if digest_of(db, id)? == Some(digest) => Decided::Approved,
        Some(_) => return Ok(Taken::Another),
    };
    note_act(db, &deciding.act)?;
    write(db, id, decided, deciding.act.at, Some(deciding))?;
    tell(db, id, None)?;
    Ok(Taken::Done)
}

fn write(
    db: &Connection,
    id: &str,
    decided: Decided,
    at: Timestamp,
    deciding: Option<&Deciding>,
) -> JobResult<()> {
    db.prepare_cached(
        "UPDATE proposal SET decision = ?2, decided_ms = ?3, decided_by = ?4, approver = ?5, why = ?6 WHERE id = ?1 \
         AND decision IS NULL",
    )?
    .execute(params![
        id,
        number_of(decided),
        at.as_millis(),
        deciding.map(|deciding| &deciding.act.who),
        deciding.and_then(|deciding| deciding.act.approver.as_ref()),
        deciding.and_then(|deciding| deciding.why.as_ref()),
    ])?;
    Ok(())
}

/// See [`Proposals::expire_proposals`]. What was taken back is told to nobody.
fn expire(db: &Connection, now: Timestamp) -> JobResult<u32> {
    let mut statement = db.prepare_cached(sql!(
        "SELECT id, EXISTS (SELECT 1 FROM message m WHERE {OF_IT} AND {}) FROM proposal p WHERE decision IS NULL AND \
         expires_ms <= ?1 LIMIT ?2",
        IS_PROPOSED.of("m.")
    ))?;
    let found: Vec<(String, bool)> = statement
        .query_map(params![now.as_millis(), SWEPT_AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut expired = 0;
    for (id, waits) in &found {
        write(db, id, Decided::Expired, now, None)?;
        if *waits {
            tell(db, id, None)?;
            expired += 1;
        }
    }
    Ok(expired)
}

/// See [`Proposals::sweep_proposals`].
fn sweep(db: &Connection, now: Timestamp) -> JobResult<Vec<MessageId>> {
    // Those of which nothing waits have nothing to move.
    db.prepare_cached(sql!(
        "UPDATE proposal AS p SET swept = 1 WHERE decision IS NOT NULL AND NOT swept AND NOT EXISTS (SELECT 1 FROM \
         message m WHERE {OF_IT} AND {})",
        IS_PROPOSED.of("m.")
    ))?
    .execute([])?;
    let found = db
        .prepare_cached(
            "SELECT id, message, batch, decision, why FROM proposal WHERE decision IS NOT NULL AND NOT swept ORDER BY \
             seq LIMIT 1",
        )?
        .query_row([], |row| {
            let target: (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
            Ok((row.get::<_, String>(0)?, target, decided_of(row.get(3)?), row.get::<_, Option<String>>(4)?))
        })
        .optional()?;
    let Some((id, (message, batch), decided, why)) = found else { return Ok(Vec::new()) };
    let mut statement = db.prepare_cached(sql!(
        "SELECT {OPEN_COLUMNS}, id AS own_id FROM message WHERE (seq = ?1 OR batch = ?2) AND {IS_PROPOSED} LIMIT ?3"
    ))?;
    let waiting: Vec<(MessageId, Open)> = statement
        .query_map(params![message, batch, SWEPT_AT_ONCE], |row| {
            Ok((MessageId::from_text(row.get::<_, String>("own_id")?), open_from(row)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    if waiting.len() < usize::try_from(SWEPT_AT_ONCE).unwrap_or(usize::MAX) {
        db.prepare_cached("UPDATE proposal SET swept = 1 WHERE id = ?1")?.execute([&id])?;
    }
    let mut moved = Vec::with_capacity(waiting.len());
    for (message, mut open) in waiting {
        match decided {
            Decided::Approved => go_on(db, open.seq, now)?,
            Decided::Refused | Decided::Expired => {
                let words = why.clone().unwrap_or_else(|| "a person said no".to_owned());
                let ended = if decided == Decided::Refused {
                    Step {
                        code: Some(ErrorKind::ApprovalRefused),
                        ..Step::new(State::Rejected, now, Some(&words))
                    }
                } else {
                    Step {
                        code: Some(ErrorKind::ApprovalExpired),
                        ..Step::new(State::Expired, now, Some("nobody said yes in time"))
                    }
                };
                Group::over(db, |group| advance_and_post(group, &mut open, &ended))?;
            }
        }
        moved.push(message);
    }
    Ok(moved)
}

/// It waits for its time, which may have come: the policy is asked once more then.
fn go_on(db: &Connection, seq: i64, now: Timestamp) -> JobResult<()> {
    let scheduled = step(State::Scheduled, now, Some("a person said yes"));
    db.prepare_cached(sql!(
        "UPDATE message SET {IS_SCHEDULED}, changed_ms = ?2, due_ms = max(coalesce(due_ms, ?2), ?2), history = history || ',' \
         || ?3 WHERE seq = ?1"
    ))?
    .execute(params![seq, now.as_millis(), scheduled])?;
    Ok(())
}
