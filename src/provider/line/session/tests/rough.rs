//! Ends that misbehave: they stop reading, answer what was never asked, talk before they have answered the
//! greeting, or are only half there.

use super::*;
use crate::provider::line::session::link::{Link, Stamp};
use crate::provider::line::session::seat::Seat;
use crate::provider::line::session::slots::Wakers;

/// Fills the connection: what is told is answered, and this end does not read. Until nothing more goes in.
async fn flood(peer: &mut Peer) -> u32 {
    let mut out = BytesMut::new();
    let mut count = 0;
    loop {
        out.clear();
        for _ in 0..1_000 {
            write(PING, count, None, &mut out);
            count += 1;
        }
        let mut rest = &out[..];
        while !rest.is_empty() {
            match tokio::time::timeout(STUCK, peer.0.write(rest)).await {
                Ok(written) => rest = &rest[written.unwrap()..],
                Err(_) => return count,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_floods_and_then_listens_is_listened_to_again_at_once() {
    for _ in 0..3 {
        let carrier = Carrier::new().await;
        let (account, _pushes) = carrier.account(patient());
        account.start();
        let mut peer = carrier.bound().await;
        account.ready().await.unwrap();
        let count = flood(&mut peer).await;
        // It reads on at last: all that it asked is answered, well before the keep-alive.
        let mut octets = vec![0; 1 << 20];
        let mut answered = 0;
        within(async {
            while answered < (count - 1_000) * 9 {
                answered += u32::try_from(peer.0.read(&mut octets).await.unwrap()).unwrap();
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_request_behind_a_full_connection_is_told_as_soon_as_one_without_an_answer() {
    let carrier = Carrier::new().await;
    let (account, _pushes) =
        carrier.account(Settings { answer_timeout: ms(500), link_wait: ms(500), ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    flood(&mut peer).await;
    let address = carrier.listener.local_addr().unwrap();
    drop(carrier);
    let done = within(account.ask(1, &1)).await;
    assert!(is_not_sent(&done), "{done:?} {address}");
}

#[tokio::test]
async fn an_answer_to_what_was_not_written_yet_is_nobodys() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { answer_timeout: ms(60_000), ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let link = account.shared.board.links().remove(0);
    let mut out = BytesMut::new();
    (0..1_000).for_each(|number| write(PING, number, None, &mut out));
    while link.backlog() < 100_000 {
        peer.0.write_all(&out).await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let ask = spawn_ask(&account, 1, 2);
    eventually(|| account.metrics().open == 1).await;
    // Its number is easily guessed.
    peer.write(THROTTLED, 2, 2).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (mut asked, mut input) = (0, BytesMut::new());
    // All that waits before it is read first, and then there is silence.
    loop {
        let patience = if asked == 0 { LAST_RESORT } else { A_WHILE };
        let Ok(read) = tokio::time::timeout(patience, peer.0.read_buf(&mut input)).await else { break };
        assert!(read.unwrap() > 0, "it ended");
        while input.len() >= 9 && input.len() >= usize::from(input[3]) {
            let length = usize::from(input[3]);
            let (kind, number, value) = parts(&input.split_to(length));
            if kind == ASK {
                asked += 1;
                peer.write(ASK | ANSWER, number, value).await;
            }
        }
    }
    assert_eq!(asked, 1);
    assert_eq!(within(ask).await.unwrap(), Ok((false, 2)));
}

#[tokio::test]
async fn what_comes_before_the_answer_to_the_greeting_is_answered_after_it() {
    let carrier = Carrier::new().await;
    let (account, mut pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.accept().await;
    let (number, value) = peer.expect(GREET).await;
    peer.write(PING, 70, 0).await;
    peer.write(PUSH, 71, 5).await;
    // So that they come before the answer and not with it; either is fine.
    tokio::time::sleep(Duration::from_millis(50)).await;
    peer.write(GREET | ANSWER, number, value).await;
    assert_eq!(within(peer.expect(PING | ANSWER)).await.0, 70);
    within(pushes.recv()).await.unwrap().answer(true);
    assert_eq!(within(peer.expect(PUSH | ANSWER)).await, (71, 5));
    let ask = spawn_ask(&account, 1, 1);
    let (number, value) = within(peer.expect(ASK)).await;
    peer.write(ASK | ANSWER, number, value).await;
    assert_eq!(ask.await.unwrap(), Ok((false, 1)));
}

#[tokio::test]
async fn an_end_that_only_talks_before_its_answer_to_the_greeting_costs_no_memory() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    account.start();
    let mut peer = carrier.accept().await;
    peer.expect(GREET).await;
    let mut out = BytesMut::new();
    for number in 0..20_000 {
        write(PUSH, number, Some(number), &mut out);
    }
    let _ = peer.0.write_all(&out).await;
    within(carrier.bound()).await;
}

#[tokio::test]
async fn why_nothing_goes_out_is_told_also_where_a_bind_that_only_listens_is_up() {
    let carrier = Carrier::new().await;
    let address = carrier.listener.local_addr().unwrap().to_string();
    let lines = vec![Line { bind: 0, submits: true }, Line { bind: 1, submits: false }];
    let plan = Plan {
        name: "tiny".to_owned(),
        address,
        lines,
        settings: Settings { link_wait: ms(2_000), ..patient() },
    };
    let (account, _pushes) = Account::new(Tiny, plan, Arc::new(SystemClock)).unwrap();
    account.start();
    let serving = tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let mut peer = carrier.accept().await;
            let (number, bind) = peer.expect(GREET).await;
            peer.write(if bind == 1 { GREET | ANSWER } else { 0xB3 }, number, bind).await;
            kept.push(peer);
        }
    });
    let Err(Lost::NotSent { why, .. }) = account.ask(1, &1).await else { panic!("it was sent") };
    assert!(why.contains("no answer to a greeting"), "{why}");
    serving.abort();
}

#[tokio::test]
async fn a_bind_that_is_refused_beside_one_that_is_taken_is_told() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account_of(2, patient());
    account.start();
    let _first = carrier.bound().await;
    let mut other = carrier.accept().await;
    let (number, value) = other.expect(GREET).await;
    account.ready().await.unwrap();
    let missing = tokio::spawn({
        let account = Arc::clone(&account);
        async move { account.missing().await }
    });
    tokio::task::yield_now().await;
    other.write(UNAUTHORIZED, number, value).await;
    assert_eq!(within(missing).await.unwrap(), ["the password is wrong"]);
}

#[tokio::test]
async fn a_request_is_held_until_it_is_written_again_and_anew_when_not_now_comes_again() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    let core = &account.shared.core;
    let link = Arc::new(Link::new(Arc::clone(core), (), 1, 41, false));
    core.orders.add(7, 1);
    let mut seat = Seat::try_take(&link, false).unwrap();
    let again =
        Stamp { order: 7, text: 1, at: 1, is_again: true, goes_on: false, is_part: false, refused: None };
    let _ticket = seat.begin(&5, again).ok().unwrap();
    assert!(core.orders.is_first(7, 9), "whoever asked has nothing to let go of later");
    link.written.store(1_000, std::sync::atomic::Ordering::SeqCst);
    link.settle(
        &mut vec![(42, (true, 5))],
        &mut BytesMut::new(),
        &mut Wakers::default(),
        tokio::time::Instant::now(),
    );
    assert!(!core.orders.is_first(7, 9));
}

#[tokio::test]
async fn a_request_of_which_one_octet_left_is_unknown_and_the_one_behind_it_goes_out_again() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    let core = &account.shared.core;
    for (written, lost) in [(0, 0), (1, 1), (13, 1), (14, 2), (26, 2)] {
        let link = Arc::new(Link::new(Arc::clone(core), (), 2, 1, false));
        let tickets = [1, 2].map(|order| {
            let mut seat = Seat::try_take(&link, false).unwrap();
            seat.begin(
                &5,
                Stamp {
                    order,
                    text: order,
                    at: order,
                    is_again: false,
                    goes_on: false,
                    is_part: false,
                    refused: None,
                },
            )
            .ok()
            .unwrap()
        });
        link.written.store(written, std::sync::atomic::Ordering::SeqCst);
        let ended = link.end(&Arc::from("cut"));
        assert_eq!((ended.lost, ended.unwritten), (lost, 2 - lost), "{written}");
        drop(tickets);
        assert!(core.orders.is_first(1, 9) && core.orders.is_first(2, 9));
    }
}

/// Everything that can go wrong with a request, thousands of times: afterwards the window is whole and
/// nothing is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_place_in_a_window_is_ever_lost_and_nobody_is_held_for_ever() {
    let carrier = Carrier::new().await;
    let settings = Settings {
        window: 7,
        answer_timeout: ms(60),
        throttle_wait: ms(40),
        link_wait: ms(300),
        reconnect_most: ms(100),
        ..patient()
    };
    let (account, _pushes) = carrier.account(settings);
    let is_calm = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let serving = tokio::spawn({
        let is_calm = Arc::clone(&is_calm);
        async move {
            let mut dice = 7_u32;
            loop {
                let mut peer = carrier.bound().await;
                while let Some((kind, number, value)) = peer.read().await {
                    dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    match if is_calm.load(std::sync::atomic::Ordering::SeqCst) { 99 } else { dice >> 16 & 63 }
                    {
                        0..3 => {}
                        3..5 => peer.write(THROTTLED, number, value).await,
                        5 => {
                            peer.write(kind | ANSWER, number, value).await;
                            peer.write(THROTTLED, number, value).await;
                        }
                        6 if dice >> 24 < 40 => break,
                        7 if dice >> 24 < 40 => peer.write(BYE, number, value).await,
                        _ => peer.write(kind | ANSWER, number, value).await,
                    }
                }
            }
        }
    });
    let asks: Vec<_> = (0..40_u32)
        .map(|task| {
            let account = Arc::clone(&account);
            tokio::spawn(async move {
                for value in 0..60 {
                    let asking = account.ask(u64::from(task % 8), &value);
                    if value % 9 == 0 {
                        let _ =
                            tokio::time::timeout(Duration::from_millis(u64::from(value % 7)), asking).await;
                    } else if let Ok((false, answer)) = asking.await {
                        assert_eq!(answer, value);
                    }
                }
            })
        })
        .collect();
    for ask in asks {
        within(ask).await.unwrap();
    }
    is_calm.store(true, std::sync::atomic::Ordering::SeqCst);
    for order in 0..8 {
        within(async { while account.ask(order, &1).await != Ok((false, 1)) {} }).await;
        assert!(account.shared.core.orders.is_first(order, u64::MAX), "{order}");
    }
    eventually(|| account.metrics().open == 0).await;
    eventually(|| {
        account.shared.board.links().first().is_some_and(|link| link.window.available_permits() == 7)
    })
    .await;
    serving.abort();
}
