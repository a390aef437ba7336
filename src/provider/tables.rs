//! Which vendors number their failures, each with its table.

use super::failure::Failure;
use super::{aws, infobip, mailersend, plivo, sinch, telnyx, twilio, vonage};

/// A vendor's table.
type Table = fn() -> Vec<Failure>;

/// Each by its kind. A vendor that has no codes, or whose codes are words that say it themselves, has none.
pub const FAILURES: [(&str, Table); 8] = [
    ("aws", || aws::codes::CODES.failures()),
    ("infobip", || infobip::codes::CODES.failures()),
    ("mailersend", mailersend::codes::failures),
    ("plivo", || plivo::codes::CODES.failures()),
    ("sinch", || sinch::codes::CODES.failures()),
    ("telnyx", || telnyx::codes::CODES.failures()),
    ("twilio", || twilio::codes::CODES.failures()),
    ("vonage", vonage::codes::failures),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_code_stands_once_in_its_table_and_is_told_in_a_short_sentence() {
        for (kind, table) in FAILURES {
            let mut codes = BTreeSet::new();
            for failure in table() {
                let Failure { code, what, source, .. } = &failure;
                assert!(codes.insert(code.to_string()), "{kind} {code} stands twice");
                assert!(!code.is_empty() && !source.is_empty() && !what.ends_with('.'), "{kind} {code}");
                // It is kept beside each message, with the code and more.
                assert!((10..=160).contains(&what.len()), "{kind} {code}: {what}");
                assert!(failure.why().starts_with(&format!("{code}: ")), "{kind} {code}");
            }
            assert!(codes.len() >= 5, "{kind}");
        }
    }
}
