//! How what a provider has on record is matched with the messages here: by its id, or by what was sent to
//! whom and when.

use rusqlite::{Connection, params};

use super::row::{COLUMNS, record_from};
use super::sealed::text;
use super::states::{IS_TO, IS_UNKNOWN, MAY_BE_ON_RECORD, sql};
use crate::clock::Timestamp;
use crate::ledger::{Nameless, Record};
use crate::sms::message::Realm;

/// See [`crate::ledger::facets::Reports::has_vendor_id`].
pub(super) fn has_vendor_id(
    db: &Connection,
    provider: &str,
    vendor_id: &str,
    to: &str,
) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM message WHERE vendor_id = ?1 AND provider = ?2 AND recipient = ?3)
             OR EXISTS (SELECT 1 FROM segment s JOIN message m ON m.seq = s.message WHERE s.vendor_id = ?1 \
             AND s.provider = ?2 AND m.recipient = ?3)
             OR EXISTS (SELECT 1 FROM forgotten_id WHERE vendor_id = ?1 AND provider = ?2 AND recipient = \
             ?3)",
    )?
    .query_row([vendor_id, provider, to], |row| row.get(0))
}

/// Most texts that one report is compared with: as many as any request carries.
const MOST_TEXTS: u32 = 1_000;

/// See [`crate::ledger::facets::Reports::texts`].
pub(super) fn texts(
    db: &Connection,
    provider: &str,
    vendor_id: &str,
    to: Option<&str>,
) -> rusqlite::Result<Option<Vec<String>>> {
    let mut statement = db.prepare_cached(concat!(
        "SELECT DISTINCT ",
        text!(),
        " FROM message WHERE (?3 IS NULL OR recipient = ?3) AND seq IN
             (SELECT seq FROM message WHERE vendor_id = ?1 AND provider = ?2 AND NOT parted
              UNION SELECT message FROM segment WHERE vendor_id = ?1 AND provider = ?2 ORDER BY 1 DESC \
              LIMIT ?4)"
    ))?;
    let texts: Vec<Option<String>> = statement
        .query_map(params![vendor_id, provider, to, MOST_TEXTS], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(texts.into_iter().collect::<Option<Vec<String>>>().filter(|texts| !texts.is_empty()))
}

/// See [`crate::ledger::facets::Reports::unknowns`].
pub(super) fn unknowns(
    db: &Connection,
    of: Option<(&str, Realm)>,
    since: Timestamp,
    limit: u32,
) -> rusqlite::Result<Vec<Record>> {
    let Some((provider, realm)) = of else {
        let mut statement = db.prepare_cached(sql!(
            "SELECT {COLUMNS} FROM message WHERE {IS_UNKNOWN} AND changed_ms >= ?1 ORDER BY seq LIMIT ?2"
        ))?;
        return statement.query_map(params![since.as_millis(), limit], record_from)?.collect();
    };
    let mut statement = db.prepare_cached(sql!(
        "SELECT {COLUMNS} FROM message WHERE {IS_UNKNOWN} AND provider = ?1 AND sandbox = ?4 AND changed_ms \
         >= ?2 ORDER BY seq LIMIT ?3"
    ))?;
    statement
        .query_map(params![provider, since.as_millis(), limit, realm.is_sandbox()], record_from)?
        .collect()
}

/// See [`crate::ledger::facets::Reports::has_nameless`].
pub(super) fn has_nameless(db: &Connection, sought: &Nameless<'_>) -> rusqlite::Result<bool> {
    let Nameless { provider, realm, to, digest, from, until } = sought;
    db.prepare_cached(sql!(
        "SELECT EXISTS (SELECT 1 FROM message WHERE {IS_TO} AND provider = ?2 AND sandbox = ?6 AND \
         digest = ?3 AND vendor_id IS NULL
                        AND {MAY_BE_ON_RECORD} AND created_ms <= ?5 AND changed_ms >= ?4)"
    ))?
    .query_row(
        params![to, provider, digest, from.as_millis(), until.as_millis(), realm.is_sandbox()],
        |row| row.get(0),
    )
}
