//! Infobip's statuses of messages that were not delivered, in one table, and what each means for a message
//! that was handed over.
//!
//! A status has a group and an id, and the group decides what became of the message ([`standing`]): 87 stands
//! in two groups, and is charged in one of them.
//!
//! Source: infobip.com/docs, response status and error codes, general status codes.

use super::answers::Standing;
use crate::error::ErrorKind;
use crate::provider::failure::{Again, Whose};
use crate::provider::rest::codes::{Codes, FUNDS, LENGTH, NUMBER, OTHER, PLACE, Refusal, SENDER, STOPPED};
use crate::sms::message::State;
use Again::{Later, Mended, Never};
use Whose::{Caller, Operator, Recipient, Vendor};

/// Where they stand.
const PAGE: &str = "infobip.com/docs, response status and error codes";

/// A message of this id is there already.
const DUPLICATE: u64 = 23;

const TOO_MANY: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::RateLimited));
const BROKEN: Option<Refusal> = Some(Refusal::Rejected(ErrorKind::ProviderUnavailable));

/// What a status of this group and id says of a message; nothing where no page has the group.
pub fn standing(group: u64, id: u64) -> Option<Standing> {
    Some(match (group, id) {
        (0 | 1, _) | (3, 2) => Standing::Taken(State::Sent),
        (3, 5) => Standing::Taken(State::Delivered),
        (2, _) | (4, 87) => Standing::Failed(State::Failed),
        (4, _) => Standing::Failed(State::Expired),
        (5, DUPLICATE) => Standing::Duplicate,
        (5, _) => Standing::Refused,
        _ => return None,
    })
}

/// The groups as their names and those of their statuses begin. `ACCEPTED` is not among them: statuses of other
/// groups have it in their names.
const GROUPS: [(&str, u64); 5] =
    [("PENDING", 1), ("UNDELIVERABLE", 2), ("DELIVERED", 3), ("EXPIRED", 4), ("REJECTED", 5)];

/// The group that a name says, of a group or of a status; nothing where it says none.
pub fn group_of(name: &str) -> Option<u64> {
    let name = name.trim().to_ascii_uppercase();
    let first = name.split('_').next().unwrap_or_default();
    GROUPS.iter().find(|(group, _)| *group == first).map(|(_, number)| *number)
}

/// Every status that is known here.
pub const CODES: Codes = Codes(&[
    (4, None, "The operator refused the text", Vendor, Never, PAGE),
    (6, PLACE, "The network is not covered, or not set up on the account", Operator, Mended, PAGE),
    (8, NUMBER, "The number's prefix or length is none of any network", Caller, Never, PAGE),
    (9, None, "The operator could not deliver the text", Recipient, Later, PAGE),
    (
        10,
        STOPPED,
        "This person is on a do-not-disturb list, which takes no such texts",
        Recipient,
        Never,
        PAGE,
    ),
    (11, SENDER, "The account sends from registered senders alone, and this is none", Operator, Mended, PAGE),
    (12, FUNDS, "The account has not enough credit", Operator, Mended, PAGE),
    (13, SENDER, "The sender is on the account's blocklist", Operator, Mended, PAGE),
    (
        14,
        STOPPED,
        "This person is on the blocklist of the account or of the operator",
        Recipient,
        Never,
        PAGE,
    ),
    (15, None, "The text could not be delivered in the time for which it was valid", Recipient, Later, PAGE),
    (17, FUNDS, "The account's credit is past its validity", Operator, Mended, PAGE),
    (18, PLACE, "The account is a test one, which texts its registered number alone", Operator, Mended, PAGE),
    (19, PLACE, "The account has no route to this network", Operator, Mended, PAGE),
    (
        20,
        TOO_MANY,
        "The flood filter: a number gets 20 texts, and 6 identical ones, in an hour unless the account has \
         more",
        Caller,
        Later,
        PAGE,
    ),
    (21, BROKEN, "An error in Infobip's system", Vendor, Later, PAGE),
    (23, OTHER, "A text of this id was there already", Vendor, Never, PAGE),
    (24, OTHER, "The text was not formed as its header says", Vendor, Never, PAGE),
    (25, LENGTH, "The text has more than 25 segments or 4000 bytes", Caller, Mended, PAGE),
    (29, None, "No report came in the time for which the text was valid", Vendor, Never, PAGE),
    (31, None, "The text was not sent", Vendor, Later, PAGE),
    (51, NUMBER, "The request named no recipient", Caller, Never, PAGE),
    (52, NUMBER, "The number's prefix or length is none of any operator", Caller, Never, PAGE),
    (87, OTHER, "The anti-fraud filter stopped the text", Operator, Mended, PAGE),
    (100, OTHER, "Infobip took the request for malformed, or was not in service", Vendor, Later, PAGE),
]);

/// Our code for a refusal with this id: that of the table, else a plain no.
pub fn refusal(id: u64) -> ErrorKind {
    match CODES.refusal(&id.to_string()) {
        Some(Refusal::Rejected(code)) => code,
        _ => ErrorKind::ProviderRejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_decides_and_the_id_refines() {
        for (group, id, expected) in [
            (0, 0, Some(Standing::Taken(State::Sent))),
            (1, 26, Some(Standing::Taken(State::Sent))),
            (1, 7, Some(Standing::Taken(State::Sent))),
            (3, 2, Some(Standing::Taken(State::Sent))),
            (3, 5, Some(Standing::Taken(State::Delivered))),
            (3, 9_999, None),
            (2, 9, Some(Standing::Failed(State::Failed))),
            (4, 15, Some(Standing::Failed(State::Expired))),
            (4, 87, Some(Standing::Failed(State::Failed))),
            (5, 87, Some(Standing::Refused)),
            (5, 23, Some(Standing::Duplicate)),
            (5, 9_999, Some(Standing::Refused)),
            (6, 5, None),
        ] {
            assert_eq!(standing(group, id), expected, "{group} {id}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_our_code() {
        use ErrorKind::{
            DestinationNotAllowed, InsufficientBalance, InvalidNumber, MessageTooLong, OptedOut,
            ProviderRejected, ProviderUnavailable, RateLimited, SenderNotAllowed,
        };
        for (ids, expected) in [
            (&[8, 51, 52][..], InvalidNumber),
            (&[10, 14], OptedOut),
            (&[11, 13], SenderNotAllowed),
            (&[12, 17], InsufficientBalance),
            (&[6, 18, 19], DestinationNotAllowed),
            (&[25], MessageTooLong),
            (&[20], RateLimited),
            (&[21], ProviderUnavailable),
            (&[24, 87, 100, 9_999], ProviderRejected),
        ] {
            for id in ids {
                assert_eq!(refusal(*id), expected, "{id}");
            }
        }
    }
}
