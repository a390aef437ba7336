//! Each provider, and the HTTP client that the REST ones share, before a fake of its vendor.

pub mod a2p_pro;
pub mod aws;
pub mod gateway;
pub mod hostile;
pub mod http;
pub mod infobip;
pub mod mailersend;
pub mod mailpro;
mod operator;
mod pace;
pub mod plivo;
mod pool;
mod sdks;
pub mod sinch;
pub mod sms_for_ai;
pub mod sms_gateway;
pub mod telnyx;
mod tls;
pub mod twilio;
pub mod vonage;
mod whole;

use sms_mcp::config::KINDS;
use sms_mcp::provider::rest::Settings;

use crate::fake::PATIENCE;

/// Settings by which nothing takes too long: a wait for an answer ends where a fake lets it end, on its clock
/// ([`crate::fake::clock_before`]).
pub fn patient() -> Settings {
    let patience = format!("{}s", PATIENCE.as_secs()).parse().unwrap();
    Settings { connect_timeout: patience, read_timeout: patience, timeout: patience, ..Settings::default() }
}

/// Every kind of provider that asks a vendor over HTTP: all of `kinds!` but the one that asks nobody and those
/// that keep a connection of their own. So a new kind is among them, and each test that goes through them wants
/// to know it.
pub fn over_http() -> impl Iterator<Item = &'static str> {
    KINDS.iter().copied().filter(|kind| !["sandbox", "cmpp", "smpp"].contains(kind))
}

/// The end of a test that has to know something of each kind, for one of which nobody has told it.
pub fn unknown(kind: &str, function: &str) -> ! {
    panic!("`{function}` knows nothing of the provider \"{kind}\": tell it, as docs/ADD_A_PROVIDER.md says")
}
