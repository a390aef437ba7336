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
