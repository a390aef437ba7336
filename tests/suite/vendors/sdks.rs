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
use sha2::Digest as _;
use sms_mcp::clock::{Clock as _, SystemClock};
use sms_mcp::provider::Provider;
use sms_mcp::provider::exchange::{Delivery, Event, NotBelieved};
use sms_mcp::provider::vonage::SignatureMethod;

use crate::carriers::interop::{installed, missing};
use crate::fake::{Fake, aws, telnyx, twilio, vonage};
use crate::support::fictional;

const PYTHON: &str = "python3";
const NODE: &str = "node";

/// Where the library of a script is, below `vendors`; else in the folder of its program. Two that want other
/// versions of what both need stand apart.
const APART: [(&str, &str); 1] = [(VONAGE, "vonage")];

const VONAGE: &str = "vonage_client.py";

/// Runs a script of `tests/interop/vendors` with this input: the JSON lines that it wrote, or nothing where its
/// library is not installed.
fn run(program: &str, script: &str, arguments: &[&str], input: &Value) -> Option<Vec<Value>> {
    let folder = APART.iter().find(|(apart, _)| *apart == script).map_or(program, |(_, folder)| folder);
    let folder = installed("vendors").join(folder);
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

#[tokio::test]
async fn what_vonages_own_library_signs_is_believed_and_nothing_else_is() {
    let seconds = (SystemClock.now().as_millis() / 1_000).to_string();
    let receipt = json!({ "msisdn": &fictional(1)[1..], "to": vonage::NAME, "network-code": "23410",
        "messageId": "0A0000001234567B", "price": "0.03330000", "status": "delivered", "scts": "2001011400",
        "err-code": "0", "api-key": vonage::KEY, "client-ref": "msg_1", "timestamp": seconds,
        "message-timestamp": "2020-01-01 12:00:00", "nonce": "a-b" });
    let texts = ["STOP", "Gr\u{fc}\u{df}e & 100% + \"x\" \u{1f44d}", "a=b&c=d", "line\r\nline", " "];
    let replies = texts.map(|text| {
        json!({ "msisdn": &fictional(1)[1..], "to": &vonage::FROM[1..], "messageId": "0B1", "text": text,
            "type": "text", "keyword": "X", "api-key": vonage::KEY, "timestamp": seconds, "nonce": "c" })
    });
    let all: Vec<Value> = std::iter::once(receipt).chain(replies).collect();
    for (name, method) in [
        ("md5", SignatureMethod::Md5),
        ("sha1", SignatureMethod::Sha1),
        ("sha256", SignatureMethod::Sha256),
        ("sha512", SignatureMethod::Sha512),
    ] {
        let arguments = ["sign", name, vonage::SIGNATURE];
        let Some(signed) = run(PYTHON, VONAGE, &arguments, &json!(all)) else { return };
        assert_eq!(signed.len(), all.len());
        let provider = super::vonage::hooks::by(method, vonage::SIGNATURE);
        let other = super::vonage::hooks::by(method, "my16charsigsecrf");
        for (fields, line) in all.iter().zip(&signed) {
            assert_eq!(line["believed"], true, "{name}: {line}");
            let mut fields = fields.clone();
            fields["sig"] = line["sig"].clone();
            let url = "https://sms.example.com/webhooks/vonage/token";
            let events = told(&provider, url, &form(&fields), &[]).await;
            assert!(events.as_ref().is_ok_and(|events| !events.is_empty()), "{name} {fields}: {events:?}");
            assert_eq!(told(&other, url, &form(&fields), &[]).await, Err(NotBelieved::Signature), "{name}");
            fields["api-key"] = json!("abcd1235");
            let changed = told(&provider, url, &form(&fields), &[]).await;
            assert_eq!(changed, Err(NotBelieved::Signature), "{name} {fields}");
        }
    }
}

#[tokio::test]
async fn a_token_that_vonages_own_library_makes_is_believed_with_its_body_alone() {
    let seconds = SystemClock.now().as_millis() / 1_000;
    let body = json!({ "message_uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab", "status": "delivered",
        "channel": "sms", "to": &fictional(1)[1..], "client_ref": "msg_1" })
    .to_string();
    let other_body = body.replace("delivered", "rejected!");
    let hash = sms_mcp::sms::message::hex(&sha2::Sha256::digest(body.as_bytes()));
    let claims = |iat: i64| {
        json!({ "iat": iat, "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5", "iss": "Vonage",
            "payload_hash": hash, "api_key": vonage::KEY })
    };
    let secret = "signature-secret-of-32-characters";
    let input = json!([claims(seconds), claims(seconds - 2 * 86_400)]);
    let Some(made) = run(PYTHON, VONAGE, &["make", secret], &input) else { return };
    let [now, old] = [0, 1].map(|at| made[at]["token"].as_str().unwrap().to_owned());
    let provider = super::vonage::hooks::by(SignatureMethod::Sha256, secret);
    // The library looks at the token alone: of what is said with it, and of when, it says nothing.
    let cases = [
        (&now, secret, &body, true, true),
        (&now, "signature-secret-of-32-characterz", &body, false, false),
        (&now, secret, &other_body, true, false),
        (&old, secret, &body, true, false),
    ];
    let input: Vec<Value> = cases.iter().map(|(token, secret, ..)| json!([token, secret])).collect();
    let lines = run(PYTHON, VONAGE, &["token"], &json!(input)).unwrap();
    for ((token, shown, body, is_theirs, is_ours), line) in cases.iter().zip(&lines) {
        assert_eq!(line["believed"], *is_theirs, "{line}");
        let bearer = format!("Bearer {token}");
        let other = super::vonage::hooks::by(SignatureMethod::Sha256, shown);
        let checks = if *shown == secret { &provider } else { &other };
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let events = told(checks, "https://sms.example.com/x", body, &headers).await;
        assert_eq!(events.is_ok(), *is_ours, "{line}: {events:?}");
    }
}

#[test]
fn vonages_own_client_sees_in_the_fake_what_it_sees_at_vonage() {
    let fake = Fake::start(vonage::Vonage::default());
    let (url, pem, to) = (fake.url(), super::vonage::key::pem(), fictional(1));
    let address = url.strip_prefix("http://").unwrap();
    let (from, number) = (&vonage::FROM[1..], &to[1..]);
    let arguments =
        ["client", address, vonage::KEY, vonage::SECRET, from, number, vonage::APPLICATION, pem.as_str()];
    let Some(lines) = run(PYTHON, VONAGE, &arguments, &Value::Null) else { return };
    let sent = &step(&lines, "send")["answer"];
    assert_eq!(
        (&sent["message_count"], &sent["messages"][0]["status"]),
        (&json!("1"), &json!("0")),
        "{sent}"
    );
    assert_eq!(sent["messages"][0]["client_ref"], "msg_1", "{sent}");
    let segments = &step(&lines, "segments")["answer"];
    assert_eq!(segments["messages"].as_array().unwrap().len(), 2, "an entry for each segment: {segments}");
    for name in ["wrong sender", "wrong secret"] {
        let line = step(&lines, name);
        assert!(line["refused"].as_str().is_some_and(|why| !why.is_empty()), "{line}");
    }
    for name in ["message", "application"] {
        assert!(step(&lines, name)["answer"].as_str().is_some_and(|id| !id.is_empty()), "{name}: {lines:#?}");
    }
    assert!(step(&lines, "balance")["answer"].as_f64().is_some_and(|euros| euros < 10.28), "{lines:#?}");
    assert_eq!(step(&lines, "prices")["answer"], "0.05000000");
    assert_eq!(step(&lines, "insight")["answer"], "FR");
    let taken = fake.vendor().recipients();
    assert_eq!(taken, [to.as_str(); 4]);
    assert_eq!(fake.vendor().messages[0].text, "Gr\u{fc}\u{df}e \u{1f44d}");
}
