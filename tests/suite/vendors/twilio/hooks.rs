//! What Twilio sends by itself: signed over the address and the sorted fields, in vectors that the vendor's
//! own library accepts.

use ::http::{HeaderMap, HeaderValue, Method};
use sms_mcp::clock::Timestamp;
use sms_mcp::provider::Provider;
use sms_mcp::provider::exchange::{Delivery, Event, NotBelieved};
use sms_mcp::provider::twilio::Twilio;
use sms_mcp::sms::message::{MessageId, State};

use super::{BY_KEY, Shown, setup};
use crate::fake::twilio::{ACCOUNT, FROM, KEY, KEY_SECRET};

/// The vectors' token and address.
const VECTOR: &str = "0123456789abcdef0123456789abcdef";
const URL: &str = "https://sms.example.org/hook/twilio?m=01J9";

const SID: &str = "SM0123456789abcdef0123456789abcdef";
const REPORT: &str = "MessageSid=SM0123456789abcdef0123456789abcdef&SmsSid=SM0123456789abcdef0123456789abcdef\
                      &MessageStatus=delivered&SmsStatus=delivered&To=%2B15558675310&From=%2B15017122661\
                      &AccountSid=AC00000000000000000000000000000000&ApiVersion=2010-04-01";
const REPORT_SIGNED: &str = "UIvN67CUKg/xos4xZyFuE5RizbQ=";
const REPORT_SIGNED_256: &str = "y19lf0pu3DtVl8Hn4hnbQLnu5slfeGwQ4nc73nInpbw=";
const REPLY: &str =
    "MessageSid=SM1&Body=STOP&From=%2B15558675310&To=%2B15017122661&OptOutType=STOP&NumMedia=0&ToCity=";
const REPLY_SIGNED: &str = "lVFX6wojhqgLBf1Xbg7FdaZHl6s=";

/// The header that says that a shared key signed with SHA-256.
const BY_SHARED_KEY: &str = "key=WK1,algorithm=HMAC_SHA256";

fn provider(shown: Shown<'_>) -> Twilio {
    let config = sms_mcp::provider::twilio::Config { from: Some(FROM.to_owned()), ..Default::default() };
    Twilio::new(&config, &setup("http://127.0.0.1:9", shown, Some("https://sms.example.org"))).unwrap()
}

fn by_token() -> Twilio {
    provider(&[("account_sid", ACCOUNT), ("auth_token", VECTOR)])
}

/// What a provider makes of a request.
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
        now: Timestamp(7),
    };
    provider.events(&delivery).await
}

/// A signature as Twilio makes it, by other means than the program's.
pub fn sign(token: &str, url: &str, body: &str) -> String {
    use base64::Engine as _;
    let mut fields: Vec<(String, String)> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    fields.sort();
    let signed: String = fields.into_iter().fold(url.to_owned(), |all, (name, value)| all + &name + &value);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(ring::hmac::sign(&key, signed.as_bytes()))
}

async fn signed(provider: &dyn Provider, url: &str, body: &str) -> Vec<Event> {
    let signature = sign(VECTOR, url, body);
    told(provider, url, body, &[("x-twilio-signature", &signature)]).await.unwrap()
}

#[tokio::test]
async fn the_vendors_vectors_are_believed_and_what_differs_by_one_bit_is_not() {
    let provider = by_token();
    for (body, signature) in [(REPORT, REPORT_SIGNED), (REPLY, REPLY_SIGNED)] {
        assert_eq!(sign(VECTOR, URL, body), signature, "the test's own way to sign is the vendor's");
        let header = |value: &str| [("x-twilio-signature", value.to_owned())];
        let ask = async |url: &str, body: &str, [(name, value)]: [(&'static str, String); 1]| {
            told(&provider, url, body, &[(name, value.as_str())]).await
        };
        assert!(!ask(URL, body, header(signature)).await.unwrap().is_empty());
        // The order of the fields in the form says nothing.
        let mut fields: Vec<&str> = body.split('&').collect();
        fields.reverse();
        assert!(ask(URL, &fields.join("&"), header(signature)).await.is_ok());
        fields.rotate_left(3);
        assert!(ask(URL, &fields.join("&"), header(signature)).await.is_ok());
        for at in 0..signature.len() {
            let mut other = signature.as_bytes().to_vec();
            other[at] ^= 1;
            let Ok(other) = String::from_utf8(other) else { continue };
            let Ok(_) = HeaderValue::from_str(&other) else { continue };
            assert_eq!(ask(URL, body, header(&other)).await, Err(NotBelieved::Signature), "{at}");
        }
        for at in 0..body.len() {
            let mut other = body.as_bytes().to_vec();
            other[at] ^= 1;
            let Ok(other) = String::from_utf8(other) else { continue };
            // "%2B" and "%2b" are one plus.
            if other.to_lowercase() == body.to_lowercase() {
                continue;
            }
            assert_eq!(ask(URL, &other, header(signature)).await, Err(NotBelieved::Signature), "{other}");
        }
        for url in [
            "https://sms.example.org/hook/twilio?m=01J8",
            "https://sms.example.org/hook/twilio",
            "http://sms.example.org/hook/twilio?m=01J9",
            "https://sms.example.com/hook/twilio?m=01J9",
        ] {
            assert_eq!(ask(url, body, header(signature)).await, Err(NotBelieved::Signature), "{url}");
        }
        assert_eq!(told(&provider, URL, body, &[]).await, Err(NotBelieved::Signature));
    }
}

#[tokio::test]
async fn the_address_counts_with_its_port_and_without() {
    let provider = by_token();
    let signature = [("x-twilio-signature", REPORT_SIGNED)];
    for url in
        ["https://sms.example.org:443/hook/twilio?m=01J9", "https://sms.example.org:8443/hook/twilio?m=01J9"]
    {
        assert!(told(&provider, url, REPORT, &signature).await.is_ok(), "{url}");
    }
    let with_port = sign(VECTOR, "https://sms.example.org:443/hook/twilio?m=01J9", REPORT);
    assert!(told(&provider, URL, REPORT, &[("x-twilio-signature", &with_port)]).await.is_ok());
}

#[tokio::test]
async fn a_shared_key_signs_with_sha_256_and_neither_hash_stands_for_the_other() {
    let with_key = |key: &'static str| {
        provider(&[("account_sid", ACCOUNT), ("auth_token", VECTOR), ("webhook_key", key)])
    };
    let sha256 =
        [("x-twilio-signature", REPORT_SIGNED_256), ("x-twilio-webhooks-signature-settings", BY_SHARED_KEY)];
    assert!(told(&with_key(VECTOR), URL, REPORT, &sha256).await.is_ok());
    assert!(told(&by_token(), URL, REPORT, &sha256).await.is_ok(), "without one it is the token");
    for (provider, headers) in [
        (with_key("another key"), sha256),
        (
            by_token(),
            [("x-twilio-signature", REPORT_SIGNED), ("x-twilio-webhooks-signature-settings", BY_SHARED_KEY)],
        ),
        (
            by_token(),
            [
                ("x-twilio-signature", REPORT_SIGNED_256),
                ("x-twilio-webhooks-signature-settings", "algorithm=HMAC_SHA1"),
            ],
        ),
    ] {
        assert_eq!(told(&provider, URL, REPORT, &headers).await, Err(NotBelieved::Signature));
    }
    // With a key alone, what the token signs is nobody's.
    let key_alone = provider(&[
        ("account_sid", ACCOUNT),
        ("api_key", KEY),
        ("api_key_secret", KEY_SECRET),
        ("webhook_key", VECTOR),
    ]);
    assert!(told(&key_alone, URL, REPORT, &sha256).await.is_ok());
    let sha1 = [("x-twilio-signature", REPORT_SIGNED)];
    assert_eq!(told(&key_alone, URL, REPORT, &sha1).await, Err(NotBelieved::Signature));
    // Without either nothing is expected.
    assert_eq!(told(&provider(BY_KEY), URL, REPORT, &sha1).await, Err(NotBelieved::NotExpected));
}

#[tokio::test]
async fn a_report_tells_its_state_and_the_message_that_its_address_names() {
    let provider = by_token();
    let ours = MessageId::new(1, 2);
    let url = format!("https://sms.example.org/hook?m={ours}");
    let body =
        |status: &str, more: &str| format!("MessageSid={SID}&MessageStatus={status}&To=%2B15558675310{more}");
    let shown = |events: &[Event]| -> Vec<String> {
        events
            .iter()
            .map(|event| match event {
                Event::Receipt(receipt) => {
                    assert_eq!((receipt.vendor_id.as_str(), receipt.at), (SID, Timestamp(7)));
                    format!("{} {}", receipt.state, receipt.why.as_deref().unwrap_or("-"))
                }
                Event::Hint { vendor_id, message } => {
                    assert_eq!(vendor_id, SID);
                    format!("hint {}", message.as_ref().map_or("-", MessageId::as_str))
                }
                Event::OptOut { number, is_out, .. } => format!("out {} {is_out}", number.text()),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let hint = format!("hint {ours}");
    for (status, more, expected) in [
        ("accepted", "", vec![]),
        ("queued", "", vec![]),
        ("sending", "", vec![]),
        ("sent", "", vec!["sent -", &*hint]),
        ("delivered", "", vec!["delivered -", &*hint]),
        ("sent", "&ErrorCode=30034", vec!["sent -", &*hint]),
        ("read", "", vec!["delivered -", &*hint]),
        ("canceled", "", vec!["failed -", &*hint]),
        ("brand_new", "", vec![&*hint]),
        ("undelivered", "&ErrorCode=39999&ErrorMessage=its+words", vec!["failed 39999: its words", &*hint]),
    ] {
        assert_eq!(shown(&signed(&provider, &url, &body(status, more)).await), expected, "{status}");
    }
    let known = signed(&provider, &url, &body("failed", "&ErrorCode=30006&ErrorMessage=x")).await;
    let Event::Receipt(receipt) = &known[0] else { panic!("{known:?}") };
    assert!(receipt.is_documented && receipt.state == State::Failed);
    assert!(receipt.why.as_deref().unwrap().starts_with("30006: The recipient is a landline"));
    // A number that answered STOP is told as such.
    let stopped = shown(&signed(&provider, &url, &body("failed", "&ErrorCode=21610")).await);
    assert!(stopped[0].starts_with("failed 21610: ") && stopped[2] == "out +15558675310 true", "{stopped:?}");
    // An address that names none, or what is no id of ours, names no message.
    for url in ["https://sms.example.org/hook", "https://sms.example.org/hook?m=01J9"] {
        assert_eq!(shown(&signed(&provider, url, &body("sent", "")).await), ["sent -"]);
    }
    let nothing = "MessageStatus=delivered";
    let signature = sign(VECTOR, URL, nothing);
    let refused = told(&provider, URL, nothing, &[("x-twilio-signature", &signature)]).await;
    assert!(matches!(refused, Err(NotBelieved::Malformed(why)) if why.contains("MessageSid")));
}

#[tokio::test]
async fn a_persons_text_is_told_with_what_the_vendor_says_that_it_means() {
    let provider = by_token();
    for (kind, expected) in [("STOP", Some(true)), ("START", None), ("HELP", None), ("", None)] {
        let body = format!(
            "MessageSid={SID}&SmsStatus=received&From=%2B15558675310&To=%2B15017122661&NumMedia=0\
             &Body=One+%26+two%0A%F0%9F%91%8D&OptOutType={kind}"
        );
        let events = signed(&provider, URL, &body).await;
        let (wishes, rest) = events.split_at(events.len() - 1);
        let Event::Reply(reply) = &rest[0] else { panic!("{events:?}") };
        assert_eq!(
            (reply.vendor_id.as_str(), reply.from.text(), reply.to.as_str(), reply.text.as_str(), reply.at),
            (SID, "+15558675310", "+15017122661", "One & two\n\u{1f44d}", Timestamp(7))
        );
        let wishes: Vec<bool> = wishes
            .iter()
            .map(|event| match event {
                Event::OptOut { number, is_out, at: None, heard_by: Some(_) }
                    if number.text() == "+15558675310" =>
                {
                    *is_out
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(wishes, expected.into_iter().collect::<Vec<_>>(), "{kind}");
    }
    // A picture without a word.
    let picture = format!("SmsSid={SID}&SmsStatus=received&From=%2B15558675310&To=36179&Body=&NumMedia=1");
    let events = signed(&provider, URL, &picture).await;
    assert!(matches!(&events[..], [Event::Reply(reply)] if reply.text.is_empty() && reply.to == "36179"));
    let nobody = format!("MessageSid={SID}&Body=x&To=36179");
    let signature = sign(VECTOR, URL, &nobody);
    let refused = told(&provider, URL, &nobody, &[("x-twilio-signature", &signature)]).await;
    assert!(matches!(refused, Err(NotBelieved::Malformed(_))), "{refused:?}");
}
