//! What the ledger is told about a message, by what became of it at a carrier: the one way from an outcome to
//! a settlement.

use super::segments;
use crate::clock::Timestamp;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::word::{FIRST_LOOK_MS, charged, is_usable_id, taken_as};
use crate::error::ErrorKind;
use crate::ledger::Settlement;
use crate::provider::Outcome;
use crate::sms::message::State;
use crate::sms::money::Currency;
use crate::sms::untrusted;

/// What is said of a message that a provider has and does not send.
const HELD: &str = "the provider has it and holds it back: its sender or account is paused";

/// How one message ended at the carriers that were asked.
pub struct Ended<'a> {
    /// The last carrier that was asked.
    pub carrier: &'a Carrier,
    /// What it made of the message.
    pub outcome: Outcome,
}

/// What the ledger is told about a message that ended so.
pub fn settlement_of(ended: Ended<'_>, free_key: bool, at: Timestamp, currency: Currency) -> Settlement {
    let capabilities = ended.carrier.capabilities();
    let (vendor_id, status, segments, price, why) = match ended.outcome {
        Outcome::Accepted { vendor_id, status, segments, price } => {
            (vendor_id, status, segments, price, None)
        }
        Outcome::Failed { vendor_id, status, price, why } => {
            (vendor_id, status, None, price, Some(untrusted::kept_words(&why)))
        }
        Outcome::Unclear { vendor_id, why } => {
            let vendor_id = Some(vendor_id).filter(|id| is_usable_id(id));
            // Its own id is how it can be settled by asking.
            let look_at =
                (vendor_id.is_some() && capabilities.receipts_by_poll).then(|| at.plus_ms(FIRST_LOOK_MS));
            return Settlement {
                vendor_id,
                look_at,
                ..ended_as(at, State::Unknown, ErrorKind::OutcomeUnknown, why, false)
            };
        }
        Outcome::Rejected { code, why } => return ended_as(at, State::Rejected, code, why, false),
        Outcome::NotNow { code, why, .. } => return ended_as(at, State::Rejected, code, why, free_key),
        Outcome::NotSent { why, .. } => {
            return ended_as(at, State::Rejected, ErrorKind::ProviderUnavailable, why, free_key);
        }
        Outcome::Unknown { why } => {
            return ended_as(at, State::Unknown, ErrorKind::OutcomeUnknown, why, false);
        }
        Outcome::Segments(segments) => {
            let price_micros = charged(segments::price(&segments), currency);
            let parts = segments::each(segments, at);
            let settlement = segments::settlement(parts, at, capabilities.receipts_by_poll);
            return Settlement { price_micros, ..settlement };
        }
    };
    let Some(state) = taken_as(status) else {
        return ended_as(
            at,
            State::Unknown,
            ErrorKind::OutcomeUnknown,
            format!("the provider calls it {status}"),
            false,
        );
    };
    let vendor_id = vendor_id.filter(|id| is_usable_id(id));
    let is_open = !state.is_final() && vendor_id.is_some() && capabilities.receipts_by_poll;
    Settlement {
        vendor_id,
        price_micros: charged(price, currency),
        segments,
        why: why.or_else(|| (state == State::Held).then(|| HELD.to_owned())),
        look_at: is_open.then(|| at.plus_ms(FIRST_LOOK_MS)),
        ..plain(at, state)
    }
}

/// The end of a message that did not go out as it was meant, with our code and what is said of it.
pub fn ended_as(at: Timestamp, state: State, code: ErrorKind, why: String, free_key: bool) -> Settlement {
    Settlement { code: Some(code), why: Some(untrusted::kept_words(&why)), free_key, ..plain(at, state) }
}

/// The end of a message that nobody can be asked for.
pub fn not_possible(at: Timestamp, code: ErrorKind, why: String) -> Settlement {
    ended_as(at, State::Rejected, code, why, false)
}

/// A state, of which nothing else is known.
pub const fn plain(at: Timestamp, state: State) -> Settlement {
    Settlement {
        at,
        state,
        vendor_id: None,
        price_micros: None,
        segments: None,
        parts: Vec::new(),
        code: None,
        why: None,
        free_key: false,
        look_at: None,
    }
}
