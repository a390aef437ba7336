//! What is known about one recipient: how many messages lately, the same text, what is in doubt, and whether
//! they want no more.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement, params};

use super::consent::latest_if_needed;
use super::job::JobResult;
use super::opt_out::is_out;
use super::pending::{IS_OBJECTION, MAY_BE_STOP, ending, is_objection_pending, is_pending};
use super::proposal::{has_texted, lately, pending};
use super::states::{IS_PLANNED, IS_TO, IS_UNKNOWN, NEVER_LEFT, sql};
use crate::clock::Timestamp;
use crate::ledger::{Draft, Intent, Payer, Record, Said};
use crate::sms::caller_id::same_phone;
use crate::sms::facts::{Earlier, Facts};
use crate::sms::fold;
use crate::sms::message::{MessageId, State};
use crate::sms::purpose::Purpose;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Most rows that the look at one recipient reads; above the highest `recipient_per_day` that the config
/// allows.
const RECIPIENT_ROWS: i64 = 2_000;

/// The most messages to one person that are looked at whose outcome is unknown, latest first.
const DOUBTS: i64 = 500;

/// One person's messages whose outcome is unknown.
pub(super) fn in_doubt() -> String {
    format!("recipient = ?1 AND principal = ?2 AND {IS_UNKNOWN}")
}

/// Whether an earlier text is this draft's in any spelling. Messages of older versions have no digest of what
/// a reader takes from them; where their text was kept, it is made of that.
fn is_same_text(draft: &Draft, digest: ValueRef<'_>, folded: ValueRef<'_>, text: Option<&str>) -> bool {
    let is = |value: ValueRef<'_>, own: &[u8]| value.as_blob().is_ok_and(|blob| blob == own);
    is(digest, &draft.digest)
        || is(folded, &draft.folded)
        || text.is_some_and(|text| fold::digest(text) == draft.folded)
}

/// What is in doubt about this recipient, under this number or another of the same phone: the latest message
/// that this one would repeat, and the latest other one.
fn doubts(db: &Connection, intent: &Intent, draft: &Draft, facts: &mut Facts) -> JobResult<()> {
    (facts.same_in_doubt, facts.other_in_doubt) = (None, None);
    let mut statement = db.prepare_cached(sql!(
        "SELECT id, created_ms, digest, folded, CASE WHEN folded IS NULL THEN text END FROM message WHERE \
         {} AND sandbox = ?4
         ORDER BY seq DESC LIMIT ?3",
        in_doubt()
    ))?;
    for number in std::iter::once(draft.to.clone()).chain(same_phone(&draft.to)) {
        let mut rows = statement.query(params![
            number,
            intent.payer.principal,
            DOUBTS,
            intent.payer.realm.is_sandbox()
        ])?;
        while let Some(row) = rows.next()? {
            let is_same = is_same_text(
                draft,
                row.get_ref(2)?,
                row.get_ref(3)?,
                row.get_ref(4)?.as_str_or_null().unwrap_or_default(),
            );
            let place = if is_same { &mut facts.same_in_doubt } else { &mut facts.other_in_doubt };
            if place.is_none() {
                let age_ms = (intent.now.as_millis() - row.get::<_, i64>(1)?).max(0);
                *place = Some(Earlier {
                    id: MessageId::from_text(row.get::<_, String>(0)?),
                    state: State::Unknown,
                    age_ms,
                });
            }
            if facts.same_in_doubt.is_some() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether anything is on record that could keep a text from this recipient: an opt-out, a STOP of somebody
/// whom nobody can tell, a message whose outcome is unknown. Of most people there is none of it, and that
/// takes one look.
fn is_anything_known(db: &Connection, intent: &Intent, draft: &Draft) -> JobResult<bool> {
    let mut statement = db.prepare_cached(sql!(
        "SELECT EXISTS (SELECT 1 FROM opt_out WHERE number = ?1) OR EXISTS (SELECT 1 FROM pending WHERE \
         {MAY_BE_STOP} AND ending = ?4)
             OR EXISTS (SELECT 1 FROM pending WHERE {MAY_BE_STOP} AND ending = '')
             OR EXISTS (SELECT 1 FROM pending WHERE {IS_OBJECTION} AND ending IN (?4, '')) OR EXISTS (SELECT 1 FROM \
         message WHERE {} AND sandbox = ?3)",
        in_doubt()
    ))?;
    let (principal, is_sandbox) = (&intent.payer.principal, intent.payer.realm.is_sandbox());
    let mut is_known = |number: &str| {
        statement.query_row(params![number, principal, is_sandbox, ending(number)], |row| row.get(0))
    };
    if is_known(&draft.to)? {
        return Ok(true);
    }
    for other in same_phone(&draft.to) {
        if is_known(&other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How far back it counts that somebody wrote.
const LATELY_MS: i64 = 24 * HOUR_MS;

/// How far ahead of ours a carrier's clock may be.
const AHEAD_MS: i64 = 10 * 60_000;

const WROTE: &str =
    "SELECT max(at_ms) FROM reply INDEXED BY reply_sender WHERE sender = ?1 AND at_ms > ?2 AND at_ms <= ?3";

/// How long ago this person wrote last, whatever they wrote and to whichever of our numbers, if that was
/// lately.
pub(super) fn wrote_ago(db: &Connection, number: &str, now: Timestamp) -> JobResult<Option<i64>> {
    let now = now.as_millis();
    let mut statement = db.prepare_cached(WROTE)?;
    let last: Option<i64> =
        statement.query_row(params![number, now - LATELY_MS, now + AHEAD_MS], |row| row.get(0))?;
    Ok(last.map(|at_ms| (now - at_ms).max(0)))
}

/// See [`crate::ledger::facets::People::said`].
pub(super) fn said(db: &Connection, number: &str, now: Timestamp) -> JobResult<Said> {
    let is_opted_out = is_out(db, number)?;
    Ok(Said {
        is_opted_out,
        is_stop_pending: !is_opted_out && is_pending(db, number)?,
        is_objection_pending: is_objection_pending(db, number)?,
        wrote_ago_ms: wrote_ago(db, number, now)?,
    })
}

/// Puts what is known about this draft's recipient in place of what was known about another's.
pub(super) fn look_up(db: &Connection, intent: &Intent, draft: &Draft, facts: &mut Facts) -> JobResult<()> {
    if is_anything_known(db, intent, draft)? {
        facts.is_opted_out = is_out(db, &draft.to)?;
        facts.is_stop_pending = !facts.is_opted_out && is_pending(db, &draft.to)?;
        facts.is_objection_pending =
            draft.purpose == Purpose::Marketing && is_objection_pending(db, &draft.to)?;
        doubts(db, intent, draft, facts)?;
    } else {
        (facts.is_opted_out, facts.is_stop_pending, facts.is_objection_pending) = (false, false, false);
        (facts.same_in_doubt, facts.other_in_doubt) = (None, None);
    }
    if intent.looks.first_contact {
        let Payer { principal, realm, .. } = &intent.payer;
        facts.is_first_contact = !has_texted(db, principal, *realm, &draft.to)?;
    }
    let needed_for = (intent.consent_for.as_slice(), &*facts.peers);
    facts.consent = latest_if_needed(db, needed_for, (&draft.to, draft.purpose))?;
    facts.is_approver = intent.looks.approver && is_approver(db, &draft.to)?;
    facts.wrote_ago_ms = match intent.answers_of.contains(&draft.purpose) {
        true => wrote_ago(db, &draft.to, intent.now)?,
        false => None,
    };
    recipient_facts(db, intent, draft, facts)
}

/// Whether this is the phone of an approver, under this number or another one of it.
fn is_approver(db: &Connection, number: &str) -> JobResult<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM approver WHERE phone = ?1)")?;
    for number in std::iter::once(number.to_owned()).chain(same_phone(number)) {
        if statement.query_row([number], |row| row.get(0))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is known about the principal of an intent, as far as its decision asks for that.
pub(super) fn of_principal(db: &Connection, intent: &Intent, facts: &mut Facts) -> JobResult<()> {
    if intent.looks.lately {
        facts.lately = lately(db, intent)?;
    }
    if intent.proposal.is_some() {
        facts.pending = pending(db, intent)?;
    }
    Ok(())
}

/// How many messages left to the recipient of this one, or are on their way, within the last hour and the
/// last day; without itself, and without what waits for its time or for a person.
pub(super) fn counted(db: &Connection, record: &Record, now: Timestamp) -> JobResult<(u32, u32)> {
    let now = now.as_millis();
    db.prepare_cached(sql!(
        "SELECT count(*) FILTER (WHERE at > ?3), count(*) FROM (
             SELECT coalesce(due_ms, created_ms) AS at FROM message
             WHERE {IS_TO} AND created_ms > ?2 AND sandbox = ?4 AND seq <> ?5 AND NOT {NEVER_LEFT} \
             AND NOT {IS_PLANNED}
             UNION ALL SELECT due_ms FROM message INDEXED BY message_later
             WHERE recipient = ?1 AND due_ms > ?2 AND created_ms <= ?2 AND sandbox = ?4 AND seq <> ?5 AND \
             NOT {NEVER_LEFT} AND NOT {IS_PLANNED})"
    ))?
    .query_row(
        params![record.to, now - DAY_MS, now - HOUR_MS, record.realm.is_sandbox(), record.sequence],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// What the ledger knows about this recipient: how many messages lately, and the same text within the window.
fn recipient_facts(db: &Connection, intent: &Intent, draft: &Draft, facts: &mut Facts) -> JobResult<()> {
    let now = intent.now.as_millis();
    let window = DAY_MS.max(intent.duplicate_window_ms);
    (facts.recipient_last_hour, facts.recipient_last_day, facts.same_text) = (0, 0, None);
    // What was accepted lately, and then what was accepted before and left lately, or is still to leave.
    let lately = sql!(
        "SELECT id, coalesce(due_ms, created_ms), digest, principal, state, folded FROM message
         WHERE {IS_TO} AND created_ms > ?2 AND sandbox = ?4 AND NOT {NEVER_LEFT} ORDER BY created_ms \
         DESC LIMIT ?3"
    );
    let later = sql!(
        "SELECT id, due_ms, digest, principal, state, folded FROM message INDEXED BY message_later
         WHERE recipient = ?1 AND due_ms > ?2 AND created_ms <= ?2 AND sandbox = ?4 AND NOT {NEVER_LEFT} \
         ORDER BY due_ms DESC LIMIT ?3"
    );
    for sql in [lately, later] {
        add_recent(&mut *db.prepare_cached(sql)?, now - window, (intent, draft), facts)?;
    }
    Ok(())
}

fn add_recent(
    statement: &mut Statement<'_>,
    since: i64,
    (intent, draft): (&Intent, &Draft),
    facts: &mut Facts,
) -> JobResult<()> {
    let now = intent.now.as_millis();
    // What leaves later is beside what leaves about then.
    let then = draft.schedule.at_ms.filter(|at_ms| *at_ms > now);
    let mut rows =
        statement.query(params![draft.to, since, RECIPIENT_ROWS, intent.payer.realm.is_sandbox()])?;
    while let Some(row) = rows.next()? {
        let at: i64 = row.get(1)?;
        let age_ms = then.unwrap_or(now).abs_diff(at).try_into().unwrap_or(i64::MAX);
        let state = State::from_number(row.get(4)?).unwrap_or(State::Unknown);
        if state.never_left() {
            continue;
        }
        facts.recipient_last_hour += u32::from(age_ms < HOUR_MS);
        facts.recipient_last_day += u32::from(age_ms < DAY_MS);
        // The same text that waits is one that is said twice, unless this one is set for another time.
        let apart_ms = if then.is_none() { (now - at).max(0) } else { age_ms };
        // Somebody is asked about it still: they would be asked twice, and might say yes twice.
        let is_asked = then.is_none() && state == State::Proposed && intent.duplicate_window_ms > 0;
        let is_same = facts.same_text.is_none()
            && (is_asked || apart_ms < intent.duplicate_window_ms)
            && is_same_text(draft, row.get_ref(2)?, row.get_ref(5)?, None)
            && row.get_ref(3)?.as_str().is_ok_and(|principal| principal == intent.payer.principal);
        if is_same {
            facts.same_text =
                Some(Earlier { id: MessageId::from_text(row.get::<_, String>(0)?), state, age_ms: apart_ms });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::schema::MIGRATIONS;
    use super::*;

    #[test]
    fn who_wrote_lately_is_found_by_an_index_and_a_clock_that_is_ahead_is_taken_for_now() {
        let db = Connection::open_in_memory().unwrap();
        MIGRATIONS.into_iter().for_each(|migration| db.execute_batch(migration).unwrap());
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {WROTE}")).unwrap();
        let plan: String = statement.query_row(["", "0", "0"], |row| row.get(3)).unwrap();
        assert!(plan.contains("COVERING INDEX reply_sender (sender=? AND at_ms>? AND at_ms<?)"), "{plan}");
        let add = "INSERT INTO reply (provider, vendor_id, sender, recipient, text, at_ms) VALUES ('p', ?1, ?2, '', '', ?3)";
        for (id, sender, at_ms) in
            [("1", "+1", 1_000), ("2", "+1", 5_000), ("3", "+2", 9_000), ("4", "+3", DAY_MS * 9)]
        {
            db.execute(add, params![id, sender, at_ms]).unwrap();
        }
        let ago = |sender, now| wrote_ago(&db, sender, Timestamp(now)).unwrap();
        assert_eq!((ago("+1", 6_000), ago("+1", 5_000 + LATELY_MS)), (Some(1_000), None));
        assert_eq!((ago("+2", 6_000), ago("+3", 6_000), ago("+4", 6_000)), (Some(0), None, None));
    }
}
