//! What operators did, as the ledger keeps it.

use crate::clock::Timestamp;

/// Something that an operator did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at: Timestamp,
    /// Who acted, as a principal is written.
    pub who: String,
    /// The command, such as `budget unfreeze`.
    pub verb: String,
    /// What it is about: a budget's name, a number in E.164, a message's id.
    pub subject: String,
    /// The approver whose proof it was, where there are any.
    pub approver: Option<String>,
}
