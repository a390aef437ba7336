//! Whether a text of the operator's own may leave. It is no agent's: nobody has to say yes to it, it keeps no
//! quiet hours, and that it is sent once is its key's business. The lists, the opt-outs, the budgets and the
//! pace hold for it as for everything.

use std::sync::Arc;

use super::ask::Ask;
use super::limits::Policy;
use super::spent::decide_budget;
use super::{check_opted_out, check_stop_pending, peers};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::facts::{Facts, Scope};
use crate::sms::own::Own;
use crate::sms::verdict::Verdict;

impl Policy {
    /// Whether a text of the operator's own may leave now, given what the ledger knows. It leaves now or not at
    /// all.
    ///
    /// # Errors
    /// The first reason against it, as for [`Policy::decide`].
    pub fn decide_own(
        &self,
        own: Own,
        ask: &Ask<'_>,
        facts: &Facts,
        per_hour: Option<u32>,
    ) -> Result<Verdict> {
        peers::check_lists(ask, facts)?;
        if !own.reaches_opted_out() {
            check_opted_out(ask, facts)?;
        }
        check_stop_pending(ask, facts)?;
        if own.counts_for_recipient() {
            self.decide_frequency(ask, facts)?;
        }
        if let Some(most) = per_hour.filter(|most| facts.lately.messages >= i64::from(*most)) {
            let message = format!("{most} of these texts were sent within the last hour, and no more may be");
            return Err(Error::new(ErrorKind::BudgetExceeded, message));
        }
        // What other processes say of an agent's day says nothing of this one's.
        let alone = Facts { peers: Arc::default(), ..facts.clone() };
        for budget in &facts.budgets {
            let facts = if budget.scope == Scope::Day { &alone } else { facts };
            decide_budget(budget, ask, facts, self.settings.currency, budget.limits)?;
        }
        self.check_pace(facts)?;
        Ok(Verdict::Now)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::{Approval, Settings};
    use crate::sms::facts::{Budget, BudgetKey, Limits, Sum};
    use crate::sms::number::Number;

    fn refused(own: Own, facts: &Facts) -> Option<ErrorKind> {
        let to = Number::parse("+447400123456", None).unwrap();
        let rules = Approval { everything: true, ..Approval::default() };
        let policy = Policy::new(Settings::default(), BTreeMap::new()).asking(rules);
        // At four in the morning.
        let ask = Ask { hold_micros: 60, ..Ask::to(&to, 4 * 3_600_000) };
        match policy.decide_own(own, &ask, facts, Some(2)) {
            Ok(verdict) => {
                assert_eq!(verdict, Verdict::Now, "nobody is asked, and no hours hold it");
                None
            }
            Err(error) => Some(error.kind()),
        }
    }

    #[test]
    fn only_the_answer_to_a_stop_reaches_who_is_out_and_none_reaches_who_may_be() {
        let out = Facts { is_opted_out: true, ..Facts::default() };
        let in_doubt = Facts { is_stop_pending: true, ..Facts::default() };
        for own in Own::ALL {
            let expected = (own != Own::Stop).then_some(ErrorKind::OptedOut);
            assert_eq!(refused(own, &out), expected, "{own:?}");
            assert_eq!(refused(own, &in_doubt), Some(ErrorKind::OptedOut), "{own:?}");
            assert_eq!(refused(own, &Facts::default()), None, "{own:?}");
        }
    }

    #[test]
    fn budgets_and_the_pace_hold_for_them_and_what_a_person_gets_only_where_nobody_asked() {
        let budget = |change: fn(&mut Budget)| {
            let mut budget = Budget {
                key: BudgetKey::from_text("k"),
                scope: Scope::Total,
                limits: Limits { spend_micros: Some(100), messages: Some(2) },
                held_micros: 0,
                spent_micros: 0,
                messages: 0,
                frozen: false,
                overcharge: None,
            };
            change(&mut budget);
            Facts { budgets: vec![budget], ..Facts::default() }
        };
        for (facts, expected) in [
            (budget(|b| b.spent_micros = 40), None),
            (budget(|b| b.spent_micros = 41), Some(ErrorKind::BudgetExceeded)),
            (budget(|b| b.messages = 2), Some(ErrorKind::BudgetExceeded)),
            (budget(|b| b.frozen = true), Some(ErrorKind::BudgetFrozen)),
            (Facts { rate_wait_ms: 1, ..Facts::default() }, Some(ErrorKind::RateLimited)),
            (Facts { lately: Sum { micros: 0, messages: 1 }, ..Facts::default() }, None),
            (
                Facts { lately: Sum { micros: 0, messages: 2 }, ..Facts::default() },
                Some(ErrorKind::BudgetExceeded),
            ),
        ] {
            for own in Own::ALL {
                assert_eq!(refused(own, &facts), expected, "{own:?} {facts:?}");
            }
        }
        let had = Facts { recipient_last_hour: 5, ..Facts::default() };
        for own in Own::ALL {
            let expected = (own == Own::Consent).then_some(ErrorKind::RecipientLimit);
            assert_eq!(refused(own, &had), expected, "{own:?}");
        }
    }
}
