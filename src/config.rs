//! Configuration: a TOML file, then `SMS_MCP__SECTION__KEY` from the environment, then flags.
//!
//! Every setting has a safe default, so no file at all is a working (sandbox) configuration. A key that is
//! not known is an error with its line, since a misspelt limit would be no limit. This is the only module
//! that reads the environment. `config/sms-mcp.example.toml` shows every setting; tests keep it whole.

mod checks;
mod files;
mod findings;
mod load;
mod older;
mod origins;
mod outbox;
mod places;
mod read;
mod settings;
mod sources;
mod user;

pub use crate::setting::Secret;
pub use findings::{Finding, Level};
pub use load::{Loaded, check_text, load, settings, variables};
pub use origins::{Origin, Origins};
pub use places::{MarkPlace, named_ledger};
pub use read::{default_file, file_to_write};
pub use settings::{Config, KINDS, LedgerSettings, Log, LogFormat, LogLevel};
pub use sources::{Flags, Sources};
pub use user::user;
