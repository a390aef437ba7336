//! Requests that may be posted once more: which they are, and that each is posted again once.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::due::verdict_now;
use super::job::{JobResult, Kind};
use super::queue::is_kept;
use super::request;
use super::row::{COLUMNS, record_from};
use super::states::{IS_UNKNOWN, sql};
use super::store::SqliteLedger;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::reposts::{Repostable, Reposts, RequestDigest};
use crate::ledger::rules::repost::is_time;
use crate::ledger::{Due, Recheck, Record};
use crate::sms::message::{MessageId, Realm};
use crate::sms::peer::Peer;

/// Most that one look finds.
const AT_ONCE: u32 = 500;

#[async_trait]
impl Reposts for SqliteLedger {
    async fn note_request(
        &self,
        id: &MessageId,
        provider: &str,
        digest: RequestDigest,
        now: Timestamp,
    ) -> Result<()> {
        let (owner, id, provider) = (self.instance.id(), id.clone(), provider.to_owned());
        self.writer()?.run(move |db| request::note(db, owner, (&id, &provider), digest, now)).await
    }

    async fn repostable(&self, provider: &str, realm: Realm, now: Timestamp) -> Result<Vec<Repostable>> {
        if realm == Realm::Live && self.mark.check().is_err() {
            return Ok(Vec::new());
        }
        let provider = provider.to_owned();
        self.read(move |db| repostable(db, &provider, realm, now)).await
    }

    async fn claim_repost(&self, sought: Repostable, due: Due, recheck: Recheck) -> Result<bool> {
        let peers = Arc::clone(&self.peers);
        let claim = move |db: &Connection| match peers.known(due.realm) {
            Ok(known) => claim(db, &sought, &due, &known, &recheck).map(Ok),
            Err(unreadable) => Ok(Err(unreadable)),
        };
        // What cannot be marked is an error, and nobody posts it then.
        self.writer()?.run_as(Kind::Begins, claim).await?
    }

    async fn reposted(&self, id: &MessageId, now: Timestamp) -> Result<Option<Timestamp>> {
        let id = id.clone();
        self.read(move |db| request::under_way(db, &id, now)).await
    }
}

/// A message whose answer was lost and that has no id by which it could be asked for, with the request by
/// which it left, `r`, that was not posted again; nothing of a bulk that was taken back since.
fn is_lost() -> String {
    format!(
        "{IS_UNKNOWN} AND vendor_id IS NULL AND NOT parted AND text IS NOT NULL AND keep_text AND r.again_ms IS \
         NULL AND r.asked_provider = message.provider AND NOT EXISTS (SELECT 1 FROM batch b WHERE b.seq = message.batch AND \
         b.canceled_ms IS NOT NULL)"
    )
}

/// See [`Reposts::repostable`].
fn repostable(
    db: &Connection,
    provider: &str,
    realm: Realm,
    now: Timestamp,
) -> rusqlite::Result<Vec<Repostable>> {
    let mut statement = db.prepare_cached(sql!(
        "SELECT {COLUMNS}, r.asked_digest, r.asked_ms FROM message INDEXED BY \
         message_unknown JOIN repost r ON r.message = message.id WHERE {} AND message.provider = ?1 AND \
         sandbox = ?2 ORDER BY seq LIMIT ?3",
        is_lost()
    ))?;
    let mut rows = statement.query(params![provider, realm.is_sandbox(), AT_ONCE])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (message, asked) = (record_from(row)?, Timestamp(row.get("asked_ms")?));
        if is_time(asked, message.changed, now) {
            found.push(Repostable { message, digest: row.get("asked_digest")? });
        }
    }
    Ok(found)
}

/// See [`Reposts::claim_repost`].
fn claim(
    db: &Connection,
    sought: &Repostable,
    due: &Due,
    peers: &Arc<[Peer]>,
    recheck: &Recheck,
) -> JobResult<bool> {
    let mut statement = db.prepare_cached(sql!(
        "SELECT {COLUMNS}, r.asked_ms FROM message JOIN repost r ON r.message = message.id \
         WHERE {} AND message.id = ?1 AND message.provider = ?2 AND sandbox = ?3 AND r.asked_digest = ?4",
        is_lost()
    ))?;
    let id = sought.message.id.as_str();
    let found: Option<(Record, i64)> = statement
        .query_row(params![id, due.provider, due.realm.is_sandbox(), sought.digest], |row| {
            Ok((record_from(row)?, row.get("asked_ms")?))
        })
        .optional()?;
    let Some((record, asked_ms)) = found else { return Ok(false) };
    let may_leave = is_time(Timestamp(asked_ms), record.changed, due.now)
        && record.schedule.by_ms.is_none_or(|by_ms| by_ms >= due.now.as_millis())
        && !is_kept(&record, peers)
        && verdict_now(db, due, peers, &record, recheck)?;
    if may_leave {
        db.prepare_cached("UPDATE repost SET again_ms = ?2 WHERE message = ?1")?
            .execute(params![id, due.now.as_millis()])?;
    }
    Ok(may_leave)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ledger::sqlite::schema::MIGRATIONS;

    #[test]
    fn what_may_be_posted_again_is_found_among_what_is_unknown_alone() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|migration| db.execute_batch(migration).unwrap());
        let plan: Vec<String> = db
            .prepare(&format!(
                "EXPLAIN QUERY PLAN SELECT seq FROM message INDEXED BY message_unknown JOIN repost r ON \
                 r.message = message.id WHERE {} AND message.provider = ?1 ORDER BY seq",
                is_lost()
            ))
            .and_then(|mut statement| statement.query_map(["x"], |row| row.get(3))?.collect())
            .unwrap();
        assert!(plan[0].contains("message_unknown (provider=?)"), "{plan:?}");
        assert!(plan.iter().any(|step| step.contains("r USING PRIMARY KEY (message=?)")), "{plan:?}");
    }
}
