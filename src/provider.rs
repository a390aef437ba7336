//! Who carries the texts.
//!
//! A [`Provider`] takes one message and says what became of it, as an [`Outcome`] and not as a `Result`: for a text
//! message "failed" is not one thing. It never retries by itself, knows nothing of budgets or of the ledger, and is
//! called at most once for a message unless it answered [`Outcome::NotSent`].
//!
//! To add one: its file with a `Config`, one variant of [`ProviderConfig`], and the contract suite runs over it.

pub mod sandbox;

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::clock::{SharedClock, Timestamp};
use crate::error::{ErrorKind, Result};
use crate::sms::message::{MessageId, State};
use crate::sms::money::Money;
use crate::sms::number::Number;

/// The settings of one `[[provider]]`, by its `kind`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProviderConfig {
    /// Built in: accepts and prices like a provider, and sends nothing.
    Sandbox(sandbox::Config),
}

impl ProviderConfig {
    /// The operator's name for it.
    pub fn name(&self) -> &str {
        match self {
            Self::Sandbox(config) => &config.name,
        }
    }

    /// Makes the provider.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when something that the settings name cannot be used.
    pub fn build(&self, clock: SharedClock) -> Result<Arc<dyn Provider>> {
        match self {
            Self::Sandbox(config) => Ok(Arc::new(sandbox::Sandbox::new(config.clone(), clock)?)),
        }
    }
}

/// What a provider can do. A capability switches code and contract tests on; nothing asks for a provider by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// [`Provider::price`] knows prices before sending.
    pub prices: bool,
    /// [`Provider::balance`] answers.
    pub balance: bool,
    /// [`Provider::status`] can look a message up by the provider's id.
    pub status: bool,
    /// [`Provider::receipts`] yields delivery receipts.
    pub receipts: bool,
    /// Texts really leave this machine.
    pub real: bool,
}

/// One message to hand over. `Debug` shows neither the text nor the number's owner's business: it is redacted.
#[derive(Clone)]
pub struct Submission {
    /// Our reference.
    pub id: MessageId,
    /// The recipient.
    pub to: Number,
    /// The sender ID to show; the provider's own where none.
    pub from: Option<String>,
    /// The text.
    pub text: String,
    /// How many segments the text takes.
    pub segments: u32,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission").field("id", &self.id).field("segments", &self.segments).finish_non_exhaustive()
    }
}

/// What became of a message that was handed over. Only [`Outcome::NotSent`] may ever be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The provider took it.
    Accepted {
        /// The provider's id.
        vendor_id: Option<String>,
        /// What the provider says of it so far.
        status: State,
        /// Segments that are charged, where the provider says so.
        segments: Option<u32>,
        /// The real price, where the provider says so.
        price: Option<Money>,
    },
    /// A definite no, for good: nothing was sent and nothing is charged.
    Rejected {
        /// Our code for it.
        code: ErrorKind,
        /// The provider's words.
        why: String,
    },
    /// It certainly was not taken, and may be tried again: refused before the first byte, or throttled.
    NotSent {
        /// How long the provider asks to wait, in milliseconds.
        retry_after_ms: Option<u64>,
        /// Why.
        why: String,
    },
    /// The answer was lost. It may have gone out, so it is never sent again.
    Unknown {
        /// What is known.
        why: String,
    },
}

/// What a provider has to spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Money.
    Money(Money),
    /// The provider's own unit.
    Credits {
        /// Millionths of one credit.
        micros: i64,
    },
}

/// A report about a message that was accepted earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The provider's id.
    pub vendor_id: String,
    /// What it says now.
    pub state: State,
    /// When that happened, if the provider says so.
    pub at: Timestamp,
    /// The provider's error code or words, if it failed.
    pub why: Option<String>,
}

/// A carrier of texts. See the module's text.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The operator's name for it.
    fn name(&self) -> &str;

    /// The price of a message before it is sent, for all its segments.
    fn price(&self, to: &Number, segments: u32) -> Option<Money>;

    /// Hands one message over. The caller bounds the time; dropping the future counts as a lost answer.
    async fn send(&self, submission: &Submission) -> Outcome;

    /// What is left to spend.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`], or [`ErrorKind::ProviderUnavailable`] when it cannot be asked now.
    async fn balance(&self) -> Result<Balance>;

    /// Looks a message up by the provider's id. `None`: the provider does not know it.
    ///
    /// # Errors
    /// [`ErrorKind::NotSupported`], or [`ErrorKind::ProviderUnavailable`] when it cannot be asked now.
    async fn status(&self, vendor_id: &str) -> Result<Option<Receipt>>;

    /// The stream of receipts; the first caller gets it.
    fn receipts(&self) -> Option<mpsc::Receiver<Receipt>>;
}
