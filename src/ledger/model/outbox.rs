//! What the operator's own system is still to be told.

use crate::clock::Timestamp;

/// A change that is still to be told to the operator's own system.
#[derive(Clone, PartialEq, Eq)]
pub struct Forward {
    /// Its number in the ledger.
    pub sequence: i64,
    /// The id that stays the same however often it is told.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The whole event, as JSON.
    pub body: String,
    /// How often it was tried.
    pub tries: u32,
}
