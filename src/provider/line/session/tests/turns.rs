//! Turns: texts of several requests go out whole, one recipient holds nobody up, and a bind that does not
//! answer keeps nothing.

use super::*;
use crate::error::ErrorKind;
use crate::halt::{Brake, Halt, Halts};
use crate::provider::line::session::Asked;
use crate::sms::message::MessageId;

fn id() -> MessageId {
    MessageId::from_text("msg_of_these_tests")
}

type Answers = Vec<Asked<(bool, u32)>>;

/// Asks for a text in a task of its own: `segments` requests, the first of them `first`.
fn spawn_text(
    account: &Arc<Account<Tiny>>,
    order: u64,
    first: u32,
    segments: u32,
) -> tokio::task::JoinHandle<Answers> {
    let account = Arc::clone(account);
    tokio::spawn(async move {
        account
            .ask_all(
                order,
                &(first..first + segments).collect::<Vec<_>>(),
                &Arc::from([id()]),
                &Brake::default(),
            )
            .await
    })
}

fn is_whole(answers: &Answers) -> bool {
    answers.iter().all(|asked| matches!(asked.answer, Ok((false, _))))
}

fn is_untouched(answers: &Answers) -> bool {
    answers.iter().all(|asked| matches!(asked.answer, Err(Lost::NotSent { .. })))
}

#[tokio::test]
async fn a_text_that_has_begun_is_finished_however_long_it_waits_for_the_window() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { window: 1, link_wait: ms(50), ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let text = spawn_text(&account, 1, 10, 4);
    for value in 10..14 {
        let (number, found) = within(peer.expect(ASK)).await;
        assert_eq!(found, value);
        // Far longer than a text may wait to begin.
        tokio::time::sleep(Duration::from_millis(120)).await;
        peer.write(ASK | ANSWER, number, found).await;
    }
    assert!(is_whole(&within(text).await.unwrap()));
}

#[tokio::test]
async fn segments_go_out_in_a_row_and_whoever_waits_in_vain_has_sent_no_part() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { window: 2, link_wait: ms(300), ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let texts: Vec<_> = (0..6).map(|text| spawn_text(&account, u64::from(text), text * 10, 3)).collect();
    let mut seen = Vec::new();
    let serving = async {
        while let Some((kind, number, value)) = peer.read().await {
            if kind == ASK {
                seen.push(value);
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            peer.write(kind | ANSWER, number, value).await;
        }
    };
    let asking = async {
        let mut ended = Vec::new();
        for text in texts {
            ended.push(within(text).await.unwrap());
        }
        account.close().await;
        ended
    };
    let (ended, ()) = tokio::join!(asking, serving);
    assert!(ended.iter().all(|text| is_whole(text) || is_untouched(text)), "{ended:?}");
    assert!(ended.iter().any(is_whole));
    let whole: Vec<Vec<u32>> = seen.chunks(3).map(<[u32]>::to_vec).collect();
    assert!(whole.iter().all(|text| text[1] == text[0] + 1 && text[2] == text[0] + 2), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn texts_of_one_request_that_wait_for_nothing_come_between_no_segments_of_another() {
    const TEXTS: u32 = 300;
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { window: 20, ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let serving = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some((kind, number, value)) = peer.read().await {
            if kind == ASK {
                seen.push(value);
            }
            peer.write(kind | ANSWER, number, value).await;
            if kind == BYE {
                break;
            }
        }
        seen
    });
    // Each has a thousand of its own; every third task asks for texts of three.
    let asking: Vec<_> = (0..12_u32)
        .map(|task| {
            let account = Arc::clone(&account);
            tokio::spawn(async move {
                for text in 0..TEXTS {
                    let first = task * 1_000_000 + text * 10;
                    let segments = if task % 3 == 0 { 3 } else { 1 };
                    let asked = account
                        .ask_all(
                            u64::from(task),
                            &(first..first + segments).collect::<Vec<_>>(),
                            &Arc::from([id()]),
                            &Brake::default(),
                        )
                        .await;
                    assert!(is_whole(&asked), "{asked:?}");
                }
            })
        })
        .collect();
    for task in asking {
        within(task).await.unwrap();
    }
    account.close().await;
    let seen = within(serving).await.unwrap();
    assert_eq!(seen.len(), usize::try_from(TEXTS * (4 * 3 + 8)).unwrap());
    let mut rest = seen.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        let is_long = (first / 1_000_000) % 3 == 0;
        let (row, behind) = behind.split_at(if is_long { 2 } else { 0 });
        assert!(
            first % 10 == 0 && row.iter().zip(1..).all(|(value, place)| *value == first + place),
            "{first} and then {row:?}"
        );
        rest = behind;
    }
}

#[tokio::test]
async fn the_pace_ends_no_text_that_has_begun() {
    let carrier = Carrier::new().await;
    let (account, _pushes) =
        carrier.account(Settings { per_second: Some(20), link_wait: ms(100), ..patient() });
    account.start();
    let serving = tokio::spawn(async move { carrier.bound().await.serve().await });
    account.ready().await.unwrap();
    let one = spawn_text(&account, 1, 0, 10);
    let other = spawn_text(&account, 2, 100, 10);
    let ended = [within(one).await.unwrap(), within(other).await.unwrap()];
    assert!(ended.iter().all(|text| is_whole(text) || is_untouched(text)), "{ended:?}");
    assert!(ended.iter().any(is_whole));
    account.close().await;
    assert_eq!(within(serving).await.unwrap() % 10, 0, "no part of any");
}

#[tokio::test]
async fn a_carrier_that_is_slow_to_refuse_a_segment_is_asked_often_enough() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { throttle_wait: ms(1), ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    for (refusals, is_taken) in [(7, true), (8, false)] {
        let text = spawn_text(&account, 1, 10, 2);
        let (number, found) = within(peer.expect(ASK)).await;
        peer.write(ASK | ANSWER, number, found).await;
        for _ in 0..refusals {
            let (number, found) = within(peer.expect(ASK)).await;
            assert_eq!(found, 11);
            // Longer than is waited for one that is alone.
            tokio::time::sleep(Duration::from_millis(5)).await;
            peer.write(THROTTLED, number, found).await;
        }
        if is_taken {
            let (number, found) = within(peer.expect(ASK)).await;
            peer.write(ASK | ANSWER, number, found).await;
        }
        let ended = within(text).await.unwrap();
        assert_eq!(is_whole(&ended), is_taken, "{refusals}: {ended:?}");
    }
}

#[tokio::test]
async fn there_is_room_for_what_has_its_turn_before_it_would_go_back() {
    let carrier = Carrier::new().await;
    for (link_wait, room) in [(200, 1), (1_000, 5), (4_000, 20), (60_000, 20)] {
        let (account, _pushes) = carrier.account(Settings {
            window: 50,
            per_second: Some(10),
            link_wait: ms(link_wait),
            ..patient()
        });
        assert_eq!(account.room(), room, "{link_wait} ms");
    }
}

#[tokio::test]
async fn the_rest_of_a_text_is_not_sent_after_a_segment_that_was_refused() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { window: 1, ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let text = spawn_text(&account, 1, 10, 3);
    let (number, _) = within(peer.expect(ASK)).await;
    peer.write(ASK | ANSWER, number, REFUSED).await;
    let ended = within(text).await.unwrap();
    assert!(matches!(ended[0].answer, Ok((false, REFUSED))));
    for rest in &ended[1..] {
        assert!(matches!(rest.answer, Err(Lost::NotSent { obstacle: Obstacle::Text, .. })));
    }
    assert_eq!(account.metrics().requests, 1);
}

#[tokio::test]
async fn a_stop_finishes_what_has_begun_and_begins_nothing() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { window: 1, ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let begun = spawn_text(&account, 1, 10, 3);
    let (number, value) = within(peer.expect(ASK)).await;
    let waiting = spawn_text(&account, 2, 20, 3);
    tokio::task::yield_now().await;
    let closing = tokio::spawn({
        let account = Arc::clone(&account);
        async move { account.close().await }
    });
    assert!(is_untouched(&within(waiting).await.unwrap()), "at once");
    peer.write(ASK | ANSWER, number, value).await;
    assert_eq!(within(peer.serve()).await, 2, "the rest of the first one, and the goodbye");
    assert!(is_whole(&within(begun).await.unwrap()));
    within(closing).await.unwrap();
}

#[tokio::test]
async fn one_full_recipient_is_not_the_pace_of_the_account() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { throttle_wait: ms(1_500), ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let full = spawn_text(&account, 99, FULL, 1);
    let others: Vec<_> = (0..50).map(|value| spawn_ask(&account, u64::from(value), value)).collect();
    let serving = tokio::spawn(async move {
        while let Some((kind, number, value)) = peer.read().await {
            peer.write(if kind == ASK && value == FULL { THROTTLED } else { kind | ANSWER }, number, value)
                .await;
        }
    });
    for other in others {
        assert!(within(other).await.unwrap().is_ok());
    }
    assert_eq!(account.metrics().pace_per_second, None);
    let full = within(full).await.unwrap();
    assert!(full[0].of_recipient && matches!(full[0].answer, Ok((true, FULL))));
    assert_eq!(account.metrics().pace_per_second, None);
    account.close().await;
    serving.await.unwrap();
}

#[tokio::test]
async fn not_now_again_while_others_are_granted_is_about_its_recipient() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { throttle_wait: ms(1_500), ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let serving = tokio::spawn(async move {
        let mut refused = 0;
        while let Some((kind, number, value)) = peer.read().await {
            let is_refused = kind == ASK && value == 7;
            refused += u32::from(is_refused);
            peer.write(if is_refused { THROTTLED } else { kind | ANSWER }, number, value).await;
        }
        refused
    });
    let full = spawn_text(&account, 99, 7, 1);
    eventually(|| account.metrics().throttled >= 1).await;
    let mut value = 1_000;
    while !full.is_finished() {
        value += 1;
        assert!(within(account.ask(u64::from(value), &value)).await.is_ok());
    }
    assert!(within(full).await.unwrap()[0].of_recipient);
    assert_eq!(account.metrics().pace_per_second, None);
    account.close().await;
    assert!(within(serving).await.unwrap() >= 2);
}

#[tokio::test]
async fn a_bind_that_answers_pings_and_no_requests_is_made_anew_and_no_home_meanwhile() {
    let carrier = Carrier::new().await;
    let (account, _pushes) =
        carrier.account_of(2, Settings { window: 2, answer_timeout: ms(1_500), ..patient() });
    account.start();
    let mut mute = carrier.bound().await;
    let mut well = carrier.bound().await;
    eventually(|| account.metrics().up == 2).await;
    let swallowing = tokio::spawn(async move {
        let mut swallowed = 0;
        while let Some((kind, number, value)) = mute.read().await {
            swallowed += u32::from(kind == ASK);
            if kind != ASK {
                mute.write(kind | ANSWER, number, value).await;
            }
        }
        swallowed
    });
    let serving = tokio::spawn(async move { well.serve().await });
    let asks: Vec<_> = (0..60).map(|value| spawn_ask(&account, u64::from(value), value)).collect();
    let mut unknown = 0;
    for ask in asks {
        let done = within(ask).await.unwrap();
        unknown += u32::from(is_unknown(&done));
        assert!(!is_not_sent(&done), "{done:?}");
    }
    // It ends by itself.
    let swallowed = within(swallowing).await.unwrap();
    assert!(swallowed <= 4 && unknown == swallowed, "{unknown} of {swallowed}");
    let again = within(carrier.bound()).await;
    eventually(|| account.metrics().up == 2).await;
    drop(again);
    drop(account);
    within(serving).await.unwrap();
}

#[tokio::test]
async fn a_full_window_of_one_bind_does_not_take_the_turn_of_the_others() {
    let carrier = Carrier::new().await;
    let (account, _pushes) =
        carrier.account_of(2, Settings { window: 1, per_second: Some(1_000), ..patient() });
    account.start();
    let mut slow = carrier.bound().await;
    let mut well = carrier.bound().await;
    eventually(|| account.metrics().up == 2).await;
    let serving = tokio::spawn(async move { well.serve().await });
    let asks: Vec<_> = (0..40).map(|value| spawn_ask(&account, u64::from(value), value)).collect();
    // The slow one takes one request, and answers it when all others are through.
    let (number, value) = within(slow.expect(ASK)).await;
    eventually(|| account.metrics().answers == 39).await;
    slow.write(ASK | ANSWER, number, value).await;
    let serving_slow = tokio::spawn(async move { slow.serve().await });
    for ask in asks {
        assert!(within(ask).await.unwrap().is_ok());
    }
    account.close().await;
    within(serving).await.unwrap();
    within(serving_slow).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_comes_late_still_reaches_who_asked() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { answer_timeout: ms(400), ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let text = spawn_text(&account, 1, 5, 1);
    let (number, _) = within(peer.expect(ASK)).await;
    let ended = within(text).await.unwrap();
    assert!(matches!(ended[0].answer, Err(Lost::Unknown { .. })));
    let mut lates = account.lates().unwrap();
    let answering = async {
        while let Some((kind, asked, value)) = peer.read().await {
            assert_ne!(kind, ASK, "it is never sent again");
            peer.write(kind | ANSWER, asked, value).await;
            if kind == PING {
                break;
            }
        }
        peer.write(ASK | ANSWER, number, 77).await;
    };
    let (late, ()) = tokio::join!(within(lates.recv()), answering);
    let late = late.unwrap();
    assert_eq!(
        (late.answer, late.about.messages.as_ref(), late.about.segment),
        ((false, 77), &[id()][..], None)
    );
    assert_eq!((account.metrics().late, account.metrics().lost), (1, 1));
}

#[tokio::test]
async fn connections_count_from_different_numbers() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account_of(8, patient());
    account.start();
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let (number, _) = within(carrier.accept()).await.expect(GREET).await;
        assert!((1..=0x7FFF_FFFF).contains(&number));
        first.insert(number);
    }
    assert!(first.len() > 1, "{first:?}");
}

#[tokio::test]
async fn a_text_that_has_begun_goes_on_beside_an_earlier_one_that_is_to_be_sent_again() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { window: 2, ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let earlier = spawn_ask(&account, 1, 5);
    let (first, _) = within(peer.expect(ASK)).await;
    let text = spawn_text(&account, 1, 10, 3);
    let (second, value) = within(peer.expect(ASK)).await;
    assert_eq!(value, 10);
    // Its place goes to the text, whose order the earlier one holds now.
    peer.write(THROTTLED, first, 5).await;
    let (third, value) = within(peer.expect(ASK)).await;
    assert_eq!(value, 11);
    peer.write(ASK | ANSWER, second, 10).await;
    peer.write(ASK | ANSWER, third, 11).await;
    let serving = tokio::spawn(async move { peer.serve().await });
    assert!(is_whole(&within(text).await.unwrap()));
    assert!(within(earlier).await.unwrap().is_ok());
    account.close().await;
    assert_eq!(within(serving).await.unwrap(), 2, "the last segment, and the earlier one again");
}

#[tokio::test]
async fn a_later_text_to_a_person_waits_until_all_of_the_earlier_one_was_written() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account_of(2, Settings { per_second: Some(5), ..patient() });
    account.start();
    let peers = [carrier.bound().await, carrier.bound().await];
    eventually(|| account.metrics().up == 2).await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let serving = peers.map(|mut peer| {
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Some((kind, number, value)) = peer.read().await {
                if kind == ASK {
                    seen.lock().unwrap().push(value);
                }
                peer.write(kind | ANSWER, number, value).await;
            }
        })
    });
    let earlier = spawn_text(&account, 1, 10, 4);
    eventually(|| account.metrics().answers == 1).await;
    let later = spawn_text(&account, 1, 20, 1);
    assert!(is_whole(&within(earlier).await.unwrap()) && is_whole(&within(later).await.unwrap()));
    assert_eq!(*seen.lock().unwrap(), [10, 11, 12, 13, 20]);
    account.close().await;
    for serving in serving {
        within(serving).await.unwrap();
    }
}

#[tokio::test]
async fn a_segment_that_is_to_be_sent_again_keeps_its_text_unfinished() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let text = spawn_text(&account, 1, 10, 2);
    let (first, _) = within(peer.expect(ASK)).await;
    let (second, _) = within(peer.expect(ASK)).await;
    peer.write(ASK | ANSWER, first, 10).await;
    peer.write(THROTTLED, second, FULL).await;
    eventually(|| account.metrics().throttled == 1 && account.is_mid_text()).await;
    let (again, _) = within(peer.expect(ASK)).await;
    peer.write(ASK | ANSWER, again, 11).await;
    assert!(is_whole(&within(text).await.unwrap()));
    assert!(!account.is_mid_text());
}

/// A text in a task of its own, which this stops before it begins.
fn spawn_with(
    account: &Arc<Account<Tiny>>,
    halts: &Arc<Halts>,
    order: u64,
    first: u32,
    segments: u32,
) -> tokio::task::JoinHandle<Answers> {
    let (account, brake) = (Arc::clone(account), Brake::new(halts, "somebody"));
    tokio::spawn(async move {
        account
            .ask_all(order, &(first..first + segments).collect::<Vec<_>>(), &Arc::from([id()]), &brake)
            .await
    })
}

fn stop(halts: &Halts) {
    halts.set_unrecorded(Some(Halt { code: ErrorKind::Paused, why: "stopped".to_owned() }));
}

fn is_halted(answers: &Answers) -> bool {
    answers.iter().all(|asked| {
        matches!(asked.answer, Err(Lost::NotSent { obstacle: Obstacle::Halt(ErrorKind::Paused), .. }))
    })
}

#[tokio::test]
async fn what_is_stopped_before_its_turn_does_not_begin_and_what_has_begun_is_finished() {
    // Behind a full window, and behind a slow pace.
    for settings in [Settings { window: 1, ..patient() }, Settings { per_second: Some(1), ..patient() }] {
        let is_paced = settings.per_second.is_some();
        let carrier = Carrier::new().await;
        let (account, _pushes) = carrier.account(settings);
        account.start();
        let mut peer = carrier.bound().await;
        account.ready().await.unwrap();
        let halts = Arc::new(Halts::default());
        let begun = spawn_with(&account, &halts, 1, 10, 3);
        let (number, found) = within(peer.expect(ASK)).await;
        let waiting = [(2, 20, 1), (3, 30, 2), (1, 40, 1)]
            .map(|(order, first, segments)| spawn_with(&account, &halts, order, first, segments));
        // A question is nobody's text.
        let question = (!is_paced).then(|| spawn_ask(&account, 9, 90));
        eventually(|| account.room() == 0).await;
        stop(&halts);
        for text in waiting {
            assert!(is_halted(&within(text).await.unwrap()));
        }
        assert!(
            is_halted(&within(spawn_with(&account, &halts, 5, 50, 1)).await.unwrap()),
            "what comes after it does not begin either"
        );
        peer.write(ASK | ANSWER, number, found).await;
        for value in 11..13 {
            let (number, found) = within(peer.expect(ASK)).await;
            assert_eq!(found, value);
            peer.write(ASK | ANSWER, number, found).await;
        }
        assert!(is_whole(&within(begun).await.unwrap()));
        if let Some(question) = question {
            let (number, found) = within(peer.expect(ASK)).await;
            assert_eq!(found, 90);
            peer.write(ASK | ANSWER, number, found).await;
            assert!(within(question).await.unwrap().is_ok());
        }
        halts.set_unrecorded(None);
        let next = spawn_with(&account, &halts, 6, 60, 1);
        let (number, found) = within(peer.expect(ASK)).await;
        assert_eq!(found, 60);
        peer.write(ASK | ANSWER, number, found).await;
        assert!(is_whole(&within(next).await.unwrap()));
    }
}

#[tokio::test]
async fn one_segment_that_waits_to_be_sent_again_is_stopped_and_a_segment_of_more_is_not() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let halts = Arc::new(Halts::default());
    let alone = spawn_with(&account, &halts, 1, 10, 1);
    let (number, found) = within(peer.expect(ASK)).await;
    peer.write(THROTTLED, number, found).await;
    let of_two = spawn_with(&account, &halts, 2, 20, 2);
    let mut asked = Vec::new();
    // The first of the two is taken; the other one is refused for now, and so is the one that is alone,
    // however often it comes.
    let (number, found) = loop {
        let (number, found) = within(peer.expect(ASK)).await;
        asked.push(found);
        match found {
            20 => peer.write(ASK | ANSWER, number, found).await,
            10 => peer.write(THROTTLED, number, found).await,
            _ => break (number, found),
        }
    };
    assert_eq!(found, 21, "{asked:?}");
    stop(&halts);
    assert!(is_halted(&within(alone).await.unwrap()));
    peer.write(THROTTLED, number, found).await;
    loop {
        let (number, found) = within(peer.expect(ASK)).await;
        // It may have been on its way when it was stopped.
        if found == 21 {
            peer.write(ASK | ANSWER, number, found).await;
            break;
        }
        assert_eq!(found, 10);
        peer.write(THROTTLED, number, found).await;
    }
    assert!(is_whole(&within(of_two).await.unwrap()));
}
