//! Configuration: a TOML file, then `SMS_MCP__SECTION__KEY` from the environment, then flags.
//!
//! Every setting has a safe default, so no file at all is a working (sandbox) configuration. A key that is not known
//! is an error with its line, since a misspelt limit would be no limit. This is the only module that reads the
//! environment. `config/sms-mcp.example.toml` shows every setting; tests keep it whole.

mod files;
mod load;

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use load::{Flags, Loaded, MarkPlace, Sources, load, named_ledger};

use crate::error::{Error, ErrorKind, Result};
use crate::provider::ProviderConfig;
use crate::setting::network::Network;
use crate::setting::{self, SecretText, Span, word};
use crate::sms::destination::Destination;
use crate::sms::money::{Amount, Currency};
use crate::sms::number::Region;
use crate::sms::reply::StopWords;

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
    pub guard: Guard,
    /// Price of one segment by country ("FR") or prefix ("+337"), in the guard's currency, where the provider names
    /// none. The longest match wins.
    #[schemars(with = "BTreeMap<String, Amount>")]
    pub rates: BTreeMap<Destination, Amount>,
    /// How messages are handed to the provider.
    pub send: Send,
    /// The file that remembers every message and every cent.
    pub ledger: Ledger,
    /// The remote endpoint (`sms-mcp serve --http`).
    pub http: Http,
    /// What is logged, to standard error.
    pub log: Log,
    /// What people answer.
    pub replies: Replies,
    /// Where each change of a message and each reply is told, as it happens.
    pub forward: Forward,
    /// Who carries the texts. Without any, the built-in sandbox, which sends nothing.
    pub provider: Vec<ProviderConfig>,
    /// Which provider carries what, where there are several. The first route that fits is taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<Route>,
}

/// `[guard]`: what an agent may do. Amounts are in `currency`; durations read like "10m" or "24h".
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Guard {
    /// ISO 4217 currency of all budgets and rates.
    #[serde(with = "setting::currency")]
    #[schemars(with = "String")]
    pub currency: Currency,
    /// Most money in the ledger's whole life; no limit unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_spend: Option<Amount>,
    /// Most money in one session (the stdio process, or one HTTP session).
    pub session_spend: Amount,
    /// Most messages in one session.
    pub session_messages: u32,
    /// A session over HTTP without sessions, and a handle of open_session, closes after this long without a send.
    pub session_idle: Span,
    /// Most money in one principal's UTC day.
    pub day_spend: Amount,
    /// Most messages in one principal's UTC day.
    pub day_messages: u32,
    /// Most messages to one phone number in an hour, whoever sends.
    pub recipient_per_hour: u32,
    /// Most messages to one phone number in 24 hours, whoever sends.
    pub recipient_per_day: u32,
    /// The same text to the same number by the same principal within this time is refused as a duplicate.
    pub duplicate_window: Span,
    /// Whether `allow_duplicate` of a call lets the same text go to the same number again: yes, never, or
    /// not_after_unknown (not while nobody knows whether the earlier one went out).
    #[serde(deserialize_with = "word")]
    pub allow_duplicate: AllowDuplicate,
    /// Longest message, in segments.
    pub max_segments: u32,
    /// Most recipients of one bulk send.
    pub bulk_max: u32,
    /// Messages handed to providers per second, all agents together. Single sends beyond it are refused, bulk waits.
    pub sends_per_second: u32,
    /// If not empty: only these countries ("FR") and prefixes ("+337") are texted.
    #[schemars(with = "Vec<String>")]
    pub allow_destinations: Vec<Destination>,
    /// Never these countries and prefixes.
    #[schemars(with = "Vec<String>")]
    pub deny_destinations: Vec<Destination>,
    /// If not empty: the only sender IDs that `from` may name.
    pub allow_senders: Vec<String>,
    /// Whether a text may go out with a placeholder that nothing fills ({{name}}, {name}, [Your Name]), or that an empty
    /// value fills. It is mostly a mistake, and a person reads it.
    pub allow_placeholders: bool,
    /// Whether a text may go out with a line break or a quote that is written as two characters (a backslash and n).
    pub allow_escapes: bool,
    /// Price of one segment that is reserved and charged, as assumed, where nobody knows the price. Take the worst case; it is never zero.
    pub price_when_unknown: Amount,
}

/// Whether an agent's `allow_duplicate` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AllowDuplicate {
    /// It does, unless the outcome of the earlier message is unknown.
    NotAfterUnknown,
    /// It does not.
    Never,
    /// It does, also where the person may get the same text twice because of a lost answer.
    Yes,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            currency: Currency::USD,
            total_spend: None,
            session_spend: Amount::units(5),
            session_messages: 200,
            session_idle: Span::minutes(30),
            day_spend: Amount::units(20),
            day_messages: 200,
            recipient_per_hour: 5,
            recipient_per_day: 20,
            duplicate_window: Span::minutes(10),
            allow_duplicate: AllowDuplicate::NotAfterUnknown,
            max_segments: 10,
            bulk_max: 1_000,
            sends_per_second: 10,
            allow_destinations: Vec::new(),
            deny_destinations: Vec::new(),
            allow_senders: Vec::new(),
            allow_placeholders: false,
            allow_escapes: false,
            price_when_unknown: Amount(500_000),
        }
    }
}

/// `[send]`: how messages are handed to the provider.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Send {
    /// How long send_bulk waits for its messages before it answers with the batch id and goes on.
    pub bulk_wait: Span,
    /// How long one message may take at the provider. After that its outcome is unknown, and it is never sent again.
    pub timeout: Span,
    /// Messages of bulk sends that are at the provider at the same time.
    pub concurrency: u32,
    /// A queued message of a bulk that could not leave for this long (the machine was off) expires instead of leaving late.
    pub queue_max_age: Span,
    /// How long a stop waits for the rest of texts of which a part has left. All else that is under way has a few seconds.
    pub stop_within: Span,
}

impl Default for Send {
    fn default() -> Self {
        Self {
            bulk_wait: Span::seconds(10),
            timeout: Span::seconds(30),
            concurrency: 32,
            queue_max_age: Span::hours(24),
            stop_within: Span::seconds(30),
        }
    }
}

/// `[ledger]`: the file that remembers every message and every cent.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ledger {
    /// The SQLite file; by default `ledger.db` in the user's data folder, or `sandbox.db` where nothing but the sandbox is
    /// configured. Also `--ledger` and `SMS_MCP_LEDGER`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Where the mark of the ledger is kept, which tells an older ledger from this one: a file that no restore of the ledger
    /// restores, or "none". By default in the user's state folder; in a container a real provider needs it to be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<PathBuf>,
    /// Whether texts stay in the ledger after they left (mode 0600). False erases each as soon as it is handed over.
    pub keep_texts: bool,
    /// How long messages, replies, sessions and idempotency keys are kept after their last change; for ever unless set. At
    /// least "720h" (30 days). Budgets, opt-outs, who was texted, and what is not settled stay for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_for: Option<Span>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { file: None, mark: None, keep_texts: true, keep_for: None }
    }
}

/// `[http]`: the remote endpoint.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port. Any other than a loopback address demands a token.
    pub listen: String,
    /// Bearer token that clients must show. Better: token_env or token_file.
    #[serde(skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub token: Option<SecretText>,
    /// Name of an environment variable with the bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
    /// File with the bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Host names that clients may call this server by, besides localhost (protection against DNS rebinding).
    pub allowed_hosts: Vec<String>,
    /// Web origins that browsers may call from, such as `https://app.example.com`; without a port it is the usual one, and `:*`
    /// is any. Pages of this machine may call as well where a token is set and `listen` is a loopback address.
    pub allowed_origins: Vec<String>,
    /// The public address of this server, such as `https://sms.example.com`: its host name is allowed as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Largest request body, in bytes.
    pub max_body_bytes: u32,
    /// Most connections at once. Where all places are taken, those go first that have shown no token for the longest time.
    pub max_connections: u32,
    /// Most connections of one address at once (an IPv6 /64 counts as one). Not for connections of this machine, which may come
    /// through a proxy: see trusted_proxies.
    pub max_connections_per_address: u32,
    /// Proxies, as addresses or ranges ("10.0.0.0/8"), whose X-Forwarded-For says whom a request is from. Nobody else's is read.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Network>,
    /// Whether clients that speak protocol versions with sessions get one. False serves every version without: simplest
    /// behind a balancer, and without event streams that tell of changes.
    pub sessions: bool,
    /// Most sessions of clients that speak protocol versions with sessions.
    pub max_sessions: u32,
    /// How long a client may take to send its request head.
    pub header_timeout: Span,
    /// How long a client may take to send its request body.
    pub body_timeout: Span,
    /// How long a client may take nothing of what it is sent. Its connection is ended then.
    pub write_timeout: Span,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8787".to_owned(),
            token: None,
            token_env: None,
            token_file: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            public_url: None,
            max_body_bytes: 1024 * 1024,
            max_connections: 1_024,
            max_connections_per_address: 128,
            trusted_proxies: Vec::new(),
            sessions: true,
            max_sessions: 1_000,
            header_timeout: Span::seconds(5),
            body_timeout: Span::seconds(10),
            write_timeout: Span::seconds(30),
        }
    }
}

/// `[replies]`: what people answer.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Replies {
    /// Words and short phrases that ask for no more texts, beside those that are known. They count in any case and
    /// spelling where they are the whole reply.
    pub stop_words: Vec<String>,
}

impl Replies {
    /// The words as replies are compared with them.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the word that is none.
    pub fn words(&self) -> Result<StopWords> {
        StopWords::new(&self.stop_words).map_err(|wrong| Error::new(ErrorKind::Config, format!("replies.stop_words {wrong}")))
    }
}

/// `[forward]`: an address of the operator's own, which is told each change and each reply.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Forward {
    /// The address, such as `https://crm.example.com/sms-events`. Nothing is told unless it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// The secret that signs each event (Standard Webhooks): `whsec_` and 24 to 64 bytes in base64.
    #[serde(skip_serializing)]
    #[schemars(with = "Option<String>")]
    pub secret: Option<SecretText>,
    /// Name of an environment variable with the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// File with the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Whether the address may be one of a private network or of this machine.
    pub allow_private: bool,
    /// How long an event is tried again before it is given up.
    pub give_up_after: Span,
}

impl Default for Forward {
    fn default() -> Self {
        Self { callback_url: None, secret: None, secret_env: None, secret_file: None, allow_private: false, give_up_after: Span::hours(72) }
    }
}

/// `[[route]]`: which provider carries what. What is not named does not matter.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Route {
    /// Countries ("FR") and prefixes ("+337") that it is for.
    #[schemars(with = "Vec<String>")]
    pub to: Vec<Destination>,
    /// Sender IDs (`from` of the call) that it is for.
    pub from: Vec<String>,
    /// The providers' names, in order: the next one is asked only when the one before certainly did not take it.
    pub providers: Vec<String>,
    /// Whether the next provider is asked too when one refused the message for good.
    pub after_rejected: bool,
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

impl Config {
    /// The JSON Schema of the file, for editors.
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Config).to_value()
    }
}
