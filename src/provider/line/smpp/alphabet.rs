//! From a text to the user data of its segments, and back.
//!
//! On SMPP every septet of GSM-7 is an octet of its own, so nothing is packed here. What `data_coding` 0
//! means is the carrier's business and therefore a setting: the GSM alphabet, or Latin-1. Latin-1 fits 140
//! characters in one segment and 134 in each of several. A text that fits no narrow alphabet goes as UTF-16,
//! and no character is ever cut in two.
//!
//! Sources: SMPP v3.4, section 5.2.19 (data_coding); 3GPP TS 23.038, section 4 (the values from 0x10 on,
//! which come in from phones); 3GPP TS 23.040, section 9.2.3.24 (user data header).

use encoding_rs::Encoding;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::message::Place;
use crate::provider::Form;
use crate::sms::text::{self, Reference, TooManySegments};

/// Octets of user data in one segment.
const USER_DATA: usize = 140;

/// `data_coding`: the carrier's own alphabet.
const DEFAULT: u8 = 0;
/// `data_coding`: Latin-1.
const LATIN1: u8 = 3;
/// `data_coding`: UCS-2.
const UCS2: u8 = 8;

/// What `data_coding` 0 means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SmppAlphabet")]
pub enum Alphabet {
    /// The GSM alphabet, one septet an octet.
    #[default]
    Gsm7,
    /// ISO-8859-1.
    Latin1,
}

/// How the segments of a long text say that they belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SmppLong")]
pub enum Long {
    /// A user data header with a reference of 8 bits.
    #[default]
    Udh8,
    /// One of 16 bits, which takes one octet more.
    Udh16,
    /// Parameters `sar_msg_ref_num`, `sar_total_segments` and `sar_segment_seqnum`; the carrier writes the
    /// header.
    Sar,
    /// The whole text at once in `message_payload`; the carrier cuts it.
    Payload,
}

/// The user data of one segment.
#[derive(Clone, PartialEq, Eq)]
pub struct Unit {
    /// The octets, beginning with the header where there is one.
    pub octets: Vec<u8>,
    /// Whether there is one.
    pub has_udh: bool,
    /// The place that goes into parameters.
    pub sar: Option<Place>,
}

/// A text as it goes out.
#[derive(Clone, PartialEq, Eq)]
pub struct Cut {
    /// `data_coding`.
    pub coding: u8,
    /// Whether the one unit goes as `message_payload`.
    pub is_payload: bool,
    /// One or more.
    pub units: Vec<Unit>,
}

/// Cuts texts as one carrier wants them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cutter {
    /// What `data_coding` 0 means there.
    pub alphabet: Alphabet,
    /// Whether a text that is not GSM-7 may go as `data_coding` 3 where that is enough.
    pub latin1: bool,
    /// How the segments of a long text say that they belong together.
    pub long: Long,
}

/// The user data header of a segment, which may be empty, and its text.
type Headed = (Vec<u8>, Vec<u8>);

/// A text in its alphabet.
struct Pieces {
    coding: u8,
    name: &'static str,
    segments: Vec<Headed>,
}

impl Cutter {
    /// How this text goes out. One of more than 255 segments is counted as far as that is possible.
    pub fn form(self, text: &str) -> Form {
        match self.pieces(text) {
            Ok(Pieces { name: encoding, segments, .. }) => {
                Form { encoding, segments: u32::try_from(segments.len()).unwrap_or(u32::MAX) }
            }
            Err(TooManySegments { segments }) => Form {
                encoding: text::plan(text).encoding.as_str(),
                segments: u32::try_from(segments).unwrap_or(u32::MAX),
            },
        }
    }

    /// The segments of a text. `reference` is asked for the number that those of a long one share; it should
    /// differ from the last ones to the same phone.
    ///
    /// # Errors
    /// More than 255 segments.
    pub fn cut(self, text: &str, reference: impl FnOnce() -> u16) -> Result<Cut, TooManySegments> {
        let Pieces { coding, mut segments, .. } = self.pieces(text)?;
        let reference = if segments.len() > 1 { reference() } else { 0 };
        segments.iter_mut().for_each(|(udh, _)| self.share(udh, reference));
        if self.long == Long::Payload && segments.len() > 1 {
            let octets = segments.into_iter().flat_map(|(_, octets)| octets).collect();
            return Ok(Cut {
                coding,
                is_payload: true,
                units: vec![Unit { octets, has_udh: false, sar: None }],
            });
        }
        let total = u8::try_from(segments.len()).unwrap_or(u8::MAX);
        let place =
            |number| (self.long == Long::Sar && total > 1).then_some(Place { reference, total, number });
        let units = (1..=total).zip(segments).map(|(number, (mut udh, octets))| {
            let has_udh = !udh.is_empty();
            udh.extend_from_slice(&octets);
            Unit { octets: if has_udh { udh } else { octets }, has_udh, sar: place(number) }
        });
        Ok(Cut { coding, is_payload: false, units: units.collect() })
    }

    fn reference(self, reference: u16) -> Option<Reference> {
        match self.long {
            Long::Udh8 => Some(Reference::Eight((reference & 0xFF) as u8)),
            Long::Udh16 => Some(Reference::Sixteen(reference)),
            Long::Sar | Long::Payload => None,
        }
    }

    /// Writes the number that all segments share into the header of one (3GPP TS 23.040, sections 9.2.3.24.1
    /// and 9.2.3.24.8).
    fn share(self, udh: &mut [u8], reference: u16) {
        match (self.reference(reference), udh) {
            (Some(Reference::Eight(number)), [_, _, _, place, ..]) => *place = number,
            (Some(Reference::Sixteen(number)), [_, _, _, high, low, ..]) => {
                [*high, *low] = number.to_be_bytes()
            }
            _ => {}
        }
    }

    /// The segments of a text. What they share has no number yet.
    fn pieces(self, text: &str) -> Result<Pieces, TooManySegments> {
        let reference = self.reference(0);
        let is_narrow = match self.alphabet {
            Alphabet::Gsm7 => self.latin1 && text::plan(text).encoding == text::Encoding::Ucs2,
            Alphabet::Latin1 => true,
        };
        if is_narrow && let Some(octets) = to_latin1(text) {
            let coding = if self.alphabet == Alphabet::Latin1 { DEFAULT } else { LATIN1 };
            return Ok(Pieces { coding, name: "Latin-1", segments: cut_octets(&octets, reference)? });
        }
        // The GSM alphabet has no place where `data_coding` 0 means another one: then all that is left is
        // UCS-2.
        if self.alphabet == Alphabet::Latin1 {
            return wide(text, reference);
        }
        let segments = text::segments(text, reference)?;
        let encoding = segments.first().map_or(text::Encoding::Gsm7, |first| first.encoding);
        let coding = if encoding == text::Encoding::Gsm7 { DEFAULT } else { UCS2 };
        let segments = segments.into_iter().map(|segment| (segment.udh, segment.payload)).collect();
        Ok(Pieces { coding, name: encoding.as_str(), segments })
    }
}

/// A text as UCS-2 although it may be GSM-7.
fn wide(text: &str, reference: Option<Reference>) -> Result<Pieces, TooManySegments> {
    let capacity = |udh: usize| (USER_DATA - udh) / 2;
    let units = text.encode_utf16().count();
    let most = if units <= capacity(0) { capacity(0) } else { capacity(udh_octets(reference)) };
    let (mut pieces, mut piece, mut used) = (Vec::new(), Vec::new(), 0);
    for character in text.chars() {
        if used + character.len_utf16() > most {
            pieces.push(std::mem::take(&mut piece));
            used = 0;
        }
        used += character.len_utf16();
        piece.extend(character.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()));
    }
    pieces.push(piece);
    Ok(Pieces { coding: UCS2, name: text::Encoding::Ucs2.as_str(), segments: number(pieces, reference)? })
}

/// Octets that every segment of several loses: also where the carrier writes the header.
fn udh_octets(reference: Option<Reference>) -> usize {
    reference.unwrap_or(Reference::Eight(0)).udh_octets()
}

fn cut_octets(octets: &[u8], reference: Option<Reference>) -> Result<Vec<Headed>, TooManySegments> {
    if octets.len() <= USER_DATA {
        return Ok(vec![(Vec::new(), octets.to_vec())]);
    }
    number(octets.chunks(USER_DATA - udh_octets(reference)).map(<[u8]>::to_vec).collect(), reference)
}

/// Gives each piece its header.
fn number(pieces: Vec<Vec<u8>>, reference: Option<Reference>) -> Result<Vec<Headed>, TooManySegments> {
    let total = u8::try_from(pieces.len()).map_err(|_| TooManySegments { segments: pieces.len() })?;
    let udh = |number: u8| match reference {
        Some(Reference::Eight(reference)) if total > 1 => vec![0x05, 0x00, 0x03, reference, total, number],
        Some(Reference::Sixteen(reference)) if total > 1 => {
            let [high, low] = reference.to_be_bytes();
            vec![0x06, 0x08, 0x04, high, low, total, number]
        }
        _ => Vec::new(),
    };
    Ok((1..=total).map(udh).zip(pieces).collect())
}

/// The text in ISO-8859-1, if it is whole in it. Controls other than line ends are not taken for characters.
fn to_latin1(text: &str) -> Option<Vec<u8>> {
    let is_plain = |c: &char| !c.is_control() || matches!(c, '\n' | '\r');
    text.chars().map(|c| u8::try_from(u32::from(c)).ok().filter(|_| is_plain(&c))).collect()
}

/// The text of a person's user data. A coding that nobody knows is read as UTF-8 where it is that, else as
/// Latin-1.
pub fn decode(octets: &[u8], coding: u8, alphabet: Alphabet) -> String {
    let named = |label: &'static Encoding| label.decode_without_bom_handling(octets).0.into_owned();
    match coding {
        // The general groups and the message classes of 3GPP: bits 3 and 2, or bit 2, name the alphabet.
        0x10..=0x3F if coding & 0x0C == 0x08 => text::decode_ucs2(octets),
        0x10..=0x3F if coding & 0x0C == 0 => default(octets, alphabet),
        0xC0..=0xDF => default(octets, alphabet),
        0xE0..=0xEF => text::decode_ucs2(octets),
        0xF0..=0xFF if coding & 0x04 == 0 => default(octets, alphabet),
        DEFAULT => default(octets, alphabet),
        UCS2 => text::decode_ucs2(octets),
        LATIN1 => latin1(octets),
        5 => named(encoding_rs::SHIFT_JIS),
        6 => named(encoding_rs::ISO_8859_5),
        7 => named(encoding_rs::ISO_8859_8),
        10 => named(encoding_rs::ISO_2022_JP),
        14 => named(encoding_rs::EUC_KR),
        _ => guess(octets),
    }
}

fn latin1(octets: &[u8]) -> String {
    octets.iter().map(|octet| char::from(*octet)).collect()
}

fn guess(octets: &[u8]) -> String {
    str::from_utf8(octets).map_or_else(|_| latin1(octets), ToOwned::to_owned)
}

fn default(octets: &[u8], alphabet: Alphabet) -> String {
    match alphabet {
        // An octet of eight bits is no septet: then it is another alphabet than was agreed upon.
        Alphabet::Gsm7 if octets.iter().all(|octet| *octet < 0x80) => text::decode_gsm7(octets),
        Alphabet::Gsm7 => guess(octets),
        Alphabet::Latin1 => latin1(octets),
    }
}

/// The user data header of a message, as far as it says which segment this is; and the octets behind it.
pub fn split_udh(octets: &[u8]) -> (Option<Place>, &[u8]) {
    let Some((length, rest)) = octets.split_first() else { return (None, octets) };
    let Some((mut header, text)) = rest.split_at_checked(usize::from(*length)) else { return (None, octets) };
    let mut place = None;
    while let [id, length, rest @ ..] = header {
        let Some((element, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
        match (id, element) {
            (0x00, [reference, total, number]) => {
                place = Some(Place { reference: u16::from(*reference), total: *total, number: *number })
            }
            (0x08, [high, low, total, number]) => {
                place = Some(Place {
                    reference: u16::from_be_bytes([*high, *low]),
                    total: *total,
                    number: *number,
                });
            }
            _ => {}
        }
        header = rest;
    }
    (place, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use proptest::prelude::*;

    const LONGS: [Long; 4] = [Long::Udh8, Long::Udh16, Long::Sar, Long::Payload];

    fn cutter(alphabet: Alphabet, latin1: bool, long: Long) -> Cutter {
        Cutter { alphabet, latin1, long }
    }

    /// Joins what was cut, as a phone would.
    fn joined(cut: &Cut, alphabet: Alphabet) -> String {
        let octets: Vec<u8> = cut
            .units
            .iter()
            .flat_map(|unit| if unit.has_udh { split_udh(&unit.octets).1 } else { &unit.octets })
            .copied()
            .collect();
        decode(&octets, cut.coding, alphabet)
    }

    #[test]
    fn every_text_goes_in_the_narrowest_alphabet_that_the_carrier_reads() {
        let cases = [
            ("plain [é]", Alphabet::Gsm7, false, 0, "GSM-7"),
            ("ça va", Alphabet::Gsm7, false, 8, "UCS-2"),
            ("ça va", Alphabet::Gsm7, true, 3, "Latin-1"),
            ("ça €", Alphabet::Gsm7, true, 8, "UCS-2"),
            ("plain [é]", Alphabet::Gsm7, true, 0, "GSM-7"),
            ("ça va", Alphabet::Latin1, false, 0, "Latin-1"),
            ("5 €", Alphabet::Latin1, false, 8, "UCS-2"),
            ("hi 😀", Alphabet::Latin1, true, 8, "UCS-2"),
        ];
        for (text, alphabet, latin1, coding, name) in cases {
            let cutter = cutter(alphabet, latin1, Long::Udh8);
            assert_eq!(
                (cutter.cut(text, || 1).unwrap().coding, cutter.form(text)),
                (coding, Form { encoding: name, segments: 1 }),
                "{text}"
            );
        }
    }

    #[test]
    fn segments_are_counted_as_they_are_cut() {
        let count = |text: &str, alphabet, long| cutter(alphabet, true, long).form(text).segments;
        assert_eq!(count(&"a".repeat(160), Alphabet::Gsm7, Long::Udh8), 1);
        assert_eq!(count(&"a".repeat(153 * 2), Alphabet::Gsm7, Long::Udh8), 2);
        assert_eq!(count(&"a".repeat(153 * 2), Alphabet::Gsm7, Long::Udh16), 3);
        assert_eq!(
            count(&"a".repeat(153 * 2), Alphabet::Gsm7, Long::Payload),
            2,
            "what the carrier will make of it"
        );
        assert_eq!(count(&"я".repeat(67 * 2), Alphabet::Gsm7, Long::Sar), 2);
        assert_eq!(count(&"я".repeat(67 * 2), Alphabet::Latin1, Long::Udh16), 3);
        assert_eq!(count(&"ç".repeat(140), Alphabet::Gsm7, Long::Udh8), 1);
        assert_eq!(count(&"ç".repeat(141), Alphabet::Gsm7, Long::Udh8), 2);
        assert_eq!(count(&"ç".repeat(134 * 2), Alphabet::Latin1, Long::Udh8), 2);
        assert_eq!(count(&"ç".repeat(134 * 2), Alphabet::Latin1, Long::Udh16), 3);
        assert_eq!(count(&"ç".repeat(134 * 255 + 1), Alphabet::Latin1, Long::Udh8), 256);
        assert!(cutter(Alphabet::Latin1, false, Long::Udh8).cut(&"ç".repeat(134 * 255 + 1), || 0).is_err());
        assert_eq!(count("", Alphabet::Gsm7, Long::Udh8), 1);
    }

    #[test]
    fn a_long_text_says_in_the_configured_way_what_belongs_together() {
        let text = "a".repeat(200);
        let cut = |long| cutter(Alphabet::Gsm7, false, long).cut(&text, || 0xABCD).unwrap();
        assert_eq!(cut(Long::Udh8).units[1].octets[..6], [0x05, 0x00, 0x03, 0xCD, 2, 2]);
        assert_eq!(cut(Long::Udh16).units[0].octets[..7], [0x06, 0x08, 0x04, 0xAB, 0xCD, 2, 1]);
        let sar = cut(Long::Sar);
        assert_eq!(
            (sar.units[1].sar, sar.units[1].has_udh),
            (Some(Place { reference: 0xABCD, total: 2, number: 2 }), false)
        );
        let payload = cut(Long::Payload);
        assert!(payload.is_payload && payload.units.len() == 1 && payload.units[0].octets.len() == 200);
        let short = cutter(Alphabet::Gsm7, false, Long::Sar).cut("short", || 1).unwrap();
        assert!(short.units[0].sar.is_none() && !short.is_payload);
    }

    #[test]
    fn what_people_write_is_read_by_its_coding() {
        let cases: [(&[u8], u8, Alphabet, &str); 14] = [
            (&[0x00, 0x1B, 0x65], 0, Alphabet::Gsm7, "@€"),
            (&[0xE7, b'a'], 0, Alphabet::Latin1, "ça"),
            (&[0xE7, b'a'], 0, Alphabet::Gsm7, "ça"),
            ("ça".as_bytes(), 0, Alphabet::Gsm7, "ça"),
            (b"a@b", 1, Alphabet::Gsm7, "a@b"),
            (&[0xE7], 3, Alphabet::Gsm7, "ç"),
            (&[0xD8, 0x3D, 0xDE, 0x00], 8, Alphabet::Gsm7, "😀"),
            (&[0x04, 0x4F], 0x18, Alphabet::Gsm7, "я"),
            (&[0x00], 0x10, Alphabet::Gsm7, "@"),
            (&[0x00], 0xF0, Alphabet::Gsm7, "@"),
            (b"{}", 0xF5, Alphabet::Gsm7, "{}"),
            (&[0xD0], 6, Alphabet::Gsm7, "а"),
            ("ё".as_bytes(), 0x99, Alphabet::Gsm7, "ё"),
            (&[], 8, Alphabet::Gsm7, ""),
        ];
        for (octets, coding, alphabet, text) in cases {
            assert_eq!(decode(octets, coding, alphabet), text, "{octets:x?} as {coding:#x}");
        }
    }

    #[test]
    fn a_header_that_cannot_be_is_text() {
        assert_eq!(
            split_udh(&[0x05, 0x00, 0x03, 7, 2, 1, b'a']),
            (Some(Place { reference: 7, total: 2, number: 1 }), &b"a"[..])
        );
        assert_eq!(
            split_udh(&[0x06, 0x08, 0x04, 1, 2, 2, 1]),
            (Some(Place { reference: 0x0102, total: 2, number: 1 }), &b""[..])
        );
        assert_eq!(
            split_udh(&[0x03, 0x24, 0x01, 1, b'a']),
            (None, &b"a"[..]),
            "a header that speaks of something else"
        );
        assert_eq!(split_udh(b"text"), (None, &b"text"[..]));
        assert_eq!(split_udh(&[]), (None, &[][..]));
    }

    proptest! {
        #[test]
        fn a_text_survives_every_way_of_cutting(text in "[a-zçé€ñя😀\\[\n]{0,500}", latin1: bool, is_latin1: bool, long in 0usize..4, reference: u16) {
            let alphabet = if is_latin1 { Alphabet::Latin1 } else { Alphabet::Gsm7 };
            let cutter = cutter(alphabet, latin1, LONGS[long]);
            let cut = cutter.cut(&text, || reference).unwrap();
            prop_assert_eq!(joined(&cut, alphabet), text.clone());
            let segments = usize::try_from(cutter.form(&text).segments).unwrap();
            prop_assert!(cut.is_payload || cut.units.len() == segments);
            for unit in &cut.units {
                // Of GSM-7 160 septets, an octet each.
                let most = if cut.coding == 0 && !is_latin1 { 160 } else { USER_DATA };
                prop_assert!(cut.is_payload || unit.octets.len() <= most);
                let alone = decode(if unit.has_udh { split_udh(&unit.octets).1 } else { &unit.octets }, cut.coding, alphabet);
                prop_assert!(!alone.contains(char::REPLACEMENT_CHARACTER), "a character was cut in two");
            }
        }

        #[test]
        fn any_octets_read_as_something(octets in prop::collection::vec(any::<u8>(), 0..200), coding: u8) {
            decode(&octets, coding, Alphabet::Gsm7);
            split_udh(&octets);
        }
    }
}
