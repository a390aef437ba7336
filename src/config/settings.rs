//! Every setting, as the file has it. Each part has its own; here they are composed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::settings::{Forwarding, Replies, Route, Sender};
use crate::error::{Error, ErrorKind};
use crate::provider::ProviderConfig;
use crate::setting::{self, Span, word};
use crate::sms::destination::Destination;
use crate::sms::money::Amount;
use crate::sms::number::Region;
use crate::{engine, http, mcp, policy};

/// All settings.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The country (ISO 3166-1, such as "FR") whose national number format `to` may use. Without it, only
    /// international numbers are understood.
    #[serde(with = "setting::region", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub default_region: Option<Region>,
    /// What an agent may do.
    pub guard: policy::Settings,
    /// When texts may leave, by the clock of who gets them.
    pub quiet: policy::quiet::Settings,
    /// For which texts their recipients must have agreed.
    pub consent: policy::Consent,
    /// How whoever gets marketing can have no more of it.
    pub marketing: policy::Marketing,
    /// Price of one segment by country ("FR") or prefix ("+337"), in the guard's currency, where the provider
    /// names none. The longest match wins.
    #[schemars(with = "BTreeMap<String, Amount>")]
    pub rates: BTreeMap<Destination, Amount>,
    /// Texts that leave later than they are asked for.
    pub schedule: policy::Scheduling,
    /// How messages are handed to the provider.
    pub send: engine::Settings,
    /// The file that remembers every message and every cent.
    pub ledger: LedgerSettings,
    /// The remote endpoint (`sms-mcp serve --http`).
    pub http: http::Settings,
    /// Which tools clients are offered.
    pub tools: mcp::Settings,
    /// What is logged, to standard error.
    pub log: Log,
    /// Which calls a person has to say yes to, and what approvers prove themselves with.
    pub approval: policy::Approval,
    /// What people answer.
    pub replies: Replies,
    /// Where each change of a message and each reply is told, as it happens.
    pub forward: Forwarding,
    /// Who carries the texts. Without any, the built-in sandbox, which sends nothing.
    pub provider: Vec<ProviderConfig>,
    /// Which provider carries what, where there are several. The first route that fits is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<Route>,
    /// Whom a text shows as its sender where the call names none. The first that fits is taken, else the
    /// provider's own `from`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sender: Vec<Sender>,
}

/// `[ledger]`: the file that remembers every message and every cent.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Ledger")]
pub struct LedgerSettings {
    /// The SQLite file; by default `ledger.db` in the user's data folder, or `sandbox.db` where nothing but
    /// the sandbox is configured. Also `--ledger` and `SMS_MCP_LEDGER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Where the mark of the ledger is kept, which tells an older ledger from this one: a file that no
    /// restore of the ledger restores, or "none". By default in the user's state folder; in a container a
    /// real provider needs it to be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<PathBuf>,
    /// Whether texts stay in the ledger after they left (mode 0600). False erases each as soon as it is
    /// handed over.
    pub keep_texts: bool,
    /// How long messages, replies, sessions and idempotency keys are kept after their last change; for ever
    /// unless set. At least "720h" (30 days). Budgets, opt-outs, who was texted, and what is not settled stay
    /// for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_for: Option<Span>,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self { file: None, mark: None, keep_texts: true, keep_for: None }
    }
}

/// `[log]`: what is logged, to standard error. Texts, keys and tokens are never logged, at any level.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// error, warn, info, debug or trace. Also `--log`.
    #[serde(deserialize_with = "word")]
    pub level: LogLevel,
    /// text or json. Also `--log-format`.
    #[serde(deserialize_with = "word")]
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Text }
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Failures.
    Error,
    /// And what may become one.
    Warn,
    /// And what happens.
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

/// Every kind of provider.
pub const KINDS: &[&str] = ProviderConfig::KINDS;

/// What is wrong with the settings.
pub(super) fn config_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
        .next("Correct it, then check with `sms-mcp config check`. Nothing was started.")
}

impl Config {
    /// The JSON Schema of the file, for editors.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }
}
