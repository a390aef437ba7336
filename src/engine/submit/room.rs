//! What submitting may touch: the ledger's intents, what decides and builds answers, and what hands over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::engine::answers::Answers;
use crate::engine::carriers::route::Carriers;
use crate::engine::deliver::{Deliver, Recorder};
use crate::engine::halted::Halting;
use crate::engine::life::Life;
use crate::engine::signals::Signals;
use crate::ledger::Ledger;
use crate::policy::Policy;
use crate::setting::Span;
use crate::sms::message::MessageId;
use crate::sms::number::Region;

/// The room.
pub struct Submit {
    pub ledger: Arc<dyn Ledger>,
    pub carriers: Arc<Carriers>,
    pub policy: Arc<Policy>,
    pub answers: Arc<Answers>,
    pub deliver: Arc<Deliver>,
    pub recorder: Arc<Recorder>,
    pub halting: Halting,
    pub life: Arc<Life>,
    pub signals: Arc<Signals>,
    /// Single sends that are under way here: a repeated call waits for them.
    pub waiting: Mutex<HashMap<MessageId, watch::Sender<()>>>,
    /// How long a bulk that an earlier call began is waited for.
    pub bulk_wait: Span,
    /// Whether texts stay in the ledger after they left.
    pub keep_texts: bool,
    /// Whether changes are told to the operator's own system.
    pub forward: bool,
    /// The country of national numbers.
    pub default_region: Option<Region>,
}
