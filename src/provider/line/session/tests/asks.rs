//! Requests: which answer is whose, what is told of one without an answer, the window, the pace, and order.

use std::collections::HashMap;

use futures::StreamExt as _;

use super::*;

#[tokio::test]
async fn answers_out_of_order_come_to_those_who_asked() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(patient());
    let asks: Vec<_> = (0..10).map(|value| spawn_ask(&account, u64::from(value), value)).collect();
    let mut peer = carrier.bound().await;
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(peer.expect(ASK).await);
    }
    for (number, value) in open.into_iter().rev() {
        peer.write(ASK | ANSWER, number, value + 100).await;
        // Again, and one that nobody asked for.
        peer.write(ASK | ANSWER, number, 1).await;
        peer.write(ASK | ANSWER, 999_999, 1).await;
    }
    for (value, ask) in asks.into_iter().enumerate() {
        assert_eq!(ask.await.unwrap(), Ok((false, u32::try_from(value).unwrap() + 100)));
    }
    let metrics = account.metrics();
    assert_eq!(
        (metrics.requests, metrics.answers, metrics.open, metrics.lost, metrics.up),
        (10, 10, 0, 0, 1)
    );
}

#[tokio::test]
async fn a_request_without_an_answer_is_unknown_and_a_late_answer_is_nobodys() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { answer_timeout: ms(2_000), ..patient() });
    let lost = spawn_ask(&account, 1, 1);
    let mut peer = carrier.bound().await;
    let (number, value) = peer.expect(ASK).await;
    assert!(is_unknown(&within(lost).await.unwrap()));
    peer.write(ASK | ANSWER, number, value).await;
    let next = spawn_ask(&account, 1, 2);
    // It was silent for a whole answer's time, so it is asked whether it is there.
    let mut kinds = Vec::new();
    while let Some((kind, number, value)) = peer.read().await {
        kinds.push(kind);
        peer.write(kind | ANSWER, number, value).await;
        if kind == ASK {
            assert_eq!(value, 2, "the first is never sent again");
            break;
        }
    }
    assert_eq!(next.await.unwrap(), Ok((false, 2)));
    assert_eq!((account.metrics().lost, account.metrics().answers), (1, 1));
}

#[tokio::test]
async fn without_a_bind_nothing_is_sent() {
    let carrier = Carrier::new().await;
    let address = carrier.listener.local_addr().unwrap().to_string();
    drop(carrier);
    let settings = Settings { link_wait: ms(150), ..patient() };
    let plan =
        Plan { name: "tiny".to_owned(), address, lines: vec![Line { bind: 0, submits: true }], settings };
    let (account, _pushes) = Account::new(Tiny, plan, Arc::new(SystemClock)).unwrap();
    let Err(Lost::NotSent { why, obstacle: Obstacle::NoBind, .. }) = within(account.ask(1, &1)).await else {
        panic!("it was sent")
    };
    assert!(why.contains("no bind is up: no connection"), "{why}");
    assert!(within(account.ready()).await.is_err());
}

#[tokio::test]
async fn the_window_is_never_exceeded_and_whoever_waits_for_a_place_in_vain_was_not_sent() {
    let carrier = Carrier::new().await;
    let settings = Settings { window: 3, link_wait: ms(150), ..patient() };
    let (account, _pushes) = carrier.account(settings);
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let asks: Vec<_> = (0..5).map(|value| spawn_ask(&account, u64::from(value), value)).collect();
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(peer.expect(ASK).await);
    }
    assert!(is_quiet(peer.read()).await, "there are three");
    for (number, value) in open {
        peer.write(ASK | ANSWER, number, value).await;
    }
    let mut done = Vec::new();
    for ask in asks {
        done.push(ask.await.unwrap());
    }
    assert_eq!(
        (done.iter().filter(|one| one.is_ok()).count(), done.iter().filter(|one| is_not_sent(one)).count()),
        (3, 2)
    );
}

#[tokio::test]
async fn after_a_cut_what_was_written_is_unknown_and_nothing_goes_out_twice() {
    let carrier = Carrier::new().await;
    let settings = Settings { window: 1_000, ..patient() };
    let (account, _pushes) = carrier.account(settings);
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let mut asks: Vec<_> = (0..40).map(|value| spawn_ask(&account, u64::from(value), value)).collect();
    let mut seen = HashMap::new();
    for _ in 0..40 {
        let (number, value) = peer.expect(ASK).await;
        *seen.entry(value).or_insert(0) += 1;
        if value % 2 == 0 {
            peer.write(ASK | ANSWER, number, value).await;
        }
    }
    drop(peer);
    // Some of these may still go into the dead connection.
    asks.extend((40..300).map(|value| spawn_ask(&account, u64::from(value), value)));
    let serving = tokio::spawn(async move {
        let mut seen = HashMap::new();
        let mut peer = carrier.bound().await;
        while let Some((kind, number, value)) = peer.read().await {
            if kind == ASK {
                *seen.entry(value).or_insert(0) += 1;
            }
            peer.write(kind | ANSWER, number, value).await;
        }
        seen
    });
    let mut unknown = 0;
    for (value, ask) in (0_u32..).zip(asks) {
        match ask.await.unwrap() {
            Ok(_) => assert!(value % 2 == 0 || value >= 40),
            Err(Lost::Unknown { .. }) => unknown += 1,
            Err(lost) => panic!("{lost:?}"),
        }
    }
    assert!(spawn_ask(&account, 1, 1_000).await.unwrap().is_ok());
    assert_eq!(account.metrics().lost, unknown);
    account.close().await;
    for (value, count) in within(serving).await.unwrap() {
        *seen.entry(value).or_insert(0) += count;
    }
    assert!(unknown >= 20 && seen.values().all(|count| *count == 1), "once at most");
}

/// Fills a connection with the answers to pushes, for this end never reads, until nothing moves any more.
async fn fill(peer: &mut Peer) {
    let mut out = BytesMut::new();
    for number in 0..10_000 {
        write(PUSH, number, Some(number), &mut out);
    }
    while tokio::time::timeout(STUCK, peer.0.write_all(&out)).await.is_ok() {}
}

#[tokio::test]
async fn what_a_connection_had_not_taken_when_it_ended_goes_out_once_on_the_next() {
    let carrier = Carrier::new().await;
    let (account, mut pushes) = carrier.account(Settings { window: 100, ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let taking = tokio::spawn(async move { while pushes.recv().await.is_some() {} });
    fill(&mut peer).await;
    let asks: Vec<_> = (0..50).map(|value| spawn_ask(&account, value.into(), value)).collect();
    eventually(|| account.metrics().open == 50).await;
    drop(peer);
    let serving = tokio::spawn(async move { within(carrier.bound()).await.serve().await });
    for ask in asks {
        assert!(matches!(within(ask).await.unwrap(), Ok((false, _))));
    }
    account.close().await;
    assert_eq!(within(serving).await.unwrap(), 50);
    assert_eq!(account.metrics().lost, 0);
    drop(account);
    within(taking).await.unwrap();
}

#[tokio::test]
async fn what_a_full_connection_does_not_take_is_not_sent() {
    let carrier = Carrier::new().await;
    let settings = Settings { window: 100, link_wait: ms(400), answer_timeout: ms(1_000), ..patient() };
    let (account, mut pushes) = carrier.account(settings);
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let taking = tokio::spawn(async move { while pushes.recv().await.is_some() {} });
    fill(&mut peer).await;
    // The next connection is made, and never greeted.
    let asks: Vec<_> = (0..50).map(|value| spawn_ask(&account, value.into(), value)).collect();
    for ask in asks {
        let done = within(ask).await.unwrap();
        assert!(is_not_sent(&done), "{done:?}");
    }
    assert_eq!(account.metrics().lost, 0);
    drop((account, peer));
    within(taking).await.unwrap();
}

#[tokio::test]
async fn not_now_is_sent_again_before_later_requests_of_its_order() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { window: 5, ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    let mut asks = Vec::new();
    for value in 0..12 {
        asks.push(spawn_ask(&account, 7, value));
        tokio::task::yield_now().await;
    }
    let mut first = Vec::new();
    for _ in 0..5 {
        first.push(peer.expect(ASK).await);
    }
    // The middle three are not taken.
    for (number, value) in first {
        peer.write(if (1..4).contains(&value) { THROTTLED } else { ASK | ANSWER }, number, value).await;
    }
    let mut order = Vec::new();
    while order.len() < 10 {
        let (number, value) = within(peer.expect(ASK)).await;
        order.push(value);
        peer.write(ASK | ANSWER, number, value).await;
    }
    assert_eq!(order, [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]);
    for ask in asks {
        assert!(matches!(ask.await.unwrap(), Ok((false, _))));
    }
    let metrics = account.metrics();
    assert_eq!((metrics.throttled, metrics.requests), (3, 15));
    assert!(metrics.pace_per_second.is_some());
    assert!(account.shared.core.orders.is_first(7, u64::MAX));
}

#[tokio::test]
async fn not_now_is_told_after_the_patience_for_it() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { throttle_wait: ms(3_000), ..patient() });
    let ask = spawn_ask(&account, 1, 1);
    let mut peer = carrier.bound().await;
    let throttling = async {
        let mut count = 0;
        while let Some((_, number, value)) = peer.read().await {
            count += 1;
            peer.write(THROTTLED, number, value).await;
        }
        count
    };
    let (done, count) = tokio::join!(
        async {
            let done = within(ask).await.unwrap();
            drop(account);
            done
        },
        throttling
    );
    assert_eq!(done, Ok((true, 1)));
    assert!((2..=7).contains(&count), "{count}");
}

#[tokio::test]
async fn a_carriers_limit_is_kept_to_and_everything_arrives() {
    let carrier = Carrier::new().await;
    let settings = Settings { window: 20, ..patient() };
    let (account, _pushes) = carrier.account(settings);
    let serving = tokio::spawn(async move {
        let mut peer = carrier.bound().await;
        let (mut began, mut count) = (tokio::time::Instant::now(), 0);
        while let Some((kind, number, value)) = peer.read().await {
            if began.elapsed() >= Duration::from_millis(100) {
                (began, count) = (tokio::time::Instant::now(), 0);
            }
            count += u32::from(kind == ASK);
            // Two hundred a second.
            peer.write(if kind == ASK && count > 20 { THROTTLED } else { kind | ANSWER }, number, value)
                .await;
        }
    });
    let all: Vec<_> = futures::stream::iter(0..300_u32)
        .map(|value| {
            let account = &account;
            async move { account.ask(value.into(), &value).await }
        })
        .buffer_unordered(60)
        .collect()
        .await;
    assert!(all.iter().all(|one| matches!(one, Ok((false, _)))));
    let metrics = account.metrics();
    assert!(metrics.throttled < 150, "{metrics:?}");
    drop(account);
    within(serving).await.unwrap();
}

#[tokio::test]
async fn the_ceiling_spreads_requests() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { per_second: Some(50), ..patient() });
    let serving = tokio::spawn(async move { carrier.bound().await.serve().await });
    account.start();
    account.ready().await.unwrap();
    let began = tokio::time::Instant::now();
    let asks: Vec<_> = (0..26).map(|value| spawn_ask(&account, value.into(), value)).collect();
    for ask in asks {
        assert!(ask.await.unwrap().is_ok());
    }
    let took = began.elapsed().as_millis();
    assert!(took >= 490, "{took}");
    account.close().await;
    assert_eq!(serving.await.unwrap(), 26);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_go_out_in_few_writes_and_leave_nothing_behind() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { window: 100, ..patient() });
    let serving = tokio::spawn(async move {
        let mut peer = carrier.bound().await;
        let (mut input, mut out) = (BytesMut::with_capacity(64 * 1024), BytesMut::new());
        while peer.0.read_buf(&mut input).await.unwrap_or(0) > 0 {
            while input.len() >= 9
                && input.len() >= usize::try_from(u32::from_be_bytes(input[..4].try_into().unwrap())).unwrap()
            {
                let length = u32::from_be_bytes(input[..4].try_into().unwrap());
                let (kind, number, value) = parts(&input.split_to(usize::try_from(length).unwrap()));
                write(kind | ANSWER, number, Some(value), &mut out);
            }
            peer.0.write_all(&out).await.unwrap();
            out.clear();
        }
    });
    account.start();
    account.ready().await.unwrap();
    let tasks: Vec<_> = (0..100_u32)
        .map(|task| {
            let account = Arc::clone(&account);
            tokio::spawn(async move {
                for value in 0..1_000 {
                    assert_eq!(account.ask(u64::from(task), &value).await, Ok((false, value)));
                }
            })
        })
        .collect();
    for task in tasks {
        within(task).await.unwrap();
    }
    let metrics = account.metrics();
    assert_eq!((metrics.requests, metrics.answers, metrics.open), (100_000, 100_000, 0));
    assert!(metrics.writes < 50_000, "{metrics:?}");
    let slots = account.shared.board.links()[0].slots();
    assert!(slots <= 200, "{slots}");
    account.close().await;
    serving.await.unwrap();
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_keeps_its_place_until_it_is_answered() {
    let carrier = Carrier::new().await;
    let (account, _pushes) = carrier.account(Settings { window: 2, ..patient() });
    account.start();
    let mut peer = carrier.bound().await;
    account.ready().await.unwrap();
    for value in 0..2 {
        let asking = spawn_ask(&account, 1, value);
        eventually(|| account.metrics().open == value + 1).await;
        asking.abort();
        assert!(asking.await.unwrap_err().is_cancelled(), "nobody waits for it any more");
    }
    assert_eq!(account.metrics().open, 2);
    let next = spawn_ask(&account, 1, 2);
    let (number, value) = peer.expect(ASK).await;
    peer.expect(ASK).await;
    assert!(is_quiet(peer.read()).await, "the window is full");
    peer.write(ASK | ANSWER, number, value).await;
    let (number, value) = peer.expect(ASK).await;
    assert_eq!(value, 2);
    peer.write(ASK | ANSWER, number, value).await;
    assert_eq!(next.await.unwrap(), Ok((false, 2)));
    assert_eq!(account.shared.board.links()[0].slots(), 2);
}
