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
pub mod telnyx;
mod tls;
pub mod twilio;
mod whole;

use sms_mcp::provider::rest::Settings;

use crate::fake::PATIENCE;

/// Settings by which nothing takes too long: a wait for an answer ends where a fake lets it end, on its clock
/// ([`crate::fake::clock_before`]).
pub fn patient() -> Settings {
    let patience = format!("{}s", PATIENCE.as_secs()).parse().unwrap();
    Settings { connect_timeout: patience, read_timeout: patience, timeout: patience, ..Settings::default() }
}
