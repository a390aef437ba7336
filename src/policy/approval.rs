//! `[approval]` of the settings, and which calls a person has to say yes to.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ask::Ask;
use super::limits::Policy;
use crate::error::{Error, ErrorKind, Result};
use crate::setting::{Span, word};
use crate::sms::destination::Destination;
use crate::sms::facts::{Facts, Looks};
use crate::sms::money::{Amount, Money};
use crate::sms::purpose::Purpose;
use crate::sms::schedule::Schedule;
use crate::sms::verdict::Verdict;

/// `[approval]`: which calls a person has to say yes to before anything leaves. Nothing set: none.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Approval")]
pub struct Approval {
    /// A call that may cost more than this, together with what this agent sent without a yes within the last
    /// hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above_price: Option<Amount>,
    /// A call to more people than this, together with what this agent sent without a yes within the last hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub above_recipients: Option<u32>,
    /// A text to somebody whom this agent never texted.
    pub first_contact: bool,
    /// Texts for these purposes.
    pub purposes: Vec<Purpose>,
    /// A text with a link or a number to call.
    pub links: bool,
    /// Texts to numbers outside these countries ("FR") and prefixes ("+337").
    #[schemars(with = "Vec<String>")]
    pub outside: Vec<Destination>,
    /// Every text.
    pub everything: bool,
    /// How long a call waits for its yes. Then it expires.
    pub expires: Span,
    /// Most messages of one agent that wait for a yes at the same time.
    pub most_pending: u32,
    /// Most money that is held for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub most_pending_spend: Option<Amount>,
    /// Where the page is on which a person decides, beside a server over stdio: a loopback address, with port 0
    /// any port that is free; or "off". Over HTTP the page is on the same server.
    pub listen: String,
    /// Where one-time codes count. "remote": only where agents call over HTTP with a token, since whoever runs
    /// as this user can read in the ledger what codes are made of. "accept": everywhere.
    #[serde(deserialize_with = "word")]
    pub totp: Totp,
}

/// Where one-time codes count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Totp {
    /// Where agents are somebody else than the user that the server runs as.
    #[default]
    Remote,
    /// Everywhere.
    Accept,
}

impl Default for Approval {
    fn default() -> Self {
        Self {
            above_price: None,
            above_recipients: None,
            first_contact: false,
            purposes: Vec::new(),
            links: false,
            outside: Vec::new(),
            everything: false,
            expires: Span::hours(24),
            most_pending: 1_000,
            most_pending_spend: None,
            listen: "127.0.0.1:0".to_owned(),
            totp: Totp::Remote,
        }
    }
}

impl Approval {
    /// Whether codes count where agents are somebody else than this user (`is_remote`), or may be this user.
    pub fn takes_codes(&self, is_remote: bool) -> bool {
        is_remote || self.totp == Totp::Accept
    }

    /// The address of the page beside stdio; nothing where there is none. [`Approval::wrong`] says whether it
    /// is one.
    pub fn page(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }

    /// Whether any call needs a person.
    pub fn has_rules(&self) -> bool {
        let Self {
            above_price, above_recipients, first_contact, purposes, links, outside, everything, ..
        } = self;
        above_price.is_some()
            || above_recipients.is_some()
            || *first_contact
            || !purposes.is_empty()
            || *links
            || !outside.is_empty()
            || *everything
    }

    /// What is wrong with it, if anything: a rule beside one that leaves nothing to it, or a limit of nothing.
    pub fn wrong(&self) -> Option<&'static str> {
        let others = Self { everything: false, ..self.clone() };
        if self.everything && others.has_rules() {
            return Some("approval.everything leaves nothing to the other rules; remove it, or them");
        }
        if self.above_price.is_some_and(|price| price < Amount(0)) {
            return Some("approval.above_price is negative");
        }
        if self.most_pending == 0 {
            return Some("approval.most_pending is 0: then nothing could wait for a person; 1 or more");
        }
        if self.most_pending_spend.is_some_and(|spend| spend <= Amount(0)) {
            return Some("approval.most_pending_spend must be more than 0");
        }
        if self.listen != "off" && !self.page().is_some_and(|address| address.ip().is_loopback()) {
            return Some(
                "approval.listen must be a loopback address with a port, such as \"127.0.0.1:0\", or \"off\"",
            );
        }
        if self.expires.as_millis() < 60_000 {
            return Some("approval.expires must be at least \"1m\": a person has to read it");
        }
        None
    }

    /// Whether the ledger has to tell whether a person was ever texted, and what an agent sent lately.
    pub const fn looks(&self) -> Looks {
        Looks {
            first_contact: self.first_contact,
            lately: self.above_price.is_some() || self.above_recipients.is_some(),
        }
    }
}

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
        let schedule = Schedule { at_ms: verdict.planned_ms(), by_ms: verdict.by_ms() };
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
    use crate::sms::number::Number;

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

    #[test]
    fn rules_that_contradict_are_named() {
        let wrong = |change: fn(&mut Approval)| {
            let mut rules = Approval::default();
            change(&mut rules);
            rules.wrong()
        };
        assert_eq!(wrong(|_| {}), None);
        assert_eq!(wrong(|r| r.everything = true), None);
        for address in ["off", "127.0.0.1:0", "[::1]:8788"] {
            let rules = Approval { listen: address.to_owned(), ..Approval::default() };
            assert_eq!((rules.wrong(), rules.page().is_some()), (None, address != "off"));
        }
        for change in [
            (|r| (r.everything, r.links) = (true, true)) as fn(&mut Approval),
            |r| r.above_price = Some(Amount(-1)),
            |r| r.most_pending = 0,
            |r| r.most_pending_spend = Some(Amount(0)),
            |r| r.expires = Span::seconds(59),
            |r| r.listen = "0.0.0.0:8788".to_owned(),
            |r| r.listen = "localhost".to_owned(),
            |r| r.listen = String::new(),
        ] {
            assert!(wrong(change).is_some());
        }
    }
}
