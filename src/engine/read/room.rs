//! What looking may touch: the ledger's views, what builds answers, and what asks providers.

use std::sync::Arc;

use crate::engine::answers::Answers;
use crate::engine::carriers::route::Carriers;
use crate::engine::life::Life;
use crate::engine::receive::poll::Poll;
use crate::ledger::Ledger;
use crate::policy::Policy;
use crate::sms::number::Region;

/// The room.
pub struct Read {
    pub ledger: Arc<dyn Ledger>,
    pub carriers: Arc<Carriers>,
    pub policy: Arc<Policy>,
    pub answers: Arc<Answers>,
    pub poll: Arc<Poll>,
    pub life: Arc<Life>,
    /// The country of national numbers.
    pub default_region: Option<Region>,
}
