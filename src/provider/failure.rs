//! What a vendor's code for a failure says, in words that a person understands.
//!
//! Each vendor has one table ([`FAILURES`](super::tables::FAILURES)): what an answer, a report and the log say of a
//! code, and what `sms-mcp explain` prints, is the same. A table has the codes that the vendor's pages have
//! and no others; of a code that is not in it the vendor's own words are shown, and nothing is concluded.

use std::borrow::Cow;
use std::fmt;

/// Whose move it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Whoever asked for the text: its number or its words are in the way.
    Caller,
    /// The operator: the account, its senders or its settings are in the way.
    Operator,
    /// The person who was texted, or their phone.
    Recipient,
    /// The vendor, or a network behind it.
    Vendor,
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Caller => "whoever sends: the number or the text",
            Self::Operator => "the operator: the account, its senders or the settings",
            Self::Recipient => "the person who was texted",
            Self::Vendor => "the vendor, or a network behind it",
        })
    }
}

/// Whether trying again can help. It permits no resend: what may have gone out is never sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same text to the same number ends in the same way.
    Never,
    /// Once what is in the way is mended.
    Mended,
    /// Later, with nothing changed but the time.
    Later,
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "trying again does not help",
            Self::Mended => "trying again helps once that is mended",
            Self::Later => "trying again later can help",
        })
    }
}

/// One code of a vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The code as the vendor writes it.
    pub code: Cow<'static, str>,
    /// What happened, as a sentence.
    pub what: Cow<'static, str>,
    /// Whose move it is.
    pub whose: Whose,
    /// Whether trying again can help.
    pub again: Again,
    /// Where it stands.
    pub source: &'static str,
}

impl Failure {
    /// What is said of a message that ended so: the code, what happened, and whether trying again helps.
    pub fn why(&self) -> String {
        format!("{}: {} ({})", self.code, self.what, self.again)
    }

    /// Notes in the log that the vendor refused a message with it. All of it is of the table: it quotes
    /// nothing.
    pub fn note_refusal(&self) {
        tracing::info!(code = %self.code, what = %self.what, "refused with a code that is known");
    }
}
