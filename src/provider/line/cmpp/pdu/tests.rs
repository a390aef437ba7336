//! Every vector, byte for byte, both ways; round trips of everything; and garbage.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::provider::line::cmpp::report::Report;

/// The vectors of other implementations, by name.
fn vectors() -> Vec<(String, Vec<u8>)> {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../tests/vectors/cmpp.json")).unwrap();
    let octets = |hex: &str| {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    };
    let text = |vector: &serde_json::Value, name: &str| vector[name].as_str().unwrap().to_owned();
    vectors
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| (text(vector, "Name"), octets(&text(vector, "Hex"))))
        .collect()
}

fn vector(name: &str) -> Vec<u8> {
    vectors().into_iter().find(|(found, _)| found == name).unwrap().1
}

/// The versions in which a vector is to be read: both, unless its name says which.
fn versions(name: &str) -> Vec<Version> {
    match () {
        () if name.contains("_30") => vec![Version::V30],
        () if name.contains("_20") => vec![Version::V20, Version::V21],
        () => vec![Version::V20, Version::V21, Version::V30],
    }
}

fn written(frame: &Frame<'_>, version: Version) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode(&frame.pdu, frame.sequence, version, &mut out);
    out.to_vec()
}

#[test]
fn every_vector_is_read_and_written_byte_for_byte() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 36);
    for (name, octets) in vectors {
        for version in versions(&name) {
            if name.ends_with("_content") {
                let report = Report::decode(&octets).unwrap();
                let mut out = BytesMut::new();
                report.encode(octets.len() == crate::provider::line::cmpp::report::LONG, &mut out);
                assert_eq!(out, octets, "{name}");
                assert_eq!(
                    (report.msg_id, report.stat, report.smsc_sequence),
                    (0xbb25_e140_1234_0007, &b"DELIVRD"[..], 0x0102_0304)
                );
                continue;
            }
            let frame = decode(&octets, version).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(written(&frame, version), octets, "{name} in {version:?}");
        }
    }
}

#[test]
fn the_fields_of_the_vectors_are_where_the_standard_has_them() {
    for (name, version) in
        [("submit_20_ucs2_two_dest", Version::V20), ("submit_30_ucs2_two_dest", Version::V30)]
    {
        let octets = vector(name);
        let Frame { sequence: 16, pdu: Pdu::Submit(submit) } = decode(&octets, version).unwrap() else {
            panic!("{name}")
        };
        assert_eq!((submit.parts, submit.part, submit.report, submit.level, submit.format), (1, 1, 1, 1, 8));
        assert_eq!(
            (submit.service_id, submit.source, submit.fee_type, submit.fee_code),
            (&b"svc01"[..], &b"900001"[..], &b"02"[..], &b"000010"[..])
        );
        assert_eq!((submit.sender, submit.content), (&b"10690001"[..], &b"\x4f\x60\x59\x7d"[..]));
        assert_eq!(submit.destinations.iter().collect::<Vec<_>>(), [&b"13800138000"[..], b"8613800138001"]);
    }
    let octets = vector("submit_30_ucs2_part2of3");
    let Pdu::Submit(submit) = decode(&octets, Version::V30).unwrap().pdu else { panic!() };
    assert_eq!(
        (submit.parts, submit.part, submit.has_header, &submit.content[..6]),
        (3, 2, 1, &[5, 0, 3, 0x2A, 3, 2][..])
    );
    let octets = vector("deliver_30_mo_ucs2");
    let Pdu::Deliver(deliver) = decode(&octets, Version::V30).unwrap().pdu else { panic!() };
    assert_eq!(
        (deliver.source, deliver.destination, deliver.link),
        (&b"13800138000"[..], &b"10690001"[..], &b"LINK0001"[..])
    );
    assert_eq!((deliver.msg_id, deliver.report, deliver.format), (0xbb25_e140_1234_0009, 0, 8));
    let octets = vector("query_resp");
    let Pdu::QueryResp(query, counts) = decode(&octets, Version::V20).unwrap().pdu else { panic!() };
    assert_eq!((query.day, query.kind, query.code), (&b"20261122"[..], 1, &b"svc01"[..]));
    assert_eq!((counts.taken, counts.failed, counts.replies_failed), (1, 5, 8));
}

#[test]
fn the_length_decides_where_peers_mix_the_versions_up() {
    for version in [Version::V20, Version::V30] {
        for (name, is_wide) in [("connect_resp_20_ok", false), ("connect_resp_30_ok", true)] {
            let octets = vector(name);
            let Pdu::ConnectResp(answer) = decode(&octets, version).unwrap().pdu else { panic!() };
            assert_eq!((answer.status, answer.is_wide), (0, is_wide), "{name} in {version:?}");
        }
        for name in ["submit_resp_20_flow", "submit_resp_30_flow"] {
            let octets = vector(name);
            assert_eq!(
                decode(&octets, version).unwrap().pdu,
                Pdu::SubmitResp(Answered { msg_id: 0, result: 8 }),
                "{name}"
            );
        }
        for name in ["cancel_resp_20", "cancel_resp_30"] {
            let octets = vector(name);
            assert_eq!(decode(&octets, version).unwrap().pdu, Pdu::CancelResp(0), "{name}");
        }
        let bare = [0, 0, 0, 12, 0x80, 0, 0, 8, 0, 0, 0, 2];
        assert_eq!(decode(&bare, version).unwrap(), Frame { sequence: 2, pdu: Pdu::ActiveTestResp });
    }
}

#[test]
fn a_frame_that_does_not_fit_its_fields_is_refused() {
    for (name, octets) in vectors().into_iter().filter(|(name, _)| !name.ends_with("_content")) {
        let version = versions(&name)[0];
        for length in 0..octets.len() {
            assert!(decode(&octets[..length], version).is_err(), "{name} cut at {length}");
            let mut claimed = octets[..length].to_vec();
            if length >= HEADER {
                claimed[..4].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
                // The other form of the same answer, which is read by its length.
                let forms = [
                    ("active_test_resp", 12),
                    ("connect_resp", 30),
                    ("submit_resp", 21),
                    ("deliver_resp", 21),
                    ("cancel_resp", 13),
                ];
                let is_form = forms.iter().any(|(begin, short)| name.starts_with(begin) && length == *short);
                assert!(is_form || decode(&claimed, version).is_err(), "{name} of {length}");
            }
        }
    }
    assert_eq!(decode(&[0, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 1], Version::V20), Err(Unreadable::Command(9)));
    let mut many = vector("submit_20_ascii");
    many[117 + 12 - 1] = 100;
    assert_eq!(decode(&many, Version::V20), Err(Unreadable::Body));
}

#[test]
fn what_is_too_long_for_its_field_is_cut_and_the_length_is_right() {
    let long = [b'x'; 300];
    let numbers = [Terminal::new(&long); 120];
    let submit = submit(&long, &long, &numbers);
    for version in [Version::V20, Version::V30] {
        let octets = written(&Frame { sequence: 1, pdu: Pdu::Submit(submit) }, version);
        let Pdu::Submit(read) = decode(&octets, version).unwrap().pdu else { panic!() };
        assert_eq!((read.destinations.len(), read.content.len(), read.sender.len()), (99, 255, 21));
        assert_eq!(octets.len(), if version == Version::V30 { 3586 } else { 2472 }, "the longest there is");
    }
}

fn submit<'a>(text: &'a [u8], content: &'a [u8], destinations: &'a [Terminal]) -> Submit<'a> {
    Submit {
        msg_id: 0,
        parts: 1,
        part: 1,
        report: 1,
        level: 9,
        service_id: text,
        fee_user: 3,
        fee_terminal: text,
        fee_terminal_type: 0,
        protocol_id: 0,
        has_header: 1,
        format: 8,
        source: text,
        fee_type: text,
        fee_code: text,
        valid_until: text,
        at_time: text,
        sender: text,
        destinations: Destinations::Listed(destinations),
        destination_type: 0,
        content,
        link: text,
    }
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V20), Just(Version::V21), Just(Version::V30)]
}

/// A text that fits a field of this width.
fn field(width: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1_u8..=255, 0..=width)
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=255)
}

/// Writes a PDU, reads it back, and says whether it is the same.
fn comes_back(pdu: Pdu<'_>, sequence: u32, version: Version) -> bool {
    let octets = written(&Frame { sequence, pdu }, version);
    decode(&octets, version) == Ok(Frame { sequence, pdu })
}

proptest! {
    #[test]
    fn a_submit_comes_back_as_it_was_written(
        version in version(), sequence in any::<u32>(), octets in any::<[u8; 9]>(), types in any::<[u8; 2]>(), msg_id in any::<u64>(),
        texts in (field(10), field(21), field(6), field(2), field(6), field(17), field(17), field(21), field(8)), content in content(),
        numbers in prop::collection::vec(field(21), 0..=99),
    ) {
        let types = if version == Version::V30 { types } else { [0; 2] };
        let numbers: Vec<Terminal> = numbers.iter().map(|number| Terminal::new(number)).collect();
        let submit = Submit {
            msg_id, parts: octets[0], part: octets[1], report: octets[2], level: octets[3], service_id: &texts.0, fee_user: octets[4],
            fee_terminal: &texts.1, fee_terminal_type: types[0], protocol_id: octets[5], has_header: octets[6], format: octets[7],
            source: &texts.2, fee_type: &texts.3, fee_code: &texts.4, valid_until: &texts.5, at_time: &texts.6, sender: &texts.7,
            destinations: Destinations::Listed(&numbers), destination_type: types[1], content: &content, link: &texts.8,
        };
        prop_assert!(comes_back(Pdu::Submit(submit), sequence, version));
    }

    #[test]
    fn a_deliver_comes_back_as_it_was_written(
        version in version(), sequence in any::<u32>(), octets in any::<[u8; 5]>(), msg_id in any::<u64>(),
        texts in (field(21), field(10), field(21), field(8)), content in content(),
    ) {
        let source_type = if version == Version::V30 { octets[4] } else { 0 };
        let deliver = Deliver {
            msg_id, destination: &texts.0, service_id: &texts.1, protocol_id: octets[0], has_header: octets[1], format: octets[2],
            source: &texts.2, source_type, report: octets[3], content: &content, link: &texts.3,
        };
        prop_assert!(comes_back(Pdu::Deliver(deliver), sequence, version));
    }

    #[test]
    fn every_other_pdu_comes_back_as_it_was_written(
        version in version(), sequence in any::<u32>(), msg_id in any::<u64>(), number in any::<u32>(), octet in any::<u8>(),
        authenticator in any::<[u8; 16]>(), texts in (field(6), field(8), field(10), field(8)), counts in any::<[u32; 8]>(),
    ) {
        let is_wide = version == Version::V30;
        let result = if is_wide { number } else { u32::from(octet) };
        let query = Query { day: &texts.1, kind: octet, code: &texts.2, reserve: &texts.3 };
        let [taken, phones, passed_on, waiting, failed, replies, replies_waiting, replies_failed] = counts;
        let counts = Counts { taken, phones, passed_on, waiting, failed, replies, replies_waiting, replies_failed };
        let pdus = [
            Pdu::Connect(Connect { source: &texts.0, authenticator, version: octet, timestamp: number }),
            Pdu::ConnectResp(ConnectResp { status: result, authenticator, version: octet, is_wide }),
            Pdu::Terminate,
            Pdu::TerminateResp,
            Pdu::SubmitResp(Answered { msg_id, result }),
            Pdu::DeliverResp(Answered { msg_id, result }),
            Pdu::Query(query),
            Pdu::QueryResp(Query { reserve: &[], ..query }, counts),
            Pdu::Cancel(msg_id),
            Pdu::CancelResp(result),
            Pdu::ActiveTest,
            Pdu::ActiveTestResp,
        ];
        for pdu in pdus {
            prop_assert!(comes_back(pdu, sequence, version), "{:?}", pdu);
        }
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic(octets in prop::collection::vec(any::<u8>(), 0..400), version in version()) {
        let _ = decode(&octets, version);
        let _ = Report::decode(&octets).map(|report| report.state());
    }

    #[test]
    fn a_body_of_garbage_behind_a_right_header_is_never_a_panic(
        body in prop::collection::vec(any::<u8>(), 0..400), id in 0_u32..=9, is_answer in any::<bool>(), version in version(),
    ) {
        let mut octets = u32::try_from(HEADER + body.len()).unwrap().to_be_bytes().to_vec();
        octets.extend((if is_answer { id | ANSWER } else { id }).to_be_bytes());
        octets.extend([0, 0, 0, 1]);
        octets.extend(body);
        if let Ok(frame) = decode(&octets, version) {
            // What was read can be written, and then reads the same.
            let again = written(&frame, version);
            let is_form = matches!(frame.pdu, Pdu::ConnectResp(_));
            prop_assert!(is_form || decode(&again, version) == Ok(frame) || !fits(&frame.pdu, version));
        }
    }
}

/// Whether a result that was read in four octets can be written in this version.
fn fits(pdu: &Pdu<'_>, version: Version) -> bool {
    match pdu {
        Pdu::SubmitResp(answered) | Pdu::DeliverResp(answered) => {
            version == Version::V30 || answered.result <= 255
        }
        Pdu::CancelResp(result) => version == Version::V30 || *result <= 255,
        _ => true,
    }
}
