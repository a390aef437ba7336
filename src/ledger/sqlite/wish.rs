//! What people want, as it is told to the mark outside the ledger.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What a person wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Who, in E.164; where nobody can tell that, what tells a sender of a provider from all others.
    pub(super) number: String,
    /// No more texts, or texts again.
    pub(super) is_out: bool,
    /// Since when.
    pub(super) at: Timestamp,
    /// How it became known.
    pub(super) source: String,
    /// What waits for the operator, who is to say whose wish it is. It is one for texts again once that is
    /// settled.
    pub(super) pending: Option<PendingWish>,
}

/// A STOP of a sender that may be several people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingWish {
    /// The provider that it came through.
    pub(super) provider: String,
    /// The sender as it is written.
    pub(super) sender: String,
    /// By what a number is found that fits it.
    pub(super) ending: Option<String>,
    /// Who may have said it.
    pub(super) people: Vec<String>,
}

impl PendingWish {
    /// The wish of this sender, or its end.
    pub(super) fn wish(self, is_out: bool, at: Timestamp, source: String) -> Wish {
        Wish { number: format!("{} {}", self.provider, self.sender), is_out, at, source, pending: Some(self) }
    }
}
