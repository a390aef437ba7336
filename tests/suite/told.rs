//! What carriers tell over kept connections, through the whole engine: answers that come too late, wishes in
//! their order, and receipts that are known by their text or match nothing.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sms_mcp::clock::{SharedClock, Timestamp};
use sms_mcp::engine::contract::{BulkArgs, ListArgs, Recipient, SendArgs};
use sms_mcp::engine::{Base, Caller, Carrier, Carriers, Engine, Parts};
use sms_mcp::error::{ErrorKind, Result};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::ledger::told::EARLY_MS;
use sms_mcp::ledger::{BaseSession, E164, NewReply, Payer, ProviderName};
use sms_mcp::policy::Policy;
use sms_mcp::provider::exchange::{
    Answered, Event, Finding, Notice, Receipt, Reply, ReplySegment, Unacknowledged,
};
use sms_mcp::provider::settings::Rate;
use sms_mcp::provider::{Capabilities, Form, Outcome, Provider, SegmentOutcome, Submission};
use sms_mcp::sms::message::{MessageId, State};
use sms_mcp::sms::money::{Currency, Money};
use sms_mcp::sms::number::Number;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{NOON, TestClock};
use crate::support::{eventually_async, fictional, operator, person, within};

/// A carrier that loses every answer: of a text in three segments each, where there is a "+" in it.
struct Silent {
    told: Mutex<Option<mpsc::Receiver<Notice>>>,
    tell: mpsc::Sender<Notice>,
    sent: Mutex<Vec<MessageId>>,
    refused: Mutex<Vec<Unacknowledged>>,
}

fn segments_of(text: &str) -> u8 {
    if text.contains('+') { 3 } else { 1 }
}

#[async_trait]
impl Provider for Silent {
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::SEND_ONLY;
        (can.receipts_by_push, can.replies) = (true, true);
        can
    }

    fn name(&self) -> &str {
        "silent"
    }

    fn price(&self, _: &Number, segments: u32) -> Option<Money> {
        Money { micros: 10_000, currency: Currency::USD }.times(segments)
    }

    fn form(&self, _: &Number, _: Option<&str>, text: &str) -> Result<Form> {
        Ok(Form { encoding: "odd", segments: segments_of(text).into() })
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        self.sent.lock().unwrap().push(submission.id.clone());
        Outcome::of_segments(
            (0..segments_of(&submission.text))
                .map(|_| SegmentOutcome::Unknown { why: "no answer in time".into() })
                .collect(),
        )
    }

    fn words(&self, _: u8, octets: &[u8]) -> Option<String> {
        String::from_utf8(octets.to_vec()).ok()
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        self.told.lock().unwrap().take()
    }

    fn unacknowledged(&self) -> Vec<Unacknowledged> {
        std::mem::take(&mut *self.refused.lock().unwrap())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

struct Desk {
    engine: Engine,
    store: Arc<SqliteLedger>,
    clock: Arc<TestClock>,
    carrier: Arc<Silent>,
    folder: tempfile::TempDir,
}

async fn desk() -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let (tell, told) = mpsc::channel(100);
    let carrier = Arc::new(Silent {
        told: Mutex::new(Some(told)),
        tell,
        sent: Mutex::default(),
        refused: Mutex::default(),
    });
    let clock = TestClock::at(NOON);
    let store =
        Arc::new(SqliteLedger::open(&folder.path().join("ledger.db"), Timestamp(NOON), [9; 8]).unwrap());
    let engine = Engine::new(Parts {
        halts: Arc::default(),
        ledger: Arc::<SqliteLedger>::clone(&store),
        carriers: Carriers::new(
            vec![Carrier::new(Arc::<Silent>::clone(&carrier) as _, None, Rate::default())],
            Vec::new(),
        )
        .unwrap(),
        policy: Policy::new(
            sms_mcp::policy::Settings { sends_per_second: 1_000, ..sms_mcp::policy::Settings::default() },
            BTreeMap::new(),
        ),
        clock: Arc::<TestClock>::clone(&clock) as SharedClock,
        settings: sms_mcp::engine::Settings::default(),
        keep_texts: true,
        default_region: None,
        stop_words: Default::default(),
        answers: Default::default(),
        forward: None,
    });
    engine.start(true).await.unwrap();
    Desk { engine, store, clock, carrier, folder }
}

fn alice() -> Caller {
    Caller::new("alice", Base::Named("process".into()))
}

fn accepted(id: &str) -> SegmentOutcome {
    SegmentOutcome::Accepted { vendor_id: id.to_owned(), price: None }
}

fn refused() -> SegmentOutcome {
    SegmentOutcome::Rejected { code: ErrorKind::ProviderRejected, why: "full".into() }
}

/// What somebody wrote, told first at this time.
fn on_record(from: &str, text: &str, first: i64) -> NewReply {
    let at = Timestamp(NOON + first);
    let content = Some(format!("{from}:{text}"));
    let vendor_id = Reply::id_of(content.as_deref().unwrap(), at);
    let (provider, from, to, text) =
        ("silent".to_owned(), from.to_owned(), "36179".to_owned(), text.to_owned());
    NewReply {
        is_help: false,
        provider,
        vendor_id,
        from,
        is_unsettled: false,
        to,
        text,
        is_whole: true,
        at,
        forward: false,
        content,
    }
}

impl Desk {
    /// Tells something; whether it was thanked for.
    async fn tell(&self, event: Event) -> bool {
        let (thanks, thanked) = oneshot::channel();
        let thanks = move |is_durable| _ = thanks.send(is_durable);
        self.carrier.tell.send(Notice::thanking(event, thanks)).await.unwrap();
        within("it is answered", thanked).await.unwrap()
    }

    async fn answer(&self, message: &MessageId, segment: Option<(u8, u8)>, outcome: SegmentOutcome) {
        assert!(self.tell(Event::Answered(Answered { message: message.clone(), segment, outcome })).await);
    }

    async fn report(&self, id: &str, state: State) {
        assert!(self.tell(Event::Receipt(Receipt::new(id, state, Timestamp(NOON)))).await);
    }

    /// A message whose answer is lost.
    async fn lost(&self, n: usize, text: &str) -> MessageId {
        let args = SendArgs {
            to: fictional(n),
            message: text.into(),
            idempotency_key: Some(format!("{n}")),
            ..SendArgs::default()
        };
        let error = self.engine.send(alice(), args).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        MessageId::from_text(error.details().message_id.clone().unwrap())
    }

    async fn state(&self, id: &MessageId) -> State {
        self.store.find(id).await.unwrap().unwrap().state
    }

    async fn states(&self, id: &MessageId) -> Vec<State> {
        self.store.segments("alice", id).await.unwrap().into_iter().map(|segment| segment.state).collect()
    }

    /// Held and spent of the day, in cents.
    async fn money(&self) -> (i64, i64) {
        let payer = Payer {
            principal: "alice".into(),
            realm: sms_mcp::sms::message::Realm::Live,
            base: BaseSession::Named("process".into()),
            handle: None,
            idle_ms: 1_800_000,
            currency: "USD".into(),
            total: Default::default(),
            day: Default::default(),
            session: Default::default(),
        };
        let budgets = self.store.budgets(payer, Timestamp(NOON)).await.unwrap();
        let day = budgets.into_iter().find(|budget| budget.scope == sms_mcp::sms::facts::Scope::Day).unwrap();
        (day.held_micros / 10_000, day.spent_micros / 10_000)
    }

    /// What somebody wrote, told first at this time.
    async fn hear(&self, from: &str, text: &str, first: i64, is_again: bool) {
        let content = format!("{from}:{text}");
        let at = Timestamp(NOON + first);
        let vendor_id = Reply::id_of(&content, at);
        let reply = Reply {
            vendor_id,
            from: from.into(),
            to: "36179".into(),
            text: text.into(),
            at,
            content: Some(content),
            is_again,
            is_answered: false,
        };
        assert!(self.tell(Event::Reply(reply)).await);
    }

    /// The same in two segments.
    async fn hear_in_segments(&self, from: &str, text: &str, first: i64) {
        let halves = text.as_bytes().split_at(2);
        for (number, octets) in [(1, halves.0), (2, halves.1)] {
            let segment = ReplySegment {
                from: from.into(),
                to: "36179".into(),
                reference: 7,
                total: 2,
                number,
                coding: 0,
                octets: octets.to_vec(),
                vendor_id: String::new(),
                at: Timestamp(NOON + first),
                content: Some(format!("{from}:{text}:{number}")),
                is_again: false,
            };
            assert!(self.tell(Event::Segment(segment)).await);
        }
    }

    /// The ledger of another process, which has recorded this of somebody.
    async fn other(&self, recorded: Option<(&str, &str, i64)>) -> SqliteLedger {
        let name = self.clock.now.load(Ordering::SeqCst).to_be_bytes();
        let other = SqliteLedger::open(&self.folder.path().join("ledger.db"), Timestamp(NOON), name).unwrap();
        if let Some((from, text, first)) = recorded {
            other.record_reply(on_record(from, text, first), Timestamp(NOON + first)).await.unwrap();
        }
        other
    }

    /// Another process dies, which had recorded this of somebody.
    async fn die(&self, recorded: Option<(&str, &str, i64)>) {
        drop(self.other(recorded).await); // Its lock goes with it, as at a kill.
        self.engine.recover().await.unwrap();
    }

    fn set(&self, ms: i64) {
        self.clock.now.store(NOON + ms, Ordering::SeqCst);
    }

    async fn is_out(&self, number: &str) -> bool {
        self.store.out_since(number).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn an_answer_that_comes_late_settles_its_message_and_the_money_and_the_receipt_finds_it() {
    let desk = desk().await;
    let (taken, rejected, throttled) =
        (desk.lost(1, "one").await, desk.lost(2, "two").await, desk.lost(3, "three").await);
    assert_eq!(desk.money().await, (3, 0));
    desk.report("v-1", State::Delivered).await;
    assert_eq!(desk.state(&taken).await, State::Unknown, "nobody knows whose that is");
    desk.answer(&taken, None, accepted("v-1")).await;
    assert_eq!(
        (desk.state(&taken).await, desk.money().await),
        (State::Delivered, (2, 1)),
        "the receipt had come before"
    );
    desk.answer(&rejected, None, refused()).await;
    assert_eq!((desk.state(&rejected).await, desk.money().await), (State::Rejected, (1, 1)));
    desk.answer(&throttled, None, SegmentOutcome::NotSent { retry_after_ms: Some(1), why: "not now".into() })
        .await;
    assert_eq!(
        (desk.state(&throttled).await, desk.money().await),
        (State::Rejected, (0, 1)),
        "a definite no"
    );
    // Twice, and the opposite: nothing that is final moves.
    for outcome in [accepted("v-9"), refused(), accepted("v-1")] {
        for id in [&taken, &rejected, &throttled] {
            desk.answer(id, None, outcome.clone()).await;
        }
    }
    assert_eq!(
        (desk.state(&taken).await, desk.state(&rejected).await, desk.money().await),
        (State::Delivered, State::Rejected, (0, 1))
    );
    assert_eq!(desk.store.find(&taken).await.unwrap().unwrap().vendor_id.as_deref(), Some("v-1"));
    // And nothing goes out again: not by itself, and not with the key of the first call.
    let args = SendArgs {
        to: fictional(3),
        message: "three".into(),
        idempotency_key: Some("3".into()),
        ..SendArgs::default()
    };
    assert!(desk.engine.send(alice(), args).await.is_err());
    assert_eq!(desk.carrier.sent.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn late_answers_settle_a_long_text_segment_by_segment_in_any_order() {
    use State::{Delivered, Failed, Rejected, Sent, Unknown};
    let desk = desk().await;
    let (whole, part, none) = (desk.lost(1, "a+").await, desk.lost(2, "b+").await, desk.lost(3, "c+").await);
    assert_eq!(desk.money().await, (9, 0));
    for number in [3, 1] {
        desk.answer(&whole, Some((number, 3)), accepted(&format!("w-{number}"))).await;
    }
    assert_eq!((desk.state(&whole).await, desk.states(&whole).await), (Unknown, vec![Sent, Unknown, Sent]));
    desk.report("w-1", Delivered).await;
    desk.answer(&whole, Some((2, 3)), accepted("w-2")).await;
    assert_eq!(
        (desk.state(&whole).await, desk.states(&whole).await, desk.money().await),
        (Sent, vec![Delivered, Sent, Sent], (6, 3))
    );
    for id in ["w-2", "w-3"] {
        desk.report(id, Delivered).await;
    }
    assert_eq!(desk.state(&whole).await, Delivered);
    for (number, outcome) in [(1, accepted("p-1")), (2, refused()), (3, accepted("p-3"))] {
        desk.answer(&part, Some((number, 3)), outcome.clone()).await;
        desk.answer(&part, Some((number, 3)), outcome).await;
        desk.answer(&part, Some((number, 3)), refused()).await;
    }
    assert_eq!(
        (desk.state(&part).await, desk.states(&part).await, desk.money().await),
        (Failed, vec![Sent, Rejected, Sent], (3, 5))
    );
    for number in 1..=3 {
        desk.answer(&none, Some((number, 3)), refused()).await;
    }
    assert_eq!((desk.state(&none).await, desk.money().await), (Rejected, (0, 5)));
    assert_eq!(desk.carrier.sent.lock().unwrap().len(), 3, "nothing is sent again");
}

#[tokio::test]
async fn the_late_answer_of_a_request_to_many_settles_each_of_them() {
    let desk = desk().await;
    // Fewer than make a carrier rest.
    let recipients = (1..=4).map(|n| Recipient { to: fictional(n), data: BTreeMap::new() }).collect();
    let args = BulkArgs {
        recipients,
        message: "hello".into(),
        idempotency_key: Some("bulk".into()),
        ..BulkArgs::default()
    };
    desk.engine.send_bulk(alice(), args, None, None).await.unwrap();
    eventually_async("all answers are lost", async || {
        desk.money().await == (4, 0) && desk.carrier.sent.lock().unwrap().len() == 4
    })
    .await;
    let messages = desk.carrier.sent.lock().unwrap().clone();
    for (n, message) in messages.iter().enumerate() {
        desk.answer(message, None, accepted(&format!("m-{n}"))).await;
    }
    assert_eq!(desk.money().await, (0, 4));
    let list = desk.engine.list(&alice(), ListArgs::default()).await.unwrap();
    assert!(list.messages.iter().all(|message| message.status == State::Sent), "{list:?}");
    assert_eq!(desk.carrier.sent.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn an_answer_about_another_providers_message_or_none_or_one_that_is_no_word_settles_nothing() {
    let desk = desk().await;
    let id = desk.lost(1, "one").await;
    desk.answer(&id, None, SegmentOutcome::Unknown { why: "the answer to another question".into() }).await;
    desk.answer(&MessageId::new(1, 2), None, accepted("v-1")).await;
    desk.answer(&id, Some((2, 3)), accepted("v-1")).await;
    desk.store.hand_on(&id, "another").await.unwrap_err();
    assert_eq!((desk.state(&id).await, desk.money().await), (State::Unknown, (1, 0)));
}

#[tokio::test]
async fn a_start_that_is_told_again_after_a_stop_does_not_undo_it_and_neither_does_a_stop_a_start() {
    let desk = desk().await;
    let to = fictional(1);
    desk.lost(1, "one").await;
    // The START was told first, in the same millisecond as the STOP or before it, and could not be taken.
    for (start, stop) in [(10, 20), (30, 30)] {
        desk.set(60_000);
        desk.hear(&to, "STOP", stop, false).await;
        desk.hear(&to, "START", start, true).await;
        assert!(desk.is_out(&to).await, "{start} {stop}");
    }
    desk.hear(&to, "START", 40, true).await;
    assert!(!desk.is_out(&to).await, "one that was later counts, however often it had to be told");
    // The other way round: the STOP was first.
    desk.hear(&to, "STOP", 50, false).await;
    desk.hear(&to, "START", 70, false).await;
    desk.hear(&to, "STOP", 60, true).await;
    assert!(!desk.is_out(&to).await);
    desk.hear(&to, "STOP", 80, true).await;
    assert!(desk.is_out(&to).await);
}

#[tokio::test]
async fn what_another_process_was_told_first_and_could_not_take_is_as_old_here() {
    let desk = desk().await;
    let to = fictional(1);
    desk.lost(1, "one").await;
    desk.set(60_000);
    let texts = vec![Unacknowledged { content: format!("{to}:START"), first: Timestamp(NOON + 10) }];
    assert!(desk.tell(Event::Unacknowledged(texts)).await);
    desk.hear(&to, "STOP", 20, false).await;
    desk.hear(&to, "START", 30, false).await;
    assert!(desk.is_out(&to).await, "it was told at 10, before the STOP");
    desk.hear(&to, "START", 40, false).await;
    assert!(!desk.is_out(&to).await, "it was taken then, so this is another one");
}

#[tokio::test]
async fn what_a_stop_refuses_is_known_to_the_next_process_or_it_knows_that_it_does_not_know() {
    let refused = || Unacknowledged { content: "c".into(), first: Timestamp(NOON + 10) };
    let desk = desk().await;
    desk.carrier.refused.lock().unwrap().push(refused());
    desk.engine.stop(Duration::from_secs(2)).await;
    let open =
        |n: u8| SqliteLedger::open(&desk.folder.path().join("ledger.db"), Timestamp(NOON), [n; 8]).unwrap();
    let next = open(8);
    assert_eq!(next.first_told("silent", "c").await.unwrap(), Some(Timestamp(NOON + 10)));
    next.recover(Timestamp(NOON), None).await.unwrap();
    assert_eq!(next.last_death().await.unwrap(), None, "it left in good order");
    // One that cannot write it does not.
    let desk = self::desk().await;
    desk.carrier.refused.lock().unwrap().push(refused());
    let holder = rusqlite::Connection::open(desk.folder.path().join("ledger.db")).unwrap();
    holder
        .execute_batch("CREATE TRIGGER full BEFORE INSERT ON told BEGIN SELECT RAISE(ABORT, 'full'); END")
        .unwrap();
    desk.engine.stop(Duration::from_secs(2)).await;
    let path = desk.folder.path().join("ledger.db");
    drop(desk.engine);
    drop(desk.store);
    let next = SqliteLedger::open(&path, Timestamp(NOON), [7; 8]).unwrap();
    eventually_async("it is found dead", async || {
        next.recover(Timestamp(NOON), None).await.unwrap();
        next.last_death().await.unwrap().is_some()
    })
    .await;
}

#[tokio::test]
async fn after_a_process_died_a_start_that_would_undo_a_stop_of_then_waits_for_the_operator() {
    let desk = desk().await;
    let (to, other) = (fictional(1), fictional(2));
    desk.lost(1, "one").await;
    desk.lost(2, "two").await;
    desk.hear(&other, "STOP", 0, false).await;
    let dying = SqliteLedger::open(&desk.folder.path().join("ledger.db"), Timestamp(NOON), [8; 8]).unwrap();
    drop(dying); // Its lock goes with it, as at a kill.
    desk.set(3_600_000);
    desk.engine.recover().await.unwrap();
    desk.hear(&to, "STOP", 3_600_000, false).await;
    desk.hear(&to, "START", 3_600_001, false).await;
    assert!(desk.is_out(&to).await, "it may have been told to the one that died, before the STOP");
    let waiting = desk.engine.pending_opt_outs(&operator()).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].people.as_slice()), (1, &[to.clone()][..]));
    desk.hear(&other, "START", 3_600_002, false).await;
    assert!(!desk.is_out(&other).await, "that STOP is an hour old");
    desk.engine.settle_pending(&person(), waiting[0].id, &to).await.unwrap();
    assert!(!desk.is_out(&to).await, "the operator says so");
    // Ten minutes later nobody tells such a thing again.
    desk.set(3_600_000 + 600_000);
    desk.hear(&to, "STOP", 3_600_000 + 600_000, false).await;
    desk.hear(&to, "START", 3_600_000 + 600_001, false).await;
    assert!(!desk.is_out(&to).await);
}

#[tokio::test]
async fn a_start_that_was_refused_here_may_have_been_told_before_to_a_process_that_died_and_then_waits_too() {
    let desk = desk().await;
    let (to, other, old) = (fictional(1), fictional(2), fictional(3));
    for (n, number) in [&to, &other, &old].into_iter().enumerate() {
        desk.lost(n + 1, "hello").await;
        desk.hear(number, "STOP", 0, false).await;
    }
    // The START was told to the one that died, then there was a STOP, and here it was refused before it was
    // taken.
    desk.set(3_600_000);
    desk.die(None).await;
    desk.set(3_660_000);
    desk.hear(&to, "STOP", 3_600_010, false).await;
    desk.hear(&to, "START", 3_600_020, true).await;
    assert!(desk.is_out(&to).await);
    let waiting = desk.engine.pending_opt_outs(&operator()).await.unwrap();
    assert_eq!((waiting.len(), waiting[0].people.as_slice()), (1, &[to.clone()][..]));
    // Neither a STOP nor a START of long before is in doubt.
    desk.hear(&other, "START", 3_600_020, true).await;
    assert!(!desk.is_out(&other).await, "that STOP is an hour old");
    desk.hear(&old, "STOP", 3_600_010, false).await;
    desk.hear(&old, "START", 10, true).await;
    assert!(desk.is_out(&old).await, "that START is an hour old");
    assert_eq!(desk.engine.pending_opt_outs(&operator()).await.unwrap().len(), 1);
    // A long text is as old as its first segment at most.
    desk.hear_in_segments(&other, "STOP", 3_600_030).await;
    desk.hear_in_segments(&other, "START", 3_600_040).await;
    assert!(desk.is_out(&other).await);
    assert_eq!(desk.engine.pending_opt_outs(&operator()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_start_that_another_process_has_just_recorded_may_be_told_again_here_and_does_not_undo_a_stop_said_in_between()
 {
    for is_again in [false, true] {
        let desk = desk().await;
        let to = fictional(1);
        desk.lost(1, "one").await;
        // It lives, and has not found yet that its connection was cut before the carrier heard it.
        let other = desk.other(Some((&to, "START", 10))).await;
        desk.set(200_000);
        desk.hear(&to, "STOP", 20, false).await;
        desk.hear(&to, "START", 30, is_again).await;
        assert!(desk.is_out(&to).await, "told again here: {is_again}");
        let waiting = desk.engine.pending_opt_outs(&operator()).await.unwrap();
        assert_eq!((waiting.len(), waiting[0].people.as_slice()), (1, &[to.clone()][..]));
        desk.hear(&to, "START", 130_011, false).await;
        assert!(!desk.is_out(&to).await, "by now it would have found it");
        // What it recorded itself it knows.
        desk.hear(&to, "STOP", 130_020, false).await;
        desk.hear(&to, "START", 130_030, false).await;
        assert!(!desk.is_out(&to).await);
        // One that left has said what was not heard.
        other.record_reply(on_record(&to, "START", 130_100), Timestamp(NOON)).await.unwrap();
        desk.hear(&to, "STOP", 130_110, false).await;
        other.close().await.unwrap();
        desk.hear(&to, "START", 130_120, false).await;
        assert!(!desk.is_out(&to).await);
    }
}

#[tokio::test]
async fn what_a_process_that_died_had_taken_is_one_text_when_it_is_told_again_and_else_the_same_words_are_two()
 {
    let desk = desk().await;
    let to = fictional(1);
    let id = desk.lost(1, "one").await;
    let replies = async || crate::support::replies(&*desk.store, &id).await.len();
    desk.hear(&to, "Y", 1, false).await;
    desk.hear(&to, "Y", 2, false).await;
    assert_eq!(replies().await, 2, "two answers to two questions");
    desk.hear(&to, "Y", 2, true).await;
    assert_eq!(replies().await, 2, "told again");
    desk.die(Some((&to, "Y", 3))).await;
    desk.hear(&to, "Y", 5_000, false).await;
    assert_eq!(replies().await, 3, "the one that died may have had no time to acknowledge it");
    desk.hear(&to, "Y", 6_000, false).await;
    assert_eq!(replies().await, 4, "it was acknowledged then, so this is another one");
    desk.die(None).await;
    desk.hear(&to, "Y", 7_000, false).await;
    assert_eq!(replies().await, 5, "those who live know what they acknowledged");
}

#[tokio::test]
async fn a_stop_that_may_be_an_older_one_told_again_stops_whoever_asked_for_texts_in_between() {
    let desk = desk().await;
    let to = fictional(1);
    let id = desk.lost(1, "one").await;
    // To a process that died.
    desk.die(Some((&to, "STOP", 10))).await;
    desk.set(30_000);
    desk.store.note_start(ProviderName("silent"), E164(&to), Timestamp(NOON + 20_000)).await.unwrap();
    desk.hear(&to, "STOP", 30_000, false).await;
    assert!(desk.is_out(&to).await);
    assert_eq!(crate::support::replies(&*desk.store, &id).await.len(), 2, "and is on record");
    // To this one, whose connection was cut since.
    desk.set(700_000);
    desk.hear(&to, "START", 700_000, true).await;
    assert!(!desk.is_out(&to).await);
    desk.set(710_000);
    desk.hear(&to, "STOP", 30_000, true).await;
    assert!(desk.is_out(&to).await);
    // One that is on record and told again while it holds is no older than this telling of it.
    desk.set(720_000);
    desk.hear(&to, "STOP", 710_000, true).await;
    desk.hear(&to, "START", 715_000, true).await;
    assert!(desk.is_out(&to).await, "this START was told before, and the STOP may be a newer one");
}

#[tokio::test]
async fn a_stop_that_may_be_an_older_one_and_was_taken_late_is_that_one_when_it_is_told_again() {
    let desk = desk().await;
    let to = fictional(1);
    let id = desk.lost(1, "one").await;
    desk.die(Some((&to, "STOP", 10))).await;
    desk.store.note_start(ProviderName("silent"), E164(&to), Timestamp(NOON + 20_000)).await.unwrap();
    // Told here, and taken four seconds later, for the ledger was locked.
    desk.set(30_000);
    desk.hear(&to, "STOP", 26_000, false).await;
    let replies = async || crate::support::replies(&*desk.store, &id).await.len();
    assert_eq!(replies().await, 2);
    desk.set(33_000);
    desk.hear(&to, "STOP", 26_000, true).await;
    assert!(desk.is_out(&to).await);
    assert_eq!(replies().await, 2, "it is on record, and not once more among what was said before");
    // One that was lifted while it waited counts from now on.
    desk.store.note_start(ProviderName("silent"), E164(&to), Timestamp(NOON + 41_000)).await.unwrap();
    desk.set(45_000);
    desk.hear(&to, "START", 44_000, false).await;
    desk.hear(&to, "STOP", 40_000, false).await;
    assert!(desk.is_out(&to).await);
}

#[tokio::test]
async fn the_same_word_long_after_a_cut_is_another_text_also_where_it_was_kept_as_perhaps_not_heard() {
    let desk = desk().await;
    let to = fictional(1);
    let id = desk.lost(1, "one").await;
    let replies = async || crate::support::replies(&*desk.store, &id).await.len();
    desk.hear(&to, "Y", 10, false).await;
    let unheard = || vec![Unacknowledged { content: format!("{to}:Y"), first: Timestamp(NOON + 10) }];
    assert!(desk.tell(Event::Unacknowledged(unheard())).await);
    desk.set(60_000);
    desk.hear(&to, "Y", 60_000, false).await;
    assert_eq!(replies().await, 1, "it may be that one");
    assert!(desk.tell(Event::Unacknowledged(unheard())).await);
    desk.set(700_000);
    desk.hear(&to, "Y", 700_000, false).await;
    assert_eq!(replies().await, 2);
}

#[tokio::test]
async fn what_reads_like_a_receipt_is_one_only_for_the_message_that_went_to_whoever_it_comes_from() {
    let desk = desk().await;
    let (id, other) = (desk.lost(1, "one").await, desk.lost(2, "two").await);
    desk.answer(&id, None, accepted("31")).await;
    desk.answer(&other, None, accepted("32")).await;
    let claims = async |vendor_id: &str, from: usize, has_reply: bool| {
        let text = format!("id:{vendor_id} stat:DELIVRD");
        let at = Timestamp(NOON);
        let (from, vendor_id_of_text) = (fictional(from), Reply::id_of(&text.replace(' ', "-"), at));
        let receipt = Receipt { to: Some(from.clone()), ..Receipt::new(vendor_id, State::Delivered, at) };
        let reply = Reply {
            vendor_id: vendor_id_of_text,
            from: from.as_str().into(),
            to: "36179".into(),
            text,
            at,
            content: None,
            is_again: false,
            is_answered: false,
        };
        assert!(desk.tell(Event::Claimed { receipt, reply: has_reply.then_some(reply) }).await);
    };
    claims("32", 1, true).await;
    claims("99", 1, true).await;
    claims("32", 1, false).await;
    assert_eq!(
        (desk.state(&id).await, desk.state(&other).await),
        (State::Sent, State::Sent),
        "nobody can say that of another's message"
    );
    let texts: Vec<String> =
        crate::support::replies(&*desk.store, &id).await.into_iter().map(|reply| reply.text).collect();
    assert_eq!(texts, ["id:32 stat:DELIVRD", "id:99 stat:DELIVRD"], "and what they wrote is kept");
    claims("32", 2, true).await;
    assert_eq!(
        (desk.state(&other).await, crate::support::replies(&*desk.store, &other).await.len()),
        (State::Delivered, 0)
    );
}

#[tokio::test]
async fn receipts_that_match_no_message_are_shown_with_an_id_of_each_kind_once_they_are_no_longer_early() {
    let desk = desk().await;
    let id = desk.lost(1, "one").await;
    desk.answer(&id, None, accepted("0000001F")).await;
    for receipt in ["1f", "20"] {
        desk.report(receipt, State::Delivered).await;
    }
    let findings = async || desk.engine.check_vendors(&operator()).await.remove(0).1.unwrap();
    assert_eq!(findings().await, []);
    desk.set(EARLY_MS);
    let findings = findings().await;
    let expected = "2 receipts of the last day match no message: answers have ids like \"0000001F\", \
        receipts like \"20\". \
        receipt_ids may be wrong, or another system sends from this account";
    assert_eq!(findings, [Finding::warning(expected)]);
}
