//! Asking providers how messages are: because it is due, or because somebody looks.

use std::sync::Arc;
use std::time::Duration;

use super::receipts::Receipts;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::route::Carriers;
use crate::engine::life::Life;
use crate::engine::signals::Signals;
use crate::error::Result;
use crate::ledger::{Ledger, LookClaim, Pacing, Record};
use crate::provider::exchange::Enquiry;
use crate::sms::number::Number;

/// How long a provider may take to answer a question that nobody waits for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take where somebody waits; the ledger's own answer follows then.
const LOOK: Duration = Duration::from_secs(5);

/// How often messages are looked up that are due to be.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often a provider that tells by itself is looked at for hints that an earlier process left.
const LOOK_SELDOM: Duration = Duration::from_secs(60);

/// Messages that are looked up at the same time, for each provider.
const LOOKS_AT_ONCE: u32 = 10;

/// What asking may touch.
pub struct Poll {
    pub ledger: Arc<dyn Ledger>,
    pub carriers: Arc<Carriers>,
    pub life: Arc<Life>,
    pub signals: Arc<Signals>,
    pub receipts: Arc<Receipts>,
}

/// How many questions a provider is asked at once. Where its requests are limited, looks take a fifth of a
/// minute's worth at most, so that sends go before them.
fn looks_at_once(rate: Pacing) -> u32 {
    let a_fifth = |per_minute: u32| per_minute / 60;
    rate.per_minute.map_or(LOOKS_AT_ONCE, |per_minute| a_fifth(per_minute).clamp(1, LOOKS_AT_ONCE))
}

/// How long is waited after a question, so that a fifth is not more where it is less than one at a time.
fn look_every(rate: Pacing, usual: Duration) -> Duration {
    let a_fifth = |per_minute: u32| Duration::from_secs(300 / u64::from(per_minute.max(1)));
    rate.per_minute.map_or(usual, |per_minute| usual.max(a_fifth(per_minute)))
}

impl Poll {
    /// Looks up the messages of a provider that are due to be: now and then, and at once after a hint.
    pub async fn run_looks(&self, name: String) {
        let Some(carrier) = self.carriers.get(&name) else { return };
        let usual = if carrier.capabilities().receipts_by_poll { LOOK_EVERY } else { LOOK_SELDOM };
        let mut hints = self.signals.hints();
        while !self.life.is_stopping() {
            hints.borrow_and_update();
            let rest = match self.look_up_due(carrier).await {
                // There may be more: soon, and not at once, since vendors count their requests.
                Ok(count) if count >= looks_at_once(carrier.rate) => look_every(carrier.rate, LOOK_EVERY),
                Ok(0) => usual,
                Ok(_) => look_every(carrier.rate, usual),
                Err(error) => {
                    tracing::warn!(provider = name, %error, "messages to query at the provider cannot be \
                        read from the ledger; it will be tried again");
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = self.life.pause(rest) => {}
                _ = hints.changed() => {}
            }
        }
    }

    /// Asks the provider about what is due. Returns how many messages that were.
    async fn look_up_due(&self, carrier: &Carrier) -> Result<u32> {
        let is_rated = carrier.rate.is_limited();
        let claim = LookClaim {
            provider: carrier.name().to_owned(),
            realm: carrier.realm(),
            limit: looks_at_once(carrier.rate),
            now: self.life.now(),
            by_request: carrier.capabilities().recipients_per_request > 1,
            is_rated,
        };
        let due = self.ledger.claim_looks(claim).await?;
        let count = u32::try_from(due.len()).unwrap_or(LOOKS_AT_ONCE);
        futures::future::join_all(due.iter().map(|record| self.look_up(carrier, record))).await;
        Ok(count)
    }

    async fn look_up(&self, carrier: &Carrier, record: &Record) {
        let enquiries = self.enquiries(record).await.unwrap_or_default();
        // It is due again later, whatever went wrong.
        self.enquire(carrier, record, &enquiries, PATIENCE).await;
    }

    /// Asks the provider about a message that is not final, where it may be asked. Returns whether it
    /// answered.
    pub async fn look(&self, record: &Record) -> bool {
        let carrier = self.carriers.get(&record.provider).filter(|carrier| carrier.realm() == record.realm);
        let Some(carrier) = carrier else { return false };
        if record.state.is_final() || !carrier.capabilities().status {
            return false;
        }
        let enquiries = self.enquiries(record).await.unwrap_or_default();
        let may_look = carrier.may_look(&*self.ledger, self.life.now(), &record.id, enquiries.len());
        if enquiries.is_empty() || !may_look.await.unwrap_or(false) {
            return false;
        }
        self.enquire(carrier, record, &enquiries, LOOK).await
    }

    /// Asks these questions about a message side by side, and records the answers. Returns whether any was
    /// answered.
    async fn enquire(
        &self,
        carrier: &Carrier,
        record: &Record,
        enquiries: &[Enquiry],
        patience: Duration,
    ) -> bool {
        let looks = enquiries.iter().map(|enquiry| async move {
            let receipts = carrier.ask(&self.life, patience, |provider| provider.status(enquiry)).await?;
            let recorded = futures::future::join_all(
                receipts.into_iter().map(|receipt| self.receipts.post(carrier.name(), receipt)),
            )
            .await;
            for error in recorded.into_iter().filter_map(Result::err) {
                tracing::error!(%error, "delivery receipt could not be recorded");
            }
            Ok(())
        });
        let looked: Vec<Result<()>> = futures::future::join_all(looks).await;
        let is_answered = looked.iter().any(Result::is_ok);
        if !self.life.is_stopping() {
            for error in looked.into_iter().filter_map(Result::err) {
                tracing::warn!(message = %record.id, %error, "the provider could not be queried");
            }
        }
        is_answered
    }

    /// What to ask a provider about a message: where its segments went out as requests of their own, about
    /// each of them that may still change.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`].
    async fn enquiries(&self, record: &Record) -> Result<Vec<Enquiry>> {
        let Ok(to) = Number::parse(&record.to, None) else { return Ok(Vec::new()) };
        let ids: Vec<String> = if record.is_parted {
            let segments = self.ledger.segments(&record.principal, &record.id).await?;
            segments
                .into_iter()
                .filter(|segment| !segment.state.is_final())
                .filter_map(|segment| segment.vendor_id)
                .collect()
        } else {
            record.vendor_id.clone().into_iter().collect()
        };
        Ok(ids
            .into_iter()
            .map(|vendor_id| Enquiry {
                id: record.id.clone(),
                from: record.from.clone(),
                vendor_id,
                to: to.clone(),
                created: record.created,
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_take_a_fifth_of_a_rate_however_small_it_is() {
        for (per_minute, at_once, every_s) in [
            (None, 10, 5),
            (Some(6_000), 10, 5),
            (Some(120), 2, 5),
            (Some(60), 1, 5),
            (Some(6), 1, 50),
            (Some(0), 1, 300),
        ] {
            let rate = Pacing { per_minute, ..Pacing::default() };
            assert_eq!(
                (looks_at_once(rate), look_every(rate, LOOK_EVERY).as_secs()),
                (at_once, every_s),
                "{per_minute:?}"
            );
        }
        let seldom = look_every(Pacing { per_minute: Some(6), ..Pacing::default() }, LOOK_SELDOM);
        assert_eq!(seldom, LOOK_SELDOM);
    }
}
