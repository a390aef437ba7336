//! What comes in: webhooks over real sockets, with a provider that believes what the tests sign, and what
//! becomes of it when it comes twice, in the wrong order, as garbage, or just before the process is killed.

mod called;
mod words;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use sms_mcp::clock::{Clock as _, SystemClock, Timestamp};
use sms_mcp::config;
use sms_mcp::engine::contract::{SendArgs, StatusAnswer, StatusArgs};
use sms_mcp::engine::endpoint::Target;
use sms_mcp::engine::opt_outs::Wants;
use sms_mcp::engine::{Base, Caller, Carrier, Carriers, Engine, Parts};
use sms_mcp::error::{Error, ErrorKind, Result};
use sms_mcp::http::{Endpoint, Options};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::policy::Policy;
use sms_mcp::provider::exchange::{Delivery, Enquiry, Event, Finding, HeardBy, NotBelieved, Receipt, Reply};
use sms_mcp::provider::settings::{Callback, Rate};
use sms_mcp::provider::{Capabilities, Outcome, Provider, Submission};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Amount, Currency, Money};
use sms_mcp::sms::number::Number;

use crate::forward::Receiver;
use crate::support::{
    A_WHILE, LAST_RESORT, eventually, eventually_async, fictional, operator, person, within,
};
use crate::wire::{Reply as Answer, connect, read_reply};

const SIGNED: (&str, &str) = ("X-Signature", "good");
const KEY: [u8; 32] = [7; 32];

/// A vendor's side: what it says when it is asked, and what it was told.
#[derive(Default)]
pub struct Vendor {
    name: &'static str,
    polls: bool,
    fates: Mutex<Vec<(String, State)>>,
    asked: AtomicU32,
    refreshed: AtomicU32,
    failing_refreshes: AtomicU32,
    at_refresh: Mutex<Vec<Event>>,
    told: Mutex<Vec<(String, bool)>>,
    stalls_at_refresh: bool,
}

fn event_of(value: &Value, now: Timestamp, message: Option<&MessageId>) -> Result<Event, NotBelieved> {
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let need = |name: &str| text(name).ok_or_else(|| NotBelieved::Malformed(format!("`{name}` is missing")));
    let at = value["at_ms"]
        .as_i64()
        .map(Timestamp)
        .unwrap_or_else(|| value["at"].as_i64().map_or(now, |ms| now.plus_ms(ms)));
    Ok(match value["event"].as_str() {
        Some("receipt") => {
            let state = State::from_name(&need("state")?)
                .ok_or_else(|| NotBelieved::Malformed("`state` is none".into()))?;
            let price = value["price"].as_i64().map(|micros| Money { micros, currency: Currency::USD });
            Event::Receipt(Receipt {
                to: text("to"),
                why: text("why"),
                price,
                ..Receipt::new(need("id")?, state, at)
            })
        }
        Some("hint") => Event::Hint { vendor_id: need("id")?, message: message.cloned() },
        Some("reply") => Event::Reply(Reply {
            vendor_id: need("id")?,
            from: need("from")?.into(),
            to: "36179".into(),
            text: need("text")?,
            at,
            content: None,
            is_again: false,
            is_answered: false,
        }),
        Some("opt_out") => Event::OptOut {
            number: need("from")?.into(),
            is_out: value["out"].as_bool().unwrap_or(true),
            at: (!value["untimed"].as_bool().unwrap_or(false)).then_some(at),
            heard_by: message.cloned().map(HeardBy::Report),
        },
        _ => return Err(NotBelieved::Malformed("`event` is none of the documented ones".into())),
    })
}

#[async_trait]
impl Provider for Vendor {
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::SEND_ONLY;
        (can.status, can.receipts_by_push, can.receipts_by_poll, can.replies, can.opt_outs) =
            (true, true, self.polls, true, true);
        can
    }

    fn name(&self) -> &str {
        self.name
    }

    fn price(&self, _: &Number, segments: u32) -> Option<Money> {
        Money { micros: 100_000, currency: Currency::USD }.times(segments)
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        if submission.text == "lost" {
            return Outcome::Unknown { why: "reset".into() };
        }
        Outcome::Accepted {
            vendor_id: Some(format!("v-{}", submission.text)),
            status: State::Sent,
            segments: None,
            price: None,
        }
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let fates = self.fates.lock().unwrap();
        Ok(fates
            .iter()
            .filter(|(id, _)| *id == enquiry.vendor_id)
            .map(|(id, state)| Receipt {
                to: Some(enquiry.to.e164().to_owned()),
                ..Receipt::new(id.clone(), *state, SystemClock.now())
            })
            .collect())
    }

    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        let read: Value = serde_json::from_slice(delivery.body)
            .map_err(|_| NotBelieved::Malformed("the body is no JSON".into()))?;
        let list = read.as_array().ok_or_else(|| NotBelieved::Malformed("the body is no list".into()))?;
        // Hints need no signature: whoever sends one may be anybody.
        let is_signed = delivery.headers.get(SIGNED.0).is_some_and(|value| value == SIGNED.1);
        if !is_signed && !list.iter().all(|event| event["event"] == "hint") {
            return Err(NotBelieved::Signature);
        }
        list.iter().map(|event| event_of(event, delivery.now, delivery.message)).collect()
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        self.refreshed.fetch_add(1, Ordering::SeqCst);
        if self.stalls_at_refresh {
            std::future::pending::<()>().await;
        }
        if self.failing_refreshes.load(Ordering::SeqCst) > 0 {
            self.failing_refreshes.fetch_sub(1, Ordering::SeqCst);
            return Err(Error::new(ErrorKind::ProviderUnavailable, "not now"));
        }
        Ok(std::mem::take(&mut *self.at_refresh.lock().unwrap()))
    }

    async fn opt_out(&self, number: &Number, is_out: bool) -> Result<()> {
        self.told.lock().unwrap().push((number.e164().to_owned(), is_out));
        Ok(())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

fn callback(name: &str) -> Callback {
    Callback::new("https://sms.example.com", name, KEY)
}

/// The path of an address that a vendor was given.
fn path(name: &str, message: Option<&MessageId>) -> String {
    callback(name).url(message).strip_prefix("https://sms.example.com").unwrap().to_owned()
}

fn engine_at(ledger: &Path, vendors: &[Arc<Vendor>]) -> Engine {
    engine_telling(ledger, vendors, &sms_mcp::engine::settings::Forwarding::default())
}

fn engine_telling(
    ledger: &Path,
    vendors: &[Arc<Vendor>],
    forward: &sms_mcp::engine::settings::Forwarding,
) -> Engine {
    Engine::new(parts_at(ledger, vendors, forward))
}

fn parts_at(
    ledger: &Path,
    vendors: &[Arc<Vendor>],
    forward: &sms_mcp::engine::settings::Forwarding,
) -> Parts {
    let carriers = vendors.iter().map(|vendor| {
        Carrier::new(Arc::<Vendor>::clone(vendor), Some(callback(vendor.name)), Rate::default())
    });
    parts_with(ledger, carriers.collect(), forward)
}

fn parts_with(
    ledger: &Path,
    carriers: Vec<Carrier>,
    forward: &sms_mcp::engine::settings::Forwarding,
) -> Parts {
    let mut random = [0; 8];
    SystemClock.fill_random(&mut random).unwrap();
    let wide = Amount(1_000_000_000);
    let guard = sms_mcp::policy::Settings {
        recipient_per_hour: 1_000,
        recipient_per_day: 1_000,
        sends_per_second: 1_000,
        bulk_is_marketing_above: 100_000,
        session_spend: wide,
        session_messages: 10_000,
        day_spend: wide,
        day_messages: 10_000,
        ..sms_mcp::policy::Settings::default()
    };
    Parts {
        halts: Arc::default(),
        ledger: Arc::new(SqliteLedger::open(ledger, SystemClock.now(), random).unwrap()),
        carriers: Carriers::new(carriers, Vec::new()).unwrap(),
        policy: Policy::new(guard, std::collections::BTreeMap::new()),
        clock: Arc::new(SystemClock),
        settings: sms_mcp::engine::Settings::default(),
        keep_texts: true,
        default_region: None,
        stop_words: Default::default(),
        answers: Default::default(),
        forward: Target::new(
            forward,
            forward.secret.as_ref().map(|_| SecretText::new(crate::forward::secret())).as_ref(),
        )
        .unwrap(),
    }
}

async fn serve(engine: &Engine, listen: &str) -> (u16, CancellationToken) {
    let stop = CancellationToken::new();
    let options = Options {
        settings: sms_mcp::http::Settings { listen: listen.to_owned(), ..sms_mcp::http::Settings::default() },
        token: Some(SecretText::new("bearer")),
        user: "user".into(),
        tools: sms_mcp::mcp::Settings::default(),
        bulk_wait: Duration::from_secs(1),
        session_idle: Duration::from_secs(60),
        epoch: "test".to_owned(),
    };
    let endpoint = Endpoint::bind(engine.clone(), options, stop.clone()).await.unwrap();
    let port = endpoint.address().port();
    tokio::spawn(endpoint.serve());
    (port, stop)
}

pub struct Bench {
    pub engine: Engine,
    vendor: Arc<Vendor>,
    port: u16,
    /// Another process, as it were: it sees what is durable.
    pub reader: SqliteLedger,
    pub folder: tempfile::TempDir,
}

fn reader(folder: &tempfile::TempDir) -> SqliteLedger {
    SqliteLedger::open(&folder.path().join("ledger.db"), SystemClock.now(), [9; 8]).unwrap()
}

async fn bench_with(vendor: Vendor) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    bench_telling(vendor, folder, &sms_mcp::engine::settings::Forwarding::default()).await
}

async fn bench_telling(
    vendor: Vendor,
    folder: tempfile::TempDir,
    forward: &sms_mcp::engine::settings::Forwarding,
) -> Bench {
    bench_for(vendor, folder, forward, None).await
}

/// A bench whose operator is in this region.
pub async fn bench_in(region: Option<&str>, forward: &sms_mcp::engine::settings::Forwarding) -> Bench {
    bench_for(Vendor { name: "acme", ..Vendor::default() }, tempfile::tempdir().unwrap(), forward, region)
        .await
}

async fn bench_for(
    vendor: Vendor,
    folder: tempfile::TempDir,
    forward: &sms_mcp::engine::settings::Forwarding,
    region: Option<&str>,
) -> Bench {
    let vendor = Arc::new(vendor);
    let other = Arc::new(Vendor { name: "other", ..Vendor::default() });
    let parts = parts_at(&folder.path().join("ledger.db"), &[Arc::clone(&vendor), other], forward);
    let engine = Engine::new(Parts { default_region: region.map(|code| code.parse().unwrap()), ..parts });
    bench_of(engine, vendor, folder).await
}

async fn bench_of(engine: Engine, vendor: Arc<Vendor>, folder: tempfile::TempDir) -> Bench {
    engine.start(true).await.unwrap();
    let (port, _) = serve(&engine, "127.0.0.1:0").await;
    let reader = reader(&folder);
    Bench { engine, vendor, port, reader, folder }
}

async fn bench() -> Bench {
    bench_with(Vendor { name: "acme", ..Vendor::default() }).await
}

fn request(method: &str, port: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = connect(port);
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: hooks.example.com\r\nOrigin: \
         https://vendor.example\r\nConnection: close\r\n"
    );
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
    let _ = stream.write_all(body);
    read_reply(&mut stream).expect("an answer")
}

pub fn caller() -> Caller {
    Caller::new("alice", Base::Open)
}

impl Bench {
    async fn send(&self, to: usize, text: &str) -> MessageId {
        let args = SendArgs { to: fictional(to), message: text.into(), ..SendArgs::default() };
        match self.engine.send(caller(), args).await {
            Ok(answer) => answer.id.unwrap(),
            Err(error) => MessageId::from_text(error.details().message_id.clone().unwrap()),
        }
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let (port, path) = (self.port, path.to_owned());
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let post = move || {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            request("POST", port, &path, &headers, &body)
        };
        tokio::task::spawn_blocking(post).await.unwrap()
    }

    /// Signed events to the vendor's address.
    pub async fn told(&self, events: Value) -> u16 {
        self.post(&path("acme", None), &[SIGNED], events.to_string().into_bytes()).await.status
    }

    /// The same to the address of one message.
    async fn told_of(&self, id: &MessageId, events: Value) -> u16 {
        self.post(&path("acme", Some(id)), &[SIGNED], events.to_string().into_bytes()).await.status
    }

    pub async fn status(&self, id: &MessageId) -> StatusAnswer {
        self.engine
            .status(&caller(), StatusArgs { id: id.to_string(), ..StatusArgs::default() })
            .await
            .unwrap()
    }

    async fn state(&self, id: &MessageId) -> State {
        // From the ledger alone, without asking the vendor.
        self.reader.message("alice", id).await.unwrap().unwrap().state
    }

    pub async fn opted_out(&self) -> Vec<(String, String)> {
        self.reader.opt_outs(100).await.unwrap().into_iter().map(|out| (out.number, out.source)).collect()
    }

    async fn eventually(&self, id: &MessageId, state: State) {
        eventually_async(&format!("{id} is {state}"), async || self.state(id).await == state).await;
    }
}

fn receipt(id: &str, state: &str) -> Value {
    json!([{ "event": "receipt", "id": id, "state": state }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_receipt_is_recorded_before_it_is_thanked_for() {
    let bench = bench().await;
    let id = bench.send(1, "a").await;
    assert_eq!(bench.told(receipt("v-a", "delivered")).await, 204);
    assert_eq!(bench.state(&id).await, State::Delivered);
    // Again, and an older one after it: nothing moves back.
    for state in ["delivered", "sent", "failed"] {
        assert_eq!(bench.told(receipt("v-a", state)).await, 204);
    }
    assert_eq!(bench.state(&id).await, State::Delivered);
    assert_eq!(
        bench.status(&id).await.history.iter().filter(|step| step.status == State::Delivered).count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_one_request_may_come_in_any_order() {
    let bench = bench().await;
    let (one, two) = (bench.send(1, "a").await, bench.send(2, "b").await);
    let events = json!([
        { "event": "receipt", "id": "v-b", "state": "failed", "why": "absent\u{202e}" },
        { "event": "receipt", "id": "v-a", "state": "delivered" },
        { "event": "receipt", "id": "v-a", "state": "sent" },
        { "event": "receipt", "id": "v-of-nobody", "state": "delivered" },
    ]);
    assert_eq!(bench.told(events).await, 204);
    assert_eq!((bench.state(&one).await, bench.state(&two).await), (State::Delivered, State::Failed));
    assert_eq!(
        bench.status(&two).await.history.last().unwrap().reason_untrusted.as_deref(),
        Some("absent\\u{202e}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_comes_before_its_message_is_known_is_applied_later() {
    let bench = bench().await;
    assert_eq!(bench.told(receipt("v-early", "delivered")).await, 204);
    let id = bench.send(1, "early").await;
    assert_eq!(bench.state(&id).await, State::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_price_of_a_receipt_corrects_what_was_charged() {
    let bench = bench().await;
    let id = bench.send(1, "a").await;
    assert_eq!(
        bench.told(json!([{ "event": "receipt", "id": "v-a", "state": "failed", "price": 0 }])).await,
        204
    );
    assert_eq!(bench.status(&id).await.message.unwrap().price.amount, "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_address_gets_the_same_answer_and_its_body_is_not_read() {
    let bench = bench().await;
    let id = bench.send(1, "a").await;
    let good = path("acme", None);
    let token = good.rsplit('/').next().unwrap();
    let of_message = path("acme", Some(&id));
    let stolen = of_message.replace(id.as_str(), "msg_01jd0000000000000000000000");
    let mut answers = Vec::new();
    for wrong in [
        format!("/webhooks/nobody/{token}"),
        format!("/webhooks/other/{token}"),
        "/webhooks/acme/0".to_owned(),
        format!("/webhooks/acme/{token}0"),
        format!("/webhooks/acme/{}", token.to_uppercase()),
        format!("/webhooks/other/{}", of_message.rsplit('/').next().unwrap()),
        format!("/webhooks/acme/.{token}"),
        "/webhooks/acme/%00%ff".to_owned(),
        stolen,
    ] {
        let answer = bench.post(&wrong, &[SIGNED], vec![b'x'; 300 * 1024]).await;
        assert!(answer.status == 404 || (wrong.contains('%') && answer.status == 400), "{wrong}: {answer:?}");
        if answer.status == 404 {
            answers.push((answer.header("content-type").map(str::to_owned), answer.body));
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    assert_eq!(bench.state(&id).await, State::Sent);
    assert_eq!(
        bench.post(&of_message, &[SIGNED], receipt("v-a", "delivered").to_string().into_bytes()).await.status,
        204
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_request_has_its_own_answer_and_none_echoes_it() {
    let bench = bench().await;
    let address = path("acme", None);
    let body = receipt("canary-id", "delivered").to_string().into_bytes();
    assert_eq!(bench.post(&address, &[], body.clone()).await.status, 401);
    assert_eq!(bench.post(&address, &[("X-Signature", "bad")], body.clone()).await.status, 401);
    let malformed = bench.post(&address, &[SIGNED], b"{\"canary\": 1}".to_vec()).await;
    assert_eq!(malformed.status, 400);
    assert!(!String::from_utf8_lossy(&malformed.body).contains("canary"), "{malformed:?}");
    assert_eq!(bench.post(&address, &[SIGNED], vec![b'['; 256 * 1024 + 1]).await.status, 413);
    let port = bench.port;
    let others = tokio::task::spawn_blocking(move || {
        ["GET", "PUT", "DELETE", "PATCH"]
            .map(|method| request(method, port, &path("acme", None), &[SIGNED], b"[]").status)
    });
    assert_eq!(others.await.unwrap(), [405; 4]);
    // Half a body, then silence.
    let slow = tokio::task::spawn_blocking(move || {
        let mut stream = connect(port);
        let address = path("acme", None);
        stream
            .write_all(
                format!(
                    "POST {address} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\nConnection: close\r\n\r\n["
                )
                .as_bytes(),
            )
            .unwrap();
        read_reply(&mut stream).expect("an answer").status
    });
    assert_eq!(slow.await.unwrap(), 408);
    // The gate of MCP stands where it stood.
    let closed = tokio::task::spawn_blocking(move || crate::wire::post(port, &[], b"{}").status);
    assert_eq!(closed.await.unwrap(), 401);
    assert_eq!(bench.told(json!([])).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_garbage_requests_change_nothing() {
    let bench = bench().await;
    let id = bench.send(1, "a").await;
    let (port, address) = (bench.port, path("acme", None));
    let garbage = tokio::task::spawn_blocking(move || {
        let mut seed: u64 = 42;
        let mut next = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            seed >> 33
        };
        for index in 0..300 {
            let length = usize::try_from(next() % 400).unwrap();
            let mut body: Vec<u8> = (0..length).map(|_| u8::try_from(next() % 256).unwrap()).collect();
            if index % 3 == 0 {
                // Nearly right.
                body = receipt("v-a", "delivered").to_string().into_bytes();
                let at = usize::try_from(next()).unwrap() % (body.len() - 1);
                body.truncate(at);
            }
            let signed: &[(&str, &str)] = if index % 2 == 0 { &[SIGNED] } else { &[] };
            let status = request("POST", port, &address, signed, &body).status;
            assert!((400..500).contains(&status), "{status} for {body:?}");
        }
    });
    garbage.await.unwrap();
    assert_eq!(bench.state(&id).await, State::Sent);
    assert_eq!(bench.told(receipt("v-a", "delivered")).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_without_a_usable_id_are_left_out_and_the_others_taken() {
    let bench = bench().await;
    let id = bench.send(1, "a").await;
    let events = json!([
        { "event": "receipt", "id": "", "state": "delivered" },
        { "event": "receipt", "id": "x".repeat(10_000), "state": "delivered" },
        { "event": "opt_out", "from": "nobody" },
        { "event": "receipt", "id": "v-a", "state": "delivered" },
    ]);
    assert_eq!(bench.told(events).await, 204);
    assert_eq!(bench.state(&id).await, State::Delivered);
    assert!(bench.opted_out().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_cannot_be_written_makes_the_vendor_try_again() {
    let bench = bench().await;
    let id = bench.send(1, "a").await;
    bench.engine.stop(Duration::from_millis(1)).await;
    let answer = bench
        .post(&path("acme", None), &[SIGNED], receipt("v-a", "delivered").to_string().into_bytes())
        .await;
    assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{answer:?}");
    assert_eq!(bench.state(&id).await, State::Sent);
    // The server that comes next takes it.
    let engine = engine_at(&bench.folder.path().join("ledger.db"), &[Arc::clone(&bench.vendor)]);
    let (port, _) = serve(&engine, "127.0.0.1:0").await;
    let next = Bench { engine, port, ..bench };
    assert_eq!(next.told(receipt("v-a", "delivered")).await, 204);
    assert_eq!(next.state(&id).await, State::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_proves_nothing_and_makes_the_vendor_be_asked_at_once() {
    let bench = bench().await;
    let id = bench.send(1, "a").await;
    let hint = |id: &str| json!([{ "event": "hint", "id": id }]).to_string().into_bytes();
    assert_eq!(bench.post(&path("acme", None), &[], hint("v-a")).await.status, 204);
    eventually_async("the vendor is asked", async || bench.vendor.asked.load(Ordering::SeqCst) == 1).await;
    assert_eq!(bench.state(&id).await, State::Sent, "the vendor knows nothing yet");
    bench.vendor.fates.lock().unwrap().push(("v-a".into(), State::Delivered));
    assert_eq!(bench.post(&path("acme", None), &[], hint("v-a")).await.status, 204);
    bench.eventually(&id, State::Delivered).await;
    // One about nobody's message asks nobody.
    assert_eq!(bench.post(&path("acme", None), &[], hint("v-unknown")).await.status, 204);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(bench.vendor.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_at_a_messages_own_address_settles_what_was_unknown() {
    let bench = bench().await;
    let id = bench.send(1, "lost").await;
    assert_eq!(bench.state(&id).await, State::Unknown);
    bench.vendor.fates.lock().unwrap().push(("v-77".into(), State::Delivered));
    let hint = json!([{ "event": "hint", "id": "v-77" }]).to_string().into_bytes();
    assert_eq!(bench.post(&path("acme", Some(&id)), &[], hint).await.status, 204);
    bench.eventually(&id, State::Delivered).await;
    assert_eq!(bench.status(&id).await.message.unwrap().provider_message_id.as_deref(), Some("v-77"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_comes_by_itself_the_vendor_is_asked() {
    let bench = bench_with(Vendor { name: "acme", polls: true, ..Vendor::default() }).await;
    let id = bench.send(1, "a").await;
    bench.vendor.fates.lock().unwrap().push(("v-a".into(), State::Delivered));
    bench.eventually(&id, State::Delivered).await;
}

pub fn reply(id: &str, from: &str, text: &str) -> Value {
    json!([{ "event": "reply", "id": id, "from": from, "text": text }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_shown_with_the_message_that_it_answers_once_and_escaped() {
    let bench = bench().await;
    let id = bench.send(1, "a").await;
    let long = "y".repeat(900);
    for text in ["Yes\u{202e} please", "Yes\u{202e} please"] {
        assert_eq!(
            bench.told(reply("r-1", &fictional(1)[1..], text)).await,
            204,
            "twice, and without the plus"
        );
    }
    assert_eq!(bench.told(reply("r-2", &fictional(1), &long)).await, 204);
    let status = bench.status(&id).await;
    let texts: Vec<&str> = status.replies.iter().map(|reply| reply.text_untrusted.as_str()).collect();
    assert_eq!(texts, ["Yes\\u{202e} please", long.as_str()]);
    assert_eq!(
        (status.replies[0].from.as_str(), status.message.unwrap().replies),
        (fictional(1).as_str(), 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opt_out_that_a_vendor_still_lists_from_before_a_start_changes_nothing_and_a_later_one_does() {
    let bench = bench().await;
    bench.send(1, "a").await;
    // Yesterday, at no round time.
    let start = SystemClock.now().as_millis() / 86_400_000 * 86_400_000 - 40_000_123;
    let said = |event: &str, id: &str, text: &str, at: i64| json!([{ "event": event, "id": id, "from": fictional(1), "text": text, "out": true, "at_ms": at }]);
    assert_eq!(bench.told(said("reply", "r-1", "STOP", start - 7_200_000)).await, 204);
    assert_eq!(bench.told(said("reply", "r-2", "START", start)).await, 204);
    assert!(bench.opted_out().await.is_empty());
    let minute = start / 60_000 * 60_000;
    for at in [start - 7_200_000, start - 1, minute - 60_000] {
        assert_eq!(bench.told(said("opt_out", "", "", at)).await, 204);
        assert!(bench.opted_out().await.is_empty(), "listed since {} ms before the START", start - at);
    }
    // In doubt it is newer: later, in the same minute, on the same day.
    for at in [start + 1, minute, start / 86_400_000 * 86_400_000] {
        assert_eq!(bench.told(said("opt_out", "", "", at)).await, 204);
        assert_eq!(
            bench.opted_out().await,
            [(fictional(1), "acme".to_owned())],
            "{at} and the START at {start}"
        );
        assert!(bench.engine.set_opt_out(&operator(), &fictional(1), Wants::Texts(&person())).await.is_ok());
    }
}

/// A clock that stands until it is moved.
struct ByHand(AtomicI64);

impl sms_mcp::clock::Clock for ByHand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<()> {
        SystemClock.fill_random(bytes)
    }

    fn sleep(&self, duration: Duration) -> futures::future::BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_asked_about_a_message_once_in_five_seconds_and_the_answer_says_whether_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let vendor = Arc::new(Vendor { name: "acme", ..Vendor::default() });
    let clock = Arc::new(ByHand(AtomicI64::new(SystemClock.now().as_millis())));
    let parts = parts_at(
        &folder.path().join("ledger.db"),
        &[Arc::clone(&vendor)],
        &sms_mcp::engine::settings::Forwarding::default(),
    );
    let engine = Engine::new(Parts { clock: Arc::clone(&clock) as _, ..parts });
    let mut ids = Vec::new();
    for n in 1..=2 {
        let args = SendArgs { to: fictional(n), message: format!("{n}"), ..SendArgs::default() };
        ids.push(engine.send(caller(), args).await.unwrap().id.unwrap().to_string());
    }
    let look = async |n: usize| {
        engine.status(&caller(), StatusArgs { id: ids[n].clone(), cursor: None }).await.unwrap().fresh
    };
    assert_eq!([look(0).await, look(0).await, look(1).await], [true, false, true]);
    clock.0.fetch_add(4_999, Ordering::SeqCst);
    assert_eq!([look(0).await, look(1).await], [false, false]);
    assert_eq!(vendor.asked.load(Ordering::SeqCst), 2);
    clock.0.fetch_add(1, Ordering::SeqCst);
    assert_eq!([look(0).await, look(0).await], [true, false]);
    assert_eq!(vendor.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_replies_are_shown_as_far_as_a_page_holds_and_a_cursor_leads_to_the_others() {
    let bench = bench().await;
    let id = bench.send(1, "a").await;
    let text = |n: usize| format!("{n:02}{}", "y".repeat(1_998));
    for n in 0..10 {
        assert_eq!(bench.told(reply(&format!("r-{n}"), &fictional(1), &text(n))).await, 204);
    }
    // What is not seen is written out, eight characters each.
    assert_eq!(bench.told(reply("r-10", &fictional(1), &"\u{202e}".repeat(2_000))).await, 204);
    let page = async |cursor: Option<String>| {
        let status = bench.engine.status(&caller(), StatusArgs { id: id.to_string(), cursor }).await.unwrap();
        let texts: Vec<String> = status.replies.iter().map(|reply| reply.text_untrusted.clone()).collect();
        assert!(texts.iter().map(|text| text.chars().count()).sum::<usize>() <= 8_000);
        assert_eq!(status.replies_omitted as usize, 11 - texts.len());
        (texts, status.next_cursor)
    };
    let (first, cursor) = page(None).await;
    assert!(first.len() == 1 && first[0].starts_with("\\u{202e}") && first[0].ends_with('\u{2026}'));
    let (second, cursor) = page(cursor).await;
    assert_eq!(second, [text(6), text(7), text(8), text(9)], "oldest first");
    let (third, cursor) = page(cursor).await;
    assert_eq!(third, [text(2), text(3), text(4), text(5)]);
    assert_eq!(page(cursor).await, (vec![text(0), text(1)], None));
    for wrong in ["", "r", "c1", "r1", "r-1", "rg-1", "r1-1-1", "r99999999999999999999-1"] {
        let args = StatusArgs { id: id.to_string(), cursor: Some(wrong.into()) };
        assert_eq!(
            bench.engine.status(&caller(), args).await.unwrap_err().kind(),
            ErrorKind::InvalidArgument,
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_the_texts_to_that_person_and_a_start_begins_them_again() {
    let bench = bench().await;
    bench.send(1, "a").await;
    assert_eq!(bench.told(reply("r-1", &fictional(1), " Stop! ")).await, 204);
    assert_eq!(bench.opted_out().await, [(fictional(1), "reply".to_owned())]);
    let refused = bench
        .engine
        .send(caller(), SendArgs { to: fictional(1), message: "b".into(), ..SendArgs::default() })
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::OptedOut);
    for other in ["yes", "start please", "please do not stop", "STOP IT"] {
        bench.told(reply(&format!("r-{other}"), &fictional(2), other)).await;
    }
    assert_eq!(bench.opted_out().await.len(), 1);
    // Told twice: the vendor is not asked twice, and the ledger stays.
    assert_eq!(bench.told(reply("r-1", &fictional(1), " Stop! ")).await, 204);
    assert_eq!(bench.told(reply("r-3", &fictional(1), "Start")).await, 204);
    assert!(bench.opted_out().await.is_empty());
    assert!(
        bench
            .engine
            .send(caller(), SendArgs { to: fictional(1), message: "b".into(), ..SendArgs::default() })
            .await
            .is_ok()
    );
    eventually_async("the vendor is told of both", async || bench.vendor.told.lock().unwrap().len() >= 2)
        .await;
    assert_eq!(*bench.vendor.told.lock().unwrap(), [(fictional(1), true), (fictional(1), false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_told_onward_once_with_the_message_that_it_answers() {
    let receiver = Receiver::new(&[]);
    let bench = bench_telling(
        Vendor { name: "acme", ..Vendor::default() },
        tempfile::tempdir().unwrap(),
        &receiver.settings(),
    )
    .await;
    let id = bench.send(1, "a").await;
    for _ in 0..2 {
        assert_eq!(bench.told(reply("r-1", &fictional(1), "Yes\u{202e}")).await, 204);
    }
    // What is told of a later text is written after all that there is to tell of this one.
    bench.send(2, "b").await;
    let told = tokio::task::spawn_blocking(move || receiver.taken(3)).await.unwrap();
    let replied: Vec<&Value> =
        told.iter().map(|heard| &heard.body).filter(|body| body["type"] == "message.replied").collect();
    assert_eq!(replied.len(), 1, "{told:?}");
    let data = &replied[0]["data"];
    assert_eq!(
        (&data["text"], &data["from"], &data["in_reply_to"]),
        (&json!("Yes\u{202e}"), &json!(fictional(1)), &json!(id.as_str()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_comes_late_does_not_undo_a_later_stop() {
    let bench = bench().await;
    let earlier =
        json!([{ "event": "reply", "id": "r-1", "from": fictional(1), "text": "START", "at": -60_000 }]);
    let from_tomorrow =
        json!([{ "event": "reply", "id": "r-0", "from": fictional(2), "text": "STOP", "at": 86_400_000 }]);
    assert_eq!(bench.told(from_tomorrow).await, 204);
    assert_eq!(bench.told(reply("r-00", &fictional(2), "START")).await, 204);
    assert!(bench.opted_out().await.is_empty(), "a vendor's clock that is ahead does not outdo a later wish");
    assert_eq!(bench.told(reply("r-2", &fictional(1), "STOP")).await, 204);
    assert_eq!(bench.told(earlier.clone()).await, 204);
    assert_eq!(bench.told(earlier).await, 204);
    assert_eq!(bench.opted_out().await.len(), 1);
    let of_the_first = || bench.vendor.told.lock().unwrap().iter().any(|(number, _)| *number == fictional(1));
    eventually_async("the vendor is told of the stop", async || of_the_first()).await;
    tokio::time::sleep(A_WHILE).await;
    let told: Vec<_> = bench
        .vendor
        .told
        .lock()
        .unwrap()
        .iter()
        .filter(|(number, _)| *number == fictional(1))
        .cloned()
        .collect();
    assert_eq!(told, [(fictional(1), true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_again_does_not_undo_what_was_wished_since() {
    let bench = bench().await;
    let at = SystemClock.now().plus_ms(-60_000).as_millis();
    let stops = [1, 2].map(|n| json!([{ "event": "reply", "id": format!("r-{n}"), "from": fictional(n), "text": "STOP", "at_ms": at }]));
    for stop in &stops {
        assert_eq!(bench.told(stop.clone()).await, 204);
    }
    assert_eq!(bench.opted_out().await.len(), 2);
    // This vendor names no time: told again, it looks new.
    let start = reply("r-3", &fictional(1), "START");
    assert_eq!(bench.told(start.clone()).await, 204);
    bench.reader.opt_out(&fictional(2), false, "operator", SystemClock.now()).await.unwrap();
    assert!(bench.opted_out().await.is_empty());
    for stop in stops {
        assert_eq!(bench.told(stop).await, 204);
    }
    assert!(bench.opted_out().await.is_empty(), "a vendor that heard no thanks in time tells it again");
    assert_eq!(bench.told(reply("r-4", &fictional(1), "STOP")).await, 204);
    assert_eq!(bench.told(start).await, 204);
    assert_eq!(bench.opted_out().await.len(), 1, "an old start undoes no later stop");
    assert_eq!(bench.told(reply("r-5", &fictional(1), "START")).await, 204);
    assert!(bench.opted_out().await.is_empty());
    // Later by the clock, which counts milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(bench.told(reply("r-4", &fictional(1), "STOP")).await, 204);
    assert!(bench.opted_out().await.is_empty(), "by its id that is the text of before the start");
    // Neither id nor time of its own: a stop that is said again may not be missed.
    let nameless = reply("sha256-0b57e1", &fictional(1), "STOP");
    assert_eq!(bench.told(nameless.clone()).await, 204);
    assert_eq!(bench.opted_out().await.len(), 1);
    assert_eq!(bench.told(reply("r-6", &fictional(1), "START")).await, 204);
    assert!(bench.opted_out().await.is_empty());
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(bench.told(nameless).await, 204);
    assert_eq!(bench.opted_out().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_an_opt_out_that_is_told_again_stops_nobody_who_asked_for_texts_since() {
    let ago = SystemClock.now().plus_ms(-60_000).as_millis();
    for wish in [
        // The report's own time, and where it has none the moment at which it was told first.
        json!({ "event": "opt_out", "from": fictional(1), "at_ms": ago }),
        json!({ "event": "opt_out", "from": fictional(1), "untimed": true }),
    ] {
        let bench = bench().await;
        let id = bench.send(1, "a").await;
        let receipt = json!({ "event": "receipt", "id": "v-a", "state": "failed", "why": "opted out" });
        let report = json!([receipt, wish]);
        assert_eq!(bench.told_of(&id, report.clone()).await, 204);
        assert_eq!(bench.opted_out().await.len(), 1, "{wish}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(bench.told(reply("r-1", &fictional(1), "START")).await, 204);
        assert!(bench.opted_out().await.is_empty(), "{wish}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(bench.told_of(&id, report).await, 204);
        assert!(bench.opted_out().await.is_empty(), "{wish}: it was said before the start");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_no_vendor_can_mean_is_when_it_was_told() {
    let day = 86_400_000;
    let now = SystemClock.now();
    let bench = bench().await;
    // Digits of a local date as a count of milliseconds, seconds as milliseconds, and the other way round.
    for (n, at_ms) in [(1, 202_611_280_330), (2, now.as_millis() / 1_000), (3, now.as_millis() * 1_000)] {
        let text = n.to_string();
        bench.send(n, &text).await;
        let told = json!([
            { "event": "receipt", "id": format!("v-{text}"), "state": "delivered", "at_ms": at_ms },
            { "event": "reply", "id": format!("r-{n}"), "from": fictional(n), "text": "STOP", "at_ms": at_ms },
        ]);
        assert_eq!(bench.told(told).await, 204);
        let wish = json!([{ "event": "opt_out", "from": fictional(10 + n), "at_ms": at_ms }]);
        assert_eq!(bench.told(wish).await, 204);
    }
    let stopped = bench.reader.opt_outs(100).await.unwrap();
    assert_eq!(stopped.len(), 6);
    for stop in &stopped {
        let ago = SystemClock.now().as_millis() - stop.at.as_millis();
        assert!((0..day).contains(&ago), "{} at {}", stop.number, stop.at.rfc3339());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_operator_takes_back_what_the_operator_decided() {
    let bench = bench().await;
    bench.reader.opt_out(&fictional(1), true, "operator", SystemClock.now().plus_ms(-1_000)).await.unwrap();
    assert_eq!(bench.told(reply("r-1", &fictional(1), "START")).await, 204);
    assert_eq!(bench.told(json!([{ "event": "opt_out", "from": fictional(1), "out": false }])).await, 204);
    assert_eq!(bench.opted_out().await, [(fictional(1), "operator".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_opt_outs_come_by_webhook_and_when_it_is_asked() {
    let vendor = Vendor { name: "acme", ..Vendor::default() };
    vendor.at_refresh.lock().unwrap().push(Event::OptOut {
        number: fictional(3).into(),
        is_out: true,
        at: None,
        heard_by: None,
    });
    let bench = bench_with(vendor).await;
    assert_eq!(bench.told(json!([{ "event": "opt_out", "from": fictional(1) }])).await, 204);
    eventually_async("both are recorded", async || bench.opted_out().await.len() >= 2).await;
    assert!(bench.opted_out().await.iter().all(|(_, source)| source == "acme"));
    assert!(bench.vendor.told.lock().unwrap().is_empty(), "it knows that itself");
    assert_eq!(bench.told(json!([{ "event": "opt_out", "from": fictional(1), "out": false }])).await, 204);
    assert_eq!(bench.opted_out().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_does_not_answer_holds_no_start_up() {
    // It never answers: whatever waited for it would never end.
    let stalling = bench_with(Vendor { name: "acme", stalls_at_refresh: true, ..Vendor::default() }).await;
    let failing =
        bench_with(Vendor { name: "acme", failing_refreshes: AtomicU32::new(9), ..Vendor::default() }).await;
    stalling.send(1, "a").await;
    failing.send(1, "a").await;
    eventually_async("it is asked", async || failing.vendor.refreshed.load(Ordering::SeqCst) > 0).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(failing.vendor.refreshed.load(Ordering::SeqCst), 1, "it is asked again later, not at once");
    within("a stop that could wait for longer", stalling.engine.stop(2 * LAST_RESORT)).await;
    within("a stop that could wait for longer", failing.engine.stop(2 * LAST_RESORT)).await;
}

/// Not a test: the server process that the next test kills. It stands here since only the tests have this
/// vendor.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_the_tests_vendor() {
    let Some(ledger) = std::env::var_os("INBOUND_LEDGER") else { return };
    sms_mcp::app::start_logging(&config::Log {
        level: config::LogLevel::Trace,
        format: config::LogFormat::Json,
    });
    let vendor = Arc::new(Vendor { name: "acme", ..Vendor::default() });
    let engine = engine_at(Path::new(&ledger), &[vendor]);
    engine.start(true).await.unwrap();
    serve(&engine, &std::env::var("INBOUND_LISTEN").unwrap()).await;
    std::future::pending::<()>().await;
}

/// Starts that process, and waits until it listens.
fn server_process(ledger: &Path, log: Stdio) -> (std::process::Child, u16) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "inbound::a_server_with_the_tests_vendor", "--nocapture"])
        .env("INBOUND_LEDGER", ledger)
        .env("INBOUND_LISTEN", format!("127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    eventually("the server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (child, port)
}

#[test]
fn no_log_shows_what_a_person_wrote_who_it_was_or_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let (mut child, port) =
        server_process(&folder.path().join("ledger.db"), std::fs::File::create(&log).unwrap().into());
    let (address, number) = (path("acme", None), fictional(7));
    let post = |path: &str, headers: &[(&str, &str)], body: &Value| {
        request("POST", port, path, headers, body.to_string().as_bytes()).status
    };
    let good = json!([
        { "event": "reply", "id": "canary-id", "from": number, "text": "canary-text" },
        { "event": "reply", "id": "canary-stop", "from": number, "text": "stop" },
        { "event": "receipt", "id": "canary-id", "state": "failed", "why": "canary-why" },
        { "event": "hint", "id": "canary-id" },
        { "event": "opt_out", "from": "canary-number" },
        { "event": "receipt", "id": "", "state": "delivered", "why": "canary-why" },
    ]);
    assert_eq!(post(&address, &[SIGNED], &good), 204);
    assert_eq!(post(&address, &[("X-Signature", "canary-signature")], &good), 401);
    assert_eq!(post(&address, &[SIGNED], &json!([{ "event": "canary-event" }])), 400);
    assert_eq!(post(&format!("{address}-canary-token"), &[SIGNED], &good), 404);
    child.kill().unwrap();
    child.wait().unwrap();
    let log = std::fs::read_to_string(log).unwrap();
    for event in [
        "webhook read",
        "reply received",
        "an opt-out was recorded",
        "its signature is wrong",
        "does not parse as documented",
    ] {
        assert!(log.contains(event), "the log must have been on to prove anything: {event}: {log}");
    }
    for canary in ["canary", number.as_str(), address.rsplit('/').next().unwrap()] {
        assert!(!log.contains(canary), "{canary} in {log}");
    }
}

#[test]
fn what_was_thanked_for_survives_a_kill_right_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ids: Vec<MessageId> = runtime.block_on(async {
        let engine = engine_at(&ledger, &[Arc::new(Vendor { name: "acme", ..Vendor::default() })]);
        let mut ids = Vec::new();
        for index in 0..6 {
            let args = SendArgs { to: fictional(index), message: format!("k{index}"), ..SendArgs::default() };
            ids.push(engine.send(caller(), args).await.unwrap().id.unwrap());
        }
        engine.stop(Duration::from_secs(1)).await;
        ids
    });
    for (index, id) in ids.iter().enumerate() {
        let (mut child, port) = server_process(&ledger, Stdio::null());
        let events = json!([
            { "event": "receipt", "id": format!("v-k{index}"), "state": "delivered" },
            { "event": "receipt", "id": format!("v-later{index}"), "state": "delivered" },
            { "event": "reply", "id": format!("r-{index}"), "from": fictional(index), "text": "stop" },
        ]);
        let status =
            request("POST", port, &path("acme", None), &[SIGNED], events.to_string().as_bytes()).status;
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        assert_eq!(status, 204);
        runtime.block_on(async {
            let store = SqliteLedger::open(&ledger, SystemClock.now(), [9; 8]).unwrap();
            assert_eq!(store.message("alice", id).await.unwrap().unwrap().state, State::Delivered);
            assert_eq!(crate::support::replies(&store, id).await.len(), 1);
            assert_eq!(store.opt_outs(100).await.unwrap().len(), index + 1);
            store.close().await.unwrap();
        });
    }
    // What came early is applied when its message is sent.
    runtime.block_on(async {
        let engine = engine_at(&ledger, &[Arc::new(Vendor { name: "acme", ..Vendor::default() })]);
        for index in 0..6 {
            let args = SendArgs {
                to: fictional(50 + index),
                message: format!("later{index}"),
                ..SendArgs::default()
            };
            let id = engine.send(caller(), args).await.unwrap().id.unwrap();
            assert_eq!(
                engine
                    .status(&caller(), StatusArgs { id: id.to_string(), ..StatusArgs::default() })
                    .await
                    .unwrap()
                    .message
                    .unwrap()
                    .status,
                State::Delivered
            );
        }
    });
}

#[tokio::test]
async fn more_requests_than_places_are_asked_to_come_again() {
    let bench = bench().await;
    let port = bench.port;
    // A body may take 5 s, which a busy machine needs for itself. Time stands still while the requests are
    // made.
    tokio::time::pause();
    let answers = tokio::task::spawn_blocking(move || {
        let half = format!(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n{}: \
             {}\r\nConnection: close\r\n\r\n",
            path("acme", None),
            SIGNED.0,
            SIGNED.1
        );
        let mut slow: Vec<_> = (0..64).map(|_| connect(port)).collect();
        slow.iter_mut().for_each(|stream| stream.write_all(half.as_bytes()).unwrap());
        for stream in &mut slow {
            // Its body is asked for once it has its place.
            let mut asked = [0; 25];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(&asked[..], b"HTTP/1.1 100 Continue\r\n\r\n");
            stream.write_all(b"[").unwrap();
        }
        let busy = request("POST", port, &path("acme", None), &[SIGNED], b"[]").status;
        slow.iter_mut().for_each(|stream| stream.write_all(b"]").unwrap());
        let slow: Vec<u16> = slow.iter_mut().map(|stream| read_reply(stream).unwrap().status).collect();
        (busy, slow, request("POST", port, &path("acme", None), &[SIGNED], b"[]").status)
    });
    let (busy, slow, after) = answers.await.unwrap();
    assert_eq!((busy, after), (503, 204));
    assert!(slow.iter().all(|status| *status == 204), "{slow:?}");
}
