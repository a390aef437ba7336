//! Long messages whose segments go out one by one, through the whole engine; and what carriers tell over the
//! connections that they keep.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use sms_mcp::clock::{Clock as _, SharedClock, SystemClock};
use sms_mcp::engine::contract::{
    BulkArgs, ListArgs, Recipient, SendAnswer, SendArgs, StatusAnswer, StatusArgs,
};
use sms_mcp::engine::reconcile::Found;
use sms_mcp::engine::{Base, Caller, Carrier, Carriers, Engine, Parts};
use sms_mcp::error::{Error, ErrorKind, Result};
use sms_mcp::ledger::facets::*;
use sms_mcp::ledger::sqlite::SqliteLedger;
use sms_mcp::policy::Policy;
use sms_mcp::provider::exchange::{Enquiry, Event, Finding, Notice, Receipt, Reply};
use sms_mcp::provider::settings::Rate;
use sms_mcp::provider::{Capabilities, Form, Outcome, Provider, SegmentOutcome, Submission};
use sms_mcp::sms::message::State;
use sms_mcp::sms::money::{Amount, Currency, Money};
use sms_mcp::sms::number::Number;
use tokio::sync::{mpsc, oneshot};

use crate::support::{eventually_async, fictional, operator, person, within};

/// A carrier that cuts each text into segments of ten characters, and refuses or loses those that say so.
struct Cutter {
    name: &'static str,
    told: Mutex<Option<mpsc::Receiver<Notice>>>,
    tell: mpsc::Sender<Notice>,
    sent: Mutex<Vec<(String, u32)>>,
    fates: Mutex<Vec<(String, State)>>,
    is_closed: AtomicBool,
    tells_at_once: bool,
}

impl Cutter {
    fn new(name: &'static str) -> Self {
        let (tell, told) = mpsc::channel(1_000);
        let told = Mutex::new(Some(told));
        Self {
            name,
            told,
            tell,
            sent: Mutex::default(),
            fates: Mutex::default(),
            is_closed: AtomicBool::new(false),
            tells_at_once: false,
        }
    }

    /// Tells something, and says later whether it was thanked for.
    fn tells(&self, event: Event) -> oneshot::Receiver<bool> {
        let (thanks, thanked) = oneshot::channel();
        self.tell
            .try_send(Notice::thanking(event, move |is_durable| {
                let _ = thanks.send(is_durable);
            }))
            .unwrap();
        thanked
    }

    async fn delivers(&self, id: &str, state: State) -> bool {
        self.tells(Event::Receipt(Receipt::new(id, state, SystemClock.now()))).await.unwrap()
    }
}

fn pieces(text: &str) -> Vec<String> {
    text.as_bytes().chunks(10).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

#[async_trait]
impl Provider for Cutter {
    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::SEND_ONLY;
        (can.status, can.receipts_by_push, can.replies) = (true, true, true);
        can
    }

    fn name(&self) -> &str {
        self.name
    }

    fn price(&self, _: &Number, segments: u32) -> Option<Money> {
        Money { micros: 10_000, currency: Currency::USD }.times(segments)
    }

    fn form(&self, _: &Number, _: Option<&str>, text: &str) -> Result<Form> {
        Ok(Form { encoding: "tens", segments: u32::try_from(pieces(text).len()).unwrap() })
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        self.sent.lock().unwrap().push((submission.text.clone(), submission.segments));
        let outcomes = (1..).zip(pieces(&submission.text)).map(|(number, piece)| match piece.as_str() {
            piece if piece.contains("refuse") => {
                SegmentOutcome::Rejected { code: ErrorKind::ProviderRejected, why: "full".into() }
            }
            piece if piece.contains("lose") => SegmentOutcome::Unknown { why: "cut".into() },
            piece if piece.contains("keep") => {
                SegmentOutcome::NotSent { retry_after_ms: Some(1), why: "busy".into() }
            }
            _ => SegmentOutcome::Accepted {
                vendor_id: format!("{}-{number}", submission.to.e164()),
                price: None,
            },
        });
        let outcomes: Vec<SegmentOutcome> = outcomes.collect();
        if self.tells_at_once {
            for outcome in &outcomes {
                if let SegmentOutcome::Accepted { vendor_id, .. } = outcome {
                    let receipt =
                        Event::Receipt(Receipt::new(vendor_id.clone(), State::Delivered, SystemClock.now()));
                    self.tell.send(Notice::new(receipt)).await.unwrap();
                }
            }
        }
        Outcome::of_segments(outcomes)
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let fates = self.fates.lock().unwrap();
        let found = fates.iter().filter(|(id, _)| *id == enquiry.vendor_id);
        Ok(found.map(|(id, state)| Receipt::new(id.clone(), *state, SystemClock.now())).collect())
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        self.told.lock().unwrap().take()
    }

    async fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

struct Desk {
    engine: Engine,
    store: Arc<SqliteLedger>,
    _folder: tempfile::TempDir,
}

fn desk_with(
    carriers: Vec<Arc<dyn Provider>>,
    routes: Vec<sms_mcp::engine::settings::Route>,
    change: impl FnOnce(&mut sms_mcp::policy::Settings),
) -> Desk {
    let folder = tempfile::tempdir().unwrap();
    let mut guard = sms_mcp::policy::Settings {
        sends_per_second: 1_000_000,
        bulk_is_marketing_above: 100_000,
        day_spend: Amount::units(100_000),
        session_spend: Amount::units(100_000),
        day_messages: 100_000,
        session_messages: 100_000,
        recipient_per_hour: 1_000,
        recipient_per_day: 1_000,
        duplicate_window: "0s".parse().unwrap(),
        ..sms_mcp::policy::Settings::default()
    };
    change(&mut guard);
    let clock: SharedClock = Arc::new(SystemClock);
    let store = Arc::new(SqliteLedger::open(&folder.path().join("ledger.db"), clock.now(), [9; 8]).unwrap());
    let engine = Engine::new(Parts {
        halts: Arc::default(),
        ledger: Arc::<SqliteLedger>::clone(&store),
        carriers: Carriers::new(
            carriers.into_iter().map(|carrier| Carrier::new(carrier, None, Rate::default())).collect(),
            routes,
        )
        .unwrap(),
        policy: Policy::new(guard, BTreeMap::new()),
        clock,
        settings: sms_mcp::engine::Settings {
            timeout: "180s".parse().unwrap(),
            concurrency: 200,
            ..sms_mcp::engine::Settings::default()
        },
        keep_texts: false,
        default_region: None,
        stop_words: Default::default(),
        answers: Default::default(),
        forward: None,
    });
    Desk { engine, store, _folder: folder }
}

async fn desk(carrier: &Arc<Cutter>) -> Desk {
    let desk = desk_with(vec![Arc::<Cutter>::clone(carrier)], Vec::new(), |_| {});
    desk.engine.start(true).await.unwrap();
    desk
}

fn alice() -> Caller {
    Caller::new("alice", Base::Named("process".into()))
}

impl Desk {
    async fn send(&self, to: &str, message: &str) -> Result<SendAnswer> {
        let args = SendArgs {
            to: to.into(),
            message: message.into(),
            idempotency_key: Some(message.into()),
            ..SendArgs::default()
        };
        self.engine.send(alice(), args).await
    }

    async fn status(&self, id: &str) -> StatusAnswer {
        self.engine.status(&alice(), StatusArgs { id: id.into(), ..StatusArgs::default() }).await.unwrap()
    }

    /// Status, code and price in millionths of each message, newest first.
    async fn list(&self) -> Vec<(State, Option<String>, String)> {
        let list = self.engine.list(&alice(), ListArgs::default()).await.unwrap();
        list.messages
            .into_iter()
            .map(|message| (message.status, message.code, message.price.amount))
            .collect()
    }
}

fn id_of(error: &Error) -> String {
    error.details().message_id.clone().unwrap()
}

#[tokio::test]
async fn a_long_message_is_sent_when_all_of_it_is_and_delivered_when_all_of_it_is() {
    let carrier = Arc::new(Cutter::new("tens"));
    let desk = desk(&carrier).await;
    let to = fictional(1);
    let answer = desk.send(&to, "0123456789 0123456789 012").await.unwrap();
    assert_eq!(
        (answer.segments, answer.encoding.as_str(), answer.price.amount.as_str()),
        (3, "tens", "0.03")
    );
    assert_eq!(answer.provider_message_id, Some(format!("{to}-1")));
    let id = answer.id.unwrap();
    for number in [3, 1, 2] {
        assert_eq!(desk.status(id.as_str()).await.message.unwrap().status, State::Sent);
        assert!(carrier.delivers(&format!("{to}-{number}"), State::Delivered).await, "thanked");
    }
    let status = desk.status(id.as_str()).await;
    assert_eq!(status.message.unwrap().status, State::Delivered);
    let segments: Vec<_> = status
        .segments
        .into_iter()
        .map(|segment| (segment.number, segment.status, segment.provider_message_id))
        .collect();
    assert_eq!(
        segments,
        (1..=3).map(|n| (n, State::Delivered, Some(format!("{to}-{n}")))).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_partly_sent_message_is_told_as_it_is_and_is_never_sent_again() {
    let (carrier, second) = (Arc::new(Cutter::new("tens")), Arc::new(Cutter::new("second")));
    let route = sms_mcp::engine::settings::Route {
        to: Vec::new(),
        from: Vec::new(),
        providers: vec!["tens".into(), "second".into()],
        after_rejected: true,
    };
    let desk =
        desk_with(vec![Arc::<Cutter>::clone(&carrier), Arc::<Cutter>::clone(&second)], vec![route], |_| {});
    let text = "0123456789refuse....0123456789";
    let error = desk.send(&fictional(1), text).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PartlySent);
    assert_eq!(
        error.details().provider_said.as_deref(),
        Some("2 of 3 segments went out; segment 2 was not taken: full")
    );
    assert!(
        error.next_step().contains("do NOT send the whole text again")
            || error.next_step().contains("Do NOT send the whole text again")
    );
    let again = desk.send(&fictional(1), text).await.unwrap_err();
    assert_eq!(
        (again.kind(), id_of(&again), again.details()),
        (ErrorKind::PartlySent, id_of(&error), error.details())
    );
    assert_eq!((carrier.sent.lock().unwrap().len(), second.sent.lock().unwrap().len()), (1, 0));
    assert_eq!(desk.list().await, [(State::Failed, Some("partly_sent".into()), "0.02".into())]);
    let status = desk.status(&id_of(&error)).await;
    let states: Vec<State> = status.segments.iter().map(|segment| segment.status).collect();
    assert_eq!(states, [State::Sent, State::Rejected, State::Sent]);
    assert_eq!(status.segments[1].reason_untrusted.as_deref(), Some("full"));
    assert!(
        status.warnings.iter().any(|warning| warning.contains("do NOT send the whole text again")),
        "{:?}",
        status.warnings
    );
}

#[tokio::test]
async fn a_lost_segment_makes_the_message_unknown_and_a_message_without_any_taken_segment_is_tried_again() {
    let carrier = Arc::new(Cutter::new("tens"));
    let desk = desk(&carrier).await;
    let error = desk.send(&fictional(1), "0123456789lose......0123456789").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(
        error.details().provider_said.as_deref(),
        Some("the answer for segment 2 of 3 was lost; 2 segments were accepted")
    );
    assert_eq!(carrier.sent.lock().unwrap().len(), 1);
    assert!(carrier.delivers(&format!("{}-1", fictional(1)), State::Delivered).await);
    assert!(carrier.delivers(&format!("{}-3", fictional(1)), State::Delivered).await);
    assert_eq!(desk.status(&id_of(&error)).await.message.unwrap().status, State::Unknown);
    let state = desk
        .engine
        .settle_unknown(
            &alice(),
            &sms_mcp::sms::message::MessageId::from_text(id_of(&error)),
            Found::NotSent(&person()),
        )
        .await
        .unwrap();
    assert_eq!(state, State::Failed);
    assert_eq!(
        desk.list().await,
        [(State::Failed, Some("partly_sent".into()), "0.02".into())],
        "the operator found that the lost one was not sent"
    );
    let kept = desk.send(&fictional(2), "keep......keep......").await.unwrap_err();
    assert_eq!(
        (kept.kind(), carrier.sent.lock().unwrap().len()),
        (ErrorKind::ProviderUnavailable, 4),
        "three tries"
    );
}

#[tokio::test]
async fn a_look_asks_about_each_open_segment() {
    let carrier = Arc::new(Cutter::new("tens"));
    let desk = desk(&carrier).await;
    let to = fictional(1);
    let id = desk.send(&to, "0123456789 0123").await.unwrap().id.unwrap();
    carrier.fates.lock().unwrap().push((format!("{to}-2"), State::Delivered));
    let status = desk.status(id.as_str()).await;
    assert!(status.fresh && status.message.unwrap().status == State::Sent);
    assert_eq!(status.segments[1].status, State::Delivered);
    carrier.fates.lock().unwrap().push((format!("{to}-1"), State::Delivered));
    // Not at once, for it was asked just now.
    eventually_async("both are", async || {
        desk.status(id.as_str()).await.message.unwrap().status == State::Delivered
    })
    .await;
}

#[tokio::test]
async fn a_bulk_of_long_messages_ends_with_each_told_as_it_is_though_receipts_are_faster_than_answers() {
    let carrier = Arc::new(Cutter { tells_at_once: true, ..Cutter::new("tens") });
    let desk = desk(&carrier).await;
    let words = ["refuse", "lose", "fine"];
    let recipients = (0..300).map(|n| Recipient {
        to: fictional(n),
        data: BTreeMap::from([("w".to_owned(), words[n % 3].to_owned())]),
    });
    let args = BulkArgs {
        recipients: recipients.collect(),
        message: "0123456789{{w}}".into(),
        ..BulkArgs::default()
    };
    let answer = desk.engine.send_bulk(alice(), args, None, None).await.unwrap();
    assert_eq!(answer.segments, 600);
    let id = answer.batch.as_ref().unwrap().to_string();
    let counts = async || desk.status(&id).await.bulk.unwrap().counts;
    eventually_async("the receipts are recorded", async || counts().await.get("delivered") == Some(&100))
        .await;
    assert_eq!(
        counts().await,
        BTreeMap::from([
            ("delivered".to_owned(), 100),
            ("failed".to_owned(), 100),
            ("unknown".to_owned(), 100)
        ])
    );
    assert_eq!(carrier.sent.lock().unwrap().len(), 300, "each once");
}

#[tokio::test]
async fn each_carrier_counts_segments_its_own_way_and_the_longest_count_is_checked() {
    struct Plain(Mutex<Vec<u32>>);
    #[async_trait]
    impl Provider for Plain {
        fn capabilities(&self) -> Capabilities {
            Capabilities::SEND_ONLY
        }
        fn name(&self) -> &str {
            "plain"
        }
        fn price(&self, _: &Number, segments: u32) -> Option<Money> {
            Money { micros: 15_000, currency: Currency::USD }.times(segments)
        }
        async fn send(&self, submission: &Submission) -> Outcome {
            self.0.lock().unwrap().push(submission.segments);
            Outcome::Rejected { code: ErrorKind::ProviderRejected, why: "no".into() }
        }
        async fn check(&self) -> Result<Vec<Finding>> {
            Ok(Vec::new())
        }
    }
    let (plain, tens) = (Arc::new(Plain(Mutex::default())), Arc::new(Cutter::new("tens")));
    let route = sms_mcp::engine::settings::Route {
        to: Vec::new(),
        from: Vec::new(),
        providers: vec!["plain".into(), "tens".into()],
        after_rejected: true,
    };
    let desk =
        desk_with(vec![Arc::<Plain>::clone(&plain), Arc::<Cutter>::clone(&tens)], vec![route], |guard| {
            guard.max_segments = 3
        });
    let answer = desk.send(&fictional(1), "0123456789 0123456789").await.unwrap();
    assert_eq!((answer.segments, answer.encoding.as_str()), (1, "GSM-7"), "as the first on the way counts");
    assert_eq!(answer.price.amount, "0.03", "held for the dearest: three of the second's segments");
    assert_eq!((plain.0.lock().unwrap().clone(), tens.sent.lock().unwrap()[0].1), (vec![1], 3));
    let quote = SendArgs {
        to: fictional(2),
        message: "0123456789 0123456789 0123456789".into(),
        dry_run: true,
        ..SendArgs::default()
    };
    let quote = desk.engine.send(alice(), quote).await.unwrap();
    assert_eq!(
        (quote.price.amount.as_str(), quote.quote.unwrap().refusal.unwrap().code.as_str()),
        ("0.04", "message_too_long")
    );
}

fn reply(id: &str, from: &str, text: &str) -> Event {
    Event::Reply(Reply {
        vendor_id: id.into(),
        from: from.into(),
        to: "36179".into(),
        text: text.into(),
        at: SystemClock.now(),
        content: None,
        is_again: false,
        is_answered: false,
    })
}

#[tokio::test]
async fn a_stop_over_a_kept_connection_opts_out_before_the_carrier_is_thanked() {
    let carrier = Arc::new(Cutter::new("tens"));
    let desk = desk(&carrier).await;
    let to = fictional(1);
    desk.send(&to, "hello").await.unwrap();
    // One that cannot be taken holds nobody back: telling it again would not help.
    let nonsense = carrier.tells(Event::Receipt(Receipt::new("no id", State::Delivered, SystemClock.now())));
    assert!(carrier.tells(reply("r-1", &to, "STOP")).await.unwrap());
    assert!(nonsense.await.unwrap());
    assert_eq!(desk.engine.opt_outs(&operator()).await.unwrap()[0].number, to);
    assert_eq!(desk.send(&to, "again").await.unwrap_err().kind(), ErrorKind::OptedOut);
    // In one moment, in this order: the last word counts.
    let words: Vec<_> = ["START", "STOP", "START"]
        .iter()
        .zip(2..)
        .map(|(word, n)| carrier.tells(reply(&format!("r-{n}"), &to, word)))
        .collect();
    for thanked in words {
        assert!(thanked.await.unwrap());
    }
    assert!(desk.engine.opt_outs(&operator()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_ledger_that_cannot_be_written_asks_the_carrier_to_tell_it_again() {
    let carrier = Arc::new(Cutter::new("tens"));
    let desk = desk(&carrier).await;
    desk.store.close().await.unwrap();
    assert!(!carrier.delivers("x-1", State::Delivered).await);
    assert!(!carrier.tells(reply("r-1", &fictional(1), "STOP")).await.unwrap());
}

#[tokio::test]
async fn a_stop_takes_leave_of_every_carrier_and_thanks_for_nothing_more() {
    let carrier = Arc::new(Cutter::new("tens"));
    let desk = desk(&carrier).await;
    assert!(carrier.delivers("x-1", State::Delivered).await);
    desk.engine.stop(Duration::from_secs(2)).await;
    assert!(carrier.is_closed.load(Ordering::SeqCst));
    let late = Notice::thanking(reply("r-1", &fictional(1), "STOP"), |is_durable| assert!(!is_durable));
    assert!(carrier.tell.try_send(late).is_err(), "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_are_recorded_many_at_a_time() {
    let carrier = Arc::new(Cutter::new("tens"));
    let desk = desk(&carrier).await;
    let (thanks, mut thanked) = mpsc::unbounded_channel();
    let tell = async |numbers: std::ops::Range<usize>| {
        for n in numbers {
            let thanks = thanks.clone();
            let receipt = Event::Receipt(Receipt::new(format!("x-{n}"), State::Delivered, SystemClock.now()));
            carrier
                .tell
                .send(Notice::thanking(receipt, move |is_durable| thanks.send(is_durable).unwrap()))
                .await
                .unwrap();
        }
    };
    // While nothing can be recorded, more are taken than wait in the channel: they do not wait for one
    // another.
    let holder = rusqlite::Connection::open(desk._folder.path().join("ledger.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (waiting, count) = (carrier.tell.max_capacity() + 800, 5_000);
    tell(0..waiting).await;
    assert!(thanked.try_recv().is_err(), "none is thanked for before it is recorded");
    holder.execute_batch("COMMIT").unwrap();
    tell(waiting..count).await;
    for _ in 0..count {
        assert!(within("each is thanked for", thanked.recv()).await.unwrap());
    }
    drop(desk);
}

#[tokio::test]
async fn a_message_of_which_the_operator_found_no_segment_sent_may_be_sent_with_its_key_again() {
    let carrier = Arc::new(Cutter::new("tens"));
    let desk = desk(&carrier).await;
    let text = "lose......lose......";
    let error = desk.send(&fictional(1), text).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    let state = desk
        .engine
        .settle_unknown(
            &alice(),
            &sms_mcp::sms::message::MessageId::from_text(id_of(&error)),
            Found::NotSent(&person()),
        )
        .await
        .unwrap();
    assert_eq!(state, State::Rejected);
    assert_eq!(
        desk.list().await[0].1.as_deref(),
        Some("provider_unavailable"),
        "the carrier refused nothing"
    );
    let states: Vec<State> =
        desk.status(&id_of(&error)).await.segments.iter().map(|segment| segment.status).collect();
    assert_eq!(states, [State::Rejected, State::Rejected]);
    let again = desk.send(&fictional(1), text).await.unwrap_err();
    assert_ne!(id_of(&again), id_of(&error));
    assert_eq!(carrier.sent.lock().unwrap().len(), 2);
}
