//! A message that may be sent, as far as that can be told without the ledger.

use sha2::{Digest as _, Sha256};

use crate::ledger::Draft;
use crate::sms::message::Realm;
use crate::sms::money::Money;
use crate::sms::number::Number;

/// A message that may be sent. See the module's text.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The recipient.
    pub to: Number,
    /// What the ledger is asked to take.
    pub draft: Draft,
    /// What is reserved for it.
    pub price: Money,
    /// Whether the sandbox will carry it.
    pub realm: Realm,
    /// Whether a line of the operator's was added to its text.
    pub is_longer: bool,
}

/// What a text is known by where the text itself may be gone.
pub fn digest_of(text: &str) -> [u8; 16] {
    let full: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut short = [0; 16];
    short.iter_mut().zip(full).for_each(|(to, from)| *to = from);
    short
}
