//! Budgets as people and models see them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::sms::facts::{Budget, BudgetKey, Scope};
use crate::sms::money::{Amount, Currency};

/// What is left to spend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BudgetLeft {
    /// Money left in the session (and in the handle, if one was given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_remaining: Option<String>,
    /// Money left in the principal's UTC day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_remaining: Option<String>,
    /// Messages left in the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_messages_remaining: Option<i64>,
    /// Messages left in the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_messages_remaining: Option<i64>,
    /// Currency of the amounts.
    pub currency: String,
}

impl BudgetLeft {
    /// Sums a budget path up: in each part, the least that is left.
    pub fn of(budgets: &[Budget], currency: Currency) -> Self {
        let least = |is_mine: fn(Scope) -> bool, left: fn(&Budget) -> Option<i64>| {
            budgets.iter().filter(|budget| is_mine(budget.scope)).filter_map(left).min()
        };
        let session = |scope| matches!(scope, Scope::Session | Scope::Handle);
        let day = |scope| matches!(scope, Scope::Day | Scope::Total);
        Self {
            session_remaining: least(session, Budget::left_micros).map(|micros| Amount(micros).to_string()),
            day_remaining: least(day, Budget::left_micros).map(|micros| Amount(micros).to_string()),
            session_messages_remaining: least(session, Budget::left_messages),
            day_messages_remaining: least(day, Budget::left_messages),
            currency: currency.to_string(),
        }
    }
}

/// A budget and what is left in it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BudgetView {
    /// total, day, session or handle.
    pub scope: Scope,
    /// Its name in the ledger.
    pub name: String,
    /// Limit in money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Spent for good.
    pub spent: String,
    /// Reserved: messages on their way, and unknown outcomes.
    pub held: String,
    /// Left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<String>,
    /// Messages sent or on their way.
    pub messages: i64,
    /// Messages left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_remaining: Option<i64>,
    /// Currency of the amounts.
    pub currency: String,
    /// True: nothing more is sent until the operator looked.
    pub frozen: bool,
    /// What froze it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen_because: Option<String>,
}

impl BudgetView {
    /// What is left, and of which budget, in words; nothing where it has no limit.
    pub fn left(&self) -> Option<String> {
        let money = self.remaining.as_ref().zip(self.limit.as_ref());
        let money = money.map(|(left, limit)| format!("{left} of {limit} {}", self.currency));
        let texts = self.messages_remaining.map(|left| format!("{left} more text(s)"));
        let left = [money, texts].into_iter().flatten().collect::<Vec<_>>().join(" and ");
        let key = BudgetKey::from_text(self.name.as_str());
        let of = match (self.scope, key.utc_day()) {
            (Scope::Day, Some(day)) => format!("on {day}"),
            (Scope::Total, _) => "in all".to_owned(),
            (scope, _) => format!("of the {}", scope.as_str()),
        };
        let frozen = if self.frozen { ", and it is frozen" } else { "" };
        (!left.is_empty()).then(|| format!("{left} {of}{frozen}"))
    }

    /// A budget as people and models see it.
    pub fn of(budget: &Budget, currency: Currency) -> Self {
        let text = |micros: i64| Amount(micros).to_string();
        Self {
            scope: budget.scope,
            name: budget.key.to_string(),
            limit: budget.limits.spend_micros.map(text),
            spent: text(budget.spent_micros),
            held: text(budget.held_micros),
            remaining: budget.left_micros().map(text),
            messages: budget.messages,
            messages_remaining: budget.left_messages(),
            // A budget is kept in its own currency, also after the configured one was changed.
            currency: budget.key.currency().map_or_else(|| currency.to_string(), str::to_owned),
            frozen: budget.frozen,
            frozen_because: budget.overcharge.as_ref().map(|over| {
                format!(
                    "{} was held at {} and charged {}",
                    over.message,
                    text(over.held_micros),
                    text(over.charged_micros)
                )
            }),
        }
    }
}
