//! What the carrier tells: two queues, what waits when one is full, and what is told again.

use super::*;
use crate::provider::line::session::{Late, Telling};

/// What a person wrote.
const WORD: u32 = 1_000_000;

/// As many of each kind wait.
const WAITING: u32 = 1_024;

#[tokio::test]
async fn no_text_of_a_person_is_refused_because_receipts_wait_and_it_comes_out_before_them() {
    let carrier = Carrier::new().await;
    let (account, mut pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    for number in 0..WAITING + 1 {
        peer.write(PUSH, number, 7).await;
    }
    assert_eq!(within(peer.expect(LATER)).await, (WAITING, 7), "one receipt too many");
    peer.write(PUSH, 5_000, WORD).await;
    eventually(|| account.metrics().pushes == u64::from(WAITING) + 2).await;
    let word = within(pushes.recv()).await.unwrap();
    assert_eq!((word.push, word.place.sequence, word.place.link), (WORD, 5_000, 1));
    word.answer(true);
    assert_eq!(peer.expect(PUSH | ANSWER).await, (5_000, WORD));
}

#[tokio::test]
async fn however_many_texts_of_people_come_at_once_none_is_refused_while_they_are_taken() {
    let carrier = Carrier::new().await;
    let (account, mut pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    let mut out = BytesMut::new();
    let many = 5 * WAITING;
    (0..many).for_each(|number| write(PUSH, number, Some(WORD + number), &mut out));
    peer.0.write_all(&out).await.unwrap();
    let taking = tokio::spawn(async move {
        for number in 0..many {
            let word = within(pushes.recv()).await.unwrap();
            assert_eq!(word.push, WORD + number, "in their order");
            word.answer(true);
        }
    });
    for number in 0..many {
        assert_eq!(within(peer.expect(PUSH | ANSWER)).await, (number, WORD + number));
    }
    within(taking).await.unwrap();
}

#[tokio::test]
async fn what_nobody_takes_is_refused_in_the_end_and_what_comes_behind_it_is_read() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    for number in 0..WAITING + 2 {
        peer.write(PUSH, number, WORD + number).await;
    }
    peer.write(PING, 9, 0).await;
    let mut refused = Vec::new();
    let mut has_pong = false;
    while refused.len() < 2 || !has_pong {
        match within(peer.read()).await.unwrap() {
            (LATER, number, _) => refused.push(number),
            (kind, number, _) => has_pong = (kind, number) == (PING | ANSWER, 9),
        }
    }
    assert_eq!(refused, [WAITING, WAITING + 1]);
    assert_eq!(account.metrics().pushes, u64::from(WAITING) + 2);
}

#[tokio::test]
async fn what_was_refused_before_anybody_saw_it_keeps_the_time_of_its_first_telling() {
    let carrier = Carrier::new().await;
    let (account, mut pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    for number in 0..WAITING + 1 {
        peer.write(PUSH, number, WORD + number).await;
    }
    let (number, start) = within(peer.expect(LATER)).await;
    assert_eq!((number, start), (WAITING, WORD + WAITING));
    let mut last = within(pushes.recv()).await.unwrap().telling;
    for _ in 1..WAITING {
        last = within(pushes.recv()).await.unwrap().telling;
    }
    let notice = pushes.unheard().notice().unwrap();
    drop(notice);
    // Another wish in between, and the same once more, under a new number.
    peer.write(PUSH, 20_000, 3 * WORD).await;
    let stop = within(pushes.recv()).await.unwrap();
    peer.write(PUSH, 20_001, start).await;
    let again = within(pushes.recv()).await.unwrap();
    assert!(again.telling.is_again && !stop.telling.is_again && !last.is_again);
    assert!(again.telling.first >= last.first && again.telling.first <= stop.telling.first);
    assert!(pushes.unheard().notice().is_some(), "what was not kept is handed out again");
}

#[tokio::test]
async fn the_same_words_are_a_new_text_unless_the_connection_was_cut_at_the_acknowledgement() {
    let carrier = Carrier::new().await;
    let (account, mut pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    let mut tellings: Vec<Telling> = Vec::new();
    for number in [1, 2] {
        peer.write(PUSH, number, WORD).await;
        let word = within(pushes.recv()).await.unwrap();
        tellings.push(word.telling);
        word.answer(true);
        assert_eq!(within(peer.expect(PUSH | ANSWER)).await, (number, WORD));
    }
    assert!(!tellings[0].is_again && !tellings[1].is_again && tellings[0].first < tellings[1].first);
    // Cut before the answer is there at all, and just after it.
    peer.write(PUSH, 3, WORD + 1).await;
    let open = within(pushes.recv()).await.unwrap();
    drop(peer);
    let mut peer = within(carrier.bound()).await;
    open.answer(true);
    for (number, value) in [(1, WORD), (2, WORD + 1)] {
        peer.write(PUSH, number, value).await;
        let word = within(pushes.recv()).await.unwrap();
        assert!(word.telling.is_again && word.place.link == 2, "{value}");
        word.answer(true);
        assert_eq!(within(peer.expect(PUSH | ANSWER)).await, (number, value));
    }
}

#[tokio::test]
async fn one_doubt_is_kept_in_one_place_so_that_it_takes_one_text_for_another_and_not_two() {
    let carrier = Carrier::new().await;
    let (account, mut pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.bound().await;
    peer.write(PUSH, 1, WORD).await;
    within(pushes.recv()).await.unwrap().answer(true);
    drop(peer);
    let mut peer = within(carrier.bound()).await;
    let notice = pushes.unheard().notice().unwrap();
    notice.recorded(true);
    // Another process is told it again, and finds it in the ledger; here the person says the same once more.
    peer.write(PUSH, 1, WORD).await;
    let word = within(pushes.recv()).await.unwrap();
    assert!(!word.telling.is_again);
}

#[tokio::test]
async fn late_answers_go_to_the_first_who_asks() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    let lates: Option<mpsc::Receiver<Late<Tiny>>> = account.lates();
    assert!(lates.is_some() && account.lates().is_none());
}
