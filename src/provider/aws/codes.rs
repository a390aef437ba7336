//! AWS's words for what went wrong: the reason of a refusal, or its type where it has no reason; and the
//! events of a delivery that failed. One table, and what each means for a message that was handed over.
//!
//! Of an event AWS's pages say what kind of failure it is, and not whose fault.
//!
//! Source: the API's own model, and docs.aws.amazon.com/sms-voice.

use crate::provider::failure::{Again, Whose};
use crate::provider::rest::codes::{ACCOUNT, Codes, FUNDS, LATER, OTHER, PLACE, SENDER, STOPPED};
use Again::{Later, Mended, Never};
use Whose::{Caller, Operator, Recipient, Vendor};

/// A field is not as it must be: which one, the answer says beside it.
pub const FIELD: &str = "FIELD_VALIDATION_FAILED";

/// Where they stand.
const API: &str = "the model of the API pinpoint-sms-voice-v2, 2022-03-31";
const SIGNING: &str = "docs.aws.amazon.com, common errors of AWS's APIs";
const EVENT: &str = "docs.aws.amazon.com/sms-voice, event types for SMS";

const NO_KEY: &str = "AWS does not take the access key; it must be an active one, with its own secret and \
                      session token";
const NO_SENDER: &str = "The account has no sender in this region that may text this country";
const NO_ID: &str = "This sender ID may not be used in the recipient's country, or must be registered there";
const PROTECTED: &str = "A protect configuration of the account blocks this number or its country";
const SIGNED_WRONG: &str = "AWS reckons another signature: the secret is not that of the access key, or this \
                            machine's clock is wrong";

/// Every word that is known here.
pub const CODES: Codes<&str> = Codes(&[
    (
        "ThrottlingException",
        LATER,
        "Too many requests or segments a second; AWS did not work on this one",
        Vendor,
        Later,
        API,
    ),
    (
        "AccessDeniedException",
        ACCOUNT,
        "The access key may not do this: its policy must allow the operations of sms-voice",
        Operator,
        Mended,
        API,
    ),
    (
        "INSUFFICIENT_ACCOUNT_REPUTATION",
        ACCOUNT,
        "AWS has stopped the account's texts over its reputation",
        Operator,
        Mended,
        API,
    ),
    ("ACCOUNT_DISABLED", ACCOUNT, "AWS has disabled the account", Operator, Mended, API),
    ("UnrecognizedClientException", ACCOUNT, NO_KEY, Operator, Mended, SIGNING),
    ("InvalidClientTokenId", ACCOUNT, NO_KEY, Operator, Mended, SIGNING),
    ("MissingAuthenticationTokenException", ACCOUNT, NO_KEY, Operator, Mended, SIGNING),
    ("IncompleteSignatureException", ACCOUNT, NO_KEY, Operator, Mended, SIGNING),
    ("InvalidSignatureException", ACCOUNT, SIGNED_WRONG, Operator, Mended, SIGNING),
    ("SignatureDoesNotMatch", ACCOUNT, SIGNED_WRONG, Operator, Mended, SIGNING),
    (
        "ExpiredTokenException",
        ACCOUNT,
        "The session of the access key has ended; new keys are needed",
        Operator,
        Mended,
        SIGNING,
    ),
    ("OptInRequired", ACCOUNT, "The account is not signed up for this service", Operator, Mended, SIGNING),
    (
        "MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT",
        FUNDS,
        "The account has spent what it may spend on texts this month",
        Operator,
        Mended,
        API,
    ),
    ("ServiceQuotaExceededException", OTHER, "A quota of the account is used up", Operator, Mended, API),
    (
        "DESTINATION_PHONE_NUMBER_OPTED_OUT",
        STOPPED,
        "This person wants no more texts, by the opt-out list of the sender",
        Recipient,
        Never,
        API,
    ),
    (
        "DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
        PLACE,
        "The account is in AWS's sandbox and texts only numbers that were verified there",
        Operator,
        Mended,
        API,
    ),
    ("DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", PLACE, PROTECTED, Operator, Mended, API),
    ("DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE", PLACE, PROTECTED, Operator, Mended, API),
    ("NO_ORIGINATION_IDENTITIES_FOUND", SENDER, NO_SENDER, Operator, Mended, API),
    (
        "RESOURCE_NOT_ACTIVE",
        SENDER,
        "The sender, or something that it needs, is not active yet",
        Operator,
        Mended,
        API,
    ),
    (
        "MESSAGE_TYPE_MISMATCH",
        SENDER,
        "The sender is not for texts of this message_type",
        Operator,
        Mended,
        API,
    ),
    ("NUMBER_CAPABILITIES_MISMATCH", SENDER, "The sender's number cannot text", Operator, Mended, API),
    (
        "ResourceNotFoundException",
        SENDER,
        "The region has no such sender, list or configuration",
        Operator,
        Mended,
        API,
    ),
    (
        "PRICE_OVER_THRESHOLD",
        OTHER,
        "The text costs more than was reserved for it, so AWS did not send it: the price in [rates] is too low",
        Operator,
        Mended,
        API,
    ),
    ("SENDER_ID_NOT_REGISTERED", SENDER, NO_ID, Operator, Mended, API),
    ("SENDER_ID_NOT_SUPPORTED", SENDER, NO_ID, Operator, Mended, API),
    ("SENDER_ID_REQUIRES_REGISTRATION", SENDER, NO_ID, Operator, Mended, API),
    (
        "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY",
        SENDER,
        "The sender cannot text the recipient's country",
        Operator,
        Mended,
        API,
    ),
    (
        "INTERNATIONAL_SENDING_NOT_SUPPORTED",
        SENDER,
        "The sender cannot text other countries than its own",
        Operator,
        Mended,
        API,
    ),
    ("RESOURCE_NOT_ACCESSIBLE", SENDER, "The account may not use this sender", Operator, Mended, API),
    (
        "COUNTRY_NOT_ENABLED",
        PLACE,
        "The recipient's country is not enabled for the account",
        Operator,
        Mended,
        API,
    ),
    (
        "DESTINATION_COUNTRY_BLOCKED",
        PLACE,
        "AWS sends no texts to the recipient's country",
        Operator,
        Never,
        API,
    ),
    (
        "COUNTRY_CODE_MISMATCH",
        PLACE,
        "The sender and the recipient are not of the same country",
        Operator,
        Mended,
        API,
    ),
    (FIELD, OTHER, "A field of the request is not as AWS has it", Caller, Mended, API),
    (
        "CANNOT_ADD_OPTED_OUT_NUMBER",
        OTHER,
        "AWS does not take this number into the opt-out list",
        Operator,
        Never,
        API,
    ),
    (
        "PHONE_NUMBER_CANNOT_BE_OPTED_IN",
        OTHER,
        "AWS does not take this number off its list: once in 30 days at most",
        Operator,
        Later,
        API,
    ),
    ("ValidationException", OTHER, "AWS does not read the request as one", Caller, Mended, API),
    (
        "ConflictException",
        OTHER,
        "Something of the account is in the way of the request",
        Operator,
        Mended,
        API,
    ),
    ("TEXT_INVALID", None, "The number is none that can be texted", Caller, Never, EVENT),
    ("TEXT_INVALID_MESSAGE", None, "The text cannot be delivered as it is", Caller, Mended, EVENT),
    ("TEXT_UNREACHABLE", None, "The phone was off or out of reach", Recipient, Later, EVENT),
    (
        "TEXT_CARRIER_UNREACHABLE",
        None,
        "The recipient's carrier had a fault for a while",
        Vendor,
        Later,
        EVENT,
    ),
    (
        "TEXT_BLOCKED",
        None,
        "The phone or its carrier takes no texts from this sender",
        Recipient,
        Never,
        EVENT,
    ),
    (
        "TEXT_CARRIER_BLOCKED",
        None,
        "The recipient's carrier blocked the text, for what is in it or who sends it",
        Caller,
        Mended,
        EVENT,
    ),
    ("TEXT_SPAM", None, "The recipient's carrier took the text for spam", Caller, Mended, EVENT),
    (
        "TEXT_TTL_EXPIRED",
        None,
        "The text could not be handed on in the time for which it was valid",
        Recipient,
        Later,
        EVENT,
    ),
    ("TEXT_PROTECT_BLOCKED", None, PROTECTED, Operator, Mended, EVENT),
]);
