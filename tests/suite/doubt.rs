//! What is in doubt, and what is told about it: answers that do not say yes, and messages of which nobody knows whether they
//! went out.

use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::Outcome;
use sms_mcp::provider::exchange::{Event, Receipt};
use sms_mcp::send::Base;
use sms_mcp::send::contract::{BalanceArgs, StatusArgs};
use sms_mcp::sms::message::State;

use crate::engine::{NOON, bench, caller, to};

#[tokio::test]
async fn a_message_that_failed_in_the_answer_itself_is_told_as_failed_with_the_providers_words() {
    let failed = Outcome::Failed { vendor_id: Some("v-1".into()), status: State::Failed, price: None, why: "it failed: \"REJECTED\"\u{202e}".into() };
    let bench = bench(vec![failed], |_| {});
    let answer = bench.send(to(1, "hello")).await.unwrap();
    assert_eq!(serde_json::to_value(&answer).unwrap()["status"], "failed");
    assert!(answer.warnings.iter().any(|warning| warning.contains("REJECTED") && !warning.contains('\u{202e}')), "{:?}", answer.warnings);
    let budgets = bench.engine.balance(&caller(Base::Named("process".into())), BalanceArgs::default()).await.unwrap().budgets;
    assert!(budgets.iter().all(|budget| budget.spent == "0.10" && budget.held == "0.00"), "the provider has it, so it is charged");
    assert_eq!(bench.tries(), 1);
}

#[tokio::test]
async fn an_answer_that_does_not_say_yes_is_unknown_and_a_later_report_under_its_id_settles_it() {
    let bench = bench(vec![Outcome::Unclear { vendor_id: "v-1".into(), why: "status \"hm\"".into() }], |_| {});
    let error = bench.send(to(1, "hello")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(error.details().provider_said.as_deref(), Some("status \"hm\""));
    let id = error.details().message_id.clone().unwrap();
    let owner = caller(Base::Named("process".into()));
    let state = async || bench.engine.status(&owner, StatusArgs { id: id.clone() }).await.unwrap().message.unwrap().status;
    assert_eq!(state().await, State::Unknown);
    assert!(bench.engine.balance(&owner, BalanceArgs::default()).await.unwrap().budgets.iter().all(|budget| budget.held == "0.10"));
    bench.report(Event::Receipt(Receipt::new("v-1", State::Delivered, Timestamp(NOON)))).await;
    assert_eq!(state().await, State::Delivered);
    assert_eq!(bench.tries(), 1);
}
