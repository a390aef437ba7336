//! What every ledger must do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sms_mcp::clock::Timestamp;
use sms_mcp::error::{Error, ErrorKind};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::proposals::NewProposal;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::ledger::{
    Act, BaseSession, BatchDraft, Claim, Decide, Draft, Filter, Idempotency, Intent, Ledger, NewHandle,
    Pacing, Payer, ReplyPage, Report, Reservation, Settlement, Target,
};
use sms_mcp::sms::facts::{Budget, Limits, Scope};
use sms_mcp::sms::message::{BatchId, MessageId, ProposalId, Realm, SessionId, State};
use sms_mcp::sms::verdict::Verdict;

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(super) const HOLD: i64 = 100;

/// A place where a ledger lives: it can be opened, and opened again as after a restart.
pub(super) trait Place {
    fn open(&self) -> Arc<dyn Ledger>;
}

struct SqlitePlace {
    _folder: tempfile::TempDir,
    file: PathBuf,
    opened: std::cell::Cell<u8>,
}

impl Place for SqlitePlace {
    fn open(&self) -> Arc<dyn Ledger> {
        self.opened.set(self.opened.get() + 1);
        Arc::new(SqliteLedger::open(&self.file, NOW, [self.opened.get(); 8]).unwrap())
    }
}

/// Every ledger that there is.
#[derive(Clone, Copy)]
pub(super) enum Backend {
    Sqlite,
}

impl Backend {
    /// Places of this ledger that nobody used.
    pub(super) fn places(self) -> Vec<Box<dyn Place>> {
        match self {
            Self::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let file = folder.path().join("ledger.db");
                vec![Box::new(SqlitePlace { _folder: folder, file, opened: std::cell::Cell::new(0) })]
            }
        }
    }
}

/// Names each of these cases for each ledger, so that the first failure hides no other. One that is left out
/// is dead code.
macro_rules! on_every_backend {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(super::Backend::Sqlite).await;
                }
            )+
        }
    };
}
pub(super) use on_every_backend;

pub(super) fn limits(spend: i64, messages: i64) -> Limits {
    Limits { spend_micros: Some(spend), messages: Some(messages) }
}

pub(super) fn payer() -> Payer {
    Payer {
        principal: "alice".into(),
        base: BaseSession::Named("process-1".into()),
        handle: None,
        realm: Realm::Live,
        idle_ms: 1_800_000,
        currency: "USD".into(),
        total: Limits::default(),
        day: limits(1_000, 100),
        session: limits(500, 100),
    }
}

pub(super) fn draft(n: u32) -> Draft {
    Draft {
        id: MessageId::new(NOW.as_millis(), u128::from(n)),
        to: format!("+3319900{n:04}"),
        from: None,
        text: format!("text {n}"),
        digest: u128::from(n).to_be_bytes(),
        folded: u128::from(n).to_be_bytes(),
        encoding: "GSM-7",
        segments: 1,
        hold_micros: HOLD,
        is_assumed: false,
        provider: "sandbox".into(),
        rated_requests: 0,
        purpose: sms_mcp::sms::purpose::Purpose::Transactional,
        schedule: sms_mcp::sms::schedule::Schedule::default(),
    }
}

pub(super) fn intent(drafts: Vec<Draft>) -> Intent {
    Intent {
        payer: payer(),
        now: NOW,
        is_campaign: false,
        forward: false,
        idempotency: None,
        batch: None,
        drafts,
        all_or_none: true,
        answers_of: Vec::new(),
        consent_for: Vec::new(),
        duplicate_window_ms: 600_000,
        per_second: 1_000,
        keep_texts: true,
        proposal: Some(new_proposal()),
        looks: sms_mcp::sms::facts::Looks::default(),
        preview: false,
    }
}

/// A proposal of an id that no other one has.
fn new_proposal() -> NewProposal {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    NewProposal {
        id: ProposalId::from_text(format!("{}{number}", ProposalId::PREFIX)),
        expires: NOW.plus_ms(24 * 3_600_000),
        page: None,
    }
}

pub(super) fn queued(first: u32, count: u32) -> Intent {
    let batch = BatchDraft {
        id: BatchId::new(NOW.as_millis(), u128::from(first)),
        duplicates: vec!["+1".into()],
        refused: Vec::new(),
        template: None,
    };
    Intent { batch: Some(batch), ..intent((first..first + count).map(draft).collect()) }
}

/// The budget rule alone, as the guard has it.
/// Somebody who puts a copy in place of a ledger at this moment.
pub(super) fn restoring(at: Timestamp) -> Act {
    Act {
        at,
        who: "user:alice".to_owned(),
        verb: "restore".to_owned(),
        subject: "copy.db".to_owned(),
        approver: None,
    }
}

pub(super) fn by_budget() -> Decide {
    Arc::new(|_, facts| {
        let fits = |budget: &Budget| !budget.frozen && facts.fits(budget, HOLD) == (true, true);
        if facts.budgets.iter().all(fits) {
            Ok(Verdict::Now)
        } else {
            Err(Error::new(ErrorKind::BudgetExceeded, "no"))
        }
    })
}

pub(super) fn ended(state: State, price: Option<i64>) -> Settlement {
    let code = (!matches!(state, State::Sent)).then_some(ErrorKind::ProviderRejected);
    let vendor_id = matches!(state, State::Sent).then(|| "v-1".to_owned());
    Settlement {
        at: NOW.plus_ms(5),
        state,
        vendor_id,
        price_micros: price,
        segments: None,
        parts: Vec::new(),
        code,
        why: None,
        free_key: false,
        look_at: None,
    }
}

pub(super) fn claim(limit: u32) -> Claim {
    Claim {
        now: NOW,
        limit,
        per_second: 1_000,
        max_age_ms: 3_600_000,
        adopt: false,
        provider: "sandbox".into(),
        realm: Realm::Live,
        per_request: 1,
        by_segment: false,
        most_requests: u32::MAX,
        without: Vec::new(),
        rate: Pacing::default(),
        consent_for: Vec::new(),
    }
}

pub(super) async fn state_of(store: &dyn Ledger, id: &MessageId) -> State {
    store.message("alice", id).await.unwrap().unwrap().state
}

pub(super) async fn budget(store: &dyn Ledger, scope: Scope) -> Budget {
    store.budgets(payer(), NOW).await.unwrap().into_iter().find(|budget| budget.scope == scope).unwrap()
}

pub(super) async fn take(store: &dyn Ledger, intent: Intent) {
    let reservation = store.reserve(intent, by_budget()).await.unwrap();
    assert!(matches!(reservation, Reservation::Taken { .. }), "{reservation:?}");
}

async fn money_is_held_then_charged_or_given_back_or_kept(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let cases = [
            (State::Sent, Some(70), (0, 70, 1), false),
            (State::Sent, None, (0, HOLD, 1), false),
            (State::Rejected, None, (0, 0, 0), false),
            (State::Unknown, None, (HOLD, 0, 1), false),
        ];
        let mut expected = (0, 0, 0);
        for (n, (state, price, (held, spent, messages), frozen)) in (1..).zip(cases) {
            take(&*store, intent(vec![draft(n)])).await;
            assert_eq!(budget(&*store, Scope::Day).await.held_micros, expected.0 + HOLD);
            assert_eq!(state_of(&*store, &draft(n).id).await, State::Attempting);
            store.settle(&draft(n).id, ended(state, price)).await.unwrap();
            expected = (expected.0 + held, expected.1 + spent, expected.2 + messages);
            for scope in [Scope::Day, Scope::Session] {
                let budget = budget(&*store, scope).await;
                assert_eq!(
                    (budget.held_micros, budget.spent_micros, budget.messages, budget.frozen),
                    (expected.0, expected.1, expected.2, frozen),
                    "{state} {scope:?}"
                );
            }
        }
    }
}

async fn a_budget_takes_exactly_what_fits_and_a_bulk_fits_whole_or_not_at_all(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let refused = store.reserve(queued(0, 6), by_budget()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::BudgetExceeded);
        assert_eq!(budget(&*store, Scope::Session).await.held_micros, 0);
        take(&*store, queued(10, 5)).await;
        let session = budget(&*store, Scope::Session).await;
        assert_eq!((session.held_micros, session.left_micros()), (500, Some(0)));
        assert_eq!(
            store.reserve(intent(vec![draft(20)]), by_budget()).await.unwrap_err().kind(),
            ErrorKind::BudgetExceeded
        );
    }
}

async fn the_ledger_itself_refuses_what_a_wrong_decision_would_let_over_a_limit(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(10, 5)).await;
        let careless: Decide = Arc::new(|_, _| Ok(Verdict::Now));
        assert_eq!(
            store.reserve(intent(vec![draft(20)]), careless).await.unwrap_err().kind(),
            ErrorKind::LedgerUnavailable
        );
        assert_eq!(budget(&*store, Scope::Day).await.held_micros, 500);
        assert!(store.message("alice", &draft(20).id).await.unwrap().is_none());
    }
}

async fn a_higher_price_than_was_held_freezes_the_path_until_a_person_opens_it(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        store.settle(&draft(1).id, ended(State::Sent, Some(700))).await.unwrap();
        let session = budget(&*store, Scope::Session).await;
        assert!(session.frozen && session.spent_micros == 700);
        assert!(store.reserve(intent(vec![draft(2)]), by_budget()).await.is_err());
        assert!(store.unfreeze(&session.key).await.unwrap());
        assert!(!store.unfreeze(&session.key).await.unwrap());
        assert!(!budget(&*store, Scope::Session).await.frozen);
        assert!(store.reserve(intent(vec![draft(2)]), by_budget()).await.is_err(), "open again, but spent");
    }
}

async fn one_key_stands_for_one_call_across_a_restart(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let keyed = |n, fingerprint| Intent {
            idempotency: Some(Idempotency { key: "k".into(), fingerprint: [fingerprint; 32] }),
            ..intent(vec![draft(n)])
        };
        take(&*store, keyed(1, 1)).await;
        store.close().await.unwrap();
        let store = place.open();
        let again = store.reserve(keyed(2, 1), by_budget()).await.unwrap();
        assert!(matches!(again, Reservation::Replay(Target::Message(id)) if id == draft(1).id));
        assert!(matches!(store.reserve(keyed(3, 2), by_budget()).await.unwrap(), Reservation::Conflict));
        let mut other = keyed(4, 2);
        other.payer.principal = "bob".into();
        other.payer.base = BaseSession::Named("process-2".into());
        assert!(
            matches!(store.reserve(other, by_budget()).await.unwrap(), Reservation::Taken { .. }),
            "keys are each principal's own"
        );
    }
}

async fn a_key_is_free_again_when_nothing_was_sent(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let keyed = |n| Intent {
            idempotency: Some(Idempotency { key: "k".into(), fingerprint: [1; 32] }),
            ..intent(vec![draft(n)])
        };
        take(&*store, keyed(1)).await;
        store
            .settle(&draft(1).id, Settlement { free_key: true, ..ended(State::Rejected, None) })
            .await
            .unwrap();
        take(&*store, keyed(2)).await;
    }
}

async fn states_only_move_forward_whatever_is_reported(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        store.settle(&draft(1).id, ended(State::Sent, None)).await.unwrap();
        let report = |state| Report {
            provider: "sandbox".into(),
            vendor_id: "v-1".into(),
            to: None,
            state,
            at: NOW.plus_ms(9),
            why: None,
            price_micros: None,
        };
        assert_eq!(store.record_receipt(report(State::Delivered), NOW).await.unwrap(), [draft(1).id]);
        for late in [State::Sent, State::Failed, State::Delivered, State::Expired] {
            assert!(store.record_receipt(report(late), NOW).await.unwrap().is_empty(), "{late}");
        }
        store.settle(&draft(1).id, ended(State::Unknown, None)).await.unwrap();
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Delivered);
        let history: Vec<State> = crate::support::whole(&*store, &draft(1).id, ReplyPage::default())
            .await
            .history
            .into_iter()
            .map(|change| change.state)
            .collect();
        assert_eq!(history, [State::Attempting, State::Sent, State::Delivered]);
        assert_eq!(budget(&*store, Scope::Day).await.spent_micros, HOLD);
    }
}

async fn a_receipt_that_comes_before_its_answer_is_kept_and_applied(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        let report = Report {
            provider: "sandbox".into(),
            vendor_id: "v-1".into(),
            to: None,
            state: State::Delivered,
            at: NOW.plus_ms(9),
            why: None,
            price_micros: None,
        };
        assert!(store.record_receipt(report, NOW).await.unwrap().is_empty());
        store.settle(&draft(1).id, ended(State::Sent, None)).await.unwrap();
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Delivered);
    }
}

async fn the_queue_is_claimed_once_in_order_and_no_faster_than_the_rate(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 5)).await;
        let slow = |limit, at: i64| Claim { now: NOW.plus_ms(at), per_second: 2, ..claim(limit) };
        let first = store.claim(slow(10, 0)).await.unwrap();
        let ids: Vec<MessageId> = first.messages.iter().map(|message| message.id.clone()).collect();
        assert_eq!(ids, [draft(1).id, draft(2).id], "a second's worth, oldest first");
        assert_eq!(first.messages[0].text.as_deref(), Some("text 1"));
        let nothing = store.claim(slow(10, 0)).await.unwrap();
        assert!(nothing.messages.is_empty() && nothing.wait_ms == Some(500), "{nothing:?}");
        assert_eq!(store.claim(slow(10, 500)).await.unwrap().messages[0].id, draft(3).id);
        let later = || Claim { now: NOW.plus_ms(5_000), ..claim(10) };
        assert_eq!(store.claim(later()).await.unwrap().messages.len(), 2);
        assert!(store.claim(later()).await.unwrap().wait_ms.is_none(), "an empty queue is not a slow one");
    }
}

async fn what_waited_too_long_expires_and_its_money_comes_back(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 2)).await;
        let late = Claim { now: NOW.plus_ms(3_600_001), ..claim(10) };
        assert!(store.claim(late).await.unwrap().messages.is_empty());
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Expired);
        assert_eq!(budget(&*store, Scope::Session).await.held_micros, 0);
    }
}

async fn what_a_process_that_died_left_is_unknown_or_queued_and_what_a_living_one_has_is_left_alone(
    backend: Backend,
) {
    for place in backend.places() {
        let (dying, living) = (place.open(), place.open());
        take(&*dying, intent(vec![draft(1)])).await;
        take(&*dying, queued(10, 2)).await;
        take(&*living, intent(vec![draft(2)])).await;
        assert_eq!(
            living.recover(NOW, None).await.unwrap(),
            sms_mcp::ledger::Recovered::default(),
            "both live"
        );
        drop(dying); // Its lock goes with it, as at a kill.
        let recovered = living.recover(NOW, None).await.unwrap();
        assert_eq!((recovered.unknown, recovered.released), (1, 2));
        assert_eq!(state_of(&*living, &draft(1).id).await, State::Unknown);
        assert_eq!(state_of(&*living, &draft(2).id).await, State::Attempting);
        assert!(living.claim(claim(10)).await.unwrap().messages.is_empty(), "not without adopting");
        assert_eq!(living.claim(Claim { adopt: true, ..claim(10) }).await.unwrap().messages.len(), 2);
        let session = budget(&*living, Scope::Session).await;
        assert_eq!((session.held_micros, session.messages), (4 * HOLD, 4), "an unknown stays held");
        assert_eq!(living.recover(NOW, None).await.unwrap(), sms_mcp::ledger::Recovered::default(), "once");
    }
}

async fn a_handle_narrows_its_session_and_belongs_to_its_principal(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let id = SessionId::new([7; 20]);
        let handle = NewHandle { id: id.clone(), label: None, limits: limits(150, 10) };
        store.open_session(payer(), handle, NOW).await.unwrap();
        let with_handle = |n, base: &str, at: i64| {
            let payer = Payer { handle: Some(id.clone()), base: BaseSession::Named(base.into()), ..payer() };
            Intent { payer, now: NOW.plus_ms(at), ..intent(vec![draft(n)]) }
        };
        take(&*store, with_handle(1, "process-1", 0)).await;
        assert_eq!(budget(&*store, Scope::Session).await.held_micros, HOLD, "it spends from its session");
        assert_eq!(
            store.reserve(with_handle(2, "process-1", 0), by_budget()).await.unwrap_err().kind(),
            ErrorKind::BudgetExceeded
        );
        let mut stranger = with_handle(3, "process-9", 0);
        stranger.payer.principal = "bob".into();
        assert_eq!(store.reserve(stranger, by_budget()).await.unwrap_err().kind(), ErrorKind::SessionInvalid);
        let late = store.reserve(with_handle(4, "process-1", 1_800_001), by_budget()).await.unwrap_err();
        assert!(late.kind() == ErrorKind::SessionInvalid && late.message().contains("expired"), "{late}");
        let elsewhere =
            Payer { handle: Some(id.clone()), base: BaseSession::Named("process-2".into()), ..payer() };
        let scopes: Vec<Scope> =
            store.budgets(elsewhere, NOW).await.unwrap().into_iter().map(|budget| budget.scope).collect();
        assert_eq!(
            scopes,
            [Scope::Total, Scope::Day, Scope::Session, Scope::Session, Scope::Handle],
            "both sessions and the handle"
        );
    }
}

async fn the_principals_open_session_lasts_while_it_is_used(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let open = |n, fresh: &str, at: i64| {
            let payer = Payer { base: BaseSession::Open { fresh: fresh.into() }, idle_ms: 10_000, ..payer() };
            Intent { payer, now: NOW.plus_ms(at), ..intent(vec![draft(n)]) }
        };
        take(&*store, open(1, "a", 0)).await;
        take(&*store, open(2, "b", 9_000)).await;
        take(&*store, open(3, "c", 18_000)).await;
        take(&*store, open(4, "d", 40_000)).await;
        let used: Vec<(String, i64)> = store
            .all_budgets()
            .await
            .unwrap()
            .into_iter()
            .map(|budget| (budget.key.to_string(), budget.messages))
            .collect();
        assert!(
            used.contains(&("session:USD:a".into(), 3)) && used.contains(&("session:USD:d".into(), 1)),
            "{used:?}"
        );
    }
}

async fn lists_are_each_principals_own_and_pages_stay_put_while_messages_come(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        for n in 1..=5 {
            take(&*store, Intent { now: NOW.plus_ms(n.into()), ..intent(vec![draft(n)]) }).await;
        }
        let page = |before| Filter { principal: "alice".into(), before, limit: 2, ..Filter::default() };
        let first = store.list(page(None)).await.unwrap();
        assert_eq!(
            first.iter().map(|record| record.id.clone()).collect::<Vec<_>>(),
            [draft(5).id, draft(4).id]
        );
        store.settle(&draft(5).id, ended(State::Rejected, None)).await.unwrap();
        take(&*store, Intent { now: NOW.plus_ms(6), ..intent(vec![draft(6)]) }).await;
        let second = store.list(page(Some(first[1].sequence))).await.unwrap();
        assert_eq!(
            second.iter().map(|record| record.id.clone()).collect::<Vec<_>>(),
            [draft(3).id, draft(2).id]
        );
        assert!(
            store
                .list(Filter { principal: "bob".into(), limit: 9, ..Filter::default() })
                .await
                .unwrap()
                .is_empty()
        );
        assert!(store.message("bob", &draft(1).id).await.unwrap().is_none());
        let to = Filter {
            to: Some(draft(2).to),
            ..Filter { principal: "alice".into(), limit: 9, ..Filter::default() }
        };
        assert_eq!(store.list(to).await.unwrap().len(), 1);
        let since = Filter {
            since: Some(NOW.plus_ms(5)),
            until: Some(NOW.plus_ms(6)),
            principal: "alice".into(),
            limit: 9,
            ..Filter::default()
        };
        assert_eq!(store.list(since).await.unwrap()[0].id, draft(5).id);
        let rejected =
            Filter { state: Some(State::Rejected), principal: "alice".into(), limit: 9, ..Filter::default() };
        assert_eq!(store.list(rejected).await.unwrap().len(), 1);
    }
}

async fn facts_count_what_may_have_reached_a_person_and_nothing_else(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let same = |n: u32, at: i64| {
            let draft = Draft { id: MessageId::new(NOW.as_millis(), u128::from(n)), ..draft(1) };
            Intent { now: NOW.plus_ms(at), ..intent(vec![draft]) }
        };
        take(&*store, same(1, 0)).await;
        store.settle(&MessageId::new(NOW.as_millis(), 1), ended(State::Rejected, None)).await.unwrap();
        take(&*store, same(2, 0)).await;
        take(&*store, same(3, 3_000_000)).await;
        let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let look: Decide = Arc::new(move |_, facts| {
            notes.lock().unwrap().push((
                facts.recipient_last_hour,
                facts.recipient_last_day,
                facts.same_text.as_ref().map(|earlier| earlier.age_ms),
            ));
            Ok(Verdict::Now)
        });
        for at in [3_000_500, 3_600_001, 3_600_001 + 600_000, 90_000_000] {
            store.reserve(Intent { preview: true, ..same(9, at) }, Arc::clone(&look)).await.unwrap();
        }
        assert_eq!(*seen.lock().unwrap(), [(2, 2, Some(500)), (1, 2, None), (1, 2, None), (0, 0, None)]);
        assert!(
            store.message("alice", &MessageId::new(NOW.as_millis(), 9)).await.unwrap().is_none(),
            "a preview writes nothing"
        );
    }
}

#[tokio::test]
async fn a_foreign_or_newer_file_is_refused_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| {
        SqliteLedger::open(path, NOW, [9; 8])
            .err()
            .map(|error| error.message().to_owned())
            .unwrap_or_default()
    };
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, and it is long enough to be looked at as one ".repeat(20))
        .unwrap();
    assert!(open(&text).contains("not a database"), "{}", open(&text));
    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(open(&foreign).contains("another program"), "{}", open(&foreign));
    let newer = folder.path().join("newer.db");
    drop(SqliteLedger::open(&newer, NOW, [8; 8]).unwrap());
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(open(&newer).contains("newer version"), "{}", open(&newer));
    assert!(open(folder.path()).contains("folder"));
}

async fn texts_that_are_not_to_be_kept_go_as_soon_as_they_cannot_be_sent(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let unkept = |intent| Intent { keep_texts: false, ..intent };
        let text = async |n: u32| store.message("alice", &draft(n).id).await.unwrap().unwrap().text;
        take(&*store, unkept(intent(vec![draft(1)]))).await;
        assert_eq!(text(1).await, None, "a single message is never sent from the ledger");
        take(&*store, unkept(queued(10, 2))).await;
        assert_eq!(text(10).await.as_deref(), Some("text 10"));
        store.claim(claim(1)).await.unwrap();
        store.settle(&draft(10).id, ended(State::Unknown, None)).await.unwrap();
        assert_eq!(text(10).await, None);
        store.claim(Claim { now: NOW.plus_ms(3_600_001), ..claim(10) }).await.unwrap();
        assert_eq!((state_of(&*store, &draft(11).id).await, text(11).await), (State::Expired, None));
        take(&*store, intent(vec![draft(2)])).await;
        assert_eq!(text(2).await.as_deref(), Some("text 2"));
    }
}

async fn a_clock_that_cannot_be_right_sends_nothing_until_it_is_set_or_accepted(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        let at = |n, ms: i64| Intent { now: NOW.plus_ms(ms), ..intent(vec![draft(n)]) };
        take(&*store, at(1, 0)).await;
        take(&*store, at(2, -300_000)).await;
        let waits: Decide = Arc::new(|_, facts| {
            if facts.rate_wait_ms == 0 {
                Ok(Verdict::Now)
            } else {
                Err(Error::new(ErrorKind::RateLimited, "wait"))
            }
        });
        let slow = Intent { per_second: 1, ..at(4, -310_000) };
        assert!(
            matches!(store.reserve(slow, waits).await.unwrap(), Reservation::Taken { .. }),
            "a small step back stops nothing"
        );
        let refused = store.reserve(at(3, -86_400_000), by_budget()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ClockUnreliable);
        let unset = store.reserve(Intent { now: Timestamp(0), ..at(3, 0) }, by_budget()).await.unwrap_err();
        assert_eq!(unset.kind(), ErrorKind::ClockUnreliable);
        store.accept_clock().await.unwrap();
        take(&*store, at(3, -86_400_000)).await;
    }
}

async fn a_bulk_leaves_room_for_single_sends(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 5)).await;
        let slow = Claim { per_second: 5, ..claim(10) };
        assert_eq!(store.claim(slow.clone()).await.unwrap().messages.len(), 4, "four of five");
        assert_eq!(store.claim(slow).await.unwrap().wait_ms, Some(200));
        let waited = Arc::new(std::sync::Mutex::new(Vec::new()));
        let notes = Arc::clone(&waited);
        let look: Decide = Arc::new(move |_, facts| {
            notes.lock().unwrap().push(facts.rate_wait_ms);
            Ok(Verdict::Now)
        });
        let single = |n| Intent {
            per_second: 5,
            payer: Payer { session: Limits::default(), ..payer() },
            ..intent(vec![draft(n)])
        };
        store.reserve(single(20), Arc::clone(&look)).await.unwrap();
        store.reserve(Intent { preview: true, ..single(21) }, look).await.unwrap();
        assert_eq!(*waited.lock().unwrap(), [0, 200]);
    }
}

async fn what_a_frozen_budget_pays_for_stays_queued_until_a_person_looked_and_midnight_is_none(
    backend: Backend,
) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 3)).await;
        store.claim(claim(1)).await.unwrap();
        store.settle(&draft(1).id, ended(State::Sent, Some(700))).await.unwrap();
        assert!(store.claim(claim(10)).await.unwrap().messages.is_empty());
        let tomorrow = Intent {
            now: NOW.plus_ms(86_400_000),
            payer: Payer { base: BaseSession::Named("p2".into()), ..payer() },
            ..intent(vec![draft(9)])
        };
        assert_eq!(
            store.reserve(tomorrow.clone(), by_budget()).await.unwrap_err().kind(),
            ErrorKind::BudgetExceeded
        );
        for frozen in store.all_budgets().await.unwrap().into_iter().filter(|budget| budget.frozen) {
            assert!(store.unfreeze(&frozen.key).await.unwrap());
        }
        assert_eq!(store.claim(claim(10)).await.unwrap().messages.len(), 2);
        take(&*store, tomorrow).await;
    }
}

async fn a_queue_waits_for_its_provider_and_can_be_canceled(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, queued(1, 3)).await;
        let other = Claim { provider: "another".into(), ..claim(10) };
        assert!(store.claim(other).await.unwrap().messages.is_empty());
        store.claim(claim(1)).await.unwrap();
        let batch = BatchId::new(NOW.as_millis(), 1);
        assert_eq!(store.cancel("bob", &batch, NOW).await.unwrap(), 0, "not another's");
        assert_eq!(store.cancel("alice", &batch, NOW).await.unwrap(), 2);
        assert_eq!(state_of(&*store, &draft(1).id).await, State::Attempting, "what had left stays as it is");
        assert_eq!(state_of(&*store, &draft(3).id).await, State::Canceled);
        assert_eq!(budget(&*store, Scope::Session).await.held_micros, HOLD);
    }
}

async fn the_total_counts_from_the_first_message_also_where_it_had_no_limit_then(backend: Backend) {
    for place in backend.places() {
        let store = place.open();
        take(&*store, intent(vec![draft(1)])).await;
        let limited = Payer { total: limits(150, 100), ..payer() };
        let refused =
            store.reserve(Intent { payer: limited.clone(), ..intent(vec![draft(2)]) }, by_budget()).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::BudgetExceeded);
        assert_eq!(store.budgets(limited, NOW).await.unwrap()[0].left_micros(), Some(50));
    }
}

#[tokio::test]
async fn one_file_by_two_paths_is_one_ledger_and_ids_of_processes_are_never_used_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("ledger.db"), folder.path().join("link.db"));
    let open = |path: &Path, name: u8| SqliteLedger::open(path, NOW, [name; 8]).unwrap();
    let first = open(&file, 1);
    take(&first, intent(vec![draft(1)])).await;
    #[cfg(unix)]
    std::os::unix::fs::symlink(&file, &link).unwrap();
    #[cfg(not(unix))]
    std::fs::hard_link(&file, &link).unwrap();
    let second = open(&link, 2);
    assert_eq!(
        second.recover(NOW, None).await.unwrap(),
        sms_mcp::ledger::Recovered::default(),
        "the first lives"
    );
    assert_eq!(state_of(&second, &draft(1).id).await, State::Attempting);
    second.close().await.unwrap();
    // Somebody took the first one's registration away: its work is still found once it has ended.
    rusqlite::Connection::open(&file).unwrap().execute_batch("DELETE FROM instance").unwrap();
    drop(first);
    let third = open(&file, 3);
    assert_eq!(third.recover(NOW, None).await.unwrap().unknown, 1);
    assert_eq!(state_of(&third, &draft(1).id).await, State::Unknown);
    let ids: i64 = rusqlite::Connection::open(&file)
        .unwrap()
        .query_row("SELECT max(id) FROM instance", [], |row| row.get(0))
        .unwrap();
    assert_eq!(ids, 3);
}

on_every_backend! {
    money_is_held_then_charged_or_given_back_or_kept,
    a_budget_takes_exactly_what_fits_and_a_bulk_fits_whole_or_not_at_all,
    the_ledger_itself_refuses_what_a_wrong_decision_would_let_over_a_limit,
    a_higher_price_than_was_held_freezes_the_path_until_a_person_opens_it,
    one_key_stands_for_one_call_across_a_restart,
    a_key_is_free_again_when_nothing_was_sent,
    states_only_move_forward_whatever_is_reported,
    a_receipt_that_comes_before_its_answer_is_kept_and_applied,
    the_queue_is_claimed_once_in_order_and_no_faster_than_the_rate,
    what_waited_too_long_expires_and_its_money_comes_back,
    what_a_process_that_died_left_is_unknown_or_queued_and_what_a_living_one_has_is_left_alone,
    a_handle_narrows_its_session_and_belongs_to_its_principal,
    the_principals_open_session_lasts_while_it_is_used,
    lists_are_each_principals_own_and_pages_stay_put_while_messages_come,
    facts_count_what_may_have_reached_a_person_and_nothing_else,
    texts_that_are_not_to_be_kept_go_as_soon_as_they_cannot_be_sent,
    a_clock_that_cannot_be_right_sends_nothing_until_it_is_set_or_accepted,
    a_bulk_leaves_room_for_single_sends,
    what_a_frozen_budget_pays_for_stays_queued_until_a_person_looked_and_midnight_is_none,
    a_queue_waits_for_its_provider_and_can_be_canceled,
    the_total_counts_from_the_first_message_also_where_it_had_no_limit_then,
}
