//! PDUs to octets, straight into the buffer that goes out.

use bytes::{BufMut as _, BytesMut};

use super::{ANSWER, Answered, Deliver, HEADER, MAX_DESTINATIONS, Pdu, Query, Submit, Version, command};

/// Most octets of a content: `Msg_Length` is one octet.
const MAX_CONTENT: usize = 255;

/// Appends a frame to `out`. Whatever is longer than its field is cut: texts at the field's width, contents
/// at 255 octets, destinations at 99.
pub fn encode(pdu: &Pdu<'_>, sequence: u32, version: Version, out: &mut BytesMut) {
    let (id, body) = shape(pdu, version);
    out.reserve(HEADER + body);
    out.put_u32(u32::try_from(HEADER + body).unwrap_or(u32::MAX));
    out.put_u32(id);
    out.put_u32(sequence);
    match pdu {
        Pdu::Connect(connect) => {
            text(out, connect.source, 6);
            out.put_slice(&connect.authenticator);
            out.put_u8(connect.version);
            out.put_u32(connect.timestamp);
        }
        Pdu::ConnectResp(answer) => {
            result(out, answer.status, version);
            out.put_slice(&answer.authenticator);
            out.put_u8(answer.version);
        }
        Pdu::Submit(submit) => put_submit(out, submit, version),
        Pdu::Deliver(deliver) => put_deliver(out, deliver, version),
        Pdu::SubmitResp(answered) | Pdu::DeliverResp(answered) => put_answered(out, *answered, version),
        Pdu::Query(query) => {
            put_query(out, query);
            text(out, query.reserve, 8);
        }
        Pdu::QueryResp(query, counts) => {
            put_query(out, query);
            [counts.taken, counts.phones, counts.passed_on, counts.waiting, counts.failed]
                .into_iter()
                .for_each(|count| out.put_u32(count));
            [counts.replies, counts.replies_waiting, counts.replies_failed]
                .into_iter()
                .for_each(|count| out.put_u32(count));
        }
        Pdu::Cancel(msg_id) => out.put_u64(*msg_id),
        Pdu::CancelResp(success) => result(out, *success, version),
        Pdu::ActiveTestResp => out.put_u8(0),
        Pdu::Terminate | Pdu::TerminateResp | Pdu::ActiveTest => {}
    }
}

/// The `Command_Id`, and the length of the body.
fn shape(pdu: &Pdu<'_>, version: Version) -> (u32, usize) {
    let (terminal, typed) = (version.terminal(), usize::from(version.is_wide()));
    match pdu {
        Pdu::Connect(_) => (command::CONNECT, 27),
        Pdu::ConnectResp(_) => (command::CONNECT | ANSWER, version.result() + 17),
        Pdu::Terminate => (command::TERMINATE, 0),
        Pdu::TerminateResp => (command::TERMINATE | ANSWER, 0),
        Pdu::Submit(submit) => {
            let numbers = submit.destinations.len().min(MAX_DESTINATIONS) * terminal;
            let fixed = 97 + terminal + 2 * typed;
            (command::SUBMIT, fixed + numbers + content(submit.content).len() + version.link())
        }
        Pdu::SubmitResp(_) => (command::SUBMIT | ANSWER, 8 + version.result()),
        Pdu::Deliver(deliver) => {
            (command::DELIVER, 44 + terminal + typed + content(deliver.content).len() + version.link())
        }
        Pdu::DeliverResp(_) => (command::DELIVER | ANSWER, 8 + version.result()),
        Pdu::Query(_) => (command::QUERY, 27),
        Pdu::QueryResp(..) => (command::QUERY | ANSWER, 51),
        Pdu::Cancel(_) => (command::CANCEL, 8),
        Pdu::CancelResp(_) => (command::CANCEL | ANSWER, version.result()),
        Pdu::ActiveTest => (command::ACTIVE_TEST, 0),
        Pdu::ActiveTestResp => (command::ACTIVE_TEST | ANSWER, 1),
    }
}

/// A text field: cut or filled up with zeros.
pub(crate) fn text(out: &mut BytesMut, value: &[u8], width: usize) {
    let value = value.get(..width).unwrap_or(value);
    out.put_slice(value);
    out.put_bytes(0, width - value.len());
}

fn content(content: &[u8]) -> &[u8] {
    content.get(..MAX_CONTENT).unwrap_or(content)
}

fn put_content(out: &mut BytesMut, value: &[u8]) {
    let value = content(value);
    out.put_u8(u8::try_from(value.len()).unwrap_or(u8::MAX));
    out.put_slice(value);
}

fn result(out: &mut BytesMut, result: u32, version: Version) {
    if version.is_wide() {
        out.put_u32(result);
    } else {
        out.put_u8(u8::try_from(result).unwrap_or(u8::MAX));
    }
}

fn put_answered(out: &mut BytesMut, answered: Answered, version: Version) {
    out.put_u64(answered.msg_id);
    result(out, answered.result, version);
}

fn put_query(out: &mut BytesMut, query: &Query<'_>) {
    text(out, query.day, 8);
    out.put_u8(query.kind);
    text(out, query.code, 10);
}

fn put_submit(out: &mut BytesMut, submit: &Submit<'_>, version: Version) {
    let typed = |out: &mut BytesMut, value: u8| {
        if version.is_wide() {
            out.put_u8(value);
        }
    };
    out.put_u64(submit.msg_id);
    out.put_slice(&[submit.parts, submit.part, submit.report, submit.level]);
    text(out, submit.service_id, 10);
    out.put_u8(submit.fee_user);
    text(out, submit.fee_terminal, version.terminal());
    typed(out, submit.fee_terminal_type);
    out.put_slice(&[submit.protocol_id, submit.has_header, submit.format]);
    text(out, submit.source, 6);
    text(out, submit.fee_type, 2);
    text(out, submit.fee_code, 6);
    text(out, submit.valid_until, 17);
    text(out, submit.at_time, 17);
    text(out, submit.sender, 21);
    let destinations = submit.destinations.len().min(MAX_DESTINATIONS);
    out.put_u8(u8::try_from(destinations).unwrap_or(u8::MAX));
    submit.destinations.iter().take(destinations).for_each(|number| text(out, number, version.terminal()));
    typed(out, submit.destination_type);
    put_content(out, submit.content);
    text(out, submit.link, version.link());
}

fn put_deliver(out: &mut BytesMut, deliver: &Deliver<'_>, version: Version) {
    out.put_u64(deliver.msg_id);
    text(out, deliver.destination, 21);
    text(out, deliver.service_id, 10);
    out.put_slice(&[deliver.protocol_id, deliver.has_header, deliver.format]);
    text(out, deliver.source, version.terminal());
    if version.is_wide() {
        out.put_u8(deliver.source_type);
    }
    out.put_u8(deliver.report);
    put_content(out, deliver.content);
    text(out, deliver.link, version.link());
}
