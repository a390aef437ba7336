//! The text of a delivery receipt, in the variants that carriers write.
//!
//! SMPP leaves the text to the carrier and gives one in an appendix:
//! `id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E text: ...`
//! In the field the order varies, as do case and spaces, some fields are missing and some have no value.
//! Behind `text:` stand the first words of the message itself, so what looks like a field there is believed
//! only where it stands nowhere else. The two times are those of the carrier's own clock, in a zone that
//! nobody tells, and are left out.
//!
//! Source: SMPP v3.4, appendix B; section 5.2.28 (message_state).

use crate::sms::message::State;

/// The names of the fields, as they stand before the colon.
const NAMES: [&str; 8] = ["id", "sub", "dlvrd", "submit date", "done date", "stat", "err", "text"];

/// Where a message stands, as a carrier says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// On its way, or about to be; not final.
    OnItsWay,
    /// It reached the phone.
    Delivered,
    /// It was too late.
    Expired,
    /// It did not and will not reach the phone. The word says why.
    Failed(&'static str),
}

impl Standing {
    /// Reads `stat`. Words are cut and spelled in many ways, so the first letters decide.
    pub fn of_word(word: &str) -> Option<Self> {
        let word = word.trim().to_ascii_uppercase();
        // What follows says whether it was: "DELIVERYIMPOSSIBLE" and "DELIVERY FAILED" are seen too.
        if word.starts_with("DELIVERY") {
            return None;
        }
        let table = [
            ("DELIV", Self::Delivered),
            ("DELET", Self::Failed("DELETED")),
            ("EXPIR", Self::Expired),
            ("UNDEL", Self::Failed("UNDELIV")),
            ("REJEC", Self::Failed("REJECTD")),
            ("UNKN", Self::Failed("UNKNOWN")),
            ("FAIL", Self::Failed("FAILED")),
            ("SKIP", Self::Failed("SKIPPED")),
            ("ACCEP", Self::OnItsWay),
            ("ENROU", Self::OnItsWay),
            ("SCHED", Self::OnItsWay),
        ];
        table.into_iter().find(|(begin, _)| word.starts_with(begin)).map(|row| row.1)
    }

    /// Reads `message_state` (section 5.2.28; 0 and 9 are of v5.0).
    pub const fn of_number(number: u8) -> Option<Self> {
        Some(match number {
            0 | 1 | 6 => Self::OnItsWay,
            2 => Self::Delivered,
            3 => Self::Expired,
            4 => Self::Failed("DELETED"),
            5 => Self::Failed("UNDELIV"),
            7 => Self::Failed("UNKNOWN"),
            8 => Self::Failed("REJECTD"),
            9 => Self::Failed("SKIPPED"),
            _ => return None,
        })
    }

    /// As the ledger has it.
    pub const fn state(self) -> State {
        match self {
            Self::OnItsWay => State::Sent,
            Self::Delivered => State::Delivered,
            Self::Expired => State::Expired,
            Self::Failed(_) => State::Failed,
        }
    }
}

/// What a receipt's text says. `Debug` is safe: the words of the message are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The message's id, as it is written there.
    pub id: Option<String>,
    /// Where it stands.
    pub standing: Option<Standing>,
    /// The network's error code, unless it is none (`0`, `000`).
    pub error: Option<String>,
}

/// Reads a receipt's text. Whatever it is, this neither fails nor panics; what is not there is nothing.
pub fn parse(octets: &[u8]) -> Receipt {
    // One character an octet: ids and words are ASCII, and nothing else is kept.
    let text: String = octets.iter().map(|octet| char::from(*octet)).filter(|c| *c != '\0').collect();
    let fields = fields(&text);
    let end = fields.iter().find(|field| field.0 == "text").map_or(usize::MAX, |field| field.1);
    let value = |name: &str| {
        let named = |field: &&(&str, usize, &str)| field.0 == name && !field.2.is_empty();
        let before = fields.iter().filter(|field| field.1 < end).find(named);
        let found = before.or_else(|| fields.iter().rev().find(named))?;
        Some(found.2)
    };
    Receipt {
        id: value("id").map(ToOwned::to_owned),
        standing: value("stat").and_then(Standing::of_word),
        error: value("err").filter(|code| !code.bytes().all(|octet| octet == b'0')).map(ToOwned::to_owned),
    }
}

/// The fields in the order in which they stand: name, where it begins, and its value up to the next space.
fn fields(text: &str) -> Vec<(&'static str, usize, &str)> {
    let mut found: Vec<(&'static str, usize, &str)> = Vec::new();
    let mut is_word_begin = true;
    for (at, character) in text.char_indices() {
        let begin =
            std::mem::replace(&mut is_word_begin, !character.is_ascii_alphanumeric() && character != '_');
        if !begin || !character.is_ascii_alphabetic() {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        if let Some((name, after)) = NAMES.iter().find_map(|name| Some((*name, after_name(rest, name)?))) {
            let value = after.trim_start_matches([' ', '\t']);
            let end = value.find(|c: char| c.is_whitespace() || c == ',' || c == ';').unwrap_or(value.len());
            let value = value.get(..end).unwrap_or_default();
            // A field without a value is followed by the next field.
            let is_field = NAMES.iter().any(|name| after_name(after.trim_start(), name).is_some());
            found.push((name, at, if is_field { "" } else { value }));
        }
    }
    found
}

/// What follows `name:` in any case, with or without spaces before the colon and, within the name, a space,
/// `_` or nothing.
fn after_name<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = text;
    for word in name.split(' ') {
        if rest.len() != text.len() {
            rest = rest.trim_start_matches([' ', '_']);
        }
        let (head, tail) = rest.split_at_checked(word.len())?;
        if !head.eq_ignore_ascii_case(word) {
            return None;
        }
        rest = tail;
    }
    // Some write "status".
    let rest = if name == "stat" {
        rest.strip_prefix("us").or_else(|| rest.strip_prefix("US")).unwrap_or(rest)
    } else {
        rest
    };
    rest.trim_start_matches([' ', '\t']).strip_prefix(':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn receipt(id: &str, standing: Standing, error: Option<&str>) -> Receipt {
        Receipt { id: Some(id.to_owned()), standing: Some(standing), error: error.map(ToOwned::to_owned) }
    }

    #[test]
    fn receipts_are_read_in_every_variant() {
        let failed = Standing::Failed("UNDELIV");
        let cases = [
            (
                "id:123 sub:001 dlvrd:001 submit date:2611221015 done date:2611221016 stat:DELIVRD err:000 \
                 text:Hello",
                receipt("123", Standing::Delivered, None),
            ),
            (
                "id:a-9f sub:001 dlvrd:000 submit date:261122101501 done date:261122101622 stat:UNDELIV \
                 err:034 Text:Hi",
                receipt("a-9f", failed, Some("034")),
            ),
            (
                "ID:7 SUB:1 DLVRD:1 SUBMIT DATE:2611221015 DONE DATE:2611221016 STAT:EXPIRED ERR:0 TEXT:",
                receipt("7", Standing::Expired, None),
            ),
            ("stat:REJECTD err:5 id:77", receipt("77", Standing::Failed("REJECTD"), Some("5"))),
            ("id: 42 stat: delivered", receipt("42", Standing::Delivered, None)),
            ("id : 42  stat : ENROUTE  err : 000", receipt("42", Standing::OnItsWay, None)),
            ("id:42\r\nstat:ACCEPTD\r\nerr:", receipt("42", Standing::OnItsWay, None)),
            ("id:42,stat:DELETED,err:9", receipt("42", Standing::Failed("DELETED"), Some("9"))),
            (
                "id:42 status:UNKNOWN submitdate:2611221015 done_date:261122101500",
                receipt("42", Standing::Failed("UNKNOWN"), None),
            ),
            ("text:Hi there id:42 stat:DELIVRD err:000", receipt("42", Standing::Delivered, None)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_the_message_itself_says_is_no_field() {
        let text = b"id:1 stat:UNDELIV err:001 text:id:2 stat:DELIVRD err:000";
        assert_eq!(parse(text), receipt("1", Standing::Failed("UNDELIV"), Some("001")));
    }

    #[test]
    fn what_is_missing_is_nothing() {
        assert_eq!(parse(b""), Receipt::default());
        assert_eq!(parse(b"hello, did it work?"), Receipt::default());
        assert_eq!(
            parse(b"id: sub:001 stat:DELIVRD"),
            Receipt { standing: Some(Standing::Delivered), ..Receipt::default() }
        );
        for word in ["MAYBE", "DELIVERYIMPOSSIBLE", "Delivery_Failed", "DELIVERY FAILED"] {
            let read = parse(format!("id:9 stat:{word}").as_bytes());
            assert_eq!(read, Receipt { id: Some("9".to_owned()), ..Receipt::default() }, "{word}");
        }
        assert_eq!(parse(b"avoid:9 upstat:DELIVRD"), Receipt::default(), "the end of another word");
    }

    #[test]
    fn every_state_has_its_place_in_the_ledger() {
        let states = [
            State::Sent,
            State::Sent,
            State::Delivered,
            State::Expired,
            State::Failed,
            State::Failed,
            State::Sent,
            State::Failed,
        ];
        for (number, state) in (0_u8..).zip(states) {
            assert_eq!(Standing::of_number(number).map(Standing::state), Some(state), "{number}");
        }
        assert_eq!(Standing::of_number(200), None);
    }

    proptest! {
        #[test]
        fn no_octets_are_too_strange(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            parse(&octets);
        }

        #[test]
        fn a_receipt_of_the_standards_form_reads_back(id in "[0-9A-Za-z-]{1,64}", error in "[1-9][0-9]{0,2}", text in "\\PC{0,20}") {
            let written = format!("id:{id} sub:001 dlvrd:001 submit date:2611221015 done date:2611221016 \
                stat:UNDELIV err:{error} text:{text}");
            prop_assert_eq!(parse(written.as_bytes()), receipt(&id, Standing::Failed("UNDELIV"), Some(&error)));
        }
    }
}
