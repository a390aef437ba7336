//! Which budgets a send must fit in, and who may spend in which session.

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::model::Payer;
use crate::sms::facts::{Budget, BudgetKey, Limits, Scope};
use crate::sms::own::is_reserved;
use crate::sms::peer::{self, Peer};

/// Most handles that a principal may have open at once.
const MOST_HANDLES: i64 = 1_000;

/// How exact "last used" of a session has to be: one write a second is enough for an idle time of minutes.
const TOUCH_MS: i64 = 1_000;

/// One budget of the path: its name, its scope and its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is called.
    pub key: BudgetKey,
    /// Which part it is.
    pub scope: Scope,
    /// Its limits.
    pub limits: Limits,
}

impl Part {
    /// The budget where nothing was ever held or spent in it.
    pub fn unused(&self) -> Budget {
        Budget {
            key: self.key.clone(),
            scope: self.scope,
            limits: self.limits,
            held_micros: 0,
            spent_micros: 0,
            messages: 0,
            frozen: false,
            overcharge: None,
        }
    }
}

/// A handle as it is on record.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Whose it is.
    pub owner: String,
    /// The session that it is a slice of.
    pub parent: String,
    /// When it was last used.
    pub used_ms: i64,
    /// Its limits.
    pub limits: Limits,
}

/// A session or handle that was not used since then is closed.
pub fn alive_since(payer: &Payer, now: Timestamp) -> i64 {
    now.plus_ms(-payer.idle_ms).as_millis()
}

/// Whether that a session is in use has to be noted again.
pub fn is_to_be_touched(used_ms: Option<i64>, now: Timestamp) -> bool {
    used_ms.is_some_and(|used_ms| used_ms < now.as_millis() - TOUCH_MS)
}

/// Refuses a session of somebody else.
pub fn check_owner(payer: &Payer, owner: &str) -> Result<()> {
    if owner == payer.principal {
        return Ok(());
    }
    Err(Error::new(ErrorKind::SessionInvalid, "this session belongs to another principal"))
}

/// The handle, where this payer may spend by it. Somebody else's looks like no handle at all.
pub fn check_handle(payer: &Payer, found: Option<Handle>, now: Timestamp) -> Result<Handle> {
    match found.filter(|handle| handle.owner == payer.principal) {
        None => Err(Error::new(ErrorKind::SessionInvalid, "there is no such session handle")),
        Some(handle) if handle.used_ms < alive_since(payer, now) => Err(Error::new(
            ErrorKind::SessionInvalid,
            "this session handle has expired: it was not used for too long",
        )),
        Some(handle) => Ok(handle),
    }
}

/// Refuses one more handle beside so many.
pub fn check_handles(open: i64) -> Result<()> {
    if open < MOST_HANDLES {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::RateLimited,
        format!("{open} session handles are open; use one of them, or wait until one expires"),
    ))
}

/// The session's part of the path: the base session, and the handle where there is one. `opened_with` are the
/// limits of the handle's session where that is another one than the caller's: they hold for whoever was
/// given a handle of it.
pub fn sessions(
    payer: &Payer,
    base: &str,
    handle: Option<&Handle>,
    opened_with: Option<Limits>,
) -> Vec<Part> {
    let session = |name: &str, limits: Limits| Part {
        key: BudgetKey::session(&payer.currency, name, payer.realm),
        scope: Scope::Session,
        limits,
    };
    let mut parts = vec![session(base, payer.session)];
    if let (Some(id), Some(handle)) = (&payer.handle, handle) {
        if handle.parent != base {
            parts.push(session(&handle.parent, payer.session.within(opened_with.unwrap_or_default())));
        }
        parts.push(Part {
            key: BudgetKey::handle(&payer.currency, id, payer.realm),
            scope: Scope::Handle,
            limits: handle.limits,
        });
    }
    parts
}

/// The whole path of a message that leaves on this UTC day, each part with the strictest limits of all who
/// live.
pub fn path(payer: &Payer, day: &str, sessions: Vec<Part>, peers: &[Peer]) -> Vec<Part> {
    let total = Part {
        key: BudgetKey::total(&payer.currency, payer.realm),
        scope: Scope::Total,
        limits: payer.total,
    };
    let strictest = |part: Part| Part { limits: peer::limits(part.limits, part.scope, peers), ..part };
    let [total, day] = [strictest(total), day_part(payer, day, peers)];
    [total, day].into_iter().chain(sessions.into_iter().map(strictest)).collect()
}

/// The part of a UTC day, with the strictest limits of all who live. What others say of an agent's day says
/// nothing of the operator's own texts.
pub fn day_part(payer: &Payer, day: &str, peers: &[Peer]) -> Part {
    let key = BudgetKey::day(&payer.currency, &payer.principal, day, payer.realm);
    part_of_day(key, payer.day, if is_reserved(&payer.principal) { &[] } else { peers })
}

/// The part of a UTC day that is called so and has these limits, with the strictest of all who live.
pub fn part_of_day(key: BudgetKey, limits: Limits, peers: &[Peer]) -> Part {
    Part { key, scope: Scope::Day, limits: peer::limits(limits, Scope::Day, peers) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::model::BaseSession;
    use crate::sms::message::{Realm, SessionId};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn limit(micros: i64) -> Limits {
        Limits { spend_micros: Some(micros), messages: None }
    }

    fn payer() -> Payer {
        Payer {
            principal: "user:alice".into(),
            realm: Realm::Live,
            base: BaseSession::Named("p-1".into()),
            handle: Some(SessionId::from_text("ses_1")),
            idle_ms: 60_000,
            currency: "USD".into(),
            total: limit(1_000),
            day: limit(100),
            session: limit(10),
        }
    }

    fn handle(owner: &str, parent: &str, used_ms: i64) -> Handle {
        Handle { owner: owner.into(), parent: parent.into(), used_ms, limits: limit(1) }
    }

    #[test]
    fn a_send_must_fit_in_everything_the_day_the_session_and_the_handle() {
        let names = |parent: &str, opened_with: Option<Limits>| -> Vec<(String, Option<i64>)> {
            let handle = handle("user:alice", parent, 0);
            let parts =
                path(&payer(), "2026-11-22", sessions(&payer(), "p-1", Some(&handle), opened_with), &[]);
            parts.into_iter().map(|part| (part.key.to_string(), part.limits.spend_micros)).collect()
        };
        let (total, day) =
            (("total:USD".to_owned(), Some(1_000)), ("day:USD:user:alice:2026-11-22".to_owned(), Some(100)));
        let (own, slice) =
            (("session:USD:p-1".to_owned(), Some(10)), ("handle:USD:ses_1".to_owned(), Some(1)));
        assert_eq!(names("p-1", None), [total.clone(), day.clone(), own.clone(), slice.clone()]);
        let others = ("session:USD:p-2".to_owned(), Some(3));
        assert_eq!(
            names("p-2", Some(limit(3))),
            [total, day, own, others, slice],
            "and in the session that the handle is of"
        );
    }

    #[test]
    fn a_handle_is_its_principals_and_ends_when_nobody_uses_it() {
        let used = NOW.as_millis();
        let refused = |handle: Option<Handle>| {
            check_handle(&payer(), handle, NOW).err().map(|error| error.message().to_owned())
        };
        assert_eq!(refused(Some(handle("user:alice", "p-1", used - 60_000))), None);
        assert!(
            refused(Some(handle("user:alice", "p-1", used - 60_001)))
                .is_some_and(|why| why.contains("expired"))
        );
        assert_eq!(refused(Some(handle("user:bob", "p-1", used))), refused(None));
        assert!(check_owner(&payer(), "user:alice").is_ok() && check_owner(&payer(), "user:bob").is_err());
        assert!(check_handles(MOST_HANDLES - 1).is_ok() && check_handles(MOST_HANDLES).is_err());
    }
}
