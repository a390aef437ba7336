//! Telnyx's codes: those of a refusal and those of a delivery that failed, in one table, and what each means
//! for a message that was handed over.
//!
//! Two of the vendor's own pages disagree: a migration guide gives 40300 for a carrier's refusal and 40008
//! for an opt-out. The reference, which this follows, has them the other way round; its words for 40300 are
//! "Blocked due to STOP message".
//!
//! Source: developers.telnyx.com, the reference of errors.

use crate::provider::failure::{Again, Whose};
use crate::provider::rest::codes::{ACCOUNT, Codes, LATER, NUMBER, OTHER, PLACE, SENDER, STOPPED};
use Again::{Later, Mended, Never};
use Whose::{Caller, Operator, Recipient, Vendor};

/// The person who was texted wants no more texts.
pub const OPTED_OUT: &str = "40300";

/// Where they stand.
const PAGE: &str = "developers.telnyx.com, API errors and messaging error codes";

const NO_NUMBER: &str = "The recipient is no number that Telnyx can text";
const NO_SENDER: &str =
    "Telnyx does not send from this sender; it must be one of the account and its profile";
const NO_RIGHT: &str = "The API key may not do this";
const SPAM: &str = "Telnyx or the carrier filtered the text out, as spam or for its content";

/// Every code that is known here.
pub const CODES: Codes = Codes(&[
    (10002, NUMBER, NO_NUMBER, Caller, Never, PAGE),
    (
        10005,
        OTHER,
        "Telnyx has nothing at this address; a request without a key may be told so too",
        Operator,
        Mended,
        PAGE,
    ),
    (10009, ACCOUNT, "Telnyx does not know the API key", Operator, Mended, PAGE),
    (10010, ACCOUNT, NO_RIGHT, Operator, Mended, PAGE),
    (10011, LATER, "Too many requests at once; Telnyx did not work on this one", Vendor, Later, PAGE),
    (10015, OTHER, "Telnyx does not read the request as one", Caller, Mended, PAGE),
    (10016, NUMBER, NO_NUMBER, Caller, Never, PAGE),
    (10035, ACCOUNT, NO_RIGHT, Operator, Mended, PAGE),
    (40001, None, "The number cannot be reached by text; it may be a landline", Caller, Never, PAGE),
    (40002, None, SPAM, Caller, Mended, PAGE),
    (40003, None, SPAM, Caller, Mended, PAGE),
    (40004, None, "The carrier refused the text and does not say why", Vendor, Never, PAGE),
    (
        40005,
        None,
        "The text could not be delivered in the time for which it was valid",
        Recipient,
        Later,
        PAGE,
    ),
    (40006, None, "The recipient's carrier could not be reached", Vendor, Later, PAGE),
    (40008, None, "The carrier could not deliver the text", Recipient, Never, PAGE),
    (40009, None, "The carrier does not take the text's content or alphabet", Caller, Mended, PAGE),
    (40011, None, "The carrier took no more texts from this sender: too many at once", Operator, Later, PAGE),
    (
        40300,
        STOPPED,
        "This person answered STOP; Telnyx lets no text of this profile through until they \
        answer START",
        Recipient,
        Never,
        PAGE,
    ),
    (40305, SENDER, NO_SENDER, Operator, Mended, PAGE),
    (40309, PLACE, "The messaging profile does not include this country", Operator, Mended, PAGE),
    (40310, NUMBER, NO_NUMBER, Caller, Never, PAGE),
    (40318, LATER, "The sender's queue at Telnyx is full", Vendor, Later, PAGE),
    (40321, SENDER, NO_SENDER, Operator, Mended, PAGE),
]);
