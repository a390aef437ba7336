//! Whether anything may begin: asked wherever a text is accepted, claimed or handed over.
//!
//! A pause and a full disk are one thing here: what has begun is finished, what is queued waits, and what would begin anew is
//! refused, or comes back as if it had not been tried.

use std::collections::BTreeSet;

use super::carrier::Carrier;
use super::prepare::Prepared;
use super::route::Way;
use super::{Caller, Engine};
use crate::error::{ErrorKind, Result};
use crate::halt::{Brake, Extent, Halt};
use crate::provider::{Outcome, Submission};
use crate::sms::message::Realm;

impl Engine {
    /// What stops this principal's texts before they begin.
    pub(super) fn brake(&self, principal: &str) -> Brake {
        Brake::new(&self.parts().halts, principal)
    }

    /// Why nothing of this caller begins at any of these providers, in the order in which they would be asked.
    fn halt_at<'a>(&self, caller: &Caller, providers: impl IntoIterator<Item = &'a str>) -> Option<Halt> {
        let halts = &self.parts().halts;
        halts.look();
        let mut first = None;
        for provider in providers {
            let halt = halts.of(Some(&caller.principal), Some(provider))?;
            first.get_or_insert(halt);
        }
        first
    }

    /// Refuses a message that would begin anew and may not. What an earlier call with its key began is answered as ever.
    ///
    /// # Errors
    /// [`ErrorKind::Paused`], or what keeps the ledger from being written.
    pub(super) async fn may_begin(&self, caller: &Caller, key: Option<&str>, prepared: &Prepared, way: &Way<'_>) -> Result<()> {
        let first = self.halt_at(caller, [prepared.draft.provider.as_str()]);
        if first.is_none() {
            return Ok(());
        }
        // Another one on its way may take it.
        let halt = self.halt_at(caller, way.names());
        self.unless_begun(caller, prepared.realm, key, halt).await
    }

    /// The same for messages that would be queued: each waits for its own provider.
    ///
    /// # Errors
    /// As [`Engine::may_begin`].
    pub(super) async fn may_queue(&self, caller: &Caller, key: Option<&str>, messages: &[Prepared]) -> Result<()> {
        let providers: BTreeSet<&str> = messages.iter().map(|message| message.draft.provider.as_str()).collect();
        let halt = providers.into_iter().find_map(|provider| self.halt_at(caller, [provider]));
        let realm = messages.first().map_or_else(|| self.parts().carriers.realm(), |first| first.realm);
        self.unless_begun(caller, realm, key, halt).await
    }

    async fn unless_begun(&self, caller: &Caller, realm: Realm, key: Option<&str>, halt: Option<Halt>) -> Result<()> {
        let Some(halt) = halt else { return Ok(()) };
        let begun = match key {
            Some(key) => self.parts().ledger.target_of(&caller.principal, realm, key).await.ok().flatten(),
            None => None,
        };
        if begun.is_some() { Ok(()) } else { Err(halt.error()) }
    }

    /// What becomes of a message that may not begin at this provider now.
    pub(super) fn halted(&self, carrier: &Carrier, submission: &Submission) -> Option<Outcome> {
        self.parts().halts.look();
        submission.brake.pulled(carrier.name()).map(not_begun)
    }

    /// Why nothing at all is handed over to this provider now, whoever's it is.
    pub(super) fn standstill(&self, carrier: &Carrier) -> Option<Halt> {
        self.parts().halts.look();
        self.parts().halts.of(None, Some(carrier.name()))
    }

    /// Why nothing of this principal begins anywhere.
    pub(super) fn halt_of(&self, principal: &str) -> Option<Halt> {
        self.parts().halts.of(Some(principal), None)
    }

    /// What this principal should know of a pause, or of a disk without room.
    pub(super) fn halt_warning(&self, principal: &str) -> Option<String> {
        let halts = &self.parts().halts;
        halts.look();
        let of_one = || self.parts().carriers.all().iter().find_map(|carrier| halts.of(Some(principal), Some(carrier.name())));
        let halt = self.halt_of(principal).or_else(of_one)?;
        Some(format!("Nothing new begins: {}. What is queued waits; do not send it again.", halt.why))
    }

    /// How much the operator has paused.
    pub fn paused(&self) -> Extent {
        self.parts().halts.look();
        self.parts().halts.extent()
    }
}

/// Nothing of it left, and the provider is well.
pub(super) fn not_begun(halt: Halt) -> Outcome {
    Outcome::NotNow { code: halt.code, retry_after_ms: 0, why: halt.why }
}

/// Whether a message that came back with this code waits for whatever keeps everything from beginning, and not for its own turn.
pub(super) const fn is_halt(code: ErrorKind) -> bool {
    matches!(code, ErrorKind::Paused | ErrorKind::StorageFull | ErrorKind::LedgerUnavailable)
}
