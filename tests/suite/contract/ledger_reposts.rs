//! Requests that may be posted once more: who may post one, when, and that it is one process, once.

use std::sync::{Arc, Mutex};

use sms_mcp::clock::Timestamp;
use sms_mcp::error::{Error, ErrorKind};
use sms_mcp::ledger::reposts::Repostable;
use sms_mcp::ledger::{Back, Decide, Due, Intent, Ledger, Recheck};
use sms_mcp::sms::facts::Facts;
use sms_mcp::sms::message::{MessageId, Realm, State};
use sms_mcp::sms::schedule::Schedule;
use sms_mcp::sms::verdict::Verdict;

use super::ledger::{Backend, NOW, claim, draft, ended, intent, on_every_backend, queued, state_of, take};
use super::ledger_scheduled::due_at;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// By which request it left, as far as the ledger is to know.
const REQUEST: [u8; 32] = [7; 32];

fn due(now: Timestamp) -> Due {
    due_at(now, HOUR_MS)
}

fn says(verdict: impl Fn() -> Result<Verdict, Error> + Send + Sync + 'static) -> Recheck {
    Arc::new(move |_, _| verdict())
}

fn yes() -> Recheck {
    says(|| Ok(Verdict::Now))
}

/// One that left by [`REQUEST`], and whose answer is lost.
async fn lost(store: &dyn Ledger, intent: Intent) -> MessageId {
    let id = intent.drafts[0].id.clone();
    take(store, intent).await;
    store.note_request(&id, "sandbox", REQUEST, NOW).await.unwrap();
    store.settle(&id, ended(State::Unknown, None)).await.unwrap();
    id
}

async fn found(store: &dyn Ledger, after_ms: i64) -> Vec<Repostable> {
    store.repostable("sandbox", Realm::Live, NOW.plus_ms(after_ms)).await.unwrap()
}

/// Whether it is taken to be posted again, by what was found before.
async fn claimed(store: &dyn Ledger, sought: &Repostable, after_ms: i64, recheck: Recheck) -> bool {
    store.claim_repost(sought.clone(), due(NOW.plus_ms(after_ms)), recheck).await.unwrap()
}

async fn what_was_lost_is_posted_again_by_one_process_once_and_in_its_time_alone(backend: Backend) {
    for place in backend.places() {
        let (one, other) = (place.open(), place.open());
        let id = lost(&*one, intent(vec![draft(1)])).await;
        // It was lost 5 ms after it left.
        for (after_ms, expected) in [
            (0, 0),
            (2 * MINUTE_MS, 0),
            (2 * MINUTE_MS + 5, 1),
            (20 * HOUR_MS, 1),
            (20 * HOUR_MS + 1, 0),
            (-HOUR_MS, 0),
        ] {
            assert_eq!(found(&*one, after_ms).await.len(), expected, "{after_ms}");
        }
        let sought = found(&*one, HOUR_MS).await.remove(0);
        assert_eq!((&sought.message.id, sought.digest), (&id, REQUEST));
        assert_eq!(sought.message.text.as_deref(), Some("text 1"));
        for after_ms in [MINUTE_MS, 20 * HOUR_MS + 1] {
            assert!(!claimed(&*one, &sought, after_ms, yes()).await, "{after_ms}");
        }
        let claims = (0..20).map(|n| {
            let store = if n % 2 == 0 { &one } else { &other };
            claimed(&**store, &sought, HOUR_MS, yes())
        });
        let taken = futures::future::join_all(claims).await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
        // Whatever became of it, and after a restart too.
        drop((one, other));
        let next = place.open();
        assert!(found(&*next, 2 * HOUR_MS).await.is_empty());
        assert!(!claimed(&*next, &sought, 2 * HOUR_MS, yes()).await);
        assert_eq!(state_of(&*next, &id).await, State::Unknown);
        next.settle(&id, ended(State::Sent, Some(70))).await.unwrap();
        assert_eq!(state_of(&*next, &id).await, State::Sent);
    }
}

async fn what_keeps_a_text_from_leaving_keeps_it_from_being_posted_again(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let said: Arc<Mutex<Vec<Facts>>> = Arc::default();
        let heard = Arc::clone(&said);
        let listens: Recheck = Arc::new(move |_, facts| {
            heard.lock().unwrap().push(facts.clone());
            Err(Error::new(ErrorKind::OptedOut, "no"))
        });
        let first = lost(&*store, intent(vec![draft(1)])).await;
        let sought = found(&*store, HOUR_MS).await.remove(0);
        // What the policy says is asked for with the facts of this moment, without what it holds itself.
        store.opt_out(&draft(1).to, true, "operator", NOW).await.unwrap();
        assert!(!claimed(&*store, &sought, HOUR_MS, listens).await);
        let facts = said.lock().unwrap().remove(0);
        assert!(
            facts.is_opted_out && facts.budgets.iter().all(|budget| budget.held_micros == 0),
            "{facts:?}"
        );
        let at = || {
            let at_ms = NOW.plus_ms(2 * HOUR_MS).as_millis();
            Ok(Verdict::At { at_ms, by_ms: None, why: "it is night there".into() })
        };
        let over = || Ok(Verdict::Until { by_ms: NOW.plus_ms(HOUR_MS - 1).as_millis() });
        let ask = || Ok(Verdict::Ask { schedule: Schedule::default(), why: "who is that?".into() });
        for recheck in [says(at), says(over), says(ask)] {
            assert!(!claimed(&*store, &sought, HOUR_MS, recheck).await);
        }
        // By another request than by which it left.
        let other = Repostable { digest: [8; 32], ..sought.clone() };
        assert!(!claimed(&*store, &other, HOUR_MS, yes()).await);
        for place in [
            Due { provider: "other".into(), ..due(NOW.plus_ms(HOUR_MS)) },
            Due { realm: Realm::Sandbox, ..due(NOW.plus_ms(HOUR_MS)) },
        ] {
            assert!(!store.claim_repost(sought.clone(), place, yes()).await.unwrap());
        }
        // It is still there to be taken.
        assert!(claimed(&*store, &sought, HOUR_MS, yes()).await);
        assert_eq!(store.reposted(&first, NOW.plus_ms(HOUR_MS)).await.unwrap(), Some(NOW.plus_ms(HOUR_MS)));
    }
}

async fn nothing_is_posted_again_of_what_is_late_known_or_not_kept(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        // Late: it was to be there by then.
        let by_ms = NOW.plus_ms(HOUR_MS).as_millis();
        let until: Decide = Arc::new(move |_, _| Ok(Verdict::Until { by_ms }));
        store.reserve(intent(vec![draft(1)]), until).await.unwrap();
        store.note_request(&draft(1).id, "sandbox", REQUEST, NOW).await.unwrap();
        store.settle(&draft(1).id, ended(State::Unknown, None)).await.unwrap();
        let sought = found(&*store, HOUR_MS).await.remove(0);
        assert!(!claimed(&*store, &sought, HOUR_MS + 1, yes()).await);
        assert!(claimed(&*store, &sought, HOUR_MS, yes()).await);
        // Settled since.
        let id = lost(&*store, intent(vec![draft(2)])).await;
        let sought = found(&*store, HOUR_MS).await.remove(0);
        store.settle(&id, ended(State::Sent, None)).await.unwrap();
        assert!(!claimed(&*store, &sought, HOUR_MS, yes()).await);
        // The vendor's id is known, by which it can be asked for; the text is not kept.
        take(&*store, intent(vec![draft(3)])).await;
        store.note_request(&draft(3).id, "sandbox", REQUEST, NOW).await.unwrap();
        let named =
            sms_mcp::ledger::Settlement { vendor_id: Some("v-3".into()), ..ended(State::Unknown, None) };
        store.settle(&draft(3).id, named).await.unwrap();
        lost(&*store, Intent { keep_texts: false, ..intent(vec![draft(4)]) }).await;
        assert!(found(&*store, HOUR_MS).await.is_empty());
    }
}

async fn what_left_by_another_request_or_was_taken_back_is_not_posted_again(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        // Nobody noted by which request it left, or it left at another provider in the end.
        take(&*store, intent(vec![draft(5)])).await;
        store.settle(&draft(5).id, ended(State::Unknown, None)).await.unwrap();
        take(&*store, intent(vec![draft(6)])).await;
        store.note_request(&draft(6).id, "sandbox", REQUEST, NOW).await.unwrap();
        store.hand_on(&draft(6).id, "sandbox").await.unwrap();
        store.settle(&draft(6).id, ended(State::Unknown, None)).await.unwrap();
        assert!(found(&*store, HOUR_MS).await.is_empty());
        // A bulk: what came back to the queue leaves by another request, and what was taken back by none.
        take(&*store, queued(10, 2)).await;
        for claimed in store.claim(claim(2)).await.unwrap().messages {
            store.note_request(&claimed.id, "sandbox", REQUEST, NOW).await.unwrap();
        }
        store.unclaim(vec![Back { id: draft(10).id, rests_until: None }]).await.unwrap();
        store.claim(claim(2)).await.unwrap();
        store.settle(&draft(10).id, ended(State::Unknown, None)).await.unwrap();
        store.settle(&draft(11).id, ended(State::Unknown, None)).await.unwrap();
        let sought = found(&*store, HOUR_MS).await;
        assert_eq!(sought.iter().map(|one| &one.message.id).collect::<Vec<_>>(), [&draft(11).id]);
        let bulk = sought[0].message.batch.clone().unwrap();
        store.cancel("alice", &bulk, NOW).await.unwrap();
        assert!(found(&*store, HOUR_MS).await.is_empty());
        assert!(!claimed(&*store, &sought[0], HOUR_MS, yes()).await);
    }
}

async fn nobody_says_that_it_was_not_sent_while_its_answer_may_come(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let id = lost(&*store, intent(vec![draft(1)])).await;
        let sought = found(&*store, HOUR_MS).await.remove(0);
        assert!(claimed(&*store, &sought, HOUR_MS, yes()).await);
        let no = |after_ms| sms_mcp::ledger::Settlement {
            at: NOW.plus_ms(after_ms),
            ..ended(State::Rejected, None)
        };
        for after_ms in [HOUR_MS, HOUR_MS + 14 * MINUTE_MS] {
            store.settle(&id, no(after_ms)).await.unwrap();
            assert_eq!(state_of(&*store, &id).await, State::Unknown, "{after_ms}");
            assert!(store.reposted(&id, NOW.plus_ms(after_ms)).await.unwrap().is_some());
        }
        let later = HOUR_MS + 16 * MINUTE_MS;
        assert_eq!(store.reposted(&id, NOW.plus_ms(later)).await.unwrap(), None);
        store.settle(&id, no(later)).await.unwrap();
        assert_eq!(state_of(&*store, &id).await, State::Rejected);
    }
}

on_every_backend!(
    what_was_lost_is_posted_again_by_one_process_once_and_in_its_time_alone,
    what_keeps_a_text_from_leaving_keeps_it_from_being_posted_again,
    nothing_is_posted_again_of_what_is_late_known_or_not_kept,
    what_left_by_another_request_or_was_taken_back_is_not_posted_again,
    nobody_says_that_it_was_not_sent_while_its_answer_may_come,
);
