//! What handing over may touch: the ledger's queue, the carriers, and what says whether anything may begin.

use std::sync::Arc;
use std::time::Duration;

use super::progress::Progress;
use super::recorder::Recorder;
use crate::engine::carriers::route::Carriers;
use crate::engine::halted::Halting;
use crate::engine::life::Life;
use crate::engine::signals::Signals;
use crate::ledger::Ledger;
use crate::policy::Policy;
use crate::setting::Span;

/// The room.
pub struct Deliver {
    pub ledger: Arc<dyn Ledger>,
    pub carriers: Arc<Carriers>,
    /// What a claimed message is checked by once more: the operator may have changed it since.
    pub policy: Arc<Policy>,
    pub halting: Halting,
    pub life: Arc<Life>,
    pub signals: Arc<Signals>,
    pub recorder: Arc<Recorder>,
    pub progress: Arc<Progress>,
    /// How long one message may take at a provider.
    pub timeout: Duration,
    /// Messages of bulks that are at a provider at the same time.
    pub concurrency: u32,
    /// A message that was queued for so long expires.
    pub queue_max_age: Span,
}
