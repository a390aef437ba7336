//! What a refusal says of lists, whoever keeps them.

use crate::sms::destination::{Barred, Destination};
use crate::sms::number::Number;

/// What is said of a number that lists of destinations keep out.
pub(super) fn barred_words(to: &Number, why: Barred<'_>, allowed: &[Destination]) -> String {
    match why {
        Barred::Denied(denied) => format!("{to} is in {denied}, which the operator denies"),
        Barred::Outside => {
            let list: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            format!("{to} is outside the destinations that the operator allows ({})", list.join(", "))
        }
    }
}

/// What is said of a sender that is on no list of the allowed ones.
pub(super) fn sender_words(from: &str, allowed: &[String]) -> String {
    format!("`from` \"{from}\" is not one of the allowed senders ({})", allowed.join(", "))
}
