//! One-time words that approvers were texted.

use async_trait::async_trait;
use ring::hmac;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::job::JobResult;
use super::proposal::decide;
use super::store::SqliteLedger;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::proposals::{Decided, Deciding, Taken};
use crate::ledger::rules::tries;
use crate::ledger::words::{NewWord, Verbs, WordTaken, WordTry, Words, act};
use crate::sms::message::ProposalId;

/// The name of the key under which words are hashed: whoever reads the rows alone learns no word of them.
pub(super) const KEY: &str = "approval-word";

/// How long a word is known after it was texted, in milliseconds: a proposal is over long before.
const KNOWN_MS: i64 = 30 * 24 * 3_600_000;

#[async_trait]
impl Words for SqliteLedger {
    async fn keep_word(&self, new: NewWord) -> Result<()> {
        self.writer()?.run(move |db| keep(db, &new)).await
    }

    async fn forget_word(&self, word: String) -> Result<()> {
        self.writer()?.run(move |db| forget(db, &word)).await
    }

    async fn decide_by_word(&self, tried: WordTry, verbs: Verbs) -> Result<WordTaken> {
        self.writer()?.run(move |db| take(db, &tried, &verbs)).await
    }
}

fn hash(db: &Connection, word: &str) -> JobResult<Vec<u8>> {
    db.prepare_cached("INSERT INTO key (name, bytes) VALUES (?1, randomblob(32)) ON CONFLICT DO NOTHING")?
        .execute([KEY])?;
    let key: [u8; 32] =
        db.prepare_cached("SELECT bytes FROM key WHERE name = ?1")?.query_row([KEY], |row| row.get(0))?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    Ok(hmac::sign(&key, word.as_bytes()).as_ref().to_vec())
}

fn keep(db: &Connection, new: &NewWord) -> JobResult<()> {
    let NewWord { word, proposal, digest, approver, phone, provider, at } = new;
    db.prepare_cached("DELETE FROM approval_word WHERE made_ms < ?1")?
        .execute([at.plus_ms(-KNOWN_MS).as_millis()])?;
    db.prepare_cached(
        "INSERT INTO approval_word (hash, proposal, digest, approver, phone, provider, made_ms) VALUES (?1, ?2, ?3, \
         ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        hash(db, word)?,
        proposal.as_str(),
        digest,
        approver,
        phone,
        provider,
        at.as_millis()
    ])?;
    Ok(())
}

fn forget(db: &Connection, word: &str) -> JobResult<()> {
    db.prepare_cached("DELETE FROM approval_word WHERE hash = ?1")?.execute([hash(db, word)?])?;
    Ok(())
}

/// The word as it is on record.
struct Kept {
    proposal: ProposalId,
    digest: [u8; 32],
    approver: String,
    is_used: bool,
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        proposal: ProposalId::from_text(row.get::<_, String>(0)?),
        digest: row.get(1)?,
        approver: row.get(2)?,
        is_used: row.get(3)?,
    })
}

fn take(db: &Connection, tried: &WordTry, verbs: &Verbs) -> JobResult<WordTaken> {
    let WordTry { word, yes, phone, provider, now } = tried;
    let tries: Option<(u32, i64)> = db
        .prepare_cached("SELECT max(word_wrong), max(word_paused_until_ms) FROM approver WHERE phone = ?1 HAVING count(*) > 0")?
        .query_row([phone], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((wrong, until)) = tries else { return Ok(WordTaken::Nobody) };
    if let Some(until) = tries::paused_until(wrong, Timestamp(until), *now) {
        return Ok(WordTaken::Paused(until));
    }
    let hash = hash(db, word)?;
    // Whoever has it must still be an approver, with this phone.
    let found = db
        .prepare_cached(
            "SELECT proposal, digest, approver, used_ms IS NOT NULL FROM approval_word w WHERE hash = ?1 AND phone = \
             ?2 AND provider = ?3 AND EXISTS (SELECT 1 FROM approver a WHERE a.name = w.approver AND a.phone = \
             w.phone)",
        )?
        .query_row(params![hash, phone, provider], kept)
        .optional()?;
    let Some(kept) = found else { return count_wrong(db, phone, wrong, *now) };
    if kept.is_used {
        return Ok(WordTaken::Over);
    }
    let act = act(verbs, tried, &kept.approver, &kept.proposal);
    let deciding = Deciding { id: kept.proposal.clone(), yes: yes.then_some(kept.digest), why: None, act };
    if decide(db, &deciding)? != Taken::Done {
        return Ok(WordTaken::Over);
    }
    db.prepare_cached("UPDATE approval_word SET used_ms = ?2 WHERE hash = ?1")?
        .execute(params![hash, now.as_millis()])?;
    set_tries(db, phone, 0, Timestamp(0))?;
    Ok(WordTaken::Decided {
        proposal: kept.proposal,
        approver: kept.approver,
        decided: if *yes { Decided::Approved } else { Decided::Refused },
    })
}

fn count_wrong(db: &Connection, phone: &str, wrong: u32, now: Timestamp) -> JobResult<WordTaken> {
    let wrong = wrong.saturating_add(1);
    let until = now.plus_ms(tries::pause_ms(wrong));
    set_tries(db, phone, wrong, until)?;
    Ok(WordTaken::Wrong { paused_until: Some(until).filter(|until| *until > now) })
}

/// The tries are the phone's: whoever has it may be several approvers.
fn set_tries(db: &Connection, phone: &str, wrong: u32, until: Timestamp) -> JobResult<()> {
    db.prepare_cached("UPDATE approver SET word_wrong = ?2, word_paused_until_ms = ?3 WHERE phone = ?1")?
        .execute(params![phone, wrong, until.as_millis()])?;
    Ok(())
}
