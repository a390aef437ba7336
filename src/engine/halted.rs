//! Whether anything may begin: asked wherever a text is accepted, claimed or handed over.
//!
//! A pause and a full disk are one thing here: what has begun is finished, what is queued waits, and what
//! would begin anew is refused, or comes back as if it had not been tried.

use std::sync::Arc;

use crate::error::ErrorKind;
use crate::halt::{Brake, Extent, Halt, Halts};
use crate::provider::{Outcome, Submission};

/// What is asked whether anything may begin. Cloning shares it.
#[derive(Clone)]
pub struct Halting {
    halts: Arc<Halts>,
}

impl Halting {
    /// By what these know.
    pub fn by(halts: Arc<Halts>) -> Self {
        Self { halts }
    }

    /// What it asks.
    pub fn halts(&self) -> &Arc<Halts> {
        &self.halts
    }

    /// What stops this principal's texts before they begin.
    pub fn brake(&self, principal: &str) -> Brake {
        Brake::new(&self.halts, principal)
    }

    /// Why nothing of this principal begins at any of these providers, in the order in which they would be
    /// asked.
    pub fn at<'a>(&self, principal: &str, providers: impl IntoIterator<Item = &'a str>) -> Option<Halt> {
        self.halts.look();
        let mut first = None;
        for provider in providers {
            let halt = self.halts.of(Some(principal), Some(provider))?;
            first.get_or_insert(halt);
        }
        first
    }

    /// What becomes of a message that may not begin at this provider now.
    pub fn halted(&self, provider: &str, submission: &Submission) -> Option<Outcome> {
        self.halts.look();
        submission.brake.pulled(provider).map(not_begun)
    }

    /// Why nothing at all is handed over to this provider now, whoever's it is.
    pub fn standstill(&self, provider: &str) -> Option<Halt> {
        self.halts.look();
        self.halts.of(None, Some(provider))
    }

    /// Why nothing of this principal begins anywhere.
    pub fn of(&self, principal: &str) -> Option<Halt> {
        self.halts.of(Some(principal), None)
    }

    /// What this principal should know of a pause, or of a disk without room.
    pub fn warning<'a>(
        &self,
        principal: &str,
        providers: impl IntoIterator<Item = &'a str>,
    ) -> Option<String> {
        self.halts.look();
        let of_one =
            || providers.into_iter().find_map(|provider| self.halts.of(Some(principal), Some(provider)));
        let halt = self.of(principal).or_else(of_one)?;
        Some(format!("Nothing new begins: {}. What is queued waits; do not send it again.", halt.why))
    }

    /// How much the operator has paused.
    pub fn extent(&self) -> Extent {
        self.halts.look();
        self.halts.extent()
    }
}

/// Nothing of it left, and the provider is well.
pub fn not_begun(halt: Halt) -> Outcome {
    Outcome::NotNow { code: halt.code, retry_after_ms: 0, why: halt.why }
}

/// Whether a message that came back with this code waits for whatever keeps everything from beginning, and
/// not for its own turn.
pub const fn is_halt(code: ErrorKind) -> bool {
    matches!(code, ErrorKind::Paused | ErrorKind::StorageFull | ErrorKind::LedgerUnavailable)
}
