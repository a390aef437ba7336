//! Octets held against the standard, written out by hand. What the crate `rusmpp` writes for us is held
//! against a second writer ([`by_hand`]), and what it writes as a carrier would against our reader.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod talk;

use bytes::{BufMut as _, BytesMut};
use proptest::prelude::*;
use rusmpp::decode::DecodeWithLength as _;
use rusmpp::encode::{Encode as _, Length as _};
use rusmpp::pdus::{DeliverSm, SubmitSmResp};
use rusmpp::tlvs::MessageDeliveryRequestTlvValue as Tlv;
use rusmpp::types::{AnyOctetString, COctetString, OctetString};
use rusmpp::values::{DataCoding, EsmClass, MessagePayload, MessageState, Npi, ServiceType, Ton};
use rusmpp::{Command, CommandStatus, Pdu};

use super::message::{Answer, Place};
use super::pdu::read;
use super::write::Common;
use super::*;
use crate::clock::{SystemClock, Timestamp};
use crate::provider::line::session::{Incoming, Protocol as _};
use crate::provider::settings::{Secrets, Settings as _};
use crate::setting::{SecretText, Span};
use crate::sms::message::MessageId;

fn codec() -> Codec {
    Codec {
        system_id: c_text("acme"),
        password: SecretText::new("secret08"),
        system_type: COctetString::empty(),
        common: Common { registered_delivery: 1, ..Common::default() },
        statuses: Statuses::default(),
    }
}

fn address(ton: u8, npi: u8, text: &str) -> Arc<Address> {
    Arc::new(Address { ton, npi, text: text.to_owned() })
}

fn submit(octets: &[u8]) -> Submit {
    let (from, to) = (address(5, 0, "ACME"), address(1, 1, "33612345678"));
    Submit { from, to, coding: 0, has_udh: false, octets: octets.to_vec(), sar: None, is_payload: false }
}

fn written(codec: &Codec, request: &Request) -> Vec<u8> {
    let mut out = BytesMut::new();
    codec.encode(&(), &codec.ready(request.clone()).unwrap(), 7, &mut out);
    out.to_vec()
}

/// A `submit_sm` with the number 7 (sections 3.2 and 4.4.1), octet by octet.
fn by_hand(common: &Common, submit: &Submit) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_slice(&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 7]);
    out.put_slice(common.service_type.value());
    for address in [&submit.from, &submit.to] {
        out.put_slice(&[address.ton, address.npi]);
        out.put_slice(address.text.as_bytes());
        out.put_u8(0);
    }
    out.put_slice(&[if submit.has_udh { 0x40 } else { 0 }, common.protocol_id, common.priority]);
    out.put_slice(&common.schedule);
    out.put_slice(&common.validity);
    out.put_slice(&[common.registered_delivery, 0, submit.coding, 0]);
    if submit.is_payload {
        out.put_slice(&[0, 0x04, 0x24]);
        out.put_u16(u16::try_from(submit.octets.len()).unwrap());
    } else {
        out.put_u8(u8::try_from(submit.octets.len()).unwrap());
    }
    out.put_slice(&submit.octets);
    if let Some(Place { reference, total, number }) = submit.sar {
        out.put_slice(&[0x02, 0x0C, 0, 2]);
        out.put_u16(reference);
        out.put_slice(&[0x02, 0x0E, 0, 1, total, 0x02, 0x0F, 0, 1, number]);
    }
    let length = u32::try_from(out.len()).unwrap();
    out[..4].copy_from_slice(&length.to_be_bytes());
    out.to_vec()
}

/// What the other implementation reads.
fn read_by_other(frame: &[u8]) -> Command {
    let mut body = BytesMut::from(&frame[4..]);
    let length = body.len();
    Command::decode(&mut body, length).unwrap().0
}

/// What the other implementation writes.
fn written_by_other(status: CommandStatus, pdu: impl Into<Pdu>) -> Vec<u8> {
    let command = Command::new(status, 7, pdu);
    let mut frame = vec![0; 4 + command.length()];
    command.encode(&mut frame[4..]);
    let length = u32::try_from(frame.len()).unwrap();
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn pushed(frame: &[u8]) -> Deliver {
    match read(frame) {
        Incoming::Push { push, .. } => push,
        other => panic!("{other:?}"),
    }
}

fn answered(frame: &[u8]) -> Answer {
    match read(frame) {
        Incoming::Answer { sequence: 7, answer } => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bind_is_written_as_the_standard_has_it() {
    let mut out = BytesMut::new();
    let codec = Codec { system_type: c_text("SUBMIT1"), ..codec() };
    codec.greet(&Bind::Transceiver, 1, Timestamp(0), &mut out);
    let expected: Vec<u8> = [
        &[0, 0, 0, 42, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1][..],
        b"acme\0",
        b"secret08\0",
        b"SUBMIT1\0",
        &[0x34, 0, 0, 0],
    ]
    .concat();
    assert_eq!(out.to_vec(), expected);
    assert!(
        matches!(read_by_other(&out).pdu(), Some(Pdu::BindTransceiver(bind)) if bind.password.as_str() == "secret08")
    );
    for (bind, command) in [(Bind::Receiver, 1), (Bind::Transmitter, 2)] {
        out.clear();
        codec.greet(&bind, 1, Timestamp(0), &mut out);
        assert_eq!(out[7], command);
    }
    // Longer than the standard allows, and in use at carriers. A NUL would end it early.
    out.clear();
    let (system_id, system_type) = (codec.system_id.clone(), codec.system_type.clone());
    let password = SecretText::new("a-long-password\0-of-a-carrier");
    Codec { password, system_id, system_type, ..self::codec() }.greet(
        &Bind::Receiver,
        1,
        Timestamp(0),
        &mut out,
    );
    let expected: Vec<u8> = [
        &[0, 0, 0, 62, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1][..],
        b"acme\0",
        b"a-long-password-of-a-carrier\0",
        b"SUBMIT1\0",
        &[0x34, 0, 0, 0],
    ]
    .concat();
    assert_eq!(out.to_vec(), expected);
}

#[test]
fn answers_to_a_bind_say_whether_it_is_about_who_we_are() {
    let answer = |command: [u8; 4], status: u8| {
        [&[0, 0, 0, 16][..], &command, &[0, 0, 0, status], &[0, 0, 0, 1]].concat()
    };
    let greeted = |frame: &[u8]| codec().greeted(&Bind::Transceiver, frame);
    assert_eq!(greeted(&answer([0x80, 0, 0, 9], 0)), Ok(()));
    assert_eq!(greeted(&[answer([0x80, 0, 0, 9], 0), b"SMSC\0\x02\x10\0\x01\x34".to_vec()].concat()), Ok(()));
    let refused = greeted(&answer([0x80, 0, 0, 9], 0x0E)).unwrap_err();
    assert!(
        refused.is_unauthorized && refused.why.contains("0x0e") && refused.why.contains("password"),
        "{refused:?}"
    );
    assert!(
        !greeted(&answer([0x80, 0, 0, 9], 0x05)).unwrap_err().is_unauthorized,
        "an old bind may still be there"
    );
    assert!(!greeted(&answer([0x80, 0, 0, 0], 0x08)).unwrap_err().is_unauthorized);
    for strange in [answer([0x80, 0, 0, 1], 0), answer([0, 0, 0, 9], 0), Vec::new(), vec![0; 15]] {
        assert!(!greeted(&strange).unwrap_err().is_unauthorized);
    }
}

#[test]
fn a_segment_is_written_as_the_standard_has_it() {
    let segment = Submit { has_udh: true, coding: 8, ..submit(&[5, 0, 3, 0xAB, 2, 1, 0, b'A']) };
    let common = Common {
        validity: write::time("validity", "000001000000000R").unwrap(),
        priority: 1,
        ..codec().common
    };
    let expected: Vec<u8> = [
        &[0, 0, 0, 72, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 7][..],
        b"\0",
        b"\x05\x00ACME\0",
        b"\x01\x0133612345678\0",
        &[0x40, 0, 1],
        b"\0",
        b"000001000000000R\0",
        &[1, 0, 8, 0],
        &[8, 5, 0, 3, 0xAB, 2, 1, 0, b'A'],
    ]
    .concat();
    assert_eq!(written(&Codec { common, ..codec() }, &Request::Submit(segment)), expected);
}

#[test]
fn parameters_carry_what_the_header_or_the_field_does_not() {
    let sar = Submit { sar: Some(Place { reference: 0x0102, total: 3, number: 2 }), ..submit(b"x") };
    let frame = written(&codec(), &Request::Submit(sar));
    assert!(
        frame.ends_with(&[1, b'x', 0x02, 0x0C, 0, 2, 1, 2, 0x02, 0x0E, 0, 1, 3, 0x02, 0x0F, 0, 1, 2]),
        "{frame:x?}"
    );
    let payload = Submit { is_payload: true, ..submit(&[b'x'; 300]) };
    let frame = written(&codec(), &Request::Submit(payload));
    assert_eq!(frame[frame.len() - 305..frame.len() - 299], [0, 0x04, 0x24, 0x01, 0x2C, b'x']);
    assert_eq!(u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize, frame.len());
}

#[test]
fn queries_and_cancels_are_written_as_the_standard_has_them() {
    let (from, to) = (Address::clone(&address(5, 0, "ACME")), Address::clone(&address(1, 1, "336")));
    let query = written(&codec(), &Request::Query { message_id: "a-9F".to_owned(), from: from.clone() });
    assert_eq!(
        query[..],
        [&[0, 0, 0, 28, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7][..], b"a-9F\0", b"\x05\x00ACME\0"].concat()
    );
    assert!(
        matches!(read_by_other(&query).pdu(), Some(Pdu::QuerySm(query)) if query.message_id.as_str() == "a-9F")
    );
    let cancel = written(&codec(), &Request::Cancel { message_id: "a-9F".to_owned(), from, to });
    let body = [&b"\0a-9F\0"[..], b"\x05\x00ACME\0", b"\x01\x01336\0"].concat();
    assert_eq!(cancel[..], [&[0, 0, 0, 35, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7][..], &body].concat());
    assert!(
        matches!(read_by_other(&cancel).pdu(), Some(Pdu::CancelSm(cancel)) if cancel.destination_addr.as_str() == "336")
    );
}

#[test]
fn what_has_no_place_is_refused_before_anything_is_written() {
    let refused = |request| codec().ready(request).unwrap_err();
    let (from, to) = (address(5, 0, "ACME"), address(1, 1, "336"));
    assert!(
        refused(Request::Submit(Submit { from: address(5, 0, "Café"), ..submit(b"x") }))
            .contains("the sender")
    );
    assert!(
        refused(Request::Submit(Submit { to: address(1, 1, &"1".repeat(21)), ..submit(b"x") }))
            .contains("the recipient")
    );
    assert!(
        refused(Request::Submit(Submit { is_payload: true, ..submit(&[b'x'; 1 << 16]) })).contains("octets")
    );
    let query = |message_id: String| Request::Query { message_id, from: Address::clone(&from) };
    assert!(refused(query("9".repeat(65))).contains("64"));
    let cancel = |message_id: &str| Request::Cancel {
        message_id: message_id.to_owned(),
        from: Address::clone(&from),
        to: Address::clone(&to),
    };
    assert!(refused(cancel("4\x002")).contains("the id"));
    let longest = Submit { is_payload: true, ..submit(&[b'x'; (1 << 16) - 1]) };
    assert!(written(&codec(), &Request::Submit(longest.clone())) == by_hand(&codec().common, &longest));
    // What is too long for its field goes as a parameter, whole.
    let segment = submit(&[b'x'; 256]);
    let payload = Submit { is_payload: true, ..segment.clone() };
    assert_eq!(written(&codec(), &Request::Submit(segment)), by_hand(&codec().common, &payload));
}

#[test]
fn a_query_and_a_cancel_are_written_as_the_standard_has_them() {
    let (from, to) = (Address::clone(&address(5, 0, "ACME")), Address::clone(&address(1, 1, "33612345678")));
    // Of a service, to cancel_sm, means all messages of that service; with an id it is to be empty (section
    // 4.9.1).
    let codec = Codec {
        common: Common { service_type: ServiceType::new(c_text("CMT")), ..codec().common },
        ..codec()
    };
    let query =
        [&[0, 0, 0, 28, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7][..], b"a-9F\0", b"\x05\x00ACME\0"].concat();
    assert_eq!(written(&codec, &Request::Query { message_id: "a-9F".to_owned(), from: from.clone() }), query);
    let cancel = [
        &[0, 0, 0, 43, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7][..],
        b"\0",
        b"a-9F\0",
        b"\x05\x00ACME\0",
        b"\x01\x0133612345678\0",
    ]
    .concat();
    assert_eq!(written(&codec, &Request::Cancel { message_id: "a-9F".to_owned(), from, to }), cancel);
    // A text fills its field to the last octet, and no further.
    let widest = Common { service_type: ServiceType::new(c_text("ABCDE")), ..codec.common.clone() };
    let (from, to) = (address(1, 1, &"1".repeat(20)), address(1, 1, &"2".repeat(20)));
    let frame =
        written(&Codec { common: widest, ..codec }, &Request::Submit(Submit { from, to, ..submit(b"x") }));
    assert_eq!(frame.len(), 16 + 6 + 2 + 21 + 2 + 21 + 3 + 1 + 1 + 5 + 1);
}

#[test]
fn answers_are_read_also_where_they_are_a_header_alone() {
    let header =
        |command: &[u8], status: &[u8]| [&[0, 0, 0, 16][..], command, status, &[0, 0, 0, 7]].concat();
    let taken = [header(&[0x80, 0, 0, 4], &[0; 4]), b"id-1\0".to_vec()].concat();
    assert_eq!(answered(&taken), Answer { command: 4, message_id: "id-1".to_owned(), ..Answer::default() });
    assert_eq!(answered(&taken[..taken.len() - 1]).message_id, "id-1", "without its NUL");
    assert_eq!(answered(&header(&[0x80, 0, 0, 4], &[0, 0, 4, 1])).status, 0x401);
    assert_eq!(answered(&header(&[0x80, 0, 0, 0], &[0, 0, 0, 3])).status, 3, "generic_nack");
    assert_ne!(answered(&header(&[0x80, 0, 0, 0], &[0; 4])).status, 0, "a nack is never a yes");
    let strange = [header(&[0x80, 0, 0, 4], &[0; 4]), b"\xE9\xFF\0".to_vec()].concat();
    assert_eq!(answered(&strange).message_id, "\u{E9}\u{FF}");
    let state = [header(&[0x80, 0, 0, 3], &[0; 4]), b"id-1\0\0\x05\x09".to_vec()].concat();
    assert_eq!(
        answered(&state),
        Answer { command: 3, status: 0, message_id: "id-1".to_owned(), state: Some(5), error: 9 }
    );
    let by_other = written_by_other(
        CommandStatus::EsmeRok,
        SubmitSmResp::new(COctetString::from_slice(b"42\0").unwrap(), vec![]),
    );
    assert_eq!(answered(&by_other).message_id, "42");
}

#[test]
fn a_receipt_is_read_with_its_parameters() {
    let text =
        b"id:42 sub:001 dlvrd:001 submit date:2611221015 done date:2611221016 stat:DELIVRD err:000 text:Hi";
    let frame: Vec<u8> = [
        &[0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9][..],
        b"\0\x01\x0133612345678\0\x05\0ACME\0",
        &[0x04, 0, 0],
        b"\0\0",
        &[0, 0, 0, 0],
        &[u8::try_from(text.len()).unwrap()],
        text,
        &[0x00, 0x1E, 0, 3, b'2', b'A', 0],
        &[0x04, 0x27, 0, 1, 2],
        &[0x04, 0x23, 0, 3, 3, 0, 27],
    ]
    .concat();
    let deliver = pushed(&frame);
    assert_eq!(
        (deliver.esm_class, deliver.message_state, deliver.network_error),
        (4, Some(2), Some((3, 27)))
    );
    assert_eq!((deliver.receipted_message_id.as_deref(), deliver.octets.as_slice()), (Some("2A"), &text[..]));
    assert!(deliver.is_readable && deliver.from.text == "33612345678" && deliver.to.text == "ACME");
    for end in 16..frame.len() {
        pushed(&frame[..end]);
    }
    assert!(!pushed(&frame[..30]).is_readable);
}

#[test]
fn every_other_frame_has_its_place() {
    let frame = |command: [u8; 4]| [&[0, 0, 0, 16][..], &command, &[0, 0, 0, 0], &[0, 0, 0, 9]].concat();
    assert!(matches!(read(&frame([0, 0, 0, 0x15])), Incoming::Ping { sequence: 9 }));
    assert!(matches!(read(&frame([0x80, 0, 0, 0x15])), Incoming::Pong));
    assert!(matches!(read(&frame([0, 0, 0, 6])), Incoming::Bye { sequence: 9 }));
    assert!(matches!(read(&frame([0x80, 0, 0, 6])), Incoming::ByeAnswer));
    assert!(matches!(read(&frame([0, 0, 1, 2])), Incoming::Ignored), "alert_notification has no answer");
    assert!(matches!(read(&frame([0, 0, 0x77, 0x77])), Incoming::Malformed { sequence: 9 }));
    assert!(matches!(read(&frame([0x80, 0, 0x77, 0x77])), Incoming::Ignored));
    assert!(matches!(read(&[1, 2, 3]), Incoming::Ignored));
}

#[test]
fn what_the_carrier_asks_is_answered_in_its_own_words() {
    let mut out = BytesMut::new();
    let push = |command| Deliver { command, ..Deliver::default() };
    codec().push_answer(&(), &push(5), 9, true, &mut out);
    assert_eq!(out[..], [0, 0, 0, 17, 0x80, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9, 0]);
    out.clear();
    codec().push_answer(&(), &push(0x103), 9, false, &mut out);
    assert_eq!(out[..], [0, 0, 0, 17, 0x80, 0, 1, 3, 0, 0, 0, 0x64, 0, 0, 0, 9, 0], "to be told again");
    out.clear();
    codec().nack(9, &mut out);
    assert_eq!(out[..], [0, 0, 0, 16, 0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 9]);
    out.clear();
    codec().ping(1, &mut out);
    codec().pong(2, &mut out);
    codec().bye(3, &mut out);
    codec().bye_answer(4, &mut out);
    let commands: Vec<(u8, u8, u8)> = out.chunks(16).map(|frame| (frame[4], frame[7], frame[15])).collect();
    assert_eq!(commands, [(0, 0x15, 1), (0x80, 0x15, 2), (0, 6, 3), (0x80, 6, 4)]);
}

#[test]
fn senders_have_the_type_and_plan_of_their_kind() {
    let cases = [
        ("ACME", 5, 0, "ACME"),
        ("+33612345678", 1, 1, "33612345678"),
        ("33612345678", 1, 1, "33612345678"),
        ("36179", 3, 0, "36179"),
    ];
    for (from, ton, npi, text) in cases {
        assert_eq!(sender_form(from), Ok(Address { ton, npi, text: text.to_owned() }), "{from}");
    }
    for wrong in ["", "TwelveLetter", "Café", &"1".repeat(21), "+"] {
        assert_eq!(sender_form(wrong).is_err(), wrong != "+", "{wrong}");
    }
    let config = Config { source_ton: Some(0), ..Config::default() };
    assert_eq!(address_of(&config, Some("36179")).unwrap().ton, 0);
    assert_eq!(address_of(&config, None), Ok(Address::default()));
}

fn provider(config: Config) -> Arc<Smpp> {
    let config = Config { address: "127.0.0.1:1".to_owned(), system_id: "acme".to_owned(), ..config };
    config.check().unwrap();
    let mut secrets = Secrets::default();
    secrets.insert("password", SecretText::new("secret08"));
    Smpp::new(config, &Setup { clock: Arc::new(SystemClock), secrets, callback: None }).unwrap()
}

fn submission(from: Option<&str>, text: &str) -> Submission {
    let to = Number::parse("+33612345678", None).unwrap();
    Submission {
        id: MessageId::new(1, 2),
        to,
        from: from.map(ToOwned::to_owned),
        text: text.to_owned(),
        segments: 1,
        ceiling: None,
        brake: Default::default(),
    }
}

#[test]
fn a_message_becomes_as_many_requests_as_it_has_segments() {
    let smpp = provider(Config {
        from: Some("ACME".to_owned()),
        validity: Some(Span::hours(1)),
        ..Config::default()
    });
    let (to, long) = (Number::parse("+33612345678", None).unwrap(), "a".repeat(400));
    let requests = smpp.requests(&submission(None, &long)).unwrap();
    assert_eq!((requests.len(), smpp.form(&to, None, &long).unwrap().segments), (3, 3));
    let segments: Vec<&Submit> = requests
        .iter()
        .map(|request| if let Request::Submit(submit) = request { submit } else { panic!() })
        .collect();
    assert!(
        segments.iter().zip(1..).all(
            |(segment, number)| segment.octets[5] == number && segment.octets[3] == segments[0].octets[3]
        )
    );
    assert_eq!(
        (segments[0].from.text.as_str(), segments[0].to.text.as_str(), segments[0].to.ton),
        ("ACME", "33612345678", 1)
    );
    let next = smpp.requests(&submission(Some("36179"), &long)).unwrap();
    assert!(
        matches!(&next[0], Request::Submit(submit) if submit.octets[3] != segments[0].octets[3] && submit.from.ton == 3)
    );
    let refused = smpp.requests(&submission(None, &"a".repeat(153 * 255 + 1))).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::MessageTooLong);
    assert_eq!(smpp.form(&to, Some("TwelveLetter"), "hi").unwrap_err().kind(), ErrorKind::SenderNotAllowed);
    assert_eq!(
        smpp.form(&to, None, &"я".repeat(67 * 255 + 1)).unwrap_err().kind(),
        ErrorKind::MessageTooLong
    );
    smpp.form(&to, None, &long).unwrap();
}

#[test]
fn what_it_can_do_follows_from_how_it_is_configured() {
    let of = |config: Config| (provider(config.clone()).capabilities(), provider(config).actions().len());
    let (usual, actions) = of(Config::default());
    assert_eq!(
        (usual.receipts_by_push, usual.receipts_by_poll, usual.replies, usual.status, actions),
        (true, false, true, false, 0)
    );
    let (blind, actions) =
        of(Config { mode: Mode::Transmitter, query: true, cancel: true, ..Config::default() });
    assert_eq!(
        (blind.receipts_by_push, blind.receipts_by_poll, blind.replies, blind.status, actions),
        (false, true, false, true, 2)
    );
}

#[tokio::test]
async fn a_status_is_asked_for_only_where_the_carrier_answers() {
    let to = Number::parse("+33612345678", None).unwrap();
    let enquiry = Enquiry {
        id: MessageId::new(1, 2),
        from: None,
        vendor_id: "1".to_owned(),
        to,
        created: Timestamp(0),
    };
    assert_eq!(
        provider(Config::default()).status(&enquiry).await.unwrap_err().kind(),
        ErrorKind::NotSupported
    );
    let error = provider(Config::default()).act("cancel", &Arguments::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let asked = provider(Config { cancel: true, ..Config::default() })
        .act("cancel", &Arguments::new())
        .await
        .unwrap_err();
    assert_eq!(asked.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn nothing_that_is_shown_holds_a_text_a_number_or_the_password() {
    let deliver = Deliver {
        octets: b"hunter2".to_vec(),
        from: Address::clone(&address(1, 1, "33612345678")),
        ..Deliver::default()
    };
    let request = Request::Submit(submit(b"hunter2"));
    let shown =
        format!("{:?} {request:?} {deliver:?} {:?}", codec(), codec().ready(request.clone()).unwrap());
    for secret in ["hunter2", "33612345678", "secret08", "104, 117"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn c_text<const MIN: usize, const MAX: usize>(text: &str) -> COctetString<MIN, MAX> {
    COctetString::from_vec([text.as_bytes(), b"\0"].concat()).unwrap()
}

proptest! {
    #[test]
    fn a_second_writer_writes_the_same_and_it_is_read_back(
        octets in prop::collection::vec(any::<u8>(), 0..=255),
        name in "[A-Za-z0-9]{0,11}",
        digits in "[0-9]{1,20}",
        service in "[A-Z]{0,5}",
        (ton, npi, coding, priority, protocol_id, registered) in (any::<u8>(), any::<u8>(), any::<u8>(), 0u8..4, any::<u8>(), 0u8..3),
        (has_udh, is_payload, is_sar) in any::<(bool, bool, bool)>(),
        (reference, total, number) in any::<(u16, u8, u8)>(),
    ) {
        let place = Place { reference, total, number };
        let (from, to) = (address(ton, npi, &name), address(1, 1, &digits));
        let segment = Submit { from, to, coding, has_udh, octets: octets.clone(), sar: is_sar.then_some(place), is_payload };
        let common = Common { service_type: ServiceType::new(c_text(&service)), protocol_id, priority, registered_delivery: registered, ..Common::default() };
        let expected = by_hand(&common, &segment);
        let frame = written(&Codec { common, ..codec() }, &Request::Submit(segment));
        prop_assert_eq!(&frame, &expected);
        let other = read_by_other(&frame);
        let Some(Pdu::SubmitSm(read)) = other.pdu() else { panic!("{other:?}") };
        prop_assert_eq!(read.destination_addr.as_str(), digits);
        prop_assert_eq!(read.short_message().as_ref(), if is_payload { &[][..] } else { &octets[..] });
        prop_assert_eq!(read.tlvs().len(), usize::from(is_payload) + if is_sar { 3 } else { 0 });
        prop_assert_eq!(written_by_other(CommandStatus::EsmeRok, read.clone()), frame);
    }

    #[test]
    fn what_another_implementation_writes_is_read(
        octets in prop::collection::vec(any::<u8>(), 0..=255),
        payload in prop::option::of(prop::collection::vec(any::<u8>(), 1..400)),
        digits in "[0-9]{1,20}",
        id in prop::option::of("[0-9a-f]{1,64}"),
        (coding, esm_class, state) in any::<(u8, u8, u8)>(),
        sar: Option<(u16, u8, u8)>,
    ) {
        let octets = if payload.is_some() { Vec::new() } else { octets };
        let mut tlvs = Vec::new();
        if let Some(id) = &id {
            tlvs.extend([Tlv::ReceiptedMessageId(c_text(id)), Tlv::MessageState(MessageState::from(state))]);
        }
        if let Some((reference, total, number)) = sar {
            tlvs.extend([Tlv::SarTotalSegments(total), Tlv::SarMsgRefNum(reference), Tlv::SarSegmentSeqnum(number)]);
        }
        if let Some(payload) = &payload {
            tlvs.push(Tlv::MessagePayload(MessagePayload::new(AnyOctetString::from_vec(payload.clone()))));
        }
        let esm_class = esm_class & 0x44;
        let pdu = DeliverSm::builder()
            .source_addr_ton(Ton::International)
            .source_addr_npi(Npi::Isdn)
            .source_addr(c_text(&digits))
            .destination_addr(c_text("36179"))
            .esm_class(EsmClass::from(esm_class))
            .data_coding(DataCoding::from(coding))
            .short_message(OctetString::from_vec(octets.clone()).unwrap())
            .tlvs(tlvs)
            .build();
        let deliver = pushed(&written_by_other(CommandStatus::EsmeRok, pdu));
        prop_assert!(deliver.is_readable);
        prop_assert_eq!((deliver.from.ton, deliver.from.text, deliver.to.text), (1, digits, "36179".to_owned()));
        prop_assert_eq!((deliver.coding, deliver.esm_class, deliver.octets), (coding, esm_class, payload.unwrap_or(octets)));
        prop_assert_eq!(deliver.message_state, id.as_ref().map(|_| state));
        prop_assert_eq!(deliver.receipted_message_id, id);
        prop_assert_eq!(deliver.sar, sar.map(|(reference, total, number)| Place { reference, total, number }));
    }

    #[test]
    fn no_frame_is_too_strange(mut octets in prop::collection::vec(any::<u8>(), 0..200), command in prop::sample::select(vec![0u8, 3, 4, 5, 8]), is_answer: bool) {
        if octets.len() >= 8 {
            octets[4..8].copy_from_slice(&[if is_answer { 0x80 } else { 0 }, 0, 0, command]);
        }
        if let Incoming::Push { push, .. } = read(&octets) {
            Inbox::new(alphabet::Alphabet::Gsm7, inbox::ReceiptIds::Text, true).take(&push, Timestamp(0));
        }
    }
}

#[test]
fn a_late_answer_is_read_as_one_in_time_and_one_to_another_command_settles_nothing() {
    let told = |answer: Answer| {
        let about = crate::provider::exchange::About {
            messages: Arc::from([MessageId::new(1, 2)]),
            segment: Some((1, 2)),
        };
        let mut told =
            super::answered(&Late { about, answer }, ReceiptIds::HexToDecimal, &Statuses::default());
        assert_eq!(told.len(), 1);
        let answered = told.remove(0);
        assert_eq!((answered.message, answered.segment), (MessageId::new(1, 2), Some((1, 2))));
        answered.outcome
    };
    let yes = Answer { command: 4, message_id: "0000001F".to_owned(), ..Answer::default() };
    assert_eq!(told(yes.clone()), SegmentOutcome::Accepted { vendor_id: "31".to_owned(), price: None });
    assert!(matches!(told(Answer { command: 8, ..yes.clone() }), SegmentOutcome::Unknown { .. }));
    assert!(matches!(told(Answer { status: 0x0B, ..yes.clone() }), SegmentOutcome::Rejected { .. }));
    assert!(matches!(told(Answer { status: 0x58, ..yes }), SegmentOutcome::NotSent { .. }));
}
