//! By which request a message left, where its vendor promises to answer the identical one with its first
//! answer.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use super::states::{IS_ATTEMPTING, sql};
use crate::clock::Timestamp;
use crate::ledger::reposts::RequestDigest;
use crate::ledger::rules::repost::{KEPT_MS, UNDER_WAY_MS};
use crate::sms::message::MessageId;

/// See [`crate::ledger::reposts::Reposts::note_request`]. What is of no use any more goes.
pub(super) fn note(
    db: &Connection,
    owner: i64,
    (id, provider): (&MessageId, &str),
    digest: RequestDigest,
    now: Timestamp,
) -> JobResult<()> {
    db.prepare_cached("DELETE FROM repost WHERE asked_ms < ?1")?
        .execute([now.plus_ms(-KEPT_MS).as_millis()])?;
    forget(db, id)?;
    db.prepare_cached(sql!(
        "INSERT INTO repost (message, asked_provider, asked_digest, asked_ms) SELECT id, ?3, ?4, ?5 FROM message WHERE \
         id = ?1 AND owner = ?2 AND {IS_ATTEMPTING} AND keep_text"
    ))?
    .execute(params![id.as_str(), owner, provider, digest, now.as_millis()])?;
    Ok(())
}

/// Forgets by which request a message left: it certainly was not taken by that, and leaves by another one.
pub(super) fn forget(db: &Connection, id: &MessageId) -> JobResult<()> {
    db.prepare_cached("DELETE FROM repost WHERE message = ?1")?.execute([id.as_str()])?;
    Ok(())
}

/// Forgets all of them, in a ledger that is older than what may have happened since.
pub(super) fn forget_all(db: &Connection) -> JobResult<()> {
    db.execute("DELETE FROM repost", []).map(drop)
}

/// See [`crate::ledger::reposts::Reposts::reposted`].
pub(super) fn under_way(
    db: &Connection,
    id: &MessageId,
    now: Timestamp,
) -> rusqlite::Result<Option<Timestamp>> {
    db.prepare_cached("SELECT again_ms FROM repost WHERE message = ?1 AND again_ms > ?2")?
        .query_row(params![id.as_str(), now.plus_ms(-UNDER_WAY_MS).as_millis()], |row| row.get(0))
        .optional()
        .map(|found| found.map(Timestamp))
}
