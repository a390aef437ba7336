//! Reports: what a gateway says became of a message, in the content of a DELIVER.
//!
//! The content of 2.x has 60 octets and that of 3.0 has 71, and some gateways of 3.0 send the short one. So
//! its own length decides. What matters stands at the same places in both.
//!
//! Source: QB-GF-028-2003, section 8.4.5.1, and its table of final states.

use bytes::{BufMut as _, BytesMut};

use super::pdu::read::Fields;
use super::pdu::write::text;
use super::time;
use crate::clock::Timestamp;
use crate::sms::message::State;

/// Length of a report of 2.x.
pub const SHORT: usize = 60;

/// Length of a report of 3.0.
pub const LONG: usize = 71;

/// What a report says. `Debug` does not show the number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// `Msg_Id` of the SUBMIT.
    pub msg_id: u64,
    /// `Stat`, 7: what became of it.
    pub stat: &'a [u8],
    /// `Submit_time`, 10: `YYMMDDHHMM`.
    pub submitted: &'a [u8],
    /// `Done_time`, 10: `YYMMDDHHMM`.
    pub done: &'a [u8],
    /// `Dest_terminal_Id`, 21 or 32.
    pub destination: &'a [u8],
    /// `SMSC_sequence`
    pub smsc_sequence: u32,
}

impl std::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report")
            .field("msg_id", &format_args!("{:016x}", self.msg_id))
            .finish_non_exhaustive()
    }
}

impl<'a> Report<'a> {
    /// Reads the content of a DELIVER whose `Registered_Delivery` is 1: 60 octets or 71. Octets behind them
    /// are ignored.
    pub fn decode(content: &'a [u8]) -> Option<Self> {
        let terminal = match content.len() {
            0..SHORT => return None,
            SHORT..LONG => 21,
            _ => 32,
        };
        let mut fields = Fields(content);
        Some(Self {
            msg_id: fields.u64().ok()?,
            stat: fields.text(7).ok()?,
            submitted: fields.text(10).ok()?,
            done: fields.text(10).ok()?,
            destination: fields.text(terminal).ok()?,
            smsc_sequence: fields.u32().ok()?,
        })
    }

    /// Appends it, as a content of 71 octets where it is to be long, else of 60.
    pub fn encode(&self, is_long: bool, out: &mut BytesMut) {
        out.put_u64(self.msg_id);
        text(out, self.stat, 7);
        text(out, self.submitted, 10);
        text(out, self.done, 10);
        text(out, self.destination, if is_long { 32 } else { 21 });
        out.put_u32(self.smsc_sequence);
    }

    /// What it says of the message, and why it failed. Nothing where it says that the message is still on its
    /// way.
    pub fn state(&self) -> Option<(State, Option<String>)> {
        let stat = self.stat.trim_ascii().to_ascii_uppercase();
        let why = || Some(stat.escape_ascii().to_string());
        Some(match stat.as_slice() {
            b"DELIVRD" => (State::Delivered, None),
            b"EXPIRED" => (State::Expired, why()),
            b"" | b"ACCEPTD" => return None,
            // DELETED, UNDELIV, UNKNOWN and REJECTD, and the classes of errors such as "MA:0001": all are
            // final.
            _ => (State::Failed, why()),
        })
    }

    /// When it was done, in China's time; now where the report says nothing that can be true. It tells the
    /// minute alone: the end of that is taken, or a message would be delivered before it was sent.
    pub fn at(&self, now: Timestamp) -> Timestamp {
        const DAY_MS: i64 = 86_400_000;
        const MINUTE_MS: i64 = 60_000;
        // A gateway keeps a message for two days. Its clock may differ from ours.
        let is_sane = |at: &Timestamp| (now.plus_ms(-7 * DAY_MS)..=now.plus_ms(DAY_MS / 24)).contains(at);
        time::read_minute(self.done).filter(is_sane).map_or(now, |at| at.plus_ms(MINUTE_MS - 1).min(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(stat: &[u8]) -> Report<'_> {
        Report {
            msg_id: 7,
            stat,
            submitted: b"2611220930",
            done: b"2611220931",
            destination: b"13800138000",
            smsc_sequence: 9,
        }
    }

    #[test]
    fn the_length_of_a_report_decides_how_it_is_read() {
        for is_long in [false, true] {
            let mut out = BytesMut::new();
            report(b"DELIVRD").encode(is_long, &mut out);
            assert_eq!(out.len(), if is_long { LONG } else { SHORT });
            assert_eq!(Report::decode(&out), Some(report(b"DELIVRD")));
            assert_eq!(Report::decode(&out[..SHORT - 1]), None);
            out.put_slice(b"more");
            assert_eq!(Report::decode(&out).unwrap().msg_id, 7, "{is_long}");
        }
    }

    #[test]
    fn every_final_state_has_its_meaning_and_an_intermediate_one_has_none() {
        assert_eq!(report(b"DELIVRD").state(), Some((State::Delivered, None)));
        assert_eq!(report(b"delivrd").state(), Some((State::Delivered, None)));
        assert_eq!(report(b"EXPIRED").state(), Some((State::Expired, Some("EXPIRED".to_owned()))));
        for failed in ["DELETED", "UNDELIV", "UNKNOWN", "REJECTD", "MA:0001", "IC:0151", "DB:0141"] {
            assert_eq!(report(failed.as_bytes()).state(), Some((State::Failed, Some(failed.to_owned()))));
        }
        assert_eq!(report(b"ACCEPTD").state(), None);
        assert_eq!(report(b"   ").state(), None);
        assert_eq!(report(b"\xff\x1b[1m").state(), Some((State::Failed, Some("\\xff\\x1b[1M".to_owned()))));
    }

    #[test]
    fn the_time_of_a_report_is_chinas_unless_it_cannot_be_true() {
        let done = Timestamp::parse("2026-11-22T01:31:00Z").unwrap();
        let sent = done.plus_ms(45_000);
        assert_eq!(
            report(b"DELIVRD").at(sent.plus_ms(1_000)),
            sent.plus_ms(1_000),
            "not before it was sent in the same minute"
        );
        assert_eq!(report(b"DELIVRD").at(done.plus_ms(600_000)), done.plus_ms(59_999));
        let long_after = done.plus_ms(30 * 86_400_000);
        assert_eq!(report(b"DELIVRD").at(long_after), long_after);
        let before = done.plus_ms(-60_000);
        assert_eq!(report(b"DELIVRD").at(before), before, "never later than now");
        assert_eq!(Report { done: b"26112x0931", ..report(b"DELIVRD") }.at(done), done);
    }
}
