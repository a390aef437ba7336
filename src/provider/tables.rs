//! Which vendors number their failures, each with its table.

use super::failure::Failure;
use super::generic_http::Preset;
use super::{aws, infobip, mailersend, plivo, sinch, telnyx, twilio, vonage};

/// A vendor's table.
type Table = fn() -> Vec<Failure>;

/// Each by its kind, or by the name of its preset. A vendor that has no codes, whose codes are words that say
/// it themselves, or whose page of them could not be read, has none.
pub const FAILURES: [(&str, Table); 9] = [
    ("aws", || aws::codes::CODES.failures()),
    ("bandwidth", mailersend::codes::of_bandwidth),
    ("infobip", || infobip::codes::CODES.failures()),
    ("mailersend", mailersend::codes::failures),
    ("plivo", || plivo::codes::CODES.failures()),
    ("sinch", || sinch::codes::CODES.failures()),
    ("telnyx", || telnyx::codes::CODES.failures()),
    ("twilio", || twilio::codes::CODES.failures()),
    ("vonage", vonage::codes::failures),
];

/// Whether this is the name of a gateway that the HTTP provider knows.
pub fn is_preset(name: &str) -> bool {
    Preset::ALL.iter().any(|(preset, _)| *preset == name)
}

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
