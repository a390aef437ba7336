//! How long is waited before something is tried again: each time twice as long, up to a limit.

use std::time::Duration;

use super::life::Life;

/// How often a message is handed over when the provider certainly did not take it.
pub const MAX_TRIES: u32 = 3;

/// The wait before another try, where the provider names none; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// The longest wait before another try, in milliseconds. A provider that asks for more is answered with
/// `provider_unavailable`.
pub const LONGEST_WAIT_MS: u64 = 2_000;

/// A wait that grows.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    next: Duration,
    most: Duration,
}

impl Backoff {
    /// So long the first time, and so long at most.
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, next: first, most }
    }

    /// The waits between two tries of one message.
    pub const fn of_a_message() -> Self {
        Self::new(FIRST_WAIT, Duration::from_millis(LONGEST_WAIT_MS))
    }

    /// The next wait, in milliseconds.
    pub fn next_ms(&self) -> u64 {
        u64::try_from(self.next.as_millis()).unwrap_or(u64::MAX)
    }

    fn grow(&mut self) -> Duration {
        let now = self.next;
        self.next = now.saturating_mul(2).min(self.most);
        now
    }

    /// Begins anew: something went well.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Grows, and waits as long as somebody else asks. A stop does not end that.
    pub async fn sleep_ms(&mut self, life: &Life, asked: u64) {
        self.grow();
        life.sleep(Duration::from_millis(asked)).await;
    }

    /// Waits. A stop does not end that.
    pub async fn sleep(&mut self, life: &Life) {
        let wait = self.grow();
        life.sleep(wait).await;
    }

    /// Waits, but not beyond the beginning of a stop.
    pub async fn pause(&mut self, life: &Life) {
        let wait = self.grow();
        life.pause(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_doubles_up_to_its_limit_and_begins_anew() {
        let mut backoff = Backoff::of_a_message();
        let waits: Vec<u128> = (0..6).map(|_| backoff.grow().as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1_600, 2_000, 2_000]);
        backoff.reset();
        assert_eq!(backoff.next_ms(), 200);
    }
}
