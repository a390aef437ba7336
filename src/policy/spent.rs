//! Whether a budget has room, and what is said where it has none.

use std::borrow::Cow;

use super::ask::{Ask, Whole};
use super::peers;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::facts::{Budget, Facts, Limits, Scope};
use crate::sms::money::{Currency, Money};
use crate::sms::peer;

/// What the budget of a day is called: of today, or of the day for which the message is planned.
fn of_day(budget: &Budget, now_ms: i64) -> Cow<'static, str> {
    let today = jiff::Timestamp::from_millisecond(now_ms).map(|now| now.strftime("%Y-%m-%d").to_string());
    match budget.key.utc_day() {
        Some(day) if today.is_ok_and(|today| today != day) => Cow::Owned(format!("budget of {day} (UTC)")),
        _ => Cow::Borrowed("budget of today (UTC)"),
    }
}

/// Whether a budget has room for a message, beside those before it of the same bulk. A refusal tells what all
/// of it costs and what the ledger has left for it, not what is left after a part of it; and whose the limit
/// is, where it is not `own`.
pub(super) fn decide_budget(
    budget: &Budget,
    ask: &Ask<'_>,
    facts: &Facts,
    currency: Currency,
    own: Limits,
) -> Result<()> {
    let name = match budget.scope {
        Scope::Total => Cow::Borrowed("budget of this ledger"),
        Scope::Day => of_day(budget, ask.now_ms),
        Scope::Session => Cow::Borrowed("budget of this session"),
        Scope::Handle => Cow::Borrowed("budget of this session handle"),
    };
    if budget.frozen {
        let why = budget.overcharge.as_ref().map_or_else(String::new, |over| {
            let money = |micros: i64| Money { micros, currency };
            format!(
                ": {} was held at {} and charged {}",
                over.message,
                money(over.held_micros),
                money(over.charged_micros)
            )
        });
        return Err(Error::new(ErrorKind::BudgetFrozen, format!("the {name} is frozen{why}")));
    }
    let (has_money, has_messages) = facts.fits(budget, ask.hold_micros);
    let whole = ask.whole.filter(|whole| whole.messages > 1);
    let before = match budget.scope {
        Scope::Day => facts.before_on_day_messages,
        Scope::Total | Scope::Session | Scope::Handle => facts.before_messages,
    };
    let fitting = match before {
        0 => "not enough for the first of them".to_owned(),
        count => format!("enough for the first {count}"),
    };
    let of = |limits: fn(Limits) -> Option<i64>| {
        peer::strictest(limits(own), &facts.peers, |rules| limits(rules.limits(budget.scope))).1
    };
    let (message, whose) = if !has_money {
        let left = Money { micros: budget.left_micros().unwrap_or(0), currency };
        let message = match whole {
            None => format!(
                "the message may cost {}, and the {name} has {left} left",
                Money { micros: ask.hold_micros, currency }
            ),
            Some(Whole { messages, micros }) => {
                format!(
                    "all {messages} messages together may cost {}, and the {name} has {left} left: {fitting}",
                    Money { micros, currency }
                )
            }
        };
        (message, of(|limits| limits.spend_micros))
    } else if !has_messages {
        let (left, limit) = (budget.left_messages().unwrap_or(0), budget.limits.messages.unwrap_or(0));
        let message = match whole {
            None => format!("the {name} has no messages left (limit {limit})"),
            Some(Whole { messages, .. }) => format!(
                "these are {messages} messages, and the {name} has {left} left (limit {limit}): {fitting}"
            ),
        };
        (message, of(|limits| limits.messages))
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::BudgetExceeded, message + &peers::blamed(whose)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sms::facts::{BudgetKey, Overcharge};
    use crate::sms::message::{MessageId, Realm};
    use crate::sms::number::Number;

    fn budget(change: impl FnOnce(&mut Budget)) -> Budget {
        let mut budget = Budget {
            key: BudgetKey::day("USD", "user:alice", "2026-11-22", Realm::Live),
            scope: Scope::Day,
            limits: Limits { spend_micros: Some(100), messages: Some(2) },
            held_micros: 0,
            spent_micros: 0,
            messages: 0,
            frozen: false,
            overcharge: None,
        };
        change(&mut budget);
        budget
    }

    fn number(text: &str) -> Number {
        Number::parse(text, None).unwrap()
    }

    #[test]
    fn a_day_is_named_where_it_is_another_one_than_today() {
        let (to, full) = (number("+447400123456"), budget(|b| b.messages = 2));
        let today = jiff::civil::date(2026, 11, 22).to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        let said = |now_ms: i64| {
            let ask = Ask { hold_micros: 1, ..Ask::to(&to, now_ms) };
            let refused = decide_budget(&full, &ask, &Facts::default(), Currency::USD, Limits::default());
            refused.unwrap_err().message().to_owned()
        };
        let now_ms = today.timestamp().as_millisecond();
        assert!(said(now_ms).contains("the budget of today (UTC) has no messages left"), "{}", said(now_ms));
        assert!(said(now_ms - 1).contains("the budget of 2026-11-22 (UTC)"), "{}", said(now_ms - 1));
    }

    #[test]
    fn a_frozen_budget_names_the_message_and_the_two_amounts() {
        let over = Overcharge {
            message: MessageId::from_text("msg_9"),
            held_micros: 100_000,
            charged_micros: 300_000,
        };
        let frozen = budget(|b| {
            b.frozen = true;
            b.overcharge = Some(over);
        });
        let to = number("+447400123456");
        let now_ms = 1_795_305_600_000;
        let ask = Ask { hold_micros: 1, paced: true, ..Ask::to(&to, now_ms) };
        let error =
            decide_budget(&frozen, &ask, &Facts::default(), Currency::USD, Limits::default()).unwrap_err();
        assert_eq!(
            error.message(),
            "the budget of today (UTC) is frozen: msg_9 was held at 0.10 USD and charged 0.30 USD"
        );
    }
}
