//! What other processes on the ledger forbid: of their limits and ours the strictest holds, and a refusal
//! names whose it is. Their budgets are in the facts already, since the ledger holds money against the
//! strictest limit.

use super::ask::Ask;
use super::limits::Policy;
use super::words::{barred_words, sender_words};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::facts::{Facts, Limits, Scope};
use crate::sms::peer::{self, Kept, Peer, Rules};

impl Policy {
    /// What this process lets through, for the others. `serves_many`: whether a session of it may be served
    /// by another one.
    pub fn rules(&self, serves_many: bool) -> Rules {
        let settings = self.settings();
        Rules {
            total: self.limits(Scope::Total),
            day: self.limits(Scope::Day),
            session: if serves_many { self.limits(Scope::Session) } else { Limits::default() },
            sends_per_second: Some(settings.sends_per_second),
            recipient_per_hour: Some(settings.recipient_per_hour),
            recipient_per_day: Some(settings.recipient_per_day),
            allow_destinations: settings.allow_destinations.clone(),
            deny_destinations: settings.deny_destinations.clone(),
            allow_senders: settings.allow_senders.clone(),
            consent_for: self.consent().required_for.clone(),
        }
    }
}

/// What a refusal adds where the limit is another process's.
pub(super) fn blamed(whose: Option<&Peer>) -> String {
    whose.map_or_else(String::new, Peer::blamed)
}

/// The strictest of our number and theirs, and what a refusal adds where it is not ours.
pub(super) fn strictest(own: u32, facts: &Facts, of: impl Fn(&Rules) -> Option<u32>) -> (u32, String) {
    let (most, whose) = peer::strictest(Some(own), &facts.peers, of);
    (most.unwrap_or(own), blamed(whose))
}

/// Refuses what the lists of another process keep out.
pub(super) fn check_lists(ask: &Ask<'_>, facts: &Facts) -> Result<()> {
    let found = facts.peers.iter().find_map(|peer| Some((peer, peer.rules.keep(ask.to, ask.from)?)));
    let Some((peer, kept)) = found else { return Ok(()) };
    let (kind, why) = match kept {
        Kept::Destination(why) => {
            (ErrorKind::DestinationNotAllowed, barred_words(ask.to, why, &peer.rules.allow_destinations))
        }
        Kept::Sender => (
            ErrorKind::SenderNotAllowed,
            sender_words(ask.from.unwrap_or_default(), &peer.rules.allow_senders),
        ),
    };
    Err(Error::new(kind, why + &peer.blamed()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::super::Settings;
    use super::*;
    use crate::sms::facts::Budget;
    use crate::sms::number::Number;

    /// What one more message is told where a peer has these rules.
    fn told(change: impl FnOnce(&mut Rules), facts: Facts) -> Option<(ErrorKind, String)> {
        let mut rules = Rules::default();
        change(&mut rules);
        let (surface, settings) = ("serve".to_owned(), Some("/home/alice/desktop.toml".to_owned()));
        let peer = Peer {
            surface,
            process: 4711,
            settings,
            overrides: Vec::new(),
            since_ms: 0,
            session: None,
            currency: "USD".into(),
            live: true,
            sandbox: false,
            rules,
        };
        let to = Number::parse("+447400123456", None).unwrap();
        let ask = Ask { to: &to, from: Some("ACME"), hold_micros: 60, paced: true, ..Ask::to(&to, 0) };
        let guard = Policy::new(Settings::default(), BTreeMap::new());
        guard
            .decide(&ask, &Facts { peers: [peer].into(), ..facts })
            .err()
            .map(|error| (error.kind(), error.message().to_owned()))
    }

    fn spent(scope: Scope, limits: Limits) -> Facts {
        let (key, used) = (crate::sms::facts::BudgetKey::from_text("k"), 100);
        let budget = Budget {
            key,
            scope,
            limits,
            held_micros: used,
            spent_micros: 0,
            messages: 2,
            frozen: false,
            overcharge: None,
        };
        Facts { budgets: vec![budget], ..Facts::default() }
    }

    #[test]
    fn every_limit_of_a_peer_is_named_with_it_and_with_its_settings_file() {
        let money = Limits { spend_micros: Some(110), messages: None };
        let count = Limits { spend_micros: None, messages: Some(2) };
        let had =
            |hour, day| Facts { recipient_last_hour: hour, recipient_last_day: day, ..Facts::default() };
        type Case = (fn(&mut Rules), Facts, ErrorKind);
        let cases: [Case; 10] = [
            (
                |rules| rules.total.spend_micros = Some(110),
                spent(Scope::Total, money),
                ErrorKind::BudgetExceeded,
            ),
            (|rules| rules.day.spend_micros = Some(110), spent(Scope::Day, money), ErrorKind::BudgetExceeded),
            (|rules| rules.day.messages = Some(2), spent(Scope::Day, count), ErrorKind::BudgetExceeded),
            (
                |rules| rules.session.messages = Some(2),
                spent(Scope::Session, count),
                ErrorKind::BudgetExceeded,
            ),
            (|rules| rules.recipient_per_hour = Some(1), had(1, 1), ErrorKind::RecipientLimit),
            (|rules| rules.recipient_per_day = Some(1), had(0, 1), ErrorKind::RecipientLimit),
            (
                |rules| rules.sends_per_second = Some(1),
                Facts { rate_wait_ms: 9, ..Facts::default() },
                ErrorKind::RateLimited,
            ),
            (
                |rules| rules.allow_destinations = vec!["FR".parse().unwrap()],
                Facts::default(),
                ErrorKind::DestinationNotAllowed,
            ),
            (
                |rules| rules.deny_destinations = vec!["+4474".parse().unwrap()],
                Facts::default(),
                ErrorKind::DestinationNotAllowed,
            ),
            (
                |rules| rules.allow_senders = vec!["Other".into()],
                Facts::default(),
                ErrorKind::SenderNotAllowed,
            ),
        ];
        for (change, facts, expected) in cases {
            let (kind, message) = told(change, facts).unwrap();
            assert_eq!(kind, expected, "{message}");
            for word in ["another process", "process 4711", "desktop.toml"] {
                assert!(message.contains(word) && !message.contains("/home/"), "{word}: {message}");
            }
        }
    }

    #[test]
    fn a_limit_of_our_own_names_nobody_and_a_looser_peer_changes_nothing() {
        let own = Limits { spend_micros: Some(110), messages: Some(200) };
        let (kind, message) = told(
            |rules| rules.day = Limits { spend_micros: None, messages: Some(900) },
            spent(Scope::Day, own),
        )
        .unwrap();
        assert!(kind == ErrorKind::BudgetExceeded && !message.contains("another process"), "{message}");
        let full = Facts { recipient_last_hour: 5, ..Facts::default() };
        let (kind, message) = told(|rules| rules.recipient_per_hour = Some(50), full).unwrap();
        assert!(kind == ErrorKind::RecipientLimit && message.ends_with("at most 5 are allowed"), "{message}");
        assert_eq!(told(|_| {}, Facts::default()), None);
    }
}
