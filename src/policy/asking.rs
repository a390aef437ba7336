//! Which calls a person has to say yes to, by the rules of `[approval]` and the facts of the ledger.

use super::approval::Approval;
use super::ask::Ask;
use super::limits::Policy;
use crate::error::{Error, ErrorKind, Result};
use crate::sms::facts::Facts;
use crate::sms::money::Money;
use crate::sms::schedule::Schedule;
use crate::sms::verdict::Verdict;

impl Policy {
    /// Whether a person may be asked about a message.
    pub fn may_ask(&self) -> bool {
        self.approval.has_rules() || self.timing.is_some()
    }

    /// The rules of which calls need a person.
    pub const fn approval(&self) -> &Approval {
        &self.approval
    }

    /// What becomes of a message that may leave so, where a person has to say yes first.
    ///
    /// # Errors
    /// [`ErrorKind::TooManyPending`].
    pub(super) fn ask_person(&self, ask: &Ask<'_>, facts: &Facts, verdict: Verdict) -> Result<Verdict> {
        if ask.is_decided || !self.approval.has_rules() {
            return Ok(verdict);
        }
        let reasons = self.reasons(ask, facts);
        if reasons.is_empty() {
            return Ok(verdict);
        }
        self.check_pending(ask, facts)?;
        // The hours of the day are asked about when it leaves: what they would say now is no end of a proposal.
        let at_ms = ask.schedule.at_ms.filter(|at_ms| *at_ms > ask.now_ms);
        let late = at_ms.map(|at_ms| at_ms.saturating_add(self.late.as_millis()));
        let schedule = Schedule { at_ms, by_ms: ask.schedule.by_ms.or(late) };
        Ok(Verdict::Ask { schedule, why: reasons.join("; ") })
    }

    fn reasons(&self, ask: &Ask<'_>, facts: &Facts) -> Vec<String> {
        let rules = &self.approval;
        let currency = self.settings.currency;
        let money = |micros: i64| Money { micros, currency };
        let (messages, micros) =
            ask.whole.map_or((1, ask.hold_micros), |whole| (whole.messages, whole.micros));
        let messages = i64::try_from(messages).unwrap_or(i64::MAX);
        let lately = facts.lately;
        let with = |more: bool| if more { ", with those of the last hour" } else { "" };
        let mut reasons = Vec::new();
        if rules.everything {
            reasons.push("every text needs a yes here".to_owned());
        }
        let cost = micros.saturating_add(lately.micros);
        if let Some(most) = rules.above_price.filter(|most| cost > most.0) {
            let with = with(lately.micros > 0);
            reasons.push(format!("it may cost {}{with}, more than {}", money(cost), money(most.0)));
        }
        let count = messages.saturating_add(lately.messages);
        if let Some(most) = rules.above_recipients.filter(|most| count > i64::from(*most)) {
            reasons.push(format!("these are {count} texts{}, more than {most}", with(lately.messages > 0)));
        }
        if rules.first_contact && facts.is_first_contact {
            let who =
                if ask.whole.is_some_and(|whole| whole.messages > 1) { "somebody" } else { "this person" };
            reasons.push(format!("{who} was never texted before"));
        }
        if rules.purposes.contains(&ask.purpose) {
            reasons.push(format!("it is {}", ask.purpose));
        }
        if rules.links && ask.leads_somewhere {
            reasons.push("the text has a link or a number to call".to_owned());
        }
        if !rules.outside.is_empty() && !rules.outside.iter().any(|inside| inside.matches(ask.to).is_some()) {
            reasons.push("a number is outside the countries that need no yes".to_owned());
        }
        reasons
    }

    fn check_pending(&self, ask: &Ask<'_>, facts: &Facts) -> Result<()> {
        let rules = &self.approval;
        let pending = facts.pending;
        let (messages, micros) =
            ask.whole.map_or((1, ask.hold_micros), |whole| (whole.messages, whole.micros));
        let messages = i64::try_from(messages).unwrap_or(i64::MAX);
        let is_full = pending.messages.saturating_add(messages) > i64::from(rules.most_pending);
        let most_micros = rules.most_pending_spend.map(|spend| spend.0);
        let is_dear = most_micros.is_some_and(|most| pending.micros.saturating_add(micros) > most);
        if !is_full && !is_dear {
            return Ok(());
        }
        let why = format!(
            "{} texts of yours wait for a person already, and no more may wait with these",
            pending.messages
        );
        Err(Error::new(ErrorKind::TooManyPending, why))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::policy::{Settings, Whole};
    use crate::sms::facts::Sum;
    use crate::sms::money::Amount;
    use crate::sms::number::Number;
    use crate::sms::purpose::Purpose;

    fn asked(change: impl FnOnce(&mut Approval), ask: Ask<'_>, facts: &Facts) -> Option<String> {
        let mut rules = Approval::default();
        change(&mut rules);
        let policy = Policy::new(Settings::default(), BTreeMap::new()).asking(rules);
        match policy.decide(&ask, facts) {
            Ok(Verdict::Ask { why, .. }) => Some(why),
            Ok(Verdict::Now) => None,
            other => Some(format!("{other:?}")),
        }
    }

    #[test]
    fn each_rule_asks_for_what_it_names_and_for_nothing_else() {
        let to = Number::parse("+447400123456", None).unwrap();
        let ask = Ask { hold_micros: 50_000, ..Ask::to(&to, 0) };
        let none = Facts::default();
        let had = |messages: i64, micros: i64| Facts { lately: Sum { micros, messages }, ..Facts::default() };
        let many = |messages: usize| Ask {
            whole: Some(Whole { messages, micros: 50_000 * i64::try_from(messages).unwrap() }),
            ..ask
        };
        assert_eq!(asked(|_| {}, many(900), &had(900, 900)), None, "nothing is asked unless it is set");
        let price = |r: &mut Approval| r.above_price = Some(Amount(100_000));
        assert_eq!(asked(price, ask, &none), None);
        assert_eq!(asked(price, ask, &had(1, 50_000)), None);
        assert!(asked(price, ask, &had(1, 50_001)).unwrap().contains("with those of the last hour"));
        assert!(asked(price, many(3), &none).unwrap().contains("more than 0.10 USD"));
        let count = |r: &mut Approval| r.above_recipients = Some(2);
        assert_eq!(asked(count, many(2), &none), None);
        assert!(asked(count, many(3), &none).unwrap().contains("3 texts, more than 2"));
        assert!(asked(count, ask, &had(2, 0)).is_some(), "a bulk cut into singles");
        let first = |r: &mut Approval| r.first_contact = true;
        assert_eq!(asked(first, ask, &none), None);
        let stranger = Facts { is_first_contact: true, ..Facts::default() };
        assert!(asked(first, ask, &stranger).unwrap().contains("never texted"));
        assert_eq!(asked(|_| {}, ask, &stranger), None);
        let purposes = |r: &mut Approval| r.purposes = vec![Purpose::Marketing];
        assert_eq!(asked(purposes, ask, &none), None);
        assert!(asked(purposes, Ask { purpose: Purpose::Marketing, ..ask }, &none).is_some());
        let links = |r: &mut Approval| r.links = true;
        assert_eq!(asked(links, ask, &none), None);
        assert!(asked(links, Ask { leads_somewhere: true, ..ask }, &none).is_some());
        let outside = |r: &mut Approval| r.outside = vec!["GB".parse().unwrap()];
        assert_eq!(asked(outside, ask, &none), None);
        assert!(asked(|r| r.outside = vec!["FR".parse().unwrap()], ask, &none).is_some());
        assert!(asked(|r| r.everything = true, ask, &none).is_some());
        assert_eq!(asked(|r| r.everything = true, Ask { is_decided: true, ..ask }, &none), None);
    }

    #[test]
    fn no_more_waits_for_a_person_than_may() {
        let to = Number::parse("+447400123456", None).unwrap();
        let ask = Ask { hold_micros: 50, ..Ask::to(&to, 0) };
        let waiting =
            |messages: i64, micros: i64| Facts { pending: Sum { micros, messages }, ..Facts::default() };
        let said = |facts: &Facts| {
            let limit = |r: &mut Approval| {
                (r.everything, r.most_pending, r.most_pending_spend) = (true, 3, Some(Amount(200)));
            };
            asked(limit, ask, facts).unwrap()
        };
        assert!(said(&waiting(2, 150)).contains("every text"));
        assert!(
            said(&waiting(3, 0)).contains("TooManyPending")
                && said(&waiting(0, 151)).contains("TooManyPending")
        );
    }
}
