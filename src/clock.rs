//! Time and randomness, behind one door.
//!
//! Whoever asks what time of day it is, or draws random bits, asks a [`Clock`], so that tests decide what
//! they hear; so do the waits of the engine. `clippy.toml` bans the direct ways. How long a connection, a
//! bind or a stop may take is measured by tokio's clock instead, which only goes forward and which a test can
//! hold still (`tokio::time::pause`).

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::error::{Error, ErrorKind, Result};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This moment moved by `ms` milliseconds (negative: back).
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The UTC calendar day, as `2026-11-22`. Day budgets are keyed by it.
    pub fn utc_day(self) -> String {
        self.to_jiff().strftime("%Y-%m-%d").to_string()
    }

    /// RFC 3339 in UTC with milliseconds, as `2026-11-22T10:15:00.250Z`.
    pub fn rfc3339(self) -> String {
        self.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    /// In UTC to the minute, as people read it: `2026-11-22 10:15 UTC`.
    pub fn to_the_minute(self) -> String {
        self.to_jiff().strftime("%Y-%m-%d %H:%M UTC").to_string()
    }

    /// Reads RFC 3339 with a zone (`2026-11-22T10:15:00Z`), or a bare UTC date (`2026-11-22`). A time without
    /// a zone is nothing: nobody can say when that is.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            return Some(Self(stamp.as_millisecond()));
        }
        if text.contains(['T', 't', ' ', ':']) {
            return None;
        }
        let date: jiff::civil::Date = text.parse().ok()?;
        let zoned = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Self(zoned.timestamp().as_millisecond()))
    }

    /// The last moment that somebody may mean by this one: some name the day alone, or the minute.
    #[must_use]
    pub fn last_meant(self) -> Self {
        let whole = [86_400_000, 60_000, 1_000, 1].into_iter().find(|ms| self.0 % ms == 0).unwrap_or(1);
        self.plus_ms(whole - 1)
    }

    /// Reads a time as mails have it (RFC 2822): `Sun, 22 Nov 2026 10:15:00 +0000`.
    pub fn parse_rfc2822(text: &str) -> Option<Self> {
        let zoned = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
        Some(Self(zoned.timestamp().as_millisecond()))
    }

    fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// The source of time and randomness.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Fills `bytes` with random bits fit for handles that must not be guessed.
    fn fill_random(&self, bytes: &mut [u8]) -> Result<()>;
    /// Waits. A test clock may make this a moment of its own choosing.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// A shared [`Clock`].
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock and the operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn fill_random(&self, bytes: &mut [u8]) -> Result<()> {
        getrandom::fill(bytes).map_err(|error| {
            Error::new(ErrorKind::Internal, "the operating system gave no random bits")
                .because(error.to_string())
        })
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_back_and_a_bare_date_is_midnight_utc() {
        let at = Timestamp(1_795_342_500_250);
        assert_eq!(Timestamp::parse(&at.rfc3339()), Some(at));
        assert_eq!(at.to_the_minute(), "2026-11-22 10:15 UTC");
        assert_eq!(
            Timestamp::parse("2026-11-22").map(Timestamp::rfc3339).as_deref(),
            Some("2026-11-22T00:00:00.000Z")
        );
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp::parse("2026-11-22T10:15:00"), None, "which zone?");
        assert_eq!(Timestamp::parse("2026-11-22 10:15"), None);
        assert_eq!(Timestamp(0).utc_day(), "1970-01-01");
    }
}
