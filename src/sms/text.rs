//! The text of an SMS: which alphabet it needs, how many segments it becomes, and the octets of each.
//!
//! A text whose every character is in the GSM 7-bit alphabet costs one septet a character (two for
//! `^{}\[~]|€` and form feed) and 160 of them fit in one segment; one character from outside it turns the
//! whole text into UCS-2, where 70 UTF-16 units fit. A longer text is cut into segments of 153 septets or 67
//! units, because six octets of each go to the header that lets the phone join them again. So one curly quote
//! can more than double the price of a text: [`plan`] says what a text costs, and [`segments`] gives
//! the octets that a protocol such as SMPP puts on the wire; [`cheaper`](super::cheaper) says which characters
//! made it so, and repairs what can be repaired.
//!
//! Sources: 3GPP TS 23.038 (alphabets and packing) and 3GPP TS 23.040 section 9.2.3.24 (user data header). No
//! I/O, no clock.

use std::fmt;

/// Octets of user data in one segment, header included (3GPP TS 23.040 section 9.2.3.16).
const USER_DATA_OCTETS: usize = 140;
/// Segments in one text: the header counts them in one octet (3GPP TS 23.040 section 9.2.3.24.1).
pub const MAX_SEGMENTS: usize = 255;

/// The septet that makes the next one count in the extension table.
const ESC: u8 = 0x1B;
/// Flag in [`code`]: the septet is in the extension table and goes after an [`ESC`].
const EXTENDED: u8 = 0x80;
/// [`code`] of a character that GSM 7-bit does not have.
const ABSENT: u8 = 0xFF;

/// The GSM 7-bit default alphabet by septet value (3GPP TS 23.038 section 6.2.1). 0x1B is the escape.
#[rustfmt::skip]
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1B}', 'Æ', 'æ', 'ß', 'É',
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table: septet value after [`ESC`], and its character (3GPP TS 23.038 section 6.2.1.1).
#[rustfmt::skip]
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{C}'), (0x14, '^'), (0x28, '{'), (0x29, '}'), (0x2F, '\\'),
    (0x3C, '['), (0x3D, '~'), (0x3E, ']'), (0x40, '|'), (0x65, '€'),
];

/// [`code`] of the first 256 Unicode characters, so that nearly every character is one look-up.
const LATIN1: [u8; 256] = latin1();

#[expect(
    clippy::indexing_slicing,
    reason = "runs at compile time, where an index out of bounds is a build error"
)]
const fn latin1() -> [u8; 256] {
    let mut table = [ABSENT; 256];
    let mut septet = 0;
    while septet < BASIC.len() {
        // The escape is no character: a text that holds U+001B must not smuggle in an extension character.
        if (BASIC[septet] as usize) < 256 && septet != ESC as usize {
            table[BASIC[septet] as usize] = septet as u8;
        }
        septet += 1;
    }
    let mut row = 0;
    while row < EXTENSION.len() {
        if (EXTENSION[row].1 as usize) < 256 {
            table[EXTENSION[row].1 as usize] = EXTENDED | EXTENSION[row].0;
        }
        row += 1;
    }
    table
}

/// The septet of a character, with [`EXTENDED`] set if it goes after an escape, or [`ABSENT`].
fn code(character: char) -> u8 {
    if let Some(code) = LATIN1.get(character as usize) {
        return *code;
    }
    match character {
        '€' => EXTENDED | 0x65,
        // What is left of the alphabet is the Greek capitals, 0x10 to 0x1A.
        _ => (0x10..ESC)
            .zip(BASIC.iter().skip(0x10))
            .find(|row| *row.1 == character)
            .map_or(ABSENT, |row| row.0),
    }
}

/// Septets that a character takes in GSM 7-bit: 1, 2, or `None` if it is not in the alphabet.
pub(super) fn septets(character: char) -> Option<usize> {
    match code(character) {
        ABSENT => None,
        code => Some(1 + usize::from(code >> 7)),
    }
}

/// The alphabet a text is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// GSM 7-bit default alphabet with its extension table (3GPP TS 23.038 section 6.2.1). Its unit is the
    /// septet.
    Gsm7,
    /// UCS-2, in practice UTF-16 big-endian (3GPP TS 23.038 section 6.2.3). Its unit is the 16-bit code unit.
    Ucs2,
}

impl Encoding {
    /// `GSM-7` or `UCS-2`, as the trade writes them.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        }
    }

    /// Units that fit in one segment beside a user data header of that many octets (0: 160 or 70; 6: 153 or
    /// 67).
    const fn capacity(self, udh_octets: usize) -> usize {
        let octets = USER_DATA_OCTETS.saturating_sub(udh_octets);
        match self {
            Self::Gsm7 => octets * 8 / 7,
            Self::Ucs2 => octets / 2,
        }
    }

    /// Units that a character takes; a character that is not in the alphabet takes none and must not be asked
    /// for.
    fn width(self, character: char) -> usize {
        match self {
            Self::Gsm7 => septets(character).unwrap_or(0),
            Self::Ucs2 => character.len_utf16(),
        }
    }

    fn encode(self, piece: &str) -> Vec<u8> {
        match self {
            Self::Gsm7 => {
                let mut octets = Vec::with_capacity(piece.len());
                for code in piece.chars().map(code).filter(|code| *code != ABSENT) {
                    if code & EXTENDED != 0 {
                        octets.push(ESC);
                    }
                    octets.push(code & !EXTENDED);
                }
                octets
            }
            Self::Ucs2 => piece.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a text costs to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The alphabet the text needs.
    pub encoding: Encoding,
    /// Length of the whole text in units of the encoding: septets or 16-bit units.
    pub units: usize,
    /// Units in each segment, in order; never empty. An empty text is one segment of 0 units.
    pub segment_units: Vec<usize>,
}

impl Plan {
    /// Segments the text becomes, which is what carriers bill; at least 1. May be over [`MAX_SEGMENTS`]: such
    /// a text can be counted and not sent.
    pub fn segments(&self) -> usize {
        self.segment_units.len()
    }
}

/// Counts a text as carriers do, with the usual 8-bit reference in the header of a text of several segments.
///
/// Neither an escape pair nor a surrogate pair is cut, so a segment may hold one unit less than fits. A
/// grapheme of several characters (a flag, a family emoji, CR LF) may be cut; the phone joins it again.
pub fn plan(text: &str) -> Plan {
    let (encoding, units) = measure(text);
    let segment_units = if units <= encoding.capacity(0) {
        vec![units]
    } else {
        let capacity = encoding.capacity(Reference::Eight(0).udh_octets());
        pieces(text, encoding, capacity).map(|(_, units)| units).collect()
    };
    Plan { encoding, units, segment_units }
}

pub(super) fn measure(text: &str) -> (Encoding, usize) {
    match text.chars().try_fold(0, |sum, character| Some(sum + septets(character)?)) {
        Some(units) => (Encoding::Gsm7, units),
        None => (Encoding::Ucs2, text.encode_utf16().count()),
    }
}

/// Cuts a text between characters into the longest pieces of at most `capacity` units, and counts each.
fn pieces(text: &str, encoding: Encoding, capacity: usize) -> impl Iterator<Item = (&str, usize)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (mut units, mut end) = (0, rest.len());
        for (at, character) in rest.char_indices() {
            let width = encoding.width(character);
            if units + width > capacity {
                end = at;
                break;
            }
            units += width;
        }
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some((piece, units))
    })
}

/// The number that all segments of one text share, so that the phone knows which belong together. It should
/// differ from the last ones sent to the same phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// 3GPP TS 23.040 section 9.2.3.24.1: a header of 6 octets, which leaves 153 septets or 67 units.
    Eight(u8),
    /// 3GPP TS 23.040 section 9.2.3.24.8: a header of 7 octets, which leaves 152 septets or 66 units, so that
    /// a text may need one segment more than [`plan`] says.
    Sixteen(u16),
}

impl Reference {
    /// Octets of the user data header, its own length octet included.
    pub const fn udh_octets(self) -> usize {
        match self {
            Self::Eight(_) => 6,
            Self::Sixteen(_) => 7,
        }
    }

    /// The user data header of segment `number` (from 1) of `total`.
    fn udh(self, total: u8, number: u8) -> Vec<u8> {
        match self {
            Self::Eight(reference) => vec![0x05, 0x00, 0x03, reference, total, number],
            Self::Sixteen(reference) => {
                let [high, low] = reference.to_be_bytes();
                vec![0x06, 0x08, 0x04, high, low, total, number]
            }
        }
    }
}

/// One segment as a protocol sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The alphabet of [`payload`](Self::payload), the same in every segment of a text.
    pub encoding: Encoding,
    /// User data header: `05 00 03 rr tt nn` or `06 08 04 rr rr tt nn`; empty for a text of one segment or
    /// without a reference.
    pub udh: Vec<u8>,
    /// GSM-7: one septet an octet, not packed, as SMPP and CMPP carry them (see [`pack`]). UCS-2: UTF-16
    /// big-endian.
    pub payload: Vec<u8>,
}

/// The text needs more segments than a header can count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySegments {
    /// Segments the text would need.
    pub segments: usize,
}

impl fmt::Display for TooManySegments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segments } = self;
        write!(
            f,
            "the text needs {segments} segments and one SMS has at most {MAX_SEGMENTS}: shorten it, or send \
             a link"
        )
    }
}

impl std::error::Error for TooManySegments {}

/// The segments of a text, in order; at least one.
///
/// With `None` the pieces are cut to the same sizes as with [`Reference::Eight`] and carry no header, for a
/// protocol that states the parts elsewhere (SMPP `sar_*` parameters) and whose far end writes the header.
///
/// # Errors
/// [`TooManySegments`] over [`MAX_SEGMENTS`].
pub fn segments(text: &str, reference: Option<Reference>) -> Result<Vec<Segment>, TooManySegments> {
    let (encoding, units) = measure(text);
    if units <= encoding.capacity(0) {
        return Ok(vec![Segment { encoding, udh: Vec::new(), payload: encoding.encode(text) }]);
    }
    let capacity = encoding.capacity(reference.unwrap_or(Reference::Eight(0)).udh_octets());
    let parts: Vec<&str> = pieces(text, encoding, capacity).map(|(piece, _)| piece).collect();
    let total = u8::try_from(parts.len()).map_err(|_| TooManySegments { segments: parts.len() })?;
    Ok((1..=total)
        .zip(parts)
        .map(|(number, part)| Segment {
            encoding,
            udh: reference.map_or_else(Vec::new, |reference| reference.udh(total, number)),
            payload: encoding.encode(part),
        })
        .collect())
}

/// Bits to leave empty after a header so that the first septet starts at a multiple of seven bits
/// (3GPP TS 23.040 section 9.2.3.24).
const fn fill_bits(udh_octets: usize) -> usize {
    (7 - udh_octets * 8 % 7) % 7
}

/// Packs septets into octets, low bits first (3GPP TS 23.038 section 6.1.2.1).
///
/// `udh_octets` is the length of the header the result goes after (0, or the length of [`Segment::udh`]); the
/// result starts with the fill bits for it and does not hold the header itself. Only the low seven bits of
/// each septet count.
pub fn pack(septets: &[u8], udh_octets: usize) -> Vec<u8> {
    if septets.is_empty() {
        return Vec::new();
    }
    let mut bits = fill_bits(udh_octets);
    let mut pending = 0u32;
    let mut octets = Vec::with_capacity((bits + septets.len() * 7).div_ceil(8));
    for septet in septets {
        pending |= u32::from(septet & 0x7F) << bits;
        bits += 7;
        while bits >= 8 {
            octets.push((pending & 0xFF) as u8);
            pending >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        octets.push((pending & 0xFF) as u8);
    }
    octets
}

/// Undoes [`pack`]: `octets` is what follows a header of `udh_octets`, and `septet_count` says how many
/// septets it holds (without it a last `@` and an empty rest look alike). Gives fewer if the octets run out.
pub fn unpack(octets: &[u8], septet_count: usize, udh_octets: usize) -> Vec<u8> {
    let fill = fill_bits(udh_octets);
    let available = (octets.len() * 8).saturating_sub(fill) / 7;
    let octet = |at: usize| u16::from(octets.get(at).copied().unwrap_or(0));
    (0..septet_count.min(available))
        .map(|index| {
            let bit = fill + index * 7;
            let pair = octet(bit / 8) | octet(bit / 8 + 1) << 8;
            (pair >> (bit % 8) & 0x7F) as u8
        })
        .collect()
}

/// The text of unpacked septets, one an octet.
///
/// As 3GPP TS 23.038 section 6.2.1.1 asks of a phone: an escape before a septet that the extension table does
/// not have shows the basic character of that septet, and two escapes, or one at the end, show a space. An
/// octet over 0x7F, which is no septet, becomes U+FFFD.
pub fn decode_gsm7(septets: &[u8]) -> String {
    let mut septets = septets.iter().copied();
    let mut text = String::with_capacity(septets.len());
    while let Some(septet) = septets.next() {
        let basic =
            |septet: u8| BASIC.get(usize::from(septet)).copied().unwrap_or(char::REPLACEMENT_CHARACTER);
        text.push(if septet != ESC {
            basic(septet)
        } else {
            match septets.next() {
                None | Some(ESC) => ' ',
                Some(next) => {
                    EXTENSION.iter().find(|row| row.0 == next).map_or_else(|| basic(next), |row| row.1)
                }
            }
        });
    }
    text
}

/// The text of UTF-16 big-endian octets. A surrogate without its other half, and an odd last octet, become
/// U+FFFD.
pub fn decode_ucs2(octets: &[u8]) -> String {
    let (pairs, odd) = octets.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .chain(odd.iter().map(|_| char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::super::cheaper::forcing;
    use super::*;
    use proptest::prelude::*;

    /// Texts of GSM-7 characters only.
    fn gsm7_text() -> impl Strategy<Value = String> {
        let all: Vec<char> =
            BASIC.into_iter().filter(|c| *c != '\u{1B}').chain(EXTENSION.map(|row| row.1)).collect();
        prop::collection::vec(prop::sample::select(all), 0..700).prop_map(String::from_iter)
    }

    /// Texts of both alphabets, dense in characters of two units.
    fn any_text() -> impl Strategy<Value = String> {
        let ucs2 = prop::collection::vec(prop_oneof![any::<char>(), Just('😀'), Just('я')], 0..300);
        prop_oneof![gsm7_text(), ucs2.prop_map(String::from_iter)]
    }

    fn decode(segment: &Segment) -> String {
        match segment.encoding {
            Encoding::Gsm7 => decode_gsm7(&segment.payload),
            Encoding::Ucs2 => decode_ucs2(&segment.payload),
        }
    }

    #[test]
    fn every_text_counts_as_in_the_reference() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/segments.json");
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert_eq!(cases.len(), 291);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let plan = plan(text);
            assert_eq!(plan.encoding.as_str(), case["encoding"], "{case}");
            assert_eq!(plan.units, case["units"], "{case}");
            assert_eq!(plan.segments(), case["segments"], "{case}");
            assert_eq!(serde_json::json!(plan.segment_units), case["per_segment_units"], "{case}");
            assert_eq!(forcing(text).is_empty(), plan.encoding == Encoding::Gsm7, "{case}");
        }
    }

    #[test]
    fn an_empty_text_is_one_empty_segment() {
        assert_eq!(plan(""), Plan { encoding: Encoding::Gsm7, units: 0, segment_units: vec![0] });
        assert_eq!(segments("", Some(Reference::Eight(1))).unwrap().len(), 1);
    }

    #[test]
    fn headers_are_those_of_the_standard_and_a_short_text_has_none() {
        let text = "a".repeat(161);
        let eight = segments(&text, Some(Reference::Eight(0xAB))).unwrap();
        assert_eq!(eight[0].udh, [0x05, 0x00, 0x03, 0xAB, 2, 1]);
        assert_eq!((eight[0].payload.len(), eight[1].payload.len()), (153, 8));
        let sixteen = segments(&text, Some(Reference::Sixteen(0xABCD))).unwrap();
        assert_eq!(sixteen[1].udh, [0x06, 0x08, 0x04, 0xAB, 0xCD, 2, 2]);
        assert_eq!(sixteen[0].payload.len(), 152);
        assert_eq!(segments(&"я".repeat(71), Some(Reference::Sixteen(0))).unwrap()[0].payload.len(), 2 * 66);
        assert!(segments(&text[1..], Some(Reference::Eight(0))).unwrap()[0].udh.is_empty());
    }

    #[test]
    fn a_text_of_more_than_255_segments_is_refused() {
        assert_eq!(segments(&"a".repeat(153 * 255), None).unwrap().len(), 255);
        let error = segments(&"a".repeat(153 * 255 + 1), None).unwrap_err();
        assert_eq!(error, TooManySegments { segments: 256 });
        assert!(error.to_string().contains("256 segments"));
    }

    #[test]
    fn packing_gives_the_known_octets() {
        let octets = [0xE8, 0x32, 0x9B, 0xFD, 0x46, 0x97, 0xD9, 0xEC, 0x37];
        assert_eq!(pack(b"hellohello", 0), octets);
        assert_eq!(unpack(&octets, 10, 0), b"hellohello");
        // After a header of 6 octets one fill bit puts the first septet at bit 49.
        assert_eq!(pack(b"a", 6), [0x61 << 1]);
        assert_eq!(unpack(&octets, 99, 0).len(), 10);
        assert!(unpack(&[], 3, 6).is_empty());
    }

    #[test]
    fn strange_septets_show_what_the_standard_asks_for() {
        assert_eq!(decode_gsm7(&[ESC, 0x65, ESC, b'a', ESC, ESC, b'b', 0x80, ESC]), "€a b\u{FFFD} ");
        assert_eq!(decode_ucs2(&[0xD8, 0x3D, 0x00, b'a', 0x00]), "\u{FFFD}a\u{FFFD}");
        assert_eq!(
            plan("\u{1B}e").encoding,
            Encoding::Ucs2,
            "an escape in a text must not become a euro sign"
        );
    }

    proptest! {
        #[test]
        fn a_gsm7_text_survives_encoding(text in gsm7_text()) {
            let octets = Encoding::Gsm7.encode(&text);
            prop_assert_eq!(octets.len(), plan(&text).units);
            prop_assert_eq!(decode_gsm7(&octets), text);
        }

        #[test]
        fn packing_is_undone(septets in prop::collection::vec(0u8..128, 0..200), udh_octets in 0usize..=7) {
            let octets = pack(&septets, udh_octets);
            prop_assert_eq!(unpack(&octets, septets.len(), udh_octets), septets.clone());
            prop_assert!(udh_octets + octets.len() <= 140 || septets.len() > Encoding::Gsm7.capacity(udh_octets));
        }

        #[test]
        fn segments_join_to_the_text_and_fit(text in any_text(), wide: bool, number: u16) {
            let reference = if wide { Reference::Sixteen(number) } else { Reference::Eight(number as u8) };
            let parts = segments(&text, Some(reference)).unwrap();
            // Each part decodes alone, so no pair is cut; a cut pair would show a space or U+FFFD.
            prop_assert_eq!(parts.iter().map(decode).collect::<String>(), text.clone());
            for part in &parts {
                let octets = match part.encoding {
                    Encoding::Gsm7 => pack(&part.payload, part.udh.len()).len(),
                    Encoding::Ucs2 => part.payload.len(),
                };
                prop_assert!(part.udh.len() + octets <= USER_DATA_OCTETS);
            }
            if !wide {
                prop_assert_eq!(plan(&text).segments(), parts.len());
            }
        }
    }
}
