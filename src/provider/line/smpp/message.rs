//! What SMPP asks and answers, as values: addresses, segments, requests and the answers to them. How they
//! look on the wire is said elsewhere: see `write` for what goes out and `pdu` for what comes in.
//!
//! Source: SMPP v3.4, section 4 (the commands).

use std::fmt;
use std::sync::Arc;

use super::wire::{Reader, command, text_of};

/// Longest address that is kept: that of a data_sm (section 5.2.8 to 5.2.10). Nobody has a longer one.
const MOST_ADDRESS: usize = 64;

/// What one bind is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bind {
    /// Requests of ours alone.
    Transmitter,
    /// Receipts and messages of people alone.
    Receiver,
    /// Both.
    Transceiver,
}

impl Bind {
    pub(super) const fn command(self) -> u32 {
        match self {
            Self::Transmitter => command::BIND_TRANSMITTER,
            Self::Receiver => command::BIND_RECEIVER,
            Self::Transceiver => command::BIND_TRANSCEIVER,
        }
    }
}

/// A number or name with its kind (sections 5.2.5 and 5.2.6). `Debug` shows the kind alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Type of number.
    pub ton: u8,
    /// Numbering plan.
    pub npi: u8,
    /// Digits without `+`, or the name.
    pub text: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address").field("ton", &self.ton).field("npi", &self.npi).finish_non_exhaustive()
    }
}

impl Address {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let (ton, npi, text) = (reader.u8(), reader.u8(), reader.text());
        Self { ton, npi, text: text_of(text.get(..MOST_ADDRESS).unwrap_or(text)) }
    }
}

/// Which segment of which text this is (sections 5.3.2.22 to 24, or a user data header).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number that all segments of the text share.
    pub reference: u16,
    /// How many there are.
    pub total: u8,
    /// Which one this is, from 1.
    pub number: u8,
}

/// One segment to send. `Debug` shows neither addresses nor text.
#[derive(Clone, PartialEq, Eq)]
pub struct Submit {
    /// The sender; empty for that of the account.
    pub from: Arc<Address>,
    /// The recipient.
    pub to: Arc<Address>,
    /// The alphabet (section 5.2.19).
    pub coding: u8,
    /// Whether [`octets`](Self::octets) begin with a user data header.
    pub has_udh: bool,
    /// The user data.
    pub octets: Vec<u8>,
    /// Where the place is told in `sar_*` parameters.
    pub sar: Option<Place>,
    /// Whether the user data goes as `message_payload`.
    pub is_payload: bool,
}

impl fmt::Debug for Submit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submit")
            .field("coding", &self.coding)
            .field("octets", &self.octets.len())
            .finish_non_exhaustive()
    }
}

/// What we ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Send this.
    Submit(Submit),
    /// Where does this message stand?
    Query {
        /// The carrier's id, as it wrote it.
        message_id: String,
        /// The sender that the message had.
        from: Address,
    },
    /// Take this message back.
    Cancel {
        /// The carrier's id, as it wrote it.
        message_id: String,
        /// The sender that the message had.
        from: Address,
        /// Its recipient.
        to: Address,
    },
}

/// What the carrier answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The command that it answers; 0 where it says that it answers none.
    pub command: u32,
    /// 0: taken. Also codes outside the standard.
    pub status: u32,
    /// The id that it gave, as it wrote it; may be empty.
    pub message_id: String,
    /// To a query: where the message stands (section 5.2.28).
    pub state: Option<u8>,
    /// To a query: the network's error code; 0 is none.
    pub error: u8,
}

impl Answer {
    /// Whether it answers a message, and not another command.
    pub(super) fn is_of_submit(&self) -> bool {
        self.command == command::SUBMIT_SM
    }
}
