//! A message as answers show it.

use crate::clock::Timestamp;
use crate::engine::contract::{MessageView, Price};
use crate::ledger::Record;

/// A message as answers show it.
pub fn view(record: Record) -> MessageView {
    MessageView {
        price: Price::of_record(&record),
        id: record.id,
        status: record.state,
        to: record.to,
        from: record.from,
        segments: record.segments,
        encoding: record.encoding,
        provider: record.provider,
        sandbox: record.realm.is_sandbox(),
        provider_message_id: record.vendor_id,
        batch: record.batch,
        scheduled_for: record
            .schedule
            .at_ms
            .filter(|_| record.state.is_planned())
            .map(|at_ms| Timestamp(at_ms).rfc3339()),
        deliver_by: record.schedule.by_ms.filter(|_| record.state.waits()).map(|by| Timestamp(by).rfc3339()),
        created_at: record.created.rfc3339(),
        updated_at: record.changed.rfc3339(),
        code: record.code.map(|code| code.to_string()),
        reason_untrusted: record.why.as_deref().map(crate::sms::untrusted::escape),
        replies: record.replies,
    }
}
