//! What waits for its time at a provider that is not set up any more. Nobody looks there for what is due, so it
//! would wait for ever, with its money held. Once it is as late as the queue lets anything be, it ends, whoever's
//! provider that was. (What is queued for such a provider ends with the queue's own: see `queue`.)

use rusqlite::{Connection, OptionalExtension as _, params};

use super::group::Group;
use super::job::JobResult;
use super::states::{IS_ACCEPTED, IS_SCHEDULED, sql};
use super::transition::{OPEN_COLUMNS, Open, Step, advance_and_post, open_from};
use crate::ledger::Gone;
use crate::sms::message::{MessageId, State};

/// Most providers that are looked at: each is one step through an index.
const MOST_PROVIDERS: usize = 100;

/// What is said of it.
const WHY: &str = "it waited too long to be sent: no provider of that name is set up any more";

/// What is too late of a provider, `?1`: at `?2`, of what may be `?3` late where it does not say by when itself.
const IS_LATE: &str = "provider = ?1 AND due_ms < ?2 AND coalesce(deliver_by_ms, due_ms + ?3) < ?2";

/// The providers at which something is too late, but these.
pub(super) fn providers(db: &Connection, gone: &Gone) -> rusqlite::Result<Vec<String>> {
    let mut next = db.prepare_cached(sql!(
        "SELECT provider FROM message INDEXED BY message_due WHERE {IS_SCHEDULED} AND provider > ?1 ORDER BY \
         provider LIMIT 1"
    ))?;
    let mut is_late = db.prepare_cached(sql!(
        "SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_due WHERE {IS_SCHEDULED} AND {IS_LATE})"
    ))?;
    let (mut last, mut late) = (String::new(), Vec::new());
    for _ in 0..MOST_PROVIDERS {
        let Some(provider) = next.query_row([&last], |row| row.get::<_, String>(0)).optional()? else {
            break;
        };
        let is_gone = !gone.known.contains(&provider);
        if is_gone
            && is_late
                .query_row(params![provider, gone.now.as_millis(), gone.max_age_ms], |row| row.get(0))?
        {
            late.push(provider.clone());
        }
        last = provider;
    }
    Ok(late)
}

/// See [`crate::ledger::facets::Queue::expire_gone`].
pub(super) fn expire(db: &Connection, gone: &Gone) -> JobResult<Vec<MessageId>> {
    let mut expired = Vec::new();
    for provider in providers(db, gone)? {
        let mut statement = db.prepare_cached(sql!(
            "SELECT {OPEN_COLUMNS}, id FROM message INDEXED BY message_due WHERE {IS_SCHEDULED} AND {IS_ACCEPTED} AND \
             {IS_LATE} ORDER BY due_ms LIMIT ?4"
        ))?;
        let found: Vec<(String, Open)> = statement
            .query_map(params![provider, gone.now.as_millis(), gone.max_age_ms, gone.limit], |row| {
                Ok((row.get("id")?, open_from(row)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let step = Step::new(State::Expired, gone.now, Some(WHY));
        Group::over(db, |group| {
            found.into_iter().try_for_each(|(id, mut open)| -> JobResult<()> {
                if advance_and_post(group, &mut open, &step)?.is_some() {
                    expired.push(MessageId::from_text(id));
                }
                Ok(())
            })
        })?;
    }
    Ok(expired)
}
