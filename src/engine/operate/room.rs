//! What operators' verbs may touch: the ledger, the vendors, and what receives.

use std::sync::Arc;

use crate::engine::carriers::route::Carriers;
use crate::engine::life::Life;
use crate::engine::receive::Receive;
use crate::engine::signals::Signals;
use crate::ledger::Ledger;
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
