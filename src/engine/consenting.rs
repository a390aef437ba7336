//! The verbs of the engine about what people agreed to.

use super::Engine;
use super::caller::{Caller, Person};
use super::operate::consents::{ConsentRecord, Imported, NewConsent};
use crate::error::Result;
use crate::ledger::E164;
use crate::ledger::consents::MakeConsents;
use crate::sms::consent::Latest;
use crate::sms::purpose::Purpose;

impl Engine {
    /// Records what somebody agreed to. Returns whether it is news.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) for a withdrawal, or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn add_consent(&self, person: &Person, consent: NewConsent) -> Result<bool> {
        self.rooms.operate.add_consent(person, consent).await
    }

    /// Records that somebody withdrew it, or does so now. Returns whether it is news.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) for what is no withdrawal, or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn withdraw_consent(&self, caller: &Caller, consent: NewConsent, is_now: bool) -> Result<bool> {
        self.rooms.operate.withdraw_consent(caller, consent, is_now).await
    }

    /// What counts of a person (in E.164) and a purpose.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn latest_consent(&self, number: &str, purpose: Purpose) -> Result<Option<Latest>> {
        self.rooms.operate.latest_consent(E164(number), purpose).await
    }

    /// Records what stands in a file of this name, all of it or nothing.
    ///
    /// # Errors
    /// What `make` answers, or [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn import_consents(&self, person: &Person, file: &str, make: MakeConsents) -> Result<Imported> {
        self.rooms.operate.import_consents(person, file, make).await
    }

    /// Every record of this number and of others that may be the same phone, latest first; and the number, in E.164.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`](crate::error::ErrorKind::InvalidNumber) or
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn consents_of(&self, caller: &Caller, number: &str) -> Result<(String, Vec<ConsentRecord>)> {
        self.rooms.operate.consents_of(caller, number).await
    }

    /// Records behind this one, in the order in which they were written down.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable).
    pub async fn consents_after(&self, caller: &Caller, id: i64, most: u32) -> Result<Vec<ConsentRecord>> {
        self.rooms.operate.consents_after(caller, id, most).await
    }
}
