//! What keeps the ledger itself: forgetting in its turn, the keys, the mark, and its end. See
//! [`crate::ledger::upkeep`].

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _};

use super::connection::cannot_open;
use super::job::{Kind, unavailable};
use super::place::private;
use super::prune::Found;
use super::store::SqliteLedger;
use super::writer::joined;
use super::{account, prune, recover};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::upkeep::{Prunable, PrunePlace, PruneStep, PruneTurn, Pruned, Upkeep};

#[async_trait]
impl Upkeep for SqliteLedger {
    async fn prune_at(&self, now: Timestamp) -> Result<Timestamp> {
        self.read(move |db| prune::prune_at(db, now)).await
    }

    async fn prune_turn(&self) -> Result<Option<PruneTurn>> {
        let path = self.place.folder().join("prune");
        let cannot = |error: std::io::Error| cannot_open(&path, &error.to_string());
        let file = private().read(true).write(true).open(&path).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(PruneTurn::new(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(cannot(error)),
        }
    }

    async fn prune(
        &self,
        before: Timestamp,
        now: Timestamp,
        place: PrunePlace,
        limit: u32,
    ) -> Result<PruneStep> {
        let (before, now, limit) = (before.as_millis(), now.as_millis(), limit.max(1));
        let (found, next) = self.read(move |db| prune::find(db, before, place, limit)).await?;
        if matches!(found, Found::Nothing) {
            return Ok(PruneStep { gone: Pruned::default(), next });
        }
        let mark = Arc::clone(&self.mark);
        let forget = move |db: &Connection| match mark.check() {
            Ok(()) => prune::forget(db, before, now, &found, limit).map(Ok),
            // It came into doubt since the search.
            Err(in_doubt) => Ok(Err(in_doubt)),
        };
        let gone = self.writer()?.run(forget).await??;
        // Of leftovers nobody has looked how many there are.
        let next = if place == PrunePlace::Leftovers && !gone.is_none() { Some(place) } else { next };
        Ok(PruneStep { gone, next })
    }

    async fn prunable(&self, before: Timestamp, now: Timestamp) -> Result<Prunable> {
        self.read(move |db| prune::prunable(db, before.as_millis(), now.as_millis())).await
    }

    async fn key(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        let (asked, name) = (name.to_owned(), name.to_owned());
        if let Some(key) = self.read(move |db| account::key(db, &asked)).await? {
            return Ok(key);
        }
        self.writer()?.run(move |db| account::make_key(db, &name, fresh)).await
    }

    async fn trust(&self) -> Result<()> {
        let mark = Arc::clone(&self.mark);
        match mark.check() {
            Ok(()) => Ok(()),
            // A person may have looked since.
            Err(_) => self.writer()?.run_as(Kind::Begins, move |_| Ok(mark.check())).await?,
        }
    }

    async fn ping(&self) -> Result<()> {
        self.read(|db| db.query_row("SELECT 1 FROM message LIMIT 1", [], |_| Ok(())).optional().map(drop))
            .await
    }

    async fn close(&self) -> Result<()> {
        let owner = self.instance.id();
        // Taken out first: what comes after this is refused, and not written for an owner that has left.
        let taken = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (writer, thread) = taken.ok_or_else(|| unavailable("the ledger is closed"))?;
        let left = writer.run_as(Kind::Aside, move |db| recover::leave(db, owner)).await;
        if left.is_ok() {
            self.instance.remove_lock();
        }
        // Before the writer, which takes the log away where it is the last.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(writer);
        // The end of the process must not race with the last words of the ledger.
        let ended = tokio::task::spawn_blocking(move || joined(thread)).await;
        left.and(ended.unwrap_or_else(|error| Err(unavailable(&error.to_string()))))
    }
}
