//! SMS Gateway for Android: the phone in the cloud and on its own, what is sent, what is there already, what
//! a text costs, and what an operator can do. What it sends by itself is in `sms_gateway/hooks.rs`; the
//! program before it, where answers are lost, in `sms_gateway/program.rs`.

mod hooks;
mod program;

use std::sync::Arc;

use serde_json::{Value, json};
use sms_mcp::clock::Timestamp;
use sms_mcp::error::ErrorKind;
use sms_mcp::provider::exchange::{Enquiry, Sought};
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup};
use sms_mcp::provider::sms_gateway::{Config, SmsGateway};
use sms_mcp::provider::{Outcome, Provider, Reference, Submission};
use sms_mcp::setting::{Secret, SecretText};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Amount, Currency, Money};
use sms_mcp::sms::number::Number;

use super::patient;
use crate::fake::sms_gateway::{self as vendor, CLOUD, DEVICE, PASSWORD, TOKEN, USER};
use crate::fake::{Fake, Fault, clock_before};
use crate::support::fictional;
use crate::vendors::{enquiry_of, submission_of};

const PUBLIC: &str = "https://sms.example.com";

/// The vendor's signing key.
pub const SIGNING: &str = "webhook-signing-key-0123";

/// A secret: which one says what is given beside the settings.
fn any() -> Option<Secret> {
    Some(Secret::Env("ANY".to_owned()))
}

fn config(url: &str) -> Config {
    Config {
        base_url: format!("{url}{CLOUD}"),
        user: Some(USER.to_owned()),
        password: any(),
        http: patient(),
        ..Config::default()
    }
}

fn build(config: &Config, secrets: &[(&'static str, &str)]) -> SmsGateway {
    let mut all = Secrets::default();
    secrets.iter().for_each(|(name, secret)| all.insert(name, SecretText::new(*secret)));
    let callback = Some(Callback::new(PUBLIC, "sms_gateway", [7; 32]));
    let clock = clock_before(&config.base_url);
    SmsGateway::new(config, &Setup { clock, secrets: all, callback }).unwrap()
}

const SECRETS: [(&str, &str); 2] = [("password", PASSWORD), ("signing_key", SIGNING)];

/// The phone before this fake, in the cloud, with webhooks.
pub fn provider(fake: &Fake<vendor::SmsGateway>) -> Arc<dyn Provider> {
    Arc::new(build(&config(&fake.url()), &SECRETS))
}

/// The phone on its own.
pub fn local_provider(fake: &Fake<vendor::SmsGateway>) -> Arc<dyn Provider> {
    Arc::new(build(&Config { base_url: fake.url(), ..config("") }, &SECRETS))
}

fn to(number: &str) -> Number {
    Number::parse(number, None).unwrap()
}

fn id(n: usize) -> MessageId {
    MessageId::new(1, n as u128)
}

fn message(n: usize, text: &str) -> Submission {
    Submission { segments: 2, ..submission_of(id(n), to(&fictional(n)), text) }
}

fn enquiry(n: usize) -> Enquiry {
    let vendor_id = id(n).to_string();
    enquiry_of(id(n), &vendor_id, to(&fictional(n)))
}

fn sought(n: usize) -> Sought {
    Sought { id: id(n), to: to(&fictional(n)), created: Timestamp(1) }
}

fn usd(micros: i64) -> Money {
    Money { micros, currency: Currency::USD }
}

#[tokio::test]
async fn a_text_goes_under_our_id_to_the_cloud_by_user_or_token_and_to_the_phone_itself() {
    let fake = Fake::start(vendor::SmsGateway::default());
    let text = "Gr\u{fc}\u{df}e \u{1f44d}";
    let taken = |n: usize| Outcome::Accepted {
        vendor_id: Some(id(n).to_string()),
        status: State::Sent,
        segments: None,
        price: Some(usd(0)),
    };
    assert_eq!(provider(&fake).send(&message(1, text)).await, taken(1));
    assert_eq!(local_provider(&fake).send(&message(2, text)).await, taken(2));
    let with_token = Config { user: None, password: None, token: any(), ..config(&fake.url()) };
    assert_eq!(build(&with_token, &[("token", TOKEN)]).send(&message(3, text)).await, taken(3));
    let chosen = Config {
        device: Some(DEVICE.to_owned()),
        sim: Some(2),
        ttl: Some("10m".parse().unwrap()),
        ..config(&fake.url())
    };
    assert_eq!(build(&chosen, &SECRETS).send(&message(4, text)).await, taken(4));
    let plain = |n: usize| {
        json!({ "id": id(n).as_str(), "phoneNumbers": [fictional(n)], "textMessage": { "text": text },
            "withDeliveryReport": true, "isEncrypted": false })
    };
    let mut with = plain(4);
    (with["ttl"], with["simNumber"], with["deviceId"]) = (json!(600), json!(2), json!(DEVICE));
    let sent: Vec<(String, Value)> =
        fake.requests().iter().map(|request| (request.path.clone(), request.json().unwrap())).collect();
    let cloud = format!("{CLOUD}/messages");
    let expected = [
        (cloud.clone(), plain(1)),
        ("/messages".to_owned(), plain(2)),
        (cloud.clone(), plain(3)),
        (cloud, with),
    ];
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_text_costs_nothing_unless_a_price_is_set_and_then_that_of_all_its_segments() {
    let fake = Fake::start(vendor::SmsGateway::default());
    let free = provider(&fake);
    assert_eq!((free.price(&to(&fictional(1)), 2), free.capabilities().prices), (None, false));
    let priced = Config { price: Amount(40_000), ..config(&fake.url()) };
    let priced = build(&priced, &SECRETS);
    assert_eq!(
        (priced.price(&to(&fictional(1)), 2), priced.capabilities().prices),
        (Some(usd(80_000)), true)
    );
    let Outcome::Accepted { price, .. } = priced.send(&message(1, "a")).await else { panic!() };
    assert_eq!(price, Some(usd(80_000)));
    // What was lost and is found costs nothing, or what was held for it.
    for (provider, expected) in [(&free, Some(usd(0))), (&(Arc::new(priced) as Arc<dyn Provider>), None)] {
        assert_eq!(provider.find(&sought(1)).await.unwrap().unwrap().price, expected);
        assert_eq!(provider.status(&enquiry(1)).await.unwrap()[0].price, expected);
    }
}

#[tokio::test]
async fn what_is_there_already_stands_and_is_looked_up_and_is_one_text() {
    let fake = Fake::start(vendor::SmsGateway::default());
    let provider = provider(&fake);
    assert_eq!(provider.capabilities().reference, Reference::Exact);
    fake.fail_once(Fault::DropAfterAccept);
    let lost = provider.send(&message(1, "a")).await;
    assert!(matches!(&lost, Outcome::Unclear { vendor_id, .. } if vendor_id == id(1).as_str()), "{lost:?}");
    for (fate, lags, expected) in [
        (("Delivered", None), false, "delivered"),
        (("Pending", None), false, "sent"),
        (("Processed", None), false, "sent"),
        (("Failed", Some("RESULT_ERROR_NO_SERVICE")), false, "failed: RESULT_ERROR_NO_SERVICE"),
        (("Failed", None), false, "failed: "),
        (("Delivered", None), true, "unclear"),
        (("hm", None), false, "unclear"),
    ] {
        (fake.vendor().fate, fake.vendor().lags) = (fate, lags);
        let told = match provider.send(&message(1, "a")).await {
            Outcome::Accepted { status, price: Some(price), .. } if price.micros == 0 => status.to_string(),
            Outcome::Failed { status, why, price: Some(price), .. } if price.micros == 0 => {
                format!("{status}: {why}")
            }
            Outcome::Unclear { vendor_id, why } => {
                assert!(vendor_id == id(1).as_str() && why.contains("was there already"), "{why}");
                "unclear".to_owned()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(told, expected, "{fate:?} {lags}");
    }
    (fake.vendor().fate, fake.vendor().lags) = (("Delivered", None), false);
    let other = Submission { to: to(&fictional(2)), ..message(1, "a") };
    let told = provider.send(&other).await;
    assert!(matches!(told, Outcome::Unclear { .. }), "it is there for somebody else: {told:?}");
    assert_eq!(fake.vendor().messages.len(), 1);
}

#[tokio::test]
async fn a_state_is_read_in_the_apps_words_and_what_is_no_verdict_is_unknown_under_our_id() {
    let fake = Fake::start(vendor::SmsGateway::default());
    let provider = provider(&fake);
    assert!(provider.find(&sought(1)).await.unwrap().is_none());
    assert!(provider.status(&enquiry(1)).await.unwrap().is_empty());
    provider.send(&message(1, "a")).await;
    for (fate, state) in [
        (("Pending", None), State::Sent),
        (("Processed", None), State::Sent),
        (("Sent", None), State::Sent),
        (("Cancelling", None), State::Sent),
        (("Delivered", None), State::Delivered),
        (("Cancelled", None), State::Failed),
        (("Failed", Some("no service")), State::Failed),
    ] {
        fake.vendor().fate = fate;
        let [receipt] = &provider.status(&enquiry(1)).await.unwrap()[..] else { panic!("{fate:?}") };
        assert_eq!((receipt.vendor_id.as_str(), receipt.state), (id(1).as_str(), state), "{fate:?}");
        assert_eq!(receipt.why.as_deref(), fate.1);
        assert_eq!(receipt.at, Timestamp::parse("2026-11-22T10:15:03.500Z").unwrap());
        let found = provider.find(&sought(1)).await.unwrap().unwrap();
        assert_eq!((found.vendor_id.as_str(), found.state, found.to), (id(1).as_str(), state, fictional(1)));
    }
    let of_another = Enquiry { to: to(&fictional(2)), ..enquiry(1) };
    assert!(provider.status(&of_another).await.unwrap().is_empty());
    let of_another = Sought { to: to(&fictional(2)), ..sought(1) };
    assert!(provider.find(&of_another).await.unwrap().is_none());
    fake.vendor().fate = ("hm", None);
    assert!(provider.status(&enquiry(1)).await.unwrap_err().message().contains("hm"));
    assert!(provider.find(&sought(1)).await.is_err());
    let one = |state: &str, to: &str| {
        json!({ "id": id(2).as_str(), "state": state, "recipients": [{ 
        "phoneNumber": to, "state": state }] })
    };
    let with = |name: &str, value: Value| {
        let mut body = one("Pending", &fictional(2));
        body["recipients"][0][name] = value;
        body
    };
    for (body, expected) in [
        (one("Pending", &fictional(2)), "accepted"),
        (one("Pending", fictional(2).trim_start_matches('+')), "accepted"),
        (json!({ "id": id(2).as_str(), "state": "Pending" }), "accepted"),
        (one("Failed", &fictional(2)), "failed"),
        (one("hm", &fictional(2)), "unclear"),
        (one("Pending", &fictional(3)), "unclear"),
        (with("error", json!("no SIM")), "unclear"),
        (json!({ "id": id(3).as_str(), "state": "Pending" }), "unclear"),
        (json!({ "state": "Pending" }), "unclear"),
        (json!({ "id": id(2).as_str() }), "unclear"),
        (json!([]), "unclear"),
    ] {
        fake.fail_once(Fault::Status(202, body.clone()));
        let told = match provider.send(&message(2, "a")).await {
            Outcome::Accepted { .. } => "accepted",
            Outcome::Failed { .. } => "failed",
            Outcome::Unclear { vendor_id, .. } => {
                assert_eq!(vendor_id, id(2).as_str(), "{body}");
                "unclear"
            }
            other => panic!("{body}: {other:?}"),
        };
        assert_eq!(told, expected, "{body}");
    }
    assert_eq!(fake.vendor().messages.len(), 1);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_apps_words_and_a_full_queue_may_have_taken_it() {
    let fake = Fake::start(vendor::SmsGateway::default());
    let provider = provider(&fake);
    let absent = Config { device: Some("absent".to_owned()), ..config(&fake.url()) };
    let Outcome::Rejected { code, why } = build(&absent, &SECRETS).send(&message(1, "a")).await else {
        panic!()
    };
    assert_eq!((code, why.as_str()), (ErrorKind::ProviderRejected, "HTTP 400: device not found"));
    let stranger = build(&config(&fake.url()), &[("password", "wrong")]);
    let Outcome::Rejected { code, .. } = stranger.send(&message(1, "a")).await else { panic!() };
    assert_eq!(code, ErrorKind::ProviderUnauthorized);
    for status in [408, 500, 503] {
        fake.fail_once(Fault::Status(status, json!({ "message": "queue limit exceeded" })));
        let told = provider.send(&message(1, "a")).await;
        assert!(
            matches!(&told, Outcome::Unclear { vendor_id, .. } if vendor_id == id(1).as_str()),
            "{told:?}"
        );
    }
    fake.fail_once(Fault::ThrottleSeconds(7));
    assert!(matches!(
        provider.send(&message(1, "a")).await,
        Outcome::NotSent { retry_after_ms: Some(7_000), .. }
    ));
    assert!(matches!(provider.send(&message(1, "a")).await, Outcome::Accepted { .. }));
    assert_eq!(fake.vendor().messages.len(), 1);
}

#[tokio::test]
async fn the_check_and_the_actions_send_no_text_and_make_the_webhooks_that_are_missing() {
    let fake = Fake::start(vendor::SmsGateway::default());
    let provider = provider(&fake);
    let act = async |action: &str, arguments: &[(&str, &str)]| {
        let arguments = arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        provider.act(action, &arguments.collect()).await
    };
    let warned = provider.check().await.unwrap();
    assert!(
        warned[1].is_warning
            && warned[1].text.starts_with("sms:sent, sms:delivered, sms:failed, sms:received"),
        "{warned:?}"
    );
    act("webhooks-create", &[]).await.unwrap();
    act("webhooks-create", &[]).await.unwrap();
    let own = Callback::new(PUBLIC, "sms_gateway", [7; 32]).url(None);
    assert_eq!(fake.vendor().webhooks.len(), 4, "made again they are replaced");
    assert!(fake.vendor().webhooks.iter().all(|(_, _, url)| *url == own));
    let findings = provider.check().await.unwrap();
    assert!(findings.iter().all(|finding| !finding.is_warning), "{findings:?}");
    act("webhooks-delete", &[("id", "sms-mcp-failed")]).await.unwrap();
    let warned = provider.check().await.unwrap();
    assert!(warned[1].is_warning && warned[1].text.starts_with("sms:failed has no webhook"), "{warned:?}");
    assert_eq!(act("webhooks", &[]).await.unwrap().as_array().unwrap().len(), 3);
    act("webhooks-create", &[("url", "https://other.example.com/x")]).await.unwrap();
    assert!(fake.vendor().webhooks.iter().all(|(_, _, url)| url == "https://other.example.com/x"));
    let listed = act("messages", &[("state", "Failed"), ("limit", "5"), ("offset", "1")]).await.unwrap();
    assert_eq!(listed, json!([]));
    for (action, wrong) in [
        ("messages", &[("state", "sent")][..]),
        ("messages", &[("limit", "101")]),
        ("webhooks-create", &[("url", "http://192.168.1.2/x")]),
        ("webhooks-delete", &[]),
        ("webhooks-delete", &[("id", "../messages/1")]),
    ] {
        assert_eq!(act(action, wrong).await.unwrap_err().kind(), ErrorKind::InvalidArgument, "{action}");
    }
    let unsigned = build(&config(&fake.url()), &SECRETS[..1]);
    let warned = unsigned.check().await.unwrap();
    assert!(warned.iter().any(|one| one.is_warning && one.text.contains("signing_key")), "{warned:?}");
    let can = unsigned.capabilities();
    assert!(!can.receipts_by_push && can.receipts_by_poll && !can.replies);
    assert!(
        unsigned.act("webhooks-create", &Default::default()).await.is_err(),
        "there is no address to give"
    );
    let is_send =
        |request: &crate::fake::Seen| request.method == "POST" && request.path.ends_with("/messages");
    assert!(!fake.requests().iter().any(is_send));
}

#[test]
fn the_settings_and_what_it_takes_are_checked_before() {
    let right = config("http://127.0.0.1:9");
    assert_eq!(right.check(), Ok(()));
    assert_eq!(right.rate.per_minute, Some(6), "a pace of its own");
    let at = |url: &str, allow_plain_http: bool| Config {
        base_url: url.to_owned(),
        allow_plain_http,
        ..right.clone()
    };
    assert_eq!(at("http://192.168.1.20:8080", true).check(), Ok(()));
    let plain = at("http://192.168.1.20:8080", true);
    assert_eq!(plain.unencrypted().map(|plain| plain.address), Some("192.168.1.20:8080"));
    assert_eq!(at("https://sms.example.org/3rdparty/v1", true).unencrypted(), None);
    let from = |from: &str| Config { from: Some(from.to_owned()), ..right.clone() };
    for (wrong, named) in [
        (at("http://192.168.1.20:8080", false), "allow_plain_http = true"),
        (at("http://203.0.113.7:8080", true), "no address of a private network"),
        (at("http://phone.local:8080", true), "no address of a private network"),
        (Config { user: None, ..right.clone() }, "belong together"),
        (Config { password: None, ..right.clone() }, "belong together"),
        (Config { user: None, password: None, ..right.clone() }, "no token either"),
        (Config { user: Some("a:b".to_owned()), ..right.clone() }, "user must"),
        (from("ACME"), "from must"),
        (from("+33 199000001"), "from must"),
        (Config { device: Some("../x".to_owned()), ..right.clone() }, "device must"),
        (Config { sim: Some(4), ..right.clone() }, "sim must"),
        (Config { ttl: Some("1s".parse().unwrap()), ..right.clone() }, "ttl must"),
        (Config { price: Amount(-1), ..right.clone() }, "price must"),
        (Config { sent_words: vec!["failed".to_owned()], ..right.clone() }, "sent_words"),
    ] {
        let why = wrong.check().unwrap_err();
        assert!(why.contains(named), "{named}: {why}");
    }
    let refusal = |config: &Config, from: Option<&str>| {
        build(config, &SECRETS).form(&to(&fictional(1)), from, "x").err().map(|error| error.kind())
    };
    let own = from("+447700900123");
    assert_eq!((refusal(&right, None), refusal(&own, None)), (None, None));
    assert_eq!(refusal(&own, Some("+447700900123")), None);
    assert_eq!(refusal(&own, Some("ACME")), Some(ErrorKind::SenderNotAllowed));
    assert_eq!(refusal(&right, Some("ACME")), Some(ErrorKind::SenderNotAllowed));
}
