//! What the sandbox carried and what real providers carry are two sides of one ledger that know nothing of
//! each other.

use std::sync::{Arc, Mutex};

use sms_mcp::error::ErrorKind;
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::ledger::{
    Claim, Decide, Idempotency, Intent, Ledger, LookClaim, NewHandle, Payer, ProviderName, Reservation,
    Settlement, Target, VendorId,
};
use sms_mcp::sms::facts::{Facts, Limits, Scope};
use sms_mcp::sms::message::{MessageId, Realm, SessionId, State};
use sms_mcp::sms::verdict::Verdict;

use crate::contract::ledger::{
    Backend, HOLD, NOW, budget, by_budget, claim, draft, ended, intent, on_every_backend, payer, queued,
    state_of, take,
};

fn in_sandbox(intent: Intent) -> Intent {
    Intent { payer: Payer { realm: Realm::Sandbox, ..intent.payer.clone() }, ..intent }
}

fn keyed(intent: Intent) -> Intent {
    Intent { idempotency: Some(Idempotency { key: "k".into(), fingerprint: [1; 32] }), ..intent }
}

/// The facts that a live send of this draft is decided by.
async fn facts(store: &dyn Ledger, n: u32) -> Facts {
    let seen = Arc::new(Mutex::new(Facts::default()));
    let kept = Arc::clone(&seen);
    let look: Decide = Arc::new(move |_, facts| {
        *kept.lock().unwrap() = facts.clone();
        Ok(Verdict::Now)
    });
    store.reserve(Intent { preview: true, per_second: 1, ..intent(vec![draft(n)]) }, look).await.unwrap();
    seen.lock().unwrap().clone()
}

async fn what_the_sandbox_carried_never_answers_counts_or_blocks_for_a_real_provider(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, in_sandbox(keyed(intent(vec![draft(1)])))).await;
        store.settle(&draft(1).id, ended(State::Sent, Some(HOLD * 2))).await.unwrap();
        assert!(
            store.reserve(in_sandbox(intent(vec![draft(2)])), by_budget()).await.is_err(),
            "the sandbox's own budgets are frozen"
        );

        let seen = facts(&*store, 1).await;
        assert!(
            seen.budgets
                .iter()
                .all(|budget| !budget.frozen
                    && budget.held_micros + budget.spent_micros + budget.messages == 0),
            "{seen:?}"
        );
        assert_eq!(
            (seen.same_text, seen.recipient_last_hour, seen.recipient_last_day, seen.rate_wait_ms),
            (None, 0, 0, 0)
        );
        let twin = Intent {
            drafts: vec![sms_mcp::ledger::Draft { id: draft(9).id, ..draft(1) }],
            ..keyed(intent(Vec::new()))
        };
        take(&*store, twin.clone()).await;
        assert!(
            matches!(store.reserve(twin, by_budget()).await.unwrap(), Reservation::Replay(Target::Message(id)) if id == draft(9).id)
        );
        let again = store.reserve(in_sandbox(keyed(intent(vec![draft(3)]))), by_budget()).await.unwrap();
        assert!(
            matches!(again, Reservation::Replay(Target::Message(id)) if id == draft(1).id),
            "nor the other way round"
        );
        for (realm, id) in [(Realm::Live, draft(9).id), (Realm::Sandbox, draft(1).id)] {
            assert_eq!(
                store.target_of("alice", realm, "k").await.unwrap(),
                Some(Target::Message(id.clone()))
            );
            assert_eq!(store.message("alice", &id).await.unwrap().unwrap().realm, realm);
        }
        assert_eq!(budget(&*store, Scope::Total).await.held_micros, HOLD);
    }
}

async fn what_the_sandbox_had_queued_is_not_taken_by_a_real_provider_of_the_same_name(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, in_sandbox(queued(1, 2))).await;
        for per_request in [1, 50] {
            assert!(
                store
                    .claim(Claim { adopt: true, per_request, ..claim(9) })
                    .await
                    .unwrap()
                    .messages
                    .is_empty()
            );
        }
        let own = store.claim(Claim { realm: Realm::Sandbox, ..claim(1) }).await.unwrap();
        assert_eq!(own.messages.len(), 1);
        store
            .settle(&draft(1).id, Settlement { vendor_id: Some("v-1".into()), ..ended(State::Unknown, None) })
            .await
            .unwrap();
        assert!(store.hint(ProviderName("sandbox"), VendorId("v-1"), Some(&draft(1).id), NOW).await.unwrap());
        let look = |realm| LookClaim {
            provider: "sandbox".into(),
            realm,
            limit: 9,
            now: NOW.plus_ms(9_000),
            by_request: false,
            is_rated: false,
        };
        for (realm, count) in [(Realm::Live, 0), (Realm::Sandbox, 1)] {
            assert_eq!(
                store
                    .unknowns(Some(("sandbox", realm)), sms_mcp::clock::Timestamp(0), 9)
                    .await
                    .unwrap()
                    .len(),
                count,
                "{realm:?}"
            );
            assert_eq!(store.claim_looks(look(realm)).await.unwrap().len(), count, "{realm:?}");
        }
    }
}

async fn a_clock_that_was_wrong_while_the_sandbox_was_tried_stops_no_real_text(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let ahead = in_sandbox(Intent { now: NOW.plus_ms(90 * 60_000), ..intent(vec![draft(1)]) });
        take(&*store, ahead).await;
        assert_eq!(
            store.reserve(in_sandbox(intent(vec![draft(2)])), by_budget()).await.unwrap_err().kind(),
            ErrorKind::ClockUnreliable
        );
        take(&*store, intent(vec![draft(2)])).await;
    }
}

async fn who_wants_no_more_texts_gets_none_from_either_side(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        store.opt_out(&draft(1).to, true, "operator", NOW).await.unwrap();
        let asked: Decide = Arc::new(|_, facts| {
            assert!(facts.is_opted_out);
            Ok(Verdict::Now)
        });
        for intent in [intent(vec![draft(1)]), in_sandbox(intent(vec![draft(1)]))] {
            store.reserve(Intent { preview: true, ..intent }, Arc::clone(&asked)).await.unwrap();
        }
    }
}

/// A message of the third version's ledger.
struct Old {
    n: u32,
    state: State,
    provider: &'static str,
    vendor_id: Option<&'static str>,
    held: i64,
    price: Option<i64>,
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn an_older_ledger_that_holds_both_is_told_apart_by_the_sandboxs_ids_and_in_doubt_a_message_is_real() {
    let old = |n, state, provider, vendor_id, held, price| Old { n, state, provider, vendor_id, held, price };
    let messages = [
        old(1, State::Delivered, "sandbox", Some("sbx-d-1a2042e24ef-1847-1"), 0, Some(70)),
        old(2, State::Unknown, "sandbox", None, 100, None),
        old(3, State::Sent, "main", Some("sbx-n-1a2042e24ef-1847-2"), 0, Some(50)),
        old(4, State::Sent, "main", Some("7f3"), 0, Some(40)),
        old(5, State::Unknown, "main", None, 100, None),
        old(6, State::Rejected, "sandbox", None, 0, None),
        old(7, State::Unknown, "quiet", None, 100, None),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let db = rusqlite::Connection::open(&file).unwrap();
    for migration in [
        include_str!("../../../src/ledger/migrations/0001_ledger.sql"),
        include_str!("../../../src/ledger/migrations/0002_providers.sql"),
        include_str!("../../../src/ledger/migrations/0003_segments.sql"),
    ] {
        db.execute_batch(migration).unwrap();
    }
    let day = format!("day:USD:alice:{}", NOW.utc_day());
    db.execute_batch(&format!(
        "PRAGMA user_version = 3; PRAGMA application_id = {};
         INSERT INTO budget (key, scope, limit_micros, held_micros, spent_micros, messages, frozen) VALUES
             ('total:USD', 0, NULL, 300, 160, 6, 1), ('{day}', 1, 1000, 300, 160, 6, 1), \
             ('session:USD:process-1', 2, 10, 100, 70, 2, 1);
         UPDATE pace SET latest_us = 7;",
        0x736d_736d
    ))
    .unwrap();
    for Old { n, state, provider, vendor_id, held, price } in messages {
        // The first two are of the session that only the sandbox was used in.
        let budgets = if n <= 2 { "1,2,3" } else { "1,2" };
        db.execute(
            "INSERT INTO message (id, principal, recipient, keep_text, digest, encoding, segments, state, \
             provider, vendor_id, created_ms, changed_ms,
                                  held_micros, price_micros, currency, budgets, history)
             VALUES (?1, 'alice', ?2, 1, ?3, 'GSM-7', 1, ?4, ?5, ?6, ?7, ?7, ?8, ?9, 'USD', ?10, '[2,1]')",
            rusqlite::params![
                draft(n).id.as_str(),
                draft(n).to,
                draft(n).digest,
                state.number(),
                provider,
                vendor_id,
                NOW.as_millis(),
                held,
                price,
                budgets
            ],
        )
        .unwrap();
        db.execute(
            "INSERT INTO idempotency (principal, key, fingerprint, target) VALUES ('alice', ?1, ?2, ?3)",
            rusqlite::params![format!("k{n}"), [1_u8; 32], draft(n).id.as_str()],
        )
        .unwrap();
    }
    drop(db);

    let store = SqliteLedger::open(&file, NOW, [1; 8]).unwrap();
    let id = |n| -> MessageId { draft(n).id };
    for (n, realm) in [
        (1, Realm::Sandbox),
        (2, Realm::Sandbox),
        (3, Realm::Sandbox),
        (4, Realm::Live),
        (5, Realm::Live),
        (6, Realm::Sandbox),
        (7, Realm::Live),
    ] {
        assert_eq!(store.message("alice", &id(n)).await.unwrap().unwrap().realm, realm, "{n}");
        assert_eq!(
            store.target_of("alice", realm, &format!("k{n}")).await.unwrap(),
            Some(Target::Message(id(n))),
            "{n}"
        );
    }
    let budgets = store.budgets(payer(), NOW).await.unwrap();
    let held: Vec<(i64, i64, i64, bool)> = budgets
        .iter()
        .map(|budget| (budget.held_micros, budget.spent_micros, budget.messages, budget.frozen))
        .collect();
    assert_eq!(
        held,
        [(200, 40, 3, true), (200, 40, 3, true), (0, 0, 0, false)],
        "frozen where a real text may have done it"
    );
    // What the sandbox still owed changes no budget any more.
    store.settle(&id(2), ended(State::Sent, Some(900))).await.unwrap();
    assert_eq!(state_of(&store, &id(2)).await, State::Sent);
    assert_eq!(store.budgets(payer(), NOW).await.unwrap(), budgets);
    drop(store);
    drop(SqliteLedger::open(&file, NOW, [2; 8]).unwrap());
}

async fn handles_that_were_opened_in_the_sandbox_leave_room_for_real_ones(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let handle = |name: String| NewHandle {
            id: SessionId::from_text(name),
            label: None,
            limits: Limits::default(),
        };
        let sandbox = Payer { realm: Realm::Sandbox, ..payer() };
        let mut opened = 0;
        let full = loop {
            match store.open_session(sandbox.clone(), handle(format!("ses_{opened}")), NOW).await {
                Ok(_) => opened += 1,
                Err(full) => break full,
            }
        };
        assert_eq!((full.kind(), opened), (ErrorKind::RateLimited, 1_000));
        store.open_session(payer(), handle("ses_real".into()), NOW).await.unwrap();
    }
}

on_every_backend! {
    what_the_sandbox_carried_never_answers_counts_or_blocks_for_a_real_provider,
    what_the_sandbox_had_queued_is_not_taken_by_a_real_provider_of_the_same_name,
    a_clock_that_was_wrong_while_the_sandbox_was_tried_stops_no_real_text,
    who_wants_no_more_texts_gets_none_from_either_side,
    handles_that_were_opened_in_the_sandbox_leave_room_for_real_ones,
}
