//! What every ledger must do with messages whose segments went out as requests of their own.

use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::ledger::{
    Claim, E164, Idempotency, Intent, Ledger, LookClaim, ProviderName, ReplyPage, Report, Reservation,
    Segment, Settlement, Target, VendorId,
};
use sms_mcp::sms::facts::Scope;
use sms_mcp::sms::message::{Realm, State};
use sms_mcp::sms::verdict::Verdict;

use super::ledger::{
    Backend, HOLD, NOW, budget, by_budget, claim, draft, ended, intent, on_every_backend, state_of, take,
};

fn part(number: u32, state: State) -> Segment {
    let vendor_id = (state == State::Sent).then(|| format!("s-{number}"));
    Segment {
        number,
        state,
        vendor_id,
        at: NOW.plus_ms(5),
        why: (state == State::Rejected).then(|| "full".to_owned()),
    }
}

/// A settlement of segments in these states, in order.
fn parted(states: &[State]) -> Settlement {
    let parts: Vec<Segment> = (1..).zip(states).map(|(number, state)| part(number, *state)).collect();
    let (state, code) = if states.contains(&State::Unknown) {
        (State::Unknown, Some(ErrorKind::OutcomeUnknown))
    } else if states.contains(&State::Rejected) {
        (State::Failed, Some(ErrorKind::PartlySent))
    } else {
        (State::Sent, None)
    };
    let vendor_id = parts.iter().find_map(|part| part.vendor_id.clone());
    Settlement { parts, vendor_id, code, ..ended(state, None) }
}

fn about(vendor_id: &str, state: State) -> Report {
    let (provider, vendor_id) = ("sandbox".into(), vendor_id.into());
    Report {
        provider,
        vendor_id,
        to: None,
        state,
        at: NOW.plus_ms(9),
        why: (state == State::Failed).then(|| "off".into()),
        price_micros: None,
    }
}

async fn states(store: &dyn Ledger, n: u32) -> Vec<State> {
    store.segments("alice", &draft(n).id).await.unwrap().into_iter().map(|segment| segment.state).collect()
}

/// Held and spent of the day.
async fn money(store: &dyn Ledger) -> (i64, i64) {
    let day = budget(store, Scope::Day).await;
    (day.held_micros, day.spent_micros)
}

async fn each_outcome_of_segments_has_its_state_and_its_money(backend: Backend) {
    use State::{Failed, Rejected, Sent, Unknown};
    let table: [(&[State], State, (i64, i64)); 5] = [
        (&[Sent, Sent], Sent, (0, HOLD)),
        (&[Sent, Sent, Rejected], Failed, (0, 67)),
        (&[Rejected, Sent], Failed, (0, 50)),
        (&[Sent, Unknown, Sent], Unknown, (HOLD, 0)),
        (&[Unknown, Rejected], Unknown, (HOLD, 0)),
    ];
    for (outcome, state, expected) in table {
        for place in backend.places() {
            let store = place.open();
            take(&*store, intent(vec![draft(1)])).await;
            let budgets = store.settle(&draft(1).id, parted(outcome)).await.unwrap();
            assert!(
                budgets.iter().all(|budget| (budget.held_micros, budget.spent_micros) == expected),
                "{outcome:?}: {budgets:?}"
            );
            assert_eq!(money(&*store).await, expected, "{outcome:?}");
            let record = store.message("alice", &draft(1).id).await.unwrap().unwrap();
            assert_eq!(
                (record.state, record.held_micros, record.is_parted),
                (state, expected.0, true),
                "{outcome:?}"
            );
            assert_eq!(states(&*store, 1).await, outcome);
            store.close().await.unwrap();
            let found = place.open().segments("alice", &draft(1).id).await.unwrap();
            assert_eq!(found, parted(outcome).parts, "also for the next process");
        }
    }
}

async fn a_message_moves_when_its_segments_do_in_whatever_order_they_are_reported(backend: Backend) {
    use State::{Delivered, Expired, Failed, Sent, Unknown};
    type Case = (&'static [State], &'static [(u32, State)], State, usize);
    let table: [Case; 7] = [
        (&[Sent, Sent], &[(1, Delivered)], Sent, 0),
        (&[Sent, Sent], &[(2, Delivered), (1, Delivered)], Delivered, 1),
        (&[Sent, Sent], &[(2, Delivered), (2, Delivered), (2, Failed), (1, Sent)], Sent, 0),
        (&[Sent, Sent, Sent], &[(3, Failed), (1, Delivered), (2, Expired)], Failed, 1),
        (&[Sent, Sent], &[(1, Expired), (2, Delivered)], Expired, 1),
        (&[Sent, Unknown], &[(1, Delivered)], Unknown, 0),
        (&[Sent, Unknown], &[(1, Failed)], Failed, 1),
    ];
    for (outcome, reports, expected, moves) in table {
        for early in [false, true] {
            for place in backend.places() {
                let store = place.open();
                take(&*store, intent(vec![draft(1)])).await;
                let mut changed = 0;
                if !early {
                    store.settle(&draft(1).id, parted(outcome)).await.unwrap();
                }
                for (number, state) in reports {
                    changed +=
                        store.record_receipt(about(&format!("s-{number}"), *state), NOW).await.unwrap().len();
                }
                if early {
                    assert_eq!(changed, 0);
                    store.settle(&draft(1).id, parted(outcome)).await.unwrap();
                } else {
                    assert_eq!(changed, moves, "{outcome:?} {reports:?}");
                }
                // Early ones are applied in the order of states, so that the same segment's later failure may
                // lose.
                assert_eq!(
                    state_of(&*store, &draft(1).id).await,
                    expected,
                    "{outcome:?} {reports:?} early: {early}"
                );
                for (number, state) in reports {
                    assert!(
                        store
                            .record_receipt(about(&format!("s-{number}"), *state), NOW)
                            .await
                            .unwrap()
                            .is_empty(),
                        "again"
                    );
                }
                let held = if expected == Unknown { HOLD } else { 0 };
                assert_eq!(money(&*store).await, (held, HOLD - held), "{outcome:?} {reports:?}");
            }
        }
    }
}

async fn what_became_of_the_rest_of_a_partly_sent_message_is_kept_and_changes_neither_state_nor_money(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        store.settle(&draft(1).id, parted(&[State::Sent, State::Rejected, State::Sent])).await.unwrap();
        assert!(store.record_receipt(about("s-1", State::Delivered), NOW).await.unwrap().is_empty());
        assert!(store.record_receipt(about("s-3", State::Failed), NOW).await.unwrap().is_empty());
        assert_eq!(states(&*store, 1).await, [State::Delivered, State::Rejected, State::Failed]);
        let record = store.message("alice", &draft(1).id).await.unwrap().unwrap();
        assert_eq!(
            (record.state, record.code, record.vendor_id.as_deref()),
            (State::Failed, Some(ErrorKind::PartlySent), Some("s-1"))
        );
        assert_eq!(money(&*store).await, (0, 67));
        let reason = store
            .segments("alice", &draft(1).id)
            .await
            .unwrap()
            .into_iter()
            .map(|segment| segment.why)
            .collect::<Vec<_>>();
        assert_eq!(reason, [None, Some("full".into()), Some("off".into())]);
    }
}

async fn a_failure_names_its_segment(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        store.settle(&draft(1).id, parted(&[State::Sent, State::Sent, State::Sent])).await.unwrap();
        store.record_receipt(about("s-2", State::Failed), NOW).await.unwrap();
        let last =
            crate::support::whole(&*store, &draft(1).id, ReplyPage::default()).await.history.pop().unwrap();
        assert_eq!((last.state, last.why.as_deref()), (State::Failed, Some("segment 2 of 3: off")));
    }
}

async fn segments_with_the_same_ids_are_told_apart_by_their_recipients(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in [1, 2] {
            take(&*store, intent(vec![draft(n)])).await;
            store.settle(&draft(n).id, parted(&[State::Sent, State::Sent])).await.unwrap();
        }
        for id in ["s-1", "s-2"] {
            let report = Report { to: Some(draft(2).to), ..about(id, State::Delivered) };
            store.record_receipt(report, NOW).await.unwrap();
        }
        assert_eq!(
            (state_of(&*store, &draft(1).id).await, state_of(&*store, &draft(2).id).await),
            (State::Sent, State::Delivered)
        );
        let stranger = Report { provider: "other".into(), ..about("s-1", State::Failed) };
        assert!(store.record_receipt(stranger, NOW).await.unwrap().is_empty(), "another provider's id");
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Sent);
    }
}

async fn the_answer_of_an_attempt_that_was_given_up_still_names_its_segments(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        store.recover(NOW.plus_ms(10), Some(NOW.plus_ms(10))).await.unwrap();
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Unknown);
        store.settle(&draft(1).id, parted(&[State::Sent, State::Unknown])).await.unwrap();
        assert_eq!(states(&*store, 1).await, [State::Sent, State::Unknown]);
        assert_eq!(money(&*store).await, (HOLD, 0));
        // The operator looked: the lost one was not sent.
        store.settle(&draft(1).id, parted(&[State::Sent, State::Rejected])).await.unwrap();
        assert_eq!(
            (state_of(&*store, &draft(1).id).await, money(&*store).await),
            (State::Failed, (0, HOLD / 2))
        );
        assert_eq!(states(&*store, 1).await, [State::Sent, State::Rejected]);
    }
}

async fn of_two_answers_for_one_segment_the_first_counts_and_the_other_takes_no_report_with_it(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        store.settle(&draft(1).id, parted(&[State::Unknown, State::Unknown])).await.unwrap();
        store.record_receipt(about("b", State::Delivered), NOW).await.unwrap();
        let named = |states: &[State], ids: &[&str]| {
            let mut settlement = parted(states);
            for (part, id) in settlement.parts.iter_mut().zip(ids) {
                part.vendor_id = Some((*id).to_owned());
            }
            settlement
        };
        // Two processes have each seen the first segment without an id.
        for id in ["a", "b"] {
            let settlement = named(&[State::Sent, State::Unknown], &[id]);
            store.settle(&draft(1).id, settlement).await.unwrap();
        }
        assert_eq!(states(&*store, 1).await, [State::Sent, State::Unknown]);
        store.settle(&draft(1).id, named(&[State::Sent, State::Sent], &["a", "b"])).await.unwrap();
        assert_eq!(states(&*store, 1).await, [State::Sent, State::Delivered], "its report was kept for it");
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Sent);
    }
}

async fn the_key_of_a_partly_sent_message_stays_taken(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let keyed = |n| Intent {
            idempotency: Some(Idempotency { key: "k".into(), fingerprint: [1; 32] }),
            ..intent(vec![draft(n)])
        };
        take(&*store, keyed(1)).await;
        store.settle(&draft(1).id, parted(&[State::Sent, State::Rejected])).await.unwrap();
        let again = store.reserve(keyed(2), by_budget()).await.unwrap();
        assert!(matches!(again, Reservation::Replay(Target::Message(id)) if id == draft(1).id));
    }
}

async fn a_message_of_segments_is_looked_up_and_known_by_each_of_its_ids(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        let settlement = Settlement { look_at: Some(NOW), ..parted(&[State::Sent, State::Sent]) };
        store.settle(&draft(1).id, settlement).await.unwrap();
        let look = LookClaim {
            provider: "sandbox".into(),
            realm: Realm::Live,
            limit: 9,
            now: NOW.plus_ms(6),
            by_request: false,
            is_rated: false,
        };
        let due = store.claim_looks(look).await.unwrap();
        assert!(due.len() == 1 && due[0].is_parted);
        for (id, is_known) in [("s-1", true), ("s-2", true), ("s-3", false)] {
            assert_eq!(
                store.has_vendor_id(ProviderName("sandbox"), VendorId(id), E164(&draft(1).to)).await.unwrap(),
                is_known,
                "{id}"
            );
        }
    }
}

#[tokio::test]
async fn a_ledger_of_the_second_version_is_brought_up_to_date_with_everything_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let old = rusqlite::Connection::open(&file).unwrap();
    old.execute_batch(include_str!("../../../src/ledger/migrations/0001_ledger.sql")).unwrap();
    old.execute_batch(include_str!("../../../src/ledger/migrations/0002_providers.sql")).unwrap();
    old.execute_batch(&format!(
        "PRAGMA user_version = 2; PRAGMA application_id = {};
         INSERT INTO budget (key, scope, held_micros, messages) VALUES ('total:USD', 0, 200, 2);
         INSERT INTO message (id, principal, recipient, text, keep_text, digest, encoding, segments, state, \
         provider, vendor_id, created_ms, changed_ms,
                              held_micros, currency, budgets, owner, history)
         VALUES ('{queued}', 'alice', '+33199000001', 'text 1', 1, x'{zeros}', 'GSM-7', 2, 1, 'sandbox', \
         NULL, {now}, {now}, 100, 'USD', '1', NULL, '[1,{now}]'),
                ('{sent}', 'alice', '+33199000002', 'text 2', 1, x'{zeros}', 'GSM-7', 2, 3, 'sandbox', \
         'v-2', {now}, {now}, 0, 'USD', '1', NULL, '[2,{now}],[3,{now}]');
         INSERT INTO early_receipt (vendor_id, provider, state, at_ms, received_ms) VALUES ('s-1', \
         'sandbox', 4, {now}, {now});",
        0x736d_736d,
        queued = draft(1).id,
        sent = draft(2).id,
        zeros = "00".repeat(16),
        now = NOW.as_millis(),
    ))
    .unwrap();
    drop(old);
    for opened in [1, 2] {
        drop(SqliteLedger::open(&file, NOW, [opened; 8]).unwrap());
    }
    let store = SqliteLedger::open(&file, Timestamp(NOW.as_millis()), [3; 8]).unwrap();
    assert_eq!(store.record_receipt(about("v-2", State::Delivered), NOW).await.unwrap(), [draft(2).id]);
    assert_eq!(store.claim(Claim { adopt: true, ..claim(9) }).await.unwrap().messages.len(), 1);
    store.settle(&draft(1).id, parted(&[State::Sent, State::Sent])).await.unwrap();
    assert_eq!(states(&store, 1).await, [State::Delivered, State::Sent], "the early receipt was kept");
    assert!(store.segments("alice", &draft(2).id).await.unwrap().is_empty());
    take(&store, intent(vec![draft(3)])).await;
}

#[tokio::test]
async fn a_message_in_doubt_of_an_older_version_is_known_again_by_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let old = rusqlite::Connection::open(&file).unwrap();
    for migration in [
        include_str!("../../../src/ledger/migrations/0001_ledger.sql"),
        include_str!("../../../src/ledger/migrations/0002_providers.sql"),
        include_str!("../../../src/ledger/migrations/0003_segments.sql"),
    ] {
        old.execute_batch(migration).unwrap();
    }
    old.execute_batch(&format!(
        "PRAGMA user_version = 3; PRAGMA application_id = {};
         INSERT INTO message (id, principal, recipient, text, keep_text, digest, encoding, segments, state, \
         provider, created_ms, changed_ms,
                              held_micros, currency, budgets, history)
         VALUES ('msg_old', 'alice', '{to}', 'Your parcel is here', 1, x'{zeros}', 'GSM-7', 1, 9, \
         'sandbox', {now}, {now}, 100, 'USD', '', '[2,{now}]');",
        0x736d_736d,
        to = draft(1).to,
        zeros = "00".repeat(16),
        now = NOW.as_millis(),
    ))
    .unwrap();
    drop(old);
    let store = SqliteLedger::open(&file, NOW, [3; 8]).unwrap();
    let facts_of = async |text: &str| {
        let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
        let notes = std::sync::Arc::clone(&seen);
        let look: sms_mcp::ledger::Decide = std::sync::Arc::new(move |_, facts| {
            *notes.lock().unwrap() = Some((facts.same_in_doubt.clone(), facts.other_in_doubt.clone()));
            Ok(Verdict::Now)
        });
        let asked = sms_mcp::ledger::Draft {
            text: text.into(),
            folded: sms_mcp::sms::fold::digest(text),
            ..draft(1)
        };
        store
            .reserve(Intent { preview: true, now: NOW.plus_ms(90_000_000), ..intent(vec![asked]) }, look)
            .await
            .unwrap();
        seen.lock().unwrap().take().unwrap()
    };
    let (same, other) = facts_of("YOUR PARCEL is here!").await;
    assert_eq!((same.map(|earlier| earlier.id.to_string()), other), (Some("msg_old".to_owned()), None));
    let (same, other) = facts_of("Your parcel is lost").await;
    assert_eq!((same, other.map(|earlier| earlier.age_ms)), (None, Some(90_000_000)));
}

/// The settlement of a message, or of one of two segments, with these ids.
fn named(ids: &[&str], at: i64) -> Settlement {
    let at = NOW.plus_ms(at);
    let vendor_id = Some(ids[0].to_owned());
    let part = |(number, id): (u32, &&str)| Segment {
        number,
        state: State::Sent,
        vendor_id: Some((*id).to_owned()),
        at,
        why: None,
    };
    let parts = if ids.len() > 1 { (1..).zip(ids).map(part).collect() } else { Vec::new() };
    Settlement { at, vendor_id, parts, ..ended(State::Sent, None) }
}

async fn where_a_carrier_begins_its_ids_anew_a_report_speaks_of_the_last_that_got_the_id(backend: Backend) {
    let both: [&[&str]; 2] = [&["7"], &["7", "8"]];
    for (old, new) in both.iter().flat_map(|old| both.iter().map(move |new| (old, new))) {
        for place in backend.places() {
            let store = place.open();
            // Queued early and sent late, and the other way round.
            take(&*store, intent(vec![draft(1)])).await;
            take(&*store, intent(vec![draft(2)])).await;
            store.settle(&draft(2).id, named(old, 5)).await.unwrap();
            store.settle(&draft(1).id, named(new, 6)).await.unwrap();
            for id in *new {
                store.record_receipt(about(id, State::Delivered), NOW).await.unwrap();
            }
            let states = (state_of(&*store, &draft(2).id).await, state_of(&*store, &draft(1).id).await);
            assert_eq!(states, (State::Sent, State::Delivered), "{old:?} {new:?}");
        }
    }
}

async fn a_report_that_is_faster_than_its_answer_is_kept_also_where_an_earlier_message_had_its_id(
    backend: Backend,
) {
    for ids in [&["7"][..], &["7", "8"]] {
        for place in backend.places() {
            let store = place.open();
            take(&*store, intent(vec![draft(1)])).await;
            store.settle(&draft(1).id, named(ids, 5)).await.unwrap();
            for id in ids {
                store.record_receipt(about(id, State::Delivered), NOW).await.unwrap();
            }
            // The carrier starts again, and so do its ids.
            take(&*store, intent(vec![draft(2)])).await;
            for id in ids {
                assert!(store.record_receipt(about(id, State::Failed), NOW).await.unwrap().is_empty());
            }
            store.settle(&draft(2).id, named(ids, 9)).await.unwrap();
            let states = (state_of(&*store, &draft(1).id).await, state_of(&*store, &draft(2).id).await);
            assert_eq!(states, (State::Delivered, State::Failed), "{ids:?}");
        }
    }
}

async fn a_report_from_before_a_message_is_not_about_it(backend: Backend) {
    for ids in [&["7"][..], &["7", "8"]] {
        for place in backend.places() {
            let store = place.open();
            // Of a message whose answer never came.
            for id in ids {
                store.record_receipt(about(id, State::Failed), NOW.plus_ms(-3_600_000)).await.unwrap();
            }
            take(&*store, intent(vec![draft(1)])).await;
            store.settle(&draft(1).id, named(ids, 5)).await.unwrap();
            assert_eq!(state_of(&*store, &draft(1).id).await, State::Sent, "{ids:?}");
            // Told once more, it is about the one that has the id now.
            for id in ids {
                store.record_receipt(about(id, State::Failed), NOW.plus_ms(-3_600_000)).await.unwrap();
            }
            assert_eq!(state_of(&*store, &draft(1).id).await, State::Failed, "{ids:?}");
        }
    }
}

async fn a_report_that_came_early_twice_counts_from_the_second_time(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        store.record_receipt(about("7", State::Failed), NOW.plus_ms(-3_600_000)).await.unwrap();
        take(&*store, intent(vec![draft(1)])).await;
        store.record_receipt(about("7", State::Failed), NOW).await.unwrap();
        store.settle(&draft(1).id, named(&["7"], 5)).await.unwrap();
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Failed);
    }
}

async fn segments_that_share_one_id_move_together_and_are_charged_once(backend: Backend) {
    for early in [false, true] {
        for (reported, expected) in [(State::Delivered, State::Delivered), (State::Failed, State::Failed)] {
            for place in backend.places() {
                let store = place.open();
                take(&*store, intent(vec![draft(1)])).await;
                if early {
                    store.record_receipt(about("7", reported), NOW).await.unwrap();
                }
                store.settle(&draft(1).id, named(&["7", "7"], 5)).await.unwrap();
                if !early {
                    assert_eq!(store.record_receipt(about("7", reported), NOW).await.unwrap(), [draft(1).id]);
                }
                assert_eq!(state_of(&*store, &draft(1).id).await, expected, "early: {early}");
                assert_eq!(states(&*store, 1).await, [reported, reported], "early: {early}");
                assert_eq!(money(&*store).await, (0, HOLD));
            }
        }
    }
}

on_every_backend! {
    each_outcome_of_segments_has_its_state_and_its_money,
    a_message_moves_when_its_segments_do_in_whatever_order_they_are_reported,
    what_became_of_the_rest_of_a_partly_sent_message_is_kept_and_changes_neither_state_nor_money,
    a_failure_names_its_segment,
    segments_with_the_same_ids_are_told_apart_by_their_recipients,
    the_answer_of_an_attempt_that_was_given_up_still_names_its_segments,
    of_two_answers_for_one_segment_the_first_counts_and_the_other_takes_no_report_with_it,
    the_key_of_a_partly_sent_message_stays_taken,
    a_message_of_segments_is_looked_up_and_known_by_each_of_its_ids,
    where_a_carrier_begins_its_ids_anew_a_report_speaks_of_the_last_that_got_the_id,
    a_report_that_is_faster_than_its_answer_is_kept_also_where_an_earlier_message_had_its_id,
    a_report_from_before_a_message_is_not_about_it,
    a_report_that_came_early_twice_counts_from_the_second_time,
    segments_that_share_one_id_move_together_and_are_charged_once,
}
