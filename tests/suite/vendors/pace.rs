//! A large bulk through MailerSend: 50 texts in a request, 60 requests in a minute, each person their own
//! text. The clock stands while there is work, and leaps while all wait, so that a minute costs less than a
//! second and no slow machine makes one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use sms_mcp::clock::{Clock, SharedClock, Timestamp};
use sms_mcp::engine::contract::{BulkArgs, Recipient, StatusArgs};
use sms_mcp::engine::{Base, Caller, Carrier, Carriers, Engine, Parts};
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::policy::Policy;
use sms_mcp::provider::Build as _;
use sms_mcp::provider::mailersend::Config;
use sms_mcp::provider::settings::{Callback, Secrets, Settings as _, Setup};
use sms_mcp::setting::SecretText;
use sms_mcp::sms::money::Amount;

use super::patient;
use crate::fake::mailersend::{FROM, MailerSend, SIGNING, TOKEN};
use crate::fake::{Fake, Reply, Seen, Vendor};
use crate::support::eventually_async;

/// After so long without a request the clock leaps.
const QUIET: Duration = Duration::from_millis(500);

/// Waits shorter than this are as long as they are, and no time passes meanwhile.
const SHORT: Duration = Duration::from_secs(1);

/// 2027-01-15T12:00:00Z.
const NOON: i64 = 1_800_014_400_000;

#[derive(Clone)]
struct Leaping {
    now: Arc<AtomicI64>,
    last_work: Arc<Mutex<Instant>>,
}

impl Leaping {
    /// The clock, and what moves it.
    fn new() -> Self {
        let clock =
            Self { now: Arc::new(AtomicI64::new(NOON)), last_work: Arc::new(Mutex::new(Instant::now())) };
        let (now, last_work) = (Arc::downgrade(&clock.now), Arc::clone(&clock.last_work));
        std::thread::spawn(move || {
            while let Some(now) = now.upgrade() {
                std::thread::sleep(Duration::from_millis(40));
                if last_work.lock().unwrap().elapsed() > QUIET {
                    now.fetch_add(1_000, Ordering::SeqCst);
                }
            }
        });
        clock
    }

    fn works(&self) {
        *self.last_work.lock().unwrap() = Instant::now();
    }
}

impl Clock for Leaping {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> sms_mcp::error::Result<()> {
        sms_mcp::clock::SystemClock.fill_random(bytes)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if duration < SHORT {
            return Box::pin(tokio::time::sleep(duration));
        }
        let (now, ms) = (Arc::clone(&self.now), i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
        let until = now.load(Ordering::SeqCst).saturating_add(ms);
        Box::pin(async move {
            while now.load(Ordering::SeqCst) < until {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        })
    }
}

/// MailerSend with a watch: it notes when each send came and how large it was, and complains when there were
/// more than 60 in any minute.
struct Timed {
    vendor: MailerSend,
    clock: Leaping,
    sends: Vec<(i64, usize)>,
    minute: i64,
}

impl Vendor for Timed {
    fn answer(&mut self, request: &Seen, complain: &mut dyn FnMut(String)) -> Reply {
        if request.method == "POST" && request.path.ends_with("/sms") {
            self.clock.works();
            let now = self.clock.now().as_millis();
            let count =
                request.json().and_then(|body| body["to"].as_array().map(Vec::len)).unwrap_or_default();
            self.sends.push((now, count));
            // Their minute begins anew with each minute of the clock.
            self.vendor.minute_left = if now / 60_000 > self.minute { 60 } else { self.vendor.minute_left };
            self.minute = now / 60_000;
            if self.sends.iter().filter(|(at, _)| *at > now - 60_000).count() > 60 {
                complain("more than 60 requests in a minute".to_owned());
            }
        }
        self.vendor.answer(request, complain)
    }
}

/// One of 10,000 numbers that look right and are nobody's known.
fn american(n: usize) -> String {
    format!("+1212{:03}{:04}", 200 + n / 10_000, n % 10_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn a_large_bulk_leaves_fifty_at_a_time_sixty_times_a_minute_and_each_person_gets_their_own_text() {
    let clock = Leaping::new();
    let fake =
        Fake::start(Timed { vendor: MailerSend::new(), clock: clock.clone(), sends: Vec::new(), minute: 0 });
    let settings = Config {
        base_url: format!("{}/v1", fake.url()),
        from: Some(FROM.to_owned()),
        http: patient(),
        ..Config::default()
    };
    assert_eq!(settings.rate().per_minute, Some(60), "MailerSend's own limit is the default");
    let mut secrets = Secrets::default();
    secrets.insert("token", SecretText::new(TOKEN));
    // With a webhook nothing is looked up, so every request is a send.
    secrets.insert("signing_secret", SecretText::new(SIGNING));
    let callback = Callback::new("https://sms.example.com", "mailersend", [7; 32]);
    let shared: SharedClock = Arc::new(clock.clone());
    let provider =
        settings.build(Setup { clock: Arc::clone(&shared), secrets, callback: Some(callback) }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wide = sms_mcp::policy::Settings {
        sends_per_second: 1_000_000,
        bulk_is_marketing_above: 100_000,
        day_spend: Amount::units(1_000_000),
        session_spend: Amount::units(1_000_000),
        day_messages: 1_000_000,
        session_messages: 1_000_000,
        ..sms_mcp::policy::Settings::default()
    };
    let engine = Engine::new(Parts {
        halts: Arc::default(),
        ledger: Arc::new(SqliteLedger::open(&folder.path().join("ledger.db"), clock.now(), [1; 8]).unwrap()),
        carriers: Carriers::new(vec![Carrier::new(provider, None, settings.rate())], Vec::new()).unwrap(),
        policy: Policy::new(wide, BTreeMap::new()),
        clock: shared,
        settings: sms_mcp::engine::Settings {
            timeout: "10h".parse().unwrap(),
            ..sms_mcp::engine::Settings::default()
        },
        keep_texts: true,
        default_region: None,
        stop_words: Default::default(),
        answers: Default::default(),
        forward: None,
    });
    engine.start(true).await.unwrap();
    let caller = Caller::new("alice", Base::Named("process".into()));
    let began = clock.now().as_millis();
    let mut batches = Vec::new();
    for bulk in 0..4 {
        let people = bulk * 1_000..(bulk + 1) * 1_000;
        let recipients = people
            .map(|n| Recipient {
                to: american(n),
                data: BTreeMap::from([("name".to_owned(), format!("P{n}"))]),
            })
            .collect();
        let args = BulkArgs {
            recipients,
            message: "Hello {{name}}, bring {{ it }} to {{name}}".replace("{{ it }}", "it"),
            ..BulkArgs::default()
        };
        let answer = engine.send_bulk(caller.clone(), args, Some(Duration::ZERO), None).await.unwrap();
        assert_eq!(answer.accepted, 1_000);
        batches.push(answer.batch.unwrap().to_string());
    }
    for id in batches {
        let counts = async || {
            engine
                .status(&caller, StatusArgs { id: id.clone(), ..StatusArgs::default() })
                .await
                .unwrap()
                .bulk
                .unwrap()
                .counts
        };
        eventually_async("all are sent", async || counts().await.get("sent") == Some(&1_000)).await;
    }
    engine.stop(Duration::from_secs(1)).await;

    let vendor = fake.vendor();
    let sends = &vendor.sends;
    assert_eq!(sends.iter().map(|(_, count)| count).sum::<usize>(), 4_000);
    // A busy machine's clock may leap while an answer is under way. Then the vendor's minute seems to end
    // after ours, the carrier rests, and one message alone tries it before the others go on.
    let probes = sends.iter().filter(|(_, count)| *count == 1).count();
    assert!(
        probes <= 1 && sends.len() == 80 + probes,
        "{:?}",
        sends.iter().map(|(_, count)| *count).collect::<Vec<_>>()
    );
    let seconds: Vec<i64> = sends.iter().map(|(at, _)| (at - began) / 1_000).collect();
    assert!(seconds[59] - seconds[0] <= 60, "the first 60 requests need not wait: {seconds:?}");
    assert!(seconds[60] - seconds[0] >= 60, "the others wait for the next minute: {seconds:?}");
    assert!(seconds[79 + probes] - seconds[0] < 125, "and no longer: {seconds:?}");
    eprintln!(
        "4,000 texts in 80 requests: 60 within {} s, the last after {} s",
        seconds[59],
        seconds[79 + probes]
    );
    let mut got: Vec<(String, String)> = vendor.vendor.sent();
    got.sort();
    let mut expected: Vec<(String, String)> =
        (0..4_000).map(|n| (american(n), format!("Hello P{n}, bring it to P{n}"))).collect();
    expected.sort();
    assert_eq!(got.len(), expected.len());
    assert!(got == expected, "each their own, once");
}
