//! What would be a bare text among others where a verb of the ledger asks for several: none of these is taken
//! for another.

use crate::clock::Timestamp;
use crate::sms::message::Realm;

/// The name of a provider, as the settings call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderName<'a>(pub &'a str);

/// What a provider calls a message, a segment or a reply. It means nothing without the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorId<'a>(pub &'a str);

/// A person's number in E.164.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct E164<'a>(pub &'a str);

/// A message that a provider may have on record, and gave us no id of.
#[derive(Clone, Copy, Debug)]
pub struct Nameless<'a> {
    /// The provider.
    pub provider: &'a str,
    /// On which side.
    pub realm: Realm,
    /// The recipient in E.164.
    pub to: &'a str,
    /// Digest of its text.
    pub digest: [u8; 16],
    /// It was under way at this moment or later.
    pub from: Timestamp,
    /// It was accepted at this moment or before.
    pub until: Timestamp,
}
