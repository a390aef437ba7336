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
pub mod generic_http;
pub mod infobip;
pub mod line;
pub mod mailersend;
pub mod mailpro;
pub mod plivo;
pub mod rest;
pub mod sandbox;
pub mod settings;
pub mod signature;
pub mod sinch;
pub mod sms_for_ai;
pub mod sms_gateway;
pub mod tables;
pub mod telnyx;
mod tls;
pub mod twilio;
pub mod vonage;
pub mod worded;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
pub use contract::{
    Balance, Build, Capabilities, Form, Outcome, Provider, Reference, Rehearsal, Submission, alike,
};
pub use exchange::SegmentOutcome;
use line::{cmpp, smpp};
use settings::{Settings, Setup};

/// Lists the kinds of providers once: the enum of their settings, and the way to what all settings have in
/// common. The word of a kind is that of its module, unless it is named.
macro_rules! kinds {
    (@ word $module:ident) => { stringify!($module) };
    (@ word $module:ident $word:literal) => { $word };
    ($($(#[doc = $doc:literal])+ $kind:ident($module:ident $(= $word:literal)?),)+) => {
        /// The settings of one `[[provider]]`, by its `kind`.
        #[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
        #[serde(tag = "kind", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum ProviderConfig {
            $($(#[doc = $doc])+ $kind(Box<$module::Config>),)+
        }

        impl ProviderConfig {
            /// Every `kind`, in the order of the documents.
            pub const KINDS: &[&str] = &[$(kinds!(@ word $module $($word)?)),+];

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
    /// Infobip (`www.infobip.com`).
    Infobip(infobip),
    /// MailerSend: texts to the United States and Canada.
    Mailersend(mailersend),
    /// Mailpro (`www.mailpro.com`).
    Mailpro(mailpro),
    /// Plivo (`www.plivo.com`).
    Plivo(plivo),
    /// Sinch (`www.sinch.com`).
    Sinch(sinch),
    /// SMS Gateway for Android (`sms-gate.app`): a phone of your own.
    SmsGateway(sms_gateway),
    /// Telnyx (`telnyx.com`).
    Telnyx(telnyx),
    /// Twilio (`www.twilio.com`).
    Twilio(twilio),
    /// AWS End User Messaging SMS.
    Aws(aws),
    /// Vonage (`www.vonage.com`).
    Vonage(vonage),
    /// Any gateway with an HTTP interface, by its settings; and some that are known here.
    Http(generic_http = "http"),
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
