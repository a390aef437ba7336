//! Answers that come after their time: whoever asked was told that nothing is known, and still wants to hear
//! of it.

use std::collections::{HashMap, VecDeque};

use tokio::sync::oneshot;

/// Most requests whose answer is still known when it comes. Older ones are forgotten.
const MOST: usize = 4_096;

/// The requests of one connection whose time was up.
pub(super) struct Late<A> {
    by_sequence: HashMap<u32, oneshot::Sender<A>>,
    /// The same, oldest first.
    order: VecDeque<u32>,
}

impl<A> Default for Late<A> {
    fn default() -> Self {
        Self { by_sequence: HashMap::new(), order: VecDeque::new() }
    }
}

impl<A> Late<A> {
    /// Where the answer to this request will come, if it does before the connection ends.
    pub(super) fn expect(&mut self, sequence: u32) -> oneshot::Receiver<A> {
        while self.order.len() >= MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.by_sequence.remove(&oldest);
            }
        }
        let (sender, receiver) = oneshot::channel();
        self.by_sequence.insert(sequence, sender);
        self.order.push_back(sequence);
        receiver
    }

    /// An answer to no open request; whether it is one of these.
    pub(super) fn came(&mut self, sequence: u32, answer: A) -> bool {
        let Some(sender) = self.by_sequence.remove(&sequence) else { return false };
        self.order.retain(|known| *known != sequence);
        // Who does not listen has given up.
        let _ = sender.send(answer);
        true
    }

    /// Whether this number is taken.
    pub(super) fn is_expected(&self, sequence: u32) -> bool {
        self.by_sequence.contains_key(&sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_answer_comes_once_to_who_asked_and_only_so_many_are_waited_for() {
        let mut late = Late::default();
        let mut first = late.expect(1);
        let mut second = late.expect(2);
        assert!(late.came(2, "b") && !late.came(2, "b") && !late.came(3, "c"));
        assert_eq!((second.try_recv(), late.is_expected(1), late.is_expected(2)), (Ok("b"), true, false));
        let kept: Vec<_> =
            (10..10 + u32::try_from(MOST).unwrap()).map(|sequence| late.expect(sequence)).collect();
        assert!(first.try_recv().is_err() && !late.is_expected(1), "the oldest is forgotten");
        assert_eq!((late.order.len(), late.by_sequence.len(), kept.len()), (MOST, MOST, MOST));
    }
}
