//! `[guard]` of the settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::{self, Span, word};
use crate::sms::destination::Destination;
use crate::sms::money::{Amount, Currency};
use crate::sms::purpose::Purpose;

/// `[guard]`: what an agent may do. Amounts are in `currency`; durations read like "10m" or "24h".
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Guard")]
pub struct Settings {
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
    /// A session over HTTP without sessions, and a handle of open_session, closes after this long without a
    /// send.
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
    /// Messages handed to providers per second, all agents together. Single sends beyond it are refused, bulk
    /// waits.
    pub sends_per_second: u32,
    /// If not empty: only these countries ("FR") and prefixes ("+337") are texted.
    #[schemars(with = "Vec<String>")]
    pub allow_destinations: Vec<Destination>,
    /// Never these countries and prefixes.
    #[schemars(with = "Vec<String>")]
    pub deny_destinations: Vec<Destination>,
    /// If not empty: the only sender IDs that `from` may name.
    pub allow_senders: Vec<String>,
    /// Whether a text may go out with a placeholder that nothing fills ({{name}}, {name}, [Your Name]), or
    /// that an empty value fills. It is mostly a mistake, and a person reads it.
    pub allow_placeholders: bool,
    /// Whether a text may go out with a line break or a quote that is written as two characters (a backslash
    /// and n).
    pub allow_escapes: bool,
    /// Price of one segment that is reserved and charged, as assumed, where nobody knows the price. Take the
    /// worst case; it is never zero.
    pub price_when_unknown: Amount,
    /// What a text is for where nothing says that it is marketing: transactional or marketing.
    #[serde(deserialize_with = "word")]
    pub default_purpose: Purpose,
    /// What agents may send texts for.
    pub purposes: Vec<Purpose>,
    /// A bulk to more people than this is marketing, whatever else is said of it.
    pub bulk_is_marketing_above: u32,
}

/// `[schedule]`: texts that leave later than they are asked for.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Schedule")]
pub struct Scheduling {
    /// How long after its `send_at` a text may still leave where the call names no `deliver_by`. It expires
    /// then: a reminder for nine does not leave at five.
    pub late: Span,
}

impl Default for Scheduling {
    fn default() -> Self {
        Self { late: Span::hours(1) }
    }
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

impl Default for Settings {
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
            default_purpose: Purpose::Transactional,
            purposes: Purpose::ALL.to_vec(),
            bulk_is_marketing_above: 50,
        }
    }
}
