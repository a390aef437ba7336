//! The pace of all sending, in the row that all processes share. How it is reckoned stands in [`crate::ledger::rules::pace`].

use rusqlite::{Connection, params};

use super::job::JobResult;
use crate::clock::Timestamp;
use crate::ledger::rules::pace::Pace;
use crate::sms::message::Realm;
use crate::sms::peer::Peer;

/// The pace so far.
pub(super) fn read(db: &Connection, realm: Realm, now: Timestamp, per_second: u32, peers: &[Peer]) -> JobResult<Pace> {
    let mut statement = db.prepare_cached("SELECT until_us, latest_us FROM pace WHERE sandbox = ?1")?;
    let (until_us, latest_us): (i64, i64) = statement.query_row([realm.is_sandbox()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Pace::of(until_us, latest_us, now, per_second, peers))
}

/// Keeps it after something was taken.
pub(super) fn write(db: &Connection, realm: Realm, pace: &Pace) -> JobResult<()> {
    let (until_us, now_us) = pace.kept();
    db.prepare_cached("UPDATE pace SET until_us = ?1, latest_us = max(latest_us, ?2) WHERE sandbox = ?3")?.execute(params![
        until_us,
        now_us,
        realm.is_sandbox()
    ])?;
    Ok(())
}
