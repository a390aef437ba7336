//! The parts of the path of budgets, and what limits one of them.

/// Which part of the path a budget is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Scope {
    /// All that this ledger ever spends.
    Total,
    /// One principal's UTC day.
    Day,
    /// One session: the stdio process, or the HTTP session.
    Session,
    /// A slice of a session that `open_session` gave.
    Handle,
}

impl Scope {
    /// The name in answers and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Day => "day",
            Self::Session => "session",
            Self::Handle => "handle",
        }
    }
}

/// The limits of one budget. `None` is no limit of that sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Most money, in micros of the guard's currency.
    pub spend_micros: Option<i64>,
    /// Most messages (a message of several segments counts once).
    pub messages: Option<i64>,
}

impl Limits {
    /// These limits, and another's where those are lower.
    #[must_use]
    pub fn within(self, other: Self) -> Self {
        let lower = |one: Option<i64>, other: Option<i64>| one.into_iter().chain(other).min();
        Self {
            spend_micros: lower(self.spend_micros, other.spend_micros),
            messages: lower(self.messages, other.messages),
        }
    }
}
