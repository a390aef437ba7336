//! What every ledger may forget, and what it must not.

use std::sync::Arc;

use sms_mcp::clock::Timestamp;
use sms_mcp::ledger::upkeep::{KNOWN_ID_MS, PrunePlace, Pruned};
use sms_mcp::ledger::{
    Act, BaseSession, Claim, Draft, E164, Filter, Idempotency, Intent, Ledger, NewHandle, NewReply, Payer,
    ProviderName, Report, Reservation, Settlement, VendorId,
};
use sms_mcp::sms::caller_id::Known;
use sms_mcp::sms::facts::{BudgetKey, Limits, Scope};
use sms_mcp::sms::message::{Realm, SessionId, State};

use super::ledger::{
    Backend, NOW, by_budget, claim, draft, ended, intent, on_every_backend, payer, queued, take,
};

const DAY_MS: i64 = 86_400_000;

/// So many days after everything.
fn day(days: i64) -> Timestamp {
    NOW.plus_ms(days * DAY_MS)
}

/// An intent whose limits are out of the way.
fn wide(intent: Intent) -> Intent {
    let payer = Payer { day: Limits::default(), session: Limits::default(), ..intent.payer.clone() };
    Intent { payer, per_second: 1_000_000, ..intent }
}

fn sent(n: u32) -> Settlement {
    Settlement { vendor_id: Some(format!("v-{n}")), ..ended(State::Sent, Some(70)) }
}

/// A message that is over since then.
async fn over(store: &dyn Ledger, n: u32, at: Timestamp) {
    take(store, wide(Intent { now: at, ..intent(vec![draft(n)]) })).await;
    store.settle(&draft(n).id, Settlement { at, ..sent(n) }).await.unwrap();
}

/// Forgets all that is older than 30 days at this moment, in steps of two.
async fn prune(store: &dyn Ledger, now: Timestamp) -> Pruned {
    let (mut gone, mut place) = (Pruned::default(), Some(PrunePlace::default()));
    while let Some(from) = place {
        let step = store.prune(now.plus_ms(-30 * DAY_MS), now, from, 2).await.unwrap();
        (gone, place) = (gone.and(step.gone), step.next);
    }
    gone
}

async fn has(store: &dyn Ledger, n: u32) -> bool {
    store.message("alice", &draft(n).id).await.unwrap().is_some()
}

async fn known(store: &dyn Ledger, n: u32, since: Timestamp) -> Vec<Known> {
    store.known(vec![draft(n).to.split_at(6).1.to_owned()], Realm::Live, since).await.unwrap()
}

async fn what_is_over_is_forgotten_and_what_is_open_stays_and_no_money_changes(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        over(&*store, 1, NOW).await;
        for (n, state) in [(2, State::Rejected), (3, State::Unknown), (4, State::Held)] {
            take(&*store, wide(intent(vec![draft(n)]))).await;
            store.settle(&draft(n).id, ended(state, None)).await.unwrap();
        }
        take(&*store, wide(intent(vec![draft(5)]))).await;
        take(&*store, wide(queued(6, 1))).await;
        over(&*store, 7, day(39)).await;
        let (all, unknown) =
            (store.all_budgets().await.unwrap(), store.unknowns(None, Timestamp(0), 9).await.unwrap());
        assert_eq!(prune(&*store, day(40)).await.messages, 2);
        for (n, stays) in [(1, false), (2, false), (3, true), (4, true), (5, true), (6, true), (7, true)] {
            assert_eq!(has(&*store, n).await, stays, "{n}");
        }
        assert_eq!(store.all_budgets().await.unwrap(), all);
        assert!(
            unknown.len() == 1 && store.unknowns(None, Timestamp(0), 9).await.unwrap()[0].id == unknown[0].id
        );
        // What stays goes on as ever.
        assert_eq!(
            store.claim(Claim { max_age_ms: i64::MAX / 2, ..claim(9) }).await.unwrap().messages.len(),
            1
        );
        store.settle(&draft(3).id, Settlement { at: day(40), ..sent(3) }).await.unwrap();
        assert_eq!(prune(&*store, day(40)).await, Pruned::default());
    }
}

async fn whoever_was_texted_is_known_for_ever_and_as_lately_as_before(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        over(&*store, 1, NOW).await;
        take(&*store, wide(intent(vec![draft(2)]))).await;
        store.settle(&draft(2).id, ended(State::Rejected, None)).await.unwrap();
        over(&*store, 9, day(40)).await;
        let asked = [(1, day(-1)), (1, day(1)), (2, day(-1)), (3, day(-1))];
        let mut before = Vec::new();
        for (n, since) in asked {
            before.push(known(&*store, n, since).await);
        }
        assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1, 0]);
        assert_eq!(prune(&*store, day(40)).await.messages, 2);
        for ((n, since), before) in asked.into_iter().zip(before) {
            assert_eq!(known(&*store, n, since).await, before, "{n} since {since:?}");
        }
    }
}

fn reply(n: u32, id: &str, to: &str, at: Timestamp) -> NewReply {
    let (provider, vendor_id, from, to) = ("sandbox".into(), id.into(), draft(n).to, to.into());
    NewReply {
        is_help: false,
        provider,
        vendor_id,
        from,
        to,
        text: "Yes".into(),
        is_whole: true,
        at,
        forward: true,
        is_unsettled: false,
        content: None,
    }
}

async fn a_reply_to_forgotten_messages_is_told_with_whose_it_is_by_the_sender_that_it_was_written_to(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        for (n, principal, sender) in [(1, "alice", "ACME"), (2, "bob", "Shop")] {
            let base = BaseSession::Named(principal.to_owned());
            let payer = Payer { principal: principal.into(), base, ..payer() };
            let drafts = vec![Draft { to: draft(1).to, from: Some(sender.to_owned()), ..draft(n) }];
            take(&*store, Intent { payer, now: NOW.plus_ms(n.into()), ..intent(drafts) }).await;
            store.settle(&draft(n).id, sent(n)).await.unwrap();
        }
        over(&*store, 9, day(40)).await;
        assert_eq!(prune(&*store, day(40)).await.messages, 2);
        for (to, whose) in [("ACME", Some("alice")), ("Shop", Some("bob")), ("Other", Some("bob"))] {
            store.record_reply(reply(1, to, to, day(40)), day(40)).await.unwrap();
            let told = store.claim_forwards(9, day(40), day(41)).await.unwrap().pop().unwrap();
            let told: serde_json::Value = serde_json::from_str(&told.body).unwrap();
            assert_eq!(told["data"]["principal"].as_str(), whose, "{told}");
        }
        store.record_reply(reply(5, "nobody", "ACME", day(40)), day(40)).await.unwrap();
        store.record_reply(reply(1, "too late", "ACME", day(99)), day(99)).await.unwrap();
        for told in store.claim_forwards(9, day(99), day(100)).await.unwrap() {
            assert!(!told.body.contains("principal") || told.tries > 1, "{}", told.body);
        }
    }
}

async fn a_key_is_kept_for_thirty_days_after_it_was_used_last_with_what_it_stands_for(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let keyed = |n, at| {
            let idempotency = Some(Idempotency { key: "k".into(), fingerprint: [1; 32] });
            wide(Intent { idempotency, now: at, ..intent(vec![draft(n)]) })
        };
        take(&*store, keyed(1, NOW)).await;
        store.settle(&draft(1).id, sent(1)).await.unwrap();
        over(&*store, 9, day(1)).await;
        for at in [day(29), day(40), day(69)] {
            assert_eq!(prune(&*store, at).await.keys, 0);
            let again = store.reserve(keyed(2, at), by_budget()).await.unwrap();
            assert!(matches!(again, Reservation::Replay(_)) && has(&*store, 1).await, "{again:?}");
        }
        let gone = prune(&*store, day(100)).await;
        assert_eq!((gone.keys, gone.messages), (1, 1));
        assert!(matches!(
            store.reserve(keyed(2, day(100)), by_budget()).await.unwrap(),
            Reservation::Taken { .. }
        ));
    }
}

fn receipt(n: u32, at: Timestamp) -> Report {
    let (provider, vendor_id) = ("sandbox".into(), format!("v-{n}"));
    Report { provider, vendor_id, to: None, state: State::Delivered, at, why: None, price_micros: None }
}

async fn a_late_receipt_of_a_forgotten_message_is_no_riddle_and_the_first_of_a_new_one_with_its_id_is_not_lost(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        over(&*store, 1, NOW).await;
        over(&*store, 9, day(40)).await;
        prune(&*store, day(40)).await;
        let (told, look) = (day(40), day(40).plus_ms(120_000));
        assert!(store.record_receipt(receipt(1, told), told).await.unwrap().is_empty());
        assert_eq!(
            (
                store.tallies("sandbox").await.unwrap().early_receipts,
                store.unmatched("sandbox", look).await.unwrap().count
            ),
            (0, 0)
        );
        store.record_receipt(receipt(77, told), told).await.unwrap();
        assert_eq!(store.unmatched("sandbox", look).await.unwrap().count, 1, "one of nobody is");
        assert!(
            store.has_vendor_id(ProviderName("sandbox"), VendorId("v-1"), E164(&draft(1).to)).await.unwrap()
        );
        assert!(
            !store.has_vendor_id(ProviderName("sandbox"), VendorId("v-1"), E164(&draft(2).to)).await.unwrap()
        );
        ids_that_begin_anew_are_known_for_a_while(&*store, (told, look)).await;
    }
}

async fn ids_that_begin_anew_are_known_for_a_while(store: &dyn Ledger, (told, look): (Timestamp, Timestamp)) {
    // The carrier begins its ids anew.
    take(store, wide(Intent { now: told, ..intent(vec![draft(2)]) })).await;
    store.record_receipt(receipt(1, told), told).await.unwrap();
    assert_eq!(store.unmatched("sandbox", look).await.unwrap().count, 1);
    store.settle(&draft(2).id, Settlement { at: told, ..sent(1) }).await.unwrap();
    assert_eq!(store.message("alice", &draft(2).id).await.unwrap().unwrap().state, State::Delivered);
    // Ids are known for a while, and not for ever.
    let later = day(40).plus_ms(KNOWN_ID_MS + 1);
    assert!(prune(store, later).await.leftovers >= 1);
    assert!(
        !store.has_vendor_id(ProviderName("sandbox"), VendorId("v-1"), E164(&draft(1).to)).await.unwrap()
    );
}

async fn a_bulk_is_forgotten_as_a_whole_or_not_at_all(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, wide(queued(1, 3))).await;
        store.claim(claim(9)).await.unwrap();
        for n in 1..4 {
            let settlement = if n == 2 { ended(State::Unknown, None) } else { sent(n) };
            store.settle(&draft(n).id, settlement).await.unwrap();
        }
        let id = queued(1, 1).batch.unwrap().id;
        take(&*store, wide(Intent { now: day(80), ..queued(50, 1) })).await;
        assert_eq!(prune(&*store, day(40)).await, Pruned::default());
        assert_eq!(store.batch("alice", &id, 0).await.unwrap().unwrap().accepted(), 3);
        store.settle(&draft(2).id, Settlement { at: day(40), ..sent(2) }).await.unwrap();
        assert_eq!(prune(&*store, day(60)).await, Pruned::default());
        let gone = prune(&*store, day(80)).await;
        assert_eq!((gone.bulks, gone.messages), (1, 3));
        assert!(store.batch("alice", &id, 0).await.unwrap().is_none());
    }
}

async fn what_something_younger_needs_stays(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in 1..5 {
            over(&*store, n, NOW).await;
        }
        // A reply of yesterday; a budget that it froze; an unknown one to the same person, which may be found
        // by comparison.
        store.record_reply(reply(1, "r", "ACME", day(39)), day(39)).await.unwrap();
        take(&*store, intent(vec![draft(5)])).await;
        store.settle(&draft(5).id, Settlement { price_micros: Some(700), ..sent(5) }).await.unwrap();
        assert!(store.unfreeze(&BudgetKey::total("USD", Realm::Live)).await.unwrap());
        let same = vec![Draft { to: draft(2).to, ..draft(6) }];
        let payer =
            Payer { principal: "bob".into(), base: BaseSession::Named("process-3".into()), ..payer() };
        take(&*store, Intent { payer, ..intent(same) }).await;
        store.settle(&draft(6).id, ended(State::Unknown, None)).await.unwrap();
        assert_eq!(prune(&*store, day(40)).await.messages, 2);
        for (n, stays) in [(1, true), (2, true), (3, false), (4, false), (5, true)] {
            assert_eq!(has(&*store, n).await, stays, "{n}");
        }
        let frozen = store.all_budgets().await.unwrap().into_iter().find(|budget| budget.frozen).unwrap();
        assert_eq!(frozen.overcharge.unwrap().message, draft(5).id);
    }
}

async fn a_session_goes_when_nobody_uses_it_or_a_handle_of_it_and_its_budget_stays(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let (handle, year) = (SessionId::new([1; 20]), 365 * DAY_MS);
        let opener = Payer { idle_ms: year, ..payer() };
        let new = NewHandle {
            id: handle.clone(),
            label: None,
            limits: Limits { spend_micros: None, messages: Some(9) },
        };
        store.open_session(opener.clone(), new, NOW).await.unwrap();
        let user = Payer { base: BaseSession::Named("process-2".into()), handle: Some(handle), ..opener };
        let by_handle = |n, at| Intent { payer: user.clone(), now: at, ..intent(vec![draft(n)]) };
        take(&*store, by_handle(1, day(39))).await;
        assert_eq!(prune(&*store, day(40)).await.sessions, 0);
        let path: Vec<Scope> =
            store.budgets(user.clone(), day(40)).await.unwrap().iter().map(|budget| budget.scope).collect();
        assert_eq!(path, [Scope::Total, Scope::Day, Scope::Session, Scope::Session, Scope::Handle]);
        let budgets = store.all_budgets().await.unwrap();
        assert_eq!(prune(&*store, day(80)).await.sessions, 3);
        assert_eq!(store.all_budgets().await.unwrap(), budgets);
        assert!(
            store.reserve(by_handle(2, day(80)), by_budget()).await.is_err(),
            "there is no such handle any more"
        );
    }
}

async fn what_would_go_is_what_goes_in_any_mix(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let mut random = 7_u32;
        let mut next = move |most: u32| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) % most
        };
        let states =
            [State::Sent, State::Delivered, State::Rejected, State::Failed, State::Unknown, State::Held];
        for n in 1..80 {
            // A clock only goes forward.
            let (at, to) = (day(i64::from(n) * 60 / 80), draft(next(30)).to);
            let key = (next(3) == 0).then(|| Idempotency { key: format!("k-{n}"), fingerprint: [1; 32] });
            let drafts = vec![Draft { to, ..draft(n) }];
            take(&*store, wide(Intent { now: at, idempotency: key, ..intent(drafts) })).await;
            let state = states[next(6) as usize];
            let vendor_id = (next(4) > 0).then(|| format!("v-{n}"));
            let changed = at.plus_ms(i64::from(next(10)) * DAY_MS);
            store
                .settle(&draft(n).id, Settlement { at: changed, vendor_id, ..ended(state, None) })
                .await
                .unwrap();
            if next(5) == 0 {
                store
                    .record_reply(
                        reply(next(30), &format!("r-{n}"), "ACME", day(i64::from(next(60)))),
                        day(60),
                    )
                    .await
                    .unwrap();
            }
        }
        let (now, before) = (day(60), day(30));
        let everybody = async || {
            let mut found = Vec::new();
            for n in 0..30 {
                for since in [day(0), before, day(50)] {
                    found.push(known(&*store, n, since).await);
                }
            }
            found
        };
        let (people, budgets) = (everybody().await, store.all_budgets().await.unwrap());
        let unknown = |found: Vec<sms_mcp::ledger::Record>| {
            found.into_iter().map(|record| record.id).collect::<Vec<_>>()
        };
        let in_doubt = unknown(store.unknowns(None, Timestamp(0), 999).await.unwrap());
        let would = store.prunable(before, now).await.unwrap();
        assert!(would.goes.messages > 5 && would.goes.keys > 0 && would.old_that_stay > 5, "{would:?}");
        assert_eq!(prune(&*store, now).await, would.goes);
        assert_eq!(everybody().await, people);
        assert_eq!(store.all_budgets().await.unwrap(), budgets);
        assert_eq!(unknown(store.unknowns(None, Timestamp(0), 999).await.unwrap()), in_doubt);
        let filter = Filter { principal: "alice".into(), limit: 999, ..Filter::default() };
        let stay = store.list(filter).await.unwrap();
        assert_eq!(stay.iter().map(|record| record.created).min(), would.oldest);
        assert_eq!(
            stay.iter().filter(|record| record.created < before && record.changed < before).count(),
            would.old_that_stay as usize
        );
        assert_eq!(store.prunable(before, now).await.unwrap().goes, Pruned::default());
    }
}

async fn one_process_prunes_at_a_time(backend: Backend) {
    for place in backend.places() {
        let (one, other): (Arc<dyn Ledger>, _) = (place.open(), place.open());
        let turn = one.prune_turn().await.unwrap();
        assert!(turn.is_some() && other.prune_turn().await.unwrap().is_none());
        drop(turn);
        assert!(other.prune_turn().await.unwrap().is_some());
    }
}

async fn what_operators_did_goes_with_what_is_old_and_not_before_a_year_is_over(backend: Backend) {
    for place in backend.places() {
        acts_go_after_a_year(&*place.open()).await;
    }
}

async fn acts_go_after_a_year(store: &dyn Ledger) {
    let act = |at: Timestamp, subject: &str| Act {
        at,
        who: "user:alice".to_owned(),
        verb: "budget unfreeze".to_owned(),
        subject: subject.to_owned(),
        approver: None,
    };
    for (days, subject) in [(0, "first"), (1, "second"), (300, "third"), (380, "last")] {
        store.note_act(act(day(days), subject)).await.unwrap();
    }
    let kept = async || -> Vec<String> {
        store.acts(100).await.unwrap().into_iter().map(|act| act.subject).collect()
    };
    // Older than what is kept of messages, and younger than a year.
    assert_eq!((prune(store, day(366)).await.acts, kept().await.len()), (0, 4));
    let later = day(368);
    let would = store.prunable(later.plus_ms(-30 * DAY_MS), later).await.unwrap().goes.acts;
    assert_eq!((would, prune(store, later).await.acts), (2, 2));
    assert_eq!(kept().await, ["last", "third"]);
    // Where messages are kept for longer, so is this.
    let much_later = day(900);
    let step = store.prune(day(-1), much_later, PrunePlace::Leftovers, 10).await.unwrap();
    assert_eq!((step.gone.acts, kept().await.len()), (0, 2));
}

on_every_backend! {
    what_operators_did_goes_with_what_is_old_and_not_before_a_year_is_over,
    what_is_over_is_forgotten_and_what_is_open_stays_and_no_money_changes,
    whoever_was_texted_is_known_for_ever_and_as_lately_as_before,
    a_reply_to_forgotten_messages_is_told_with_whose_it_is_by_the_sender_that_it_was_written_to,
    a_key_is_kept_for_thirty_days_after_it_was_used_last_with_what_it_stands_for,
    a_late_receipt_of_a_forgotten_message_is_no_riddle_and_the_first_of_a_new_one_with_its_id_is_not_lost,
    a_bulk_is_forgotten_as_a_whole_or_not_at_all,
    what_something_younger_needs_stays,
    a_session_goes_when_nobody_uses_it_or_a_handle_of_it_and_its_budget_stays,
    what_would_go_is_what_goes_in_any_mix,
    one_process_prunes_at_a_time,
}
