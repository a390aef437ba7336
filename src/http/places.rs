//! The places for connections, and who leaves when one is wanted.
//!
//! Nobody can tell what a connection is before its first request, so none is turned away: where no place is
//! free, another one is ended. A connection is *known* while the last request on it showed the token, or
//! called an address of a webhook. All others are strangers, and the one that is a stranger for the longest
//! time goes first; then the known one that was idle for the longest. A known one with a request under way is
//! never ended. Those can have all places but a few, so that whoever comes next, be it to ask for the health,
//! has one in any case. The same holds among the connections of one address.
//!
//! No clock is asked: older is who came earlier.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::refusal::{RefusalKind, Refusals};
use crate::setting::network::Network;

/// The part of all places that known connections leave to others: one in so many, at least one.
const LEFT_TO_OTHERS: usize = 16;

/// Requests in a row that show nothing, after which a connection is closed with its answer. A client that
/// looks for ways to log in asks fewer.
const MOST_STRANGE: u32 = 16;

/// The places of an endpoint.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_per_address: usize,
    /// Those that are free in truth: who was ended keeps its descriptor for a moment.
    free: Arc<Semaphore>,
    refusals: Arc<Refusals>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    by_id: HashMap<u64, Occupant>,
    by_address: HashMap<Network, usize>,
    known: usize,
    next: u64,
}

#[derive(Debug)]
struct Occupant {
    /// Whose it is, as far as somebody can tell.
    address: Option<Network>,
    /// When it came; where it is known, when its last request ended.
    since: u64,
    is_known: bool,
    /// A request is under way.
    is_busy: bool,
    /// Whether that request showed something.
    has_shown: bool,
    /// Requests in a row that showed nothing.
    strange: u32,
    leave: CancellationToken,
}

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowded {
    /// Its connection was ended meanwhile.
    Ended,
    /// Its address has as many requests under way as it may have connections.
    Address,
    /// Requests are under way on all connections that known ones may have.
    All,
}

/// A place that is taken; it is free again when this is dropped, after the connection.
#[derive(Debug)]
pub(super) struct Seat {
    places: Arc<Places>,
    id: u64,
    leave: CancellationToken,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Seat {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Ends when the connection is to end.
    pub(super) async fn wanted_back(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.places.locked().remove(self.id);
    }
}

impl Places {
    pub(super) fn new(most: usize, most_per_address: usize, refusals: Arc<Refusals>) -> Self {
        Self {
            most,
            most_per_address,
            free: Arc::new(Semaphore::new(most)),
            refusals,
            held: Mutex::default(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection of this address, where nobody else can be made to leave as well.
    pub(super) async fn take(self: &Arc<Self>, address: Option<Network>) -> Seat {
        let (id, leave) = self.admit(address);
        let mut seat = Seat { places: Arc::clone(self), id, leave, _permit: None };
        seat._permit = Arc::clone(&self.free).acquire_owned().await.ok();
        seat
    }

    fn admit(&self, address: Option<Network>) -> (u64, CancellationToken) {
        let mut held = self.locked();
        let is_theirs = |place: &Occupant| place.address == address;
        let is_one_too_many = address.is_some() && held.of(address) >= self.most_per_address;
        // Where none of theirs can leave, the first request is told so.
        let of_theirs = is_one_too_many && held.end_one(|_, place| is_theirs(place));
        let of_all = held.by_id.len() >= self.most && held.end_one(|_, _| true);
        let taken = held.insert(address);
        drop(held);
        if of_theirs {
            self.refusals.crowded(RefusalKind::Address);
        }
        if of_all {
            self.refusals.crowded(RefusalKind::Places);
        }
        taken
    }

    /// Ends a connection, where one can be ended: the process has no descriptor left.
    pub(super) fn give_back(&self) {
        self.locked().end_one(|_, _| true);
    }

    /// A request begins on this connection. `address` is whose it is, where that is not known of the
    /// connection itself.
    ///
    /// # Errors
    /// [`Crowded`]; the request is over then, too, with [`Places::finish`].
    pub(super) fn begin(&self, id: u64, address: Option<Network>) -> Result<(), Crowded> {
        let mut held = self.locked();
        let place = held.by_id.get_mut(&id).ok_or(Crowded::Ended)?;
        (place.is_busy, place.has_shown) = (true, false);
        held.belongs(id, address);
        if address.is_none() || held.of(address) <= self.most_per_address {
            return Ok(());
        }
        let has_room = held.end_one(|other, place| other != id && place.address == address);
        drop(held);
        self.refusals.crowded(RefusalKind::Address);
        if has_room { Ok(()) } else { Err(Crowded::Address) }
    }

    /// The request that is under way on this connection showed what it must.
    ///
    /// # Errors
    /// [`Crowded`], where it cannot be one of the known.
    pub(super) fn vouch(&self, id: u64) -> Result<(), Crowded> {
        let mut held = self.locked();
        let is_known = held.by_id.get(&id).ok_or(Crowded::Ended)?.is_known;
        let most = self.most - (self.most / LEFT_TO_OTHERS).max(1).min(self.most.saturating_sub(1));
        if !is_known && held.known >= most && !held.end_one(|_, place| place.is_known) {
            drop(held);
            self.refusals.crowded(RefusalKind::Places);
            return Err(Crowded::All);
        }
        let held = &mut *held;
        if let Some(place) = held.by_id.get_mut(&id) {
            held.known += usize::from(!is_known);
            (place.is_known, place.has_shown, place.strange) = (true, true, 0);
        }
        Ok(())
    }

    /// The request on this connection has its answer. Says whether the connection is to close with it: it
    /// showed nothing for too long. What everybody may ask (`is_anybodys`) does not count.
    pub(super) fn answered(&self, id: u64, is_anybodys: bool) -> bool {
        let held = &mut *self.locked();
        let Some(place) = held.by_id.get_mut(&id).filter(|place| !place.has_shown) else { return false };
        held.known -= usize::from(std::mem::take(&mut place.is_known));
        place.strange += u32::from(!is_anybodys);
        place.strange >= MOST_STRANGE
    }

    /// The request on this connection is over, and its answer is written. The next one may be somebody else's
    /// where the connection is a proxy's (`is_shared`).
    pub(super) fn finish(&self, id: u64, is_shared: bool) {
        let held = &mut *self.locked();
        if let Some(place) = held.by_id.get_mut(&id) {
            place.is_busy = false;
            if place.is_known {
                place.since = held.next;
                held.next += 1;
            }
        }
        if is_shared {
            held.belongs(id, None);
        }
    }
}

impl Held {
    /// How many places this address has.
    fn of(&self, address: Option<Network>) -> usize {
        address.and_then(|address| self.by_address.get(&address)).copied().unwrap_or_default()
    }

    fn insert(&mut self, address: Option<Network>) -> (u64, CancellationToken) {
        let (id, leave) = (self.next, CancellationToken::new());
        self.next += 1;
        let place = Occupant {
            address: None,
            since: id,
            is_known: false,
            is_busy: false,
            has_shown: false,
            strange: 0,
            leave: leave.clone(),
        };
        self.by_id.insert(id, place);
        self.belongs(id, address);
        (id, leave)
    }

    /// Notes whose a place is.
    fn belongs(&mut self, id: u64, address: Option<Network>) {
        let Some(place) = self.by_id.get_mut(&id) else { return };
        let before = std::mem::replace(&mut place.address, address);
        if before == address {
            return;
        }
        if let Some(count) = before.and_then(|before| self.by_address.get_mut(&before)) {
            *count -= 1;
        }
        if let Some(before) = before
            && self.of(Some(before)) == 0
        {
            self.by_address.remove(&before);
        }
        if let Some(address) = address {
            *self.by_address.entry(address).or_default() += 1;
        }
    }

    fn remove(&mut self, id: u64) {
        self.belongs(id, None);
        if let Some(place) = self.by_id.remove(&id) {
            self.known -= usize::from(place.is_known);
        }
    }

    /// Ends one of these connections, if one can be ended.
    fn end_one(&mut self, is_one: impl Fn(u64, &Occupant) -> bool) -> bool {
        let may_end =
            self.by_id.iter().filter(|(id, place)| !(place.is_known && place.is_busy) && is_one(**id, place));
        let Some(id) = may_end.min_by_key(|(_, place)| (place.is_known, place.since)).map(|(id, _)| *id)
        else {
            return false;
        };
        if let Some(place) = self.by_id.get(&id) {
            place.leave.cancel();
        }
        self.remove(id);
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn places(most: usize, most_per_address: usize) -> Arc<Places> {
        Arc::new(Places::new(most, most_per_address, Arc::default()))
    }

    fn address(last: u8) -> Option<Network> {
        Some(Network::of_client([192, 0, 2, last].into()))
    }

    /// The places of these addresses, in the order in which they are taken.
    fn admitted(places: &Places, addresses: &[Option<Network>]) -> Vec<(u64, CancellationToken)> {
        addresses.iter().map(|address| places.admit(*address)).collect()
    }

    /// Which of them were ended.
    fn ended(places: &[(u64, CancellationToken)]) -> Vec<usize> {
        (0..places.len()).filter(|index| places[*index].1.is_cancelled()).collect()
    }

    #[test]
    fn the_oldest_stranger_goes_for_whoever_comes_and_a_known_one_only_after_all_of_them() {
        let places = places(4, 99);
        let four = admitted(&places, &[None; 4]);
        for known in [1, 0] {
            places.begin(four[known].0, None).unwrap();
            places.vouch(four[known].0).unwrap();
            assert!(!places.answered(four[known].0, false));
            places.finish(four[known].0, false);
        }
        admitted(&places, &[None]);
        assert_eq!(ended(&four), [2]);
        let more = admitted(&places, &[None; 2]);
        assert_eq!(
            (ended(&four), ended(&more)),
            (vec![2, 3], vec![]),
            "the one that came between went as well"
        );
        // The newest strangers show something, too; the known one that was idle for longest makes room for
        // the last of them.
        places.begin(more[0].0, None).unwrap();
        places.vouch(more[0].0).unwrap();
        places.begin(more[1].0, None).unwrap();
        places.vouch(more[1].0).unwrap();
        assert_eq!(ended(&four), [1, 2, 3], "three of four places are for the known");
    }

    #[test]
    fn a_known_one_with_a_request_under_way_never_goes_and_some_places_are_left_to_others() {
        let places = places(32, 99);
        let all = admitted(&places, &[None; 32]);
        for (id, _) in &all[..30] {
            places.begin(*id, None).unwrap();
            places.vouch(*id).unwrap();
        }
        places.begin(all[30].0, None).unwrap();
        assert_eq!(places.vouch(all[30].0), Err(Crowded::All));
        admitted(&places, &[None; 1_000]);
        assert_eq!(ended(&all), [30, 31]);
        // One of them ends its request: now it can make room.
        places.finish(all[7].0, false);
        let next = admitted(&places, &[None]);
        places.begin(next[0].0, None).unwrap();
        assert_eq!(places.vouch(next[0].0), Ok(()));
        assert_eq!(ended(&all), [7, 30, 31]);
    }

    #[test]
    fn an_address_that_has_all_it_may_makes_room_itself() {
        let places = places(99, 2);
        let all = admitted(
            &places,
            &[address(1), address(2), address(1), None, address(1), address(1), None, None],
        );
        assert_eq!(ended(&all), [0, 2]);
        // Where none of its own can go, the request is told so, and nobody else goes for it.
        for index in [4, 5] {
            places.begin(all[index].0, address(1)).unwrap();
            places.vouch(all[index].0).unwrap();
        }
        let third = admitted(&places, &[address(1)]);
        assert_eq!(places.begin(third[0].0, address(1)), Err(Crowded::Address));
        let fourth = admitted(&places, &[address(1)]);
        assert_eq!(
            (ended(&all), ended(&third), ended(&fourth)),
            (vec![0, 2], vec![0], vec![]),
            "one of them at a time is told"
        );
    }

    #[test]
    fn requests_through_a_proxy_count_for_their_own_address_while_they_are_under_way() {
        let places = places(99, 2);
        let upstream = admitted(&places, &[None; 9]);
        let begin = |index: usize, last: u8| places.begin(upstream[index].0, address(last));
        for (index, (id, _)) in upstream.iter().take(2).enumerate() {
            begin(index, 1).unwrap();
            places.vouch(*id).unwrap();
        }
        assert_eq!(begin(2, 1), Err(Crowded::Address));
        places.finish(upstream[2].0, true);
        begin(2, 2).unwrap();
        places.finish(upstream[0].0, true);
        begin(3, 1).unwrap();
        // Of the two of this address that are under way one is a stranger, and goes for the next.
        begin(4, 1).unwrap();
        assert_eq!(ended(&upstream), [3]);
        for (id, _) in &upstream {
            places.finish(*id, true);
        }
        assert!(places.locked().by_address.is_empty(), "what is over counts for nobody");
    }

    #[test]
    fn a_connection_that_shows_nothing_for_long_is_closed_with_its_answer_and_health_does_not_count() {
        let places = places(9, 9);
        let (id, _) = places.admit(None);
        let ask = |shows: bool, is_anybodys: bool| {
            places.begin(id, None).unwrap();
            if shows {
                places.vouch(id).unwrap();
            }
            let closes = places.answered(id, is_anybodys);
            places.finish(id, false);
            closes
        };
        for _ in 0..100 {
            assert!(!ask(false, true));
        }
        for _ in 0..3 {
            assert!((1..MOST_STRANGE).all(|_| !ask(false, false)));
            assert!(!ask(true, false), "who shows the token begins anew");
        }
        assert!((1..MOST_STRANGE).all(|_| !ask(false, false)));
        assert!(ask(false, false));
        assert_eq!(places.locked().known, 0, "and is known no more");
    }

    #[tokio::test]
    async fn a_place_is_taken_when_the_connection_that_goes_for_it_has_ended_in_truth() {
        let places = places(1, 9);
        let first = places.take(None).await;
        let (mut second, mut leaves) = (Box::pin(places.take(None)), Box::pin(first.wanted_back()));
        futures::future::select(&mut second, &mut leaves).await;
        assert!(futures::FutureExt::now_or_never(&mut second).is_none(), "it has its descriptor still");
        drop(leaves);
        drop(first);
        drop(second.await);
        assert_eq!((places.free.available_permits(), places.locked().by_id.len()), (1, 0));
    }

    proptest! {
        #[test]
        fn whatever_happens_nobody_is_counted_wrong_and_no_request_of_a_known_one_is_cut(
            acts in prop::collection::vec((0_u8..6, 0_usize..12, 0_u8..4), 0..200)
        ) {
            let places = places(8, 3);
            let mut all: Vec<(u64, CancellationToken)> = Vec::new();
            let mut vouched = std::collections::BTreeSet::new();
            for (act, index, last) in acts {
                let index = all.len().saturating_sub(1 + index);
                let id = all.get(index).map(|(id, _)| *id).unwrap_or_default();
                let client = (last > 0).then(|| address(last)).flatten();
                match act {
                    0 | 1 => all.push(places.admit(client)),
                    2 => {
                        let is_under_way = vouched.contains(&id) || places.begin(id, client).is_ok();
                        if !is_under_way {
                            places.finish(id, true);
                        }
                    }
                    3 => {
                        let is_busy = places.locked().by_id.get(&id).is_some_and(|place| place.is_busy);
                        if is_busy && places.vouch(id).is_ok() {
                            vouched.insert(id);
                        }
                    }
                    4 => {
                        vouched.remove(&id);
                        places.answered(id, false);
                        places.finish(id, true);
                    }
                    _ => {
                        vouched.remove(&id);
                        places.locked().remove(id);
                    }
                }
                let held = places.locked();
                prop_assert!(held.by_id.len() <= 8 && held.known <= 7);
                prop_assert_eq!(held.known, held.by_id.values().filter(|place| place.is_known).count());
                let mut counted = HashMap::new();
                held.by_id.values().filter_map(|place| place.address).for_each(|address| *counted.entry(address).or_default() += 1);
                prop_assert_eq!(&held.by_address, &counted);
                prop_assert!(all.iter().all(|(id, leave)| !(vouched.contains(id) && leave.is_cancelled())));
            }
        }
    }
}
