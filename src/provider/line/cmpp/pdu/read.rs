//! Octets to PDUs. Nothing here panics, whatever the octets are.

use super::{
    ANSWER, Answered, Connect, ConnectResp, Counts, Deliver, Destinations, Frame, HEADER, LONGEST, Pdu,
    Query, Submit, Version,
};
use super::{MAX_DESTINATIONS, command, until_zero};

/// Why a frame cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unreadable {
    /// `Total_Length` is not the length of the frame, or is out of all bounds.
    Length,
    /// No command that a service provider or its gateway knows.
    Command(u32),
    /// The body ends too early, or is longer than its fields.
    Body,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length => f.write_str("the length is not that of the frame"),
            Self::Command(command) => write!(f, "no command {command:#010x} is known"),
            Self::Body => f.write_str("the body does not fit its fields"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// What is left of a body.
pub(crate) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (field, rest) = self.0.split_first_chunk::<N>().ok_or(Unreadable::Body)?;
        self.0 = rest;
        Ok(*field)
    }

    pub(crate) fn octet(&mut self) -> Result<u8, Unreadable> {
        self.array::<1>().map(u8::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Unreadable> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Unreadable> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn take(&mut self, octets: usize) -> Result<&'a [u8], Unreadable> {
        let (field, rest) = self.0.split_at_checked(octets).ok_or(Unreadable::Body)?;
        self.0 = rest;
        Ok(field)
    }

    /// A text field of this width.
    pub(crate) fn text(&mut self, width: usize) -> Result<&'a [u8], Unreadable> {
        self.take(width).map(until_zero)
    }

    /// The result that ends a body: one octet or four, whichever there are, since peers mix them up.
    fn result(&mut self) -> Result<u32, Unreadable> {
        match self.0.len() {
            1 => self.octet().map(u32::from),
            4 => self.u32(),
            _ => Err(Unreadable::Body),
        }
    }

    fn end<T>(&self, read: T) -> Result<T, Unreadable> {
        if self.0.is_empty() { Ok(read) } else { Err(Unreadable::Body) }
    }
}

/// Reads one whole frame.
///
/// # Errors
/// [`Unreadable`].
pub fn decode(frame: &[u8], version: Version) -> Result<Frame<'_>, Unreadable> {
    let mut fields = Fields(frame);
    let header = |_| Unreadable::Length;
    let total = usize::try_from(fields.u32().map_err(header)?).map_err(|_| Unreadable::Length)?;
    let id = fields.u32().map_err(header)?;
    let sequence = fields.u32().map_err(header)?;
    if total != frame.len() || !(HEADER..=LONGEST).contains(&total) {
        return Err(Unreadable::Length);
    }
    let pdu = if id & ANSWER == 0 { request(id, &mut fields, version)? } else { answer(id, &mut fields)? };
    fields.end(Frame { sequence, pdu })
}

fn request<'a>(id: u32, fields: &mut Fields<'a>, version: Version) -> Result<Pdu<'a>, Unreadable> {
    Ok(match id {
        command::CONNECT => Pdu::Connect(Connect {
            source: fields.text(6)?,
            authenticator: fields.array()?,
            version: fields.octet()?,
            timestamp: fields.u32()?,
        }),
        command::TERMINATE => Pdu::Terminate,
        command::SUBMIT => Pdu::Submit(submit(fields, version)?),
        command::DELIVER => Pdu::Deliver(deliver(fields, version)?),
        command::QUERY => {
            let (day, kind, code) = (fields.text(8)?, fields.octet()?, fields.text(10)?);
            Pdu::Query(Query { day, kind, code, reserve: fields.text(8)? })
        }
        command::CANCEL => Pdu::Cancel(fields.u64()?),
        command::ACTIVE_TEST => Pdu::ActiveTest,
        _ => return Err(Unreadable::Command(id)),
    })
}

fn answer<'a>(id: u32, fields: &mut Fields<'a>) -> Result<Pdu<'a>, Unreadable> {
    Ok(match id & !ANSWER {
        command::CONNECT => {
            let is_wide = fields.0.len() == 4 + 16 + 1;
            let status = if is_wide { fields.u32()? } else { u32::from(fields.octet()?) };
            Pdu::ConnectResp(ConnectResp {
                status,
                authenticator: fields.array()?,
                version: fields.octet()?,
                is_wide,
            })
        }
        command::TERMINATE => Pdu::TerminateResp,
        command::SUBMIT => Pdu::SubmitResp(Answered { msg_id: fields.u64()?, result: fields.result()? }),
        command::DELIVER => Pdu::DeliverResp(Answered { msg_id: fields.u64()?, result: fields.result()? }),
        command::QUERY => {
            let query =
                Query { day: fields.text(8)?, kind: fields.octet()?, code: fields.text(10)?, reserve: &[] };
            Pdu::QueryResp(query, counts(fields)?)
        }
        command::CANCEL => Pdu::CancelResp(fields.result()?),
        command::ACTIVE_TEST => {
            // Some answer with a bare header, and nobody says what the octet means.
            fields.take(fields.0.len().min(1))?;
            Pdu::ActiveTestResp
        }
        _ => return Err(Unreadable::Command(id)),
    })
}

fn submit<'a>(fields: &mut Fields<'a>, version: Version) -> Result<Submit<'a>, Unreadable> {
    let typed = |fields: &mut Fields<'a>| if version.is_wide() { fields.octet() } else { Ok(0) };
    let mut submit = Submit {
        msg_id: fields.u64()?,
        parts: fields.octet()?,
        part: fields.octet()?,
        report: fields.octet()?,
        level: fields.octet()?,
        service_id: fields.text(10)?,
        fee_user: fields.octet()?,
        fee_terminal: fields.text(version.terminal())?,
        fee_terminal_type: typed(fields)?,
        protocol_id: fields.octet()?,
        has_header: fields.octet()?,
        format: fields.octet()?,
        source: fields.text(6)?,
        fee_type: fields.text(2)?,
        fee_code: fields.text(6)?,
        valid_until: fields.text(17)?,
        at_time: fields.text(17)?,
        sender: fields.text(21)?,
        destinations: Destinations::Listed(&[]),
        destination_type: 0,
        content: &[],
        link: &[],
    };
    let destinations = usize::from(fields.octet()?);
    if destinations > MAX_DESTINATIONS {
        return Err(Unreadable::Body);
    }
    submit.destinations =
        Destinations::Fields(fields.take(destinations * version.terminal())?, version.terminal());
    submit.destination_type = typed(fields)?;
    let length = fields.octet()?;
    submit.content = fields.take(usize::from(length))?;
    submit.link = fields.text(version.link())?;
    Ok(submit)
}

fn deliver<'a>(fields: &mut Fields<'a>, version: Version) -> Result<Deliver<'a>, Unreadable> {
    let mut deliver = Deliver {
        msg_id: fields.u64()?,
        destination: fields.text(21)?,
        service_id: fields.text(10)?,
        protocol_id: fields.octet()?,
        has_header: fields.octet()?,
        format: fields.octet()?,
        source: fields.text(version.terminal())?,
        source_type: if version.is_wide() { fields.octet()? } else { 0 },
        report: fields.octet()?,
        content: &[],
        link: &[],
    };
    let length = fields.octet()?;
    deliver.content = fields.take(usize::from(length))?;
    deliver.link = fields.text(version.link())?;
    Ok(deliver)
}

fn counts(fields: &mut Fields<'_>) -> Result<Counts, Unreadable> {
    Ok(Counts {
        taken: fields.u32()?,
        phones: fields.u32()?,
        passed_on: fields.u32()?,
        waiting: fields.u32()?,
        failed: fields.u32()?,
        replies: fields.u32()?,
        replies_waiting: fields.u32()?,
        replies_failed: fields.u32()?,
    })
}
