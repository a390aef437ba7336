//! How a message is, or a bulk.

use super::replies::{asked, read_cursor, shown};
use super::room::Read;
use super::view::view;
use crate::engine::answers::SANDBOX;
use crate::engine::arguments::no_such;
use crate::engine::caller::Caller;
use crate::engine::contract::{HistoryStep, SegmentView, StatusAnswer, StatusArgs};
use crate::error::{ErrorKind, Result};
use crate::ledger::Whole;
use crate::sms::message::{BatchId, MessageId, State};

impl Read {
    /// A message with its history, after a fresh look at the provider where it has one; or a bulk.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] for an id that this principal does not have, [`ErrorKind::InvalidArgument`]
    /// for no cursor, or [`ErrorKind::LedgerUnavailable`].
    pub async fn status(&self, caller: &Caller, args: StatusArgs) -> Result<StatusAnswer> {
        let before = read_cursor(args.cursor.as_deref())?;
        if args.id.starts_with(BatchId::PREFIX) {
            let bulk = self.answers.bulk(caller, &BatchId::from_text(args.id)).await?;
            let warnings = bulk.warnings.iter().filter(|warning| *warning == SANDBOX).cloned().collect();
            return Ok(StatusAnswer { bulk: Some(bulk), warnings, ..StatusAnswer::default() });
        }
        let id = MessageId::from_text(args.id);
        let store = &self.ledger;
        let missing = || no_such("id", id.as_str());
        let replies = asked(before);
        let mut found = store.whole(&caller.principal, &id, replies).await?.ok_or_else(missing)?;
        let fresh = self.poll.look(&found.message).await;
        if fresh {
            found = store.whole(&caller.principal, &id, replies).await?.ok_or_else(missing)?;
        }
        let Whole { message: record, history, segments, replies } = found;
        let shown = shown(&record, replies);
        let mut warnings = self.answers.warnings([record.realm]);
        warnings.extend(shown.warning);
        if record.state == State::Held {
            warnings.push(
                "The provider holds it back (its sender is paused); it may go out later. Do not \
                send it again."
                    .to_owned(),
            );
        }
        if record.state == State::Unknown {
            warnings.push(
                "Nobody knows whether it went out: do NOT send it again. Its money stays reserved."
                    .to_owned(),
            );
        }
        if record.code == Some(ErrorKind::PartlySent) {
            warnings.push(
                "Only a part of it went out, and was charged: do NOT send the whole text again.".to_owned(),
            );
        }
        let target = record.batch.as_ref().map_or(id.as_str(), BatchId::as_str);
        let approval = if record.was_asked { self.answers.approval(target).await? } else { None };
        Ok(StatusAnswer {
            approval,
            message: Some(view(record)),
            history: history.into_iter().map(HistoryStep::from).collect(),
            segments: segments.into_iter().map(SegmentView::from).collect(),
            replies: shown.replies,
            replies_omitted: shown.omitted,
            next_cursor: shown.next_cursor,
            bulk: None,
            fresh,
            warnings,
        })
    }
}
