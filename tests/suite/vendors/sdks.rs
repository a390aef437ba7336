//! The vendors' own libraries at the other end: what they sign is believed here, what is signed in these tests
//! they believe, and their clients see in our fakes what they see at the vendor. So a test before a fake means
//! something.
//!
//! The scripts are in `tests/interop/vendors`, and `tests/interop/install` gets the libraries. Where one is
//! missing its test says so and passes, unless `SMS_MCP_INTEROP` is `required`, as it is in `.ci/run`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ::http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};
use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::provider::Provider;
use sms_mcp::provider::exchange::{Delivery, Event, NotBelieved};

use crate::carriers::interop::{installed, missing};
use crate::fake::{Fake, aws, telnyx, twilio};
use crate::support::fictional;

const PYTHON: &str = "python3";
const NODE: &str = "node";

/// Runs a script of `tests/interop/vendors` with this input: the JSON lines that it wrote, or nothing where its
/// library is not installed.
fn run(program: &str, script: &str, arguments: &[&str], input: &Value) -> Option<Vec<Value>> {
    let folder = installed("vendors").join(program);
    if !folder.join("done").exists() {
        missing(&format!("the library of {script}"));
        return None;
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/interop/vendors").join(script);
    let mut child = Command::new(program)
        .arg(path)
        .args(arguments)
        .env("PYTHONPATH", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PEER_FOLDER", &folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    Some(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn step<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    lines.iter().find(|line| line["step"] == name).unwrap_or_else(|| panic!("no step \"{name}\": {lines:#?}"))
}

async fn told(
    provider: &dyn Provider,
    url: &str,
    body: &str,
    headers: &[(&'static str, &str)],
) -> Result<Vec<Event>, NotBelieved> {
    let mut map = HeaderMap::new();
    headers.iter().for_each(|(name, value)| {
        map.insert(*name, HeaderValue::from_str(value).unwrap());
    });
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let delivery = Delivery {
        method: &Method::POST,
        url,
        query,
        headers: &map,
        body: body.as_bytes(),
        message: None,
        now: SystemClock.now(),
    };
    provider.events(&delivery).await
}

fn form(fields: &Value) -> String {
    let fields = fields.as_object().unwrap().iter().map(|(name, value)| (name, value.as_str().unwrap()));
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[tokio::test]
async fn what_twilios_own_library_signs_is_believed_and_nothing_else_is() {
    let url = "https://sms.example.com/webhooks/twilio/token?m=msg_1";
    let report = json!({ "MessageSid": "SM1", "MessageStatus": "delivered", "To": fictional(1),
        "From": twilio::FROM, "AccountSid": twilio::ACCOUNT, "ApiVersion": "2010-04-01" });
    let texts = ["STOP", "Gr\u{fc}\u{df}e & 100% + \"x\" \u{1f44d}", "", "a=b&c=d", "line\r\nline", " "];
    let replies = texts.map(|text| {
        json!({ "MessageSid": "SM2", "From": fictional(1), "To": twilio::FROM, "Body": text, "NumMedia": "0",
            "ToCity": "" })
    });
    let all: Vec<Value> = std::iter::once(report).chain(replies).collect();
    let input: Vec<Value> = all.iter().map(|fields| json!([url, fields])).collect();
    let Some(signed) = run(NODE, "twilio.js", &["sign", twilio::TOKEN], &json!(input)) else { return };
    assert_eq!(signed.len(), all.len());
    let fake = Fake::start(twilio::Twilio::default());
    let provider = super::twilio::provider(&fake);
    for (fields, line) in all.iter().zip(&signed) {
        assert_eq!(line["believed"], true, "{line}");
        let signature = [("x-twilio-signature", line["signature"].as_str().unwrap())];
        let body = form(fields);
        let events = told(&*provider, url, &body, &signature).await;
        assert!(events.as_ref().is_ok_and(|events| !events.is_empty()), "{fields}: {events:?}");
        let other = told(&*provider, url, &format!("{body}&x=1"), &signature).await;
        assert_eq!(other, Err(NotBelieved::Signature), "{fields}");
    }
}

#[test]
fn twilios_own_client_sees_in_the_fake_what_it_sees_at_twilio() {
    let fake = Fake::start(twilio::Twilio::default());
    let to = fictional(1);
    let arguments = ["client", &fake.url(), twilio::ACCOUNT, twilio::TOKEN, twilio::FROM, &to];
    let Some(lines) = run(NODE, "twilio.js", &arguments, &Value::Null) else { return };
    let sent = &step(&lines, "send")["answer"];
    assert_eq!(
        (&sent["status"], &sent["price"], &sent["segments"]),
        (&json!("queued"), &json!(null), &json!("1"))
    );
    assert_eq!(sent["body"], "Gr\u{fc}\u{df}e \u{1f44d}");
    let listed = step(&lines, "list")["answer"].as_array().unwrap().clone();
    let ids: Vec<&Value> = listed.iter().map(|one| &one["sid"]).collect();
    let expected = ["third", "again", "send"].map(|name| &step(&lines, name)["answer"]["sid"]);
    assert_eq!(ids, expected, "over its pages");
    let looked = &step(&lines, "fetch")["answer"];
    assert_eq!((&looked["status"], &looked["price"]), (&json!("delivered"), &json!("-0.07000")));
    assert_eq!(step(&lines, "balance")["answer"]["currency"], "USD");
    assert_eq!(step(&lines, "lookup")["answer"]["valid"], true);
    assert_eq!(step(&lines, "prices")["answer"], json!({ "priceUnit": "USD", "carriers": 2 }));
    for (name, code, status) in
        [("wrong sender", 21_606, 400), ("no such message", 20_404, 404), ("wrong token", 20_003, 401)]
    {
        let line = step(&lines, name);
        assert_eq!((&line["code"], &line["status"]), (&json!(code), &json!(status)), "{line}");
    }
    assert_eq!(fake.vendor().recipients(), [to.as_str(); 3]);
}

#[tokio::test]
async fn telnyxs_own_library_believes_the_webhooks_that_are_believed_here_and_no_other() {
    let seconds = SystemClock.now().as_millis() / 1_000;
    let body = json!({ "data": { "event_type": "message.finalized", "id": "e-1", "record_type": "event",
        "occurred_at": "2026-11-22T10:15:00Z", "payload": { "id": "m-1", "record_type": "message",
            "direction": "outbound", "to": [{ "phone_number": fictional(1), "status": "delivered" }],
            "text": "Gr\u{fc}\u{df}e \u{1f44d}" } } })
    .to_string();
    let right = super::telnyx::hooks::sign(seconds, &body);
    let late = seconds - 400;
    let cases = [
        (seconds, right.clone(), body.clone(), true),
        (seconds, super::telnyx::hooks::sign(seconds, "{}"), body.clone(), false),
        (seconds + 1, right.clone(), body.clone(), false),
        (seconds, right, body.replace("delivered", "delivery_failed"), false),
        (late, super::telnyx::hooks::sign(late, &body), body.clone(), false),
    ];
    let input: Vec<Value> = cases
        .iter()
        .map(|(time, signature, body, _)| {
            json!([body, { "telnyx-timestamp": time.to_string(),
            "telnyx-signature-ed25519": signature }])
        })
        .collect();
    let key = super::telnyx::PUBLIC_KEY;
    let Some(lines) = run(PYTHON, "telnyx_client.py", &["verify", key], &json!(input)) else { return };
    let fake = Fake::start(telnyx::Telnyx::default());
    let provider = super::telnyx::provider(&fake);
    for ((time, signature, body, is_right), line) in cases.iter().zip(&lines) {
        let time = time.to_string();
        let headers = [("telnyx-timestamp", time.as_str()), ("telnyx-signature-ed25519", signature.as_str())];
        let events = told(&*provider, "https://sms.example.com/x", body, &headers).await;
        assert_eq!((events.is_ok(), &line["believed"]), (*is_right, &json!(is_right)), "{line}: {events:?}");
    }
}

#[test]
fn telnyxs_own_client_sees_in_the_fake_what_it_sees_at_telnyx() {
    let fake = Fake::start(telnyx::Telnyx::default());
    let (url, to) = (format!("{}/v2", fake.url()), fictional(1));
    let arguments = ["client", &url, telnyx::KEY, telnyx::FROM, &to, telnyx::PROFILE];
    let Some(lines) = run(PYTHON, "telnyx_client.py", &arguments, &Value::Null) else { return };
    let sent = &step(&lines, "send")["answer"];
    assert_eq!(sent, &step(&lines, "same key")["answer"], "one answer for one key");
    assert_eq!((&sent["status"], &sent["parts"]), (&json!("queued"), &json!(1)));
    assert_eq!(step(&lines, "other body")["status"], 422);
    let looked = &step(&lines, "retrieve")["answer"];
    assert_eq!((&looked["id"], &looked["status"]), (&sent["id"], &json!("delivered")));
    assert_eq!(step(&lines, "balance")["answer"], json!({ "balance": "299.994900", "currency": "USD" }));
    assert_eq!(step(&lines, "lookup")["answer"], "mobile");
    assert_eq!(step(&lines, "wrong sender")["status"], 400);
    assert_eq!(step(&lines, "no such message")["status"], 404);
    assert_eq!(step(&lines, "wrong key")["status"], 401);
    assert_eq!(fake.vendor().recipients(), [to]);
}

#[tokio::test]
async fn amazons_own_validator_believes_the_envelopes_that_are_believed_here_and_no_other() {
    let now = SystemClock.now();
    let mut vectors: Vec<Value> = serde_json::from_str(include_str!("../../vectors/sns.json")).unwrap();
    let mut all = vec![
        aws::envelope("Gr\u{fc}\u{df}e \u{1f44d}\nSTOP", now),
        aws::envelope(&json!({ "eventType": "TEXT_DELIVERED", "messageId": "1" }).to_string(), now),
        aws::subscription("token-1", now),
    ];
    let change = |name: &str, value: &str| {
        let mut other = aws::envelope("STOP", now);
        other[name] = json!(value);
        other
    };
    all.extend([
        change("Message", "STOQ"),
        change("Subject", "added"),
        change("SignatureVersion", "1"),
        change("SigningCertURL", "https://sns.eu-west-1.amazonaws.com.evil.example/x-rfc9500.pem"),
        change("SigningCertURL", "http://sns.eu-west-1.amazonaws.com/x-rfc9500.pem"),
        change("SigningCertURL", "https://sns.eu-west-1.amazonaws.com/x-rfc9500.txt"),
    ]);
    for (at, envelope) in all.iter_mut().enumerate() {
        // Its answers come in another order. What is signed names it, so it is signed again where it was right.
        let is_right = at < 3;
        envelope["MessageId"] = json!(format!("id-{at}"));
        if is_right {
            *envelope = aws::sign(envelope.clone());
        }
    }
    let wrong = all.split_off(3);
    let signed_again: Vec<Value> = wrong
        .into_iter()
        .map(|envelope| {
            // As it was signed before it was changed, under its new id.
            let mut right = aws::envelope("STOP", now);
            right["MessageId"] = envelope["MessageId"].clone();
            let mut other = envelope;
            other["Signature"] = aws::sign(right)["Signature"].clone();
            other
        })
        .collect();
    all.extend(signed_again);
    let certificate = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/rfc9500.pem");
    let certificate = certificate.to_str().unwrap();
    let Some(lines) = run(NODE, "sns.js", &[certificate], &json!(all)) else { return };
    let fake = Fake::start(aws::Aws::default());
    let provider = super::aws::provider(&fake);
    for (at, envelope) in all.iter().enumerate() {
        let id = &envelope["MessageId"];
        let line = lines.iter().find(|line| &line["id"] == id).unwrap_or_else(|| panic!("{id}: {lines:?}"));
        let events = told(&*provider, "https://sms.example.com/x", &envelope.to_string(), &[]).await;
        assert_eq!((events.is_ok(), &line["believed"]), (at < 3, &json!(at < 3)), "{line}: {events:?}");
    }
    // Those of both versions, whose times are past.
    // (Of the end of a subscription it signs no Token, where AWS's pages have one.)
    vectors.retain(|vector| vector["Type"] != "UnsubscribeConfirmation");
    let lines = run(NODE, "sns.js", &[certificate], &json!(vectors)).unwrap();
    let believed = lines.iter().filter(|line| line["believed"] == true).count();
    assert_eq!((believed, vectors.len()), (6, 6), "{lines:?}");
}

#[test]
fn awss_own_client_sees_in_the_fake_what_it_sees_at_aws() {
    let session = aws::SESSION;
    let keys = (aws::KEY_ID.to_owned(), aws::SECRET.to_owned(), Some(session.to_owned()));
    let fake = Fake::start(aws::Aws { keys, ..aws::Aws::default() });
    let to = fictional(1);
    let arguments = [&fake.url(), aws::REGION, aws::KEY_ID, aws::SECRET, session, &to, aws::LIST];
    let Some(lines) = run(PYTHON, "botocore_client.py", &arguments, &Value::Null) else { return };
    assert_eq!(step(&lines, "send")["answer"]["MessageId"], fake.vendor().messages[0].id.as_str());
    assert_eq!(fake.vendor().messages[0].body["MessageBody"], "Gr\u{fc}\u{df}e \u{1f44d}");
    assert_eq!(fake.vendor().dry_runs, 1);
    for (name, code, reason) in [
        ("dear", "ValidationException", json!("PRICE_OVER_THRESHOLD")),
        ("opted out", "ConflictException", json!("DESTINATION_PHONE_NUMBER_OPTED_OUT")),
        ("gone", "ResourceNotFoundException", Value::Null),
        ("wrong secret", "InvalidSignatureException", Value::Null),
        ("no session", "ExpiredTokenException", Value::Null),
    ] {
        let line = step(&lines, name);
        assert_eq!((&line["code"], &line["reason"]), (&json!(code), &reason), "{line}");
        assert_eq!(line["status"], 400, "{line}");
    }
    let listed = &step(&lines, "listed")["answer"]["OptedOutNumbers"];
    assert_eq!(listed[0]["OptedOutNumber"], to.as_str(), "{listed}");
    // A moment, which it shows as the clock on the wall has it.
    assert!(listed[0]["OptedOutTimestamp"].as_str().unwrap().contains(":11:43.47"), "{listed}");
    assert_eq!(step(&lines, "lookup")["answer"]["PhoneNumberType"], "MOBILE");
    assert_eq!(step(&lines, "limits")["answer"]["SpendLimits"].as_array().unwrap().len(), 2);
    assert_eq!(fake.vendor().recipients(), [to]);
}
