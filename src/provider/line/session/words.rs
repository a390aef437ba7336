//! What people wrote over this account lately: which of it is told again, and when it was told first.
//!
//! A carrier tells a text again when it was asked to ("later"), or when our acknowledgement did not reach it:
//! because the connection was cut, or because it came too late for the carrier's patience. Such a text is the
//! same one, and keeps the time at which it was told first: what it asks for must not undo what was asked for
//! since. Everything else is a new text, also where it says the same: people answer two questions with the
//! same word.
//!
//! What was not taken is kept for [`KEPT_MS`], in number at most [`MOST`]. What could be told again to
//! another process is handed out by [`Words::unheard`], so that the ledger keeps it. From then on
//! ([`Words::kept`]) it is kept there alone: it is told again once, to one process, and the same words said
//! after that are another text. No I/O, no clock.

use std::collections::HashMap;

use crate::clock::Timestamp;

/// What stands for a text: a digest of everything in it that stays the same when it is told again.
pub type Content = [u8; 16];

/// For how long a text that was not taken may be told again, in milliseconds: carriers keep one for a day or
/// two.
const KEPT_MS: i64 = 3 * 24 * 3_600_000;

/// Texts that are remembered at a time; a few megabytes.
const MOST: usize = 65_536;

/// An acknowledgement within this time is in time for every carrier, in milliseconds: none waits for a
/// shorter while.
const PROMPT_MS: i64 = 3_000;

/// For how long the same text may be one that was told again because its acknowledgement came late, or under
/// the number that it had, in milliseconds.
const SAME_MS: i64 = 120_000;

/// The same where the connection was cut about when the acknowledgement was written: the carrier has to
/// connect first.
const CUT_MS: i64 = 600_000;

/// An acknowledgement this long before the carrier was heard last has reached it, in milliseconds.
const ARRIVED_MS: i64 = 5_000;

/// Which connection, and the carrier's number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The connection's number within the account.
    pub link: u64,
    /// The carrier's sequence number on it.
    pub sequence: u32,
}

/// A text, as it is told this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Telling {
    /// When it was told first.
    pub first: Timestamp,
    /// Whether that was an earlier time.
    pub is_again: bool,
}

impl From<Timestamp> for Telling {
    /// It is told first now.
    fn from(now: Timestamp) -> Self {
        Self { first: now, is_again: false }
    }
}

/// What became of the last telling.
#[derive(Clone, Copy)]
enum Fate {
    /// It has no answer so far.
    Waiting,
    /// It was answered with "later".
    Refused,
    /// It was taken.
    Taken {
        at: Timestamp,
        /// The place behind the acknowledgement in what is written to the connection, in octets.
        end: u64,
        /// Until then the same text is this one.
        until: Timestamp,
    },
}

struct Word {
    first: Timestamp,
    told: Timestamp,
    place: Place,
    /// Tellings without an answer.
    waiting: u32,
    fate: Fate,
    /// Whether it may be told again to another process, and is to be kept elsewhere for that.
    is_unheard: bool,
}

const fn since(earlier: Timestamp, now: Timestamp) -> i64 {
    now.as_millis().saturating_sub(earlier.as_millis())
}

impl Word {
    /// Whether the same text, told now, is this one.
    fn is_told_again(&self, place: Place, now: Timestamp) -> bool {
        match self.fate {
            _ if self.waiting > 0 => true,
            Fate::Waiting | Fate::Refused => since(self.told, now) < KEPT_MS,
            Fate::Taken { at, until, .. } => now < until || (self.place == place && since(at, now) < SAME_MS),
        }
    }

    fn is_needed(&self, now: Timestamp) -> bool {
        match self.fate {
            Fate::Taken { at, until, .. } => self.waiting > 0 || now < until || since(at, now) < SAME_MS,
            Fate::Waiting | Fate::Refused => self.waiting > 0 || since(self.told, now) < KEPT_MS,
        }
    }
}

/// The texts of one account. See the module's text.
#[derive(Default)]
pub struct Words {
    words: HashMap<Content, Word>,
    unheard: Vec<(Content, Timestamp)>,
    /// How many there were when it was last looked for those that are not needed.
    swept: usize,
}

impl Words {
    /// A text is told. Every telling is to be answered: [`Words::answered`].
    pub fn told(&mut self, content: Content, place: Place, now: Timestamp) -> Telling {
        self.sweep(now);
        let mut first = now;
        if let Some(word) = self.words.get_mut(&content) {
            if word.is_told_again(place, now) {
                word.told = now;
                word.place = place;
                word.waiting = word.waiting.saturating_add(1);
                return Telling { first: word.first, is_again: true };
            }
            // Two texts are two, however fast one follows the other.
            first = now.max(word.first.plus_ms(1));
        }
        self.words.insert(
            content,
            Word { first, told: now, place, waiting: 1, fate: Fate::Waiting, is_unheard: false },
        );
        Telling { first, is_again: false }
    }

    /// A telling is answered. `end` is the place behind the acknowledgement in what is written to the
    /// connection; nothing where it can no longer be written.
    pub fn answered(&mut self, content: &Content, is_taken: bool, end: Option<u64>, now: Timestamp) {
        let Some(word) = self.words.get_mut(content) else { return };
        let is_alone = word.waiting <= 1;
        word.waiting = word.waiting.saturating_sub(1);
        word.fate = match end {
            _ if !is_taken => Fate::Refused,
            None => Fate::Taken { at: now, end: u64::MAX, until: now.plus_ms(CUT_MS) },
            // Told twice before there was an answer, it may have been told a third time.
            Some(end) if is_alone && since(word.told, now) <= PROMPT_MS => {
                Fate::Taken { at: now, end, until: now }
            }
            Some(end) => Fate::Taken { at: now, end, until: now.plus_ms(SAME_MS) },
        };
        let is_news = !word.is_unheard;
        word.is_unheard = !is_taken || end.is_none();
        if word.is_unheard && is_news {
            self.unheard.push((*content, word.first));
        }
    }

    /// A connection has ended, on which the carrier was heard last at this time, and which has taken so many
    /// octets: what was acknowledged about then may be told again.
    pub fn ended(&mut self, link: u64, heard: Timestamp, written: u64, now: Timestamp) {
        for (content, word) in &mut self.words {
            let Fate::Taken { at, end, until } = &mut word.fate else { continue };
            if word.place.link == link && (*end > written || since(*at, heard) < ARRIVED_MS) {
                *until = now.plus_ms(CUT_MS).max(*until);
                if !word.is_unheard {
                    word.is_unheard = true;
                    self.unheard.push((*content, word.first));
                }
            }
        }
    }

    /// What may be told again, also to another process: each once. What is being told again now is not among
    /// it before that is answered, and what was taken since no longer.
    pub fn unheard(&mut self) -> Vec<(Content, Timestamp)> {
        let all = std::mem::take(&mut self.unheard);
        let (open, others): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(content, _)| self.words.get(content).is_some_and(|word| word.waiting > 0));
        self.unheard = open;
        let is_needed = |(content, first): &(Content, Timestamp)| {
            self.words.get(content).is_none_or(|word| word.is_unheard && word.first == *first)
        };
        others.into_iter().filter(is_needed).collect()
    }

    /// What was handed out is kept elsewhere now, and there alone: two copies of one doubt would each take a
    /// text for it. What is being told again is handed out once more if it is not taken.
    pub fn kept(&mut self, texts: &[(Content, Timestamp)], now: Timestamp) {
        for (content, first) in texts {
            let Some(word) =
                self.words.get_mut(content).filter(|word| word.is_unheard && word.first == *first)
            else {
                continue;
            };
            if word.waiting > 0 {
                word.is_unheard = false;
            } else if !(matches!(word.fate, Fate::Taken { .. }) && since(*first, now) >= SAME_MS) {
                // One that had to be told for long before it was taken is in doubt for longer than anybody
                // else believes.
                self.words.remove(content);
            }
        }
    }

    /// Takes back what could not be kept, to be handed out again.
    pub fn keep_unheard(&mut self, unheard: Vec<(Content, Timestamp)>) {
        self.unheard.extend(unheard);
    }

    /// Forgets what is not needed, now and then; and where too much is, what was told longest ago.
    fn sweep(&mut self, now: Timestamp) {
        if self.unheard.len() >= MOST {
            self.unheard.drain(..MOST / 4);
        }
        if self.words.len() < self.swept.saturating_mul(2).clamp(1_024, MOST) {
            return;
        }
        self.words.retain(|_, word| word.is_needed(now));
        if self.words.len() >= MOST {
            let mut told: Vec<Timestamp> =
                self.words.values().filter(|word| word.waiting == 0).map(|word| word.told).collect();
            told.sort_unstable();
            // A quarter at a time: to look for them costs more than to forget them.
            if let Some(last) = told.get(told.len().min(MOST / 4).saturating_sub(1)).copied() {
                self.words.retain(|_, word| word.waiting > 0 || word.told > last);
            }
        }
        self.swept = self.words.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn at(link: u64, sequence: u32) -> Place {
        Place { link, sequence }
    }

    fn content(n: usize) -> Content {
        u128::try_from(n).unwrap().to_be_bytes()
    }

    /// Told and answered at once, with an acknowledgement that ends at octet 100.
    fn tell(words: &mut Words, place: Place, is_taken: bool, now: Timestamp) -> Telling {
        let telling = words.told(content(1), place, now);
        words.answered(&content(1), is_taken, Some(100), now);
        telling
    }

    #[test]
    fn the_same_words_under_a_new_number_on_a_connection_that_lives_are_a_new_text() {
        let mut words = Words::default();
        assert_eq!(tell(&mut words, at(1, 1), true, NOW), Telling { first: NOW, is_again: false });
        let second = tell(&mut words, at(1, 2), true, NOW);
        assert_eq!(second, Telling { first: NOW.plus_ms(1), is_again: false }, "however fast");
        assert!(!tell(&mut words, at(2, 7), true, NOW.plus_ms(1_000)).is_again, "also on another bind");
        assert!(words.unheard().is_empty());
    }

    #[test]
    fn what_was_answered_with_later_keeps_the_time_of_its_first_telling_until_it_is_taken() {
        let mut words = Words::default();
        tell(&mut words, at(1, 1), false, NOW);
        for minutes in [1, 60, 24 * 60] {
            let later = NOW.plus_ms(minutes * 60_000);
            assert_eq!(
                tell(&mut words, at(2, 9), false, later),
                Telling { first: NOW, is_again: true },
                "{minutes}"
            );
        }
        let day = NOW.plus_ms(25 * 3_600_000);
        assert_eq!(tell(&mut words, at(3, 1), true, day), Telling { first: NOW, is_again: true });
        assert!(
            !tell(&mut words, at(3, 2), true, day.plus_ms(1)).is_again,
            "it was taken, so this one is new"
        );
        assert!(words.unheard().is_empty(), "and nothing is in doubt");
    }

    #[test]
    fn what_may_be_told_again_is_handed_out_once_and_is_in_doubt_here_until_it_is_kept_elsewhere() {
        // Refused; cut behind the acknowledgement; cut before it.
        for (is_taken, end) in [(false, Some(100)), (true, Some(100)), (true, None)] {
            let begin = || {
                let mut words = Words::default();
                words.told(content(1), at(1, 1), NOW);
                words.answered(&content(1), is_taken, end, NOW);
                words.ended(1, NOW, 0, NOW);
                words
            };
            let telling = |words: &mut Words| words.told(content(1), at(2, 1), NOW.plus_ms(50));
            let mut words = begin();
            let texts = words.unheard();
            assert_eq!(texts, [(content(1), NOW)]);
            assert!(words.unheard().is_empty(), "once");
            words.kept(&texts, NOW);
            let new = telling(&mut words);
            assert!(
                !new.is_again && new.first > NOW,
                "whoever keeps it says whether it is that one, and once"
            );
            words.answered(&content(1), true, Some(5), NOW.plus_ms(50));
            words.kept(&texts, NOW);
            assert!(words.words.contains_key(&content(1)), "what is kept is not this one");
            // Told again before it is handed out, and while it is being kept.
            let mut words = begin();
            assert!(telling(&mut words).is_again && words.unheard().is_empty());
            words.answered(&content(1), true, Some(5), NOW.plus_ms(50));
            assert!(words.unheard().is_empty(), "that was it");
            let mut words = begin();
            let texts = words.unheard();
            assert!(telling(&mut words).is_again);
            words.kept(&texts, NOW);
            words.answered(&content(1), false, Some(5), NOW.plus_ms(50));
            assert_eq!(words.unheard(), texts, "it was refused once more");
            // What could not be kept.
            words.keep_unheard(texts.clone());
            assert_eq!(words.unheard(), texts);
            assert!(telling(&mut words).is_again);
        }
    }

    #[test]
    fn what_was_told_for_long_before_it_was_taken_stays_in_doubt_here_when_it_is_cut_off() {
        let mut words = Words::default();
        tell(&mut words, at(1, 1), false, NOW);
        let taken = NOW.plus_ms(CUT_MS);
        tell(&mut words, at(1, 2), true, taken);
        words.ended(1, taken, 0, taken);
        let texts = words.unheard();
        words.kept(&texts, taken);
        assert!(words.told(content(1), at(2, 1), taken.plus_ms(50)).is_again);
    }

    #[test]
    fn what_has_no_answer_yet_is_told_again_whatever_its_number_and_connection() {
        let mut words = Words::default();
        words.told(content(1), at(1, 1), NOW);
        assert!(words.told(content(1), at(2, 5), NOW.plus_ms(10_000)).is_again);
        words.answered(&content(1), true, Some(100), NOW.plus_ms(11_000));
        words.answered(&content(1), true, Some(100), NOW.plus_ms(11_000));
        assert!(!words.told(content(1), at(1, 3), NOW.plus_ms(11_000 + SAME_MS)).is_again);
    }

    #[test]
    fn the_same_number_on_the_same_connection_is_the_same_text_for_a_while() {
        let mut words = Words::default();
        tell(&mut words, at(1, 1), true, NOW);
        assert!(tell(&mut words, at(1, 1), true, NOW.plus_ms(SAME_MS - 1)).is_again);
        let long_after = NOW.plus_ms(2 * SAME_MS);
        assert!(
            !tell(&mut words, at(1, 1), true, long_after).is_again,
            "carriers that number everything 1 exist"
        );
    }

    #[test]
    fn what_was_acknowledged_late_may_be_told_again_for_a_while() {
        let mut words = Words::default();
        words.told(content(1), at(1, 1), NOW);
        words.answered(&content(1), true, Some(100), NOW.plus_ms(PROMPT_MS + 1));
        assert!(words.told(content(1), at(1, 2), NOW.plus_ms(PROMPT_MS + 2)).is_again);
    }

    #[test]
    fn a_connection_that_is_cut_before_it_carried_the_acknowledgement_has_the_text_told_again() {
        let cases = [
            // Heard last, octets that the connection took, whether the acknowledgement may have been lost.
            (NOW.plus_ms(ARRIVED_MS), 100, false),
            (NOW.plus_ms(ARRIVED_MS - 1), 100, true),
            (NOW.plus_ms(-10_000), 100, true),
            (NOW.plus_ms(ARRIVED_MS), 99, true),
        ];
        for (heard, written, is_again) in cases {
            let mut words = Words::default();
            tell(&mut words, at(1, 1), true, NOW);
            let end = NOW.plus_ms(60_000);
            words.ended(1, heard, written, end);
            assert_eq!(words.unheard().len(), usize::from(is_again));
            let telling = words.told(content(1), at(2, 1), end.plus_ms(CUT_MS - 1));
            assert_eq!(telling.is_again, is_again, "{heard:?} {written}");
            words.answered(&content(1), true, Some(5), end.plus_ms(CUT_MS - 1));
            assert!(!words.told(content(1), at(2, 2), end.plus_ms(CUT_MS)).is_again, "once");
        }
        let mut words = Words::default();
        words.told(content(1), at(1, 1), NOW);
        words.ended(1, NOW, 0, NOW);
        words.answered(&content(1), true, None, NOW.plus_ms(1));
        assert!(
            words.told(content(1), at(2, 1), NOW.plus_ms(CUT_MS)).is_again,
            "it could not be acknowledged at all"
        );
    }

    #[test]
    fn another_connection_that_ends_changes_nothing() {
        let mut words = Words::default();
        tell(&mut words, at(1, 1), true, NOW);
        words.ended(2, NOW, 0, NOW);
        assert!(!words.told(content(1), at(1, 2), NOW).is_again);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_not_needed_is_forgotten() {
        let mut words = Words::default();
        for n in 0..3 * MOST {
            let now = NOW.plus_ms(i64::try_from(n).unwrap());
            words.told(content(n), at(1, 1), now);
            words.answered(&content(n), false, Some(1), now);
            assert!(words.words.len() <= MOST && words.unheard.len() <= MOST);
        }
        let last = NOW.plus_ms(i64::try_from(3 * MOST).unwrap());
        assert!(words.told(content(3 * MOST - 1), at(1, 1), last).is_again, "the latest are kept");
        let mut words = Words::default();
        for n in 0..100_000 {
            let now = NOW.plus_ms(i64::try_from(n).unwrap() * 1_000);
            words.told(content(n), at(1, 1), now);
            words.answered(&content(n), true, Some(1), now);
        }
        assert!(words.words.len() <= 1_024, "{}", words.words.len());
    }
}
