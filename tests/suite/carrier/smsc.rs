//! A mock SMSC that speaks SMPP v3.4, written from the standard's tables (SMPP Protocol Specification v3.4,
//! sections 4 and 5): each field's length, range and order is checked, and what the standard does not allow
//! is a complaint.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::peer::{Cut, Fields, Part, Peer, Submit, Talk, Tongue, Verdict, header_of, lock, utf16};

const GENERIC_NACK: u32 = 0x8000_0000;
const BIND_RECEIVER: u32 = 0x01;
const BIND_TRANSMITTER: u32 = 0x02;
const QUERY_SM: u32 = 0x03;
const SUBMIT_SM: u32 = 0x04;
const DELIVER_SM: u32 = 0x05;
const UNBIND: u32 = 0x06;
const CANCEL_SM: u32 = 0x08;
const BIND_TRANSCEIVER: u32 = 0x09;
const ENQUIRE_LINK: u32 = 0x15;
const RESPONSE: u32 = 0x8000_0000;

const INVALID_BIND_STATE: u32 = 0x04;
const ALREADY_BOUND: u32 = 0x05;
const BAD_PASSWORD: u32 = 0x0e;
const BAD_SYSTEM_ID: u32 = 0x0f;
const THROTTLED: u32 = 0x58;
const QUERY_FAILED: u32 = 0x67;

/// The credentials that are right.
pub const SYSTEM_ID: &str = "acme-esme";
pub const PASSWORD: &str = "pw-4711x";

/// The 128 characters of the GSM 03.38 default alphabet, in order; `\u{1b}` leads to [`EXTENSION`].
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ \
    !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// How this SMSC writes what the standard leaves open.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// Ids are hexadecimal in answers and decimal in receipts.
    pub hex_ids: bool,
    /// Receipts have the TLVs `receipted_message_id` and `message_state`.
    pub receipt_tlvs: bool,
    /// Receipts have no text: for SMSCs that tell everything by TLVs.
    pub no_receipt_text: bool,
    /// Receipt texts have another order, case and spacing.
    pub odd_receipt_text: bool,
    /// Data coding 0 is Latin-1 here, not GSM 03.38.
    pub latin1: bool,
}

/// A mock SMSC's protocol.
pub struct Smsc {
    pub habits: Mutex<Habits>,
    next_id: AtomicU64,
}

/// How one connection is bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    #[default]
    No,
    Transmitter,
    Receiver,
    Transceiver,
    /// Unbound again.
    Gone,
}

/// A frame: header, then body.
pub fn pdu(command: u32, status: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(16 + body.len());
    for word in [u32::try_from(16 + body.len()).unwrap(), command, status, sequence] {
        frame.extend_from_slice(&word.to_be_bytes());
    }
    frame.extend_from_slice(body);
    frame
}

pub fn c_string(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

fn tlv(tag: u16, value: &[u8]) -> Vec<u8> {
    [&tag.to_be_bytes()[..], &u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

/// Text of the GSM default alphabet, one septet an octet.
fn gsm(octets: &[u8], wrong: &mut Vec<String>) -> String {
    let table: Vec<char> = GSM.chars().collect();
    let mut text = String::with_capacity(octets.len());
    let mut octets = octets.iter();
    while let Some(octet) = octets.next() {
        match (octet, table.get(usize::from(*octet))) {
            (0x1b, _) => {
                let next = octets.next();
                match EXTENSION.iter().find(|(code, _)| Some(code) == next) {
                    Some((_, character)) => text.push(*character),
                    None => wrong.push(format!("an escape before {next:?}")),
                }
            }
            (_, Some(character)) => text.push(*character),
            (octet, None) => wrong.push(format!("octet {octet:#x} is no septet")),
        }
    }
    text
}

impl Smsc {
    fn bind(&self, talk: &mut Talk<'_, Self>, command: u32, sequence: u32, body: &[u8]) {
        let mut fields = Fields::new(body);
        let system_id = fields.c_string("system_id", 16);
        let password = fields.c_string("password", 9);
        fields.c_string("system_type", 13);
        let version = fields.octet("interface_version");
        fields.check(version == 0x34, || format!("interface_version {version:#x}"));
        ton_npi(&mut fields, "addr");
        fields.c_string("address_range", 41);
        fields.end();
        complain(talk, "bind", fields);
        if talk.script.is_bind_mute {
            return;
        }
        let status = match talk.script.bind_status {
            0 if *talk.bind != Bound::No => ALREADY_BOUND,
            0 if system_id != SYSTEM_ID => BAD_SYSTEM_ID,
            0 if password != PASSWORD => BAD_PASSWORD,
            status => status,
        };
        if status != 0 {
            talk.say(&pdu(command | RESPONSE, status, sequence, &[]));
            if status != ALREADY_BOUND {
                talk.leave();
            }
            return;
        }
        talk.shared.counters.binds.fetch_add(1, Ordering::SeqCst);
        talk.greet(&pdu(
            command | RESPONSE,
            0,
            sequence,
            &[c_string("MOCKSMSC"), tlv(0x0210, &[0x34])].concat(),
        ));
        *talk.bind = match command {
            BIND_RECEIVER => Bound::Receiver,
            BIND_TRANSMITTER => Bound::Transmitter,
            _ => Bound::Transceiver,
        };
        if *talk.bind != Bound::Transmitter {
            talk.receives();
        }
    }

    fn submit(&self, talk: &mut Talk<'_, Self>, sequence: u32, body: &[u8]) {
        let is_latin1 = lock(&self.habits).latin1;
        let (mut submit, wrong) = read_submit(body, is_latin1);
        for wrong in wrong {
            talk.complain(format!("submit_sm: {wrong}"));
        }
        if !matches!(talk.bind, Bound::Transmitter | Bound::Transceiver) {
            talk.complain(format!("submit_sm on a connection that is bound as {:?}", talk.bind));
            talk.say(&pdu(SUBMIT_SM | RESPONSE, INVALID_BIND_STATE, sequence, &[]));
            return;
        }
        let refuse = |talk: &mut Talk<'_, Self>, status| {
            let body: &[u8] = if talk.script.is_header_only { &[] } else { &[0] };
            talk.answer(&pdu(SUBMIT_SM | RESPONSE, status, sequence, body));
        };
        let verdict = talk.verdict(&submit.to, || None);
        match verdict {
            Verdict::Throttle => return refuse(talk, THROTTLED),
            Verdict::Refuse(status) => return refuse(talk, status),
            Verdict::Drop => return,
            Verdict::Take | Verdict::Mute => {}
        }
        let number = self.next_id.fetch_add(1, Ordering::SeqCst);
        let (id, receipt_id) = if lock(&self.habits).hex_ids {
            (format!("{number:08X}"), number.to_string())
        } else {
            (number.to_string(), number.to_string())
        };
        submit.id.clone_from(&id);
        submit.link = talk.link.number;
        if submit.wants_receipt {
            // Also where the answer stays out: it was taken.
            talk.tell(self.receipt(&receipt_id, &id, &submit, &talk.script.stat.clone()));
        }
        talk.note(|| submit);
        match verdict {
            Verdict::Mute => talk.stay_silent(),
            _ => talk.answer(&pdu(SUBMIT_SM | RESPONSE, 0, sequence, &c_string(&id))),
        }
    }

    /// A receipt as a deliver_sm (appendix B), from the recipient's number back to the sender.
    fn receipt(&self, receipt_id: &str, id: &str, submit: &Submit, stat: &str) -> Vec<u8> {
        let habits = lock(&self.habits).clone();
        let dlvrd = if stat == "DELIVRD" { "001" } else { "000" };
        let text = if habits.no_receipt_text {
            String::new()
        } else if habits.odd_receipt_text {
            format!(
                "Stat:{stat}  ID: {receipt_id} Done Date:261122093100 SUB:1 Submit date:261122093000 \
                 dlvrd:{dlvrd} ERR:0 Text:"
            )
        } else {
            format!(
                "id:{receipt_id} sub:001 dlvrd:{dlvrd} submit date:2611220930 done date:2611220931 \
                 stat:{stat} err:000 text:"
            )
        };
        let tlvs = if habits.receipt_tlvs || habits.no_receipt_text {
            let state =
                ["", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD"]
                    .iter()
                    .position(|name| *name == stat);
            [tlv(0x001e, &c_string(id)), tlv(0x0427, &[u8::try_from(state.unwrap_or(7)).unwrap()])].concat()
        } else {
            Vec::new()
        };
        deliver(&submit.to[0], &submit.from, 0x04, 0, text.as_bytes(), &tlvs)
    }

    fn query(&self, talk: &mut Talk<'_, Self>, sequence: u32, body: &[u8]) {
        let mut fields = Fields::new(body);
        let id = fields.c_string("message_id", 65);
        ton_npi(&mut fields, "source_addr");
        fields.c_string("source_addr", 21);
        fields.end();
        complain(talk, "query_sm", fields);
        let number =
            if lock(&self.habits).hex_ids { u64::from_str_radix(&id, 16).ok() } else { id.parse().ok() };
        let is_known =
            number.is_some_and(|number| (FIRST_ID..self.next_id.load(Ordering::SeqCst)).contains(&number));
        let answer = if is_known {
            [c_string(&id), c_string("261122093100000+"), vec![2, 0]].concat()
        } else {
            Vec::new()
        };
        talk.say(&pdu(QUERY_SM | RESPONSE, if is_known { 0 } else { QUERY_FAILED }, sequence, &answer));
    }

    fn cancel(&self, talk: &mut Talk<'_, Self>, sequence: u32, body: &[u8]) {
        let mut fields = Fields::new(body);
        let (service, id) = (fields.c_string("service_type", 6), fields.c_string("message_id", 65));
        fields.check(service.is_empty() || id.is_empty(), || {
            "service_type: all messages of it, or the one of an id".to_owned()
        });
        for (name, address) in [("source_addr_ton", "source_addr"), ("dest_addr_ton", "destination_addr")] {
            ton_npi(&mut fields, name);
            fields.c_string(address, 21);
        }
        fields.end();
        complain(talk, "cancel_sm", fields);
        talk.say(&pdu(CANCEL_SM | RESPONSE, 0, sequence, &[]));
    }
}

const FIRST_ID: u64 = 3_000_000_001;

fn complain(talk: &Talk<'_, Smsc>, what: &str, fields: Fields<'_>) {
    for wrong in fields.wrong {
        talk.complain(format!("{what}: {wrong}"));
    }
}

/// Type of number and numbering plan (5.2.5 and 5.2.6).
fn ton_npi(fields: &mut Fields<'_>, name: &str) -> (u8, u8) {
    let (ton, npi) = (fields.octet(name), fields.octet(name));
    fields.check(ton <= 6, || format!("{name}: type of number {ton}"));
    fields
        .check([0, 1, 3, 4, 6, 8, 9, 10, 14, 18].contains(&npi), || format!("{name}: numbering plan {npi}"));
    (ton, npi)
}

fn address(fields: &mut Fields<'_>, name: &str) -> String {
    let (ton, _) = ton_npi(fields, name);
    let text = fields.c_string(name, 21);
    let is_digits = text.bytes().all(|octet| octet.is_ascii_digit());
    fields.check(ton != 1 || is_digits, || format!("{name}: an international number that is not digits"));
    fields.check(ton != 5 || text.len() <= 11, || {
        format!("{name}: an alphanumeric sender of {} characters", text.len())
    });
    text
}

/// A time (7.1.1): empty, or 16 characters.
fn time(fields: &mut Fields<'_>, name: &str) -> String {
    let text = fields.c_string(name, 17);
    let is_time = text.len() == 16
        && text.bytes().take(15).all(|octet| octet.is_ascii_digit())
        && text.ends_with(['+', '-', 'R']);
    fields.check(text.is_empty() || is_time, || format!("{name}: no time"));
    text
}

/// The three sar_ TLVs, and the text where it stands in `message_payload`.
fn read_tlvs<'a>(
    fields: &mut Fields<'a>,
    length: u8,
    content: &mut &'a [u8],
) -> (Option<u16>, Option<u8>, Option<u8>) {
    let mut sar = (None, None, None);
    while !fields.is_empty() {
        let tag = u16::from_be_bytes([fields.octet("tag"), fields.octet("tag")]);
        let octets = usize::from(u16::from_be_bytes([fields.octet("length"), fields.octet("length")]));
        let value = fields.take("a TLV", octets);
        match (tag, value) {
            (0x020c, [high, low]) => sar.0 = Some(u16::from_be_bytes([*high, *low])),
            (0x020e, [total]) => sar.1 = Some(*total),
            (0x020f, [number]) => sar.2 = Some(*number),
            (0x0204, [_, _]) => {}
            (0x0424, _) => {
                fields.check(length == 0, || "short_message and message_payload".to_owned());
                *content = value;
            }
            _ => fields.check(false, || format!("TLV {tag:#x} of {octets} octets")),
        }
    }
    sar
}

/// Reads a submit_sm's body (4.4.1).
#[expect(clippy::too_many_lines, reason = "the fields of a frame, in their order")]
pub fn read_submit(body: &[u8], is_latin1: bool) -> (Submit, Vec<String>) {
    let mut fields = Fields::new(body);
    let service_type = fields.c_string("service_type", 6);
    let from = address(&mut fields, "source_addr");
    let to = address(&mut fields, "destination_addr");
    fields.check(!to.is_empty(), || "no destination_addr".to_owned());
    let esm_class = fields.octet("esm_class");
    fields.check(esm_class & !0x40 == 0 || esm_class & !0x40 == 3, || format!("esm_class {esm_class:#x}"));
    fields.octet("protocol_id");
    let priority = fields.octet("priority_flag");
    fields.check(priority <= 3, || format!("priority_flag {priority}"));
    let schedule = time(&mut fields, "schedule_delivery_time");
    let validity = time(&mut fields, "validity_period");
    let registered = fields.octet("registered_delivery");
    fields.check(registered & !0x1f == 0 && registered & 3 != 3, || {
        format!("registered_delivery {registered:#x}")
    });
    let replace = fields.octet("replace_if_present_flag");
    fields.check(replace <= 1, || format!("replace_if_present_flag {replace}"));
    let coding = fields.octet("data_coding");
    let default = fields.octet("sm_default_msg_id");
    fields.check(default != 255, || "sm_default_msg_id 255".to_owned());
    let length = fields.octet("sm_length");
    fields.check(length <= 254, || format!("sm_length {length}"));
    let mut content = fields.take("short_message", usize::from(length));
    let sar = read_tlvs(&mut fields, length, &mut content);
    let mut wrong = fields.wrong;
    let mut part = match sar {
        (Some(reference), Some(total), Some(number)) => {
            if total == 0 || number == 0 || number > total {
                wrong.push(format!("part {number} of {total}"));
            }
            Some(Part { reference, total, number })
        }
        (None, None, None) => None,
        _ => {
            wrong.push("some of the three sar_ TLVs".to_owned());
            None
        }
    };
    let mut header = 0;
    if esm_class & 0x40 != 0 {
        if part.is_some() {
            wrong.push("a user data header and sar_ TLVs".to_owned());
        }
        (part, header) = header_of(content, &mut wrong);
    }
    let is_payload = length == 0 && !content.is_empty();
    let shown = &content[header.min(content.len())..];
    // What fits on the air: 140 octets with the header, which sar_ TLVs become too; septets go eight to seven
    // octets.
    let header_on_air = if part.is_some() && header == 0 { 6 } else { header };
    let most = if coding == 0 && !is_latin1 { (140 - header_on_air) * 8 / 7 } else { 140 - header_on_air };
    if !is_payload && shown.len() > most {
        wrong.push(format!("{} octets of text of at most {most}", shown.len()));
    }
    let text = match coding {
        0 if !is_latin1 => gsm(shown, &mut wrong),
        0 | 3 => shown.iter().map(|octet| char::from(*octet)).collect(),
        1 => String::from_utf8_lossy(shown).into_owned(),
        8 => utf16(shown, &mut wrong),
        other => {
            wrong.push(format!("data_coding {other}"));
            String::new()
        }
    };
    let fields = vec![
        ("service_type", service_type),
        ("schedule_delivery_time", schedule),
        ("validity_period", validity),
    ];
    let submit = Submit {
        link: 0,
        to: vec![to],
        from,
        text,
        part,
        coding,
        id: String::new(),
        wants_receipt: registered & 3 == 1,
        fields,
    };
    (submit, wrong)
}

/// A deliver_sm (4.6.1); its sequence number is 0.
pub fn deliver(from: &str, to: &str, esm_class: u8, coding: u8, content: &[u8], tlvs: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    let body = [
        &[0, 1, 1][..],
        &c_string(from),
        &[0, 0],
        &c_string(to),
        &[esm_class, 0, 0, 0, 0, 0, 0, coding, 0, length],
        content,
        tlvs,
    ]
    .concat();
    pdu(DELIVER_SM, 0, 0, &body)
}

/// How the parts of a person's message are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// 8-bit reference in the header.
    Header8,
    /// 16-bit reference in the header.
    Header16,
    /// sar_ TLVs.
    Sar,
    /// One message in the `message_payload` TLV.
    Payload,
}

/// What a person wrote, in UCS-2, as so many deliver_sm as it takes with `units` UTF-16 units each.
pub fn from_person(
    from: &str,
    to: &str,
    text: &str,
    reference: u8,
    units: usize,
    joined: Joined,
) -> Vec<Vec<u8>> {
    let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    if joined == Joined::Payload {
        return vec![deliver(from, to, 0, 8, &[], &tlv(0x0424, &octets))];
    }
    let chunks: Vec<&[u8]> = octets.chunks(units * 2).collect();
    let total = u8::try_from(chunks.len()).unwrap();
    (1..=total)
        .zip(&chunks)
        .map(|(number, chunk)| match joined {
            Joined::Header8 => {
                deliver(from, to, 0x40, 8, &[&[5, 0, 3, reference, total, number][..], chunk].concat(), &[])
            }
            Joined::Header16 => deliver(
                from,
                to,
                0x40,
                8,
                &[&[6, 8, 4, 1, reference, total, number][..], chunk].concat(),
                &[],
            ),
            _ => {
                let tlvs =
                    [tlv(0x020c, &[0, reference]), tlv(0x020e, &[total]), tlv(0x020f, &[number])].concat();
                deliver(from, to, 0, 8, chunk, &tlvs)
            }
        })
        .collect()
}

impl Tongue for Smsc {
    type Bind = Bound;
    const HEADER: usize = 16;
    const LONGEST: usize = 70_000;
    const SEQUENCE_AT: usize = 12;

    fn hear(&self, talk: &mut Talk<'_, Self>, frame: &[u8]) {
        let mut header = Fields::new(frame);
        let (_, command, status, sequence) =
            (header.word("length"), header.word("command"), header.word("status"), header.word("sequence"));
        let body = header.rest();
        if !(1..=0x7fff_ffff).contains(&sequence) {
            talk.complain(format!("sequence number {sequence:#x}"));
        }
        if command & RESPONSE == 0 && status != 0 {
            talk.complain(format!("a request {command:#x} with status {status:#x}"));
        }
        let is_bind = matches!(command, BIND_RECEIVER | BIND_TRANSMITTER | BIND_TRANSCEIVER);
        if !is_bind && body.windows(PASSWORD.len()).any(|octets| octets == PASSWORD.as_bytes()) {
            talk.complain(format!("the password in {command:#x}"));
        }
        if !is_bind && *talk.bind == Bound::No && command != GENERIC_NACK {
            talk.complain(format!("{command:#x} before a bind"));
        }
        if *talk.bind == Bound::Gone && command & RESPONSE == 0 {
            talk.complain(format!("{command:#x} after unbind"));
        }
        let is_empty = |talk: &Talk<'_, Self>| {
            if !body.is_empty() {
                talk.complain(format!("{command:#x} with a body of {} octets", body.len()));
            }
        };
        let counters = &talk.shared.counters;
        match command {
            BIND_RECEIVER | BIND_TRANSMITTER | BIND_TRANSCEIVER => self.bind(talk, command, sequence, body),
            SUBMIT_SM => self.submit(talk, sequence, body),
            QUERY_SM => self.query(talk, sequence, body),
            CANCEL_SM => self.cancel(talk, sequence, body),
            ENQUIRE_LINK => {
                is_empty(talk);
                counters.pings.fetch_add(1, Ordering::SeqCst);
                talk.say(&pdu(ENQUIRE_LINK | RESPONSE, 0, sequence, &[]));
            }
            UNBIND => {
                is_empty(talk);
                counters.byes.fetch_add(1, Ordering::SeqCst);
                *talk.bind = Bound::Gone;
                talk.say(&pdu(UNBIND | RESPONSE, 0, sequence, &[]));
                talk.leave();
            }
            _ if command == DELIVER_SM | RESPONSE => {
                if status == 0 && body != [0] {
                    talk.complain(format!(
                        "deliver_sm_resp with a body of {} octets, not one NUL",
                        body.len()
                    ));
                }
                talk.thanked(sequence, status == 0);
            }
            _ if command == ENQUIRE_LINK | RESPONSE => {
                is_empty(talk);
                counters.pongs.fetch_add(1, Ordering::SeqCst);
            }
            _ if command == UNBIND | RESPONSE => {
                is_empty(talk);
                *talk.bind = Bound::Gone;
                talk.leave();
            }
            GENERIC_NACK => is_empty(talk),
            _ => talk.complain(format!("command {command:#x}")),
        }
    }
}

/// What no SMSC may send, and some do.
pub const GARBAGE: [&str; 14] = [
    "random octets",
    "a length of 0",
    "a length of 5",
    "a huge length",
    "a truncated frame, then silence",
    "a truncated frame, then the end",
    "an unknown command",
    "an answer to nothing",
    "a broken TLV",
    "no ASCII in strings",
    "no NUL behind strings",
    "a frame one octet at a time",
    "generic_nack of nothing",
    "a deliver_sm that is all header",
];

/// What is written for [`GARBAGE`], and whether the connection ends behind it.
pub fn garbage(kind: &str) -> (Vec<u8>, bool) {
    let receipt = deliver("33199000001", "ACME", 0x04, 0, b"id:1 stat:DELIVRD", &[]);
    let with_sequence = |mut frame: Vec<u8>| {
        frame[12..16].copy_from_slice(&0x0700_0001_u32.to_be_bytes());
        frame
    };
    let octets = match kind {
        "random octets" => {
            let mut random: u32 = 99;
            (0..4_096)
                .map(|_| {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (random >> 24) as u8
                })
                .collect()
        }
        "a length of 0" => {
            [0_u32, SUBMIT_SM | RESPONSE, 0, 1].iter().flat_map(|word| word.to_be_bytes()).collect()
        }
        "a length of 5" => vec![0, 0, 0, 5, 0],
        "a huge length" => vec![0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1],
        "a truncated frame, then silence" | "a truncated frame, then the end" => {
            with_sequence(receipt)[..40].to_vec()
        }
        "an unknown command" => pdu(0x0000_0999, 0, 0x0700_0002, b"whatever"),
        "an answer to nothing" => pdu(SUBMIT_SM | RESPONSE, 0, 0x0700_0003, b"77\0"),
        "a broken TLV" => with_sequence(deliver(
            "33199000001",
            "ACME",
            0x04,
            0,
            b"id:1 stat:DELIVRD",
            &[0x00, 0x1e, 0xff, 0xff, 0x31],
        )),
        "no ASCII in strings" => {
            let mut frame = with_sequence(receipt);
            frame[19..25].fill(0xfe);
            frame
        }
        "no NUL behind strings" => pdu(DELIVER_SM, 0, 0x0700_0004, &[0x41; 90]),
        "a frame one octet at a time" => with_sequence(receipt),
        "generic_nack of nothing" => pdu(GENERIC_NACK, 3, 0x0700_0005, &[]),
        "a deliver_sm that is all header" => pdu(DELIVER_SM, 0, 0x0700_0006, &[]),
        other => panic!("no garbage is called {other}"),
    };
    (octets, kind == "a truncated frame, then the end")
}

impl Peer<Smsc> {
    /// A mock SMSC on a free port.
    pub fn smsc() -> Self {
        Self::start(Smsc { habits: Mutex::default(), next_id: AtomicU64::new(FIRST_ID) })
    }

    /// Changes how it writes.
    pub fn habits(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut lock(&self.tongue().habits));
    }

    /// Asks every client whether it is there.
    pub fn enquire(&self) {
        for link in self.links() {
            link.say(&pdu(ENQUIRE_LINK, 0, link.next_sequence(), &[]));
        }
    }

    /// Says goodbye to every client.
    pub fn unbind(&self) {
        for link in self.links() {
            link.say(&pdu(UNBIND, 0, link.next_sequence(), &[]));
        }
    }

    /// Writes one kind of [`GARBAGE`] on every connection.
    pub fn babble(&self, kind: &str) {
        let (octets, ends) = garbage(kind);
        if kind == "a frame one octet at a time" {
            for octet in octets {
                self.write(&[octet]);
                std::thread::sleep(Duration::from_millis(1));
            }
        } else {
            self.write(&octets);
        }
        if ends {
            self.cut();
        }
    }

    /// Cuts the connection of the submit that is taken so many from now on, before it is answered.
    pub fn cut_before_answer(&self, nth: usize) {
        self.cut_at(nth, Cut::BeforeAnswer);
    }
}
