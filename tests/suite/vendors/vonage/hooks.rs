//! What Vonage sends by itself, in both of its ways to sign: the fields of a GET, a form or JSON, in vectors
//! that the vendor's own library accepts (those of MD5, SHA-1 and SHA-512 are another library's of the same
//! octets), and a token with the hash of the body.

use ::http::{HeaderMap, HeaderValue, Method};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sms_mcp::clock::Timestamp;
use sms_mcp::provider::Provider as _;
use sms_mcp::provider::exchange::{Delivery, Event, NotBelieved};
use sms_mcp::provider::vonage::{Config, SignatureMethod, Vonage};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};

use super::{KEY, SECRET, SIGNATURE, build, config};

/// When the vectors of both ways were signed, in seconds.
const TIME: i64 = 1_577_880_000;
const TOKEN_TIME: i64 = 1_587_494_962;

/// The vector's fields, in another order than the signed one.
const FIELDS: [(&str, &str); 13] = [
    ("msisdn", "447700900000"),
    ("to", "ACME"),
    ("network-code", "23410"),
    ("messageId", "0A0000001234567B"),
    ("price", "0.03330000"),
    ("status", "delivered"),
    ("scts", "2001011400"),
    ("err-code", "0"),
    ("api-key", "abcd1234"),
    ("client-ref", "01J9ABC"),
    ("message-timestamp", "2020-01-01 12:00:00"),
    ("timestamp", "1577880000"),
    ("nonce", "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"),
];

const SHA256: &str = "935e9d601a2726665cb0e77bee89d777598361d62dae25d66288ac1540140a2e";

/// Each method with its signature of the vector.
const VECTORS: [(SignatureMethod, &str); 5] = [
    (SignatureMethod::Md5hash, "48243ed497788a204b7f7344804ab004"),
    (SignatureMethod::Md5, "48edd5d01db2988a117c10a1a038a70f"),
    (SignatureMethod::Sha1, "ea22b87d8a53081ba434e86362a0b8091ce8705d"),
    (SignatureMethod::Sha256, SHA256),
    (
        SignatureMethod::Sha512,
        "624ed1d006cbaa1a99c6afe3a31d2620338b94927ca23dbc76593d45ff2ce96cf3bc150ff9cf63ba2881e57635d8750407077531f6d8bfb42781570446655d59",
    ),
];

/// The vector of the token.
const TOKEN_SECRET: &str = "signature-secret-of-32-characters";
const BODY: &str =
    r#"{"message_uuid":"aaaaaaaa-bbbb-cccc-dddd-0123456789ab","status":"delivered","channel":"sms"}"#;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const CLAIMS: &str = r#"{"iat":1587494962,"jti":"c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5","iss":"Vonage","payload_hash":"b83f4d0f55a3856b899210a40227a1d8e1c4000ee1dfdd5b6c66df815ad49373","api_key":"abcd1234"}"#;
const TOKEN_SIGNED: &str = "TYXKPnSmlJkBixslnBfNt1A9NBDMTgTdGUHuUPxE2IU";

pub fn by(method: SignatureMethod, secret: &str) -> Vonage {
    let config = Config { signature_method: method, ..config("http://127.0.0.1:9") };
    build(&config, &[("api_key", KEY), ("api_secret", SECRET), ("signature_secret", secret)])
}

fn by_sha256() -> Vonage {
    by(SignatureMethod::Sha256, SIGNATURE)
}

/// How a request carries its fields.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Get,
    Form,
    Json,
}

const WAYS: [Way; 3] = [Way::Get, Way::Form, Way::Json];

/// A request.
#[derive(Clone, Default)]
struct Asked {
    query: String,
    body: Vec<u8>,
    token: Option<String>,
    message: Option<MessageId>,
}

impl Asked {
    fn of(way: Way, fields: &[(String, String)]) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let object: serde_json::Map<String, Value> =
            fields.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        match way {
            Way::Get => Self { query: form, ..Self::default() },
            Way::Form => Self { body: form.into(), ..Self::default() },
            Way::Json => Self { body: Value::from(object).to_string().into(), ..Self::default() },
        }
    }

    /// What a provider makes of it, so many seconds after 1970.
    async fn told(&self, provider: &Vonage, at: i64) -> Result<Vec<Event>, NotBelieved> {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert("authorization", HeaderValue::from_str(token).unwrap());
        }
        let delivery = Delivery {
            method: if self.body.is_empty() { &Method::GET } else { &Method::POST },
            url: "https://sms.example.com/webhooks/vonage/x",
            query: &self.query,
            headers: &headers,
            body: &self.body,
            message: self.message.as_ref(),
            now: Timestamp(at * 1_000),
        };
        provider.events(&delivery).await
    }
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with_sig(fields: &[(&str, &str)], sig: &str) -> Vec<(String, String)> {
    let mut fields = owned(fields);
    fields.push(("sig".to_owned(), sig.to_owned()));
    fields
}

/// These fields with their time and signature, made by other means than the program's.
pub fn signed(secret: &str, at: i64, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let time = at.to_string();
    signed_as_it_is(secret, &[fields, &[("timestamp", time.as_str())]].concat())
}

fn signed_as_it_is(secret: &str, fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let text: String =
        sorted.iter().map(|(name, value)| format!("&{name}={}", value.replace(['&', '='], "_"))).collect();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let sig: String =
        ring::hmac::sign(&key, text.as_bytes()).as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    with_sig(fields, &sig)
}

fn token_of(header: &str, claims: &str, secret: &str) -> String {
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes())))
}

/// A request of the Messages API with this body and its token.
fn tokened(secret: &str, at: i64, body: &Value) -> Asked {
    let body = body.to_string();
    let hash: String = Sha256::digest(&body).iter().map(|octet| format!("{octet:02x}")).collect();
    let claims = json!({ "iat": at, "jti": "x", "iss": "Vonage", "payload_hash": hash, "api_key": KEY });
    let token = Some(token_of(HEADER, &claims.to_string(), secret));
    Asked { body: body.into(), token, ..Asked::default() }
}

async fn is_refused(asked: &Asked, provider: &Vonage, at: i64, what: &str) {
    assert_eq!(asked.told(provider, at).await, Err(NotBelieved::Signature), "{what}");
}

#[tokio::test]
async fn the_vendors_vectors_are_believed_however_they_come_and_by_their_own_method_alone() {
    for (method, sig) in VECTORS {
        for way in WAYS {
            for shown in [sig.to_owned(), sig.to_uppercase()] {
                let asked = Asked::of(way, &with_sig(&FIELDS, &shown));
                let events = asked.told(&by(method, SIGNATURE), TIME + 5).await.unwrap();
                let [Event::Receipt(receipt)] = &events[..] else { panic!("{way:?}: {events:?}") };
                assert_eq!(
                    (receipt.vendor_id.as_str(), receipt.state, receipt.at.as_millis()),
                    ("0A0000001234567B", State::Delivered, TIME * 1_000)
                );
                assert_eq!(receipt.price, Some(Money { micros: 33_300, currency: Currency::EUR }));
                for (other, _) in VECTORS.iter().filter(|(other, _)| *other != method) {
                    is_refused(&asked, &by(*other, SIGNATURE), TIME, &format!("{method:?} {other:?}")).await;
                }
                is_refused(&asked, &by(method, "another secret"), TIME, &format!("{method:?}")).await;
            }
        }
    }
}

#[tokio::test]
async fn what_differs_by_one_bit_is_not_believed_and_the_order_of_the_fields_says_nothing() {
    let provider = by_sha256();
    let right = with_sig(&FIELDS, SHA256);
    for way in WAYS {
        let mut turned = right.clone();
        for _ in 0..turned.len() {
            turned.rotate_left(1);
            assert!(Asked::of(way, &turned).told(&provider, TIME).await.is_ok(), "{way:?}");
        }
        turned.reverse();
        assert!(Asked::of(way, &turned).told(&provider, TIME).await.is_ok(), "{way:?}");
        for (at, (name, value)) in right.iter().enumerate() {
            for (is_name, text) in [(true, name), (false, value)] {
                for octet in 0..text.len() {
                    let mut other = text.clone().into_bytes();
                    other[octet] ^= 1;
                    let other = String::from_utf8(other).unwrap();
                    let mut fields = right.clone();
                    if is_name {
                        fields[at].0.clone_from(&other);
                    } else {
                        fields[at].1.clone_from(&other);
                    }
                    let what = format!("{way:?} {name}={value}: {other}");
                    is_refused(&Asked::of(way, &fields), &provider, TIME, &what).await;
                }
            }
            let mut without = right.clone();
            without.remove(at);
            is_refused(&Asked::of(way, &without), &provider, TIME, &format!("without {name}")).await;
        }
        let mut more = right.clone();
        more.push(("client_ref".to_owned(), "x".to_owned()));
        is_refused(&Asked::of(way, &more), &provider, TIME, "a field more").await;
    }
    is_refused(&Asked::default(), &provider, TIME, "nothing").await;
}

#[tokio::test]
async fn a_name_that_could_stand_for_other_fields_is_refused() {
    let provider = by_sha256();
    let fields = [("concat", "true"), ("messageId", "M1"), ("msisdn", "447700900000"), ("to", "ACME")];
    let right = signed(SIGNATURE, TIME, &fields);
    assert!(Asked::of(Way::Form, &right).told(&provider, TIME).await.is_ok());
    // The octets that are signed are the same, and `concat` is gone.
    let mut other = right.clone();
    other.retain(|(name, _)| !["concat", "messageId"].contains(&name.as_str()));
    other.push(("concat=true&messageId".to_owned(), "M1".to_owned()));
    is_refused(&Asked::of(Way::Form, &other), &provider, TIME, "two fields in one").await;
    // What no signature covers is not read beside what one does.
    let mut nested: Value = serde_json::from_slice(&Asked::of(Way::Json, &right).body).unwrap();
    for value in [json!({ "a": 1 }), json!(["x"]), Value::Null] {
        nested["more"] = value;
        let asked = Asked { body: nested.to_string().into(), ..Asked::default() };
        is_refused(&asked, &provider, TIME, &nested.to_string()).await;
    }
    // A number and a flag of JSON are the text that they are written with.
    let plain = signed(
        SIGNATURE,
        TIME,
        &[("concat", "true"), ("messageId", "M1"), ("status", "delivered"), ("err-code", "0")],
    );
    let mut body: Value = serde_json::from_slice(&Asked::of(Way::Json, &plain).body).unwrap();
    (body["concat"], body["err-code"], body["timestamp"]) = (json!(true), json!(0), json!(TIME));
    let asked = Asked { body: body.to_string().into(), ..Asked::default() };
    assert!(asked.told(&provider, TIME).await.is_ok(), "{body}");
}

#[tokio::test]
async fn a_signature_is_good_for_as_long_as_vonage_tells_things_again_and_no_longer() {
    const DAY: i64 = 24 * 3_600;
    let fields = Asked::of(Way::Form, &with_sig(&FIELDS, SHA256));
    let token =
        Asked { body: BODY.into(), token: Some(token_of(HEADER, CLAIMS, TOKEN_SECRET)), ..Asked::default() };
    let strict = |secret: &str| {
        let signed_within = "5m".parse().unwrap();
        let config = Config { signed_within, ..config("http://127.0.0.1:9") };
        build(&config, &[("api_key", KEY), ("api_secret", SECRET), ("signature_secret", secret)])
    };
    for (asked, secret, time) in [(fields, SIGNATURE, TIME), (token, TOKEN_SECRET, TOKEN_TIME)] {
        let usual = by(SignatureMethod::Sha256, secret);
        for (provider, later, is_right) in [
            (&usual, 0, true),
            (&usual, DAY, true),
            (&usual, DAY + 1, false),
            (&usual, -300, true),
            (&usual, -301, false),
            (&usual, 400 * DAY, false),
            (&strict(secret), 300, true),
            (&strict(secret), 301, false),
        ] {
            let told = asked.told(provider, time + later).await;
            assert_eq!(told.is_ok(), is_right, "{later}: {told:?}");
            // Once more is the same: what it tells is known by its id.
            assert_eq!(asked.told(provider, time + later).await, told);
        }
    }
    // Signed, at a time that is none.
    for time in ["", "now", "99999999999999999999", "-9223372036854775808", "1577880000.5"] {
        let fields =
            signed_as_it_is(SIGNATURE, &[("messageId", "M1"), ("status", "sent"), ("timestamp", time)]);
        is_refused(&Asked::of(Way::Form, &fields), &by_sha256(), TIME, time).await;
    }
}

#[tokio::test]
async fn a_token_is_believed_with_its_own_body_alone_and_in_its_one_algorithm() {
    let provider = by(SignatureMethod::Md5hash, TOKEN_SECRET);
    let right = token_of(HEADER, CLAIMS, TOKEN_SECRET);
    assert!(right.ends_with(&format!(".{TOKEN_SIGNED}")), "the test's own way to sign is the vendor's");
    let ask = |token: &str, body: &str| Asked {
        body: body.into(),
        token: Some(token.to_owned()),
        ..Asked::default()
    };
    let events = ask(&right, BODY).told(&provider, TOKEN_TIME).await.unwrap();
    assert!(
        matches!(&events[..], [Event::Receipt(receipt)] if receipt.state == State::Delivered),
        "{events:?}"
    );
    let lower = right.replacen("Bearer", "bearer", 1);
    assert!(ask(&lower, BODY).told(&provider, TOKEN_TIME).await.is_ok());
    for at in 0..BODY.len() {
        let mut other = BODY.as_bytes().to_vec();
        other[at] ^= 1;
        let asked = Asked { body: other, token: Some(right.clone()), ..Asked::default() };
        is_refused(&asked, &provider, TOKEN_TIME, &format!("the body at {at}")).await;
    }
    for at in "Bearer ".len()..right.len() {
        let mut other = right.clone().into_bytes();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        // The last character has bits that stand for nothing; it counts whole all the same.
        is_refused(&ask(&other, BODY), &provider, TOKEN_TIME, &format!("the token at {at}")).await;
    }
    let changed = |from: &str, to: &str| token_of(HEADER, &CLAIMS.replace(from, to), TOKEN_SECRET);
    let none =
        format!("Bearer {}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(CLAIMS));
    for (what, token) in [
        ("another secret", token_of(HEADER, CLAIMS, "another secret")),
        ("another algorithm", token_of(r#"{"alg":"HS512","typ":"JWT"}"#, CLAIMS, TOKEN_SECRET)),
        ("an algorithm in small letters", token_of(r#"{"alg":"hs256"}"#, CLAIMS, TOKEN_SECRET)),
        ("none", token_of(r#"{"alg":"none"}"#, CLAIMS, TOKEN_SECRET)),
        ("none and no signature", none),
        ("somebody else", changed("Vonage", "Vonagf")),
        ("no hash", changed("payload_hash", "payload_hasi")),
        ("no time", changed("iat", "iau")),
        ("a long one", format!("{right}{}", "A".repeat(5_000))),
        ("nothing", "Bearer ".to_owned()),
        ("two parts", "Bearer a.b".to_owned()),
        ("Basic", right.replacen("Bearer", "Basic", 1)),
    ] {
        is_refused(&ask(&token, BODY), &provider, TOKEN_TIME, what).await;
    }
    // The claims may name the hash in large letters.
    let large = CLAIMS.replace(
        "b83f4d0f55a3856b899210a40227a1d8e1c4000ee1dfdd5b6c66df815ad49373",
        "B83F4D0F55A3856B899210A40227A1D8E1C4000EE1DFDD5B6C66DF815AD49373",
    );
    assert!(ask(&token_of(HEADER, &large, TOKEN_SECRET), BODY).told(&provider, TOKEN_TIME).await.is_ok());
}

#[tokio::test]
async fn without_a_signature_secret_nothing_is_expected() {
    let bare = build(&config("http://127.0.0.1:9"), &[("api_key", KEY), ("api_secret", SECRET)]);
    for asked in [
        Asked::of(Way::Get, &with_sig(&FIELDS, SHA256)),
        Asked { body: BODY.into(), token: Some(token_of(HEADER, CLAIMS, "")), ..Asked::default() },
    ] {
        assert_eq!(asked.told(&bare, TIME).await, Err(NotBelieved::NotExpected));
    }
}

/// What the events are, in short.
fn shown(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event {
            Event::Receipt(receipt) => {
                let price = receipt.price.map_or_else(|| "-".to_owned(), |price| price.amount());
                format!(
                    "{} {} {price} {}",
                    receipt.vendor_id,
                    receipt.state,
                    receipt.why.as_deref().unwrap_or("-")
                )
            }
            Event::Named { message, vendor_id, by_segment } => {
                format!("named {vendor_id} {message} {by_segment}")
            }
            Event::OptOut { number, is_out, heard_by: Some(_), .. } => {
                format!("out {} {is_out}", number.text())
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn a_receipt_tells_its_segment_and_the_message_that_it_names() {
    let provider = by_sha256();
    let ours = MessageId::new(1, 2);
    let told = async |status: &str, code: &str, reference: &str| {
        let fields = [
            ("msisdn", "33199000001"),
            ("messageId", "M1"),
            ("status", status),
            ("err-code", code),
            ("client-ref", reference),
            ("price", "0.0333"),
        ];
        shown(&Asked::of(Way::Get, &signed(SIGNATURE, TIME, &fields)).told(&provider, TIME).await.unwrap())
    };
    let named = format!("named M1 {ours} true");
    for (status, code, first) in [
        ("accepted", "0", Some("M1 sent 0.0333 -")),
        ("buffered", "0", Some("M1 sent 0.0333 -")),
        ("unknown", "1", Some("M1 sent 0.0333 -")),
        ("delivered", "0", Some("M1 delivered 0.0333 -")),
        ("delivered", "6", Some("M1 delivered 0.0333 -")),
        ("failed", "0", Some("M1 failed 0.0333 -")),
        ("expired", "77", Some("M1 expired 0.0333 err-code 77: no words")),
        ("brand new", "0", None),
    ] {
        let expected: Vec<&str> = first.into_iter().chain([named.as_str()]).collect();
        assert_eq!(told(status, code, ours.as_str()).await, expected, "{status}");
    }
    let spam = told("rejected", "6", ours.as_str()).await;
    assert!(
        spam[0].starts_with("M1 failed 0.0333 err-code 6: The carrier filtered the text out"),
        "{spam:?}"
    );
    let stopped = told("failed", "9", ours.as_str()).await;
    assert!(stopped[0].contains("err-code 9: This person wants no more texts"), "{stopped:?}");
    assert_eq!(stopped[1..], [named, "out +33199000001 true".to_owned()]);
    // A word that the operator taught.
    let taught = Config { sent_words: vec!["enroute".to_owned()], ..config("http://127.0.0.1:9") };
    let taught = build(&taught, &[("api_key", KEY), ("api_secret", SECRET), ("signature_secret", SIGNATURE)]);
    let fields = signed(SIGNATURE, TIME, &[("messageId", "M1"), ("status", "enroute")]);
    assert_eq!(shown(&Asked::of(Way::Get, &fields).told(&taught, TIME).await.unwrap()), ["M1 sent - -"]);
    // A reference that is none of ours names nothing.
    for reference in ["", "01J9ABC", "bat_x"] {
        assert_eq!(told("delivered", "0", reference).await, ["M1 delivered 0.0333 -"], "{reference}");
    }
    for fields in [&[("status", "delivered")][..], &[("msisdn", "33199000001")], &[("messageId", "M1")]] {
        let refused = Asked::of(Way::Form, &signed(SIGNATURE, TIME, fields)).told(&provider, TIME).await;
        assert!(matches!(refused, Err(NotBelieved::Malformed(_))), "{fields:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_report_of_the_messages_api_tells_its_state_its_price_and_its_message() {
    let provider = by(SignatureMethod::Md5hash, TOKEN_SECRET);
    let (ours, other) = (MessageId::new(1, 2), MessageId::new(1, 3));
    let told = async |more: Value, message: Option<&MessageId>| {
        let mut body = json!({ "message_uuid": "u-1", "to": "33199000001", "from": "ACME", "channel": "sms",
            "timestamp": "2020-01-01T12:00:00Z", "usage": { "currency": "EUR", "price": "0.0666" } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let asked = Asked { message: message.cloned(), ..tokened(TOKEN_SECRET, TIME, &body) };
        let events = asked.told(&provider, TIME).await.unwrap();
        if let Some(Event::Receipt(receipt)) = events.first() {
            assert_eq!(receipt.at.as_millis(), TIME * 1_000);
        }
        shown(&events)
    };
    let named = |message: &MessageId| format!("named u-1 {message} false");
    for (status, expected) in [
        ("submitted", "u-1 sent 0.0666 -"),
        ("delivered", "u-1 delivered 0.0666 -"),
        ("undeliverable", "u-1 failed 0.0666 -"),
    ] {
        let more = json!({ "status": status, "client_ref": ours.as_str() });
        assert_eq!(told(more.clone(), None).await, [expected.to_owned(), named(&ours)], "{status}");
        assert_eq!(
            told(more.clone(), Some(&ours)).await,
            [expected.to_owned(), named(&ours)],
            "its own address"
        );
        // Nobody signed the address: where it names another message than the report, neither is named.
        assert_eq!(told(more, Some(&other)).await, [expected], "the address of another message");
        let without = json!({ "status": status });
        assert_eq!(told(without, Some(&other)).await, [expected.to_owned(), named(&other)], "no reference");
    }
    let failed = |error: Value| json!({ "status": "rejected", "error": error });
    for error in [
        json!({ "title": "1210" }),
        json!({ "title": 1210, "detail": "words" }),
        json!({ "type": "https://developer.vonage.com/api-errors/messages#1210", "title": "Spam" }),
    ] {
        let told = told(failed(error.clone()), None).await;
        assert!(told[0].starts_with("u-1 failed 0.0666 1210: The carrier filtered"), "{error}: {told:?}");
    }
    assert_eq!(
        told(failed(json!({ "title": "9999", "detail": "its words" })), None).await,
        ["u-1 failed 0.0666 9999: its words"]
    );
    let stopped = told(failed(json!({ "title": "1240" })), Some(&ours)).await;
    assert_eq!(stopped[1..], [named(&ours), "out +33199000001 true".to_owned()]);
    assert_eq!(told(json!({ "status": "brand new" }), Some(&ours)).await, [named(&ours)]);
    assert!(told(json!({ "status": "delivered", "channel": "whatsapp" }), None).await.is_empty());
    let free = told(json!({ "status": "delivered", "usage": {} }), None).await;
    assert_eq!(free, ["u-1 delivered - -"]);
    for wrong in [json!({ "status": "delivered" }), json!([]), json!({ "message_uuid": "u-1" })] {
        let refused = tokened(TOKEN_SECRET, TIME, &wrong).told(&provider, TIME).await;
        assert!(matches!(refused, Err(NotBelieved::Malformed(_))), "{wrong}: {refused:?}");
    }
}

#[tokio::test]
async fn a_persons_text_is_told_whole_or_segment_by_segment() {
    let provider = by_sha256();
    let told = async |more: &[(&str, &str)]| {
        let mut fields = vec![
            ("msisdn", "33199000001"),
            ("to", "15557654321"),
            ("messageId", "IN1"),
            ("text", "One & two=\n\u{1f44d}"),
            ("message-timestamp", "2020-01-01 11:59:58"),
        ];
        fields.extend(more);
        let mut one_way = None;
        for way in WAYS {
            let asked = Asked::of(way, &signed(SIGNATURE, TIME, &fields));
            let events = asked.told(&provider, TIME).await.unwrap();
            assert!(one_way.get_or_insert_with(|| events.clone()) == &events, "{way:?}");
        }
        one_way.unwrap()
    };
    for more in [
        &[("type", "text")][..],
        &[("type", "unicode"), ("concat", "false")],
        &[("concat", "true"), ("concat-ref", "7"), ("concat-total", "1"), ("concat-part", "1")],
        &[("concat", "true"), ("concat-ref", "7"), ("concat-total", "2"), ("concat-part", "3")],
        &[("concat", "true"), ("concat-ref", "7"), ("concat-total", "2"), ("concat-part", "0")],
        &[("concat", "true"), ("concat-ref", "7"), ("concat-total", "300"), ("concat-part", "1")],
        &[("concat", "true"), ("concat-ref", "7")],
    ] {
        let events = told(more).await;
        let [Event::Reply(reply)] = &events[..] else { panic!("{more:?}: {events:?}") };
        assert_eq!(
            (reply.vendor_id.as_str(), reply.from.text(), reply.to.as_str(), reply.text.as_str()),
            ("IN1", "+33199000001", "+15557654321", "One & two=\n\u{1f44d}")
        );
        assert_eq!(reply.at.as_millis(), TIME * 1_000 - 2_000);
    }
    let of_hash = |written: &str| u16::from_be_bytes(Sha256::digest(written)[..2].try_into().unwrap());
    for (written, reference) in
        [("7", 7), ("65535", 65_535), ("65536", of_hash("65536")), ("03E9", of_hash("03E9"))]
    {
        let more = [("concat", "true"), ("concat-ref", written), ("concat-total", "3"), ("concat-part", "2")];
        let events = told(&more).await;
        let [Event::Segment(segment)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((segment.total, segment.number, segment.vendor_id.as_str()), (3, 2, "IN1"));
        assert_eq!(segment.reference, reference, "{written}");
        let words = provider.words(segment.coding, &segment.octets);
        assert_eq!(words.as_deref(), Some("One & two=\n\u{1f44d}"));
    }
    assert_eq!(provider.words(8, b"x"), None, "an alphabet that Vonage has not");
    assert_eq!(told(&[("type", "binary"), ("data", "00ff")]).await, []);
    // A short code and a name are what they are.
    let fields = [("msisdn", "36179"), ("to", "ACME"), ("messageId", "IN2"), ("text", "x")];
    let events = Asked::of(Way::Get, &signed(SIGNATURE, TIME, &fields)).told(&provider, TIME).await.unwrap();
    let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
    assert_eq!((reply.from.text(), reply.to.as_str()), ("36179", "ACME"));
    // Over the Messages API, whose token is the same account's.
    let body = json!({ "channel": "sms", "message_uuid": "u-2", "from": "33199000001", "to": "15557654321",
        "timestamp": "2020-01-01T11:59:58Z", "text": "STOP", "sms": { "num_messages": "1" } });
    let events = tokened(SIGNATURE, TIME, &body).told(&provider, TIME).await.unwrap();
    let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (reply.from.text(), reply.to.as_str(), reply.text.as_str()),
        ("+33199000001", "+15557654321", "STOP")
    );
}
