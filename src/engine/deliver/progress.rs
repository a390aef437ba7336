//! How much of a bulk was handed over, for whoever follows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::engine::life::locked;
use crate::sms::message::BatchId;

/// The bulks that somebody follows.
#[derive(Default)]
pub struct Progress {
    batches: Mutex<HashMap<BatchId, watch::Sender<u32>>>,
}

impl Progress {
    /// Counts what is handed over of a bulk from now on, for as long as somebody follows it.
    pub fn follow(self: &Arc<Self>, id: &BatchId) -> Followed {
        let (count, handed_over) = watch::channel(0);
        locked(&self.batches).insert(id.clone(), count);
        Followed { progress: Arc::clone(self), id: id.clone(), handed_over }
    }

    /// The count of a bulk that somebody follows.
    pub fn of(&self, id: &BatchId) -> Option<watch::Receiver<u32>> {
        locked(&self.batches).get(id).map(watch::Sender::subscribe)
    }

    /// Counts one more.
    pub fn handed_over(&self, id: &BatchId) {
        if let Some(count) = locked(&self.batches).get(id) {
            count.send_modify(|count| *count += 1);
        }
    }
}

/// A bulk whose progress somebody follows. It is counted until this goes, also where the caller goes away.
pub struct Followed {
    progress: Arc<Progress>,
    id: BatchId,
    /// How many were handed over.
    pub handed_over: watch::Receiver<u32>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        locked(&self.progress.batches).remove(&self.id);
    }
}
