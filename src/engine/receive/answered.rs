//! Answers that come after their request was given up: what is unknown is settled by them, as it would have
//! been by the answer in time. It is sent, and found by its receipts, or rejected, and its money is free.
//! What is final stays as it is, and nothing is ever sent again by this: the key of the call stays used.
//!
//! A report that names a message of ours is such an answer as well, where the vendor proved that it is its
//! own. It says that the vendor took the message; where each segment has an id at the vendor, that it took the
//! one with this id, and nothing of the others.

use std::time::Duration;

use super::room::Receive;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::word::{FIRST_LOOK_MS, is_usable_id};
use crate::engine::deliver::outcome::{ended_as, plain};
use crate::engine::deliver::segments::{segment_of, settlement};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Record, Segment, Settlement};
use crate::provider::SegmentOutcome;
use crate::provider::exchange::Answered;
use crate::sms::message::{MessageId, State};

/// The waits, in milliseconds, while the attempt itself is not settled: its other segments may still be under
/// way, and the ledger may be locked.
const WAITS_MS: [u64; 10] = [20, 50, 100, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000];

/// The same for a report that names a message: the vendor waits for us meanwhile, and tells it again.
const NAMED_WAITS_MS: [u64; 5] = [20, 50, 100, 500, 1_000];

/// How often a segment is looked for a place: two reports may take the same one, of which the ledger keeps one.
const PLACES: u32 = 8;

/// What is said of a segment whose answer nobody waited for.
const NOT_WAITED_FOR: &str = "its answer was not waited for";

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

    /// Settles a message whose answer was lost: a report that was proven to be the vendor's names it with this
    /// id. `by_segment`: it is the id of a segment, where the text has several.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`], and [`ErrorKind::ProviderUnavailable`] while the answer may still
    /// come: the vendor is to tell it again.
    pub async fn take_named(
        &self,
        carrier: &Carrier,
        message: &MessageId,
        (vendor_id, by_segment): (&str, bool),
    ) -> Result<()> {
        let taken = SegmentOutcome::Accepted { vendor_id: vendor_id.to_owned(), price: None };
        for _ in 0..PLACES {
            let Some(record) = self.unknown_of(carrier, message).await? else { return Ok(()) };
            let is_of_several = by_segment && (record.segments > 1 || record.is_parted);
            let settlement = if is_of_several {
                self.with_named_segment(carrier, &record, vendor_id, taken.clone()).await?
            } else {
                let is_it = record.vendor_id.as_deref().is_none_or(|known| known == vendor_id);
                is_it.then(|| self.late_settlement(carrier, &taken))
            };
            let Some(settlement) = settlement else { return Ok(()) };
            self.recorder.settle(&record.id, &settlement).await?;
            tracing::info!(message = %record.id, state = %settlement.state,
                "settled by a report that names it");
            if !is_of_several {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::ProviderUnavailable, "too many reports name one message at once"))
    }

    /// The message that a report of this carrier names, where its answer was lost.
    ///
    /// # Errors
    /// See [`Receive::take_named`].
    async fn unknown_of(&self, carrier: &Carrier, message: &MessageId) -> Result<Option<Record>> {
        let mut waits = NAMED_WAITS_MS.iter();
        loop {
            let Some(record) = self.ledger.find(message).await? else { return Ok(None) };
            if record.provider != carrier.name() || record.realm != carrier.realm() {
                return Ok(None);
            }
            if record.state != State::Attempting {
                return Ok(Some(record).filter(|record| record.state == State::Unknown));
            }
            let Some(wait) = waits.next().filter(|_| !self.life.is_stopping()) else {
                let why = "a report names a message whose answer is still waited for";
                return Err(Error::new(ErrorKind::ProviderUnavailable, why));
            };
            self.life.pause(Duration::from_millis(*wait)).await;
        }
    }

    /// What the ledger is told about a message of several segments, of which the vendor has one under this id:
    /// which of them that is, nobody says, and none of those is it whose id is known. Nothing where it is known
    /// already.
    async fn with_named_segment(
        &self,
        carrier: &Carrier,
        record: &Record,
        vendor_id: &str,
        taken: SegmentOutcome,
    ) -> Result<Option<Settlement>> {
        let at = self.life.now();
        let mut parts = self.parts_of(record, record.segments).await?;
        if parts.iter().any(|part| part.vendor_id.as_deref() == Some(vendor_id)) {
            return Ok(None);
        }
        let is_open = |part: &&mut Segment| part.state == State::Unknown && part.vendor_id.is_none();
        let Some(place) = parts.iter_mut().find(is_open) else { return Ok(None) };
        *place = segment_of(place.number, taken, at);
        Ok(Some(settlement(parts, at, carrier.capabilities().receipts_by_poll)))
    }

    /// What is known of the segments of a message; where the attempt was given up as a whole, that each of so
    /// many is unknown.
    async fn parts_of(&self, record: &Record, of: u32) -> Result<Vec<Segment>> {
        let parts = self.ledger.segments(&record.principal, &record.id).await?;
        if !parts.is_empty() || record.state != State::Unknown {
            return Ok(parts);
        }
        let lost = || SegmentOutcome::Unknown { why: NOT_WAITED_FOR.to_owned() };
        Ok((1..=of).map(|number| segment_of(number, lost(), self.life.now())).collect())
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
            SegmentOutcome::Accepted { vendor_id, .. } => {
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
        let mut parts = self.parts_of(record, u32::from(of)).await?;
        let Some(place) =
            parts.iter_mut().find(|part| part.number == u32::from(number) && part.state == State::Unknown)
        else {
            return Ok(None);
        };
        *place = Segment { ..segment_of(u32::from(number), outcome.clone(), at) };
        Ok(Some(settlement(parts, at, carrier.capabilities().receipts_by_poll)))
    }
}
