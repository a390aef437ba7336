//! What carriers and vendors tell, by whatever way it came: each event goes to whoever takes its kind.
//!
//! All of it may come twice, late, or in another order: recording is idempotent. A report that nobody signed
//! is a hint: the vendor is asked, and only its answer counts.

use std::time::Duration;

use super::room::Receive;
use crate::clock::Timestamp;
use crate::engine::carriers::carrier::Carrier;
use crate::engine::carriers::word::{self, e164, is_usable_id};
use crate::error::Result;
use crate::ledger::{E164, ProviderName, VendorId};
use crate::provider::exchange::{Event, Receipt, Reply};
use crate::sms::message::MessageId;

/// How long is waited for the message that a report names which may as well be a person's text: between two
/// looks.
const CLAIM_WAITS: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(750),
    Duration::from_secs(2),
];

impl Receive {
    /// Records what a provider tells. All of it is durable when this returns.
    ///
    /// # Errors
    /// [`ErrorKind::LedgerUnavailable`]; part of it may be recorded then, and the whole may be told again.
    pub async fn take_events(&self, carrier: &Carrier, events: Vec<Event>) -> Result<()> {
        let provider = carrier.name();
        let (mut receipts, mut others) = (Vec::new(), Vec::new());
        let now = self.life.now();
        for mut event in events {
            mend_time(&mut event, now);
            match event {
                event if !is_usable(&event) => {
                    tracing::warn!(provider, "delivery receipt without a usable message id was left out")
                }
                Event::Receipt(receipt) => receipts.push(receipt),
                other => others.push(other),
            }
        }
        // Together, so that the ledger syncs once for many.
        for recorded in futures::future::join_all(
            receipts.into_iter().map(|receipt| self.receipts.post(provider, receipt)),
        )
        .await
        {
            recorded?;
        }
        for event in others {
            match event {
                Event::Hint { vendor_id, message } => {
                    self.take_hint(carrier, &vendor_id, message.as_ref()).await?
                }
                Event::Named { message, vendor_id, by_segment } => {
                    self.take_named(carrier, &message, (&vendor_id, by_segment)).await?
                }
                Event::Reply(reply) => self.take_reply(carrier, reply).await?,
                Event::Segment(segment) => self.take_segment(carrier, segment).await?,
                Event::OptOut { number, is_out, at, heard_by } => {
                    self.take_opt_out(carrier, &number, is_out, (at, heard_by.as_ref())).await?
                }
                Event::Claimed { receipt, reply } => self.take_claimed(carrier, receipt, reply).await?,
                Event::Answered(answered) => self.take_answer(carrier, &answered).await?,
                Event::Unacknowledged(texts) => self.keep_told(carrier, texts).await?,
                Event::Receipt(_) => {}
            }
        }
        Ok(())
    }

    /// Records what reads like a report: as one where it names a message to whoever it comes from, else as
    /// what that person wrote. The answer that names the message may still be on its way to the ledger, so it
    /// is looked for some times.
    async fn take_claimed(&self, carrier: &Carrier, receipt: Receipt, reply: Option<Reply>) -> Result<()> {
        let to = receipt.to.as_deref().and_then(e164);
        for wait in CLAIM_WAITS {
            let Some(to) = &to else { break };
            if self
                .ledger
                .has_vendor_id(ProviderName(carrier.name()), VendorId(&receipt.vendor_id), E164(to.e164()))
                .await?
            {
                return self.receipts.post(carrier.name(), receipt).await;
            }
            self.life.pause(wait).await;
        }
        match reply {
            Some(reply) => self.take_reply(carrier, reply).await,
            None => Ok(()),
        }
    }

    async fn take_hint(&self, carrier: &Carrier, vendor_id: &str, message: Option<&MessageId>) -> Result<()> {
        let is_known = self
            .ledger
            .hint(ProviderName(carrier.name()), VendorId(vendor_id), message, self.life.now())
            .await?;
        tracing::debug!(provider = carrier.name(), is_known, "unverified report");
        if is_known {
            self.signals.hint();
        }
        Ok(())
    }
}

/// Takes out a time that no vendor can mean: of a report or of a text it is then when it came. A text over a
/// connection has a time of ours, by which it is known again.
fn mend_time(event: &mut Event, now: Timestamp) {
    let mend = |at: &mut Timestamp| *at = word::recent(*at, now).unwrap_or(now);
    let mend_reply = |reply: &mut Reply| {
        if reply.content.is_none() {
            mend(&mut reply.at);
        }
    };
    match event {
        Event::Receipt(receipt) => mend(&mut receipt.at),
        Event::Claimed { receipt, reply } => {
            mend(&mut receipt.at);
            reply.iter_mut().for_each(mend_reply);
        }
        Event::Reply(reply) => mend_reply(reply),
        Event::Segment(segment) if segment.content.is_none() => mend(&mut segment.at),
        Event::OptOut { at, .. } => *at = at.and_then(|at| word::since(at, now)),
        Event::Segment(_)
        | Event::Hint { .. }
        | Event::Named { .. }
        | Event::Answered(_)
        | Event::Unacknowledged(_) => {}
    }
}

/// Whether an event names what it speaks of. A hint may do so by the address that it came to alone, and what
/// a person wrote or wishes counts without any name.
fn is_usable(event: &Event) -> bool {
    let (id, may_be_empty) = match event {
        Event::Receipt(receipt) => (&receipt.vendor_id, false),
        Event::Named { vendor_id, .. } => (vendor_id, false),
        Event::Hint { vendor_id, message } => (vendor_id, message.is_some()),
        Event::Claimed { receipt, reply: None } => (&receipt.vendor_id, false),
        Event::Reply(_)
        | Event::Segment(_)
        | Event::OptOut { .. }
        | Event::Claimed { .. }
        | Event::Answered(_)
        | Event::Unacknowledged(_) => {
            return true;
        }
    };
    is_usable_id(id) || (may_be_empty && id.is_empty())
}
