//! The bulks that this process accepts just now: what a process has in hand, beside what the rows say.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::sms::message::BatchId;

/// The bulks that this process accepts just now, by their ids.
#[derive(Default)]
pub(super) struct Accepting(Mutex<HashSet<BatchId>>);

impl Accepting {
    /// Notes that one is accepted, until what is returned goes.
    pub(super) fn begin(self: &Arc<Self>, id: &BatchId) -> Begun {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Begun { all: Arc::clone(self), id: id.clone() }
    }

    /// Whether this one is.
    pub(super) fn has(&self, id: &BatchId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }
}

/// Until it goes, its bulk is being accepted.
pub(super) struct Begun {
    all: Arc<Accepting>,
    id: BatchId,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
