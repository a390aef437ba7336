//! Sessions of clients of the remote endpoint.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::job::JobResult;
use super::store::SqliteLedger;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::clients::{ClientSession, Clients};

#[async_trait]
impl Clients for SqliteLedger {
    async fn keep_client(&self, session: ClientSession, now: Timestamp) -> Result<()> {
        self.writer()?.run(move |db| keep(db, &session, now)).await
    }

    async fn kept_client(&self, digest: [u8; 32], since: Timestamp) -> Result<Option<ClientSession>> {
        self.read(move |db| kept(db, digest, since)).await
    }

    async fn use_clients(&self, used: Vec<([u8; 32], Timestamp)>, since: Timestamp) -> Result<()> {
        self.writer()?.run(move |db| in_use(db, &used, since)).await
    }

    async fn forget_client(&self, digest: [u8; 32]) -> Result<()> {
        self.writer()?.run(move |db| forget(db, digest)).await
    }
}

fn keep(db: &Connection, session: &ClientSession, now: Timestamp) -> JobResult<()> {
    let mut statement = db.prepare_cached(
        "INSERT OR REPLACE INTO client_session (digest, principal, initialize, used_ms) \
            VALUES (?1, ?2, ?3, ?4)",
    )?;
    statement.execute(params![session.digest, session.principal, session.initialize, now.as_millis()])?;
    Ok(())
}

fn kept(db: &Connection, digest: [u8; 32], since: Timestamp) -> rusqlite::Result<Option<ClientSession>> {
    let mut statement = db.prepare_cached(
        "SELECT principal, initialize FROM client_session WHERE digest = ?1 AND used_ms >= ?2",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(ClientSession { digest, principal: row.get(0)?, initialize: row.get(1)? })
    };
    statement.query_row(params![digest, since.as_millis()], read).optional()
}

fn in_use(db: &Connection, used: &[([u8; 32], Timestamp)], since: Timestamp) -> JobResult<()> {
    let mut statement =
        db.prepare_cached("UPDATE client_session SET used_ms = max(used_ms, ?2) WHERE digest = ?1")?;
    for (digest, at) in used {
        statement.execute(params![digest, at.as_millis()])?;
    }
    db.prepare_cached("DELETE FROM client_session WHERE used_ms < ?1")?.execute([since.as_millis()])?;
    Ok(())
}

fn forget(db: &Connection, digest: [u8; 32]) -> JobResult<()> {
    db.prepare_cached("DELETE FROM client_session WHERE digest = ?1")?.execute([digest])?;
    Ok(())
}
