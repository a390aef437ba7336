//! Why a carrier did not deliver, by MailerSend's numbers: what each means in short, and whether the text is
//! billed all the same. An unknown number counts as billed, since money that is released by mistake could be
//! spent twice.
//!
//! Source: developers.mailersend.com/general, "SMS error codes" (numbers, slugs and the column "billable").

use std::borrow::Cow;

use crate::provider::failure::{self, Again, Whose};

/// One way in which a text can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// MailerSend's number.
    pub code: u16,
    /// MailerSend's name for it; several numbers may share one.
    pub slug: &'static str,
    /// What it means, in short.
    pub meaning: &'static str,
    /// Whether the text is charged.
    pub is_billed: bool,
}

/// The number that says that this person asked the carrier for no more texts.
const OPTED_OUT: u16 = 4775;

impl Failure {
    /// Whether it means that this person wants no more texts.
    pub const fn is_opt_out(&self) -> bool {
        self.code == OPTED_OUT
    }
}

const fn free(code: u16, slug: &'static str, meaning: &'static str) -> Failure {
    Failure { code, slug, meaning, is_billed: false }
}

const fn billed(code: u16, slug: &'static str, meaning: &'static str) -> Failure {
    Failure { code, slug, meaning, is_billed: true }
}

/// Every documented failure, by number.
pub const FAILURES: [Failure; 65] = [
    free(4001, "service-not-allowed", "this service is not allowed for the account"),
    free(4301, "malformed-invalid-encoding", "the text has characters that cannot be encoded"),
    free(4302, "malformed-invalid-from-number", "the sender is no number that can be routed"),
    free(4303, "malformed-invalid-to-number", "the recipient is no number that can be routed"),
    free(4350, "malformed-for-destination", "malformed for the destination; probably no valid number"),
    free(4360, "message-not-sent-expiration-date-passed", "it expired before it could leave"),
    free(4401, "rejected-routing-error", "no route, or sender and recipient are the same"),
    free(4403, "rejected-forbidden-from-number", "this sender may not send"),
    free(4404, "rejected-forbidden-to-number", "this recipient may not be texted"),
    free(4405, "rejected-unallocated-from-number", "the sender's number is not in use"),
    free(4406, "rejected-unallocated-to-number", "the recipient's number is with no carrier"),
    free(4407, "rejected-account-not-defined-from-number", "the sender is not one of the account"),
    free(4408, "rejected-account-not-defined-to-number", "the recipient cannot take texts"),
    free(4409, "rejected-invalid-from-profile", "the destination's profile is not valid"),
    free(4410, "media-unavailable", "the media could not be fetched"),
    free(4411, "rejected-message-size-limit-exceeded", "the media are too large"),
    free(4412, "media-content-invalid", "the type of the media is not supported"),
    free(4420, "rejected-carrier-does-not-exist", "the destination's carrier is not known"),
    free(4421, "rejected-forbidden-no-destination", "the account may not send to this destination"),
    free(4432, "rejected-forbidden-country", "the account may not send to this country"),
    free(4433, "rejected-forbidden-tollfree", "the account may not send from toll-free numbers"),
    free(4434, "rejected-forbidden-tollfree-for-recipient", "this toll-free number cannot be texted"),
    billed(4470, "rejected-spam-detected", "MailerSend took it for spam"),
    free(4481, "rejected-from-number-in-blacklist", "the sender is on a blocklist"),
    free(4482, "rejected-to-number-in-blacklist", "the recipient is on a blocklist"),
    free(4492, "reject-emergency", "emergency numbers are never texted"),
    free(4493, "rejected-unauthorized", "the sender is not authorised"),
    billed(4700, "invalid-service-type", "the carrier or phone takes no texts"),
    billed(4701, "destination-service-unavailable", "the destination cannot be reached"),
    billed(4702, "destination-subscriber-unavailable", "the phone is off, full or out of reach"),
    billed(4711, "rejected-message-size-limit-exceeded", "the media are too large for the carrier"),
    billed(4712, "media-content-invalid", "the carrier does not take this type of media"),
    billed(4720, "invalid-destination-address", "no such number, or a landline"),
    billed(4721, "destination-tn-deactivated", "the number is deactivated"),
    billed(4730, "no-route-to-destination-carrier", "no route to the carrier"),
    billed(4740, "invalid-source-address-address", "the carrier does not take this sender"),
    billed(4750, "destination-rejected-message", "the carrier refused it without a reason"),
    billed(4751, "destination-rejected-message-size-invalid", "too long for the carrier"),
    billed(4752, "destination-rejected-malformed", "malformed for the carrier"),
    billed(4753, "destination-rejected-handset", "the phone refused it"),
    billed(4770, "destination-spam-detected", "the carrier took it for spam"),
    billed(4771, "rejected-shortened-url", "refused because of a shortened address in it"),
    billed(4772, "rejected-tn-blocked", "sender or recipient is blocked at the carrier"),
    billed(OPTED_OUT, "destination-rejected-due-to-user-opt-out", "this person wants no more texts"),
    billed(4781, "volume-violation-att", "too many texts for the carrier AT&T"),
    billed(4785, "volumetric-violation", "too many texts for the carrier"),
    billed(4795, "tfn-not-verified", "the toll-free sender is not verified"),
    free(5100, "temporary-app-error", "a passing fault at MailerSend"),
    free(5101, "temporary-app-shutdown", "MailerSend was shutting down"),
    free(5106, "impossible-to-route", "no route after several tries"),
    free(5111, "temporary-app-connection-closed", "a connection at MailerSend was closed"),
    free(5201, "temporary-rout-error-retries-exceeded", "expired after several tries"),
    free(5211, "temporary-app-error-app-busy", "MailerSend was busy"),
    free(5220, "temporary-store-error", "MailerSend could not store it"),
    free(5231, "discarded-concatenation-timeout", "MailerSend did not get all parts of it"),
    free(5500, "message-send-failed", "the carrier reports a general failure"),
    free(5501, "message-send-failed", "no destination was available"),
    billed(5600, "destination-carrier-queue-full", "the carrier's queue is full"),
    billed(5610, "submit _ sm-or-submit _ multi-failed", "the carrier failed to take it"),
    billed(5620, "destination-app-error", "the carrier reports a fault of its own"),
    billed(5630, "message-not-acknowle", "the carrier did not acknowledge it"),
    billed(5650, "destination-failed", "the carrier failed to deliver it"),
    free(5999, "unknown-error", "an unknown fault at MailerSend"),
    billed(9902, "delivery-receipt-expired", "no delivery receipt came in two hours"),
    billed(9999, "unknown-error", "the carrier reported a failure that MailerSend does not know"),
];

/// Where the numbers stand.
const SOURCE: &str = "developers.mailersend.com/general, \"SMS error codes\"";

/// The same for those that MailerSend passes on.
const PASSED_ON: &str =
    "developers.mailersend.com/general, \"SMS error codes\", where MailerSend passes Bandwidth's on";

impl Failure {
    /// Whose move it is, and whether trying again can help: told by what the page says that the number means.
    const fn next(&self) -> (Whose, Again) {
        match self.code {
            4001 | 4302 | 4403 | 4405 | 4407 | 4409 | 4421 | 4432 | 4433 | 4481 | 4493 | 4740 | 4795 => {
                (Whose::Operator, Again::Mended)
            }
            4781 | 4785 => (Whose::Operator, Again::Later),
            4301 | 4410..=4412 | 4470 | 4711 | 4712 | 4751 | 4752 | 4770 | 4771 => {
                (Whose::Caller, Again::Mended)
            }
            4303 | 4350 | 4404 | 4406 | 4408 | 4434 | 4492 | 4700 | 4720 | 4721 => {
                (Whose::Caller, Again::Never)
            }
            4482 | 4753 | 4772 | OPTED_OUT => (Whose::Recipient, Again::Never),
            4702 => (Whose::Recipient, Again::Later),
            4401 | 4420 | 4730 | 4750 | 5106 | 9902 | 9999 => (Whose::Vendor, Again::Never),
            _ => (Whose::Vendor, Again::Later),
        }
    }

    /// It as it is told to people, in these words.
    fn told(&self, words: &str, source: &'static str) -> failure::Failure {
        let (whose, again) = self.next();
        let mut letters = words.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        let what = first.chain(letters).collect();
        failure::Failure {
            code: Cow::Owned(self.code.to_string()),
            what: Cow::Owned(what),
            whose,
            again,
            source,
        }
    }
}

/// The table as it is told to people.
pub fn failures() -> Vec<failure::Failure> {
    let told = |failure: &Failure| {
        let billing = if failure.is_billed { "billed" } else { "not billed" };
        failure.told(&format!("{} ({billing})", failure.meaning), SOURCE)
    };
    FAILURES.iter().map(told).collect()
}

/// The first number that is MailerSend's own: those below are Bandwidth's, which it passes on.
const OWN: u16 = 5999;

/// The same of Bandwidth, which carries MailerSend's texts and has these numbers in reports of its own: what
/// each means, and not whether MailerSend bills it.
pub fn of_bandwidth() -> Vec<failure::Failure> {
    let passed_on = FAILURES.iter().filter(|failure| failure.code < OWN);
    passed_on.map(|failure| failure.told(failure.meaning, PASSED_ON)).collect()
}

/// Finds the failure that a message speaks of: by its number, wherever that stands in the error's type or
/// description, else by its name, as long as that means one failure alone.
pub fn find(error_type: &str, error_description: &str) -> Option<&'static Failure> {
    let numbered = [error_type, error_description].into_iter().find_map(|text| {
        let mut numbers =
            text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u16>().ok());
        numbers.find_map(|number| FAILURES.iter().find(|failure| failure.code == number))
    });
    numbered.or_else(|| {
        let mut named =
            FAILURES.iter().filter(|failure| failure.slug.eq_ignore_ascii_case(error_type.trim()));
        named.next().filter(|_| named.next().is_none())
    })
}
