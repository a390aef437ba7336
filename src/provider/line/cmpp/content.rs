//! What stands in `Msg_Content`: which form a text goes out in, how many segments it becomes, and their
//! octets.
//!
//! CMPP counts octets. ASCII takes one for a character, UCS-2 two, and GB18030 one for ASCII and two for
//! Chinese, so a text that mixes both can be shorter in it. A text that does not fit one segment is cut into
//! parts that begin with the same user data header as everywhere, and each is a SUBMIT of its own. No
//! character is ever cut.
//!
//! Not every phone reads GB18030, and many a gateway knows only the characters of two octets in it. So it is
//! taken where it saves a segment and has no longer characters, unless the settings say otherwise.
//!
//! Source: QB-GF-028-2003, section 8.4.3.1 (`Msg_Fmt`, `Msg_Length`); 3GPP TS 23.040, section 9.2.3.24. No
//! I/O, no clock.

use std::ops::Range;

use bytes::{BufMut as _, Bytes, BytesMut};
use encoding_rs::GB18030;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most octets of a content, but for ASCII in one segment.
const MOST: usize = 140;

/// Most segments of one text: the header counts them in one octet.
pub const MAX_SEGMENTS: usize = 255;

/// How the octets of a content are read: `Msg_Fmt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 0: printable ASCII and line ends.
    Ascii,
    /// 8: UTF-16, big-endian.
    Ucs2,
    /// 15: what GBK and GB18030 have in common, one or two octets a character.
    Gb18030,
}

impl Format {
    /// `Msg_Fmt`
    pub const fn octet(self) -> u8 {
        match self {
            Self::Ascii => 0,
            Self::Ucs2 => 8,
            Self::Gb18030 => 15,
        }
    }

    /// As the trade writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ascii => "ASCII",
            Self::Ucs2 => "UCS-2",
            Self::Gb18030 => "GB18030",
        }
    }

    /// Octets of the character that `octets` begin with. They are of our own writing, so each is whole.
    fn character(self, octets: &[u8]) -> usize {
        match (self, octets) {
            (Self::Ascii, _) | (Self::Gb18030, [0..0x80, ..]) => 1,
            // The second octet of four is a digit (GB 18030, section 5.2).
            (Self::Gb18030, [_, b'0'..=b'9', ..]) | (Self::Ucs2, [0xD8..=0xDB, ..]) => 4,
            _ => 2,
        }
    }
}

/// When a text that is not ASCII goes out in GB18030 and not in UCS-2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CmppGb18030")]
pub enum Gb {
    /// Never.
    Never,
    /// Where it saves a segment.
    Shorter,
    /// Wherever it does not need more segments.
    Always,
}

/// The number that all parts of one text share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// One octet: a header of 6.
    Eight(u8),
    /// Two octets: a header of 7.
    Sixteen(u16),
}

impl Reference {
    const fn header(self) -> usize {
        match self {
            Self::Eight(_) => 6,
            Self::Sixteen(_) => 7,
        }
    }
}

/// What the settings say about contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether GB18030 is used.
    pub gb: Gb,
    /// Most octets of an ASCII text of one segment.
    pub ascii_limit: usize,
    /// Whether the reference of a long text has two octets.
    pub is_wide_reference: bool,
}

impl Rules {
    /// The reference that these rules make of a count.
    pub fn reference(&self, count: u16) -> Reference {
        let [_, low] = count.to_be_bytes();
        if self.is_wide_reference { Reference::Sixteen(count) } else { Reference::Eight(low) }
    }

    /// Most octets of a segment, of the text alone.
    fn most(&self, format: Format) -> usize {
        if format == Format::Ascii { self.ascii_limit } else { MOST }
    }
}

/// A text as octets, and where they are cut. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Plan {
    /// How they are read.
    pub format: Format,
    octets: Vec<u8>,
    cuts: Vec<Range<usize>>,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan")
            .field("format", &self.format)
            .field("segments", &self.segments())
            .finish_non_exhaustive()
    }
}

/// Whether a character is the same everywhere and takes one septet on the air: the rest of ASCII takes two,
/// or has no code.
fn is_plain(character: char) -> bool {
    matches!(character, ' '..='~' | '\r' | '\n')
        && !matches!(character, '^' | '{' | '}' | '[' | ']' | '~' | '|' | '\\' | '`')
}

impl Plan {
    /// How this text goes out.
    pub fn of(text: &str, rules: &Rules) -> Self {
        if text.chars().all(is_plain) {
            return Self::cut(Format::Ascii, text.as_bytes().to_vec(), rules);
        }
        let ucs2 = Self::cut(Format::Ucs2, text.encode_utf16().flat_map(u16::to_be_bytes).collect(), rules);
        match (rules.gb, gb(text)) {
            (Gb::Shorter | Gb::Always, Some(octets)) => {
                let gb = Self::cut(Format::Gb18030, octets, rules);
                let is_better = gb.segments() < ucs2.segments()
                    || (rules.gb == Gb::Always && gb.segments() == ucs2.segments());
                if is_better { gb } else { ucs2 }
            }
            _ => ucs2,
        }
    }

    fn cut(format: Format, octets: Vec<u8>, rules: &Rules) -> Self {
        let all = 0..octets.len();
        if octets.len() <= rules.most(format) {
            return Self { format, octets, cuts: Vec::from([all]) };
        }
        let most = MOST - rules.reference(0).header();
        let mut cuts = Vec::with_capacity(octets.len().div_ceil(most - 3));
        let (mut begin, mut end) = (0, 0);
        while let Some(rest) = octets.get(end..).filter(|rest| !rest.is_empty()) {
            let next = (end + format.character(rest)).min(octets.len());
            if next - begin > most {
                cuts.push(begin..end);
                begin = end;
            }
            end = next;
        }
        cuts.push(begin..end);
        Self { format, octets, cuts }
    }

    /// How many segments there are; at least one.
    pub fn segments(&self) -> usize {
        self.cuts.len()
    }

    /// The content of each segment, with its header where there are several. Nothing for more than
    /// [`MAX_SEGMENTS`].
    pub fn contents(&self, reference: Reference) -> Option<Vec<Bytes>> {
        let total = u8::try_from(self.cuts.len()).ok()?;
        let mut all = BytesMut::with_capacity(self.octets.len() + self.cuts.len() * reference.header());
        let mut contents = Vec::with_capacity(self.cuts.len());
        for (number, cut) in (1..=total).zip(&self.cuts) {
            if total > 1 {
                match reference {
                    Reference::Eight(reference) => all.put_slice(&[5, 0, 3, reference, total, number]),
                    Reference::Sixteen(reference) => {
                        let [high, low] = reference.to_be_bytes();
                        all.put_slice(&[6, 8, 4, high, low, total, number]);
                    }
                }
            }
            all.put_slice(self.octets.get(cut.clone())?);
            contents.push(all.split().freeze());
        }
        Some(contents)
    }
}

/// A text in GB18030, where each of its characters has one octet or two.
fn gb(text: &str) -> Option<Vec<u8>> {
    let (octets, _, is_changed) = GB18030.encode(text);
    let mut rest = octets.as_ref();
    while !rest.is_empty() {
        let character = Format::Gb18030.character(rest);
        rest = rest.get(character..).filter(|_| character <= 2)?;
    }
    (!is_changed).then(|| octets.into_owned())
}

/// The text of a content that a person wrote, without its header; nothing for data (`Msg_Fmt` 4) that is no
/// text.
///
/// The octet is in truth the data coding scheme of 3GPP TS 23.038, and China's 15. Where it says ASCII,
/// GB18030 is read, which has ASCII in it: phones in China are known to send one as the other.
pub fn decode(format: u8, octets: &[u8]) -> Option<String> {
    match format {
        15 => Some(GB18030.decode_without_bom_handling(octets).0.into_owned()),
        _ if format & 0x0C == 8 => Some(crate::sms::text::decode_ucs2(octets)),
        _ if format & 0x0C == 4 => None,
        _ => Some(GB18030.decode_without_bom_handling(octets).0.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULES: Rules = Rules { gb: Gb::Shorter, ascii_limit: 159, is_wide_reference: false };

    fn shape(text: &str, rules: &Rules) -> (&'static str, usize) {
        let plan = Plan::of(text, rules);
        (plan.format.as_str(), plan.segments())
    }

    #[test]
    fn ascii_is_ascii_only_where_every_phone_shows_the_same() {
        assert_eq!(shape("Hello, CMPP!\r\n", &RULES), ("ASCII", 1));
        assert_eq!(shape("", &RULES), ("ASCII", 1));
        for odd in ["^", "{", "}", "[", "]", "~", "|", "\\", "`", "\t", "\u{1b}", "\0", "\u{7f}", "é"] {
            assert_eq!(shape(odd, &RULES), ("UCS-2", 1), "{odd:?}");
        }
    }

    #[test]
    fn the_limits_are_those_of_the_standard() {
        let wide = Rules { is_wide_reference: true, ..RULES };
        for (rules, part) in [(RULES, 134), (wide, 133)] {
            assert_eq!(shape(&"a".repeat(159), &rules).1, 1);
            assert_eq!(shape(&"a".repeat(160), &rules).1, 2);
            assert_eq!(shape(&"a".repeat(part * 2), &rules).1, 2);
            assert_eq!(shape(&"a".repeat(part * 2 + 1), &rules).1, 3);
            assert_eq!(shape(&"я".repeat(70), &rules), ("UCS-2", 1));
            assert_eq!(shape(&"я".repeat(part / 2 * 2), &rules).1, 2);
            assert_eq!(shape(&"я".repeat(part / 2 * 2 + 1), &rules).1, 3);
        }
        assert_eq!(shape(&"a".repeat(160), &Rules { ascii_limit: 160, ..RULES }).1, 1);
        assert_eq!(shape(&"a".repeat(141), &Rules { ascii_limit: 140, ..RULES }).1, 2);
    }

    #[test]
    fn gb18030_is_taken_where_it_saves_a_segment_and_every_gateway_can_read_it() {
        let mixed =
            "验证码 ABC 123456 valid for ten minutes. 您好 ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 abcdefghij";
        assert!(mixed.chars().count() > 70);
        assert_eq!(shape(mixed, &RULES), ("GB18030", 1));
        assert_eq!(shape(mixed, &Rules { gb: Gb::Never, ..RULES }), ("UCS-2", 2));
        assert_eq!(shape("你好", &RULES), ("UCS-2", 1), "nothing is saved");
        assert_eq!(shape("你好", &Rules { gb: Gb::Always, ..RULES }), ("GB18030", 1));
        assert_eq!(Plan::of("你好", &Rules { gb: Gb::Always, ..RULES }).octets, b"\xc4\xe3\xba\xc3");
        assert_eq!(shape(&format!("{mixed}😀"), &RULES), ("UCS-2", 2), "four octets");
        assert_eq!(
            shape("\u{e5e5}", &Rules { gb: Gb::Always, ..RULES }),
            ("UCS-2", 1),
            "GB18030 has no such character"
        );
    }

    #[test]
    fn a_part_begins_with_the_header_of_the_standard() {
        let plan = Plan::of(&"a".repeat(200), &RULES);
        let contents = plan.contents(Reference::Eight(0x2A)).unwrap();
        assert_eq!(contents[1][..7], [5, 0, 3, 0x2A, 2, 2, b'a']);
        assert_eq!(contents.iter().map(Bytes::len).collect::<Vec<_>>(), [140, 72]);
        let plan = Plan::of(&"a".repeat(200), &Rules { is_wide_reference: true, ..RULES });
        assert_eq!(plan.contents(Reference::Sixteen(0xABCD)).unwrap()[0][..7], [6, 8, 4, 0xAB, 0xCD, 2, 1]);
        assert_eq!(Plan::of("Hello", &RULES).contents(Reference::Eight(1)).unwrap(), [&b"Hello"[..]]);
        let most = Plan::of(&"a".repeat(134 * 255), &RULES);
        assert_eq!(most.contents(Reference::Eight(1)).map(|contents| contents.len()), Some(255));
        assert_eq!(Plan::of(&"a".repeat(134 * 255 + 1), &RULES).contents(Reference::Eight(1)), None);
    }

    #[test]
    fn what_people_write_is_read_by_its_format() {
        assert_eq!(decode(15, b"\xc4\xe3\xba\xc3").as_deref(), Some("你好"));
        assert_eq!(decode(8, b"\x4f\x60\x59\x7d").as_deref(), Some("你好"));
        assert_eq!(decode(0, b"TD").as_deref(), Some("TD"));
        assert_eq!(
            decode(0, b"\xc4\xe3\xba\xc3").as_deref(),
            Some("你好"),
            "a phone that says the wrong format"
        );
        assert_eq!(decode(25, b"\x4f\x60").as_deref(), Some("你"), "shown at once, and not kept");
        assert_eq!(decode(4, b"\x00\x01"), None);
    }

    fn rules() -> impl Strategy<Value = Rules> {
        let gb = prop_oneof![Just(Gb::Never), Just(Gb::Shorter), Just(Gb::Always)];
        (gb, 140_usize..=160, any::<bool>()).prop_map(|(gb, ascii_limit, is_wide_reference)| Rules {
            gb,
            ascii_limit,
            is_wide_reference,
        })
    }

    fn text() -> impl Strategy<Value = String> {
        let character = prop_oneof![4 => prop::char::range(' ', '~'), 4 => prop::char::range('\u{4e00}', '\u{9fa5}'), 1 => any::<char>()];
        prop::collection::vec(character, 0..600).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn the_parts_are_the_text_and_no_character_is_cut(text in text(), rules in rules(), count in any::<u16>()) {
            let plan = Plan::of(&text, &rules);
            let contents = plan.contents(rules.reference(count)).unwrap();
            prop_assert_eq!(contents.len(), plan.segments());
            let header = if contents.len() > 1 { rules.reference(count).header() } else { 0 };
            let mut whole = String::new();
            for content in &contents {
                let most = if header == 0 { rules.most(plan.format) } else { MOST };
                prop_assert!(content.len() <= most);
                whole.push_str(&decode(plan.format.octet(), &content[header..]).unwrap());
            }
            prop_assert_eq!(whole, text);
        }
    }
}
