//! What is asked of a provider besides sending, and what it tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::http::{HeaderMap, Method};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::sms::caller_id::Sender;
use crate::sms::message::{MessageId, State};
use crate::sms::money::Money;
use crate::sms::number::Number;

/// A report about a message that was accepted earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's id.
    pub vendor_id: String,
    /// The recipient in E.164, where several messages may share the id.
    pub to: Option<String>,
    /// What it says now.
    pub state: State,
    /// When that happened, if the provider says so; else now.
    pub at: Timestamp,
    /// The provider's error code or words, if it failed.
    pub why: Option<String>,
    /// Whether those are documented ones, so that they quote nothing.
    pub is_documented: bool,
    /// What it really cost, where this report says so: 0 for a failure that is not billed.
    pub price: Option<Money>,
}

impl Receipt {
    /// A report that says the state and no more.
    pub fn new(vendor_id: impl Into<String>, state: State, at: Timestamp) -> Self {
        Self {
            vendor_id: vendor_id.into(),
            to: None,
            state,
            at,
            why: None,
            is_documented: false,
            price: None,
        }
    }
}

/// What became of one segment of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentOutcome {
    /// The carrier took it.
    Accepted {
        /// The carrier's id of this segment: its receipt names it.
        vendor_id: String,
        /// What it costs, where the answer says so.
        price: Option<Money>,
    },
    /// A definite no.
    Rejected {
        /// Our code for it.
        code: ErrorKind,
        /// The carrier's words.
        why: String,
    },
    /// It certainly was not taken.
    NotSent {
        /// How long to wait before another try, in milliseconds, where something is known about that.
        retry_after_ms: Option<u64>,
        /// Why.
        why: String,
    },
    /// It certainly was not taken, and the carrier is well: see [`Outcome::NotNow`](super::Outcome::NotNow).
    NotNow {
        /// Our code for it.
        code: ErrorKind,
        /// How long to wait, in milliseconds.
        retry_after_ms: u64,
        /// Why.
        why: String,
    },
    /// Its answer was lost.
    Unknown {
        /// What is known.
        why: String,
    },
}

/// What one request to a carrier was about. It goes along with the request, so that an answer is understood
/// also after whoever asked has given it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The messages that it carried, in the order of its recipients: one, or as many as one request of the
    /// protocol takes.
    pub messages: Arc<[MessageId]>,
    /// Which segment of their text it was, from 1, and of how many; nothing where the text is one segment.
    pub segment: Option<(u8, u8)>,
}

/// The answer to a request that was given up: what became of a message, or of one of its segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The message.
    pub message: MessageId,
    /// Which segment of it, from 1, and of how many; nothing where its text is one segment.
    pub segment: Option<(u8, u8)>,
    /// What the carrier says. A "not now" is a no: nobody sends it again.
    pub outcome: SegmentOutcome,
}

/// A message to look up.
#[derive(Clone, Debug)]
pub struct Enquiry {
    /// Our reference.
    pub id: MessageId,
    /// The provider's id.
    pub vendor_id: String,
    /// The recipient.
    pub to: Number,
    /// The sender that it named; the provider's own where none.
    pub from: Option<String>,
    /// When we accepted it.
    pub created: Timestamp,
}

/// A message to find by our reference: its answer was lost.
#[derive(Clone, Debug)]
pub struct Sought {
    /// Our reference.
    pub id: MessageId,
    /// The recipient.
    pub to: Number,
    /// When we accepted it.
    pub created: Timestamp,
}

/// Which of the vendor's messages to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only to this number. A vendor that cannot filter by it lists all.
    pub to: Option<Number>,
    /// Only in this state (sent, delivered, failed). A vendor that cannot filter by it lists all.
    pub state: Option<State>,
    /// Only from this moment on. A vendor that cannot filter by it lists all.
    pub since: Option<Timestamp>,
    /// Which page, from 1.
    pub page: u32,
}

/// A message as the vendor has it. `Debug` shows neither number nor text.
#[derive(Clone)]
pub struct VendorMessage {
    /// The provider's id.
    pub vendor_id: String,
    /// The recipient as the vendor writes it.
    pub to: String,
    /// The text, where the list has it.
    pub text: Option<String>,
    /// Where it stands.
    pub state: State,
    /// When the vendor took it, where it says so.
    pub at: Option<Timestamp>,
    /// What it cost, where it says so.
    pub price: Option<Money>,
    /// The vendor's words about a failure.
    pub why: Option<String>,
}

impl std::fmt::Debug for VendorMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VendorMessage")
            .field("vendor_id", &self.vendor_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// One page of the vendor's messages.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Newest first.
    pub messages: Vec<VendorMessage>,
    /// The next page's number; nothing on the last.
    pub next: Option<u32>,
}

/// What an id begins with that is made of what was told, since the vendor gave none.
pub const CONTENT_ID: &str = "sha256-";

/// A reply, or another text that a person sent. `Debug` shows neither numbers nor text.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The vendor's id of it; the same one is recorded once.
    pub vendor_id: String,
    /// Who wrote it, and how sure the provider is of that.
    pub from: Sender,
    /// The number or sender ID that it was sent to.
    pub to: String,
    /// What it says: untrusted.
    pub text: String,
    /// When it came in: where it was told before and not taken, when that was.
    pub at: Timestamp,
    /// What is the same whenever a carrier tells this again, whoever it tells it to; nothing where the
    /// vendor's id is enough.
    pub content: Option<String>,
    /// Whether it was told before, so that [`Reply::at`] is older than now.
    pub is_again: bool,
    /// Whether the vendor says that it has answered it by itself.
    pub is_answered: bool,
}

impl Reply {
    /// An id for a text of this content that was told first at this moment, where the carrier gives it none
    /// of its own.
    pub fn id_of(content: &str, first: Timestamp) -> String {
        format!("{content}-{}", first.as_millis())
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reply")
            .field("vendor_id", &self.vendor_id)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// A segment of a long text that a person sent, in the carrier's own alphabet: characters may be cut in two,
/// so nothing of it is read before its neighbours are there. `Debug` shows neither numbers nor text.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplySegment {
    /// Who wrote it, and how sure the provider is of that.
    pub from: Sender,
    /// The number or sender ID that it was sent to.
    pub to: String,
    /// What the phone numbers its text with, in 8 bits or 16.
    pub reference: u16,
    /// How many segments the text has: two or more.
    pub total: u8,
    /// Which of them this is, from 1.
    pub number: u8,
    /// Its alphabet, as the protocol numbers it: [`Provider::words`](super::Provider::words) reads it.
    pub coding: u8,
    /// The text in that alphabet, without a header.
    pub octets: Vec<u8>,
    /// The carrier's id of it; empty where it has none.
    pub vendor_id: String,
    /// When it came in: where it was told before and not taken, when that was.
    pub at: Timestamp,
    /// What is the same whenever a carrier tells this again, whoever it tells it to.
    pub content: Option<String>,
    /// Whether it was told before, so that [`ReplySegment::at`] is older than now.
    pub is_again: bool,
}

impl std::fmt::Debug for ReplySegment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplySegment")
            .field("number", &self.number)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// What says that a person wants no more texts, beside the wish itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeardBy {
    /// A report of this message of ours: a network refused it for that.
    Report(MessageId),
    /// A text with this id of the vendor's.
    Text(String),
}

/// What a provider tells by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A report that was proven to be the vendor's.
    Receipt(Receipt),
    /// A report that nobody signed: the message is to be looked up with
    /// [`Provider::status`](super::Provider::status) before anything of it is believed.
    Hint {
        /// The vendor's id that it names.
        vendor_id: String,
        /// Our message, if the address that it came to says which.
        message: Option<MessageId>,
    },
    /// A report that was proven to be the vendor's names our message beside the vendor's id: where its answer
    /// was lost, the vendor took it; or of several segments that have an id each, the one with this id.
    Named {
        /// Our message.
        message: MessageId,
        /// The vendor's id of it, or of one of its segments.
        vendor_id: String,
        /// Whether each segment of a text has an id of its own there.
        by_segment: bool,
    },
    /// A person wrote.
    Reply(Reply),
    /// A person wrote a text of several segments, and this is one of them.
    Segment(ReplySegment),
    /// A person wants no more texts, or wants them again.
    OptOut {
        /// Who, and how sure the provider is of that.
        number: Sender,
        /// True: no more texts.
        is_out: bool,
        /// When, if the vendor says so.
        at: Option<Timestamp>,
        /// By what that was heard, where it may be told again without a time of its own: what is told again was
        /// said when it was heard first.
        heard_by: Option<HeardBy>,
    },
    /// What reads like a receipt, and may as well be what a person wrote. It is the receipt only where the
    /// provider has such a message of ours, to whoever this comes from; else it is the reply, or where that
    /// is nothing, nothing.
    Claimed {
        /// The report, with its recipient.
        receipt: Receipt,
        /// The text.
        reply: Option<Reply>,
    },
    /// The answer to a request came after it was given up: what is unknown is settled by it.
    Answered(Answered),
    /// What people wrote and was not acknowledged, or perhaps not heard as acknowledged: the carrier may tell
    /// it again, also to another process. When it was told first is kept for that.
    Unacknowledged(Vec<Unacknowledged>),
}

/// Something that a person wrote, which the carrier may tell again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unacknowledged {
    /// What stands for it: see [`Reply::content`].
    pub content: String,
    /// When it was told first.
    pub first: Timestamp,
}

/// Something that a provider tells over a connection that it keeps, and the way to thank it: after
/// [`Notice::recorded`] says that it is durable the carrier may forget it. Dropped without that, the carrier
/// is asked to tell it again.
pub struct Notice {
    /// What it tells.
    pub event: Event,
    thanks: Option<Thanks>,
}

/// Called with whether the event is durable.
type Thanks = Box<dyn FnOnce(bool) + Send>;

impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notice").field("event", &self.event).finish_non_exhaustive()
    }
}

impl Notice {
    /// An event for which nobody waits to be thanked.
    pub const fn new(event: Event) -> Self {
        Self { event, thanks: None }
    }

    /// An event, and what to do once it is known whether it is durable.
    pub fn thanking(event: Event, thanks: impl FnOnce(bool) + Send + 'static) -> Self {
        Self { event, thanks: Some(Box::new(thanks)) }
    }

    /// Thanks the carrier, or asks it to tell this again.
    pub fn recorded(mut self, is_durable: bool) {
        if let Some(thanks) = self.thanks.take() {
            thanks(is_durable);
        }
    }
}

impl Drop for Notice {
    fn drop(&mut self) {
        if let Some(thanks) = self.thanks.take() {
            thanks(false);
        }
    }
}

/// A webhook's request, after its path token was checked.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The method that it came with: one of [`Webhook::methods`].
    pub method: &'a Method,
    /// The address that the vendor called, with its query: below the configured public one, whatever stands
    /// between the vendor and us and whatever that makes of scheme, host and port. It is what some vendors
    /// sign.
    pub url: &'a str,
    /// The query as it stood in the address; empty where there was none.
    pub query: &'a str,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The raw body.
    pub body: &'a [u8],
    /// Our message, if the path token was made for one.
    pub message: Option<&'a MessageId>,
    /// Now.
    pub now: Timestamp,
}

/// How a vendor calls, and what it is answered once everything that it told is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The methods that it calls with. A request with any other is refused, and nothing of it is read.
    pub methods: &'static [Method],
    /// The status of the answer: one that the vendor takes for thanks.
    pub status: u16,
    /// What the answer's body is, such as `text/xml`; empty where there is no body.
    pub content_type: &'static str,
    /// The answer's body. To some vendors every word in it is a text to the person who wrote.
    pub body: &'static str,
}

impl Webhook {
    /// A POST, answered with 204 and nothing.
    pub const POST: Self = Self { methods: &[Method::POST], status: 204, content_type: "", body: "" };
}

/// A request as it would go on the wire. Secrets in its headers are not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The method.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// An answer that somebody pasted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pasted {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a webhook's request is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotBelieved {
    /// This provider, as it is configured, sends none.
    NotExpected,
    /// The signature is missing or wrong.
    Signature,
    /// It does not read as the vendor's documentation says; what is wrong.
    Malformed(String),
    /// It cannot be checked or answered now, since something of the vendor's that this takes cannot be had:
    /// what. The vendor is asked to come again.
    NotNow(String),
}

impl NotBelieved {
    /// Says that part of a request was like this, and that the rest of it was taken.
    pub fn note_part(&self, provider: &str) {
        let why = match self {
            Self::Malformed(words) | Self::NotNow(words) => words.as_str(),
            Self::Signature => "nobody proved it",
            Self::NotExpected => "it is not expected",
        };
        tracing::warn!(provider, why, "part of a webhook does not parse as documented; the rest was taken");
    }
}

/// Something that `config check --live` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What works, or what to look at.
    pub text: String,
    /// Whether the operator should look at it. A server says it at its start too.
    pub is_warning: bool,
}

impl Finding {
    /// Something that works.
    pub fn fine(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_warning: false }
    }

    /// Something to look at.
    pub fn warning(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_warning: true }
    }
}

/// Something else that an operator can do at a vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its name on the command line, such as `webhooks` or `phones-add`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// The arguments that it must have, `name=value`.
    pub required: &'static [&'static str],
    /// The arguments that it may have.
    pub optional: &'static [&'static str],
}

/// The arguments of an [`Action`].
pub type Arguments = BTreeMap<String, String>;

/// The error for an action that there is not.
pub(super) fn no_such_action(action: &str, actions: &[Action]) -> Error {
    let names: Vec<&str> = actions.iter().map(|action| action.name).collect();
    let known =
        if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) };
    Error::new(
        ErrorKind::NotFound,
        format!("this provider has no action \"{}\"; {known}", crate::sms::untrusted::escape(action)),
    )
}

impl Action {
    /// Checks that the arguments are those of this action.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming the argument that is missing or not known.
    pub fn check(&self, arguments: &Arguments) -> Result<(), Error> {
        let wrong = |why: String| Err(Error::new(ErrorKind::InvalidArgument, why));
        if let Some(missing) = self.required.iter().find(|name| !arguments.contains_key(**name)) {
            return wrong(format!("`{}` needs {missing}=...", self.name));
        }
        let known = |name: &str| self.required.contains(&name) || self.optional.contains(&name);
        if let Some(unknown) = arguments.keys().find(|name| !known(name)) {
            let names: Vec<&str> = self.required.iter().chain(self.optional).copied().collect();
            return wrong(format!(
                "`{}` has no argument \"{}\"; it has {}",
                self.name,
                crate::sms::untrusted::escape(unknown),
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            ));
        }
        Ok(())
    }
}

/// One text to everybody on a list that the vendor keeps. `Debug` does not show the text.
#[derive(Clone)]
pub struct Campaign {
    /// Our reference: the bulk that stands for it in the ledger.
    pub id: String,
    /// The vendor's id of the list.
    pub list: String,
    /// The text.
    pub text: String,
    /// When to send it; now where none.
    pub at: Option<Timestamp>,
    /// How many members the list had when the money was reserved.
    pub members: u32,
    /// Segments of the text.
    pub segments: u32,
}

impl std::fmt::Debug for Campaign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Campaign")
            .field("id", &self.id)
            .field("list", &self.list)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}
