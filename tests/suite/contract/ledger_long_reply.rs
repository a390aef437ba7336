//! What every ledger must do with what people write in several segments, and how much it keeps of what may
//! never come.

use sms_mcp::clock::Timestamp;
use sms_mcp::ledger::long_reply::{
    DOUBT_MS, LongReply, LongReplyClaim, MOST_EARLY_RECEIPTS, MOST_LONG_REPLIES, MOST_OCTETS, MOST_OF_SENDER,
    NewReplySegment, Tallies,
};
use sms_mcp::ledger::{Ledger, NewReply, Report, Settlement};
use sms_mcp::sms::caller_id::Sender;
use sms_mcp::sms::message::State;

use super::ledger::{Backend, NOW, draft, ended, intent, on_every_backend, state_of, take};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

fn segment(number: u8, total: u8, text: &str) -> NewReplySegment {
    NewReplySegment {
        provider: "carrier".into(),
        from: Sender::E164("+33199000001".into()),
        to: "36179".into(),
        reference: 7,
        total,
        number,
        coding: 8,
        octets: text.as_bytes().to_vec(),
        vendor_id: String::new(),
        at: NOW,
        content: None,
        is_doubtful: false,
    }
}

/// The carrier may be telling it again.
fn perhaps_again(segment: NewReplySegment) -> NewReplySegment {
    NewReplySegment { is_doubtful: true, ..segment }
}

/// Told by a carrier that says which is which.
fn named(id: &str, segment: NewReplySegment) -> NewReplySegment {
    NewReplySegment { vendor_id: id.into(), ..segment }
}

/// What a text says, with a dot for each gap.
fn words(reply: &LongReply) -> String {
    let at = |number| reply.segments.iter().find(|segment| segment.number == number);
    (1..=reply.total)
        .map(|number| {
            at(number).map_or(".".to_owned(), |segment| String::from_utf8_lossy(&segment.octets).into_owned())
        })
        .collect()
}

/// Records a segment at a time: the text that it made whole, which is noted as told.
async fn hear_at(store: &dyn Ledger, now: Timestamp, segment: NewReplySegment) -> Option<String> {
    let taken = store.take_segment(segment, now, now.plus_ms(MINUTE_MS)).await.unwrap();
    let whole = taken.whole?;
    assert!(whole.is_whole());
    store.long_reply_told(whole.sequence, now).await.unwrap();
    Some(words(&whole))
}

async fn hear(store: &dyn Ledger, segment: NewReplySegment) -> Option<String> {
    hear_at(store, NOW, segment).await
}

async fn claim(store: &dyn Ledger, late: Timestamp, now: Timestamp) -> Vec<LongReply> {
    let claim =
        LongReplyClaim { provider: "carrier".into(), late, limit: 2_000, now, again: now.plus_ms(MINUTE_MS) };
    store.claim_long_replies(claim).await.unwrap()
}

/// What is told of texts that began until then, with a dot for each gap.
async fn late(store: &dyn Ledger, late: Timestamp) -> Vec<String> {
    let mut told = Vec::new();
    for reply in claim(store, late, late.plus_ms(5 * MINUTE_MS)).await {
        assert!(!reply.is_whole());
        told.push(words(&reply));
        store.long_reply_told(reply.sequence, late).await.unwrap();
    }
    told
}

async fn a_text_is_joined_by_whichever_process_records_its_last_segment_and_across_a_restart(
    backend: Backend,
) {
    for place in backend.places() {
        let (first, second) = (place.open(), place.open());
        assert_eq!(hear(&*first, segment(3, 3, "c")).await, None);
        assert_eq!(hear(&*second, segment(1, 3, "a")).await, None);
        first.close().await.unwrap();
        drop(second); // It was killed.
        let third = place.open();
        let told_first = NewReplySegment { at: NOW.plus_ms(-9), ..segment(2, 3, "b") };
        let whole = third.take_segment(told_first, NOW, NOW).await.unwrap().whole.unwrap();
        assert_eq!((words(&whole).as_str(), whole.at, whole.to.as_str()), ("abc", NOW.plus_ms(-9), "36179"));
        assert!(whole.from == Sender::E164("+33199000001".into()));
    }
}

async fn segments_of_other_texts_are_not_mixed_in(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        hear(&*store, segment(1, 2, "a")).await;
        let others = [
            NewReplySegment { from: Sender::E164("+33199000002".into()), ..segment(2, 2, "b") },
            NewReplySegment { from: Sender::AsWritten("+33199000001".into()), ..segment(2, 2, "b") },
            NewReplySegment {
                from: Sender::InRegion("+33199000001".into(), "CN".parse().unwrap()),
                ..segment(2, 2, "b")
            },
            NewReplySegment { to: "36180".into(), ..segment(2, 2, "b") },
            NewReplySegment { reference: 8, ..segment(2, 2, "b") },
            NewReplySegment { provider: "another".into(), ..segment(2, 2, "b") },
            segment(2, 3, "b"),
        ];
        for other in others {
            assert_eq!(hear(&*store, other).await, None);
        }
        assert_eq!(hear(&*store, segment(2, 2, "b")).await.as_deref(), Some("ab"));
    }
}

async fn what_a_carrier_tells_again_is_told_once(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        // Before the text is whole, and after it was told.
        hear(&*store, segment(1, 2, "a")).await;
        hear(&*store, perhaps_again(segment(1, 2, "a"))).await;
        hear(&*store, perhaps_again(segment(1, 2, "a"))).await;
        assert_eq!(hear(&*store, segment(2, 2, "b")).await.as_deref(), Some("ab"));
        for now in [NOW, NOW.plus_ms(DAY_MS)] {
            for again in [segment(2, 2, "b"), segment(1, 2, "a"), segment(2, 2, "b"), segment(2, 2, "b")] {
                assert_eq!(hear_at(&*store, now, perhaps_again(again)).await, None);
            }
            assert!(late(&*store, now).await.is_empty(), "nothing of it says anything else");
        }
        // Later than any carrier tells anything again it is another text.
        let long_after = NOW.plus_ms(30 * DAY_MS);
        let other = |number, text| NewReplySegment { reference: 8, ..segment(number, 2, text) };
        hear_at(&*store, long_after, other(1, "x")).await;
        hear_at(&*store, long_after, other(2, "y")).await;
        hear_at(&*store, long_after, perhaps_again(segment(1, 2, "a"))).await;
        assert_eq!(
            hear_at(&*store, long_after, perhaps_again(segment(2, 2, "b"))).await.as_deref(),
            Some("ab")
        );
    }
}

async fn what_another_process_recorded_just_now_may_be_told_again_for_that_one_may_have_died(
    backend: Backend,
) {
    for place in backend.places() {
        let (died, store) = (place.open(), place.open());
        hear(&*died, segment(1, 2, "a")).await;
        assert_eq!(hear(&*store, segment(1, 2, "a")).await, None);
        assert_eq!(hear(&*store, segment(2, 2, "b")).await.as_deref(), Some("ab"));
        assert_eq!(hear(&*died, segment(2, 2, "b")).await, None);
        assert!(late(&*store, NOW).await.is_empty());
        // Long after, both are there, and whoever was acknowledged writes the same once more.
        let later = NOW.plus_ms(DOUBT_MS);
        assert_eq!(hear_at(&*died, later, segment(1, 2, "a")).await, None);
        assert_eq!(hear_at(&*store, later, segment(2, 2, "b")).await.as_deref(), Some("ab"));
    }
}

async fn what_was_kept_as_not_acknowledged_is_so_no_longer_once_it_is_recorded(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        store.keep_told("carrier", vec![("content".into(), NOW)], NOW).await.unwrap();
        assert_eq!(store.first_told("carrier", "content").await.unwrap(), Some(NOW));
        hear(&*store, NewReplySegment { content: Some("content".into()), ..segment(1, 2, "a") }).await;
        assert_eq!(store.first_told("carrier", "content").await.unwrap(), None);
    }
}

async fn a_number_that_is_used_again_begins_another_text_and_neither_loses_anything(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        // The second text says something else from its first segment on, and comes while the first waits.
        hear(&*store, segment(1, 2, "a")).await;
        hear(&*store, segment(1, 2, "x")).await;
        assert_eq!(
            hear(&*store, segment(2, 2, "y")).await.as_deref(),
            Some("xy"),
            "the latest is the one that is being told"
        );
        assert_eq!(hear(&*store, segment(2, 2, "b")).await.as_deref(), Some("ab"));
        // It begins as the one before, and that was told: it is new, or that is in doubt.
        assert_eq!(hear(&*store, segment(1, 2, "a")).await, None);
        assert_eq!(hear(&*store, segment(2, 2, "z")).await.as_deref(), Some("az"));
        assert_eq!(hear(&*store, perhaps_again(segment(1, 2, "a"))).await, None);
        assert_eq!(hear(&*store, segment(2, 2, "w")).await.as_deref(), Some("aw"));
        // It says the same from beginning to end.
        assert_eq!(hear(&*store, segment(1, 2, "a")).await, None);
        assert_eq!(hear(&*store, segment(2, 2, "w")).await.as_deref(), Some("aw"));
        two_that_begin_alike_are_both_told(&*store).await;
    }
}

async fn two_that_begin_alike_are_both_told(store: &dyn Ledger) {
    // Both begin alike, and the first still waits.
    hear(store, segment(1, 2, "k")).await;
    hear(store, segment(1, 2, "k")).await;
    let both = [hear(store, segment(2, 2, "l")).await, hear(store, segment(2, 2, "m")).await];
    assert_eq!(both, [Some("kl".to_owned()), Some("km".to_owned())]);
    assert!(late(store, NOW).await.is_empty());
}

async fn a_carriers_own_id_says_which_segment_is_the_same(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        hear(&*store, named("m-1", segment(1, 2, "a"))).await;
        assert_eq!(hear(&*store, named("m-2", segment(2, 2, "b"))).await.as_deref(), Some("ab"));
        for again in [named("m-1", segment(1, 2, "a")), named("m-2", segment(2, 2, "b"))] {
            assert_eq!(hear(&*store, again).await, None);
        }
        assert!(late(&*store, NOW).await.is_empty());
        hear(&*store, named("m-3", segment(1, 2, "a"))).await;
        assert_eq!(
            hear(&*store, named("m-4", segment(2, 2, "b"))).await.as_deref(),
            Some("ab"),
            "other ids, so another text"
        );
        // An id that was used twice says nothing about who wrote what.
        hear(&*store, named("m-1", segment(1, 2, "other"))).await;
        assert_eq!(
            hear(&*store, named("m-2", segment(2, 2, " words"))).await.as_deref(),
            Some("other words")
        );
    }
}

async fn a_text_that_does_not_become_whole_in_time_is_told_with_its_gap_and_what_comes_later_by_itself(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        hear(&*store, segment(1, 3, "I take ")).await;
        hear_at(&*store, NOW.plus_ms(MINUTE_MS), segment(3, 3, "not the red one")).await;
        assert!(claim(&*store, NOW.plus_ms(-1), NOW).await.is_empty(), "not before its time");
        assert_eq!(late(&*store, NOW).await, ["I take .not the red one"]);
        assert!(late(&*store, NOW).await.is_empty(), "once");
        let later = NOW.plus_ms(10 * MINUTE_MS);
        assert_eq!(hear_at(&*store, later, segment(2, 3, "the blue one, ")).await, None);
        assert_eq!(late(&*store, later).await, [".the blue one, ."], "nothing is lost");
        // Another text: it is whole.
        hear_at(&*store, later, segment(1, 3, "I take ")).await;
        hear_at(&*store, later, segment(3, 3, "not the red one")).await;
        let whole = hear_at(&*store, later, segment(2, 3, "the green one, ")).await;
        assert_eq!(whole.as_deref(), Some("I take the green one, not the red one"));
    }
}

async fn a_text_that_is_to_be_told_is_told_by_one_and_again_until_it_was_and_stays_as_it_is(
    backend: Backend,
) {
    for place in backend.places() {
        let (store, other) = (place.open(), place.open());
        let again = NOW.plus_ms(MINUTE_MS);
        hear(&*store, segment(1, 2, "a")).await;
        let whole = store.take_segment(segment(2, 2, "b"), NOW, again).await.unwrap().whole.unwrap();
        hear(&*store, NewReplySegment { reference: 8, ..segment(1, 2, "half") }).await;
        let half = claim(&*store, NOW, NOW).await;
        assert_eq!(half.iter().map(words).collect::<Vec<_>>(), ["half."], "the whole one is being told");
        assert!(claim(&*other, NOW, again.plus_ms(-1)).await.is_empty(), "both are");
        // Whoever was to tell them died. What comes now is no part of what is to be told.
        hear(&*other, NewReplySegment { reference: 8, ..segment(2, 2, " done") }).await;
        let told = claim(&*other, NOW.plus_ms(-1), again).await;
        assert_eq!(told.iter().map(words).collect::<Vec<_>>(), ["ab", "half."]);
        assert_eq!((told[0].id(), told[1].id()), (whole.id(), half[0].id()), "under the same id");
        assert_ne!(whole.id(), half[0].id());
        for reply in told {
            other.long_reply_told(reply.sequence, again).await.unwrap();
            other.long_reply_told(reply.sequence, again).await.unwrap();
        }
        assert!(claim(&*store, NOW.plus_ms(-1), NOW.plus_ms(DAY_MS)).await.is_empty());
        assert_eq!(late(&*store, NOW).await, [". done"]);
    }
}

async fn a_clock_that_was_ahead_keeps_no_text_back(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let ahead = NOW.plus_ms(30 * DAY_MS);
        hear_at(&*store, ahead, NewReplySegment { reference: 8, ..segment(1, 2, "half") }).await;
        for number in [1, 2] {
            store.take_segment(segment(number, 2, "x"), ahead, ahead.plus_ms(MINUTE_MS)).await.unwrap();
        }
        let told = claim(&*store, NOW.plus_ms(-5 * MINUTE_MS), NOW).await;
        assert_eq!(told.iter().map(words).collect::<Vec<_>>(), ["half.", "xx"]);
    }
}

async fn unfinished_texts_are_bounded_for_each_sender_and_in_all_and_the_oldest_is_told_as_it_is(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        let of = |sender: u32, reference: u16| NewReplySegment {
            from: Sender::E164(format!("+3319900{sender:04}")),
            reference,
            ..segment(1, 2, &format!("{sender}/{reference}"))
        };
        let mut cut_short = 0;
        for reference in 0..20 {
            let now = NOW.plus_ms(i64::from(reference));
            cut_short += store.take_segment(of(1, reference), now, now).await.unwrap().cut_short;
        }
        assert_eq!(cut_short, 20 - MOST_OF_SENDER);
        let told: Vec<String> =
            claim(&*store, Timestamp(0), NOW.plus_ms(99)).await.iter().map(words).collect();
        assert_eq!(
            told,
            (0..20 - MOST_OF_SENDER).map(|reference| format!("1/{reference}.")).collect::<Vec<_>>()
        );
        // Of many senders.
        let mut cut_short = 0;
        for sender in 2..2 + MOST_LONG_REPLIES {
            let now = NOW.plus_ms(i64::from(sender) + 100);
            cut_short += store.take_segment(of(sender, 1), now, now).await.unwrap().cut_short;
        }
        assert_eq!(cut_short, MOST_OF_SENDER);
        // And in octets.
        let big = NewReplySegment { octets: vec![b'x'; 60_000], ..of(5_000, 1) };
        let mut octets = 0;
        for reference in 0..80 {
            let big =
                NewReplySegment { from: Sender::E164(format!("+3318800{reference:04}")), ..big.clone() };
            store.take_segment(big, NOW.plus_ms(9_999), NOW).await.unwrap();
        }
        for reply in claim(&*store, NOW.plus_ms(DAY_MS), NOW.plus_ms(DAY_MS)).await {
            octets += i64::try_from(
                reply
                    .segments
                    .iter()
                    .map(|segment| segment.octets.len())
                    .filter(|octets| *octets == 60_000)
                    .sum::<usize>(),
            )
            .unwrap();
        }
        assert_eq!(octets, 80 * 60_000, "nothing is lost, whatever had to be told early");
        let tallies = store.tallies("carrier").await.unwrap();
        assert!(
            tallies.long_replies_cut_short >= 20 + u32::try_from((octets - MOST_OCTETS) / 60_000).unwrap(),
            "{tallies:?}"
        );
        assert_eq!(store.tallies("another").await.unwrap(), Tallies::default());
    }
}

async fn a_reply_with_gaps_is_marked_where_it_is_kept_and_where_it_is_told_onward(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        let reply = |n: u32, is_whole| NewReply {
            is_help: false,
            provider: "sandbox".into(),
            vendor_id: format!("r-{n}"),
            from: draft(1).to,
            is_unsettled: false,
            to: "36179".into(),
            text: "a [part 2 of 2 missing]".into(),
            is_whole,
            at: NOW.plus_ms(i64::from(n)),
            forward: true,
            content: None,
        };
        for (n, is_whole) in [(1, true), (2, false)] {
            store.record_reply(reply(n, is_whole), NOW).await.unwrap();
        }
        assert_eq!(
            crate::support::replies(&*store, &draft(1).id)
                .await
                .iter()
                .map(|reply| reply.is_whole)
                .collect::<Vec<_>>(),
            [true, false]
        );
        let told = store.claim_forwards(9, NOW.plus_ms(9), NOW.plus_ms(9)).await.unwrap();
        let marks = told.iter().map(|event| {
            serde_json::from_str::<serde_json::Value>(&event.body).unwrap()["data"]["is_whole"].clone()
        });
        assert_eq!(marks.collect::<Vec<_>>(), [serde_json::Value::Null, serde_json::Value::Bool(false)]);
    }
}

fn report(provider: &str, n: u32) -> Report {
    Report {
        provider: provider.into(),
        vendor_id: format!("v-{n}"),
        to: None,
        state: State::Delivered,
        at: NOW,
        why: None,
        price_micros: None,
    }
}

async fn receipts_that_wait_for_their_message_are_bounded_and_the_oldest_is_dropped(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1), draft(2)])).await;
        let waiting = async || store.tallies("sandbox").await.unwrap();
        for n in 0..2 {
            store.record_receipt(report("another", n), NOW.plus_ms(-1)).await.unwrap();
        }
        let (most, over) = (MOST_EARLY_RECEIPTS, 50);
        let flood: Vec<u32> = (0..most + over).collect();
        for some in flood.chunks(2_000) {
            let recorded =
                some.iter().map(|n| store.record_receipt(report("sandbox", *n), NOW.plus_ms(i64::from(*n))));
            futures::future::try_join_all(recorded).await.unwrap();
        }
        let tallies = waiting().await;
        assert_eq!((tallies.early_receipts, tallies.early_receipts_dropped), (most, over));
        assert_eq!(
            store.tallies("another").await.unwrap(),
            Tallies { early_receipts: 2, ..Tallies::default() },
            "another's flood is not theirs"
        );
        let settle = async |n: u32, id: u32| {
            store
                .settle(
                    &draft(n).id,
                    Settlement { vendor_id: Some(format!("v-{id}")), ..ended(State::Sent, None) },
                )
                .await
                .unwrap();
            state_of(&*store, &draft(n).id).await
        };
        assert_eq!(settle(1, over - 1).await, State::Sent, "the oldest were dropped");
        assert_eq!(settle(2, over).await, State::Delivered);
        assert_eq!(waiting().await.early_receipts, most - 1, "it waits no longer");
    }
}

on_every_backend! {
    a_text_is_joined_by_whichever_process_records_its_last_segment_and_across_a_restart,
    segments_of_other_texts_are_not_mixed_in,
    what_a_carrier_tells_again_is_told_once,
    what_another_process_recorded_just_now_may_be_told_again_for_that_one_may_have_died,
    what_was_kept_as_not_acknowledged_is_so_no_longer_once_it_is_recorded,
    a_number_that_is_used_again_begins_another_text_and_neither_loses_anything,
    a_carriers_own_id_says_which_segment_is_the_same,
    a_text_that_does_not_become_whole_in_time_is_told_with_its_gap_and_what_comes_later_by_itself,
    a_text_that_is_to_be_told_is_told_by_one_and_again_until_it_was_and_stays_as_it_is,
    a_clock_that_was_ahead_keeps_no_text_back,
    unfinished_texts_are_bounded_for_each_sender_and_in_all_and_the_oldest_is_told_as_it_is,
    a_reply_with_gaps_is_marked_where_it_is_kept_and_where_it_is_told_onward,
    receipts_that_wait_for_their_message_are_bounded_and_the_oldest_is_dropped,
}
