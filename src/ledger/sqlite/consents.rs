//! The verbs about what people agreed to.
//!
//! A file of records is written in parts, each a transaction of its own. Its row in `consent_import` names the
//! process that takes it in, and none of its records counts while that name stands. Where it fails or the
//! process dies, all of it is taken back.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::account::note_act;
use super::consent::{
    COLUMNS, IS_THERE, Stop, begin, insert, is_own, latest, newest_ms, note_ask, record_from, take_back,
    take_yes, withdraw_by_stop,
};
use super::job::contradiction;
use super::states::sql;
use super::store::SqliteLedger;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::ledger::consents::{
    AT_ONCE, ConsentAsk, ConsentImport, ConsentRecord, Consents, Imported, NewConsent,
};
use crate::ledger::{Act, E164};
use crate::sms::consent::Latest;
use crate::sms::purpose::Purpose;

#[async_trait]
impl Consents for SqliteLedger {
    async fn record_consent(&self, new: NewConsent, act: Act) -> Result<bool> {
        let record = move |db: &Connection| {
            note_act(db, &act)?;
            insert(db, &new, &act, None)
        };
        self.writer()?.run(record).await
    }

    async fn withdraw_from_now(&self, new: NewConsent, act: Act) -> Result<bool> {
        let record = move |db: &Connection| {
            note_act(db, &act)?;
            let last = newest_ms(db, &new.number, new.purpose)?.map_or(new.at, Timestamp);
            insert(db, &NewConsent { at: last.max(new.at), ..new.clone() }, &act, None)
        };
        self.writer()?.run(record).await
    }

    async fn withdraw_all(&self, number: E164<'_>, source: &str, at: Timestamp) -> Result<()> {
        let (number, source) = (number.0.to_owned(), source.to_owned());
        let record = move |db: &Connection| withdraw_by_stop(db, &number, &source, at, Stop::New);
        self.writer()?.run(record).await
    }

    async fn import_consents(&self, import: ConsentImport) -> Result<Imported> {
        let (owner, at) = (self.instance.id(), import.act.at);
        let id = self.writer()?.run(move |db| begin(db, owner, at)).await?;
        let taken = self.take_in(id, import).await;
        if taken.is_err()
            && let Err(error) = self.take_back_import(id).await
        {
            tracing::warn!(%error,
                "consents that were not taken in could not be removed yet; it will be tried again");
        }
        taken
    }

    async fn note_ask(&self, ask: ConsentAsk) -> Result<()> {
        self.writer()?.run(move |db| note_ask(db, &ask)).await
    }

    async fn take_yes(&self, number: E164<'_>, at: Timestamp, now: Timestamp) -> Result<bool> {
        let number = number.0.to_owned();
        self.writer()?.run(move |db| take_yes(db, &number, at, now)).await
    }

    async fn latest_consent(&self, number: E164<'_>, purpose: Purpose) -> Result<Option<Latest>> {
        let number = number.0.to_owned();
        self.read(move |db| latest(db, &number, purpose)).await
    }

    async fn consents_of(&self, number: E164<'_>) -> Result<Vec<ConsentRecord>> {
        let number = number.0.to_owned();
        self.read(move |db| {
            db.prepare_cached(sql!(
                "SELECT {COLUMNS} FROM consent c WHERE c.number = ?1 AND {IS_THERE} ORDER BY c.at_ms DESC, c.given"
            ))?
            .query_map([number], record_from)?
            .collect()
        })
        .await
    }

    async fn consents_after(&self, id: i64, most: u32) -> Result<Vec<ConsentRecord>> {
        self.read(move |db| {
            db.prepare_cached(sql!(
                "SELECT {COLUMNS} FROM consent c WHERE c.id > ?1 AND {IS_THERE} ORDER BY c.id LIMIT ?2"
            ))?
            .query_map(params![id, most], record_from)?
            .collect()
        })
        .await
    }
}

impl SqliteLedger {
    async fn take_in(&self, id: i64, import: ConsentImport) -> Result<Imported> {
        let (ConsentImport { act, mut make }, owner) = (import, self.instance.id());
        let mut imported = Imported::default();
        loop {
            let part = make()?;
            let (count, is_last) = (part.len(), part.len() < AT_ONCE);
            let part_act = act.clone();
            let write = move |db: &Connection| {
                if !is_own(db, id, owner)? {
                    return Err(contradiction("the consents were taken back by another process"));
                }
                let mut new = 0;
                for consent in &part {
                    new += u64::from(insert(db, consent, &part_act, Some(id))?);
                }
                if is_last {
                    note_act(db, &part_act)?;
                    db.prepare_cached("UPDATE consent_import SET owner = NULL WHERE id = ?1")?
                        .execute([id])?;
                }
                Ok(new)
            };
            let new = self.writer()?.run(write).await?;
            imported.new += new;
            imported.known += u64::try_from(count).unwrap_or(u64::MAX).saturating_sub(new);
            if is_last {
                return Ok(imported);
            }
            fail::fail_point!("consents-between-parts", |_| -> Result<Imported> { std::process::abort() });
        }
    }

    /// Takes back what was not taken in whole.
    async fn take_back_import(&self, id: i64) -> Result<()> {
        while !self.writer()?.run(move |db| take_back(db, id)).await? {}
        Ok(())
    }

    /// The same of processes that are gone.
    pub(super) async fn take_back_abandoned(&self) -> Result<()> {
        let abandoned = |db: &Connection| -> rusqlite::Result<Vec<i64>> {
            db.prepare_cached(
                "SELECT id FROM consent_import WHERE owner IS NOT NULL AND owner NOT IN (SELECT id FROM instance)",
            )?
            .query_map([], |row| row.get(0))?
            .collect()
        };
        for id in self.read(abandoned).await? {
            self.take_back_import(id).await?;
            tracing::warn!("removed consents whose import was cut off: none of them counted");
        }
        Ok(())
    }
}
