//! What the `command_status` of an answer means for a message.
//!
//! A status other than 0 says that this request was not taken: that is a definite no, and what is left to
//! tell is whether asking again later may help, and whose problem it is. Carriers have codes of their own
//! (0x400 to 0x4FF by the standard, and others); `[[provider.status_codes]]` says what they mean, and may
//! overrule what stands here.
//!
//! Source: SMPP v3.4, section 5.1.3, table 5-2.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::SegmentOutcome;
pub use crate::provider::line::meaning::Meaning;
use crate::provider::line::session::Verdict;
use crate::setting::word;

/// `ESME_RINVCMDID`: the command is not known.
pub(super) const INVALID_COMMAND: u32 = 0x03;
/// `ESME_RINVMSGID`: no such message.
pub(super) const INVALID_ID: u32 = 0x0C;
/// `ESME_RQUERYFAIL`.
pub(super) const QUERY_FAILED: u32 = 0x67;
/// `ESME_RX_T_APPN`: cannot be taken now, tell it again.
pub(super) const TRY_LATER: u32 = 0x64;
/// `ESME_RUNKNOWNERR`.
pub(super) const UNKNOWN_ERROR: u32 = 0xFF;

/// A carrier's own code, among the settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusCode {
    /// The code, as "0x401" or "1025".
    pub code: String,
    /// What it means.
    #[serde(deserialize_with = "word")]
    pub means: Meaning,
    /// The carrier's words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl StatusCode {
    /// The code as a number; 0 is none, since it says that all is well.
    pub(super) fn number(&self) -> Option<u32> {
        let code = self.code.trim();
        let number = match code.strip_prefix("0x").or_else(|| code.strip_prefix("0X")) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => code.parse(),
        };
        number.ok().filter(|number| *number != 0)
    }
}

/// The codes of the standard that are not simply [`Meaning::Rejected`], and words for those that a message
/// can meet.
const TABLE: &[(u32, Meaning, &str)] = &[
    (0x01, Meaning::MessageTooLong, "the message's length is wrong"),
    (0x02, Meaning::Rejected, "the command's length is wrong"),
    (0x03, Meaning::Rejected, "the command is not known"),
    // About the bind and not about the message: another bind, or the same one later, may do.
    (0x04, Meaning::Later, "the bind is not for this command"),
    (0x05, Meaning::Later, "already bound"),
    (0x06, Meaning::Rejected, "the priority is wrong"),
    (0x07, Meaning::Rejected, "registered_delivery is wrong"),
    (0x08, Meaning::Later, "system error"),
    (0x0A, Meaning::SenderNotAllowed, "the sender is wrong"),
    (0x0B, Meaning::InvalidNumber, "the recipient is wrong"),
    (0x0C, Meaning::Rejected, "the message id is not known"),
    (0x0D, Meaning::Unauthorized, "the bind failed"),
    (0x0E, Meaning::Unauthorized, "the password is wrong"),
    (0x0F, Meaning::Unauthorized, "the system_id is wrong"),
    (0x11, Meaning::Rejected, "it could not be canceled"),
    (0x14, Meaning::RecipientFull, "the queue of this recipient is full"),
    (0x15, Meaning::Rejected, "the service_type is wrong"),
    (0x43, Meaning::Rejected, "the esm_class is wrong"),
    (0x45, Meaning::Rejected, "the submit failed"),
    (0x48, Meaning::SenderNotAllowed, "the sender's type of number is wrong"),
    (0x49, Meaning::SenderNotAllowed, "the sender's numbering plan is wrong"),
    (0x50, Meaning::InvalidNumber, "the recipient's type of number is wrong"),
    (0x51, Meaning::InvalidNumber, "the recipient's numbering plan is wrong"),
    (0x53, Meaning::Unauthorized, "the system_type is wrong"),
    (0x58, Meaning::Throttled, "too many requests"),
    (0x61, Meaning::Rejected, "the scheduled time is wrong"),
    (0x62, Meaning::Rejected, "the validity period is wrong"),
    (0x64, Meaning::Later, "a temporary error of the receiver"),
    (0x65, Meaning::Rejected, "a permanent error of the receiver"),
    (0x66, Meaning::Rejected, "the receiver refuses the message"),
    (0x67, Meaning::Rejected, "the query failed"),
    (0xC0, Meaning::Rejected, "the optional parameters are wrong"),
    (0xC1, Meaning::Rejected, "an optional parameter is not allowed"),
    (0xC2, Meaning::Rejected, "a parameter's length is wrong"),
    (0xC3, Meaning::Rejected, "an optional parameter is missing"),
    (0xC4, Meaning::Rejected, "an optional parameter is wrong"),
    (0xFE, Meaning::Rejected, "the delivery failed"),
    (UNKNOWN_ERROR, Meaning::Rejected, "unknown error"),
];

/// What every code means at one carrier.
#[derive(Clone, Debug, Default)]
pub struct Statuses {
    own: BTreeMap<u32, (Meaning, Option<String>)>,
}

impl Statuses {
    /// The standard's codes, with those of a carrier over them.
    pub fn new(own: &[StatusCode]) -> Self {
        let own = own.iter().filter_map(|row| Some((row.number()?, (row.means, row.why.clone())))).collect();
        Self { own }
    }

    fn row(status: u32) -> Option<&'static (u32, Meaning, &'static str)> {
        TABLE.iter().find(|row| row.0 == status)
    }

    /// What this code means. One that nobody knows is a definite no: so section 5.1.3 reads, and a no is
    /// never sent again.
    pub fn meaning(&self, status: u32) -> Meaning {
        let own = self.own.get(&status).map(|(meaning, _)| *meaning);
        own.or_else(|| Self::row(status).map(|row| row.1)).unwrap_or(Meaning::Rejected)
    }

    /// The code with words for it, such as `0x58 too many requests`.
    pub fn words(&self, status: u32) -> String {
        let own = self.own.get(&status).and_then(|(_, why)| why.as_deref());
        let words =
            own.or_else(|| Self::row(status).map(|row| row.2)).unwrap_or("a code of the carrier's own");
        format!("{status:#04x} {words}")
    }

    /// What it says to the session.
    pub fn verdict(&self, status: u32) -> Verdict {
        if status == 0 { Verdict::Taken } else { self.meaning(status).verdict() }
    }

    /// Whether it is about who we are.
    pub fn is_about_us(&self, status: u32) -> bool {
        status != 0 && self.meaning(status) == Meaning::Unauthorized
    }

    /// What a status other than 0 means for the segment that it answers.
    pub fn outcome(&self, status: u32) -> SegmentOutcome {
        self.meaning(status).outcome(self.words(status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::provider::line::session::NotNow;

    fn own(code: &str, means: Meaning) -> StatusCode {
        StatusCode { code: code.to_owned(), means, why: Some("no credit".to_owned()) }
    }

    #[test]
    fn every_code_says_whether_it_may_be_sent_again_and_whose_problem_it_is() {
        let statuses = Statuses::default();
        assert_eq!(statuses.verdict(0x58), Verdict::NotNow(NotNow::Account));
        assert_eq!(statuses.verdict(0x14), Verdict::NotNow(NotNow::Recipient));
        assert!(matches!(
            statuses.outcome(0x14),
            SegmentOutcome::NotNow { code: ErrorKind::ProviderUnavailable, .. }
        ));
        for status in [0x04, 0x05, 0x08, 0x58, 0x64] {
            assert!(
                matches!(statuses.outcome(status), SegmentOutcome::NotSent { retry_after_ms: Some(_), .. }),
                "{status:#x}"
            );
        }
        let codes = [
            (0x01, ErrorKind::MessageTooLong),
            (0x0A, ErrorKind::SenderNotAllowed),
            (0x0B, ErrorKind::InvalidNumber),
            (0x0D, ErrorKind::ProviderUnauthorized),
            (0x45, ErrorKind::ProviderRejected),
            (0xFF, ErrorKind::ProviderRejected),
            (0x401, ErrorKind::ProviderRejected),
            (u32::MAX, ErrorKind::ProviderRejected),
        ];
        for (status, expected) in codes {
            assert!(
                matches!(statuses.outcome(status), SegmentOutcome::Rejected { code, .. } if code == expected),
                "{status:#x}"
            );
        }
        assert!(statuses.verdict(0) == Verdict::Taken && !statuses.is_about_us(0));
    }

    #[test]
    fn a_carriers_own_codes_overrule_the_standard() {
        let statuses = Statuses::new(&[
            own("0x401", Meaning::InsufficientBalance),
            own("1026", Meaning::Unknown),
            own("0x58", Meaning::Rejected),
            own("0x08", Meaning::Throttled),
        ]);
        assert!(
            matches!(statuses.outcome(0x401), SegmentOutcome::Rejected { code: ErrorKind::InsufficientBalance, why } if why == "0x401 no credit")
        );
        assert!(matches!(statuses.outcome(0x402), SegmentOutcome::Unknown { .. }));
        assert_eq!(
            (statuses.verdict(0x58), statuses.verdict(0x08)),
            (Verdict::Refused, Verdict::NotNow(NotNow::Account))
        );
        assert_eq!(own("0", Meaning::Later).number(), None);
        assert_eq!(own("four", Meaning::Later).number(), None);
    }

    #[test]
    fn the_table_is_in_order_and_names_each_code_once() {
        assert!(TABLE.is_sorted_by(|one, next| one.0 < next.0));
    }
}
