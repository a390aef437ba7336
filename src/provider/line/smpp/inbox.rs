//! What a carrier tells becomes events: receipts, and texts of people.
//!
//! A receipt is what its `esm_class` calls one, or what has a receipt's parameters; never what merely reads
//! like one, or anybody could write to us that a message was delivered. Where the settings allow that all the
//! same, the ledger has the last word ([`Event::Claimed`]). Its parameters win over its text. Interim reports
//! are no news.
//!
//! SMPP gives the messages of people no id, so they get one here: a digest of everything in them, and the
//! time when they were told first. Which of them is told again the [session](crate::provider::line::session)
//! knows.
//!
//! Pure: no I/O, and time is an argument. Source: SMPP v3.4, sections 4.6, 5.2.12 and 5.3.2; appendix B.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alphabet::{self, Alphabet};
use super::message::{Address, Place};
use super::pdu::{Deliver, Kind};
use super::receipt::{self, Standing};
use crate::clock::Timestamp;
use crate::provider::exchange::{Event, Receipt, Reply, ReplySegment};
use crate::provider::line::ear::Told;
use crate::provider::line::session::Telling;
use crate::sms::caller_id::Sender;
use crate::sms::message::hex;
use crate::sms::number::Number;

/// `esm_class` bit 6: the text begins with a user data header.
const UDHI: u8 = 0x40;

/// Length of an error code in a receipt (SMPP 3.4, appendix B). What is longer may be anything, but for a
/// number as long as that of the network's own code (section 5.3.2.31).
const ERROR: usize = 3;

/// Digits of the network's own code.
const NETWORK_ERROR: usize = 5;

/// Whether a code is no more than that, so that it quotes nothing.
fn is_code(error: &str) -> bool {
    error.len() <= ERROR
        || (error.len() <= NETWORK_ERROR && error.bytes().all(|octet| octet.is_ascii_digit()))
}

/// How the ids in receipts differ from those in answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "SmppReceiptIds")]
pub enum ReceiptIds {
    /// Not at all.
    #[default]
    Text,
    /// Both are hexadecimal, and may differ in letter case and in zeros before them.
    Hex,
    /// Both are decimal, and may differ in zeros before them.
    Decimal,
    /// Answers are hexadecimal, receipts decimal.
    HexToDecimal,
    /// Answers are decimal, receipts hexadecimal.
    DecimalToHex,
}

impl ReceiptIds {
    /// The id of an answer as it is kept.
    pub fn of_answer(self, id: &str) -> String {
        self.read(id, matches!(self, Self::Hex | Self::HexToDecimal))
    }

    /// The id of a receipt as it is kept: equal to that of the answer.
    pub fn of_receipt(self, id: &str) -> String {
        self.read(id, matches!(self, Self::Hex | Self::DecimalToHex))
    }

    /// Numbers are kept without zeros before them: in decimal, but where both are hexadecimal, so and in
    /// small letters. What is no number stays what it is; only of a hexadecimal one with dashes in it the
    /// letters become small.
    fn read(self, id: &str, is_hex: bool) -> String {
        let id = id.trim();
        let digits = id.strip_prefix("0x").or_else(|| id.strip_prefix("0X")).filter(|_| is_hex).unwrap_or(id);
        let is_number =
            self != Self::Text && !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_hexdigit());
        match self {
            Self::Hex if is_number => without_zeros(&digits.to_ascii_lowercase()),
            Self::Hex
                if !id.is_empty() && id.bytes().all(|octet| octet.is_ascii_hexdigit() || octet == b'-') =>
            {
                id.to_ascii_lowercase()
            }
            Self::Decimal if is_number && digits.bytes().all(|octet| octet.is_ascii_digit()) => {
                without_zeros(digits)
            }
            Self::HexToDecimal | Self::DecimalToHex if is_number => {
                let number = u128::from_str_radix(digits, if is_hex { 16 } else { 10 });
                number.map_or_else(|_| id.to_owned(), |number| number.to_string())
            }
            _ => id.to_owned(),
        }
    }
}

/// A number without the zeros before it, however long it is.
fn without_zeros(digits: &str) -> String {
    let rest = digits.trim_start_matches('0');
    if rest.is_empty() { "0".to_owned() } else { rest.to_owned() }
}

/// Reads what one carrier tells. See the module's text.
#[derive(Debug)]
pub struct Inbox {
    alphabet: Alphabet,
    receipt_ids: ReceiptIds,
    replies: bool,
    by_text: bool,
}

impl Inbox {
    /// An empty one. Without `replies` the texts of people are thanked for and left out.
    pub fn new(alphabet: Alphabet, receipt_ids: ReceiptIds, replies: bool) -> Self {
        Self { alphabet, receipt_ids, replies, by_text: false }
    }

    /// The same, where also what merely reads like a receipt may be one.
    #[must_use]
    pub fn by_text(self, by_text: bool) -> Self {
        Self { by_text, ..self }
    }

    /// Takes what the carrier told.
    pub fn take(&mut self, deliver: &Deliver, telling: impl Into<Telling>) -> Told {
        let telling = telling.into();
        match deliver.kind() {
            Kind::Receipt => return self.receipt(deliver, telling.first),
            // Nothing of it is final.
            Kind::Other => return Told::default(),
            Kind::Text => {}
        }
        if !deliver.is_readable {
            return Told { is_lost: true, ..Told::default() };
        }
        let claimed = if self.by_text { self.claimed(deliver, telling.first) } else { None };
        if !self.replies {
            return Told {
                event: claimed.map(|receipt| Event::Claimed { receipt, reply: None }),
                ..Told::default()
            };
        }
        let mut told = self.reply(deliver, telling);
        if let (Some(receipt), Some(Event::Reply(reply))) = (claimed, &told.event) {
            told.event = Some(Event::Claimed { receipt, reply: Some(reply.clone()) });
        }
        told
    }

    /// The receipt that a text of nobody knows whom is when it is one: what a receipt says, from the number
    /// that the message went to.
    fn claimed(&self, deliver: &Deliver, now: Timestamp) -> Option<Receipt> {
        let said = receipt::parse(&deliver.octets);
        let is_whole = said.id.is_some() && said.standing.is_some();
        let to = number(&deliver.from);
        match self.receipt(deliver, now).event {
            Some(Event::Receipt(receipt)) if is_whole && to.starts_with('+') => {
                Some(Receipt { to: Some(to), ..receipt })
            }
            _ => None,
        }
    }

    fn receipt(&self, deliver: &Deliver, now: Timestamp) -> Told {
        // Of UCS-2 the reader sees ASCII with NULs, which it leaves out. It is not decoded, since many
        // carriers repeat the data_coding of the message that went out and write this in ASCII all the same.
        let said = receipt::parse(&deliver.octets);
        // The parameter is the id as the answer had it (section 5.3.2.12); the notation of the text is the
        // carrier's own. Some put what stands in the text into the parameter too: then both are in the
        // notation of the text.
        let in_text = said.id.as_deref();
        let in_tlv = deliver.receipted_message_id.as_deref().filter(|id| in_text != Some(id.trim()));
        let id = in_tlv
            .map(|id| self.receipt_ids.of_answer(id))
            .or_else(|| in_text.map(|id| self.receipt_ids.of_receipt(id)));
        let id = id.filter(|id| !id.is_empty());
        let standing = deliver.message_state.and_then(Standing::of_number).or(said.standing);
        let (Some(id), Some(standing)) = (id, standing) else {
            return Told { is_lost: true, ..Told::default() };
        };
        if standing == Standing::OnItsWay {
            return Told::default();
        }
        let network = deliver.network_error.filter(|(_, code)| *code != 0).map(|(_, code)| code.to_string());
        let error = network.or(said.error).map(|code| printable(&code));
        let is_documented = error.as_deref().is_none_or(is_code);
        let why = match (standing, error) {
            (Standing::Failed(word), Some(error)) => Some(format!("{word}, error {error}")),
            (Standing::Failed(word), None) => Some(word.to_owned()),
            (Standing::Expired, Some(error)) => Some(format!("error {error}")),
            _ => None,
        };
        let is_documented = is_documented && why.is_some();
        Told {
            event: Some(Event::Receipt(Receipt {
                why,
                is_documented,
                ..Receipt::new(id, standing.state(), now)
            })),
            ..Told::default()
        }
    }

    fn reply(&mut self, deliver: &Deliver, telling: Telling) -> Told {
        let Telling { first, is_again } = telling;
        let (place, text) = match deliver.esm_class & UDHI {
            0 => (None, deliver.octets.as_slice()),
            _ => alphabet::split_udh(&deliver.octets),
        };
        let (from, to) = (sender(&deliver.from), number(&deliver.to));
        // A place that cannot be joins nothing: such a text is one by itself, with an id that it keeps when
        // it is told again.
        let can_be = |place: &Place| place.total > 1 && (1..=place.total).contains(&place.number);
        let content = deliver.content().map(|content| hex(&content));
        let Some(Place { reference, total, number }) = place.or(deliver.sar).filter(can_be) else {
            let vendor_id =
                content.as_deref().map_or_else(String::new, |content| Reply::id_of(content, first));
            let text = alphabet::decode(text, deliver.coding, self.alphabet);
            return Told {
                event: Some(Event::Reply(Reply {
                    vendor_id,
                    from,
                    to,
                    text,
                    at: first,
                    content,
                    is_again,
                    is_answered: false,
                })),
                is_lost: false,
            };
        };
        let (coding, octets, vendor_id) = (deliver.coding, text.to_vec(), String::new());
        let segment = ReplySegment {
            from,
            to,
            reference,
            total,
            number,
            coding,
            octets,
            vendor_id,
            at: first,
            content,
            is_again,
        };
        Told { event: Some(Event::Segment(segment)), is_lost: false }
    }
}

/// Who wrote. Only the type "international" (1) says that the digits are a whole number; all others are as
/// they are written.
fn sender(address: &Address) -> Sender {
    let digits = address.text.trim_start_matches('+');
    let is_digits = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    if address.ton == 1 && is_digits { Sender::E164(format!("+{digits}")) } else { Sender::of(&address.text) }
}

/// To whom: a number in E.164 where it can be read as one (types "international" and "unknown"), else what is
/// there.
fn number(address: &Address) -> String {
    let digits = address.text.trim_start_matches('+');
    let digits = if address.ton == 1 { digits } else { digits.strip_prefix("00").unwrap_or(digits) };
    let is_digits = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    let parsed =
        (is_digits && address.ton <= 1).then(|| Number::parse(&format!("+{digits}"), None).ok()).flatten();
    // Of an unknown type it may be a short code.
    parsed
        .filter(|number| address.ton == 1 || number.is_valid())
        .map_or_else(|| address.text.clone(), |number| number.e164().to_owned())
}

/// A code that can be shown: the network's, and so somebody else's text.
fn printable(code: &str) -> String {
    code.chars().filter(char::is_ascii_graphic).take(16).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;
    use crate::sms::message::State;

    const NOW: Timestamp = Timestamp(1_795_342_500_000);
    /// `esm_class` of a receipt (section 5.2.12).
    const RECEIPT: u8 = 0x04;

    fn inbox() -> Inbox {
        Inbox::new(Alphabet::Gsm7, ReceiptIds::Text, true)
    }

    fn address(ton: u8, text: &str) -> Address {
        Address { ton, npi: 1, text: text.to_owned() }
    }

    fn from_person(octets: &[u8]) -> Deliver {
        let (from, to) = (address(1, "33612345678"), address(3, "36179"));
        Deliver { command: 5, from, to, octets: octets.to_vec(), is_readable: true, ..Deliver::default() }
    }

    fn receipt_of(text: &str) -> Deliver {
        Deliver { esm_class: RECEIPT, ..from_person(text.as_bytes()) }
    }

    fn reply(told: Told) -> Reply {
        match told.event {
            Some(Event::Reply(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn receipts_tell_what_became_of_a_message_and_parameters_win() {
        let cases = [
            (receipt_of("id:1 stat:DELIVRD err:000"), Some(("1", State::Delivered, None))),
            (receipt_of("id:1 stat:UNDELIV err:034"), Some(("1", State::Failed, Some("UNDELIV, error 034")))),
            (
                receipt_of("id:1 stat:UNDELIV err:01034"),
                Some(("1", State::Failed, Some("UNDELIV, error 01034"))),
            ),
            (receipt_of("id:1 stat:EXPIRED"), Some(("1", State::Expired, None))),
            (receipt_of("id:1 stat:ACCEPTD"), None),
            (
                Deliver {
                    receipted_message_id: Some("2".into()),
                    message_state: Some(5),
                    network_error: Some((3, 27)),
                    ..receipt_of("id:1 stat:DELIVRD")
                },
                Some(("2", State::Failed, Some("UNDELIV, error 27"))),
            ),
            (
                Deliver {
                    receipted_message_id: Some("2".into()),
                    message_state: Some(2),
                    ..from_person(b"")
                },
                Some(("2", State::Delivered, None)),
            ),
            (Deliver { message_state: Some(2), ..receipt_of("id:3") }, Some(("3", State::Delivered, None))),
            (Deliver { esm_class: 0x20, ..receipt_of("id:1 stat:DELIVRD") }, None),
        ];
        for (deliver, expected) in cases {
            let shown = format!("{deliver:?}");
            let told = inbox().take(&deliver, NOW);
            let expected = expected.map(|(id, state, why)| {
                Event::Receipt(Receipt {
                    why: why.map(ToOwned::to_owned),
                    is_documented: why.is_some(),
                    ..Receipt::new(id, state, NOW)
                })
            });
            assert_eq!((told.event, told.is_lost), (expected, false), "{shown}");
        }
    }

    #[test]
    fn a_receipt_is_read_in_ucs2_and_in_whatever_its_data_coding_says_wrongly_and_one_without_an_id_is_lost()
    {
        let ascii = "id:9 sub:001 dlvrd:001 stat:DELIVRD err:000 text:";
        let wide: Vec<u8> = format!("{ascii}привет").encode_utf16().flat_map(u16::to_be_bytes).collect();
        let mixed = [
            ascii.as_bytes(),
            "привет".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>().as_slice(),
        ]
        .concat();
        for (coding, octets) in
            [(8, wide), (8, ascii.as_bytes().to_vec()), (8, mixed), (0xF4, ascii.as_bytes().to_vec())]
        {
            let told = inbox().take(&Deliver { coding, octets, ..receipt_of("") }, NOW);
            assert_eq!(
                told.event,
                Some(Event::Receipt(Receipt::new("9", State::Delivered, NOW))),
                "{coding}"
            );
        }
        let headed = [&[5, 0, 3, 7, 2, 1][..], ascii.as_bytes()].concat();
        let told =
            inbox().take(&Deliver { esm_class: RECEIPT | UDHI, octets: headed, ..receipt_of("") }, NOW);
        assert_eq!(
            told.event,
            Some(Event::Receipt(Receipt::new("9", State::Delivered, NOW))),
            "behind a user data header"
        );
        for lost in [receipt_of("hello"), receipt_of(""), Deliver { is_readable: false, ..from_person(b"") }]
        {
            assert_eq!(inbox().take(&lost, NOW), Told { is_lost: true, ..Told::default() });
        }
    }

    #[test]
    fn the_id_in_a_parameter_is_written_as_in_the_answer_or_as_in_the_text_beside_it() {
        let with = |deliver: &Deliver| match Inbox::new(Alphabet::Gsm7, ReceiptIds::HexToDecimal, true)
            .take(deliver, NOW)
            .event
        {
            Some(Event::Receipt(receipt)) => receipt.vendor_id,
            other => panic!("{other:?}"),
        };
        let in_text = receipt_of("id:31 stat:DELIVRD");
        assert_eq!(with(&in_text), ReceiptIds::HexToDecimal.of_answer("1F"));
        let in_both = Deliver { receipted_message_id: Some("31".into()), ..in_text.clone() };
        assert_eq!(
            with(&in_both),
            ReceiptIds::HexToDecimal.of_answer("1F"),
            "a carrier that writes the text's notation into both"
        );
        assert_eq!(
            with(&Deliver { receipted_message_id: Some("0000001F".into()), ..in_text }),
            ReceiptIds::HexToDecimal.of_answer("1F")
        );
    }

    #[test]
    fn a_person_cannot_write_a_receipt() {
        let told = inbox().take(&from_person(b"id:1 stat:DELIVRD err:000"), NOW);
        assert_eq!(reply(told).text, "id:1 stat:DELIVRD err:000");
    }

    #[test]
    fn a_text_has_one_id_however_often_it_is_told_and_the_same_words_at_another_time_another() {
        let mut inbox = inbox();
        let first = reply(inbox.take(&from_person(b"YES"), NOW));
        let again = reply(inbox.take(&from_person(b"YES"), Telling { first: NOW, is_again: true }));
        assert_eq!(
            (again.vendor_id.as_str(), again.at, again.is_again),
            (first.vendor_id.as_str(), NOW, true)
        );
        assert_ne!(reply(inbox.take(&from_person(b"yes"), NOW)).vendor_id, first.vendor_id);
        let second = reply(inbox.take(&from_person(b"YES"), NOW.plus_ms(1)));
        assert_eq!(second.content, first.content, "by which another process finds it");
        assert_ne!(second.vendor_id, first.vendor_id);
        assert!(first.vendor_id.starts_with(first.content.as_deref().unwrap()));
    }

    #[test]
    fn whoever_wrote_and_everything_in_it_belongs_to_what_a_text_is_recognised_by() {
        let text = from_person(b"YES");
        let others = [
            Deliver { from: address(1, "33612345679"), ..text.clone() },
            Deliver { from: address(0, "33612345678"), ..text.clone() },
            Deliver { to: address(3, "36180"), ..text.clone() },
            Deliver { coding: 8, ..text.clone() },
            Deliver { esm_class: UDHI, ..text.clone() },
            Deliver { user_reference: Some(7), ..text.clone() },
            Deliver { sar: Some(Place { reference: 1, total: 2, number: 1 }), ..text.clone() },
            from_person(b"YES "),
        ];
        for other in others {
            assert_ne!(other.content(), text.content(), "{other:?}");
        }
        assert_eq!(Deliver { command: 0x103, ..text.clone() }.content(), text.content());
        for nobody in [
            receipt_of("id:1 stat:DELIVRD"),
            Deliver { receipted_message_id: Some("1".into()), ..text.clone() },
            Deliver { esm_class: 8, ..text },
        ] {
            assert_eq!(nobody.content(), None, "nobody wrote it");
        }
    }

    #[test]
    fn whatever_names_the_message_in_a_parameter_is_a_receipt() {
        let with = |octets: &[u8]| Deliver { receipted_message_id: Some("2".into()), ..from_person(octets) };
        let told = inbox().take(&with(b"id:2 sub:001 dlvrd:001 stat:UNDELIV err:034"), NOW);
        let expected = Receipt {
            why: Some("UNDELIV, error 034".to_owned()),
            is_documented: true,
            ..Receipt::new("2", State::Failed, NOW)
        };
        assert_eq!(told.event, Some(Event::Receipt(expected)), "the text tells the state");
        assert_eq!(
            inbox().take(&with(b"stat:DELIVRD"), NOW).event,
            Some(Event::Receipt(Receipt::new("2", State::Delivered, NOW)))
        );
        let with_state = Deliver { message_state: Some(2), ..with(b"") };
        assert_eq!(
            inbox().take(&with_state, NOW).event,
            Some(Event::Receipt(Receipt::new("2", State::Delivered, NOW)))
        );
        assert_eq!(inbox().take(&with(b"stat:ENROUTE"), NOW), Told::default(), "no news");
        assert_eq!(
            inbox().take(&with(b"hello"), NOW),
            Told { is_lost: true, ..Told::default() },
            "no text of a person either"
        );
    }

    #[test]
    fn what_reads_like_a_receipt_is_put_before_the_ledger_only_where_the_settings_say_so() {
        let text = from_person(b"id:0000001F sub:001 dlvrd:001 stat:DELIVRD err:000");
        let person = reply(inbox().take(&text, NOW));
        let with = |deliver: &Deliver| {
            Inbox::new(Alphabet::Gsm7, ReceiptIds::HexToDecimal, true).by_text(true).take(deliver, NOW).event
        };
        let Some(Event::Claimed { receipt, reply: Some(said) }) =
            with(&Deliver { octets: b"id:31 stat:DELIVRD".to_vec(), ..text.clone() })
        else {
            panic!()
        };
        let to = Some("+33612345678".to_owned());
        assert_eq!(
            receipt,
            Receipt { to, ..Receipt::new("31", State::Delivered, NOW) },
            "it says whom the message went to"
        );
        assert_eq!((said.from, said.text.as_str()), (person.from, "id:31 stat:DELIVRD"));
        for octets in [&b"id:31"[..], b"stat:DELIVRD", b"STOP", b"is the id:31 right?"] {
            let plain = with(&Deliver { octets: octets.to_vec(), ..text.clone() });
            assert!(matches!(plain, Some(Event::Reply(_))), "{plain:?}");
        }
        let nobody =
            with(&Deliver { from: address(5, "BANK"), octets: b"id:31 stat:DELIVRD".to_vec(), ..text });
        assert!(matches!(nobody, Some(Event::Reply(_))), "no message went there: {nobody:?}");
    }

    #[test]
    fn the_segments_of_a_long_text_are_told_as_they_come_by_header_and_by_parameters() {
        let segment =
            |deliver: &Deliver| match inbox().take(deliver, Telling { first: NOW, is_again: true }).event {
                Some(Event::Segment(segment)) => segment,
                other => panic!("{other:?}"),
            };
        let expected = |deliver: &Deliver, reference, number, octets: &[u8]| ReplySegment {
            from: Sender::E164("+33612345678".to_owned()),
            to: "36179".to_owned(),
            reference,
            total: 2,
            number,
            coding: 8,
            octets: octets.to_vec(),
            vendor_id: String::new(),
            at: NOW,
            content: deliver.content().map(|content| hex(&content)),
            is_again: true,
        };
        let wide = |esm_class, octets: &[u8]| Deliver { esm_class, coding: 8, ..from_person(octets) };
        // Half a character: nothing of it is read here.
        let half = wide(UDHI, &[5, 0, 3, 7, 2, 2, 0xD8]);
        assert!(segment(&half) == expected(&half, 7, 2, &[0xD8]));
        let long = wide(UDHI, &[6, 8, 4, 1, 7, 2, 1, b'A']);
        assert!(segment(&long) == expected(&long, 0x107, 1, b"A"));
        let sar = Deliver { sar: Some(Place { reference: 9, total: 2, number: 1 }), ..wide(0, b"C") };
        assert!(segment(&sar) == expected(&sar, 9, 1, b"C"));
    }

    #[test]
    fn a_segment_that_cannot_be_is_a_text_of_its_own_with_one_id_however_often_it_is_told() {
        for header in [[5, 0, 3, 7, 1, 1], [5, 0, 3, 7, 2, 3], [5, 0, 3, 7, 2, 0], [5, 0, 3, 7, 0, 0]] {
            let odd = Deliver { esm_class: UDHI, ..from_person(&[&header[..], b"STOP"].concat()) };
            let mut inbox = inbox();
            let first = reply(inbox.take(&odd, NOW));
            assert_eq!(first.text, "STOP", "{header:?}");
            let again = Telling { first: NOW, is_again: true };
            assert_eq!(reply(inbox.take(&odd, again)).vendor_id, first.vendor_id, "{header:?}");
        }
    }

    #[test]
    fn without_replies_people_are_thanked_and_left_out() {
        let mut inbox = Inbox::new(Alphabet::Gsm7, ReceiptIds::Text, false);
        assert_eq!(inbox.take(&from_person(b"hi"), NOW), Told::default());
    }

    #[test]
    fn only_an_international_type_or_a_plus_says_that_a_sender_is_a_whole_number() {
        let whole = |text: &str| Sender::E164(text.to_owned());
        let written = |text: &str| Sender::AsWritten(text.to_owned());
        let cases = [
            (1, "33612345678", whole("+33612345678")),
            (1, "+33612345678", whole("+33612345678")),
            (0, "+33612345678", whole("+33612345678")),
            (0, "33612345678", written("33612345678")),
            (0, "0033612345678", written("0033612345678")),
            (0, "36179", written("36179")),
            (2, "0612345678", written("0612345678")),
            (2, "2025550123", written("2025550123")),
            (3, "36179", written("36179")),
            (5, "BANK", written("BANK")),
            (1, "", written("")),
            (1, "BANK", written("BANK")),
        ];
        for (ton, text, expected) in cases {
            assert!(sender(&address(ton, text)) == expected, "{ton} {text}");
        }
        for (ton, text, expected) in [
            (1, "33612345678", "+33612345678"),
            (0, "0033612345678", "+33612345678"),
            (0, "36179", "36179"),
            (3, "36179", "36179"),
        ] {
            assert_eq!(number(&address(ton, text)), expected, "to whom: {ton} {text}");
        }
    }

    #[test]
    fn ids_of_answers_and_receipts_meet_in_every_notation() {
        use ReceiptIds::{Decimal, DecimalToHex, Hex, HexToDecimal, Text};
        let same =
            |ids: ReceiptIds, answer: &str, receipt: &str| ids.of_answer(answer) == ids.of_receipt(receipt);
        assert!(same(Text, " a-9F ", "a-9F") && !same(Text, "9f", "9F") && !same(Text, "07", "7"));
        assert!(same(HexToDecimal, "0000001F", "31") && same(HexToDecimal, "1f", "0031"));
        assert!(same(DecimalToHex, "31", "1F") && same(DecimalToHex, "0031", "0x1f"));
        assert!(
            same(Hex, "0000001F", "1f")
                && same(Hex, "1f", "0x0000001F")
                && same(Hex, "A", "0a")
                && !same(Hex, "10", "16")
        );
        assert!(
            same(Decimal, "0000000031", "31")
                && same(Decimal, "31", "00031")
                && !same(Decimal, "31", "1F")
                && !same(Decimal, "1F", "1f")
        );
        assert!(
            [Hex, Decimal, HexToDecimal, DecimalToHex]
                .iter()
                .all(|ids| same(*ids, "0", "000") && !same(*ids, "", "0"))
        );
        let long = "9".repeat(60);
        for ids in [Hex, Decimal] {
            assert!(same(ids, &format!("000{long}"), &long), "longer than any number of the machine");
            assert_eq!(ids.of_answer(&long), long, "as the carrier may be asked about it");
        }
        let uuid = "6f9619ff-8b86-d011-b42d-00c04fc964ff";
        assert!(
            [Hex, Decimal, HexToDecimal, DecimalToHex].iter().all(|ids| same(*ids, uuid, uuid)),
            "no number"
        );
        assert!(
            same(Hex, uuid, &uuid.to_uppercase())
                && same(Hex, "smsc-1", "smsc-1")
                && !same(Hex, "smsc-1", "SMSC-1")
        );
        assert_eq!(HexToDecimal.of_answer(""), "");
    }
}
