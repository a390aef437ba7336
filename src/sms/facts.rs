//! What the ledger knows that a decision rests on.
//!
//! The ledger gathers [`Facts`] inside the very transaction that would record the send; the policy looks at
//! nothing else. So two agents can never both be told yes on the strength of the same remaining cent.

use std::sync::Arc;

use super::consent::Latest;
pub use super::limits::{Limits, Scope};
use super::message::{MessageId, Realm, SessionId, State};
use super::money::Amount;
use super::peer::Peer;

/// What the session of a process begins with, over stdio and on the command line: it ends with the process.
pub const PROCESS_SESSION: &str = "process-";

/// What a budget is called: its scope, its currency, whose it is, and the sandbox where it is of that side.
/// Nobody else takes one apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BudgetKey(String);

impl BudgetKey {
    /// Everything that is spent in this currency.
    pub fn total(currency: &str, realm: Realm) -> Self {
        Self(format!("total:{currency}{}", side(realm)))
    }

    /// A principal's UTC day, such as `day:USD:user:alice:2026-11-22`.
    pub fn day(currency: &str, principal: &str, day: &str, realm: Realm) -> Self {
        Self(format!("day:{currency}:{principal}:{day}{}", side(realm)))
    }

    /// A base session.
    pub fn session(currency: &str, session: &str, realm: Realm) -> Self {
        Self(format!("session:{currency}:{session}{}", side(realm)))
    }

    /// A slice of one.
    pub fn handle(currency: &str, handle: &SessionId, realm: Realm) -> Self {
        Self(format!("handle:{currency}:{handle}{}", side(realm)))
    }

    /// One that is already such a name, from the ledger or by somebody who looks for it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The session of a process that it is the budget of, if it is one.
    pub fn process_session(&self) -> Option<&str> {
        let mut parts = self.0.strip_prefix("session:")?.split(':');
        parts.nth(1).filter(|session| session.starts_with(PROCESS_SESSION))
    }

    /// The UTC day that it is the budget of, if it is one.
    pub fn utc_day(&self) -> Option<&str> {
        let day = self.0.strip_prefix("day:")?;
        let day = day.strip_suffix(side(Realm::Sandbox)).unwrap_or(day);
        day.rsplit(':').next()
    }

    /// The currency in which the budget is kept.
    pub fn currency(&self) -> Option<&str> {
        self.0.split(':').nth(1)
    }
}

/// What the names of the sandbox's budgets end with: nothing of what it spends counts for a real text.
const fn side(realm: Realm) -> &'static str {
    match realm {
        Realm::Live => "",
        Realm::Sandbox => ":sandbox",
    }
}

impl std::fmt::Display for BudgetKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One budget of the path, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The name of the budget in the ledger.
    pub key: BudgetKey,
    /// Which part of the path it is.
    pub scope: Scope,
    /// Its limits.
    pub limits: Limits,
    /// Money reserved for messages whose price is not settled, unknown outcomes among them; micros.
    pub held_micros: i64,
    /// Money spent; micros.
    pub spent_micros: i64,
    /// Messages held or spent.
    pub messages: i64,
    /// A provider charged more than was held; nothing more is sent until a person looked.
    pub frozen: bool,
    /// What froze it, where that is on record.
    pub overcharge: Option<Overcharge>,
}

/// A charge that was above what was held for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overcharge {
    /// The message.
    pub message: MessageId,
    /// What was held for it, or was posted before; micros of the budget's currency.
    pub held_micros: i64,
    /// What was charged; micros.
    pub charged_micros: i64,
}

impl Budget {
    /// Money left, in micros; none where there is no limit.
    pub fn left_micros(&self) -> Option<i64> {
        let used = self.held_micros.saturating_add(self.spent_micros);
        self.limits.spend_micros.map(|limit| limit.saturating_sub(used).max(0))
    }

    /// Messages left; none where there is no limit.
    pub fn left_messages(&self) -> Option<i64> {
        self.limits.messages.map(|limit| limit.saturating_sub(self.messages).max(0))
    }

    /// The money left as an amount.
    pub fn left_amount(&self) -> Option<Amount> {
        self.left_micros().map(Amount)
    }
}

/// An earlier message with the same principal and recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// Its id.
    pub id: MessageId,
    /// Where it stands.
    pub state: State,
    /// How long ago it was accepted, in milliseconds.
    pub age_ms: i64,
}

/// What messages hold together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// In micros.
    pub micros: i64,
    /// How many they are.
    pub messages: i64,
}

impl Sum {
    /// One more.
    pub fn add(&mut self, hold_micros: i64) {
        *self = self.and(Self { micros: hold_micros, messages: 1 });
    }

    /// Both.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        let micros = self.micros.saturating_add(more.micros);
        Self { micros, messages: self.messages.saturating_add(more.messages) }
    }
}

/// What a decision asks of the ledger beside the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Whether this is the phone of an approver.
    pub approver: bool,
    /// Whether this agent ever texted this person.
    pub first_contact: bool,
    /// What this agent sent within the last hour without a yes.
    pub lately: bool,
}

/// What the ledger knows about one message that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Every budget that the message must fit in, as it stands before anything of this intent is held, with
    /// the strictest limits of all who live.
    pub budgets: Vec<Budget>,
    /// What the messages before this one of the same intent would hold; micros.
    pub before_micros: i64,
    /// How many those are.
    pub before_messages: i64,
    /// What those of them would hold that leave on the same day; micros.
    pub before_on_day_micros: i64,
    /// How many those are.
    pub before_on_day_messages: i64,
    /// Messages to this recipient in the last hour, by anybody.
    pub recipient_last_hour: u32,
    /// Messages to this recipient in the last 24 hours, by anybody.
    pub recipient_last_day: u32,
    /// The latest message that this one would repeat within the duplicate window.
    pub same_text: Option<Earlier>,
    /// The latest message whose outcome is unknown, however long ago, and which this one would repeat.
    pub same_in_doubt: Option<Earlier>,
    /// The latest message whose outcome is unknown and whose text is clearly another one.
    pub other_in_doubt: Option<Earlier>,
    /// This principal never texted the recipient. Told where the policy asks for it.
    pub is_first_contact: bool,
    /// The recipient is the phone of an approver. Told where the policy asks for it.
    pub is_approver: bool,
    /// What this principal sent within the last hour without a person's yes. Told where the policy asks for it.
    pub lately: Sum,
    /// What of this principal waits for a person.
    pub pending: Sum,
    /// How long until the sending rate allows one more, in milliseconds; 0 is now.
    pub rate_wait_ms: u64,
    /// The recipient asked for no more texts.
    pub is_opted_out: bool,
    /// Somebody asked for no more texts who may be the recipient, and no person has said yet who it was.
    pub is_stop_pending: bool,
    /// A long reply of somebody who may be the recipient asks for no more texts, and nobody has read it yet. Told of
    /// marketing.
    pub is_objection_pending: bool,
    /// The latest that is on record of the recipient's consent to texts of this purpose. Told where one is needed.
    pub consent: Option<Latest>,
    /// How long ago the recipient wrote, in milliseconds, where that was lately and is asked for.
    pub wrote_ago_ms: Option<i64>,
    /// The other processes that send from this ledger, as far as they live and their rules are not ours: what
    /// one of them forbids nobody does.
    pub peers: Arc<[Peer]>,
}

impl Facts {
    /// Whether a message that holds so much fits a budget, beside those before it: its money, and its number.
    pub fn fits(&self, budget: &Budget, hold_micros: i64) -> (bool, bool) {
        let (micros, messages) = match budget.scope {
            Scope::Day => (self.before_on_day_micros, self.before_on_day_messages),
            Scope::Total | Scope::Session | Scope::Handle => (self.before_micros, self.before_messages),
        };
        let has_money = budget.left_micros().is_none_or(|left| left >= micros.saturating_add(hold_micros));
        (has_money, budget.left_messages().is_none_or(|left| left > messages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_called_by_its_scope_its_currency_and_whose_it_is() {
        let handle = SessionId::from_text("ses_1");
        let table = [
            (BudgetKey::total("USD", Realm::Live), "total:USD"),
            (BudgetKey::total("USD", Realm::Sandbox), "total:USD:sandbox"),
            (BudgetKey::day("USD", "user:alice", "2026-11-22", Realm::Live), "day:USD:user:alice:2026-11-22"),
            (BudgetKey::session("USD", "p-1", Realm::Sandbox), "session:USD:p-1:sandbox"),
            (BudgetKey::handle("USD", &handle, Realm::Live), "handle:USD:ses_1"),
        ];
        for (key, expected) in table {
            assert_eq!((key.as_str(), key.currency()), (expected, Some("USD")));
            assert_eq!(BudgetKey::from_text(expected), key);
        }
    }
}
