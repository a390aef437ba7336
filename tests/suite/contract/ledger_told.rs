//! What every ledger must keep of what carriers tell over kept connections: what may be told again, which
//! wish was the later one, and which receipts are about nothing.

use sms_mcp::clock::Timestamp;
use sms_mcp::ledger::told::{EARLY_MS, MOST_TOLD, TOLD_AGAIN_MS, Unmatched};
use sms_mcp::ledger::{E164, Ledger, NewReply, ProviderName, Report};
use sms_mcp::sms::message::{MessageId, State};

use super::ledger::{Backend, NOW, draft, ended, intent, on_every_backend, take};

async fn keep(store: &dyn Ledger, texts: &[(&str, i64)], now: Timestamp) {
    let texts = texts.iter().map(|(content, ms)| ((*content).to_owned(), NOW.plus_ms(*ms))).collect();
    store.keep_told("sandbox", texts, now).await.unwrap();
}

fn reply(vendor_id: &str, content: Option<&str>, at: Timestamp) -> NewReply {
    NewReply {
        is_help: false,
        provider: "sandbox".into(),
        vendor_id: vendor_id.into(),
        from: "+33199000001".into(),
        is_unsettled: false,
        to: "36179".into(),
        text: "Y".into(),
        at,
        forward: false,
        content: content.map(ToOwned::to_owned),
        is_whole: true,
    }
}

async fn when_a_text_was_told_first_is_kept_for_every_process_until_it_is_acknowledged(backend: Backend) {
    for place in backend.places() {
        let (one, other) = (place.open(), place.open());
        keep(&*one, &[("a", 5), ("b", 6), ("c", 7)], NOW).await;
        keep(&*one, &[("a", 900)], NOW.plus_ms(900)).await;
        assert_eq!(
            other.first_told("sandbox", "a").await.unwrap(),
            Some(NOW.plus_ms(5)),
            "the first time stays"
        );
        assert_eq!(other.first_told("another", "a").await.unwrap(), None, "another provider's");
        other.record_reply(reply("a-1", Some("a"), NOW), NOW).await.unwrap();
        assert_eq!(one.first_told("sandbox", "a").await.unwrap(), None, "it was taken");
        other.record_reply(reply("b-1", None, NOW), NOW).await.unwrap();
        assert_eq!(one.first_told("sandbox", "b").await.unwrap(), Some(NOW.plus_ms(6)));
        one.forget_told("sandbox", "b").await.unwrap();
        assert_eq!(other.first_told("sandbox", "b").await.unwrap(), None);
        what_another_process_took_is_told_no_more(&*one, &*other).await;
    }
}

async fn what_another_process_took_is_told_no_more(one: &dyn Ledger, other: &dyn Ledger) {
    other.record_reply(reply("e-9", Some("e"), NOW.plus_ms(9)), NOW).await.unwrap();
    keep(one, &[("e", 5)], NOW).await;
    keep(other, &[("e", 9)], NOW).await;
    assert_eq!(
        one.first_told("sandbox", "e").await.unwrap(),
        Some(NOW.plus_ms(9)),
        "whoever took it may not have been heard"
    );
    other.forget_told("sandbox", "e").await.unwrap();
    keep(one, &[("e", 5)], NOW).await;
    assert_eq!(one.first_told("sandbox", "e").await.unwrap(), None, "another process took it meanwhile");
    keep(one, &[("d", TOLD_AGAIN_MS + 8)], NOW.plus_ms(TOLD_AGAIN_MS + 8)).await;
    assert_eq!(one.first_told("sandbox", "c").await.unwrap(), None, "nobody tells it again after that time");
}

async fn what_is_kept_of_what_may_be_told_again_is_bounded_and_the_oldest_is_forgotten(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let text = |n: u32| (format!("c{n}"), NOW.plus_ms(i64::from(n)));
        store.keep_told("sandbox", (0..MOST_TOLD + 10).map(text).collect(), NOW).await.unwrap();
        assert_eq!(store.first_told("sandbox", "c9").await.unwrap(), None);
        assert_eq!(store.first_told("sandbox", "c10").await.unwrap(), Some(NOW.plus_ms(10)));
    }
}

async fn what_a_process_recorded_that_died_is_taken_over_by_its_content_once_and_what_others_recorded_is_not(
    backend: Backend,
) {
    for place in backend.places() {
        let (store, other) = (place.open(), place.open());
        for (id, ms) in [("abc-1", 1), ("abc-2", 20), ("abcd-3", 30), ("abb-4", 40), ("abc", 50)] {
            store.record_reply(reply(id, None, NOW.plus_ms(ms)), NOW).await.unwrap();
        }
        assert_eq!(
            other.adopt_reply("sandbox", "abc", NOW).await.unwrap(),
            None,
            "it lives, and knows what it acknowledged"
        );
        drop(store);
        other.recover(NOW, None).await.unwrap();
        assert_eq!(other.adopt_reply("sandbox", "abc", NOW.plus_ms(21)).await.unwrap(), None);
        assert_eq!(other.adopt_reply("another", "abc", NOW).await.unwrap(), None);
        assert_eq!(
            other.adopt_reply("sandbox", "abc", NOW).await.unwrap(),
            Some(NOW.plus_ms(20)),
            "the latest"
        );
        assert_eq!(other.adopt_reply("sandbox", "abc", NOW).await.unwrap(), Some(NOW.plus_ms(1)));
        assert_eq!(other.adopt_reply("sandbox", "abc", NOW).await.unwrap(), None, "each is told again once");
        other.record_reply(reply("abc-60", None, NOW.plus_ms(60)), NOW).await.unwrap();
        other.close().await.unwrap();
        assert_eq!(
            place.open().adopt_reply("sandbox", "abc", NOW).await.unwrap(),
            None,
            "it left in good order"
        );
    }
}

async fn what_another_process_recorded_is_known_by_its_content_until_that_one_leaves_in_good_order(
    backend: Backend,
) {
    for place in backend.places() {
        let (one, other) = (place.open(), place.open());
        one.record_reply(reply("abc-20", None, NOW.plus_ms(20)), NOW).await.unwrap();
        let is_elsewhere = async |store: &dyn Ledger, content: &str, ms: i64| {
            store.is_recorded_elsewhere("sandbox", content, NOW.plus_ms(ms)).await
        };
        assert!(is_elsewhere(&*other, "abc", 20).await.unwrap());
        assert!(
            !is_elsewhere(&*other, "abc", 21).await.unwrap()
                && !is_elsewhere(&*other, "ab", 0).await.unwrap()
        );
        assert!(!other.is_recorded_elsewhere("another", "abc", NOW).await.unwrap());
        assert!(!is_elsewhere(&*one, "abc", 0).await.unwrap(), "it knows what it acknowledged");
        one.close().await.unwrap();
        assert!(!is_elsewhere(&*other, "abc", 0).await.unwrap(), "what was not heard is kept by then");
    }
}

async fn the_latest_start_of_a_person_is_known_for_the_provider_that_it_came_through(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let since = async |number: &str, ms: i64| {
            store.has_started_since(ProviderName("sandbox"), E164(number), NOW.plus_ms(ms)).await.unwrap()
        };
        assert!(!since("+331", 0).await);
        for ms in [10, 5] {
            store.note_start(ProviderName("sandbox"), E164("+331"), NOW.plus_ms(ms)).await.unwrap();
        }
        assert!(since("+331", 9).await && !since("+331", 10).await && !since("+332", 0).await);
        assert!(!store.has_started_since(ProviderName("another"), E164("+331"), NOW).await.unwrap());
        store
            .note_start(ProviderName("sandbox"), E164("+332"), NOW.plus_ms(TOLD_AGAIN_MS + 11))
            .await
            .unwrap();
        assert!(
            since("+331", 0).await && since("+332", 0).await,
            "kept, for a vendor may list an old STOP for ever"
        );
        assert_eq!(store.out_since("+331").await.unwrap(), None);
        store.opt_out("+331", true, "reply", NOW.plus_ms(3)).await.unwrap();
        assert_eq!(store.out_since("+331").await.unwrap(), Some(NOW.plus_ms(3)));
    }
}

async fn when_a_process_was_last_found_dead_is_known_to_every_other(backend: Backend) {
    for place in backend.places() {
        let (dying, living, other) = (place.open(), place.open(), place.open());
        living.recover(NOW, None).await.unwrap();
        assert_eq!(other.last_death().await.unwrap(), None);
        drop(dying); // Its lock goes with it, as at a kill.
        living.recover(NOW.plus_ms(7), None).await.unwrap();
        living.recover(NOW.plus_ms(9), None).await.unwrap();
        assert_eq!(other.last_death().await.unwrap(), Some(NOW.plus_ms(7)));
        living.close().await.unwrap();
        other.recover(NOW.plus_ms(20), None).await.unwrap();
        assert_eq!(
            other.last_death().await.unwrap(),
            Some(NOW.plus_ms(7)),
            "one that left in good order is not dead"
        );
    }
}

async fn a_message_is_found_for_its_provider_whoever_sent_it(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        assert_eq!(store.find(&draft(1).id).await.unwrap().unwrap().state, State::Attempting);
        assert!(store.find(&MessageId::new(1, 2)).await.unwrap().is_none());
    }
}

async fn receipts_that_match_no_message_are_counted_once_they_are_no_longer_early(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let report = |vendor_id: &str, provider: &str| {
            let (provider, vendor_id) = (provider.into(), vendor_id.into());
            Report {
                provider,
                vendor_id,
                to: None,
                state: State::Delivered,
                at: NOW,
                why: None,
                price_micros: None,
            }
        };
        take(&*store, intent(vec![draft(1), draft(2)])).await;
        store.settle(&draft(1).id, ended(State::Sent, None)).await.unwrap();
        // One that does match, though another attempt may yet get its id: it is kept, and does not count.
        store.record_receipt(report("v-1", "sandbox"), NOW).await.unwrap();
        store.record_receipt(report("v-1", "sandbox"), NOW).await.unwrap();
        for (id, provider) in [("31", "sandbox"), ("32", "sandbox"), ("32", "sandbox"), ("33", "another")] {
            store
                .record_receipt(report(id, provider), NOW.plus_ms(if id == "31" { 0 } else { 5 }))
                .await
                .unwrap();
        }
        let unmatched = async |ms: i64| store.unmatched("sandbox", NOW.plus_ms(ms)).await.unwrap();
        assert_eq!(unmatched(EARLY_MS - 1).await, Unmatched::default(), "the answer may still come");
        assert_eq!(unmatched(EARLY_MS).await.count, 1);
        let expected = Unmatched { count: 2, receipt: Some("32".to_owned()), answer: Some("v-1".to_owned()) };
        assert_eq!(unmatched(EARLY_MS + 5).await, expected);
        assert_eq!(unmatched(25 * 3_600_000).await.count, 0, "of the last day");
        // The answer comes after all.
        let mut late = ended(State::Sent, None);
        late.vendor_id = Some("31".to_owned());
        store.settle(&draft(2).id, late).await.unwrap();
        assert_eq!(store.find(&draft(2).id).await.unwrap().unwrap().state, State::Delivered);
        assert_eq!(unmatched(EARLY_MS + 5).await.count, 1);
    }
}

on_every_backend! {
    when_a_text_was_told_first_is_kept_for_every_process_until_it_is_acknowledged,
    what_is_kept_of_what_may_be_told_again_is_bounded_and_the_oldest_is_forgotten,
    what_a_process_recorded_that_died_is_taken_over_by_its_content_once_and_what_others_recorded_is_not,
    what_another_process_recorded_is_known_by_its_content_until_that_one_leaves_in_good_order,
    the_latest_start_of_a_person_is_known_for_the_provider_that_it_came_through,
    when_a_process_was_last_found_dead_is_known_to_every_other,
    a_message_is_found_for_its_provider_whoever_sent_it,
    receipts_that_match_no_message_are_counted_once_they_are_no_longer_early,
}
