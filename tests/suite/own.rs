//! Texts of the operator's own: what the program itself sends leaves once for its key, from a budget of its
//! own, and no agent sees it or can pass for it.

use std::time::Duration;

use sms_mcp::engine::contract::{ListArgs, OpenArgs, StatusArgs};
use sms_mcp::engine::own::{By, OwnSent, OwnText};
use sms_mcp::engine::{Base, Caller, Engine};
use sms_mcp::error::ErrorKind;
use sms_mcp::policy::Approval;
use sms_mcp::provider::Outcome;
use sms_mcp::provider::exchange::{Event, Reply};
use sms_mcp::sms::facts::Limits;
use sms_mcp::sms::message::State;
use sms_mcp::sms::money::Amount;
use sms_mcp::sms::number::Number;
use sms_mcp::sms::own::Own;

use crate::engine::{Bench, bench, bench_asking, caller, to};
use crate::support::{Desk, fictional, operator};

fn own(own: Own, n: usize, key: &str) -> OwnText {
    OwnText {
        own,
        to: Number::parse(&fictional(n), None).unwrap(),
        text: "Acme: help is at 0199".to_owned(),
        by: By::Routes,
        key: key.to_owned(),
        day: Limits { spend_micros: Some(1_000_000), messages: Some(3) },
    }
}

async fn kind(engine: &Engine, text: OwnText) -> Option<ErrorKind> {
    engine.send_own(text).await.err().map(|error| error.kind())
}

/// What of a budget is used: held, spent and messages of the rows whose name begins so.
async fn used(engine: &Engine, name: &str) -> Vec<(String, String, i64)> {
    let all = engine.all_budgets(&operator()).await.unwrap();
    let of = all.into_iter().filter(|budget| budget.name.starts_with(name));
    of.map(|budget| (budget.held, budget.spent, budget.messages)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_leaves_once_for_its_key_whoever_comes_again_and_after_a_lost_answer() {
    let bench = bench(vec![Outcome::Unknown { why: "reset".into() }], |_| {});
    let lost = bench.engine.send_own(own(Own::Help, 0, "help:0")).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown);
    assert!(matches!(
        bench.engine.send_own(own(Own::Help, 0, "help:0")).await,
        Ok(OwnSent::Before(id)) if Some(id.as_str()) == lost.details().message_id.as_deref()
    ));
    // Many at once, in two processes, in other words each time.
    let other = bench.restarted_asking(Approval::default(), 3);
    let all = (0..16).map(|n| {
        let engine = if n % 2 == 0 { bench.engine.clone() } else { other.clone() };
        let text = OwnText { text: format!("Words of {n}"), ..own(Own::Help, 1, "help:1") };
        async move { engine.send_own(text).await.unwrap() }
    });
    let told = futures::future::join_all(all).await;
    let sent = told.iter().filter(|told| matches!(told, OwnSent::Sent(_, State::Sent))).count();
    assert_eq!((sent, bench.tries()), (1, 2), "{told:?}");
    // Another key of the same person, and the same key of another kind.
    for text in [own(Own::Help, 1, "help:1:tomorrow"), own(Own::Consent, 1, "help:1")] {
        // Half of a day's answers are kept for STOP.
        let day = Limits { messages: Some(9), ..text.day };
        assert!(matches!(bench.engine.send_own(OwnText { day, ..text }).await, Ok(OwnSent::Sent(..))));
    }
    assert_eq!(bench.tries(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_certainly_was_not_sent_leaves_its_key_free() {
    let no = || Outcome::NotSent { retry_after_ms: None, why: "busy".into() };
    let bench = bench(vec![no(), no(), no()], |_| {});
    assert_eq!(kind(&bench.engine, own(Own::Help, 1, "k")).await, Some(ErrorKind::ProviderUnavailable));
    assert!(matches!(bench.engine.send_own(own(Own::Help, 1, "k")).await, Ok(OwnSent::Sent(..))));
    assert_eq!(bench.tries(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_its_turn_and_asks_no_person() {
    let rules = Approval { everything: true, ..Approval::default() };
    let bench = bench_asking(|guard| guard.sends_per_second = 1, rules);
    assert!(matches!(bench.engine.send_own(own(Own::Help, 1, "1")).await, Ok(OwnSent::Sent(..))));
    let next = tokio::spawn({
        let engine = bench.engine.clone();
        async move { engine.send_own(own(Own::Help, 2, "2")).await }
    });
    tokio::time::sleep(Duration::from_millis(5)).await;
    bench.later(1_000);
    assert!(matches!(next.await.unwrap(), Ok(OwnSent::Sent(..))));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_paid_from_a_budget_of_its_own_and_the_total_holds_for_all() {
    let bench = bench(Vec::new(), |guard| {
        (guard.total_spend, guard.day_messages) = (Some(Amount(400_000)), 1);
    });
    for n in 0..2 {
        assert_eq!(kind(&bench.engine, own(Own::Help, n, &n.to_string())).await, None);
    }
    let full = Some(ErrorKind::BudgetExceeded);
    assert_eq!(kind(&bench.engine, own(Own::Help, 2, "2")).await, full, "the rest is for STOP");
    assert_eq!(kind(&bench.engine, own(Own::Stop, 2, "2")).await, None);
    assert_eq!(kind(&bench.engine, own(Own::Stop, 3, "3")).await, full, "3 a day");
    assert_eq!(used(&bench.engine, "day:USD:operator:answers").await, [("0.00".into(), "0.30".into(), 3)]);
    assert_eq!(used(&bench.engine, "session:").await, [], "it is in no session");
    // An agent's day is its own, and one more fits into the total.
    assert_eq!(bench.kind(to(1, "Hello")).await, None);
    assert_eq!(kind(&bench.engine, own(Own::Consent, 3, "3")).await, Some(ErrorKind::BudgetExceeded));
    assert_eq!(used(&bench.engine, "total:USD").await, [("0.00".into(), "0.40".into(), 4)]);
    assert_eq!(bench.tries(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_caller_is_called_as_it_is() {
    let bench = bench(Vec::new(), |_| {});
    for own in Own::ALL {
        let mallory = || Caller::new(own.principal(), Base::Open);
        for args in [to(1, "Hello"), sms_mcp::engine::contract::SendArgs { dry_run: true, ..to(1, "Hello") }]
        {
            let refused = bench.engine.send(mallory(), args).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{own:?}");
            assert!(refused.message().contains(own.principal()), "{refused}");
        }
        assert!(bench.engine.open_session(&mallory(), OpenArgs::default()).await.is_err());
    }
    assert_eq!(bench.tries(), 0);
    let desk = Desk::new("");
    for args in [
        ["--as", "operator:approval", "send", "+12025550123", "Hello"],
        ["--as", "Operator:Answers", "send", "+12025550123", "Hello"],
    ] {
        let ended = desk.run(&args);
        assert!(ended.code != 0 && ended.err.contains("the program itself sends"), "{ended:?}");
    }
    assert!(desk.sent().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_see_nothing_of_it_and_people_answer_the_agent() {
    let bench = bench(Vec::new(), |_| {});
    let first = bench.send(to(1, "Your table is booked")).await.unwrap().id.unwrap();
    bench.later(60_000);
    let OwnSent::Sent(id, _) = bench.engine.send_own(own(Own::Help, 1, "k")).await.unwrap() else {
        panic!("it was not sent")
    };
    bench.later(60_000);
    let reply = Reply {
        vendor_id: "r-1".into(),
        from: fictional(1).as_str().into(),
        to: "36179".into(),
        text: "Can we come at nine?".into(),
        at: bench.clock_now(),
        content: None,
        is_again: false,
        is_answered: false,
    };
    bench.report(Event::Reply(reply)).await;
    let alice = caller(Base::Open);
    let listed = bench.engine.list(&alice, ListArgs::default()).await.unwrap();
    assert_eq!(listed.messages.iter().map(|message| &message.id).collect::<Vec<_>>(), [&first]);
    let args = |id: &str| StatusArgs { id: id.to_owned(), ..StatusArgs::default() };
    let asked = bench.engine.status(&alice, args(id.as_str())).await.unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::NotFound);
    let told = bench.engine.status(&alice, args(first.as_str())).await.unwrap();
    assert_eq!(told.replies.len(), 1, "the answer is to the agent's text, whatever was sent since");
    assert!(!holds(&bench, "help is at 0199"), "its text is written nowhere");
    assert!(holds(&bench, "Your table is booked"));
}

/// Whether the ledger's files have these words.
fn holds(bench: &Bench, words: &str) -> bool {
    bench.files().iter().any(|file| {
        let octets = std::fs::read(file).unwrap();
        octets.windows(words.len()).any(|window| window == words.as_bytes())
    })
}
