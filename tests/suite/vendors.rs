//! Each provider, and the HTTP client that the REST ones share, before a fake of its vendor.

pub mod a2p_pro;
mod hostile;
pub mod http;
pub mod mailersend;
pub mod mailpro;
mod operator;
mod pace;
mod pool;
pub mod sms_for_ai;
mod tls;
mod whole;

use sms_mcp::provider::http::Settings;

/// A connection that gives up soon.
pub fn quick() -> Settings {
    Settings { connect_timeout: "2s".parse().unwrap(), read_timeout: "1s".parse().unwrap(), timeout: "1s".parse().unwrap(), ..Settings::default() }
}
