//! Watching messages: who is told that one of them changed, wherever the change came from.
//!
//! A change of this process is told at once; what another process on the same ledger does is found by looking
//! at the watched messages every second. Whoever watches hears of a change once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::room::Tell;
use crate::clock::Timestamp;
use crate::engine::arguments::no_such;
use crate::engine::caller::Caller;
use crate::engine::life::locked;
use crate::error::Result;
use crate::sms::message::{MessageId, State};

/// How often watched messages are looked at, for changes that other processes make.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a watched message was like when it was last told of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    principal: String,
    state: State,
    changed: Timestamp,
    replies: u32,
}

/// Messages that somebody watches. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<Mutex<BTreeMap<MessageId, Mark>>>);

impl Watched {
    /// How many there are.
    pub fn count(&self) -> usize {
        locked(&self.0).len()
    }

    /// Whether this one is among them.
    pub fn contains(&self, id: &MessageId) -> bool {
        locked(&self.0).contains_key(id)
    }

    /// Ends the watching of one. Returns whether it was watched.
    pub fn remove(&self, id: &MessageId) -> bool {
        locked(&self.0).remove(id).is_some()
    }

    fn ids(&self) -> Vec<MessageId> {
        locked(&self.0).keys().cloned().collect()
    }
}

impl Tell {
    /// The messages that change from now on, whoever they belong to, as far as this process changes them.
    pub fn changes(&self) -> broadcast::Receiver<MessageId> {
        self.signals.changes()
    }

    /// Begins to watch a message of this principal, as it is now. What changed within `just_now` counts as
    /// news: whoever was promised to be told a moment ago may have read it before.
    ///
    /// # Errors
    /// [`NotFound`](crate::error::ErrorKind::NotFound) for an id that this principal does not have, or
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn watch(
        &self,
        caller: &Caller,
        id: &MessageId,
        watched: &Watched,
        just_now: Duration,
    ) -> Result<()> {
        let mut mark = self.mark(&caller.principal, id).await?.ok_or_else(|| no_such("id", id.as_str()))?;
        let since = self.life.now().plus_ms(-i64::try_from(just_now.as_millis()).unwrap_or(i64::MAX));
        if !just_now.is_zero() && mark.changed >= since {
            mark.changed = Timestamp(i64::MIN);
        }
        locked(&watched.0).insert(id.clone(), mark);
        Ok(())
    }

    async fn mark(&self, principal: &str, id: &MessageId) -> Result<Option<Mark>> {
        let record = self.ledger.message(principal, id).await?;
        Ok(record.map(|record| Mark {
            principal: principal.to_owned(),
            state: record.state,
            changed: record.changed,
            replies: record.replies.saturating_sub(record.helps),
        }))
    }

    /// Waits until one or more of these messages have changed since they were last told of, and returns
    /// which. Nothing: the engine is stopping.
    pub async fn next_changes(
        &self,
        watched: &Watched,
        changes: &mut broadcast::Receiver<MessageId>,
    ) -> Option<Vec<MessageId>> {
        // Not a new wait after each change of others: a busy server must look as well.
        let look = self.life.pause(LOOK_EVERY);
        tokio::pin!(look);
        loop {
            if self.life.is_stopping() {
                return None;
            }
            let candidates = tokio::select! {
                heard = changes.recv() => match heard {
                    Ok(id) if watched.contains(&id) => vec![id],
                    Ok(_) => continue,
                    Err(RecvError::Lagged(_)) => watched.ids(),
                    Err(RecvError::Closed) => return None,
                },
                () = &mut look => {
                    look.set(self.life.pause(LOOK_EVERY));
                    watched.ids()
                }
            };
            let mut found = Vec::new();
            for id in candidates {
                found.extend(self.news(watched, &id).await.map(|mark| (id, mark)));
            }
            if !found.is_empty() {
                // Noted only here, with no wait before the return: who stops waiting in between has missed
                // nothing.
                let mut marks = locked(&watched.0);
                for (id, now) in &found {
                    marks.entry(id.clone()).and_modify(|mark| *mark = now.clone());
                }
                return Some(found.into_iter().map(|(id, _)| id).collect());
            }
        }
    }

    /// What a watched message is like now, if that is not what it was like when it was last told of.
    async fn news(&self, watched: &Watched, id: &MessageId) -> Option<Mark> {
        let before = locked(&watched.0).get(id).cloned()?;
        // A ledger that cannot be read now is looked at again in a second.
        let now = self.mark(&before.principal, id).await.ok().flatten()?;
        (now != before).then_some(now)
    }
}
