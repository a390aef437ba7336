//! `[approval]` of the settings: which calls a person has to say yes to.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::{Span, word};
use crate::sms::destination::Destination;
use crate::sms::facts::Looks;
use crate::sms::money::Amount;
use crate::sms::purpose::Purpose;

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
    /// Whether approvers with a phone are texted that something waits, with a word that decides it: "sms" or
    /// "off". Then agents cannot text these phones.
    #[serde(deserialize_with = "word")]
    pub notify: Notify,
    /// The provider for that: one that takes replies. Without it the first one that does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_by: Option<String>,
    /// The number that these texts are from and are answered to. Without it the provider's own sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_from: Option<String>,
    /// Most of these texts within an hour, and most money for them in a UTC day.
    pub notify_per_hour: u32,
    /// See there.
    pub notify_spend: Amount,
}

/// Whether approvers are texted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// They are not.
    #[default]
    Off,
    /// By SMS.
    Sms,
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
            notify: Notify::Off,
            notify_by: None,
            notify_from: None,
            notify_per_hour: 10,
            notify_spend: Amount::units(5),
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

    /// Whether approvers are texted what waits for them.
    pub const fn texts_approvers(&self) -> bool {
        matches!(self.notify, Notify::Sms)
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
        if self.notify == Notify::Sms && !self.has_rules() {
            return Some("approval.notify has nothing to tell of: no rule has a call wait for a person");
        }
        if self.notify_per_hour == 0 || self.notify_spend <= Amount(0) {
            return Some("approval.notify_per_hour and approval.notify_spend must be more than 0");
        }
        if self.notify_from.as_ref().is_some_and(|from| from.chars().any(char::is_alphabetic)) {
            return Some("approval.notify_from is a name, and nobody can answer one: give a number");
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
            approver: self.texts_approvers(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
