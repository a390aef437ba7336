//! Joins the segments of long texts that people send.
//!
//! A long text arrives as segments, each on its own, in any order, some of them twice, and now and then one never. What
//! belongs together says so: who wrote, to whom, a reference number, and how many there are. [`Parts`] keeps segments until
//! a text is whole. One that does not become whole within [`PATIENCE_MS`] is given out as far as it came, as is the oldest one
//! when more is kept than [`MOST_TEXTS`] or [`MOST_OCTETS`]: whoever writes must not be able to fill the memory.
//!
//! Octets are joined before anything decodes them, since other people's phones do cut characters in two. A text that was
//! given out whole is remembered for as long: where the carrier tells its last segment again, because nobody thanked for
//! it, the same text with the same id comes out again.
//!
//! Source: 3GPP TS 23.040 sections 9.2.3.24.1 and 9.2.3.24.8. No I/O, no clock.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::sms::caller_id::Sender;

/// How long a text may take to become whole, in milliseconds.
pub const PATIENCE_MS: i64 = 5 * 60 * 1_000;
/// Texts that are kept at a time.
pub const MOST_TEXTS: usize = 1_000;
/// Octets that are kept at a time, those of numbers and bookkeeping aside.
pub const MOST_OCTETS: usize = 1 << 20;

/// What segments of one text have in common.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Who wrote.
    pub from: Sender,
    /// To whom.
    pub to: String,
    /// The number that the phone gave to this text: 8 or 16 bits.
    pub reference: u16,
    /// How many segments there are.
    pub total: u8,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("total", &self.total).finish_non_exhaustive()
    }
}

/// Octets in one alphabet.
#[derive(Clone, PartialEq, Eq)]
pub struct Piece {
    /// The alphabet, as the protocol numbers it.
    pub coding: u8,
    /// The text in that alphabet, without a user data header.
    pub octets: Vec<u8>,
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("coding", &self.coding).finish_non_exhaustive()
    }
}

/// A text as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Whose it is.
    pub key: Key,
    /// What it says: the segments in their order, neighbours of one alphabet joined.
    pub pieces: Vec<Piece>,
    /// When its first segment came.
    pub since: Timestamp,
    /// Whether no segment is missing.
    pub is_whole: bool,
}

impl Joined {
    /// An id that stays the same when its last segment is told again, and is another one for every other text.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.key.from.text().as_bytes(), self.key.to.as_bytes()] {
            hash.update(part);
            hash.update([0]);
        }
        hash.update(self.key.reference.to_be_bytes());
        hash.update(self.since.as_millis().to_be_bytes());
        for piece in &self.pieces {
            hash.update([piece.coding]);
            hash.update(&piece.octets);
        }
        let mut id = crate::sms::message::hex(&hash.finalize());
        id.truncate(32);
        id
    }
}

/// What became of a segment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The text that it made whole.
    pub whole: Option<Joined>,
    /// Texts that had to make room: what there was of them.
    pub given_up: Vec<Joined>,
}

/// A text that is not given out yet, or is kept in case that it is told again.
struct Open {
    since: Timestamp,
    pieces: BTreeMap<u8, Piece>,
}

impl Open {
    fn octets(&self) -> usize {
        self.pieces.values().map(|piece| piece.octets.len()).sum()
    }

    fn is_whole(&self, key: &Key) -> bool {
        self.pieces.len() == usize::from(key.total)
    }

    fn join(&self, key: &Key) -> Joined {
        let mut pieces: Vec<Piece> = Vec::new();
        for piece in self.pieces.values() {
            match pieces.last_mut().filter(|last| last.coding == piece.coding) {
                Some(last) => last.octets.extend_from_slice(&piece.octets),
                None => pieces.push(piece.clone()),
            }
        }
        Joined { key: key.clone(), pieces, since: self.since, is_whole: self.is_whole(key) }
    }
}

/// The texts that are not whole yet. See the module's text.
#[derive(Default)]
pub struct Parts {
    open: HashMap<Key, Open>,
    octets: usize,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("texts", &self.open.len()).field("octets", &self.octets).finish()
    }
}

impl Parts {
    /// Takes segment `number` (from 1). One whose number does not fit its total is given out alone, since nothing can be
    /// joined to it.
    pub fn take(&mut self, key: Key, number: u8, piece: Piece, now: Timestamp) -> Taken {
        if key.total <= 1 || number == 0 || number > key.total {
            let open = Open { since: now, pieces: BTreeMap::from([(number, piece)]) };
            return Taken { whole: Some(Joined { is_whole: true, ..open.join(&key) }), given_up: Vec::new() };
        }
        let mut given_up = Vec::new();
        // The phone counts from 0 again after 255: other octets at the same place are those of another text.
        if self.open.get(&key).and_then(|open| open.pieces.get(&number)).is_some_and(|known| *known != piece) {
            given_up.extend(self.remove(&key));
        }
        let added = piece.octets.len();
        let open = self.open.entry(key.clone()).or_insert_with(|| Open { since: now, pieces: BTreeMap::new() });
        if open.pieces.insert(number, piece).is_none() {
            self.octets = self.octets.saturating_add(added);
        }
        let whole = open.is_whole(&key).then(|| open.join(&key));
        while self.open.len() > MOST_TEXTS || self.octets > MOST_OCTETS {
            let Some(oldest) = self.open.iter().min_by_key(|(_, open)| open.since).map(|(key, _)| key.clone()) else { break };
            given_up.extend(self.remove(&oldest));
        }
        Taken { whole, given_up }
    }

    /// Gives out what waited too long.
    pub fn late(&mut self, now: Timestamp) -> Vec<Joined> {
        let is_late = |open: &Open| now.as_millis().saturating_sub(open.since.as_millis()) >= PATIENCE_MS;
        let late: Vec<Key> = self.open.iter().filter(|(_, open)| is_late(open)).map(|(key, _)| key.clone()).collect();
        late.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Forgets a text. What there was of it, unless it was given out whole.
    fn remove(&mut self, key: &Key) -> Option<Joined> {
        let open = self.open.remove(key)?;
        self.octets = self.octets.saturating_sub(open.octets());
        (!open.is_whole(key)).then(|| open.join(key))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_795_342_500_000);

    fn key(reference: u16, total: u8) -> Key {
        Key { from: "+33611111111".into(), to: "1234".to_owned(), reference, total }
    }

    fn piece(octets: &[u8]) -> Piece {
        Piece { coding: 0, octets: octets.to_vec() }
    }

    #[test]
    fn segments_in_any_order_and_twice_make_one_text() {
        let mut parts = Parts::default();
        assert_eq!(parts.take(key(7, 3), 3, piece(b"c"), NOW), Taken::default());
        assert_eq!(parts.take(key(7, 3), 1, piece(b"a"), NOW), Taken::default());
        assert_eq!(parts.take(key(7, 3), 3, piece(b"c"), NOW.plus_ms(5)), Taken::default());
        let whole = parts.take(key(7, 3), 2, piece(b"b"), NOW).whole.unwrap();
        assert_eq!((whole.pieces.as_slice(), whole.is_whole), ([piece(b"abc")].as_slice(), true));
    }

    #[test]
    fn a_last_segment_that_is_told_again_gives_the_same_text_with_the_same_id() {
        let mut parts = Parts::default();
        parts.take(key(7, 2), 1, piece(b"a"), NOW);
        let first = parts.take(key(7, 2), 2, piece(b"b"), NOW).whole.unwrap();
        let again = parts.take(key(7, 2), 2, piece(b"b"), NOW.plus_ms(9_000)).whole.unwrap();
        assert_eq!(first.id(), again.id());
        assert_eq!(first.id().len(), 32);
        assert!(parts.late(NOW.plus_ms(PATIENCE_MS)).is_empty(), "it was given out whole");
        parts.take(key(7, 2), 1, piece(b"a"), NOW.plus_ms(PATIENCE_MS));
        let later = parts.take(key(7, 2), 2, piece(b"b"), NOW.plus_ms(PATIENCE_MS)).whole.unwrap();
        assert_ne!(later.id(), first.id(), "the same words with the same number, later, are another text");
    }

    #[test]
    fn texts_with_other_references_senders_or_totals_do_not_mix() {
        let mut parts = Parts::default();
        parts.take(key(7, 2), 1, piece(b"a"), NOW);
        let other = Key { from: "+33622222222".into(), ..key(7, 2) };
        for other in [key(8, 2), key(7, 3), other] {
            assert_eq!(parts.take(other, 2, piece(b"b"), NOW).whole, None);
        }
    }

    #[test]
    fn a_reference_that_is_used_again_begins_another_text() {
        let mut parts = Parts::default();
        parts.take(key(7, 2), 1, piece(b"old"), NOW);
        let taken = parts.take(key(7, 2), 1, piece(b"new"), NOW.plus_ms(1));
        assert_eq!((taken.given_up.len(), taken.given_up[0].is_whole), (1, false));
        assert_eq!(parts.take(key(7, 2), 2, piece(b"er"), NOW).whole.unwrap().pieces, [piece(b"newer")]);
    }

    #[test]
    fn a_text_that_never_becomes_whole_is_told_as_far_as_it_came() {
        let mut parts = Parts::default();
        parts.take(key(7, 3), 1, piece(b"a"), NOW);
        parts.take(key(7, 3), 3, piece(b"c"), NOW.plus_ms(1_000));
        assert!(parts.late(NOW.plus_ms(PATIENCE_MS - 1)).is_empty());
        let late = parts.late(NOW.plus_ms(PATIENCE_MS));
        assert_eq!((late[0].pieces.as_slice(), late[0].is_whole), ([piece(b"ac")].as_slice(), false));
        assert!(parts.late(NOW.plus_ms(PATIENCE_MS)).is_empty(), "once");
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_oldest_text_makes_room() {
        let mut parts = Parts::default();
        for at in 0..MOST_TEXTS {
            let reference = u16::try_from(at).unwrap();
            assert_eq!(parts.take(key(reference, 2), 1, piece(b"a"), NOW.plus_ms(i64::from(reference))), Taken::default());
        }
        let taken = parts.take(key(9_999, 2), 1, piece(b"a"), NOW.plus_ms(99_999));
        assert_eq!((taken.given_up.len(), taken.given_up[0].key.reference), (1, 0));
        let mut parts = Parts::default();
        parts.take(key(1, 2), 1, piece(&vec![b'a'; MOST_OCTETS]), NOW);
        assert_eq!(parts.take(key(2, 2), 1, piece(b"b"), NOW.plus_ms(1)).given_up[0].key.reference, 1);
    }

    #[test]
    fn a_segment_whose_number_cannot_be_is_given_out_alone() {
        let mut parts = Parts::default();
        for (total, number) in [(0, 0), (1, 1), (2, 0), (2, 3)] {
            assert_eq!(parts.take(key(7, total), number, piece(b"x"), NOW).whole.unwrap().pieces, [piece(b"x")]);
        }
    }

    #[test]
    fn segments_of_several_alphabets_stay_apart() {
        let mut parts = Parts::default();
        parts.take(key(7, 2), 1, piece(b"a"), NOW);
        let wide = Piece { coding: 8, octets: vec![0, b'b'] };
        assert_eq!(parts.take(key(7, 2), 2, wide.clone(), NOW).whole.unwrap().pieces, [piece(b"a"), wide]);
    }

    proptest! {
        #[test]
        fn the_octets_that_are_counted_are_those_that_are_kept(steps in prop::collection::vec((0u16..4, 1u8..5, 0u8..6, 0usize..50, 0i64..400_000), 0..200)) {
            let mut parts = Parts::default();
            for (reference, total, number, length, at) in steps {
                parts.take(key(reference, total), number, piece(&vec![b'x'; length]), NOW.plus_ms(at));
                parts.late(NOW.plus_ms(at));
                prop_assert_eq!(parts.octets, parts.open.values().map(Open::octets).sum::<usize>());
            }
        }
    }
}
