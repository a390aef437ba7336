//! What Plivo sends by itself, by both of its signatures, in vectors that the vendor's own library accepts; and
//! the program before it, where an answer is lost after Plivo took the text.

use std::io::Write as _;

use ::http::{HeaderMap, HeaderValue, Method};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::provider::Provider as _;
use sms_mcp::provider::exchange::{Delivery, Event, HeardBy, NotBelieved};
use sms_mcp::provider::plivo::{Config, Plivo};
use sms_mcp::sms::message::{MessageId, State};

use super::{build, config, usd};
use crate::fake::plivo::{FROM, ID, TOKEN};
use crate::fake::{Fake, Fault};
use crate::support::{Desk, Era, HttpServer, WIDE, fictional};
use crate::wire::{connect, post, read_reply, stateless_headers, tool_call};

/// The vectors.
const NONCE: &str = "12345678901234567890";
const UUID: &str = "db3ce55a-7f1d-11e1-8ea7-1231380bc196";
const FIELDS: &str = "MessageUUID=db3ce55a-7f1d-11e1-8ea7-1231380bc196&Status=delivered&To=14157778888&From=14152223333\
                      &ErrorCode=000";
const PLAIN: &str = "https://sms.example.org/hook/plivo";
const WITH_QUERY: &str = "https://sms.example.org/hook/plivo?m=1";
const BY_GET: &str = "https://sms.example.org/hook/plivo?b=2&a=1";
const PLAIN_SIGNED: &str = "M/I9Kz18gze8YzCtr+FQP8TGWCo79seLXaenqN3FfKs=";
const WITH_QUERY_SIGNED: &str = "oZRYVFayaPQaxEuDXEsvGa2ijf1l99POP1Guo8jz3lw=";
const BY_GET_SIGNED: &str = "Y8xeHEtvhCgsNEpYvEfrZnZsXxd5e+CQwWN77hwgfD0=";
const V2_SIGNED: &str = "hTdGDFtrHwAZT+HrM5JS5BSTQJ3D/nE4rVY1zVXUxsc=";

fn hmac(text: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, TOKEN.as_bytes());
    STANDARD.encode(ring::hmac::sign(&key, text.as_bytes()))
}

fn pairs(form: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    pairs.sort();
    pairs
}

/// A signature of version 3, made by other means than the program's.
fn v3(url: &str, form: &str) -> String {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let query: Vec<String> = pairs(query).iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = query.join("&");
    let fields: String = pairs(form).iter().map(|(name, value)| format!("{name}{value}")).collect();
    let base = match (query.is_empty(), fields.is_empty()) {
        (true, true) => address.to_owned(),
        (true, false) => format!("{address}?{fields}"),
        (false, true) => format!("{address}?{query}"),
        (false, false) => format!("{address}?{query}.{fields}"),
    };
    hmac(&format!("{base}.{NONCE}"))
}

fn by_v3(signature: &str) -> Vec<(&'static str, String)> {
    vec![("x-plivo-signature-v3", signature.to_owned()), ("x-plivo-signature-v3-nonce", NONCE.to_owned())]
}

fn by_v2(signature: &str) -> Vec<(&'static str, String)> {
    vec![("x-plivo-signature-v2", signature.to_owned()), ("x-plivo-signature-v2-nonce", NONCE.to_owned())]
}

/// What the provider makes of a request; a GET where there is no form.
async fn told(
    provider: &Plivo,
    url: &str,
    form: &str,
    shown: &[(&'static str, String)],
    message: Option<&MessageId>,
) -> Result<Vec<Event>, NotBelieved> {
    let mut headers = HeaderMap::new();
    shown.iter().for_each(|(name, value)| {
        headers.insert(*name, HeaderValue::from_str(value).unwrap());
    });
    let delivery = Delivery {
        method: if form.is_empty() { &Method::GET } else { &Method::POST },
        url,
        query: url.split_once('?').map_or("", |(_, query)| query),
        headers: &headers,
        body: form.as_bytes(),
        message,
        now: Timestamp(7),
    };
    provider.events(&delivery).await
}

fn usual() -> Plivo {
    build(&config("http://127.0.0.1:9"))
}

#[tokio::test]
async fn the_vendors_vectors_are_believed_and_what_differs_by_one_bit_is_not() {
    let provider = usual();
    for (url, form, signature) in
        [(PLAIN, FIELDS, PLAIN_SIGNED), (WITH_QUERY, FIELDS, WITH_QUERY_SIGNED), (BY_GET, "", BY_GET_SIGNED)]
    {
        assert_eq!(v3(url, form), signature, "the test's own way to sign is the vendor's");
        let ask = async |url: &str, form: &str, shown: &[(&'static str, String)]| {
            match told(&provider, url, form, shown, None).await {
                Err(NotBelieved::Signature) => false,
                // The vector of a GET has no message.
                Ok(_) | Err(NotBelieved::Malformed(_)) => true,
                other => panic!("{other:?}"),
            }
        };
        assert!(ask(url, form, &by_v3(signature)).await);
        let both = format!("{}, {signature}", hmac("another"));
        assert!(ask(url, form, &by_v3(&both)).await, "one of several");
        // The order of the fields says nothing, that of the query neither.
        let mut fields: Vec<&str> = form.split('&').collect();
        for _ in 0..fields.len() {
            fields.rotate_left(1);
            assert!(ask(url, &fields.join("&"), &by_v3(signature)).await);
        }
        assert!(ask(&url.replace("b=2&a=1", "a=1&b=2"), form, &by_v3(signature)).await);
        for at in 0..signature.len() {
            let mut other = signature.as_bytes().to_vec();
            other[at] ^= 1;
            let other = String::from_utf8(other).unwrap();
            // A comma would begin another signature.
            assert!(other.contains(',') || !ask(url, form, &by_v3(&other)).await, "{at}");
        }
        for at in 0..form.len() {
            let mut other = form.as_bytes().to_vec();
            other[at] ^= 1;
            let Ok(other) = String::from_utf8(other) else { continue };
            assert!(!ask(url, &other, &by_v3(signature)).await, "{other}");
        }
        for other in [url.replace("https", "http"), url.replace("plivo", "plivp"), format!("{url}&x=1")] {
            assert!(!ask(&other, form, &by_v3(signature)).await, "{other}");
        }
        let mut nonce = by_v3(signature);
        nonce[1].1 = NONCE.replace('1', "2");
        assert!(!ask(url, form, &nonce).await);
        for without in 0..2 {
            let mut less = by_v3(signature);
            less.remove(without);
            assert!(!ask(url, form, &less).await);
        }
    }
}

#[tokio::test]
async fn the_weaker_signature_makes_a_hint_and_never_mends_a_wrong_one() {
    let provider = usual();
    let ours = MessageId::new(1, 2);
    for (url, message) in [(PLAIN, None), (WITH_QUERY, Some(&ours))] {
        let events = told(&provider, url, FIELDS, &by_v2(V2_SIGNED), message).await.unwrap();
        assert_eq!(events, [Event::Hint { vendor_id: UUID.to_owned(), message: message.cloned() }]);
    }
    for at in 0..V2_SIGNED.len() {
        let mut other = V2_SIGNED.as_bytes().to_vec();
        other[at] ^= 1;
        let other = String::from_utf8(other).unwrap();
        let refused = told(&provider, PLAIN, FIELDS, &by_v2(&other), None).await;
        assert!(other.contains(',') || refused == Err(NotBelieved::Signature), "{at}");
    }
    let both = [by_v3(&hmac("wrong")), by_v2(V2_SIGNED)].concat();
    assert_eq!(told(&provider, PLAIN, FIELDS, &both, None).await, Err(NotBelieved::Signature));
    assert_eq!(told(&provider, PLAIN, FIELDS, &[], None).await, Err(NotBelieved::Signature));
    let elsewhere = "https://sms.example.org/hook/other";
    assert_eq!(
        told(&provider, elsewhere, FIELDS, &by_v2(V2_SIGNED), None).await,
        Err(NotBelieved::Signature)
    );
    // What a person says is covered by it only where the operator takes that.
    let text = "MessageUUID=in-1&From=14157778888&To=14152223333&Text=STOP&Type=sms";
    assert_eq!(told(&provider, PLAIN, text, &by_v2(V2_SIGNED), None).await, Err(NotBelieved::Signature));
    let trusting = build(&Config { replies_by_v2: true, ..config("http://127.0.0.1:9") });
    let events = told(&trusting, PLAIN, text, &by_v2(V2_SIGNED), None).await.unwrap();
    assert!(matches!(&events[..], [Event::Reply(reply)] if reply.text == "STOP"), "{events:?}");
}

#[tokio::test]
async fn a_report_tells_its_state_and_price_and_the_message_whose_address_it_came_to() {
    let (ours, provider) = (MessageId::new(1, 2), usual());
    let hint = Event::Hint { vendor_id: UUID.to_owned(), message: Some(ours.clone()) };
    let report = |more: &str| format!("MessageUUID={UUID}&To=14157778888&From=14152223333&{more}");
    let signed = async |provider: &Plivo, form: &str, message: Option<&MessageId>| {
        told(provider, PLAIN, form, &by_v3(&v3(PLAIN, form)), message).await
    };
    for (more, state, why) in [
        ("Status=sent&ErrorCode=000", State::Sent, None),
        ("Status=delivered&ErrorCode=000", State::Delivered, None),
        ("Status=undelivered&ErrorCode=30", State::Failed, Some("30: The carrier filtered")),
        ("Status=failed&ErrorCode=200", State::Failed, Some("200: no words")),
        ("Status=rejected", State::Failed, None),
    ] {
        let form = report(&format!("{more}&TotalRate=0.0035&TotalAmount=0.0070&Units=2"));
        let events = signed(&provider, &form, Some(&ours)).await.unwrap();
        let [Event::Receipt(receipt), second] = &events[..] else { panic!("{more}: {events:?}") };
        assert_eq!((receipt.vendor_id.as_str(), receipt.state), (UUID, state), "{more}");
        assert_eq!((receipt.price, second), (Some(usd(7_000)), &hint), "{more}");
        assert_eq!(receipt.why.is_some(), why.is_some(), "{more}");
        assert!(receipt.why.as_deref().unwrap_or_default().starts_with(why.unwrap_or_default()), "{more}");
    }
    let bare = signed(&provider, &report("Status=delivered"), None).await.unwrap();
    assert!(matches!(&bare[..], [Event::Receipt(receipt)] if receipt.price.is_none()), "{bare:?}");
    assert_eq!(signed(&provider, &report("Status=brand+new"), Some(&ours)).await, Ok(vec![hint.clone()]));
    // A part says nothing final of the whole.
    let part = "MessageUUID=part-2&ParentMessageUUID=db3ce55a-7f1d-11e1-8ea7-1231380bc196&PartInfo=2+of+2\
                &Status=delivered&To=14157778888";
    assert_eq!(signed(&provider, part, Some(&ours)).await, Ok(vec![hint]));
    // A code is an opt-out where the operator says so.
    let knowing = build(&Config { opt_out_codes: vec!["200".to_owned()], ..config("http://127.0.0.1:9") });
    let stopped = Event::OptOut {
        number: "+14157778888".into(),
        is_out: true,
        at: None,
        heard_by: Some(HeardBy::Report(ours.clone())),
    };
    for (provider, code, expected) in
        [(&knowing, "200", true), (&knowing, "30", false), (&provider, "200", false)]
    {
        let form = report(&format!("Status=failed&ErrorCode={code}"));
        let events = signed(provider, &form, Some(&ours)).await.unwrap();
        assert_eq!(events.contains(&stopped), expected, "{code}: {events:?}");
    }
    let form = "MessageUUID=in-1&From=14157778888&To=14152223333&Text=One+%26+two%0A%F0%9F%91%8D&Type=sms";
    let events = signed(&provider, form, None).await.unwrap();
    let [Event::Reply(reply)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(
        (reply.vendor_id.as_str(), reply.from.text(), reply.to.as_str(), reply.text.as_str()),
        ("in-1", "+14157778888", FROM, "One & two\n\u{1f44d}")
    );
    let query = format!("{PLAIN}?{form}");
    let by_get = told(&provider, &query, "", &by_v3(&v3(&query, "")), None).await.unwrap();
    assert_eq!(by_get, events, "by GET as well");
    for wrong in ["Status=delivered", "MessageUUID=in-1&Text=x"] {
        let refused = signed(&provider, wrong, None).await;
        assert!(matches!(refused, Err(NotBelieved::Malformed(_))), "{wrong}: {refused:?}");
    }
}

const PUBLIC: &str = "https://sms.example.com";

fn ask(server: &HttpServer, tool: &str, arguments: Value) -> Value {
    let body = tool_call(Era::Stateless, 1, tool, &arguments);
    let answer = post(server.port, &stateless_headers(tool), &body).json().unwrap();
    let result = &answer["result"];
    match &result["structuredContent"] {
        Value::Null => serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap(),
        content => content.clone(),
    }
}

/// A report as Plivo makes it to this address.
fn tell(server: &HttpServer, address: &str, form: &str, shown: &[(&'static str, String)]) -> u16 {
    let path = address.strip_prefix(PUBLIC).unwrap();
    let headers: String = shown.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut stream = connect(server.port);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: inside.example.net:8080\r\n{headers}Connection: close\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    stream.write_all(format!("{head}{form}").as_bytes()).unwrap();
    read_reply(&mut stream).expect("an answer").status
}

#[test]
fn a_text_whose_answer_was_lost_is_one_text_and_is_settled_by_a_report_at_its_own_address_after_a_kill() {
    for by_strong in [true, false] {
        let fake = Fake::start(crate::fake::plivo::Plivo::default());
        let desk = Desk::new(&format!(
            "{WIDE}price_when_unknown = \"0.10\"\n[http]\npublic_url = \"{PUBLIC}\"\n[[provider]]\n\
             kind = \"plivo\"\nbase_url = \"{}/v1\"\nauth_id = \"{ID}\"\nauth_token = \"{TOKEN}\"\n\
             from = \"{FROM}\"\n",
            fake.url()
        ));
        let server = desk.http(|_| {});
        fake.fail(Fault::DropAfterAccept);
        let send = json!({ "to": fictional(1), "message": "hello", "idempotency_key": "k" });
        let lost = ask(&server, "send_sms", send.clone());
        fake.fail(Fault::None);
        let id = lost["id"].as_str().unwrap_or_else(|| panic!("{lost}"));
        server.kill();
        let server = desk.http(|_| {});
        let status = || ask(&server, "get_status", json!({ "id": id }))["message"].clone();
        assert_eq!(status()["status"], "unknown");
        // The list has no texts: nothing is recognised in it.
        let looked = desk.run(&["reconcile"]);
        assert!(looked.out.contains("0 settled, 1 still unknown"), "{looked:?}");
        let taken = fake.vendor().messages[0].clone();
        let address = taken.url.unwrap();
        let form = format!("MessageUUID={}&Status=delivered&To=33199000001&ErrorCode=000", taken.uuid);
        let shown =
            if by_strong { by_v3(&v3(&address, &form)) } else { by_v2(&hmac(&format!("{address}{NONCE}"))) };
        assert_eq!(tell(&server, &address, &form, &by_v3(&hmac("wrong"))), 401);
        assert_eq!(tell(&server, &format!("{address}0"), &form, &shown), 404);
        assert_eq!(status()["status"], "unknown");
        assert_eq!(tell(&server, &address, &form, &shown), 204);
        // By the weaker signature Plivo is asked first.
        let told = crate::support::found("it is settled", || {
            Some(status()).filter(|message| message["status"] == "delivered")
        });
        assert_eq!(told["provider_message_id"], json!(taken.uuid), "{told}");
        ask(&server, "send_sms", send);
        assert_eq!(fake.vendor().messages.len(), 1);
        let sends = fake.requests().iter().filter(|request| request.method == "POST").count();
        assert_eq!(sends, 1);
    }
}
