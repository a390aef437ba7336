//! CMPP

pub mod content;
pub mod login;
pub mod pdu;
pub mod report;
mod time;
