//! Other processes that send from the same ledger, and what each of them lets through.
//!
//! Of the limits of all that live the strictest holds, for each of them: one that starts with looser settings
//! loosens nothing, and what a forgotten one forbids is refused with its name. A session's limits are no part
//! of that where the session is a process's own: nobody else spends in it, and a narrow session of one agent
//! says nothing about another's. Sessions of the remote endpoint may be served by several processes, so there
//! the strictest holds as well.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::destination::{Barred, Destination, barred};
use super::limits::{Limits, Scope};
use super::message::Realm;
use super::money::Amount;
use super::number::Number;
use super::purpose::Purpose;
use super::untrusted::line;

/// What a process lets through. Nothing, and an empty list, is no limit of that sort.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Over the ledger's whole life.
    pub total: Limits,
    /// In one principal's UTC day.
    pub day: Limits,
    /// In one session, where another process may serve that session too.
    pub session: Limits,
    /// Messages per second, all processes together.
    pub sends_per_second: Option<u32>,
    /// Messages to one person in an hour.
    pub recipient_per_hour: Option<u32>,
    /// Messages to one person in 24 hours.
    pub recipient_per_day: Option<u32>,
    /// The only destinations.
    pub allow_destinations: Vec<Destination>,
    /// Never these.
    pub deny_destinations: Vec<Destination>,
    /// The only senders that a call may name.
    pub allow_senders: Vec<String>,
    /// Texts for these purposes need a consent that is on record.
    pub consent_for: Vec<Purpose>,
}

/// Why a message is kept from leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept<'a> {
    /// Its destination.
    Destination(Barred<'a>),
    /// Its sender.
    Sender,
}

impl Rules {
    /// The limits of this part of the budgets' path. Handles have their own.
    pub fn limits(&self, scope: Scope) -> Limits {
        match scope {
            Scope::Total => self.total,
            Scope::Day => self.day,
            Scope::Session => self.session,
            Scope::Handle => Limits::default(),
        }
    }

    /// Whether anything depends on whom a message goes to and on what they agreed to, or on who it is from.
    pub fn has_lists(&self) -> bool {
        !(self.allow_destinations.is_empty()
            && self.deny_destinations.is_empty()
            && self.allow_senders.is_empty()
            && self.consent_for.is_empty())
    }

    /// Why a message to this person from this sender is kept back, if it is.
    pub fn keep(&self, to: &Number, from: Option<&str>) -> Option<Kept<'_>> {
        let is_other = |from: &str| {
            !self.allow_senders.is_empty() && !self.allow_senders.iter().any(|sender| sender == from)
        };
        let by_destination =
            barred(to, &self.allow_destinations, &self.deny_destinations).map(Kept::Destination);
        by_destination.or_else(|| from.is_some_and(is_other).then_some(Kept::Sender))
    }

    /// In which settings another's rules differ from these.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let number = |number: Option<u32>| number.map(i64::from);
        let rows = [
            ("total_spend", self.total.spend_micros, other.total.spend_micros, true),
            ("day_spend", self.day.spend_micros, other.day.spend_micros, true),
            ("day_messages", self.day.messages, other.day.messages, false),
            ("session_spend", self.session.spend_micros, other.session.spend_micros, true),
            ("session_messages", self.session.messages, other.session.messages, false),
            ("sends_per_second", number(self.sends_per_second), number(other.sends_per_second), false),
            ("recipient_per_hour", number(self.recipient_per_hour), number(other.recipient_per_hour), false),
            ("recipient_per_day", number(self.recipient_per_day), number(other.recipient_per_day), false),
        ];
        let is_shared = |setting: &str| {
            !setting.starts_with("session")
                || (self.session != Limits::default() && other.session != Limits::default())
        };
        let limits = rows
            .into_iter()
            .filter(|(setting, here, there, _)| here != there && is_shared(setting))
            .map(|(setting, here, there, is_money)| {
                let shown = |limit: Option<i64>| match limit {
                    None => "none".to_owned(),
                    Some(micros) if is_money => Amount(micros).to_string(),
                    Some(count) => count.to_string(),
                };
                Difference {
                    setting,
                    here: shown(here),
                    there: shown(there),
                    is_stricter: is_less(there, here),
                }
            });
        let lists = [
            list("allow_destinations", &self.allow_destinations, &other.allow_destinations, true),
            list("deny_destinations", &self.deny_destinations, &other.deny_destinations, false),
            list("allow_senders", &self.allow_senders, &other.allow_senders, true),
            list("consent.required_for", &self.consent_for, &other.consent_for, false),
        ];
        limits.chain(lists.into_iter().flatten()).collect()
    }
}

/// One setting that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name in `[guard]`, or with that of its table.
    pub setting: &'static str,
    /// What it is here.
    pub here: String,
    /// What it is there.
    pub there: String,
    /// Whether the other one narrows what is allowed here.
    pub is_stricter: bool,
}

/// Whether a limit is below another one.
fn is_less<T: Ord>(one: Option<T>, other: Option<T>) -> bool {
    one.is_some_and(|one| other.is_none_or(|other| one < other))
}

/// How two lists differ. A list of what is allowed narrows where it lacks something, one of what is denied
/// where it has more.
fn list<T: PartialEq + ToString>(
    setting: &'static str,
    here: &[T],
    there: &[T],
    is_allowed: bool,
) -> Option<Difference> {
    let lacks = |list: &[T], of: &[T]| of.iter().any(|one| !list.contains(one));
    if !lacks(here, there) && !lacks(there, here) {
        return None;
    }
    let is_stricter = if is_allowed {
        !there.is_empty() && (here.is_empty() || lacks(there, here))
    } else {
        lacks(here, there)
    };
    let shown = |list: &[T]| match list {
        [] => "none".to_owned(),
        list => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    Some(Difference { setting, here: shown(here), there: shown(there), is_stricter })
}

/// A process that sends from the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its command, such as `serve`.
    pub surface: String,
    /// Its number on this machine.
    pub process: u32,
    /// The file that its settings come from, with its whole path; nothing where it has none.
    pub settings: Option<String>,
    /// The environment variables that set something beside it, by name.
    pub overrides: Vec<String>,
    /// Since when, in milliseconds.
    pub since_ms: i64,
    /// The session that ends with it; nothing where it serves those of others, or is of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The currency of its budgets.
    pub currency: String,
    /// Whether real providers carry for it.
    pub live: bool,
    /// Whether the sandbox does.
    pub sandbox: bool,
    /// What it lets through.
    pub rules: Rules,
}

impl Peer {
    /// Whether it sends on this side: what is tried in the sandbox limits no real text.
    pub fn is_on(&self, realm: Realm) -> bool {
        if realm.is_sandbox() { self.sandbox } else { self.live }
    }

    /// Whether both send on one side.
    pub fn shares_side_with(&self, other: &Self) -> bool {
        (self.live && other.live) || (self.sandbox && other.sandbox)
    }

    /// Who it is, for whoever need not know where files are: the settings by the name of their file.
    pub fn name(&self) -> String {
        let file = self
            .settings
            .as_deref()
            .map(|path| Path::new(path).file_name().map_or(path.into(), |name| name.to_string_lossy()));
        self.named(file.as_deref())
    }

    /// Who it is, for the operator.
    pub fn whole_name(&self) -> String {
        self.named(self.settings.as_deref())
    }

    fn named(&self, file: Option<&str>) -> String {
        let settings: Vec<&str> = file.into_iter().chain(self.overrides.iter().map(String::as_str)).collect();
        // A file may have any name, and this is shown to models and at terminals.
        let settings =
            if settings.is_empty() { "built-in defaults".to_owned() } else { line(&settings.join(" and ")) };
        format!("`sms-mcp {}`, process {}, settings: {settings}", self.surface, self.process)
    }

    /// What a refusal adds where the limit is this one's and not the caller's own.
    pub fn blamed(&self) -> String {
        format!(" (that is a limit of another process on this ledger: {})", self.name())
    }
}

/// The smallest of our own number and theirs, and whose it is where it is not our own.
pub fn strictest<T: Ord + Copy>(
    own: Option<T>,
    peers: &[Peer],
    of: impl Fn(&Rules) -> Option<T>,
) -> (Option<T>, Option<&Peer>) {
    peers.iter().fold((own, None), |(least, whose), peer| {
        let theirs = of(&peer.rules);
        if is_less(theirs, least) { (theirs, Some(peer)) } else { (least, whose) }
    })
}

/// The strictest limits of this part of the path.
pub fn limits(own: Limits, scope: Scope, peers: &[Peer]) -> Limits {
    peers.iter().fold(own, |limits, peer| limits.within(peer.rules.limits(scope)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn peer(process: u32, change: impl FnOnce(&mut Rules)) -> Peer {
        let mut rules = Rules::default();
        change(&mut rules);
        let settings = Some("/home/alice/.config/sms-mcp/config.toml".to_owned());
        let (surface, currency) = ("serve".to_owned(), "USD".to_owned());
        Peer {
            surface,
            process,
            settings,
            overrides: Vec::new(),
            since_ms: 0,
            session: None,
            currency,
            live: true,
            sandbox: false,
            rules,
        }
    }

    #[test]
    fn the_strictest_of_all_holds_and_its_owner_is_known() {
        let peers = [
            peer(1, |rules| rules.recipient_per_hour = Some(3)),
            peer(2, |rules| rules.recipient_per_hour = Some(2)),
            peer(3, |_| {}),
        ];
        let of = |rules: &Rules| rules.recipient_per_hour;
        let found = |own| strictest(own, &peers, of);
        assert_eq!(found(Some(5)), (Some(2), Some(&peers[1])));
        assert_eq!(found(None).0, Some(2));
        assert_eq!(found(Some(2)), (Some(2), None), "our own is no stricter and no looser: it is ours");
        assert_eq!(strictest(Some(7), &[], of), (Some(7), None));
        let own = Limits { spend_micros: Some(9), messages: None };
        let both = [
            peer(1, |rules| rules.day.spend_micros = Some(10)),
            peer(2, |rules| rules.day.messages = Some(1)),
        ];
        assert_eq!(limits(own, Scope::Day, &both), Limits { spend_micros: Some(9), messages: Some(1) });
        assert_eq!(limits(own, Scope::Handle, &both), own);
    }

    #[test]
    fn what_a_list_keeps_back_is_told_by_its_reason() {
        let to = Number::parse("+447400123456", None).unwrap();
        let lists = |allow: &[&str], deny: &[&str], senders: &[&str]| Rules {
            allow_destinations: allow.iter().map(|text| text.parse().unwrap()).collect(),
            deny_destinations: deny.iter().map(|text| text.parse().unwrap()).collect(),
            allow_senders: senders.iter().map(|text| (*text).to_owned()).collect(),
            ..Rules::default()
        };
        assert_eq!(lists(&[], &[], &[]).keep(&to, Some("ACME")), None);
        assert_eq!(lists(&["GB"], &["FR"], &["ACME"]).keep(&to, Some("ACME")), None);
        assert_eq!(
            lists(&["GB"], &["FR"], &["ACME"]).keep(&to, None),
            None,
            "no sender is the provider's own"
        );
        assert_eq!(lists(&["FR"], &[], &[]).keep(&to, None), Some(Kept::Destination(Barred::Outside)));
        assert!(matches!(
            lists(&["GB"], &["+4474"], &[]).keep(&to, None),
            Some(Kept::Destination(Barred::Denied(_)))
        ));
        assert_eq!(lists(&[], &[], &["Other"]).keep(&to, Some("ACME")), Some(Kept::Sender));
    }

    #[test]
    fn a_peer_is_named_by_its_files_name_and_to_the_operator_by_its_path() {
        let mut named = peer(7, |_| {});
        assert_eq!(named.name(), "`sms-mcp serve`, process 7, settings: config.toml");
        assert!(named.whole_name().contains("/home/alice/") && !named.blamed().contains("/home/"));
        named.overrides = vec!["SMS_MCP__GUARD__DAY_SPEND".to_owned()];
        assert!(named.name().ends_with("config.toml and SMS_MCP__GUARD__DAY_SPEND"));
        named.settings = Some("/tmp/a\nb\u{202e}.toml".to_owned());
        assert!(!named.name().contains(['\n', '\u{202e}']), "a file may have any name: {}", named.name());
        named.settings = None;
        assert!(named.name().ends_with("settings: SMS_MCP__GUARD__DAY_SPEND"));
        named.overrides.clear();
        assert!(named.whole_name().ends_with("settings: built-in defaults"));
    }

    #[test]
    fn differences_say_which_is_stricter() {
        let ours = peer(1, |rules| {
            rules.day = Limits { spend_micros: Some(20_000_000), messages: Some(200) };
            rules.allow_destinations = vec!["FR".parse().unwrap(), "GB".parse().unwrap()];
            rules.session.messages = Some(9);
        });
        let theirs = peer(2, |rules| {
            rules.day = Limits { spend_micros: Some(5_000_000), messages: Some(300) };
            rules.allow_destinations = vec!["GB".parse().unwrap()];
            rules.deny_destinations = vec!["+4474".parse().unwrap()];
        });
        let found = ours.rules.differences(&theirs.rules);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.setting, one.here.as_str(), one.there.as_str(), one.is_stricter))
            .collect();
        let expected = [
            ("day_spend", "20.00", "5.00", true),
            ("day_messages", "200", "300", false),
            ("allow_destinations", "FR, GB", "GB", true),
            ("deny_destinations", "none", "+4474", true),
        ];
        assert_eq!(told, expected, "and a session that only one of them serves is no difference");
        assert!(
            theirs
                .rules
                .differences(&ours.rules)
                .iter()
                .filter(|one| one.is_stricter)
                .map(|one| one.setting)
                .eq(["day_messages"])
        );
        assert!(ours.rules.differences(&ours.rules).is_empty());
    }
}
