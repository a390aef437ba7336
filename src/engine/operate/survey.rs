//! The messages of a proposal, seen together: what is said of all of them, and which of them are shown.
//!
//! Who decides on ten thousand texts looks at a few. So the few are taken from all parts of the bulk, at places
//! that nobody chooses: they follow from the digest of what is decided on and from the ledger's identity,
//! which no agent is told. One text among thousands is in no such sample, so those that stand out are shown
//! beside it, each with the reason.

use std::collections::{BTreeMap, HashMap, HashSet};

use sha2::{Digest as _, Sha256};

use crate::ledger::Record;
use crate::sms::links::leads_somewhere;
use crate::sms::number::Number;
use crate::sms::plainly::Alarms;

/// Messages of a bulk that are shown, beside those that stand out. A bulk of so many is shown whole.
pub(super) const SAMPLE: u32 = 10;

/// Most messages that are shown for one reason, of each.
const EACH: usize = 2;

/// Why a message of a bulk is shown beside the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A link or a number to call, which not all have.
    Leads,
    /// A sign that no phone shows, a letter in disguise, or much empty room, which not all have.
    Odd,
    /// No text is longer.
    Longest,
    /// No text is shorter.
    Shortest,
    /// No message is dearer.
    Dearest,
    /// Few go to its country.
    Country,
}

impl Reason {
    /// In words, behind "shown because".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Leads => "a link or a number to call",
            Self::Odd => "signs that are hidden or in disguise",
            Self::Longest => "the longest text",
            Self::Shortest => "the shortest text",
            Self::Dearest => "the dearest",
            Self::Country => "few go to this country",
        }
    }
}

/// What is said of all messages together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overview {
    /// How many they are.
    pub messages: u32,
    /// How many different texts they have.
    pub texts: u32,
    /// How many go to each country; to none where the number has none. The most first.
    pub countries: Vec<(Option<String>, u32)>,
    /// How many have a link or a number to call.
    pub leading: u32,
    /// How many have signs that no phone shows, letters in disguise, or much empty room.
    pub odd: u32,
    /// How many name no sender.
    pub unnamed: u32,
    /// The fewest and the most segments of one.
    pub segments: (u32, u32),
    /// What they cost, as far as that is known, and else at most; micros.
    pub micros: i64,
}

/// A message that is shown.
#[derive(Clone, Debug)]
pub struct Picked {
    /// Its place in the bulk, from 1.
    pub place: u32,
    /// Why, where it is not of the sample.
    pub reasons: Vec<Reason>,
    /// The message.
    pub record: Record,
}

/// Which messages are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// A sample, and those that stand out.
    Sample,
    /// All of them.
    All,
}

/// Looks at message after message. See the module's text.
pub(super) struct Survey {
    seed: [u8; 32],
    /// Places of the sample; nothing where all are shown.
    sample: Option<HashSet<u32>>,
    overview: Overview,
    digests: HashMap<[u8; 16], (bool, bool)>,
    countries: BTreeMap<Option<String>, (u32, Kept)>,
    picked: BTreeMap<u32, Picked>,
    leading: Vec<Kept>,
    odd: Vec<Kept>,
    longest: Option<(usize, Kept)>,
    shortest: Option<(usize, Kept)>,
    dearest: Option<(i64, Kept)>,
    cheapest: i64,
}

/// A message that may be shown: of several, the one with the lowest rank.
#[derive(Clone)]
struct Kept {
    rank: u64,
    place: u32,
    record: Record,
}

impl Survey {
    /// Of so many messages, by this seed.
    pub(super) fn new(messages: u32, which: Which, seed: [u8; 32]) -> Self {
        let is_whole = which == Which::All || messages <= SAMPLE;
        Self {
            sample: (!is_whole).then(|| spread(messages, &seed)),
            seed,
            overview: Overview { segments: (u32::MAX, 0), ..Overview::default() },
            digests: HashMap::new(),
            countries: BTreeMap::new(),
            picked: BTreeMap::new(),
            leading: Vec::new(),
            odd: Vec::new(),
            longest: None,
            shortest: None,
            dearest: None,
            cheapest: i64::MAX,
        }
    }

    /// Looks at the next message.
    pub(super) fn see(&mut self, record: Record) {
        let place = self.overview.messages + 1;
        let all = &mut self.overview;
        all.messages = place;
        let text = record.text.as_deref().unwrap_or_default();
        let count = self.digests.len();
        let (leads, is_odd) = *self
            .digests
            .entry(record.digest)
            .or_insert_with(|| (leads_somewhere(text), Alarms::of(text).is_any()));
        all.texts += u32::from(self.digests.len() > count);
        all.leading += u32::from(leads);
        all.odd += u32::from(is_odd);
        all.unnamed += u32::from(record.from.is_none());
        all.segments = (all.segments.0.min(record.segments), all.segments.1.max(record.segments));
        let micros = record.price_micros.unwrap_or(record.held_micros);
        all.micros = all.micros.saturating_add(micros);
        if self.sample.as_ref().is_none_or(|places| places.contains(&place)) {
            let picked = Picked { place, reasons: Vec::new(), record: record.clone() };
            self.picked.insert(place, picked);
        }
        let length = text.chars().count();
        let country = Number::parse(&record.to, None).ok().and_then(|number| number.region());
        let country = country.map(|region| region.to_string());
        let kept = Kept { rank: rank(&self.seed, place), place, record };
        if leads {
            keep(&mut self.leading, &kept);
        }
        if is_odd {
            keep(&mut self.odd, &kept);
        }
        keep_most(&mut self.longest, length, &kept);
        keep_most(&mut self.dearest, micros, &kept);
        self.cheapest = self.cheapest.min(micros);
        let is_shorter = self
            .shortest
            .as_ref()
            .is_none_or(|(least, best)| length < *least || (length == *least && kept.rank < best.rank));
        if is_shorter {
            self.shortest = Some((length, kept.clone()));
        }
        match self.countries.get_mut(&country) {
            None => drop(self.countries.insert(country, (1, kept))),
            Some((count, best)) => {
                *count += 1;
                if kept.rank < best.rank {
                    *best = kept;
                }
            }
        }
    }

    /// What is said of all, and those that are shown: those that stand out before the sample.
    pub(super) fn end(mut self) -> (Overview, Vec<Picked>) {
        let mut countries: Vec<_> = self.countries.into_iter().collect();
        countries.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        self.overview.countries =
            countries.iter().map(|(country, (count, _))| (country.clone(), *count)).collect();
        if self.sample.is_some() {
            let all = &self.overview;
            let mut add = |reason: Reason, kept: Vec<Kept>| {
                for Kept { place, record, .. } in kept {
                    let picked = Picked { place, reasons: Vec::new(), record };
                    self.picked.entry(place).or_insert(picked).reasons.push(reason);
                }
            };
            if all.leading < all.messages {
                add(Reason::Leads, self.leading);
            }
            if all.odd < all.messages {
                add(Reason::Odd, self.odd);
            }
            let lengths = self.longest.as_ref().zip(self.shortest.as_ref());
            if lengths.is_some_and(|((longest, _), (shortest, _))| longest > shortest) {
                add(Reason::Longest, self.longest.into_iter().map(|(_, kept)| kept).collect());
                add(Reason::Shortest, self.shortest.into_iter().map(|(_, kept)| kept).collect());
            }
            let dearest = self.dearest.filter(|(most, _)| *most > self.cheapest);
            add(Reason::Dearest, dearest.into_iter().map(|(_, kept)| kept).collect());
            let rare = countries.into_iter().skip(1).rev().take(EACH);
            add(Reason::Country, rare.map(|(_, (_, kept))| kept).collect());
        }
        let mut picked: Vec<Picked> = self.picked.into_values().collect();
        // What stands out is looked at first.
        picked.sort_by_key(|picked| (picked.reasons.is_empty(), picked.reasons.iter().min().copied()));
        (self.overview, picked)
    }
}

/// One place of each tenth, from 1.
fn spread(messages: u32, seed: &[u8; 32]) -> HashSet<u32> {
    let bound = |part: u32| u64::from(messages) * u64::from(part) / u64::from(SAMPLE);
    let of = |part: u32| {
        let (from, to) = (bound(part), bound(part + 1));
        u32::try_from(from + rank(seed, u32::MAX - part) % (to - from).max(1) + 1).unwrap_or(u32::MAX)
    };
    (0..SAMPLE).map(of).collect()
}

/// Where a place stands in an order that nobody chooses.
fn rank(seed: &[u8; 32], place: u32) -> u64 {
    let digest: [u8; 32] =
        Sha256::new().chain_update(seed).chain_update(place.to_be_bytes()).finalize().into();
    digest.iter().take(8).fold(0, |number, octet| number << 8 | u64::from(*octet))
}

/// Keeps the few with the lowest ranks.
fn keep(kept: &mut Vec<Kept>, one: &Kept) {
    let at = kept.partition_point(|other| other.rank < one.rank);
    if at < EACH {
        kept.insert(at, one.clone());
        kept.truncate(EACH);
    }
}

fn keep_most<T: PartialOrd>(most: &mut Option<(T, Kept)>, value: T, one: &Kept) {
    let is_more =
        most.as_ref().is_none_or(|(most, best)| value > *most || (value == *most && one.rank < best.rank));
    if is_more {
        *most = Some((value, one.clone()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::Timestamp;
    use crate::sms::message::{MessageId, Realm, State};
    use crate::sms::purpose::Purpose;
    use crate::sms::schedule::Schedule;

    fn record(to: &str, text: &str, micros: i64) -> Record {
        let full: [u8; 32] = Sha256::digest(text).into();
        let (digest, _) = full.split_first_chunk().unwrap();
        Record {
            id: MessageId::from_text("msg_1"),
            sequence: 1,
            batch: None,
            principal: "http".into(),
            to: to.into(),
            from: None,
            text: Some(text.into()),
            encoding: "GSM-7".into(),
            segments: 1,
            state: State::Proposed,
            provider: "sandbox".into(),
            realm: Realm::Sandbox,
            vendor_id: None,
            created: Timestamp(0),
            changed: Timestamp(0),
            held_micros: micros,
            price_micros: None,
            is_assumed: false,
            currency: "USD".into(),
            code: None,
            why: None,
            digest: *digest,
            replies: 0,
            helps: 0,
            is_parted: false,
            purpose: Purpose::Transactional,
            was_asked: true,
            schedule: Schedule::default(),
        }
    }

    /// The places that are shown of so many texts, each with why, where one is made by this.
    fn shown(count: u32, seed: u8, make: impl Fn(u32) -> Record) -> (Overview, Vec<(u32, Vec<Reason>)>) {
        let mut survey = Survey::new(count, Which::Sample, [seed; 32]);
        (1..=count).for_each(|place| survey.see(make(place)));
        let (overview, picked) = survey.end();
        (overview, picked.into_iter().map(|picked| (picked.place, picked.reasons)).collect())
    }

    #[test]
    fn a_sample_is_of_all_parts_and_of_no_place_that_is_known_before() {
        let same = |_: u32| record("+12025550123", "Hello", 5);
        let mut all = Vec::new();
        for seed in 1..=20 {
            let (overview, shown) = shown(1_000, seed, same);
            let tenths: Vec<u32> = shown.iter().map(|(place, _)| (place - 1) / 100).collect();
            assert_eq!(tenths, (0..10).collect::<Vec<_>>(), "{shown:?}");
            assert!(shown.iter().all(|(_, reasons)| reasons.is_empty()));
            assert_eq!((overview.messages, overview.texts, overview.micros), (1_000, 1, 5_000));
            all.extend(shown.into_iter().map(|(place, _)| place));
        }
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > 150, "{}", all.len());
        // A small one is shown whole, and so is one of which all is asked for.
        assert_eq!(shown(10, 1, same).1.len(), 10);
        assert_eq!(shown(11, 1, same).1.len(), 10);
        let mut survey = Survey::new(50, Which::All, [0; 32]);
        (1..=50).for_each(|place| survey.see(same(place)));
        assert_eq!(survey.end().1.len(), 50);
    }

    #[test]
    fn what_differs_from_the_others_is_shown_wherever_it_stands() {
        let of = |place: u32| {
            move |at: u32, odd: Record| if at == place { odd } else { record("+12025550123", "Hello Ann", 5) }
        };
        for place in [1, 77, 500] {
            for (odd, reason) in [
                (record("+12025550123", "See a.example", 5), Reason::Leads),
                (record("+12025550123", "Hell\u{43e} Ann", 5), Reason::Odd),
                (record("+12025550123", "Hello Annabelle", 5), Reason::Longest),
                (record("+12025550123", "Hi", 5), Reason::Shortest),
                (record("+12025550123", "Hello Bob", 6), Reason::Dearest),
                (record("+33612345678", "Hello Ann", 5), Reason::Country),
            ] {
                let (overview, shown) = shown(500, 3, |at| of(place)(at, odd.clone()));
                let found = shown.iter().find(|(at, _)| *at == place).unwrap();
                assert!(found.1.contains(&reason), "{place}: {reason:?}: {shown:?}");
                assert!(shown.len() <= 14, "{shown:?}");
                let expected = u32::from(reason == Reason::Leads);
                assert_eq!(overview.leading, expected);
            }
        }
        // Where all have a link nothing of it stands out, and their number says it.
        let (overview, shown) = shown(100, 3, |_| record("+12025550123", "See a.example", 5));
        assert_eq!((overview.leading, shown.len()), (100, 10));
    }
}
