//! What SMPP says, and how it is written: the [`Protocol`] that the session engine speaks through.
//!
//! The fields that are the same in every message of a provider are kept here, so that a request is only what differs.
//! Frames are written straight into the connection's buffer. Everything that comes in is read leniently, see
//! [`wire`](super::wire): a frame of at least a header is always something, and never an error.
//!
//! Source: SMPP v3.4, section 4 (the commands), section 5.2.12 (esm_class).

use std::fmt;
use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};

use super::status::Statuses;
use super::wire::{self, Header, Reader, command, put_text, put_tlv, tag, text_in_tlv, text_of};
use crate::clock::Timestamp;
use crate::provider::session::{Incoming, Protocol, Refused};
use crate::setting::SecretText;

/// The version that is bound with.
const INTERFACE_VERSION: u8 = 0x34;

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
    const fn command(self) -> u32 {
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
    fn put(&self, out: &mut BytesMut) {
        out.put_u8(self.ton);
        out.put_u8(self.npi);
        put_text(out, self.text.as_bytes(), 20);
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        Self { ton: reader.u8(), npi: reader.u8(), text: text_of(reader.text()) }
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
        f.debug_struct("Submit").field("coding", &self.coding).field("octets", &self.octets.len()).finish_non_exhaustive()
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
    /// 0: taken. Also codes outside the standard.
    pub status: u32,
    /// The id that it gave, as it wrote it; may be empty.
    pub message_id: String,
    /// To a query: where the message stands (section 5.2.28).
    pub state: Option<u8>,
    /// To a query: the network's error code; 0 is none.
    pub error: u8,
}

/// What the carrier tells: a `deliver_sm` or `data_sm`. `Debug` shows neither addresses nor text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Deliver {
    /// Which of the two it was.
    pub command: u32,
    /// Who wrote, or whom the message went to that a receipt is about.
    pub from: Address,
    /// To whom.
    pub to: Address,
    /// What it is (section 5.2.12).
    pub esm_class: u8,
    /// The alphabet.
    pub coding: u8,
    /// The user data: `message_payload` where there is one, else `short_message`.
    pub octets: Vec<u8>,
    /// Of a receipt: the id of the message.
    pub receipted_message_id: Option<String>,
    /// Of a receipt: where the message stands.
    pub message_state: Option<u8>,
    /// Of a receipt: the network and its code.
    pub network_error: Option<(u8, u16)>,
    /// The sender's own number for this message.
    pub user_reference: Option<u16>,
    /// Which segment it is, where parameters tell.
    pub sar: Option<Place>,
    /// Whether it holds what such a frame must have.
    pub is_readable: bool,
}

impl fmt::Debug for Deliver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver")
            .field("esm_class", &self.esm_class)
            .field("coding", &self.coding)
            .field("octets", &self.octets.len())
            .finish_non_exhaustive()
    }
}

impl Deliver {
    fn read(command: u32, body: &[u8]) -> Self {
        let mut reader = Reader(body);
        reader.text();
        let mut deliver = Self { command, from: Address::read(&mut reader), to: Address::read(&mut reader), ..Self::default() };
        deliver.esm_class = reader.u8();
        if command == command::DATA_SM {
            reader.u8();
            deliver.is_readable = !reader.0.is_empty();
            deliver.coding = reader.u8();
        } else {
            reader.take(2);
            reader.text();
            reader.text();
            reader.take(2);
            deliver.coding = reader.u8();
            reader.u8();
            deliver.is_readable = !reader.0.is_empty();
            let length = usize::from(reader.u8());
            deliver.octets = reader.take(length).to_vec();
        }
        deliver.read_tlvs(&mut reader);
        deliver
    }

    fn read_tlvs(&mut self, reader: &mut Reader<'_>) {
        let (mut reference, mut total, mut number) = (None, None, None);
        while let Some((tag, value)) = reader.tlv() {
            let mut field = Reader(value);
            match tag {
                tag::RECEIPTED_MESSAGE_ID => self.receipted_message_id = Some(text_in_tlv(value)).filter(|id| !id.trim().is_empty()),
                tag::MESSAGE_STATE => self.message_state = value.first().copied(),
                tag::NETWORK_ERROR_CODE if value.len() >= 3 => self.network_error = Some((field.u8(), field.u16())),
                tag::MESSAGE_PAYLOAD if self.octets.is_empty() => self.octets = value.to_vec(),
                tag::USER_MESSAGE_REFERENCE if value.len() >= 2 => self.user_reference = Some(field.u16()),
                tag::SAR_MSG_REF_NUM if value.len() >= 2 => reference = Some(field.u16()),
                tag::SAR_TOTAL_SEGMENTS => total = value.first().copied(),
                tag::SAR_SEGMENT_SEQNUM => number = value.first().copied(),
                _ => {}
            }
        }
        if let (Some(reference), Some(total), Some(number)) = (reference, total, number) {
            self.sar = Some(Place { reference, total, number });
        }
    }
}

/// Reads any frame. Nothing of it can fail, whatever the octets are.
pub fn read(frame: &[u8]) -> Incoming<Codec> {
    let Some((Header { command, status, sequence }, body)) = Header::read(frame) else { return Incoming::Ignored };
    let mut reader = Reader(body);
    match command {
        command::DELIVER_SM | command::DATA_SM => Incoming::Push { sequence, push: Deliver::read(command, body) },
        command::ENQUIRE_LINK => Incoming::Ping { sequence },
        command::UNBIND => Incoming::Bye { sequence },
        // These two have no answer (sections 4.1.7 and 4.12).
        command::ALERT_NOTIFICATION | command::OUTBIND => Incoming::Ignored,
        _ if command & command::ANSWER == 0 => Incoming::Malformed { sequence },
        // Without a number of ours it is about something that could not be read at all.
        command::GENERIC_NACK if sequence == 0 => Incoming::Ignored,
        // An answer "no" whose status says yes: whatever it means, it was not taken.
        command::GENERIC_NACK => {
            let status = if status == 0 { super::status::UNKNOWN_ERROR } else { status };
            Incoming::Answer { sequence, answer: Answer { status, ..Answer::default() } }
        }
        _ => match command & !command::ANSWER {
            command::SUBMIT_SM | command::CANCEL_SM => {
                Incoming::Answer { sequence, answer: Answer { status, message_id: text_of(reader.text()), ..Answer::default() } }
            }
            command::QUERY_SM => {
                let message_id = text_of(reader.text());
                reader.text();
                let state = reader.0.first().copied();
                reader.u8();
                Incoming::Answer { sequence, answer: Answer { status, message_id, state, error: reader.u8() } }
            }
            command::ENQUIRE_LINK => Incoming::Pong,
            command::UNBIND => Incoming::ByeAnswer,
            _ => Incoming::Ignored,
        },
    }
}

/// What every message of a provider has in common.
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// Service type (section 5.2.11); empty for the carrier's own.
    pub service_type: String,
    /// Protocol identifier of the network (section 5.2.13).
    pub protocol_id: u8,
    /// 0 to 3 (section 5.2.14).
    pub priority: u8,
    /// When it may be delivered at the earliest, as section 7.1.1 writes times; empty for now.
    pub schedule: String,
    /// Until when, likewise; empty for the carrier's own time.
    pub validity: String,
    /// Which receipts are asked for (section 5.2.17).
    pub registered_delivery: u8,
}

/// Writes and reads frames for one account. `Debug` does not show the password.
#[derive(Debug)]
pub struct Codec {
    /// Who we are.
    pub system_id: String,
    /// And the proof.
    pub password: SecretText,
    /// What kind of system we are.
    pub system_type: String,
    /// What every message has in common.
    pub common: Common,
    /// What answers mean.
    pub statuses: Statuses,
}

impl Codec {
    fn put_submit(&self, submit: &Submit, out: &mut BytesMut) {
        let common = &self.common;
        put_text(out, common.service_type.as_bytes(), 5);
        submit.from.put(out);
        submit.to.put(out);
        // Bit 6: a user data header (section 5.2.12). The mode stays the carrier's own.
        out.put_u8(if submit.has_udh { 0x40 } else { 0 });
        out.put_u8(common.protocol_id);
        out.put_u8(common.priority);
        put_text(out, common.schedule.as_bytes(), 16);
        put_text(out, common.validity.as_bytes(), 16);
        out.put_u8(common.registered_delivery);
        // No replacing of an earlier message.
        out.put_u8(0);
        out.put_u8(submit.coding);
        out.put_u8(0);
        match u8::try_from(submit.octets.len()) {
            Ok(length) if !submit.is_payload => {
                out.put_u8(length);
                out.put_slice(&submit.octets);
            }
            _ => {
                out.put_u8(0);
                put_tlv(out, tag::MESSAGE_PAYLOAD, &submit.octets);
            }
        }
        if let Some(Place { reference, total, number }) = submit.sar {
            put_tlv(out, tag::SAR_MSG_REF_NUM, &reference.to_be_bytes());
            put_tlv(out, tag::SAR_TOTAL_SEGMENTS, &[total]);
            put_tlv(out, tag::SAR_SEGMENT_SEQNUM, &[number]);
        }
    }
}

impl Protocol for Codec {
    type Bind = Bind;
    type Dialect = ();
    type Request = Request;
    type Answer = Answer;
    type Push = Deliver;

    // A deliver_sm has at most some hundred octets and one `message_payload` of up to 64 KiB.
    const FRAME: std::ops::RangeInclusive<usize> = wire::HEADER..=(1 << 17);

    fn greet(&self, bind: &Bind, sequence: u32, _: Timestamp, out: &mut BytesMut) {
        wire::frame(out, bind.command(), 0, sequence, |out| {
            put_text(out, self.system_id.as_bytes(), 15);
            // The standard says 8 octets; carriers hand out longer ones, and expect them whole.
            put_text(out, self.password.expose().as_bytes(), usize::MAX);
            put_text(out, self.system_type.as_bytes(), 12);
            out.put_u8(INTERFACE_VERSION);
            // Type, plan and range of the addresses that are served: the carrier knows them.
            out.put_slice(&[0, 0, 0]);
        });
    }

    fn greeted(&self, bind: &Bind, frame: &[u8]) -> Result<(), Refused> {
        let refused = |why: String, is_unauthorized| Refused { why, is_unauthorized, is_to_be_tried_at_once: false };
        let header = Header::read(frame).map(|(header, _)| header).filter(|header| header.command & command::ANSWER != 0);
        let Some(header) = header else { return Err(refused("the carrier did not answer the bind".to_owned(), false)) };
        let is_ours = header.command == bind.command() | command::ANSWER;
        match header.status {
            0 if is_ours => Ok(()),
            0 => Err(refused("the carrier answered another question than the bind".to_owned(), false)),
            status => Err(refused(format!("the bind was refused: {}", self.statuses.words(status)), self.statuses.is_about_us(status))),
        }
    }

    fn encode(&self, (): &(), request: &Request, sequence: u32, out: &mut BytesMut) {
        match request {
            Request::Submit(submit) => wire::frame(out, command::SUBMIT_SM, 0, sequence, |out| self.put_submit(submit, out)),
            Request::Query { message_id, from } => wire::frame(out, command::QUERY_SM, 0, sequence, |out| {
                put_text(out, message_id.as_bytes(), 64);
                from.put(out);
            }),
            Request::Cancel { message_id, from, to } => wire::frame(out, command::CANCEL_SM, 0, sequence, |out| {
                // No service type: one would speak of all messages of that service (section 4.9.1).
                put_text(out, b"", 0);
                put_text(out, message_id.as_bytes(), 64);
                from.put(out);
                to.put(out);
            }),
        }
    }

    fn decode(&self, (): &(), frame: &[u8]) -> Incoming<Self> {
        read(frame)
    }

    fn is_throttled(&self, answer: &Answer) -> bool {
        self.statuses.is_throttled(answer.status)
    }

    fn ping(&self, sequence: u32, out: &mut BytesMut) {
        wire::frame(out, command::ENQUIRE_LINK, 0, sequence, |_| {});
    }

    fn pong(&self, sequence: u32, out: &mut BytesMut) {
        wire::frame(out, command::ENQUIRE_LINK | command::ANSWER, 0, sequence, |_| {});
    }

    fn bye(&self, sequence: u32, out: &mut BytesMut) {
        wire::frame(out, command::UNBIND, 0, sequence, |_| {});
    }

    fn bye_answer(&self, sequence: u32, out: &mut BytesMut) {
        wire::frame(out, command::UNBIND | command::ANSWER, 0, sequence, |_| {});
    }

    fn push_answer(&self, (): &(), push: &Deliver, sequence: u32, is_taken: bool, out: &mut BytesMut) {
        let status = if is_taken { 0 } else { super::status::TRY_LATER };
        // Its message_id is not used and empty (section 4.6.2).
        wire::frame(out, push.command | command::ANSWER, status, sequence, |out| out.put_u8(0));
    }

    fn nack(&self, sequence: u32, out: &mut BytesMut) {
        wire::frame(out, command::GENERIC_NACK, super::status::INVALID_COMMAND, sequence, |_| {});
    }
}
