//! Orders that are held: a request that is to be sent again goes before later requests of the same order (the same
//! recipient), and several of them go in the order in which they were first sent.
//!
//! Nothing is held most of the time, and then asking costs one atomic load.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The requests of one order that are to be sent again, by when they were first sent.
#[derive(Default)]
struct Waiting {
    stamps: BTreeSet<u64>,
    changed: Arc<Notify>,
}

/// The orders that are held.
#[derive(Default)]
pub(super) struct Holds {
    count: AtomicUsize,
    orders: Mutex<HashMap<u64, Waiting>>,
}

impl Holds {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds an order for this request.
    pub(super) fn add(&self, order: u64, stamp: u64) {
        if self.lock().entry(order).or_default().stamps.insert(stamp) {
            self.count.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// This request waits no longer.
    pub(super) fn remove(&self, order: u64, stamp: u64) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut orders = self.lock();
        let Some(waiting) = orders.get_mut(&order) else { return };
        if waiting.stamps.remove(&stamp) {
            self.count.fetch_sub(1, Ordering::SeqCst);
            waiting.changed.notify_waiters();
        }
        if waiting.stamps.is_empty() {
            orders.remove(&order);
        }
    }

    /// Whether a request of this order waits to be sent again.
    pub(super) fn is_held(&self, order: u64) -> bool {
        self.count.load(Ordering::SeqCst) > 0 && self.lock().contains_key(&order)
    }

    /// Waits until no request of this order waits to be sent again.
    pub(super) async fn free(&self, order: u64) {
        self.until(order, |_| false).await;
    }

    /// Waits until this request is the first of those of its order that wait.
    pub(super) async fn first(&self, order: u64, stamp: u64) {
        self.until(order, |stamps| stamps.first().is_none_or(|first| *first >= stamp)).await;
    }

    async fn until(&self, order: u64, is_it: impl Fn(&BTreeSet<u64>) -> bool) {
        loop {
            let changed = match self.lock().get(&order) {
                None => return,
                Some(waiting) if is_it(&waiting.stamps) => return,
                // The future is there before the lock is let go of, so no change is missed.
                Some(waiting) => Arc::clone(&waiting.changed).notified_owned(),
            };
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_earlier_goes_first_and_others_of_the_order_wait_for_both() {
        let holds = Arc::new(Holds::default());
        holds.add(7, 1);
        holds.add(7, 2);
        assert!(holds.is_held(7) && !holds.is_held(8));
        let went = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for stamp in [3, 2, 1] {
            let (holds, went) = (Arc::clone(&holds), Arc::clone(&went));
            tasks.push(tokio::spawn(async move {
                if stamp == 3 {
                    holds.free(7).await
                } else {
                    holds.first(7, stamp).await
                }
                went.lock().unwrap().push(stamp);
                holds.remove(7, stamp);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*went.lock().unwrap(), [1, 2, 3]);
        assert!(!holds.is_held(7) && holds.lock().is_empty());
    }
}
