//! What a carrier tells by itself, on its way to whoever records it: the one loop of all protocols.
//!
//! A protocol says what a push of its own means, and what a late answer does ([`Ear`]). The rest is the same
//! for all: the carrier is thanked once what it told is durable, and at once for what is of no use; what
//! cannot be read is counted, and logged at each power of two; texts of people that may be told again are
//! handed on, so that the ledger knows of them.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::clock::SharedClock;
use crate::provider::exchange::{Answered, Event, Notice};
use crate::provider::line::session::{Account, Late, Protocol, Pushes, Telling, UNHEARD_EVERY};

/// Notices that wait to be recorded. The carrier is asked to wait beyond that.
const NOTICES: usize = 256;

/// What to do with something that the carrier told.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What it tells: the carrier is thanked once this is durable. Nothing: it is thanked at once.
    pub event: Option<Event>,
    /// Whether it could not be read. It would be no better when it is told again.
    pub is_lost: bool,
}

/// How a protocol understands what its carrier tells.
pub trait Ear<P: Protocol>: Send + 'static {
    /// Reads what the carrier told.
    fn read(&mut self, push: &P::Push, telling: Telling) -> Told;

    /// Reads an answer that came after its request was given up: what it says of each message that the
    /// request carried.
    fn answered(&self, late: &Late<P>) -> Vec<Answered>;
}

/// Begins to listen: what the carrier tells this account comes out as notices, until nobody wants them any
/// more or the account is gone. `name`: the operator's name for the provider, for the log. Needs a runtime.
pub fn listen<P: Protocol>(
    name: &str,
    account: &Arc<Account<P>>,
    pushes: Pushes<P>,
    clock: &SharedClock,
    ear: impl Ear<P>,
) -> mpsc::Receiver<Notice> {
    let (sender, notices) = mpsc::channel(NOTICES);
    account.start();
    let listener =
        Listener { name: name.to_owned(), ear, pushes, lates: account.lates(), clock: Arc::clone(clock) };
    tokio::spawn(listener.run(sender));
    notices
}

struct Listener<P: Protocol, E> {
    name: String,
    ear: E,
    pushes: Pushes<P>,
    lates: Option<mpsc::Receiver<Late<P>>>,
    clock: SharedClock,
}

impl<P: Protocol, E: Ear<P>> Listener<P, E> {
    async fn run(mut self, notices: mpsc::Sender<Notice>) {
        let mut unheard = self.clock.sleep(UNHEARD_EVERY);
        let mut lost = 0_u64;
        loop {
            let mut told = Vec::new();
            tokio::select! {
                pushed = self.pushes.recv() => {
                    let Some(pushed) = pushed else { return };
                    let Told { event, is_lost } = self.ear.read(&pushed.push, pushed.telling);
                    match event {
                        Some(event) => told.push(Notice::thanking(event, move |is_durable| pushed.answer(is_durable))),
                        // Also what cannot be read: it would be no better when it is told again.
                        None => pushed.answer(true),
                    }
                    lost += u64::from(is_lost);
                    if is_lost && lost.is_power_of_two() {
                        tracing::warn!(provider = self.name, count = lost,
                            "deliver request of the carrier could not be parsed; it was acknowledged");
                    }
                }
                Some(late) = next_of(&mut self.lates) => {
                    told.extend(self.ear.answered(&late).into_iter().map(|answered| Notice::new(Event::Answered(answered))));
                }
                () = &mut unheard => {
                    unheard = self.clock.sleep(UNHEARD_EVERY);
                    told.extend(self.pushes.unheard().notice());
                }
            }
            for notice in told {
                // Dropped, a notice asks the carrier to tell it again.
                if notices.send(notice).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The next late answer, where anybody may give one.
async fn next_of<P: Protocol>(lates: &mut Option<mpsc::Receiver<Late<P>>>) -> Option<Late<P>> {
    lates.as_mut()?.recv().await
}
