//! What answering may touch: the way on which texts leave, what the operator says, and the ledger's proposals,
//! approvers and words.

use std::sync::Arc;

use crate::engine::carriers::route::Carriers;
use crate::engine::life::Life;
use crate::engine::settings::Answers;
use crate::engine::submit::Submit;
use crate::ledger::Ledger;

/// The room.
pub struct Answering {
    pub ledger: Arc<dyn Ledger>,
    pub submit: Arc<Submit>,
    pub carriers: Arc<Carriers>,
    pub life: Arc<Life>,
    /// What people are answered, and whether approvers are texted.
    pub answers: Answers,
}
