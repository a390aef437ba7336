//! The words of the commands about people: who wants no more texts, and who agreed to which.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::sms::purpose::Purpose;

/// Reads a purpose.
pub fn purpose(name: &str) -> Result<Purpose, String> {
    Purpose::from_name(name).ok_or_else(|| "write transactional or marketing".to_owned())
}

#[derive(Debug, Subcommand)]
pub enum OptOutAction {
    /// Show them, latest first
    List,
    /// This person wants no more texts
    Add {
        /// Phone number
        number: String,
    },
    /// This person wants texts again
    Remove {
        /// Phone number
        number: String,
    },
    /// Show whose STOP, START or reply waits because nobody can tell who wrote, and settle it
    Pending {
        #[command(subcommand)]
        action: Option<PendingAction>,
    },
}

#[derive(Debug, Subcommand)]
pub enum PendingAction {
    /// Show them, oldest first
    List,
    /// It was this person: do what they asked for, and give them their replies
    Settle {
        /// The number in front of it in the list
        id: i64,
        /// Phone number
        number: String,
    },
    /// It was nobody who is texted here: let it go
    Dismiss {
        /// The number in front of it in the list
        id: i64,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConsentAction {
    /// Record what the rows of a CSV file say, all of them or none
    Import {
        /// A header line with number, source and time, and where you have them purpose, wording, expires and
        /// status (given or withdrawn)
        file: PathBuf,
    },
    /// This person agreed to texts
    Add(ConsentAdd),
    /// This person withdrew it
    Withdraw {
        /// Phone number
        number: String,
        /// To texts of this purpose
        #[arg(long, value_parser = purpose, default_value = "marketing")]
        purpose: Purpose,
        /// Where they said so
        #[arg(long, default_value = "operator")]
        source: String,
        /// When they said so (2026-11-22 or RFC 3339) [default: now]
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Ask this person by the text of `[consent] ask_text`; a YES of theirs records it
    Ask {
        /// Phone number
        number: String,
    },
    /// Show all that is on record of somebody, latest first
    Show {
        /// Phone number
        number: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print every record as CSV, as import reads it
    Export,
}

#[derive(Debug, Args)]
pub struct ConsentAdd {
    /// Phone number
    pub number: String,
    /// Where they agreed, in a word, such as web-form
    #[arg(long)]
    pub source: String,
    /// To texts of this purpose
    #[arg(long, value_parser = purpose, default_value = "marketing")]
    pub purpose: Purpose,
    /// The version of what they agreed to
    #[arg(long)]
    pub wording: Option<String>,
    /// When they agreed (2026-11-22 or RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// From when on it does not count any more
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
}
