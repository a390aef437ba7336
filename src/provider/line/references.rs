//! The number that the segments of a long text share, by recipient: two texts to one phone that have the same
//! one could be joined there to one (3GPP TS 23.040, section 9.2.3.24.1), and of 8 bits there are only 256.
//!
//! So each recipient has a count of its own, which begins anywhere and goes on with each long text. One count
//! for everybody would come round to the same number for the same person whenever a campaign has as many
//! recipients as there are numbers.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

/// Most recipients whose count is known. One that is forgotten begins anywhere again.
const MOST: usize = 65_536;

/// The counts. See the module's text.
#[derive(Debug)]
pub struct References {
    seed: u16,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    last: HashMap<u64, u16>,
    /// The same recipients, the first that was known first.
    order: VecDeque<u64>,
}

impl References {
    /// Counts that begin by this seed: another one for each program, so that two of them do not begin alike.
    pub fn new(seed: u16) -> Self {
        Self { seed, counts: Mutex::default() }
    }

    fn hash(&self, recipient: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, recipient).hash(&mut hasher);
        hasher.finish()
    }

    /// The number of the next long text that goes to all of these. It differs, in its low 8 bits too, from
    /// that of the last one to each of them.
    pub fn next<'a>(&self, recipients: impl IntoIterator<Item = &'a str>) -> u16 {
        let recipients: Vec<u64> = recipients.into_iter().map(|recipient| self.hash(recipient)).collect();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let anywhere = |recipient: &u64| u16::try_from(recipient & 0xFFFF).unwrap_or(0);
        let first = recipients.first().map_or(self.seed, |first| {
            counts.last.get(first).map_or_else(|| anywhere(first), |last| last.wrapping_add(1))
        });
        let is_last_of_any = |number: u16| {
            recipients
                .iter()
                .any(|recipient| counts.last.get(recipient).is_some_and(|last| last & 0xFF == number & 0xFF))
        };
        // Fewer than 256 recipients leave one of the 256 free.
        let number = (0..=0xFF)
            .map(|step| first.wrapping_add(step))
            .find(|number| !is_last_of_any(*number))
            .unwrap_or(first);
        for recipient in recipients {
            if counts.last.insert(recipient, number).is_none() {
                counts.order.push_back(recipient);
            }
        }
        while counts.order.len() > MOST {
            if let Some(oldest) = counts.order.pop_front() {
                counts.last.remove(&oldest);
            }
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_person_gets_the_same_number_twice_in_a_row_whatever_others_get() {
        for people in [1_u32, 255, 256, 257, 512] {
            let references = References::new(7);
            let names: Vec<String> = (0..people).map(|n| format!("+1202555{n:04}")).collect();
            let campaign =
                || names.iter().map(|name| references.next([name.as_str()]) & 0xFF).collect::<Vec<_>>();
            let mut last = campaign();
            for _ in 0..5 {
                let next = campaign();
                assert!(last.iter().zip(&next).all(|(one, other)| one != other), "{people} people");
                last = next;
            }
        }
    }

    #[test]
    fn a_text_to_several_differs_from_the_last_one_to_each() {
        let references = References::new(1);
        let mut last: HashMap<&str, u16> = HashMap::new();
        let groups: [&[&str]; 5] = [&["a"], &["b"], &["a", "b", "c"], &["c", "a"], &["b", "c"]];
        for group in groups.iter().cycle().take(2_000) {
            let number = references.next(group.iter().copied());
            for name in *group {
                assert_ne!(last.insert(name, number & 0xFF), Some(number & 0xFF));
            }
        }
    }

    #[test]
    fn only_so_many_recipients_are_known() {
        let references = References::new(1);
        for n in 0..MOST + 100 {
            references.next([n.to_string().as_str()]);
        }
        let counts = references.counts.lock().unwrap();
        assert_eq!((counts.last.len(), counts.order.len()), (MOST, MOST));
    }
}
