//! What the rooms of the engine let each other know: that something waits to be handed over, to be asked
//! about or to be told, and which message changed. Whoever waits for a signal looks by itself now and then,
//! for what other processes do.

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, broadcast, watch};

use crate::sms::message::MessageId;

/// Changes that wait for a slow listener; one that misses some looks at everything it watches.
const CHANGES: usize = 1_024;

/// The signals. See the module's text.
pub struct Signals {
    /// Counts what was queued: every carrier's worker sees each step of it.
    queued: watch::Sender<u64>,
    /// Counts hints: something is to be looked up.
    hints: watch::Sender<u64>,
    /// Messages that changed.
    changes: broadcast::Sender<MessageId>,
    /// Something may be there to tell.
    forwards: Notify,
}

impl Default for Signals {
    fn default() -> Self {
        Self {
            queued: watch::Sender::new(0),
            hints: watch::Sender::new(0),
            changes: broadcast::channel(CHANGES).0,
            forwards: Notify::new(),
        }
    }
}

impl Signals {
    /// Tells the worker of every carrier that there is something to look for. One alone would not do: it may
    /// be another's.
    pub fn wake_queues(&self) {
        self.queued.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// What [`Signals::wake_queues`] counts.
    pub fn queued(&self) -> watch::Receiver<u64> {
        self.queued.subscribe()
    }

    /// Tells that something is to be asked about.
    pub fn hint(&self) {
        self.hints.send_modify(|hints| *hints = hints.wrapping_add(1));
    }

    /// What [`Signals::hint`] counts.
    pub fn hints(&self) -> watch::Receiver<u64> {
        self.hints.subscribe()
    }

    /// Tells whoever listens that this message changed.
    pub fn changed(&self, id: &MessageId) {
        let _ = self.changes.send(id.clone()); // Nobody listens: nobody has to be told.
        self.to_tell();
    }

    /// The messages that change from now on, as far as this process changes them.
    pub fn changes(&self) -> broadcast::Receiver<MessageId> {
        self.changes.subscribe()
    }

    /// Tells that something may be there to tell the operator's own system.
    pub fn to_tell(&self) {
        self.forwards.notify_one();
    }

    /// Waits for [`Signals::to_tell`].
    pub fn forwards(&self) -> Notified<'_> {
        self.forwards.notified()
    }
}
