//! Which binds are up, and why the others are not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

use crate::provider::line::session::core::Core;
use crate::provider::line::session::link::{Health, Link};
use crate::provider::line::session::{Lost, NO_BIND, Obstacle, Protocol, Refused};

/// What is known of one bind.
struct Place<P: Protocol> {
    submits: bool,
    link: Option<Arc<Link<P>>>,
    /// Why it was not up the last time that it was tried.
    refused: Option<Refused>,
    /// How far a try is that has no end so far, or how the last connection ended.
    so_far: Option<String>,
    is_kept_up: bool,
}

impl<P: Protocol> Place<P> {
    /// Why it is not up: what ended the last try, else how far the first one is.
    fn cause(&self) -> Option<&str> {
        self.refused.as_ref().map(|refused| refused.why.as_str()).or(self.so_far.as_deref())
    }
}

struct State<P: Protocol> {
    places: Vec<Place<P>>,
    is_closing: bool,
}

/// The binds. See the module's text.
pub(super) struct Board<P: Protocol> {
    core: Arc<Core<P>>,
    state: Mutex<State<P>>,
    changed: Notify,
    /// How often a connection came up, ever.
    pub(super) connections: AtomicU64,
}

/// Where a request can go.
pub(super) enum Way<P: Protocol> {
    /// To any of these, the best first; to none of them now where there are none.
    To(Vec<Arc<Link<P>>>),
    /// To this one alone: something of the same order is under way there.
    Bound(Arc<Link<P>>),
    /// Nowhere, and it does not help to wait.
    Shut(Lost),
}

/// A bind that has not answered for so long, or for so many times the usual time, is only used where there is
/// no better one.
const SILENT: (Duration, u32) = (Duration::from_secs(1), 4);

/// How long the carrier is left alone after it has refused who we are, in milliseconds.
pub(super) const UNAUTHORIZED_MS: u64 = 30_000;

/// How long a request that found no place asks to be left alone, in milliseconds: by then a connection is
/// usually there again.
pub(super) const SOON_MS: u64 = 1_000;

fn not_sent(why: String, retry_after_ms: Option<u64>) -> Lost {
    Lost::NotSent { why, obstacle: Obstacle::NoBind, retry_after_ms }
}

impl<P: Protocol> Board<P> {
    pub(super) fn new(submits: impl Iterator<Item = bool>, core: Arc<Core<P>>) -> Self {
        let places = submits
            .map(|submits| Place { submits, link: None, refused: None, so_far: None, is_kept_up: false })
            .collect();
        Self {
            core,
            state: Mutex::new(State { places, is_closing: false }),
            changed: Notify::new(),
            connections: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<P>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, number: usize, change: impl FnOnce(&mut Place<P>)) {
        if let Some(place) = self.lock().places.get_mut(number) {
            change(place);
        }
        self.changed.notify_waiters();
    }

    /// Somebody keeps this bind up now.
    pub(super) fn begun(&self, number: usize) {
        self.change(number, |place| place.is_kept_up = true);
    }

    /// Nobody keeps it up any more.
    pub(super) fn finished(&self, number: usize) {
        self.change(number, |place| {
            place.is_kept_up = false;
            place.link = None;
        });
    }

    /// It is up.
    pub(super) fn up(&self, number: usize, link: Arc<Link<P>>) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.change(number, |place| {
            place.link = Some(link);
            place.refused = None;
            place.so_far = None;
        });
    }

    /// Requests no longer go there.
    pub(super) fn down(&self, number: usize) {
        self.change(number, |place| place.link = None);
    }

    /// A try is so far.
    pub(super) fn trying(&self, number: usize, so_far: &str) {
        if let Some(place) = self.lock().places.get_mut(number) {
            place.so_far = Some(so_far.to_owned());
        }
    }

    /// How far the last try was.
    pub(super) fn so_far(&self, number: usize) -> Option<String> {
        self.lock().places.get(number)?.so_far.clone()
    }

    /// It could not be made.
    pub(super) fn refused(&self, number: usize, refused: Refused) {
        self.change(number, |place| place.refused = Some(refused));
    }

    /// Nothing new goes out.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.changed.notify_waiters();
    }

    /// The connections that are up.
    pub(super) fn links(&self) -> Vec<Arc<Link<P>>> {
        self.lock().places.iter().filter_map(|place| place.link.clone()).collect()
    }

    /// Why nothing begins any more, once the session is being closed.
    pub(super) fn closing(&self) -> Option<Lost> {
        self.lock().is_closing.then(|| not_sent("the session is being closed".to_owned(), None))
    }

    /// Waits until the session is being closed.
    pub(super) async fn closed(&self) {
        self.until(|board| board.closing().map(|_| ())).await;
    }

    /// Whether binds are up and all of them are mute.
    pub(super) fn is_all_mute(&self) -> bool {
        self.lock()
            .places
            .iter()
            .filter(|place| place.submits)
            .filter_map(|place| place.link.as_ref())
            .all(|link| link.is_mute.load(Ordering::Relaxed))
    }

    /// Why nothing new can begin, and does not help to wait.
    pub(super) fn shut(&self) -> Option<Lost> {
        if let Some(closing) = self.closing() {
            return Some(closing);
        }
        let state = self.lock();
        if state.places.iter().any(|place| place.submits && place.link.is_some()) {
            return None;
        }
        // One of several binds may be refused because the others are up, so it takes all of them to know.
        let submitting = state.places.iter().filter(|place| place.submits);
        let refusals: Option<Vec<&Refused>> = submitting
            .map(|place| place.refused.as_ref().filter(|refused| refused.is_unauthorized))
            .collect();
        let first = refusals?.first().copied()?.why.clone();
        Some(Lost::NotSent {
            why: first,
            obstacle: Obstacle::Unauthorized,
            retry_after_ms: Some(UNAUTHORIZED_MS),
        })
    }

    /// The usual case: the one bind that there is, if it is up and takes what is new.
    pub(super) fn only(&self) -> Option<Arc<Link<P>>> {
        let state = self.lock();
        let mut submitting = state.places.iter().filter(|place| place.submits);
        let only = submitting.next().filter(|_| !state.is_closing && submitting.next().is_none())?;
        only.link.as_ref().filter(|link| !link.is_mute.load(Ordering::Relaxed)).map(Arc::clone)
    }

    /// The way for requests of this order. While something of it is under way, it stays on that bind. Else
    /// its home comes first, and a bind that does not answer is home to nobody.
    pub(super) fn way(&self, order: u64, is_new: bool, now: Instant) -> Way<P> {
        let (links, home, is_closing) = {
            let state = self.lock();
            let submitting = || state.places.iter().filter(|place| place.submits);
            // Orders may be consecutive, or multiples of something: this spreads them.
            let spread = usize::try_from(order.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).unwrap_or(0);
            let home = spread.checked_rem(submitting().count()).unwrap_or(0);
            let home = submitting().nth(home).and_then(|place| place.link.clone());
            (submitting().filter_map(|place| place.link.clone()).collect::<Vec<_>>(), home, state.is_closing)
        };
        if links.is_empty() || (is_closing && is_new) {
            return self.shut().map_or_else(|| Way::To(Vec::new()), Way::Shut);
        }
        if is_new
            && links.len() > 1
            && let Some(bound) = links.iter().find(|link| link.is_busy(order))
        {
            return Way::Bound(Arc::clone(bound));
        }
        let limit = SILENT.0.max(self.core.usual() * SILENT.1);
        let is_fit = |health: &Health| health.expired == 0 && health.silent < limit;
        let mut known: Vec<(Arc<Link<P>>, Health)> =
            links.into_iter().map(|link| (Arc::clone(&link), link.health(now))).collect();
        // What is mute is made anew soon; what has begun goes on wherever it can.
        known.retain(|(_, health)| !(is_new && health.is_mute));
        if known.iter().any(|(_, health)| is_fit(health)) {
            known.retain(|(_, health)| is_fit(health));
        }
        let is_home = |link: &Arc<Link<P>>| home.as_ref().is_some_and(|home| Arc::ptr_eq(home, link));
        known.sort_by_key(|(link, health)| std::cmp::Reverse((health.free > 0, is_home(link), health.free)));
        Way::To(known.into_iter().map(|(link, _)| link).collect())
    }

    /// Whether some bind answers: then an answer that was lost says nothing of the account.
    pub(super) fn is_answering(&self, within: Duration, now: Instant) -> bool {
        self.links().iter().any(|link| link.is_answering(within, now))
    }

    /// Something changes.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Whether any bind is up, also one that only listens.
    pub(super) fn is_any_up(&self) -> bool {
        self.lock().places.iter().any(|place| place.link.is_some())
    }

    /// Whether a bind is up that takes requests.
    pub(super) fn is_any_way(&self) -> bool {
        self.lock().places.iter().any(|place| place.submits && place.link.is_some())
    }

    /// Whether each bind is up, or was refused the last time that it was tried.
    pub(super) fn is_all_tried(&self) -> bool {
        self.lock().places.iter().all(|place| place.link.is_some() || place.refused.is_some())
    }

    /// Why binds are not up.
    pub(super) fn missing(&self) -> Vec<String> {
        let state = self.lock();
        let down = state.places.iter().filter(|place| place.link.is_none());
        down.map(|place| place.cause().unwrap_or("no answer so far").to_owned()).collect()
    }

    /// Why nothing can be sent.
    pub(super) fn why_not(&self) -> Lost {
        let state = self.lock();
        let submitting = || state.places.iter().filter(|place| place.submits);
        // How a try ended says more than how far another is.
        let refused =
            submitting().find_map(|place| place.refused.as_ref()).map(|refused| refused.why.as_str());
        let why = match refused.or_else(|| submitting().find_map(Place::cause)) {
            Some(cause) => format!("{NO_BIND}: {cause}"),
            None => NO_BIND.to_owned(),
        };
        not_sent(why, Some(SOON_MS))
    }

    /// Waits until this is so; asked again after every change.
    pub(super) async fn until<T>(&self, mut is_it: impl FnMut(&Self) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(found) = is_it(self) {
                return found;
            }
            changed.await;
        }
    }

    /// Waits until nobody keeps any bind up.
    pub(super) async fn all_finished(&self) {
        self.until(|board| board.lock().places.iter().all(|place| !place.is_kept_up).then_some(())).await;
    }
}
