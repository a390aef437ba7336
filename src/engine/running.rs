//! The beginning and the end of an engine: what runs in the background, and in which order it is taken leave
//! of.

use std::sync::Arc;
use std::time::Duration;

use super::carriers::carrier::Carrier;
use super::rooms::Rooms;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::Reference;

/// How long closing the ledger may take, and taking leave of the carriers where no patience is left.
const CLOSE_PATIENCE: Duration = Duration::from_millis(400);

/// How long the answers to what was written last of a text may take at a stop.
const LAST_ANSWERS: Duration = Duration::from_millis(3_500);

/// How often a stop looks whether the rest of a text has left.
const MID_TEXT_LOOK: Duration = Duration::from_millis(50);

impl Rooms {
    /// See [`Engine::start`](super::Engine::start).
    pub async fn start(&self, adopt: bool) -> Result<()> {
        self.recovery.recover().await?;
        let Rooms { life, carriers, deliver, receive, recovery, operate, answering, .. } = self;
        for carrier in carriers.all() {
            let name = carrier.name().to_owned();
            if let Some(notices) = carrier.notices() {
                let (receive, name) = (Arc::clone(receive), name.clone());
                life.spawn(async move { receive.run_notices(name, notices).await });
            }
            let deliver = Arc::clone(deliver);
            life.spawn(async move { deliver.run_queue(name, adopt).await });
        }
        if adopt {
            life.serve();
            for carrier in carriers.all() {
                let (room, name) = (Arc::clone(deliver), carrier.name().to_owned());
                life.spawn(async move { room.run_due(name).await });
                if carrier.capabilities().reposts {
                    let (room, name) = (Arc::clone(deliver), carrier.name().to_owned());
                    life.spawn(async move { room.run_reposts(name).await });
                }
            }
            let deciding = Arc::clone(operate);
            life.spawn(async move { deciding.run_proposals().await });
            let answering = Arc::clone(answering);
            life.spawn(async move { answering.run_notices().await });
            let deliver = Arc::clone(deliver);
            life.spawn(async move { deliver.run_gone().await });
            let recovery = Arc::clone(recovery);
            life.spawn(async move { recovery.run().await });
            self.start_hearing();
            operate.warn_of_pending().await?;
        }
        Ok(())
    }

    /// Starts what a server does besides sending: asking vendors, and telling the operator's own system.
    fn start_hearing(&self) {
        let Rooms { life, carriers, receive, poll, tell, .. } = self;
        for carrier in carriers.all() {
            let name = || carrier.name().to_owned();
            let (room, own) = (Arc::clone(receive), name());
            life.spawn(async move { room.run_refresh(own).await });
            if carrier.capabilities().receipts_by_push {
                let (room, own) = (Arc::clone(receive), name());
                life.spawn(async move { room.run_unmatched(own).await });
            }
            if carrier.capabilities().status {
                let (poll, own) = (Arc::clone(poll), name());
                life.spawn(async move { poll.run_looks(own).await });
            }
        }
        if tell.target.is_some() {
            let tell = Arc::clone(tell);
            life.spawn(async move { tell.run_forwards().await });
        }
        let room = Arc::clone(receive);
        life.spawn(async move { room.run_long_replies().await });
        let can_settle = |carrier: &Carrier| {
            let can = carrier.capabilities();
            can.list || (can.reference != Reference::None && !can.reposts)
        };
        if carriers.all().iter().any(can_settle) {
            let room = Arc::clone(receive);
            life.spawn(async move { room.run_reconcile().await });
        }
    }

    /// Refuses new sends from now on.
    pub fn begin_stop(&self) {
        self.life.begin_stop();
        self.carriers.all().iter().for_each(Carrier::begin_close);
        self.signals.wake_queues();
    }

    /// See [`Engine::stop`](super::Engine::stop).
    pub async fn stop(&self, patience: Duration) {
        self.begin_stop();
        let Rooms { life, carriers, recorder, .. } = self;
        let mut left = life.sleep(patience);
        let began = life.now();
        let whole_until = began.plus_ms(self.stop_within.as_millis());
        // They begin nothing more since the stop began, and finish what they have begun.
        let mut leaving = std::pin::pin!(carriers.leave());
        let (mut has_left, mut was_mid_text) = (false, false);
        let is_idle = loop {
            tokio::select! {
                biased;
                () = life.idle() => break true,
                () = &mut leaving, if !has_left => has_left = true,
                () = &mut left => {
                    let is_late = life.now() >= whole_until;
                    // A part of a text is of no use to anybody: the rest of it may still go out, and be
                    // answered. And what is known may still be recorded.
                    let more = if is_late {
                        None
                    } else if self.is_mid_text() {
                        was_mid_text = true;
                        Some(MID_TEXT_LOOK)
                    } else if recorder.has_waiting() {
                        Some(MID_TEXT_LOOK)
                    } else {
                        std::mem::take(&mut was_mid_text).then(|| patience.max(LAST_ANSWERS))
                    };
                    let Some(more) = more else { break false };
                    left = life.sleep(more);
                }
            }
        };
        if !is_idle {
            tracing::warn!(
                in_flight = life.under_way(),
                "shutdown with sends in flight; their outcome is unknown"
            );
        }
        // What is left of the patience, and a moment in any case.
        let over = async {
            life.sleep(CLOSE_PATIENCE).await;
            if is_idle {
                left.await;
            }
        };
        tokio::select! {
            biased;
            () = leaving, if !has_left => {}
            () = async {}, if has_left => {}
            () = over => tracing::warn!("shutdown: not every provider was closed (unbind) in time"),
        }
        // Another process may hold the file. What is not written now, the next process recovers. Else it is
        // brought into the one file, and a slow disk has what is left of the patience for that.
        recorder.give_up();
        let spent = life.now().as_millis().saturating_sub(began.as_millis());
        let unspent = patience.saturating_sub(Duration::from_millis(u64::try_from(spent).unwrap_or(0)));
        let closed = tokio::select! {
            closed = self.close_ledger() => closed,
            () = life.sleep(CLOSE_PATIENCE + unspent) => Err(Error::new(ErrorKind::LedgerUnavailable,
                "another process holds the ledger")),
        };
        if let Err(error) = closed {
            tracing::error!(%error, "the ledger did not close cleanly");
        }
    }

    /// Closes the ledger, with what carriers will tell again in it. Where that cannot be kept, this process
    /// does not leave in good order: whoever is told it then has to know that its first telling is unknown.
    async fn close_ledger(&self) -> Result<()> {
        for carrier in self.carriers.all() {
            let texts = carrier.unacknowledged();
            if !texts.is_empty() {
                self.receive.keep_told(carrier, texts).await?;
            }
        }
        self.ledger.close().await
    }

    /// Whether a part of some text has left, and the rest of it has not.
    fn is_mid_text(&self) -> bool {
        self.carriers.all().iter().any(Carrier::is_mid_text)
    }
}
