//! The one error of the crate.
//!
//! An [`Error`] says three things: what went wrong ([`ErrorKind`], a stable code that scripts and agents may
//! match on), the facts of this case (`message`), and what to do next (`next`). What an agent sees is built
//! from these three and nothing else; causes that only an operator may see travel in `source` and go to the
//! log.

use std::fmt;

/// What went wrong, as a stable code. Codes are part of the tool contract and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is missing, of the wrong type, or out of range.
    InvalidArgument,
    /// The recipient is no phone number in use.
    InvalidNumber,
    /// A premium-rate or shared-cost number.
    PremiumDestination,
    /// The operator's lists keep this destination out.
    DestinationNotAllowed,
    /// `from` has no sender's form, or is not among the allowed ones.
    SenderNotAllowed,
    /// Agents may not send texts for this purpose.
    PurposeNotAllowed,
    /// No text of this purpose may reach this person at this hour.
    QuietHours,
    /// Marketing to who cannot answer, without a way to get no more.
    NoWayOut,
    /// More segments than allowed.
    MessageTooLong,
    /// More recipients than allowed.
    BulkTooLarge,
    /// Some recipients of a bulk cannot be taken.
    RecipientsRefused,
    /// It does not fit a budget.
    BudgetExceeded,
    /// A provider charged more than was held; a person must look.
    BudgetFrozen,
    /// This person had enough messages.
    RecipientLimit,
    /// The same text went to the same person just now.
    DuplicateSuspected,
    /// The key stands for another call.
    IdempotencyConflict,
    /// Too much of this agent waits for a person's yes.
    TooManyPending,
    /// A person said no.
    ApprovalRefused,
    /// Nobody said yes in time.
    ApprovalExpired,
    /// Too many messages at once.
    RateLimited,
    /// Nobody knows a price in the budget's currency.
    PriceUnknown,
    /// The provider's account is too low.
    InsufficientBalance,
    /// This person asked for no more texts.
    OptedOut,
    /// It is on no record that this person agreed to such texts.
    ConsentMissing,
    /// The provider refused for good.
    ProviderRejected,
    /// The provider refuses our credentials or rights.
    ProviderUnauthorized,
    /// The provider certainly did not take it.
    ProviderUnavailable,
    /// It was handed over and the answer was lost.
    OutcomeUnknown,
    /// Some of its segments went out, and the others certainly did not.
    PartlySent,
    /// No such session handle, or it has expired.
    SessionInvalid,
    /// No such message, bulk or budget.
    NotFound,
    /// The provider cannot do this.
    NotSupported,
    /// The ledger cannot be read or written.
    LedgerUnavailable,
    /// The ledger may be an older one, or another one, than that which was sent from last.
    LedgerInDoubt,
    /// The ledger's disk is full, or nearly.
    StorageFull,
    /// The machine's clock cannot be right.
    ClockUnreliable,
    /// The operator has paused sending.
    Paused,
    /// The server is stopping.
    ShuttingDown,
    /// The configuration cannot be used.
    Config,
    /// A fault of this program.
    Internal,
}

impl ErrorKind {
    /// The code as it appears in tool results, in `--json` output and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::InvalidNumber => "invalid_number",
            Self::PremiumDestination => "premium_destination",
            Self::DestinationNotAllowed => "destination_not_allowed",
            Self::SenderNotAllowed => "sender_not_allowed",
            Self::PurposeNotAllowed => "purpose_not_allowed",
            Self::QuietHours => "quiet_hours",
            Self::NoWayOut => "no_way_out",
            Self::MessageTooLong => "message_too_long",
            Self::BulkTooLarge => "bulk_too_large",
            Self::RecipientsRefused => "recipients_refused",
            Self::BudgetExceeded => "budget_exceeded",
            Self::BudgetFrozen => "budget_frozen",
            Self::RecipientLimit => "recipient_limit",
            Self::DuplicateSuspected => "duplicate_suspected",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::TooManyPending => "too_many_pending",
            Self::ApprovalRefused => "approval_refused",
            Self::ApprovalExpired => "approval_expired",
            Self::RateLimited => "rate_limited",
            Self::PriceUnknown => "price_unknown",
            Self::InsufficientBalance => "insufficient_balance",
            Self::OptedOut => "opted_out",
            Self::ConsentMissing => "consent_missing",
            Self::ProviderRejected => "provider_rejected",
            Self::ProviderUnauthorized => "provider_unauthorized",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::PartlySent => "partly_sent",
            Self::SessionInvalid => "session_invalid",
            Self::NotFound => "not_found",
            Self::NotSupported => "not_supported",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::LedgerInDoubt => "ledger_in_doubt",
            Self::StorageFull => "storage_full",
            Self::ClockUnreliable => "clock_unreliable",
            Self::Paused => "paused",
            Self::ShuttingDown => "shutting_down",
            Self::Config => "config",
            Self::Internal => "internal",
        }
    }

    const ALL: [Self; 40] = [
        Self::InvalidArgument,
        Self::InvalidNumber,
        Self::PremiumDestination,
        Self::DestinationNotAllowed,
        Self::SenderNotAllowed,
        Self::PurposeNotAllowed,
        Self::QuietHours,
        Self::NoWayOut,
        Self::MessageTooLong,
        Self::BulkTooLarge,
        Self::RecipientsRefused,
        Self::BudgetExceeded,
        Self::BudgetFrozen,
        Self::RecipientLimit,
        Self::DuplicateSuspected,
        Self::IdempotencyConflict,
        Self::TooManyPending,
        Self::ApprovalRefused,
        Self::ApprovalExpired,
        Self::RateLimited,
        Self::PriceUnknown,
        Self::InsufficientBalance,
        Self::OptedOut,
        Self::ConsentMissing,
        Self::ProviderRejected,
        Self::ProviderUnauthorized,
        Self::ProviderUnavailable,
        Self::OutcomeUnknown,
        Self::PartlySent,
        Self::SessionInvalid,
        Self::NotFound,
        Self::NotSupported,
        Self::LedgerUnavailable,
        Self::LedgerInDoubt,
        Self::StorageFull,
        Self::ClockUnreliable,
        Self::Paused,
        Self::ShuttingDown,
        Self::Config,
        Self::Internal,
    ];

    /// The kind behind a code read back from the ledger; [`ErrorKind::Internal`] for a code of a newer
    /// version.
    pub fn from_code(code: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.as_str() == code).unwrap_or(Self::Internal)
    }

    /// Whether the very same call can work later with nothing changed but the time.
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::RecipientLimit
                | Self::ProviderUnavailable
                | Self::LedgerUnavailable
                | Self::StorageFull
                | Self::ShuttingDown
        )
    }

    /// Whether the ledger cannot be read or written, for whatever reason.
    pub const fn is_of_ledger(self) -> bool {
        matches!(self, Self::LedgerUnavailable | Self::StorageFull)
    }

    /// What to do next where the place that failed knows nothing better.
    #[expect(clippy::too_many_lines, reason = "a table")]
    const fn default_next(self) -> &'static str {
        match self {
            Self::InvalidArgument => "Correct the named argument and call again. Nothing was sent.",
            Self::InvalidNumber => {
                "Ask the person who gave the number for it, with its country code; write it as +<country \
                 code><number>. Nothing was sent."
            }
            Self::PremiumDestination => {
                "This kind of number is never texted. Ask the user for an ordinary mobile number."
            }
            Self::DestinationNotAllowed => {
                "Only the operator can allow this destination ([guard] allow_destinations, \
                 deny_destinations). Tell the user; do not try other spellings."
            }
            Self::SenderNotAllowed => {
                "Leave `from` out to use the configured sender, or use one of the allowed senders."
            }
            Self::PurposeNotAllowed => {
                "Nothing was sent. Only the operator can allow it ([guard] purposes). Tell the user; do not \
                 name another purpose or split the text."
            }
            Self::QuietHours => {
                "Nothing was sent. Tell the user when it may be sent, or set it for then with `send_at`."
            }
            Self::NoWayOut => {
                "Nothing was sent. Add one of the named ways to the text as it is written there, and call again."
            }
            Self::MessageTooLong => {
                "Shorten the message; `dry_run: true` shows segments and which characters make it longer."
            }
            Self::BulkTooLarge => {
                "Split the recipients into smaller batches, each with its own idempotency_key."
            }
            Self::RecipientsRefused => {
                "Correct or remove the listed recipients, or call again with on_invalid: \"skip\" to send \
                 to the rest. Nothing was sent."
            }
            Self::BudgetExceeded => {
                "Nothing was sent. Only the operator can raise a budget. Tell the user what is left \
                 (get_balance) and stop."
            }
            Self::BudgetFrozen => {
                "Nothing was sent. The provider charged more than was reserved; the operator must look and \
                 run `sms-mcp budget unfreeze`."
            }
            Self::RecipientLimit => {
                "Nothing was sent. This person has had enough messages for now; tell the user instead of \
                 trying again."
            }
            Self::DuplicateSuspected => {
                "Nothing was sent again. Check the earlier message with get_status. Only if the user wants \
                 the same text twice, call again with allow_duplicate: true."
            }
            Self::IdempotencyConflict => {
                "Use a new idempotency_key for a new intent; repeat the first call exactly to see its result."
            }
            Self::TooManyPending => {
                "Nothing was sent. Tell the user that a person has to decide on what waits (`sms-mcp \
                 approvals`), and stop until then; cancel_sms takes back what is not needed any more."
            }
            Self::ApprovalRefused => {
                "Nothing was sent: a person said no. Tell the user; do not send it in other words or in parts."
            }
            Self::ApprovalExpired => {
                "Nothing was sent: nobody said yes in time. Ask the user whether it is still wanted."
            }
            Self::RateLimited => "Nothing was sent. Wait, then call again.",
            Self::PriceUnknown => {
                "Nothing was sent. The operator must add a price to [rates] or set [guard] \
                 price_when_unknown."
            }
            Self::InsufficientBalance => {
                "Nothing was sent. The account at the provider must be topped up by its owner; tell the user."
            }
            Self::OptedOut => {
                "Nothing was sent, and nothing may be: this person asked for no more texts. Tell the user; \
                 do not look for another way."
            }
            Self::ConsentMissing => {
                "Nothing was sent. Tell the user: where this person agreed, the operator can record it (`sms-mcp \
                 consent add`). No agent can; do not name another purpose."
            }
            Self::ProviderUnauthorized => {
                "Nothing was sent. The provider refuses the credentials or what they may do; the operator \
                 must look (`sms-mcp config check --live`)."
            }
            Self::ProviderRejected => {
                "The provider refused this message for good; it was not sent. Do not repeat it unchanged."
            }
            Self::ProviderUnavailable => {
                "Nothing was sent. The same call may be tried again later with the same idempotency_key."
            }
            Self::OutcomeUnknown => {
                "Do NOT retry: the message may have gone out. Its money stays reserved. Look at get_status \
                 later, and tell the user that it is not certain."
            }
            Self::PartlySent => {
                "Do NOT send the whole text again: a part of it went out, and was charged. get_status shows \
                 which segments. Tell the user; they decide what to send."
            }
            Self::SessionInvalid => "Call open_session for a new handle, or leave `session` out.",
            Self::NotFound => "Check the id; list_sms shows the recent ones.",
            Self::NotSupported => {
                "This provider cannot do it; see get_balance and list_sms for what is known here."
            }
            Self::LedgerUnavailable => {
                "Nothing was sent, because what is sent must be recorded first. The operator must look at \
                 the ledger file and its disk."
            }
            Self::LedgerInDoubt => {
                "Nothing is sent until a person has looked: what was sent, what was spent and who opted out \
                 may be missing here. Tell the user, and do not ask \
                 again with another idempotency_key. The operator puts the newest ledger in its place, or \
                 runs `sms-mcp ledger accept` at a terminal."
            }
            Self::StorageFull => {
                "Nothing was sent, because what is sent must be recorded first. The operator must make room \
                 on the ledger's disk; then it goes on by itself."
            }
            Self::ClockUnreliable => {
                "Nothing was sent. The operator must set the machine's clock; if the clock is right now and \
                 was wrong before, run `sms-mcp budget accept-clock`."
            }
            Self::Paused => {
                "Nothing was sent. The operator has paused sending, and only the operator can go on \
                 (`sms-mcp resume`). Tell the user; do not try again until then."
            }
            Self::ShuttingDown => {
                "Nothing was sent. The server is stopping; call again when it is back, with the same \
                 idempotency_key."
            }
            Self::Config => "Run `sms-mcp config check`.",
            Self::Internal => {
                "Nothing more is known here; the operator's log has the cause. Do not retry a send before \
                 get_status or list_sms shows its state."
            }
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One recipient of a bulk send that could not be taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct RefusedRecipient {
    /// The recipient as it was written in the call.
    pub to: String,
    /// A stable error code.
    pub code: String,
    /// What is wrong with this recipient.
    pub message: String,
}

/// Details of an [`Error`] that only some kinds carry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The message that the error speaks of, as an id for `get_status`.
    pub message_id: Option<String>,
    /// How long to wait before the same call can work, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Text that the provider wrote: from outside, so to be read as data.
    pub provider_said: Option<String>,
    /// The recipients of a bulk send that cannot be taken.
    pub refused: Vec<RefusedRecipient>,
}

/// A failure with a stable code, the facts, and the next step. See the module's text.
pub struct Error {
    kind: ErrorKind,
    message: String,
    next: Option<String>,
    details: Box<Details>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// `Result` with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with the facts of this case; the next step is the kind's usual one.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), next: None, details: Box::default(), source: None }
    }

    /// Replaces the kind's usual next step.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Adds the cause, for the operator's log only.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Names the message that the error speaks of.
    #[must_use]
    pub fn about_message(mut self, id: impl Into<String>) -> Self {
        self.details.message_id = Some(id.into());
        self
    }

    /// Says how long to wait, in milliseconds.
    #[must_use]
    pub fn retry_after_ms(mut self, wait_ms: u64) -> Self {
        self.details.retry_after_ms = Some(wait_ms);
        self
    }

    /// Adds what the provider wrote.
    #[must_use]
    pub fn provider_said(mut self, text: impl Into<String>) -> Self {
        self.details.provider_said = Some(text.into());
        self
    }

    /// Adds the recipients that were refused.
    #[must_use]
    pub fn refused(mut self, refused: Vec<RefusedRecipient>) -> Self {
        self.details.refused = refused;
        self
    }

    /// The stable code.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The facts of this case.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub fn next_step(&self) -> &str {
        self.next.as_deref().unwrap_or(self.kind.default_next())
    }

    /// What it says of this case, for whoever knows what it must not say.
    pub fn texts(&mut self) -> impl Iterator<Item = &mut String> {
        std::iter::once(&mut self.message).chain(&mut self.details.provider_said)
    }

    /// What only some kinds carry.
    pub fn details(&self) -> &Details {
        &self.details
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_and_no_two_are_alike() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.as_str()), kind);
        }
    }

    #[test]
    fn an_unknown_outcome_says_not_to_retry() {
        let error = Error::new(ErrorKind::OutcomeUnknown, "no answer in 30 s");
        assert!(error.next_step().contains("NOT retry"));
        assert!(!error.kind().is_temporary());
    }
}
