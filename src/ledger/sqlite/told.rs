//! What carriers tell over the connections that they keep: see [`crate::ledger::told`].

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use super::store::SqliteLedger;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::told::{MOST_TOLD, TOLD_AGAIN_MS, Told};

#[async_trait]
impl Told for SqliteLedger {
    async fn keep_told(&self, provider: &str, texts: Vec<(String, Timestamp)>, now: Timestamp) -> Result<()> {
        let provider = provider.to_owned();
        let owner = self.instance.id();
        self.writer()?.run(move |db| keep_told(db, owner, &provider, &texts, now)).await
    }

    async fn first_told(&self, provider: &str, content: &str) -> Result<Option<Timestamp>> {
        let key = [provider.to_owned(), content.to_owned()];
        self.read(move |db| {
            let mut statement =
                db.prepare_cached("SELECT first_ms FROM told WHERE provider = ?1 AND content = ?2")?;
            statement.query_row(key, |row| row.get(0).map(Timestamp)).optional()
        })
        .await
    }

    async fn forget_told(&self, provider: &str, content: &str) -> Result<()> {
        let key = [provider.to_owned(), content.to_owned()];
        let forget = move |db: &Connection| {
            let [provider, content] = &key;
            db.prepare_cached("DELETE FROM told WHERE provider = ?1 AND content = ?2")?
                .execute([provider, content])?;
            Ok(())
        };
        self.writer()?.run(forget).await
    }

    async fn adopt_reply(
        &self,
        provider: &str,
        content: &str,
        since: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let (provider, content, owner) = (provider.to_owned(), content.to_owned(), self.instance.id());
        let (id, [after, before]) = (provider.clone(), around(&content));
        let has_any = move |db: &Connection| {
            db.prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM reply WHERE {OF_CONTENT} AND {LEFT_BEHIND})"
            ))?
            .query_row(params![id, after, before, since.as_millis()], |row| row.get::<_, bool>(0))
        };
        if !self.read(has_any).await? {
            return Ok(None);
        }
        self.writer()?.run(move |db| adopt_reply(db, owner, &provider, &content, since)).await
    }

    async fn is_recorded_elsewhere(&self, provider: &str, content: &str, since: Timestamp) -> Result<bool> {
        let (provider, owner, [after, before]) = (provider.to_owned(), self.instance.id(), around(content));
        self.read(move |db| {
            db.prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM reply WHERE {OF_CONTENT} AND owner <> ?5)"
            ))?
            .query_row(params![provider, after, before, since.as_millis(), owner], |row| row.get(0))
        })
        .await
    }

    async fn last_death(&self) -> Result<Option<Timestamp>> {
        self.read(|db| {
            db.prepare_cached("SELECT at_ms FROM death")?
                .query_row([], |row| row.get(0).map(Timestamp))
                .optional()
        })
        .await
    }
}

fn keep_told(
    db: &Connection,
    owner: i64,
    provider: &str,
    texts: &[(String, Timestamp)],
    now: Timestamp,
) -> JobResult<()> {
    db.prepare_cached("DELETE FROM told WHERE first_ms < ?1")?
        .execute([now.plus_ms(-TOLD_AGAIN_MS).as_millis()])?;
    let mut add = db.prepare_cached(
        "INSERT INTO told (provider, content, first_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET \
         first_ms = min(first_ms, excluded.first_ms)",
    )?;
    let mut is_taken = db.prepare_cached(&format!(
        "SELECT EXISTS (SELECT 1 FROM reply WHERE {OF_CONTENT} AND owner IS NOT ?5)"
    ))?;
    for (content, first) in texts {
        // Another process was told it again and took it, before this one could say that it had not.
        let [after, before] = around(content);
        let ids = params![provider, after, before, first.as_millis(), owner];
        if is_taken.query_row(ids, |row| row.get::<_, bool>(0))? {
            continue;
        }
        add.execute(params![provider, content, first.as_millis()])?;
    }
    let count: u32 = db.prepare_cached("SELECT count(*) FROM told")?.query_row([], |row| row.get(0))?;
    if count > MOST_TOLD {
        db.prepare_cached(
            "DELETE FROM told WHERE (provider, content) IN (SELECT provider, content FROM \
            told ORDER BY first_ms LIMIT ?1)",
        )?
        .execute([count - MOST_TOLD])?;
    }
    Ok(())
}

/// Replies whose ids were made of one content: they are those between [`around`].
const OF_CONTENT: &str = "provider = ?1 AND vendor_id > ?2 AND vendor_id < ?3 AND at_ms >= ?4";

/// Replies that a process recorded which is no longer there.
const LEFT_BEHIND: &str = "owner NOT IN (SELECT id FROM instance)";

/// What stands before and behind all ids that are made of this content: it with a "-", and it with the
/// character after that.
fn around(content: &str) -> [String; 2] {
    [format!("{content}-"), format!("{content}.")]
}

fn adopt_reply(
    db: &Connection,
    owner: i64,
    provider: &str,
    content: &str,
    since: Timestamp,
) -> JobResult<Option<Timestamp>> {
    let [after, before] = around(content);
    let adopted = db
        .prepare_cached(&format!(
            "UPDATE reply SET owner = ?5 WHERE seq =
                 (SELECT seq FROM reply WHERE {OF_CONTENT} AND {LEFT_BEHIND} ORDER BY at_ms DESC, seq DESC \
                 LIMIT 1) RETURNING at_ms"
        ))?
        .query_row(params![provider, after, before, since.as_millis(), owner], |row| {
            row.get(0).map(Timestamp)
        });
    adopted.optional()
}

/// Notes that a process was found dead.
pub(super) fn note_death(db: &Connection, now: Timestamp) -> JobResult<()> {
    db.prepare_cached(
        "INSERT INTO death (id, at_ms) VALUES (1, ?1) ON CONFLICT DO UPDATE SET at_ms = \
        max(at_ms, excluded.at_ms)",
    )?
    .execute([now.as_millis()])?;
    Ok(())
}
