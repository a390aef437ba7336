//! The built-in sandbox: a provider that accepts, prices, delivers and fails like a real one, and sends
//! nothing.
//!
//! It is deterministic and needs no set-up, so it serves newcomers and a customer's own CI. Faults are asked
//! for by number: in every North American area code, 555-0100 to 555-0199 are kept for fiction
//! (ATIS-0300115), so no phone ever has one of these (see [`Fault`]). What a message will become is written
//! into the sandbox's own id of it, so a status look-up works across restarts.
//!
//! Each text that it takes is appended to its outbox, if it has one ([`outbox`]); that append is the act of
//! sending, which is what crash tests count.

pub mod outbox;

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc};

use outbox::{Outbox, Taken, Unwritten};

use super::exchange::{Enquiry, Event, Finding, Notice, Receipt};
use super::settings::{Settings, Setup, ToldIn};
use super::{Balance, Build, Capabilities, Outcome, Provider, Submission};
use crate::clock::{SharedClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::setting::Span;
use crate::sms::message::State;
use crate::sms::money::{Amount, Currency, Money};
use crate::sms::number::Number;

/// Receipts that wait for the engine; more than that are dropped, as a network may drop them.
const RECEIPT_QUEUE: usize = 4_096;

/// How long the timetable rests at most while nothing is due, in milliseconds.
const IDLE_MS: i64 = 3_600_000;

/// How much later than usual a late receipt comes, in milliseconds.
const LATE_MS: i64 = 5_000;

/// Settings of the sandbox.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Your name for it, shown in answers.
    pub name: String,
    /// File to which each text that is taken is appended as one JSON line, or "none". Where nothing but the
    /// sandbox is configured and texts are kept, by default a bounded one beside the ledger; `sms-mcp outbox`
    /// shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbox: Option<PathBuf>,
    /// The one that it has without being asked: bounded, and made with the first text.
    #[serde(skip)]
    pub own_outbox: Option<PathBuf>,
    /// Money on the pretended account at start.
    pub balance: Amount,
    /// ISO 4217 currency of its prices.
    #[serde(with = "crate::setting::currency")]
    #[schemars(with = "String")]
    pub currency: Currency,
    /// How long after sending a message is delivered.
    pub delivery_delay: Span,
    /// How long each send takes.
    pub latency: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "sandbox".to_owned(),
            outbox: None,
            own_outbox: None,
            balance: Amount::units(100),
            currency: Currency::USD,
            delivery_delay: Span::seconds(1),
            latency: Span::seconds(0),
        }
    }
}

impl Settings for Config {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_real(&self) -> bool {
        false
    }

    fn told_in(&self) -> Option<ToldIn> {
        Some(ToldIn::Quotes(self.currency))
    }

    fn writes(&self) -> Option<&std::path::Path> {
        self.outbox.as_deref().or(self.own_outbox.as_deref())
    }
}

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(Sandbox::new(self.clone(), setup.clock)?))
    }
}

/// What the sandbox does with a message, by the recipient's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Any other number: taken, then delivered.
    None,
    /// +1 202 555 0101: refused for good.
    Rejected,
    /// +1 202 555 0102: refused because the account is empty.
    NoBalance,
    /// +1 202 555 0103: throttled the first time, then taken.
    ThrottledOnce,
    /// +1 202 555 0104: taken, and the answer is lost.
    LostAnswer,
    /// +1 202 555 0105: never taken and never answered.
    Stalls,
    /// +1 202 555 0106: delivered, and the receipt comes 5 s late.
    LateReceipt,
    /// +1 202 555 0107: delivered, and the receipt comes twice.
    ReceiptTwice,
    /// +1 202 555 0108: taken, then not delivered.
    FailedDelivery,
    /// +1 202 555 0109: throttled always.
    ThrottledAlways,
    /// +1 202 555 0110: taken, and charged twice the quoted price.
    Overcharged,
    /// +1 202 555 0111: taken, and no receipt ever comes.
    NoReceipt,
    /// +1 202 555 0112: taken, and the account is empty from then on.
    EmptiesBalance,
}

impl Fault {
    /// The table: the number, the fault, and what a user sees. docs/CONFIGURATION.md and tests read it.
    pub const TABLE: [(&'static str, Self, &'static str); 12] = [
        ("+12025550101", Self::Rejected, "refused for good: `provider_rejected`"),
        ("+12025550102", Self::NoBalance, "refused, the account is empty: `insufficient_balance`"),
        ("+12025550103", Self::ThrottledOnce, "throttled once, then sent"),
        ("+12025550104", Self::LostAnswer, "taken, but the answer is lost: `outcome_unknown`"),
        ("+12025550105", Self::Stalls, "no answer at all: `outcome_unknown` after `[send] timeout`"),
        ("+12025550106", Self::LateReceipt, "delivered; the receipt comes 5 s late"),
        ("+12025550107", Self::ReceiptTwice, "delivered; the receipt comes twice"),
        ("+12025550108", Self::FailedDelivery, "sent, then `failed`"),
        ("+12025550109", Self::ThrottledAlways, "throttled always: `provider_unavailable`"),
        ("+12025550110", Self::Overcharged, "sent, charged twice the quote: the budget freezes"),
        ("+12025550111", Self::NoReceipt, "sent; no receipt ever comes"),
        ("+12025550112", Self::EmptiesBalance, "sent; the account is empty from then on"),
    ];

    /// The fault that this number asks for.
    pub fn of(to: &Number) -> Self {
        Self::TABLE
            .into_iter()
            .find(|(number, ..)| *number == to.e164())
            .map_or(Self::None, |(_, fault, _)| fault)
    }

    /// The letter that stands for the fault's later life in the sandbox's id.
    const fn letter(self) -> char {
        match self {
            Self::FailedDelivery => 'f',
            Self::LateReceipt => 'l',
            Self::NoReceipt => 'n',
            _ => 'd',
        }
    }
}

/// Price of one segment by country, in millionths; other countries cost [`OTHER_PRICE`].
const PRICES: [(&str, i64); 12] = [
    ("AU", 42_000),
    ("BR", 19_000),
    ("CA", 7_900),
    ("DE", 75_000),
    ("ES", 62_000),
    ("FR", 65_000),
    ("GB", 40_000),
    ("IN", 33_000),
    ("IT", 70_000),
    ("JP", 68_000),
    ("MX", 48_000),
    ("US", 7_900),
];

/// Price of one segment elsewhere, in millionths.
const OTHER_PRICE: i64 = 100_000;

/// The sandbox. See the module's text.
pub struct Sandbox {
    config: Config,
    clock: SharedClock,
    state: Mutex<Account>,
    timetable: Arc<Timetable>,
}

/// The receipts that are still to come, by the time they are due.
#[derive(Default)]
struct Timetable {
    due: Mutex<BTreeMap<(Timestamp, u64), Receipt>>,
    next: AtomicU64,
    is_heard: AtomicBool,
    earlier: Notify,
}

impl Timetable {
    fn add(&self, receipt: Receipt, times: u32) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let was_first = due.first_key_value().map(|((at, _), _)| *at);
        let is_first = was_first.is_none_or(|first| receipt.at < first);
        for _ in 0..times {
            due.insert((receipt.at, self.next.fetch_add(1, Ordering::Relaxed)), receipt.clone());
        }
        if is_first {
            self.earlier.notify_one();
        }
    }

    /// What is due by now, and when the next one will be.
    fn take(&self, now: Timestamp) -> (BTreeMap<(Timestamp, u64), Receipt>, Option<Timestamp>) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let later = due.split_off(&(now.plus_ms(1), 0));
        let ready = std::mem::replace(&mut *due, later);
        (ready, due.first_key_value().map(|((at, _), _)| *at))
    }

    /// Hands receipts out as they become due, until nobody listens.
    async fn run(self: Arc<Self>, clock: SharedClock, notices: mpsc::Sender<Notice>) {
        loop {
            let now = clock.now();
            let (ready, next) = self.take(now);
            for receipt in ready.into_values() {
                let _ = notices.try_send(Notice::new(Event::Receipt(receipt)));
            }
            let wait = next
                .map_or(IDLE_MS, |next| next.as_millis().saturating_sub(now.as_millis()).clamp(1, IDLE_MS));
            tokio::select! {
                () = clock.sleep(Duration::from_millis(wait.unsigned_abs())) => {}
                () = self.earlier.notified() => {}
                () = notices.closed() => return,
            }
        }
    }
}

struct Account {
    outbox: Option<Outbox>,
    balance_micros: i64,
    sequence: u64,
    throttled: HashSet<String>,
}

impl Sandbox {
    /// Makes a sandbox; opens its outbox.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the outbox cannot be opened for appending.
    pub fn new(config: Config, clock: SharedClock) -> Result<Self> {
        let outbox = match &config.outbox {
            Some(path) => Some(Outbox::named(path).map_err(|error| {
                Error::new(
                    ErrorKind::Config,
                    format!("the sandbox cannot append to its outbox {}: {error}", path.display()),
                )
            })?),
            None => config.own_outbox.clone().map(Outbox::Own),
        };
        let account =
            Account { outbox, balance_micros: config.balance.0, sequence: 0, throttled: HashSet::new() };
        Ok(Self { config, clock, state: Mutex::new(account), timetable: Arc::default() })
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn each(to: &Number) -> i64 {
        let region = to.region().map(|region| region.to_string());
        PRICES
            .into_iter()
            .find(|(country, _)| region.as_deref() == Some(*country))
            .map_or(OTHER_PRICE, |(_, price)| price)
    }

    /// Takes the message: writes it to the outbox and charges for it.
    fn take(&self, submission: &Submission, fault: Fault) -> Outcome {
        let Some(mut price) = self.price(&submission.to, submission.segments) else {
            return Outcome::Rejected {
                code: ErrorKind::ProviderRejected,
                why: "no price for this many segments".to_owned(),
            };
        };
        if fault == Fault::Overcharged {
            price.micros = price.micros.saturating_mul(2);
        }
        let now = self.clock.now();
        let mut account = self.account();
        if account.balance_micros < price.micros {
            return Outcome::Rejected {
                code: ErrorKind::InsufficientBalance,
                why: "the sandbox account is empty".to_owned(),
            };
        }
        if let Some(outbox) = &mut account.outbox {
            let taken = Taken {
                id: submission.id.as_str().to_owned(),
                to: submission.to.e164().to_owned(),
                from: submission.from.clone(),
                text: submission.text.clone(),
                segments: submission.segments,
                at: now.rfc3339(),
                provider: Some(self.config.name.clone()),
            };
            match outbox.append(&taken) {
                Ok(()) => {}
                Err(Unwritten::Nothing(error)) => {
                    return Outcome::NotSent {
                        retry_after_ms: None,
                        why: format!("the outbox could not be opened: {error}"),
                    };
                }
                // Part of the line may be there, so nobody can say that it was not sent.
                Err(Unwritten::Perhaps(error)) => {
                    return Outcome::Unknown { why: format!("the outbox could not be written: {error}") };
                }
            }
        }
        account.balance_micros =
            if fault == Fault::EmptiesBalance { 0 } else { account.balance_micros - price.micros };
        account.sequence += 1;
        let vendor_id = format!(
            "sbx-{}-{:x}-{:x}-{:x}",
            fault.letter(),
            now.as_millis(),
            std::process::id(),
            account.sequence
        );
        drop(account);
        self.schedule_receipts(&vendor_id, fault);
        if fault == Fault::LostAnswer {
            return Outcome::Unknown { why: "the connection closed before the answer".to_owned() };
        }
        Outcome::Accepted {
            vendor_id: Some(vendor_id),
            status: State::Sent,
            segments: Some(submission.segments),
            price: Some(price),
        }
    }

    fn schedule_receipts(&self, vendor_id: &str, fault: Fault) {
        if fault == Fault::LostAnswer || !self.timetable.is_heard.load(Ordering::Relaxed) {
            return;
        }
        if let Some(due) = self.fate(vendor_id) {
            self.timetable.add(due, if fault == Fault::ReceiptTwice { 2 } else { 1 });
        }
    }

    /// What a message with this id becomes, and when. Read from the id alone.
    fn fate(&self, vendor_id: &str) -> Option<Receipt> {
        let mut parts = vendor_id.strip_prefix("sbx-")?.split('-');
        let (letter, at) = (parts.next()?, i64::from_str_radix(parts.next()?, 16).ok()?);
        let delay = self.config.delivery_delay.as_millis();
        let (state, delay, why) = match letter {
            "d" => (State::Delivered, delay, None),
            "l" => (State::Delivered, delay.saturating_add(LATE_MS), None),
            "f" => (State::Failed, delay, Some("absent subscriber (sandbox)".to_owned())),
            _ => return None,
        };
        Some(Receipt {
            why,
            is_documented: true,
            ..Receipt::new(vendor_id, state, Timestamp(at).plus_ms(delay))
        })
    }
}

#[async_trait]
impl Provider for Sandbox {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            real: false,
            prices: true,
            balance: true,
            status: true,
            receipts_by_push: true,
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, to: &Number, segments: u32) -> Option<Money> {
        Money { micros: Self::each(to), currency: self.config.currency }.times(segments)
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        if !self.config.latency.duration().is_zero() {
            self.clock.sleep(self.config.latency.duration()).await;
        }
        let fault = Fault::of(&submission.to);
        match fault {
            Fault::Rejected => Outcome::Rejected {
                code: ErrorKind::ProviderRejected,
                why: "destination unreachable (sandbox)".to_owned(),
            },
            Fault::NoBalance => Outcome::Rejected {
                code: ErrorKind::InsufficientBalance,
                why: "not enough credit (sandbox)".to_owned(),
            },
            Fault::Stalls => std::future::pending().await,
            Fault::ThrottledAlways => {
                Outcome::NotSent { retry_after_ms: Some(20), why: "throttled (sandbox)".to_owned() }
            }
            Fault::ThrottledOnce if self.account().throttled.insert(submission.id.as_str().to_owned()) => {
                Outcome::NotSent { retry_after_ms: Some(20), why: "throttled (sandbox)".to_owned() }
            }
            _ => self.take(submission, fault),
        }
    }

    async fn balance(&self) -> Result<Balance> {
        Ok(Balance::Money(Money { micros: self.account().balance_micros, currency: self.config.currency }))
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let now = self.clock.now();
        Ok(self.fate(&enquiry.vendor_id).filter(|receipt| receipt.at <= now).into_iter().collect())
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        Ok(vec![Finding::fine("built in; no text leaves this machine")])
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        if self.timetable.is_heard.swap(true, Ordering::Relaxed) {
            return None;
        }
        let (notices, receiver) = mpsc::channel(RECEIPT_QUEUE);
        tokio::spawn(Arc::clone(&self.timetable).run(Arc::clone(&self.clock), notices));
        Some(receiver)
    }
}
