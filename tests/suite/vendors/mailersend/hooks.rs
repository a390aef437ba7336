//! What MailerSend sends by itself: who is believed, what it tells, and that nothing it says twice or late
//! does harm.

use ::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;
use sms_mcp::clock::Timestamp;
use sms_mcp::provider::exchange::{Delivery, Event, NotBelieved};
use sms_mcp::provider::mailersend::Mailersend;
use sms_mcp::provider::mailersend::answers::{Reading, WORDS};
use sms_mcp::provider::rest::wording::Wording;
use sms_mcp::provider::{Provider, ProviderConfig};
use sms_mcp::sms::message::{State, hex};
use sms_mcp::sms::money::{Currency, Money};

use super::{EVENING, StandingClock, setup};
use crate::fake::mailersend::{FROM, INBOUND, SIGNING};

/// The secret of test pings; everybody knows it.
const PING: &str = "test_Am3L1GuOIc4blLUuHqAPxxwkZaJyEk8G";

/// The vendor's own vector, checked with its SDK.
const VECTOR: &str = r#"{"type":"sms.delivered","data":{"sms_message_id":"6244233a7e194137e70e3bd2"}}"#;
const VECTOR_SIGNATURE: &str = "2256755fac21c0172aa03e32214caea8628e6a583a013ebfb7764860a67cfa04";

const WRITTEN: &str = "2022-01-01T12:00:00.000Z";

fn provider(hooks: &[(&'static str, &str)]) -> Mailersend {
    let settings: ProviderConfig =
        serde_json::from_value(json!({ "kind": "mailersend", "from": FROM })).unwrap();
    let ProviderConfig::Mailersend(config) = settings else { panic!("another kind") };
    Mailersend::new(&config, &setup(StandingClock::at_evening(), hooks)).unwrap()
}

fn both() -> Mailersend {
    provider(&[("signing_secret", SIGNING), ("inbound_secret", INBOUND)])
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    hex(&mac.finalize().into_bytes())
}

async fn told(
    provider: &Mailersend,
    body: &[u8],
    signature: Option<&str>,
) -> Result<Vec<Event>, NotBelieved> {
    let mut headers = HeaderMap::new();
    if let Some(signature) = signature {
        headers.insert("Signature", signature.parse().unwrap());
    }
    provider
        .events(&Delivery {
            method: &::http::Method::POST,
            url: "",
            query: "",
            headers: &headers,
            body,
            message: None,
            now: Timestamp(EVENING),
        })
        .await
}

async fn signed(secret: &str, body: &Value) -> Result<Vec<Event>, NotBelieved> {
    let body = body.to_string();
    told(&both(), body.as_bytes(), Some(&sign(secret, body.as_bytes()))).await
}

/// The payload of the documentation.
fn payload(status: &str) -> Value {
    json!({
        "type": format!("sms.{status}"),
        "sms_number_id": "7z3m5jgrogdpyo6n",
        "created_at": "2022-01-01T12:00:00.000000Z",
        "sms_webhook_id": "7z3m5jgrogdpyo6n",
        "url": "https://www.mailersend.com/webhook",
        "data": {
            "from": "+12345678901", "to": "+98765432109", "created_at": "2022-01-01T12:00:00.000000Z",
                "status": status,
            "sms_message_id": "6244233a7e194137e70e3bd2",
            "sms": {
                "id": "6244233a7e194137e70e3bd2", "from": "+12345678901", "to": "+98765432109", "text":
                    "Lorem Ipsum is simply dummy text",
                "status": status, "segment_count": 1, "error_type": null, "error_description": null,
                    "created_at": "2022-01-01T12:00:00.000000Z",
                "recipient": { "id": "6244233a7e194137e70e3bd2", "number": "+98765432109", "status": "active", "created_at": "2022-01-01T12:00:00.000000Z" },
            },
        },
    })
}

#[tokio::test]
async fn the_vendors_own_vector_is_believed() {
    assert_eq!(sign(SIGNING, VECTOR.as_bytes()), VECTOR_SIGNATURE);
    let events = told(&both(), VECTOR.as_bytes(), Some(VECTOR_SIGNATURE)).await.unwrap();
    let hint = Event::Hint { vendor_id: "6244233a7e194137e70e3bd2".to_owned(), message: None };
    assert_eq!(events, [hint], "it does not say whose it is, so the message is looked up");
}

#[tokio::test]
async fn a_wrong_signature_of_any_form_is_not_believed() {
    let wrong = [
        String::new(),
        "0".repeat(64),
        VECTOR_SIGNATURE[..63].to_owned(),
        format!("{VECTOR_SIGNATURE}0"),
        VECTOR_SIGNATURE.to_uppercase(),
        format!("sha256={VECTOR_SIGNATURE}"),
        sign("another", VECTOR.as_bytes()),
        sign(SIGNING, b"another body"),
        "\u{e9}".repeat(32),
    ];
    for signature in wrong {
        assert_eq!(
            told(&both(), VECTOR.as_bytes(), Some(&signature)).await,
            Err(NotBelieved::Signature),
            "{signature}"
        );
    }
    assert_eq!(told(&both(), VECTOR.as_bytes(), None).await, Err(NotBelieved::Signature));
    let changed = VECTOR.replace("delivered", "failed");
    assert_eq!(told(&both(), changed.as_bytes(), Some(VECTOR_SIGNATURE)).await, Err(NotBelieved::Signature));
    assert_eq!(
        told(&provider(&[]), VECTOR.as_bytes(), Some(VECTOR_SIGNATURE)).await,
        Err(NotBelieved::NotExpected)
    );
}

#[tokio::test]
async fn the_public_secret_of_pings_proves_a_ping_and_nothing_else() {
    let ping = json!({ "type": "webhook.test", "data": {} });
    assert_eq!(signed(PING, &ping).await, Ok(Vec::new()));
    assert_eq!(signed(SIGNING, &ping).await, Ok(Vec::new()));
    for real in [
        payload("delivered"),
        json!({ "from": "+12025550101", "to": FROM, "text": "STOP" }),
        json!({ "type": "webhook.tested" }),
    ] {
        assert_eq!(signed(PING, &real).await, Err(NotBelieved::Signature));
    }
}

#[tokio::test]
async fn each_documented_event_becomes_a_receipt_of_its_recipient() {
    for (status, state) in [("sent", State::Sent), ("delivered", State::Delivered), ("failed", State::Failed)]
    {
        let events = signed(SIGNING, &payload(status)).await.unwrap();
        let [Event::Receipt(receipt)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(
            (receipt.vendor_id.as_str(), receipt.to.as_deref()),
            ("6244233a7e194137e70e3bd2", Some("+98765432109"))
        );
        assert_eq!((receipt.state, receipt.at.rfc3339(), receipt.price), (state, WRITTEN.to_owned(), None));
        // Nothing is remembered here: the same again says the same again, and the ledger's states only move
        // forward.
        assert_eq!(signed(SIGNING, &payload(status)).await.unwrap(), events);
    }
    assert_eq!(
        signed(SIGNING, &payload("opened")).await,
        Ok(Vec::new()),
        "signed, and of no kind that there is now"
    );
    let mut queued = payload("sent");
    queued["data"]["status"] = json!("queued");
    assert_eq!(signed(SIGNING, &queued).await, Ok(Vec::new()), "it has not left yet: no news");
}

#[tokio::test]
async fn a_failure_says_why_whether_it_is_billed_and_whether_the_person_opted_out() {
    let fail = async |error_type: Value, description: &str| {
        let mut body = payload("failed");
        body["data"]["sms"]["error_type"] = error_type;
        body["data"]["sms"]["error_description"] = json!(description);
        signed(SIGNING, &body).await.unwrap()
    };
    let receipt = |events: &[Event]| match events.first() {
        Some(Event::Receipt(receipt)) => (receipt.why.clone().unwrap_or_default(), receipt.price),
        other => panic!("{other:?}"),
    };
    let free = Some(Money { micros: 0, currency: Currency::USD });
    assert_eq!(
        receipt(&fail(json!("4432"), "").await),
        ("4432 the account may not send to this country (not billed)".to_owned(), free)
    );
    assert_eq!(
        receipt(&fail(json!(4750), "").await),
        ("4750 the carrier refused it without a reason (billed)".to_owned(), None)
    );
    assert_eq!(
        receipt(&fail(json!("odd"), "of a kind to come").await),
        ("odd of a kind to come".to_owned(), None)
    );
    let opted_out = fail(json!("destination-rejected-due-to-user-opt-out"), "").await;
    assert_eq!(receipt(&opted_out).1, None);
    let event = Event::OptOut {
        number: "+98765432109".into(),
        is_out: true,
        at: Timestamp::parse(WRITTEN),
        heard_by: None,
    };
    assert_eq!(opted_out.get(1), Some(&event));
    assert_eq!(opted_out.len(), 2);
    let mut body = payload("failed");
    body["data"]["sms"]["recipient"]["status"] = json!("opt_out");
    assert_eq!(signed(SIGNING, &body).await.unwrap()[1..], [event]);
}

#[tokio::test]
async fn what_a_person_writes_comes_in_by_any_likely_shape() {
    let flat = json!({ "id": "62134a2d7de3253bf10d6642", "from": "+1 (202) 555-0101", "to": FROM, "text":
        " YES\n", "created_at": "2022-01-01T12:00:00Z" });
    for body in
        [flat.clone(), json!({ "type": "inbound.message", "data": flat }), json!({ "data": { "sms": flat } })]
    {
        let events = signed(INBOUND, &body).await.unwrap();
        let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(
            (reply.vendor_id.as_str(), reply.from.text(), reply.to.as_str()),
            ("62134a2d7de3253bf10d6642", "+1 (202) 555-0101", FROM)
        );
        assert_eq!((reply.text.as_str(), reply.at.rfc3339()), (" YES\n", WRITTEN.to_owned()));
        assert!(!format!("{events:?}").contains("2025550101") && !format!("{events:?}").contains("YES"));
    }
    let bare = json!({ "from": "12345", "to": FROM, "content": "hello" });
    let (first, second) = (signed(INBOUND, &bare).await.unwrap(), signed(INBOUND, &bare).await.unwrap());
    assert_eq!(first, second, "a repeated one has the same id");
    assert!(
        matches!(&first[..], [Event::Reply(reply)] if reply.at == Timestamp(EVENING) && reply.vendor_id.starts_with("sha256-") && reply.from.text() == "12345")
    );
    assert_eq!(
        signed(SIGNING, &bare).await,
        Err(NotBelieved::Malformed("no `type`".to_owned())),
        "each secret is for its own hook"
    );
    assert!(
        matches!(signed(INBOUND, &payload("delivered")).await, Ok(events) if matches!(events[..], [] | [Event::Reply(_)]))
    );
    assert!(matches!(
        signed(INBOUND, &json!({ "to": FROM, "text": "x" })).await,
        Err(NotBelieved::Malformed(_))
    ));
}

#[tokio::test]
async fn a_body_that_is_too_large_or_malformed_is_not_taken() {
    let mut body = payload("sent");
    body["data"]["sms"]["text"] = json!("x".repeat(64 * 1024));
    assert!(matches!(signed(SIGNING, &body).await, Err(NotBelieved::Malformed(_))));
    let remove = |place: &str, name: &str| {
        let mut body = payload("sent");
        body.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(name);
        body
    };
    assert!(matches!(
        signed(SIGNING, &remove("/data", "sms_message_id")).await,
        Err(NotBelieved::Malformed(_))
    ));
    assert!(matches!(signed(SIGNING, &remove("", "data")).await, Err(NotBelieved::Malformed(_))));
    assert_eq!(
        signed(SIGNING, &remove("/data", "status")).await.unwrap().len(),
        1,
        "the text's own status says it"
    );
    for odd in [json!("../sms"), json!(7), json!(null), json!("x".repeat(65))] {
        let mut body = payload("sent");
        body["data"]["sms_message_id"] = odd;
        assert!(matches!(signed(SIGNING, &body).await, Err(NotBelieved::Malformed(_))));
    }
    for bytes in [&b""[..], b"{", b"\xff\xfe", b"null", b"[]", b"7"] {
        assert!(
            matches!(told(&both(), bytes, Some(&sign(SIGNING, bytes))).await, Err(NotBelieved::Malformed(_))),
            "{bytes:?}"
        );
    }
}

/// JSON that has the documented names in undocumented places and types.
fn garbage() -> impl Strategy<Value = Value> {
    let names = [
        "type",
        "data",
        "sms",
        "status",
        "sms_message_id",
        "to",
        "from",
        "text",
        "error_type",
        "recipient",
        "number",
        "created_at",
        "id",
    ];
    let words = [
        "sms.failed",
        "sms.sent",
        "webhook.test",
        "failed",
        "opt_out",
        "4775",
        "+12025550101",
        "2022-01-01",
        "",
        "\u{0}",
        "9999999999999999999999",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(words.to_vec()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(names.to_vec()), inner), 0..8).prop_map(|pairs| {
                Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_comes_never_panics(body in garbage(), bytes in prop::collection::vec(any::<u8>(), 0..200), is_inbound: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let secret = if is_inbound { INBOUND } else { SIGNING };
        runtime.block_on(async {
            let _ = signed(secret, &body).await;
            let _ = told(&both(), &bytes, Some(&sign(secret, &bytes))).await;
            let _ = told(&both(), &bytes, Some("0")).await;
        });
        let reading = Reading { wording: Wording::new(&WORDS, &[]), currency: Currency::USD };
        let receipts = sms_mcp::provider::mailersend::answers::receipts(&body, "id", &reading, Timestamp(EVENING));
        prop_assert!(receipts.len() <= 64);
        sms_mcp::provider::mailersend::answers::page(&body, u32::MAX, &reading);
    }
}
