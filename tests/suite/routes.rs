//! Several carriers: who is asked for a message, what happens when one is ill, and how its queue waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use sms_mcp::clock::{Clock, SharedClock, SystemClock, Timestamp};
use sms_mcp::engine::campaign::CampaignArgs;
use sms_mcp::engine::contract::{
    BalanceArgs, BulkAnswer, BulkArgs, BulkStatus, ListArgs, Recipient, SendAnswer, SendArgs, StatusArgs,
};
use sms_mcp::engine::reconcile::Found;
use sms_mcp::engine::settings::Route;
use sms_mcp::engine::{Base, Caller, Carrier, Carriers, Engine, Parts};
use sms_mcp::error::{Error, ErrorKind, Result};
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::policy::Policy;
use sms_mcp::provider::exchange::{Finding, ListQuery, Page, Sought, VendorMessage};
use sms_mcp::provider::settings::Rate;
use sms_mcp::provider::{Balance, Capabilities, Outcome, Provider, Reference, Submission};
use sms_mcp::sms::message::State;
use sms_mcp::sms::money::{Amount, Currency, Money};
use sms_mcp::sms::number::Number;

use crate::support::{A_WHILE, LAST_RESORT, eventually_async, fictional, operator, person, within};

/// A carrier whose mood the test sets.
struct Moody {
    name: &'static str,
    capabilities: Capabilities,
    price: i64,
    mood: Mutex<Outcome>,
    requests: Mutex<Vec<Vec<String>>>,
    vendor: Mutex<Vec<VendorMessage>>,
    /// What it has under our references, and how often it was asked by one.
    kept: Mutex<BTreeMap<String, VendorMessage>>,
    sought: AtomicUsize,
    taken: AtomicUsize,
}

impl Moody {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            capabilities: Capabilities::default(),
            price: 100_000,
            mood: Mutex::new(accepted()),
            requests: Mutex::default(),
            vendor: Mutex::default(),
            kept: Mutex::default(),
            sought: AtomicUsize::new(0),
            taken: AtomicUsize::new(0),
        }
    }

    fn becomes(&self, mood: Outcome) {
        *self.mood.lock().unwrap() = mood;
    }

    fn answer(&self) -> Outcome {
        let mood = self.mood.lock().unwrap().clone();
        if matches!(mood, Outcome::Accepted { .. }) {
            self.taken.fetch_add(1, Ordering::SeqCst);
        }
        mood
    }

    fn asked(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Provider for Moody {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn name(&self) -> &str {
        self.name
    }

    fn price(&self, _: &Number, segments: u32) -> Option<Money> {
        Money { micros: self.price, currency: Currency::USD }.times(segments)
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        self.requests.lock().unwrap().push(vec![submission.text.clone()]);
        self.answer()
    }

    async fn send_many(&self, submissions: &[Submission]) -> Vec<Outcome> {
        self.requests
            .lock()
            .unwrap()
            .push(submissions.iter().map(|submission| submission.text.clone()).collect());
        submissions.iter().map(|_| self.answer()).collect()
    }

    async fn balance(&self) -> Result<Balance> {
        if self.name == "poor" {
            return Err(Error::new(ErrorKind::ProviderUnavailable, "closed for lunch"));
        }
        Ok(Balance::Credits {
            micros: 1_500_000,
            worth: Some(Money { micros: 75_000, currency: Currency::USD }),
        })
    }

    async fn list(&self, query: &ListQuery) -> Result<Page> {
        let all = self.vendor.lock().unwrap().clone();
        let page = usize::try_from(query.page).unwrap();
        let messages: Vec<VendorMessage> = all.chunks(2).nth(page - 1).map(<[_]>::to_vec).unwrap_or_default();
        Ok(Page { messages, next: (all.len() > 2 * page).then_some(query.page + 1) })
    }

    async fn find(&self, sought: &Sought) -> Result<Option<VendorMessage>> {
        self.sought.fetch_add(1, Ordering::SeqCst);
        Ok(self.kept.lock().unwrap().get(sought.id.as_str()).cloned())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        Ok(vec![Finding::fine("well")])
    }

    async fn members(&self, list: &str) -> Result<Vec<String>> {
        match list {
            "team" => Ok((1..=3).map(fictional).collect()),
            "mixed" => Ok(vec![fictional(1), "12".into()]),
            "twice" => Ok(vec![fictional(1), fictional(1)]),
            _ => Ok(Vec::new()),
        }
    }

    async fn campaign(&self, campaign: &sms_mcp::provider::exchange::Campaign) -> Outcome {
        self.requests.lock().unwrap().push(vec![
            campaign.list.clone(),
            campaign.members.to_string(),
            campaign.at.map_or_else(String::new, Timestamp::rfc3339),
        ]);
        self.answer()
    }
}

fn accepted() -> Outcome {
    Outcome::Accepted { vendor_id: Some("v-1".into()), status: State::Sent, segments: None, price: None }
}

fn not_sent() -> Outcome {
    Outcome::NotSent { retry_after_ms: Some(1), why: "busy".into() }
}

fn refused(code: ErrorKind) -> Outcome {
    Outcome::Rejected { code, why: "no".into() }
}

struct Field {
    engine: Engine,
    folder: Arc<tempfile::TempDir>,
}

fn route(to: &[&str], from: &[&str], providers: &[&str], after_rejected: bool) -> Route {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    Route {
        to: to.iter().map(|to| to.parse().unwrap()).collect(),
        from: texts(from),
        providers: texts(providers),
        after_rejected,
    }
}

/// A clock that stands until it is moved. A wait of a second or more never ends on it: whatever goes on has
/// been woken by what happened, and not by a look now and then.
struct Standing(AtomicI64);

impl Standing {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now().as_millis())))
    }

    fn move_on(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<()> {
        SystemClock.fill_random(bytes)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if duration < Duration::from_secs(1) {
            SystemClock.sleep(duration)
        } else {
            Box::pin(std::future::pending())
        }
    }
}

fn field_in(
    folder: Arc<tempfile::TempDir>,
    carriers: &[&Arc<Moody>],
    routes: Vec<Route>,
    rate: Rate,
) -> Field {
    field_by(Arc::new(SystemClock), folder, carriers, routes, rate)
}

fn field_by(
    clock: SharedClock,
    folder: Arc<tempfile::TempDir>,
    carriers: &[&Arc<Moody>],
    routes: Vec<Route>,
    rate: Rate,
) -> Field {
    let guard = sms_mcp::policy::Settings {
        sends_per_second: 1_000_000,
        bulk_is_marketing_above: 100_000,
        day_spend: Amount::units(10_000),
        session_spend: Amount::units(10_000),
        day_messages: 100_000,
        session_messages: 100_000,
        recipient_per_hour: 1_000,
        recipient_per_day: 1_000,
        duplicate_window: "0s".parse().unwrap(),
        ..sms_mcp::policy::Settings::default()
    };
    let carriers =
        carriers.iter().map(|carrier| Carrier::new(Arc::<Moody>::clone(carrier), None, rate)).collect();
    let mut random = [0; 8];
    clock.fill_random(&mut random).unwrap();
    let engine = Engine::new(Parts {
        halts: Arc::default(),
        ledger: Arc::new(SqliteLedger::open(&folder.path().join("ledger.db"), clock.now(), random).unwrap()),
        carriers: Carriers::new(carriers, routes).unwrap(),
        policy: Policy::new(guard, BTreeMap::new()),
        clock,
        settings: sms_mcp::engine::Settings {
            timeout: "180s".parse().unwrap(),
            ..sms_mcp::engine::Settings::default()
        },
        keep_texts: true,
        default_region: None,
        stop_words: Default::default(),
        answers: Default::default(),
        forward: None,
    });
    Field { engine, folder }
}

fn field(carriers: &[&Arc<Moody>], routes: Vec<Route>) -> Field {
    field_in(Arc::new(tempfile::tempdir().unwrap()), carriers, routes, Rate::default())
}

fn standing_field(clock: &Arc<Standing>, carriers: &[&Arc<Moody>], routes: Vec<Route>) -> Field {
    field_by(
        Arc::<Standing>::clone(clock),
        Arc::new(tempfile::tempdir().unwrap()),
        carriers,
        routes,
        Rate::default(),
    )
}

fn alice() -> Caller {
    Caller::new("alice", Base::Named("process".into()))
}

impl Field {
    async fn send(&self, to: &str, from: Option<&str>) -> Result<SendAnswer> {
        self.engine
            .send(
                alice(),
                SendArgs {
                    to: to.into(),
                    from: from.map(str::to_owned),
                    message: "Hello".into(),
                    ..SendArgs::default()
                },
            )
            .await
    }

    async fn bulk(&self, count: usize, wait: Duration) -> BulkAnswer {
        let recipients = (0..count)
            .map(|n| Recipient { to: fictional(n), data: BTreeMap::from([("n".to_owned(), n.to_string())]) })
            .collect();
        let args = BulkArgs { recipients, message: "Number {{n}}".into(), ..BulkArgs::default() };
        self.engine.send_bulk(alice(), args, Some(wait), None).await.unwrap()
    }

    async fn counts(&self, batch: &str) -> BTreeMap<String, u32> {
        self.engine
            .status(&alice(), StatusArgs { id: batch.to_owned(), ..StatusArgs::default() })
            .await
            .unwrap()
            .bulk
            .unwrap()
            .counts
    }

    async fn states(&self) -> Vec<State> {
        let list =
            self.engine.list(&alice(), ListArgs { limit: Some(100), ..ListArgs::default() }).await.unwrap();
        list.messages.iter().map(|message| message.status).collect()
    }

    async fn held(&self) -> String {
        self.engine
            .all_budgets(&operator())
            .await
            .unwrap()
            .into_iter()
            .find(|budget| budget.name.starts_with("day:"))
            .unwrap()
            .held
    }
}

#[tokio::test]
async fn the_first_route_that_fits_decides_by_country_prefix_and_sender() {
    let (one, two, three) =
        (Arc::new(Moody::new("one")), Arc::new(Moody::new("two")), Arc::new(Moody::new("three")));
    let routes = vec![
        route(&["US"], &["ACME"], &["three"], false),
        route(&["US", "+3319900"], &[], &["two"], false),
        route(&["GB"], &[], &["one"], false),
    ];
    let field = field(&[&one, &two, &three], routes);
    assert_eq!(field.send("+12025550123", Some("ACME")).await.unwrap().provider, "three");
    assert_eq!(field.send("+12025550123", None).await.unwrap().provider, "two");
    assert_eq!(field.send(&fictional(1), Some("ACME")).await.unwrap().provider, "two");
    assert_eq!(field.send("+447400123456", None).await.unwrap().provider, "one");
    let refused = field.send("+4915112345678", None).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::DestinationNotAllowed);
    assert!(
        refused.message().contains("[[route]]") && refused.next_step().contains("to = [\"DE\"]"),
        "{refused} {}",
        refused.next_step()
    );
    assert!(!refused.next_step().contains("[guard]"), "{}", refused.next_step());
    assert_eq!((one.asked(), two.asked(), three.asked()), (1, 2, 1));
}

/// Some countries carry no text from a name: whoever shows one is asked for nothing there.
#[tokio::test]
async fn a_name_goes_to_no_country_that_shows_none_and_a_number_takes_its_place() {
    let real = |name| Moody { capabilities: Capabilities::SEND_ONLY, ..Moody::new(name) };
    let (named, numbered) = (Arc::new(real("named")), Arc::new(real("numbered")));
    let carriers = |own: &[&Arc<Moody>], senders: &[Option<&str>]| {
        let carriers = own.iter().zip(senders).map(|(provider, sender)| {
            Carrier::new(Arc::<Moody>::clone(provider), None, Rate::default()).showing(*sender)
        });
        let names: Vec<&str> = own.iter().map(|provider| provider.name).collect();
        Carriers::new(carriers.collect(), vec![route(&[], &[], &names, false)]).unwrap()
    };
    let to = |number: &str| Number::parse(number, None).unwrap();
    let way =
        |carriers: &Carriers, number: &str, from: Option<&str>| match carriers.way(&to(number), from, "Hi") {
            Ok(way) => Ok(way.names().map(str::to_owned).collect::<Vec<_>>()),
            Err(error) => Err((error.kind(), error.message().to_owned())),
        };
    let both = carriers(&[&named, &numbered], &[Some("ACME"), Some("+12025550100")]);
    let texts = |names: &[&str]| Ok(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(way(&both, "+447400123456", None), texts(&["named", "numbered"]));
    assert_eq!(way(&both, "+12025550123", None), texts(&["numbered"]));
    assert_eq!(way(&both, "+12025550123", Some("+12025550101")), texts(&["named", "numbered"]));
    // By the argument, by the provider's own, and by the operator's for that country.
    let only = carriers(&[&named], &[Some("ACME")]);
    let number = carriers(&[&numbered], &[Some("+12025550100")]);
    for (carriers, from) in [(&both, Some("Acme 24")), (&only, None), (&number, Some("Acme 24"))] {
        for (country, person) in [("US", "+12025550123"), ("CA", "+16135550123"), ("CN", "+8613800138000")] {
            let (kind, why) = way(carriers, person, from).unwrap_err();
            assert_eq!(kind, ErrorKind::SenderNotAllowed, "{person} {from:?}");
            assert!(why.contains(&format!("no network in {country}")), "{why}");
        }
    }
}

/// Who said STOP at one vendor wants no texts by another one either, singly and in a bulk.
#[tokio::test]
async fn whom_a_vendor_knows_to_have_opted_out_nobody_texts_any_more() {
    let (one, two) = (Arc::new(Moody::new("one")), Arc::new(Moody::new("two")));
    one.becomes(refused(ErrorKind::OptedOut));
    let field = field(&[&one, &two], vec![route(&[], &[], &["one", "two"], true)]);
    assert_eq!(field.send(&fictional(9), None).await.unwrap_err().kind(), ErrorKind::OptedOut);
    let known = field.engine.opt_outs(&alice()).await.unwrap();
    assert_eq!(
        known.iter().map(|known| (known.number.as_str(), known.source.as_str())).collect::<Vec<_>>(),
        [(fictional(9).as_str(), "one")]
    );
    // Now it is known here, and no vendor is asked.
    assert_eq!(field.send(&fictional(9), None).await.unwrap_err().kind(), ErrorKind::OptedOut);
    assert_eq!((one.asked(), two.asked()), (1, 0));
    field.engine.start(true).await.unwrap();
    let answer = field.bulk(3, LAST_RESORT).await;
    assert_eq!((one.asked(), two.asked()), (4, 0), "{answer:?}");
    assert_eq!(field.engine.opt_outs(&alice()).await.unwrap().len(), 4);
}

#[tokio::test]
async fn the_next_carrier_is_asked_after_a_definite_no_and_never_after_a_lost_answer() {
    for (mood, after_rejected, expected) in [
        (not_sent(), false, Ok("two")),
        (refused(ErrorKind::ProviderRejected), false, Err(ErrorKind::ProviderRejected)),
        (refused(ErrorKind::ProviderRejected), true, Ok("two")),
        (Outcome::Unknown { why: "lost".into() }, true, Err(ErrorKind::OutcomeUnknown)),
        (refused(ErrorKind::OptedOut), true, Err(ErrorKind::OptedOut)),
    ] {
        let (one, two) = (Arc::new(Moody::new("one")), Arc::new(Moody::new("two")));
        one.becomes(mood.clone());
        let field = field(&[&one, &two], vec![route(&[], &[], &["one", "two"], after_rejected)]);
        let answer = field.send(&fictional(1), None).await;
        assert_eq!(
            answer.as_ref().map(|answer| answer.provider.as_str()).map_err(|error| error.kind()),
            expected,
            "{mood:?} {after_rejected}"
        );
        assert_eq!(two.asked(), usize::from(expected.is_ok()), "{mood:?} {after_rejected}");
        if let Ok(answer) = answer {
            let id = answer.id.unwrap().to_string();
            let shown = field
                .engine
                .status(&alice(), StatusArgs { id, ..StatusArgs::default() })
                .await
                .unwrap()
                .message
                .unwrap();
            assert_eq!(
                (shown.provider.as_str(), shown.status),
                ("two", State::Sent),
                "the ledger knows who took it"
            );
        }
    }
}

#[tokio::test]
async fn what_is_reserved_is_the_price_of_the_dearest_carrier_that_may_be_asked() {
    let (one, two) = (Arc::new(Moody::new("one")), Arc::new(Moody { price: 300_000, ..Moody::new("two") }));
    one.becomes(Outcome::Unknown { why: "lost".into() });
    let field = field(&[&one, &two], vec![route(&[], &[], &["one", "two"], false)]);
    assert_eq!(field.send(&fictional(1), None).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(field.held().await, "0.30");
}

#[tokio::test]
async fn a_carrier_that_is_ill_rests_and_single_sends_are_told_so_at_once() {
    let one = Arc::new(Moody::new("one"));
    one.becomes(Outcome::Unknown { why: "lost: with somebody's +15551234567".into() });
    let clock = Standing::new();
    let field = standing_field(&clock, &[&one], Vec::new());
    for n in 0..5 {
        assert_eq!(field.send(&fictional(n), None).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }
    let resting = field.send(&fictional(6), None).await.unwrap_err();
    assert_eq!((resting.kind(), one.asked()), (ErrorKind::ProviderUnavailable, 5));
    assert!(
        !resting.details().provider_said.clone().unwrap().contains("5551234567"),
        "one message's words are not told to another"
    );
    one.becomes(accepted());
    clock.move_on(1_100);
    assert!(field.send(&fictional(7), None).await.is_ok(), "the probe went through");
    assert!(field.send(&fictional(8), None).await.is_ok());
}

#[tokio::test]
async fn a_bulk_waits_in_the_queue_while_its_carrier_rests_and_then_goes_on_without_loss() {
    for mood in [
        Outcome::NotSent { retry_after_ms: Some(2_500), why: "HTTP 429".into() },
        Outcome::NotSent { retry_after_ms: None, why: "no connection".into() },
    ] {
        let one = Arc::new(Moody::new("one"));
        one.becomes(mood.clone());
        let field = field(&[&one], Vec::new());
        field.engine.start(true).await.unwrap();
        let answer = field.bulk(60, Duration::from_millis(1_200)).await;
        assert_eq!(answer.counts.get("rejected"), None, "{mood:?} {:?}", answer.counts);
        assert_eq!(one.taken(), 0);
        one.becomes(accepted());
        let id = answer.batch.unwrap().to_string();
        eventually_async("all are sent", async || field.counts(&id).await.get("sent") == Some(&60)).await;
        assert_eq!(one.taken(), 60, "each once");
        field.engine.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn refused_credentials_hold_the_queue_and_refuse_single_sends_with_a_code_of_their_own() {
    let one = Arc::new(Moody::new("one"));
    one.becomes(refused(ErrorKind::ProviderUnauthorized));
    let field = field(&[&one], Vec::new());
    field.engine.start(true).await.unwrap();
    let batch = field.bulk(40, Duration::ZERO).await.batch.unwrap().to_string();
    let queued = BTreeMap::from([("queued".to_owned(), 40)]);
    eventually_async("all are back in the queue", async || {
        one.asked() > 0 && field.counts(&batch).await == queued
    })
    .await;
    assert!(one.asked() <= 32, "no more than were at it when it rested: {}", one.asked());
    assert_eq!(field.send(&fictional(99), None).await.unwrap_err().kind(), ErrorKind::ProviderUnavailable);
    let fresh = Arc::new(Moody::new("one"));
    fresh.becomes(refused(ErrorKind::ProviderUnauthorized));
    let other = self::field(&[&fresh], Vec::new());
    assert_eq!(other.send(&fictional(1), None).await.unwrap_err().kind(), ErrorKind::ProviderUnauthorized);
    field.engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_stop_leaves_what_was_not_sent_in_the_queue_and_the_next_process_sends_it_once() {
    let one = Arc::new(Moody::new("one"));
    one.becomes(not_sent());
    let field = field(&[&one], Vec::new());
    field.engine.start(true).await.unwrap();
    field.bulk(50, Duration::from_millis(100)).await;
    field.engine.stop(Duration::from_secs(3)).await;
    let next = Arc::new(Moody::new("one"));
    let again = field_in(Arc::clone(&field.folder), &[&next], Vec::new(), Rate::default());
    again.engine.start(true).await.unwrap();
    eventually_async("all are sent", async || again.states().await.iter().all(|state| *state == State::Sent))
        .await;
    assert_eq!(next.taken(), 50);
    again.engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_waits_in_the_queue_follows_the_routes_as_they_are_now_to_whoever_costs_no_more_than_is_held() {
    for (routes, by_dear, by_cheap) in
        [(["one", "dear", "cheap"].as_slice(), 3, 3), (&["cheap"], 0, 6), (&["dear"], 3, 0)]
    {
        let one = Arc::new(Moody::new("one"));
        one.becomes(Outcome::NotSent { retry_after_ms: Some(60_000), why: "HTTP 429".into() });
        let before = field(&[&one], Vec::new());
        before.engine.start(true).await.unwrap();
        let batch = before.bulk(3, Duration::ZERO).await.batch.unwrap().to_string();
        let queued = BTreeMap::from([("queued".to_owned(), 3)]);
        eventually_async("all are back in the queue", async || {
            one.asked() > 0 && before.counts(&batch).await == queued
        })
        .await;
        before.engine.stop(Duration::from_secs(1)).await;
        let (one, dear, cheap) = (
            Arc::new(Moody::new("one")),
            Arc::new(Moody { price: 300_000, ..Moody::new("dear") }),
            Arc::new(Moody::new("cheap")),
        );
        one.becomes(not_sent());
        let after = field_in(
            Arc::clone(&before.folder),
            &[&one, &dear, &cheap],
            vec![route(&[], &[], routes, false)],
            Rate::default(),
        );
        after.engine.start(true).await.unwrap();
        // For those the money of today's way is held, and they stand behind: once they have gone, the others
        // were looked at.
        assert_eq!(after.bulk(3, LAST_RESORT).await.counts, BTreeMap::from([("sent".to_owned(), 3)]));
        eventually_async("it is as it stays", async || (dear.taken(), cheap.taken()) == (by_dear, by_cheap))
            .await;
        let left = after.states().await.into_iter().filter(|state| *state != State::Sent).collect::<Vec<_>>();
        assert_eq!(left, vec![State::Rejected; 6 - by_dear - by_cheap], "{routes:?}");
        assert_eq!(
            (dear.taken(), cheap.taken()),
            (by_dear, by_cheap),
            "{routes:?} {:?}",
            after.states().await
        );
        assert!(one.asked() == 0 || routes.contains(&"one"), "the operator took it off the route");
        after.engine.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn what_waited_too_long_expires_also_while_its_carrier_may_not_be_asked_for_the_rest_of_the_day() {
    let one = Arc::new(Moody::new("one"));
    let rate = Rate { per_day: Some(1), ..Rate::default() };
    let field = field_in(Arc::new(tempfile::tempdir().unwrap()), &[&one], Vec::new(), rate);
    field.engine.start(true).await.unwrap();
    field.bulk(2, Duration::ZERO).await;
    eventually_async("one is sent today", async || field.states().await == [State::Queued, State::Sent])
        .await;
    let ledger = rusqlite::Connection::open(field.folder.path().join("ledger.db")).unwrap();
    ledger.execute_batch("UPDATE message SET created_ms = created_ms - 90000000 WHERE state = 1").unwrap();
    eventually_async("the other expires", async || field.states().await == [State::Expired, State::Sent])
        .await;
    field.engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_bulk_goes_at_once_whichever_carrier_its_route_names() {
    let (one, two, three) =
        (Arc::new(Moody::new("one")), Arc::new(Moody::new("two")), Arc::new(Moody::new("three")));
    for last in ["one", "two", "three"] {
        let field =
            standing_field(&Standing::new(), &[&one, &two, &three], vec![route(&[], &[], &[last], false)]);
        field.engine.start(true).await.unwrap();
        // Long enough that each carrier's worker has found nothing to do and waits.
        tokio::time::sleep(A_WHILE).await;
        let sent = within("nobody waits for a look into the queue", field.bulk(3, LAST_RESORT)).await;
        assert_eq!(sent.counts, BTreeMap::from([("sent".to_owned(), 3)]), "{last}");
        field.engine.stop(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn what_could_not_go_back_to_the_queue_at_once_because_of_the_ledger_goes_back_later() {
    let one = Arc::new(Moody::new("one"));
    one.becomes(Outcome::NotSent { retry_after_ms: Some(500), why: "busy".into() });
    let field = field(&[&one], Vec::new());
    field.engine.start(true).await.unwrap();
    field.bulk(2, Duration::from_millis(300)).await;
    let other = rusqlite::Connection::open(field.folder.path().join("ledger.db")).unwrap();
    other.busy_timeout(LAST_RESORT).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Longer than the ledger is waited for.
    tokio::time::sleep(Duration::from_millis(6_500)).await;
    other.execute_batch("COMMIT").unwrap();
    one.becomes(accepted());
    eventually_async("both are sent", async || field.states().await == [State::Sent, State::Sent]).await;
    assert_eq!(one.taken(), 2);
    field.engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_carrier_that_takes_many_at_once_gets_them_in_one_request() {
    let mut many = Moody::new("many");
    many.capabilities.recipients_per_request = 50;
    let many = Arc::new(many);
    let field = field(&[&many], Vec::new());
    field.engine.start(true).await.unwrap();
    let answer = field.bulk(120, LAST_RESORT).await;
    assert_eq!(answer.counts, BTreeMap::from([("sent".to_owned(), 120)]));
    let mut sizes: Vec<usize> = many.requests.lock().unwrap().iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [20, 50, 50]);
    let mut texts = many.requests.lock().unwrap().concat();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 120);
    field.engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn what_a_provider_holds_back_is_held_and_never_told_as_sent() {
    let one = Arc::new(Moody::new("one"));
    one.becomes(Outcome::Accepted {
        vendor_id: Some("v".into()),
        status: State::Queued,
        segments: None,
        price: None,
    });
    let field = field(&[&one], Vec::new());
    let answer = field.send(&fictional(1), None).await.unwrap();
    assert_eq!(serde_json::to_value(answer.status).unwrap(), "held");
    assert!(answer.warnings.iter().any(|warning| warning.contains("holds it back")), "{:?}", answer.warnings);
    assert_eq!(field.held().await, "0.10", "its money is held, not spent");
}

#[tokio::test]
async fn the_balance_lists_every_provider_and_one_that_fails_hides_no_other() {
    let (one, poor) = (Arc::new(Moody::new("one")), Arc::new(Moody::new("poor")));
    let field = field(&[&one, &poor], vec![route(&[], &[], &["one"], false)]);
    let balances = field.engine.balance(&alice(), BalanceArgs::default()).await.unwrap().balances;
    assert_eq!(balances.iter().map(|balance| balance.provider.as_str()).collect::<Vec<_>>(), ["one", "poor"]);
    assert_eq!(balances[0].credits.as_deref(), Some("1.50"));
    assert_eq!(balances[0].money.as_ref().map(|money| money.amount.as_str()), Some("0.075"));
    assert_eq!(balances[1].unavailable.as_deref(), Some("closed for lunch"));
}

fn on_record(to: &str, text: &str, vendor_id: &str, at: Timestamp) -> VendorMessage {
    VendorMessage {
        vendor_id: vendor_id.into(),
        to: to.into(),
        text: Some(text.into()),
        state: State::Delivered,
        at: Some(at),
        price: Some(Money { micros: 40_000, currency: Currency::USD }),
        why: None,
    }
}

#[tokio::test]
async fn what_is_unknown_is_settled_by_a_certain_match_alone() {
    let mut one = Moody::new("one");
    one.capabilities.list = true;
    let one = Arc::new(one);
    one.becomes(Outcome::Unknown { why: "lost".into() });
    let field = field(&[&one], Vec::new());
    for n in 1..=4 {
        assert_eq!(field.send(&fictional(n), None).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }
    let now = { SystemClock.now() };
    *one.vendor.lock().unwrap() = vec![
        on_record(&fictional(9), "Hello", "other", now),
        // Written without a plus, on the second page.
        on_record(&fictional(2), "Another text", "wrong-text", now),
        on_record(fictional(1).trim_start_matches('+'), "Hello", "right", now),
        on_record(&fictional(2), "Hello", "too-old", now.plus_ms(-3_600_000)),
        on_record(&fictional(3), "Hello", "twice-a", now),
        on_record(&fictional(3), "Hello", "twice-b", now),
        VendorMessage { text: None, ..on_record(&fictional(4), "", "no-text", now) },
    ];
    let found = field.engine.reconcile(&operator()).await.unwrap();
    assert_eq!((found.settled.len(), found.unknown.len()), (1, 3), "{found:?}");
    let shown = field
        .engine
        .status(&alice(), StatusArgs { id: found.settled[0].to_string(), ..StatusArgs::default() })
        .await
        .unwrap()
        .message
        .unwrap();
    assert_eq!(
        (shown.to.as_str(), shown.status, shown.price.amount.as_str()),
        (fictional(1).as_str(), State::Delivered, "0.04")
    );
    assert_eq!(field.held().await, "0.30");
    assert_eq!(
        field.engine.reconcile(&operator()).await.unwrap().settled.len(),
        0,
        "a second look finds nothing more"
    );
}

#[tokio::test]
async fn the_operator_may_settle_what_is_unknown_and_nothing_else() {
    let one = Arc::new(Moody::new("one"));
    let field = field(&[&one], Vec::new());
    let sent = field.send(&fictional(1), None).await.unwrap().id.unwrap();
    assert_eq!(
        field.engine.settle_unknown(&alice(), &sent, Found::NotSent(&person())).await.unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    one.becomes(Outcome::Unknown { why: "lost".into() });
    let mut unknown = Vec::new();
    for n in 2..=3 {
        let lost = field.send(&fictional(n), None).await.unwrap_err();
        unknown.push(sms_mcp::sms::message::MessageId::from_text(lost.details().message_id.clone().unwrap()));
    }
    assert_eq!(field.engine.settle_unknown(&alice(), &unknown[0], Found::Sent).await.unwrap(), State::Sent);
    assert_eq!(
        field.engine.settle_unknown(&alice(), &unknown[1], Found::NotSent(&person())).await.unwrap(),
        State::Rejected
    );
    let budget = field
        .engine
        .all_budgets(&operator())
        .await
        .unwrap()
        .into_iter()
        .find(|budget| budget.name.starts_with("day:"))
        .unwrap();
    assert_eq!((budget.spent.as_str(), budget.held.as_str(), budget.messages), ("0.20", "0.00", 2));
    let bob = Caller { principal: "bob".into(), ..alice() };
    assert_eq!(
        field.engine.settle_unknown(&bob, &unknown[0], Found::Sent).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[tokio::test]
async fn two_words_about_one_unknown_message_are_both_answered_with_what_became_of_it() {
    let one = Arc::new(Moody::new("one"));
    one.becomes(Outcome::Unknown { why: "lost".into() });
    let field = field(&[&one], Vec::new());
    for n in 0..4 {
        let lost = field.send(&fictional(n), None).await.unwrap_err();
        let id = sms_mcp::sms::message::MessageId::from_text(lost.details().message_id.clone().unwrap());
        let (caller, engine) = (alice(), &field.engine);
        let person = person();
        let (yes, no) = tokio::join!(
            engine.settle_unknown(&caller, &id, Found::Sent),
            engine.settle_unknown(&caller, &id, Found::NotSent(&person))
        );
        let state = engine
            .status(&caller, StatusArgs { id: id.to_string(), ..StatusArgs::default() })
            .await
            .unwrap()
            .message
            .unwrap()
            .status;
        for told in [yes, no].into_iter().flatten() {
            assert_eq!(told, state);
        }
    }
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn lost_id(lost: &Error) -> String {
    lost.details().message_id.clone().unwrap()
}

#[tokio::test]
async fn of_two_unknown_messages_that_are_alike_the_earlier_one_is_what_the_vendor_has_as_the_earlier_one() {
    let mut one = Moody::new("one");
    one.capabilities.list = true;
    let one = Arc::new(one);
    one.becomes(Outcome::Unknown { why: "lost".into() });
    let field = field(&[&one], Vec::new());
    let first = lost_id(&field.send(&fictional(1), None).await.unwrap_err());
    // Of somebody else: the first principal's same text would be refused.
    let bob = Caller::new("bob", Base::Named("other".into()));
    let again = SendArgs { to: fictional(1), message: "Hello".into(), ..SendArgs::default() };
    let second = lost_id(&field.engine.send(bob.clone(), again).await.unwrap_err());
    let failed =
        VendorMessage { state: State::Failed, ..on_record(&fictional(1), "Hello", "v-first", now()) };
    *one.vendor.lock().unwrap() =
        vec![on_record(&fictional(1), "Hello", "v-second", now().plus_ms(50)), failed];
    assert_eq!(field.engine.reconcile(&operator()).await.unwrap().settled.len(), 2);
    for (owner, id, vendor_id, state) in
        [(alice(), first, "v-first", State::Failed), (bob, second, "v-second", State::Delivered)]
    {
        let shown = field
            .engine
            .status(&owner, StatusArgs { id, ..StatusArgs::default() })
            .await
            .unwrap()
            .message
            .unwrap();
        assert_eq!((shown.provider_message_id.as_deref(), shown.status), (Some(vendor_id), state));
    }
}

#[tokio::test]
async fn what_the_vendor_has_is_not_taken_for_an_unknown_message_where_it_may_be_one_that_went_out_without_an_id()
 {
    let mut one = Moody::new("one");
    one.capabilities.list = true;
    let one = Arc::new(one);
    one.becomes(Outcome::Accepted { vendor_id: None, status: State::Sent, segments: None, price: None });
    let field = field(&[&one], Vec::new());
    field.send(&fictional(1), None).await.unwrap();
    one.becomes(Outcome::Unknown { why: "lost".into() });
    field.send(&fictional(1), None).await.unwrap_err();
    field.send(&fictional(2), None).await.unwrap_err();
    *one.vendor.lock().unwrap() = vec![
        on_record(&fictional(1), "Hello", "v-1", now()),
        on_record(&fictional(2), "Hello", "v-2", now()),
    ];
    let found = field.engine.reconcile(&operator()).await.unwrap();
    assert_eq!((found.settled.len(), found.unknown.len()), (1, 1), "{found:?}");
}

#[tokio::test]
async fn what_a_vendor_has_under_our_reference_settles_it_and_what_it_does_not_find_stays_unknown() {
    for (reference, list) in [
        (Reference::Exact, false),
        (Reference::FoundOnly, false),
        (Reference::FoundOnly, true),
        (Reference::None, false),
        (Reference::None, true),
    ] {
        let mut one = Moody::new("one");
        (one.capabilities.reference, one.capabilities.list) = (reference, list);
        let one = Arc::new(one);
        one.becomes(Outcome::Unknown { why: "lost".into() });
        let field = field(&[&one], Vec::new());
        // The first two are alike, of two people; the third is at the vendor under somebody else's number;
        // the fourth in its list alone, the fifth nowhere.
        let bob = Caller::new("bob", Base::Named("other".into()));
        let again = SendArgs { to: fictional(1), message: "Hello".into(), ..SendArgs::default() };
        let mut ids = vec![lost_id(&field.send(&fictional(1), None).await.unwrap_err())];
        ids.push(lost_id(&field.engine.send(bob, again).await.unwrap_err()));
        for n in 2..=4 {
            ids.push(lost_id(&field.send(&fictional(n), None).await.unwrap_err()));
        }
        // Its list has more that is alike than is unknown, so that it tells nothing of them.
        let entry = |to: usize, id: &str| on_record(&fictional(to), "Hello", id, now());
        *one.vendor.lock().unwrap() =
            vec![entry(1, "v-a"), entry(1, "v-b"), entry(1, "v-c"), entry(3, "v-d")];
        // Under our reference neither text nor time has to be told.
        let bare = |to: String, id: &str| VendorMessage { text: None, at: None, to, ..entry(1, id) };
        *one.kept.lock().unwrap() = BTreeMap::from([
            (ids[0].clone(), bare(String::new(), "v-b")),
            (ids[1].clone(), bare(fictional(1), "v-a")),
            (ids[2].clone(), bare(fictional(9), "v-x")),
        ]);
        let found = field.engine.reconcile(&operator()).await.unwrap();
        let mut settled: Vec<usize> = found
            .settled
            .iter()
            .map(|id| ids.iter().position(|known| known == id.as_str()).unwrap())
            .collect();
        settled.sort_unstable();
        let expected: &[usize] = match (reference, list) {
            (Reference::None, false) => &[],
            (Reference::None, true) => &[3],
            (_, false) => &[0, 1],
            (_, true) => &[0, 1, 3],
        };
        assert_eq!(settled, expected, "{reference:?} list: {list}");
        assert_eq!(found.settled.len() + found.unknown.len(), 5, "{reference:?} list: {list}: {found:?}");
        assert_eq!(found.notes.len(), usize::from(!list), "{reference:?} list: {list}: {found:?}");
        let sought = if reference == Reference::None { 0 } else { 5 };
        assert_eq!(one.sought.load(Ordering::SeqCst), sought, "{reference:?}");
        // What was not found keeps its money, and nothing is ever sent again.
        let budgets = field.engine.all_budgets(&operator()).await.unwrap();
        let days = budgets.iter().filter(|budget| budget.name.starts_with("day:"));
        let held: f64 = days.map(|budget| budget.held.parse::<f64>().unwrap()).sum();
        assert_eq!((held * 10.0).round() as usize, 5 - expected.len(), "{reference:?} list: {list}");
        assert_eq!(one.asked(), 5, "{reference:?} list: {list}");
    }
}

fn campaign(list: &str) -> CampaignArgs {
    CampaignArgs { list: list.into(), message: "Hello all".into(), ..CampaignArgs::default() }
}

#[tokio::test]
async fn a_campaign_is_one_request_and_holds_the_money_of_every_member() {
    let mut one = Moody::new("one");
    one.capabilities.schedule = true;
    let one = Arc::new(one);
    one.becomes(Outcome::Accepted {
        vendor_id: Some("c-1".into()),
        status: State::Sent,
        segments: None,
        price: Some(Money { micros: 100_000, currency: Currency::USD }),
    });
    let field = field(&[&one], Vec::new());
    let quote =
        field.engine.campaign(alice(), CampaignArgs { dry_run: true, ..campaign("team") }).await.unwrap();
    assert_eq!((quote.accepted, quote.price.amount.as_str(), one.asked()), (3, "0.30", 0));
    let keyed = || CampaignArgs {
        idempotency_key: Some("k".into()),
        at: Some("2099-01-01T00:00:00Z".into()),
        ..campaign("team")
    };
    let answer = field.engine.campaign(alice(), keyed()).await.unwrap();
    assert_eq!((answer.counts.get("sent"), answer.price.amount.as_str()), (Some(&3), "0.10"), "{answer:?}");
    assert_eq!(*one.requests.lock().unwrap(), [["team", "3", "2099-01-01T00:00:00.000Z"].map(str::to_owned)]);
    let again = field.engine.campaign(alice(), keyed()).await.unwrap();
    assert!(again.replayed && again.batch == answer.batch && one.asked() == 1);
    let quote = field.engine.campaign(alice(), CampaignArgs { dry_run: true, ..keyed() }).await.unwrap();
    assert!(quote.replayed && quote.batch.is_none() && quote.status == BulkStatus::DryRun, "{quote:?}");
    for (args, expected) in [
        (campaign("mixed"), ErrorKind::RecipientsRefused),
        (campaign("twice"), ErrorKind::RecipientsRefused),
        (campaign("empty"), ErrorKind::InvalidArgument),
        (CampaignArgs { message: "Hello {{name}}".into(), ..campaign("team") }, ErrorKind::InvalidArgument),
        (
            CampaignArgs { at: Some("2020-01-01T00:00:00Z".into()), ..campaign("team") },
            ErrorKind::InvalidArgument,
        ),
        (CampaignArgs { provider: Some("absent".into()), ..campaign("team") }, ErrorKind::InvalidArgument),
    ] {
        assert_eq!(
            field.engine.campaign(alice(), args.clone()).await.unwrap_err().kind(),
            expected,
            "{args:?}"
        );
    }
    assert_eq!(one.asked(), 1);
}

#[tokio::test]
async fn a_campaign_that_was_accepted_is_never_told_as_not_sent_when_its_call_is_repeated() {
    let mut one = Moody::new("one");
    one.capabilities.schedule = true;
    let one = Arc::new(one);
    let clock = Standing::new();
    let field = standing_field(&clock, &[&one], Vec::new());
    let at = clock.now().plus_ms(1_000);
    let args = CampaignArgs { idempotency_key: Some("k".into()), at: Some(at.rfc3339()), ..campaign("team") };
    field.engine.campaign(alice(), args.clone()).await.unwrap();
    clock.move_on(1_100);
    let again = field.engine.campaign(alice(), args).await.unwrap_err();
    assert!(again.next_step().contains("do NOT send it again"), "{again:?} {}", again.next_step());
    assert_eq!(one.asked(), 1);
}

#[tokio::test]
async fn a_campaign_whose_answer_is_lost_is_unknown_for_every_member_and_keeps_its_money() {
    let one = Arc::new(Moody::new("one"));
    one.becomes(Outcome::Unknown { why: "lost".into() });
    let field = field(&[&one], Vec::new());
    let answer = field.engine.campaign(alice(), campaign("team")).await.unwrap();
    assert_eq!(answer.counts, BTreeMap::from([("unknown".to_owned(), 3)]));
    assert_eq!(field.held().await, "0.30");
    one.becomes(not_sent());
    let again = field
        .engine
        .campaign(alice(), CampaignArgs { message: "hello ALL!".into(), ..campaign("team") })
        .await
        .unwrap_err();
    assert_eq!(
        again.details().refused.iter().filter(|refused| refused.code == "duplicate_suspected").count(),
        3,
        "{again:?}"
    );
    let other = CampaignArgs { message: "Another".into(), ..campaign("team") };
    let answer = field.engine.campaign(alice(), other).await.unwrap();
    assert_eq!(answer.counts, BTreeMap::from([("rejected".to_owned(), 3)]));
    assert!(
        answer
            .warnings
            .iter()
            .any(|warning| warning.contains("3 of these numbers") && warning.contains("msg_")),
        "{:?}",
        answer.warnings
    );
    assert_eq!(field.held().await, "0.30");
}
