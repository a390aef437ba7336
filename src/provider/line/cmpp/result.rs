//! What the `Result` of a `SUBMIT_RESP` means for a message.
//!
//! A result other than 0 says that the gateway did not take it: a definite no, but for flow control, which
//! says "not now". The codes from 100 on are each gateway's own; `[[provider.result_codes]]` says what they
//! mean, and may overrule the others.
//!
//! Source: QB-GF-028-2003, section 8.4.3.2.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::SegmentOutcome;
pub use crate::provider::line::meaning::Meaning;
use crate::provider::line::session::Verdict;
use crate::setting::word;

/// Flow control.
pub(super) const FLOW_CONTROL: u32 = 8;

/// A destination is wrong; where there are several, none of them was taken.
pub(super) const BAD_DESTINATION: u32 = 13;

/// A gateway's own code, among the settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CmppResultCode")]
pub struct ResultCode {
    /// The code, such as 101.
    pub code: u32,
    /// What it means.
    #[serde(deserialize_with = "word")]
    pub means: Meaning,
    /// The gateway's words for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What the codes of the standard mean, in their order from 1.
const TABLE: [(Meaning, &str); 13] = [
    (Meaning::Rejected, "the structure is wrong"),
    (Meaning::Rejected, "the command is wrong"),
    (Meaning::Rejected, "the sequence number was used before"),
    (Meaning::Rejected, "the length is wrong"),
    (Meaning::Rejected, "the fee code is wrong"),
    (Meaning::MessageTooLong, "the message is too long"),
    (Meaning::Rejected, "the service code is wrong"),
    (Meaning::Throttled, "flow control"),
    (Meaning::Rejected, "the gateway does not serve the number that is charged"),
    (Meaning::SenderNotAllowed, "the sender (Src_Id) is wrong"),
    (Meaning::Unauthorized, "the service provider (Msg_src) is wrong"),
    (Meaning::Rejected, "the number that is charged is wrong"),
    (Meaning::InvalidNumber, "the recipient is wrong"),
];

/// What every code means at one gateway.
#[derive(Clone, Debug, Default)]
pub struct Results(BTreeMap<u32, (Meaning, Option<String>)>);

impl Results {
    /// The standard's codes, with those of a gateway over them.
    pub fn new(own: &[ResultCode]) -> Self {
        Self(own.iter().map(|row| (row.code, (row.means, row.why.clone()))).collect())
    }

    fn row(&self, result: u32) -> (Meaning, &str) {
        let place = usize::try_from(result).ok().and_then(|result| result.checked_sub(1));
        let standard = place.and_then(|place| TABLE.get(place)).copied();
        let (meaning, words) = standard.unwrap_or((Meaning::Rejected, "a code of the gateway's own"));
        match self.0.get(&result) {
            Some((meaning, why)) => (*meaning, why.as_deref().unwrap_or(words)),
            None => (meaning, words),
        }
    }

    /// What it says to the session.
    pub fn verdict(&self, result: u32) -> Verdict {
        if result == 0 { Verdict::Taken } else { self.row(result).0.verdict() }
    }

    /// The result with words for it, such as `result 8: flow control`.
    pub fn words(&self, result: u32) -> String {
        format!("result {result}: {}", self.row(result).1)
    }

    /// What a result other than 0 means for the segment that it answers.
    pub fn outcome(&self, result: u32) -> SegmentOutcome {
        self.row(result).0.outcome(self.words(result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::provider::line::meaning::LATER_MS;
    use crate::provider::line::session::NotNow;

    #[test]
    fn only_flow_control_may_be_sent_again() {
        let results = Results::default();
        assert_eq!((TABLE[7].0, TABLE[12].0), (Meaning::Throttled, Meaning::InvalidNumber));
        for result in (1..=255).chain([u32::MAX]) {
            let is_no = matches!(results.outcome(result), SegmentOutcome::Rejected { .. });
            assert_eq!(is_no, result != FLOW_CONTROL, "{result}");
            assert_eq!(
                results.verdict(result) == Verdict::NotNow(NotNow::Account),
                result == FLOW_CONTROL,
                "{result}"
            );
        }
        assert_eq!(results.verdict(0), Verdict::Taken);
        for (result, expected) in [
            (1, ErrorKind::ProviderRejected),
            (6, ErrorKind::MessageTooLong),
            (10, ErrorKind::SenderNotAllowed),
            (11, ErrorKind::ProviderUnauthorized),
            (BAD_DESTINATION, ErrorKind::InvalidNumber),
        ] {
            assert!(
                matches!(results.outcome(result), SegmentOutcome::Rejected { code, .. } if code == expected),
                "{result}"
            );
        }
    }

    #[test]
    fn a_gateways_own_codes_overrule_the_standard() {
        let own =
            |code, means, why: Option<&str>| ResultCode { code, means, why: why.map(ToOwned::to_owned) };
        let results = Results::new(&[
            own(101, Meaning::InsufficientBalance, Some("no credit")),
            own(102, Meaning::Throttled, None),
            own(103, Meaning::Unknown, None),
            own(8, Meaning::Later, None),
        ]);
        let why = "result 101: no credit".to_owned();
        assert_eq!(
            results.outcome(101),
            SegmentOutcome::Rejected { code: ErrorKind::InsufficientBalance, why }
        );
        assert_eq!(
            (results.verdict(102), results.verdict(8)),
            (Verdict::NotNow(NotNow::Account), Verdict::Refused)
        );
        assert!(matches!(results.outcome(103), SegmentOutcome::Unknown { .. }));
        assert!(matches!(results.outcome(8), SegmentOutcome::NotSent { retry_after_ms: Some(LATER_MS), .. }));
    }
}
