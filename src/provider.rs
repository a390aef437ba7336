//! Who carries the texts.
//!
//! A [`Provider`] takes messages and says what became of each, as an [`Outcome`] and not as a `Result`: for a
//! text message "failed" is not one thing. It never tries a send again by itself, knows nothing of budgets or
//! of the ledger, and is called at most once for a message unless it answered [`Outcome::NotSent`].
//!
//! To add one: its file with a `Config` that implements [`Settings`] and [`Build`], one line in `kinds!`
//! below, a fake of it for the contract suite, and a row in `docs/PROVIDERS.md`.

pub mod a2p_pro;
pub mod aws;
mod certificate;
mod contract;
pub mod exchange;
pub mod failure;
pub mod line;
pub mod mailersend;
pub mod mailpro;
pub mod rest;
pub mod sandbox;
pub mod settings;
pub mod signature;
pub mod sms_for_ai;
pub mod tables;
pub mod telnyx;
mod tls;
pub mod twilio;
pub mod worded;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
pub use contract::{Balance, Build, Capabilities, Form, Outcome, Provider, Reference, Submission};
pub use exchange::SegmentOutcome;
use line::{cmpp, smpp};
use settings::{Settings, Setup};

/// Lists the kinds of providers once: the enum of their settings, and the way to what all settings have in
/// common.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident($module:ident),)+) => {
        /// The settings of one `[[provider]]`, by its `kind`.
        #[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ProviderConfig {
            $($(#[doc = $doc])+ $kind(Box<$module::Config>),)+
        }

        impl ProviderConfig {
            /// Every `kind`, in the order of the documents.
            pub const KINDS: &[&str] = &[$(stringify!($module)),+];

            /// What all settings have in common.
            pub fn settings(&self) -> &dyn Settings {
                match self {
                    $(Self::$kind(config) => config.as_ref(),)+
                }
            }

            /// Makes the provider. Nothing is connected yet.
            ///
            /// # Errors
            /// [`ErrorKind::Config`](crate::error::ErrorKind::Config) when something that the settings name
            /// cannot be used.
            pub fn build(&self, setup: Setup) -> Result<Arc<dyn Provider>> {
                match self {
                    $(Self::$kind(config) => config.build(setup),)+
                }
            }
        }
    };
}

kinds! {
    /// Built in: accepts and prices like a provider, and sends nothing.
    Sandbox(sandbox),
    /// SMS for AI (`www.smsforai.com`).
    SmsForAi(sms_for_ai),
    /// A2P Pro (`www.a2ppro.com`).
    A2pPro(a2p_pro),
    /// MailerSend: texts to the United States and Canada.
    Mailersend(mailersend),
    /// Mailpro (`www.mailpro.com`).
    Mailpro(mailpro),
    /// Telnyx (`telnyx.com`).
    Telnyx(telnyx),
    /// Twilio (`www.twilio.com`).
    Twilio(twilio),
    /// AWS End User Messaging SMS.
    Aws(aws),
    /// A CMPP gateway (2.0, 2.1 or 3.0).
    Cmpp(cmpp),
    /// SMPP v3.4: a bind to a carrier or an aggregator.
    Smpp(smpp),
}

impl ProviderConfig {
    /// The operator's name for it.
    pub fn name(&self) -> &str {
        self.settings().name()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_by_its_word() {
        for kind in ProviderConfig::KINDS {
            let read = serde_json::from_value::<ProviderConfig>(serde_json::json!({ "kind": kind }));
            assert!(read.is_ok(), "{kind}: {read:?}");
        }
    }
}
