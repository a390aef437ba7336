//! What CMPP writes: texts of each form in each version, the settings in their fields, and what an operator
//! asks for.

use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::Arguments;
use sms_mcp::provider::line::cmpp::Config;
use sms_mcp::provider::line::cmpp::login::Verify;
use sms_mcp::provider::line::cmpp::pdu::Version;
use sms_mcp::provider::{Outcome, SegmentOutcome, Submission};
use sms_mcp::sms::message::MessageId;
use sms_mcp::sms::number::Number;

use super::{build, cmpp_config, cmpp_provider};
use crate::carrier::ismg::{Ismg, SECRET};
use crate::carrier::peer::Peer;
use crate::vendors::submission_of;

fn message(n: u16, text: &str) -> Submission {
    let to = Number::parse(&format!("+861380013{n:04}"), None).unwrap();
    submission_of(MessageId::new(1, u128::from(n)), to, text)
}

fn id_of(outcome: &Outcome) -> String {
    let Outcome::Accepted { vendor_id: Some(id), .. } = outcome else { panic!("{outcome:?}") };
    id.clone()
}

fn assert_polite(ismg: &Peer<Ismg>) {
    assert!(ismg.complaints().is_empty(), "{:?}", ismg.complaints());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_each_form_arrives_whole_in_every_version() {
    let texts = [
        "Hello, CMPP!".to_owned(),
        "你好".to_owned(),
        "a".repeat(300),
        "长".repeat(100),
        format!("{}{}", "好".repeat(30), "a".repeat(80)),
    ];
    for version in [Version::V20, Version::V21, Version::V30] {
        let ismg = Peer::ismg();
        let provider =
            build(&Config { version, verify: Verify::Strict, ..cmpp_config(&ismg) }, "secret", SECRET);
        for (n, text) in (0..).zip(&texts) {
            let sent = provider.send(&message(n, text)).await;
            let segments = provider.form(&message(n, text).to, None, text).unwrap().segments;
            match sent {
                Outcome::Accepted { .. } => assert_eq!(segments, 1, "{version:?}"),
                Outcome::Segments(told) => {
                    assert_eq!(u32::try_from(told.len()).unwrap(), segments);
                    assert!(
                        told.iter().all(|segment| matches!(segment, SegmentOutcome::Accepted { .. })),
                        "{told:?}"
                    );
                }
                other => panic!("{version:?}: {other:?}"),
            }
            assert_eq!(ismg.messages()[&(format!("1380013{n:04}"), text.clone())], 1, "{version:?}");
        }
        assert_eq!(ismg.version(), version.octet());
        provider.close().await;
        assert_polite(&ismg);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_recipient_of_many_is_refused_alone_and_the_others_are_sent_once() {
    let ismg = Peer::ismg();
    ismg.habits(|habits| habits.bad_destination = Some("13800130001".to_owned()));
    let provider = build(&Config { destinations_per_submit: 99, ..cmpp_config(&ismg) }, "secret", SECRET);
    let long = "长".repeat(100);
    for text in ["Hello", &long] {
        let group: Vec<Submission> = (0..3).map(|n| message(n, text)).collect();
        let outcomes = provider.send_many(&group).await;
        assert!(
            matches!(&outcomes[1], Outcome::Rejected { code: ErrorKind::InvalidNumber, .. }),
            "{outcomes:?}"
        );
        for n in [0_usize, 2] {
            assert!(matches!(&outcomes[n], Outcome::Accepted { .. } | Outcome::Segments(_)), "{outcomes:?}");
            assert_eq!(ismg.messages()[&(format!("1380013{n:04}"), text.to_owned())], 1);
        }
    }
    assert_eq!(ismg.repeated(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_a_submit_stand_in_its_fields() {
    let ismg = Peer::ismg();
    let span = |text: &str| Some(text.parse().unwrap());
    let provider = build(
        &Config {
            service_id: "svc01".to_owned(),
            fee_user_type: 3,
            fee_terminal_id: Some("13900139000".to_owned()),
            validity: span("48h"),
            at_time: span("10m"),
            long_reference: 16,
            receipts: false,
            national_numbers: false,
            ..cmpp_config(&ismg)
        },
        "secret",
        SECRET,
    );
    let sent = provider
        .send(&Submission { from: Some("1069000188".to_owned()), ..message(1, &"长".repeat(100)) })
        .await;
    assert!(matches!(&sent, Outcome::Segments(all) if all.len() == 2), "{sent:?}");
    let submits = ismg.submits();
    let field = |name| submits[0].fields.iter().find(|field| field.0 == name).unwrap().1.as_str();
    assert_eq!((field("Service_Id"), field("Fee_terminal_Id")), ("svc01", "13900139000"));
    assert!(
        [field("ValId_Time"), field("At_Time")].iter().all(|time| time.len() == 16 && time.ends_with("032+"))
    );
    assert!(field("At_Time") < field("ValId_Time"));
    assert_eq!(
        (submits[0].from.as_str(), submits[0].to.as_slice()),
        ("1069000188", &["8613800130001".to_owned()][..])
    );
    assert!(
        submits
            .iter()
            .all(|submit| !submit.wants_receipt && submit.part.as_ref().is_some_and(|part| part.total == 2))
    );
    assert_polite(&ismg);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_ask_for_counts_and_take_a_message_back() {
    let ismg = Peer::ismg();
    let provider = cmpp_provider(&ismg);
    let id = id_of(&provider.send(&message(1, "Hello")).await);
    let counts =
        provider.act("query", &Arguments::from([("day".to_owned(), "2026-11-22".to_owned())])).await.unwrap();
    assert_eq!(counts["day"], "20261122");
    assert!(counts["taken"].is_u64(), "{counts}");
    let canceled = provider.act("cancel", &Arguments::from([("id".to_owned(), id)])).await;
    assert!(
        canceled.as_ref().is_ok_and(|value| value["canceled"] == true)
            || canceled.is_err_and(|error| error.kind() == ErrorKind::ProviderRejected)
    );
    assert_polite(&ismg);
}
