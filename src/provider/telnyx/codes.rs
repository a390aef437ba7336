//! Telnyx's codes: those of a refusal and those of a delivery that failed, in one table, and what each means
//! for a message that was handed over.
//!
//! Two of the vendor's own pages disagree: a migration guide gives 40300 for a carrier's refusal and 40008
//! for an opt-out. The reference, which this follows, has them the other way round; its words for 40300 are
//! "Blocked due to STOP message".
//!
//! Source: developers.telnyx.com, the reference of errors.

use std::borrow::Cow;

use crate::error::ErrorKind;
use crate::provider::failure::{Again, Failure, Whose};
use Again::{Later, Mended, Never};
use Whose::{Caller, Operator, Recipient, Vendor};

/// What a refusal with a code means for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A definite no, with our code for it.
    Rejected(ErrorKind),
    /// It certainly was not taken, and may be tried again.
    NotSent,
}

/// A code: its number, what a refusal with it means (nothing for one of a delivery), what happened, whose
/// move it is, and whether trying again can help.
type Row = (u32, Option<Refusal>, &'static str, Whose, Again);

/// The person who was texted wants no more texts.
pub const OPTED_OUT: &str = "40300";

/// Where they stand.
const PAGE: &str = "developers.telnyx.com, API errors and messaging error codes";

const NUMBER: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::InvalidNumber));
const SENDER: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::SenderNotAllowed));
const PLACE: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::DestinationNotAllowed));
const ACCOUNT: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::ProviderUnauthorized));
const OTHER: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::ProviderRejected));
const STOPPED: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::OptedOut));
const LATER: Option<Refusal> = Some(Refusal::NotSent);

const NO_NUMBER: &str = "The recipient is no number that Telnyx can text";
const NO_SENDER: &str =
    "Telnyx does not send from this sender; it must be one of the account and its profile";
const NO_RIGHT: &str = "The API key may not do this";
const SPAM: &str = "Telnyx or the carrier filtered the text out, as spam or for its content";

/// Every code that is known here.
const CODES: &[Row] = &[
    (10002, NUMBER, NO_NUMBER, Caller, Never),
    (
        10005,
        OTHER,
        "Telnyx has nothing at this address; a request without a key may be told so too",
        Operator,
        Mended,
    ),
    (10009, ACCOUNT, "Telnyx does not know the API key", Operator, Mended),
    (10010, ACCOUNT, NO_RIGHT, Operator, Mended),
    (10011, LATER, "Too many requests at once; Telnyx did not work on this one", Vendor, Later),
    (10015, OTHER, "Telnyx does not read the request as one", Caller, Mended),
    (10016, NUMBER, NO_NUMBER, Caller, Never),
    (10035, ACCOUNT, NO_RIGHT, Operator, Mended),
    (40001, None, "The number cannot be reached by text; it may be a landline", Caller, Never),
    (40002, None, SPAM, Caller, Mended),
    (40003, None, SPAM, Caller, Mended),
    (40004, None, "The carrier refused the text and does not say why", Vendor, Never),
    (40005, None, "The text could not be delivered in the time for which it was valid", Recipient, Later),
    (40006, None, "The recipient's carrier could not be reached", Vendor, Later),
    (40008, None, "The carrier could not deliver the text", Recipient, Never),
    (40009, None, "The carrier does not take the text's content or alphabet", Caller, Mended),
    (40011, None, "The carrier took no more texts from this sender: too many at once", Operator, Later),
    (
        40300,
        STOPPED,
        "This person answered STOP; Telnyx lets no text of this profile through until they \
        answer START",
        Recipient,
        Never,
    ),
    (40305, SENDER, NO_SENDER, Operator, Mended),
    (40309, PLACE, "The messaging profile does not include this country", Operator, Mended),
    (40310, NUMBER, NO_NUMBER, Caller, Never),
    (40318, LATER, "The sender's queue at Telnyx is full", Vendor, Later),
    (40321, SENDER, NO_SENDER, Operator, Mended),
];

fn row(code: &str) -> Option<&'static Row> {
    let code: u32 = code.trim().parse().ok()?;
    CODES.iter().find(|row| row.0 == code)
}

fn failure((code, _, what, whose, again): &Row) -> Failure {
    let code = Cow::Owned(code.to_string());
    Failure { code, what: Cow::Borrowed(what), whose: *whose, again: *again, source: PAGE }
}

/// The table.
pub fn failures() -> Vec<Failure> {
    CODES.iter().map(failure).collect()
}

/// What this code says, where it is known.
pub fn find(code: &str) -> Option<Failure> {
    row(code).map(failure)
}

/// What a refusal with this code means, where it is known.
pub fn refusal(code: &str) -> Option<Refusal> {
    row(code)?.1
}
