//! The pace of all sending, in the row that all processes share. How it is reckoned stands in
//! [`crate::ledger::rules::pace`].

use rusqlite::{Connection, params};

use super::job::{JobResult, contradiction};
use crate::clock::Timestamp;
use crate::ledger::rules::pace::Pace;
use crate::sms::message::Realm;
use crate::sms::peer::Peer;

/// What a row says, both in microseconds.
#[derive(Clone, Copy)]
struct Row {
    until_us: i64,
    latest_us: i64,
}

impl Row {
    fn read(db: &Connection, realm: Realm) -> JobResult<Self> {
        let mut statement = db.prepare_cached("SELECT until_us, latest_us FROM pace WHERE sandbox = ?1")?;
        statement
            .query_row([realm.is_sandbox()], |row| Ok(Self { until_us: row.get(0)?, latest_us: row.get(1)? }))
    }

    fn write(self, db: &Connection, realm: Realm) -> JobResult<()> {
        let mut statement = db.prepare_cached(
            "UPDATE pace SET until_us = ?1, latest_us = max(latest_us, ?2) WHERE sandbox = ?3",
        )?;
        let changed = statement.execute(params![self.until_us, self.latest_us, realm.is_sandbox()])?;
        if changed == 1 { Ok(()) } else { Err(contradiction("the pace has no row")) }
    }

    fn pace(self, now: Timestamp, per_second: u32, peers: &[Peer]) -> Pace {
        Pace::of(self.until_us, self.latest_us, now, per_second, peers)
    }
}

/// The pace so far.
pub(super) fn read(
    db: &Connection,
    realm: Realm,
    now: Timestamp,
    per_second: u32,
    peers: &[Peer],
) -> JobResult<Pace> {
    Ok(Row::read(db, realm)?.pace(now, per_second, peers))
}

/// Keeps it after something was taken.
pub(super) fn write(db: &Connection, realm: Realm, pace: &Pace) -> JobResult<()> {
    let (until_us, latest_us) = pace.kept();
    Row { until_us, latest_us }.write(db, realm)
}

/// One side's pace, as the jobs of one transaction have used it so far.
#[derive(Clone, Copy)]
struct Reckoned {
    row: Row,
    is_changed: bool,
}

/// The pace of each side that the jobs of one transaction have used so far: read once, and written once.
#[derive(Default)]
pub(super) struct Paces {
    live: Option<Reckoned>,
    sandbox: Option<Reckoned>,
}

impl Paces {
    fn of(&mut self, realm: Realm) -> &mut Option<Reckoned> {
        if realm.is_sandbox() { &mut self.sandbox } else { &mut self.live }
    }

    /// As [`read`], beside what is reckoned here.
    pub(super) fn read(
        &mut self,
        db: &Connection,
        realm: Realm,
        now: Timestamp,
        per_second: u32,
        peers: &[Peer],
    ) -> JobResult<Pace> {
        let known = self.of(realm);
        let row = match known {
            Some(known) => known.row,
            None => known.insert(Reckoned { row: Row::read(db, realm)?, is_changed: false }).row,
        };
        Ok(row.pace(now, per_second, peers))
    }

    /// As [`write`], in what is reckoned here.
    pub(super) fn keep(&mut self, realm: Realm, pace: &Pace) {
        let (until_us, now_us) = pace.kept();
        let known = self.of(realm);
        let latest_us = known.map_or(now_us, |known| known.row.latest_us.max(now_us));
        *known = Some(Reckoned { row: Row { until_us, latest_us }, is_changed: true });
    }

    /// Whether anything is reckoned that is not written.
    pub(super) fn has_changes(&self) -> bool {
        [self.live, self.sandbox].into_iter().flatten().any(|known| known.is_changed)
    }

    /// Writes what was reckoned, and forgets it all.
    pub(super) fn write(&mut self, db: &Connection) -> JobResult<()> {
        for realm in [Realm::Live, Realm::Sandbox] {
            if let Some(known) = self.of(realm).take().filter(|known| known.is_changed) {
                known.row.write(db, realm)?;
            }
        }
        Ok(())
    }
}
