//! Who may decide what agents may not: approvers, by what they prove it with, and what they say yes to.
//!
//! Everything here is pure: no file, no clock, no randomness. A [`Challenge`] is the text that says what is
//! decided. An approver proves that the yes is theirs by an SSH signature over it ([`ssh`]), or by a one-time
//! code ([`totp`]). The ledger keeps who they are and counts their tries; the engine puts the two together.

pub mod challenge;
pub mod proof;
pub mod settings;
pub mod ssh;
pub mod totp;

pub use challenge::{Challenge, Decision, NAMESPACE};
pub use proof::Proof;
pub use settings::Settings;
