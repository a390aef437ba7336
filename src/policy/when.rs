//! When a message may leave that nothing refuses: as its sender wishes, and as the hours of its recipient let
//! it.

use jiff::civil::DateTime;

use super::ask::Ask;
use super::limits::Policy;
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
        let _ = local;
        Err(format!("cannot be read: nobody knows the clock of {to}; use `send_at`"))
    }

    /// When it may leave.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] where that is later than it may be.
    pub(super) fn when(&self, ask: &Ask<'_>, facts: &Facts) -> Result<Verdict> {
        if let Some(timing) = &self.timing {
            return Ok(timing.verdict(ask, facts));
        }
        let Some(at_ms) = ask.schedule.at_ms.filter(|at_ms| *at_ms > ask.now_ms) else {
            return Ok(ask.schedule.by_ms.map_or(Verdict::Now, |by_ms| Verdict::Until { by_ms }));
        };
        let by_ms = ask.schedule.by_ms.unwrap_or_else(|| at_ms.saturating_add(self.late.as_millis()));
        if by_ms < at_ms {
            let message = "`deliver_by` is before the message may leave";
            return Err(Error::new(ErrorKind::InvalidArgument, message)
                .next("Name a later `deliver_by`, or leave it out. Nothing was sent."));
        }
        Ok(Verdict::At { at_ms, by_ms: Some(by_ms), why: "that is when it is to leave".into() })
    }
}
