//! What answering may touch: the way on which texts leave, and what the operator says.

use std::sync::Arc;

use crate::engine::life::Life;
use crate::engine::settings::Answers;
use crate::engine::submit::Submit;

/// The room.
pub struct Answering {
    pub submit: Arc<Submit>,
    pub life: Arc<Life>,
    /// What people are answered.
    pub answers: Answers,
}
