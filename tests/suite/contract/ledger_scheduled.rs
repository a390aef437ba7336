//! What waits for its time or for a person: its money is held, nobody takes it, and its time is asked about
//! once more.

use std::sync::{Arc, Mutex};

use sms_mcp::clock::Timestamp;
use sms_mcp::error::{Error, ErrorKind};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::{SqliteLedger, restore};
use sms_mcp::ledger::upkeep::PrunePlace;
use sms_mcp::ledger::{
    Claim, Decide, Draft, Due, Gone, Intent, Ledger, Payer, Recheck, Recovered, Released, ReplyPage,
    Reservation,
};
use sms_mcp::sms::facts::{Facts, Limits, Scope};
use sms_mcp::sms::message::{BatchId, Realm, State};
use sms_mcp::sms::verdict::Verdict;

use super::ledger::{
    Backend, HOLD, NOW, budget, by_budget, claim, draft, ended, intent, limits, on_every_backend, payer,
    queued, restoring, state_of, take,
};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// At this time, for a reason.
fn at(after_ms: i64) -> Verdict {
    Verdict::At { at_ms: NOW.plus_ms(after_ms).as_millis(), by_ms: None, why: "it is night there".into() }
}

fn ask() -> Verdict {
    Verdict::Ask {
        schedule: sms_mcp::sms::schedule::Schedule::default(),
        why: "nobody knows this number".into(),
    }
}

/// The same verdict on all of them, within the budgets.
fn says(verdict: Verdict) -> Decide {
    let fits = by_budget();
    Arc::new(move |index, facts| fits(index, facts).map(|_| verdict.clone()))
}

fn due(after_ms: i64) -> Due {
    due_at(NOW.plus_ms(after_ms), DAY_MS)
}

/// What a server looks for at this time, where what is older than so long expires.
pub(super) fn due_at(now: Timestamp, max_age_ms: i64) -> Due {
    Due {
        now,
        limit: 100,
        max_age_ms,
        provider: "sandbox".into(),
        realm: Realm::Live,
        without: Vec::new(),
        day: payer().day,
        answers_of: Vec::new(),
        consent_for: Vec::new(),
        most_queued: 1_000,
    }
}

fn recheck(verdict: impl Fn() -> Result<Verdict, Error> + Send + Sync + 'static) -> Recheck {
    Arc::new(move |_, _| verdict())
}

fn now() -> Recheck {
    recheck(|| Ok(Verdict::Now))
}

async fn reserved(store: &dyn Ledger, intent: Intent, verdict: Verdict) -> Vec<(usize, Verdict)> {
    match store.reserve(intent, says(verdict)).await.unwrap() {
        Reservation::Taken { waiting, .. } => waiting,
        other => panic!("{other:?}"),
    }
}

async fn held(store: &dyn Ledger) -> (i64, i64) {
    let session = budget(store, Scope::Session).await;
    (session.held_micros, session.messages)
}

async fn what_leaves_later_or_waits_for_a_person_holds_its_money_and_is_nobodys_to_take(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        assert_eq!(reserved(&*store, intent(vec![draft(1)]), at(HOUR_MS)).await, [(0, at(HOUR_MS))]);
        assert_eq!(reserved(&*store, intent(vec![draft(2)]), ask()).await, [(0, ask())]);
        let some: Decide = Arc::new(|index, _| Ok([Verdict::Now, at(HOUR_MS), at(HOUR_MS)][index].clone()));
        let Reservation::Taken { waiting, .. } = store.reserve(queued(3, 3), some).await.unwrap() else {
            panic!("refused")
        };
        assert_eq!(waiting, [(1, at(HOUR_MS)), (2, at(HOUR_MS))]);
        let states = [
            (1, State::Scheduled),
            (2, State::Proposed),
            (3, State::Queued),
            (4, State::Scheduled),
            (5, State::Scheduled),
        ];
        for (n, state) in states {
            assert_eq!(state_of(&*store, &draft(n).id).await, state, "{n}");
        }
        assert_eq!(held(&*store).await, (5 * HOLD, 5));
        let later = Claim { now: NOW.plus_ms(2 * HOUR_MS), max_age_ms: DAY_MS, adopt: true, ..claim(9) };
        let claimed = store.claim(later).await.unwrap().messages;
        assert_eq!(claimed.iter().map(|message| &message.id).collect::<Vec<_>>(), [&draft(3).id]);
        let whole = store.whole("alice", &draft(1).id, ReplyPage::default()).await.unwrap().unwrap();
        assert_eq!(whole.history[0].why.as_deref(), Some("it is night there"));
        let batch = store.batch("alice", &BatchId::new(NOW.as_millis(), 3), 9).await.unwrap().unwrap();
        assert_eq!(batch.open(), 3, "the bulk goes on");
        // A budget is as full of them as of any others.
        let more = Intent { now: NOW.plus_ms(2 * HOUR_MS), ..intent(vec![draft(9)]) };
        assert_eq!(store.reserve(more, by_budget()).await.unwrap_err().kind(), ErrorKind::BudgetExceeded);
    }
}

async fn what_has_become_due_is_decided_on_once_more_by_the_facts_of_then(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in 1..=4 {
            reserved(&*store, intent(vec![draft(n)]), at(i64::from(n) * HOUR_MS)).await;
        }
        assert_eq!(
            store.release_due(due(HOUR_MS - 1), now()).await.unwrap(),
            Released::default(),
            "not before its time"
        );
        let seen = Arc::<Mutex<Option<Facts>>>::default();
        let notes = Arc::clone(&seen);
        let looks: Recheck = Arc::new(move |record, facts| {
            assert_eq!(
                (&record.id, record.text.as_deref(), record.held_micros),
                (&draft(1).id, Some("text 1"), HOLD)
            );
            *notes.lock().unwrap() = Some(facts.clone());
            Ok(Verdict::Now)
        });
        assert_eq!(store.release_due(due(HOUR_MS), looks).await.unwrap().queued, [draft(1).id]);
        let facts = seen.lock().unwrap().take().unwrap();
        let session = facts.budgets.iter().find(|budget| budget.scope == Scope::Session).unwrap();
        assert_eq!((session.held_micros, session.messages), (3 * HOLD, 3), "as if it was not there");
        assert_eq!((facts.recipient_last_hour, facts.recipient_last_day, facts.is_opted_out), (0, 0, false));
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Queued);
        assert_eq!(
            store
                .claim(Claim { now: NOW.plus_ms(HOUR_MS), max_age_ms: HOUR_MS / 2, ..claim(9) })
                .await
                .unwrap()
                .messages
                .len(),
            1
        );
        assert_eq!(
            state_of(&*store, &draft(1).id).await,
            State::Attempting,
            "its age in the queue begins with its time"
        );
    }
}

async fn what_may_not_leave_when_its_time_has_come_waits_on_or_ends(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in 2..=4 {
            reserved(&*store, intent(vec![draft(n)]), at(i64::from(n) * HOUR_MS)).await;
        }
        let later = recheck(|| Ok(at(3 * HOUR_MS)));
        assert_eq!(store.release_due(due(2 * HOUR_MS), later).await.unwrap().later, [draft(2).id]);
        assert_eq!(store.release_due(due(3 * HOUR_MS - 1), now()).await.unwrap(), Released::default());
        let refused = recheck(|| Err(Error::new(ErrorKind::OptedOut, "no more texts")));
        assert_eq!(store.release_due(due(3 * HOUR_MS), refused).await.unwrap().ended.len(), 2);
        let asks = recheck(|| Ok(ask()));
        assert_eq!(
            store.release_due(due(4 * HOUR_MS), asks).await.unwrap().ended,
            [draft(4).id],
            "states only move forward"
        );
        for (n, code) in [(2, ErrorKind::OptedOut), (3, ErrorKind::OptedOut), (4, ErrorKind::NotSupported)] {
            let record = store.message("alice", &draft(n).id).await.unwrap().unwrap();
            assert_eq!((record.state, record.code), (State::Rejected, Some(code)), "{n}");
        }
        assert_eq!(held(&*store).await, (0, 0), "their money is back");
    }
}

async fn what_is_paused_or_paid_for_by_a_frozen_budget_or_another_providers_stays_and_what_is_too_late_ends(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        reserved(&*store, intent(vec![draft(1)]), at(HOUR_MS)).await;
        let mine = due(2 * HOUR_MS);
        for other in [
            Due { without: vec!["alice".into()], ..mine.clone() },
            Due { provider: "second".into(), ..mine.clone() },
            Due { realm: Realm::Sandbox, ..mine.clone() },
        ] {
            assert_eq!(store.release_due(other, now()).await.unwrap(), Released::default());
        }
        take(&*store, intent(vec![draft(2)])).await;
        store.settle(&draft(2).id, ended(State::Sent, Some(2 * HOLD))).await.unwrap();
        assert!(budget(&*store, Scope::Session).await.frozen);
        assert_eq!(store.release_due(mine.clone(), now()).await.unwrap(), Released::default());
        for frozen in store.all_budgets().await.unwrap().into_iter().filter(|budget| budget.frozen) {
            store.unfreeze(&frozen.key).await.unwrap();
        }
        assert_eq!(
            store.release_due(Due { max_age_ms: HOUR_MS / 2, ..mine }, now()).await.unwrap().ended,
            [draft(1).id]
        );
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Expired);
        assert_eq!(held(&*store).await, (0, 1));
    }
}

async fn what_waits_at_a_provider_that_is_not_set_up_any_more_ends_once_it_is_too_late(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        reserved(&*store, intent(vec![draft(1)]), at(HOUR_MS)).await;
        reserved(&*store, intent(vec![draft(2)]), at(5 * HOUR_MS)).await;
        let gone = |after_ms: i64, known: &[&str]| Gone {
            now: NOW.plus_ms(after_ms),
            limit: 10,
            max_age_ms: 2 * HOUR_MS,
            known: known.iter().map(|name| (*name).to_owned()).collect(),
        };
        let ended = async |asked: Gone| store.expire_gone(asked).await.unwrap();
        assert_eq!(ended(gone(4 * HOUR_MS, &["second", "sandbox"])).await, [], "it is set up");
        assert_eq!(ended(gone(3 * HOUR_MS, &["second"])).await, [], "not yet");
        assert_eq!(held(&*store).await, (2 * HOLD, 2));
        assert_eq!(ended(gone(3 * HOUR_MS + 1, &["second"])).await, [draft(1).id]);
        let record = store.message("alice", &draft(1).id).await.unwrap().unwrap();
        assert_eq!(record.state, State::Expired);
        assert!(record.why.unwrap().contains("set up any more"));
        assert_eq!(state_of(&*store, &draft(2).id).await, State::Scheduled, "its time is still to come");
        assert_eq!(held(&*store).await, (HOLD, 1), "its money is back");
    }
}

async fn what_is_queued_for_a_provider_that_is_not_set_up_any_more_ends_by_the_claims_of_any_other(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(5, 1)).await;
        let other = Claim {
            now: NOW.plus_ms(3 * HOUR_MS),
            max_age_ms: 2 * HOUR_MS,
            adopt: true,
            provider: "second".into(),
            ..claim(9)
        };
        store.claim(other).await.unwrap();
        assert_eq!(state_of(&*store, &draft(5).id).await, State::Expired);
        assert_eq!(held(&*store).await, (0, 0));
    }
}

async fn what_waits_is_taken_back_by_its_owner_and_by_nobody_else(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for (n, verdict) in [(1, at(HOUR_MS)), (2, ask())] {
            reserved(&*store, intent(vec![draft(n)]), verdict).await;
            assert!(!store.take_back("bob", &draft(n).id, NOW).await.unwrap());
            assert!(store.take_back("alice", &draft(n).id, NOW).await.unwrap());
            assert!(!store.take_back("alice", &draft(n).id, NOW).await.unwrap());
            assert_eq!(state_of(&*store, &draft(n).id).await, State::Canceled);
        }
        assert_eq!(held(&*store).await, (0, 0));
        take(&*store, intent(vec![draft(7)])).await;
        assert!(!store.take_back("alice", &draft(7).id, NOW).await.unwrap(), "it is being handed over");
    }
}

async fn what_waits_is_taken_back_with_its_bulk_and_by_its_person(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let some: Decide = Arc::new(|index, _| Ok([at(HOUR_MS), ask()][index].clone()));
        store.reserve(queued(3, 2), some).await.unwrap();
        assert!(store.take_back("alice", &draft(3).id, NOW).await.unwrap(), "one of a bulk too");
        assert_eq!(store.cancel("alice", &BatchId::new(NOW.as_millis(), 3), NOW).await.unwrap(), 1);
        for (n, verdict) in [(5, at(HOUR_MS)), (6, ask())] {
            reserved(&*store, intent(vec![draft(n)]), verdict).await;
            store.opt_out(&draft(n).to, true, "reply", NOW).await.unwrap();
            let record = store.message("alice", &draft(n).id).await.unwrap().unwrap();
            assert_eq!((record.state, record.code), (State::Rejected, Some(ErrorKind::OptedOut)));
        }
        assert_eq!(held(&*store).await, (0, 0));
    }
}

async fn recovery_and_forgetting_leave_what_waits(backend: Backend) {
    for place in backend.places() {
        let first = place.open();
        reserved(&*first, intent(vec![draft(1)]), at(400 * DAY_MS)).await;
        reserved(&*first, intent(vec![draft(2)]), ask()).await;
        first.close().await.unwrap();
        let store = place.open();
        assert_eq!(store.recover(NOW.plus_ms(HOUR_MS), None).await.unwrap(), Recovered::default());
        let (late, mut next) = (NOW.plus_ms(390 * DAY_MS), Some(PrunePlace::default()));
        while let Some(from) = next {
            next = store.prune(late.plus_ms(-30 * DAY_MS), late, from, 10).await.unwrap().next;
        }
        for (n, state) in [(1, State::Scheduled), (2, State::Proposed)] {
            assert_eq!(state_of(&*store, &draft(n).id).await, state);
        }
        assert_eq!(
            store.release_due(due(400 * DAY_MS), now()).await.unwrap().queued,
            [draft(1).id],
            "whichever process looks"
        );
    }
}

async fn what_left_later_counts_for_its_person_when_it_left(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let wide = |n: u32, at: Timestamp| {
            let payer = Payer { day: Limits::default(), session: Limits::default(), ..payer() };
            Intent { payer, now: at, ..intent(vec![Draft { to: draft(1).to, ..draft(n) }]) }
        };
        for n in 1..=3 {
            reserved(&*store, wide(n, NOW), at(2 * DAY_MS)).await;
        }
        let counts = Arc::<Mutex<Vec<(u32, u32)>>>::default();
        let notes = Arc::clone(&counts);
        let counting: Recheck = Arc::new(move |_, facts| {
            notes.lock().unwrap().push((facts.recipient_last_hour, facts.recipient_last_day));
            Ok(Verdict::Now)
        });
        assert_eq!(store.release_due(due(2 * DAY_MS), counting).await.unwrap().queued.len(), 3);
        assert_eq!(
            *counts.lock().unwrap(),
            [(0, 0), (1, 1), (2, 2)],
            "those that still wait are none of them"
        );
        let notes = Arc::clone(&counts);
        let look: Decide = Arc::new(move |_, facts| {
            notes.lock().unwrap().push((facts.recipient_last_hour, facts.recipient_last_day));
            Ok(Verdict::Now)
        });
        for hours in [0, 2, 25] {
            let asked = Intent { preview: true, ..wide(9, NOW.plus_ms(2 * DAY_MS + hours * HOUR_MS)) };
            store.reserve(asked, Arc::clone(&look)).await.unwrap();
        }
        assert_eq!(counts.lock().unwrap()[3..], [(3, 3), (0, 3), (0, 0)]);
    }
}

/// What each day's budget of alice holds, by its day.
async fn days(store: &dyn Ledger) -> Vec<(String, i64, i64)> {
    let all = store.all_budgets().await.unwrap();
    let mut days: Vec<_> = all
        .into_iter()
        .filter(|budget| budget.scope == Scope::Day)
        .map(|budget| {
            let day = budget.key.as_str().rsplit(':').next().unwrap().to_owned();
            (day, budget.held_micros, budget.messages)
        })
        .collect();
    days.sort();
    days
}

/// A payer whose day has room for so many, and whose session has room for all.
fn by_day(messages: i64) -> Payer {
    Payer { day: limits(messages * HOLD, 100), session: Limits::default(), ..payer() }
}

#[expect(clippy::cognitive_complexity, reason = "one story, step by step")]
async fn each_day_holds_what_is_planned_for_it_and_none_is_starved_by_another(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let asked = |n: u32, verdict: Verdict| {
            let store = &store;
            async move {
                let intent = Intent { payer: by_day(2), ..intent(vec![draft(n)]) };
                store.reserve(intent, says(verdict)).await.map(drop).map_err(|error| error.kind())
            }
        };
        let spent = Err(ErrorKind::BudgetExceeded);
        assert_eq!(asked(1, at(DAY_MS)).await, Ok(()));
        assert_eq!(asked(2, at(DAY_MS)).await, Ok(()));
        assert_eq!(asked(3, at(DAY_MS)).await, spent, "that day is full");
        assert_eq!(asked(4, Verdict::Now).await, Ok(()), "and takes nothing of today");
        assert_eq!(asked(5, Verdict::Now).await, Ok(()));
        assert_eq!(asked(6, Verdict::Now).await, spent);
        assert_eq!(asked(7, at(2 * DAY_MS)).await, Ok(()), "a full today takes nothing of another day");
        let (first, second, third) =
            (NOW.utc_day(), NOW.plus_ms(DAY_MS).utc_day(), NOW.plus_ms(2 * DAY_MS).utc_day());
        assert_eq!(days(&*store).await, [(first, 2 * HOLD, 2), (second, 2 * HOLD, 2), (third, HOLD, 1)]);
        // One bulk over several days is one decision.
        let some: Decide = Arc::new({
            let fits = by_budget();
            move |index, facts| {
                fits(index, facts)?;
                Ok([at(2 * DAY_MS), at(3 * DAY_MS), at(3 * DAY_MS)][index].clone())
            }
        });
        let bulk = Intent { payer: by_day(2), ..queued(20, 3) };
        assert!(matches!(store.reserve(bulk, Arc::clone(&some)).await.unwrap(), Reservation::Taken { .. }));
        let held: Vec<i64> = days(&*store).await.into_iter().map(|(_, held, _)| held).collect();
        assert_eq!(held, [2 * HOLD; 4]);
        let more = Intent { payer: by_day(2), ..queued(30, 3) };
        assert_eq!(store.reserve(more, some).await.unwrap_err().kind(), ErrorKind::BudgetExceeded);
        assert_eq!(
            days(&*store).await.into_iter().map(|(_, held, _)| held).sum::<i64>(),
            8 * HOLD,
            "a refused bulk holds nothing on any day"
        );
    }
}

#[expect(clippy::cognitive_complexity, reason = "one story, step by step")]
async fn what_moves_to_another_day_is_held_there_or_waits_until_it_has_room_or_expires(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let limited = |after_ms: i64| Due { day: by_day(1).day, ..due(after_ms) };
        let until = |after_ms: i64, by_ms: i64| match at(after_ms) {
            Verdict::At { at_ms, why, .. } => {
                Verdict::At { at_ms, by_ms: Some(NOW.plus_ms(by_ms).as_millis()), why }
            }
            other => other,
        };
        let take_later = |n: u32, verdict: Verdict| {
            let store = &store;
            async move {
                let intent = Intent { payer: by_day(1), ..intent(vec![draft(n)]) };
                reserved(&**store, intent, verdict).await;
            }
        };
        take_later(1, until(HOUR_MS, 3 * DAY_MS)).await;
        take_later(2, until(DAY_MS, 3 * DAY_MS)).await;
        take_later(3, until(2 * DAY_MS, 4 * DAY_MS)).await;
        let held = async || days(&*store).await.into_iter().map(|(_, held, _)| held).collect::<Vec<_>>();
        assert_eq!(held().await, [HOLD, HOLD, HOLD]);
        // The first one slept past its day, and the next day is the second one's.
        let room = by_budget();
        let fits: Recheck = Arc::new(move |_, facts| room(0, facts));
        let released = store.release_due(limited(2 * HOUR_MS), Arc::clone(&fits)).await.unwrap();
        assert_eq!(released.queued, [draft(1).id], "its own day still");
        let released = store.release_due(limited(2 * DAY_MS + HOUR_MS), Arc::clone(&fits)).await.unwrap();
        assert_eq!(released.later, [draft(2).id], "the third one holds that day, and it waits for room");
        assert_eq!(released.queued, [draft(3).id]);
        assert_eq!(held().await, [HOLD, HOLD, HOLD]);
        let released = store.release_due(limited(2 * DAY_MS + 3 * HOUR_MS), Arc::clone(&fits)).await.unwrap();
        assert_eq!(released.later, [draft(2).id]);
        // Put off to a day that has room, it is held there and in its old day no more.
        let off = recheck(|| Ok(at(3 * DAY_MS - HOUR_MS / 2)));
        let later = Due { day: Limits::default(), ..limited(3 * DAY_MS - HOUR_MS / 2 - MINUTE_MS) };
        assert_eq!(store.release_due(later, off).await.unwrap().later, [draft(2).id]);
        let after = days(&*store).await;
        assert_eq!(after.iter().map(|(_, held, _)| *held).sum::<i64>(), 3 * HOLD, "{after:?}");
        assert_eq!(store.release_due(limited(3 * DAY_MS + 1), fits).await.unwrap().ended, [draft(2).id]);
        assert_eq!(state_of(&*store, &draft(2).id).await, State::Expired);
        assert_eq!(held().await.into_iter().sum::<i64>(), 2 * HOLD, "its money is back");
    }
}

#[expect(clippy::cognitive_complexity, reason = "one story, step by step")]
async fn what_is_to_leave_by_a_time_never_leaves_after_it(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let by = |at_ms: i64, by_ms: i64| Verdict::At {
            at_ms: NOW.plus_ms(at_ms).as_millis(),
            by_ms: Some(NOW.plus_ms(by_ms).as_millis()),
            why: "then".into(),
        };
        reserved(&*store, intent(vec![draft(1)]), by(HOUR_MS, 2 * HOUR_MS)).await;
        reserved(&*store, intent(vec![draft(2)]), by(HOUR_MS, 2 * HOUR_MS)).await;
        let released = Due { limit: 1, ..due(2 * HOUR_MS) };
        assert_eq!(store.release_due(released, now()).await.unwrap().queued, [draft(1).id]);
        // Queued in time, and its turn came too late; and one that was not even let go.
        let late = Claim { now: NOW.plus_ms(2 * HOUR_MS + 1), max_age_ms: DAY_MS, ..claim(9) };
        assert!(store.claim(late).await.unwrap().messages.is_empty());
        assert_eq!(store.release_due(due(2 * HOUR_MS + 1), now()).await.unwrap().ended, [draft(2).id]);
        for n in [1, 2] {
            assert_eq!(state_of(&*store, &draft(n).id).await, State::Expired, "{n}");
        }
        // What may leave at once and not for long is let go with the shorter of the two times.
        reserved(&*store, intent(vec![draft(3)]), by(1, 4 * HOUR_MS)).await;
        let short = recheck(|| Ok(Verdict::Until { by_ms: NOW.plus_ms(HOUR_MS).as_millis() }));
        assert_eq!(store.release_due(due(1), short).await.unwrap().queued, [draft(3).id]);
        let at = |after_ms: i64| Claim { now: NOW.plus_ms(after_ms), max_age_ms: DAY_MS, ..claim(9) };
        assert!(store.claim(at(HOUR_MS + 1)).await.unwrap().messages.is_empty());
        assert_eq!(state_of(&*store, &draft(3).id).await, State::Expired);
        // So is one that was queued as soon as it was accepted.
        let until = || Verdict::Until { by_ms: NOW.plus_ms(HOUR_MS).as_millis() };
        let Reservation::Taken { waiting, .. } = store.reserve(queued(4, 1), says(until())).await.unwrap()
        else {
            panic!("refused")
        };
        assert!(waiting.is_empty());
        assert!(store.claim(at(HOUR_MS + 1)).await.unwrap().messages.is_empty());
        assert_eq!(state_of(&*store, &draft(4).id).await, State::Expired);
        assert_eq!(held(&*store).await, (0, 0));
    }
}

async fn no_more_is_let_go_than_the_queue_is_to_have(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in 1..=3 {
            reserved(&*store, intent(vec![draft(n)]), at(HOUR_MS)).await;
        }
        let short = || Due { most_queued: 2, ..due(HOUR_MS) };
        let first = store.release_due(short(), now()).await.unwrap();
        assert_eq!((first.queued.len(), first.has_more), (2, true));
        let full = store.release_due(short(), now()).await.unwrap();
        assert_eq!((full.queued.len(), full.has_more), (0, true));
        let claim = Claim { now: NOW.plus_ms(HOUR_MS), max_age_ms: DAY_MS, ..claim(1) };
        assert_eq!(store.claim(claim).await.unwrap().messages.len(), 1);
        assert_eq!(store.release_due(short(), now()).await.unwrap().queued, [draft(3).id]);
    }
}

async fn one_of_a_bulk_that_is_taken_back_takes_no_other_with_it(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 3)).await;
        let claimed = store.claim(claim(1)).await.unwrap().messages;
        assert!(store.take_back("alice", &draft(2).id, NOW).await.unwrap());
        let back = |id: &sms_mcp::sms::message::MessageId| sms_mcp::ledger::Back {
            id: id.clone(),
            rests_until: None,
        };
        store.unclaim(vec![back(&claimed[0].id)]).await.unwrap();
        assert_eq!(state_of(&*store, &claimed[0].id).await, State::Queued, "the bulk goes on");
        let again = store.claim(claim(1)).await.unwrap().messages;
        assert_eq!(store.cancel("alice", &BatchId::new(NOW.as_millis(), 1), NOW).await.unwrap(), 1);
        store.unclaim(vec![back(&again[0].id)]).await.unwrap();
        assert_eq!(state_of(&*store, &again[0].id).await, State::Canceled, "it was taken back as a whole");
    }
}

async fn what_stands_still_in_the_queue_keeps_no_scheduled_text_back(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 3)).await;
        reserved(&*store, intent(vec![draft(4)]), at(HOUR_MS)).await;
        let short = Due { most_queued: 1, ..due(HOUR_MS) };
        assert_eq!(store.release_due(short.clone(), now()).await.unwrap().queued, [draft(4).id]);
        // And where there is no room at all, what is too late ends all the same.
        reserved(&*store, intent(vec![draft(5)]), at(HOUR_MS)).await;
        let late = Due { now: NOW.plus_ms(3 * HOUR_MS), max_age_ms: HOUR_MS, ..short };
        assert_eq!(store.release_due(late, now()).await.unwrap().ended, [draft(5).id]);
    }
}

on_every_backend![
    what_leaves_later_or_waits_for_a_person_holds_its_money_and_is_nobodys_to_take,
    what_has_become_due_is_decided_on_once_more_by_the_facts_of_then,
    what_is_paused_or_paid_for_by_a_frozen_budget_or_another_providers_stays_and_what_is_too_late_ends,
    what_may_not_leave_when_its_time_has_come_waits_on_or_ends,
    what_waits_at_a_provider_that_is_not_set_up_any_more_ends_once_it_is_too_late,
    what_is_queued_for_a_provider_that_is_not_set_up_any_more_ends_by_the_claims_of_any_other,
    what_waits_is_taken_back_by_its_owner_and_by_nobody_else,
    what_waits_is_taken_back_with_its_bulk_and_by_its_person,
    recovery_and_forgetting_leave_what_waits,
    what_left_later_counts_for_its_person_when_it_left,
    each_day_holds_what_is_planned_for_it_and_none_is_starved_by_another,
    what_moves_to_another_day_is_held_there_or_waits_until_it_has_room_or_expires,
    what_is_to_leave_by_a_time_never_leaves_after_it,
    no_more_is_let_go_than_the_queue_is_to_have,
    one_of_a_bulk_that_is_taken_back_takes_no_other_with_it,
    what_stands_still_in_the_queue_keeps_no_scheduled_text_back,
];

#[tokio::test]
async fn what_waited_in_an_older_ledger_that_is_put_back_may_have_left_since() {
    let folder = tempfile::tempdir().unwrap();
    let (file, backup) = (folder.path().join("ledger.db"), folder.path().join("backup.db"));
    let store = SqliteLedger::open(&file, NOW, [1; 8]).unwrap();
    reserved(&store, intent(vec![draft(1)]), at(HOUR_MS)).await;
    reserved(&store, intent(vec![draft(2)]), ask()).await;
    store.backup(&backup).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    assert_eq!(restore(&backup, &file, &restoring(NOW.plus_ms(1))).unwrap().unknown, 2);
    let store = SqliteLedger::open(&file, NOW, [2; 8]).unwrap();
    for n in [1, 2] {
        assert_eq!(state_of(&store, &draft(n).id).await, State::Unknown, "never sent");
    }
    assert_eq!(store.release_due(due(2 * HOUR_MS), now()).await.unwrap(), Released::default());
}
