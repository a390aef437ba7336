//! What is fuzzed. The targets and the test that replays the corpus (`tests/suite/carriers/corpus.rs`) share
//! these functions, so that they cannot drift apart. Each panics where something is wrong.

use bytes::BytesMut;
use sms_mcp::clock::Timestamp;
use sms_mcp::provider::line::cmpp::pdu::{Pdu, Version};
use sms_mcp::provider::line::session::Incoming;
use sms_mcp::provider::line::smpp::alphabet::Alphabet;
use sms_mcp::provider::line::smpp::inbox::{Inbox, ReceiptIds};
use sms_mcp::provider::line::{cmpp, smpp};

/// A frame of CMPP. The first octet says the version, and whether the frame's length is made right; the rest
/// is the frame.
pub fn cmpp_decode(octets: &[u8]) {
    let Some((first, rest)) = octets.split_first() else { return };
    let version = [Version::V20, Version::V21, Version::V30][usize::from(first & 0x7f) % 3];
    let mut frame = rest.to_vec();
    if first & 0x80 != 0 && frame.len() >= 4 {
        let length = u32::try_from(frame.len()).unwrap();
        frame[..4].copy_from_slice(&length.to_be_bytes());
    }
    let Ok(read) = cmpp::pdu::decode(&frame, version) else { return };
    if let Pdu::Deliver(deliver) = &read.pdu {
        let _ = cmpp::content::decode(deliver.format, deliver.content);
        if let Some(report) = cmpp::report::Report::decode(deliver.content) {
            let _ = report.state();
        }
    }
    // What was read as a request is written and read again as the same. Answers come in the width of the
    // wrong version.
    let is_answer = frame[4] & 0x80 != 0;
    if !is_answer {
        let mut written = BytesMut::new();
        cmpp::pdu::encode(&read.pdu, read.sequence, version, &mut written);
        assert!(
            cmpp::pdu::decode(&written, version).is_ok_and(|again| again == read),
            "it is not the same again"
        );
    }
}

/// A frame of SMPP. What it tells goes on to where receipts and people's texts are read.
pub fn smpp_decode(octets: &[u8]) {
    let mut frame = octets.to_vec();
    if frame.len() >= 4 {
        let length = u32::try_from(frame.len()).unwrap();
        frame[..4].copy_from_slice(&length.to_be_bytes());
    }
    if let Incoming::Push { push, .. } = smpp::pdu::read(&frame) {
        for alphabet in [Alphabet::Gsm7, Alphabet::Latin1] {
            let mut inbox = Inbox::new(alphabet, ReceiptIds::HexToDecimal, true);
            let told = inbox.take(&push, Timestamp(1_000_000));
            // Told again at once it is the same, or nothing.
            let again = inbox.take(&push, Timestamp(1_000_001));
            assert!(told.is_lost == again.is_lost);
        }
    }
}

/// The text of a receipt.
pub fn smpp_receipt(octets: &[u8]) {
    let receipt = smpp::receipt::parse(octets);
    assert!(receipt.id.is_none_or(|id| !id.is_empty() && id.len() <= 2 * octets.len()));
}
