//! What a call says of when its messages leave, and what they are for.

use jiff::civil::DateTime;

use super::room::Submit;
use crate::clock::Timestamp;
use crate::engine::arguments::invalid;
use crate::engine::caller::{Base, Caller};
use crate::engine::carriers::route::Way;
use crate::engine::contract::{BulkArgs, SendArgs};
use crate::error::Result;
use crate::sms::facts::PROCESS_SESSION;
use crate::sms::message::Realm;
use crate::sms::number::Number;
use crate::sms::purpose::Purpose;
use crate::sms::schedule::Schedule;
use crate::sms::untrusted::escape;

/// How far ahead a message may be set for a time: 90 days.
const FURTHEST_MS: i64 = 90 * 24 * 3_600_000;

/// How a server calls itself that clients share, and that runs without any.
const SHARED: &str = "serve --http";

const DAY_MS: i64 = 24 * 3_600_000;

/// A time that is so little in the past is now: a call takes its time. One minute.
const JUST_NOW_MS: i64 = 60_000;

/// What a call says, as it says it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    send_at: Option<&'a str>,
    send_at_local: Option<&'a str>,
    deliver_by: Option<&'a str>,
    purpose: Option<Purpose>,
}

impl<'a> From<&'a SendArgs> for Wish<'a> {
    fn from(args: &'a SendArgs) -> Self {
        let SendArgs { send_at, send_at_local, deliver_by, purpose, .. } = args;
        Self::of([send_at, send_at_local, deliver_by], *purpose)
    }
}

impl<'a> From<&'a BulkArgs> for Wish<'a> {
    fn from(args: &'a BulkArgs) -> Self {
        let BulkArgs { send_at, send_at_local, deliver_by, purpose, .. } = args;
        Self::of([send_at, send_at_local, deliver_by], *purpose)
    }
}

impl<'a> Wish<'a> {
    fn of(times: [&'a Option<String>; 3], purpose: Option<Purpose>) -> Self {
        let [send_at, send_at_local, deliver_by] = times.map(Option::as_deref);
        Self { send_at, send_at_local, deliver_by, purpose }
    }

    /// What of it makes two calls different; nothing where it says nothing, as calls of earlier versions did.
    pub fn said(self) -> impl Iterator<Item = String> {
        let purpose = self.purpose.map(Purpose::as_str);
        let parts = [
            ("send_at", self.send_at),
            ("send_at_local", self.send_at_local),
            ("deliver_by", self.deliver_by),
            ("purpose", purpose),
        ];
        parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)))
    }
}

/// When the messages of a call leave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    at: Option<Timestamp>,
    local: Option<DateTime>,
    by: Option<Timestamp>,
    now_ms: i64,
}

impl Times {
    /// As the call says it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) naming the argument.
    fn read(wish: Wish<'_>, now: Timestamp) -> Result<Self> {
        if wish.send_at.is_some() && wish.send_at_local.is_some() {
            return Err(invalid("send_at_local", "is there beside `send_at`; give one of them"));
        }
        let at = wish.send_at.map(|text| moment("send_at", text)).transpose()?;
        let by = wish.deliver_by.map(|text| moment("deliver_by", text)).transpose()?;
        let local = wish.send_at_local.map(local).transpose()?;
        if let Some(at) = at {
            is_ahead("send_at", at, now)?;
        }
        if let Some(by) = by {
            if by <= now {
                return Err(invalid("deliver_by", format!("is past already: it is {} now", now.rfc3339())));
            }
            if by > now.plus_ms(FURTHEST_MS + DAY_MS) {
                return Err(invalid("deliver_by", "is more than 91 days ahead"));
            }
            if at.is_some_and(|at| by < at) {
                return Err(invalid("deliver_by", "is before `send_at`"));
            }
        }
        Ok(Self { at, local, by, now_ms: now.as_millis() })
    }
}

/// Whether a message may be set for this time.
fn is_ahead(argument: &str, at: Timestamp, now: Timestamp) -> Result<()> {
    if at < now.plus_ms(-JUST_NOW_MS) {
        return Err(invalid(
            argument,
            format!("is past already: it is {} now; leave it out to send now", now.rfc3339()),
        ));
    }
    if at > now.plus_ms(FURTHEST_MS) {
        return Err(invalid(argument, "is more than 90 days ahead"));
    }
    Ok(())
}

/// A moment with its offset.
fn moment(argument: &str, text: &str) -> Result<Timestamp> {
    let wrong = |why: &str| {
        invalid(argument, format!("\"{}\" {why}, such as 2026-12-01T09:00:00+01:00", escape(text)))
    };
    if text.parse::<jiff::Timestamp>().is_err() {
        let has_no_offset = text.parse::<DateTime>().is_ok();
        return Err(wrong(if has_no_offset {
            "does not say which clock it is: write a time with its offset"
        } else {
            "is no time: write RFC 3339 with an offset"
        }));
    }
    Timestamp::parse(text).ok_or_else(|| wrong("is no time: write RFC 3339 with an offset"))
}

/// A time on somebody's clock.
fn local(text: &str) -> Result<DateTime> {
    let has_offset = text.parse::<jiff::Timestamp>().is_ok();
    let has_time = text.contains(['T', 't', ' ']);
    text.parse().ok().filter(|_| has_time && !has_offset).ok_or_else(|| {
        invalid(
            "send_at_local",
            format!("\"{}\" is no time without an offset, such as 2026-12-01T09:00", escape(text)),
        )
    })
}

impl Submit {
    /// When the messages of a call leave.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) naming the argument.
    pub fn times(&self, wish: Wish<'_>) -> Result<Times> {
        Times::read(wish, self.life.now())
    }

    /// The same for this recipient.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::error::ErrorKind::InvalidArgument) where nobody knows what their
    /// clock says, or it is past there.
    pub fn schedule(&self, times: Times, to: &Number) -> Result<Schedule> {
        let at_ms = match times.local {
            None => times.at.map(Timestamp::as_millis),
            Some(local) => {
                let at = self.policy.at_local(to, local).map_err(|wrong| invalid("send_at_local", wrong))?;
                is_ahead("send_at_local", Timestamp(at), Timestamp(times.now_ms))?;
                Some(at)
            }
        };
        let by_ms = times.by.map(Timestamp::as_millis);
        if at_ms.zip(by_ms).is_some_and(|(at, by)| by < at) {
            return Err(invalid("deliver_by", format!("is before the message may leave for {to}")));
        }
        Ok(Schedule { at_ms, by_ms })
    }

    /// What to know where what waits leaves only if a server runs then that nobody promises. A server that
    /// clients share is there for it.
    pub async fn needs_server(&self, caller: &Caller, realm: Realm) -> Result<Option<String>> {
        let is_process = matches!(&caller.base, Base::Named(name) if name.starts_with(PROCESS_SESSION));
        if !is_process {
            return Ok(None);
        }
        let others = self.ledger.others(realm).await?;
        if others.iter().any(|other| other.surface == SHARED) {
            return Ok(None);
        }
        let words = if self.life.is_server() {
            "It leaves only while an sms-mcp server of this ledger runs: this one ends when its client is \
             closed. Tell the user."
        } else if others.iter().any(|other| other.surface.starts_with("serve")) {
            "It leaves only while an sms-mcp server of this ledger runs. One runs now, for as long as its \
             client is open."
        } else {
            "It leaves only while an sms-mcp server of this ledger runs, and no server runs now."
        };
        Ok(Some(words.to_owned()))
    }

    /// What a message is for: the strictest of what its call, its sender and its size say.
    ///
    /// # Errors
    /// [`ErrorKind::PurposeNotAllowed`](crate::error::ErrorKind::PurposeNotAllowed).
    pub fn purpose(
        &self,
        wish: Wish<'_>,
        way: &Way<'_>,
        from: Option<&str>,
        bulk: Option<usize>,
    ) -> Result<Purpose> {
        let shown = way.hops.first().and_then(|hop| hop.carrier.shown(from)).or(from);
        let by_sender = shown.and_then(|shown| self.carriers.purpose_of(shown));
        self.policy.purpose(wish.purpose.into_iter().chain(by_sender), bulk)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: &str = "2026-11-28T12:00:00Z";

    fn read(send_at: Option<&str>, send_at_local: Option<&str>, deliver_by: Option<&str>) -> Result<Times> {
        let wish = Wish { send_at, send_at_local, deliver_by, purpose: None };
        Times::read(wish, Timestamp::parse(NOW).unwrap())
    }

    #[test]
    fn a_time_is_read_with_its_offset_and_what_is_no_such_time_is_named() {
        let at = |text: &str| read(Some(text), None, None).map(|times| times.at.unwrap().rfc3339());
        let wrong = |text: &str| at(text).unwrap_err().message().to_owned();
        assert_eq!(at("2026-12-01T09:00:00+01:00").unwrap(), at("2026-12-01T08:00:00Z").unwrap());
        assert!(at("2026-11-28T11:59:10Z").is_ok(), "a call takes its time");
        for (text, words) in [
            ("2026-12-01T09:00:00", "which clock"),
            ("2026-12-01", "which clock"),
            ("tomorrow", "is no time"),
            ("", "is no time"),
            ("1796000000", "is no time"),
            ("2026-11-28T11:58:00Z", "past already"),
            ("2027-03-01T12:00:00Z", "90 days"),
        ] {
            assert!(wrong(text).contains(words) && wrong(text).starts_with("`send_at`"), "{}", wrong(text));
        }
        assert!(at("2027-02-26T12:00:00Z").is_ok());
    }

    #[test]
    fn a_local_time_has_no_offset_and_stands_alone() {
        assert!(read(None, Some("2026-12-01T09:00"), None).is_ok());
        for text in ["2026-12-01T09:00Z", "2026-12-01T09:00+01:00", "2026-12-01", "09:00", "soon"] {
            assert!(read(None, Some(text), None).is_err(), "{text}");
        }
        assert!(read(Some("2026-12-01T09:00Z"), Some("2026-12-01T09:00"), None).is_err());
    }

    #[test]
    fn what_is_to_be_there_by_a_time_leaves_before_it() {
        let by = |at: Option<&str>, by: &str| read(at, None, Some(by)).is_ok();
        assert!(by(None, "2026-11-28T12:00:01Z") && !by(None, NOW));
        assert!(by(Some("2026-12-01T09:00:00Z"), "2026-12-01T09:00:00Z"));
        assert!(!by(Some("2026-12-01T09:00:00Z"), "2026-12-01T08:59:59Z"));
    }
}
