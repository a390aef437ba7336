//! `[http]` of the settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::setting::network::Network;
use crate::setting::{Secret, Span};

/// `[http]`: the remote endpoint.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Http")]
pub struct Settings {
    /// Address and port. Any other than a loopback address demands a token.
    pub listen: String,
    /// Bearer token that clients must show.
    #[serde(skip_serializing)]
    pub token: Option<Secret>,
    /// Host names that clients may call this server by, besides localhost (protection against DNS rebinding).
    pub allowed_hosts: Vec<String>,
    /// Web origins that browsers may call from, such as `https://app.example.com`; without a port it is the
    /// usual one, and `:*` is any. Pages of this machine may call as well where a token is set and `listen`
    /// is a loopback address.
    pub allowed_origins: Vec<String>,
    /// The public address of this server, such as `https://sms.example.com`: its host name is allowed as
    /// well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Largest request body, in bytes.
    pub max_body_bytes: u32,
    /// Most connections at once. Where all places are taken, those go first that have shown no token for the
    /// longest time.
    pub max_connections: u32,
    /// Most connections of one address at once (an IPv6 /64 counts as one). Not for connections of this
    /// machine, which may come through a proxy: see trusted_proxies.
    pub max_connections_per_address: u32,
    /// Proxies, as addresses or ranges ("10.0.0.0/8"), whose X-Forwarded-For says whom a request is from.
    /// Nobody else's is read.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Network>,
    /// Whether clients that speak protocol versions with sessions get one. False serves every version
    /// without: simplest behind a balancer, and without event streams that tell of changes.
    pub sessions: bool,
    /// Most sessions of clients that speak protocol versions with sessions.
    pub max_sessions: u32,
    /// How long a client may take to send its request head.
    pub header_timeout: Span,
    /// How long a client may take to send its request body.
    pub body_timeout: Span,
    /// How long a client may take nothing of what it is sent. Its connection is ended then.
    pub write_timeout: Span,
}

impl Settings {
    /// Checks what types cannot say: names that no request could ever be called by.
    ///
    /// # Errors
    /// What is wrong, naming the setting and what would be right.
    pub fn check(&self) -> Result<(), String> {
        for host in &self.allowed_hosts {
            let name = host.split_once("://").map_or(host.as_str(), |(_, rest)| rest);
            let name = name.split('/').next().unwrap_or(name);
            if name != host {
                return Err(format!(
                    "http.allowed_hosts has \"{host}\", which is an address and lets nobody in; a host has no \
                     scheme and no path: write \"{name}\""
                ));
            }
        }
        for origin in &self.allowed_origins {
            if !origin.contains("://") && !origin.eq_ignore_ascii_case("null") {
                return Err(format!(
                    "http.allowed_origins has \"{origin}\" without a scheme, which lets no page in; write \
                     \"https://{origin}\""
                ));
            }
        }
        match &self.public_url {
            Some(url) => check_public(url),
            None => Ok(()),
        }
    }
}

/// Vendors are given addresses below it, so it has to be a whole one.
fn check_public(url: &str) -> Result<(), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!(
            "http.public_url \"{url}\" has no scheme, so that no vendor could call it; write \"https://{url}\""
        ));
    };
    let is_web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let is_host = url.parse::<http::Uri>().is_ok_and(|url| url.host().is_some());
    if !is_web || !is_host || rest.contains(['?', '#', '@']) {
        return Err("http.public_url is no address such as \"https://sms.example.com\" (no query, no user)"
            .to_owned());
    }
    Ok(())
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8787".to_owned(),
            token: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            public_url: None,
            max_body_bytes: 1024 * 1024,
            max_connections: 1_024,
            max_connections_per_address: 128,
            trusted_proxies: Vec::new(),
            sessions: true,
            max_sessions: 1_000,
            header_timeout: Span::seconds(5),
            body_timeout: Span::seconds(10),
            write_timeout: Span::seconds(30),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_that_nobody_could_call_is_refused_with_the_one_that_is_right() {
        for (setting, right) in [
            ("allowed_hosts = [\"https://sms.example.com\"]", "\"sms.example.com\""),
            ("allowed_hosts = [\"sms.example.com/mcp\"]", "\"sms.example.com\""),
            ("allowed_origins = [\"app.example.com\"]", "\"https://app.example.com\""),
            ("public_url = \"sms.example.com\"", "\"https://sms.example.com\""),
            ("public_url = \"sms.example.com:8443/x\"", "\"https://sms.example.com:8443/x\""),
            ("public_url = \"ftp://sms.example.com\"", "\"https://sms.example.com\""),
            ("public_url = \"https://\"", "\"https://sms.example.com\""),
            ("public_url = \"https://sms.example.com/?a=1\"", "no query"),
        ] {
            let settings: Settings = toml::from_str(setting).unwrap();
            let why = settings.check().unwrap_err();
            assert!(why.contains(right) && why.contains(setting.split(' ').next().unwrap()), "{why}");
        }
        let fine = "allowed_hosts = [\"sms.example.com\", \"a.example:8443\", \"2001:db8::7\"]\n\
            allowed_origins = [\"https://app.example.com\", \"http://localhost:*\", \"null\"]\n\
            public_url = \"http://127.0.0.1:8787/sms\"\n";
        assert_eq!(toml::from_str::<Settings>(fine).unwrap().check(), Ok(()));
    }
}
