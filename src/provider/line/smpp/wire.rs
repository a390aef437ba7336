//! The octets of SMPP v3.4 as they come in: headers, fields that end with a NUL, and optional parameters
//! (TLVs).
//!
//! Reading takes whatever came: what is missing at the end reads as empty, a text may hold any octet, and a
//! length that goes beyond the end is cut. Real gateways answer errors with a header alone, leave out the
//! last NUL, and put octets into ids that no standard allows; nothing of that is a reason to end a session.
//! This is why reading is done by hand: the crate `rusmpp`, which writes our frames (see
//! [`write`](super::write)), refuses a frame as a whole where one field is strange.
//!
//! Source: SMPP Protocol Specification v3.4, issue 1.2, sections 3 and 5.

/// Octets of a header: length, command, status and sequence number (section 3.2).
pub(super) const HEADER: usize = 16;

/// Commands (section 5.1.2.1). The answer to one has the highest bit set.
pub(super) mod command {
    /// Set in every answer.
    pub(in super::super) const ANSWER: u32 = 0x8000_0000;
    pub(in super::super) const GENERIC_NACK: u32 = ANSWER;
    pub(in super::super) const BIND_RECEIVER: u32 = 0x01;
    pub(in super::super) const BIND_TRANSMITTER: u32 = 0x02;
    pub(in super::super) const QUERY_SM: u32 = 0x03;
    pub(in super::super) const SUBMIT_SM: u32 = 0x04;
    pub(in super::super) const DELIVER_SM: u32 = 0x05;
    pub(in super::super) const UNBIND: u32 = 0x06;
    pub(in super::super) const CANCEL_SM: u32 = 0x08;
    pub(in super::super) const BIND_TRANSCEIVER: u32 = 0x09;
    pub(in super::super) const OUTBIND: u32 = 0x0B;
    pub(in super::super) const ENQUIRE_LINK: u32 = 0x15;
    pub(in super::super) const ALERT_NOTIFICATION: u32 = 0x102;
    pub(in super::super) const DATA_SM: u32 = 0x103;
}

/// Optional parameters (section 5.3.2).
pub(super) mod tag {
    pub(in super::super) const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
    pub(in super::super) const USER_MESSAGE_REFERENCE: u16 = 0x0204;
    pub(in super::super) const SAR_MSG_REF_NUM: u16 = 0x020C;
    pub(in super::super) const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
    pub(in super::super) const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
    pub(in super::super) const NETWORK_ERROR_CODE: u16 = 0x0423;
    pub(in super::super) const MESSAGE_PAYLOAD: u16 = 0x0424;
    pub(in super::super) const MESSAGE_STATE: u16 = 0x0427;
}

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) command: u32,
    pub(super) status: u32,
    pub(super) sequence: u32,
}

impl Header {
    /// Reads a frame's header; the rest is its body.
    pub(super) fn read(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (header, body) = frame.split_at_checked(HEADER)?;
        let mut reader = Reader(header);
        reader.u32();
        Some((Self { command: reader.u32(), status: reader.u32(), sequence: reader.u32() }, body))
    }
}

/// Reads fields one after the other. What is missing reads as 0 or as empty.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, octets: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(octets.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn number<const N: usize>(&mut self) -> [u8; N] {
        let mut octets = [0; N];
        let taken = self.take(N);
        octets.iter_mut().zip(taken).for_each(|(to, from)| *to = *from);
        octets
    }

    pub(super) fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.number())
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.number())
    }

    pub(super) fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.number())
    }

    /// A text up to its NUL, or up to the end.
    pub(super) fn text(&mut self) -> &'a [u8] {
        let length = self.0.iter().position(|octet| *octet == 0);
        let text = self.take(length.unwrap_or(self.0.len()));
        self.take(1);
        text
    }

    /// The next optional parameter. Nothing where less than a tag and a length is left.
    pub(super) fn tlv(&mut self) -> Option<(u16, &'a [u8])> {
        if self.0.len() < 4 {
            return None;
        }
        let (tag, length) = (self.u16(), self.u16());
        Some((tag, self.take(usize::from(length))))
    }
}

/// Octets as text: UTF-8 where they are that, else one character an octet. Nothing is lost, so two ids stay
/// two.
pub(super) fn text_of(octets: &[u8]) -> String {
    match str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => octets.iter().map(|octet| char::from(*octet)).collect(),
    }
}

/// The text in an optional parameter: some end it with a NUL, some do not.
pub(super) fn text_in_tlv(value: &[u8]) -> String {
    text_of(Reader(value).text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_reads_as_empty() {
        let mut reader = Reader(b"ab\0c");
        assert_eq!(
            (reader.text(), reader.text(), reader.text(), reader.u32()),
            (&b"ab"[..], &b"c"[..], &b""[..], 0)
        );
        assert_eq!(
            Reader(&[0x04, 0x27, 0, 9, 2]).tlv(),
            Some((tag::MESSAGE_STATE, &[2][..])),
            "a length beyond the end is cut"
        );
        assert_eq!(Reader(&[0x04, 0x27, 0]).tlv(), None);
        assert_eq!((text_of(b"id\xE9"), text_in_tlv(b"42\0")), ("id\u{E9}".to_owned(), "42".to_owned()));
    }
}
