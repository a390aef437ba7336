//! Writing: what goes out is made of the types of the crate `rusmpp`, and written by its encoder.
//!
//! A request is made of those types before it goes to the session ([`Common::ready`]). They take only what
//! the standard has a place for, so what cannot be written is known while nothing has left yet. Writing then
//! cannot fail, and goes straight into the connection's buffer, as often as it has to be repeated.
//!
//! One thing is still written by hand: a bind whose password is longer than the standard's 8 octets, or is
//! not ASCII. Carriers hand out such passwords and expect them whole; the crate's type refuses them.
//!
//! Source: SMPP v3.4, section 4 (the commands), section 5.2.12 (esm_class).

use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use rusmpp::encode::Length;
use rusmpp::encode::owned::Encode;
use rusmpp::pdus::{BindTransceiver, CancelSm, QuerySm, SubmitSm};
use rusmpp::tlvs::MessageSubmissionRequestTlvValue as Tlv;
use rusmpp::types::{AnyOctetString, COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp::values::{EsmClass, InterfaceVersion, MessagePayload, Npi, ServiceType, Ton};
use rusmpp::{CommandId, Pdu};

use super::message::{Address, Answer, Bind, Place, Request, Submit};
use super::wire::HEADER;

/// Most octets of user data in `short_message` (section 5.2.22, where sm_length has one octet).
const MOST_SHORT_MESSAGE: usize = 255;

/// Bit of esm_class: the user data begins with a header.
const USER_DATA_HEADER: u8 = 0x40;

/// A text of at most `MAX` octets with the NUL that ends it (section 3.1, "C-Octet String").
pub type Text<const MAX: usize> = COctetString<1, MAX>;
/// A time as section 7.1.1 writes it, or nothing.
pub type Time = EmptyOrFullCOctetString<17>;

/// A text for a field of at most `MAX` octets.
///
/// # Errors
/// What is wrong with it; `name` says whose text it is.
pub fn text<const MAX: usize>(name: &str, text: &str) -> Result<Text<MAX>, String> {
    if text.is_empty() {
        return Ok(COctetString::empty());
    }
    COctetString::from_bytes(ended(text))
        .map_err(|_| format!("{name} must have at most {} characters of ASCII", MAX.saturating_sub(1)))
}

/// A time for a field.
///
/// # Errors
/// It is neither empty nor of sixteen characters; `name` says which time it is.
pub fn time(name: &str, text: &str) -> Result<Time, String> {
    EmptyOrFullCOctetString::from_bytes(ended(text))
        .map_err(|_| format!("{name} is no time of sixteen characters"))
}

/// With its NUL, in memory of just that size: no second allocation is needed to share it.
fn ended(text: &str) -> Bytes {
    let mut octets = Vec::with_capacity(text.len().saturating_add(1));
    octets.extend_from_slice(text.as_bytes());
    octets.push(0);
    octets.into()
}

/// What every message of a provider has in common.
#[derive(Clone, Debug, Default)]
pub struct Common {
    /// Service type (section 5.2.11); empty for the carrier's own.
    pub service_type: ServiceType,
    /// Protocol identifier of the network (section 5.2.13).
    pub protocol_id: u8,
    /// 0 to 3 (section 5.2.14).
    pub priority: u8,
    /// When it may be delivered at the earliest; empty for now.
    pub schedule: Time,
    /// Until when; empty for the carrier's own time.
    pub validity: Time,
    /// Which receipts are asked for (section 5.2.17).
    pub registered_delivery: u8,
}

/// A request that can be written. `Debug` shows neither addresses nor text.
#[derive(Clone, PartialEq, Eq)]
pub struct Ready(Pdu);

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ready").field(&self.0.command_id()).finish()
    }
}

impl Ready {
    /// Writes it.
    pub(super) fn put(&self, sequence: u32, out: &mut BytesMut) {
        put(out, 0, sequence, &self.0);
    }

    /// Whether an answer that says yes says it to this. One with the number of another command's is no yes.
    pub(super) fn is_granted(&self, answer: &Answer) -> bool {
        answer.status == 0 && answer.command == u32::from(self.0.command_id())
    }
}

/// An address as three fields.
type Fields = (Ton, Npi, Text<21>);

fn fields(name: &str, address: &Address) -> Result<Fields, String> {
    Ok((address.ton.into(), address.npi.into(), text(name, &address.text)?))
}

impl Common {
    /// Makes a request ready to be written. The user data is taken over and not copied.
    ///
    /// # Errors
    /// What the standard has no place for: an address of more than 20 octets, an id of more than 64, any
    /// octet in them that is not ASCII or is a NUL, or user data beyond 64 KiB.
    pub fn ready(&self, request: Request) -> Result<Ready, String> {
        match request {
            Request::Submit(submit) => self.submit(submit),
            Request::Query { message_id, from } => {
                let (ton, npi, from) = fields("the sender", &from)?;
                Ok(Ready(QuerySm::new(text("the id", &message_id)?, ton, npi, from).into()))
            }
            Request::Cancel { message_id, from, to } => {
                let (id, from, to) = (
                    text("the id", &message_id)?,
                    fields("the sender", &from)?,
                    fields("the recipient", &to)?,
                );
                // No service type: one would speak of all messages of that service (section 4.9.1).
                Ok(Ready(
                    CancelSm::new(ServiceType::default(), id, from.0, from.1, from.2, to.0, to.1, to.2)
                        .into(),
                ))
            }
        }
    }

    fn submit(&self, submit: Submit) -> Result<Ready, String> {
        let (source_ton, source_npi, source) = fields("the sender", &submit.from)?;
        let (ton, npi, destination) = fields("the recipient", &submit.to)?;
        // Bit 6: a user data header. The mode stays the carrier's own. The crate's default is not 0: it
        // says that this is an acknowledgement.
        let esm_class = EsmClass::from(if submit.has_udh { USER_DATA_HEADER } else { 0 });
        // What is not named is 0: no replacing of an earlier message, and no text that the carrier has in
        // store.
        let mut pdu = SubmitSm::builder()
            .service_type(self.service_type.clone())
            .source_addr_ton(source_ton)
            .source_addr_npi(source_npi)
            .source_addr(source)
            .dest_addr_ton(ton)
            .dest_addr_npi(npi)
            .destination_addr(destination)
            .esm_class(esm_class)
            .protocol_id(self.protocol_id)
            .priority_flag(self.priority.into())
            .schedule_delivery_time(self.schedule.clone())
            .validity_period(self.validity.clone())
            .registered_delivery(self.registered_delivery.into())
            .data_coding(submit.coding.into())
            .build();
        let octets = Bytes::from(submit.octets);
        if submit.is_payload || octets.len() > MOST_SHORT_MESSAGE {
            // The encoder would cut the length of a longer one off, and what follows would be read as
            // something else.
            if octets.len() > usize::from(u16::MAX) {
                return Err("the text has more octets than one message can carry".to_owned());
            }
            pdu.push_tlv(Tlv::MessagePayload(MessagePayload::new(AnyOctetString::from_bytes(octets))));
        } else {
            pdu.set_short_message(
                OctetString::from_bytes(octets).map_err(|_| "a segment has too many octets".to_owned())?,
            );
        }
        if let Some(Place { reference, total, number }) = submit.sar {
            for tlv in
                [Tlv::SarMsgRefNum(reference), Tlv::SarTotalSegments(total), Tlv::SarSegmentSeqnum(number)]
            {
                pdu.push_tlv(tlv);
            }
        }
        Ok(Ready(pdu.into()))
    }
}

/// Writes the request that a connection begins with.
pub(super) fn put_bind(
    bind: Bind,
    system_id: &Text<16>,
    password: &str,
    system_type: &Text<13>,
    sequence: u32,
    out: &mut BytesMut,
) {
    let id = CommandId::from(bind.command());
    let (system_id, system_type) = (system_id.clone(), system_type.clone());
    match text("the password", password) {
        // The three binds have the same fields (sections 4.1.1, 4.1.3 and 4.1.5). The carrier knows our
        // addresses.
        Ok(password) => {
            let (version, range) = (InterfaceVersion::Smpp3_4, COctetString::empty());
            frame(
                out,
                id,
                0,
                sequence,
                &BindTransceiver::new(
                    system_id,
                    password,
                    system_type,
                    version,
                    Ton::Unknown,
                    Npi::Unknown,
                    range,
                ),
            );
        }
        Err(_) => frame(out, id, 0, sequence, &LongBind { system_id, password, system_type }),
    }
}

/// A bind whose password the standard has no place for.
struct LongBind<'a> {
    system_id: Text<16>,
    password: &'a str,
    system_type: Text<13>,
}

impl LongBind<'_> {
    /// The password's octets. A NUL inside would end it early and move every field after it, so none is
    /// written.
    fn password(&self) -> impl Iterator<Item = u8> {
        self.password.bytes().filter(|octet| *octet != 0)
    }
}

impl Length for LongBind<'_> {
    fn length(&self) -> usize {
        // The password's NUL, the version, and an empty range of addresses with its type and plan.
        [self.system_id.length(), self.password().count(), 1, self.system_type.length(), 1, 3].iter().sum()
    }
}

impl Encode for LongBind<'_> {
    fn encode(&self, out: &mut BytesMut) {
        self.system_id.encode(out);
        self.password().for_each(|octet| out.put_u8(octet));
        out.put_u8(0);
        self.system_type.encode(out);
        InterfaceVersion::Smpp3_4.encode(out);
        out.put_slice(&[0, 0, 0]);
    }
}

/// Writes one frame.
pub(super) fn put(out: &mut BytesMut, status: u32, sequence: u32, pdu: &Pdu) {
    frame(out, pdu.command_id(), status, sequence, pdu);
}

/// Writes the header (section 3.2) and the body. The crate's own `Command` would have to own the body, and a
/// request that the carrier puts off is written more than once.
fn frame(out: &mut BytesMut, id: CommandId, status: u32, sequence: u32, body: &impl Encode) {
    let length = HEADER.saturating_add(body.length());
    out.reserve(length);
    u32::try_from(length).unwrap_or(u32::MAX).encode(out);
    id.encode(out);
    status.encode(out);
    sequence.encode(out);
    body.encode(out);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::super::wire::Header;
    use super::*;

    #[test]
    fn a_frame_counts_its_own_length_wherever_it_begins() {
        let mut out = BytesMut::from(&b"before"[..]);
        put(&mut out, 0, 7, &Pdu::EnquireLink);
        assert_eq!(&out[6..], [0, 0, 0, 16, 0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 7]);
        assert_eq!(Header::read(&out[6..]).unwrap().0, Header { command: 0x15, status: 0, sequence: 7 });
        assert_eq!(Header::read(&out[6..21]), None);
    }

    #[test]
    fn a_text_that_has_no_place_is_refused_and_never_cut() {
        assert_eq!(text::<3>("name", "ab").unwrap().as_ref(), b"ab\0");
        for wrong in ["abc", "a\0", "\0", "é"] {
            assert_eq!(
                text::<3>("name", wrong),
                Err("name must have at most 2 characters of ASCII".to_owned()),
                "{wrong}"
            );
        }
        assert_eq!(
            (time("validity", "").unwrap().as_ref(), time("validity", "000001000000000R").unwrap().len()),
            (&[0][..], 17)
        );
        assert!(time("validity", "000001").is_err() && time("validity", "00000100000é000R").is_err());
    }
}
