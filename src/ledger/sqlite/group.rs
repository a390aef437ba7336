//! What the jobs of one transaction share: the budgets, the pace and the sessions that they decide by, and
//! the requests that they count. Each is read once, reckoned with in memory, and written once, before the
//! commit.
//!
//! Two things keep that from being seen by anybody. What a job decides by it gets as copies, and it reckons
//! only what it has decided to take, after which nothing but the ledger's trouble can stop it, and that
//! undoes the whole transaction: so a refusal leaves no trace. And whoever asks the ledger itself for a
//! budget, a pace, a session or a count gets hold of it by [`Group::alone`], which writes all of it first and
//! forgets it: so what is read there is what was reckoned, and what is written there is read again.

use rusqlite::Connection;

use super::budget::{Budgets, Row};
use super::job::{Business, JobResult};
use super::pace::Paces;
use super::rate::Counts;
use super::session::{self, Bases, Sessions};
use crate::clock::Timestamp;
use crate::ledger::Payer;
use crate::ledger::rules::pace::Pace;
use crate::ledger::rules::path::Part;
use crate::ledger::rules::posting::Moves;
use crate::sms::facts::Budget;
use crate::sms::message::Realm;
use crate::sms::peer::Peer;

/// See the module's text.
pub(super) struct Group<'a> {
    db: &'a Connection,
    budgets: Budgets,
    paces: Paces,
    bases: Bases,
    counts: Counts,
}

impl<'a> Group<'a> {
    /// Does this work in one group, and writes what it reckoned. What it fails with undoes it, by whoever
    /// began the transaction.
    ///
    /// # Errors
    /// What the work fails with, and what the ledger says to what was reckoned.
    pub(super) fn over<T, E: From<rusqlite::Error>>(
        db: &'a Connection,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut group = Self {
            db,
            budgets: Budgets::default(),
            paces: Paces::default(),
            bases: Bases::default(),
            counts: Counts::default(),
        };
        let done = work(&mut group)?;
        group.write()?;
        Ok(done)
    }

    /// The ledger, for everything but budgets, the pace, sessions and counts of requests: of these it does
    /// not say how they stand.
    pub(super) fn beside(&self) -> &'a Connection {
        self.db
    }

    /// The whole ledger, as it stands after all that was done so far.
    pub(super) fn alone(&mut self) -> JobResult<&Connection> {
        self.write()?;
        Ok(self.db)
    }

    fn write(&mut self) -> JobResult<()> {
        self.bases.forget();
        self.budgets.write(self.db)?;
        self.paces.write(self.db)?;
        self.counts.write(self.db)
    }

    /// Whether anything is reckoned that is not written.
    pub(super) fn has_changes(&self) -> bool {
        self.budgets.has_changes() || self.paces.has_changes() || self.counts.has_changes()
    }

    /// See [`session::sessions`].
    pub(super) fn sessions(&mut self, payer: &Payer, now: Timestamp) -> Business<Sessions> {
        session::sessions(self.db, &mut self.bases, payer, now)
    }

    /// See [`session::touch`].
    pub(super) fn touch(&mut self, payer: &Payer, sessions: &Sessions, now: Timestamp) -> JobResult<()> {
        session::touch(self.db, &mut self.bases, payer, sessions, now)
    }

    /// See [`Budgets::look`].
    pub(super) fn look(&mut self, path: Vec<Part>) -> JobResult<Vec<Row>> {
        self.budgets.look(self.db, path)
    }

    /// See [`Budgets::hold`].
    pub(super) fn hold(&mut self, row: &mut Row, micros: i64, messages: i64) -> JobResult<()> {
        self.budgets.hold(self.db, row, micros, messages)
    }

    /// See [`Budgets::post`].
    pub(super) fn post(&mut self, id: i64, moves: &Moves) -> JobResult<Option<Budget>> {
        self.budgets.post(self.db, id, moves)
    }

    /// See [`Paces::read`].
    pub(super) fn pace(
        &mut self,
        realm: Realm,
        now: Timestamp,
        per_second: u32,
        peers: &[Peer],
    ) -> JobResult<Pace> {
        self.paces.read(self.db, realm, now, per_second, peers)
    }

    /// See [`Paces::keep`].
    pub(super) fn keep_pace(&mut self, realm: Realm, pace: &Pace) {
        self.paces.keep(realm, pace);
    }

    /// See [`Counts::add`].
    pub(super) fn count(&mut self, provider: &str, now: Timestamp, requests: u32) {
        self.counts.add(provider, now, requests);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::sync::Arc;

    use futures::future::{LocalBoxFuture, join_all};

    use super::super::job::Kind;
    use super::super::store::SqliteLedger;
    use crate::clock::Timestamp;
    use crate::error::{Error, ErrorKind, Result};
    use crate::ledger::facets::{Accounts as _, Intents as _, Queue as _, Reports as _};
    use crate::ledger::{
        BaseSession, BatchDraft, Decide, Draft, Intent, Pacing, Payer, Report, Reservation, Settlement,
    };
    use crate::sms::facts::{Budget, Facts, Limits, Looks, Scope};
    use crate::sms::message::{BatchId, MessageId, Realm, State};
    use crate::sms::purpose::Purpose;
    use crate::sms::schedule::Schedule;
    use crate::sms::verdict::Verdict;

    /// Noon of a day.
    const NOW: Timestamp = Timestamp(1_800_014_400_000);
    const DAY_MS: i64 = 24 * 3_600_000;
    const COST: i64 = 10;

    const OPEN: Limits = Limits { spend_micros: None, messages: None };

    fn ledger(folder: &tempfile::TempDir, number: u8) -> SqliteLedger {
        SqliteLedger::open(&folder.path().join("ledger.db"), NOW, [number; 8]).unwrap()
    }

    fn id(n: u128) -> MessageId {
        MessageId::new(0, n)
    }

    fn draft(n: u128) -> Draft {
        Draft {
            id: id(n),
            to: format!("+4474001{n:05}"),
            from: None,
            text: format!("text {n}"),
            digest: n.to_be_bytes(),
            folded: n.to_be_bytes(),
            encoding: "GSM-7",
            segments: 1,
            hold_micros: COST,
            is_assumed: false,
            provider: "one".into(),
            rated_requests: 0,
            purpose: Purpose::Transactional,
            schedule: Schedule::default(),
        }
    }

    fn intent(n: u128, total: Limits) -> Intent {
        let payer = Payer {
            principal: "user:alice".into(),
            realm: Realm::Live,
            base: BaseSession::Named("p-1".into()),
            handle: None,
            idle_ms: 60_000,
            currency: "USD".into(),
            total,
            day: OPEN,
            session: OPEN,
        };
        Intent {
            payer,
            now: NOW,
            idempotency: None,
            batch: None,
            is_campaign: false,
            forward: false,
            drafts: vec![draft(n)],
            all_or_none: true,
            answers_of: Vec::new(),
            consent_for: Vec::new(),
            duplicate_window_ms: 0,
            per_second: 1_000_000,
            keep_texts: true,
            proposal: None,
            looks: Looks::default(),
            preview: false,
        }
    }

    fn spend(micros: i64) -> Limits {
        Limits { spend_micros: Some(micros), messages: None }
    }

    /// Says yes to what fits, as the guard does.
    fn fits() -> Decide {
        Arc::new(|_, facts: &Facts| {
            if facts.budgets.iter().any(|budget| budget.frozen) {
                return Err(Error::new(ErrorKind::BudgetFrozen, "frozen"));
            }
            let has_room =
                |budget: &Budget| budget.left_micros().is_none_or(|left| left >= facts.before_micros + COST);
            if facts.budgets.iter().all(has_room) {
                Ok(Verdict::Now)
            } else {
                Err(Error::new(ErrorKind::BudgetExceeded, "spent"))
            }
        })
    }

    fn always() -> Decide {
        Arc::new(|_, _| Ok(Verdict::Now))
    }

    fn settled(price_micros: Option<i64>) -> Settlement {
        Settlement {
            at: NOW,
            state: State::Sent,
            vendor_id: None,
            price_micros,
            segments: None,
            parts: Vec::new(),
            code: None,
            why: None,
            free_key: false,
            look_at: None,
        }
    }

    type Job<'a> = LocalBoxFuture<'a, Result<()>>;

    /// A send; an error where it is refused, too.
    fn send(store: &SqliteLedger, intent: Intent, decide: Decide) -> Job<'_> {
        Box::pin(async move {
            match store.reserve(intent, decide).await? {
                Reservation::Taken { .. } => Ok(()),
                Reservation::Refused { mut refused, .. } => Err(refused.remove(0).1),
                other => unreachable!("{other:?}"),
            }
        })
    }

    fn settle(store: &SqliteLedger, n: u128, price_micros: Option<i64>) -> Job<'_> {
        Box::pin(async move { store.settle(&id(n), settled(price_micros)).await.map(drop) })
    }

    /// All of these in one group, in this order: the writing thread takes what has queued up while it was
    /// held.
    async fn together(store: &SqliteLedger, jobs: Vec<Job<'_>>) -> Vec<std::result::Result<(), ErrorKind>> {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let (writer, mut begun) = (store.writer().unwrap(), Some(begun));
        let held = tokio::spawn(async move {
            let hold = move |_: &rusqlite::Connection| {
                begun.take().map(|begun| begun.send(()));
                let _ = gate.recv();
                Ok(())
            };
            writer.run_as(Kind::Aside, hold).await
        });
        has_begun.await.unwrap();
        let mut all = Box::pin(join_all(jobs));
        assert!(futures::poll!(&mut all).is_pending(), "all of them wait now");
        go.send(()).unwrap();
        held.await.unwrap().unwrap();
        all.await.into_iter().map(|done| done.map_err(|error| error.kind())).collect()
    }

    /// The total and the messages on record: held, spent, messages counted, messages written.
    async fn total(store: &SqliteLedger) -> (i64, i64, i64, i64) {
        let sql = "SELECT held_micros, spent_micros, messages, (SELECT count(*) FROM message) FROM budget \
            WHERE scope = 0";
        store
            .read(move |db| {
                db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
            })
            .await
            .unwrap()
    }

    async fn rows_changed(store: &SqliteLedger) -> u64 {
        store.writer().unwrap().run_as(Kind::Aside, |db| Ok(db.total_changes())).await.unwrap()
    }

    async fn numbers(store: &SqliteLedger, sql: &'static str) -> Vec<i64> {
        let read =
            move |db: &rusqlite::Connection| db.prepare(sql)?.query_map([], |row| row.get(0))?.collect();
        store.read(read).await.unwrap()
    }

    #[tokio::test]
    async fn a_group_takes_as_many_as_fit_and_writes_what_they_share_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        send(&store, intent(0, OPEN), fits()).await.unwrap();
        let before = rows_changed(&store).await;
        let jobs = (1..=9).map(|n| send(&store, intent(n, spend(8 * COST)), fits())).collect();
        let done = together(&store, jobs).await;
        let spent = Err(ErrorKind::BudgetExceeded);
        assert_eq!(done, [Ok(()), Ok(()), Ok(()), Ok(()), Ok(()), Ok(()), Ok(()), spent, spent]);
        assert_eq!(total(&store).await, (8 * COST, 0, 8, 8));
        // A row for each message, and one for the total, the day, the session and the pace.
        assert_eq!(rows_changed(&store).await - before, 7 + 4);
        let held = numbers(&store, "SELECT held_micros FROM budget").await;
        assert_eq!(held, [8 * COST; 3], "each part of the path holds all of it");
        let pace = "SELECT until_us - latest_us FROM pace WHERE sandbox = 0";
        assert_eq!(numbers(&store, pace).await, [8], "and each took its place in the pace");
        let limit = "SELECT limit_micros FROM budget WHERE scope = 0";
        assert_eq!(
            numbers(&store, limit).await,
            [8 * COST],
            "the row's own check holds the limit from now on"
        );
    }

    #[tokio::test]
    async fn a_send_that_is_refused_within_a_group_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        let no: Decide = Arc::new(|_, _| Err(Error::new(ErrorKind::OptedOut, "no")));
        let jobs = vec![
            send(&store, intent(1, spend(2 * COST)), fits()),
            send(&store, intent(2, spend(2 * COST)), no),
            send(&store, intent(3, spend(2 * COST)), fits()),
        ];
        assert_eq!(together(&store, jobs).await, [Ok(()), Err(ErrorKind::OptedOut), Ok(())]);
        assert_eq!(total(&store).await, (2 * COST, 0, 2, 2));
        assert_eq!(numbers(&store, "SELECT until_us - latest_us FROM pace WHERE sandbox = 0").await, [2]);
        assert_eq!(numbers(&store, "SELECT count(*) FROM message").await, [2]);
    }

    #[tokio::test]
    async fn what_was_wrongly_decided_is_undone_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        let jobs = vec![
            send(&store, intent(1, spend(COST)), fits()),
            send(&store, intent(2, spend(COST)), always()),
            settle(&store, 1, None),
        ];
        assert_eq!(together(&store, jobs).await, [Ok(()), Err(ErrorKind::LedgerUnavailable), Ok(())]);
        assert_eq!(total(&store).await, (0, COST, 1, 1), "the others of its group are written, each alone");
    }

    #[tokio::test]
    async fn a_freeze_within_a_group_stops_what_comes_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        send(&store, intent(1, OPEN), fits()).await.unwrap();
        let jobs = vec![
            send(&store, intent(2, OPEN), fits()),
            settle(&store, 1, Some(3 * COST)),
            send(&store, intent(3, OPEN), fits()),
            send(&store, intent(4, OPEN), always()),
            settle(&store, 2, None),
        ];
        let done = together(&store, jobs).await;
        assert_eq!(
            done,
            [Ok(()), Ok(()), Err(ErrorKind::BudgetFrozen), Err(ErrorKind::LedgerUnavailable), Ok(())]
        );
        assert_eq!(total(&store).await, (0, 4 * COST, 2, 2));
        let budgets = store.all_budgets().await.unwrap();
        let overcharged = |budget: &Budget| {
            budget.frozen && budget.overcharge.as_ref().is_some_and(|by| by.message == id(1))
        };
        assert!(budgets.iter().all(overcharged) && budgets.len() == 3, "{budgets:?}");
    }

    #[tokio::test]
    async fn a_report_within_a_group_that_names_a_higher_price_freezes_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        send(&store, intent(1, OPEN), fits()).await.unwrap();
        store.settle(&id(1), Settlement { vendor_id: Some("v-1".into()), ..settled(None) }).await.unwrap();
        let report = |price: i64| Report {
            provider: "one".into(),
            vendor_id: "v-1".into(),
            to: None,
            state: State::Delivered,
            at: NOW,
            why: None,
            price_micros: Some(price),
        };
        let told = |price: i64| -> Job<'_> {
            let (store, report) = (&store, report(price));
            Box::pin(async move { store.record_receipt(report, NOW).await.map(drop) })
        };
        let jobs = vec![
            send(&store, intent(2, OPEN), fits()),
            told(COST - 3),
            send(&store, intent(3, spend(3 * COST - 3)), fits()),
        ];
        assert_eq!(
            together(&store, jobs).await,
            [Ok(()), Ok(()), Ok(())],
            "what one cost less another may hold"
        );
        assert_eq!(total(&store).await, (2 * COST, COST - 3, 3, 3));
        let jobs =
            vec![send(&store, intent(4, OPEN), fits()), told(COST), send(&store, intent(5, OPEN), fits())];
        assert_eq!(together(&store, jobs).await, [Ok(()), Ok(()), Err(ErrorKind::BudgetFrozen)]);
        assert_eq!(total(&store).await, (3 * COST, COST, 4, 4));
    }

    #[tokio::test]
    async fn what_is_given_back_within_a_group_the_next_of_it_may_hold() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        send(&store, intent(1, spend(COST)), fits()).await.unwrap();
        let jobs = vec![
            send(&store, intent(2, spend(COST)), fits()),
            settle(&store, 1, Some(4)),
            send(&store, intent(3, spend(COST + 4)), fits()),
            send(&store, intent(4, spend(COST + 4)), fits()),
        ];
        let spent = Err(ErrorKind::BudgetExceeded);
        assert_eq!(together(&store, jobs).await, [spent, Ok(()), Ok(()), spent]);
        assert_eq!(total(&store).await, (COST, 4, 2, 2));
    }

    #[tokio::test]
    async fn each_send_of_a_group_counts_on_its_own_day() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        let on = |n: u128, days: i64| {
            let mut intent = Intent { now: NOW.plus_ms(days * DAY_MS), ..intent(n, OPEN) };
            intent.payer.day = spend(COST);
            send(&store, intent, fits())
        };
        let spent = Err(ErrorKind::BudgetExceeded);
        assert_eq!(
            together(&store, vec![on(1, 0), on(2, 0), on(3, 1), on(4, 1)]).await,
            [Ok(()), spent, Ok(()), spent]
        );
        assert_eq!(numbers(&store, "SELECT held_micros FROM budget WHERE scope = 1").await, [COST, COST]);
        assert_eq!(total(&store).await, (2 * COST, 0, 2, 2));
    }

    #[tokio::test]
    async fn a_preview_within_a_group_sees_those_before_it_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        let preview =
            |n: u128, limit: i64| send(&store, Intent { preview: true, ..intent(n, spend(limit)) }, fits());
        let jobs = vec![
            preview(9, 4 * COST),
            send(&store, intent(1, spend(3 * COST)), fits()),
            preview(2, 2 * COST),
            preview(2, COST),
            send(&store, intent(2, spend(3 * COST)), fits()),
            send(&store, intent(3, spend(3 * COST)), fits()),
        ];
        let spent = Err(ErrorKind::BudgetExceeded);
        assert_eq!(together(&store, jobs).await, [Ok(()), Ok(()), Ok(()), spent, Ok(()), Ok(())]);
        assert_eq!(total(&store).await, (3 * COST, 0, 3, 3));
        assert_eq!(numbers(&store, "SELECT until_us - latest_us FROM pace WHERE sandbox = 0").await, [3]);
        assert_eq!(numbers(&store, "SELECT limit_micros FROM budget WHERE scope = 0").await, [3 * COST]);
    }

    #[tokio::test]
    async fn whoever_asks_the_ledger_itself_within_a_group_finds_what_was_reckoned_and_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        let (asked, found) = std::sync::mpsc::channel::<i64>();
        let ask: Job<'_> = {
            let writer = store.writer().unwrap();
            let step = move |db: &rusqlite::Connection| {
                let _ = asked.send(db.query_row(
                    "SELECT held_micros FROM budget WHERE scope = 0",
                    [],
                    |row| row.get(0),
                )?);
                db.execute("UPDATE budget SET frozen = 1 WHERE scope = 2", []).map(drop)
            };
            Box::pin(async move { writer.run(step).await })
        };
        let jobs = vec![
            send(&store, intent(1, OPEN), fits()),
            send(&store, intent(2, OPEN), fits()),
            ask,
            send(&store, intent(3, OPEN), fits()),
        ];
        assert_eq!(together(&store, jobs).await, [Ok(()), Ok(()), Ok(()), Err(ErrorKind::BudgetFrozen)]);
        assert_eq!(found.recv().unwrap(), 2 * COST);
        assert_eq!(total(&store).await, (2 * COST, 0, 2, 2));
    }

    #[tokio::test]
    async fn a_bulk_and_single_sends_of_one_group_share_one_limit() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        let bulk = |first: u128, count: u128, limit: i64| {
            let batch = BatchDraft::of(BatchId::new(0, first));
            let drafts = (first..first + count).map(draft).collect();
            send(&store, Intent { batch: Some(batch), drafts, ..intent(first, spend(limit)) }, fits())
        };
        let one = |n: u128| send(&store, intent(n, spend(5 * COST)), fits());
        let spent = Err(ErrorKind::BudgetExceeded);
        let done =
            together(&store, vec![one(1), bulk(100, 3, 5 * COST), bulk(200, 2, 5 * COST), one(2), one(3)])
                .await;
        assert_eq!(done, [Ok(()), Ok(()), spent, Ok(()), spent]);
        assert_eq!(total(&store).await, (5 * COST, 0, 5, 5));
    }

    #[tokio::test]
    async fn what_a_group_asks_of_a_vendor_is_counted_once_and_whoever_asks_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = ledger(&folder, 1);
        let rated = |n: u128, seconds: i64| {
            let mut intent = Intent { now: NOW.plus_ms(seconds * 1_000), ..intent(n, OPEN) };
            intent.drafts[0].rated_requests = 2;
            send(&store, intent, fits())
        };
        let admit = |may: bool| -> Job<'_> {
            let (store, rate) = (&store, Pacing { per_minute: Some(9), ..Pacing::default() });
            Box::pin(async move {
                store
                    .admit("one", Realm::Live, 1, rate, NOW.plus_ms(1_000))
                    .await
                    .map(|admitted| assert_eq!(admitted, may))
            })
        };
        send(&store, intent(0, OPEN), fits()).await.unwrap();
        let before = rows_changed(&store).await;
        let jobs = vec![rated(1, 0), rated(2, 0), rated(3, 1), rated(4, 1), admit(true), admit(false)];
        assert!(together(&store, jobs).await.iter().all(|done| done.is_ok()));
        assert_eq!(
            numbers(&store, "SELECT count FROM rate ORDER BY slot").await,
            [9, 4, 5],
            "the day, and the two seconds"
        );
        // A row for each message and each part of the path and the pace, and a second and the day for each
        // second, and for who was admitted.
        assert_eq!(rows_changed(&store).await - before, 4 + 4 + 2 * 2 + 2);
    }

    #[tokio::test]
    async fn two_processes_with_groups_of_their_own_keep_to_one_limit() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (ledger(&folder, 1), ledger(&folder, 2));
        let sends = |store: &'static SqliteLedger, first: u128| {
            (0..12).map(move |n| send(store, intent(first + n, spend(15 * COST)), fits()))
        };
        let (one, two): (&'static SqliteLedger, &'static SqliteLedger) =
            (Box::leak(Box::new(one)), Box::leak(Box::new(two)));
        let (of_one, of_two) = tokio::join!(join_all(sends(one, 0)), join_all(sends(two, 100)));
        let taken = of_one.iter().chain(&of_two).filter(|done| done.is_ok()).count();
        assert_eq!(taken, 15);
        assert!(of_one.iter().chain(&of_two).all(|done| {
            done.as_ref().map_or_else(|error| error.kind() == ErrorKind::BudgetExceeded, |()| true)
        }));
        assert_eq!(total(one).await, (15 * COST, 0, 15, 15));
        let scopes: Vec<Scope> =
            one.all_budgets().await.unwrap().into_iter().map(|budget| budget.scope).collect();
        assert_eq!(scopes.len(), 3, "{scopes:?}");
    }

    /// What gets hold of a group asks it, and not the ledger, for what is reckoned there: the tables of that
    /// stand in no statement of those files.
    #[test]
    fn who_shares_a_group_reads_nothing_beside_it_that_is_reckoned_in_it() {
        let sources = [
            ("early", include_str!("early.rs")),
            ("facts", include_str!("facts.rs")),
            ("outbox", include_str!("outbox.rs")),
            ("receipt", include_str!("receipt.rs")),
            ("reserve", include_str!("reserve.rs")),
            ("segment", include_str!("segment.rs")),
            ("settle", include_str!("settle.rs")),
        ];
        for (name, source) in sources {
            let code = source.split("\nmod tests {").next().unwrap();
            let tables = ["budget", "pace", "rate", "session"]
                .map(|table| ["FROM ", "INTO ", "UPDATE ", "JOIN "].map(|word| format!("{word}{table} ")));
            let named = tables.iter().flatten().find(|words| code.contains(words.as_str()));
            assert_eq!(named, None, "{name} asks beside the group");
        }
        // Where the path freezes, it is written at once: after everything that was reckoned.
        let transition = include_str!("transition.rs");
        assert_eq!(transition.matches("UPDATE budget ").count(), 3);
        assert_eq!(transition.matches("group.alone()?").count(), 2);
    }
}
