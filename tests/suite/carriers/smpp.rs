//! What SMPP alone has, before an SMSC: the ways to cut a text, ids in two notations, status codes, texts of
//! people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Enquiry, Event, Notice, Receipt, Reply};
use sms_mcp::provider::line::smpp::Config;
use sms_mcp::provider::line::smpp::alphabet::{Alphabet, Long};
use sms_mcp::provider::line::smpp::config::Mode;
use sms_mcp::provider::line::smpp::inbox::ReceiptIds;
use sms_mcp::provider::line::smpp::status::{Meaning, StatusCode};
use sms_mcp::provider::{Outcome, Provider, SegmentOutcome, Submission};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::number::Number;
use tokio::sync::mpsc::Receiver;

use super::{build_smpp, next, smpp_config};
use crate::carrier::peer::{Peer, Receipts, Side};
use crate::carrier::smsc::{Habits, Joined, Smsc, from_person};
use crate::vendors::{enquiry_of, submission_of};

fn number() -> Number {
    Number::parse("+33612345678", None).unwrap()
}

fn submission(text: &str) -> Submission {
    submission_of(MessageId::new(1, 2), number(), text)
}

async fn next_receipt(notices: &mut Receiver<Notice>) -> Receipt {
    let notice = next(notices).await;
    let Event::Receipt(receipt) = notice.event.clone() else { panic!("{notice:?}") };
    notice.recorded(true);
    receipt
}

fn ids(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Accepted { vendor_id, .. } => vendor_id.iter().cloned().collect(),
        Outcome::Segments(segments) => segments
            .iter()
            .map(|segment| {
                if let SegmentOutcome::Accepted { vendor_id, .. } = segment {
                    vendor_id.clone()
                } else {
                    panic!("{segment:?}")
                }
            })
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// Sends a text, and checks that it arrived whole in so many segments of this coding.
async fn arrives(config: Config, peer: &Peer<Smsc>, text: &str, segments: usize, coding: u8) {
    let provider = build_smpp(&config);
    peer.forget();
    let outcome = provider.send(&submission(text)).await;
    let submits = peer.submits();
    let shown: String = submits.iter().map(|submit| submit.text.as_str()).collect();
    assert_eq!((shown.as_str(), submits.len()), (text, segments), "{:?}", config.long);
    assert!(
        submits
            .iter()
            .all(|submit| submit.coding == coding && submit.from == "ACME" && submit.to == ["33612345678"])
    );
    let numbers: Vec<u8> = submits.iter().filter_map(|submit| submit.part.map(|part| part.number)).collect();
    assert_eq!(
        numbers,
        if segments > 1 { (1..=u8::try_from(segments).unwrap()).collect() } else { Vec::new() }
    );
    assert_eq!(ids(&outcome), submits.iter().map(|submit| submit.id.clone()).collect::<Vec<_>>());
    provider.close().await;
}

#[tokio::test]
async fn long_texts_arrive_whole_in_every_way_of_cutting() {
    let peer = Peer::smsc();
    let config = |long| Config { long, latin1: true, ..smpp_config(&peer) };
    let (plain, wide, latin) = ("0123456789[€]".repeat(30), "привет 😀".repeat(20), "çà va".repeat(60));
    for (long, of_plain) in [(Long::Udh8, 4), (Long::Udh16, 4), (Long::Sar, 4), (Long::Payload, 1)] {
        arrives(config(long), &peer, &plain, of_plain, 0).await;
        arrives(config(long), &peer, "short", 1, 0).await;
        arrives(config(long), &peer, &wide, if long == Long::Payload { 1 } else { 3 }, 8).await;
        arrives(config(long), &peer, &latin, if long == Long::Payload { 1 } else { 3 }, 3).await;
    }
    peer.tongue().habits.lock().unwrap().latin1 = true;
    arrives(Config { alphabet: Alphabet::Latin1, ..smpp_config(&peer) }, &peer, &latin, 3, 0).await;
}

#[tokio::test]
async fn receipts_find_their_message_in_every_notation() {
    let habits: [(Habits, ReceiptIds); 4] = [
        (Habits { odd_receipt_text: true, ..Habits::default() }, ReceiptIds::Text),
        (Habits { hex_ids: true, ..Habits::default() }, ReceiptIds::HexToDecimal),
        (Habits { hex_ids: true, receipt_tlvs: true, ..Habits::default() }, ReceiptIds::HexToDecimal),
        (Habits { no_receipt_text: true, ..Habits::default() }, ReceiptIds::Text),
    ];
    for (habits, receipt_ids) in habits {
        let peer = Peer::smsc();
        let shown = format!("{habits:?}");
        peer.habits(|now| *now = habits);
        peer.script(|script| script.stat = "UNDELIV".to_owned());
        let provider = build_smpp(&Config {
            receipt_ids,
            query: false,
            mode: Mode::TransmitterAndReceiver,
            ..smpp_config(&peer)
        });
        let mut notices = provider.notices().unwrap();
        let outcome = provider.send(&submission(&"long ".repeat(40))).await;
        let mut told = [next_receipt(&mut notices).await, next_receipt(&mut notices).await];
        told.sort_by_key(|receipt| receipt.vendor_id.clone());
        assert!(
            told.iter()
                .all(|receipt| receipt.state == State::Failed && receipt.why.as_deref() == Some("UNDELIV")),
            "{shown}: {told:?}"
        );
        assert_eq!(told.map(|receipt| receipt.vendor_id).to_vec(), ids(&outcome), "{shown}");
        provider.close().await;
    }
}

#[tokio::test]
async fn a_throttled_message_is_sent_again_and_a_carriers_own_code_has_its_meaning() {
    let peer = Peer::smsc();
    let code = StatusCode {
        code: "0x401".to_owned(),
        means: Meaning::InsufficientBalance,
        why: Some("no credit left".to_owned()),
    };
    let mut config = Config { status_codes: vec![code], ..smpp_config(&peer) };
    config.session.throttle_wait = "180s".parse().unwrap();
    let provider = build_smpp(&config);
    peer.script(|script| script.throttle_every = 2);
    for _ in 0..3 {
        let outcome = provider.send(&submission("hi")).await;
        assert!(matches!(outcome, Outcome::Accepted { status: State::Sent, .. }), "{outcome:?}");
    }
    assert_eq!(peer.submits().len(), 3, "each was taken once");
    assert!(peer.counters().refused.load(Ordering::SeqCst) >= 2, "and some were throttled before");
    for is_header_only in [true, false] {
        peer.script(|script| {
            script.throttle_every = 0;
            (script.refuse_every, script.status, script.is_header_only) = (1, 0x401, is_header_only);
        });
        let outcome = provider.send(&submission("hi")).await;
        assert_eq!(
            outcome,
            Outcome::Rejected {
                code: ErrorKind::InsufficientBalance,
                why: "0x401 no credit left".to_owned()
            }
        );
    }
    provider.close().await;
}

#[tokio::test]
async fn who_we_are_is_refused_in_words_and_nothing_is_sent() {
    let peer = Peer::smsc();
    let provider = build_smpp(&Config { system_id: "somebody".to_owned(), ..smpp_config(&peer) });
    assert_eq!(provider.check().await.unwrap_err().kind(), ErrorKind::ProviderUnauthorized);
    let outcome = provider.send(&submission("hi")).await;
    assert!(
        matches!(&outcome, Outcome::Rejected { code: ErrorKind::ProviderUnauthorized, why } if why.contains(
            "0x0f")),
        "{outcome:?}"
    );
    assert!(peer.submits().is_empty());
}

fn reply(notice: &Notice) -> Reply {
    if let Event::Reply(reply) = &notice.event { reply.clone() } else { panic!("{notice:?}") }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_people_come_in_joined_and_are_thanked_for_once_they_are_recorded() {
    let peer = Peer::smsc();
    let provider = build_smpp(&smpp_config(&peer));
    let mut notices = provider.notices().unwrap();
    provider.check().await.unwrap();
    let text = "Да, спасибо! 😀 ".repeat(12);
    for (reference, joined) in (1..).zip([Joined::Header8, Joined::Header16, Joined::Sar]) {
        // 66 units at a time cut the emoji of some segments in two.
        for frame in from_person("33612345678", "36179", &text, reference, 66, joined) {
            peer.tell(frame);
        }
        let (segment, said) = super::joined(&*provider, &mut notices).await;
        assert_eq!(
            (segment.from.text(), segment.to.as_str(), said),
            ("+33612345678", "36179", text.clone()),
            "{joined:?}"
        );
    }
    from_person("33612345678", "36179", &text, 4, 66, Joined::Payload)
        .into_iter()
        .for_each(|frame| peer.tell(frame));
    let notice = next(&mut notices).await;
    let told = reply(&notice);
    assert_eq!(
        (told.from.text(), told.to.as_str(), told.text.as_str()),
        ("+33612345678", "36179", text.as_str())
    );
    notice.recorded(true);
    // One that could not be recorded is told again, and is the same one.
    peer.tell(from_person("33612345678", "36179", "STOP", 9, 70, Joined::Payload).remove(0));
    let first = next(&mut notices).await;
    let id = reply(&first).vendor_id;
    first.recorded(false);
    let again = next(&mut notices).await;
    assert_eq!((reply(&again).vendor_id, reply(&again).text), (id, "STOP".to_owned()));
    again.recorded(true);
    peer.until("everything is thanked for", |peer| peer.untold() == 0);
    assert_eq!(peer.counters().postponed.load(Ordering::SeqCst), 1);
    provider.close().await;
}

#[tokio::test]
async fn a_message_is_looked_up_and_taken_back_where_the_carrier_allows_it() {
    let peer = Peer::smsc();
    peer.script(|script| script.receipts = Receipts::None);
    let provider: Arc<dyn Provider> =
        build_smpp(&Config { cancel: true, service_type: "CMT".to_owned(), ..smpp_config(&peer) });
    let id = ids(&provider.send(&submission("hi")).await).remove(0);
    let enquiry = |vendor_id: &str| Enquiry {
        created: Timestamp(0),
        ..enquiry_of(MessageId::new(1, 2), vendor_id, number())
    };
    let told = provider.status(&enquiry(&id)).await.unwrap();
    assert_eq!((told[0].vendor_id.as_str(), told[0].state), (id.as_str(), State::Delivered));
    assert_eq!(provider.status(&enquiry("7")).await.unwrap(), []);
    peer.record();
    provider.status(&Enquiry { from: Some("OTHER".to_owned()), ..enquiry(&id) }).await.unwrap();
    let asks_about = |(side, frame): &(Side, Vec<u8>)| {
        *side == Side::Client && frame.windows(6).any(|octets| octets == b"OTHER\0")
    };
    assert!(peer.recorded().iter().any(asks_about), "section 4.8.1 asks for the sender that the message had");
    let arguments = |of: &[(&str, &str)]| {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let answer = provider.act("query", &arguments(&[("id", &id)])).await.unwrap();
    assert_eq!(answer["state"], "delivered");
    assert_eq!(
        provider.act("query", &arguments(&[("id", "7")])).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    let answer = provider.act("cancel", &arguments(&[("id", &id), ("to", "+33612345678")])).await.unwrap();
    assert_eq!(answer["canceled"], true);
    provider.close().await;
}
