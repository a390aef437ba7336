//! Other people's software at the other end: our mocks agree with clients that nobody here wrote, so that a
//! test before them means something; and our SMPP and CMPP agree with a gateway and a decoder that nobody
//! here wrote.
//!
//! `tests/interop/install` gets them. Where one is missing its test says so and passes, unless
//! `SMS_MCP_INTEROP` is `required`, as it is in `.ci/run`.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use cmppprotocol::{CmppConfig, CmppConnection, CmppProtocolParams, Event, SubmitOptions};
use serde_json::{Value, json};
use sms_mcp::provider::exchange::Event as Told;
use sms_mcp::provider::line::smpp::alphabet::Long;
use sms_mcp::provider::line::{cmpp, smpp};
use sms_mcp::provider::{Outcome, Provider, SegmentOutcome, Submission};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::number::Number;

use crate::carrier::ismg::{Habits, Ismg, SECRET, SP_ID};
use crate::carrier::peer::{Part, Peer, Receipts, Side};
use crate::carrier::smsc::{PASSWORD, SYSTEM_ID};
use crate::support::{LAST_RESORT, fictional, within};
use crate::vendors::submission_of;

/// What the scripts leave with where their peer is not installed.
pub const MISSING: i32 = 3;

/// Says that this is not tested here, or fails where it must be.
pub fn missing(peer: &str) {
    assert_ne!(
        std::env::var("SMS_MCP_INTEROP").as_deref(),
        Ok("required"),
        "{peer} is missing: run tests/interop/install"
    );
    eprintln!("NOT TESTED: {peer} is not installed here; tests/interop/install gets it");
}

/// Where the install scripts put this.
pub fn installed(folder: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    target.join("interop").join(folder)
}

/// Runs a Python client before a gateway; the JSON lines that it wrote, or nothing where it is missing.
fn python(script: &str, address: &str) -> Option<Vec<Value>> {
    let port = address.rsplit(':').next().unwrap();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let output = Command::new("python3")
        .arg(path)
        .args([port, SP_ID, SECRET])
        .env("PYTHONPATH", installed("python"))
        .stdin(Stdio::null())
        .output()
        .ok()?;
    if output.status.code() == Some(MISSING) {
        return None;
    }
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Some(
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

#[test]
fn pycmpp_and_the_mock_ismg_agree_on_cmpp_2() {
    let ismg = Peer::ismg();
    let Some(answers) = python("pycmpp_client.py", &ismg.address()) else { return missing("PyPI pycmpp") };
    let read: Vec<_> = answers
        .iter()
        .map(|answer| (answer["kind"].as_str().unwrap(), answer["octets"].as_u64().unwrap()))
        .collect();
    assert_eq!(read, [("connect", 30), ("submit", 21), ("submit", 21), ("submit", 21)]);
    assert!(answers.iter().all(|answer| answer["status"] == 0), "{answers:?}");
    let submits = ismg.submits();
    assert_eq!(
        (submits[0].to.as_slice(), submits[0].text.as_str()),
        (&["13800138000".to_owned(), "13800138001".to_owned()][..], "你好 from pycmpp")
    );
    assert_eq!(answers[1]["id"].as_u64().map(|id| format!("{id:016x}")), Some(submits[0].id.clone()));
    assert_eq!(
        ismg.messages()[&("13800138002".to_owned(), "长".repeat(100))],
        1,
        "its own long message, joined"
    );
    // It leaves Src_Id empty where it builds the SUBMIT by itself.
    assert!(ismg.forgive().iter().all(|complaint| complaint == "SUBMIT: Src_Id: no number"));
}

#[test]
fn cmppy_and_the_mock_ismg_agree_on_cmpp_3() {
    let ismg = Peer::ismg();
    let Some(answers) = python("cmppy_client.py", &ismg.address()) else { return missing("PyPI cmppy") };
    assert_eq!(answers[0]["status"], 0, "{answers:?}");
    let submits = ismg.submits();
    assert_eq!(submits.len(), 1);
    assert_eq!(
        (submits[0].to.len(), submits[0].text.as_str(), submits[0].from.as_str()),
        (2, "你好 from cmppy", "10690001")
    );
    assert_eq!(answers[0]["id"].as_u64().map(|id| format!("{id:016x}")), Some(submits[0].id.clone()));
    assert_eq!(ismg.version(), 0x30);
}

async fn cmppprotocol(ismg: &Peer<Ismg>, password: &str) -> cmppprotocol::Result<CmppConnection> {
    let config = CmppConfig {
        host: "127.0.0.1".into(),
        port: ismg.address().rsplit(':').next().unwrap().parse().unwrap(),
        account: SP_ID.into(),
        password: password.into(),
        version: cmppprotocol::CMPP_VERSION_20,
        protocol_params: CmppProtocolParams { response_timeout: 60, ..CmppProtocolParams::default() },
    };
    CmppConnection::connect(config).await
}

#[tokio::test]
async fn cmppprotocol_and_the_mock_ismg_agree_on_cmpp_2_with_proofs_long_messages_and_receipts() {
    let ismg = Peer::ismg();
    ismg.script(|script| script.receipts = Receipts::Early);
    let connection = cmppprotocol(&ismg, SECRET).await.expect("it verifies AuthenticatorISMG");
    let mut events = connection.take_events().await.unwrap();
    let long = "世界🙂".repeat(40);
    let options = SubmitOptions::new("SVC", SP_ID, "10690001", "13800138000");
    let asked = connection.submit(&options, "hello", None).await.unwrap().len()
        + connection.submit(&options, &long, None).await.unwrap().len();
    let (mut ids, mut delivered) = (Vec::new(), Vec::new());
    while ids.len() < asked || delivered.len() < asked {
        match within("an event", events.recv()).await.unwrap() {
            Event::SubmitResp { msg_id, result: 0, .. } => ids.push(Event::msg_id_hex(&msg_id)),
            Event::Deliver(deliver) => {
                let report = deliver.report().expect("a report");
                assert_eq!(
                    (report.stat.as_str(), report.dest_terminal_id.as_str()),
                    ("DELIVRD", "13800138000")
                );
                delivered.push(report.msg_id_hex());
            }
            other => panic!("{other:?}"),
        }
    }
    ids.sort();
    delivered.sort();
    assert_eq!(ids, delivered);
    let messages = ismg.messages();
    assert_eq!(messages[&("13800138000".to_owned(), "hello".to_owned())], 1);
    assert_eq!(messages[&("13800138000".to_owned(), long)], 1);
    assert!(ismg.submits().iter().any(|submit| matches!(submit.part, Some(Part { number: 2, .. }))));
    connection.close().await;
}

#[tokio::test]
async fn cmppprotocol_refuses_a_wrong_proof_and_is_refused_with_a_wrong_secret() {
    let ismg = Peer::ismg();
    assert!(cmppprotocol(&ismg, "wrong").await.is_err());
    ismg.habits(|habits| *habits = Habits { bad_proof: true, ..Habits::default() });
    assert!(cmppprotocol(&ismg, SECRET).await.is_err());
}

fn submission(to: &str, text: &str) -> Submission {
    submission_of(MessageId::new(1, 1), Number::parse(to, None).unwrap(), text)
}

/// The ids of everything that was taken.
fn ids(outcome: Outcome) -> Vec<String> {
    let of_segment = |segment| match segment {
        SegmentOutcome::Accepted { vendor_id, .. } => vendor_id,
        other => panic!("{other:?}"),
    };
    match outcome {
        Outcome::Accepted { vendor_id: Some(id), .. } => vec![id],
        Outcome::Segments(segments) => segments.into_iter().map(of_segment).collect(),
        other => panic!("{other:?}"),
    }
}

/// npm `smpp` as an SMSC, a process of its own, and the lines that it writes.
struct NodeSmsc {
    child: Child,
    lines: Receiver<Value>,
    address: String,
}

impl NodeSmsc {
    fn start() -> Option<Self> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/smsc.js");
        let mut command = Command::new("node");
        command
            .arg(script)
            .env("NODE_PATH", installed("node/node_modules"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell.send(serde_json::from_str::<Value>(&line).unwrap()))
        });
        let Ok(first) = lines.recv_timeout(LAST_RESORT) else {
            let status = child.wait().unwrap();
            assert_eq!(status.code(), Some(MISSING), "node");
            return None;
        };
        let address = format!("127.0.0.1:{}", first["port"]);
        Some(Self { child, lines, address })
    }

    /// The next line of this kind, without those before it.
    fn next(&self, kind: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(LAST_RESORT).unwrap_or_else(|_| panic!("no {kind} came"));
            if line["kind"] == kind {
                return line;
            }
        }
    }
}

impl Drop for NodeSmsc {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn smpp_before(smsc: &NodeSmsc, long: Long) -> std::sync::Arc<dyn Provider> {
    let config = smpp::Config {
        address: smsc.address.clone(),
        system_id: SYSTEM_ID.to_owned(),
        from: Some("ACME".to_owned()),
        long,
        session: super::patient(),
        ..smpp::Config::default()
    };
    super::build(&config, "password", PASSWORD)
}

#[tokio::test(flavor = "multi_thread")]
async fn smpp_and_npm_smpp_agree_on_binds_alphabets_long_messages_receipts_and_replies() {
    let Some(smsc) = NodeSmsc::start() else { return missing("npm smpp") };
    for (long, header) in [(Long::Udh8, 4), (Long::Udh16, 5)] {
        let provider = smpp_before(&smsc, long);
        let mut notices = provider.notices().unwrap();
        assert!(provider.check().await.is_ok());
        assert_eq!(
            smsc.next("bind_transceiver"),
            json!({ "kind": "bind_transceiver", "known": true, "version": 0x34 })
        );
        let texts = ["Hello €[]", "Grüße 世界 🙂", &"long ".repeat(60), &"世界🙂".repeat(40), "MO"];
        for text in texts {
            let ids = ids(provider.send(&submission(&fictional(1), text)).await);
            let mut whole = String::new();
            for (number, id) in (1..).zip(&ids) {
                let seen = smsc.next("submit_sm");
                assert_eq!(
                    (&seen["id"], &seen["to"], &seen["from"]),
                    (&json!(id), &json!("33199000001"), &json!("ACME")),
                    "{seen}"
                );
                assert_eq!(
                    (&seen["ton"], &seen["npi"], &seen["receipt"]),
                    (&json!(1), &json!(1), &json!(1)),
                    "{seen}"
                );
                whole.push_str(seen["text"].as_str().unwrap());
                if ids.len() > 1 {
                    let element = seen["header"][0].as_str().unwrap();
                    assert!(
                        element.len() == 2 * (header + 1)
                            && element.ends_with(&format!("{:02x}{number:02x}", ids.len())),
                        "{seen}"
                    );
                }
            }
            assert_eq!(whole, text, "joined, it reads the same there");
            let mut open = ids.len() + usize::from(text == "MO");
            while open > 0 {
                let notice = within("a notice", notices.recv()).await.unwrap();
                match &notice.event {
                    Told::Receipt(receipt) => assert!(
                        ids.contains(&receipt.vendor_id) && receipt.state == State::Delivered,
                        "{receipt:?}"
                    ),
                    Told::Reply(reply) => {
                        assert_eq!(
                            (reply.from.text(), reply.text.as_str()),
                            (fictional(1).as_str(), "Merhaba, çok güzel 🙂")
                        );
                    }
                    other => panic!("{other:?}"),
                }
                let thanks =
                    if matches!(notice.event, Told::Reply(_)) { "reply thanked" } else { "receipt thanked" };
                notice.recorded(true);
                assert_eq!(smsc.next(thanks)["status"], 0);
                open -= 1;
            }
        }
        provider.close().await;
        smsc.next("unbind");
    }
}

/// A capture file (pcap, raw IPv4) of one TCP connection to port 7890.
fn capture(frames: &[(Side, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, 101] {
        // The version is two halves, so it is written as such.
        match word {
            0x0002_0004 => file.extend_from_slice(&[0, 2, 0, 4]),
            word => file.extend_from_slice(&word.to_be_bytes()),
        }
    }
    let (mut client, mut gateway) = (1_u32, 1_u32);
    for (at, (side, octets)) in (0_u32..).zip(frames) {
        let from_client = *side == Side::Client;
        let (from, to) = if from_client { (40_000_u16, 7_890_u16) } else { (7_890, 40_000) };
        let (sequence, acknowledged) = if from_client { (client, gateway) } else { (gateway, client) };
        let length = 40 + u16::try_from(octets.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend_from_slice(&from.to_be_bytes());
        packet.extend_from_slice(&to.to_be_bytes());
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&acknowledged.to_be_bytes());
        packet.extend_from_slice(&[0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend_from_slice(octets);
        for word in [at, 0, u32::from(length), u32::from(length)] {
            file.extend_from_slice(&word.to_be_bytes());
        }
        file.extend_from_slice(&packet);
        *(if from_client { &mut client } else { &mut gateway }) += u32::try_from(octets.len()).unwrap();
    }
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn tshark_decodes_every_frame_of_our_cmpp_3() {
    if Command::new("tshark").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        return missing("tshark");
    }
    let ismg = Peer::ismg();
    ismg.record();
    let config = cmpp::Config {
        destinations_per_submit: 3,
        validity: Some("1h".parse().unwrap()),
        ..super::cmpp_config(&ismg)
    };
    let provider = super::build(&config, "secret", SECRET);
    let mut notices = provider.notices().unwrap();
    let texts = ["hello cmpp", "你好", "Grüße", &"long ".repeat(50), &"世界🙂".repeat(40)];
    let mut open = 0;
    for text in texts {
        open += ids(provider.send(&submission("+8613800138000", text)).await).len();
    }
    let many: Vec<Submission> =
        (0..3).map(|n| submission(&format!("+861380013800{n}"), "to three")).collect();
    open += provider.send_many(&many).await.len();
    while open > 0 {
        let notice = within("a notice", notices.recv()).await.unwrap();
        assert!(
            matches!(&notice.event, Told::Receipt(receipt) if receipt.state == State::Delivered),
            "{notice:?}"
        );
        notice.recorded(true);
        open -= 1;
    }
    ismg.active_test();
    ismg.until("ACTIVE_TEST is answered", |ismg| {
        ismg.counters().pongs.load(std::sync::atomic::Ordering::SeqCst) == 1
    });
    provider.close().await;
    let frames: Vec<(Side, Vec<u8>)> = ismg
        .recorded()
        .into_iter()
        .filter(|(side, octets)| *side == Side::Client && !octets.is_empty())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cmpp.pcap");
    std::fs::write(&file, capture(&frames)).unwrap();
    let output = Command::new("tshark")
        .arg("-r")
        .arg(&file)
        .args(["-d", "tcp.port==7890,cmpp", "-V"])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !shown.contains("Malformed") && !shown.contains("Unknown"), "{shown}");
    let decoded = shown.matches("China Mobile Point to Point Protocol").count();
    assert!(decoded >= frames.len(), "{decoded} of {} frames are CMPP to it: {shown}", frames.len());
    for (name, count) in [
        ("Cmpp_Connect", 1),
        ("Cmpp_Submit", 9),
        ("Cmpp_Deliver_Resp", 11),
        ("Cmpp_Active_Test_Resp", 1),
        ("Cmpp_Terminate", 1),
    ] {
        assert!(shown.to_lowercase().matches(&name.to_lowercase()).count() >= count, "{name}: {shown}");
    }
}
