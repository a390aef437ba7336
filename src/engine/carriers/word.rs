//! What a vendor's word is worth: whether an id is one, what a price comes to, what a state means for a
//! message, and which number is written.

use crate::clock::Timestamp;
use crate::sms::message::State;
use crate::sms::money::{Currency, Money};
use crate::sms::number::Number;

/// When a provider is first asked how a message is, where nothing comes by itself, in milliseconds.
pub const FIRST_LOOK_MS: i64 = 5_000;

/// Longest id of a vendor that is recorded, in bytes.
const MAX_VENDOR_ID: usize = 256;

/// Most that one message is believed to cost, in millionths: a thousand million units.
const MOST_MICROS: i64 = 1_000_000_000_000_000;

/// How far from now a time of a report or of a text may be, in milliseconds: two years behind, and a day ahead.
/// What is farther off was meant otherwise (digits of a local date, milliseconds in the place of seconds), and
/// a STOP of another century would be lost.
const LONGEST_AGO_MS: i64 = 2 * 366 * 86_400_000;
const FARTHEST_AHEAD_MS: i64 = 86_400_000;

/// Nobody asked a vendor for no more texts before that: the year 2000.
const FIRST_WISH: Timestamp = Timestamp(946_684_800_000);

/// A time that a vendor tells of something that just happened, if it can be meant.
pub fn recent(at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let is_near = (now.plus_ms(-LONGEST_AGO_MS)..=now.plus_ms(FARTHEST_AHEAD_MS)).contains(&at);
    is_near.then_some(at)
}

/// A time since when a vendor says that something is so, if it can be meant: lists keep people for many years.
pub fn since(at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    (FIRST_WISH..=now.plus_ms(FARTHEST_AHEAD_MS)).contains(&at).then_some(at)
}

/// Whether a vendor's id is one. It is kept, asked by, and shown to agents as it is, so it holds nothing that
/// a reader could take for words: visible ASCII without spaces, of a length that an id has.
pub fn is_usable_id(id: &str) -> bool {
    (1..=MAX_VENDOR_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What a vendor's word about a price is in the ledger, in millionths: nothing where it is in another
/// currency or no price at all. One beyond all reason freezes the budget like any that is too high, and must
/// not overflow its sum.
pub fn charged(price: Option<Money>, currency: Currency) -> Option<i64> {
    let price = price.filter(|price| price.currency == currency && price.micros >= 0)?;
    Some(price.micros.min(MOST_MICROS))
}

/// The state of a message that a provider has: one that waits there is held back. Nothing where what the
/// provider calls it does not say that it has it.
pub const fn taken_as(status: State) -> Option<State> {
    match status {
        State::Sent | State::Delivered | State::Failed | State::Expired => Some(status),
        State::Proposed | State::Scheduled | State::Queued | State::Held => Some(State::Held),
        State::Attempting | State::Rejected | State::Canceled | State::Unknown => None,
    }
}

/// A number that a vendor wrote with its country code, with the `+` or without.
pub fn e164(text: &str) -> Option<Number> {
    let text = text.trim();
    let is_bare =
        !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_bare { Number::parse(&format!("+{text}"), None) } else { Number::parse(text, None) };
    number.ok().filter(Number::is_possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendors_spelling_of_a_number_is_read_with_its_country_code_only() {
        let read = |text: &str| e164(text).map(|number| number.e164().to_owned());
        for text in ["+33199000001", "33199000001", "0033199000001", " +33 1 99 00 00 01 "] {
            assert_eq!(read(text).as_deref(), Some("+33199000001"), "{text}");
        }
        for text in ["", "0199000001", "36179", "ACME", "+", "12"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
