//! What receiving may touch: the ledger's reports and people, the carriers, and what records outcomes.

use std::sync::Arc;
use std::time::Duration;

use super::receipts::Receipts;
use crate::engine::answering::Answering;
use crate::engine::carriers::route::Carriers;
use crate::engine::deliver::{Recorder, Recovery};
use crate::engine::life::Life;
use crate::engine::signals::Signals;
use crate::ledger::Ledger;
use crate::sms::money::Currency;
use crate::sms::number::Region;
use crate::sms::reply::{StopWords, YesWords};

/// How long a provider may take to read a webhook, or to answer a question that nobody waits for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The wait before a failed question to a vendor is asked again; it doubles.
pub const FIRST_WAIT: Duration = Duration::from_secs(10);

/// The room.
pub struct Receive {
    pub ledger: Arc<dyn Ledger>,
    pub carriers: Arc<Carriers>,
    pub life: Arc<Life>,
    pub signals: Arc<Signals>,
    pub receipts: Arc<Receipts>,
    pub recorder: Arc<Recorder>,
    pub recovery: Arc<Recovery>,
    pub answering: Arc<Answering>,
    /// The currency of all budgets.
    pub currency: Currency,
    /// The country of national numbers.
    pub default_region: Option<Region>,
    /// The operator's own words for no more texts.
    pub stop_words: StopWords,
    /// The operator's own words for yes.
    pub yes_words: YesWords,
    /// Whether replies are told to the operator's own system.
    pub forward: bool,
}
