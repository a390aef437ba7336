//! What a gateway tells by itself, as events: reports become receipts, and texts of people become replies.
//!
//! Everything is thanked for once it is durable, and what is of no use (an intermediate state, data that is
//! no text) at once. The segments of a long text are told as they come: whoever records them joins them.

use super::content;
use super::pdu::{Terminal, until_zero};
use super::protocol::Delivered;
use super::report::Report;
use crate::clock::Timestamp;
use crate::provider::exchange::{Event, Receipt, Reply, ReplySegment};
use crate::provider::line::ear::Told;
use crate::provider::line::session::Telling;
use crate::sms::caller_id::Sender;
use crate::sms::message;

/// A `Msg_Id` as it is shown and kept: 16 hexadecimal digits.
pub(super) fn hex(msg_id: u64) -> String {
    format!("{msg_id:016x}")
}

/// The id of a text: the gateway's, with what stands for the text, since some gateways give one id to
/// several. Where it gives none, the time when it was told first says which of several equal ones it is.
fn id_of(msg_id: u64, content: &str, first: Timestamp) -> String {
    if msg_id == 0 { Reply::id_of(content, first) } else { format!("{}-{content}", hex(msg_id)) }
}

/// Reads a DELIVER.
pub(super) fn read(delivered: &Delivered, telling: impl Into<Telling>) -> Told {
    let Telling { first: now, is_again } = telling.into();
    if !delivered.is_readable {
        return Told { is_lost: true, ..Told::default() };
    }
    if delivered.is_report {
        let report = Report::decode(&delivered.content);
        return Told { is_lost: report.is_none(), event: report.and_then(|report| receipt(&report, now)) };
    }
    let (from, to) = (sender(&delivered.from), text_of(&delivered.to));
    let (header, octets) =
        if delivered.has_header { split_header(&delivered.content) } else { (None, &*delivered.content) };
    // A place that cannot be joins nothing: such a text is one by itself, under the DELIVER's own id.
    let can_be = |header: &Header| header.total > 1 && (1..=header.total).contains(&header.number);
    let content = delivered.content().map(|content| message::hex(&content));
    let Some(Header { reference, total, number }) = header.filter(can_be) else {
        let vendor_id =
            content.as_deref().map_or_else(String::new, |content| id_of(delivered.msg_id, content, now));
        let reply = |text| {
            Event::Reply(Reply { vendor_id, from, to, text, at: now, content, is_again, is_answered: false })
        };
        return Told { event: content::decode(delivered.format, octets).map(reply), is_lost: false };
    };
    // Msg_Id 0 is none.
    let vendor_id = if delivered.msg_id == 0 { String::new() } else { hex(delivered.msg_id) };
    let (coding, octets) = (delivered.format, octets.to_vec());
    let segment = ReplySegment {
        from,
        to,
        reference,
        total,
        number,
        coding,
        octets,
        vendor_id,
        at: now,
        content,
        is_again,
    };
    Told { event: Some(Event::Segment(segment)), is_lost: false }
}

fn receipt(report: &Report<'_>, now: Timestamp) -> Option<Event> {
    let (state, why) = report.state()?;
    Some(Event::Receipt(Receipt {
        why,
        is_documented: true,
        ..Receipt::new(hex(report.msg_id), state, report.at(now))
    }))
}

/// What a user data header says about a long text.
struct Header {
    reference: u16,
    total: u8,
    number: u8,
}

/// Takes the user data header off a content. Nothing where it speaks of no long text (3GPP TS 23.040, section
/// 9.2.3.24).
fn split_header(content: &[u8]) -> (Option<Header>, &[u8]) {
    let Some((length, rest)) = content.split_first() else { return (None, content) };
    let Some((mut elements, octets)) = rest.split_at_checked(usize::from(*length)) else {
        return (None, content);
    };
    let mut header = None;
    while let [id, length, rest @ ..] = elements {
        let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
        match (id, value) {
            (0, [reference, total, number]) => {
                header = Some(Header { reference: u16::from(*reference), total: *total, number: *number })
            }
            (8, [high, low, total, number]) => {
                header = Some(Header {
                    reference: u16::from_be_bytes([*high, *low]),
                    total: *total,
                    number: *number,
                });
            }
            _ => {}
        }
        elements = rest;
    }
    (header, octets)
}

fn text_of(terminal: &Terminal) -> String {
    let text = String::from_utf8_lossy(until_zero(terminal.as_bytes()));
    crate::sms::untrusted::escape(text.trim())
}

/// Who wrote. A gateway is in China, and writes China's numbers with 86 before them, or without.
fn sender(terminal: &Terminal) -> Sender {
    let text = text_of(terminal);
    match "CN".parse() {
        Ok(region) if !text.starts_with('+') => Sender::InRegion(text, region),
        _ => Sender::of(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sms::message::State;

    const NOW: Timestamp = Timestamp(1_795_342_500_000);

    fn mo(has_header: bool, format: u8, content: &[u8]) -> Delivered {
        Delivered {
            msg_id: 0xbb25_e140_1234_0009,
            is_readable: true,
            is_report: false,
            has_header,
            format,
            from: Terminal::new(b"13800138000"),
            to: Terminal::new(b"10690001"),
            content: content.into(),
        }
    }

    fn in_china(text: &str) -> Sender {
        Sender::InRegion(text.to_owned(), "CN".parse().unwrap())
    }

    fn reply(told: Told) -> Reply {
        let Some(Event::Reply(reply)) = told.event else { panic!("{told:?}") };
        reply
    }

    #[test]
    fn a_text_of_a_person_becomes_a_reply_from_a_number_that_can_be_answered() {
        let told = reply(read(&mo(false, 15, b"\xc4\xe3\xba\xc3"), NOW));
        assert_eq!(
            (told.from.text(), told.to.as_str(), told.text.as_str()),
            ("13800138000", "10690001", "你好")
        );
        assert!(told.vendor_id.starts_with("bb25e14012340009-"), "{}", told.vendor_id);
        assert!(told.from == in_china("13800138000"));
        for written in ["8613800138000", "0085212345678", "10086", "pseudo1", ""] {
            assert!(sender(&Terminal::new(written.as_bytes())) == in_china(written), "{written}");
        }
        assert!(sender(&Terminal::new(b"+8613800138000")) == Sender::E164("+8613800138000".to_owned()));
    }

    #[test]
    fn several_texts_under_one_id_or_under_none_are_several() {
        for msg_id in [0, 7] {
            let id = |from: &[u8], text: &[u8], first: Timestamp| {
                let delivered = Delivered { msg_id, from: Terminal::new(from), ..mo(false, 0, text) };
                reply(read(&delivered, Telling { first, is_again: true })).vendor_id
            };
            let people: Vec<String> =
                (0..5).map(|n| id(format!("1380013800{n}").as_bytes(), b"Y", NOW)).collect();
            let others = [id(b"13800138000", b"N", NOW)];
            let distinct: std::collections::HashSet<&String> = people.iter().chain(&others).collect();
            assert_eq!(distinct.len(), 6, "{msg_id}");
            assert_eq!(id(b"13800138000", b"Y", NOW), people[0], "told again");
            let later = id(b"13800138000", b"Y", NOW.plus_ms(1));
            assert_eq!(
                later == people[0],
                msg_id != 0,
                "an id of the gateway's is the same text at any time"
            );
        }
    }

    #[test]
    fn the_segments_of_a_long_text_are_told_as_they_come() {
        let segment =
            |delivered: &Delivered| match read(delivered, Telling { first: NOW, is_again: true }).event {
                Some(Event::Segment(segment)) => segment,
                other => panic!("{other:?}"),
            };
        let expected = |delivered: &Delivered, reference, number, coding, octets: &[u8]| ReplySegment {
            from: in_china("13800138000"),
            to: "10690001".to_owned(),
            reference,
            total: 2,
            number,
            coding,
            octets: octets.to_vec(),
            vendor_id: "bb25e14012340009".to_owned(),
            at: NOW,
            content: delivered.content().map(|content| message::hex(&content)),
            is_again: true,
        };
        // Half a character: nothing of it is read here.
        let half = mo(true, 8, b"\x05\x00\x03\x2a\x02\x01\x4f\x60\x59");
        assert!(segment(&half) == expected(&half, 0x2a, 1, 8, b"\x4f\x60\x59"));
        let wide = mo(true, 0, b"\x06\x08\x04\x12\x34\x02\x02DE");
        assert!(segment(&wide) == expected(&wide, 0x1234, 2, 0, b"DE"));
        let nameless = Delivered { msg_id: 0, ..mo(true, 0, b"\x05\x00\x03\x01\x02\x01A") };
        assert!(segment(&nameless).vendor_id.is_empty(), "Msg_Id 0 is none");
    }

    #[test]
    fn a_segment_that_cannot_be_is_a_text_of_its_own_under_the_id_of_its_deliver() {
        for header in [[5, 0, 3, 7, 1, 1], [5, 0, 3, 7, 2, 3], [5, 0, 3, 7, 2, 0], [5, 0, 3, 7, 0, 0]] {
            let told = |ms| reply(read(&mo(true, 0, &[&header[..], b"TD"].concat()), NOW.plus_ms(ms)));
            assert_eq!(told(0).text, "TD", "{header:?}");
            assert!(told(0).vendor_id.starts_with("bb25e14012340009-"), "{header:?}");
            assert_eq!(told(5_000).vendor_id, told(0).vendor_id, "{header:?}");
        }
    }

    #[test]
    fn a_header_of_another_kind_is_taken_off_and_a_broken_one_is_text() {
        assert_eq!(reply(read(&mo(true, 0, b"\x04\x05\x02\x0b\x84Hi"), NOW)).text, "Hi");
        assert_eq!(reply(read(&mo(true, 0, b"zHi"), NOW)).text, "zHi");
        assert_eq!(reply(read(&mo(true, 0, b""), NOW)).text, "");
    }

    #[test]
    fn data_that_is_no_text_and_an_intermediate_report_tell_nothing() {
        assert!(read(&mo(false, 4, b"\x01\x02"), NOW).event.is_none());
        let unreadable = read(&Delivered { is_readable: false, ..mo(false, 0, b"") }, NOW);
        assert!(unreadable.event.is_none() && unreadable.is_lost);
        let report = |stat: &[u8], length: usize| {
            let mut out = bytes::BytesMut::new();
            let report = Report {
                msg_id: 7,
                stat,
                submitted: b"",
                done: b"",
                destination: b"13800138000",
                smsc_sequence: 0,
            };
            report.encode(true, &mut out);
            Delivered { is_report: true, ..mo(false, 0, &out[..length]) }
        };
        let on_its_way = read(&report(b"ACCEPTD", 71), NOW);
        assert!(on_its_way.event.is_none() && !on_its_way.is_lost);
        let cut = read(&report(b"DELIVRD", 59), NOW);
        assert!(cut.event.is_none() && cut.is_lost);
        let Some(Event::Receipt(receipt)) = read(&report(b"MA:0001", 71), NOW).event else { panic!() };
        assert_eq!(
            receipt,
            Receipt {
                why: Some("MA:0001".to_owned()),
                is_documented: true,
                ..Receipt::new("0000000000000007", State::Failed, NOW)
            }
        );
    }
}
