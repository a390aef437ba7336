//! Sessions with a carrier: connections that stay, on which many requests are open at a time.
//!
//! SMPP and CMPP differ in their octets and agree in everything else, and this is everything else: frames,
//! sequence numbers, the window, which answer belongs to which request, how long an answer may take,
//! keep-alive in both directions, connecting again, several binds to one account, and slowing down when the
//! carrier says so. What a protocol adds is [`Protocol`]: octets in, octets out, and no I/O.
//!
//! The promise is about what left. A request of which no octet was handed to the connection is
//! [`Lost::NotSent`]; one of which any octet was, and whose answer did not come, is [`Lost::Unknown`], and
//! nothing here ever sends it again. The only request that is sent twice is one that the carrier has answered
//! with "not now" ([`Verdict::NotNow`]).

mod ask;
mod asked;
mod board;
mod core;
mod late;
mod line;
mod link;
mod memory;
mod orders;
mod pace;
mod plan;
mod protocol;
mod pump;
mod refusals;
mod seat;
mod settings;
mod shared;
mod slots;
mod stream;
#[cfg(test)]
mod tests;
mod told;
mod words;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::halt::Brake;
use crate::provider::line::session::asked::Carried;
use crate::provider::line::session::memory::Memory;
use crate::provider::line::session::shared::Shared;
use crate::provider::line::session::told::Told;
use crate::sms::message::MessageId;

pub use asked::{Asked, Lost, NO_BIND, Obstacle, order_of};
pub use memory::Unheard;
pub use plan::{Line, Metrics, Plan};
pub use protocol::{Incoming, NotNow, Protocol, Refused, Verdict};
pub use settings::{Settings, is_address};
pub use told::{Late, Pushed, Pushes, UNHEARD_EVERY};
pub use words::{Content, Place, Telling};

/// Answers to requests that were given up that wait to be recorded. One more is lost, as all of them were
/// once.
const LATES: usize = 1_024;

/// An account at a carrier: its binds, and the requests that go out on them. Dropping it disconnects at once.
pub struct Account<P: Protocol> {
    shared: Arc<Shared<P>>,
    is_started: AtomicBool,
    /// Ends the tasks that keep the binds up.
    gone: CancellationToken,
    /// Answers to requests that were given up, until somebody asks for them.
    lates: Mutex<Option<mpsc::Receiver<Late<P>>>>,
}

impl<P: Protocol> Drop for Account<P> {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

impl<P: Protocol> std::fmt::Debug for Account<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("metrics", &self.metrics()).finish_non_exhaustive()
    }
}

impl<P: Protocol> Account<P> {
    /// An account. Nothing is connected before [`Account::start`]. The second value yields what the carrier
    /// tells.
    ///
    /// # Errors
    /// [`Config`](crate::error::ErrorKind::Config) when a certificate that the settings name cannot be used.
    pub fn new(protocol: P, plan: Plan<P::Bind>, clock: SharedClock) -> Result<(Arc<Self>, Pushes<P>)> {
        let wrong = |why: String| {
            Error::new(ErrorKind::Config, format!("the session of {} cannot be made: {why}", plan.name))
        };
        plan.settings.check_possible().map_err(wrong)?;
        let door = stream::Door::new(&plan.address, &plan.settings).map_err(wrong)?;
        let memory = Arc::new(Memory::new(Arc::clone(&clock)));
        let (told, pushes) = Told::new(Arc::clone(&memory));
        let (late, lates) = mpsc::channel(LATES);
        let shared = Arc::new(Shared::new(protocol, plan, door, clock, memory, told, late));
        let (is_started, gone) = (AtomicBool::new(false), CancellationToken::new());
        Ok((Arc::new(Self { shared, is_started, gone, lates: Mutex::new(Some(lates)) }), pushes))
    }

    /// Connects, and stays connected until [`Account::close`]. Again: nothing. Needs a runtime.
    pub fn start(self: &Arc<Self>) {
        self.begin();
    }

    /// The same, for those who have no [`Arc`] at hand.
    fn begin(&self) {
        if self.is_started.load(Ordering::Relaxed) || self.is_started.swap(true, Ordering::AcqRel) {
            return;
        }
        for number in 0..self.shared.plan.lines.len() {
            let (shared, gone) = (Arc::clone(&self.shared), self.gone.clone());
            shared.board.begun(number);
            tokio::spawn(async move {
                tokio::select! {
                    () = line::keep_up(&shared, number) => {}
                    () = gone.cancelled() => {}
                }
                shared.board.finished(number);
            });
        }
    }

    /// The protocol.
    pub fn protocol(&self) -> &P {
        &self.shared.core.protocol
    }

    /// Asks, and waits for the answer. As [`Account::ask_all`] with one request.
    ///
    /// # Errors
    /// [`Lost`]. Dropping the future does not take the request back.
    pub async fn ask(&self, order: u64, request: &P::Request) -> std::result::Result<P::Answer, Lost> {
        self.begin();
        let mut all = self.shared.ask_all(order, std::slice::from_ref(request), None).await;
        let none = || Lost::NotSent {
            why: "there was nothing to ask".to_owned(),
            obstacle: Obstacle::Text,
            retry_after_ms: None,
        };
        all.pop().map_or_else(|| Err(none()), |asked| asked.answer)
    }

    /// Asks for a text: for all of these requests in a row, and waits for their answers; as many, in their
    /// order. Waits before that for its turn (a bind that is up, a place in its window, the pace), at most
    /// `link_wait`; then none of it was sent. Once the first request is written, no wait for the window or
    /// the pace ends it. Texts of one `order` (a recipient) are sent in the order in which they were asked,
    /// also after a request of one was throttled. An answer that is [`Verdict::NotNow`] is only returned
    /// after `throttle_wait` of trying. Once a request is refused, those that are not written are left out.
    /// An answer that comes after [`Lost::Unknown`] was told comes to [`Account::lates`], with the messages
    /// that are `carried`. What has not begun when the `brake` is pulled does not begin.
    pub async fn ask_all(
        &self,
        order: u64,
        requests: &[P::Request],
        carried: &Arc<[MessageId]>,
        brake: &Brake,
    ) -> Vec<Asked<P::Answer>> {
        self.begin();
        self.shared.ask_all(order, requests, Some(Carried { messages: carried, brake })).await
    }

    /// How many requests may come to wait for their turn now without waiting for long.
    pub fn room(&self) -> u32 {
        self.shared.room()
    }

    /// The same once it is one at least.
    pub async fn roomy(&self) -> u32 {
        self.shared.roomy().await
    }

    /// Whether some bind answers what it is asked: then an answer that another one lost says nothing of the
    /// account.
    pub fn is_answering(&self) -> bool {
        self.shared.board.is_answering(self.shared.plan.settings.answer_timeout.duration(), Instant::now())
    }

    /// Answers that come after [`Lost::Unknown`] was told; the first caller gets them.
    pub fn lates(&self) -> Option<mpsc::Receiver<Late<P>>> {
        self.lates.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Texts of people that may be told again, also to another process: see [`Pushes::unheard`].
    pub fn unheard(&self) -> Unheard {
        self.shared.core.memory.unheard()
    }

    /// Whether some requests of a text were written and others are still to be.
    pub fn is_mid_text(&self) -> bool {
        self.shared.is_mid_text()
    }

    /// What was done so far.
    pub fn metrics(&self) -> Metrics {
        self.shared.metrics()
    }

    /// Waits until a bind is up, at most `link_wait`, for `config check --live`.
    ///
    /// # Errors
    /// Why none is.
    pub async fn ready(&self) -> std::result::Result<(), Lost> {
        self.begin();
        self.shared.ready().await
    }

    /// Why binds are not up, one text for each, once all were tried or `link_wait` is over; for
    /// `config check --live`.
    pub async fn missing(&self) -> Vec<String> {
        self.begin();
        self.shared.missing().await
    }

    /// Begins no new text from now on.
    pub fn begin_close(&self) {
        // What was not begun will not be.
        self.is_started.store(true, Ordering::Release);
        self.shared.board.close();
    }

    /// Begins no new text, finishes those that have begun, waits for the answers to open requests (at most
    /// the answer timeout), says goodbye and disconnects.
    pub async fn close(&self) {
        // What was not begun will not be.
        self.is_started.store(true, Ordering::Release);
        self.shared.close().await;
    }
}
