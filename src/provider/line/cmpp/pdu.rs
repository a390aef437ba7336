//! The octets of CMPP: every PDU between a service provider and a gateway, in both directions and in each
//! version.
//!
//! Decoding borrows from the frame and copies nothing; encoding writes straight into the buffer that goes
//! out. What a field means is for others. Versions 2.0 and 2.1 are the same octets; 3.0 has wider numbers and
//! results. Where peers are known to mix the widths up, the length of the frame decides and not the version.
//!
//! A text field has a fixed width and is filled up with zeros: a reader cuts at the first zero, a writer cuts
//! what is too long. All integers are big-endian.
//!
//! Source: China Mobile QB-GF-028-2003 (CMPP 3.0.0), section 8, with its list of changes since 2.x.

pub(super) mod read;
#[cfg(test)]
mod tests;
pub(super) mod write;

pub use read::{Unreadable, decode};
pub use write::encode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Length of a header: `Total_Length`, `Command_Id`, `Sequence_Id`.
pub const HEADER: usize = 12;

/// The longest frame that is read. The longest legal one, a SUBMIT of 3.0 to 99 numbers, has 3586 octets.
pub const LONGEST: usize = 4096;

/// Most destinations of one SUBMIT (`DestUsr_tl` is less than 100).
pub const MAX_DESTINATIONS: usize = 99;

/// Set in the `Command_Id` of an answer.
pub(super) const ANSWER: u32 = 0x8000_0000;

/// The `Command_Id`s of requests.
pub(super) mod command {
    pub(crate) const CONNECT: u32 = 1;
    pub(crate) const TERMINATE: u32 = 2;
    pub(crate) const SUBMIT: u32 = 4;
    pub(crate) const DELIVER: u32 = 5;
    pub(crate) const QUERY: u32 = 6;
    pub(crate) const CANCEL: u32 = 7;
    pub(crate) const ACTIVE_TEST: u32 = 8;
}

/// The version of the protocol that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "CmppVersion")]
pub enum Version {
    /// 2.0
    #[serde(rename = "2.0")]
    V20,
    /// 2.1, whose octets are those of 2.0.
    #[serde(rename = "2.1")]
    V21,
    /// 3.0
    #[serde(rename = "3.0")]
    V30,
}

impl Version {
    /// As it stands in CONNECT: the high half is the major number.
    pub const fn octet(self) -> u8 {
        match self {
            Self::V20 => 0x20,
            Self::V21 => 0x21,
            Self::V30 => 0x30,
        }
    }

    /// The version of this octet, if it is one of those known here.
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            0x20 => Some(Self::V20),
            0x21 => Some(Self::V21),
            0x30 => Some(Self::V30),
            _ => None,
        }
    }

    /// The next lower one.
    pub const fn lower(self) -> Option<Self> {
        match self {
            Self::V20 => None,
            Self::V21 => Some(Self::V20),
            Self::V30 => Some(Self::V21),
        }
    }

    /// As people write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V20 => "2.0",
            Self::V21 => "2.1",
            Self::V30 => "3.0",
        }
    }

    const fn is_wide(self) -> bool {
        matches!(self, Self::V30)
    }

    /// Width of a `Fee_terminal_Id`, `Dest_terminal_Id` and `Src_terminal_Id`.
    pub const fn terminal(self) -> usize {
        if self.is_wide() { 32 } else { 21 }
    }

    /// Width of the last field of SUBMIT and DELIVER: `Reserve`, and since 3.0 `LinkID`.
    const fn link(self) -> usize {
        if self.is_wide() { 20 } else { 8 }
    }

    /// Width of a `Status`, `Result` and `Success_Id`.
    const fn result(self) -> usize {
        if self.is_wide() { 4 } else { 1 }
    }
}

/// One frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// `Sequence_Id`: an answer has that of its request.
    pub sequence: u32,
    /// What it says.
    pub pdu: Pdu<'a>,
}

/// What a frame says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pdu<'a> {
    /// We are this service provider.
    Connect(Connect<'a>),
    /// The answer to it.
    ConnectResp(ConnectResp),
    /// The other end goes.
    Terminate,
    /// The answer to it.
    TerminateResp,
    /// Send this text.
    Submit(Submit<'a>),
    /// The answer to it.
    SubmitResp(Answered),
    /// A text of a person, or a report.
    Deliver(Deliver<'a>),
    /// The answer to it.
    DeliverResp(Answered),
    /// How many messages there were on a day?
    Query(Query<'a>),
    /// The answer to it.
    QueryResp(Query<'a>, Counts),
    /// Take the message with this `Msg_Id` back.
    Cancel(u64),
    /// The answer to it: 0, or 1 where it could not be taken back.
    CancelResp(u32),
    /// Are you there?
    ActiveTest,
    /// The answer to it.
    ActiveTestResp,
}

impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frame").field("sequence", &self.sequence).field("pdu", &self.pdu).finish()
    }
}

/// Shows the name alone: the rest is texts, numbers and proofs.
impl std::fmt::Debug for Pdu<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect(_) => "CONNECT",
            Self::ConnectResp(_) => "CONNECT_RESP",
            Self::Terminate => "TERMINATE",
            Self::TerminateResp => "TERMINATE_RESP",
            Self::Submit(_) => "SUBMIT",
            Self::SubmitResp(_) => "SUBMIT_RESP",
            Self::Deliver(_) => "DELIVER",
            Self::DeliverResp(_) => "DELIVER_RESP",
            Self::Query(_) => "QUERY",
            Self::QueryResp(..) => "QUERY_RESP",
            Self::Cancel(_) => "CANCEL",
            Self::CancelResp(_) => "CANCEL_RESP",
            Self::ActiveTest => "ACTIVE_TEST",
            Self::ActiveTestResp => "ACTIVE_TEST_RESP",
        })
    }
}

/// CONNECT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// `Source_Addr`, 6: the `SP_Id`.
    pub source: &'a [u8],
    /// `AuthenticatorSource`: the proof that we know the secret.
    pub authenticator: [u8; 16],
    /// `Version`.
    pub version: u8,
    /// `Timestamp`: month, day, hour, minute and second as one decimal number.
    pub timestamp: u32,
}

/// `CONNECT_RESP`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConnectResp {
    /// `Status`: 0, or why not.
    pub status: u32,
    /// `AuthenticatorISMG`: the gateway's proof.
    pub authenticator: [u8; 16],
    /// `Version`: the highest that the gateway speaks.
    pub version: u8,
    /// Whether the status has four octets. Known of a frame that was read; a writer goes by the version.
    pub is_wide: bool,
}

/// `SUBMIT_RESP` and `DELIVER_RESP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// `Msg_Id`
    pub msg_id: u64,
    /// `Result`: 0, or why not.
    pub result: u32,
}

/// SUBMIT. The numbers behind the fields' names are their widths in octets (2.x, and 3.0 where it differs).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Submit<'a> {
    /// `Msg_Id`: 0 from a service provider.
    pub msg_id: u64,
    /// `Pk_total`: segments of this message.
    pub parts: u8,
    /// `Pk_number`: which segment this is, from 1.
    pub part: u8,
    /// `Registered_Delivery`: 1 asks for a report.
    pub report: u8,
    /// `Msg_level`: priority, 0 to 9.
    pub level: u8,
    /// `Service_Id`, 10.
    pub service_id: &'a [u8],
    /// `Fee_UserType`: who is charged.
    pub fee_user: u8,
    /// `Fee_terminal_Id`, 21 or 32.
    pub fee_terminal: &'a [u8],
    /// `Fee_terminal_type`, since 3.0.
    pub fee_terminal_type: u8,
    /// `TP_pId`
    pub protocol_id: u8,
    /// `TP_udhi`: 1 where the content begins with a user data header.
    pub has_header: u8,
    /// `Msg_Fmt`
    pub format: u8,
    /// `Msg_src`, 6: the `SP_Id`.
    pub source: &'a [u8],
    /// `FeeType`, 2.
    pub fee_type: &'a [u8],
    /// `FeeCode`, 6.
    pub fee_code: &'a [u8],
    /// `ValId_Time`, 17.
    pub valid_until: &'a [u8],
    /// `At_Time`, 17.
    pub at_time: &'a [u8],
    /// `Src_Id`, 21: the sender that the phone shows.
    pub sender: &'a [u8],
    /// `Dest_terminal_Id`s, 21 or 32 each.
    pub destinations: Destinations<'a>,
    /// `Dest_terminal_type`, since 3.0.
    pub destination_type: u8,
    /// `Msg_Content`, with its header; at most 255 octets.
    pub content: &'a [u8],
    /// `Reserve`, 8, or `LinkID`, 20.
    pub link: &'a [u8],
}

/// DELIVER.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Deliver<'a> {
    /// `Msg_Id` of this DELIVER itself.
    pub msg_id: u64,
    /// `Dest_Id`, 21: our service code.
    pub destination: &'a [u8],
    /// `Service_Id`, 10.
    pub service_id: &'a [u8],
    /// `TP_pid`
    pub protocol_id: u8,
    /// `TP_udhi`
    pub has_header: u8,
    /// `Msg_Fmt`
    pub format: u8,
    /// `Src_terminal_Id`, 21 or 32: who wrote.
    pub source: &'a [u8],
    /// `Src_terminal_type`, since 3.0.
    pub source_type: u8,
    /// `Registered_Delivery`: 1 for a report.
    pub report: u8,
    /// `Msg_Content`: the text, or a [`Report`](super::report::Report).
    pub content: &'a [u8],
    /// `Reserved`, 8, or `LinkID`, 20.
    pub link: &'a [u8],
}

/// QUERY, and the first fields of its answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// `Time`, 8: the day, as `20261122`.
    pub day: &'a [u8],
    /// `Query_Type`: 0 for all, 1 for one service.
    pub kind: u8,
    /// `Query_Code`, 10: the service.
    pub code: &'a [u8],
    /// `Reserve`, 8; not in the answer.
    pub reserve: &'a [u8],
}

/// The counters of `QUERY_RESP`, in the order of the standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// `MT_TLMsg`: messages taken from the service provider.
    pub taken: u32,
    /// `MT_Tlusr`: phones that they were for.
    pub phones: u32,
    /// `MT_Scs`: passed on.
    pub passed_on: u32,
    /// `MT_WT`: waiting.
    pub waiting: u32,
    /// `MT_FL`: failed.
    pub failed: u32,
    /// `MO_Scs`: messages of people passed to the service provider.
    pub replies: u32,
    /// `MO_WT`: those that wait.
    pub replies_waiting: u32,
    /// `MO_FL`: those that failed.
    pub replies_failed: u32,
}

/// A phone's number as CMPP writes it: at most 32 octets, no zero among them. Longer is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    octets: [u8; 32],
    length: usize,
}

impl Terminal {
    /// Of these octets.
    pub fn new(number: &[u8]) -> Self {
        let mut octets = [0; 32];
        let length = number.iter().position(|octet| *octet == 0).unwrap_or(number.len()).min(octets.len());
        octets.iter_mut().zip(number.iter().take(length)).for_each(|(to, from)| *to = *from);
        Self { octets, length }
    }

    /// Without the zeros.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[number]")
    }
}

/// The destinations of a SUBMIT, at most [`MAX_DESTINATIONS`].
#[derive(Clone, Copy)]
pub enum Destinations<'a> {
    /// As they stand in a frame: fields of this width, one after the other.
    Fields(&'a [u8], usize),
    /// As they are listed to be written.
    Listed(&'a [Terminal]),
}

impl<'a> Destinations<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Fields(octets, width) => octets.len().checked_div(*width).unwrap_or(0),
            Self::Listed(all) => all.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each, without its zeros.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (fields, listed): (_, &'a [Terminal]) = match *self {
            Self::Fields(octets, width) => (octets.chunks_exact(width.max(1)), &[]),
            Self::Listed(all) => ([].chunks_exact(1), all),
        };
        fields.map(until_zero).chain(listed.iter().map(Terminal::as_bytes))
    }
}

impl PartialEq for Destinations<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Destinations<'_> {}

/// A text field without the zeros that fill it up.
pub(super) fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|octet| *octet == 0).next().unwrap_or_default()
}

macro_rules! hidden {
    ($($kind:ident),+) => { $(
        /// Shows nothing of it.
        impl std::fmt::Debug for $kind<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($kind)).finish_non_exhaustive()
            }
        }
    )+ };
}

hidden!(Connect, Submit, Deliver, Query, Destinations);

impl std::fmt::Debug for ConnectResp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectResp")
            .field("status", &self.status)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
