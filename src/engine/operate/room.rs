//! What operators' verbs may touch: the ledger, the vendors, and what receives.

use std::sync::Arc;

use crate::engine::caller::{Caller, Person};
use crate::engine::carriers::route::Carriers;
use crate::engine::life::Life;
use crate::engine::receive::Receive;
use crate::engine::signals::Signals;
use crate::error::Result;
use crate::ledger::{Act, Ledger};
use crate::policy::Policy;
use crate::sms::number::Region;

/// The room.
pub struct Operate {
    pub ledger: Arc<dyn Ledger>,
    pub carriers: Arc<Carriers>,
    pub policy: Arc<Policy>,
    pub receive: Arc<Receive>,
    pub life: Arc<Life>,
    pub signals: Arc<Signals>,
    /// Whether replies are told to the operator's own system.
    pub forward: bool,
    /// The country of national numbers.
    pub default_region: Option<Region>,
}

/// Most of what operators did that is shown.
const SHOWN: u32 = 100;

impl Operate {
    /// Keeps in the ledger what an operator is about to do.
    pub(super) async fn note(&self, caller: &Caller, verb: &str, subject: &str) -> Result<()> {
        self.ledger.note_act(caller.act(verb, subject, self.life.now())).await
    }

    /// The same of a person whom the gate let pass, with whose proof that was.
    pub(super) async fn note_of(&self, person: &Person, verb: &str, subject: &str) -> Result<()> {
        self.ledger.note_act(person.act(verb, subject, self.life.now())).await
    }

    /// What operators did, the latest first.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn acts(&self, caller: &Caller) -> Result<Vec<Act>> {
        caller.looked("ledger acts");
        self.ledger.acts(SHOWN).await
    }
}
