//! The verbs of the engine about what people agreed to.

use super::Engine;
use super::caller::{Caller, Person};
use super::operate::consents::{ConsentRecord, Imported, NewConsent};
use super::submit::own::{By, OwnSent, OwnText};
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::E164;
use crate::ledger::consents::MakeConsents;
use crate::sms::consent::Latest;
use crate::sms::facts::Limits;
use crate::sms::own::Own;
use crate::sms::purpose::Purpose;

impl Engine {
    /// Records what somebody agreed to. Returns whether it is news.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a withdrawal, or
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn add_consent(&self, person: &Person, consent: NewConsent) -> Result<bool> {
        self.rooms.operate.add_consent(person, consent).await
    }

    /// Records that somebody withdrew it, or does so now. Returns whether it is news.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for what is no withdrawal, or
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn withdraw_consent(&self, caller: &Caller, consent: NewConsent, is_now: bool) -> Result<bool> {
        self.rooms.operate.withdraw_consent(caller, consent, is_now).await
    }

    /// What counts of a person (in E.164) and a purpose.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn latest_consent(&self, number: &str, purpose: Purpose) -> Result<Option<Latest>> {
        self.rooms.operate.latest_consent(E164(number), purpose).await
    }

    /// Records what stands in a file of this name, all of it or nothing.
    ///
    /// # Errors
    /// What `make` answers, or [`ErrorKind::LedgerUnavailable`].
    pub async fn import_consents(&self, person: &Person, file: &str, make: MakeConsents) -> Result<Imported> {
        self.rooms.operate.import_consents(person, file, make).await
    }

    /// Asks somebody by the operator's text whether they want marketing, at most once in a UTC day. A YES of theirs
    /// is a consent then. Returns the number, and until when it counts.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`] where the operator has no such text, [`ErrorKind::RecipientLimit`] where they were
    /// asked today, [`ErrorKind::OptedOut`] where they want no texts, and whatever keeps a text from leaving.
    pub async fn ask_consent(&self, caller: &Caller, number: &str) -> Result<(String, Timestamp)> {
        let rules = self.guard().consent();
        let Some(text) = rules.ask_text.clone() else {
            let message = "there is no text to ask with: [consent] ask_text is not set";
            return Err(Error::new(ErrorKind::NotSupported, message).next("Write it. Nothing was sent."));
        };
        let to = self.rooms.operate.may_ask(number).await?;
        let own = OwnText {
            own: Own::Consent,
            to: to.clone(),
            text: text.clone(),
            by: By::Routes,
            key: format!("consent:{}:{}", to.e164(), self.rooms.life.now().utc_day()),
            day: Limits { spend_micros: Some(rules.ask_spend.0), messages: Some(rules.ask_per_day.into()) },
        };
        if let OwnSent::Before(_) = self.rooms.submit.send_own(own).await? {
            let message = format!("{to} was asked today already");
            return Err(
                Error::new(ErrorKind::RecipientLimit, message).next("Nothing was sent. Ask another day.")
            );
        }
        let expires = self.rooms.operate.note_ask(caller, &to, &text).await?;
        Ok((to.e164().to_owned(), expires))
    }

    /// Every record of this number and of others that may be the same phone, latest first; and the number, in E.164.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidNumber`] or
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn consents_of(&self, caller: &Caller, number: &str) -> Result<(String, Vec<ConsentRecord>)> {
        self.rooms.operate.consents_of(caller, number).await
    }

    /// Records behind this one, in the order in which they were written down.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    pub async fn consents_after(&self, caller: &Caller, id: i64, most: u32) -> Result<Vec<ConsentRecord>> {
        self.rooms.operate.consents_after(caller, id, most).await
    }
}
