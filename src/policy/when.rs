//! When a message may leave that nothing refuses: as its sender wishes, and as the hours of its recipient let
//! it.

use jiff::civil::DateTime;

use super::ask::Ask;
use super::limits::Policy;
use super::quiet::{self, Decided};
use crate::error::{Error, ErrorKind, Result};
use crate::sms::facts::Facts;
use crate::sms::number::Number;
use crate::sms::verdict::Verdict;

impl Policy {
    /// When it is this time on the recipient's clock, in milliseconds since 1970 (UTC).
    ///
    /// # Errors
    /// Why nobody can tell; after the name of what named the time.
    pub fn at_local(&self, to: &Number, local: DateTime) -> std::result::Result<i64, String> {
        self.quiet.at_local(to, local)
    }

    /// When it may leave.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where that is later than it may be, and [`ErrorKind::QuietHours`] where
    /// it may not leave then, or at no time.
    pub(super) fn when(&self, ask: &Ask<'_>, facts: &Facts) -> Result<Verdict> {
        if let Some(timing) = &self.timing {
            return Ok(timing.verdict(ask, facts));
        }
        let planned = ask.schedule.at_ms.filter(|at_ms| *at_ms > ask.now_ms);
        let from_ms = planned.unwrap_or(ask.now_ms);
        let wrote_ago_ms = facts.wrote_ago_ms.map(|ago_ms| ago_ms.saturating_add(from_ms - ask.now_ms));
        let by_ms = ask.schedule.by_ms;
        let until_ms = match self.quiet.decide(ask.to, ask.purpose, from_ms, wrote_ago_ms)? {
            // The moment at which they end is none of them.
            Decided::Open { until_ms } => until_ms.map(|until_ms| until_ms - 1),
            Decided::Held { hours, why } => {
                if by_ms.is_some_and(|by_ms| by_ms < hours.at_ms) {
                    return Err(quiet::refused(ask.to, ask.purpose, &why).next(format!(
                        "Nothing was sent. It may leave from {} on, which is after its `deliver_by`: name a later one.",
                        quiet::rfc3339(hours.at_ms)
                    )));
                }
                let until_ms = hours.until_ms.map(|until_ms| until_ms - 1);
                return Ok(Verdict::At { at_ms: hours.at_ms, by_ms: by_ms.or(until_ms), why });
            }
        };
        let Some(at_ms) = planned else {
            let by_ms = by_ms.into_iter().chain(until_ms).min();
            return Ok(by_ms.map_or(Verdict::Now, |by_ms| Verdict::Until { by_ms }));
        };
        let by_ms = by_ms.unwrap_or_else(|| at_ms.saturating_add(self.late.as_millis()));
        if by_ms < at_ms {
            let message = "`deliver_by` is before the message may leave";
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .next("Name a later `deliver_by`, or leave it out. Nothing was sent."));
        }
        Ok(Verdict::At { at_ms, by_ms: Some(by_ms), why: "that is when it is to leave".into() })
    }
}
