//! The engine with a clock that tests set: days, windows, idle times, waits and timeouts, without waiting for
//! any.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;

use sms_mcp::clock::{Clock, SharedClock, Timestamp};
use sms_mcp::engine::contract::{
    BalanceArgs, BulkArgs, BulkStatus, ListArgs, OpenArgs, Recipient, SendAnswer, SendArgs, StatusArgs,
};
use sms_mcp::engine::{Base, Caller, Carrier, Carriers, Engine, Parts};
use sms_mcp::error::{ErrorKind, Result};
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::policy::{Policy, Timing};
use sms_mcp::provider::exchange::Finding;
use sms_mcp::provider::{Capabilities, Outcome, Provider, Submission};
use sms_mcp::sms::message::State;
use sms_mcp::sms::money::{Amount, Currency, Money};
use sms_mcp::sms::number::Number;

use crate::support::{A_WHILE, eventually_async, fictional, within};

/// 2027-01-15T12:00:00Z.
pub const NOON: i64 = 1_800_014_400_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// A clock that stands until it is set; a wait moves it on at once, unless it is a long one.
pub struct TestClock {
    pub now: AtomicI64,
    drawn: AtomicU64,
    pub waits: Mutex<Vec<u64>>,
    /// A wait of so many milliseconds never ends; 0 for none.
    endless: AtomicU64,
}

impl TestClock {
    pub fn at(now: i64) -> Arc<Self> {
        Arc::new(Self {
            now: AtomicI64::new(now),
            drawn: AtomicU64::new(0),
            waits: Mutex::default(),
            endless: AtomicU64::new(0),
        })
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<()> {
        let drawn = self.drawn.fetch_add(1, Ordering::SeqCst);
        bytes.iter_mut().zip(drawn.to_le_bytes().iter().cycle()).for_each(|(byte, draw)| *byte = *draw);
        Ok(())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let ms = u64::try_from(duration.as_millis()).unwrap();
        self.waits.lock().unwrap().push(ms);
        let is_endless = ms > 0 && ms == self.endless.load(Ordering::SeqCst);
        Box::pin(async move {
            if is_endless {
                std::future::pending::<()>().await;
            }
            // A timeout is longer than whatever does happen here takes; a wait before another try is a
            // moment.
            tokio::time::sleep(Duration::from_millis(if ms >= 30_000 { 2_000 } else { 1 })).await;
        })
    }
}

/// A carrier that does what its script says, then accepts.
#[derive(Default)]
struct Scripted {
    script: Mutex<Vec<Outcome>>,
    /// To whom, and what.
    sent: Mutex<Vec<(String, String)>>,
    /// From whom.
    shown: Mutex<Vec<Option<String>>>,
    can: Mutex<Capabilities>,
    stalls: bool,
    /// How long an answer of it takes by the clock of the test, in milliseconds.
    takes: Option<(Arc<TestClock>, i64)>,
    /// Each answer waits for one of these.
    answers: Option<Arc<tokio::sync::Semaphore>>,
}

#[async_trait]
impl Provider for Scripted {
    fn capabilities(&self) -> Capabilities {
        *self.can.lock().unwrap()
    }

    fn name(&self) -> &str {
        "scripted"
    }

    fn price(&self, _: &Number, segments: u32) -> Option<Money> {
        Money { micros: 100_000, currency: Currency::USD }.times(segments)
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        self.shown.lock().unwrap().push(submission.from.clone());
        self.sent.lock().unwrap().push((submission.to.e164().to_owned(), submission.text.clone()));
        if self.stalls {
            std::future::pending::<()>().await;
        }
        if let Some(answers) = &self.answers {
            answers.acquire().await.unwrap().forget();
        }
        if let Some((clock, ms)) = &self.takes {
            clock.now.fetch_add(*ms, Ordering::SeqCst);
        }
        let next = { self.script.lock().unwrap().pop() };
        if matches!(next, Some(Outcome::NotNow { .. })) {
            // Long enough for whoever looks into the queue meanwhile.
            tokio::time::sleep(A_WHILE).await;
        }
        next.unwrap_or(Outcome::Accepted {
            vendor_id: Some(submission.id.to_string()),
            status: State::Sent,
            segments: None,
            price: None,
        })
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

pub struct Bench {
    pub engine: Engine,
    pub clock: Arc<TestClock>,
    provider: Arc<Scripted>,
    _folder: tempfile::TempDir,
}

pub fn bench(script: Vec<Outcome>, change: impl FnOnce(&mut sms_mcp::policy::Settings)) -> Bench {
    bench_with(
        Scripted { script: Mutex::new(script.into_iter().rev().collect()), ..Scripted::default() },
        change,
    )
}

fn bench_with(provider: Scripted, change: impl FnOnce(&mut sms_mcp::policy::Settings)) -> Bench {
    bench_by(provider, change, |policy, _| policy)
}

/// One whose carrier does this, and gives no answer before it is let.
pub fn bench_held(script: Vec<Outcome>) -> (Bench, Arc<tokio::sync::Semaphore>) {
    let script = Mutex::new(script.into_iter().rev().collect());
    let answers = Arc::new(tokio::sync::Semaphore::new(0));
    let bench =
        bench_with(Scripted { script, answers: Some(Arc::clone(&answers)), ..Scripted::default() }, |_| {});
    (bench, answers)
}

/// One whose carrier does this, and takes so long about each, in milliseconds: the machine slept meanwhile.
pub fn bench_slow(script: Vec<Outcome>, ms: i64) -> Bench {
    let (script, clock) = (Mutex::new(script.into_iter().rev().collect()), TestClock::at(NOON));
    let provider = Scripted { script, takes: Some((Arc::clone(&clock), ms)), ..Scripted::default() };
    bench_at(clock, provider, |_| {}, |policy, _| policy)
}

/// One whose policy asks this when a message may leave.
pub fn bench_timed(
    change: impl FnOnce(&mut sms_mcp::policy::Settings),
    timing: impl FnOnce(&Arc<TestClock>) -> Timing,
) -> Bench {
    bench_by(Scripted::default(), change, |policy, clock| policy.timed(timing(clock)))
}

/// One whose policy has a person asked by these rules.
pub fn bench_asking(
    change: impl FnOnce(&mut sms_mcp::policy::Settings),
    rules: sms_mcp::policy::Approval,
) -> Bench {
    bench_by(Scripted::default(), change, |policy, _| policy.asking(rules))
}

/// One with these quiet hours.
pub fn bench_with_hours(hours: sms_mcp::policy::quiet::Settings) -> Bench {
    bench_by(Scripted::default(), |_| {}, |policy, _| policy.quiet_hours(hours))
}

/// One with this policy.
pub fn bench_made(made: impl FnOnce(Policy) -> Policy) -> Bench {
    bench_by(Scripted::default(), |_| {}, |policy, _| made(policy))
}

fn bench_by(
    provider: Scripted,
    change: impl FnOnce(&mut sms_mcp::policy::Settings),
    made: impl FnOnce(Policy, &Arc<TestClock>) -> Policy,
) -> Bench {
    bench_at(TestClock::at(NOON), provider, change, made)
}

fn bench_at(
    clock: Arc<TestClock>,
    provider: Scripted,
    change: impl FnOnce(&mut sms_mcp::policy::Settings),
    made: impl FnOnce(Policy, &Arc<TestClock>) -> Policy,
) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let mut settings =
        sms_mcp::policy::Settings { sends_per_second: 1_000, ..sms_mcp::policy::Settings::default() };
    change(&mut settings);
    let provider = Arc::new(provider);
    let engine = Engine::new(Parts {
        halts: Arc::default(),
        ledger: Arc::new(
            SqliteLedger::open(&folder.path().join("ledger.db"), Timestamp(NOON), [1; 8]).unwrap(),
        ),
        carriers: Carriers::one(Arc::<Scripted>::clone(&provider)),
        policy: made(Policy::new(settings, std::collections::BTreeMap::new()), &clock),
        clock: Arc::<TestClock>::clone(&clock) as SharedClock,
        settings: sms_mcp::engine::Settings::default(),
        keep_texts: true,
        default_region: None,
        stop_words: Default::default(),
        answers: Default::default(),
        forward: None,
    });
    Bench { engine, clock, provider, _folder: folder }
}

pub fn caller(base: Base) -> Caller {
    Caller::new("alice", base)
}

pub fn to(n: usize, message: &str) -> SendArgs {
    SendArgs { to: fictional(n), message: message.into(), ..SendArgs::default() }
}

impl Bench {
    pub async fn send(&self, args: SendArgs) -> Result<SendAnswer> {
        self.engine.send(caller(Base::Named("process".into())), args).await
    }

    pub async fn kind(&self, args: SendArgs) -> Option<ErrorKind> {
        self.send(args).await.err().map(|error| error.kind())
    }

    /// What the provider tells later.
    pub async fn report(&self, event: sms_mcp::provider::exchange::Event) {
        let provider: Arc<dyn Provider> = Arc::<Scripted>::clone(&self.provider);
        self.engine
            .take_events(&Carrier::new(provider, None, Default::default()), vec![event])
            .await
            .unwrap();
    }

    pub fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn later(&self, ms: i64) {
        self.clock.now.fetch_add(ms, Ordering::SeqCst);
    }

    /// The server started again on the same ledger, after the operator denied a country.
    pub fn restarted_denying(&self, country: &str) -> Engine {
        let stricter = sms_mcp::policy::Settings {
            deny_destinations: vec![country.parse().unwrap()],
            sends_per_second: 1_000,
            ..sms_mcp::policy::Settings::default()
        };
        Engine::new(Parts {
            halts: Arc::default(),
            ledger: Arc::new(
                SqliteLedger::open(&self._folder.path().join("ledger.db"), Timestamp(NOON), [2; 8]).unwrap(),
            ),
            carriers: Carriers::one(Arc::<Scripted>::clone(&self.provider)),
            policy: Policy::new(stricter, std::collections::BTreeMap::new()),
            clock: Arc::<TestClock>::clone(&self.clock) as SharedClock,
            settings: sms_mcp::engine::Settings::default(),
            keep_texts: true,
            default_region: None,
            stop_words: Default::default(),
            answers: Default::default(),
            forward: None,
        })
    }

    /// The server started again on the same ledger, with these rules of when a person is asked.
    pub fn restarted_asking(&self, rules: sms_mcp::policy::Approval, number: u8) -> Engine {
        let policy = self.engine.guard().clone().asking(rules);
        self.restarted(number, |parts| Parts { policy, ..parts })
    }

    /// The server started again on the same ledger, with these answers to HELP and STOP.
    pub fn restarted_answering(&self, answers: sms_mcp::engine::settings::Answers, number: u8) -> Engine {
        self.restarted(number, |parts| Parts { answers, ..parts })
    }

    /// The server started again on the same ledger, with other parts.
    pub fn restarted(&self, number: u8, change: impl FnOnce(Parts) -> Parts) -> Engine {
        let ledger =
            SqliteLedger::open(&self._folder.path().join("ledger.db"), self.clock.now(), [number; 8]);
        Engine::new(change(Parts {
            halts: Arc::default(),
            ledger: Arc::new(ledger.unwrap()),
            carriers: Carriers::one(Arc::<Scripted>::clone(&self.provider)),
            policy: self.engine.guard().clone(),
            clock: Arc::<TestClock>::clone(&self.clock) as SharedClock,
            settings: sms_mcp::engine::Settings::default(),
            keep_texts: true,
            default_region: None,
            stop_words: Default::default(),
            answers: Default::default(),
            forward: None,
        }))
    }

    /// What the provider can do from now on.
    pub fn can(&self, change: impl FnOnce(&mut Capabilities)) {
        change(&mut self.provider.can.lock().unwrap());
    }

    /// What the provider tells another engine later.
    pub async fn report_to(&self, engine: &Engine, event: sms_mcp::provider::exchange::Event) {
        let provider: Arc<dyn Provider> = Arc::<Scripted>::clone(&self.provider);
        let carrier = Carrier::new(provider, None, Default::default());
        engine.take_events(&carrier, vec![event]).await.unwrap();
    }

    /// The senders that the provider was to show.
    pub fn shown(&self) -> Vec<Option<String>> {
        self.provider.shown.lock().unwrap().clone()
    }

    /// The files of the ledger.
    pub fn files(&self) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(self._folder.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_file()).collect()
    }

    /// What the provider was handed: the number and the text of each.
    pub fn handed(&self) -> Vec<(String, String)> {
        self.provider.sent.lock().unwrap().clone()
    }

    pub fn tries(&self) -> usize {
        self.provider.sent.lock().unwrap().len()
    }
}

fn not_sent() -> Outcome {
    Outcome::NotSent { retry_after_ms: None, why: "busy".into() }
}

#[tokio::test]
async fn what_waited_for_its_turn_in_vain_is_taken_again_without_a_wait() {
    let turn = || Outcome::NotNow {
        code: ErrorKind::RateLimited,
        retry_after_ms: 100,
        why: "its turn is too far off".into(),
    };
    let bench = bench(vec![turn(), turn()], |_| {});
    // The wait of a queue that found nothing.
    bench.clock.endless.store(5_000, Ordering::SeqCst);
    bench.engine.start(false).await.unwrap();
    let bulk = BulkArgs {
        recipients: vec![Recipient { to: fictional(1), data: std::collections::BTreeMap::new() }],
        message: "Hello".into(),
        ..BulkArgs::default()
    };
    let answer =
        within("it is sent", bench.engine.send_bulk(caller(Base::Named("s".into())), bulk, None, None))
            .await
            .unwrap();
    assert_eq!(answer.counts.get("sent"), Some(&1), "{:?}", answer.counts);
    assert_eq!(bench.provider.sent.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_day_is_a_utc_day_and_midnight_opens_the_next() {
    let bench = bench(Vec::new(), |guard| guard.day_spend = Amount(150_000));
    assert!(bench.send(to(1, "one")).await.is_ok());
    assert_eq!(bench.kind(to(2, "two")).await, Some(ErrorKind::BudgetExceeded));
    bench.later(12 * HOUR - 1);
    assert_eq!(
        bench.kind(to(2, "two")).await,
        Some(ErrorKind::BudgetExceeded),
        "a millisecond before midnight"
    );
    bench.later(1);
    assert!(bench.send(to(2, "two")).await.is_ok());
}

#[tokio::test]
async fn the_same_text_is_a_duplicate_for_ten_minutes_unless_it_is_meant() {
    let bench = bench(Vec::new(), |_| {});
    let first = bench.send(to(1, "hello")).await.unwrap();
    let refused = bench.send(to(1, "hello")).await.unwrap_err();
    assert_eq!(refused.details().message_id.as_deref(), first.id.as_ref().map(|id| id.as_str()));
    assert!(bench.send(to(2, "hello")).await.is_ok(), "to somebody else");
    assert!(bench.send(to(1, "other")).await.is_ok(), "another text");
    assert!(bench.send(SendArgs { allow_duplicate: true, ..to(1, "hello") }).await.is_ok());
    bench.later(10 * MINUTE);
    assert!(bench.send(to(1, "hello")).await.is_ok());
    assert_eq!(bench.tries(), 5);
}

#[tokio::test]
async fn a_person_gets_five_messages_an_hour_and_twenty_a_day() {
    let bench = bench(Vec::new(), |_| {});
    for hour in 0..4 {
        for n in 0..5 {
            assert_eq!(bench.kind(to(1, &format!("{hour} {n}"))).await, None, "{hour} {n}");
        }
        assert_eq!(bench.kind(to(1, "one more")).await, Some(ErrorKind::RecipientLimit));
        bench.later(HOUR);
    }
    assert_eq!(bench.kind(to(1, "one more")).await, Some(ErrorKind::RecipientLimit), "twenty in the day");
    bench.later(20 * HOUR + 1);
    assert_eq!(bench.kind(to(1, "one more")).await, None);
}

#[tokio::test]
async fn too_fast_is_refused_with_the_time_to_wait() {
    let bench = bench(Vec::new(), |guard| guard.sends_per_second = 2);
    assert!(bench.send(to(1, "a")).await.is_ok() && bench.send(to(2, "b")).await.is_ok());
    let refused = bench.send(to(3, "c")).await.unwrap_err();
    assert_eq!((refused.kind(), refused.details().retry_after_ms), (ErrorKind::RateLimited, Some(500)));
    bench.later(500);
    assert!(bench.send(to(3, "c")).await.is_ok());
}

#[tokio::test]
async fn what_was_certainly_not_sent_is_tried_three_times_and_then_the_key_is_free() {
    let bench = bench(vec![not_sent(), not_sent(), not_sent(), not_sent()], |_| {});
    let keyed = || SendArgs { idempotency_key: Some("k".into()), ..to(1, "hello") };
    assert_eq!(bench.kind(keyed()).await, Some(ErrorKind::ProviderUnavailable));
    assert_eq!(bench.tries(), 3);
    let waits: Vec<u64> =
        bench.clock.waits.lock().unwrap().iter().copied().filter(|ms| *ms < 30_000).collect();
    assert_eq!(waits, [200, 400], "and each wait is longer");
    let balance =
        bench.engine.balance(&caller(Base::Named("process".into())), BalanceArgs::default()).await.unwrap();
    assert!(
        balance.budgets.iter().all(|budget| budget.held == "0.00" && budget.messages == 0),
        "nothing is held"
    );
    let answer = bench.send(keyed()).await.unwrap();
    assert!(!answer.replayed, "the same key sends now");
    assert_eq!(bench.tries(), 5);
}

#[tokio::test]
async fn a_long_wait_that_the_provider_asks_for_is_not_sat_out() {
    let bench = bench(vec![Outcome::NotSent { retry_after_ms: Some(60_000), why: "later".into() }], |_| {});
    assert_eq!(bench.kind(to(1, "hello")).await, Some(ErrorKind::ProviderUnavailable));
    assert_eq!(bench.tries(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_unknown_keeps_its_money_and_is_never_sent_again() {
    let bench = bench(vec![Outcome::Unknown { why: "reset by peer".into() }], |_| {});
    let keyed = || SendArgs { idempotency_key: Some("k".into()), ..to(1, "hello") };
    let lost = bench.send(keyed()).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown);
    let again = bench.send(keyed()).await.unwrap_err();
    assert_eq!(
        (again.kind(), again.details().message_id.clone()),
        (ErrorKind::OutcomeUnknown, lost.details().message_id.clone())
    );
    let unkeyed = bench.send(to(1, "hello")).await.unwrap_err();
    assert_eq!(unkeyed.kind(), ErrorKind::DuplicateSuspected);
    assert!(unkeyed.next_step().contains("NOT retry"), "{}", unkeyed.next_step());
    assert_eq!(bench.tries(), 1);
    let budgets = bench
        .engine
        .balance(&caller(Base::Named("process".into())), BalanceArgs::default())
        .await
        .unwrap()
        .budgets;
    assert!(budgets.iter().all(|budget| budget.held == "0.10" && budget.spent == "0.00"));
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_up_as_unknown() {
    let bench = bench_with(Scripted { stalls: true, ..Scripted::default() }, |_| {});
    assert_eq!(bench.kind(to(1, "hello")).await, Some(ErrorKind::OutcomeUnknown));
    assert_eq!(bench.tries(), 1);
}

#[tokio::test]
async fn a_refusal_of_the_provider_gives_the_money_back_and_stays_a_refusal_under_its_key() {
    let bench = bench(
        vec![Outcome::Rejected { code: ErrorKind::ProviderRejected, why: "blocked\u{202e}".into() }],
        |_| {},
    );
    let keyed = || SendArgs { idempotency_key: Some("k".into()), ..to(1, "hello") };
    let refused = bench.send(keyed()).await.unwrap_err();
    assert_eq!(refused.details().provider_said.as_deref(), Some("blocked\\u{202e}"));
    assert_eq!(bench.kind(keyed()).await, Some(ErrorKind::ProviderRejected));
    assert_eq!(bench.tries(), 1);
    assert!(bench.send(to(1, "hello")).await.is_ok(), "what never left is no duplicate");
}

#[tokio::test]
async fn a_charge_above_the_quote_is_posted_and_freezes_the_budgets() {
    let price = Some(Money { micros: 300_000, currency: Currency::USD });
    let bench = bench(
        vec![Outcome::Accepted { vendor_id: None, status: State::Sent, segments: Some(3), price }],
        |_| {},
    );
    let answer = bench.send(to(1, "hello")).await.unwrap();
    assert_eq!((answer.price.amount.as_str(), answer.segments), ("0.30", 3));
    assert!(answer.warnings.iter().any(|warning| warning.contains("frozen")), "{:?}", answer.warnings);
    assert_eq!(bench.kind(to(2, "hello")).await, Some(ErrorKind::BudgetFrozen));
}

#[tokio::test]
async fn an_open_session_closes_when_idle_and_the_day_still_holds() {
    let bench = bench(Vec::new(), |guard| {
        guard.session_spend = Amount(150_000);
        guard.day_spend = Amount(250_000);
    });
    let open = |args| bench.engine.send(caller(Base::Open), args);
    assert!(open(to(1, "a")).await.is_ok());
    bench.later(29 * MINUTE);
    assert_eq!(
        open(to(2, "b")).await.unwrap_err().kind(),
        ErrorKind::BudgetExceeded,
        "still the same session"
    );
    bench.later(31 * MINUTE);
    assert!(open(to(2, "b")).await.is_ok(), "a new session");
    bench.later(31 * MINUTE);
    let refused = open(to(3, "c")).await.unwrap_err();
    assert!(refused.message().contains("today"), "the day is spent: {refused}");
}

#[tokio::test]
async fn a_handle_is_a_slice_that_expires() {
    let bench = bench(Vec::new(), |_| {});
    let owner = caller(Base::Named("process".into()));
    let opened = bench
        .engine
        .open_session(&owner, OpenArgs { max_messages: Some(1), ..OpenArgs::default() })
        .await
        .unwrap();
    let with = |n, text| SendArgs { session: Some(opened.session.clone()), ..to(n, text) };
    assert!(bench.send(with(1, "a")).await.is_ok());
    assert_eq!(bench.kind(with(2, "b")).await, Some(ErrorKind::BudgetExceeded));
    bench.later(31 * MINUTE);
    let expired = bench.send(with(2, "b")).await.unwrap_err();
    assert!(
        expired.kind() == ErrorKind::SessionInvalid && expired.message().contains("expired"),
        "{expired}"
    );
}

#[tokio::test]
async fn a_bulk_tells_each_recipients_outcome_and_its_own() {
    let script = vec![
        Outcome::Unknown { why: "lost".into() },
        Outcome::Rejected { code: ErrorKind::ProviderRejected, why: "no".into() },
    ];
    let bench = bench(script, |_| {});
    bench.engine.start(false).await.unwrap();
    let recipients =
        (1..=4).map(|n| Recipient { to: fictional(n), data: std::collections::BTreeMap::new() }).collect();
    let args = BulkArgs { recipients, message: "hello".into(), ..BulkArgs::default() };
    let answer =
        bench.engine.send_bulk(caller(Base::Named("process".into())), args, None, None).await.unwrap();
    assert_eq!((answer.status, answer.accepted), (BulkStatus::Done, 4));
    let count = |state: &str| answer.counts.get(state).copied().unwrap_or(0);
    assert_eq!((count("sent"), count("rejected"), count("unknown")), (2, 1, 1));
    assert!(answer.warnings.iter().any(|warning| warning.contains("NOT")), "{:?}", answer.warnings);
    let listed = bench
        .engine
        .list(&caller(Base::Open), ListArgs { batch: answer.batch, ..ListArgs::default() })
        .await
        .unwrap();
    assert_eq!(listed.messages.len(), 4);
    bench.engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_stop_refuses_what_is_new_and_records_what_did_not_end() {
    let bench = bench_with(Scripted { stalls: true, ..Scripted::default() }, |_| {});
    let engine = bench.engine.clone();
    let sending =
        tokio::spawn(async move { engine.send(caller(Base::Named("process".into())), to(1, "hello")).await });
    eventually_async("the carrier has it", async || bench.tries() > 0).await;
    bench.engine.stop(Duration::from_millis(1)).await;
    assert_eq!(bench.kind(to(2, "hello")).await, Some(ErrorKind::ShuttingDown));
    sending.abort();
    let reopened =
        SqliteLedger::open(&bench._folder.path().join("ledger.db"), Timestamp(NOON), [2; 8]).unwrap();
    let filter = sms_mcp::ledger::Filter { principal: "alice".into(), limit: 9, ..Default::default() };
    let messages = sms_mcp::ledger::facets::Views::list(&reopened, filter).await.unwrap();
    assert_eq!(messages.iter().map(|message| message.state).collect::<Vec<_>>(), [State::Unknown]);
}

#[tokio::test]
async fn a_repeated_call_that_new_rules_refuse_does_not_read_as_if_nothing_was_sent() {
    let bench = bench(Vec::new(), |_| {});
    let keyed = || SendArgs { idempotency_key: Some("k".into()), ..to(1, "hello") };
    let first = bench.send(keyed()).await.unwrap().id.unwrap();
    let engine = bench.restarted_denying("FR");
    let refused = engine.send(caller(Base::Open), keyed()).await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.details().message_id.as_deref()),
        (ErrorKind::DestinationNotAllowed, Some(first.as_str()))
    );
    assert!(refused.next_step().contains("was accepted"), "{}", refused.next_step());
    let unkeyed = engine.send(caller(Base::Open), to(1, "hello")).await.unwrap_err();
    assert!(!unkeyed.next_step().contains("was accepted"), "{}", unkeyed.next_step());
    let recipients = || vec![Recipient { to: fictional(1), data: std::collections::BTreeMap::new() }];
    let bulk = || BulkArgs {
        recipients: recipients(),
        message: "hello".into(),
        idempotency_key: Some("k".into()),
        ..BulkArgs::default()
    };
    let refused = engine.send_bulk(caller(Base::Open), bulk(), None, None).await.unwrap_err();
    assert!(refused.next_step().contains("was accepted"), "{}", refused.next_step());
}

#[tokio::test]
async fn what_is_queued_obeys_the_lists_of_today() {
    let bench = bench(Vec::new(), |_| {});
    // Not started, so nothing leaves the queue.
    let recipients = vec![
        Recipient { to: fictional(1), data: std::collections::BTreeMap::new() },
        Recipient { to: "+12025550123".into(), data: std::collections::BTreeMap::new() },
    ];
    let args = BulkArgs { recipients, message: "hello".into(), ..BulkArgs::default() };
    let answer = bench.engine.send_bulk(caller(Base::Open), args, Some(Duration::ZERO), None).await.unwrap();
    assert_eq!(answer.status, BulkStatus::InProgress);
    bench.engine.stop(Duration::from_millis(1)).await;
    let engine = bench.restarted_denying("FR");
    engine.start(true).await.unwrap();
    let id = answer.batch.unwrap().to_string();
    let bulk = async || {
        engine
            .status(&caller(Base::Open), StatusArgs { id: id.clone(), ..StatusArgs::default() })
            .await
            .unwrap()
            .bulk
            .unwrap()
    };
    eventually_async("the bulk is done", async || bulk().await.status == BulkStatus::Done).await;
    let ended = bulk().await;
    let denied = ended.results.iter().find(|result| result.to == fictional(1)).unwrap();
    assert_eq!((denied.status, denied.code.as_deref()), (State::Rejected, Some("destination_not_allowed")));
    assert_eq!(bench.tries(), 1, "the other one left");
    engine.stop(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn nobody_sees_anothers_messages() {
    let bench = bench(Vec::new(), |_| {});
    let mine = bench.send(to(1, "hello")).await.unwrap().id.unwrap();
    let bob = Caller::new("bob", Base::Open);
    assert_eq!(
        bench
            .engine
            .status(&bob, StatusArgs { id: mine.to_string(), ..StatusArgs::default() })
            .await
            .unwrap_err()
            .kind(),
        ErrorKind::NotFound
    );
    assert!(bench.engine.list(&bob, ListArgs::default()).await.unwrap().messages.is_empty());
    assert!(
        bench.engine.send(bob, to(1, "hello")).await.is_ok(),
        "and another's text is no duplicate of mine"
    );
}
