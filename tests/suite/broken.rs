//! A provider whose code fails or never answers, whatever is asked of it: every verb of the engine ends,
//! names the provider, and goes on; a send is unknown, and a stop is a stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sms_mcp::clock::{SharedClock, Timestamp};
use sms_mcp::engine::campaign::CampaignArgs;
use sms_mcp::engine::contract::{BalanceArgs, BulkArgs, Recipient, SendArgs, StatusArgs};
use sms_mcp::engine::opt_outs::Wants;
use sms_mcp::engine::{Base, Called, Caller, Carrier, Carriers, Engine, Parts, Refused};
use sms_mcp::error::{ErrorKind, Result};
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::policy::Policy;
use sms_mcp::provider::exchange::{
    Arguments, Campaign, Delivery, Enquiry, Event, Finding, ListQuery, NotBelieved, Page, Receipt,
};
use sms_mcp::provider::settings::Callback;
use sms_mcp::provider::{Balance, Capabilities, Form, Outcome, Provider, Submission};
use sms_mcp::sms::message::State;
use sms_mcp::sms::money::Money;
use sms_mcp::sms::number::Number;

use crate::engine::{NOON, TestClock};
use crate::support::{fictional, operator};

/// The last resort of a wait that ought to end: long, so that no load turns it red.
const LAST_RESORT: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Panics,
    /// Before there is anything to wait for.
    PanicsAtOnce,
    Hangs,
}

/// It works until it breaks; then every one of its verbs does so.
struct Broken {
    how: How,
    is_broken: AtomicBool,
    /// Whether what it is asked without waiting fails too.
    is_thorough: AtomicBool,
}

impl Broken {
    async fn fail(&self) {
        if self.is_broken.load(Ordering::SeqCst) {
            match self.how {
                How::Panics | How::PanicsAtOnce => panic!("a fault in the provider's code"),
                How::Hangs => std::future::pending().await,
            }
        }
    }

    fn fail_now(&self) {
        assert!(!self.is_thorough.load(Ordering::SeqCst), "a fault in the provider's code");
    }
}

#[async_trait]
impl Provider for Broken {
    fn capabilities(&self) -> Capabilities {
        let mut all = Capabilities::default();
        (all.real, all.schedule, all.status, all.list, all.balance, all.prices) =
            (true, true, true, true, true, true);
        (all.receipts_by_poll, all.replies, all.opt_outs, all.recipients_per_request) = (true, true, true, 3);
        all
    }

    fn name(&self) -> &str {
        "broken"
    }

    fn price(&self, _: &Number, _: u32) -> Option<Money> {
        self.fail_now();
        None
    }

    fn form(&self, _: &Number, _: Option<&str>, _: &str) -> Result<Form> {
        self.fail_now();
        Ok(Form { encoding: "GSM-7", segments: 1 })
    }

    async fn send(&self, _: &Submission) -> Outcome {
        self.fail().await;
        Outcome::Accepted { vendor_id: Some("v-1".into()), status: State::Sent, segments: None, price: None }
    }

    async fn send_many(&self, submissions: &[Submission]) -> Vec<Outcome> {
        self.fail().await;
        vec![Outcome::Unknown { why: "lost".into() }; submissions.len()]
    }

    fn balance<'a, 'b>(&'a self) -> std::pin::Pin<Box<dyn Future<Output = Result<Balance>> + Send + 'b>>
    where
        'a: 'b,
    {
        assert!(self.how != How::PanicsAtOnce, "a fault in the provider's code");
        Box::pin(async {
            self.fail().await;
            Ok(Balance::Credits { micros: 1, worth: None })
        })
    }

    async fn status(&self, _: &Enquiry) -> Result<Vec<Receipt>> {
        self.fail().await;
        Ok(Vec::new())
    }

    async fn list(&self, _: &ListQuery) -> Result<Page> {
        self.fail().await;
        Ok(Page { messages: Vec::new(), next: None })
    }

    async fn close(&self) {
        self.fail().await;
    }

    async fn events(&self, _: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        self.fail().await;
        Ok(Vec::new())
    }

    async fn refresh(&self) -> Result<Vec<Event>> {
        self.fail().await;
        Ok(Vec::new())
    }

    async fn opt_out(&self, _: &Number, _: bool) -> Result<()> {
        self.fail().await;
        Ok(())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        self.fail().await;
        Ok(Vec::new())
    }

    async fn act(&self, _: &str, _: &Arguments) -> Result<serde_json::Value> {
        self.fail().await;
        Ok(serde_json::Value::Null)
    }

    async fn members(&self, _: &str) -> Result<Vec<String>> {
        self.fail().await;
        Ok(vec![fictional(1)])
    }

    async fn campaign(&self, _: &Campaign) -> Outcome {
        self.fail().await;
        Outcome::Unknown { why: "lost".into() }
    }
}

struct Scene {
    engine: Engine,
    provider: Arc<Broken>,
    callback: Callback,
    _folder: tempfile::TempDir,
}

fn scene(how: How) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let clock = TestClock::at(NOON);
    let provider =
        Arc::new(Broken { how, is_broken: AtomicBool::new(false), is_thorough: AtomicBool::new(false) });
    let callback = Callback::new("https://sms.example.com", "broken", [7; 32]);
    let carrier = Carrier::new(Arc::<Broken>::clone(&provider), Some(callback.clone()), Default::default());
    let engine = Engine::new(Parts {
        halts: Arc::default(),
        ledger: Arc::new(
            SqliteLedger::open(&folder.path().join("ledger.db"), Timestamp(NOON), [1; 8]).unwrap(),
        ),
        carriers: Carriers::new(vec![carrier], Vec::new()).unwrap(),
        policy: Policy::new(
            sms_mcp::policy::Settings { sends_per_second: 1_000, ..sms_mcp::policy::Settings::default() },
            std::collections::BTreeMap::new(),
        ),
        clock: clock as SharedClock,
        settings: sms_mcp::engine::Settings::default(),
        keep_texts: true,
        default_region: None,
        stop_words: Default::default(),
        answers: Default::default(),
        forward: None,
    });
    Scene { engine, provider, callback, _folder: folder }
}

fn alice() -> Caller {
    Caller::new("alice", Base::Named("process".into()))
}

fn to(n: usize) -> SendArgs {
    SendArgs { to: fictional(n), message: "hello".into(), ..SendArgs::default() }
}

/// Ends, or fails the test.
async fn ends<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LAST_RESORT, work).await.unwrap_or_else(|_| panic!("{what} never ends"))
}

/// An error that names the provider.
fn names_it(what: &str, error: &sms_mcp::error::Error) {
    assert_eq!(error.kind(), ErrorKind::ProviderUnavailable, "{what}: {error}");
    assert!(error.message().starts_with("broken: "), "{what}: {error}");
}

#[tokio::test]
async fn every_question_to_a_provider_that_fails_or_never_answers_ends_with_its_name() {
    for how in [How::Panics, How::PanicsAtOnce, How::Hangs] {
        let Scene { engine, provider, callback, _folder } = scene(how);
        let sent = engine.send(alice(), to(1)).await.unwrap().id.unwrap().to_string();
        provider.is_broken.store(true, Ordering::SeqCst);

        let balance = ends("get_balance", engine.balance(&alice(), BalanceArgs::default())).await.unwrap();
        let unavailable = balance.balances[0].unavailable.clone().unwrap();
        assert!(unavailable.starts_with("broken: "), "{how:?}: {unavailable}");
        let status =
            ends("get_status", engine.status(&alice(), StatusArgs { id: sent, ..StatusArgs::default() }))
                .await
                .unwrap();
        assert!(!status.fresh, "{how:?}");
        for (_, checked) in ends("config check --live", engine.check_vendors(&operator())).await {
            names_it("check", &checked.unwrap_err());
        }
        for action in ["sent", "anything"] {
            let asked =
                ends(action, engine.at_vendor(&operator(), "broken", action, &Arguments::default())).await;
            names_it(action, &asked.unwrap_err());
        }
        let campaign =
            CampaignArgs { list: "team".into(), message: "hello all".into(), ..CampaignArgs::default() };
        names_it(
            "members",
            &ends("a campaign's members", engine.campaign(alice(), campaign)).await.unwrap_err(),
        );
        let (_, notes) =
            ends("an opt-out", engine.set_opt_out(&operator(), &fictional(9), Wants::NoTexts)).await.unwrap();
        assert!(notes.len() == 1 && notes[0].contains("broken"), "{how:?}: {notes:?}");
        let token = callback.url(None).rsplit('/').next().unwrap().to_owned();
        let called =
            Called { method: &::http::Method::POST, query: "", headers: &Default::default(), body: b"{}" };
        let heard = ends("a webhook", engine.webhook("broken", &token, &called)).await;
        assert!(
            matches!(heard, Err(Refused::Unavailable(error)) if error.message().starts_with("broken: ")),
            "{how:?}"
        );
        ends("the prices", engine.refresh_prices()).await;
    }
}

#[tokio::test]
async fn what_is_handed_to_a_provider_that_fails_or_never_answers_is_unknown_and_a_stop_is_a_stop() {
    for how in [How::Panics, How::Hangs] {
        let Scene { engine, provider, _folder, .. } = scene(how);
        engine.start(true).await.unwrap();
        provider.is_broken.store(true, Ordering::SeqCst);
        let lost = ends("a send", engine.send(alice(), to(1))).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown, "{how:?}");
        let recipients = (2..=4).map(|n| Recipient { to: fictional(n), data: Default::default() }).collect();
        let bulk = BulkArgs { recipients, message: "hello".into(), ..BulkArgs::default() };
        let answer = ends("a bulk", engine.send_bulk(alice(), bulk, None, None)).await.unwrap();
        assert_eq!(answer.counts.get("unknown"), Some(&3), "{how:?}: {answer:?}");
        let found = ends("reconcile", engine.reconcile(&operator())).await.unwrap();
        assert!(
            found.unknown.len() == 4 && found.notes.iter().any(|note| note.contains("broken: ")),
            "{how:?}: {found:?}"
        );
        ends("a stop", engine.stop(Duration::from_millis(100))).await;
    }
}

#[tokio::test]
async fn a_campaign_that_a_provider_never_answers_is_unknown() {
    // Its members are read while it still works.
    let Scene { engine, provider, _folder, .. } = scene(How::Hangs);
    let campaign =
        CampaignArgs { list: "team".into(), message: "hello all".into(), ..CampaignArgs::default() };
    let quote = CampaignArgs { dry_run: true, ..campaign.clone() };
    assert_eq!(engine.campaign(alice(), quote).await.unwrap().accepted, 1);
    drop(provider);
    let answer = ends("a campaign", engine.campaign(alice(), campaign)).await.unwrap();
    assert_eq!(answer.counts.get("unknown"), Some(&1));
}

#[tokio::test]
async fn a_provider_whose_code_fails_on_a_message_does_not_take_it() {
    let Scene { engine, provider, _folder, .. } = scene(How::Panics);
    engine.start(false).await.unwrap();
    provider.is_thorough.store(true, Ordering::SeqCst);
    names_it("takes", &ends("a send", engine.send(alice(), to(1))).await.unwrap_err());
    let recipients = vec![Recipient { to: fictional(2), data: Default::default() }];
    let bulk = BulkArgs { recipients, message: "hello".into(), ..BulkArgs::default() };
    let refused = ends("a bulk", engine.send_bulk(alice(), bulk.clone(), None, None)).await.unwrap_err();
    assert_eq!(refused.details().refused[0].code, "provider_unavailable", "{refused}");
    provider.is_thorough.store(false, Ordering::SeqCst);
    assert!(ends("a send", engine.send(alice(), to(3))).await.is_ok(), "and the next one goes");
    assert!(ends("a bulk", engine.send_bulk(alice(), bulk, None, None)).await.is_ok());
}
