//! How every ledger accepts a bulk that is too large for one transaction: others come in between, and it is
//! there as a whole or not at all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use sms_mcp::error::{Error, ErrorKind};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::{SqliteLedger, restore};
use sms_mcp::ledger::{Decide, Draft, Filter, Idempotency, Intent, Ledger, Many, Payer, Reservation, Target};
use sms_mcp::sms::message::{BatchId, Realm};
use sms_mcp::sms::verdict::Verdict;

use super::ledger::{
    Backend, HOLD, NOW, by_budget, claim, draft, intent, limits, on_every_backend, payer, queued, restoring,
    take,
};

/// So many that they are written in three steps.
const MANY: usize = 2_500;

fn rich() -> Payer {
    Payer { day: limits(10_000_000, 10_000), session: limits(10_000_000, 10_000), ..payer() }
}

fn bulk(id: u32) -> Intent {
    let key = Idempotency { key: "bulk".into(), fingerprint: [7; 32] };
    Intent { payer: rich(), idempotency: Some(key), ..queued(id, 0) }
}

fn id_of(intent: &Intent) -> BatchId {
    intent.batch.as_ref().unwrap().id.clone()
}

fn drafted(n: usize) -> Draft {
    Draft { to: format!("+33199{n:06}"), ..draft(u32::try_from(n).unwrap()) }
}

/// Messages that are made while `between` looks on: at the first of each step.
fn many(between: impl Fn(usize) + Send + Sync + 'static) -> Many {
    let make = move |places: std::ops::Range<usize>| {
        between(places.start);
        Ok(places.map(drafted).collect())
    };
    Many { count: MANY, hold_micros: HOLD * 2_500, make: Arc::new(make) }
}

async fn used(store: &dyn Ledger) -> Vec<(i64, i64)> {
    let budgets = store.budgets(rich(), NOW).await.unwrap();
    budgets.iter().map(|budget| (budget.held_micros, budget.messages)).collect()
}

fn of_alice() -> Filter {
    Filter {
        principal: "alice".into(),
        limit: 10,
        state: None,
        to: None,
        since: None,
        until: None,
        batch: None,
        before: None,
    }
}

/// What anybody sees of a bulk: itself, its messages, its key, what may leave.
async fn sees(store: &dyn Ledger, id: &BatchId) -> (bool, usize, bool, usize) {
    let batch = store.batch("alice", id, 0).await.unwrap();
    let listed =
        store.list(of_alice()).await.unwrap().into_iter().filter(|message| message.batch.is_some()).count();
    let target = store.target_of("alice", Realm::Live, "bulk").await.unwrap();
    let claimed = store.claim(claim(10)).await.unwrap().messages.len();
    (batch.is_some(), listed, target.is_some(), claimed)
}

async fn a_large_bulk_is_seen_as_a_whole_or_not_at_all_and_others_come_in_between(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let id = id_of(&bulk(1));
        let (other, looked, of) = (Arc::clone(&store), Arc::new(AtomicUsize::new(0)), id.clone());
        let looks = Arc::clone(&looked);
        let between = move |first: usize| {
            if first == 0 {
                return;
            }
            looks.fetch_add(1, Ordering::SeqCst);
            let first = i64::try_from(first).unwrap();
            let singles = i64::try_from(looks.load(Ordering::SeqCst)).unwrap() - 1;
            block_on(async {
                assert_eq!(sees(&*other, &of).await, (false, 0, false, 0), "nothing of it");
                assert!(
                    used(&*other)
                        .await
                        .iter()
                        .all(|used| *used == ((first + singles) * HOLD, first + singles)),
                    "what it holds counts"
                );
                let single =
                    Intent { payer: rich(), ..intent(vec![draft(900_000 + u32::try_from(first).unwrap())]) };
                take(&*other, single).await;
                assert_eq!(
                    other.cancel("alice", &of, NOW).await.unwrap(),
                    0,
                    "nobody takes back what is not there"
                );
            });
        };
        // Each is decided on as it would be in one step: beside those before it, in budgets without them.
        let decide: Decide = Arc::new(|index, facts| {
            let before = i64::try_from(index).unwrap();
            assert_eq!((facts.before_messages, facts.before_micros), (before, before * HOLD));
            assert!(facts.budgets.iter().all(|budget| budget.messages <= 2), "{:?}", facts.budgets);
            Ok(Verdict::Now)
        });
        let reservation = store.reserve_many(bulk(1), many(between), decide).await.unwrap();
        assert!(matches!(reservation, Reservation::Taken { refused, .. } if refused.is_empty()));
        assert_eq!(looked.load(Ordering::SeqCst), 2);
        let whole = store.batch("alice", &id, 0).await.unwrap().unwrap();
        assert_eq!(
            (whole.accepted() as usize, whole.open() as usize, whole.duplicates.as_slice()),
            (MANY, MANY, ["+1".to_owned()].as_slice())
        );
        let (is_there, listed, has_key, claimed) = sees(&*store, &id).await;
        assert!(is_there && listed > 0 && has_key && claimed > 0);
        let again = store.reserve_many(bulk(2), many(|_| ()), by_budget()).await.unwrap();
        assert!(matches!(again, Reservation::Replay(Target::Batch(first)) if first == id));
    }
}

async fn a_large_bulk_that_is_refused_in_its_middle_leaves_nothing_and_tells_all_who_are_refused(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        let refuse: Decide = Arc::new(|index, _| match index {
            1_200 | 2_400 => Err(Error::new(ErrorKind::OptedOut, "no")),
            _ => Ok(Verdict::Now),
        });
        let reservation = store.reserve_many(bulk(1), many(|_| ()), Arc::clone(&refuse)).await.unwrap();
        let Reservation::Refused { refused, .. } = reservation else { panic!("{reservation:?}") };
        assert_eq!(refused.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1_200, 2_400]);
        assert!(used(&*store).await.iter().all(|used| *used == (0, 0)));
        assert_eq!(sees(&*store, &id_of(&bulk(1))).await, (false, 0, false, 0));
        // The key is free, and where the others may go they do.
        let some = Intent { all_or_none: false, ..bulk(2) };
        let reservation = store.reserve_many(some, many(|_| ()), refuse).await.unwrap();
        assert!(matches!(reservation, Reservation::Taken { refused, .. } if refused.len() == 2));
        let batch = store.batch("alice", &id_of(&bulk(2)), 0).await.unwrap().unwrap();
        assert_eq!((batch.accepted() as usize, batch.refused.len()), (MANY - 2, 2));
        assert!(used(&*store).await.iter().all(|used| *used == (2_498 * HOLD, 2_498)));
    }
}

async fn a_large_bulk_of_which_nobody_is_taken_is_none_and_its_key_is_free(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let nobody: Decide = Arc::new(|_, _| Err(Error::new(ErrorKind::OptedOut, "no")));
        let some = |id| Intent { all_or_none: false, ..bulk(id) };
        let reservation = store.reserve_many(some(1), many(|_| ()), nobody).await.unwrap();
        assert!(matches!(reservation, Reservation::Refused { refused, .. } if refused.len() == MANY));
        assert!(used(&*store).await.iter().all(|used| *used == (0, 0)));
        assert_eq!(sees(&*store, &id_of(&bulk(1))).await, (false, 0, false, 0));
        let reservation = store.reserve_many(some(2), many(|_| ()), by_budget()).await.unwrap();
        assert!(matches!(reservation, Reservation::Taken { refused, .. } if refused.is_empty()));
    }
}

async fn a_large_bulk_never_passes_a_limit_whoever_spends_in_between(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let narrow = || Payer { day: limits(HOLD * 2_500, 10_000), ..rich() };
        let other = Arc::clone(&store);
        let between = move |first: usize| {
            if first == 2_000 {
                block_on(async {
                    take(&*other, Intent { payer: narrow(), ..intent(vec![draft(900_000)]) }).await
                });
            }
        };
        let refused = store
            .reserve_many(Intent { payer: narrow(), ..bulk(1) }, many(between), by_budget())
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BudgetExceeded);
        assert!(used(&*store).await.iter().all(|used| *used == (HOLD, 1)), "the other one's alone");
        // What does not fit as a whole is refused before any of it is held.
        let other = Arc::clone(&store);
        let looked =
            move |_| block_on(async { assert!(used(&*other).await.iter().all(|used| *used == (HOLD, 1))) });
        let refused = store
            .reserve_many(Intent { payer: narrow(), ..bulk(2) }, many(looked), by_budget())
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BudgetExceeded);
    }
}

async fn who_calls_with_the_key_of_a_bulk_that_is_being_accepted_waits_for_it(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let (other, second) = (Arc::clone(&store), Arc::new(Mutex::new(None)));
        let begun = Arc::clone(&second);
        let between = move |first: usize| {
            let mut begun = begun.lock().unwrap();
            if first == 1_000 {
                let other = Arc::clone(&other);
                *begun = Some(tokio::spawn(async move {
                    other.reserve_many(bulk(2), many(|_| ()), by_budget()).await
                }));
            }
            assert!(begun.as_ref().is_none_or(|second| !second.is_finished()));
        };
        store.reserve_many(bulk(1), many(between), by_budget()).await.unwrap();
        let second = second.lock().unwrap().take().unwrap();
        let answer = second.await.unwrap().unwrap();
        assert!(matches!(answer, Reservation::Replay(Target::Batch(first)) if first == id_of(&bulk(1))));
        assert!(used(&*store).await.iter().all(|used| *used == (2_500 * HOLD, 2_500)), "once");
    }
}

async fn a_large_bulk_whose_acceptance_was_cut_off_is_withdrawn_with_its_money_and_its_key(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let between = |first: usize| assert!(first < 2_000, "it is cut off here");
        let cut = Arc::clone(&store);
        let ended =
            tokio::spawn(
                async move { cut.reserve_many(bulk(1), many(between), by_budget()).await.map(drop) },
            )
            .await;
        assert!(ended.is_err());
        assert!(
            used(&*store).await.iter().all(|used| *used == (2_000 * HOLD, 2_000)),
            "it holds what it held"
        );
        // Somebody who opted out meanwhile holds nothing any more.
        store.opt_out(&drafted(3).to, true, "operator", NOW).await.unwrap();
        store.recover(NOW, None).await.unwrap();
        assert!(used(&*store).await.iter().all(|used| *used == (0, 0)));
        let again = store.reserve_many(bulk(2), many(|_| ()), by_budget()).await.unwrap();
        assert!(matches!(again, Reservation::Taken { .. }));
    }
}

async fn a_quote_of_a_large_bulk_writes_nothing(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let quote = Intent { preview: true, ..bulk(1) };
        let reservation = store.reserve_many(quote, many(|_| ()), by_budget()).await.unwrap();
        assert!(matches!(reservation, Reservation::Taken { .. }));
        assert!(used(&*store).await.iter().all(|used| *used == (0, 0)));
        assert_eq!(sees(&*store, &id_of(&bulk(1))).await, (false, 0, false, 0));
        let too_much =
            Intent { preview: true, payer: Payer { day: limits(HOLD * 2_400, 10_000), ..rich() }, ..bulk(2) };
        let refused = store.reserve_many(too_much, many(|_| ()), by_budget()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BudgetExceeded);
    }
}

on_every_backend! {
    a_large_bulk_is_seen_as_a_whole_or_not_at_all_and_others_come_in_between,
    a_large_bulk_that_is_refused_in_its_middle_leaves_nothing_and_tells_all_who_are_refused,
    a_large_bulk_of_which_nobody_is_taken_is_none_and_its_key_is_free,
    a_large_bulk_never_passes_a_limit_whoever_spends_in_between,
    who_calls_with_the_key_of_a_bulk_that_is_being_accepted_waits_for_it,
    a_large_bulk_whose_acceptance_was_cut_off_is_withdrawn_with_its_money_and_its_key,
    a_quote_of_a_large_bulk_writes_nothing,
}

/// A copy from the middle of it may be older than its end: all of it may have been accepted since, and sent.
#[tokio::test]
async fn of_a_copy_from_the_middle_of_a_large_bulk_that_is_put_back_nothing_is_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy, restored) =
        (folder.path().join("ledger.db"), folder.path().join("copy.db"), folder.path().join("restored.db"));
    let store = Arc::new(SqliteLedger::open(&file, NOW, [1; 8]).unwrap());
    let (other, to) = (Arc::clone(&store), copy.clone());
    let between = move |first: usize| {
        if first == 2_000 {
            block_on(other.backup(&to)).unwrap();
        }
    };
    store.reserve_many(bulk(1), many(between), by_budget()).await.unwrap();
    let unknown = restore(&copy, &restored, &restoring(NOW)).unwrap().unknown;
    assert_eq!(unknown, 2_000);
    let store = SqliteLedger::open(&restored, NOW, [2; 8]).unwrap();
    for _ in 0..2 {
        store.recover(NOW, None).await.unwrap();
        let left = store.unknowns(None, NOW, 10_000).await.unwrap();
        assert_eq!((left.len(), used(&store).await), (2_000, vec![(2_000 * HOLD, 2_000); 3]));
        let target = store.target_of("alice", Realm::Live, "bulk").await.unwrap();
        assert!(matches!(target, Some(Target::Batch(id)) if id == id_of(&bulk(1))), "its key stands for it");
        assert_eq!(store.batch("alice", &id_of(&bulk(1)), 0).await.unwrap().unwrap().accepted(), 2_000);
    }
}
