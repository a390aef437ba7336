//! Vendors that call in other ways than by a POST with a signed body: with GET, with what they tell in the
//! query, with the address itself under the signature, and with an answer that they want in words of their
//! own.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use sha2::Sha256;

use sms_mcp::engine::{Carrier, Engine};
use sms_mcp::error::Result;
use sms_mcp::provider::exchange::{Delivery, Event, Finding, NotBelieved, Receipt, Reply, Webhook};
use sms_mcp::provider::rest::form::Fields;
use sms_mcp::provider::settings::Rate;
use sms_mcp::provider::signature::{Encoding, Hash, Key};
use sms_mcp::provider::{Capabilities, Outcome, Provider, Submission};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::Money;
use sms_mcp::sms::number::Number;

use super::*;

/// What both ends know.
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const HEADER: &str = "X-Acme-Signature";

/// A vendor that signs the address as it called it, and after it the sorted fields of the form.
struct Acme;

impl Acme {
    const METHODS: &[Method] = &[Method::GET, Method::POST];
}

#[async_trait]
impl Provider for Acme {
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::SEND_ONLY;
        (can.receipts_by_push, can.replies) = (true, true);
        can
    }

    fn name(&self) -> &str {
        "acme"
    }

    fn price(&self, _: &Number, segments: u32) -> Option<Money> {
        Money { micros: 100_000, currency: Currency::USD }.times(segments)
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        Outcome::Accepted {
            vendor_id: Some(format!("v-{}", submission.text)),
            status: State::Sent,
            segments: None,
            price: None,
        }
    }

    fn webhook(&self) -> Webhook {
        Webhook { methods: Self::METHODS, status: 200, content_type: "text/xml", body: "<Response/>" }
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        let form = Fields::read(delivery.body);
        let fields = form.sorted();
        let pieces = fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let shown = delivery.headers.get(HEADER).ok_or(NotBelieved::Signature)?.as_bytes();
        let key = Key::new(Hash::Sha256, Encoding::Base64, SECRET.as_bytes());
        if !key.has_signed(shown, std::iter::once(delivery.url.as_bytes()).chain(pieces)) {
            return Err(NotBelieved::Signature);
        }
        let told = if delivery.method == Method::GET {
            Fields::read(delivery.query.as_bytes())
        } else {
            form.clone()
        };
        let need = |name: &str| {
            told.get(name).map(str::to_owned).ok_or_else(|| NotBelieved::Malformed(format!("no `{name}`")))
        };
        let vendor_id = need("MessageSid")?;
        Ok(vec![match told.get("MessageStatus") {
            Some(word) => {
                let state = State::from_name(word)
                    .ok_or_else(|| NotBelieved::Malformed("no `MessageStatus` that is one".into()))?;
                Event::Receipt(Receipt::new(vendor_id, state, delivery.now))
            }
            None => Event::Reply(Reply {
                vendor_id,
                from: need("From")?.into(),
                to: need("To")?,
                text: need("Body")?,
                at: delivery.now,
                content: None,
                is_again: false,
                is_answered: false,
            }),
        }])
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

struct Scene {
    engine: Engine,
    port: u16,
    reader: SqliteLedger,
    _folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let carrier = Carrier::new(Arc::new(Acme), Some(callback("acme")), Rate::default());
    let forward = sms_mcp::engine::settings::Forwarding::default();
    let engine = Engine::new(parts_with(&folder.path().join("ledger.db"), vec![carrier], &forward));
    engine.start(true).await.unwrap();
    let (port, _) = serve(&engine, "127.0.0.1:0").await;
    let reader = reader(&folder);
    Scene { engine, port, reader, _folder: folder }
}

/// The vendor's signature, by another implementation than ours.
fn signed(url: &str, sorted_form: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{url}{sorted_form}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

impl Scene {
    async fn sent(&self, to: usize, text: &str) -> MessageId {
        let args = SendArgs { to: fictional(to), message: text.into(), ..SendArgs::default() };
        self.engine.send(caller(), args).await.unwrap().id.unwrap()
    }

    async fn state(&self, id: &MessageId) -> State {
        self.reader.message("alice", id).await.unwrap().unwrap().state
    }

    /// What the vendor is answered. `HOST`, which `request` names, is not the public one: something stands
    /// between.
    async fn called(&self, method: &'static str, target: String, signature: String, form: &str) -> Answer {
        let (port, form) = (self.port, form.to_owned());
        let call = move || request(method, port, &target, &[(HEADER, signature.as_str())], form.as_bytes());
        tokio::task::spawn_blocking(call).await.unwrap()
    }
}

fn is_thanked(answer: &Answer) -> bool {
    (answer.status, answer.header("content-type"), answer.body.as_slice())
        == (200, Some("text/xml"), b"<Response/>".as_slice())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_vendor_signs_is_the_public_address_that_it_was_given_with_its_query_and_no_other() {
    let scene = scene().await;
    let id = scene.sent(1, "a").await;
    for message in [None, Some(&id)] {
        let (url, target) = (callback("acme").url(message), path("acme", message));
        let form = "To=%2B15558675310&MessageStatus=delivered&MessageSid=v-a&Empty=";
        let sorted = "EmptyMessageSidv-aMessageStatusdeliveredTo+15558675310";
        for (wrong, why) in [
            (signed(&format!("{url}?m=2"), sorted), "another query"),
            (signed(&url, sorted), "no query"),
            (
                signed(&format!("http://hooks.example.com{target}?m=1"), sorted),
                "the host that the request names",
            ),
            (signed(&format!("{url}?m=1"), &sorted.replace("delivered", "failed")), "another field"),
            (signed(&format!("{url}?m=1"), ""), "no fields"),
            (String::new(), "nothing"),
        ] {
            assert_eq!(scene.called("POST", format!("{target}?m=1"), wrong, form).await.status, 401, "{why}");
            assert_eq!(
                scene.state(&id).await,
                if message.is_none() { State::Sent } else { State::Delivered }
            );
        }
        let answer =
            scene.called("POST", format!("{target}?m=1"), signed(&format!("{url}?m=1"), sorted), form).await;
        assert!(is_thanked(&answer), "{answer:?}");
        assert_eq!(scene.state(&id).await, State::Delivered, "durable before it is thanked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_may_come_in_the_query_of_a_get() {
    let scene = scene().await;
    let (one, two) = (scene.sent(1, "a").await, scene.sent(2, "b").await);
    let query = "MessageSid=v-a&MessageStatus=delivered&x=%2B%20+";
    let signature = signed(&format!("{}?{query}", callback("acme").url(None)), "");
    let answer = scene.called("GET", format!("{}?{query}", path("acme", None)), signature.clone(), "").await;
    assert!(is_thanked(&answer), "{answer:?}");
    assert_eq!(scene.state(&one).await, State::Delivered);
    // The signature is that of the query as it stood, octet for octet.
    for other in [
        query.replace("v-a", "v-b"),
        query.replace("%2B", "%2b"),
        query.replace('+', "%20"),
        format!("{query}&"),
    ] {
        assert_eq!(
            scene
                .called("GET", format!("{}?{other}", path("acme", None)), signature.clone(), "")
                .await
                .status,
            401,
            "{other}"
        );
    }
    assert_eq!(scene.state(&two).await, State::Sent);
    let nothing = signed(&callback("acme").url(None), "");
    assert_eq!(
        scene.called("GET", path("acme", None), nothing, "").await.status,
        400,
        "signed, and it tells nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_wrote_is_kept_before_the_vendor_has_its_answer() {
    let scene = scene().await;
    let from = fictional(1);
    let form = format!("MessageSid=in-1&From={}&To=36179&Body=STOP", from.replace('+', "%2B"));
    let sorted = format!("BodySTOPFrom{from}MessageSidin-1To36179");
    let answer =
        scene.called("POST", path("acme", None), signed(&callback("acme").url(None), &sorted), &form).await;
    assert!(is_thanked(&answer), "{answer:?}");
    assert_eq!(
        scene.reader.opt_outs(9).await.unwrap().into_iter().map(|out| out.number).collect::<Vec<_>>(),
        [from]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_takes_the_methods_that_its_vendor_calls_with_and_says_so_to_whoever_has_it() {
    let scene = scene().await;
    let long = "x".repeat(300 * 1024);
    for method in ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
        let answer = scene.called(method, path("acme", None), String::new(), &long).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("GET, POST")),
            "{method}: its body is not read"
        );
        let nowhere = scene.called(method, format!("{}0", path("acme", None)), String::new(), "").await;
        assert_eq!((nowhere.status, nowhere.header("allow")), (404, None), "{method}");
    }
    let bench = bench().await;
    let port = bench.port;
    let asked =
        tokio::task::spawn_blocking(move || request("GET", port, &path("acme", None), &[SIGNED], b""))
            .await
            .unwrap();
    assert_eq!(
        (asked.status, asked.header("allow")),
        (405, Some("POST")),
        "a provider that says nothing of it takes POST alone"
    );
}
