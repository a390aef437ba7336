//! CMPP for the session engine: greeting, requests, answers, and what the gateway tells by itself.
//!
//! A connection begins with the version of the settings. A gateway that calls it too high is greeted again
//! with the next lower one, at once, and so from then on; one that takes the greeting and names a lower
//! version is spoken to in that one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use bytes::{Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use super::login::{self, Greeting, Verify};
use super::pdu::{
    self, Answered, Connect, ConnectResp, Counts, Destinations, Frame, HEADER, LONGEST, Pdu, Query, Submit,
    Terminal, Version, until_zero,
};
use super::result::{FLOW_CONTROL, Results};
use super::settings::Config;
use super::time;
use crate::clock::Timestamp;
use crate::provider::line::session::{Content, Incoming, Protocol, Refused, Verdict};
use crate::setting::SecretText;

/// `DELIVER_RESP`: cannot be read.
const BAD_STRUCTURE: u32 = 1;

/// CMPP, as one service provider speaks it.
pub struct Cmpp {
    config: Config,
    secret: SecretText,
    results: Results,
    /// The version that was agreed upon last; 0 before that.
    agreed: AtomicU8,
    has_warned: AtomicBool,
}

/// What we ask.
pub enum Request {
    /// Send this segment.
    Submit(Segment),
    /// The statistics of a day (`20261122`), of one service where one is named.
    Query {
        /// The day.
        day: String,
        /// The service; all where it is empty.
        service: String,
    },
    /// Take the message with this `Msg_Id` back.
    Cancel(u64),
}

/// One segment of a text, to one recipient or several.
#[derive(Clone)]
pub struct Segment {
    /// To whom, at most 99.
    pub destinations: Arc<[Terminal]>,
    /// The sender that the phone shows.
    pub sender: Arc<str>,
    /// How many segments the text has.
    pub parts: u8,
    /// Which of them this is, from 1.
    pub part: u8,
    /// `Msg_Fmt`
    pub format: u8,
    /// The octets, with the user data header where there are several segments.
    pub content: Bytes,
    /// Until when the gateway tries, and from when on; as the standard writes times, or empty.
    pub times: Option<Arc<(String, String)>>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Submit(_) => "Submit",
            Self::Query { .. } => "Query",
            Self::Cancel(_) => "Cancel",
        })
    }
}

/// What the gateway answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a SUBMIT.
    Submitted(Answered),
    /// To a QUERY.
    Counted(Counts),
    /// To a CANCEL: 0, or why not.
    Canceled(u32),
}

/// A DELIVER. `Debug` shows neither number nor text.
pub struct Delivered {
    /// Its own id.
    pub msg_id: u64,
    /// Whether its fields could be read; else there is nothing but the id.
    pub is_readable: bool,
    /// Whether it is a report, and not a text.
    pub is_report: bool,
    /// Whether the content begins with a user data header.
    pub has_header: bool,
    /// `Msg_Fmt`
    pub format: u8,
    /// Who wrote.
    pub from: Terminal,
    /// To which of our numbers.
    pub to: Terminal,
    /// The report, or the text.
    pub content: Box<[u8]>,
}

impl std::fmt::Debug for Delivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivered").field("is_report", &self.is_report).finish_non_exhaustive()
    }
}

impl Delivered {
    /// What stands for a text of a person: everything that the gateway repeats when it tells it again. Its id
    /// alone is not enough, since some gateways give none, or one to several. Nothing for a report.
    pub(super) fn content(&self) -> Option<Content> {
        if self.is_report {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(self.msg_id.to_be_bytes());
        for terminal in [&self.from, &self.to] {
            hash.update(until_zero(terminal.as_bytes()));
            hash.update([0]);
        }
        hash.update([u8::from(self.has_header), self.format]);
        hash.update(&self.content);
        hash.finalize().first_chunk().copied()
    }
}

impl Cmpp {
    /// As these settings say, with their secret.
    pub fn new(config: Config, secret: SecretText) -> Self {
        let results = Results::new(&config.result_codes);
        Self { config, secret, results, agreed: AtomicU8::new(0), has_warned: AtomicBool::new(false) }
    }

    /// What the results mean here.
    pub(super) fn results(&self) -> &Results {
        &self.results
    }

    /// The version that was agreed upon last.
    pub(super) fn agreed(&self) -> Option<Version> {
        Version::from_octet(self.agreed.load(Ordering::Relaxed))
    }

    fn submit<'a>(&'a self, segment: &'a Segment) -> Submit<'a> {
        let config = &self.config;
        let (valid_until, at_time) = segment.times.as_deref().map_or(("", ""), |(until, at)| (until, at));
        Submit {
            msg_id: 0,
            parts: segment.parts,
            part: segment.part,
            report: u8::from(config.receipts),
            level: config.msg_level,
            service_id: config.service_id.as_bytes(),
            fee_user: config.fee_user_type,
            fee_terminal: config.fee_terminal_id.as_deref().unwrap_or_default().as_bytes(),
            fee_terminal_type: 0,
            protocol_id: 0,
            has_header: u8::from(segment.parts > 1),
            format: segment.format,
            source: config.sp_id.as_bytes(),
            fee_type: config.fee_type.as_bytes(),
            fee_code: config.fee_code.as_bytes(),
            valid_until: valid_until.as_bytes(),
            at_time: at_time.as_bytes(),
            sender: segment.sender.as_bytes(),
            destinations: Destinations::Listed(&segment.destinations),
            destination_type: 0,
            content: &segment.content,
            link: &[],
        }
    }

    /// Why a greeting was refused, and whether a lower version is worth a try at once.
    fn refusal(&self, line: &Greeting, answer: &ConnectResp) -> Refused {
        let asked = line.version(self.config.version);
        let named = Version::from_octet(answer.version).filter(|version| *version < asked);
        let lower = if answer.status == 4 { named.or_else(|| asked.lower()) } else { None };
        if let Some(lower) = lower {
            line.lower_to(lower);
        }
        let why = match answer.status {
            1 => "the structure of the greeting is wrong",
            2 => "this SP_Id is not known there, or not from this address",
            3 => "the secret is wrong",
            4 => "the version is too high",
            _ => "another reason",
        };
        Refused {
            why: format!(
                "the gateway refused the greeting in version {}: status {}, {why}",
                asked.as_str(),
                answer.status
            ),
            is_unauthorized: matches!(answer.status, 2 | 3),
            is_to_be_tried_at_once: lower.is_some(),
        }
    }

    /// Checks the gateway's proof, as far as the settings say.
    fn verify(&self, line: &Greeting, answer: &ConnectResp) -> Result<(), Refused> {
        let proves = |any_width| login::is_proven(answer, &line.authenticator(), &self.secret, any_width);
        match self.config.verify {
            Verify::Off => {}
            Verify::Warn => {
                if !proves(true) && !self.has_warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!(provider = %self.config.name,
                        "authentication of the gateway failed: it did not prove that it knows the secret");
                }
            }
            Verify::Strict if proves(false) => {}
            Verify::Strict => {
                let why =
                    "the gateway did not prove that it knows the secret (verify = \"strict\")".to_owned();
                return Err(Refused { why, is_unauthorized: true, is_to_be_tried_at_once: false });
            }
        }
        Ok(())
    }
}

/// The version to speak after a greeting that was taken: the one that we asked for, or the lower one that the
/// gateway names. One that answers with the narrow status of 2.x speaks that, also where it names none or
/// says how high it could go.
fn agreed(asked: Version, answer: &ConnectResp) -> Version {
    match Version::from_octet(answer.version) {
        Some(named) if answer.is_wide || named.min(asked) < Version::V30 => named.min(asked),
        _ if !answer.is_wide => asked.min(Version::V20),
        Some(named) => named.min(asked),
        None => asked,
    }
}

/// A DELIVER that was read, with its number.
fn delivered(sequence: u32, deliver: &pdu::Deliver<'_>) -> Incoming<Cmpp> {
    let push = Delivered {
        msg_id: deliver.msg_id,
        is_readable: true,
        is_report: deliver.report == 1,
        // Only the low bit says it; some gateways pass the whole first octet of the message on.
        has_header: deliver.has_header & 1 == 1 || deliver.has_header & 0x40 != 0,
        format: deliver.format,
        from: Terminal::new(deliver.source),
        to: Terminal::new(deliver.destination),
        content: deliver.content.into(),
    };
    Incoming::Push { sequence, push }
}

/// A frame that cannot be read. A DELIVER is answered even so, or the gateway tells it again and again.
fn unreadable(frame: &[u8]) -> Incoming<Cmpp> {
    let word =
        |at: usize| frame.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_be_bytes);
    let (Some(id), Some(sequence)) = (word(4), word(8)) else { return Incoming::Ignored };
    if id & pdu::ANSWER != 0 {
        return Incoming::Ignored;
    }
    match (id, word(HEADER), word(HEADER + 4)) {
        (pdu::command::DELIVER, Some(high), Some(low)) => Incoming::Push {
            sequence,
            push: Delivered {
                msg_id: u64::from(high) << 32 | u64::from(low),
                is_readable: false,
                is_report: false,
                has_header: false,
                format: 0,
                from: Terminal::new(b""),
                to: Terminal::new(b""),
                content: Box::default(),
            },
        },
        _ => Incoming::Malformed { sequence },
    }
}

impl Protocol for Cmpp {
    /// One for each line: it remembers the greeting.
    type Bind = Arc<Greeting>;
    type Dialect = Version;
    type Request = Request;
    type Answer = Answer;
    type Push = Delivered;

    const FRAME: std::ops::RangeInclusive<usize> = HEADER..=LONGEST;

    fn greet(&self, line: &Self::Bind, sequence: u32, now: Timestamp, out: &mut BytesMut) {
        let version = line.version(self.config.version);
        let (text, timestamp) = time::login(now);
        let source = self.config.sp_id.as_bytes();
        let authenticator = login::authenticator(source, self.secret.expose().as_bytes(), &text);
        line.greets(version, authenticator);
        pdu::encode(
            &Pdu::Connect(Connect { source, authenticator, version: version.octet(), timestamp }),
            sequence,
            version,
            out,
        );
    }

    fn greeted(&self, line: &Self::Bind, frame: &[u8]) -> Result<Version, Refused> {
        let asked = line.version(self.config.version);
        let Ok(Frame { pdu: Pdu::ConnectResp(answer), .. }) = pdu::decode(frame, asked) else {
            let why = "the gateway did not answer the greeting as CMPP has it".to_owned();
            return Err(Refused { why, is_unauthorized: false, is_to_be_tried_at_once: false });
        };
        if answer.status != 0 {
            return Err(self.refusal(line, &answer));
        }
        self.verify(line, &answer)?;
        let version = agreed(asked, &answer);
        self.agreed.store(version.octet(), Ordering::Relaxed);
        Ok(version)
    }

    fn is_early(&self, frame: &[u8]) -> bool {
        frame.get(4).is_some_and(|first| first & 0x80 == 0)
    }

    fn encode(&self, version: &Version, request: &Request, sequence: u32, out: &mut BytesMut) {
        let pdu = match request {
            Request::Submit(segment) => Pdu::Submit(self.submit(segment)),
            Request::Query { day, service } => Pdu::Query(Query {
                day: day.as_bytes(),
                kind: u8::from(!service.is_empty()),
                code: service.as_bytes(),
                reserve: &[],
            }),
            Request::Cancel(msg_id) => Pdu::Cancel(*msg_id),
        };
        pdu::encode(&pdu, sequence, *version, out);
    }

    fn decode(&self, version: &Version, frame: &[u8]) -> Incoming<Self> {
        let Ok(Frame { sequence, pdu }) = pdu::decode(frame, *version) else { return unreadable(frame) };
        match pdu {
            Pdu::SubmitResp(answered) => Incoming::Answer { sequence, answer: Answer::Submitted(answered) },
            Pdu::QueryResp(_, counts) => Incoming::Answer { sequence, answer: Answer::Counted(counts) },
            Pdu::CancelResp(success) => Incoming::Answer { sequence, answer: Answer::Canceled(success) },
            Pdu::Deliver(deliver) => delivered(sequence, &deliver),
            Pdu::ActiveTest => Incoming::Ping { sequence },
            Pdu::ActiveTestResp => Incoming::Pong,
            Pdu::Terminate => Incoming::Bye { sequence },
            Pdu::TerminateResp => Incoming::ByeAnswer,
            Pdu::ConnectResp(_) | Pdu::DeliverResp(_) => Incoming::Ignored,
            // No gateway asks this of a service provider.
            Pdu::Connect(_) | Pdu::Submit(_) | Pdu::Query(_) | Pdu::Cancel(_) => {
                Incoming::Malformed { sequence }
            }
        }
    }

    fn verdict(&self, answer: &Answer) -> Verdict {
        match answer {
            Answer::Submitted(answered) => self.results.verdict(answered.result),
            _ => Verdict::Taken,
        }
    }

    fn content(&self, push: &Delivered) -> Option<Content> {
        push.content()
    }

    fn ping(&self, sequence: u32, out: &mut BytesMut) {
        pdu::encode(&Pdu::ActiveTest, sequence, Version::V20, out);
    }

    fn pong(&self, sequence: u32, out: &mut BytesMut) {
        pdu::encode(&Pdu::ActiveTestResp, sequence, Version::V20, out);
    }

    fn bye(&self, sequence: u32, out: &mut BytesMut) {
        pdu::encode(&Pdu::Terminate, sequence, Version::V20, out);
    }

    fn bye_answer(&self, sequence: u32, out: &mut BytesMut) {
        pdu::encode(&Pdu::TerminateResp, sequence, Version::V20, out);
    }

    /// What is to be told again is answered with flow control: it is the only result after which a gateway
    /// does that.
    fn push_answer(
        &self,
        version: &Version,
        push: &Delivered,
        sequence: u32,
        is_taken: bool,
        out: &mut BytesMut,
    ) {
        let result = match (push.is_readable, is_taken) {
            (false, _) => BAD_STRUCTURE,
            (true, true) => 0,
            (true, false) => FLOW_CONTROL,
        };
        pdu::encode(&Pdu::DeliverResp(Answered { msg_id: push.msg_id, result }), sequence, *version, out);
    }

    /// CMPP has no answer to what cannot be read.
    fn nack(&self, _: u32, _: &mut BytesMut) {}
}

#[cfg(test)]
mod tests;
