//! SMPP v3.4: a direct line to a carrier or an aggregator.
//!
//! The connections, the window and the promise about lost answers are those of [`session`](super::session).
//! What is here is SMPP's own: what is said and how it is written ([`pdu`], `write`), the alphabets and the
//! cutting of long texts ([`alphabet`]), what status codes mean ([`status`]), and receipts and texts of
//! people ([`inbox`], [`receipt`]).
//!
//! Each segment is a request of its own, with an answer, an id and a receipt of its own;
//! [`Outcome::of_segments`] makes one outcome of them. The segments of a text go out in a row, and texts to
//! one recipient keep their order.
//!
//! Source: SMPP Protocol Specification v3.4, issue 1.2.

pub mod alphabet;
pub mod config;
pub mod inbox;
pub mod message;
pub mod pdu;
pub mod receipt;
mod sender;
pub mod status;
mod wire;
pub mod write;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;

pub use config::Config;

use crate::clock::SharedClock;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::contract::cannot;
use crate::provider::exchange::{
    Action, Answered, Arguments, Enquiry, Finding, Notice, Receipt, Unacknowledged,
};
use crate::provider::line::ear::{self, Ear, Told};
use crate::provider::line::meaning::recipient_full;
use crate::provider::line::references::References;
use crate::provider::line::session::{Account, Asked, Late, Line, Plan, Pushes, Telling, order_of};
use crate::provider::settings::Setup;
use crate::provider::{Build, Capabilities, Form, Outcome, Provider, SegmentOutcome, Submission};
use crate::sms::message::MessageId;
use crate::sms::money::Money;
use crate::sms::number::Number;
use alphabet::Cutter;
use config::{Mode, Receipts};
use inbox::{Inbox, ReceiptIds};
use message::{Address, Bind, Request, Submit};
use pdu::{Codec, Deliver};
use receipt::Standing;
use sender::sender_form;
use status::{Meaning, Statuses};
use write::Ready;

/// Longest id of a message (SMPP v3.4, section 5.2.23).
const MOST_ID: usize = 64;
/// Why a yes is none.
const ANOTHER: &str = "the carrier gave the answer to another question";

const QUERY: Action = Action {
    name: "query",
    about: "Asks where a message stands (query_sm); from: the sender that it had",
    required: &["id"],
    optional: &["from"],
};
const CANCEL: Action = Action {
    name: "cancel",
    about: "Takes back a message that is not delivered yet (cancel_sm); from: the sender that it had",
    required: &["id", "to"],
    optional: &["from"],
};

/// The provider. See the module's text.
pub struct Smpp {
    config: Config,
    clock: SharedClock,
    account: Arc<Account<Codec>>,
    cutter: Cutter,
    /// The sender where a call names none.
    sender: Arc<Address>,
    /// What long texts are numbered with.
    references: References,
    pushes: Mutex<Option<Pushes<Codec>>>,
}

impl Smpp {
    /// An account as it is configured. Nothing is connected yet.
    fn new(config: Config, setup: &Setup) -> Result<Arc<Self>> {
        let wrong = |why: String| Error::new(ErrorKind::Config, format!("{}: {why}", config.name));
        let (system_id, system_type) = config.names().map_err(wrong)?;
        let (password, common) = (setup.secrets.demand("password")?, config.common().map_err(wrong)?);
        let codec =
            Codec { system_id, password, system_type, common, statuses: Statuses::new(&config.status_codes) };
        let binds: &[(Bind, bool)] = match config.mode {
            Mode::Transceiver => &[(Bind::Transceiver, true)],
            Mode::TransmitterAndReceiver => &[(Bind::Transmitter, true), (Bind::Receiver, false)],
            Mode::Transmitter => &[(Bind::Transmitter, true)],
        };
        let each = binds.iter().map(|(bind, submits)| Line { bind: *bind, submits: *submits });
        let lines = (0..config.session.binds).flat_map(|_| each.clone()).collect();
        let plan = Plan {
            name: config.name.clone(),
            address: config.address.clone(),
            lines,
            settings: config.session.clone(),
        };
        let (account, pushes) = Account::new(codec, plan, Arc::clone(&setup.clock))?;
        // The texts of two runs to one phone should not look like one text.
        let mut seed = [0; 2];
        setup.clock.fill_random(&mut seed)?;
        let sender =
            address_of(&config, config.from.as_deref()).map_err(|why| Error::new(ErrorKind::Config, why))?;
        Ok(Arc::new(Self {
            clock: Arc::clone(&setup.clock),
            account,
            cutter: Cutter { alphabet: config.alphabet, latin1: config.latin1, long: config.long },
            sender: Arc::new(sender),
            references: References::new(u16::from_be_bytes(seed)),
            pushes: Mutex::new(Some(pushes)),
            config,
        }))
    }

    fn sender_of(&self, from: Option<&str>) -> Result<Arc<Address>> {
        match from {
            None => Ok(Arc::clone(&self.sender)),
            Some(_) => address_of(&self.config, from)
                .map(Arc::new)
                .map_err(|why| Error::new(ErrorKind::SenderNotAllowed, why)),
        }
    }

    fn recipient(&self, to: &Number) -> Address {
        let digits = to.e164().trim_start_matches('+').to_owned();
        Address { ton: self.config.dest_ton, npi: self.config.dest_npi, text: digits }
    }

    /// The requests that carry a message, in the order of its segments.
    fn requests(&self, submission: &Submission) -> Result<Vec<Request>> {
        let reference = || self.references.next([submission.to.e164()]);
        let too_long = |error: crate::sms::text::TooManySegments| {
            Error::new(ErrorKind::MessageTooLong, error.to_string())
        };
        let cut = self.cutter.cut(&submission.text, reference).map_err(too_long)?;
        let (from, to) =
            (self.sender_of(submission.from.as_deref())?, Arc::new(self.recipient(&submission.to)));
        let requests = cut.units.into_iter().map(|unit| {
            Request::Submit(Submit {
                from: Arc::clone(&from),
                to: Arc::clone(&to),
                coding: cut.coding,
                has_udh: unit.has_udh,
                octets: unit.octets,
                sar: unit.sar,
                is_payload: cut.is_payload,
            })
        });
        Ok(requests.collect())
    }

    /// The same, as they are written. All of them, or none: what one segment cannot be, the message cannot
    /// be.
    fn ready(&self, submission: &Submission) -> Result<Vec<Ready>> {
        self.requests(submission)?.into_iter().map(|request| self.writable(request)).collect()
    }

    fn writable(&self, request: Request) -> Result<Ready> {
        self.account
            .protocol()
            .ready(request)
            .map_err(|why| Error::new(ErrorKind::InvalidArgument, format!("{}: {why}", self.config.name)))
    }

    /// What became of one segment.
    fn segment(&self, request: &Ready, asked: Asked<message::Answer>) -> SegmentOutcome {
        match asked.answer {
            Ok(answer) if asked.of_recipient => {
                recipient_full(self.account.protocol().statuses.words(answer.status))
            }
            Ok(answer) => said(
                &answer,
                request.is_granted(&answer),
                self.config.receipt_ids,
                &self.account.protocol().statuses,
            ),
            Err(lost) => lost.into(),
        }
    }

    /// Asks something that is no message.
    async fn ask(&self, request: Request, about: &str) -> Result<message::Answer> {
        let ready = self.writable(request)?;
        self.account.start();
        let answer =
            self.account.ask(order_of(about), &ready).await.map_err(|lost| lost.error(&self.config.name))?;
        if answer.status == 0 && !ready.is_granted(&answer) {
            return Err(Error::new(
                ErrorKind::ProviderUnavailable,
                format!("{}: {ANOTHER}", self.config.name),
            ));
        }
        Ok(answer)
    }

    /// The error that a status other than 0 stands for, of a question.
    fn refusal(&self, status: u32) -> Error {
        let statuses = &self.account.protocol().statuses;
        let kind = match statuses.meaning(status) {
            Meaning::Throttled | Meaning::RecipientFull | Meaning::Later | Meaning::Unknown => {
                ErrorKind::ProviderUnavailable
            }
            Meaning::Unauthorized => ErrorKind::ProviderUnauthorized,
            _ => ErrorKind::ProviderRejected,
        };
        Error::new(kind, format!("{}: {}", self.config.name, statuses.words(status)))
    }

    /// Where a message stands, which went out with this sender (section 4.8.1 asks for the same one).
    /// Nothing: the carrier does not know it.
    async fn query(&self, message_id: &str, from: Option<&str>) -> Result<Option<Receipt>> {
        // No carrier gave such an id, and none may be asked for it.
        if !is_id(message_id) {
            return Ok(None);
        }
        let from = Address::clone(self.sender_of(from)?.as_ref());
        let answer = self.ask(Request::Query { message_id: message_id.to_owned(), from }, message_id).await?;
        match (answer.status, answer.state.and_then(Standing::of_number)) {
            (0, Some(standing)) => {
                let error = (answer.error != 0).then(|| format!("error {}", answer.error));
                let why = match standing {
                    Standing::Failed(word) => {
                        Some(error.map_or_else(|| word.to_owned(), |error| format!("{word}, {error}")))
                    }
                    Standing::Expired => error,
                    Standing::OnItsWay | Standing::Delivered => None,
                };
                Ok(Some(Receipt {
                    why,
                    is_documented: true,
                    ..Receipt::new(message_id, standing.state(), self.clock.now())
                }))
            }
            (0, None) => Err(Error::new(
                ErrorKind::ProviderUnavailable,
                format!("{}: the answer has no known state", self.config.name),
            )),
            (status::INVALID_ID | status::QUERY_FAILED, _) => Ok(None),
            (status, _) => Err(self.refusal(status)),
        }
    }

    async fn cancel(&self, message_id: &str, to: &str, from: Option<&str>) -> Result<Value> {
        if !is_id(message_id) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("id must have 1 to {MOST_ID} characters of ASCII"),
            ));
        }
        let to = Number::parse(to, None)
            .map_err(|error| Error::new(ErrorKind::InvalidArgument, format!("to: {error}")))?;
        let from = Address::clone(self.sender_of(from)?.as_ref());
        let request = Request::Cancel { message_id: message_id.to_owned(), from, to: self.recipient(&to) };
        match self.ask(request, to.e164()).await?.status {
            0 => Ok(json!({ "id": message_id, "canceled": true })),
            status => Err(self.refusal(status)),
        }
    }
}

impl Build for Config {
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
        Ok(Smpp::new(self.clone(), &setup)?)
    }
}

/// The address of a sender; an empty one, which the carrier fills in, where there is none.
fn address_of(config: &Config, from: Option<&str>) -> std::result::Result<Address, String> {
    let Some(from) = from else { return Ok(Address::default()) };
    let address = sender_form(from)?;
    Ok(Address {
        ton: config.source_ton.unwrap_or(address.ton),
        npi: config.source_npi.unwrap_or(address.npi),
        ..address
    })
}

/// Whether this can be the id of a message (section 5.2.23).
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MOST_ID && id.bytes().all(|octet| (0x20..0x7F).contains(&octet))
}

/// What an answer says of the segment that it is the answer to.
fn said(
    answer: &message::Answer,
    is_granted: bool,
    receipt_ids: ReceiptIds,
    statuses: &Statuses,
) -> SegmentOutcome {
    match answer.status {
        0 if is_granted => {
            SegmentOutcome::Accepted { vendor_id: receipt_ids.of_answer(&answer.message_id), price: None }
        }
        0 => SegmentOutcome::Unknown { why: ANOTHER.to_owned() },
        status => statuses.outcome(status),
    }
}

/// An answer that came after its request was given up.
fn answered(late: &Late<Codec>, receipt_ids: ReceiptIds, statuses: &Statuses) -> Vec<Answered> {
    let outcome = said(&late.answer, late.answer.is_of_submit(), receipt_ids, statuses);
    let of = |message: &MessageId| Answered {
        message: message.clone(),
        segment: late.about.segment,
        outcome: outcome.clone(),
    };
    late.about.messages.iter().map(of).collect()
}

/// How what the carrier tells is understood.
struct Hearing {
    inbox: Inbox,
    receipt_ids: ReceiptIds,
    statuses: Statuses,
}

impl Ear<Codec> for Hearing {
    fn read(&mut self, push: &Deliver, telling: Telling) -> Told {
        self.inbox.take(push, telling)
    }

    fn answered(&self, late: &Late<Codec>) -> Vec<Answered> {
        answered(late, self.receipt_ids, &self.statuses)
    }
}

#[async_trait]
impl Provider for Smpp {
    fn capabilities(&self) -> Capabilities {
        let by_push = self.config.receives() && self.config.receipts != Receipts::None;
        Capabilities {
            status: self.config.query,
            receipts_by_push: by_push,
            receipts_by_poll: self.config.query && !by_push,
            replies: self.config.receives() && self.config.replies,
            segment_requests: true,
            bounds_itself: true,
            ..Capabilities::SEND_ONLY
        }
    }

    fn name(&self) -> &str {
        &self.config.name
    }

    fn price(&self, _: &Number, _: u32) -> Option<Money> {
        None
    }

    fn form(&self, _: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        self.sender_of(from)?;
        let form = self.cutter.form(text);
        let most = u32::try_from(crate::sms::text::MAX_SEGMENTS).unwrap_or(u32::MAX);
        if form.segments > most {
            let why = format!("the text needs {} segments; {most} can be sent", form.segments);
            return Err(Error::new(ErrorKind::MessageTooLong, why));
        }
        Ok(form)
    }

    async fn send(&self, submission: &Submission) -> Outcome {
        let requests = match self.ready(submission) {
            Ok(requests) => requests,
            Err(error) => return Outcome::Rejected { code: error.kind(), why: error.message().to_owned() },
        };
        self.account.start();
        let order = order_of(submission.to.e164());
        let asked = self
            .account
            .ask_all(order, &requests, &Arc::from([submission.id.clone()]), &submission.brake)
            .await;
        Outcome::of_segments(
            requests.iter().zip(asked).map(|(request, asked)| self.segment(request, asked)).collect(),
        )
    }

    async fn room(&self) -> u32 {
        self.account.roomy().await
    }

    fn is_answering(&self) -> bool {
        self.account.is_answering()
    }

    fn is_mid_text(&self) -> bool {
        self.account.is_mid_text()
    }

    fn begin_close(&self) {
        self.account.begin_close();
    }

    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        if !self.config.query {
            return cannot("status to ask for; `query` allows query_sm");
        }
        Ok(self.query(&enquiry.vendor_id, enquiry.from.as_deref()).await?.into_iter().collect())
    }

    fn words(&self, coding: u8, octets: &[u8]) -> Option<String> {
        Some(alphabet::decode(octets, coding, self.config.alphabet))
    }

    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        let pushes = self.pushes.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let inbox = Inbox::new(self.config.alphabet, self.config.receipt_ids, self.config.replies)
            .by_text(self.config.receipts_by_text);
        let hearing = Hearing {
            inbox,
            receipt_ids: self.config.receipt_ids,
            statuses: self.account.protocol().statuses.clone(),
        };
        Some(ear::listen(&self.config.name, &self.account, pushes, &self.clock, hearing))
    }

    async fn close(&self) {
        self.account.close().await;
    }

    fn unacknowledged(&self) -> Vec<Unacknowledged> {
        self.account.unheard().texts()
    }

    async fn check(&self) -> Result<Vec<Finding>> {
        self.account.start();
        self.account.ready().await.map_err(|lost| lost.error(&self.config.name))?;
        let receipts = match self.capabilities() {
            Capabilities { receipts_by_push: true, .. } => Finding::fine("receipts come on the bind"),
            Capabilities { receipts_by_poll: true, .. } => {
                Finding::fine("receipts are looked up with query_sm")
            }
            _ => Finding::warning("no receipts: what becomes of messages stays open"),
        };
        let mut findings = vec![Finding::fine("the bind is taken")];
        findings.extend(
            self.account
                .missing()
                .await
                .into_iter()
                .map(|why| Finding::warning(format!("another bind is not up: {why}"))),
        );
        findings.push(receipts);
        Ok(findings)
    }

    fn actions(&self) -> &'static [Action] {
        match (self.config.query, self.config.cancel) {
            (true, true) => &[QUERY, CANCEL],
            (true, false) => &[QUERY],
            (false, true) => &[CANCEL],
            (false, false) => &[],
        }
    }

    async fn act(&self, action: &str, arguments: &Arguments) -> Result<Value> {
        let found = self.actions().iter().find(|known| known.name == action);
        let found = found.ok_or_else(|| crate::provider::exchange::no_such_action(action, self.actions()))?;
        found.check(arguments)?;
        let argument = |name: &str| arguments.get(name).map(String::as_str);
        let (id, from) = (argument("id").unwrap_or_default(), argument("from"));
        if found.name == CANCEL.name {
            return self.cancel(id, argument("to").unwrap_or_default(), from).await;
        }
        match self.query(id, from).await? {
            Some(receipt) => Ok(json!({ "id": id, "state": receipt.state, "why": receipt.why })),
            None => Err(Error::new(ErrorKind::NotFound, "the carrier does not know this message")),
        }
    }
}

#[cfg(test)]
mod tests;
