//! Which binds are up, and why the others are not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::provider::session::link::Link;
use crate::provider::session::{Lost, NO_BIND, Protocol, Refused};

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
    state: Mutex<State<P>>,
    changed: Notify,
    /// How often a connection came up, ever.
    pub(super) connections: AtomicU64,
}

/// Where a request can go.
pub(super) enum Way<P: Protocol> {
    /// This way.
    Open(Arc<Link<P>>),
    /// Nowhere, and it does not help to wait.
    Shut(Lost),
    /// Nowhere now.
    NotNow,
}

/// How long the carrier is left alone after it has refused who we are, in milliseconds.
pub(super) const UNAUTHORIZED_MS: u64 = 30_000;

/// How long a request that found no place asks to be left alone, in milliseconds: by then a connection is usually there
/// again.
pub(super) const SOON_MS: u64 = 1_000;

fn not_sent(why: String, retry_after_ms: Option<u64>) -> Lost {
    Lost::NotSent { why, is_unauthorized: false, retry_after_ms }
}

impl<P: Protocol> Board<P> {
    pub(super) fn new(submits: impl Iterator<Item = bool>) -> Self {
        let places = submits.map(|submits| Place { submits, link: None, refused: None, so_far: None, is_kept_up: false }).collect();
        Self { state: Mutex::new(State { places, is_closing: false }), changed: Notify::new(), connections: AtomicU64::new(0) }
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

    /// The way for requests of this order. It stays the same while that bind is up; those of a bind that is down are
    /// spread over the others.
    pub(super) fn way(&self, order: u64) -> Way<P> {
        let state = self.lock();
        if state.is_closing {
            return Way::Shut(not_sent("the session is being closed".to_owned(), None));
        }
        // Orders may be consecutive, or multiples of something: this spreads them.
        let order = usize::try_from(order.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).unwrap_or(0);
        let submitting = || state.places.iter().filter(|place| place.submits);
        let own = |count: usize| order.checked_rem(count).unwrap_or(0);
        let at_home = submitting().nth(own(submitting().count())).and_then(|place| place.link.as_ref());
        let live = || submitting().filter_map(|place| place.link.as_ref());
        if let Some(link) = at_home.or_else(|| live().nth(own(live().count()))) {
            return Way::Open(Arc::clone(link));
        }
        // One of several binds may be refused because the others are up, so it takes all of them to know.
        let refusals: Option<Vec<&Refused>> = submitting().map(|place| place.refused.as_ref().filter(|refused| refused.is_unauthorized)).collect();
        match refusals.as_deref() {
            Some([first, ..]) => Way::Shut(Lost::NotSent { why: first.why.clone(), is_unauthorized: true, retry_after_ms: Some(UNAUTHORIZED_MS) }),
            _ => Way::NotNow,
        }
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
        let refused = submitting().find_map(|place| place.refused.as_ref()).map(|refused| refused.why.as_str());
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
