//! What needs no gateway: ids, numbers, groups, forms.

use super::gateway::vendor_id;
use super::*;
use crate::clock::SystemClock;
use crate::provider::SegmentOutcome;
use crate::provider::line::session::Obstacle;
use crate::provider::settings::{Secrets, Settings as _};
use crate::setting::SecretText;
use crate::sms::message::MessageId;

/// `Result` of a recipient that is wrong.
const BAD: u32 = result::BAD_DESTINATION;

fn gateway(change: impl FnOnce(&mut Config)) -> Gateway {
    let mut config = Config {
        address: "127.0.0.1:1".to_owned(),
        sp_id: "900001".to_owned(),
        from: Some("10690001".to_owned()),
        ..Config::default()
    };
    change(&mut config);
    assert_eq!(config.check(), Ok(()));
    let mut secrets = Secrets::default();
    secrets.insert("secret", SecretText::new("888888"));
    Gateway::new(config, &Setup { clock: Arc::new(SystemClock), secrets, callback: None }).unwrap()
}

fn number(e164: &str) -> Number {
    Number::parse(e164, None).unwrap()
}

fn submission(to: &str, from: Option<&str>, text: &str) -> Submission {
    Submission {
        id: MessageId::new(1, 2),
        to: number(to),
        from: from.map(ToOwned::to_owned),
        text: text.to_owned(),
        segments: 1,
        ceiling: None,
        brake: Default::default(),
    }
}

#[test]
fn the_ids_of_a_group_count_on_in_the_low_16_bits_alone() {
    assert_eq!(vendor_id(0xbb25_e140_1234_0007, 0), "bb25e14012340007");
    assert_eq!(vendor_id(0xbb25_e140_1234_0007, 98), "bb25e14012340069");
    assert_eq!(vendor_id(0xbb25_e140_1234_ffff, 0), "bb25e1401234ffff");
    assert_eq!(vendor_id(0xbb25_e140_1234_ffff, 1), "bb25e14012340000", "the gateway's own number stays");
    assert_eq!(vendor_id(0, 1), "");
}

#[test]
fn a_late_answer_speaks_of_every_message_that_its_request_carried() {
    let messages: Arc<[MessageId]> = (0..99).map(|n| MessageId::new(1, n)).collect();
    let told = |answer| {
        let about =
            crate::provider::exchange::About { messages: Arc::clone(&messages), segment: Some((2, 3)) };
        let told = answered(&Late { about, answer }, &Results::default());
        let part = |answered: Answered| match answered {
            Answered { message, segment: Some((2, 3)), outcome } => (message, outcome),
            other => panic!("{other:?}"),
        };
        told.into_iter().map(part).collect::<Vec<_>>()
    };
    let taken = told(Answer::Submitted(pdu::Answered { msg_id: 0xbb25_e140_1234_fff0, result: 0 }));
    let expected =
        |n: u16| SegmentOutcome::Accepted { vendor_id: vendor_id(0xbb25_e140_1234_fff0, n), price: None };
    assert!(
        (0..)
            .zip(&taken)
            .all(|(n, (message, outcome))| *message == messages[usize::from(n)] && *outcome == expected(n))
    );
    assert_eq!(taken.len(), 99);
    for (result, is_no) in [(BAD, true), (result::FLOW_CONTROL, false)] {
        let refused = told(Answer::Submitted(pdu::Answered { msg_id: 0, result }));
        let is_right = |outcome: &SegmentOutcome| matches!(outcome, SegmentOutcome::Rejected { .. }) == is_no;
        assert!(
            refused
                .iter()
                .all(|(_, outcome)| is_right(outcome) && !matches!(outcome, SegmentOutcome::Accepted { .. })),
            "{result}"
        );
    }
    assert!(
        told(Answer::Canceled(0))
            .iter()
            .all(|(_, outcome)| matches!(outcome, SegmentOutcome::Unknown { .. })),
        "to another question"
    );
}

#[test]
fn numbers_are_written_as_the_settings_say() {
    let (china, france) = (number("+8613800138000"), number("+33612345678"));
    let plain = gateway(|_| {});
    assert_eq!(plain.terminal(&china).as_bytes(), b"13800138000");
    assert!(plain.form(&china, None, "Hi").is_ok());
    assert_eq!(plain.form(&france, None, "Hi").unwrap_err().kind(), ErrorKind::DestinationNotAllowed);
    let other = gateway(|config| (config.national_numbers, config.foreign) = (false, true));
    assert_eq!(other.terminal(&china).as_bytes(), b"8613800138000");
    assert_eq!(other.terminal(&france).as_bytes(), b"0033612345678");
    assert!(other.form(&france, None, "Hi").is_ok());
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_reserved() {
    let (gateway, china) = (gateway(|_| {}), number("+8613800138000"));
    assert!(gateway.form(&china, Some("1069000188"), "Hi").is_ok());
    for from in ["ACME", "", "123456789012345678901"] {
        assert_eq!(
            gateway.form(&china, Some(from), "Hi").unwrap_err().kind(),
            ErrorKind::SenderNotAllowed,
            "{from}"
        );
    }
    assert_eq!(
        gateway.form(&china, None, &"a".repeat(134 * 255 + 1)).unwrap_err().kind(),
        ErrorKind::MessageTooLong
    );
}

#[test]
fn what_is_priced_are_the_segments_that_go_out() {
    let (gateway, china) = (gateway(|_| {}), number("+8613800138000"));
    let form = |text: &str| gateway.form(&china, None, text).unwrap();
    assert_eq!(form(&"a".repeat(159)), Form { encoding: "ASCII", segments: 1 });
    assert_eq!(form(&"a".repeat(160)), Form { encoding: "ASCII", segments: 2 });
    assert_eq!(form("[offer]"), Form { encoding: "UCS-2", segments: 1 });
    assert_eq!(
        form(&format!("{}{}", "好".repeat(30), "a".repeat(80))),
        Form { encoding: "GB18030", segments: 1 }
    );
}

#[test]
fn a_group_has_one_text_and_one_sender_and_no_more_recipients_than_allowed() {
    let gateway = gateway(|config| config.destinations_per_submit = 2);
    let submissions = [
        submission("+8613800138000", None, "A"),
        submission("+8613800138001", Some("10690001"), "A"),
        submission("+8613800138002", None, "A"),
        submission("+8613800138003", Some("10690002"), "A"),
        submission("+8613800138004", None, "B"),
    ];
    assert_eq!(gateway.groups(&submissions), [vec![0, 1], vec![2], vec![3], vec![4]]);
    assert_eq!(gateway.capabilities().recipients_per_request, 2);
}

#[test]
fn the_answers_of_a_group_are_told_by_recipient_and_segment() {
    let gateway = gateway(|_| {});
    let told = |answer| Asked { answer, of_recipient: false };
    let answered = |msg_id, result| told(Ok(Answer::Submitted(pdu::Answered { msg_id, result })));
    let Outcome::Accepted { vendor_id, .. } = gateway.outcome(&vec![answered(0xFFFF, 0)], 2) else {
        panic!()
    };
    assert_eq!(vendor_id.as_deref(), Some("0000000000000001"));
    assert!(matches!(
        gateway.outcome(&vec![answered(0, 13)], 0),
        Outcome::Rejected { code: ErrorKind::InvalidNumber, .. }
    ));
    assert!(matches!(
        gateway.outcome(&vec![answered(0, 8)], 0),
        Outcome::NotSent { retry_after_ms: Some(_), .. }
    ));
    let lost = Lost::Unknown { why: "no answer".to_owned() };
    let Outcome::Segments(segments) = gateway.outcome(&vec![answered(7, 0), lost.into(), answered(0, 8)], 0)
    else {
        panic!()
    };
    assert!(matches!(
        &segments[..],
        [SegmentOutcome::Accepted { .. }, SegmentOutcome::Unknown { .. }, SegmentOutcome::NotSent { .. }]
    ));
    let not_sent = |obstacle| {
        Asked::from(Lost::NotSent { why: "no bind is up".to_owned(), obstacle, retry_after_ms: None })
    };
    let full = Asked { of_recipient: true, ..answered(0, 8) };
    assert!(matches!(
        gateway.outcome(&vec![full], 0),
        Outcome::NotNow { code: ErrorKind::ProviderUnavailable, .. }
    ));
    assert!(matches!(
        gateway.outcome(&vec![not_sent(Obstacle::Turn)], 0),
        Outcome::NotNow { code: ErrorKind::RateLimited, .. }
    ));
    assert!(matches!(gateway.outcome(&vec![not_sent(Obstacle::NoBind)], 0), Outcome::NotSent { .. }));
    assert!(matches!(
        gateway.outcome(&vec![not_sent(Obstacle::Unauthorized)], 0),
        Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, .. }
    ));
    assert!(matches!(gateway.outcome(&vec![told(Ok(Answer::Canceled(0)))], 0), Outcome::Unknown { .. }));
}

#[tokio::test]
async fn an_action_with_wrong_arguments_asks_nothing() {
    let gateway = gateway(|_| {});
    for (action, name, value) in [
        ("cancel", "id", "12"),
        ("cancel", "id", "zz25e14012340007"),
        ("query", "day", "today"),
        ("query", "service", "12345678901"),
    ] {
        let arguments = Arguments::from([(name.to_owned(), value.to_owned())]);
        assert_eq!(
            gateway.act(action, &arguments).await.unwrap_err().kind(),
            ErrorKind::InvalidArgument,
            "{action} {value}"
        );
    }
    assert_eq!(gateway.act("dance", &Arguments::new()).await.unwrap_err().kind(), ErrorKind::NotFound);
}
