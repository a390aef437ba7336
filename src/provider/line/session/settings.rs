//! The settings of a session, and what of them cannot be.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::provider::settings::Unencrypted;
use crate::setting::Span;

/// Most binds to one account: carriers allow a handful.
const MOST_BINDS: u16 = 32;

/// Widest window of one bind: what the largest carriers allow.
const WIDEST_WINDOW: u16 = 1_000;

/// The longest time that any of the settings may say: a day, so that sums of times are never too large.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The shortest time that a person may set for these, so that a carrier far away can answer at all, is not
/// asked all the time whether it is there, and not called without end while it is away (the first wait is so
/// long in any case).
const SHORTEST: [(&str, Span); 3] = [
    ("answer_timeout", Span::seconds(1)),
    ("keep_alive", Span::seconds(1)),
    ("reconnect_most", Span::millis(100)),
];

/// `[provider.session]`: the connections to a carrier.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ProviderSession")]
pub struct Settings {
    /// Binds that are kept up.
    pub binds: u16,
    /// Requests without an answer on one bind.
    pub window: u16,
    /// Most requests in one second, on all binds together. What is over it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// How long a connection, with its encryption and its bind, may take to be made.
    pub connect_timeout: Span,
    /// How long a request waits for a bind that is up and for a place in its window. After that it was not
    /// sent.
    pub link_wait: Span,
    /// How long an answer may take. After that the outcome is unknown. With `link_wait` and `throttle_wait`
    /// less than `[send] timeout`.
    pub answer_timeout: Span,
    /// How long a request is tried again that the carrier answered with "not now".
    pub throttle_wait: Span,
    /// After how long a silence the other end is asked whether it is there.
    pub keep_alive: Span,
    /// The longest wait before connecting again; the first is a tenth of a second, and it doubles.
    pub reconnect_most: Span,
    /// Whether the connection is encrypted with TLS.
    pub tls: bool,
    /// File with the certificates of your carrier's authority (PEM), in place of those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<PathBuf>,
    /// File with your own certificate and its chain (PEM), where the carrier asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert_file: Option<PathBuf>,
    /// File with the private key of that certificate (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key_file: Option<PathBuf>,
    /// The name in the carrier's certificate, where it is not the one in `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            binds: 1,
            window: 10,
            per_second: None,
            connect_timeout: Span::seconds(5),
            link_wait: Span::seconds(5),
            answer_timeout: Span::seconds(15),
            throttle_wait: Span::seconds(5),
            keep_alive: Span::seconds(30),
            reconnect_most: Span::seconds(30),
            tls: false,
            tls_ca_file: None,
            tls_cert_file: None,
            tls_key_file: None,
            tls_server_name: None,
        }
    }
}

/// Whether this is a carrier's `host:port`, and nothing more: an address of the web, or two hosts in one,
/// would be looked up as a name for ever. The address of a host in IPv6 stands in brackets.
pub fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let is_number =
        port.parse::<u16>().is_ok_and(|port| port != 0) && port.bytes().all(|octet| octet.is_ascii_digit());
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(bracketed) => bracketed.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_')),
    };
    is_number && is_host
}

impl Settings {
    /// How long a request takes at most, in the worst of usual cases: it waits for its place, is asked to
    /// come later, and its answer comes at the last moment.
    pub fn longest(&self) -> Duration {
        self.link_wait
            .duration()
            .saturating_add(self.throttle_wait.duration())
            .saturating_add(self.answer_timeout.duration())
    }

    /// What is said of a link to this `host:port` that is not encrypted.
    pub fn unencrypted<'a>(&self, address: &'a str) -> Option<Unencrypted<'a>> {
        let instead =
            "write tls = true in [provider.session] if your carrier takes it, or go through a tunnel";
        (!self.tls).then_some(Unencrypted { address, setting: "session.tls", instead })
    }

    fn spans(&self) -> [(&'static str, Span); 6] {
        [
            ("connect_timeout", self.connect_timeout),
            ("link_wait", self.link_wait),
            ("answer_timeout", self.answer_timeout),
            ("throttle_wait", self.throttle_wait),
            ("keep_alive", self.keep_alive),
            ("reconnect_most", self.reconnect_most),
        ]
    }

    /// Checks what an operator wrote: what types cannot say, and what could not serve anybody.
    ///
    /// # Errors
    /// What is wrong, naming the setting and what would be right.
    pub fn check(&self) -> std::result::Result<(), String> {
        for (name, span) in self.spans() {
            let least = SHORTEST
                .into_iter()
                .find(|(short, _)| *short == name)
                .map_or(Span::millis(1), |(_, least)| least);
            if span < least || span.duration() > LONGEST {
                return Err(format!("session.{name} is {span}; it is at least {least}, and at most 24h"));
            }
        }
        self.check_possible()
    }

    /// Checks what no session could be made with. A test may be in more of a hurry than an operator.
    ///
    /// # Errors
    /// As [`Settings::check`].
    pub fn check_possible(&self) -> std::result::Result<(), String> {
        if !(1..=MOST_BINDS).contains(&self.binds) {
            return Err(format!("session.binds is {}; it is from 1 to {MOST_BINDS}", self.binds));
        }
        if !(1..=WIDEST_WINDOW).contains(&self.window) {
            return Err(format!("session.window is {}; it is from 1 to {WIDEST_WINDOW}", self.window));
        }
        if self.per_second == Some(0) {
            return Err("session.per_second is 0; leave it out for no limit".to_owned());
        }
        if let Some((name, _)) = self.spans().into_iter().find(|(_, span)| span.duration() == Duration::ZERO)
        {
            return Err(format!("session.{name} must be more than 0"));
        }
        if self.tls_cert_file.is_some() != self.tls_key_file.is_some() {
            return Err("session.tls_cert_file and session.tls_key_file go together".to_owned());
        }
        let needs_tls =
            self.tls_ca_file.is_some() || self.tls_cert_file.is_some() || self.tls_server_name.is_some();
        if needs_tls && !self.tls {
            return Err("session.tls_* is set and session.tls is not: write tls = true".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_that_could_serve_nobody_is_refused_with_the_least_that_is_right() {
        let one = |name: &str, text: &str| {
            let settings: Settings = toml::from_str(&format!("{name} = \"{text}\"")).unwrap();
            settings.check().err()
        };
        for (name, wrong, least) in [
            ("answer_timeout", "0s", "1s"),
            ("answer_timeout", "60ms", "1s"),
            ("keep_alive", "0s", "1s"),
            ("keep_alive", "999ms", "1s"),
            ("reconnect_most", "0s", "100ms"),
            ("reconnect_most", "5ms", "100ms"),
            ("link_wait", "0s", "1ms"),
            ("throttle_wait", "25h", "1ms"),
        ] {
            let why = one(name, wrong).unwrap();
            let shown: Span = wrong.parse().unwrap();
            assert_eq!(why, format!("session.{name} is {shown}; it is at least {least}, and at most 24h"));
            assert_eq!(one(name, least), None);
        }
    }

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_more() {
        for right in
            ["smsc.example.com:2775", "192.0.2.1:7890", "[2001:db8::1]:2775", "localhost:1", "sms_c:65535"]
        {
            assert!(is_address(right), "{right}");
        }
        for wrong in [
            "",
            ":",
            "smsc.example.com",
            "smsc.example.com:",
            ":2775",
            "smpp://smsc.example.com:2775",
            "smsc.example.com:2775/x",
        ] {
            assert!(!is_address(wrong), "{wrong}");
        }
        for wrong in [
            "a b:1",
            "acme:pw@smsc.example.com:2775",
            "2001:db8::1:2775",
            "[x]:1",
            "host:0",
            "host:65536",
            "host:+1",
            "host:1 ",
        ] {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
