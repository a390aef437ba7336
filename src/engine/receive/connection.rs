//! Hearing what carriers tell over the connections that they keep: receipts, people's replies, opt-outs.
//!
//! Everything goes through the same door as a webhook ([`Receive::take_events`]), and the carrier is thanked
//! only once it is durable; what cannot be recorded is asked for again. Up to a thousand are under way at a
//! time. Nothing is gathered on purpose: one that comes alone is recorded at once, and while the ledger
//! syncs, those that come meanwhile wait together for its next sync. What one person says is taken in the
//! order in which it came.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::{Mutex, mpsc};

use super::room::Receive;
use crate::engine::carriers::carrier::Carrier;
use crate::error::Result;
use crate::provider::exchange::{Event, Notice, Unacknowledged};

/// Most that is being recorded at a time. More waits at the carrier.
const AT_ONCE: usize = 1_000;

/// People are told apart by this many lanes; in each, one is heard after the other. As many more are there
/// for late answers, which may have to wait for their message and hold up nobody's words.
const LANES: usize = 64;

impl Receive {
    /// Records what a provider tells as it comes, until the engine stops. What is not recorded by then is
    /// dropped, which asks the carrier to tell it again.
    pub async fn run_notices(&self, provider: String, mut notices: mpsc::Receiver<Notice>) {
        let Some(carrier) = self.carriers.get(&provider) else { return };
        let lanes: Vec<Mutex<()>> = (0..2 * LANES).map(|_| Mutex::default()).collect();
        let mut under_way = FuturesUnordered::new();
        let stopping = self.life.stopping();
        tokio::pin!(stopping);
        // From now on a stop is noticed, also one that begins before the first wait.
        stopping.as_mut().enable();
        while !self.life.is_stopping() {
            tokio::select! {
                Some(()) = under_way.next(), if !under_way.is_empty() => {}
                told = notices.recv(), if under_way.len() < AT_ONCE => match told {
                    Some(notice) => under_way.push(self.hear(carrier, &lanes, notice)),
                    None => break,
                },
                () = &mut stopping => break,
            }
        }
        drop(notices);
        while under_way.next().await.is_some() {}
    }

    /// Records one thing that a provider told, and thanks for it.
    async fn hear(&self, carrier: &Carrier, lanes: &[Mutex<()>], mut notice: Notice) {
        carrier.hide(&mut notice.event);
        let lane = match &notice.event {
            Event::Answered(answered) => lanes.get(LANES + lane_of(answered.message.as_str())),
            event => person(event).and_then(|person| lanes.get(lane_of(person))),
        };
        let _turn = match lane {
            Some(lane) => Some(lane.lock().await),
            None => None,
        };
        let taken = self.take_events(carrier, vec![notice.event.clone()]).await;
        if let Err(error) = &taken
            && !matches!(notice.event, Event::Unacknowledged(_))
        {
            tracing::error!(provider = carrier.name(), %error, "receipt or reply of a carrier could not be \
                recorded; it is not acknowledged, so that the carrier sends it again");
        }
        notice.recorded(taken.is_ok());
    }
}

impl Receive {
    /// Keeps what was told and not acknowledged, for whoever is told it again.
    pub async fn keep_told(&self, carrier: &Carrier, texts: Vec<Unacknowledged>) -> Result<()> {
        let texts = texts.into_iter().map(|text| (text.content, text.first)).collect();
        self.ledger.keep_told(carrier.name(), texts, self.life.now()).await
    }
}

/// Whose words an event carries: those are taken one after the other. Receipts may come in any order.
fn person(event: &Event) -> Option<&str> {
    match event {
        Event::Reply(reply) | Event::Claimed { reply: Some(reply), .. } => Some(reply.from.text()),
        Event::Segment(segment) => Some(segment.from.text()),
        Event::OptOut { number, .. } => Some(number.text()),
        // The answers to the segments of a message are taken one after the other, apart from what people say:
        // see `hear`.
        Event::Answered(_)
        | Event::Receipt(_)
        | Event::Hint { .. }
        | Event::Named { .. }
        | Event::Claimed { .. }
        | Event::Unacknowledged(_) => None,
    }
}

fn lane_of(person: &str) -> usize {
    // The same number with its "+" and without is the same person.
    let mut hasher = DefaultHasher::new();
    person.trim_start_matches('+').hash(&mut hasher);
    usize::try_from(hasher.finish() % (LANES as u64)).unwrap_or(0)
}
