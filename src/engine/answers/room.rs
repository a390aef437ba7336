//! What every answer is built of: the budgets that a caller pays from, what is left of them, and what to know
//! beside it.

use std::sync::{Arc, OnceLock};

use crate::engine::caller::{Base, Caller};
use crate::engine::halted::Halting;
use crate::engine::life::Life;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{BaseSession, Ledger, Payer};
use crate::policy::Policy;
use crate::sms::absent;
use crate::sms::facts::Scope;
use crate::sms::message::{Realm, SessionId};
use crate::sms::own::is_reserved;

/// What is said of everything that the sandbox carried.
pub const SANDBOX: &str = "Sandbox provider: no text left this machine.";

/// The room.
pub struct Answers {
    pub ledger: Arc<dyn Ledger>,
    pub policy: Arc<Policy>,
    pub halting: Halting,
    pub life: Arc<Life>,
    /// The side of what is no message.
    pub realm: Realm,
    /// All providers' names.
    pub providers: Vec<String>,
    /// The address below which a person decides in a browser, once somebody serves that page.
    pub page: OnceLock<String>,
}

impl Answers {
    /// The budgets path of a caller on one side.
    pub fn payer(&self, caller: &Caller, handle: Option<SessionId>, realm: Realm) -> Result<Payer> {
        if handle.as_ref().is_some_and(|handle| handle.as_str().len() > 64) {
            return Err(Error::new(
                ErrorKind::SessionInvalid,
                "`session` is no handle: handles come from open_session",
            ));
        }
        if handle.as_ref().is_some_and(|handle| absent::stands_for_nothing(handle.as_str())) {
            return Err(Error::new(
                ErrorKind::SessionInvalid,
                "`session` stands for nothing: leave it out, or give a handle of open_session",
            ));
        }
        if is_reserved(&caller.principal) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("{} is what the program itself sends as, and nobody else", caller.principal),
            )
            .next("Nothing was sent. Name a principal such as user:NAME or http."));
        }
        let guard = &self.policy;
        let base = match &caller.base {
            Base::Named(name) => BaseSession::Named(name.clone()),
            Base::Open => BaseSession::Open {
                fresh: new_handle(&self.life)?.as_str().replace(SessionId::PREFIX, "open-"),
            },
        };
        Ok(Payer {
            principal: caller.principal.clone(),
            realm,
            base,
            handle,
            idle_ms: guard.settings().session_idle.as_millis(),
            currency: guard.settings().currency.to_string(),
            total: guard.limits(Scope::Total),
            day: guard.limits(Scope::Day),
            session: guard.limits(Scope::Session),
        })
    }

    /// Things to know about messages on these sides; about whatever may be sent where there are none. That
    /// nothing left is said of what the sandbox carried, whoever carries now.
    pub fn warnings(&self, realms: impl IntoIterator<Item = Realm>) -> Vec<String> {
        let mut realms = realms.into_iter().peekable();
        let is_sandbox = match realms.peek() {
            Some(_) => realms.all(Realm::is_sandbox),
            None => self.realm.is_sandbox(),
        };
        if is_sandbox { vec![SANDBOX.to_owned()] } else { Vec::new() }
    }

    /// What this principal should know of a pause, or of a disk without room.
    pub fn halt_warning(&self, principal: &str) -> Option<String> {
        self.halting.warning(principal, self.providers.iter().map(String::as_str))
    }
}

/// A handle that nobody guesses.
///
/// # Errors
/// [`ErrorKind::Internal`].
pub fn new_handle(life: &Life) -> Result<SessionId> {
    life.random().map(SessionId::new)
}
