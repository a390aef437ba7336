//! The other processes that send from this ledger, as the writing thread sees them.
//!
//! Each says at its start what it lets through, in the row by which it is known to be alive. The writing
//! thread looks at the rows at the beginning of each transaction, inside it: whoever comes or leaves does so
//! before or after, so that no send is decided without a limit of somebody who lives. The rows are read when
//! they have changed, and whether somebody lives is asked of those alone whose rules are not ours.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rusqlite::{Connection, params};

use super::instance::Instance;
use super::job::JobResult;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::facts::Limits;
use crate::sms::message::Realm;
use crate::sms::peer::Peer;

/// What tells one set of rows from every other that this process may see. Numbers of instances are never used
/// twice, so as long as the highest one stays the set can only shrink; and each says what it lets through
/// once.
type Version = (i64, i64, i64);

/// Those who let something through, and those of whom it cannot be read with the reason, each with the name
/// of its lock.
type Rows = (Vec<(String, Peer)>, Vec<(String, String)>);

const VERSION: &str = "SELECT coalesce(max(id), 0), count(*), count(peer) FROM instance";

/// See the module's text.
pub(super) struct Peers {
    instance: Arc<Instance>,
    own: OnceLock<Peer>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    version: Option<Version>,
    /// Those that lived at the last look and whose rules are not ours, with the names of their locks.
    others: Vec<(String, Peer)>,
    /// Those that lived and whose limits cannot be read: the name of the lock of each, and why.
    unreadable: Vec<(String, String)>,
    live: Arc<[Peer]>,
    sandbox: Arc<[Peer]>,
}

impl Peers {
    pub(super) fn new(instance: Arc<Instance>) -> Self {
        Self { instance, own: OnceLock::new(), seen: Mutex::default() }
    }

    /// Looks who is there. For the writing thread alone, in its transaction.
    pub(super) fn look(&self, db: &Connection) -> JobResult<()> {
        let version: Version =
            db.prepare_cached(VERSION)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = seen.version != Some(version);
        if is_news {
            let own = self.own.get();
            let (mut others, unreadable) = self.rows(db)?;
            others.retain(|(_, peer)| own.is_none_or(|own| own.rules != peer.rules));
            self.tell(&seen.others, &others);
            if let Some((_, why)) = unreadable.first() {
                tracing::error!(
                    why,
                    "the limits of another process on this ledger cannot be read: nothing is accepted or \
                     begun while it runs"
                );
            }
            (seen.version, seen.others, seen.unreadable) = (Some(version), others, unreadable);
        }
        seen.unreadable.retain(|(name, _)| self.instance.lives(name));
        let before = seen.others.len();
        seen.others.retain(|(name, _)| self.instance.lives(name));
        if is_news || seen.others.len() != before {
            let on = |realm: Realm| {
                seen.others.iter().map(|(_, peer)| peer).filter(|peer| peer.is_on(realm)).cloned().collect()
            };
            (seen.live, seen.sandbox) = (on(Realm::Live), on(Realm::Sandbox));
        }
        Ok(())
    }

    /// Who was there at the last look, of those that send on this side by other rules than ours.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`] where one of them cannot be read: what it limits nobody knows, so
    /// nothing is decided.
    pub(super) fn known(&self, realm: Realm) -> Result<Arc<[Peer]>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.unreadable.first() {
            Some((_, why)) => Err(unreadable(why)),
            None => Ok(Arc::clone(if realm.is_sandbox() { &seen.sandbox } else { &seen.live })),
        }
    }

    /// Who is there now, for readers.
    pub(super) fn read(&self, db: &Connection) -> JobResult<Result<Vec<Peer>>> {
        let (others, broken) = self.rows(db)?;
        Ok(match broken.first() {
            Some((_, why)) => Err(unreadable(why)),
            None => Ok(others.into_iter().map(|(_, peer)| peer).collect()),
        })
    }

    /// The sessions that end with a process, of all that live.
    pub(super) fn sessions(&self, db: &Connection) -> rusqlite::Result<BTreeSet<String>> {
        let (others, _) = self.rows(db)?;
        let own = self.own.get().and_then(|own| own.session.clone());
        Ok(others.into_iter().filter_map(|(_, peer)| peer.session).chain(own).collect())
    }

    /// Who is there now and sends on this side.
    pub(super) fn on(&self, db: &Connection, realm: Realm) -> JobResult<Result<Vec<Peer>>> {
        Ok(self.read(db)?.map(|all| all.into_iter().filter(|peer| peer.is_on(realm)).collect()))
    }

    /// All others that live and say what they let through, and those of whom it cannot be read, with the
    /// reason.
    fn rows(&self, db: &Connection) -> JobResult<Rows> {
        let mut statement = db.prepare_cached(
            "SELECT name, peer FROM instance WHERE peer IS NOT NULL AND id <> ?1 ORDER BY id",
        )?;
        let mut rows = statement.query([self.instance.id()])?;
        let (mut others, mut unreadable) = (Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            // What the dead left is nobody's limit, and recovery takes it away.
            if !self.instance.lives(&name) {
                continue;
            }
            let peer = row.get_ref(1)?.as_bytes().map_err(|error| error.to_string());
            match peer.and_then(|text| serde_json::from_slice(text).map_err(|error| error.to_string())) {
                Ok(peer) => others.push((name, self.shared(peer))),
                Err(why) => unreadable.push((name, why)),
            }
        }
        Ok((others, unreadable))
    }

    /// A peer without what does not concern us: where our sessions are our own, nobody else's limits of
    /// sessions do.
    fn shared(&self, mut peer: Peer) -> Peer {
        if self.own.get().is_none_or(|own| own.rules.session == Limits::default()) {
            peer.rules.session = Limits::default();
        }
        peer
    }

    /// Says in the log whose limits hold from now on, so that a forgotten one is found.
    fn tell(&self, before: &[(String, Peer)], now: &[(String, Peer)]) {
        let Some(own) = self.own.get() else { return };
        for (_, peer) in now.iter().filter(|peer| !before.contains(peer) && peer.1.shares_side_with(own)) {
            let stricter: Vec<_> =
                own.rules.differences(&peer.rules).into_iter().filter(|one| one.is_stricter).collect();
            let limits = stricter
                .iter()
                .map(|one| format!("{} {}", one.setting, one.there))
                .collect::<Vec<_>>()
                .join(", ");
            if !stricter.is_empty() {
                let whose = peer.whole_name();
                tracing::warn!(
                    limits,
                    whose,
                    "another process on this ledger has stricter limits: they hold while it runs"
                );
            }
        }
    }

    /// Says what this process lets through, from now on.
    pub(super) fn join(&self, db: &Connection, own: &Peer) -> JobResult<Result<()>> {
        // While one cannot be read nothing is decided, whatever its currency is, and it says nothing else as
        // long as it lives.
        let (others, _) = self.rows(db)?;
        if let Err(refused) = check_currency(own, others.iter().map(|(_, peer)| peer)) {
            return Ok(Err(refused));
        }
        let text = serde_json::to_string(own)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        db.prepare_cached("UPDATE instance SET peer = ?2 WHERE id = ?1")?
            .execute(params![self.instance.id(), text])?;
        let _ = self.own.set(own.clone());
        Ok(Ok(()))
    }
}

/// Nobody knows what that process limits.
fn unreadable(why: &str) -> Error {
    let message = format!("what another process on this ledger lets through cannot be read: {why}");
    Error::new(ErrorKind::LedgerUnavailable, message).next(
        "Nothing was sent, and nothing is while that process runs. Stop it, or run the same version \
            of sms-mcp everywhere.",
    )
}

/// Refuses a second currency: the budgets of each would be spent whole.
pub(super) fn check_currency<'a>(own: &Peer, mut others: impl Iterator<Item = &'a Peer>) -> Result<()> {
    let Some(other) = others.find(|other| other.currency != own.currency && other.shares_side_with(own))
    else {
        return Ok(());
    };
    let message = format!(
        "[guard] currency is {} here, and {} for another process that sends from this ledger since {}: {}",
        own.currency,
        other.currency,
        Timestamp(other.since_ms).rfc3339(),
        other.whole_name()
    );
    Err(Error::new(ErrorKind::Config, message).next(
        "Give both the same currency, or one of them a ledger of its own (--ledger FILE), or stop the other \
         one: in two currencies the budgets of \
         each would be spent whole. Nothing was started.",
    ))
}
