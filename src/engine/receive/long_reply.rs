//! Long texts of people: each segment is recorded as it comes, and the text is told once it is whole, or with
//! its gaps shown when its other segments did not come in time.
//!
//! Where it is joined is the ledger's business ([`crate::ledger::long_reply`]), so it does not matter on
//! whose connection a segment came, or which process had to stop in between. A whole text is told by whoever
//! recorded its last segment; what is left is told by any server.

use std::time::Duration;

use super::room::Receive;
use crate::clock::Timestamp;
use crate::engine::carriers::carrier::Carrier;
use crate::error::Result;
use crate::ledger::long_reply::{LongReply, LongReplyClaim, NewReplySegment, Tallies};
use crate::provider::exchange::{Reply, ReplySegment};
use crate::sms::gaps::{self, Piece};

/// How long a text may take to become whole, from its first segment on, in milliseconds.
const PATIENCE_MS: i64 = 5 * 60 * 1_000;

/// How long a process may take to tell a text before another does, in milliseconds.
const TELLING_MS: i64 = 30_000;

/// How often is looked for texts that wait too long.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Texts that are told at a time.
const AT_ONCE: u32 = 50;

/// No text began so early.
const NEVER: Timestamp = Timestamp(i64::MIN);

/// How much had been counted when the operator was told last.
#[derive(Default)]
struct Said(Vec<(String, Tallies)>);

impl Receive {
    /// Records a segment of a long text, and tells the text if that made it whole.
    ///
    /// # Errors
    /// [`LedgerUnavailable`](crate::error::ErrorKind::LedgerUnavailable), where the segment could not be
    /// recorded.
    pub async fn take_segment(&self, carrier: &Carrier, segment: ReplySegment) -> Result<()> {
        let ReplySegment {
            from,
            to,
            reference,
            total,
            number,
            coding,
            octets,
            vendor_id,
            at,
            content,
            is_again,
        } = segment;
        let provider = carrier.name().to_owned();
        let first = match &content {
            Some(content) => self.ledger.first_told(&provider, content).await?,
            None => None,
        };
        let is_doubtful = is_again || first.is_some() || self.is_after_death(at).await?.is_some();
        let at = first.map_or(at, |first| first.min(at));
        let new = NewReplySegment {
            provider,
            from,
            to,
            reference,
            total,
            number,
            coding,
            octets,
            vendor_id,
            at,
            content,
            is_doubtful,
        };
        let now = self.life.now();
        let taken = self.ledger.take_segment(new, now, now.plus_ms(TELLING_MS)).await?;
        if let Some(whole) = taken.whole {
            self.tell_or_leave(carrier, whole).await;
        }
        if taken.cut_short > 0 {
            // Before this one is acknowledged: so no more come than can be told.
            self.tell_some(carrier, NEVER, taken.cut_short).await;
        }
        Ok(())
    }

    /// Tells what was left to tell and what waits too long, and what was counted, until the engine stops.
    pub async fn run_long_replies(&self) {
        let mut said = Said::default();
        // Whoever was away for long gives the carriers time to tell the rest.
        let mut late = NEVER;
        while !self.life.is_stopping() {
            for carrier in self.carriers.all() {
                while !self.life.is_stopping() && self.tell_some(carrier, late, AT_ONCE).await > 0 {}
                self.tell_tallies(carrier, &mut said).await;
            }
            self.life.pause(LOOK_EVERY).await;
            late = self.life.now().plus_ms(-PATIENCE_MS);
        }
    }

    /// Tells so many of a carrier's texts that are due, or began at `late` or before. Returns how many it
    /// told.
    async fn tell_some(&self, carrier: &Carrier, late: Timestamp, limit: u32) -> usize {
        let now = self.life.now();
        let claim = LongReplyClaim {
            provider: carrier.name().to_owned(),
            late,
            limit,
            now,
            again: now.plus_ms(TELLING_MS),
        };
        match self.ledger.claim_long_replies(claim).await {
            // Together, so that the ledger syncs once for many.
            Ok(due) => {
                let told = futures::future::join_all(
                    due.into_iter().map(|reply| self.tell_or_leave(carrier, reply)),
                )
                .await;
                told.into_iter().filter(|is_told| *is_told).count()
            }
            Err(error) => {
                tracing::warn!(provider = carrier.name(), %error,
                    "multipart replies cannot be read from the ledger; it will be tried again");
                0
            }
        }
    }

    /// Tells a text. One that cannot be told now is told later, by whoever looks for it then: it is in the
    /// ledger.
    async fn tell_or_leave(&self, carrier: &Carrier, reply: LongReply) -> bool {
        let told = self.tell_long_reply(carrier, reply).await;
        if let Err(error) = &told {
            tracing::warn!(provider = carrier.name(), %error, "multipart reply could not be recorded whole; \
                its segments are kept, and it will be tried again");
        }
        told.is_ok()
    }

    async fn tell_long_reply(&self, carrier: &Carrier, long: LongReply) -> Result<()> {
        let pieces = pieces(carrier, &long);
        let sequence = long.sequence;
        // Data that is no text tells nothing; beside a text it is a gap in it.
        let is_whole = matches!(pieces.as_slice(), [Piece { first: 1, last, .. }] if *last == long.total);
        if !pieces.is_empty() {
            let (vendor_id, text) = (long.id(), gaps::shown(&pieces, long.total));
            // It was written then, and other wishes may have been told since.
            let reply = Reply {
                vendor_id,
                from: long.from,
                to: long.to,
                text,
                at: long.at,
                content: None,
                is_again: true,
                is_answered: false,
            };
            if is_whole {
                self.take_reply(carrier, reply).await?;
            } else {
                tracing::info!(
                    provider = carrier.name(),
                    "multipart reply recorded with gaps: segments of it never came"
                );
                self.take_words(carrier, reply, Some(&pieces)).await?;
            }
        }
        self.ledger.long_reply_told(sequence, self.life.now()).await
    }

    /// Says what could not be kept, where that is more than was said before.
    async fn tell_tallies(&self, carrier: &Carrier, said: &mut Said) {
        let provider = carrier.name();
        let Ok(now) = self.ledger.tallies(provider).await else { return };
        let Some((_, before)) = said.0.iter_mut().find(|(name, _)| name == provider) else {
            said.0.push((provider.to_owned(), now));
            return;
        };
        let more = |now: u32, before: u32| now.saturating_sub(before);
        let cut_short = more(now.long_replies_cut_short, before.long_replies_cut_short);
        if cut_short > 0 {
            tracing::warn!(
                provider,
                count = cut_short,
                "too many incomplete multipart replies: the oldest were recorded with gaps"
            );
        }
        let dropped = more(now.early_receipts_dropped, before.early_receipts_dropped);
        if dropped > 0 {
            let waiting = now.early_receipts;
            tracing::warn!(
                provider,
                count = dropped,
                waiting,
                "too many delivery receipts match no message: the oldest were dropped"
            );
        }
        *before = now;
    }
}

/// What there is of a text, neighbours joined before anything reads them: phones do cut characters in two.
fn pieces(carrier: &Carrier, long: &LongReply) -> Vec<Piece> {
    struct Run {
        first: u8,
        last: u8,
        coding: u8,
        octets: Vec<u8>,
    }
    let mut runs: Vec<Run> = Vec::new();
    for segment in &long.segments {
        match runs.last_mut() {
            Some(run) if run.coding == segment.coding && run.last.checked_add(1) == Some(segment.number) => {
                run.last = segment.number;
                run.octets.extend_from_slice(&segment.octets);
            }
            _ => runs.push(Run {
                first: segment.number,
                last: segment.number,
                coding: segment.coding,
                octets: segment.octets.clone(),
            }),
        }
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for Run { first, last, coding, octets } in runs {
        let Some(text) = carrier.words(coding, &octets) else { continue };
        match pieces.last_mut() {
            // Neighbours in two alphabets.
            Some(piece) if piece.last.checked_add(1) == Some(first) => {
                piece.last = last;
                piece.text.push_str(&text);
            }
            _ => pieces.push(Piece { first, last, text }),
        }
    }
    pieces
}
