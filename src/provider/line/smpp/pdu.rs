//! What SMPP says: the [`Protocol`] that the session engine speaks through.
//!
//! What goes out is made of the types of the crate `rusmpp` and written by it, see `write`. The fields that
//! are the same in every message of a provider are kept here, so that a request is only what differs.
//! Everything that comes in is read leniently and by hand, see `wire`: a frame of at least a header is always
//! something, and never an error.
//!
//! Source: SMPP v3.4, section 4 (the commands), section 5.2.12 (esm_class).

use std::fmt;

use bytes::BytesMut;
use rusmpp::Pdu;
use rusmpp::pdus::{DataSmResp, DeliverSmResp};
use sha2::{Digest as _, Sha256};

use super::message::{Address, Answer, Bind, Place, Request};
use super::status::Statuses;
use super::wire::{self, Header, Reader, command, tag, text_in_tlv, text_of};
use super::write::{Common, Ready, Text, put, put_bind};
use crate::clock::Timestamp;
use crate::provider::line::session::{Content, Incoming, Protocol, Refused, Verdict};
use crate::setting::SecretText;

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

/// What a `deliver_sm` or `data_sm` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A receipt.
    Receipt,
    /// What a person wrote.
    Text,
    /// Anything else: an acknowledgement by a phone, or an interim notification.
    Other,
}

/// `esm_class` bits 5 to 2: what a message is (section 5.2.12).
const TYPE: u8 = 0x3C;
const RECEIPT: u8 = 0x04;

impl Deliver {
    /// What it is. No phone can set `receipted_message_id`, so whatever has it is a receipt, also where
    /// `esm_class` does not say so.
    pub fn kind(&self) -> Kind {
        match self.esm_class & TYPE {
            RECEIPT => Kind::Receipt,
            0 if self.receipted_message_id.is_some() => Kind::Receipt,
            0 => Kind::Text,
            _ => Kind::Other,
        }
    }

    /// What stands for a text of a person: everything that the carrier repeats when it tells it again.
    /// Nothing for what nobody wrote.
    pub fn content(&self) -> Option<Content> {
        if self.kind() != Kind::Text {
            return None;
        }
        let mut hash = Sha256::new();
        for address in [&self.from, &self.to] {
            hash.update([address.ton, address.npi]);
            hash.update(address.text.as_bytes());
            hash.update([0]);
        }
        hash.update([self.esm_class, self.coding]);
        hash.update(self.user_reference.unwrap_or_default().to_be_bytes());
        if let Some(Place { reference, total, number }) = self.sar {
            hash.update(reference.to_be_bytes());
            hash.update([total, number]);
        }
        hash.update([0]);
        hash.update(&self.octets);
        hash.finalize().first_chunk().copied()
    }

    fn read(command: u32, body: &[u8]) -> Self {
        let mut reader = Reader(body);
        reader.text();
        let mut deliver = Self {
            command,
            from: Address::read(&mut reader),
            to: Address::read(&mut reader),
            ..Self::default()
        };
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
                tag::RECEIPTED_MESSAGE_ID => {
                    self.receipted_message_id = Some(text_in_tlv(value)).filter(|id| !id.trim().is_empty())
                }
                tag::MESSAGE_STATE => self.message_state = value.first().copied(),
                tag::NETWORK_ERROR_CODE if value.len() >= 3 => {
                    self.network_error = Some((field.u8(), field.u16()))
                }
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
    let Some((Header { command, status, sequence }, body)) = Header::read(frame) else {
        return Incoming::Ignored;
    };
    let mut reader = Reader(body);
    match command {
        command::DELIVER_SM | command::DATA_SM => {
            Incoming::Push { sequence, push: Deliver::read(command, body) }
        }
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
            command @ (command::SUBMIT_SM | command::CANCEL_SM) => Incoming::Answer {
                sequence,
                answer: Answer { command, status, message_id: text_of(reader.text()), ..Answer::default() },
            },
            command @ command::QUERY_SM => {
                let message_id = text_of(reader.text());
                reader.text();
                let state = reader.0.first().copied();
                reader.u8();
                Incoming::Answer {
                    sequence,
                    answer: Answer { command, status, message_id, state, error: reader.u8() },
                }
            }
            command::ENQUIRE_LINK => Incoming::Pong,
            command::UNBIND => Incoming::ByeAnswer,
            _ => Incoming::Ignored,
        },
    }
}

/// Writes and reads frames for one account. `Debug` does not show the password.
#[derive(Debug)]
pub struct Codec {
    /// Who we are.
    pub system_id: Text<16>,
    /// And the proof.
    pub password: SecretText,
    /// What kind of system we are.
    pub system_type: Text<13>,
    /// What every message has in common.
    pub common: Common,
    /// What answers mean.
    pub statuses: Statuses,
}

impl Codec {
    /// Makes a request ready to be written. The user data is taken over and not copied.
    ///
    /// # Errors
    /// See [`Common::ready`].
    pub fn ready(&self, request: Request) -> Result<Ready, String> {
        self.common.ready(request)
    }
}

impl Protocol for Codec {
    type Bind = Bind;
    type Dialect = ();
    type Request = Ready;
    type Answer = Answer;
    type Push = Deliver;

    // A deliver_sm has at most some hundred octets and one `message_payload` of up to 64 KiB.
    const FRAME: std::ops::RangeInclusive<usize> = wire::HEADER..=(1 << 17);

    fn greet(&self, bind: &Bind, sequence: u32, _: Timestamp, out: &mut BytesMut) {
        put_bind(*bind, &self.system_id, self.password.expose(), &self.system_type, sequence, out);
    }

    fn greeted(&self, bind: &Bind, frame: &[u8]) -> Result<(), Refused> {
        let refused =
            |why: String, is_unauthorized| Refused { why, is_unauthorized, is_to_be_tried_at_once: false };
        let header = Header::read(frame)
            .map(|(header, _)| header)
            .filter(|header| header.command & command::ANSWER != 0);
        let Some(header) = header else {
            return Err(refused("the carrier did not answer the bind".to_owned(), false));
        };
        let is_ours = header.command == bind.command() | command::ANSWER;
        match header.status {
            0 if is_ours => Ok(()),
            0 => Err(refused("the carrier answered another question than the bind".to_owned(), false)),
            status => Err(refused(
                format!("the bind was refused: {}", self.statuses.words(status)),
                self.statuses.is_about_us(status),
            )),
        }
    }

    fn is_early(&self, frame: &[u8]) -> bool {
        Header::read(frame).is_some_and(|(header, _)| header.command & command::ANSWER == 0)
    }

    fn encode(&self, (): &(), request: &Ready, sequence: u32, out: &mut BytesMut) {
        request.put(sequence, out);
    }

    fn decode(&self, (): &(), frame: &[u8]) -> Incoming<Self> {
        read(frame)
    }

    fn verdict(&self, answer: &Answer) -> Verdict {
        self.statuses.verdict(answer.status)
    }

    fn content(&self, push: &Deliver) -> Option<Content> {
        push.content()
    }

    fn ping(&self, sequence: u32, out: &mut BytesMut) {
        put(out, 0, sequence, &Pdu::EnquireLink);
    }

    fn pong(&self, sequence: u32, out: &mut BytesMut) {
        put(out, 0, sequence, &Pdu::EnquireLinkResp);
    }

    fn bye(&self, sequence: u32, out: &mut BytesMut) {
        put(out, 0, sequence, &Pdu::Unbind);
    }

    fn bye_answer(&self, sequence: u32, out: &mut BytesMut) {
        put(out, 0, sequence, &Pdu::UnbindResp);
    }

    fn push_answer(&self, (): &(), push: &Deliver, sequence: u32, is_taken: bool, out: &mut BytesMut) {
        let status = if is_taken { 0 } else { super::status::TRY_LATER };
        // Its message_id is not used and empty (section 4.6.2).
        let pdu = if push.command == command::DATA_SM {
            DataSmResp::default().into()
        } else {
            DeliverSmResp::default().into()
        };
        put(out, status, sequence, &pdu);
    }

    fn nack(&self, sequence: u32, out: &mut BytesMut) {
        put(out, super::status::INVALID_COMMAND, sequence, &Pdu::GenericNack);
    }
}
