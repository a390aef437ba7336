//! What telling may touch: the ledger's outbox, and the address of the operator's own system.

use std::sync::Arc;

use super::endpoint::Target;
use crate::engine::life::Life;
use crate::engine::signals::Signals;
use crate::ledger::Ledger;

/// The room.
pub struct Tell {
    pub ledger: Arc<dyn Ledger>,
    pub life: Arc<Life>,
    pub signals: Arc<Signals>,
    /// Where changes and replies are told, if anywhere.
    pub target: Option<Target>,
}
