//! What every provider must do, as far as its capabilities go.

use std::sync::Arc;
use std::time::Duration;

use sms_mcp::clock::{SharedClock, SystemClock, Timestamp};
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::Enquiry;
use sms_mcp::provider::sandbox::{Config, Fault, Sandbox};
use sms_mcp::provider::{Balance, Outcome, Provider, Submission};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::number::Number;

use crate::support::fictional;

struct Case {
    provider: Arc<dyn Provider>,
    /// What really left, in order: recipients.
    sent: Box<dyn Fn() -> Vec<String>>,
    _folder: tempfile::TempDir,
}

/// Every provider that there is, each before a carrier of its own.
fn cases() -> Vec<Case> {
    let folder = tempfile::tempdir().unwrap();
    let outbox = folder.path().join("outbox.jsonl");
    let config = Config { outbox: Some(outbox.clone()), delivery_delay: "20ms".parse().unwrap(), ..Config::default() };
    let clock: SharedClock = Arc::new(SystemClock);
    let provider = Arc::new(Sandbox::new(config, clock).unwrap());
    let sent = move || {
        let text = std::fs::read_to_string(&outbox).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["to"].as_str().unwrap().to_owned()).collect()
    };
    vec![Case { provider, sent: Box::new(sent), _folder: folder }]
}

fn submission(n: u128, to: &str) -> Submission {
    Submission { id: MessageId::new(1, n), to: Number::parse(to, None).unwrap(), from: None, text: format!("text {n}"), segments: 2 }
}

#[tokio::test]
async fn an_accepted_message_left_exactly_once_and_has_an_id_and_its_quoted_price() {
    for case in cases() {
        let message = submission(1, &fictional(1));
        let Outcome::Accepted { vendor_id, status, price, .. } = case.provider.send(&message).await else { panic!("not accepted") };
        assert_eq!((case.sent)(), [fictional(1)]);
        assert_eq!(status, State::Sent);
        assert!(vendor_id.is_some_and(|id| !id.is_empty()));
        if case.provider.capabilities().prices {
            assert_eq!(price, case.provider.price(&message.to, 2));
            assert!(price.is_some_and(|price| price.micros > 0));
        }
    }
}

#[tokio::test]
async fn the_balance_falls_by_what_was_charged() {
    for case in cases().into_iter().filter(|case| case.provider.capabilities().balance) {
        let money = async || match case.provider.balance().await.unwrap() {
            Balance::Money(money) => money.micros,
            Balance::Credits { micros, .. } => micros,
        };
        let before = money().await;
        let Outcome::Accepted { price: Some(price), .. } = case.provider.send(&submission(1, &fictional(1))).await else { panic!("not accepted") };
        assert_eq!(before - money().await, price.micros);
    }
}

#[tokio::test]
async fn a_delivery_is_reported_by_receipt_and_by_look_up() {
    for case in cases() {
        let mut receipts = case.provider.receipts();
        assert!(case.provider.receipts().is_none(), "one listener");
        let Outcome::Accepted { vendor_id: Some(id), .. } = case.provider.send(&submission(1, &fictional(1))).await else { panic!("not accepted") };
        if let Some(receipts) = &mut receipts {
            let receipt = tokio::time::timeout(Duration::from_secs(5), receipts.recv()).await.unwrap().unwrap();
            assert_eq!((receipt.vendor_id.as_str(), receipt.state), (id.as_str(), State::Delivered));
        }
        if case.provider.capabilities().status {
            let ask = |vendor_id: &str| Enquiry {
                id: MessageId::new(1, 1),
                vendor_id: vendor_id.to_owned(),
                to: Number::parse(&fictional(1), None).unwrap(),
                created: Timestamp(1),
            };
            let states = async |vendor_id: &str| {
                case.provider.status(&ask(vendor_id)).await.unwrap().into_iter().map(|receipt| receipt.state).collect::<Vec<_>>()
            };
            assert_eq!(states(&id).await, [State::Delivered]);
            assert!(states("no such id").await.is_empty());
        }
    }
}

#[tokio::test]
async fn the_sandbox_plays_each_fault_as_its_table_says() {
    for (number, fault, _) in Fault::TABLE {
        let case = cases().remove(0);
        let mut receipts = case.provider.receipts().unwrap();
        let message = submission(1, number);
        let outcome = tokio::time::timeout(Duration::from_millis(100), case.provider.send(&message)).await;
        let left = (case.sent)().len();
        match fault {
            Fault::Rejected => assert!(matches!(outcome, Ok(Outcome::Rejected { code: ErrorKind::ProviderRejected, .. })) && left == 0),
            Fault::NoBalance => assert!(matches!(outcome, Ok(Outcome::Rejected { code: ErrorKind::InsufficientBalance, .. })) && left == 0),
            Fault::ThrottledOnce => {
                assert!(matches!(outcome, Ok(Outcome::NotSent { .. })) && left == 0);
                assert!(matches!(case.provider.send(&message).await, Outcome::Accepted { .. }));
            }
            Fault::ThrottledAlways => assert!(matches!(outcome, Ok(Outcome::NotSent { .. })) && left == 0),
            Fault::LostAnswer => assert!(matches!(outcome, Ok(Outcome::Unknown { .. })) && left == 1),
            Fault::Stalls => assert!(outcome.is_err() && left == 0),
            Fault::Overcharged => {
                let Ok(Outcome::Accepted { price: Some(price), .. }) = outcome else { panic!("{outcome:?}") };
                assert_eq!(price.micros, 2 * case.provider.price(&message.to, 2).unwrap().micros);
            }
            Fault::LateReceipt | Fault::NoReceipt => {
                assert!(matches!(outcome, Ok(Outcome::Accepted { .. })));
                assert!(tokio::time::timeout(Duration::from_millis(100), receipts.recv()).await.is_err(), "{fault:?}");
            }
            Fault::ReceiptTwice | Fault::FailedDelivery => {
                assert!(matches!(outcome, Ok(Outcome::Accepted { .. })));
                let mut come = Vec::new();
                while let Ok(Some(receipt)) = tokio::time::timeout(Duration::from_millis(150), receipts.recv()).await {
                    come.push(receipt.state);
                }
                let expected: &[State] = if fault == Fault::ReceiptTwice { &[State::Delivered; 2] } else { &[State::Failed] };
                assert_eq!(come, expected);
            }
            Fault::EmptiesBalance => {
                assert!(matches!(outcome, Ok(Outcome::Accepted { .. })));
                assert!(matches!(case.provider.balance().await, Ok(Balance::Money(money)) if money.micros == 0));
                let next = case.provider.send(&submission(2, &fictional(2))).await;
                assert!(matches!(next, Outcome::Rejected { code: ErrorKind::InsufficientBalance, .. }), "{next:?}");
            }
            _ => panic!("the table has a fault that this test does not know: {fault:?}"),
        }
    }
}
