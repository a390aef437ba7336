//! What every ledger must do on the way out: rates of providers, requests that carry several messages, what
//! comes back to the queue, what goes on to another provider, and campaigns.

use std::sync::Arc;

use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::ledger::{
    Back, BaseSession, Claim, Claimed, Draft, Intent, Ledger, Pacing, Payer, ProviderName, ReplyPage, Report,
    VendorId,
};
use sms_mcp::sms::facts::{Limits, Scope};
use sms_mcp::sms::message::{BatchId, MessageId, State};

use super::ledger::{
    Backend, HOLD, NOW, budget, claim, draft, ended, intent, on_every_backend, payer, queued, state_of, take,
};

/// A bulk without limits of money: from each of these senders to each of these people.
fn bulk(first: u32, drafts: impl IntoIterator<Item = (Option<&'static str>, u32)>) -> Intent {
    let drafts = drafts.into_iter().zip(first..).map(|((from, person), n)| Draft {
        from: from.map(str::to_owned),
        to: format!("+3319900{person:04}"),
        hold_micros: 1,
        ..draft(n)
    });
    let payer = Payer { day: Limits::default(), session: Limits::default(), ..payer() };
    Intent { payer, drafts: drafts.collect(), ..queued(first, 1) }
}

fn many(first: u32, count: u32) -> Intent {
    bulk(first, (first..first + count).map(|person| (None, person)))
}

fn ids(claimed: &Claimed) -> Vec<MessageId> {
    claimed.messages.iter().map(|message| message.id.clone()).collect()
}

fn drafts(numbers: impl IntoIterator<Item = u32>) -> Vec<MessageId> {
    numbers.into_iter().map(|n| draft(n).id).collect()
}

fn returned(numbers: impl IntoIterator<Item = u32>) -> Vec<Back> {
    drafts(numbers).into_iter().map(|id| Back { id, rests_until: None }).collect()
}

fn rated(limit: u32, at: Timestamp, rate: Pacing) -> Claim {
    Claim { now: at, max_age_ms: i64::MAX / 2, rate, ..claim(limit) }
}

const A_MINUTE: Pacing = Pacing { per_second: None, per_minute: Some(10), per_day: None };

/// Claims with both processes in turn until `count` requests went, and says when each went. Where there is a
/// wait, it is exact: a millisecond earlier nothing goes.
async fn times_of(stores: [&dyn Ledger; 2], count: usize, rate: Pacing) -> Vec<i64> {
    let mut times = Vec::new();
    let mut at = NOW;
    let mut random = 7_u32;
    for turn in 0.. {
        let store = stores[turn % 2];
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let claimed = store.claim(rated(1 + random % 3, at, rate)).await.unwrap();
        times.extend(claimed.messages.iter().map(|_| at.as_millis()));
        if times.len() >= count {
            break;
        }
        match claimed.wait_ms {
            None => at = at.plus_ms(i64::from(random >> 8) % 900),
            Some(wait_ms) => {
                let wait_ms = i64::try_from(wait_ms).unwrap();
                let early = store.claim(rated(1, at.plus_ms(wait_ms - 1), rate)).await.unwrap();
                assert!(early.messages.is_empty() && early.wait_ms == Some(1), "{early:?}");
                at = at.plus_ms(wait_ms);
                let exact = store.claim(rated(1, at, rate)).await.unwrap();
                assert_eq!(exact.messages.len(), 1, "after {wait_ms} ms");
                times.push(at.as_millis());
            }
        }
    }
    times
}

async fn no_sixty_seconds_hold_more_requests_than_a_minutes_limit_with_two_processes_either(
    backend: Backend,
) {
    for place in backend.places() {
        let (first, second) = (place.open(), place.open());
        take(&*first, many(1, 200)).await;
        take(&*second, many(1_000, 200)).await;
        let rate = Pacing { per_second: Some(3), per_minute: Some(10), per_day: None };
        let times = times_of([&*first, &*second], 100, rate).await;
        for (index, time) in times.iter().enumerate() {
            let minute = times[..=index].iter().filter(|earlier| **earlier > time - 60_000).count();
            let second = times[..=index].iter().filter(|earlier| **earlier / 1_000 == time / 1_000).count();
            assert!(minute <= 10 && second <= 3, "{minute} in a minute, {second} in a second, at {index}");
        }
        let minutes = (times.last().unwrap() - times.first().unwrap()) / 1_000;
        assert!(minutes <= 10 * 61, "and no slower than it must be: {minutes} s");
    }
}

async fn a_days_limit_ends_at_midnight_and_stays_over_a_restart(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, many(1, 20)).await;
        let rate = Pacing { per_day: Some(12), ..Pacing::default() };
        assert_eq!(store.claim(rated(9, NOW, rate)).await.unwrap().messages.len(), 9);
        assert_eq!(store.claim(rated(9, NOW, rate)).await.unwrap().messages.len(), 3);
        store.close().await.unwrap();
        let store = place.open();
        let adopt = |at| Claim { adopt: true, ..rated(9, at, rate) };
        let full = store.claim(adopt(NOW)).await.unwrap();
        let midnight = NOW.plus_ms(i64::try_from(full.wait_ms.unwrap()).unwrap());
        assert_eq!((full.messages.len(), midnight.rfc3339().as_str()), (0, "2027-01-16T00:00:00.000Z"));
        assert_eq!(store.claim(adopt(midnight)).await.unwrap().messages.len(), 8);
        assert_eq!(
            store.claim(Claim { provider: "another".into(), ..adopt(midnight) }).await.unwrap().wait_ms,
            None,
            "each has its own"
        );
    }
}

async fn a_clock_that_was_set_back_blocks_a_rate_for_its_window_and_no_longer(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, many(1, 40)).await;
        assert_eq!(store.claim(rated(20, NOW, A_MINUTE)).await.unwrap().messages.len(), 10);
        let back = NOW.plus_ms(-300_000);
        let wait = store.claim(rated(20, back, A_MINUTE)).await.unwrap().wait_ms.unwrap();
        assert!((60_000..=61_000).contains(&wait), "what went counts as gone now, and no later: {wait}");
        let then = back.plus_ms(i64::try_from(wait).unwrap());
        assert_eq!(store.claim(rated(20, then, A_MINUTE)).await.unwrap().messages.len(), 10);
        // Two processes that read the clock in the other order than they write are no clock that was set
        // back.
        let wait = store.claim(rated(20, then.plus_ms(-1), A_MINUTE)).await.unwrap().wait_ms.unwrap();
        assert!(wait > 60_000, "{wait}");
    }
}

async fn one_request_carries_one_sender_and_each_person_once_and_nobody_is_overtaken(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, bulk(1, [(Some("A"), 1), (Some("A"), 2), (Some("B"), 3), (Some("A"), 4)])).await;
        take(&*store, bulk(11, [(Some("A"), 1), (Some("A"), 3), (Some("A"), 5), (Some("A"), 6)])).await;
        let joint = |limit| Claim { per_request: 4, ..claim(limit) };
        // Person 1 has one in this request, and person 3 a message of B's before that of A.
        assert_eq!(ids(&store.claim(joint(9)).await.unwrap()), drafts([1, 2, 4, 13]));
        assert_eq!(ids(&store.claim(joint(9)).await.unwrap()), drafts([3]));
        assert_eq!(ids(&store.claim(joint(2)).await.unwrap()), drafts([11, 12]));
        assert_eq!(ids(&store.claim(joint(9)).await.unwrap()), drafts([14]));
        assert!(store.claim(joint(9)).await.unwrap().messages.is_empty());
    }
}

async fn a_request_counts_once_however_many_it_carries_and_carries_many_where_requests_are_few(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, many(1, 200)).await;
        let rate = Pacing { per_minute: Some(2), ..Pacing::default() };
        let joint =
            |at: i64, per_second| Claim { per_request: 50, per_second, ..rated(90, NOW.plus_ms(at), rate) };
        assert_eq!(store.claim(joint(0, 1_000)).await.unwrap().messages.len(), 50);
        assert_eq!(store.claim(joint(0, 1_000)).await.unwrap().messages.len(), 50);
        assert_eq!(store.claim(joint(0, 1_000)).await.unwrap().wait_ms, Some(61_000));
        assert_eq!(
            store.claim(joint(61_000, 10)).await.unwrap().messages.len(),
            8,
            "the pace counts messages"
        );
        let wait = store.claim(joint(61_000, 10)).await.unwrap();
        assert_eq!((wait.messages.len(), wait.wait_ms), (0, Some(600)), "not a request for each message");
        assert_eq!(store.claim(joint(61_600, 10)).await.unwrap().messages.len(), 6);
    }
}

async fn single_sends_and_campaigns_count_against_the_rate_and_are_never_refused_by_it(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let rated_draft = |n| Draft { rated_requests: 1, hold_micros: 1, ..draft(n) };
        for n in 1..=9 {
            take(&*store, intent(vec![rated_draft(n)])).await;
        }
        take(&*store, intent(vec![draft(30)])).await;
        let campaign =
            Intent { is_campaign: true, drafts: (50..60).map(rated_draft).collect(), ..queued(50, 1) };
        take(&*store, campaign).await;
        take(&*store, many(100, 3)).await;
        let full = store.claim(rated(5, NOW, A_MINUTE)).await.unwrap();
        assert_eq!(
            (full.messages.len(), full.wait_ms),
            (0, Some(61_000)),
            "nine, and one for the whole campaign"
        );
        take(&*store, intent(vec![rated_draft(10)])).await;
        let later = store.claim(rated(5, NOW.plus_ms(61_000), A_MINUTE)).await.unwrap();
        assert_eq!(later.messages.len(), 3);
    }
}

async fn a_campaign_is_attempted_from_the_start_and_is_unknown_when_its_process_dies(backend: Backend) {
    for place in backend.places() {
        let (dying, living) = (place.open(), place.open());
        let campaign = Intent { is_campaign: true, keep_texts: false, ..queued(1, 3) };
        take(&*dying, campaign).await;
        assert_eq!(state_of(&*dying, &draft(2).id).await, State::Attempting);
        assert_eq!(
            living.message("alice", &draft(2).id).await.unwrap().unwrap().text,
            None,
            "it is never sent from the ledger"
        );
        assert!(dying.claim(claim(9)).await.unwrap().messages.is_empty(), "nothing is queued");
        let states: Vec<State> = crate::support::whole(&*living, &draft(2).id, ReplyPage::default())
            .await
            .history
            .into_iter()
            .map(|change| change.state)
            .collect();
        assert_eq!(states, [State::Attempting]);
        dying.settle(&draft(1).id, ended(State::Sent, None)).await.unwrap();
        dying.unclaim(returned([2])).await.unwrap();
        assert_eq!(state_of(&*dying, &draft(2).id).await, State::Attempting, "it never was in the queue");
        drop(dying);
        assert_eq!(living.recover(NOW, None).await.unwrap().unknown, 2);
        let batch = living.batch("alice", &BatchId::new(NOW.as_millis(), 1), 0).await.unwrap().unwrap();
        assert_eq!(batch.states, [(State::Sent, 1), (State::Unknown, 2)]);
        let session = budget(&*living, Scope::Session).await;
        assert_eq!((session.held_micros, session.spent_micros), (2 * HOLD, HOLD));
    }
}

async fn what_was_claimed_and_not_handed_over_is_queued_as_before(backend: Backend) {
    for place in backend.places() {
        let (store, other) = (place.open(), place.open());
        take(&*store, queued(1, 3)).await;
        take(&*store, intent(vec![draft(9)])).await;
        let later = |at| Claim { now: NOW.plus_ms(at), ..claim(2) };
        assert_eq!(ids(&store.claim(later(500)).await.unwrap()), drafts([1, 2]));
        store.settle(&draft(1).id, ended(State::Sent, None)).await.unwrap();
        other.unclaim(returned([2])).await.unwrap();
        assert_eq!(state_of(&*store, &draft(2).id).await, State::Attempting, "it is not the other's");
        store.unclaim(returned([1, 2, 3, 9, 77])).await.unwrap();
        let states = [State::Sent, State::Queued, State::Queued];
        for (n, state) in (1..).zip(states) {
            assert_eq!(state_of(&*store, &draft(n).id).await, state, "{n}");
        }
        assert_eq!(
            state_of(&*store, &draft(9).id).await,
            State::Attempting,
            "a single message is never queued"
        );
        let back = store.message("alice", &draft(2).id).await.unwrap().unwrap();
        assert_eq!((back.changed, back.held_micros, back.text.as_deref()), (NOW, HOLD, Some("text 2")));
        assert_eq!(budget(&*store, Scope::Session).await.held_micros, 3 * HOLD);
        what_came_back_goes_in_its_old_place(store, other).await;
    }
}

async fn what_came_back_goes_in_its_old_place(store: Arc<dyn Ledger>, other: Arc<dyn Ledger>) {
    let later = Claim { now: NOW.plus_ms(900), ..claim(2) };
    assert_eq!(ids(&store.claim(later.clone()).await.unwrap()), drafts([2, 3]), "in its old place");
    let history: Vec<(State, i64)> = crate::support::whole(&*store, &draft(2).id, ReplyPage::default())
        .await
        .history
        .into_iter()
        .map(|change| (change.state, change.at.as_millis() - NOW.as_millis()))
        .collect();
    assert_eq!(history, [(State::Queued, 0), (State::Attempting, 900)], "states only move forward");
    store.unclaim(returned([2, 3])).await.unwrap();
    drop(store);
    assert_eq!(other.recover(NOW, None).await.unwrap().released, 2, "it stays its owner's until that dies");
    assert_eq!(other.claim(Claim { adopt: true, ..later }).await.unwrap().messages.len(), 2);
}

async fn what_comes_back_to_the_queue_stays_back_for_whoever_opted_out_meanwhile_and_where_its_bulk_was_canceled(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 4)).await;
        assert_eq!(ids(&store.claim(claim(3)).await.unwrap()), drafts([1, 2, 3]));
        store.opt_out(&draft(1).to, true, "reply", NOW.plus_ms(5)).await.unwrap();
        store.unclaim(returned([1, 2])).await.unwrap();
        let out = store.message("alice", &draft(1).id).await.unwrap().unwrap();
        assert_eq!((out.state, out.code, out.held_micros), (State::Rejected, Some(ErrorKind::OptedOut), 0));
        assert_eq!(state_of(&*store, &draft(2).id).await, State::Queued);
        assert_eq!(
            store.cancel("alice", &BatchId::new(NOW.as_millis(), 1), NOW.plus_ms(9)).await.unwrap(),
            2,
            "the second and the fourth"
        );
        store.unclaim(returned([3])).await.unwrap();
        assert_eq!(state_of(&*store, &draft(3).id).await, State::Canceled);
        assert!(store.claim(Claim { now: NOW.plus_ms(999), ..claim(9) }).await.unwrap().messages.is_empty());
        let session = budget(&*store, Scope::Session).await;
        assert_eq!((session.held_micros, session.messages), (0, 0));
    }
}

async fn a_message_that_goes_on_to_another_provider_is_that_ones_from_then_on(backend: Backend) {
    for place in backend.places() {
        let (store, other) = (place.open(), place.open());
        take(&*store, intent(vec![draft(1)])).await;
        assert!(
            store.hint(ProviderName("sandbox"), VendorId("theirs"), Some(&draft(1).id), NOW).await.unwrap()
        );
        assert_eq!(
            other.hand_on(&draft(1).id, "second").await.unwrap_err().kind(),
            ErrorKind::LedgerUnavailable,
            "not the other's"
        );
        for provider in ["second", "second", "third"] {
            store.hand_on(&draft(1).id, provider).await.unwrap();
        }
        let record = store.message("alice", &draft(1).id).await.unwrap().unwrap();
        assert_eq!(
            (record.provider.as_str(), record.why.as_deref()),
            ("third", Some("first tried with sandbox"))
        );
        assert_eq!(
            (record.state, record.vendor_id),
            (State::Attempting, None),
            "what a hint named was the first one's"
        );
        store.settle(&draft(1).id, ended(State::Sent, None)).await.unwrap();
        let report = |provider: &str| Report {
            provider: provider.into(),
            vendor_id: "v-1".into(),
            to: None,
            state: State::Delivered,
            at: NOW,
            why: None,
            price_micros: None,
        };
        assert!(store.record_receipt(report("sandbox"), NOW).await.unwrap().is_empty());
        assert_eq!(store.record_receipt(report("third"), NOW).await.unwrap(), drafts([1]));
        assert!(store.hand_on(&draft(1).id, "fourth").await.is_err(), "it was taken");
    }
}

async fn a_bulk_without_rates_takes_as_many_as_before(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, many(1, 30)).await;
        assert_eq!(store.claim(claim(20)).await.unwrap().messages.len(), 20);
        let joint = Claim { per_request: 50, per_second: 10, ..claim(20) };
        assert_eq!(
            store.claim(Claim { now: NOW.plus_ms(100), ..joint.clone() }).await.unwrap().messages.len(),
            8
        );
        assert_eq!(
            store.claim(Claim { now: NOW.plus_ms(200), ..joint }).await.unwrap().messages.len(),
            1,
            "no rate: no waiting for more"
        );
    }
}

async fn the_answer_to_a_request_that_carried_several_settles_each_with_its_own_price(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 3)).await;
        assert_eq!(store.claim(Claim { per_request: 50, ..claim(9) }).await.unwrap().messages.len(), 3);
        let settle =
            async |n: u32, price| store.settle(&draft(n).id, ended(State::Sent, price)).await.unwrap();
        settle(1, Some(40)).await;
        settle(2, Some(60)).await;
        store.settle(&draft(3).id, ended(State::Rejected, None)).await.unwrap();
        let session = budget(&*store, Scope::Session).await;
        assert_eq!((session.held_micros, session.spent_micros, session.messages), (0, 100, 2));
    }
}

async fn a_claim_has_one_message_for_each_person_and_the_earliest(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, bulk(1, [1, 1, 2, 1, 3].map(|person| (None, person)))).await;
        for expected in [&[1, 3, 5][..], &[2], &[4], &[]] {
            assert_eq!(ids(&store.claim(claim(9)).await.unwrap()), drafts(expected.iter().copied()));
        }
    }
}

async fn what_rests_comes_behind_what_was_not_tried_and_before_what_is_later_for_the_same_person(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 4)).await;
        // A later one to the first person.
        let again = Draft { to: draft(1).to, ..draft(9) };
        take(&*store, Intent { drafts: vec![again], ..queued(9, 1) }).await;
        let at = |ms: i64, limit| Claim {
            now: NOW.plus_ms(ms),
            max_age_ms: i64::MAX / 2,
            per_second: 1_000_000,
            ..claim(limit)
        };
        assert_eq!(ids(&store.claim(at(1, 1)).await.unwrap()), drafts([1]));
        store.unclaim(vec![Back { id: draft(1).id, rests_until: Some(NOW.plus_ms(10_000)) }]).await.unwrap();
        assert_eq!(ids(&store.claim(at(2, 2)).await.unwrap()), drafts([2, 3]), "others go on");
        assert_eq!(
            ids(&store.claim(at(20_000, 1)).await.unwrap()),
            drafts([4]),
            "also when its rest is over: it was tried"
        );
        assert_eq!(
            ids(&store.claim(at(20_001, 9)).await.unwrap()),
            drafts([1]),
            "the later one waits for it"
        );
        store.settle(&draft(1).id, ended(State::Sent, None)).await.unwrap();
        assert_eq!(ids(&store.claim(at(20_002, 9)).await.unwrap()), drafts([9]));
    }
}

async fn what_rested_for_a_process_that_is_gone_rests_for_nobody_else(backend: Backend) {
    for place in backend.places() {
        let (store, other) = (place.open(), place.open());
        take(&*store, queued(1, 1)).await;
        let at = |ms| Claim { now: NOW.plus_ms(ms), adopt: true, ..claim(9) };
        assert_eq!(ids(&store.claim(at(1)).await.unwrap()), drafts([1]));
        let rests = || vec![Back { id: draft(1).id, rests_until: Some(NOW.plus_ms(60_000)) }];
        store.unclaim(rests()).await.unwrap();
        drop(store);
        other.recover(NOW.plus_ms(2), None).await.unwrap();
        assert_eq!(ids(&other.claim(at(3)).await.unwrap()), drafts([1]));
        other.unclaim(rests()).await.unwrap();
        assert!(other.claim(at(4)).await.unwrap().messages.is_empty(), "it rests for this one now");
    }
}

async fn a_claim_counts_each_segment_where_each_is_a_request_and_takes_a_text_whole_or_not(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let texts = (1..=4).map(|n| Draft { segments: 3, ..draft(n) }).collect();
        take(&*store, Intent { drafts: texts, ..queued(1, 4) }).await;
        let rate = Pacing { per_day: Some(10), ..Pacing::default() };
        let by_segment = |ms: i64| Claim { by_segment: true, ..rated(9, NOW.plus_ms(ms), rate) };
        assert_eq!(ids(&store.claim(by_segment(1)).await.unwrap()), drafts([1, 2, 3]), "nine of ten");
        let full = store.claim(by_segment(2)).await.unwrap();
        assert!(
            full.messages.is_empty() && full.wait_ms.is_some(),
            "one is left, and a text of three is not begun"
        );
        // One that no day can hold takes from the next.
        let large = Draft { segments: 11, ..draft(20) };
        take(&*store, Intent { drafts: vec![large], ..queued(20, 1) }).await;
        let next_day = 24 * 3_600_000;
        assert_eq!(
            ids(&store.claim(Claim { most_requests: 3, ..by_segment(next_day) }).await.unwrap()),
            drafts([4])
        );
        assert_eq!(ids(&store.claim(by_segment(next_day + 1)).await.unwrap()), drafts([20]));
    }
}

async fn where_somebody_is_paused_all_others_go_in_one_order(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, many(1, 20)).await;
        for (n, name) in
            (100..110).zip(["zoe", "bob", "zoe", "carol", "bob", "alice", "bob", "carol", "zoe", "bob"])
        {
            let of_one = many(n, 1);
            let payer = Payer {
                principal: name.into(),
                base: BaseSession::Named(format!("{name}'s")),
                ..of_one.payer.clone()
            };
            take(&*store, Intent { payer, ..of_one }).await;
        }
        let claim = Claim { without: vec!["alice".into()], ..claim(100) };
        let claimed = store.claim(claim).await.unwrap();
        assert_eq!(ids(&claimed), drafts((100..110).filter(|n| *n != 105)));
    }
}

async fn a_claim_for_which_there_is_no_room_does_not_look_whose_texts_wait(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let slow = || Claim { per_second: 5, ..claim(10) };
        assert_eq!(store.claim(slow()).await.unwrap().wait_ms, None, "nothing waits");
        take(&*store, many(1, 10)).await;
        assert_eq!(store.claim(slow()).await.unwrap().messages.len(), 4);
        let paused = Claim { without: vec!["alice".into()], ..slow() };
        assert!(store.claim(paused.clone()).await.unwrap().wait_ms.is_some());
        // With room there is a look, and nothing of hers is waited for.
        let later = Claim { now: NOW.plus_ms(5_000), ..paused };
        assert_eq!(store.claim(later).await.unwrap().wait_ms, None);
    }
}

async fn what_a_paused_principal_has_queued_keeps_its_place_and_others_behind_it_go(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, many(1, 600)).await;
        let of_bob = many(700, 3);
        take(
            &*store,
            Intent {
                payer: Payer {
                    principal: "bob".into(),
                    base: BaseSession::Named("bob's".into()),
                    ..of_bob.payer.clone()
                },
                ..of_bob
            },
        )
        .await;
        for per_request in [1, 50] {
            let without = |names: &[&str]| Claim {
                per_request,
                without: names.iter().map(|name| (*name).to_owned()).collect(),
                ..claim(1)
            };
            let claimed = store.claim(without(&["alice"])).await.unwrap();
            assert_eq!(
                claimed.messages.iter().map(|message| message.principal.as_str()).collect::<Vec<_>>(),
                ["bob"]
            );
            assert!(store.claim(without(&["alice", "bob"])).await.unwrap().messages.is_empty());
            store
                .unclaim(
                    claimed
                        .messages
                        .into_iter()
                        .map(|message| Back { id: message.id, rests_until: None })
                        .collect(),
                )
                .await
                .unwrap();
        }
        assert_eq!(ids(&store.claim(claim(2)).await.unwrap()), drafts([1, 2]));
    }
}

on_every_backend! {
    no_sixty_seconds_hold_more_requests_than_a_minutes_limit_with_two_processes_either,
    a_days_limit_ends_at_midnight_and_stays_over_a_restart,
    a_clock_that_was_set_back_blocks_a_rate_for_its_window_and_no_longer,
    one_request_carries_one_sender_and_each_person_once_and_nobody_is_overtaken,
    a_request_counts_once_however_many_it_carries_and_carries_many_where_requests_are_few,
    single_sends_and_campaigns_count_against_the_rate_and_are_never_refused_by_it,
    a_campaign_is_attempted_from_the_start_and_is_unknown_when_its_process_dies,
    what_was_claimed_and_not_handed_over_is_queued_as_before,
    what_comes_back_to_the_queue_stays_back_for_whoever_opted_out_meanwhile_and_where_its_bulk_was_canceled,
    a_message_that_goes_on_to_another_provider_is_that_ones_from_then_on,
    a_bulk_without_rates_takes_as_many_as_before,
    the_answer_to_a_request_that_carried_several_settles_each_with_its_own_price,
    a_claim_has_one_message_for_each_person_and_the_earliest,
    what_rests_comes_behind_what_was_not_tried_and_before_what_is_later_for_the_same_person,
    what_rested_for_a_process_that_is_gone_rests_for_nobody_else,
    a_claim_counts_each_segment_where_each_is_a_request_and_takes_a_text_whole_or_not,
    where_somebody_is_paused_all_others_go_in_one_order,
    a_claim_for_which_there_is_no_room_does_not_look_whose_texts_wait,
    what_a_paused_principal_has_queued_keeps_its_place_and_others_behind_it_go,
}
