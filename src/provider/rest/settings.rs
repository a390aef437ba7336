//! How a vendor's interface is reached: its address, and `[provider.http]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::setting::Span;

/// `[provider.http]`: the connection to a vendor.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ProviderHttp")]
pub struct Settings {
    /// How long a connection, with its encryption, may take to be made.
    pub connect_timeout: Span,
    /// How long the vendor may be silent in the middle of an answer.
    pub read_timeout: Span,
    /// How long a whole request may take. After that its outcome is unknown. Less than `[send] timeout`.
    pub timeout: Span,
    /// Most connections to the vendor at once.
    pub max_connections: u32,
    /// An HTTP proxy to go through, such as `http://proxy.example.com:3128`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { connect_timeout: Span::seconds(5), read_timeout: Span::seconds(15), timeout: Span::seconds(25), max_connections: 32, proxy: None }
    }
}

/// Reads the address of a vendor. Keys and texts travel there, so it is encrypted unless it is this machine.
///
/// # Errors
/// What is wrong with it.
pub fn base_url(text: &str) -> std::result::Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("base_url \"{text}\" is no address such as https://api.example.com/v1: {error}"))?;
    // First of all, so that no error shows what stands before an `@`.
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("base_url must be a plain address: no query, no fragment, no user".to_owned());
    }
    let is_local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if is_local => {}
        _ => return Err(format!("base_url \"{text}\" must begin with https://, since keys and texts travel there")),
    }
    Ok(url)
}
