//! What a carrier of texts is: what it can do, what it is handed, and what it says became of it.
//!
//! All of it is one promise between the engine and whoever implements [`Provider`]; how one is made from its
//! settings is [`Build`]. It knows no vendor and no protocol.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::mpsc;

use super::exchange::{
    self, Action, Arguments, Campaign, Delivery, Enquiry, Event, Finding, ListQuery, NotBelieved, Notice,
    Page, Receipt,
};
use super::exchange::{Pasted, SegmentOutcome, Sought, Unacknowledged, VendorMessage, Webhook, Written};
use super::settings::{Settings, Setup};
use crate::error::{Error, ErrorKind, Result};
use crate::halt::Brake;
use crate::sms::message::{MessageId, State};
use crate::sms::money::Money;
use crate::sms::number::Number;

/// Settings from which a provider is made.
pub trait Build: Settings {
    /// Makes the provider. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when something that the settings name cannot be used.
    fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>>;
}

/// Whether a vendor keeps our reference of a message, so that it can be asked for one whose answer was lost
/// ([`Provider::find`]). Nothing is ever sent again by what it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// It does not: a message is recognised by its recipient, text and time in the vendor's list, if it has
    /// one.
    #[default]
    None,
    /// It keeps it beside the message. What is found there was taken; what is not found may have been taken
    /// too.
    FoundOnly,
    /// It is the message's own key there, and unique: what is found was taken, and what is not found is not
    /// there at that moment. A request may still be on its way, so that this is no word about it either.
    Exact,
}

/// What a provider can do, as it is configured. A capability switches code and contract tests on; nothing
/// asks for a provider by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// Texts really leave this machine.
    pub real: bool,
    /// Most recipients of one request; 0 or 1 where each message is a request of its own.
    pub recipients_per_request: u16,
    /// A campaign can be planned for a later time ([`Provider::campaign`]).
    pub schedule: bool,
    /// [`Provider::status`] can look a message up.
    pub status: bool,
    /// [`Provider::list`] lists what the vendor has.
    pub list: bool,
    /// Whether [`Provider::find`] finds a message by our reference, and what it proves; where it
    /// [`reposts`](Self::reposts) that is asked by the request itself.
    pub reference: Reference,
    /// Its vendor promises to answer the identical request, under the same key, with its first answer, and the
    /// operator relies on that: a request whose answer was lost may be posted once more
    /// ([`Provider::request_digest`]).
    pub reposts: bool,
    /// [`Provider::balance`] answers.
    pub balance: bool,
    /// [`Provider::price`] knows prices before sending.
    pub prices: bool,
    /// Receipts come by themselves: [`Provider::notices`], or webhooks through [`Provider::events`].
    pub receipts_by_push: bool,
    /// Messages that are not final are to be looked up with [`Provider::status`] now and then.
    pub receipts_by_poll: bool,
    /// Replies of people come in ([`Event::Reply`]).
    pub replies: bool,
    /// Opt-outs flow both ways ([`Event::OptOut`], [`Provider::opt_out`]).
    pub opt_outs: bool,
    /// It keeps a list of opt-outs that [`Provider::refresh`] reads.
    pub opt_out_list: bool,
    /// Who writes one of the usual English words for no more texts is blocked and answered there, and no text
    /// of ours would arrive after that.
    pub answers_stop: bool,
    /// Who writes HELP or INFO is answered there.
    pub answers_help: bool,
    /// Numbers can be looked up or verified (an action of [`Provider::actions`]).
    pub lookup: bool,
    /// Each segment of a text is a request of its own.
    pub segment_requests: bool,
    /// It gives each of its requests a time of its own, from the request's first octet on, and says by itself
    /// how long a message waits for its turn. What has begun is waited for.
    pub bounds_itself: bool,
}

impl Capabilities {
    /// A provider that can do nothing but send, one message a request.
    pub const SEND_ONLY: Self = Self {
        real: true,
        recipients_per_request: 1,
        schedule: false,
        status: false,
        list: false,
        reference: Reference::None,
        reposts: false,
        balance: false,
        prices: false,
        receipts_by_push: false,
        receipts_by_poll: false,
        replies: false,
        opt_outs: false,
        opt_out_list: false,
        answers_stop: false,
        answers_help: false,
        lookup: false,
        segment_requests: false,
        bounds_itself: false,
    };
}

/// One message to hand over. `Debug` shows neither the text nor the number's owner's business: it is
/// redacted.
#[derive(Clone)]
pub struct Submission {
    /// Our reference.
    pub id: MessageId,
    /// The recipient.
    pub to: Number,
    /// The sender ID to show; the provider's own where none.
    pub from: Option<String>,
    /// The text.
    pub text: String,
    /// How many segments the text takes.
    pub segments: u32,
    /// What was reserved for it, so that a vendor that can be told what a text may cost is told that. Nothing
    /// where that is not known.
    pub ceiling: Option<Money>,
    /// What stops it before it begins: asked by whoever lets it wait.
    pub brake: Brake,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("id", &self.id)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

/// The places of the messages that one request can carry together, by request: one text and one sender each,
/// in the order in which they came, at most so many. `own` is the sender of those that name none.
pub fn alike(submissions: &[Submission], own: Option<&str>, most: usize) -> Vec<Vec<usize>> {
    let mut requests: Vec<Vec<usize>> = Vec::new();
    let mut open: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    for (place, submission) in submissions.iter().enumerate() {
        let what = (submission.text.as_str(), submission.from.as_deref().or(own));
        let has_room = |places: &&mut Vec<usize>| places.len() < most;
        match open.get(&what).and_then(|at| requests.get_mut(*at)).filter(has_room) {
            Some(places) => places.push(place),
            None => {
                open.insert(what, requests.len());
                requests.push(vec![place]);
            }
        }
    }
    requests
}

/// What became of a message that was handed over. Only [`Outcome::NotSent`] and [`Outcome::NotNow`] may ever
/// be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The provider took it.
    Accepted {
        /// The provider's id. Several messages of one request may share it; recipients tell them apart.
        vendor_id: Option<String>,
        /// What the provider says of it so far. [`State::Queued`]: it holds the message back (a paused
        /// sender), so it is not on its way yet.
        status: State,
        /// Segments that are charged, where the provider says so.
        segments: Option<u32>,
        /// The real price, where the provider says so.
        price: Option<Money>,
    },
    /// The provider took it on record and says in the same answer that it failed: [`State::Failed`] or
    /// [`State::Expired`]. It is charged as one that was sent, unless the answer has another price, and it is
    /// never tried again.
    Failed {
        /// The provider's id.
        vendor_id: Option<String>,
        /// How it failed.
        status: State,
        /// The real price, where the provider says so.
        price: Option<Money>,
        /// The provider's words.
        why: String,
    },
    /// A definite no, for good: nothing was sent and nothing is charged.
    Rejected {
        /// Our code for it.
        code: ErrorKind,
        /// The provider's words.
        why: String,
    },
    /// It certainly was not taken, and may be tried again: refused before the first byte, or throttled.
    NotSent {
        /// How long the provider asks to wait, in milliseconds.
        retry_after_ms: Option<u64>,
        /// Why.
        why: String,
    },
    /// It certainly was not taken, and the provider is well: what is in the way is this message's own. Its
    /// recipient takes nothing now, or its turn is too far off. It may be tried again later.
    NotNow {
        /// Our code for it.
        code: ErrorKind,
        /// How long to wait, in milliseconds.
        retry_after_ms: u64,
        /// Why.
        why: String,
    },
    /// The answer was lost. It may have gone out, so it is never sent again.
    Unknown {
        /// What is known.
        why: String,
    },
    /// The provider does not clearly say that it took the message, and the id is known that it has if it did:
    /// it answered with one, or its ids are ours. As [`Outcome::Unknown`], and it can be asked by that id.
    Unclear {
        /// The provider's id.
        vendor_id: String,
        /// What is wrong with the answer.
        why: String,
    },
    /// The segments of one message went out as requests of their own, or are told one by one, and at least one
    /// of them was taken or may have been: made by [`Outcome::of_segments`] alone. In the order of the segments; two or more.
    Segments(Vec<SegmentOutcome>),
}

impl Outcome {
    /// The outcome of a message to a vendor whose ids are ours: where its answer was lost it can be asked for
    /// all the same.
    #[must_use]
    pub fn findable(self, id: &MessageId) -> Self {
        match self {
            Self::Unknown { why } | Self::Unclear { why, .. } => {
                Self::Unclear { vendor_id: id.to_string(), why }
            }
            other => other,
        }
    }

    /// What became of a message, by what the vendor has of it under our id.
    pub fn found(message: VendorMessage) -> Self {
        let VendorMessage { vendor_id, state: status, price, why, .. } = message;
        let vendor_id = Some(vendor_id);
        match status {
            State::Failed | State::Expired => {
                Self::Failed { vendor_id, status, price, why: why.unwrap_or_default() }
            }
            _ => Self::Accepted { vendor_id, status, segments: None, price },
        }
    }

    /// What became of a message, from what became of its segments. One segment is the message itself. Where
    /// nothing was taken for certain, the message was not: rejected if any segment was, else not sent.
    /// Everything else is told segment by segment.
    pub fn of_segments(mut segments: Vec<SegmentOutcome>) -> Self {
        let was_taken = |segment: &SegmentOutcome| {
            matches!(segment, SegmentOutcome::Accepted { .. } | SegmentOutcome::Unknown { .. })
        };
        if segments.len() > 1 && segments.iter().any(was_taken) {
            return Self::Segments(segments);
        }
        let first = |is_it: fn(&SegmentOutcome) -> bool| segments.iter().position(is_it);
        let worst = first(|segment| matches!(segment, SegmentOutcome::Rejected { .. }));
        let worst =
            worst.or_else(|| first(|segment| matches!(segment, SegmentOutcome::NotNow { .. }))).unwrap_or(0);
        if segments.is_empty() {
            return Self::NotSent { retry_after_ms: None, why: "there was nothing to send".to_owned() };
        }
        match segments.swap_remove(worst) {
            SegmentOutcome::Accepted { vendor_id, price } => Self::Accepted {
                vendor_id: Some(vendor_id).filter(|id| !id.is_empty()),
                status: State::Sent,
                segments: None,
                price,
            },
            SegmentOutcome::Rejected { code, why } => Self::Rejected { code, why },
            SegmentOutcome::NotSent { retry_after_ms, why } => Self::NotSent { retry_after_ms, why },
            SegmentOutcome::NotNow { code, retry_after_ms, why } => {
                Self::NotNow { code, retry_after_ms, why }
            }
            SegmentOutcome::Unknown { why } => Self::Unknown { why },
        }
    }
}

/// What a send would look like, without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// The request.
    pub request: Written,
    /// What the pasted answer would mean, where there is one.
    pub outcome: Option<Outcome>,
}

/// How a text goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Its alphabet as the trade names it, such as `GSM-7`.
    pub encoding: &'static str,
    /// How many segments it becomes; what is charged.
    pub segments: u32,
}

impl Form {
    /// How a text goes out where the provider has no alphabet of its own: in GSM-7, or else in UCS-2.
    pub fn of(text: &str) -> Self {
        let plan = crate::sms::text::plan(text);
        Self {
            encoding: plan.encoding.as_str(),
            segments: u32::try_from(plan.segments()).unwrap_or(u32::MAX),
        }
    }
}

/// What a provider has to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Money.
    Money(Money),
    /// The provider's own unit.
    Credits {
        /// Millionths of one credit.
        micros: i64,
        /// What they are worth, where that is configured.
        worth: Option<Money>,
    },
}

pub(super) fn cannot<T>(what: &str) -> Result<T> {
    Err(Error::new(ErrorKind::NotSupported, format!("this provider has no {what}")))
}

/// A carrier of texts. See the module's text. Whatever is not supported answers [`ErrorKind::NotSupported`];
/// a question that cannot be asked now answers [`ErrorKind::ProviderUnavailable`], and refused credentials
/// [`ErrorKind::ProviderUnauthorized`].
#[async_trait]
pub trait Provider: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The operator's name for it.
    fn name(&self) -> &str;

    /// The price of a message before it is sent, for all its segments: at least what will be charged.
    fn price(&self, to: &Number, segments: u32) -> Option<Money>;

    /// How a message goes out, or why it cannot: what is counted, priced and held for it. Asked once where a
    /// message is priced, and once more where one that waited in the queue is handed over, since settings may
    /// have changed.
    ///
    /// # Errors
    /// [`ErrorKind::MessageTooLong`], [`ErrorKind::SenderNotAllowed`] or
    /// [`ErrorKind::DestinationNotAllowed`].
    fn form(&self, to: &Number, from: Option<&str>, text: &str) -> Result<Form> {
        let _ = (to, from);
        Ok(Form::of(text))
    }

    /// Hands one message over. The caller bounds the time, unless it [bounds that
    /// itself](Capabilities::bounds_itself); dropping the future counts as a lost answer.
    async fn send(&self, submission: &Submission) -> Outcome;

    /// Hands several messages over in one request, at most [`Capabilities::recipients_per_request`], with
    /// distinct recipients and one sender. As many outcomes as submissions, in their order.
    async fn send_many(&self, submissions: &[Submission]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(submissions.len());
        for submission in submissions {
            outcomes.push(self.send(submission).await);
        }
        outcomes
    }

    /// What stands for the request by which [`Provider::send`] hands this message over, with all that its vendor
    /// is shown: whatever differs there makes another digest. Nothing where it does not
    /// [repost](Capabilities::reposts).
    fn request_digest(&self, submission: &Submission) -> Option<[u8; 32]> {
        let _ = submission;
        None
    }

    /// Waits until messages that are handed over would begin soon, and says how many requests that are. More
    /// of them would only wait at the provider in place of the queue.
    async fn room(&self) -> u32 {
        u32::MAX
    }

    /// Whether it answers what it is asked on some connection: then an answer that another one lost says
    /// nothing of the provider.
    fn is_answering(&self) -> bool {
        false
    }

    /// Whether a part of some text has left, and the rest of it is still to be written: a stop waits for
    /// that.
    fn is_mid_text(&self) -> bool {
        false
    }

    /// What is left to spend.
    ///
    /// # Errors
    /// See the trait.
    async fn balance(&self) -> Result<Balance> {
        cannot("balance to ask for")
    }

    /// Looks a message up. Nothing: the provider does not know it, or cannot tell it from others. Where one
    /// request carried several messages, the answer may speak of all of them.
    ///
    /// # Errors
    /// See the trait.
    async fn status(&self, enquiry: &Enquiry) -> Result<Vec<Receipt>> {
        let _ = enquiry;
        cannot("status to ask for")
    }

    /// What the vendor has on record, newest first.
    ///
    /// # Errors
    /// See the trait.
    async fn list(&self, query: &ListQuery) -> Result<Page> {
        let _ = query;
        cannot("list of messages")
    }

    /// Asks for a message by our reference, whose answer was lost: what the vendor has of it. Nothing: it has
    /// none now, which says as much as [`Capabilities::reference`] has it.
    ///
    /// # Errors
    /// See the trait.
    async fn find(&self, sought: &Sought) -> Result<Option<VendorMessage>> {
        let _ = sought;
        cannot("messages by our reference")
    }

    /// What a provider tells that keeps a connection; the first caller gets it, and with it the connection
    /// begins.
    fn notices(&self) -> Option<mpsc::Receiver<Notice>> {
        None
    }

    /// Begins no message from now on: whoever waits for a turn is told so at once. [`Provider::close`] comes
    /// later.
    fn begin_close(&self) {}

    /// Begins no message from now on, finishes those that have begun, and ends what it keeps open, in good
    /// order. The caller bounds the time.
    async fn close(&self) {}

    /// What octets of [`Event::Segment`] say in this alphabet of the protocol; nothing for data that is no
    /// text.
    fn words(&self, coding: u8, octets: &[u8]) -> Option<String> {
        let _ = (coding, octets);
        None
    }

    /// What people wrote and may be told again to another process, since it was not taken by this one: asked
    /// for last, when everything is closed.
    fn unacknowledged(&self) -> Vec<Unacknowledged> {
        Vec::new()
    }

    /// How its webhooks come, and what they are answered. It is the same for all of them, and at any time.
    fn webhook(&self) -> Webhook {
        Webhook::POST
    }

    /// Reads a webhook's request: checks who signed it, and says what it tells. It must not change anything.
    ///
    /// # Errors
    /// [`NotBelieved`].
    async fn events(&self, delivery: &Delivery<'_>) -> Result<Vec<Event>, NotBelieved> {
        let _ = delivery;
        Err(NotBelieved::NotExpected)
    }

    /// Brings up to date what it keeps of the vendor's data (rate cards), and tells what the vendor has to
    /// tell by itself (opt-outs). Called at the start of a server and every hour.
    ///
    /// # Errors
    /// See the trait.
    async fn refresh(&self) -> Result<Vec<Event>> {
        Ok(Vec::new())
    }

    /// Tells the vendor that this person wants no more texts, or wants them again.
    ///
    /// # Errors
    /// See the trait.
    async fn opt_out(&self, number: &Number, is_out: bool) -> Result<()> {
        let _ = (number, is_out);
        cannot("list of opt-outs")
    }

    /// Calls the vendor's cheapest reads and says what works, for `config check --live`.
    ///
    /// # Errors
    /// See the trait.
    async fn check(&self) -> Result<Vec<Finding>>;

    /// What a send would look like, and what a pasted answer to it would mean, for `sms-mcp provider try`.
    /// Sends nothing, and asks nobody.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a text that cannot be written, and see the trait.
    fn rehearse(&self, submission: &Submission, pasted: Option<&Pasted>) -> Result<Rehearsal> {
        let _ = (submission, pasted);
        cannot("requests that are told by its settings, and so nothing to try")
    }

    /// What else an operator can do there, for `sms-mcp provider`.
    fn actions(&self) -> &'static [Action] {
        &[]
    }

    /// Does one of [`Provider::actions`], and returns the vendor's answer. Never sends a text.
    ///
    /// # Errors
    /// See the trait, [`ErrorKind::InvalidArgument`], and [`ErrorKind::NotFound`] for an action that there is
    /// not.
    async fn act(&self, action: &str, arguments: &Arguments) -> Result<serde_json::Value> {
        let _ = arguments;
        Err(exchange::no_such_action(action, self.actions()))
    }

    /// The phone numbers of a list that the vendor keeps, for a campaign.
    ///
    /// # Errors
    /// See the trait.
    async fn members(&self, list: &str) -> Result<Vec<String>> {
        let _ = list;
        cannot("phone lists")
    }

    /// Sends one text to everybody on a list that the vendor keeps. The engine has reserved it for each
    /// member.
    async fn campaign(&self, campaign: &Campaign) -> Outcome {
        let _ = campaign;
        Outcome::Rejected { code: ErrorKind::NotSupported, why: "this provider has no campaigns".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn accepted(id: &str) -> SegmentOutcome {
        SegmentOutcome::Accepted { vendor_id: id.to_owned(), price: None }
    }

    fn refused(why: &str) -> SegmentOutcome {
        SegmentOutcome::Rejected { code: ErrorKind::ProviderRejected, why: why.to_owned() }
    }

    fn not_sent(why: &str) -> SegmentOutcome {
        SegmentOutcome::NotSent { retry_after_ms: Some(7), why: why.to_owned() }
    }

    fn lost() -> SegmentOutcome {
        SegmentOutcome::Unknown { why: "no answer".to_owned() }
    }

    #[test]
    fn one_segment_is_the_message_itself() {
        let taken =
            |vendor_id| Outcome::Accepted { vendor_id, status: State::Sent, segments: None, price: None };
        assert_eq!(Outcome::of_segments(vec![accepted("a")]), taken(Some("a".to_owned())));
        assert_eq!(Outcome::of_segments(vec![accepted("")]), taken(None));
        assert_eq!(Outcome::of_segments(vec![lost()]), Outcome::Unknown { why: "no answer".to_owned() });
    }

    #[test]
    fn a_message_of_which_no_segment_can_have_been_taken_was_not() {
        let rejected = Outcome::Rejected { code: ErrorKind::ProviderRejected, why: "bad".to_owned() };
        assert_eq!(Outcome::of_segments(vec![not_sent("cut"), refused("bad"), refused("worse")]), rejected);
        let waits = Outcome::NotSent { retry_after_ms: Some(7), why: "cut".to_owned() };
        assert_eq!(Outcome::of_segments(vec![not_sent("cut"), not_sent("later")]), waits);
        assert!(matches!(Outcome::of_segments(Vec::new()), Outcome::NotSent { retry_after_ms: None, .. }));
    }

    #[test]
    fn a_message_of_which_any_segment_may_have_been_taken_is_told_segment_by_segment() {
        for segments in [
            vec![accepted("a"), accepted("b")],
            vec![accepted("a"), refused("bad")],
            vec![not_sent("cut"), accepted("b")],
            vec![lost(), not_sent("cut")],
            vec![lost(), lost(), refused("bad")],
        ] {
            assert_eq!(Outcome::of_segments(segments.clone()), Outcome::Segments(segments));
        }
    }

    #[test]
    fn one_request_carries_what_has_one_text_and_one_sender_and_no_more_than_fits() {
        let submission = |text: &str, from: Option<&str>| Submission {
            id: MessageId::new(1, 2),
            to: Number::parse("+33199000001", None).unwrap(),
            from: from.map(str::to_owned),
            text: text.to_owned(),
            segments: 1,
            ceiling: None,
            brake: Brake::default(),
        };
        let all = [
            submission("a", None),
            submission("b", None),
            submission("a", Some("ACME")),
            submission("a", Some("Other")),
            submission("a", None),
            submission("a", None),
            submission("b", None),
        ];
        assert_eq!(alike(&all, Some("ACME"), 3), [vec![0, 2, 4], vec![1, 6], vec![3], vec![5]]);
        assert_eq!(alike(&all, None, 3), [vec![0, 4, 5], vec![1, 6], vec![2], vec![3]]);
        assert_eq!(alike(&all, Some("ACME"), 1).len(), 7);
        assert!(alike(&[], None, 3).is_empty());
    }
}
