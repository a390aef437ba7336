//! What every ledger must do with what comes later: receipts of shared ids, corrected prices, looks and
//! hints, replies, people who want no more, and what the operator's own system is told.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::error::{Error, ErrorKind};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::ledger::{
    Back, Claim, Decide, Draft, E164, Filter, Forward, Intent, Ledger, LookClaim, NewPending, NewReply,
    Pacing, ProviderName, Recorded, ReplyPage, Report, Reservation, SHOWN_AN_HOUR, Segment, Settlement,
    VendorId,
};
use sms_mcp::sms::facts::Scope;
use sms_mcp::sms::message::{MessageId, Realm, State};
use sms_mcp::sms::reply::Meaning;
use sms_mcp::sms::verdict::Verdict;

use super::ledger::{
    Backend, HOLD, NOW, budget, claim, draft, ended, intent, on_every_backend, queued, state_of, take,
};

const DAY_MS: i64 = 86_400_000;

fn report(state: State) -> Report {
    Report {
        provider: "sandbox".into(),
        vendor_id: "v-1".into(),
        to: None,
        state,
        at: NOW.plus_ms(9),
        why: None,
        price_micros: None,
    }
}

fn about(n: u32, state: State) -> Report {
    Report { to: Some(draft(n).to), ..report(state) }
}

fn priced(state: State, price: i64) -> Report {
    Report { price_micros: Some(price), ..report(state) }
}

fn lost() -> Settlement {
    Settlement {
        code: Some(ErrorKind::OutcomeUnknown),
        why: Some("no answer".into()),
        ..ended(State::Unknown, None)
    }
}

fn drafts(numbers: impl IntoIterator<Item = u32>) -> Vec<MessageId> {
    numbers.into_iter().map(|n| draft(n).id).collect()
}

fn returned(numbers: impl IntoIterator<Item = u32>) -> Vec<Back> {
    drafts(numbers).into_iter().map(|id| Back { id, rests_until: None }).collect()
}

async fn send(store: &dyn Ledger, n: u32) {
    take(store, intent(vec![draft(n)])).await;
    let vendor_id = Some(format!("v-{n}"));
    store.settle(&draft(n).id, Settlement { vendor_id, ..ended(State::Sent, None) }).await.unwrap();
}

/// Takes these messages in one request; the first `settled` of them have their answer.
async fn send_joint(store: &dyn Ledger, count: u32, settled: u32) {
    take(store, queued(1, count)).await;
    assert_eq!(
        store.claim(Claim { per_request: 50, ..claim(50) }).await.unwrap().messages.len(),
        count as usize
    );
    for n in 1..=settled {
        store.settle(&draft(n).id, ended(State::Sent, None)).await.unwrap();
    }
}

/// What is held and what is spent, which every budget and the messages themselves must agree on.
async fn money(store: &dyn Ledger) -> (i64, i64) {
    let records =
        store.list(Filter { principal: "alice".into(), limit: 1_000, ..Filter::default() }).await.unwrap();
    let held: i64 = records.iter().map(|record| record.held_micros).sum();
    let spent: i64 = records.iter().filter_map(|record| record.price_micros).sum();
    for budget in store.all_budgets().await.unwrap() {
        assert_eq!((budget.held_micros, budget.spent_micros), (held, spent), "{}", budget.key);
    }
    (held, spent)
}

fn look(provider: &str, limit: u32, now: Timestamp) -> LookClaim {
    LookClaim {
        provider: provider.into(),
        realm: Realm::Live,
        limit,
        now,
        by_request: false,
        is_rated: false,
    }
}

async fn a_report_speaks_of_its_recipient_or_of_all_that_share_the_id(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        send_joint(&*store, 4, 4).await;
        assert_eq!(store.record_receipt(about(2, State::Failed), NOW).await.unwrap(), drafts([2]));
        assert!(
            store.record_receipt(about(9, State::Failed), NOW).await.unwrap().is_empty(),
            "nobody of them"
        );
        assert_eq!(store.record_receipt(report(State::Delivered), NOW).await.unwrap(), drafts([1, 3, 4]));
        assert_eq!(state_of(&*store, &draft(2).id).await, State::Failed);
        assert_eq!(money(&*store).await, (0, 4 * HOLD), "what was sent is paid for");
    }
}

async fn early_reports_wait_for_their_recipient_and_those_about_all_for_the_last_one(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        send_joint(&*store, 4, 0).await;
        assert!(store.record_receipt(about(2, State::Failed), NOW).await.unwrap().is_empty());
        store.settle(&draft(1).id, ended(State::Sent, None)).await.unwrap();
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Sent, "it is not about this one");
        store.settle(&draft(2).id, ended(State::Sent, None)).await.unwrap();
        assert_eq!(state_of(&*store, &draft(2).id).await, State::Failed);
        // Now two have their answer and two have not.
        assert_eq!(store.record_receipt(report(State::Delivered), NOW).await.unwrap(), drafts([1]));
        for n in [3, 4] {
            store.settle(&draft(n).id, ended(State::Sent, None)).await.unwrap();
            assert_eq!(state_of(&*store, &draft(n).id).await, State::Delivered, "{n}");
        }
        // Nothing is left over for who gets the same id by mistake.
        take(&*store, intent(vec![draft(9)])).await;
        store.settle(&draft(9).id, ended(State::Sent, None)).await.unwrap();
        assert_eq!(state_of(&*store, &draft(9).id).await, State::Sent);
    }
}

async fn an_early_report_names_the_price_of_what_it_comes_before(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        store.record_receipt(priced(State::Delivered, 30), NOW).await.unwrap();
        store.settle(&draft(1).id, ended(State::Sent, Some(80))).await.unwrap();
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Delivered);
        assert_eq!(money(&*store).await, (0, 30));
    }
}

async fn a_price_that_comes_later_corrects_what_was_posted_and_a_higher_one_freezes(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        send(&*store, 1).await;
        assert!(
            store.record_receipt(priced(State::Sent, 40), NOW).await.unwrap().is_empty(),
            "the state is the same"
        );
        assert_eq!(money(&*store).await, (0, 40));
        assert_eq!(store.record_receipt(priced(State::Delivered, 30), NOW).await.unwrap(), drafts([1]));
        assert_eq!(money(&*store).await, (0, 30));
        assert!(!budget(&*store, Scope::Day).await.frozen);
        store.record_receipt(priced(State::Delivered, 900), NOW).await.unwrap();
        assert_eq!(money(&*store).await, (0, 900));
        for frozen in store.all_budgets().await.unwrap() {
            assert!(frozen.frozen, "{}", frozen.key);
            store.unfreeze(&frozen.key).await.unwrap();
        }
        store.record_receipt(priced(State::Delivered, 900), NOW).await.unwrap();
        assert!(!budget(&*store, Scope::Day).await.frozen, "the same again is no news");
        assert_eq!(store.message("alice", &draft(1).id).await.unwrap().unwrap().price_micros, Some(900));
    }
}

async fn a_price_of_what_was_never_paid_for_changes_nothing(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        let rejected = Settlement { vendor_id: Some("v-1".into()), ..ended(State::Rejected, None) };
        store.settle(&draft(1).id, rejected).await.unwrap();
        store.record_receipt(priced(State::Failed, 70), NOW).await.unwrap();
        assert_eq!(money(&*store).await, (0, 0));
        assert_eq!(budget(&*store, Scope::Day).await.messages, 0);
    }
}

async fn an_unknown_outcome_that_a_hint_gave_an_id_is_settled_by_a_report(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for (n, state, price, spent) in
            [(1, State::Delivered, Some(60), 60), (2, State::Sent, None, HOLD), (3, State::Rejected, None, 0)]
        {
            let before = money(&*store).await;
            take(&*store, intent(vec![draft(n)])).await;
            store.settle(&draft(n).id, lost()).await.unwrap();
            assert_eq!(money(&*store).await, (HOLD, before.1));
            let vendor_id = format!("v-{n}");
            assert!(
                store
                    .hint(ProviderName("sandbox"), VendorId(&vendor_id), Some(&draft(n).id), NOW)
                    .await
                    .unwrap()
            );
            let report = Report { vendor_id, price_micros: price, ..report(state) };
            assert_eq!(store.record_receipt(report, NOW).await.unwrap(), drafts([n]));
            assert_eq!(money(&*store).await, (0, before.1 + spent), "{state}");
        }
        let found = store.message("alice", &draft(1).id).await.unwrap().unwrap();
        assert_eq!((found.code, found.why), (None, None), "it is unknown no longer");
        assert_eq!(budget(&*store, Scope::Day).await.messages, 2);
    }
}

async fn an_answer_that_comes_after_the_report_still_names_the_price(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        store.hint(ProviderName("sandbox"), VendorId("v-1"), Some(&draft(1).id), NOW).await.unwrap();
        assert_eq!(store.record_receipt(report(State::Delivered), NOW).await.unwrap(), drafts([1]));
        let budgets = store.settle(&draft(1).id, ended(State::Sent, Some(70))).await.unwrap();
        assert!(budgets.iter().all(|budget| budget.spent_micros == 70), "{budgets:?}");
        assert_eq!(
            (state_of(&*store, &draft(1).id).await, money(&*store).await),
            (State::Delivered, (0, 70))
        );
    }
}

/// What either of these processes is to look up.
async fn looked_up(stores: [&dyn Ledger; 2], at: i64) -> Vec<MessageId> {
    let mut found: Vec<MessageId> = Vec::new();
    for store in stores {
        found.extend(
            store
                .claim_looks(look("sandbox", 9, NOW.plus_ms(at)))
                .await
                .unwrap()
                .into_iter()
                .map(|record| record.id),
        );
    }
    found
}

async fn looks_are_due_less_and_less_often_until_the_end_or_three_days(backend: Backend) {
    for place in backend.places() {
        let (store, other) = (place.open(), place.open());
        let look_at = Some(NOW.plus_ms(10_000));
        for n in [1, 2] {
            take(&*store, intent(vec![draft(n)])).await;
            let settlement = Settlement {
                at: NOW,
                look_at,
                vendor_id: Some(format!("v-{n}")),
                ..ended(State::Sent, None)
            };
            store.settle(&draft(n).id, settlement).await.unwrap();
        }
        send(&*store, 3).await;
        let looks = async |at: i64| looked_up([&*store, &*other], at).await;
        assert!(looks(9_999).await.is_empty());
        assert!(store.claim_looks(look("another", 9, NOW.plus_ms(10_000))).await.unwrap().is_empty());
        assert_eq!(looks(10_000).await, drafts([1, 2]), "each to one process");
        assert!(looks(19_999).await.is_empty());
        store.record_receipt(report(State::Delivered), NOW).await.unwrap();
        assert_eq!(looks(20_000).await, drafts([2]), "the first has ended");
        looks_grow_rare_and_end([&*store, &*other]).await;
    }
}

async fn looks_grow_rare_and_end(stores: [&dyn Ledger; 2]) {
    let looks = async |at: i64| looked_up(stores, at).await;
    assert!(looks(39_999).await.is_empty(), "after as long as it is old");
    assert_eq!(looks(2 * DAY_MS).await, drafts([2]));
    assert!(looks(2 * DAY_MS + 3_599_999).await.is_empty(), "an hour at most");
    assert_eq!(looks(3 * DAY_MS).await, drafts([2]));
    assert!(looks(30 * DAY_MS).await.is_empty(), "nobody asks any more");
    assert!(
        stores[0]
            .hint(ProviderName("sandbox"), VendorId("v-2"), None, NOW.plus_ms(30 * DAY_MS))
            .await
            .unwrap()
    );
    assert_eq!(looks(30 * DAY_MS).await, drafts([2]), "but for a reason");
    assert!(looks(40 * DAY_MS).await.is_empty());
}

async fn the_longest_due_is_looked_up_first_and_a_restart_forgets_none(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for (n, due) in [(1, 300), (2, 100), (3, 200)] {
            take(&*store, intent(vec![draft(n)])).await;
            let settlement = Settlement {
                look_at: Some(NOW.plus_ms(due)),
                vendor_id: Some(format!("v-{n}")),
                ..ended(State::Sent, None)
            };
            store.settle(&draft(n).id, settlement).await.unwrap();
        }
        store.close().await.unwrap();
        let store = place.open();
        let first: Vec<MessageId> = store
            .claim_looks(look("sandbox", 2, NOW.plus_ms(1_000)))
            .await
            .unwrap()
            .into_iter()
            .map(|record| record.id)
            .collect();
        assert_eq!(first, drafts([2, 3]));
    }
}

async fn one_question_stands_for_all_messages_of_a_request_and_counts_once(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in 1..=3 {
            take(&*store, intent(vec![draft(n)])).await;
            let vendor_id = Some(if n < 3 { "shared" } else { "alone" }.to_owned());
            store
                .settle(
                    &draft(n).id,
                    Settlement {
                        look_at: Some(NOW.plus_ms(i64::from(n))),
                        vendor_id,
                        ..ended(State::Sent, None)
                    },
                )
                .await
                .unwrap();
        }
        let claim =
            |at: i64| LookClaim { by_request: true, is_rated: true, ..look("sandbox", 9, NOW.plus_ms(at)) };
        let ids = async |at: i64| {
            store
                .claim_looks(claim(at))
                .await
                .unwrap()
                .into_iter()
                .map(|record| record.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(10).await, drafts([1, 3]));
        assert!(ids(11).await.is_empty(), "the others of the request do not ask again");
        take(&*store, queued(4, 2)).await;
        let rate = Pacing { per_minute: Some(3), ..Pacing::default() };
        assert_eq!(
            store
                .claim(Claim { rate, now: NOW.plus_ms(20), ..super::ledger::claim(9) })
                .await
                .unwrap()
                .messages
                .len(),
            1,
            "two of three requests were questions"
        );
    }
}

async fn a_hint_finds_a_message_by_either_id_and_proves_nothing(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let at = NOW.plus_ms(500);
        take(&*store, intent(vec![draft(1)])).await;
        assert!(store.hint(ProviderName("sandbox"), VendorId("v-1"), Some(&draft(1).id), at).await.unwrap());
        assert!(
            store.claim_looks(look("sandbox", 9, at)).await.unwrap().is_empty(),
            "its answer may still come"
        );
        store.settle(&draft(1).id, lost()).await.unwrap();
        let due = store.claim_looks(look("sandbox", 9, at)).await.unwrap();
        assert_eq!((due.len(), due[0].vendor_id.as_deref(), due[0].state), (1, Some("v-1"), State::Unknown));
        assert!(
            store.hint(ProviderName("sandbox"), VendorId("forged"), Some(&draft(1).id), at).await.unwrap()
        );
        let found = store.message("alice", &draft(1).id).await.unwrap().unwrap();
        assert_eq!(
            (found.vendor_id.as_deref(), found.state, found.held_micros),
            (Some("v-1"), State::Unknown, HOLD)
        );
        for (provider, vendor_id, message) in [
            ("another", "v-1", Some(draft(1).id)),
            ("sandbox", "v-9", Some(draft(9).id)),
            ("sandbox", "v-9", None),
            ("sandbox", "", None),
        ] {
            assert!(
                !store.hint(ProviderName(provider), VendorId(vendor_id), message.as_ref(), at).await.unwrap(),
                "{provider} {vendor_id}"
            );
        }
        assert!(
            store.hint(ProviderName("sandbox"), VendorId("v-1"), Some(&draft(9).id), at).await.unwrap(),
            "the provider's id does as well"
        );
        the_id_of_one_request_is_no_other_requests(&*store, at).await;
        the_unknown_and_their_ids_are_found(&*store).await;
    }
}

async fn the_id_of_one_request_is_no_other_requests(store: &dyn Ledger, at: Timestamp) {
    take(store, intent(vec![draft(2)])).await;
    store.settle(&draft(2).id, lost()).await.unwrap();
    assert!(store.hint(ProviderName("sandbox"), VendorId("v-1"), Some(&draft(2).id), at).await.unwrap());
    assert_eq!(store.message("alice", &draft(2).id).await.unwrap().unwrap().vendor_id, None);
}

async fn the_unknown_and_their_ids_are_found(store: &dyn Ledger) {
    let unknown: Vec<MessageId> = store
        .unknowns(Some(("sandbox", Realm::Live)), Timestamp(0), 9)
        .await
        .unwrap()
        .into_iter()
        .map(|record| record.id)
        .collect();
    assert_eq!(unknown, drafts([1, 2]), "oldest first");
    assert!(store.unknowns(Some(("another", Realm::Live)), Timestamp(0), 9).await.unwrap().is_empty());
    assert_eq!(store.unknowns(Some(("sandbox", Realm::Live)), Timestamp(0), 1).await.unwrap().len(), 1);
    assert!(
        store.unknowns(Some(("sandbox", Realm::Live)), NOW.plus_ms(3_600_000), 9).await.unwrap().is_empty(),
        "what became unknown before then"
    );
    assert!(store.has_vendor_id(ProviderName("sandbox"), VendorId("v-1"), E164(&draft(1).to)).await.unwrap());
    for (provider, vendor_id, to) in
        [("another", "v-1", draft(1).to), ("sandbox", "v-2", draft(1).to), ("sandbox", "v-1", draft(5).to)]
    {
        assert!(!store.has_vendor_id(ProviderName(provider), VendorId(vendor_id), E164(&to)).await.unwrap());
    }
}

async fn a_hint_to_one_of_a_request_names_the_id_that_the_others_have_and_what_was_said_of_it_before(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        send_joint(&*store, 4, 2).await;
        for n in [3, 4] {
            store.settle(&draft(n).id, lost()).await.unwrap();
        }
        store.record_receipt(about(3, State::Delivered), NOW).await.unwrap();
        for n in [3, 4] {
            assert!(
                store.hint(ProviderName("sandbox"), VendorId("v-1"), Some(&draft(n).id), NOW).await.unwrap()
            );
            assert!(
                store
                    .has_vendor_id(ProviderName("sandbox"), VendorId("v-1"), E164(&draft(n).to))
                    .await
                    .unwrap()
            );
        }
        assert_eq!(state_of(&*store, &draft(3).id).await, State::Delivered);
        assert_eq!(state_of(&*store, &draft(4).id).await, State::Unknown);
        assert_eq!(money(&*store).await, (HOLD, 3 * HOLD));
        let due: Vec<MessageId> = store
            .claim_looks(look("sandbox", 9, NOW))
            .await
            .unwrap()
            .into_iter()
            .map(|record| record.id)
            .collect();
        assert_eq!(due, drafts([4]));
    }
}

fn reply(vendor_id: &str, n: u32, at: Timestamp) -> NewReply {
    let (from, text) = (draft(n).to, format!("re {vendor_id}"));
    let (provider, vendor_id, to) = ("sandbox".into(), vendor_id.into(), "SENDER".into());
    NewReply {
        is_help: false,
        provider,
        vendor_id,
        from,
        to,
        text,
        is_whole: true,
        at,
        forward: false,
        is_unsettled: false,
        content: None,
    }
}

async fn a_reply_is_recorded_once_with_the_latest_message_before_it_that_may_have_arrived(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let to_first = |n, at: i64| Intent {
            now: NOW.plus_ms(at),
            ..intent(vec![Draft { to: draft(1).to, ..draft(n) }])
        };
        for (n, at) in [(1, 0), (2, 100_000), (3, 200_000), (4, 900_000)] {
            take(&*store, to_first(n, at)).await;
        }
        store.settle(&draft(3).id, ended(State::Rejected, None)).await.unwrap();
        let record = async |vendor_id: &str, n: u32, at: i64| {
            store.record_reply(reply(vendor_id, n, NOW.plus_ms(at)), NOW.plus_ms(at)).await.unwrap()
        };
        assert_eq!(
            record("r-1", 1, 300_000).await,
            Recorded::New(Some(draft(2).id)),
            "the third never left, the fourth came later"
        );
        assert_eq!(record("r-1", 1, 300_000).await, Recorded::Known);
        assert_eq!(record("r-0", 1, 250_000).await, Recorded::New(Some(draft(2).id)));
        assert_eq!(
            record("r-2", 1, 899_000).await,
            Recorded::New(Some(draft(4).id)),
            "clocks differ a little"
        );
        assert_eq!(record("r-3", 77, 300_000).await, Recorded::New(None), "a stranger");
        assert_eq!(record("r-4", 1, 91 * DAY_MS).await, Recorded::New(None), "too long ago");
        the_text_that_a_reply_answers_is_found(&*store).await;
        let other = NewReply { provider: "another".into(), ..reply("r-1", 1, NOW.plus_ms(300_000)) };
        assert_eq!(
            store.record_reply(other, NOW).await.unwrap(),
            Recorded::New(None),
            "another provider's id, and its people"
        );
        store.close().await.unwrap();
        let store = place.open();
        replies_are_read_and_counted_by_message(&*store).await;
    }
}

async fn the_text_that_a_reply_answers_is_found(store: &dyn Ledger) {
    let last = async |provider: &str, n: u32, at: i64| {
        store.last_text(ProviderName(provider), E164(&draft(n).to), NOW.plus_ms(at)).await.unwrap()
    };
    assert_eq!(last("sandbox", 1, 300_000).await, Some(draft(2).text), "the text that such a reply answers");
    assert_eq!((last("another", 1, 300_000).await, last("sandbox", 77, 300_000).await), (None, None));
}

async fn replies_are_read_and_counted_by_message(store: &dyn Ledger) {
    let texts: Vec<String> =
        crate::support::replies(store, &draft(2).id).await.into_iter().map(|reply| reply.text).collect();
    assert_eq!(texts, ["re r-0", "re r-1"], "oldest first");
    assert_eq!(store.message("alice", &draft(2).id).await.unwrap().unwrap().replies, 2);
    assert!(crate::support::replies(store, &draft(1).id).await.is_empty());
    let listed =
        store.list(Filter { principal: "alice".into(), limit: 9, ..Filter::default() }).await.unwrap();
    assert_eq!(listed.iter().map(|record| record.replies).collect::<Vec<_>>(), [1, 0, 2, 0]);
}

async fn a_question_is_counted_like_a_send_and_only_where_the_rate_has_room_for_it(backend: Backend) {
    for place in backend.places() {
        let (store, other) = (place.open(), place.open());
        let half = Pacing { per_minute: Some(11), per_day: Some(9), ..Pacing::default() }.half();
        assert_eq!(half, Pacing { per_minute: Some(6), per_day: Some(5), ..Pacing::default() });
        assert_eq!(
            Pacing { per_second: Some(1), ..Pacing::default() }.half().per_second,
            Some(1),
            "one in any case"
        );
        // Three sends, then questions.
        take(&*store, intent(vec![Draft { rated_requests: 3, ..draft(1) }])).await;
        let admit = async |store: &dyn Ledger, requests: u32, at: i64| {
            store
                .admit(
                    "sandbox",
                    Realm::Live,
                    requests,
                    Pacing { per_minute: Some(5), ..Pacing::default() },
                    NOW.plus_ms(at),
                )
                .await
                .unwrap()
        };
        assert!(!admit(&*store, 3, 0).await, "all of them or none");
        assert!(admit(&*store, 1, 0).await);
        assert!(admit(&*other, 1, 1).await, "whichever process asks");
        assert!(!admit(&*store, 1, 2).await);
        assert!(
            store.admit("sandbox", Realm::Sandbox, 1, half, NOW).await.unwrap(),
            "another provider of that name"
        );
        assert!(admit(&*store, 5, 61_000).await && !admit(&*store, 1, 61_000).await, "a minute later");
    }
}

async fn the_texts_that_a_report_speaks_of_are_found_by_its_id_unless_one_was_erased(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        take(&*store, intent(vec![draft(2)])).await;
        take(&*store, Intent { keep_texts: false, ..intent(vec![draft(3)]) }).await;
        let parted = |number: u32| Segment {
            number,
            state: State::Sent,
            vendor_id: Some(format!("s-{number}")),
            at: NOW,
            why: None,
        };
        store
            .settle(&draft(1).id, Settlement { vendor_id: Some("v-1".into()), ..ended(State::Sent, None) })
            .await
            .unwrap();
        store
            .settle(
                &draft(2).id,
                Settlement { parts: vec![parted(1), parted(2)], ..ended(State::Sent, None) },
            )
            .await
            .unwrap();
        store
            .settle(&draft(3).id, Settlement { vendor_id: Some("v-3".into()), ..ended(State::Sent, None) })
            .await
            .unwrap();
        let texts = async |id: &str, to: Option<u32>| {
            store
                .texts(ProviderName("sandbox"), VendorId(id), to.map(|n| draft(n).to).as_deref().map(E164))
                .await
                .unwrap()
        };
        assert_eq!(texts("v-1", None).await, Some(vec![draft(1).text]));
        assert_eq!(texts("v-1", Some(1)).await, Some(vec![draft(1).text]));
        assert_eq!(texts("s-2", Some(2)).await, Some(vec![draft(2).text]));
        assert_eq!(
            (texts("v-1", Some(2)).await, texts("v-3", None).await, texts("v-9", None).await),
            (None, None, None)
        );
        assert_eq!(store.texts(ProviderName("another"), VendorId("v-1"), None).await.unwrap(), None);
    }
}

async fn of_what_one_sender_writes_within_an_hour_no_more_is_shown_than_anybody_types(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        take(&*store, intent(vec![draft(2)])).await;
        // One a second, told in whatever order, and then one an hour later.
        for n in (0..100).rev() {
            let new = reply(&format!("r-{n}"), 1, NOW.plus_ms(n * 1_000));
            assert_eq!(
                store.record_reply(new, NOW.plus_ms(100_000)).await.unwrap(),
                Recorded::New(Some(draft(1).id)),
                "it is kept"
            );
        }
        store.record_reply(reply("r-100", 2, NOW.plus_ms(5)), NOW.plus_ms(100_000)).await.unwrap();
        let count = async |n: u32| store.message("alice", &draft(n).id).await.unwrap().unwrap().replies;
        assert_eq!((count(1).await, count(2).await), (100, 1), "and counted");
        let told = async || {
            crate::support::whole(&*store, &draft(1).id, ReplyPage { before: None, limit: 1_000 })
                .await
                .replies
        };
        assert_eq!(told().await.showable, SHOWN_AN_HOUR, "told backwards too");
        for n in 0..100 {
            store
                .record_reply(reply(&format!("s-{n}"), 2, NOW.plus_ms(10_000 + n)), NOW.plus_ms(100_000))
                .await
                .unwrap();
        }
        let page = crate::support::whole(&*store, &draft(2).id, ReplyPage { before: None, limit: 1_000 })
            .await
            .replies;
        assert_eq!(
            (count(2).await, page.showable, page.page.len()),
            (101, SHOWN_AN_HOUR, SHOWN_AN_HOUR as usize)
        );
        assert_eq!(page.page[0].1.text, "re s-58", "newest first, and the first of the hour stay");
        store
            .record_reply(reply("s-100", 2, NOW.plus_ms(10_099 + DAY_MS / 24)), NOW.plus_ms(DAY_MS))
            .await
            .unwrap();
        let newest = crate::support::whole(&*store, &draft(2).id, ReplyPage { before: None, limit: 1 })
            .await
            .replies
            .page;
        assert_eq!(newest[0].1.text, "re s-100", "an hour later");
        let second = crate::support::whole(
            &*store,
            &draft(2).id,
            ReplyPage { before: Some(page.page[9].0), limit: 3 },
        )
        .await
        .replies
        .page;
        assert_eq!(
            second.iter().map(|(_, reply)| reply.text.as_str()).collect::<Vec<_>>(),
            ["re s-48", "re s-47", "re s-46"]
        );
    }
}

async fn who_wants_no_more_is_a_fact_and_what_is_queued_for_them_does_not_go(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 3)).await;
        take(&*store, intent(vec![Draft { to: draft(2).to, ..draft(9) }])).await;
        let number = draft(2).to;
        assert!(store.opt_out(&number, true, "reply", NOW).await.unwrap());
        assert!(!store.opt_out(&number, true, "operator", NOW.plus_ms(5)).await.unwrap(), "it is known");
        let refused = store.message("alice", &draft(2).id).await.unwrap().unwrap();
        assert_eq!(
            (refused.state, refused.code, refused.held_micros),
            (State::Rejected, Some(ErrorKind::OptedOut), 0)
        );
        assert_eq!(
            state_of(&*store, &draft(9).id).await,
            State::Attempting,
            "what is on its way cannot be stopped"
        );
        assert_eq!(money(&*store).await, (3 * HOLD, 0));
        assert_eq!(budget(&*store, Scope::Day).await.messages, 3);
        store.close().await.unwrap();
        let store = place.open();
        the_wish_is_a_fact_until_who_may_takes_it_back(&*store, number).await;
    }
}

async fn the_wish_is_a_fact_until_who_may_takes_it_back(store: &dyn Ledger, number: String) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let look: Decide = Arc::new(move |_, facts| {
        notes.lock().unwrap().push(facts.is_opted_out);
        if facts.is_opted_out { Err(Error::new(ErrorKind::OptedOut, "no")) } else { Ok(Verdict::Now) }
    });
    let asked = Intent { all_or_none: false, preview: true, ..queued(1, 3) };
    let answer = store.reserve(asked.clone(), Arc::clone(&look)).await.unwrap();
    assert!(matches!(answer, Reservation::Taken { refused, .. } if refused.len() == 1 && refused[0].0 == 1));
    store.opt_out(&draft(1).to, true, "operator", NOW.plus_ms(10)).await.unwrap();
    let everybody: Vec<(String, String)> =
        store.opt_outs(9).await.unwrap().into_iter().map(|out| (out.number, out.source)).collect();
    assert_eq!(
        everybody,
        [(draft(1).to, "operator".to_owned()), (number.clone(), "reply".to_owned())],
        "latest first"
    );
    assert_eq!(store.opt_outs(1).await.unwrap().len(), 1);
    assert!(
        !store.opt_out(&number, false, "reply", NOW.plus_ms(-1)).await.unwrap(),
        "an older wish that comes late"
    );
    assert!(
        !store.opt_out(&draft(1).to, false, "reply", NOW.plus_ms(99)).await.unwrap(),
        "what the operator decided"
    );
    assert!(
        store.opt_out(&number, false, "operator", NOW).await.unwrap(),
        "the operator takes back everything, whatever a clock said"
    );
    assert!(!store.opt_out(&number, false, "operator", NOW.plus_ms(20)).await.unwrap());
    store.reserve(asked, look).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [false, true, false, true, false, false]);
}

async fn people_are_known_by_how_their_numbers_end_each_side_by_itself(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let to = |n, number: &str| Intent {
            all_or_none: true,
            ..intent(vec![Draft { to: number.into(), ..draft(n) }])
        };
        for (n, number) in
            [(1, "+33612345678"), (2, "+33612345678"), (3, "+49151345678"), (4, "+33612345679")]
        {
            take(&*store, to(n, number)).await;
        }
        store.settle(&draft(3).id, ended(State::Rejected, None)).await.unwrap();
        store.opt_out("+33612345678", true, "reply", NOW).await.unwrap();
        store.opt_out("+1345678", true, "reply", NOW).await.unwrap();
        let known = async |realm, since| {
            let found = store.known(vec!["345678".into(), "short".into()], realm, since).await.unwrap();
            found
                .into_iter()
                .map(|known| (known.number, known.is_recipient, known.is_recent, known.is_out))
                .collect::<Vec<_>>()
        };
        let only_out = ("+1345678".to_owned(), false, false, true);
        let live = [
            ("+33612345678".to_owned(), true, true, true),
            ("+49151345678".to_owned(), true, false, false),
            only_out.clone(),
        ];
        assert_eq!(known(Realm::Live, NOW).await, live, "the second was never sent to");
        let later = known(Realm::Live, NOW.plus_ms(1)).await;
        assert!(later.iter().all(|(_, _, is_recent, _)| !is_recent), "{later:?}");
        assert_eq!(
            known(Realm::Sandbox, NOW).await,
            [only_out, ("+33612345678".to_owned(), false, false, true)]
        );
    }
}

async fn a_stop_that_waits_and_one_of_another_number_of_the_phone_are_facts_of_a_send(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let pending = |sender: &str, ending: &str| NewPending {
            provider: "sandbox".into(),
            sender: sender.into(),
            ending: Some(ending.into()),
            meaning: Meaning::Stop,
            source: "reply".into(),
            at: NOW,
            is_said: true,
            people: Vec::new(),
        };
        store.pend(pending("0612345678", "345678")).await.unwrap();
        store.pend(pending("51234", "")).await.unwrap();
        store.pend(NewPending { meaning: Meaning::Start, ..pending("0699999999", "999999") }).await.unwrap();
        store.opt_out("+541123456789", true, "reply", NOW).await.unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let look: Decide = Arc::new(move |_, facts| {
            notes.lock().unwrap().push((facts.is_stop_pending, facts.is_opted_out));
            Ok(Verdict::Now)
        });
        let numbers =
            ["+33612345678", "+33622345678", "+50051234", "+33699999999", "+5491123456789", "+5491123456788"];
        for number in numbers {
            store
                .reserve(
                    Intent { preview: true, ..intent(vec![Draft { to: number.into(), ..draft(1) }]) },
                    Arc::clone(&look),
                )
                .await
                .unwrap();
        }
        let facts =
            [(true, false), (false, false), (true, false), (false, false), (false, true), (false, false)];
        assert_eq!(*seen.lock().unwrap(), facts, "{numbers:?}");
    }
}

fn event(forward: &Forward) -> Value {
    serde_json::from_str(&forward.body).unwrap()
}

async fn every_change_of_a_forwarded_message_is_told_with_it_and_nothing_of_its_text(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let forwarded = |intent| Intent { forward: true, ..intent };
        take(&*store, forwarded(queued(1, 5))).await;
        store.claim(claim(4)).await.unwrap();
        store.settle(&draft(1).id, ended(State::Sent, Some(70))).await.unwrap();
        store.record_receipt(priced(State::Delivered, 60), NOW).await.unwrap();
        store
            .settle(
                &draft(2).id,
                Settlement { why: Some("bad number".into()), ..ended(State::Rejected, None) },
            )
            .await
            .unwrap();
        store.settle(&draft(3).id, lost()).await.unwrap();
        store.unclaim(returned([4])).await.unwrap();
        store.opt_out(&draft(4).to, true, "reply", NOW).await.unwrap();
        store.cancel("alice", &sms_mcp::sms::message::BatchId::new(NOW.as_millis(), 1), NOW).await.unwrap();
        take(&*store, intent(vec![draft(9)])).await;
        store.settle(&draft(9).id, lost()).await.unwrap();
        store.close().await.unwrap();
        let store = place.open();
        let told = store.claim_forwards(99, NOW, NOW.plus_ms(60_000)).await.unwrap();
        let of = |forward: &Forward| {
            let event = event(forward);
            (
                event["type"].as_str().unwrap().to_owned(),
                event["data"]["id"].as_str().unwrap().to_owned(),
                event["data"]["code"].clone(),
            )
        };
        let expected = [
            ("message.sent", 1, Value::Null),
            ("message.delivered", 1, Value::Null),
            ("message.failed", 2, json!("provider_rejected")),
            ("message.unknown", 3, json!("outcome_unknown")),
            ("message.failed", 4, json!("opted_out")),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(name, n, code)| (name.to_owned(), draft(n).id.to_string(), code))
            .collect();
        assert_eq!(told.iter().map(of).collect::<Vec<_>>(), expected);
        let id = draft(1).id.to_string();
        assert_eq!(
            event(&told[1]),
            json!({ "type": "message.delivered", "timestamp": NOW.plus_ms(9).rfc3339(), "data": {
                "id": id, "status": "delivered", "principal": "alice", "to": draft(1).to, "segments": 1,
                    "provider": "sandbox",
                "price": { "amount": "0.00006", "currency": "USD" }, "provider_message_id": "v-1",
                "batch": sms_mcp::sms::message::BatchId::new(NOW.as_millis(), 1) } })
        );
        assert_eq!(event(&told[2])["data"]["reason"], "bad number");
        assert_eq!(told[1].id, format!("evt_{}_delivered", id.strip_prefix("msg_").unwrap()));
        assert!(told.iter().all(|forward| !forward.body.contains("text ")), "no text");
    }
}

async fn what_comes_after_an_event_of_the_same_message_waits_for_it(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, Intent { forward: true, ..queued(1, 2) }).await;
        for (n, message) in (1..).zip(store.claim(claim(2)).await.unwrap().messages) {
            let settlement = Settlement { vendor_id: Some(format!("v-{n}")), ..ended(State::Sent, None) };
            store.settle(&message.id, settlement).await.unwrap();
        }
        let at = |ms| NOW.plus_ms(ms);
        let sent = store.claim_forwards(9, NOW, at(30_000)).await.unwrap();
        assert_eq!(sent.len(), 2);
        // One is told, and the other has to wait.
        store.forwarded(sent[0].sequence, None).await.unwrap();
        store.forwarded(sent[1].sequence, Some(at(600_000))).await.unwrap();
        for n in [1, 2] {
            let report = Report { vendor_id: format!("v-{n}"), ..priced(State::Delivered, 60) };
            store.record_receipt(report, NOW).await.unwrap();
        }
        let told = |events: &[Forward]| {
            events.iter().map(|it| it.id.rsplit_once('_').unwrap().1.to_owned()).collect::<Vec<_>>()
        };
        let next = store.claim_forwards(9, at(1_000), at(31_000)).await.unwrap();
        assert_eq!(told(&next), ["delivered"], "of the message whose first event was told");
        assert!(
            store
                .claim_forwards(9, at(599_999), at(630_000))
                .await
                .unwrap()
                .iter()
                .all(|it| it.sequence == next[0].sequence)
        );
        store.forwarded(next[0].sequence, None).await.unwrap();
        assert_eq!(told(&store.claim_forwards(9, at(600_000), at(630_000)).await.unwrap()), ["sent"]);
        assert!(store.claim_forwards(9, at(600_001), at(630_001)).await.unwrap().is_empty());
        // It is told, and what waited for it waits no longer.
        store.forwarded(sent[1].sequence, None).await.unwrap();
        assert_eq!(told(&store.claim_forwards(9, at(600_002), at(630_002)).await.unwrap()), ["delivered"]);
    }
}

async fn what_is_due_again_comes_before_what_came_after_it_however_few_are_taken(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, Intent { forward: true, ..queued(1, 1) }).await;
        store.claim(claim(1)).await.unwrap();
        store.settle(&draft(1).id, ended(State::Sent, None)).await.unwrap();
        let sent = store.claim_forwards(9, NOW, NOW.plus_ms(30_000)).await.unwrap();
        store.forwarded(sent[0].sequence, Some(NOW.plus_ms(5_000))).await.unwrap();
        store.record_receipt(priced(State::Delivered, 60), NOW).await.unwrap();
        let next = store.claim_forwards(1, NOW.plus_ms(6_000), NOW.plus_ms(36_000)).await.unwrap();
        assert_eq!(next.iter().map(|it| it.sequence).collect::<Vec<_>>(), [sent[0].sequence]);
    }
}

async fn what_is_to_be_told_is_told_by_one_process_and_again_until_it_was_told(backend: Backend) {
    for place in backend.places() {
        let (store, other) = (place.open(), place.open());
        take(&*store, Intent { forward: true, ..queued(1, 2) }).await;
        for message in store.claim(claim(2)).await.unwrap().messages {
            store.settle(&message.id, ended(State::Sent, None)).await.unwrap();
        }
        let mut heard = reply("r-1", 1, NOW.plus_ms(7));
        heard.forward = true;
        store.record_reply(heard.clone(), NOW).await.unwrap();
        store.record_reply(heard, NOW).await.unwrap();
        let again = NOW.plus_ms(60_000);
        let first = store.claim_forwards(2, NOW, again).await.unwrap();
        let second = other.claim_forwards(9, NOW, again).await.unwrap();
        assert_eq!((first.len(), second.len()), (2, 1), "each once, and the reply once");
        assert_eq!(
            event(&second[0]),
            json!({ "type": "message.replied", "timestamp": NOW.plus_ms(7).rfc3339(), "data": {
                "from": draft(1).to, "to": "SENDER", "text": "re r-1", "provider": "sandbox", "in_reply_to": draft(1).id } })
        );
        store.forwarded(first[0].sequence, None).await.unwrap();
        store.forwarded(first[1].sequence, Some(NOW.plus_ms(5_000))).await.unwrap();
        drop(other); // It died while it told the reply.
        assert!(store.claim_forwards(9, NOW.plus_ms(4_999), again).await.unwrap().is_empty());
        let retried = store.claim_forwards(9, NOW.plus_ms(5_000), again).await.unwrap();
        assert_eq!(
            (retried.len(), retried[0].id == first[1].id, first[1].tries, retried[0].tries),
            (1, true, 1, 2)
        );
        let rest = store.claim_forwards(9, again, again.plus_ms(1)).await.unwrap();
        assert_eq!(rest.len(), 2);
        for forward in &rest {
            store.forwarded(forward.sequence, None).await.unwrap();
            store.forwarded(forward.sequence, None).await.unwrap();
        }
        assert!(store.claim_forwards(9, NOW.plus_ms(DAY_MS), again).await.unwrap().is_empty());
    }
}

async fn a_key_is_made_once_for_all_processes(backend: Backend) {
    for place in backend.places() {
        let (store, other) = (place.open(), place.open());
        assert_eq!(store.key("a", [1; 32]).await.unwrap(), [1; 32]);
        assert_eq!(other.key("a", [2; 32]).await.unwrap(), [1; 32]);
        assert_eq!(other.key("b", [3; 32]).await.unwrap(), [3; 32]);
        store.close().await.unwrap();
        assert_eq!(place.open().key("a", [4; 32]).await.unwrap(), [1; 32]);
    }
}

#[tokio::test]
async fn a_ledger_of_the_first_version_is_brought_up_to_date_with_everything_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let old = rusqlite::Connection::open(&file).unwrap();
    old.execute_batch(include_str!("../../../src/ledger/migrations/0001_ledger.sql")).unwrap();
    old.execute_batch(&format!(
        "PRAGMA user_version = 1; PRAGMA application_id = {};
         INSERT INTO budget (key, scope, held_micros, messages) VALUES ('total:USD', 0, 200, 2);
         INSERT INTO message (id, principal, recipient, text, keep_text, digest, encoding, segments, state, \
         provider, created_ms, changed_ms,
                              held_micros, currency, budgets, owner, history)
         VALUES ('{queued}', 'alice', '+33199000001', 'text 1', 1, x'{zeros}', 'GSM-7', 1, 1, 'sandbox', \
         {now}, {now}, 100, 'USD', '1', NULL, '[1,{now}]'),
                ('{lost}', 'alice', '+33199000002', 'text 2', 1, x'{zeros}', 'GSM-7', 1, 9, 'sandbox', \
         {now}, {now}, 100, 'USD', '1', NULL, '[2,{now}],[9,{now}]');
         INSERT INTO early_receipt VALUES ('v-1', 'sandbox', 4, {now}, NULL, {now});",
        0x736d_736d,
        queued = draft(1).id,
        lost = draft(2).id,
        zeros = "00".repeat(16),
        now = NOW.as_millis(),
    ))
    .unwrap();
    drop(old);
    for opened in [1, 2] {
        drop(SqliteLedger::open(&file, NOW, [opened; 8]).unwrap());
    }
    let store = SqliteLedger::open(&file, NOW, [3; 8]).unwrap();
    let claimed = store.claim(Claim { adopt: true, ..claim(9) }).await.unwrap();
    assert_eq!((claimed.messages.len(), claimed.messages[0].text.as_deref()), (1, Some("text 1")));
    store.settle(&draft(1).id, ended(State::Sent, Some(70))).await.unwrap();
    assert_eq!(state_of(&store, &draft(1).id).await, State::Delivered, "the early receipt was kept");
    assert_eq!(
        store.unknowns(Some(("sandbox", Realm::Live)), Timestamp(0), 9).await.unwrap()[0].id,
        draft(2).id
    );
    assert!(store.hint(ProviderName("sandbox"), VendorId("v-2"), Some(&draft(2).id), NOW).await.unwrap());
    assert_eq!(store.claim_looks(look("sandbox", 9, NOW)).await.unwrap().len(), 1);
    assert_eq!(money(&store).await, (100, 70));
    assert!(store.claim_forwards(9, NOW, NOW).await.unwrap().is_empty(), "nothing old is told");
    take(&store, intent(vec![draft(3)])).await;
}

on_every_backend! {
    a_report_speaks_of_its_recipient_or_of_all_that_share_the_id,
    early_reports_wait_for_their_recipient_and_those_about_all_for_the_last_one,
    an_early_report_names_the_price_of_what_it_comes_before,
    a_price_that_comes_later_corrects_what_was_posted_and_a_higher_one_freezes,
    a_price_of_what_was_never_paid_for_changes_nothing,
    an_unknown_outcome_that_a_hint_gave_an_id_is_settled_by_a_report,
    an_answer_that_comes_after_the_report_still_names_the_price,
    looks_are_due_less_and_less_often_until_the_end_or_three_days,
    the_longest_due_is_looked_up_first_and_a_restart_forgets_none,
    one_question_stands_for_all_messages_of_a_request_and_counts_once,
    a_hint_finds_a_message_by_either_id_and_proves_nothing,
    a_hint_to_one_of_a_request_names_the_id_that_the_others_have_and_what_was_said_of_it_before,
    a_reply_is_recorded_once_with_the_latest_message_before_it_that_may_have_arrived,
    a_question_is_counted_like_a_send_and_only_where_the_rate_has_room_for_it,
    the_texts_that_a_report_speaks_of_are_found_by_its_id_unless_one_was_erased,
    of_what_one_sender_writes_within_an_hour_no_more_is_shown_than_anybody_types,
    who_wants_no_more_is_a_fact_and_what_is_queued_for_them_does_not_go,
    people_are_known_by_how_their_numbers_end_each_side_by_itself,
    a_stop_that_waits_and_one_of_another_number_of_the_phone_are_facts_of_a_send,
    every_change_of_a_forwarded_message_is_told_with_it_and_nothing_of_its_text,
    what_comes_after_an_event_of_the_same_message_waits_for_it,
    what_is_due_again_comes_before_what_came_after_it_however_few_are_taken,
    what_is_to_be_told_is_told_by_one_process_and_again_until_it_was_told,
    a_key_is_made_once_for_all_processes,
}
