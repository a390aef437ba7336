//! Who may decide what agents may not: approvers, by what they prove it with, and what they say yes to.
//!
//! Everything here is pure: no file, no clock, no randomness. A [`Challenge`] is the text that says what is
//! decided. An approver proves that the yes is theirs by an SSH signature over it ([`ssh`]), by a one-time
//! code ([`totp`]), or by a word that was texted to their phone ([`word`]). The ledger keeps who they are and counts their tries; the engine puts the two together.

pub mod challenge;
pub mod proof;
pub mod ssh;
pub mod totp;
pub mod word;

pub use challenge::{Challenge, Decision, NAMESPACE};
pub use proof::Proof;
