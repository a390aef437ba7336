//! Answers that come after their request was given up: what is unknown is settled by them, as it would have
//! been by the answer in time. It is sent, and found by its receipts, or rejected, and its money is free.
//! What is final stays as it is, and nothing is ever sent again by this: the key of the call stays used.

use std::time::Duration;

use super::room::Receive;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::word::{FIRST_LOOK_MS, is_usable_id};
use crate::engine::deliver::outcome::{ended_as, plain};
use crate::engine::deliver::segments::{segment_of, settlement};
use crate::error::{ErrorKind, Result};
use crate::ledger::{Record, Segment, Settlement};
use crate::provider::SegmentOutcome;
use crate::provider::exchange::Answered;
use crate::sms::message::State;

/// The waits, in milliseconds, while the attempt itself is not settled: its other segments may still be under
/// way, and the ledger may be locked.
const WAITS_MS: [u64; 10] = [20, 50, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000];

impl Receive {
    /// Settles what a late answer speaks of. Answers about one message are to be taken one after the other.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`]: it stays unknown then, for nobody tells it again.
    pub async fn take_answer(&self, carrier: &Carrier, answered: &Answered) -> Result<()> {
        if matches!(answered.outcome, SegmentOutcome::Unknown { .. }) {
            return Ok(());
        }
        let mut waits = WAITS_MS.iter();
        loop {
            let found = self.ledger.find(&answered.message).await;
            let wait = match found {
                Ok(Some(record)) if record.provider != carrier.name() || record.realm != carrier.realm() => {
                    return Ok(());
                }
                // The attempt ends first, so that the whole of it is known.
                Ok(Some(record)) if record.state == State::Attempting => waits.next(),
                Ok(Some(record)) => return self.settle_late(carrier, &record, answered).await,
                Ok(None) => return Ok(()),
                Err(error) => match waits.next() {
                    Some(wait) => Some(wait),
                    None => return Err(error),
                },
            };
            let Some(wait) = wait else { return Ok(()) };
            if self.life.is_stopping() {
                return Ok(());
            }
            self.life.pause(Duration::from_millis(*wait)).await;
        }
    }

    async fn settle_late(&self, carrier: &Carrier, record: &Record, answered: &Answered) -> Result<()> {
        let settlement = match answered.segment {
            Some((number, of)) if of > 1 => {
                let Some(settlement) =
                    self.with_late_segment(carrier, record, (number, of), &answered.outcome).await?
                else {
                    return Ok(());
                };
                settlement
            }
            _ if record.state == State::Unknown && !record.is_parted => {
                self.late_settlement(carrier, &answered.outcome)
            }
            _ => return Ok(()),
        };
        self.recorder.settle(&record.id, &settlement).await?;
        tracing::info!(message = %record.id, state = %settlement.state,
            "settled by a late response of the provider");
        Ok(())
    }

    /// What the ledger is told about a message of one segment.
    fn late_settlement(&self, carrier: &Carrier, outcome: &SegmentOutcome) -> Settlement {
        let at = self.life.now();
        match outcome {
            SegmentOutcome::Accepted { vendor_id } => {
                let vendor_id = Some(vendor_id.clone()).filter(|id| is_usable_id(id));
                let is_asked = vendor_id.is_some() && carrier.capabilities().receipts_by_poll;
                Settlement {
                    vendor_id,
                    look_at: is_asked.then(|| at.plus_ms(FIRST_LOOK_MS)),
                    ..plain(at, State::Sent)
                }
            }
            SegmentOutcome::Rejected { code, why } | SegmentOutcome::NotNow { code, why, .. } => {
                ended_as(at, State::Rejected, *code, why.clone(), false)
            }
            SegmentOutcome::NotSent { why, .. } | SegmentOutcome::Unknown { why } => {
                ended_as(at, State::Rejected, ErrorKind::ProviderUnavailable, why.clone(), false)
            }
        }
    }

    /// The same about a message of several, with what is known of the others. Nothing where this one is known
    /// already.
    async fn with_late_segment(
        &self,
        carrier: &Carrier,
        record: &Record,
        (number, of): (u8, u8),
        outcome: &SegmentOutcome,
    ) -> Result<Option<Settlement>> {
        let at = self.life.now();
        let mut parts = self.ledger.segments(&record.principal, &record.id).await?;
        if parts.is_empty() && record.state == State::Unknown {
            // The attempt was given up as a whole.
            let lost = || SegmentOutcome::Unknown { why: "its answer was not waited for".to_owned() };
            parts = (1..=u32::from(of)).map(|number| segment_of(number, lost(), at)).collect();
        }
        let Some(place) =
            parts.iter_mut().find(|part| part.number == u32::from(number) && part.state == State::Unknown)
        else {
            return Ok(None);
        };
        *place = Segment { ..segment_of(u32::from(number), outcome.clone(), at) };
        Ok(Some(settlement(parts, at, carrier.capabilities().receipts_by_poll)))
    }
}
