//! Twilio's codes: those of a refusal and those of a delivery that failed, in one table, and what each means
//! for a message that was handed over.
//!
//! Codes get split over time, so one that is not here counts by its HTTP status alone. Where the pages say
//! what a group of codes is about and not what each of them is, the sentence says the group.
//!
//! Source: twilio.com/docs/api/errors, and the vendor's list of codes of May 2023.

use crate::provider::failure::{Again, Whose};
use crate::provider::rest::codes::{ACCOUNT, Codes, LATER, LENGTH, NUMBER, OTHER, PLACE, SENDER, STOPPED};
use Again::{Later, Mended, Never};
use Whose::{Caller, Operator, Recipient, Vendor};

/// The person who was texted wants no more texts.
pub const OPTED_OUT: &str = "21610";

/// The sender's queue is full.
pub const QUEUE_FULL: &str = "21611";

/// The pages, and when they were read; and the list that has all codes.
const PAGE: &str = "twilio.com/docs/api/errors, 2026";
const LIST: &str = "Twilio's list of error codes, May 2023";

const NO_NUMBER: &str = "The recipient is no number that Twilio can text";
const NO_SENDER: &str = "Twilio does not send from this sender; it must be a number, name or Messaging \
                         Service of the account";
const NO_SERVICE: &str = "The Messaging Service, or a sender in it, cannot be used for this text";

/// Every code that is known here.
pub const CODES: Codes = Codes(&[
    (14101, NUMBER, NO_NUMBER, Caller, Never, LIST),
    (20003, ACCOUNT, "Twilio does not know the account SID, auth token or API key", Operator, Mended, LIST),
    (20005, ACCOUNT, "The account at Twilio is not active", Operator, Mended, LIST),
    (20429, LATER, "Too many requests at once; Twilio did not work on this one", Vendor, Later, PAGE),
    (21211, NUMBER, NO_NUMBER, Caller, Never, LIST),
    (21212, SENDER, NO_SENDER, Operator, Mended, LIST),
    (21219, PLACE, "A trial account texts only numbers that were verified at Twilio", Operator, Mended, LIST),
    (21265, NUMBER, NO_NUMBER, Caller, Never, LIST),
    (21266, NUMBER, NO_NUMBER, Caller, Never, LIST),
    (21267, NUMBER, NO_NUMBER, Caller, Never, LIST),
    (21268, NUMBER, NO_NUMBER, Caller, Never, LIST),
    (21269, NUMBER, NO_NUMBER, Caller, Never, LIST),
    (
        21408,
        PLACE,
        "The account's geographic permissions do not include this country",
        Operator,
        Mended,
        LIST,
    ),
    (21601, SENDER, NO_SENDER, Operator, Mended, LIST),
    (21602, OTHER, "The message has no text", Caller, Mended, LIST),
    (21603, SENDER, NO_SENDER, Operator, Mended, LIST),
    (21604, NUMBER, "The request names no recipient", Caller, Mended, LIST),
    (21605, LENGTH, "The text is longer than Twilio takes (1600 characters)", Caller, Mended, LIST),
    (21606, SENDER, NO_SENDER, Operator, Mended, LIST),
    (21607, SENDER, NO_SENDER, Operator, Mended, LIST),
    (21608, PLACE, "A trial account texts only numbers that were verified at Twilio", Operator, Mended, LIST),
    (
        21609,
        OTHER,
        "Twilio does not take the address for receipts; [http] public_url must be one that it can \
        reach",
        Operator,
        Mended,
        LIST,
    ),
    (
        21610,
        STOPPED,
        "This person answered STOP to this sender; Twilio lets no text through until they send \
        START",
        Recipient,
        Never,
        LIST,
    ),
    (
        21611,
        LATER,
        "The sender's queue at Twilio is full: more than ten hours' worth waits",
        Vendor,
        Later,
        PAGE,
    ),
    (21612, PLACE, "Twilio has no way from this sender to this number", Operator, Mended, LIST),
    (21614, NUMBER, "The recipient is no mobile number", Caller, Never, LIST),
    (21617, LENGTH, "The text is longer than Twilio takes (1600 characters)", Caller, Mended, LIST),
    (21618, OTHER, "Twilio does not take the content of this text", Caller, Mended, LIST),
    (21619, OTHER, "The message has no text", Caller, Mended, LIST),
    (21624, OTHER, "The time for which the text is valid is out of range", Operator, Mended, LIST),
    (21635, NUMBER, "The recipient is a landline", Caller, Never, PAGE),
    (21653, OTHER, "The request names several recipients, and Twilio takes one", Caller, Mended, LIST),
    (21657, SENDER, NO_SENDER, Operator, Mended, LIST),
    (21659, SENDER, NO_SENDER, Operator, Mended, PAGE),
    (21660, SENDER, NO_SENDER, Operator, Mended, PAGE),
    (21661, SENDER, NO_SENDER, Operator, Mended, LIST),
    (21701, SENDER, NO_SERVICE, Operator, Mended, LIST),
    (21702, SENDER, NO_SERVICE, Operator, Mended, LIST),
    (21703, SENDER, NO_SERVICE, Operator, Mended, LIST),
    (21704, SENDER, NO_SERVICE, Operator, Mended, LIST),
    (21705, SENDER, NO_SERVICE, Operator, Mended, LIST),
    (21711, SENDER, NO_SERVICE, Operator, Mended, LIST),
    (21712, SENDER, NO_SERVICE, Operator, Mended, LIST),
    (21910, SENDER, NO_SENDER, Operator, Mended, LIST),
    (30001, None, "Twilio's queue for this sender overflowed", Vendor, Later, LIST),
    (30002, None, "The account at Twilio was suspended before the text left", Operator, Mended, LIST),
    (
        30003,
        None,
        "The phone could not be reached: off, out of range, or no longer in use",
        Recipient,
        Later,
        LIST,
    ),
    (
        30004,
        None,
        "The text was blocked: the phone or its network takes none from this sender",
        Recipient,
        Never,
        LIST,
    ),
    (30005, None, "The network does not know this phone; the number may be out of use", Caller, Never, LIST),
    (30006, None, "The recipient is a landline, or its carrier cannot be reached", Caller, Never, LIST),
    (
        30007,
        None,
        "Twilio or the carrier filtered the text out, as spam or for its content",
        Caller,
        Mended,
        LIST,
    ),
    (30008, None, "The text failed and the carrier does not say why", Vendor, Later, LIST),
    (30017, None, "The carrier's network is congested", Vendor, Later, LIST),
    (
        30018,
        None,
        "The country demands that senders be registered before, and this one is not",
        Operator,
        Mended,
        LIST,
    ),
    (30022, None, "The sender's US A2P 10DLC campaign is over its rate", Operator, Later, LIST),
    (30023, None, "The sender's US A2P 10DLC brand is over its daily limit", Operator, Later, LIST),
    (
        30027,
        None,
        "The sender's US A2P 10DLC campaign is over a carrier's daily limit",
        Operator,
        Later,
        LIST,
    ),
    (30032, None, "The toll-free sender is not verified", Operator, Mended, LIST),
    (
        30034,
        None,
        "The US number that sends is not registered for A2P 10DLC, so that the carriers block it",
        Operator,
        Mended,
        LIST,
    ),
    (
        30410,
        None,
        "A provider behind Twilio did not answer in time; whether the text arrived is not certain",
        Vendor,
        Never,
        LIST,
    ),
    (
        30450,
        None,
        "Twilio's protection against SMS pumping blocked the text to this number",
        Operator,
        Mended,
        LIST,
    ),
    (90010, ACCOUNT, "The account at Twilio is not active", Operator, Mended, LIST),
]);
