//! What is in doubt, and what is told about it: answers that do not say yes, and messages of which nobody
//! knows whether they went out.

use sms_mcp::clock::Timestamp;
use sms_mcp::engine::Base;
use sms_mcp::engine::contract::{BalanceArgs, BulkArgs, OnInvalid, Recipient, SendArgs, StatusArgs};
use sms_mcp::engine::reconcile::Found;
use sms_mcp::error::ErrorKind;
use sms_mcp::policy::AllowDuplicate;
use sms_mcp::provider::Outcome;
use sms_mcp::provider::exchange::{Event, Receipt};
use sms_mcp::sms::message::State;

use crate::engine::{NOON, bench, caller, to};
use crate::support::{fictional, operator, person};

#[tokio::test]
async fn a_message_that_failed_in_the_answer_itself_is_told_as_failed_with_the_providers_words() {
    let failed = Outcome::Failed {
        vendor_id: Some("v-1".into()),
        status: State::Failed,
        price: None,
        why: "it failed: \"REJECTED\"\u{202e}".into(),
    };
    let bench = bench(vec![failed], |_| {});
    let answer = bench.send(to(1, "hello")).await.unwrap();
    assert_eq!(serde_json::to_value(&answer).unwrap()["status"], "failed");
    assert!(
        answer.warnings.iter().any(|warning| warning.contains("REJECTED") && !warning.contains('\u{202e}')),
        "{:?}",
        answer.warnings
    );
    let budgets = bench
        .engine
        .balance(&caller(Base::Named("process".into())), BalanceArgs::default())
        .await
        .unwrap()
        .budgets;
    assert!(
        budgets.iter().all(|budget| budget.spent == "0.10" && budget.held == "0.00"),
        "the provider has it, so it is charged"
    );
    assert_eq!(bench.tries(), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_say_yes_is_unknown_and_a_later_report_under_its_id_settles_it() {
    let bench =
        bench(vec![Outcome::Unclear { vendor_id: "v-1".into(), why: "status \"hm\"".into() }], |_| {});
    let error = bench.send(to(1, "hello")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(error.details().provider_said.as_deref(), Some("status \"hm\""));
    let id = error.details().message_id.clone().unwrap();
    let owner = caller(Base::Named("process".into()));
    let state = async || {
        bench
            .engine
            .status(&owner, StatusArgs { id: id.clone(), ..StatusArgs::default() })
            .await
            .unwrap()
            .message
            .unwrap()
            .status
    };
    assert_eq!(state().await, State::Unknown);
    assert!(
        bench
            .engine
            .balance(&owner, BalanceArgs::default())
            .await
            .unwrap()
            .budgets
            .iter()
            .all(|budget| budget.held == "0.10")
    );
    bench.report(Event::Receipt(Receipt::new("v-1", State::Delivered, Timestamp(NOON)))).await;
    assert_eq!(state().await, State::Delivered);
    assert_eq!(bench.tries(), 1);
}

/// One text, and how people and models write it again.
const TEXT: &str = "Your parcel is here, Ann: code 12.5";
const SPELLINGS: [&str; 18] = [
    TEXT,
    "your parcel is here, ann: CODE 12.5",
    "Your parcel is here, Ann: code 12.5.",
    "Your parcel is here, Ann: code 12.5!",
    "  Your  parcel is\nhere, Ann: code 12.5 ",
    "Your\u{a0}parcel is here, Ann: code 12.5",
    "Your parcel is here,\u{2003}Ann: code 12.5",
    "Your par\u{200b}cel is here, Ann: code 12.5",
    "Your par\u{200d}cel is here, Ann: code 12.5\u{feff}",
    "\u{202a}Your parcel is here, Ann: code 12.5\u{202c}",
    "\u{2067}Your parcel is here, Ann: code 12.5\u{2069}",
    "Your par\u{ad}cel is here, Ann: code 12.5",
    "Y\u{43e}ur p\u{430}rcel is here, Ann: code 12.5",
    "Your parcel is here, \u{391}nn: code 12.5",
    "\u{ff39}\u{ff4f}\u{ff55}\u{ff52} parcel is here, Ann: code 12.5",
    "Your parcel is here \u{2014} Ann: code 12.5",
    "Your parcel is here, Ann; \u{201c}code\u{201d} 12.5",
    "You\u{301}r p\u{e0}rcel is here, Ann: code 12.5",
];

fn lost() -> Outcome {
    Outcome::Unknown { why: "reset by peer".into() }
}

fn one_of(n: usize) -> Vec<Recipient> {
    vec![Recipient { to: fictional(n), data: std::collections::BTreeMap::new() }]
}

#[tokio::test]
async fn after_a_lost_answer_the_same_text_in_any_spelling_is_refused_however_long_ago_it_was() {
    let bench = bench(vec![lost()], |_| {});
    let first = bench.send(to(1, TEXT)).await.unwrap_err().details().message_id.clone().unwrap();
    for later in [0, 11 * 60_000, 30 * 86_400_000] {
        bench.later(later);
        for (n, spelling) in SPELLINGS.into_iter().enumerate() {
            for allow_duplicate in [false, true] {
                let args = SendArgs {
                    idempotency_key: Some(format!("new-{n}-{later}")),
                    allow_duplicate,
                    ..to(1, spelling)
                };
                let refused = bench.send(args.clone()).await.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::DuplicateSuspected, "{spelling:?}");
                assert_eq!(refused.details().message_id.as_ref(), Some(&first), "{spelling:?}");
                assert!(
                    refused.message().contains(&first) && refused.next_step().contains("NOT retry"),
                    "{refused} {}",
                    refused.next_step()
                );
                assert!(!refused.next_step().contains("allow_duplicate"), "{}", refused.next_step());
                let quote = bench.send(SendArgs { dry_run: true, ..args }).await.unwrap().quote.unwrap();
                assert!(!quote.allowed && quote.refusal.unwrap().message.contains(&first), "{spelling:?}");
            }
        }
    }
    for dry_run in [false, true] {
        let bulk =
            BulkArgs { recipients: one_of(1), message: SPELLINGS[7].into(), dry_run, ..BulkArgs::default() };
        let refused = bench.engine.send_bulk(caller(Base::Open), bulk, None, None).await.unwrap_err();
        assert_eq!(refused.details().refused[0].code, "duplicate_suspected");
        assert!(refused.details().refused[0].message.contains(&first), "{refused}");
    }
    assert_eq!(bench.tries(), 1);
    assert!(bench.send(to(2, TEXT)).await.is_ok(), "to somebody else");
    let bob = sms_mcp::engine::Caller::new("bob", Base::Open);
    assert!(
        bench.engine.send(bob, to(1, TEXT)).await.is_ok(),
        "another principal's message is another message"
    );
}

#[tokio::test]
async fn what_is_in_doubt_under_one_number_of_a_phone_is_in_doubt_under_its_others() {
    for (first, again) in [("+5491123456789", "+541123456789"), ("+541123456789", "+5491123456789")] {
        let bench = bench(vec![lost()], |_| {});
        let args = |to: &str| SendArgs { to: to.into(), message: TEXT.into(), ..SendArgs::default() };
        let lost = bench.send(args(first)).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown, "{first}: {lost}");
        let refused = bench.send(args(again)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::DuplicateSuspected, "{again}: {refused}");
        assert_eq!(refused.details().message_id, lost.details().message_id);
        assert_eq!(bench.tries(), 1);
    }
}

#[tokio::test]
async fn a_clearly_different_text_goes_out_while_one_is_in_doubt_and_its_answer_names_the_one_in_doubt() {
    let bench = bench(vec![lost()], |_| {});
    bench.engine.start(false).await.unwrap();
    let first = bench.send(to(1, TEXT)).await.unwrap_err().details().message_id.clone().unwrap();
    let names_it = |warnings: &[String]| warnings.iter().any(|warning| warning.contains(&first));
    for dry_run in [true, false] {
        let answer =
            bench.send(SendArgs { dry_run, ..to(1, "Your parcel is here, Ann: code 125") }).await.unwrap();
        assert!(names_it(&answer.warnings), "{:?}", answer.warnings);
        let bulk = BulkArgs {
            recipients: one_of(1),
            message: "The shop closes at noon".into(),
            dry_run,
            ..BulkArgs::default()
        };
        let answer = bench.engine.send_bulk(caller(Base::Open), bulk, None, None).await.unwrap();
        assert!(names_it(&answer.warnings), "{:?}", answer.warnings);
    }
    let mixed = BulkArgs {
        recipients: [one_of(1), one_of(2)].concat(),
        message: SPELLINGS[1].into(),
        on_invalid: OnInvalid::Skip,
        ..BulkArgs::default()
    };
    let answer = bench.engine.send_bulk(caller(Base::Open), mixed, None, None).await.unwrap();
    assert_eq!((answer.accepted, answer.refused.len()), (1, 1));
    assert!(answer.refused[0].message.contains(&first) && !names_it(&answer.warnings), "{answer:?}");
    assert!(
        bench.send(to(2, "Bye")).await.unwrap().warnings.iter().all(|warning| !warning.contains(&first)),
        "nothing is in doubt about them"
    );
    assert_eq!(bench.tries(), 5);
    bench.engine.stop(std::time::Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_was_in_doubt_is_free_again_once_it_is_settled_as_not_sent() {
    let bench = bench(vec![lost()], |_| {});
    let first = bench.send(to(1, TEXT)).await.unwrap_err().details().message_id.clone().unwrap();
    bench
        .engine
        .settle_unknown(
            &caller(Base::Open),
            &sms_mcp::sms::message::MessageId::from_text(first),
            Found::NotSent(&person()),
        )
        .await
        .unwrap();
    assert!(bench.send(to(1, SPELLINGS[3])).await.is_ok());
}

#[tokio::test]
async fn the_operator_decides_whether_the_same_text_may_go_twice() {
    for (setting, after_unknown, in_window) in [
        (AllowDuplicate::NotAfterUnknown, false, true),
        (AllowDuplicate::Never, false, false),
        (AllowDuplicate::Yes, true, true),
    ] {
        let bench = bench(vec![lost()], |guard| guard.allow_duplicate = setting);
        bench.send(to(1, TEXT)).await.unwrap_err();
        bench.send(to(2, TEXT)).await.unwrap();
        let meant = |n: usize| SendArgs { allow_duplicate: true, ..to(n, SPELLINGS[2]) };
        assert_eq!(bench.send(meant(1)).await.is_ok(), after_unknown, "{setting:?}");
        assert_eq!(bench.send(meant(2)).await.is_ok(), in_window, "{setting:?}");
        assert_eq!(
            bench.kind(to(2, TEXT)).await,
            Some(ErrorKind::DuplicateSuspected),
            "{setting:?}: nobody meant it"
        );
    }
}

#[tokio::test]
async fn within_the_window_any_spelling_is_the_same_text() {
    let bench = bench(Vec::new(), |_| {});
    bench.send(to(1, TEXT)).await.unwrap();
    for spelling in SPELLINGS {
        assert_eq!(bench.kind(to(1, spelling)).await, Some(ErrorKind::DuplicateSuspected), "{spelling:?}");
    }
    assert!(bench.send(to(1, "Your parcel is here, Ann: code 126")).await.is_ok());
    bench.later(10 * 60_000);
    assert!(bench.send(to(1, SPELLINGS[1])).await.is_ok());
}

#[tokio::test]
async fn a_frozen_budget_says_which_message_overcharged_and_by_how_much() {
    let over = sms_mcp::sms::money::Money { micros: 300_000, currency: sms_mcp::sms::money::Currency::USD };
    let charged =
        || Outcome::Accepted { vendor_id: None, status: State::Sent, segments: None, price: Some(over) };
    let bench = bench(vec![charged(), charged()], |_| {});
    let first = bench.send(to(1, "hello")).await.unwrap().id.unwrap();
    let refused = bench.send(to(2, "hello")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BudgetFrozen);
    assert!(
        refused.message().ends_with(&format!("is frozen: {first} was held at 0.10 USD and charged 0.30 USD")),
        "{refused}"
    );
    let budgets = bench.engine.all_budgets(&operator()).await.unwrap();
    assert!(
        budgets.iter().all(|budget| budget
            .frozen_because
            .as_ref()
            .is_some_and(|because| because.contains(first.as_str()))),
        "{budgets:?}"
    );
    bench.engine.unfreeze(&person(), None).await.unwrap();
    assert!(
        bench
            .engine
            .all_budgets(&operator())
            .await
            .unwrap()
            .iter()
            .all(|budget| !budget.frozen && budget.frozen_because.is_none())
    );
    let second = bench.send(to(2, "hello")).await.unwrap().id.unwrap();
    assert!(
        bench.send(to(3, "hello")).await.unwrap_err().message().contains(second.as_str()),
        "the one that froze it this time"
    );
}

#[test]
fn reconcile_counts_what_is_unknown_of_a_provider_that_is_not_configured_any_more() {
    let named = |name: &str| format!("[[provider]]\nkind = \"sandbox\"\nname = \"{name}\"\n");
    let desk = crate::support::Desk::new(&named("first"));
    let lost = desk.run(&["send", "+12025550104", "Hello", "--json"]);
    let id = lost.json()["id"].as_str().unwrap_or_else(|| panic!("{lost:?}")).to_owned();
    let text = std::fs::read_to_string(desk.config()).unwrap();
    std::fs::write(desk.config(), text.replace("\"first\"", "\"second\"")).unwrap();
    let listed = desk.run(&["list", "--status", "unknown"]);
    assert!(listed.out.contains(&id), "{listed:?}");
    let found = desk.run(&["reconcile"]);
    assert!(found.out.starts_with("0 settled, 1 still unknown\n") && found.out.contains(&id), "{found:?}");
    assert!(
        found.err.contains("first is not among the configured providers") && found.err.contains("--not-sent"),
        "{found:?}"
    );
    let json = desk.run(&["reconcile", "--json"]).json();
    assert_eq!(
        (json["unknown"][0].as_str(), json["notes"].as_array().map(Vec::len)),
        (Some(id.as_str()), Some(1)),
        "{json}"
    );
}
