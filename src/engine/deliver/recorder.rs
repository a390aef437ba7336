//! Writing down what became of a message: how it ended, or that it goes back to the queue.
//!
//! Some of it is known and cannot be written now: the disk is full, or another process holds the ledger. It
//! waits in memory, and is tried again until it is on record, or this process ends. There is one outcome at
//! most for each message under way, and while any waits nothing new is accepted or begun, so that they do not
//! become more.
//!
//! One of them is tried at a time, with a growing wait; once that is written the others follow together. What
//! is left when the process ends is what recovery finds: attempts without an outcome.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::oneshot;

use crate::engine::life::{Life, crash_point, locked};
use crate::engine::retry::Backoff;
use crate::engine::signals::Signals;
use crate::error::{Error, ErrorKind, Result};
use crate::halt::{Halt, Halts};
use crate::ledger::{Back, Ledger, Settlement};
use crate::sms::facts::Budget;
use crate::sms::message::MessageId;

/// How long a call waits for an outcome that cannot be recorded yet, before it answers without that.
const SETTLE_PATIENCE: Duration = Duration::from_secs(6);

/// The first wait before an outcome is tried again that could not be recorded, and the longest.
const SETTLE_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What waits to be written.
enum Unrecorded {
    /// How an attempt ended, and who wants to hear that it is on record.
    Outcome { id: MessageId, settlement: Box<Settlement>, heard: oneshot::Sender<Vec<Budget>> },
    /// Messages that were not sent, and go back to the queue.
    Back(Vec<Back>),
}

impl Unrecorded {
    /// Whether another one is about the same message, and says the same of it.
    fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Outcome { id, settlement, .. }, Self::Outcome { id: other, settlement: said, .. }) => {
                id == other && settlement.state == said.state
            }
            _ => false,
        }
    }
}

/// What waits, and whether somebody is at it. See the module's text.
#[derive(Default)]
struct Waiting {
    all: VecDeque<Unrecorded>,
    is_worked_on: bool,
    /// The ledger is closed: nothing can be written any more.
    is_over: bool,
}

/// What whoever is at it does next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Something waits.
    Record,
    /// All is on record: texts begin again.
    Begin,
    /// The ledger is closed, whatever became of what waited.
    Leave,
}

impl Waiting {
    /// What is next; where nothing waits, nobody is at it from then on.
    fn next(&mut self) -> Next {
        if !self.all.is_empty() {
            return Next::Record;
        }
        self.is_worked_on = false;
        if self.is_over { Next::Leave } else { Next::Begin }
    }
}

/// Writes what became of messages. See the module's text.
pub struct Recorder {
    ledger: Arc<dyn Ledger>,
    life: Arc<Life>,
    signals: Arc<Signals>,
    halts: Arc<Halts>,
    waiting: Mutex<Waiting>,
}

impl Recorder {
    /// One that writes into this ledger.
    pub fn new(ledger: Arc<dyn Ledger>, life: Arc<Life>, signals: Arc<Signals>, halts: Arc<Halts>) -> Self {
        Self { ledger, life, signals, halts, waiting: Mutex::default() }
    }

    /// Posts a settlement. What cannot be written now waits until it can be, and is not lost while this
    /// process lives; the error says that it waits still.
    pub async fn settle(self: &Arc<Self>, id: &MessageId, settlement: &Settlement) -> Result<Vec<Budget>> {
        let error = match self.ledger.settle(id, settlement.clone()).await {
            Ok(budgets) => {
                crash_point("after-settle");
                self.signals.changed(id);
                return Ok(budgets);
            }
            Err(error) => error,
        };
        tracing::error!(message = %id, %error, "an outcome could not be recorded yet");
        let (heard, recorded) = oneshot::channel();
        self.keep(
            Unrecorded::Outcome { id: id.clone(), settlement: Box::new(settlement.clone()), heard },
            &error,
        );
        tokio::select! {
            recorded = recorded => recorded.map_err(|_| error),
            () = self.life.sleep(SETTLE_PATIENCE) => Err(error),
        }
    }

    /// Puts messages back in the queue. While the ledger cannot be written they wait for that, as outcomes
    /// do: else they would stay attempts of this process for as long as it lives.
    pub async fn put_back(self: &Arc<Self>, provider: &str, back: Vec<Back>) {
        let count = back.len();
        match self.ledger.unclaim(back.clone()).await {
            Ok(()) => tracing::debug!(count, provider, "requeued: the provider takes nothing now"),
            Err(error) => {
                tracing::error!(%error,
                    "messages that were not sent could not be requeued yet; it will be tried again");
                self.keep(Unrecorded::Back(back), &error);
            }
        }
    }

    /// Lets something wait that could not be written. Nothing begins until it is.
    fn keep(self: &Arc<Self>, what: Unrecorded, error: &Error) {
        let is_begun = {
            let mut waiting = locked(&self.waiting);
            if waiting.is_over {
                return;
            }
            // Whoever asks again and again about one message must not make them more.
            if !waiting.all.iter().any(|one| one.says_the_same(&what)) {
                waiting.all.push_back(what);
            }
            // Under the lock, so that who takes the last one out says so after this.
            self.halts.set_unrecorded(Some(halt(error)));
            std::mem::replace(&mut waiting.is_worked_on, true)
        };
        if !is_begun {
            tracing::error!(%error,
                "outcomes cannot be recorded now: they wait in memory, and nothing is sent until they are");
            let recorder = Arc::clone(self);
            self.life.spawn(async move { recorder.record_all().await });
        }
    }

    /// Whether anything waits to be written.
    pub fn has_waiting(&self) -> bool {
        locked(&self.waiting).is_worked_on
    }

    /// Gives up what waits: the ledger is closed after this.
    pub fn give_up(&self) {
        let mut waiting = locked(&self.waiting);
        waiting.is_over = true;
        let left = waiting.all.drain(..).count();
        drop(waiting);
        if left > 0 {
            tracing::error!(left, "shutdown with outcomes that could not be recorded: they are unknown");
        }
    }

    /// Writes what waits, until nothing does.
    async fn record_all(&self) {
        let mut backoff = Backoff::new(SETTLE_WAIT, LONGEST_WAIT);
        while self.has_more_to_record() {
            backoff.sleep(&self.life).await;
            let first = locked(&self.waiting).all.pop_front();
            let Some(first) = first else { continue };
            if !self.record_or_keep(first).await {
                continue;
            }
            let rest = std::mem::take(&mut locked(&self.waiting).all);
            let is_all = join_all(rest.into_iter().map(|one| self.record_or_keep(one)))
                .await
                .into_iter()
                .all(|is_recorded| is_recorded);
            if is_all {
                backoff.reset();
            }
        }
    }

    /// Whether something waits still. Once nothing does texts begin again, unless it was given up at the end.
    fn has_more_to_record(&self) -> bool {
        let mut waiting = locked(&self.waiting);
        match waiting.next() {
            Next::Record => return true,
            Next::Leave => return false,
            // Under the lock, so that who lets something wait says so after this.
            Next::Begin => self.halts.set_unrecorded(None),
        }
        drop(waiting);
        tracing::info!("all outcomes are recorded: sending goes on");
        self.signals.wake_queues();
        false
    }

    async fn record_or_keep(&self, one: Unrecorded) -> bool {
        match self.try_to_record(&one).await {
            Ok(budgets) => {
                if let Unrecorded::Outcome { id, heard, .. } = one {
                    crash_point("after-settle");
                    self.signals.changed(&id);
                    // Whoever wanted to hear it may be gone.
                    let _ = heard.send(budgets);
                }
                true
            }
            Err(error) => {
                tracing::debug!(%error, "outcomes still not recorded");
                let mut waiting = locked(&self.waiting);
                if !waiting.is_over {
                    waiting.all.push_back(one);
                    self.halts.set_unrecorded(Some(halt(&error)));
                }
                false
            }
        }
    }

    async fn try_to_record(&self, one: &Unrecorded) -> Result<Vec<Budget>> {
        let store = &self.ledger;
        match one {
            Unrecorded::Outcome { id, settlement, .. } => {
                store.settle(id, Settlement::clone(settlement)).await
            }
            Unrecorded::Back(back) => store.unclaim(back.clone()).await.map(|()| Vec::new()),
        }
    }
}

/// Why nothing begins while something waits.
fn halt(error: &Error) -> Halt {
    let code = if error.kind().is_of_ledger() { error.kind() } else { ErrorKind::LedgerUnavailable };
    Halt { code, why: format!("what became of earlier texts waits to be recorded: {}", error.message()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_at_the_end_is_not_said_to_be_recorded() {
        let begun = || Waiting { is_worked_on: true, ..Waiting::default() };
        let mut recorded = begun();
        assert_eq!((recorded.next(), recorded.is_worked_on), (Next::Begin, false));
        let mut waits = Waiting { all: [Unrecorded::Back(Vec::new())].into(), ..begun() };
        assert_eq!((waits.next(), waits.is_worked_on), (Next::Record, true));
        let mut given_up = Waiting { is_over: true, ..begun() };
        assert_eq!((given_up.next(), given_up.is_worked_on), (Next::Leave, false));
    }
}
