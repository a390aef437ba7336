//! What a vendor answered: status, headers, and the body as far as it came.

use ::http::HeaderMap;
use axum::body::Bytes;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;

/// The longest wait that a vendor may ask for: its daily limits are over by then.
const LONGEST_WAIT_MS: u64 = 86_400_000;

/// A vendor's answer. It has no `Debug`: it may hold texts.
#[derive(Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body, as far as it came and up to 1 MiB.
    pub body: Bytes,
    /// Whether that is all of it.
    pub is_whole: bool,
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// What is wrong with it, without quoting it.
    pub fn json<T: DeserializeOwned>(&self) -> std::result::Result<T, String> {
        if !self.is_whole {
            return Err("the answer was cut short or is too long".to_owned());
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            // The error itself may quote the answer.
            format!(
                "the answer does not read as documented (line {}, column {})",
                error.line(),
                error.column()
            )
        })
    }

    /// How long the vendor asks to wait, in milliseconds: `Retry-After` in seconds or as a date (RFC 9110,
    /// 10.2.3). Never more than a day: a clock that is wrong by years must not shut a provider out until the
    /// program starts again.
    pub fn retry_after_ms(&self, now: Timestamp) -> Option<u64> {
        self.asked_to_wait_ms(now).map(|wait_ms| wait_ms.min(LONGEST_WAIT_MS))
    }

    fn asked_to_wait_ms(&self, now: Timestamp) -> Option<u64> {
        let text = self.header("retry-after")?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(seconds.saturating_mul(1_000));
        }
        let at = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        let at = i64::try_from(at.as_millis()).ok()?;
        u64::try_from(at.saturating_sub(now.as_millis()).max(0)).ok()
    }
}
