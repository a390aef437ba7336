//! A mock ISMG that speaks CMPP 2.0, 2.1 and 3.0, written from the field tables of QB-GF-028-2003 and its
//! predecessor: each field's length and range is checked at the offset that the version gives it, the proof
//! of the secret is, and what the standard does not allow is a complaint.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use md5::{Digest as _, Md5};

use super::peer::{Fields, Peer, Submit, Talk, Tongue, Verdict, header_of, lock, utf16};

const CONNECT: u32 = 1;
const TERMINATE: u32 = 2;
const SUBMIT: u32 = 4;
const DELIVER: u32 = 5;
const QUERY: u32 = 6;
const CANCEL: u32 = 7;
const ACTIVE_TEST: u32 = 8;
const RESPONSE: u32 = 0x8000_0000;

const VERSION_TOO_HIGH: u32 = 4;
const BAD_SOURCE: u32 = 2;
const BAD_SECRET: u32 = 3;
const FLOW: u32 = 8;
const BAD_DESTINATION: u32 = 13;

/// The credentials that are right, and the service code.
pub const SP_ID: &str = "900001";
pub const SECRET: &str = "sec-8888x";
pub const SOURCE: &str = "10690001";

/// What stands before the sequence in the first `Msg_Id`: 22 November, 09:30:05, gateway 0x1234.
const FIRST_ID: u64 = 11 << 60 | 22 << 55 | 9 << 50 | 30 << 44 | 5 << 38 | 0x1234 << 16;

/// How this ISMG behaves where gateways differ.
#[derive(Clone, Debug)]
pub struct Habits {
    /// The highest version that it speaks.
    pub highest: u8,
    /// A version that is too high is answered with yes and the lower version, not with status 4.
    pub steps_down: bool,
    /// Octets of a report, where they are not those of the version: 60 or 71.
    pub report_octets: Option<usize>,
    /// `AuthenticatorISMG` is wrong.
    pub bad_proof: bool,
    /// `AuthenticatorISMG` is made of a status of four octets in 2.0 too.
    pub wide_proof: bool,
    /// ACTIVE_TEST_RESP has no body.
    pub bare_active_test: bool,
    /// A SUBMIT that has this destination is refused as a whole.
    pub bad_destination: Option<String>,
    /// A SUBMIT's ids may wrap inside their 16 bits.
    pub wraps: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            highest: 0x30,
            steps_down: false,
            report_octets: None,
            bad_proof: false,
            wide_proof: false,
            bare_active_test: false,
            bad_destination: None,
            wraps: false,
        }
    }
}

/// A mock ISMG's protocol.
pub struct Ismg {
    pub habits: Mutex<Habits>,
    next_id: AtomicU64,
    /// The version of the connection that was made last.
    version: AtomicU32,
}

/// How one connection is bound: the version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    #[default]
    No,
    As(u8),
    Gone,
}

/// A frame: header, then body.
pub fn pdu(command: u32, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(12 + body.len());
    for word in [u32::try_from(12 + body.len()).unwrap(), command, sequence] {
        frame.extend_from_slice(&word.to_be_bytes());
    }
    frame.extend_from_slice(body);
    frame
}

fn padded(text: &str, octets: usize) -> Vec<u8> {
    let mut field = text.as_bytes().to_vec();
    field.resize(octets, 0);
    field
}

/// A status or result: one octet before 3.0, four in it.
fn status(version: u8, status: u32) -> Vec<u8> {
    if version >= 0x30 { status.to_be_bytes().to_vec() } else { vec![u8::try_from(status).unwrap()] }
}

fn is_wide(version: u8) -> bool {
    version >= 0x30
}

impl Ismg {
    fn connect(&self, talk: &mut Talk<'_, Self>, sequence: u32, body: &[u8]) {
        let mut fields = Fields::new(body);
        let source = fields.padded("Source_Addr", 6);
        let proof = fields.take("AuthenticatorSource", 16);
        let version = fields.octet("Version");
        let timestamp = fields.word("Timestamp");
        fields.end();
        fields.check([0x20, 0x21, 0x30].contains(&version), || format!("Version {version:#x}"));
        let text = format!("{timestamp:010}");
        fields.check(("01".."13").contains(&&text[..2]) && ("01".."32").contains(&&text[2..4]), || {
            format!("Timestamp {text}")
        });
        fields.check(*talk.bind == Bound::No, || "CONNECT again".to_owned());
        complain(talk, "CONNECT", fields);
        if talk.script.is_bind_mute {
            return;
        }
        let habits = lock(&self.habits).clone();
        let expected = Md5::digest([source.as_bytes(), &[0; 9], SECRET.as_bytes(), text.as_bytes()].concat());
        let refused = match talk.script.bind_status {
            0 if version > habits.highest && !habits.steps_down => VERSION_TOO_HIGH,
            0 if source != SP_ID => BAD_SOURCE,
            0 if expected[..] != *proof => BAD_SECRET,
            status => status,
        };
        let spoken = version.min(habits.highest);
        let proof = match (refused, habits.bad_proof) {
            (0, false) => {
                let width = if habits.wide_proof { 0x30 } else { spoken };
                Md5::digest([&status(width, 0)[..], proof, SECRET.as_bytes()].concat()).to_vec()
            }
            (0, true) => vec![0x5a; 16],
            _ => vec![0; 16],
        };
        talk.greet(&pdu(
            CONNECT | RESPONSE,
            sequence,
            &[status(spoken, refused), proof, vec![habits.highest]].concat(),
        ));
        if refused == 0 {
            talk.shared.counters.binds.fetch_add(1, Ordering::SeqCst);
            self.version.store(u32::from(spoken), Ordering::SeqCst);
            *talk.bind = Bound::As(spoken);
            talk.receives();
        } else {
            talk.leave();
        }
    }

    fn submit(&self, talk: &mut Talk<'_, Self>, version: u8, sequence: u32, body: &[u8]) {
        let (mut submit, wrong) = read_submit(body, version);
        for wrong in wrong {
            talk.complain(format!("SUBMIT: {wrong}"));
        }
        let refuse = |talk: &mut Talk<'_, Self>, result| {
            let body = if talk.script.is_header_only {
                Vec::new()
            } else {
                [vec![0; 8], status(version, result)].concat()
            };
            talk.answer(&pdu(SUBMIT | RESPONSE, sequence, &body));
        };
        let bad = lock(&self.habits).bad_destination.clone();
        let verdict = talk.verdict(&submit.to, || {
            bad.is_some_and(|bad| submit.to.contains(&bad)).then_some(BAD_DESTINATION)
        });
        match verdict {
            Verdict::Throttle => return refuse(talk, FLOW),
            Verdict::Refuse(result) => return refuse(talk, result),
            Verdict::Drop => return,
            Verdict::Take | Verdict::Mute => {}
        }
        let id = self.ids(submit.to.len());
        submit.id = format!("{id:016x}");
        submit.link = talk.link.number;
        if submit.wants_receipt {
            let service = submit
                .fields
                .iter()
                .find(|field| field.0 == "Service_Id")
                .map(|field| field.1.clone())
                .unwrap_or_default();
            for (number, to) in (0_u64..).zip(&submit.to) {
                let of_it = id & !0xffff | (id + number) & 0xffff;
                let report =
                    self.report(version, of_it, to, &submit.from, &service, &talk.script.stat.clone());
                talk.tell(report);
            }
        }
        talk.note(|| submit);
        match verdict {
            Verdict::Mute => talk.stay_silent(),
            _ => talk.answer(&pdu(
                SUBMIT | RESPONSE,
                sequence,
                &[id.to_be_bytes().to_vec(), status(version, 0)].concat(),
            )),
        }
    }

    /// The `Msg_Id` of a SUBMIT with so many destinations: the first of so many. A gateway's sequence starts
    /// again each second, so the time moves on with it.
    fn ids(&self, destinations: usize) -> u64 {
        let count = u64::try_from(destinations).unwrap();
        let wraps = lock(&self.habits).wraps;
        let mut number = self.next_id.fetch_add(count, Ordering::SeqCst);
        if !wraps && number & 0xffff > 0x10000 - count {
            number = (number | 0xffff) + 1;
            self.next_id.store(number + count, Ordering::SeqCst);
        }
        let seconds = number >> 16;
        (FIRST_ID + ((seconds % 50) << 38) + ((seconds / 50) << 44)) | (number & 0xffff)
    }

    /// The next number, for tests of what wraps.
    pub fn set_next_id(&self, number: u64) {
        self.next_id.store(number, Ordering::SeqCst);
    }

    fn report(&self, version: u8, id: u64, to: &str, from: &str, service: &str, stat: &str) -> Vec<u8> {
        let octets = lock(&self.habits).report_octets.unwrap_or(if is_wide(version) { 71 } else { 60 });
        let terminal = if octets == 71 { 32 } else { 21 };
        let content = [
            &id.to_be_bytes()[..],
            &padded(stat, 7),
            b"26112209302611220931",
            &padded(to, terminal),
            &7_u32.to_be_bytes(),
        ]
        .concat();
        assert_eq!(content.len(), octets);
        self.deliver(version, to, from, service, 0, 0, true, &content)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a DELIVER")]
    fn deliver(
        &self,
        version: u8,
        from: &str,
        to: &str,
        service: &str,
        udhi: u8,
        coding: u8,
        is_report: bool,
        content: &[u8],
    ) -> Vec<u8> {
        let id = self.ids(1);
        let (terminal, kind, reserved): (usize, &[u8], usize) =
            if is_wide(version) { (32, &[0], 20) } else { (21, &[], 8) };
        let body = [
            &id.to_be_bytes()[..],
            &padded(to, 21),
            &padded(service, 10),
            &[0, udhi, coding],
            &padded(from, terminal),
            kind,
            &[u8::from(is_report), u8::try_from(content.len()).unwrap()],
            content,
            &vec![0; reserved],
        ]
        .concat();
        pdu(DELIVER, 0, &body)
    }

    fn deliver_answer(&self, talk: &Talk<'_, Self>, version: u8, sequence: u32, body: &[u8]) {
        let mut fields = Fields::new(body);
        let id = fields.take("Msg_Id", 8);
        let result = if is_wide(version) { fields.word("Result") } else { u32::from(fields.octet("Result")) };
        fields.end();
        if let Some(told) = talk.told(sequence) {
            fields.check(told[12..20] == *id, || "Msg_Id is not that of the DELIVER".to_owned());
        }
        complain(talk, "DELIVER_RESP", fields);
        talk.thanked(sequence, result == 0);
    }

    fn query(talk: &mut Talk<'_, Self>, sequence: u32, body: &[u8]) {
        let mut fields = Fields::new(body);
        let day = fields.padded("Time", 8);
        let kind = fields.octet("Query_Type");
        let code = fields.padded("Query_Code", 10);
        let reserve = fields.take("Reserve", 8);
        fields.end();
        fields.check(day.len() == 8 && day.bytes().all(|octet| octet.is_ascii_digit()), || {
            format!("Time {day}")
        });
        fields.check(kind <= 1, || format!("Query_Type {kind}"));
        fields.check(reserve.iter().all(|octet| *octet == 0), || "Reserve is not empty".to_owned());
        complain(talk, "QUERY", fields);
        let counters: Vec<u8> = (1..=8_u32).flat_map(u32::to_be_bytes).collect();
        talk.say(&pdu(
            QUERY | RESPONSE,
            sequence,
            &[padded(&day, 8), vec![kind], padded(&code, 10), counters].concat(),
        ));
    }
}

fn complain(talk: &Talk<'_, Ismg>, what: &str, fields: Fields<'_>) {
    for wrong in fields.wrong {
        talk.complain(format!("{what}: {wrong}"));
    }
}

fn time(fields: &mut Fields<'_>, name: &str) -> String {
    let text = fields.padded(name, 17);
    let is_time = text.len() == 16
        && text.bytes().take(15).all(|octet| octet.is_ascii_digit())
        && text.ends_with(['+', '-', 'R']);
    fields.check(text.is_empty() || is_time, || format!("{name}: no time"));
    text
}

fn digits(fields: &mut Fields<'_>, name: &str, octets: usize, is_needed: bool) -> String {
    let text = fields.padded(name, octets);
    fields.check(text.bytes().all(|octet| octet.is_ascii_digit()) && !(is_needed && text.is_empty()), || {
        format!("{name}: no number")
    });
    text
}

/// Reads a SUBMIT's body.
#[expect(clippy::too_many_lines, reason = "the fields of a frame, in their order")]
pub fn read_submit(body: &[u8], version: u8) -> (Submit, Vec<String>) {
    let wide = is_wide(version);
    let terminal = if wide { 32 } else { 21 };
    let mut fields = Fields::new(body);
    let id = fields.take("Msg_Id", 8);
    fields.check(id.iter().all(|octet| *octet == 0), || "Msg_Id is the gateway's to fill in".to_owned());
    let (pk_total, pk_number) = (fields.octet("Pk_total"), fields.octet("Pk_number"));
    fields.check(pk_number >= 1 && pk_number <= pk_total, || format!("part {pk_number} of {pk_total}"));
    let registered = fields.octet("Registered_Delivery");
    fields.check(registered <= 1 || registered == 2 && !wide, || format!("Registered_Delivery {registered}"));
    let level = fields.octet("Msg_level");
    fields.check(level <= 9, || format!("Msg_level {level}"));
    let service = fields.padded("Service_Id", 10);
    let fee_user = fields.octet("Fee_UserType");
    fields.check(fee_user <= 3, || format!("Fee_UserType {fee_user}"));
    let fee_terminal = digits(&mut fields, "Fee_terminal_Id", terminal, fee_user == 3);
    if wide {
        let kind = fields.octet("Fee_terminal_type");
        fields.check(kind <= 1, || format!("Fee_terminal_type {kind}"));
    }
    fields.octet("TP_pId");
    let udhi = fields.octet("TP_udhi");
    fields.check(udhi <= 1, || format!("TP_udhi {udhi}"));
    let coding = fields.octet("Msg_Fmt");
    let source = fields.padded("Msg_src", 6);
    fields.check(source == SP_ID, || "Msg_src is not the SP_Id".to_owned());
    let fee_type = fields.padded("FeeType", 2);
    fields.check(["01", "02", "03", "04", "05"].contains(&fee_type.as_str()), || {
        format!("FeeType {fee_type:?}")
    });
    digits(&mut fields, "FeeCode", 6, false);
    let validity = time(&mut fields, "ValId_Time");
    let at = time(&mut fields, "At_Time");
    let from = digits(&mut fields, "Src_Id", 21, true);
    let count = fields.octet("DestUsr_tl");
    fields.check((1..100).contains(&count), || format!("DestUsr_tl {count}"));
    let to: Vec<String> =
        (0..count).map(|_| digits(&mut fields, "Dest_terminal_Id", terminal, true)).collect();
    if wide {
        let kind = fields.octet("Dest_terminal_type");
        fields.check(kind <= 1, || format!("Dest_terminal_type {kind}"));
    }
    let length = fields.octet("Msg_Length");
    let content = fields.take("Msg_Content", usize::from(length));
    let most = if coding == 0 && udhi == 0 { 159 } else { 140 };
    fields.check((1..=most).contains(&length), || format!("Msg_Length {length} of at most {most}"));
    let reserve = fields.take("Reserve", if wide { 20 } else { 8 });
    fields.check(reserve.iter().all(|octet| *octet == 0), || "Reserve or LinkID is not empty".to_owned());
    fields.end();
    let mut wrong = fields.wrong;
    let (part, header) = if udhi == 1 { header_of(content, &mut wrong) } else { (None, 0) };
    let numbers = part.map_or((1, 1), |part| (part.total, part.number));
    if numbers != (pk_total, pk_number) {
        wrong.push(format!("part {pk_number} of {pk_total}, and {numbers:?} by its user data header"));
    }
    let shown = &content[header.min(content.len())..];
    let text = match coding {
        0 => {
            if shown
                .iter()
                .any(|octet| !matches!(octet, b' '..=b'~' | b'\r' | b'\n') || b"^{}[]~|\\`".contains(octet))
            {
                wrong.push("Msg_Fmt 0 with what is not the same in GSM and ASCII".to_owned());
            }
            String::from_utf8_lossy(shown).into_owned()
        }
        8 => utf16(shown, &mut wrong),
        15 => {
            let (text, has_errors) = encoding_rs::GB18030.decode_without_bom_handling(shown);
            if has_errors {
                wrong.push("Msg_Fmt 15 with a character that was cut".to_owned());
            }
            text.into_owned()
        }
        other => {
            wrong.push(format!("Msg_Fmt {other}"));
            String::new()
        }
    };
    let fields = vec![
        ("Service_Id", service),
        ("Fee_terminal_Id", fee_terminal),
        ("ValId_Time", validity),
        ("At_Time", at),
    ];
    (
        Submit {
            link: 0,
            to,
            from,
            text,
            part,
            coding,
            id: String::new(),
            wants_receipt: registered == 1,
            fields,
        },
        wrong,
    )
}

impl Tongue for Ismg {
    type Bind = Bound;
    const HEADER: usize = 12;
    const LONGEST: usize = 4_096;
    const SEQUENCE_AT: usize = 8;

    fn hear(&self, talk: &mut Talk<'_, Self>, frame: &[u8]) {
        let mut header = Fields::new(frame);
        let (_, command, sequence) = (header.word("length"), header.word("command"), header.word("sequence"));
        let body = header.rest();
        if command != CONNECT && body.windows(SECRET.len()).any(|octets| octets == SECRET.as_bytes()) {
            talk.complain(format!("the secret in {command:#x}"));
        }
        let empty = |talk: &Talk<'_, Self>, most: usize| {
            if body.len() > most {
                talk.complain(format!("{command:#x} with a body of {} octets", body.len()));
            }
        };
        let version = match *talk.bind {
            Bound::As(version) => version,
            Bound::No if command == CONNECT => 0,
            Bound::No => return talk.complain(format!("{command:#x} before CONNECT")),
            Bound::Gone if command & RESPONSE != 0 => 0x20,
            Bound::Gone => return talk.complain(format!("{command:#x} after TERMINATE")),
        };
        let counters = &talk.shared.counters;
        match command {
            CONNECT => self.connect(talk, sequence, body),
            SUBMIT => self.submit(talk, version, sequence, body),
            QUERY => Self::query(talk, sequence, body),
            CANCEL => {
                if body.len() != 8 {
                    talk.complain(format!("CANCEL with a body of {} octets", body.len()));
                }
                talk.say(&pdu(CANCEL | RESPONSE, sequence, &status(version, 0)));
            }
            ACTIVE_TEST => {
                empty(talk, 0);
                counters.pings.fetch_add(1, Ordering::SeqCst);
                let bare = lock(&self.habits).bare_active_test;
                talk.say(&pdu(ACTIVE_TEST | RESPONSE, sequence, if bare { &[] } else { &[0] }));
            }
            TERMINATE => {
                empty(talk, 0);
                counters.byes.fetch_add(1, Ordering::SeqCst);
                *talk.bind = Bound::Gone;
                talk.say(&pdu(TERMINATE | RESPONSE, sequence, &[]));
                talk.leave();
            }
            _ if command == DELIVER | RESPONSE => self.deliver_answer(talk, version, sequence, body),
            _ if command == ACTIVE_TEST | RESPONSE => {
                if body != [0] {
                    talk.complain(format!("ACTIVE_TEST_RESP with a body of {} octets", body.len()));
                }
                counters.pongs.fetch_add(1, Ordering::SeqCst);
            }
            _ if command == TERMINATE | RESPONSE => {
                empty(talk, 0);
                *talk.bind = Bound::Gone;
                talk.leave();
            }
            _ => talk.complain(format!("command {command:#x}")),
        }
    }
}

/// What no ISMG may send, and some do.
pub const GARBAGE: [&str; 13] = [
    "random octets",
    "a length of 0",
    "a length of 5",
    "a huge length",
    "a truncated frame, then silence",
    "a truncated frame, then the end",
    "an unknown command",
    "an answer to nothing",
    "a content longer than its frame",
    "no ASCII in strings",
    "a report of 3 octets",
    "a frame one octet at a time",
    "a DELIVER that is all header",
];

/// Where `Msg_Length` stands in a DELIVER.
fn length_at(version: u8) -> usize {
    12 + 8 + 21 + 10 + 3 + if is_wide(version) { 33 } else { 21 } + 1
}

impl Peer<Ismg> {
    /// A mock ISMG on a free port.
    pub fn ismg() -> Self {
        Self::start(Ismg {
            habits: Mutex::default(),
            next_id: AtomicU64::new(7),
            version: AtomicU32::new(0x20),
        })
    }

    /// Changes how it behaves.
    pub fn habits(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut lock(&self.tongue().habits));
    }

    /// The version of the connection that was made last.
    pub fn version(&self) -> u8 {
        u8::try_from(self.tongue().version.load(Ordering::SeqCst)).unwrap()
    }

    /// Asks every client whether it is there.
    pub fn active_test(&self) {
        for link in self.links() {
            link.say(&pdu(ACTIVE_TEST, link.next_sequence(), &[]));
        }
    }

    /// Says goodbye to every client.
    pub fn terminate(&self) {
        for link in self.links() {
            link.say(&pdu(TERMINATE, link.next_sequence(), &[]));
        }
    }

    /// What a person wrote to the service code, in one DELIVER.
    pub fn hear_from(&self, from: &str, text: &str, coding: u8) {
        self.tell(self.text_from(from, text, coding));
    }

    /// The same DELIVER, to be told by itself.
    pub fn text_from(&self, from: &str, text: &str, coding: u8) -> Vec<u8> {
        let content = match coding {
            8 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            15 => encoding_rs::GB18030.encode(text).0.into_owned(),
            _ => text.as_bytes().to_vec(),
        };
        self.tongue().deliver(self.version(), from, SOURCE, "svc", 0, coding, false, &content)
    }

    /// A report about a SUBMIT that nobody made.
    pub fn report_of_nothing(&self, number: u64) -> Vec<u8> {
        self.tongue().report(self.version(), number, "13800138000", SOURCE, "svc", "DELIVRD")
    }

    /// What a person wrote, in UCS-2 and as many DELIVERs as it takes with `units` UTF-16 units each; the
    /// last comes first.
    pub fn hear_long_from(&self, from: &str, text: &str, reference: u8, units: usize) {
        self.long_from(from, text, reference, units).into_iter().rev().for_each(|frame| self.tell(frame));
    }

    /// The same DELIVERs in their order, to be told one by one.
    pub fn long_from(&self, from: &str, text: &str, reference: u8, units: usize) -> Vec<Vec<u8>> {
        let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let chunks: Vec<&[u8]> = octets.chunks(units * 2).collect();
        let total = u8::try_from(chunks.len()).unwrap();
        let deliver = |(number, chunk): (u8, &&[u8])| {
            let content = [&[5, 0, 3, reference, total, number][..], chunk].concat();
            self.tongue().deliver(self.version(), from, SOURCE, "svc", 1, 8, false, &content)
        };
        (1..=total).zip(&chunks).map(deliver).collect()
    }

    /// What is written for one kind of [`GARBAGE`], and whether the connection ends behind it.
    fn garbage(&self, kind: &str) -> (Vec<u8>, bool) {
        let version = self.version();
        let deliver = |content: &[u8], is_report: bool| {
            let mut frame =
                self.tongue().deliver(version, "13800138000", SOURCE, "svc", 0, 0, is_report, content);
            frame[8..12].copy_from_slice(&0x0700_0001_u32.to_be_bytes());
            frame
        };
        let octets = match kind {
            "random octets" => {
                let mut random: u32 = 77;
                (0..4_096)
                    .map(|_| {
                        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        (random >> 24) as u8
                    })
                    .collect()
            }
            "a length of 0" => {
                [0_u32, SUBMIT | RESPONSE, 1].iter().flat_map(|word| word.to_be_bytes()).collect()
            }
            "a length of 5" => vec![0, 0, 0, 5, 0],
            "a huge length" => vec![0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 5, 0, 0, 0, 1],
            "a truncated frame, then silence" | "a truncated frame, then the end" => {
                deliver(b"hello", false)[..40].to_vec()
            }
            "an unknown command" => pdu(0x0000_0999, 0x0700_0002, b"whatever"),
            "an answer to nothing" => {
                pdu(SUBMIT | RESPONSE, 0x0700_0003, &[vec![0; 8], status(version, 0)].concat())
            }
            "a content longer than its frame" => {
                let mut frame = deliver(b"hello", false);
                frame[length_at(version)] = 250;
                frame
            }
            "no ASCII in strings" => {
                let mut frame = deliver(b"\xff\xfe\xfd", false);
                frame[20..40].fill(0xfe);
                frame
            }
            "a report of 3 octets" => deliver(b"abc", true),
            "a frame one octet at a time" => deliver(b"hello", false),
            "a DELIVER that is all header" => pdu(DELIVER, 0x0700_0006, &[]),
            other => panic!("no garbage is called {other}"),
        };
        (octets, kind == "a truncated frame, then the end")
    }

    /// Writes one kind of [`GARBAGE`] on every connection.
    pub fn babble(&self, kind: &str) {
        let (octets, ends) = self.garbage(kind);
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
}
