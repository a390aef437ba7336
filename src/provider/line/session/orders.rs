//! Who waits of an order: requests of one order (one recipient) go out in the order in which they were asked.
//! A text that waits for its turn is here until all of its segments were written, and a request that is to be
//! sent again from the "not now" on until it is.
//!
//! Nobody waits most of the time, and then asking costs one atomic load.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The requests of one order that wait, by when they were asked.
#[derive(Default)]
struct Waiting {
    stamps: BTreeSet<u64>,
    changed: Arc<Notify>,
}

/// Who waits. See the module's text.
#[derive(Default)]
pub(super) struct Orders {
    count: AtomicUsize,
    orders: Mutex<HashMap<u64, Waiting>>,
}

/// A request that waits; it waits no longer when this is dropped.
pub(super) struct Waits<'a> {
    orders: &'a Orders,
    order: u64,
    stamp: u64,
    is_over: bool,
}

impl<'a> Waits<'a> {
    /// A request that waits since its answer, by which it was added.
    pub(super) fn again(orders: &'a Orders, order: u64, stamp: u64) -> Self {
        Self { orders, order, stamp, is_over: false }
    }

    /// It was sent again, and waits no longer since then. What waits now waits because of another answer.
    pub(super) fn sent(mut self) {
        self.is_over = true;
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.orders.remove(self.order, self.stamp);
        }
    }
}

impl Orders {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This request waits from now on.
    pub(super) fn wait(&self, order: u64, stamp: u64) -> Waits<'_> {
        self.add(order, stamp);
        Waits { orders: self, order, stamp, is_over: false }
    }

    /// This request waits.
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

    /// Whether nobody of this order waits who was asked before the text with this first stamp.
    pub(super) fn is_first(&self, order: u64, text: u64) -> bool {
        self.count.load(Ordering::SeqCst) == 0
            || self.lock().get(&order).is_none_or(|waiting| waiting.is_first(text))
    }

    /// Waits until that is so.
    pub(super) async fn first(&self, order: u64, text: u64) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        loop {
            let changed = match self.lock().get(&order) {
                None => return,
                Some(waiting) if waiting.is_first(text) => return,
                // The future is there before the lock is let go of, so no change is missed.
                Some(waiting) => Arc::clone(&waiting.changed).notified_owned(),
            };
            changed.await;
        }
    }
}

impl Waiting {
    fn is_first(&self, text: u64) -> bool {
        self.stamps.first().is_none_or(|first| *first >= text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_earlier_goes_first_and_others_of_the_order_wait_for_it() {
        let orders = Arc::new(Orders::default());
        orders.add(7, 1);
        orders.add(7, 2);
        assert!(!orders.is_first(7, 3) && orders.is_first(8, 3) && orders.is_first(7, 1));
        let went = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for stamp in [3, 2, 1] {
            let (orders, went) = (Arc::clone(&orders), Arc::clone(&went));
            tasks.push(tokio::spawn(async move {
                let _waits = orders.wait(7, stamp);
                orders.first(7, stamp).await;
                went.lock().unwrap().push(stamp);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*went.lock().unwrap(), [1, 2, 3]);
        assert!(orders.is_first(7, 9) && orders.lock().is_empty());
    }

    #[tokio::test]
    async fn segments_of_one_text_do_not_wait_for_each_other() {
        let orders = Orders::default();
        let _text = orders.wait(7, 10);
        orders.add(7, 12);
        orders.first(7, 10).await;
        assert!(orders.is_first(7, 10) && !orders.is_first(7, 13));
    }
}
