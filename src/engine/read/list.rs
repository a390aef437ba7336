//! The messages of a principal, a page at a time.

use super::room::Read;
use super::view::view;
use crate::clock::Timestamp;
use crate::engine::arguments::{invalid, no_such, number};
use crate::engine::caller::Caller;
use crate::engine::contract::{ListAnswer, ListArgs};
use crate::error::Result;
use crate::ledger::{Filter, Record};

/// Messages on a page where the call names no limit.
const PAGE: u32 = 20;

/// Most messages on a page.
const MAX_PAGE: u32 = 100;

impl Read {
    /// Messages of this principal, newest first.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] naming the argument, or [`ErrorKind::LedgerUnavailable`].
    pub async fn list(&self, caller: &Caller, args: ListArgs) -> Result<ListAnswer> {
        let time = |name: &str, text: Option<String>| match text {
            None => Ok(None),
            Some(text) => Timestamp::parse(&text).map(Some).ok_or_else(|| {
                invalid(
                    name,
                    format!(
                        "\"{}\" is no time; write 2026-11-22 or 2026-11-22T10:00:00Z",
                        crate::sms::untrusted::escape(&text)
                    ),
                )
            }),
        };
        let limit = args.limit.unwrap_or(PAGE);
        if !(1..=MAX_PAGE).contains(&limit) {
            return Err(invalid("limit", format!("is {limit}; it must be from 1 to {MAX_PAGE}")));
        }
        let before = match &args.cursor {
            None => None,
            Some(cursor) => Some(read_cursor(cursor).ok_or_else(|| {
                invalid("cursor", "is not a next_cursor of list_sms; leave it out for the newest messages")
            })?),
        };
        let to = match &args.to {
            None => None,
            Some(to) => Some(number(to, self.default_region)?.e164().to_owned()),
        };
        if let Some(batch) = &args.batch
            && self.ledger.batch(&caller.principal, batch, 0).await?.is_none()
        {
            return Err(no_such("batch", batch.as_str()));
        }
        let filter = Filter {
            principal: caller.principal.clone(),
            state: args.status,
            to,
            since: time("since", args.since)?,
            until: time("until", args.until)?,
            batch: args.batch,
            before,
            limit: limit + 1,
        };
        let mut records = self.ledger.list(filter).await?;
        let has_more = records.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        records.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let next_cursor = records.last().filter(|_| has_more).map(|last| format!("c{:x}", last.sequence));
        let warnings = self.list_warnings(&records);
        Ok(ListAnswer { messages: records.into_iter().map(view).collect(), next_cursor, warnings })
    }

    /// That nothing left, of all that is listed or of those that the sandbox carried.
    fn list_warnings(&self, records: &[Record]) -> Vec<String> {
        let carried: Vec<&str> = records
            .iter()
            .filter(|record| record.realm.is_sandbox())
            .map(|record| record.id.as_str())
            .collect();
        if carried.is_empty() || carried.len() == records.len() {
            return self.answers.warnings(records.iter().map(|record| record.realm));
        }
        vec![format!("Sandbox provider: of these, no text left this machine for {}.", carried.join(", "))]
    }
}

fn read_cursor(cursor: &str) -> Option<i64> {
    i64::from_str_radix(cursor.strip_prefix('c')?, 16).ok().filter(|sequence| *sequence > 0)
}
