//! The gateways that are known by name: each before its fake, by nothing but what its section of docs/PROVIDERS.md
//! asks of a user.

use std::sync::Arc;

use serde_json::json;
use sms_mcp::provider::generic_http::settings::Preset;
use sms_mcp::provider::settings::{Callback, Settings as _};
use sms_mcp::provider::{Balance, Outcome, Provider, Submission};
use sms_mcp::sms::message::{MessageId, State};

use super::{build, config, enquiry, message};
use crate::fake::presets::{self as vendor, ACCOUNT, APPLICATION, Book, SECRET, USER};
use crate::fake::{Fake, Fault, Reply, Seen, Vendor};
use crate::support::fictional;

const HOOK: &str = "canary-hook-of-the-account-32byte";

/// A gateway's name, the path of its address, the lines that a user writes for it, and its secrets.
type Line = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const LINES: [Line; 6] = [
    ("46elks", "/a1", "from = \"ACME\"\ncurrency = \"SEK\"", &[("user", USER), ("secret", SECRET)]),
    (
        "bandwidth",
        "/api/v2",
        "from = \"+15557654321\"\nvalues = { account = \"9900000\", application = \
         \"93de2206-9669-4e07-948d-329f4b722ee2\" }",
        &[("user", USER), ("secret", SECRET), ("webhook_secret", HOOK)],
    ),
    (
        "clicksend",
        "/v3",
        "from = \"ACME\"\ncurrency = \"AUD\"\nstates = { 201 = \"delivered\", 301 = \"failed\" }",
        &[("user", USER), ("secret", SECRET)],
    ),
    ("httpsms", "/v1", "from = \"+15557654321\"", &[("secret", SECRET), ("webhook_secret", HOOK)]),
    ("kannel", "", "from = \"ACME\"", &[("user", USER), ("secret", SECRET)]),
    (
        "messagebird",
        "",
        "from = \"ACME\"\ncurrency = \"EUR\"",
        &[("secret", SECRET), ("webhook_secret", HOOK)],
    ),
];

/// The provider of this preset at this address, with what stands in `LINES` and these lines more.
pub fn at(preset: &str, url: &str) -> Arc<dyn Provider> {
    let (_, path, lines, secrets) = LINES.into_iter().find(|(name, ..)| *name == preset).unwrap();
    let written: String = secrets.iter().map(|(name, _)| format!("{name} = \"x\"\n")).collect();
    let text = format!("preset = \"{preset}\"\nbase_url = \"{url}{path}\"\n{written}{lines}\n");
    build(&config(&text), secrets)
}

/// Makes the provider of each before its fake.
macro_rules! known {
    ($($function:ident, $preset:literal, $vendor:ident;)+) => {
        $(
            pub fn $function(fake: &Fake<vendor::$vendor>) -> Arc<dyn Provider> {
                at($preset, &fake.url())
            }
        )+
    };
}

known! {
    elks, "46elks", Elks;
    bandwidth, "bandwidth", Bandwidth;
    clicksend, "clicksend", ClickSend;
    httpsms, "httpsms", HttpSms;
    kannel, "kannel", Kannel;
    messagebird, "messagebird", MessageBird;
}

/// What each takes, looks up, and asks; `book` is what its fake keeps.
async fn works<V: Vendor>(vendor: V, preset: &str, book: fn(&mut V) -> &mut Book) {
    let fake = Fake::start(vendor);
    let provider = at(preset, &fake.url());
    for (n, text) in [(1, "Hello"), (2, "Gr\u{fc}\u{df}e {to} & <b>100%</b>\n\"\u{1f44d}\"")] {
        let sent = Submission { segments: 1, ..message(n, text) };
        let outcome = provider.send(&sent).await;
        let Outcome::Accepted { vendor_id: Some(id), status: State::Sent, .. } = outcome else {
            panic!("{preset}: {outcome:?}")
        };
        let taken = book(&mut *fake.vendor()).messages.pop().unwrap();
        assert_eq!((taken.text.as_str(), taken.to.as_str()), (text, fictional(1).as_str()), "{preset}");
        let own = Callback::new("https://sms.example.com", "http", [7; 32]).url(Some(&sent.id));
        let is_ours = |told: &String| told == sent.id.as_str();
        assert!(taken.reference.as_ref().is_none_or(is_ours), "{preset}: {taken:?}");
        assert!(taken.callback.as_ref().is_none_or(|told| told.starts_with(&own)), "{preset}: {taken:?}");
        assert!(taken.reference.is_some() || taken.callback.is_some(), "{preset}: our reference goes along");
        assert_eq!(taken.id.is_empty(), id == sent.id.as_str(), "{preset}: ours is its id where it has none");
    }
    // The wrong credentials are refused, and so is a number that is none.
    let findings = provider.check().await.unwrap();
    assert_eq!(
        findings.iter().any(|finding| finding.is_warning),
        preset == "kannel",
        "{preset}: {findings:?}"
    );
    assert!(fake.forgive().is_empty(), "{preset}");
}

#[tokio::test]
async fn each_takes_texts_whole_with_our_reference() {
    works(vendor::Elks::default(), "46elks", |vendor| &mut vendor.0).await;
    works(vendor::Bandwidth::default(), "bandwidth", |vendor| &mut vendor.0).await;
    works(vendor::ClickSend::default(), "clicksend", |vendor| &mut vendor.0).await;
    works(vendor::HttpSms::default(), "httpsms", |vendor| &mut vendor.0).await;
    works(vendor::Kannel::default(), "kannel", |vendor| &mut vendor.0).await;
    works(vendor::MessageBird::default(), "messagebird", |vendor| &mut vendor.0).await;
}

/// What a preset's look-ups say for each word.
async fn looks<V: Vendor>(
    vendor: V,
    preset: &str,
    book: fn(&mut V) -> &mut Book,
    words: &[(&'static str, State)],
) {
    let fake = Fake::start(vendor);
    let provider = at(preset, &fake.url());
    let Outcome::Accepted { vendor_id: Some(id), .. } = provider.send(&message(1, "a")).await else {
        panic!("{preset}")
    };
    for (word, state) in words {
        book(&mut *fake.vendor()).fate = Some(word);
        let receipt = provider.status(&enquiry(&id)).await.unwrap().pop().unwrap();
        assert_eq!(receipt.state, *state, "{preset} {word}");
    }
    book(&mut *fake.vendor()).fate = Some("hm");
    assert!(provider.status(&enquiry(&id)).await.is_err(), "{preset}: a word that nobody knows is no news");
    assert!(provider.status(&enquiry("another")).await.unwrap().is_empty(), "{preset}");
}

#[tokio::test]
async fn each_word_of_a_look_up_means_what_its_pages_say() {
    use State::{Delivered, Expired, Failed, Sent};
    let words = [("created", Sent), ("sent", Sent), ("delivered", Delivered), ("failed", Failed)];
    looks(vendor::Elks::default(), "46elks", |vendor| &mut vendor.0, &words).await;
    let words = [
        ("QUEUED", Sent),
        ("ACCEPTED", Sent),
        ("SENDING", Sent),
        ("SENT", Sent),
        ("DELIVERED", Delivered),
        ("FAILED", Failed),
        ("UNDELIVERED", Failed),
    ];
    looks(vendor::Bandwidth::default(), "bandwidth", |vendor| &mut vendor.0, &words).await;
    let words = [("201", Delivered), ("301", Failed)];
    looks(vendor::ClickSend::default(), "clicksend", |vendor| &mut vendor.0, &words).await;
    let words = [
        ("pending", Sent),
        ("sending", Sent),
        ("expired", Sent),
        ("delivered", Delivered),
        ("failed", Failed),
    ];
    looks(vendor::HttpSms::default(), "httpsms", |vendor| &mut vendor.0, &words).await;
    let words = [
        ("sent", Sent),
        ("buffered", Sent),
        ("delivered", Delivered),
        ("expired", Expired),
        ("delivery_failed", Failed),
    ];
    looks(vendor::MessageBird::default(), "messagebird", |vendor| &mut vendor.0, &words).await;
}

#[tokio::test]
async fn figures_are_scaled_and_without_a_currency_they_are_none() {
    let fake = Fake::start(vendor::Elks::default());
    let provider = elks(&fake);
    let Outcome::Accepted { price: Some(price), segments: Some(1), .. } =
        provider.send(&message(1, "a")).await
    else {
        panic!("no price")
    };
    assert_eq!(price.to_string(), "0.035 SEK");
    let Ok(Balance::Money(left)) = provider.balance().await else { panic!("no balance") };
    assert_eq!(left.to_string(), "99.965 SEK");
    let bare = format!(
        "preset = \"46elks\"\nbase_url = \"{}/a1\"\nuser = \"x\"\nsecret = \"x\"\nfrom = \"ACME\"\n",
        fake.url()
    );
    let bare = build(&config(&bare), &[("user", USER), ("secret", SECRET)]);
    let outcome = bare.send(&message(2, "a")).await;
    assert!(matches!(outcome, Outcome::Accepted { price: None, .. }), "{outcome:?}");
    assert!(bare.balance().await.is_ok(), "its balance names its currency");
    let fake = Fake::start(vendor::ClickSend::default());
    let bare = format!(
        "preset = \"clicksend\"\nbase_url = \"{}/v3\"\nuser = \"x\"\nsecret = \"x\"\nfrom = \"ACME\"\n",
        fake.url()
    );
    let bare = build(&config(&bare), &[("user", USER), ("secret", SECRET)]);
    let can = bare.capabilities();
    assert!(!can.balance && !can.status, "nobody has said in which currency, and what its codes mean");
    assert!(bare.check().await.unwrap().iter().any(|finding| finding.text.contains("credentials are taken")));
}

#[tokio::test]
async fn what_clicksend_does_not_clearly_take_is_unknown_and_shows_its_word() {
    let fake = Fake::start(vendor::ClickSend::default());
    let provider = clicksend(&fake);
    for (body, named) in [
        (json!({ "messages": [{ "status": "INVALID_RECIPIENT" }] }), "INVALID_RECIPIENT"),
        (json!({ "messages": [{ "status": "success", "message_id": "x" }] }), "success"),
        (json!({ "messages": [] }), "its words"),
    ] {
        let body = json!({ "http_code": 200, "response_code": "SUCCESS", "response_msg": "its words", "data": body });
        fake.fail_once(Fault::Status(200, body.clone()));
        let outcome = provider.send(&message(1, "a")).await;
        let (Outcome::Unknown { why } | Outcome::Unclear { why, .. }) = &outcome else {
            panic!("{body}: {outcome:?}")
        };
        assert!(why.contains(named), "{body}: {why}");
    }
}

#[tokio::test]
async fn kannel_is_asked_by_get_with_the_coding_of_the_text_and_both_of_its_yeses_count() {
    let fake = Fake::start(vendor::Kannel::default());
    let provider = kannel(&fake);
    fake.vendor().0.fate = Some("queued");
    let taken = provider.send(&message(1, "\u{1f44d}")).await;
    assert!(matches!(taken, Outcome::Accepted { .. }), "{taken:?}");
    let request = &fake.requests()[0];
    assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
    assert_eq!(request.parameter("coding"), Some("2"));
    let own = Callback::new("https://sms.example.com", "http", [7; 32]).url(Some(&MessageId::new(1, 1)));
    assert_eq!(request.parameter("dlr-url"), Some(format!("{own}?status=%d&why=%A").as_str()));
}

#[test]
fn a_preset_needs_its_credentials_and_takes_nothing_of_another_gateway() {
    assert_eq!(Preset::ALL.len(), LINES.len());
    let checked = |text: &str| config(text).check();
    for (preset, _, lines, secrets) in LINES {
        let address = if preset == "kannel" { "base_url = \"http://127.0.0.1:13013\"\n" } else { "" };
        let written: String = secrets.iter().map(|(name, _)| format!("{name} = \"x\"\n")).collect();
        let right = format!("preset = \"{preset}\"\n{address}{written}{lines}\n");
        assert_eq!(checked(&right), Ok(()), "{preset}");
        let without = right.replace("secret = \"x\"\n", "").replace("webhook_", "");
        assert!(checked(&without).unwrap_err().contains("secret is not set"), "{preset}");
        for (line, named) in [
            ("send = { path = \"/x\" }", "send is set beside preset"),
            ("answer = { any_2xx = true }", "answer is set beside preset"),
            ("auth = { type = \"none\" }", "auth is set beside preset"),
            ("webhooks = { auth = \"none\" }", "webhooks is set beside preset"),
            ("status = { path = \"/x\" }", "status is set beside preset"),
        ] {
            let why = checked(&format!("{line}\n{right}")).unwrap_err();
            assert!(why.contains(named), "{preset}: {why}");
        }
        if !lines.contains("values") {
            let why = checked(&format!("{right}values = {{ x = \"1\" }}\n")).unwrap_err();
            assert!(why.contains("values.x is set"), "{preset}: {why}");
        }
    }
    let elks = "preset = \"46elks\"\nuser = \"x\"\nsecret = \"x\"\nfrom = \"ACME\"\n";
    let why = checked(&format!("{elks}states = {{ Delivered = \"failed\" }}\n")).unwrap_err();
    assert!(why.contains("states.Delivered"), "{why}");
    let why = checked(&elks.replace("from = \"ACME\"\n", "")).unwrap_err();
    assert!(why.contains("from is not set"), "{why}");
    let bandwidth = "preset = \"bandwidth\"\nuser = \"x\"\nsecret = \"x\"\nfrom = \"+12025550123\"\n";
    let why = checked(&format!("{bandwidth}values = {{ account = \"{ACCOUNT}\" }}\n")).unwrap_err();
    assert!(why.contains("{application}") && why.contains("values.NAME"), "{why}");
    let both =
        format!("{bandwidth}values = {{ account = \"{ACCOUNT}\", application = \"{APPLICATION}\" }}\n");
    assert_eq!(checked(&both), Ok(()));
    let unknown =
        toml::from_str::<sms_mcp::config::Config>("[[provider]]\nkind = \"http\"\npreset = \"elks\"\n");
    assert!(unknown.unwrap_err().to_string().contains("`46elks`"));
}

/// Answers every request with this.
struct Says(serde_json::Value);

impl Vendor for Says {
    fn answer(&mut self, _: &Seen, _: &mut dyn FnMut(String)) -> Reply {
        Reply::json(202, self.0.clone())
    }
}

#[tokio::test]
async fn an_answer_about_another_text_or_with_an_error_beside_its_success_is_unknown() {
    let (ours, me) = (message(1, "a").id.to_string(), fictional(1));
    let body = |preset: &str, to: &str, reference: &str| match preset {
        "46elks" => json!({ "id": "s1", "status": "created", "to": to }),
        "bandwidth" => json!({ "id": "1", "direction": "out", "to": [to], "tag": reference }),
        "clicksend" => json!({ "response_code": "SUCCESS", "data": { "messages": [
            { "message_id": "m", "status": "SUCCESS", "to": to, "custom_string": reference }] } }),
        "httpsms" => json!({ "status": "success", "data": { "id": "1", "status": "pending", "contact": to,
            "request_id": reference } }),
        "messagebird" => json!({ "id": "1", "reference": reference, "recipients": { "items": [
            { "recipient": to[1..].parse::<u64>().unwrap(), "status": "sent" }] } }),
        other => panic!("{other}"),
    };
    let told = async |preset: &str, body: serde_json::Value| {
        let fake = Fake::start(Says(body));
        match at(preset, &fake.url()).send(&message(1, "a")).await {
            Outcome::Accepted { .. } => "sent",
            Outcome::Unknown { .. } | Outcome::Unclear { .. } => "unknown",
            other => panic!("{preset}: {other:?}"),
        }
    };
    for preset in ["46elks", "bandwidth", "clicksend", "httpsms", "messagebird"] {
        assert_eq!(told(preset, body(preset, &me, &ours)).await, "sent", "{preset}");
        assert_eq!(told(preset, body(preset, &fictional(2), &ours)).await, "unknown", "{preset}: to another");
        let other = message(2, "a").id.to_string();
        let of_another = told(preset, body(preset, &me, &other)).await;
        assert_eq!(
            of_another,
            if preset == "46elks" { "sent" } else { "unknown" },
            "{preset}: its reference"
        );
    }
    for (preset, field, error) in [
        ("bandwidth", "description", json!("not allowed")),
        ("messagebird", "errors", json!([{ "code": 9, "description": "no (correct) recipients found" }])),
    ] {
        let mut both = body(preset, &me, &ours);
        both[field] = error;
        assert_eq!(told(preset, both).await, "unknown", "{preset}");
    }
}
