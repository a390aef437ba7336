//! Whether somebody agreed to texts of one purpose, by the latest that is on record of it.
//!
//! Nothing on record is no. Of several records the one of the latest time counts, whoever made it and whenever
//! it was written down; of several of one moment the withdrawal, and without one the consent that ends first.

use std::cmp::Reverse;

/// The latest that is on record about one person and one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latest {
    /// They agreed; else they withdrew it.
    pub is_given: bool,
    /// When, in milliseconds since 1970 (UTC).
    pub at_ms: i64,
    /// From when on it does not count any more.
    pub expires_ms: Option<i64>,
}

impl Latest {
    /// The one of several counts that has the highest of these.
    pub fn rank(&self) -> (i64, bool, Reverse<i64>) {
        (self.at_ms, !self.is_given, Reverse(self.expires_ms.unwrap_or(i64::MAX)))
    }
}

/// Why there is no consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing is on record.
    Never,
    /// It was withdrawn.
    Withdrawn,
    /// It has expired, or will have by then.
    Expired,
}

impl Missing {
    /// In words, after who it is about.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "no consent is on record",
            Self::Withdrawn => "the consent was withdrawn",
            Self::Expired => "the consent on record has expired, or will have by then",
        }
    }
}

/// Why a text that leaves at this time has no consent; nothing where it has one.
pub fn missing(latest: Option<&Latest>, leaves_ms: i64) -> Option<Missing> {
    match latest {
        None => Some(Missing::Never),
        Some(Latest { is_given: false, .. }) => Some(Missing::Withdrawn),
        Some(Latest { expires_ms: Some(expires_ms), .. }) if *expires_ms <= leaves_ms => {
            Some(Missing::Expired)
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_moment_the_withdrawal_counts_and_then_the_consent_that_ends_first() {
        let given = |at_ms, expires_ms| Latest { is_given: true, at_ms, expires_ms };
        let withdrawn = Latest { is_given: false, ..given(10, None) };
        let ranked =
            [given(9, Some(50)), given(10, None), given(10, Some(90)), given(10, Some(60)), withdrawn];
        assert!(ranked.is_sorted_by_key(Latest::rank), "{ranked:?}");
        assert!(given(11, None).rank() > withdrawn.rank());
    }

    #[test]
    fn only_a_consent_that_was_given_and_holds_then_is_one() {
        let given = Latest { is_given: true, at_ms: 10, expires_ms: None };
        let until = Latest { expires_ms: Some(100), ..given };
        let withdrawn = Latest { is_given: false, ..given };
        let table = [
            (None, 50, Some(Missing::Never)),
            (Some(given), 50, None),
            (Some(until), 99, None),
            (Some(until), 100, Some(Missing::Expired)),
            (Some(withdrawn), 50, Some(Missing::Withdrawn)),
            (Some(Latest { expires_ms: Some(100), ..withdrawn }), 200, Some(Missing::Withdrawn)),
        ];
        for (latest, leaves_ms, expected) in table {
            assert_eq!(missing(latest.as_ref(), leaves_ms), expected, "{latest:?} at {leaves_ms}");
        }
    }
}
