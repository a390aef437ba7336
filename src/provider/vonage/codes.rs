//! Vonage's codes, which begin anew in three places: the `status` of an answer of the SMS API, the `err-code`
//! of its receipts, and the errors of the Messages API. So each is told with its place before the number:
//! `status 9` is an account without money, `err-code 9` a person who wants no texts.
//!
//! Source: developer.vonage.com, troubleshooting SMS, delivery receipts, and API errors of the SMS API and of
//! the Messages API.

use std::borrow::Cow;

use crate::provider::failure::{Again, Failure, Whose};
use crate::provider::rest::codes::{
    ACCOUNT, Codes, FUNDS, LATER, LENGTH, NUMBER, OTHER, PLACE, Refusal, SENDER, STOPPED,
};
use Again::{Later, Mended, Never};
use Whose::{Caller, Operator, Recipient, Vendor};

/// Where they stand.
const ANSWERS: &str = "developer.vonage.com, API errors of the SMS API";
const RECEIPTS: &str = "developer.vonage.com, SMS delivery receipts";
const ERRORS: &str = "developer.vonage.com, API errors of the Messages API";

/// The person who was texted wants no more texts: in a receipt, and in an error of the Messages API.
pub const OPTED_OUT: [(Place, &str); 2] = [(Place::Receipt, "9"), (Place::Message, "1240")];

const FAST: &str = "Texts come faster than the account may send; Vonage did not take this one";
const CONTENT: &str = "The carrier's rules for registered senders and texts are not met: its entity, template or \
                       sender is missing or wrong";
const ABSENT: &str = "The phone could not be reached: off, out of range, or no longer in use";
const NO_FUNDS: &str = "The account at Vonage has not enough money left";
const BARRED: &str = "Vonage has this number on its list of those that get no texts";
const SUSPENDED: &str = "The account at Vonage is suspended";
const NO_PREFIX: &str = "Vonage does not know how to reach this number; its prefix may be wrong";
const TRIAL: &str = "A trial account texts only the numbers on its list at Vonage";
const NO_SENDER: &str = "Vonage or the country does not take this sender";
const STOP: &str = "This person wants no more texts, or the number is none that may be texted";
const SPAM: &str = "The carrier filtered the text out, as spam or for its content";
const NO_WAY: &str = "Vonage has no way to this number";
const MISSING: &str = "The request lacks something that Vonage needs";
const INVALID: &str = "Vonage does not take a value in the request";

/// `status` of an answer of the SMS API. 5 is an error within Vonage: nobody knows how far the text came.
const STATUSES: Codes = Codes(&[
    (1, LATER, FAST, Vendor, Later, ANSWERS),
    (2, OTHER, MISSING, Caller, Mended, ANSWERS),
    (3, OTHER, INVALID, Caller, Mended, ANSWERS),
    (4, ACCOUNT, "Vonage does not know the API key, or its secret is wrong", Operator, Mended, ANSWERS),
    (5, None, "An error within Vonage: whether it took the text is not certain", Vendor, Never, ANSWERS),
    (6, NUMBER, NO_PREFIX, Caller, Never, ANSWERS),
    (7, STOPPED, BARRED, Recipient, Never, ANSWERS),
    (8, ACCOUNT, SUSPENDED, Operator, Mended, ANSWERS),
    (9, FUNDS, NO_FUNDS, Operator, Mended, ANSWERS),
    (10, LATER, "The account has too many connections to Vonage at once", Vendor, Later, ANSWERS),
    (11, OTHER, "The account may not send over HTTP", Operator, Mended, ANSWERS),
    (12, LENGTH, "The text is longer than Vonage takes", Caller, Mended, ANSWERS),
    (14, ACCOUNT, "Vonage takes signed requests alone from this account", Operator, Mended, ANSWERS),
    (15, SENDER, NO_SENDER, Operator, Mended, ANSWERS),
    (22, OTHER, "Vonage does not know the network that was named", Operator, Mended, ANSWERS),
    (23, OTHER, "Vonage does not take the address for receipts", Operator, Mended, ANSWERS),
    (29, PLACE, TRIAL, Operator, Mended, ANSWERS),
    (32, OTHER, "The request is signed and has the API secret as well", Operator, Mended, ANSWERS),
    (33, NUMBER, "The number is no longer in use", Caller, Never, ANSWERS),
]);

/// `err-code` of a receipt of the SMS API.
const ERR_CODES: Codes = Codes(&[
    (1, None, "The text failed and the carrier does not say why", Vendor, Later, RECEIPTS),
    (2, None, ABSENT, Recipient, Later, RECEIPTS),
    (3, None, "The network does not know this phone; the number may be out of use", Caller, Never, RECEIPTS),
    (4, None, "The phone or its network takes no such texts", Recipient, Never, RECEIPTS),
    (6, None, SPAM, Caller, Mended, RECEIPTS),
    (7, None, "The phone was busy", Recipient, Later, RECEIPTS),
    (8, None, "The carrier's network failed", Vendor, Later, RECEIPTS),
    (9, None, STOP, Recipient, Never, RECEIPTS),
    (10, None, "The network does not take the text as it is", Caller, Mended, RECEIPTS),
    (11, None, NO_WAY, Vendor, Never, RECEIPTS),
    (12, None, "The number could not be reached", Recipient, Later, RECEIPTS),
    (14, None, "The carrier blocked the text", Operator, Mended, RECEIPTS),
    (50, None, CONTENT, Operator, Mended, RECEIPTS),
    (51, None, CONTENT, Operator, Mended, RECEIPTS),
    (52, None, CONTENT, Operator, Mended, RECEIPTS),
    (53, None, CONTENT, Operator, Mended, RECEIPTS),
    (54, None, CONTENT, Operator, Mended, RECEIPTS),
    (99, None, "The text failed, and Vonage does not say why", Vendor, Later, RECEIPTS),
]);

/// Errors of the Messages API: of an answer that refuses a text, and of its reports.
const MESSAGES: Codes = Codes(&[
    (1000, LATER, FAST, Vendor, Later, ERRORS),
    (1010, OTHER, MISSING, Caller, Mended, ERRORS),
    (1020, OTHER, INVALID, Caller, Mended, ERRORS),
    (1030, None, "An error within Vonage", Vendor, Later, ERRORS),
    (1040, NUMBER, NO_PREFIX, Caller, Never, ERRORS),
    (1050, STOPPED, BARRED, Recipient, Never, ERRORS),
    (1060, ACCOUNT, SUSPENDED, Operator, Mended, ERRORS),
    (1070, FUNDS, NO_FUNDS, Operator, Mended, ERRORS),
    (1080, OTHER, "The account may not send over HTTP", Operator, Mended, ERRORS),
    (1090, LENGTH, "The text is longer than Vonage takes", Caller, Mended, ERRORS),
    (1100, None, "Vonage could not hand the text on: a connection behind it failed", Vendor, Later, ERRORS),
    (1120, SENDER, NO_SENDER, Operator, Mended, ERRORS),
    (1130, OTHER, "The time for which the text is valid is out of range", Operator, Mended, ERRORS),
    (1160, PLACE, TRIAL, Operator, Mended, ERRORS),
    (1170, NUMBER, "The recipient is no number that Vonage can text", Caller, Never, ERRORS),
    (1180, None, ABSENT, Recipient, Later, ERRORS),
    (1190, None, "The network does not know this phone; the number may be out of use", Caller, Never, ERRORS),
    (1210, None, SPAM, Caller, Mended, ERRORS),
    (1240, STOPPED, STOP, Recipient, Never, ERRORS),
    (1250, None, NO_WAY, Vendor, Never, ERRORS),
    (1330, None, "The text failed and the carrier does not say why", Vendor, Later, ERRORS),
    (
        1360,
        None,
        "The text could not be delivered in the time for which it was valid",
        Recipient,
        Later,
        ERRORS,
    ),
]);

/// Where a code stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The `status` of an answer of the SMS API.
    Answer,
    /// The `err-code` of one of its receipts.
    Receipt,
    /// An error of the Messages API.
    Message,
}

impl Place {
    const ALL: [Self; 3] = [Self::Answer, Self::Receipt, Self::Message];

    const fn codes(self) -> &'static Codes {
        match self {
            Self::Answer => &STATUSES,
            Self::Receipt => &ERR_CODES,
            Self::Message => &MESSAGES,
        }
    }

    /// A code of this place as it is told.
    pub fn named(self, code: &str) -> String {
        match self {
            Self::Answer => format!("status {code}"),
            Self::Receipt => format!("err-code {code}"),
            Self::Message => code.to_owned(),
        }
    }

    /// What this code says here, where it is known.
    pub fn find(self, code: &str) -> Option<Failure> {
        self.codes().find(code).map(|failure| self.told(failure))
    }

    /// What a refusal with this code means, where it is known.
    pub fn refusal(self, code: &str) -> Option<Refusal> {
        self.codes().refusal(code)
    }

    fn told(self, failure: Failure) -> Failure {
        Failure { code: Cow::Owned(self.named(&failure.code)), ..failure }
    }

    /// Why a message failed: the code with what it says here, else the vendor's words; and whether it is the
    /// former, which quotes nothing.
    pub fn why(self, code: Option<&str>, words: Option<&str>) -> (Option<String>, bool) {
        match (code.filter(|code| *code != "0"), words) {
            (Some(code), words) => match self.find(code) {
                Some(known) => (Some(known.why()), true),
                None => (Some(format!("{}: {}", self.named(code), words.unwrap_or("no words"))), false),
            },
            (None, words) => (words.map(str::to_owned), false),
        }
    }
}

/// Every code that is known here.
pub fn failures() -> Vec<Failure> {
    let of = |place: Place| place.codes().failures().into_iter().map(move |failure| place.told(failure));
    Place::ALL.into_iter().flat_map(of).collect()
}

/// Whether this code says that the person wants no more texts.
pub fn is_opt_out(place: Place, code: Option<&str>) -> bool {
    OPTED_OUT.iter().any(|(known, number)| *known == place && code == Some(number))
}
