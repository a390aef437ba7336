//! A price that nobody told is marked until somebody tells it.

use serde_json::Value;
use sms_mcp::clock::Timestamp;
use sms_mcp::ledger::{Draft, Intent, Ledger, Report, Segment, Settlement};
use sms_mcp::sms::message::{MessageId, State};

use crate::contract::ledger::{Backend, HOLD, NOW, draft, ended, intent, on_every_backend, take};

async fn price(store: &dyn Ledger, id: &MessageId) -> (Option<i64>, bool) {
    let record = store.message("alice", id).await.unwrap().unwrap();
    (record.price_micros, record.is_assumed)
}

fn told(price: Option<i64>) -> Report {
    let state = State::Delivered;
    Report {
        provider: "sandbox".into(),
        vendor_id: "v-1".into(),
        to: None,
        state,
        at: NOW.plus_ms(9),
        why: None,
        price_micros: price,
    }
}

async fn attempt(store: &dyn Ledger, n: u32) -> MessageId {
    take(store, Intent { forward: true, ..intent(vec![Draft { is_assumed: true, ..draft(n) }]) }).await;
    draft(n).id
}

async fn an_assumed_price_is_marked_until_an_answer_or_a_report_tells_it_and_also_where_it_was_right(
    backend: Backend,
) {
    for (answer, report, expected) in [
        (None, None, (Some(HOLD), true)),
        (Some(70), None, (Some(70), false)),
        (None, Some(HOLD), (Some(HOLD), false)),
        (None, Some(70), (Some(70), false)),
        (Some(0), None, (Some(0), false)),
    ] {
        for place in backend.places() {
            let store = place.open();
            let id = attempt(&*store, 1).await;
            assert_eq!(price(&*store, &id).await, (None, true));
            store.settle(&id, ended(State::Sent, answer)).await.unwrap();
            assert_eq!(price(&*store, &id).await, (Some(answer.unwrap_or(HOLD)), answer.is_none()));
            store.record_receipt(told(report), NOW).await.unwrap();
            assert_eq!(price(&*store, &id).await, expected, "{answer:?} {report:?}");
            let events = store.claim_forwards(9, NOW.plus_ms(99), NOW.plus_ms(999)).await.unwrap();
            let event: Value = serde_json::from_str(&events[0].body).unwrap();
            let is_marked = event["data"]["price"].get("assumed").is_some_and(|mark| mark == true);
            assert_eq!(is_marked, answer.is_none(), "{event}");
        }
    }
}

async fn a_report_that_is_faster_than_its_answer_tells_the_price_as_well(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let id = attempt(&*store, 1).await;
        store.record_receipt(told(Some(HOLD)), NOW).await.unwrap();
        store.settle(&id, ended(State::Sent, None)).await.unwrap();
        assert_eq!(price(&*store, &id).await, (Some(HOLD), false));
    }
}

async fn the_share_of_an_assumed_price_is_assumed_and_what_a_lost_answer_holds_too(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let (part, lost) = (attempt(&*store, 1).await, attempt(&*store, 2).await);
        let segment = |number, state| Segment { number, state, vendor_id: None, at: Timestamp(9), why: None };
        let parts = vec![segment(1, State::Sent), segment(2, State::Rejected)];
        store.settle(&part, Settlement { parts, ..ended(State::Failed, None) }).await.unwrap();
        assert_eq!(price(&*store, &part).await, (Some(HOLD / 2), true));
        store.settle(&lost, ended(State::Unknown, None)).await.unwrap();
        assert_eq!(price(&*store, &lost).await, (None, true));
    }
}

on_every_backend! {
    an_assumed_price_is_marked_until_an_answer_or_a_report_tells_it_and_also_where_it_was_right,
    a_report_that_is_faster_than_its_answer_tells_the_price_as_well,
    the_share_of_an_assumed_price_is_assumed_and_what_a_lost_answer_holds_too,
}
