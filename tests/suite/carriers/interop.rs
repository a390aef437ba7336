//! Other people's software at the other end: our mocks agree with clients that nobody here wrote, so that a test before
//! them means something; and our SMPP and CMPP agree with a gateway and a decoder that nobody here wrote.
//!
//! `tests/interop/install` gets them. Where one is missing its test says so and passes, unless `SMS_MCP_INTEROP` is
//! `required`, as it is in `.ci/run`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use cmppprotocol::{CmppConfig, CmppConnection, CmppProtocolParams, Event, SubmitOptions};
use serde_json::Value;

use crate::carrier::ismg::{Habits, Ismg, SECRET, SP_ID};
use crate::carrier::peer::{Part, Peer, Receipts};

/// What the scripts leave with where their peer is not installed.
const MISSING: i32 = 3;

fn missing(peer: &str) {
    assert_ne!(std::env::var("SMS_MCP_INTEROP").as_deref(), Ok("required"), "{peer} is missing: run tests/interop/install");
    eprintln!("NOT TESTED: {peer} is not installed here; tests/interop/install gets it");
}

fn installed(folder: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from);
    target.join("interop").join(folder)
}

/// Runs a Python client before a gateway; the JSON lines that it wrote, or nothing where it is missing.
fn python(script: &str, address: &str) -> Option<Vec<Value>> {
    let port = address.rsplit(':').next().unwrap();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(script);
    let output =
        Command::new("python3").arg(path).args([port, SP_ID, SECRET]).env("PYTHONPATH", installed("python")).stdin(Stdio::null()).output().ok()?;
    if output.status.code() == Some(MISSING) {
        return None;
    }
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

#[test]
fn pycmpp_and_the_mock_ismg_agree_on_cmpp_2() {
    let ismg = Peer::ismg();
    let Some(answers) = python("pycmpp_client.py", &ismg.address()) else { return missing("PyPI pycmpp") };
    let read: Vec<_> = answers.iter().map(|answer| (answer["kind"].as_str().unwrap(), answer["octets"].as_u64().unwrap())).collect();
    assert_eq!(read, [("connect", 30), ("submit", 21), ("submit", 21), ("submit", 21)]);
    assert!(answers.iter().all(|answer| answer["status"] == 0), "{answers:?}");
    let submits = ismg.submits();
    assert_eq!((submits[0].to.as_slice(), submits[0].text.as_str()), (&["13800138000".to_owned(), "13800138001".to_owned()][..], "你好 from pycmpp"));
    assert_eq!(answers[1]["id"].as_u64().map(|id| format!("{id:016x}")), Some(submits[0].id.clone()));
    assert_eq!(ismg.messages()[&("13800138002".to_owned(), "长".repeat(100))], 1, "its own long message, joined");
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
    assert_eq!((submits[0].to.len(), submits[0].text.as_str(), submits[0].from.as_str()), (2, "你好 from cmppy", "10690001"));
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
        protocol_params: CmppProtocolParams { response_timeout: 5, ..CmppProtocolParams::default() },
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
    let asked = connection.submit(&options, "hello", None).await.unwrap().len() + connection.submit(&options, &long, None).await.unwrap().len();
    let (mut ids, mut delivered) = (Vec::new(), Vec::new());
    while ids.len() < asked || delivered.len() < asked {
        match tokio::time::timeout(Duration::from_secs(5), events.recv()).await.unwrap().unwrap() {
            Event::SubmitResp { msg_id, result: 0, .. } => ids.push(Event::msg_id_hex(&msg_id)),
            Event::Deliver(deliver) => {
                let report = deliver.report().expect("a report");
                assert_eq!((report.stat.as_str(), report.dest_terminal_id.as_str()), ("DELIVRD", "13800138000"));
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
