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

use sms_mcp::clock::Timestamp;
use sms_mcp::config::KINDS;
use sms_mcp::provider::Submission;
use sms_mcp::provider::exchange::Enquiry;
use sms_mcp::provider::rest::Settings;
use sms_mcp::sms::message::MessageId;
use sms_mcp::sms::number::Number;

use crate::fake::PATIENCE;

/// Settings by which nothing takes too long: a wait for an answer ends where a fake lets it end, on its clock
/// ([`crate::fake::clock_before`]).
pub fn patient() -> Settings {
    let patience = format!("{}s", PATIENCE.as_secs()).parse().unwrap();
    Settings { connect_timeout: patience, read_timeout: patience, timeout: patience, ..Settings::default() }
}

/// A text of one segment to somebody, as it is handed to a provider that shows its own sender.
pub fn submission_of(id: MessageId, to: Number, text: &str) -> Submission {
    Submission {
        id,
        to,
        from: None,
        text: text.to_owned(),
        segments: 1,
        ceiling: None,
        brake: Default::default(),
    }
}

/// What such a text is looked up by.
pub fn enquiry_of(id: MessageId, vendor_id: &str, to: Number) -> Enquiry {
    Enquiry { id, from: None, vendor_id: vendor_id.to_owned(), to, created: Timestamp(1) }
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
