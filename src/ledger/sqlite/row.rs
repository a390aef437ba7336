//! How a message stands in its row: the columns that make a [`Record`], what a key leads to.

use super::sealed::text;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::ledger::{Record, Target};
use crate::sms::message::{BatchId, MessageId, Realm, State};
use crate::sms::purpose::Purpose;
use crate::sms::schedule::Schedule;

/// The columns that [`record_from`] reads.
pub(super) const COLUMNS: &str = concat!(
    "id, seq, (SELECT b.id FROM batch b WHERE b.seq = message.batch), recipient, sender, ",
    text!(),
    ", encoding, segments, state, provider, vendor_id, created_ms, changed_ms, held_micros, price_micros, \
     currency, code, why, digest,
     (SELECT count(*) FROM reply r WHERE r.message = message.seq), parted, sandbox, price_assumed, principal,
     purpose, due_ms, deliver_by_ms, asked_micros IS NOT NULL, (SELECT count(*) FROM reply r WHERE r.message = message.seq AND r.is_help)"
);

pub(super) fn record_from(row: &rusqlite::Row<'_>) -> rusqlite::Result<Record> {
    let code: Option<String> = row.get(16)?;
    Ok(Record {
        id: MessageId::from_text(row.get::<_, String>(0)?),
        sequence: row.get(1)?,
        batch: row.get::<_, Option<String>>(2)?.map(BatchId::from_text),
        to: row.get(3)?,
        from: row.get(4)?,
        text: row.get(5)?,
        encoding: row.get(6)?,
        segments: row.get(7)?,
        state: State::from_number(row.get(8)?).unwrap_or(State::Unknown),
        provider: row.get(9)?,
        vendor_id: row.get(10)?,
        created: Timestamp(row.get(11)?),
        changed: Timestamp(row.get(12)?),
        held_micros: row.get(13)?,
        price_micros: row.get(14)?,
        currency: row.get(15)?,
        code: code.as_deref().map(ErrorKind::from_code),
        why: row.get(17)?,
        digest: row.get(18)?,
        replies: row.get(19)?,
        helps: row.get(28)?,
        is_parted: row.get(20)?,
        realm: Realm::of(!row.get::<_, bool>(21)?),
        is_assumed: row.get(22)?,
        principal: row.get(23)?,
        purpose: Purpose::from_number(row.get(24)?),
        was_asked: row.get(27)?,
        schedule: Schedule { at_ms: row.get(25)?, by_ms: row.get(26)? },
    })
}

/// What the target of a key names.
pub(super) fn target_from(target: String) -> Target {
    if target.starts_with(BatchId::PREFIX) {
        Target::Batch(BatchId::from_text(target))
    } else {
        Target::Message(MessageId::from_text(target))
    }
}
