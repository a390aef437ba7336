//! The greeting in each version, and what each frame of a gateway comes to.

use super::*;
use crate::provider::line::session::NotNow;

const NOW: &str = "2026-11-22T01:30:05Z";

fn config() -> Config {
    let from = Some("10690001".to_owned());
    Config {
        sp_id: "900001".to_owned(),
        address: "127.0.0.1:7890".to_owned(),
        from,
        service_id: "svc01".to_owned(),
        ..Config::default()
    }
}

fn cmpp(config: Config) -> Cmpp {
    Cmpp::new(config, SecretText::new("888888"))
}

/// Greets, and gives what was written.
fn greeting(cmpp: &Cmpp, line: &Arc<Greeting>) -> Vec<u8> {
    let mut out = BytesMut::new();
    cmpp.greet(line, 1, Timestamp::parse(NOW).unwrap(), &mut out);
    out.to_vec()
}

/// The answer to a greeting, in the octets of a version.
fn answer(status: u32, version: u8, octets_of: Version) -> Vec<u8> {
    let proof = login::answer_authenticator(status, octets_of == Version::V30, &proof(), b"888888");
    let mut out = BytesMut::new();
    pdu::encode(
        &Pdu::ConnectResp(ConnectResp { status, authenticator: proof, version, is_wide: false }),
        1,
        octets_of,
        &mut out,
    );
    out.to_vec()
}

fn proof() -> [u8; 16] {
    login::authenticator(b"900001", b"888888", b"1122093005")
}

#[test]
fn a_greeting_is_the_vector_of_its_version() {
    for (version, name) in
        [(Version::V20, "connect_20"), (Version::V21, "connect_21"), (Version::V30, "connect_30")]
    {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../../../tests/vectors/cmpp.json")).unwrap();
        let vector = vectors.as_array().unwrap().iter().find(|vector| vector["Name"] == name).unwrap();
        let written = greeting(&cmpp(Config { version, ..config() }), &Arc::default());
        assert_eq!(crate::sms::message::hex(&written), vector["Hex"].as_str().unwrap(), "{name}");
    }
}

#[test]
fn a_version_that_is_too_high_is_lowered_step_by_step_and_stays_so_on_its_line() {
    let (cmpp, line) = (cmpp(config()), Arc::default());
    for (asked, octets_of) in [(Version::V30, Version::V30), (Version::V21, Version::V20)] {
        assert_eq!(greeting(&cmpp, &line)[34], asked.octet());
        let refused = cmpp.greeted(&line, &answer(4, 0, octets_of)).unwrap_err();
        assert!(refused.is_to_be_tried_at_once && !refused.is_unauthorized, "{refused:?}");
    }
    assert_eq!(greeting(&cmpp, &line)[34], 0x20);
    let refused = cmpp.greeted(&line, &answer(4, 0, Version::V20)).unwrap_err();
    assert!(!refused.is_to_be_tried_at_once, "there is no lower one");
    assert_eq!(cmpp.greeted(&line, &answer(0, 0x20, Version::V20)), Ok(Version::V20));
    assert_eq!(greeting(&cmpp, &line)[34], 0x20);
    assert_eq!(greeting(&cmpp, &Arc::default())[34], 0x30, "another line");
}

#[test]
fn a_gateway_that_names_its_version_is_greeted_in_that_one() {
    let (cmpp, line) = (cmpp(config()), Arc::default());
    greeting(&cmpp, &line);
    assert!(cmpp.greeted(&line, &answer(4, 0x20, Version::V20)).unwrap_err().is_to_be_tried_at_once);
    assert_eq!(greeting(&cmpp, &line)[34], 0x20);
}

#[test]
fn a_greeting_that_is_taken_goes_on_in_the_lower_version() {
    for (named, octets_of, spoken) in [
        (0x30, Version::V30, Version::V30),
        (0x20, Version::V20, Version::V20),
        (0x20, Version::V30, Version::V20),
        (0x21, Version::V20, Version::V21),
        (0, Version::V20, Version::V20),
        (0x30, Version::V20, Version::V20),
        (0, Version::V30, Version::V30),
        (0x40, Version::V30, Version::V30),
    ] {
        let (cmpp, line) = (cmpp(config()), Arc::default());
        greeting(&cmpp, &line);
        assert_eq!(
            cmpp.greeted(&line, &answer(0, named, octets_of)),
            Ok(spoken),
            "{named:#x} in {octets_of:?}"
        );
        assert_eq!(cmpp.agreed(), Some(spoken));
    }
}

#[test]
fn a_refusal_says_whether_it_is_about_who_we_are() {
    for (status, is_unauthorized) in [(1, false), (2, true), (3, true), (5, false), (200, false)] {
        let (cmpp, line) = (cmpp(config()), Arc::default());
        greeting(&cmpp, &line);
        let refused = cmpp.greeted(&line, &answer(status, 0x30, Version::V30)).unwrap_err();
        assert_eq!(
            (refused.is_unauthorized, refused.is_to_be_tried_at_once),
            (is_unauthorized, false),
            "{status}"
        );
        assert!(!refused.why.contains("888888"));
    }
    let cmpp = cmpp(config());
    assert!(cmpp.greeted(&Arc::default(), b"garbage").is_err());
}

#[test]
fn a_wrong_proof_ends_the_connection_only_where_the_settings_say_so() {
    let wrong = |octets_of| {
        let mut octets = answer(0, octets_of as u8, octets_of);
        let end = octets.len();
        octets[end - 1] = octets_of.octet();
        octets[end - 17..end - 1].fill(0);
        octets
    };
    for (verify, is_taken) in [(Verify::Off, true), (Verify::Warn, true), (Verify::Strict, false)] {
        let (cmpp, line) = (cmpp(Config { verify, ..config() }), Arc::default());
        greeting(&cmpp, &line);
        assert_eq!(cmpp.greeted(&line, &wrong(Version::V30)).is_ok(), is_taken, "{verify:?}");
        assert_eq!(cmpp.has_warned.load(Ordering::Relaxed), verify == Verify::Warn);
        assert!(cmpp.greeted(&line, &answer(0, 0x30, Version::V30)).is_ok());
    }
}

#[test]
fn every_frame_of_a_gateway_has_its_meaning() {
    let cmpp = cmpp(config());
    let meaning = |pdu: Pdu<'_>, version| {
        let mut out = BytesMut::new();
        pdu::encode(&pdu, 9, version, &mut out);
        cmpp.decode(&version, &out)
    };
    for version in [Version::V20, Version::V30] {
        let answered = Answered { msg_id: 7, result: 8 };
        let Incoming::Answer { sequence: 9, answer } = meaning(Pdu::SubmitResp(answered), version) else {
            panic!()
        };
        assert!(
            answer == Answer::Submitted(answered)
                && cmpp.verdict(&answer) == Verdict::NotNow(NotNow::Account)
        );
        assert_eq!(cmpp.verdict(&Answer::Submitted(Answered { result: 0, ..answered })), Verdict::Taken);
        assert!(matches!(
            meaning(Pdu::CancelResp(1), version),
            Incoming::Answer { answer: Answer::Canceled(1), .. }
        ));
        assert!(matches!(meaning(Pdu::ActiveTest, version), Incoming::Ping { sequence: 9 }));
        assert!(matches!(meaning(Pdu::ActiveTestResp, version), Incoming::Pong));
        assert!(matches!(meaning(Pdu::Terminate, version), Incoming::Bye { sequence: 9 }));
        assert!(matches!(meaning(Pdu::TerminateResp, version), Incoming::ByeAnswer));
        assert!(matches!(meaning(Pdu::DeliverResp(answered), version), Incoming::Ignored));
        assert!(matches!(meaning(Pdu::Cancel(7), version), Incoming::Malformed { sequence: 9 }));
    }
    assert!(matches!(
        cmpp.decode(&Version::V30, &[0, 0, 0, 12, 0x80, 0, 0, 4, 0, 0, 0, 1]),
        Incoming::Ignored
    ));
    assert!(matches!(
        cmpp.decode(&Version::V30, &[0, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 1]),
        Incoming::Malformed { sequence: 1 }
    ));
    assert!(matches!(cmpp.decode(&Version::V30, b"x"), Incoming::Ignored));
}

#[test]
fn a_deliver_is_answered_with_its_own_id_also_where_it_cannot_be_read() {
    let cmpp = cmpp(config());
    let mut frame = vec![0, 0, 0, 24, 0, 0, 0, 5, 0, 0, 0, 33];
    frame.extend(0xbb25_e140_1234_0008_u64.to_be_bytes());
    frame.extend([0; 4]);
    let Incoming::Push { sequence: 33, push } = cmpp.decode(&Version::V20, &frame) else { panic!() };
    assert!(!push.is_readable);
    let answer = |push: &Delivered, is_taken| {
        let mut out = BytesMut::new();
        cmpp.push_answer(&Version::V20, push, 33, is_taken, &mut out);
        out.to_vec()
    };
    assert_eq!(answer(&push, true)[12..], [0xbb, 0x25, 0xe1, 0x40, 0x12, 0x34, 0, 8, 1]);
    let push = Delivered { is_readable: true, ..push };
    assert_eq!((answer(&push, true)[20], answer(&push, false)[20]), (0, 8));
}
