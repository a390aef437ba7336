//! Whose word counts on whether a person wants texts.

use crate::clock::Timestamp;

/// The source of what the operator decided: nobody else takes it back.
pub const BY_OPERATOR: &str = "operator";

/// Whether a wish for texts, by this source at this time, takes back what was said before by that one. The
/// operator's does in any case; another one not what the operator said, and nothing that was said later.
pub fn takes_back((said_by, said_at): (&str, Timestamp), by: &str, at: Timestamp) -> bool {
    by == BY_OPERATOR || (said_by != BY_OPERATOR && said_at <= at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_operator_takes_back_what_the_operator_said_and_nobody_else_what_was_said_later() {
        let table = [
            ("reply", 5, "reply", 5, true),
            ("reply", 5, "mailpro", 6, true),
            ("reply", 5, "reply", 4, false),
            (BY_OPERATOR, 5, "reply", 6, false),
            (BY_OPERATOR, 5, BY_OPERATOR, 4, true),
            ("reply", 5, BY_OPERATOR, 4, true),
        ];
        for (said_by, said_at, by, at, expected) in table {
            assert_eq!(
                takes_back((said_by, Timestamp(said_at)), by, Timestamp(at)),
                expected,
                "{said_by} {said_at}, {by} {at}"
            );
        }
    }
}
